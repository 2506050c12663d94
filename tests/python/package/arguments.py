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
                ("on_bad", lambda: store.restorer(on_bad=5)), ("get", lambda: pxds.Source(5))):
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
        for name, call in (
                ("threads", lambda: self.store.ingest(threads=-1)),
                ("keep_last", lambda: pxds.prune_marks([], keep_last=-1))):
            with self.subTest(name=name), self.assertRaisesRegex(OverflowError, rf"^{name}: "):
                call()


def key_file(password="correct horse", **options):
    return pxds.KeyFile(pxds.Key(bytes(32)), password, kdf=pxds.Kdf.NONE, **options)
