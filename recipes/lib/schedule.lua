-- Schedules as plain functions of training progress (0 at the first step, 1 at the end of the budget).
--
-- A schedule is any function(progress, step) -> number; these are the usual ones.  Nothing here remembers anything, so
-- a resumed run sees the same values.

local M = {}

local function clamp(x) return math.max(0, math.min(1, x)) end

---A constant.
---@param value number
---@return fun(progress: number): number
function M.constant(value)
  return function() return value end
end

---Linear warm-up to `peak`, flat, then decay to `floor * peak` over the last `decay` share of the budget.
---The decay is linear in the square root of what is left (1 - sqrt), the shape llm.c and OLMo use.
---@param o {peak: number, warmup: number?, decay: number?, floor: number?}
---@return fun(progress: number): number
function M.warmup_stable_decay(o)
  local warmup, decay, floor = o.warmup or 0.02, o.decay or 0.2, o.floor or 0.02
  return function(progress)
    local p = clamp(progress)
    if p < warmup then return o.peak * (p + 1e-3 * warmup) / warmup end
    if p <= 1 - decay then return o.peak end
    local done = (p - (1 - decay)) / decay
    return o.peak * (floor + (1 - floor) * (1 - math.sqrt(done)))
  end
end

---Linear warm-up to `peak`, then half a cosine down to `floor * peak`.
---@param o {peak: number, warmup: number?, floor: number?}
---@return fun(progress: number): number
function M.cosine(o)
  local warmup, floor = o.warmup or 0.02, o.floor or 0.1
  return function(progress)
    local p = clamp(progress)
    if p < warmup then return o.peak * (p + 1e-3 * warmup) / warmup end
    local done = (p - warmup) / (1 - warmup)
    return o.peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
  end
end

---A staircase: `steps { [0] = 1, [0.1] = 2, [0.3] = 4 }` is 1 from the start, 2 from a tenth of the budget, 4 from
---three tenths.
---@param stairs table<number, number>
---@return fun(progress: number): number
function M.steps(stairs)
  local starts = {}
  for start in pairs(stairs) do starts[#starts + 1] = start end
  table.sort(starts)
  if starts[1] ~= 0 then error("schedule.steps: the first step must start at 0", 2) end
  return function(progress)
    local value
    for _, start in ipairs(starts) do
      if progress >= start then value = stairs[start] end
    end
    return value
  end
end

---Straight lines between points: `points { {0, 1}, {0.5, 4}, {1, 2} }`.
---@param points number[][]
---@return fun(progress: number): number
function M.points(points)
  return function(progress)
    local p = clamp(progress)
    for i = #points - 1, 1, -1 do
      local a, b = points[i], points[i + 1]
      if p >= a[1] then
        local share = b[1] > a[1] and math.min(1, (p - a[1]) / (b[1] - a[1])) or 1
        return a[2] + (b[2] - a[2]) * share
      end
    end
    return points[1][2]
  end
end

---One of `choices`, drawn for each step: the same step draws the same value in every run with this seed.
---@param seed integer
---@param choices number[]
---@return fun(progress: number, step: integer): number
function M.random_choice(seed, choices)
  return function(_, step) return rmkv.random.stream(seed, "schedule", step):choice(choices) end
end

return M
