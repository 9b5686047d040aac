#!/usr/bin/env bash
# scripts/test: counts of both Catch2 versions, the Lua runner and shell tests add up; crashes count as failures.
. "$(dirname "${BASH_SOURCE[0]}")/check.sh"
copy_scripts tree
fake_tools
for folder in base nn tensor optim; do mkdir -p "$tree/tests/$folder" && : >"$tree/tests/$folder/test_it.cpp"; done
mkdir -p "$tree/tests/scripts"
program() { printf '#!/bin/bash\n%s\n' "$2" >"$work/programs/test_$1"; }
program base 'echo "All tests passed (9 assertions in 4 test cases)"'
program nn 'echo "  SKIPPED: no GPU"; echo "All tests passed (5 assertions in 3 test cases)"'
program tensor 'printf "%s\n" ------------------------------------------------------------------------ "sums" \
  ------------------------------------------------------------------------ "sums.cpp:1" ".." "sums.cpp:3: FAILED:"
echo "test cases:  7 |  6 passed | 1 failed"; echo "assertions: 20 | 19 passed | 1 failed"; exit 1'
program optim 'echo "about to crash"; kill -SEGV $$'
echo 'echo fine' >"$tree/tests/scripts/test_a.sh"
echo 'echo "SKIPPED: no"; exit 77' >"$tree/tests/scripts/test_b.sh"
run() { out=$("$tree/scripts/test" "$@" 2>&1); status=$?; }

run base
same "a passing folder" "$(tail -n 1 <<<"$out") $status" "4 passed, 0 failed, 0 skipped 0"
run base tests/nn/
same "a skipping case is not a passed one" "$(tail -n 1 <<<"$out") $status" "6 passed, 0 failed, 1 skipped 0"
run tensor
same "a failing case" "$(tail -n 1 <<<"$out") $status" "6 passed, 1 failed, 0 skipped 1"
same "it is named at the end" "$(tail -n 2 <<<"$out" | head -n 1)" "FAILED  test_tensor: sums (sums.cpp:3)"
run optim
same "a crash is a failure" "$(tail -n 1 <<<"$out") $status" "0 passed, 1 failed, 0 skipped 1"
has "and its output is shown" "$out" "about to crash"
run scripts
same "shell tests" "$(tail -n 1 <<<"$out") $status" "1 passed, 0 failed, 1 skipped 0"
printf 'echo "the answer:"; echo "  got      [1]"; exit 1\n' >"$tree/tests/scripts/test_c.sh"
run scripts
same "a failing shell test is named" "$(tail -n 2 <<<"$out" | head -n 1)" "FAILED  test_c.sh: the answer:"
rm "$tree/tests/scripts/test_c.sh"

: >"$tree/tests/run.lua"
printf '#!/bin/bash\necho "lua: $*"\necho "5 passed, 0 failed, 2 skipped"\n' >"$work/lua"
run
same "everything together" "$(tail -n 1 <<<"$out") $status" "18 passed, 2 failed, 4 skipped 1"
printf '#!/bin/bash\necho "5 passed, 1 failed, 0 skipped"\necho "then it died"\nexit 1\n' >"$work/lua"
run base
same "a Lua runner without a last line failed" "$(tail -n 1 <<<"$out") $status" "4 passed, 1 failed, 0 skipped 1"
has "its last words are named" "$out" "FAILED  lua: (ended with status 1 and no summary)"

run base thread
has "a sanitizer without --sanitize is refused" "$out" "got 'thread', expected it behind --sanitize"
run no_such_folder
has "an unknown folder is refused" "$out" "got 'no_such_folder', expected a folder of tests/"
: >"$work/broken"
run base
same "a failing build fails" "$(tail -n 1 <<<"$out") $status" "0 passed, 1 failed, 0 skipped 5"
finish
