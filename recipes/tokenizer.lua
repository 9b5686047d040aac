-- Train a tokenizer, or use one as a filter.
--
--   rmkv recipes/tokenizer.lua train --vocab_size 8192 --output tokenizer.json books/*.txt
--   rmkv recipes/tokenizer.lua encode --tokenizer tokenizer.json < text > ids
--   rmkv recipes/tokenizer.lua decode --tokenizer tokenizer.json < ids > text
--   rmkv recipes/tokenizer.lua inspect --tokenizer tokenizer.json --input text.txt

local opt = rmkv.options {
  command = { "", "what to do", positional = 1, choices = { "train", "encode", "decode", "inspect" } },
  files = { {}, "files to train on, one document each", positional = 2, repeated = true },
  tokenizer = { "", "the tokenizer file; by default the one of checkpoints/pretrain" },
  input = { "", "file to read; by default stdin" },
  output = { "tokenizer.json", "file that train writes" },
  vocab_size = { 8192, "entries of a trained tokenizer" },
  min_frequency = { 2, "pairs seen less often are not merged" },
  pattern = { "llama3", "how text is split before merging", choices = { "gpt2", "llama3", "qwen2" } },
  threads = { 0, "0: one per core" },
  ids = { "text", "how ids are written and read", choices = { "text", "json" } },
  plain = { false, "special strings in the text are ordinary text" },
  time = { false, "print encode_seconds on stderr" },
}

local function input()
  if opt.input ~= "" then return rmkv.system.read_file(opt.input) end
  return io.read "*a"
end

local function tokenizer()
  local path = opt.tokenizer ~= "" and opt.tokenizer or rmkv.root .. "/checkpoints/pretrain/tokenizer.json"
  return rmkv.tokenizer.load(path)
end

local commands = {}

function commands.train()
  if #opt.files == 0 then error("train: name at least one text file to train on", 0) end
  local started = rmkv.system.clock()
  local trainer = rmkv.tokenizer.trainer {
    vocab_size = opt.vocab_size, min_frequency = opt.min_frequency, pattern = opt.pattern,
    threads = opt.threads > 0 and opt.threads or rmkv.system.threads(),
  }
  local bytes = 0
  for _, path in ipairs(opt.files) do
    local text = rmkv.system.read_file(path)
    trainer:add(text)
    bytes = bytes + #text
  end
  local trained = trainer:train()
  trained:save(opt.output)
  io.stderr:write(("%s: %d entries from %.1f MB in %.2f s\n"):format(
    opt.output, trained:vocab_size(), bytes / 1e6, rmkv.system.clock() - started))
end

function commands.encode()
  local tok, text = tokenizer(), input()
  local started = rmkv.system.clock()
  local ids = tok:encode(text, { special = not opt.plain })
  if opt.time then io.stderr:write(("encode_seconds %.6f\n"):format(rmkv.system.clock() - started)) end
  if opt.ids == "json" then
    print(rmkv.json.encode(ids))
  else
    print(table.concat(ids, " "))
  end
end

function commands.decode()
  local ids, tok = {}, tokenizer()
  for word in input():gmatch "[^%s,%[%]]+" do
    local id = tonumber(word)
    if not id or id % 1 ~= 0 or id < 0 or id >= tok:vocab_size() then
      error(("decode: got %q, expected ids 0 .. %d"):format(word, tok:vocab_size() - 1), 0)
    end
    ids[#ids + 1] = id
  end
  io.write(tok:decode(ids))
end

-- Each token of the text between bars, with its id above in a table of its own line.
function commands.inspect()
  local tok, text = tokenizer(), input()
  local ids = tok:encode(text, { special = not opt.plain })
  for _, id in ipairs(ids) do
    print(("%7d  %s"):format(id, (("%q"):format(tok:token(id)):gsub("\\\n", "\\n"))))
  end
  io.stderr:write(("%d tokens, %d bytes, %.3f bytes per token (%s, %d entries)\n"):format(
    #ids, #text, #text / math.max(1, #ids), tok:kind(), tok:vocab_size()))
end

commands[opt.command]()
