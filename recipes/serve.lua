-- Serve a model over HTTP, so that other programs write with it: the protocol of OpenAI's completions.
--
--   rmkv serve
--   rmkv serve --checkpoint checkpoints/finetune/latest --port 8001
--   curl http://127.0.0.1:8080/v1/completions -d '{"prompt": "Once upon a time", "max_tokens": 100, "stream": true}'
--
-- POST /v1/completions and /v1/chat/completions, piece by piece with "stream": true; GET /v1/models and /health.
-- Requests are answered one at a time, the others wait; a client that leaves ends its answer.  Sampling options are
-- what a request gets that does not say otherwise.  Of a conversation that goes on only what is new is read.  Only this
-- machine is served, unless --host names another address: then choose an --api-key.

local completions = require "lib.completions"
local conversations = require "lib.conversations"
local generation = require "lib.generation"

local opt = generation.options {
  host = { "127.0.0.1", "address to listen at; 0.0.0.0: every one of this machine" },
  port = { 8080, "0: any free one", min = 0, max = 65535 },
  api_key = { "", "clients have to send it: Authorization: Bearer KEY; by default $RMKV_API_KEY" },
  max_waiting = { 32, "requests that may wait; those beyond are answered 503", min = 1, max = 1024 },
  conversations = { 8, "conversations to remember, so that they are not read again; 0: none", min = 0, max = 1000 },
  template = { "auto", "how messages are written: as requests, or as lines of a story; auto: requests for a " ..
               "fine-tuned model", choices = { "auto", "request", "story" } },
  model_name = { "", "the model's name in answers; by default the name of its folder or file" },
  tokens = { 200, "tokens of an answer, where a request has no max_tokens", min = 0 },
  seed = { 0, "of requests without one; 0: a new one each time", min = 0 },
}
local api_key = opt.api_key ~= "" and opt.api_key or rmkv.system.env "RMKV_API_KEY" or ""

local start, loaded = generation.open(opt)
local template = generation.template(opt.template, loaded)
local model_name = opt.model_name ~= "" and opt.model_name or loaded.path:match "[^/]+$"
local defaults = { tokens = opt.tokens, stop = opt.stop, vocabulary = loaded.model:facts().vocabulary }
local started = math.floor(rmkv.system.time())
local served = 0
local remembered = conversations.new(opt.conversations)

-- Text of strangers: marks that are written in it stay text.  Without any it is one text with the template's.
local function feed(session, text, after)
  if text:find("<", 1, true) then session:feed(text, { special = false }):feed(after)
  else session:feed(text .. after) end
end

-- A session that has read what the request gives it to read, and how many tokens of that it remembered.
local function reader(asked)
  local messages = asked.messages
  if not messages then return start:fork():feed(asked.prompt):settle(), 0 end
  local known, count = remembered:find(messages)
  local session = (known or start):fork()
  local cached = session:position()
  -- Each message by itself: the answer does not depend on what was remembered.
  for i = count + 1, #messages do
    feed(session, messages[i].content, template[messages[i].role])
    session:settle()
  end
  remembered:keep(messages, session)
  return session, cached
end

-- Writes the answers of a request.  Returns the tokens read, of these the remembered ones, and the tokens written.
local function write(exchange, asked, kind)
  local source, cached = reader(asked)
  local choices, written, read = {}, 0, source:position()
  exchange:begin(asked.stream and "text/event-stream" or "application/json")
  kind.piece = asked.stream
  local function send(list, usage) exchange:write(completions.event(completions.encode(kind, list, usage))) end
  for index = 0, asked.count - 1 do
    local session, pieces = source:fork(), {}
    session:reseed(asked.seed + index)
    if asked.echo and type(asked.prompt) == "string" then
      pieces[1] = asked.prompt
      if asked.stream then send { completions.choice(kind, index, asked.prompt) } end
    end
    local options = { tokens = asked.tokens, stop = asked.stop }
    for key, value in pairs(asked.sampler) do options[key] = value end
    for piece in session:stream(options) do
      if exchange:gone() then break end
      if asked.stream then send { completions.choice(kind, index, piece) } else pieces[#pieces + 1] = piece end
    end
    local outcome = session:outcome()
    written = written + outcome.tokens
    if asked.stream then send { completions.choice(kind, index, nil, outcome.finish) } end
    choices[index + 1] = completions.choice(kind, index, table.concat(pieces), outcome.finish)
    if exchange:gone() then break end
  end
  local usage = completions.usage(read, cached, written)
  if not asked.stream then
    exchange:write(completions.encode(kind, choices, usage))
  else
    if asked.usage then send({}, usage) end
    exchange:write(completions.event "[DONE]")
  end
  exchange:finish()
  return read, cached, written
end

local paths = { ["/v1/completions"] = "cmpl-", ["/v1/chat/completions"] = "chatcmpl-" }

-- Answers a request; returns what the log says of it.
local function handle(exchange, request)
  local prefix = paths[request.path]
  local function refuse(status, message, param)
    exchange:answer(status, completions.error_body(message, "invalid_request_error", param))
    return ("%d, %s"):format(status, message)
  end
  if api_key ~= "" and request.authorization ~= "Bearer " .. api_key then return refuse(401, "wrong API key") end
  if not prefix then return refuse(404, "no such path: " .. request.path) end
  if request.method ~= "POST" then return refuse(405, "expected POST") end
  local chat = prefix == "chatcmpl-"
  local good, asked = pcall(completions.parse, request.body, chat, defaults)
  if not good then
    if not completions.is_refusal(asked) then error(asked, 0) end
    return refuse(400, asked.message, asked.param)
  end
  served = served + 1
  local chosen = opt.seed > 0 and opt.seed or math.floor(rmkv.system.time() * 1e3) % 2 ^ 31 + served
  asked.seed = math.abs(asked.seed or chosen)
  local begun = rmkv.system.clock()
  local read, cached, written = write(exchange, asked, {
    chat = chat, id = ("%s%d-%d"):format(prefix, started, served), created = math.floor(rmkv.system.time()),
    model = model_name,
  })
  return ("%d tokens read%s, %d written in %.2f s%s"):format(
    read - cached, cached > 0 and (", %d remembered"):format(cached) or "", written, rmkv.system.clock() - begun,
    exchange:gone() and "; the client left" or "")
end

local server = rmkv.serve.listen {
  host = opt.host, port = opt.port, max_waiting = opt.max_waiting,
  pages = {
    ["/health"] = rmkv.json.encode { status = "ok" },
    ["/v1/models"] = rmkv.json.encode {
      object = "list",
      data = rmkv.json.list { { id = model_name, object = "model", created = started, owned_by = "rmkv" } },
    },
  },
}
print(("%s at http://%s:%d/v1; Ctrl-C stops"):format(model_name, opt.host, server:port()))
io.stdout:flush()

local function serve()
  while true do
    local exchange = server:next()
    local request = exchange:request()
    local good, said = pcall(handle, exchange, request)
    if not good then
      exchange:answer(500, completions.error_body(tostring(said), "server_error"))
      exchange:finish()
    end
    print(("%s  %s %s  %s"):format(rmkv.system.timestamp(), request.method, request.path, tostring(said)))
    io.stdout:flush()
  end
end
rmkv.catch_interrupt(serve)
print "stopped"
