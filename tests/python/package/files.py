"""A stored file beside a file of the system's: each method does the same."""

import copy
import io
import os
import pickle

import pxds

from common import TestCase
import support

DATA = b"first\nsecond\n" + bytes(range(128)) * 500
# What is done, each with a file that stands at byte 3.
USES = {
    "read": lambda file: file.read(), "read some": lambda file: file.read(5), "read nothing": lambda file: file.read(0),
    "read None": lambda file: file.read(None), "read -1": lambda file: file.read(-1),
    "read by True": lambda file: file.read(True), "read 1.5": lambda file: file.read(1.5),
    "read text": lambda file: file.read("5"), "readall": lambda file: file.readall(),
    "read twice": lambda file: (file.read(), file.read(), file.readall(), file.tell()),
    "readline": lambda file: file.readline(), "readline some": lambda file: file.readline(2),
    "readlines": lambda file: file.readlines(1)[:2], "next": next, "iter": lambda file: iter(file) is file,
    "readinto": lambda file: into(file, bytearray(7)), "readinto nothing": lambda file: into(file, bytearray()),
    "readinto ints": lambda file: into(file, memoryview(bytearray(8)).cast("I")),
    "readinto bytes": lambda file: file.readinto(b"1234"), "readinto None": lambda file: file.readinto(None),
    "readinto a part": lambda file: file.readinto(memoryview(bytearray(8))[::2]), "tell": lambda file: file.tell(),
    "seek": lambda file: (file.seek(10), file.read(3)), "seek True": lambda file: file.seek(True),
    "seek on": lambda file: (file.seek(5, os.SEEK_CUR), file.read(3)), "seek back": lambda file: file.seek(-2, 1),
    "seek from the end": lambda file: (file.seek(-4, os.SEEK_END), file.read()),
    "seek behind the end": lambda file: (file.seek(10, os.SEEK_END), file.read(5), into(file, bytearray(2))),
    "seek 1.5": lambda file: file.seek(1.5), "seek text": lambda file: file.seek("1"),
    "seek whence": lambda file: file.seek(1, 1.0), "seek far": lambda file: file.seek(2 ** 64),
    "seek nowhere": lambda file: file.seek(None), "write": lambda file: file.write(b"x"),
    "writelines": lambda file: file.writelines([b"x"]), "truncate": lambda file: file.truncate(),
    "truncate some": lambda file: file.truncate(5), "flush": lambda file: file.flush(),
    "isatty": lambda file: file.isatty(), "readable": lambda file: file.readable(),
    "seekable": lambda file: file.seekable(), "writable": lambda file: file.writable(),
    "closed": lambda file: file.closed, "close": lambda file: (file.close(), file.close(), file.closed),
    "with": lambda file: file.__enter__() is file, "leave": lambda file: (file.__exit__(None, None, None), file.closed),
    "detach": lambda file: file.detach(), "read1": lambda file: file.read1(), "pickle": pickle.dumps, "copy": copy.copy,
    "buffered": lambda file: lines(io.BufferedReader(file)),
    "text": lambda file: lines(io.TextIOWrapper(io.BufferedReader(file))),
}


def lines(file):
    with file:
        return file.readline(), file.readline()


def into(file, room):
    return file.readinto(room), bytes(room)


class Files(TestCase):
    def setUp(self):
        super().setUp()
        support.write(self.path("file"), DATA)
        self.snapshot = self.store.snapshot(self.store.backup("host/x", {"a.didx": DATA}))

    def outcome(self, file, use):
        try:
            return use(file)
        except Exception as error:
            return type(error)
        finally:
            file.close()

    def test_as_those_of_the_system(self):
        for name, use in USES.items():
            for closed in (False, True):
                outcomes = []
                for file in (self.snapshot.open_file("a.didx"), open(self.path("file"), "rb", buffering=0)):
                    file.seek(3)
                    if closed:
                        file.close()
                    outcomes.append(self.outcome(file, use))
                with self.subTest(name=name, closed=closed):
                    self.assertEqual(*outcomes)
                if outcomes[0] == TypeError:
                    break  # which comes first, of two mistakes, is nobody's business

    def test_where_they_differ(self):
        """It is no descriptor, and a place that cannot be is a ValueError, as of io.BytesIO."""
        with self.snapshot.open_file("a.didx") as file:
            self.assertRaises(io.UnsupportedOperation, file.fileno)
            for offset, whence in ((-1, os.SEEK_SET), (-1, os.SEEK_CUR), (0, 7)):
                self.assertRaises(ValueError, file.seek, offset, whence)
            self.assertEqual((file.size, file.tell()), (len(DATA), 0))
        self.assertIsInstance(file, io.RawIOBase)
        self.assertRaises(TypeError, pxds.ReaderFile, None)
