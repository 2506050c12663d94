"""The shared library from another language: opened at run time, with threads, fork and dlclose."""

import ctypes
import os
import subprocess
import sys
import threading
from ctypes import c_size_t, c_uint32, c_uint64

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tool"))

import binding  # noqa: E402
import support  # noqa: E402
from support import LIBRARY, ROOT, TestCase, random_data  # noqa: E402

pxds = binding.Library(LIBRARY)


class Symbols(TestCase):
    def test_every_symbol_resolves(self):
        with open(os.path.join(ROOT, "abi", "pxds.symbols"), encoding="ascii") as file:
            names = [line.split()[0] for line in file if line.strip() and line[0] != "#"]
        self.assertGreater(len(names), 50)
        for name in names:
            self.assertTrue(hasattr(pxds.lib, name), name)

    def test_version(self):
        number = pxds.lib.pxds_version_number()
        text = f"{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.assertEqual(pxds.lib.pxds_version().decode(), text)


class Flow(TestCase):
    def setUp(self):
        super().setUp()
        self.store = pxds.new("pxds_store_open_or_create", self.path("store").encode(), None)
        self.addCleanup(pxds.free, "store", self.store)

    def put(self, data, stop_with=0):
        """Stores data through a read callback; gives the index as bytes."""
        config = binding.ChunkerConfig(ctypes.sizeof(binding.ChunkerConfig))
        pxds.call("pxds_chunker_config_init", ctypes.byref(config), c_uint64(4096))
        options = binding.IngestOptions(ctypes.sizeof(binding.IngestOptions))
        options.chunker = ctypes.addressof(config)
        ingest = pxds.new("pxds_ingest_new", self.store, ctypes.byref(options))
        at = 0

        @binding.READ_FN
        def read(_user, out, capacity, length):
            nonlocal at
            if stop_with and at > 0:
                return stop_with
            part = data[at : at + min(capacity, 10000)]
            ctypes.memmove(out, part, len(part))
            length[0] = len(part)
            at += len(part)
            return 0

        try:
            pxds.call("pxds_ingest_read", ingest, read, None)
            writer = pxds.new("pxds_ingest_finish", ingest)
            index = pxds.bytes_of(
                pxds.new("pxds_index_writer_finish", writer, c_size_t(binding.NO_LIMIT))
            )
            pxds.free("index_writer", writer)
            return index
        finally:
            pxds.free("ingest", ingest)

    def get(self, index_bytes):
        index = pxds.new(
            "pxds_index_parse", index_bytes, c_size_t(len(index_bytes)), c_uint32(binding.INDEX_ANY)
        )
        restorer = pxds.new("pxds_restorer_new", self.store, None)
        written = c_uint64()
        out = bytearray()

        @binding.WRITE_FN
        def write(_user, data, length, taken):
            out.extend(ctypes.string_at(data, length))
            taken[0] = length
            return 0

        pxds.call("pxds_restorer_write", restorer, index, write, None, ctypes.byref(written))
        self.assertEqual(written.value, len(out))
        pxds.free("restorer", restorer)
        pxds.free("index", index)
        return bytes(out)

    def test_put_and_get(self):
        data = random_data(123456)
        self.assertEqual(self.get(self.put(data)), data)
        self.assertEqual(self.get(self.put(b"")), b"")

    def test_callback_cancels(self):
        with self.assertRaises(binding.Error) as caught:
            self.put(random_data(50000), stop_with=-321)
        self.assertEqual(caught.exception.status, binding.CANCELLED)
        self.assertEqual(caught.exception.value, -321)

    def test_path_that_is_no_text(self):
        path = os.fsencode(self.path("")) + b"\xff\xfe"
        with self.assertRaises(binding.Error) as caught:
            pxds.new("pxds_store_open", path, None)
        self.assertEqual(caught.exception.status, binding.NOT_FOUND)

    def test_listing(self):
        data = random_data(50000)
        self.put(data)
        listed = pxds.chunks(self.store)
        self.assertGreater(len(listed), 5)
        self.assertEqual(sum(len(pxds.load(self.store, digest)) for digest, _ in listed), 50000)

    def test_threads(self):
        """ctypes gives the interpreter's lock away during a call: these run at the same time."""
        data = random_data(200000)
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(self.get(self.put(data))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 4)
        self.assertTrue(all(result == data for result in results))

    def test_no_thread_stays(self):
        self.put(random_data(100000))
        self.assertEqual(len(os.listdir("/proc/self/task")), threading.active_count())

    def test_fork(self):
        index = self.put(random_data(10000))
        child = os.fork()
        if child == 0:
            pxds.free("store", self.store)
            os._exit(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(len(self.get(index)), 10000)


# Uses the library in a thread, closes it for good, and lets the thread end afterwards.
UNLOAD = """
import _ctypes, ctypes, sys, threading
lib = ctypes.CDLL(sys.argv[1])
used, closed = threading.Event(), threading.Event()
def work():
    lib.pxds_digest_compute(b"x", ctypes.c_size_t(1), (ctypes.c_uint8 * 32)(), None)
    used.set()
    closed.wait()
thread = threading.Thread(target=work)
thread.start()
used.wait()
_ctypes.dlclose(lib._handle)
closed.set()
thread.join()
sys.exit("libpxds.so" not in open("/proc/self/maps").read())
"""

FAIL = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
out, err = ctypes.c_void_p(), ctypes.c_void_p()
sys.exit(lib.pxds_store_open(b"/nowhere", None, ctypes.byref(out), ctypes.byref(err)) != -4)
"""


class Guest(TestCase):
    """A library is a guest in its process."""

    def run_alone(self, code, **environment):
        done = subprocess.run(
            [sys.executable, "-c", code, LIBRARY],
            env=dict(os.environ, **environment),
            capture_output=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_stays_mapped_after_dlclose(self):
        self.run_alone(UNLOAD)

    def test_prints_nothing(self):
        self.run_alone(FAIL, RUST_BACKTRACE="full", RUST_LOG="trace")


if __name__ == "__main__":
    support.main()
