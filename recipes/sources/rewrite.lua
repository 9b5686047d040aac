-- rewrite: the remember task with keys that get new values; see remember.lua.
local remember = require "sources.remember"

local M = { name = "rewrite", defaults = remember.defaults }

local function rewriting(given)
  local options = { rewrite = true }
  for key, value in pairs(given or {}) do
    if key ~= "rewrite" then options[key] = value end
  end
  return options
end

function M.document(index, seed, given) return remember.document(index, seed, rewriting(given)) end

function M.question(index, given) return remember.question(index, rewriting(given)) end

return M
