#!/bin/sh
# What cargo runs in place of rustc (.cargo/config.toml): rustc, so that what it makes names no directory of this
# machine, and is the same wherever it is made. Flags of the user's stay as they are.
#
#   scripts/rustc.sh RUSTC ARGUMENT...
set -eu

# cargo names the crate, unless it only asks for rustc's version.
if [ -n "${CARGO_MANIFEST_DIR:-}" ]; then
    case $CARGO_MANIFEST_DIR in
    "${0%/scripts/*}") as=. ;; # where a debugger finds it
    *) as=/crates/$CARGO_PKG_NAME-$CARGO_PKG_VERSION ;;
    esac
    set -- "$@" "--remap-path-prefix=$CARGO_MANIFEST_DIR=$as"
    if [ -n "${OUT_DIR:-}" ]; then
        set -- "$@" "--remap-path-prefix=$OUT_DIR=$as/out"
    fi
    # rustc has a name of its own for the sources of std, and forgets it where they are installed.
    std=$("$1" --print sysroot)/lib/rustlib/src/rust
    if [ -d "$std" ]; then
        commit=$("$1" -vV | sed -n 's/^commit-hash: //p')
        set -- "$@" "--remap-path-prefix=$std=/rustc/$commit"
    fi
fi
exec "$@"
