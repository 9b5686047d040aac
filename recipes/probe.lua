-- Look into the memory of a model: what its slots hold after a text, and what each slot is worth.
--
-- Every slot in turn is put back to its start, and the rest of the text is scored again: the difference in nats is
-- what that slot contributed.  Positive: the slot helped.
--
--   rmkv recipes/probe.lua --checkpoint DIR --text "Nora put the key in the box." --rest " The key is in the box."

local opt = rmkv.options {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint folder or file" },
  text = { "", "text to remember; - reads it from stdin", required = true },
  rest = { "", "text to score afterwards; by default the last third of the text" },
  memory = { "", "the memory to look at; by default every one" },
  json = { false, "print one JSON object" },
}

local loaded = rmkv.checkpoint.load_model(opt.checkpoint)
if not loaded.tokenizer then error("the checkpoint holds no tokenizer", 0) end
local text = opt.text == "-" and io.read "*a" or opt.text
local ids = loaded.tokenizer:encode(text)
local rest = loaded.tokenizer:encode(opt.rest)
if opt.rest == "" then
  for i = math.floor(#ids * 2 / 3) + 1, #ids do
    rest[#rest + 1] = ids[i]
    ids[i] = nil
  end
end
if #ids == 0 or #rest == 0 then error("give some text to remember and some to score", 0) end

-- The text ends a segment, so that all of it is in memory.
local session = rmkv.sample.session(loaded.model, loaded.tokenizer)
session:feed(ids):flush()

-- Mean nats per token of `rest` after what the session holds.
local function loss(start)
  return rmkv.scope(function()
    local fork, sum = start:fork(), 0
    for _, id in ipairs(rest) do
      sum = sum - fork:logits():log_softmax():at(id + 1)
      fork:feed { id }
    end
    return sum / #rest
  end)
end

local base = loss(session)
local report = { tokens = #ids, scored = #rest, loss = base, memories = {} }
for _, name in ipairs(opt.memory ~= "" and { opt.memory } or session:memory_names()) do
  local slots = {}
  local state = session:state():get(name)
  for slot = 1, state:size(2) do
    local erased = session:fork()
    erased:erase_slot(name, slot)
    slots[slot] = { norm = state:at(1, slot):norm(), worth = loss(erased) - base }
  end
  report.memories[name] = slots
end

if opt.json then
  print(rmkv.json.encode(report))
else
  print(("%d tokens remembered, %d scored: %.4f nats each"):format(report.tokens, report.scored, base))
  for _, name in ipairs(opt.memory ~= "" and { opt.memory } or session:memory_names()) do
    print(name .. "        norm     worth (nats a token)")
    for slot, row in ipairs(report.memories[name]) do
      print(("  slot %2d  %8.3f  %+10.5f"):format(slot, row.norm, row.worth))
    end
  end
end
