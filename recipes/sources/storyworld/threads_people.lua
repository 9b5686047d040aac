-- Plots about people: promises, fears, illness, a pet that ran away, wishes, contests, sharing food, quarrels mended.
--
-- Beats as in threads.lua.  What is said early (a promise, a fear, a pet's name, a number of apples) decides what
-- must be said later.
local words = require "sources.storyworld.words"

local M = {}

-- Promised, almost forgotten, done or broken and made good.
function M.promise(w)
  local a = w:free_person(nil, function(x) return not x.promise end)
  local b = a and w:free_person { [a] = true }
  if not b then return end
  local i = w.random:int(#words.deeds)
  local deed, done = words.deeds[i], words.deeds_done[i]
  local kept = w.random:chance(0.7)
  local c = w:free_person { [a] = true, [b] = true }
  local beats = {
    function()
      w:scene({ a, b }, w:any_place())
      local first = w:say({
        '"I will {deed} for you," {a} promised {b}.', '"Can you {deed} for me?" asked {b}. "I promise," said {a}.',
        '{b} needed help. "I promise to {deed}," said {a}.',
      }, { a = a, b = b, deed = deed })
      w:fact(a, "promise", deed, first)
      w:fact(a, "promised_to", b.name, first)
      w:say({ "{b} was glad to hear it.", '"I count on you," said {b}.', "They shook hands." }, { b = b })
    end,
  }
  if c then
    beats[#beats + 1] = function()
      w:scene({ c, a }, w:any_place())
      w:say({ '"Come and play with me," said {c}. {a} wanted to play very much.', '{c} had a new game, and {a} forgot the time.',
        '"Are you coming along?" asked {c}.' }, { a = a, c = c })
      w:say({
        'But then {a} remembered the promise. "I promised {b} to {deed}," said {a}.',
        'Then {a} thought of {b}. "I must {deed}, I promised it," said {a}.',
        '"Later," said {a}. "First I have to {deed}. I gave my word to {b}."',
      }, { a = a, b = b, deed = deed })
      a.seen.promise = w.bytes
    end
  end
  if kept then
    beats[#beats + 1] = function()
      w:scene({ a, b }, w:any_place())
      local first = w:say({ "{a} kept the promise and {done} for {b}.", "{a} had promised it, and {a.he} {done} for {b}.",
        '"A promise is a promise," said {a}, and {done}.' }, { a = a, b = b, done = done })
      w:fact(a, "promise", nil, first)
      first = w:say({ "{b} was happy.", '"I knew you would do it," said {b}. {b} was happy.' }, { b = b })
      w:feels(b, "happy", first)
      first = w:say({ "{a} was proud.", "And {a} was proud." }, { a = a })
      w:feels(a, "proud", first)
    end
  else
    beats[#beats + 1] = function()
      w:scene({ b }, w:any_place())
      local first = w:say({ "{b} waited and waited, but {a} did not come. {b} was sad.",
        'Nobody came. "{a} promised to {deed}," said {b}, and was sad.' }, { a = a, b = b, deed = deed })
      w:feels(b, "sad", first)
      a.seen.promise = w.bytes
    end
    beats[#beats + 1] = function()
      w:scene({ a, b }, w:any_place())
      local first = w:say({
        '"I forgot my promise," said {a}. "I am sorry." Then {a.he} {done} after all.',
        '{a} had broken the promise. "Forgive me," said {a}, and {done} for {b} at once.',
      }, { a = a, b = b, done = done })
      w:fact(a, "promise", nil, first)
      first = w:say({ "{b} was no longer sad. {b} was glad.", '"Better late than never," said {b}, and was glad.' }, { b = b })
      w:feels(b, "glad", first)
    end
  end
  return { things = {}, people = { a, b }, beats = beats }
end

-- Afraid of something; a friend lends a thing that helps; afterwards brave.
function M.afraid(w)
  local a = w:free_person(nil, function(x) return not x.fear end)
  local b = a and w:free_person { [a] = true }
  if not b then return end
  local fear = w:unused(words.fears)
  local o = w:free_thing(b)
  local new = not o
  if new then o = w:new_thing { noun = not w.names_used.lantern and "lantern" or nil } end
  return { things = { o }, people = { a, b }, beats = {
    function()
      w:scene({ a }, w:any_place())
      local first = w:say({ "{a} did not want to go on. {a.he} was afraid of {fear}.", "{a} was afraid of {fear}, but {a.he} told nobody.",
        'There was one thing that {a} did not like. {a} was afraid of {fear}.' }, { a = a, fear = fear })
      w:fact(a, "fear", fear, first)
      w:feels(a, "afraid", first)
    end,
    function()
      w:scene({ a, b }, w:any_place())
      w:say({ '"Can I tell you a secret?" asked {a}. "I am afraid of {fear}." {b} did not laugh.',
        '"Why are you so quiet?" asked {b}. "Because of {fear}," said {a} softly.' }, { a = a, b = b, fear = fear })
      a.seen.fear = w.bytes
      if new then
        local first = w:say({ "{b} had {o.a}.", "{b} opened a bag and there was {o.a}." }, { b = b, o = o })
        w:moved(o, b, first, "own")
      end
      local first = w:say({ '"Take {o}," said {b}. "It always helps me." {a} took it.',
        '{b} gave {o} to {a}. "With this you will be brave," said {b}.' }, { a = a, b = b, o = o })
      w:moved(o, a, first, "give")
    end,
    function()
      w:scene({ a }, w:any_place())
      w:say({ "There it was again: {fear}. {a} held {o} in {a.his} hand and took a deep breath.",
        "{a} thought of {fear} and held {o} very tight.", 'Then came {fear}. "I have {o}," said {a} to {a.himself}.' },
        { a = a, o = o, fear = fear })
      a.seen.fear = w.bytes
      o.fact_at = w.bytes
      local first = w:say({ "Step by step {a} went on, and nothing bad happened. {a} was brave now.",
        "And see, it was not so bad. {a} was brave." }, { a = a })
      w:fact(a, "fear", nil, first)
      w:feels(a, "brave", first)
    end,
    function()
      w:scene({ a, b }, w:any_place())
      local first = w:say({ '{a} gave {o} back to {b}. "I am not afraid of {fear} any more," said {a}.',
        '"Here is {o}," said {a} to {b} and gave it back. "It helped me."' }, { a = a, b = b, o = o, fear = fear })
      w:moved(o, b, first, "give")
      first = w:say({ "{a} was proud.", "{b} smiled, and {a} was proud." }, { a = a, b = b })
      w:feels(a, "proud", first)
    end,
  } }
end

-- The pet has run away; two places in vain, then found.
function M.pet(w)
  local a = w:free_person(nil, function(x) return x.pet and not x.elder end)
  local b = a and w:free_person { [a] = true }
  if not b or (w.frozen[a] and w.frozen[a].pet) then return end
  local p = w:any_place()
  local q = w:any_place(p)
  a.busy_pet = true
  return { things = {}, people = { a, b }, beats = {
    function()
      w:scene({ a }, w:any_place(q))
      w:say({ '"{a.pet}! {a.pet}!" called {a}. But the {a.petkind} did not come.', "{a.pet} the {a.petkind} was gone. {a} called and called.",
        "The door was open, and {a.pet} the {a.petkind} had run away." }, { a = a })
      local first = w:say({ "{a} was worried.", "{a} was worried and wanted to look for {a.pet}." }, { a = a })
      w:feels(a, "worried", first)
    end,
    function()
      w:scene({ a, b }, p)
      w:say({ '"Have you seen my {a.petkind}?" asked {a}. "No," said {b}, "but I will help you."',
        '"{a.pet} has run away," said {a}. "Then we look together," said {b}.' }, { a = a, b = b })
      w:say({ "They looked behind every bush, but {a.pet} was not there.", "They called its name, but nothing moved.",
        "There was no {a.petkind} {p.at}." }, { a = a, p = p })
    end,
    function()
      w:scene({ a, b }, q)
      w:say({ "There was a small sound. It was {a.pet}! The {a.petkind} sat {spot} and looked up.",
        "And there sat {a.pet} the {a.petkind}, {spot}, as if nothing had happened." }, { a = a, spot = w.random:pick(words.spots) })
      local first = w:say({ "{a} took the {a.petkind} in {a.his} arms and was happy.", "{a} was happy. {b} was glad too." }, { a = a, b = b })
      w:feels(a, "happy", first)
      a.busy_pet = nil
    end,
  } }
end

-- A wish told to one friend, remembered by the friend at the right moment.
function M.wish(w)
  local a = w:free_person(nil, function(x) return not x.wish and not x.elder end)
  local b = a and w:free_person { [a] = true }
  if not b then return end
  local wish = w:unused(words.wishes)
  local o = w:new_thing()
  return { things = { o }, people = { a, b }, beats = {
    function()
      w:scene({ a, b }, w:any_place())
      local first = w:say({ '"I will tell you my secret wish," said {a}. "I want {wish}."', '"What do you wish for?" asked {b}. "I want {wish}," said {a}.',
        '{a} looked up at the clouds. "One day I want {wish}," {a.he} told {b}.' }, { a = a, b = b, wish = wish })
      w:fact(a, "wish", wish, first)
      w:say({ "{b} did not forget it.", '"That is a good wish," said {b}.', "{b} listened and nodded." }, { b = b })
    end,
    function()
      w:scene({ b }, w:any_place())
      local first = w:say({ "A man was selling old things. {b} saw {o.a} and thought of {a}, who wanted {wish}. {b} bought it.",
        '{b} found {o.a}. "{a} wants {wish}," thought {b}. "This is just right." And {b} took it along.' },
        { a = a, b = b, o = o, wish = wish })
      a.seen.wish = w.bytes
      w:moved(o, b, first, "own")
    end,
    function()
      w:scene({ a, b }, w:any_place())
      local first = w:say({ '"You told me that you want {wish}," said {b}. "So this is for you." {b} gave {o} to {a}.',
        '{b} gave {o} to {a}. "For your wish," said {b}. "You want {wish}, remember?"' }, { a = a, b = b, o = o, wish = wish })
      a.seen.wish = w.bytes
      w:moved(o, a, first, "give")
      first = w:say({ "{a} was grateful.", "{a} was grateful that {b} had not forgotten." }, { a = a, b = b })
      w:feels(a, "grateful", first)
    end,
  } }
end

-- A race; the winner gets a prize.
function M.contest(w)
  local a = w:free_person(nil, function(x) return not x.elder end)
  local b = a and w:free_person({ [a] = true }, function(x) return not x.elder end)
  local c = b and w:free_person { [a] = true, [b] = true }
  if not c then return end
  local o = w:new_thing()
  local p = w:any_place()
  local winner, loser = a, b
  if w.random:chance(0.5) then winner, loser = b, a end
  return { things = { o }, people = { a, b, c }, beats = {
    function()
      w:scene({ a, b, c }, w:any_place())
      local first = w:say({ '{c} had {o.a}. "Who is the first to reach {p} tomorrow gets it," said {c}.',
        '"There will be a race to {p}," said {c}. "The prize is {o.a}." And {c} held it up.' }, { c = c, o = o, p = p })
      w:moved(o, c, first, "own")
      w:say({ '"I will win," said {a}. "No, I will win," said {b}.', "{a} and {b} looked at each other and laughed." }, { a = a, b = b })
    end,
    function()
      w:scene({ a, b, c }, p)
      w:say({ "{a} and {b} ran as fast as they could. First {loser} was in front, but at the last moment {winner} ran past.",
        "One, two, three, go! {winner} ran like the wind, and {loser} came right behind.",
        "They ran over stones and roots. {loser} fell, stopped and got up again. {winner} was first." }, { a = a, b = b, winner = winner, loser = loser })
      local first = w:say({ "{winner} won, and {c} gave {o} to {winner.him}.", '"{winner} has won," said {c}, and gave {o} to {winner.him}.' },
        { c = c, o = o, winner = winner })
      w:moved(o, winner, first, "give")
      first = w:say({ "{winner} was proud.", "{winner} was very proud." }, { winner = winner })
      w:feels(winner, "proud", first)
      first = w:say({ "But {loser} was sad.", "{loser} was a little sad." }, { loser = loser })
      w:feels(loser, "sad", first)
    end,
    function()
      w:scene({ winner, loser }, w:any_place())
      w:say({ '"You ran very well, {loser}," said {winner}. "Let us run again tomorrow."', '"I won, but it was close," said {winner}. "You are fast, {loser}."' },
        { winner = winner, loser = loser })
      local first = w:say({ "{loser} smiled and was glad.", "Then {loser} was glad." }, { loser = loser })
      w:feels(loser, "glad", first)
    end,
  } }
end

-- Fruit picked, given and eaten; the numbers must come out right.
function M.count(w)
  local a = w:free_person(nil, function(x) return not x.count end)
  local b = a and w:free_person { [a] = true }
  if not b then return end
  local food = w:unused(words.foods)
  w.foods_used = w.foods_used or {}
  if w.foods_used[food] then return end
  w.foods_used[food] = true
  local n = w.random:range(4, 12)
  local given = w.random:range(1, n - 2)
  local function amount(k) return words.numbers[k] .. " " .. food[k == 1 and 1 or 2] end
  return { things = {}, people = { a, b }, beats = {
    function()
      w:scene({ a }, w:any_place())
      local first = w:say({ "{a} got {n} from a farmer and put them in a bag.", "{a} had a bag with {n} in it.", "{a} counted: there were {n} in the bag." },
        { a = a, n = amount(n) })
      a.food = food
      w:fact(a, "count", n, first)
    end,
    function()
      w:scene({ a, b }, w:any_place())
      w:say({ '"I am hungry," said {b}.', "{b} had not eaten anything that day.", '"What is in your bag?" asked {b}.' }, { b = b })
      local first = w:say({ '"I have {n}," said {a}. "You can have {g}." So {a} had {l} left.',
        '{a} gave {g} to {b}. Now {a} had {l} left, and {b} had {g}.', '"Take {g}," said {a}. Of {n}, {l} were left for {a}.' },
        { a = a, b = b, n = amount(n), g = amount(given), l = amount(n - given) })
      w:fact(a, "count", n - given, first)
      first = w:say({ "{b} ate and was happy.", "{b} was happy and ate at once." }, { b = b })
      w:feels(b, "happy", first)
    end,
    function()
      w:scene({ a }, w:any_place())
      if n - given > 1 then
        local first = w:say({ "{a} ate one of the {l}. Now there were {m} in the bag.", "On the way one of the {l} fell out of the bag, and {a} had {m}." },
          { a = a, l = amount(n - given), m = amount(n - given - 1) })
        w:fact(a, "count", n - given - 1, first)
      end
    end,
  } }
end

-- In bed, and a friend brings what the sick one likes best.
function M.sick(w)
  local a = w:free_person(nil, function(x) return (x.threads or 0) == 0 end)
  local b = a and w:free_person { [a] = true }
  if not b or (w.frozen[a] and w.frozen[a].dish) then return end
  local home = w:any_place()
  a.busy = true
  return { things = {}, people = { a, b }, beats = {
    function()
      w:scene({ a }, home)
      local first = w:say({ "{a} did not feel well and lay down. {a} was tired and hot.", "{a} had a cold. {a.he} lay under a blanket and was tired." }, { a = a })
      w:feels(a, "tired", first)
    end,
    function()
      w:scene({ b }, w:any_place(home))
      w:say({ '"{a} is ill," thought {b}. "{a} likes {a.dish} more than anything. I will make some."',
        "{b} heard that {a} was ill. {b} knew what {a} liked best: {a.dish}." }, { a = a, b = b })
    end,
    function()
      w:scene({ a, b }, home)
      w:say({ '"I brought you {a.dish}," said {b}. {a} ate it all.', "{b} brought {a.dish}, and {a} ate with a big smile." }, { a = a, b = b })
      local first = w:say({ "Soon {a} was well again. {a} was grateful.", "The next day {a} could get up. {a} was grateful to {b}." }, { a = a, b = b })
      w:feels(a, "grateful", first)
      a.busy = false
    end,
  } }
end

return M
