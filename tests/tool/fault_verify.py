"""A verification that repairs, with a fault at every system call that changes anything, and with
chunks that cannot be read.

Whatever happens, no good chunk is lost, and no manifest; the next verification finishes the work.
"""

import errno
import json
import os
import signal
import subprocess

import backups
import faults
import support
from backups import FINISHED, TIME, snapshot_name
from fault_backup import FewPoints, Scene
from support import TOOL, read, tree, write

PATHS = (f"host/x/{snapshot_name(TIME)}", f"host/x/{snapshot_name(TIME + 1)}", f"vm/7/{snapshot_name(TIME)}")


class VerifyScene(Scene):
    """A store in which one chunk is rotten and one missing, kept as a template, and a good copy."""

    def setUp(self):
        backups.BackupCase.setUp(self)
        self.template, self.other = self.path("template"), self.path("other")
        self.init()
        self.old_input = self.new_input("old", 1)
        self.run_program("make", "host/x", TIME, self.old_input)
        self.run_program("make", "host/x", TIME + 1, self.input)
        self.run_program("make", "vm/7", TIME, self.old_input)
        self.good = tree(os.path.join(self.store, ".chunks"))
        os.rename(self.store, self.template)
        self.fresh()
        os.rename(self.store, self.other)
        names = sorted(self.good)
        self.rotten, self.missing = names[0], names[-1]
        write(os.path.join(self.template, ".chunks", self.rotten), self.good[self.rotten][:-1] + b"?")
        os.unlink(os.path.join(self.template, ".chunks", self.missing))
        self.fresh()

    def command(self, *args, **options):
        if args[0] != "verify":
            return super().command(*args, **options)
        return [TOOL, "verify", self.store, "--threads", "1", "--json", "--repair-from", self.other]

    def assert_nothing_lost(self):
        self.assertEqual(self.listing(), dict.fromkeys(PATHS, FINISHED))
        now = tree(os.path.join(self.store, ".chunks"))
        for name, content in self.good.items():
            if name not in (self.rotten, self.missing):
                self.assertEqual(now.get(name), content)
        # What was rotten is there, under one of its names, or has been replaced.
        copies = [now.get(self.rotten), now.get(f"{self.rotten}.0.bad")]
        self.assertTrue(any(copies))
        self.assertIn(copies[1], (None, self.good[self.rotten][:-1] + b"?"))

    def assert_finishes(self):
        self.pxds(*self.command("verify")[1:])
        for path, directory in zip(PATHS, (self.old_input, self.input, self.old_input)):
            self.assert_restores_to(path, directory)
        self.pxds("verify", self.store, "--read-only")

    def test_without_a_fault(self):
        self.pxds("verify", self.store, "--read-only", code=1)
        self.assert_nothing_lost()
        self.assert_finishes()

    def test_kill(self):
        for point in self.points(self.command("verify"), "kill"):
            with self.subTest(call=point[2]):
                done = self.inject(self.command("verify"), point, "signal=KILL")
                self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL))
                self.assert_nothing_lost()
                self.assert_finishes()

    def fail_everywhere(self, code):
        words = os.strerror(getattr(errno, code))
        for point in self.points(self.command("verify"), code):
            with self.subTest(code=code, call=point[2]):
                done = self.inject(self.command("verify"), point, f"error={code}")
                # That an outcome cannot be noted is told, and is no failure of what has been verified.
                unnoted = b"not noted: " in done.stderr
                self.assertEqual(done.returncode, 4 if unnoted and done.stdout.count(b'"ok":true') == 3 else 1)
                self.assertIn(words, (done.stdout + done.stderr).decode())
                self.assert_nothing_lost()
                self.assert_finishes()

    def test_eio(self):
        self.fail_everywhere("EIO")

    def test_enospc(self):
        self.fail_everywhere("ENOSPC")

    # ---- chunks that cannot be read ----

    def read_with_fault(self, rule, *options):
        """Verifies a good store while reads of one chunk fail."""
        name = sorted(self.good)[1]
        path = os.path.join(self.other, ".chunks", name)
        command = [TOOL, "verify", self.other, "--threads", "1", "--json", *options]
        done = subprocess.run(["strace", "-f", "-o", self.path("log"), "-P", path, "-e", "trace=read,pread64",
                               "-e", f"inject=read,pread64:{rule}", *command],
                              capture_output=True, timeout=120, check=False)
        self.assertIn(b"INJECTED", read(self.path("log")))
        self.assertEqual(tree(os.path.join(self.other, ".chunks")), self.good)
        return done

    def test_what_cannot_be_read_is_no_rot(self):
        done = self.read_with_fault("error=EIO")
        self.assertEqual(done.returncode, 4)
        *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(last, {"complete": False})
        hit = [row for row in rows if row["errors"]]
        self.assertTrue(hit)
        for row in hit:
            self.assertEqual((row["ok"], row["outcome"]), (None, "unreadable"))
            self.assertIn("Input/output error", row["errors"][0]["reason"])
        self.assertIn(b"could not be read whole", done.stderr)
        # Nothing has been noted of it: it is checked again.
        rows = [json.loads(line) for line in self.pxds("verify", self.other, "--json", "--skip-verified",
                                                       "1").stdout.splitlines()]
        self.assertEqual([row["snapshot"] for row in rows if row["outcome"] == "ok"], [row["snapshot"] for row in hit])

    def test_what_can_be_read_the_second_time_is_good(self):
        self.assertEqual(self.read_with_fault("error=EIO:when=1").returncode, 0)
        # A read that gives too little is no rot either.
        self.assertEqual(self.read_with_fault("retval=0:when=1").returncode, 0)


class Hex4(FewPoints, VerifyScene):
    pass


if __name__ == "__main__":
    support.main()
