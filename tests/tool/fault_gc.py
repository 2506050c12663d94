"""A garbage collection with a fault at every system call that changes anything.

Wherever it is stopped, every snapshot restores, and the next collection removes what this one was
to remove. A store of 65536 directories is tried at a sample of places.
"""

import errno
import json
import os
import signal

import backups
import faults
import support
from backups import FINISHED, TIME, snapshot_name
from fault_backup import Scene
from support import TOOL, write

GROUP = "host/x"
OLD = 1_000_000_000
STALE = ".tmp_AbC123"


class GcScene(Scene):
    """A store with a snapshot, chunks that nothing needs, bad copies, and what a crash has left."""

    layout = "hex2"

    def setUp(self):
        backups.BackupCase.setUp(self)
        self.pxds("init", self.store, "--layout", self.layout)
        self.old_input = self.new_input("old", 1)
        self.run_program("make", GROUP, TIME, self.old_input)
        self.needed = self.chunks_now()
        self.run_program("make", GROUP, TIME + 1, self.input)
        self.pxds("forget", self.store, f"{GROUP}/{snapshot_name(TIME + 1)}")
        garbage = sorted(self.chunks_now() - self.needed)
        self.assertGreater(len(garbage), 3)
        for name, end in ((garbage[0], ".0.bad"), (sorted(self.needed)[0], ".3.bad"), (garbage[1], STALE)):
            write(self.chunk(name) + end, b"not a chunk")
        self.files = {name: support.read(self.chunk(name)) for name in self.chunks_now()}
        self.fresh()

    def chunk(self, name):
        digits = 2 if self.layout == "hex2" else 4
        return os.path.join(self.store, ".chunks", name[:digits], name)

    def chunks_now(self):
        chunks = os.path.join(self.store, ".chunks")
        return {name for _, _, names in os.walk(chunks) for name in names}

    def fresh(self):
        """Puts back what a collection removes: nothing else does it change. All is old then."""
        for name, content in self.files.items():
            if not os.path.exists(self.chunk(name)):
                write(self.chunk(name), content)
            os.utime(self.chunk(name), (OLD, OLD))
        for name in os.listdir(self.store):
            if name.startswith(".gc-status"):
                os.unlink(os.path.join(self.store, name))
        self.assertEqual(self.chunks_now(), set(self.files))

    def gc_command(self):
        return [TOOL, "gc", self.store, "--json"]

    def assert_nothing_lost(self):
        self.assertEqual(self.listing(), {f"{GROUP}/{snapshot_name(TIME)}": FINISHED})
        self.assert_restores_to(f"{GROUP}/{snapshot_name(TIME)}", self.old_input)
        self.assertLessEqual(self.needed, self.chunks_now())

    def assert_finishes(self):
        done = self.pxds(*self.gc_command()[1:])
        self.assertEqual(self.chunks_now(), self.needed)
        self.assert_nothing_lost()
        status = json.loads(done.stdout)
        self.assertEqual(json.loads(support.read(os.path.join(self.store, ".gc-status"))), support.gc_note(status))
        return status

    def kill_at(self, points):
        left = set()
        for point in points:
            with self.subTest(call=point[2]):
                done = self.inject(self.gc_command(), point, "signal=KILL")
                self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL))
                self.assert_nothing_lost()
                left.add(len(self.chunks_now()))
                self.assert_finishes()
        return left


class Hex2(GcScene):
    def test_without_a_fault(self):
        before = self.chunks_now()
        self.pxds(*self.gc_command()[1:], "--dry-run")
        self.assertEqual(self.chunks_now(), before)
        status = self.assert_finishes()
        self.assertEqual(status["removed_chunks"], len(before) - len(self.needed) - 3)
        self.assertEqual(status["removed_bad"], 2)
        self.assertEqual(status["stored_chunks"], len(self.needed))

    def test_kill(self):
        points = self.points(self.gc_command(), "kill gc")
        names = {name for name, _, _ in points}
        self.assertLessEqual({"utimensat", "unlinkat"}, names)
        self.assertGreater(len(self.kill_at(points)), 1)

    def fail_everywhere(self, code):
        words = os.strerror(getattr(errno, code))
        for point in self.points(self.gc_command(), code):
            with self.subTest(code=code, call=point[2]):
                done = self.inject(self.gc_command(), point, f"error={code}")
                # What cannot be noted, or not be put back, is no failure of the collection.
                if done.returncode != 0:
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(words, done.stderr.decode())
                self.assert_nothing_lost()
                self.assert_finishes()

    def test_eio(self):
        self.fail_everywhere("EIO")

    def test_erofs(self):
        self.fail_everywhere("EROFS")


class Hex4(GcScene):
    layout = "hex4"

    def test_kill(self):
        # strace counts no further.
        points = [point for point in self.points(self.gc_command(), "kill gc hex4") if point[1] < 65536]
        places = 20 if faults.EVERY else 2
        self.kill_at(points[len(points) % places::max(1, len(points) // places)][:places])


if __name__ == "__main__":
    support.main()
