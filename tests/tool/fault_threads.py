"""A put by several threads that is killed, or whose calls fail, while all of them are at work.

strace counts the calls of each thread for itself, so that a fault may strike more than one; the thread that
says in the end what has failed among them.
"""

import errno
import os
import signal

import faults
import support
from support import random_data, write

# Calls of the threads that store chunks, behind those that the first of them makes to load the library. There are so
# many in all that one thread makes as many, however they are shared out.
POINTS = [(name, number) for name in ("openat", "write", "fchmod", "renameat") for number in (20, 50)]
POINTS += [("utimensat", 1), ("utimensat", 6), ("mkdirat", 3), ("read", 4)]


@support.needs_strace
class Threads(faults.Scene):
    def setUp(self):
        super().setUp()
        self.new = self.old + random_data(8000000, 3) + self.old * 40
        write(self.path("new"), self.new)

    def put_command(self, level):
        return [faults.TOOL, "put", self.store, self.path("new"), self.index, "--avg", "16384",
                "--sync", level, "--threads", "4"]

    def inject(self, level, name, number, fault):
        """Gives what became of the put, and whether its message was among the calls that failed."""
        where = ["-P", self.path("new")] if name == "read" else []
        done, lines = self.strace(
            level, *where, "-e", faults.trace([name]), "-e", f"inject={name}:{fault}:when={number}"
        )
        self.assertTrue(any("INJECTED" in line or "killed by SIGKILL" in line for line in lines), name)
        return done, any("INJECTED" in line and "write(2," in line for line in lines)

    def test_there_are_several_threads(self):
        # Each name takes so long that there is work left for all.
        done, lines = self.strace(
            "none", "-e", faults.trace(["renameat"]), "-e", "inject=renameat:delay_enter=20000")
        self.assertEqual(done.returncode, 0, done.stderr)
        threads = {line.split()[0] for line in lines if "renameat" in line}
        self.assertGreater(len(threads), 1)

    def test_kill(self):
        for name, number in POINTS:
            done, _ = self.inject("file", name, number, "signal=KILL")
            self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL), name)
            self.assert_store_is_good(f"a kill at {name} {number}")

    def test_errors(self):
        for code in ("EIO", "ENOSPC"):
            words = os.strerror(getattr(errno, code))
            for name, number in POINTS:
                done, is_mute = self.inject("none", name, number, f"error={code}")
                message = done.stderr.decode(errors="replace")
                with self.subTest(call=name, number=number, message=message):
                    self.assertEqual(done.returncode, 1)
                    self.assertTrue(is_mute or words in message)
                    self.assertEqual(self.temporaries(), [], "temporaries are removed")
                self.assert_store_is_good(f"{code} at {name} {number}")


if __name__ == "__main__":
    support.main()
