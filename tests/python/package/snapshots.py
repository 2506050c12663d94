"""Making, listing and reading snapshots."""

import datetime
import io
import os
import pathlib
import subprocess
import tarfile
import time

import pxds

from common import THEN, TestCase, random_data
import support


class Snapshots(TestCase):
    def test_all_kinds_of_items(self):
        data = random_data(300000)
        support.write(self.path("file"), data)
        with open(self.path("file"), "rb") as raw, open(self.path("file"), "rb", buffering=0) as unbuffered:
            raw.read(1000)
            items = {
                "path.didx": self.path("file"), "pathlib.didx": pathlib.Path(self.path("file")),
                "bytes.didx": data, "view.didx": memoryview(data)[1000:], "memory.didx": io.BytesIO(data),
                "rest.didx": raw, "raw.didx": unbuffered, "image.fidx": self.path("file"), "note.blob": b"small"}
            path = self.store.backup("host/x", items, time=THEN)
            self.assertEqual(raw.read(), b"", "it has been read to its end")
        self.assertEqual(path, "host/x/2020-06-26T13:56:05Z")
        with self.store.open_snapshot(path) as snapshot:
            for name in items:
                if name == "note.blob":
                    self.assertEqual(snapshot.read_blob(name), b"small")
                    continue
                with snapshot.open_file(name) as file:
                    self.assertEqual(file.read(), data[1000:] if name in ("view.didx", "rest.didx") else data, name)

    def test_sockets_pipes_and_read_only_objects(self):
        class Reads:
            """Only read(), and fewer bytes than it is asked for."""

            def __init__(self, data):
                self.file = io.BytesIO(data)

            def read(self, size):
                return self.file.read(min(size, 777))

        data = random_data(100000)
        with subprocess.Popen(["head", "-c", "100000", "/dev/zero"], stdout=subprocess.PIPE) as child:
            self.assertEqual(child.stdout.peek(1)[:1], b"\0")
            with self.store.backup("host/x") as backup:
                backup.add("pipe.didx", child.stdout)
                backup.add("reads.didx", Reads(data))
        snapshot = self.store.group("host/x").last()
        with snapshot.open_file("pipe.didx") as file:
            self.assertEqual(file.read(), bytes(100000))
        with snapshot.open_file("reads.didx") as file:
            self.assertEqual(file.read(), data)

    def test_an_exception_leaves_nothing(self):
        with self.assertRaises(ZeroDivisionError):
            with self.store.backup("host/x") as backup:
                backup.add("a.didx", b"data")
                1 / 0
        self.assertEqual(self.store.snapshots(), [])
        self.assertTrue(backup.closed)
        with self.store.backup("host/x", time=THEN) as backup:
            backup.add("a.didx", b"data")
        self.assertEqual([each.path for each in self.store.snapshots()], [backup.snapshot])

    def test_listing(self):
        for day in range(3):
            self.store.backup("ct/7", {"a.didx": b"data"}, time=THEN + datetime.timedelta(days=day), notes=f"day {day}")
        self.store.backup("ns/a/host/x", {"a.didx": b"data"}, time=THEN)
        self.assertEqual([group.path for group in self.store.groups(recursive=True)], ["ct/7", "ns/a/host/x"])
        self.assertEqual(self.store.namespaces(), ["a"])
        listed = self.store.snapshots(owners=True, manifests=True)
        self.assertTrue(listed.complete)
        self.assertEqual([each.time.day for each in listed], [26, 27, 28])
        self.assertEqual(listed[0].time, THEN)
        self.assertEqual(listed[1].details.notes, "day 1")
        self.assertEqual((listed[0].owner, listed[0].size, listed[0].finished), ("root@pam", 4, True))
        self.assertEqual([file.name for file in listed[0].files()], ["a.didx", "index.json.blob"])
        listed[0].protect()
        self.assertTrue(listed[0].info().protected)
        with self.assertRaises(pxds.ProtectedError):
            listed[0].destroy()
        listed[0].unprotect()
        listed[0].notes = "Grüße"
        self.assertEqual(self.store.snapshot(listed[0].path).notes, "Grüße")
        listed[0].set_unprotected("mine", {"a": [1]})
        self.assertEqual(listed[0].manifest().get_unprotected("mine"), {"a": [1]})
        self.assertTrue(self.store.group("ct/7").prune(keep_last=1, dry_run=True).complete)
        with self.assertRaises(pxds.ProtectedError):
            listed[0].protect()
            self.store.group("ct/7").destroy(dry_run=True)
        listed[0].unprotect()
        marks = {each.path: (each.mark, each.kept_by) for each in self.store.group("ct/7").prune(keep_last=1)}
        self.assertEqual(marks[listed[2].path], (pxds.Mark.KEEP, pxds.KeptBy.LAST))
        self.assertEqual(marks[listed[0].path], (pxds.Mark.REMOVE, 0))
        self.assertEqual(len(self.store.group("ct/7").snapshots()), 1)
        self.store.group("ct/7").owner = "somebody@pbs"
        self.store.group("ct/7").notes = "a container"
        again = self.store.group("ct/7")
        self.assertEqual((again.owner, again.notes), ("somebody@pbs", "a container"))
        self.assertEqual(self.store.group("ct/7").destroy().removed, 1)
        self.assertIsNone(self.store.group("ct/7").last())

    def test_names_are_values(self):
        path = self.store.backup("host/x", {"a.didx": b"data"})
        group, snapshot, (listed,) = self.store.group("host/x"), self.store.snapshot(path), self.store.snapshots()
        self.assertEqual((group, snapshot, [snapshot]), (self.store.groups()[0], listed, self.store.snapshots()))
        self.assertEqual(snapshot.group, group)
        self.assertEqual({snapshot: 1, listed: 2, group: 3}, {listed: 2, group: 3})
        with pxds.Store.open(self.path("store")) as other:
            self.assertNotEqual(other.group("host/x"), group)
        self.assertNotIn(path, [snapshot, self.store.group("host/y"), group])
        self.assertEqual([repr(each) for each in (group, snapshot, listed)], [
            "<pxds.Group 'host/x'>", f"<pxds.Snapshot '{path}'>", f"<pxds.SnapshotEntry '{path}'>"])
        self.assertEqual(pxds.__version__, pxds.version())

    def test_tar(self):
        with tarfile.open(self.path("a.tar"), "w") as tar:
            for name in ("one", "two"):
                info = tarfile.TarInfo(name)
                info.size = 200000
                tar.addfile(info, io.BytesIO(random_data(200000)))
        path = self.store.backup("host/x", {"a.didx": self.path("a.tar")})
        with self.store.snapshot(path).open_file("a.didx") as file, tarfile.open(fileobj=file) as tar:
            self.assertEqual(tar.getnames(), ["one", "two"])
            self.assertEqual(tar.extractfile("two").read(), random_data(200000))
        with self.store.snapshot(path).open_file("a.didx") as file, io.BufferedReader(file, 1 << 20) as buffered:
            self.assertEqual(buffered.read(), support.read(self.path("a.tar")))

    def test_file_object(self):
        data = random_data(100000)
        path = self.store.backup("host/x", {"a.didx": data})
        file = self.store.snapshot(path).open_file("a.didx")
        self.assertIsInstance(file, io.RawIOBase)
        self.assertEqual((file.readable(), file.seekable(), file.writable(), file.size), (True, True, False, 100000))
        self.assertEqual(file.seek(-10, os.SEEK_END), 99990)
        self.assertEqual(file.read(), data[-10:])
        self.assertEqual(file.read(5), b"")
        self.assertEqual(file.seek(50), 50)
        self.assertEqual(file.seek(25, os.SEEK_CUR), 75)
        room = bytearray(5)
        self.assertEqual((file.readinto(room), bytes(room), file.tell()), (5, data[75:80], 80))
        for offset, whence in ((-1, os.SEEK_SET), (0, 7)):
            with self.assertRaises(ValueError):
                file.seek(offset, whence)
        with self.assertRaises(pxds.BusyError):
            self.store.snapshot(path).destroy()
        file.close()
        for use in (file.read, file.tell, lambda: file.seek(0), lambda: file.readinto(room)):
            with self.assertRaises(ValueError):
                use()
        self.store.snapshot(path).destroy()

    def test_restore_and_work(self):
        data = random_data(500000)
        path = self.store.backup("host/x", {"a.didx": data, "b.blob": b"small"})
        self.store.snapshot(path).restore("a.didx", self.path("out"))
        self.assertEqual(support.read(self.path("out")), data)
        self.assertIsNone(self.store.snapshots(manifests=True)[0].details.verify_time)
        done = []
        result = self.store.verify(on_done=done.append)
        self.assertEqual((result.ok, result.failed, done[0].outcome), (1, 0, pxds.Outcome.OK))
        details = self.store.snapshots(manifests=True)[0].details
        self.assertEqual(details.verify_state, pxds.VerifyState.OK)
        self.assertGreaterEqual(details.verify_time, details.time)
        stats = self.store.stats(exact=True)
        self.assertEqual((stats.total.described.logical_bytes, stats.total.exact), (500000, True))
        self.assertEqual(stats.groups[0].path, "host/x")
        self.assertEqual(stats.snapshots[0].used, stats.total.used)
        self.assertEqual(stats.shared(0, 0), 500000)
        self.assertIsNone(self.store.gc_status())
        self.assertEqual(self.store.gc().index_file_count, 1)
        self.assertEqual(self.store.gc_status().index_data_bytes, 500000)
        self.assertTrue(self.store.gc(dry_run=True).stored_chunks)

    def test_encrypted(self):
        with pxds.KeyFile(pxds.Key.random(), "correct horse", kdf=pxds.Kdf.PBKDF2, hint="which") as keyfile:
            keyfile.save(self.path("key"))
        self.assertEqual(pxds.KeyFile.load(self.path("key")).info.hint, "which")
        with self.assertRaises(pxds.PasswordError):
            pxds.KeyFile.load(self.path("key")).unlock("wrong horse")
        key = pxds.KeyFile.load(self.path("key")).unlock("correct horse")
        path = self.store.backup("host/x", {"a.didx": b"secret" * 1000}, key=key)
        snapshot = self.store.snapshot(path)
        with snapshot.open(key) as opened, opened.open_file("a.didx") as file:
            self.assertEqual(opened.signature, pxds.Signature.VALID)
            self.assertEqual(opened.manifest().info.file_count, 1)
            self.assertEqual(file.read(), b"secret" * 1000)
        with snapshot.open() as opened, self.assertRaises(pxds.KeyNeededError):
            opened.open_file("a.didx").read()
        with self.assertRaises(pxds.KeyMismatchError):
            snapshot.open(pxds.Key.random())
        with snapshot.manifest() as manifest:
            self.assertEqual(manifest.verify(key), pxds.Signature.VALID)
            self.assertEqual([file.crypt_mode for file in manifest], [pxds.CryptMode.ENCRYPT])
