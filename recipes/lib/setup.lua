-- What training recipes set up alike: data and tokenizer, model, header, evaluation, samples, the closing words.

local data_lib = require "lib.data"
local evaluation = require "lib.evaluation"
local memory = require "lib.memory"
local place = require "lib.place"
local progress = require "lib.progress"

local M = {}

---"cell=lstm" -> cell, "lstm"; numbers, true and false become what they look like, "1,3" a list.
---@param list string[]
---@return table<string, any>
function M.model_settings(list)
  local settings = {}
  for _, text in ipairs(list) do
    local key, value = text:match "^([%w_]+)=(.*)$"
    if not key then error(("--set_model %s: expected KEY=VALUE"):format(text), 0) end
    if value == "true" or value == "false" then settings[key] = value == "true"
    elseif value:find "^[%d,]*,[%d,]*$" then
      settings[key] = rmkv.json.list {}
      for number in value:gmatch "%d+" do table.insert(settings[key], tonumber(number)) end
    else settings[key] = tonumber(value) or value end
  end
  return settings
end

---A preset with settings of one's own; what the preset has for its own depth, width or positions goes where they do.
---@param config table a preset of any architecture
---@param settings table<string, any>
---@return table
function M.configured(config, settings)
  if settings.layers then config.memory_layers = nil end
  if settings.channels or settings.ffn then config.ffn_hidden = nil end
  if settings.ffn == "none" then config.ffn_shift = nil end
  if settings.positions and settings.positions ~= "rope" then config.recency = nil end
  if settings.commit == "published" then  -- it has sizes alone
    local sizes = {}
    for _, key in ipairs { "architecture", "vocabulary", "channels", "layers", "heads", "slots", "segment_tokens" } do
      sizes[key] = config[key]
    end
    config = sizes
  end
  for key, value in pairs(settings) do config[key] = value end
  return config
end

-- Calls a function of the program with what the options say; what it refuses is told without where in the recipe.
local function call(act, ...)
  local good, result = pcall(act, ...)
  if good then return result end
  error(type(result) == "string" and result:gsub("^[^:]+:%d+: rmkv[%w_.]*: ", "") or result, 0)
end

-- The model's configuration without its vocabulary.
local function model_config(opt)
  local config = call(rmkv.model.preset, opt.model, opt.preset)
  if opt.model == "rmkv" then config.store = opt.store end
  config = M.configured(config, M.model_settings(opt.set_model))
  if opt.segment > 0 and config.segment_tokens then config.segment_tokens = opt.segment end
  return config
end

-- Peak learning rates by size.  tiny's is the best of three on stories and novels, for every architecture; the others
-- follow the rule that larger models want smaller ones (Brown et al. 2020, "Language models are few-shot learners",
-- table 2.1).
local rates = { tiny = 6e-3, small = 3e-3, base = 1e-3, ["1b"] = 4e-4 }
local muon_rate = 1e-2

---The rates, for the help.
M.rates_text = ("%g for tiny (muon: %g), %g small, %g base, %g 1b"):format(rates.tiny, muon_rate, rates.small,
  rates.base, rates["1b"])

---The peak learning rate: --lr, or what suits the size.
---@param opt table lr, preset, optimizer
---@return number
function M.peak_rate(opt)
  if opt.lr > 0 then return opt.lr end
  return opt.preset == "tiny" and opt.optimizer == "muon" and muon_rate or rates[opt.preset]
end

---What a training step will hold, as text; the vocabulary is the given tokenizer's or as large as --vocabulary.
function M.memory(opt)
  local config = model_config(opt)
  config.vocabulary = opt.tokenizer ~= "" and rmkv.tokenizer.load(opt.tokenizer):vocab_size() or opt.vocabulary
  return call(memory.table, config, opt)
end

-- The configuration of a new model; what can be none is refused before anything is read or trained.
local function checked_config(opt)
  local config = model_config(opt)
  config.vocabulary = opt.vocabulary
  call(memory.plan, config, opt)
  return config
end

-- Tokens of a segment: the model's own, or, where it has none, what is read at a time.
local function segment_length(config, opt)
  return config.segment_tokens or opt.segment > 0 and opt.segment or 128
end

---Sources, tokenizer and the two streams.
---@param run table
---@param given {tokenizer: userdata, segment_tokens: integer}? of a model that is there already
---@return {train: userdata, validation: userdata, tokenizer: userdata, segment_tokens: integer}
function M.data(run, given)
  local opt = run.opt
  local device = rmkv.system.device_facts(opt.device)  -- before the tokenizer is trained
  if not device.available then error(("--device %s: %s"):format(opt.device, device.why), 0) end
  local segment_tokens = given and given.segment_tokens or segment_length(checked_config(opt), opt)
  local arguments = opt.data
  if opt.data_dir ~= "" and #arguments == 1 and arguments[1] == "storyworld" then arguments = { "" } end
  local sources = data_lib.sources(arguments, opt, run.folder)
  local tokenizer = run:tokenizer(not given and opt.tokenizer or nil, function()
    if given then return given.tokenizer end
    return data_lib.train_tokenizer(sources, { vocabulary = opt.vocabulary, threads = rmkv.system.threads() },
                                    function(text) run:say(text) end)
  end)
  local separate = opt.val ~= "" and data_lib.sources({ opt.val }, opt)
  local share = separate and 0 or 0.02
  -- A pass over the same validation text each time it is called.
  local function validation(tokens)
    return rmkv.data.evaluation {
      sources = separate or sources, tokenizer = tokenizer, segment_tokens = segment_tokens, lanes = 8,
      split = separate and "all" or "validation", validation_share = share, max_tokens = tokens,
    }
  end
  validation(1)  -- data without a validation text is refused now, not at the end
  return {
    tokenizer = tokenizer, segment_tokens = segment_tokens, separate = separate and true,
    default = opt.data[1] == "storyworld",
    train = rmkv.data.stream {
      sources = sources, tokenizer = tokenizer, segment_tokens = segment_tokens, lanes = opt.batch, seed = opt.seed,
      validation_share = share,
    },
    validation = validation,
  }
end

---The model of the run: from the checkpoint it resumes, or new.
function M.model(run, tokenizer)
  local opt = run.opt
  local config = run.resume_from and rmkv.checkpoint.config(run.resume_from) or model_config(opt)
  config.vocabulary = tokenizer:vocab_size()
  return rmkv.model.create(config, { seed = opt.seed, device = opt.device })
end

---Writes run.toml and says what is about to be trained.
function M.begin(run, model, data)
  local config = model:config()
  run:begin { model = config, data = data.train:manifest(), tokenizer = data.tokenizer:fingerprint() }
  run:say(("rmkv %s  %s  %s parameters  vocabulary %d  segment %d tokens  %s  %d thread%s  seed %d"):format(
    rmkv.version, model:facts().architecture, progress.short(model:facts().parameters), data.tokenizer:vocab_size(),
    data.segment_tokens, run.opt.dtype, rmkv.system.threads(),
    rmkv.system.threads() == 1 and "" or "s", run.opt.seed))
  run:say(memory.line(config, run.opt))
  local warning = model:facts().warning
  if warning ~= "" then run:say("warning: " .. warning) end
  run:say(("run folder %s, logs in %s"):format(run.folder, run.log_folder))
end

---Measures the model on the validation text: bits per byte and what its memory is worth; with `tokens` at full
---length, in all ways.
function M.evaluate(run, model, data, tokens)
  run.progress:busy(("step %d  measuring on the validation text ..."):format(run.step))
  local e = evaluation.measure(model, data.validation(tokens or run.opt.eval_tokens), {
    dtype = run.opt.dtype, memory = true,
    ablations = not tokens and { "shuffled" } or nil,  -- each costs as much as the evaluation itself
  })
  run:evaluated(e)
  run:say(("step %d  "):format(run.step) .. evaluation.line(e))
  return e
end

---Lets the model write a little.
function M.sample(run, model, data)
  local opt = run.opt
  local prompt = opt.prompt ~= "" and opt.prompt or data.default and "Once upon a time there was" or "The "
  local session = rmkv.sample.session(model, data.tokenizer, { temperature = 0.7, top_p = 0.95, seed = opt.seed })
  session:feed(prompt)
  local text = session:generate { tokens = 120, stop = { "<end>" } }
  run.board:text("sample", run.step, prompt .. text)
  run:note("sample", { prompt = prompt, text = text })
  run:say(("step %d  a sample:\n"):format(run.step) .. progress.wrapped(prompt .. text, "    | "))
end

-- Figures at the end of a run: validation in all ways, recall, a sample.
local function measure(run, model, data)
  run:say(evaluation.text(M.evaluate(run, model, data, 4 * run.opt.eval_tokens)))
  if data.default then
    run.progress:busy "asking about facts of stories ..."
    local recall = require "lib.recall"
    local rows = recall.measure(model, data.tokenizer, {})
    run:note("recall", { rows = rows })
    run:say(recall.text(rows))
  end
  M.sample(run, model, data)
end

---The closing words: figures, what memory is worth, where the checkpoint is, what to type next.
---@param next_commands string[][]? what to type next: { recipe, arguments beside --checkpoint } …
function M.finish(run, model, data, next_commands)
  if run.stopped then
    run:say("stopped at step " .. run.step .. "; the same command goes on from the last checkpoint")
    return
  end
  local path = run.was_complete and run.resume_from or run:finish()
  if not run.was_complete then
    if not rmkv.catch_interrupt(measure, run, model, data) then
      run:say "measuring was stopped; the model is trained and saved"
    end
    run:say(("done in %s; checkpoint: %s"):format(progress.duration(rmkv.system.clock() - run.started), path))
  end
  local lines = {}
  next_commands = next_commands or { { "single", ' --prompt "Once upon a time there was"' }, { "chat", "" } }
  for i, command in ipairs(next_commands) do
    lines[i] = place.command(command[1], "--checkpoint " .. place.quoted(path) .. command[2])
  end
  lines[#lines + 1] = place.command("report", place.quoted(run.folder))
  run:say("next:  " .. table.concat(lines, "\n       "))
end

return M
