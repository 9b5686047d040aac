-- Text of models and strangers as a terminal or a page can show it.

local M = {}

---Control characters as pictures, so that a terminal stays in order; line ends and tabs stay.
---@param text string
---@return string
function M.visible(text)
  return (text:gsub("[%z\1-\8\11-\31\127]", function(c)
    local code = c:byte()
    return code == 127 and "␡" or ("\226\144%c"):format(128 + code)
  end))
end

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

---The same for HTML and SVG.
---@param text string
---@return string
function M.escaped(text) return (M.visible(text):gsub('[&<>"]', escapes)) end

return M
