# What the shell scripts share: where the project is, how they speak, the build folder, the lock.
# Sourced, never run.  Everything said goes to stderr: stdout belongs to the program.
# Environment: RMKV_BUILD (build folder, default build), RMKV_TORCH (a LibTorch or Python torch that is
# already there), RMKV_SANITIZE, RMKV_WERROR, RMKV_CUDA, RMKV_JOBS.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
deps=$root/.deps
build=${RMKV_BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
setup_stamp=$deps/setup.stamp

say() { printf 'rmkv: %s\n' "$*" >&2; }
die() { printf 'rmkv: %s\n' "$*" >&2; exit 1; }

# True when set-up ended well with this version of scripts/setup and this RMKV_TORCH (unset: the one set up).
# The stamp holds two lines: the folder of LibTorch, and RMKV_TORCH as it was given.
setup_done() {
  local torch given
  [ -r "$setup_stamp" ] && [ ! "$root/scripts/setup" -nt "$setup_stamp" ] || return 1
  { read -r torch; read -r given; } <"$setup_stamp"
  [ "${RMKV_TORCH:-$given}" = "$given" ] && [ -e "$torch/lib/libtorch_cpu.so" ]
}

# True when the program was built after the last change of any source.  A deleted file shows in the time of
# its folder.
program_is_fresh() {
  [ -x "$build/bin/rmkv" ] && [ -e "$build/program.stamp" ] && setup_done || return 1
  [ -z "$(find "$root/core" "$root/bindings" "$root/tokenizer" "$root/scripts/cmake" "$root/CMakeLists.txt" \
    "$setup_stamp" -newer "$build/program.stamp" -print -quit 2>/dev/null)" ]
}

# One compiler takes up to 1.5 GB (files with LibTorch): as many at a time as cores and memory allow.
parallel_jobs() {
  local cores memory_gb jobs
  cores=$(nproc)
  memory_gb=$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null)
  jobs=$((${memory_gb:-2} * 2 / 3))
  [ "$jobs" -lt "$cores" ] || jobs=$cores
  [ "$jobs" -ge 1 ] || jobs=1
  echo "${RMKV_JOBS:-$jobs}"
}
