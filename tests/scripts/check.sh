# Checks for the shell tests, sourced by them: each test is one script, exit status 0 passed, 1 failed, 77 skipped.
# `root` is the project, `work` an empty folder that goes away at the end.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# same WHAT GOT EXPECTED
same() {
  [ "$2" = "$3" ] && return
  printf '%s:\n  got      [%s]\n  expected [%s]\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

# has WHAT TEXT PART
has() {
  case $2 in *"$3"*) return ;; esac
  printf '%s:\n  got      [%s]\n  expected it to contain [%s]\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

skip() { echo "SKIPPED: $*"; exit 77; }
finish() { [ "$failures" -eq 0 ] || { echo "$failures checks failed"; exit 1; }; exit 0; }

# A copy of what the scripts need, without .deps and build, in $work/NAME; sets `tree`.
copy_scripts() {
  tree=$work/$1
  mkdir -p "$tree"/{core/base,bindings,tokenizer,tests/base,recipes}
  cp -r "$root/scripts" "$root/CMakeLists.txt" "$tree/"
  echo '// Something.' >"$tree/core/base/thing.cpp"
  unset RMKV_BUILD RMKV_SANITIZE RMKV_WERROR RMKV_CUDA
  # Set-up is satisfied by any folder with this file.
  mkdir -p "$work/torch/lib" && : >"$work/torch/lib/libtorch_cpu.so"
  export RMKV_TORCH=$work/torch
}

# Stand-ins for cmake and ninja, first on the PATH: they note each call in $work/calls; "ninja" makes a program that
# shows its arguments and ends with status 3, and test programs from $work/programs; it fails when $work/broken is there.
fake_tools() {
  mkdir -p "$work/bin" "$work/programs"
  cat >"$work/bin/cmake" <<'TOOL'
#!/bin/bash
echo "cmake $*" >>"$WORK/calls"
while [ $# -gt 0 ]; do if [ "$1" = -B ]; then mkdir -p "$2" && : >"$2/build.ninja"; fi; shift; done
TOOL
  cat >"$work/bin/ninja" <<'TOOL'
#!/bin/bash
echo "ninja $*" >>"$WORK/calls"
sleep 0.2
if [ -e "$WORK/broken" ]; then echo "thing.cpp:1: error: no such thing"; exit 5; fi
mkdir -p "$2/bin" "$2/tests"
printf '#!/bin/bash\nprintf "[%%s]" "$@"\ncat\nexit 3\n' >"$2/bin/rmkv"
if [ -e "$WORK/lua" ]; then cp "$WORK/lua" "$2/bin/rmkv"; fi
cp "$WORK"/programs/* "$2/tests/" 2>/dev/null
chmod +x "$2"/bin/rmkv "$2"/tests/* 2>/dev/null
exit 0
TOOL
  chmod +x "$work"/bin/*
  export WORK=$work PATH=$work/bin:$PATH
}
calls() { cut -d' ' -f1 "$work/calls" 2>/dev/null | tr '\n' ' '; }
