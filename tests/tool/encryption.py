"""The tool with keys: encrypted and signed snapshots, those that PBS has made, and blobs of the Go package."""

import base64
import hashlib
import json
import os
import re
import tarfile
import zlib

import support
from key_case import KeyCase
from support import ROOT, random_data, read, write

VECTORS = os.path.join(ROOT, "tests", "vectors")
TIME = "2020-06-26T13:56:05Z"


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
