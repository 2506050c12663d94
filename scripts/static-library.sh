#!/bin/sh
# Makes of the archive that cargo builds one that defines the functions of the C API and no other global symbol:
#
#   scripts/static-library.sh SYMBOLS FROM.a TO.a
#
# cargo's archive holds zstd and Rust's standard library with all their symbols. A program that has a zstd of its own
# could not link it, or both would run whichever of the two the command line names first. So what the functions that
# SYMBOLS lists need becomes one object, and everything else in it is made local.
#
# LD, OBJCOPY, AR: those for the machine that the library is for; GNU binutils from 2.29 on.
set -eu

symbols=$1 from=$2 to=$3
object=${to%.a}.o needed=${to%.a}.needed
trap 'rm -f "$object" "$needed"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

sed -n 's/^\(pxds_[a-z0-9_]*\) .*/--require-defined=\1/p' "$symbols" >"$needed"

# Groups are for symbols that several objects define, as each of Rust's refers to its personality routine. A member
# with a local symbol must not be dropped for that of another library of Rust's.
"${LD:-ld}" -r --force-group-allocation @"$needed" "$from" -o "$object"
# The bitcode of LLVM is for linkers of its very version; GNU ar, where it has LLVM's plugin, fails to read another's.
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='pxds_*' \
    --remove-section=.llvmbc --remove-section=.llvmcmd "$object"
rm -f "$to"
"${AR:-ar}" rcsD "$to" "$object"
