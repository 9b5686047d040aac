-- Decode and prefill of an RWKV model from packed weights, beside other programs, as a share of what the machine can.
--
--   rmkv recipes/bench/decode.lua --shape rwkv7-191m --weights q8_0 --threads 2
--   rmkv recipes/bench/decode.lua --checkpoint FILE --threads 1 --prefill 512 --decode 64 --reps 3 --json
--   rmkv recipes/bench/decode.lua --shape rwkv7-191m --weights fp32 --weights bf16 --peers PYTHON [--rwkv_cpp LIBRARY]
--
-- The bound of decoding is the measured read bandwidth over the weights read per token, that of prefill the measured
-- arithmetic peak over two operations per weight (bf16 weights: the bf16 peak; others: fp32).  The machine is measured
-- in every round, contestants take turns, medians are printed.  Peers: scripts/peers/rwkv_decode.py, which says what to
-- install.

local shapes = {
  ["rwkv7-191m"] = { architecture = "rwkv7", vocabulary = 65536, channels = 768, layers = 12, decay_rank = 64,
    rate_rank = 64, value_rank = 32, gate_rank = 128 },
  ["rwkv4-169m"] = { architecture = "rwkv4", vocabulary = 50277, channels = 768, layers = 12 },
  ["rwkv7-tiny"] = { architecture = "rwkv7", vocabulary = 512, channels = 128, layers = 2, head_size = 32 },
}

local opt = rmkv.options {
  checkpoint = { nil, "an RWKV file (rmkv.model.load); without it --shape with random weights" },
  shape = { "rwkv7-191m", "random weights of this shape", choices = { "rwkv7-191m", "rwkv4-169m", "rwkv7-tiny" } },
  weights = { {}, "fp32, bf16, fp16, q8_0, q5_1, q5_0, q4_1, q4_0, or stored: a file's own", repeated = true },
  threads = { 1, "threads", min = 1, max = 1024 },
  prefill = { 512, "tokens of the prompt", min = 1 },
  decode = { 64, "tokens decoded", min = 1 },
  reps = { 3, "rounds", min = 1 },
  deterministic = { false, "bf16 prefill without bf16 activations: the bits of decoding" },
  peers = { nil, "a Python with the peers' packages" },
  rwkv_cpp = { nil, "the shared library of rwkv.cpp, another peer" },
  folder = { "/tmp/rmkv-peers", "where the peers' weight files are made" },
  json = { false, "print one JSON object" },
}
local types = opt.weights
if #types == 0 then types = opt.checkpoint and { "stored" } or { "fp32", "bf16", "fp16", "q8_0" } end
rmkv.system.threads(opt.threads)

local function tokens(count, vocabulary)
  local ids = {}
  for i = 1, count do ids[i] = (7 * (i - 1) + 3) % vocabulary end
  return ids
end

-- A contestant: name, weights, load_seconds, and functions that return the seconds of a prefill and of `decode` tokens.
local function ours(weights)
  local started = rmkv.system.clock()
  local model
  if opt.checkpoint then
    model = rmkv.model.load(opt.checkpoint, { threads = opt.threads, weights = weights })
  else
    model = rmkv.engine.random(shapes[opt.shape], { weights = weights, threads = opt.threads, seed = 1 })
  end
  local load_seconds = rmkv.system.clock() - started
  local facts = assert(rmkv.engine.facts(model))
  local vocabulary = model:facts().vocabulary
  local prompt = rmkv.tensor.from({ tokens(opt.prefill, vocabulary) }, { dtype = "int64" })
  local ids = {}
  for i, id in ipairs(tokens(opt.decode, vocabulary)) do ids[i] = rmkv.tensor.from({ { id } }, { dtype = "int64" }) end
  local function timed(fn)
    local state = model:state(1)
    fn(state, true)
    local clock = rmkv.system.clock()
    fn(state, false)
    return rmkv.system.clock() - clock
  end
  return {
    name = "rmkv", weights = weights, load_seconds = load_seconds, facts = facts,
    prefill = function()
      return timed(function(state, warm)
        if warm then return end
        local hidden = model:forward(prompt, state)
        model:head(hidden:narrow(2, opt.prefill, 1))
      end)
    end,
    decode = function()
      return timed(function(state, warm)
        for i = 1, warm and 1 or opt.decode do model:head(model:forward(ids[i], state)) end
      end)
    end,
  }
end

-- A peer runs as a process that takes "prefill" or "decode" on a pipe and answers with its seconds.
local function peer(name, weights)
  local shape = shapes[opt.shape]
  local pipe = os.tmpname()
  os.remove(pipe)
  assert(os.execute("mkfifo " .. pipe) == 0, "mkfifo failed")
  local command = ("%s %s/scripts/peers/rwkv_decode.py --peer %s --library '%s' --folder %s --version %s " ..
    "--channels %d --layers %d --vocabulary %d --hidden %d --type %s --threads %d --prefill %d --decode %d < %s " ..
    "2>/dev/null"):format(opt.peers, rmkv.root, name, opt.rwkv_cpp or "", opt.folder, shape.architecture:sub(5),
    shape.channels, shape.layers, shape.vocabulary, 4 * shape.channels, weights, opt.threads, opt.prefill, opt.decode,
    pipe)
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

-- One type of weights: the contestants, their rounds, the rows of the table.
local function measure(weights)
  local contestants = { ours(weights) }
  local peers = opt.peers and not opt.checkpoint and { "llama", "package", opt.rwkv_cpp and "rwkvcpp" } or {}
  for _, name in ipairs(peers) do
    local made, why = peer(name, weights)
    contestants[#contestants + 1] = made
    if not made and not opt.json then print(("%s: %s: %s"):format(weights, name, why)) end
  end
  local seconds, machine = {}, { read_bandwidth = {}, fp32 = {}, bf16 = {} }
  for i = 1, #contestants do seconds[i] = { prefill = {}, decode = {} } end
  for round = 1, opt.reps do
    local now = rmkv.engine.machine(opt.threads)
    for key, list in pairs(machine) do list[round] = now[key] end
    for i, contestant in ipairs(contestants) do
      seconds[i].prefill[round] = contestant.prefill()
      seconds[i].decode[round] = contestant.decode()
    end
  end
  local facts = contestants[1].facts
  local fast = weights == "bf16" and not opt.deterministic
  local decode_bound = median(machine.read_bandwidth) / facts.step_bytes
  local prefill_bound = median(fast and machine.bf16 or machine.fp32) / (2 * facts.prefill_multiplications)
  local rows = {}
  for i, contestant in ipairs(contestants) do
    rows[i] = {
      name = contestant.name, weights = weights, threads = opt.threads, load_seconds = contestant.load_seconds,
      decode = opt.decode / median(seconds[i].decode), prefill = opt.prefill / median(seconds[i].prefill),
    }
    if contestant.stop then contestant.stop() end
  end
  rows[1].decode_share = rows[1].decode / decode_bound
  rows[1].prefill_share = rows[1].prefill / prefill_bound
  rows[1].step_bytes, rows[1].weight_bytes = facts.step_bytes, facts.weight_bytes
  return rows, { weights = weights, read_bandwidth = median(machine.read_bandwidth), fp32 = median(machine.fp32),
    bf16 = median(machine.bf16), decode_bound = decode_bound, prefill_bound = prefill_bound }
end

rmkv.system.deterministic(opt.deterministic)
local all, machines = {}, {}
for _, weights in ipairs(types) do
  local rows, machine = rmkv.scope(measure, weights)
  machines[#machines + 1] = machine
  for _, row in ipairs(rows) do all[#all + 1] = row end
end
local peak_bytes = rmkv.system.memory().peak_bytes
if opt.json then
  print(rmkv.json.encode { shape = opt.checkpoint or opt.shape, threads = opt.threads, prefill = opt.prefill,
    decode = opt.decode, reps = opt.reps, rows = all, machine = machines, peak_memory_bytes = peak_bytes })
  return
end
for _, machine in ipairs(machines) do
  print(("%-5s machine: %.1f GB/s, fp32 %.0f, bf16 %.0f GFLOP/s; bounds: decode %.1f, prefill %.0f tokens/s"):format(
    machine.weights, machine.read_bandwidth / 1e9, machine.fp32 / 1e9, machine.bf16 / 1e9, machine.decode_bound,
    machine.prefill_bound))
end
print(("\n%-6s %-13s %9s %7s %9s %7s %7s   (%s, %d threads, tokens/s)"):format("", "", "decode", "bound", "prefill",
  "bound", "load s", opt.checkpoint or opt.shape, opt.threads))
for _, row in ipairs(all) do
  local share = function(x) return x and ("%4.0f %%"):format(100 * x) or "" end
  print(("%-6s %-13s %9.1f %7s %9.0f %7s %7.2f"):format(row.weights, row.name, row.decode, share(row.decode_share),
    row.prefill, share(row.prefill_share), row.load_seconds))
end
print(("\npeak memory %.0f MB"):format(peak_bytes / 1e6))
