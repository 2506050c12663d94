"""Single blobs, and where a stream is cut."""

from __future__ import annotations

from pxds._core import INT64, Handle, Options, call, content, data_of, digest_of, expected, flags, int_of, struct
from pxds._native import const, ffi, lib
from pxds._types import NamedTuple
from pxds.keys import Key
from pxds.values import BlobInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Optional, Tuple

    from pxds._aliases import Bytes

MAX_SIZE = const("PXDS_BLOB_MAX_SIZE")


def _digest(digest: Optional[Bytes]) -> Optional[bytes]:
    return None if digest is None else digest_of(digest)


class BlobCodec(Handle):
    """Encodes and decodes blobs, one at a time: re-use it. With a key it encrypts and decrypts."""

    _type = "pxds_blob_codec"

    def __init__(self, key: Optional[Key] = None, *, short_iv: bool = False, long_header: bool = False) -> None:
        options = Options("pxds_blob_codec_options", key=key,
                          flags=flags("PXDS_CODEC_", short_iv=short_iv, long_header=long_header))
        self._adopt(lib.pxds_blob_codec_new, options)

    def encode(self, data: Bytes, *, compress: bool = True, encrypt: bool = False) -> bytes:
        return content(lib.pxds_blob_encode_buffer, self, *data_of(data),
                       flags("PXDS_ENCODE_", compress=compress, encrypt=encrypt))

    def decode(self, blob: Bytes, *, digest: Optional[Bytes] = None, skip_crc: bool = False,
               max_size: int = MAX_SIZE) -> bytes:
        """The data of a blob, at most so many bytes; with a digest, if it is that of the data."""
        return content(lib.pxds_blob_decode_buffer, self, *data_of(blob, "blob"),
                       flags("PXDS_DECODE_", skip_crc=skip_crc), _digest(digest), int_of(max_size, "max_size"))

    def verify_unencrypted(self, blob: Bytes, size: int, digest: Bytes) -> None:
        """Checks that a blob decodes to data of this size and digest. An encrypted one passes unchecked."""
        call(lib.pxds_blob_verify_unencrypted, self, *data_of(blob, "blob"), int_of(size, "size"), digest_of(digest))


def blob_info(blob: Bytes) -> BlobInfo:
    """The header of an encoded blob."""
    out = struct("pxds_blob_info")
    call(lib.pxds_blob_parse, *data_of(blob, "blob"), out)
    return BlobInfo._take(out)


def check_crc(blob: Bytes) -> None:
    call(lib.pxds_blob_check_crc, *data_of(blob, "blob"))


class ChunkerConfig(NamedTuple):
    """Where a stream is cut; 0 stands for what PBS uses with this average, a power of two."""

    avg: int = 0
    min: int = 0
    max: int = 0
    mask: int = 0
    threshold: int = 0

    @classmethod
    def of(cls, avg: int = 0) -> ChunkerConfig:
        """What PBS uses for an average size; 0 for the default of 4 MiB."""
        out = struct("pxds_chunker_config")
        call(lib.pxds_chunker_config_init, out, int_of(avg, "avg"))
        return cls(out.avg, out.min, out.max, out.mask, out.threshold)


def config_options(chunker: Optional[ChunkerConfig]) -> Optional[Options]:
    if chunker is None:
        return None
    if not isinstance(chunker, ChunkerConfig):
        raise expected("a ChunkerConfig", "chunker", chunker)
    return Options("pxds_chunker_config", **chunker._asdict())


class Chunker(Handle):
    """Finds where chunks end."""

    _type = "pxds_chunker"

    def __init__(self, config: Optional[ChunkerConfig] = None) -> None:
        self._adopt(lib.pxds_chunker_new, config_options(config))

    @classmethod
    def fixed(cls, chunk_size: int) -> Chunker:
        """One that cuts at every multiple of a size, a power of two."""
        return cls._make(lib.pxds_chunker_new_fixed, int_of(chunk_size, "chunk_size"))

    def scan(self, data: Bytes) -> Tuple[bool, int]:
        """Takes bytes up to the end of the chunk: whether it ends in them, and how many were taken."""
        used = ffi.new("size_t *")
        status = call(lib.pxds_chunker_scan, self, *data_of(data), used)
        return status == const("PXDS_CUT"), int(used[0])

    def split(self, file: Any, size: int = 1 << 20) -> Iterator[bytes]:
        """The chunks of a stream, which is read in parts of this size; from its start."""
        if not hasattr(file, "read"):
            raise expected("a file object", "file", file)
        size = int_of(size, "size", INT64)
        self.reset()
        chunk = bytearray()
        while True:
            part = file.read(size)
            if not part:
                break
            rest = memoryview(part)
            while rest:
                cut, used = self.scan(rest)
                chunk += rest[:used]
                rest = rest[used:]
                if cut:
                    yield bytes(chunk)
                    chunk.clear()
        if chunk:
            yield bytes(chunk)

    def reset(self) -> None:
        """Starts a new stream."""
        call(lib.pxds_chunker_reset, self)


class Buzhash(Handle):
    """The rolling hash by itself: that of the last 64 bytes."""

    _type = "pxds_buzhash"

    def __init__(self, data: Bytes = b"") -> None:
        self._adopt(lib.pxds_buzhash_new)
        call(lib.pxds_buzhash_init, self, *data_of(data))

    def update(self, data: Bytes) -> None:
        call(lib.pxds_buzhash_update, self, *data_of(data))

    @property
    def sum(self) -> int:
        out = ffi.new("uint32_t *")
        call(lib.pxds_buzhash_get_sum, self, out)
        return int(out[0])

    def reset(self) -> None:
        call(lib.pxds_buzhash_reset, self)
