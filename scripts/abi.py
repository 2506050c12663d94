#!/usr/bin/env python3
"""The binary interface that programs compiled with pxds.h rely on, for abidiff: `make abi-dump`, or

    scripts/abi.py dump FILE    writes it
    scripts/abi.py check FILE   says what a program compiled with that interface would no longer find; status 1

It is read from the debug information of a library of empty functions that is compiled from the header: the compiler of
C decides how structures are laid out and arguments passed. That the real library agrees is for the tests of C to say.

New functions and constants break nothing, nor do new fields at the end of a structure that begins with its size.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KIT = f"{ROOT}/bindings/ffi/pxds.json"
DUMP = "abidw --no-corpus-path --no-comp-dir-path --no-show-locs".split()
DIFF = "abidiff --no-added-syms --no-show-locs".split()

# Constants are macros, which debug information lacks; it has enumerations.
SOURCE = """\
#include <pxds.h>
enum pxds_all_constants {{
{constants}
}};
enum pxds_all_constants pxds_all_constants;
{callbacks}
{functions}
"""


def source(kit):
    constants = [f"    IS_{name} = {name}," for name, constant in kit["constants"].items()
                 if not name.startswith("PXDS_VERSION_") and isinstance(constant["value"], int)]
    functions = []
    for name, function in kit["functions"].items():
        takes = ", ".join(f"{each['type']} {each['name']}" for each in function["parameters"]) or "void"
        functions.append(f"{function['returns']} {name}({takes}) {{ __builtin_trap(); }}")
    # One that only a structure has would not be looked at.
    callbacks = [f"{name} each_{name};" for name in kit["callbacks"]]
    return SOURCE.format(constants="\n".join(constants), callbacks="\n".join(callbacks),
                         functions="\n".join(functions))


def compile_stub(kit, directory, abi):
    """A library with the functions of the header and nothing in them."""
    library = f"libpxds.so.{abi}"
    with open(f"{directory}/pxds.c", "w", encoding="ascii") as file:
        file.write(source(kit))
    cc = shlex.split(os.environ.get("CC") or "cc")
    # Constants above those of int are an extension. The dump has the name of the source.
    subprocess.run([*cc, "-std=gnu99", "-g", "-w", "-shared", "-fPIC", f"-I{ROOT}/include", "pxds.c", "-o", library,
                    f"-Wl,-soname,{library}"], check=True, cwd=directory)
    return f"{directory}/{library}"


def dump(path):
    with open(KIT, encoding="utf-8") as file:
        kit = json.load(file)
    with tempfile.TemporaryDirectory() as directory:
        library = compile_stub(kit, directory, kit["abi"])
        subprocess.run([*DUMP, "--out-file", path, library], check=True)


def structures(path):
    """The fields of each structure of a dump: their names, types and offsets."""
    root = ElementTree.parse(path).getroot()
    types = {element.get("id"): element for element in root.iter() if element.get("id")}

    def spell(number):
        element = types[number]
        if element.get("name"):
            return element.get("name")
        inner = spell(element.get("type-id")) if element.get("type-id") else "function"
        qualifiers = [word for word in ("const", "volatile") if element.get(word) == "yes"]
        return " ".join([element.tag, *qualifiers, element.get("size-in-bits") or "", inner])

    return {
        struct.get("name"): [
            (field[0].get("name"), spell(field[0].get("type-id")), field.get("layout-offset-in-bits"))
            for field in struct.iter("data-member")]
        for struct in root.iter("class-decl") if struct.get("is-declaration-only") != "yes"
    }


def check(path):
    """Whether a program that was compiled with the interface of `path` still finds it."""
    with tempfile.TemporaryDirectory() as directory:
        now, growing = f"{directory}/now.abi", f"{directory}/growing"
        dump(now)
        before, after = structures(path), structures(now)
        ok = True
        with open(growing, "w", encoding="ascii") as file:
            for name, fields in before.items():
                # abidiff cannot tell growth from other changes if another structure is in this one.
                if fields[0][0] == "struct_size":
                    file.write(f"[suppress_type]\n  type_kind = struct\n  name = {name}\n")
                have = after.get(name, [])
                grows = fields[0][0] == "struct_size" and have[:len(fields)] == fields
                if have != fields and not grows:
                    print(f"{name} was {fields}\nand is {have}")
                    ok = False
        return subprocess.run([*DIFF, "--suppressions", growing, path, now], check=False).returncode == 0 and ok


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("dump", "check"):
        sys.exit(__doc__)
    if sys.argv[1] == "dump":
        dump(sys.argv[2])
    else:
        sys.exit(not check(sys.argv[2]))
