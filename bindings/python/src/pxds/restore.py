"""Getting bytes back: whole, in part, or anywhere."""

from __future__ import annotations

import io
import os
import threading

from pxds._core import (
    NONE, NO_LIMIT, Handle, Options, ask, buffer, call, callable_of, check_handle, digest_of, expected, flags, index_of,
    int_of, known, on_write, path_bytes, told, writer_of,
)
from pxds._native import ffi, lib
from pxds._types import TypedDict
from pxds.index import Index
from pxds.keys import Key
from pxds.values import BadChunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple, Union

    from typing_extensions import Unpack

    from pxds._aliases import Bytes, OnBad, Path
    from pxds._core import Progress
    from pxds.store import Store

# Room that is about to be filled.
uncleared = ffi.new_allocator(should_clear_after_alloc=False)


class RestoreOptions(TypedDict, total=False):
    """How a restore works.

    `sparse`: chunks of zeros become holes of files. `on_bad` is told of each bad chunk, and zeros take its place; with
    `skip_bad` without being told. `any_csum`: for salvage. `progress` is told how far it is.
    """

    threads: int
    any_csum: bool
    sparse: bool
    skip_bad: bool
    on_bad: OnBad
    progress: Callable[[Progress], None]


class RestorerOptions(RestoreOptions, total=False):
    """The same, with the key for encrypted chunks."""

    key: Key


def restore_options(given: RestoreOptions, key: Optional[Key] = None, names: Any = RestoreOptions) -> Options:
    known(given, names)
    return Options(
        "pxds_restorer_options", threads=given.get("threads"), key=key, progress=given.get("progress"),
        on_bad=told("on_bad", BadChunk._take, given.get("on_bad")),
        flags=flags("PXDS_RESTORER_", any_csum=given.get("any_csum", False), sparse=given.get("sparse", False),
                    skip_bad=given.get("skip_bad", False)))


class Source(Handle):
    """Where chunks come from: a callable that gives the encoded blob of a digest, or None; or a store. Shared."""

    _type = "pxds_source"

    def __init__(self, get: Callable[[bytes], Optional[Bytes]], *, any_thread: bool = False) -> None:
        """With `any_thread` several threads of the library's call it at once. What is given is checked."""
        callable_of(get, "get")
        recent = threading.local()

        def once(digest: bytes, capacity: int) -> Optional[Bytes]:
            # A blob that has no room is asked for again.
            kept, recent.kept = getattr(recent, "kept", None), None
            blob: Optional[Bytes] = kept[1] if kept is not None and kept[0] == digest else get(digest)
            if blob is not None and len(blob) > capacity:
                recent.kept = (digest, blob)
            return blob

        options = Options("pxds_source_options", get=once, flags=flags("PXDS_SOURCE_", any_thread=any_thread))
        self._adopt(lib.pxds_source_new, options, keep=(options,))

    @classmethod
    def from_store(cls, store: Store) -> Source:
        return cls._make(lib.pxds_source_from_store, store, keep=(store,))

    def get(self, digest: Bytes, max_len: int = NO_LIMIT) -> bytes:
        """The encoded blob of a chunk, whose structure and CRC have been checked."""
        return buffer(lib.pxds_source_get, self, digest_of(digest), int_of(max_len, "max_len")) or b""


class Restorer(Handle):
    """Turns indexes back into bytes; each chunk is checked before a byte of it is given. One call at a time."""

    _type = "pxds_restorer"

    def __init__(self, source: Union[Store, Source], **options: Unpack[RestorerOptions]) -> None:
        given = restore_options(options, options.get("key"), RestorerOptions)
        make = lib.pxds_restorer_new_from if isinstance(source, Source) else lib.pxds_restorer_new
        self._adopt(make, source, given, keep=(source, given))

    def _whole_or_range(self, how: str, index: Index, at: Optional[int], length: Optional[int], *out: Any) -> int:
        written = ffi.new("uint64_t *")
        if at is None and length is None:
            call(getattr(lib, f"pxds_restorer_write{how}"), self, index, *out, written)
        else:
            rest = NO_LIMIT if length is None else int_of(length, "length")
            first = 0 if at is None else int_of(at, "offset")
            call(getattr(lib, f"pxds_restorer_write_range{how}"), self, index, first, rest, *out, written)
        return int(written[0])

    def write_file(self, index: Index, path: Path, *, offset: Optional[int] = None,
                   length: Optional[int] = None) -> int:
        """Writes its file, or a part of it, to a path, where it appears when all of it is there."""
        return self._whole_or_range("_file", index, offset, length, path_bytes(path))

    def write_fd(self, index: Index, fd: int, *, offset: Optional[int] = None, length: Optional[int] = None) -> int:
        """Writes its file, or a part of it, to a descriptor."""
        return self._whole_or_range("_fd", index, offset, length, int_of(fd, "fd"))

    def write(self, index: Index, file: Any, *, offset: Optional[int] = None, length: Optional[int] = None) -> int:
        """Gives its file, or a part of it, to the write() of a file object, in order."""
        user = ffi.new_handle(writer_of(file))
        return self._whole_or_range("", index, offset, length, on_write(), user)

    def read(self, index: Index, offset: int, length: int) -> bytes:
        """Bytes of its file, fewer at its end."""
        check_handle(ffi.typeof("pxds_index *"), "index", index)
        size = min(int_of(length, "length"), max(0, index.size - int_of(offset, "offset")))
        room, count = uncleared("char[]", size), ffi.new("size_t *")
        call(lib.pxds_restorer_read_range, self, index, offset, room, size, count)
        return ffi.buffer(room, count[0])[:]  # type: ignore[no-any-return]


class Cache(Handle):
    """Decoded chunks, for any number of readers."""

    _type = "pxds_cache"

    def __init__(self, max_bytes: int) -> None:
        self._adopt(lib.pxds_cache_new, int_of(max_bytes, "max_bytes"))


class ReadOptions(TypedDict, total=False):
    """How a reader works: see RestoreOptions. `cache_size`: bytes of a cache of its own; `cache`: one of several."""

    threads: int
    cache_size: int
    cache: Cache
    any_csum: bool
    skip_bad: bool
    on_bad: OnBad


class ReaderOptions(ReadOptions, total=False):
    """The same, with the key for encrypted chunks."""

    key: Key


def read_options(given: ReadOptions, key: Optional[Key] = None, names: Any = ReadOptions) -> Options:
    known(given, names)
    return Options(
        "pxds_reader_options", threads=given.get("threads"), key=key,
        cache_size=given.get("cache_size"), cache=given.get("cache"),
        on_bad=told("on_bad", BadChunk._take, given.get("on_bad")),
        flags=flags("PXDS_READER_", any_csum=given.get("any_csum", False), skip_bad=given.get("skip_bad", False)))


class Reader(Handle):
    """Reads a file anywhere, through a cache of decoded chunks. Threads may share it."""

    _type = "pxds_reader"

    def __init__(self, source: Union[Store, Source], index: Index, **options: Unpack[ReaderOptions]) -> None:
        given = read_options(options, options.get("key"), ReaderOptions)
        make = lib.pxds_reader_new_from if isinstance(source, Source) else lib.pxds_reader_new
        self._adopt(make, source, index, given, keep=(source, given))

    @property
    def size(self) -> int:
        return int(ask(lib.pxds_reader_size, self))

    def read_into(self, offset: int, room: Union[bytearray, memoryview]) -> int:
        """Fills a buffer with the bytes from an offset on, as far as the file has them; says how many these are."""
        count = ffi.new("size_t *")
        try:
            view = ffi.from_buffer(room, require_writable=True)
        except (TypeError, BufferError):
            raise expected("a buffer that can be written", "room", room) from None
        call(lib.pxds_reader_read_at, self, int_of(offset, "offset"), view, len(view), count)
        return int(count[0])

    def read_at(self, offset: int, length: int) -> bytes:
        size = min(int_of(length, "length"), max(0, self.size - int_of(offset, "offset")))
        room, count = uncleared("char[]", size), ffi.new("size_t *")
        call(lib.pxds_reader_read_at, self, offset, room, size, count)
        return ffi.buffer(room, count[0])[:]  # type: ignore[no-any-return]

    def extents(self, start: int = 0) -> List[Tuple[int, int, bool]]:
        """The stretches of the file: (offset, length, whether it is zeros). Nothing is loaded for that."""
        length, zero, found = ffi.new("uint64_t *"), ffi.new("uint32_t *"), []
        start = int_of(start, "start")
        while call(lib.pxds_reader_get_extent, self, start, NO_LIMIT, length, zero) != NONE:
            found.append((start, int(length[0]), bool(zero[0])))
            start += length[0]
        return found

    def open(self) -> ReaderFile:
        """A file object of it, which stands at the start; the reader stays open when it is closed."""
        return ReaderFile(self)


class ReaderFile(io.RawIOBase):
    """A stored file as a file of Python's: seekable, to be read alone; tarfile and zipfile take it as it is."""

    _handles: Tuple[Handle, ...] = ()

    def __init__(self, reader: Reader, *own: Handle) -> None:
        """`own` are closed with it."""
        if not isinstance(reader, Reader):
            raise expected("pxds.Reader", "reader", reader)
        super().__init__()
        self._reader = reader
        self._handles = own
        self._at = 0

    @property
    def size(self) -> int:
        return self._reader.size

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(f"a {type(self).__name__} can be neither copied nor pickled")

    def readable(self) -> bool:
        self._checkClosed()
        return True

    def seekable(self) -> bool:
        self._checkClosed()
        return True

    def writable(self) -> bool:
        self._checkClosed()
        return False

    def write(self, _data: Any) -> int:
        self._checkClosed()
        raise io.UnsupportedOperation("what is stored can only be read")

    def truncate(self, _size: Optional[int] = None) -> int:
        return self.write(b"")

    def readinto(self, room: Any) -> int:
        self._checkClosed()
        try:
            view = memoryview(room).cast("B")
        except TypeError:
            view = None
        if view is None or view.readonly:
            raise expected("a buffer that can be written", "room", room)
        count = self._reader.read_into(self._at, view)
        self._at += count
        return count

    def read(self, size: Optional[int] = -1) -> bytes:
        """The next bytes, all that are asked for unless the file ends. In one call chunks load side by side."""
        self._checkClosed()
        wanted = -1 if size is None else index_of(size, "size")
        part = self._reader.read_at(self._at, NO_LIMIT if wanted < 0 else wanted)
        self._at += len(part)
        return part

    def readall(self) -> bytes:
        return self.read()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._checkClosed()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}.get(index_of(whence, "whence"))
        at = -1 if base is None else base + index_of(offset, "offset")
        if at < 0:
            raise ValueError(f"no such place: {offset}, {whence}")
        if at >= 2 ** 63:
            raise OverflowError(f"no file is so long: {at}")
        self._at = at
        return at

    def tell(self) -> int:
        self._checkClosed()
        return self._at

    def close(self) -> None:
        if not self.closed:
            super().close()
            for each in self._handles:
                each.close()
