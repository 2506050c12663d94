"""Closing, threads, fork, signals, and interpreters that end."""

import copy
import gc
import io
import os
import pickle
import shutil
import signal
import threading

import pxds

from common import TestCase, random_data
import support


BESIDE_A_DAEMON = """
import io, os, sys, threading, time, pxds
began = threading.Event()
class Slow(io.RawIOBase):
    def readinto(self, room):
        time.sleep(.01)
        room[:1000] = os.urandom(1000)
        began.set()
        return 1000
def progress(_):
    began.set()
store = pxds.Store.open(sys.argv[1])
backup = lambda: store.backup("host/a", {"a.didx": STREAM}, progress=progress)
threading.Thread(target=backup, daemon=True).start()
began.wait()
time.sleep(.2)
"""


class Handles(TestCase):
    def test_closed(self):
        self.store.close()
        self.store.close()
        self.assertTrue(self.store.closed)
        for use in (self.store.groups, lambda: self.store.path, self.store.gc):
            with self.assertRaisesRegex(ValueError, "Store is closed"):
                use()
        self.assertEqual(repr(self.store), "<pxds.Store, closed>")
        with self.assertRaises(TypeError):
            pxds.Store()

    def test_no_copies(self):
        """A copy would be a second owner of the same object."""
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with self.assertRaisesRegex(TypeError, "a Store can be neither copied nor pickled"):
                copied(self.store)

    def test_what_was_made_from_it_stays(self):
        told = []
        with pxds.Store.open(self.path("store"), notice=lambda *what: told.append(what)) as store:
            path = store.backup("host/x", {"a.didx": b"data"})
            file = store.snapshot(path).open_file("a.didx")
        self.assertEqual(file.read(), b"data")
        file.close()

    def test_callbacks_of_what_is_closed(self):
        told = []
        with pxds.Store.open(self.path("store"), notice=lambda *notice: told.append(notice)) as store:
            path = store.backup("host/a", {"a.blob": b"hello", "a.didx": random_data(5000)})
            shutil.copy(self.path("store", path, "a.blob"), self.path("store", path, "extra.blob"))
            index = pxds.Index(self.path("store", path, "a.didx"))
            snapshot = store.open_snapshot(path)
        gc.collect()
        self.assertEqual(snapshot.read_blob("extra.blob"), b"hello")
        self.assertIn("extra.blob", told[-1][1])
        chunks = pxds.Source.from_store(self.store)
        with pxds.Source(chunks.get) as source:
            restorer = pxds.Restorer(source)
        gc.collect()
        self.assertEqual(restorer.read(index, 0, 5000), random_data(5000))

    def test_files_that_do_something_else(self):
        class Upper(io.FileIO):
            def readinto(self, room):
                count = super().readinto(room)
                room[:count] = bytes(room[:count]).upper()
                return count

        class Keep(io.BytesIO):
            def __init__(self):
                super().__init__()
                self.parts = []

            def write(self, part):
                self.parts.append(part)

        with open(self.path("low"), "wb") as file:
            file.write(b"abc" * 1000)
        with Upper(self.path("low")) as one, io.BufferedReader(Upper(self.path("low"))) as other:
            path = self.store.backup("host/a", {"a.didx": one, "b.didx": other})
        snapshot = self.store.snapshot(path)
        for name in ("a.didx", "b.didx"):
            with snapshot.open_file(name) as file:
                self.assertEqual(file.read(), b"ABC" * 1000)
        kept = Keep()
        index = pxds.Index(self.path("store", path, "a.didx"))
        with self.store.restorer() as restorer:
            restorer.write(index, kept)
        gc.collect()
        self.assertEqual(b"".join(kept.parts), b"ABC" * 1000)

    def test_a_reader_outlives_its_files(self):
        path = self.store.backup("host/a", {"a.didx": b"content"})
        with self.store.open_snapshot(path).reader("a.didx") as reader:
            with reader.open() as file:
                self.assertEqual(file.read(), b"content")
            self.assertEqual(reader.open().read(3), b"con")
            gc.collect()
            self.assertEqual(reader.read_at(0, 10), b"content")

    def test_progress_of_a_file(self):
        """Its size is the total, which is reached, whatever it becomes meanwhile; of a stream nobody knows it."""
        path, size = self.path("file"), 3 << 20
        for grows in (0, 1 << 20, -(1 << 20)):
            support.write(path, random_data(size))
            told = []

            def tell(progress):
                if not told:
                    os.truncate(path, size + grows)
                told.append(progress)
            with self.store.backup("host/a") as backup:
                backup.add("a.didx", path, progress=tell)
            last = told[-1]
            self.assertEqual((told[0].done, told[0].total), (0, size))
            self.assertEqual((last.done, last.total, last.bytes), (size + grows,) * 3)
            self.assertTrue(all(each.done <= each.total or each.total == 0 for each in told), told)
        told = []
        self.store.backup("host/a", {"a.blob": path}, progress=told.append)
        self.assertIn((2 << 20, 2 << 20), [(each.done, each.total) for each in told])
        told = []
        with self.store.backup("host/a") as backup:
            backup.add("a.didx", io.BytesIO(random_data(size)), progress=told.append)
        self.assertEqual({each.total for each in told}, {0})

    def test_progress_of_items(self):
        with self.assertRaises(ZeroDivisionError):
            self.store.backup("host/a", {"a.didx": "/dev/zero"}, progress=lambda progress: 1 // 0)

    def test_close_beside_a_call(self):
        """It takes effect when the call ends."""
        entered, go = threading.Event(), threading.Event()
        data = random_data(100000)

        class Slow:
            def read(self, size, rest=[data]):
                entered.set()
                go.wait(60)
                return rest.pop() if rest and size >= len(data) else b""

        backup = self.store.backup("host/x")
        thread = threading.Thread(target=lambda: backup.add("a.didx", Slow()))
        thread.start()
        entered.wait(60)
        backup.close()
        self.assertTrue(backup.closed)
        go.set()
        thread.join()
        with self.assertRaisesRegex(ValueError, "closed"):
            backup.finish()
        self.store.backup("host/x", {"a.didx": data})

    def test_threads(self):
        data = random_data(400000)
        path = self.store.backup("host/x", {"a.didx": data})
        wrong = []
        with self.store.open_snapshot(path) as snapshot, snapshot.reader("a.didx") as reader:
            def work(number):
                for step in range(20):
                    at = (number * 7919 + step * 10007) % 390000
                    if reader.read_at(at, 5000) != data[at:at + 5000]:
                        wrong.append(at)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])

    def test_other_threads_run_meanwhile(self):
        """A call that waits for a pipe does not keep the interpreter."""
        out, into = os.pipe()
        with self.store.backup("host/x") as backup:
            thread = threading.Thread(target=lambda: backup.add_fd("a.didx", out))
            thread.start()
            os.write(into, b"data")
            os.close(into)
            thread.join(60)
            self.assertFalse(thread.is_alive())
        os.close(out)

    def test_fork(self):
        path = self.store.backup("host/x", {"a.didx": b"data"})
        backup = self.store.backup("host/y")
        child = os.fork()
        if child == 0:
            try:
                self.store.groups()
            except pxds.ForkedError as error:
                backup.close()
                own = pxds.Store.open(self.path("store"))
                os._exit(0 if "fork" in str(error) and own.snapshot(path).info().finished else 1)
            os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        backup.add("a.didx", b"data")
        backup.finish()
        backup.close()
        self.assertEqual(len(self.store.snapshots()), 2)

    def test_ctrl_c(self):
        """A call without callables heeds signals too."""
        out, into = os.pipe()
        self.addCleanup(os.close, out)
        self.addCleanup(os.close, into)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt), self.store.backup("host/x") as backup:
            backup.add_fd("a.didx", out)
        self.assertEqual(self.store.snapshots(), [])


WITH_OPEN_HANDLES = """
import pxds, sys, threading
store = pxds.Store.open_or_create(sys.argv[1], notice=print)
path = store.backup("host/x", {"a.didx": b"data"})
file = store.snapshot(path).open_file("a.didx")
backup = store.backup("host/y", progress=print)
ingest = store.ingest()
ingest.write(b"x")
cycle = [store, file]
cycle.append(cycle)
chunks = store.chunks()
next(chunks)
"""

WRONG_LIBRARY = """
import pxds
try:
    pxds.version()
except ImportError as error:
    assert isinstance(error, pxds.LibraryError)
    print(error)
"""


class Structures(TestCase):
    """What a package and a library of different versions hand each other."""

    def create(self, options):
        out = pxds.ffi.new("pxds_store **")
        status = pxds.lib.pxds_store_create(os.fsencode(self.path("other")), options, out, pxds.ffi.NULL)
        pxds.lib.pxds_store_free(out[0])
        return pxds.status_name(status)

    def test_of_other_versions(self):
        size = pxds.ffi.sizeof("pxds_store_options")
        room = pxds.ffi.new("char[]", size + 8)
        options = pxds.ffi.cast("pxds_store_options *", room)
        options.struct_size = size + 8
        room[size] = b"x"  # a newer one wants what this library does not have
        self.assertEqual(self.create(options), "PXDS_ERR_ARGUMENT")
        room[size] = b"\0"
        self.assertEqual(self.create(options), "PXDS_OK")
        for too_small in (0, pxds.ffi.offsetof("pxds_store_options", "progress")):  # as none ever was
            options.struct_size = too_small
            self.assertEqual(self.create(options), "PXDS_ERR_ARGUMENT")


class Interpreters(TestCase):
    def test_exit_with_open_handles(self):
        self.assertEqual(self.run_python(WITH_OPEN_HANDLES, self.path("other")), "")
        with pxds.Store.open(self.path("other")) as store:
            self.assertEqual([each.name.id for each in store.snapshots()], ["x"])
            store.backup("host/y", {"a.didx": b"data"})

    def test_exit_beside_daemon_threads(self):
        for stream in ('Slow()', '"/dev/urandom"'):
            code = BESIDE_A_DAEMON.replace("STREAM", stream)
            self.assertEqual(self.run_python(code, self.path("store")), "")
        self.assertEqual(list(self.store.snapshots()), [])

    def test_wrong_libraries(self):
        self.assertIn("PXDS_LIBRARY", self.run_python(WRONG_LIBRARY, PXDS_LIBRARY="/nowhere/libpxds.so.0"))
        self.assertIn("not libpxds", self.run_python(WRONG_LIBRARY, PXDS_LIBRARY="libc.so.6"))
        other = os.environ.get("OTHER_ABI")
        if other:
            self.assertIn("ABI 4711", self.run_python(WRONG_LIBRARY, PXDS_LIBRARY=other))

    def test_explicit_path(self):
        code = "import pxds, sys; pxds.load(sys.argv[1]); print(pxds.version())"
        given = os.environ.get("PXDS_LIBRARY") or support.LIBRARY
        self.assertEqual(self.run_python(code, given, PXDS_LIBRARY="/nowhere").strip(), pxds.version())
