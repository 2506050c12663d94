"""Stores that take a few KiB on the disk and claim far more: what each command of the tool costs on them.

Sizes are in headers, in entries, in holes of files, and in what decompresses. Whatever a command says of such a store,
it neither crashes nor takes the memory or the disk that the store claims.
"""

import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import zlib

import support
from support import TOOL, write

MIB = 1 << 20
CHUNK = 128 * MIB  # the longest there can be
TIME = "2020-06-26T13:56:05Z"
SNAPSHOT = f"host/x/{TIME}"
# Resident memory of a command, with that of an empty store; and what it may leave on the disk.
MEMORY = 64 * MIB
DISK = 8 * MIB
# Verification reads whatever a file has that may be a chunk: the longest one, as it is and decoded, and the same once
# more.
VERIFY_MEMORY = MEMORY + 4 * CHUNK
SECONDS = 100
PLAIN = bytes([66, 171, 56, 7, 190, 131, 112, 161])
COMPRESSED = bytes([49, 185, 88, 66, 111, 182, 163, 127])
DYNAMIC = bytes([28, 145, 78, 165, 25, 186, 179, 205])
FIXED = bytes([47, 127, 65, 237, 145, 253, 15, 205])
# A frame of zstd that says it has 1 GiB, and one of so many blocks of 128 KiB, each of one byte again and again.
CLAIM = struct.pack("<IBBQ", 0xFD2FB528, 0xC0, 0x58, 1 << 30) + b"\x01\x00\x00"


def rle_frame(blocks, byte=b"\x00"):
    """So many blocks of 128 KiB, each of one byte again and again."""
    block = struct.pack("<I", (0x20000 << 3) | 2)[:3] + byte
    last = struct.pack("<I", (0x20000 << 3) | 3)[:3] + byte
    return struct.pack("<IBB", 0xFD2FB528, 0x00, 0x38) + block * (blocks - 1) + last


def blob(payload, magic=PLAIN):
    return magic + struct.pack("<I", zlib.crc32(payload)) + payload


def dynamic(ends, digest=b"\x07" * 32):
    entries = b"".join(struct.pack("<Q", end) + digest for end in ends)
    return DYNAMIC + bytes(24) + hashlib.sha256(entries).digest() + bytes(4032) + entries


def fixed(size, chunk_size, digests=b""):
    sizes = struct.pack("<QQ", size, chunk_size)
    return FIXED + bytes(24) + hashlib.sha256(digests).digest() + sizes + bytes(4016) + digests


def manifest(name, index):
    """One that vouches for the index, hole or not."""
    size = 0
    if len(index) > 4096:
        size = struct.unpack_from("<Q", index, len(index) - 40 if index[:8] == DYNAMIC else 64)[0]
    files = [{"filename": name, "size": size, "csum": index[32:64].hex(), "crypt-mode": "none"}]
    return blob(json.dumps({"backup-type": "host", "backup-id": "x", "backup-time": 1593179765, "files": files,
                            "unprotected": {}}).encode())


# Name of the archive, the bytes of its file, and the length that a hole makes of it.
INDEXES = {
    "a hole": ("a.didx", dynamic([]), 4096 + (40 << 27)),
    "a hole behind an entry": ("a.didx", dynamic([9]), 4096 + (40 << 27)),
    "all there is": ("a.didx", dynamic([(1 << 63) - 1]), None),
    "beyond": ("a.didx", dynamic([1 << 63]), None),
    "wrapping": ("a.didx", dynamic([9, (1 << 64) - 1]), None),
    "one byte too long": ("a.didx", dynamic([CHUNK + 1]), None),
    "many long ones": ("a.didx", dynamic([i * CHUNK for i in range(1, 101)]), None),
    "empty ones": ("a.didx", dynamic([0] * 100), None),
    "longest file": ("a.didx", dynamic([]), 4096 + (40 << 28)),
    "longer than any": ("a.didx", dynamic([]), 1 << 42),
    "huge image": ("a.fidx", fixed(1 << 62, 4 << 20), None),
    "huge chunk": ("a.fidx", fixed(1 << 40, 1 << 40, b"\x07" * 32), None),
    "huge chunk of a small image": ("a.fidx", fixed(1, 1 << 40, b"\x07" * 32), None),
    "huge power": ("a.fidx", fixed((1 << 63) - 1, 1 << 63, b"\x07" * 32), None),
    "no chunk size": ("a.fidx", fixed(1 << 40, 0), None),
    "no power of two": ("a.fidx", fixed(1 << 40, (4 << 20) + 1), None),
    "unset digests": ("a.fidx", fixed((1 << 27) * (4 << 20), 4 << 20), 4096 + (32 << 27)),
    "unset digests of long ones": ("a.fidx", fixed((1 << 28) * CHUNK, CHUNK), 4096 + (32 << 28)),
    "wrapping count": ("a.fidx", fixed((1 << 64) - 1, 1), None),
}
CHUNKS = {
    "a hole": (b"", 1 << 40),
    "a hole of the longest": (b"", CHUNK + 44),
    "a claim": (blob(CLAIM, COMPRESSED), None),
    "an expansion": (blob(rle_frame(100 * 1024), COMPRESSED), None),
    "a short file": (b"x", None),
}
# What compresses well, and takes much memory as a tree.
TREE = b'{"files":[' + b'{"":0},' * 500000 + b"0]}"
MANIFESTS = {
    "a hole": (b"", 1 << 40),
    "a hole of the longest": (PLAIN, 4 * MIB),
    "a claim": (blob(CLAIM, COMPRESSED), None),
    "an expansion": (blob(rle_frame(1024, b" "), COMPRESSED), None),
    "arrays within each other": (blob(rle_frame(31, b"["), COMPRESSED), None),
}
SMALL_FILES = ("owner", f"{TIME}/index.json.blob", f"{TIME}/a.blob", "notes")


def commands(store, index, out, other):
    name = os.path.basename(index)
    for options in ([], ["--skip-bad"], ["--sparse"], ["--sparse", "--skip-bad"], ["--threads", "1", "--skip-bad"]):
        yield ["restore", store, SNAPSHOT, name, out, *options]
    yield ["restore", store, SNAPSHOT, name, out, "--length", "10", "--offset", "1000000", "--skip-bad"]
    yield ["get", store, index, out]
    yield ["copy", store, index, other]
    yield ["index", index]
    yield ["list", store]
    yield ["list", store, "--json"]
    yield ["files", store, SNAPSHOT]
    yield ["manifest", "show", store, SNAPSHOT]
    yield ["notes", store, SNAPSHOT]
    yield ["notes", store, "host/x"]
    yield ["stat", store]
    yield ["stat", store, "--exact", "--json"]
    yield ["report", store, "-o", out]
    yield ["prune", store, "host/x", "--keep-last", "1", "--dry-run"]
    yield ["gc", store, "--dry-run"]
    yield ["gc", store]
    yield ["verify", store, "--read-only", "--json"]
    yield ["verify", store]
    yield ["forget", store, SNAPSHOT]


class Hostile(support.TestCase):
    def setUp(self):
        super().setUp()
        self.other = self.path("other")
        self.pxds("init", self.other)

    def store(self, name, index, index_len=None, chunk=None, chunk_len=None):
        """A store with a snapshot of one archive, and the chunk that is named 07... if one is given."""
        store = self.path("store")
        subprocess.run(["rm", "-rf", store], check=True, timeout=300)
        self.pxds("init", store)
        self.snapshot = os.path.join(store, SNAPSHOT)
        os.makedirs(self.snapshot)
        write(os.path.join(store, "host", "x", "owner"), b"root@pam\n")
        self.sparse(os.path.join(self.snapshot, name), index, index_len)
        write(os.path.join(self.snapshot, "index.json.blob"), manifest(name, index))
        if chunk is not None:
            os.makedirs(os.path.join(store, ".chunks", "07"), exist_ok=True)
            self.sparse(os.path.join(store, ".chunks", "07", "07" * 32), chunk, chunk_len)
        return store

    def sparse(self, path, data, length):
        write(path, data)
        if length is not None:
            try:
                os.truncate(path, length)
            except OSError as error:
                self.skipTest(f"no file of {length} bytes here: {error}")

    def allocated(self):
        total = 0
        for parent, directories, names in os.walk(self.dir):
            for name in directories + names:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
        return total

    def run_bounded(self, command):
        """Runs the tool, and holds it to what it may cost."""
        before = self.allocated()
        log = self.path("log")
        with open(log, "wb") as file:
            process = subprocess.Popen([TOOL, *command], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS)))
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        with open(log, "rb") as file:
            said = file.read(2000)
        with self.subTest(command=command, said=said):
            # Not 2: that were a command which did nothing.
            self.assertIn(code, (0, 1, 3, 4, 5), signal.Signals(-code).name if code < 0 else "an exit status")
            self.assertNotIn(b"panick", said)
            self.assertLess(usage.ru_maxrss * 1024, VERIFY_MEMORY if command[0] == "verify" else MEMORY)
            self.assertLess(self.allocated() - before, DISK)
            self.assertLess(os.path.getsize(log), MIB)

    def run_all(self, store, name):
        out = self.path("out")
        for command in commands(store, os.path.join(self.snapshot, name), out, self.other):
            self.run_bounded(command)
            if os.path.exists(out):
                os.unlink(out)

    def test_indexes(self):
        for what, (name, data, length) in INDEXES.items():
            with self.subTest(what):
                self.run_all(self.store(name, data, length), name)

    def test_what_cannot_be_is_refused_by_all(self):
        """An index with a chunk that cannot exist: there is no output at all, not of zeros either."""
        out = self.path("out")
        for what in INDEXES.keys() - {"many long ones", "empty ones"}:
            name, data, length = INDEXES[what]
            store = self.store(name, data, length)
            with self.subTest(what):
                self.error("get", store, os.path.join(self.snapshot, name), out)
                for options in ([], ["--skip-bad"], ["--skip-bad", "--sparse"]):
                    self.error("restore", store, SNAPSHOT, name, out, *options)
                    self.assertFalse(os.path.exists(out))

    def test_chunks(self):
        for what, (data, length) in CHUNKS.items():
            with self.subTest(what):
                store = self.store("a.didx", dynamic([9, 18]), None, data, length)
                self.run_all(store, "a.didx")

    def test_manifests(self):
        for what, (data, length) in MANIFESTS.items():
            with self.subTest(what):
                store = self.store("a.didx", dynamic([9]))
                self.sparse(os.path.join(self.snapshot, "index.json.blob"), data, length)
                self.run_all(store, "a.didx")

    def test_a_manifest_of_many_values(self):
        store = self.store("a.didx", dynamic([9]))
        write(self.path("tree"), TREE)
        encoded = self.pxds("blob", "encode", self.path("tree"), "--compress").stdout
        self.assertLess(len(encoded), 16384)
        write(os.path.join(self.snapshot, "index.json.blob"), encoded)
        self.run_all(store, "a.didx")

    def test_small_files(self):
        for name in SMALL_FILES:
            with self.subTest(name):
                store = self.store("a.didx", dynamic([9]))
                self.sparse(os.path.join(store, "host", "x", name), b"", 1 << 40)
                self.run_all(store, "a.didx")
        for name in (".gc-status", ".lock"):
            with self.subTest(name):
                store = self.store("a.didx", dynamic([9]))
                self.sparse(os.path.join(store, name), b"", 1 << 40)
                self.run_all(store, "a.didx")


if __name__ == "__main__":
    support.main()
