"""The datastore of Proxmox Backup Server: make, list, read, prune and verify its snapshots.

    import pxds

    with pxds.Store.open_or_create("store") as store:
        snapshot = store.backup("host/laptop", {"etc.didx": "etc.tar"})
        store.snapshot(snapshot).restore("etc.didx", "copy.tar")

Calls let other threads run. `ffi` and `lib` are the C API itself, as cffi has it.
"""

from pxds._core import Handle, Progress
from pxds._native import LibraryError, __version__, ffi, lib, load, version
from pxds._tools import compute_digest, format_digest, parse_digest, write_file
from pxds.backup import Backup, BackupOptions
from pxds.blob import BlobCodec, Buzhash, Chunker, ChunkerConfig, blob_info, check_crc
from pxds.errors import (
    AccessError, ArgumentError, AuthError, BusyError, CancelledError, CorruptError, CryptModeError, DeniedError,
    ExistsError, ForkedError, FormatError, InternalError, IoError, KeyMismatchError, KeyNeededError, LimitError,
    NoMemoryError, NotFoundError, PanicError, PasswordError, ProtectedError, PxdsError, StateError, TooSmallError,
    UnsupportedError,
)
from pxds.index import Index, IndexWriter, check_index_path
from pxds.ingest import Image, Ingest, IngestOptions
from pxds.keys import Key, KeyFile, format_fingerprint, master_recover, master_seal, parse_fingerprint
from pxds.manifest import Manifest, json_canonical
from pxds.restore import (
    Cache, Reader, ReaderFile, ReaderOptions, ReadOptions, Restorer, RestoreOptions, RestorerOptions, Source,
)
from pxds.stats import Stats, dedup_factor
from pxds.store import PbsConfig, Store, StoreOptions, read_pbs_config
from pxds.tree import (
    Group, GroupName, Keep, Lock, OpenSnapshot, PruneRow, Snapshot, SnapshotEntry, SnapshotName, archive_kind, check_id,
    check_namespace, format_time, parse_time, prune_marks,
)
from pxds.values import (
    ArchiveKind, BadChunk, BlobInfo, ChunkEntry, ConvertResult, CryptMode, Damage, DestroyResult, FileEntry, GcStatus,
    IndexChunk, IndexInfo, IndexKind, IngestStats, InsertResult, Kdf, KeptBy, KeyFileInfo, Layout, Listing,
    ManifestFile, ManifestInfo, Mark, NoticeLevel, Outcome, PruneEntry, Signature, SnapshotInfo, StatsDescribed,
    StatsGroup, StatsSnapshot, StatsSum, StatsTotal, StoredChunk, Sync, Verified, VerifyResult, VerifyState,
    status_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pxds._aliases import Bytes, Path, Time
else:
    def __getattr__(name):
        """Names for annotations, when they are asked for: they need `typing`, which takes a quarter of the start."""
        if name not in ("Bytes", "Path", "Time"):
            raise AttributeError(f"module 'pxds' has no attribute {name!r}")
        import pxds._aliases
        return getattr(pxds._aliases, name)

__all__ = [
    "AccessError", "ArchiveKind", "ArgumentError", "AuthError", "Backup", "BackupOptions", "BadChunk", "BlobCodec",
    "BlobInfo", "BusyError", "Buzhash", "Bytes", "Cache", "CancelledError", "ChunkEntry", "Chunker", "ChunkerConfig",
    "ConvertResult", "CorruptError", "CryptMode", "CryptModeError", "Damage", "DeniedError", "DestroyResult",
    "ExistsError", "FileEntry", "ForkedError", "FormatError", "GcStatus", "Group", "GroupName", "Handle", "Image",
    "Index", "IndexChunk", "IndexInfo", "IndexKind", "IndexWriter", "Ingest", "IngestOptions", "IngestStats",
    "InsertResult", "InternalError", "IoError", "Kdf", "Keep", "KeptBy", "Key", "KeyFile", "KeyFileInfo",
    "KeyMismatchError", "KeyNeededError", "Layout", "LibraryError", "LimitError", "Listing", "Lock", "Manifest",
    "ManifestFile", "ManifestInfo", "Mark", "NoMemoryError", "NotFoundError", "NoticeLevel", "OpenSnapshot", "Outcome",
    "PanicError", "PasswordError", "Path", "PbsConfig", "Progress", "ProtectedError", "PruneEntry", "PruneRow",
    "PxdsError", "ReadOptions", "Reader", "ReaderFile", "ReaderOptions", "RestoreOptions", "Restorer",
    "RestorerOptions", "Signature", "Snapshot", "SnapshotEntry", "SnapshotInfo", "SnapshotName", "Source", "StateError",
    "Stats", "StatsDescribed", "StatsGroup", "StatsSnapshot", "StatsSum", "StatsTotal", "Store", "StoreOptions",
    "StoredChunk", "Sync", "Time", "TooSmallError", "UnsupportedError", "Verified", "VerifyResult", "VerifyState",
    "__version__", "archive_kind", "blob_info", "check_crc", "check_id", "check_index_path", "check_namespace",
    "compute_digest", "dedup_factor", "ffi", "format_digest", "format_fingerprint", "format_time", "json_canonical",
    "lib", "load", "master_recover", "master_seal", "parse_digest", "parse_fingerprint", "parse_time", "prune_marks",
    "read_pbs_config", "status_name", "version", "write_file",
]
