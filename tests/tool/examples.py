"""The example programs: what each of them prints."""

import os
import subprocess
import time

import support
from support import BUILD, ROOT, TestCase, random_data, read, tree, write

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class Examples(TestCase):
    def example(self, name, *args, code=0, **options):
        done = subprocess.run(
            [os.path.join(BUILD, "examples", name), *args],
            capture_output=True,
            check=False,
            **options,
        )
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout.decode()

    def snapshots(self, group):
        return [f"{group}/{name}" for name in sorted(os.listdir(self.path("store", group))) if name.endswith("Z")]

    def three_snapshots(self):
        """Of host/x, each with a.didx of one chunk; their paths, the oldest first."""
        self.pxds("init", self.path("store"))
        for day in (1, 2, 3):
            write(self.path("file"), random_data(10000, day))
            self.pxds("backup", self.path("store"), "host/x", f"a.didx={self.path('file')}",
                      "--time", str(86400 * day))
        return self.snapshots("host/x")

    def test_blob_roundtrip(self):
        text = self.example("blob_roundtrip")
        self.assertRegex(text, r"\A4300 bytes -> \d\d byte blob -> 4300 bytes: equal\n\Z")

    def test_chunk_stream(self):
        zeros = bytes(40 << 20)  # never cuts before the maximum of 16 MiB
        want = "16777216\n33554432\n41943040\n3 chunks\n"
        self.assertEqual(self.example("chunk_stream", "-", input=zeros), want)
        write(self.path("file"), zeros)
        self.assertEqual(self.example("chunk_stream", self.path("file")), want)
        self.assertEqual(self.example("chunk_stream", "-", input=b""), "0 chunks\n")
        self.example("chunk_stream", self.path("missing"), code=1)
        self.example("chunk_stream", code=2)

    def test_put_get(self):
        data = random_data(100000)
        write(self.path("file"), data)
        operands = [self.path("store"), self.path("file"), self.path("out")]
        for new in (1, 0):
            self.assertEqual(
                self.example("put_get", *operands),
                f"stored 100000 bytes as 1 chunks, {new} of them new\n",
            )
            self.assertEqual(read(self.path("out")), data)
        self.example("put_get", code=2)

    def test_backup_restore(self):
        data = random_data(100000)
        write(self.path("file"), data)
        operands = [self.path("store"), self.path("file"), self.path("out")]
        for new in (1, 0):
            text = self.example("backup_restore", *operands)
            self.assertRegex(text, rf"\Ahost/example/{TIME}: 100000 bytes in 1 chunks, {new} of them new\n\Z")
            self.assertEqual(read(self.path("out")), data)
        self.example("backup_restore", self.path("store"), self.path("missing"), self.path("out"), code=1)
        self.example("backup_restore", self.path("file"), self.path("file"), self.path("out"), code=1)
        self.example("backup_restore", code=2)

    def test_encrypted(self):
        text = "a secret of few words\n" * 1000
        operands = [self.path("store"), self.path("key")]
        for _ in ("makes the key file", "reads it"):
            env = {**os.environ, "PASSWORD": "correct horse"}
            self.assertEqual(self.example("encrypted", *operands, input=text.encode(), env=env), text)
        for snapshot in self.snapshots("host/secret"):
            self.pxds("restore", self.path("store"), snapshot, "data.didx", self.path("out"), code=1)
        env["PASSWORD"] = "wrong horse"
        self.example("encrypted", *operands, input=b"", env=env, code=1)
        del env["PASSWORD"]
        self.example("encrypted", *operands, env=env, code=2)

    def test_prune_gc(self):
        snapshots = self.three_snapshots()
        kept = f"{snapshots[2]}: keep\n"
        gone = f"{snapshots[1]}: remove\n{snapshots[0]}: remove\n"
        for age, marks, removed, later in ((3600, kept + gone, 0, 2), (2 * 86400, kept, 2, 0)):
            for name in tree(self.path("store", ".chunks")):
                os.utime(self.path("store", ".chunks", name), (time.time() - age,) * 2)
            self.assertEqual(self.example("prune_gc", self.path("store"), "host/x", "1"),
                             marks + f"chunks: 1 in use, {removed} removed, {later} to be removed later\n")
        self.assertEqual(self.snapshots("host/x"), snapshots[2:])
        self.example("prune_gc", self.path("missing"), "host/x", "1", code=1)
        self.example("prune_gc", self.path("store"), "host/x", "0", code=2)

    def test_verify_report(self):
        snapshots = self.three_snapshots()
        good = [f"{path}: good\n" for path in snapshots]
        store = self.path("store")
        text = self.example("verify_report", store)
        self.assertEqual(sorted(text.splitlines(True)[:3]), good)
        self.assertEqual(text.splitlines()[3:], ["snapshots: 3 good, 0 damaged, 0 not checked",
                                                 "chunks: 3 checked, 0 bad, 0 missing"])
        chunk = self.pxds("index", f"{store}/{snapshots[1]}/a.didx", "--entries").stdout.split()[-1].decode()
        with open(f"{store}/.chunks/{chunk[:2]}/{chunk}", "r+b") as file:
            file.seek(5000)
            file.write(b"damage")
        before = tree(store)
        self.assertRegex(self.example("verify_report", store, "host/x", code=3),
                         rf"{snapshots[1]}/a.didx: 10000 bytes at 0: .*{chunk}(.*\n)*{snapshots[1]}: damaged\n"
                         r"(.*\n)*snapshots: 2 good, 1 damaged, 0 not checked\n"
                         r"chunks: 3 checked, 1 bad, 0 missing\n\Z")
        self.assertIn(good[0], self.example("verify_report", store, snapshots[0]))
        self.assertEqual(tree(store), before)
        self.example("verify_report", self.path("missing"), code=1)
        self.example("verify_report", code=2)

    def test_reader_threads(self):
        store, index = self.path("store"), self.path("store", "a.didx")
        self.pxds("init", store)
        for data in (random_data(1000000), b"\n" * 999, b"\n", b""):
            write(self.path("file"), data)
            self.pxds("put", store, self.path("file"), index, "--avg", "65536")
            self.assertEqual(self.example("reader_threads", store, index), f"{data.count(10)} lines\n")
        self.example("reader_threads", store, self.path("missing"), code=1)
        self.example("reader_threads", code=2)

    def test_own_source(self):
        data = random_data(1000000)
        store, index, chunks, out = (self.path(name) for name in ("store", "a.didx", "chunks", "out"))
        write(self.path("file"), data)
        self.pxds("init", store)
        self.pxds("put", store, self.path("file"), index, "--avg", "65536")
        os.mkdir(chunks)
        for name, content in tree(os.path.join(store, ".chunks")).items():
            write(os.path.join(chunks, os.path.basename(name)), content)
        self.assertEqual(self.example("own_source", chunks, index, out), "")
        self.assertEqual(read(out), data)
        os.unlink(os.path.join(chunks, os.listdir(chunks)[0]))
        self.example("own_source", chunks, index, out, code=1)
        self.example("own_source", code=2)

    def test_each_has_a_test(self):
        sources = {name[:-2] for name in os.listdir(os.path.join(ROOT, "c-examples"))
                   if name.endswith(".c")}
        tested = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        self.assertEqual(sources - tested, set())


if __name__ == "__main__":
    support.main()
