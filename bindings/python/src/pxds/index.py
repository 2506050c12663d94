"""Indexes: which chunks make up a file."""

from __future__ import annotations

from pxds._core import (
    NONE, NO_LIMIT, UINT32, UINT64, Handle, call, check_handle, content, data_of, digest_of, flags, index_of, int_of,
    path_bytes, seconds_of, struct, uuid_of,
)
from pxds._native import ffi, lib
from pxds.values import IndexChunk, IndexInfo, IndexKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Optional, Tuple

    from pxds._aliases import Bytes, Path, Time, Uuid

# Chunks that are fetched in one call.
_MANY = 1024


class Index(Handle):
    """An index, in memory. Threads may share it. It is a sequence of IndexChunk."""

    _type = "pxds_index"

    def __init__(self, path: Path, kind: IndexKind = IndexKind.ANY) -> None:
        """Opens the index file at a path."""
        self._adopt(lib.pxds_index_open, path_bytes(path), int_of(kind, "kind", UINT32))

    @classmethod
    def parse(cls, data: Bytes, kind: IndexKind = IndexKind.ANY) -> Index:
        return cls._make(lib.pxds_index_parse, *data_of(data), int_of(kind, "kind", UINT32))

    @property
    def info(self) -> IndexInfo:
        out = struct("pxds_index_info")
        call(lib.pxds_index_get_info, self, out)
        return IndexInfo._take(out)

    @property
    def size(self) -> int:
        """Bytes of the file that it describes."""
        return self.info.size

    def __len__(self) -> int:
        return self.info.chunk_count

    def __getitem__(self, number: int) -> IndexChunk:
        out = struct("pxds_index_chunk_info")
        number = index_of(number, "number")
        at = number if number >= 0 else len(self) + number
        if at not in UINT64 or call(lib.pxds_index_get_chunk, self, at, out) == NONE:
            raise IndexError(f"no chunk {number}")
        return IndexChunk._take(out)

    def __iter__(self) -> Iterator[IndexChunk]:
        room, count, first = ffi.new("pxds_index_chunk_info[]", _MANY), ffi.new("size_t *"), 0
        room[0].struct_size = ffi.sizeof("pxds_index_chunk_info")
        while call(lib.pxds_index_get_chunks, self, first, room, _MANY, count) != NONE:
            # Another call may come in between, of an iterator that goes on while this one waits.
            yield from [IndexChunk._take(room[i]) for i in range(count[0])]
            first += count[0]

    def find(self, offset: int) -> Optional[Tuple[int, int]]:
        """The number of the chunk that holds a byte, and where in the chunk that is; None at the end and behind it."""
        number, within = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        if call(lib.pxds_index_find_chunk, self, int_of(offset, "offset"), number, within) == NONE:
            return None
        return int(number[0]), int(within[0])

    def compute_csum(self) -> bytes:
        """The csum of its entries, which a manifest lists."""
        out = ffi.new("uint8_t[32]")
        call(lib.pxds_index_compute_csum, self, out, None)
        return bytes(ffi.buffer(out))

    def check_csum(self) -> None:
        """CorruptError unless the csum in its header is that of its entries."""
        call(lib.pxds_index_check_csum, self)

    def changes(self, earlier: Index) -> List[Tuple[int, int]]:
        """The ranges of its file, (start, end), whose bytes `earlier` may have otherwise, by the indexes alone."""
        check_handle(ffi.typeof("pxds_index *"), "earlier", earlier)
        had = {(chunk.start, chunk.digest) for chunk in earlier}
        ranges: List[Tuple[int, int]] = []
        for chunk in self:
            if (chunk.start, chunk.digest) in had:
                continue
            if ranges and ranges[-1][1] == chunk.start:
                ranges[-1] = (ranges[-1][0], chunk.end)
            else:
                ranges.append((chunk.start, chunk.end))
        return ranges


class IndexWriter(Handle):
    """An index in the making. One that comes out of an ingest or image holds the store until it is saved or closed."""

    _type = "pxds_index_writer"

    @classmethod
    def dynamic(cls, *, ctime: Time = 0, uuid: Optional[Uuid] = None) -> IndexWriter:
        return cls._make(lib.pxds_index_writer_new_dynamic, seconds_of(ctime, "ctime"), uuid_of(uuid))

    @classmethod
    def fixed(cls, size: int, chunk_size: int, *, ctime: Time = 0, uuid: Optional[Uuid] = None,
              allow_incomplete: bool = False) -> IndexWriter:
        return cls._make(lib.pxds_index_writer_new_fixed, seconds_of(ctime, "ctime"), uuid_of(uuid),
                         int_of(size, "size"), int_of(chunk_size, "chunk_size"),
                         flags("PXDS_WRITER_", allow_incomplete=allow_incomplete))

    def add(self, end: int, digest: Bytes) -> None:
        """Adds a chunk, which ends at `end`."""
        call(lib.pxds_index_writer_add, self, int_of(end, "end"), digest_of(digest))

    def set(self, number: int, digest: Bytes) -> None:
        """Sets the digest of a chunk of a fixed index."""
        call(lib.pxds_index_writer_set, self, int_of(number, "number"), digest_of(digest))

    def clone_index(self, earlier: Index) -> None:
        """Takes the digests of an earlier fixed index, for the chunks that both have."""
        check_handle(ffi.typeof("pxds_index *"), "earlier", earlier)
        call(lib.pxds_index_writer_clone_index, self, earlier)

    @property
    def info(self) -> IndexInfo:
        """What it has so far."""
        out = struct("pxds_index_info")
        call(lib.pxds_index_writer_get_info, self, out)
        return IndexInfo._take(out)

    def finish(self) -> bytes:
        """Completes the index, and gives the bytes of its file."""
        return content(lib.pxds_index_writer_finish, self, NO_LIMIT)

    def save(self, path: Path) -> None:
        """Completes the index, and writes it to a file, whole or not at all."""
        call(lib.pxds_index_writer_save, self, path_bytes(path))


def check_index_path(path: Path) -> None:
    """Checks that an index can be saved at a path, before the work."""
    call(lib.pxds_index_check_path, path_bytes(path))
