"""The tool with master keys, and openssl(1) on the other side.

PXDS_TOOL names the tool, and MASTER_KEYS says whether its library has master keys: yes or no.
"""

import json
import os
import shutil
import stat
import subprocess
import unittest

import support
from support import ROOT, TestCase, random_data, read, write

VECTORS = os.path.join(ROOT, "tests", "vectors", "master")
HAS_MASTER_KEYS = os.environ.get("MASTER_KEYS") == "yes"
SEALED = "rsa-encrypted.key.blob"


def pem(name):
    return os.path.join(VECTORS, name + ".pem")


class MasterCase(TestCase):
    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.input = self.path("input")
        self.key = self.path("key")
        self.recovered = self.path("recovered")
        write(self.input, random_data(100000))
        self.pxds("init", self.store)
        self.pxds("key", "create", self.key, "--kdf", "none", "--hint", "a hint")

    def file(self, name, data):
        write(self.path(name), data)
        return self.path(name)

    def backup(self, *options, code=0):
        return self.pxds("backup", self.store, "host/x", f"a.didx={self.input}", *options, code=code)

    def recover(self, sealed, *options, code=0, **more):
        return self.pxds("key", "recover", sealed, self.recovered, *options, code=code, **more)


class Always(MasterCase):
    def test_usage(self):
        master, public = ["--master-key", pem("private")], ["--master-pubkey", pem("public")]
        for arguments in (
            ["key", "recover", self.input, *master],
            ["key", "recover", self.input, self.recovered],
            ["key", "recover", "-", self.recovered, "--master-key", "-"],
            ["key", "create", self.recovered, *master],
            ["key", "create", self.recovered, self.path("more")],
            ["key", "show", self.key, *master],
            ["key", "show", self.key, *public],
            ["backup", self.store, "host/x", f"a.didx={self.input}", *public],
            ["backup", self.store, "host/x", f"a.didx={self.input}", "--key", self.key,
             "--master-pubkey", "-"],
        ):
            with self.subTest(arguments=arguments):
                self.pxds(*arguments, code=2)
        self.assertFalse(os.path.exists(self.recovered))
        message = self.error("backup", self.store, "host/x", f"{SEALED}={self.input}", code=2)
        self.assertIn("--master-pubkey", message)

    def test_what_is_there_is_not_replaced(self):
        write(self.recovered, b"something")
        done = self.recover(os.path.join(VECTORS, "sealed"), "--master-key", pem("private"), code=1)
        self.assertIn(b"exists", done.stderr.lower())
        self.assertEqual(read(self.recovered), b"something")


class Without(MasterCase):
    def test_says_so(self):
        before = support.tree(self.store)
        done = self.backup("--key", self.key, "--master-pubkey", pem("public"), code=1)
        self.assertIn(b"built without master keys", done.stderr)
        self.assertEqual(support.tree(self.store), before)
        done = self.recover(os.path.join(VECTORS, "sealed"), "--master-key", pem("private"), code=1)
        self.assertIn(b"built without master keys", done.stderr)
        self.assertFalse(os.path.exists(self.recovered))


class With(MasterCase):
    def test_recovers_what_openssl_has_sealed(self):
        sealed = os.path.join(VECTORS, "sealed")
        want = json.loads(read(os.path.join(ROOT, "tests", "vectors", "keys", "none.json")))
        for name, password in (
            ("private", []), ("private-rsa", []), ("private-pbkdf2", b"correct horse\n"),
            ("private-scrypt", b"correct horse"),
        ):
            if password:
                password = ["--password-file", self.file("password", password)]
            self.recover(sealed, "--master-key", pem(name), *password, "--kdf", "none")
            have = json.loads(read(self.recovered))
            for member in ("kdf", "created", "data", "fingerprint"):
                self.assertEqual(have[member], want[member])
            self.assertEqual(stat.S_IMODE(os.stat(self.recovered).st_mode), 0o600)
            os.unlink(self.recovered)

    def test_from_backup_to_restore(self):
        """A key is lost, and comes back under a new password."""
        for mode in ("encrypt", "sign-only"):
            done = self.backup("--key", self.key, "--crypt-mode", mode, "--time",
                               "1593179765" if mode == "encrypt" else "1593179766",
                               "--master-pubkey", pem("public"))
            snapshot = done.stdout.decode().split("\n", maxsplit=1)[0]
            shown = json.loads(self.pxds("manifest", "show", self.store, snapshot).stdout)
            listed = {file["filename"]: file["crypt-mode"] for file in shown["files"]}
            self.assertEqual(listed, {"a.didx": mode, SEALED: mode})
            lying = os.path.join(self.store, snapshot, SEALED)
            self.assertEqual(os.path.getsize(lying), 12 + 512)
            self.pxds("restore", self.store, snapshot, SEALED, self.path("sealed"))
            self.assertEqual(read(self.path("sealed")), read(lying)[12:])

            new = self.file("new", b"new password")
            for sealed in (lying, self.path("sealed")):
                self.recover(sealed, "--master-key", pem("private"), "--new-password-file", new,
                             "--kdf", "pbkdf2", "--hint", "a new hint")
                have, old = json.loads(read(self.recovered)), json.loads(read(self.key))
                self.assertEqual(have["fingerprint"], old["fingerprint"])
                self.assertEqual(have["created"], old["created"])
                self.assertEqual(have["hint"], "a new hint")
                out = self.path("out")
                self.pxds("restore", self.store, snapshot, "a.didx", out, "--key", self.recovered,
                          "--password-file", new)
                self.assertEqual(read(out), read(self.input))
                os.unlink(out)
                os.unlink(self.recovered)
            os.unlink(self.path("sealed"))

    def test_master_keys_that_are_no_use(self):
        before = support.tree(self.store)
        for name, words in (
            (pem("small-public"), "2048"), (pem("private"), "PUBLIC KEY"), (self.input, "PEM"),
            (self.path("missing"), "missing"), (pem("ec-public"), "RSA"),
        ):
            done = self.backup("--key", self.key, "--master-pubkey", name, code=1)
            self.assertIn(words, done.stderr.decode())
        self.assertEqual(support.tree(self.store), before)
        sealed = os.path.join(VECTORS, "sealed")
        wrong = ["--password-file", self.file("wrong", b"wrong horse")]
        for options, words in (
            ([pem("other-private")], "another master key"),
            ([pem("public")], "PRIVATE KEY"),
            ([pem("private-pbkdf2"), *wrong], "password"),
        ):
            done = self.recover(sealed, "--master-key", *options, "--kdf", "none", code=1)
            self.assertIn(words, done.stderr.decode())
        done = self.recover(sealed, "--master-key", pem("private-pbkdf2"), "--kdf", "none", code=1,
                            start_new_session=True, stdin=subprocess.DEVNULL)
        self.assertIn(b"no terminal", done.stderr)
        self.assertFalse(os.path.exists(self.recovered))


@unittest.skipIf(shutil.which("openssl") is None, "no openssl (Debian: openssl)")
class WithOpenssl(MasterCase):
    def openssl(self, *args):
        done = subprocess.run(["openssl", *args], capture_output=True, check=False, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_both_ways(self):
        """A new master key, what pxds seals for it, and what openssl seals."""
        master, public = self.path("master.pem"), self.path("public.pem")
        self.openssl("genrsa", "-out", self.path("plain.pem"), "3072")
        self.openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", self.path("plain.pem"),
                     "-passout", "pass:correct horse", "-out", master)
        self.openssl("rsa", "-in", self.path("plain.pem"), "-pubout", "-out", public)
        snapshot = self.backup("--key", self.key, "--master-pubkey", public).stdout.decode()
        sealed = self.path("sealed")
        self.pxds("restore", self.store, snapshot.split("\n")[0], SEALED, sealed)
        padding = ["-pkeyopt", "rsa_padding_mode:pkcs1"]
        text = self.openssl("pkeyutl", "-decrypt", "-inkey", master, "-passin",
                            "pass:correct horse", *padding, "-in", sealed)
        have, old = json.loads(text), json.loads(read(self.key))
        self.assertEqual(list(have), ["kdf", "created", "modified", "data", "fingerprint"])
        for member in ("kdf", "created", "data", "fingerprint"):
            self.assertEqual(have[member], old[member])
        self.assertNotIn(b" ", text)

        clear, again = self.file("clear", text), self.path("again")
        self.openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", public, *padding, "-in", clear,
                     "-out", again)
        self.recover(again, "--master-key", master, "--kdf", "none", "--password-file",
                     self.file("password", b"correct horse"))
        self.assertEqual(json.loads(read(self.recovered))["data"], old["data"])


if HAS_MASTER_KEYS:
    del Without
else:
    del With, WithOpenssl

if __name__ == "__main__":
    support.main()
