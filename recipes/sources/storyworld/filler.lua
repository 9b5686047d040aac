-- Small scenes and single sentences between the beats: weather, walks, food, pets, and what everybody already knows
-- (the color of a hat, a dog's name), so that old facts are needed all the time.
local M = {}

local kNature = {
  "The sun was warm.", "A cold wind blew from the hills.", "Small clouds moved over the sky.", "It began to rain.",
  "The rain had stopped, and the grass was wet.", "Birds sang in the trees.", "The leaves were red and yellow.",
  "Somewhere a bell rang.", "The air smelled of bread.", "Snow lay on the roofs.", "A bee flew from flower to flower.",
  "It was very quiet.", "The moon stood over the trees.", "The river was high and fast.", "Far away a dog barked.",
  "The road was long and full of dust.", "A soft light came through the window.", "The wind played with the leaves.",
  "Two squirrels ran up a tree.", "The water was as smooth as glass.", "It smelled of hay and summer.",
  "A ship came in with white sails.", "The clock on the tower struck four.", "Smoke rose from a chimney.",
}
local kAct = {
  "{a} sat down and looked around.", "{a} hummed a little song.", "{a} threw a stone as far as {a.he} could.",
  "{a} was hungry and ate some bread.", "{a} drank cold water.", "{a} counted the steps.", "{a} thought about the day.",
  "{a} watched a snail on the path.", "{a} closed {a.his} eyes for a moment.", "{a} picked a white flower.",
  "{a} found a feather and let it fly.", "{a} drew a face in the sand with a stick.", "{a} laughed about a funny cloud.",
  "{a} waved to an old woman with a cart.", "{a} tied {a.his} shoes.", "{a} jumped over a puddle.",
  "{a} talked to {a.himself}.", "{a} helped a man to carry a heavy bag.", "{a} listened to the wind.",
  "{a} washed {a.his} hands.", "{a} had a good idea and forgot it again.", "{a} yawned.", "{a} looked at the sky.",
}
local kWear = {
  "{a} put on {a.his} {a.wear}.", "{a} wore {a.his} {a.wear}, as always.", "{a} pulled {a.his} {a.wear} tight, for it was cold.",
  "Everybody knew {a} by {a.his} {a.wear}.", "The wind almost took {a.s} {a.wear}.", "There was mud on {a.s} {a.wear}.",
  "Even from far away one could see {a.s} {a.wear}.", "{a.s} {a.colored}, as everybody knew.",
  '"Yes, {a.s} {a.colored}," somebody said.',
}
local kPet = {
  "{a.pet} the {a.petkind} ran around {a.him}.", "{a} fed {a.his} {a.petkind} {a.pet}.", '"Come, {a.pet}!" {a} called, and the {a.petkind} came.',
  "{a.pet} the {a.petkind} slept in the sun.", "{a.s} {a.petkind} {a.pet} had eaten something strange again.",
  "{a} played with {a.pet} the {a.petkind}.", "{a.s} {a.petkind} was called {a.pet}, and {a.pet} was hungry.",
}
local kDish = {
  "What {a} liked best was {a.dish}, and there was enough of it that day.",
  "Somebody had made {a.dish}, and {a} was glad, because that was what {a.he} liked best.", "{a} dreamed of {a.dish}, the best food of all.",
  '"I could eat {a.dish} every day," said {a}.', "It smelled of {a.dish}, and {a} smiled.",
}
local kHobby = {
  "{a} had some time {a.hobby}.", "There was time {a.hobby}, and that was what {a} loved.", "{a} had always loved {a.hobby}.",
  '"I want {a.hobby} all day," said {a}.',
}
local kHome = {
  "As you know, {a} lived {a.home}.", '"I live {a.home}," said {a} to a stranger.',
  "{a} thought of home. Yes, {a} lived {a.home}.",
}
local kTalk = {
  '"What a day," said {a}. "Yes," said {b}.', '"Are you tired?" asked {a}. "A little," said {b}.',
  '"Do you hear that?" asked {b}. They listened, but it was only the wind.', "{a} told a joke, and {b} laughed for a long time.",
  '"Tell me a story," said {a}, and {b} told one about a king without a crown.', "{a} and {b} shared a bun.",
  '"I like it here," said {b}. "So do I," said {a}.', "{a} and {b} looked at the clouds. One was like a whale.",
  '"Tomorrow it will rain," said {b}. "How do you know?" asked {a}. "I just know."', "They talked about this and that.",
  "{a} and {b} walked side by side and did not need to talk.", '"You are a good friend," said {a} to {b}.',
}

local function allowed(w, person, field)
  return not (w.frozen[person] and w.frozen[person][field])
end

-- One sentence about nothing or about a known habit of `a`.
function M.sentence(w, a)
  local random = w.random
  local roll = random:int(100)
  if roll <= 26 then
    w:say(kNature)
  elseif roll <= 50 then
    w:say(kAct, { a = a })
  elseif roll <= 72 and allowed(w, a, "wear") then
    w:say(kWear, { a = a })
  elseif roll <= 84 and a.pet and not a.busy_pet and allowed(w, a, "pet") then
    w:say(kPet, { a = a })
  elseif roll <= 92 and allowed(w, a, "dish") then
    w:say(kDish, { a = a })
  elseif roll <= 96 and allowed(w, a, "home") then
    w:say(kHome, { a = a })
  elseif allowed(w, a, "hobby") then
    w:say(kHobby, { a = a })
  else
    w:say(kNature)
  end
end

local kMentions = { wear = kWear, pet = kPet, dish = kDish, home = kHome }

-- One sentence that tells a field of `a` ("wear", "pet", "dish", "home") once more.
function M.mention(w, a, field) w:say(kMentions[field], { a = a }) end

-- A scene in which nothing happens.
function M.scene(w)
  local a = w:free_person() or w.people[1]
  local b = w:free_person { [a] = true }
  if b and w.random:chance(0.5) then
    w:scene({ a, b }, w:any_place())
    w:say(kTalk, { a = a, b = b })
    M.sentence(w, w.random:chance(0.5) and a or b)
    if w.random:chance(0.4) then M.sentence(w, a) end
  else
    w:scene({ a }, w:any_place())
    for _ = 1, w.random:range(2, 3) do M.sentence(w, a) end
  end
end

return M
