-- Tensor operations against values worked out by hand.

local check = require "lua.check"
local T = rmkv.tensor
local M = {}

local function m() return T.from { { 1, 2, 3 }, { 4, 5, 6 } } end

function M.creation()
  check.equal(T.zeros({ 2, 2 }):totable(), { { 0, 0 }, { 0, 0 } })
  check.equal(T.ones(2):totable(), { 1, 1 })
  check.equal(T.full({ 2 }, 7):totable(), { 7, 7 })
  check.equal(T.arange(1, 4):totable(), { 1, 2, 3, 4 })
  check.equal(T.arange(4, 1, -1.5):totable(), { 4, 2.5, 1 })
  check.close(T.linspace(0, 1, 5), { 0, 0.25, 0.5, 0.75, 1 })
  check.equal(T.eye(2):totable(), { { 1, 0 }, { 0, 1 } })
  check.equal(T.from(true):dtype(), "bool")
  check.equal(T.from(3):item(), 3)
  check.raises(function() T.from { { 1, 2 }, { 3 } } end, "1 items", "2 items")
  check.raises(function() T.zeros { -1 } end, "rmkv.tensor.zeros", "shape", "-1")
  check.raises(function() T.zeros({ 2 }, { dtyp = "fp32" }) end, "did you mean 'dtype'")
  check.raises(function() T.zeros({ 2 }, { dtype = "fp31" }) end, "fp32")
end

function M.facts()
  local x = T.zeros({ 2, 3 }, { dtype = "bf16" })
  check.equal(x:shape(), { 2, 3 })
  check.equal({ x:size(1), x:size(-1), x:rank(), x:count(), x:bytes(), #x }, { 2, 3, 2, 6, 12, 2 })
  check.equal({ x:dtype(), x:device() }, { "bf16", "cpu" })
  check.raises(function() x:size(3) end, "dim", "3", "1 .. 2")
  check.raises(function() x:size(0) end, "0")
  check.raises(function() x:item() end, "one element")
  check.raises(function() x:shap() end, "did you mean 'shape'")
  check.raises(function() x.shape() end, "colon")
end

function M.views_and_positions()
  local x = m()
  check.equal(x:at(1, 2), 2)
  check.equal(x:at(-1, -1), 6)
  check.equal(x:at(2):totable(), { 4, 5, 6 })
  check.equal(x:select(2, 3):totable(), { 3, 6 })
  check.equal(x:narrow(2, 2, 2):totable(), { { 2, 3 }, { 5, 6 } })
  check.equal(x:index_select(2, { 3, 1 }):totable(), { { 3, 1 }, { 6, 4 } })
  check.equal(x:index_select(2, { -1 }):totable(), { { 3 }, { 6 } })
  check.equal(x:transpose():totable(), { { 1, 4 }, { 2, 5 }, { 3, 6 } })
  check.equal(x:permute { 2, 1 }:shape(), { 3, 2 })
  check.equal(x:reshape(3, 2):totable(), { { 1, 2 }, { 3, 4 }, { 5, 6 } })
  check.equal(x:reshape({ -1 }):count(), 6)
  check.equal(x:unsqueeze(1):shape(), { 1, 2, 3 })
  check.equal(x:unsqueeze(-1):squeeze():shape(), { 2, 3 })
  check.equal(x:flip(2):totable(), { { 3, 2, 1 }, { 6, 5, 4 } })
  check.equal(x:roll(1, 2):totable(), { { 3, 1, 2 }, { 6, 4, 5 } })
  check.equal(x:gather(2, T.from({ { 1, 3 }, { 2, 2 } }, { dtype = "int64" })):totable(), { { 1, 3 }, { 5, 5 } })
  check.equal(x:split(2, 2)[2]:totable(), { { 3 }, { 6 } })
  check.equal(T.from { 1, 2 }:repeats { 2 }:totable(), { 1, 2, 1, 2 })
  check.equal(x:rows({ 1, 0 }):totable(), { { 4, 5, 6 }, { 1, 2, 3 } })
  check.raises(function() x:rows { 2 } end, "0 .. 1")
  check.raises(function() x:at(3, 1) end, "position 1 .. 2")
  check.raises(function() x:narrow(2, 2, 3) end, "count")
  check.raises(function() x:index_select(2, { 0 }) end, "positions")
end

function M.writing_goes_through_views()
  local x = m()
  x:put(9, 1, 1)
  x:select(1, 2):fill(0)
  check.equal(x:totable(), { { 9, 2, 3 }, { 0, 0, 0 } })
  x:copy(T.ones { 2, 3 })
  check.equal(x:sum(), 6)
end

function M.arithmetic()
  local x = T.from { 1, 2, 4 }
  check.equal((x + 1):totable(), { 2, 3, 5 })
  check.equal((1 + x):totable(), { 2, 3, 5 })
  check.equal((10 - x):totable(), { 9, 8, 6 })
  check.equal((x * x):totable(), { 1, 4, 16 })
  check.equal((8 / x):totable(), { 8, 4, 2 })
  check.equal((2 ^ x):totable(), { 2, 4, 16 })
  check.equal((-x):totable(), { -1, -2, -4 })
  check.equal((x % 3):totable(), { 1, 2, 1 })
  check.equal((T.from({ 1, 2 }, { dtype = "int64" }) + 1):dtype(), "int64")
  check.equal((T.from({ 1, 2 }, { dtype = "bf16" }) * 2.5):dtype(), "bf16")
  check.raises(function() return x + "a" end, "Tensor")
  check.raises(function() return x + T.from { 1, 2 } end, "size")
end

function M.elementwise()
  local x = T.from { -1, 0, 1 }
  check.close(x:exp(), { math.exp(-1), 1, math.exp(1) })
  check.close(x:sigmoid(), { 1 / (1 + math.exp(1)), 0.5, 1 / (1 + math.exp(-1)) })
  check.close(x:tanh(), { math.tanh(-1), 0, math.tanh(1) })
  check.close(x:silu(), { -1 / (1 + math.exp(1)), 0, 1 / (1 + math.exp(-1)) })
  check.equal(x:relu():totable(), { 0, 0, 1 })
  check.equal(x:abs():totable(), { 1, 0, 1 })
  check.equal(x:sign():totable(), { -1, 0, 1 })
  check.equal(x:clamp(-0.5, 0.5):totable(), { -0.5, 0, 0.5 })
  check.equal(x:maximum(0.5):totable(), { 0.5, 0.5, 1 })
  check.equal(x:lt(0.5):totable(), { true, true, false })
  check.equal(x:eq(T.from { -1, 1, 1 }):totable(), { true, false, true })
  check.equal(T.where(x:gt(0), x, 7):totable(), { 7, 7, 1 })
  check.equal(x:masked_select(x:ge(0)):totable(), { 0, 1 })
  check.equal(x:masked_fill(x:ge(0), 5):totable(), { -1, 5, 5 })
  check.equal((x / 0):isnan():totable(), { false, true, false })
end

function M.reductions()
  local x = m()
  check.equal({ x:sum(), x:mean(), x:max(), x:min(), x:prod() }, { 21, 3.5, 6, 1, 720 })
  check.equal(x:sum(1):totable(), { 5, 7, 9 })
  check.equal(x:mean(-1):totable(), { 2, 5 })
  local values, positions = x:max(2)
  check.equal({ values:totable(), positions:totable() }, { { 3, 6 }, { 3, 3 } })
  check.equal({ x:argmax(), x:argmin() }, { 6, 1 })
  check.close(x:std(), math.sqrt(3.5))
  check.close(x:var(2), { 1, 1 })
  check.close(x:norm(), math.sqrt(91))
  check.close(x:norm(1, 1), { 5, 7, 9 })
  local sum = 0
  for i = 1, 6 do sum = sum + math.exp(i) end
  check.close(x:logsumexp(), math.log(sum))
  check.equal(x:cumsum(2):totable(), { { 1, 3, 6 }, { 4, 9, 15 } })
  check.equal({ x:gt(5):any(), x:gt(0):all(), x:gt(2):count_nonzero() }, { true, true, 4 })
  local sorted, order = T.from { 3, 1, 2 }:sort(1, true)
  check.equal({ sorted:totable(), order:totable() }, { { 3, 2, 1 }, { 1, 3, 2 } })
  local top, where = T.from { 3, 1, 2 }:topk(2)
  check.equal({ top:totable(), where:totable() }, { { 3, 2 }, { 1, 3 } })
  check.equal(T.from { 1, 2, 3, 4 }:quantile(0.5), 2.5)
  local unique, counts = T.from { 2, 1, 2 }:unique()
  check.equal({ unique:totable(), counts:totable() }, { { 1, 2 }, { 1, 2 } })
  check.raises(function() T.zeros { 0 }:max() end, "element")
  check.raises(function() x:topk(4) end, "at most 3")
end

function M.linear_algebra()
  local a = T.from { { 2, 1 }, { 1, 3 } }
  check.equal(a:matmul(T.from { { 1 }, { 2 } }):totable(), { { 4 }, { 7 } })
  check.close(a:inverse():matmul(a), { { 1, 0 }, { 0, 1 } })
  check.close(a:determinant(), 5)
  check.close(a:solve(T.from { { 3 }, { 5 } }), { { 0.8 }, { 1.4 } })
  check.equal({ a:trace(), a:dot(a) }, { 5, 15 })
  local u, s, v = a:svd()
  check.close(u:matmul(s:diagonal()):matmul(v:transpose()), a, 1e-5)
  local q, r = a:qr()
  check.close(q:matmul(r), a)
  check.close(T.eye(4):effective_rank(), 4)
  check.close(T.ones { 4, 4 }:effective_rank(), 1, 1e-3)
  check.equal(a:lower():totable(), { { 2, 0 }, { 1, 3 } })
  check.raises(function() a:matmul(T.zeros { 3, 2 }) end, "[3, 2]", "[2, 2]")
end

function M.softmax_and_losses()
  local x = T.from { { 0, math.log(3) } }
  check.close(x:softmax(), { { 0.25, 0.75 } })
  check.close(x:log_softmax(2), { { math.log(0.25), math.log(0.75) } })
  check.close(x:cross_entropy { 1 }, -math.log(0.75))
  check.close(T.zeros { 2, 4 }:cross_entropy { 0, -100 }, math.log(4))
  check.close(T.zeros { 4 }:entropy():item(), math.log(4))
  check.raises(function() x:cross_entropy { 2 } end, "0 .. 1")
  check.close(T.from { { 3, 4 } }:rms_norm(0), { { 3 / math.sqrt(12.5), 4 / math.sqrt(12.5) } })
  check.close(T.from { { 1, 3 } }:layer_norm(0), { { -1, 1 } })
end

function M.sampling_is_a_function_of_its_seed()
  local logits = T.from { 0, 1, 2 }
  check.equal(logits:sample { temperature = 0 }, 2)
  check.equal(logits:sample { seed = 5 }, logits:sample { seed = 5 })
  local counts = { [0] = 0, 0, 0 }
  for step = 1, 3000 do
    local id = logits:sample { seed = 1, step = step }
    counts[id] = counts[id] + 1
  end
  -- Three deviations of a binomial share over 3,000 draws are below 0.027.
  local p = logits:softmax():totable()
  for id = 0, 2 do check.close(counts[id] / 3000, p[id + 1], 0.03) end
  check.yes(T.randn({ 8 }, { seed = 1 }):equal(T.randn({ 8 }, { seed = 1 })))
  check.yes(not T.randn({ 8 }, { seed = 1 }):equal(T.randn({ 8 }, { seed = 2 })))
  local order = T.randperm(50):sort(1)
  check.equal(order:totable(), T.arange(1, 50):totable())
  local draws = T.randint({ 200 }, 2, 4)
  check.equal({ draws:min(), draws:max() }, { 2, 4 })
end

function M.files()
  local path = check.folder() .. "/x.safetensors"
  local hash = T.save(path, { a = m(), b = T.from({ 1 }, { dtype = "int64" }) })
  check.equal(#hash, 32)
  local back = T.load(path)
  check.yes(back.a:equal(m()))
  check.equal(back.b:dtype(), "int64")
  check.raises(function() T.load(path .. "x") end, path)
end

function M.summary_is_short()
  local text = tostring(T.randn { 100, 100 })
  check.yes(text:find("fp32 [100, 100] cpu", 1, true) and #text < 1500, text)
  check.yes(tostring(T.from { 0 / 0, 1 }):find("nan 1", 1, true))
end

return M
