-- From `--data` arguments to sources, a tokenizer and token streams.
--
-- A data argument is NAME or PATH, with an optional *WEIGHT (5, 1, 0.5 …): `storyworld`, `notes.txt`, `books/`,
-- `facts.jsonl*2`, `my_source.lua*0.5`.  Weights are shares of tokens.

local M = {}

-- "books*2" -> "books", 2
local function split_weight(argument)
  local path, weight = argument:match("^(.*)%*([%d.eE+-]+)$")
  if not path then return argument, 1 end
  local number = tonumber(weight)
  if not number or number <= 0 then
    error(("--data %s: the weight after * must be a positive number"):format(argument), 0)
  end
  return path, number
end

---One source from a data argument.
---@param argument string
---@param opt {data_dir: string?, seed: integer, field: string?}
---@return {source: userdata, weight: number}
function M.source(argument, opt)
  local path, weight = split_weight(argument)
  local system = rmkv.system
  local source
  if not path:find "[/.]" and system.exists(("%s/recipes/sources/%s.lua"):format(rmkv.root, path)) then
    source = rmkv.data.lua(path, { seed = opt.seed })
  else
    if opt.data_dir and opt.data_dir ~= "" and path:sub(1, 1) ~= "/" then path = opt.data_dir .. "/" .. path end
    if not system.exists(path) then
      error(("--data %s: no such file or folder, and no built-in source of that name (built in: %s)"):format(
        path, table.concat(M.built_in_names(), ", ")), 0)
    end
    if path:match "%.lua$" then source = rmkv.data.lua(path, { seed = opt.seed })
    elseif path:match "%.jsonl$" or path:match "%.ndjson$" then
      source = rmkv.data.open(path, opt.field and opt.field ~= "" and { text = "{" .. opt.field .. "}" } or nil)
    else source = rmkv.data.open(path) end
  end
  return { source = source, weight = weight }
end

---Names of the sources that come with the program.
---@return string[]
function M.built_in_names()
  local names = {}
  for _, file in ipairs(rmkv.system.list(rmkv.root .. "/recipes/sources")) do
    names[#names + 1] = file:match "^(.*)%.lua$"
  end
  return names
end

---All sources of a list of data arguments.
---@param arguments string[]
---@param opt table
---@return table[]
function M.sources(arguments, opt)
  local list = {}
  for _, argument in ipairs(arguments) do list[#list + 1] = M.source(argument, opt) end
  return list
end

-- Each source gives the trainer this many bytes at most, in proportion to its weight.
local trainer_bytes = 30e6

---A tokenizer trained on the first documents of the sources, by weight.
---@param sources table[]
---@param opt {vocabulary: integer, threads: integer}
---@param say fun(text: string)
---@return userdata
function M.train_tokenizer(sources, opt, say)
  local total = 0
  for _, entry in ipairs(sources) do total = total + entry.weight end
  local started = rmkv.system.clock()
  local trainer = rmkv.tokenizer.trainer { vocab_size = opt.vocabulary, threads = math.max(1, opt.threads) }
  for _, entry in ipairs(sources) do
    -- Generated sources are endless; a few megabytes show every word they have.
    local limit = entry.source:count() and trainer_bytes or 4e6
    trainer:add_source(entry.source, limit * entry.weight / total)
  end
  local tokenizer = trainer:train()
  say(("tokenizer: trained %d entries in %.1f s"):format(tokenizer:vocab_size(), rmkv.system.clock() - started))
  return tokenizer
end

return M
