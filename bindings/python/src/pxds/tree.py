"""Groups and snapshots: what they are called, managing them, and reading them."""

from __future__ import annotations

from pxds._core import (
    NONE, UINT32, Handle, Options, ask, buffer, call, check_handle, content, expected, flags, int_of, iterable_of,
    json_of, known, moment, optional_text, path_bytes, seconds_of, shown, sized_text, struct, text, type_name,
    type_number,
)
from pxds._native import const, ffi, lib
from pxds._types import NamedTuple, TypedDict
from pxds.index import Index
from pxds.keys import Key
from pxds.manifest import Manifest
from pxds.restore import ReadOptions, Reader, ReaderFile, RestoreOptions, read_options, restore_options
from pxds.values import (
    ArchiveKind, DestroyResult, FileEntry, Listing, Mark, PruneEntry, Signature, SnapshotInfo, VerifyState,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime
    from typing import Any, Callable, Dict, Iterable, List, Optional

    from typing_extensions import Unpack

    from pxds._aliases import Path, Tell, Time
    from pxds.store import Store

MAX_BLOB = const("PXDS_BLOB_MAX_SIZE")


class Lock(Handle):
    """A hold on a store, a group or a snapshot: close() it, or leave `with`, to let go."""

    _type = "pxds_lock"


def lock_mode(exclusive: bool) -> int:
    return const("PXDS_LOCK_EXCLUSIVE" if exclusive else "PXDS_LOCK_SHARED")


class GroupName(NamedTuple):
    """The parts of a group's path: type "vm", "ct" or "host", id, and namespace, "" for the root."""

    type: str
    id: str
    ns: str = ""

    @classmethod
    def parse(cls, path: str) -> GroupName:
        out = struct("pxds_group_name")
        call(lib.pxds_group_parse, text(path, "path"), out)
        return cls(type_name(out.type), shown(out.id), shown(out.ns))

    def __str__(self) -> str:
        return sized_text(lib.pxds_group_format, text(self.ns, "ns"), type_number(self.type), text(self.id, "id"))


class SnapshotName(NamedTuple):
    """The parts of a snapshot's path."""

    type: str
    id: str
    time: datetime.datetime
    ns: str = ""

    @classmethod
    def parse(cls, path: str) -> SnapshotName:
        out = struct("pxds_snapshot_name")
        call(lib.pxds_snapshot_parse, text(path, "path"), out)
        return cls(type_name(out.type), shown(out.id), moment(out.time), shown(out.ns))

    def __str__(self) -> str:
        return sized_text(lib.pxds_snapshot_format, text(self.ns, "ns"), type_number(self.type), text(self.id, "id"),
                          seconds_of(self.time))


class Keep(TypedDict, total=False):
    """The rules by which snapshots are kept: PBS's counts, in the time zone `zone`; besides, the newest `keep_good`
    that verified, and what is younger than `keep_within`, at `now`."""

    keep_last: int
    keep_hourly: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int
    keep_good: int
    keep_within: datetime.timedelta
    now: Time
    zone: str


def _prune_options(keep: Keep, **more: Any) -> Options:
    import datetime  # which those have who give a time or a duration
    known(keep, Keep)
    within, now = keep.get("keep_within"), keep.get("now")
    if within is not None and not isinstance(within, datetime.timedelta):
        raise expected("a timedelta", "keep_within", within)
    return Options(
        "pxds_prune_options", keep_last=keep.get("keep_last"), keep_hourly=keep.get("keep_hourly"),
        keep_daily=keep.get("keep_daily"), keep_weekly=keep.get("keep_weekly"), keep_monthly=keep.get("keep_monthly"),
        keep_yearly=keep.get("keep_yearly"), keep_good=keep.get("keep_good"),
        keep_within=None if within is None else within // datetime.timedelta(seconds=1),
        now=None if now is None else seconds_of(now, "now"), zone=optional_text(keep.get("zone"), "zone"), **more)


class _Place:
    """What a store has at a path, or has not. Two are equal if they are of one Store object and have one path."""

    def __init__(self, store: Store, path: str) -> None:
        check_handle(ffi.typeof("pxds_store *"), "store", store)
        self.store = store
        self.path = path

    def __repr__(self) -> str:
        return f"<pxds.{type(self).__name__} {self.path!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and self.store is other.store and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)


class Group(_Place):
    """A group in a store, which is there or not."""

    def __init__(self, store: Store, path: str) -> None:
        super().__init__(store, path)
        self.name = GroupName.parse(path)

    def _call(self, name: str, *args: Any) -> int:
        return call(getattr(lib, f"pxds_group_{name}"), self.store, text(self.path), *args)

    def create(self, owner: Optional[str] = None) -> None:
        """Makes the group, if it is not there. It belongs to "user@realm"; by default to root@pam."""
        self._call("create", optional_text(owner, "owner"))

    def snapshots(self, *, owners: bool = False, manifests: bool = False) -> Listing[SnapshotEntry]:
        """Its snapshots, the oldest first; none if it is not there."""
        return snapshot_entries(self.store, lib.pxds_group_snapshots, text(self.path),
                                flags("PXDS_LIST_", owners=owners, manifests=manifests))

    def last(self) -> Optional[Snapshot]:
        """Its newest finished snapshot."""
        found = buffer(lib.pxds_group_last, self.store, text(self.path))
        return None if found is None else Snapshot(self.store, found.decode())

    @property
    def owner(self) -> Optional[str]:
        found = buffer(lib.pxds_group_get_owner, self.store, text(self.path))
        return None if found is None else found.decode()

    @owner.setter
    def owner(self, owner: str) -> None:
        self._call("set_owner", text(owner, "owner"))

    @property
    def notes(self) -> str:
        return content(lib.pxds_group_get_notes, self.store, text(self.path)).decode()

    @notes.setter
    def notes(self, notes: Optional[str]) -> None:
        self._call("set_notes", optional_text(notes, "notes"))

    def destroy(self, *, dry_run: bool = False, progress: Optional[Tell] = None) -> DestroyResult:
        """Removes the group with its snapshots. ProtectedError if protected ones, and so the group, stay."""
        out = struct("pxds_destroy_result")
        how = flags("PXDS_DESTROY_", dry_run=dry_run)
        self._call("destroy", Options("pxds_destroy_options", flags=how, progress=progress), out)
        return DestroyResult._take(out)

    def lock(self) -> Lock:
        return Lock._make(lib.pxds_group_lock, self.store, text(self.path), keep=(self.store,))

    def prune(self, *, dry_run: bool = False, progress: Optional[Tell] = None,
              **keep: Unpack[Keep]) -> Listing[PruneEntry]:
        """Removes the snapshots that no rule keeps, and says of each what was decided. Without rules all stay."""
        options = _prune_options(keep, flags=flags("PXDS_PRUNE_", dry_run=dry_run), progress=progress)
        with _PruneList._make(lib.pxds_group_prune, self.store, text(self.path), options) as entries:
            return Listing(elements(entries, "pxds_prune_entry", PruneEntry._take), _complete(entries))


class Snapshot(_Place):
    """A snapshot in a store, which is there or not. open() reads it."""

    def __init__(self, store: Store, path: str) -> None:
        super().__init__(store, path)
        self.name = SnapshotName.parse(path)

    def _call(self, name: str, *args: Any) -> int:
        return call(getattr(lib, f"pxds_snapshot_{name}"), self.store, text(self.path), *args)

    @property
    def group(self) -> Group:
        return Group(self.store, self.path.rsplit("/", 1)[0])

    def info(self) -> SnapshotInfo:
        """What its directory says: whether it is finished and protected."""
        out = struct("pxds_snapshot_entry")
        self._call("get_info", out)
        return SnapshotInfo._take(out)

    def files(self) -> List[FileEntry]:
        """Its archives, and its manifest."""
        with _FileList._make(lib.pxds_snapshot_files, self.store, text(self.path)) as entries:
            return elements(entries, "pxds_file_entry", FileEntry._take)

    def open(self, key: Optional[Key] = None, *, allow_unsigned: bool = False, salvage: bool = False) -> OpenSnapshot:
        """Opens it to read its archives; it cannot be removed meanwhile.

        With a key only what that key has signed is given, unless `allow_unsigned`. `salvage`: without its manifest, if
        that cannot be read.
        """
        how = flags("PXDS_OPEN_", allow_unsigned=allow_unsigned, salvage=salvage)
        return OpenSnapshot._make(lib.pxds_snapshot_open, self.store, text(self.path), key, how, keep=(self.store,))

    def open_file(self, name: str, key: Optional[Key] = None, **options: Unpack[ReadOptions]) -> ReaderFile:
        """An archive as a file to be read, which holds the snapshot until it is closed."""
        opened = self.open(key)
        try:
            reader = opened.reader(name, **options)
            return ReaderFile(reader, reader, opened)
        except BaseException:
            opened.close()
            raise

    def restore(self, name: str, path: Path, key: Optional[Key] = None, **options: Unpack[RestoreOptions]) -> None:
        """Writes an archive to a file."""
        with self.open(key) as opened:
            opened.restore(name, path, **options)

    def read_blob(self, name: str, key: Optional[Key] = None) -> bytes:
        with self.open(key) as opened:
            return opened.read_blob(name)

    def manifest(self) -> Manifest:
        """A copy of its manifest, with its signature unchecked."""
        return Manifest._make(lib.pxds_manifest_load, self.store, text(self.path))

    def save_manifest(self, manifest: Manifest) -> None:
        """Writes its manifest, which finishes it."""
        call(lib.pxds_manifest_save, self.store, text(self.path), manifest)

    @property
    def notes(self) -> str:
        return content(lib.pxds_snapshot_get_notes, self.store, text(self.path)).decode()

    @notes.setter
    def notes(self, notes: Optional[str]) -> None:
        self._call("set_notes", optional_text(notes, "notes"))

    def set_unprotected(self, name: str, value: Any) -> None:
        """Sets a member of the part of its manifest that no signature covers; None removes it."""
        self._call("set_unprotected", text(name), None if value is None else json_of(value, "value"))

    def protect(self) -> None:
        """Protects it from being removed, by whatever program."""
        self._call("protect")

    def unprotect(self) -> None:
        self._call("unprotect")

    def destroy(self) -> None:
        """Removes it, whole or not at all. The chunks stay for garbage collection."""
        self._call("destroy")

    def lock(self, *, exclusive: bool = False) -> Lock:
        return Lock._make(lib.pxds_snapshot_lock, self.store, text(self.path), lock_mode(exclusive),
                          keep=(self.store,))

    def create(self, owner: Optional[str] = None) -> Lock:
        """Makes its empty directory, for a snapshot that is put together by hand, and locks it."""
        return Lock._make(lib.pxds_snapshot_create, self.store, text(self.path), optional_text(owner, "owner"),
                          keep=(self.store,))


class SnapshotEntry(Snapshot):
    """A snapshot in a listing: `details` has what that says of it, and so have the attributes of these names."""

    def __init__(self, store: Store, path: str, details: SnapshotInfo) -> None:
        super().__init__(store, path)
        self.details = details

    @property
    def time(self) -> datetime.datetime:
        return self.details.time

    @property
    def size(self) -> int:
        return self.details.size

    @property
    def owner(self) -> Optional[str]:
        return self.details.owner

    @property
    def protected(self) -> bool:
        return self.details.protected

    @property
    def finished(self) -> bool:
        return self.details.finished


class OpenSnapshot(Handle):
    """A snapshot that is being read. Threads may share it."""

    _type = "pxds_snapshot"

    def open_file(self, name: str, **options: Unpack[ReadOptions]) -> ReaderFile:
        """An archive as a file to be read: seekable, for tarfile and others. Its chunks are kept in a cache."""
        reader = self.reader(name, **options)
        return ReaderFile(reader, reader)

    def reader(self, name: str, **options: Unpack[ReadOptions]) -> Reader:
        """A reader of an archive, which threads may share."""
        given = read_options(options)
        return Reader._make(lib.pxds_snapshot_open_reader, self, text(name), given, keep=(self, given))

    def restore(self, name: str, path: Path, **options: Unpack[RestoreOptions]) -> None:
        """Writes an archive to a file, which appears when all of it is there."""
        call(lib.pxds_snapshot_restore_file, self, text(name), path_bytes(path), restore_options(options))

    def index(self, name: str) -> Index:
        return Index._make(lib.pxds_snapshot_open_index, self, text(name))

    def read_blob(self, name: str, max_len: int = MAX_BLOB) -> bytes:
        """The content of a blob."""
        return content(lib.pxds_snapshot_read_blob, self, text(name), int_of(max_len, "max_len"))

    def manifest(self) -> Manifest:
        """A copy of its manifest, as it was when the snapshot was opened."""
        return Manifest._make(lib.pxds_snapshot_get_manifest, self)

    @property
    def signature(self) -> Signature:
        """Whether the manifest is signed with the key that the snapshot was opened with."""
        return Signature(ask(lib.pxds_snapshot_signature, self))


# ---- listings ----


class _NamespaceList(Handle):
    _type = "pxds_namespace_list"


class _GroupList(Handle):
    _type = "pxds_group_list"


class _SnapshotList(Handle):
    _type = "pxds_snapshot_list"


class _FileList(Handle):
    _type = "pxds_file_list"


class _PruneList(Handle):
    _type = "pxds_prune_list"


def elements(entries: Handle, entry_type: str, take: Callable[[Any], Any]) -> List[Any]:
    entry, found = struct(entry_type), []
    for i in range(ask(getattr(lib, f"{entries._type}_count"), entries)):
        call(getattr(lib, f"{entries._type}_get"), entries, i, entry)
        found.append(take(entry))
    return found


def _complete(entries: Handle) -> bool:
    return bool(ask(getattr(lib, f"{entries._type}_is_complete"), entries))


def namespaces(store: Store, ns: str, recursive: bool) -> Listing[str]:
    how = flags("PXDS_LIST_", recursive=recursive)
    with _NamespaceList._make(lib.pxds_store_namespaces, store, text(ns, "ns"), how) as names:
        count = ask(lib.pxds_namespace_list_count, names)
        found = [shown(ask(lambda each: lib.pxds_namespace_list_get(each, i), names)) for i in range(count)]
        return Listing(found, _complete(names))


def group_names(store: Store, ns: str, recursive: bool) -> Listing[Group]:
    how = flags("PXDS_LIST_", recursive=recursive)
    with _GroupList._make(lib.pxds_store_groups, store, text(ns, "ns"), how) as groups:
        found = elements(groups, "pxds_group_entry", lambda entry: Group(store, shown(entry.path)))
        return Listing(found, _complete(groups))


def snapshot_entries(store: Store, function: Any, where: bytes, how: int) -> Listing[SnapshotEntry]:
    with _SnapshotList._make(function, store, where, how) as snapshots:
        found = elements(snapshots, "pxds_snapshot_entry",
                         lambda entry: SnapshotEntry(store, shown(entry.path), SnapshotInfo._take(entry)))
        return Listing(found, _complete(snapshots))


# ---- names and decisions alone ----


def archive_kind(name: str) -> ArchiveKind:
    """The kind of an archive by its name; ArgumentError if it is none."""
    out = ffi.new("uint32_t *")
    call(lib.pxds_archive_check, text(name), out)
    return ArchiveKind(out[0])


def check_id(id: str) -> None:
    call(lib.pxds_id_check, text(id, "id"))


def check_namespace(ns: str) -> None:
    call(lib.pxds_namespace_check, text(ns, "ns"))


def format_time(time: Time) -> str:
    """A time as the name of a snapshot."""
    out = ffi.new("char[]", const("PXDS_TIME_SIZE"))
    call(lib.pxds_time_format, seconds_of(time), out, len(out))
    return shown(out)


def parse_time(name: str) -> datetime.datetime:
    out = ffi.new("int64_t *")
    call(lib.pxds_time_parse, text(name), out)
    return moment(out[0])


class PruneRow(NamedTuple):
    """A snapshot to decide about."""

    time: Time
    protected: bool = False
    finished: bool = True
    verify_state: VerifyState = VerifyState.NONE


def _row(row: PruneRow) -> Dict[str, int]:
    if not isinstance(row, PruneRow):
        raise expected("pxds.PruneRow", "snapshots", row)
    return {"time": seconds_of(row.time), "verify_state": int_of(row.verify_state, "verify_state", UINT32),
            "flags": flags("PXDS_SNAPSHOT_", protected=row.protected, finished=row.finished)}


def prune_marks(snapshots: Iterable[PruneRow], **keep: Unpack[Keep]) -> List[Mark]:
    """What pruning decides about snapshots, all that one group has, without a store."""
    rows = ffi.new("pxds_prune_row[]", [_row(each) for each in iterable_of(snapshots, "snapshots")])
    marks = ffi.new("uint32_t[]", len(rows))
    call(lib.pxds_prune_mark, rows, len(rows), _prune_options(keep), marks)
    return [Mark(mark) for mark in marks]
