-- Show runs as a page: curves of loss, memory, learning rate and speed, recall by distance, samples on the way.
--
--   rmkv report                                     checkpoints/pretrain, to logs/pretrain/report.html
--   rmkv report checkpoints/one checkpoints/two --out compare.html
--
-- The page is one file that needs nothing else; it may be written again and again while a run goes on.

local chart = require "lib.chart"
local escaped = require("lib.page_text").escaped
local run_log = require "lib.run_log"

local opt = rmkv.options {
  run = { { "checkpoints/pretrain" }, "run folders, or names of runs", positional = 1 },
  out = { "", "file to write; by default report.html beside the first run's logs" },
  samples = { 8, "text samples to show, the newest first", min = 0 },
}

local style = [[
:root { --ink: #222; --faint: #777; --grid: #e4e4e4; --page: #fff; --box: #f6f6f4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --faint: #999; --grid: #333; --page: #161616; --box: #202020; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 96em;
  margin: 2em auto; padding: 0 1.5em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(30em, 1fr)); gap: 1.2em 2em; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
svg text { font-size: 13px; fill: var(--faint); }
.grid { stroke: var(--grid); } .event, .chance { stroke: var(--faint); }
.chance { stroke-dasharray: 4; }
.legend { margin: 0; color: var(--faint); font-size: 13px; } .key { margin-right: 1em; white-space: nowrap; }
.key i { display: inline-block; width: 1em; height: 0.25em; margin: 0 0.4em 0.25em 0; vertical-align: middle; }
table { border-collapse: collapse; } td, th { padding: 0.15em 1em 0.15em 0; text-align: left; font-weight: 400; }
th { color: var(--faint); } td { font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; background: var(--box); padding: 0.8em 1em; border-radius: 4px; font: inherit;
  font-family: Georgia, serif; } .step { color: var(--faint); font-size: 13px; }]]

local runs = {}
for _, path in ipairs(opt.run) do runs[#runs + 1] = run_log.read(path) end
local alone = #runs == 1
local function named(run, what) return alone and what or run.name .. (what and ", " .. what or "") end

-- One chart of a column of the step lines, a series for each run.
local function column(title, key, more)
  local spec = { title = title, x_name = "tokens", series = {} }
  for key_name, value in pairs(more or {}) do spec[key_name] = value end
  for _, run in ipairs(runs) do
    spec.series[#spec.series + 1] = { name = named(run, alone and title or nil), points = run:points(key) }
  end
  return spec
end

local function bits_chart()
  local spec = {
    title = "bits per byte", x_name = "tokens", log = true, series = {}, events = alone and runs[1].events or nil,
  }
  for i, run in ipairs(runs) do
    local color = chart.colors[(alone and 1 or i - 1) % #chart.colors + (alone and 0 or 1)]
    spec.series[#spec.series + 1] = {
      name = named(run, "training, averaged"), points = run:averaged "bits_per_byte", thin = not alone, color = color,
    }
    spec.series[#spec.series + 1] = {
      name = named(run, "validation"), points = run:evaluated(function(e) return e.bits_per_byte end), dots = true,
      color = alone and chart.colors[2] or color,
    }
  end
  return spec
end

local meaning = {
  { "shuffled", "another text's memory" }, { "zeroed", "memory zeroed" }, { "initial", "memory as at the start" },
  { "stale", "an older memory" },
}
local function memory_chart()
  local spec = {
    title = "bits per byte lost without the true memory", x_name = "tokens", from_zero = true, series = {},
  }
  for _, run in ipairs(runs) do
    for i, kind in ipairs(meaning) do
      if alone or i == 1 then
        spec.series[#spec.series + 1] = {
          name = named(run, kind[2]), dots = true,
          points = run:evaluated(function(e)
            local entry = e.memory and e.memory[kind[1]]
            return entry and entry.difference, entry
          end),
        }
      end
    end
  end
  return spec
end

local function recall_charts()
  local list = {}
  for _, run in ipairs(runs) do
    if run.recall then
      local groups, chance = {}, nil
      for _, row in ipairs(run.recall) do
        groups[#groups + 1] = { name = row.tokens .. " tokens ago", values = { row.accuracy, row.blind }, low = row.low,
                                high = row.high }
        chance = row.chance
      end
      list[#list + 1] = chart.bars {
        title = named(run, "questions about facts answered right"), groups = groups, chance = chance,
        series = { { name = "with memory" }, { name = "shown only the last segment and bridge" } },
      }
    end
  end
  return table.concat(list)
end

local function facts_table()
  local rows = { "<table>" }
  local function row(name, value)
    local cells = {}
    for i, run in ipairs(runs) do cells[i] = "<td>" .. escaped(tostring(value(run) or "")) .. "</td>" end
    rows[#rows + 1] = "<tr><th>" .. name .. "</th>" .. table.concat(cells) .. "</tr>"
  end
  if not alone then row("run", function(run) return run.name end) end
  for _, fact in ipairs(run_log.facts) do row(fact.name, fact.value) end
  rows[#rows + 1] = "</table>"
  return table.concat(rows)
end

local function samples(run)
  local parts = {}
  for i = #run.samples, math.max(1, #run.samples - opt.samples + 1), -1 do
    local sample = run.samples[i]
    parts[#parts + 1] = ("<p class=step>step %d</p><pre><b>%s</b>%s</pre>"):format(
      sample.step, escaped(sample.prompt), escaped(sample.text))
  end
  return #parts > 0 and ("<h2>%s</h2>%s"):format(named(run, "Samples, the newest first"), table.concat(parts)) or ""
end

local names = {}
for i, run in ipairs(runs) do names[i] = run.name end
local title = table.concat(names, ", ")
local page = {
  "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>",
  escaped(title), "</title><style>", style, "</style><h1>", escaped(title), "</h1>", facts_table(),
  "<h2>Curves</h2><div class=charts>", chart.lines(bits_chart()), chart.lines(memory_chart()), recall_charts(),
  chart.lines(column("learning rate", "lr", { from_zero = true })),
  chart.lines(column("tokens per second", "speed", { from_zero = true })),
  chart.lines(column("gradient norm before clipping", "gradient_norm", { from_zero = true })), "</div>",
}
for _, run in ipairs(runs) do page[#page + 1] = samples(run) end
page[#page + 1] = "</html>\n"

local out = opt.out ~= "" and opt.out or runs[1].log_folder .. "/report.html"
rmkv.system.write_file(out, table.concat(page))
print("page: " .. out)
