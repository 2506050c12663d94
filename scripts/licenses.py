#!/usr/bin/env python3
"""Writes the notices of what is linked into libpxds to the standard output: `make licenses`

These are the crates that Cargo.lock has for Linux, with those of the feature master-key, and the C sources in them, and
what is in Rust's standard library. Of crates that may be used under several licenses MIT's is taken. Where texts differ
in their copyright lines alone, the text is there once, behind all these lines.
"""

import glob
import json
import os
import re
import subprocess
import sys
import textwrap

CARGO = os.environ.get("CARGO") or "cargo"
TARGET = "x86_64-unknown-linux-gnu"

HEAD = """\
Notices of what libpxds is linked with

libpxds, in LICENSE under the MIT license, is linked with code of others. Whoever passes on the library, or a program
that it is linked into, passes on these notices too. Written by `make licenses`; do not edit.
"""

# What Cargo.lock does not name: rustc brings it along, built, and no files with it.
STD = "The Rust standard library"
IN_STD = {
    f"{STD} (MIT OR Apache-2.0)": ["Copyright (c) The Rust Project Contributors"],
    f"{STD}: channels (MIT OR Apache-2.0)": ["Copyright (c) 2019 The Crossbeam Project Developers"],
    f"{STD}: addr2line (Apache-2.0 OR MIT)": ["Copyright (c) 2016-2018 The gimli Developers"],
    f"{STD}: adler2 (0BSD OR MIT OR Apache-2.0)": ["Copyright (C) Jonas Schievink"],
    f"{STD}: cfg-if, rustc-demangle (MIT OR Apache-2.0)": ["Copyright (c) 2014 Alex Crichton"],
    f"{STD}: gimli, libc (MIT OR Apache-2.0)": ["Copyright (c) 2014-2020 The Rust Project Developers"],
    f"{STD}: hashbrown (MIT OR Apache-2.0)": ["Copyright (c) 2016 Amanieu d'Antras"],
    f"{STD}: memchr (Unlicense OR MIT)": ["Copyright (c) 2015 Andrew Gallant"],
    f"{STD}: miniz_oxide (MIT OR Zlib OR Apache-2.0)": [
        "Copyright 2013-2014 RAD Game Tools and Valve Software",
        "Copyright 2010-2014 Rich Geldreich and Tenacious Software LLC",
        "Copyright (c) 2017 Frommi",
        "Copyright (c) 2017-2024 oyvindln",
    ],
    f"{STD}: object (Apache-2.0 OR MIT)": ["Copyright (c) 2015 The Gimli Developers"],
    f"{STD}: compiler-builtins (MIT AND Apache-2.0 WITH LLVM-exception)": [
        "By the exception the second license asks nothing of whoever passes on what a compiler has made."],
}
UNICODE = f"{os.path.dirname(os.path.abspath(__file__))}/unicode-license.txt"

TAIL = """\
What unwinds the stack, and the C library, are the system's. A program that is linked with -static has them in it: gcc's
libgcc_eh, under GPL 3 with the GCC Runtime Library Exception, which asks for no notice, and glibc, under LGPL 2.1. Made
with Rust's targets for musl, it has LLVM's libunwind (Apache-2.0 WITH LLVM-exception) and musl (MIT).
"""


def linked(*options):
    """The packages that end up in the library, by their ids."""
    command = [CARGO, "metadata", "--format-version=1", "--locked", "--filter-platform", TARGET, *options]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, waiting = {}, [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            package = packages[dependency["pkg"]]
            for_code = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            is_macro = any("proc-macro" in target["kind"] for target in package["targets"])
            if for_code and not is_macro and package["id"] not in found:
                found[package["id"]] = package
                waiting.append(package["id"])
    return found


def license_files(package):
    """The files of a package that say under which terms it is used."""
    top = os.path.dirname(package["manifest_path"])
    names = sorted(glob.glob(f"{top}/LICEN[SC]E*") + glob.glob(f"{top}/COPYING*"))
    of_mit = [name for name in names if name.upper().endswith("LICENSE-MIT")]
    # The sources in C that a package wraps have their own, in a directory below.
    files = (of_mit or names) + sorted(glob.glob(f"{top}/*/LICENSE"))
    if not files:
        sys.exit(f"{package['name']} has no text of a license")
    return files


def split(text):
    """The copyright lines that a text begins with, and the terms."""
    paragraphs = [textwrap.dedent(part).strip("\n") for part in re.split(r"\n\s*\n", text.strip())]
    holders = []
    while paragraphs and not re.search(r"permi|redistribut|following", paragraphs[0], re.IGNORECASE):
        holders.append(paragraphs.pop(0))
    lines = [line.strip() for part in holders for line in part.splitlines()]
    # The name of the license is in its terms.
    lines = [line for line in lines if not re.fullmatch(r"(the )?mit license( \(mit\))?", line, re.IGNORECASE)]
    return lines, "\n\n".join(paragraphs)


def main():
    base, every = linked(), linked("--all-features")
    groups = {}

    def add(name, text):
        holders, terms = split(text)
        # Texts count as one where their lines are broken in other places.
        key = re.sub(r"\W+", " ", terms).casefold()
        groups.setdefault(key, (terms, []))[1].append((name, holders))

    packages = sorted(every.values(), key=lambda package: (package["name"], package["version"]))
    for package in packages:
        name = f"{package['name']} {package['version']} ({package['license']})"
        if package["id"] not in base:
            name += ", with the feature master-key alone"
        for path in license_files(package):
            of = os.path.relpath(os.path.dirname(path), os.path.dirname(package["manifest_path"]))
            with open(path, encoding="utf-8") as file:
                add(name if of == "." else f"{name}: {of}", file.read())
    # Of the texts it is MIT's that most have.
    most = max(groups, key=lambda key: len(groups[key][1]))
    groups[most][1].extend(IN_STD.items())
    with open(UNICODE, encoding="utf-8") as file:
        add(f"{STD}: tables of characters (Unicode-3.0)", file.read())

    print(HEAD)
    for terms, users in sorted(groups.values(), key=lambda group: (-len(group[1]), group[1][0][0])):
        print("-" * 80 + "\n")
        for name, holders in users:
            print(name)
            for line in holders:
                print(f"    {line}")
        print(f"\n{terms}\n")
    print("-" * 80 + f"\n\n{TAIL}", end="")


if __name__ == "__main__":
    main()
