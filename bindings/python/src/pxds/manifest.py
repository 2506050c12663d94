"""Manifests: the files of a snapshot, and the notes about it."""

from __future__ import annotations

from pxds._core import (
    NONE, NO_LIMIT, Handle, Options, buffer, call, content, data_of, digest_of, int_of, json_of, optional_text,
    seconds_of, struct, text, type_number,
)
from pxds._native import ffi, lib
from pxds.keys import Key
from pxds.values import CryptMode, ManifestFile, ManifestInfo, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Optional

    from pxds._aliases import Bytes, Time


class Manifest(Handle):
    """The files of a snapshot. What this version does not know of is kept. One call at a time."""

    _type = "pxds_manifest"

    def __init__(self, type: str, id: str, time: Time) -> None:
        """That of a new snapshot, without files yet."""
        self._adopt(lib.pxds_manifest_new, type_number(type), text(id, "id"), seconds_of(time))

    @classmethod
    def parse(cls, data: Bytes) -> Manifest:
        """Reads the JSON text, which is in index.json.blob. No name in it is judged, and no signature checked."""
        return cls._make(lib.pxds_manifest_parse, *data_of(data))

    def format(self) -> bytes:
        """The JSON text."""
        return content(lib.pxds_manifest_format, self)

    def format_canonical(self) -> bytes:
        """What a signature is made of."""
        return content(lib.pxds_manifest_format_canonical, self)

    @property
    def info(self) -> ManifestInfo:
        out = struct("pxds_manifest_info")
        call(lib.pxds_manifest_get_info, self, out)
        return ManifestInfo._take(out)

    def __len__(self) -> int:
        return self.info.file_count

    def __iter__(self) -> Iterator[ManifestFile]:
        out, number = struct("pxds_manifest_file"), 0
        while call(lib.pxds_manifest_get_file, self, number, out) != NONE:
            yield ManifestFile._take(out)
            number += 1

    def find_file(self, filename: str) -> Optional[ManifestFile]:
        out = struct("pxds_manifest_file")
        status = call(lib.pxds_manifest_find_file, self, text(filename, "filename"), out)
        return None if status == NONE else ManifestFile._take(out)

    def add_file(self, filename: str, size: int, csum: Bytes, crypt_mode: CryptMode = CryptMode.DEFAULT) -> None:
        given = Options("pxds_manifest_file", filename=text(filename, "filename"), crypt_mode=crypt_mode, size=size,
                        csum=digest_of(csum, "csum"))
        call(lib.pxds_manifest_add_file, self, given)

    def verify_file(self, filename: str, csum: Bytes, size: int) -> None:
        """Compares a file with what the manifest says of it."""
        call(lib.pxds_manifest_verify_file, self, text(filename, "filename"), digest_of(csum, "csum"),
             int_of(size, "size"))

    @property
    def notes(self) -> Optional[str]:
        found = buffer(lib.pxds_manifest_get_notes, self)
        return None if found is None else found.decode()

    @notes.setter
    def notes(self, notes: Optional[str]) -> None:
        call(lib.pxds_manifest_set_notes, self, optional_text(notes, "notes"))

    def get_unprotected(self, name: str) -> Any:
        """A member of the part that no signature covers, as json.loads() gives it; None if it is not there."""
        import json  # which few need
        found = buffer(lib.pxds_manifest_get_unprotected, self, text(name))
        return None if found is None else json.loads(found)

    def set_unprotected(self, name: str, value: Any) -> None:
        """Sets a member of that part to what json.dumps() makes of a value; None removes it."""
        given = b"" if value is None else json_of(value, "value")
        call(lib.pxds_manifest_set_unprotected, self, text(name), *data_of(given))

    @property
    def signature(self) -> Optional[str]:
        """The signature as it is written, unchecked."""
        found = buffer(lib.pxds_manifest_get_signature, self)
        return None if found is None else found.decode("utf-8", "surrogateescape")

    def sign(self, key: Key) -> None:
        call(lib.pxds_manifest_sign, self, key)

    def verify(self, key: Key) -> Signature:
        """Checks the signature: VALID or MISSING. KeyMismatchError if another key made it, AuthError if it is wrong."""
        out = ffi.new("uint32_t *")
        call(lib.pxds_manifest_verify, self, key, out)
        return Signature(out[0])

    def check_fingerprint(self, key: Optional[Key]) -> None:
        """Compares the fingerprint that it notes, if it does, with that of a key."""
        call(lib.pxds_manifest_check_fingerprint, self, key)


def json_canonical(data: Bytes, max_len: int = NO_LIMIT) -> bytes:
    """The canonical form of a JSON text, which signatures are made of."""
    return content(lib.pxds_json_canonical, *data_of(data), int_of(max_len, "max_len"))
