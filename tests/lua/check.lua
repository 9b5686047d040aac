-- Checks for Lua tests: each raises at the caller's line with what was found and what was expected.

local temporary = require "lib.temporary"

local M = {}

local Skip = {}

---Ends the test case as skipped.
---@param reason string
function M.skip(reason) error(setmetatable({ reason = reason }, Skip), 2) end

function M.is_skip(value) return type(value) == "table" and getmetatable(value) == Skip end

local function fail(text, level) error(text, (level or 1) + 2) end

---@param condition any
---@param text string?
function M.yes(condition, text)
  if not condition then fail(text or ("got %s, expected a true value"):format(tostring(condition))) end
end

-- Deep equality of plain values.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

---Plain values are compared deeply.
function M.equal(got, expected)
  if not same(got, expected) then
    fail(("got %s, expected %s"):format(rmkv.inspect(got), rmkv.inspect(expected)))
  end
end

---Numbers, lists of numbers or tensors within `tolerance`.
function M.close(got, expected, tolerance)
  tolerance = tolerance or 1e-5
  if type(got) == "userdata" then got = got:totable() end
  if type(expected) == "userdata" then expected = expected:totable() end
  local function near(a, b)
    if type(a) == "table" and type(b) == "table" then
      if #a ~= #b then return false end
      for i = 1, #a do
        if not near(a[i], b[i]) then return false end
      end
      return true
    end
    return type(a) == "number" and type(b) == "number" and (a == b or math.abs(a - b) <= tolerance)
  end
  if not near(got, expected) then
    fail(("got %s, expected %s within %g"):format(rmkv.inspect(got), rmkv.inspect(expected), tolerance))
  end
end

---The call must raise, with every given piece of text in its message (plain, no patterns).
---@param body function
---@param ... string
---@return string message
function M.raises(body, ...)
  local ok, message = pcall(body)
  if ok then fail "expected an error, none was raised" end
  message = tostring(message)
  for _, piece in ipairs { ... } do
    if not message:find(piece, 1, true) then fail(("got the error %q, expected %q in it"):format(message, piece)) end
  end
  return message
end

local folders = {}

---A fresh folder for a test; the system's temporary folder holds it until the tests end.
---@return string
function M.folder()
  local path = temporary.name()
  rmkv.system.make_folders(path)
  folders[#folders + 1] = path
  return path
end

---Call when all tests are done.
function M.remove_folders()
  for _, path in ipairs(folders) do os.execute(("rm -rf '%s'"):format(path)) end
end

---Runs the program under test with a shell line; returns its output (both streams) and exit status.
---@param line string arguments, quoted for the shell
---@param before string? put in front, for example environment settings
function M.program(line, before)
  local file = os.tmpname()
  local status = os.execute(("%s /proc/%d/exe %s >%s 2>&1"):format(before or "", rmkv.system.pid(), line, file))
  local output = rmkv.system.read_file(file)
  os.remove(file)
  -- os.execute of Lua 5.1 returns wait()'s word: the status in its upper byte, a signal in its lower.
  return output, status >= 256 and math.floor(status / 256) or status % 256 + (status % 256 > 0 and 128 or 0)
end

return M
