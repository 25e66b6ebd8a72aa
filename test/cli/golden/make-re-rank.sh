#!/bin/sh
# Makes the runs in re-rank/ with lightning-ir 0.0.6 (lightning-ir on the PATH, torch 2.13, transformers 4.57).
# It prints the table of measures that re-rank.test.ts quotes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
node --import tsx -e 'import("./test/support/collections.ts").then((m) => m.writeCollection(process.argv[1]))' "$work"
cd "$work"
HOME="$work" lightning-ir re_rank --config "$here/re-rank/config.yaml" \
  --model.model_name_or_path "$root/test/golden/references/mono-rank"
cp out/*.run "$here/re-rank/"
