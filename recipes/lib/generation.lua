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
  dtype = { "fp32", "dtype of products", choices = { "fp32", "bf16", "fp16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core", min = 0 },
}

-- Around a request: as fine-tuning writes it (core/data/messages.h), or a line of a story; and what stands behind
-- a message of each role.
M.templates = {
  request = { before = "", after = "\n<start>", system = "\n", user = "\n<start>", assistant = "<end>" },
  story = { before = "", after = "\n", system = "\n", user = "\n", assistant = "\n" },
}

---The template that --template names.
---@param name "auto"|"request"|"story" auto: requests for a fine-tuned model
---@param loaded table lib.model's
---@return table
function M.template(name, loaded)
  if name == "auto" then name = loaded.facts.mode == "finetune" and "request" or "story" end
  return M.templates[name]
end

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

---Writes what a session generates to stdout, piece by piece.
---@param session userdata
---@param options table of Session:stream
---@return table outcome of Session:outcome, with tokens_per_second behind the first piece (nil for less than two)
function M.write(session, options)
  local first, tokens_before
  for piece in session:stream(options) do
    rmkv.system.write(piece)
    if not first then first, tokens_before = rmkv.system.clock(), session:outcome().tokens end
  end
  local outcome = session:outcome()
  if first and outcome.tokens > tokens_before then
    outcome.tokens_per_second = (outcome.tokens - tokens_before) / (rmkv.system.clock() - first)
  end
  return outcome
end

local endings = {
  budget = "--tokens are used up", stop_token = "ended by --stop", stop_string = "ended by --stop", none = "stopped",
}

---"200 tokens, 143 tokens/s, ended by --stop"
---@param outcome table of M.write
---@return string
function M.outcome_text(outcome)
  local speed = outcome.tokens_per_second and (", %.0f tokens/s"):format(outcome.tokens_per_second) or ""
  return ("%d tokens%s, %s"):format(outcome.tokens, speed, endings[outcome.finish])
end

---Lines typed by a person until the end of the input; a line that ends in \ goes on in the next one.  Ctrl-C gives
---the line up, not the talk.
---@param prompt string? shown before each line
---@param words string[]? what Tab completes
---@return fun(): string?
function M.lines(prompt, words)
  local function read()
    local text = ""
    while true do
      local line = rmkv.system.edit_line(text == "" and prompt or prompt and "... ", words)
      if not line then return text ~= "" and text or nil end
      if line:sub(-1) ~= "\\" then return text .. line end
      text = text .. line:sub(1, -2) .. "\n"
    end
  end
  return function()
    while true do
      local ended, line = rmkv.catch_interrupt(read)
      if ended then return line end
      print "(Ctrl-D leaves)"
    end
  end
end

return M
