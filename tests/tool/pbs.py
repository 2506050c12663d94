"""The tool beside Proxmox Backup Server: what that is configured to do with a store."""

import ctypes
import os
import subprocess

import mounts
import support
from support import TOOL, random_data, read, write

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def heed_modes():
    """For root, too, a file of mode 0 may not be read after this and an exec."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


class Pbs(mounts.MountCase):
    """A /run of our own, and an /etc where that is needed: the names below them are PBS's."""

    notice_of_pbs = True

    def setUp(self):
        super().setUp()
        self.mount("-t", "tmpfs", "none", "/run")
        self.store = self.path("store")
        self.pxds("init", self.store)
        write(self.path("file"), random_data(100000))
        self.config = self.path("datastore.cfg")
        self.snapshot = self.backup()

    def backup(self, *options):
        done = self.pxds("backup", self.store, "host/x", f"a.didx={self.path('file')}", *options)
        return done.stdout.decode().split()[0].rstrip(":")

    def configure(self, *lines, more="", path=None):
        text = "".join(f"\t{line}\n" for line in lines)
        write(path or self.config, f"datastore: s1\n\tpath {self.store}\n{text}\n{more}".encode())
        return ("--pbs-config", path or self.config)

    def test_the_name_comes_from_the_configuration(self):
        option = self.configure()
        self.pxds("protect", self.store, self.snapshot, *option)
        self.assertEqual(os.listdir("/run/proxmox-backup/locks"), ["s1"])
        self.pxds("unprotect", self.store, self.snapshot, *option, "--pbs-store", "s1")
        message = self.error("protect", self.store, self.snapshot, *option, "--pbs-store", "s2")
        self.assertIn("the store is called s1, not s2", message)
        self.assertEqual(os.listdir("/run/proxmox-backup/locks"), ["s1"])
        write(self.config, b"datastore: s1\n\tpath /nowhere\n")
        message = self.error("protect", self.store, self.snapshot, *option, "--pbs-store", "s1")
        self.assertIn("no store has this directory", message)
        self.pxds("protect", self.store, self.snapshot, *option)

    def test_the_file_where_pbs_has_it(self):
        self.mount("-t", "tmpfs", "none", "/etc")
        os.mkdir("/etc/proxmox-backup")
        self.configure("maintenance-mode offline", path="/etc/proxmox-backup/datastore.cfg")
        self.assertIn("maintenance mode offline", self.error("list", self.store, code=3))
        os.unlink("/etc/proxmox-backup/datastore.cfg")
        self.pxds("list", self.store)

    def test_a_file_that_may_not_be_read_is_told_of(self):
        self.mount("-t", "tmpfs", "none", "/etc")
        os.mkdir("/etc/proxmox-backup")
        config = "/etc/proxmox-backup/datastore.cfg"
        self.configure("maintenance-mode offline", path=config)
        os.chmod(config, 0)

        def protect(*options):
            return subprocess.run([TOOL, "protect", self.store, self.snapshot, *options], capture_output=True,
                                  check=False, preexec_fn=heed_modes)

        done = protect("--pbs-store", "s2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr.decode(), f"^pxds: note: cannot open {config}: .*the store {self.store} s2 is bel")
        self.assertEqual(os.listdir("/run/proxmox-backup/locks"), ["s2"])
        # Whoever names the file wants it heeded.
        self.assertEqual(protect("--pbs-store", "s2", "--pbs-config", config).returncode, 1)

    def test_a_name_that_is_missing_is_told_of(self):
        protect = ("protect", self.store, self.snapshot)
        done = self.pxds(*protect, "--pbs-store", "s1")
        self.assertIn(b"warning: no Proxmox Backup Server is seen here", done.stderr)
        # The locks that were made so are no sign of one.
        self.assertTrue(os.path.isdir("/run/proxmox-backup/locks"))
        self.assertEqual(self.pxds(*protect).stderr, b"")
        write("/run/proxmox-backup/proxy.pid", b"1\n")
        self.assertIn(b"name it with --pbs-store", self.pxds(*protect).stderr)
        # A name is given, or it is known that there is none, or none is needed.
        for command in ((*protect, "--pbs-store", "s1"), ("list", self.store), ("index", self.store_index())):
            self.assertEqual(self.pxds(*command).stderr, b"", command)
        write(self.config, b"datastore: s1\n\tpath /nowhere\n")
        self.assertEqual(self.pxds(*protect, "--pbs-config", self.config).stderr, b"")

    def store_index(self):
        return os.path.join(self.store, self.snapshot, "a.didx")

    def test_read_only(self):
        option = self.configure("maintenance-mode type=read-only,message=\"disks, new\"")
        done = self.pxds("restore", self.store, self.snapshot, "a.didx", self.path("out"), *option)
        self.assertIn(b"the store s1 is in maintenance mode read-only: disks, new", done.stderr)
        self.assertEqual(read(self.path("out")), read(self.path("file")))
        for command in (["list"], ["verify", "--read-only"], ["gc", "--dry-run"], ["stat"],
                        ["get", self.store_index(), self.path("out")]):
            self.pxds(command[0], self.store, *command[1:], *option)
        before = sorted(os.walk(self.store))
        for command in (["backup", self.store, "host/x", f"a.didx={self.path('file')}"],
                        ["protect", self.store, self.snapshot], ["forget", self.store, self.snapshot],
                        ["notes", self.store, self.snapshot, "--set", "x"], ["gc", self.store],
                        ["verify", self.store], ["prune", self.store, "host/x", "--keep-last", "1"],
                        ["put", self.store, self.path("file"), self.path("new.didx")],
                        ["convert", self.store, "hex4"]):
            self.assertIn("is opened for reading only", self.error(*command, *option))
        self.assertEqual(sorted(os.walk(self.store)), before)

    def test_a_store_that_is_not_to_be_used(self):
        for mode in ("offline", "delete", "unmount", "s3-refresh"):
            option = self.configure(f"maintenance-mode type={mode}")
            for command in (["list", self.store], ["stat", self.store], ["files", self.store, self.snapshot],
                            ["get", self.store, self.store_index(), self.path("out")],
                            ["verify", self.store, "--read-only"], ["gc", self.store, "--dry-run"]):
                self.assertIn(f"maintenance mode {mode}", self.error(*command, *option, code=3))
        other = self.path("other")
        self.pxds("init", other)
        message = self.error("copy", self.store, self.store_index(), other, self.path("new.didx"), *option, code=3)
        self.assertIn("maintenance mode s3-refresh", message)

    def test_tuning(self):
        chunk = os.path.join(self.store, ".chunks/00/" + 64 * "0")
        os.makedirs(os.path.dirname(chunk), exist_ok=True)
        for lines, options, goes in (([], (), False), (["tuning gc-atime-cutoff=60"], (), True),
                                     (["tuning gc-atime-cutoff=60"], ("--cutoff", "300"), False)):
            write(chunk, b"what nothing needs")
            two_hours_ago = os.stat(chunk).st_mtime - 7200
            os.utime(chunk, (two_hours_ago, two_hours_ago))
            self.pxds("gc", self.store, *options, *self.configure(*lines))
            self.assertEqual(os.path.exists(chunk), not goes, lines)
        self.assertIn("gc-atime-cutoff", self.error("gc", self.store, *self.configure("tuning gc-atime-cutoff=0")))

    def test_stores_in_one_another(self):
        option = self.configure(more=f"datastore: s2\n\tpath {self.store}/below\n")
        self.assertIn("the store s2", self.error("gc", self.store, *option))
        self.pxds("list", self.store, *option)

    def test_a_store_in_s3(self):
        option = self.configure("backend type=s3,client=c,bucket=b")
        self.pxds("list", self.store, *option)
        self.assertIn("S3", self.error("gc", self.store, *option))
        self.assertIn("S3", self.error("forget", self.store, self.snapshot, *option))


if __name__ == "__main__":
    support.main(before=mounts.enter)
