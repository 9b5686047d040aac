-- passkey: one filler paragraph again and again, a five-digit key somewhere in it, a question at the end.
--
-- The usual passkey text (Landmark Attention's wording; memory-architectures.md, section 3.1), depth uniform; only the
-- answer is trained.  `question` takes a depth from 0 (beginning) to 1, for sweeps in steps of 0.05.
local task = require "sources.lib.task"

local M = { name = "passkey" }

M.defaults = {
  min_tokens = 100, max_tokens = 1000,  -- length, about, log-uniform
}

local kOpening = "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
local kQuestion = "What is the pass key? The pass key is"

local function key_of(random) return tostring(random:range(10000, 99999)) end

-- Text with the key at `depth`, and the place behind the key.
local function haystack(key, tokens, depth)
  local sentence = ("The pass key is %s. Remember it. %s is the pass key. "):format(key, key)
  local count = math.max(1, math.floor(tokens * task.bytes_per_token / #task.filler))
  local before = math.floor(count * depth + 0.5)
  local text = kOpening .. task.filler:rep(before) .. sentence
  local at = #text
  return text .. task.filler:rep(count - before), at
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local key = key_of(random)
  local tokens = options.min_tokens * (options.max_tokens / options.min_tokens) ^ random:uniform()
  local text = haystack(key, tokens, random:uniform())
  return task.text():read(text .. kQuestion):write(" " .. key .. "."):finish()
end

---@param given { distance: integer?, depth: number?, tokens: integer?, seed: integer? }? either a distance with the
--- key at the beginning, or a length in tokens with a depth
function M.question(index, given)
  given = given or {}
  local random = task.random(M, index, given.seed or 0, " question")
  local key = key_of(random)
  local text, at = haystack(key, given.tokens or given.distance or 500, given.depth or 0)
  return task.question(random, text, kQuestion, key, math.floor((#text - at) / task.bytes_per_token),
    function() return key_of(random) end)
end

return M
