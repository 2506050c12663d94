"""A small ctypes binding: what a user of the shared library would write, and what tests need."""

import ctypes
import json
import os
from ctypes import (
    CFUNCTYPE, POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p,
)

OK, NONE = 0, 2
NOT_FOUND, CANCELLED = -4, -14
INDEX_ANY = 0
NO_LIMIT = ctypes.c_size_t(-1).value

READ_FN = CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), c_size_t, POINTER(c_size_t))
WRITE_FN = CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), c_size_t, POINTER(c_size_t))


NUMBERS = {
    "char": ctypes.c_char, "uint8_t": c_uint8, "int32_t": c_int32, "uint32_t": c_uint32, "int64_t": c_int64,
    "uint64_t": c_uint64, "size_t": c_size_t, "pxds_status": c_int32,
}

with open(f"{os.path.dirname(os.path.abspath(__file__))}/../../bindings/ffi/pxds.json", encoding="utf-8") as kit:
    STRUCTS = json.load(kit)["structs"]


def structure(name):
    """A structure of the header, by what the kit for bindings says of it. Strings are bytes, other pointers numbers."""
    def c_type(field):
        kind = c_char_p if field["type"] == "const char *" else NUMBERS.get(field["type"], c_void_p)
        return kind * field["count"] if "count" in field else kind
    fields = [(field["name"], c_type(field)) for field in STRUCTS[name]["fields"]]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


ChunkEntry = structure("pxds_chunk_entry")
ChunkerConfig = structure("pxds_chunker_config")
IngestOptions = structure("pxds_ingest_options")
StoreOptions = structure("pxds_store_options")


def sized(structure, **fields):
    """A structure of options that knows its size."""
    return structure(struct_size=ctypes.sizeof(structure), **fields)


class Error(Exception):
    """A failed call: `status`, `errno`, `value` of a callback, and the message as text."""

    def __init__(self, lib, error):
        super().__init__(lib.pxds_error_message(error).decode(errors="replace"))
        self.status = lib.pxds_error_status(error)
        self.errno = lib.pxds_error_errno(error)
        self.value = lib.pxds_error_callback_value(error)
        lib.pxds_error_free(error)


class Library:
    """The opened library. Attributes are its functions; call() turns a failure into an Error."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        for name in ("pxds_version", "pxds_error_message", "pxds_status_name"):
            getattr(self.lib, name).restype = c_char_p
        for name in ("pxds_buffer_data", "pxds_store_path"):
            getattr(self.lib, name).restype = c_void_p
        self.lib.pxds_buffer_len.restype = c_size_t
        self.lib.pxds_error_message.argtypes = [c_void_p]
        self.lib.pxds_error_status.argtypes = [c_void_p]
        self.lib.pxds_error_errno.argtypes = [c_void_p]
        self.lib.pxds_error_callback_value.argtypes = [c_void_p]

    def call(self, name, *args):
        error = c_void_p()
        status = getattr(self.lib, name)(*args, ctypes.byref(error))
        if status < 0:
            raise Error(self.lib, error)
        assert not error, f"{name} succeeded and gave an error"
        return status

    def new(self, name, *args):
        """Calls a function whose last output is a handle, and gives the handle."""
        handle = c_void_p()
        self.call(name, *args, ctypes.byref(handle))
        return handle

    def free(self, kind, handle):
        getattr(self.lib, f"pxds_{kind}_free")(handle)

    def bytes_of(self, buffer):
        """The bytes of a pxds_buffer, which it frees."""
        data = ctypes.string_at(self.lib.pxds_buffer_data(buffer), self.lib.pxds_buffer_len(buffer))
        self.free("buffer", buffer)
        return data

    def digest(self, data):
        digest = (c_uint8 * 32)()
        self.call("pxds_digest_compute", data, c_size_t(len(data)), digest)
        return bytes(digest)

    def open_store(self, path):
        return self.new("pxds_store_open", os.fsencode(path), None)

    def chunks(self, store):
        """Every chunk that the store lists: (digest, is bad)."""
        entry = ChunkEntry(ctypes.sizeof(ChunkEntry))
        found = []
        chunks = self.new("pxds_store_chunks", store)
        while self.call("pxds_chunk_iter_next", chunks, ctypes.byref(entry)) != NONE:
            found.append((bytes(entry.digest), bool(entry.bad)))
        self.free("chunk_iter", chunks)
        return found

    def load(self, store, digest):
        """The data of a chunk, checked against its digest."""
        blob = self.bytes_of(
            self.new("pxds_store_load", store, digest, c_uint32(0), c_size_t(NO_LIMIT))
        )
        codec = self.new("pxds_blob_codec_new", None)
        try:
            return self.bytes_of(
                self.new(
                    "pxds_blob_decode_buffer", codec, blob, c_size_t(len(blob)), c_uint32(0),
                    digest, c_size_t(1 << 27),
                )
            )
        finally:
            self.free("blob_codec", codec)
