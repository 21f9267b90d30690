#!/usr/bin/env bash
# bootloader.sh DIR: make DIR an OCI image layout of one package image, the boot
# loaders of a system: files of the Debian packages that bootloader.lock pins. They
# are fetched into build/debs and unpacked; nothing in them is run.
#
# Where they cannot be had, that is said, and there is no such image; with CI=true
# it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:?usage: bootloader.sh DIR}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

without() {
  echo "bootloader: no $dir, and no test that needs it: $1" >&2
  [[ ${CI-} != true ]]
  exit
}

command -v dpkg-deb >/dev/null || without "there is no dpkg-deb"
test/debs.sh test/bootloader.lock build/debs || without "not all packages of test/bootloader.lock are in build/debs"
while read -r _ deb; do
  dpkg-deb --extract "build/debs/$deb" "$scratch"
done <test/bootloader.lock
go run ./test/fixture/mk -bootloader "$scratch" "$dir"
