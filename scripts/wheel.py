#!/usr/bin/env python3
"""Makes the wheel of bindings/python: wheel.py DIRECTORY [LIBRARY]

With a library it is inside, and the wheel's name says which systems have what that needs: manylinux_2_X, by the newest
glibc of which it has a symbol. Without one the wheel fits every system that has libpxds.

This interpreter builds it: with its own setuptools, wheel and cffi if it has them, else with those that pip fetches.
"""

import base64
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = os.path.join(ROOT, "bindings", "python")
MACHINES = {62: "x86_64", 183: "aarch64"}
# What each system of a manylinux name has.
ALLOWED = re.compile(r"(?:libc|libm|libdl|librt|libpthread|libutil|libgcc_s|ld-linux[\w-]*)\.so\.\d+")


def is_installed(name):
    """Whether this interpreter has a package; by its metadata, since this file can be imported as one of them."""
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def plain_wheel(directory):
    """The wheel without a library. It is built of a copy, so that nothing is left in the tree."""
    offline = all(map(is_installed, ("setuptools", "wheel", "cffi")))
    copy = os.path.join(directory, "source")
    shutil.copytree(PACKAGE, copy)
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "wheel", "--no-deps", "-w", directory]
        + (["--no-build-isolation", "--no-index"] if offline else []) + [copy], check=True)
    (name,) = [each for each in os.listdir(directory) if each.endswith(".whl")]
    return os.path.join(directory, name)


def platform(library):
    """The name of the systems that a library runs on."""
    with open(library, "rb") as file:
        machine = MACHINES[int.from_bytes(file.read(20)[18:20], "little")]
    text = subprocess.run(["readelf", "-W", "-d", "-V", library], stdout=subprocess.PIPE, check=True).stdout.decode()
    strange = [each for each in re.findall(r"\(NEEDED\).*\[(.*)\]", text) if not ALLOWED.fullmatch(each)]
    if strange:
        sys.exit(f"{library}: not every system has {', '.join(strange)}")
    newest = max(int(minor) for minor in re.findall(r"\bGLIBC_2\.(\d+)", text))
    return f"manylinux_2_{newest}_{machine}"


def with_library(plain, library, directory):
    """The wheel with the library in it, stripped."""
    soname = re.search(r"\(SONAME\).*\[(.*)\]", subprocess.run(
        ["readelf", "-W", "-d", library], stdout=subprocess.PIPE, check=True).stdout.decode())[1]
    stripped = os.path.join(os.path.dirname(plain), soname)
    subprocess.run([os.environ.get("STRIP", "strip"), "--strip-unneeded", "-o", stripped, library], check=True)
    tag = f"py3-none-{platform(library)}"
    path = os.path.join(directory, os.path.basename(plain).replace("py3-none-any", tag))
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        files = {name: old.read(name) for name in old.namelist()}
        with open(stripped, "rb") as file:
            files[f"pxds/{soname}"] = file.read()
        metadata = f"{os.path.basename(path).rsplit('-', 3)[0]}.dist-info"
        for name in ("LICENSE", "THIRD-PARTY-LICENSES"):
            # setuptools has put the first one in already, under a name that depends on its version.
            there = any(each.rsplit("/", 1)[-1] == name for each in files)
            if not there and os.path.exists(os.path.join(ROOT, name)):
                with open(os.path.join(ROOT, name), "rb") as file:
                    files[f"{metadata}/{name}"] = file.read()
        info, record = f"{metadata}/WHEEL", f"{metadata}/RECORD"
        text = files[info].decode().replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
        files[info] = text.replace("Tag: py3-none-any", f"Tag: {tag}").encode()
        del files[record]
        lines = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()] + [f"{record},,"]
        for name, data in {**files, record: "\n".join(lines).encode() + b"\n"}.items():
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def main(directory, library=None):
    os.makedirs(directory, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = plain_wheel(scratch)
        path = with_library(wheel, library, directory) if library else shutil.copy(wheel, directory)
    print(path)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
