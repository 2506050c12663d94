"""What distributions and users of the static library rely on: no paths, hardening, the source archive, packages."""

import filecmp
import fnmatch
import glob
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys

from __main__ import ROOT, SETTINGS, Failure, Skip, check, installed_files, make_install, need, setting, write_consumer

TRIPLET = f"{platform.machine()}-linux-gnu"
SHARED = f"libpxds.so.{SETTINGS['ABI']}"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- what the binaries are ----


@check
def binaries_paths(test):
    """No binary names a directory of this machine: a crash report or a package would carry it."""
    home = os.path.expanduser("~")
    cargo_home = os.environ.get("CARGO_HOME") or f"{home}/.cargo"
    sysroot = test.output(["rustc", "--print", "sysroot"]).strip()
    target = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or "target")
    places = [place.encode() for place in (ROOT, cargo_home, sysroot, target, home) if place.count("/") > 1]
    with_path = f"{test.scratch}/with-path.o"
    test.output([*setting("CC"), "-g", "-x", "c", "-", "-c", "-o", with_path], input=b"int x;\n")

    def found(path):
        with open(path, "rb") as file:
            data = file.read()
        return sorted({data[at.start():at.start() + 100].split(b"\0")[0].decode(errors="replace")
                       for place in places for at in re.finditer(re.escape(place) + rb"[/\0]", data)})

    test.expect(found(with_path), "a path is found where there is one")
    for name in ("libpxds.so", "libpxds.a", "pxds", *(f"examples/{name}" for name in os.listdir("build/examples"))):
        test.expect(found(f"build/{name}") == [], f"build/{name}: {found(f'build/{name}')[:5]}; an older build's? "
                                                  "then `cargo clean` helps")


STD_INLINED = """
#[unsafe(no_mangle)]
pub extern "C" fn spawned() -> bool { std::thread::spawn(|| 1).join().is_ok() }
"""


@check
def rustc_wrapper(test):
    """What scripts/rustc.sh makes is the same where another directory is worked in, and where std's sources are."""
    sysroot = test.output(["rustc", "--print", "sysroot"]).strip()
    with_std = f"{test.scratch}/sysroot"
    os.makedirs(f"{with_std}/lib/rustlib/src/rust/library/std/src")
    for name in ("bin", *(f"lib/{name}" for name in os.listdir(f"{sysroot}/lib") if name != "rustlib"),
                 *(f"lib/rustlib/{name}" for name in os.listdir(f"{sysroot}/lib/rustlib") if name != "src")):
        os.symlink(f"{sysroot}/{name}", f"{with_std}/{name}")
    # rustc looks for this file.
    open(f"{with_std}/lib/rustlib/src/rust/library/std/src/lib.rs", "w", encoding="ascii").close()
    rustc = f"{test.scratch}/rustc"
    with open(rustc, "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\nexec rustc --sysroot "{with_std}" "$@"\n')
    os.chmod(rustc, 0o755)

    def compiled(compiler, name):
        crate = f"{test.scratch}/{name}"
        os.mkdir(crate)
        with open(f"{crate}/lib.rs", "w", encoding="ascii") as file:
            file.write(STD_INLINED)
        env = {"CARGO_MANIFEST_DIR": crate, "CARGO_PKG_NAME": "x", "CARGO_PKG_VERSION": "1"}
        options = ["--edition=2024", "--crate-type=lib", "--emit=obj", "-g", f"{crate}/lib.rs", "-o", f"{crate}/x.o"]
        test.output([*compiler, *options], env=env)
        with open(f"{crate}/x.o", "rb") as file:
            return file.read()

    wrapper = os.path.abspath("scripts/rustc.sh")
    bare = compiled([rustc], "bare")
    test.expect(with_std.encode() in bare and f"{test.scratch}/bare".encode() in bare, "without it there are paths")
    one, other = compiled([wrapper, "rustc"], "one"), compiled([wrapper, rustc], "other")
    test.expect(test.scratch.encode() not in other and b"/rustc/" in other, "with it there are none")
    test.expect(one == other, "the same bytes")


def knows(test, flag):
    try:
        test.output([*setting("CC"), "-Werror", flag, "-S", "-o", "/dev/null", "-x", "c", "/dev/null"])
    except Failure:
        return False
    return True


@check
def binaries_hardening(test):
    """The tool and the libraries are what distributions ask of programs that read foreign data."""
    need("readelf", "binutils")
    for path in ("build/pxds", "build/libpxds.so"):
        text = test.output(["readelf", "-h", "-d", "-l", "-W", path])
        test.expect(re.search(r"Type: +DYN", text), f"{path} is loaded anywhere")
        test.expect("GNU_RELRO" in text and re.search(r"FLAGS.*(BIND_NOW|NOW)", text), f"{path} has full RELRO")
        test.expect(not re.search(r"GNU_STACK.*RWE", text), f"{path} has no executable stack")
        test.expect(not re.search(r"LOAD.*RWE", text), f"{path} has no writable code")
    text = test.output(["readelf", "--dyn-syms", "-W", "build/libpxds.so"])
    test.expect("__stack_chk_fail" in text, "zstd guards its stack")
    text = test.output(["readelf", "-d", "--dyn-syms", "-W", "build/pxds"])
    test.expect(re.search(r"FLAGS_1.*PIE", text), "the tool is a PIE")
    test.expect("__printf_chk" in text or "__fprintf_chk" in text, "the tool has checked functions, FORTIFY")
    test.expect("$ORIGIN/../lib" in text, "the tool finds the library beside it")
    if knows(test, "-fstack-protector-strong"):
        test.expect("__stack_chk_fail" in text, "the tool guards its stack")
    if knows(test, "-fcf-protection"):
        code = test.output(["objdump", "-d", "--no-show-raw-insn", "build/pxds"])
        main = re.search(r"<main>:\n.*?:\t(\S+)", code)
        test.expect(main and main[1] == "endbr64", "the functions of the tool are marked for indirect branches")


# What Rust's standard library asks glibc for, and gcc's library for exceptions; those made for musl do not.
FOR_GLIBC = b"""
int _dl_find_object(void *pc, void *result) { (void)pc; (void)result; return -1; }
int __res_init(void) { return 0; }
const char *gnu_get_libc_version(void) { return "2.36"; }
"""


@check
def static_musl(test):
    """A program with musl in place of glibc: the static library needs nothing else that musl lacks, and runs on it."""
    need("musl-gcc", "musl-tools")
    shim, program, store = (f"{test.scratch}/{name}" for name in ("shim.o", "backup_restore", "store"))
    test.output(["musl-gcc", "-x", "c", "-", "-c", "-o", shim], input=FOR_GLIBC)
    exceptions = test.output([*setting("CC"), "-print-file-name=libgcc_eh.a"]).strip()
    test.output(["musl-gcc", "-static", "-Iinclude", "c-examples/backup_restore.c", "-o", program, shim,
                 "build/libpxds.a", exceptions])
    test.output([program, store, "build/libpxds.so", f"{test.scratch}/restored"])
    test.expect(filecmp.cmp("build/libpxds.so", f"{test.scratch}/restored", shallow=False), "a backup is restored")


# A program with a zstd of its own: each compresses with its own, and what one has written the other reads.
WITH_ZSTD = b"""
#include <pxds.h>
#include <string.h>
#include <zstd.h>
int main(void)
{
    static char data[100000], blob[100012], back[100000], frame[101000];
    size_t blob_len = 0, frame_len;
    pxds_blob_codec *codec = NULL;
    memset(data, 'x', sizeof data);
    if (ZSTD_versionNumber() != ZSTD_VERSION_NUMBER)
        return 2; /* of another zstd */
    frame_len = ZSTD_compress(frame, sizeof frame, data, sizeof data, 19);
    if (ZSTD_isError(frame_len) || ZSTD_decompress(back, sizeof back, frame, frame_len) != sizeof back)
        return 3;
    if (pxds_blob_codec_new(NULL, &codec, NULL) != PXDS_OK ||
        pxds_blob_encode(codec, data, sizeof data, PXDS_ENCODE_COMPRESS, blob, sizeof blob, &blob_len, NULL) != PXDS_OK)
        return 4;
    pxds_blob_codec_free(codec);
    memset(back, 0, sizeof back);
    if (blob_len < 12 || ZSTD_decompress(back, sizeof back, blob + 12, blob_len - 12) != sizeof back)
        return 5;
    return memcmp(data, back, sizeof data) != 0;
}
"""


@check
def static_zstd(test):
    """A program that links libpxds.a and the zstd of the system, shared or static, in both orders."""
    compiled = f"{test.scratch}/with-zstd.o"
    try:
        test.output([*setting("CC"), "-fsyntax-only", "-x", "c", "-"], input=b"#include <zstd.h>\n")
    except Failure as failure:
        raise Skip("no zstd.h (Debian: libzstd-dev)") from failure
    test.output([*setting("CC"), "-Iinclude", "-x", "c", "-", "-c", "-o", compiled], input=WITH_ZSTD)
    for zstd in ("-lzstd", "-l:libzstd.a"):
        for libraries in (["build/libpxds.a", zstd], [zstd, "build/libpxds.a"]):
            program = f"{test.scratch}/with-zstd"
            test.output([*setting("CC"), compiled, "-o", program, *libraries, *setting("STATIC_LIBS")])
            test.output([program])
            test.passed += 1


# ---- what is installed ----


@check
def install_places(test):
    """A PREFIX that is relative and has spaces: pkg-config, CMake, man and the loader find what is there, and it goes
    whole."""
    need("pkg-config")
    place = f"{test.scratch}/a place & more"
    relative = os.path.relpath(place)
    make = [*setting("MAKE"), "-s", f"PREFIX={relative}", "CARGO=false", "CC=false"]
    test.output([*make, "install"], env={"MAKEFLAGS": ""})
    source, program = write_consumer(test, f"{test.scratch}/project"), f"{test.scratch}/consumer"
    env = {"PKG_CONFIG_LIBDIR": f"{place}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{place}/lib"}
    flags = shlex.split(test.output(["pkg-config", "--cflags", "--libs", "pxds"], env=env))
    test.output([*setting("CC"), source, "-o", program, *flags])
    test.expect(test.output([program], env=env).strip() == SETTINGS["VERSION"], "a program by pkg-config")
    test.expect(SETTINGS["VERSION"] in test.output([f"{place}/bin/pxds", "--version"]), "the tool")
    page = os.path.realpath(f"{place}/share/man/man3/pxds_store_free.3")
    test.expect(page == f"{place}/share/man/man3/pxds_store.3", f"a function has its page: {page}")
    if shutil.which("cmake"):
        with open(f"{test.scratch}/project/CMakeLists.txt", "w", encoding="ascii") as file:
            file.write("cmake_minimum_required(VERSION 3.13)\nproject(consumer C)\nfind_package(Pxds REQUIRED)\n"
                       "add_executable(consumer consumer.c)\ntarget_link_libraries(consumer Pxds::Pxds)\n")
        build = f"{test.scratch}/cmake-build"
        test.output(["cmake", "-S", f"{test.scratch}/project", "-B", build, f"-DCMAKE_PREFIX_PATH={place}"])
        test.output(["cmake", "--build", build])
        test.expect(test.output([f"{build}/consumer"]).strip() == SETTINGS["VERSION"], "a program by CMake")
    else:
        test.skipped.append("no cmake (Debian: cmake)")
    test.output([*make, "uninstall"], env={"MAKEFLAGS": ""})
    test.expect(not os.path.exists(place), "no directory is left")


# ---- licenses, the binary interface ----


@check
def licenses(test):
    """THIRD-PARTY-LICENSES is what the script makes of Cargo.lock, and has zstd's notice."""
    text = test.output([sys.executable, "-B", "scripts/licenses.py"], env={"CARGO": SETTINGS["CARGO"]})
    kept = read("THIRD-PARTY-LICENSES")
    test.expect(text == kept, "THIRD-PARTY-LICENSES is current: make licenses")
    for words in ("zstd", "Meta Platforms, Inc.", "serde_json ", "The Rust standard library", "addr2line",
                  "Unicode, Inc."):
        test.expect(words in kept, f"{words} is in it")
    test.expect("cbindgen" not in kept and "windows" not in kept, "what is not linked is not")


@check
def version(test):
    """Every place that has the version of the next release says the same, and no function is younger."""
    for path, place in (
        ("Cargo.lock", r'^name = "pxds"\nversion = "(.*)"$'), ("fuzz/Cargo.lock", r'^name = "pxds"\nversion = "(.*)"$'),
        ("CHANGELOG.md", r"^## (\S+), .+$"), ("packaging/debian/changelog", r"^pxds \((.*)-\d+\)"),
        ("packaging/pxds.spec", r"^Version: +(.*)$"), ("packaging/pxds.spec", r"^\* .* (\S+)-\d+$"),
        ("bindings/node/package.json", r'^  "version": "(.*)",$'), ("bindings/ffi/pxds.json", r'^ "version": "(.*)",$'),
        ("man/pxds.1", r"^\.Os pxds (.*)$"),
    ):
        found = re.search(place, read(path), re.MULTILINE)
        test.expect(found and found[1] == SETTINGS["VERSION"], f"{path} has the version: {found and found[0]}")

    def number(text):
        return [int(part) for part in text.split(".")]

    since = re.findall(r"^pxds_\w+ (\S+)$", read("abi/pxds.symbols"), re.MULTILINE)
    test.expect(max(map(number, since)) <= number(SETTINGS["VERSION"]), "abi/pxds.symbols")


@check
def abi_check(test):
    """Programs compiled with the interface in abi/ still find it; what would break one is seen."""
    need("abidw", "abigail-tools")
    dump = f"abi/libpxds.so.{SETTINGS['ABI']}.abi"
    test.expect(os.path.exists(dump), f"{dump} is there: make abi-dump")
    script = [sys.executable, "-B", f"{test.scratch}/scripts/abi.py", "check", os.path.abspath(dump)]
    for name in ("scripts/abi.py", "bindings/ffi/pxds.json", "include/pxds.h"):
        os.makedirs(os.path.dirname(f"{test.scratch}/{name}"), exist_ok=True)
        shutil.copy(name, f"{test.scratch}/{name}")
    header = read("include/pxds.h")

    def outcome(what, changed, ok):
        with open(f"{test.scratch}/include/pxds.h", "w", encoding="utf-8") as file:
            file.write(changed)
        try:
            test.output(script, env={"CC": SETTINGS["CC"]}, ok=(0,) if ok else (1,))
        except Failure as failure:
            raise Failure(f"{what}: {failure}; `make abi-dump` if no release has what is in abi/") from failure
        test.expect(what == "as it is" or changed != header, f"{what}: a change")

    end = header.index("} pxds_gc_options;")
    start = header.rindex("typedef struct", 0, end)
    options = header[start:end]
    outcome("as it is", header, True)
    outcome("a field at the end", header[:end] + "    uint64_t more;\n" + header[end:], True)
    outcome("a field before", header[:start] + options.replace("uint32_t flags", "uint64_t more; uint32_t flags")
            + header[end:], False)
    outcome("another number", re.sub(r"(#define PXDS_ERR_IO) -\d+", r"\1 -77", header), False)
    outcome("another callback", header.replace("(*pxds_progress_fn)(", "(*pxds_progress_fn)(int more, "), False)


# ---- the source archive, and packages of it ----


def source_archive(test):
    """Makes and unpacks the archive of what this tree has, with changes that are not committed; gives its directory."""
    git = ["git", "-c", "user.name=pxds", "-c", "user.email=pxds@localhost"]
    commit = test.output([*git, "stash", "create"]).strip() or test.output([*git, "rev-parse", "HEAD"]).strip()
    env = {"CARGO": SETTINGS["CARGO"], "COMMIT": commit, "XZ_DEFAULTS": "-0"}
    command = ["sh", "scripts/dist.sh", SETTINGS["VERSION"], test.scratch]
    name = f"pxds-{SETTINGS['VERSION']}"
    archive = f"{test.scratch}/{name}.tar.xz"
    test.output(command, env=env)
    os.rename(archive, f"{test.scratch}/first")
    test.output(command, env=env)
    test.expect(filecmp.cmp(archive, f"{test.scratch}/first", shallow=False), "the same bytes each time")
    listing = test.output(["tar", "-tvf", archive]).splitlines()
    test.expect(all(" 0/0 " in line for line in listing), "all files are of root")
    test.output(["tar", "-xf", archive, "-C", test.scratch])
    return f"{test.scratch}/{name}"


# A sample of the tests, for the archive: it is no checkout of git, and its crates are in vendor/.
IN_ARCHIVE = ("header-c abi-s* dist documents examples ffi-kit install licenses readme reference tool-json tool-lines "
              "tool-snapshots version")


@check
def dist(test):
    """The source archive builds without a network, in another directory and with vendored crates, to the same bytes;
    so made it passes tests, and becomes Debian's packages."""
    need("git")
    need("xz", "xz-utils")
    if not os.path.exists(".git"):
        test.skipped.append("no git checkout: this is a source archive itself")
        test.excused += 1
        return
    tree = source_archive(test)
    env = {"CARGO_NET_OFFLINE": "true", "CARGO_HOME": f"{test.scratch}/cargo-home", "CARGO_TARGET_DIR": "target",
           "MAKEFLAGS": ""}
    features = [f"FEATURES={SETTINGS['FEATURES']}"] if SETTINGS["FEATURES"] else []
    make = [*setting("MAKE"), "-C", tree, *features]
    test.output([*make, "CARGO=" + SETTINGS["CARGO"]], env=env)
    for name in (f"libpxds.so.{SETTINGS['VERSION']}", "libpxds.a", "pxds"):
        test.expect(filecmp.cmp(f"build/{name}", f"{tree}/build/{name}", shallow=False), f"{name} has the same bytes")
    test.output([*setting("CARGO"), "fetch", "--locked", "--offline"], env=env, cwd=tree)
    text = test.output([*make, "test", f"ONLY={IN_ARCHIVE}"], env=env)
    for name in IN_ARCHIVE.replace("*", "oname").split():
        test.expect(re.search(rf"^(ok|skip) +{name} ", text, re.MULTILINE), f"{name} runs there")
    debian_packages(test, tree, env)


def debian_packages(test, tree, env):
    """From the libraries that are built there: but for the flags of zstd they are those of a package."""
    need("lintian")
    need("dh", "debhelper")
    need("dh_python3", "dh-python")
    if not os.path.exists("/usr/share/doc/pybuild-plugin-pyproject"):
        raise Skip("no pybuild-plugin-pyproject (Debian: pybuild-plugin-pyproject)")
    env = {**env, "CARGO": "true", "DEB_BUILD_OPTIONS": "nocheck noautodbgsym"}
    test.output(["sh", f"{tree}/scripts/deb.sh", tree], env=env)
    test.expect(glob.glob(f"{tree}/vendor/*/Cargo.toml.orig"), "cleaning leaves the crates as they are")
    root = f"{test.scratch}/root"
    for package in glob.glob(f"{test.scratch}/*.deb"):
        test.output(["dpkg-deb", "-x", package, root])

    def package(name, *options):
        return test.output(["dpkg-deb", *options, *glob.glob(f"{test.scratch}/{name}_*.deb")])

    test.expect("activate-noawait ldconfig" in package("libpxds0", "--info") + package("libpxds0", "--ctrl-tarfile"),
                "ldconfig is run")
    test.expect(f"libpxds0 (= {SETTINGS['VERSION']}-" in package("libpxds-dev", "--field"), "the one needs the other")
    listed = package("libpxds0", "--contents")
    for name in (f"/usr/lib/{TRIPLET}/{SHARED} -> ", "/usr/share/doc/libpxds0/THIRD-PARTY-LICENSES"):
        test.expect(name in listed, f"libpxds0 has {name}")
    listed = package("pxds", "--contents")
    for name in ("json/list.schema.json\n", "README.md", "cookbook.md", "format.md"):  # large ones are compressed
        test.expect(f"/usr/share/doc/pxds/{name}" in listed, f"pxds has {name}")
    test.expect("/usr/share/doc/libpxds-dev/format.md" in package("libpxds-dev", "--contents"), "the header needs it")
    tool = f"{root}/usr/bin/pxds"
    test.expect("RUNPATH" not in test.output(["readelf", "-d", tool]), "the tool has no search path of its own")
    env = {"LD_LIBRARY_PATH": f"{root}/usr/lib/{TRIPLET}", "PYTHONPATH": f"{root}/usr/lib/python3/dist-packages"}
    test.expect(SETTINGS["VERSION"] in test.output([tool, "--version"], env=env), "the tool runs with the library")
    program = f"import pxds\nwith pxds.Store.open_or_create({test.scratch + '/store'!r}): print(pxds.__file__)"
    where = test.output(["/usr/bin/python3", "-B", "-c", program], env=env)
    test.expect(where.startswith(root), f"the package for Python is found: {where}")


@check
def rpm_spec(test):
    """The spec is read, is of this version, and names each file that is installed, once."""
    need("rpmspec", "rpm")
    broken = f"{test.scratch}/broken.spec"
    with open(broken, "w", encoding="utf-8") as file:
        file.write(read("packaging/pxds.spec").replace("%install", "%if 1\n%install"))
    test.output(["rpmspec", "-P", broken], ok=(1,))
    text = test.output(["rpmspec", "--define", "_libdir /usr/lib/some-triplet", "-P", "packaging/pxds.spec"])
    test.expect(re.search(rf"^Version: +{re.escape(SETTINGS['VERSION'])}$", text, re.MULTILINE), "the version")
    test.expect(len(re.findall("/make .*PREFIX=/usr .*RUNPATH=$", text, re.MULTILINE)) == 2, "make has its variables")
    # Where there is a slash at the end it is a directory with all that is in it.
    files = [re.sub("/$", "/*", name) for name in re.findall(r"^(/usr/\S+)$", text, re.MULTILINE)]
    make_install(test, "install")
    have = [name for name in installed_files(test) if not name.endswith("LICENSE") and not name.endswith("LICENSES")]
    for name in have:
        owners = [entry for entry in files if fnmatch.fnmatch(name, entry)]
        test.expect(len(owners) == 1, f"{name} is listed once: {owners}")
    for entry in files:
        test.expect(fnmatch.filter(have, entry), f"{entry} is installed")
    documents = {word for line in re.findall("^%doc (.*)$", text, re.MULTILINE) for word in line.split()}
    test.expect(documents == {"docs/format.md"}, f"the package of the header has what it refers to: {documents}")


@check
def cargo_capi(test):
    """What `cargo cinstall` is told agrees with what `make` does."""
    metadata = json.loads(subprocess.run(
        setting("CARGO") + ["metadata", "--format-version=1", "--locked", "--no-deps"],
        check=True, stdout=subprocess.PIPE).stdout)
    package = metadata["packages"][0]
    capi = package["metadata"]["capi"]
    # cargo-c builds with this feature, and names library and pkg-config file as the crate is named.
    test.expect(package["features"].get("capi") == [] and package["name"] == "pxds", "it builds")
    test.expect(package["version"] == SETTINGS["VERSION"], "the version")
    parts = capi["library"]["version_suffix_components"]
    test.expect(SETTINGS["VERSION"].split(".")[:parts] == SETTINGS["ABI"].split("."), "the soname is build.rs's")
    test.expect(f"\nDescription: {capi['pkg_config']['description']}\n" in read("pxds.pc.in"), "the pkg-config file")
    make_install(test, "install")
    have = {name for name in installed_files(test) if not os.path.islink(f"{test.scratch}/tree{name}")}
    for kind, top in (("include", "/usr/include"), ("data", "/usr/share")):
        for asset in capi["install"][kind]["asset"]:
            place = os.path.normpath(f"{top}/{asset['to']}")
            there = {os.path.basename(name) for name in have if os.path.dirname(name) == place}
            names = set(map(os.path.basename, glob.glob(asset["from"])))
            test.expect(names and names == there, f"{asset['from']} is what is in {place}: {names ^ there}")
