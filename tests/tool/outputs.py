"""Where whole files go: what has the name before is replaced only when all is well, and only what may be."""

import os
import signal
import socket
import stat
import subprocess

import faults
import support
from support import NOBODY, TOOL, TestCase, needs_strace, random_data, read, write

OLD = b"what was there before\n"


class OutputCase(TestCase):
    """A store with a file in it, twice: as an index and as a snapshot."""

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.data = random_data(30000, 1)
        self.file = self.path("file")
        write(self.file, self.data)
        self.pxds("init", self.store)
        self.index = self.path("file.didx")
        self.pxds("put", self.store, self.file, self.index)
        done = self.pxds("backup", self.store, "host/x", f"a.didx={self.file}", f"b.blob={self.file}",
                         f"c.fidx={self.file}")
        self.snapshot = done.stdout.split()[0].decode()
        self.encoded = self.path("encoded")
        self.pxds("blob", "encode", self.file, self.encoded)

    def writers(self, out):
        """Commands that write `out`: name -> (arguments, what it has then; None: it depends)."""
        restore = ("restore", self.store, self.snapshot)
        return {
            "get": (("get", self.store, self.index, out), self.data),
            "restore": ((*restore, "a.didx", out), self.data),
            "range": ((*restore, "c.fidx", out, "--offset", "5", "--length", "100"), self.data[5:105]),
            "blob": ((*restore, "b.blob", out), self.data),
            "decode": (("blob", "decode", self.encoded, out), self.data),
            "encode": (("blob", "encode", self.file, out), read(self.encoded)),
            "report": (("report", self.store, "--output", out), None),
        }


class Descriptors(OutputCase):
    def shell(self, script, *args):
        subprocess.run(["bash", "-c", script, "-", TOOL, *args], check=True, cwd=self.dir)

    def test_every_command_writes_to_it(self):
        for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            for command, (args, expected) in self.writers(name).items():
                with self.subTest(name=name, command=command):
                    self.shell('echo first >log; { "$@"; echo last; } >>log', *args)
                    content = read(self.path("log"))
                    self.assertTrue(content.startswith(b"first\n") and content.endswith(b"last\n"))
                    if expected is not None:
                        self.assertTrue(content == b"first\n" + expected + b"last\n")

    def test_others(self):
        args, _ = self.writers("/dev/fd/8")["get"]
        self.shell('exec 8>gone; rm gone; "$@"', *args)
        self.assertFalse(os.path.exists(self.path("gone")))
        args, _ = self.writers("/dev/stderr")["get"]
        self.shell('"$@" 2>err', *args)
        self.assertTrue(read(self.path("err")) == self.data)
        os.symlink("/dev/fd/7", self.path("link"))
        args, _ = self.writers(self.path("link"))["get"]
        self.shell('exec 7>seven; "$@"; "$@"', *args)
        self.assertTrue(read(self.path("seven")) == 2 * self.data)
        self.assertTrue(os.path.islink(self.path("link")))

    def test_one_that_is_closed(self):
        """A file that the library has opened meanwhile would have its number."""
        before = support.tree(self.store)
        for number in range(3, 12):
            link = self.path(f"link{number}")
            os.symlink(f"/dev/fd/{number}", link)
            for command, (args, _) in self.writers(f"/dev/fd/{number}").items():
                with self.subTest(number=number, command=command):
                    self.assertIn("is not an open descriptor", self.error(*args))
            for command, (args, _) in self.writers(link).items():
                with self.subTest(link=number, command=command):
                    self.assertRegex(self.error(*args), "is not an open descriptor|No such file")
        self.assertEqual(support.tree(self.store), before)

    def test_a_pipe(self):
        for command, (args, expected) in self.writers("/dev/stdout").items():
            if expected is not None:
                self.assertTrue(self.pxds(*args).stdout == expected, command)


class AfterTheWork(OutputCase):
    """Standard output fails when all is done: the message says so, and so that nobody does it again."""

    DONE = "; all was done, but what was printed of it is not whole\n"

    def full(self, *args, code=1, **options):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TOOL, *args], stdout=full, stderr=subprocess.PIPE, check=False, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        return support.without_notice_of_pbs(done.stderr).decode()

    def unread(self, *args):
        """With a pipe that nobody reads."""
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, "wb") as pipe:
            return subprocess.run([TOOL, *args], stdout=pipe, stderr=subprocess.PIPE, check=False)

    def test_what_changes_a_store(self):
        group = os.path.join(self.store, "host", "y")
        again = ("backup", self.store, "host/y", f"a.didx={self.file}", "--time")
        for run, why in ((self.full, "No space left on device"), (self.said_unread, "Broken pipe")):
            self.pxds("forget", self.store, "host/*")
            self.pxds(*again, "1593179765")
            for number, command in enumerate((
                ("gc", self.store), ("gc", self.store, "--json"), ("verify", self.store),
                (*again, "1593179766"), ("put", self.store, self.file, os.path.join(self.store, f"again-{why}.didx")),
                ("notes", self.store, "host/y", "--set", why, "--json"),
                ("owner", self.store, "host/y", "root@pam", "--json"),
                ("prune", self.store, "host/y", "--keep-last", "1"), ("init", self.path(f"new-{why}")),
            )):
                with self.subTest(number=number, why=why):
                    self.assertEqual(run(*command), f"pxds: standard output: {why}{self.DONE}")
            self.assertEqual(len([name for name in os.listdir(group) if name.endswith("Z")]), 1)
            self.assertTrue(os.path.exists(os.path.join(self.store, f"again-{why}.didx")))
            self.assertTrue(os.path.exists(self.path(f"new-{why}", ".chunks")))

    def said_unread(self, *args):
        done = self.unread(*args)
        self.assertEqual(done.returncode, 1)
        return support.without_notice_of_pbs(done.stderr).decode()

    def test_what_makes_a_file(self):
        out = self.path("out")
        self.assertIn(self.DONE, self.full("get", self.store, self.index, out, "--json"))
        self.assertTrue(read(out) == self.data)

    def test_what_only_shows(self):
        self.assertEqual(self.full("list", self.store), "pxds: standard output: No space left on device\n")
        self.pxds("namespace", "create", self.store, "a")
        self.pxds("notes", self.store, "host/x", "--set", "some")
        for command in (("list", self.store), ("namespace", "list", self.store), ("notes", self.store, "host/x"),
                        ("owner", self.store, "host/x")):
            self.assertEqual(self.unread(*command).returncode, -signal.SIGPIPE, command)
            self.assertNotIn(self.DONE, self.full(*command))

    def test_not_all_was_done(self):
        """A command on many things does not go on where nobody is told of them."""
        groups = [f"host/{number:03}" for number in range(120)]
        for group in groups:
            for time in ("2020-06-26T13:56:05Z", "2020-06-27T13:56:05Z"):
                os.makedirs(os.path.join(self.store, group, time))
                write(os.path.join(self.store, group, time, "index.json.blob"), b"")
        for command in (("prune", self.store, "--keep-last", "1"), ("verify", self.store, "--read-only")):
            message = self.full(*command)
            self.assertEqual(message.splitlines()[-1], "pxds: standard output: No space left on device; "
                             "the command has stopped there, before all was done")
            self.assertNotIn(self.DONE, message)
        left = [len(os.listdir(os.path.join(self.store, group))) for group in groups]
        self.assertEqual(set(left), {1, 2})

    def test_it_is_told_beside_another_outcome(self):
        chunks = [os.path.join(parent, name) for parent, _, names in os.walk(os.path.join(self.store, ".chunks"))
                  for name in names]
        for chunk in chunks:
            os.unlink(chunk)
        self.assertIn(f"No space left on device{self.DONE}", self.full("gc", self.store))
        self.assertIn("standard output: No space left on device\n", self.full("verify", self.store))


class Messages(TestCase):
    def test_each_is_written_at_once(self):
        """What other processes write to the same terminal or log does not come between."""
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        with ours, theirs:
            done = subprocess.run([TOOL, "list", self.path("\x1bnone")], stdout=subprocess.DEVNULL,
                                  stderr=theirs, check=False)
            self.assertEqual(done.returncode, 1)
            ours.setblocking(False)
            self.assertRegex(ours.recv(65536), rb"^pxds: .*x1bnone.*\n$")
            with self.assertRaises(BlockingIOError):
                ours.recv(65536)


class Refused(OutputCase):
    def assert_refused(self, path, words, *args):
        before = read(path)
        self.assertIn(words, self.error(*args))
        self.assertTrue(read(path) == before, args)

    def test_an_index_over_something_else(self):
        """With FILE and INDEX in each other's place, as from get's order."""
        disk = self.path("disk.img")
        write(disk, self.data)
        chunks = support.tree(self.store)
        write(self.path("other"), random_data(5000, 2))
        self.assert_refused(disk, "is no index", "put", self.store, self.path("other"), disk)
        self.assert_refused(disk, "is no index", "copy", self.store, self.index, self.store, disk)
        self.assertEqual(support.tree(self.store), chunks, "it was said before the work")

    def test_the_input(self):
        link, second = self.path("link"), self.path("second")
        for path in (self.file, self.index):
            os.symlink(path, link)
            os.link(path, second)
            for out in (path, link, second):
                self.assert_refused(path, "is the input", "put", self.store, path, out)
                with open(path, "rb") as stdin:
                    self.error("put", self.store, "-", out, stdin=stdin)
                self.assert_refused(path, "is the input", "blob", "encode", path, out)
            os.unlink(link)
            os.unlink(second)
        self.assert_refused(self.index, "is the input", "copy", self.store, self.index, self.store, self.index)
        self.assert_refused(self.index, "is the index itself", "get", self.store, self.index, self.index)
        self.assert_refused(self.encoded, "is the input", "blob", "decode", self.encoded, self.encoded)

    def test_what_is_the_store_s_own(self):
        below = os.path.join(self.store, self.snapshot)
        for name in ("a.didx", "b.blob", "c.fidx", "index.json.blob"):
            for command, (args, _) in self.writers(os.path.join(below, name)).items():
                with self.subTest(command=command, name=name):
                    self.assert_refused(os.path.join(below, name), "is not replaced", *args)
            self.assert_refused(os.path.join(below, name), "belongs to a store",
                                "put", self.store, self.file, os.path.join(below, name))
        for name in (".lock", "host/x/owner"):
            self.assert_refused(os.path.join(self.store, name), "belongs to a store",
                                "get", self.store, self.index, os.path.join(self.store, name))
        self.pxds("verify", self.store)


@needs_strace
class Failures(OutputCase):
    """At every call that changes something: an error leaves what was there, a kill that or the new file."""

    def setUp(self):
        super().setUp()
        self.out_dir = self.path("out")
        self.out = self.path("out", "disk.raw")

    def trace(self, args, *options):
        log = self.path("strace.log")
        done = subprocess.run(["strace", "-f", "-o", log, "-s", "0", "-y", *options, TOOL, *args],
                              capture_output=True, timeout=120, check=False)
        with open(log, encoding="utf-8", errors="replace") as file:
            return done, file.read().splitlines()

    def fresh(self, old):
        subprocess.run(["rm", "-rf", self.out_dir], check=True)
        os.mkdir(self.out_dir)
        if old is not None:
            write(self.out, old)
            os.chmod(self.out, 0o640)

    def points(self, args, old):
        """The calls on files in the directory of the output: (name, the how-many-th of that name, line)."""
        self.fresh(old)
        done, lines = self.trace(args, "-e", faults.trace(faults.CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        count, points = {}, []
        for line in lines:
            match = faults.CALL.match(line)
            if match is not None:
                name = match[1]
                count[name] = count.get(name, 0) + 1
                if f"<{self.out_dir}" in line and (name != "openat" or "O_TMPFILE" in line or "O_CREAT" in line):
                    points.append((name, count[name], line))
        self.assertGreaterEqual(len(points), 4, "made, written, synced, named, and its name synced")
        return points

    def inject(self, args, old, point, fault):
        name, number, _ = point
        self.fresh(old)
        done, lines = self.trace(args, "-e", faults.trace([name]), "-e", f"inject={name}:{fault}:when={number}")
        return done, lines

    def assert_untouched(self, old, label):
        with self.subTest(label):
            self.assertEqual(os.listdir(self.out_dir), ["disk.raw"] if old is not None else [])
            if old is not None:
                self.assertEqual(read(self.out), old)

    def check_errors(self, args, old, code="EIO"):
        for point in self.points(args, old):
            done, _ = self.inject(args, old, point, f"error={code}")
            # What only gives the room back may fail.
            if point[0] != "unlinkat":
                self.assertEqual(done.returncode, 1, point)
                self.assert_untouched(old, point)

    def test_errors(self):
        for command, (args, _) in self.writers(self.out).items():
            for old in (None, OLD):
                with self.subTest(command=command, old=old):
                    threads = ("--threads", "1") if command in ("get", "restore", "range") else ()
                    self.check_errors((*args, *threads), old)

    def test_errors_of_an_index(self):
        old = read(self.index)
        self.check_errors(("put", self.store, self.file, self.out, "--threads", "1"), old)
        self.check_errors(("put", self.store, self.file, self.out, "--threads", "1"), None)

    def test_errors_of_a_key(self):
        password, key = self.path("password"), self.path("key")
        write(password, b"password\n")
        self.pxds("key", "create", key, "--kdf", "none")
        self.check_errors(("key", "create", self.out, "--kdf", "none"), None)
        self.check_errors(("key", "change-password", self.out, "--new-password-file", password,
                           "--kdf", "pbkdf2"), read(key))

    def test_kills(self):
        args = ("get", self.store, self.index, self.out, "--threads", "1")
        for old in (None, OLD):
            for point in self.points(args, old):
                done, _ = self.inject(args, old, point, "signal=KILL")
                self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL), point)
                with self.subTest(point):
                    there = os.listdir(self.out_dir)
                    if "disk.raw" in there:
                        self.assertIn(read(self.out), (old, self.data), "one or the other")
                    if point[0] in ("pwrite64", "write", "ftruncate", "fsync", "fchmod", "fchown") and old is None:
                        self.assertIn(there, ([], ["disk.raw"]), "no temporary file")

    def test_file_systems_that_know_less(self):
        """Without files that have no name, and without a way to let two names change places."""
        args = ("get", self.store, self.index, self.out, "--threads", "1")
        for old in (None, OLD):
            for name, number, line in self.points(args, old):
                if name in ("openat", "renameat2"):
                    code = "EOPNOTSUPP" if name == "openat" else "EINVAL"
                    done, lines = self.inject(args, old, (name, number, line), f"error={code}")
                    self.assertIn("INJECTED", " ".join(lines))
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(os.listdir(self.out_dir), ["disk.raw"])
                    self.assertTrue(read(self.out) == self.data)

    def test_the_permissions_of_what_is_replaced(self):
        for command, (args, _) in self.writers(self.out).items():
            self.fresh(OLD)
            if os.geteuid() == 0:
                os.chown(self.out, NOBODY, NOBODY)
            before = os.stat(self.out)
            self.pxds(*args)
            after = os.stat(self.out)
            with self.subTest(command):
                self.assertNotEqual(before.st_ino, after.st_ino)
                self.assertEqual((before.st_uid, before.st_gid, before.st_mode),
                                 (after.st_uid, after.st_gid, after.st_mode))


class Keys(TestCase):
    def test_a_new_password_keeps_the_owner(self):
        key, password = self.path("key"), self.path("password")
        write(password, b"password\n")
        self.pxds("key", "create", key, "--kdf", "none")
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        os.chmod(key, 0o640)
        if os.geteuid() == 0:
            os.chown(key, NOBODY, NOBODY)
        before = os.stat(key)
        self.pxds("key", "change-password", key, "--kdf", "pbkdf2", "--new-password-file", password)
        after = os.stat(key)
        self.assertEqual((before.st_uid, before.st_gid), (after.st_uid, after.st_gid))
        self.assertEqual(stat.S_IMODE(after.st_mode), 0o600, "for its owner alone")


class Devices(OutputCase):
    """A block device: a file on a loop device."""

    def device(self, size):
        backing = self.path("backing")
        write(backing, b"\xee" * size)
        done = subprocess.run(["losetup", "--show", "-f", backing], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("no loop device can be set up here")
        device = done.stdout.decode().strip()
        self.addCleanup(subprocess.run, ["losetup", "-d", device], check=True)
        return device

    def test_one_that_is_too_small_is_left_alone(self):
        device = self.device(28 * 1024)
        for command, (args, expected) in self.writers(device).items():
            if expected is None or len(expected) <= 28 * 1024:
                continue
            with self.subTest(command):
                self.assertIn("No space left on device", self.error(*args))
                self.assertEqual(set(read(device)), {0xEE})
        with open(device, "r+b") as out:
            done = subprocess.run([TOOL, "get", self.store, self.index, "-"], stdout=out,
                                  stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(set(read(device)), {0xEE})

    def test_one_that_is_large_enough(self):
        device = self.device(64 * 1024)
        self.pxds("get", self.store, self.index, device)
        content = read(device)
        self.assertTrue(content.startswith(self.data))
        self.assertEqual(set(content[len(self.data):]), {0xEE})
        self.assertTrue(stat.S_ISBLK(os.stat(device).st_mode))


if __name__ == "__main__":
    support.main()
