"""Snapshots under test: the program of tests/tool/backup_one.c, and what a store has of them."""

import os
import re
import shutil
import subprocess

from support import BUILD, TestCase, random_data, read, write

PROGRAM = os.path.join(BUILD, "tests", "backup_one")
SYNC = {"none": "1", "file": "2", "filesystem": "3"}
TIME = 1593179765
FINISHED = 2
CHUNK = re.compile("[0-9a-f]{64}")
FILES = ("stream", "image", "conf")
LONG_AGO = 1_000_000_000
WORK = ".pxds-tmp"
TEMPORARY = re.compile(r"\.tmp_[A-Za-z0-9_-]{6}(/|$)|^" + re.escape(WORK) + "(/|$)")


def snapshot_name(time):
    """The directory of a snapshot, for the few seconds after TIME that are used here."""
    return f"2020-06-26T13:56:{5 + time - TIME:02}Z"


class BackupCase(TestCase):
    """A store, and the input of a backup of three archives."""

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.input = self.new_input("input", 2)

    def new_input(self, name, seed):
        """A directory to back up: a stream, an image with a short last chunk, and a blob."""
        os.mkdir(self.path(name))
        write(self.path(name, "stream"), random_data(30000, seed))
        image = random_data(9000, seed + 100)
        write(self.path(name, "image"), image + bytes(4 << 20) + image[:5000])
        write(self.path(name, "conf"), b"key = value\n" * (seed + 3))
        return self.path(name)

    def command(self, what, *args, sync="none", locks="-"):
        return [PROGRAM, what, self.store, SYNC[sync], locks, *map(str, args)]

    def run_program(self, what, *args, code=0, **options):
        """Runs the program; gives its output, or its message if it is to fail."""
        command = self.command(what, *args, **options)
        done = subprocess.run(command, capture_output=True, timeout=120, check=False, text=True)
        self.assertEqual(done.returncode, code, f"{command}: {done.stderr}")
        return done.stderr if code else done.stdout

    def listing(self, **options):
        """path -> flags"""
        lines = self.run_program("list", **options).splitlines()
        return {path: int(flags) for path, flags in (line.split() for line in lines)}

    def assert_restores_to(self, snapshot, directory):
        out = self.path("restored")
        os.mkdir(out)
        self.run_program("restore", snapshot, out)
        for name in FILES:
            self.assertTrue(read(os.path.join(out, name)) == read(os.path.join(directory, name)), name)
        shutil.rmtree(out)

    def beside_chunks(self):
        """Every name of the store but the chunks, directories among them."""
        found = set()
        for parent, directories, names in os.walk(self.store):
            if ".chunks" in directories:
                directories.remove(".chunks")
            for name in directories + names:
                found.add(os.path.relpath(os.path.join(parent, name), self.store))
        return found

    def assert_only_chunks_below_chunks(self):
        for _, _, names in os.walk(os.path.join(self.store, ".chunks")):
            self.assertEqual([name for name in names if not CHUNK.fullmatch(name)], [])

    def assert_swept(self):
        """What is temporary lies where work is in progress, and goes once it is old."""
        place = os.path.join(self.store, WORK)
        for name in os.listdir(place) if os.path.exists(place) else ():
            os.utime(os.path.join(place, name), (LONG_AGO, LONG_AGO))
        if os.path.exists(place):
            chunks = self.chunks_now()
            self.pxds("gc", self.store)
            self.assertEqual(self.chunks_now(), chunks)
        left = [name for name in self.beside_chunks() if TEMPORARY.search(name)]
        self.assertEqual(left, [])

    def chunks_now(self):
        chunks = os.path.join(self.store, ".chunks")
        return {name for _, _, names in os.walk(chunks) for name in names if CHUNK.fullmatch(name)}
