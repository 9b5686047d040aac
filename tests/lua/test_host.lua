-- The host: errors, scopes, accounting, options, interruption, help.

local check = require "lua.check"
local M = {}

function M.errors_name_function_argument_value_and_line()
  local message = check.raises(function() rmkv.random.stream(-1, "x") end, "rmkv.random.stream", "seed", "-1", "0 ..")
  check.yes(message:find "^tests/lua/test_host.lua:%d+: ", message)
  check.raises(function() rmkv.random.stream() end, "seed", "nothing")
  check.raises(function() rmkv.random.stream(1, 2) end, "purpose", "string")
  check.raises(function() rmkv.random.stream(1, "x", 0, 0, 0) end, "at most 4")
  check.raises(function() rmkv.random.stream(1.5, "x") end, "whole number")
  check.raises(function() return rmkv.tenser end, "did you mean 'tensor'")
end

function M.strict_globals()
  check.raises(function() return undefined_name end, "undefined_name") -- luacheck: ignore
  check.raises(function() accidental = 1 end, "accidental", "local") -- luacheck: ignore
end

-- A C++ exception becomes a Lua error; a Lua error passes through C++ frames and is not swallowed.
function M.errors_pass_through_both_languages()
  check.raises(function() rmkv.json.decode "{" end, "json")
  local reached = false
  check.raises(function()
    rmkv.scope(function() rmkv.catch_interrupt(function() error "from inside" end) end)
    reached = true
  end, "from inside")
  check.yes(not reached)
  local ok, value = pcall(rmkv.scope, function() error { code = 7 } end)
  check.equal({ ok, value.code }, { false, 7 })
end

function M.errors_inside_coroutines()
  local co = coroutine.create(function() rmkv.json.decode "[" end)
  local ok, message = coroutine.resume(co)
  check.yes(not ok and message:find "json")
end

function M.scope_releases_all_but_results()
  local before = rmkv.mem().handles
  local lost
  local kept, list = rmkv.scope(function(n)
    lost = rmkv.tensor.zeros(n)
    return rmkv.tensor.ones(n), { rmkv.tensor.ones(1) }
  end, 3)
  check.equal(kept:totable(), { 1, 1, 1 })
  check.equal(list[1]:item(), 1)
  check.equal(rmkv.mem().handles, before + 2)
  check.raises(function() lost:sum() end, "scope ended", "test_host.lua")
  pcall(rmkv.scope, function() rmkv.tensor.zeros(5); error "x" end)
  check.equal(rmkv.mem().handles, before + 2)
end

function M.nested_scopes()
  local x = rmkv.scope(function()
    return rmkv.scope(function() return rmkv.tensor.ones(2) end)
  end)
  check.equal(x:sum(), 2)
end

function M.bytes_are_counted_once_per_storage()
  local before = rmkv.mem().bytes
  local x = rmkv.tensor.zeros { 1000 }
  local view = x:reshape(10, 100)
  check.equal(rmkv.mem().bytes - before, 4000)
  x:release()
  check.equal(rmkv.mem().bytes - before, 4000)
  view:release()
  check.equal(rmkv.mem().bytes - before, 0)
  check.raises(function() x:sum() end, "released")
end

-- 1,000 steps of garbage leave the number of handles and bytes flat, and no recipe collects.
function M.a_thousand_steps_stay_flat()
  local x = rmkv.tensor.randn { 64, 64 }
  local function step() return (x:matmul(x) * 0.01):tanh():sum() end
  rmkv.scope(step)
  local first = rmkv.mem()
  for _ = 1, 1000 do rmkv.scope(step) end
  local last = rmkv.mem()
  check.equal({ last.handles, last.bytes }, { first.handles, first.bytes })
end

-- Without scopes the byte count itself triggers collections.
function M.garbage_without_scopes_is_bounded()
  for _ = 1, 200 do rmkv.tensor.zeros { 4 * 1024 * 1024 } end -- 16 MiB each, 3.2 GB in all
  check.yes(rmkv.mem().bytes < 700e6, rmkv.inspect(rmkv.mem()))
end

function M.out_of_memory_is_an_error()
  local message = check.raises(function() rmkv.tensor.zeros { 1000000, 1000000 } end, "out of memory")
  check.yes(message:find "live objects")
end

-- Under a limit of 1.6 GB above what the program itself takes: a second gigabyte fits when the first is garbage, which
-- only the collection after a failed allocation finds (the threshold of counted bytes is above it by then).
function M.out_of_memory_collects_and_tries_again()
  local begin = "local function fill(n) local t = {} for i = 1, n do t[i] = rmkv.tensor.ones { 5000, 5000 } end " ..
    "return t end "
  local size = "fill(1) print(io.open('/proc/self/status'):read('*a'):match('VmSize:%s*(%d+)'))"
  local base = tonumber((check.program(("-e %q"):format(begin .. size))))
  local limit = ("ulimit -v %d;"):format(base + 1.6e6)
  local output = check.program(("-e %q"):format(begin .. "fill(10) fill(5) fill(5) print 'enough'"), limit)
  check.equal(output, "enough\n")
  output = check.program(("-e %q"):format(begin .. "local t = fill(10) fill(10)"), limit)
  check.yes(output:find("out of memory", 1, true) and output:find("Tensor 95 MiB made at -e:1", 1, true), output)
  check.yes(output:find("hint: ", 1, true), output)
end

function M.every_name_has_help()
  local count = 0
  local function walk(path, t)
    for name, value in pairs(t) do
      local full = path .. "." .. name
      if type(value) == "function" then
        count = count + 1
        check.yes(rmkv.help_text(full):find(full, 1, true))
      elseif type(value) == "table" and full ~= "rmkv.args" then
        walk(full, value)
      end
    end
  end
  walk("rmkv", rmkv)
  check.yes(count > 100, "only " .. count .. " functions have help")
  check.raises(function() rmkv.help_text "rmkv.tensor.zerox" end, "rmkv.tensor.zeros")
end

function M.editor_definitions_are_current()
  local file = rmkv.system.read_file(rmkv.root .. "/scripts/meta/rmkv.lua")
  local output, status = check.program "--meta"
  check.equal(status, 0)
  check.yes(file == output, "scripts/meta/rmkv.lua is stale: run build/bin/rmkv --meta > scripts/meta/rmkv.lua")
end

function M.json_and_toml()
  local value = { a = { 1, 2.5, "x" }, b = { c = true }, d = rmkv.json.list() }
  check.equal(rmkv.json.encode(value), '{"a":[1,2.5,"x"],"b":{"c":true},"d":[]}')
  check.equal(rmkv.json.decode(rmkv.json.encode(value)).a, { 1, 2.5, "x" })
  check.equal(rmkv.json.encode(rmkv.json.decode "[]"), "[]")
  check.equal(rmkv.json.decode "9007199254740993", "int64:9007199254740993")
  check.equal(rmkv.json.encode { x = rmkv.json.decode "9007199254740993" }, '{"x":9007199254740993}')
  check.equal(rmkv.toml.decode(rmkv.toml.encode { x = 1, t = { y = "z" } }), { x = 1, t = { y = "z" } })
  check.raises(function() rmkv.json.encode { 1, 2, x = 3 } end, "x")
  check.raises(function() rmkv.json.encode { f = print } end, "value.f", "function")
  local cycle = {}
  cycle.self = cycle
  check.raises(function() rmkv.json.encode(cycle) end, "cycles")
end

function M.random_streams()
  local a, b = rmkv.random.stream(7, "x"), rmkv.random.stream(7, "x", 0, 0)
  check.equal(a:uniform(), b:uniform())
  check.equal(a:position(), b:position())
  local mark = a:position()
  local x = a:normal()
  a:seek(mark)
  check.equal(a:normal(), x)
  local seen = {}
  for i = 1, 20 do seen[rmkv.random.permuted(i, 20, 1, "p")] = true end
  check.equal(#seen, 20)
  local order = a:shuffle { 1, 2, 3, 4 }
  table.sort(order)
  check.equal(order, { 1, 2, 3, 4 })
  for _ = 1, 50 do
    local n = a:integer(3, 5)
    check.yes(n >= 3 and n <= 5)
  end
end

function M.inspect_is_sorted_and_safe()
  local t = { b = 1, a = { 2, 3 }, [true] = 0, ["two words"] = "x\n" }
  t.self = t
  check.equal(rmkv.inspect(t), '{ ["two words"] = "x\\n", [true] = 0, a = { 2, 3 }, b = 1, self = {... itself} }')
  check.equal(rmkv.inspect { { { { { 1 } } } } }, "{ { { { {...} } } } }")
end

return M
