"""What would a power failure leave? Judged from the order of the calls of a put.

A model of a file system that keeps nothing but what it was told to keep: data by fsync of the file,
a name by fsync of its directory, both by syncfs. The put is traced, its calls are played to the
model, and at the rename of the index, and at the end, the model is asked what would be there.
"""

import os
import re

import faults
import support

LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)(?:<(.*?)>)?(?: .*)?$")
FD = re.compile(r"^\d+<(.*)>$")
WRITES = ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "copy_file_range")


class Entry:
    """A file, or a directory, whose data are the names in it."""

    def __init__(self, directory):
        self.directory = directory
        self.synced = True  # an empty one has nothing to lose but its own name


class Model:
    """What the put has made, and what it was told of; the rest is not its business."""

    def __init__(self):
        self.now = {}  # path -> Entry, as the running system sees it
        self.kept = {}  # path -> Entry, as a power failure leaves it

    def make(self, path, directory=False):
        if path not in self.now:
            self.now[path] = Entry(directory)

    def write(self, path):
        if path in self.now:
            self.now[path].synced = False

    def move(self, path, second):
        self.now[second] = self.now.pop(path)

    def remove(self, path):
        self.now.pop(path, None)

    def fsync(self, path):
        entry = self.now.get(path)
        if entry is not None and not entry.directory:
            entry.synced = True
            return
        for name in {*self.kept, *self.now}:
            if os.path.dirname(name) == path:
                self.keep(name)

    def syncfs(self):
        for entry in self.now.values():
            entry.synced = True
        for name in {*self.kept, *self.now}:
            self.keep(name)

    def keep(self, name):
        """The name is on the disk as it is now: there, there as something else, or gone."""
        if name in self.now:
            self.kept[name] = self.now[name]
        else:
            self.kept.pop(name, None)

    def survives(self, path):
        """Whether the file is there after a power failure, whole and under this name."""
        entry = self.now[path]
        if self.kept.get(path) is not entry or not entry.synced:
            return False
        parent = os.path.dirname(path)
        return parent not in self.now or self.survives(parent)


@support.needs_strace
class Power(faults.Scene):
    def at(self, directory, name):
        """The path of a name that was given with a directory's descriptor."""
        name = name.strip('"').removesuffix('"...')
        match = re.match(r"^(?:\d+|AT_FDCWD)<(.*)>$", directory)
        return os.path.normpath(os.path.join(match[1] if match else os.getcwd(), name))

    def events(self, lines):
        """The calls that count: (call, path, second path)."""
        for line in lines:
            match = LINE.match(line)
            if match is None or match[3].startswith("-"):
                continue
            call, arguments, _, result = match.groups()
            parts = arguments.split(", ")
            fd = FD.match(parts[0])
            if call in ("openat", "open", "creat") and ("O_CREAT" in arguments or call == "creat"):
                yield "create", result, None
            elif call in WRITES and fd:
                yield "write", fd[1], None
            elif call in ("fsync", "fdatasync") and fd:
                yield "fsync", fd[1], None
            elif call in ("syncfs", "sync"):
                yield "syncfs", None, None
            elif call == "mkdir":
                yield "mkdir", self.at("", parts[0]), None
            elif call == "mkdirat":
                yield "mkdir", self.at(*parts[:2]), None
            elif call == "rename":
                yield "rename", self.at("", parts[0]), self.at("", parts[1])
            elif call in ("renameat", "renameat2"):
                yield "rename", self.at(*parts[:2]), self.at(*parts[2:4])
            elif call in ("link", "linkat", "symlink", "symlinkat"):
                self.fail(f"the model knows no links: {line}")
            elif call == "unlink":
                yield "unlink", self.at("", parts[0]), None
            elif call == "unlinkat":
                yield "unlink", self.at(*parts[:2]), None

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
        for event, path, second in self.events(lines):
            if path is not None and not path.startswith(self.store):
                continue
            if event == "create":
                model.make(path)
            elif event == "mkdir":
                model.make(path, directory=True)
            elif event == "write":
                model.write(path)
            elif event == "fsync":
                model.fsync(path)
            elif event == "syncfs":
                model.syncfs()
            elif event == "unlink":
                model.remove(path)
            else:
                model.move(path, second)
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
