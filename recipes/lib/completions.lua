-- The protocol of OpenAI's completions and chat completions, as plain tables: what a request asks for, and the JSON of
-- answers.  No network, no model.
--
-- Source: OpenAI API reference, "Create completion" and "Create chat completion"; server-sent events as in the HTML
-- standard, section 9.2.

local M = {}

-- A mistake of the request: raised, and answered with status 400.
local Refusal = {}
Refusal.__index = Refusal
Refusal.__tostring = function(refusal) return refusal.message end

---@param message string
---@param param string? key of the request
function M.refuse(message, param) error(setmetatable({ message = message, param = param }, Refusal), 0) end

---@return boolean whether an error is the request's own mistake
function M.is_refusal(value) return getmetatable(value) == Refusal end

local function number(body, key, low, high, fallback)
  local value = body[key]
  if value == nil then return fallback end
  if type(value) ~= "number" or value ~= value or value < low or value > high then
    M.refuse(("%s: expected a number from %g to %g"):format(key, low, high), key)
  end
  return value
end

local function whole(body, key, low, high, fallback)
  local value = number(body, key, low, high, fallback)
  if value and value ~= math.floor(value) then M.refuse(key .. ": expected a whole number", key) end
  return value
end

local function flag(body, key)
  local value = body[key]
  if value ~= nil and type(value) ~= "boolean" then M.refuse(key .. ": expected true or false", key) end
  return value or false
end

local function stops(body, fallback)
  local value = body.stop
  if value == nil then return fallback end
  local list = type(value) == "table" and value or { value }
  for _, text in ipairs(list) do
    if type(text) ~= "string" or text == "" then M.refuse("stop: expected texts", "stop") end
  end
  for _, text in ipairs(fallback) do list[#list + 1] = text end
  return list
end

-- What is asked for but cannot be done; a value that asks for nothing is let through.
local kUnsupported = { "logprobs", "top_logprobs", "tools", "functions", "suffix", "audio", "response_format" }

local function refuse_unsupported(body)
  for _, key in ipairs(kUnsupported) do
    local value = body[key]
    local nothing = value == nil or value == false or value == 0 or value == ""
      or type(value) == "table" and (next(value) == nil or value.type == "text")
    if not nothing then M.refuse(key .. ": not supported", key) end
  end
end

local function is_id(value, vocabulary)
  return type(value) == "number" and value >= 0 and value < vocabulary and value == math.floor(value)
end

-- {"50256": -100} -> { {50256, -100} }
local function biases(body, vocabulary)
  if body.logit_bias == nil then return nil end
  if type(body.logit_bias) ~= "table" then M.refuse("logit_bias: expected an object", "logit_bias") end
  local list = rmkv.json.list {}
  for id, value in pairs(body.logit_bias) do
    if not is_id(tonumber(id), vocabulary) or type(value) ~= "number" then
      M.refuse("logit_bias: expected id: number", "logit_bias")
    end
    list[#list + 1] = { tonumber(id), math.max(-100, math.min(100, value)) }
  end
  return #list > 0 and list or nil
end

-- A message's content: a text, or a list of parts of which only texts can be read.
local function content_of(message)
  local content = message.content
  if type(content) == "string" then return content end
  local parts = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part) ~= "table" or type(part.text) ~= "string" then
      M.refuse("messages: only text can be read", "messages")
    end
    parts[#parts + 1] = part.text
  end
  if #parts == 0 then M.refuse("messages: a message without content", "messages") end
  return table.concat(parts)
end

local known_roles = { system = "system", developer = "system", user = "user", assistant = "assistant" }

local function messages_of(body)
  if type(body.messages) ~= "table" or #body.messages == 0 then
    M.refuse("messages: expected a list of {role, content}", "messages")
  end
  local list = {}
  for i, message in ipairs(body.messages) do
    local role = type(message) == "table" and known_roles[message.role]
    if not role then M.refuse(("messages[%d].role: expected system, user or assistant"):format(i - 1), "messages") end
    list[i] = { role = role, content = content_of(message) }
  end
  return list
end

-- A text, a list of one text, or token ids.
local function prompt_of(body, vocabulary)
  local prompt = body.prompt
  if type(prompt) == "table" and #prompt == 1 and type(prompt[1]) ~= "number" then prompt = prompt[1] end
  if type(prompt) == "string" and prompt ~= "" then return prompt end
  if type(prompt) == "table" and #prompt > 0 then
    for _, id in ipairs(prompt) do
      if not is_id(id, vocabulary) then
        M.refuse(("prompt: expected one text, or token ids below %d"):format(vocabulary), "prompt")
      end
    end
    return prompt
  end
  M.refuse("prompt: expected a text", "prompt")
end

---What a request asks for.
---@param text string the body
---@param chat boolean /v1/chat/completions
---@param defaults {tokens: integer, stop: string[], vocabulary: integer} where the request says nothing
---@return table asked {messages or prompt, tokens, count, stream, usage, echo, stop, seed, sampler}
function M.parse(text, chat, defaults)
  local good, body = pcall(rmkv.json.decode, text)
  if not good or type(body) ~= "table" then M.refuse "the body is no JSON object" end
  refuse_unsupported(body)
  local tokens = whole(body, "max_completion_tokens", 0, 1e6) or whole(body, "max_tokens", 0, 1e6, defaults.tokens)
  return {
    messages = chat and messages_of(body) or nil, prompt = not chat and prompt_of(body, defaults.vocabulary) or nil,
    tokens = tokens, count = whole(body, "n", 1, 16, 1), stream = flag(body, "stream"), echo = flag(body, "echo"),
    usage = type(body.stream_options) == "table" and body.stream_options.include_usage == true,
    stop = stops(body, defaults.stop), seed = whole(body, "seed", -2 ^ 53, 2 ^ 53),
    sampler = {
      temperature = number(body, "temperature", 0, 2), top_p = number(body, "top_p", 0, 1),
      top_k = whole(body, "top_k", 0, 1e6), min_p = number(body, "min_p", 0, 1),
      presence_penalty = number(body, "presence_penalty", -2, 2),
      frequency_penalty = number(body, "frequency_penalty", -2, 2), bias = biases(body, defaults.vocabulary),
    },
  }
end

---A choice of an answer: the whole text, or with `piece` a part of it.
---@param kind {chat: boolean, piece: boolean?}
---@param index integer from 0
---@param text string?
---@param finish string? of Session:outcome; nil while it goes on
---@return table
function M.choice(kind, index, text, finish)
  local reason = finish and (finish == "budget" and "length" or "stop") or nil
  local choice = { index = index, finish_reason = reason }
  if not kind.chat then
    choice.text = text or ""
  elseif kind.piece then
    choice.delta = text and { content = text } or {}
  else
    choice.message = { role = "assistant", content = text }
  end
  return choice
end

---The JSON of an answer, or of a piece of one.
---@param kind {chat: boolean, piece: boolean?, id: string, created: integer, model: string}
---@param choices table[]
---@param usage table?
---@return string
function M.encode(kind, choices, usage)
  local object = kind.chat and (kind.piece and "chat.completion.chunk" or "chat.completion") or "text_completion"
  return rmkv.json.encode {
    id = kind.id, object = object, created = kind.created, model = kind.model, choices = rmkv.json.list(choices),
    usage = usage,
  }
end

---@param message string
---@param type string "invalid_request_error" …
---@param param string?
---@return string
function M.error_body(message, type, param)
  return rmkv.json.encode { error = { message = message, type = type, param = param } }
end

---@param prompt_tokens integer
---@param cached_tokens integer of these, read for an earlier request
---@param completion_tokens integer
function M.usage(prompt_tokens, cached_tokens, completion_tokens)
  return {
    prompt_tokens = prompt_tokens, completion_tokens = completion_tokens,
    total_tokens = prompt_tokens + completion_tokens, prompt_tokens_details = { cached_tokens = cached_tokens },
  }
end

---A server-sent event.
function M.event(text) return "data: " .. text .. "\n\n" end

return M
