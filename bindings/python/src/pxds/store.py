"""Stores, their chunks, and the work on whole stores."""

from __future__ import annotations

from pxds._core import (
    NONE, NO_LIMIT, UINT32, UINT64, Handle, Options, ask, buffer, call, callable_of, data_of, digest_of, expected,
    flags, int_of, known, optional_text, path_bytes, shown, sized_text, struct, text, told,
)
from pxds._native import const, ffi, lib
from pxds._types import NamedTuple, TypedDict, overload
from pxds.backup import Backup, BackupOptions
from pxds.blob import BlobCodec, ChunkerConfig
from pxds.index import Index, IndexWriter
from pxds.ingest import Image, Ingest, IngestOptions
from pxds.keys import Key
from pxds.restore import Reader, ReaderOptions, Restorer, RestorerOptions, Source
from pxds.stats import Stats
from pxds.tree import (
    Group, Lock, OpenSnapshot, Snapshot, SnapshotEntry, group_names, lock_mode, namespaces, snapshot_entries,
)
from pxds.values import (
    ChunkEntry, ConvertResult, Damage, GcStatus, IngestStats, InsertResult, Layout, Listing, NoticeLevel, StoredChunk,
    Sync, Verified, VerifyResult,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple, Type, TypeVar, Union

    from typing_extensions import Unpack

    from pxds._aliases import Bytes, Item, Notice, Path, Tell

    S = TypeVar("S", bound="Store")


class StoreOptions(TypedDict, total=False):
    """How a store is made or opened.

    `notice` takes what a user should know and is no failure: level, message and path; without it they go to the logger
    "pxds". `lock_wait`: seconds that locks are waited for. `store_name`: what a running PBS calls the store.
    """

    layout: Layout
    sync: Sync
    owner: Tuple[int, int]
    mixed: bool
    bare: bool
    no_atime_probe: bool
    shared: bool
    read_only: bool
    s3_cache: bool
    not_s3_cache: bool
    notice: Notice
    store_name: str
    lock_dir: Path
    lock_wait: float
    progress: Tell


_FLAGS = ("mixed", "bare", "no_atime_probe", "shared", "read_only", "s3_cache", "not_s3_cache")


def _log_notice(level: NoticeLevel, message: str, _path: Optional[str]) -> None:
    import logging  # when there is something to say: it takes a tenth of the package's start
    severity = logging.WARNING if level == NoticeLevel.WARNING else logging.INFO
    logging.getLogger("pxds").log(severity, "%s", message)


def _owner(owner: Optional[Tuple[int, int]]) -> Optional[Tuple[int, int]]:
    if owner is None:
        return None
    if not isinstance(owner, (tuple, list)) or len(owner) != 2:
        raise expected("two numbers, user and group", "owner", owner)
    return int_of(owner[0], "owner", UINT32), int_of(owner[1], "owner", UINT32)


def _milliseconds(wait: float) -> int:
    if not isinstance(wait, (int, float)):
        raise expected("seconds", "lock_wait", wait)
    if not 0 <= wait * 1000 < UINT64.stop:
        raise OverflowError(f"lock_wait: no time to wait: {wait}")
    return int(wait * 1000)


def _store_options(given: StoreOptions) -> Options:
    known(given, StoreOptions)
    notice, owner, wait = given.get("notice") or _log_notice, _owner(given.get("owner")), given.get("lock_wait")
    lock_dir = given.get("lock_dir")
    callable_of(notice, "notice")
    asked: Dict[str, bool] = {name: bool(given.get(name)) for name in _FLAGS}
    return Options(
        "pxds_store_options", layout=given.get("layout"), sync=given.get("sync"),
        flags=flags("PXDS_STORE_", set_owner=owner is not None, **asked),
        owner_uid=None if owner is None else owner[0], owner_gid=None if owner is None else owner[1],
        notice=lambda level, message, path: notice(NoticeLevel(level), message, path),
        store_name=optional_text(given.get("store_name"), "store_name"),
        lock_dir=None if lock_dir is None else path_bytes(lock_dir, "lock_dir"),
        lock_wait_ms=None if wait is None else _milliseconds(wait), progress=given.get("progress"))


class Store(Handle):
    """An open store. Threads may share it, and what is made from it stays valid when it is closed."""

    _type = "pxds_store"
    _made_by = "Store.open(), Store.create() and Store.open_or_create()"

    @classmethod
    def _opened(cls: Type[S], how: str, path: Path, given: StoreOptions) -> S:
        options = _store_options(given)
        return cls._make(getattr(lib, f"pxds_store_{how}"), path_bytes(path), options, keep=(options,))

    @classmethod
    def open(cls: Type[S], path: Path, **options: Unpack[StoreOptions]) -> S:
        """Opens the store in a directory. That takes no lock and writes nothing."""
        return cls._opened("open", path, options)

    @classmethod
    def create(cls: Type[S], path: Path, **options: Unpack[StoreOptions]) -> S:
        """Makes a store in a directory, which is made if it is missing, and opens it."""
        return cls._opened("create", path, options)

    @classmethod
    def open_or_create(cls: Type[S], path: Path, **options: Unpack[StoreOptions]) -> S:
        return cls._opened("open_or_create", path, options)

    @property
    def path(self) -> str:
        return shown(ask(lib.pxds_store_path, self))

    @property
    def layout(self) -> Layout:
        return Layout(ask(lib.pxds_store_layout, self))

    def __repr__(self) -> str:
        return "<pxds.Store, closed>" if self.closed else f"<pxds.Store {self.path!r}>"

    def sync(self) -> None:
        """Brings the file system of the store to the disk."""
        call(lib.pxds_store_sync, self)

    def lock(self, *, exclusive: bool = False) -> Lock:
        """Takes the store's process lock, which PBS heeds too."""
        return Lock._make(lib.pxds_store_lock, self, lock_mode(exclusive))

    # ---- groups and snapshots ----

    @overload
    def backup(self, group: str, items: None = None, **options: Unpack[BackupOptions]) -> Backup: ...

    @overload
    def backup(self, group: str, items: Mapping[str, Item], **options: Unpack[BackupOptions]) -> str: ...

    def backup(self, group: str, items: Optional[Mapping[str, Item]] = None,
               **options: Unpack[BackupOptions]) -> Union[Backup, str]:
        """Starts a snapshot of a group, which is made if it is missing: add archives, then finish it, or leave `with`.

        With `items`, archives by name, all of that is done, and the path of the snapshot is given; `progress` is told
        of each archive too.
        """
        if items is not None and not hasattr(items, "items"):
            raise expected("a mapping of names to items", "items", items)
        backup = Backup(self, group, **options)
        if items is None:
            return backup
        told: IngestOptions = {"progress": options["progress"]} if "progress" in options else {}
        with backup:
            for name, item in items.items():
                backup.add(name, item, **told)
        return backup.snapshot

    def namespaces(self, ns: str = "", *, recursive: bool = False) -> Listing[str]:
        return namespaces(self, ns, recursive)

    def create_namespace(self, ns: str) -> None:
        call(lib.pxds_namespace_create, self, text(ns, "ns"))

    def remove_namespace(self, ns: str) -> None:
        """Removes a namespace, which has to be empty."""
        call(lib.pxds_namespace_remove, self, text(ns, "ns"))

    def groups(self, ns: str = "", *, recursive: bool = False) -> Listing[Group]:
        """The groups of a namespace, and with `recursive` of those below it."""
        return group_names(self, ns, recursive)

    def snapshots(self, ns: str = "", *, recursive: bool = False, owners: bool = False,
                  manifests: bool = False) -> Listing[SnapshotEntry]:
        """The snapshots of a namespace, group by group, the oldest of each first.

        With `owners` and `manifests` they have owner; and notes, size, verification and crypt mode.
        """
        how = flags("PXDS_LIST_", recursive=recursive, owners=owners, manifests=manifests)
        return snapshot_entries(self, lib.pxds_store_snapshots, text(ns, "ns"), how)

    def group(self, path: str) -> Group:
        """The group "TYPE/ID" or "ns/NAME/.../TYPE/ID", whether it is there or not."""
        return Group(self, path)

    def snapshot(self, path: str) -> Snapshot:
        """The snapshot "TYPE/ID/TIME" or "ns/NAME/.../TYPE/ID/TIME", whether it is there or not."""
        return Snapshot(self, path)

    def open_snapshot(self, path: str, key: Optional[Key] = None, *, allow_unsigned: bool = False,
                      salvage: bool = False) -> OpenSnapshot:
        """Opens a snapshot to read it: Snapshot.open()."""
        return self.snapshot(path).open(key, allow_unsigned=allow_unsigned, salvage=salvage)

    def full_path(self, path: str) -> str:
        """The path, from the root, of the directory of a group or snapshot."""
        return sized_text(lib.pxds_store_get_full_path, self, text(path, "path"))

    # ---- the whole store ----

    def gc(self, *, dry_run: bool = False, no_atime_probe: bool = False, any_csum: bool = False,
           no_cache: bool = False, cutoff_minutes: int = 0, remembered: int = 0,
           progress: Optional[Tell] = None) -> GcStatus:
        """Collects garbage: removes the chunks that no index below the store's directory refers to."""
        out = struct("pxds_gc_status")
        how = flags("PXDS_GC_", dry_run=dry_run, no_atime_probe=no_atime_probe, any_csum=any_csum, no_cache=no_cache)
        call(lib.pxds_store_gc, self, Options("pxds_gc_options", flags=how, cutoff_minutes=cutoff_minutes,
                                              remembered=remembered, progress=progress), out)
        return GcStatus._take(out)

    def gc_status(self) -> Optional[GcStatus]:
        """What the last garbage collection, PBS's too, has noted; None if there is no note."""
        out = struct("pxds_gc_status")
        return None if call(lib.pxds_store_get_gc_status, self, out) == NONE else GcStatus._take(out)

    def verify(self, path: str = "", *, read_only: bool = False, index_order: bool = False,
               skip_verified: Optional[int] = None, allow_unsigned: bool = False, threads: int = 0,
               key: Optional[Key] = None, repair_from: Optional[Store] = None, upid: Optional[str] = None,
               on_damage: Optional[Callable[[Damage], None]] = None,
               on_done: Optional[Callable[[Verified], None]] = None,
               progress: Optional[Tell] = None) -> VerifyResult:
        """Checks that what snapshots need is there, and is what it was: of the store, a group, or a snapshot.

        `skip_verified`: days within which what was found good is not verified again. Damage is no failure of the
        call: see `failed` of the result, and `on_damage`, which is told of each damaged place.
        """
        out = struct("pxds_verify_result")
        how = flags("PXDS_VERIFY_", read_only=read_only, index_order=index_order, allow_unsigned=allow_unsigned,
                    skip_verified=skip_verified is not None)
        call(lib.pxds_store_verify, self, text(path, "path"), Options(
            "pxds_verify_options", flags=how, threads=threads, key=key,
            skip_days=None if skip_verified is None else int_of(skip_verified, "skip_verified", UINT32),
            repair_from=repair_from, upid=optional_text(upid, "upid"),
            on_damage=told("on_damage", Damage._take, on_damage), on_done=told("on_done", Verified._take, on_done),
            progress=progress), out)
        return VerifyResult._take(out)

    def stats(self, *, exact: bool = False, progress: Optional[Tell] = None) -> Stats:
        """What snapshots describe, share and add; with `exact` what that takes on the disk."""
        return Stats(self, exact=exact, progress=progress)

    @staticmethod
    def convert(path: Path, layout: Layout, *, dry_run: bool = False, progress: Optional[Tell] = None,
                opening: Optional[StoreOptions] = None) -> ConvertResult:
        """Brings the store in a directory into a layout, by renames. Open handles are to be opened again."""
        out = struct("pxds_convert_result")
        options = Options("pxds_convert_options", flags=flags("PXDS_CONVERT_", dry_run=dry_run), progress=progress)
        call(lib.pxds_store_convert, path_bytes(path), int_of(layout, "layout", UINT32), _store_options(opening or {}),
             options, out)
        return ConvertResult._take(out)

    # ---- data without snapshots ----

    def ingest(self, chunker: Optional[ChunkerConfig] = None, **options: Unpack[IngestOptions]) -> Ingest:
        """Starts a stream into the store."""
        return Ingest(self, chunker, **options)

    def image(self, size: Optional[int] = None, chunk_size: int = 0, **options: Unpack[IngestOptions]) -> Image:
        """Starts an image into the store."""
        return Image(self, size, chunk_size, **options)

    def restorer(self, **options: Unpack[RestorerOptions]) -> Restorer:
        return Restorer(self, **options)

    def reader(self, index: Index, **options: Unpack[ReaderOptions]) -> Reader:
        return Reader(self, index, **options)

    def copy_chunks(self, source: Union[Source, Store], index: Index, *, threads: int = 0, any_csum: bool = False,
                    key: Optional[Key] = None, on_chunk: Optional[Callable[[StoredChunk], None]] = None,
                    progress: Optional[Tell] = None) -> Tuple[IndexWriter, IngestStats]:
        """Brings every chunk of an index here from another store or source; gives the index, to be saved, and sums."""
        given = source if isinstance(source, Source) else Source.from_store(source)
        out = struct("pxds_ingest_stats")
        options = Options("pxds_copy_options", flags=flags("PXDS_COPY_", any_csum=any_csum), threads=threads, key=key,
                          on_chunk=told("on_chunk", StoredChunk._take, on_chunk), progress=progress)
        writer = IndexWriter._make(lib.pxds_store_copy_chunks, self, given, index, options, out, keep=(self,))
        return writer, IngestStats._take(out)

    def copy_chunk(self, source: Union[Source, Store], digest: Bytes, key: Optional[Key] = None) -> InsertResult:
        given = source if isinstance(source, Source) else Source.from_store(source)
        out = struct("pxds_insert_result")
        call(lib.pxds_store_copy_chunk, self, given, digest_of(digest), key, out)
        return InsertResult._take(out)

    # ---- single chunks ----

    def insert(self, digest: Bytes, blob: Bytes, *, raw: bool = False) -> InsertResult:
        """Stores an encoded blob as a chunk. Hold lock() until an index names it."""
        out = struct("pxds_insert_result")
        how = flags("PXDS_INSERT_", raw=raw)
        call(lib.pxds_store_insert, self, digest_of(digest), *data_of(blob, "blob"), how, out)
        return InsertResult._take(out)

    def insert_verified(self, codec: BlobCodec, digest: Bytes, size: int, blob: Bytes) -> InsertResult:
        """As insert(), if the blob decodes to so many bytes of this digest."""
        out = struct("pxds_insert_result")
        call(lib.pxds_store_insert_verified, self, codec, digest_of(digest), int_of(size, "size"),
             *data_of(blob, "blob"), out)
        return InsertResult._take(out)

    def load(self, digest: Bytes, *, unchecked: bool = False, max_len: int = NO_LIMIT) -> bytes:
        """The encoded blob of a chunk."""
        return buffer(lib.pxds_store_load, self, digest_of(digest), flags("PXDS_LOAD_", unchecked=unchecked),
                      int_of(max_len, "max_len")) or b""

    def has(self, digest: Bytes) -> Optional[int]:
        """The length of the file of a chunk; None if the store does not have it."""
        size = ffi.new("uint64_t *")
        return None if call(lib.pxds_store_has, self, digest_of(digest), size) == NONE else int(size[0])

    def touch(self, digest: Bytes) -> None:
        """Keeps garbage collection off a chunk."""
        call(lib.pxds_store_touch, self, digest_of(digest))

    def mark_bad(self, digest: Bytes) -> Optional[int]:
        """Renames a chunk to a bad copy, whose number is given; None if there is no such chunk."""
        number = ffi.new("uint32_t *")
        return None if call(lib.pxds_store_mark_bad, self, digest_of(digest), number) == NONE else int(number[0])

    def chunk_path(self, digest: Bytes) -> str:
        return sized_text(lib.pxds_store_get_chunk_path, self, digest_of(digest))

    def chunks(self) -> Iterator[ChunkEntry]:
        """All chunks and their bad copies, in no order."""
        chunks, entry = _Chunks._make(lib.pxds_store_chunks, self, keep=(self,)), struct("pxds_chunk_entry")
        with chunks:
            while call(lib.pxds_chunk_iter_next, chunks, entry) != NONE:
                yield ChunkEntry._take(entry)


class _Chunks(Handle):
    _type = "pxds_chunk_iter"


class PbsConfig(NamedTuple):
    """What PBS is configured to do with a store: arguments for Store.open(), Store.gc() and Store.verify()."""

    name: str
    store: StoreOptions
    gc: Dict[str, Any]
    verify: Dict[str, Any]


def read_pbs_config(config: Path, store: Path, **options: Unpack[StoreOptions]) -> Optional[PbsConfig]:
    """Reads PBS's datastore.cfg; None if it has no store in this directory. `options`: what is given already."""
    name, opening = ffi.new("char[]", const("PXDS_STORE_NAME_SIZE")), _store_options(options)
    gc, verify = struct("pxds_gc_options"), struct("pxds_verify_options")
    if call(lib.pxds_pbs_config_read, path_bytes(config, "config"), path_bytes(store, "store"), name, len(name),
            opening, gc, verify) == NONE:
        return None
    has = {each: bool(opening.pointer.flags & const(f"PXDS_STORE_{each.upper()}")) for each in _FLAGS}
    read: Any = {**options, **has, "store_name": shown(name), "sync": Sync(opening.pointer.sync)}
    collect = {each: bool(gc.flags & const(f"PXDS_GC_{each.upper()}")) for each in ("no_atime_probe", "no_cache")}
    return PbsConfig(
        shown(name), read,
        {**collect, "cutoff_minutes": gc.cutoff_minutes, "remembered": gc.remembered},
        {"index_order": bool(verify.flags & const("PXDS_VERIFY_INDEX_ORDER")), "threads": verify.threads})
