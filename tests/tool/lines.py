"""The command line of the tool: what values mean, what all commands have in common."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import support
from support import TOOL, TestCase, write


class StoreCase(TestCase):
    in_memory = True

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.pxds("init", self.store)
        self.file = self.path("file")
        write(self.file, bytes(1 << 20))

    def backup(self, *options, **keywords):
        """The path of the snapshot that is made."""
        done = self.pxds("backup", self.store, "host/x", f"a.fidx={self.file}", *options, **keywords)
        return done.stdout.split()[0].decode()


class Values(StoreCase):
    def test_sizes(self):
        snapshot = self.backup()
        for text, size in {"0": 0, "7": 7, "7B": 7, "1K": 1024, "1k": 1024, "1KiB": 1024, "1.5K": 1536, "0.5k": 512,
                           "0.0009765625K": 1, "0.25MiB": 1 << 18, "0.000003814697265625M": 4, "1.0": 1,
                           "15.5E": 1 << 20, "0.5G": 1 << 20}.items():
            with self.subTest(text=text):
                done = self.pxds("restore", self.store, snapshot, "a.fidx", "-", "--length", text)
                self.assertEqual(len(done.stdout), size)
        for text in ("", "K", ".5K", "1.K", "1.3K", "1.5", "1.5B", "64KB", "64kbit", "1 K", "-1", "+1", "1.5.5K",
                     "0x10", "16E", "18446744073709551616", "15.99999999999999999999E", "1e3", "1Ki", "1T2G"):
            with self.subTest(text=text):
                line = ("restore", self.store, snapshot, "a.fidx", "-", "--length", text)
                self.assertIn("bytes", self.error(*line, code=2))

    def test_times(self):
        vienna = {**os.environ, "TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}
        for text, name in {"1600000000": "2020-09-13T12:26:40Z",
                           "2026-11-30": "2026-11-29T23:00:00Z", "2026-07-01": "2026-06-30T22:00:00Z",
                           "2026-11-30T12:00": "2026-11-30T11:00:00Z", "2026-07-01 12:00:05": "2026-07-01T10:00:05Z",
                           "2028-02-29T12:00:01Z": "2028-02-29T12:00:01Z", "2000-03-01T00:00Z": "2000-03-01T00:00:00Z",
                           "2100-03-01T00:30+01:00": "2100-02-28T23:30:00Z",
                           "1970-01-01T00:01Z": "1970-01-01T00:01:00Z",
                           "2026-12-31T23:00-0130": "2027-01-01T00:30:00Z"}.items():
            with self.subTest(text=text):
                self.assertEqual(self.backup("--time", text, env=vienna), f"host/x/{name}")
                self.pxds("forget", self.store, f"host/x/{name}")
        for text in ("", "now", "-1", "2026-02-29", "2026-13-01", "2026-00-10", "2026-11-31T12:00Z", "2026-11-30T24:00",
                     "2026-11-30T12:60", "2026-11-30T12:00:60Z", "2026-11-30T12", "2026-11-30Z", "2026-11-30T12:00z",
                     "2026-11-30T12:00+24:00", "2026-11-30T12:00 ", "26-11-30", "2026-1-1", "1969-12-31T23:59Z",
                     "2026-03-29T02:30"):  # an hour that is left out in spring
            with self.subTest(text=text):
                line = ("backup", self.store, "host/x", f"a.fidx={self.file}", "--time", text)
                self.assertIn("is not a time", self.error(*line, code=2, env=vienna))


    def test_what_is_shown(self):
        """Sizes and times are for people, in their zone."""
        done = self.pxds("backup", self.store, "host/x", f"a.fidx={self.file}", "b.blob=/dev/null")
        self.assertIn(b"  a.fidx: 1048576 bytes (1.00 MiB), 1 chunk", done.stdout)
        self.assertIn(b"  b.blob: 0 bytes\n", done.stdout)
        index = os.path.join(self.store, done.stdout.split()[0].decode(), "a.fidx")
        epoch = json.loads(self.pxds("index", index, "--json").stdout)["create_time_epoch"]
        for zone, end in (("UTC", "Z"), ("XYZ-5:30", r"\+05:30"), ("EST5", "-05:00")):
            text = self.pxds("index", index, env={**os.environ, "TZ": zone}).stdout.decode()
            date = re.search(rf"^ctime: (\S+){end}$", text, re.MULTILINE)[1]
            shift = {"Z": 0, r"\+05:30": 19800, "-05:00": -18000}[end]
            self.assertEqual(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch + shift)), date)
        self.assertIn("size: 1048576 bytes (1.00 MiB)\n", text)


class Busy(StoreCase):
    """A lock that another process holds: a status of its own, and waiting."""

    def setUp(self):
        super().setUp()
        self.snapshot = self.backup()

    def hold(self, path):
        code = ("import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); "
                "print('held', flush=True); sys.stdin.read()")
        holder = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(holder.stdout.readline(), b"held\n")
        self.addCleanup(self.release, holder)
        return holder

    @staticmethod
    def release(holder):
        holder.terminate()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()

    def test_it_is_told_from_a_failure(self):
        holder = self.hold(os.path.join(self.store, ".lock"))
        line = ("backup", self.store, "host/x", f"a.fidx={self.file}")
        for arguments in (line, ("put", self.store, self.file, self.path("store", "i.didx")), ("gc", self.store),
                          ("convert", self.store, "hex4")):
            self.assertIn(".lock is locked", self.error(*arguments, code=3))
        self.error("backup", self.store, "host/x", f"a.fidx={self.path('none')}", code=1)
        self.error("restore", self.path("none"), self.snapshot, "a.fidx", "-", code=1)
        begun = time.monotonic()
        self.assertNotIn("note", self.error(*line, "--wait", "1s", code=3))
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        self.assertIn("note: --wait DURATION waits for locks of others\n", self.error(*line, code=3))
        waits = self.error(*line, "--wait", "1s", "-v", code=3)
        self.assertIn(" collecting garbage, after waiting 1 s\n", waits)
        self.assertNotIn("after waiting", self.error(*line, code=3))
        self.assertEqual(waits.count("waiting up to 1 s for a lock that another program holds\n"), 1)
        threading.Timer(0.5, holder.terminate).start()
        self.assertEqual(self.pxds(*line, "--wait", "5m").stderr, b"")

    def test_a_signal_ends_the_wait(self):
        self.hold(os.path.join(self.store, ".lock"))
        with subprocess.Popen([TOOL, "gc", self.store, "--wait", "1h", "--progress", "json"],
                              stderr=subprocess.PIPE) as waiting:
            told = json.loads(waiting.stderr.readline())
            self.assertEqual((told["phase"], told["total"]), ("lock", 3600 * 1000))
            waiting.terminate()
            self.assertEqual(waiting.wait(), -signal.SIGTERM)

    def test_durations(self):
        for text in ("0", "90", "90s", "15m", "1h30m", "2d", "1w", "1w2d3h4m5s", "9223372036854775"):
            self.pxds("list", self.store, "--wait", text)
        for text in ("", "s", "1x", "1.5h", "-1s", "1h30", "1 h", "9223372036854776", "15250284452472w", "1H"):
            self.assertIn("seconds", self.error("list", self.store, "--wait", text, code=2))


class Telling(StoreCase):
    """What stderr has, and what it has not."""

    def messages(self, *arguments, **keywords):
        return [json.loads(line) for line in self.error(*arguments, "--log-json", **keywords).splitlines()]

    def test_messages_as_json(self):
        missing = self.path("a\n\"file\u202e")
        told, = self.messages("backup", self.store, "host/x", f"a.fidx={missing}", code=1)
        self.assertEqual(told, {"level": "error", "message": f"{missing}: No such file or directory",
                                "path": missing, "status": None})
        told, = self.messages("files", self.store, "host/x/2020-01-01T00:00:00Z", code=1)
        self.assertEqual((told["level"], told["status"]), ("error", "PXDS_ERR_NOT_FOUND"))
        self.assertTrue(told["path"].startswith(self.store))
        os.mkdir(self.path("store", "host"))
        os.symlink("nowhere", self.path("store", "host", "link"))
        told, = self.messages("list", self.store, code=4)
        self.assertEqual((told["level"], told["path"]), ("warning", self.path("store", "host", "link")))
        told, = self.messages("put", self.store, self.file, self.path("out.didx"), code=0)
        self.assertEqual(told["level"], "info")
        told, = self.messages("list", code=2)
        self.assertEqual(told["level"], "error")

    def test_quiet_and_verbose(self):
        line = ("put", self.store, self.file, self.path("out.didx"))
        self.assertIn(b"pxds: note: ", self.pxds(*line).stderr)
        self.assertEqual(self.pxds(*line, "-q").stderr, b"")
        self.assertIn("No such file", self.error("list", self.path("none"), "-q"))
        done = self.pxds(*line, "-v")
        self.assertIn(b"pxds: note: ", done.stderr)
        other = self.path("other")
        self.pxds("init", other)
        for line in (("backup", self.store, "host/x", f"a.fidx={self.file}"), ("gc", self.store), line,
                     ("copy", self.store, line[-1], other)):
            self.assertNotEqual(self.pxds(*line).stdout, b"")
            self.assertEqual(self.pxds(*line, "--quiet").stdout, b"")
        # What would be done is what a dry run is to show.
        for line in (("convert", self.store, "hex4"), ("gc", self.store), ("prune", self.store, "--keep-last", "1"),
                     ("forget", self.store, "host/x")):
            said = self.pxds(*line, "--dry-run").stdout
            self.assertNotEqual(said, b"")
            self.assertEqual(self.pxds(*line, "--dry-run", "--quiet").stdout, said)

    def test_each_command_can_be_quiet_and_verbose(self):
        """Quiet: what it is to show, and no word of what is as it should be. Verbose: what is begun."""
        snapshot, other = self.backup(), self.path("other")
        index, key, archive = self.path("store", "i.didx"), self.path("key"), f"a.fidx={self.file}"
        makers = [("init", other), ("convert", other, "hex4"), ("convert", other, "hex2"),
                  ("backup", self.store, "host/y", archive), ("put", self.store, self.file, index),
                  ("get", self.store, index, self.path("out")), ("copy", self.store, index, other),
                  ("restore", self.store, snapshot, "a.fidx", self.path("out")), ("verify", self.store),
                  ("protect", self.store, "latest"), ("unprotect", self.store, "latest"),
                  ("notes", self.store, snapshot, "--set", "x"), ("owner", self.store, "host/x", "joe@pbs"),
                  ("namespace", "create", self.store, "a"), ("namespace", "remove", self.store, "a"),
                  ("prune", self.store, "--keep-last", "1"), ("forget", self.store, "host/y/latest"),
                  ("forget", self.store, "host/y"), ("gc", self.store), ("report", self.store, "-o", self.path("page"))]
        showers = [("list", self.store), ("files", self.store, snapshot), ("groups", self.store), ("stat", self.store),
                   ("notes", self.store, snapshot), ("owner", self.store, "host/x"), ("index", index),
                   ("manifest", "show", self.store, snapshot), ("chunk", self.file), ("key", "show", key),
                   ("blob", "info", os.path.join(self.store, snapshot, "index.json.blob"))]
        self.pxds("key", "create", key, "--kdf", "none")
        shutil.copytree(self.store, self.path("copy"))
        for quiet in (True, False):
            for line in makers + showers:
                with self.subTest(line=line, quiet=quiet):
                    done = self.pxds(*line, "-q" if quiet else "-v")
                    if quiet:
                        self.assertEqual(done.stderr, b"")
                        self.assertEqual(done.stdout != b"", line in showers)
                    else:
                        self.assertRegex(done.stderr, rb"^pxds: note: ")
                if line[0] == "forget" and "latest" in line[-1]:
                    self.pxds("backup", self.store, "host/y", archive)
            for path in (self.store, other):
                shutil.rmtree(path)
            shutil.copytree(self.path("copy"), self.store)

    def test_quiet_says_what_is_wrong(self):
        for _ in range(2):
            snapshot = self.backup()
        for parent, _, names in os.walk(os.path.join(self.store, ".chunks")):
            for name in names:
                os.unlink(os.path.join(parent, name))
        done = self.pxds("verify", self.store, "-q", code=1)
        self.assertIn(f"\n{snapshot} failed\n".encode(), done.stdout)
        self.assertIn(b"2 of 2 snapshots failed", done.stderr)
        held = os.open(os.path.join(self.store, self.backup()), os.O_RDONLY)
        self.addCleanup(os.close, held)
        self.backup()
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        done = self.pxds("prune", self.store, "--keep-last", "1", "-q", code=4)
        self.assertEqual([line.split()[-1] for line in done.stdout.decode().splitlines()], ["WHY", "(failed)"])

    def test_in_one_file(self):
        """What is said and what is printed stand in the order of things, and lines of JSON stay whole."""
        self.backup()
        for name in ("a", "z"):
            os.makedirs(self.path("store", "host", name))
        for name in ("a", "z"):
            os.symlink("nowhere", self.path("store", "host", name, "2020-01-01T00:00:00Z"))
        for options in ((), ("--json",)):
            done = subprocess.run([TOOL, "prune", self.store, "--keep-last", "1", *options], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
            lines = support.without_notice_of_pbs(done.stdout).decode().splitlines()
            told = ["host/a/" if "host/a/" in line else "host/x/" if "host/x/" in line else "host/z/"
                    for line in lines if "host/" in line]
            self.assertEqual(told, ["host/a/", "host/x/", "host/z/"], lines)
            for line in lines:
                if line.startswith("{"):
                    json.loads(line)

    def test_the_end_of_progress(self):
        other = self.path("other")

        def told(*line, code=0):
            done = self.pxds(*line, "--progress", "json", code=code)
            return [json.loads(each) for each in done.stderr.splitlines() if each.startswith(b"{")]

        self.pxds("init", other)
        for line in (("backup", self.store, "host/x", f"a.didx={self.file}", f"b.fidx={self.file}"),
                     ("gc", self.store), ("verify", self.store), ("put", self.store, self.file, self.path("i.didx")),
                     ("get", self.store, self.path("i.didx"), self.path("out")), ("list", self.store),
                     ("prune", self.store, "--keep-last", "1"), ("convert", self.store, "hex4")):
            with self.subTest(line=line):
                *before, end = told(*line)
                self.assertEqual((end["phase"], end["archive"], end["done"]), ("end", None, end["total"]))
                for each, after in zip(before, before[1:]):
                    if (each["phase"], each["archive"]) != (after["phase"], after["archive"]):
                        self.assertIn(each["total"], (None, each["done"]), "the end of a phase is told")
        self.assertEqual(told("list", self.path("none"), code=1)[-1]["phase"], "failed")

    def test_progress(self):
        self.backup()
        for options, lines in (((), 0), (("--progress", "never"), 0), (("--progress=auto",), 0)):
            self.assertEqual(self.pxds("gc", self.store, *options).stderr, b"")
        self.assertRegex(self.pxds("gc", self.store, "--progress", "always").stderr, rb"\A\r.+\r\x1b\[K\Z")
        told = [json.loads(line) for line in self.pxds("gc", self.store, "--progress", "json").stderr.splitlines()]
        self.assertEqual({each["phase"] for each in told}, {"mark", "sweep", "end"})
        self.assertEqual(set(told[0]), {"phase", "archive", "done", "total", "bytes"})
        done = self.pxds("backup", self.store, "host/x", f"a.fidx={self.file}", "--progress=json")
        told = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertIn(("data", "a.fidx"), {(each["phase"], each["archive"]) for each in told})

    def drawn(self, *options, **env):
        return self.drawn_by("list", self.path("none"), *options, **env)

    def drawn_by(self, *line, **env):
        terminal, slave = os.openpty()
        self.addCleanup(os.close, terminal)
        env = {**os.environ, **env}
        subprocess.run([TOOL, *line], stdout=subprocess.DEVNULL, stderr=slave, check=False, env=env)
        os.close(slave)
        return support.read_terminal(terminal)

    def test_a_log_of_json_has_nothing_else(self):
        for line in (("lst", "--log-json"), ("-q", "list", "--log-json"), ("list", "--nope", "--log-json"),
                     ("list", "--log-json"), ("backup", self.store, "x", "--comment", "-", "--log-json")):
            done = self.pxds(*line, code=2)
            told, = done.stderr.splitlines()
            self.assertEqual(json.loads(told)["level"], "error", line)
        # It is the text of another option, or an operand.
        for line in (("list", "--ns", "--log-json"), ("list", "--nope", "--", "--log-json")):
            self.assertTrue(self.error(*line, code=2).startswith("pxds: "))
        seen = self.drawn_by("backup", self.store, "host/x", f"a.fidx={self.file}", "--log-json", "--progress=always")
        self.assertGreater(len([json.loads(line) for line in seen.splitlines()]), 1)

    def test_colours(self):
        self.assertTrue(self.drawn("--color=auto").startswith(b"\x1b[31mpxds: \x1b[0m"))
        for seen in (self.drawn(), self.drawn("--color=never"), self.drawn("--color=auto", NO_COLOR="1"),
                     self.drawn("--color=auto", "--log-json"),
                     self.error("list", self.path("none"), "--color=auto").encode()):
            self.assertNotIn(b"\x1b", seen)
        self.assertIn(b"\x1b", self.drawn("--color=auto", NO_COLOR=""))
        done = subprocess.run([TOOL, "list", self.path("none"), "--color=always"], stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.stderr[:1], b"\x1b")


class Help(StoreCase):
    def commands(self):
        overview = self.pxds("help").stdout.decode().partition("environment:")[0]
        return re.findall(r"^  (\S+) ", overview, re.MULTILINE)

    def test_every_command_says_how_it_ends(self):
        for command in self.commands():
            text = self.pxds(command, "--help").stdout.decode()
            statuses = re.findall(r"^  (\d)  ", text.partition("\nexit status:\n")[2], re.MULTILINE)
            self.assertEqual(statuses[:3], ["0", "1", "2"], command)
            for status in re.findall(r"[Ee]xit status (\d)", text):
                self.assertIn(status, statuses, command)

    def test_overview(self):
        text = self.pxds("--help").stdout.decode()
        self.assertRegex(text, r"\n  namespace .*: ns\n")
        self.assertIn("\nOptions go behind the command", text)
        self.assertEqual(re.findall(r"^  (\d)  ", text.partition("\nexit status:\n")[2], re.MULTILINE), [*"012345"])

    def test_short_options(self):
        """Several letters in one word, the value of the last behind it or in the next word."""
        for i, line in enumerate((("-qo{}",), ("-o{}", "-q"), ("-qvo", "{}"), ("-vq", "-o", "{}"))):
            out = self.path(str(i))
            done = self.pxds("report", self.store, *(word.format(out) for word in line))
            self.assertEqual((done.stdout, done.stderr, os.path.exists(out)), (b"", b"", True), line)
        for line, message in ((("-qx",), "unknown option '-qx'"), (("-qo",), "--output needs a value"),
                              (("-quiet",), "did you mean '--quiet'?")):
            self.assertIn(message, self.error("report", self.store, *line, code=2))

    def test_what_the_arguments_alone_forbid(self):
        file, backup = self.file, ("backup", self.store, "host/x")
        for line in ((*backup, f"a.img={file}"), (*backup, f"a.didx={file}", f"a.didx={file}"),
                     (*backup, "a.didx=fd:0", "b.didx=-"), (*backup, f"index.json.blob={file}"),
                     ("backup", self.store, "foo/x", f"a.didx={file}"),
                     ("backup", self.store, "host", f"a.didx={file}"),
                     (*backup, f"a.didx={file}", "--threads", "1025"), (*backup, f"a.didx={file}", "--chunk-size", "5"),
                     (*backup, f"a.fidx={file}", "--chunk-size", "1M"),
                     ("put", self.store, file, self.path("a.didx"), "--avg", "5"), ("chunk", file, "--avg", "5"),
                     ("gc", self.store, "--cutoff", "3d"), ("gc", self.store, "--cutoff", "0"),
                     ("restore", self.store, "host/x/latest", "a.img", "-"), ("list", "--store", "")):
            self.error(*line, code=2)

    def test_what_was_meant(self):
        for line, meant in ((("lst",), "'list'"), (("bakcup", "a"), "'backup'"), (("conv",), "'convert'"),
                            (("help", "verfy"), "'verify'"), (("list", self.store, "--jsno"), "'--json'"),
                            (("restore", "--ofset=7"), "'--offset'"), (("gc", "-dry-run"), "'--dry-run'"),
                            (("rm", "x"), "'forget'"), (("remove",), "'forget'"), (("ls",), "'list'"),
                            (("check",), "'verify'"), (("create", "x"), "'init' or 'backup'"),
                            (("ns", "ls"), "'list'"), (("ns", "rm", self.store, "a"), "'remove'"),
                            (("namespace", "creat", self.store, "a"), "'create'"),
                            (("key", "passwd", "key"), "'change-password'"), (("manifest", "shw"), "'show'"),
                            (("blob", "enc", "-"), "'encode'")):
            self.assertIn(f"did you mean {meant}?", self.error(*line, code=2))
        self.assertIn("'zebra' is not create, remove or list\n", self.error("ns", "zebra", code=2))
        self.assertIn("there are --keep-last,", self.error("prune", self.store, "--keep=3", code=2))
        for line in (("zebra",), ("x",), ("nope",), ("key", "zebra", "key"), ("list", "--zebra"), ("list", "-x"),
                     ("list", "--" + "j" * 1000)):
            self.assertNotIn("did you mean", self.error(*line, code=2))


class Defaults(StoreCase):
    """What the environment says, and what is said in its place."""

    def pxds(self, *args, env=None, **options):
        return super().pxds(*args, env={**os.environ, **(env or {})}, **options)

    def test_store(self):
        here, elsewhere = {"PXDS_STORE": self.store}, {"PXDS_STORE": self.path("none")}
        archive = f"a.fidx={self.file}"
        snapshot = self.pxds("backup", "host/y", archive, "b.blob=/dev/null", env=here).stdout.split()[0].decode()
        for line in (("list",), ("files", snapshot), ("notes", snapshot, "--set", "x"), ("verify",), ("gc",),
                     ("restore", snapshot, "a.fidx", self.path("out")), ("namespace", "list"),
                     ("prune", "host/y", "--keep-last", "1"), ("put", self.file, self.path("out.didx"))):
            with self.subTest(line=line):
                self.pxds(*line, env=here)
                self.error(*line, env=elsewhere)
                # Where GROUP may be left out, it is taken for the store.
                self.error(*line, env={"PXDS_STORE": ""}, code=1 if line[0] == "prune" else 2)
                at = 1 + (line[0] == "namespace")
                self.pxds(*line[:at], "--store", self.store, *line[at:], env=elsewhere)
        self.pxds("verify", snapshot, env=here)
        for line in (("list", self.store), ("files", self.store, snapshot), ("verify", self.store, snapshot),
                     ("backup", self.store, "host/z", archive)):
            self.pxds(*line, env=elsewhere)
            self.assertEqual(self.error(*line, "--store", self.store, code=2).count("\n"), 2)
        self.pxds("init", env={"PXDS_STORE": self.path("new")})
        self.assertIn("--store", self.error("key", "show", "x", "--store", self.store, code=2))

    def test_store_or_another_operand(self):
        """Where the last operand may be left out too, a store is the STORE."""
        here, elsewhere = {"PXDS_STORE": self.store}, {"PXDS_STORE": self.path("none")}
        index, other = self.path("i.didx"), self.path("other")
        self.pxds("backup", self.store, "host/y", f"a.fidx={self.file}")
        self.pxds("put", self.store, self.file, index)
        self.pxds("init", other)
        for line in (("verify", self.store), ("prune", self.store, "--keep-last", "1"), ("groups", self.store),
                     ("owner", self.store, "host/y"), ("namespace", "list", self.store),
                     ("copy", self.store, index, other)):
            with self.subTest(line=line):
                self.pxds(*line, env=elsewhere)
        # That "other" is a store in this directory does not matter where a namespace is needed.
        for line in (("verify", "host/y"), ("prune", "host/y", "--keep-last", "1"), ("groups", "host/*"),
                     ("owner", "host/y"), ("owner", "host/y", "joe@pbs"), ("namespace", "create", "other"),
                     ("namespace", "remove", "other"), ("namespace", "create", "a"), ("namespace", "list", "a"),
                     ("copy", index, other), ("copy", index, other, self.path("j.didx"))):
            with self.subTest(line=line):
                self.pxds(*line, env=here, cwd=self.dir)
        for line in (("verify", self.path("none")), ("owner", self.path("none"))):
            self.assertIn(f"STORE was taken from PXDS_STORE, {self.store}", self.error(*line, env=here))
            self.assertNotIn("PXDS_STORE", self.error(*line, "--store", self.store, env=here))

    def test_key_and_password(self):
        key, password = self.path("key"), self.path("password")
        write(password, b"secret\n")
        from_file = {"PXDS_PASSWORD_FILE": password}
        from_command = {"PXDS_PASSWORD_COMMAND": f"cat {password}; yes | head -c 1000000"}
        self.pxds("key", "create", key, env=from_command)
        for env in (from_file, from_command, {**from_file, "PXDS_PASSWORD_COMMAND": "false"}):
            snapshot = self.backup(env={"PXDS_KEY": key, **env})
            self.assertIn(b"valid", self.pxds("manifest", "verify", self.store, snapshot,
                                              env={"PXDS_KEY": key, **env}).stdout)
            self.pxds("forget", self.store, snapshot)
        snapshot = self.backup(env={"PXDS_KEY": key, **from_file})
        restore = ("restore", self.store, snapshot, "a.fidx", "-")
        self.error(*restore)
        out = self.pxds(*restore, "--key", key, "--password-command", f"cat {password}",
                        env={"PXDS_KEY": self.path("none"), "PXDS_PASSWORD_FILE": self.path("none")}).stdout
        self.assertEqual(out, support.read(self.file))
        self.error(*restore, "--key", "", env={"PXDS_KEY": key, **from_file})
        no_key = {"PXDS_KEY": self.path("none")}
        self.pxds("manifest", "show", self.store, snapshot, env=no_key)
        self.pxds("blob", "info", os.path.join(self.store, snapshot, "index.json.blob"), env=no_key)
        self.pxds("forget", self.store, snapshot)
        self.backup("--crypt-mode", "none", env=no_key)
        self.assertIn("exit status 7", self.error(*restore, "--key", key, "--password-command", "exit 7"))
        self.assertIn("exclude", self.error(*restore, "--key", key, "--password-command", "x", "--password-fd", "0",
                                            code=2))


class Feeding(StoreCase):
    """Archives from commands and from descriptors."""

    def feed(self, *command, code=0, name="a.didx", more=(), **keywords):
        return self.pxds("backup", self.store, "host/x", f"{name}=-", *more, "--from-command", "--", *command,
                         code=code, **keywords)

    def snapshots(self):
        return [line.split()[0] for line in self.pxds("list", self.store).stdout.decode().splitlines()[1:]]

    def test_what_a_command_prints(self):
        for name, data in (("a.didx", b"-x; 'y'"), ("a.blob", b"z"), ("a.fidx", b"w" * 5000000)):
            write(self.file, data)
            snapshot = self.feed("cat", self.file, name=name, input=b"not this").stdout.split()[0].decode()
            self.assertEqual(self.pxds("restore", self.store, snapshot, name, "-").stdout, data)
            self.pxds("forget", self.store, snapshot)
        done = self.feed("sh", "-c", "cat; echo x; echo to stderr >&2", input=b"not this")
        self.assertEqual(done.stderr, b"to stderr\n")
        self.assertIn(b"a.didx: 2 bytes", done.stdout)

    def test_a_command_that_fails(self):
        for command, words in ((("sh", "-c", "head -c 5000000 /dev/zero; exit 3"), "sh: ended with exit status 3"),
                               (("sh", "-c", "echo x; kill -9 $$"), "ended by signal 9"), (("true",), "is empty"),
                               (("false",), "ended with exit status 1"), ((self.path("none"),), "No such file"),
                               ((self.dir,), "Permission denied"),
                               (("sh", "-c", "echo x; exec >&-; sleep 1; exit 4"), "exit status 4")):
            with self.subTest(command=command):
                self.assertIn(words, self.feed(*command, code=1).stderr.decode())
                self.assertEqual(self.snapshots(), [])
        # It has printed nothing because it has failed, of which alone there is something to tell.
        self.assertEqual(self.feed("false", code=1).stderr, b"pxds: false: ended with exit status 1\n")
        self.assertIn(b"is empty", self.feed("true", code=1).stderr)
        done = self.feed("sh", "-c", "yes | head -c 100000000", more=("b.didx=fd:99",), code=1)
        self.assertIn(b"fd:99 is not open", done.stderr)
        self.assertEqual(self.pxds("backup", self.store, "host/x", "a.didx=-", "--from-command", code=2).stdout, b"")
        self.error("backup", self.store, "host/x", "a.didx=-", "--from-command", "--", code=2)
        self.error("backup", self.store, "host/x", "a.didx=-", "--from-command", "--", "", code=2)
        self.error("backup", self.store, "host/x", f"a.didx={self.file}", "--from-command", "--", "true", code=2)

    def test_an_end_by_a_signal_leaves_no_child(self):
        for ignores in ("", "trap '' TERM; "):
            script = ignores + 'echo $$ > "$0"; sleep 1000 & echo $! >> "$0"; yes & wait'
            pids = self.path("pids")
            line = [TOOL, "backup", self.store, "host/x", "a.didx=-", "--from-command", "--", "sh", "-c", script, pids]
            with subprocess.Popen(line, start_new_session=True) as running:
                while not os.path.exists(pids) or support.read(pids).count(b"\n") < 2:
                    time.sleep(0.01)
                running.terminate()
                self.assertEqual(running.wait(60), -signal.SIGTERM)
            for pid in support.read(pids).split():
                with self.assertRaises(ProcessLookupError):
                    self.wait_for_end(int(pid))
            os.unlink(pids)
        self.assertEqual(self.snapshots(), [])

    def test_a_kill_leaves_no_child(self):
        pids = self.path("pids")
        script = 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 1000'
        line = [TOOL, "backup", self.store, "host/x", "a.didx=-", "--from-command", "--", "sh", "-c", script, pids]
        with subprocess.Popen(line, start_new_session=True) as running:
            while not os.path.exists(pids):
                time.sleep(0.01)
            running.kill()
        with self.assertRaises(ProcessLookupError):
            self.wait_for_end(int(support.read(pids)))
        self.assertEqual(self.snapshots(), [])

    @staticmethod
    def wait_for_end(pid):
        for _ in range(500):
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                if file.read().split()[2] == "Z":  # its parent, which is nobody's child any more, is slow
                    raise ProcessLookupError
            time.sleep(0.01)

    def test_descriptors(self):
        script = '"$0" backup "$1" host/x a.didx=fd:3 b.blob=fd:9 c.blob=- 3<"$2" 9<<EOF\nnine\nEOF\n'
        done = subprocess.run(["sh", "-c", script, TOOL, self.store, self.file], input=b"null", capture_output=True,
                              check=True)
        snapshot = done.stdout.split()[0].decode()
        for name, data in (("a.didx", support.read(self.file)), ("b.blob", b"nine\n"), ("c.blob", b"null")):
            self.assertEqual(self.pxds("restore", self.store, snapshot, name, "-").stdout, data)
        for archives, code, words in ((("a.blob=fd:3", "b.blob=fd:3"), 2, "only one"),
                                      (("a.blob=fd:0", "b.blob=-"), 2, "only one"),
                                      (("a.blob=fd:77",), 1, "not open"),
                                      (("a.blob=fd:5",), 1, "not open for reading"),
                                      (("a.blob=fd:x",), 1, "fd:x: No such file")):
            line = ["sh", "-c", '"$@" 5>/dev/null', "sh", TOOL, "backup", self.store, "host/x", *archives]
            done = subprocess.run(line, stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, code)
            self.assertIn(words, done.stderr.decode())
        for line in (("restore", self.store, snapshot, "b.blob", "fd:9"), ("report", self.store, "-o", "fd:9"),
                     ("get", self.store, self.path("index.didx"), "fd:9")):
            self.assertIn("/dev/fd/9", self.error(*line, code=2, cwd=self.dir))
        self.assertFalse(os.path.exists(self.path("fd:9")))
        self.pxds("restore", self.store, snapshot, "b.blob", "./fd:9", cwd=self.dir)
        self.assertEqual(support.read(self.path("fd:9")), b"nine\n")


if __name__ == "__main__":
    support.main()
