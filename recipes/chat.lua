-- Talk to a model: it goes on telling while its memory keeps what was said.
--
--   rmkv chat
--   rmkv chat --checkpoint DIR --temperature 0.7
--
-- A line is fed as a line of the story, or, to a fine-tuned model, as a request.  Commands: /undo takes the last turn
-- back, /fork keeps a bookmark and /back returns to it, /memory shows what the slots hold, /save FILE and /load FILE
-- keep a conversation, /reset forgets, /quit leaves.

local generation = require "lib.generation"

local opt = generation.options {
  system = { "", "text fed once at the beginning" },
  template = { "auto", "how your lines are written: as requests, or as lines of a story; auto: requests for a " ..
               "fine-tuned model", choices = { "auto", "request", "story" } },
  before = { "", "text put before each of your lines, instead of the template's" },
  after = { "", "text put after each of your lines, instead of the template's" },
  tokens = { 160, "tokens of an answer at most", min = 1 },
  min_p = { 0.02, "drop tokens less likely than this share of the likeliest", min = 0, max = 1 },
  repetition_penalty = { 1.05, "above 1: used tokens become less likely", min = 0 },
  stop = { { "<end>" }, "an answer ends where this text appears", repeated = true },
  seed = { 0, "0: a new one each time", min = 0 },
}
if opt.seed == 0 then opt.seed = math.floor(rmkv.system.time() * 1000) % 2 ^ 31 end

local start, loaded = generation.open(opt)
if opt.system ~= "" then start:feed(opt.system .. "\n") end
local function fresh() return start:fork() end
local named = opt.template
if named == "auto" then named = loaded.facts.mode == "finetune" and "request" or "story" end
local template = generation.templates[named]
local before = opt.before ~= "" and opt.before or template.before
local after = opt.after ~= "" and opt.after or template.after

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
  session:feed(before .. line .. after)
  for piece in session:stream { tokens = opt.tokens, stop = opt.stop } do rmkv.system.write(piece) end
  rmkv.system.write "\n"
end

if terminal then print(("%s, seed %d; /help lists the commands"):format(opt.checkpoint, opt.seed)) end
for line in generation.lines(terminal and "> " or nil) do
  if line == "/quit" then break end
  local name, argument = line:match "^/(%a+)%s*(.*)$"
  if name then
    local command = commands[name] or function() return "no such command: /" .. name .. "; /help lists them" end
    -- A file that cannot be read or written ends the command, not the talk.
    local _, said = pcall(command, argument)
    print((said:gsub("^%S+:%d+: ", "")))
  elseif line ~= "" then
    local finished = rmkv.catch_interrupt(answer, line)
    if not finished then print "\n(stopped; /undo takes the turn back)" end
  end
end
