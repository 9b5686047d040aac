// Ctrl-C and SIGTERM: from the signal to the Lua error that ends the running call.
//
// The first Ctrl-C sets the flag of core/base/cancel.h, which long C++ loops and every bound call
// poll, and arms a hook that raises "interrupted" at the next Lua instruction.  The hook stays
// armed, so that a pcall on the way cannot swallow it, until `clear_interrupt`.  A second Ctrl-C
// within 2 s ends the process with 130.
//
// Debian's LuaJIT is built without CHECKHOOK: compiled loops never look at hooks.  The host
// therefore runs recipes in the interpreter (host.cpp); a recipe that calls jit.on() trades this
// for speed.
#pragma once

#include <lua.hpp>

namespace rmkv::lua {

// Installs the handlers for SIGINT and SIGTERM; `L` is the state to interrupt.
void install_signal_handlers(lua_State* L);

// Whether `L`, a host's own state, is the one to interrupt; those of data workers are not, and must
// neither answer nor forget an interruption.  Where no handlers are installed every state is.
bool takes_interrupts(lua_State* L);

// True from the first Ctrl-C (or an unhandled SIGTERM) until `clear_interrupt`.
bool interrupt_pending();
// Marks an interruption that a C++ loop has noticed and arms the hook.
void mark_interrupted(lua_State* L);
void clear_interrupt(lua_State* L);

// While on, the first Ctrl-C only shows in `stop_reason`.
void defer_interrupts(bool on);
// Null, "interrupt" or "terminate".  Asking once promises that SIGTERM will be noticed this way.
const char* stop_reason();
void clear_stop_reason();

// Exit status of a program that an interruption ended: 130, or 143 after SIGTERM.
int interrupt_exit_status();

}  // namespace rmkv::lua
