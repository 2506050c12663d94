"""`pxds stat`, held to a model made of the files alone, and the page of `pxds report`."""

import collections
import ctypes
import json
import os
import re
import struct
import xml.etree.ElementTree as ElementTree

import support
from support import LIBRARY, TestCase, random_data, read, write

TIME = 1593179765
DAY = 86400
CLASSES = 28
SNAPSHOT = re.compile(r"((?:ns/[^/]+/)*(?:ct|host|vm)/[^/]+)/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
GROUP = re.compile(r"(?:ns/[^/]+/)*(?:ct|host|vm)/[^/]+")
UPID = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:"


def entries_of(path):
    """(digest, length) of each entry of an index; ValueError if it is none."""
    data = read(path)
    if len(data) < 4096:
        raise ValueError(path)
    body = data[4096:]
    if path.endswith(".didx"):
        if len(body) % 40:
            raise ValueError(path)
        ends = [struct.unpack_from("<Q", body, i)[0] for i in range(0, len(body), 40)]
        return [(body[40 * i + 8:40 * i + 40].hex(), end - start)
                for i, (start, end) in enumerate(zip([0, *ends], ends))]
    size, chunk = struct.unpack_from("<QQ", data, 64)
    return [(body[32 * i:32 * i + 32].hex(), min(chunk, size - i * chunk))
            for i in range(len(body) // 32)]


def described():
    return dict.fromkeys(
        ("indexes", "logical_bytes", "references", "blobs", "blob_bytes", "unreadable"), 0)


class Model:
    """What statistics should say of a store, from its files, without any cleverness."""

    def __init__(self, store):
        self.sizes = {}  # digest -> bytes of data
        self.described = collections.defaultdict(described)  # path of a snapshot, or None
        self.users = collections.defaultdict(set)  # digest -> paths of snapshots, None among them
        self.stored = {}
        self.broken = []
        self.finished = set()
        self.groups = set()
        for parent, directories, names in os.walk(store):
            directories[:] = [name for name in directories if not name.startswith(".")]
            place = os.path.relpath(parent, store)
            if GROUP.fullmatch(place):
                self.groups.add(place)
            place = place if SNAPSHOT.fullmatch(place) else None
            if place is not None:
                self.described[place]  # is made by that
                if "index.json.blob" in names:
                    self.finished.add(place)
            for name in names:
                self.add_file(place, os.path.join(parent, name), name)
        for parent, _, names in os.walk(os.path.join(store, ".chunks")):
            for name in names:
                size = os.path.getsize(os.path.join(parent, name))
                if re.fullmatch("[0-9a-f]{64}", name) and size >= 12:
                    self.stored[name] = size
                elif re.fullmatch(r"[0-9a-f]{64}(\.\d\.bad)?", name):
                    self.broken.append(size)

    def add_file(self, place, path, name):
        numbers = self.described[place]
        if name.endswith(".blob") and place is not None and name != "index.json.blob":
            numbers["blobs"] += 1
            numbers["blob_bytes"] += os.path.getsize(path)
        if not name.endswith((".didx", ".fidx")) or name.startswith("."):
            return
        try:
            entries = entries_of(path)
        except ValueError:
            numbers["unreadable"] += 1
            return
        numbers["indexes"] += 1
        numbers["references"] += len(entries)
        for digest, size in entries:
            numbers["logical_bytes"] += size
            self.sizes[digest] = size
            self.users[digest].add(place)

    @property
    def snapshots(self):
        return [path for path in self.described if path is not None]

    def sum(self, digests):
        digests = list(digests)
        missing = [digest for digest in digests if digest not in self.stored]
        return {
            "chunks": len(digests),
            "bytes": sum(self.sizes[digest] for digest in digests),
            "stored_bytes": sum(self.stored.get(digest, 0) for digest in digests),
            "missing_chunks": len(missing),
            "missing_bytes": sum(self.sizes[digest] for digest in missing),
        }

    def add_up(self, places):
        total = described()
        for place in places:
            for name, number in self.described[place].items():
                total[name] += number
        return total

    def classes(self, digests, weight=lambda size: 1):
        found = [0] * CLASSES
        for digest in digests:
            found[max(self.sizes[digest], 1).bit_length() - 1] += weight(self.sizes[digest])
        return found

    def chunks_of(self, places):
        return [digest for digest, users in self.users.items() if users & set(places)]

    def own(self, places):
        return [digest for digest, users in self.users.items() if users <= set(places)]

    def total(self):
        groups = {digest: {group_of(user) for user in users} for digest, users in self.users.items()}
        unreferenced = [size for digest, size in self.stored.items() if digest not in self.users]
        return {
            "groups": len(self.groups),
            "snapshots": len(self.snapshots),
            "described": self.add_up(self.described),
            "others": self.described[None],
            "used": self.sum(self.users),
            "shared": self.sum(digest for digest, users in self.users.items() if len(users) > 1),
            "across_groups": self.sum(digest for digest in groups if len(groups[digest]) > 1),
            "sizes": self.classes(self.users),
            "size_bytes": self.classes(self.users, lambda size: size),
            "unreferenced_chunks": len(unreferenced),
            "unreferenced_bytes": sum(unreferenced),
            "broken_files": len(self.broken),
            "broken_bytes": sum(self.broken),
        }

    def group(self, group):
        places = [path for path in self.snapshots if group_of(path) == group]
        return {
            "snapshots": len(places),
            "described": self.add_up(places),
            "used": self.sum(self.chunks_of(places)),
            "own": self.sum(self.own(places)),
        }

    def snapshot(self, path):
        used = self.chunks_of([path])
        older = {digest for digest, users in self.users.items()
                 if any(user is not None and age(user) < age(path) for user in users)}
        return {
            "finished": path in self.finished,
            "described": self.described[path],
            "used": self.sum(used),
            "own": self.sum(self.own([path])),
            "new": self.sum(digest for digest in used if digest not in older),
            "sizes": self.classes(used),
        }


def group_of(path):
    return None if path is None else SNAPSHOT.fullmatch(path)[1]


def age(path):
    """Older ones are less. No two here are of one time."""
    return SNAPSHOT.fullmatch(path)[2]


class StoreCase(TestCase):
    """A store with a bit of everything."""

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.pxds("init", self.store)
        self.time = TIME

    def backup(self, group, *files, ns=None, options=()):
        """files: (archive, bytes). Gives the path of the snapshot."""
        arguments = []
        for archive, data in files:
            write(self.path(archive), data)
            arguments.append(f"{archive}={self.path(archive)}")
        options = [*options, *(["--ns", ns] if ns else [])]
        if all(archive.endswith("didx") for archive, _ in files):
            options += ["--chunk-size", "8K"]
        before = set(self.snapshots())
        self.pxds("backup", self.store, group, *arguments, "--time", str(self.time), *options)
        # Groups are not gone through in the order of times.
        self.time += DAY + 7
        return (set(self.snapshots()) - before).pop()

    def snapshots(self):
        return Model(self.store).snapshots

    def fill(self):
        first, second = random_data(120000, 1), random_data(90000, 2)
        image = random_data(4 << 20, 3)
        text = b"a line of text that compresses\n" * 5000
        key = self.path("key")
        self.pxds("key", "create", key, "--kdf", "none")
        self.backup("vm/100", ("disk.fidx", image + image + bytes(5000)), ("conf.blob", b"a" * 50))
        self.backup("host/web", ("root.didx", first + text), ("etc.didx", second))
        self.backup("ct/7", ("root.didx", first), ns="a")
        self.backup("host/web", ("root.didx", first + text + second))
        self.backup("host/web", ("root.didx", first + text), options=("--key", key), ns="a/b")
        self.backup("ct/7", ("root.didx", second + random_data(70000, 4)), ns="a")
        self.backup("host/none", ("conf.blob", b"nothing but a blob"))
        self.backup("vm/100", ("disk.fidx", image + bytes(4 << 20)))
        write(self.path("stray"), second + random_data(30000, 5))
        os.makedirs(os.path.join(self.store, "somewhere", "else"))
        for name in ("stray.didx", "somewhere/else/stray.didx", ".hidden.didx"):
            self.pxds("put", self.store, self.path("stray"), os.path.join(self.store, name),
                      "--avg", "8K")
            write(self.path("stray"), second + random_data(30000, len(name)))

    def damage(self):
        chunk = sorted(Model(self.store).chunks_of(self.snapshots()))
        path = lambda i: os.path.join(self.store, ".chunks", chunk[i][:2], chunk[i])
        os.unlink(path(2))
        os.rename(path(5), path(5) + ".0.bad")
        os.truncate(path(9), 11)
        shared = Model(self.store)
        several = next(digest for digest, users in sorted(shared.users.items()) if len(users) > 1
                       and digest in shared.stored)
        os.unlink(os.path.join(self.store, ".chunks", several[:2], several))
        write(path(0)[:-64] + "not-a-chunk", b"x" * 100)
        web, ct, vm = sorted(each for each in self.snapshots() if each.startswith(
            ("host/web", "ns/a/ct/7", "vm/100")))[::2]
        os.unlink(os.path.join(self.store, web, "index.json.blob"))
        write(os.path.join(self.store, ct, "garbage.didx"), b"this is no index")
        write(os.path.join(self.store, vm, "short.fidx"), b"")
        write(os.path.join(self.store, "somewhere", "odd.didx"), bytes(4096 + 41))
        self.pxds("forget", self.store, sorted(self.snapshots())[0])

    def stat(self, *options, code=0):
        """Gives the line of the store, those of the groups, those of the snapshots; and stderr."""
        done = self.pxds("stat", self.store, "--json", *options, code=code)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        if code == 4:
            self.assertEqual(rows.pop(), {"complete": False})
        of_kind = lambda kind: [row for row in rows if row["kind"] == kind]
        self.assertEqual([row["kind"] for row in rows],
                         ["store"] + ["group"] * len(of_kind("group"))
                         + ["snapshot"] * len(of_kind("snapshot")))
        return (rows[0], {row["group"]: row for row in of_kind("group")},
                {row["snapshot"]: row for row in of_kind("snapshot")}, done.stderr.decode())


def without_files(value):
    """Leaves out what only the chunks' files can tell."""
    if isinstance(value, dict):
        return {name: without_files(each) for name, each in value.items()
                if not re.match("stored|missing|unreferenced|broken", name)}
    return value


class Numbers(StoreCase):
    def assert_numbers(self, unreadable):
        model = Model(self.store)
        for options, expected_of in ((("--exact",), lambda value: value), ((), without_files)):
            store, groups, snapshots, stderr = self.stat(*options, code=4 if unreadable else 0)
            self.assertEqual(store["exact"], bool(options))
            self.assertEqual(stderr.count("not counted: "), unreadable)
            self.check(store, expected_of(model.total()))
            self.assertEqual(set(groups), model.groups)
            for name, row in groups.items():
                self.check(row, expected_of(model.group(name)))
            self.assertEqual(set(snapshots), set(model.snapshots))
            for name, row in snapshots.items():
                self.check(row, expected_of(model.snapshot(name)))
                self.assertEqual(row["protected"], False)
            self.check_matrix(model, list(groups))
        return model

    def check(self, row, expected):
        self.assertEqual({name: row.get(name) for name in expected}, expected)
        logical, used = row["described"]["logical_bytes"], row["used"]
        self.assertAlmostEqual(row["sharing_factor"], logical / used["bytes"] if used["bytes"] else 1,
                               places=3)
        self.assertEqual("dedup_factor" in row, "stored_bytes" in used)
        if "stored_bytes" in used and used["stored_bytes"]:
            self.assertAlmostEqual(row["dedup_factor"], logical / used["stored_bytes"], places=3)
            self.assertAlmostEqual(row["compression_ratio"],
                                   (used["bytes"] - used["missing_bytes"]) / used["stored_bytes"],
                                   places=3)
        others = set(row) - set(expected) - {
            "kind", "exact", "sharing_factor", "dedup_factor", "compression_ratio", "oldest_time", "oldest_time_epoch",
            "newest_time", "newest_time_epoch", "group", "snapshot", "time", "time_epoch", "protected"}
        self.assertEqual(others, set())

    def check_matrix(self, model, order):
        library = ctypes.CDLL(LIBRARY)
        store, stats = ctypes.c_void_p(), ctypes.c_void_p()
        self.assertEqual(library.pxds_store_open(
            os.fsencode(self.store), None, ctypes.byref(store), None), 0)
        self.assertEqual(library.pxds_stats_collect(store, None, ctypes.byref(stats), None), 0)
        library.pxds_stats_group_count.restype = ctypes.c_size_t
        self.assertEqual(library.pxds_stats_group_count(stats), len(order))
        size = ctypes.c_uint64()
        for i, left in enumerate(order):
            for k, right in enumerate(order):
                status = library.pxds_stats_get_shared(
                    stats, ctypes.c_size_t(i), ctypes.c_size_t(k), ctypes.byref(size), None)
                self.assertEqual(status, 0)
                both = [digest for digest, users in model.users.items()
                        if {left, right} <= {group_of(user) for user in users}]
                self.assertEqual(size.value, model.sum(both)["bytes"], (left, right))
        library.pxds_stats_free(stats)
        library.pxds_store_free(store)

    def test_empty_store(self):
        store, groups, snapshots, _ = self.stat("--exact")
        self.check(store, Model(self.store).total())
        self.assertEqual((groups, snapshots), ({}, {}))

    def test_a_store_in_order(self):
        self.fill()
        model = self.assert_numbers(0)
        total = model.total()
        # The model would not see it if there were nothing to see.
        for name in ("shared", "across_groups", "used"):
            self.assertGreater(total[name]["chunks"], 0, name)
        self.assertGreater(total["others"]["indexes"], 1)
        self.assertGreater(total["unreferenced_chunks"], 0)
        self.assertEqual(total["used"]["missing_chunks"], 0)
        new = sum(self.stat()[2][path]["new"]["bytes"] for path in model.snapshots)
        self.assertEqual(new + model.sum(model.own([None]))["bytes"], total["used"]["bytes"])

    def test_a_damaged_store(self):
        self.fill()
        self.damage()
        model = self.assert_numbers(3)
        total = model.total()
        self.assertEqual(total["used"]["missing_chunks"], 4)
        self.assertEqual((total["broken_files"], total["described"]["unreadable"]), (2, 3))
        self.assertIn(False, [row["finished"] for row in self.stat(code=4)[2].values()])

    def test_without_chunks(self):
        self.fill()
        before = self.stat()[:2]
        os.rename(os.path.join(self.store, ".chunks"), self.path("chunks"))
        self.assertEqual(self.stat(code=4)[:2], before)
        self.assertIn(".chunks", self.error("stat", self.store, "--exact"))

    def test_words(self):
        self.fill()
        self.damage()
        for options in ((), ("--exact",)):
            text = self.pxds("stat", self.store, *options, code=4).stdout.decode()
            total = Model(self.store).total()
            self.assertIn(f"({total['used']['bytes']} bytes) in {total['used']['chunks']} chunks\n", text)
            self.assertEqual(bool(options), "unreferenced:" in text)
            self.assertEqual(bool(options), "compression ratio:" in text)
            self.assertRegex(text, r"not readable: +3 ")
            self.assertIn("not complete: ", text)
            for path in self.snapshots():
                self.assertRegex(text, rf"(?m)^{re.escape(path)} +\d+[dhms]  ")


class Report(StoreCase):
    def page(self, *options, store=None, code=0):
        out = self.path("page.html")
        done = self.pxds("report", store or self.store, "-o", out, *options, code=code)
        self.assertEqual(done.stdout, b"")
        text = read(out).decode()
        self.assert_self_contained(text)
        return text

    def assert_self_contained(self, text):
        """One document, which could be XML too, and which asks for nothing."""
        self.assertTrue(text.startswith("<!DOCTYPE html>\n"))
        root = ElementTree.fromstring(text)
        self.assertEqual(root.tag, "html")
        for element in root.iter():
            self.assertIn(element.tag, {
                "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "dl",
                "div", "dt", "dd", "small", "section", "ul", "li", "details", "summary", "table",
                "tr", "th", "td", "bdi", "svg", "g", "path", "rect", "circle", "line", "text"})
            for name in element.attrib:
                self.assertFalse(name.startswith("on") or name in ("src", "href", "style"), name)
        self.assertNotRegex(text, r"(?i)https?:|url\(|@import|<script|//")
        # Nothing that is not a number, and nothing outside of a picture.
        self.assertNotRegex(text, r"\b(nan|inf)\b")
        for svg in root.iter("svg"):
            width, height = map(float, svg.get("viewBox").split()[2:])
            for element in svg.iter():
                x, y = float(element.get("x", 0)), float(element.get("y", 0))
                right = x + float(element.get("width", 0))
                bottom = y + float(element.get("height", 0))
                self.assertTrue(0 <= x <= right <= width + 0.1 and 0 <= y <= bottom <= height + 0.1,
                                ElementTree.tostring(element))

    def assert_has(self, text, piece):
        self.assertTrue(piece in text, piece)

    def headings(self, text):
        return [element.text for element in ElementTree.fromstring(text).iter("h2")]

    def test_a_page(self):
        self.fill()
        text = self.page()
        self.assertEqual(self.headings(text), [
            "Size over time", "New and reused data", "Sizes of chunks", "Shared between groups",
            "Verification"])
        self.assert_has(text, "stored</text>")
        self.assertEqual(self.page(), text)
        for path in self.snapshots():
            self.assert_has(text, f"<td>{path}</td>")
            self.assert_has(text, f"<td>{group_of(path)}</td>")
        self.assertNotIn("stored</text>", self.page("--fast"))
        done = self.pxds("report", self.store, "--output", "-")
        self.assertEqual(done.stdout.decode(), text)
        self.assertEqual(self.pxds("report", self.store, "--output=-").stdout.decode(), text)

    def test_a_damaged_store(self):
        self.fill()
        self.damage()
        text = self.page(code=4)
        self.assertEqual(self.headings(text)[0], "What is not in order")
        for line in ("<li>4 missing", "<li>2 broken", "<li>3 not readable", "<li>not complete"):
            self.assert_has(text, line)
        self.assert_has(text, "not finished")

    def test_a_manifest_that_cannot_be_read(self):
        snapshot = self.backup("host/x", ("c.blob", b"x"))
        write(os.path.join(self.store, snapshot, "index.json.blob"), b"")
        self.assert_has(self.page(code=4), "<li>1 without a manifest that can be read")

    def test_how_many_snapshots(self):
        self.assertEqual(self.headings(self.page()), [])
        self.backup("host/x", ("c.blob", b"x"))
        self.assertNotIn("Sizes of chunks", self.headings(self.page()))
        group = os.path.join(self.store, "host/x")
        source = os.path.join(self.store, self.backup("host/x", ("a.didx", random_data(20000))))
        index = os.path.join(source, "a.didx")
        whole = read(index)
        write(index, whole[:4096])
        text = self.page()
        self.assertNotIn("Sizes of chunks", self.headings(text))
        self.assertIn("Size over time", self.headings(text))
        write(index, whole)
        self.assertIn("Sizes of chunks", self.headings(self.page()))
        for i in range(1, 200):
            os.makedirs(os.path.join(group, f"19{i // 10 % 100:02}-01-{1 + i % 10:02}T00:00:00Z"))
            os.link(os.path.join(source, "a.didx"), os.path.join(
                group, f"19{i // 10 % 100:02}-01-{1 + i % 10:02}T00:00:00Z", "a.didx"))
        self.assert_has(self.page(), "2 to a bar")

    def test_many_groups_of_long_names(self):
        data = random_data(20000)
        first = self.backup("host/" + "x" * 100, ("a.didx", data), ns="n" * 100 + "/" + "m" * 100)
        names = os.listdir(os.path.join(self.store, first))
        for i in range(70):
            new = os.path.join(self.store, "vm", str(i), "2020-01-01T00:00:00Z")
            os.makedirs(new)
            for name in names:
                if name.endswith("didx"):
                    os.link(os.path.join(self.store, first, name), os.path.join(new, name))
        text = self.page()
        self.assert_has(text, "48 other groups")
        self.assert_has(text, "The 16 groups with the most data, of 71")
        for element in ElementTree.fromstring(text).iter("text"):
            self.assertLess(len(element.text or "") + sum(len(child.tail or "") for child in element), 60)

    def test_verify_states(self):
        paths = [self.backup("host/x", ("c.blob", b"x")) for _ in range(5)]
        library = ctypes.CDLL(LIBRARY)
        store = ctypes.c_void_p()
        self.assertEqual(library.pxds_store_open(
            os.fsencode(self.store), None, ctypes.byref(store), None), 0)
        for path, state in zip(paths, ("ok", "failed", "failed")):
            value = json.dumps({"state": state, "upid": UPID}).encode()
            self.assertEqual(library.pxds_snapshot_set_unprotected(
                store, path.encode(), b"verify_state", value, None), 0)
        library.pxds_store_free(store)
        write(os.path.join(self.store, paths[3], "index.json.blob"), b"no blob")
        text = self.page(code=4)
        self.assert_has(
            text, "<title>1 verified, 2 failed, 1 never verified, 1 manifest not readable</title>")
        self.assert_has(text, "<li>2 failed")
        self.assertEqual(text.count('<td class="words alarm">failed</td>'), 2)
        # A narrow window scrolls the pictures, so that they stay legible.
        root = ElementTree.fromstring(text)
        self.assertEqual(len(root.findall(".//div[@class='wide']/svg")), len(root.findall(".//svg")))
        self.assert_has(text, "too few for a blob")

    def test_hostile_text(self):
        hostile = "</title><script>alert(1)</script>&amp;\"'<b onload=x>]]>"
        names = [hostile.replace("/", "|"), "new\nline \x1b[31m \x7f", b"\xff\xc3\xed\xa0\x80\xf5",
                 "\u202eevil\u2066", "ü\U0001f600 \ufffe"]
        self.backup("host/x", ("a.didx", random_data(20000)), options=("--comment", hostile))
        for name in names:
            store = os.path.join(os.fsencode(self.dir), os.fsencode(name))
            os.symlink(os.fsencode(self.store), store)
            text = self.page(store=store)
            self.assertNotIn("<script", text)
            self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe]")
            self.assert_has(text, "&lt;script&gt;alert(1)")
            bdi = [element.text for element in ElementTree.fromstring(text).iter("bdi")]
            if name is names[0]:
                self.assertEqual(bdi[0], os.fsdecode(store))
            self.assertEqual(bdi[-1], hostile)
        self.assertTrue(bdi[0].endswith("ü\U0001f600 \ufffd"), bdi[0])
        self.assertIn("...", self.long_comment())

    def long_comment(self):
        self.backup("host/x", ("c.blob", b"x"), options=("--comment", "ü" * 500 + "\nsecond"))
        text = self.page()
        self.assertNotIn("second", text)
        self.assertNotIn("ü" * 81, text)
        return text

    def test_failures(self):
        self.error("report", self.store, code=2)
        self.error("report", self.store, "-o", code=2)
        self.error("report", self.store, "-x", "page", code=2)
        self.error("stat", self.store, "-o", "page", code=2)
        self.error("report", self.path("nowhere"), "-o", self.path("page"))
        self.error("report", self.store, "-o", self.path("no", "page"))
        os.rename(os.path.join(self.store, ".chunks"), self.path("chunks"))
        self.assertIn(".chunks", self.error("report", self.store, "-o", self.path("page")))
        self.assertFalse(os.path.exists(self.path("page")))
        self.page("--fast", code=4)


if __name__ == "__main__":
    support.main()
