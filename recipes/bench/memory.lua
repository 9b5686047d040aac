-- Train a preset for a few steps on random tokens and put the planned bytes beside the measured peak.
--
-- Everything that a training step of pretrain.lua holds, and no data: also how to see whether a size fits a machine.
--
--   rmkv recipes/bench/memory.lua --preset small --vocabulary 8192
--   rmkv recipes/bench/memory.lua --preset 1b --vocabulary 30000 --batch 1 --segments 1 --steps 2 --replay

local contest = require "lib.contest"
local memory = require "lib.memory"
local progress = require "lib.progress"
local setup = require "lib.setup"

local opt = rmkv.options {
  preset = { "small", "model size", choices = { "tiny", "small", "base", "1b" } },
  set_model = { {}, "KEY=VALUE of the model's configuration", repeated = true },
  store = { true, "an associative store beside the memory slots" },
  vocabulary = { 8192, "entries of the vocabulary", min = 2 },
  batch = { 4, "lanes", min = 1 }, segments = { 4, "segments of a step", min = 1 },
  segment = { 0, "tokens of a segment; 0: as the preset says", min = 0 },
  steps = { 3, "steps", min = 1 },
  optimizer_state = { "8bit", "AdamW's moments", choices = { "fp32", "bf16", "8bit" } },
  replay = { false, "recompute segments in backward" },
  dtype = { "bf16", "dtype of products", choices = { "fp32", "bf16" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core", min = 0 },
  json = { false, "print one JSON object" },
}
if opt.threads > 0 then rmkv.system.threads(opt.threads) end

local config = rmkv.model.preset("rmkv", opt.preset)
config.store, config.vocabulary = opt.store, opt.vocabulary
config = setup.configured(config, setup.model_settings(opt.set_model))
if opt.segment > 0 then config.segment_tokens = opt.segment end
local plan = memory.plan(config, opt)
if not opt.json then print(memory.table(config, opt)) end

local before = rmkv.system.memory().resident_bytes
local started = rmkv.system.clock()
local model = rmkv.model.create(config, { seed = 1, device = opt.device })
local made = rmkv.system.memory().peak_bytes
local adamw = rmkv.optim.adamw(model, { weight_decay = 0.1, state = opt.optimizer_state })
local trainer = rmkv.train.trainer(model, adamw)
local batch = contest.random_batch(opt.batch, opt.segments, config.segment_tokens, opt.vocabulary)
local initial_seconds = rmkv.system.clock() - started
local losses, seconds = {}, {}
for step = 1, opt.steps do
  started = rmkv.system.clock()
  local report = trainer:step(batch, {
    lr = 3e-4, clip = 1, bptt = memory.longest_bptt, dtype = opt.dtype, replay = opt.replay,
  })
  losses[step], seconds[step] = report.loss, rmkv.system.clock() - started
end

local peak = rmkv.system.memory().peak_bytes
if opt.json then
  print(rmkv.json.encode { plan = plan, before = before, peak = peak, losses = losses, seconds = seconds })
else
  for step = 1, opt.steps do print(("step %d  loss %.4f  %.1f s"):format(step, losses[step], seconds[step])) end
  print(("model made in %.1f s; resident %s before, at most %s after making it, at most %s in all"):format(
    initial_seconds, progress.bytes(before), progress.bytes(made), progress.bytes(peak)))
  if opt.device == "cpu" then
    print(("measured %s beside what was there before; planned %s (%.2f of it)"):format(
      progress.bytes(peak - before), progress.bytes(plan.total), (peak - before) / plan.total))
  end
end
