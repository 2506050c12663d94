"""The tool where something is wrong: damaged stores, places that will not do, outputs that fail."""

import os
import subprocess

import support
from store_case import StoreCase
from support import TOOL, random_data, read, tree, write


class Failures(StoreCase):
    def setUp(self):
        super().setUp()
        self.data = random_data(100000)
        self.put(self.data, None, "--avg", "4096")

    def assert_get_fails(self, *words, index=None):
        """A failed get leaves no file of that name, nor an old one changed."""
        out = self.path("out")
        message = self.error("get", self.store, index or self.index, out)
        for word in words:
            self.assertIn(word, message)
        self.assertFalse(os.path.exists(out))
        write(out, b"old")
        self.error("get", self.store, index or self.index, out)
        self.assertEqual(read(out), b"old")
        os.unlink(out)
        self.assert_no_leftovers(self.dir)
        return message

    def a_chunk(self):
        path = self.chunk_files()[3]
        return path, os.path.basename(path)

    def test_missing_chunk(self):
        path, digest = self.a_chunk()
        os.unlink(path)
        self.assert_get_fails(digest, self.store, "is not in the store")

    def test_truncated_chunk(self):
        path, digest = self.a_chunk()
        for size in (0, 5, 12, len(read(path)) - 1):
            os.truncate(path, size)
            self.assert_get_fails(digest)

    def test_flipped_bits(self):
        path, digest = self.a_chunk()
        good = read(path)
        for at in (0, 8, 12, len(good) // 2, len(good) - 1):
            bad = bytearray(good)
            bad[at] ^= 0x10
            write(path, bad)
            self.assert_get_fails(digest)
        write(path, good)
        self.assert_restores(self.store, self.index, self.data)

    def test_chunk_under_a_wrong_name(self):
        path, digest = self.a_chunk()
        other = self.chunk_files()[5]
        write(path, read(other))
        self.assert_get_fails(digest)

    def test_wrong_index(self):
        write(self.path("no.didx"), b"this is no index")
        self.assert_get_fails("no.didx", index=self.path("no.didx"))
        write(self.path("cut.didx"), read(self.index)[:-7])
        self.assert_get_fails("cut.didx", index=self.path("cut.didx"))
        self.assert_get_fails("missing.didx", "No such file", index=self.path("missing.didx"))
        self.assert_get_fails(index=self.store)
        another = self.path("another")
        self.pxds("init", another)
        self.store = another
        self.assert_get_fails("another", "is not in the store", index=self.path("store", "a.didx"))

    def test_put_fails(self):
        before = tree(self.store)
        self.assertIn("missing", self.error("put", self.store, self.path("missing"), self.index))
        self.assertIn("directory", self.error("put", self.store, self.dir, self.index))
        message = self.error("put", self.path("no-store"), self.path("file"), self.index)
        self.assertIn("no-store", message)
        message = self.error("put", self.store, self.path("file"), self.path("no-dir", "a.didx"))
        self.assertIn("no-dir", message)
        self.error("put", self.store, self.path("file"), self.index, "--avg", "4095", code=2)
        self.assertEqual(tree(self.store), before)
        self.assert_no_leftovers(self.dir)

    def test_init_is_private_unless_it_is_shared(self):
        old = os.umask(0o022)
        self.addCleanup(os.umask, old)
        for options, mode in ([], 0o700), (["--shared"], 0o755), (["--pbs-store", "name", "--layout", "hex2"], 0o755):
            store = self.path(f"of-{len(os.listdir(self.dir))}")
            self.pxds("init", store, *options)
            self.assertEqual(os.stat(store).st_mode & 0o7777, mode)
        os.mkdir(self.path("there"))
        self.pxds("init", self.path("there"))
        self.assertEqual(os.stat(self.path("there")).st_mode & 0o7777, 0o755)

    def test_init_says_what_it_made(self):
        for options, layout, words in (
            ([], "hex2", "pxds opens it; Proxmox Backup Server needs hex4, see 'pxds convert'"),
            (["--layout", "hex4"], "hex4",
             "pxds opens it, and so does Proxmox Backup Server if its user, backup, owns it"),
        ):
            done = self.pxds("init", self.path(layout), *options)
            self.assertEqual(done.stdout.decode(),
                             f"made the store {self.path(layout)} with layout {layout}: {words}\n")
            self.assertEqual(done.stderr, b"")
        self.assertIn(b" with layout hex4: ", self.pxds("init", self.path("of-pbs"), "--pbs-store", "name").stdout)

    def test_init_inside_a_store(self):
        real = os.path.realpath(self.store)
        below, link, out = (os.path.join(self.store, name) for name in ("below", "link", "out"))
        os.makedirs(os.path.join(below, "deep"))
        os.symlink(self.dir, out)
        os.symlink(below, self.path("in"))
        before = set(tree(self.store))
        for path in (os.path.join(self.store, "new"), f"{self.store}/new//", below, f"{below}/deep/new",
                     f"{below}/./deep/../new", f"{below}/a/b/c", os.path.join(self.store, ".chunks", "new"),
                     self.path("in"), self.path("in", "new"), self.path("in", "deep", "..", "new")):
            self.assertIn(f"{path} would be inside the store {real}, ", self.error("init", path))
        for path in ("new", "./new", ".", "deep/new"):
            self.assertIn(f"inside the store {real}, ", self.error("init", path, cwd=below))
        self.assertEqual(set(tree(self.store)), before)
        # A path that leads through a store, and out again.
        self.pxds("init", os.path.join(out, "outside"))
        self.pxds("init", f"{self.store}/../beside/")
        os.mkdir(self.path("half"))
        write(self.path("half", ".chunks"), b"no directory")
        self.pxds("init", self.path("half", "new"))
        os.symlink("nowhere", link)
        self.error("init", link)
        # Nobody knows yet where these would be.
        for path in (f"{self.dir}/a/../store/new", f"{self.store}/a/../../new", "../a/../store/new"):
            self.assertIn("No such file", self.error("init", path, cwd=self.path("half")))
        self.assertFalse(os.path.exists(self.path("a")))
        self.pxds("init", self.path("a", "b", "c"))

    def test_init_around_a_store(self):
        real = os.path.realpath(self.dir)
        os.makedirs(self.path("a", "b", "c"))
        for at in ("store", "a/store", "a/b/store", "a/b/c/store"):
            os.rename(self.store, self.path(at))
            self.store = self.path(at)
            for path, options in ((self.dir, {}), (f"{self.dir}/", {}), (".", {"cwd": self.dir})):
                self.assertEqual(self.error("init", path, **options),
                                 f"pxds: {path} would be around the store {real}/{at}, and a store cannot be\n")
        self.assertFalse(os.path.exists(self.path(".chunks")))
        # A link leads out of it again.
        os.mkdir(self.path("new"))
        os.symlink(self.store, self.path("new", "link"))
        self.pxds("init", self.path("new"))

    def test_init_fails(self):
        self.assertIn("exist", self.error("init", self.store))
        write(self.path("a-file"), b"")
        self.assertIn("a-file", self.error("init", self.path("a-file")))
        self.assert_restores(self.store, self.index, self.data)

    def test_full_output(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        message = self.error("get", self.store, self.index, "/dev/full")
        self.assertIn("No space left", message)
        for arguments in (["index", self.index], ["get", self.store, self.index, "-"], ["--help"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [TOOL, *arguments], stdout=full, stderr=subprocess.PIPE, check=False
                )
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"No space left", done.stderr)

    def test_closed_streams(self):
        done = subprocess.run(
            ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", TOOL, "put", self.store, self.path("file"),
             self.index],
            check=False,
        )
        self.assertEqual(done.returncode, 1)
        self.assert_restores(self.store, self.index, self.data)


if __name__ == "__main__":
    support.main()
