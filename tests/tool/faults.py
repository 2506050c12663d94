"""Faults at single system calls of `pxds put`, and what must hold after each.

A scene is a store with one finished index and a `put` of a second file, a few chunks of which the
store already has. `Scene.calls()` lists the system calls of that put that change anything; strace
then runs it again and kills the process, or fails the call, at each of them.
"""

import os
import random
import re
import shutil
import subprocess
import sys

from support import LIBRARY, ROOT, TOOL, TestCase, random_data, tree, write

sys.path.insert(0, os.path.join(ROOT, "tests", "python"))

import binding  # noqa: E402

LEVELS = ("none", "file", "filesystem")
EVERY = bool(os.environ.get("EVERY_FAULT"))
# Which of the points a sample takes; the seed makes every run the same one.
SHARE, SEED = 5, 20

CHANGING = (
    "creat open openat openat2 write pwrite64 writev pwritev sendfile copy_file_range splice "
    "fsync fdatasync sync syncfs sync_file_range rename renameat renameat2 link linkat symlink "
    "symlinkat unlink unlinkat rmdir mkdir mkdirat utime utimes utimensat futimesat truncate "
    "ftruncate fallocate chmod fchmod fchmodat chown fchown lchown fchownat"
).split()
OPENING = ("open", "openat", "openat2")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")

pxds = binding.Library(LIBRARY)


def trace(names):
    # '?': a name that this processor does not have is no error
    return "trace=" + ",".join("?" + name for name in names)


class Scene(TestCase):
    """The store before the put, kept as a template: every point begins with a fresh copy."""

    def setUp(self):
        super().setUp()
        self.old = random_data(30000, 1)
        self.new = self.old[5000:15000] + random_data(25000, 2)
        self.template = self.path("template")
        self.store = self.path("store")
        self.pxds("init", self.template)
        write(self.path("old"), self.old)
        write(self.path("new"), self.new)
        self.pxds(
            "put", self.template, self.path("old"), os.path.join(self.template, "old.didx"),
            "--avg", "2048",
        )
        self.index = os.path.join(self.store, "new.didx")

    def fresh(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.template, self.store, symlinks=True)

    def put_command(self, level):
        return [TOOL, "put", self.store, self.path("new"), self.index, "--avg", "2048",
                "--sync", level, "--threads", "1"]

    def strace(self, level, *options, command=None):
        """Runs the put, or another command, under strace on a fresh store."""
        self.fresh()
        log = self.path("strace.log")
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-s", "0", *options,
             *(command or self.put_command(level))],
            capture_output=True,
            timeout=120,
            check=False,
        )
        with open(log, encoding="utf-8", errors="replace") as file:
            return done, file.read().splitlines()

    def calls(self, level):
        """Every call that changes something: (name, the how-many-th call of that name, line)."""
        done, lines = self.strace(level, "-e", trace(CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        count, points = {}, []
        for line in lines:
            match = CALL.match(line)
            if match is None:
                continue
            name, arguments = match.groups()
            count[name] = count.get(name, 0) + 1
            changes = "O_CREAT" in arguments or "O_TRUNC" in arguments or "O_TMPFILE" in arguments
            to_stdio = name == "write" and arguments[:2] in ("1,", "2,")
            if (name not in OPENING or changes) and not to_stdio:
                points.append((name, count[name], line))
        new_chunks = len(self.chunk_names() - self.chunk_names(self.template))
        self.assertTrue(5 <= new_chunks <= 20, f"{new_chunks} new chunks")
        self.assertGreater(len(points), 2 * new_chunks)
        return points

    def sample(self, points, level):
        if EVERY:
            return points
        offset = random.Random(f"{SEED} {level}").randrange(SHARE)
        return points[offset::SHARE]

    def chunk_names(self, store=None):
        """Names below .chunks that have the form of a chunk."""
        return {
            os.path.basename(name)
            for name in tree(os.path.join(store or self.store, ".chunks"))
            if re.fullmatch("[0-9a-f]{64}", os.path.basename(name))
        }

    def temporaries(self):
        known = re.compile(r"\.chunks/[0-9a-f]{2}/[0-9a-f]{64}|\.lock|(old|new)\.didx")
        return [name for name in tree(self.store) if not known.fullmatch(name)]

    def assert_store_is_good(self, after):
        """Whatever has happened: nothing that was finished is lost, and nothing half is shown."""
        with self.subTest(after=after):
            store = pxds.open_store(self.store)
            listed = pxds.chunks(store)
            self.assertEqual({digest.hex() for digest, _ in listed}, self.chunk_names())
            for digest, bad in listed:
                self.assertFalse(bad)
                pxds.load(store, digest)  # checks CRC and digest
            pxds.free("store", store)
            self.assert_restores(self.store, os.path.join(self.store, "old.didx"), self.old)
            if os.path.exists(self.index):
                self.assert_restores(self.store, self.index, self.new)
            self.pxds(*self.put_command("none")[1:])
            self.assert_restores(self.store, self.index, self.new)

