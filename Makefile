# Builds libpxds (Rust, by cargo) and everything around it (C).
#
#   make                    build/pxds, build/libpxds.so, build/libpxds.a, build/examples/
#   make demo               a tour of the tool
#   make test [STRICT=1]    every test; STRICT=1 fails where one had to be skipped;
#                           ONLY='c-* tool' runs these alone, JOBS=1 one at a time; one that
#                           has not ended after TIME_LIMIT minutes (30) fails
#   make FEATURES=master-key
#                           with master keys; see Cargo.toml
#   make install            PREFIX, LIBDIR, INCLUDEDIR, BINDIR, DESTDIR; builds nothing
#
#   make bench              what this machine reaches; ONLY='pipeline text' runs these alone
#
# Less often: nbd, lint, header, check-faults, check-aarch64, soak, fuzz, bench-large, install-strip, uninstall, clean;
# bench-peers (beside borg, restic and casync), bench-scaling, bench-chart (measures, and renews docs/performance.*).

CARGO   ?= cargo
PYTHON  ?= python3
INSTALL ?= install
STRIP   ?= strip
OBJCOPY ?= objcopy
CFLAGS  ?= -O2 -g

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include

# Each number is written down once, where cargo needs it.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI     := $(shell sed -n 's/^const ABI: &str = "\(.*\)";/\1/p' build.rs)

# What a program needs besides libpxds.a. `make test` compares it with what rustc says. Without -lgcc_s, which has no
# form for "cc -static": the compiler adds it, or -lgcc_eh, by itself.
STATIC_LIBS ?= -lutil -lrt -lpthread -lm -ldl -lc

TARGET := $(or $(CARGO_TARGET_DIR),target)/$(if $(CARGO_BUILD_TARGET),$(CARGO_BUILD_TARGET)/)release
SHARED := build/libpxds.so.$(VERSION)
LINKS  := build/libpxds.so.$(ABI) build/libpxds.so
STATIC := build/libpxds.a
TOOL   := build/pxds

TOOL_SOURCES  := $(wildcard tool/*.c)
EXAMPLES      := $(patsubst c-examples/%.c,build/examples/%,$(wildcard c-examples/*.c))
C_SOURCES     := $(wildcard tool/*.c c-examples/*.c tests/c/*.c tests/tool/*.c)
NBD_PLUGIN    := build/nbdkit-pxds-plugin.so
# Empty where nbdkit's headers are not there, or too old.
HAVE_NBDKIT   := $(shell pkg-config --atleast-version=1.30 nbdkit 2>/dev/null && echo yes)
SHELL_SCRIPTS := .ci/run $(wildcard scripts/*.sh tests/*.sh tests/*/*.sh)

STD      := -std=c99
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Werror
COMPILE  := $(CC) $(STD) -Iinclude $(CPPFLAGS) $(CFLAGS)

.DELETE_ON_ERROR:
.PHONY: all nbd demo test check-faults check-aarch64 soak header lint fuzz \
    bench bench-large bench-peers bench-scaling bench-chart install install-strip uninstall clean cargo

all: $(TOOL) $(SHARED) $(LINKS) $(STATIC) $(EXAMPLES) $(if $(HAVE_NBDKIT),$(NBD_PLUGIN))

# cargo knows what is out of date. A copy is renewed only when it differs, so that nothing is
# linked again without need.
cargo:
	$(CARGO) build --release --locked $(if $(FEATURES),--features '$(FEATURES)')

$(SHARED): cargo
	@mkdir -p build
	@cmp -s $(TARGET)/libpxds.so $@ || $(INSTALL) -m 755 $(TARGET)/libpxds.so $@

# Made again when what it was made of differs from the sum that is kept beside it.
$(STATIC): cargo
	@mkdir -p build
	@sum=$$(cat $(TARGET)/libpxds.a scripts/static-library.sh abi/pxds.symbols | cksum) && \
	test "$$(cat $@.sum 2>/dev/null)" = "$$sum" && test -f $@ || { \
	    echo 'scripts/static-library.sh abi/pxds.symbols $(TARGET)/libpxds.a $@' && \
	    LD='$(LD)' OBJCOPY='$(OBJCOPY)' AR='$(AR)' \
	        sh scripts/static-library.sh abi/pxds.symbols $(TARGET)/libpxds.a $@ && \
	    echo "$$sum" > $@.sum; }

build/libpxds.so.$(ABI): $(SHARED)
	@ln -sf libpxds.so.$(VERSION) $@

build/libpxds.so: build/libpxds.so.$(ABI)
	@ln -sf libpxds.so.$(ABI) $@

# Found in place, and after an install under any prefix that has bin/ beside lib/.
$(TOOL): $(TOOL_SOURCES) $(wildcard tool/*.h) include/pxds.h $(SHARED) $(LINKS)
	$(COMPILE) -o $@ $(TOOL_SOURCES) $(LDFLAGS) -Lbuild -lpxds -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib'

build/examples/%: c-examples/%.c include/pxds.h $(SHARED) $(LINKS)
	@mkdir -p $(@D)
	$(COMPILE) -pthread -o $@ $< $(LDFLAGS) -Lbuild -lpxds -Wl,-rpath,'$$ORIGIN/..'

nbd: $(NBD_PLUGIN)

$(NBD_PLUGIN): c-examples/nbd/plugin.c include/pxds.h $(SHARED) $(LINKS)
	@test -n '$(HAVE_NBDKIT)' || { echo 'nbd: no nbdkit 1.30 (Debian: nbdkit-plugin-dev)' >&2; exit 1; }
	$(COMPILE) -fPIC -shared $$(pkg-config --cflags nbdkit) -o $@ $< $(LDFLAGS) -Lbuild -lpxds \
	    -Wl,-rpath,'$$ORIGIN'

demo: all
	sh scripts/demo.sh

# ---- checks ----

TIME_LIMIT ?= 30

# Not by the environment: cargo would build zstd again for a CC that it had not seen before.
RUN_TESTS = $(PYTHON) tests/run CC='$(CC)' CXX='$(CXX)' CARGO='$(CARGO)' MAKE='$(MAKE)' \
    VERSION='$(VERSION)' ABI='$(ABI)' STATIC_LIBS='$(STATIC_LIBS)' \
    FEATURES='$(FEATURES)' JOBS='$(JOBS)' TIME_LIMIT='$(TIME_LIMIT)'

test: all
	@set -f; $(RUN_TESTS) $(if $(filter-out 0,$(STRICT)),--strict) $(ONLY)

# Every fault at every system call; `make test` tries a sample.
check-faults: all
	@set -f; $(RUN_TESTS) --strict --every-fault 'fault-*'

# The library for aarch64 Linux, cross-compiled, and its tests on qemu's emulation.
check-aarch64:
	CARGO='$(CARGO)' FEATURES='$(FEATURES)' sh scripts/check-aarch64.sh

# Backups, restores, prunes and garbage collections at once; `make test` does so for 15 seconds.
SECONDS ?= 60
soak: all
	@set -f; RACE_SECONDS=$(SECONDS) $(RUN_TESTS) --strict race

header:
	PXDS_REGENERATE=1 $(CARGO) test --locked --test header

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) clippy --all-targets --locked --features master-key -- -D warnings
	@echo "$(CC) $(STD) $(WARNINGS) -fsyntax-only tool/*.c c-examples/*.c tests/c/*.c tests/tool/*.c"
	@for file in $(C_SOURCES); do \
	    $(CC) $(STD) -Iinclude -Itests/c $(WARNINGS) -fsyntax-only $$file || exit 1; \
	done
	@if test -n '$(HAVE_NBDKIT)'; then \
	    $(CC) $(STD) -Iinclude $$(pkg-config --cflags nbdkit) $(WARNINGS) -fsyntax-only c-examples/nbd/*.c; \
	else echo 'lint: no nbdkit 1.30, c-examples/nbd was not checked'; fi
	@if command -v $(CXX) >/dev/null; then \
	    $(CXX) -std=c++11 -Iinclude $(WARNINGS) -fsyntax-only tests/cpp/*.cpp; \
	else echo 'lint: no C++ compiler, tests/cpp was not checked'; fi
	@if command -v shellcheck >/dev/null; then shellcheck $(SHELL_SCRIPTS); \
	else echo 'lint: no shellcheck, the scripts were not checked'; fi

# Each target for FUZZ_SECONDS, from the vectors on; needs the nightly toolchain and cargo-fuzz.
FUZZ_SECONDS ?= 60
FUZZ := blob:blobs chunker:blobs index:index keyfile:keys manifest:manifest names:names pbsconfig:names zone:prune
fuzz:
	@for target in $(FUZZ); do \
	    mkdir -p fuzz/corpus/$${target%:*}; \
	    $(CARGO) +nightly fuzz run $${target%:*} fuzz/corpus/$${target%:*} tests/vectors/$${target#*:} -- \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=65536 || exit 1; \
	done

# ---- measurements ----

BENCH = $(CARGO) bench --locked --bench pxds --

bench:
	$(BENCH) $(ONLY)

bench-scaling:
	$(BENCH) scaling

bench-peers: all
	$(PYTHON) scripts/bench-peers.py --cargo '$(CARGO) bench'

# In memory unless PXDS_BENCH_DIR says otherwise. What bench-scaling has left is put into the tables too.
bench-chart: export PXDS_BENCH_DIR ?= /dev/shm
bench-chart: all
	PXDS_BENCH_JSON='$(CURDIR)/target/bench/pxds.json' $(BENCH) pipeline
	$(PYTHON) scripts/bench-peers.py --cargo '$(CARGO) bench' --json target/bench/peers.json
	$(PYTHON) scripts/bench-chart.py --svg docs/performance.svg --tables docs/performance.md \
	    target/bench/pxds.json target/bench/peers.json $(wildcard target/bench/scaling.json)

# Garbage collection of CHUNKS chunks and INDEXES indexes, on a file system with room for as many files.
CHUNKS ?= 1000000
INDEXES ?= 200
bench-large: all
	$(PYTHON) benches/gc.py --chunks $(CHUNKS) --indexes $(INDEXES)

# ---- installation ----

# $(call relative,DIR): DIR with ${prefix} for PREFIX at its start, for pkg-config.
relative = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
FILL = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@ABI@|$(ABI)|g' -e 's|@STATIC_LIBS@|$(STATIC_LIBS)|g'

install:
	@for file in $(TOOL) $(SHARED) $(STATIC); do \
	    test -f $$file || { echo "install: no $$file; run make first" >&2; exit 1; }; \
	done
	$(INSTALL) -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(INCLUDEDIR)' \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(LIBDIR)/cmake/Pxds'
	$(INSTALL) -m 755 $(TOOL) '$(DESTDIR)$(BINDIR)/pxds'
	$(INSTALL) -m 644 include/pxds.h '$(DESTDIR)$(INCLUDEDIR)/pxds.h'
	$(INSTALL) -m 644 $(STATIC) '$(DESTDIR)$(LIBDIR)/libpxds.a'
	$(INSTALL) -m 755 $(SHARED) '$(DESTDIR)$(LIBDIR)/libpxds.so.$(VERSION)'
	ln -sf libpxds.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libpxds.so.$(ABI)'
	ln -sf libpxds.so.$(ABI) '$(DESTDIR)$(LIBDIR)/libpxds.so'
	$(FILL) -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(call relative,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(call relative,$(INCLUDEDIR))|' \
	    pxds.pc.in > '$(DESTDIR)$(LIBDIR)/pkgconfig/pxds.pc'
	$(FILL) -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    cmake/PxdsConfig.cmake.in > '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfig.cmake'
	$(FILL) cmake/PxdsConfigVersion.cmake.in \
	    > '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfigVersion.cmake'
	chmod 644 '$(DESTDIR)$(LIBDIR)/pkgconfig/pxds.pc' '$(DESTDIR)$(LIBDIR)'/cmake/Pxds/*.cmake

install-strip: install
	$(STRIP) '$(DESTDIR)$(BINDIR)/pxds'
	$(STRIP) --strip-unneeded '$(DESTDIR)$(LIBDIR)/libpxds.so.$(VERSION)'

uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/pxds' '$(DESTDIR)$(INCLUDEDIR)/pxds.h' \
	    '$(DESTDIR)$(LIBDIR)/libpxds.a' '$(DESTDIR)$(LIBDIR)/libpxds.so' \
	    '$(DESTDIR)$(LIBDIR)/libpxds.so.$(ABI)' '$(DESTDIR)$(LIBDIR)/libpxds.so.$(VERSION)' \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig/pxds.pc' \
	    '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfig.cmake' \
	    '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfigVersion.cmake'
	-rmdir '$(DESTDIR)$(LIBDIR)/cmake/Pxds'

clean:
	rm -rf build
	$(CARGO) clean
