-- Streams data like a training run and writes one line a batch: its step and a number made of all that is in it.
-- Goes on from the cursor file where there is one.  The tool of test_data_resume.sh.

local data_lib = require "lib.data"

local opt = rmkv.options {
  data = { {}, "sources", repeated = true },
  filter = { {}, "filters", repeated = true },
  field = { "", "" }, data_dir = { "", "" },
  cache = { "", "folder for restart points" },
  journal = { "", "folder for journals of watched folders" },
  out = { "", "file of lines", required = true },
  cursor = { "", "file that keeps the place", required = true },
  steps = { 100, "batches in all" },
  save_every = { 5, "batches between two saved cursors" },
  threads = { 1, "that read ahead" },
  packing = { "join", "" }, unit = { "tokens", "" },
  seed = { 3, "" },
  pause = { 0, "seconds to wait after each batch" },
}
local system = rmkv.system

local stream = rmkv.data.stream {
  sources = data_lib.sources(opt.data, opt, opt.journal ~= "" and opt.journal or nil),
  tokenizer = rmkv.tokenizer.bytes(), lanes = 3, segment_tokens = 128, seed = opt.seed, pack_tokens = 300,
  packing = opt.packing, unit = opt.unit, validation_share = 0.05, threads = opt.threads,
}

-- A hash of the numbers of a tensor.
local function number_of(tensor, hash)
  for _, row in ipairs(tensor:totable()) do
    for _, value in ipairs(row) do
      if value == true then value = 1 elseif value == false then value = 0 end
      hash = (hash * 131 + value + 1000) % 9007199254
    end
  end
  return hash
end

local first = 1
if system.exists(opt.cursor) then
  local saved = rmkv.json.read(opt.cursor)
  rmkv.data.require_same(saved.manifest, rmkv.json.decode(rmkv.json.encode(stream:manifest())))
  stream:seek(saved.cursor)
  first = saved.step + 1
end
for step = first, opt.steps do
  -- Shares that move with the step, as a plan's do.
  local weights = {}
  for i = 1, #opt.data do weights[i] = 1 + (i + math.floor(step / 20)) % 3 end
  local batch = stream:next { segments = 1 + step % 3, weights = weights, reset_tokens = step % 2 == 0 and 256 or 0 }
  local hash = number_of(batch:labels(), number_of(batch:tokens(), 7))
  hash = number_of(batch:documents(), number_of(batch:resets(), hash))
  system.append_file(opt.out, ("%d %d %d\n"):format(step, batch.token_count, hash))
  if step % opt.save_every == 0 then
    rmkv.json.write(opt.cursor, { step = step, cursor = stream:cursor(), manifest = stream:manifest() })
  end
  if opt.pause > 0 then system.sleep(opt.pause) end
end
