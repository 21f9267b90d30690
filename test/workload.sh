#!/usr/bin/env bash
# workload.sh [-make] DIR: check compose on the measuring workload, 16 images
# made of 125 Debian packages, in DIR. What is not there is made first, by
# ../shared/workload; with -make that is all. Where there is no such folder
# nothing is checked, and that is said; with CI=true it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

only_make=
if [[ ${1-} == -make ]]; then
  only_make=yes
  shift
fi
dir=${1:?usage: workload.sh [-make] DIR}
mk=../shared/workload/mk.sh

if [[ ! -f $dir/images.tar ]]; then
  if [[ ! -x $mk ]]; then
    echo "workload: skipped: there is no $mk" >&2
    [[ ${CI-} != true ]]
    exit
  fi
  if ((EUID == 0)); then
    apt-get update -qq
  fi
  "$mk" "$dir"
fi
if [[ $only_make ]]; then
  exit 0
fi

dir=$(cd "$dir" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$dir/anchor.yml" "$dir/files" "$scratch"

echo "== compose the workload"
bin/compose cache import -cache "$scratch/cache" -progress none "$dir/images.tar"
bin/compose build -accept-unsigned '*' -offline -arch amd64 -format tar -progress none \
  -cache "$scratch/cache" -dir "$scratch/out" "$scratch/anchor.yml"

if ((EUID != 0)); then
  echo "workload: comparing and starting it need root; skipped" >&2
  [[ ${CI-} != true ]]
  exit
fi

export COMPOSE_WORKLOAD=$dir COMPOSE_TREE_TAR=$scratch/out/anchor.tar COMPOSE_TREE_LOCK=$scratch/anchor.lock.json
echo "== compare it path by path with an independent flattening; extract it with GNU tar"
go test -count=1 -timeout 20m -v -run '^TestWorkload$' ./test/treecmp
echo "== validate every bundle, and start some"
go test -count=1 -timeout 20m -v -run '^TestTree' ./test/runc
echo "== import it, export it, and import that"
go test -count=1 -timeout 20m -v -run '^TestWorkload' ./compose/image
