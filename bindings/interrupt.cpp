// Signal handlers: they set flags and arm a hook, nothing else.
#include "bindings/interrupt.h"

#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "core/base/cancel.h"

namespace rmkv::lua {

namespace {

enum Stop { kNone, kInterrupt, kTerminate };

std::atomic<lua_State*> g_state{nullptr};
std::atomic<int> g_stop{kNone};
std::atomic<bool> g_pending{false};
std::atomic<bool> g_deferred{false};
std::atomic<bool> g_polled{false};
std::atomic<bool> g_terminated{false};
std::atomic<int64_t> g_last_ms{-1000000};
termios g_terminal;
bool g_have_terminal = false;

int64_t now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // async-signal-safe
  return int64_t{1000} * now.tv_sec + now.tv_nsec / 1000000;
}

void raise_interrupted(lua_State* L, lua_Debug*) {
  if (!g_pending) {
    lua_sethook(L, nullptr, 0, 0);
    return;
  }
  luaL_where(L, 0);
  lua_pushliteral(L, "interrupted");
  lua_concat(L, 2);
  lua_error(L);
}

// LuaJIT's own program arms a hook from its signal handler in the same way (src/luajit.c, laction);
// but no call hook here: it would fire on entry to the error handler of an interruption that a
// bound function raises.
void arm(lua_State* L) {
  g_pending = true;
  if (L) lua_sethook(L, raise_interrupted, LUA_MASKCOUNT, 1);
}

// Two seconds: the time in which a second Ctrl-C means "now".
constexpr int64_t kSecondPressMs = 2000;

void on_interrupt(int) {
  int64_t now = now_ms();
  if (now - g_last_ms.exchange(now) < kSecondPressMs) {
    if (g_have_terminal) tcsetattr(STDIN_FILENO, TCSANOW, &g_terminal);
    _exit(130);
  }
  if (g_deferred) {
    g_stop = kInterrupt;
    return;
  }
  request_cancel();
  arm(g_state);
}

void on_terminate(int) {
  g_stop = kTerminate;
  if (g_polled) return;
  // Nobody asks: end the recipe like an interruption.
  g_terminated = true;
  request_cancel();
  arm(g_state);
}

void install(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  // Interrupted reads and sleeps return, so that a recipe waiting for input ends too.
  action.sa_flags = 0;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signal_handlers(lua_State* L) {
  g_state = L;
  g_have_terminal = tcgetattr(STDIN_FILENO, &g_terminal) == 0;
  install(SIGINT, on_interrupt);
  install(SIGTERM, on_terminate);
}

bool takes_interrupts(lua_State* L) {
  lua_State* chosen = g_state;
  return chosen == nullptr || chosen == L;
}

bool interrupt_pending() {
  return g_pending;
}

void mark_interrupted(lua_State* L) {
  arm(L);
}

void clear_interrupt(lua_State* L) {
  clear_cancel();
  // Dealt with: the next Ctrl-C is a first one again.
  g_last_ms = -1000000;
  g_pending = false;
  lua_sethook(L, nullptr, 0, 0);
}

void defer_interrupts(bool on) {
  g_deferred = on;
}

const char* stop_reason() {
  g_polled = true;
  int stop = g_stop;
  return stop == kNone ? nullptr : stop == kInterrupt ? "interrupt" : "terminate";
}

void clear_stop_reason() {
  g_stop = kNone;
}

int interrupt_exit_status() {
  return g_terminated ? 143 : 130;
}

}  // namespace rmkv::lua
