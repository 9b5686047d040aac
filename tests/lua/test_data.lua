-- Data as recipes name it: presets on rows of the real sets' shapes (made up here), words of --filter, temperature,
-- shares by name, comparison of data.

local check = require "lua.check"
local data_lib = require "lib.data"

local M = {}

local folder = check.folder()

local function write(name, content)
  rmkv.system.make_folders(folder)
  rmkv.system.write_file(folder .. "/" .. name, content)
  return folder .. "/" .. name
end

local function write_rows(name, rows)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = rmkv.json.encode(row) end
  return write(name, table.concat(lines, "\n") .. "\n")
end

-- What the model reads and what of it is trained, of the first document of a source.
local function text_and_trained(source)
  local tokenizer = rmkv.tokenizer.bytes()
  local stream = rmkv.data.evaluation { sources = { source }, tokenizer = tokenizer, lanes = 1, segment_tokens = 2048 }
  local batch = stream:next()
  local ids, labels = batch:tokens():select(1, 1):totable(), batch:labels():select(1, 1):totable()
  local positions, documents = batch:positions():select(1, 1):totable(), batch:documents():select(1, 1):totable()
  local read, trained = {}, {}
  for i = 1, #ids do
    if documents[i] == documents[1] and (i == 1 or positions[i] > 0) then
      read[#read + 1] = ids[i]
      if labels[i] >= 0 then trained[#trained + 1] = labels[i] end
    end
  end
  return tokenizer:decode(read), tokenizer:decode(trained)
end

local function preset(name, rows)
  local source = data_lib.source(name .. ":" .. write_rows(name .. ".jsonl", rows), { seed = 1 }).source
  return text_and_trained(source)
end

function M.fineweb_rows()
  local text, trained = preset("fineweb", { {
    text = "A page. <start> is no mark here.", id = "<urn:uuid:0>", dump = "CC-MAIN-2024-10",
    url = "https://example.org/",
    date = "2024-02-21T01:02:03Z", file_path = "s3://x.warc.gz", language = "en", language_score = 0.97,
    token_count = 9,
  } })
  check.equal(text, "A page. <start> is no mark here.<end>")
  check.equal(trained, text:sub(2))
end

function M.fineweb_rows_in_parquet()
  local path = folder .. "/000_00000.parquet"
  rmkv.system.make_folders(folder)
  local ok, message = pcall(rmkv.data.write_parquet, path, {
    text = { "One page.", "Another." }, id = { "a", "b" }, url = { "u", "v" }, language = { "en", "en" },
  })
  if not ok then check.skip(message) end
  local source = data_lib.source("fineweb:" .. path, { seed = 1 }).source
  check.equal(source:count(), 2)
  check.equal(text_and_trained(source), "One page.<end>")
end

function M.reasoning_rows()
  local text, trained = preset("glaive", { {
    prompt = "What is 2 + 2?", response = "<think>\nTwo and two.\n</think>\n\nIt is 4.\n",
  } })
  check.equal(text, "What is 2 + 2?\n<start><think>\nTwo and two.\n</think>\n\nIt is 4.<end>")
  check.equal(trained, "<think>\nTwo and two.\n</think>\n\nIt is 4.<end>")
  text = preset("reasoning", { { prompt = "P", reasoning = " why ", answer = "A" } })
  check.equal(text, "P\n<start><think>why</think>A<end>")
end

-- Version 1 has one text with Llama-3 headers, version 1.1 a list of messages; other fields as on the set's card.
function M.nemotron_rows()
  local head, tail = "<|start_header_id|>%s<|end_header_id|>\n\n", "<|eot_id|>"
  local rest = { category = "chat", license = "cc-by-4.0", reasoning = "on", generator = "DeepSeek-R1",
                 used_in_training = "yes" }
  local function row(input)
    local all = { input = input, output = "<think>\nhm\n</think>\n\nHello.<|eot_id|>" }
    for key, value in pairs(rest) do all[key] = value end
    return all
  end
  local one = "<|begin_of_text|>" .. head:format "system" .. "detailed thinking on" .. tail ..
    head:format "user" .. "Hi there" .. tail .. head:format "assistant"
  local text, trained = preset("nemotron", { row(one) })
  check.yes(text:find("detailed thinking on\nHi there\n<start><think>", 1, true) == 1, text)
  check.yes(trained:find("<think>", 1, true) == 1, trained)
  check.yes(not text:find("header_id", 1, true), text)
  check.yes(not text:find("eot_id", 1, true), text)
  local two = preset("nemotron", { row { { role = "system", content = "detailed thinking on" },
                                          { role = "user", content = "Hi there" } } })
  check.equal(two, text)
  -- Later rows keep the system prompt apart; earlier answers of a conversation are trained like the last.
  local three = row { { role = "user", content = "Hi there" } }
  three.system_prompt = "detailed thinking on"
  check.equal(preset("nemotron", { three }), text)
  local user, assistant = head:format "user", head:format "assistant"
  text, trained = preset("nemotron", { row(user .. "a" .. tail .. assistant .. "b" .. tail .. user .. "c" .. tail ..
    assistant) })
  check.equal(text, "a\n<start>b<end>c\n<start><think>\nhm\n</think>\n\nHello.<end>")
  check.equal(trained, "b<end><think>\nhm\n</think>\n\nHello.<end>")
end

function M.dolly_gsm8k_and_preferences()
  local text, trained = preset("dolly", { {
    instruction = "Name the capital.", context = "France is a country.", response = "Paris.", category = "closed_qa",
  } })
  check.equal(text, "Name the capital.\nFrance is a country.\n<start>Paris.<end>")
  check.equal(trained, "Paris.<end>")
  check.equal(preset("dolly", { { instruction = "Name one. ", context = "", response = "Rome." } }),
    "Name one.\n<start>Rome.<end>")
  text, trained = preset("gsm8k", { {
    question = "How many?", answer = "3 + 4 = <<3+4=7>>7 apples.\n#### 7",
  } })
  check.equal(text, "How many?\n<start><think>3 + 4 = 7 apples.</think>7<end>")
  check.equal(trained, "<think>3 + 4 = 7 apples.</think>7<end>")
  text, trained = preset("hh-rlhf", { {
    chosen = "\n\nHuman: Hello?\n\nAssistant: Hi.\n\nHuman: Bye.\n\nAssistant: Farewell.",
    rejected = "\n\nHuman: Hello?\n\nAssistant: No.",
  } })
  check.equal(text, "Hello?\n<start>Hi.<end>Bye.\n<start>Farewell.<end>")
  check.equal(trained, "Hi.<end>Farewell.<end>")
end

function M.words_of_filter()
  local words = { "gopher:min_words=20:max_words=5000,dedup", "length=20:500:tokens", "c4:citations=false" }
  check.equal(data_lib.filters(words),
    { { name = "gopher", min_words = 20, max_words = 5000 }, { name = "dedup" },
      { name = "length", min = 20, max = 500, unit = "tokens" }, { name = "c4", citations = false } })
  check.equal(data_lib.filters { "length=:90", "length=7" },
    { { name = "length", max = 90 }, { name = "length", min = 7 } })
  for _, bad in ipairs { "length=a", "=", "gopher:min_words" } do
    check.yes(not pcall(data_lib.filters, { bad }), bad)
  end
end

function M.filters_of_a_source()
  local path = write_rows("pages.jsonl", { { text = "short" }, { text = "long enough" }, { text = "long enough" } })
  local filters = { "dedup", { name = "length", min = 6 } }
  local source = rmkv.data.open(path, { filters = filters, cache = folder .. "/cache" })
  local rules = {}
  for i = 1, 3 do rules[i] = select(2, source:document(i)) or "kept" end
  check.equal(rules, { "length.short", "kept", "dedup.duplicate" })
  local again = rmkv.data.filtered(rmkv.data.documents { "a b", "c" }, { { name = "length", min = 2 } })
  check.equal(select(2, again:document(2)), "length.short")
  local ok, message = pcall(rmkv.data.filtered, again, { "gofer" })
  check.yes(not ok and tostring(message):find "gopher", tostring(message))
end

function M.temperature_weighs_by_size()
  local small, large = write("small.txt", ("x "):rep(500)), write("large.txt", ("y "):rep(8000))
  local sources = data_lib.sources({ small, large .. "*2" }, { seed = 1, mix_temperature = 2 })
  check.close(sources[2].weight / sources[1].weight, 2 * math.sqrt(16), 1e-9)
  local ok, message = pcall(data_lib.sources, { "storyworld" }, { seed = 1, mix_temperature = 2 })
  check.yes(not ok and tostring(message):find "no size", tostring(message))
end

function M.shares_by_name_move_the_stream()
  local function texts(name) return rmkv.data.documents({ name:rep(40), name:rep(30) }, name) end
  local stream = rmkv.data.stream {
    sources = { texts "a", texts "b" }, tokenizer = rmkv.tokenizer.bytes(), lanes = 1, segment_tokens = 64,
    pack_tokens = 0,
  }
  local function share()
    local before = stream:report().sources[1].tokens
    for _ = 1, 300 do stream:next { weights = { a = 9, b = 1 } } end
    local sources = stream:report().sources
    return (sources[1].tokens - before) / (sources[1].tokens + sources[2].tokens - before)
  end
  check.close(share(), 0.9, 0.02)
  for _, bad in ipairs { { a = 1 }, { a = 1, b = 1, c = 1 }, { 1 }, { a = 1, b = -1 } } do
    check.yes(not pcall(stream.next, stream, { weights = bad }))
  end
  stream:set_weights { 1, 9 }
  check.close(stream:report().sources[2].share, 0.9, 1e-9)
end

function M.data_that_changed_is_named()
  local path = write("kept.txt", "some text")
  local before = rmkv.data.open(path):manifest()
  rmkv.data.require_same(before, rmkv.data.open(path):manifest())
  write("kept.txt", "some other text")
  local ok, message = pcall(rmkv.data.require_same, before, rmkv.data.open(path):manifest())
  check.yes(not ok and tostring(message):find("kept.txt: 15 bytes, was 9", 1, true), tostring(message))
end

return M
