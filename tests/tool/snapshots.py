"""Snapshots that the tool makes, restores and manages."""

import fcntl
import json
import os
import re
import subprocess

import mounts
import support
from snapshot_case import EPOCH, TIME, SnapshotCase
from support import TOOL, random_data, read, tree, write


class Backup(SnapshotCase):
    def test_three_kinds(self):
        stream, image = random_data(300000), random_data(9 << 20, 2) + bytes(5 << 20) + b"end"
        arguments = [
            f"root.pxar.didx={self.file('stream', stream)}",
            f"disk.img.fidx={self.file('image', image)}",
            f"etc.conf.blob={self.file('conf', b'a = 1')}",
        ]
        group = ["vm/100", *arguments, "--chunk-size", "4194304"]
        done = self.pxds("backup", self.store, *group)
        first, *lines = done.stdout.decode().splitlines()
        self.assertRegex(first, r"\Avm/100/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
        self.assertEqual(lines, [
            "  root.pxar.didx: 300000 bytes (293 KiB), 1 chunk: 1 new, 0 duplicates",
            "  disk.img.fidx: 14680067 bytes (14.0 MiB), 4 chunks: 4 new, 0 duplicates",
            "  etc.conf.blob: 5 bytes",
        ])
        self.assertEqual(done.stderr, b"")
        again = self.pxds("backup", self.store, *group).stdout.decode()
        self.assertEqual(re.findall(r"(\d+) new, (\d+) dup", again), [("0", "1"), ("0", "4")])
        second = again.splitlines()[0]
        self.assertGreater(second, first)
        for snapshot in (first, second):
            for name, data in (("root.pxar.didx", stream), ("disk.img.fidx", image),
                               ("etc.conf.blob", b"a = 1")):
                self.assertTrue(self.restored(snapshot, name) == data)
        self.assertEqual([file["size"] for file in self.listed()[0]["files"]],
                         [300000, len(image), 5 + 12])
        self.assert_no_leftovers(self.dir)

    def test_chunk_size(self):
        data = random_data(1 << 20)
        file = self.file("file", data)
        done = self.pxds("backup", self.store, "host/x", f"a.didx={file}", "--chunk-size", "64K")
        chunks = int(re.search(rb"(\d+) chunks", done.stdout)[1])
        self.assertTrue(8 <= chunks <= 40, chunks)
        done = self.pxds("backup", self.store, "host/x", f"a.fidx={file}", "--chunk-size=65536",
                         "--any-chunk-size")
        self.assertIn(b"1048576 bytes (1.00 MiB), 16 chunks: 16 new", done.stdout)
        self.assertIn(b"garbage collection stops", done.stderr)
        self.assertTrue(self.restored(done.stdout.split()[0].decode(), "a.fidx") == data)
        self.assertEqual(len(self.listed()), 2)

    def test_stdin(self):
        data = random_data(500000)
        for name in ("a.didx", "a.fidx", "a.blob"):
            snapshot = self.backup(f"host/{name}", f"{name}=-", input=data)
            self.assertTrue(self.restored(snapshot, name) == data)
        with open(self.file("file", data), "rb") as file:
            snapshot = self.backup("host/file", "b.fidx=-", stdin=file)
        self.assertTrue(self.restored(snapshot, "b.fidx") == data)

    def test_what_is_noted(self):
        file = self.file("file", b"data")
        comment = 'first "line" \\ ü\t\x01\nsecond'
        snapshot = self.backup("ct/7", f"a.blob={file}", "--ns", "a/b", "--time", str(EPOCH),
                               "--comment", comment, "--owner", "joe@pbs!token")
        self.assertEqual(snapshot, f"ns/a/ns/b/ct/7/{TIME}")
        line = self.pxds("list", self.store, "--json").stdout.decode()
        self.assertIn('"notes":"first \\"line\\" \\\\ ü\\u0009\\u0001\\nsecond"', line)
        listed = json.loads(line)
        self.assertEqual(listed, {
            "snapshot": snapshot, "group": "ns/a/ns/b/ct/7", "time": TIME, "time_epoch": EPOCH,
            "namespace": "a/b", "type": "ct", "id": "7", "finished": True, "protected": False,
            "owner": "joe@pbs!token", "notes": comment, "verify_state": None, "verify_time": None,
            "verify_time_epoch": None, "crypt_mode": "none", "size": listed["files"][0]["size"],
            "files": listed["files"], "error": None,
        })
        self.assertEqual(list(listed["files"][0]), ["archive", "size", "crypt_mode", "csum"])
        self.assertIn('first "line" \\ ü\\x09\\x01\n', self.pxds("list", self.store).stdout.decode())
        self.backup("ns/a/ns/b/ct/7", f"a.blob={file}", "--comment", "")
        self.assertEqual(self.listed("--ns", "a")[1]["notes"], None)
        self.assertEqual(len(self.listed()), 2)

    def test_time(self):
        file = self.file("file", b"data")
        self.backup("host/x", f"a.blob={file}", "--time", str(EPOCH))
        for time in (EPOCH, EPOCH - 1, 0, 1 << 60):
            self.error("backup", self.store, "host/x", f"a.blob={file}", "--time", str(time))
        self.backup("host/x", f"a.blob={file}", "--time", str(EPOCH + 1))
        self.assertEqual(len(self.listed()), 2)

    def test_odd_file_names(self):
        for number, name in enumerate((b"with space", b"a=b", b"-dash", b"\xff\xfe", b"new\nline")):
            path = os.path.join(os.fsencode(self.dir), name)
            write(path, name)
            snapshot = self.backup(f"host/{number}", b"a.blob=" + path)
            self.assertEqual(self.restored(snapshot, "a.blob"), name)

    def test_refused_before_anything_is_written(self):
        good, empty = self.file("good", random_data(1000)), self.file("empty", b"")
        group = "host/x"
        before = tree(self.store)
        for code, words, arguments in (
            (2, "NAME=FILE", [group, "a.didx"]),
            (2, "NAME=FILE", [group, f"={good}"]),
            (2, "NAME=FILE", [group, "a.didx="]),
            (2, "operands", [group]),
            (2, "TYPE/ID", ["ns/a/host/x", f"a.didx={good}", "--ns", "b"]),
            (2, "seconds", [group, f"a.didx={good}", "--time", "now"]),
            (2, "seconds", [group, f"a.didx={good}", "--time", "-1"]),
            (2, "bytes", [group, f"a.didx={good}", "--chunk-size", "0"]),
            (2, "archive name", [group, f"a.txt={good}"]),
            (2, "archive name", [group, f"../a.didx={good}"]),
            (2, "archive name", [group, f".didx={good}"]),
            (2, "manifest", [group, f"index.json.blob={good}"]),
            (2, "one name", [group, f"a.didx={good}", f"b.didx={good}", f"a.didx={good}"]),
            (2, "standard input", [group, "a.didx=-", "b.blob=-"]),
            (1, "No such file", [group, f"a.didx={good}", f"b.didx={self.path('missing')}"]),
            (1, "directory", [group, f"a.didx={good}", f"b.didx={self.dir}"]),
            (1, "as a .blob", [group, f"a.didx={good}", f"b.didx={empty}"]),
            (1, "as a .blob", [group, f"a.didx={good}", f"b.fidx={empty}"]),
            (2, "power of two", [group, f"a.didx={good}", "--chunk-size", "5000"]),
            (2, "--any-chunk-size",
             [group, f"a.didx={good}", f"b.fidx={good}", "--chunk-size=64K"]),
            (2, "", ["host/..", f"a.didx={good}"]),
            (2, "", ["hosts/x", f"a.didx={good}"]),
            (2, "", ["host", f"a.didx={good}"]),
            (2, "", [f"host/x/{TIME}", f"a.didx={good}"]),
            (2, "--ns", [group, f"a.didx={good}", "--ns", "a//b"]),
            (2, "--ns", [group, f"a.didx={good}", "--ns", "../b"]),
            (2, "--comment", [group, f"a.didx={good}", "--comment", b"\xff"]),
        ):
            with self.subTest(arguments=arguments):
                done = self.pxds("backup", self.store, *arguments, code=code, input=b"input")
                self.assertIn(words, done.stderr.decode())
                self.assertEqual(done.stdout, b"")
                self.assertEqual(tree(self.store), before)
                self.assertEqual(self.tree_but_chunks(), set())
        self.error("backup", self.path("missing"), group, f"a.didx={good}")

    def test_failures_leave_nothing_but_chunks(self):
        good = self.file("good", random_data(100000))
        for words, arguments, data in (
            ("as a .blob", [f"a.didx={good}", "b.didx=-"], b""),
            ("as a .blob", [f"a.didx={good}", "b.fidx=-"], b""),
            ("owner", [f"a.didx={good}", "--owner", "nobody"], b""),
            ("", [f"a.didx={good}", "b.blob=/dev/zero"], b""),
        ):
            with self.subTest(arguments=arguments):
                message = self.error("backup", self.store, "host/x", "--ns", "a/b", *arguments,
                                     input=data)
                self.assertIn(words, message)
                self.assertEqual(self.tree_but_chunks(), set())
        self.assertEqual(self.listed(), [])
        snapshot = self.backup("host/x", f"a.didx={good}", "b.blob=-", input=b"")
        self.assertEqual(self.restored(snapshot, "b.blob"), b"")

    def test_two_at_once(self):
        reader, writer = os.pipe()
        first = subprocess.Popen([TOOL, "backup", self.store, "host/x", "a.didx=-"], stdin=reader,
                                 stdout=subprocess.PIPE)
        os.close(reader)
        os.write(writer, random_data(10000))
        while not os.path.exists(os.path.join(self.store, "host", "x", "owner")):
            self.assertIsNone(first.poll())
        done = self.pxds("backup", self.store, "host/x", f"a.blob={self.file('f', b'f')}", code=3)
        self.assertIn(b"host/x", done.stderr)
        os.close(writer)
        self.assertEqual(first.wait(60), 0)
        first.stdout.close()
        self.assertEqual(len(self.listed()), 1)


class Restore(SnapshotCase):
    def setUp(self):
        super().setUp()
        self.data = random_data(100000) + bytes(2 << 20) + random_data(300000, 2)
        self.snapshot = self.backup(
            "host/x", f"a.didx={self.file('file', self.data)}", f"a.fidx={self.path('file')}",
            f"a.blob={self.path('file')}", "--chunk-size", "65536", "--any-chunk-size",
        )

    def test_output(self):
        out = self.path("out")
        write(out, b"what stood here before")
        os.symlink("out", self.path("link"))
        for name in ("a.didx", "a.fidx", "a.blob"):
            for target in (out, self.path("link")):
                write(out, b"old")
                self.pxds("restore", self.store, self.snapshot, name, target)
                self.assertTrue(read(out) == self.data)
                self.assertTrue(os.path.islink(self.path("link")))
            self.pxds("restore", self.store, self.snapshot, name, "/dev/null")
            for bad in (self.dir, self.path("no", "out")):
                self.error("restore", self.store, self.snapshot, name, bad)
            if os.path.exists("/dev/full"):
                message = self.error("restore", self.store, self.snapshot, name, "/dev/full")
                self.assertIn("No space left", message)
        self.assert_no_leftovers(self.dir)

    def test_long_name(self):
        out = self.path("x" * 255)
        for name in ("a.fidx", "a.blob"):
            self.pxds("restore", self.store, self.snapshot, name, out)
            self.assertTrue(read(out) == self.data)

    def test_sparse(self):
        out = self.path("out")
        for name, options in (("a.fidx", []), ("a.fidx", ["--offset", "70000"])):
            offset = int(options[1]) if options else 0
            self.pxds("restore", self.store, self.snapshot, name, out, "--sparse", *options)
            self.assertTrue(read(out) == self.data[offset:])
            self.assertLess(os.stat(out).st_blocks * 512, len(self.data) - (1 << 20))
            self.pxds("restore", self.store, self.snapshot, name, out, *options)
            self.assertTrue(read(out) == self.data[offset:])

    def chunk_paths(self, name):
        index = os.path.join(self.store, self.snapshot, name)
        lines = self.pxds("index", index, "--entries").stdout.decode().splitlines()
        for line in lines:
            if re.match(r"\d+ \d+ \d+ [0-9a-f]{64}$", line):
                number, start, end, digest = line.split()
                yield (int(number), int(start), int(end), digest,
                       os.path.join(self.store, ".chunks", digest[:2], digest))

    def test_skip_bad(self):
        out = self.path("out")
        for name in ("a.didx", "a.fidx"):
            chunks = list(self.chunk_paths(name))
            bad = [chunks[0], chunks[-2]]
            kept = [read(chunk[4]) for chunk in bad]
            os.unlink(bad[0][4])
            write(bad[1][4], kept[1][:-1] + bytes([kept[1][-1] ^ 1]))
            message = self.error("restore", self.store, self.snapshot, name, out)
            self.assertIn(bad[0][3], message)
            message = self.error("restore", self.store, self.snapshot, f"no-{name}", out)
            self.assertIn(f"'pxds files {self.store} {self.snapshot}'", message)
            self.assertFalse(os.path.exists(out))

            done = self.pxds("restore", self.store, self.snapshot, name, out, "--skip-bad", code=4)
            want = bytearray(self.data)
            lines = done.stderr.decode().splitlines()
            self.assertEqual(len(lines), 3)
            total = 0
            for line, (number, start, end, digest, _) in zip(lines, bad):
                want[start:end] = bytes(end - start)
                total += end - start
                for words in ("warning: ", f"{end - start} bytes", f"chunk {number} at offset {start}:", digest):
                    self.assertIn(words, line)
            self.assertRegex(lines[2], rf"2 bad chunks, {total} bytes \(\d+ KiB\), were filled with zeros")
            self.assertTrue(read(out) == want)
            start = chunks[2][1]
            done = self.pxds("restore", self.store, self.snapshot, name, "-", "--skip-bad",
                             "--offset", str(start), "--length", "100")
            self.assertEqual((done.stdout, done.stderr), (self.data[start:start + 100], b""))
            for (_, _, _, _, path), data in zip(bad, kept):
                write(path, data)
            os.unlink(out)
        self.assertTrue(self.restored(self.snapshot, "a.fidx", "--skip-bad") == self.data)

    def test_what_is_not_what_the_manifest_lists(self):
        for name in ("a.didx", "a.fidx", "a.blob"):
            path = os.path.join(self.store, self.snapshot, name)
            data = bytearray(read(path))
            data[-1] ^= 1
            write(path, data)
            for options in ([], ["--skip-bad"]):
                message = self.error("restore", self.store, self.snapshot, name, self.path("out"),
                                     *options)
                self.assertIn(name, message)
            self.assertFalse(os.path.exists(self.path("out")))
        os.unlink(path)
        self.assertIn(name, self.error("restore", self.store, self.snapshot, name, "-"))
        self.assertIn("(missing)\n", self.pxds("files", self.store, self.snapshot).stdout.decode())
        last = self.pxds("files", self.store, self.snapshot, "--json").stdout.splitlines()[-1]
        self.assertEqual((json.loads(last)["archive"], json.loads(last)["missing"]), (name, True))

    def test_arguments(self):
        for code, arguments in (
            (1, [self.snapshot, "missing.didx"]),
            (2, [self.snapshot, "owner"]),
            (2, [self.snapshot, "../owner"]),
            (1, [f"host/x/{TIME}", "a.didx"]),
            (1, ["host/x", "a.didx"]),
            (2, ["", "a.didx"]),
            (1, [f"../{self.snapshot}", "a.didx"]),
            (1, [self.snapshot + "/x", "a.didx"]),
            (2, [self.snapshot, "a.didx", "--offset", "-1"]),
            (2, [self.snapshot, "a.didx", "--length", ""]),
        ):
            with self.subTest(arguments=arguments):
                out = self.path("out")
                self.error("restore", self.store, *arguments[:2], out, *arguments[2:], code=code)
                self.assertFalse(os.path.exists(out))


class Manage(SnapshotCase):
    def setUp(self):
        super().setUp()
        file = self.file("file", random_data(1000))
        self.snapshots = [self.backup("host/x", f"a.didx={file}") for _ in range(2)]

    def test_protect_and_forget(self):
        one, other = self.snapshots
        for _ in range(2):
            done = self.pxds("protect", self.store, one)
            self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual([each["protected"] for each in self.listed()], [True, False])
        self.assertIn("is protected", self.error("forget", self.store, one))
        self.assertEqual(len(self.listed()), 2)
        for _ in range(2):
            self.pxds("unprotect", self.store, one)
        self.assertEqual([each["protected"] for each in self.listed()], [False, False])
        done = self.pxds("forget", self.store, one)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual([each["time"] for each in self.listed()], [other.split("/")[2]])
        self.pxds("restore", self.store, other, "a.didx", self.path("out"))
        self.assertEqual(read(self.path("out")), random_data(1000))

    def test_not_there(self):
        for command in ("protect", "unprotect", "forget", "notes"):
            for name in (f"host/x/{TIME}", f"host/nobody/{TIME}"):
                message = self.error(command, self.store, name)
                path = f"{self.store}/{name}"
                self.assertRegex(message, f"{path} is not there|there is no snapshot {path}")
            for bad in ("host", f"host/x/{TIME}/", "host/x/2020-13-01T00:00:00Z",
                        f"../store/host/x/{TIME}"):
                self.error(command, self.store, bad)
            self.error(command, self.store, "", code=2)
        for command in ("protect", "unprotect", "files"):
            self.assertIn("the time is missing", self.error(command, self.store, "host/x"))
        self.error("forget", self.store, "host/nobody")
        self.assertFalse(os.path.exists(os.path.join(self.store, "host", "nobody")))
        self.assertEqual(len(self.listed()), 2)

    def test_namespaces(self):
        def names(*args, code=0):
            return self.pxds("namespace", "list", self.store, *args, code=code).stdout.decode().split()

        self.assertEqual(names(), [])
        for _ in range(2):
            self.assertEqual(self.pxds("namespace", "create", self.store, "a/b/c").stdout.decode(),
                             f"the namespace a/b/c is in {self.store}\n")
        self.pxds("namespace", "create", self.store, "d")
        self.assertEqual((names(), names("a")), (["a", "a/b", "a/b/c", "d"], ["a/b", "a/b/c"]))
        self.backup("ct/1", f"a.blob={self.path('file')}", "--ns", "d")
        for name in ("a", "d"):
            self.assertIn("has to be empty", self.error("namespace", "remove", self.store, name))
        for name in ("a/b/c", "a/b", "a"):
            self.pxds("namespace", "remove", self.store, name)
        self.assertEqual(names(), ["d"])
        for command in ("remove", "list"):
            self.assertIn("there is no namespace", self.error("namespace", command, self.store, "a"))
        for command in ("create", "remove", "list"):
            self.error("namespace", command, self.store, "../a")
        self.error("namespace", "remove", self.store, "", code=2)
        self.error("namespace", "move", self.store, "d", code=2)
        for command in ("create", "remove"):
            self.error("namespace", command, self.store, code=2)
        os.symlink("nowhere", os.path.join(self.store, "ns", "x"))
        self.assertEqual(names(code=4), ["d"])

    def test_notes(self):
        for path in (self.snapshots[0], "host/x"):
            self.assertEqual(self.pxds("notes", self.store, path).stdout, b"")
            for text, shown in (("one", b"one\n"), ("two\nlines\n", b"two\nlines\n"),
                                ("ü\t\x1b\n\n", b"\xc3\xbc\t\\x1b\n\n"), ("", b"")):
                self.assertEqual(self.pxds("notes", self.store, path, "--set", text).stdout, b"")
                self.assertEqual(self.pxds("notes", self.store, path).stdout, shown)
        self.assertIsNone(self.listed()[0]["notes"])
        self.pxds("notes", self.store, self.snapshots[0], "--set=a\tb\nc")
        self.assertEqual(self.listed()[0]["notes"], "a\tb\nc")
        self.assertIsNone(self.listed()[1]["notes"])
        self.error("notes", self.store, "host/nobody")
        self.error("notes", self.store, self.snapshots[0], "--set", b"\xff", code=2)
        self.assertEqual(self.listed()[0]["notes"], "a\tb\nc")


class LocksOfPbs(SnapshotCase, mounts.MountCase):
    """A /run of our own: the names below it are PBS's."""

    def test_lock_files(self):
        self.mount("-t", "tmpfs", "none", "/run")
        locks = "/run/proxmox-backup/locks/there"
        option = ("--pbs-store", "there")
        file = self.file("file", b"data")
        snapshot = self.backup("host/x", f"a.blob={file}", *option)
        self.assertTrue(os.path.isdir(locks))
        name = "host-x-" + snapshot.split("/")[2].replace("-", "\\x2d").replace(":", "\\x3a")
        commands = (
            ["restore", self.store, snapshot, "a.blob", self.path("out")],
            ["protect", self.store, snapshot],
            ["unprotect", self.store, snapshot],
            ["notes", self.store, snapshot, "--set", "text"],
            ["forget", self.store, snapshot],
        )
        with open(os.path.join(locks, name), "wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            for command in commands:
                if command[0] != "notes":
                    self.assertIn(locks, self.error(*command, *option, code=3))
        with open(os.path.join(locks, "host-x"), "wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            message = self.error("backup", self.store, "host/x", f"a.blob={file}", *option, code=3)
            self.assertIn(locks, message)
        for command in commands:
            self.pxds(*command, *option)
        self.assertEqual(self.listed(), [])


class Denied(SnapshotCase):
    """A snapshot that may not be looked into, and a group that may not be listed, hide nothing else."""

    def setUp(self):
        super().setUp()
        source = "a.didx=" + self.file("a", random_data(50000))
        self.closed = self.backup("host/a", source, "--time", str(EPOCH))
        self.readable = [self.backup("host/a", source, "--time", str(EPOCH + 1)), self.backup("vm/1", source)]
        self.backup("host/b", source)
        self.user = self.unprivileged(self.store)
        for name in (self.closed, "host/b"):
            path = os.path.join(self.store, name)
            os.chmod(path, 0)
            self.addCleanup(os.chmod, path, 0o755)

    def rows(self, *command, code=0):
        """Rows, of what there is to see, and stderr."""
        done = self.pxds(*command, "--json", code=code, **self.user)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()

    def assert_told(self, stderr, *names):
        for name in names:
            self.assertRegex(stderr, rf"{os.path.join(self.store, name)} is skipped: .*Permission denied")

    def test_listing(self):
        rows, stderr = self.rows("list", self.store, code=4)
        self.assertEqual(rows.pop(), {"complete": False})
        self.assertEqual([row["snapshot"] for row in rows], self.readable)
        self.assert_told(stderr, self.closed, "host/b")
        rows, stderr = self.rows("stat", self.store, code=4)
        self.assertEqual(rows.pop(), {"complete": False})
        self.assertEqual([row["snapshot"] for row in rows if row["kind"] == "snapshot"], self.readable)
        self.assert_told(stderr, self.closed, "host/b")

    def test_removing(self):
        """What may not be seen is not taken for unprotected, nor for what can be spared."""
        rows, stderr = self.rows("prune", self.store, "host/a", "--keep-last", "1", code=4)
        self.assertEqual(rows.pop(), {"complete": False})
        self.assertEqual([row.get("mark") for row in rows], ["keep", None])
        self.assert_told(stderr, self.closed)
        self.assertIn("Permission denied", self.error("prune", self.store, "host/b", "--keep-last", "1", **self.user))
        self.assertIn("Permission denied", self.error("forget", self.store, self.closed, **self.user))
        self.assertIn("nothing is removed", self.error("gc", self.store, **self.user))
        self.assertEqual(len(os.listdir(os.path.join(self.store, "host", "a"))), 3)

    def test_verify(self):
        rows, stderr = self.rows("verify", self.store, code=4)
        self.assertEqual(rows.pop(), {"complete": False})
        self.assertEqual({row["snapshot"]: row["ok"] for row in rows},
                         {self.closed: None, **dict.fromkeys(self.readable, True)})
        self.assertEqual([row["outcome"] for row in rows if row["snapshot"] == self.closed], ["unreadable"])
        reasons = [error["reason"] for row in rows for error in row["errors"]]
        self.assertEqual(["Permission denied" in reason for reason in reasons], [True])
        self.assertRegex(stderr, "(?m)^pxds: warning: a group is not verified: .*host/b.*Permission denied")
        # What there is to see is good.
        rows, _ = self.rows("verify", self.store, "vm/1")
        self.assertEqual(len(rows), 1)
        os.chmod(os.path.join(self.store, self.closed), 0o755)
        rows, _ = self.rows("verify", self.store, "--read-only", code=4)
        self.assertEqual([row.get("ok") for row in rows], [True, True, True, None])
        self.error("verify", self.store, "host/b", **self.user)

    def test_backup(self):
        """The last one is the one that counts."""
        source = "a.didx=" + self.path("a")
        os.chmod(self.path("a"), 0o644)
        self.pxds("backup", self.store, "host/a", source, **self.user)
        self.error("backup", self.store, "host/b", source, **self.user)


if __name__ == "__main__":
    support.main(mounts.enter)
