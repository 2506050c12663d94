"""Streams and images on their way into a store."""

from __future__ import annotations

import io
import os

from pxds._core import (
    INT32, Handle, Options, call, check_handle, data_of, expected, flags, int_of, iterable_of, known, on_read,
    reader_of, seconds_of, struct, told, uuid_of,
)
from pxds._native import ffi, lib
from pxds._types import TypedDict
from pxds.blob import ChunkerConfig, config_options
from pxds.index import Index, IndexWriter
from pxds.keys import Key
from pxds.values import IngestStats, StoredChunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Optional, Tuple

    from typing_extensions import Unpack

    from pxds._aliases import Bytes, Time, Uuid
    from pxds._core import Progress
    from pxds.store import Store


class IngestOptions(TypedDict, total=False):
    """How a stream or image is stored.

    `threads`: 0 for as many as there are processors. `strict`: a file that changes while it is read is a StateError.
    `on_chunk` is told of each chunk, `progress` how far it is: a stream or blob in bytes, of so many as a file has, an
    image in chunks. What they raise stops it, and comes out of the call.
    """

    threads: int
    compress: bool
    strict: bool
    ctime: Time
    uuid: Uuid
    key: Key
    on_chunk: Callable[[StoredChunk], None]
    progress: Callable[[Progress], None]


def ingest_options(name: str, given: IngestOptions, **more: Any) -> Options:
    """The structure "ingest" or "image"."""
    known(given, IngestOptions)
    ctime, uuid = given.get("ctime"), given.get("uuid")
    return Options(
        f"pxds_{name}_options", threads=given.get("threads"), key=given.get("key"), progress=given.get("progress"),
        flags=flags(f"PXDS_{name.upper()}_", no_compress=not given.get("compress", True),
                    strict=given.get("strict", False), set_ctime=ctime is not None, set_uuid=uuid is not None),
        ctime=None if ctime is None else seconds_of(ctime, "ctime"), uuid=uuid_of(uuid),
        on_chunk=told("on_chunk", StoredChunk._take, given.get("on_chunk")), **more)


def whole_file(file: Any) -> Optional[int]:
    """The descriptor of a file that Python does nothing to, standing where the file object does; else None.

    What a pipe has given to a buffer of Python's already cannot be put back.
    """
    # A class that is made of one of these may change what it reads.
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO:
        return None
    if raw is not file:
        if not raw.seekable():
            return None
        file.flush()
        os.lseek(raw.fileno(), file.tell(), os.SEEK_SET)
    return raw.fileno()


def after_whole_file(file: Any) -> None:
    """Puts a buffered file object where its descriptor is now."""
    if not isinstance(file, io.FileIO):
        file.seek(os.lseek(file.fileno(), 0, os.SEEK_CUR))


class _Input(Handle):
    """What Ingest and Image have in common."""

    _name = ""

    def _call(self, name: str, *args: Any) -> int:
        return call(getattr(lib, f"pxds_{self._name}_{name}"), self, *args)

    def write(self, data: Bytes) -> int:
        """Takes the next bytes, all of them."""
        given, length = data_of(data)
        self._call("write", given, length)
        return length

    def read_fd(self, fd: int) -> None:
        """Takes what a descriptor gives, to its end."""
        self._call("read_fd", int_of(fd, "fd", INT32))

    def read(self, file: Any) -> None:
        """Takes what a file object gives, by readinto() or read(), to its end."""
        user = ffi.new_handle(reader_of(file))
        self._call("read", on_read(), user)

    @property
    def stats(self) -> IngestStats:
        """Sums over what has been stored so far."""
        out = struct("pxds_ingest_stats")
        self._call("get_stats", out)
        return IngestStats._take(out)

    def finish(self) -> IndexWriter:
        """The index, complete but not yet written: see IndexWriter.save() and Backup.add_index()."""
        return IndexWriter._make(getattr(lib, f"pxds_{self._name}_finish"), self, keep=(self._keep,))


class Ingest(_Input):
    """A stream on its way into a store, cut by its content."""

    _type = "pxds_ingest"
    _name = "ingest"

    def __init__(self, store: Store, chunker: Optional[ChunkerConfig] = None,
                 **options: Unpack[IngestOptions]) -> None:
        given = ingest_options("ingest", options, chunker=config_options(chunker))
        self._adopt(lib.pxds_ingest_new, store, given, keep=(store, given))

    def partial(self) -> IndexWriter:
        """After a stop by a callable: the index of what has been stored, the start of the stream."""
        return IndexWriter._make(lib.pxds_ingest_partial, self, keep=(self._keep,))


def _range(given: Tuple[int, int]) -> Dict[str, int]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise expected("pairs, (offset, length)", "changed", given)
    return {"offset": int_of(given[0], "changed"), "length": int_of(given[1], "changed")}


class Image(_Input):
    """An image on its way into a store, in chunks of one size: a disk, say."""

    _type = "pxds_image"
    _name = "image"

    def __init__(self, store: Store, size: Optional[int] = None, chunk_size: int = 0,
                 **options: Unpack[IngestOptions]) -> None:
        """`size`: None if it is not known."""
        given = ingest_options("image", options, chunk_size=chunk_size)
        length = 2 ** 64 - 1 if size is None else int_of(size, "size")
        self._adopt(lib.pxds_image_new, store, length, given, keep=(store, given))

    def write_at(self, offset: int, data: Bytes) -> None:
        """Takes the chunk at an offset, whole."""
        self._call("write_at", int_of(offset, "offset"), *data_of(data))

    def reuse_bitmap(self, earlier: Index, bitmap: Bytes, granularity: int) -> None:
        """Takes the chunks that have not changed since an earlier image: a set bit says that bytes may have."""
        check_handle(ffi.typeof("pxds_index *"), "earlier", earlier)
        given, length = data_of(bitmap, "bitmap")
        self._call("reuse_bitmap", earlier, ffi.cast("uint8_t *", given), length,
                   int_of(granularity, "granularity"))

    def reuse_ranges(self, earlier: Index, changed: Iterable[Tuple[int, int]]) -> None:
        """As reuse_bitmap(); what may have changed is ranges, (offset, length)."""
        check_handle(ffi.typeof("pxds_index *"), "earlier", earlier)
        ranges = ffi.new("pxds_image_range[]", [_range(each) for each in iterable_of(changed, "changed")])
        self._call("reuse_ranges", earlier, ranges, len(ranges))
