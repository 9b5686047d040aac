-- Time a training step beside a PyTorch script of the same model, batch and optimiser.
--
-- Contestants take one step in turn, round after round, so that a drifting machine hits all of them alike; medians and
-- their ratio to the eager script are printed.  The peer (scripts/peers/rmkv_torch.py) needs a Python with torch:
--
--   rmkv recipes/bench/train_step.lua --python .venv/bin/python --rounds 9 --compile
--
-- Without --python only the program's own steps are timed.

local contest = require "lib.contest"

local opt = rmkv.options {
  python = { "", "a Python with torch 2.11 for the peer; by default it is left out" },
  compile = { false, "also run the peer under torch.compile" },
  sdpa = { false, "also run the peer with the library's attention" },
  rounds = { 9, "timed rounds" },
  warmup = { 3, "rounds before" },
  dtypes = { { "bf16", "fp32" }, "dtypes to time", repeated = true },
  vocabulary = { 8192, "V" }, channels = { 256, "C" }, layers = { 6, "L" }, heads = { 4, "H" }, slots = { 16, "M" },
  batch = { 8, "lanes" }, segments = { 4, "segments of a step" }, segment = { 128, "tokens of a segment" },
  threads = { 2, "arithmetic threads of each contestant" },
  json = { false, "print one JSON object" },
}
rmkv.system.threads(opt.threads)
local tokens_per_step = opt.batch * opt.segments * opt.segment

local function ours(dtype, replay)
  local model = rmkv.model.create({
    architecture = "rmkv", vocabulary = opt.vocabulary, channels = opt.channels, layers = opt.layers,
    heads = opt.heads, slots = opt.slots, segment_tokens = opt.segment,
  }, { seed = 1 })
  return contest.own("rmkv" .. (replay and ", replay" or ""), model, {
    lanes = opt.batch, segments = opt.segments, segment = opt.segment, vocabulary = opt.vocabulary, dtype = dtype,
    replay = replay,
  })
end

local function peer(dtype, flags, name)
  return contest.peer(name, dtype, opt.python, "rmkv_torch.py",
    ("--vocabulary %d --channels %d --layers %d --heads %d --slots %d --batch %d --segments %d --segment %d " ..
     "--threads %d %s"):format(opt.vocabulary, opt.channels, opt.layers, opt.heads, opt.slots, opt.batch, opt.segments,
                               opt.segment, opt.threads, flags))
end

local contestants = {}
for _, dtype in ipairs(opt.dtypes) do
  contestants[#contestants + 1] = ours(dtype)
  contestants[#contestants + 1] = ours(dtype, true)
  if opt.python ~= "" then
    contestants[#contestants + 1] = peer(dtype, "", "PyTorch eager")
    if opt.sdpa then
      contestants[#contestants + 1] = peer(dtype, "--attention library", "PyTorch eager, library attention")
    end
    if opt.compile then contestants[#contestants + 1] = peer(dtype, "--compile", "PyTorch compiled") end
  end
end

contest.run(contestants, tokens_per_step, opt.warmup, opt.rounds)

local rows, eager = {}, {}
for _, contestant in ipairs(contestants) do
  if contestant.name == "PyTorch eager" then eager[contestant.dtype] = contestant.rate end
end
for _, contestant in ipairs(contestants) do
  rows[#rows + 1] = {
    name = contestant.name, dtype = contestant.dtype, parameters = contestant.parameters,
    tokens_per_second = contestant.rate, best = contestant.best,
    ratio = eager[contestant.dtype] and contestant.rate / eager[contestant.dtype],
  }
end
if opt.json then
  print(rmkv.json.encode { tokens_per_step = tokens_per_step, threads = opt.threads, rows = rows })
else
  print(("%d tokens a step, V %d, C %d, %d layers, %d slots, %d threads; medians of %d rounds"):format(
    tokens_per_step, opt.vocabulary, opt.channels, opt.layers, opt.slots, opt.threads, opt.rounds))
  print(("%-34s %-5s %11s %10s %10s   %s"):format("", "dtype", "parameters", "tokens/s", "best", "to eager"))
  for _, row in ipairs(rows) do
    print(("%-34s %-5s %10.2fM %10.0f %10.0f   %s"):format(row.name, row.dtype, row.parameters / 1e6,
      row.tokens_per_second, row.best, row.ratio and ("%.2f"):format(row.ratio) or ""))
  end
end
