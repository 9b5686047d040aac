-- Print the logits a model gives for token ids: for comparisons, tests and scripts.
--
--   rmkv recipes/logits.lua --checkpoint FILE --ids "1 2 3" --mode chunks=2 --all --json
--   rmkv recipes/logits.lua --checkpoint FILE --ids-file ids.txt --out logits.f32 --state-out state.safetensors
--
-- FILE: a checkpoint of this program, or an RWKV model of any format (.pth, safetensors, rwkv.cpp, GGUF).
-- The state that --state-out keeps has read every id, and of --greedy's tokens all but the last.

local opt = rmkv.options {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint or run folder, or model file of any format" },
  ids = { "", "token ids, separated by blanks or commas" },
  ids_file = { "", "file with such ids; - reads stdin" },
  mode = { "parallel", "parallel, recurrent (token by token) or chunks=N" },
  all = { false, "logits after every token, not only after the last" },
  greedy = { 0, "then go on with the likeliest token this many times", min = 0 },
  state_in = { "", "start from this saved state; .f32: in rwkv.cpp's flat layout" },
  state_out = { "", "save the state at the end; .f32: in rwkv.cpp's flat layout" },
  weights = { "", "RWKV: packed weights for inference (stored, fp32, fp16, bf16, q8_0, ..); empty: plain fp32" },
  dtype = { "fp32", "dtype of products without packed weights", choices = { "fp32", "bf16", "fp16", "fp64" } },
  deterministic = { false, "the same bits for every mode, chunk and number of threads" },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core" },
  json = { false, "print one JSON object" },
  out = { "", "write the rows as raw little-endian float32 to this file, print nothing" },
}
if opt.threads > 0 then rmkv.system.threads(opt.threads) end
if opt.deterministic then rmkv.system.deterministic(true) end

local model = rmkv.model.load(opt.checkpoint, {
  device = opt.device, dtype = opt.dtype == "fp64" and "fp64" or nil, threads = opt.threads,
  weights = opt.weights ~= "" and opt.weights or nil,
})
local vocabulary = model:facts().vocabulary

local function read_ids()
  if (opt.ids ~= "") == (opt.ids_file ~= "") then error("give token ids: either --ids or --ids-file", 0) end
  local text, name = opt.ids, "--ids"
  if opt.ids_file ~= "" then
    name = "--ids-file"
    local file, reason = io.stdin, nil
    if opt.ids_file ~= "-" then file, reason = io.open(opt.ids_file, "rb") end -- a pipe will do
    text = file and file:read "*a"
    if not text then error(("--ids-file: %s"):format(reason or opt.ids_file .. ": cannot be read"), 0) end
  end
  local ids = {}
  for word in text:gmatch "[^%s,]+" do
    local id = tonumber(word)
    if not id or id < 0 or id >= vocabulary or id % 1 ~= 0 then
      error(("%s: got %q, expected integers 0 .. %d"):format(name, word, vocabulary - 1), 0)
    end
    ids[#ids + 1] = id
  end
  if #ids == 0 then error(name .. " is empty: give at least one token id", 0) end
  return ids
end

local ids = read_ids()
local chunk = opt.mode == "recurrent" and 1 or opt.mode == "parallel" and #ids
  or tonumber(opt.mode:match "^chunks=(%d+)$")
if not chunk or chunk < 1 then
  error(("--mode: got %q, expected parallel, recurrent or chunks=N"):format(opt.mode), 0)
end

local function is_flat(path) return path:match "%.f32$" ~= nil end

local state = model:state(1)
if is_flat(opt.state_in) then
  state:load_flat(opt.state_in)
elseif opt.state_in ~= "" then
  state = rmkv.state.load(opt.state_in)
end
local rows = {}

-- Feeds ids and keeps their rows: all of them, or the last alone in place of what was kept.
local function feed(piece)
  local hidden = model:forward({ piece }, state, { dtype = opt.dtype })
  if not opt.all then hidden = hidden:narrow(2, #piece, 1) end
  local logits = model:head(hidden):select(1, 1)
  if not opt.all then rows = {} end
  rows[#rows + 1] = logits
  return logits:select(1, logits:size(1))
end

local last
for first = 1, #ids, chunk do
  local piece = {}
  for i = first, math.min(first + chunk - 1, #ids) do piece[#piece + 1] = ids[i] end
  last = feed(piece)
end
local logits = #rows == 1 and rows[1] or rmkv.tensor.cat(rows, 1)

local greedy
if opt.greedy > 0 then
  greedy = {}
  for i = 1, opt.greedy do
    greedy[i] = last:argmax() - 1
    if i < opt.greedy then last = feed { greedy[i] } end
  end
end
if is_flat(opt.state_out) then
  state:save_flat(opt.state_out)
elseif opt.state_out ~= "" then
  state:save(opt.state_out)
end

if opt.out ~= "" then
  rmkv.system.write_file(opt.out, logits:to("fp32"):pack())
elseif opt.json then
  print(rmkv.json.encode { logits = logits:totable(), greedy = greedy, vocabulary = vocabulary, tokens = #ids })
else
  for _, row in ipairs(logits:totable()) do
    local words = {}
    for i, x in ipairs(row) do words[i] = ("%.6g"):format(x) end
    print(table.concat(words, " "))
  end
  if greedy then print("greedy: " .. table.concat(greedy, " ")) end
end
