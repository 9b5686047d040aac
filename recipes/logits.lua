-- Print the logits a model gives for token ids: for comparisons and tests.
--
--   rmkv recipes/logits.lua --checkpoint DIR --ids "1 2 3" --mode chunks=2 --all --json

local opt = rmkv.options {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint folder or file (.pt, .safetensors)" },
  ids = { "", "token ids, separated by blanks or commas" },
  mode = { "parallel", "parallel, recurrent (token by token) or chunks=N" },
  all = { false, "logits after every token, not only after the last" },
  dtype = { "fp32", "dtype of products", choices = { "fp32", "bf16", "fp64" } },
  device = { "cpu", "cpu, cuda or cuda:N" },
  threads = { 0, "arithmetic threads; 0: one per core" },
  json = { false, "print one JSON object" },
}
if opt.threads > 0 then rmkv.system.threads(opt.threads) end

local loaded = rmkv.checkpoint.load_model(opt.checkpoint, {
  device = opt.device, dtype = opt.dtype == "fp64" and "fp64" or nil,
})
local ids = {}
for word in opt.ids:gmatch "[^%s,]+" do
  local id = tonumber(word)
  local vocabulary = loaded.model:facts().vocabulary
  if not id or id < 0 or id >= vocabulary or id % 1 ~= 0 then
    error(("--ids: got %q, expected integers 0 .. %d"):format(word, vocabulary - 1), 0)
  end
  ids[#ids + 1] = id
end
if #ids == 0 then error("--ids is empty: give at least one token id", 0) end

local chunk = opt.mode == "recurrent" and 1 or opt.mode == "parallel" and #ids
  or tonumber(opt.mode:match "^chunks=(%d+)$")
if not chunk or chunk < 1 then
  error(("--mode: got %q, expected parallel, recurrent or chunks=N"):format(opt.mode), 0)
end

local rows = {}
local state = loaded.model:state(1)
for first = 1, #ids, chunk do
  local piece = {}
  for i = first, math.min(first + chunk - 1, #ids) do piece[#piece + 1] = ids[i] end
  local logits = loaded.model:logits({ piece }, state, { dtype = opt.dtype })
  for _, row in ipairs(logits:totable()[1]) do rows[#rows + 1] = row end
end
if not opt.all then rows = { rows[#rows] } end

if opt.json then
  print(rmkv.json.encode { logits = rows })
else
  for _, row in ipairs(rows) do
    local words = {}
    for i, x in ipairs(row) do words[i] = ("%.6g"):format(x) end
    print(table.concat(words, " "))
  end
end
