"""Any system call that fails is an error, or does not matter; it never becomes a panic.

The flows below are run under strace with an error at each of their calls, of memory's and of waiting
threads' alone not: what does not wake a thread lets it sleep for ever.
"""

import os
import random
import resource
import shutil
import signal
import subprocess

import faults
import support
from support import TOOL, TestCase, random_data, tree, write

# Not these: the program's start and end, memory (another matter), and what threads wait by.
NOT_THESE = {
    "execve", "exit", "exit_group", "rt_sigreturn", "arch_prctl", "set_tid_address", "rseq", "futex",
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise",
}
CODES = ("EIO", "EPERM", "EINVAL", "ENOSYS")
STATUSES = range(6)
# The dynamic linker's, and a shell's for it.
NOT_STARTED = 127


@support.needs_strace
class Panic(TestCase):
    def setUp(self):
        super().setUp()
        self.template, self.store = self.path("template"), self.path("store")
        write(self.path("in"), random_data(100000, 1))
        write(self.path("more"), random_data(50000, 2))
        self.pxds("init", self.template)
        self.pxds("backup", self.template, "host/a", f"a.didx={self.path('in')}")
        self.snapshot = "host/a/" + next(
            name for name in os.listdir(os.path.join(self.template, "host", "a")) if "T" in name)
        self.pxds("notes", self.template, "host/a", "--set", "notes")

    def flows(self):
        store, more = self.store, self.path("more")
        yield ["init", self.path("new")]
        yield ["list", store]
        yield ["stat", store, "--exact"]
        yield ["verify", store, "--threads", "1"]
        yield ["gc", store]
        yield ["gc", store, "--dry-run"]
        yield ["put", store, more, f"{store}/x.didx", "--avg", "16384", "--threads", "1"]
        yield ["backup", store, "host/b", f"a.didx={more}", f"c.blob={more}", "--threads", "1"]
        yield ["restore", store, self.snapshot, "a.didx", self.path("out"), "--threads", "1"]
        yield ["notes", store, self.snapshot, "--set", "x"]
        yield ["forget", store, self.snapshot]
        yield ["prune", store, "host/a", "--keep-last", "1"]
        yield ["convert", store, "hex4", "--dry-run"]

    def fresh(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.rmtree(self.path("new"), ignore_errors=True)
        shutil.copytree(self.template, self.store, symlinks=True)

    def strace(self, command, *options):
        self.fresh()
        log = self.path("log")
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-s", "0", *options, TOOL, *command],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
        )
        with open(log, encoding="utf-8", errors="replace") as file:
            return done, file.read().splitlines()

    def assert_no_panic(self, done, what):
        message = done.stderr.decode(errors="replace")
        with self.subTest(what=what, message=message):
            self.assertNotIn("panicked", message)
            self.assertNotIn("defect in pxds", message)
            self.assertTrue(done.returncode in STATUSES or done.returncode == NOT_STARTED,
                            f"exit status {done.returncode}")

    def points(self, command):
        """Every call: (name, the how-many-th of that name)."""
        done, lines = self.strace(command)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        count, points = {}, []
        for match in filter(None, map(faults.CALL.match, lines)):
            name = match[1]
            count[name] = count.get(name, 0) + 1
            if name not in NOT_THESE:
                points.append((name, count[name]))
        self.assertGreater(len(points), 20)
        return points

    def test_every_call(self):
        chance = random.Random(faults.SEED)
        for command in self.flows():
            points = self.points(command)
            chosen = points if faults.EVERY else chance.sample(points, max(8, len(points) // 12))
            print(f"{command[0]}: {len(chosen)} of {len(points)} calls", flush=True)
            for name, number in chosen:
                code = chance.choice(CODES)
                done, _ = self.strace(
                    command, "-e", faults.trace([name]), "-e",
                    f"inject={name}:error={code}:when={number}")
                self.assert_no_panic(done, f"{code} at {name} {number} of {command}")

    def test_no_randomness(self):
        """Every call for random bytes, one after the other, and all of them."""
        failed = 0
        for command in self.flows():
            numbers = [str(number) for name, number in self.points(command) if name == "getrandom"]
            for when in [*numbers, "1+"]:
                done, _ = self.strace(command, "-e", "trace=getrandom", "-e",
                                      f"inject=getrandom:error=EIO:when={when}")
                self.assert_no_panic(done, f"randomness {when} of {command}")
                failed += done.returncode == 1
                if done.returncode == 1:
                    self.assertIn(b"cannot read random bytes", done.stderr + done.stdout)
        self.assertGreater(failed, 10)


class Limits(TestCase):
    """Files that may not grow, and pipes that nobody reads."""

    def setUp(self):
        super().setUp()
        self.store, self.index = self.path("store"), self.path("store", "x.didx")
        self.pxds("init", self.store)
        write(self.path("in"), random_data(3000000, 1))
        self.pxds("put", self.store, self.path("in"), self.index, "--avg", "65536")

    def limited(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
        return {"preexec_fn": limit}

    def test_files_that_may_not_grow(self):
        write(self.path("other"), random_data(3000000, 2))
        before = tree(self.dir)
        for threads in ("1", "4"):
            for command in (
                ["get", self.store, self.index, self.path("out")],
                ["put", self.store, self.path("other"), self.path("store", "y.didx"), "--avg", "1048576"],
                ["backup", self.store, "host/a", f"a.didx={self.path('other')}"],
            ):
                message = self.error(*command, "--threads", threads, **self.limited())
                self.assertIn("File too large", message)
        after = {name: data for name, data in tree(self.dir).items() if ".chunks" not in name}
        new = set(after) - set(before) - {"store/host/a/owner"}
        self.assertEqual(new, set())

    def test_output_that_may_not_grow(self):
        """What the tool prints itself: into a file that is as long as it may be already."""
        with open(self.path("printed"), "wb") as file:
            file.truncate(65536)
            file.seek(65536)
            done = subprocess.run(
                [TOOL, "index", self.index], stdout=file, stderr=subprocess.PIPE, timeout=300,
                check=False, **self.limited(),
            )
        self.assertEqual((done.returncode, b"File too large" in done.stderr), (1, True), done)

    def test_nobody_reads(self):
        """As any filter: the signal ends it; where that is ignored, it says so."""
        for ignored in (False, True):
            def choose(ignored=ignored):
                signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
            with subprocess.Popen(
                [TOOL, "get", self.store, self.index, "-"], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, preexec_fn=choose, restore_signals=False,
            ) as child:
                child.stdout.close()
                message = child.stderr.read()
                code = child.wait(timeout=300)
            if ignored:
                self.assertEqual((code, b"Broken pipe" in message), (1, True), message)
            else:
                self.assertEqual((code, message), (-signal.SIGPIPE, b""))


if __name__ == "__main__":
    support.main()
