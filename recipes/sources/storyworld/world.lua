-- The state of one story: who is where, who has what, who feels how, and the text that told it.
--
-- Every change of state goes through a method here that also tells it, so text and state cannot part.  With a
-- trace, each change and each answered question is also logged as an event with its place in the text; the tests
-- replay that log with their own rules.
local template = require "sources.storyworld.template"
local words = require "sources.storyworld.words"

---@class World
local World = {}
World.__index = World

local kTimes = { "morning", "noon", "afternoon", "evening", "night" }

---@param random Random
---@param trace boolean? log events
function World.new(random, trace)
  local world = setmetatable({
    random = random, out = {}, n = 0, bytes = 0,
    people = {}, things = {}, places = {}, containers = {},
    time = 1, day = 1, lead = "", last_choice = {},
    names_used = {}, events = trace and {} or nil,
    present = {},  -- who is in the scene
    asked = {},  -- where in the text a question was last asked
    frozen = {},  -- facts that must not be mentioned while a question waits: frozen[entity][field]
  }, World)
  -- Told fields count from the end of their sentence, so they are collected until it is written.
  local told, count = {}, 0
  world.mention = function(entity, field)
    if entity.seen then
      told[count + 1], told[count + 2] = entity.seen, field
      count = count + 2
    end
  end
  world.settle_mentions = function(at)
    for i = 1, count, 2 do told[i][told[i + 1]] = at end
    count = 0
  end
  return world
end

function World:text() return table.concat(self.out, "", 1, self.n) end

function World:append(text)
  self.n = self.n + 1
  self.out[self.n] = text
  self.bytes = self.bytes + #text
end

-- Adds an event to the trace; `first` is where its telling began.
function World:log(op, event, first)
  if self.events then
    event.op, event.first, event.last = op, (first or self.bytes) + 1, self.bytes
    self.events[#self.events + 1] = event
  end
end

-- Tells one of several templates, not the one told last time.  Returns where it began.
function World:say(choices, context)
  local first = self.bytes
  local template_text = choices
  if type(choices) == "table" then
    local count = #choices
    local i = self.random:int(count)
    if count > 1 and self.last_choice[choices[1]] == i then i = i % count + 1 end
    self.last_choice[choices[1]] = i
    template_text = choices[i]
  end
  local last = self.out[self.n]
  if last and last:byte(-1) ~= 10 then self:append " " end
  local n, bytes = template.fill(template_text, context or {}, self.out, self.n, self.mention)
  self.n, self.bytes = n, self.bytes + bytes
  self.settle_mentions(self.bytes)
  return first
end

function World:paragraph()
  if self.n > 0 and self.out[self.n]:byte(-1) ~= 10 then self:append "\n" end
end

local function article(word) return (word:find "^[aeiou]" and "an " or "a ") .. word end
World.article = function(word) return word == "honest" and "an honest" or article(word) end

-- Entities -------------------------------------------------------------------------------------------------------

local kBoy = { he = "he", him = "him", his = "his", himself = "himself", kind = "boy", child = "son" }
local kGirl = { he = "she", him = "her", his = "her", himself = "herself", kind = "girl", child = "daughter" }

local function unused(world, list)
  for _ = 1, 50 do
    local word = world.random:pick(list)
    if not world.names_used[word] then
      world.names_used[word] = true
      return word
    end
  end
  for i = 1, #list do
    if not world.names_used[list[i]] then
      world.names_used[list[i]] = true
      return list[i]
    end
  end
  return world.random:pick(list)  -- very long stories run out of looks; nouns still tell things apart
end
World.unused = unused

-- A person with the traits that stories come back to.
function World:new_person(options)
  local random = self.random
  local girl = options and options.girl
  if girl == nil then girl = random:chance(0.5) end
  local elder = options and options.elder
  local list = girl and (elder and words.women or words.girls) or (elder and words.men or words.boys)
  local gender = girl and kGirl or kBoy
  local name = options and options.name or unused(self, list)
  self.names_used[name] = true
  local person = {
    name = name, s = name .. "'s", he = gender.he, him = gender.him, his = gender.his,
    himself = gender.himself, girl = girl, kind = elder and (girl and "woman" or "man") or gender.kind, elder = elder,
    trait = options and options.trait or random:pick(words.traits), hobby = unused(self, words.hobbies),
    color = unused(self, words.colors), cloth = unused(self, words.clothes),
    dish = unused(self, words.dishes), home = unused(self, words.homes), seen = {}, busy = false,
  }
  person.wear = person.color .. " " .. person.cloth
  person.colored = person.cloth .. " was " .. person.color
  person.awear, person.atrait = World.article(person.wear), World.article(person.trait)
  self.people[#self.people + 1] = person
  return person
end

function World:give_pet(person)
  person.pet, person.petkind = unused(self, words.pet_names), unused(self, words.pets)
end

function World:new_thing(options)
  local noun = options and options.noun or unused(self, words.things)
  self.names_used[noun] = true
  local look = options and options.look or unused(self, words.looks)
  self.names_used[look] = true
  local short = look .. " " .. noun
  local thing = { noun = noun, look = look, short = short, name = "the " .. short, a = article(short), busy = false,
    seen = {} }
  self.things[#self.things + 1] = thing
  return thing
end

-- A place by its phrase ("in the kitchen"); the same place table each time.
function World:place(phrase)
  local place = self.places[phrase]
  if not place then
    local noun = phrase:match "^%a+ (.+)$"
    place = { at = phrase, name = noun, id = #self.places + 1 }
    self.places[phrase] = place
    self.places[#self.places + 1] = place
  end
  return place
end

-- A place of the story: mostly one already known, so that stories stay within a small world.
function World:any_place(except)
  local known = self.places
  for _ = 1, 20 do
    local place
    if #known >= 6 or (#known > 2 and self.random:chance(0.5)) then
      place = self.random:pick(known)
    else
      place = self:place(self.random:pick(words.places))
    end
    if place ~= except then return place end
  end
  return self:place(words.places[1])
end

-- A container that stands at a place.
function World:new_container(place)
  local look = unused(self, words.looks)
  local noun = unused(self, words.containers)
  local container = { noun = noun, place = place, name = "the " .. look .. " " .. noun,
    a = article(look .. " " .. noun), inside = "in the " .. look .. " " .. noun }
  self.containers[#self.containers + 1] = container
  return container
end

-- Changes of state -----------------------------------------------------------------------------------------------
-- `first` is where the sentence that told the change began, as returned by say.

local function where_name(where) return where.inside or where.at or where.name end

-- `thing` is now with a person, in a container or at a place.
function World:moved(thing, where, first, op)
  local from = thing.where
  thing.where = where
  thing.fact_at = self.bytes
  self:log(op or "move_thing", { thing = thing.short, from = from and where_name(from), to = where_name(where),
    to_kind = where.he and "person" or where.inside and "container" or "place",
    place = where.place and where.place.at }, first)
  -- Often said once more in plain words, the thing first; who it is with is what questions ask.
  if op ~= "own" and where.he and self.random:chance(0.5) then
    first = self:say({ "Now {o} was with {a}.", "So {o} was with {a}." }, { a = where, o = thing })
    thing.fact_at = self.bytes
    self:log("told_holder", { thing = thing.short, person = where.name }, first)
  end
end

function World:went(person, place, first)
  person.place = place
  self:log("go", { person = person.name, place = place.at }, first)
end

function World:feels(person, feeling, first)
  person.feeling = feeling
  person.feeling_at = self.bytes
  self:log("feel", { person = person.name, feeling = feeling }, first)
end

-- Any other lasting fact: a promise, a fear, a wish.
function World:fact(person, key, value, first)
  person[key] = value
  person.seen[key] = self.bytes
  self:log("fact", { person = person.name, key = key, value = value }, first)
end

-- Time and place -------------------------------------------------------------------------------------------------

local kLeads = {
  { "Early in the morning, ", "In the morning, ", "After breakfast, " },
  { "At noon, ", "In the middle of the day, ", "Before lunch, " },
  { "In the afternoon, ", "After lunch, ", "Later that day, " },
  { "In the evening, ", "That evening, ", "At sunset, " },
  { "Late in the evening, ", "When the stars came out, ", "Before bed, " },
}
local kNextDay = { "The next morning, ", "The next day, ", "A day later, ", "Early the next morning, " }
local kFirst = { "One day, ", "One morning, ", "One fine day, ", "It was a cold morning when ", "" }
local kSoon = { "Soon, ", "A little later, ", "Then ", "After a while, ", "", "" }

-- A new paragraph; sometimes the clock moves on.
function World:open_scene()
  self:paragraph()
  local random = self.random
  if not self.began then
    self.began = true
    self.lead = random:pick(kFirst)
  elseif random:chance(0.55) then
    if self.time == #kTimes then
      self.time, self.day = 1, self.day + 1
      self.lead = random:pick(kNextDay)
    else
      self.time = self.time + 1
      self.lead = random:pick(kLeads[self.time])
    end
  else
    self.lead = random:pick(kSoon)
  end
end

local kOneGoes = { "{t}{a} went to {p}.", "{t}{a} walked to {p}.", "{t}{a} came to {p}.", "{t}{a} ran to {p}.",
  "{t}{a} set off for {p}, and soon {a.he} was there." }
local kOneGoesTo = { "{t}{a} went to {p}, where {b} was {d}.", "{t}{a} found {b} {p.at}, {d}.",
  "{t}{a} came to {p}. {b} was already there, {d}.", "{t}{a} walked to {p} and met {b} there." }
local kTwoGo = { "{t}{a} and {b} went to {p}.", "{t}{a} met {b} {p.at}.", "{t}{a} and {b} walked to {p} together.",
  "{t}{a} took {b} along to {p}." }
local kTwoGoTo = { "{t}{a} and {b} went to {p}, where {c} was {d}.", "{t}{a} and {b} came to {p}. {c} was there too." }
local kThreeGo = { "{t}{a}, {b} and {c} met {p.at}.", "{t}{a}, {b} and {c} went to {p} together." }
local kOneStays = { "{t}{a} was still {p.at}.", "{t}{a} stayed {p.at} for a while.", "{t}{a} was alone {p.at}." }
local kTwoStay = { "{t}{a} and {b} were still {p.at}.", "{t}{a} and {b} sat down {p.at}.", "{t}{a} stayed {p.at} with {b}." }
local kThreeStay = { "{t}{a}, {b} and {c} were all {p.at}.", "{t}{a} stayed {p.at} with {b} and {c}." }

-- Opens a scene and brings one, two or three people to a place.
function World:scene(people, place)
  self:open_scene()
  self:gather(people, place)
end

function World:gather(people, place)
  self.present = people
  local movers, stayers = {}, {}
  for i = 1, #people do
    local list = people[i].place == place and stayers or movers
    list[#list + 1] = people[i]
  end
  local t, p = self.lead, place
  self.lead = ""
  local m, s = movers, stayers
  local first
  if #m == 1 and #s == 0 then
    first = self:say(kOneGoes, { t = t, a = m[1], p = p })
  elseif #m == 0 and #s == 1 then
    first = self:say(kOneStays, { t = t, a = s[1], p = p })
  elseif #m == 0 and #s == 2 then
    first = self:say(kTwoStay, { t = t, a = s[1], b = s[2], p = p })
  elseif #m == 0 and #s == 3 then
    first = self:say(kThreeStay, { t = t, a = s[1], b = s[2], c = s[3], p = p })
  elseif #m == 1 and #s == 1 then
    first = self:say(kOneGoesTo, { t = t, a = m[1], b = s[1], p = p, d = self.random:pick(words.doings) })
  elseif #m == 1 and #s == 2 then
    first = self:say("{t}{a} went to {p}, where {b} and {c} were sitting.", { t = t, a = m[1], b = s[1], c = s[2], p = p })
  elseif #m == 2 and #s == 0 then
    first = self:say(kTwoGo, { t = t, a = m[1], b = m[2], p = p })
  elseif #m == 2 and #s == 1 then
    first = self:say(kTwoGoTo, { t = t, a = m[1], b = m[2], c = s[1], p = p, d = self.random:pick(words.doings) })
  elseif #m == 3 then
    first = self:say(kThreeGo, { t = t, a = m[1], b = m[2], c = m[3], p = p })
  else
    error(("storyworld scene: got %d people, expected 1 to 3"):format(#people), 0)
  end
  for i = 1, #movers do self:went(movers[i], place, first) end
end

-- Choices --------------------------------------------------------------------------------------------------------

-- A person who is in no other thread and not in `except`; nil when there is none.
function World:free_person(except, want)
  local list = {}
  for _, person in ipairs(self.people) do
    if not person.busy and not (except and except[person]) and (not want or want(person)) then
      list[#list + 1] = person
    end
  end
  return #list > 0 and self.random:pick(list) or nil
end

-- A thing that `person` has and no other thread uses.
function World:free_thing(person)
  local list = {}
  for _, thing in ipairs(self.things) do
    if thing.where == person and not thing.busy then list[#list + 1] = thing end
  end
  return #list > 0 and self.random:pick(list) or nil
end

World.where_name = where_name

return World
