-- From `--data` arguments to sources, a tokenizer and token streams.
--
-- A data argument, with an optional *WEIGHT behind (5, 1, 0.5 …: shares of tokens), is one of
--   storyworld                     a source of recipes/sources
--   my_source.lua                  a Lua source
--   notes.txt  books/  rows.jsonl.gz  table.csv  shards/ (of .parquet)  tokens.bin  ids.npy    files and folders
--   hub:owner/name[@rev][:config/split]   a data set of the hub, from its local cache or over the network
--   gsm8k  gsm8k:FILE              a known data set (lib/presets.lua), from the hub or from a file
--   watch:FOLDER                   a folder; files that come into it are read before any other again
--
-- `--filter` drops documents of all but Lua sources: gopher, gopher_quality, gopher_repetition, c4, fineweb, dedup,
-- length=MIN:MAX[:tokens]; thresholds behind colons: gopher:min_words=20:max_words=5000.

local presets = require "lib.presets"

local M = {}

-- "books*2" -> "books", 2
local function split_weight(argument)
  local path, weight = argument:match "^(.*)%*([^*/]*)$"
  -- A file may have a star in its name.
  if not path or rmkv.system.exists(argument) then return argument, 1 end
  local number = tonumber(weight)
  if not number or number <= 0 or number == math.huge then
    error(("--data %s: got '%s' behind the *, expected a weight above 0"):format(argument, weight), 0)
  end
  return path, number
end

-- An option that not every recipe has; tables of options refuse names they do not know.
local function given(opt, name)
  local value = rawget(opt, name)
  return value ~= "" and value or nil
end

local function copy(options)
  local result = {}
  for key, value in pairs(options) do result[key] = value end
  return result
end

-- Options for rows that somebody named a field of.
local function row_options(path, opt)
  local field = given(opt, "field")
  if not field then return {} end
  for _, ending in ipairs { "%.jsonl", "%.ndjson", "%.csv", "%.tsv", "%.parquet" } do
    if path:find(ending) then return { text = "{" .. field .. "}" } end
  end
  return {}
end

-- Filters of the source itself come before those of the command line.
local function add_common(options, opt)
  options.cache = given(opt, "cache")
  local filters = {}
  for _, list in ipairs { options.filters or {}, M.filters(given(opt, "filter")) } do
    for _, filter in ipairs(list) do filters[#filters + 1] = filter end
  end
  options.filters = #filters > 0 and filters or nil
  return options
end

-- "200:20000:tokens" -> { name = "length", min = 200, max = 20000, unit = "tokens" }
local function length_filter(text)
  local low, high, unit = text:match "^(%d*):?(%d*):?(%a*)$"
  if not low or low .. high == "" then
    error("--filter length=" .. text .. ": expected MIN:MAX or MIN:MAX:tokens", 0)
  end
  return { name = "length", min = tonumber(low), max = tonumber(high), unit = unit ~= "" and unit or nil }
end

---Filters from the words of `--filter`.
---@param words string[] each a list of filters with commas between
---@return (string|table)[]
function M.filters(words)
  local filters = {}
  for _, word in ipairs(words or {}) do
    for text in word:gmatch "[^,]+" do
      local name, rest = text:match "^([%w_]+)(.*)$"
      if not name then error("--filter " .. text .. ": expected a name", 0) end
      local filter = { name = name }
      if name == "length" and rest:sub(1, 1) == "=" then
        filter = length_filter(rest:sub(2))
      else
        for part in rest:gmatch "[^:]+" do
          local key, value = part:match "^([%w_]+)=(.*)$"
          if not key then error("--filter " .. text .. ": expected NAME:KEY=VALUE", 0) end
          if value == "true" or value == "false" then filter[key] = value == "true"
          else filter[key] = tonumber(value) or value end
        end
      end
      filters[#filters + 1] = filter
    end
  end
  return filters
end

---Sets the weights of sources by their sizes: weight * bytes^(1 / temperature).  1 is in proportion to size, more is
---nearer to equal shares ("Exploring the Limits of Transfer Learning", section 3.5.2).
---@param sources {source: userdata, weight: number}[]
---@param temperature number
function M.apply_temperature(sources, temperature)
  for _, entry in ipairs(sources) do
    local bytes = 0
    local manifest = entry.source:manifest()
    for _, file in ipairs(manifest.kind ~= "lua" and manifest.files or {}) do bytes = bytes + file.size end
    if bytes == 0 then
      error(("--mix_temperature: %s has no size; it needs sources made of files"):format(entry.source:name()), 0)
    end
    entry.weight = entry.weight * bytes ^ (1 / temperature)
  end
end

-- What cannot be opened is a mistake in the arguments: one line, without a trace of this program.
local function open(argument, path, options)
  local ok, source = pcall(rmkv.data.open, path, options)
  if ok then return source end
  if tostring(source):find "interrupted$" then error(source, 0) end
  local text = tostring(source):gsub("^[^ ]*recipes/lib/data.lua:%d+: ", ""):gsub("^rmkv%.data%.open: ", "")
  if text:find "^data " then error("--" .. text, 0) end
  local option = text:find "^filter" and "--filter: " or ("--data %s: "):format(argument)
  error(option .. text:gsub("^filter%.name: ", ""), 0)
end

-- A preset and the path behind its name; nil when the argument names none.
local function preset_of(path)
  local name, rest = path:match "^([%w_-]+):(.+)$"
  if name and presets[name] then return presets[name], rest end
  if presets[path] then return presets[path], presets[path].path end
end

local function resolved(path, opt)
  if path:sub(1, 4) == "hub:" then return path end
  local folder = given(opt, "data_dir")
  if folder and path:sub(1, 1) ~= "/" then path = folder .. "/" .. path end
  if not rmkv.system.exists(path) then
    error(("--data %s: no such file or folder, and no source of that name (built in: %s; known data sets: %s)")
      :format(path, table.concat(M.built_in_names(), ", "), table.concat(M.preset_names(), ", ")), 0)
  end
  return path
end

-- A folder into which files may come; the run's folder keeps the journal of what joined.
local function watched(path, opt, run_folder)
  local options = add_common(row_options(path, opt), opt)
  options.watch = true
  if run_folder then
    options.journal = ("%s/watched_%s.jsonl"):format(run_folder, path:gsub("/+$", ""):match "[^/]+$")
  end
  return open("watch:" .. path, path, options)
end

---One source from a data argument.
---@param argument string
---@param opt {data_dir: string?, seed: integer, field: string?, cache: string?, filter: string[]?}
---@param run_folder string? where journals of watched folders are kept
---@return {source: userdata, weight: number}
function M.source(argument, opt, run_folder)
  local path, weight = split_weight(argument)
  local system = rmkv.system
  local folder_watched = path:match "^watch:(.+)$"
  if folder_watched then
    return { source = watched(resolved(folder_watched, opt), opt, run_folder), weight = weight }
  end
  if not path:find "[/.:]" and system.exists(("%s/recipes/sources/%s.lua"):format(rmkv.root, path)) then
    return { source = rmkv.data.lua(path, { seed = opt.seed }), weight = weight }
  end
  -- A file of that name comes first.
  local folder = given(opt, "data_dir") and opt.data_dir .. "/" or ""
  local preset, below
  if not (system.exists(folder .. path) or system.exists(path)) then preset, below = preset_of(path) end
  if preset then
    if not below then error(("--data %s: name the file, as in %s:FILE"):format(argument, path), 0) end
    local options = add_common(copy(preset.options), opt)
    return { source = open(argument, resolved(below, opt), options), weight = weight }
  end
  path = resolved(path, opt)
  if path:match "%.lua$" then return { source = rmkv.data.lua(path, { seed = opt.seed }), weight = weight } end
  return { source = open(argument, path, add_common(row_options(path, opt), opt)), weight = weight }
end

---Names of the known data sets.
---@return string[]
function M.preset_names()
  local names = {}
  for name in pairs(presets) do names[#names + 1] = name end
  table.sort(names)
  return names
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
---@param run_folder string?
---@return table[]
function M.sources(arguments, opt, run_folder)
  local list = {}
  for _, argument in ipairs(arguments) do list[#list + 1] = M.source(argument, opt, run_folder) end
  local temperature = given(opt, "mix_temperature")
  if temperature and temperature > 0 then M.apply_temperature(list, temperature) end
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
    local limit = entry.source:manifest().kind == "lua" and 4e6 or trainer_bytes
    trainer:add_source(entry.source, limit * entry.weight / total)
  end
  local tokenizer = trainer:train()
  say(("tokenizer: trained %d entries in %.1f s"):format(tokenizer:vocab_size(), rmkv.system.clock() - started))
  return tokenizer
end

return M
