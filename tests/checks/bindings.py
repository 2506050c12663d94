"""bindings/go, node, luajit and ruby: their tests and READMEs, with the library installed outside of the tree."""

import glob
import json
import os
import re
import shutil
import subprocess

from __main__ import SETTINGS, Failure, Skip, check, need, setting


def install(test):
    """Installs the library outside of the tree; gives an environment that finds it, and nothing of this one."""
    prefix = f"{test.scratch}/prefix"
    test.output(setting("MAKE") + ["-s", "install", f"PREFIX={prefix}", "CARGO=false", "CC=false"],
                env={"MAKEFLAGS": ""})
    return {"PREFIX": prefix, "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{prefix}/lib",
            "CC": SETTINGS["CC"], "HOME": test.scratch, **test.in_memory()}


def copy(test, name):
    """A copy of a binding outside of the tree."""
    return shutil.copytree(f"bindings/{name}", f"{test.scratch}/bindings/{name}",
                           ignore=shutil.ignore_patterns("node_modules"))


def blocks(path, language):
    """The pieces of code of one language in a README."""
    with open(path, encoding="utf-8") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def readme(test, directory, language, program, env):
    """Does what a README says: its program, if it has one, and its commands, in a directory of its own."""
    app = f"{test.scratch}/app"
    write(f"{app}/letter.txt", "Dear reader\n")
    commands, = blocks(f"{directory}/README.md", "sh")
    if program:
        source, = blocks(f"{directory}/README.md", language)
        write(f"{app}/{program}", source)
    text = test.output(["sh", "-euc", commands], env={**env, "PXDS": test.scratch}, cwd=app)
    test.expect("Dear reader" in text, "what was stored is read back")
    test.expect(re.search(r"^host/laptop/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: 12 bytes$", text, re.MULTILINE),
                "the snapshot is named")
    return app


def without_library(test, command, env, *words, cwd=None):
    """Without the library a program ends with words that name it, and so with one that is none."""
    listed = subprocess.run(["ldconfig", "-p"], check=False, capture_output=True, text=True,
                            env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    broken = f"{test.scratch}/broken"
    write(f"{broken}/libpxds.so.{SETTINGS['ABI']}", "this is no library\n")
    for directory in (["/nonexistent"] if "libpxds.so" not in listed.stdout else []) + [broken]:
        text = test.output(command, env={**env, "LD_LIBRARY_PATH": directory}, ok=(1, 127), cwd=cwd)
        for word in words:
            test.expect(word in text, f"{word} in {text}")


# ---- Go ----


def need_go(test):
    need("go", "golang-go")
    need("pkg-config")
    version = re.search(r"go(\d+)\.(\d+)", test.output(["go", "version"]))
    if (int(version[1]), int(version[2])) < (1, 19):
        raise Skip("no Go 1.19 (Debian: golang-go)")


@check
def go(test):
    """The package: formatted, vetted, tested with the race detector, and used outside of the tree."""
    need_go(test)
    cache = os.path.abspath("build/go")
    env = {**install(test), "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
           "GOCACHE": f"{cache}/cache", "GOPATH": f"{cache}/path"}
    package = copy(test, "go")
    test.expect(test.output(["gofmt", "-l", package]) == "", "it is as gofmt writes it")
    go_is_complete(test, package)
    test.output(["go", "vet", "./..."], env=env, cwd=package)
    text = test.output(["go", "test", "-race", "-count=1", "-v", "./..."], env=env, ok=(0, 1), cwd=package)
    test.passed += len(re.findall(r"^--- PASS", text, re.MULTILINE))
    test.failed += len(re.findall(r"^--- FAIL|^FAIL|^panic", text, re.MULTILINE))
    test.expect("--- PASS: TestPanicsPassThrough" in text and "--- PASS: ExampleError" in text, "the tests are run")
    app = readme(test, package, "go", "main.go", env)
    test.output(["go", "build", "-o", "app", "."], env=env, cwd=app)
    without_library(test, [f"{app}/app", "store", "letter.txt"], env, "libpxds.so", cwd=app)
    bench(test, package, env)


# Fields of options that the package has no use for.
NOT_IN_GO = {"on_chunk"}


def go_is_complete(test, package):
    """Each status has its error, and each field of options is set somewhere."""
    with open("bindings/ffi/pxds.json", encoding="utf-8") as file:
        kit = json.load(file)
    words = set()
    for path in glob.glob(f"{package}/*.go"):
        with open(path, encoding="utf-8") as file:
            words |= set(re.findall(r"\w+", file.read()))
    lacking = {name for name in kit["statuses"] if name.startswith("PXDS_ERR_")} - words
    for name, struct in kit["structs"].items():
        if name.endswith("_options") and name in words:
            fields = {each["name"] for each in struct["fields"]}
            lacking |= {each for each in fields if not re.match(r"reserved|\w+_user$", each)} - words - NOT_IN_GO
    test.expect(not lacking, f"bindings/go has all statuses and fields of options, but for {lacking}")


def bench(test, package, env):
    """The program that scripts/bench-bindings.py measures."""
    program, store, out = f"{test.scratch}/pxds-go-bench", f"{test.scratch}/store", f"{test.scratch}/out"
    test.output(["go", "build", "-o", program, "./cmd/pxds-go-bench"], env=env, cwd=package)
    snapshot = test.output([program, "backup", store, "tests/run"], env=env).strip()
    test.output([program, "restore", store, snapshot, "data.didx", out], env=env)
    test.output(["cmp", "tests/run", out])
    test.passed += 1


# ---- Node ----


def need_node(test, env):
    """Node, npm, koffi and the compiler of TypeScript; gives a directory with modules."""
    need("node", "nodejs")
    need("npm")
    if int(re.search(r"v(\d+)", test.output(["node", "--version"]))[1]) < 18:
        raise Skip("no Node 18 (Debian: nodejs)")
    modules = f"{test.scratch}/modules"
    os.makedirs(modules)
    try:
        test.output(["npm", "install", "--prefix", modules, "koffi@^3.3", "typescript@5", "@types/node@20"], env=env)
    except Failure as failure:
        raise Skip("no koffi, typescript, @types/node (of npm)") from failure
    return f"{modules}/node_modules"


@check
def node(test):
    """The package: its tests, its types, and its README with the package that npm makes of it."""
    env = {**install(test), "npm_config_cache": os.path.abspath("build/npm"), "npm_config_prefer_offline": "true",
           "npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false",
           "npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "30000"}
    modules = need_node(test, env)
    package = copy(test, "node")
    test.output(["chmod", "-R", "a-w", package])
    before = os.stat(package).st_mtime_ns
    app = readme(test, package, "js", "main.js", {**env, "NODE_NO_WARNINGS": "1"})
    test.expect(os.stat(package).st_mtime_ns == before, "npm pack writes nothing into a tree that is read-only")
    test.output(["chmod", "-R", "u+w", package])
    # The package that was installed has all that it needs.
    test.expect(not os.path.islink(f"{app}/node_modules/pxds"), "it is a copy")
    without_library(test, ["node", "main.js", "store", "letter.txt"], env, "LibraryError: cannot use libpxds.so",
                    cwd=app)
    os.symlink(modules, f"{package}/node_modules")
    text = test.output(["node", "--test", "--test-reporter=tap"], env=env, ok=(0, 1), cwd=package)
    counts = dict(re.findall(r"^# (pass|fail|cancelled) (\d+)$", text, re.MULTILINE))
    test.passed += int(counts["pass"])
    test.failed += int(counts["fail"]) + int(counts["cancelled"])
    test.expect("- an archive of each kind is" in text and "- a process ends with open handles" in text, "they are run")
    test.output(["node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--exactOptionalPropertyTypes",
                 "--skipLibCheck", "--target", "es2022", "--module", "nodenext", "--types", "node", "tests/types.ts"],
                env=env, cwd=package)
    test.passed += 1


# ---- LuaJIT and Ruby ----


def example(test, language, script, sources, fork):
    """What a README says; then what a program may do wrong, or be given that is wrong."""
    need(language)
    need("pkg-config")
    env = install(test)
    directory = copy(test, language)
    program = [language, f"{directory}/{script}", "store"]
    app = readme(test, directory, None, None, env)
    # The process ends while a backup is open.
    text = test.output([*program, "/nowhere", "out"], env=env, ok=(1,), cwd=app)
    test.expect("cannot open /nowhere: No such file or directory" in text, f"it is told of: {text}")
    test.output([*program, "letter.txt", "out"], env=env, cwd=app)
    callback, = blocks(f"{directory}/README.md", language if language == "ruby" else "lua")
    with open(program[1], encoding="utf-8") as file:
        start, end = re.split(r"^(?=.*pxds_backup_add_file)", file.read(), flags=re.MULTILINE)
    changed = [language, f"{app}/changed", "store", "letter.txt", "out"]
    for source, ok in zip(sources, (0, 1)):
        write(changed[1], start + source + callback + end)
        text = test.output(changed, env=env, ok=(ok,), cwd=app)
        test.expect(("the line is dead" in text) == bool(ok), f"what a callback throws comes out: {text}")
    pxds = f"{env['PREFIX']}/bin/pxds"
    text = test.output([pxds, "restore", "store", "host/laptop/latest", "stream.didx", "-"], env=env, cwd=app)
    test.expect("Dear reader" in text, "what a callback gave is stored")
    # A child that ends takes nothing from its parent.
    write(changed[1], start + fork + end)
    test.expect("the child ends" in test.output(changed, env=env, cwd=app), "it has forked")
    test.output([pxds, "verify", "store"], env=env, cwd=app)
    without_library(test, [*program, "letter.txt", "out"], env, f"libpxds.so.{SETTINGS['ABI']}", cwd=app)
    declarations = f"{env['PREFIX']}/share/pxds/pxds.cdef.h"
    with open(declarations, encoding="utf-8") as file:
        current = file.read()
    write(declarations, re.sub(r"\n[^\n]*\n(?=} pxds_snapshot_entry;)", "\n", current))
    text = test.output([*program, "letter.txt", "out"], env=env, ok=(1,), cwd=app)
    test.expect("pxds_snapshot_entry.struct_size is" in text, f"a structure of an older header: {text}")
    write(declarations, current)
    other = f"{test.scratch}/other/libpxds.so.{SETTINGS['ABI']}"
    source = write(f"{test.scratch}/other/other.c", "unsigned pxds_abi_version(void) { return 99; }\n")
    test.output([*setting("CC"), "-shared", "-fPIC", "-o", other, source])
    env["LD_LIBRARY_PATH"] = os.path.dirname(other)
    text = test.output([*program, "letter.txt", "out"], env=env, ok=(1,), cwd=app)
    test.expect("libpxds has another ABI than its declarations" in text, f"another ABI: {text}")


@check
def luajit(test):
    example(test, "luajit", "backup.lua",
            ('local source = io.open(file, "rb")\n',
             'local source = {read = function() error("the line is dead") end}\n'),
            '''ffi.cdef("int fork(void); int waitpid(int pid, int *status, int options);")
            if ffi.C.fork() == 0 then os.exit(0, true) end
            ffi.C.waitpid(-1, nil, 0)
            print("the child ends")
            ''')


@check
def ruby(test):
    example(test, "ruby", "backup.rb",
            ('source = File.open(file, "rb")\n',
             'source = Object.new\ndef source.read(_) = raise("the line is dead")\n'),
            '''Process.wait(fork { exit })
            puts "the child ends"
            ''')
