-- associative_recall: multi-query associative recall (MQAR).
--
-- HazyResearch/zoology's definition (memory-architectures.md, section 3.1) in words: keys come from the lower half of
-- a vocabulary, values from the upper half; first all pairs, then each key is queried once, at gaps drawn without
-- repetition by a power law; the places between hold words of neither kind.  Only the values asked for are trained.
local task = require "sources.lib.task"

local M = { name = "associative_recall" }

M.defaults = {
  vocabulary = 1024,             -- half keys, half values
  min_pairs = 4, max_pairs = 16,
  gap_places = 2,                -- places for queries, as a multiple of the number of pairs
  exponent = 0.01,               -- of the power law
}

-- `count` different numbers in [0, range).
local function different(random, count, range)
  local seen, list = {}, {}
  while #list < count do
    local number = random:int(range) - 1
    if not seen[number] then
      seen[number] = true
      list[#list + 1] = number
    end
  end
  return list
end

local function pairs_of(random, options, count)
  local half = math.floor(options.vocabulary / 2)
  local keys, values = different(random, count, half), {}
  for i = 1, count do
    keys[i] = task.word(keys[i])
    values[i] = task.word(half + random:int(half) - 1)
  end
  return keys, values
end

-- Neither key nor value.
local function useless_word(random, options)
  return " " .. task.word(options.vocabulary + random:int(64) - 1)
end

-- Places for `count` queries among `places`, drawn one after the other with weight exponent * place^(exponent - 1).
local function query_places(random, count, places, exponent)
  local weights, total, taken = {}, 0, {}
  for i = 1, places do
    weights[i] = exponent * i ^ (exponent - 1)
    total = total + weights[i]
  end
  for query = 1, count do
    local at = random:uniform() * total
    local chosen
    for i = 1, places do
      if not taken[i] then
        chosen = i
        at = at - weights[i]
        if at < 0 then break end
      end
    end
    taken[chosen] = query
    total = total - weights[chosen]
  end
  return taken
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local count = random:range(options.min_pairs, options.max_pairs)
  local keys, values = pairs_of(random, options, count)
  local text = task.text()
  for i = 1, count do text:read((i > 1 and " " or "") .. keys[i] .. " " .. values[i]) end
  local places = count * options.gap_places
  local order = random:sample(keys, 0)
  for i = 1, count do order[i] = i end
  order = random:sample(order, count)
  local queries = query_places(random, count, places, options.exponent)
  for place = 1, places do
    local query = queries[place]
    if query then
      local i = order[query]
      text:read(" " .. keys[i]):write(" " .. values[i])
    else
      text:read(useless_word(random, options)):read(useless_word(random, options))
    end
  end
  return text:finish()
end

---Asks for one key after words of no use; distance in words, choices among the values that occurred.
function M.question(index, given)
  local options = task.options(M)
  local random = task.random(M, index, given and given.seed or 0, " question")
  local count = given and given.pairs or options.max_pairs
  local keys, values = pairs_of(random, options, count)
  local text = task.text()
  for i = 1, count do text:read((i > 1 and " " or "") .. keys[i] .. " " .. values[i]) end
  local asked = random:int(count)
  local distance = 2 * (count - asked) + 1
  while distance < (given and given.distance or 0) do
    text:read(useless_word(random, options))
    distance = distance + 1
  end
  local context = text:finish()
  return task.question(random, context, " " .. keys[asked], values[asked], distance,
    function() return random:pick(values) end)
end

return M
