-- Starts a recipe, and reloads its plan while it runs.
--
-- A recipe file ends in `recipe.run { options = …, plan = …, main = … }`.  `options` are declared once; `plan(opt)`
-- returns the schedules as plain functions; `main(opt, live)` is the experiment and asks `live.plan` at every step.
-- Editing the file and asking for a reload (create a file named `reload` in the run's folder, or start with --watch)
-- runs the file again and takes its new plan between two steps.  A faulty edit is refused and the old plan kept.
--
-- Every version of the file that was in force is kept in the run's folder (plans/<steps done>.lua) and noted in the
-- journal, so that a run that was killed takes each plan again at the step at which it took it the first time.  A file
-- that was edited while the run stood still holds from where the run goes on.

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

---Loads a recipe's file again and takes its plan; the old one stays when anything fails.
---@param path string? by default the recipe's own
---@return boolean ok
---@return string? message what was wrong, or nil
function Live:reload(path)
  path = path or self.path
  local chunk, message = rmkv.load_recipe(path)
  if not chunk then return false, message end
  reloading = {}
  local ok, failure = pcall(chunk)
  local definition = reloading.definition
  reloading = nil
  if not ok then return false, tostring(failure) end
  if not definition then return false, path .. " no longer ends in recipe.run { … }" end
  local good, plan = pcall(checked_plan, definition, self.opt)
  if not good then return false, tostring(plan) end
  self.plan = plan
  return true
end

-- Keeps the file as it is now; its plan holds for the steps behind those that are done.
local function keep_version(live, run, event, text)
  local name = ("plans/%d.lua"):format(run.step)
  rmkv.system.make_folders(run.folder .. "/plans")
  rmkv.system.write_file(run.folder .. "/" .. name, rmkv.system.read_file(live.path))
  run:note(event, { file = live.path, plan = name, hash = rmkv.system.hash_file(live.path) }, text)
end

-- The versions in the order in which they came into force: { { step =, plan =, hash = } … }.  One from a step at which
-- the run was taken up again replaces those that came later before.
local function kept_versions(run)
  local path, versions = run.folder .. "/journal.jsonl", {}
  for line in (rmkv.system.exists(path) and rmkv.system.read_file(path) or ""):gmatch "[^\n]+" do
    local ok, event = pcall(rmkv.json.decode, line)  -- a crash may have cut the last line
    if ok and event.plan and (event.event == "plan" or event.event == "reload") then
      while #versions > 0 and versions[#versions].step >= event.step do table.remove(versions) end
      versions[#versions + 1] = { step = event.step, plan = event.plan, hash = event.hash }
    end
  end
  return versions
end

---Called when the loop begins: finds the plan that holds where the run stands, and those that came later.
---@param run table the run (lib.run)
function Live:begin(run)
  if not self.plan or not rmkv.system.exists(self.path) then return end
  self.pending = {}
  local versions = run.resume_from and kept_versions(run) or {}
  local last = versions[#versions]
  if not last or versions[1].step > run.step or last.hash ~= rmkv.system.hash_file(self.path) then
    keep_version(self, run, "plan", last and "the edited " .. self.path .. " holds from this step on")
    return
  end
  for _, version in ipairs(versions) do self.pending[#self.pending + 1] = version end
  self:replay(run)
end

-- Takes the newest of the pending plans that are due.
function Live:replay(run)
  local due
  while self.pending and self.pending[1] and self.pending[1].step <= run.step do due = table.remove(self.pending, 1) end
  if not due then return end
  local ok, message = self:reload(run.folder .. "/" .. due.plan)
  if not ok then error(("%s/%s: %s"):format(run.folder, due.plan, message), 0) end
end

---Reloads when it was asked for; the run writes what happened to its journal.
---@param run table the run (lib.run)
function Live:poll(run)
  self:replay(run)
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
    self.pending = {}
    keep_version(self, run, "reload", "reloaded " .. self.path .. "; its plan holds from this step on")
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
