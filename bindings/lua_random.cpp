// Module rmkv.random: counter-based random numbers (core/base/random.h).
#include "bindings/bind.h"
#include "bindings/modules.h"
#include "core/base/error.h"
#include "core/base/random.h"

namespace rmkv::lua {

template <>
const Class& class_of<RandomStream>() {
  static const Class type{"Random",
                          "random numbers as a function of (seed, purpose, step, position)"};
  return type;
}

namespace {

int stream(Call& c) {
  return c.push_new(RandomStream(static_cast<uint64_t>(c.integer(1)), c.text(2),
                                 static_cast<uint64_t>(c.integer(3, 0)),
                                 static_cast<uint64_t>(c.integer(4, 0))));
}

int uniform(Call& c) {
  return c.push(c.object<RandomStream>(1).uniform());
}
int normal(Call& c) {
  return c.push(c.object<RandomStream>(1).normal());
}
int below(Call& c) {
  return c.push(c.object<RandomStream>(1).below(static_cast<uint64_t>(c.integer(2))));
}

int integer(Call& c) {
  int64_t low = c.integer(2), high = c.integer(3);
  if (high < low) fail("high", std::to_string(high), "at least " + std::to_string(low));
  return c.push(low + static_cast<int64_t>(
                          c.object<RandomStream>(1).below(static_cast<uint64_t>(high - low) + 1)));
}

int choice(Call& c) {
  auto size = static_cast<uint64_t>(lua_objlen(c.L, 2));
  if (size == 0) fail("list", "an empty list", "at least one item");
  lua_rawgeti(c.L, 2, static_cast<int>(c.object<RandomStream>(1).below(size)) + 1);
  return 1;
}

// Fisher-Yates on a copy.
int shuffle(Call& c) {
  auto& random = c.object<RandomStream>(1);
  int size = static_cast<int>(lua_objlen(c.L, 2));
  lua_createtable(c.L, size, 0);
  for (int i = 1; i <= size; ++i) {
    lua_rawgeti(c.L, 2, i);
    lua_rawseti(c.L, -2, i);
  }
  for (int i = size; i > 1; --i) {
    int j = static_cast<int>(random.below(static_cast<uint64_t>(i))) + 1;
    lua_rawgeti(c.L, -1, i);
    lua_rawgeti(c.L, -2, j);
    lua_rawseti(c.L, -3, i);
    lua_rawseti(c.L, -2, j);
  }
  return 1;
}

int position(Call& c) {
  return c.push(c.object<RandomStream>(1).position());
}

int seek(Call& c) {
  c.object<RandomStream>(1).seek(static_cast<uint64_t>(c.integer(2)));
  return 0;
}

int permuted(Call& c) {
  int64_t index = c.integer(1), size = c.integer(2);
  if (index > size) fail("index", std::to_string(index), "1 .. " + std::to_string(size));
  return c.push(permuted_index(static_cast<uint64_t>(index - 1), static_cast<uint64_t>(size),
                               static_cast<uint64_t>(c.integer(3)), c.text(4),
                               static_cast<uint64_t>(c.integer(5, 0))) +
                1);
}

constexpr double kMaxSeed = 9007199254740992.0;  // 2^53: whole numbers are exact up to here

}  // namespace

Module random_module() {
  return {.name = "rmkv.random",
          .doc = "random numbers that depend on nothing but (seed, purpose, step, position)",
          .functions =
              {
                  {.name = "rmkv.random.stream",
                   .doc = "Makes a stream of random numbers; equal arguments give equal numbers.",
                   .args = {{"seed", "integer", "", "", 0, kMaxSeed},
                            {"purpose", "string", "streams of different purposes are independent"},
                            {"step", "integer?", "", "0", 0, kMaxSeed},
                            {"position", "integer?", "words already taken", "0", 0, kMaxSeed}},
                   .returns = {{"", "Random", ""}},
                   .call = stream},
                  {.name = "rmkv.random.permuted",
                   .doc = "Returns the place of an index in a random permutation of 1..size, "
                          "without a table.",
                   .args = {{"index", "integer", "", "", 1},
                            {"size", "integer", "", "", 1, kMaxSeed},
                            {"seed", "integer", "", "", 0, kMaxSeed},
                            {"purpose", "string", ""},
                            {"epoch", "integer?", "", "0", 0}},
                   .returns = {{"", "integer", "1 .. size"}},
                   .call = permuted,
                   .errors = "when the index is beyond the size"},
                  {.name = "Random:uniform",
                   .doc = "Draws a number from [0, 1).",
                   .args = {},
                   .returns = {{"", "number", ""}},
                   .call = uniform},
                  {.name = "Random:normal",
                   .doc = "Draws a normal number, mean 0, deviation 1.",
                   .args = {},
                   .returns = {{"", "number", ""}},
                   .call = normal},
                  {.name = "Random:below",
                   .doc = "Draws a whole number from 0 to bound - 1.",
                   .args = {{"bound", "integer", "", "", 1, kMaxSeed}},
                   .returns = {{"", "integer", ""}},
                   .call = below},
                  {.name = "Random:integer",
                   .doc = "Draws a whole number from low to high, both included.",
                   .args = {{"low", "integer", ""}, {"high", "integer", ""}},
                   .returns = {{"", "integer", ""}},
                   .call = integer,
                   .errors = "when high is below low"},
                  {.name = "Random:choice",
                   .doc = "Draws an item of a list.",
                   .args = {{"list", "list", ""}},
                   .returns = {{"", "any", ""}},
                   .call = choice,
                   .errors = "when the list is empty"},
                  {.name = "Random:shuffle",
                   .doc = "Returns a shuffled copy of a list.",
                   .args = {{"list", "list", ""}},
                   .returns = {{"", "list", ""}},
                   .call = shuffle},
                  {.name = "Random:position",
                   .doc = "Returns the number of 64-bit words taken.",
                   .args = {},
                   .returns = {{"", "integer", ""}},
                   .call = position},
                  {.name = "Random:seek",
                   .doc = "Moves the stream to a position.",
                   .args = {{"position", "integer", "", "", 0, kMaxSeed}},
                   .returns = {},
                   .call = seek},
              },
          .classes = {&class_of<RandomStream>()}};
}

}  // namespace rmkv::lua
