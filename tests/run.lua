-- Runs the Lua tests: build/bin/rmkv tests/run.lua [FOLDER...]
--
-- A test file is tests/<folder>/test_*.lua and returns a table of functions, one per test case.  A case fails by
-- raising, is skipped by check.skip(reason); names that begin with slow_ run with RMKV_TEST_SLOW=1 only.
-- The last line is `N passed, N failed, N skipped`; exit status 1 when any failed.

local check = require "lua.check"

local here = arg[0]:match "^(.*)/[^/]*$" or "."
local slow = rmkv.system.env "RMKV_TEST_SLOW" == "1"
local passed, failed, skipped = 0, 0, 0

local function wanted(folder)
  if #rmkv.args == 0 then return true end
  for _, name in ipairs(rmkv.args) do
    if name == folder then return true end
  end
  return false
end

local function run_case(name, body)
  local handles = rmkv.mem().handles
  local ok, message = xpcall(function() rmkv.scope(body) end, function(message)
    return type(message) == "string" and debug.traceback(message, 2) or message
  end)
  if ok then
    passed = passed + 1
  elseif check.is_skip(message) then
    skipped = skipped + 1
    print(("SKIPPED: %s (%s)"):format(message.reason, name))
  else
    failed = failed + 1
    print(("FAILED  %s\n%s"):format(name, tostring(message)))
  end
  if ok and rmkv.mem().handles > handles then
    print(("note: %s left %d handles alive"):format(name, rmkv.mem().handles - handles))
  end
end

local function run_file(folder, file)
  local chunk, message = rmkv.load_recipe(("%s/%s/%s"):format(here, folder, file))
  local ok, cases = chunk ~= nil, message
  if ok then ok, cases = pcall(chunk) end
  if not ok then
    failed = failed + 1
    print(("FAILED  %s/%s\n%s"):format(folder, file, tostring(cases)))
    return
  end
  local names = {}
  for name in pairs(cases) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if slow or not name:find "^slow_" then
      run_case(("%s/%s: %s"):format(folder, file, name), cases[name])
    end
  end
end

for _, folder in ipairs(rmkv.system.list(here)) do
  if rmkv.system.is_folder(here .. "/" .. folder) and wanted(folder) then
    for _, file in ipairs(rmkv.system.list(here .. "/" .. folder)) do
      if file:find "^test_.*%.lua$" then run_file(folder, file) end
    end
  end
end
check.remove_folders()
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0 and 0 or 1)
