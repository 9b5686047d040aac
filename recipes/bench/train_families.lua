-- Time a training step of every family beside PyTorch scripts of RWKV-7 and RWKV-4, all of one width and depth.
--
-- Contestants take one step in turn (lib/contest.lua).  The peer (scripts/peers/rwkv_train_torch.py) needs a Python
-- with torch; its recurrences run in chunks, with --by_token token by token too:
--
--   rmkv recipes/bench/train_families.lua --threads 1 --python .venv/bin/python
--   rmkv recipes/bench/train_families.lua --models rwkv7 --models rwkv4 --dtypes bf16 --rounds 9
--
-- Without --python only the program's own steps are timed.

local contest = require "lib.contest"

local opt = rmkv.options {
  models = { { "rwkv7", "rwkv6", "rwkv5", "rwkv4", "microrwkv", "rmkv" }, "architectures", repeated = true },
  python = { "", "a Python with torch for the peers; by default they are left out" },
  by_token = { false, "also run the peers with recurrences token by token" },
  rounds = { 7, "timed rounds" },
  warmup = { 2, "rounds before" },
  dtypes = { { "bf16", "fp32" }, "dtypes to time", repeated = true },
  vocabulary = { 2048, "V" }, channels = { 256, "C" }, layers = { 6, "L" }, head = { 64, "channels of a head" },
  batch = { 8, "lanes" }, segments = { 4, "segments of a step" }, segment = { 128, "tokens of a segment" },
  threads = { 1, "arithmetic threads of each contestant" },
  json = { false, "print one JSON object" },
}
rmkv.system.threads(opt.threads)
local tokens_per_step = opt.batch * opt.segments * opt.segment

local function config(name)
  local c = { architecture = name, vocabulary = opt.vocabulary, channels = opt.channels, layers = opt.layers }
  if name == "rmkv" then
    c.heads, c.segment_tokens = opt.channels / opt.head, opt.segment
  elseif name == "microrwkv" then
    local preset = rmkv.model.preset(name, "small")
    c.heads, c.block_tokens, c.window = preset.heads, preset.block_tokens, preset.window
    c.expert_channels = preset.expert_channels
  elseif name ~= "rwkv4" then
    c.head_size = opt.head
  end
  return c
end

local contestants = {}
for _, dtype in ipairs(opt.dtypes) do
  for _, name in ipairs(opt.models) do
    local model = rmkv.model.create(config(name), { seed = 1 })
    contestants[#contestants + 1] = contest.own(name, model, {
      lanes = opt.batch, segments = opt.segments, segment = opt.segment, vocabulary = opt.vocabulary, dtype = dtype,
    })
    contestants[#contestants].family = name
    if opt.python ~= "" and (name == "rwkv7" or name == "rwkv4") then
      local full = model:config()
      local flags = ("--model %s --vocabulary %d --channels %d --layers %d --head %d --ffn %d --batch %d " ..
        "--tokens %d --threads %d"):format(name, opt.vocabulary, opt.channels, opt.layers, opt.head, full.ffn_hidden,
                                           opt.batch, opt.segments * opt.segment, opt.threads)
      if name == "rwkv7" then
        flags = flags .. (" --ranks %d %d %d %d"):format(full.decay_rank, full.rate_rank, full.value_rank,
                                                         full.gate_rank)
      end
      local function add(label, more)
        local peer = contest.peer(name .. ", PyTorch " .. label, dtype, opt.python, "rwkv_train_torch.py",
                                  flags .. more)
        peer.family, peer.is_peer = name, more == ""
        contestants[#contestants + 1] = peer
      end
      add("in chunks", "")
      if opt.by_token then add("by token", " --by-token") end
    end
  end
end
contest.run(contestants, tokens_per_step, opt.warmup, opt.rounds)

local peers, rows = {}, {}
for _, c in ipairs(contestants) do
  if c.is_peer then peers[c.family .. c.dtype] = c.rate end
end
for _, c in ipairs(contestants) do
  local peer = peers[c.family .. c.dtype]
  rows[#rows + 1] = {
    name = c.name, dtype = c.dtype, parameters = c.parameters, tokens_per_second = c.rate, best = c.best,
    ratio = peer and c.rate / peer,
  }
end
if opt.json then
  print(rmkv.json.encode { tokens_per_step = tokens_per_step, threads = opt.threads, rows = rows })
  return
end
print(("%d tokens a step, V %d, C %d, %d layers, %d threads; medians of %d rounds"):format(
  tokens_per_step, opt.vocabulary, opt.channels, opt.layers, opt.threads, opt.rounds))
print(("%-28s %-5s %11s %10s %10s   %s"):format("", "dtype", "parameters", "tokens/s", "best", "to PyTorch"))
for _, row in ipairs(rows) do
  print(("%-28s %-5s %10.2fM %10.0f %10.0f   %s"):format(row.name, row.dtype, row.parameters / 1e6,
    row.tokens_per_second, row.best, row.ratio and ("%.2f"):format(row.ratio) or ""))
end
