"""What lies below snapshots: indexes, chunks, blobs, keys, manifests."""

import datetime
import io
import os

import pxds

from common import SMALL, THEN, TestCase, random_data
import support


class Lower(TestCase):
    def test_ingest_index_reader_restorer(self):
        data, told = random_data(200000), []
        index = self.index_of(data, on_chunk=told.append)
        self.assertEqual(len(index), len(told))
        self.assertEqual([chunk.digest for chunk in index], [chunk.digest for chunk in told])
        self.assertEqual((index[0].start, index[-1].end, index.size), (0, 200000, 200000))
        self.assertEqual(index.find(index[1].start + 5), (1, 5))
        self.assertIsNone(index.find(200000))
        with self.assertRaises(IndexError):
            index[len(index)]
        index.check_csum()
        self.assertEqual(index.compute_csum(), index.info.csum)
        with self.store.restorer() as restorer:
            out = io.BytesIO()
            self.assertEqual(restorer.write(index, out), 200000)
            self.assertEqual(out.getvalue(), data)
            self.assertEqual(restorer.read(index, 150000, 1 << 60), data[150000:])
            self.assertEqual(restorer.write_file(index, self.path("part"), offset=10, length=20), 20)
            self.assertEqual(support.read(self.path("part")), data[10:30])
        with pxds.Cache(1 << 20) as cache, self.store.reader(index, cache=cache) as reader:
            self.assertEqual(reader.read_at(1000, 50), data[1000:1050])
            self.assertEqual(reader.read_at(1 << 40, 50), b"")
            self.assertEqual(reader.extents(), [(0, 200000, False)])

    def test_ways_in_and_out(self):
        data = random_data(100000)
        support.write(self.path("file"), data)
        with open(self.path("file"), "rb") as file, self.store.ingest(SMALL) as one, self.store.ingest(SMALL) as two:
            one.read_fd(file.fileno())
            two.read(io.BytesIO(data))
            first, index = one.finish(), pxds.Index.parse(two.finish().finish())
            self.assertEqual(one.stats.size, 100000)
            self.assertEqual(first.info.csum, index.info.csum)
        with self.store.backup("host/x", any_chunk_size=True) as backup, self.store.image() as image:
            backup.add_index("a.didx", first)
            image.write(data[:1000])
            image.write(data[1000:])
            backup.add_index("b.fidx", image.finish())
            backup.add_blob("c.blob", b"small", compress=False)
        with self.store.image(len(data)) as image, open(self.path("file"), "rb") as file:
            image.read_fd(file.fileno())
            fixed = pxds.Index.parse(image.finish().finish())
        with self.store.snapshot(backup.snapshot).open_file("b.fidx") as file:
            self.assertEqual(file.read(), data)
        out = os.open(self.path("out"), os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, out)
        with self.store.restorer(sparse=True) as restorer:
            self.assertEqual(restorer.write_fd(fixed, out), 100000)
            self.assertEqual(restorer.write_fd(fixed, out, offset=99990), 10)
            self.assertEqual(restorer.write(index, io.BytesIO(), offset=5, length=6), 6)
            self.assertEqual(restorer.write_file(index, self.path("whole")), 100000)
        self.assertEqual(support.read(self.path("out")), data + data[-10:])
        with pxds.Source.from_store(self.store) as source, pxds.Reader(source, index) as reader:
            self.assertEqual(reader.open().read(), data)
        pxds.check_index_path(self.path("new.didx"))
        with self.assertRaises(pxds.ExistsError):
            pxds.check_index_path(self.path("file"))
        pxds.write_file(self.path("file"), b"all of it")
        self.assertEqual(support.read(self.path("file")), b"all of it")

    def test_partial(self):
        class Enough(Exception):
            pass

        def stop(chunk):
            if chunk.offset > 20000:
                raise Enough

        with self.store.ingest(SMALL, on_chunk=stop, threads=1) as ingest:
            with self.assertRaises(Enough):
                ingest.write(random_data(500000))
                ingest.finish()
            part = pxds.Index.parse(ingest.partial().finish())
        with self.store.restorer() as restorer:
            self.assertEqual(restorer.read(part, 0, part.size), random_data(500000)[:part.size])

    def test_locks(self):
        group, other = self.store.group("host/x"), pxds.Store.open(self.path("store"), lock_wait=0.01)
        group.create("somebody@pbs")
        with group.lock(), self.assertRaises(pxds.BusyError) as caught:
            other.group("host/x").lock()
        self.assertIn("host/x", caught.exception.path)
        snapshot = self.store.snapshot(self.store.backup("host/y", {"a.didx": b"data"}))
        with snapshot.lock(), snapshot.lock(), self.assertRaises(pxds.BusyError):
            snapshot.lock(exclusive=True)
        with self.store.lock(exclusive=True), self.assertRaises(pxds.BusyError):
            other.backup("host/z")
        with pxds.Store.open_or_create(self.path("store")) as again:
            again.sync()

    def test_keys(self):
        key = pxds.Key.random()
        keyfile = pxds.KeyFile(key, None, kdf=pxds.Kdf.NONE, created=THEN)
        again = pxds.KeyFile.parse(keyfile.format())
        self.assertEqual((again.info.created, again.unlock().fingerprint), (THEN, key.fingerprint))
        self.assertEqual(key.tolerant().fingerprint, key.fingerprint)
        with pxds.BlobCodec() as codec:
            codec.verify_unencrypted(codec.encode(b"data"), 4, pxds.compute_digest(b"data"))
        for call in (lambda: pxds.master_seal(key, b"no PEM"), lambda: pxds.master_recover(b"x" * 512, b"no PEM")):
            with self.assertRaises((pxds.UnsupportedError, pxds.FormatError)):
                call()
        with self.store.backup("host/x", key=key) as backup:
            backup.add("a.didx", b"data")
            backup.add_sealed_key(random_data(512))
        with self.store.open_snapshot(backup.snapshot, key) as snapshot, snapshot.manifest() as manifest:
            self.assertEqual([file.filename for file in manifest], ["a.didx", "rsa-encrypted.key.blob"])
        self.assertEqual(pxds.dedup_factor(30, 10), 3)

    def test_a_sink_that_keeps_what_it_is_given(self):
        data, kept = random_data(100000), []

        class Sink:
            def write(self, part):
                kept.append(part)
                return len(part)

        with self.store.restorer() as restorer, open(self.path("out"), "wb") as file:
            restorer.write(self.index_of(data), Sink())
            restorer.write(self.index_of(data), file)
        self.assertEqual(b"".join(kept), data)
        self.assertEqual(support.read(self.path("out")), data)

    def test_changes(self):
        data = random_data(200000)
        before = self.index_of(data)
        after = self.index_of(data[:100000] + b"new" + data[100003:])
        ranges = after.changes(before)
        self.assertTrue(any(start <= 100000 and end >= 100003 for start, end in ranges), ranges)
        self.assertLess(sum(end - start for start, end in ranges), 100000)
        self.assertEqual(after.changes(after), [])

    def test_image(self):
        data = bytearray(random_data(4 << 12))
        with self.store.image(len(data), 1 << 12) as image:
            image.read(io.BytesIO(data))
            earlier = pxds.Index.parse(image.finish().finish())
        data[5000:5004] = b"new!"
        with self.store.image(len(data), 1 << 12) as image:
            image.reuse_ranges(earlier, [(5000, 4)])
            image.write_at(1 << 12, data[1 << 12:2 << 12])
            now = pxds.Index.parse(image.finish().finish())
            self.assertEqual((image.stats.chunks, image.stats.new_chunks), (4, 1))
        with self.store.restorer() as restorer:
            self.assertEqual(restorer.read(now, 0, len(data)), bytes(data))
        with self.store.image(len(data), 1 << 12) as image:
            image.reuse_bitmap(earlier, b"\x02", 1 << 12)
            image.write_at(1 << 12, data[1 << 12:2 << 12])
            self.assertEqual(pxds.Index.parse(image.finish().finish()).info.csum, now.info.csum)
        self.assertEqual(now.changes(earlier), [(1 << 12, 2 << 12)])

    def test_writers(self):
        digests = [bytes([i]) * 32 for i in range(3)]
        with pxds.IndexWriter.dynamic(ctime=THEN, uuid=bytes(range(16))) as writer:
            for i, digest in enumerate(digests):
                writer.add(1000 * (i + 1), digest)
            writer.save(self.path("a.didx"))
        index = pxds.Index(self.path("a.didx"))
        self.assertEqual((index.info.ctime, index.info.uuid), (THEN, bytes(range(16))))
        self.assertEqual([chunk.digest for chunk in index], digests)
        with pxds.IndexWriter.fixed(3 << 12, 1 << 12) as writer:
            for i, digest in enumerate(digests):
                writer.set(i, digest)
            fixed = pxds.Index.parse(writer.finish(), pxds.IndexKind.FIXED)
        with pxds.IndexWriter.fixed(3 << 12, 1 << 12) as writer:
            writer.clone_index(fixed)
            self.assertEqual(writer.info.csum, fixed.info.csum)
        with self.assertRaises(ValueError):
            pxds.IndexWriter.dynamic(uuid=b"short")

    def test_chunks_and_blobs(self):
        data = b"text " * 1000
        digest = pxds.compute_digest(data)
        self.assertEqual(pxds.parse_digest(pxds.format_digest(digest)), digest)
        with pxds.BlobCodec() as codec, self.store.lock():
            blob = codec.encode(data)
            self.assertEqual(codec.decode(blob, digest=digest), data)
            self.assertEqual((pxds.blob_info(blob).compressed, pxds.blob_info(blob).encrypted), (True, False))
            pxds.check_crc(blob)
            self.assertIsNone(self.store.has(digest))
            self.assertFalse(self.store.insert(digest, blob).existed)
            self.assertTrue(self.store.insert_verified(codec, digest, len(data), blob).existed)
            self.assertEqual(self.store.has(digest), len(blob))
            self.assertEqual(self.store.load(digest), blob)
            self.store.touch(digest)
            self.assertEqual([chunk.digest for chunk in self.store.chunks()], [digest])
            self.assertTrue(os.path.exists(self.store.chunk_path(digest)))
            self.assertEqual(self.store.mark_bad(digest), 0)
            self.assertIsNone(self.store.mark_bad(digest))
            self.assertEqual([(chunk.bad, chunk.bad_number) for chunk in self.store.chunks()], [(True, 0)])
            damaged = blob[:-1] + bytes([blob[-1] ^ 1])
            with self.assertRaises(pxds.CorruptError):
                codec.decode(damaged)
        key = pxds.Key(bytes(32))
        self.assertEqual(pxds.parse_fingerprint(pxds.format_fingerprint(key.fingerprint)), key.fingerprint)
        with pxds.BlobCodec(key) as codec:
            blob = codec.encode(data, encrypt=True)
            self.assertEqual(codec.decode(blob, digest=key.digest(data)), data)

    def test_chunker(self):
        data = random_data(100000)
        with pxds.Chunker(SMALL) as chunker:
            chunks = list(chunker.split(io.BytesIO(data), 1000))
            self.assertEqual(chunks, list(chunker.split(io.BytesIO(data))))
        self.assertEqual(b"".join(chunks), data)
        self.assertEqual([len(chunk) for chunk in chunks], [len(chunk) for chunk in self.index_of(data)])
        with pxds.Chunker.fixed(1024) as chunker:
            self.assertEqual({len(chunk) for chunk in chunker.split(io.BytesIO(data[:4096]))}, {1024})
        rolled = pxds.Buzhash(bytes(64))
        rolled.update(b"something else")
        rolled.reset()
        rolled.update(data)
        self.assertEqual(rolled.sum, pxds.Buzhash(data[-64:]).sum)

    def test_sources_and_copies(self):
        data = random_data(100000)
        index = self.index_of(data)
        asked = []

        def get(digest):
            asked.append(digest)
            return self.store.load(digest)

        for any_thread in (False, True):
            with pxds.Source(get, any_thread=any_thread) as source, pxds.Restorer(source) as restorer:
                self.assertEqual(restorer.read(index, 0, 100000), data)
        self.assertTrue({chunk.digest for chunk in index} <= set(asked))
        with pxds.Source(lambda _: None) as source, self.assertRaises(pxds.NotFoundError) as caught:
            source.get(index[0].digest)
        self.assertEqual(caught.exception.digest, index[0].digest)
        other = pxds.Store.create(self.path("other"), sync=pxds.Sync.NONE)
        writer, stats = other.copy_chunks(self.store, index)
        with writer:
            writer.save(self.path("other", "a.didx"))
        self.assertEqual((stats.size, stats.new_chunks), (100000, len(index)))
        self.assertTrue(other.copy_chunk(self.store, index[0].digest).existed)
        with other.restorer() as restorer:
            self.assertEqual(restorer.read(index, 0, 100000), data)

    def test_names_and_marks(self):
        name = pxds.SnapshotName.parse("ns/a/ns/b/vm/100/2020-06-26T13:56:05Z")
        self.assertEqual(name, pxds.SnapshotName("vm", "100", THEN, "a/b"))
        self.assertEqual(str(name), "ns/a/ns/b/vm/100/2020-06-26T13:56:05Z")
        self.assertEqual(str(pxds.GroupName.parse("host/x")), "host/x")
        self.assertEqual(pxds.parse_time(pxds.format_time(THEN)), THEN)
        self.assertEqual(pxds.archive_kind("a.fidx"), pxds.ArchiveKind.FIXED)
        for wrong in (lambda: pxds.archive_kind("a"), lambda: pxds.check_id("-"), lambda: pxds.check_namespace("a//b"),
                      lambda: pxds.GroupName.parse("host"), lambda: pxds.SnapshotName("xx", "1", THEN).__str__()):
            with self.assertRaises(pxds.ArgumentError):
                wrong()
        rows = [pxds.PruneRow(THEN + datetime.timedelta(days=day)) for day in range(3)]
        keep, remove = pxds.Mark.KEEP, pxds.Mark.REMOVE
        self.assertEqual(pxds.prune_marks(rows, keep_last=1, zone="Europe/Vienna"), [remove, remove, keep])
        rows[0] = pxds.PruneRow(THEN, verify_state=pxds.VerifyState.OK)
        within = {"keep_within": datetime.timedelta(hours=1), "now": rows[2].time}
        self.assertEqual(pxds.prune_marks(rows, keep_good=1, **within), [keep, remove, keep])

    def test_manifest(self):
        with pxds.Manifest("host", "x", THEN) as manifest, pxds.Key.random() as key:
            manifest.add_file("a.didx", 5, bytes(32))
            manifest.notes = "notes"
            manifest.set_unprotected("mine", [1])
            manifest.sign(key)
            read = pxds.Manifest.parse(manifest.format())
            self.assertEqual((read.info.id, read.info.time, read.info.signed, len(read)), ("x", THEN, True, 1))
            self.assertEqual((read.notes, read.signature), ("notes", manifest.signature))
            self.assertEqual(read.find_file("a.didx").size, 5)
            self.assertIsNone(read.find_file("b.didx"))
            self.assertEqual(pxds.json_canonical(manifest.format_canonical()), manifest.format_canonical())
            with self.assertRaises(pxds.CorruptError):
                read.verify_file("a.didx", bytes(32), 6)
            with self.assertRaises(pxds.KeyMismatchError):
                read.check_fingerprint(pxds.Key.random())
            snapshot = self.store.snapshot("host/x/2020-06-26T13:56:05Z")
            with snapshot.create():
                snapshot.save_manifest(manifest)
        self.assertTrue(snapshot.info().finished)

    def test_store_settings(self):
        self.assertEqual((self.store.layout, self.store.path), (pxds.Layout.HEX2, self.path("store")))
        with pxds.Store.open(self.path("store"), read_only=True) as store, self.assertRaises(pxds.StateError):
            store.backup("host/x")
        self.assertEqual(pxds.Store.convert(self.path("store"), pxds.Layout.HEX2, dry_run=True).files, 0)
        self.assertEqual(self.store.full_path("host/x"), self.path("store", "host/x"))
        text = f"datastore: mine\n\tpath {self.path('store')}\n\ttuning sync-level=file\n"
        support.write(self.path("cfg"), text.encode())
        config = pxds.read_pbs_config(self.path("cfg"), self.path("store"))
        self.assertEqual((config.name, config.store["sync"]), ("mine", pxds.Sync.FILE))
        with pxds.Store.open(self.path("store"), **{**config.store, "lock_dir": self.path("locks")}) as store:
            self.assertEqual(store.gc(**{**config.gc, "dry_run": True}).stored_chunks, 0)
        self.assertIsNone(pxds.read_pbs_config(self.path("cfg"), self.path("elsewhere")))
        self.store.create_namespace("a/b")
        self.assertEqual(self.store.namespaces(recursive=True), ["", "a", "a/b"])
        self.store.remove_namespace("a/b")
