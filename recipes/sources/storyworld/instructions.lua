-- The instruction part: a request, then <start>, a short story that keeps to it, <end>.
local World = require "sources.storyworld.world"
local filler = require "sources.storyworld.filler"
local story = require "sources.storyworld.story"
local template = require "sources.storyworld.template"

local M = {}

-- What a mood adds between the scenes and at the end.
local kMoods = {
  happy = {
    between = { "Everybody laughed.", "The sun came out and shone on all of them.", "It was a day for singing." },
    ending = { "They danced until the stars came out, and everybody was happy.", "Nobody had ever been happier than on that day." },
  },
  sad = {
    between = { "A few tears fell into the grass.", "It rained, and nobody sang.", "{a} thought of other days and was silent." },
    ending = { "That night {a} looked at the moon for a long time and was a little sad.", "The days went by, but something was missing." },
  },
  funny = {
    between = { "Just then a goat ate the hat of the teacher.", "{a} slipped on a plum and sat down in a bucket.", "A hen flew up and landed on {a.s} head." },
    ending = { "They laughed so much that the cat ran away.", "And {a} still has jam on {a.his} nose today." },
  },
  brave = {
    between = { "{a} was not afraid.", "It was dangerous, but {a} went on.", '"We can do it," said {a}.' },
    ending = { "From that day on everybody knew how brave {a} was.", "And they called {a} the bravest {a.kind} of all." },
  },
  quiet = {
    between = { "The snow fell softly.", "Nobody spoke for a while.", "Only the clock could be heard." },
    ending = { "Then {a} blew out the candle and fell asleep.", "Outside the snow fell, and all was quiet." },
  },
}
local kMoodNames = { "happy", "sad", "funny", "brave", "quiet" }
M.moods = kMoodNames

local kRequests = {
  "Write a {mood} story about {a}.", "Write a {mood} story about {a} and {b}.", "Tell me a {mood} story. The hero is {a}.",
  "Please write a short story about {a} and {b}. It should be {mood}.", "I want to read a {mood} story about {a} and {o}.",
  "Write a story with {a}, {b} and {o}. Make it {mood}.", "Can you tell a {mood} story in which {a} has {o}?",
  "Make up a {mood} story about a {a.kind} called {a}.", "Write about {a} and {b}. Mood: {mood}. Thing: {o.short}.",
}
local kPlain = { "lost", "lent", "hidden", "locked", "quarrel", "broken", "gift", "promise", "afraid", "wish", "contest" }

---@return string text, World
function M.make(random, trace)
  local w = World.new(random, trace)
  local mood_name = random:pick(kMoodNames)
  local mood = kMoods[mood_name]
  local count = random:range(3, 4)
  story.open(w, count)
  local hero, friend = w.people[1], w.people[2]
  story.step(w, 1, kPlain)
  while w.plots and #w.plots > 0 do
    story.step(w, 1, kPlain)
    if random:chance(0.5) then w:say(mood.between, { a = hero }) end
  end
  if #w.things == 0 then
    -- Requests may name a thing, so there is always one.
    w:paragraph()
    local thing = w:new_thing()
    local first = w:say("{a} found {o.a} and kept it.", { a = hero, o = thing })
    w:moved(thing, hero, first, "own")
  end
  if random:chance(0.5) then filler.scene(w) end
  w:paragraph()
  w:say(mood.ending, { a = hero })
  w:paragraph()
  local out, n = {}, 0
  local thing
  for _, other in ipairs(w.things) do
    if other.where then thing = thing or other end
  end
  local named = { name = thing.a, short = thing.short }
  n = template.fill(random:pick(kRequests), { a = hero, b = friend, mood = mood_name, o = named }, out, n)
  local request = table.concat(out, "", 1, n)
  if w.events then
    for _, event in ipairs(w.events) do
      event.first, event.last = event.first + #request + 8, event.last + #request + 8
    end
  end
  return request .. "\n<start>" .. w:text() .. "<end>", w, mood_name
end

return M
