// The host from C++: values, handles, errors across the border, descriptors, Lua sources on
// threads.
#include <c10/util/Exception.h>

#include <csignal>
#include <set>
#include <thread>

#include "bindings/bind.h"
#include "bindings/completion.h"
#include "bindings/help.h"
#include "bindings/host.h"
#include "bindings/interrupt.h"
#include "bindings/lua_source.h"
#include "bindings/lua_value.h"
#include "bindings/runner.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using namespace rmkv::lua;

namespace {

bool holds(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

std::string failure_of(Host& host, const std::string& code) {
  Failure failure;
  return run_text(host, code, "=test", failure) ? "" : failure.message;
}

// Counts its destructions, to see that unwinding runs them.
struct Witness {
  explicit Witness(int& count) : count_(count) {}
  ~Witness() { ++count_; }
  int& count_;
};
int g_destroyed = 0;

int throw_standard(Call&) {
  throw std::runtime_error("standard trouble");
}
int throw_torch(Call&) {
  TORCH_CHECK(false, "torch trouble");
}
int raise_lua(Call& c) {
  Witness witness(g_destroyed);
  return luaL_error(c.L, "lua trouble");
}

}  // namespace

TEST_CASE("values go to Lua and back unchanged") {
  Host host(HostOptions{});
  Value value = Table{{"list", List{1, 2.5, "x", true}},
                      {"deep", Table{{"empty", List{}}}},
                      {"big", int64_t{1} << 60},
                      {"bytes", std::string("a\0b", 3)}};
  push_value(host.state(), value);
  CHECK(to_value(host.state(), -1, "value") == value);
}

TEST_CASE("every kind of failure becomes a Lua error and nothing is swallowed") {
  Host host(HostOptions{});
  const Function functions[] = {
      {.name = "rmkv.test.standard", .doc = "", .args = {}, .returns = {}, .call = throw_standard},
      {.name = "rmkv.test.torch", .doc = "", .args = {}, .returns = {}, .call = throw_torch},
      {.name = "rmkv.test.lua", .doc = "", .args = {}, .returns = {}, .call = raise_lua},
  };
  lua_State* L = host.state();
  lua_newtable(L);
  for (const Function& function : functions) {
    push_function(L, host, function);
    lua_setfield(L, -2, short_name(function.name).c_str());
  }
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  lua_insert(L, -2);
  lua_pushliteral(L, "bound");
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  CHECK(failure_of(host, "bound.standard()") == "test:1: rmkv.test.standard: standard trouble");
  std::string torch = failure_of(host, "bound.torch()");
  CHECK(holds(torch, "torch trouble"));
  CHECK_FALSE(holds(torch, "frame #"));
  g_destroyed = 0;
  CHECK(holds(failure_of(host, "bound.lua()"), "lua trouble"));
  CHECK(g_destroyed == 1);
  CHECK(failure_of(host, "local ok, m = pcall(bound.lua) assert(not ok and m:find 'lua trouble')")
            .empty());
  CHECK(failure_of(host,
                   "local co = coroutine.wrap(function() bound.standard() end) local ok = "
                   "pcall(co) assert(not ok)")
            .empty());
  CHECK(lua_gettop(L) == 0);
}

TEST_CASE("each descriptor is complete") {
  std::set<std::string> names;
  for (const Module& module : all_modules()) {
    CHECK_FALSE(module.doc.empty());
    for (const Function& function : module.functions) {
      INFO(function.name);
      CHECK(names.insert(function.name).second);
      CHECK(function.doc.size() > 3);
      CHECK(function.call != nullptr);
      CHECK_FALSE(function.since.empty());
      // A method belongs to a class that some module lists.
      if (!method_class(function).empty()) CHECK(find_class(method_class(function)) != nullptr);
      for (const Field& field : function.args) CHECK_FALSE(field.type.empty());
      CHECK(holds(function_help(function), function.name));
    }
  }
  CHECK(names.size() > 250);
}

TEST_CASE("the definitions for editors hold every function") {
  std::string text = meta_text();
  for (const Module& module : all_modules()) {
    for (const Function& function : module.functions) {
      if (short_name(function.name).rfind("__", 0) == 0 || is_property(function)) continue;
      INFO(function.name);
      CHECK(holds(text, "function " + function.name + "("));
    }
  }
}

TEST_CASE("traces hold Lua lines and their locals") {
  Host host(HostOptions{});
  Failure failure;
  CHECK_FALSE(run_text(
      host, "local function f(x)\n  local y = { x }\n  error 'stop'\nend\nlocal z = 3\nf(z)\n",
      "=test", failure));
  REQUIRE(failure.trace.size() == 2);
  CHECK(failure.trace[0].place == "test:3");
  CHECK(failure.trace[1].place == "test:6");
  REQUIRE(failure.trace[0].locals.size() == 2);
  CHECK(failure.trace[0].locals[1].name == "y");
  CHECK(failure.trace[0].locals[1].text == "{ 3 }");
}

TEST_CASE("bytecode is refused") {
  Host host(HostOptions{});
  Failure failure;
  CHECK_FALSE(run_text(host, "\033LJ\002", "=test", failure));
  CHECK(holds(failure.message, "bytecode"));
}

TEST_CASE("completion finds fields, methods and option keys without running code") {
  Host host(HostOptions{});
  lua_State* L = host.state();
  REQUIRE(luaL_dostring(L,
                        "return { x = rmkv.tensor.zeros(2), trap = setmetatable({}, { __index = "
                        "function() error 'ran' end }) }") == 0);
  int environment = lua_gettop(L);
  CHECK(complete(L, environment, "rmkv.tensor.zer").words == std::vector<std::string>{"zeros"});
  CHECK(complete(L, environment, "y = x:cum").words == std::vector<std::string>{"cumsum"});
  CHECK(complete(L, environment, "rmkv.data.stream { lan").words ==
        std::vector<std::string>{"lanes = "});
  CHECK(complete(L, environment, "rmkv.data.stream { lanes = 2, seg").words ==
        std::vector<std::string>{"segment_tokens = "});
  CHECK(complete(L, environment, "trap.any").words.empty());
  CHECK(common_prefix({"lane", "lanes", "land"}) == "lan");
}

TEST_CASE("a Lua source gives the same documents on any thread") {
  TemporaryFolder folder;
  std::string path = folder / "source.lua";
  write_file_atomic(path,
                    "local M = { count = 50, defaults = { word = 'x' } }\n"
                    "function M.document(index, seed, options)\n"
                    "  return options.word:rep(index % 7 + 1) .. seed, { { 1, 1 } }\n"
                    "end\n"
                    "return M\n");
  LuaSource source("s", path, "", 9, {{"word", "ab"}});
  CHECK(source.document_count() == 50);
  Document first = source.document(0);
  CHECK(first.text == "abab9");
  REQUIRE(first.loss_spans.size() == 1);
  CHECK(first.loss_spans[0].begin == 0);
  CHECK(first.loss_spans[0].end == 1);
  std::vector<std::string> texts[4];
  std::vector<std::thread> threads;
  for (auto& list : texts) {
    threads.emplace_back([&source, &list] {
      for (uint64_t i = 0; i < 50; ++i) list.push_back(source.document(i).text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& list : texts) CHECK(list == texts[0]);
  CHECK_THROWS_AS(LuaSource("s", path, "", 9, {{"wrd", "ab"}}), Error);
}

TEST_CASE("faulty Lua sources say where") {
  TemporaryFolder folder;
  std::string path = folder / "source.lua";
  auto reason = [&](const std::string& code) -> std::string {
    write_file_atomic(path, code);
    try {
      LuaSource("s", path, "", 1, {}).document(2);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(holds(reason("return {"), "source.lua"));
  CHECK(holds(reason("return {}"), "document(index, seed, options)"));
  CHECK(holds(reason("return 5"), "document(index, seed, options)"));
  CHECK(holds(reason("return { document = function() return 5 end }"), "document 3"));
  CHECK(holds(reason("return { document = function() error 'broken' end }"), "broken"));
  CHECK(holds(reason("return { document = function() return 'abc', { { 2, 9 } } end }"), "1 .. 3"));
  CHECK(holds(reason("return { count = 0.5, document = function() return '' end }"), "count"));
}

TEST_CASE("Ctrl-C reaches the recipe although workers run Lua in between") {
  Host host(HostOptions{}), worker(HostOptions{});
  install_signal_handlers(host.state());
  std::raise(SIGINT);
  std::string in_worker = "not run";
  std::thread([&] { in_worker = failure_of(worker, "return rmkv.system.clock()"); }).join();
  CHECK(in_worker == "");
  CHECK(interrupt_pending());
  Failure failure;
  CHECK_FALSE(run_text(host, "while true do end", "=test", failure));
  CHECK(failure.interrupted);
  CHECK_FALSE(interrupt_pending());
  // As it was for the other tests.
  install_signal_handlers(nullptr);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}
