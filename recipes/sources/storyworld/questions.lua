-- Questions about the state of a story, in one fixed form, with wrong answers of the same kind to choose from.
--
--   Question: Who had the silver key?
--   Answer: The silver key was with Mira.
--
-- An answer is a whole sentence that ends in what was asked for, worded as stories word the fact.  So a small model can
-- find the place by the words it has just written, and the question stays what it was: nothing else tells who it is.
local words = require "sources.storyworld.words"

local M = {}

local function others(random, right, list, count)
  local seen, result = { [right] = true }, {}
  for _, value in ipairs(random:sample(list, #list)) do
    if not seen[value] and #result < count then
      seen[value] = true
      result[#result + 1] = value
    end
  end
  return result
end

-- Values of `field` over the people who were told about, then from `rest`: those of this story are the hard ones.
local function same_field(w, field, right, rest)
  local list, seen = {}, { [right] = true }
  for _, person in ipairs(w.people) do
    local value = person[field]
    if value and not seen[value] and (field == "color" or person.seen[field]) then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  for _, value in ipairs(others(w.random, right, rest, 8)) do
    if #list < 3 and not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  while #list > 3 do list[#list] = nil end
  return list
end

local function frozen(w, entity, field)
  local f = w.frozen[entity]
  return f and f[field]
end

-- All facts that may be asked about now: {kind, question, answer, wrong(), at}.
-- `at`: where in the text the fact was last told.
function M.facts(w)
  local facts = {}
  -- The answer's sentence is stem, blank, answer, rest.
  local function add(kind, at, question, stem, answer, wrong, event, rest)
    if at and answer then
      facts[#facts + 1] = { kind = kind, at = at, question = question, stem = stem, answer = answer, rest = rest or ".",
        wrong = wrong, event = event }
    end
  end
  local function people_names(right)
    local list = {}
    for _, person in ipairs(w.people) do
      if person.name ~= right then list[#list + 1] = person.name end
    end
    while #list > 3 do table.remove(list, w.random:int(#list)) end
    return list
  end
  for _, thing in ipairs(w.things) do
    local where = thing.where
    if where and not frozen(w, thing, "where") then
      -- Counted from the last time the thing was spoken of at all.
      local at = math.max(thing.fact_at, thing.seen.name or 0, thing.seen.a or 0)
      if where.he then
        add("holder", at, "Who had " .. thing.name .. "?", "The " .. thing.short .. " was with", where.name, function() return people_names(where.name) end,
          { thing = thing.short })
      else
        local answer = where.inside or where.at
        add("place", at, "Where was " .. thing.name .. "?", "The " .. thing.short .. " was", answer, function()
          local list = {}
          for _, container in ipairs(w.containers) do list[#list + 1] = container.inside end
          for _, place in ipairs(w.places) do list[#list + 1] = place.at end
          return others(w.random, answer, list, 3)
        end, { thing = thing.short })
      end
    end
  end
  for _, a in ipairs(w.people) do
    local seen = a.seen
    local function ask(kind, field, at, question, stem, answer, others_from, rest)
      if not frozen(w, a, field) then
        local choices_field = field == "wear" and "color" or field
        add(kind, at, question, stem, answer, function() return same_field(w, choices_field, answer, others_from) end,
          { person = a.name, key = field }, rest)
      end
    end
    local cloth_at = math.max(seen.wear or 0, seen.awear or 0, seen.colored or 0)
    ask("color", "wear", cloth_at > 0 and cloth_at, "What color was " .. a.s .. " " .. a.cloth .. "?",
      a.s .. " " .. a.cloth .. " was", a.color, words.colors)
    if a.pet then
      ask("pet", "pet", seen.pet, "What was the name of " .. a.s .. " " .. a.petkind .. "?",
        a.s .. " " .. a.petkind .. " was called", a.pet, words.pet_names)
    end
    ask("dish", "dish", seen.dish, "What did " .. a.name .. " like best?", "What " .. a.name .. " liked best was", a.dish,
      words.dishes)
    ask("home", "home", seen.home, "Where did " .. a.name .. " live?", a.name .. " lived", a.home, words.homes)
    if a.promise then
      ask("promise", "promise", seen.promise, "What did " .. a.name .. " promise?", a.name .. " promised",
        "to " .. a.promise, nil)
    end
    if a.fear then
      ask("fear", "fear", seen.fear, "What was " .. a.name .. " afraid of?", a.name .. " was afraid of", a.fear, words.fears)
    end
    if a.wish then
      ask("wish", "wish", seen.wish, "What did " .. a.name .. " wish for?", a.name .. " wanted", a.wish, words.wishes)
    end
    if a.count then
      local foods = a.food[a.count == 1 and 1 or 2]
      ask("count", "count", seen.count, "How many " .. a.food[2] .. " did " .. a.name .. " have?", a.name .. " had",
        words.numbers[a.count], words.numbers, " " .. foods .. ".")
    end
    if a.feeling then
      ask("feeling", "feeling", a.feeling_at, "How did " .. a.name .. " feel?", a.name .. " was", a.feeling,
        { "happy", "sad", "angry", "proud", "worried", "afraid", "grateful", "tired" })
    end
  end
  return facts
end

-- Wrong answers for a promise are other promises.
local function wrong_answers(w, fact)
  if fact.kind == "promise" then
    local list = {}
    for i, deed in ipairs(words.deeds) do list[i] = "to " .. deed end
    return others(w.random, fact.answer, list, 3)
  end
  return fact.wrong()
end

-- The right answer among up to three wrong ones, in random order; nil when there is nothing to choose from.
function M.choices(w, fact)
  local list = wrong_answers(w, fact)
  if #list == 0 then return nil end
  list[#list + 1] = fact.answer
  return w.random:sample(list, #list)
end

-- Tells a fact once more, as an answer does.
function M.tell(w, fact)
  local first = w.bytes
  w:append(fact.stem .. " " .. fact.answer .. fact.rest)
  w:log("tell", { kind = fact.kind, answer = fact.answer, stem = fact.stem }, first)
end

-- Asks one question at the present place of the text and answers it.
function M.ask(w, fact)
  w:paragraph()
  local first = w.bytes
  w:append("Question: " .. fact.question .. "\n")
  w:append("Answer: " .. fact.stem .. " " .. fact.answer .. fact.rest .. "\n")
  local event = { kind = fact.kind, answer = fact.answer, thing = fact.event.thing, person = fact.event.person, key = fact.event.key }
  w:log("ask", event, first)
end

-- An answer that still stands on the page teaches copying, not remembering.
local kRestBytes = 500

-- Asks about one fact chosen at random, things first; about one that was not asked just now, if there is any.
function M.ask_any(w)
  local facts, rested = M.facts(w), {}
  for _, fact in ipairs(facts) do
    local asked = w.asked[fact.question]
    if not asked or w.bytes - asked > kRestBytes then rested[#rested + 1] = fact end
  end
  if #rested > 0 then facts = rested end
  if #facts == 0 then return end
  local fact = w.random:pick(facts)
  if fact.kind ~= "holder" and fact.kind ~= "place" and w.random:chance(0.4) then fact = w.random:pick(facts) end
  M.ask(w, fact)
  w.asked[fact.question] = w.bytes
end

return M
