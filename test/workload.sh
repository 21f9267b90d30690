#!/usr/bin/env bash
# workload.sh [-make] DIR: check compose on the measuring workload, 16 images
# made of 125 Debian packages, in DIR. What is not there is made first, by
# ../shared/workload; with -make that is all. Where there is no such folder
# nothing is checked, and that is said; with CI=true it is a failure.
#
# More is done if the environment asks for it:
#   ALL=1      compose and read it with the other compressions too
#   CLIENTS=1  give it to container clients
set -euo pipefail
cd "$(dirname "$0")/.."

only_make=
if [[ ${1-} == -make ]]; then
  only_make=yes
  shift
fi
dir=${1:?usage: workload.sh [-make] DIR}
shared=../shared/workload

if [[ ! -f $dir/images.tar ]]; then
  if [[ ! -x $shared/mk.sh ]]; then
    echo "workload: skipped: there is no $shared/mk.sh" >&2
    [[ ${CI-} != true ]]
    exit
  fi
  test/debs.sh "$shared/debs.lock" "$dir/debs"
  "$shared/mk.sh" "$dir"
fi
if [[ $only_make ]]; then
  exit
fi

dir=$(cd "$dir" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$dir/anchor.yml" "$dir/files" "$scratch"

# build COMPRESSION: compose all formats into out/COMPRESSION.
build() {
  bin/compose build -accept-unsigned '*' -offline -arch amd64 -progress none -cache "$scratch/cache" \
    -format kernel+initrd,tar-kernel-initrd,tar,docker,oci -compress "$1" -dir "$scratch/out/$1" "$scratch/anchor.yml"
}

# build_media: compose it with boot loaders into out/media, as every medium. That is
# another system: its manifest is in it.
build_media() {
  printf 'bootloader: {image: "oci:%s", title: "Anchor 1.0"}\n' "$PWD/build/bootloader" >"$scratch/media.yml"
  bin/compose build -accept-unsigned '*' -offline -arch amd64 -progress none -cache "$scratch/cache" -name anchor \
    -format kernel+initrd,iso,raw-efi,uki -compress gzip -dir "$scratch/out/media" "$scratch/anchor.yml" "$scratch/media.yml"
  mv "$scratch/media.lock.json" "$scratch/out/media/anchor.lock.json"
}

# check WHAT TESTS PACKAGE: run tests. That there are none is a failure, and in CI
# that one is skipped.
check() {
  echo "== $1 ($SECONDS s)"
  go test -count=1 -timeout 20m -v -run "$2" "$3" | tee "$scratch/log" | grep -v '^ *=== '
  if ! grep -q '^--- ' "$scratch/log" || { [[ ${CI-} == true ]] && grep -q '^--- SKIP' "$scratch/log"; }; then
    echo "workload: not all of $2 in $3 was run" >&2
    exit 1
  fi
}

echo "== compose the workload"
bin/compose cache import -cache "$scratch/cache" -progress none "$dir/images.tar"
make -s bootloader
build gzip
if [[ -f build/bootloader/index.json ]]; then
  build_media
fi
if [[ ${ALL-} ]]; then
  build zstd
  build none
fi

if ((EUID != 0)); then
  echo "workload: comparing and starting it need root; skipped" >&2
  [[ ${CI-} != true ]]
  exit
fi

export COMPOSE_WORKLOAD=$dir COMPOSE_OUTPUTS=$scratch/out
export COMPOSE_TREE_TAR=$scratch/out/gzip/anchor.tar COMPOSE_TREE_LOCK=$scratch/anchor.lock.json
check 'compare it path by path with an independent flattening; extract it with GNU tar' '^TestWorkload$' ./test/treecmp
check 'give each format to other readers, and compare what they see with that' '^TestReadersOfWorkload$' ./test/treecmp
check 'give each medium to other readers' '^TestMediaReadersOfWorkload$' ./test/treecmp
check 'validate every bundle, and start some' '^TestTree' ./test/runc
check 'import it, export it, and import that' '^TestWorkload' ./compose/image
check 'boot it, and compare every path from within' '^Test' ./test/boot
check 'start its kernel with compose run, and end that in every way' '^TestRun$' ./cmd/compose
if [[ ${CLIENTS-} ]]; then
  check 'load, run, copy and unpack it with container clients' '^TestWorkload$' ./test/clients
fi
echo "== done in $SECONDS s"
