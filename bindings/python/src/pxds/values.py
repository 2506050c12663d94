"""Constants as enumerations, and what calls give as plain objects. Fields have their names in pxds.h: it says more."""

from __future__ import annotations

import enum

from pxds._core import INT32, Record, int_of, moment, moment_if_any, type_name
from pxds._native import const, ffi, lib
from pxds._types import T, List

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime
    from typing import Any, Callable, ClassVar, Mapping, Optional, Tuple

    _As = Mapping[str, Callable[[int], Any]]


class Layout(enum.IntEnum):
    """How a store keeps its chunks: PBS itself needs HEX4."""

    DEFAULT = const("PXDS_LAYOUT_DEFAULT")
    HEX2 = const("PXDS_LAYOUT_HEX2")
    HEX4 = const("PXDS_LAYOUT_HEX4")


class Sync(enum.IntEnum):
    """What is brought to the disk before an index or a snapshot has its name."""

    DEFAULT = const("PXDS_SYNC_DEFAULT")
    NONE = const("PXDS_SYNC_NONE")
    FILE = const("PXDS_SYNC_FILE")
    FILESYSTEM = const("PXDS_SYNC_FILESYSTEM")


class CryptMode(enum.IntEnum):
    DEFAULT = const("PXDS_CRYPT_DEFAULT")
    NONE = const("PXDS_CRYPT_NONE")
    ENCRYPT = const("PXDS_CRYPT_ENCRYPT")
    SIGN_ONLY = const("PXDS_CRYPT_SIGN_ONLY")


class VerifyState(enum.IntEnum):
    """How the last verification of a snapshot came out."""

    NONE = const("PXDS_VERIFIED_NONE")
    OK = const("PXDS_VERIFIED_OK")
    FAILED = const("PXDS_VERIFIED_FAILED")


class Signature(enum.IntEnum):
    UNCHECKED = const("PXDS_SIGNATURE_UNCHECKED")
    MISSING = const("PXDS_SIGNATURE_MISSING")
    VALID = const("PXDS_SIGNATURE_VALID")


class ArchiveKind(enum.IntEnum):
    DYNAMIC = const("PXDS_ARCHIVE_DYNAMIC")
    FIXED = const("PXDS_ARCHIVE_FIXED")
    BLOB = const("PXDS_ARCHIVE_BLOB")


class IndexKind(enum.IntEnum):
    ANY = const("PXDS_INDEX_ANY")
    DYNAMIC = const("PXDS_INDEX_DYNAMIC")
    FIXED = const("PXDS_INDEX_FIXED")


class Kdf(enum.IntEnum):
    """How a key file protects its key."""

    SCRYPT = const("PXDS_KDF_SCRYPT")
    PBKDF2 = const("PXDS_KDF_PBKDF2")
    NONE = const("PXDS_KDF_NONE")


class Mark(enum.IntEnum):
    """What pruning decides about a snapshot."""

    KEEP = const("PXDS_MARK_KEEP")
    KEEP_PARTIAL = const("PXDS_MARK_KEEP_PARTIAL")
    PROTECTED = const("PXDS_MARK_PROTECTED")
    REMOVE = const("PXDS_MARK_REMOVE")


class KeptBy(enum.IntFlag):
    """The rules that keep a snapshot."""

    LAST = const("PXDS_KEPT_BY_LAST")
    HOURLY = const("PXDS_KEPT_BY_HOURLY")
    DAILY = const("PXDS_KEPT_BY_DAILY")
    WEEKLY = const("PXDS_KEPT_BY_WEEKLY")
    MONTHLY = const("PXDS_KEPT_BY_MONTHLY")
    YEARLY = const("PXDS_KEPT_BY_YEARLY")
    GOOD = const("PXDS_KEPT_BY_GOOD")
    WITHIN = const("PXDS_KEPT_BY_WITHIN")
    NEWEST = const("PXDS_KEPT_BY_NEWEST")


class Outcome(enum.IntEnum):
    """How a snapshot came out of a verification."""

    OK = const("PXDS_OUTCOME_OK")
    FAILED = const("PXDS_OUTCOME_FAILED")
    BUSY = const("PXDS_OUTCOME_BUSY")
    GONE = const("PXDS_OUTCOME_GONE")
    RECENT = const("PXDS_OUTCOME_RECENT")
    UNVOUCHED = const("PXDS_OUTCOME_UNVOUCHED")
    UNFINISHED = const("PXDS_OUTCOME_UNFINISHED")
    UNREADABLE = const("PXDS_OUTCOME_UNREADABLE")


class NoticeLevel(enum.IntEnum):
    INFO = const("PXDS_NOTICE_INFO")
    WARNING = const("PXDS_NOTICE_WARNING")


class Listing(List[T]):
    """A list, and whether it is `complete`: if not, something could not be seen, of which there was a notice."""

    def __init__(self, items: List[T], complete: bool) -> None:
        super().__init__(items)
        self.complete = complete


def status_name(status: int) -> str:
    """The name of a status, such as "PXDS_ERR_BUSY"."""
    return str(ffi.string(lib.pxds_status_name(int_of(status, "status", INT32))).decode())


class InsertResult(Record):
    stored_size: int
    existed: bool
    _as: ClassVar[_As] = {"existed": bool}


class ChunkEntry(Record):
    """A file among the chunks; `bad` if it is a bad copy."""

    digest: bytes
    stored_size: int
    atime: datetime.datetime
    bad: bool
    bad_number: int
    _as: ClassVar[_As] = {"atime": moment, "bad": bool}


class ConvertResult(Record):
    files: int
    made: int
    removed: int
    set_aside: int


class BlobInfo(Record):
    magic: bytes
    crc: int
    compressed: bool
    encrypted: bool
    crypt_mode: CryptMode
    header_len: int
    payload_len: int
    _flags: ClassVar[Mapping[str, str]] = {
        "compressed": "PXDS_BLOB_COMPRESSED", "encrypted": "PXDS_BLOB_ENCRYPTED"}
    _as: ClassVar[_As] = {"crypt_mode": CryptMode}


class KeyFileInfo(Record):
    kdf: Kdf
    created: datetime.datetime
    modified: datetime.datetime
    hint: Optional[str]
    states_fingerprint: bool
    fingerprint: bytes
    _flags: ClassVar[Mapping[str, str]] = {"states_fingerprint": "PXDS_STATES_FINGERPRINT"}
    _as: ClassVar[_As] = {"kdf": Kdf, "created": moment, "modified": moment}


class IndexInfo(Record):
    kind: IndexKind
    size: int
    chunk_count: int
    chunk_size: int
    ctime: datetime.datetime
    uuid: bytes
    csum: bytes
    _as: ClassVar[_As] = {"kind": IndexKind, "ctime": moment}


class IndexChunk(Record):
    """A chunk of an index: bytes `start` to `end`, exclusive, of the file."""

    start: int
    end: int
    digest: bytes

    def __len__(self) -> int:
        return self.end - self.start


class StoredChunk(Record):
    """A chunk that has been stored; `existed` if the store had it."""

    offset: int
    size: int
    stored_size: int
    digest: bytes
    existed: bool
    _as: ClassVar[_As] = {"existed": bool}


class IngestStats(Record):
    size: int
    chunks: int
    new_chunks: int
    new_bytes: int
    stored_bytes: int
    compressed_bytes: int


class BadChunk(Record):
    """A chunk that cannot be loaded, and that zeros stand for."""

    number: int
    offset: int
    length: int
    digest: bytes
    status: int
    message: str


class ManifestInfo(Record):
    type: str
    id: str
    time: datetime.datetime
    file_count: int
    verify_state: VerifyState
    verify_time: Optional[datetime.datetime]
    signed: bool
    _flags: ClassVar[Mapping[str, str]] = {"signed": "PXDS_MANIFEST_SIGNED"}
    _as: ClassVar[_As] = {
        "type": type_name, "time": moment, "verify_state": VerifyState, "verify_time": moment_if_any}


class ManifestFile(Record):
    filename: str
    crypt_mode: CryptMode
    size: int
    csum: bytes
    _as: ClassVar[_As] = {"crypt_mode": CryptMode}


class SnapshotInfo(Record):
    """What there is to say of a snapshot. Owner, and what its manifest says, only if the listing was asked for them."""

    time: datetime.datetime
    type: str
    protected: bool
    finished: bool
    unreadable: bool
    owner: Optional[str]
    notes: Optional[str]
    size: int
    file_count: int
    verify_state: VerifyState
    verify_time: Optional[datetime.datetime]
    crypt_mode: CryptMode
    _flags: ClassVar[Mapping[str, str]] = {
        "protected": "PXDS_SNAPSHOT_PROTECTED", "finished": "PXDS_SNAPSHOT_FINISHED",
        "unreadable": "PXDS_SNAPSHOT_UNREADABLE"}
    _as: ClassVar[_As] = {
        "time": moment, "type": type_name, "verify_state": VerifyState, "verify_time": moment_if_any,
        "crypt_mode": CryptMode}


class FileEntry(Record):
    """A file of a snapshot: an archive, or the manifest. `plain_size` is what an index describes."""

    name: str
    size: int
    plain_size: int
    kind: ArchiveKind
    _as: ClassVar[_As] = {"kind": ArchiveKind}


class DestroyResult(Record):
    removed: int
    protected_count: int


class PruneEntry(Record):
    """What was decided about a snapshot, and how removing it went: `status` 0 if its mark holds, else see `message`."""

    path: str
    time: datetime.datetime
    mark: Mark
    kept_by: KeptBy
    status: int
    message: Optional[str]
    protected: bool
    finished: bool
    _flags: ClassVar[Mapping[str, str]] = {
        "protected": "PXDS_SNAPSHOT_PROTECTED", "finished": "PXDS_SNAPSHOT_FINISHED"}
    _as: ClassVar[_As] = {"time": moment, "mark": Mark, "kept_by": KeptBy}


class GcStatus(Record):
    index_file_count: int
    index_data_bytes: int
    stored_bytes: int
    stored_chunks: int
    removed_bytes: int
    removed_chunks: int
    pending_bytes: int
    pending_chunks: int
    removed_bad: int
    still_bad: int
    cache_hits: int
    cache_misses: int
    strange_indexes: int
    missing_chunks: int
    removed_temporaries: int
    removed_temporary_bytes: int
    future_files: int
    future_bytes: int
    future_until: Optional[datetime.datetime]
    used_bad: int
    used_bad_bytes: int
    removed_bad_bytes: int
    still_bad_bytes: int
    _as: ClassVar[_As] = {"future_until": moment_if_any}


class Damage(Record):
    """A damaged file of a snapshot, or with `chunk` a place in an index, at `offset`."""

    snapshot: str
    archive: str
    message: str
    offset: int
    length: int
    digest: bytes
    status: int
    chunk: bool
    renamed: bool
    repaired: bool
    _flags: ClassVar[Mapping[str, str]] = {
        "chunk": "PXDS_DAMAGE_CHUNK", "renamed": "PXDS_DAMAGE_RENAMED", "repaired": "PXDS_DAMAGE_REPAIRED"}


class Verified(Record):
    """A snapshot that a verification has dealt with."""

    snapshot: str
    errors: int
    repaired: int
    outcome: Outcome
    reason: Optional[str]
    _as: ClassVar[_As] = {"outcome": Outcome}


class VerifyResult(Record):
    ok: int
    failed: int
    skipped: int
    chunks: int
    bytes: int
    stored_bytes: int
    bad: int
    missing: int
    unreadable: int
    renamed: int
    repaired: int
    unvouched: int
    unfinished: int
    unnoted: int
    incomplete: bool
    _flags: ClassVar[Mapping[str, str]] = {"incomplete": "PXDS_RESULT_INCOMPLETE"}


class StatsDescribed(Record):
    """What indexes describe, whatever chunks they share."""

    indexes: int
    logical_bytes: int
    references: int
    blobs: int
    blob_bytes: int
    unreadable: int


class StatsSum(Record):
    """A set of chunks, each counted once."""

    chunks: int
    bytes: int
    stored_bytes: int
    missing_chunks: int
    missing_bytes: int


_DESCRIBED: _As = {"described": StatsDescribed._take, "others": StatsDescribed._take}
_SUMS: _As = {name: StatsSum._take for name in ("used", "shared", "across_groups", "own", "new_data")}


class StatsTotal(Record):
    exact: bool
    incomplete: bool
    described: StatsDescribed
    others: StatsDescribed
    used: StatsSum
    shared: StatsSum
    across_groups: StatsSum
    sizes: Tuple[int, ...]
    size_bytes: Tuple[int, ...]
    unreferenced_chunks: int
    unreferenced_bytes: int
    broken_files: int
    broken_bytes: int
    _flags: ClassVar[Mapping[str, str]] = {
        "exact": "PXDS_RESULT_EXACT", "incomplete": "PXDS_RESULT_INCOMPLETE"}
    _as: ClassVar[_As] = {**_DESCRIBED, **_SUMS}


class StatsGroup(Record):
    path: str
    snapshots: int
    oldest: Optional[datetime.datetime]
    newest: Optional[datetime.datetime]
    described: StatsDescribed
    used: StatsSum
    own: StatsSum
    _as: ClassVar[_As] = {**_DESCRIBED, **_SUMS, "oldest": moment_if_any, "newest": moment_if_any}


class StatsSnapshot(Record):
    path: str
    group: int
    time: datetime.datetime
    protected: bool
    finished: bool
    described: StatsDescribed
    used: StatsSum
    own: StatsSum
    new_data: StatsSum
    sizes: Tuple[int, ...]
    _flags: ClassVar[Mapping[str, str]] = {
        "protected": "PXDS_SNAPSHOT_PROTECTED", "finished": "PXDS_SNAPSHOT_FINISHED"}
    _as: ClassVar[_As] = {**_DESCRIBED, **_SUMS, "time": moment}
