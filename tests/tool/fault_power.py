"""What would a power failure leave? Judged from the order of the calls of a put.

The put is traced, its calls are played to the model of a file system, and at the rename of the
index, and at the end, the model is asked what would be there.
"""

import os
import re
import shutil
import sys

import faults
import support
from power_model import LINE, Model, events

# Inserts into an empty store at level "file": an ingest's chunk, whose index is not saved, then a chunk
# by itself, into the directory that the ingest has made ("made") or into a new one ("new").
DIRECT = """
import ctypes, os, struct, sys, zlib
sys.path.insert(0, sys.argv[1])
import binding
pxds = binding.Library(sys.argv[2])
options = binding.sized(binding.StoreOptions, sync=2)
store = pxds.new("pxds_store_open", os.fsencode(sys.argv[3]), ctypes.byref(options))
stream = binding.sized(binding.IngestOptions, threads=1)
ingest = pxds.new("pxds_ingest_new", store, ctypes.byref(stream))
data = open(sys.argv[4], "rb").read()
pxds.call("pxds_ingest_write", ingest, data, ctypes.c_size_t(len(data)))
writer = pxds.new("pxds_ingest_finish", ingest)
(made,) = os.listdir(os.path.join(sys.argv[3], ".chunks"))
prefix = int(made, 16) ^ (sys.argv[5] == "new")
blob = bytes([66, 171, 56, 7, 190, 131, 112, 161]) + struct.pack("<I", zlib.crc32(b"x")) + b"x"
digest = bytes([prefix]) + bytes(31)
pxds.call("pxds_store_insert", store, digest, blob, ctypes.c_size_t(len(blob)), 0, None)
"""
DIRECT_CHUNK = re.compile("/[0-9a-f]{2}0{62}$")


@support.needs_strace
class Power(faults.Scene):
    def play(self, level, unsynced=False, command=None):
        """Yields (model, path) after every rename, and (model, None) at the end.

        unsynced: what the store had before is as a put that synced nothing has left it.
        """
        done, lines = self.strace(level, "-y", "-e", faults.trace(faults.CHANGING), command=command)
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

    def known_nothing(self):
        """A put of which the store has nothing, into directories that exist and others that do not."""
        support.write(self.path("new"), support.random_data(35000, 3))
        chunks = os.path.join(self.template, ".chunks")
        for name in self.chunk_names(self.template):
            os.unlink(os.path.join(chunks, name[:2], name))
        directories = sorted(os.listdir(chunks))
        for name in directories[::2]:
            os.rmdir(os.path.join(chunks, name))

    def test_sync_file_new_chunks(self):
        """Before the rename of the index the chunks have their names, and each directory was synced once."""
        self.known_nothing()
        seen = 0
        for model, path in self.play("file", unsynced=True):
            if path in self.made_chunks(model):
                self.assertTrue(model.now[path].synced, "a chunk is synced before its rename")
            if path == self.index:
                seen += 1
                chunks = self.made_chunks(model)
                self.assertGreater(len(chunks), 10)
                for chunk in chunks:
                    self.assertTrue(model.survives(chunk), chunk)
        self.assertEqual(seen, 1)
        _, lines = self.strace("file", "-y", "-e", faults.trace(["fsync", "fdatasync", "syncfs"]))
        synced = [match[2] for match in map(LINE.match, lines) if match]
        directories = [path for path in synced if re.search(r"/\.chunks(/[0-9a-f]{2})?>$", path)]
        self.assertGreater(len(directories), 10)
        self.assertEqual(len(directories), len(set(directories)))
        # Files, these directories, the index, and its directory.
        self.assertEqual(len(synced), len(self.chunk_names()) + len(directories) + 2)

    def test_sync_file_inserted_by_itself(self):
        """A chunk that belongs to no ingest is safe when the insert returns."""
        shutil.rmtree(os.path.join(self.template, ".chunks"))
        os.mkdir(os.path.join(self.template, ".chunks"))
        for directory in ("made", "new"):
            command = [sys.executable, "-B", "-c", DIRECT, os.path.join(support.ROOT, "tests", "python"),
                       support.LIBRARY, self.store, self.path("new"), directory]
            *_, (model, _) = self.play("file", command=command)
            (chunk,) = filter(DIRECT_CHUNK.search, model.now)
            self.assertTrue(model.survives(chunk), directory)

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
