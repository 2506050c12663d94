#!/bin/sh
# Makes the source archive pxds-VERSION.tar.xz of what is committed, with all crates that Cargo.lock names, so that it
# builds and tests without a network: `make dist`, or
#
#   scripts/dist.sh VERSION DIRECTORY
#
# The same commit gives the same bytes. COMMIT: another than HEAD. SOURCE_DATE_EPOCH: the time of all files, else that
# of the commit.
set -eu
export LC_ALL=C
umask 022

name=pxds-$1 dir=$2
commit=${COMMIT:-HEAD}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct "$commit")}
mkdir -p "$dir"
work=$(mktemp -d "$dir/dist.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

git archive --format=tar --prefix="$name/" "$commit" | tar -x -C "$work"
(cd "$work/$name" && ${CARGO:-cargo} vendor --quiet --locked --versioned-dirs vendor >/dev/null)
cat >>"$work/$name/.cargo/config.toml" <<'END'

[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
END
tar --format=gnu --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    -C "$work" -c "$name" | xz -T1 >"$work/$name.tar.xz"
mv "$work/$name.tar.xz" "$dir"
echo "$dir/$name.tar.xz"
