"""A store that may be read and not written: get works, and put fails in clear words."""

import os
import subprocess

import mounts
import support
from support import random_data, tree, write


class ReadOnly(mounts.MountCase):
    def test_get_works_and_put_fails(self):
        data = random_data(50000)
        store = self.path("store")
        index = os.path.join(store, "a.didx")
        write(self.path("file"), data)
        self.pxds("init", store)
        self.pxds("put", store, self.path("file"), index, "--avg", "4096")
        before = tree(store)
        self.mount("--bind", store, store)
        subprocess.run(["mount", "-o", "remount,ro,bind", store], check=True)
        self.assert_restores(store, index, data)
        for what in (data, random_data(50000, 2)):  # chunks to touch, and chunks to write
            write(self.path("file"), what)
            message = self.error(
                "put", store, self.path("file"), os.path.join(store, "b.didx"), "--avg", "4096"
            )
            self.assertIn("Read-only file system", message)
            self.assertIn(store, message)
        self.assertEqual(tree(store), before)

    def test_no_store_can_be_made(self):
        directory = self.path("directory")
        os.mkdir(directory)
        self.mount("--bind", directory, directory)
        subprocess.run(["mount", "-o", "remount,ro,bind", directory], check=True)
        self.assertIn("Read-only file system", self.error("init", os.path.join(directory, "store")))
        self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    support.main(before=mounts.enter)
