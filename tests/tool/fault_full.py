"""A file system that is really full: of bytes, and of inodes."""

import os
import subprocess

import mounts
import support
from support import random_data, write

WORDS = "No space left on device"


class Full(mounts.MountCase):
    def setUp(self):
        super().setUp()
        self.old = random_data(100000, 1)
        write(self.path("old"), self.old)

    def store_on(self, place):
        """A store there, with one backup in it."""
        store = os.path.join(place, "store")
        self.pxds("init", store)
        self.pxds("put", store, self.path("old"), os.path.join(store, "old.didx"), "--avg", "16384")
        return store

    def assert_put_fails(self, store, *options):
        """Clear words, no leftovers, the old backup intact; and less data still fits."""
        index = os.path.join(store, "big.didx")
        message = self.error("put", store, self.path("big"), index, *options)
        self.assertIn(WORDS, message)
        self.assertIn(store, message)
        self.assertFalse(os.path.exists(index))
        self.assert_restores(store, os.path.join(store, "old.didx"), self.old)
        self.assert_no_leftovers(store)

    def test_bytes(self):
        write(self.path("big"), random_data(3000000, 2))
        for level in ("none", "file", "filesystem"):
            with self.subTest(level):
                store = self.store_on(self.tmpfs(level, "size=1m"))
                self.assert_put_fails(store, "--avg", "65536", "--sync", level)

    def test_inodes(self):
        write(self.path("big"), random_data(1000000, 2))
        store = self.store_on(self.tmpfs("few", "size=10m,nr_inodes=400"))
        self.assert_put_fails(store, "--avg", "1024")

    def test_index(self):
        """Room for the chunks, which lie elsewhere, but none for the index."""
        place = self.tmpfs("small", "size=8k")
        store = self.path("store")
        self.pxds("init", store)
        write(self.path("big"), random_data(500000, 2))
        index = os.path.join(place, "big.didx")
        message = self.error("put", store, self.path("big"), index, "--avg", "1024")
        self.assertIn(WORDS, message)
        self.assertIn(place, message)
        self.assertEqual(os.listdir(place), [])
        self.assert_no_leftovers(store)

    def test_output(self):
        store = self.store_on(self.dir)
        place = self.tmpfs("small", "size=64k")
        out = os.path.join(place, "out")
        message = self.error("get", store, os.path.join(store, "old.didx"), out)
        self.assertIn(WORDS, message)
        self.assertIn(out, message)
        self.assertEqual(os.listdir(place), [])

    def test_output_by_several_threads(self):
        """Each writes where its chunks belong, and all find the file system full."""
        store = self.path("store")
        data = random_data(8000000, 3)
        write(self.path("big"), data)
        self.pxds("init", store)
        index = os.path.join(store, "big.didx")
        self.pxds("put", store, self.path("big"), index, "--avg", "65536")
        place = self.tmpfs("small", "size=5m")
        out = os.path.join(place, "out")
        for threads in ("1", "2", "8"):
            with self.subTest(threads):
                message = self.error("get", store, index, out, "--threads", threads)
                self.assertIn(WORDS, message)
                self.assertIn(out, message)
                self.assertEqual(os.listdir(place), [])
                with open(out, "wb") as file:
                    message = self.error_to(file, "get", store, index, "-", "--threads", threads)
                self.assertIn(WORDS, message)
                os.unlink(out)
        self.assert_restores(store, index, data)

    def error_to(self, file, *args):
        done = subprocess.run(
            [support.TOOL, *args], stdout=file, stderr=subprocess.PIPE, timeout=300, check=False
        )
        self.assertEqual(done.returncode, 1)
        return done.stderr.decode(errors="replace")


if __name__ == "__main__":
    support.main(before=mounts.enter)
