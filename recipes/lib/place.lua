-- Where runs and their logs are, and how to call a recipe from there.
--
-- A clone keeps them in its own folders, from wherever it is called; an installed program, whose folder is not its
-- user's, writes below the working directory.

local M = {}

local clone = rmkv.system.exists(rmkv.root .. "/bindings")
local home = clone and rmkv.root or rmkv.system.absolute "."

M.checkpoints = home .. "/checkpoints"
M.logs = home .. "/logs"

---Finds what a user names: a path as given or from the home of the runs, or the name of a run.
---@param path string
---@return string? found nil when nothing is there
function M.find(path)
  for _, candidate in ipairs { path, home .. "/" .. path, M.checkpoints .. "/" .. path } do
    if rmkv.system.exists(candidate) then return candidate end
  end
end

---The folder of the logs of a run: beside the checkpoints' folder, or inside the run.
---@param folder string absolute
---@return string
function M.log_folder(folder)
  if folder:sub(1, #M.checkpoints + 1) == M.checkpoints .. "/" then return M.logs .. "/" .. folder:match "[^/]+$" end
  return folder .. "/logs"
end

---The command that runs a recipe, for people to type.
---@param name string "single"
---@param arguments string?
---@return string
function M.command(name, arguments)
  local command = (clone and "scripts/rmkv recipes/%s.lua" or "rmkv %s"):format(name)
  return arguments and command .. " " .. arguments or command
end

---A path as a shell takes it.
function M.quoted(path)
  return path:find "[^%w_./~+-]" and "'" .. path:gsub("'", [['\'']]) .. "'" or path
end

return M
