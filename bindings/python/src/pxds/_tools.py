"""Digests, and files that appear whole."""

from __future__ import annotations

from pxds._core import call, data_of, digest_of, path_bytes, shown, text
from pxds._native import const, ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pxds._aliases import Bytes, Path


def compute_digest(data: Bytes) -> bytes:
    """The digest that names a chunk, SHA-256; of encrypted data see Key.digest()."""
    out = ffi.new("uint8_t[32]")
    call(lib.pxds_digest_compute, *data_of(data), out)
    return bytes(ffi.buffer(out))


def format_digest(digest: Bytes) -> str:
    """64 hexadecimal digits."""
    out = ffi.new("char[]", const("PXDS_DIGEST_HEX_SIZE"))
    call(lib.pxds_digest_format, digest_of(digest), out, len(out))
    return shown(out)


def parse_digest(digits: str) -> bytes:
    out = ffi.new("uint8_t[32]")
    call(lib.pxds_digest_parse, text(digits, "digits"), out)
    return bytes(ffi.buffer(out))


def write_file(path: Path, data: Bytes) -> None:
    """Writes a file, which appears whole and is on the disk when this returns."""
    call(lib.pxds_file_write, path_bytes(path), *data_of(data))
