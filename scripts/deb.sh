#!/bin/sh
# Builds Debian's packages of a source archive, unpacked in DIRECTORY, and checks them with lintian; they are left
# beside it: `make deb`, or
#
#   scripts/deb.sh DIRECTORY [OPTION OF DPKG-BUILDPACKAGE...]
#
# The cargo of rustup will do: that of Debian is not asked for, as --build-deps would.
set -eu

cd "$1"
shift
# Debian's Python, and cargo wherever it is: debhelper has a home of its own.
CARGO=${CARGO:-$(command -v cargo)}
RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
PATH=/usr/bin:/bin:$PATH
export CARGO RUSTUP_HOME PATH
ln -sfn packaging/debian debian
dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes --no-check-builddeps "$@"
# The project has no address and no bug in Debian's tracker: whoever uploads the packages has both.
lintian --fail-on error,warning --info \
    --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs ../pxds_*.changes
