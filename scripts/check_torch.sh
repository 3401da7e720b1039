#!/usr/bin/env bash
# Compiles and links libtorch_fl against another torch: check_torch.sh 2.11.0. The wheel is downloaded once (hundreds of
# megabytes) and unpacked, not installed; nothing of it runs.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?name a version of torch, such as 2.11.0}
VENV=${VENV:-.venv} JOBS=${JOBS:-2}
build=build-torch-$version
if [ ! -f "$build/wheel/torch/version.py" ]; then
  mkdir -p "$build/download"
  # PIP_ARGS is several words on purpose.
  # shellcheck disable=SC2086
  "$VENV/bin/python" -m pip download ${PIP_ARGS:-} --no-deps --only-binary=:all: -d "$build/download" "torch==$version"
  rm -rf "$build/wheel.part"
  "$VENV/bin/python" -m zipfile -e "$build"/download/torch-*.whl "$build/wheel.part"
  rm -rf "$build/download" "$build/wheel"
  mv "$build/wheel.part" "$build/wheel"
fi
cmake -S . -B "$build" -G Ninja -DFLAGOS_TORCH_DIRS="$PWD/$build/wheel/torch" >"$build/configure.log" 2>&1 ||
  { cat "$build/configure.log"; exit 1; }
ninja -C "$build" -j "$JOBS"
echo "check-torch: $(ls "$build"/lib/libtorch_fl-*.so) is compiled and linked against torch $version"
