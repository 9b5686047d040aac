-- The storyworld: pure, consistent with the world it tells of, grammatical, and its questions answerable.
--
-- Returns named tests.  The checker below replays the event log with its own rules; it shares no code with the
-- generator.
local Random = require "sources.lib.random"
local storyworld = require "sources.storyworld"
local words = require "sources.storyworld.words"

local kDocuments = 400
local kSeed = 20261120

local function equal(got, expected, what)
  if got ~= expected then error(("%s: got %s, expected %s"):format(what, tostring(got), tostring(expected)), 2) end
end

local function check(condition, what, ...)
  if not condition then error(what:format(...), 2) end
end

-- Rules of the world, written down once more --------------------------------------------------------------------------

-- Replays events; calls error at the first one that breaks a rule.  Returns how many questions were answered.
local function replay(text, events, where)
  local holder, kind_of, box_place, place, facts, feelings, asked = {}, {}, {}, {}, {}, {}, 0
  local last = 0
  for number, event in ipairs(events) do
    local told = text:sub(event.first, event.last)
    local at = ("%s event %d (%s)\n  told: %s"):format(where, number, event.op, told)
    check(event.last >= last, "%s: events out of order", at)
    last = event.last
    if event.op == "go" then
      place[event.person] = event.place
      check(told:find(event.person, 1, true), "%s: %s is not named", at, event.person)
      check(told:find((event.place:gsub("^%a+ ", "")), 1, true), "%s: %s is not named", at, event.place)
    elseif event.op == "own" then
      equal(event.to_kind, "person", at)
      holder[event.thing], kind_of[event.thing] = event.to, "person"
    elseif event.op == "give" then
      equal(holder[event.thing], event.from, at .. ": the giver")
      check(event.from ~= event.to, "%s: %s gives to himself", at, event.from)
      check(place[event.from] and place[event.from] == place[event.to], "%s: %s is %s, %s is %s", at, event.from,
        place[event.from], event.to, place[event.to])
      holder[event.thing], kind_of[event.thing] = event.to, "person"
      check(told:find(event.to, 1, true) or told:find " h[ie][mr]%p", "%s: the receiver is not named", at)
    elseif event.op == "drop" then
      equal(event.to_kind, "place", at)
      equal(place[event.from], event.to, at .. ": where it was dropped")
      holder[event.thing], kind_of[event.thing] = event.to, "place"
    elseif event.op == "put" then
      equal(event.to_kind, "container", at)
      equal(place[event.from], event.place, at .. ": the container's place")
      holder[event.thing], kind_of[event.thing], box_place[event.to] = event.to, "container", event.place
      check(told:find(event.to, 1, true) or told:find(event.to:sub(2), 1, true), "%s: the container is not named", at)
    elseif event.op == "take" then
      equal(holder[event.thing], event.from, at .. ": where it was")
      local from = kind_of[event.thing] == "container" and box_place[event.from] or event.from
      equal(place[event.to], from, at .. ": the taker")
      holder[event.thing], kind_of[event.thing] = event.to, "person"
    elseif event.op == "told_holder" then
      equal(holder[event.thing], event.person, at)
    elseif event.op == "told_place" then
      equal(holder[event.thing], event.inside, at)
    elseif event.op == "feel" then
      feelings[event.person] = event.feeling
      check(told:find(event.feeling, 1, true), "%s: %s is not named", at, event.feeling)
    elseif event.op == "fact" then
      facts[event.person .. " " .. event.key] = event.value
    elseif event.op == "ask" then
      asked = asked + 1
      local sentence = told:match "^Question: .-%?\nAnswer: (.-)%.\n$"
      check(sentence and sentence:find(" " .. event.answer, 1, true), "%s: form", at)
      if event.kind == "holder" or event.kind == "place" then
        equal(event.answer, holder[event.thing], at)
        equal(event.kind == "holder", kind_of[event.thing] == "person", at .. ": kind")
      elseif event.kind == "feeling" then
        equal(event.answer, feelings[event.person], at)
      elseif event.kind == "promise" then
        equal(event.answer, "to " .. facts[event.person .. " promise"], at)
      elseif event.kind == "count" then
        equal(event.answer, words.numbers[facts[event.person .. " count"]], at)
      elseif event.kind == "fear" or event.kind == "wish" or event.kind == "home" then
        equal(event.answer, facts[event.person .. " " .. event.kind], at)
      end
    elseif event.op == "tell" then
      check(told:find(event.stem .. " " .. event.answer, 1, true) == 1, "%s: form", at)
    elseif event.op ~= "person" then
      error(at .. ": unknown event", 2)
    end
  end
  return asked
end

-- Answers that stand in the text itself: "red hat" before "What color is ... hat?" and no other color for it.
local function check_told(text, question, answer, where)
  local cloth = question:match "^What color was .- (%a+)%?$"
  if cloth then
    local function told(color)
      return text:find(color .. " " .. cloth .. "%f[%A]")
        or text:find("%f[%a]" .. cloth .. " was " .. color .. "%f[%A]")
    end
    check(told(answer), "%s: '%s %s' was never told", where, answer, cloth)
    for _, color in ipairs(words.colors) do
      local other = color ~= answer and told(color)
      check(not other, "%s: also a %s %s", where, color, cloth)
    end
  end
  local owner, pet = question:match "^What was the name of (.-)'s (%a+)%?$"
  if owner then
    check(text:find(answer, 1, true) and text:find(pet, 1, true), "%s: %s the %s was never told", where, answer, pet)
  end
end

local function each_document(visit)
  for index = 1, kDocuments do
    local text, events, part = storyworld.trace(index, kSeed)
    visit(text, events, part, "document " .. index)
  end
end

local tests = {}

tests["the random numbers are those of sfc32"] = function()
  -- From a by-hand sfc32 (a = 1, b = 2, c = 3, counter = 1; additions mod 2^32, shifts 9 and 3, rotation 21).
  local random = setmetatable({ a = 1, b = 2, c = 3, counter = 1 }, Random)
  local expected = { 4, 31, 56623170, 132259135, 3317874561, 1410031969 }
  for i, value in ipairs(expected) do equal(random:next(), value, "number " .. i) end
end

tests["random numbers: other purposes, indices and seeds are other sequences"] = function()
  local seen = {}
  local far = 1 + 2 ^ 32
  local keys = { { 1, 1, "a" }, { 1, 2, "a" }, { 2, 1, "a" }, { 1, 1, "b" }, { 1, far, "a" }, { far, 1, "a" } }
  for _, key in ipairs(keys) do
    local random = Random.new(key[1], key[2], key[3])
    local text = random:next() .. " " .. random:next()
    check(not seen[text], "two equal sequences: %s", text)
    seen[text] = true
  end
end

tests["random numbers are even"] = function()
  local random, counts = Random.new(5, 6, "even"), {}
  for _ = 1, 60000 do
    local n = random:range(3, 8)
    counts[n] = (counts[n] or 0) + 1
  end
  for n = 3, 8 do check(math.abs(counts[n] - 10000) < 500, "%d came %d times of 10000", n, counts[n]) end
end

tests["documents are a pure function of index and seed"] = function()
  local first = {}
  for index = 1, 40 do first[index] = storyworld.document(index, 3) end
  for index = 40, 1, -1 do
    storyworld.question(index, { distance = 60 })
    equal(storyworld.document(index, 3), first[index], "document " .. index)
  end
  check(storyworld.document(1, 4) ~= first[1], "seeds do not matter")
  local seen = {}
  for index = 1, 40 do
    check(not seen[first[index]], "document %d comes twice", index)
    seen[first[index]] = true
  end
end

tests["a fresh interpreter gives the same documents"] = function()
  local before = storyworld.document(123, 9)
  local saved = {}
  for name, module in pairs(package.loaded) do
    if name:find "^sources%." then saved[name] = module end
  end
  for name in pairs(saved) do package.loaded[name] = nil end
  local again = require "sources.storyworld"
  local after = again.document(123, 9)
  for name, module in pairs(saved) do package.loaded[name] = module end
  equal(after, before, "document")
end

tests["stories, instructions and their questions agree with the world"] = function()
  local asked, events_seen = 0, 0
  each_document(function(text, events, _, where)
    asked = asked + replay(text, events, where)
    events_seen = events_seen + #events
  end)
  check(asked > 5 * kDocuments * 0.2, "only %d questions", asked)
  check(events_seen > 10 * kDocuments, "only %d events", events_seen)
end

tests["the checker finds a world that was tampered with"] = function()
  local found = 0
  for index = 1, 60 do
    local text, events = storyworld.trace(index, kSeed)
    for _, event in ipairs(events) do
      if event.op == "give" then
        event.to = event.to == "Nobody" and "Anybody" or "Nobody"
        found = found + (pcall(replay, text, events, "tampered") and 0 or 1)
        break
      end
    end
  end
  check(found > 20, "only %d of 60 were found", found)
end

tests["no broken sentences"] = function()
  each_document(function(text, _, part, where)
    local function without(pattern, what)
      local at = text:find(pattern)
      if at then error(("%s: %s in '...%s...'"):format(where, what, text:sub(math.max(1, at - 30), at + 30)), 2) end
    end
    without("  ", "two blanks")
    without(" \n", "a blank before a line end")
    without("\n\n", "an empty line")
    without("[{}]", "an unfilled slot")
    without(" [.,!?]", "a blank before a stop")
    without("%.%.", "two stops")
    without(",,", "two commas")
    without("nil", "nil")
    without("%f[%a][Aa] [aeiou]", "'a' before a vowel")
    without("%f[%a][Aa]n [bcdfgjklmnpqrstvwxyz]", "'an' before a consonant")
    without("[.!?] %l", "a sentence in small letters")
    without("\n%l", "a line in small letters")
    without("%f[%a](%a+) %1%f[%A] ", "a word twice")
    local _, quotes = text:gsub('"', "")
    equal(quotes % 2, 0, where .. ": quotation marks")
    if part == "story" then
      check(text:find "^%u" and text:find "\n$", "%s: begins '%s'", where, text:sub(1, 20))
    else
      equal(select(2, text:gsub("<start>", "")), 1, where .. ": <start>")
      check(text:find "<end>$", "%s: no <end>", where)
      equal(select(2, text:gsub("<think>", "")), select(2, text:gsub("</think>", "")), where .. ": <think>")
    end
  end)
end

tests["the parts have their shares, stories their lengths, and words are few"] = function()
  local counts, short, long, vocabulary, size = {}, math.huge, 0, {}, 0
  each_document(function(text, _, part)
    local kind = (part == "story" or part == "reasoning") and part or "instruction"
    counts[kind] = (counts[kind] or 0) + 1
    if kind == "story" then short, long = math.min(short, #text), math.max(long, #text) end
    for word in text:gmatch "%a+" do
      if not vocabulary[word:lower()] then
        vocabulary[word:lower()] = true
        size = size + 1
      end
    end
  end)
  check(math.abs(counts.story / kDocuments - 0.7) < 0.08, "%d stories of %d", counts.story, kDocuments)
  check(math.abs(counts.instruction / kDocuments - 0.15) < 0.06, "%d instructions", counts.instruction)
  check(math.abs(counts.reasoning / kDocuments - 0.15) < 0.06, "%d reasonings", counts.reasoning)
  check(short > 250 * 4 and long > 1500 * 4, "stories of %d to %d bytes", short, long)
  check(size > 600 and size < 1500, "%d different words", size)
end

tests["options: shares and lengths are obeyed, unknown ones named"] = function()
  for index = 1, 20 do
    local text = storyworld.document(index, 1, { stories = 0, instructions = 0, reasoning = 1 })
    check(text:find("<think>", 1, true), "document %d is no reasoning", index)
    text = storyworld.document(index, 1, { instructions = 0, reasoning = 0, questions = 0 })
    check(not text:find("Question", 1, true), "document %d asks", index)
  end
  local ok, message = pcall(storyworld.document, 1, 1, { storys = 1 })
  check(not ok and message:find "storys", "no error for an unknown option")
end

tests["instructions get the story they ask for"] = function()
  local checked = 0
  for index = 1, 200 do
    local text = storyworld.document(index, 5, { stories = 0, reasoning = 0, instructions = 1 })
    local request, story = text:match "^(.-)\n<start>(.*)<end>$"
    check(request, "document %d: no request", index)
    for name in request:gmatch "%u%l+" do
      local known = false
      for _, list in ipairs { words.girls, words.boys } do
        for _, other in ipairs(list) do known = known or other == name end
      end
      if known then
        checked = checked + 1
        check(story:find(name, 1, true), "document %d: %s is not in the story", index, name)
      end
    end
  end
  check(checked > 150, "only %d names were looked for", checked)
end

-- Works out the answer of a reasoning question again, for the kinds that can be parsed.
local function solve(question)
  local n = tonumber(question:match "^%u%l+ has (%d+) %l+%.")
  if n and question:find "How many %l+ does %u%l+ have now" then
    local who = question:match "^(%u%l+) has"
    for sentence in question:gmatch "[^.]+%." do
      local k = tonumber(sentence:match "(%d+) more%." or sentence:match "(%d+)%." or sentence:match "(%d+) to")
      if sentence:find "more%." then
        n = n + k
      elseif not sentence:find "has" then
        check(sentence:find("^ ?" .. who), "%s: who?", sentence)
        n = n - k
      end
    end
    return tostring(n)
  end
  local thing = question:match "Where is (the %l+ %l+) now%?$"
  if thing then
    local at
    for sentence in question:gmatch "[^.]+%." do
      local giver = sentence:match "(%u%l+) has " or sentence:match "gives it to (%u%l+)"
        or sentence:match "hands it to (%u%l+)"
        or sentence:match "(%u%l+) gets it" or sentence:match "(%u%l+) takes it" or sentence:match "(%u%l+) opens"
      at = sentence:match "in the (%l+)%." or giver
      check(at, "cannot follow '%s'", sentence)
    end
    return at
  end
end

tests["reasoning comes out right"] = function()
  local solved = 0
  for index = 1, 400 do
    local text = storyworld.document(index, 2, { stories = 0, reasoning = 1, instructions = 0 })
    local question, thoughts, answer = text:match "^(.-)\n<start><think>(.-)</think>(.-)<end>$"
    check(question, "document %d: form", index)
    for a, sign, b, c in thoughts:gmatch "(%d+) ([+-]) (%d+) = (%d+)" do
      equal(sign == "+" and a + b or a - b, tonumber(c), "document " .. index .. ": arithmetic")
    end
    local expected = solve(question)
    if expected then
      solved = solved + 1
      check(answer:find(expected, 1, true), "document %d: got '%s', expected %s\n%s", index, answer, expected, question)
    end
  end
  check(solved > 150, "only %d were worked out", solved)
end

tests["questions: distance, fact, choices"] = function()
  for _, distance in ipairs { 50, 200, 1000, 5000 } do
    for index = 1, distance > 1000 and 12 or 40 do
      for _, kind in ipairs(storyworld.question_kinds) do
        local q = storyworld.question(index, { distance = distance, kind = kind })
        local where = ("%s question %d at %d"):format(kind, index, distance)
        check(q.distance >= distance - 20 and q.distance <= 1.1 * distance + 60, "%s: distance %d", where, q.distance)
        equal(q.kind, kind, where)
        local right = 0
        for _, choice in ipairs(q.choices) do
          if choice == q.answer then right = right + 1 end
          check(choice:find "^ %S", "%s: choice '%s'", where, choice)
        end
        equal(right, 1, where .. ": right choices")
        check(#q.choices >= 3 and #q.choices <= 4, "%s: %d choices", where, #q.choices)
        check(q.context:find "\n$" and q.question:find "^Question: .*%?\nAnswer: .*%a$", "%s: form", where)
        local answer = q.answer:sub(2)
        local before, after = q.context:sub(1, q.fact_offset - 1), q.context:sub(q.fact_offset)
        check(before:find(answer, 1, true), "%s: '%s' was never told", where, answer)
        check_told(q.context, q.question:match "Question: (.-)\n", answer, where)
        -- Behind the fact the answer is not given away again.
        local thing = q.question:match "^Question: Who had (.-)%?" or q.question:match "^Question: Where was (.-)%?"
        if thing then check(not after:find(thing, 1, true), "%s: %s is mentioned again", where, thing) end
        if kind == "color" then
          local cloth = q.question:match "(%a+)%?"
          check(not after:find(answer .. " " .. cloth .. "%f[%A]") and not after:find("%f[%a]" .. cloth .. " was"),
            "%s: told again", where)
        elseif kind == "pet" or kind == "dish" or kind == "home" then
          check(not after:find(answer, 1, true), "%s: told again", where)
        end
      end
    end
  end
end

tests["questions cannot be answered without the story"] = function()
  -- The right answer stands evenly among the choices, and no holder is right much more often than chance.
  local places, counts, total = {}, {}, 300
  local first_named, last_named = 0, 0
  for index = 1, total do
    local q = storyworld.question(index, { distance = 100, kind = "holder", seed = 77 })
    for i, choice in ipairs(q.choices) do
      if choice == q.answer then
        places[i] = (places[i] or 0) + 1
        counts[q.answer] = (counts[q.answer] or 0) + 1
      end
    end
    local first, last, first_at, last_at = nil, nil, math.huge, 0
    for _, choice in ipairs(q.choices) do
      local name = choice:sub(2)
      local at = q.context:find(name, 1, true)
      if at and at < first_at then first, first_at = choice, at end
      local latest, from = 0, 1
      while true do
        local found = q.context:find(name, from, true)
        if not found then break end
        latest, from = found, found + 1
      end
      if latest > last_at then last, last_at = choice, latest end
    end
    if first == q.answer then first_named = first_named + 1 end
    if last == q.answer then last_named = last_named + 1 end
  end
  for i = 1, 4 do
    check(math.abs((places[i] or 0) - total / 4) < total / 8, "place %d: %d of %d", i, places[i] or 0, total)
  end
  for name, count in pairs(counts) do check(count < total / 8, "%s is right %d times", name, count) end
  check(first_named < 0.45 * total, "the person named first is right %d times", first_named)
  check(last_named < 0.5 * total, "the person named last is right %d times", last_named)
end

tests["held-out questions do not come from documents"] = function()
  local q = storyworld.question(1, { distance = 200, seed = kSeed })
  local opening = q.context:match "^[^\n]+"
  each_document(function(text, _, _, where)
    check(not text:find(opening, 1, true), "%s is that of a question", where)
  end)
end

return tests
