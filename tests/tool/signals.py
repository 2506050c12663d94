"""Signals that end the tool, and standard streams that do not block or are full."""

import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import support
from support import TOOL, TestCase, random_data, tree, write

ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
LIMIT = 300


def default_signals():
    """What runs this may have ignored them."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def ignored_signals():
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


class SignalCase(TestCase):
    in_memory = True

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.pxds("init", self.store)

    def start(self, *args, signals=default_signals, **options):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([TOOL, *args], preexec_fn=signals, **options)
        self.addCleanup(process.kill)
        return process

    def assert_ended_by(self, process, number, told=True):
        """told: it had begun something, and says what has stopped it."""
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, -number, err)
        # What is said of the store is no matter of the signal.
        said = [line for line in err.decode().splitlines() if not line.startswith("pxds: note: ")]
        line = f"pxds: interrupted by signal {int(number)} ({signal.strsignal(number)})"
        self.assertEqual((out, said), (b"", [line] if told else []))

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.002)


class Input(SignalCase):
    """While the input gives nothing."""

    def commands(self):
        yield ("put", self.store, "-", self.path("a.didx"))
        for kind in ("didx", "fidx", "blob"):
            yield ("backup", self.store, "ns/a/host/x", f"a.{kind}=-")

    def fed(self, process, data):
        process.stdin.write(data)
        process.stdin.flush()
        # A pipe holds 64 KiB.
        self.assertGreater(len(data), 1 << 20)

    def test_nothing_is_left(self):
        for command in self.commands():
            for number in ENDING:
                with self.subTest(command=command[0], archive=command[-1], signal=number):
                    process = self.start(*command)
                    self.fed(process, random_data(5 << 20))
                    process.send_signal(number)
                    self.assert_ended_by(process, number)
                    left = [name for name in tree(self.store) if not name.startswith(".chunks")]
                    self.assertEqual(left, [".lock"])
                    self.assertEqual(sorted(os.listdir(self.dir)), ["store"])
                    self.assert_no_leftovers(self.store)
        self.assertEqual(set(os.listdir(self.store)) - {".pxds-tmp"}, {".chunks", ".lock"})

    def test_what_is_ignored_stays_so(self):
        for command in self.commands():
            process = self.start(*command, signals=ignored_signals)
            self.fed(process, random_data(5 << 20))
            for number in ENDING:
                process.send_signal(number)
            _, err = process.communicate(timeout=LIMIT)
            self.assertEqual(process.returncode, 0, err)

    def test_before_there_is_any(self):
        os.mkfifo(self.path("fifo"))
        for args in (("put", self.store, self.path("fifo"), self.path("a.didx")), ("blob", "encode", "-"),
                     ("chunk", "-"), ("backup", self.store, "host/x", f"a.blob={self.path('fifo')}")):
            process = self.start(*args)
            self.wait_for(lambda p=process: self.is_waiting(p), "it waits")
            process.send_signal(signal.SIGINT)
            self.assert_ended_by(process, signal.SIGINT, told=False)
        self.assert_no_leftovers(self.store)

    def is_waiting(self, process):
        with open(f"/proc/{process.pid}/wchan", encoding="ascii") as file:
            return file.read() not in ("", "0")


class Work(SignalCase):
    """In the middle of something long."""

    def setUp(self):
        super().setUp()
        self.file, self.index, self.out = self.path("file"), self.path("file.didx"), self.path("out")
        write(self.file, random_data(200 << 20))
        self.pxds("put", self.store, self.file, self.index, "--sync", "none")
        done = self.pxds("backup", self.store, "host/x", f"a.didx={self.file}", f"b.fidx={self.file}")
        self.snapshot = done.stdout.split()[0].decode()
        os.mkdir(self.out)
        self.pxds("init", self.path("other"))

    def written(self, process):
        with open(f"/proc/{process.pid}/io", encoding="ascii") as file:
            return int(dict(line.split(": ") for line in file)["wchar"])

    def unread(self, process):
        return struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)))[0]

    def stop_at_work(self, number, *args):
        """Sends the signal when a MiB has been written, with nearly all still to come."""
        for _ in range(10):
            process = self.start(*args, "--threads", "1")
            self.wait_for(lambda: process.poll() is not None or self.written(process) > 1 << 20, "it writes")
            if process.poll() is None:
                process.send_signal(signal.SIGSTOP)
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
            if process.wait(timeout=LIMIT) != 0:
                return process
        return self.fail(f"{args} was always faster")

    def test_nothing_is_left(self):
        out = os.path.join(self.out, "disk.raw")
        restore = ("restore", self.store, self.snapshot)
        for number in ENDING:
            for args in (("get", self.store, self.index, out), (*restore, "a.didx", out), (*restore, "b.fidx", out),
                         ("copy", self.store, self.index, self.path("other"), out)):
                with self.subTest(args=args, signal=number):
                    self.assert_ended_by(self.stop_at_work(number, *args), number)
                    self.assertEqual(os.listdir(self.out), [])
                    self.assert_no_leftovers(self.store, self.path("other"))

    def test_a_kill_leaves_nothing_beside_the_output(self):
        out = os.path.join(self.out, "disk.raw")
        self.stop_at_work(signal.SIGKILL, "get", self.store, self.index, out)
        self.assertEqual(os.listdir(self.out), [])

    def test_nobody_reads(self):
        """The library waits until the pipe takes more."""
        for args in (("get", self.store, self.index, "-"), ("get", self.store, self.index, "/dev/stdout")):
            process = self.start(*args)
            self.wait_for(lambda p=process: self.unread(p) == 1 << 16, "the pipe is full")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=LIMIT), -signal.SIGINT)
            process.communicate()


class Streams(SignalCase):
    """Standard output and standard error as a program's parent may leave them."""

    def setUp(self):
        super().setUp()
        write(self.path("file"), random_data(4 << 20))
        self.index = self.path("file.didx")
        self.pxds("put", self.store, self.path("file"), self.index, "--avg", "1024")
        self.listing = self.pxds("index", self.index, "--entries").stdout
        self.assertGreater(len(self.listing), 1 << 17)

    def run_slowly(self, args, stream, pair):
        """What the tool writes to a stream that does not block and that is read from only when it is full."""
        reader, writer = pair
        os.set_blocking(writer, False)
        process = subprocess.Popen([TOOL, *args], **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
                                                     stream: writer})
        time.sleep(0.2)
        content = []

        def read_all():
            while more := os.read(reader, 4096):
                content.append(more)

        kept = fcntl.fcntl(writer, fcntl.F_GETFL)
        os.close(writer)
        thread = threading.Thread(target=read_all)
        thread.start()
        code = process.wait(timeout=LIMIT)
        thread.join()
        os.close(reader)
        return code, b"".join(content), bool(kept & os.O_NONBLOCK)

    def test_a_pipe_that_does_not_block(self):
        code, content, kept = self.run_slowly(("index", self.index, "--entries"), "stdout", os.pipe())
        self.assertEqual(code, 0)
        self.assertTrue(content == self.listing)
        self.assertTrue(kept, "whoever shares the pipe finds it as it was")

    def test_a_socket_that_does_not_block(self):
        pair = [end.detach() for end in socket.socketpair()]
        code, content, _ = self.run_slowly(("index", self.index, "--entries"), "stdout", pair)
        self.assertEqual(code, 0)
        self.assertTrue(content == self.listing)

    def test_messages_to_a_pipe_that_does_not_block(self):
        done = self.pxds("backup", self.store, "host/x", f"a.didx={self.path('file')}", "--chunk-size", "1024")
        snapshot = done.stdout.split()[0].decode()
        for name in tree(os.path.join(self.store, ".chunks")):
            write(os.path.join(self.store, ".chunks", name), b"damaged beyond repair")
        args = ("restore", self.store, snapshot, "a.didx", "/dev/null", "--skip-bad", "--threads", "1")
        expected = self.pxds(*args, code=4).stderr
        self.assertGreater(len(expected), 1 << 17)
        code, content, _ = self.run_slowly(args, "stderr", os.pipe())
        self.assertEqual(code, 4)
        self.assertTrue(support.without_notice_of_pbs(content) == expected)

    def test_data_to_a_pipe_that_does_not_block(self):
        for out in ("-", "/dev/stdout"):
            code, content, _ = self.run_slowly(("get", self.store, self.index, out), "stdout", os.pipe())
            self.assertEqual(code, 0)
            self.assertEqual(len(content), 4 << 20)

    def test_input_that_does_not_block(self):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        process = self.start("blob", "encode", "-", self.path("blob"), stdin=reader)
        os.close(reader)
        time.sleep(0.2)
        os.write(writer, b"late")
        os.close(writer)
        self.assertEqual(process.wait(timeout=LIMIT), 0, process.stderr.read())
        self.assertEqual(self.pxds("blob", "decode", self.path("blob")).stdout, b"late")

    def test_a_full_device(self):
        self.pxds("backup", self.store, "host/x", f"a.blob={self.path('file')}")
        for args in (("list", self.store), ("list", self.store, "--json"), ("stat", self.store), ("--help",),
                     ("index", self.index), ("get", self.store, self.index, "-"), ("gc", self.store, "--dry-run"),
                     ("get", self.store, self.index, "/dev/stdout"), ("report", self.store, "-o", "/dev/stdout")):
            with self.subTest(args=args), open("/dev/full", "wb") as full:
                done = subprocess.run([TOOL, *args], stdout=full, stderr=subprocess.PIPE, check=False, timeout=LIMIT)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"No space left on device", done.stderr)


if __name__ == "__main__":
    support.main()
