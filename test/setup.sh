#!/usr/bin/env bash
# Install what the tests use beside Go: real clients of what compose reads and
# writes, and what the reproducibility matrix runs under. Without root or apt
# nothing is installed; a test that misses its tool then skips and says so.
set -euo pipefail

packages=(
  ca-certificates git make     # to fetch modules and build
  gcc libc6-dev                # the race detector
  tar gzip zstd                # what the outputs and the times are compared with
  libarchive-tools python3     # other readers of tar
  cpio initramfs-tools-core    # other readers of an initramfs
  umoci                        # an independent flattening of images
  runc                         # starts bundles
  attr                         # extended attributes
  util-linux                   # setpriv, mount
  diffoscope-minimal           # shows a difference
  disorderfs fuse3             # a file system that lists folders in random order
  qemu-user-static             # compose for arm64
  qemu-system-x86 ovmf         # boots systems
  openssh-client               # logs into them
  xorriso genisoimage          # other readers and writers of ISO 9660
  dosfstools mtools            # other readers of FAT
  gdisk p7zip-full             # other readers of disks
  binutils sbsigntool openssl  # other readers of EFI programs and their signatures
  docker.io podman skopeo      # clients of container images; their daemons are not started
  docker-registry              # a registry that lists no referrers; its daemon is not started
  strace                       # shows what a program asks of the network
  pigz                         # what the time of gzip is compared with
  zsh fish bash-completion     # shells, for completion
)

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi
if ! command -v apt-get >/dev/null || ((EUID != 0)); then
  echo "setup: not installed, and no apt or no root to install them: ${missing[*]}" >&2
  exit 0
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# Installing docker.io would start a daemon; where nothing says so yet, no service
# is started while this runs (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
