"""What calls fail with, and what is told meanwhile."""

import datetime
import errno
import logging
import os
import pickle

import pxds
from pxds import _core

from common import TestCase, kit, random_data
import support


WITHOUT_PERMISSION = """
import os, sys
import pxds
pxds.version()
if os.geteuid() == 0:
    os.setuid(65534)
try:
    pxds.Store.open(sys.argv[1])
except PermissionError as error:
    print(*[each.__name__ for each in type(error).__mro__[:2]], error.filename, error.errno, error.strerror)
"""


class Errors(TestCase):
    def test_classes(self):
        statuses = {name for name in kit()["statuses"] if name.startswith("PXDS_ERR_")}
        have = {pxds.status_name(status) for status in pxds.errors.BY_STATUS}
        self.assertEqual(have, statuses)

    def test_what_they_say(self):
        with self.assertRaises(FileNotFoundError) as caught:
            pxds.Store.open(self.path("nowhere"))
        error = caught.exception
        self.assertIsInstance(error, pxds.PxdsError)
        self.assertEqual((error.path, error.errno, error.digest), (self.path("nowhere"), 2, None))
        self.assertEqual((error.filename, error.strerror), (self.path("nowhere"), "No such file or directory"))
        self.assertIn(self.path("nowhere"), str(error))
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), str(again), again.errno), (pxds.NotFoundError, str(error), 2))
        self.assertEqual(again.filename, error.path)
        missing = bytes(32)
        with self.assertRaises(FileNotFoundError) as caught:  # the path of a chunk, which a call has not found
            self.store.load(missing)
        self.assertEqual((caught.exception.filename, caught.exception.digest),
                         (self.store.chunk_path(missing), missing))
        self.store.backup("host/x", {"a.didx": b"data"})
        support.write(self.path("file"), b"")
        with self.assertRaises(pxds.IoError) as caught:
            self.store.group("host/x").last().restore("a.didx", self.path("file/out"))
        self.assertEqual((caught.exception.filename, caught.exception.errno), (self.path("file"), errno.ENOTDIR))
        with self.assertRaises(FileNotFoundError) as caught:  # no call has failed: the manifest has no such archive
            self.store.group("host/x").last().open_file("b.didx")
        self.assertEqual((caught.exception.errno, caught.exception.strerror), (None, None))
        with self.assertRaises(ValueError):
            pxds.Store.open("a\0b")
        with self.assertRaises(TypeError):
            pxds.Store.open(5)

    def test_permissions(self):
        os.mkdir(self.path("closed"), 0)
        text = self.run_python(WITHOUT_PERMISSION, self.path("closed/store"))
        self.assertEqual(text, f"AccessError IoError {self.path('closed/store')} {errno.EACCES} Permission denied\n")

    def test_failures_that_were_caught(self):
        """A stream that broke off ends the backup; what could not begin does not."""
        class Broken:
            def read(self, _size):
                raise EOFError

        with self.assertRaisesRegex(pxds.StateError, "failed before"):
            with self.store.backup("host/x") as backup:
                backup.add("a.didx", b"data")
                with self.assertRaises(EOFError):
                    backup.add("b.didx", Broken())
        self.assertEqual(self.store.snapshots(), [])
        with self.store.backup("host/x") as backup:
            backup.add("a.didx", b"data")
            for failure, name, item in (
                    (FileNotFoundError, "b.didx", self.path("nowhere")), (FileExistsError, "a.didx", b"data"),
                    (TypeError, "b.didx", 5), (ValueError, "b.txt", b"data")):
                with self.assertRaises(failure):
                    backup.add(name, item)
        self.assertEqual([file.name for file in self.store.snapshots()[0].files()], ["a.didx", "index.json.blob"])

    def test_options_that_are_none(self):
        self.store.backup("host/x", {"a.blob": b"1"})
        group = self.store.group("host/x")
        for misspelt in (
                lambda: pxds.Store.open(self.path("store"), readonly=True),
                lambda: group.prune(keep_last=1, dryrun=True),
                lambda: pxds.prune_marks([], keep_dialy=7),
                lambda: self.store.backup("host/x", Key=None),
                lambda: self.store.ingest(thread=1),
                lambda: group.last().restore("a.blob", self.path("out"), spare=True)):
            with self.assertRaisesRegex(TypeError, "is no option here: there are "):
                misspelt()
        self.assertEqual(len(list(group.snapshots())), 1)

    def test_a_damaged_chunk(self):
        data = random_data(100000)
        path = self.store.backup("host/x", {"a.didx": data})
        with self.store.open_snapshot(path) as snapshot:
            chunk = snapshot.index("a.didx")[0]
            file = self.store.chunk_path(chunk.digest)
            os.chmod(file, 0o644)
            blob = bytearray(support.read(file))
            blob[-1] ^= 1
            support.write(file, blob)
            with snapshot.open_file("a.didx") as opened, self.assertRaises(pxds.CorruptError) as caught:
                opened.read(10)
            self.assertEqual((caught.exception.digest, caught.exception.offset), (chunk.digest, 0))
            bad = []
            with snapshot.open_file("a.didx", on_bad=bad.append) as opened:
                self.assertEqual(opened.read(), bytes(100000))
            self.assertEqual([(each.digest, each.status) for each in bad], [(chunk.digest, caught.exception.status)])
        damage = []
        self.assertEqual(self.store.verify(on_damage=damage.append).failed, 1)
        self.assertEqual((damage[0].snapshot, damage[0].chunk, damage[0].renamed), (path, True, True))

    def test_exceptions_pass_through(self):
        class Mine(Exception):
            pass

        def fail(*_):
            raise Mine("here")

        data = random_data(100000)
        index = self.index_of(data)
        self.store.backup("host/x", {"a.didx": data})

        class Broken:
            read = fail
            write = fail

        with pxds.Source(fail) as source:
            calls = [
                lambda: self.index_of(data, on_chunk=fail), lambda: self.index_of(data, progress=fail),
                lambda: self.store.backup("host/y", {"a.didx": Broken()}),
                lambda: self.store.restorer().write(index, Broken()), lambda: self.store.gc(progress=fail),
                lambda: self.store.verify(on_done=fail), lambda: self.store.verify(progress=fail),
                lambda: self.store.stats(progress=fail), lambda: source.get(bytes(32)),
                lambda: pxds.Restorer(source).read(index, 0, 10)]
            for each in calls:
                with self.assertRaisesRegex(Mine, "here"):
                    each()
        self.assertEqual(_core._raised, {})
        self.assertEqual(len(self.store.snapshots()), 1)

    def test_a_text_file_is_refused(self):
        support.write(self.path("text"), b"text")
        with open(self.path("text"), encoding="ascii") as file, self.assertRaises(TypeError):
            self.store.backup("host/x", {"a.didx": file})

    def test_notices(self):
        os.makedirs(self.path("store", "host", "-bad"))
        with self.assertLogs("pxds", logging.INFO) as logged:
            self.store.groups()
        self.assertIn("-bad", logged.output[0])
        told = []
        with pxds.Store.open(self.path("store"), notice=lambda *what: told.append(what)) as store:
            store.groups()
        self.assertIsInstance(told[0][0], pxds.NoticeLevel)
        self.assertIn("-bad", told[0][1])

    def test_naive_times_are_refused(self):
        with self.assertRaises(ValueError):
            self.store.backup("host/x", time=datetime.datetime(2020, 1, 1))
        self.assertEqual(_core.moment(2 ** 62).year, 9999)
        self.assertEqual(_core.moment(-2 ** 62).year, 1)
