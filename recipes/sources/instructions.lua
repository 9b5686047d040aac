-- The instruction part of storyworld for fine-tuning: a request that is read, and a story that keeps to it and alone is
-- trained.
local storyworld = require "sources.storyworld"

local M = { name = "instructions" }

local kOnly = { stories = 0, instructions = 1, reasoning = 0 }
local kMark = "\n<start>"

---@param index integer from 1
---@param seed integer
---@return string text
---@return integer[][] spans the request with its mark, not trained
function M.document(index, seed)
  local text = storyworld.document(index, seed, kOnly)
  local _, last = text:find(kMark, 1, true)
  return text, { { 1, last } }
end

return M
