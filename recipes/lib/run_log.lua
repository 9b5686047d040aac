-- Reads what a run wrote down (lib/run.lua): its step lines, journal and description, for reports.

local place = require "lib.place"
local progress = require "lib.progress"

local M = {}

local Log = {}
Log.__index = Log

-- The objects of a JSONL file; a torn last line, of a run that goes on or was killed, is passed over.
local function lines_of(path)
  local list, text = {}, rmkv.system.read_file(path) or ""
  for line in text:gmatch "(.-)\n" do
    local good, row = pcall(rmkv.json.decode, line)
    if good then list[#list + 1] = row end
  end
  return list
end

local function folder_of(path)
  local found = place.find(path)
  if found and rmkv.system.exists(found .. "/run.toml") then return rmkv.system.absolute(found) end
  error(("%s: no run there (a folder with run.toml)\nhint: name a folder that a recipe wrote, such as "
         .. "checkpoints/pretrain"):format(path), 0)
end

---Reads the logs of a run.
---@param path string run folder or name of a run
---@return table log {name, folder, log_folder, description, steps, seconds, evaluations, samples, events,
---recall}
function M.read(path)
  local folder = folder_of(path)
  local description = rmkv.toml.read(folder .. "/run.toml")
  local log = setmetatable({
    folder = folder, name = folder:match "[^/]+$", log_folder = place.log_folder(folder), description = description,
    samples = {}, events = {}, evaluations = {},
  }, Log)
  log.steps = lines_of(log.log_folder .. "/steps.jsonl")
  local seconds, tokens_at = {}, { [0] = 0 }
  for _, row in ipairs(lines_of(log.log_folder .. "/steps.time.jsonl")) do seconds[row.step] = row.seconds end
  for _, row in ipairs(log.steps) do tokens_at[row.step] = row.tokens end
  log:time_steps(seconds)
  -- A run that was killed repeats some steps: the later entry of a step counts.
  local by_step = {}
  for _, row in ipairs(lines_of(folder .. "/journal.jsonl")) do
    local at = tokens_at[row.step]
    if row.event == "evaluation" and at then
      row.tokens_read = at
      by_step[row.step] = row
    elseif row.event == "recall" then log.recall = row.rows
    elseif row.event == "sample" then
      local samples = log.samples
      samples[#samples + (#samples > 0 and samples[#samples].step == row.step and 0 or 1)] = row
    elseif at then
      log.events[#log.events + 1] = { x = at, text = ("step %d: %s"):format(row.step, row.event) }
    end
  end
  for _, row in pairs(by_step) do log.evaluations[#log.evaluations + 1] = row end
  table.sort(log.evaluations, function(a, b) return a.step < b.step end)
  return log
end

-- Adds up the time, which begins anew when a run is resumed, and gives each row the speed over the last kWindow rows.
local kWindow = 20
function Log:time_steps(seconds)
  self.seconds = 0
  local behind = 0
  for i, row in ipairs(self.steps) do
    local now = seconds[row.step] or behind
    self.seconds = self.seconds + (now >= behind and now - behind or now)
    behind, row.seconds = now, self.seconds
    local first = self.steps[i - kWindow]
    local passed = self.seconds - (first and first.seconds or 0)
    row.speed = passed > 0 and (row.tokens - (first and first.tokens or 0)) / passed or nil
  end
end

---Points {tokens, value} of a column of the step lines.
function Log:points(key)
  local points = {}
  for _, row in ipairs(self.steps) do
    if row[key] then points[#points + 1] = { row.tokens, row[key] } end
  end
  return points
end

---The same as a running average over about a hundredth of the run.
function Log:averaged(key)
  local points, mean = self:points(key), nil
  local rate = math.min(1, 100 / math.max(1, #points))
  local keep = math.max(0.5, 1 - math.max(0.02, rate))
  for _, point in ipairs(points) do
    mean = mean and keep * mean + (1 - keep) * point[2] or point[2]
    point[2] = mean
  end
  return points
end

---Points of the evaluations; `value(e)` returns the number and, for an interval, a table with low and high.
function Log:evaluated(value)
  local points = {}
  for _, e in ipairs(self.evaluations) do
    local y, interval = value(e)
    if y then
      points[#points + 1] = {
        e.tokens_read, y, low = interval and interval.low, high = interval and interval.high,
      }
    end
  end
  return points
end

local function last(log) return log.steps[#log.steps] or {} end

---What a report says of a run in words: { name, value(log) }.
M.facts = {
  { name = "model", value = function(log)
    local model = log.description.model or {}
    local sizes = {}
    for _, key in ipairs { "layers", "channels", "heads", "slots", "segment_tokens", "vocabulary" } do
      if model[key] then sizes[#sizes + 1] = key:gsub("_", " ") .. " " .. model[key] end
    end
    return ("%s (%s)"):format(model.architecture or "?", table.concat(sizes, ", "))
  end },
  { name = "data", value = function(log)
    local data = log.description.options.data
    return type(data) == "table" and table.concat(data, ", ") or data
  end },
  { name = "steps", value = function(log)
    return ("%d, %s tokens"):format(last(log).step or 0, progress.short(last(log).tokens or 0))
  end },
  { name = "time", value = function(log) return progress.duration(log.seconds) end },
  { name = "validation", value = function(log)
    local e = log.evaluations[#log.evaluations]
    return e and ("%.4f bits per byte at step %d"):format(e.bits_per_byte, e.step)
  end },
  { name = "memory is worth", value = function(log)
    local e = log.evaluations[#log.evaluations]
    local shuffled = e and e.memory and e.memory.shuffled
    return shuffled and ("%.4f bits per byte [%.4f, %.4f]"):format(shuffled.difference, shuffled.low, shuffled.high)
  end },
  { name = "seed", value = function(log) return log.description.options.seed end },
  { name = "version", value = function(log) return log.description.version end },
  { name = "folder", value = function(log) return log.folder end },
}

return M
