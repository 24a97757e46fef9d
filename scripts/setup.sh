#!/usr/bin/env bash
# Everything the make targets need, from nothing but git and Python 3.11: git-lfs (in continuous integration also
# chromium), and a virtual environment in .venv with this package and its pinned dependencies. Does nothing when that
# is there and up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    say "failed: $*"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# Debian splits venv and git-lfs off; root may install them, everybody else is told how.
debian_package() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "apt-get install $1"
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -q "$1" </dev/null && return
    quietly apt-get update -q && DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -q "$1" </dev/null
  else
    say "missing: please run: sudo apt-get install $1"
    return 1
  fi
}

interpreter() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  say "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3"
  return 1
}

if ! command -v git-lfs >/dev/null; then
  debian_package git-lfs || say "going on without git-lfs: the tests that need it are skipped"
fi

# 300 MB for one test, of the HTML page in a real browser: only where nobody else will run it
if [ -n "${CI:-}" ] && ! command -v chromium >/dev/null; then
  debian_package chromium || say "going on without chromium: the test that needs it is skipped"
fi

stamp=$(cat pyproject.toml constraints.txt scripts/setup.sh; pwd)
works() { .venv/bin/python -c 'import pip' 2>/dev/null; }
if works && [ -f .venv/stamp ] && [ "$(cat .venv/stamp)" = "$stamp" ]; then
  exit 0
fi

say "installing into .venv (the first time takes a few minutes)"
if ! works; then
  python=$(interpreter)
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    debian_package "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
  fi
  quietly "$python" -m venv --clear .venv
fi
rm -f .venv/stamp
# compat: a plain path entry instead of an import hook, which every start of a driver would pay for
quietly .venv/bin/python -m pip install -c constraints.txt --config-settings editable_mode=compat -e '.[dev]' </dev/null
printf '%s\n' "$stamp" >.venv/stamp
