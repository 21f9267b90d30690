#!/usr/bin/env bash
# Sign images and build from registries, with the real programs. Without cosign, in
# the environment's COSIGN, the tests that need it are left out. With CI=true any other
# test that is left out is a failure, and that there are none always is.
set -euo pipefail
cd "$(dirname "$0")/../.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export COMPOSE_REGISTRIES=1
without=()
if [[ ! -x ${COSIGN-} ]]; then
  echo 'registries: without cosign, which make cosign builds' >&2
  without=(-skip '^TestCosign')
fi
"${GO:-go}" test -count=1 -timeout 15m -v "${without[@]}" ./test/registry | tee "$log" | grep -v '^ *=== '
if ! grep -q '^--- ' "$log" || { [[ ${CI-} == true ]] && grep -q '^ *--- SKIP' "$log"; }; then
  echo 'registries: not all of ./test/registry was run' >&2
  exit 1
fi
printf 'registries: %d tests in %d s\n' "$(grep -c '^--- PASS' "$log")" "$SECONDS"
