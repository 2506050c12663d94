"""`pxds prune`, held to what PBS decides; and the decisions of the library, held to Python's zones."""

import ctypes
import datetime
import fcntl
import glob
import json
import os
import random
import time
import unittest
import zoneinfo

import support
from snapshot_case import SnapshotCase
from support import LIBRARY, ROOT, TestCase, read, write

VECTORS = os.path.join(ROOT, "tests", "vectors", "prune", "prune.json")
GROUP = "ns/a/host/x"
RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def name_of(time):
    return (EPOCH + datetime.timedelta(seconds=time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def counts_of(keep):
    return [word for name, count in keep.items() for word in (f"--{name}", str(count))]


class GroupCase(TestCase):
    """A store with a group whose snapshots are directories alone. It has no owner."""

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.pxds("init", self.store)
        self.group = os.path.join(self.store, GROUP)

    def make(self, times, unfinished=(), protected=()):
        os.makedirs(self.group, exist_ok=True)
        for time in times:
            directory = os.path.join(self.group, name_of(time))
            os.mkdir(directory)
            write(os.path.join(directory, "root.pxar.didx"), b"x")
            if time not in unfinished:
                write(os.path.join(directory, "index.json.blob"), b"")
            if time in protected:
                write(os.path.join(directory, ".protected"), b"")

    def clear(self):
        for parent, directories, names in os.walk(self.group, topdown=False):
            for name in names:
                os.unlink(os.path.join(parent, name))
            for name in directories:
                os.rmdir(os.path.join(parent, name))

    def prune(self, *options, tz=None, **keywords):
        """Gives the rows as (name, mark), and stderr."""
        env = {name: value for name, value in os.environ.items() if name != "TZ"}
        if tz is not None:
            env["TZ"] = tz
        done = self.pxds("prune", self.store, GROUP, "--json", *options, env=env, **keywords)
        *rows, total = [json.loads(line) for line in done.stdout.decode().splitlines()]
        for row in rows:
            self.assertEqual((row["kind"], row["snapshot"]), ("snapshot", f"{GROUP}/{row['time']}"))
            self.assertEqual(name_of(row["time_epoch"]), row["time"])
        self.assertEqual((total["kind"], total["groups"], total["snapshots"]), ("total", 1, len(rows)))
        return [(row["time"], row["mark"]) for row in rows], done.stderr.decode()

    def left(self):
        return sorted(os.listdir(self.group))


class Vectors(GroupCase):
    def test_pbs(self):
        cases = json.loads(read(VECTORS))["cases"]
        self.assertGreater(len(cases), 40)
        for case in cases:
            with self.subTest(case=case["name"]):
                rows = case["snapshots"]
                self.make(
                    [row["time"] for row in rows],
                    unfinished=[row["time"] for row in rows if not row["finished"]],
                    protected=[row["time"] for row in rows if row["protected"]],
                )
                # A count that keeps nothing removes nothing.
                want = [(name_of(time), mark if mark != "remove" or case["keeps_something"] else "keep")
                        for time, mark in case["result"]]
                options, before = counts_of(case["keep"]), self.left()
                self.assertEqual(self.prune(*options, "--dry-run", tz=case["tz"])[0], want)
                self.assertEqual(self.left(), before)
                found, stderr = self.prune(*options, "--tz", case["tz"], tz="Pacific/Kiritimati")
                self.assertEqual(found, want)
                self.assertEqual(self.left(), sorted(map(name_of, case["api_keeps"])))
                self.assertEqual("everything is kept" in stderr, not case["keeps_something"])
                self.clear()


class Command(GroupCase):
    TIMES = [1704061800 + 3600 * i for i in range(3)]  # 22:30, 23:30, 00:30 in UTC

    def test_what_stays(self):
        self.make(self.TIMES, unfinished=self.TIMES[:1], protected=self.TIMES[1:2])
        names = [name_of(time) for time in self.TIMES]
        rows, stderr = self.prune("--keep-last", "1")
        self.assertEqual(rows, list(zip(names[::-1], ["keep", "protected", "remove"])))
        self.assertEqual(stderr, "")
        self.assertEqual(self.left(), names[1:])

    def test_lines(self):
        self.make(self.TIMES)
        done = self.pxds("prune", self.store, GROUP, "--keep-last=2", "--json", "--dry-run")
        self.assertEqual(done.stdout.decode().splitlines(), [
            *(f'{{"kind":"snapshot","snapshot":"ns/a/host/x/{name}","group":"ns/a/host/x","time":"{name}",'
              f'"time_epoch":{time},"mark":"{mark}","reasons":[{reasons}],"removed":false,"error":null}}'
              for name, time, mark, reasons in (("2024-01-01T00:30:00Z", 1704069000, "keep", '"keep-last"'),
                                                ("2023-12-31T23:30:00Z", 1704065400, "keep", '"keep-last"'),
                                                ("2023-12-31T22:30:00Z", 1704061800, "remove", ""))),
            '{"kind":"total","groups":1,"failed_groups":0,"snapshots":3,"removed":0,"would_remove":1,"failed":0,'
            '"dry_run":true}',
        ])
        done = self.pxds("prune", self.store, GROUP, "--keep-last=1", "--keep-yearly=1", "--dry-run")
        self.assertIn("\n1 of 3 snapshots in 1 group would be removed\n", done.stdout.decode())
        done = self.pxds("prune", self.store, GROUP, "--keep-last=1", "--keep-yearly=1")
        self.assertEqual(done.stdout.decode().splitlines(), [
            "SNAPSHOT                          MARK          WHY",
            "ns/a/host/x/2024-01-01T00:30:00Z  keep          keep-last",
            "ns/a/host/x/2023-12-31T23:30:00Z  keep          keep-yearly",
            "ns/a/host/x/2023-12-31T22:30:00Z  remove        -",
            "1 of 3 snapshots in 1 group removed",
        ])
        self.assertEqual(len(self.left()), 2)

    def test_nothing_said(self):
        self.make(self.TIMES)
        zeros = [word for rule in RULES for word in (f"--keep-{rule}", "0")]
        for options in ((), zeros):
            rows, stderr = self.prune(*options)
            self.assertEqual([mark for _, mark in rows], ["keep"] * 3)
            self.assertRegex(stderr, r"^pxds: .*everything is kept\n$")
            self.assertEqual(len(self.left()), 3)

    def test_groups_without_snapshots(self):
        self.assertIn(GROUP, self.error("prune", self.store, GROUP, "--keep-last", "1"))
        os.makedirs(self.group)
        done = self.pxds("prune", self.store, GROUP, "--keep-last", "1")
        self.assertEqual((done.stdout, done.stderr), (b"0 of 0 snapshots in 1 group removed\n", b""))
        # With nothing but a file, and a directory that is no snapshot.
        write(os.path.join(self.group, "notes"), b"x")
        os.mkdir(os.path.join(self.group, "2024-02-30T00:00:00Z"))
        self.assertEqual(self.prune("--keep-last", "1")[0], [])
        self.assertEqual(len(self.left()), 2)

    def test_none_is_verified(self):
        """Who has good ones kept learns that there are none."""
        store, file = self.path("other"), self.path("file")
        self.pxds("init", store)
        write(file, b"x")
        for group in ("host/a", "host/b"):
            self.pxds("backup", store, group, f"a.blob={file}")
        command = ("prune", store, "--keep-last", "1", "--quiet")
        self.assertEqual(self.pxds(*command).stderr, b"")
        self.pxds("verify", store, "host/a")
        words = "warning: no snapshot of host/b has been verified and found good: none is kept for that\n"
        for options in ((), ("--dry-run",)):
            self.assertEqual(self.pxds(*command, "--keep-good", "1", *options).stderr.decode(), f"pxds: {words}")
        self.pxds("verify", store)
        self.assertEqual(self.pxds(*command, "--keep-good", "1").stderr, b"")
        self.pxds("protect", store, "host/b/latest")
        self.assertIn("no snapshot that is not protected of host/b has been verified",
                      self.pxds(*command, "--keep-good", "1").stderr.decode())

    def test_zones(self):
        """Whether the first two are of one day, and the last two."""
        self.make(self.TIMES)
        # 00:30, 23:30, 22:30; in Vienna an hour later each: 01:30, 00:30, 23:30
        utc, vienna = ["keep", "keep", "remove"], ["keep", "remove", "keep"]

        def marks(*options, **keywords):
            rows, _ = self.prune("--keep-daily", "2", "--dry-run", *options, **keywords)
            return [mark for _, mark in rows]

        for tz in ("UTC", "", "Etc/UTC", ":UTC", "UTC0"):
            self.assertEqual(marks(tz=tz), utc, tz)
        for tz in ("Europe/Vienna", ":Europe/Vienna", "CET-1CEST,M3.5.0,M10.5.0/3"):
            self.assertEqual(marks(tz=tz), vienna, tz)
            self.assertEqual(marks("--tz", tz.lstrip(":"), tz="America/New_York"), vienna, tz)
        if os.path.exists("/usr/share/zoneinfo/Europe/Vienna"):
            self.assertEqual(marks(tz=":/usr/share/zoneinfo/Europe/Vienna"), vienna)
            self.assertEqual(marks("--tz", "/usr/share/zoneinfo/Europe/Vienna"), vienna)
        local = ("--tz", "/etc/localtime") if os.path.exists("/etc/localtime") else ("--tz", "UTC")
        self.assertEqual(marks(), marks(*local, tz="America/New_York"))
        for options, tz in ((("--tz", "Mars/Base"), "UTC"), ((), "Mars/Base"), (("--tz", ""), "UTC")):
            env = dict(os.environ, TZ=tz)
            message = self.error("prune", self.store, GROUP, "--keep-last", "1", *options, env=env,
                                 code=2 if options else 1)
            self.assertRegex(message, "is (no|not a) time zone")
        self.assertEqual(len(self.left()), 3)

    def test_usage(self):
        self.make(self.TIMES)
        for options in (
            ("--keep-last", "-1"), ("--keep-daily", "x"), ("--keep-weekly", ""), ("--keep-last", "1.5"),
            ("--keep-yearly", "18446744073709551616"), ("--keep-monthly",), ("--keep-minutely", "1"),
            ("--dry-run=yes",), ("--keep-good", "-1"), ("--keep-within", "1y"), ("--keep-within", "30 days"),
        ):
            self.assertIn("pxds: prune: ", self.error("prune", self.store, GROUP, *options, code=2))
        self.error("prune", code=2)
        self.error("prune", self.store, GROUP, GROUP, code=2)
        self.error("prune", self.store, "x", "--keep-last", "1")
        self.assertIn("TYPE/ID", self.error("prune", self.store, GROUP, "--ns", "a"))
        self.error("prune", self.path("nowhere"), GROUP, "--keep-last", "1")
        self.assertEqual(len(self.left()), 3)
        rows, _ = self.prune("--keep-last", "18446744073709551615")
        self.assertEqual([mark for _, mark in rows], ["keep"] * 3)

    def test_what_cannot_be_looked_into(self):
        """It stays, and the end says that it was there."""
        self.make(self.TIMES)
        names = [name_of(time) for time in self.TIMES]
        outside, oldest = self.path("outside"), os.path.join(self.group, names[0])
        for kind in ("link", "unreadable"):
            with self.subTest(kind):
                if kind == "link":
                    os.rename(oldest, outside)
                    os.symlink(outside, oldest)
                    options = {}
                else:
                    options = self.unprivileged(self.store)
                    os.chmod(oldest, 0)
                for more in ((), ("--dry-run",)):
                    done = self.pxds("prune", self.store, GROUP, "--keep-last", "2", "--json", *more, code=4, **options)
                    *rows, total, end = [json.loads(line) for line in done.stdout.splitlines()]
                    self.assertEqual([row["time"] for row in rows], names[:0:-1])
                    self.assertEqual((total["removed"], end), (0, {"complete": False}))
                    self.assertIn(oldest.encode(), done.stderr)
                self.pxds("prune", self.store, "--recursive", "--keep-last", "2", code=4, **options)
                self.assertEqual(self.left(), names)
                if kind == "link":
                    os.unlink(oldest)
                    os.rename(outside, oldest)
                else:
                    os.chmod(oldest, 0o755)
        self.prune("--keep-last", "2")
        self.assertEqual(self.left(), names[1:])

    def test_in_use(self):
        self.make(self.TIMES)
        names = [name_of(time) for time in self.TIMES]
        held = os.open(os.path.join(self.group, names[1]), os.O_RDONLY)
        self.addCleanup(os.close, held)
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        done = self.pxds("prune", self.store, GROUP, "--keep-last", "1", "--json", code=4)
        *rows, total = [json.loads(line) for line in done.stdout.decode().splitlines()]
        self.assertEqual([row["mark"] for row in rows], ["keep", "remove", "remove"])
        self.assertEqual([row["error"] is not None for row in rows], [False, True, False])
        self.assertEqual([row["removed"] for row in rows], [False, False, True])
        self.assertEqual((total["removed"], total["failed"], total["failed_groups"]), (1, 1, 1))
        self.assertIn("locked", rows[1]["error"])
        self.assertRegex(done.stderr.decode(), rf"^pxds: warning: .*{names[1]} failed: .*locked")
        self.assertEqual(self.left(), names[1:])
        done = self.pxds("prune", self.store, GROUP, "--keep-last", "1", code=3)
        self.assertRegex(done.stdout.decode(), rf"{names[1]}  remove +\(failed\)\n")


class Reasons(SnapshotCase):
    """With snapshots that can be verified."""

    DAY = 86400

    def setUp(self):
        super().setUp()
        self.now = int(time.time())
        self.chunks = set()

    def make(self, group, days, good=None):
        """A snapshot of so many days ago, and what a verification is to find of it."""
        file = self.file("file", os.urandom(1000))
        path = self.backup(group, f"a.didx={file}", "--time", str(self.now - days * self.DAY))
        for chunk in glob.glob(os.path.join(self.store, ".chunks", "*", "*")):
            if chunk not in self.chunks and good is False:
                write(chunk, read(chunk)[:-1])
            self.chunks.add(chunk)
        if good is not None:
            self.pxds("verify", self.store, path, code=0 if good else 1)
        return path

    def prune(self, *options, code=0):
        """The number of each row and why it stays, None if it does not; and stderr."""
        done = self.pxds("prune", self.store, *options, "--json", code=code)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [row["reasons"] or None for row in rows if row["kind"] == "snapshot"], done.stderr.decode()

    def test_each_reason(self):
        old, young = self.make("host/x", 9, True), self.make("host/x", 1)
        os.mkdir(os.path.join(self.store, "host/x", name_of(self.now + 60)))
        self.pxds("protect", self.store, self.make("host/x", 0))
        rules = [word for rule in RULES for word in (f"--keep-{rule}", "1")]
        self.assertEqual(self.prune("host/x", *rules, "--keep-good", "1", "--keep-within", "2d", "--dry-run"),
                         ([["unfinished"], ["protected"], ["keep-last", "keep-within"], ["keep-hourly", "keep-good"]],
                          ""))
        self.assertEqual(self.prune("host/x", "--keep-within", "1h", "--dry-run")[0],
                         [["unfinished"], ["protected"], ["newest"], None])
        rows, stderr = self.prune("host/x")
        self.assertEqual(rows, [["unfinished"], ["protected"], ["no-option"], ["no-option"]])
        self.assertIn("everything is kept", stderr)
        text = self.pxds("prune", self.store, "host/x", "--keep-good", "1", "--keep-within", "30d").stdout.decode()
        self.assertRegex(text, rf"{old} +keep +keep-good, keep-within\n")
        self.assertRegex(text, rf"{young} +keep +keep-within\n")

    def test_failed_ones(self):
        good, unknown = self.make("host/x", 3, True), self.make("host/x", 2)
        self.make("host/x", 1, False)
        _, stderr = self.prune("host/x", "--keep-last", "1", "--dry-run")
        self.assertRegex(stderr, rf"warning: all that is kept of host/x .*{unknown}, .*\(not verified\), is to be")
        self.pxds("forget", self.store, unknown)
        self.assertRegex(self.prune("host/x", "--keep-last", "1", "--dry-run")[1], rf"{good}, .*\(verified\)")
        self.assertEqual(self.prune("host/x", "--keep-last", "1", "--keep-good", "1"),
                         ([["keep-last"], ["keep-good"]], ""))
        os.unlink(os.path.join(self.store, good, "index.json.blob"))
        self.assertEqual(self.prune("host/x", "--keep-last", "1")[1], "")

    def test_many_groups(self):
        for group in ("host/a", "host/b", "vm/1", "ns/n/host/a", "ns/n/ns/m/host/a"):
            for days in (2, 1):
                self.make(group, days)

        def pruned(*options, code=0):
            done = self.pxds("prune", self.store, "--json", "--keep-last", "1", "--dry-run", *options, code=code)
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            groups = list(dict.fromkeys(row["snapshot"].rsplit("/", 1)[0] for row in rows if "snapshot" in row))
            self.assertEqual((rows[-1]["groups"], rows[-1]["would_remove"]), (len(groups), len(groups)))
            return groups

        self.assertEqual(pruned(), ["host/a", "host/b", "vm/1"])
        self.assertEqual(pruned("host/*"), ["host/a", "host/b"])
        self.assertEqual(pruned("*/[1b]"), ["host/b", "vm/1"])
        self.assertEqual(pruned("--ns", "n"), ["ns/n/host/a"])
        self.assertEqual(pruned("--ns", "n", "--recursive", "host/a"), ["ns/n/host/a", "ns/n/ns/m/host/a"])
        self.assertEqual(pruned("host/a", "--ns", "n/m"), ["ns/n/ns/m/host/a"])
        self.assertEqual(pruned("ns/*/host/*"), ["ns/n/host/a"])
        self.assertEqual(len(pruned("--recursive")), 5)
        for pattern in ("*", "host/z*", "ct/?"):
            self.assertIn(f"no group of the root namespace fits '{pattern}'",
                          self.error("prune", self.store, pattern, "--keep-last", "1"))
        self.assertIn("must begin with TYPE/ID", self.error("prune", self.store, "ns/*/host/a", "--ns", "n"))
        self.assertIn("there is no namespace", self.error("prune", self.store, "--ns", "z", "--keep-last", "1"))
        done = self.pxds("prune", self.store, "--recursive", "--keep-last", "1")
        self.assertTrue(done.stdout.endswith(b"\n5 of 10 snapshots in 5 groups removed\n"), done.stdout)
        self.assertEqual(len(self.listed()), 5)
        self.pxds("init", self.path("empty"))
        done = self.pxds("prune", self.path("empty"), "--keep-last", "1")
        self.assertEqual(done.stdout, b"0 of 0 snapshots in 0 groups removed\n")
        self.assertIn(b"note: there is no group", done.stderr)

    def test_one_group_fails(self):
        paths = {group: [self.make(group, days) for days in (2, 1)] for group in ("host/a", "host/b", "host/c")}
        held = os.open(os.path.join(self.store, paths["host/b"][0]), os.O_RDONLY)
        self.addCleanup(os.close, held)
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        done = self.pxds("prune", self.store, "--keep-last", "1", code=4)
        self.assertRegex(done.stderr.decode(), "host/b/.* is locked[^$]*1 of 3 groups failed")
        self.assertEqual(len(self.listed()), 4)
        # One in which nothing can be listed.
        os.rename(os.path.join(self.store, "host/a"), self.path("a"))
        os.symlink(self.path("a"), os.path.join(self.store, "host/a"))
        done = self.pxds("prune", self.store, "--keep-last", "1", "--json", code=4)
        total, end = map(json.loads, done.stdout.splitlines()[-2:])
        self.assertEqual((total["failed"], end), (1, {"complete": False}))


# ---- the library, with zones as Python reads them ----


class Row(ctypes.Structure):
    _fields_ = [("time", ctypes.c_int64), ("flags", ctypes.c_uint32), ("verify_state", ctypes.c_uint32)]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("flags", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("keep", ctypes.c_uint64 * 6), ("good", ctypes.c_uint64), ("within", ctypes.c_uint64),
                ("now", ctypes.c_int64), ("zone", ctypes.c_char_p), ("progress", ctypes.c_void_p),
                ("progress_user", ctypes.c_void_p)]


PROTECTED, FINISHED = 1, 2
MARKS = {1: "keep", 2: "keep-partial", 3: "protected", 4: "remove"}
FORMATS = ("%s", "%Y/%m/%d/%H", "%Y/%m/%d", "%G/%V", "%Y/%m", "%Y")

# Changes by half an hour, winter time as the exception, a day left out, no change, many changes.
ZONES = ("Europe/Vienna", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia", "Asia/Kathmandu",
         "America/St_Johns", "Africa/Casablanca", "America/New_York", "Antarctica/Troll", "UTC")


def decide(rows, counts, zone):
    """rows: (time, flags), the newest first, no time twice"""
    def key(rule, time):
        return str(time) if rule == 0 else datetime.datetime.fromtimestamp(time, zone).strftime(FORMATS[rule])

    mark, newest = {}, True
    for time, flags in rows:
        if not flags & FINISHED:
            mark[time] = "keep-partial" if newest else "remove"
        newest = False
    for rule, count in enumerate(counts):
        if count == 0:
            continue
        covered = {key(rule, time) for time, _ in rows if mark.get(time) == "keep"}
        seen = set()
        for time, flags in rows:
            if time in mark:
                continue
            if flags & PROTECTED:
                mark[time] = "protected"
                continue
            this = key(rule, time)
            if this in covered:
                continue
            if this in seen:
                mark[time] = "remove"
            elif len(seen) >= count:
                break
            else:
                seen.add(this)
                mark[time] = "keep"
    nothing = "remove" if any(counts) else "keep"
    for time, flags in rows:
        if flags & PROTECTED:
            mark[time] = "protected"
        elif mark.get(time, "remove") == "remove":
            mark[time] = nothing
    return [mark[time] for time, _ in rows]


class Zones(unittest.TestCase):
    def setUp(self):
        try:
            self.zones = [(name, zoneinfo.ZoneInfo(name)) for name in ZONES]
        except zoneinfo.ZoneInfoNotFoundError:
            self.skipTest("no time zones (Debian: tzdata)")
        self.library = ctypes.CDLL(LIBRARY)

    def marks(self, rows, counts, zone):
        options = Options(ctypes.sizeof(Options), 0, 0, (ctypes.c_uint64 * 6)(*counts), 0, 0, 0, zone.encode())
        marks = (ctypes.c_uint32 * len(rows))()
        status = self.library.pxds_prune_mark(
            (Row * len(rows))(*((time, flags, 0) for time, flags in rows)), ctypes.c_size_t(len(rows)),
            ctypes.byref(options), marks, None)
        self.assertEqual(status, 0)
        return [MARKS[mark] for mark in marks]

    def moments(self, zone, rng):
        """Times around a change of the clocks, in the years in which the zones are settled."""
        low, high = sorted(rng.randrange(315532800, 1640995200) for _ in range(2))
        offset = datetime.datetime.fromtimestamp(low, zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.datetime.fromtimestamp(middle, zone).utcoffset() == offset:
                low = middle
            else:
                high = middle
        return high

    def test_agree(self):
        rng = random.Random(12)
        for round in range(4000):
            name, zone = rng.choice(self.zones)
            moment, step = self.moments(zone, rng), rng.choice((60, 1200, 7200, 43200, 345600, 4000000))
            times = {moment + rng.randrange(-15, 15) * step + rng.choice((-1, 0, 0, 1)) for _ in range(25)}
            rows = [(time, rng.choice((FINISHED,) * 8 + (0, PROTECTED, PROTECTED | FINISHED)))
                    for time in sorted(times, reverse=True)]
            counts = [rng.choice((0, 0, 0, 1, 2, 5)) for _ in RULES]
            given = name
            system = os.path.join("/usr/share/zoneinfo", name)
            if round % 4 == 0 and os.path.exists(system):
                given = system
            with self.subTest(round=round, zone=given, counts=counts):
                self.assertEqual(self.marks(rows, counts, given), decide(rows, counts, zone))


if __name__ == "__main__":
    support.main()
