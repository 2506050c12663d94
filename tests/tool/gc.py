"""`pxds gc`: what it says and refuses, on full disks, on read-only stores, without permission."""

import json
import os
import resource
import stat
import subprocess

import mounts
import support
from support import TOOL, random_data, read, write

OLD = 1_000_000_000


class Store:
    """A store with an index that is needed, and the chunks of one that is gone; all is old."""

    def __init__(self, test, store, layout="hex2"):
        self.test, self.store = test, store
        self.data = random_data(200000, 1)
        self.index = os.path.join(store, "kept.didx")
        test.pxds("init", store, "--layout", layout)
        write(test.path("kept"), self.data)
        write(test.path("gone"), random_data(200000, 2))
        test.pxds("put", store, test.path("kept"), self.index, "--avg", "4096")
        self.needed = self.chunks()
        # An index elsewhere protects nothing.
        test.pxds("put", store, test.path("gone"), test.path("gone.didx"), "--avg", "4096")
        self.all = self.chunks()
        self.age()

    def chunks(self):
        found = set()
        for parent, _, names in os.walk(os.path.join(self.store, ".chunks")):
            found.update(os.path.join(parent, name) for name in names)
        return found

    def age(self):
        for path in self.chunks():
            os.utime(path, (OLD, OLD))

    def assert_collected(self):
        self.test.assertEqual(self.chunks(), self.needed)
        self.test.assert_restores(self.store, self.index, self.data)


class Gc(support.TestCase):
    def test_what_it_says(self):
        scene = Store(self, self.path("store"))
        gone = len(scene.all) - len(scene.needed)
        dry = json.loads(self.pxds("gc", scene.store, "--dry-run", "--json").stdout)
        self.assertIs(dry["dry_run"], True)
        self.assertEqual(scene.chunks(), scene.all)
        self.assertFalse(os.path.exists(os.path.join(scene.store, ".gc-status")))
        text = self.pxds("gc", scene.store, "--dry-run").stdout.decode()
        self.assertIn("to remove", text)

        done = self.pxds("gc", scene.store, "--json")
        status = json.loads(done.stdout)
        self.assertIs(status["dry_run"], False)
        self.assertEqual(status["logical_bytes"], len(scene.data))
        self.assertEqual((status["stored_chunks"], status["removed_chunks"]), (len(scene.needed), gone))
        for key in set(status) - {"dry_run", "cache_hits", "cache_misses"}:
            self.assertEqual(status[key], dry[key], key)
        note = os.path.join(scene.store, ".gc-status")
        self.assertEqual(json.loads(read(note)), support.gc_note(status))
        self.assertEqual(stat.S_IMODE(os.stat(note).st_mode), 0o644)
        scene.assert_collected()
        text = self.pxds("gc", scene.store).stdout.decode()
        self.assertIn("in use", text)
        self.assertIn("dedup", text)

    def test_help_says_what_is_protected(self):
        words = " ".join(self.pxds("gc", "--help").stdout.decode().split())
        self.assertIn("protects only indexes below the directory of the store", words)
        header = " ".join(read(os.path.join(support.ROOT, "include", "pxds.h")).decode().replace("*", " ").split())
        self.assertIn("It protects only indexes below the directory of the store", header)

    def test_cut_off(self):
        scene = Store(self, self.path("store"))
        for minutes in ("0", "-1", "x", "2881", "49h", "1.5", "0h", "90s", "1y", "3000000000m"):
            self.assertIn("--cutoff", self.error("gc", scene.store, "--cutoff", minutes, code=2))
        for path in scene.all:
            now = os.stat(scene.index).st_mtime
            os.utime(path, (now - 7200, now - 7200))
        for options in ((), ("--cutoff", "180"), ("--cutoff", "3h"), ("--cutoff=2h30m",)):
            done = self.pxds("gc", scene.store, "--json", *options)
            self.assertEqual(json.loads(done.stdout)["removed_chunks"], 0)
        removed = [json.loads(self.pxds("gc", scene.store, "--cutoff", minutes, "--dry-run", "--json").stdout)
                   ["removed_chunks"] for minutes in ("60", "60m", "1h", "3600s")]
        self.assertEqual(removed, removed[:1] * 4)
        self.pxds("gc", scene.store, "--cutoff", "1h")
        scene.assert_collected()

    @support.needs_strace
    def test_what_a_killed_writer_has_left(self):
        """Temporary files: of notes, of a manifest that was to get some, and of a collection's status."""
        store, snapshot = self.path("store"), "host/x/2020-06-26T13:56:05Z"
        self.pxds("init", store)
        write(self.path("file"), b"x" * 5000)
        self.pxds("backup", store, "host/x", f"a.didx={self.path('file')}", "--time", "1593179765")
        renames = "?rename,?renameat,?renameat2"
        kill = ("strace", "-f", "-o", self.path("log"), "-e", f"trace={renames}",
                "-e", f"inject={renames}:signal=KILL:when=1")
        before = set(support.tree(store))
        for command in (("notes", store, snapshot, "--set", "x"), ("notes", store, "host/x", "--set", "x"),
                        ("gc", store)):
            subprocess.run([*kill, TOOL, *command], capture_output=True, check=False)
        left = sorted(set(support.tree(store)) - before)
        self.assertRegex(" ".join(left), rf"^\.gc-status\.tmp_\S{{6}} {snapshot}/index\.json\.tmp_\S{{6}} "
                                         r"host/x/notes\.tmp_\S{6}$")
        self.pxds("gc", store)
        self.assertLessEqual(set(left), set(support.tree(store)))
        for name in left:
            os.utime(os.path.join(store, name), (OLD, OLD))
        self.assertRegex(self.pxds("gc", store).stdout.decode(), r"leftovers +3 files")
        self.assertEqual(set(support.tree(store)) - before, {".gc-status"})
        self.pxds("verify", store)

    def test_other_places(self):
        self.assertIn("nowhere", self.error("gc", self.path("nowhere")))
        self.assertIn(".chunks", self.error("gc", self.dir))

    def test_a_directory_that_may_not_be_listed(self):
        """As another user, where root runs the tests: root may list everything."""
        scene = Store(self, self.path("store"))
        user = self.unprivileged(scene.store)
        closed = os.path.join(scene.store, "vm")
        found = os.path.join(scene.store, "lost+found")
        for place in (closed, found):
            os.mkdir(place, 0o000)
        if user:
            os.chown(closed, user["user"], user["group"])
        message = self.error("gc", scene.store, **user)
        self.assertIn(closed, message)
        self.assertIn("nothing is removed", message)
        self.assertEqual(scene.chunks(), scene.all)
        os.chmod(closed, 0o755)
        # Only there a lost+found is root's affair.
        os.mkdir(os.path.join(closed, "lost+found"), 0o000)
        self.assertIn("lost+found", self.error("gc", scene.store, **user))
        os.rmdir(os.path.join(closed, "lost+found"))
        self.pxds("gc", scene.store, **user)
        scene.assert_collected()


    def test_a_link_in_the_place_of_a_group(self):
        """What lies behind it needs its chunks, and the other commands say that they did not see it."""
        store = self.path("store")
        self.pxds("init", store)
        write(self.path("file"), random_data(200000, 3))
        self.pxds("backup", store, "host/c", f"a.didx={self.path('file')}")
        self.pxds("backup", store, "vm/1", f"a.didx={self.path('file')}")
        moved, group = self.path("moved"), os.path.join(store, "host", "c")
        os.rename(group, moved)
        os.symlink(moved, group)
        os.symlink("nowhere", os.path.join(store, "latest"))
        before = self.age_all(store)
        for options in ((), ("--dry-run",)):
            message = self.error("gc", store, *options)
            self.assertIn(f"nothing is removed: {group} is a link in the place of a directory", message)
        self.assertEqual(self.age_all(store), before)
        done = self.pxds("list", store, "--json", code=4)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([row.get("type") for row in rows], ["vm", None])
        self.assertEqual(rows[1], {"complete": False})
        self.assertIn(f"{group} is skipped: ", done.stderr.decode())
        self.assertIn("not complete: ", self.pxds("stat", store, code=4).stdout.decode())
        self.pxds("report", store, "-o", self.path("page.html"), code=4)
        self.assertIn("<li>not complete: ", read(self.path("page.html")).decode())
        self.assertNotEqual(subprocess.run([TOOL, "verify", store], capture_output=True, check=False).returncode, 0)
        os.unlink(group)
        os.rename(moved, group)
        self.assertIn("latest is a link", self.pxds("gc", store).stderr.decode())
        self.pxds("list", store)

    def age_all(self, store):
        found = set()
        for parent, _, names in os.walk(os.path.join(store, ".chunks")):
            for name in names:
                found.add(name)
                os.utime(os.path.join(parent, name), (OLD, OLD))
        return found

    def test_an_index_that_has_lost_entries(self):
        scene = Store(self, self.path("store"))
        whole = read(scene.index)
        write(scene.index, whole[:-80])
        for options in ((), ("--dry-run",)):
            message = self.error("gc", scene.store, *options)
            self.assertIn(f"nothing is removed: {scene.index}: its entries have the csum", message)
        self.assertEqual(scene.chunks(), scene.all)
        self.assertIn("csum", self.pxds("gc", scene.store, "--any-csum", "--dry-run").stderr.decode())
        write(scene.index, whole)
        self.pxds("gc", scene.store)
        scene.assert_collected()
        write(scene.index, whole[:-40])
        scene.age()
        self.pxds("gc", scene.store, "--any-csum")
        self.assertEqual(len(scene.chunks()), len(scene.needed) - 1)

    @support.needs_strace
    def test_a_chunk_that_is_not_seen_once(self):
        """As on a file system on the network: the first chunk that is to be marked is said to be missing."""
        scene = Store(self, self.path("store"))
        # The probe of access times comes first.
        missed = ("strace", "-f", "-o", self.path("log"), "-e", "trace=utimensat",
                  "-e", "inject=utimensat:error=ENOENT:when=5")
        message = self.pxds("gc", scene.store, under=missed, code=4).stderr.decode()
        self.assertRegex(message, r"chunk [0-9a-f]{64} is missing, and [^\n]*\n(?s:.*), which was missing, is there")
        scene.assert_collected()

    def test_missing_chunks(self):
        """All else is done; whoever runs it at night learns by the exit status that data is lost."""
        scene = Store(self, self.path("store"))
        self.pxds("stat", scene.store, "--exact")
        lost = sorted(scene.needed)[0]
        os.unlink(lost)
        for options in (("--dry-run",), ()):
            done = self.pxds("gc", scene.store, "--json", *options, code=4)
            status, = map(json.loads, done.stdout.splitlines())  # it has told all
            self.assertEqual(status["missing_chunks"], 1)
            self.assertEqual(status["removed_chunks"], len(scene.all) - len(scene.needed))
            self.assertIn(f"chunk {os.path.basename(lost)} is missing, and ", done.stderr.decode())
        self.assertEqual(scene.chunks(), scene.needed - {lost})
        self.assertRegex(self.pxds("gc", scene.store, code=4).stdout.decode(), r"(?m)^missing +1 chunk$")
        self.assertEqual(self.pxds("gc", scene.store, "--quiet", code=4).stdout, b"")
        exact = self.pxds("stat", scene.store, "--exact", "--json", code=4).stdout.splitlines()
        self.assertEqual(json.loads(exact[-1])["kind"], "store")
        self.pxds("stat", scene.store)  # which looks for no chunk
        page = self.path("page.html")
        self.pxds("report", scene.store, "-o", page, code=4)
        self.pxds("report", scene.store, "-o", page, "--fast")
        for command in ("gc", "stat", "report"):
            text = " ".join(self.pxds(command, "--help").stdout.decode().split())
            self.assertRegex(text, "Exit status 4 if .*missing")
            self.assertIn("4 done in part: something could not be done, seen or read, or is missing", text)

    def test_bad_copies_are_no_chunks(self):
        """They are counted apart, whatever becomes of them."""
        scene = Store(self, self.path("store"))
        gone, kept = sorted(scene.all - scene.needed), sorted(scene.needed)
        sizes = {"used": 1000, "removed": 300, "pending": 70}
        write(f"{kept[0]}.0.bad", bytes(sizes["used"]))
        os.unlink(kept[0])  # all that there is of it
        write(f"{gone[0]}.0.bad", bytes(sizes["removed"]))
        scene.age()
        write(f"{gone[1]}.3.bad", bytes(sizes["pending"]))
        hours_ago = os.stat(scene.index).st_mtime - 7200
        os.utime(f"{gone[1]}.3.bad", (hours_ago, hours_ago))
        stored = sum(os.path.getsize(path) for path in kept[1:])
        removed = sum(os.path.getsize(path) for path in gone)
        dry = json.loads(self.pxds("gc", scene.store, "--dry-run", "--json", code=4).stdout)
        text = self.pxds("gc", scene.store, "--dry-run", code=4).stdout.decode()
        done = self.pxds("gc", scene.store, "--json", code=4)
        status = json.loads(done.stdout)
        for found in (dry, status):
            self.assertEqual((found["stored_chunks"], found["stored_bytes"]), (len(kept) - 1, stored))
            self.assertEqual((found["removed_chunks"], found["removed_bytes"]), (len(gone), removed))
            self.assertEqual((found["pending_chunks"], found["pending_bytes"]), (0, 0))
            for what, size in sizes.items():
                self.assertEqual((found[f"{what}_bad"], found[f"{what}_bad_bytes"]), (1, size), what)
        for row in (rf"in use +{len(kept) - 1} chunks +{stored} bytes",
                    rf"to remove +{len(gone)} chunks +{removed} bytes", "pending +0 chunks +0 bytes",
                    "bad copies +3 files +1370 bytes", "  in use +1 file +1000 bytes",
                    "  to remove +1 file +300 bytes", "  pending +1 file +70 bytes"):
            self.assertRegex(text, rf"(?m)^{row}\b")
        self.assertEqual(json.loads(read(os.path.join(scene.store, ".gc-status"))), support.gc_note(status))
        self.assertEqual(scene.chunks(), {*kept[1:], f"{kept[0]}.0.bad", f"{gone[1]}.3.bad"})

    def test_access_times_in_the_future(self):
        scene = Store(self, self.path("store"))
        for path in scene.all:
            os.utime(path, (4_070_908_800, OLD))
        done = self.pxds("gc", scene.store)
        gone = len(scene.all) - len(scene.needed)
        self.assertRegex(done.stdout.decode(), rf"(?m)^in use +{len(scene.needed)} chunks")
        self.assertRegex(done.stdout.decode(), rf"(?m)^  future +{gone} files .*2099-01-01")
        self.assertIn("2099-01-01T00:00:00Z", done.stderr.decode())
        self.assertEqual(scene.chunks(), scene.all)

    def test_the_factor_of_deduplication(self):
        """It is one thing, whoever tells it: what is described by what is stored, as PBS has it."""
        scene = Store(self, self.path("store"))
        write(os.path.join(scene.store, "again.didx"), read(scene.index))
        self.pxds("gc", scene.store)
        told = self.pxds("gc", scene.store).stdout.decode()
        counted = self.pxds("stat", scene.store, "--exact").stdout.decode()
        stored = sum(os.path.getsize(path) for path in scene.needed)
        expected = f"{2 * len(scene.data) / stored:.2f}"
        self.assertRegex(told, rf"(?m)^dedup factor +{expected}$")
        self.assertRegex(counted, rf"(?m)^dedup factor: +{expected}$")

    def test_few_descriptors(self):
        """What cannot be opened for want of them is not taken for what is not there."""
        store = self.path("store")
        self.pxds("init", store)
        write(self.path("file"), random_data(50000, 4))
        for i in range(3):
            self.pxds("backup", store, f"host/{i}", f"a.didx={self.path('file')}", "--ns", "a")
        chunks = self.age_all(store)
        seen = set()
        for limit in range(4, 16):
            few = lambda limit=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            run = lambda *command, few=few: subprocess.run(
                [TOOL, *command], capture_output=True, check=False, timeout=300, preexec_fn=few)
            listed = run("list", store, "--json")
            rows = [row for row in map(json.loads, listed.stdout.splitlines()) if "id" in row]
            counted = run("stat", store, "--json")
            snapshots = counted.stdout.count(b'"kind":"snapshot"')
            for done, count in ((listed, len(rows)), (counted, snapshots)):
                self.assertIn(done.returncode, (0, 1, 4), (limit, done.stderr))
                if done.returncode == 0:
                    self.assertEqual(count, 3, limit)
                seen.add(done.returncode)
            run("gc", store)
            self.assertEqual(self.age_all(store), chunks, limit)
        self.assertLessEqual({0, 1, 4}, seen)


class AccessTimes(support.TestCase):
    """A file system that does not keep them, as strace plays it: the calls succeed, and nothing is set."""

    @support.needs_strace
    def test_refused(self):
        scene = Store(self, self.path("store"))
        forgets = ("strace", "-f", "-o", self.path("log"), "-e", "trace=utimensat",
                   "-e", "inject=utimensat:retval=0")
        made = r"its access time was set to \d+, and the file system made it \d+; garbage collection here would remove"
        self.assertRegex(self.error("gc", scene.store, under=forgets), made)
        self.assertEqual(scene.chunks(), scene.all)
        # Set, and then not to the present.
        stays = (*forgets[:-1], "inject=utimensat:retval=0:when=2+2")
        self.assertRegex(self.error("gc", scene.store, under=stays), r"was to become the present, and stays at \d+; ")
        self.assertEqual(scene.chunks(), scene.all)
        self.assertRegex(self.error("init", self.path("new"), under=forgets), made)
        self.pxds("gc", scene.store)
        scene.assert_collected()


class Disks(mounts.MountCase):
    def test_full(self):
        """Not a byte is free, and the room is made all the same."""
        for options in ("size=2m", "size=20m,nr_inodes=300"):
            with self.subTest(options):
                place = self.tmpfs(options.split(",", maxsplit=1)[0], options)
                scene = Store(self, os.path.join(place, "store"))
                ballast = os.path.join(place, "ballast")
                os.mkdir(ballast)
                count = 0
                try:
                    while True:
                        write(os.path.join(ballast, str(count)), b"x" * 4096 if "inodes" not in options else b"")
                        count += 1
                except OSError as error:
                    self.assertEqual(error.errno, 28)
                try:
                    with open(os.path.join(ballast, "0"), "ab") as file:
                        while "inodes" not in options:
                            file.write(bytes(4096))
                            file.flush()
                except OSError:
                    pass
                done = self.pxds("gc", scene.store)
                self.assertEqual(scene.chunks(), scene.needed)
                del done
                self.assert_restores(scene.store, scene.index, scene.data)

    def test_read_only(self):
        scene = Store(self, self.path("store"))
        self.mount("--bind", scene.store, scene.store)
        subprocess.run(["mount", "-o", "remount,ro,bind", scene.store], check=True)
        message = self.error("gc", scene.store)
        self.assertIn("Read-only file system", message)
        self.assertIn(scene.store, message)
        self.assertEqual(scene.chunks(), scene.all)
        status = json.loads(self.pxds("gc", scene.store, "--dry-run", "--json").stdout)
        self.assertEqual(status["removed_chunks"], len(scene.all) - len(scene.needed))


if __name__ == "__main__":
    support.main(before=mounts.enter)
