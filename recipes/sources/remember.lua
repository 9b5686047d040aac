-- remember: one key and its value at a time, with words of no use between, and a question at the end.
--
-- Associative Recurrent Memory Transformer's Remember task (memory-architectures.md, section 3.1): keys are distinct.
-- With `rewrite` keys come again with new values and the newest counts.  `gap_words` words follow each pair; with a
-- gap as long as a segment there is one pair in each.  Only the answer is trained.
local task = require "sources.lib.task"

local M = { name = "remember" }

M.defaults = {
  min_pairs = 2, max_pairs = 20,
  keys = 512, values = 512,  -- how many different ones there are
  gap_words = 8,
  rewrite = false,           -- keys are repeated; three of four pairs overwrite an old value
}

local function gap(random, options, text)
  for _ = 1, options.gap_words do text:read(" " .. task.word(2000 + random:int(64) - 1)) end
end

-- Reads the pairs into `text`; returns the keys in order of their last mention, with value and place in bytes.
local function tell(random, options, count, text)
  local known, list = {}, {}
  for i = 1, count do
    local key
    if options.rewrite and #list > 0 and random:chance(0.75) then
      key = random:pick(list)
    else
      repeat key = task.word(random:int(options.keys) - 1) until not known[key]
      list[#list + 1] = key
    end
    local value = task.word(1000 + random:int(options.values) - 1)
    text:read((i > 1 and " " or "") .. key .. " is " .. value .. ".")
    known[key] = { value = value, at = text.bytes }
    gap(random, options, text)
  end
  return list, known
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local text = task.text()
  local list, known = tell(random, options, random:range(options.min_pairs, options.max_pairs), text)
  local key = random:pick(list)
  text:read(" What is " .. key .. "? It is"):write(" " .. known[key].value .. ".")
  return text:finish()
end

---Distance in tokens (about): the pair asked for is told first, others and gaps follow.
function M.question(index, given)
  local options = task.options(M, { rewrite = given and given.rewrite })
  local random = task.random(M, index, given and given.seed or 0, " question")
  local text = task.text()
  local distance_bytes = (given and given.distance or 100) * task.bytes_per_token
  local key, value = task.word(random:int(options.keys) - 1), task.word(1000 + random:int(options.values) - 1)
  local values = {}
  if options.rewrite then
    text:read(key .. " is " .. task.word(1000 + random:int(options.values) - 1) .. ".")
    gap(random, options, text)
    text:read " "
  end
  text:read(key .. " is " .. value .. ".")
  local at = text.bytes
  repeat
    local other
    repeat other = task.word(random:int(options.keys) - 1) until other ~= key
    values[#values + 1] = task.word(1000 + random:int(options.values) - 1)
    text:read(" " .. other .. " is " .. values[#values] .. ".")
    gap(random, options, text)
  until text.bytes - at >= distance_bytes and #values >= 3
  local context = text:finish()
  return task.question(random, context, " What is " .. key .. "? It is", value,
    math.floor((#context - at) / task.bytes_per_token), function() return random:pick(values) end)
end

return M
