"""Keys, key files, and keys sealed for a master key."""

from __future__ import annotations

from pxds._core import (
    Handle, Options, buffer, call, content, data_of, digest_of, exactly, expected, flags, optional_text, path_bytes,
    seconds_of, shown, struct, text,
)
from pxds._native import const, ffi, lib
from pxds.values import Kdf, KeyFileInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Union

    from pxds._aliases import Bytes, Password, Path, Time


class Key(Handle):
    """An encryption key. Threads may share it."""

    _type = "pxds_key"

    def __init__(self, secret: Bytes) -> None:
        self._adopt(lib.pxds_key_new, exactly(const("PXDS_KEY_SIZE"), secret, "secret"))

    @classmethod
    def random(cls) -> Key:
        """A new key, which is lost with the program unless a KeyFile keeps it."""
        return cls._make(lib.pxds_key_random)

    def tolerant(self, *, short_iv: bool = True, long_header: bool = True) -> Key:
        """A key that reads also what the Go package has encrypted with this one."""
        return Key._make(lib.pxds_key_tolerant, self,
                         flags("PXDS_CODEC_", short_iv=short_iv, long_header=long_header))

    @property
    def fingerprint(self) -> bytes:
        out = ffi.new("uint8_t[32]")
        call(lib.pxds_key_get_fingerprint, self, out)
        return bytes(ffi.buffer(out))

    def digest(self, data: Bytes) -> bytes:
        """The digest of encrypted data, which names its chunk."""
        out = ffi.new("uint8_t[32]")
        call(lib.pxds_key_digest, self, *data_of(data), out)
        return bytes(ffi.buffer(out))


def format_fingerprint(fingerprint: Bytes, *, short: bool = False) -> str:
    """Pairs of hexadecimal digits with colons between them; the first eight bytes alone for messages."""
    out = ffi.new("char[]", const("PXDS_FINGERPRINT_TEXT_SIZE"))
    how = flags("PXDS_FINGERPRINT_", short=short)
    call(lib.pxds_fingerprint_format, digest_of(fingerprint, "fingerprint"), how, out, len(out))
    return shown(out)


def parse_fingerprint(fingerprint: str) -> bytes:
    out = ffi.new("uint8_t[32]")
    call(lib.pxds_fingerprint_parse, text(fingerprint, "fingerprint"), out)
    return bytes(ffi.buffer(out))


def _password(password: Optional[Password]) -> Optional[bytes]:
    if isinstance(password, str):
        return password.encode()
    if password is not None and not isinstance(password, (bytes, bytearray, memoryview)):
        raise expected("str or bytes", "password", password)
    return None if password is None else bytes(password)


class KeyFile(Handle):
    """A key under a password, as PBS's clients keep it in a file."""

    _type = "pxds_keyfile"

    def __init__(self, key: Key, password: Optional[Password], *, kdf: Kdf = Kdf.SCRYPT,
                 created: Optional[Time] = None, hint: Optional[str] = None) -> None:
        """Puts a key under a password of at least 5 bytes; with Kdf.NONE under none. Nothing is written: save()."""
        given = _password(password)
        options = Options(
            "pxds_keyfile_options", kdf=kdf, flags=flags("PXDS_KEYFILE_", set_created=created is not None),
            created=None if created is None else seconds_of(created, "created"), hint=optional_text(hint, "hint"))
        self._adopt(lib.pxds_keyfile_new, key, given, len(given or b""), options)

    @classmethod
    def load(cls, path: Path) -> KeyFile:
        return cls._make(lib.pxds_keyfile_load, path_bytes(path))

    @classmethod
    def parse(cls, json: Bytes) -> KeyFile:
        return cls._make(lib.pxds_keyfile_parse, *data_of(json, "json"))

    @property
    def info(self) -> KeyFileInfo:
        out = struct("pxds_keyfile_info")
        call(lib.pxds_keyfile_get_info, self, out)
        return KeyFileInfo._take(out)

    def unlock(self, password: Optional[Password] = None) -> Key:
        """Takes the key out; PasswordError if the password is wrong."""
        given = _password(password)
        return Key._make(lib.pxds_keyfile_unlock, self, given, len(given or b""))

    def format(self) -> bytes:
        return content(lib.pxds_keyfile_format, self)

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Writes it to a file that its owner alone can read."""
        call(lib.pxds_keyfile_save, self, path_bytes(path), flags("PXDS_SAVE_", replace=replace))


def master_seal(key: Key, public_pem: Bytes, *, created: Optional[Time] = None) -> bytes:
    """Seals a key for the holder of a master key. UnsupportedError unless the library was built with `master-key`."""
    when = None if created is None else ffi.new("int64_t *", seconds_of(created, "created"))
    return buffer(lib.pxds_master_seal, key, when, *data_of(public_pem, "public_pem")) or b""


def master_recover(sealed: Bytes, private_pem: Bytes, password: Optional[Password] = None) -> KeyFile:
    """Opens a sealed key with the private half of the master key."""
    given = _password(password)
    return KeyFile._make(lib.pxds_master_recover, *data_of(sealed, "sealed"), *data_of(private_pem, "private_pem"),
                         given, len(given or b""))
