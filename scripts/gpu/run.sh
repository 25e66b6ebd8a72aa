#!/usr/bin/env bash
# The one command of a GPU host: builds the addon for CUDA, tests it, measures it, and writes a report. Where Node.js or the
# packages are missing they come from what scripts/gpu/pack.mjs made elsewhere.
set -euo pipefail

usage='usage: bash scripts/gpu/run.sh [--out FOLDER] [STEP ...]

Writes report.md, log.txt, the JSON of each bench and Nsight Compute'\''s raw figures into the folder: default $OUT where that is
set, else build/gpu-report. The report says which step failed or ran out of time; the others still run. Steps are taken in the
order they are named; default: all, in this order, each with the seconds that it may take:

  build    180  the addon and the native test of its CUDA kernels, for the GPUs of this host
  parity    90  kernels against their references, golden scores and gradients, training, tests of the device
  sanitize  60  compute-sanitizer (memcheck, racecheck) on the native test
  bench    240  npm run bench -- --device cuda
  ranking   60  npm run demo on the GPU: both stages trained, then npm run bench -- ranking --device cuda
  train    120  npm run bench -- train --device cuda, with its peer
  peers    240  npm run bench -- peers --device cuda
  profile  175  Nsight Compute of scoring and of training, after the step bench

RANK_DISTILLM_LIBTORCH names a LibTorch with CUDA; default: the torch of python3 (RANK_DISTILLM_PYTHON: of another Python).'

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
out=${OUT:-$root/build/gpu-report}
steps=()
while (($# > 0)); do
  case $1 in
    --help) echo "$usage" && exit ;;
    --out) out=${2:?--out needs a folder} && shift ;;
    *)
      if ! grep -qE "^  $1 +[0-9]+  " <<<"$usage"; then echo "$1: no such step; see --help" >&2 && exit 1; fi
      steps+=("$1")
      ;;
  esac
  shift
done
((${#steps[@]})) || mapfile -t steps < <(sed -nE 's/^  (\w+) +[0-9]+  .*/\1/p' <<<"$usage")

# --- Node.js and packages ---------------------------------------------------------------------------------------------------

archive=$root/.gpu/host.tar.xz
host=$root/build/gpu-host # ignored by git, and kept on a lent machine between two commands

unpack() {
  local sum
  sum=$(sha256sum <"$archive")
  if [[ -f $host/unpacked && $(<"$host/unpacked") == "$sum" ]]; then return; fi
  rm -rf "$host"
  mkdir -p "$host"
  # tar may have no xz of its own, Python has
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$archive" "$host"
  printf '%s\n' "$sum" >"$host/unpacked"
}

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

# --- LibTorch ---------------------------------------------------------------------------------------------------------------

python=${RANK_DISTILLM_PYTHON:-python3}
torch=${RANK_DISTILLM_LIBTORCH:-$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))' || true)}
if [[ -z $torch ]]; then
  echo "no LibTorch with CUDA: $python has no torch. Let RANK_DISTILLM_LIBTORCH name a folder of LibTorch, or" >&2
  echo "RANK_DISTILLM_PYTHON a Python with torch." >&2
  exit 1
fi
export PATH=$PATH:/usr/local/cuda/bin
# Python's torch has CUDA's libraries in packages beside it
for folder in "$torch/lib" "$torch"/../nvidia/*/lib; do
  export LD_LIBRARY_PATH=$folder:${LD_LIBRARY_PATH:-}
done
build=$root/build/cuda

built() {
  find "$build/Release" "$build" -maxdepth 1 -name "$1" 2>/dev/null | head -n 1
}

# --- steps ------------------------------------------------------------------------------------------------------------------

# Runs a command under what is left of the step's time, or under `most` seconds; what it prints becomes part of the report.
run() {
  local left=$((deadline - SECONDS)) status=0
  if [[ -n ${most:-} && $most -lt $left ]]; then left=$most; fi
  printf '\n$ %s\n' "$*" >>"$out/log.txt"
  if ! timeout --kill-after=8 "$((left > 0 ? left : 1))" "$@" 2>&1 >"$out/printed" | tee "$out/said" >&2; then
    status=${PIPESTATUS[0]}
  fi
  cat "$out/said" "$out/printed" >>"$out/log.txt"
  # of tests only the sums and what failed
  { printf '\n```\n$ %s\n' "$*"; grep -vE '^( +(ok|passed)|• )' "$out/printed" || true; echo '```'; } >>"$out/$step.md"
  if ((status == 0)); then return; fi
  outcome=$([[ $status == 124 || $status == 137 ]] && echo 'out of time' || echo "failed ($status)")
  { printf '\n%s:\n\n```\n' "$outcome"; tail -n 40 "$out/said"; echo '```'; } >>"$out/$step.md"
  return "$status"
}

# The same with the addon that was built, which tests and benches find by the variable.
with_addon() {
  if [[ -z $(built rank_distillm.node) ]]; then outcome="left out: no addon in $build, run the step build" && return 1; fi
  RANK_DISTILLM_BINDING=$(built rank_distillm.node) RANK_DISTILLM_TEST_DEVICE=cuda run "$@"
}

script() { with_addon node --import tsx "$@"; }
bench() { script scripts/bench/run.ts "$1" --device cuda --out "$out/$1.json" "${@:2}"; }

step_build() {
  local architectures options=(-DRANK_DISTILLM_CUDA=ON "-DRANK_DISTILLM_TORCH=$torch")
  options+=(-DRANK_DISTILLM_WERROR=OFF) # a warning of a compiler that is unknown here must not cost the host's time
  architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d . | sort -u | sed 's/$/-real/' | paste -sd ';')
  if [[ -n $architectures ]]; then options+=("-DCMAKE_CUDA_ARCHITECTURES=$architectures"); fi
  if command -v ninja >/dev/null; then options+=(-G Ninja); fi
  run cmake -S "$root" -B "$build" "${options[@]}" && run cmake --build "$build" --parallel --target rank_distillm rank_distillm_torch || return
  run cmake --build "$build" --parallel --target cuda_test || outcome='ok, without cuda_test'
}

step_parity() {
  if [[ -n $(built cuda_test) ]]; then most=30 run "$(built cuda_test)" all || true; fi
  script scripts/test.mjs test/cuda test/golden test/train
}

# Without LibTorch's cache each tensor is memory of its own, so that memcheck sees what lies beyond it.
step_sanitize() {
  for tool in memcheck racecheck; do
    PYTORCH_NO_CUDA_MEMORY_CACHING=1 most=30 run compute-sanitizer --tool "$tool" --error-exitcode 1 "$(built cuda_test)" small || true
  done
}

step_bench() { bench suite; }
step_ranking() { script scripts/demo/run.ts && bench ranking; }
step_train() { bench train --peer "$python"; }
step_peers() { bench peers --python "$python"; }

# Past loading and warm-up. Sections instead of metrics, since a metric that a chip lacks is an error. Clocks are left alone: on
# a lent machine they are not ours.
step_profile() {
  local folder how sections=(--section SpeedOfLight --section Occupancy --section ComputeWorkloadAnalysis)
  folder=$(find "$root/build/bench" -maxdepth 1 -name 'electra-base*' ! -name '*-peers-*' | head -n 1)
  how=(--clock-control none --csv --page raw --print-units base)
  profile() {
    local task="{\"folder\":\"$folder\",\"workload\":\"$2\",\"device\":\"cuda\",\"precision\":\"bf16-mixed\",\"seconds\":60}"
    most=85 with_addon ncu "${how[@]}" "${sections[@]}" --launch-skip "$3" --launch-count "$4" --log-file "$out/kernels-$1.csv" \
      node --import tsx scripts/bench/row.ts "$task" || true
  }
  profile score dl20-bm25 300 130
  profile train train-2x16 1000 400
}

mkdir -p "$out"
: >"$out/log.txt"
{
  printf '# On a GPU host\n\n'
  facts=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory
  printf -- '- %s\n' "$(nvidia-smi --query-gpu=$facts --format=csv,noheader || echo 'no nvidia-smi')" \
    "$(nvcc --version 2>/dev/null | tail -n 1)" "$("$python" -c 'import torch; print("torch", torch.__version__)' || true)" \
    "built against $torch" "Node.js $(node --version)" "commit $(git describe --always --dirty 2>/dev/null || echo unknown)"
  printf '\n| step | outcome | seconds |\n|---|---|---|\n'
} >"$out/head.md"
failures=0
for step in "${steps[@]}"; do
  printf '\ngpu: %s\n' "$step" >&2
  start=$SECONDS
  deadline=$((start + $(sed -nE "s/^  $step +([0-9]+) .*/\1/p" <<<"$usage") - 8))
  outcome=ok
  printf '\n## %s\n' "$step" >"$out/$step.md"
  "step_$step" || true
  if [[ $outcome == failed* || $outcome == out* ]]; then failures=1; fi
  echo "| $step | $outcome | $((SECONDS - start)) |" >>"$out/head.md"
  # after each, in case the next one is the last
  done_steps=("${done_steps[@]:-$out/head.md}" "$out/$step.md")
  cat "${done_steps[@]}" >"$out/report.md"
done
rm -f "${done_steps[@]}" "$out/printed" "$out/said"
cat "$out/report.md"
exit "$failures"
