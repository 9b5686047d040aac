#!/usr/bin/env bash
# scripts/rmkv: builds when something changed and only then, and is otherwise the program itself.
. "$(dirname "${BASH_SOURCE[0]}")/check.sh"
copy_scripts tree
fake_tools
run() { out=$("$tree/scripts/rmkv" "$@" 2>"$work/err" </dev/null); status=$?; err=$(cat "$work/err"); }

run a 'b c' ''
same "arguments arrive as given" "$out" '[a][b c][]'
same "the exit status is the program's" "$status" 3
has "the first call says that it builds" "$err" "building for the first time"
same "configured and built once" "$(calls)" "cmake ninja "

run again
same "a second call says nothing" "$err" ""
same "a second call neither configures nor builds" "$(calls)" "cmake ninja "
same "standard input reaches the program" "$(echo hello | "$tree/scripts/rmkv" x)" "[x]hello"
same "from another folder" "$(cd / && "$tree/scripts/rmkv" y </dev/null)" "[y]"
ln -s "$tree/scripts/rmkv" "$work/link"
same "through a symbolic link" "$("$work/link" z </dev/null)" "[z]"

sleep 0.05
echo '// Changed.' >"$tree/core/base/thing.cpp"
run
same "a changed source is built, without configuring" "$(calls)" "cmake ninja ninja "
sleep 0.05
rm "$tree/core/base/thing.cpp"
run
same "so is a deleted one" "$(calls)" "cmake ninja ninja ninja "

# CI builds with RMKV_WERROR=ON; who calls scripts/rmkv afterwards shares that build.
RMKV_WERROR=ON "$tree/scripts/build" rmkv rmkv_tests >/dev/null 2>&1
configured=$(calls)
has "another option configures" "$configured" "ninja cmake ninja"
sleep 0.05
touch "$tree/core/base/other.cpp"
run
same "without the variable the option stays" "$(calls)" "$configured""ninja "
has "as it was given" "$(cat "$tree/build/options.txt")" "-DRMKV_WERROR=ON"

# The build that fails: its error and status, and no run of the old program.
sleep 0.05
echo '// Broken.' >"$tree/core/base/thing.cpp"
: >"$work/broken"
run
same "a failing build ends with its status" "$status" 5
same "a failing build leaves stdout empty" "$out" ""
has "a failing build shows the error" "$err" "no such thing"
rm "$work/broken"
run
same "and is tried again" "$status" 3

# Two calls at once build once.
rm -rf "$tree/build" "$work/calls"
"$tree/scripts/rmkv" one </dev/null >"$work/one" 2>/dev/null &
"$tree/scripts/rmkv" two </dev/null >"$work/two" 2>/dev/null &
wait
same "two first calls build once" "$(calls)" "cmake ninja "
same "and both run" "$(cat "$work/one" "$work/two")" "[one][two]"
finish
