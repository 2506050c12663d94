"""A backup, and the removal of a snapshot, with a fault at every system call that changes anything.

Afterwards the store has the snapshots that it had, or the new one besides, whole; after a removal
the snapshot is there whole, or gone. What a failure leaves is chunks; what a kill leaves besides lies
where work is in progress, and garbage collection takes it once it is old.
"""

import errno
import os
import random
import re
import shutil
import signal
import subprocess

import backups
import faults
import mounts
import support
from backups import FINISHED, TEMPORARY, TIME, WORK, snapshot_name
from power_model import Model, events

# A group that has a snapshot, which the new one builds on, and one that has to be made.
GROUPS = ("host/x", "ns/a/ns/b/vm/7")
OLD = f"host/x/{snapshot_name(TIME)}"
REMOVING = ("unlink", "unlinkat", "rmdir")


@support.needs_strace
class Scene(backups.BackupCase):
    """A store with a finished and an unfinished snapshot, kept as a template."""

    layout = "hex2"

    def init(self):
        """Makes the store; one of hex4 of few directories, so that it is copied fast. The others come when needed."""
        self.pxds("init", self.store)
        if self.layout == "hex4":
            for name in ("0000", "ffff"):
                os.mkdir(os.path.join(self.store, ".chunks", name), 0o750)

    def setUp(self):
        super().setUp()
        self.template = self.path("template")
        self.pxds("init", self.store)
        self.old_input = self.new_input("old", 1)
        self.run_program("make", "host/x", TIME, self.old_input)
        os.makedirs(os.path.join(self.store, "ct", "5", snapshot_name(TIME)))
        os.rename(self.store, self.template)
        self.fresh()
        self.before = self.listing()
        self.names_before = self.beside_chunks()
        self.assertEqual(self.before, {OLD: FINISHED, f"ct/5/{snapshot_name(TIME)}": 0})

    def fresh(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.template, self.store, symlinks=True)

    def make(self, group, sync):
        return self.command("make", group, TIME + 1, self.input, sync=sync)

    def strace(self, command, *options):
        self.fresh()
        log = self.path("strace.log")
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-s", "0", *options, *command],
            capture_output=True,
            timeout=120,
            check=False,
        )
        with open(log, encoding="utf-8", errors="replace") as file:
            return done, file.read().splitlines()

    def points(self, command, seed):
        """The calls that change something, or a sample of them: (name, how-many-th, line)."""
        done, lines = self.strace(command, "-e", faults.trace(faults.CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        count, points = {}, []
        for match in filter(None, map(faults.CALL.match, lines)):
            name, arguments = match.groups()
            count[name] = count.get(name, 0) + 1
            if name not in faults.OPENING or "O_CREAT" in arguments or "O_TMPFILE" in arguments:
                points.append((name, count[name], match[0]))
        self.assertGreater(len(points), 5)
        if faults.EVERY:
            return points
        offset = random.Random(f"{faults.SEED} {seed}").randrange(faults.SHARE)
        chosen = points[offset::faults.SHARE]
        # The last calls are those that decide.
        return chosen + [point for point in points[-4:] if point not in chosen]

    def inject(self, command, point, fault):
        name, number, _ = point
        rule = f"inject={name}:{fault}:when={number}"
        done, lines = self.strace(command, "-e", faults.trace([name]), "-e", rule)
        if not fault.startswith("signal"):
            self.assertIn("INJECTED", " ".join(lines))
        return done

    def assert_old_or_whole(self, group):
        """Gives whether the new snapshot is there."""
        new = f"{group}/{snapshot_name(TIME + 1)}"
        listing = self.listing()
        made = listing.pop(new, None)
        self.assertEqual(listing, self.before)
        self.assert_restores_to(OLD, self.old_input)
        if made is not None:
            self.assertEqual(made, FINISHED)
            self.assert_restores_to(new, self.input)
        return made is not None

    def assert_takes_another(self, group):
        """The next backup into the group succeeds, and garbage collection takes what is temporary."""
        self.run_program("make", group, TIME + 2, self.input)
        self.assert_restores_to(f"{group}/{snapshot_name(TIME + 2)}", self.input)
        self.assert_swept()


class FewPoints:
    """For the other layout, in which the same is done at other paths: a sample, also when every fault is tried."""

    layout = "hex4"

    def points(self, command, seed):
        points, places = super().points(command, seed), 20 if faults.EVERY else 4
        return points[len(points) % places::max(1, len(points) // places)][:places]


class Kill(Scene):
    def kill_everywhere(self, group, sync):
        outcomes = set()
        for point in self.points(self.make(group, sync), f"kill {group} {sync}"):
            with self.subTest(group=group, sync=sync, call=point[2]):
                done = self.inject(self.make(group, sync), point, "signal=KILL")
                self.assertIn(done.returncode, (-signal.SIGKILL, 128 + signal.SIGKILL))
                outcomes.add(self.assert_old_or_whole(group))
                new = {name for name in self.beside_chunks() - self.names_before
                       if not TEMPORARY.search(name)}
                path = f"{group}/{snapshot_name(TIME + 1)}"
                known = re.compile(rf"(ns/a(/ns(/b)?)?|ns|{os.path.dirname(group)}|{group}(/owner)?"
                                   rf"|{re.escape(path)}(/[a-z.]*)?|ns/a/ns/b/vm)")
                self.assertEqual([name for name in new if not known.fullmatch(name)], [])
                self.assert_takes_another(group)
        self.assertIn(False, outcomes)

    def test_old_group(self):
        for sync in faults.LEVELS:
            self.kill_everywhere(GROUPS[0], sync)

    def test_new_group(self):
        for sync in faults.LEVELS:
            self.kill_everywhere(GROUPS[1], sync)

    def test_removal(self):
        command = self.command("destroy", OLD, sync="file")
        outcomes = set()
        for point in self.points(command, "removal"):
            with self.subTest(call=point[2]):
                self.inject(command, point, "signal=KILL")
                listing = self.listing()
                outcomes.add(OLD in listing)
                if OLD in listing:
                    self.assertEqual(listing, self.before)
                    self.assert_restores_to(OLD, self.old_input)
                self.run_program("destroy", OLD, code=0 if OLD in listing else 1)
                self.assertNotIn(OLD, self.listing())
                self.assert_takes_another("host/x")
        self.assertEqual(outcomes, {True, False} if faults.EVERY else outcomes | {False})


class Error(Scene):
    def fail_everywhere(self, group, sync, code):
        words = os.strerror(getattr(errno, code))
        for point in self.points(self.make(group, sync), f"{code} {group} {sync}"):
            with self.subTest(group=group, sync=sync, code=code, call=point[2]):
                done = self.inject(self.make(group, sync), point, f"error={code}")
                if point[0] in REMOVING:
                    self.assert_made_all_the_same(done, group)
                    continue
                message = done.stderr.decode(errors="replace")
                self.assertEqual(done.returncode, 1, message)
                self.assertIn(words, message)
                self.assertIn(f"(path {self.store}", message)
                self.assertFalse(self.assert_old_or_whole(group))
                self.assertEqual(self.beside_chunks() - {".lock"}, self.names_before - {".lock"})
                self.assert_only_chunks_below_chunks()
                self.assert_takes_another(group)

    def assert_made_all_the_same(self, done, group):
        """All that a backup removes is the empty directory in which it has worked."""
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.assert_old_or_whole(group))
        self.assertEqual([name for name in self.beside_chunks() if TEMPORARY.search(name)], [WORK])
        self.assert_takes_another(group)

    def test_eio(self):
        for sync in faults.LEVELS:
            for group in GROUPS:
                self.fail_everywhere(group, sync, "EIO")

    def test_enospc(self):
        self.fail_everywhere(GROUPS[1], "file", "ENOSPC")

    def test_out_of_descriptors(self):
        """At every open, also those that change nothing."""
        command = self.make(GROUPS[1], "file")
        _, lines = self.strace(command, "-e", "trace=openat", "-P", self.store)
        inside = [number for number, line in enumerate(self.opens(command), 1)
                  if self.store in line or "AT_FDCWD" not in line]
        self.assertGreater(len(lines), 0)
        offset = random.Random(faults.SEED).randrange(faults.SHARE)
        for number in inside if faults.EVERY else inside[offset::faults.SHARE]:
            with self.subTest(number=number):
                done = self.inject(command, ("openat", number, ""), "error=EMFILE")
                message = done.stderr.decode(errors="replace")
                self.assertEqual(done.returncode, 1, message)
                self.assertIn(os.strerror(errno.EMFILE), message)
                self.assertFalse(self.assert_old_or_whole(GROUPS[1]))
                self.assertEqual(self.beside_chunks() - {".lock"}, self.names_before - {".lock"})

    def opens(self, command):
        _, lines = self.strace(command, "-e", "trace=openat")
        return [line for line in lines if "openat(" in line]

    def test_input(self):
        """Archives that cannot be read."""
        for group in GROUPS:
            for name in backups.FILES:
                path = os.path.join(self.input, name)
                for call in ("read", "pread64"):
                    done, lines = self.strace(
                        self.make(group, "none"), "-P", path, "-e", f"trace={call}",
                        "-e", f"inject={call}:error=EIO:when=1",
                    )
                    if "INJECTED" not in " ".join(lines):
                        continue
                    with self.subTest(group=group, archive=name):
                        self.assertEqual(done.returncode, 1)
                        self.assertIn(os.strerror(errno.EIO), done.stderr.decode())
                        self.assertFalse(self.assert_old_or_whole(group))
                        self.assertEqual(self.beside_chunks(), self.names_before)
                        break
                else:
                    self.fail(f"{name} is not read")

    def test_refusal(self):
        for group in GROUPS:
            for chunk in (1, 3):
                self.fresh()
                message = self.run_program("make", group, TIME + 1, self.input, chunk, code=1)
                self.assertIn("PXDS_ERR_CANCELLED", message)
                self.assertFalse(self.assert_old_or_whole(group))
                self.assertEqual(self.beside_chunks(), self.names_before)
                self.assert_only_chunks_below_chunks()

    def test_removal(self):
        command = self.command("destroy", OLD, sync="file")
        for point in self.points(command, "removal fails"):
            with self.subTest(call=point[2]):
                done = self.inject(command, point, "error=EIO")
                listing = self.listing()
                self.assertEqual(done.returncode, 1 if OLD in listing else 0)
                if OLD in listing:
                    self.assertEqual(listing, self.before)
                    self.assertEqual(self.beside_chunks() - {".lock"}, self.names_before - {".lock"})
                    self.assert_restores_to(OLD, self.old_input)
                self.run_program("destroy", OLD, code=0 if OLD in listing else 1)
                self.assertNotIn(OLD, self.listing())
                self.assert_takes_another("host/x")


class Full(backups.BackupCase, mounts.MountCase):
    def test_bytes_and_inodes(self):
        small = self.new_input("small", 5)
        with open(os.path.join(self.input, "stream"), "ab") as file:
            file.write(support.random_data(2000000, 9))
        # `init` alone takes 256 directories.
        for options in ("size=1m", "size=10m,nr_inodes=300"):
            for group in GROUPS:
                with self.subTest(options=options, group=group):
                    self.store = os.path.join(self.tmpfs(f"t{options[-1]}{group[0]}", options), "store")
                    self.pxds("init", self.store)
                    self.run_program("make", "host/x", TIME, small)
                    before, names = self.listing(), self.beside_chunks()
                    message = self.run_program("make", group, TIME + 1, self.input, code=1)
                    self.assertIn(os.strerror(errno.ENOSPC), message)
                    self.assertEqual((self.listing(), self.beside_chunks()), (before, names))
                    self.assert_only_chunks_below_chunks()
                    self.assert_restores_to(OLD, small)


class Power(Scene):
    """What would a power failure leave, at the moment that the snapshot gets its name, and later?"""

    def play(self, command, unsynced=()):
        """Yields (model, new path) after every rename, and (model, None) at the end."""
        done, lines = self.strace(command, "-y", "-e", faults.trace(faults.CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        model = Model()
        for name in unsynced:
            model.make(os.path.join(self.store, name), directory=True)
        for event, path, second in events(lines):
            if path is not None and not path.startswith(self.store):
                continue
            model.play(event, path, second)
            if event == "rename":
                yield model, second
        yield model, None

    def check(self, group, sync, unsynced=()):
        final = os.path.join(self.store, group, snapshot_name(TIME + 1))
        seen = 0
        for model, path in self.play(self.make(group, sync), unsynced):
            if path == final:
                seen += 1
                inside = [name for name in model.now if name.startswith(final + "/")]
                self.assertEqual(len(inside), 4, inside)
                for name in inside:
                    self.assertTrue(model.now[name].synced, f"{name}: its data")
                    self.assertIs(model.kept.get(name), model.now[name], f"{name}: its name")
                self.assert_chunks_survive(model)
        self.assertEqual(seen, 1)
        for name in model.now:
            if name.startswith(final):
                self.assertTrue(model.survives(name), name)

    def assert_chunks_survive(self, model):
        chunks = [name for name in model.now if backups.CHUNK.fullmatch(os.path.basename(name))]
        self.assertGreater(len(chunks), 5)
        for name in chunks:
            self.assertTrue(model.survives(name), name)

    def test_whole_before_it_has_its_name(self):
        for sync in ("file", "filesystem"):
            for group in GROUPS:
                with self.subTest(sync=sync, group=group):
                    self.check(group, sync)

    def test_a_group_that_was_not_synced(self):
        """Made by somebody who has brought nothing to the disk, or has crashed."""
        for sync in ("file", "filesystem"):
            with self.subTest(sync=sync):
                parts = GROUPS[1].split("/")
                ways = ["/".join(parts[:i]) for i in range(1, len(parts) + 1)]
                self.fresh()
                self.run_program("group", GROUPS[1])
                with self.template_of_now():
                    self.check(GROUPS[1], sync, ways)

    def template_of_now(self):
        """The store as it is serves as the template for a while."""
        case, kept = self, self.template

        class Kept:
            def __enter__(self):
                case.template = case.path("template2")
                shutil.rmtree(case.template, ignore_errors=True)
                os.rename(case.store, case.template)

            def __exit__(self, *_):
                case.template = kept

        return Kept()

    def test_a_group_by_itself(self):
        for sync in ("file", "filesystem"):
            with self.subTest(sync=sync):
                for model, _ in self.play(self.command("group", GROUPS[1], sync=sync)):
                    pass
                owner = os.path.join(self.store, GROUPS[1], "owner")
                self.assertTrue(model.survives(owner))

    def test_removal(self):
        """The snapshot has lost its name on the disk before the first of its files goes."""
        final = os.path.join(self.store, OLD)
        done, lines = self.strace(
            self.command("destroy", OLD, sync="file"), "-y", "-e", faults.trace(faults.CHANGING))
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = [(event, path) for event, path, _ in events(lines)
                 if path is not None and path.startswith(self.store)]
        kinds = [event for event, _ in calls if event in ("rename", "fsync", "unlink")]
        self.assertEqual(kinds[:3], ["rename", "fsync", "unlink"])
        self.assertIn(("fsync", os.path.dirname(final)), calls)

    def test_none_syncs_nothing(self):
        _, lines = self.strace(
            self.make(GROUPS[1], "none"), "-e", faults.trace(["fsync", "fdatasync", "syncfs", "sync"]))
        self.assertEqual([line for line in lines if "sync" in line], [])
        # And so the model finds fault.
        with self.assertRaises(AssertionError):
            self.check(GROUPS[1], "none")


if __name__ == "__main__":
    support.main(before=mounts.enter)
