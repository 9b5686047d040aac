-- What synthetic tasks share: text with trained and untrained parts, made-up words, options, questions.
local Random = require "sources.lib.random"

local M = {}

---@class TaskText pieces of a document; `read` parts are not trained
local TaskText = {}
TaskText.__index = TaskText

function M.text() return setmetatable({ pieces = {}, bytes = 0, spans = {} }, TaskText) end

-- Adds text that the model reads but is not asked to predict.
function TaskText:read(text)
  if text == "" then return self end
  local last = self.spans[#self.spans]
  if last and last[2] == self.bytes then
    last[2] = self.bytes + #text
  else
    self.spans[#self.spans + 1] = { self.bytes + 1, self.bytes + #text }
  end
  return self:write(text)
end

-- Adds text that the model must predict.
function TaskText:write(text)
  self.pieces[#self.pieces + 1] = text
  self.bytes = self.bytes + #text
  return self
end

---@return string text, integer[][] untrained spans
function TaskText:finish() return table.concat(self.pieces), self.spans end

local kConsonants = { "b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z" }
local kVowels = { "a", "e", "i", "o", "u" }

-- The word with number `i` from 0: two syllables up to 6,399, three beyond.  Different numbers, different words.
function M.word(i)
  local word = ""
  local rest = i
  repeat
    local syllable = rest % 80
    rest = (rest - syllable) / 80
    word = kConsonants[math.floor(syllable / 5) + 1] .. kVowels[syllable % 5 + 1] .. word
  until rest == 0 and #word >= 4
  return word
end

---The options of a task: the defaults, with what was given.
function M.options(task, given)
  local options = {}
  for key, value in pairs(task.defaults) do options[key] = value end
  for key, value in pairs(given or {}) do
    if task.defaults[key] == nil then
      error(("source %s: got the option '%s', expected one of those in its defaults"):format(task.name, key), 0)
    end
    options[key] = value
  end
  return options
end

function M.random(task, index, seed, purpose) return Random.new(seed, index, task.name .. (purpose or "")) end

---A question with three wrong answers made by `wrong()`; answers begin with a blank.
function M.question(random, context, question, answer, distance, wrong)
  local choices, seen = { " " .. answer }, { [answer] = true }
  for _ = 1, 100 do
    if #choices == 4 then break end
    local other = wrong()
    if not seen[other] then
      seen[other] = true
      choices[#choices + 1] = " " .. other
    end
  end
  return {
    context = context, question = question, answer = " " .. answer, choices = random:sample(choices, #choices),
    distance = distance,
  }
end

-- Sentences without any use: the filler of passkey and facts.
M.filler = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "

-- Tokens of a few bytes each, about: distances are asked for in tokens.
M.bytes_per_token = 4.2

return M
