"""The tool, build/pxds, with key files: made, shown, changed, their passwords, and terminals."""

import base64
import fcntl
import json
import os
import select
import signal
import stat
import termios
import time

import support
from key_case import KeyCase
from support import ROOT, TOOL, epoch, read, write

VECTORS = os.path.join(ROOT, "tests", "vectors")
KEY_FILES = os.path.join(VECTORS, "keys")
FACTS = json.loads(read(os.path.join(KEY_FILES, "keys.json")))
EPOCH = "1593179765"
WRONG_TAG = "the password is wrong"


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


if __name__ == "__main__":
    support.main()
