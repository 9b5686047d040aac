-- The synthetic tasks: pure, exactly as defined, with the trained part where it belongs.  Returns named tests.
local tests = {}

local kTasks = { "copy", "reverse", "associative_recall", "remember", "rewrite", "passkey", "repeat_segment",
  "interleaved", "facts" }

local function check(condition, what, ...)
  if not condition then error(what:format(...), 2) end
end

-- The parts of a text that are trained and not trained, as lists.
local function divide(text, spans)
  local trained, read, position = {}, {}, 1
  for _, span in ipairs(spans or {}) do
    if span[1] > position then trained[#trained + 1] = text:sub(position, span[1] - 1) end
    read[#read + 1] = text:sub(span[1], span[2])
    position = span[2] + 1
  end
  if position <= #text then trained[#trained + 1] = text:sub(position) end
  return trained, read
end

-- Visits 60 documents of a task: text, trained parts, read parts.
local function each(name, options, visit)
  local source = require("sources." .. name)
  for index = 1, 60 do
    local text, spans = source.document(index, 4, options)
    local trained, read = divide(text, spans)
    visit(text, trained, read, name .. " " .. index)
  end
end

local function words_of(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

tests["every task is pure, has its name, and sorted spans inside the text"] = function()
  for _, name in ipairs(kTasks) do
    local source = require("sources." .. name)
    check(source.name == name, "%s is called %s", name, source.name)
    local first = {}
    for index = 1, 20 do first[index] = source.document(index, 1) end
    local different = false
    for index = 20, 1, -1 do
      check(source.document(index, 1) == first[index], "%s: document %d changed", name, index)
      different = different or source.document(index, 2) ~= first[index]
      local text, spans = source.document(index, 1)
      local last = 0
      for _, span in ipairs(spans) do
        check(span[1] > last and span[2] >= span[1] and span[2] <= #text, "%s: span %d..%d of %d", name, span[1],
          span[2], #text)
        last = span[2]
      end
      check(#divide(text, spans) > 0, "%s: nothing is trained", name)
    end
    check(different, "%s: the seed does not matter", name)
    local ok, message = pcall(source.document, 1, 1, { no_such_option = 1 })
    check(not ok and message:find "no_such_option", "%s: no error for an unknown option", name)
  end
end

tests["copy and reverse"] = function()
  each("copy", { repeats = 2 }, function(text, trained, _, where)
    local given, answer = text:match "^copy: (.*) = (.*)$"
    check(answer == given .. " " .. given, "%s: %s", where, text)
    check(#trained == 1 and trained[1] == " " .. answer, "%s: trained '%s'", where, trained[1])
  end)
  each("reverse", nil, function(text, trained, _, where)
    local given, answer = text:match "^reverse: (.*) = (.*)$"
    check(answer == given:reverse(), "%s: %s", where, text)
    check(trained[1] == " " .. answer, "%s: trained '%s'", where, trained[1])
  end)
end

tests["associative recall: pairs first, each key asked once, values of the upper half"] = function()
  local numbers = {}
  local task = require "sources.lib.task"
  for i = 0, 1200 do
    check(not numbers[task.word(i)], "word %d is not new", i)
    numbers[task.word(i)] = i
  end
  local gaps = {}
  each("associative_recall", { vocabulary = 1024, min_pairs = 8, max_pairs = 8 }, function(text, trained, _, where)
    local list = words_of(text)
    check(#list == 2 * 8 + 2 * 16, "%s: %d words", where, #list)
    local value_of, asked = {}, {}
    for i = 1, 16, 2 do
      check(numbers[list[i]] < 512 and not value_of[list[i]], "%s: key %s", where, list[i])
      check(numbers[list[i + 1]] >= 512 and numbers[list[i + 1]] < 1024, "%s: value %s", where, list[i + 1])
      value_of[list[i]] = list[i + 1]
    end
    for i = 17, #list, 2 do
      if value_of[list[i]] then
        check(not asked[list[i]], "%s: %s is asked twice", where, list[i])
        asked[list[i]] = true
        check(list[i + 1] == value_of[list[i]], "%s: %s is %s", where, list[i], list[i + 1])
        gaps[(i - 15) / 2] = true
      else
        local useless = numbers[list[i]] >= 1024 and numbers[list[i + 1]] >= 1024
        check(useless, "%s: filler %s %s", where, list[i], list[i + 1])
      end
    end
    check(#trained == 8, "%s: %d values trained", where, #trained)
    for _, part in ipairs(trained) do check(numbers[part:sub(2)] >= 512, "%s: '%s' is trained", where, part) end
  end)
  -- An exponent near zero puts queries early; still every place is used now and then.
  check(gaps[1] and gaps[16], "places are not used")
end

tests["remember keeps the only value, rewrite the newest"] = function()
  local rewritten = 0
  for _, name in ipairs { "remember", "rewrite" } do
    each(name, { min_pairs = 12, max_pairs = 12 }, function(text, trained, _, where)
      local newest, mentions = {}, 0
      local story, key, answer = text:match "^(.*) What is (%l+)%? It is (%l+)%.$"
      for k, value in story:gmatch "(%l+) is (%l+)%." do
        mentions = mentions + 1
        if newest[k] then
          check(name == "rewrite", "%s: %s comes twice", where, k)
          rewritten = rewritten + 1
        end
        newest[k] = value
      end
      check(mentions == 12, "%s: %d pairs", where, mentions)
      check(answer == newest[key], "%s: %s is %s, not %s", where, key, newest[key], answer)
      check(#trained == 1 and trained[1] == " " .. answer .. ".", "%s: trained '%s'", where, trained[1])
    end)
  end
  check(rewritten > 300, "only %d rewrites", rewritten)
end

tests["passkey: five digits, twice in the text, at every depth"] = function()
  local early, late = 0, 0
  each("passkey", nil, function(text, trained, _, where)
    local key = text:match "The pass key is (%d%d%d%d%d)%. Remember it%. %1 is the pass key%."
    check(key and text:find("What is the pass key%? The pass key is " .. key .. "%.$"), "%s", where)
    check(#trained == 1 and trained[1] == " " .. key .. ".", "%s: trained '%s'", where, trained[1])
    local depth = text:find "The pass key is" / #text
    if depth < 0.4 then early = early + 1 end
    if depth > 0.6 then late = late + 1 end
  end)
  check(early > 10 and late > 10, "depths: %d early, %d late", early, late)
  local source = require "sources.passkey"
  local last = math.huge
  for step = 0, 20 do
    local q = source.question(1, { tokens = 2000, depth = step / 20 })
    check(q.distance <= last, "depth %d: distance %d", step, q.distance)
    last = q.distance
  end
  check(last < 60, "at the end the distance is %d", last)
end

tests["repeat_segment: the trained part stood in the text before"] = function()
  each("repeat_segment", nil, function(_, trained, read, where)
    check(#trained == 1 and #read == 1, "%s: %d parts", where, #trained)
    check(read[1]:find(trained[1], 1, true), "%s: no repeat", where)
    check(#trained[1] > 256 * 4 and #trained[1] < 256 * 6, "%s: %d bytes", where, #trained[1])
  end)
end

tests["interleaved: turn by turn, and each story whole"] = function()
  each("interleaved", nil, function(text, trained, read, where)
    check(#read >= 4, "%s: %d pieces", where, #read)
    check(read[1] == "[1] " and read[2] == "[2] " and read[3] == "[1] ", "%s: turns", where)
    check(#text > 4000 and #trained == #read, "%s: parts", where)
  end)
end

tests["facts: the answer follows from the facts"] = function()
  local things = 0
  each("facts", { min_facts = 6, max_facts = 14 }, function(text, trained, _, where)
    local place, carrier = {}, {}
    local story, the, subject, answer = text:match "^(.*) Where is (t?h?e? ?)(%a+)%? (%l+)%.$"
    check(story, "%s: form: %s", where, text:sub(-80))
    for sentence in story:gmatch "[^.]+%." do
      local who, where_to = sentence:match "(%u%l+) %l+ to the (%l+)%."
      local taker, taken = sentence:match "(%u%l+) %l+ ?u?p? the (%l+)%."
      local dropper, dropped = sentence:match "(%u%l+) put down the (%l+)%."
      if not dropper then dropper, dropped = sentence:match "(%u%l+) dropped the (%l+)%." end
      if not dropper then dropper, dropped = sentence:match "(%u%l+) left the (%l+) there%." end
      if dropper then
        check(carrier[dropped] == dropper, "%s: %s does not have the %s", where, dropper, dropped)
        carrier[dropped] = nil
      elseif who then
        place[who] = where_to
        for thing, holder in pairs(carrier) do
          if holder == who then place[thing] = where_to end
        end
      elseif taker then
        check(place[taker] and not carrier[taken], "%s: '%s'", where, sentence)
        carrier[taken], place[taken] = taker, place[taker]
      end
    end
    check(place[subject] == answer, "%s: %s is %s, not %s", where, subject, tostring(place[subject]), answer)
    check(#trained == 1 and trained[1] == " " .. answer .. ".", "%s: trained '%s'", where, trained[1])
    if the ~= "" then things = things + 1 end
  end)
  check(things > 10, "only %d things were asked for", things)
end

tests["questions of every task: one right choice, distances near what was asked"] = function()
  for _, name in ipairs(kTasks) do
    local source = require("sources." .. name)
    if source.question then
      for index = 1, 30 do
        local q = source.question(index, { distance = 300 })
        local right = 0
        for _, choice in ipairs(q.choices) do right = right + (choice == q.answer and 1 or 0) end
        check(right == 1 and #q.choices >= 3, "%s question %d: %d right of %d", name, index, right, #q.choices)
        check(q.context ~= "" and q.distance >= 0, "%s question %d: distance %d", name, index, q.distance)
        local again = source.question(index, { distance = 300 })
        check(again.context == q.context and again.answer == q.answer, "%s question %d is not pure", name, index)
      end
    end
  end
end

return tests
