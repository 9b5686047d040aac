-- Look at a data stream as the model sees it, or measure how fast it comes.
--
--   rmkv recipes/data.lua inspect --data gsm8k:train.jsonl            first rows; what is not trained is dim
--   rmkv recipes/data.lua inspect --data books/*5 --data storyworld --rows 8 --html page.html
--   rmkv recipes/data.lua count --data rows.jsonl.gz                  documents, tokens and bytes of each source
--   rmkv recipes/data.lua count --data web/ --filter gopher,c4,dedup  and what each rule of the filters drops
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
  filter = { {}, "drop documents: gopher, c4, fineweb, dedup, length=MIN:MAX (see lib/data.lua)", repeated = true },
  mix_temperature = { 0, "weigh sources by bytes^(1/T); 0: by the weights behind * alone", min = 0 },
  json = { false, "count: one JSON object a source instead of text" },
  dropped = { 0, "inspect: also show so many documents that filters drop, with the rule", min = 0 },
  cache = { "", "folder for downloads and restart points; by default $RMKV_CACHE or ~/.cache/rmkv" },
  tokenizer = { "", "tokenizer file; by default one token a byte" },
  rows = { 4, "rows (lanes) to show", min = 1 },
  segments = { 1, "segments of a row", min = 1 },
  segment_tokens = { 256, "tokens of a segment", min = 1 },
  pack_tokens = { 512, "shorter documents are joined up to this; 0: never" },
  packing = { "join", "join documents in order, or fit the best ones together", choices = { "join", "best_fit" } },
  documents = { 10000, "count: stop after about so many documents of each source", min = 1 },
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

-- Rules that dropped something, the most eager first: { {rule=, documents=, bytes=} … }.
local function dropped_rules(facts)
  local list = {}
  for rule, entry in pairs(facts.dropped) do
    if entry.documents > 0 then
      list[#list + 1] = { rule = rule, documents = entry.documents, bytes = entry.bytes }
    end
  end
  table.sort(list, function(a, b)
    if a.documents ~= b.documents then return a.documents > b.documents end
    return a.rule < b.rule
  end)
  return list
end

-- Lines of text about what filters dropped; none without filters.
local function print_dropped(facts)
  if not next(facts.dropped) then return end
  local seen = facts.documents + facts.dropped_documents
  print(("  filters: kept %d, dropped %d of %d (%.1f %%)"):format(facts.documents, facts.dropped_documents, seen,
    100 * facts.dropped_documents / math.max(1, seen)))
  for _, entry in ipairs(dropped_rules(facts)) do
    print(("    %-28s %8d documents  %12d bytes"):format(entry.rule, entry.documents, entry.bytes))
  end
end

if opt.command == "count" then
  for _, entry in ipairs(sources) do
    local stream = rmkv.data.evaluation {
      sources = { entry.source }, tokenizer = tokenizer, lanes = 1, segment_tokens = 4096,
    }
    local report = stream:report()
    local function seen() return report.sources[1].documents + report.sources[1].dropped_documents end
    while seen() < opt.documents and stream:next { segments = opt.documents < 1000 and 1 or 16 } do
      report = stream:report()
    end
    report = stream:report()
    local facts = report.sources[1]
    local all = entry.source:count()
    if opt.json then
      facts.bytes, facts.bad, facts.count = report.bytes, rmkv.json.list(report.bad), all
      -- Each source is read alone here: of shares there is nothing to say.
      facts.weight, facts.share, facts.realized_share = entry.weight, nil, nil
      print(rmkv.json.encode(facts))
    else
      print(("%s: %s; read %d (%d bad, %d empty): %d tokens, %d bytes"):format(
        entry.source:name(), all and all .. " documents" or "not counted", facts.documents, facts.bad_documents,
        facts.empty_documents, facts.tokens, report.bytes))
      print_dropped(facts)
      for _, reason in ipairs(report.bad) do print("  bad: " .. reason) end
    end
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
print(view.legend(colored))
local report = stream:report()
print(("%d tokens, %d trained (%.1f %%), %d bytes of text behind them, %.1f %% padding"):format(
  batch.token_count, batch.label_count, 100 * batch.label_count / math.max(1, batch.token_count), batch.byte_count,
  100 * report.padding_share))
for _, facts in ipairs(report.sources) do
  if next(facts.dropped) then
    print(facts.name .. ":")
    print_dropped(facts)
  end
end
for _, reason in ipairs(report.bad) do print("bad: " .. reason) end
for _, entry in ipairs(sources) do
  local left, index = opt.dropped, 1
  local last = math.min(entry.source:count() or opt.documents, opt.documents)
  while left > 0 and index <= last do
    local text, rule = entry.source:document(index)
    if rule then
      print(("-- document %d of %s, dropped by %s\n%s"):format(index, entry.source:name(), rule, text:sub(1, 400)))
      left = left - 1
    end
    index = index + 1
  end
end
if opt.html ~= "" then
  rmkv.system.write_file(opt.html, view.html(rows, table.concat(opt.data, ", ")))
  print("page: " .. opt.html)
end
