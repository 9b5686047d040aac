-- Look into the memory of a model: what its slots hold after a text, how long they keep it, and what each is worth.
--
--   rmkv probe --text "Nora put the key in the box. " --rest "The key is in the box."
--   rmkv -i recipes/probe.lua --text "…"      then go on by hand: session:erase_slot("memory.1", 3), session:generate()
--
-- Every slot in turn is put back to its start, and the rest of the text is scored again: the difference in nats a token
-- is what that slot was worth.  Positive: it helped.  Half-lives are of the gates at rest, in segments.

local opt = rmkv.options {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint or run folder, or model file of any format" },
  tokenizer = { "", "tokenizer of a model file: World vocabulary (.txt) or tokenizer.json" },
  text = { "", "text to remember; - reads it from stdin", required = true },
  rest = { "", "text to score afterwards; by default the last third of the text" },
  memory = { "", "the memory to look at; by default every one" },
  json = { false, "print one JSON object" },
  device = { "cpu", "cpu, cuda or cuda:N" },
}

local loaded = require("lib.model").load(opt.checkpoint, { tokenizer = opt.tokenizer, device = opt.device })
local model, tokenizer = loaded.model, loaded.tokenizer
local ids = tokenizer:encode(opt.text == "-" and io.read "*a" or opt.text)
local rest = tokenizer:encode(opt.rest)
if opt.rest == "" then
  for i = math.floor(#ids * 2 / 3) + 1, #ids do
    rest[#rest + 1] = ids[i]
    ids[i] = nil
  end
end
if #ids == 0 or #rest == 0 then error("--text: give some text to remember and some to score", 0) end

-- The text ends a segment, so that all of it is in memory.
local session = rmkv.sample.session(model, tokenizer)
session:feed(ids):flush()

-- Nats of each token of `rest` after what a session holds, and their mean.
local function losses(after)
  return rmkv.scope(function()
    local list, sum = {}, 0
    local rows = model:logits({ rest }, after:state()):log_softmax(-1)
    for i, id in ipairs(rest) do
      local row = i == 1 and after:logits():log_softmax(-1) or rows:select(1, 1):select(1, i - 1)
      list[i] = -row:at(id + 1)
      sum = sum + list[i]
    end
    return list, sum / #rest
  end)
end

local names = opt.memory ~= "" and { opt.memory } or session:memory_names()
local probes = {}
for _, name in ipairs(model:probes()) do probes[name] = true end
-- Of "memory.2": the probe `kind` of layer 2, a tensor, or nil.
local function probed(kind, memory)
  local name = memory:gsub("^memory", kind)
  return name ~= memory and probes[name] and model:probe(name, session:state()) or nil
end

local with, base = losses(session)
local empty = session:fork()
local report = { tokens = #ids, scored = #rest, loss = base, memories = {} }
for _, name in ipairs(names) do
  local state = session:state():get(name)
  local half_life, cosine, rank = probed("half_life", name), probed("slot_cosine", name), probed("rank", name)
  local entry = { slots = {}, cosine = cosine and cosine:at(1), rank = rank and rank:at(1) }
  for slot = 1, state:size(2) do
    local erased = session:fork()
    erased:erase_slot(name, slot)
    empty:erase_slot(name, slot)
    local _, loss = losses(erased)
    entry.slots[slot] = {
      norm = state:select(1, 1):select(1, slot):norm(), worth = loss - base,
      half_life = half_life and half_life:select(1, slot):mean() or nil,
    }
  end
  report.memories[name] = entry
end
local without, gone = losses(empty)
report.loss_without = gone
report.scores = {}
for i, id in ipairs(rest) do
  report.scores[i] = { token = tokenizer:decode { id }, with = with[i], without = without[i] }
end

if opt.json then
  print(rmkv.json.encode(report))
  return
end
print(("%d tokens remembered, %d scored: %.4f nats each; without these memories %.4f"):format(
  report.tokens, report.scored, base, gone))
for _, name in ipairs(names) do
  local entry = report.memories[name]
  print("\n" .. name .. (entry.rank and ("   effective rank %.1f of %d slots, mean cosine between slots %.3f"):format(
    entry.rank, #entry.slots, entry.cosine) or ""))
  print("  slot      norm  half-life      worth")
  for slot, row in ipairs(entry.slots) do
    print(("  %4d  %8.3f  %9s  %+9.5f"):format(
      slot, row.norm, row.half_life and ("%.1f"):format(row.half_life) or "-", row.worth))
  end
end
print "\ntoken by token, in nats:   with   without"
for _, row in ipairs(report.scores) do
  local helped = row.without - row.with
  print(("  %-22s %8.3f  %8.3f  %s"):format(
    (rmkv.json.encode(row.token)), row.with, row.without,
    (helped > 0 and "+" or "-"):rep(math.min(30, math.floor(4 * math.abs(helped) + 0.5)))))
end
