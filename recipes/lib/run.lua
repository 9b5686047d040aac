-- A run: its folder, its journal and logs, what it resumes from, when something is due, what it saves.
--
-- The folder (`--out`, by default checkpoints/<mode>) holds run.toml, tokenizer.json, rmkv_<mode>_step_<N>/,
-- rmkv_<mode>_final/ and the pointers `latest` and `best`; logs go to logs/<run>/.  The recipe owns the loop:
--
--   for step in run:steps(total) do … run:report(step, report, batch) … end
--
-- Nothing that a run decides depends on the clock, so a resumed run repeats what a whole one does.

local guard = require "lib.guard"
local place = require "lib.place"
local progress = require "lib.progress"

local M = {}

local Run = {}
Run.__index = Run

-- Options that may differ between a run and its continuation without changing what is computed.
local free_options = {
  resume = true, out = true, save_every = true, sample_every = true, eval_every = true, log_every = true,
  keep = true, watch = true, reset_epochs = true, config = true, set = true, max_skipped = true,
}

---Opens a run: decides whether it resumes, makes the folder, starts the logs, writes the header.
---@param opt table the recipe's options; uses out, resume, seed and threads
---@param mode string "pretrain", "finetune" …
---@return table run
function M.open(opt, mode)
  local system = rmkv.system
  local run = setmetatable({ opt = opt, mode = mode, step = 0, tokens = 0, bytes = 0, tracked = {} }, Run)
  run.folder = (opt.out ~= "" and system.absolute(opt.out) or place.checkpoints .. "/" .. mode):gsub("/+$", "")
  run.checkpoints = rmkv.checkpoint.run(run.folder)
  run.name = run.folder:match "[^/]+$"
  run.progress = progress.new()
  run.log_folder = place.log_folder(run.folder)
  run.resume_from = run:resume_decision()
  if not run.resume_from then run:move_aside() end
  system.make_folders(run.folder)
  system.make_folders(run.log_folder)
  run.progress.log = run.log_folder .. "/log.txt"
  if run.resume_from then
    run.saved = rmkv.checkpoint.facts(run.resume_from)
    run.step, run.tokens, run.bytes = run.saved.step, run.saved.tokens, run.saved.bytes
    run.best_loss = run.saved.best_loss
  end
  run.guard = guard.new(run, run.saved)
  local resume = { resume_step = run.resume_from and run.step or -1 }
  run.steps_log = rmkv.log.jsonl(run.log_folder .. "/steps.jsonl", resume)
  run.board = rmkv.log.tensorboard(run.log_folder, resume)
  return run
end

---Says a line on the terminal and in the log.
function Run:say(text) self.progress:say(text) end

-- The newest checkpoint that loads, or nil; damaged ones are named.
local function newest(run)
  local path, damaged = run.checkpoints:newest()
  for _, reason in ipairs(damaged) do run:say("passed over a damaged checkpoint: " .. reason) end
  return path
end

---The checkpoint to go on from, or nil for a fresh start: `--resume ask|latest|none|PATH`.
---On a terminal `ask` asks; elsewhere it takes the newest checkpoint when there is one.
function Run:resume_decision()
  local choice = self.opt.resume
  if choice == "none" then return nil end
  if choice ~= "ask" and choice ~= "latest" then
    local reason = rmkv.checkpoint.damage(choice)
    if reason then error("--resume " .. choice .. ": " .. reason, 0) end
    return rmkv.system.absolute(choice)
  end
  local path = rmkv.system.exists(self.folder) and newest(self) or nil
  if not path then
    if choice == "latest" then
      error(("--resume latest: no checkpoint in %s\nhint: without --resume a new run begins"):format(self.folder), 0)
    end
    return nil
  end
  if choice == "ask" and rmkv.system.terminal().stdin and rmkv.system.terminal().stdout then
    local facts = rmkv.checkpoint.facts(path)
    local question = "%s holds a checkpoint at step %d (%s tokens).\n" ..
                     "Resume it? [Y]es, [n]ew run (the old one is kept aside), [q]uit: "
    local answer = rmkv.system.read_line(question:format(self.folder, facts.step, progress.short(facts.tokens)))
    answer = (answer or "q"):lower():sub(1, 1)
    if answer == "q" then os.exit(0) end
    if answer == "n" then return nil end
  end
  return path
end

-- A new run never overwrites an old one: the old folder gets a number.
function Run:move_aside()
  local system = rmkv.system
  if not system.exists(self.folder .. "/run.toml") then return end
  local number = 1
  while system.exists(("%s.%d"):format(self.folder, number)) do number = number + 1 end
  local aside = ("%s.%d"):format(self.folder, number)
  system.rename(self.folder, aside)
  if system.exists(self.log_folder) then system.rename(self.log_folder, ("%s.%d"):format(self.log_folder, number)) end
  self:say("the earlier run in this folder is now in " .. aside)
end

---Writes run.toml and the run's header; on resuming, names the options that changed.
---@param facts table what belongs to the run beside its options: model, data manifest, tokenizer
function Run:begin(facts)
  local path = self.folder .. "/run.toml"
  local options = {}
  for name, value in pairs(self.opt) do options[name] = value end
  local description = {
    options = options, mode = self.mode, version = rmkv.version, torch = rmkv.system.health().torch,
    model = facts.model, data = facts.data, tokenizer = facts.tokenizer,
  }
  if self.resume_from then
    local old = rmkv.system.exists(path) and rmkv.toml.read(path).options or options
    for name, value in pairs(options) do
      local before = old[name]
      if name == "data" and rmkv.json.encode(before) ~= rmkv.json.encode(value) then self.data_changed = true end
      if not free_options[name] and rmkv.json.encode(before) ~= rmkv.json.encode(value) then
        self:note("option_changed", { option = name, before = before, after = value },
                  ("option --%s changed from %s to %s"):format(name, rmkv.json.encode(before), rmkv.json.encode(value)))
      end
    end
    self:note("resume", { checkpoint = self.resume_from },
              ("resumed from %s at step %d"):format(self.resume_from, self.step))
  end
  rmkv.toml.write(path, description)
  if rmkv.system.exists(rmkv.recipe) then
    rmkv.system.write_file(self.folder .. "/recipe.lua", rmkv.system.read_file(rmkv.recipe))
  end
end

---An event of the run: a line in journal.jsonl and, with `text`, on the terminal.
---@param event string
---@param fields table
---@param text string?
function Run:note(event, fields, text)
  local line = { event = event, step = self.step, time = rmkv.system.timestamp() }
  for key, value in pairs(fields) do line[key] = value end
  rmkv.system.append_file(self.folder .. "/journal.jsonl", rmkv.json.encode(line) .. "\n")
  if text then self:say(text) end
end

---The tokenizer of the run: on resuming the one in its folder, else the given file or the one `make` returns.
---@param file string? a tokenizer.json
---@param make fun(): userdata
function Run:tokenizer(file, make)
  local path = self.folder .. "/tokenizer.json"
  if not (self.resume_from and rmkv.system.exists(path)) then
    local tokenizer = file and file ~= "" and rmkv.tokenizer.load(file) or make()
    tokenizer:save(path)
  end
  return rmkv.tokenizer.load(path)
end

---Names what a checkpoint of this run consists of, and fills it from the checkpoint the run resumes.
---@param parts {model: userdata, optimizer: userdata, trainer: userdata, stream: userdata}
function Run:track(parts)
  self.tracked = parts
  if not self.resume_from then return end
  local saved = rmkv.checkpoint.restore(self.resume_from, {
    model = parts.model, optimizer = parts.optimizer, trainer = parts.trainer,
  })
  if self.opt.reset_epochs then return end
  local good, why = pcall(function()
    if saved.manifest then
      local now = parts.stream:manifest()
      -- Shares may differ: the cursor has those that hold.
      for _, manifest in ipairs { saved.manifest, now } do
        for _, source in ipairs(manifest.sources) do source.weight = nil end
      end
      rmkv.data.require_same(saved.manifest, now)
    end
    parts.stream:seek(saved.stream)
  end)
  if not good then
    error(why .. "\nhint: this is not the data that the run has read so far: --reset_epochs goes on with it from its "
          .. "start, --resume none begins a new run", 0)
  end
  -- Other weights on the command line hold from here on.
  if self.data_changed then
    local weights = {}
    for i, source in ipairs(parts.stream:report().sources) do weights[i] = source.weight end
    parts.stream:set_weights(weights)
    self:note("weights", { weights = weights })
  end
end

-- Names rows of the data that could not be read since the last time.
function Run:tell_bad_rows()
  local report, count = self.tracked.stream:report(), 0
  for _, source in ipairs(report.sources) do count = count + source.bad_documents end
  if count > (self.bad_rows or 0) then
    self:note("bad_documents", { count = count, newest = report.bad },
              ("%d unreadable documents set aside so far, such as %s"):format(count, report.bad[#report.bad] or "?"))
  end
  self.bad_rows = count
end

---The loop: yields 1-based step numbers from where the run stands to `total`.  Between steps it honours Ctrl-C
---(offers to save), SIGTERM (saves and leaves) and requests to reload the recipe.
---@param total integer
---@param live table? lib.recipe's live object
---@return fun(): integer?
function Run:steps(total, live)
  self.total = total
  self.was_complete = self.step >= total
  if self.was_complete then
    self:say(("this run is complete (step %d of %d); more --tokens let it go on, --resume none begins anew"):format(
      self.step, total))
  end
  rmkv.defer_interrupts(true)  -- Ctrl-C ends the loop between two steps
  if live then live:begin(self) end
  self.started, self.start_step, self.start_tokens = rmkv.system.clock(), self.step, self.tokens
  return function()
    local stop = rmkv.stop_requested()
    if stop then return self:stop(stop) end
    if self.step >= total then
      rmkv.defer_interrupts(false)
      return nil
    end
    if live then live:poll(self) end
    self.step = self.step + 1
    return self.step
  end
end

-- Ends the loop on a signal; what the finished steps computed is kept.
function Run:stop(reason)
  self.stopped = reason
  rmkv.defer_interrupts(false)
  local save = true
  if reason == "interrupt" and rmkv.system.terminal().stdin then
    rmkv.clear_stop()
    local answer = rmkv.system.read_line(("\ninterrupted after step %d. Save a checkpoint? [Y/n] "):format(self.step))
    save = not (answer or "y"):lower():match "^n"
  end
  if save and self.step > 0 then self:say("saved " .. self:save()) end
  return nil
end

---How far the budget is used: 0 at the first step, 1 at the end.
function Run:fraction() return (self.step - 1) / self.total end

---Records a finished step.  Reads the loss (and so waits for the device) only when a line is due.
---@param report userdata rmkv.train.trainer():step()
---@param facts table? further figures for the log line: lr, bptt …
function Run:report(report, facts)
  self.tokens = self.tokens + report.token_count
  self.bytes = self.bytes + report.byte_count
  if not (self:due("log") or self.step == self.total) then return end
  local loss = report.loss
  local line = {
    tokens = self.tokens, loss = loss, gradient_norm = report.gradient_norm, skipped = report.skipped,
    bits_per_byte = report.bits_per_byte,
  }
  for key, value in pairs(facts or {}) do line[key] = value end
  if report.auxiliary ~= 0 then
    line.auxiliary = report.auxiliary
    self.board:scalar("train/auxiliary", self.step, line.auxiliary)
  end
  self.board:scalar("train/loss", self.step, loss)
  self.board:scalar("train/bits_per_byte", self.step, line.bits_per_byte)
  self.board:scalar("train/gradient_norm", self.step, line.gradient_norm)
  for key, value in pairs(facts or {}) do self.board:scalar("train/" .. key, self.step, value) end
  if not report.skipped then
    self.smooth = self.smooth and 0.9 * self.smooth + 0.1 * line.bits_per_byte or line.bits_per_byte
  end
  local elapsed = rmkv.system.clock() - self.started
  local rate = (self.tokens - self.start_tokens) / elapsed
  local left = elapsed / (self.step - self.start_step) * (self.total - self.step)
  self.steps_log:write(self.step, line, { seconds = elapsed, tokens_per_second = rate })
  self.progress:show(("step %d/%d  loss %.3f  %.3f bits/byte  %s tok/s  %s left  %s"):format(
    self.step, self.total, loss, self.smooth or line.bits_per_byte, progress.short(rate), progress.duration(left),
    progress.bytes(rmkv.system.memory().resident_bytes)), self.step == self.total)
  self.guard:watch(report)
end

---True when `what` is due at this step: every `<what>_every` steps (0: never).  While updates are left out nothing is
---saved: rotation would drop the checkpoints that a rollback needs.
---@param what string "sample", "eval", "save", "log"
function Run:due(what)
  if what == "save" and self.guard.skipped > 0 then return false end
  local every = self.opt[what .. "_every"] or 1
  return every > 0 and self.step % every == 0
end

---Records an evaluation: log, TensorBoard, and whether it is the best so far.
---@param evaluation table lib.evaluation.measure
function Run:evaluated(evaluation)
  self:note("evaluation", evaluation)
  self.board:scalar("validation/loss", self.step, evaluation.loss)
  self.board:scalar("validation/bits_per_byte", self.step, evaluation.bits_per_byte)
  for name, entry in pairs(evaluation.memory or {}) do
    self.board:scalar("memory/" .. name, self.step, entry.difference)
  end
  self.last_loss = evaluation.loss
  self.best_loss = math.min(self.best_loss or math.huge, evaluation.loss)
end

---Saves a checkpoint and drops old ones.  Returns its path.
---@param final boolean?
function Run:save(final)
  local parts = self.tracked
  self:tell_bad_rows()
  local facts = self.guard:facts()
  facts.step, facts.tokens, facts.bytes = self.step, self.tokens, self.bytes
  facts.mode, facts.best_loss = self.mode, self.best_loss
  self.board:flush()
  self:note("data", parts.stream:report())
  return self.checkpoints:save {
    model = parts.model, optimizer = parts.optimizer, trainer = parts.trainer, stream = parts.stream, facts = facts,
    options = { keep_last = self.opt.keep, final = final or false, loss = self.last_loss },
  }
end

---Ends the run: the final checkpoint, unless it was stopped before its end.  Returns its path or nil.
function Run:finish()
  if self.stopped or self.step < self.total then return nil end
  return self:save(true)
end

return M
