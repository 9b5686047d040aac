-- Talk to a model: it goes on telling while its memory keeps what was said.
--
--   rmkv recipes/chat.lua
--   rmkv recipes/chat.lua --checkpoint DIR --temperature 0.7
--
-- A line is fed as it is.  Commands: /undo takes the last turn back, /fork keeps a bookmark and /back returns to it,
-- /memory shows what the slots hold, /save FILE and /load FILE keep a conversation, /reset forgets, /quit leaves.

local opt = rmkv.options {
  checkpoint = { "checkpoints/pretrain/latest", "checkpoint folder, or model file of any format" },
  tokenizer = { "", "tokenizer of a model file: World vocabulary (.txt) or tokenizer.json" },
  weights = { "auto", "RWKV: stored, fp32, bf16, fp16, q8_0, ..; auto: as in the file, packed" },
  system = { "", "text fed once at the beginning" },
  before = { "", "text put before each of your lines" },
  after = { "\n", "text put after each of your lines" },
  tokens = { 160, "tokens of an answer at most" },
  temperature = { 0.8, "0: always the likeliest token" },
  top_p = { 0.9, "choose among the likeliest tokens that hold this share" },
  min_p = { 0.02, "drop tokens less likely than this share of the likeliest" },
  repetition_penalty = { 1.05, "above 1: used tokens become less likely" },
  stop = { { "<end>" }, "an answer ends where this text appears", repeated = true },
  seed = { 0, "0: a new one each time" },
  device = { "cpu", "cpu, cuda or cuda:N" },
}

local seed = opt.seed > 0 and opt.seed or math.floor(rmkv.system.time() * 1000) % 2 ^ 31
local loaded = require("lib.model").load(opt.checkpoint, {
  tokenizer = opt.tokenizer, device = opt.device, weights = opt.weights,
})
local sampler = { temperature = opt.temperature, top_p = opt.top_p, min_p = opt.min_p,
                  repetition_penalty = opt.repetition_penalty, seed = seed }
local function fresh()
  local session = rmkv.sample.session(loaded.model, loaded.tokenizer, sampler)
  if opt.system ~= "" then session:feed(opt.system) end
  return session
end

local session, earlier, bookmark = fresh(), {}, nil
local terminal = rmkv.system.terminal().stdin
local commands = {}

function commands.undo()
  if #earlier == 0 then return "nothing to take back" end
  session = table.remove(earlier)
  return "took the last turn back"
end

function commands.fork()
  bookmark = session:fork()
  return "kept a bookmark; /back returns to it"
end

function commands.back()
  if not bookmark then return "no bookmark; /fork makes one" end
  session = bookmark:fork()
  return "back at the bookmark"
end

function commands.memory()
  local lines = {}
  local state = session:state()
  for _, name in ipairs(loaded.model:memory_names(state)) do
    lines[#lines + 1] = ("%-24s %s"):format(name, tostring(state:get(name)):match "^[^\n]*")
  end
  return table.concat(lines, "\n")
end

function commands.save(path)
  if path == "" then return "/save FILE" end
  session:save(path)
  return "saved " .. path
end

function commands.load(path)
  if path == "" then return "/load FILE" end
  session:load(path)
  return "loaded " .. path
end

function commands.reset()
  session, earlier = fresh(), {}
  return "forgot everything"
end

function commands.help()
  return "/undo /fork /back /memory /save FILE /load FILE /reset /quit; anything else is said to the model"
end

local function answer(line)
  earlier[#earlier + 1] = session:fork()
  if #earlier > 100 then table.remove(earlier, 1) end
  session:feed(opt.before .. line .. opt.after)
  for piece in session:stream { tokens = opt.tokens, stop = opt.stop } do rmkv.system.write(piece) end
  rmkv.system.write "\n"
end

if terminal then print(("%s, seed %d; /help lists the commands"):format(opt.checkpoint, seed)) end
while true do
  local line = rmkv.system.read_line(terminal and "> " or nil)
  if not line or line == "/quit" then break end
  local name, argument = line:match "^/(%a+)%s*(.*)$"
  if name then
    local command = commands[name]
    print(command and command(argument) or ("no such command: /" .. name .. "; /help lists them"))
  elseif line ~= "" then
    local finished = rmkv.catch_interrupt(answer, line)
    if not finished then print "\n(stopped; /undo takes the turn back)" end
  end
end
