"""A put whose system calls fail: it says so and cleans up, and the store is as good as before."""

import errno
import os

import faults
import support


@support.needs_strace
class Error(faults.Scene):
    def fail_everywhere(self, level, code):
        points = self.calls(level)
        chosen = self.sample(points, f"{level} {code}")
        words = os.strerror(getattr(errno, code))
        print(f"sync {level}, {code}: {len(chosen)} of {len(points)} points", flush=True)
        for name, number, line in chosen:
            done, _ = self.strace(
                level, "-e", faults.trace([name]), "-e", f"inject={name}:error={code}:when={number}"
            )
            message = done.stderr.decode(errors="replace")
            with self.subTest(call=line, message=message):
                self.assertEqual(done.returncode, 1)
                self.assertTrue(message.startswith("pxds: "))
                self.assertIn(words, message)
                self.assertIn(self.store, message, "the message names a path")
                self.assertEqual(done.stdout, b"")
                self.assertEqual(self.temporaries(), [], "temporaries are removed")
            self.assert_store_is_good(f"{code} at: {line}")

    def test_eio_sync_none(self):
        self.fail_everywhere("none", "EIO")

    def test_eio_sync_file(self):
        self.fail_everywhere("file", "EIO")

    def test_eio_sync_filesystem(self):
        self.fail_everywhere("filesystem", "EIO")

    def test_enospc_sync_none(self):
        self.fail_everywhere("none", "ENOSPC")

    def test_enospc_sync_file(self):
        self.fail_everywhere("file", "ENOSPC")

    def test_enospc_sync_filesystem(self):
        self.fail_everywhere("filesystem", "ENOSPC")

    def test_interrupted_calls(self):
        """A call that a signal has interrupted is made again."""
        # of the reads only those of the file: the dynamic linker gives up at its own
        for name, only in (("read", ["-P", self.path("new")]), ("write", [])):
            done, lines = self.strace(
                "file", *only, "-e", faults.trace([name]),
                "-e", f"inject={name}:error=EINTR:when=1",
            )
            self.assertIn("INJECTED", " ".join(lines))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_store_is_good(f"EINTR in {name}")

if __name__ == "__main__":
    support.main()
