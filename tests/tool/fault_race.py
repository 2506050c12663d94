"""Two processes that put the same at once: both succeed, and both backups restore."""

import os
import subprocess

import faults
import support
from support import TOOL, TestCase, random_data, write


class Race(TestCase):
    def put_at_once(self, store, index_names, sync):
        processes = [
            subprocess.Popen(
                [TOOL, "put", store, self.path("file"), os.path.join(store, name), "--avg", "4096",
                 "--sync", sync],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for name in index_names
        ]
        for process in processes:
            _, stderr = process.communicate(timeout=300)
            self.assertEqual((process.returncode, stderr), (0, b""))

    def race(self, rounds, index_names, sync="none"):
        for number in range(rounds):
            data = random_data(400000, number)
            store = self.path(f"store{number}")
            self.pxds("init", store)
            write(self.path("file"), data)
            self.put_at_once(store, index_names, sync)
            for name in set(index_names):
                self.assert_restores(store, os.path.join(store, name), data)
            self.assert_no_leftovers(store)

    def test_two_indexes(self):
        self.race(20 if faults.EVERY else 5, ["a.didx", "b.didx"])

    def test_one_index(self):
        self.race(20 if faults.EVERY else 5, ["a.didx", "a.didx"])

    def test_many(self):
        self.race(3, [f"{i}.didx" for i in range(8)], "filesystem")

    def test_synced(self):
        self.race(3, ["a.didx", "b.didx"], "file")

    def test_open_or_create(self):
        """Two that find no store and make one."""
        put_get = os.path.join(support.BUILD, "examples", "put_get")
        write(self.path("file"), random_data(50000))
        for number in range(10):
            processes = [
                subprocess.Popen(
                    [put_get, self.path(f"s{number}"), self.path("file"), self.path(f"out{i}")],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                for i in range(3)
            ]
            for process in processes:
                _, stderr = process.communicate(timeout=300)
                self.assertEqual((process.returncode, stderr), (0, b""))


if __name__ == "__main__":
    support.main()
