-- Time tokenizers beside other libraries on the same text.
--
--   rmkv recipes/bench/tokenizer.lua --python venv/bin/python --japanese wagahaiwa_nekodearu.txt --rounds 3
--
-- Rows: GPT-2's vocabulary on one book, on 30 MB, on Japanese, by two threads, on many lines; World; a vocabulary
-- of Llama-2's shape; decoding; loading; training 30,000 entries.  Contestants take turns, round after round, each
-- task in a process of its own (cold: its first text; warm: the same text again), and medians are printed.  Peers
-- (scripts/peers/tokenizer_peers.py) need a Python with their libraries and are left out without; the slow ones take
-- the large texts in the first round only.  Three rounds take about five minutes.  Other work on the machine hits all
-- alike: judge ratios.

local opt = rmkv.options {
  data = { rmkv.root .. "/../shared/data", "folder with books/train and tokenizer/" },
  book = { "crime-and-punishment.txt", "the book of the rows with one book" },
  japanese = { "", "a Japanese text; by default those rows are left out" },
  llama2 = { "", "a tokenizer.json of Llama-2's shape; by default one is trained (without Metaspace)" },
  python = { "", "a Python with tokenizers, tiktoken, gigatoken, rustbpe, pyrwkv_tokenizer; by default no peers" },
  rounds = { 3, "timed rounds", min = 1 },
  only = { "", "rows with this in their name" },
  json = { false, "print one JSON object" },
  contestant = { "", "one task of ours, in this process: encode, lines, decode, load, train (for this recipe itself)" },
  vocab = { "", "its tokenizer" },
  threads = { 1, "its threads", min = 1 },
  files = { {}, "its texts", positional = 1, repeated = true },
}
local system = rmkv.system

-- What a contestant prints: "cold", "warm" or "train", seconds, bytes.
local function timed(kind, bytes, act)
  local started = system.clock()
  local result, seconds = act()
  print(("%s %.6f %d"):format(kind, seconds or system.clock() - started, bytes))
  return result
end

local contestants = {}

function contestants.encode()
  local text, tokenizer = system.read_file(opt.files[1]), rmkv.tokenizer.load(opt.vocab)
  for _, kind in ipairs { "cold", "warm" } do
    timed(kind, #text, function()
      local _, count, seconds = tokenizer:encode_bytes(text, "u32", { special = false, threads = opt.threads })
      return count, seconds
    end)
  end
end

-- Documents as lines of JSON in, arrays of ids out.
function contestants.lines()
  local text, tokenizer = system.read_file(opt.files[1]), rmkv.tokenizer.load(opt.vocab)
  timed("cold", #text, function() tokenizer:encode_lines(text, 1, { threads = opt.threads }) end)
end

function contestants.decode()
  local text, tokenizer = system.read_file(opt.files[1]), rmkv.tokenizer.load(opt.vocab)
  local ids = tokenizer:encode_bytes(text, "u32")
  for _, kind in ipairs { "cold", "warm" } do
    timed(kind, #text, function() tokenizer:decode_bytes(ids, "u32") end)
  end
end

function contestants.load()
  timed("cold", 0, function() rmkv.tokenizer.load(opt.vocab) end)
end

function contestants.train()
  local texts, bytes = {}, 0
  for _, path in ipairs(opt.files) do
    texts[#texts + 1] = system.read_file(path)
    bytes = bytes + #texts[#texts]
  end
  local before = system.memory().resident_bytes
  local trained = timed("train", bytes, function()
    local trainer = rmkv.tokenizer.trainer {
      vocab_size = 30000, min_frequency = 2, pattern = "gpt2", threads = opt.threads,
      special_tokens = { "<|endoftext|>" },
    }
    for _, text in ipairs(texts) do trainer:add(text) end
    return trainer:train()
  end)
  print(("memory %d"):format(system.memory().peak_bytes - before))
  if opt.vocab ~= "" then trained:save(opt.vocab) end
end

if opt.contestant ~= "" then return contestants[opt.contestant]() end

local folder = require("lib.temporary").name()
system.make_folders(folder)
local book = opt.data .. "/books/train/" .. opt.book
local all, lines, parts, files = folder .. "/all.txt", folder .. "/all.jsonl", {}, {}
for _, name in ipairs(system.list(opt.data .. "/books/train")) do
  files[#files + 1] = opt.data .. "/books/train/" .. name
  parts[#parts + 1] = system.read_file(files[#files])
end
system.write_file(all, table.concat(parts))
local documents = {}
for _, text in ipairs(parts) do
  for from = 1, #text, 4096 do
    documents[#documents + 1] = rmkv.json.encode((text:sub(from, from + 4095):gsub("[\128-\255]", "?")))
  end
end
system.write_file(lines, table.concat(documents, "\n"))

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

local program = io.popen(("readlink /proc/%d/exe"):format(system.pid())):read "*l"

local function run(command)
  local pipe, found = io.popen(command .. " 2>/dev/null"), nil
  for line in pipe:lines() do
    local kind, number, bytes = line:match "^(%w+) ([%d.e-]+) ?(%d*)"
    if kind then
      found = found or {}
      found[kind] = tonumber(number)
      found.bytes = found.bytes or tonumber(bytes)
    end
  end
  pipe:close()
  return found
end

local function contestant(who, work, vocab, threads, passes, paths)
  local named = ("--threads %d '%s'"):format(threads, table.concat(paths, "' '"))
  if who == "rmkv" then
    return run(("'%s' '%s/recipes/bench/tokenizer.lua' --contestant %s --vocab '%s' %s"):format(
      program, rmkv.root, work, vocab, named))
  end
  return run(("'%s' '%s/scripts/peers/tokenizer_peers.py' %s %s --vocab '%s' --passes %d %s"):format(
    opt.python, rmkv.root, who, work, vocab, passes, named))
end

-- name, kinds, task, tokenizer, threads, texts, peers ("*": slow here, in the first round only)
local tasks = {
  { "GPT-2, one book", { "cold", "warm" }, "encode", gpt2, 1, { book }, { "gigatoken", "tiktoken", "hf" } },
  { "GPT-2, 30 MB", { "cold", "warm" }, "encode", gpt2, 1, { all }, { "gigatoken", "tiktoken*", "hf*" } },
  { "GPT-2, 30 MB, two threads", { "cold", "warm" }, "encode", gpt2, 2, { all }, { "gigatoken", "tiktoken*", "hf*" } },
  { "GPT-2, Japanese", { "cold", "warm" }, "encode", gpt2, 1, { opt.japanese }, { "gigatoken", "tiktoken", "hf" } },
  { "GPT-2, lines of JSON", { "cold" }, "lines", gpt2, 1, { lines }, {} },
  { "GPT-2, lines, two threads", { "cold" }, "lines", gpt2, 2, { lines }, {} },
  { "World, one book", { "cold", "warm" }, "encode", world, 1, { book }, { "pyrwkv" } },
  { "World, 30 MB", { "cold", "warm" }, "encode", world, 1, { all }, { "pyrwkv*" } },
  { "World, 30 MB, two threads", { "cold", "warm" }, "encode", world, 2, { all }, {} },
  { "Llama-2 shape, one book", { "cold", "warm" }, "encode", llama2, 1, { book }, { "gigatoken", "hf*" } },
  { "decode GPT-2, 30 MB", { "cold", "warm" }, "decode", gpt2, 1, { all }, {} },
  { "load GPT-2", { "cold" }, "load", gpt2, 1, { book }, {} },
  { "load World", { "cold" }, "load", world, 1, { book }, {} },
  { "train 30,000", { "train" }, "train", "", 1, files, { "gigatoken", "rustbpe" } },
  { "train 30,000, two threads", { "train" }, "train", folder .. "/ours.json", 2, files,
    { "gigatoken", "rustbpe", "hf*" } },
}

local rows, by_name = {}, {}
local function note(task, who, kind, found)
  if not found or not found[kind] then return end
  local key = task .. who .. kind
  if not by_name[key] then
    by_name[key] = { task = task, who = who, kind = kind, bytes = found.bytes > 0 and found.bytes or nil, times = {} }
    rows[#rows + 1] = by_name[key]
  end
  by_name[key].memory_bytes = math.max(by_name[key].memory_bytes or 0, found.memory or 0)
  table.insert(by_name[key].times, found[kind])
end

for round = 1, opt.rounds do
  for index, task in ipairs(tasks) do
    local name, kinds, work, vocab, threads, paths, peers = unpack(task)
    if paths[1] ~= "" and name:find(opt.only, 1, true) then
      io.stderr:write(("\r\27[Kround %d of %d, %d of %d: %s"):format(round, opt.rounds, index, #tasks, name))
      local found = contestant("rmkv", work, vocab, threads, 2, paths)
      for _, kind in ipairs(kinds) do note(name, "rmkv", kind, found) end
      for _, peer in ipairs(opt.python ~= "" and peers or {}) do
        local who, slow = peer:match "^(%w+)(%*?)$"
        if slow == "" or round == 1 then
          if work == "train" and who == "hf" then vocab = folder .. "/hf.json" end
          found = contestant(who, work, vocab, threads, slow == "" and 2 or 1, paths)
          for _, kind in ipairs(kinds) do note(name, who, kind, found) end
        end
      end
    end
  end
end
io.stderr:write "\r\27[K"

local same_merges
if system.exists(folder .. "/hf.json") then
  local function merges(name) return rmkv.json.encode(rmkv.json.read(folder .. "/" .. name).model.merges) end
  same_merges = merges "hf.json" == merges "ours.json"
end
os.execute("rm -r '" .. folder .. "'")

local ours_of = {}
for _, row in ipairs(rows) do
  table.sort(row.times)
  row.seconds = row.times[math.ceil(#row.times / 2)]
  if row.who == "rmkv" then ours_of[row.task .. row.kind] = row.seconds end
end
if opt.json then
  return print(rmkv.json.encode { rounds = opt.rounds, rows = rows, same_merges_as_hf = same_merges })
end
print(("%-28s %-6s %-10s %6s %10s %8s %14s"):format("", "", "", "rounds", "seconds", "MB/s", "rmkv is faster"))
for _, row in ipairs(rows) do
  print(("%-28s %-6s %-10s %6d %10.4f %8s %14s"):format(row.task, row.kind, row.who, #row.times, row.seconds,
    row.bytes and ("%.1f"):format(row.bytes / row.seconds / 1e6) or "",
    row.who == "rmkv" and "" or ("%.2f x"):format(row.seconds / ours_of[row.task .. row.kind])))
end
for _, row in ipairs(rows) do
  local one = row.who == "rmkv" and ours_of[row.task:gsub(", two threads$", "") .. row.kind]
    or ours_of[row.task:gsub(", two threads$", " of JSON") .. row.kind]
  if row.who == "rmkv" and row.task:find "two threads" and one then
    print(("%s, %s: %.2f x one thread"):format(row.task, row.kind, one / row.seconds))
  end
  if row.who == "rmkv" and row.kind == "train" then
    print(("%s: %.0f MB of memory beside the texts"):format(row.task, row.memory_bytes / 1e6))
  end
end
if same_merges ~= nil then print("merges " .. (same_merges and "equal" or "DIFFER FROM") .. " Hugging Face's") end
