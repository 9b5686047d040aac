-- Conversations kept between requests; a session is only handed through, so names stand for them.
local check = require "lua.check"
local conversations = require "lib.conversations"

local tests = {}

-- "uHi aHello": a user's and an assistant's message.
local function list(text)
  local messages = {}
  for role, content in text:gmatch "(%l)(%S+)" do messages[#messages + 1] = { role = role, content = content } end
  return messages
end

local function found(kept, text)
  local session, count = kept:find(list(text))
  return ("%s %d"):format(session, count)
end

tests["the longest beginning is found"] = function()
  local kept = conversations.new(4)
  check.equal(found(kept, "uA"), "nil 0")
  kept:keep(list "uA", "one")
  kept:keep(list "uA aB uC", "two")
  kept:keep(list "uA aX uC", "other")
  check.equal(found(kept, "uA aB uC"), "two 3")
  check.equal(found(kept, "uA aB uC aD uE"), "two 3")
  check.equal(found(kept, "uA aB uD"), "one 1")
  check.equal(found(kept, "uAA"), "nil 0")
  check.equal(found(kept, "aA"), "nil 0")
end

tests["one of each, and those asked for last"] = function()
  local kept = conversations.new(2)
  kept:keep(list "uA", "one")
  kept:keep(list "uA", "again")
  kept:keep(list "uB", "two")
  check.equal(found(kept, "uA"), "again 1")
  kept:keep(list "uC", "three")
  check.equal(found(kept, "uB"), "nil 0")
  check.equal(found(kept, "uA"), "again 1")
  local none = conversations.new(0)
  none:keep(list "uA", "one")
  check.equal(found(none, "uA"), "nil 0")
end

return tests
