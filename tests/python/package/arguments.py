"""Arguments of wrong types and sizes: the exception names the argument."""

import io

import pxds

from common import THEN, TestCase


class Arguments(TestCase):
    def test_types(self):
        """For each kind of argument, and each way by which arguments get to C."""
        store, index, path = self.store, self.index_of(b"data"), self.store.backup("host/x", {"a.didx": b"data"})
        group, snapshot, writer = store.group("host/x"), store.snapshot(path), pxds.IndexWriter.dynamic()
        for name, call in (
                ("path", lambda: pxds.Store.open(5)), ("path", lambda: store.group(b"host/x")),
                ("path", lambda: store.open_snapshot(None)), ("path", lambda: pxds.Index(5)),
                ("group", lambda: store.backup(5)), ("ns", lambda: store.groups(None)),
                ("name", lambda: snapshot.open_file(5)), ("id", lambda: pxds.check_id(5)),
                ("owner", lambda: store.backup("host/x", owner=0)), ("zone", lambda: group.prune(zone=5)),
                ("notes", lambda: setattr(snapshot, "notes", 5)), ("hint", lambda: key_file(hint=5)),
                ("time", lambda: store.backup("host/x", time="now")), ("ctime", lambda: store.ingest(ctime=1.5)),
                ("keep_within", lambda: group.prune(keep_within=5)),
                ("keep_last", lambda: group.prune(keep_last="5")),
                ("lock_wait", lambda: pxds.Store.open(self.path("store"), lock_wait="5")),
                ("lock_dir", lambda: pxds.Store.open(self.path("store"), lock_dir=5)),
                ("layout", lambda: pxds.Store.open(self.path("store"), layout="HEX4")),
                ("layout", lambda: pxds.Store.convert(self.path("store"), "HEX4")),
                ("skip_verified", lambda: store.verify(skip_verified="5")),
                ("threads", lambda: store.ingest(threads="4")),
                ("cutoff_minutes", lambda: store.gc(cutoff_minutes=1.5)), ("size", lambda: store.image("5")),
                ("chunker", lambda: store.ingest(4096)), ("chunker", lambda: pxds.Chunker(4096)),
                ("key", lambda: store.backup("host/x", key="secret")),
                ("key", lambda: store.reader(index, key=store)), ("key", lambda: snapshot.open("secret")),
                ("key", lambda: pxds.KeyFile("secret", "password")), ("store", lambda: pxds.Ingest("store")),
                ("store", lambda: pxds.Group("store", "host/x")),
                ("store", lambda: store.copy_chunks("store", index)), ("index", lambda: store.reader(store)),
                ("index", lambda: store.restorer().read(store, 0, 1)), ("earlier", lambda: index.changes(5)),
                ("codec", lambda: store.insert_verified(5, bytes(32), 1, b"")),
                ("cache", lambda: store.reader(index, cache=5)), ("reader", lambda: pxds.ReaderFile(io.BytesIO())),
                ("repair_from", lambda: store.verify(repair_from="x")), ("digest", lambda: store.load("0" * 32)),
                ("csum", lambda: pxds.Manifest("vm", "1", 1).add_file("a", 1, 5)),
                ("secret", lambda: pxds.Key("0" * 32)), ("password", lambda: key_file(5)),
                ("uuid", lambda: store.ingest(uuid=5)), ("data", lambda: store.ingest().write("text")),
                ("blob", lambda: pxds.blob_info("text")), ("item", lambda: store.backup("host/x", {"a.didx": 5})),
                ("items", lambda: store.backup("host/x", ["a"])), ("file", lambda: store.ingest().read(5)),
                ("file", lambda: store.restorer().write(index, 5)),
                ("room", lambda: store.reader(index).read_into(0, b"data")), ("offset", lambda: index.find(1.5)),
                ("offset", lambda: store.reader(index).read_at("0", 1)),
                ("length", lambda: store.reader(index).read_at(0, 1.5)), ("number", lambda: index["0"]),
                ("end", lambda: writer.add("5", bytes(32))), ("fd", lambda: store.ingest().read_fd("5")),
                ("max_len", lambda: store.load(bytes(32), max_len="5")), ("max_bytes", lambda: pxds.Cache("5")),
                ("progress", lambda: store.gc(progress=5)),
                ("notice", lambda: pxds.Store.open(self.path("store"), notice=5)),
                ("on_done", lambda: store.verify(on_done=5)), ("on_chunk", lambda: store.ingest(on_chunk=5)),
                ("on_bad", lambda: store.restorer(on_bad=5)), ("get", lambda: pxds.Source(5)),
                ("path", lambda: pxds.load(5)), ("start", lambda: store.reader(index).extents("0")),
                ("earlier", lambda: store.image(5).reuse_ranges(5, [])), ("index", lambda: add_index(store, 5)),
                ("earlier", lambda: store.image(5).reuse_bitmap(5, b"", 1)),
                ("earlier", lambda: pxds.IndexWriter.fixed(4096, 4096).clone_index(5)),
                ("changed", lambda: store.image(5).reuse_ranges(index, 5)),
                ("changed", lambda: store.image(5).reuse_ranges(index, [5])),
                ("changed", lambda: store.image(5).reuse_ranges(index, [("0", 1)])),
                ("snapshots", lambda: pxds.prune_marks(5)), ("snapshots", lambda: pxds.prune_marks([5])),
                ("verify_state", lambda: pxds.prune_marks([pxds.PruneRow(1, verify_state="OK")])),
                ("owner", lambda: pxds.Store.open(self.path("store"), owner=5)),
                ("owner", lambda: pxds.Store.open(self.path("store"), owner=("root", "root"))),
                ("type", lambda: str(pxds.GroupName(5, "x"))), ("id", lambda: str(pxds.GroupName("host", 5))),
                ("ns", lambda: str(pxds.GroupName("host", "x", 5))),
                ("type", lambda: pxds.Manifest(5, "1", 1)), ("file", lambda: list(pxds.Chunker().split(5))),
                ("size", lambda: list(pxds.Chunker().split(io.BytesIO(), "5"))),
                ("name", lambda: store.backup("host/y").add(5, b"data")),
                ("offset", lambda: store.reader(index).open().seek("0")),
                ("whence", lambda: store.reader(index).open().seek(0, "0")),
                ("size", lambda: store.reader(index).open().read("5")),
                ("room", lambda: store.reader(index).open().readinto(b"data")),
                ("room", lambda: store.reader(index).open().readinto(5))):
            with self.subTest(name=name), self.assertRaisesRegex(TypeError, rf"^{name}: expected .*, not \w+$"):
                call()
        self.assertEqual([each.path for each in store.snapshots()], [path])

    def test_sizes(self):
        for name, call in (
                ("digest", lambda: self.store.load(b"short")), ("secret", lambda: pxds.Key(b"short")),
                ("uuid", lambda: self.store.ingest(uuid=b"short")), ("path", lambda: pxds.Store.open("a\0b")),
                ("notes", lambda: self.store.backup("host/x", notes="a\0b")),
                ("time", lambda: self.store.backup("host/x", time=THEN.replace(tzinfo=None)))):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, rf"^{name}: "):
                call()
        with self.assertRaisesRegex(TypeError, "^value: .*not JSON"):
            pxds.Manifest("vm", "1", 1).set_unprotected("a", object())

    def test_numbers(self):
        """What is too large or too small for C, in each way by which numbers get there."""
        store, index = self.store, self.index_of(b"data")
        reader, manifest = store.reader(index), pxds.Manifest("vm", "1", 1)
        for name, call in (
                ("threads", lambda: store.ingest(threads=-1)), ("threads", lambda: store.ingest(threads=2 ** 32)),
                ("keep_last", lambda: pxds.prune_marks([], keep_last=-1)),
                ("length", lambda: reader.read_at(0, -10)), ("offset", lambda: reader.read_at(-1, 10)),
                ("offset", lambda: reader.read_at(2 ** 64, 1)), ("offset", lambda: reader.read_into(-1, bytearray(1))),
                ("start", lambda: reader.extents(-1)), ("length", lambda: store.restorer().read(index, 0, -1)),
                ("offset", lambda: store.restorer().write(index, io.BytesIO(), offset=-1)),
                ("offset", lambda: index.find(-1)), ("kind", lambda: pxds.Index("x", 2 ** 32)),
                ("max_bytes", lambda: pxds.Cache(-1)), ("size", lambda: store.image(-1)),
                ("fd", lambda: store.ingest().read_fd(2 ** 31)), ("fd", lambda: add_fd(store, 2 ** 31)),
                ("changed", lambda: store.image(5).reuse_ranges(index, [(-1, 1)])),
                ("layout", lambda: pxds.Store.convert(self.path("store"), -1)),
                ("lock_wait", lambda: pxds.Store.open(self.path("store"), lock_wait=-1)),
                ("lock_wait", lambda: pxds.Store.open(self.path("store"), lock_wait=float("nan"))),
                ("lock_wait", lambda: pxds.Store.open(self.path("store"), lock_wait=float("inf"))),
                ("owner", lambda: pxds.Store.open(self.path("store"), owner=(-1, 0))),
                ("skip_verified", lambda: store.verify(skip_verified=-1)),
                ("time", lambda: store.backup("host/x", time=2 ** 63)), ("status", lambda: pxds.status_name(2 ** 31)),
                ("logical_bytes", lambda: pxds.dedup_factor(-1, 1)),
                ("size", lambda: manifest.add_file("a.didx", -1, bytes(32)))):
            with self.subTest(name=name), self.assertRaisesRegex(OverflowError, rf"^{name}: "):
                call()
        self.assertEqual(reader.read_at(2, 2 ** 64 - 1), b"ta")
        with self.assertRaisesRegex(IndexError, "^no chunk 1"):
            index[2 ** 64]

    def test_what_is_made_by_methods(self):
        for cls, words in ((pxds.Store, r"Store\.open\(\), "), (pxds.Lock, "the methods that give them")):
            for arguments in ((), ("x",)):
                with self.assertRaisesRegex(TypeError, f"^{cls.__name__} objects are made by {words}"):
                    cls(*arguments)


def add_fd(store, fd):
    with store.backup("host/y") as backup:
        backup.add_fd("a.didx", fd)


def add_index(store, index):
    with store.backup("host/y") as backup:
        backup.add_index("a.didx", index)


def key_file(password="correct horse", **options):
    return pxds.KeyFile(pxds.Key(bytes(32)), password, kdf=pxds.Kdf.NONE, **options)
