-- An evaluation as a few lines for people.

local M = {}

local meaning = {
  shuffled = "with another text's memory",
  zeroed = "with the memory zeroed",
  initial = "with the memory as at the start",
  stale = "with an older memory",
}

---One line: the loss, and what memory is worth (extra bits per byte without it).
---@param e table rmkv.train.evaluate
---@return string
function M.line(e)
  local text = ("validation: loss %.4f, %.4f bits/byte"):format(e.loss, e.bits_per_byte)
  local shuffled = e.memory and e.memory.shuffled
  if shuffled then
    text = text .. ("; memory is worth %+.4f [%.4f, %.4f]"):format(shuffled.difference, shuffled.low, shuffled.high)
  end
  return text
end

---The whole evaluation, one figure a line.
---@param e table
---@return string
function M.text(e)
  local lines = {
    ("  loss %.4f   bits per byte %.4f   (%d tokens, %d bytes)"):format(e.loss, e.bits_per_byte, e.tokens, e.bytes),
  }
  for name, source in pairs(e.sources or {}) do
    lines[#lines + 1] = ("  %-24s %.4f bits per byte"):format(name, source.bits_per_byte)
  end
  for _, name in ipairs { "shuffled", "zeroed", "initial", "stale" } do
    local entry = e.memory and e.memory[name]
    if entry then
      lines[#lines + 1] = ("  %-32s %+.4f bits per byte  [%.4f, %.4f]"):format(
        meaning[name], entry.difference, entry.low, entry.high)
    end
  end
  return table.concat(lines, "\n")
end

return M
