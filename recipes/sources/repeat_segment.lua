-- repeat_segment: ordinary text in which an earlier span comes again, word for word.
--
-- TransformerFAM's test (memory-architectures.md, section 3.1): the loss on the repeat goes to zero in a model that
-- remembers.  The text is storyworld stories; the span is about 256 tokens of whole sentences.
local storyworld = require "sources.storyworld"
local task = require "sources.lib.task"

local M = { name = "repeat_segment" }

M.defaults = {
  span_tokens = 256,
  min_gap_tokens = 100, max_gap_tokens = 1000,  -- between the span and its repeat, log-uniform
  only_repeat = true,                           -- the rest is read and not trained
}

-- At least `bytes` of stories from place `first` on.
local function stories(random, bytes)
  local text = ""
  local options = { instructions = 0, reasoning = 0, questions = 0 }
  while #text < bytes do
    text = text .. storyworld.document(random:next(), random:next(), options)
  end
  return text
end

-- The place behind the first sentence end at or after `at`, or the end of the text.
local function sentence_end(text, at)
  local _, last = text:find("[.!?]\"?%s", at)
  return last or #text
end

local function parts(random, options, gap_tokens)
  local span_bytes = options.span_tokens * task.bytes_per_token
  local gap_bytes = gap_tokens * task.bytes_per_token
  local text = stories(random, span_bytes + gap_bytes + 4000)
  local first = sentence_end(text, random:int(1000)) + 1
  local last = sentence_end(text, first + math.floor(span_bytes))
  local stop = sentence_end(text, last + math.floor(gap_bytes))
  return text:sub(1, stop), text:sub(first, last), stop - last
end

function M.document(index, seed, given)
  local options = task.options(M, given)
  local random = task.random(M, index, seed)
  local gap = options.min_gap_tokens * (options.max_gap_tokens / options.min_gap_tokens) ^ random:uniform()
  local before, span = parts(random, options, gap)
  local text = task.text()
  if options.only_repeat then text:read(before) else text:write(before) end
  return text:write(span):finish()
end

---Which of four continuations has the repeat?  Distance in tokens from the span's end.
function M.question(index, given)
  local options = task.options(M)
  local random = task.random(M, index, given and given.seed or 0, " question")
  local before, span, gap_bytes = parts(random, options, given and given.distance or 500)
  local words = {}
  for word in span:gmatch "%S+" do words[#words + 1] = word end
  local known = random:range(math.floor(#words / 2), #words - 1)
  return task.question(random, before, table.concat(words, " ", 1, known), words[known + 1],
    math.floor((gap_bytes + #span / 2) / task.bytes_per_token), function() return random:pick(words) end)
end

return M
