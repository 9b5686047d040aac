-- Answer requests one by one: each starts from the same memory (that of --system) and knows nothing of the others.
--
--   rmkv instruct "Write a happy story about Mira."
--   rmkv instruct --input requests.txt                   one answer for each line; - or nothing: stdin
--   rmkv instruct --input rows.jsonl --field question --json > answers.jsonl
--
-- Requests are written as fine-tuning writes them: the text, a line end, <start>; the answer ends at <end>.  The
-- default run's model has seen such requests; one trained on other texts wants recipes/finetune.lua first.

local generation = require "lib.generation"

local opt = generation.options {
  request = { nil, "the request; without one, lines of --input", positional = 1, type = "string" },
  input = { "-", "file with a request on each line, or .jsonl; - reads stdin" },
  field = { "prompt", "field of .jsonl rows that holds the request" },
  system = { "", "text fed once, before every request" },
  before = { generation.templates.request.before, "text put before each request" },
  after = { generation.templates.request.after, "text put after each request" },
  answers = { 1, "answers to each request, with seeds --seed, --seed + 1 …", min = 1 },
  json = { false, "print JSON lines: prompt, answer, seed, tokens, finish" },
}

-- All requests, or an iterator over a terminal's lines.
local function requests()
  if opt.request then return { opt.request } end
  local text = opt.input == "-" and io.read "*a" or rmkv.system.read_file(opt.input)
  if not text then error(("--input %s: no such file"):format(opt.input), 0) end
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    if opt.input:match "%.jsonl$" and line ~= "" then
      local place = ("%s:%d"):format(opt.input, number)
      local good, row = pcall(rmkv.json.decode, line)
      if not good then error(("%s: not a JSON object: %s"):format(place, line:sub(1, 60)), 0) end
      line = type(row) == "table" and row[opt.field]
      if type(line) ~= "string" then
        error(("%s: no text in field '%s'; name another with --field"):format(place, opt.field), 0)
      end
    end
    if line ~= "" then list[#list + 1] = line end
  end
  return list
end

local start = generation.open(opt)
if opt.system ~= "" then start:feed(opt.system .. "\n") end

local function answer(request)
  for i = 1, opt.answers do
    local seed = opt.seed + i - 1
    local session = start:fork()
    session:reseed(seed)
    session:feed(opt.before .. request .. opt.after)
    if opt.json then
      local text, facts = session:generate { tokens = opt.tokens, stop = opt.stop }
      print(rmkv.json.encode {
        prompt = request, answer = text, seed = seed, tokens = facts.tokens, finish = facts.finish,
      })
    else
      generation.write(session, { tokens = opt.tokens, stop = opt.stop })
      rmkv.system.write "\n"
    end
  end
end

if not opt.request and opt.input == "-" and rmkv.system.terminal().stdin then
  for line in generation.lines "request> " do
    if line ~= "" and not rmkv.catch_interrupt(answer, line) then print "\n(stopped)" end
  end
else
  for _, request in ipairs(requests()) do answer(request) end
end
