"""Backups, restores, prunes and garbage collections of one store, each a process, all at once.

The chunks are made to look old again and again, whenever no backup is running, so that every
collection removes what it has not marked. In the end every finished snapshot must restore.
"""

import collections
import datetime
import fcntl
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

import backups
import support
from backups import FINISHED, TIME
from support import TOOL, random_data, read, write

SECONDS = float(os.environ.get("RACE_SECONDS") or 15)
OLD = 1_000_000_000
GROUPS = ("host/a", "ns/n/vm/7")
INPUTS = 6
# What must have happened in the end.
WANTED = ("backup done", "restore done", "prune done", "gc done", "aged", "removed")


def snapshot_name(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Race(backups.BackupCase):
    def setUp(self):
        super().setUp()
        self.pxds("init", self.store)
        self.inputs = [self.overlapping_input(number) for number in range(INPUTS)]
        self.made = {}
        self.count = collections.Counter()
        self.failures = []
        self.over = threading.Event()

    def overlapping_input(self, number):
        """Half of it is another input's too, so that chunks are used again."""
        directory = self.path(f"input{number}")
        os.mkdir(directory)
        shared, own = random_data(40000, 100 + number // 2), random_data(40000, 200 + number)
        write(os.path.join(directory, "stream"), shared + own)
        write(os.path.join(directory, "image"), own[:9000] + bytes(100000) + shared[:9000])
        write(os.path.join(directory, "conf"), own[:100])
        return directory

    def call(self, command):
        done = subprocess.run(command, capture_output=True, timeout=120, check=False, text=True)
        return done.returncode, done.stdout, done.stderr

    def may_fail(self, who, code, stderr, *words):
        """Counts it; a failure in other words than these is one of the test."""
        self.count[f"{who} {'done' if code == 0 else 'refused'}"] += 1
        if code != 0 and not any(word in stderr for word in words):
            self.failures.append(f"{who}: {code}: {stderr}")
            self.over.set()

    def backup(self, group, choice):
        seconds = TIME + 1 + self.count[f"snapshots {group}"]
        self.count[f"snapshots {group}"] += 1
        source = choice.choice(self.inputs)
        # Noted before it may be seen.
        self.made[f"{group}/{snapshot_name(seconds)}"] = source
        code, _, stderr = self.call(self.command("make", group, seconds, source))
        self.may_fail("backup", code, stderr, "PXDS_ERR_BUSY")

    def restore(self, choice):
        path = choice.choice(list(self.made)[-12:] or [None])
        if path is None:
            return
        out = tempfile.mkdtemp(dir=self.dir)
        code, _, stderr = self.call(self.command("restore", path, out))
        # It is removed, not yet made, or never was; that is not said of a chunk.
        if "chunk" in stderr:
            self.failures.append(f"restore: {path}: {stderr}")
        self.may_fail("restore", code, stderr, "PXDS_ERR_NOT_FOUND", "PXDS_ERR_BUSY")
        if code == 0:
            for name in backups.FILES:
                if read(os.path.join(out, name)) != read(os.path.join(self.made[path], name)):
                    self.failures.append(f"restore: {path}: {name} differs")
        shutil.rmtree(out)

    def prune(self, choice):
        code, _, stderr = self.call(
            [TOOL, "prune", self.store, choice.choice(GROUPS), "--keep-last", "3", "--tz", "UTC"])
        self.may_fail("prune", code, stderr, "is locked", "there is no group")
        time.sleep(0.02)

    def collect(self, _):
        code, stdout, stderr = self.call([TOOL, "gc", self.store, "--json"])
        self.may_fail("gc", code, stderr, ".lock is locked")
        if code == 0:
            self.count["removed"] += json.loads(stdout)["removed_chunks"]
            if "missing" in stderr:
                self.failures.append(f"gc: {stderr}")

    def age(self, _):
        """What a writer has touched must not be made to look old: the lock keeps writers out."""
        time.sleep(0.01)
        with open(os.path.join(self.store, ".lock"), "r+b") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            self.make_old()
            self.count["aged"] += 1

    def make_old(self):
        for parent, _, names in os.walk(os.path.join(self.store, ".chunks")):
            for name in names:
                os.utime(os.path.join(parent, name), (OLD, OLD))

    def work(self, seed, action):
        choice = random.Random(seed)
        try:
            while not self.over.is_set():
                action(choice)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))
            self.over.set()

    def test_race(self):
        actions = [lambda choice, group=group: self.backup(group, choice) for group in GROUPS]
        actions += [self.restore, self.prune, self.collect, self.age]
        threads = [threading.Thread(target=self.work, args=pair) for pair in enumerate(actions)]
        for thread in threads:
            thread.start()
        self.over.wait(SECONDS)
        # However slow the machine is: until everything has happened.
        while not (self.over.wait(0.1) or all(self.count[what] for what in WANTED)):
            pass
        self.over.set()
        for thread in threads:
            thread.join()
        print(dict(self.count))
        self.assertEqual(self.failures, [])
        self.assertNotIn(".pxds-tmp", os.listdir(self.store))
        self.assert_all_restore()
        self.make_old()
        self.pxds("gc", self.store)
        self.assert_all_restore()
        self.assert_only_chunks_below_chunks()

    def assert_all_restore(self):
        listing = self.listing()
        self.assertGreaterEqual(len(listing), 1)
        for path, flags in listing.items():
            self.assertEqual(flags, FINISHED)
            self.assert_restores_to(path, self.made[path])


if __name__ == "__main__":
    support.main()
