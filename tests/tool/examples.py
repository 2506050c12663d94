"""The example programs: what each of them prints."""

import os
import shlex
import subprocess

import support
from support import BUILD, ROOT, TestCase, random_data, read, write


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

    def test_readme(self):
        text = read(os.path.join(ROOT, "README.md")).decode()
        write(self.path("backup.c"), text.split("```c\n")[1].split("```")[0].encode())
        compiler = shlex.split(os.environ.get("CC", "cc"))
        flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT}/include"]
        link = ["-o", self.path("backup"), f"-L{BUILD}", "-lpxds", f"-Wl,-rpath,{BUILD}"]
        subprocess.run([*compiler, *flags, self.path("backup.c"), *link], check=True)
        data = random_data(100000)
        write(self.path("backup.tar"), data)
        done = subprocess.run([self.path("backup")], cwd=self.path("."), check=True, capture_output=True)
        snapshot = done.stdout.decode().strip()
        index, out = self.path(f"store/{snapshot}/backup.didx"), self.path("out")
        subprocess.run([os.path.join(BUILD, "pxds"), "get", self.path("store"), index, out], check=True)
        self.assertEqual(read(out), data)

    def test_each_has_a_test(self):
        sources = {name[:-2] for name in os.listdir(os.path.join(ROOT, "c-examples"))
                   if name.endswith(".c")}
        tested = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        self.assertEqual(sources - tested, set())


if __name__ == "__main__":
    support.main()
