"""The library itself: `ffi` has its declarations, `lib` its functions and constants."""

from __future__ import annotations

import os
import threading

from pxds._abi import ffi as _ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from pxds._aliases import Path

ffi: Any = _ffi


class LibraryError(ImportError):
    """libpxds is not there, is none, or does not fit this package."""


def const(name: str) -> int:
    """A constant of the declarations, which needs no library."""
    return int(ffi.integer_const(name))


ABI = const("PXDS_ABI_VERSION")
NAME = f"libpxds.so.{ABI}"


class Library:
    """The functions and constants of libpxds, which is loaded when it is first used.

    It is the one that load() was given; else $PXDS_LIBRARY; else the one beside this package, which a wheel may have
    brought; else the one that the system's loader finds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: Any = None
        self._path: Optional[str] = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        opened = self._open()
        try:
            value = getattr(opened, name)
        except (AttributeError, ffi.error) as error:
            version = ffi.string(opened.pxds_version()).decode()
            raise AttributeError(f"{self._path}: libpxds {version} has no {name}") from error
        setattr(self, name, value)
        return value

    def _open(self, path: Optional[str] = None) -> Any:
        with self._lock:
            if self._opened is None:
                chosen = path or os.environ.get("PXDS_LIBRARY") or _beside() or NAME
                self._opened, self._path = _check(chosen), chosen
            elif path is not None and path != self._path:
                raise LibraryError(f"{path}: {self._path} has been loaded already")
            return self._opened


def _beside() -> Optional[str]:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), NAME)
    return path if os.path.exists(path) else None


def _check(path: str) -> Any:
    """Opens the library, if it has the ABI of the declarations."""
    try:
        opened = ffi.dlopen(path)
    except OSError as error:
        raise LibraryError(f"no libpxds: {error}. Install it, or set PXDS_LIBRARY to its path.") from error
    try:
        abi = opened.pxds_abi_version()
    except (AttributeError, ffi.error) as error:
        raise LibraryError(f"{path}: this is not libpxds") from error
    if abi != ABI:
        version = ffi.string(opened.pxds_version()).decode()
        raise LibraryError(f"{path}: libpxds {version} has ABI {abi}, and this package needs {ABI}")
    return opened


def load(path: Optional[Path] = None) -> None:
    """Loads the library from this path, or from where it is found. To be called before anything else, if at all."""
    try:
        chosen = None if path is None else os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path: expected str, bytes or os.PathLike, not {type(path).__name__}") from None
    lib._open(chosen)


# The version of this package, which is that of the declarations.
__version__ = ".".join(str(const(f"PXDS_VERSION_{part}")) for part in ("MAJOR", "MINOR", "PATCH"))


def version() -> str:
    """The version of the library that is running."""
    return str(ffi.string(lib.pxds_version()).decode())


lib: Any = Library()
