"""`pxds diff`, held to what the chunks of both snapshots are."""

import glob
import json
import os

import support
from snapshot_case import SnapshotCase
from support import random_data

SIZE = 65536


class Diff(SnapshotCase):
    TIMES = ("2020-06-26T13:56:05Z", "2020-06-27T13:56:05Z")

    def make(self, *versions):
        """A snapshot of each version, {archive: content}; then there is nothing but indexes and manifests."""
        for time, archives in zip(self.TIMES, versions):
            words = [f"{name}={self.file(name, data)}" for name, data in archives.items()]
            self.pxds("backup", self.store, "host/x", *words, "--time", time, "--chunk-size", str(SIZE),
                      "--any-chunk-size")
        self.indexes = [{name: os.path.join(self.store, "host", "x", time, name) for name in archives}
                        for time, archives in zip(self.TIMES, versions)]
        for chunk in glob.glob(os.path.join(self.store, ".chunks", "*", "*")):
            os.unlink(chunk)

    def diff(self, old="host/x/2020-06-26", new="host/x/latest", *options, code=0):
        done = self.pxds("diff", self.store, old, new, "--json", *options, code=code)
        *rows, total = [json.loads(line) for line in done.stdout.splitlines()]
        if code != 0:
            self.assertEqual(total, {"complete": False})
            total = rows.pop()
        self.assertEqual([row["kind"] for row in (*rows, total)], ["archive"] * len(rows) + ["total"])
        return {row["archive"]: row for row in rows}, total

    def chunks(self, which, name):
        """(start, end, digest) of each."""
        lines = self.pxds("index", self.indexes[which][name], "--entries").stdout.decode().splitlines()
        rows = (line.split() for line in lines if line[0].isdigit())
        return [(int(start), int(end), digest) for _, start, end, digest in rows]

    def expected(self, name, same):
        """Bytes that are gone, that are new, and where these are; `same` says whether a chunk is in a list."""
        old, new = self.chunks(0, name), self.chunks(1, name)
        ranges = []
        for start, end, _ in (chunk for chunk in new if not same(chunk, old)):
            if ranges and ranges[-1]["offset"] + ranges[-1]["length"] == start:
                ranges[-1]["length"] += end - start
            else:
                ranges.append({"offset": start, "length": end - start})
        gone = sum(end - start for start, end, digest in old if not same((start, end, digest), new))
        return gone, sum(each["length"] for each in ranges), ranges

    def assert_row(self, row, gone, new, ranges):
        self.assertEqual((row["change"], row["gone_bytes"], row["added_bytes"], row["ranges"]),
                         ("changed", gone, new, ranges))

    def test_images(self):
        old = random_data(10 * SIZE + 1000)
        new = bytearray(old)
        for chunk in (0, 3, 4, 9):
            new[chunk * SIZE + 7] ^= 1
        self.make({"a.fidx": old}, {"a.fidx": bytes(new) + random_data(2 * SIZE, 2)})
        rows, total = self.diff()
        expected = self.expected("a.fidx", lambda chunk, other: chunk in other)
        self.assert_row(rows["a.fidx"], *expected)
        self.assertEqual(expected[0], 4 * SIZE + 1000)
        self.assertEqual([(each["offset"] // SIZE, each["length"] / SIZE) for each in expected[2][:2]],
                         [(0, 1), (3, 2)])
        self.assertEqual((total["added_bytes"], total["gone_bytes"]), (expected[1], expected[0]))
        # What has moved by a chunk is different everywhere, since places are compared.
        rows, _ = self.diff("host/x/latest", "host/x/2020-06-26")
        self.assertEqual((rows["a.fidx"]["gone_bytes"], rows["a.fidx"]["added_bytes"]), (expected[1], expected[0]))

    def test_images_that_have_moved(self):
        data = random_data(6 * SIZE)
        self.make({"a.fidx": data}, {"a.fidx": random_data(SIZE, 2) + data})
        rows, _ = self.diff()
        self.assert_row(rows["a.fidx"], 6 * SIZE, 7 * SIZE, [{"offset": 0, "length": 7 * SIZE}])

    def test_streams(self):
        """What has moved is the same, and what is there twice is there."""
        old = random_data(30 * SIZE)
        new = random_data(SIZE, 2) + old[:12 * SIZE] + random_data(100, 3) + old[12 * SIZE:20 * SIZE] * 2
        self.make({"a.didx": old}, {"a.didx": new})
        rows, _ = self.diff()
        gone, new_bytes, ranges = self.expected(
            "a.didx", lambda chunk, other: chunk[2] in {digest for _, _, digest in other})
        self.assert_row(rows["a.didx"], gone, new_bytes, ranges)
        self.assertTrue(len(ranges) >= 2 and new_bytes < 12 * SIZE and gone >= 6 * SIZE, (gone, ranges))

    def test_archives(self):
        data, other = random_data(3 * SIZE), random_data(3 * SIZE, 2)
        self.make({"same.didx": data, "gone.blob": b"old", "kind.didx": data, "b.blob": b"one"},
                  {"same.didx": data, "new.fidx": data, "kind.fidx": other, "b.blob": b"three"})
        rows, total = self.diff()
        self.assertEqual({name: row["change"] for name, row in rows.items()},
                         {"new.fidx": "added", "kind.fidx": "added", "b.blob": "changed", "gone.blob": "gone",
                          "kind.didx": "gone"})
        self.assertEqual(rows["new.fidx"], {"kind": "archive", "archive": "new.fidx", "change": "added",
                                            "old_size": None, "new_size": 3 * SIZE, "gone_bytes": 0,
                                            "added_bytes": 3 * SIZE, "ranges": None, "error": None})
        self.assertEqual((rows["b.blob"]["gone_bytes"], rows["b.blob"]["added_bytes"]), (15, 17))
        paths = [f"host/x/{time}" for time in self.TIMES]
        self.assertEqual(total, {"kind": "total", "old_snapshot": paths[0], "new_snapshot": paths[1], "added": 2,
                                 "gone": 2, "changed": 1, "same": 1, "failed": 0,
                                 "gone_bytes": 15 + 15 + 3 * SIZE, "added_bytes": 17 + 6 * SIZE})
        text = self.pxds("diff", self.store, *paths).stdout.decode().splitlines()
        self.assertEqual(text, [
            "added    new.fidx  192 KiB",
            "added    kind.fidx  192 KiB",
            "changed  b.blob  17 B of 17 B are new, 15 B of 15 B are gone",
            "gone     gone.blob  15 B",
            "gone     kind.didx  192 KiB",
            "2 added, 2 gone, 1 changed, 1 the same",
        ])
        self.assertEqual(self.pxds("diff", self.store, paths[0], paths[0]).stdout.decode(),
                         "0 added, 0 gone, 0 changed, 4 the same\n")

    def test_text_of_ranges(self):
        old = random_data(4 * SIZE)
        self.make({"a.fidx": old}, {"a.fidx": old[:SIZE] + random_data(SIZE, 2) + old[2 * SIZE:]})
        self.assertEqual(self.pxds("diff", self.store, "host/x/2020-06-26", "latest").stdout.decode(),
                         "changed  a.fidx  64.0 KiB of 256 KiB are new, 64.0 KiB of 256 KiB are gone\n"
                         "  64.0 KiB at offset 65536\n0 added, 0 gone, 1 changed, 0 the same\n")

    def test_damage(self):
        self.make({"a.didx": random_data(SIZE), "b.blob": b"1"}, {"a.didx": random_data(SIZE, 2), "b.blob": b"2"})
        os.truncate(self.indexes[1]["a.didx"], 4096)
        rows, total = self.diff(code=4)
        self.assertEqual((set(rows), total["failed"], total["changed"]), ({"a.didx", "b.blob"}, 1, 1))
        self.assertIn("a.didx", rows["a.didx"].pop("error"))
        self.assertEqual(rows["a.didx"], {"kind": "archive", "archive": "a.didx", "change": "changed", "old_size": SIZE,
                                          "new_size": SIZE, "gone_bytes": None, "added_bytes": None, "ranges": None})
        text = self.pxds("diff", self.store, "host/x/2020-06-26", "host/x/latest", code=4).stdout.decode()
        self.assertIn("failed   a.didx\nchanged  b.blob  13 B of", text)
        os.unlink(os.path.join(self.store, "host", "x", self.TIMES[0], "index.json.blob"))
        self.error("diff", self.store, "host/x/2020-06-26", "host/x/latest")
        self.error("diff", self.store, "host/x/latest", "host/none/latest")
        self.error("diff", self.store, "latest", code=2)


if __name__ == "__main__":
    support.main()
