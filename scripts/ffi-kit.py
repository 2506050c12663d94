#!/usr/bin/env python3
"""Makes the kit for bindings to other languages from the header: ffi-kit.py include/pxds.h DIRECTORY

pxds.cdef.h has its declarations in the C that cffi and LuaJIT read; pxds.json has them as data. What is in the header
and is not understood here is an error.
"""

import json
import os
import re
import sys

CDEF_HEAD = """\
/* pxds: the declarations of pxds.h for cffi and LuaJIT, ffi.cdef(). Generated from pxds.h; do not edit.
 *
 * Constants are of an enum, which both read. PXDS_SIZE_UNKNOWN and PXDS_MAGIC_..., which are no numbers of 32 bits, are
 * in pxds.json alone.
 */
"""

NOTES = [
    "Generated from pxds.h; do not edit.",
    "Offsets and sizes are in bytes, of LP64 with natural alignment, as on x86-64 and aarch64.",
    "A parameter with out is written by the call; one with const is read only.",
    "A structure with init begins with struct_size, which is set to its size, and is zeros otherwise.",
]

ITEM = re.compile(r"""
    (?P<doc>/\*\*(?:(?!\*/).)*\*/\s*)?
    (?:
        \#define\ (?P<constant>\w+)\ (?P<value>[^\n]+)
      | typedef\ struct\ (?P<handle>\w+)\ (?P=handle);
      | typedef\ struct\ \{(?P<body>.*?)\n\}\ (?P<struct>\w+);
      | typedef\ (?P<gives>\w+)\ \(\*(?P<callback>\w+)\)\((?P<takes>[^)]*)\);
      | typedef\ (?P<target>\w+)\ (?P<alias>\w+);
      | (?P<result>\w[\w ]*[ *])(?P<function>pxds_\w+)\((?P<parameters>[^)]*)\);
    )""", re.DOTALL | re.VERBOSE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
# What carries no declaration: the include guard, the includes, what is for C++, and the initialisers.
REST = re.compile(r'#(?:if|ifndef|ifdef|endif|include)\b[^\n]*|#define PXDS_H\n|extern "C" \{|^\}', re.MULTILINE)
INITIALISER = re.compile(r"^#define PXDS_\w+_INIT(?:[^\n]*\\\n)*[^\n]*\n", re.MULTILINE)

SIZES = {"char": 1, "uint8_t": 1, "int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8, "size_t": 8}
POINTER = 8


def words(comment):
    """The text of a comment, without its stars; paragraphs stay apart."""
    lines = [line.strip().lstrip("/").strip("*").strip() for line in (comment or "").strip().rstrip("/").split("\n")]
    return "\n".join(lines).strip()


def first_sentence(text):
    paragraph = " ".join(text.split("\n\n")[0].split("\n"))
    return re.split(r"(?<=\.) (?=[A-Z0-9`*])", paragraph, maxsplit=1)[0]


def label(text, name):
    """What a line of the text such as "Threads: any." says."""
    found = re.search(rf"^{name}: ([^\n]+)", text, re.MULTILINE)
    return found[1].rstrip(".") if found else None


class Kit:
    """The declarations of a header, in its order."""

    def __init__(self, header):
        self.constants, self.handles, self.structs, self.callbacks, self.functions = {}, {}, {}, {}, {}
        self.aliases, self.lines = {}, []
        header = INITIALISER.sub("", header)
        for match in ITEM.finditer(header):
            self.add({name: value for name, value in match.groupdict().items() if value is not None})
        left = REST.sub("", COMMENT.sub("", ITEM.sub("", header))).strip()
        if left:
            sys.exit(f"not understood: {left[:500]}")
        for name, handle in self.handles.items():
            if f"{name}_free" in self.functions:
                handle["free"] = f"{name}_free"

    def add(self, item):
        text = words(item.get("doc"))
        doc = first_sentence(text)
        if "constant" in item:
            self.constants[item["constant"]] = {"value": self.value(item["value"]), "doc": doc}
        elif "handle" in item:
            threads = re.findall(r"\b(Shared|Exclusive|Immutable)\b", text.split("\n\n")[0])[-1].lower()
            self.handles[item["handle"]] = {"doc": doc, "threads": threads}
            self.lines.append("typedef struct {0} {0};".format(item["handle"]))
        elif "struct" in item:
            self.add_struct(item["struct"], COMMENT.sub("", item["body"]), doc)
        elif "callback" in item:
            self.callbacks[item["callback"]] = {
                "doc": doc, "returns": item["gives"], "parameters": self.parameters(item["takes"])}
            self.lines.append(f"typedef {item['gives']} (*{item['callback']})({item['takes']});")
        elif "alias" in item:
            self.aliases[item["alias"]] = item["target"]
            self.lines.append(f"typedef {item['target']} {item['alias']};")
        else:
            result = item["result"].strip()
            self.functions[item["function"]] = {
                "doc": doc, "threads": label(text, "Threads"), "since": label(text, "Since"),
                "returns": result, "parameters": self.parameters(item["parameters"])}
            self.lines.append(f"{item['result']}{item['function']}({item['parameters']});")

    def value(self, text):
        if text.startswith("{"):
            return [int(byte) for byte in re.findall(r"\d+", text)]
        return 2 ** 64 - 1 if text == "UINT64_MAX" else int(text, 0)

    def parameters(self, text):
        found = []
        for each in " ".join(text.split()).split(", "):
            if each == "void":
                continue
            kind, name = re.fullmatch(r"(.*?)(\w+)", each).groups()
            kind = kind.strip()
            parameter = {"name": name, "type": kind}
            if kind.endswith("*"):
                whose = kind.split("*", 1)[0].strip()
                parameter["const"] = whose.startswith("const ")
                own = (whose in self.handles and kind.count("*") == 1) or name == "user"
                parameter["out"] = not parameter["const"] and not own or kind.count("*") == 2
            found.append(parameter)
        return found

    def layout(self, kind):
        """The size and alignment of a type."""
        if kind.endswith("*") or kind in self.callbacks:
            return POINTER, POINTER
        if kind in self.structs:
            return self.structs[kind]["size"], self.structs[kind]["alignment"]
        size = SIZES[self.aliases.get(kind, kind)]
        return size, size

    def add_struct(self, name, body, doc):
        fields, end, widest, lines = [], 0, 1, []
        for each in filter(None, (" ".join(part.split()) for part in body.split(";"))):
            kind, field, count = re.fullmatch(r"(.*?)(\w+)(?:\[(\w+)\])?", each).groups()
            kind = kind.strip()
            if count is not None:
                count = self.constants[count]["value"] if count in self.constants else int(count)
            size, alignment = self.layout(kind)
            offset = -(-end // alignment) * alignment
            fields.append({"name": field, "type": kind, "offset": offset, "size": size * (count or 1)})
            if count is not None:
                fields[-1]["count"] = count
            end, widest = offset + size * (count or 1), max(widest, alignment)
            star = kind if kind.endswith("*") else f"{kind} "
            lines.append(f"    {star}{field}{'' if count is None else f'[{count}]'};")
        self.structs[name] = {
            "doc": doc, "size": -(-end // widest) * widest, "alignment": widest,
            "init": fields[0]["name"] == "struct_size", "fields": fields}
        self.lines.append("typedef struct {\n" + "\n".join(lines) + f"\n}} {name};")

    def is_enumerator(self, name):
        value = self.constants[name]["value"]
        return isinstance(value, int) and -2 ** 31 <= value < 2 ** 31

    def cdef(self):
        names = [name for name in self.constants if self.is_enumerator(name)]
        constants = ",\n".join(f"    {name} = {self.constants[name]['value']}" for name in names)
        return f"{CDEF_HEAD}\nenum {{\n{constants}\n}};\n\n" + "\n".join(self.lines) + "\n"

    def data(self):
        version = ".".join(str(self.constants[f"PXDS_VERSION_{part}"]["value"]) for part in ("MAJOR", "MINOR", "PATCH"))
        statuses = {name: constant["value"] for name, constant in self.constants.items()
                    if re.fullmatch(r"PXDS_(OK|CUT|NONE|ERR_\w+)", name)}
        return {
            "version": version, "abi": self.constants["PXDS_ABI_VERSION"]["value"], "notes": NOTES,
            "statuses": statuses, "constants": self.constants, "types": self.aliases, "handles": self.handles,
            "callbacks": self.callbacks, "structs": self.structs, "functions": self.functions}


def dump(value, indent=0):
    """JSON in short lines, so that a change is seen as what it is."""
    line = json.dumps(value)
    if len(line) + indent < 110 or not isinstance(value, (dict, list)):
        return line
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, dict):
        parts = (f"{json.dumps(key)}: {dump(each, indent + 1)}" for key, each in value.items())
        return "{" + ",".join(pad + part for part in parts) + pad[:-1] + "}"
    return "[" + ",".join(pad + dump(each, indent + 1) for each in value) + pad[:-1] + "]"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(header, directory):
    with open(header, encoding="utf-8") as file:
        kit = Kit(file.read())
    write(os.path.join(directory, "pxds.cdef.h"), kit.cdef())
    write(os.path.join(directory, "pxds.json"), dump(kit.data()) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
