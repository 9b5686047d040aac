-- storyworld: small English stories, instructions and worked reasoning, made from a seed and an index.
--
-- `document(index, seed, options)` is a pure function: the same text on every machine and thread.  People, things
-- that change hands, promises, secrets and feelings matter again many sentences later, and questions about them are
-- asked inside and after the stories.  `question` makes held-out questions at a wanted distance, with choices, so
-- that a memory can be scored.  The parts: storyworld/words, template, world (state), threads (plots), story,
-- questions, instructions, reasoning.
local Random = require "sources.lib.random"
local World = require "sources.storyworld.world"
local filler = require "sources.storyworld.filler"
local instructions = require "sources.storyworld.instructions"
local questions = require "sources.storyworld.questions"
local reasoning = require "sources.storyworld.reasoning"
local story = require "sources.storyworld.story"

local M = { name = "storyworld" }

-- Bytes of this text per token of a vocabulary of a few thousand entries; only lengths depend on it, roughly.
M.bytes_per_token = 4.2

---@class storyworld.Options
M.defaults = {
  stories = 0.7,        -- shares of the documents
  instructions = 0.15,
  reasoning = 0.15,
  questions = 0.65,     -- share of the stories with questions in them
  quizzes = 0.5,        -- share of those that only present people and then ask about them
  recitals = 0.15,      -- share of the stories that tell the same facts again and again
  min_tokens = 250,     -- length of a story, about; log-uniform between the two
  max_tokens = 1800,
}

local function with_defaults(options)
  if not options then return M.defaults end
  for key in pairs(options) do
    if M.defaults[key] == nil then error(("storyworld: unknown option '%s'"):format(key), 0) end
  end
  return setmetatable(options, { __index = M.defaults })
end

-- Many look-ups in little text: what teaches a model to look things up at all.
local function quiz(w, random, target_bytes)
  story.open(w, random:range(2, 5))
  while w.bytes < target_bytes do
    if random:chance(0.1) then filler.scene(w) end
    questions.ask_any(w)
  end
  w:paragraph()
  return w
end

-- The same facts in ever new order, and nothing else: the densest text to learn looking up from.
local function recital(w, random, target_bytes)
  story.open(w, random:range(2, 6))
  while w.bytes < target_bytes do
    w:paragraph()
    local facts = questions.facts(w)
    for i, fact in ipairs(random:sample(facts, #facts)) do
      if i > 1 then w:append " " end
      questions.tell(w, fact)
    end
  end
  w:paragraph()
  return w
end

local function long_story(random, options, trace)
  local w = World.new(random, trace)
  if random:chance(options.recitals) then
    return recital(w, random, random:range(options.min_tokens, 500) * M.bytes_per_token)
  end
  local asking = random:chance(options.questions)
  if asking and random:chance(options.quizzes) then
    local shortest = options.min_tokens + 10
    local tokens = random:range(shortest, math.max(shortest, math.min(700, options.max_tokens)))
    return quiz(w, random, tokens * M.bytes_per_token)
  end
  local tokens = options.min_tokens * (options.max_tokens / options.min_tokens) ^ random:uniform()
  local target_bytes = tokens * M.bytes_per_token
  story.open(w, random:range(2, tokens > 700 and 5 or 4))
  local weave = tokens > 700 and 3 or tokens > 400 and 2 or 1
  local function after_beat()
    if asking and random:chance(0.5) then
      questions.ask_any(w)
      if random:chance(0.3) then questions.ask_any(w) end
    end
  end
  while w.bytes < target_bytes do
    story.step(w, weave)
    after_beat()
  end
  story.finish(w, after_beat)
  story.close(w)
  if asking then
    for _ = 1, random:range(2, 4) do questions.ask_any(w) end
  end
  w:paragraph()
  return w
end

local function make(index, seed, options, trace)
  options = with_defaults(options)
  local random = Random.new(seed, index, "storyworld")
  local total = options.stories + options.instructions + options.reasoning
  local roll = random:uniform() * total
  if roll < options.stories then
    local w = long_story(random, options, trace)
    return w:text(), w, "story"
  elseif roll < options.stories + options.instructions then
    local text, w = instructions.make(random, trace)
    return text, w, "instruction"
  end
  return reasoning.make(random), nil, "reasoning"
end

---@param index integer from 1
---@param seed integer
---@param options storyworld.Options?
---@return string text
function M.document(index, seed, options)
  local text = make(index, seed, options)
  return text
end

---The same document with what happened in it, for tests: text, events, part ("story", "instruction", "reasoning").
function M.trace(index, seed, options)
  local text, w, part = make(index, seed, options, true)
  return text, w and w.events or {}, part
end

local kKinds = { "holder", "color", "pet", "home", "place", "dish" }
M.question_kinds = kKinds

-- Which field of a person a kind of question is about.
local kFields = { color = "wear", pet = "pet", home = "home", dish = "dish" }

-- The fact to be asked later: for holder and place one that a plot has just told.
local function pick_fact(w, kind, since)
  local list = {}
  for _, fact in ipairs(questions.facts(w)) do
    if fact.kind == kind and fact.at >= since then list[#list + 1] = fact end
  end
  return #list > 0 and w.random:pick(list) or nil
end

local function find_person(w, fact)
  for _, person in ipairs(w.people) do
    if person.name == fact.event.person then return person end
  end
end

-- From here on nothing may touch or mention the fact.
local function freeze(w, fact)
  for _, thing in ipairs(w.things) do
    if fact.event.thing == thing.short then
      w.frozen[thing] = { where = true }
      thing.busy = true
    end
  end
  local person = find_person(w, fact)
  if person then w.frozen[person] = { [kFields[fact.kind]] = true, [fact.kind] = true } end
end

local function is_current(w, fact)
  w.frozen = {}
  for _, other in ipairs(questions.facts(w)) do
    if other.question == fact.question then return other.answer == fact.answer and other.at <= fact.at end
  end
  return false
end

---A held-out question: stories made for it never occur among the documents.
---@param index integer
---@param options { seed: integer?, distance: integer?, kind: string? }? distance in tokens, about (default 200)
---@return { context: string, question: string, answer: string, choices: string[], distance: integer,
--- fact_offset: integer, kind: string } question
--- context .. question .. answer is the text; answer and choices begin with a blank; distance is what was reached,
--- fact_offset the first byte behind the fact
function M.question(index, options)
  options = options or {}
  local distance_bytes = (options.distance or 200) * M.bytes_per_token
  local kind = options.kind or kKinds[(index - 1) % 4 + 1]
  for attempt = 0, 99 do
    local random = Random.new(options.seed or 0, index * 100 + attempt, "storyworld question")
    local w = World.new(random)
    story.open(w, 4)
    -- A few beats first, so that the fact is not always near the beginning.
    local fact
    local beats = random:range(1, 4)
    for step = 1, beats + 12 do
      local since = w.bytes
      story.step(w, 2)
      if step >= beats then
        fact = pick_fact(w, kind, (kind == "holder" or kind == "place") and since or 0)
        if fact then break end
      end
    end
    if fact then
      local field = kFields[kind]
      if field and w.bytes - fact.at > distance_bytes then
        -- Told too long ago: once more.
        filler.mention(w, find_person(w, fact), field)
        fact.at = w.bytes
      end
      freeze(w, fact)
      while distance_bytes - (w.bytes - fact.at) > 700 do story.step(w, 3) end
      while distance_bytes - (w.bytes - fact.at) > 30 do filler.sentence(w, w:free_person() or w.people[1]) end
      w:paragraph()
      local choices = is_current(w, fact) and questions.choices(w, fact)
      if choices and #choices >= 3 then
        for i, choice in ipairs(choices) do choices[i] = " " .. choice end
        return {
          context = w:text(), question = ("Question: %s\nAnswer: %s"):format(fact.question, fact.stem),
          answer = " " .. fact.answer,
          choices = choices, fact_offset = fact.at + 1, kind = kind,
          distance = math.floor((w.bytes - fact.at) / M.bytes_per_token + 0.5),
        }
      end
    end
  end
  error(("storyworld question: got no question of kind '%s', expected one of %s"):format(
    kind, table.concat(kKinds, ", ")), 0)
end

return M
