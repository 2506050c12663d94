"""Snapshots that are made and removed: what is mounted in the tree, full disks, and what cannot be removed."""

import os
import shutil
import subprocess

import backups
import mounts
import support
from backups import FINISHED, TIME, snapshot_name
from support import read, write

SNAPSHOT = f"host/x/{snapshot_name(TIME)}"


class Scene(backups.BackupCase):
    def setUp(self):
        super().setUp()
        self.pxds("init", self.store)

    def make(self, group="host/x", seconds=0):
        self.run_program("make", group, TIME + seconds, self.input)
        return os.path.join(self.store, group, snapshot_name(TIME + seconds))

    def assert_nothing_in_progress(self):
        self.assertEqual([name for name in self.beside_chunks() if "tmp" in name], [])


class Mounts(Scene, mounts.MountCase):
    """Nothing is removed through a mount, and nothing half."""

    def mount_in(self, directory):
        """Yields what can be mounted there, each with a file that must stay."""
        for number, (what, place, *options) in enumerate((
            ("directory", "mnt", "--bind"), ("directory", "a/b/c/mnt", "--bind"), ("file", "root.pxar.didx", "--bind"),
            ("tmpfs", "a/mnt", "-t", "tmpfs"),
        )):
            place = os.path.join(directory, place)
            source = self.path(f"{os.path.basename(directory)}{number}")
            if what == "file":
                os.makedirs(directory, exist_ok=True)
                open(place, "ab").close()  # pylint: disable=consider-using-with
                write(source, b"precious")
                kept = source
            else:
                os.makedirs(place, exist_ok=True)
                os.mkdir(source)
                kept = os.path.join(place if what == "tmpfs" else source, "precious")
            subprocess.run(["mount", *options, source, place], check=True)
            if what != "file":
                write(kept, b"precious")
            try:
                yield place
                self.assertEqual(read(kept), b"precious")
            finally:
                subprocess.run(["umount", place], check=True)

    def test_forget_and_prune(self):
        directory = self.make()
        self.make(seconds=1)
        before, names = self.listing(), self.beside_chunks()
        for place in self.mount_in(directory):
            with self.subTest(place):
                made = self.beside_chunks()
                message = self.error("forget", self.store, SNAPSHOT, code=3)
                self.assertIn(f"{place} is a mount", message)
                message = self.error("prune", self.store, "host/x", "--keep-last", "1", code=3)
                self.assertIn(f"{place} is a mount", message)
                self.assertEqual((self.listing(), self.beside_chunks()), (before, made))
        self.assertTrue(names <= self.beside_chunks())
        self.assert_restores_to(SNAPSHOT, self.input)
        self.pxds("forget", self.store, SNAPSHOT)
        self.assertFalse(os.path.exists(directory))
        self.assert_nothing_in_progress()

    def test_group(self):
        directory = self.make()
        self.make(seconds=1)
        group = os.path.dirname(directory)
        for top in (directory, os.path.join(group, "other")):
            for place in self.mount_in(top):
                with self.subTest(place):
                    before, names = self.listing(), self.beside_chunks()
                    message = self.run_program("destroy-group", "host/x", code=1)
                    self.assertIn(f"{place} is a mount", message)
                    self.assertEqual((self.listing(), self.beside_chunks()), (before, names))
        self.run_program("destroy-group", "host/x")
        self.assertFalse(os.path.exists(group))
        self.assert_nothing_in_progress()

    def test_parts_of_the_tree(self):
        """Work lies on the file system of the group: the last step stays one rename."""
        places = ("ns", "ns/a", "ns/a/host", "ns/a/host/x")
        for place in places:
            for kind in ("tmpfs", "bind"):
                with self.subTest(place=place, kind=kind):
                    path = os.path.join(self.store, place)
                    os.makedirs(path, exist_ok=True)
                    source = self.path("source")
                    os.mkdir(source)
                    options = ["--bind"] if kind == "bind" else ["-t", "tmpfs"]
                    subprocess.run(["mount", *options, source, path], check=True)
                    try:
                        self.make("ns/a/host/x")
                        self.make("ns/a/host/x", 1)
                        name = f"ns/a/host/x/{snapshot_name(TIME)}"
                        self.assert_restores_to(name, self.input)
                        self.pxds("forget", self.store, name)
                        self.assertEqual(self.listing(), {f"ns/a/host/x/{snapshot_name(TIME + 1)}": FINISHED})
                        self.assert_nothing_in_progress()
                        code = 1 if place == places[-1] else 0
                        self.run_program("destroy-group", "ns/a/host/x", code=code)
                        self.assert_nothing_in_progress()
                    finally:
                        subprocess.run(["umount", path], check=True)
                        shutil.rmtree(source)
                        shutil.rmtree(os.path.join(self.store, "ns"))

    def test_full(self):
        """What makes room needs none: nothing can be made on the disk any more."""
        self.store = os.path.join(self.tmpfs("small", "size=10m,nr_inodes=400"), "store")
        self.pxds("init", self.store)
        self.make()
        self.make(seconds=1)
        fill = os.path.join(self.store, "fill")
        os.mkdir(fill)
        try:
            for number in range(400):
                write(os.path.join(fill, str(number)), b"")
        except OSError:
            pass
        else:
            self.fail("it is not full")
        self.pxds("forget", self.store, SNAPSHOT)
        self.assertEqual(self.listing(), {f"host/x/{snapshot_name(TIME + 1)}": FINISHED})
        self.assert_nothing_in_progress()


class Unremovable(Scene):
    """As a user who may not remove everything."""

    def setUp(self):
        super().setUp()
        self.directory = self.make()

    def test_a_leftover_is_worth_a_word(self):
        left = os.path.join(self.store, "host/x/2026-01-01T00:00:00Z.tmp_AbCdEf")
        os.mkdir(left)
        write(os.path.join(left, "a.blob"), b"x")
        user = self.unprivileged(self.store)
        os.chmod(left, 0o555)
        if not user and os.access(left, os.W_OK):
            self.skipTest("everybody may do everything here")
        archive = f"conf.blob={os.path.join(self.input, 'conf')}"
        os.chmod(self.input, 0o755)
        for command in (("prune", self.store, "host/x", "--keep-last", "9"), ("backup", self.store, "host/x", archive),
                        ("gc", self.store, "--dry-run")):
            message = self.pxds(*command, **user).stderr.decode()
            self.assertEqual(left in message, command[0] != "gc", message)
        self.assertEqual(read(os.path.join(left, "a.blob")), b"x")

    def test_whole_or_not_at_all(self):
        below = os.path.join(self.directory, "a", "b")
        os.makedirs(below)
        write(os.path.join(below, "file"), b"x")
        before = self.listing()
        user = self.unprivileged(self.store)
        os.chmod(below, 0o555)
        names = self.beside_chunks()
        message = self.error("forget", self.store, SNAPSHOT, **user)
        self.assertIn(below, message)
        self.assertEqual((self.listing(), self.beside_chunks() - {".lock"}), (before, names - {".lock"}))
        os.chmod(below, 0o755)
        self.pxds("forget", self.store, SNAPSHOT, **user)
        self.assert_nothing_in_progress()


if __name__ == "__main__":
    support.main(before=mounts.enter)
