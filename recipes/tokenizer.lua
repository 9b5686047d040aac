-- Train a tokenizer, use one as a filter, look at one, compare two.
--
--   rmkv recipes/tokenizer.lua train --vocab-size 30000 --output tokenizer.json books/*.txt
--   rmkv recipes/tokenizer.lua train --data books/*5 --data storyworld --max-samples 250000
--   rmkv recipes/tokenizer.lua encode --tokenizer tokenizer.json < text > ids
--   rmkv recipes/tokenizer.lua decode --tokenizer tokenizer.json < ids > text
--   rmkv recipes/tokenizer.lua inspect --tokenizer tokenizer.json --input text.txt
--   rmkv recipes/tokenizer.lua compare --tokenizer a.json --tokenizer b.tiktoken --input text.txt
--   rmkv recipes/tokenizer.lua convert --tokenizer world.txt --output tokenizer.json
--
-- A tokenizer is a .json, a .tiktoken rank file, the World .txt, or a folder with vocab.json and merges.txt.

local place = require "lib.place"

local opt = rmkv.options {
  command = {
    nil, "what to do", positional = 1, required = true,
    choices = { "train", "encode", "decode", "inspect", "compare", "convert" },
  },
  files = { {}, "files to train on, one document each", positional = 2, repeated = true },
  tokenizer = { {}, "the tokenizer file; by default the one of checkpoints/pretrain", repeated = true },
  input = { "", "file to read; by default stdin (train: one more document)" },
  output = { "", "file to write; by default stdout (train, convert: tokenizer.json)" },
  vocab_size = { 8192, "entries of a trained tokenizer" },
  min_frequency = { 2, "pairs seen less often are not merged" },
  pattern = {
    "llama3", "how text is split before merging", choices = { "gpt2", "llama3", "qwen2", "o200k" },
  },
  data = { {}, "sources to train on, with shares: NAME or PATH, *WEIGHT behind", repeated = true },
  max_samples = { 0, "documents taken from the sources in all; 0: no limit" },
  max_bytes = { 0, "bytes taken from the sources in all, by their shares; 0: no limit" },
  alphabet = {
    "bytes", "symbols that are merged; characters: rare ones fall back to bytes", choices = { "bytes", "characters" },
  },
  coverage = { 0.9995, "characters for so much of the text" },
  balance = { false, "sources get parts of the vocabulary by their weights, however much text each has" },
  threads = { 0, "0: one per core" },
  ids = {
    "text", "how ids are written and read", choices = { "text", "json", "u16", "uint16", "u32", "uint32", "npy" },
  },
  jsonl = { false, "one JSON string a line, one array of ids a line" },
  special = { true, "with what the tokenizer puts before and behind a text (decode: special tokens are shown)" },
  plain = { false, "special strings in the text are ordinary text" },
  dropout = { -1, "BPE dropout; by default what the file says" },
  seed = { 0, "for dropout" },
  time = { false, "print encode_seconds on stderr" },
}

local function load_tokenizer(index)
  local path = opt.tokenizer[index or 1]
  if not path then
    path = place.checkpoints .. "/pretrain/tokenizer.json"
    if not rmkv.system.exists(path) then
      error(("%s: not there\nhint: name a tokenizer with --tokenizer, or train a model first (%s)"):format(
        path, place.command "pretrain"), 0)
    end
  end
  return rmkv.tokenizer.load(path)
end

local function read(path)
  local text, why = rmkv.system.read_file(path)
  return text or error(why, 0)
end

local function input()
  if opt.input ~= "" then return read(opt.input) end
  return io.read "*a"
end

local function write(bytes)
  if opt.output ~= "" then
    rmkv.system.write_file(opt.output, bytes)
  else
    io.write(bytes)
  end
end

-- Takes whole lines, a megabyte or so at a time.
local function each_block(take)
  if opt.input ~= "" then return take(input(), 1) end
  local first = 1
  while true do
    local block, rest = io.read(2 ^ 20, "*L")
    if not block then return end
    block = block .. (rest or "")
    take(block, first)
    first = first + select(2, block:gsub("\n", ""))
  end
end

local function encode_options(post)
  return {
    special = not opt.plain, template = post and opt.special, fit = post, seed = opt.seed,
    dropout = opt.dropout >= 0 and opt.dropout or nil,
    threads = opt.threads > 0 and opt.threads or rmkv.system.threads(),
  }
end

local commands = {}

function commands.train()
  local started = rmkv.system.clock()
  local sources, total, shares = require "lib.data".sources(opt.data, { seed = opt.seed }), 0, {}
  for index, entry in ipairs(sources) do
    total = total + entry.weight
    shares[index] = entry.weight
  end
  if opt.balance and #opt.files > 0 then error("train: --balance is for --data sources only", 0) end
  local trainer = rmkv.tokenizer.trainer {
    vocab_size = opt.vocab_size, min_frequency = opt.min_frequency, pattern = opt.pattern,
    threads = opt.threads > 0 and opt.threads or rmkv.system.threads(),
    alphabet = opt.alphabet, coverage = opt.coverage, shares = opt.balance and shares or nil,
  }
  if opt.input ~= "" then table.insert(opt.files, opt.input) end
  for _, path in ipairs(opt.files) do trainer:add(read(path)) end
  if #opt.files + #sources == 0 then error("train: name text files or --data sources to train on", 0) end
  for index, entry in ipairs(sources) do
    local share = entry.weight / total
    trainer:add_source(entry.source, opt.max_bytes > 0 and opt.max_bytes * share or nil,
                       opt.max_samples > 0 and math.ceil(opt.max_samples * share) or nil, opt.balance and index or nil)
  end
  local trained = trainer:train()
  local path = opt.output ~= "" and opt.output or "tokenizer.json"
  trained:save(path)
  io.stderr:write(("%s: %d entries from %.1f MB of %d documents in %.2f s\n"):format(
    path, trained:vocab_size(), trainer:bytes() / 1e6, trainer:documents(), rmkv.system.clock() - started))
end

function commands.encode()
  local tokenizer = load_tokenizer()
  local seconds
  if opt.jsonl then
    seconds = 0
    each_block(function(block, first)
      local started = rmkv.system.clock()
      local lines = tokenizer:encode_lines(block, first, encode_options(true))
      seconds = seconds + rmkv.system.clock() - started
      write(lines)
    end)
  else
    local bytes, _, taken = tokenizer:encode_bytes(input(), opt.ids, encode_options(true))
    seconds = taken
    write(bytes)
  end
  if opt.time then io.stderr:write(("encode_seconds %.6f\n"):format(seconds)) end
end

function commands.decode()
  local tokenizer, options = load_tokenizer(), { skip_special = not opt.special }
  if not opt.jsonl then return write(tokenizer:decode_bytes(input(), opt.ids, options)) end
  each_block(function(block, first) write(tokenizer:decode_lines(block, first, options)) end)
end

function commands.convert()
  load_tokenizer():save(opt.output ~= "" and opt.output or "tokenizer.json")
end

-- A token as it can be shown: control characters and stray bytes as escapes.
local function shown(bytes)
  local text = bytes:gsub("[%z\1-\31\127]", function(c)
    return c == "\n" and "\\n" or ("\\x%02X"):format(c:byte())
  end)
  local rest = text:gsub("[\194-\223][\128-\191]", ""):gsub("[\224-\239][\128-\191][\128-\191]", "")
    :gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "")
  if rest:find "[\128-\255]" then  -- not UTF-8
    text = text:gsub("[\128-\255]", function(c) return ("\\x%02X"):format(c:byte()) end)
  end
  return text
end

-- On a terminal the text in coloured tokens; otherwise a line for each: id, bytes, text.
function commands.inspect()
  local tokenizer, text = load_tokenizer(), input()
  local ids = tokenizer:encode(text, encode_options(false))
  if rmkv.system.terminal().stdout then
    local colours = { 44, 42, 45, 46, 43 }
    for i, id in ipairs(ids) do
      local token = shown(tokenizer:token(id))
      io.write(("\27[30;%dm%s\27[0m"):format(tokenizer:is_special(id) and 41 or colours[i % #colours + 1], token))
      if token:find("\\n", 1, true) then io.write "\n" end
    end
    io.write "\n"
  else
    for _, id in ipairs(ids) do
      local token = tokenizer:token(id)
      local hex = token:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
      print(("%7d  %-24s %s%s"):format(id, hex, shown(token), tokenizer:is_special(id) and "  (special)" or ""))
    end
  end
  io.stderr:write(("%d tokens, %d bytes, %.3f bytes per token (%s, %d entries)\n"):format(
    #ids, #text, #text / math.max(1, #ids), tokenizer:kind(), tokenizer:vocab_size()))
end

-- Length, speed and round trip of several tokenizers on one text.
function commands.compare()
  if #opt.tokenizer < 2 then error("compare: name two tokenizers or more, each with --tokenizer", 0) end
  local text = input()
  print(("%-40s %-10s %8s %10s %12s %9s %9s %s"):format(
    "tokenizer", "kind", "entries", "tokens", "bytes/token", "load ms", "MB/s", "round trip"))
  for index, path in ipairs(opt.tokenizer) do
    local started = rmkv.system.clock()
    local tokenizer = load_tokenizer(index)
    local loaded = rmkv.system.clock() - started
    local bytes, count, seconds = tokenizer:encode_bytes(text, "u32", encode_options(false))
    local name = #path > 40 and "..." .. path:sub(-37) or path
    print(("%-40s %-10s %8d %10d %12.4f %9.1f %9.1f %s"):format(
      name, tokenizer:kind(), tokenizer:vocab_size(), count, #text / math.max(1, count), loaded * 1e3,
      #text / seconds / 1e6, tokenizer:decode_bytes(bytes, "u32") == text and "exact" or "differs"))
  end
end

commands[opt.command]()
