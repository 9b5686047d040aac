-- Loading what --checkpoint names, with the tokenizer that belongs to it.
--
-- A checkpoint of this program brings its tokenizer; a model file of another program needs --tokenizer: the World
-- vocabulary (rwkv_vocab_v20230424.txt) for RWKV from version 5 on, a tokenizer.json for the others.

local place = require "lib.place"

local M = {}

local function found(path)
  return place.find(path) or error(
    ("%s: no such checkpoint or model file\nhint: train a model first (%s), or name one with --checkpoint"):format(
      path, place.command "pretrain"), 0)
end

---Loads a model and says its warning, if it has one, on stderr.
---@param path string checkpoint, run or model file
---@param options {tokenizer: string, device: string, weights: string?} as the recipes' options of these names
---@return table loaded {model, tokenizer, path, facts, format}
function M.load(path, options)
  path = found(path)
  local loaded = rmkv.checkpoint.load_model(path, { device = options.device, weights = options.weights })
  if options.tokenizer == "bytes" then
    -- Models of 256 ids know bytes alone.
    loaded.tokenizer = rmkv.tokenizer.bytes(loaded.model:facts().vocabulary ~= 256)
  elseif options.tokenizer ~= "" then
    loaded.tokenizer = rmkv.tokenizer.load(options.tokenizer)
  elseif not loaded.tokenizer then
    error(path .. ": no tokenizer beside it; name one with --tokenizer FILE (rwkv_vocab_v20230424.txt for World "
          .. "models, a tokenizer.json for others)", 0)
  end
  local size, room = loaded.tokenizer:vocab_size(), loaded.model:facts().vocabulary
  if size > room then
    error(("%s: got a tokenizer of %d entries, expected at most the model's %d"):format(path, size, room), 0)
  end
  local newest = path .. "/latest"
  if rmkv.system.exists(newest) and rmkv.system.absolute(newest) ~= rmkv.system.absolute(loaded.path) then
    rmkv.system.write_error(("warning: %s is damaged (%s); this is %s\n"):format(
      newest, rmkv.checkpoint.damage(newest) or "?", loaded.path))
  end
  local warning = loaded.model:facts().warning
  if warning ~= "" then rmkv.system.write_error("warning: " .. warning .. "\n") end
  return loaded
end

return M
