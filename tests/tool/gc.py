"""`pxds gc`: what it says and refuses, on full disks, on read-only stores, without permission."""

import json
import os
import stat
import subprocess

import mounts
import support
from support import TOOL, random_data, read, write

OLD = 1_000_000_000
KEYS = ["upid", "index-file-count", "index-data-bytes", "disk-bytes", "disk-chunks", "removed-bytes",
        "removed-chunks", "pending-bytes", "pending-chunks", "removed-bad", "still-bad", "cache-stats"]


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
        self.assertEqual(list(dry), KEYS)
        self.assertEqual(scene.chunks(), scene.all)
        self.assertFalse(os.path.exists(os.path.join(scene.store, ".gc-status")))
        text = self.pxds("gc", scene.store, "--dry-run").stdout.decode()
        self.assertIn("to remove", text)

        done = self.pxds("gc", scene.store, "--json")
        status = json.loads(done.stdout)
        self.assertEqual(list(status), KEYS)
        self.assertEqual(status["index-data-bytes"], len(scene.data))
        self.assertEqual((status["disk-chunks"], status["removed-chunks"]), (len(scene.needed), gone))
        for key in KEYS[:-1]:
            self.assertEqual(status[key], dry[key], key)
        note = os.path.join(scene.store, ".gc-status")
        self.assertEqual(json.loads(read(note)), status)
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
        for minutes in ("0", "-1", "x", "2881", "1.5"):
            code = 1 if minutes == "2881" else 2
            self.assertIn("cut-off" if code == 1 else "--cutoff", self.error("gc", scene.store, "--cutoff", minutes, code=code))
        for path in scene.all:
            now = os.stat(scene.index).st_mtime
            os.utime(path, (now - 7200, now - 7200))
        self.assertEqual(json.loads(self.pxds("gc", scene.store, "--json").stdout)["removed-chunks"], 0)
        self.pxds("gc", scene.store, "--cutoff", "60")
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
        self.assertEqual(status["removed-chunks"], len(scene.all) - len(scene.needed))


if __name__ == "__main__":
    support.main(before=mounts.enter)
