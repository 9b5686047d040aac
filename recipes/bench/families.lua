-- Train every family alike and print one table: equal parameters, data, tokens, batches and schedules; what memory is
-- worth is in bits per byte, too.
--
-- Sizes are those of --preset, made equal by the width of the feed-forward layers; each model has the optimiser that it
-- asks for (rmkv.optim.adamw's defaults) and the same peak learning rates.
--
--   rmkv recipes/bench/families.lua --threads 1
--   rmkv recipes/bench/families.lua --data books/train.txt --tokens 2M --models rmkv --models rwkv7

local data_lib = require "lib.data"
local evaluation = require "lib.evaluation"
local progress = require "lib.progress"
local schedule = require "lib.schedule"
local setup = require "lib.setup"

local opt = rmkv.options {
  models = { { "rmkv", "rwkv4", "rwkv5", "rwkv6", "rwkv7" }, "architectures to compare", repeated = true },
  set_model = { {}, "KEY=VALUE of rmkv's configuration, for example cell=lstm", repeated = true },
  preset = { "tiny", "size that the feed-forward layers are fitted in" },
  parameters = { 0, "parameters of each; 0: as many as the first model has" },
  data = { { "storyworld" }, "NAME or PATH*WEIGHT, as in pretrain.lua", repeated = true },
  field = { "", "field of .jsonl rows that holds the text" },
  vocabulary = { 2048, "entries of the tokenizer, trained on the data" },
  tokens = { 0.5e6, "training budget of each model" },
  batch = { 8, "lanes" }, segment = { 128, "tokens of a segment" }, segments = { 4, "segments of a step" },
  lr = { { 0 }, "peak learning rates, of which each model's best is shown; 0: pretrain.lua's", repeated = true },
  weight_decay = { 0.1, "decoupled weight decay of matrices" },
  dtype = { "bf16", "dtype of products", choices = { "fp32", "bf16" } },
  eval_tokens = { 40e3, "tokens of the validation" },
  threads = { 0, "arithmetic threads; 0: one per core" },
  seed = { 1, "seed of everything random" },
  json = { false, "print one JSON object" },
}
if opt.threads > 0 then rmkv.system.threads(opt.threads) end

local validation_share = 0.02
local sources = data_lib.sources(opt.data, { field = opt.field, seed = opt.seed })
local tokenizer = data_lib.train_tokenizer(sources, { vocabulary = opt.vocabulary, threads = rmkv.system.threads() },
                                           function(text) io.stderr:write(text, "\n") end)

-- The model with about `wanted` parameters (0: as the preset has them).
local function build(name, wanted)
  local config = rmkv.model.preset(name, opt.preset)
  config.vocabulary = tokenizer:vocab_size()
  if name == "rmkv" then
    config.store, config.segment_tokens = true, opt.segment
    config = setup.configured(config, setup.model_settings(opt.set_model))
  end
  local model = rmkv.model.create(config, { seed = opt.seed })
  if wanted == 0 then return model end
  local full = model:config()
  local maps = name == "rmkv" and full.ffn == "swiglu" and 3 or 2  -- gate, up, down; or key, value
  local per_unit = full.layers * full.channels * maps
  local units = (wanted - model:facts().parameters) / per_unit
  config.ffn_hidden = math.max(8, full.ffn_hidden + 8 * math.floor(units / 8 + 0.5))
  return rmkv.model.create(config, { seed = opt.seed })
end

-- The same windows of back-propagation as pretrain.lua.
local bptt = schedule.steps { [0] = 1, [0.1] = 2, [0.25] = 4 }

local function train(model, lr)
  local stream = rmkv.data.stream {
    sources = sources, tokenizer = tokenizer, segment_tokens = opt.segment, lanes = opt.batch, seed = opt.seed,
    validation_share = validation_share,
  }
  local trainer = rmkv.train.trainer(model, rmkv.optim.adamw(model, { weight_decay = opt.weight_decay }),
                                     { seed = opt.seed })
  local rate = schedule.warmup_stable_decay { peak = lr, warmup = 0.03, decay = 0.3 }
  local total = math.ceil(opt.tokens / (opt.batch * opt.segments * opt.segment))
  local started, tokens = rmkv.system.clock(), 0
  for step = 1, total do
    local p = (step - 1) / total
    local report = trainer:step(stream:next { segments = opt.segments }, {
      lr = rate(p, step), clip = 1, bptt = bptt(p, step), dtype = opt.dtype,
    })
    tokens = tokens + report.token_count
    if step % 10 == 0 or step == total then
      io.stderr:write(("\r  %s  step %d/%d  loss %.3f   "):format(model:facts().architecture, step, total, report.loss))
    end
  end
  local seconds = rmkv.system.clock() - started
  io.stderr:write("\n")
  local result = evaluation.measure(model, rmkv.data.evaluation {
    sources = sources, tokenizer = tokenizer, segment_tokens = opt.segment, lanes = 8,
    split = "validation", validation_share = validation_share, max_tokens = opt.eval_tokens,
  }, { dtype = opt.dtype, memory = true })
  return {
    model = model:facts().architecture, parameters = model:facts().parameters, lr = lr,
    bits_per_byte = result.bits_per_byte, loss = result.loss, tokens_per_second = tokens / seconds,
    memory = result.memory and result.memory.shuffled and result.memory.shuffled.difference,
  }
end

local wanted, rows = opt.parameters, {}
for _, name in ipairs(opt.models) do
  local best
  for _, lr in ipairs(opt.lr) do
    local row = train(build(name, wanted), setup.peak_rate { lr = lr, preset = opt.preset })
    if not best or row.bits_per_byte < best.bits_per_byte then best = row end
  end
  if wanted == 0 then wanted = best.parameters end
  rows[#rows + 1] = best
end

if opt.json then
  print(rmkv.json.encode { data = opt.data, tokens = opt.tokens, dtype = opt.dtype, rows = rows })
  return
end
print(("%s, %s tokens, vocabulary %d, %s, %d threads"):format(
  table.concat(opt.data, " "), progress.short(opt.tokens), tokenizer:vocab_size(), opt.dtype, rmkv.system.threads()))
print(("%-12s %11s %9s %11s %15s %9s"):format("model", "parameters", "lr", "bits/byte", "memory is worth", "tokens/s"))
for _, row in ipairs(rows) do
  print(("%-12s %11d %9g %11.4f %15s %9s"):format(row.model, row.parameters, row.lr, row.bits_per_byte,
    row.memory and ("%+.4f"):format(row.memory) or "-", progress.short(row.tokens_per_second)))
end
