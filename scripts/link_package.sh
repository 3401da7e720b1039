#!/usr/bin/env bash
# Installs this tree into .venv in editable mode (names, entry points, the `flagos` command) around what ninja has built.
# Done again only when what the installation records has changed; ninja alone keeps the libraries fresh.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv} BUILD=${BUILD:-build}
stamp=$(cat pyproject.toml "$VENV/.flagos-setup"; grep -m1 '^project(' CMakeLists.txt; pwd)
stamp=$(printf '%s' "$stamp" | sha256sum)
if [ "$(cat "$VENV/.flagos-package" 2>/dev/null)" != "$stamp" ]; then
  log=$BUILD/link_package.log
  "$VENV/bin/python" -m pip install -v --no-build-isolation --no-deps -e . -Cbuild-dir="$BUILD" >"$log" 2>&1 ||
    { cat "$log"; exit 1; }
  printf '%s' "$stamp" >"$VENV/.flagos-package"
fi
