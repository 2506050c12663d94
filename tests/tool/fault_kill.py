"""A put that is killed at its changing system calls: the store is whole, and takes it again."""

import signal

import faults
import support


@support.needs_strace
class Kill(faults.Scene):
    def kill_everywhere(self, level):
        points = self.calls(level)
        chosen = self.sample(points, level)
        print(f"sync {level}: {len(chosen)} of {len(points)} points", flush=True)
        for name, number, line in chosen:
            done, _ = self.strace(
                level, "-e", faults.trace([name]),
                "-e", f"inject={name}:signal=KILL:when={number}",
            )
            self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL), line)
            self.assert_store_is_good(f"a kill at: {line}")

    def test_sync_none(self):
        self.kill_everywhere("none")

    def test_sync_file(self):
        self.kill_everywhere("file")

    def test_sync_filesystem(self):
        self.kill_everywhere("filesystem")


if __name__ == "__main__":
    support.main()
