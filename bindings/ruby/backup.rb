# Backs a file up, lists the snapshots, and restores the file: ruby backup.rb STORE FILE RESTORED
require "fiddle/import"

# The library, as its declarations say, which are installed with it.
module Pxds
  extend Fiddle::Importer
  data = `pkg-config --variable=pkgdatadir pxds`.chomp
  abort "no pxds for pkg-config" if data.empty?
  DECLARATIONS = File.read("#{data}/pxds.cdef.h")
  def self.constant(name) = DECLARATIONS[/\b#{name} = (-?\d+)/, 1].to_i

  dlload "libpxds.so.0"
  extern "uint32_t pxds_abi_version()"
  abort "libpxds has another ABI than its declarations" if pxds_abi_version != constant("PXDS_ABI_VERSION")
  typealias "pxds_status", "int"
  DECLARATIONS.scan(/^(?!typedef)[\w ]+\*?pxds_\w+\([^;]*\);/) { |text| extern text.gsub(/pxds_\w+_fn/, "void *") }
  Entry = struct(DECLARATIONS[/\{([^{}]*)\n\} pxds_snapshot_entry;/, 1].split(";").map(&:strip))

  # Calls a function with `err`, and before that, if it makes an object of the type `kind`, an output. Gives the object.
  def self.call(kind, name, *arguments)
    out, err = Array.new(2) { Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE) }
    arguments << out if kind
    if public_send(name, *arguments, err).negative?
      error = Fiddle::Pointer.new(err.ptr.to_i, 0, handler["pxds_error_free"])
      raise pxds_error_message(error).to_s.force_encoding("UTF-8")
    end
    Fiddle::Pointer.new(out.ptr.to_i, 0, handler["#{kind}_free"]) if kind # which frees it when Ruby forgets it
  end
end

path, file, restored = ARGV
abort "usage: ruby backup.rb STORE FILE RESTORED" unless restored
store = Pxds.call("pxds_store", "pxds_store_open_or_create", path, nil)
backup = Pxds.call("pxds_backup", "pxds_backup_new", store, "host/laptop", nil)
Pxds.call(nil, "pxds_backup_add_file", backup, "letter.didx", file, nil, nil, nil)
Pxds.call(nil, "pxds_backup_finish", backup)
list = Pxds.call("pxds_snapshot_list", "pxds_store_snapshots", store, nil, Pxds.constant("PXDS_LIST_MANIFESTS"))
Pxds.pxds_snapshot_list_count(list).times do |i|
  entry = Pxds::Entry.malloc(Fiddle::RUBY_FREE)
  entry.struct_size = Pxds::Entry.size
  Pxds.call(nil, "pxds_snapshot_list_get", list, i, entry)
  puts "#{entry.path}: #{entry.size} bytes"
end
snapshot = Pxds.call("pxds_snapshot", "pxds_snapshot_open", store, Pxds.pxds_backup_snapshot(backup), nil, 0)
Pxds.call(nil, "pxds_snapshot_restore_file", snapshot, "letter.didx", restored, nil)
