#!/usr/bin/env bash
# scripts/setup with a LibTorch that is already there: found in its three forms, refused when it is none, remembered.
. "$(dirname "${BASH_SOURCE[0]}")/check.sh"
copy_scripts tree
run() { err=$("$tree/scripts/setup" 2>&1 >"$work/out"); status=$?; }

run
same "a LibTorch folder is accepted" "$status" 0
same "set-up writes nothing to stdout" "$(cat "$work/out")" ""
has "an unknown version is said" "$err" "version unknown"
same "the folder is remembered" "$(head -n 1 "$tree/.deps/setup.stamp")" "$work/torch"

run
same "a second call says nothing" "$err" ""
unset RMKV_TORCH
run
same "the folder stays in force without the variable" "$status$err" "0"

mkdir -p "$work/site/torch/lib" "$work/site/torch/include/torch/headeronly"
: >"$work/site/torch/lib/libtorch_cpu.so"
printf '#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n' \
  >"$work/site/torch/include/torch/headeronly/version.h"
export RMKV_TORCH=$work/site
run
same "another folder replaces it: Python's site-packages" "$(head -n 1 "$tree/.deps/setup.stamp")" "$work/site/torch"
same "the tested version needs no word" "$err" ""

export RMKV_TORCH=$work/nothing
run
same "a folder without LibTorch is refused" "$status" 1
has "and named" "$err" "RMKV_TORCH: got $work/nothing, expected a folder with lib/libtorch_cpu.so"
same "the old set-up is kept" "$(head -n 1 "$tree/.deps/setup.stamp")" "$work/site/torch"

err=$("$tree/scripts/setup" --lnt 2>&1)
has "an unknown option is refused" "$err" "got '--lnt', expected"
finish
