-- facts: short facts about who is where, hidden in order among useless sentences, and one question at the end.
--
-- bAbI's first two tasks in BABILong's form (memory-architectures.md, section 3.1): one supporting fact (where is a
-- person?) or two (where is a thing that a person carries?); one-word answers; only the answer is trained.
local task = require "sources.lib.task"

local M = { name = "facts" }

M.defaults = {
  min_facts = 2, max_facts = 10,
  supporting = 2,                       -- 1: only persons are asked for; 2: also things
  min_tokens = 100, max_tokens = 1000,  -- length with filler, about, log-uniform
}

local kPeople = { "Mary", "John", "Daniel", "Sandra", "Fred", "Julie" }
local kPlaces = { "garden", "kitchen", "office", "bathroom", "hallway", "bedroom", "park", "school" }
local kThings = { "apple", "football", "milk", "book", "lamp" }
local kGo = { "%s went to the %s.", "%s moved to the %s.", "%s walked to the %s.", "%s travelled to the %s." }
local kTake = { "%s took the %s.", "%s picked up the %s.", "%s got the %s." }
local kDrop = { "%s dropped the %s.", "%s put down the %s.", "%s left the %s there." }

-- Facts in order; afterwards place_of[person], place_of[thing] and the number of the last fact about each.
local function tell(random, options)
  local facts, place_of, carries, at = {}, {}, {}, {}
  local function go(person)
    local place
    repeat place = random:pick(kPlaces) until place ~= place_of[person]
    place_of[person] = place
    facts[#facts + 1] = random:pick(kGo):format(person, place)
    at[person] = #facts
    for thing, holder in pairs(carries) do
      if holder == person then
        place_of[thing] = place
        at[thing] = #facts
      end
    end
  end
  local count = random:range(options.min_facts, options.max_facts)
  while #facts < count do
    local person = random:pick(kPeople)
    local thing = random:pick(kThings)
    if options.supporting < 2 or not place_of[person] or random:chance(0.5) then
      go(person)
    elseif carries[thing] == person then
      carries[thing] = nil
      facts[#facts + 1] = random:pick(kDrop):format(person, thing)
      at[thing] = #facts
    elseif not carries[thing] and (not place_of[thing] or place_of[thing] == place_of[person]) then
      carries[thing] = person
      place_of[thing] = place_of[person]
      facts[#facts + 1] = random:pick(kTake):format(person, thing)
      at[thing] = #facts
    else
      go(person)
    end
  end
  local subjects = {}
  for _, list in ipairs { kPeople, kThings } do
    for _, subject in ipairs(list) do
      if place_of[subject] then subjects[#subjects + 1] = subject end
    end
  end
  return facts, subjects, place_of, at
end

-- Facts with filler sentences between, `tokens` long about; the place behind fact `asked`.
local function hide(random, facts, tokens, asked)
  local filler = {}
  for sentence in task.filler:gmatch "[^.]+%. " do filler[#filler + 1] = sentence end
  local text, place = {}, 0
  local per_fact = tokens * task.bytes_per_token / #facts
  local bytes = 0
  for i, fact in ipairs(facts) do
    text[#text + 1] = fact .. " "
    bytes = bytes + #fact + 1
    if i == asked then place = bytes end
    local next_sentence = random:int(#filler)
    while bytes < per_fact * i do
      text[#text + 1] = filler[next_sentence]
      bytes = bytes + #filler[next_sentence]
      next_sentence = next_sentence % #filler + 1
    end
  end
  return table.concat(text), place
end

local function make(random, options, tokens)
  local facts, subjects, place_of, at = tell(random, options)
  local subject = random:pick(subjects)
  local text, place = hide(random, facts, tokens, at[subject])
  local person = subject:find "^%u"
  return text, ("Where is %s%s?"):format(person and "" or "the ", subject), place_of[subject], place
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local tokens = options.min_tokens * (options.max_tokens / options.min_tokens) ^ random:uniform()
  local text, question, answer = make(random, options, tokens)
  return task.text():read(text .. question):write(" " .. answer .. "."):finish()
end

---Distance in tokens, about: the length of the text; what was reached is in the result.
function M.question(index, given)
  local options = task.options(M, { supporting = given and given.supporting })
  local random = task.random(M, index, given and given.seed or 0, " question")
  local text, question, answer, place = make(random, options, given and given.distance or 500)
  return task.question(random, text, question, answer, math.floor((#text - place) / task.bytes_per_token),
    function() return random:pick(kPlaces) end)
end

return M
