"""Every command, with every single allocation failing, and with all failing from one on.

Whatever fails, the process is not aborted, unless by a function of may_abort.txt. The command either does its work as
always or says that there is no memory; it never goes on with less. A store is as good afterwards as after any failure.
"""

import os
import random
import re
import resource
import shutil
import subprocess

import support
from support import ROOT, TOOL, TestCase, random_data, read, write

HERE = os.path.dirname(os.path.abspath(__file__))
PRELOAD = os.path.join(ROOT, "build/tests/no_memory.so")
EVERY = bool(os.environ.get("EVERY_FAULT"))
TIME = 1593179765
SNAPSHOT = "host/x/2020-06-26T13:56:05Z"
# How many of a command's allocations a sample takes, beside the first and the last; the seed makes every run the same.
SAMPLE, FIRST, LAST, SEED = 20, 6, 12, 7
# More than are listed within the reserve for small things.
MANY = 500
FEW = 20
OUT_OF_MEMORY = re.compile(rb"memory|allocate", re.IGNORECASE)
# Of a snapshot, in the table of `stat`: a minute, an hour or a day more when it is shown again.
AGE = re.compile(rb"(?<=Z)  +\d+[dhms](?=  )")
# Of the way from the failed allocation to the function that asked for it.
WITHIN = re.compile(r"^<*(&mut )?(alloc|core|hashbrown|serde_json|serde_core|std::collections)::"
                    r"|^<.* as (alloc|core)::")


def may_abort():
    lines = read(os.path.join(HERE, "may_abort.txt")).decode().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


class Memory(TestCase):
    in_memory = True

    def setUp(self):
        super().setUp()
        self.template, self.store = self.path("template"), self.path("store")
        self.count = self.path("count")
        data = random_data(40_000, 1) + bytes(10_000)
        write(self.path("data"), data)
        write(self.path("image"), data + bytes(-len(data) % 4096))
        self.pxds("key", "create", self.path("key"), "--kdf", "none")
        write(self.path("password"), b"password")
        self.pxds("key", "create", self.path("locked"), "--kdf", "pbkdf2", "--password-file", self.path("password"))
        self.pxds("init", self.template)
        for number, key in enumerate(((), (), ("--key", self.path("key")))):
            self.pxds("backup", self.template, "host/x", "--time", str(TIME + number),
                      f"a.didx={self.path('data')}", f"b.blob={self.path('password')}", *key)
        for number in range(MANY):
            time = f"2019-01-01T{number // 60:02}:{number % 60:02}:00Z"
            os.makedirs(os.path.join(self.template, "vm/1", time))
        for number in range(FEW):
            os.makedirs(os.path.join(self.template, "ns", f"n{number}"))
        self.index = self.path("index.didx")
        self.pxds("put", self.template, self.path("data"), self.index)
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.template, self.store, symlinks=True)

    def run_tool(self, command, fail_at=0, fails_all=False):
        env = {**os.environ, "LD_PRELOAD": PRELOAD, "PXDS_FAIL_AT": str(fail_at), "PXDS_FAIL_ALL": str(int(fails_all)),
               "PXDS_COUNT": self.count}
        return subprocess.run([TOOL, *command], capture_output=True, env=env, timeout=120, check=False)

    def points(self, count, name):
        if EVERY:
            return range(1, count + 1)
        rest = range(FIRST + 1, count - LAST + 1)
        sample = random.Random(f"{SEED} {name}").sample(rest, min(SAMPLE, len(rest)))
        return [*range(1, min(FIRST, count) + 1), *sorted(sample), *range(max(FIRST, count - LAST) + 1, count + 1)]

    def aborted_by(self, done):
        """The function that has asked for the memory, or what is known of it."""
        if b"failed to register TLS destructor" in done.stderr:
            return "__cxa_thread_atexit_impl"
        offsets = re.findall(rb"libpxds\.so[^(]*\(\+0x([0-9a-f]+)\)", done.stderr)
        calls = functions([int(offset, 16) for offset in offsets])
        # Telling of the failure may fail as well: the outermost one counts.
        handlers = [i for i, call in enumerate(calls) if "rust_alloc_error_handler" in call]
        for call in calls[handlers[-1] + 1 :] if handlers else []:
            if not WITHIN.search(call):
                return call
        return done.stderr.decode(errors="replace")[-3000:]

    def check(self, *command, changes=False, exit_codes=(0,), after=None):
        """Fails the allocations of a command in turn. `after` looks at what it leaves."""
        name = " ".join(command[:2])
        if changes:
            self.fresh()
        whole = self.run_tool(command)
        self.assertIn(whole.returncode, exit_codes, whole.stderr)
        count = int(read(self.count))
        self.assertGreater(count, 20)
        for fails_all in (False, True):
            for number in self.points(count, name):
                with self.subTest(command=name, number=number, of=count, fails_all=fails_all):
                    if changes:
                        self.fresh()
                    done = self.run_tool(command, number, fails_all)
                    if done.returncode < 0:
                        self.assertIn(self.aborted_by(done), may_abort(), f"signal {-done.returncode}")
                    elif done.returncode in {1, 4} - {*exit_codes}:
                        self.assertRegex(done.stderr, OUT_OF_MEMORY)
                    else:
                        self.assertIn(done.returncode, exit_codes, done.stderr)
                        self.assertEqual(AGE.sub(b"", done.stdout), AGE.sub(b"", whole.stdout))
                        more = set(done.stderr.splitlines()) - set(whole.stderr.splitlines())
                        for line in more:
                            # What could not be cleaned up.
                            self.assertTrue(line.startswith(b"pxds: warning: ") and OUT_OF_MEMORY.search(line), line)
                    if after is not None:
                        after()

    def test_lists(self):
        self.check("list", self.store)
        self.check("groups", self.store)
        self.check("list", self.store, "--json")
        self.check("files", self.store, SNAPSHOT)
        self.check("stat", self.store)
        self.check("manifest", "show", self.store, SNAPSHOT)

    def test_reading(self):
        out = self.path("out")
        self.check("restore", self.store, SNAPSHOT, "a.didx", out, "--threads", "1")
        self.check("restore", self.store, SNAPSHOT, "a.didx", out, "--threads", "3")
        self.check("verify", self.store, "host/x", "--read-only", "--threads", "1")
        self.check("verify", self.store, "host/x", "--read-only", "--threads", "3")
        self.check("gc", self.store, "--dry-run")
        self.check("report", self.store, "--output", "-")
        self.check("get", self.store, self.index, out, "--threads", "1")
        self.check("get", self.store, self.index, out, "--threads", "3")

    def test_writing(self):
        def store_is_good():
            self.pxds("verify", self.store, "host/x", "--read-only")

        # Each run has a store of its own: a small one.
        shutil.rmtree(os.path.join(self.template, "vm/1"))
        for second in range(20):
            os.makedirs(os.path.join(self.template, f"vm/1/2019-01-01T00:00:{second:02}Z"))
        archives = (f"a.didx={self.path('data')}", f"c.fidx={self.path('image')}", f"b.blob={self.path('password')}")
        for more in (("--threads", "1"), ("--threads", "3", "--key", self.path("key"))):
            self.check("backup", self.store, "host/new", *archives, "--time", str(TIME), *more, changes=True,
                       after=store_is_good)
        self.check("gc", self.store, "--cutoff", "1441", changes=True, after=store_is_good)
        self.check("prune", self.store, "vm/1", "--keep-last", "3", changes=True, after=store_is_good)
        self.check("notes", self.store, SNAPSHOT, "--set", "x" * 50_000, changes=True, after=store_is_good)
        self.check("verify", self.store, "host/x", "--threads", "2", changes=True, after=store_is_good)
        self.check("forget", self.store, SNAPSHOT, changes=True)
        self.check("put", self.store, self.path("data"), self.path("new.didx"), "--threads", "3", changes=True,
                   after=store_is_good)
        if EVERY:
            # Makes 65,536 directories each time: for the exhaustive run alone.
            self.check("convert", self.store, "hex4", changes=True, after=store_is_good)

    def test_copying(self):
        # Into a store that is empty each time.
        self.template = self.path("empty")
        source = self.store
        self.store = self.path("target")
        self.pxds("init", self.template)
        self.check("copy", source, self.index, self.store, self.path("copied.didx"), "--threads", "3", changes=True)

    def test_keys(self):
        self.check("key", "show", self.path("key"))
        for kdf in ("none", "pbkdf2", "scrypt"):
            password = () if kdf == "none" else ("--password-file", self.path("password"))
            self.check("key", "create", os.path.join(self.store, "made"), "--kdf", kdf, *password, changes=True)
        self.check("key", "show", self.path("locked"), "--password-file", self.path("password"))
        self.check("manifest", "verify", self.store, "host/x/2020-06-26T13:56:07Z", "--key", self.path("key"))


class AddressSpace(TestCase):
    """Many threads would like more address space than there is: fewer and smaller buffers do as well."""

    LIMIT = 200 << 20

    def limited(self, *command, **more):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (self.LIMIT, self.LIMIT))

        done = subprocess.run([TOOL, *command, "--threads", "16"], capture_output=True, preexec_fn=limit, timeout=300,
                              check=False, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_all_of_a_life(self):
        data, store, copy = random_data(150_000_000, 3), self.path("store"), self.path("copy")
        write(self.path("data"), data)
        self.pxds("init", store)
        self.pxds("init", copy)
        self.limited("backup", store, "host/x", f"a.didx={self.path('data')}", f"b.fidx={self.path('data')}")
        self.limited("put", store, "-", self.path("piped.didx"), input=data)
        self.limited("verify", store)
        snapshot = self.pxds("list", store).stdout.split(b"\n")[1].split()[0].decode()
        for archive in ("a.didx", "b.fidx"):
            self.limited("restore", store, snapshot, archive, self.path("out"))
            self.assertEqual(read(self.path("out")), data)
        self.assertEqual(self.limited("get", store, self.path("piped.didx"), "-"), data)
        self.limited("copy", store, self.path("piped.didx"), copy, self.path("copied.didx"))
        self.pxds("get", copy, self.path("copied.didx"), self.path("out"))
        self.assertEqual(read(self.path("out")), data)


def functions(offsets):
    """The names of the functions of the library that have these bytes."""
    library = os.path.join(ROOT, "build/libpxds.so")
    lines = subprocess.run(["nm", "--demangle", "--defined-only", "--numeric-sort", library],
                           capture_output=True, check=True, text=True).stdout.splitlines()
    symbols = [(int(line.split()[0], 16), line.split(None, 2)[2]) for line in lines if len(line.split(None, 2)) == 3]
    return [max((at, name) for at, name in symbols if at <= offset)[1] for offset in offsets]


if __name__ == "__main__":
    support.main()
