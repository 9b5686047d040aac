-- reverse: the copy task backwards; see copy.lua.
local copy = require "sources.copy"

local M = { name = "reverse", defaults = copy.defaults }

local function backwards(given)
  local options = { backwards = true }
  for key, value in pairs(given or {}) do
    if key ~= "backwards" then options[key] = value end
  end
  return options
end

function M.document(index, seed, given) return copy.document(index, seed, backwards(given)) end

function M.question(index, given) return copy.question(index, backwards(given)) end

return M
