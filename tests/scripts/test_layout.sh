#!/usr/bin/env bash
# The layout rules hold for the project, and scripts/check_layout notices each kind of offence.
. "$(dirname "${BASH_SOURCE[0]}")/check.sh"
out=$("$root/scripts/check_layout")
same "the project keeps the layout rules" "$out" ""

tree=$work/tree
# offence WHAT FILE LINE MESSAGE: a tree with one file of this line.
offence() {
  rm -rf "$tree"
  mkdir -p "$tree/$(dirname "$2")"
  printf '// Opens with a comment.\n%s\n' "$3" >"$tree/$2"
  out=$("$root/scripts/check_layout" "$tree") && out="nothing found"
  if [ "$4" = fine ]; then same "$1" "$out" "nothing found"; else has "$1" "$out" "$4"; fi
}
offence "an earlier folder may be included" core/nn/a.cpp '#include "core/tensor/tensor.h"' fine
offence "a later folder may not" core/tensor/a.cpp '#include "core/nn/norm.h"' "core/tensor includes the later folder core/nn"
offence "no Lua in core" core/nn/a.cpp '#include <lua.h>' "core includes the Lua side: lua.h"
offence "no bindings in core" core/serve/a.h '#include "bindings/host.h"' "core includes the Lua side"
offence "tokenizer from data on" core/data/a.cpp '#include "tokenizer/tokenizer.h"' fine
offence "tokenizer not before" core/nn/a.cpp '#include "tokenizer/tokenizer.h"' "only data and later may"
offence "no LibTorch in tokenizer" tokenizer/a.cpp '#include <ATen/ATen.h>' "tokenizer includes LibTorch or Lua: ATen/ATen.h"
offence "only base under tokenizer" tokenizer/a.cpp '#include "core/tensor/tensor.h"' "only core/base is below it"
offence "core does not print" core/nn/a.cpp '  std::printf("%d", 1);' "core prints"
offence "core may format" core/nn/a.cpp '  std::snprintf(text, 9, "%d", 1);' fine
offence "core does not exit" core/nn/a.cpp '  exit(1);' "core ends the process"
offence "core has known folders" core/extras/a.cpp '' "core/extras is not one of the folders of core"
offence "so has the top level" extras/a.txt '' "not one of the folders of the layout"
rm -rf "$tree" && mkdir -p "$tree/core/nn" && printf '#pragma once\n' >"$tree/core/nn/a.h"
has "a file opens with a comment" "$("$root/scripts/check_layout" "$tree")" "core/nn/a.h:1: does not open with a comment"
head -c 300001 /dev/zero >"$tree/core/nn/big.bin"
has "a file is not huge" "$("$root/scripts/check_layout" "$tree")" "big.bin:1: got 300001 bytes"
finish
