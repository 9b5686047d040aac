-- Sentence templates: "{a} gave {o} to {b}." compiled once into pieces and slots.
--
-- A slot names a person, thing or place of the caller's table, with a field after a dot: {a} is a name, {a.he} the
-- pronoun, {o} "the silver key", {o.a} "a silver key", {p.at} "at the mill".  A slot that begins a sentence or a
-- quotation is capitalised.  An unknown slot or an empty field is an error, so no broken sentence leaves here.
local M = {}

local capitals = {}
local function capitalise(text)
  local result = capitals[text]
  if not result then
    result = text:sub(1, 1):upper() .. text:sub(2)
    capitals[text] = result
  end
  return result
end

-- Does a sentence begin after `before`?
local function begins_sentence(before)
  if before:match "^%s*$" then return true end
  if before:match '[.!?]"?%s+$' then return true end
  if before:match '[.!?]"?%s+"$' or before:match '^"$' or before:match ', "$' or before:match ': "$' then return true end
  return false
end

local function compile(template)
  local parts, position, before = {}, 1, ""
  while true do
    local first, last, name, field = template:find("{(%a+)%.?(%a*)}", position)
    local text = template:sub(position, first and first - 1)
    if text ~= "" then parts[#parts + 1] = text end
    if not first then break end
    before = before .. text
    parts[#parts + 1] = { name, field == "" and "name" or field, begins_sentence(before) }
    before = before .. "x"
    position = last + 1
  end
  return parts
end

local compiled = {}

---Appends the filled template to out[n+1...]; returns the new n and the bytes added.
---@param mention fun(entity: table, field: string)? told of every slot that was used
function M.fill(template, context, out, n, mention)
  local parts = compiled[template]
  if not parts then
    parts = compile(template)
    compiled[template] = parts
  end
  local bytes = 0
  for i = 1, #parts do
    local part = parts[i]
    if type(part) ~= "string" then
      local entity = context[part[1]]
      local text = entity
      if type(entity) == "table" then
        text = entity[part[2]]
        if mention then mention(entity, part[2]) end
      end
      if type(text) ~= "string" then
        error(("storyworld template '%s': got no value for {%s.%s}"):format(template, part[1], part[2]), 0)
      end
      part = part[3] and capitalise(text) or text
    end
    n = n + 1
    out[n] = part
    bytes = bytes + #part
  end
  return n, bytes
end

M.capitalise = capitalise

return M
