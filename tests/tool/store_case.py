"""What tests of the tool on chunks and indexes share."""

import os

from support import TestCase, tree, write


class StoreCase(TestCase):
    """Each test has a store."""

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.index = self.path("store", "a.didx")
        self.pxds("init", self.store)

    def put(self, data, index=None, *options, **keywords):
        write(self.path("file"), data)
        return self.pxds(
            "put", self.store, self.path("file"), index or self.index, *options, **keywords
        )

    def chunk_files(self):
        return sorted(
            os.path.join(self.store, name)
            for name in tree(self.store)
            if name.startswith(".chunks")
        )
