-- Guards a run against divergence: what happens when updates are left out in a row.
--
-- The training step itself leaves out an update whose loss is not finite or a spike (Trainer:step).  After
-- `--max_skipped` such steps in a row the run goes back to the newest checkpoint that was saved while updates were
-- applied, and on from there with the data that follows; when not one update can be applied after that, to the
-- checkpoint before, and so on.  With none left, or after `M.most_rollbacks`, it stops.  Only what checkpoints hold
-- decides, so a resumed run decides alike.  With --log_every above 1 only logged steps are looked at.

local M = { most_rollbacks = 5 }

local Guard = {}
Guard.__index = Guard

---@param run table lib.run
---@param saved table? facts of the checkpoint that the run resumes
---@return table
function M.new(run, saved)
  saved = saved or {}
  return setmetatable({
    run = run,
    skipped = saved.skipped or 0,      -- updates left out in a row
    rollbacks = saved.rollbacks or 0,  -- since the run began
    older_than = saved.older_than,     -- the next rollback must go behind this step
  }, Guard)
end

---What a checkpoint has to hold of it.
function Guard:facts()
  return { skipped = self.skipped, rollbacks = self.rollbacks, older_than = self.older_than }
end

---Looks at a finished step; may roll the run back, or raise when that is no use.
---@param report userdata StepReport
function Guard:watch(report)
  if report.label_count == 0 then return end  -- nothing to train, nothing left out
  if not report.skipped then
    self.skipped, self.older_than = 0, nil
    return
  end
  self.skipped = self.skipped + 1
  local run, limit = self.run, self.run.opt.max_skipped
  run:note("update_skipped", { loss = report.loss, gradient_norm = report.gradient_norm, in_a_row = self.skipped },
           self.skipped == 1 and ("step %d: update left out (loss %.4g, gradient norm %.4g); %d in a row roll back")
             :format(run.step, report.loss, report.gradient_norm, limit) or nil)
  if limit > 0 and self.skipped >= limit then self:roll_back(report.loss) end
end

-- The newest whole checkpoint that a rollback may go to.
function Guard:target()
  local list = self.run.checkpoints:list()
  for i = #list, 1, -1 do
    local entry = list[i]
    if entry.damage == "" and (entry.facts.skipped or 0) == 0
       and entry.step < (self.older_than or math.huge) and entry.step <= self.run.step then
      return entry
    end
  end
end

function Guard:roll_back(loss)
  local run, target = self.run, self:target()
  if not target or self.rollbacks >= M.most_rollbacks then
    error(("the run diverged: %d updates in a row were left out up to step %d (loss %.4g), %s\n" ..
           "hint: lower --lr, or lower --clip, and start again; checkpoints so far: %s"):format(
      self.skipped, run.step, loss, target and "after " .. self.rollbacks .. " rollbacks already"
      or "and there is no earlier checkpoint to go back to", run.folder), 0)
  end
  local parts = run.tracked
  rmkv.checkpoint.restore(target.path, {
    model = parts.model, optimizer = parts.optimizer, trainer = parts.trainer,
  })
  self.rollbacks = self.rollbacks + 1
  self.skipped, self.older_than = 0, target.step
  run:note("rollback", { checkpoint = target.path, loss = loss },
           ("step %d: rolled back to the weights of step %d; the data goes on"):format(run.step, target.step))
end

return M
