"""What the tool shows of snapshots, those that PBS has made among them, and how."""

import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
import zoneinfo

import support
from snapshot_case import EPOCH, TIME, SnapshotCase
from support import ROOT, TOOL, TestCase, random_data, read, write

VECTORS = os.path.join(ROOT, "tests", "vectors", "store")


class MadeByPbs(TestCase):
    in_memory = True

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        with tarfile.open(os.path.join(VECTORS, "store.tar.gz")) as archive:
            archive.extractall(self.store, filter="data")
        self.facts = json.loads(read(os.path.join(VECTORS, "store.json")))

    def snapshots(self):
        for namespace in self.facts["listing"]["namespaces"]:
            for group in namespace["groups"]:
                for snapshot in group["snapshots"]:
                    yield namespace["ns"], group, snapshot

    def wanted(self, ns, group, snapshot):
        kind, name = group["group"].split("/")
        manifest = snapshot["manifest"] or {"files": [], "unprotected": {}}
        modes = {file["crypt-mode"] for file in manifest["files"]}
        verified = manifest["unprotected"].get("verify_state")
        return {
            "snapshot": snapshot["path"], "group": snapshot["path"].rpartition("/")[0],
            "time": snapshot["backup-time-string"], "time_epoch": snapshot["backup-time"],
            "namespace": ns, "type": kind, "id": name,
            "finished": snapshot["finished"], "protected": snapshot["protected"], "owner": group["owner"],
            "notes": manifest["unprotected"].get("notes"), "verify_state": verified and verified["state"],
            "verify_time": verified and "2020-06-26T13:52:37Z",
            "verify_time_epoch": verified and int(verified["upid"].split(":")[5], 16),
            "crypt_mode": modes.pop() if modes else None, "size": sum(file["size"] for file in manifest["files"]),
            "files": [{"archive": file["filename"], "size": file["size"], "crypt_mode": file["crypt-mode"],
                       "csum": file["csum"]} for file in manifest["files"]],
            "error": None,
        }

    def assert_list(self, wanted, *options, code=0):
        done = self.pxds("list", self.store, "--json", *options, code=code)
        lines = done.stdout.decode().splitlines()
        want = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in wanted]
        self.assertEqual(lines, want)
        return done

    def test_list(self):
        done = self.assert_list([self.wanted(*each) for each in self.snapshots()])
        self.assertIn(b"not-a-time is skipped", done.stderr)
        below = [self.wanted(*each) for each in self.snapshots() if each[0].startswith("a")]
        self.assertEqual(len(below), 2)
        self.assert_list(below, "--ns", "a")
        self.assert_list(below, "--ns", "a/b")
        self.assert_list([], "--ns", "emptyns")

    def test_table(self):
        text = self.pxds("list", self.store, env={**os.environ, "TZ": "UTC"}).stdout.decode()
        paths = [snapshot["path"] for _, _, snapshot in self.snapshots()]
        self.assertEqual([line.split()[0] for line in text.splitlines()[1:]], paths)
        self.assertRegex(text, rf"(?m)^host/elsa/{TIME} +2 +483 KiB +protected +ok +2020-06-26T13:52:37Z +none "
                               r"+\S+@\S+ +erste Zeile ü$")
        self.assertRegex(text, r"(?m)^host/elsa/2020-06-28T15:56:05Z +0 +0 B +unfinished +- +- +\S+@\S+$")
        self.assertRegex(text, r"(?m)^ct/200/2020-06-26T13:56:13Z .* - +sign-only +\S+@\S+$")

    def test_bare_directory(self):
        shutil.rmtree(os.path.join(self.store, ".chunks"))
        done = self.assert_list([*(self.wanted(*each) for each in self.snapshots()), {"complete": False}], code=4)
        told = b"warning: %s has no .chunks: it is no store, or its disk is not mounted\n" % self.store.encode()
        self.assertEqual(done.stderr.count(told), 1)
        snapshot = f"host/elsa/{TIME}"
        for args in (["groups"], ["files", snapshot], ["diff", snapshot, snapshot], ["manifest", "show", snapshot],
                     ["notes", snapshot], ["owner", "host/elsa"], ["namespace", "list"], ["stat"],
                     ["report", "--fast", "--json"], ["restore", snapshot, "etc.conf.blob", self.path("out")]):
            place = 2 if args[0] in ("manifest", "namespace") else 1
            done = self.pxds(*args[:place], self.store, *args[place:], code=4)
            self.assertEqual((bool(done.stdout), done.stderr.count(told)), (args[0] != "restore", 1), args)
        self.error("restore", self.store, snapshot, "root.pxar.didx", self.path("out"))

    def test_bare_directory_is_not_changed(self):
        """Whatever it is: something else that looks so, or the place of a disk that is not mounted."""
        shutil.rmtree(os.path.join(self.store, ".chunks"))
        for name in ("vm/7/disk.raw", "host/elsa/more"):
            os.makedirs(os.path.dirname(os.path.join(self.store, name)), exist_ok=True)
            write(os.path.join(self.store, name), b"precious")
        before = sorted(os.walk(self.store))
        snapshot = f"host/elsa/{TIME}"
        for args in (["forget", "vm/7"], ["forget", "host/elsa"], ["forget", "host/elsa", "--dry-run"],
                     ["forget", snapshot], ["prune", "--keep-last=1"], ["protect", snapshot], ["unprotect", snapshot],
                     ["notes", snapshot, "--set", "x"], ["notes", "host/elsa", "--set", ""],
                     ["owner", "host/elsa", "a@pam"], ["namespace", "create", "x/y"],
                     ["namespace", "remove", "emptyns"], ["backup", "host/elsa", "a.blob=/dev/null"], ["verify"],
                     ["gc"]):
            place = 2 if args[0] == "namespace" else 1
            message = self.error(*args[:place], self.store, *args[place:])
            self.assertEqual(message, f"pxds: {self.store} is no chunk store: it has no .chunks\n", args)
        self.assertEqual(sorted(os.walk(self.store)), before)

    def test_empty_directory(self):
        os.mkdir(self.path("empty"))
        for command in ("list", "groups", "stat"):
            done = self.pxds(command, self.path("empty"), "--json", code=4)
            self.assertTrue(done.stdout.endswith(b'{"complete":false}\n'), done.stdout)
            self.assertIn(b"its disk is not mounted", done.stderr)

    def test_files(self):
        for _, _, snapshot in self.snapshots():
            listing = {file["filename"]: file
                       for file in (snapshot["manifest"] or {"files": []})["files"]}
            lines = self.pxds("files", self.store, snapshot["path"], "--json").stdout.decode()
            found = [json.loads(line) for line in lines.splitlines()]
            self.assertEqual([file["archive"] for file in found], snapshot["files"])
            for file in found:
                want = listing.get(file["archive"])
                self.assertEqual((file["listed"], file["missing"]), (want is not None, False))
                self.assertEqual((file["crypt_mode"], file["csum"]), want and (want["crypt-mode"], want["csum"])
                                 or (None, None))
                path = os.path.join(self.store, snapshot["path"], file["archive"])
                self.assertEqual(file["size"], want["size"] if want else os.path.getsize(path))
            table = self.pxds("files", self.store, snapshot["path"]).stdout.decode().splitlines()
            self.assertEqual([line.split()[3] for line in table], snapshot["files"])
        table = self.pxds("files", self.store, "host/elsa/2020-06-27T14:56:05Z").stdout.decode()
        self.assertRegex(table, r"(?m)^ +21 B  - +client\.log\.blob  \(not listed\)$")
        self.assertRegex(table, r"(?m)^ +484 KiB  none +root\.pxar\.didx$")
        self.assertRegex(table, r"(?m)^ +373 B  - +index\.json\.blob  \(the manifest\)$")

    def test_restore(self):
        notes = set()
        for path, facts in self.facts["contents"].items():
            if facts["encrypted"]:
                continue
            snapshot, name = path.rsplit("/", 1)
            out = self.path("out")
            done = self.pxds("restore", self.store, snapshot, name, out)
            data = read(out)
            self.assertEqual(hashlib.sha256(data).hexdigest(), facts["sha256"], path)
            notes |= {line.split(": ")[-1] for line in done.stderr.decode().splitlines()}
            size = len(data)
            for offset, length in ((0, 1), (1, size), (size // 2, 3), (size - 1, 1), (3, 0),
                                   (size, 0), (size // 3, size // 3)):
                options = ["--offset", str(offset), "--length", str(length)]
                done = self.pxds("restore", self.store, snapshot, name, "-", *options)
                self.assertTrue(done.stdout == data[offset:offset + length], (path, options))
                self.pxds("restore", self.store, snapshot, name, out, *options)
                self.assertTrue(read(out) == data[offset:offset + length], (path, options))
            done = self.pxds("restore", self.store, snapshot, name, "-", f"--offset={size - 2}")
            self.assertEqual(done.stdout, data[-2:])
            message = self.error("restore", self.store, snapshot, name, out, "--offset", str(size))
            self.assertIn("beyond the end", message)
        self.assertEqual(len(notes), 3, notes)  # not listed, unfinished, signed
        self.assert_no_leftovers(self.dir)

    def test_notes_on_what_nothing_vouches_for(self):
        for snapshot, name, why in (
            ("host/elsa/2020-06-27T14:56:05Z", "client.log.blob", b"does not list it"),
            ("host/elsa/2020-06-28T15:56:05Z", "etc.conf.blob", b"is not finished"),
            ("host/elsa/2020-06-28T15:56:05Z", "root.pxar.didx", b"is not finished"),
            ("ct/200/2020-06-26T13:56:13Z", "root.pxar.didx", b"signature was not checked"),
        ):
            done = self.pxds("restore", self.store, snapshot, name, self.path("out"))
            self.assertIn(why, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), 1)
        done = self.pxds("restore", self.store, f"host/elsa/{TIME}", "etc.conf.blob", "-")
        self.assertEqual(done.stderr, b"")

    def test_encrypted(self):
        paths = [path for path, facts in self.facts["contents"].items() if facts["encrypted"]]
        self.assertEqual(len(paths), 3)
        for path in paths:
            for options in ([], ["--skip-bad"], ["--offset", "1", "--length", "1"], ["--sparse"]):
                snapshot, name = path.rsplit("/", 1)
                message = self.error("restore", self.store, snapshot, name, self.path("out"),
                                     *options)
                self.assertIn("is encrypted and no key is given", message)
                self.assertFalse(os.path.exists(self.path("out")))
                done = self.pxds("restore", self.store, snapshot, name, "-", *options, code=1)
                self.assertEqual(done.stdout, b"")

    def test_manifest_as_a_blob(self):
        text = self.pxds("restore", self.store, f"host/elsa/{TIME}", "index.json.blob", "-").stdout
        self.assertEqual(json.loads(text)["backup-id"], "elsa")

    def test_going_on(self):
        """A group of PBS's gets another snapshot, and its old chunks are used again."""
        for first in range(65536):
            os.makedirs(os.path.join(self.store, ".chunks", f"{first:04x}"), exist_ok=True)
        old = f"vm/100/{TIME[:8]}27T13:56:10Z"
        image = self.pxds("restore", self.store, old, "drive-scsi0.img.fidx", "-").stdout
        write(self.path("image"), image)
        self.pxds("backup", self.store, "vm/100", f"drive-scsi0.img.fidx={self.path('image')}")
        self.assertIn("belongs to", self.error("backup", self.store, "vm/100", "--owner", "x@pam",
                                               f"a.blob={self.path('image')}"))
        lines = self.pxds("list", self.store, "--json").stdout.decode().splitlines()
        found = [each for each in map(json.loads, lines) if each["id"] == "100"]
        self.assertEqual([each["owner"] for each in found], ["backup@pbs!token1"] * 3)
        done = self.pxds("restore", self.store, f"vm/100/{found[-1]['time']}",
                         "drive-scsi0.img.fidx", "-")
        self.assertTrue(done.stdout == image)


class Lists(SnapshotCase):
    def empty_snapshot(self, path):
        os.makedirs(os.path.join(self.store, path))
        return path

    def test_order(self):
        groups = ["ct/2", "ct/10", "ct/010a", "ct/b", "host/1", "host/A", "vm/1"]
        wanted = [f"{ns}{group}/{time}" for ns in ("", "ns/a/", "ns/a/ns/b/", "ns/b/")
                  for group in groups for time in (TIME, "2021-06-26T13:56:05Z")]
        for path in sorted(wanted, reverse=True):
            self.empty_snapshot(path)
        for each, path in zip(self.listed(), wanted, strict=True):
            self.assertEqual(each["snapshot"], path)
            self.assertEqual("".join(f"ns/{part}/" for part in each["namespace"].split("/") if part)
                             + "/".join((each["type"], each["id"], each["time"])), path)
        table = self.pxds("list", self.store).stdout.decode().splitlines()[1:]
        self.assertEqual([line.split()[0] for line in table], wanted)

    def test_sort(self):
        times = {"host/b": 2, "ns/n/host/a": 1, "host/a": 2, "vm/1": 3}
        for group, year in times.items():
            self.empty_snapshot(f"{group}/202{year}-06-26T13:56:05Z")
        by_age = ["vm/1", "host/a", "host/b", "ns/n/host/a"]
        for options, wanted in (((), ["host/a", "host/b", "vm/1", "ns/n/host/a"]), (("--sort", "newest"), by_age),
                                (("--sort=oldest",), by_age[::-1])):
            self.assertEqual([each["group"] for each in self.listed(*options)], wanted)
            rows = self.pxds("list", self.store, *options).stdout.decode().splitlines()[1:]
            self.assertEqual([row.rpartition("/")[0] for row in rows], wanted)
        self.assertIn("name|newest|oldest", self.error("list", self.store, "--sort", "size", code=2))

    def test_how_they_were_verified(self):
        good = self.backup("host/x", f"a.didx={self.file('f', b'one')}", "--time", str(EPOCH))
        bad = self.backup("host/x", f"a.didx={self.file('g', random_data(5000))}", "--time", str(EPOCH + 1))
        chunk = max((os.path.join(parent, name) for parent, _, names in os.walk(os.path.join(self.store, ".chunks"))
                     for name in names), key=os.path.getsize)
        write(chunk, read(chunk)[:-1] + b"!")
        start = int(time.time())
        self.pxds("verify", self.store, code=1)
        new = self.backup("host/x", f"a.didx={self.file('h', b'three')}", "--time", str(EPOCH + 2))
        rows = {each["snapshot"]: each for each in self.listed()}
        self.assertEqual([rows[path]["verify_state"] for path in (good, bad, new)], ["ok", "failed", None])
        for path in (good, bad):
            self.assertTrue(start <= rows[path]["verify_time_epoch"] <= time.time(), rows[path])
        for zone in ("UTC", "Asia/Tokyo", "America/St_Johns"):
            table = self.pxds("list", self.store, env={**os.environ, "TZ": zone}).stdout.decode()
            at = datetime.datetime.fromtimestamp(rows[good]["verify_time_epoch"], zoneinfo.ZoneInfo(zone))
            shown = at.isoformat().replace("+00:00", "Z")
            self.assertRegex(table, rf"(?m)^{good} .* ok +{re.escape(shown)} ")
            self.assertRegex(table, rf"(?m)^{bad} .* failed +{at:%Y-%m-%d}T")
            self.assertRegex(table, rf"(?m)^{new} .* -  +none ")

    def test_columns(self):
        """They stay below their names, whatever the names are."""
        for i, owner in enumerate(("root@pam", "ü" * 20 + "@pbs!token", "a\u202eb@pbs")):
            group = f"host/{'x' * 10 ** i}"
            self.backup(group, f"a.blob={self.file('f', b'x' * 10 ** i)}", "--comment", f"c{i}\nmore")
            write(os.path.join(self.store, group, "owner"), owner.encode())
        head, *rows = self.pxds("list", self.store).stdout.decode().splitlines()
        self.assertEqual(len(rows), 3)
        for i, row in enumerate(rows):
            self.assertEqual(row.rindex("  ") + 2, head.index("COMMENT"), row)
            self.assertEqual(row[head.index("COMMENT"):], f"c{i}")
            self.assertNotEqual(row[head.index("OWNER")], " ")
            self.assertEqual(row[head.index("OWNER") - 2:head.index("OWNER")], "  ")
        self.assertIn("a\\u{202e}b@pbs ", rows[2])
        self.pxds("notes", self.store, "host/x", "--set", "first")
        self.pxds("notes", self.store, f"host/{'x' * 100}", "--set", "last")
        head, first, second, last = self.pxds("groups", self.store).stdout.decode().splitlines()
        self.assertEqual([row[head.index("NOTES"):] for row in (first, second, last)], ["first", "", "last"])
        self.assertEqual(second, second.rstrip())

    def test_unfinished(self):
        self.empty_snapshot(f"host/x/{TIME}")
        self.assertEqual(self.listed(), [{
            "snapshot": f"host/x/{TIME}", "group": "host/x", "time": TIME, "time_epoch": EPOCH,
            "namespace": "", "type": "host", "id": "x", "finished": False, "protected": False, "owner": None,
            "notes": None, "verify_state": None, "verify_time": None, "verify_time_epoch": None, "crypt_mode": None,
            "size": 0, "files": [], "error": None,
        }])

    def test_unreadable_manifest(self):
        path = os.path.join(self.store, self.empty_snapshot(f"host/x/{TIME}"), "index.json.blob")
        blob = self.pxds("blob", "encode", "-", input=b'{"files": "\\n"}').stdout
        for data in (b"", b"no blob at all", blob[:-1] + b"!", blob):
            write(path, data)
            done = self.pxds("list", self.store, "--json", code=4)
            listed, end = map(json.loads, done.stdout.splitlines())
            self.assertEqual(end, {"complete": False})
            self.assertEqual((listed["files"], listed["size"]), (None, None))
            self.assertIn("index.json.blob", listed["error"])
            done = self.pxds("list", self.store, code=4)
            self.assertIn(b" unreadable ", done.stdout)
            self.assertIn(b"index.json.blob", done.stderr)
            write(os.path.join(os.path.dirname(path), "a.blob"), data)
            done = self.pxds("files", self.store, f"host/x/{TIME}", code=4)
            self.assertRegex(done.stdout, rb"(?m) a\.blob  \(manifest unreadable\)$")
            done = self.pxds("files", self.store, f"host/x/{TIME}", "--json", code=4)
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual(rows.pop(), {"complete": False})
            self.assertEqual([row["listed"] for row in rows], [None, None])
            os.unlink(os.path.join(os.path.dirname(path), "a.blob"))

    def test_whatever_a_manifest_says(self):
        names = ["a\"b\\.didx", "../../etc/passwd", "\x1b[31mred\x7f\u0085", "\n", "ü𝄞", ""]
        notes = "\x00\x1f\u2028 end"
        self.manifest(f"host/x/{TIME}", json.dumps({
            "backup-type": "host", "backup-id": "x", "backup-time": EPOCH,
            "files": [{"filename": name, "size": 2**64 - 1, "csum": "5a" * 32,
                       "crypt-mode": "none"} for name in names],
            "unprotected": {"notes": notes}, "signature": None,
        }))
        done = self.pxds("list", self.store, "--json")
        self.assertEqual(done.stdout.count(b"\n"), 1)
        listed = json.loads(done.stdout.decode())
        self.assertEqual([file["archive"] for file in listed["files"]], names)
        self.assertEqual(listed["notes"], notes)
        self.assertEqual(listed["files"][0]["size"], 2**64 - 1)
        for arguments in (["list", self.store], ["files", self.store, f"host/x/{TIME}"]):
            text = self.pxds(*arguments).stdout.decode()
            self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        lines = self.pxds("files", self.store, f"host/x/{TIME}", "--json").stdout.decode()
        found = [json.loads(line) for line in lines.split("\n") if line]
        self.assertEqual([file["archive"] for file in found if file["missing"]], names)

    def test_nul_in_a_file_name(self):
        self.manifest(f"host/x/{TIME}", json.dumps({
            "backup-type": "host", "backup-id": "x", "backup-time": EPOCH,
            "files": [{"filename": "a\x00b", "size": 1, "csum": "5a" * 32}],
        }))
        done = self.pxds("list", self.store, "--json", code=4)
        listed = json.loads(done.stdout.splitlines()[0])
        self.assertIsNone(listed["files"])
        self.assertIn("NUL", listed["error"])

    def test_odd_owners(self):
        self.backup("host/x", f"a.blob={self.file('f', b'f')}")
        owner = os.path.join(self.store, "host", "x", "owner")
        os.unlink(owner)
        self.assertIsNone(self.listed()[0]["owner"])
        write(owner, b"\xff\n")
        done = self.pxds("list", self.store, "--json", code=4)
        listed, end = map(json.loads, done.stdout.splitlines())
        self.assertIsNone(listed["owner"])
        self.assertEqual(end, {"complete": False})
        self.assertIn(b"owner", done.stderr)

    def test_nothing(self):
        for options in ([], ["--json"]):
            done = self.pxds("list", self.store, *options)
            self.assertEqual((done.stdout, done.stderr), (b"", b""))
        done = self.pxds("list", self.path("missing"), "--json", code=1)
        self.assertEqual(done.stdout, b'{"complete":false}\n')
        self.error("list", self.path("missing"))
        self.error("list", self.store, "--ns", "missing")
        self.error("list", self.store, "--ns", "..", code=2)
        self.error("files", self.store, f"host/x/{TIME}")
        self.error("files", self.store, "host/x")

    def test_full_output(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        self.backup("host/x", f"a.blob={self.file('f', b'f')}")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TOOL, "list", self.store, "--json"], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


class Terminal(SnapshotCase):
    """What comes out of a store, and names of files, does not tell a terminal what to do."""

    BAD = b"\x1b]0;title\x07\x7f\r\xc2\x9b2J \xe2\x80\xae \xe2\x80\xa8 \xff"
    SHOWN = r"\x1b]0;title\x07\x7f\x0d\u{9b}2J \u{202e} \u{2028} \xff".encode()

    def assert_harmless(self, *args, codes=(0, 1, 2, 4)):
        done = subprocess.run([TOOL, *args], capture_output=True, timeout=300, check=False)
        self.assertIn(done.returncode, codes, done.stderr)
        for output in (done.stdout, done.stderr):
            self.assertNotRegex(output.decode(),
                                "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", args)
        return done.stdout + support.without_notice_of_pbs(done.stderr)

    def test_notes(self):
        text = self.BAD[:-1].decode() + "\n\tsecond line"
        snapshot = self.backup("host/x", f"a.didx={self.file('f', b'f')}", "--comment", text)
        self.pxds("notes", self.store, "host/x", "--set", text)
        for name in (snapshot, "host/x"):
            shown = self.assert_harmless("notes", self.store, name, codes=(0,))
            self.assertEqual(shown, self.SHOWN[:-4] + b"\n\tsecond line\n")
        self.assertIn(self.SHOWN[:-4], self.assert_harmless("list", self.store, codes=(0,)))
        listed = self.assert_harmless("list", self.store, "--json", codes=(0,))
        self.assertEqual(json.loads(listed)["notes"], text)
        shown = self.assert_harmless("manifest", "show", self.store, snapshot, codes=(0,))
        self.assertTrue(shown.endswith(b"}\n"))
        self.assertEqual(json.loads(shown)["unprotected"]["notes"], text)

    def test_names(self):
        self.backup("host/x", f"a.didx={self.file('f', b'f')}")
        store = os.fsencode(self.store)
        for place in (b"host/x", b"host", b"", b".chunks"):
            os.mkdir(os.path.join(store, place, b"d" + self.BAD))
        bad = os.path.join(store, b"i" + self.BAD + b".didx")
        write(bad, b"no index")
        os.symlink(b"nowhere", os.path.join(store, b"l" + self.BAD))
        other = os.path.join(os.fsencode(self.dir), self.BAD)
        for args in (
            ["list", store], ["list", store, "--json"], ["gc", store], ["gc", store, "--dry-run"],
            ["verify", store], ["stat", store], ["report", store, "-o", self.path("page")],
        ):
            self.assert_harmless(*args)
        for name in (self.BAD, self.BAD[:-1]):
            self.assert_harmless("forget", store, name, codes=(1,))
            self.assert_harmless("notes", store, name, codes=(1,))
        for args in (
            ["index", bad], ["get", store, bad, self.path("out")], ["list", other], ["init", bad],
            ["backup", store, "host/y", b"a.didx=" + other], ["put", store, other, other],
            ["key", "show", other], ["list", store, b"--" + self.BAD], [self.BAD],
        ):
            self.assertIn(self.SHOWN, self.assert_harmless(*args, codes=(1, 2)), args)


if __name__ == "__main__":
    support.main()
