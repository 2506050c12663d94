"""What pyproject.toml cannot say: the version is that of the declarations, which cffi makes a module of."""

import os
import re
import sys

from setuptools import setup

DECLARATIONS = "pxds.cdef.h"

if not os.path.exists(DECLARATIONS):
    sys.exit(f"{os.path.abspath(DECLARATIONS)} is missing, in the source tree of pxds a link to bindings/ffi: install "
             "the wheel that `make wheel` leaves in build/wheel, or copy the directory with links followed, `cp -rL`.")

with open(DECLARATIONS, encoding="ascii") as file:
    version = re.findall(r"PXDS_VERSION_(?:MAJOR|MINOR|PATCH) = (\d+)", file.read())

setup(version=".".join(version), cffi_modules=["build_abi.py:ffi"])
