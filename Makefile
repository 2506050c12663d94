# Builds libpxds (Rust, by cargo) and everything around it (C).
#
#   make                    build/pxds, build/libpxds.so, build/libpxds.a, build/examples/, build/ffi/
#   make demo               a tour of the tool
#   make test [STRICT=1]    every test; STRICT=1 fails where one had to be skipped;
#                           ONLY='c-* tool' runs these alone, JOBS=1 one at a time; one that
#                           has not ended after TIME_LIMIT minutes (30) fails
#   make FEATURES=master-key
#                           with master keys; see Cargo.toml
#   make S3=no              without stores in S3, and without HTTP, TLS and XML
#   make install            PREFIX, LIBDIR, INCLUDEDIR, BINDIR, DATADIR, MANDIR, DOCDIR, DESTDIR; builds nothing
#   make RUNPATH=           the tool without a search path of its own, as distributions want it
#   make dist, make deb     a source archive with all crates in it; Debian's packages
#
#   make bench              what this machine reaches; ONLY='pipeline text' runs these alone
#
# Less often: wheel, nbd, lint, header, man, docs, licenses, abi-dump, check-faults, check-aarch64, soak, soak-model,
# fuzz, bench-large, bench-bindings, install-strip, uninstall, clean; bench-peers (beside borg, restic and casync),
# bench-scaling, bench-chart (measures, and renews docs/performance.*).

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
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
DOCDIR     ?= $(DATADIR)/doc/pxds
# What is installed names these places, so they are absolute: `make install PREFIX=here`.
absolute = $(if $(filter-out /%,$(firstword $(1))),$(CURDIR)/)$(1)
$(foreach name,PREFIX BINDIR LIBDIR INCLUDEDIR DATADIR MANDIR DOCDIR,\
    $(eval override $(name) := $(call absolute,$($(name)))))

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
C_SOURCES     := $(wildcard tool/*.c c-examples/*.c tests/c/*.c tests/tool/*.c scripts/reference/*.c)
FFI_KIT       := pxds.cdef.h pxds.json
MAN_PAGES     := $(wildcard man/*.[13])
GUIDES        := $(filter-out docs/README.md,$(wildcard docs/*.md)) docs/performance.svg
SCHEMAS       := $(wildcard docs/json/*.schema.json)
NBD_PLUGIN    := build/nbdkit-pxds-plugin.so
# Empty where nbdkit's headers are not there, or too old.
HAVE_NBDKIT   := $(shell pkg-config --atleast-version=1.30 nbdkit 2>/dev/null && echo yes)
SHELL_SCRIPTS := .ci/run completions/pxds.bash $(wildcard scripts/*.sh tests/*.sh tests/*/*.sh)

# Where the tool looks for the library: in place, and after an install under any prefix that has bin/ beside lib/.
# Empty: where the system does.
RUNPATH ?= $$ORIGIN:$$ORIGIN/../lib

STD      := -std=c99
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Werror
# What is made names no directory of this machine; for Rust see .cargo/config.toml.
NO_PATHS := -ffile-prefix-map='$(CURDIR)'=.
# As distributions want it, of what the compiler has. FORTIFY is for optimised code, and has levels of the user's own.
knows     = $(shell $(CC) -Werror $(1) -S -o /dev/null -x c /dev/null 2>/dev/null && echo '$(1)')
HARDENED := $(foreach flag,-fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection \
    -mbranch-protection=standard,$(call knows,$(flag))) \
    $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,$(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),\
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
COMPILE  := $(CC) $(STD) -Iinclude $(NO_PATHS) $(HARDENED) $(CPPFLAGS) $(CFLAGS)
LINK     := -pie -Wl,-z,relro -Wl,-z,now $(LDFLAGS) -Lbuild -lpxds

.DELETE_ON_ERROR:
.PHONY: all wheel nbd demo test check-faults check-aarch64 soak soak-model header man docs licenses lint fuzz dist \
    deb abi-dump bench bench-bindings bench-large bench-peers bench-scaling bench-chart install install-strip \
    uninstall clean cargo

all: $(TOOL) $(SHARED) $(LINKS) $(STATIC) $(EXAMPLES) $(FFI_KIT:%=build/ffi/%) $(if $(HAVE_NBDKIT),$(NBD_PLUGIN))

# cargo knows what is out of date. A copy is renewed only when it differs, so that nothing is
# linked again without need.
# CFLAGS of the user's are also for the C in crates, behind those it always has. They may ask for debug information,
# which has paths.
CRATES   := $(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src
# They are split at spaces, so a directory with one is not named.
C_CRATES := $(if $(filter-out file,$(origin CFLAGS)),CFLAGS="$$C_FLAGS" )
C_MAPS   := $(if $(word 2,$(CURDIR)),,-ffile-prefix-map=$(CURDIR)=.) \
    $(if $(word 2,$(CRATES)),,-ffile-prefix-map=$(CRATES)=/crates)
# What cargo has by default is S3 alone.
NO_S3    := $(if $(filter no,$(S3)),--no-default-features)
cargo: export C_FLAGS = $(shell sed -n 's/^CFLAGS = "\(.*\)"/\1/p' .cargo/config.toml) $(CFLAGS) $(C_MAPS)
cargo:
	$(C_CRATES)$(CARGO) build --release --locked $(NO_S3) $(if $(FEATURES),--features '$(FEATURES)')

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

$(TOOL): $(TOOL_SOURCES) $(wildcard tool/*.h) include/pxds.h $(SHARED) $(LINKS) build/tool.flags
	$(COMPILE) -o $@ $(TOOL_SOURCES) $(LINK) $(RUNPATH:%=-Wl,-rpath,'%')

# Changes when they do: `make RUNPATH=` after `make` links the tool again.
build/tool.flags: export TOOL_FLAGS = $(COMPILE) $(LINK) $(RUNPATH)
build/tool.flags: cargo
	@mkdir -p build
	@printf '%s\n' "$$TOOL_FLAGS" | cmp -s - $@ || printf '%s\n' "$$TOOL_FLAGS" > $@

build/examples/%: c-examples/%.c include/pxds.h $(SHARED) $(LINKS)
	@mkdir -p $(@D)
	$(COMPILE) -pthread -o $@ $< $(LINK) -Wl,-rpath,'$$ORIGIN/..'

build/ffi/%: bindings/ffi/%
	@mkdir -p $(@D)
	@cp $< $@

nbd: $(NBD_PLUGIN)

$(NBD_PLUGIN): c-examples/nbd/plugin.c include/pxds.h $(SHARED) $(LINKS)
	@test -n '$(HAVE_NBDKIT)' || { echo 'nbd: no nbdkit 1.30 (Debian: nbdkit-plugin-dev)' >&2; exit 1; }
	$(COMPILE) -fPIC -shared $$(pkg-config --cflags nbdkit) -o $@ $< $(filter-out -pie,$(LINK)) \
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

# Random schedules of the protocol of shared stores; `make test` runs some thousand.
SEEDS ?= 1000000
soak-model:
	PXDS_MODEL_SEEDS=$(SEEDS) $(CARGO) test --locked --test shared_model -- --nocapture

# The header from src/ffi, and from the header what bindings start from.
header:
	PXDS_REGENERATE=1 $(CARGO) test --locked --test header
	@if command -v $(PYTHON) >/dev/null; then $(PYTHON) scripts/ffi-kit.py include/pxds.h bindings/ffi && \
	    cp bindings/ffi/pxds.json bindings/node; \
	else echo 'header: no $(PYTHON), bindings/ffi is as it was'; fi

# Man pages and completions, from the tables of the tool and from the header.
man: all
	$(COMPILE) -Dmain=tool_main -o build/table scripts/reference/table.c $(TOOL_SOURCES) $(LINK) \
	    -Wl,-rpath,'$$ORIGIN'
	build/table > build/table.json
	$(PYTHON) -B scripts/reference/make.py build/table.json man completions

# Pages of the header for a browser: build/docs/html/index.html.
docs:
	@command -v doxygen >/dev/null || { echo 'docs: no doxygen (Debian: doxygen)' >&2; exit 1; }
	rm -rf build/docs
	mkdir -p build/docs
	$(PYTHON) -B scripts/reference/front.py > build/docs/front.md
	doxygen scripts/reference/Doxyfile

# The notices of what the library is linked with, from Cargo.lock.
licenses:
	CARGO='$(CARGO)' $(PYTHON) scripts/licenses.py > THIRD-PARTY-LICENSES.new
	mv THIRD-PARTY-LICENSES.new THIRD-PARTY-LICENSES

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) clippy --all-targets --locked --features master-key -- -D warnings
	$(CARGO) clippy --all-targets --locked --no-default-features -- -D warnings
	@echo "$(CC) $(STD) $(WARNINGS) -fsyntax-only tool/*.c c-examples/*.c tests/c/*.c tests/tool/*.c ..."
	@for file in $(C_SOURCES); do \
	    $(CC) $(STD) -Iinclude -Itests/c $(WARNINGS) -fsyntax-only $$file || exit 1; \
	done
	@if test -n '$(HAVE_NBDKIT)'; then \
	    $(CC) $(STD) -Iinclude $$(pkg-config --cflags nbdkit) $(WARNINGS) -fsyntax-only c-examples/nbd/*.c; \
	else echo 'lint: no nbdkit 1.30, c-examples/nbd was not checked'; fi
	@if command -v $(CXX) >/dev/null; then \
	    $(CXX) -std=c++11 -Iinclude $(WARNINGS) -fsyntax-only tests/cpp/put_get.cpp && \
	    $(CXX) -std=c++17 -Iinclude $(WARNINGS) -fsyntax-only $(filter-out %/put_get.cpp,$(wildcard tests/cpp/*.cpp)); \
	else echo 'lint: no C++ compiler, tests/cpp was not checked'; fi
	@if command -v shellcheck >/dev/null; then shellcheck $(SHELL_SCRIPTS); \
	else echo 'lint: no shellcheck, the scripts were not checked'; fi

# Each target for FUZZ_SECONDS, from the vectors on; needs the nightly toolchain and cargo-fuzz.
FUZZ_SECONDS ?= 60
FUZZ := blob:blobs chunker:blobs index:index keyfile:keys manifest:manifest names:names pbsconfig:names s3:s3 zone:prune
fuzz:
	@for target in $(FUZZ); do \
	    mkdir -p fuzz/corpus/$${target%:*}; \
	    $(CARGO) +nightly fuzz run $${target%:*} fuzz/corpus/$${target%:*} tests/vectors/$${target#*:} -- \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=65536 || exit 1; \
	done

# ---- packages ----

DIST := build/pxds-$(VERSION).tar.xz

dist:
	CARGO='$(CARGO)' sh scripts/dist.sh $(VERSION) build

# In build/deb; needs debhelper, dh-python and lintian.
deb: dist
	rm -rf build/deb && mkdir -p build/deb
	tar -xf $(DIST) -C build/deb
	sh scripts/deb.sh build/deb/pxds-$(VERSION)

# The binary interface as the header has it: what a release after this one is compared with.
abi-dump:
	$(PYTHON) scripts/abi.py dump abi/libpxds.so.$(ABI).abi

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

# What Python and Go cost beside the tool.
bench-bindings: all
	$(PYTHON) scripts/bench-bindings.py

# Garbage collection of CHUNKS chunks and INDEXES indexes, on a file system with room for as many files.
CHUNKS ?= 1000000
INDEXES ?= 200
bench-large: all
	$(PYTHON) benches/gc.py --chunks $(CHUNKS) --indexes $(INDEXES)

# ---- installation ----

# The Python package with the library in it.
wheel: all
	STRIP='$(STRIP)' $(PYTHON) scripts/wheel.py build/wheel $(SHARED)

# Of shells, whether they are there or not.
BASH_COMPLETION := $(DATADIR)/bash-completion/completions
ZSH_COMPLETION  := $(DATADIR)/zsh/site-functions
FISH_COMPLETION := $(DATADIR)/fish/vendor_completions.d

# Each function has its page, whose name is in it: a link for those whose page has another. FUNCTION:PAGE.
MAN_LINKS = $(shell awk '/^\.Nm / { page = FILENAME; sub(".*/", "", page); \
    if ($$2 ".3" != page) print $$2 ":" page }' $(filter %.3,$(MAN_PAGES)))

DIRECTORIES = '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' \
    '$(DESTDIR)$(LIBDIR)/cmake/Pxds' '$(DESTDIR)$(DATADIR)/pxds' '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man3' \
    '$(DESTDIR)$(BASH_COMPLETION)' '$(DESTDIR)$(ZSH_COMPLETION)' '$(DESTDIR)$(FISH_COMPLETION)' \
    '$(DESTDIR)$(DOCDIR)/json'

# README.md as it stands beside the guides: what leads to none of them is no link there.
README = sed -E -e 's,\[([^]]*)\]\(((docs/)?[A-Z]+\.md|(include|bindings|packaging)/[^)]*)\),\1,g' \
    -e 's,(\]\(|src=")docs/,\1,g' README.md

# $(call relative,DIR): DIR with ${prefix} for PREFIX at its start, for pkg-config. Paths may have spaces in them, so
# they are no words of make's; as text of sed's they have no | and &.
relative = $(subst |,,$(subst |$(PREFIX)/,$${prefix}/,|$(1)))
literal = $(subst &,\&,$(1))
FILL = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@ABI@|$(ABI)|g' -e 's|@STATIC_LIBS@|$(STATIC_LIBS)|g'

install:
	@for file in $(TOOL) $(SHARED) $(STATIC); do \
	    test -f $$file || { echo "install: no $$file; run make first" >&2; exit 1; }; \
	done
	$(INSTALL) -d $(DIRECTORIES)
	$(INSTALL) -m 755 $(TOOL) '$(DESTDIR)$(BINDIR)/pxds'
	$(INSTALL) -m 644 include/pxds.h include/pxds.hpp '$(DESTDIR)$(INCLUDEDIR)'
	$(INSTALL) -m 644 $(FFI_KIT:%=bindings/ffi/%) '$(DESTDIR)$(DATADIR)/pxds'
	$(INSTALL) -m 644 $(filter %.1,$(MAN_PAGES)) '$(DESTDIR)$(MANDIR)/man1'
	$(INSTALL) -m 644 $(filter %.3,$(MAN_PAGES)) '$(DESTDIR)$(MANDIR)/man3'
	@for link in $(MAN_LINKS); do ln -sf "$${link#*:}" '$(DESTDIR)$(MANDIR)/man3'/"$${link%:*}.3" || exit 1; done
	$(INSTALL) -m 644 completions/pxds.bash '$(DESTDIR)$(BASH_COMPLETION)/pxds'
	$(INSTALL) -m 644 completions/_pxds '$(DESTDIR)$(ZSH_COMPLETION)/_pxds'
	$(INSTALL) -m 644 completions/pxds.fish '$(DESTDIR)$(FISH_COMPLETION)/pxds.fish'
	$(INSTALL) -m 644 LICENSE THIRD-PARTY-LICENSES $(GUIDES) '$(DESTDIR)$(DOCDIR)'
	$(README) > '$(DESTDIR)$(DOCDIR)/README.md'
	chmod 644 '$(DESTDIR)$(DOCDIR)/README.md'
	$(INSTALL) -m 644 $(SCHEMAS) '$(DESTDIR)$(DOCDIR)/json'
	$(INSTALL) -m 644 $(STATIC) '$(DESTDIR)$(LIBDIR)/libpxds.a'
	$(INSTALL) -m 755 $(SHARED) '$(DESTDIR)$(LIBDIR)/libpxds.so.$(VERSION)'
	ln -sf libpxds.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libpxds.so.$(ABI)'
	ln -sf libpxds.so.$(ABI) '$(DESTDIR)$(LIBDIR)/libpxds.so'
	$(FILL) -e 's|@PREFIX@|$(call literal,$(PREFIX))|' \
	    -e 's|@LIBDIR@|$(call literal,$(call relative,$(LIBDIR)))|' \
	    -e 's|@INCLUDEDIR@|$(call literal,$(call relative,$(INCLUDEDIR)))|' \
	    -e 's|@DATADIR@|$(call literal,$(call relative,$(DATADIR)))|' \
	    pxds.pc.in > '$(DESTDIR)$(LIBDIR)/pkgconfig/pxds.pc'
	$(FILL) -e 's|@LIBDIR@|$(call literal,$(LIBDIR))|' -e 's|@INCLUDEDIR@|$(call literal,$(INCLUDEDIR))|' \
	    cmake/PxdsConfig.cmake.in > '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfig.cmake'
	$(FILL) cmake/PxdsConfigVersion.cmake.in \
	    > '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfigVersion.cmake'
	chmod 644 '$(DESTDIR)$(LIBDIR)/pkgconfig/pxds.pc' '$(DESTDIR)$(LIBDIR)'/cmake/Pxds/*.cmake

install-strip: install
	$(STRIP) '$(DESTDIR)$(BINDIR)/pxds'
	$(STRIP) --strip-unneeded '$(DESTDIR)$(LIBDIR)/libpxds.so.$(VERSION)'

# Directories that every system has. Others that are empty in the end go, and their parents up to PREFIX.
STANDARD := $(if $(filter /usr /usr/local,$(PREFIX)),bin include lib share share/man)

uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/pxds' '$(DESTDIR)$(INCLUDEDIR)/pxds.h' '$(DESTDIR)$(INCLUDEDIR)/pxds.hpp' \
	    '$(DESTDIR)$(LIBDIR)/libpxds.a' '$(DESTDIR)$(LIBDIR)/libpxds.so' \
	    '$(DESTDIR)$(LIBDIR)/libpxds.so.$(ABI)' '$(DESTDIR)$(LIBDIR)/libpxds.so.$(VERSION)' \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig/pxds.pc' \
	    '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfig.cmake' \
	    '$(DESTDIR)$(LIBDIR)/cmake/Pxds/PxdsConfigVersion.cmake' \
	    $(FFI_KIT:%='$(DESTDIR)$(DATADIR)/pxds/%') \
	    $(patsubst man/%,'$(DESTDIR)$(MANDIR)/man1/%',$(filter %.1,$(MAN_PAGES))) \
	    $(patsubst man/%,'$(DESTDIR)$(MANDIR)/man3/%',$(filter %.3,$(MAN_PAGES))) \
	    '$(DESTDIR)$(BASH_COMPLETION)/pxds' '$(DESTDIR)$(ZSH_COMPLETION)/_pxds' \
	    '$(DESTDIR)$(FISH_COMPLETION)/pxds.fish' \
	    $(patsubst docs/%,'$(DESTDIR)$(DOCDIR)/%',$(GUIDES) $(SCHEMAS)) \
	    $(patsubst %,'$(DESTDIR)$(DOCDIR)/%',LICENSE THIRD-PARTY-LICENSES README.md)
	@for link in $(MAN_LINKS); do rm -f '$(DESTDIR)$(MANDIR)/man3'/"$${link%:*}.3"; done
	@top='$(DESTDIR)$(PREFIX)'; for dir in $(DIRECTORIES) "$$top"; do \
	    while case " $(STANDARD) " in *" $${dir#"$$top/"} "*) false ;; esac && rmdir "$$dir" 2>/dev/null; do \
	        case $$dir in "$$top"/*) dir=$${dir%/*} ;; *) break ;; esac; \
	    done; \
	done

clean:
	rm -rf build
	$(CARGO) clean
