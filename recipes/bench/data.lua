-- How fast a data stream comes, how soon it goes on, and how much memory it takes.  Prints a table; asserts nothing.
--
--   rmkv recipes/bench/data.lua --data shards/ --tokenizer tokenizer.json
--   rmkv recipes/bench/data.lua --texts books/train --tokenizer tokenizer.json     parquet made from text files first
--
-- All reading and encoding is done by the calling thread unless --threads says otherwise.  Text that comes round again
-- (a small source) meets a warm word cache of the tokenizer: name more data than fits for a cold figure.

local data_lib = require "lib.data"

local opt = rmkv.options {
  data = { {}, "sources: NAME, PATH, hub:owner/name …; *WEIGHT behind", repeated = true },
  texts = { "", "folder of text files to write as parquet (rows of 3,000 bytes) and read" },
  tokenizer = { "", "tokenizer file; by default one token a byte" },
  cache = { "", "folder for restart points and downloads" },
  seconds = { 5, "to read for", min = 0.1 },
  lanes = { 8, "documents side by side", min = 1 },
  segment_tokens = { 512, "tokens of a segment", min = 1 },
  pack_tokens = { 2048, "shorter documents are joined up to this" },
  threads = { 0, "that read ahead" },
  seed = { 1, "order of the documents" },
}

local system = rmkv.system

local function parquet_of(folder)
  local texts = {}
  for _, name in ipairs(system.list(folder)) do
    local text = system.read_file(folder .. "/" .. name)
    for first = 1, text and #text or 0, 3000 do texts[#texts + 1] = text:sub(first, first + 2999) end
  end
  if #texts == 0 then error("--texts " .. folder .. ": no text in this folder", 0) end
  local path = os.tmpname() .. ".parquet"
  rmkv.data.write_parquet(path, { text = texts })
  return path
end

local made
if opt.texts ~= "" then
  made = parquet_of(opt.texts)
  opt.data[#opt.data + 1] = made
end
if #opt.data == 0 then error("--data or --texts is missing", 0) end
local tokenizer = opt.tokenizer == "" and rmkv.tokenizer.bytes() or rmkv.tokenizer.load(opt.tokenizer)

local function open()
  return rmkv.data.stream {
    sources = data_lib.sources(opt.data, opt), tokenizer = tokenizer, lanes = opt.lanes, seed = opt.seed,
    segment_tokens = opt.segment_tokens, pack_tokens = opt.pack_tokens, threads = opt.threads,
  }
end

local function show(what, value) print(("%-44s %s"):format(what, value)) end

local started = system.clock()
local stream = open()
stream:next { segments = 4 }
show("open and first batch, s", ("%.3f"):format(system.clock() - started))

local low, high = math.huge, 0
local tokens, bytes, batches = 0, 0, 0
started = system.clock()
while system.clock() - started < opt.seconds do
  local batch = stream:next { segments = 4 }
  tokens, bytes, batches = tokens + batch.token_count, bytes + batch.byte_count, batches + 1
  -- The first half fills caches and finds out how often to collect.
  if batches % 50 == 0 and system.clock() - started > opt.seconds / 2 then
    local resident = system.memory().resident_bytes / 2 ^ 20
    low, high = math.min(low, resident), math.max(high, resident)
  end
end
local seconds = system.clock() - started
show("tokens a second", ("%.2f M"):format(tokens / seconds / 1e6))
show("text, MB a second", ("%.1f"):format(bytes / seconds / 1e6))
show("resident memory in the second half, MiB", ("%.0f to %.0f"):format(low, high))
show("padding", ("%.2f %%"):format(100 * stream:report().padding_share))

local cursor = stream:cursor()
started = system.clock()
local again = open()
again:seek(cursor)
again:next { segments = 4 }
show("resume to the first batch, s", ("%.3f"):format(system.clock() - started))
started = system.clock()
again:manifest()
show("describe all files (checked at a resume), s", ("%.3f"):format(system.clock() - started))
if made then system.remove(made) end
