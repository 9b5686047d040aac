-- What a training step will hold in memory, as text: a line for a run's header and a table for --dry_run.

local progress = require "lib.progress"

local M = {}

-- Segments that gradients run through in the recipes' plans, at most.
M.longest_bptt = 4

---The state of the moments that `--optimizer_state` means: "auto" is 8 bits for the sizes that need it.
---@param opt table a recipe's options
---@return string "fp32", "bf16" or "8bit"
function M.state(opt)
  local state = rawget(opt, "optimizer_state") or "fp32"  -- not every recipe has the option
  if state ~= "auto" then return state end
  return (opt.preset == "base" or opt.preset == "1b") and "8bit" or "fp32"
end

---@param config table a model's configuration with its vocabulary
---@param opt table a recipe's options: batch, segments, dtype, replay, preset, optimizer_state
---@return table plan rmkv.train.memory_plan
function M.plan(config, opt)
  return rmkv.train.memory_plan(config, {
    lanes = opt.batch, segments = opt.segments, bptt = M.longest_bptt, dtype = opt.dtype, replay = opt.replay,
    state = M.state(opt), optimizer = rawget(opt, "optimizer"),
  })
end

---One line: the sum and what it consists of.
function M.line(config, opt)
  local plan, size = M.plan(config, opt), progress.bytes
  local fixed = plan.parameters + plan.gradients + plan.copies + plan.codes
  local backward = plan.activations > 0
    and ("%s of activations%s"):format(size(plan.activations), opt.replay and " (replayed)" or "")
    or "activations (not planned for this architecture)"
  return ("a step holds %s: %s of parameters, gradients and copies, %s of moments (%s), %s"):format(
    plan.activations > 0 and size(plan.total) or size(plan.total) .. " and more", size(fixed), size(plan.moments),
    M.state(opt), backward)
end

---The whole table, with the segments' graphs with and without replay.
function M.table(config, opt)
  local plan = M.plan(config, opt)
  local lines = {}
  local function row(name, bytes, note)
    lines[#lines + 1] = ("%-34s %10s   %s"):format(name, progress.bytes(bytes), note)
  end
  local function each(bytes) return ("%.2f bytes a parameter"):format(bytes / plan.count) end
  local segment = config.segment_tokens or opt.segment > 0 and opt.segment or 128
  lines[1] = ("%s parameters, vocabulary %d; %d lanes, %d segments of %d tokens, %s"):format(
    progress.short(plan.count), config.vocabulary, opt.batch, opt.segments, segment, opt.dtype)
  row("parameters", plan.parameters, each(plan.parameters))
  row("gradients", plan.gradients, each(plan.gradients))
  row("bf16 copies of the matrices", plan.copies, each(plan.copies))
  row("moments, " .. M.state(opt), plan.moments, each(plan.moments))
  if plan.codes > 0 then row("fixed codes of the store", plan.codes, "") end
  if plan.activations > 0 then
    row("activations", plan.activations, opt.replay and "segments replayed in backward" or "kept for backward")
    row("head: a chunk of logits, gradients", plan.head, "")
    row("total", plan.total, "beside about 0.2 GB of program and data")
    lines[#lines + 1] = ("activations: %s for one segment; %s for all without replay, %s with --replay"):format(
      progress.bytes(plan.segment), progress.bytes(plan.plain_activations), progress.bytes(plan.replay_activations))
  else
    row("total without activations", plan.total, "activations are planned for rmkv only")
  end
  return table.concat(lines, "\n")
end

return M
