#!/usr/bin/env bash
# The one command of a GPU host: builds the addon for CUDA, tests it, measures it, and writes a report. Where Node.js or
# the packages are missing they come from what scripts/gpu/pack.mjs made elsewhere.
# usage: bash scripts/gpu/run.sh [--out FOLDER] [STEP ...]   (--help lists the steps)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
archive=$root/.gpu/host.tar.xz
host=$root/build/gpu-host # ignored by git, and kept on a lent machine between two commands

unpack() {
  local sum
  sum=$(sha256sum <"$archive")
  if [[ -f $host/unpacked && $(<"$host/unpacked") == "$sum" ]]; then return; fi
  rm -rf "$host"
  mkdir -p "$host"
  if command -v xz >/dev/null; then
    tar -xJf "$archive" -C "$host"
  else # tar has no xz of its own, Python has
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$archive" "$host"
  fi
  printf '%s\n' "$sum" >"$host/unpacked"
}

cd "$root"
if ! command -v node >/dev/null || [[ ! -e node_modules/tsx || $(readlink node_modules || true) == "$host/node_modules" ]]; then
  if [[ ! -f $archive ]]; then
    echo "Node.js 20.19 or newer and its packages are needed (npm ci), or $archive: node scripts/gpu/pack.mjs makes it" >&2
    exit 1
  fi
  unpack
  export PATH=$host/bin:$PATH
  # CMake looks for headers here, too
  if [[ ! -e node_modules/tsx ]]; then ln -sfn "$host/node_modules" node_modules; fi
  if [[ -d $host/shared && ! -d $root/../shared ]]; then export RANK_DISTILLM_SHARED=${RANK_DISTILLM_SHARED:-$host/shared}; fi
fi
exec node --import tsx scripts/gpu/run.ts "$@"
