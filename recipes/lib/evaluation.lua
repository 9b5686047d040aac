-- Measuring a model on text, in bits per byte, and the result as a few lines for people.

local M = {}

---Measures a model: rmkv.train.evaluate with what the memory is worth in bits per byte, like everything else said of a
---text, instead of nats per token.  The text's own ratio of tokens to bytes converts.
---@param model userdata
---@param stream userdata rmkv.data.evaluation
---@param options table of rmkv.train.evaluate
---@return table e as rmkv.train.evaluate returns it; memory.NAME = {difference, low, high, labels, samples}
function M.measure(model, stream, options)
  local e = rmkv.train.evaluate(model, stream, options)
  local bits = e.labels / (e.bytes * math.log(2))
  for _, entry in pairs(e.memory or {}) do
    for _, name in ipairs { "difference", "low", "high" } do entry[name] = entry[name] * bits end
  end
  return e
end

local meaning = {
  shuffled = "with another text's memory",
  zeroed = "with the memory zeroed",
  initial = "with the memory as at the start",
  stale = "with an older memory",
}

---One line: the loss, and what memory is worth (extra bits per byte without it).
---@param e table from M.measure
---@return string
function M.line(e)
  local text = ("validation: loss %.4f, %.4f bits/byte"):format(e.loss, e.bits_per_byte)
  local shuffled = e.memory and e.memory.shuffled
  if shuffled then
    text = text .. ("; memory is worth %.4f bits/byte [%.4f, %.4f]"):format(
      shuffled.difference, shuffled.low, shuffled.high)
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
