#!/usr/bin/env bash
# Run every generator and fail if a file changed by it: generated files are
# committed, and are what their generators write. Works without git.
set -euo pipefail
cd "$(dirname "$0")/.."

sums() {
  find . \( -path ./.git -o -path ./bin -o -path ./.bin -o -path ./build -o -path ./out \) -prune \
    -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

before=$(sums)
go generate ./...
if ! changed=$(diff <(echo "$before") <(sums)); then
  echo "generated files were not up to date; they are now:" >&2
  awk '/^[<>]/ { print "  " $3 }' <<<"$changed" | sort -u >&2
  exit 1
fi
