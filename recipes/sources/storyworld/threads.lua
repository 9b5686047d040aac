-- Plots about things: lost and found, lent on and on, hidden, locked away, wanted by two, broken, given.
--
-- A thread is a list of beats.  A beat is one scene: it brings people together, tells something and changes the
-- world through the methods of World.  The story weaves several threads, so beats must not assume that anything
-- but their own thing stayed where it was.  Threads about feelings and promises are in threads_people.lua.
local words = require "sources.storyworld.words"

local M = {}

-- A thing that a has or gets for the thread.
local function thing_of(w, a)
  local thing = w:free_thing(a)
  if thing then return thing end
  thing = w:new_thing()
  return thing, true
end

-- Introduces a new thing in the hands of a.
local function introduce(w, a, o)
  local first = w:say({
    "{a} had {o.a} in {a.his} bag.", "{a} carried {o.a} that day.", "{a} had brought {o.a}.",
    "That day {a} had {o.a} with {a.him}.", "{a} showed everybody {o.a}. It was {a.his} own.",
  }, { a = a, o = o })
  w:moved(o, a, first, "own")
end

-- Lost on the way, missed, found by another, returned.
function M.lost(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  if not b then return end
  local o, new = thing_of(w, a)
  local p = w:any_place()
  local home = w:any_place(p)
  local spot = w.random:pick(words.spots)
  return { things = { o }, people = { a, b }, beats = {
    function()
      w:scene({ a }, p)
      if new then introduce(w, a, o) end
      local first = w:say({
        "On the way {o} fell out of {a.his} bag and landed {spot}. {a} did not notice.",
        "{a} jumped over a ditch, and {o} slipped out of {a.his} pocket. It lay {spot} and nobody saw it.",
        "{a} sat down and put {o} on the ground {spot}. When {a.he} left, {a.he} forgot it there.",
      }, { a = a, o = o, spot = spot })
      w:moved(o, p, first, "drop")
      w:say({ "So {o} stayed {p.at}.", "And so {o} lay {p.at} all alone.", "Now {o} was {p.at}, but {a} did not know it." },
        { a = a, o = o, p = p })
      o.fact_at = w.bytes
    end,
    function()
      w:scene({ a }, home)
      local first = w:say({
        "{a} wanted to look at {o}, but it was gone. {a} looked under the table and behind the door. Nothing. {a} was very sad.",
        "{a} put {a.his} hand into {a.his} bag. {o} was not there! {a.he} turned the bag upside down, and then {a.he} was sad.",
        '"Where is {o}?" cried {a}. {a.he} looked everywhere, but {a.he} could not find it. {a} was sad.',
      }, { a = a, o = o })
      w:feels(a, "sad", first)
    end,
    function()
      w:scene({ b }, p)
      local first = w:say({
        "Something shiny lay {spot}. It was {o}! {b} picked it up.",
        "{b} saw something {spot} and bent down. It was {o}. {b} took it along.",
        '"What is that {spot}?" said {b}. It was {o}, and {b} picked it up carefully.',
      }, { b = b, o = o, spot = spot })
      w:moved(o, b, first, "take")
      w:say({ '"Somebody must miss this," thought {b}.', "{b} wondered who had lost it.",
        '"I know who this belongs to," said {b}. "It is {a.s}."' }, { a = a, b = b })
    end,
    function()
      w:scene({ b, a }, w:any_place(p))
      local first = w:say({
        '"Is this yours?" asked {b} and held out {o}. "Yes!" cried {a} and took it. "I lost it {p.at}!"',
        '{b} gave {o} back to {a}. "It was {p.at}," said {b}. "{spot}."',
        '"Look what I found {p.at}," said {b}, and gave {o} to {a}. {a} hugged {b.him}.',
      }, { a = a, b = b, o = o, p = p, spot = spot })
      w:moved(o, a, first, "give")
      first = w:say({ "{a} was happy again. \"Thank you,\" {a.he} said.", "Now {a} was happy.",
        '"You are a good friend, {b}," said {a}. {a} was so happy.' }, { a = a, b = b })
      w:feels(a, "happy", first)
    end,
  } }
end

-- Lent to one, handed on to another, asked for, fetched back.
function M.lent(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  local c = b and w:free_person { [a] = true, [b] = true }
  if not c then return end
  local o, new = thing_of(w, a)
  local beats = {
    function()
      w:scene({ a, b }, w:any_place())
      if new then introduce(w, a, o) end
      local first = w:say({
        '"May I borrow {o}?" asked {b}. "Yes," said {a}, "but please bring it back." {a} gave {o} to {b}.',
        '{b} needed {o} for a day. "Take it," said {a}, and gave it to {b}.',
        '"I will lend you {o}," said {a} to {b}. "Be careful with it." {b} took it and thanked {a.him}.',
      }, { a = a, b = b, o = o })
      w:moved(o, b, first, "give")
    end,
    function()
      w:scene({ b, c }, w:any_place())
      local first = w:say({
        '"{c}, you need this more than I do," said {b}, and gave {o} to {c}.',
        '{c} saw {o} in {b.s} bag. "Can I have it for a while?" asked {c}. {b} nodded and handed it to {c.him}.',
        '{b} was going home and did not want to carry {o}. So {b} gave it to {c}.',
      }, { b = b, c = c, o = o })
      w:moved(o, c, first, "give")
      w:say({ "{c} put it away.", '"I will keep it safe," said {c}.', "{c} looked at it with big eyes." }, { c = c })
    end,
    function()
      w:scene({ a, b }, w:any_place())
      w:say({
        '"Where is {o}?" asked {a}. {b} looked at the ground. "I gave it to {c}," said {b}.',
        '"I want {o} back, please," said {a}. "I do not have it," said {b}. "{c} has it now."',
        '"Do you still have {o}?" asked {a}. "No," said {b}. "Ask {c}. {c.he} has it."',
      }, { a = a, b = b, c = c, o = o })
      o.fact_at = w.bytes
      w:log("told_holder", { thing = o.short, person = c.name })
      local first = w:say({ "{a} was worried.", "Now {a} was worried about it.", '"Oh no," said {a}, and was worried.' }, { a = a })
      w:feels(a, "worried", first)
    end,
    function()
      w:scene({ a, c }, w:any_place())
      local first = w:say({
        '"You have {o}, {c}," said {a}. "It is mine." {c} smiled and gave it back to {a}.',
        '{c} saw {a} and knew what {a.he} wanted. {c} took {o} out of a bag and gave it to {a}.',
        '"Here is {o}," said {c}. "I took good care of it." {a} took it back.',
      }, { a = a, c = c, o = o })
      w:moved(o, a, first, "give")
      first = w:say({ "{a} was happy to hold it again.", "What a relief! {a} was happy.", "{a} laughed. {a.he} was happy." }, { a = a })
      w:feels(a, "happy", first)
    end,
  }
  -- Sometimes it goes one hand further.
  local d = w:free_person { [a] = true, [b] = true, [c] = true }
  if d and w.random:chance(0.4) then
    table.insert(beats, 4, function()
      w:scene({ c, d }, w:any_place())
      local first = w:say({
        '"Can you take {o} to {a}?" asked {c}. "Of course," said {d}, and took it.',
        '{c} had no time, so {c} gave {o} to {d}. "Please bring it to {a}," said {c}.',
      }, { a = a, c = c, d = d, o = o })
      w:moved(o, d, first, "give")
    end)
    beats[5] = function()
      w:scene({ d, a }, w:any_place())
      local first = w:say({
        '"{c} sent me," said {d}. "Here is {o}." {d} gave it to {a}.',
        '{d} handed {o} to {a}. "It went through many hands," said {d}.',
      }, { a = a, c = c, d = d, o = o })
      w:moved(o, a, first, "give")
      first = w:say({ "{a} was happy to have it back.", "{a} jumped for joy. {a.he} was happy." }, { a = a })
      w:feels(a, "happy", first)
    end
  end
  return { things = { o }, people = { a, b, c }, beats = beats }
end

-- Hidden in a box, one friend knows; later it is needed and the friend remembers.
function M.hidden(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  if not b or #w.containers >= 7 then return end
  local o, new = thing_of(w, a)
  local p = w:any_place()
  local k = w:new_container(p)
  local c = w:free_person { [a] = true, [b] = true }
  local beats = {
    function()
      w:scene({ a, b }, p)
      if new then introduce(w, a, o) end
      w:say({ "There was {k.a} {p.at}.", "{p.at}, {k.a} stood in a corner.", "They found {k.a} {p.at}." }, { k = k, p = p })
      local first = w:say({
        '{a} looked around. Then {a.he} hid {o} {k.inside}. "This is our secret, {b}," said {a}.',
        '"Nobody will look here," said {a}, and put {o} {k.inside}. Only {b} saw it. "Do not tell anyone," said {a}.',
        '{a} put {o} {k.inside} and closed it. "You are the only one who knows," {a} told {b}.',
      }, { a = a, b = b, o = o, k = k })
      w:moved(o, k, first, "put")
      w:say({ "{b} promised to be silent.", '"I can keep a secret," said {b}.', "{b} nodded." }, { b = b })
    end,
  }
  if c then
    beats[#beats + 1] = function()
      w:scene({ c, b }, w:any_place(p))
      w:say({
        '"Do you know where {o} is?" asked {c}. {b} knew it, but {b.he} did not say a word.',
        '{c} asked about {o}. "I cannot tell you," said {b}. "It is a secret."',
        '"You have a secret," said {c}. {b} smiled and was silent.',
      }, { b = b, c = c, o = o })
    end
  end
  beats[#beats + 1] = function()
    w:scene({ a, b }, w:any_place())
    w:say({
      '"I need {o} now," said {a}, "but I forgot where I put it." {b} laughed. "It is {k.inside} {p.at}!"',
      '"Where did I hide {o}?" asked {a}. "{k.inside}," said {b}. "{p.at}, remember?"',
      '{a} could not remember where {o} was. But {b} could: it was {k.inside} {p.at}.',
    }, { a = a, b = b, o = o, k = k, p = p })
    o.fact_at = w.bytes
    w:log("told_place", { thing = o.short, inside = k.inside })
  end
  beats[#beats + 1] = function()
    w:scene({ a }, p)
    local first = w:say({
      "{a} opened {k} and took out {o}.", "{a} looked {k.inside}. There it was! {a} took {o} out.",
      "Slowly {a} opened {k}. {o} was still inside, and {a} took it.",
    }, { a = a, o = o, k = k })
    w:moved(o, a, first, "take")
    first = w:say({ '"{b} is a true friend," thought {a}. {a.he} was grateful.', "{a} was grateful that {b} had kept the secret." },
      { a = a, b = b })
    w:feels(a, "grateful", first)
  end
  return { things = { o }, people = { a, b }, beats = beats }
end

-- A locked chest, a key with somebody else, something inside.
function M.locked(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  if not b or #w.containers >= 7 or w.names_used.key then return end
  local key, treasure = w:new_thing { noun = "key" }, w:new_thing()
  local p = w:any_place()
  local k = w:new_container(p)
  return { things = { key, treasure }, people = { a, b }, beats = {
    function()
      w:scene({ b }, w:any_place(p))
      introduce(w, b, key)
      w:say({ '"I wonder what it opens," said {b}.', "Nobody knew what it opened.", "{b} had found it long ago." }, { b = b })
    end,
    function()
      w:scene({ a }, p)
      w:say({
        "{a} found {k.a}. It was locked. {a} pulled and pushed, but it did not open.",
        "In a dark corner stood {k.a}. {a} tried to open it, but it was locked.",
        '"What is in there?" said {a} and knocked on {k.a}. But it was locked.',
      }, { a = a, k = k })
      w:say({ "{a} needed a key.", '"I need a key," said {a}.', "Without a key nobody could open it." }, { a = a })
      local first = w:say({ "{a} was curious.", "That made {a} curious.", "Now {a} was very curious." }, { a = a })
      w:feels(a, "curious", first)
    end,
    function()
      w:scene({ a, b }, w:any_place(p))
      local first = w:say({
        '"I found {k.a} {p.at}," said {a}, "but it is locked." "Maybe my key fits," said {b}, and gave {key} to {a}.',
        '{a} told {b} about {k} {p.at}. {b} thought of {key} and gave it to {a}. "Try this," said {b}.',
        '"Do you have a key?" asked {a}. "Yes," said {b}. "Take {key}. You can keep it." And {a} took it.',
      }, { a = a, b = b, k = k, p = p, key = key })
      w:moved(key, a, first, "give")
    end,
    function()
      w:scene({ a }, p)
      local first = w:say({
        "{a} put {key} into the lock and turned it. Click! {k} was open. Inside lay {treasure.a}. {a} took it.",
        "The lock was old, but {key} fitted. {a} opened {k} and found {treasure.a}. {a.he} took it out with both hands.",
        "With {key}, {a} opened {k}. There was {treasure.a} inside! {a} took it and held it up to the light.",
      }, { a = a, k = k, key = key, treasure = treasure })
      w:moved(treasure, a, first, "own")
      first = w:say({ '"What a day!" said {a}. {a.he} was excited.', "{a} was so excited that {a.he} danced." }, { a = a })
      w:feels(a, "excited", first)
    end,
    function()
      w:scene({ a, b }, w:any_place(p))
      if w.random:chance(0.5) then
        local first = w:say({
          '"Without your key I could not have opened {k}," said {a}. "{treasure} is for you." {a} gave it to {b}.',
          '{a} gave {treasure} to {b}. "It was your key that opened {k}," said {a}. "So it is yours."',
        }, { a = a, b = b, k = k, treasure = treasure })
        w:moved(treasure, b, first, "give")
        first = w:say({ "{b} was happy.", "Now it was {b} who was happy." }, { b = b })
        w:feels(b, "happy", first)
      else
        local first = w:say({
          '"Look, {treasure} was inside," said {a}. "Here is your key." {a} gave {key} back to {b}.',
          '{a} showed {b} {treasure} and gave {key} back to {b.him}. "It opened {k}," said {a}.',
        }, { a = a, b = b, k = k, key = key, treasure = treasure })
        w:moved(key, b, first, "give")
        first = w:say({ "{b} was proud of the old key.", "{b} was proud that {key} had opened it." }, { b = b, key = key })
        w:feels(b, "proud", first)
      end
    end,
  } }
end

-- Two want the same thing; a third helps them to share.
function M.quarrel(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  local c = b and w:free_person { [a] = true, [b] = true }
  if not c then return end
  local o, new = thing_of(w, a)
  return { things = { o }, people = { a, b, c }, beats = {
    function()
      w:scene({ a, b }, w:any_place())
      if new then introduce(w, a, o) end
      w:say({ '"Give me {o}!" said {b}. "No, it is mine," said {a}.', '"I want to have {o} too," said {b}. {a} shook {a.his} head.',
        '"You always keep {o} for yourself," said {b} to {a}.' }, { a = a, b = b, o = o })
      local first = w:say({ "{b} was angry and ran away.", "{b} was angry. {b.he} said no more and left.", "They shouted, and {b} was angry." },
        { b = b })
      w:feels(b, "angry", first)
      w.present = { a }
    end,
    function()
      w:scene({ b, c }, w:any_place())
      w:say({
        '"Why are you angry?" asked {c}. "{a} has {o} and does not share it," said {b}.',
        '{b} told {c} everything. "{a} keeps {o} and I get nothing," said {b}.',
        '"{a} has {o}," said {b}, "and I never have anything." {c} listened.',
      }, { a = a, b = b, c = c, o = o })
      o.fact_at = w.bytes
      w:log("told_holder", { thing = o.short, person = a.name })
      w:say({ '"Things are more fun together," said {c}.', '"Let us talk to {a}," said {c}.', '"I have an idea," said {c}.' }, { a = a, c = c })
    end,
    function()
      w:scene({ a, b, c }, w:any_place())
      local first = w:say({
        '"{a} had it first," said {c}. "Now {b} may have it until tomorrow." {a} thought for a while. Then {a.he} gave {o} to {b}.',
        '"You can take turns," said {c}. That was fair. {a} gave {o} to {b}. "Now it is your turn," said {a}.',
        '"A friend is worth more than {o}," said {c}. {a} nodded and gave it to {b}.',
      }, { a = a, b = b, c = c, o = o })
      w:moved(o, b, first, "give")
      first = w:say({ '"I am sorry," said {b}. {b} was not angry any more. {b.he} was happy.', "{b} said thank you, and {b.he} was happy." }, { b = b })
      w:feels(b, "happy", first)
    end,
  } }
end

-- Broken by accident, hidden, confessed, forgiven.
function M.broken(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  if not b then return end
  local o, new = thing_of(w, a)
  for _, noun in ipairs(words.soft) do
    if o.noun == noun then return end
  end
  local p = w:any_place()
  return { things = { o }, people = { a, b }, beats = {
    function()
      w:scene({ a, b }, p)
      if new then introduce(w, a, o) end
      local first = w:say({
        '"Hold {o} for me," said {a} and gave it to {b}.', "{a} gave {o} to {b}, who wanted to look at it.",
        '{a} went to get some water. "Please hold {o}," {a.he} said, and {b} took it.',
      }, { a = a, b = b, o = o })
      w:moved(o, b, first, "give")
      w:say({ "But {b} let it fall. Crack! It was broken.", "{b} played with it, and suddenly it broke.",
        "It slipped out of {b.s} hands and broke." }, { b = b })
      first = w:say({ "{b} put it in {b.his} bag and said nothing. {b.he} was ashamed.", "{b} was ashamed and told nobody." }, { b = b })
      w:feels(b, "ashamed", first)
    end,
    function()
      w:scene({ b }, w:any_place(p))
      w:say({ "{b} could not sleep. {b.he} thought of {o}.", "{b} looked at the broken thing. {o} had been so pretty.",
        '"I must tell {a} the truth about {o}," thought {b}.' }, { a = a, b = b, o = o })
    end,
    function()
      w:scene({ b, a }, w:any_place())
      local first = w:say({
        '"I broke {o}," said {b}. "I am sorry." {b} gave it back to {a}.',
        '{b} held out {o}. "It broke, and I did not tell you," said {b}. {a} took it.',
      }, { a = a, b = b, o = o })
      w:moved(o, a, first, "give")
      w:say({ '"Thank you for telling me the truth," said {a}. "We can fix it." And they fixed it with glue.',
        '{a} was silent for a moment. Then {a.he} said, "You were honest. That is worth more." Together they mended it.' }, { a = a })
      first = w:say({ "{b} felt light again, and {b} was proud.", "{b} was proud that {b.he} had told the truth." }, { b = b })
      w:feels(b, "proud", first)
    end,
  } }
end

-- A present, kept with a friend until the day.
function M.gift(w)
  local a = w:free_person()
  local b = a and w:free_person { [a] = true }
  local c = b and w:free_person { [a] = true, [b] = true }
  if not c then return end
  local o = w:new_thing()
  return { things = { o }, people = { a, b, c }, beats = {
    function()
      w:scene({ a }, w:any_place())
      local first = w:say({
        "It was almost {b.s} birthday. {a} had made {o.a} for {b.him}, and it had taken all week.",
        "{a} had bought {o.a}. It was a present for {b}, but {b} did not know.",
        "{a} wanted to surprise {b}. So {a.he} made {o.a} for {b.his} birthday.",
      }, { a = a, b = b, o = o })
      w:moved(o, a, first, "own")
    end,
    function()
      w:scene({ a, c }, w:any_place())
      local first = w:say({
        '"Please keep {o} for me," said {a}. "{b} must not see it." {c} took it and hid it in a bag.',
        '{a} gave {o} to {c}. "It is a secret," said {a}. "It is for {b}."',
      }, { a = a, b = b, c = c, o = o })
      w:moved(o, c, first, "give")
    end,
    function()
      w:scene({ a, b }, w:any_place())
      w:say({ '"Is there a secret?" asked {b}. "Maybe," said {a}, and smiled.', '"You look so strange," said {b}. {a} laughed and said nothing.',
        '{b} asked many questions, but {a} did not tell.' }, { a = a, b = b })
    end,
    function()
      local p = w:any_place()
      w:scene({ c, b }, p)
      w:say({ "It was {b.s} birthday.", 'It was the day! "Happy birthday, {b}!" said {c}.' }, { b = b, c = c })
      local first = w:say({
        '{c} took out {o} and gave it to {b}. "This is from {a}," said {c}.',
        '"{a} made this for you," said {c}, and gave {o} to {b}.',
      }, { a = a, b = b, c = c, o = o })
      w:moved(o, b, first, "give")
      first = w:say({ "{b} was surprised.", "{b} was so surprised that {b.he} could not speak." }, { b = b })
      w:feels(b, "surprised", first)
    end,
  } }
end

return M
