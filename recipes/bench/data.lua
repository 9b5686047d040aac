-- How fast a data stream comes, how soon it goes on, and how much memory it takes.  Prints a table; asserts nothing.
--
--   rmkv recipes/bench/data.lua --data shards/ --tokenizer tokenizer.json
--   rmkv recipes/bench/data.lua --texts books/train --tokenizer tokenizer.json     parquet made from text files first
--   rmkv recipes/bench/data.lua --texts books/train --filters                      speed of each filter alone
--   rmkv recipes/bench/data.lua --texts books/train --grow 800                     memory over sets of 200, 400, 800 MB
--   rmkv recipes/bench/data.lua --sparse 100                                       begin anywhere in 100 GB of files
--
-- All reading and encoding is done by the calling thread unless --threads says otherwise.  Text that comes round again
-- (a small source) meets a warm word cache of the tokenizer: name more data than fits for a cold figure.

local data_lib = require "lib.data"
local temporary = require "lib.temporary"

local opt = rmkv.options {
  data = { {}, "sources: NAME, PATH, hub:owner/name …; *WEIGHT behind", repeated = true },
  texts = { "", "folder of text files to write as parquet (rows of 3,000 bytes) and read" },
  tokenizer = { "", "tokenizer file; by default one token a byte" },
  filter = { {}, "filters to stream through, see lib/data.lua", repeated = true },
  filters = { false, "time each filter alone on pages of 3,000 bytes of --texts" },
  grow = { 0, "MB: stream a fourth, a half and all of so much made from --texts, as parquet and as zstd", min = 0 },
  sparse = { 0, "GB of a made set of many sparse files to begin in the middle of", min = 0 },
  cache = { "", "folder for restart points and downloads" },
  seconds = { 5, "to read for", min = 0.1 },
  lanes = { 8, "documents side by side", min = 1 },
  segment_tokens = { 512, "tokens of a segment", min = 1 },
  pack_tokens = { 2048, "shorter documents are joined up to this" },
  threads = { 0, "that read ahead" },
  seed = { 1, "order of the documents" },
}

local system = rmkv.system

-- The texts of a folder in pages of 3,000 bytes, and how many bytes they are.
local function pages_of(folder)
  local pages, bytes = {}, 0
  for _, name in ipairs(system.list(folder) or error("--texts " .. folder .. ": no such folder", 0)) do
    local text = system.read_file(folder .. "/" .. name)
    for first = 1, text and #text or 0, 3000 do
      pages[#pages + 1] = text:sub(first, first + 2999)
      bytes = bytes + #pages[#pages]
    end
  end
  if #pages == 0 then error("--texts " .. folder .. ": no text in this folder", 0) end
  return pages, bytes
end

-- Pages in memory through a filter, less the time without one; one thread.
if opt.filters then
  if opt.texts == "" then error("--filters needs pages to read: --texts FOLDER of text files", 0) end
  local pages, bytes = pages_of(opt.texts)
  local function seconds(source)
    local best, dropped = math.huge, 0
    for _ = 1, 3 do
      dropped = 0
      local started = system.clock()
      for i = 1, #pages do
        local _, rule = source:document(i)
        if rule then dropped = dropped + 1 end
      end
      best = math.min(best, system.clock() - started)
    end
    return best, dropped
  end
  local plain = rmkv.data.documents(pages)
  local without = seconds(plain)
  print(("%d pages, %.1f MB; reading alone %.3f s"):format(#pages, bytes / 1e6, without))
  for _, name in ipairs { "length", "gopher_quality", "gopher_repetition", "c4", "fineweb", "dedup" } do
    local cache = temporary.name ".cache"
    local took, dropped = seconds(rmkv.data.filtered(plain, { name }, { cache = cache }))
    os.execute(("rm -rf '%s'"):format(cache))
    local speed = bytes / 1e6 / math.max(took - without, 1e-4)
    print(("%-20s %8.0f MB/s  %6d of %d dropped"):format(name, speed, dropped, #pages))
  end
  return
end

-- Shards of some 30 MB each until there are `bytes` of text; the folder, or nothing where a tool is missing.
local function shards_of(kind, bytes)
  local folder = temporary.name ".shards"
  local texts, size = pages_of(opt.texts)
  system.make_folders(folder)
  if kind == "parquet" then
    rmkv.data.write_parquet(folder .. "/0.parquet", { text = texts })
  else
    local rows = {}
    for i, text in ipairs(texts) do rows[i] = rmkv.json.encode { text = text } end
    system.write_file(folder .. "/0.jsonl", table.concat(rows, "\n") .. "\n")
    if os.execute("zstd -q --rm " .. folder .. "/0.jsonl") ~= 0 then return nil, folder end
  end
  local first = system.list(folder)[1]
  for i = 1, math.ceil(bytes / size) - 1 do
    system.write_file(("%s/%d%s"):format(folder, i, first:sub(2)), system.read_file(folder .. "/" .. first))
  end
  return folder, folder
end

-- Streams made sets of growing size, each through, and prints the memory in use after a fourth of each and at most from
-- there on: what grows with the data shows as growth that doubles from row to row.
if opt.grow > 0 then
  if opt.texts == "" then error("--grow needs text to make data of: --texts FOLDER of text files", 0) end
  print(("%-10s %8s %8s %22s %12s"):format("data", "MB", "MB/s", "MiB after a fourth", "growth"))
  for _, kind in ipairs { "parquet", "zstd" } do
    for _, part in ipairs { 0.25, 0.5, 1 } do
      local folder, made = shards_of(kind, opt.grow * part * 1e6)
      if folder then
        collectgarbage()
        local stream = rmkv.data.stream {
          sources = { rmkv.data.open(folder, { cache = folder .. "/.cache" }) }, tokenizer = rmkv.tokenizer.bytes(),
          lanes = opt.lanes, segment_tokens = opt.segment_tokens, pack_tokens = opt.pack_tokens, threads = opt.threads,
        }
        local bytes, all, first, most, started = 0, opt.grow * part * 1e6, nil, 0, system.clock()
        while bytes < all do
          bytes = bytes + stream:next { segments = 4 }.byte_count
          local resident = system.memory().resident_bytes / 2 ^ 20
          if bytes > all / 4 then first, most = first or resident, math.max(most, resident) end
        end
        local speed = bytes / 1e6 / (system.clock() - started)
        print(("%-10s %8.0f %8.0f %22.0f %+12.0f"):format(kind, bytes / 1e6, speed, first, most - first))
      else
        print(kind .. ": left out, the program zstd is not installed")
      end
      os.execute(("rm -r '%s'"):format(made))
    end
  end
  return
end

local sparse_folder
if opt.sparse > 0 then
  -- Files of 100 MB that take no room: their text is NUL bytes.
  sparse_folder = temporary.name ".sparse"
  system.make_folders(sparse_folder)
  for i = 1, opt.sparse * 10 do
    local file = assert(io.open(("%s/%05d.txt"):format(sparse_folder, i), "wb"))
    file:seek("set", 1e8 - 1)
    file:write("\n")
    file:close()
  end
  local source = rmkv.data.open(sparse_folder)
  local function stream_at(seed)
    return rmkv.data.stream { sources = { source }, tokenizer = rmkv.tokenizer.bytes(), lanes = opt.lanes, seed = seed,
                              segment_tokens = opt.segment_tokens, pack_tokens = 0, threads = opt.threads }
  end
  local started = system.clock()
  source = rmkv.data.open(sparse_folder)
  local opened = system.clock() - started
  print(("%d files of 100 MB, %d documents: opened in %.3f s"):format(opt.sparse * 10, source:count(), opened))
  local begun = stream_at(opt.seed)
  begun:next()
  for _, part in ipairs { 0.001, 0.5, 0.999 } do
    local cursor = begun:cursor()
    for _, lane in ipairs(cursor.lanes) do lane.ordinal, lane.offset = math.floor(source:count() * part), 1000 end
    cursor.sources[1].ordinal = math.floor(source:count() * part) + 1
    started = system.clock()
    local resumed = stream_at(opt.seed)
    resumed:seek(cursor)
    resumed:next()
    print(("at %5.1f %% of the data: first batch after %.3f s"):format(100 * part, system.clock() - started))
  end
  for _, name in ipairs(system.list(sparse_folder)) do system.remove(sparse_folder .. "/" .. name) end
  system.remove(sparse_folder)
  return
end

local made
if opt.texts ~= "" then
  made = temporary.name ".parquet"
  rmkv.data.write_parquet(made, { text = (pages_of(opt.texts)) })
  opt.data[#opt.data + 1] = made
end
if #opt.data == 0 then error("nothing to read: name --data SOURCE, or --texts FOLDER of text files", 0) end
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
