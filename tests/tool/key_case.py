"""What tests of the tool with keys share."""

import subprocess

from support import TestCase, write


class KeyCase(TestCase):
    def setUp(self):
        super().setUp()
        self.key = self.path("key")
        self.passwords = 0  # how many files

    def file(self, name, data):
        write(self.path(name), data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def password(self, text):
        """The options that give a password."""
        self.passwords += 1
        return ["--password-file", self.file(f"password-{self.passwords}", text)]

    def new_password(self, text):
        return ["--new-password-file", self.password(text)[1]]

    def create(self, name, *options):
        self.pxds("key", "create", self.path(name), *options)
        return self.path(name)

    def plain_key(self, name="plain-key"):
        return self.create(name, "--kdf", "none")

    def shown(self, path, *options, code=0):
        """What `key show` prints: name -> value."""
        text = self.pxds("key", "show", path, *options, code=code).stdout.decode()
        return dict(line.split(": ", 1) for line in text.splitlines())

    def without_terminal(self, *args):
        """In a session of its own, where /dev/tty cannot be opened."""
        return self.error(*args, start_new_session=True, stdin=subprocess.DEVNULL)
