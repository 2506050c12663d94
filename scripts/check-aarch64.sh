#!/bin/sh
# Compiles libpxds for aarch64 Linux, warnings being errors, and runs the tests of Rust and those of tests/c on qemu's
# emulation of the processor: `make check-aarch64`, in the project's root.
#
# The compiler is the first of these that is there; the output says which. Without one the check fails.
#
# - The toolchain in use, if it has the target: rustup target add aarch64-unknown-linux-gnu
# - Debian's rustc-web with the arm64 build of its library, unpacked below target/. The lists of packages are there too:
#   neither a package nor a foreign architecture is added to the machine.
#
# QEMU_LD_PREFIX: where the C library of aarch64 is. TMPDIR: on a file system in memory the tests take far less time.
set -eu
export LC_ALL=C

target=aarch64-unknown-linux-gnu
cc=aarch64-linux-gnu-gcc
dir=${CARGO_TARGET_DIR:-target}/check-aarch64
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
debian=$dir/debian
log=$dir/log
export QEMU_LD_PREFIX="${QEMU_LD_PREFIX:-/usr/aarch64-linux-gnu}"

say() {
    echo "check-aarch64: $*"
}

die() {
    say "$*" >&2
    exit 1
}

has_target() {
    libdir=$("$1" --print target-libdir --target "$target" 2>/dev/null) &&
        [ -n "$(find "$libdir" -name 'libstd-*.rlib' 2>/dev/null)" ]
}

# apt-get with arm64, and with lists of its own.
apt() {
    apt-get -q -o APT::Architectures::=arm64 -o APT::Sandbox::User=root \
        -o Dir::State::Lists="$debian/apt/lists" -o Dir::Cache="$debian/apt/cache" "$@"
}

# Leaves $debian/rustc.
unpack_debian() {
    rm -rf "$debian"
    mkdir -p "$debian/apt/lists/partial" "$debian/apt/cache/archives/partial"
    apt update || return
    # What rustc-web needs that this machine does not have.
    missing=$(apt -s --no-install-recommends install rustc-web | sed -n 's/^Inst \([^ ]*\).*/\1/p')
    # shellcheck disable=SC2046,SC2086 # lists
    (cd "$debian/apt" && apt download libstd-rust-web-dev:arm64 \
        $(printf '%s\n' rustc-web libstd-rust-web-dev $missing | sort -u)) || return
    for package in "$debian"/apt/*.deb; do
        dpkg-deb -x "$package" "$debian" || return
    done
    rm -rf "$debian/apt"
    cat > "$debian/rustc" <<'END'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$here/usr/lib/$(uname -m)-linux-gnu exec "$here/usr/bin/rustc" "$@"
END
    chmod +x "$debian/rustc"
}

# Shows what a command says, and keeps it, a failure too.
run() {
    { "$@" 2>&1 || echo "failed with exit status $?: $*"; } | tee -a "$log"
}

no_failure() {
    ! grep '^failed with exit status' "$log" >&2 || die "see $log"
}

# The profile is that of the tests: the library that they use is built, and no second one.
cargo() {
    subcommand=$1
    shift
    # shellcheck disable=SC2086 # may be more words than one
    run command ${CARGO:-cargo} "$subcommand" --locked --profile test --target "$target" --target-dir "$dir" \
        ${FEATURES:+--features "$FEATURES"} "$@"
}

command -v "$cc" >/dev/null || die "no $cc (Debian: gcc-aarch64-linux-gnu)"
command -v qemu-aarch64 >/dev/null || die 'no qemu-aarch64 (Debian: qemu-user)'
[ -e "$QEMU_LD_PREFIX/include/stdio.h" ] || [ -e "$QEMU_LD_PREFIX/usr/include/stdio.h" ] ||
    die "no C library in $QEMU_LD_PREFIX (Debian: libc6-dev-arm64-cross); QEMU_LD_PREFIX names another place"

if has_target "${RUSTC:-rustc}"; then
    say "the toolchain in use has the target"
else
    has_target "$debian/rustc" || { command -v apt-get >/dev/null && unpack_debian && has_target "$debian/rustc"; } ||
        die "no Rust for $target: run 'rustup target add $target'; on Debian have rustc-web 1.89 or newer" \
            "in the lists (bookworm: security updates), and network"
    export RUSTC="$debian/rustc"
    say "the toolchain in use has not the target; Debian's, unpacked in $debian, is used"
fi
"${RUSTC:-rustc}" --version

base=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$base/pxds-aarch64.XXXXXX") || die "cannot make a directory in $base"
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

export RUSTFLAGS='-D warnings'
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$cc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
left_out=
mkdir -p "$dir/c"
: > "$log"

cargo build --lib
no_failure
# qemu 7.2 says yes to any madvise, MADV_WIPEONFORK too, and does nothing.
fork_test=sys::process::tests::a_child_does_not_have_the_mark
cargo test --lib --tests --no-fail-fast -- --skip "$fork_test"

lib=$dir/$target/debug
soname=$(aarch64-linux-gnu-readelf -d "$lib/libpxds.so" | sed -n 's/.*soname: \[\(.*\)\].*/\1/p')
ln -sf libpxds.so "$lib/$soname"
for source in tests/c/*.c; do
    name=$(basename "$source" .c)
    say "$source"
    run "$cc" -std=c99 -g -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -Itests/c "$source" \
        -o "$dir/c/$name" -L"$lib" -lpxds -lpthread -Wl,-rpath,"$lib"
    case $name in
    # They count the process's threads, and the emulator has one of its own.
    ingest_threads | progress | restore_threads) left_out="$left_out $source" ;;
    *) run qemu-aarch64 "$dir/c/$name" ;;
    esac
done

awk '
    /^test result: / { rust += $4; rust_failed += $6 }
    /^[0-9]+ passed, [0-9]+ failed/ { c += $1; c_failed += $3 }
    END {
        printf "check-aarch64: Rust: %d passed, %d failed; C: %d passed, %d failed\n", rust, rust_failed, c, c_failed
        if (rust == 0 || c == 0) exit 1
    }' "$log" || die "tests did not run; see $log"
say "compiled, but not run on the emulator: $fork_test$left_out"
no_failure
