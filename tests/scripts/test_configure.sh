#!/usr/bin/env bash
# A copy of the sources without .deps configures with the LibTorch that RMKV_TORCH names, and fails clearly without.
. "$(dirname "${BASH_SOURCE[0]}")/check.sh"
read -r torch <"$root/.deps/setup.stamp" 2>/dev/null || skip "no set-up in this clone"
mkdir "$work/tree" && cp -r "$root"/{CMakeLists.txt,scripts,core,bindings,tokenizer,recipes,tests} "$work/tree/"

out=$(cmake -S "$work/tree" -B "$work/build" -G Ninja -DRMKV_TORCH="$torch" -DRMKV_CUDA=OFF 2>&1)
same "configures with RMKV_TORCH" "$?" 0
[ -e "$work/build/build.ninja" ] || same "writes the build files" "$out" "build.ninja"
has "links that LibTorch" "$(cat "$work/build/build.ninja" 2>/dev/null)" "$torch/lib/libtorch_cpu.so"

out=$(cmake -S "$work/tree" -B "$work/none" -G Ninja 2>&1)
same "fails without one" "$?" 1
has "and says what to do" "$out" "Run scripts/setup"
out=$(cmake -S "$work/tree" -B "$work/none" -G Ninja -DRMKV_TORCH="$torch" -DRMKV_CUDA=maybe 2>&1)
has "refuses an unknown value of RMKV_CUDA" "$out" "got maybe, expected AUTO, ON or OFF"
finish
