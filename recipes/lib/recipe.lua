-- Starts a recipe, and reloads its plan while it runs.
--
-- A recipe file ends in `recipe.run { options = …, plan = …, main = … }`.  `options` are declared once; `plan(opt)`
-- returns the schedules as plain functions; `main(opt, live)` is the experiment and asks `live.plan` at every step.
-- Editing the file and asking for a reload (create a file named `reload` in the run's folder, or start with --watch)
-- runs the file again and takes its new plan between two steps.  A faulty edit is refused and the old plan kept.

local M = {}

-- Set while a file is loaded again: `run` then hands its table over instead of starting.
local reloading

local Live = {}
Live.__index = Live

-- Runs `plan` once and tries every schedule at the start, the middle and the end of the budget.
local function checked_plan(definition, opt)
  local plan = definition.plan(opt)
  if type(plan) ~= "table" then error("plan(opt) must return a table of functions of progress") end
  for name, schedule in pairs(plan) do
    if type(schedule) == "function" then
      for _, progress in ipairs { 0, 0.5, 1 } do
        if schedule(progress, 1) == nil then error("plan." .. name .. " returned nil at progress " .. progress) end
      end
    end
  end
  return plan
end

---Loads the recipe's file again and takes its plan; the old one stays when anything fails.
---@return boolean ok
---@return string? message what was wrong, or nil
function Live:reload()
  local chunk, message = rmkv.load_recipe(self.path)
  if not chunk then return false, message end
  reloading = {}
  local ok, failure = pcall(chunk)
  local definition = reloading.definition
  reloading = nil
  if not ok then return false, tostring(failure) end
  if not definition then return false, self.path .. " no longer ends in recipe.run { … }" end
  local good, plan = pcall(checked_plan, definition, self.opt)
  if not good then return false, tostring(plan) end
  self.plan = plan
  return true
end

---Reloads when it was asked for; the run writes what happened to its journal.
---@param run table the run (lib.run)
function Live:poll(run)
  local request = run.folder .. "/reload"
  local wanted = rmkv.system.exists(request)
  if wanted then rmkv.system.remove(request) end
  if self.opt.watch then
    local modified = rmkv.system.modified(self.path)
    wanted = wanted or modified ~= self.modified
    self.modified = modified
  end
  if not wanted then return end
  local ok, message = self:reload()
  if ok then
    run:note("reload", { file = self.path, hash = rmkv.system.hash_file(self.path) },
             "reloaded " .. self.path .. "; its plan holds from this step on")
  else
    run:note("reload_refused", { file = self.path, reason = message },
             "refused the edited " .. self.path .. " and kept the old plan: " .. message)
  end
end

---Runs a recipe: parses its options, makes its plan, calls its main.
---@param definition {options: table, plan: (fun(opt: table): table)?, main: fun(opt: table, live: table)}
function M.run(definition)
  if reloading then
    reloading.definition = definition
    return
  end
  local opt = rmkv.options(definition.options)
  local live = setmetatable({ path = rmkv.recipe, opt = opt }, Live)
  if definition.plan then live.plan = checked_plan(definition, opt) end
  if opt.watch then live.modified = rmkv.system.modified(live.path) end
  return definition.main(opt, live)
end

return M
