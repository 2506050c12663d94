"""Making snapshots."""

from __future__ import annotations

import os

from pxds._core import (
    INT32, Handle, Options, ask, call, check_handle, data_of, flags, int_of, known, on_read, optional_text, path_bytes,
    reader_of, seconds_of, shown, struct, text,
)
from pxds._native import ffi, lib
from pxds._types import TypedDict
from pxds.blob import ChunkerConfig, config_options
from pxds.index import IndexWriter
from pxds.ingest import IngestOptions, after_whole_file, ingest_options, whole_file
from pxds.keys import Key
from pxds.values import CryptMode, IngestStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Union

    from typing_extensions import Unpack

    from pxds._aliases import Bytes, Item, Time
    from pxds._core import Progress
    from pxds.store import Store


class BackupOptions(TypedDict, total=False):
    """How a snapshot is made. `time`: by default now. With a key it is encrypted and signed.

    `progress` is told of the waiting for a lock and of the end; add() has one of its own for the data.
    """

    time: Time
    owner: str
    notes: str
    key: Key
    crypt_mode: CryptMode
    any_chunk_size: bool
    progress: Callable[[Progress], None]


class _Content:
    """Bytes as something to be read."""

    def __init__(self, data: Bytes) -> None:
        self._rest = memoryview(data).cast("B")

    def readinto(self, room: Any) -> int:
        count = min(len(room), len(self._rest))
        room[0:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Backup(Handle):
    """A snapshot in the making: it appears whole with finish(), which leaving `with` calls, or not at all.

    A failure ends it, also one that the program has caught: finish() is a StateError then. Only what was wrong from the
    start, an argument or a file that cannot be opened, leaves it as it was, to go on without. Of one that is not
    finished, because `with` is left by an exception, nothing stays but chunks for garbage collection.
    """

    _type = "pxds_backup"

    def __init__(self, store: Store, group: str, **options: Unpack[BackupOptions]) -> None:
        known(options, BackupOptions)
        time = options.get("time")
        given = Options(
            "pxds_backup_options", time=None if time is None else seconds_of(time), key=options.get("key"),
            flags=flags("PXDS_BACKUP_", set_time=time is not None, any_chunk_size=options.get("any_chunk_size", False)),
            owner=optional_text(options.get("owner"), "owner"), notes=optional_text(options.get("notes"), "notes"),
            crypt_mode=options.get("crypt_mode"), progress=options.get("progress"))
        self._adopt(lib.pxds_backup_new, store, text(group, "group"), given, keep=(store, given))
        self.snapshot: str = shown(ask(lib.pxds_backup_snapshot, self))
        previous = ask(lib.pxds_backup_previous, self)
        self.previous: Optional[str] = None if previous == ffi.NULL else shown(previous)
        self._finished = False

    def add(self, name: str, item: Item, *, chunker: Optional[ChunkerConfig] = None, chunk_size: int = 0,
            **options: Unpack[IngestOptions]) -> IngestStats:
        """Adds an archive: .didx is cut by content, .fidx is an image, .blob a small file.

        `item`: a path, str or os.PathLike; content, bytes and the like; or a file object, which is read to its end.
        """
        out, archive = struct("pxds_ingest_stats"), text(name)
        stream = ingest_options("ingest", options, chunker=config_options(chunker))
        image = ingest_options("image", options, chunk_size=chunk_size)
        if isinstance(item, (str, os.PathLike)):
            call(lib.pxds_backup_add_file, self, archive, path_bytes(item, "item"), stream, image, out)
            return IngestStats._take(out)
        file = _Content(item) if isinstance(item, (bytes, bytearray, memoryview)) else item
        # An image is read from its first byte on wherever its descriptor stands.
        fd = whole_file(file) if not name.endswith(".fidx") or getattr(file, "tell", int)() == 0 else None
        if fd is not None:
            call(lib.pxds_backup_add_fd, self, archive, fd, stream, image, out)
            after_whole_file(file)
        else:
            user = ffi.new_handle(reader_of(file, "a path, bytes or a file object", "item"))
            call(lib.pxds_backup_add_stream, self, archive, on_read(), user, stream, image, out)
        return IngestStats._take(out)

    def add_fd(self, name: str, fd: int, *, chunker: Optional[ChunkerConfig] = None, chunk_size: int = 0,
               **options: Unpack[IngestOptions]) -> IngestStats:
        """Adds what a descriptor gives, to its end."""
        out = struct("pxds_ingest_stats")
        stream = ingest_options("ingest", options, chunker=config_options(chunker))
        call(lib.pxds_backup_add_fd, self, text(name), int_of(fd, "fd", INT32), stream,
             ingest_options("image", options, chunk_size=chunk_size), out)
        return IngestStats._take(out)

    def add_index(self, name: str, index: IndexWriter) -> None:
        """Adds an archive from an index that came out of an ingest or image of the same store."""
        check_handle(ffi.typeof("pxds_index_writer *"), "index", index)
        call(lib.pxds_backup_add_index, self, text(name), index)

    def add_blob(self, name: str, data: Bytes, *, compress: bool = True) -> None:
        call(lib.pxds_backup_add_blob, self, text(name), *data_of(data), flags("PXDS_ADD_", no_compress=not compress))

    def add_sealed_key(self, sealed: Bytes) -> None:
        """Adds the snapshot's key, sealed for a master key: see master_seal()."""
        call(lib.pxds_backup_add_sealed_key, self, *data_of(sealed, "sealed"))

    def finish(self) -> str:
        """Gives the snapshot its name, when everything is on the disk; the path of it."""
        call(lib.pxds_backup_finish, self)
        self._finished = True
        return self.snapshot

    def __exit__(self, *raised: object) -> None:
        try:
            if raised[0] is None and not self._finished and not self.closed:
                self.finish()
        finally:
            self.close()
