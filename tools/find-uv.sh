#!/usr/bin/env bash
# Print the path of uv: the one on PATH, or one installed from PyPI into the cache.
set -euo pipefail
version=0.13.9
cache=${STACKYARD_CACHE:-$HOME/.cache/stackyard}/uv-$version
if [ "$(uname -s)/$(uname -m)" != Linux/x86_64 ]; then
  echo "stackyard runs on linux/amd64, this is $(uname -s)/$(uname -m)" >&2
  echo "hint: use a linux/amd64 machine or virtual machine" >&2
  exit 1
fi
if command -v uv >/dev/null; then
  command -v uv
elif [ -x "$cache/bin/uv" ]; then
  echo "$cache/bin/uv"
else
  for python in python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
      found=$python
      break
    fi
  done
  if [ -z "${found:-}" ]; then
    echo "Python 3.11 to 3.13 is needed and python3 is $(python3 --version 2>&1 || echo absent)" >&2
    echo "hint: apt-get install python3 python3-venv, or install uv from https://docs.astral.sh/uv" >&2
    exit 1
  fi
  # of two runs at once one installs and the other waits; flock is in Debian's util-linux
  mkdir -p "${cache%/*}"
  exec 9>"$cache.lock"
  flock 9
  if [ -x "$cache/bin/uv" ]; then
    echo "$cache/bin/uv"
    exit
  fi
  rm -rf "$cache.new"
  if ! "$found" -m venv "$cache.new" >/dev/null 2>&1; then
    echo "$found cannot make a virtual environment" >&2
    echo "hint: apt-get install python3-venv" >&2
    exit 1
  fi
  if ! "$cache.new/bin/pip" install --quiet --disable-pip-version-check "uv==$version" >&2; then
    echo "uv $version could not be installed from PyPI" >&2
    echo "hint: check that PyPI or its mirror answers (PIP_INDEX_URL), or put uv on PATH" >&2
    exit 1
  fi
  # pip's scripts name the folder they were installed to; uv itself is a binary that does not care
  rm -rf "$cache" && mv "$cache.new" "$cache"
  echo "$cache/bin/uv"
fi
