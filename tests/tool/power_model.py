"""A file system that keeps nothing but what it was told to keep.

Data are kept by fsync of the file, a name by fsync of its directory, both by syncfs. The calls of a
traced program are played to the model, which is then asked what a power failure would leave.
"""

import os
import re

# A file without a name is a deleted one to strace.
LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)(?:<(.*?)>)?(?:\(deleted\))?(?: .*)?$")
FD = re.compile(r"^\d+<(.*)>(?:\(deleted\))?$")
WRITES = ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "copy_file_range")


class Entry:
    """A file, or a directory, whose data are the names in it."""

    def __init__(self, directory):
        self.directory = directory
        self.synced = True  # an empty one has nothing to lose but its own name


class Model:
    """What the program has made, and what it was told of; the rest is not its business."""

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
        """What is kept of a directory's names is kept in it, whatever its own name."""
        self.now[second] = self.now.pop(path)
        for names in (self.now, self.kept):
            for name in [name for name in names if name.startswith(path + "/")]:
                names[second + name[len(path):]] = names.pop(name)

    def exchange(self, path, second):
        self.now[path], self.now[second] = self.now[second], self.now[path]

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

    def play(self, event, path, second):
        """One of `events`."""
        if event == "create":
            self.make(path)
        elif event == "mkdir":
            self.make(path, directory=True)
        elif event == "write":
            self.write(path)
        elif event == "fsync":
            self.fsync(path)
        elif event == "syncfs":
            self.syncfs()
        elif event == "unlink":
            self.remove(path)
        elif event == "exchange":
            self.exchange(path, second)
        else:
            self.move(path, second)


def at(directory, name):
    """The path of a name that was given with a directory's descriptor."""
    name = name.strip('"').removesuffix('"...')
    match = re.match(r"^(?:\d+|AT_FDCWD)<(.*)>$", directory)
    return os.path.normpath(os.path.join(match[1] if match else os.getcwd(), name))


def events(lines):
    """The calls that count: (call, path, second path). That a file gets its first name is a "rename"."""
    unnamed = {}  # descriptor -> what the system calls the file that it is open on
    for line in lines:
        match = LINE.match(line)
        if match is None or match[3].startswith("-"):
            continue
        call, arguments, number, result = match.groups()
        parts = arguments.split(", ")
        fd = FD.match(parts[0])
        if call == "openat" and "O_TMPFILE" in arguments:
            unnamed[f'"/proc/self/fd/{number}"'] = result
            yield "create", result, None
        elif call == "linkat" and parts[1] in unnamed:
            yield "rename", unnamed.pop(parts[1]), at(*parts[2:4])
        elif call in ("openat", "open", "creat") and ("O_CREAT" in arguments or call == "creat"):
            yield "create", result, None
        elif call in WRITES and fd:
            yield "write", fd[1], None
        elif call in ("fsync", "fdatasync") and fd:
            yield "fsync", fd[1], None
        elif call in ("syncfs", "sync"):
            yield "syncfs", None, None
        elif call == "mkdir":
            yield "mkdir", at("", parts[0]), None
        elif call == "mkdirat":
            yield "mkdir", at(*parts[:2]), None
        elif call == "rename":
            yield "rename", at("", parts[0]), at("", parts[1])
        elif call in ("renameat", "renameat2"):
            event = "exchange" if "RENAME_EXCHANGE" in arguments else "rename"
            yield event, at(*parts[:2]), at(*parts[2:4])
        elif call in ("link", "linkat", "symlink", "symlinkat"):
            raise AssertionError(f"the model knows no links: {line}")
        elif call == "unlink":
            yield "unlink", at("", parts[0]), None
        elif call == "unlinkat":
            yield "unlink", at(*parts[:2]), None
