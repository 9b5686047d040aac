-- Decode and prefill of an RWKV model from packed weights, beside other programs, as a share of what the machine can.
--
--   rmkv recipes/bench/decode.lua --shape rwkv7-191m --weights q8_0 --threads 2
--   rmkv recipes/bench/decode.lua --checkpoint FILE --threads 1 --prefill 512 --decode 64 --reps 3 --json
--   rmkv recipes/bench/decode.lua --shape rwkv7-191m --weights all --threads 1 --threads 2 --peers PYTHON
--     [--rwkv_cpp LIBRARY]: the whole table of a shape, about five minutes
--   rmkv recipes/bench/decode.lua --shape rmkv-small: RMKV as sessions decode it, and as training computes it
--
-- The bound of decoding is the measured read bandwidth over the weights read per token, that of prefill the measured
-- arithmetic peak over two operations per weight (bf16 weights: the bf16 peak; others: fp32).  The machine is measured
-- in every round, contestants take turns, medians are printed.  Peers: scripts/peers/rwkv_decode.py, which says what to
-- install.  Beside block types our head has 16 bits, as rwkv.cpp's; the row "8-bit head" has it in Q8_0, as
-- llama.cpp's files of 8 bits (those of 5 and 4 bits have Q6_K there).

local shapes = {
  ["rwkv7-191m"] = { architecture = "rwkv7", vocabulary = 65536, channels = 768, layers = 12, decay_rank = 64,
    rate_rank = 64, value_rank = 32, gate_rank = 128 },
  ["rwkv4-169m"] = { architecture = "rwkv4", vocabulary = 50277, channels = 768, layers = 12 },
  ["rwkv7-tiny"] = { architecture = "rwkv7", vocabulary = 512, channels = 128, layers = 2, head_size = 32 },
  ["rmkv-tiny"] = { preset = "tiny", vocabulary = 2048 },
  ["rmkv-small"] = { preset = "small", vocabulary = 8192 },
}
local names = {}
for name in pairs(shapes) do names[#names + 1] = name end
table.sort(names)
local block_types = { "q8_0", "q5_1", "q5_0", "q4_1", "q4_0" }

local opt = rmkv.options {
  checkpoint = { nil, "a model file (rmkv.model.load); without it --shape with random weights" },
  shape = { "rwkv7-191m", "random weights of this shape", choices = names },
  weights = { {}, "fp32, bf16, fp16, q8_0, q5_1, q5_0, q4_1, q4_0, stored (a file's own), or all: a row of each kind",
    repeated = true },
  threads = { { 1 }, "threads", repeated = true },
  prefill = { 512, "tokens of the prompt", min = 1 },
  decode = { 64, "tokens decoded", min = 1 },
  reps = { 3, "rounds", min = 1 },
  deterministic = { false, "bf16 prefill without bf16 activations: the bits of decoding" },
  peers = { nil, "a Python with the peers' packages" },
  rwkv_cpp = { nil, "the shared library of rwkv.cpp, another peer" },
  folder = { "/tmp/rmkv-peers", "where the peers' weight files are made" },
  json = { false, "print one JSON object" },
}
local is_rmkv = not opt.checkpoint and shapes[opt.shape].preset ~= nil
local types = opt.weights
if #types == 0 then types = opt.checkpoint and { "stored" } or { "fp32", "bf16", "fp16", "q8_0" } end
if types[1] == "all" then types = { "fp32", "bf16", "fp16", "q8_0", "q5_1", "q4_0" } end
if is_rmkv then types = { "fp32" } end

local function tokens(count, vocabulary)
  local ids = {}
  for i = 1, count do ids[i] = (7 * (i - 1) + 3) % vocabulary end
  return ids
end

-- A file of random weights, made when it is not there yet; the page cache has it, as it has the peers'.
local function random_file(weights)
  local path = ("%s/%s.%s.rmkv"):format(opt.folder, opt.shape, weights)
  if not rmkv.system.exists(path) then
    rmkv.system.make_folders(opt.folder)
    rmkv.engine.write_random(shapes[opt.shape], path, { weights = weights, seed = 1 })
  end
  return path
end

-- A contestant: name, weights, load_seconds, and functions that return the seconds of a prefill and of `decode` tokens.
-- kind: nil, "8-bit head", or "general": decoding by the form that computes blocks.
local function ours(weights, threads, kind)
  local file = opt.checkpoint or not is_rmkv and random_file(weights)
  local started = rmkv.system.clock()
  local model
  if file then
    model = rmkv.model.load(file, { threads = threads, weights = weights == "stored" and "auto" or weights,
      head = kind == "8-bit head" and "q8_0" or nil })
  else
    local shape = shapes[opt.shape]
    local config = rmkv.model.preset("rmkv", shape.preset)
    config.vocabulary = shape.vocabulary
    model = rmkv.model.create(config, { seed = 1 })
  end
  local load_seconds = rmkv.system.clock() - started
  local vocabulary = model:facts().vocabulary
  local prompt = rmkv.tensor.from({ tokens(opt.prefill, vocabulary) }, { dtype = "int64" })
  return {
    name = kind and "rmkv, " .. kind or "rmkv", weights = weights, load_seconds = load_seconds,
    facts = rmkv.engine.facts(model),
    prefill = function()
      local state = model:state(1)
      local clock = rmkv.system.clock()
      local hidden = model:forward(prompt, state)
      model:head(hidden:narrow(2, opt.prefill, 1))
      return rmkv.system.clock() - clock
    end,
    decode = function() return rmkv.engine.decode(model, opt.decode, kind == "general") end,
  }
end

-- A peer runs as a process that takes "prefill" or "decode" on a pipe and answers with its seconds.
local function peer(name, weights, threads)
  local shape = shapes[opt.shape]
  local pipe = require("lib.temporary").name()
  assert(os.execute("mkfifo " .. pipe) == 0, "mkfifo failed")
  local command = ("%s %s/scripts/peers/rwkv_decode.py --peer %s --rwkv_cpp '%s' --folder %s --version %s " ..
    "--channels %d --layers %d --vocabulary %d --hidden %d --type %s --threads %d --prefill %d --decode %d < %s " ..
    "2>/dev/null"):format(opt.peers, rmkv.root, name, opt.rwkv_cpp or "", opt.folder, shape.architecture:sub(5),
    shape.channels, shape.layers, shape.vocabulary, 4 * shape.channels, weights, threads, opt.prefill, opt.decode, pipe)
  local answers = io.popen(command, "r")
  local requests = io.open(pipe, "w")
  os.remove(pipe)
  local first = answers:read "*l" or "unsupported: it did not start"
  local load_seconds = tonumber(first:match "ready load_seconds (%S+)")
  if not load_seconds then return nil, first end
  local function ask(what)
    requests:write(what, "\n")
    requests:flush()
    local line = answers:read "*l"
    if not line then error("the peer ended: " .. command, 0) end
    return tonumber(line:match "seconds (%S+)")
  end
  return {
    name = ({ llama = "llama.cpp", package = "rwkv package", rwkvcpp = "rwkv.cpp" })[name], weights = weights,
    load_seconds = load_seconds,
    prefill = function() return ask "prefill" end,
    decode = function() return ask "decode" end,
    stop = function()
      requests:write "quit\n"
      requests:close()
      answers:close()
    end,
  }
end

local function median(list)
  local sorted = {}
  for i, x in ipairs(list) do sorted[i] = x end
  table.sort(sorted)
  local n = #sorted
  return n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

local function is_block_type(weights)
  for _, name in ipairs(block_types) do
    if name == weights then return true end
  end
end

-- One type of weights and number of threads: the contestants, their rounds, the rows of the table.
local function measure(weights, threads)
  rmkv.system.threads(threads)
  local contestants = { ours(weights, threads) }
  if not opt.checkpoint and is_block_type(weights) then
    contestants[2] = ours(weights, threads, "8-bit head")
  elseif not contestants[1].facts then
    contestants[2] = ours(weights, threads, "general")
  end
  local own = #contestants
  local peers = opt.peers and not opt.checkpoint and not is_rmkv and { "llama", "package", opt.rwkv_cpp and "rwkvcpp" }
  for _, name in ipairs(peers or {}) do
    local made, why = peer(name, weights, threads)
    contestants[#contestants + 1] = made
    if not made and not why:find "^unsupported" then
      io.stderr:write(("%s, %d threads: %s: %s\n"):format(weights, threads, name, why))
    end
  end
  local seconds, machine = {}, { read_bandwidth = {}, fp32 = {}, bf16 = {} }
  for i, contestant in ipairs(contestants) do
    seconds[i] = { prefill = {}, decode = {} }
    if i <= own then contestant.prefill() end  -- peers have warmed up
  end
  for round = 1, opt.reps do
    local now = rmkv.engine.machine(threads)
    for key, list in pairs(machine) do list[round] = now[key] end
    for i, contestant in ipairs(contestants) do
      seconds[i].prefill[round] = contestant.prefill()
      seconds[i].decode[round] = contestant.decode()
    end
  end
  local bandwidth = median(machine.read_bandwidth)
  local peak = median(weights == "bf16" and not opt.deterministic and machine.bf16 or machine.fp32)
  local rows = {}
  for i, contestant in ipairs(contestants) do
    local facts = contestant.facts
    local row = {
      name = contestant.name, weights = weights, threads = threads, load_seconds = contestant.load_seconds,
      decode = opt.decode / median(seconds[i].decode), prefill = opt.prefill / median(seconds[i].prefill),
    }
    if facts then
      row.decode_share = row.decode * facts.step_bytes / bandwidth
      row.prefill_share = row.prefill * 2 * facts.prefill_multiplications / peak
      row.step_bytes, row.weight_bytes = facts.step_bytes, facts.weight_bytes
    end
    rows[i] = row
    if contestant.stop then contestant.stop() end
  end
  return rows, { weights = weights, threads = threads, read_bandwidth = bandwidth, fp32 = median(machine.fp32),
    bf16 = median(machine.bf16) }
end

rmkv.system.deterministic(opt.deterministic)
local all, machines = {}, {}
local where = opt.checkpoint or opt.shape
if not opt.json then
  print(("%s: tokens/s, and the share of what the machine allows; prompt of %d tokens, %d decoded, median of %d")
    :format(where, opt.prefill, opt.decode, opt.reps))
end
for _, threads in ipairs(opt.threads) do
  threads = assert(tonumber(threads), "--threads takes numbers")
  for _, weights in ipairs(types) do
    local rows, machine = rmkv.scope(measure, weights, threads)
    machines[#machines + 1] = machine
    for _, row in ipairs(rows) do all[#all + 1] = row end
    if not opt.json then
      print(("\n%s, %d thread%s (%.1f GB/s, fp32 %.0f, bf16 %.0f GFLOP/s)\n%-17s %9s %7s %9s %7s %7s"):format(weights,
        threads, threads == 1 and "" or "s", machine.read_bandwidth / 1e9, machine.fp32 / 1e9, machine.bf16 / 1e9, "",
        "decode", "share", "prefill", "share", "load s"))
      local share = function(x) return x and ("%4.0f %%"):format(100 * x) or "" end
      for _, row in ipairs(rows) do
        print(("%-17s %9.1f %7s %9.0f %7s %7.2f"):format(row.name, row.decode, share(row.decode_share), row.prefill,
          share(row.prefill_share), row.load_seconds))
      end
    end
  end
end
local peak_bytes = rmkv.system.memory().peak_bytes
if opt.json then
  print(rmkv.json.encode { shape = where, threads = #opt.threads == 1 and opt.threads[1] or opt.threads,
    prefill = opt.prefill, decode = opt.decode, reps = opt.reps, rows = all, machine = machines,
    peak_memory_bytes = peak_bytes })
  return
end
print(("\npeak memory %.0f MB"):format(peak_bytes / 1e6))
