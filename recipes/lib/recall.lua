-- A score for memory: multiple-choice questions about what a story said long ago.
--
-- A source that offers `question(index, options)` (storyworld does) gives a context, a question, the right answer and
-- wrong ones of the same kind; the model answers with the continuation it finds most probable.  Held-out indices.
-- The control asks the same with nothing but the last segment and bridge before the question: what a model without
-- memory would know.

local M = {}

-- Tokens that a model sees without its memory.
local function window(model)
  local segment = model:facts().segment_tokens
  return (segment > 0 and segment or 128) + (model:config().bridge or 32)
end

-- Whether the model finds the right choice most probable after `context` (token ids).
local function right(model, context, choices, answer)
  local scores = rmkv.train.score(model, context, choices)
  local best = 1
  for i = 2, #scores do
    if scores[i] > scores[best] then best = i end
  end
  return best == answer
end

---Asks `count` questions at each distance.
---@param model userdata
---@param tokenizer userdata
---@param o {source: string?, count: integer?, distances: integer[]?, seed: integer?}
---@return table[] rows of {distance, tokens, count, correct, blind, accuracy, chance, low, high}
function M.measure(model, tokenizer, o)
  local world = require("sources." .. (o.source or "storyworld"))
  local rows = {}
  for _, distance in ipairs(o.distances or { 50, 200, 500, 1000 }) do
    local correct, blind, chance, tokens, count = 0, 0, 0, 0, o.count or 100
    for index = 1, count do
      local q = world.question(index, { distance = distance, seed = o.seed or 1 })
      local context = tokenizer:encode(q.context .. q.question)
      local choices, answer = {}, 0
      for i, choice in ipairs(q.choices) do
        choices[i] = tokenizer:encode(choice)
        if choice == q.answer then answer = i end
      end
      if right(model, context, choices, answer) then correct = correct + 1 end
      local near = {}
      for i = math.max(1, #context - window(model) + 1), #context do near[#near + 1] = context[i] end
      if right(model, near, choices, answer) then blind = blind + 1 end
      chance = chance + 1 / #q.choices
      tokens = tokens + q.distance
    end
    local p = correct / count
    local error_margin = 1.96 * math.sqrt(math.max(p * (1 - p), 0.25 / count) / count)
    rows[#rows + 1] = {
      distance = distance, tokens = math.floor(tokens / count + 0.5), count = count, correct = correct,
      blind = blind / count,
      accuracy = p, chance = chance / count, low = p - error_margin, high = p + error_margin,
    }
  end
  return rows
end

---The rows as text, one line each.
---@param rows table[]
---@return string
function M.text(rows)
  local lines = { "  recall on held-out story questions:   distance   correct   without memory   chance" }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%42s tokens   %5.1f %%          %5.1f %%  %5.1f %%"):format(
      "~" .. row.tokens, 100 * row.accuracy, 100 * row.blind, 100 * row.chance)
  end
  return table.concat(lines, "\n")
end

return M
