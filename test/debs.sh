#!/usr/bin/env bash
# debs.sh LOCK DIR: fetch the Debian packages that LOCK pins into DIR.
# apt knows the newest versions of a package only. An older one stays in the
# archive's pool for a while, beside those, and is fetched from there. LOCK is what
# sha256sum -c takes; what is in DIR already is not fetched again.
set -euo pipefail
export LC_ALL=C
lock=$(realpath "$1")
mkdir -p "$2"
cd "$2"
apt=(-qq -o APT::Sandbox::User=root) # DIR need not be open to apt's own user

mapfile -t missing < <(sha256sum -c "$lock" 2>/dev/null | sed -n 's/: FAILED.*//p')
if ((${#missing[@]} == 0)); then
  exit
fi
if ! command -v apt-get >/dev/null; then
  echo "debs: there is no apt to fetch ${missing[*]}" >&2
  exit 1
fi
if ((EUID == 0)); then # anybody else has the lists that there are
  apt-get -qq update
fi
offered=$(apt-cache madison "${missing[@]%%_*}" | awk '{ print $1 "=" $3 }' | sort -u)
newest=()
older=()
for file in "${missing[@]}"; do
  IFS=_ read -r package version _ <<<"${file//%3a/:}"
  if grep -qFx "$package=$version" <<<"$offered"; then
    newest+=("$package=$version")
  else
    older+=("$file")
  fi
done

if ((${#newest[@]})); then
  apt-get "${apt[@]}" download "${newest[@]}"
fi
for file in "${older[@]}"; do
  echo "debs: apt does not offer $file; looking beside what it does" >&2
  name=$(sed -E 's/_[0-9]+%3a/_/; s/\+/%2b/g' <<<"$file") # the pool has no epochs in its names
  sum=$(awk -v file="$file" '$2 == file { print $1 }' "$lock")
  for offer in $(grep "^${file%%_*}=" <<<"$offered"); do
    beside=$(apt-get "${apt[@]}" download --print-uris "$offer" | cut -d "'" -f 2)
    if /usr/lib/apt/apt-helper "${apt[@]}" download-file "${beside%/*}/$name" "$file" "SHA256:$sum"; then
      break
    fi
  done
done
sha256sum -c --quiet "$lock"
