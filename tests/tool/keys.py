"""The tool, build/pxds, with keys: key files, encrypted and signed snapshots, passwords."""

import base64
import fcntl
import hashlib
import json
import os
import re
import select
import signal
import stat
import subprocess
import tarfile
import termios
import time
import zlib

import support
from support import ROOT, TOOL, TestCase, epoch, random_data, read, write

VECTORS = os.path.join(ROOT, "tests", "vectors")
KEY_FILES = os.path.join(VECTORS, "keys")
FACTS = json.loads(read(os.path.join(KEY_FILES, "keys.json")))
TIME = "2020-06-26T13:56:05Z"
EPOCH = "1593179765"
WRONG_TAG = "the password is wrong"


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


class KeyFiles(KeyCase):
    def test_create_and_show(self):
        for kdf, stored in (("scrypt", "Scrypt"), ("pbkdf2", "PBKDF2"), ("none", None)):
            path = self.path(kdf)
            options = [] if kdf == "scrypt" else ["--kdf", kdf]
            secret = [] if kdf == "none" else self.password("correct horse\n")
            before = int(time.time())
            old_mask = os.umask(0)
            done = self.pxds("key", "create", path, *options, *secret, "--hint", "the ünusual")
            os.umask(old_mask)
            self.assertEqual((done.stdout, done.stderr), (b"", b""))
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            facts = json.loads(read(path))
            self.assertEqual(facts["kdf"] and list(facts["kdf"])[0], stored)
            self.assertEqual(facts["hint"], "the ünusual")

            shown = self.shown(path)
            self.assertEqual((shown["kdf"], shown["hint"]), (kdf, "the ünusual"))
            for name in ("created", "modified"):
                self.assertTrue(before <= epoch(shown[name]) <= time.time(), shown)
                self.assertIn(facts[name][:10], shown[name])
            remark = "" if kdf == "none" else " (unverified)"
            self.assertEqual(shown["fingerprint"], facts["fingerprint"] + remark)
            if secret:
                shown = self.shown(path, *self.password("correct horse"))
                self.assertEqual(shown["fingerprint"], facts["fingerprint"])
                env = {"PXDS_PASSWORD_COMMAND": "echo correct horse"}
                self.assertNotIn(b"unverified", self.pxds("key", "show", path, env=env).stdout)
        names = {json.loads(read(self.path(kdf)))["fingerprint"] for kdf in ("scrypt", "none")}
        self.assertEqual(len(names), 2)
        self.assert_no_leftovers(self.dir)

    def test_never_overwrites(self):
        secret = self.password("correct horse")
        old = self.file("old", "something")
        os.symlink(self.path("nowhere"), self.path("link"))
        for path in (old, self.path("link")):
            for options in (["--kdf", "none"], ["--kdf", "pbkdf2", *secret]):
                self.assertIn("exists", self.error("key", "create", path, *options).lower())
        self.assertEqual(read(old), b"something")
        self.assertFalse(os.path.exists(self.path("nowhere")))
        self.error("key", "create", self.path("no", "directory"), "--kdf", "none")

    def test_passwords(self):
        five = self.password("12345")
        self.pxds("key", "create", self.key, "--kdf", "pbkdf2", *five)
        for wrong in ("1234", "123456", "12345\r", "12345\r\r\n", "\n12345", " 12345", "12345 \n", ""):
            message = self.error("key", "show", self.key, *self.password(wrong))
            self.assertIn("password", message)
        # The first line counts, as for PBS's client, and ends in LF or CR LF.
        for right in ("12345", "12345\n", "12345\r\n", "12345\n\n", "12345\nand so on\n", "12345\r\n\r\n"):
            self.pxds("key", "show", self.key, *self.password(right))
        spaces = self.path("spaces")
        self.pxds("key", "create", spaces, "--kdf", "pbkdf2", *self.password(" a few  words\t\r\n"))
        self.pxds("key", "show", spaces, *self.password(" a few  words\t\n"))
        self.error("key", "show", spaces, *self.password("a few  words\n"))
        for short in ("", "\n", "1234", "1234\n"):
            path = self.path("short")
            message = self.error("key", "create", path, "--kdf", "pbkdf2", *self.password(short))
            self.assertIn("5", message)
            self.assertFalse(os.path.exists(path))
        long = self.password("x" * 65536 + "\n")
        self.pxds("key", "create", self.path("long"), "--kdf", "pbkdf2", *long)
        self.pxds("key", "show", self.path("long"), *long)
        for length in (65537, 65538, 70000):
            message = self.error("key", "show", self.path("long"), *self.password("x" * length))
            self.assertIn("longer than a password", message)
        self.error("key", "show", self.key, "--password-file", self.path("missing"))
        self.error("key", "show", self.key, "--password-file", self.dir)

    def test_password_from_a_descriptor(self):
        self.pxds("key", "create", self.key, "--kdf", "pbkdf2", "--password-fd", "0",
                  input=b"with \xff bytes\n")
        ends = os.pipe()
        os.write(ends[1], b"with \xff bytes")
        os.close(ends[1])
        options = ["--password-fd", str(ends[0])]
        shown = self.pxds("key", "show", self.key, *options, pass_fds=[ends[0]]).stdout.decode()
        os.close(ends[0])
        self.assertNotIn("unverified", shown)
        self.error("key", "show", self.key, "--password-fd", "0", input=b"something else")
        self.error("key", "show", self.key, "--password-fd", "333")

    def test_no_password_is_looked_at_where_there_is_none(self):
        missing = ["--password-file", self.path("missing")]
        self.pxds("key", "create", self.key, "--kdf", "none", *missing)
        self.pxds("key", "show", self.key, *missing)
        self.pxds("blob", "encode", "-", "--key", self.key, *missing, input=b"data")

    def test_no_terminal(self):
        message = self.without_terminal("key", "create", self.key)
        self.assertIn("no terminal", message)
        self.assertFalse(os.path.exists(self.key))

    def test_key_files_of_pbs(self):
        for fact in FACTS["key_files"]:
            path = os.path.join(KEY_FILES, os.path.basename(fact["file"]))
            with self.subTest(file=fact["file"], password=fact["password"]):
                self.check_key_file(path, fact)

    def check_key_file(self, path, fact):
        options = self.password(fact["password"])
        if not fact["decrypt"]["ok"]:
            done = self.pxds("key", "show", path, *options, code=1)
            self.assertEqual(done.stdout, b"")
            return
        value = fact["decrypt"]["value"]
        shown = self.shown(path, *options)
        self.assertEqual(shown["fingerprint"], value["fingerprint"])
        self.assertEqual(epoch(shown["created"]), value["created"])
        self.assertEqual(shown["kdf"] == "none", json.loads(read(path)).get("kdf") is None)
        # The key itself, by what it makes: another copy of it reads this blob.
        copy = self.key_of(bytes.fromhex(value["key"]), value["fingerprint"])
        blob = self.pxds("blob", "encode", "-", "--key", path, *options, input=b"data").stdout
        decoded = self.pxds("blob", "decode", "-", "--key", copy, input=blob).stdout
        self.assertEqual(decoded, b"data")

    def key_of(self, key, fingerprint=None):
        """A file without a password, as PBS writes one."""
        date = "2020-06-26T13:56:05+00:00"
        facts = {"kdf": None, "created": date, "modified": date,
                 "data": base64.b64encode(key).decode()}
        if fingerprint is not None:
            facts["fingerprint"] = fingerprint
        return self.file("copy", json.dumps(facts))

    def test_show_without_password(self):
        path = os.path.join(KEY_FILES, "pbkdf2-no-fingerprint.json")
        self.assertEqual(self.shown(path)["fingerprint"], "not in the file")
        path = os.path.join(KEY_FILES, "pbkdf2.json")
        self.assertIn("unverified", self.shown(path)["fingerprint"])
        for name in ("none-wrong-fingerprint", "none-short-data", "bad-created", "unknown-kdf"):
            self.error("key", "show", os.path.join(KEY_FILES, f"{name}.json"))
        self.error("key", "show", self.path("missing"))

    def test_hints(self):
        for hint in ("x" * 65, "two\nlines"):
            self.error("key", "create", self.key, "--kdf", "none", "--hint", hint)
            self.assertFalse(os.path.exists(self.key))
        self.create("key", "--kdf", "none", "--hint", "x" * 64)
        facts = json.loads(read(self.key))
        facts["hint"] = "\x1b[31mred"
        write(self.key, json.dumps(facts).encode())
        self.assertEqual(self.shown(self.key)["hint"], "\\x1b[31mred")


class ChangePassword(KeyCase):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.password("old password"), self.password("new password")
        self.to_new = ["--new-password-file", self.new[1]]

    def change(self, *options, **keywords):
        return self.pxds("key", "change-password", self.key, *options, **keywords)

    def test_each_kdf_to_each(self):
        for old in ("scrypt", "pbkdf2", "none"):
            for new in ("pbkdf2", "none") if old == "scrypt" else ("pbkdf2", "none", "scrypt"):
                self.create("key", "--kdf", old, "--hint", "a hint", *self.old)
                facts = json.loads(read(self.key))
                facts["created"] = "2020-06-26T13:56:05+00:00"
                write(self.key, json.dumps(facts).encode())
                os.chmod(self.key, 0o644)
                before = int(time.time())
                done = self.change(*self.old, *self.to_new, "--kdf", new)
                self.assertEqual((done.stdout, done.stderr), (b"", b""))
                shown = self.shown(self.key, *self.new)
                self.assertEqual((shown["kdf"], shown["hint"]), (new, "a hint"))
                self.assertEqual(shown["fingerprint"], facts["fingerprint"])
                self.assertEqual(epoch(shown["created"]), int(EPOCH))
                self.assertTrue(before <= epoch(shown["modified"]) <= time.time())
                self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)
                if new != "none":
                    self.error("key", "show", self.key, *self.old)
                os.unlink(self.key)
        self.assert_no_leftovers(self.dir)

    def test_what_is_not_given_stays(self):
        self.create("key", "--kdf", "pbkdf2", "--hint", "a hint", *self.old)
        self.change(*self.old, *self.to_new)
        shown = self.shown(self.key, *self.new)
        self.assertEqual((shown["kdf"], shown["hint"]), ("pbkdf2", "a hint"))
        self.change(*self.new, "--new-password-fd", "0", "--hint", "other", input=b"third one\n")
        self.assertEqual(self.shown(self.key, *self.password("third one"))["hint"], "other")
        self.change(*self.password("third one"), *self.to_new, "--hint", "")
        self.assertNotIn("hint", self.shown(self.key, *self.new))

    def test_none_stays_none_and_it_is_said(self):
        self.create("key", "--kdf", "none")
        done = self.change(*self.to_new)
        self.assertIn(b"still without a password", done.stderr)
        self.assertEqual(self.shown(self.key)["kdf"], "none")

    def test_a_failure_changes_nothing(self):
        self.create("key", "--kdf", "pbkdf2", *self.old)
        before = read(self.key)
        self.assertIn(WRONG_TAG, self.error("key", "change-password", self.key, *self.new,
                                            *self.to_new))
        for new in (self.new_password("1234"), ["--new-password-file", self.path("missing")]):
            self.error("key", "change-password", self.key, *self.old, *new)
        self.error("key", "change-password", self.key, *self.old, *self.to_new, "--hint", "a\nb")
        for options in (self.old, self.to_new):
            self.without_terminal("key", "change-password", self.key, *options)
        self.assertEqual(read(self.key), before)
        self.error("key", "change-password", self.path("missing"), *self.old, *self.to_new)
        self.assertFalse(os.path.exists(self.path("missing")))
        self.assert_no_leftovers(self.dir)


class Terminal(KeyCase):
    """Passwords that are typed, on a terminal made for it."""

    def start(self, *args):
        self.tty, slave = os.openpty()
        self.addCleanup(os.close, self.tty)
        self.addCleanup(os.close, slave)  # held, so that the terminal outlives the tool
        self.seen = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for number in range(3):
                os.dup2(slave, number)
            os.execv(TOOL, [TOOL, *args])

    def expect(self, text):
        while text not in self.seen:
            self.assertTrue(select.select([self.tty], [], [], 60)[0], self.seen)
            self.seen += os.read(self.tty, 4096)
        self.seen = self.seen.split(text, 1)[1]

    def echoes(self):
        return bool(termios.tcgetattr(self.tty)[3] & termios.ECHO)

    def type(self, prompt, text):
        self.expect(prompt)
        self.assertFalse(self.echoes())
        os.write(self.tty, text)

    def end(self):
        """The exit status, or the signal's number below 0, and what else was printed."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        while select.select([self.tty], [], [], 0)[0]:
            self.seen += os.read(self.tty, 4096)
        self.assertTrue(self.echoes())
        return code, self.seen

    def test_typed(self):
        self.start("key", "create", self.key, "--kdf", "pbkdf2")
        self.type(b"New password of the key: ", b"typed one\n")
        self.type(b"The same again: ", b"typed one\n")
        code, rest = self.end()
        self.assertEqual(code, 0, rest)
        self.assertNotIn(b"typed", rest)
        self.pxds("key", "show", self.key, *self.password("typed one"))

        self.start("key", "change-password", self.key)
        self.type(b"Password of the key: ", b"typed one\n")
        self.type(b"New password of the key: ", b"typed two\n")
        self.type(b"The same again: ", b"typed two\n")
        self.assertEqual(self.end()[0], 0)
        self.pxds("key", "show", self.key, *self.password("typed two"))

    def test_another_the_second_time(self):
        self.start("key", "create", self.key)
        self.type(b"New password of the key: ", b"typed one\n")
        self.type(b"The same again: ", b"typed two\n")
        code, rest = self.end()
        self.assertEqual(code, 1)
        self.assertIn(b"differ", rest)
        self.assertFalse(os.path.exists(self.key))

    def test_nothing_typed(self):
        self.start("key", "create", self.key)
        self.type(b"New password of the key: ", b"\x04")
        code, rest = self.end()
        self.assertEqual(code, 1)
        self.assertIn(b"no password", rest)

    def test_signals_leave_the_echo_on(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.start("key", "create", self.key)
            self.expect(b"New password of the key: ")
            self.assertFalse(self.echoes())
            os.kill(self.pid, number)
            self.assertEqual(self.end()[0], -number)
            self.assertFalse(os.path.exists(self.key))

    def test_ctrl_c(self):
        self.start("key", "create", self.key)
        self.type(b"New password of the key: ", b"half of it\x03")
        code, rest = self.end()
        self.assertEqual(code, -signal.SIGINT)
        self.assertNotIn(b"half", rest)

    def test_asks_again_after_a_stop(self):
        self.start("key", "create", self.key, "--kdf", "pbkdf2")
        self.expect(b"New password of the key: ")
        # The system does not stop a session of its own, which goes on as if continued at once.
        os.kill(self.pid, signal.SIGTSTP)
        self.type(b"New password of the key: ", b"typed one\n")
        self.type(b"The same again: ", b"typed one\n")
        self.assertEqual(self.end()[0], 0)


class Encryption(KeyCase):
    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.pxds("init", self.store)
        self.key = self.create("key", "--kdf", "pbkdf2", *self.password("correct horse"))
        self.with_key = ["--key", self.key, *self.password("correct horse")]
        self.other = ["--key", self.plain_key()]
        self.data = random_data(300000)
        self.input = self.file("input", self.data)
        self.out = self.path("out")

    def backup(self, *options, group="host/a"):
        archives = [f"{name}={self.input}" for name in ("a.didx", "b.fidx", "c.blob")]
        done = self.pxds("backup", self.store, group, *archives, *options)
        return done.stdout.decode().splitlines()[0]

    def restored(self, snapshot, name, *options, **keywords):
        return self.pxds("restore", self.store, snapshot, name, "-", *options, **keywords)

    def fails(self, snapshot, name, *options):
        """Nothing is written when it fails."""
        message = self.error("restore", self.store, snapshot, name, self.out, *options)
        self.assertFalse(os.path.exists(self.out))
        done = self.restored(snapshot, name, *options, code=1)
        self.assertEqual(done.stdout, b"")
        return message

    def modes(self, snapshot):
        manifest = json.loads(self.pxds("manifest", "show", self.store, snapshot).stdout)
        self.assertEqual(len(manifest["files"]), 3)
        return {file["crypt-mode"] for file in manifest["files"]}, manifest.get("signature")

    def chunks_with(self, data):
        stored = support.tree(os.path.join(self.store, ".chunks"))
        return [name for name, content in stored.items() if data in content]

    def test_encrypted(self):
        for options in ([], ["--crypt-mode", "encrypt"]):
            snapshot = self.backup(*self.with_key, *options, group=f"host/x{len(options)}")
            modes, signature = self.modes(snapshot)
            self.assertEqual(modes, {"encrypt"})
            self.assertIsNotNone(signature)
            self.assertEqual(self.chunks_with(self.data[1000:1100]), [])
            for name in ("a.didx", "b.fidx", "c.blob"):
                done = self.restored(snapshot, name, *self.with_key)
                self.assertTrue(done.stdout == self.data)
                self.assertEqual(done.stderr, b"")
                self.assertIn("no key is given", self.fails(snapshot, name))
                self.assertIn("key", self.fails(snapshot, name, *self.other))
                self.fails(snapshot, name, "--key", self.key, *self.password("wrong horse"))
                self.fails(snapshot, name, "--key", self.path("missing"))
            done = self.restored(snapshot, "a.didx", *self.with_key, "--offset=5", "--length=7")
            self.assertEqual(done.stdout, self.data[5:12])

    def test_signed(self):
        snapshot = self.backup(*self.with_key, "--crypt-mode", "sign-only")
        modes, signature = self.modes(snapshot)
        self.assertEqual(modes, {"sign-only"})
        self.assertIsNotNone(signature)
        self.assertNotEqual(self.chunks_with(self.data[1000:1100]), [])
        for name in ("a.didx", "b.fidx", "c.blob"):
            done = self.restored(snapshot, name)
            self.assertTrue(done.stdout == self.data)
            self.assertIn(b"signature was not checked", done.stderr)
            done = self.restored(snapshot, name, *self.with_key)
            self.assertTrue(done.stdout == self.data)
            self.assertEqual(done.stderr, b"")
            self.fails(snapshot, name, *self.other)
        self.forge(snapshot)
        for name in ("a.didx", "b.fidx", "c.blob"):
            self.assertIn("signature", self.fails(snapshot, name, *self.with_key))

    def forge(self, snapshot):
        """Changes what is signed."""
        path = os.path.join(self.store, snapshot, "index.json.blob")
        text = self.pxds("manifest", "show", self.store, snapshot).stdout
        forged = text.replace(b'"size": 300000', b'"size": 300001')
        self.assertNotEqual(forged, text)
        write(path, self.pxds("blob", "encode", "-", input=forged).stdout)

    def test_without_a_key(self):
        for options in ([], ["--crypt-mode", "none"]):
            snapshot = self.backup(*options, group=f"host/x{len(options)}")
            modes, signature = self.modes(snapshot)
            self.assertEqual((modes, signature), ({"none"}, None))
            for key in ([], [*self.with_key, "--allow-unsigned"]):
                done = self.restored(snapshot, "a.didx", *key)
                self.assertTrue(done.stdout == self.data)
                self.assertEqual(done.stderr, b"")
            for name in ("a.didx", "c.blob"):
                message = self.refused(snapshot, name, *self.with_key)
                self.assertIn("is not signed", message)
                self.assertIn("--allow-unsigned", message)

    def refused(self, snapshot, name, *options, lines=2):
        """As fails(), with a last line that says which option takes it all the same."""
        done = self.restored(snapshot, name, *options, code=1)
        self.assertEqual((done.stdout, done.stderr.count(b"\n")), (b"", lines))
        self.pxds("restore", self.store, snapshot, name, self.out, *options, code=1)
        self.assertFalse(os.path.exists(self.out))
        return done.stderr.decode()

    def test_a_manifest_in_another_place(self):
        first, second = self.backup(*self.with_key, group="vm/1"), self.backup(*self.with_key, group="vm/2")
        for name in os.listdir(os.path.join(self.store, second)):
            write(os.path.join(self.store, first, name), read(os.path.join(self.store, second, name)))
        for options in ([], ["--allow-unsigned"]):
            self.assertIn(f"that of {second}", self.fails(first, "a.didx", *self.with_key, *options))
            self.assertIn(f"that of {second}",
                          self.error("manifest", "verify", self.store, first, *self.with_key, *options))
        done = self.pxds("verify", self.store, first, *self.with_key, code=1)
        self.assertIn(f"that of {second}", done.stdout.decode())
        self.pxds("verify", self.store, second, *self.with_key)
        # Without the key it can be had by those who are content with that.
        done = self.pxds("files", self.store, first)
        self.assertEqual(done.stdout.count(b".didx"), 1)

    def test_salvage(self):
        snapshot, plain = self.backup(*self.with_key, group="host/s"), self.backup(group="host/p")
        for path in (snapshot, plain):
            write(os.path.join(self.store, path, "index.json.blob"), b"")
        for name in ("a.didx", "b.fidx", "c.blob"):
            self.assertIn("--skip-bad", self.refused(plain, name))
            done = self.restored(plain, name, "--skip-bad")
            self.assertTrue(done.stdout == self.data)
            self.assertIn(b"counts as none", done.stderr)
            self.assertIn("--skip-bad with --allow-unsigned", self.refused(snapshot, name, *self.with_key))
            message = self.refused(snapshot, name, *self.with_key, "--skip-bad", lines=3)
            self.assertIn("--allow-unsigned", message)
            done = self.restored(snapshot, name, *self.with_key, "--skip-bad", "--allow-unsigned")
            self.assertTrue(done.stdout == self.data)

    def test_verify(self):
        """Which key has signed what, and how that ends."""
        sealed, plain = self.backup(*self.with_key, group="host/s"), self.backup(group="host/p")
        unsigned = f"{plain} not vouched for: it is not signed\n"
        done = self.pxds("verify", self.store, *self.with_key, code=5)
        self.assertEqual(done.stdout.decode(), f"{unsigned}{sealed} ok\n")
        self.assertIn(b"1 of 2 snapshots is good as far as can be seen, but not signed", done.stderr)
        done = self.pxds("verify", self.store, *self.with_key, "--allow-unsigned")
        self.assertEqual((done.stdout.decode(), done.stderr), (f"{plain} ok\n{sealed} ok\n", b""))
        for options in ([], ["--allow-unsigned"]):
            done = self.pxds("verify", self.store, sealed, *self.other, *options, code=5)
            self.assertIn("the key was not used", done.stdout.decode())
        row = json.loads(self.pxds("verify", self.store, sealed, *self.other, "--json", code=5).stdout)
        self.assertEqual(list(row)[4:], ["errors", "ok", "outcome", "reason", "repaired"])
        self.assertEqual((row["ok"], row["outcome"], row["errors"]), (None, "unvouched", []))
        self.assertIn("the key was not used", row["reason"])
        self.forge(sealed)
        done = self.pxds("verify", self.store, *self.with_key, code=1)
        self.assertIn(f"{sealed} index.json.blob: manifest: the signature is wrong\n", done.stdout.decode())

    def test_a_backup_that_fails_makes_nothing(self):
        before = support.tree(self.store)
        arguments = ["backup", self.store, "host/a", f"a.didx={self.input}"]
        self.error(*arguments, "--key", self.key, *self.password("wrong horse"))
        self.error(*arguments, "--key", self.path("missing"))
        self.error(*arguments, "--crypt-mode", "encrypt", code=2)
        self.error(*arguments, "--crypt-mode", "sign-only", code=2)
        self.error(*arguments, "--crypt-mode", "none", *self.other, code=2)
        self.assertEqual(support.tree(self.store), before)
        self.assertFalse(os.path.exists(os.path.join(self.store, "host")))

    def test_manifest_verify(self):
        signed = self.backup(*self.with_key, "--crypt-mode", "sign-only", group="host/s")
        sealed = self.backup(*self.with_key, group="host/e")
        plain = self.backup(group="host/p")
        command = ["manifest", "verify", self.store]
        for snapshot in (signed, sealed):
            for options in ([], ["--allow-unsigned"]):
                done = self.pxds(*command, snapshot, *self.with_key, *options)
                self.assertEqual(done.stdout.decode(), f"{snapshot}: the signature is valid\n")
                message = self.error(*command, snapshot, *self.other, *options)
                self.assertIn("key", message)
        done = self.pxds(*command, plain, *self.with_key, "--allow-unsigned")
        self.assertEqual(done.stdout.decode(), f"{plain}: not signed\n")
        message = self.error(*command, plain, *self.with_key)
        self.assertIn("is not signed", message)
        self.pxds("notes", self.store, signed, "--set", "other notes")
        self.pxds(*command, signed, *self.with_key)
        self.forge(signed)
        done = self.pxds(*command, signed, *self.with_key, code=1)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"signature", done.stderr)
        self.error(*command, "host/none/" + TIME, *self.with_key)

    def test_put_and_get(self):
        index = os.path.join(self.store, "a.didx")
        self.pxds("put", self.store, self.input, index, *self.with_key)
        self.assertEqual(self.chunks_with(self.data[1000:1100]), [])
        done = self.pxds("get", self.store, index, "-", *self.with_key)
        self.assertTrue(done.stdout == self.data)
        for options in ([], self.other, ["--key", self.key, *self.password("wrong horse")]):
            self.error("get", self.store, index, self.out, *options)
            self.assertFalse(os.path.exists(self.out))
        self.pxds("put", self.store, self.input, index + "2")
        done = self.pxds("get", self.store, index + "2", "-", *self.with_key)
        self.assertTrue(done.stdout == self.data)
        self.assertNotEqual(read(index)[4096:], read(index + "2")[4096:])

    def test_blob(self):
        for options in ([], ["--compress"]):
            text = b"a text " * 1000
            blob = self.pxds("blob", "encode", "-", *self.with_key, *options, input=text).stdout
            self.assertNotIn(b"a text", blob)
            self.assertEqual(len(blob) < len(text), bool(options))
            info = self.pxds("blob", "info", "-", input=blob).stdout.decode()
            self.assertRegex(info, "(?m)^crypt mode: encrypt$")
            decoded = self.pxds("blob", "decode", "-", *self.with_key, input=blob).stdout
            self.assertEqual(decoded, text)
            for key in ([], self.other):
                done = self.pxds("blob", "decode", "-", *key, input=blob, code=1)
                self.assertEqual(done.stdout, b"")
        plain = self.pxds("blob", "encode", "-", input=b"data").stdout
        done = self.pxds("blob", "decode", "-", *self.with_key, input=plain)
        self.assertEqual(done.stdout, b"data")

    def test_usage(self):
        secret, fd = self.password("correct horse"), ["--password-fd", "0"]
        new_file, new_fd = ["--new-password-file", "x"], ["--new-password-fd", "0"]
        key = ["--key", self.key]
        for arguments in (
            ["key"],
            ["key", "create"],
            ["key", "remove", self.path("x")],
            ["key", "create", self.path("x"), "--kdf", "argon2"],
            ["key", "create", self.path("x"), *secret, *fd],
            ["key", "create", self.path("x"), *secret, *new_file],
            ["key", "create", self.path("x"), *fd, *new_fd],
            ["key", "create", self.path("x"), "--password-fd", "-1"],
            ["key", "create", self.path("x"), "--password-fd", "1K"],
            ["key", "create", self.path("x"), "--password", "correct horse"],
            ["key", "show", self.key, "--kdf", "none"],
            ["key", "show", self.key, "--hint", "x"],
            ["key", "show", self.key, *new_fd],
            ["key", "change-password", self.key, *fd, *new_fd],
            ["key", "change-password", self.key, *secret, *new_file, *new_fd],
            ["manifest", "verify", self.store, "host/a/" + TIME],
            ["manifest", "show", self.store, "host/a/" + TIME, *key],
            ["manifest", "show", self.store, "host/a/" + TIME, "--allow-unsigned"],
            ["restore", self.store, "host/a/" + TIME, "a.didx", self.out, "--allow-unsigned"],
            ["verify", self.store, "--allow-unsigned"],
            ["manifest", "sign", self.store, "host/a/" + TIME],
            ["restore", self.store, "host/a/" + TIME, "a.didx", self.out, *secret],
            ["restore", self.store, "host/a/" + TIME, "a.didx", self.out, *key, *secret, *fd],
            ["backup", self.store, "host/a", "a.didx=-", *key, *fd],
            ["backup", self.store, "host/a", f"a.didx={self.input}", "--crypt-mode", "both"],
            ["put", self.store, "-", self.path("x"), *key, *fd],
            ["get", self.store, self.path("x"), self.out, *secret],
            ["blob", "encode", "-", *key, *fd],
            ["blob", "info", "-", *key],
            ["list", self.store, *key],
        ):
            with self.subTest(arguments=arguments):
                self.pxds(*arguments, code=2, input=b"correct horse")
        self.assertFalse(os.path.exists(self.path("x")))


class MadeByPbs(KeyCase):
    def test_store(self):
        store = self.path("store")
        with tarfile.open(os.path.join(VECTORS, "store", "store.tar.gz")) as archive:
            archive.extractall(store, filter="data")
        facts = json.loads(read(os.path.join(VECTORS, "store", "store.json")))
        date = "2020-06-26T13:56:05+00:00"
        data = base64.b64encode(bytes.fromhex(facts["key"])).decode()
        text = {"kdf": None, "created": date, "modified": date, "data": data}
        key = ["--key", self.file("pbs-key", json.dumps(text))]
        other = ["--key", self.plain_key()]
        encrypted = 0
        for path, content in facts["contents"].items():
            snapshot, name = path.rsplit("/", 1)
            done = self.pxds("restore", store, snapshot, name, "-", *key, "--allow-unsigned")
            self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), content["sha256"], path)
            self.assertNotIn(b"signature", done.stderr)
            if content["encrypted"]:
                encrypted += 1
                self.error("restore", store, snapshot, name, self.path("out"), *other)
                self.assertFalse(os.path.exists(self.path("out")))
        self.assertEqual(encrypted, 3)
        said = re.compile(r": (the signature is valid|not signed)\n\Z")
        states = {}
        for snapshot in {path.rsplit("/", 1)[0] for path in facts["contents"]}:
            if not os.path.exists(os.path.join(store, snapshot, "index.json.blob")):
                self.error("manifest", "verify", store, snapshot, *key)
                self.error("manifest", "verify", store, snapshot, *key, "--allow-unsigned")
                continue
            shown = json.loads(self.pxds("manifest", "show", store, snapshot).stdout)
            done = self.pxds("manifest", "verify", store, snapshot, *key, "--allow-unsigned")
            states[snapshot] = said.search(done.stdout.decode())[1]
            signed = shown.get("signature") is not None
            self.assertEqual(states[snapshot] == "the signature is valid", signed)
            self.pxds("manifest", "verify", store, snapshot, *key, code=0 if signed else 1)
            self.pxds("manifest", "verify", store, snapshot, *other, code=1)
            self.pxds("manifest", "verify", store, snapshot, *other, "--allow-unsigned", code=1 if signed else 0)
        self.assertEqual(set(states.values()), {"the signature is valid", "not signed"})


class GoBlobs(KeyCase):
    """What versions of the Go package have encrypted: short ivs, long headers, digests by another second key."""

    def test_they_are_read_on_demand(self):
        data = b"The quick brown fox jumps over the lazy dog"
        id_key = bytes.fromhex("23b87bd882ee10a3f9d7e4e7c23adc523a5ce832b8d6fc2639d45d9505b1a52e")
        sealed = bytes.fromhex("2996fd3638bc53d0a1556a6f600e0773b13f362e71b73ac194d98d113b2674af388c776f94dc17cf1a59f5")
        seal = bytes.fromhex("101112131415161718191a1b00000000" "1ac828f6749dd32b4df0c4c7c0ae187c")
        crc = zlib.crc32(sealed).to_bytes(4, "little")
        blob = bytes.fromhex("7b6785be222d4cf0") + crc + seal + bytes(4) + sealed
        digest = hashlib.sha256(data + id_key).digest()
        entry = len(data).to_bytes(8, "little") + digest
        head = bytes.fromhex("1c914ea519bab3cd") + bytes(24) + hashlib.sha256(entry).digest()

        store, index, key, out = (self.path(name) for name in ("store", "a.didx", "key", "out"))
        self.pxds("init", store)
        write(index, head.ljust(4096, b"\0") + entry)
        chunk = os.path.join(store, ".chunks", digest.hex()[:2], digest.hex())
        os.makedirs(os.path.dirname(chunk), exist_ok=True)
        write(chunk, blob)
        write(key, json.dumps({
            "kdf": None, "created": "2023-11-14T22:13:20Z", "modified": "2023-11-14T22:13:20Z",
            "data": base64.b64encode(bytes(range(32))).decode(),
        }).encode())

        self.error("get", store, index, out, "--key", key)
        self.assertFalse(os.path.exists(out))
        self.pxds("get", store, index, out, "--key", key, "--go-blobs")
        self.assertEqual(read(out), data)
        self.assertEqual(self.pxds("blob", "decode", chunk, "--key", key, "--go-blobs").stdout, data)
        self.assertIn("--key", self.error("get", store, index, out, "--go-blobs", code=2))

if __name__ == "__main__":
    support.main()
