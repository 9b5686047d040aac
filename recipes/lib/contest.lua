-- Contests of training steps: contestants take one step in turn, round after round, so that a drifting machine hits all
-- of them alike; medians are compared.  A peer is a Python process that answers "step" on a pipe with its time.

local temporary = require "lib.temporary"

local M = {}

---A batch of random tokens, the same on every call.
---@param lanes integer
---@param segments integer
---@param segment integer tokens of each
---@param vocabulary integer
---@return userdata
function M.random_batch(lanes, segments, segment, vocabulary)
  local random, rows = rmkv.random.stream(1, "bench"), {}
  for lane = 1, lanes do
    rows[lane] = {}
    for i = 1, segments * segment do rows[lane][i] = random:below(vocabulary) end
  end
  return rmkv.data.batch(rows, { segment_tokens = segment })
end

-- The steps of a model of this program on random tokens.  options: lanes, segments, segment (tokens), dtype, replay,
-- vocabulary.
function M.own(name, model, options)
  local adamw = rmkv.optim.adamw(model, { weight_decay = 0.1 })
  local trainer = rmkv.train.trainer(model, adamw)
  local batch = M.random_batch(options.lanes, options.segments, options.segment, options.vocabulary)
  return {
    name = name, dtype = options.dtype, parameters = model:facts().parameters,
    step = function()
      local started = rmkv.system.clock()
      local report = trainer:step(batch, {
        lr = 1e-3, clip = 1, bptt = options.segments, dtype = options.dtype, replay = options.replay,
      })
      local loss = report.loss
      return rmkv.system.clock() - started, loss
    end,
  }
end

-- A script of scripts/peers with `flags`, run by `python`.
function M.peer(name, dtype, python, script, flags)
  local pipe = temporary.name()
  assert(os.execute("mkfifo " .. pipe) == 0, "mkfifo failed")
  local command = ("%s %s/scripts/peers/%s --dtype %s %s < %s 2>/dev/null"):format(
    python, rmkv.root, script, dtype, flags, pipe)
  local answers = io.popen(command, "r")
  local requests = io.open(pipe, "w")
  os.remove(pipe)
  local parameters = (answers:read "*l" or ""):match "parameters (%d+)"
  if not parameters then error("the peer did not start; try by hand: " .. command, 0) end
  return {
    name = name, dtype = dtype, parameters = tonumber(parameters),
    step = function()
      requests:write "step\n"
      requests:flush()
      local line = answers:read "*l"
      if not line then error("the peer ended: " .. command, 0) end
      return tonumber(line:match "seconds ([%d.]+)"), tonumber(line:match "loss ([%d.]+)")
    end,
    stop = function()
      requests:write "quit\n"
      requests:close()
      answers:close()
    end,
  }
end

-- Runs the rounds and sets `rate` (median) and `best` of each contestant, in tokens/s.
function M.run(contestants, tokens_per_step, warmup, rounds)
  for round = 1, warmup + rounds do
    for _, contestant in ipairs(contestants) do
      local seconds, loss = contestant.step()
      contestant.times = contestant.times or {}
      contestant.loss = loss
      if round > warmup then table.insert(contestant.times, seconds) end
    end
    io.stderr:write(("\rround %d of %d"):format(round, warmup + rounds))
  end
  io.stderr:write "\r\27[K"
  for _, contestant in ipairs(contestants) do
    table.sort(contestant.times)
    contestant.rate = tokens_per_step / contestant.times[math.ceil(#contestant.times / 2)]
    contestant.best = tokens_per_step / contestant.times[1]
    if contestant.stop then contestant.stop() end
  end
end

return M
