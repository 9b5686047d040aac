-- What single, chat and instruct share: the options of loading and sampling, a session made from them, and how
-- requests are written for a model.

local M = {}

local common = {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint or run folder, or model file of any format" },
  tokenizer = { "", "tokenizer of a model file: World vocabulary (.txt) or tokenizer.json" },
  weights = { "auto", "RWKV: stored, fp32, bf16, fp16, q8_0, ..; auto: as in the file, packed" },
  tokens = { 200, "tokens to write at most", min = 0 },
  temperature = { 0.8, "0: always the likeliest token", min = 0 },
  top_p = { 0.9, "choose among the likeliest tokens that hold this share", min = 0, max = 1 },
  top_k = { 0, "choose among this many likeliest tokens; 0: all", min = 0 },
  min_p = { 0.0, "drop tokens less likely than this share of the likeliest", min = 0, max = 1 },
  repetition_penalty = { 1.0, "above 1: used tokens become less likely", min = 0 },
  seed = { 1, "the same seed writes the same text", min = 0 },
  stop = { { "<end>" }, "stop where this text appears", repeated = true },
  dtype = { "fp32", "dtype of products", choices = { "fp32", "bf16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core", min = 0 },
}

-- Around a request: as fine-tuning writes it (core/data/messages.h), or a line of a story.
M.templates = {
  request = { before = "", after = "\n<start>" },
  story = { before = "", after = "\n" },
}

---Reads the options of a recipe: the common ones, with `own` added or in their place.
---@param own table as for rmkv.options
---@return table opt
function M.options(own)
  local all = {}
  for name, declaration in pairs(common) do all[name] = declaration end
  for name, declaration in pairs(own) do all[name] = declaration end
  return rmkv.options(all)
end

---Loads the model that the options name and opens a session on it.
---@param opt table from M.options
---@return userdata session, table loaded lib.model's
function M.open(opt)
  if opt.threads > 0 then rmkv.system.threads(opt.threads) end
  local loaded = require("lib.model").load(opt.checkpoint, {
    tokenizer = opt.tokenizer, device = opt.device, weights = opt.weights,
  })
  return rmkv.sample.session(loaded.model, loaded.tokenizer, {
    temperature = opt.temperature, top_p = opt.top_p, top_k = opt.top_k, min_p = opt.min_p,
    repetition_penalty = opt.repetition_penalty, seed = opt.seed, dtype = opt.dtype,
  }), loaded
end

---Lines typed by a person until the end of the input; Ctrl-C gives the line up, not the talk.
---@param prompt string? shown before each line
---@return fun(): string?
function M.lines(prompt)
  return function()
    while true do
      local ended, line = rmkv.catch_interrupt(rmkv.system.read_line, prompt)
      if ended then return line end
      print "\n(Ctrl-D leaves)"
    end
  end
end

return M
