// The one error type of rmkv and the words it is made of.
//
// Text form: "where: got X, expected Y" and, where there is a next step, a line "hint: ...".
// core/ throws and never prints; the program and the Lua bindings catch at one place each.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

// A mistake in what the caller gave us, or a failure of the world outside (file, memory, device).
// Our own broken invariants are assertions, not Errors.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// Ctrl-C or SIGTERM ended a call; what the call had finished stays valid.
class Interrupted : public Error {
 public:
  using Error::Error;
};

// Throws Error("where: got `got`, expected `expected`[\nhint: `hint`]").
[[noreturn]] void fail(std::string_view where, std::string_view got, std::string_view expected,
                       std::string_view hint = {});

// Throws Error("where: message[\nhint: `hint`]") where got/expected does not fit (a missing file, a
// full disk).
[[noreturn]] void fail_because(std::string_view where, std::string_view message,
                               std::string_view hint = {});

// Throws the failed invariant with its place: our own mistake, never the caller's.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
#define RMKV_ASSERT(condition) \
  ((condition) ? (void)0 : ::rmkv::assertion_failed(#condition, __FILE__, __LINE__))

// The candidate nearest to `name` by edit distance (Levenshtein with transpositions), or "" when
// none is close enough to be a likely slip (distance at most a third of the length, at least 1).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

// "unknown key 'x'; did you mean 'y'? (valid: a, b, c)": the text used for every closed set of
// names; of a large set a part.
std::string unknown_name_text(std::string_view kind, std::string_view name,
                              const std::vector<std::string>& valid);

}  // namespace rmkv
