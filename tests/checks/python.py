"""bindings/python: the package, as a wheel with the library in it, in fresh environments."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

from __main__ import Failure, Skip, check, need

OTHER_ABI = """
#include <stdint.h>
uint32_t pxds_abi_version(void) { return 4711; }
const char *pxds_version(void) { return "47.1.1"; }
"""

USED = """
import typing
import pxds
with pxds.Store.open("store", sync=pxds.Sync.FILE) as store:
    paths: typing.List[str] = [each.path for each in store.snapshots()]
    made: str = store.backup("host/x", {"a.didx": b"data"})
    with store.backup("host/x", notes="typed") as backup:
        backup.add("a.didx", b"data", threads=1)
    data: bytes = store.snapshot(made).open_file("a.didx").read()
"""

WRONG = """
import pxds
pxds.Store.open("store", snyc=1)
pxds.Store.open("store").backup("host/x", {}).finish()
"""


def builder(test):
    """A Python that has what the wheel is built with, and cffi for environments that see its packages."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            test.output([python, "-c", "import setuptools, wheel, pip, venv, cffi"])
            return python
        except (Failure, FileNotFoundError):
            pass
    raise Skip("no cffi, setuptools, wheel and venv for Python (Debian: python3-cffi python3-pip python3-setuptools "
               "python3-venv python3-wheel)")


def install(test, python, *what):
    test.output([python, "-m", "pip", "-q", "--disable-pip-version-check", "install", *what],
                env={"PIP_ROOT_USER_ACTION": "ignore"})


def programs(path):
    """The Python programs of a page."""
    with open(path, encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


def run_programs(test, python):
    """What the pages show, one program after the other, in one directory."""
    place = f"{test.scratch}/place"
    os.makedirs(place)
    test.output(["tar", "cf", f"{place}/backup.tar", "scripts"])
    with open(f"{place}/disk.img", "wb") as file:
        file.truncate(8 << 20)
    found = programs("README.md") + programs("bindings/python/README.md")
    test.expect(len(found) > 5, f"there are programs: {len(found)}")
    for program in found:
        text = test.output([python, "-c", program], cwd=place, env={"PXDS_LIBRARY": ""})
        test.expect(text.strip(), "it prints something")
    with open(f"{place}/copy.tar", "rb") as copy, open(f"{place}/backup.tar", "rb") as file:
        test.expect(copy.read() == file.read(), "what was restored is what was stored")


def check_types(test, python):
    """mypy accepts the package and its use, and sees mistakes in that."""
    need("mypy")
    site = test.output([python, "-c", "import pxds; print(pxds.__path__[0])"]).strip()
    command = ["mypy", "--config-file", os.path.abspath("bindings/python/pyproject.toml"), "--cache-dir",
               f"{test.scratch}/mypy", "--enable-incomplete-feature=Unpack"]
    here = {"cwd": test.scratch, "env": {"MYPYPATH": os.path.dirname(site)}}
    test.output([*command, "-p", "pxds"], **here)
    test.output([*command, "-c", USED], **here)
    text = test.output([*command, "-c", WRONG], ok=(1,), **here)
    test.expect(len(re.findall(r": error: ", text)) == 2, f"two mistakes are seen: {text}")


@check
def python_package(test):
    """The wheel: it needs no compiler, no other file, and nothing from outside."""
    need("readelf", "binutils")
    python = builder(test)
    wheel = test.output([python, "scripts/wheel.py", test.scratch, "build/libpxds.so"]).splitlines()[-1]
    names = zipfile.ZipFile(wheel).namelist()
    test.expect(any(name.endswith("/THIRD-PARTY-LICENSES") for name in names), f"the notices are in it: {names}")
    if shutil.which("auditwheel"):
        text = test.output(["auditwheel", "show", wheel])
        test.expect(f'following platform tag: "{wheel[:-4].rsplit("-", 1)[1]}"' in " ".join(text.split()), text)
    test.expect(re.search(r"-py3-none-manylinux_2_\d+_\w+\.whl$", wheel), f"its name says what it needs: {wheel}")
    # It sees cffi and pip of this machine, and so needs nothing from outside.
    test.output([python, "-m", "venv", "--without-pip", "--system-site-packages", f"{test.scratch}/venv"])
    mine = f"{test.scratch}/venv/bin/python"
    install(test, mine, "--no-index", "--no-deps", wheel)
    other = test.compile([write_other(test)], f"{test.scratch}/other.so", ["-fPIC", "-shared"])
    env = {**test.in_memory(), "PXDS_LIBRARY": "", "OTHER_ABI": other}
    test.program([mine, "-B", "-X", "dev", "-W", "error", "tests/python/package"], env=env)
    run_programs(test, mine)
    for each in other_pythons(mine):
        run_with(test, each, wheel, env)
    check_types(test, mine)


BACKEND = "import sys, setuptools.build_meta as it; print(getattr(it, 'build_' + sys.argv[1])(sys.argv[2]))"


def files_of(wheel):
    """What is in a wheel; its list of that has no order."""
    with zipfile.ZipFile(wheel) as file:
        return {name: sorted(file.read(name).splitlines()) for name in file.namelist()}


@check
def python_sdist(test):
    """The source archive of the package needs nothing else: it makes the wheel that the tree makes."""
    python, wheels = builder(test), []
    package = f"{test.scratch}/tree/bindings/python"
    for part in ("python", "ffi"):
        shutil.copytree(f"bindings/{part}", f"{test.scratch}/tree/bindings/{part}", symlinks=True)
    shutil.copy("LICENSE", f"{test.scratch}/tree")

    def build(what, source):
        out = tempfile.mkdtemp(dir=test.scratch)
        test.output([python, "-c", BACKEND, what, out], cwd=source)
        return f"{out}/{os.listdir(out)[0]}"

    wheels.append(build("wheel", package))
    shutil.rmtree(f"{package}/build")
    test.output(["tar", "xf", build("sdist", package), "-C", test.scratch])
    shutil.copytree(package, f"{test.scratch}/followed", ignore=shutil.ignore_patterns("*.egg-info"))
    shutil.copytree(package, f"{test.scratch}/copy", symlinks=True)
    shutil.rmtree(f"{test.scratch}/tree")
    unpacked, = glob.glob(f"{test.scratch}/pxds-*")
    for source in (unpacked, f"{test.scratch}/followed"):
        test.output(["cmp", "LICENSE", f"{source}/LICENSE"])
        wheels.append(build("wheel", source))
    test.expect(any(name.rsplit("/", 1)[-1] == "LICENSE" for name in files_of(wheels[0])), "the licence is in it")
    test.expect(all(files_of(each) == files_of(wheels[0]) for each in wheels), f"all wheels are alike: {wheels}")
    # A copy that has the links, but not what they lead to.
    text = test.output([python, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-index",
                        "--no-build-isolation", "-w", test.scratch, f"{test.scratch}/copy"], ok=(1,))
    test.expect(re.search(r"/copy/pxds\.cdef\.h is missing, .*`make wheel`.*`cp -rL`", text), "what to do is said")


@check
def bench_bindings(test):
    """The measurement of the bindings, on a few MB."""
    python = builder(test)
    text = test.output([python, "scripts/bench-bindings.py", "--mb", "4", "--rounds", "1"],
                       env={"PXDS_BENCH_DIR": test.scratch})
    ratio = r" +([+-]\d+\.\d)% +[+-]\d+\.\d%"
    rows = re.findall(rf"^(\S.*?) +(backup|restore) +\d+ +\d+\.\d+{ratio}(?:{ratio})?$", text, re.MULTILINE)
    test.expect({("C", "backup", "+0.0", ""), ("C", "restore", "+0.0", "")} <= set(rows),
                f"the tool is the measure: {rows}")
    mine = {(name, role): (float(wall), float(without)) for name, role, wall, without in rows if without}
    test.expect(set(mine) == {(name, role) for name in ("Python", "Python, stream") for role in ("backup", "restore")}
                | {("Python, file", "restore")}, f"Python is there: {rows}")
    test.expect(any(without < wall for wall, without in mine.values()), f"its start is taken off: {rows}")
    test.expect(re.search(r"^Python, its start +\d+ ms +\d+\.\d+$", text, re.MULTILINE), f"and shown: {text}")


def write_other(test):
    with open(f"{test.scratch}/other.c", "w", encoding="ascii") as file:
        file.write(OTHER_ABI)
    return f"{test.scratch}/other.c"


def version_of(python):
    done = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 and done.stdout else (0, 0)


def other_pythons(mine):
    """The oldest and the newest Python on this machine that the package is for, if they are others than `mine`."""
    paths = glob.glob("/usr/bin/python3.*") + glob.glob("/usr/local/bin/python3.*")
    paths += glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3"))
    found = {version_of(path): path for path in paths if not path.endswith("-config")}
    usable = sorted(version for version in found if version >= (3, 8))
    return [found[version] for version in {*usable[:1], *usable[-1:]} - {version_of(mine)}]


def run_with(test, python, wheel, env):
    """The tests of the package with another Python. Its cffi comes from outside, if that can be reached."""
    version = ".".join(map(str, version_of(python)))
    site = f"{test.scratch}/{version}"
    try:
        install(test, python, "--target", site, "--timeout", "10", "--retries", "0", "--only-binary", ":all:", "cffi")
    except Failure:
        test.skipped.append(f"no cffi for Python {version} to be had here")
        test.excused += 1
        return
    install(test, python, "--target", site, "--no-index", "--no-deps", wheel)
    env = {**env, "PYTHONPATH": site}
    test.program([python, "-B", "-X", "dev", "-W", "error", "tests/python/package"], env=env)
