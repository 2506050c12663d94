"""Garbage collection of a large store: its own time, and that of a plain walk with stat.

Makes a store of many small chunks and of indexes that each refer to a tenth of them, at random, in
PXDS_BENCH_DIR or the directory for temporary files, and removes it at the end.
"""

import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "build", "pxds")
MAGIC_BLOB = bytes([66, 171, 56, 7, 190, 131, 112, 161])
MAGIC_DYNAMIC = bytes([28, 145, 78, 165, 25, 186, 179, 205])
OLD = 1_000_000_000


def make_chunks(store, count):
    digests, made = [], set()
    payload = bytes(40)
    blob = MAGIC_BLOB + struct.pack("<I", zlib.crc32(payload)) + payload
    for i in range(count):
        digest = hashlib.sha256(b"%d" % i).digest()
        name = digest.hex()
        parent = os.path.join(store, ".chunks", name[:2])
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        path = os.path.join(parent, name)
        with open(path, "wb", buffering=0) as file:
            file.write(blob)
        os.utime(path, (OLD, OLD))
        digests.append(digest)
    return digests


def make_indexes(store, digests, count, each):
    choice = random.Random(1)
    for i in range(count):
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_600_000_000 + i))
        directory = os.path.join(store, "host", f"h{i % 10}", moment)
        os.makedirs(directory)
        start = choice.randrange(len(digests))
        chosen = [digests[(start + step) % len(digests)] for step in range(each)]
        choice.shuffle(chosen)
        with open(os.path.join(directory, "root.didx"), "wb") as file:
            entries = b"".join(struct.pack("<Q", 4096 * (n + 1)) + digest for n, digest in enumerate(chosen))
            file.write(MAGIC_DYNAMIC + bytes(24) + hashlib.sha256(entries).digest() + bytes(4032))
            file.write(entries)


def drop_caches():
    """Whether what the kernel knows of the files could be forgotten."""
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
        return True
    except OSError:
        return False


WALK = r"""
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    unsigned long count = 0;
    (void)argc;
    if (chdir(argv[1]) != 0)
        return 1;
    for (int i = 0; i < 256; i++) {
        char name[3];
        DIR *dir;
        struct dirent *entry;
        struct stat st;
        snprintf(name, sizeof name, "%02x", (unsigned)i);
        dir = opendir(name);
        if (dir == NULL)
            continue;
        while ((entry = readdir(dir)) != NULL)
            count += fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        closedir(dir);
    }
    printf("%lu\n", count);
    return 0;
}
"""


def plain_walk(directory):
    """A program that does nothing but list the directories and stat the files, in the order of the listing."""
    source = os.path.join(directory, "walk.c")
    program = os.path.join(directory, "walk")
    with open(source, "w", encoding="ascii") as file:
        file.write(WALK)
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return program


def run(command):
    """Seconds, and the most memory in MiB, of a command; its output."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    # Not by wait4(): that counts what this program had when it forked.
    memory = 0.0
    while process.poll() is None:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            found = [line.split()[1] for line in file if line.startswith("VmHWM")]
        memory = max([memory, *(int(kib) / 1024 for kib in found)])
        time.sleep(0.01)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit status {process.returncode}")
    return time.monotonic() - start, memory, process.stdout.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--indexes", type=int, default=200)
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="pxds-bench-", dir=os.environ.get("PXDS_BENCH_DIR"))
    try:
        store = os.path.join(directory, "store")
        subprocess.run([TOOL, "init", store], check=True)
        each = max(1, args.chunks // 10)
        digests = make_chunks(store, args.chunks)
        # A fiftieth is garbage.
        make_indexes(store, digests[: args.chunks * 49 // 50], args.indexes, each)
        print(f"{args.chunks} chunks, {args.indexes} indexes of {each}")
        walk = plain_walk(directory)
        chunks = os.path.join(store, ".chunks")
        report(store, walk, chunks, args.indexes * each)
    finally:
        shutil.rmtree(directory)


def report(store, walk, chunks, references):
    seconds, memory, output = run([TOOL, "gc", store, "--json"])
    status = json.loads(output)
    print(f"first collection: {seconds:.2f} s, {memory:.0f} MiB, {status['cache_hits']} hits, "
          f"{status['removed_chunks']} removed")
    warm = min(run([walk, chunks])[0] for _ in range(3))
    phases = [phases_of(store) for _ in range(3)]
    mark, sweep = (min(phase[i] for phase in phases) for i in range(2))
    known = references - status["cache_misses"]
    print(f"mark: {mark:.2f} s, of which {status['cache_misses']} touches; "
          f"{references / mark / 1e6:.2f} million references a second, {known} of them known")
    print(f"sweep: {sweep:.2f} s, {sweep / warm:.2f} times a plain walk with stat ({warm:.2f} s)")
    if drop_caches():
        cold = run([walk, chunks])[0]
        drop_caches()
        print(f"cold: sweep {phases_of(store)[1]:.2f} s, plain walk {cold:.2f} s")
    for flags in ([], ["--dry-run"]):
        seconds, memory, _ = run([TOOL, "gc", store, *flags])
        print(f"gc {' '.join(flags)}: {seconds:.2f} s, {memory:.0f} MiB")


def phases_of(store):
    """Seconds of marking and of sweeping: by the first system calls of each, as the progress tells them."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "python"))
    library = ctypes.CDLL(os.path.join(ROOT, "build", "libpxds.so"))
    begun = {}

    class Options(ctypes.Structure):
        _fields_ = [("struct_size", ctypes.c_size_t), ("flags", ctypes.c_uint32), ("cutoff_minutes", ctypes.c_uint32),
                    ("remembered", ctypes.c_uint64), ("progress", ctypes.c_void_p), ("progress_user", ctypes.c_void_p)]

    @ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
    def on_progress(_, progress):
        phase = ctypes.c_uint32.from_address(progress + ctypes.sizeof(ctypes.c_size_t)).value
        begun.setdefault(phase, time.monotonic())
        return 0

    handle = ctypes.c_void_p()
    if library.pxds_store_open(os.fsencode(store), None, ctypes.byref(handle), None) != 0:
        sys.exit("cannot open the store")
    options = Options(ctypes.sizeof(Options), progress=ctypes.cast(on_progress, ctypes.c_void_p))
    start = time.monotonic()
    status = library.pxds_store_gc(handle, ctypes.byref(options), None, None)
    end = time.monotonic()
    library.pxds_store_free(handle)
    if status != 0:
        sys.exit(f"collection: {status}")
    return begun.get(1, end) - start, end - begun.get(1, end)


if __name__ == "__main__":
    main()
