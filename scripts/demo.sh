#!/bin/sh
# A tour of the tool on real data: two snapshots of a tar archive of a part of /usr, of an image, and
# of a small file are made and restored. Run it from the project's root after the build; `make demo`
# does both.
set -eu
export LC_ALL=C

limit=200000000 # bytes of files to take
tool=$PWD/build/pxds

die() {
    echo "demo: $*" >&2
    exit 1
}

# Shows a command and runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

pxds() {
    "$tool" "$@"
}

size_of() {
    wc -c < "$1" | tr -d ' '
}

mb() {
    awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'
}

[ -x "$tool" ] || die "no build/pxds here; run 'make demo' in the project's root"

base=${TMPDIR:-/tmp}
dir=$(mktemp -d "$base/pxds-demo.XXXXXX") || die "cannot make a directory in $base"
trap 'rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
cd "$dir"

# The files that everybody may read, in the order of their names.
find /usr -type f -perm -004 -exec ls -ln {} + 2>/dev/null |
    awk '{ path = index($0, "/"); if (path > 0) print substr($0, path + 1) "\t" $5 }' |
    sort > found
bytes=$(awk -F '\t' -v limit="$limit" '
    sum + $2 <= limit { sum += $2; print $1 > "chosen" }
    END { printf "%d", sum }' found)
[ "$bytes" -gt 0 ] || die "no readable files below /usr"

# At most two archives, the store and a restored archive are there at once, and the images.
need=$((bytes * 4 / 1024 + 131072))
free=$(df -Pk . | awk 'NR == 2 { print $4 }')
[ "$free" -ge "$need" ] ||
    die "$base has $((free / 1024)) MiB free of the $((need / 1024)) needed; set TMPDIR elsewhere"

echo "Making two versions of $(wc -l < chosen | tr -d ' ') files below /usr ..."
mkdir tree
# What tar cannot read after all is not in the copy, and from here on only the copy counts.
(cd / && tar -cf - -T "$dir/chosen" 2>/dev/null) | (cd tree && tar -xf -)
chmod -R u+rwX tree
(cd tree && find . -type f) | sort > v1.list
(cd tree && tar -cf ../v1.tar -T ../v1.list)

# An image with data from 8 MiB on, and zeros before and behind it.
head -c 20000000 v1.tar | dd of=v1.img bs=1M seek=8 2>/dev/null
dd if=/dev/zero of=v1.img bs=1M seek=64 count=0 2>/dev/null

# Five runs of neighbours, about 2 % of the files, as the update of a few packages would change:
# in turn one is removed, one grows at its end, one at its start. In the image one block changes.
awk -v count="$(wc -l < v1.list)" '
    BEGIN { step = int(count / 5); if (step < 1) step = 1 }
    NR % step < count / 250 { print }' v1.list > changed
turn=0
while IFS= read -r file; do
    case $turn in
    0) rm "tree/$file" ;;
    1) echo 'a new line at the end' >> "tree/$file" ;;
    2)
        { echo 'a new line at the start' && cat "tree/$file"; } > new
        mv new "tree/$file"
        ;;
    esac
    turn=$(((turn + 1) % 3))
done < changed
(cd tree && find . -type f) | sort > v2.list
(cd tree && tar -cf ../v2.tar -T ../v2.list)
rm -rf tree
cp v1.img v2.img
echo 'a block that has changed' | dd of=v2.img bs=4096 seek=3000 conv=notrunc 2>/dev/null
sha256sum v1.* v2.* > checksums
echo "v1: tar $(mb "$(size_of v1.tar)"), image $(mb "$(size_of v1.img)")"
echo "v2: tar $(mb "$(size_of v2.tar)"), image $(mb "$(size_of v2.img)"):" \
    "$(wc -l < changed | tr -d ' ') files and one block changed"

run pxds init store
for version in v1 v2; do
    run pxds backup store host/demo "usr.tar.didx=$version.tar" "disk.img.fidx=$version.img" \
        "files.blob=$version.list" --comment "the files of $version"
done
run pxds list store
pxds list store | awk 'NR > 1 { print $1 }' > snapshots
run pxds files store "$(tail -n 1 snapshots)"

mkdir restored
for version in v1 v2; do
    snapshot=$(head -n "${version#v}" snapshots | tail -n 1)
    run pxds restore store "$snapshot" usr.tar.didx "restored/$version.tar"
    run pxds restore store "$snapshot" disk.img.fidx "restored/$version.img" --sparse
    run pxds restore store "$snapshot" files.blob "restored/$version.list"
    for kind in tar img list; do
        run cmp "$version.$kind" "restored/$version.$kind"
    done
    grep " $version" checksums > restored/checksums
    (cd restored && run sha256sum -c checksums)
    rm restored/*
done

input=$(cat v1.* v2.* | wc -c)
store=$(find store -type f -exec ls -ln {} + | awk '{ sum += $5 } END { printf "%d", sum }')
cat <<END

Two snapshots of together $(mb "$input") take $(mb "$store") in the store.

Where to go next: README.md, the programs in c-examples/, and 'build/pxds --help'.
END
