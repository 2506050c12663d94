"""man/ and completions/: made from the tables of the tool and from the header, and current."""

import os
import re
import sys

from __main__ import check, need, python_program, setting, shared_flags
from checks.documents import PLACE, Kitchen, Section


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@check
def reference(test):
    """The pages and completions are those that are made now; mandoc has nothing to say about a page."""
    table, data = f"{test.scratch}/table", f"{test.scratch}/table.json"
    sources = ["scripts/reference/table.c"] + [f"tool/{name}" for name in os.listdir("tool") if name.endswith(".c")]
    test.output([*setting("CC"), "-std=c99", "-Iinclude", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
                 "-Dmain=tool_main", *sources, "-o", table, *shared_flags()])
    with open(data, "w", encoding="utf-8") as file:
        file.write(test.output([table]))
    made = {name: f"{test.scratch}/{name}" for name in ("man", "completions")}
    test.output([sys.executable, "-B", "scripts/reference/make.py", data, made["man"], made["completions"]])
    for directory, new in made.items():
        names = set(os.listdir(directory)) | set(os.listdir(new))
        for name in sorted(names):
            files = [f"{directory}/{name}", f"{new}/{name}"]
            current = all(map(os.path.exists, files)) and read(files[0]) == read(files[1])
            test.expect(current, f"{directory}/{name} is current: make man")
    text = "".join(read(f"man/{name}") for name in os.listdir("man"))
    names = re.findall(r"^\.Nm (pxds_\w+)", text, re.MULTILINE)
    exports = re.findall(r"^(pxds_\w+)", read("abi/pxds.symbols"), re.MULTILINE)
    test.expect(all(names.count(name) == 1 for name in exports), "each function has its page")


@check
def reference_lint(test):
    need("mandoc")
    pages = [f"man/{name}" for name in sorted(os.listdir("man"))]
    test.output(["mandoc", "-Tlint", "-Wwarning", *pages])
    test.passed += len(pages)


def examples(page):
    """The programs that a page shows in its EXAMPLES, without the marks of mdoc."""
    shown = read(page).partition(".Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    blocks = re.findall(r"^\.Bd -literal.*\n((?:(?!\.Ed).*\n)+)\.Ed", shown, re.MULTILINE)
    marks = {r"\-": "-", r"\(aq": "'", r"\(ga": "`", r"\(ti": "~", r"\(ha": "^", r"\&": "", r"\e": "\\"}
    return [re.sub(r"\\(?:\(..|.)", lambda mark: marks[mark[0]], block) for block in blocks]


@check
def reference_examples(test):
    """What the pages of the tool show: each page in a shell, in a place of its own."""
    kitchen = Kitchen(test, PLACE, {})
    pages = [f"man/{name}" for name in sorted(os.listdir("man")) if name.endswith(".1")]
    for page in pages:
        shown = "".join(examples(page))
        test.expect(shown, f"{page} has examples")
        section = Section(page, f"```sh\n{shown.replace('/srv/store', 'store')}```\n")
        kitchen.try_out(section, "sh")


@check
def reference_docs(test):
    """The pages of doxygen: no warnings, and their front leads to every function."""
    need("doxygen")
    test.output([*setting("MAKE"), "-s", "docs"], env={"MAKEFLAGS": ""})
    front = read("build/docs/html/index.html")
    for name in re.findall(r"^(pxds_\w+)", read("abi/pxds.symbols"), re.MULTILINE):
        test.expect(re.search(rf'href="pxds_8h.html#\w+"[^>]*>{name}\(\)</a>', front), f"the front leads to {name}")


@check
def completions(test):
    """What shells offer."""
    python_program(test, "tests/tool/completions.py")
