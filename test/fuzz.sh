#!/usr/bin/env bash
# fuzz.sh TIME: run each fuzz target for TIME, all of them, and fail if one found
# something.
#
# Go before 1.27 may end a run with "context deadline exceeded" where time is up
# while an input is being tried (golang/go#75804). Such a run has found nothing: it
# writes no input and says nothing else.
set -uo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: fuzz.sh TIME}
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
found=()

# ended tells whether the run in the log was only cut short by the clock.
ended() {
  ! grep -q 'Failing input written' "$log" &&
    [[ $(sed -n '/^--- FAIL: /,/^FAIL$/p' "$log" | sed '1d;$d') == '    context deadline exceeded' ]]
}

packages=$("$go" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...) || exit
for pkg in $packages; do
  targets=$("$go" test -list '^Fuzz' "$pkg") || found+=("$pkg, which does not compile")
  for target in $(grep '^Fuzz' <<<"$targets"); do
    echo "== $pkg $target"
    if ! "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$pkg" 2>&1 | tee "$log" && ! ended; then
      found+=("$pkg $target")
    fi
  done
done

if ((${#found[@]})); then
  printf 'found something: %s\n' "${found[@]}" >&2
  exit 1
fi
