"""The plugin for nbdkit: what it serves, as clients of others see it, and how it fails."""

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import unittest

import support
from support import BUILD, LIBRARY, ROOT, TestCase, random_data, read, write

sys.path.insert(0, os.path.join(ROOT, "tests", "python"))

import binding  # noqa: E402

PLUGIN = os.path.join(BUILD, "nbdkit-pxds-plugin.so")
CHUNK = 4 << 20
BUSY = -6

pxds = binding.Library(LIBRARY)
pxds.lib.pxds_backup_snapshot.restype = ctypes.c_char_p


def needs(program, package):
    return unittest.skipIf(shutil.which(program) is None, f"no {program} (Debian: {package})")


needs_qemu_img = needs("qemu-img", "qemu-utils")
needs_qemu_io = needs("qemu-io", "qemu-utils")
needs_nbdcopy = needs("nbdcopy", "libnbd-bin")
needs_nbdinfo = needs("nbdinfo", "libnbd-bin")


def disk():
    """An image, and what a client should be told of it: (start, length, it is a hole)."""
    data = bytearray(7 * CHUNK + 65536)
    data[:CHUNK] = random_data(CHUNK, 1)
    data[3 * CHUNK:5 * CHUNK] = random_data(2 * CHUNK, 2)
    data[5 * CHUNK + 4096:5 * CHUNK + 8192] = random_data(4096, 3)  # zeros around it: no hole
    data[7 * CHUNK:] = random_data(65536, 4)
    stretches = ((0, 1, False), (1, 2, True), (3, 3, False), (6, 1, True))
    extents = [(start * CHUNK, count * CHUNK, hole) for start, count, hole in stretches]
    return bytes(data), extents + [(7 * CHUNK, 65536, False)]


class Nbd(TestCase):
    def setUp(self):
        super().setUp()
        self.store = self.path("store")

    def backup(self, group, **files):
        """Makes a snapshot with these archives, NAME_KIND=content, and gives its path."""
        store = pxds.new("pxds_store_open_or_create", os.fsencode(self.store), None)
        backup = pxds.new("pxds_backup_new", store, group.encode(), None)
        for name, data in files.items():
            name = name.replace("_", ".")
            write(self.path(name), data)
            with open(self.path(name), "rb") as file:
                pxds.call("pxds_backup_add_fd", backup, name.encode(), file.fileno(), None, None, None)
        pxds.call("pxds_backup_finish", backup)
        path = pxds.lib.pxds_backup_snapshot(backup).decode()
        pxds.free("backup", backup)
        pxds.free("store", store)
        return path

    def chunk_file(self, data):
        """The path of the chunk that has these bytes."""
        name = pxds.digest(data).hex()
        return os.path.join(self.store, ".chunks", name[:2], name)

    def run_ok(self, *command, code=0, **options):
        done = subprocess.run(command, capture_output=True, timeout=120, check=False, **options)
        text = (done.stdout + done.stderr).decode(errors="replace")
        self.assertEqual(done.returncode, code, f"{command}: {text}")
        return text

    def wait_for(self, path, process=None):
        for _ in range(1000):
            if os.path.exists(path) and os.path.getsize(path) > 0:
                return
            if process is not None and process.poll() is not None:
                self.fail(f"nbdkit: exit status {process.returncode}: {read(self.path('stderr'))}")
            time.sleep(0.02)
        self.fail(f"no {path}")

    @contextlib.contextmanager
    def serve(self, *parameters):
        """Runs nbdkit and gives the URI; what it said is in the file "stderr" when it is done."""
        socket, pid_file = self.path("socket"), self.path("pid")
        command = ["nbdkit", "-f", "-U", socket, "-P", pid_file, PLUGIN, f"store={self.store}", *parameters]
        with open(self.path("stderr"), "wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            self.wait_for(pid_file, process)
            yield f"nbd+unix:///?socket={socket}"
            self.assertIsNone(process.poll(), "it goes on serving")
        finally:
            process.terminate()
            code = process.wait(timeout=300)
            for path in (socket, pid_file):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
        self.assertEqual(code, 0, read(self.path("stderr")))

    def said(self):
        return read(self.path("stderr")).decode(errors="replace")

    @needs_qemu_img
    def test_qemu_reads_it_back(self):
        data, _ = disk()
        snapshot = self.backup("vm/100", disk_fidx=data)
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx") as uri:
            raw = ["-f", "raw"]
            self.run_ok("qemu-img", "compare", *raw, "-F", "raw", self.path("disk.fidx"), uri)
            self.run_ok("qemu-img", "convert", *raw, "-O", "raw", uri, self.path("raw"))
            self.run_ok("qemu-img", "convert", *raw, "-O", "qcow2", uri, self.path("qcow2"))
        self.assertTrue(read(self.path("raw")) == data)
        self.run_ok("qemu-img", "compare", "-F", "qcow2", *raw, self.path("disk.fidx"), self.path("qcow2"))
        self.assertEqual(self.said(), "")

    @needs_nbdcopy
    def test_nbdcopy_reads_it_back(self):
        """Many requests at once over four connections, with a cache of one chunk."""
        data, _ = disk()
        snapshot = self.backup("vm/100", disk_fidx=data)
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx", "cache=4M") as uri:
            self.run_ok("nbdcopy", "--connections=4", "--request-size=65536", uri, self.path("raw"))
        self.assertTrue(read(self.path("raw")) == data)
        self.assertEqual(self.said(), "")

    @needs_nbdcopy
    @needs_nbdinfo
    def test_odd_sizes_and_both_kinds(self):
        """In a namespace; a stream has chunks of many sizes, of which nothing is to be preferred."""
        files = {"disk_fidx": random_data(CHUNK + 12345, 5), "root_didx": random_data(3 * CHUNK + 1, 6)}
        snapshot = self.backup("ns/a/ns/b/host/x", **files)
        self.assertTrue(snapshot.startswith("ns/a/ns/b/host/x/"), snapshot)
        for name, data in files.items():
            archive = name.replace("_", ".")
            with self.serve(f"snapshot={snapshot}", f"archive={archive}") as uri:
                self.assertEqual(self.run_ok("nbdinfo", "--size", uri), f"{len(data)}\n")
                [export] = json.loads(self.run_ok("nbdinfo", "--json", uri))["exports"]
                self.run_ok("nbdcopy", uri, self.path("raw"))
            preferred = export.get("block_size_preferred")
            self.assertEqual(preferred, CHUNK if archive.endswith(".fidx") else None)
            self.assertTrue(read(self.path("raw")) == data)

    @needs_nbdinfo
    def test_what_it_offers(self):
        snapshot = self.backup("vm/100", disk_fidx=random_data(5000))
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx") as uri:
            [export] = json.loads(self.run_ok("nbdinfo", "--json", uri))["exports"]
        want = {"is_read_only": True, "can_multi_conn": True, "can_cache": True, "can_trim": False,
                "can_zero": False}
        self.assertEqual({name: export[name] for name in want}, want)

    @needs_nbdinfo
    def test_nbdinfo_sees_holes(self):
        data, extents = disk()
        snapshot = self.backup("vm/100", disk_fidx=data)
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx") as uri:
            found = json.loads(self.run_ok("nbdinfo", "--map", "--json", uri))
        self.assertEqual([(each["offset"], each["length"], each["type"] == 3) for each in found], extents)

    @needs_qemu_img
    def test_qemu_sees_holes(self):
        data, extents = disk()
        snapshot = self.backup("vm/100", disk_fidx=data)
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx") as uri:
            found = json.loads(self.run_ok("qemu-img", "map", "-f", "raw", "--output=json", uri))
        self.assertEqual([(each["start"], each["length"], each["zero"]) for each in found], extents)

    @needs_qemu_io
    def test_bad_chunks_are_io_errors(self):
        """Where they are and nowhere else, to a client that goes on after them."""
        data = random_data(3 * CHUNK)
        snapshot = self.backup("vm/100", disk_fidx=data)
        damaged, lost = (self.chunk_file(data[i * CHUNK:(i + 1) * CHUNK]) for i in (0, 1))
        blob = bytearray(read(damaged))
        blob[len(blob) // 2] ^= 1
        write(damaged, blob)
        os.unlink(lost)
        reads = [f"read {offset} 4k" for offset in (CHUNK - 4096, CHUNK, 2 * CHUNK, 2 * CHUNK - 4096, 0)]
        command = ["qemu-io", "-r", "-f", "raw"] + [part for each in reads for part in ("-c", each)]
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx") as uri:
            text = self.run_ok(*command, uri, code=1)
            [good] = re.findall(r"^read 4096/4096 bytes at offset (\d+)$", text, re.MULTILINE)
            self.assertEqual(int(good), 2 * CHUNK, text)
            self.assertEqual(text.count("read failed: Input/output error"), 4, text)
            again = self.run_ok("qemu-io", "-r", "-f", "raw", "-c", f"read {2 * CHUNK} 4M", uri)
            self.assertIn("read 4194304/4194304", again)
        for path in (damaged, lost):
            name = os.path.basename(path)
            self.assertEqual(len(re.findall(f"error: .*{name}", self.said())), 2, self.said())

    def refuse(self, *parameters):
        """What nbdkit says before it ends with an error."""
        # With "-U -" it would leave the directory of its socket behind.
        command = ["nbdkit", "-U", self.path("refused"), PLUGIN, *parameters, "--run", "true"]
        text = self.run_ok(*command, code=1)
        self.assertRegex(text, r"\Anbdkit: .*error: ")
        self.assertNotIn("panic", text)
        return text

    def test_refusals(self):
        snapshot = self.backup("vm/100", disk_fidx=random_data(5000), conf_blob=b"text")
        store, where = f"store={self.store}", f"snapshot={snapshot}"
        missing = "snapshot=vm/100/2001-01-01T00:00:00Z"
        archive = "archive=disk.fidx"
        self.assertIn("none.fidx", self.refuse(store, where, "archive=none.fidx"))
        self.assertIn("conf.blob", self.refuse(store, where, "archive=conf.blob"))
        self.assertIn("../disk.fidx", self.refuse(store, where, "archive=../disk.fidx"))
        self.assertIn("2001-01-01T00:00:00Z", self.refuse(store, missing, archive))
        self.assertIn('"now"', self.refuse(store, "snapshot=vm/100/now", archive))
        self.assertIn('".."', self.refuse(store, "snapshot=../../etc", archive))
        self.assertIn(self.path("none"), self.refuse(f"store={self.path('none')}", where, archive))
        self.assertIn(".chunks", self.refuse(f"store={self.dir}", where, archive))
        self.assertIn("cache", self.refuse(store, where, archive, "cache=0"))
        self.assertIn("much", self.refuse(store, where, archive, "cache=much"))
        self.assertIn("colour", self.refuse(store, where, archive, "colour=red"))
        for left_out in range(3):
            parameters = [store, where, archive]
            del parameters[left_out]
            self.assertIn("needed", self.refuse(*parameters))

    def test_damaged_index(self):
        snapshot = self.backup("vm/100", disk_fidx=random_data(5000))
        path = os.path.join(self.store, snapshot, "disk.fidx")
        index = bytearray(read(path))
        index[4096] ^= 1
        write(path, index)
        self.assertIn(path, self.refuse(f"store={self.store}", f"snapshot={snapshot}", "archive=disk.fidx"))

    @needs_nbdcopy
    def test_in_the_background(self):
        """Behind a fork and a change of the directory, from a relative path."""
        data = random_data(CHUNK + 4096)
        snapshot = self.backup("vm/100", disk_fidx=data)
        self.run_ok("nbdkit", "-U", self.path("socket"), "-P", self.path("pid"), PLUGIN, "store=store",
                    f"snapshot={snapshot}", "archive=disk.fidx", cwd=self.dir)
        self.wait_for(self.path("pid"))
        pid = int(read(self.path("pid")))
        self.addCleanup(os.kill, pid, 15)
        self.run_ok("nbdcopy", f"nbd+unix:///?socket={self.path('socket')}", self.path("raw"))
        self.assertTrue(read(self.path("raw")) == data)

    def test_holds_the_snapshot(self):
        snapshot = self.backup("vm/100", disk_fidx=random_data(5000))
        store = pxds.open_store(self.store)
        with self.serve(f"snapshot={snapshot}", "archive=disk.fidx"), socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path("socket"))
            self.assertEqual(client.recv(8), b"NBDMAGIC")  # the pid file is there before the snapshot is held
            with self.assertRaises(binding.Error) as caught:
                pxds.call("pxds_snapshot_destroy", store, snapshot.encode())
            self.assertEqual(caught.exception.status, BUSY)
        pxds.call("pxds_snapshot_destroy", store, snapshot.encode())
        pxds.free("store", store)
        self.assertFalse(os.path.exists(os.path.join(self.store, snapshot)))

    def test_dump_plugin(self):
        text = self.run_ok("nbdkit", "--dump-plugin", PLUGIN)
        version = ctypes.cast(pxds.lib.pxds_version(), ctypes.c_char_p).value.decode()
        for line in ("thread_model=parallel", f"pxds_version={version}"):
            self.assertIn(line, text.splitlines())


if __name__ == "__main__":
    support.main()
