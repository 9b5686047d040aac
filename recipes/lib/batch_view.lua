-- A batch for the eye: runs of tokens that are treated alike, as terminal text, plain text or a page.
--
-- A token is trained when it is the label of the one before it; weights other than 1 are shown.  Nothing is printed
-- here.

local page_text = require "lib.page_text"

local escaped, visible = page_text.escaped, page_text.visible

local M = {}

local reset_mark = "▸"

---@class Run
---@field text string decoded tokens, undivided
---@field weight number factor on the loss: 0 is read but not predicted
---@field special boolean
---@field document integer

-- Pieces of one row: { {text, weight, special, document, reset} … }.
local function runs_of(batch, lane, tokenizer)
  local width = batch.segments * batch.segment_tokens
  local ids = batch:tokens():select(1, lane):totable()
  local labels = batch:labels():select(1, lane):totable()
  local documents = batch:documents():select(1, lane):totable()
  local resets = batch:resets():select(1, lane):totable()
  local weights = batch:weights()
  weights = weights and weights:select(1, lane):totable()
  local runs, run, open = {}, nil, {}
  local function close()
    if run then
      run.text = tokenizer:decode(open)
      runs[#runs + 1] = run
    end
    run, open = nil, {}
  end
  for i = 1, width do
    if documents[i] >= 0 then
      local reset = (i - 1) % batch.segment_tokens == 0 and resets[(i - 1) / batch.segment_tokens + 1]
      reset = reset == true or reset == 1
      -- The first token of a row is trained, if at all, by the batch before; that of a text by nothing.
      local weight = i == 1 and (reset and 0 or -1) or labels[i - 1] < 0 and 0 or (weights and weights[i - 1] or 1)
      local special = tokenizer:is_special(ids[i])
      if not run or run.weight ~= weight or run.special ~= special or run.document ~= documents[i] or reset then
        close()
        run = { weight = weight, special = special, document = documents[i], reset = reset }
      end
      open[#open + 1] = ids[i]
    end
  end
  close()
  return runs
end

---Rows of a batch.
---@return { source: string, runs: Run[], padding: integer }[]
function M.rows(batch, tokenizer, source_names)
  local rows = {}
  for lane = 1, batch.lanes do
    local source = batch:sources():select(1, lane):totable()[1]
    local runs, width = runs_of(batch, lane, tokenizer), batch.segments * batch.segment_tokens
    local full = batch:documents():select(1, lane):totable()[width] >= 0
    rows[lane] = {
      source = source_names[source + 1] or "no source", runs = runs, goes_on = full and not runs[#runs].special,
    }
  end
  return rows
end

local function label(run)
  if run.weight < 0 then return "" end
  if run.weight == 0 then return "not trained" end
  return run.weight == 1 and "trained" or ("trained x%g"):format(run.weight)
end

---What the marks of M.text mean.
function M.legend(colored)
  local marks = colored and "dim: read, not trained; inverse: special token; yellow: another weight"
    or "⟦…⟧: read, not trained; ⟦xN …⟧: trained with weight N"
  return ("%s; %s: memory is reset; …: goes on in the next batch"):format(marks, reset_mark)
end

local function colored_run(run)
  local code = run.weight == 0 and "2" or (run.weight > 0 and run.weight ~= 1) and "33" or "0"
  if run.special then code = code .. ";7" end
  local reset = run.reset and ("\27[36m%s\27[0m"):format(reset_mark) or ""
  return ("%s\27[%sm%s\27[0m"):format(reset, code, visible(run.text))
end

-- Neighbours of equal weight that no reset divides share their brackets.
local function plain_row(runs)
  local parts, open = {}, nil
  for _, run in ipairs(runs) do
    local bracket = run.weight == 0 and "⟦" or nil
    if run.weight > 0 and run.weight ~= 1 then bracket = ("⟦x%g "):format(run.weight) end
    local goes_on = bracket == open and not run.reset
    if open and not goes_on then parts[#parts + 1] = "⟧" end
    if run.reset then parts[#parts + 1] = reset_mark end
    if bracket and not goes_on then parts[#parts + 1] = bracket end
    parts[#parts + 1] = visible(run.text)
    open = bracket
  end
  return table.concat(parts) .. (open and "⟧" or "")
end

---Terminal text.  With colours: dim is read but not trained, inverse is a special token, yellow has another weight.
---Without: the same in brackets, ⟦…⟧ around what is not trained.
function M.text(rows, options)
  local lines = {}
  for number, row in ipairs(rows) do
    lines[#lines + 1] = ("-- row %d, %s"):format(number, row.source)
    local text
    if options.colored then
      local parts = {}
      for i, run in ipairs(row.runs) do parts[i] = colored_run(run) end
      text = table.concat(parts)
    else
      text = plain_row(row.runs)
    end
    lines[#lines + 1] = text .. (row.goes_on and "…" or "")
  end
  return table.concat(lines, "\n")
end

local style = [[
body { font: 15px/1.5 Georgia, serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; border-left: 3px solid #8ab; padding-left: 1em; }
.prompt { color: #999; } .special { background: #def; border-radius: 3px; font-size: 85%; }
.weighted { background: #fe9; } .reset { color: #08a; font-weight: bold; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } .special { background: #246; }
  .weighted { background: #650; } .prompt { color: #777; } }]]

---The same as a page that needs nothing else.
function M.html(rows, title)
  local parts = {
    "<!doctype html><html lang=en><meta charset=utf-8><title>", escaped(title), "</title><style>", style,
    "</style><h1>", escaped(title), "</h1><p>Grey is read but not trained, marked is a special token, ",
    "<span class=reset>", reset_mark, "</span> resets the memory.</p>",
  }
  for number, row in ipairs(rows) do
    parts[#parts + 1] = ("<h2>Row %d, %s</h2><pre>"):format(number, escaped(row.source))
    for _, run in ipairs(row.runs) do
      local class = run.special and "special" or run.weight == 0 and "prompt" or
        (run.weight > 0 and run.weight ~= 1) and "weighted" or "plain"
      if run.reset then parts[#parts + 1] = "<span class=reset>" .. reset_mark .. "</span>" end
      parts[#parts + 1] = ('<span class=%s title="%s">%s</span>'):format(class, label(run), escaped(run.text))
    end
    parts[#parts + 1] = "</pre>"
  end
  return table.concat(parts) .. "</html>\n"
end

return M
