"""The Python package, installed: what it is for, its errors, and its manners. `python tests/python/package` runs it."""

import ast
import contextlib
import datetime
import os
import pathlib
import pickle
import re
import subprocess
import sys
import typing
import unittest

import pxds
from pxds import _core, values

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tool"))

import support  # noqa: E402
from arguments import Arguments  # noqa: E402, F401
from common import kit  # noqa: E402
from errors import Errors  # noqa: E402, F401
from files import Files  # noqa: E402, F401
from handles import Handles, Interpreters, Structures  # noqa: E402, F401
from lower import Lower  # noqa: E402, F401
from snapshots import Snapshots  # noqa: E402, F401

# Handles that have no class of their own, and what stands for them.
WITHOUT_CLASS = {"pxds_error": "PxdsError", "pxds_buffer": "bytes"}
# Functions that only the raw API has, and why.
RAW_ONLY = {
    "pxds_blob_encode", "pxds_blob_decode",  # into buffers of the caller's
    "pxds_blob_decode_borrow", "pxds_blob_encode_bound", "pxds_blob_update_crc", "pxds_blob_get_header_len",
    "pxds_blob_magic_is_compressed", "pxds_blob_magic_is_encrypted",
    "pxds_blob_header_read", "pxds_blob_header_write", "pxds_blob_encrypted_header_read",
    "pxds_blob_encrypted_header_write", "pxds_index_header_read", "pxds_index_header_write",
    "pxds_abi_version",  # which the package asks when it loads the library
    "pxds_error_status", "pxds_status_message", "pxds_prune_mark_name", "pxds_version_number",
}
# Structures whose classes have other names, and the fields that a class leaves out.
RESULTS = {
    "StoredChunk": "pxds_ingest_chunk", "KeyFileInfo": "pxds_keyfile_info", "IndexChunk": "pxds_index_chunk_info",
    "Damage": "pxds_verify_damage", "Verified": "pxds_verify_done", "SnapshotInfo": "pxds_snapshot_entry"}
NOT_SHOWN = {"pxds_snapshot_entry": {"flags", "path", "ns", "id"}}


# Modules that take long, and that most programs can do without.
HEAVY = {"typing", "datetime", "json", "re", "contextlib", "logging", "uuid", "pathlib", "tempfile"}
IMPORTED = """
import sys
before = set(sys.modules)
import pxds
pxds.version()
print(*sorted(set(sys.modules) - before))
"""


class Whole(unittest.TestCase):
    """Nothing of the C API is out of reach."""

    def test_the_start_is_light(self):
        """What the package imports at once; without the site, which may import anything before."""
        path = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run([sys.executable, "-S", "-c", IMPORTED], capture_output=True, text=True, check=True,
                              env={**os.environ, "PYTHONPATH": path})
        imported = set(done.stdout.split())
        self.assertLess({"pxds.store", "pxds.tree"}, imported)
        self.assertEqual(imported & HEAVY, set())

    def test_annotations(self):
        """Programs may name the types of arguments, and derive from options and results."""
        self.assertEqual((pxds.Bytes, pxds.Time), (typing.Union[bytes, bytearray, memoryview],
                                                   typing.Union[int, datetime.datetime]))
        self.assertIn(str, typing.get_args(pxds.Path))
        self.assertTrue(issubclass(pxds.Listing[str], list))
        self.assertEqual(pxds.IngestOptions(threads=1), {"threads": 1})
        self.assertLess(set(pxds.RestoreOptions.__annotations__), set(pxds.RestorerOptions.__annotations__))
        self.assertNotIn("key", pxds.RestoreOptions.__annotations__)
        name = pxds.GroupName("host", "x")
        self.assertEqual((name, name.ns, name._fields), (("host", "x", ""), "", ("type", "id", "ns")))
        self.assertEqual((repr(name), str(name)), ("GroupName(type='host', id='x', ns='')", "host/x"))
        self.assertEqual(pickle.loads(pickle.dumps(name)), name)
        self.assertIn("parts of a group's path", pxds.GroupName.__doc__)
        with self.assertRaisesRegex(AttributeError, "module 'pxds' has no attribute 'Paths'"):
            pxds.Paths

    def test_nouns(self):
        def below(cls):
            return {each for sub in cls.__subclasses__() for each in {sub, *below(sub)}}
        have = {cls._type for cls in below(pxds.Handle) if cls._type}
        self.assertEqual(have | set(WITHOUT_CLASS), set(kit()["handles"]))

    def test_functions(self):
        """Those that the tests above have not used are named here."""
        used = set(vars(pxds.lib))
        if "pxds_backup_finish" not in used:
            self.skipTest("the other tests have not run")
        self.assertEqual(set(kit()["functions"]) - used, RAW_ONLY)
        self.assertEqual({name for name in RAW_ONLY if not callable(getattr(pxds.lib, name))}, set())

    def test_results(self):
        """Every field of a result is in the class for it."""
        classes = [cls for cls in vars(values).values() if isinstance(cls, type) and issubclass(cls, _core.Record)]
        self.assertGreater(len(classes), 20)
        for cls in {*classes, _core.Progress} - {_core.Record}:
            name = RESULTS.get(cls.__name__) or "pxds_" + re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
            fields = {field["name"] for field in kit()["structs"][name]["fields"]} - {"struct_size", "reserved"}
            have = set(cls._names()) - set(cls._flags)
            self.assertEqual(fields - have - NOT_SHOWN.get(name, {"flags"}), set(), name)
            self.assertEqual(have - fields, set(), name)

    def test_options(self):
        """Every option, and every flag, has its name as an argument."""
        package = pathlib.Path(pxds.__file__).parent
        text = "".join(path.read_text() for path in package.glob("*.py") if path.name != "_abi.py")
        for name, struct in kit()["structs"].items():
            for field in struct["fields"] if name.endswith("_options") else ():
                if not re.match(r"struct_size|reserved|flags|\w+_user$", field["name"]):
                    self.assertTrue(re.search(rf"\b{field['name']}=", text), f"{name}.{field['name']}")
        for name, constant in kit()["constants"].items():
            if re.search(r"_options\.flags|\bflags?\b", constant["doc"].split(":")[0], re.IGNORECASE):
                words = name.split("_")
                tails = {"_".join(words[i:]).lower() for i in range(2, len(words))}
                self.assertTrue(name in text or any(re.search(rf"\b{tail}=", text) or f'"{tail}"' in text
                                                    for tail in tails), name)

    def test_exports(self):
        for name in pxds.__all__:
            self.assertTrue(hasattr(pxds, name), name)
        tree = ast.parse(pathlib.Path(pxds.__file__).read_text())
        imported = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                    for alias in node.names}
        self.assertEqual(imported, set(pxds.__all__))
        with contextlib.suppress(AttributeError):
            self.fail(f"{pxds.lib.pxds_no_such_function}")


if __name__ == "__main__":
    support.main()
