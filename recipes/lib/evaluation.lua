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

-- What the readings of rmkv.train.evaluate are called, in the order they are shown.
local readings = {
  { "attention_share", "share of attention on memory rows", "%.3f" },
  { "read_norm", "read from slots against residual", "%.3f" },
  { "store_norm", "read from store against residual", "%.3f" },
  { "write_norm.memory", "change of memory a segment", "%.3f" },
  { "slot_cosine", "cosine between slots", "%.3f" },
  { "rank", "effective rank of memory", "%.1f" },
}

-- "  share of attention on memory rows   layer 2 0.110   layer 3 0.094", a line per reading that there is.
local function add_readings(lines, e)
  for _, kind in ipairs(readings) do
    local layers = {}
    for name, value in pairs(e.readings or {}) do
      local layer = name:sub(1, #kind[1] + 1) == kind[1] .. "." and tonumber(name:match "%.(%d+)$")
      if layer then layers[#layers + 1] = { layer, ("layer %d " .. kind[3]):format(layer, value) } end
    end
    table.sort(layers, function(a, b) return a[1] < b[1] end)
    for i, entry in ipairs(layers) do layers[i] = entry[2] end
    if #layers > 0 then lines[#lines + 1] = ("  %-35s %s"):format(kind[2], table.concat(layers, "   ")) end
  end
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
  add_readings(lines, e)
  return table.concat(lines, "\n")
end

return M
