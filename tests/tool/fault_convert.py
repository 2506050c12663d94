"""A conversion with a fault at every system call that changes anything, in both directions.

Whatever happens, every chunk is there once, whole, and a store of both layouts is refused with words
that say what to do; the next conversion finishes the work, and both backups restore.
"""

import ctypes
import errno
import fcntl
import os
import random
import re
import shutil
import signal
import subprocess
import sys

import faults
import mounts
import support
from support import TOOL, write

CHUNK = re.compile(r"[0-9a-f]{64}")
LAYOUTS = ("hex2", "hex4")
# Each try of a conversion to hex4 makes 65536 directories, which takes seconds.
POINTS_OF_HEX4 = 20 if faults.EVERY else 6
MOST_COUNTED = 65535  # strace counts no further


class Base(support.TestCase):
    """Stores of a few chunks in memory, with something of everything that may lie in one."""

    def make(self, layout):
        data = support.random_data(20000, 1)
        write(self.path("data"), data)
        self.store = self.path(layout)
        self.pxds("init", self.store)
        self.pxds("put", self.store, self.path("data"), os.path.join(self.store, "a.didx"),
                  "--avg", "2048", "--sync", "none")
        chunk = next(iter(sorted(self.files())))
        path = os.path.join(self.store, ".chunks", chunk)
        for suffix in (".0.bad", ".tmp_AbC123"):
            write(path + suffix, b"beside")
        write(os.path.join(os.path.dirname(path), "foreign"), b"foreign")
        if layout == "hex4":
            # Incomplete: only the directories that it needs, and some more.
            chunks = os.path.join(self.store, ".chunks")
            for parent in os.listdir(chunks):
                for name in os.listdir(os.path.join(chunks, parent)):
                    new = name[:4] if CHUNK.match(name) else parent + "00"
                    os.makedirs(os.path.join(chunks, new), 0o750, exist_ok=True)
                    os.rename(os.path.join(chunks, parent, name), os.path.join(chunks, new, name))
                os.rmdir(os.path.join(chunks, parent))
            for number in range(0, 65536, 8192):
                os.makedirs(os.path.join(chunks, f"{number:04x}"), 0o750, exist_ok=True)
        self.data = data
        self.names = sorted(map(os.path.basename, self.files()))
        self.assertGreater(len(self.names), 8)

    def files(self):
        return support.tree(os.path.join(self.store, ".chunks"))

    def directories(self):
        return set(os.listdir(os.path.join(self.store, ".chunks")))

    def assert_nothing_is_lost(self):
        """Gives whether the store has both layouts."""
        found = self.files()
        self.assertEqual(sorted(map(os.path.basename, found)), self.names)
        for path in found:
            directory, name = os.path.split(path)
            if CHUNK.match(name):
                self.assertTrue(name.startswith(directory), path)
        lengths = set(map(len, self.directories()))
        store = self.open_mixed()
        for name in filter(CHUNK.fullmatch, self.names):
            faults.pxds.load(store, bytes.fromhex(name))
        faults.pxds.free("store", store)
        if lengths == {2, 4}:
            message = self.error("get", self.store, os.path.join(self.store, "a.didx"), self.path("o"))
            self.assertIn("run it again", message)
            return True
        self.assert_restores(self.store, os.path.join(self.store, "a.didx"), self.data)
        return False

    def open_mixed(self):
        options = faults.binding.sized(faults.binding.StoreOptions, flags=2)  # PXDS_STORE_MIXED
        return faults.pxds.new("pxds_store_open", os.fsencode(self.store), ctypes.byref(options))

    def assert_finishes(self, layout):
        self.pxds("convert", self.store, layout, "--sync", "none")
        self.assertFalse(self.assert_nothing_is_lost())
        lengths = set(map(len, self.directories()))
        self.assertEqual(lengths, {int(layout[3])})
        if layout == "hex4":
            self.assertEqual(len(self.directories()), 65536)


@support.needs_strace
class Scene(Base):
    in_memory = True

    def start(self, layout):
        """A store of the other layout, kept as a template, and what converts it."""
        self.make(LAYOUTS[layout == "hex2"])
        self.template = self.path("template")
        os.rename(self.store, self.template)
        self.command = [TOOL, "convert", self.store, layout, "--sync", "filesystem"]

    def strace(self, *options):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.template, self.store, symlinks=True)
        log = self.path("strace.log")
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-s", "0", *options, *self.command],
            capture_output=True, timeout=300, check=False,
        )
        with open(log, encoding="utf-8", errors="replace") as file:
            return done, file.read().splitlines()

    def points(self, layout, seed):
        done, lines = self.strace("-e", faults.trace(faults.CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        count, points = {}, []
        for match in filter(None, map(faults.CALL.match, lines)):
            name, arguments = match.groups()
            count[name] = count.get(name, 0) + 1
            to_stdio = name == "write" and arguments[:2] in ("1,", "2,")
            if (name not in faults.OPENING or "O_CREAT" in arguments) and not to_stdio:
                points.append((name, count[name], match[0]))
        if layout == "hex2":
            # Those of empty directories that go are alike.
            self.assertGreater(len(points), 2 * len(self.names))
            if faults.EVERY:
                return points
            chosen = points[random.Random(seed).randrange(faults.SHARE)::faults.SHARE]
        else:
            # Around the directories, and in the middle of them.
            self.assertGreater(len(points), 65536)
            makes = [point for point in points if point[0].startswith("mkdir")][:MOST_COUNTED]
            others = [point for point in points if not point[0].startswith("mkdir")]
            chooser = random.Random(seed)
            chosen = [makes[0], makes[-1], *chooser.sample(makes[1:-1], POINTS_OF_HEX4 // 4)]
            rest = POINTS_OF_HEX4 - len(chosen)
            chosen += others if faults.EVERY else chooser.sample(others, min(len(others), rest))
        return chosen + [point for point in points[-2:] if point not in chosen]

    def everywhere(self, layout, fault):
        self.start(layout)
        both = set()
        points = self.points(layout, f"{faults.SEED} {layout} {fault}")
        print(f"{layout}, {fault}: {len(points)} points", flush=True)
        for name, number, line in points:
            with self.subTest(call=line, fault=fault):
                done, _ = self.strace("-e", faults.trace([name]),
                                      "-e", f"inject={name}:{fault}:when={number}")
                if fault == "signal=KILL":
                    self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL))
                else:
                    words = os.strerror(getattr(errno, fault.removeprefix("error=")))
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn(words, done.stderr.decode())
                    self.assertIn(self.store, done.stderr.decode())
                both.add(self.assert_nothing_is_lost())
                self.assert_finishes(layout)
        self.assertIn(True, both)

    def test_kill_hex2(self):
        self.everywhere("hex2", "signal=KILL")

    def test_kill_hex4(self):
        self.everywhere("hex4", "signal=KILL")

    def test_eio_hex2(self):
        self.everywhere("hex2", "error=EIO")

    def test_enospc_hex4(self):
        self.everywhere("hex4", "error=ENOSPC")

    def test_order_of_syncs(self):
        """All is synced between the last move and the first removal, and after the last removal."""
        for layout in LAYOUTS:
            self.start(layout)
            _, lines = self.strace("-e", faults.trace(faults.CHANGING))
            short = {"syncfs": "s", "renameat2": "m", "renameat": "m", "unlinkat": "r"}
            names = [faults.CALL.match(line)[1] for line in lines if faults.CALL.match(line)]
            order = "".join(short.get(name, "") for name in names)
            self.assertRegex(order, r"\As?m+sr+s\Z")
            shutil.rmtree(self.template)


class Locked(Base):
    def test_locked_by_another_process(self):
        self.make("hex2")
        before = self.files()
        code = ("import fcntl, struct, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, int(sys.argv[2])); "
                "print('held', flush=True); sys.stdin.read()")
        for mode in (fcntl.LOCK_SH, fcntl.LOCK_EX):
            holder = subprocess.Popen(
                [sys.executable, "-c", code, os.path.join(self.store, ".lock"), str(mode)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.assertEqual(holder.stdout.readline(), b"held\n")
            self.assertIn(".lock is locked", self.error("convert", self.store, "hex4", code=3))
            # It changes nothing, and waits for nobody.
            self.pxds("convert", self.store, "hex4", "--dry-run")
            holder.communicate()
        self.assertEqual(self.files(), before)


class Full(Base, mounts.MountCase):
    def test_no_room_for_directories(self):
        """The store is as it was, and usable."""
        place = self.tmpfs("few", "size=100m,nr_inodes=2000")
        self.dir, kept = place, self.dir
        try:
            self.make("hex2")
            before, directories = self.files(), self.directories()
            self.assertIn("No space left on device", self.error("convert", self.store, "hex4"))
            self.assertEqual((self.files(), self.directories()), (before, directories))
            self.assertFalse(self.assert_nothing_is_lost())
        finally:
            self.dir = kept


if __name__ == "__main__":
    support.main(before=mounts.enter)
