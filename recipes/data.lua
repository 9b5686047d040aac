-- Look at a data stream as the model sees it, or measure how fast it comes.
--
--   rmkv recipes/data.lua inspect --data gsm8k:train.jsonl            first rows; what is not trained is dim
--   rmkv recipes/data.lua inspect --data books/*5 --data storyworld --rows 8 --html page.html
--   rmkv recipes/data.lua count --data rows.jsonl.gz                  documents, tokens and bytes of each source
--   rmkv recipes/data.lua presets                                     known data sets
--
-- Speed, resume time and memory: recipes/bench/data.lua.

local data_lib = require "lib.data"
local view = require "lib.batch_view"

local opt = rmkv.options {
  command = { "inspect", "what to do", positional = 1, choices = { "inspect", "count", "presets" } },
  data = { {}, "sources: NAME, PATH, hub:owner/name … (see recipes/lib/data.lua); *WEIGHT behind", repeated = true },
  data_dir = { "", "folder that relative data paths are in" },
  field = { "", "field of rows that holds the text" },
  cache = { "", "folder for downloads and restart points; by default $RMKV_CACHE or ~/.cache/rmkv" },
  tokenizer = { "", "tokenizer file; by default one token a byte" },
  rows = { 4, "rows (lanes) to show", min = 1 },
  segments = { 1, "segments of a row", min = 1 },
  segment_tokens = { 256, "tokens of a segment", min = 1 },
  pack_tokens = { 512, "shorter documents are joined up to this; 0: never" },
  packing = { "join", "join documents in order, or fit the best ones together", choices = { "join", "best_fit" } },
  documents = { 10000, "count: documents read of each source" },
  seed = { 1, "order of the documents" },
  color = { "auto", "colours: on a terminal, always or never", choices = { "auto", "always", "never" } },
  html = { "", "also write a page to this file" },
}

if opt.command == "presets" then
  local presets = require "lib.presets"
  for _, name in ipairs(data_lib.preset_names()) do
    print(("%-10s %-62s %s"):format(name, presets[name].path or name .. ":FILE", presets[name].about))
  end
  return
end
if #opt.data == 0 then error("--data is missing: name a file, a folder, a data set or a built-in source", 0) end

local sources = data_lib.sources(opt.data, opt)
local tokenizer = opt.tokenizer == "" and rmkv.tokenizer.bytes() or rmkv.tokenizer.load(opt.tokenizer)

if opt.command == "count" then
  for _, entry in ipairs(sources) do
    local stream = rmkv.data.evaluation {
      sources = { entry.source }, tokenizer = tokenizer, lanes = 1, segment_tokens = 4096,
    }
    local report = stream:report()
    while report.sources[1].documents < opt.documents and stream:next { segments = 16 } do report = stream:report() end
    local facts = report.sources[1]
    local all = entry.source:count()
    print(("%s: %s; read %d (%d bad, %d empty): %d tokens, %d bytes"):format(
      entry.source:name(), all and all .. " documents" or "not counted", facts.documents, facts.bad_documents,
      facts.empty_documents, facts.tokens, report.bytes))
    for _, reason in ipairs(report.bad) do print("  bad: " .. reason) end
  end
  return
end

local stream = rmkv.data.stream {
  sources = sources, tokenizer = tokenizer, lanes = opt.rows, segment_tokens = opt.segment_tokens, seed = opt.seed,
  pack_tokens = opt.pack_tokens, packing = opt.packing,
}
local names = {}
for i, entry in ipairs(stream:report().sources) do names[i] = entry.name end
local batch = stream:next { segments = opt.segments }
local rows = view.rows(batch, tokenizer, names)
local colored = opt.color == "always" or opt.color == "auto" and rmkv.system.terminal().stdout
print(view.text(rows, { colored = colored }))
local report = stream:report()
print(("%d tokens, %d trained (%.1f %%), %d bytes of text behind them, %.1f %% padding"):format(
  batch.token_count, batch.label_count, 100 * batch.label_count / math.max(1, batch.token_count), batch.byte_count,
  100 * report.padding_share))
for _, reason in ipairs(report.bad) do print("bad: " .. reason) end
if opt.html ~= "" then
  rmkv.system.write_file(opt.html, view.html(rows, table.concat(opt.data, ", ")))
  print("page: " .. opt.html)
end
