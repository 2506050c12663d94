"""What the tool shows of snapshots, those that PBS has made among them, and how."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import support
from snapshot_case import EPOCH, KEYS, TIME, SnapshotCase
from support import ROOT, TOOL, TestCase, read, write

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
        manifest = snapshot["manifest"]
        return {
            "namespace": ns, "type": kind, "id": name, "time": snapshot["backup-time-string"],
            "protected": snapshot["protected"], "finished": snapshot["finished"],
            "comment": manifest["unprotected"].get("notes") if manifest else None,
            "owner": group["owner"],
            "files": [{key: file[key] for key in ("filename", "size", "crypt-mode", "csum")}
                      for file in (manifest["files"] if manifest else [])],
        }

    def assert_list(self, wanted, *options):
        done = self.pxds("list", self.store, "--json", *options)
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
        text = self.pxds("list", self.store).stdout.decode()
        paths = [snapshot["path"] for _, _, snapshot in self.snapshots()]
        self.assertEqual([line.split()[0] for line in text.splitlines()[1:]], paths)
        self.assertRegex(text, rf"(?m)^host/elsa/{TIME} +2 +495019 +protected +erste Zeile ü$")
        self.assertRegex(text, r"(?m)^host/elsa/2020-06-28T15:56:05Z +0 +0 +unfinished$")

    def test_bare_directory(self):
        shutil.rmtree(os.path.join(self.store, ".chunks"))
        self.assert_list([self.wanted(*each) for each in self.snapshots()])
        snapshot = f"host/elsa/{TIME}"
        self.assertIn(b"root.pxar.didx", self.pxds("files", self.store, snapshot).stdout)
        self.error("restore", self.store, snapshot, "root.pxar.didx", self.path("out"))

    def test_files(self):
        for _, _, snapshot in self.snapshots():
            listing = {file["filename"]: file
                       for file in (snapshot["manifest"] or {"files": []})["files"]}
            lines = self.pxds("files", self.store, snapshot["path"], "--json").stdout.decode()
            found = [json.loads(line) for line in lines.splitlines()]
            self.assertEqual([file["filename"] for file in found], snapshot["files"])
            for file in found:
                want = listing.get(file["filename"])
                self.assertEqual((file["listed"], file["missing"]), (want is not None, False))
                for key in ("crypt-mode", "csum"):
                    self.assertEqual(file[key], want and want[key])
                path = os.path.join(self.store, snapshot["path"], file["filename"])
                self.assertEqual(file["size"], want["size"] if want else os.path.getsize(path))
            table = self.pxds("files", self.store, snapshot["path"]).stdout.decode().splitlines()
            self.assertEqual([line.split()[2] for line in table], snapshot["files"])
        table = self.pxds("files", self.store, "host/elsa/2020-06-27T14:56:05Z").stdout.decode()
        self.assertRegex(table, r"(?m)^ +21  - +client\.log\.blob  \(not listed\)$")
        self.assertRegex(table, r"(?m)^ +496000  none +root\.pxar\.didx$")
        self.assertRegex(table, r"(?m)^ +373  - +index\.json\.blob  \(the manifest\)$")

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
        found = [("".join(f"ns/{part}/" for part in each["namespace"].split("/") if part)
                  + "/".join((each["type"], each["id"], each["time"]))) for each in self.listed()]
        self.assertEqual(found, wanted)
        table = self.pxds("list", self.store).stdout.decode().splitlines()[1:]
        self.assertEqual([line.split()[0] for line in table], wanted)

    def test_unfinished(self):
        self.empty_snapshot(f"host/x/{TIME}")
        self.assertEqual(self.listed(), [{
            "namespace": "", "type": "host", "id": "x", "time": TIME, "protected": False,
            "finished": False, "comment": None, "owner": None, "files": [],
        }])

    def test_unreadable_manifest(self):
        path = os.path.join(self.store, self.empty_snapshot(f"host/x/{TIME}"), "index.json.blob")
        blob = self.pxds("blob", "encode", "-", input=b'{"files": "\\n"}').stdout
        for data in (b"", b"no blob at all", blob[:-1] + b"!", blob):
            write(path, data)
            done = self.pxds("list", self.store, "--json", code=4)
            listed, end = map(json.loads, done.stdout.splitlines())
            self.assertEqual(end, {"complete": False})
            self.assertEqual(list(listed), [*KEYS, "error"])
            self.assertIsNone(listed["files"])
            self.assertIn("index.json.blob", listed["error"])
            done = self.pxds("list", self.store, code=4)
            self.assertIn(b" unreadable\n", done.stdout)
            self.assertIn(b"index.json.blob", done.stderr)
            done = self.pxds("files", self.store, f"host/x/{TIME}", code=1)
            self.assertIn(b"index.json.blob", done.stdout)

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
        self.assertEqual([file["filename"] for file in listed["files"]], names)
        self.assertEqual(listed["comment"], notes)
        self.assertEqual(listed["files"][0]["size"], 2**64 - 1)
        for arguments in (["list", self.store], ["files", self.store, f"host/x/{TIME}"]):
            text = self.pxds(*arguments).stdout.decode()
            self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        lines = self.pxds("files", self.store, f"host/x/{TIME}", "--json").stdout.decode()
        found = [json.loads(line) for line in lines.split("\n") if line]
        self.assertEqual([file["filename"] for file in found if file["missing"]], names)

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
        self.error("list", self.path("missing"))
        self.error("list", self.store, "--ns", "missing")
        self.error("list", self.store, "--ns", "..")
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
        self.assertEqual(json.loads(listed)["comment"], text)
        shown = self.assert_harmless("manifest", "show", self.store, snapshot, codes=(0,))
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
