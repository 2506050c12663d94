"""What all classes stand on: handles, calls, callbacks, options and results."""

from __future__ import annotations

import atexit
import functools
import io
import operator
import os
import threading
import time

from pxds._native import const, ffi, lib
from pxds.errors import ForkedError, class_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime
    from typing import (
        Any, Callable, ClassVar, Dict, Iterable, Iterator, List, Mapping, NoReturn, Optional, Tuple, Type, TypeVar,
    )

    from pxds._aliases import Bytes, Path, Time, Uuid

    T = TypeVar("T")
    H = TypeVar("H", bound="Handle")
    R = TypeVar("R", bound="Record")

NONE = const("PXDS_NONE")
CANCELLED = const("PXDS_ERR_CANCELLED")
NO_LIMIT = 2 ** 64 - 1

# What numbers of C hold.
INT32, INT64 = range(-2 ** 31, 2 ** 31), range(-2 ** 63, 2 ** 63)
UINT32, UINT64 = range(2 ** 32), range(2 ** 64)

# Goes up in each process that fork() makes.
_generation = 0


def _forked() -> None:
    global _generation
    _generation += 1
    # Those of threads that are not here.
    _calls.clear()


os.register_at_fork(after_in_child=_forked)


class Handle:
    """An object of the library's. It is freed by close(), by `with`, or with the last reference to it.

    close() while another thread's call is using it takes effect when that call ends. After fork() a child can close
    what it has inherited, and nothing else: any other use is a ForkedError.
    """

    _type: ClassVar[str] = ""

    _pointer: Any = None

    # What makes one, where that is no call of the class.
    _made_by: ClassVar[str] = "the methods that give them"

    def __init__(self, *_: NoReturn, **__: NoReturn) -> None:
        raise TypeError(f"{type(self).__name__} objects are made by {self._made_by}")

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(f"a {type(self).__name__} can be neither copied nor pickled")

    @classmethod
    def _make(cls: Type[H], function: Any, *args: Any, keep: Tuple[Any, ...] = ()) -> H:
        """The object that a function gives by its last output. `keep` has to live as long as it does."""
        made = cls.__new__(cls)
        made._adopt(function, *args, keep=keep)
        return made

    def _adopt(self, function: Any, *args: Any, keep: Tuple[Any, ...] = ()) -> None:
        out = ffi.new(f"{self._type} **")
        # What its parents call back is called for it too, also when they have been closed.
        needed = tuple(each._keep for each in args if isinstance(each, Handle))
        call(function, *args, out)
        self._own(out[0], (*keep, needed))

    def _own(self, pointer: Any, keep: Tuple[Any, ...] = ()) -> None:
        self._pointer = ffi.gc(pointer, getattr(lib, f"{self._type}_free"))
        self._generation = _generation
        self._keep = keep
        self._lock = threading.Lock()
        self._users = 0
        self._closing = False

    def _hold(self) -> Any:
        """The pointer, which stays valid until _drop()."""
        if self._generation != _generation:
            raise ForkedError(f"this {type(self).__name__} was made before fork(): open another one in this process")
        with self._lock:
            if self._pointer is None or self._closing:
                raise ValueError(f"this {type(self).__name__} is closed")
            self._users += 1
            return self._pointer

    def _drop(self) -> None:
        with self._lock:
            self._users -= 1
            if self._closing and self._users == 0:
                self._release()

    def _release(self) -> None:
        pointer, self._pointer = self._pointer, None
        self._keep = ()
        if pointer is not None:
            ffi.release(pointer)

    def close(self) -> None:
        """Frees it, and lets go of what it holds. To do so twice is fine."""
        if self._pointer is None:
            return
        # In a child the lock may be that of a thread which is not there.
        if self._generation != _generation:
            self._release()
            return
        with self._lock:
            self._closing = True
            if self._users == 0:
                self._release()

    @property
    def closed(self) -> bool:
        return self._pointer is None or self._closing

    def __enter__(self: H) -> H:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- calls ----


def call(function: Any, *args: Any) -> int:
    """Calls a function whose last argument is an error; gives its status, or raises what the error says.

    None is NULL, handles and options are themselves, and everything else is what cffi takes.
    """
    held: List[Handle] = []
    error = ffi.new("pxds_error **")
    _stay_if_ending()
    _calls.append(function)
    try:
        status = int(function(*[_argument(each, held) for each in args], error))
    except TypeError:
        for kind, value in zip(ffi.typeof(function).args, args):
            check_handle(kind, None, value)
        raise
    finally:
        _calls.pop()
        for handle in held:
            handle._drop()
    _stay_if_ending()
    if status < 0:
        raise _failure(status, error[0])
    return status


# One for each call that a thread is in.
_calls: List[Any] = []
_is_ending = False
END_SECONDS = 10


def _end() -> None:
    """At exit: lets daemon threads leave the library. Python ends a thread that calls back later, within the library's
    frames, and the process with it.
    """
    global _is_ending
    _is_ending = True
    end = time.monotonic() + END_SECONDS
    while _calls and time.monotonic() < end:
        time.sleep(0.01)


def _stay_if_ending() -> None:
    """Keeps a daemon thread here when the interpreter ends; any other has ended before, or is the one that ends it."""
    if _is_ending and threading.current_thread().daemon:
        threading.Event().wait()


atexit.register(_end)


def _argument(value: Any, held: List[Handle]) -> Any:
    if value is None:
        return ffi.NULL
    if isinstance(value, Handle):
        pointer = value._hold()
        held.append(value)
        return pointer
    if isinstance(value, Options):
        for name, handle in value.handles:
            setattr(value.pointer, name, _argument(handle, held))
        return value.pointer
    return value


def check_handle(kind: Any, name: Optional[str], value: object) -> None:
    """Refuses what is no handle of the C type `kind`, if that is one of handles. Without a name it is that of the type.

    None stands for no handle, which the library judges.
    """
    wanted = _handles().get(kind)
    if wanted is not None and value is not None and not isinstance(value, wanted):
        raise expected(f"pxds.{wanted.__name__}", name or wanted._type.rsplit("_", 1)[1], value)


@functools.lru_cache(maxsize=None)
def _handles() -> Dict[Any, Type[Handle]]:
    """The classes by their C types."""
    found: Dict[Any, Type[Handle]] = {}
    classes: List[Type[Handle]] = [Handle]
    for each in classes:
        classes += each.__subclasses__()
        if each._type:
            found.setdefault(ffi.typeof(f"{each._type} *"), each)
    return found


def ask(function: Any, handle: Handle) -> Any:
    """What a function says of a handle that cannot fail."""
    pointer = handle._hold()
    try:
        return function(pointer)
    finally:
        handle._drop()


def buffer(function: Any, *args: Any) -> Optional[bytes]:
    """The bytes that a function gives as a buffer; None if there are none."""
    out = ffi.new("pxds_buffer **")
    if call(function, *args, out) == NONE:
        return None
    try:
        return bytes(ffi.buffer(lib.pxds_buffer_data(out[0]), lib.pxds_buffer_len(out[0])))
    finally:
        lib.pxds_buffer_free(out[0])


def content(function: Any, *args: Any) -> bytes:
    """As buffer(), where there always are some."""
    return buffer(function, *args) or b""


def sized_text(function: Any, *args: Any) -> str:
    """The text that a function writes into a buffer of the caller's, which need not be longer than this."""
    room, length = ffi.new("char[]", 4096), ffi.new("size_t *")
    call(function, *args, room, 4096, length)
    return shown(room)


def _failure(status: int, error: Any) -> BaseException:
    try:
        value = lib.pxds_error_callback_value(error)
        raised = _raised.pop(value, None) if status == CANCELLED else None
        if raised is not None:
            return raised
        digest, offset = ffi.new("uint8_t[32]"), ffi.new("uint64_t *")
        path, errno = lib.pxds_error_path(error), lib.pxds_error_errno(error)
        return class_of(status, errno)(
            shown(lib.pxds_error_message(error)), status, None if path == ffi.NULL else shown(path),
            None if lib.pxds_error_get_digest(error, digest) == NONE else bytes(ffi.buffer(digest)),
            None if lib.pxds_error_get_offset(error, offset) == NONE else int(offset[0]), errno or None)
    finally:
        lib.pxds_error_free(error)


# ---- arguments ----


def expected(what: str, name: str, value: object) -> TypeError:
    """What is raised for an argument of a wrong type."""
    return TypeError(f"{name}: expected {what}, not {type(value).__name__}")


def text(value: str, name: str = "name") -> bytes:
    """A text as C has it, for names and notes."""
    if not isinstance(value, str):
        raise expected("str", name, value)
    encoded = value.encode("utf-8", "surrogateescape")
    if b"\0" in encoded:
        raise ValueError(f"{name}: a NUL in a text")
    return encoded


def optional_text(value: Optional[str], name: str) -> Optional[bytes]:
    return None if value is None else text(value, name)


def path_bytes(path: Path, name: str = "path") -> bytes:
    try:
        encoded = os.fsencode(path)
    except TypeError:
        raise expected("str, bytes or os.PathLike", name, path) from None
    if b"\0" in encoded:
        raise ValueError(f"{name}: a NUL in a path")
    return encoded


def data_of(data: Bytes, name: str = "data") -> Tuple[Any, int]:
    """The bytes of anything that has them in one piece, without a copy, and how many they are."""
    try:
        view = ffi.from_buffer(data)
    except TypeError:
        raise expected("bytes, or what has them", name, data) from None
    return view, len(view)


def exactly(length: int, data: Bytes, name: str) -> bytes:
    """So many bytes."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise expected("bytes", name, data)
    if len(data) != length:
        raise ValueError(f"{name}: expected {length} bytes, not {len(data)}")
    return bytes(data)


def digest_of(digest: Bytes, name: str = "digest") -> bytes:
    return exactly(32, digest, name)


def uuid_of(value: Optional[Uuid]) -> Optional[bytes]:
    given: Any = getattr(value, "bytes", value)
    return None if given is None else exactly(16, given, "uuid")


def seconds_of(time: Time, name: str = "time") -> int:
    import datetime  # whoever gives one has it; others do without
    if isinstance(time, datetime.datetime):
        if time.tzinfo is None:
            raise ValueError(f"{name}: a time without a time zone")
        return (time - _epoch()) // datetime.timedelta(seconds=1)
    return int_of(time, name, INT64)


def index_of(value: int, name: str) -> int:
    """A number of any size."""
    try:
        return operator.index(value)
    except TypeError:
        raise expected("int", name, value) from None


def int_of(value: int, name: str, among: range = UINT64) -> int:
    """A number that C can have."""
    number = index_of(value, name)
    if number not in among:
        raise OverflowError(f"{name}: expected {among.start} to {among.stop - 1}, not {number}")
    return number


def iterable_of(value: Iterable[T], name: str) -> Iterator[T]:
    try:
        return iter(value)
    except TypeError:
        raise expected("an iterable", name, value) from None


def json_of(value: Any, name: str) -> bytes:
    import json  # which few need
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def callable_of(value: Any, name: str) -> Any:
    if not callable(value):
        raise expected("a callable", name, value)
    return value


def known(given: Mapping[str, Any], options: Any) -> None:
    """Refuses names that these options, a TypedDict, do not have: `**options` lets any through."""
    for name in given:
        if name not in options.__annotations__:
            raise TypeError(f"{name!r} is no option here: there are {', '.join(sorted(options.__annotations__))}")


def flags(prefix: str, **given: bool) -> int:
    """The flags of this prefix that are asked for."""
    return sum(const(prefix + name.upper()) for name, on in given.items() if on)


class Options:
    """A structure of options: its size, these fields where they are not None, and what has to live as long."""

    def __init__(self, type_name: str, **fields: Any) -> None:
        self.pointer = ffi.new(f"{type_name} *")
        self.pointer.struct_size = ffi.sizeof(type_name)
        self.handles: List[Tuple[str, Handle]] = []
        self.kept: List[Any] = []
        types = _fields(type_name)
        if "progress" in types and fields.get("progress") is None:
            # So that Ctrl-C and other signals are heeded: the interpreter looks for them whenever it runs.
            fields["progress"] = _nothing
        for name, value in fields.items():
            if value is not None:
                check_handle(types[name], name, value)
                self._set(name, types[name], value)

    def _set(self, name: str, kind: Any, value: Any) -> None:
        if isinstance(value, Handle):
            self.handles.append((name, value))
        elif name in CALLBACKS:
            user = ffi.new_handle(callable_of(value, name))
            self.kept.append(user)
            setattr(self.pointer, name, CALLBACKS[name]())
            setattr(self.pointer, f"{name}_user", user)
        elif isinstance(value, Options):
            self.kept.append(value)
            setattr(self.pointer, name, value.pointer)
        elif isinstance(value, bytes) and kind.kind == "array":
            setattr(self.pointer, name, list(value))
        elif isinstance(value, bytes):
            self.kept.append(ffi.new("char[]", value))
            setattr(self.pointer, name, self.kept[-1])
        else:
            try:
                setattr(self.pointer, name, value)
            except TypeError:
                raise expected("int", name, value) from None
            except OverflowError as error:
                raise OverflowError(f"{name}: {error}") from None


@functools.lru_cache(maxsize=None)
def _fields(type_name: str) -> Dict[str, Any]:
    return {name: field.type for name, field in ffi.typeof(type_name).fields}


def struct(type_name: str) -> Any:
    """A structure to be filled in by a call."""
    made = ffi.new(f"{type_name} *")
    made.struct_size = ffi.sizeof(type_name)
    return made


# ---- results ----


def shown(chars: Any) -> str:
    """A text or path of the library's; bytes that are no text are kept as os.fsdecode() does."""
    return str(ffi.string(chars).decode("utf-8", "surrogateescape"))


def _epoch() -> datetime.datetime:
    import datetime
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def moment(seconds: int) -> datetime.datetime:
    """A time in UTC. One that a datetime cannot be is the first or last that it can."""
    import datetime  # when there is one to be shown
    try:
        return _epoch() + datetime.timedelta(seconds=seconds)
    except OverflowError:
        bound = datetime.datetime.max if seconds > 0 else datetime.datetime.min
        return bound.replace(tzinfo=datetime.timezone.utc)


def moment_if_any(seconds: int) -> Optional[datetime.datetime]:
    """As moment(), where 0 stands for none."""
    return moment(seconds) if seconds else None


def type_name(number: int) -> str:
    return shown(lib.pxds_backup_type_name(number))


def type_number(name: str) -> int:
    out = ffi.new("uint32_t *")
    call(lib.pxds_backup_type_parse, text(name, "type"), out)
    return int(out[0])


class Record:
    """What a call has written into a structure: attributes have the names that fields have there.

    Not a dataclass: to make forty of those takes longer than to import all the rest.
    """

    _flags: ClassVar[Mapping[str, str]] = {}
    _as: ClassVar[Mapping[str, Callable[[int], Any]]] = {}

    @classmethod
    def _names(cls) -> List[str]:
        return [name for name in cls.__annotations__ if not name.startswith("_")]

    @classmethod
    def _take(cls: Type[R], given: Any) -> R:
        taken = cls.__new__(cls)
        for name in cls._names():
            taken.__dict__[name] = (bool(given.flags & const(cls._flags[name])) if name in cls._flags
                                    else cls._value(name, getattr(given, name)))
        return taken

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    @classmethod
    def _value(cls, name: str, value: Any) -> Any:
        if name in cls._as:
            return cls._as[name](value)
        if not isinstance(value, ffi.CData):
            return value
        if ffi.typeof(value).kind == "array":
            return bytes(ffi.buffer(value)) if ffi.typeof(value).item.cname == "uint8_t" else tuple(value)
        return None if value == ffi.NULL else shown(value)


# ---- callbacks ----

# What callables have raised, by the number that the library hands on. Few are there at a time, unless several threads
# fail at once: then the oldest are forgotten.
_raised: Dict[int, BaseException] = {}
_numbers = iter(range(1000, 2 ** 31))
_MOST_RAISED = 64


def _nothing(*_: Any) -> None:
    pass


def _keep_exception(_kind: Any, value: Any, _trace: Any) -> int:
    number = next(_numbers)
    while len(_raised) >= _MOST_RAISED:
        _raised.pop(next(iter(_raised)), None)
    _raised[number] = value
    return number


def callback(c_type: str) -> Callable[[Callable[..., int]], Callable[[], Any]]:
    """Makes a function a callback in C, when it is first needed. What it raises comes out of the call."""
    def decorate(function: Callable[..., int]) -> Callable[[], Any]:
        def unless_ending(*args: Any) -> int:
            return -1 if _is_ending else function(*args)

        def make() -> Any:
            return ffi.callback(c_type, unless_ending, error=-1, onerror=_keep_exception)
        return functools.lru_cache(maxsize=None)(make)
    return decorate


class Progress(Record):
    """How far a call is: in which phase, and how many units and bytes are done; `total` is 0 if it is not known."""

    phase: int
    done: int
    total: int
    bytes: int


@callback("pxds_progress_fn")
def _on_progress(user: Any, progress: Any) -> int:
    tell = ffi.from_handle(user)
    if tell is not _nothing:
        tell(Progress._take(progress))
    return 0


@callback("pxds_notice_fn")
def _on_notice(user: Any, level: int, message: Any, path: Any) -> int:
    ffi.from_handle(user)(level, shown(message), None if path == ffi.NULL else shown(path))
    return 0


def told(name: str, take: Callable[[Any], T], tell: Optional[Callable[[T], Any]]) -> Optional[Callable[[Any], Any]]:
    """Tells a callable, the argument `name`, if there is one, of what `take` makes of a structure."""
    if tell is None:
        return None
    given = callable_of(tell, name)
    return lambda structure: given(take(structure))


def _teller(c_type: str) -> Callable[[], Any]:
    """A callback that is told of a structure: see told()."""
    def tell(user: Any, given: Any) -> int:
        ffi.from_handle(user)(given)
        return 0
    return callback(c_type)(tell)


@callback("pxds_source_get_fn")
def _on_get(user: Any, digest: Any, data: Any, capacity: int, length: Any) -> int:
    blob = ffi.from_handle(user)(bytes(ffi.buffer(digest, 32)), capacity)
    if blob is None:
        return NONE
    length[0] = len(blob)
    if len(blob) <= capacity:
        ffi.memmove(data, blob, len(blob))
    return 0


@callback("pxds_read_fn")
def on_read(user: Any, data: Any, capacity: int, length: Any) -> int:
    room = memoryview(ffi.buffer(data, capacity))
    try:
        length[0] = ffi.from_handle(user)(room)
    finally:
        # The memory is the library's, and only for this call.
        try:
            room.release()
        except BufferError:
            pass
    return 0


@callback("pxds_write_fn")
def on_write(user: Any, data: Any, length: int, taken: Any) -> int:
    taken[0] = ffi.from_handle(user)(ffi.buffer(data, length))
    return 0


# The callbacks in options, by the names of their fields.
CALLBACKS: Dict[str, Callable[[], Any]] = {
    "progress": _on_progress,
    "notice": _on_notice,
    "on_chunk": _teller("pxds_ingest_chunk_fn"),
    "on_bad": _teller("pxds_bad_chunk_fn"),
    "on_damage": _teller("pxds_verify_damage_fn"),
    "on_done": _teller("pxds_verify_done_fn"),
    "get": _on_get,
}


def reader_of(file: Any, what: str = "a file object", name: str = "file") -> Callable[[Any], int]:
    """What on_read() needs of a file object: readinto(), or else read(), which may give fewer bytes than asked for."""
    readinto = getattr(file, "readinto", None)
    if readinto is None and not hasattr(file, "read"):
        raise expected(what, name, file)

    def fill(room: Any) -> int:
        if readinto is not None:
            count = readinto(room)
        else:
            part = file.read(len(room))
            count = None if part is None else len(part)
            room[0:count or 0] = part or b""
        if count is None:
            raise BlockingIOError("a file that does not block has nothing yet")
        return int(count)
    return fill


def writer_of(file: Any) -> Callable[[Any], int]:
    """What on_write() needs of a file object. One that does not block, and takes nothing, fails the call."""
    if not hasattr(file, "write"):
        raise expected("a file object", "file", file)
    # Others, and classes that are made of these, may keep what they are given, and the memory is the library's.
    keeps_nothing = type(file) in (io.FileIO, io.BufferedWriter, io.BytesIO)

    def take(part: Any) -> int:
        count = file.write(part if keeps_nothing else bytes(part))
        # A raw file says so that it takes nothing now; others that say nothing have taken it all.
        return len(part) if count is None and not isinstance(file, io.RawIOBase) else int(count or 0)
    return take
