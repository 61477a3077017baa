# Read by the scripts beside this file: where things are, and an environment in which the same commit gives the same bytes.
# $1 of each of them is the folder of the tools, $2 the folder of what is made along the way, $3 the folder of the artefacts.
# shellcheck shell=bash disable=SC2034 # used by those scripts
set -euo pipefail

[ $# -eq 3 ] || { echo "usage: $0 TOOLS_DIRECTORY WORK_DIRECTORY OUTPUT_DIRECTORY" >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$1" "$2" "$3"
tools=$(cd "$1" && pwd)
work=$(cd "$2" && pwd)
out=$(cd "$3" && pwd)
cd "$root"

say() { printf 'dist: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# The first one of Cargo.toml is the package's.
from_cargo() { sed -n "s/^$1 *= *\"\\(.*\\)\"\$/\\1/p" "$root/Cargo.toml" | head -n 1; }
version=$(from_cargo version)
case $version in
    0.*) abi=$(printf '%s' "$version" | cut -d. -f1-2) ;;
    *) abi=${version%%.*} ;;
esac
crate=$work/crate/sealgate-$version

# Every date in an artefact is that of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
export LC_ALL=C.UTF-8 TZ=UTC PYTHONDONTWRITEBYTECODE=1 PATH="$tools/bin:$PATH"
umask 022
# What a developer has set for other builds changes nothing here.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR CFLAGS CPPFLAGS LDFLAGS \
    OPENSSL_DIR OPENSSL_LIB_DIR OPENSSL_INCLUDE_DIR OPENSSL_STATIC OPENSSL_NO_VENDOR OPENSSL_CONFIG_DIR MAKEFLAGS

# For tar: nothing of the machine that packs is in the archive, and the order is always the same.
tar_options=(--sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu)

# Gives every file and folder below $1 the date of the commit.
date_all() { find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +; }

# Puts the files of packaging/ into the crate. With their own dates, those that are older than the commit would make another
# package in each clone.
copy_packaging() {
    rm -rf "$crate/packaging"
    cp -r "$root/packaging" "$crate/packaging"
    date_all "$crate/packaging"
}
