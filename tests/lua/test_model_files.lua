-- Model files through the commands: convert, logits in every mode, states in files.

local check = require "lua.check"
local M = {}

local VOCABULARY = 20

-- A small model of each version as a model file.
local function model_file(architecture)
  local config = { architecture = architecture, vocabulary = VOCABULARY, channels = 32, layers = 2 }
  if architecture ~= "rwkv4" then config.head_size = 16 end
  local model = rmkv.model.create(config, { seed = 3 })
  local path = check.folder() .. "/" .. architecture .. ".safetensors"
  model:save(path)
  return path, model
end

local function run(recipe, arguments)
  local output, status = check.program("recipes/" .. recipe .. ".lua " .. arguments)
  return output, status
end

local function rows(arguments)
  local output, status = run("logits", arguments .. " --threads 1 --json")
  check.equal(status, 0)
  return rmkv.json.decode(output)
end

local function largest_difference(a, b)
  check.equal(#a, #b)
  local worst = 0
  for i, row in ipairs(a) do
    for j, x in ipairs(row) do worst = math.max(worst, math.abs(x - b[i][j])) end
  end
  return worst
end

function M.every_version_converts_and_computes_the_same()
  for _, architecture in ipairs { "rwkv4", "rwkv5", "rwkv6", "rwkv7" } do
    local path = model_file(architecture)
    local ids = " --ids '3,1 4 1 5 9 2 6' --all"
    local expected = rows("--checkpoint " .. path .. ids).logits
    check.equal(#expected, 8)
    local converted = path:gsub("safetensors$", "bin")
    local output, status = run("convert", path .. " " .. converted)
    check.equal(status, 0)
    check.yes(output:find(architecture, 1, true) and output:find("wrote " .. converted, 1, true), output)
    -- rwkv.cpp has another group norm epsilon for version 5.
    local bound = architecture == "rwkv5" and 0.1 or 2e-5
    check.yes(largest_difference(rows("--checkpoint " .. converted .. ids).logits, expected) <= bound)
    for _, mode in ipairs { "recurrent", "chunks=3" } do
      local found = rows("--checkpoint " .. path .. ids .. " --mode " .. mode).logits
      check.yes(largest_difference(found, expected) <= 2e-5, architecture .. " " .. mode)
    end
    local packed = rows("--checkpoint " .. path .. ids .. " --weights stored").logits
    check.yes(largest_difference(packed, expected) <= 2e-5, architecture .. " packed")
  end
end

function M.a_saved_state_goes_on_with_the_same_bits()
  local path = model_file "rwkv7"
  local folder = check.folder()
  local logits = "--checkpoint " .. path .. " --deterministic --threads 1"
  local function out(arguments, name)
    check.equal(select(2, run("logits", logits .. " " .. arguments .. " --out " .. folder .. "/" .. name)), 0)
    return rmkv.system.read_file(folder .. "/" .. name)
  end
  local whole = out("--ids '7 8 9 10'", "whole.f32")
  check.equal(#whole, 4 * VOCABULARY)
  out("--ids '7 8' --state-out " .. folder .. "/s.safetensors", "first.f32")
  rmkv.system.write_file(folder .. "/ids.txt", "9,\n10\n")
  local rest = out("--ids-file " .. folder .. "/ids.txt --state_in " .. folder .. "/s.safetensors", "rest.f32")
  check.yes(rest == whole)
  -- In rwkv.cpp's layout: raw floats, 66 per channel and layer at heads of 64, nothing else.
  local model = rmkv.model.load(path)
  local channels, layers = model:facts().channels, model:facts().layers
  out("--ids '7 8' --state-out " .. folder .. "/s.f32", "first.f32")
  check.equal(rmkv.system.file_size(folder .. "/s.f32"), 4 * layers * channels * (2 + model:config().head_size))
  check.yes(out("--ids '9 10' --state-in " .. folder .. "/s.f32", "rest.f32") == whole)
  rmkv.system.write_file(folder .. "/short.f32", "abcd")
  local said, status = run("logits", logits .. " --ids 9 --state-in " .. folder .. "/short.f32")
  check.equal(status, 1)
  check.yes(said:find("set_rwkv_flat_state", 1, true), said)
end

function M.a_saved_model_of_this_program_is_a_model_file()
  local model = rmkv.model.create({ architecture = "rmkv", vocabulary = 9, channels = 16, layers = 1, heads = 2,
                                    slots = 2, segment_tokens = 4 }, { seed = 2 })
  local path = check.folder() .. "/m.safetensors"
  model:save(path)
  local again, about = rmkv.model.load(path)
  check.equal(again:fingerprint(), model:fingerprint())
  check.equal(about.format, "safetensors")
end

function M.greedy_tokens_are_those_of_a_session()
  local path, model = model_file "rwkv6"
  local session = rmkv.sample.session(model, nil, { temperature = 0 })
  session:feed { 5, 6 }
  local expected = {}
  for i = 1, 6 do
    local best = session:logits():argmax() - 1
    expected[i] = best
    session:feed { best }
  end
  check.equal(rows("--checkpoint " .. path .. " --ids '5 6' --greedy 6").greedy, expected)
end

function M.mistakes_are_named()
  local path = model_file "rwkv4"
  local function refused(recipe, arguments, text)
    local output, status = run(recipe, arguments)
    check.yes(status == 1 and output:find(text, 1, true), output)
  end
  refused("logits", "--checkpoint " .. path .. " --ids '1 99'", 'got "99"')
  refused("logits", "--checkpoint " .. path, "give token ids")
  refused("logits", "--checkpoint " .. path .. " --ids 1 --mode serial", "chunks=N")
  refused("logits", "--checkpoint " .. path .. " --ids 1 --weights q9", "q8_0")
  refused("convert", path .. " " .. path .. ".x --to onnx", "safetensors")
  refused("convert", check.folder() .. "/none.pth", "no such model file")
  rmkv.system.write_file(path .. ".bad", "junk")
  refused("logits", "--checkpoint " .. path .. ".bad --ids 1", "another kind of file")
  refused("single", "--checkpoint " .. path .. " --prompt x", "--tokenizer")
end

return M
