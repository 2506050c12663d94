"""What the tests of the Python package share."""

import datetime
import json
import logging
import os
import random
import subprocess
import sys

import pxds

import support


THEN = datetime.datetime(2020, 6, 26, 13, 56, 5, tzinfo=datetime.timezone.utc)
SMALL = pxds.ChunkerConfig.of(4096)


def random_data(length, seed=1):
    """As support.random_data(), for a Python without randbytes() too."""
    return random.Random(seed).getrandbits(length * 8).to_bytes(length, "little")


# What no test looks at is not printed.
logging.getLogger("pxds").addHandler(logging.NullHandler())


def kit():
    with open(os.path.join(support.ROOT, "bindings", "ffi", "pxds.json"), encoding="utf-8") as file:
        return json.load(file)


class TestCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.store = pxds.Store.create(self.path("store"), sync=pxds.Sync.NONE)
        self.addCleanup(self.store.close)

    def run_python(self, code, *args, **environment):
        """What a program prints, that ends well and warns of nothing."""
        done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", code, *args], capture_output=True,
                              text=True, check=False, env={**os.environ, **environment})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def index_of(self, data, **options):
        """Stores data; gives its index."""
        with self.store.ingest(SMALL, **options) as ingest:
            ingest.write(data)
            with ingest.finish() as writer:
                return pxds.Index.parse(writer.finish())
