-- The words of the storyworld: people, places, things, foods, animals, feelings.  Plain data, no grammar.
--
-- Few and everyday on purpose: about 1,500 different words in all stories together, so that a model of a million
-- parameters spends its capacity on who has the key, not on spelling.
local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

-- Phrases divided by commas or line ends.
local function phrases(text)
  local list = {}
  for phrase in text:gmatch "[^,\n]+" do
    phrase = phrase:match "^%s*(.-)%s*$"
    if phrase ~= "" then list[#list + 1] = phrase end
  end
  return list
end

local W = {}

W.girls = words [[Mira Anna Lily Rosa Ella Nora Ida Clara Sara June Eva Maya Lena Ruth Vera Tess Alma Zoe Iris Hana
  Molly Greta Emma Wanda]]
W.boys = words [[Tom Ben Finn Max Leo Sam Otto Paul Erik Hugo Noah Jack Milo Karl Adam Luke Oscar Theo Ivan Jonas
  Felix Peter Omar Nick]]
W.women = phrases "Grandma, Aunt Polly, Old Martha, Farmer Jane, Captain Lea, Doctor Wells, Teacher Ann, Baker Joan"
W.men = phrases "Grandpa, Uncle Joe, Old Simon, Farmer Dale, Captain Gray, Doctor Hill, Teacher Rob, Baker Will"

-- Places: preposition and noun; movement always says "went to the ...".
W.places = phrases [[in the kitchen, in the garden, at the mill, by the river, on the hill, in the barn, at the market,
  under the bridge, in the forest, by the lake, in the attic, in the cellar, at the school, in the library,
  at the harbor, in the tower, by the well, in the meadow, on the beach, at the bakery, in the stable, in the orchard,
  in the cave, at the inn, in the workshop, at the lighthouse, by the pond, in the square, at the station, at the farm]]

W.colors = words "red blue green yellow white black brown gray purple orange pink golden"
W.looks = words [[silver golden red blue green yellow white black old small wooden brass round heavy tiny painted shiny
  strange pretty striped]]
-- Things that fit in a bag.
W.things = words [[key map ring lantern book letter coin flute drum doll kite ball knife rope cup bell feather shell stone
  whistle brush mirror clock compass button ribbon candle spoon blanket boat necklace bottle pencil medal lamp
  puppet stamp magnet rattle crown horn pearl]]
-- Those of them that cannot break.
W.soft = words "map letter rope feather ribbon blanket coin stone ball button key"
-- Things that hold other things and stay where they are.
W.containers = words "box chest basket drawer jar sack cupboard trunk bucket pot barrel crate"
W.clothes = words "hat coat scarf cap shirt jacket belt cape sweater hood vest"

W.pets = words "dog cat goat pony rabbit duck hen parrot mouse donkey sheep turtle frog pig kitten puppy lamb goose"
W.pet_names = words [[Biscuit Pepper Daisy Rusty Shadow Clover Ginger Poppy Patch Honey Acorn Bean Pip Star Muffin Coco
  Lucky Smoky Maple Pebble Button Cloud Waffle Sunny]]

-- Countable foods: singular, plural.
W.foods = {
  { "apple", "apples" }, { "pear", "pears" }, { "plum", "plums" }, { "carrot", "carrots" }, { "egg", "eggs" },
  { "cake", "cakes" }, { "bun", "buns" }, { "nut", "nuts" }, { "cherry", "cherries" }, { "cookie", "cookies" },
  { "potato", "potatoes" }, { "onion", "onions" }, { "berry", "berries" }, { "peach", "peaches" }, { "pie", "pies" },
}
W.dishes = phrases [[apple pie, hot soup, honey cake, warm bread, plum jam, fried fish, potato stew, cheese, pancakes,
  roasted nuts, berry tart, rice with milk, carrot cake, bean soup, cherry pie, fresh rolls]]

W.traits = words "brave kind shy clever curious quiet cheerful stubborn careful honest gentle patient playful dreamy proud"
W.hobbies = phrases [[to climb trees, to read old books, to sing, to paint, to fish, to tell jokes, to bake bread,
  to watch the stars, to build things, to collect stones, to run fast, to dance, to draw maps, to plant flowers,
  to play the flute, to swim, to ride, to listen to stories, to carve wood, to feed the birds]]
W.homes = phrases [[in a small house by the river, in a red house on the hill, above the bakery, next to the school,
  in the old mill, on a farm, near the harbor, in a house with a blue door, behind the church, at the edge of the forest,
  over the inn, in a tower, near the station, by the lake, in a house with round windows, at the end of the long road]]
W.wishes = phrases [[to be a sailor, to see the sea, to fly like a bird, to learn to read, to build a boat,
  to have a garden, to become a doctor, to live in a tower, to find a treasure, to write a book, to climb the hill,
  to play in a band, to ride a horse, to become a baker, to meet a king, to visit the city]]
W.fears = phrases [[the dark, the storm, the deep water, the thunder, the old well, the big dog, the high wall, the black cave,
  the night, the cold wind, the strange noise, the deep forest, the fog, the tall tower]]
W.deeds = phrases [[bring a warm blanket, fix the broken fence, carry the wood, sweep the floor, feed the hens,
  bring fresh bread, water the flowers, paint the door, sing a song, read a story, bake a cake, mend the net,
  wash the windows, pick some apples, clean the lamp, find the lost sheep, light the fire, cook the soup]]
-- What a deed is once done, in the same order.
W.deeds_done = phrases [[brought a warm blanket, fixed the broken fence, carried the wood, swept the floor, fed the hens,
  brought fresh bread, watered the flowers, painted the door, sang a song, read a story, baked a cake, mended the net,
  washed the windows, picked some apples, cleaned the lamp, found the lost sheep, lit the fire, cooked the soup]]

W.moods = words "happy sad funny brave quiet gentle exciting"
W.numbers = words "one two three four five six seven eight nine ten eleven twelve"

-- Where something small lies unseen.
W.spots = phrases [[in the tall grass, between two stones, behind a bench, under a bush, next to the path, under the stairs,
  beside the wall, among the leaves, near the gate, on the wet ground]]
W.doings = phrases [[waiting, sitting on a bench, singing softly, sweeping the path, looking at the sky, resting,
  eating an apple, counting the birds, talking to a cat, mending a shirt, drinking tea, carving a stick]]

return W
