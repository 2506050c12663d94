"""bindings/ffi: the kit that bindings start from, against the header, the compiler and the library."""

import ctypes
import json
import os
import sys

from __main__ import SETTINGS, Failure, Skip, check, need, setting, shared_flags

KIT = "bindings/ffi"
LIBRARY = os.path.abspath("build/libpxds.so")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def kit():
    return json.loads(read(f"{KIT}/pxds.json"))


def write(test, name, text):
    with open(f"{test.scratch}/{name}", "w", encoding="utf-8") as file:
        file.write(text)
    return f"{test.scratch}/{name}"


def c_checks(data):
    """A program in C that holds each number of the kit to the compiler's, and each type of a function."""
    lines = []
    for name, constant in data["constants"].items():
        if isinstance(constant["value"], int):
            suffix = "u" if constant["value"] >= 2 ** 63 else ""
            lines.append(f"IS({name}, {constant['value']}{suffix})")
    for name, struct in data["structs"].items():
        lines.append(f"IS(sizeof({name}), {struct['size']})")
        for field in struct["fields"]:
            lines.append(f"IS(offsetof({name}, {field['name']}), {field['offset']})")
            lines.append(f"IS(sizeof((({name} *)0)->{field['name']}), {field['size']})")
    types = []
    for number, (name, function) in enumerate(data["functions"].items()):
        takes = ", ".join(each["type"] for each in function["parameters"]) or "void"
        types.append(f"{function['returns']} (*const f{number})({takes}) = {name};")
        lines.append(f"if (f{number} == 0) return 2;")
    return "\n".join([
        "#include <stddef.h>", "#include <stdint.h>", "#include <stdio.h>", "#include PXDS",
        '#define IS(a, b) if ((a) != (b)) { printf("%s is not %s\\n", #a, #b); wrong++; }',
        *types, "int main(void) {", "int wrong = 0;", *lines, "return wrong != 0; }"]) + "\n"


@check
def ffi_kit(test):
    """It is what the script makes of the header; its numbers are the compiler's, its functions the library's."""
    test.output([sys.executable, "scripts/ffi-kit.py", "include/pxds.h", test.scratch])
    for name in ("pxds.cdef.h", "pxds.json"):
        current = read(f"{test.scratch}/{name}")
        test.expect(read(f"{KIT}/{name}") == current, f"{KIT}/{name} is current: make header")
        test.expect(read(f"build/ffi/{name}") == current, f"build/ffi/{name} is a copy")
    test.expect(read("bindings/node/pxds.json") == current, "bindings/node/pxds.json is a copy: make header")
    data = kit()
    library = ctypes.CDLL(LIBRARY)
    listed = {line.split()[0] for line in read("abi/pxds.symbols").splitlines() if line.startswith("pxds_")}
    test.expect(set(data["functions"]) == listed, "the functions are those of abi/pxds.symbols")
    for name in data["functions"]:
        test.expect(hasattr(library, name), f"the library has {name}")
    library.pxds_status_name.restype = ctypes.c_char_p
    for name, number in data["statuses"].items():
        test.expect(library.pxds_status_name(number).decode() == name, f"{number} is {name}")
    for header, what in (("include/pxds.h", data), (f"{KIT}/pxds.cdef.h", without_wide_constants(data))):
        source, program = write(test, "layout.c", c_checks(what)), f"{test.scratch}/layout"
        test.output([*setting("CC"), "-std=c99", "-Wall", "-Werror", f'-DPXDS="{os.path.abspath(header)}"', source,
                     "-o", program, *shared_flags()])
        test.output([program])
        test.passed += 1


def without_wide_constants(data):
    """What of the kit is in the cdef too."""
    constants = {name: each for name, each in data["constants"].items()
                 if isinstance(each["value"], int) and each["value"] < 2 ** 31}
    return {**data, "constants": constants}


WITH_CFFI = """
import json, sys
import cffi
directory, library = sys.argv[1:]
ffi = cffi.FFI()
ffi.cdef(open(f"{directory}/pxds.cdef.h").read())
lib = ffi.dlopen(library)
data = json.load(open(f"{directory}/pxds.json"))
for name, constant in data["constants"].items():
    if isinstance(constant["value"], int) and constant["value"] < 2 ** 31:
        assert getattr(lib, name) == constant["value"], name
for name, struct in data["structs"].items():
    assert ffi.sizeof(name) == struct["size"], name
    for field in struct["fields"]:
        assert ffi.offsetof(name, field["name"]) == field["offset"], (name, field)
for name in data["functions"]:
    getattr(lib, name)
print(ffi.string(lib.pxds_version()).decode())
"""

LUA_HEAD = """
local ffi = require("ffi")
ffi.cdef(assert(io.open(arg[1])):read("*a"))
local lib = ffi.load(arg[2])
local function is(a, b, name) if a ~= b then error(name .. ": " .. tostring(a) .. " is not " .. b) end end
"""


def python_with_cffi(test):
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            test.output([python, "-c", "import cffi"])
            return python
        except (Failure, FileNotFoundError):
            pass
    raise Skip("no cffi (Debian: python3-cffi)")


@check
def ffi_cffi(test):
    """cffi reads the declarations, and has the same numbers."""
    python = python_with_cffi(test)
    text = test.output([python, "-B", "-c", WITH_CFFI, KIT, LIBRARY])
    test.expect(text.strip() == SETTINGS["VERSION"], "it calls the library")


@check
def ffi_luajit(test):
    """LuaJIT reads the declarations, and has the same numbers."""
    need("luajit")
    data = kit()
    checks = [f"is(lib.{name}, {each['value']}, '{name}')"
              for name, each in without_wide_constants(data)["constants"].items()]
    for name, struct in data["structs"].items():
        checks.append(f"is(ffi.sizeof('{name}'), {struct['size']}, '{name}')")
        checks += [f"is(ffi.offsetof('{name}', '{field['name']}'), {field['offset']}, '{name}.{field['name']}')"
                   for field in struct["fields"]]
    checks += [f"assert(lib.{name})" for name in data["functions"]]
    lines = [LUA_HEAD, *checks, "print(ffi.string(lib.pxds_version()))", ""]
    script = write(test, "kit.lua", "\n".join(lines))
    text = test.output(["luajit", script, f"{KIT}/pxds.cdef.h", LIBRARY])
    test.expect(text.strip() == SETTINGS["VERSION"], "it calls the library")
