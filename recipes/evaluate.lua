-- Measure a checkpoint on text: bits per byte per source, and what its memory is worth.
--
--   rmkv recipes/evaluate.lua --checkpoint checkpoints/pretrain/latest --data books/
--   rmkv recipes/evaluate.lua --checkpoint DIR --data notes.txt --json

local data_lib = require "lib.data"
local evaluation = require "lib.evaluation"

local opt = rmkv.options {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint folder, or model file of any format" },
  tokenizer = { "", "tokenizer of a model file: World vocabulary (.txt) or tokenizer.json" },
  data = { {}, "NAME or PATH to measure on; needed", repeated = true },
  data_dir = { "", "folder that relative data paths are in" },
  field = { "", "field of .jsonl rows that holds the text" },
  tokens = { 0, "stop after this many tokens; 0: all of it" },
  lanes = { 8, "documents read side by side" },
  memory = { true, "also measure what the memory is worth" },
  recall = { false, "also ask storyworld questions" },
  dtype = { "fp32", "dtype of products", choices = { "fp32", "bf16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  seed = { 1, "seed of generated sources" },
  json = { false, "print one JSON object" },
}
if #opt.data == 0 then error("--data is missing: name a file, a folder or a built-in source to measure on", 0) end

local sources = data_lib.sources(opt.data, opt)
for i, entry in ipairs(sources) do
  if opt.tokens == 0 and entry.source:manifest().kind == "lua" and not entry.source:count() then
    error(("--data %s: its texts have no end; say how much to read, as in --tokens 50k"):format(opt.data[i]), 0)
  end
end
local loaded = require("lib.model").load(opt.checkpoint, { tokenizer = opt.tokenizer, device = opt.device })
local segment = loaded.model:facts().segment_tokens
local stream = rmkv.data.evaluation {
  sources = sources, tokenizer = loaded.tokenizer, lanes = opt.lanes, split = "all",
  segment_tokens = segment > 0 and segment or 128, max_tokens = opt.tokens,
}
local result = evaluation.measure(loaded.model, stream, {
  dtype = opt.dtype, memory = opt.memory, max_tokens = opt.tokens,
})
local rows = opt.recall and require("lib.recall").measure(loaded.model, loaded.tokenizer, {}) or nil

if opt.json then
  local plain = {
    bits_per_byte = result.bits_per_byte, loss = result.loss, tokens = result.tokens, bytes = result.bytes,
    sources = result.sources, recall = rows,
  }
  if result.memory then
    plain.memory, plain.memory_interval = {}, {}
    for name, entry in pairs(result.memory) do
      plain.memory[name] = entry.difference
      plain.memory_interval[name] = { entry.low, entry.high }
    end
  end
  print(rmkv.json.encode(plain))
else
  print(evaluation.text(result))
  if rows then print(require("lib.recall").text(rows)) end
end
