-- Line and bar charts as SVG text, to stand in a page that needs nothing else.
--
-- Colours and text follow the page's CSS variables (--ink, --faint, --grid), so a chart fits light and dark pages.  No
-- numbers are computed here beyond thinning out: a line shows at most `kMostPoints` points.

local escaped = require("lib.page_text").escaped

local M = {}

local kWidth, kHeight = 720, 260
local kLeft, kRight, kTop, kBottom = 62, 14, 12, 34
local kMostPoints = 700
-- Okabe and Ito's colours, told apart by colour-blind readers too (https://jfly.uni-koeln.de/color/).
M.colors = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9" }

---"950", "12k", "1.5M", "0.002"
function M.number(x)
  local size = math.abs(x)
  if size == 0 then return "0" end  -- not -0
  if size >= 1e9 then return ("%.3gB"):format(x / 1e9) end
  if size >= 1e6 then return ("%.3gM"):format(x / 1e6) end
  if size >= 1e4 then return ("%.3gk"):format(x / 1e3) end
  return ("%.4g"):format(x)
end

-- Round values between low and high, about `count` of them: steps of 1, 2 or 5 times a power of ten.
local function ticks(low, high, count)
  local raw = (high - low) / count
  local power = 10 ^ math.floor(math.log10(raw))
  local step = 10 * power
  for _, factor in ipairs { 1, 2, 5 } do
    if raw <= factor * power then
      step = factor * power
      break
    end
  end
  local list = {}
  for i = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do list[#list + 1] = i * step end
  return list
end

-- Of an axis of logarithms: 1, 2 and 5 times powers of ten; round numbers where fewer than two of these fit.
local function log_ticks(low, high)
  local list = {}
  for power = math.floor(low), math.ceil(high) do
    for _, factor in ipairs { 1, 2, 5 } do
      local at = math.log10(factor) + power
      if at >= low and at <= high then list[#list + 1] = at end
    end
  end
  if #list >= 2 then return list end
  list = ticks(10 ^ low, 10 ^ high, 4)
  for i, value in ipairs(list) do list[i] = math.log10(value) end
  return list
end

local function finite(x) return type(x) == "number" and x == x and math.abs(x) < math.huge end

-- Every n-th point, and the last one.
local function thinned(points)
  local kept, every = {}, math.max(1, math.ceil(#points / kMostPoints))
  for i, point in ipairs(points) do
    if finite(point[2]) and ((i - 1) % every == 0 or i == #points) then kept[#kept + 1] = point end
  end
  return kept
end

local function bounds(series, column, low, high)
  for _, one in ipairs(series) do
    for _, point in ipairs(one.points) do
      for _, x in ipairs(column == 1 and { point[1] } or { point[2], point.low or point[2], point.high or point[2] }) do
        if finite(x) then low, high = math.min(low, x), math.max(high, x) end
      end
    end
  end
  if low > high then low, high = 0, 1 end
  if low == high then low, high = low - 0.5 * math.abs(low) - 1e-9, high + 0.5 * math.abs(high) + 1e-9 end
  return low, high
end

local function path_of(points, x, y, column)
  local parts = {}
  for i, point in ipairs(points) do
    parts[i] = ("%s%.1f %.1f"):format(i == 1 and "M" or "L", x(point[1]), y(column and point[column] or point[2]))
  end
  return table.concat(parts)
end

-- The area between low and high of points that have both.
local function band_of(points, x, y)
  local there, back = {}, {}
  for _, point in ipairs(points) do
    if finite(point.low) and finite(point.high) then
      there[#there + 1] = point
      table.insert(back, 1, point)
    end
  end
  if #there < 2 then return "" end
  return path_of(there, x, y, "high") .. path_of(back, x, y, "low"):gsub("^M", "L") .. "Z"
end

-- An upright or level line, with a text that pops up.
local function line(class, x1, x2, y1, y2, text)
  return ('<line class="%s" x1=%.1f x2=%.1f y1=%.1f y2=%.1f><title>%s</title></line>'):format(
    class, x1, x2, y1, y2, escaped(text or ""))
end

local function grid_line(at, label)
  return line("grid", kLeft, kWidth - kRight, at, at) ..
    ('<text x=%d y=%.1f text-anchor=end>%s</text>'):format(kLeft - 6, at + 4, label)
end

local function axes(parts, chart, x, y, low, high)
  for _, value in ipairs(chart.log and log_ticks(low[2], high[2]) or ticks(low[2], high[2], 5)) do
    parts[#parts + 1] = grid_line(y(value), M.number(chart.log and 10 ^ value or value))
  end
  for _, value in ipairs(ticks(low[1], high[1], 7)) do
    parts[#parts + 1] = ('<text x=%.1f y=%d text-anchor=middle>%s</text>'):format(
      x(value), kHeight - kBottom + 16, M.number(value))
  end
  if chart.x_name then
    parts[#parts + 1] = ('<text x=%d y=%d text-anchor=end>%s</text>'):format(
      kWidth - kRight, kHeight - 4, escaped(chart.x_name))
  end
end

local function legend(series)
  local parts = {}
  for i, one in ipairs(series) do
    parts[i] = ('<span class=key><i style="background:%s"></i>%s</span>'):format(
      one.color or M.colors[(i - 1) % #M.colors + 1], escaped(one.name))
  end
  return #series > 0 and "<p class=legend>" .. table.concat(parts, " ") .. "</p>" or ""
end

local function framed(chart, parts)
  return ('<figure><figcaption>%s</figcaption>%s<svg viewBox="0 0 %d %d" role=img aria-label="%s">%s</svg></figure>')
    :format(escaped(chart.title), legend(chart.series), kWidth, kHeight, escaped(chart.title), table.concat(parts))
end

---A chart of lines.  A series with `dots` shows its points, with values that pop up; points with `low` and `high` get a
---band.  `events` are upright lines with a text.  `log`: the y axis is logarithmic; no bands then.
---@param chart {title: string, x_name: string?, from_zero: boolean?, log: boolean?,
--- events: {x: number, text: string}[]?,
--- series: {name: string, points: number[][], dots: boolean?, thin: boolean?, color: string?}[]}
---@return string html
function M.lines(chart)
  local series = {}
  for _, one in ipairs(chart.series) do
    local points = thinned(one.points)
    if chart.log then
      for i, point in ipairs(points) do
        points[i] = { point[1], math.log10(math.max(point[2], 1e-12)), value = point[2] }
      end
    end
    if #points > 0 then
      series[#series + 1] = setmetatable({ points = points }, { __index = one })
    end
  end
  chart = setmetatable({ series = series }, { __index = chart })
  local low, high = {}, {}
  low[1], high[1] = bounds(series, 1, 0, -math.huge)
  low[2], high[2] = bounds(series, 2, chart.from_zero and 0 or math.huge, chart.from_zero and 0 or -math.huge)
  local margin = 0.04 * (high[2] - low[2])
  if not (chart.from_zero and low[2] == 0) then low[2] = low[2] - margin end
  high[2] = high[2] + margin
  local function x(value)
    return kLeft + (value - low[1]) / (high[1] - low[1]) * (kWidth - kLeft - kRight)
  end
  local function y(value)
    return kHeight - kBottom - (value - low[2]) / (high[2] - low[2]) * (kHeight - kTop - kBottom)
  end
  local parts = {}
  axes(parts, chart, x, y, low, high)
  for _, event in ipairs(chart.events or {}) do
    parts[#parts + 1] = line("event", x(event.x), x(event.x), kTop, kHeight - kBottom, event.text)
  end
  for i, one in ipairs(series) do
    local color = one.color or M.colors[(i - 1) % #M.colors + 1]
    local band = band_of(one.points, x, y)
    if band ~= "" then parts[#parts + 1] = ('<path d="%s" fill="%s" opacity=0.18 />'):format(band, color) end
    parts[#parts + 1] = ('<path d="%s" fill=none stroke="%s" stroke-width=%s />'):format(
      path_of(one.points, x, y), color, one.thin and "0.8 opacity=0.55" or 1.8)
    for _, point in ipairs(one.dots and one.points or {}) do
      parts[#parts + 1] = ('<circle cx=%.1f cy=%.1f r=3 fill="%s"><title>%s, %s: %.4g</title></circle>'):format(
        x(point[1]), y(point[2]), color, escaped(one.name), M.number(point[1]), point.value or point[2])
    end
  end
  return framed(chart, parts)
end

---Groups of bars between 0 and 1, in percent, with intervals and a line for chance.
---@param chart {title: string, groups: {name: string, values: number[], low: number?, high: number?}[],
--- chance: number?, series: {name: string}[]}
---@return string html
function M.bars(chart)
  local function y(value) return kHeight - kBottom - value * (kHeight - kTop - kBottom) end
  local parts = {}
  for _, value in ipairs { 0, 0.25, 0.5, 0.75, 1 } do
    parts[#parts + 1] = grid_line(y(value), 100 * value .. " %")
  end
  local room = (kWidth - kLeft - kRight) / math.max(1, #chart.groups)
  local wide = math.min(60, 0.7 * room / #chart.series)
  for g, group in ipairs(chart.groups) do
    local middle = kLeft + (g - 0.5) * room
    for i, value in ipairs(group.values) do
      local left = middle + (i - 1 - #group.values / 2) * wide
      local name = escaped(chart.series[i].name)
      parts[#parts + 1] = ('<rect x=%.1f y=%.1f width=%.1f height=%.1f fill="%s"><title>%s: %.0f %%</title></rect>')
        :format(left + 1, y(value), wide - 2, y(0) - y(value), M.colors[i], name, 100 * value)
      parts[#parts + 1] = ('<text x=%.1f y=%.1f text-anchor=middle>%.0f %%</text>'):format(
        left + wide / 2, y(value) - 4, 100 * value)
      if i == 1 and group.low then
        parts[#parts + 1] = line("event", left + 4, left + 4, y(math.max(0, group.low)), y(math.min(1, group.high)))
      end
    end
    parts[#parts + 1] = ('<text x=%.1f y=%d text-anchor=middle>%s</text>'):format(
      middle, kHeight - kBottom + 16, escaped(group.name))
  end
  if chart.chance then
    parts[#parts + 1] = line("chance", kLeft, kWidth - kRight, y(chart.chance), y(chart.chance), "chance")
  end
  return framed(chart, parts)
end

return M
