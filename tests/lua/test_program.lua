-- The program from outside: command line, exit statuses, options, tracebacks, signals.

local check = require "lua.check"
local M = {}

local function script(text)
  local path = check.folder() .. "/recipe.lua"
  rmkv.system.write_file(path, text)
  return path
end

function M.code_and_statuses()
  check.equal({ check.program "-e 'print(1 + 1)'" }, { "2\n", 0 })
  local output, status = check.program "-e 'error(\"boom\")'"
  check.equal({ output, status }, { "rmkv: -e:1: boom\n", 1 })
  check.equal(select(2, check.program "-e 'syntax error here'"), 1)
  check.equal(select(2, check.program "-e 'os.exit(3)'"), 3)
  check.equal({ check.program("- one two", "echo 'print(rmkv.args[2])' |") }, { "two\n", 0 })
  output, status = check.program "--versin"
  check.yes(status == 1 and output:find("--version", 1, true), output)
  output, status = check.program "pretran"
  check.yes(status == 1 and output:find("did you mean 'pretrain'", 1, true), output)
end

function M.errors_show_recipe_lines_only()
  local path = script "local function inner() rmkv.json.decode '{' end\nlocal function outer() inner() end\n\nouter()\n"
  local output, status = check.program(path)
  check.equal(status, 1)
  for _, line in ipairs { 1, 2, 4 } do check.yes(output:find("recipe.lua:" .. line, 1, true), output) end
  check.yes(not output:find "%[C%]" and not output:find "lua_State", output)
end

-- What error(text, 0) and the command line say is for who typed it: no lines of the recipe.
function M.mistakes_of_the_user_come_without_lines()
  local output, status = check.program(script "local function f() error('--data x: no such file', 0) end\nf()\n")
  check.equal({ output, status }, { "rmkv: --data x: no such file\n", 1 })
  output, status = check.program(script "local opt = rmkv.options { data = { '', '' } }" .. " --dato y")
  check.equal({ output, status },
              { "rmkv: --dato: no such option; did you mean --data?\nhint: --help lists the options\n", 1 })
  -- Slips of the recipe keep theirs: assert, a missing field, a message with its place.
  for _, text in ipairs { "assert(false, 'no')", "local t = nil; t.x = 1", "error('no')", "rmkv.json.decode('{')" } do
    output = check.program(script("local function f() " .. text .. " end\n\nf()\n"))
    check.yes(output:find("recipe.lua:3 in main chunk", 1, true), output)
  end
end

local options = [[
-- Tries options.
local opt = rmkv.options {
  lr = { 1e-3, "learning rate", min = 0 }, data = { { "storyworld" }, "sources" }, fast = { true, "go fast" },
  save_every = { 10, "steps", type = "integer" }, model = { {}, "configuration" }, name = { nil, "a name" },
  preset = { "tiny", "size", choices = { "tiny", "small" } }, keep = { 0.9995, "" }, after = { "\n<start>", "" },
  first = { nil, "a word", positional = 1 },
}
print(rmkv.json.encode(opt))
]]

local function parsed(words)
  local output, status = check.program(script(options) .. " " .. words)
  return status == 0 and rmkv.json.decode(output) or output, status
end

function M.options_are_read()
  check.equal(parsed "",
              { lr = 0.001, data = { "storyworld" }, fast = true, save_every = 10, model = {}, preset = "tiny",
                keep = 0.9995, after = "\n<start>" })
  local opt = parsed("word --lr=30k --data a --data b --no-fast --save-every 1_000 " ..
                     "--set model.deep.x=2 --set preset=small")
  check.equal(opt, { lr = 30000, data = { "a", "b" }, fast = false, save_every = 1000, model = { deep = { x = 2 } },
                     preset = "small", first = "word", keep = 0.9995, after = "\n<start>" })
  check.equal(parsed "--lr 12e6 --name -3".name, "-3")
  check.equal(parsed "--save_every 4M".save_every, 4e6)
end

function M.options_from_a_file()
  local file = check.folder() .. "/c.toml"
  rmkv.system.write_file(file, 'lr = 2\ndata = ["x"]\n[model]\nchannels = 8\n')
  local opt = parsed("--data y --config " .. file .. " --set model.layers=2")
  check.equal({ opt.lr, opt.data, opt.model }, { 2, { "y" }, { channels = 8, layers = 2 } })
  rmkv.system.write_file(file, "learning = 2\n")
  check.yes(parsed("--config " .. file):find("unknown option 'learning'", 1, true))
  rmkv.system.write_file(file, "lr = \n")
  check.yes(parsed("--config " .. file):find(file, 1, true))
end

function M.bad_options_are_refused()
  local function refused(words, ...)
    local output, status = parsed(words)
    check.equal(status, 1)
    for _, piece in ipairs { ... } do check.yes(output:find(piece, 1, true), output) end
  end
  refused("--lrr 3", "did you mean --lr?")
  refused("--lr abc", "--lr", "'abc'", "a number")
  refused("--lr -1", "--lr", "-1")
  refused("--lr", "--lr", "nothing")
  refused("--preset huge", "tiny, small")
  refused("--save_every 1.5", "whole")
  refused("a b", "'b'")
  refused("--set lr.x=1", "lr")
end

function M.help_prints_options()
  local output, status = check.program(script(options) .. " --help")
  check.equal(status, 0)
  local pieces = {
    "Tries options.", "--save-every N", "default 0.001", "one of tiny, small", "--config FILE", "default 0.9995",
    [[default \n<start>]],
  }
  for _, piece in ipairs(pieces) do
    check.yes(output:find(piece, 1, true), output)
  end
end

function M.help_without_a_subject_is_an_overview()
  local output, status = check.program "-e 'help()'"
  check.equal(status, 0)
  check.yes(output:find("rmkv.tensor", 1, true) and output:find("count from 1", 1, true), output)
end

function M.the_options_table_is_closed()
  local output = check.program(script("local opt = rmkv.options { lr = { 1, '' } }\nprint(opt.name)"))
  check.yes(output:find("unknown option 'name'", 1, true), output)
  output = check.program(script("local opt = rmkv.options { lr = { 1, '' } }\nopt.x = 1"))
  check.yes(output:find("unknown option 'x'", 1, true), output)
end

-- Sends a signal to a recipe once it runs; returns its output and status.
local function signalled(text, signal, again)
  local folder = check.folder()
  local ready, out = folder .. "/ready", folder .. "/out"
  local path = script(("rmkv.system.write_file(%q, '') "):format(ready) .. text)
  local once = ("sleep 0.3; kill -%s $!; "):format(signal)
  local kill = again and once .. once or once
  -- A shell's background child ignores SIGINT unless it has job control (set -m).
  local line = "set -m; /proc/%d/exe %s >%s 2>&1 & " ..
    "until [ -e %s ]; do sleep 0.05; done; %s wait $!; echo status $? >>%s"
  os.execute("bash -c '" .. line:format(rmkv.system.pid(), path, out, ready, kill, out) .. "' 2>/dev/null")
  local output = rmkv.system.read_file(out)
  return output, tonumber(output:match "status (%d+)%s*$")
end

function M.interrupt_ends_a_busy_loop()
  local output, status = signalled("while true do end", "INT")
  check.equal(status, 130)
  check.yes(output:find "interrupted", output)
end

function M.interrupt_passes_pcall()
  local output, status = signalled("print(pcall(function() while true do end end)) print 'went on'", "INT")
  check.equal(status, 130)
  check.yes(not output:find "went on", output)
end

function M.interrupt_ends_a_bound_call()
  local _, status = signalled("rmkv.system.sleep(20)", "INT")
  check.equal(status, 130)
end

function M.interrupt_can_be_caught()
  local output, status = signalled("print(rmkv.catch_interrupt(function() while true do end end)) print 'kept'", "INT")
  check.equal(status, 0)
  check.yes(output:find "false" and output:find "kept", output)
end

function M.deferred_interrupt_is_only_a_flag()
  local output, status = signalled([[
    rmkv.defer_interrupts(true)
    while not rmkv.stop_requested() do rmkv.system.sleep(0.01) end
    print(rmkv.stop_requested())]], "INT")
  check.equal(status, 0)
  check.yes(output:find "interrupt", output)
end

function M.second_interrupt_quits()
  local _, status = signalled("rmkv.defer_interrupts(true) while true do end", "INT", true)
  check.equal(status, 130)
end

function M.terminate_is_seen_by_the_recipe()
  local output, status = signalled([[
    while not rmkv.stop_requested() do rmkv.system.sleep(0.01) end
    print("saved after " .. rmkv.stop_requested())]], "TERM")
  check.equal(status, 0)
  check.yes(output:find "saved after terminate", output)
  local _, unasked = signalled("while true do end", "TERM")
  check.equal(unasked, 143)
end

function M.modules_are_found_from_any_folder()
  local output, status = check.program("-e 'print(type(require \"lib.schedule\"))'", "cd / &&")
  check.equal({ output, status }, { "table\n", 0 })
end

return M
