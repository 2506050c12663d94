"""Documents: every program of README.md and docs/cookbook.md is run, every link and make target is there."""

import glob
import os
import re
import shutil

from __main__ import WARNINGS, Failure, Skip, check, need, need_cxx, setting, shared_flags
from checks.ffi import python_with_cffi

FENCE = re.compile(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOTE = re.compile(r"^<!-- (before|then):\s(.*?)\s-->$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"sh": "the shell", "c": "C", "cpp": "C++", "python": "Python"}
PACKAGES = {"qemu-img": "qemu-utils"}

# Where recipes are tried: two snapshots of host/laptop and of vm/100, and what the cookbook's first page says.
PLACE = r"""
mkdir documents offsite locks bin
printf '#!/bin/sh\necho "create table $1;"\n' > bin/pg_dump
chmod +x bin/pg_dump
head -c 2000000 /dev/urandom > documents/photo.jpg
head -c 4194304 /dev/urandom > disk.img
head -c 4194304 /dev/urandom | dd of=disk.img bs=4194304 seek=2 status=none
echo 'correct horse' > password
echo 'battery staple' > new-password
pxds init store
pxds init offsite
for day in 28 29; do
    echo "Dear diary, it is the ${day}th" > documents/letter.txt
    echo "$day" | dd of=disk.img bs=1 seek=10 conv=notrunc status=none
    tar -c -f documents.tar documents
    pxds backup store host/laptop documents.tar.didx=documents.tar --time "2026-11-${day}T20:00:00Z"
    pxds backup store vm/100 disk.img.fidx=disk.img --time "2026-11-${day}T20:00:00Z"
    pxds backup offsite host/other documents.tar.didx=documents.tar disk.img.fidx=disk.img \
        --time "2026-11-${day}T20:00:00Z"
done
"""

# What the Python package has after it was built.
MAKE_ABI = """
import sys, cffi
ffi = cffi.FFI()
ffi.cdef(open("bindings/ffi/pxds.cdef.h").read())
ffi.set_source("pxds._abi", None)
ffi.emit_python_code(sys.argv[1])
"""

# What the notes in the documents may use.
FUNCTIONS = r"""
newest() {
    ls -d "store/$1/"*Z | sed 's|^store/||' | sort | tail -n 1
}
damage() {
    chunk=$(find "$1/.chunks" -type f -size +100k -print -quit)
    printf 'damage' | dd of="$chunk" bs=1 seek=5000 conv=notrunc status=none
}
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Section:
    """A part of a document with one task: its programs by language, and what is to hold after each."""

    def __init__(self, title, text):
        self.title, self.text = title, FENCE.sub("", text)
        self.programs, self.needs, self.not_run = {}, [], set()
        for language, attributes, program in FENCE.findall(text):
            self.programs[language] = self.programs.get(language, "") + program
            if attributes.startswith("not-run: "):
                self.not_run.add(language)
            else:
                self.needs += attributes.split()
        self.notes = dict(NOTE.findall(text))


def sections(path):
    """The sections of a document, what is before the first heading of the second level too."""
    parts = re.split(r"^## (.*)\n", "\n" + read(path), flags=re.MULTILINE)
    return [Section(title, text) for title, text in zip(["", *parts[1::2]], parts[::2])]


class Kitchen:
    """Runs the programs of one document."""

    def __init__(self, test, place, frames):
        # In memory: a store of PBS's layout has 65,536 directories.
        self.test, self.dir, self.frames = test, test.in_memory()["TMPDIR"], frames
        self.place = f"{self.dir}/place"
        self.number = 0
        self.ready = set()  # languages
        # A place may have programs in bin/ that stand for those of others.
        self.env = {"PATH": f"{os.path.abspath('build')}:bin:{os.environ['PATH']}", "HOME": self.dir}
        os.mkdir(self.place)
        self.shell(place, self.place)

    def shell(self, script, directory):
        self.test.output(["bash", "-e", "-u", "-o", "pipefail", "-c", FUNCTIONS + script], env=self.env, cwd=directory)

    def prepare(self, language):
        """What a language needs: a skip, or a frame that is compiled once."""
        if language == "python":
            self.python = python_with_cffi(self.test)
            shutil.copytree("bindings/python/src/pxds", f"{self.dir}/python/pxds")
            self.test.output([self.python, "-c", MAKE_ABI, f"{self.dir}/python/pxds/_abi.py"])
            self.env |= {"PYTHONPATH": f"{self.dir}/python", "PXDS_LIBRARY": os.path.abspath("build/libpxds.so")}
        elif language == "cpp":
            need_cxx()
            if language in self.frames:
                write(f"{self.dir}/frame.hpp", self.frames["cpp"])
                self.test.output([*self.compiler("cpp"), "-x", "c++-header", f"{self.dir}/frame.hpp"])
        self.ready.add(language)

    def compiler(self, language):
        std = {"c": "-std=gnu99" if self.frames else "-std=c99", "cpp": "-std=c++17"}[language]
        return [*setting("CC" if language == "c" else "CXX"), std, "-pthread", "-Iinclude", *WARNINGS]

    def compiled(self, language, text):
        """The program of this text, with the frame of its language if there is one."""
        source = f"{self.dir}/recipe{self.number}.{language}"
        write(source, (self.frames.get("c", "") if language == "c" else "") + text)
        frame = ["-include", f"{self.dir}/frame.hpp"] if language == "cpp" and language in self.frames else []
        self.test.output([*self.compiler(language), *frame, source, "-o", f"{source}.out", *shared_flags()])
        return f"{source}.out"

    def run(self, language, program, directory):
        if language not in self.ready:
            self.prepare(language)
        if language == "sh":
            self.shell(program, directory)
        elif language == "python":
            whole = self.frames.get("python", "") + program
            self.test.output([self.python, "-B", "-X", "dev", "-c", whole], env=self.env, cwd=directory)
        else:
            self.test.output([self.compiled(language, program)], env=self.env, cwd=directory)

    def try_out(self, section, language):
        """Runs a program where no other has been, and what is to hold then."""
        self.number += 1
        directory = f"{self.dir}/{self.number}"
        shutil.copytree(self.place, directory)
        self.test.say(f"== {section.title}: {LANGUAGES[language]}")
        try:
            if "before" in section.notes:
                self.shell(section.notes["before"], directory)
            self.run(language, section.programs[language], directory)
            if "then" in section.notes:
                self.shell(section.notes["then"], directory)
            self.test.passed += 1
        except Failure as failure:
            self.test.say(str(failure))
            self.test.failed += 1
        shutil.rmtree(directory)


def cook(test, section, kitchen):
    """Tries each language; the reasons why one cannot be are in `test.skipped`."""
    try:
        for program in section.needs:
            need(program, PACKAGES.get(program))
    except Skip as reason:
        test.skipped.append(str(reason))
        return
    for language in LANGUAGES:
        if language in section.programs and language not in section.not_run:
            try:
                kitchen.try_out(section, language)
            except Skip as reason:
                test.skipped.append(str(reason))


@check
def cookbook(test):
    """Each recipe in each language, and what it promises."""
    first, *recipes = sections("docs/cookbook.md")
    test.expect(len(recipes) == 20, f"twenty recipes: {len(recipes)}")
    kitchen = Kitchen(test, PLACE, first.programs)
    for number, section in enumerate(recipes, 1):
        test.expect(section.title.startswith(f"{number}. "), f"{section.title} is number {number}")
        for language, name in LANGUAGES.items():
            said = f"\nIn {name}, " in section.text
            test.expect(language in section.programs or said, f"{section.title} has {name}, or says why not")
        cook(test, section, kitchen)


@check
def readme(test):
    """The small backup in each language; in C and C++ also with what is installed, by the commands that are there."""
    kitchen = Kitchen(test, "head -c 300000 /dev/urandom > backup.tar", {})
    section = next(section for section in sections("README.md") if "One small backup" in section.title)
    section.notes["then"] = 'pxds restore store "$(newest host/laptop)" backup.didx out; cmp out backup.tar'
    test.expect(set(section.programs) == set(LANGUAGES), f"in each language: {set(section.programs)}")
    cook(test, section, kitchen)
    need("pkg-config")
    prefix = f"{kitchen.dir}/installed"
    test.output([*setting("MAKE"), "-s", "install", f"PREFIX={prefix}", "CARGO=false"], env={"MAKEFLAGS": ""})
    # What ldconfig, and a pkg-config that looks into /usr/local, do for a user.
    kitchen.env |= {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{prefix}/lib"}
    for language, program in (("c", "cc"), ("cpp", "c++")):
        need(program, "g++")
        (command,) = re.findall(rf"^In {re.escape(LANGUAGES[language])}, with `([^`]*)`", section.text, re.MULTILINE)
        script = f"cat > backup.{language} <<'PROGRAM'\n{section.programs[language]}PROGRAM\n{command}\n./backup\n"
        installed = Section(command, f"```sh\n{script}```\n")
        installed.notes = section.notes
        kitchen.try_out(installed, "sh")


@check
def documents(test):
    """Links lead somewhere, make has the targets, and README.md names every command."""
    targets = set(re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE))
    for path in [path for where in ("", "docs/", "tests/", "bindings/*/") for path in glob.glob(f"{where}*.md")]:
        text = read(path)
        for link in re.findall(r"\]\(([^)#\s]+)\)", text):
            if "://" not in link:
                there = os.path.exists(os.path.join(os.path.dirname(path), link))
                test.expect(there, f"{path}: there is {link}")
        for target in re.findall(r"(?:^    |`)(?:sudo )?make ([a-z][\w-]*)(?=[` \n])", text, re.MULTILINE):
            test.expect(target in targets, f"{path}: there is make {target}")
    for path in ["README.md", *glob.glob("docs/*.md"), *glob.glob("man/*.1")]:
        piped = re.findall(r"\|\s*pxds (?:backup|put) .*", read(path))
        test.expect(not piped, f"{path}: no snapshot of what a program has printed before it failed: {piped}")
    help_ = test.output(["build/pxds", "--help"]).partition("commands:\n")[2]
    table = read("README.md").partition("## The tool")[2].partition("\n## ")[0]
    for command in re.findall(r"^  ([a-z][\w-]*) ", help_, re.MULTILINE):
        test.expect(f"`{command}`" in table, f"README.md names {command}")
