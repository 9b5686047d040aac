-- Time tokenizers beside other libraries on the same text.
--
--   rmkv recipes/bench/tokenizer.lua --data ../shared/data --python venv/bin/python [--japanese FILE]
--
-- Rows: GPT-2's vocabulary on one book (cold: a fresh tokenizer) and on 30 MB, on Japanese, on two threads; World;
-- a vocabulary of Llama-2's shape; decoding; loading; training 30,000 entries.  Contestants take turns, round after
-- round, and medians are printed; peers (scripts/peers/tokenizers.py) need a Python with their libraries and are left
-- out without.  The machine's other work hits all alike: judge ratios.

local opt = rmkv.options {
  data = { rmkv.root .. "/../shared/data", "folder with books/train and tokenizer/" },
  book = { "crime-and-punishment.txt", "the book for cold rows" },
  japanese = { "", "a Japanese text; by default that row is left out" },
  llama2 = { "", "a tokenizer.json of Llama-2's shape; by default one is trained (without Metaspace)" },
  python = { "", "a Python with tokenizers, tiktoken, gigatoken, rustbpe, pyrwkv_tokenizer; by default no peers" },
  rounds = { 3, "timed rounds" },
  json = { false, "print one JSON object" },
}

local system = rmkv.system
local folder = os.tmpname()
os.remove(folder)
system.make_folders(folder)

local book = opt.data .. "/books/train/" .. opt.book
local all, parts = folder .. "/all.txt", {}
local files = {}
for _, name in ipairs(system.list(opt.data .. "/books/train")) do
  files[#files + 1] = opt.data .. "/books/train/" .. name
  parts[#parts + 1] = system.read_file(files[#files])
end
system.write_file(all, table.concat(parts))

local gpt2, llama2 = folder .. "/gpt2.json", opt.llama2
rmkv.tokenizer.load_gpt2(opt.data .. "/tokenizer/gpt2/gpt2_vocab.json",
                         opt.data .. "/tokenizer/gpt2/gpt2_merges.txt"):save(gpt2)
local world = opt.data .. "/tokenizer/rwkv_vocab_v20230424.txt"
if llama2 == "" then
  llama2 = folder .. "/llama2.json"
  local trainer = rmkv.tokenizer.trainer {
    vocab_size = 32000, pattern = "gpt2", alphabet = "characters", special_tokens = { "<s>" },
  }
  for _, text in ipairs(parts) do trainer:add(text) end
  -- Llama-2's shape: no pre-tokenizer, the text is one word.
  local json = trainer:train():to_json():gsub('"pre_tokenizer": {.-},\n', '"pre_tokenizer": null,\n', 1)
  system.write_file(llama2, json)
end

-- Ours: seconds of encoding a text with a fresh tokenizer, then again with the same.
local function encode(path, file, threads)
  local text = system.read_file(file)
  local tokenizer = rmkv.tokenizer.load(path)
  local options = { special = false, threads = threads }
  local _, _, cold = tokenizer:encode_bytes(text, "u32", options)
  local _, _, warm = tokenizer:encode_bytes(text, "u32", options)
  return { cold = cold, warm = warm, bytes = #text }
end

-- A peer's, by its own process.
local function peer(name, task, vocab, threads, paths)
  if opt.python == "" then return nil end
  local pipe = io.popen(("%s %s/scripts/peers/tokenizers.py %s %s --vocab '%s' --threads %d '%s' 2>/dev/null"):format(
    opt.python, rmkv.root, name, task, vocab, threads, table.concat(paths, "' '")))
  local found = {}
  for line in pipe:lines() do
    local kind, seconds, bytes = line:match "^(%w+) ([%d.e-]+) (%d+)"
    if kind then
      found[kind] = tonumber(seconds)
      found.bytes = tonumber(bytes)
    end
  end
  pipe:close()
  return found.bytes and found
end

local function decode(path, file)
  local tokenizer, text = rmkv.tokenizer.load(path), system.read_file(file)
  local bytes = tokenizer:encode_bytes(text, "u32")
  local started = system.clock()
  tokenizer:decode_bytes(bytes, "u32")
  local first = system.clock() - started
  started = system.clock()
  tokenizer:decode_bytes(bytes, "u32")
  return { cold = first, warm = system.clock() - started, bytes = #text }
end

local function load_time(path)
  local started = system.clock()
  rmkv.tokenizer.load(path)
  local seconds = system.clock() - started
  return { cold = seconds, warm = seconds }
end

local function train(threads)
  local started = system.clock()
  local trainer = rmkv.tokenizer.trainer {
    vocab_size = 30000, min_frequency = 2, pattern = "gpt2", threads = threads, special_tokens = { "<|endoftext|>" },
  }
  local bytes = 0
  for _, text in ipairs(parts) do
    trainer:add(text)
    bytes = bytes + #text
  end
  trainer:train()
  local seconds = system.clock() - started
  return { train = seconds, bytes = bytes }
end

local tasks = {
  { "GPT-2, one book", { "cold", "warm" }, function() return encode(gpt2, book, 1) end, "encode", gpt2, 1, { book },
    { "hf", "tiktoken", "gigatoken" } },
  { "GPT-2, 30 MB", { "cold" }, function() return encode(gpt2, all, 1) end, "encode", gpt2, 1, { all },
    { "hf", "tiktoken", "gigatoken" } },
  { "GPT-2, 30 MB, two threads", { "cold" }, function() return encode(gpt2, all, 2) end, "encode", gpt2, 2, { all },
    { "hf", "tiktoken", "gigatoken" } },
  { "World, one book", { "cold", "warm" }, function() return encode(world, book, 1) end, "encode", "", 1, { book },
    { "pyrwkv" } },
  { "Llama-2 shape, one book", { "cold", "warm" }, function() return encode(llama2, book, 1) end, "encode", llama2, 1,
    { book }, { "hf", "gigatoken" } },
  { "decode GPT-2, 30 MB", { "cold", "warm" }, function() return decode(gpt2, all) end },
  { "load GPT-2", { "cold" }, function() return load_time(gpt2) end },
  { "load World", { "cold" }, function() return load_time(world) end },
  { "train 30,000", { "train" }, function() return train(1) end, "train", "", 1, files,
    { "hf", "rustbpe", "gigatoken" } },
  { "train 30,000, two threads", { "train" }, function() return train(2) end, "train", "", 2, files,
    { "hf", "rustbpe", "gigatoken" } },
}
if opt.japanese ~= "" then
  table.insert(tasks, 4, { "GPT-2, Japanese", { "cold", "warm" }, function() return encode(gpt2, opt.japanese, 1) end,
    "encode", gpt2, 1, { opt.japanese }, { "hf", "tiktoken", "gigatoken" } })
end

local rows, by_name = {}, {}
local function note(task, who, kind, found)
  if not found or not found[kind] then return end
  local key = task .. who .. kind
  if not by_name[key] then
    by_name[key] = { task = task, who = who, kind = kind, bytes = found.bytes, times = {} }
    rows[#rows + 1] = by_name[key]
  end
  table.insert(by_name[key].times, found[kind])
end

for round = 1, opt.rounds do
  for index, task in ipairs(tasks) do
    local name, kinds, ours, work, vocab, threads, paths, peers = unpack(task)
    io.stderr:write(("\r\27[Kround %d of %d, %d of %d: %s"):format(round, opt.rounds, index, #tasks, name))
    local found = ours()
    for _, kind in ipairs(kinds) do note(name, "rmkv", kind, found) end
    for _, who in ipairs(peers or {}) do
      local theirs = peer(who, work, vocab, threads, paths)
      for _, kind in ipairs(kinds) do note(name, who, kind, theirs) end
    end
  end
end
io.stderr:write "\r\27[K"
os.execute("rm -r '" .. folder .. "'")

local ours_of = {}
for _, row in ipairs(rows) do
  table.sort(row.times)
  row.seconds = row.times[math.ceil(#row.times / 2)]
  if row.who == "rmkv" then ours_of[row.task .. row.kind] = row.seconds end
end
if opt.json then
  print(rmkv.json.encode { rounds = opt.rounds, rows = rows })
else
  print(("%-28s %-6s %-12s %10s %10s %14s"):format("", "", "", "seconds", "MB/s", "rmkv is faster"))
  for _, row in ipairs(rows) do
    print(("%-28s %-6s %-12s %10.4f %10s %14s"):format(row.task, row.kind, row.who, row.seconds,
      row.bytes and ("%.1f"):format(row.bytes / row.seconds / 1e6) or "",
      row.who == "rmkv" and "" or ("%.2f x"):format(row.seconds / ours_of[row.task .. row.kind])))
  end
end
