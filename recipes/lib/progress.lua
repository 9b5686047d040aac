-- What a run says while it works: one live line on a terminal, a plain line now and then into a file or pipe.
--
-- Everything said also goes to the text log.  Nothing here influences the computation.

local M = {}

local Progress = {}
Progress.__index = Progress

---@param log string? path of the text log
---@return table
function M.new(log)
  local terminal = rmkv.system.terminal().stdout
  return setmetatable({
    log = log,
    terminal = terminal,
    live = false,          -- a live line is on the screen
    plain_seconds = 10,    -- into a pipe: one line this often
    last = -math.huge,
  }, Progress)
end

local function clear(self)
  if self.live then io.stdout:write("\r\27[K") end
  self.live = false
end

---Says a line (or several) above the live line.
---@param text string
function Progress:say(text)
  clear(self)
  io.stdout:write(text, "\n")
  io.stdout:flush()
  if self.log then rmkv.system.append_file(self.log, text .. "\n") end
end

---Shows the current state of a long piece of work.
---@param text string without line end
---@param final boolean? the last line of this work: always shown, and kept on the screen
function Progress:show(text, final)
  local now = rmkv.system.clock()
  if self.terminal then
    if not final and now - self.last < 0.1 then return end
    io.stdout:write("\r\27[K", text:sub(1, rmkv.system.terminal().width - 1))
    self.live = true
    if final then
      io.stdout:write("\n")
      self.live = false
    end
    io.stdout:flush()
  elseif final or now - self.last >= self.plain_seconds then
    io.stdout:write(text, "\n")
    io.stdout:flush()
  else
    return
  end
  if self.log and (final or now - (self.logged or -math.huge) >= self.plain_seconds) then
    rmkv.system.append_file(self.log, text .. "\n")
    self.logged = now
  end
  self.last = now
end

---Says on a terminal what is being done, until something else is said.
---@param text string without line end
function Progress:busy(text)
  if not self.terminal then return end
  clear(self)
  io.stdout:write(text:sub(1, rmkv.system.terminal().width - 1))
  io.stdout:flush()
  self.live = true
end

---"1h05m", "3m20s", "12s"
---@param seconds number
---@return string
function M.duration(seconds)
  seconds = math.max(0, math.floor(seconds + 0.5))
  if seconds >= 3600 then return ("%dh%02dm"):format(seconds / 3600, seconds % 3600 / 60) end
  if seconds >= 60 then return ("%dm%02ds"):format(seconds / 60, seconds % 60) end
  return ("%ds"):format(seconds)
end

---"950", "12.3k", "4.56M", "1.20B"
---@param n number
---@return string
function M.short(n)
  if n >= 1e9 then return ("%.2fB"):format(n / 1e9) end
  if n >= 1e6 then return ("%.2fM"):format(n / 1e6) end
  if n >= 1e4 then return ("%.1fk"):format(n / 1e3) end
  return ("%d"):format(n)
end

---"512 kB", "1.25 GB" (powers of 1000)
---@param n number
---@return string
function M.bytes(n)
  if n >= 1e9 then return ("%.2f GB"):format(n / 1e9) end
  if n >= 1e6 then return ("%.0f MB"):format(n / 1e6) end
  return ("%.0f kB"):format(n / 1e3)
end

---Text broken into lines of at most `width` columns, each behind `indent`.
---@param text string
---@param indent string?
---@param width integer?
---@return string
function M.wrapped(text, indent, width)
  indent = indent or "  "
  width = (width or math.min(100, rmkv.system.terminal().width)) - #indent
  local lines = {}
  for paragraph in (text .. "\n"):gmatch("(.-)\n") do
    local line = ""
    for word in paragraph:gmatch("%S+") do
      if #line > 0 and #line + 1 + #word > width then
        lines[#lines + 1] = indent .. line
        line = word
      else
        line = #line > 0 and (line .. " " .. word) or word
      end
    end
    if #line > 0 then lines[#lines + 1] = indent .. line end
  end
  return table.concat(lines, "\n")
end

return M
