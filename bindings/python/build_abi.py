"""Makes pxds._abi of the declarations, when the package is built: to read them takes half a second. No C compiler."""

import cffi

ffi = cffi.FFI()
with open("pxds.cdef.h", encoding="ascii") as file:
    ffi.cdef(file.read())
ffi.set_source("pxds._abi", None)
