"""Processes that make, list and remove snapshots of one store at once, and locks of other programs."""

import os
import subprocess

import backups
import faults
import support
from backups import FINISHED, TIME, snapshot_name
from support import write

ROUNDS = 20 if faults.EVERY else 4


class Processes(backups.BackupCase):
    def setUp(self):
        super().setUp()
        self.pxds("init", self.store)

    def start(self, what, *args, **options):
        process = subprocess.Popen(
            self.command(what, *args, **options),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(process.kill)
        return process

    def end(self, process, code=0):
        """Lets a process go on that waits for the end of its input; gives what it says on stderr."""
        _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, stderr)
        return stderr

    def started(self, group, time, **options):
        """A backup that has begun, and waits before it is finished."""
        process = self.start("make", group, time, self.input, "wait", **options)
        self.assertEqual(process.stdout.readline(), "started\n")
        return process

    def lock_of(self, path, locks):
        """What is locked for a group in the root namespace: its directory, or its lock file."""
        if locks == "-":
            return os.path.join(self.store, path)
        return os.path.join(locks, "main", path.replace("/", "-"))

    def ways(self):
        """Both ways of locking; each with groups of its own."""
        yield "-", "host/directories"
        yield self.path("run", "locks"), "host/files"

    def flock(self, path, *options):
        """A hold of flock(1) on `path`, until its input ends; None if somebody else has it."""
        process = subprocess.Popen(
            ["flock", "--nonblock", *options, path, "sh", "-c", "echo held; cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.addCleanup(process.kill)
        if process.stdout.readline() == "held\n":
            return process
        process.communicate(timeout=300)
        return None

    def let_go(self, holder):
        self.assertIsNotNone(holder, "somebody else holds it")
        holder.communicate(timeout=300)

    def assert_busy(self, message, path):
        self.assertIn("PXDS_ERR_BUSY", message)
        self.assertIn(f"(path {path})", message)

    def test_two_groups(self):
        for number in range(ROUNDS):
            groups = [f"host/a{number}", f"ns/n{number}/vm/1"]
            both = [self.start("make", group, TIME, self.input) for group in groups]
            for process in both:
                self.assertEqual(self.end(process), "")
            for group in groups:
                self.assert_restores_to(f"{group}/{snapshot_name(TIME)}", self.input)

    def test_one_group(self):
        for locks, group in self.ways():
            for time in (TIME, TIME + 2):  # the group is new, or has a snapshot
                with self.subTest(locks=locks, time=time):
                    before = self.listing()
                    first = self.started(group, time, locks=locks)
                    message = self.run_program(
                        "make", group, time + 1, self.input, locks=locks, code=1)
                    self.assert_busy(message, self.lock_of(group, locks))
                    self.assertEqual(self.listing(locks=locks), before, "nothing is seen of it yet")
                    self.end(first)
                    new = f"{group}/{snapshot_name(time)}"
                    self.assertEqual(self.listing(), before | {new: FINISHED})
                    self.assert_restores_to(new, self.input)
                    self.assert_no_leftovers(self.store)

    def test_one_group_at_once(self):
        """Whoever comes first: one makes the snapshot, and nobody spoils it."""
        for locks, group in self.ways():
            for number in range(ROUNDS):
                name = f"{group}{number}"
                many = [self.start("make", name, TIME, self.input, locks=locks) for _ in range(4)]
                codes = []
                for process in many:
                    _, stderr = process.communicate(timeout=120)
                    codes.append(process.returncode)
                    if process.returncode:
                        self.assertRegex(stderr, "PXDS_ERR_(BUSY|STATE)")
                self.assertEqual(sorted(codes), [0, 1, 1, 1])
                self.assert_restores_to(f"{name}/{snapshot_name(TIME)}", self.input)
                self.assert_no_leftovers(self.store)

    def test_other_programs(self):
        """flock(1) keeps a backup out, and a backup keeps flock(1) out."""
        for locks, group in self.ways():
            with self.subTest(locks=locks):
                self.run_program("make", group, TIME, self.input, locks=locks)
                old = f"{group}/{snapshot_name(TIME)}"
                lock = self.lock_of(group, locks)
                old_lock = self.lock_of(old, locks)
                if locks != "-":
                    old_lock = old_lock.replace("-06-26", "\\x2d06\\x2d26").replace(":", "\\x3a")
                holder = self.flock(lock)
                message = self.run_program("make", group, TIME + 1, self.input, locks=locks, code=1)
                self.assert_busy(message, lock)
                self.let_go(holder)

                backup = self.started(group, TIME + 1, locks=locks)
                self.assertIsNone(self.flock(lock))
                self.assertIsNone(self.flock(old_lock), "what is built on is not to be removed")
                self.let_go(self.flock(old_lock, "--shared"))
                self.assert_busy(self.run_program("destroy", old, locks=locks, code=1), old_lock)
                self.end(backup)
                self.let_go(self.flock(lock))

                holder = self.flock(old_lock, "--shared")
                self.assert_busy(self.run_program("destroy", old, locks=locks, code=1), old_lock)
                self.assertIn(old, self.listing())
                self.let_go(holder)
                self.run_program("destroy", old, locks=locks)
                self.assertNotIn(old, self.listing())

    def test_killed_holder(self):
        """A backup that is killed holds nothing, and what it leaves goes once it is old."""
        for locks, group in self.ways():
            backup = self.started(group, TIME, locks=locks)
            backup.kill()
            backup.wait(timeout=300)
            self.assertEqual([path for path in self.listing() if path.startswith(group)], [])
            self.run_program("make", group, TIME + 1, self.input, locks=locks)
            self.assert_swept()
            self.assert_no_leftovers(self.store)

    def test_lists_while_others_work(self):
        """No process that lists sees half a snapshot."""
        enough = self.path("enough")
        makers = [
            subprocess.Popen(
                ["sh", "-ec", 'i=5; until [ -e "$4" ]; do s=$(printf "2020-06-26T13:56:%02dZ" $i); '
                 '"$0" make "$1" 1 - "$2" $((1593179760 + i)) "$3"; "$0" destroy "$1" 1 - "$2/$s"; '
                 "i=$(((i + 1) % 60)); done", backups.PROGRAM, self.store, group, self.input, enough],
                stderr=subprocess.PIPE, text=True,
            )
            for group in ("host/x", "ns/a/ns/b/host/x")
        ]
        for maker in makers:
            self.addCleanup(maker.kill)
        seen, rounds = set(), 0
        while len(seen) < 3 or rounds < 40:
            self.assertEqual([maker.poll() for maker in makers], [None, None])
            rounds += 1
            found = self.listing()
            self.assertEqual([path for path, flags in found.items() if flags != FINISHED], [])
            seen |= set(found)
        write(enough, b"")
        for maker in makers:
            self.assertEqual((maker.wait(), maker.stderr.read()), (0, ""))
            maker.stderr.close()
        self.assertEqual(self.listing(), {})


if __name__ == "__main__":
    support.main()
