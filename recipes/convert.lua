-- Convert an RWKV model file to another format or number type.
--
--   rmkv recipes/convert.lua RWKV-x070-World-0.1B.pth model.safetensors
--   rmkv recipes/convert.lua model.pth model-q8.bin --to ggmf --dtype q8_0
--
-- FROM: .pth, safetensors (also sharded, Hugging Face and flash-linear-attention names), rwkv.cpp, GGUF, or an
-- RWKV checkpoint of this program.  Without OUTPUT it only tells what FROM is.

local opt = rmkv.options {
  from = { nil, "model file or folder", positional = 1, required = true },
  output = { nil, "file to write", positional = 2 },
  to = { "", "format to write; empty: by the name of the file (.safetensors, .bin is ggmf)" },
  dtype = { "", "of the matrices: fp32, fp16, bf16, q8_0, q5_1, ..; empty: as they are" },
  shard_mb = { 5000, "safetensors: at most about this many MB a file", min = 1 },
  tensors = { false, "list the tensors" },
  quiet = { false, "no progress" },
}

local function number(n) return (("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")) end

local function say_what(about)
  local types = {}
  for name, count in pairs(about.types) do types[#types + 1] = count .. " " .. name end
  table.sort(types)
  local sizes = {}
  for key, value in pairs(about.config) do
    if key ~= "architecture" and value ~= false then sizes[#sizes + 1] = key .. " " .. tostring(value) end
  end
  table.sort(sizes)
  print(("%s: %s, %s file, names of %s"):format(opt.from, about.config.architecture, about.format, about.names))
  print(("  %s parameters in %d tensors (%s), %.1f MB"):format(
    number(about.parameters), about.tensor_count, table.concat(types, ", "), about.bytes / 1e6))
  print("  " .. table.concat(sizes, ", "))
end

if not opt.output or opt.tensors then
  local about = rmkv.weights.describe(opt.from)
  say_what(about)
  if opt.tensors then
    for _, tensor in ipairs(about.tensors) do
      print(("  %-40s %-5s %s"):format(tensor.name, tensor.type, table.concat(tensor.shape, " x ")))
    end
  end
  if not opt.output then return end
end

local format = opt.to
if format == "" then
  local ending = opt.output:lower():match "%.(%w+)$"
  format = ending == "bin" and "ggmf" or "safetensors"
  if ending == "gguf" or ending == "pth" or ending == "pt" then
    error(("output: got %s, expected a .safetensors or .bin (ggmf) file: .%s files are read, not written"):format(
      opt.output, ending), 0)
  end
end

local shown = 0
local function progress(written, total)
  local percent = math.floor(100 * written / math.max(total, 1))
  if opt.quiet or percent == shown or not rmkv.system.terminal().stderr then return end
  shown = percent
  rmkv.system.write_error(("\r%s  %3d %%"):format(opt.output, percent))
end

local paths, about = rmkv.weights.convert(opt.from, opt.output, {
  format = format, dtype = opt.dtype ~= "" and opt.dtype or nil, shard_bytes = opt.shard_mb * 1e6,
}, progress)
if shown > 0 then rmkv.system.write_error "\r\27[K" end
if not opt.tensors then say_what(about) end
for _, path in ipairs(paths) do
  print(("wrote %s  %.1f MB"):format(path, rmkv.system.file_size(path) / 1e6))
end
