"""What pyproject.toml cannot say: the version is that of the declarations, which cffi makes a module of."""

import re

from setuptools import setup

with open("pxds.cdef.h", encoding="ascii") as file:
    version = re.findall(r"PXDS_VERSION_(?:MAJOR|MINOR|PATCH) = (\d+)", file.read())

setup(version=".".join(version), cffi_modules=["build_abi.py:ffi"])
