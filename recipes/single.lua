-- Write one text from a prompt.  Only the text goes to stdout.
--
--   rmkv recipes/single.lua --prompt "Once upon a time" --tokens 300 --temperature 0.8 --top_p 0.9 --seed 7

local opt = rmkv.options {
  prompt = { "", "the beginning; - reads it from stdin" },
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint folder, or model file of any format" },
  tokenizer = { "", "tokenizer of a model file: World vocabulary (.txt) or tokenizer.json" },
  weights = { "auto", "RWKV: stored, fp32, bf16, fp16, q8_0, ..; auto: as in the file, packed" },
  model_name = { "", "the same by name: a run in checkpoints/, or a path" },
  tokens = { 200, "tokens to write at most" },
  max_num_tokens = { 0, "the same as --tokens" },
  temperature = { 0.8, "0: always the likeliest token" },
  top_p = { 0.9, "choose among the likeliest tokens that hold this share" },
  top_k = { 0, "choose among this many likeliest tokens; 0: all" },
  min_p = { 0.0, "drop tokens less likely than this share of the likeliest" },
  repetition_penalty = { 1.0, "above 1: used tokens become less likely" },
  seed = { 1, "the same seed writes the same text" },
  stop = { { "<end>" }, "stop where this text appears", repeated = true },
  echo = { false, "print the prompt too" },
  dtype = { "fp32", "dtype of products", choices = { "fp32", "bf16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core" },
}
if opt.threads > 0 then rmkv.system.threads(opt.threads) end

local prompt = opt.prompt == "-" and io.read "*a" or opt.prompt
if prompt == "" then prompt = "Once upon a time there was" end
local path = opt.checkpoint
if opt.model_name ~= "" then
  path = rmkv.system.exists(opt.model_name) and opt.model_name or rmkv.root .. "/checkpoints/" .. opt.model_name
end
local loaded = require("lib.model").load(path, {
  tokenizer = opt.tokenizer, device = opt.device, weights = opt.weights,
})
local session = rmkv.sample.session(loaded.model, loaded.tokenizer, {
  temperature = opt.temperature, top_p = opt.top_p, top_k = opt.top_k, min_p = opt.min_p,
  repetition_penalty = opt.repetition_penalty, seed = opt.seed, dtype = opt.dtype,
})
session:feed(prompt)
if opt.echo then rmkv.system.write(prompt) end
local tokens = opt.max_num_tokens > 0 and opt.max_num_tokens or opt.tokens
for piece in session:stream { tokens = tokens, stop = opt.stop } do rmkv.system.write(piece) end
rmkv.system.write "\n"
