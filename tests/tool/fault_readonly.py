"""A store that may be read and not written: get works, and put fails in clear words."""

import os
import re
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

    def dry_runs(self, store):
        """A dry run of every command that has one."""
        operands = {"convert": [["hex4"]], "forget": [["host/x"], ["host/*"], ["host/x/latest"]],
                    "gc": [[]], "prune": [["--keep-last", "1"], ["host/x", "--keep-last", "1"]]}
        have = {command for command in re.findall(r"^  ([a-z]+) ", self.pxds("help").stdout.decode(), re.MULTILINE)
                if b"--dry-run" in self.pxds(command, "--help").stdout}
        self.assertEqual(have, set(operands))
        return [[command, store, *rest, "--dry-run"] for command in operands for rest in operands[command]]

    def stores(self):
        """Two with snapshots and a directory that is none, with and without a lock file; and what dry runs say."""
        write(self.path("file"), random_data(5000))
        for locked in (True, False):
            store = self.path(f"locked-{locked}")
            self.pxds("init", store)
            for time in ("1593179765", "1593179766"):
                self.pxds("backup", store, "host/x", f"a.didx={self.path('file')}", "--time", time)
            os.makedirs(os.path.join(store, "host/x/other/below"))
            if not locked:
                os.unlink(os.path.join(store, ".lock"))
            before, commands = tree(store), self.dry_runs(store)
            yield store, commands, [self.pxds(*command).stdout for command in commands]
            self.assertEqual(tree(store), before)  # not even .lock is made

    def test_dry_runs_on_a_read_only_file_system(self):
        """They change nothing, and so need no right to."""
        for store, commands, told in self.stores():
            self.mount("--bind", store, store)
            subprocess.run(["mount", "-o", "remount,ro,bind", store], check=True)
            self.assertIn("Read-only file system", self.error("forget", store, "host/x"))
            self.assertEqual([self.pxds(*command).stdout for command in commands], told)

    def test_dry_runs_of_a_user_who_may_only_read(self):
        for store, commands, told in self.stores():
            user = self.unprivileged(store)
            for parent, _, _ in os.walk(store):
                os.chmod(parent, 0o555)
            if not user and os.access(store, os.W_OK):
                self.skipTest("everybody may do everything here")
            self.assertIn("Permission denied", self.error("forget", store, "host/x", **user))
            self.assertEqual([self.pxds(*command, **user).stdout for command in commands], told)

    def test_a_dry_run_tells_of_a_mount(self):
        for store, _, _ in self.stores():
            place = os.path.join(store, "host/x/other/below")
            self.mount("--bind", place, place)
            self.assertIn(f"{place} is a mount", self.error("forget", store, "host/x", "--dry-run", code=3))

    def test_no_store_can_be_made(self):
        directory = self.path("directory")
        os.mkdir(directory)
        self.mount("--bind", directory, directory)
        subprocess.run(["mount", "-o", "remount,ro,bind", directory], check=True)
        self.assertIn("Read-only file system", self.error("init", os.path.join(directory, "store")))
        self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    support.main(before=mounts.enter)
