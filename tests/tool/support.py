"""What the Python tests share: where things are, how to run the tool, how a test program ends."""

import datetime
import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
TOOL = os.environ.get("PXDS_TOOL") or os.path.join(BUILD, "pxds")
LIBRARY = os.path.join(BUILD, "libpxds.so")
NOBODY = 65534  # the user, and the group
# Seconds that one test may take, its programs and all it waits for.
TEST_LIMIT = float(os.environ.get("PXDS_TEST_LIMIT") or 900)
# Then as many for each thing that it still goes on to.
THEN = 30
# Where files are in memory; tests/run says so, and removes what a program that it stops has left there.
MEMORY = os.environ.get("PXDS_TEST_MEMORY") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)

# What PBS calls in .gc-status what `gc --json` prints.
GC_NOTE = {"index-file-count": "indexes", "index-data-bytes": "logical_bytes", "disk-bytes": "stored_bytes",
           "disk-chunks": "stored_chunks", "removed-bytes": "removed_bytes", "removed-chunks": "removed_chunks",
           "pending-bytes": "pending_bytes", "pending-chunks": "pending_chunks", "removed-bad": "removed_bad",
           "still-bad": "pending_bad"}


def gc_note(status):
    """What .gc-status says of a collection that printed `status`."""
    # PBS counts the bytes of bad copies among those of chunks.
    bad = {"disk-bytes": "used_bad_bytes", "removed-bytes": "removed_bad_bytes", "pending-bytes": "pending_bad_bytes"}
    return {"upid": None, **{name: status[key] + status.get(bad.get(name), 0) for name, key in GC_NOTE.items()},
            "cache-stats": {"hits": status["cache_hits"], "misses": status["cache_misses"]}}


def default_signals():
    """Gives the programs that are run from here on the signals as a terminal would: nohup ignores some, and so does a
    shell for what it puts into the background. What is ignored here stays so in this process itself."""
    kept = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores these, and sets them for its children
    for number in signal.valid_signals() - {signal.SIGCHLD, *kept}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # a handler does not outlive exec
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def without_notice_of_pbs(stderr):
    """What the tool says but for its notice that PBS runs on this machine, which it does or does not."""
    return re.sub(rb"^pxds: note: PBS runs here, .*\n", b"", stderr, flags=re.MULTILINE)


def time_is_up(*_):
    raise TimeoutError("the test has not ended within its time")


def random_data(length, seed=1):
    """Bytes that do not compress, the same in every run."""
    return random.Random(seed).randbytes(length)


def needs_strace(test):
    """Skips a test or a class of tests where nothing can be traced."""
    if shutil.which("strace") is None:
        return unittest.skip("no strace (Debian: strace)")(test)
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return unittest.skipIf(done.returncode != 0, "strace may not trace here")(test)


def epoch(text):
    """Seconds since 1970 of a time as the tool shows it, 2026-11-30T13:00:00+01:00 or with a Z."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def read_terminal(terminal):
    """All that was written to the other end of a terminal, which nobody has open any more. One read may give a part."""
    seen = b""
    try:
        while more := os.read(terminal, 4096):
            seen += more
    except OSError as error:
        if error.errno != errno.EIO:  # the end
            raise
    return seen


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def tree(directory):
    """Every file below a directory: relative path -> content."""
    found = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                found[os.path.relpath(path, directory)] = read(path)
    return found


class TestCase(unittest.TestCase):
    """A test with a directory of its own, `self.dir`, and the tool at hand."""

    maxDiff = 2000
    # Whether the test is about the notice of PBS; see without_notice_of_pbs().
    notice_of_pbs = False
    # Whether its files are in memory, where there is room: for tests of very many commands that write. Others are there
    # to write the same to the disk.
    in_memory = False

    def run(self, result=None):
        signal.signal(signal.SIGALRM, time_is_up)
        signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT, THEN)
        try:
            return super().run(result)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pxds-test-", dir=MEMORY if self.in_memory else None)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def pxds(self, *args, code=0, under=(), **options):
        """Runs the tool and checks its exit status; gives stdout and stderr as bytes."""
        done = subprocess.run(
            [*under, TOOL, *args], capture_output=True, timeout=300, check=False, **options
        )
        if done.stderr is not None and not self.notice_of_pbs:
            done.stderr = without_notice_of_pbs(done.stderr)
        if done.returncode != code:
            self.fail(
                f"pxds {' '.join(map(str, args))}: exit status {done.returncode}, not {code}\n"
                f"{done.stdout[-2000:]!r}\n{done.stderr.decode(errors='replace')}"
            )
        if code in (1, 3) and "--log-json" not in args:
            self.assertTrue(done.stderr.startswith(b"pxds: "), done.stderr)
        return done

    def error(self, *args, code=1, **options):
        """What the tool says on stderr when it fails."""
        return self.pxds(*args, code=code, **options).stderr.decode(errors="replace")

    def unprivileged(self, directory):
        """For pxds(): as a user who may not do everything, and who owns `directory` and what is in it."""
        if os.geteuid() != 0:
            return {}
        user = {"user": NOBODY, "group": NOBODY}
        os.chmod(self.dir, 0o755)
        for parent, directories, names in os.walk(directory):
            for name in [".", *directories, *names]:
                os.chown(os.path.join(parent, name), NOBODY, NOBODY, follow_symlinks=False)
        if subprocess.run([TOOL, "--version"], capture_output=True, check=False, **user).returncode:
            self.skipTest("the tool is where another user may not look")
        return user

    def assert_restores(self, store, index, data):
        out = self.path("restored")
        self.pxds("get", store, index, out)
        self.assertTrue(read(out) == data, f"{index} restores to other bytes")
        os.unlink(out)

    def assert_no_leftovers(self, *directories):
        """No temporary file, whatever its name: chunks, locks and what the test made itself."""
        left = [name for each in directories for name in tree(each) if "tmp" in name]
        self.assertEqual(left, [])


def main(before=None):
    """Runs the tests of a program and prints its result as tests/run reads it."""
    default_signals()
    if before is not None:
        before()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    for test, reason in result.skipped:
        print(f"skip: {test.id().removeprefix('__main__.')}: {reason}")
    passed = max(0, result.testsRun - failed - len(result.skipped))
    print(f"{passed} passed, {failed} failed, {len(result.skipped)} skipped")
    sys.exit(failed > 0)
