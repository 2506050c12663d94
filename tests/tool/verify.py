"""pxds verify: what it prints and how it ends, on a store that PBS has damaged, and on good ones."""

import base64
import json
import os
import re
import subprocess
import tarfile

import mounts
import support
from support import ROOT, TestCase, random_data, read, tree, write

VECTORS = os.path.join(ROOT, "tests", "vectors", "store-damaged")
TAG_FLIP = "host/encrypted-tag-flip/2020-06-26T13:56:17Z"


class Damaged(TestCase):
    in_memory = True

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        with tarfile.open(os.path.join(VECTORS, "store-damaged.tar.gz")) as archive:
            archive.extractall(self.store, filter="data")
        self.facts = json.loads(read(os.path.join(VECTORS, "store-damaged.json")))
        self.failed = {case["snapshot"] for case in self.facts["verify"] if not case["ok"]["value"]}

    def verify(self, *options, code=1):
        lines = self.pxds("verify", self.store, *options, "--json", code=code).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def assert_shape(self, rows):
        for row in rows:
            self.assertEqual(list(row)[4:], ["errors", "ok", "outcome", "reason", "repaired"])
            self.assertEqual(row["ok"], row["errors"] == [])
            for error in row["errors"]:
                self.assertEqual(list(error), ["archive", "offset", "length", "digest", "reason"])
                place = [error[name] is None for name in ("offset", "length", "digest")]
                self.assertIn(place, ([True] * 3, [False] * 3))
                self.assertTrue(error["reason"])
                if error["archive"].endswith(".blob"):
                    self.assertEqual(place, [True] * 3)

    def test_as_pbs_finds_it(self):
        rows = self.verify()
        self.assert_shape(rows)
        self.assertEqual(len(rows), 18)
        self.assertEqual({row["snapshot"] for row in rows if not row["ok"]}, self.failed)
        rows = {row["snapshot"]: row["errors"] for row in rows}
        missing = rows["host/missing-chunk/2020-06-26T13:56:06Z"]
        self.assertEqual([error["digest"] for error in missing],
                         ["7b4738d3f2a4059086f2b606eac441922a8e46af9a98b38654aca515ae70bf7d"])
        # What has failed is checked again, and fails again; what was good is passed over.
        again = {row["snapshot"]: row["outcome"] for row in self.verify("--skip-verified", "1")}
        self.assertEqual({name for name, outcome in again.items() if outcome == "failed"}, self.failed)
        self.assertEqual(set(again.values()), {"failed", "verified_before"})

    def test_of_a_namespace(self):
        """With --ns alone: all that is in it and below it."""
        outside = self.path("file")
        write(outside, b"x" * 100)
        for ns in ("", "a", "a/b", "ab"):
            self.pxds("backup", self.store, "vm/1", f"a.blob={outside}", "--ns", ns, "--time", "1593179765")
        name = "vm/1/2020-06-26T13:56:05Z"
        for ns, want in (("a", [f"ns/a/{name}", f"ns/a/ns/b/{name}"]), ("a/b", [f"ns/a/ns/b/{name}"]),
                         ("ab", [f"ns/ab/{name}"])):
            self.assertEqual([row["snapshot"] for row in self.verify("--ns", ns, code=0)], want)
        self.assertEqual(len(self.verify("--ns", "", "--read-only")), 22)
        self.assertIn("there is no namespace", self.error("verify", self.store, "--ns", "a/c"))
        self.assertEqual([row["snapshot"] for row in self.verify("vm/1", "--ns", "a", code=0)], [f"ns/a/{name}"])

    def test_with_the_key(self):
        key = self.path("key")
        write(key, json.dumps({
            "kdf": None, "created": "2020-06-26T13:56:05Z", "modified": "2020-06-26T13:56:05Z",
            "data": base64.b64encode(bytes.fromhex(self.facts["key"])).decode(),
        }).encode())
        rows = [{**row, "ok": row["ok"] is not False} for row in self.verify("--key", key)]
        self.assertEqual({row["snapshot"] for row in rows if not row["ok"]}, self.failed | {TAG_FLIP})

    def test_read_only_and_threads(self):
        before = tree(self.store)
        first = self.verify("--read-only")
        for threads in ("1", "2", "8"):
            self.assertEqual(self.verify("--read-only", "--threads", threads), first)
        self.assertEqual(tree(self.store), before)

    def test_unfinished(self):
        good = "host/good/2020-06-26T13:56:05Z"
        os.makedirs(os.path.join(self.store, "host/good/2020-06-26T14:56:05Z"))
        done = self.pxds("verify", self.store, "host/good", code=4)
        self.assertEqual(done.stdout.decode(), f"host/good/2020-06-26T14:56:05Z skipped: unfinished\n{good} ok\n")
        self.assertIn(b"1 snapshot has no manifest, and was not verified", done.stderr)
        row = self.verify("host/good", code=4)[0]
        self.assertEqual((row["ok"], row["errors"], row["outcome"]), (None, [], "unfinished"))
        self.assertIn("no manifest", self.error("verify", self.store, "host/good/2020-06-26T14:56:05Z"))

    def test_one_of_them(self):
        good = "host/good/2020-06-26T13:56:05Z"
        self.assertEqual([row["ok"] for row in self.verify(good, code=0)], [True])
        text = self.pxds("verify", self.store, "host/index-csum-mismatch", code=1).stdout.decode()
        self.assertIn("host/index-csum-mismatch/2020-06-26T13:57:50Z ok\n", text)
        self.assertIn("host/index-csum-mismatch/2020-06-26T13:56:10Z failed\n", text)

    def test_repair(self):
        """Another store that has the chunks, in another layout."""
        good = "host/good/2020-06-26T13:56:05Z"
        other = self.path("other")
        self.pxds("init", other)
        for parent, _, names in os.walk(os.path.join(self.store, ".chunks")):
            for name in names:
                os.makedirs(os.path.join(other, ".chunks", name[:2]), exist_ok=True)
                write(os.path.join(other, ".chunks", name[:2], name), read(os.path.join(parent, name)))
        index = os.path.join(self.store, good, "a.didx")
        digest = read(index)[4096 + 8:4096 + 40].hex()
        os.unlink(os.path.join(self.store, ".chunks", digest[:4], digest))
        self.verify(good)
        rows = self.verify(good, "--repair-from", other, code=0)
        self.assertEqual((rows[0]["ok"], rows[0]["repaired"]), (True, 1))
        self.assertEqual(self.verify(good, code=0)[0]["repaired"], 0)


class Notes(TestCase):
    @support.needs_strace
    def test_one_sync_for_many(self):
        store = self.path("store")
        self.pxds("init", store)
        write(self.path("file"), b"data")
        for time in range(10):
            self.pxds("backup", store, "host/x", f"a.didx={self.path('file')}", "--time", str(1593179765 + time))
        for options, expected in (([], ["syncfs"]), (["--read-only"], [])):
            done = subprocess.run(["strace", "-f", "-o", self.path("log"), "-e", "trace=fsync,fdatasync,syncfs,sync",
                                   support.TOOL, "verify", store, *options],
                                  capture_output=True, timeout=120, check=False)
            self.assertEqual((done.returncode, done.stdout.count(b" ok\n")), (0, 10))
            calls = re.findall(r"(?m)^\d+ +(\w+)\(", read(self.path("log")).decode())
            self.assertEqual(calls, expected)
        for days in ("1", "1d", "2w", "24h", "18446744073709551615"):
            self.assertEqual(self.pxds("verify", store, "--skip-verified", days).stdout.count(b"verified before"), 10)
        for days in ("-1", "x", "1.5d", "36h", "1d1s", "1y", ""):
            self.assertIn("days", self.error("verify", store, "--skip-verified", days, code=2))


class Cache(TestCase):
    in_memory = True

    def test_the_cache_of_a_store_in_s3(self):
        store, source = self.path("store"), "a.didx=" + self.path("file")
        write(self.path("file"), random_data(100000))
        self.pxds("init", store, "--layout", "hex4")
        snapshot = self.pxds("backup", store, "host/x", source, "--chunk-size", "4K").stdout.decode().split("\n")[0]
        for name in sorted(tree(os.path.join(store, ".chunks")))[:6]:
            write(os.path.join(store, ".chunks", name), b"")
        before = tree(store)
        for command in (["verify"], ["gc"], ["backup", "host/x", source], ["prune", "host/x", "--keep-last", "1"],
                        ["forget", snapshot], ["protect", snapshot], ["notes", snapshot, "--set", "x"],
                        ["put", self.path("file"), os.path.join(store, "x.didx")]):
            message = self.error(command[0], store, *command[1:])
            self.assertIn("cache of a store in S3", message)
            self.assertEqual(tree(store), before)
        done = self.pxds("verify", store, "--read-only", code=1)
        self.assertIn(b"its file is empty", done.stdout)
        self.assertEqual(tree(store), before)
        self.pxds("verify", store, "--not-s3-cache", code=1)
        self.assertEqual(set(tree(store)), set(before) | {".lock"})
        self.pxds("backup", store, "host/x", source, "--chunk-size", "4K", "--not-s3-cache")
        self.pxds("verify", store)


class Usage(TestCase):
    def test_mistakes(self):
        store = self.path("store")
        self.pxds("init", store)
        done = self.pxds("verify", store)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"nothing was verified", done.stderr)
        self.error("verify", store, "host/x", code=1)
        self.error("verify", self.path("none"), code=1)
        self.error("verify", store, "--repair-from", self.path("none"), code=1)
        for wrong in (["--threads", "x"], ["--skip-verified", "x"], ["--password-fd", "3"],
                      ["--read-only", "--repair-from", store], ["a", "b"]):
            self.error("verify", store, *wrong, code=2)


class Full(mounts.MountCase):
    def test_the_state_does_not_fit(self):
        place = self.tmpfs("full", "size=1m")
        store = os.path.join(place, "store")
        self.pxds("init", store)
        write(self.path("file"), random_data(100000))
        self.pxds("backup", store, "host/x", f"a.didx={self.path('file')}", "--time", "1593179765")
        snapshot = "host/x/2020-06-26T13:56:05Z"
        manifest = os.path.join(store, snapshot, "index.json.blob")
        before = read(manifest)
        free = os.statvfs(place)
        write(os.path.join(place, "filler"), bytes(free.f_bavail * free.f_frsize))
        done = self.pxds("verify", store, code=4)
        self.assertEqual(done.stdout.decode(), f"{snapshot} ok\n")
        self.assertIn(b"the outcome of 1 snapshot is not noted: ", done.stderr)
        self.assertIn(b"No space left on device", done.stderr)
        self.assertEqual(read(manifest), before)
        self.assertEqual(sorted(os.listdir(os.path.dirname(manifest))), ["a.didx", "index.json.blob"])
        os.unlink(os.path.join(place, "filler"))
        self.pxds("verify", store)
        self.assertNotEqual(read(manifest), before)

    def test_a_store_that_cannot_be_written(self):
        store = self.path("store")
        self.pxds("init", store)
        write(self.path("file"), random_data(100000))
        self.pxds("backup", store, "host/x", f"a.didx={self.path('file')}", "--time", "1593179765")
        before = tree(store)
        self.mount("--bind", store, store)
        subprocess.run(["mount", "-o", "remount,ro,bind", store], check=True)
        self.pxds("verify", store, "--read-only")
        done = self.pxds("verify", store, "--json", code=4)
        row, end = map(json.loads, done.stdout.splitlines())
        self.assertEqual((row["ok"], end), (True, {"complete": False}))
        self.assertIn(b"Read-only file system", done.stderr)
        self.assertEqual(tree(store), before)


if __name__ == "__main__":
    support.main(before=mounts.enter)
