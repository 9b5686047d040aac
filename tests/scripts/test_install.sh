#!/usr/bin/env bash
# cmake --install: the tree runs from where it was moved to, with its own libraries and recipes.
. "$(dirname "${BASH_SOURCE[0]}")/check.sh"
build=${RMKV_TEST_BUILD:-$root/build}
[ -x "$build/bin/rmkv" ] || skip "no program in $build"
# LINK: a copy of LibTorch would be half a gigabyte; what is linked and found is the same.
cmake -DCMAKE_INSTALL_PREFIX="$work/first" -DRMKV_INSTALL_TORCH=LINK -P "$build/cmake_install.cmake" >"$work/log" 2>&1
same "installs" "$?" 0
mv "$work/first" "$work/moved place"
program="$work/moved place/bin/rmkv"
same "runs from the moved tree" "$(cd / && "$program" -e 'print(6 * 7)' 2>&1)" "42"
has "with its own libraries" "$(ldd "$program")" "libtorch_cpu.so => $work/moved place/bin/../lib/rmkv/libtorch_cpu.so"
if [ -e "$build/lib/rmkv/librmkv_cuda.so" ] && [ ! -e "$work/moved place/lib/rmkv/librmkv_cuda.so" ]; then
  same "the CUDA library is installed" "$(ls "$work/moved place/lib/rmkv")" librmkv_cuda.so
fi
[ -e "$work/moved place/share/rmkv/recipes/pretrain.lua" ] || same "recipes are installed" "$(ls "$work/moved place/share/rmkv")" recipes
has "finds its recipes by name" "$(cd / && "$program" pretrain --help 2>&1)" "--preset"

# An installed program belongs to nobody in particular: runs go below the folder it is called in.
mkdir "$work/user" && cd "$work/user" || exit
for i in 1 2 3 4 5 6 7 8; do echo "Mira has the red key. Tom went to the mill and came back again."; done >text.txt
out=$("$program" pretrain --steps 2 --data text.txt --val text.txt --set_model channels=32 --set_model layers=1 \
  --set_model heads=1 --segment 16 --vocabulary 300 --batch 2 --eval_every 0 --sample_every 0 --threads 1 2>&1 </dev/null)
same "trains" "$?" 0
has "into the working folder" "$(cd "$work/user" && ls -d checkpoints/pretrain/*_final logs/pretrain/steps.jsonl)" \
  "$(printf 'checkpoints/pretrain/rmkv_pretrain_final\nlogs/pretrain/steps.jsonl')"
same "and not into its own" "$(ls "$work/moved place/share/rmkv" | grep -c -e checkpoints -e logs)" 0
has "names the command as it is installed" "$out" "rmkv single --checkpoint"
finish
