"""What a call can fail with: one class for each status of the library."""

from __future__ import annotations

import errno as system
import os

from pxds._native import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple, Type


class PxdsError(Exception):
    """A call of the library has failed. `str()` of it may be printed: what is no text is escaped.

    `status` is a PXDS_ERR_ number; `path`, `digest` and `offset` say what it is about, `errno` what the system said;
    each is None if it is about none. `filename` and `strerror` are path and errno as an OSError has them.
    """

    _name = ""
    # Of those that are an OSError too they are those of the class.
    errno: Any
    filename: Any
    strerror: Any

    def __init__(self, message: str, status: Optional[int] = None, path: Optional[str] = None,
                 digest: Optional[bytes] = None, offset: Optional[int] = None, errno: Optional[int] = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = const(f"PXDS_ERR_{self._name}") if status is None and self._name else status
        self.path = path
        self.digest = digest
        self.offset = offset
        self.errno = errno
        self.filename = path
        self.strerror = None if errno is None else os.strerror(errno)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.message, self.status, self.path, self.digest, self.offset, self.errno)


class ArgumentError(PxdsError, ValueError):
    """An argument can never work."""

    _name = "ARGUMENT"


class IoError(PxdsError, OSError):
    """The operating system refused."""

    _name = "IO"


class AccessError(IoError, PermissionError):
    """The operating system refused, for want of a permission."""


class NoMemoryError(PxdsError, MemoryError):
    """An allocation failed."""

    _name = "NOMEM"


class NotFoundError(PxdsError, FileNotFoundError):
    """A file, directory or chunk is not there."""

    _name = "NOT_FOUND"


class ExistsError(PxdsError, FileExistsError):
    """Something is there already."""

    _name = "EXISTS"


class BusyError(PxdsError):
    """Another process, handle or thread holds it."""

    _name = "BUSY"


class TooSmallError(PxdsError):
    """A buffer is too small."""

    _name = "TOO_SMALL"


class LimitError(PxdsError):
    """A size is above a maximum."""

    _name = "LIMIT"


class CorruptError(PxdsError):
    """Data is damaged."""

    _name = "CORRUPT"


class FormatError(PxdsError):
    """Data is not of the format."""

    _name = "FORMAT"


class KeyNeededError(PxdsError):
    """The data is encrypted and no key is given."""

    _name = "KEY"


class AuthError(PxdsError):
    """An authentication tag or a signature does not match."""

    _name = "AUTH"


class StateError(PxdsError):
    """A call out of order, or on an object that has failed."""

    _name = "STATE"


class CancelledError(PxdsError):
    """A callback has stopped the call. The exception of a callable comes out of the call as it is, and not as this."""

    _name = "CANCELLED"


class UnsupportedError(PxdsError):
    """Valid, but not supported."""

    _name = "UNSUPPORTED"


class ProtectedError(PxdsError):
    """A protected snapshot cannot be removed."""

    _name = "PROTECTED"


class PasswordError(PxdsError):
    """A password is wrong or too short."""

    _name = "PASSWORD"


class KeyMismatchError(PxdsError):
    """The data was made with another key."""

    _name = "KEY_MISMATCH"


class CryptModeError(PxdsError):
    """Encrypted where unencrypted was expected, or the reverse."""

    _name = "CRYPT_MODE"


class DeniedError(PxdsError):
    """A service refuses who asks: a wrong key, a missing right, a clock that is off."""

    _name = "DENIED"


class InternalError(PxdsError):
    """A defect of the library."""

    _name = "INTERNAL"


class PanicError(InternalError):
    """A defect of the library; the object it struck is dead."""

    _name = "PANIC"


class ForkedError(PxdsError):
    """The object was made before fork(): a child opens its own."""


def _classes(base: Type[PxdsError]) -> Dict[int, Type[PxdsError]]:
    found = {const(f"PXDS_ERR_{base._name}"): base} if vars(base).get("_name") else {}
    for each in base.__subclasses__():
        found.update(_classes(each))
    return found


BY_STATUS = _classes(PxdsError)


def class_of(status: int, errno: int) -> Type[PxdsError]:
    if BY_STATUS.get(status) is IoError and errno in (system.EACCES, system.EPERM):
        return AccessError
    return BY_STATUS.get(status, PxdsError)
