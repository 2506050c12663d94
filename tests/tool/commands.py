"""The tool, build/pxds: round trips, command lines, and output that programs read."""

import json
import os
import re
import subprocess
import threading

import support
from store_case import StoreCase
from support import TOOL, random_data, read, write

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
ENDS = [1670, 5716, 7382, 8457, 16517, 22010, 30399, 34509, 36228, 46181, 47416, 52886, 54228,
        62724, 65125, 65536]


def generated(length):
    """x0 = 1, x <- x * 1103515245 + 12345 mod 2^32, byte = bits 16 to 23: data with known cuts."""
    x, out = 1, bytearray()
    for _ in range(length):
        x = (x * 1103515245 + 12345) & 0xFFFFFFFF
        out.append(x >> 16 & 255)
    return bytes(out)


class ProgressLines(StoreCase):
    """What is drawn on a terminal while data is on its way, and that nothing is elsewhere."""

    def drawn(self, *args, data=None):
        terminal, slave = os.openpty()
        self.addCleanup(os.close, terminal)
        done = subprocess.run(
            [TOOL, *args], input=data, stdout=subprocess.PIPE, stderr=slave, timeout=300, check=False
        )
        os.close(slave)
        seen = support.read_terminal(terminal)
        self.assertEqual(done.returncode, 0, seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), "the line is gone at the end")
        return seen

    def test_lines(self):
        file, out, other = self.path("file"), self.path("out"), self.path("other")
        write(file, random_data(9 << 20))
        self.pxds("init", other)
        archives = ("host/x", f"a.didx={file}", f"b.fidx={file}")
        known, unknown = rb"\r(\S+: )?\d+\.\d MiB, \d+\.\d %", rb"\r(\S+: )?\d+\.\d MiB, \d+\.\d MiB/s"
        for expected, args in (
            (known, ("put", self.store, file, self.index)),
            (known, ("get", self.store, self.index, out)),
            (known, ("copy", self.store, self.index, other)),
            (known, ("backup", self.store, *archives)),
        ):
            self.assertRegex(self.drawn(*args), expected)
            done = self.pxds(*args)
            self.assertEqual(done.stderr, b"")
        snapshot = done.stdout.split()[0].decode()
        self.assertRegex(self.drawn("put", self.store, "-", self.index, data=read(file)), unknown)
        for name in ("a.didx", "b.fidx"):
            restore = ("restore", self.store, snapshot, name, out)
            self.assertRegex(self.drawn(*restore), known)
            self.assertTrue(read(out) == read(file))
            self.assertEqual(self.pxds(*restore).stderr, b"")


class ChangingInput(StoreCase):
    """A file that somebody writes to while it is read."""

    def setUp(self):
        super().setUp()
        self.file = self.path("busy")
        write(self.file, random_data(20 << 20))
        self.over = threading.Event()
        writer = threading.Thread(target=self.keep_writing)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(self.over.set)

    def keep_writing(self):
        while not self.over.wait(0.001):
            os.utime(self.file)

    def test_it_is_told_of_or_fails(self):
        put = ("put", self.store, self.file, self.index)
        archives = [("backup", self.store, "host/x", f"a.{kind}={self.file}") for kind in ("didx", "fidx", "blob")]
        for command in (put, *archives):
            with self.subTest(command=command):
                done = self.pxds(*command)
                self.assertIn(b"warning: ", done.stderr)
                self.assertIn(f"{self.file} has changed while it was read".encode(), done.stderr)
        for command in archives:
            with self.subTest(command=command, strict=True):
                before = self.pxds("list", self.store).stdout
                self.assertIn("has changed while it was read", self.error(*command, "--strict"))
                self.assertEqual(self.pxds("list", self.store).stdout, before)
        os.unlink(self.index)
        self.assertIn("has changed while it was read", self.error(*put, "--strict"))
        self.assertFalse(os.path.exists(self.index))


class RoundTrips(StoreCase):
    def test_sizes(self):
        for number, size in enumerate((0, 1, 63, 64, 65, 1024, 4096, 100000, 1 << 20)):
            data = random_data(size, number)
            index = self.path("store", f"{size}.didx")
            self.put(data, index, "--avg", "4096")
            self.assert_restores(self.store, index, data)

    def test_default_average(self):
        data = random_data(9 << 20)
        self.put(data)
        self.assert_restores(self.store, self.index, data)

    def test_compressible(self):
        data = b"the same words again and again, " * 100000
        summary = json.loads(self.put(data, None, "--json").stdout)
        self.assertLess(summary["stored_bytes"], 20000)
        self.assert_restores(self.store, self.index, data)

    def test_no_compress(self):
        data = b"x" * 100000
        summary = json.loads(self.put(data, None, "--json", "--no-compress").stdout)
        self.assertEqual(summary["stored_bytes"], 100012)
        self.assert_restores(self.store, self.index, data)

    def test_streams(self):
        data = random_data(300000)
        self.pxds("put", self.store, "-", self.index, input=data)
        done = self.pxds("get", self.store, self.index, "-")
        self.assertTrue(done.stdout == data)
        self.assertEqual(done.stderr, b"")

    def test_pipes_at_both_ends(self):
        script = (
            'head -c 3000000 /dev/urandom | tee in | "$0" put "$1" - "$2" >/dev/null &&'
            ' "$0" get "$1" "$2" - | cmp - in'
        )
        subprocess.run(
            ["sh", "-c", script, TOOL, self.store, self.index], cwd=self.dir, check=True
        )

    def test_deduplication(self):
        data = random_data(200000)
        first = json.loads(self.put(data, None, "--json", "--avg", "4096").stdout)
        before = self.chunk_files()
        again = json.loads(
            self.put(data, self.path("store", "b.didx"), "--json", "--avg", "4096").stdout
        )
        self.assertEqual(self.chunk_files(), before)
        self.assertEqual(first["new_chunks"], len(before))
        self.assertEqual((again["new_chunks"], again["stored_bytes"]), (0, 0))
        self.assertEqual(again["csum"], first["csum"])
        moved = data[:100000] + b"some more" + data[100000:]
        third = json.loads(
            self.put(moved, self.path("store", "c.didx"), "--json", "--avg", "4096").stdout
        )
        self.assertLessEqual(third["new_chunks"], 5)

    def test_sync_levels(self):
        for level in ("none", "file", "filesystem"):
            data = random_data(50000, len(level))
            self.put(data, None, "--sync", level, "--avg=4K")
            self.assert_restores(self.store, self.index, data)

    def test_hex4(self):
        store = self.path("wide")
        self.pxds("init", store, "--layout", "hex4")
        self.assertEqual(len(os.listdir(os.path.join(store, ".chunks"))), 65536)
        data = random_data(100000)
        self.pxds("put", store, "-", os.path.join(store, "a.didx"), "--avg", "4096", input=data)
        self.assert_restores(store, os.path.join(store, "a.didx"), data)

    def test_replaced_index_and_output(self):
        self.put(b"first")
        self.put(b"second")
        self.assert_restores(self.store, self.index, b"second")
        write(self.path("restored"), b"what stood here before, and was longer")
        self.assert_restores(self.store, self.index, b"second")

    def test_output_that_is_no_file(self):
        self.put(b"data")
        self.pxds("get", self.store, self.index, "/dev/null")
        self.assertTrue(os.path.exists("/dev/null") and not os.path.isfile("/dev/null"))

    def test_threads(self):
        data = random_data(5000000)
        self.put(data, None, "--avg", "64K")
        for threads in ("0", "1", "2", "8"):
            out = self.path("out")
            self.pxds("get", self.store, self.index, out, "--threads", threads)
            self.assertTrue(read(out) == data)
            done = self.pxds("get", self.store, self.index, "-", f"--threads={threads}")
            self.assertTrue(done.stdout == data)
        self.assertIn("1025", self.error("get", self.store, self.index, out, "--threads", "1025", code=2))

    def test_where_gc_finds_no_index(self):
        """It is told of, by put and copy, and what gc would stop at is not made."""
        write(self.path("file"), b"data")
        os.mkdir(os.path.join(self.store, ".hidden"))
        os.mkdir(os.path.join(self.store, "below"))
        unseen = [self.path("out.didx"), *(os.path.join(self.store, name) for name in
                  ("data", "data.txt", ".hidden/data.didx", ".didx", "below/.x.didx"))]
        seen = [os.path.join(self.store, name) for name in ("data.didx", "below/data.didx")]
        self.assertEqual(self.pxds("put", self.store, self.path("file"), seen[0]).stderr, b"")
        for index in unseen + seen[1:]:
            for line in (("put", self.store, self.path("file")), ("copy", self.store, seen[0], self.store)):
                message = self.pxds(*line, index).stderr.decode()
                self.assertEqual("is none of them" in message, index in unseen, (line[0], index))
                os.unlink(index)
        before = support.tree(self.store)
        self.assertIn("dynamic", self.error("put", self.store, self.path("file"),
                                            os.path.join(self.store, "x.fidx"), code=2))
        self.assertIn("other kind", self.error("copy", self.store, seen[0], self.store,
                                               os.path.join(self.store, "x.fidx")))
        self.assertEqual(support.tree(self.store), before)

    def test_copy(self):
        data = random_data(3000000)
        self.put(data, None, "--avg", "64K")
        other = self.path("other")
        self.pxds("init", other)
        for threads in ("1", "4"):
            line = ["copy", self.store, self.index, other, "--json", "--threads", threads]
            summary = json.loads(self.pxds(*line).stdout)
            self.assertEqual(summary["size"], 3000000)
            self.assertEqual(summary["new_chunks"] > 0, threads == "1")
            copied = os.path.join(other, os.path.basename(self.index))
            self.assertEqual(read(copied), read(self.index))
            self.assert_restores(other, copied, data)
        elsewhere = self.path("elsewhere.didx")
        self.assertIn(b"new chunks: 0\n",
                      self.pxds("copy", self.store, self.index, other, elsewhere).stdout)
        self.assertEqual(read(elsewhere), read(self.index))
        self.assert_no_leftovers(other)
        os.unlink(self.chunk_files()[0])
        self.pxds("copy", self.store, self.index, other)
        empty = self.path("empty")
        self.pxds("init", empty)
        message = self.error("copy", self.store, self.index, empty)
        self.assertIn("is not in the store", message)
        self.assertFalse(os.path.exists(os.path.join(empty, os.path.basename(self.index))))
        self.assert_no_leftovers(empty)

    def test_nothing_is_left_behind(self):
        self.put(random_data(100000), None, "--avg", "4096")
        self.assert_restores(self.store, self.index, random_data(100000))
        self.assert_no_leftovers(self.dir)

    def test_odd_names(self):
        for name in ("with space", "new\nline", "-dash", b"\xff\xfe", "ü"):
            path = os.path.join(os.fsencode(self.dir), os.fsencode(name))
            write(path, b"data")
            index = os.path.join(os.fsencode(self.store), b"index " + os.fsencode(name))
            self.pxds("put", self.store, path, index)
            self.pxds("get", self.store, index, path + b".out")
            self.assertEqual(read(path + b".out"), b"data")


class OtherCommands(StoreCase):
    def test_chunk(self):
        data = generated(65536)
        write(self.path("file"), data)
        lines = self.pxds("chunk", self.path("file"), "--avg", "4096").stdout.decode().splitlines()
        self.assertEqual([int(line.split()[0]) for line in lines], ENDS)
        self.assertEqual(sum(int(line.split()[1]) for line in lines), 65536)
        self.assertEqual(
            self.pxds("chunk", "-", "--avg=4096", input=data).stdout.decode().splitlines(), lines
        )
        self.assertEqual(self.pxds("chunk", "-", input=b"hello").stdout.decode(), f"5 5 {HELLO}\n")
        self.assertEqual(self.pxds("chunk", "-", input=b"").stdout, b"")

    def test_chunk_and_put_agree(self):
        data = random_data(150000)
        chunked = self.pxds("chunk", "-", "--avg", "4096", input=data).stdout.decode().splitlines()
        self.put(data, None, "--avg", "4096")
        listed = self.pxds("index", self.index, "--entries").stdout.decode().splitlines()
        entries = [line.split() for line in listed if line[:1].isdigit()]
        self.assertEqual(
            [(end, digest) for _, _, end, digest in entries],
            [(line.split()[0], line.split()[2]) for line in chunked],
        )

    def test_index(self):
        summary = json.loads(self.put(b"hello", None, "--json").stdout)
        text = self.pxds("index", self.index).stdout.decode()
        self.assertIn(summary["csum"], text)
        self.assertIn("size: 5 bytes\n", text)
        self.assertIn("chunks: 1\n", text)
        self.assertNotIn(HELLO, text)
        text = self.pxds("index", self.index, "--entries").stdout.decode()
        self.assertIn(f"0 0 5 {HELLO}\n", text)

    def test_blob(self):
        data = b"data " * 1000
        write(self.path("data"), data)
        for options in ([], ["--compress"]):
            blob, out = self.path("blob"), self.path("out")
            self.pxds("blob", "encode", self.path("data"), blob, *options)
            self.assertEqual(len(read(blob)) < 200, bool(options))
            self.pxds("blob", "decode", blob, out)
            self.assertEqual(read(out), data)
            info = self.pxds("blob", "info", blob).stdout.decode()
            self.assertIn("compressed" if options else "plain", info)
        encoded = self.pxds("blob", "encode", "-", input=data).stdout
        self.assertEqual(self.pxds("blob", "decode", "-", "-", input=encoded).stdout, data)

    def test_damaged_blob(self):
        encoded = bytearray(self.pxds("blob", "encode", "-", input=b"some data").stdout)
        encoded[-1] ^= 1
        self.error("blob", "decode", "-", self.path("out"), input=bytes(encoded))
        self.assertFalse(os.path.exists(self.path("out")))
        self.assertIn(b"WRONG", self.pxds("blob", "info", "-", input=bytes(encoded)).stdout)
        self.error("blob", "info", "-", input=b"too short")
        self.error("blob", "decode", "-", input=b"")


class CommandLines(StoreCase):
    def test_help(self):
        overview = self.pxds("--help").stdout.decode()
        self.assertEqual(self.pxds("-h").stdout.decode(), overview)
        commands = re.findall(r"^  (\S+) ", overview.partition("environment:")[0], re.MULTILINE)
        self.assertEqual(set(commands), {
            "init", "convert", "put", "get", "copy", "index", "chunk", "blob", "backup", "restore", "list",
            "files", "notes", "protect", "unprotect", "forget", "prune", "gc", "stat", "report", "verify",
            "manifest", "key", "namespace", "help", "version", "groups", "owner", "diff",
        })
        texts = [overview]
        for command in commands:
            done = self.pxds(command, "--help")
            self.assertIn(f"usage: pxds {command} ".encode(), done.stdout)
            self.assertEqual(done.stderr, b"")
            self.assertEqual(self.pxds("help", command).stdout, done.stdout)
            self.assertEqual(self.pxds(command, "-h").stdout, done.stdout)
            texts.append(done.stdout.decode())
        for text in texts:
            self.assertLessEqual(max(map(len, text.splitlines())), 90)

    def test_version(self):
        version = self.pxds("--version").stdout.decode()
        self.assertEqual(self.pxds("-V").stdout.decode(), version)
        self.assertEqual(self.pxds("version").stdout.decode(), version)
        self.assertEqual(self.pxds("help").stdout, self.pxds("--help").stdout)
        self.assertRegex(version, r"\Apxds \d+\.\d+\.\d+\n\Z")

    def test_usage_errors(self):
        for arguments in (
            [],
            ["nonsense"],
            ["--nonsense"],
            ["put"],
            ["put", self.store, "a"],
            ["put", self.store, "a", "b", "c"],
            ["put", self.store, "a", "b", "--nonsense"],
            ["put", self.store, "a", "b", "--entries"],
            ["put", self.store, "a", "b", "--avg"],
            ["put", self.store, "a", "b", "--avg", "many"],
            ["put", self.store, "a", "b", "--avg", "-1"],
            ["put", self.store, "a", "b", "--avg", "0"],
            ["put", self.store, "a", "b", "--avg", "99999999999999999999"],
            ["put", self.store, "a", "b", "--avg", "17179869184G"],
            ["put", self.store, "a", "b", "--sync", "sometimes"],
            ["put", self.store, "a", "b", "--json=yes"],
            ["init", self.path("new"), "--layout", "hex3"],
            ["blob", "recode", "-"],
            ["blob", "encode"],
            ["init", ""],
            ["list", ""],
            ["list", "--store", ""],
            ["key", "create", ""],
            ["namespace", "create", self.store, ""],
            ["forget", self.store, ""],
            ["backup", self.store, "host/x", "a.blob=a", "--comment", b"\xff"],
            ["prune", self.store, "--tz", "Nowhere/X"],
            ["-q", "list", self.store],
            ["get", self.store, "a"],
            ["get", self.store, "a", "b", "--threads", "many"],
            ["get", self.store, "a", "b", "--threads", "4294967296"],
        ):
            with self.subTest(arguments=arguments):
                done = self.pxds(*arguments, code=2, input=b"")
                self.assertEqual(done.stdout, b"")
                self.assertIn(b"--help", done.stderr)
                self.assertLessEqual(done.stderr.count(b"\n"), 3)
        self.assertFalse(os.path.exists(self.path("new")))

    def test_options_and_operands_in_any_order(self):
        data = random_data(50000)
        write(self.path("file"), data)
        operands = [self.store, self.path("file"), self.index]
        summaries = {
            self.pxds("put", *line).stdout
            for line in (
                ["--json", "--avg", "4096", *operands],
                [operands[0], "--avg", "4096", operands[1], "--json", operands[2]],
                [*operands, "--avg=4K", "--json"],
                ["--avg", "4096", "--json", "--", *operands],
            )
        }
        self.assertEqual({json.loads(each)["size"] for each in summaries}, {50000})
        self.assertEqual(len({json.loads(each)["chunks"] for each in summaries}), 1)

    def test_json_is_all_of_stdout(self):
        done = self.put(random_data(50000), self.path("outside.didx"), "--json", "--avg", "4096")
        summary = json.loads(done.stdout)
        self.assertEqual(set(summary), {"index", "size", "chunks", "new_chunks", "new_bytes", "stored_bytes", "csum"})
        self.assertEqual(summary["size"], 50000)
        self.assertRegex(summary["csum"], "^[0-9a-f]{64}$")
        self.assertEqual(done.stdout.count(b"\n"), 1)

    def test_summary_in_words(self):
        done = self.put(b"hello")
        self.assertEqual(done.stderr, b"")
        self.assertIn(b"bytes: 5\n", done.stdout)

    def test_warning_for_an_index_outside_the_store(self):
        done = self.put(b"hello", self.path("outside.didx"))
        self.assertIn(b"outside.didx", done.stderr)
        self.assertIn(b"garbage collection", done.stderr)
        os.symlink(self.store, self.path("link"))
        self.assertEqual(self.put(b"hello", self.path("link", "in.didx")).stderr, b"")


if __name__ == "__main__":
    support.main()
