-- One story: an opening, several plots woven into each other, an ending that ties them up.
local filler = require "sources.storyworld.filler"

local M = {}

local kPlots = {}
local kPlotNames = {}
for _, module in ipairs { "sources.storyworld.threads", "sources.storyworld.threads_people" } do
  for name, start in pairs(require(module)) do
    kPlots[name] = start
    kPlotNames[#kPlotNames + 1] = name
  end
end
table.sort(kPlotNames)  -- pairs has no order; the text must not depend on it
M.plot_names = kPlotNames

local kHero = {
  "Once upon a time there was {a.atrait} {a.kind} called {a}. {a} lived {a.home}.",
  "There once was a {a.kind} named {a}, who lived {a.home}. {a.he} was {a.trait}.",
  "{a} was {a.atrait} {a.kind}. {a} lived {a.home}.",
  "This is the story of {a}, {a.atrait} {a.kind} who lived {a.home}.",
}
local kFriend = {
  "{a} had a friend called {b}. {b} lived {b.home} and was very {b.trait}.",
  "{a.s} best friend was {b}, {b.atrait} {b.kind} who lived {b.home}.",
  "Not far away there was {b.atrait} {b.kind}. It was {b}, who lived {b.home}.",
  "Everybody liked {b}. {b} lived {b.home} and was {b.trait}.",
}
-- Facts are often told as answers word them: the person and the thing first, what is to be remembered right after.
local kWear = { "{a.he} always wore {a.awear}.", "{a.s} {a.colored}.", "{a} was the one with the {a.wear}.", "{a.s} {a.colored}, and very old." }
local kPet = { "{a.he} had a {a.petkind} called {a.pet}.", "{a.s} {a.petkind} was called {a.pet}.",
  "{a.s} {a.petkind} was called {a.pet} and followed {a.him} everywhere." }
local kDish = { "What {a} liked best was {a.dish}.", "{a.he} would do anything for {a.dish}." }
local kHobby = { "{a.he} loved {a.hobby}.", "More than anything {a} loved {a.hobby}." }

local function describe(w, person)
  local random = w.random
  if random:chance(0.8) then w:say(kWear, { a = person }) end
  if person.pet then w:say(kPet, { a = person }) end
  if random:chance(0.4) then w:say(kDish, { a = person }) end
  if random:chance(0.4) then w:say(kHobby, { a = person }) end
end

-- Tells who is there and what they have.
function M.open(w, people_count, options)
  local random = w.random
  for i = 1, people_count do
    local elder = i > 2 and random:chance(0.5)
    local person = w:new_person { elder = elder, name = options and options.names and options.names[i],
      girl = options and options.girls and options.girls[i] }
    if not elder and (i == 1 or random:chance(0.5)) then w:give_pet(person) end
    if i > 1 then w:paragraph() end
    local first
    if i == 1 then
      first = w:say(kHero, { a = person })
    else
      first = w:say(kFriend, { a = w.people[random:int(i - 1)], b = person })
    end
    w:log("person", { person = person.name }, first)
    w:log("fact", { person = person.name, key = "home", value = person.home }, first)
    describe(w, person)
    if random:chance(0.6) then
      local thing = w:new_thing()
      first = w:say({ "{a} had {o.a}.", "{a} owned {o.a} and was proud of it. {o} was with {a} day and night.",
        "{o.a} was the best thing {a} had.", "Once {a} had found {o.a}. Since then {o} was with {a}." },
        { a = person, o = thing })
      w:moved(thing, person, first, "own")
    end
  end
  w:paragraph()
end

-- Starts a plot; nil when no plot finds its people now.
local function start_plot(w, names)
  for _ = 1, 12 do
    local name = w.random:pick(names or kPlotNames)
    if name ~= w.last_plot then
      local plot = kPlots[name](w)
      if plot then
        plot.name, plot.step = name, 1
        w.last_plot = name
        for _, thing in ipairs(plot.things) do thing.busy = true end
        for _, person in ipairs(plot.people) do person.threads = (person.threads or 0) + 1 end
        w.plots[#w.plots + 1] = plot
        return plot
      end
    end
  end
end

local function end_plot(w, plot)
  for _, thing in ipairs(plot.things) do thing.busy = false end
  for _, person in ipairs(plot.people) do person.threads = person.threads - 1 end
  for i, other in ipairs(w.plots) do
    if other == plot then table.remove(w.plots, i) end
  end
end

-- Plots that tell a field of their people again.
local kTells = { sick = "dish", pet = "pet" }

local function can_run(w, plot)
  for _, thing in ipairs(plot.things) do
    if w.frozen[thing] then return false end
  end
  for _, person in ipairs(plot.people) do
    local frozen = w.frozen[person]
    if frozen and frozen[kTells[plot.name] or ""] then return false end
  end
  return true
end

-- The next beat of some plot, or a quiet scene.  `weave`: how many plots may be open at once.
function M.step(w, weave, names)
  local random = w.random
  w.plots = w.plots or {}
  if #w.plots < weave and (#w.plots == 0 or random:chance(0.5)) then start_plot(w, names) end
  local ready = {}
  for _, plot in ipairs(w.plots) do
    if can_run(w, plot) then ready[#ready + 1] = plot end
  end
  if #ready == 0 or random:chance(0.12) then
    filler.scene(w)
    return
  end
  local plot = random:pick(ready)
  plot.beats[plot.step]()
  plot.step = plot.step + 1
  if random:chance(0.5) then filler.sentence(w, random:pick(w.present)) end
  if plot.step > #plot.beats then end_plot(w, plot) end
end

-- Brings open plots to their end.
function M.finish(w, after_beat)
  while w.plots and #w.plots > 0 do
    local plot = w.plots[1]
    plot.beats[plot.step]()
    plot.step = plot.step + 1
    if plot.step > #plot.beats then end_plot(w, plot) end
    if after_beat then after_beat() end
  end
end

local kEnd = {
  "And so the day came to an end, and everybody went home.", "That was the end of a long story.",
  "They often talked about it later.", "From then on they were the best of friends.",
  "And if nothing else has happened, they are still friends today.", "Then the lights went out, one after the other, and all was quiet.",
  "It had been a good time, and they never forgot it.",
}

-- The last paragraph; it often says once more who has what.
function M.close(w)
  w:paragraph()
  local random = w.random
  local told = 0
  for _, thing in ipairs(w.things) do
    local holder = thing.where
    if holder and holder.he and told < 3 and random:chance(0.5) then
      local first = w:say(told == 0 and { "In the end {a} had {o}.", "At last {o} was with {a}." }
        or { "{a} kept {o}.", "And {o} was with {a}." }, { a = holder, o = thing })
      thing.fact_at = w.bytes
      w:log("told_holder", { thing = thing.short, person = holder.name }, first)
      told = told + 1
    end
  end
  w:say(kEnd)
end

return M
