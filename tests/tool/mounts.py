"""File systems that a test mounts for itself, in a mount namespace that ends with the process."""

import os
import subprocess
import sys

from support import TestCase

STATE = "PXDS_TEST_MOUNTS"
# As root, or as an ordinary user who is root in a user namespace of his own.
WAYS = (["unshare", "-m"], ["unshare", "-Urm"])
PROBE = "dir=$(mktemp -d); mount -t tmpfs none $dir && umount $dir; code=$?; rmdir $dir; exit $code"


def works(way):
    try:
        done = subprocess.run([*way, "sh", "-c", PROBE], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def enter():
    """Starts the program again inside a namespace; where there is none, the tests are skipped."""
    if STATE in os.environ:
        return
    way = next((way for way in WAYS if works(way)), None)
    command = [*(way or []), sys.executable, "-B", *sys.argv]
    os.execvpe(command[0], command, dict(os.environ, **{STATE: "yes" if way else "no"}))


class MountCase(TestCase):
    def setUp(self):
        super().setUp()
        if os.environ.get(STATE) != "yes":
            self.skipTest("no mounts of our own (root or user namespaces; Debian: util-linux)")

    def mount(self, *arguments):
        """Mounts; the last argument is the place, which is free again after the test."""
        subprocess.run(["mount", *arguments], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", arguments[-1]], check=True)

    def tmpfs(self, name, options):
        path = self.path(name)
        os.mkdir(path)
        self.mount("-t", "tmpfs", "-o", options, "none", path)
        return path
