#!/usr/bin/env bash
# Boot the examples, and systems that have bad days, two machines at a time. With
# CI=true a test that is left out is a failure, and that there are none always is.
set -euo pipefail
cd "$(dirname "$0")/../.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export COMPOSE_EXAMPLES=1
"${GO:-go}" test -count=1 -timeout 25m -parallel 2 -v ./test/examples | tee "$log" | grep -v '^ *=== '
if ! grep -q '^--- ' "$log" || { [[ ${CI-} == true ]] && grep -q '^ *--- SKIP' "$log"; }; then
  echo 'boot: not all of ./test/examples was run' >&2
  exit 1
fi
printf 'boot: %d tests in %d s\n' "$(grep -c '^--- PASS' "$log")" "$SECONDS"
