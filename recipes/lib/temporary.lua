-- Names in the system's temporary folder.

local M = {}

---A name for a file or folder that is not there yet.
---@param ending string?
---@return string
function M.name(ending)
  local name = os.tmpname()
  os.remove(name)
  return name .. (ending or "")
end

return M
