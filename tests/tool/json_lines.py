"""--json of every command: each line is as its schema in docs/json says, and every kind of line is printed once."""

import datetime
import glob
import json
import os
import re
import unittest

import support
from snapshot_case import EPOCH, TIME, SnapshotCase
from support import ROOT, TestCase, random_data, write

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMAS = os.path.join(ROOT, "docs", "json")
UPID = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:"
WITHOUT = {"help"}
INCOMPLETE = {"complete": False}
# Of one thing; a sum of several is called ..._bytes.
SIZES = {"chunk_size", "header_size", "payload_size", "old_size", "new_size"}


def schemas():
    found = {}
    for path in glob.glob(os.path.join(SCHEMAS, "*.schema.json")):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path).removesuffix(".schema.json")] = json.load(file)
    return found


def objects(schema):
    """Every schema of an object in a schema."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def members(value):
    """Every object in what was printed."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from members(each)
    elif isinstance(value, list):
        for each in value:
            yield from members(each)


class Schemas(TestCase):
    def test_each_command_has_one(self):
        table = self.pxds("--help").stdout.decode().partition("\ncommands:\n")[2].partition("\n\n")[0]
        commands = set(re.findall(r"^  (\S+) ", table, re.MULTILINE))
        with_json = {each for each in commands if b" --json " in self.pxds(each, "--help").stdout}
        self.assertEqual(set(schemas()), with_json)
        self.assertEqual(commands - with_json, WITHOUT)

    def test_they_are_strict(self):
        for command, schema in schemas().items():
            self.assertEqual(schema["title"], f"A line of pxds {command} --json")
            for each in objects(schema):
                with self.subTest(command=command, members=list(each["properties"])):
                    self.assertIs(each["additionalProperties"], False)
                    self.assertLessEqual(set(each["required"]), set(each["properties"]))
                    for name, value in each["properties"].items():
                        self.assertRegex(name, r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
                        if name == "time" or name.endswith("_time"):
                            self.assertIn(f"{name}_epoch", each["required"])
                        self.assertTrue(not name.endswith("_size") or name in SIZES, name)
                        self.assertNotEqual(value, {}, "it says something of its value")


@unittest.skipIf(jsonschema is None, "no jsonschema for this Python (Debian: python3-jsonschema)")
class Outputs(SnapshotCase):
    def setUp(self):
        super().setUp()
        self.seen = set()
        self.schemas = schemas()
        for schema in self.schemas.values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def check(self, command, row):
        """Finds the one kind of line that this is."""
        schema = self.schemas[command]
        kinds = [i for i, kind in enumerate(schema["oneOf"])
                 if jsonschema.Draft202012Validator({**kind, "$defs": schema.get("$defs", {})}).is_valid(row)]
        if len(kinds) != 1:
            jsonschema.Draft202012Validator(schema).validate(row)
        self.seen.add((command, kinds[0]))
        # The validator does not ask in which order they are, nor whether a time is the other one.
        order = list(schema["oneOf"][kinds[0]]["properties"])
        self.assertEqual(list(row), [name for name in order if name in row])
        for each in members(row):
            for name in each:
                if name.endswith("_epoch"):
                    text = each[name.removesuffix("_epoch")]
                    time = text and datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
                    self.assertEqual(time, each[name], name)

    def rows(self, command, *args, code=0, **keywords):
        """The lines of a command but for the one that says that they are not all."""
        stdout = self.pxds(command, *args, "--json", code=code, **keywords).stdout
        self.assertTrue(stdout.endswith(b"\n") or not stdout)
        rows = [json.loads(line) for line in stdout.decode().split("\n")[:-1]]
        for row in rows:
            self.check(command, row)
        return rows

    def one(self, *args, **keywords):
        rows = self.rows(*args, **keywords)
        self.assertEqual(len(rows), 1)
        return rows[0]

    def a_snapshot(self, *options):
        """With an archive of each kind."""
        data = self.file("data", random_data(300_000))
        return self.one("backup", self.store, "host/x", f"a.didx={data}", f"b.fidx={data}", f"c.blob={data}",
                        "--ns", "a/b", "--time", str(EPOCH), "--comment", "first\nsecond", *options)

    def try_a_life(self):
        made = self.a_snapshot("--chunk-size", "64K", "--any-chunk-size")
        path = f"ns/a/ns/b/host/x/{TIME}"
        self.assertEqual({name: made[name] for name in ("snapshot", "group", "time", "time_epoch")},
                         {"snapshot": path, "group": "ns/a/ns/b/host/x", "time": TIME, "time_epoch": EPOCH})
        self.assertEqual([each["size"] for each in made["archives"]], [300_000] * 3)
        self.assertIsNone(made["archives"][2]["chunks"])
        self.assertEqual(sum(each["new_bytes"] or 0 for each in made["archives"][:1]), 300_000)

        listed = self.one("list", self.store)
        self.assertEqual((listed["snapshot"], listed["notes"], listed["owner"], listed["crypt_mode"]),
                         (path, "first\nsecond", "root@pam", "none"))
        self.assertEqual((listed["verify_state"], listed["verify_time"]), (None, None))
        self.assertEqual({each["archive"]: each["missing"] for each in self.rows("files", self.store, path)},
                         dict.fromkeys(("a.didx", "b.fidx", "c.blob", "index.json.blob"), False))
        self.assertEqual(self.one("manifest", "show", self.store, path)["manifest"]["backup-id"], "x")

        out = self.path("out")
        for name in ("a.didx", "c.blob"):
            self.assertEqual(self.one("restore", self.store, path, name, out)["size"], 300_000)
        part = self.one("restore", self.store, path, "b.fidx", out, "--offset", "1000", "--length", "2000")
        self.assertEqual((part["size"], part["signature"]), (2000, "unchecked"))

        self.assertEqual(self.one("notes", self.store, path)["notes"], "first\nsecond")
        self.assertEqual(self.one("notes", self.store, path, "--set", 'x"\\')["notes"], 'x"\\')
        self.assertEqual(self.one("notes", self.store, "ns/a/ns/b/host/x"),
                         {"group": "ns/a/ns/b/host/x", "notes": None})
        self.assertIs(self.one("protect", self.store, path)["protected"], True)
        *rows, total = self.rows("prune", self.store, made["group"], "--keep-last", "1")
        self.assertEqual(([row["mark"] for row in rows], total["groups"]), (["protected"], 1))
        self.assertIs(self.one("unprotect", self.store, path)["protected"], False)

        group = self.one("groups", self.store)
        self.assertEqual((group["newest_snapshot"], group["owner"]), (path, "root@pam"))
        self.assertEqual(self.one("owner", self.store, made["group"]), {"group": made["group"], "owner": "root@pam"})
        self.assertEqual(self.one("owner", self.store, made["group"], "joe@pbs")["owner"], "joe@pbs")
        kinds = [row["kind"] for row in self.rows("stat", self.store)]
        self.assertEqual(kinds, ["store", "group", "snapshot"])
        self.assertIn("stored_bytes", self.rows("stat", self.store, "--exact")[0]["used"])
        verified = self.one("verify", self.store)
        self.assertEqual((verified["snapshot"], verified["ok"], verified["outcome"]), (path, True, "ok"))
        listed = self.one("list", self.store)
        self.assertEqual(listed["verify_state"], "ok")
        self.assertGreater(listed["verify_time_epoch"], EPOCH)
        self.assertIs(self.one("gc", self.store, "--dry-run")["dry_run"], True)
        self.assertEqual(self.one("gc", self.store)["indexes"], 2)

        other = self.one("backup", self.store, made["group"], f"a.didx={self.file('data', random_data(9000, 2))}")
        changed, *gone, total = self.rows("diff", self.store, path, other["snapshot"])
        self.assertEqual((changed["old_size"], changed["new_size"], changed["ranges"]),
                         (300_000, 9000, [{"offset": 0, "length": 9000}]))
        self.assertEqual(([row["change"] for row in gone], total["gone"]), (["gone", "gone"], 2))
        self.assertIs(self.one("forget", self.store, path)["removed"], True)
        removed = self.one("forget", self.store, made["group"])
        self.assertEqual((removed["removed"], removed["removed_snapshots"]), (True, 1))
        self.assertEqual(self.rows("list", self.store), [])
        self.assertEqual(self.rows("namespace", "list", self.store), [{"namespace": "a"}, {"namespace": "a/b"}])
        self.assertEqual(self.one("namespace", "create", self.store, "c"), {"namespace": "c"})
        self.assertEqual(self.one("namespace", "remove", self.store, "c"), {"namespace": "c", "removed": True})

    def try_stores(self):
        for layout, openers in (("hex2", ["pxds"]), ("hex4", ["pxds", "pbs"])):
            store = self.path(layout)
            made = self.one("init", store, "--layout", layout)
            self.assertEqual(made, {"store": os.path.realpath(store), "layout": layout,
                                    "chunk_directories": 256 if layout == "hex2" else 65536, "opened_by": openers})
        done = self.one("convert", store, "hex2", "--dry-run")
        self.assertEqual((done["dry_run"], done["removed_directories"]), (True, 65536))

        self.assertRegex(self.one("version")["version"], r"^\d+\.\d+\.\d+$")

    def try_files_without_snapshots(self):
        data, index, out = self.file("data", random_data(300_000)), self.path("i.didx"), self.path("out")
        put = self.one("put", self.store, data, index, "--avg", "64K")
        self.assertEqual((put["index"], put["size"], put["new_bytes"]), (index, 300_000, 300_000))
        self.assertEqual(self.one("get", self.store, index, out)["size"], 300_000)
        self.pxds("init", self.path("other"))
        self.assertEqual(self.one("copy", self.store, index, self.path("other"))["new_chunks"], put["new_chunks"])
        shown = self.rows("index", index, "--entries")
        self.assertEqual((shown[0]["matches"], shown[0]["csum"]), (True, put["csum"]))
        self.assertEqual(shown[1:], self.rows("chunk", data, "--avg", "64K"))
        self.assertEqual((shown[1]["start"], shown[-1]["end"], len(shown)), (0, 300_000, put["chunks"] + 1))
        encoded = self.path("encoded")
        self.one("blob", "encode", data, encoded)
        self.assertEqual(self.one("blob", "info", encoded)["payload_size"], 300_000)
        self.assertEqual(self.one("blob", "decode", encoded, out)["size"], 300_000)
        for command in (["get", self.store, index, "-"], ["blob", "decode", encoded], ["blob", "encode", data, "-"],
                        ["restore", self.store, f"host/x/{TIME}", "a.didx", "-"]):
            self.assertIn("--json", self.error(*command, "--json", code=2))

    def try_report(self):
        self.a_snapshot()
        self.pxds("backup", self.store, "host/y", f"a.didx={self.path('data')}", "--comment", "second\nline")
        self.manifest(f"host/z/{TIME}", "no manifest")
        stat = self.rows("stat", self.store, "--exact")
        page = self.path("page")
        for options in ([], ["--output", page]):
            store, *rows, shared, last = self.rows("report", self.store, *options, code=4)
            self.assertEqual(store["store"], os.path.realpath(self.store))
            self.assertEqual(store["verify_states"], {"ok": 0, "failed": 0, "none": 2, "unfinished": 0,
                                                      "unreadable": 1})
            # What stat prints too is the same.
            found = {row.get("snapshot", row["group"]): row for row in rows}
            for row in stat:
                same = found.get(row.get("snapshot", row.get("group")), store)
                self.assertEqual(row, {name: same[name] for name in row})
            snapshots = [row for row in rows if row["kind"] == "snapshot"]
            self.assertEqual([row["comment"] for row in snapshots], [None, "first", "second"])
            self.assertIn("index.json.blob", snapshots[0]["error"])
            self.assertEqual((shared["bytes"], set(shared["groups"])), (300_000, {"ns/a/ns/b/host/x", "host/y"}))
            self.assertEqual(last, INCOMPLETE)
        self.assertTrue(os.path.getsize(page) > 1000)
        self.assertNotIn("stored_bytes", self.rows("report", self.store, "--fast", code=4)[0]["used"])
        self.assertIn("--json", self.error("report", self.store, "--json", "--output", "-", code=2))

    def try_keys(self):
        key, password = self.path("key"), self.file("password", b"secret\n")
        made = self.one("key", "create", key, "--kdf", "pbkdf2", "--password-file", password, "--hint", "h")
        self.assertEqual((made["kdf"], made["hint"], made["verified"]), ("pbkdf2", "h", True))
        shown = self.one("key", "show", key)
        self.assertEqual(shown, {**made, "verified": False})
        self.assertEqual(self.one("key", "show", key, "--password-file", password), made)
        self.assertEqual(self.one("key", "change-password", key, "--kdf", "none", "--hint", "", "--password-file",
                                  password)["fingerprint"], made["fingerprint"])
        snapshot = self.a_snapshot("--key", key)["snapshot"]
        self.assertEqual(self.one("manifest", "verify", self.store, snapshot, "--key", key)["signature"], "valid")
        self.assertEqual(self.one("list", self.store)["crypt_mode"], "encrypt")
        done = self.one("restore", self.store, snapshot, "a.didx", self.path("out"), "--key", key)
        self.assertEqual(done["signature"], "valid")
        self.pxds("key", "create", self.path("second"), "--kdf", "none")
        row = self.one("verify", self.store, "--key", self.path("second"), code=5)
        self.assertEqual((row["ok"], row["outcome"]), (None, "unvouched"))
        self.assertIn("key", row["reason"])

    def try_what_is_wrong(self):
        snapshot = self.a_snapshot()["snapshot"]
        self.manifest(f"host/y/{TIME}", json.dumps({
            "backup-type": "host", "backup-id": "y", "backup-time": EPOCH, "files": [],
            "unprotected": {"verify_state": {"state": "failed", "upid": UPID}}}))
        self.manifest(f"host/z/{TIME}", "no manifest")
        os.makedirs(os.path.join(self.store, f"host/u/{TIME}"))
        rows = {row.get("snapshot"): row for row in self.rows("list", self.store, code=4)}
        self.assertEqual(list(rows)[-1:], [None])
        self.assertEqual([rows[f"host/y/{TIME}"][name] for name in ("verify_state", "verify_time_epoch", "crypt_mode")],
                         ["failed", 0x5CA78B83, None])
        self.assertIn("index.json.blob", rows[f"host/z/{TIME}"]["error"])
        self.assertIs(rows[f"host/u/{TIME}"]["finished"], False)
        write(os.path.join(self.store, "stray.didx"), b"no index")
        self.assertEqual(self.rows("stat", self.store, code=4)[-1], INCOMPLETE)

        self.assertEqual(self.one("prune", self.store, "host/none", code=1)["kind"], "group")
        chunks = os.path.join(self.store, ".chunks")
        for parent, _, names in os.walk(chunks):
            for name in names:
                write(os.path.join(parent, name), b"no chunk")
        os.unlink(os.path.join(self.store, snapshot, "c.blob"))
        rows = {row["snapshot"]: row for row in self.rows("verify", self.store, code=1)}
        self.assertEqual(rows[snapshot]["outcome"], "failed")
        self.assertEqual({error["archive"]: error["digest"] is None for error in rows[snapshot]["errors"]},
                         {"a.didx": False, "b.fidx": False, "c.blob": True})
        self.assertEqual(rows[f"host/u/{TIME}"]["outcome"], "unfinished")
        done = self.one("restore", self.store, snapshot, "a.didx", self.path("out"), "--skip-bad", code=4)
        self.assertEqual((done["bad_chunks"] > 0, done["bad_bytes"]), (True, 300_000))
        files = {row["archive"]: row for row in self.rows("files", self.store, snapshot)}
        self.assertIs(files["c.blob"]["missing"], True)

    def try_nothing_could_be_told(self):
        nowhere, snapshot = self.path("nowhere"), f"host/x/{TIME}"
        file = self.file("file", b"x")
        for command in (
            ["init", file], ["convert", nowhere, "hex4"],
            ["backup", nowhere, "host/x", f"a.blob={file}"], ["restore", nowhere, snapshot, "a.blob", self.path("out")],
            ["list", nowhere], ["files", self.store, snapshot], ["notes", self.store, snapshot],
            ["protect", self.store, snapshot], ["unprotect", self.store, snapshot], ["forget", self.store, snapshot],
            ["namespace", "list", nowhere], ["prune", nowhere], ["groups", nowhere], ["owner", self.store, "host/x"],
            ["diff", self.store, snapshot, snapshot], ["stat", nowhere], ["report", nowhere], ["verify", nowhere],
            ["gc", nowhere], ["manifest", "show", self.store, snapshot], ["key", "show", nowhere],
            ["put", nowhere, file, self.path("i.didx")], ["get", self.store, nowhere, self.path("out")],
            ["copy", self.store, nowhere, self.store], ["index", nowhere], ["chunk", nowhere],
            ["blob", "info", nowhere],
        ):
            with self.subTest(command=command[0]):
                self.assertEqual(self.one(*command, code=1), INCOMPLETE)
                self.assertEqual(self.pxds(command[0], "--json", "--nonsense", code=2).stdout, b"")

    def test_every_command(self):
        for part in (self.try_a_life, self.try_stores, self.try_files_without_snapshots, self.try_report, self.try_keys,
                     self.try_what_is_wrong, self.try_nothing_could_be_told):
            with self.subTest(part.__name__):
                self.store = self.path(part.__name__)
                self.pxds("init", self.store)
                part()
        every = {(command, i) for command, schema in self.schemas.items() for i in range(len(schema["oneOf"]))}
        self.assertEqual(every - self.seen, set(), "no part has printed such a line")


if __name__ == "__main__":
    support.main()
