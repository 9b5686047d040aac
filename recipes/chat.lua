-- Talk to a model: it goes on telling while its memory keeps what was said.
--
--   rmkv chat
--   rmkv chat --checkpoint DIR --temperature 0.7
--
-- A line is fed as a line of the story, or, to a fine-tuned model, as a request; \ at its end goes on in the next line.
-- Ctrl-C stops an answer.  Commands: /undo takes the last turn back, /again answers it anew, /fork keeps a bookmark and
-- /back returns to it, /memory shows how far the talk moved each memory, /stats counts tokens, /save FILE and
-- /load FILE keep a conversation, /reset forgets, /quit leaves.

local generation = require "lib.generation"
local progress = require "lib.progress"

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
local template = generation.template(opt.template, loaded)
local before = opt.before ~= "" and opt.before or template.before
local after = opt.after ~= "" and opt.after or template.after

local session, earlier, bookmark = fresh(), {}, nil
local outcome
local terminal = rmkv.system.terminal().stdin
local commands = {}

local function answer(line)
  earlier[#earlier + 1] = { session = session:fork(), line = line }
  if #earlier > 100 then table.remove(earlier, 1) end
  session:feed(before .. line .. after)
  outcome = generation.write(session, { tokens = opt.tokens, stop = opt.stop })
  rmkv.system.write "\n"
end

function commands.undo()
  if #earlier == 0 then return "nothing to take back" end
  session = table.remove(earlier).session
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

function commands.again()
  if #earlier == 0 then return "nothing to answer again" end
  local turn = table.remove(earlier)
  session = turn.session
  opt.seed = opt.seed + 1
  session:reseed(opt.seed)
  if not rmkv.catch_interrupt(answer, turn.line) then return "\n(stopped)" end
end

function commands.memory()
  local now, first = session:state(), start:state()
  local lines = { ("%-12s %-18s %8s %14s"):format("memory", "size", "norm", "since start") }
  for _, name in ipairs(session:memory_names()) do
    local value = now:get(name):to "fp32"
    lines[#lines + 1] = ("%-12s %-18s %8.2f %14.2f"):format(
      name, table.concat(value:shape(), " x "):gsub("^1 x ", ""), value:norm(),
      (value - first:get(name):to "fp32"):norm())
  end
  local segment = loaded.model:facts().segment_tokens
  if segment > 0 then
    lines[#lines + 1] = ("written at the end of every %d tokens: in %d more"):format(
      segment, segment - session:position() % segment)
  end
  return table.concat(lines, "\n")
end

function commands.stats()
  local text = ("%d tokens read and written; the session holds %s"):format(
    session:position(), progress.bytes(session:bytes()))
  return outcome and text .. "; last answer: " .. generation.outcome_text(outcome) or text
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
  return "/undo /again /fork /back /memory /stats /save FILE /load FILE /reset /quit; anything else is said to the "
         .. "model"
end

local words = { "/quit" }
for name in pairs(commands) do words[#words + 1] = "/" .. name end
if terminal then print(("%s, seed %d; /help lists the commands, Ctrl-D leaves"):format(opt.checkpoint, opt.seed)) end
for line in generation.lines(terminal and "> " or nil, words) do
  if line == "/quit" then break end
  local name, argument = line:match "^/(%a+)%s*(.*)$"
  if name then
    local command = commands[name] or function() return "no such command: /" .. name .. "; /help lists them" end
    -- A file that cannot be read or written ends the command, not the talk.
    local _, said = pcall(command, argument)
    if said then print((said:gsub("^%S+:%d+: ", ""))) end
  elseif line ~= "" then
    local finished = rmkv.catch_interrupt(answer, line)
    if not finished then print "\n(stopped; /undo takes the turn back)" end
  end
end
