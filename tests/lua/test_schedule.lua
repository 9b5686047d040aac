-- Schedules: their values at chosen places, by hand.
local check = require "lua.check"
local schedule = require "lib.schedule"

local tests = {}

tests["warm-up, plateau, decay"] = function()
  local lr = schedule.warmup_stable_decay { peak = 2, warmup = 0.1, decay = 0.2, floor = 0.05 }
  check.close(lr(0), 0.002, 1e-12)        -- not nothing: the first step learns too
  check.close(lr(0.05), 2 * 0.501, 1e-12)
  check.close(lr(0.1), 2, 1e-12)
  check.close(lr(0.8), 2, 1e-12)
  check.close(lr(0.85), 2 * (0.05 + 0.95 * 0.5), 1e-12)  -- a quarter of the decay: 1 - sqrt(1/4)
  check.close(lr(1), 0.1, 1e-12)
  check.close(lr(1.5), 0.1, 1e-12)
end

tests["half a cosine"] = function()
  local lr = schedule.cosine { peak = 4, warmup = 0.2, floor = 0.25 }
  check.close(lr(0.2), 4, 1e-12)
  check.close(lr(0.6), 4 * (0.25 + 0.75 * 0.5), 1e-12)
  check.close(lr(1), 1, 1e-12)
end

tests["stairs and straight lines"] = function()
  local stairs = schedule.steps { [0] = 1, [0.1] = 2, [0.3] = 4 }
  for _, pair in ipairs { { 0, 1 }, { 0.0999, 1 }, { 0.1, 2 }, { 0.29, 2 }, { 0.3, 4 }, { 1, 4 } } do
    check.equal(stairs(pair[1]), pair[2])
  end
  check.yes(not pcall(schedule.steps, { [0.1] = 1 }), "stairs without a beginning are refused")
  local lines = schedule.points { { 0.1, 1 }, { 0.5, 5 }, { 0.5, 7 }, { 1, 2 } }
  for _, pair in ipairs { { 0, 1 }, { 0.3, 3 }, { 0.5, 7 }, { 0.75, 4.5 }, { 1, 2 } } do
    check.close(lines(pair[1]), pair[2], 1e-12)
  end
end

tests["a random choice is a function of the step"] = function()
  local choice, again, other = schedule.random_choice(7, { 1, 2, 4 }), schedule.random_choice(7, { 1, 2, 4 }),
    schedule.random_choice(8, { 1, 2, 4 })
  local seen, differ = {}, 0
  for step = 1, 100 do
    local value = choice(0.5, step)
    check.equal(again(step / 100, step), value)
    seen[value] = (seen[value] or 0) + 1
    if other(0, step) ~= value then differ = differ + 1 end
  end
  for _, value in ipairs { 1, 2, 4 } do check.yes((seen[value] or 0) > 15, value .. " is drawn too rarely") end
  check.yes(differ > 30, "another seed draws the same")
end

return tests
