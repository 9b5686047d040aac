-- copy: a string of letters, a delimiter, the string again (once or twice, also backwards).
--
-- Recurrent Memory Transformer's copy and reverse tasks (memory-architectures.md, section 3.1): only the part behind
-- the delimiter is trained; solved when every letter is right.
local task = require "sources.lib.task"

local M = { name = "copy" }

M.defaults = {
  min_length = 8, max_length = 60,  -- letters
  repeats = 1,                      -- how often the string is reproduced
  backwards = false,
}

local kLetters = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p" }

local function letters(random, options)
  local list = {}
  for i = 1, random:range(options.min_length, options.max_length) do list[i] = random:pick(kLetters) end
  return list
end

local function reproduced(list, options)
  local out = {}
  for i = 1, #list do out[i] = options.backwards and list[#list + 1 - i] or list[i] end
  return out
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local list = letters(random, options)
  local text = task.text():read((options.backwards and "reverse: " or "copy: ") .. table.concat(list, " ") .. " =")
  for _ = 1, options.repeats do text:write(" " .. table.concat(reproduced(list, options), " ")) end
  return text:finish()
end

---Asks for the letter after a part of the answer; distance in letters.
function M.question(index, given)
  local options = task.options(M, { backwards = given and given.backwards })
  local random = task.random(M, index, given and given.seed or 0, " question")
  local length = math.max(2, given and given.distance or 40)
  options.min_length, options.max_length = length, length
  local list = letters(random, options)
  local answer = reproduced(list, options)
  local known = random:range(1, length - 1)
  local context = (options.backwards and "reverse: " or "copy: ") .. table.concat(list, " ") .. " = "
  -- Forwards a letter stands `length` letters back; backwards the nearer the earlier it is asked.
  local distance = options.backwards and 2 * known + 1 or length
  return task.question(random, context, table.concat(answer, " ", 1, known), answer[known + 1], distance,
    function() return random:pick(kLetters) end)
end

return M
