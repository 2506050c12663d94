"""A prune with a fault at every system call that changes anything.

Whatever happens, what is to be kept is there, whole, and what is to go is there whole, or gone. The
next prune finishes the work, and garbage collection removes what a crash has left.
"""

import errno
import os
import signal

import backups
import faults
import support
from backups import FINISHED, TEMPORARY, TIME, WORK, snapshot_name
from fault_backup import FewPoints, Scene
from support import TOOL, write

GROUP = "host/x"
PROTECTED = 1

# What is to be seen of the seconds after TIME, from the oldest on.
KEEP_LAST = 2
DOOMED, GUARDED, UNFINISHED, ALSO_DOOMED, KEPT = 0, 1, 2, 3, (4, 5)


def path_of(number):
    return f"{GROUP}/{snapshot_name(TIME + number)}"


class PruneScene(Scene):
    """A store with a group that has something of everything, kept as a template."""

    def setUp(self):
        backups.BackupCase.setUp(self)
        self.template = self.path("template")
        self.init()
        self.old_input = self.new_input("old", 1)
        for number in (DOOMED, GUARDED, ALSO_DOOMED, *KEPT):
            self.run_program("make", GROUP, TIME + number, self.old_input)
        write(os.path.join(self.store, path_of(GUARDED), ".protected"), b"")
        half = os.path.join(self.store, path_of(UNFINISHED))
        os.mkdir(half)
        write(os.path.join(half, "root.pxar.didx"), b"half")
        # Another group, which is nobody's business here.
        self.run_program("make", "vm/7", TIME, self.old_input)
        os.rename(self.store, self.template)
        self.fresh()
        self.before = self.listing()
        self.doomed = {path_of(number) for number in (DOOMED, UNFINISHED, ALSO_DOOMED)}
        self.kept = {path: flags for path, flags in self.before.items() if path not in self.doomed}
        self.assertEqual(self.kept, {
            path_of(GUARDED): FINISHED | PROTECTED,
            **{path_of(number): FINISHED for number in KEPT},
            f"vm/7/{snapshot_name(TIME)}": FINISHED,
        })
        self.chunks = self.chunks_now()

    def prune_command(self):
        return [TOOL, "prune", self.store, GROUP, "--keep-last", str(KEEP_LAST), "--tz", "UTC", "--json"]

    def assert_kept(self):
        """Gives the snapshots that are to go and are still there."""
        listing = self.listing()
        left = {path: listing.pop(path) for path in self.doomed & set(listing)}
        self.assertEqual(listing, self.kept)
        self.assertEqual(left, {path: self.before[path] for path in left})
        for path in (*self.kept, *(path for path in left if left[path] == FINISHED)):
            self.assert_restores_to(path, self.old_input)
        half = os.path.join(self.store, path_of(UNFINISHED))
        if os.path.exists(half):
            self.assertEqual(os.listdir(half), ["root.pxar.didx"])
        self.assertEqual(self.chunks_now(), self.chunks)
        return set(left)

    def assert_finishes(self):
        self.pxds(*self.prune_command()[1:])
        self.assertEqual(self.assert_kept(), set())
        self.assert_swept()
        self.run_program("make", GROUP, TIME + 9, self.input)
        self.assertEqual([name for name in self.beside_chunks() if TEMPORARY.search(name)], [])

    def test_without_a_fault(self):
        self.fresh()
        self.assertEqual(self.assert_kept(), self.doomed)
        self.pxds(*self.prune_command()[1:], "--dry-run")
        self.assertEqual(self.assert_kept(), self.doomed)
        self.assert_finishes()

    def test_kill(self):
        seen = set()
        for point in self.points(self.prune_command(), "kill"):
            with self.subTest(call=point[2]):
                done = self.inject(self.prune_command(), point, "signal=KILL")
                self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL))
                left = self.assert_kept()
                # The oldest go first.
                order = [path_of(number) for number in (DOOMED, UNFINISHED, ALSO_DOOMED)]
                self.assertEqual(left, set(order[len(order) - len(left):]))
                seen.add(len(left))
                self.assert_finishes()
        if self.layout == "hex2":
            self.assertLessEqual({0, 1} if not faults.EVERY else {0, 1, 2, 3}, seen)

    def fail_everywhere(self, code):
        words = os.strerror(getattr(errno, code))
        for point in self.points(self.prune_command(), code):
            with self.subTest(code=code, call=point[2]):
                done = self.inject(self.prune_command(), point, f"error={code}")
                left = self.assert_kept()
                failed = bool(left) or point[0] == "write"
                self.assertIn(done.returncode, (1, 4) if failed else (0,))
                # Of the empty directory that the work has lain in nothing is said.
                if failed or any(name.startswith(WORK + "/") for name in self.beside_chunks()):
                    self.assertIn(words, done.stderr.decode())
                self.assert_finishes()

    def test_eio(self):
        self.fail_everywhere("EIO")

    def test_erofs(self):
        self.fail_everywhere("EROFS")


class Hex4(FewPoints, PruneScene):
    pass


if __name__ == "__main__":
    support.main()
