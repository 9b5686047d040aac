-- interleaved: two stories told in turns, a piece of each at a time.
--
-- HMT's test (memory-architectures.md, section 3.1): a model that keeps both stories apart in its memory predicts each
-- about as well as alone.  Pieces are about 256 tokens of whole sentences and begin with the story's number.
local storyworld = require "sources.storyworld"
local task = require "sources.lib.task"

local M = { name = "interleaved" }

M.defaults = { piece_tokens = 256 }

local function pieces(text, piece_bytes)
  local list, position = {}, 1
  while position <= #text do
    local _, last = text:find("[.!?]\"?%s", position + piece_bytes)
    last = last or #text
    list[#list + 1] = text:sub(position, last)
    position = last + 1
  end
  return list
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local story = { instructions = 0, reasoning = 0, questions = 0.3, min_tokens = 600 }
  local bytes = math.floor(options.piece_tokens * task.bytes_per_token)
  local one = pieces(storyworld.document(random:next(), random:next(), story), bytes)
  local two = pieces(storyworld.document(random:next(), random:next(), story), bytes)
  local text = task.text()
  for i = 1, math.max(#one, #two) do
    if one[i] then text:read "[1] ":write((one[i]:gsub("%s$", "\n"))) end
    if two[i] then text:read "[2] ":write((two[i]:gsub("%s$", "\n"))) end
  end
  return text:finish()
end

return M
