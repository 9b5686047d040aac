-- Fine-tune a trained model to answer requests: only answers are trained, requests are read.
--
-- Goal      a model that keeps to what it is asked for
-- Budget    the default run: 600,000 tokens of storyworld's instructions, about a minute on two CPU cores
-- Expect    rmkv instruct "Write a sad story about Tom." tells a sad story about Tom
--
--   rmkv finetune
--   rmkv finetune --checkpoint checkpoints/mine/best --data dolly:rows.jsonl*2 --data chat:talks.jsonl --tokens 5M
--
-- --data takes the known data sets of `rmkv data presets` (with FILE or from the hub), rows of your own with a preset's
-- columns, or a Lua source whose document(index, seed) also returns spans that are not trained.

local recipe = require "lib.recipe"
local schedule = require "lib.schedule"

local options = {
  checkpoint = { "checkpoints/pretrain/latest", "what to start from: checkpoint or run folder, or model file" },
  data = { { "instructions" }, "NAME, PRESET:FILE or PATH, with *WEIGHT behind", repeated = true },
  data_dir = { "", "folder that relative data paths are in" },
  field = { "", "field of .jsonl rows that holds the text" },
  val = { "", "text file or folder to validate on; by default a held-out share of the data" },
  tokenizer = { "", "tokenizer of a model file: World vocabulary (.txt) or tokenizer.json" },
  tokens = { 600e3, "budget in token positions", min = 1, max = 1e15 },
  steps = { 0, "budget in steps, instead of tokens", min = 0, max = 1e12 },
  batch = { 8, "lanes: documents read side by side", min = 1 },
  segment = { 0, "tokens of a segment; 0: the model's", min = 0 },
  segments = { 4, "segments of a step", min = 1 },
  lr = { 5e-4, "peak learning rate", min = 0, max = 1000 },
  weight_decay = { 0.0, "decoupled weight decay of matrices", min = 0 },
  clip = { 1.0, "largest norm of the gradient", min = 0 },
  spike = { 3, "a loss above this times its average leaves the update out, as NaN does; 0: off", min = 0 },
  max_skipped = { 10, "updates left out in a row before the run rolls back to its last good checkpoint; 0: never" },
  replay = { false, "recompute segments in backward: slower, far less memory" },
  dtype = { "bf16", "dtype of products", choices = { "fp32", "bf16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core", min = 0 },
  seed = { 1, "seed of everything random", min = 0 },
  out = { "", "the run's folder; by default checkpoints/finetune" },
  save_every = { 200, "steps between checkpoints", min = 0 },
  sample_every = { 100, "steps between text samples", min = 0 },
  eval_every = { 100, "steps between evaluations", min = 0 },
  log_every = { 1, "steps between log lines", min = 1 },
  eval_tokens = { 20e3, "tokens of an evaluation during training", min = 1, max = 1e15 },
  keep = { 3, "checkpoints to keep", min = 1 },
  prompt = { "Write a happy story about Mira.\n<start>", "start of the text samples" },
  resume = { "ask", "ask, latest, none or a checkpoint of this run" },
  reset_epochs = { false, "on resuming, read the data from its start again" },
  watch = { false, "reload this file's plan whenever it changes" },
}

local function plan(opt)
  return {
    lr = schedule.cosine { peak = opt.lr, warmup = 0.05, floor = 0.05 },
    segments = schedule.constant(opt.segments),
  }
end

local function main(opt, live)
  local setup = require "lib.setup"
  if opt.threads > 0 then rmkv.system.threads(opt.threads) end
  local run = require("lib.run").open(opt, "finetune")
  -- A resumed run reads its own checkpoint; what it started from need not be there any more.
  local base = require("lib.model").load(run.resume_from or opt.checkpoint, {
    tokenizer = opt.tokenizer, device = opt.device,
  })
  local model, facts = base.model, base.model:facts()
  local length = facts.segment_tokens > 0 and facts.segment_tokens or 128
  local data = setup.data(run, {
    tokenizer = base.tokenizer, segment_tokens = opt.segment > 0 and math.min(opt.segment, length) or length,
  })
  local adamw = rmkv.optim.adamw(model, { weight_decay = opt.weight_decay })
  local trainer = rmkv.train.trainer(model, adamw, { seed = opt.seed })
  setup.begin(run, model, data)
  if not run.resume_from then run:say("from " .. base.path) end
  run:track { model = model, optimizer = adamw, trainer = trainer, stream = data.train }

  local total = opt.steps > 0 and opt.steps
    or math.ceil(opt.tokens / (opt.batch * opt.segments * data.segment_tokens))
  for step in run:steps(total, live) do
    local p, now = run:fraction(), live.plan
    local lr = now.lr(p, step)
    local report = trainer:step(data.train:next { segments = now.segments(p, step) }, {
      lr = lr, clip = opt.clip, spike = opt.spike, bptt = opt.segments, dtype = opt.dtype, replay = opt.replay,
    })
    run:report(report, { lr = lr })
    if run:due "eval" then setup.evaluate(run, model, data) end
    if run:due "sample" then setup.sample(run, model, data) end
    if run:due "save" then run:save() end
  end
  setup.finish(run, model, data, { { "instruct", ' "Write a sad story about Tom."' }, { "chat", "" } })
end

return recipe.run { options = options, plan = plan, main = main }
