-- Pretrain a recurrent-memory language model.
--
-- Goal      a model that tells small stories and remembers who has the key
-- Budget    the default run: 1.3 million parameters, 6 million tokens, 7 to 8 minutes on two CPU cores
-- Expect    0.195 bits per byte, readable sentences, memory worth 0.06 bits per byte; of questions about facts told
--           500 tokens earlier two in three are answered right (one in four would be chance)
--
--   rmkv recipes/pretrain.lua
--   rmkv recipes/pretrain.lua --preset small --data books/ --data storyworld*0.2 --tokens 50M
--
-- Stop it with Ctrl-C and start it again: it goes on where it was.  The function `plan` may be edited while the run
-- goes on: create the file `reload` in the run's folder, or start with --watch.

local memory = require "lib.memory"
local recipe = require "lib.recipe"
local schedule = require "lib.schedule"
local setup = require "lib.setup"

local options = {
  preset = { "tiny", "model size", choices = { "tiny", "small", "base", "1b" } },
  model = { "rmkv", "architecture: rmkv, rwkv4, rwkv5, rwkv6, rwkv7 or microrwkv" },
  set_model = { {}, "KEY=VALUE of the model's configuration, for example cell=lstm", repeated = true },
  store = { true, "an associative store beside the memory slots" },
  data = { { "storyworld" }, "NAME or PATH*WEIGHT: built-in source, file, folder, .jsonl, .lua", repeated = true },
  data_dir = { "", "folder that relative data paths are in" },
  field = { "", "field of .jsonl rows that holds the text" },
  filter = { {}, "drop documents: gopher, c4, fineweb, dedup, length=MIN:MAX (see lib/data.lua)", repeated = true },
  mix_temperature = { 0, "weigh sources by bytes^(1/T); 0: by the weights behind * alone", min = 0 },
  val = { "", "text file or folder to validate on; by default a held-out share of the data" },
  tokenizer = { "", "tokenizer.json to use; by default one is trained on the data" },
  vocabulary = { 2048, "entries of a trained tokenizer", min = 1 },
  tokens = { 6e6, "training budget in token positions", min = 1, max = 1e15 },
  steps = { 0, "training budget in steps, instead of tokens", min = 0, max = 1e12 },
  batch = { 8, "lanes: documents read side by side", min = 1, max = 65536 },
  segment = { 0, "tokens of a segment; 0: as the preset says", min = 0, max = 65536 },
  segments = { 4, "segments of a step", min = 1, max = 65536 },
  optimizer = {
    "adamw", "muon: matrices move by their orthogonal momentum; a tenth slower here, half the moments",
    choices = { "adamw", "muon" },
  },
  lr = { 0, "peak learning rate; 0: " .. setup.rates_text, min = 0, max = 1000 },
  weight_decay = { 0.1, "decoupled weight decay of matrices", min = 0 },
  clip = { 1.0, "largest norm of the gradient; 0: off", min = 0 },
  spike = { 3, "a loss above this times its average leaves the update out, as NaN does; 0: off", min = 0 },
  max_skipped = { 10, "updates left out in a row before the run rolls back to its last good checkpoint; 0: never" },
  replay = { false, "recompute segments in backward: slower, far less memory; always with --preset 1b" },
  optimizer_state = {
    "auto", "moments of large matrices; auto: 8bit for base and 1b, else fp32",
    choices = { "auto", "fp32", "bf16", "8bit" },
  },
  dry_run = { false, "print what a training step will hold in memory, and end" },
  dtype = { "bf16", "dtype of products", choices = { "fp32", "bf16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core", min = 0, max = 4096 },
  seed = { 1, "seed of everything random", min = 0, max = 2 ^ 53 },
  out = { "", "the run's folder; by default checkpoints/pretrain" },
  save_every = { 400, "steps between checkpoints; 0: only the last", min = 0 },
  sample_every = { 400, "steps between text samples; 0: never", min = 0 },
  eval_every = { 400, "steps between evaluations; 0: only the last", min = 0 },
  log_every = { 1, "steps between log lines", min = 1 },
  eval_tokens = { 40e3, "tokens of an evaluation during training", min = 1, max = 1e15 },
  keep = { 3, "checkpoints to keep", min = 1 },
  prompt = { "", "start of the text samples; by default one that fits the data" },
  resume = { "ask", "ask, latest, none or a checkpoint" },
  reset_epochs = { false, "on resuming, read the data from its start again" },
  watch = { false, "reload this file's plan whenever it changes" },
}

-- Schedules over the budget, p in [0, 1].  Edited while the run goes on, they hold from the next step.
local function plan(opt)
  return {
    lr = schedule.warmup_stable_decay { peak = setup.peak_rate(opt), warmup = 0.03, decay = 0.3 },
    bptt = schedule.steps { [0] = 1, [0.1] = 2, [0.25] = 4 },  -- segments the gradient runs through
    segments = schedule.constant(opt.segments),
    -- Shares of the sources may move too: weights = function(p) return { books = 5, storyworld = 1 + 4 * p } end
  }
end

local function main(opt, live)
  if opt.threads > 0 then rmkv.system.threads(opt.threads) end
  opt.replay = opt.replay or opt.preset == "1b"
  if opt.dry_run then return print(setup.memory(opt)) end
  local run = require("lib.run").open(opt, "pretrain")
  local data = setup.data(run)
  local model = setup.model(run, data.tokenizer)
  local optimizer = rmkv.optim[opt.optimizer](model, { weight_decay = opt.weight_decay, state = memory.state(opt) })
  local trainer = rmkv.train.trainer(model, optimizer, { seed = opt.seed })
  setup.begin(run, model, data)
  run:track { model = model, optimizer = optimizer, trainer = trainer, stream = data.train }

  local total = opt.steps > 0 and opt.steps
    or math.ceil(opt.tokens / (opt.batch * opt.segments * data.segment_tokens))
  for step in run:steps(total, live) do
    local p, now = run:fraction(), live.plan
    local batch = data.train:next { segments = now.segments(p, step), weights = now.weights and now.weights(p, step) }
    local lr, bptt = now.lr(p, step), now.bptt(p, step)
    local report = trainer:step(batch, {
      lr = lr, clip = opt.clip, spike = opt.spike, bptt = bptt, dtype = opt.dtype, replay = opt.replay,
    })
    run:report(report, { lr = lr, bptt = bptt })
    if run:due "eval" then setup.evaluate(run, model, data) end
    if run:due "sample" then setup.sample(run, model, data) end
    if run:due "save" then run:save() end
  end
  setup.finish(run, model, data)
end

return recipe.run { options = options, plan = plan, main = main }
