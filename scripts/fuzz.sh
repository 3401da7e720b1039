#!/usr/bin/env bash
# Each fuzzer with RUNS inputs from SEED, under AddressSanitizer and UndefinedBehaviorSanitizer: by libFuzzer where clang
# is found, else by our own driver. A crash leaves its input in the working directory.
set -euo pipefail
cd "$(dirname "$0")/.."
RUNS=${RUNS:-1000000} SEED=${SEED:-1} JOBS=${JOBS:-2}
build=build-fuzz-gcc compilers=()
if command -v clang++ >/dev/null && echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer,address,undefined -x c++ - -o /dev/null 2>/dev/null; then
  build=build-fuzz compilers=(-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++)
fi
cmake -S . -B $build -G Ninja -DFLAGOS_TESTS=ON -DFLAGOS_SANITIZE=address,undefined "${compilers[@]}" >$build.log 2>&1 ||
  { cat $build.log; exit 1; }
ninja -C $build -j "$JOBS" fuzzers
for fuzzer in ${FUZZERS:-$build/fuzz/fuzz_*}; do
  [ -x "$fuzzer" ] && [ -f "$fuzzer" ] || continue
  echo "fuzz: $(basename "$fuzzer"), $RUNS inputs"
  corpus=$build/fuzz/corpus/$(basename "$fuzzer")
  mkdir -p "$corpus"
  if [ $build = build-fuzz ]; then
    # libFuzzer writes what it learns into the first folder.
    "$fuzzer" -runs="$RUNS" -seed="$SEED" -print_final_stats=1 "$corpus" "$fuzzer.seeds/" 2>&1 | tail -n 12
  else
    "$fuzzer" -runs="$RUNS" -seed="$SEED" "$fuzzer.seeds/"
  fi
done
