"""What would a power failure leave? Judged from the order of the calls of a put.

The put is traced, its calls are played to the model of a file system, and at the rename of the
index, and at the end, the model is asked what would be there.
"""

import os
import re

import faults
import support
from power_model import LINE, Model, events


@support.needs_strace
class Power(faults.Scene):
    def play(self, level, unsynced=False):
        """Yields (model, path) after every rename, and (model, None) at the end.

        unsynced: what the store had before is as a put that synced nothing has left it.
        """
        done, lines = self.strace(level, "-y", "-e", faults.trace(faults.CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse([line for line in lines if "unfinished" in line], "one thread")
        model = Model()
        if unsynced:
            chunks = os.path.join(self.template, ".chunks")
            for directory in os.listdir(chunks):
                model.make(os.path.join(self.store, ".chunks", directory), directory=True)
                for name in os.listdir(os.path.join(chunks, directory)):
                    path = os.path.join(self.store, ".chunks", directory, name)
                    model.make(path)
                    model.write(path)
        for event, path, second in events(lines):
            if path is not None and not path.startswith(self.store):
                continue
            model.play(event, path, second)
            if event == "rename":
                yield model, second
        yield model, None

    def made_chunks(self, model):
        return [path for path in model.now if re.search(r"/[0-9a-f]{64}$", path)]

    def indexed_chunks(self):
        """The paths of the chunks that the index names, new and re-used ones."""
        entries = self.pxds("index", self.index, "--entries").stdout.decode().splitlines()
        digests = {line.split()[3] for line in entries if line[0].isdigit()}
        known = self.chunk_names(self.template)
        self.assertGreater(len(digests - known), 4)
        self.assertGreater(len(digests & known), 2)
        return [os.path.join(self.store, ".chunks", name[:2], name) for name in digests]

    def check_index(self, level):
        """At its rename the index and all its chunks are safe; at the end its name is, too."""
        seen = 0
        for model, path in self.play(level, unsynced=True):
            if path == self.index:
                seen += 1
                for chunk in self.indexed_chunks():
                    self.assertTrue(model.survives(chunk), chunk)
                self.assertTrue(model.now[path].synced, "the index is synced before its rename")
        self.assertEqual(seen, 1)
        self.assertTrue(model.survives(self.index), "the directory of the index")

    def test_sync_file(self):
        self.check_index("file")

    def test_sync_file_each_chunk(self):
        """A chunk's data are safe before it has its name, and its name is before the next chunk."""
        last = None
        for model, path in self.play("file"):
            if last is not None:
                self.assertTrue(model.survives(last), last)
            last = None
            if path in self.made_chunks(model):
                self.assertTrue(model.now[path].synced, path)
                last = path

    def test_sync_filesystem(self):
        self.check_index("filesystem")

    def test_sync_filesystem_costs_one_call(self):
        _, lines = self.strace("filesystem", "-e", faults.trace(["fsync", "fdatasync", "syncfs"]))
        calls = [match[1] for match in map(LINE.match, lines) if match]
        self.assertEqual(calls.count("syncfs"), 1)
        self.assertLessEqual(len(calls), 3, "the index and its directory besides")

    def test_sync_none_syncs_nothing(self):
        _, lines = self.strace("none", "-e", faults.trace(["fsync", "fdatasync", "syncfs", "sync"]))
        calls = [match[1] for match in map(LINE.match, lines) if match]
        self.assertLessEqual(len(calls), 2, "the index and its directory at most")

    def test_the_model_finds_fault(self):
        """With sync none nothing is safe: the model would notice."""
        for model, path in self.play("none"):
            if path == self.index:
                self.assertFalse(any(map(model.survives, self.made_chunks(model))))


if __name__ == "__main__":
    support.main()
