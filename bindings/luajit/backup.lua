-- Backs a file up, lists the snapshots, and restores the file: luajit backup.lua STORE FILE RESTORED
local ffi, path, file, restored = require("ffi"), unpack(arg)
if not restored then error("usage: luajit backup.lua STORE FILE RESTORED", 0) end

-- What the library declares is installed with it.
local data = io.popen("pkg-config --variable=pkgdatadir pxds"):read("*l") or error("no pxds for pkg-config", 0)
ffi.cdef(assert(io.open(data .. "/pxds.cdef.h")):read("*a"))
local pxds, err = ffi.load("libpxds.so.0"), ffi.new("pxds_error *[1]")
assert(pxds.pxds_abi_version() == pxds.PXDS_ABI_VERSION, "libpxds has another ABI than its declarations")

-- Calls a function with `err`, and before that, if it makes an object of the type `kind`, an output. Gives the object.
local function call(kind, name, ...)
    local out, arguments, n = kind and ffi.new(kind .. " *[1]"), {...}, select("#", ...)
    if kind then n, arguments[n + 1] = n + 1, out end
    arguments[n + 1] = err
    if pxds[name](unpack(arguments, 1, n + 1)) < 0 then
        error(ffi.string(pxds.pxds_error_message(ffi.gc(err[0], pxds.pxds_error_free))), 0)
    end
    return kind and ffi.gc(out[0], pxds[kind .. "_free"]) -- which frees it when Lua forgets it
end

local store = call("pxds_store", "pxds_store_open_or_create", path, nil)
local backup = call("pxds_backup", "pxds_backup_new", store, "host/laptop", nil)
call(nil, "pxds_backup_add_file", backup, "letter.didx", file, nil, nil, nil)
call(nil, "pxds_backup_finish", backup)
local list = call("pxds_snapshot_list", "pxds_store_snapshots", store, nil, pxds.PXDS_LIST_MANIFESTS)
for i = 0, tonumber(pxds.pxds_snapshot_list_count(list)) - 1 do
    local entry = ffi.new("pxds_snapshot_entry", {struct_size = ffi.sizeof("pxds_snapshot_entry")})
    call(nil, "pxds_snapshot_list_get", list, i, entry)
    print(("%s: %d bytes"):format(ffi.string(entry.path), tonumber(entry.size)))
end
local snapshot = call("pxds_snapshot", "pxds_snapshot_open", store, pxds.pxds_backup_snapshot(backup), nil, 0)
call(nil, "pxds_snapshot_restore_file", snapshot, "letter.didx", restored, nil)
