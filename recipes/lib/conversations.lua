-- Conversations that may go on: sessions that have read the messages of earlier requests, so that of a longer list of
-- messages only what is new is read.

local M = {}

local Conversations = {}
Conversations.__index = Conversations

---@param limit integer how many are kept: of more, the one asked for longest ago goes
function M.new(limit)
  return setmetatable({ limit = limit, kept = {} }, Conversations)  -- the latest last
end

local function begins_with(messages, beginning)
  if #beginning > #messages then return false end
  for i, message in ipairs(beginning) do
    if message.role ~= messages[i].role or message.content ~= messages[i].content then return false end
  end
  return true
end

---The session that has read most of the messages, from the first one on.
---@param messages {role: string, content: string}[]
---@return userdata? session to be forked; nil when none has read any
---@return integer count messages it has read
function Conversations:find(messages)
  local best, count = nil, 0
  for at, known in ipairs(self.kept) do
    if #known.messages > count and begins_with(messages, known.messages) then best, count = at, #known.messages end
  end
  if not best then return nil, 0 end
  local known = table.remove(self.kept, best)
  self.kept[#self.kept + 1] = known
  return known.session, count
end

---Keeps a session that has read all of the messages, and nothing else.
---@param messages {role: string, content: string}[]
---@param session userdata not to be changed from now on
function Conversations:keep(messages, session)
  local _, count = self:find(messages)
  if count == #messages then table.remove(self.kept) end
  self.kept[#self.kept + 1] = { messages = messages, session = session }
  if #self.kept > self.limit then table.remove(self.kept, 1) end
end

return M
