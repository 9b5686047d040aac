-- The reasoning part: counting, comparing, ordering and following things, worked out between <think> and </think>.
local words = require "sources.storyworld.words"
local template = require "sources.storyworld.template"

local M = {}

local function fill(text, context)
  local out = {}
  local n = template.fill(text, context, out, 0)
  return table.concat(out, "", 1, n)
end

-- Different names with their pronouns.
local function cast(random, count)
  local list = {}
  local girls, boys = random:sample(words.girls, count), random:sample(words.boys, count)
  for i = 1, count do
    local girl = random:chance(0.5)
    list[i] = girl and { name = girls[i], he = "she", his = "her", him = "her" } or { name = boys[i], he = "he", his = "his", him = "him" }
    list[i].s = list[i].name .. "'s"
  end
  return list
end

local function amount(food, k) return k .. " " .. food[k == 1 and 1 or 2] end

local function joined(question, thoughts, answer)
  return question .. "\n<start><think>" .. table.concat(thoughts, " ") .. "</think>" .. answer .. "<end>"
end

-- Apples come and go.
local function counting(random)
  local a, b = unpack(cast(random, 2))
  local food = random:pick(words.foods)
  local n = random:range(2, 12)
  local told = { fill("{a} has {n}.", { a = a, n = amount(food, n) }) }
  local thoughts = { fill("{a} starts with {n}.", { a = a, n = tostring(n) }) }
  for _ = 1, random:range(1, 4) do
    local gain = n <= 2 or (n < 20 and random:chance(0.5))
    local k = gain and random:range(1, 8) or random:range(1, n - 1)
    local m = gain and n + k or n - k
    local text
    if gain then
      text = random:pick { "{b} gives {a} {k} more.", "{a} finds {k} more.", "{a} buys {k} more." }
    else
      text = random:pick { "{a} eats {k}.", "{a} gives {k} to {b}.", "{a} loses {k}." }
    end
    told[#told + 1] = fill(text, { a = a, b = b, k = tostring(k) })
    thoughts[#thoughts + 1] = fill(text, { a = a, b = b, k = tostring(k) }) .. (" %d %s %d = %d."):format(n, gain and "+" or "-", k, m)
    n = m
  end
  local question = table.concat(told, " ") .. " " .. fill("How many {f} does {a} have now?", { a = a, f = food[2] })
  return joined(question, thoughts, fill("{a} has {n}.", { a = a, n = amount(food, n) }))
end

-- Who has more, and how many more?
local function comparing(random)
  local a, b = unpack(cast(random, 2))
  local food = random:pick(words.foods)
  local x, y = random:range(1, 15), random:range(1, 15)
  if x == y then y = x + 1 end
  local context = { a = a, b = b, x = amount(food, x), y = amount(food, y), f = food[2] }
  local more, less, high, low = a, b, x, y
  if y > x then more, less, high, low = b, a, y, x end
  local question = fill("{a} has {x}. {b} has {y}.", context)
  local thoughts = { fill("{a} has {x} and {b} has {y}.", context), ("%d is more than %d."):format(high, low) }
  if random:chance(0.5) then
    question = question .. fill(" Who has more {f}?", context)
    return joined(question, thoughts, fill("{m} has more {f}.", { m = more, f = food[2] }))
  end
  question = question .. fill(" How many more {f} does {m} have than {l}?", { m = more, l = less, f = food[2] })
  thoughts[#thoughts + 1] = ("%d - %d = %d."):format(high, low, high - low)
  return joined(question, thoughts, fill("{m} has {d} more.", { m = more, d = tostring(high - low) }))
end

local kOrders = {
  { "older", "younger", "oldest", "youngest" }, { "taller", "shorter", "tallest", "shortest" },
  { "faster", "slower", "fastest", "slowest" }, { "stronger", "weaker", "strongest", "weakest" },
}

-- Three or four in a row from pairs.
local function ordering(random)
  local count = random:range(3, 4)
  local people = cast(random, count)  -- from most to least
  local order = random:pick(kOrders)
  local told = {}
  for i = 1, count - 1 do
    if random:chance(0.5) then
      told[i] = fill("{a} is {w} than {b}.", { a = people[i], b = people[i + 1], w = order[1] })
    else
      told[i] = fill("{b} is {w} than {a}.", { a = people[i], b = people[i + 1], w = order[2] })
    end
  end
  told = random:sample(told, #told)
  local names = {}
  for i = 1, count do names[i] = people[i].name end
  local most = random:chance(0.5)
  local question = table.concat(told, " ") .. (" Who is the %s?"):format(most and order[3] or order[4])
  local thoughts = { ("From the %s to the %s: %s."):format(order[3], order[4], table.concat(names, ", ")) }
  local who = most and people[1] or people[count]
  return joined(question, thoughts, ("%s is the %s."):format(who.name, most and order[3] or order[4]))
end

-- A thing goes from hand to hand and into boxes.
local function following(random)
  local people = cast(random, random:range(3, 4))
  local thing = random:pick(words.looks) .. " " .. random:pick(words.things)
  local o = { name = "the " .. thing, a = (thing:find "^[aeiou]" and "an " or "a ") .. thing }
  local boxes = random:sample(words.containers, 3)
  local holder, inside = people[1], nil
  local told = { fill("{a} has {o.a}.", { a = holder, o = o }) }
  local thoughts = { fill("First {o} is with {a}.", { a = holder, o = o }) }
  for _ = 1, random:range(2, 6) do
    local text, thought
    if inside then
      local who = random:pick(people)
      text = fill(random:pick { "{a} takes it out of the {k}.", "{a} opens the {k} and takes it." }, { a = who, k = inside })
      holder, inside = who, nil
      thought = fill("Now it is with {a}.", { a = who })
    elseif random:chance(0.3) then
      inside = random:pick(boxes)
      text = fill(random:pick { "{a} puts it in the {k}.", "{a} hides it in the {k}." }, { a = holder, k = inside })
      thought = fill("Now it is in the {k}.", { k = inside })
    else
      local who = random:pick(people)
      while who == holder do who = random:pick(people) end
      text = fill(random:pick { "{a} gives it to {b}.", "{a} hands it to {b}.", "{b} gets it from {a}." }, { a = holder, b = who })
      holder = who
      thought = fill("Now it is with {a}.", { a = who })
    end
    told[#told + 1] = text
    thoughts[#thoughts + 1] = text .. " " .. thought
  end
  local question = table.concat(told, " ") .. fill(" Where is {o} now?", { o = o })
  local answer = inside and fill("{o} is in the {k}.", { o = o, k = inside }) or fill("{a} has {o}.", { a = holder, o = o })
  return joined(question, thoughts, answer)
end

-- Who did it?  All but one are ruled out.
local function excluding(random)
  local people = cast(random, random:range(3, 4))
  local thing = random:pick(words.things)
  local guilty = random:int(#people)
  local told, thoughts, names = {}, {}, {}
  for i, a in ipairs(people) do
    names[i] = a.name
    if i ~= guilty then
      local place = random:pick(words.places)
      told[#told + 1] = fill("{a} was {p} all day.", { a = a, p = place })
      thoughts[#thoughts + 1] = fill("{a} was {p}, so it was not {a}.", { a = a, p = place })
    end
  end
  told = random:sample(told, #told)
  local question = ("Somebody took the %s. It was %s or %s. %s Who took the %s?"):format(thing,
    table.concat(names, ", ", 1, #names - 1), names[#names], table.concat(told, " "), thing)
  thoughts[#thoughts + 1] = fill("Only {a} is left.", { a = people[guilty] })
  return joined(question, thoughts, fill("{a} took the {o}.", { a = people[guilty], o = thing }))
end

local kTasks = { counting, counting, comparing, ordering, following, following, excluding }

---@return string text
function M.make(random) return random:pick(kTasks)(random) end

return M
