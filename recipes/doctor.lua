-- Tell what is installed, found and missing, and whether the machine does arithmetic as fast as it should.
--
--   rmkv doctor            a page to read; exit status 1 when something needed is broken
--   rmkv doctor --json     the same facts as one JSON object

local opt = rmkv.options {
  json = { false, "print the facts as one JSON object" },
  speed = { true, "also time a matrix product (about a second)" },
}

-- The loaded library files by short name, from the loader's own map.
local function loaded_libraries()
  local found = {}
  for line in io.lines "/proc/self/maps" do
    local path = line:match "/[^\n]+$" or ""
    local name = path:match "/lib([%w_]+)[%w_.-]*%.so[%d.]*$"
    if name then
      found[name] = found[name] or {}
      found[name][path] = true
    end
  end
  return found
end

local function names_of(set)
  local list = {}
  for name in pairs(set or {}) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function on_path(command)
  for folder in (rmkv.system.env "PATH" or ""):gmatch "[^:]+" do
    if rmkv.system.exists(folder .. "/" .. command) then return folder .. "/" .. command end
  end
end

-- Thousand million operations per second of an n by n product, the best of three.
local function product_speed(dtype)
  local n = 1024
  local a = rmkv.tensor.randn({ n, n }):to(dtype)
  local best = math.huge
  for _ = 1, 3 do
    local started = rmkv.system.clock()
    a:matmul(a)
    best = math.min(best, rmkv.system.clock() - started)
  end
  return 2 * n ^ 3 / best / 1e9
end

local function can_write(folder)
  local probe = folder .. "/.doctor-" .. rmkv.system.pid()
  local ok, message = pcall(rmkv.system.write_file, probe, "x")
  if ok then rmkv.system.remove(probe) end
  return ok, not ok and tostring(message) or nil
end

-- Each finding: what it is about, "ok", "missing" (optional) or "broken" (needed), and what was found.
local health = rmkv.system.health()
local findings = {}
local function find(about, state, text, hint)
  findings[#findings + 1] = { about = about, state = state, text = text, hint = hint }
end

find("program", "ok", ("rmkv %s, %s, in %s"):format(health.version, health.luajit, health.root))
local cpu = health.cpu
find("machine", "ok", ("%s; %d cores, %d threads, %.1f GB of memory"):format(
  health.system, cpu.cores, cpu.threads, cpu.memory_bytes / 1e9))
find("vector units", cpu.avx512 and "ok" or "missing",
     cpu.avx512 and "AVX-512" .. (cpu.bf16_products and " with bf16 products" or "") or "no AVX-512",
     not cpu.bf16_products and "bf16 products are emulated here: train with --dtype fp32" or nil)

local libraries = loaded_libraries()
local torch = names_of(libraries.torch_cpu)[1]
find("LibTorch", torch and "ok" or "broken", ("%s %s"):format(health.torch or "", torch or "not loaded"))
-- Two OpenMP runtimes would mean two thread pools that fight for the cores (pytorch/pytorch issue 98836).
local gomp = names_of(libraries.gomp)
find("OpenMP runtime", #gomp == 1 and "ok" or "broken", table.concat(gomp, ", "),
     #gomp > 1 and "two are loaded: look at LD_PRELOAD and at Lua C modules" or nil)

if health.cuda.available then
  find("GPU", "ok", ("%d, through %s"):format(health.cuda.devices, names_of(libraries.torch_cuda)[1] or "LibTorch"))
else
  find("GPU", "missing", health.cuda.why, health.cuda.hint)
end
if health.cuda.kernels ~= nil then
  local built = health.cuda.kernels
  find("CUDA kernels", built and "ok" or "missing", built and "built" or health.cuda.kernels_why,
       not built and "install the CUDA toolkit and build again; LibTorch's operations serve until then" or nil)
end

local place = require "lib.place"
for _, folder in ipairs { place.checkpoints, place.logs } do
  if rmkv.system.is_folder(folder) then
    local ok, message = can_write(folder)
    find(folder:match "[^/]+$" .. "/", ok and "ok" or "broken", ok and "writable" or message)
  else
    find(folder:match "[^/]+$" .. "/", "missing", folder .. " is not there; runs create it")
  end
end
find("disk", health.disk_free_bytes > 1e9 and "ok" or "broken",
     ("%.1f GB free"):format(health.disk_free_bytes / 1e9), health.disk_free_bytes <= 1e9 and
     "a run needs a few hundred megabytes for its checkpoints" or nil)

-- Arrow is loaded with the first table, so one is written.
local table_path = os.tmpname()
local tables, reason = pcall(rmkv.data.write_parquet, table_path, { text = { "x" } })
os.remove(table_path)
find("parquet", tables and "ok" or "missing", tables and "read through Arrow" or tostring(reason),
     not tables and "scripts/setup --arrow fetches Arrow; other formats need nothing" or nil)

local tools = {
  { "nvcc", "compiles the CUDA kernels" },
  { "clang-format", "scripts/format and scripts/lint" },
  { "clang-tidy", "scripts/lint" },
  { "luacheck", "scripts/lint" },
  { "python3", "comparisons with other programs (scripts/peers)" },
}
for _, tool in ipairs(tools) do
  local path = on_path(tool[1])
  find(tool[1], path and "ok" or "missing", path or "not on the PATH; used by: " .. tool[2])
end

if opt.speed then
  for _, dtype in ipairs { "fp32", "bf16" } do
    find(dtype .. " products", "ok",
         ("%.0f GFLOP/s (1024 x 1024, %d threads)"):format(product_speed(dtype), cpu.threads))
  end
end

local broken = 0
for _, finding in ipairs(findings) do
  if finding.state == "broken" then broken = broken + 1 end
end
if opt.json then
  print(rmkv.json.encode { findings = rmkv.json.list(findings), broken = broken })
else
  for _, finding in ipairs(findings) do
    print(("%-8s %-15s %s"):format(finding.state, finding.about, finding.text))
    if finding.hint then print(("%-24s %s"):format("", "-> " .. finding.hint)) end
  end
  print(broken == 0 and "\nNothing that is needed is broken." or ("\n%d broken."):format(broken))
end
if broken > 0 then os.exit(1) end
