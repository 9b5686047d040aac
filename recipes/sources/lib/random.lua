-- Random numbers for Lua sources: a generator whose whole sequence is a function of (seed, index, purpose).
--
-- sfc32 (Chris Doty-Humphrey, PractRand): additions, shifts and a counter on 32-bit words only, so that every
-- platform and every thread draws the same numbers.  Not math.random, whose state is shared and differs between
-- builds.
local bit = require "bit"
local tobit, bxor, lshift, rshift, rol = bit.tobit, bit.bxor, bit.lshift, bit.rshift, bit.rol
local floor = math.floor

---@class Random
local Random = {}
Random.__index = Random

-- Jenkins' one-at-a-time hash over the bytes of a name.
local function hash_name(name)
  local h = 0
  for i = 1, #name do
    h = tobit(h + name:byte(i))
    h = tobit(h + lshift(h, 10))
    h = bxor(h, rshift(h, 6))
  end
  h = tobit(h + lshift(h, 3))
  h = bxor(h, rshift(h, 11))
  return tobit(h + lshift(h, 15))
end

---@param seed integer
---@param index integer
---@param purpose string keeps sources with equal seeds apart
---@return Random
function Random.new(seed, index, purpose)
  local self = setmetatable({
    a = bxor(tobit(index), hash_name(purpose)),
    b = bxor(tobit(seed), tobit(floor(index / 4294967296))),
    c = tobit(floor(seed / 4294967296)),
    counter = 1,
  }, Random)
  for _ = 1, 15 do self:next() end
  return self
end

-- The next 32 bits as an integer in [0, 2^32).
function Random:next()
  local a, b, c = self.a, self.b, self.c
  local t = tobit(tobit(a + b) + self.counter)
  self.counter = tobit(self.counter + 1)
  self.a = bxor(b, rshift(b, 9))
  self.b = tobit(c + lshift(c, 3))
  self.c = tobit(rol(c, 21) + t)
  return t % 4294967296
end

-- An integer in [1, n].
function Random:int(n) return floor(self:next() * n / 4294967296) + 1 end

-- An integer in [low, high].
function Random:range(low, high) return low + self:int(high - low + 1) - 1 end

-- A number in [0, 1).
function Random:uniform() return self:next() / 4294967296 end

function Random:chance(probability) return self:next() < probability * 4294967296 end

-- One element of a list.
function Random:pick(list) return list[self:int(#list)] end

-- `count` different elements of a list, in random order.
function Random:sample(list, count)
  local copy = {}
  for i = 1, #list do copy[i] = list[i] end
  for i = 1, count do
    local j = self:range(i, #copy)
    copy[i], copy[j] = copy[j], copy[i]
  end
  for i = #copy, count + 1, -1 do copy[i] = nil end
  return copy
end

return Random
