"""Which snapshots and groups the operands of the tool stand for, and the commands on groups."""

import json
import os
import shutil

import support
from snapshot_case import SnapshotCase
from support import random_data, read, write

TIMES = ("2020-06-26T13:56:05Z", "2020-06-27T13:56:05Z", "2020-07-01T00:00:00Z")


class Scene(SnapshotCase):
    """host/web with three snapshots, vm/100 with one, and in the namespace a/b host/web with one, the newest."""

    def setUp(self):
        super().setUp()
        file = self.file("file", random_data(1000))
        for time in TIMES:
            self.backup("host/web", f"a.blob={file}", "--time", time)
        self.backup("vm/100", f"a.blob={file}", "--time", "2019-01-01T00:00:00Z", "--owner", "joe@pbs")
        self.backup("host/web", f"a.blob={file}", "--time", "2021-01-01T00:00:00Z", "--ns", "a/b")

    def path_of(self, *arguments, code=0):
        """The path of the snapshot that the manifest is shown of."""
        done = self.pxds("manifest", "show", self.store, *arguments, code=code)
        manifest = json.loads(done.stdout)
        time = self.pxds("notes", self.store, *arguments).stdout.decode().strip()
        self.assertEqual(time, "")
        return f"{manifest['backup-type']}/{manifest['backup-id']}", manifest["backup-time"]


class Snapshots(Scene):
    WEB = [("host/web", time) for time in (1593179765, 1593266165, 1593561600)]
    OTHER = ("host/web", 1609459200)

    def test_all_forms(self):
        for operand, expected in {
            f"host/web/{TIMES[1]}": self.WEB[1],
            "host/web/latest": self.WEB[2],
            "host/web/2020-06-26": self.WEB[0],
            "host/web/2020-07": self.WEB[2],
            "host/web/2020-06-27T13:5": self.WEB[1],
            "vm/100/2": ("vm/100", 1546300800),
            "latest": self.OTHER,
            "ns/a/ns/b/host/web/latest": self.OTHER,
            "ns/a/ns/b/host/web/2021": self.OTHER,
            f"{self.store}/host/web/{TIMES[0]}": self.WEB[0],
            f"{self.store}/host/web/{TIMES[0]}//": self.WEB[0],
            f"{self.store}/host/web/latest": self.WEB[2],
            f"{self.store}/ns/a/ns/b/host/web/2021": self.OTHER,
            "2019": ("vm/100", 1546300800),
            TIMES[0]: self.WEB[0],
            "2021-01": self.OTHER,
        }.items():
            with self.subTest(operand=operand):
                self.assertEqual(self.path_of(operand), expected)
        for operand in ("latest", "host/web/latest", "host/web/2021-01-01T00:00:00Z"):
            self.assertEqual(self.path_of(operand, "--ns", "a/b"), self.OTHER)
        self.assertEqual(self.path_of("latest", "--ns", "a"), self.OTHER)
        self.assertEqual(self.path_of("2", "--ns", "a"), self.OTHER)

    def test_paths_in_the_file_system(self):
        os.symlink(self.store, self.path("link"))
        for directory, operand in ((self.store, f"./host/web/{TIMES[0]}"), (self.dir, f"store/host/web/{TIMES[0]}"),
                                   (self.path("store", "host"), f"web/{TIMES[0]}"),
                                   (self.path("store", "host", "web"), TIMES[0]),
                                   (self.dir, f"link/host/web/{TIMES[0]}")):
            with self.subTest(operand=operand):
                done = self.pxds("files", self.store, operand, cwd=directory)
                self.assertIn(b"a.blob", done.stdout)
        # Somewhere else there may be the same.
        shutil.copytree(self.store, self.path("other"))
        self.error("files", self.store, f"{self.path('other')}/host/web/{TIMES[0]}")
        for operand in ("store/host/web/../web/" + TIMES[0], "store"):
            self.error("files", self.path("other"), operand, cwd=self.dir)

    def test_what_is_not_certain(self):
        """Where something could not be seen no other snapshot is taken for the one that was meant."""
        commands = (("files",), ("notes",), ("forget",), ("verify",))

        def assert_refused(operand, words, **options):
            for command in commands:
                self.assertIn(words, self.error(*command, self.store, operand, **options))

        self.pxds("notes", self.store, "host/web/latest", "--set", "x")
        link = os.path.join(self.store, "host", "web", "2022-01-01T00:00:00Z")
        os.symlink("nowhere", link)
        for operand in ("latest", "2021", "host/web/2020-07"):
            assert_refused(operand, f"which snapshot '{operand}' is cannot be told: not all of them could be seen\n")
        assert_refused("host/web/latest", link)
        self.pxds("notes", self.store, "latest", "--ns", "a")
        self.pxds("notes", self.store, "vm/100/latest")
        os.unlink(link)
        self.pxds("notes", self.store, "latest")
        options = self.unprivileged(self.store)
        group = os.path.join(self.store, "ns", "a", "ns", "b", "host")
        os.chmod(group, 0)
        assert_refused("latest", "cannot be told", **options)
        os.chmod(group, 0o755)
        os.chmod(os.path.join(self.store, "host", "web", TIMES[2]), 0)
        assert_refused("host/web/latest", "Permission denied", **options)
        os.chmod(os.path.join(self.store, "host", "web", TIMES[2]), 0o755)
        self.pxds("notes", self.store, "host/web/latest", **options)
        self.assertEqual(len(self.listed()), 5)

    def test_unfinished_ones(self):
        """The latest is finished; by the beginning of its time any can be named."""
        half = os.path.join(self.store, "host", "web", "2022-01-01T00:00:00Z")
        os.mkdir(half)
        self.assertEqual(self.path_of("host/web/latest"), self.WEB[2])
        self.assertEqual(self.path_of("latest"), self.OTHER)
        done = self.pxds("forget", self.store, "host/web/2022")
        self.assertEqual(done.stdout, b"host/web/2022-01-01T00:00:00Z removed\n")
        self.assertFalse(os.path.exists(half))

    def test_none_or_several(self):
        for operand, message in {
            "host/web/2020-06": f"'host/web/2020-06' is ambiguous: host/web/{TIMES[0]}, host/web/{TIMES[1]}\n",
            "host/web/2": f"ambiguous: host/web/{TIMES[0]}, host/web/{TIMES[1]}, host/web/{TIMES[2]}\n",
            "host/web/2023": f"there is no snapshot {self.store}/host/web/2023...\n",
            "2020-06": f"'2020-06' is ambiguous: host/web/{TIMES[0]}, host/web/{TIMES[1]}\n",
            "2": f"ambiguous: host/web/{TIMES[0]}, host/web/{TIMES[1]}, host/web/{TIMES[2]}, "
                 "vm/100/2019-01-01T00:00:00Z, ns/a/ns/b/host/web/2021-01-01T00:00:00Z\n",
            "2023": f"there is no snapshot of a time 2023... in {self.store}\n",
            "host/none/latest": "there is no finished snapshot of host/none\n",
            "host/none/2020": "there is no snapshot",
            "host/web": "'host/web' is a group, and the time is missing: host/web/TIME, or host/web/latest\n",
            "host/web/newest": "is no snapshot",
            "web/latest": "is no group",
        }.items():
            for command in (("files",), ("protect",), ("restore",), ("manifest", "show")):
                more = ("a.blob", "-") if command == ("restore",) else ()
                self.assertIn(message, self.error(*command, self.store, operand, *more), (command, operand))
        for operand in ("ns/a/ns/b/host/web/latest", "host/web/latest/x"):
            self.error("files", self.store, operand, "--ns", "a/b")
        for ns in ("..", "a//b"):
            self.error("files", self.store, "latest", "--ns", ns, code=2)
        self.error("files", self.store, "latest", "--ns", "x")
        for second in range(7):
            self.backup("host/web", f"a.blob={self.path('file')}", "--time", f"2030-01-01T00:00:0{second}Z")
        self.assertIn("04Z and 2 more\n", self.error("files", self.store, "host/web/2030"))

    def test_what_lies_below_a_namespace(self):
        """What only shows or checks looks there, and what removes does not unless it is told to; each help says so."""
        def told(*command):
            return self.pxds(*command).stdout.decode()

        def help_of(command):
            return " ".join(told(command, "--help").split())

        for command in ("list", "groups", "verify"):
            self.assertIn("ns/a/ns/b/host/web", told(command, self.store), command)
            self.assertIn("ns/a/ns/b/host/web", told(command, self.store, "--ns", "a"), command)
            self.assertRegex(help_of(command), "of this (one|namespace) and of all below it")
        self.assertEqual(told("namespace", "list", self.store, "a"), "a/b\n")
        self.assertIn("all the way down", help_of("namespace"))
        prune = ("prune", self.store, "--keep-last", "1", "--dry-run")
        for options in ((), ("--ns", "a")):
            self.assertNotIn("ns/a/ns/b", told(*prune, *options))
            self.assertIn("ns/a/ns/b/host/web", told(*prune, *options, "--recursive"))
        self.assertIn("of those below it only with --recursive", help_of("prune"))
        for command in ("forget", "owner", "prune", "verify"):
            self.assertIn("What only shows or checks always looks below", help_of(command))

    def test_every_command(self):
        self.pxds("restore", self.store, "host/web/2020-07", "a.blob", self.path("out"))
        self.assertEqual(read(self.path("out")), random_data(1000))
        self.pxds("notes", self.store, "latest", "--set", "text")
        self.assertEqual(self.pxds("notes", self.store, "host/web/latest", "--ns", "a/b").stdout, b"text\n")
        self.pxds("protect", self.store, "latest")
        self.assertIn("is protected", self.error("forget", self.store, "latest"))
        self.pxds("unprotect", self.store, "latest")
        done = self.pxds("verify", self.store, "host/web", "--ns", "a/b")
        self.assertEqual(done.stdout, b"ns/a/ns/b/host/web/2021-01-01T00:00:00Z ok\n")
        done = self.pxds("verify", self.store, "vm/100/latest")
        self.assertEqual(done.stdout, b"vm/100/2019-01-01T00:00:00Z ok\n")
        done = self.pxds("forget", self.store, "latest", "--json")
        self.assertEqual(json.loads(done.stdout),
                         {"snapshot": "ns/a/ns/b/host/web/2021-01-01T00:00:00Z", "group": "ns/a/ns/b/host/web",
                          "time": "2021-01-01T00:00:00Z", "time_epoch": 1609459200, "removed": True,
                          "would_remove": False, "dry_run": False})
        self.assertEqual(len(self.listed()), 4)


class Groups(Scene):
    def test_list(self):
        self.pxds("notes", self.store, "vm/100", "--set", "first\nsecond\x1b")
        os.mkdir(os.path.join(self.store, "host", "web", "2022-01-01T00:00:00Z"))
        os.makedirs(os.path.join(self.store, "ct", "empty"))
        done = self.pxds("groups", self.store, env={**os.environ, "TZ": "XYZ-5:30"})
        self.assertEqual(done.stdout.decode().splitlines(), [
            "GROUP               SNAPSHOTS  NEWEST                     OWNER     NOTES",
            "ct/empty                    0  -                          -",
            "host/web                    4  2020-07-01T05:30:00+05:30  root@pam",
            "vm/100                      1  2019-01-01T05:30:00+05:30  joe@pbs   first",
            "ns/a/ns/b/host/web          1  2021-01-01T05:30:00+05:30  root@pam",
        ])
        rows = [json.loads(line) for line in self.pxds("groups", self.store, "--json").stdout.splitlines()]
        self.assertEqual(rows[0], {
            "group": "ct/empty", "namespace": "", "type": "ct", "id": "empty", "owner": None, "snapshots": 0,
            "newest_snapshot": None, "newest_time": None, "newest_time_epoch": None, "notes": None})
        self.assertEqual(rows[2], {
            "group": "vm/100", "namespace": "", "type": "vm", "id": "100", "owner": "joe@pbs", "snapshots": 1,
            "newest_snapshot": "vm/100/2019-01-01T00:00:00Z", "newest_time": "2019-01-01T00:00:00Z",
            "newest_time_epoch": 1546300800, "notes": "first\nsecond\x1b"})

        def groups(*options):
            lines = self.pxds("groups", self.store, *options, "--json").stdout.splitlines()
            return [json.loads(line)["group"] for line in lines]

        self.assertEqual(groups("*/web"), ["host/web", "ns/a/ns/b/host/web"])
        self.assertEqual(groups("vm/100"), ["vm/100"])
        self.assertEqual(groups("--ns", "a"), ["ns/a/ns/b/host/web"])
        self.assertIn("no group of the store fits 'vm/[2-9]*'\n", self.error("groups", self.store, "vm/[2-9]*"))
        self.error("groups", self.store, "--ns", "x")

    def test_what_cannot_be_seen(self):
        os.symlink("nowhere", os.path.join(self.store, "host", "link"))
        os.unlink(os.path.join(self.store, "vm", "100", "owner"))
        os.mkdir(os.path.join(self.store, "vm", "100", "owner"))
        lines = self.pxds("groups", self.store, "--json", code=4).stdout.splitlines()
        self.assertEqual([json.loads(line).get("owner", "end") for line in lines],
                         ["root@pam", None, "root@pam", "end"])
        self.assertEqual(json.loads(lines[-1]), {"complete": False})
        self.assertIn(b"host/link", self.pxds("prune", self.store, "--keep-last", "9", code=4).stderr)

    def test_owner(self):
        def owner(*arguments, code=0):
            return self.pxds("owner", self.store, *arguments, code=code).stdout.decode()

        self.assertEqual(owner("vm/100"), "joe@pbs\n")
        self.assertEqual(owner("vm/100", "amy@pam!token"), "")
        self.assertEqual(owner("vm/100"), "amy@pam!token\n")
        self.assertEqual(json.loads(owner("host/web", "--ns", "a/b", "--json")),
                         {"group": "ns/a/ns/b/host/web", "owner": "root@pam"})
        self.assertEqual(owner("*/web", "amy@pam", "--recursive"), "")
        self.assertEqual(owner("*/*", "--recursive"),
                         "host/web  amy@pam\nvm/100  amy@pam!token\nns/a/ns/b/host/web  amy@pam\n")
        self.assertEqual(owner(f"{self.store}/vm/100"), "amy@pam!token\n")
        message = self.error("owner", self.store, "*/*", "nobody", "--recursive")
        self.assertEqual(message.count("is no owner"), 1)
        for arguments in (("host/none",), ("vm/100", "nobody"), ("vm", "amy@pam"), ("vm/100/latest",)):
            self.error("owner", self.store, *arguments)
        self.assertIn("a group has no time", self.error("owner", self.store, f"host/web/{TIMES[0]}"))
        self.assertEqual(owner("vm/100"), "amy@pam!token\n")

    def test_forget(self):
        self.pxds("protect", self.store, "host/web/2020-07")
        done = self.pxds("forget", self.store, "host/web", code=4)
        self.assertEqual(done.stdout, b"host/web: 2 snapshots removed\n")
        self.assertIn(b"1 protected snapshot stays", done.stderr)
        done = self.pxds("forget", self.store, "host/web", "--json", code=1)
        row = json.loads(done.stdout)
        self.assertIn("1 protected snapshot stays", row.pop("error"))
        self.assertEqual(row, {"group": "host/web", "removed": False, "would_remove": False, "removed_snapshots": 0,
                               "would_remove_snapshots": 0, "protected_snapshots": 1, "dry_run": False})
        done = self.pxds("forget", self.store, "*/*", code=4)
        self.assertEqual(done.stdout, b"vm/100: 1 snapshot removed, and the group\n")
        self.assertEqual(len(self.listed()), 2)
        self.pxds("unprotect", self.store, "host/web/latest")
        done = self.pxds("forget", self.store, "host/web", "--recursive")
        self.assertEqual(done.stdout.splitlines(), [b"host/web: 1 snapshot removed, and the group",
                                                    b"ns/a/ns/b/host/web: 1 snapshot removed, and the group"])
        self.assertEqual(self.listed(), [])
        for operand in ("host/web", "host/*", "ns/a/ns/b/host/web"):
            self.error("forget", self.store, operand)
        self.assertFalse(os.path.exists(os.path.join(self.store, "host", "web")))

    def test_forget_for_show(self):
        before = self.tree_but_chunks()
        dry = ("--dry-run",)
        for operand, said in ((("host/web",), "host/web: 3 snapshots would be removed, and the group\n"),
                              (("vm/100/latest",), "vm/100/2019-01-01T00:00:00Z would be removed\n"),
                              (("host/web/" + TIMES[0],), f"host/web/{TIMES[0]} would be removed\n"),
                              (("*/web", "--recursive"), "host/web: 3 snapshots would be removed, and the group\n"
                               "ns/a/ns/b/host/web: 1 snapshot would be removed, and the group\n")):
            done = self.pxds("forget", self.store, *operand, *dry)
            self.assertEqual((done.stdout.decode(), done.stderr), (said, b""))
            self.assertEqual(self.pxds("forget", self.store, *operand, *dry, "--quiet").stdout.decode(), said)
        row = json.loads(self.pxds("forget", self.store, "vm/100", *dry, "--json").stdout)
        self.assertEqual(row, {"group": "vm/100", "removed": False, "would_remove": True, "removed_snapshots": 0,
                               "would_remove_snapshots": 1, "protected_snapshots": 0, "dry_run": True, "error": None})
        row = json.loads(self.pxds("forget", self.store, "vm/100/latest", *dry, "--json").stdout)
        self.assertEqual((row["removed"], row["would_remove"], row["dry_run"]), (False, True, True))
        self.assertEqual(self.tree_but_chunks(), before)
        self.pxds("protect", self.store, "host/web/latest")
        self.assertIn("1 protected snapshot stays", self.error("forget", self.store, "host/web", *dry, code=4))
        self.assertIn("is protected", self.error("forget", self.store, "host/web/latest", *dry))
        self.error("forget", self.store, "host/none", *dry)
        self.assertEqual(len(self.listed()), 5)

    def test_what_goes_with_a_group(self):
        """It is told of once, and not as something that stays."""
        group = os.path.join(self.store, "vm", "100")
        os.makedirs(os.path.join(group, "stray", "below"))
        os.symlink("nowhere", os.path.join(group, "2022-01-01T00:00:00Z"))
        for name in ("notes", "notes.tmp_AbC-_9", "README.txt"):
            write(os.path.join(group, name), b"x")
        told = "".join(f"pxds: warning: {group}/{name} is no snapshot: it goes with the group\n"
                       for name in ("2022-01-01T00:00:00Z", "README.txt", "stray"))
        for more in (("--dry-run",), ()):
            done = self.pxds("forget", self.store, "vm/100", *more)
            self.assertEqual("".join(sorted(done.stderr.decode().splitlines(True))), told)
        self.assertFalse(os.path.exists(group))

    def test_notices_come_once(self):
        os.makedirs(os.path.join(self.store, "host", "web", "stray"))
        for command in (("list",), ("groups",), ("verify",), ("prune", "--keep-last", "9"), ("stat",), ("gc",),
                        ("report", "-o", self.path("page"))):
            done = self.pxds(command[0], self.store, *command[1:])
            self.assertLessEqual(done.stderr.count(b"/stray is skipped"), 1, command)
            self.assertEqual(len(set(done.stderr.splitlines())), len(done.stderr.splitlines()))

    def test_a_group_that_cannot_be_seen_is_told_of_once(self):
        options = self.unprivileged(self.store)
        group = os.path.join(self.store, "vm", "100")
        os.chmod(group, 0)
        for command in (("list",), ("groups",), ("verify",), ("stat",), ("report", "-o", self.path("page"))):
            if command[0] == "report":
                os.chmod(self.dir, 0o777)
            done = self.pxds(command[0], self.store, *command[1:], code=4, **options)
            self.assertEqual(done.stderr.count(b"Permission denied"), 1, (command, done.stderr))
        os.chmod(group, 0o755)

    def test_what_is_wrong_with_a_name(self):
        """What was typed is named, and not a part of it alone."""
        for line, words in {
            ("prune", "host/web/latest"): "'host/web/latest' stands for a snapshot, and a group has no time",
            ("prune", "2020"): "'2020' stands for a snapshot",
            ("prune", "host/web/x"): "pxds: host/web/x: ",
            ("files", "host/web/x"): "pxds: host/web/x: ",
            ("files", "web/latest"): "pxds: web/latest: ",
            ("files", "/host/web/latest"): f"/host/web/latest leads to no snapshot or group below {self.store}\n",
            ("files", f"/other/host/web/{TIMES[0]}"): f"leads to no snapshot or group below {self.store}\n",
            ("forget", "/host/web"): f"/host/web leads to no snapshot or group below {self.store}\n",
            ("prune", "/host/web"): f"/host/web leads to no snapshot or group below {self.store}\n",
        }.items():
            self.assertIn(words, self.error(line[0], self.store, line[1]), line)
        self.assertIn("--ns: 'a//b' is not a namespace", self.error("list", self.store, "--ns", "a//b", code=2))

    def test_slashes_of_completed_paths(self):
        self.assertEqual(self.pxds("owner", self.store, "vm/100/").stdout, b"joe@pbs\n")
        self.pxds("files", self.store, f"host/web/{TIMES[0]}/")
        self.pxds("files", self.store, "host/web/latest/", "--ns", "a/b")
        self.pxds("forget", self.store, "vm/100/")
        self.assertFalse(os.path.exists(os.path.join(self.store, "vm", "100")))

    def test_ns(self):
        self.assertEqual(self.pxds("ns", "list", self.store).stdout, b"a\na/b\n")
        self.pxds("ns", "create", self.store, "c")
        self.pxds("ns", "remove", self.store, "c")
        self.assertEqual(self.pxds("ns", "--help").stdout, self.pxds("namespace", "--help").stdout)


if __name__ == "__main__":
    support.main()
