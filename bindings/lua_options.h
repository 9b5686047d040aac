// The functions rmkv.options and rmkv.options_given: a recipe's options, declared in Lua.
//
// Not here: the command line (options.h).
#pragma once

#include "bindings/bind.h"

namespace rmkv::lua {

// Argument 1: declarations { name = { default, "help", choices =, min =, ... } }.  Returns the
// options as a table that refuses undeclared names; prints them and ends the program on --help.
// Throws UsageError for what the command line gets wrong.
int declare_options(Call& c);
// Arguments: that table, a name.  Returns whether the option was set.
int option_given(Call& c);

}  // namespace rmkv::lua
