"""What tests of the tool on snapshots share."""

import json
import os

from support import TestCase, write

EPOCH = 1593179765
TIME = "2020-06-26T13:56:05Z"


class SnapshotCase(TestCase):
    """Each test has a store, and can say in a word what it wants of it."""

    in_memory = True

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.pxds("init", self.store)

    def file(self, name, data):
        write(self.path(name), data)
        return self.path(name)

    def backup(self, group, *arguments, **keywords):
        """Makes a snapshot; gives its path."""
        done = self.pxds("backup", self.store, group, *arguments, **keywords)
        return done.stdout.decode().splitlines()[0]

    def restored(self, snapshot, name, *options, **keywords):
        return self.pxds("restore", self.store, snapshot, name, "-", *options, **keywords).stdout

    def listed(self, *options):
        lines = self.pxds("list", self.store, "--json", *options).stdout.decode().splitlines()
        return [json.loads(line) for line in lines]

    def tree_but_chunks(self):
        """Files and directories, but for chunks and the lock."""
        found = set()
        for parent, directories, names in os.walk(self.store):
            if parent == self.store:
                directories.remove(".chunks")
            found |= {os.path.join(parent, name) for name in directories + names}
        return found - {os.path.join(self.store, ".lock")}

    def manifest(self, snapshot, text):
        """Puts a manifest by hand, with the snapshot's directory if it is not there."""
        directory = os.path.join(self.store, snapshot)
        os.makedirs(directory, exist_ok=True)
        blob = self.pxds("blob", "encode", "-", input=text.encode()).stdout
        write(os.path.join(directory, "index.json.blob"), blob)
