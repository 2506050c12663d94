/* pxds: the Proxmox Backup Server datastore model as a C library.
 *
 * A chunk store holds data as chunks, each once, named by its digest; an index says which chunks make up a file.
 * Generated from src/ffi; do not edit. docs/format.md says what the bytes on disk mean; it is
 * installed as share/doc/pxds/format.md.
 *
 * CONVENTIONS
 *
 * Status.    A function that can fail returns a pxds_status: zero is success, positive an ordinary outcome, negative a
 *            failure. PXDS_NONE is the end of a list or an iteration, and anything that is ordinarily not there. To
 *            remove something that is not there is PXDS_ERR_NOT_FOUND; to set or clear something that is set or clear
 *            already is success.
 * Errors.    `err`, always last, may be NULL. Otherwise *err is written and never read: NULL, or an error object that
 *            the caller frees. It names path, offset, digest and errno. There is no global and no thread-local state.
 *            "Errors:" lists what a call is likely to meet. Besides, any call may give PXDS_ERR_NOMEM, INTERNAL or
 *            PANIC; one on an exclusive handle PXDS_ERR_BUSY or STATE; one that touches files PXDS_ERR_IO or NOT_FOUND.
 * Outputs.   Are reset at the start, so that a failure leaves NULL or zeros, unless the function says more. They must
 *            not overlap inputs.
 * Ownership. An object from **out is the caller's and is freed by the function of its type, which takes NULL, cannot
 *            fail and commits nothing. Handles keep what they need: the order of frees does not matter.
 * Bytes.     A pointer, then a length. NULL with length 0 is the empty slice. Paths are bytes that end in NUL.
 * Buffers.   The caller's, with a bound (PXDS_ERR_TOO_SMALL says how much is needed; nothing is ever truncated); or a
 *            pxds_buffer of the library's, with a maximum; or streaming.
 * Structs.   Begin with struct_size. Initialise them with their _INIT macro, outputs too; zero in a field of options
 *            is its default. What a library does not know is refused, so old and new mix safely. Times, uuids and
 *            other numbers are in them by value. Where zero may be meant, a flag _SET_ says that the field is given;
 *            without it the field has to be zero.
 * Callbacks. Return 0 to go on. Anything else stops the call with PXDS_ERR_CANCELLED, and comes back from
 *            pxds_error_callback_value(). They are called during the call only, on the calling thread (with
 *            PXDS_SOURCE_ANY_THREAD on others too), and must not use the handle that is calling, nor leave by longjmp
 *            or a C++ exception. A callback `x` of a structure is followed by `x_user`, one that is an argument by
 *            `user`: what it is handed.
 * Progress.  The options of every call that takes long end in `progress` and `progress_user`. Its phases are named
 *            PXDS_<CALL>_PHASE_...; where there is one phase, the options say what its units are.
 * Names.     A function that returns its value is called after it (pxds_reader_size); one that fills an output and
 *            returns a status is pxds_<noun>_get_<what>, or _find_. Listings are plural nouns. Text is made and read by
 *            _format and _parse, a file by _save and _load. The name of a constant is _name.
 * Constants. Those of one set begin alike, and no others do: flags of options with the name of the structure, phases
 *            with PXDS_<CALL>_PHASE_. Sizes and limits are named after what they are of.
 * Numbers.   In a structure x_size is the bytes of one thing, x_bytes those of several; a plural or x_count is how many
 *            there are. stored_ are the bytes of files in a store. Numbers about files are uint64_t: offsets, sizes,
 *            sums, and counts and numbers of chunks, indexes or snapshots. Numbers about memory are size_t: lengths of
 *            buffers, and counts and numbers of the elements of an array or list. A name stands for one of the two.
 * Locks.     A lock that another process, handle or thread holds is PXDS_ERR_BUSY, at once or after lock_wait_ms of the
 *            store's options. While a call waits it tells the progress callback of these, which can stop it.
 * Threads.   "Threads: any" functions and shared handles may be used by any number of threads at once. An exclusive
 *            handle takes one call at a time, on any thread: a second one is PXDS_ERR_BUSY. A handle that a call is
 *            using must not be freed.
 * fork().    A child may free what it inherited, and nothing else; that touches no file and no lock of the parent.
 * Panics.    A defect of the library is PXDS_ERR_PANIC, never an abort; the exclusive handle it struck is dead. (Rust's
 *            runtime notes it on stderr; the library itself prints nothing.)
 * Memory.    Memory that grows with data, with a listing or with a size that is read from outside is asked for first; a
 *            call that gets none is PXDS_ERR_NOMEM. Small allocations come out of 1 MiB that is set aside for when the
 *            system has none; a call that has used some of it does its work, or is PXDS_ERR_NOMEM at one of its next
 *            steps. Where there is little memory, threads give their buffers back, and fewer of them go on with smaller
 *            ones. The memory of the JSON parser is asked for before, all at once, unless it is small. A failed
 *            allocation still ends the process where others take that memory meanwhile, where the reserve is used up
 *            too, where the table of a reader's cache cannot grow, and for the 48 and 32 bytes that Rust's runtime and
 *            the C library keep of each thread.
 * Sharing.   Stores may be used by other programs, Proxmox Backup Server among them, at the same time.
 *
 * FUNCTIONS BY TASK (x_{a,b} is x_a and x_b)
 *
 * make snapshots  pxds_backup_{new,add_file,add_fd,add_stream,add_blob,add_index,add_sealed_key},
 *                 pxds_backup_{finish,snapshot,previous,free}
 * read snapshots  pxds_snapshot_{open,restore_file,open_reader,open_index,read_blob,get_manifest,signature,free}
 * list            pxds_store_{namespaces,groups,snapshots}, pxds_group_{snapshots,last}, pxds_snapshot_get_info;
 *                 pxds_{namespace,group,snapshot}_list_{count,get,is_complete,free},
 *                 pxds_snapshot_files, pxds_file_list_{count,get,free}
 * manage          pxds_snapshot_{protect,unprotect,get_notes,set_notes,set_unprotected,destroy,lock},
 *                 pxds_group_{create,get_owner,set_owner,get_notes,set_notes,destroy,lock}, pxds_lock_free,
 *                 pxds_namespace_{create,remove}
 * prune           pxds_group_prune, pxds_prune_list_{count,get,is_complete,free};
 *                 the decisions alone: pxds_prune_{mark,mark_name}
 * count           pxds_stats_{collect,get_total,get_shared,free}, pxds_stats_{group_count,get_group},
 *                 pxds_stats_{snapshot_count,get_snapshot}, pxds_dedup_factor
 * verify          pxds_store_verify
 * collect garbage pxds_store_{gc,get_gc_status}
 * PBS's settings  pxds_pbs_config_read
 * by hand         pxds_snapshot_create, pxds_manifest_{load,save}
 * open a store    pxds_store_{open,create,open_or_create,free},
 *                 pxds_store_{path,get_full_path,layout,convert,lock,sync}
 * store data      pxds_ingest_{new,write,read_fd,read,get_stats,finish,partial,free}
 * store an image  pxds_image_{new,write,read_fd,read,get_stats,finish,free};
 *                 what has changed: pxds_image_{reuse_bitmap,reuse_ranges,write_at}
 * restore         pxds_restorer_{new,write_file,write_fd,write,free};
 *                 a part: pxds_restorer_{write_range_file,write_range_fd,write_range,read_range}
 * read anywhere   pxds_reader_{new,read_at,get_extent,size,free}, pxds_cache_{new,free}
 * other sources   pxds_source_{new,from_store,get,free}, pxds_{restorer,reader}_new_from
 * copy chunks     pxds_store_{copy_chunks,copy_chunk}
 * indexes         pxds_index_{open,parse,check_path,get_info,get_chunk,get_chunks,find_chunk},
 *                 pxds_index_{compute_csum,check_csum,free};
 *                 pxds_index_writer_{new_dynamic,new_fixed,add,get_info,save,finish,free};
 *                 at a place of a fixed one: pxds_index_writer_{set,clone_index}
 * keys            pxds_key_{new,random,tolerant,digest,get_fingerprint,free}, pxds_fingerprint_{format,parse},
 *                 pxds_keyfile_{load,parse,get_info,unlock,new,save,format,free};
 *                 for a master key: pxds_master_{seal,recover}
 * single chunks   pxds_store_{insert,insert_verified,load,has,touch,mark_bad,get_chunk_path};
 *                 all of them: pxds_store_chunks, pxds_chunk_iter_{next,free}
 * single blobs    pxds_blob_codec_{new,free}, pxds_blob_{encode,encode_buffer,encode_bound},
 *                 pxds_blob_{decode,decode_buffer,decode_borrow}, pxds_blob_{parse,check_crc,update_crc},
 *                 pxds_blob_{verify_unencrypted,get_header_len,magic_is_compressed,magic_is_encrypted}
 * where to cut    pxds_chunker_{config_init,new,new_fixed,scan,reset,free};
 *                 the rolling hash alone: pxds_buzhash_{new,init,update,get_sum,reset,free}
 * names           pxds_{group,snapshot}_{format,parse}, pxds_time_{format,parse}, pxds_backup_type_{name,parse},
 *                 pxds_{archive,id,namespace}_check
 * manifests       pxds_manifest_{parse,get_info,get_file,find_file,verify_file,get_notes,get_unprotected,free},
 *                 pxds_manifest_{new,add_file,set_notes,set_unprotected,format};
 *                 signed: pxds_manifest_{sign,verify,get_signature,check_fingerprint,format_canonical};
 *                 of any JSON: pxds_json_canonical
 * headers         pxds_{blob,blob_encrypted,index}_header_{read,write}
 * errors          pxds_error_{message,status,path,get_offset,get_digest,errno,callback_value,free},
 *                 pxds_status_{name,message}
 * the rest        pxds_buffer_{data,len,free}, pxds_file_write, pxds_digest_{compute,format,parse},
 *                 pxds_{version,version_number,abi_version}
 */

#ifndef PXDS_H
#define PXDS_H

#include <stddef.h>
#include <stdint.h>

/** Flag of a result: something could not be seen or read, and is in no number. There was a notice for each. */
#define PXDS_RESULT_INCOMPLETE 1

/** Flag of a result: files of chunks have been looked at, as PXDS_STATS_EXACT asks for. */
#define PXDS_RESULT_EXACT 2

/** Level of a notice: worth knowing. */
#define PXDS_NOTICE_INFO 1

/** Level of a notice: something is off, and the work goes on. */
#define PXDS_NOTICE_WARNING 2

/** Major version of this header. */
#define PXDS_VERSION_MAJOR 0

/** Minor version of this header. */
#define PXDS_VERSION_MINOR 1

/** Patch version of this header. */
#define PXDS_VERSION_PATCH 0

/** The C ABI of this header: the number behind "libpxds.so.", moved only when a program must be recompiled. */
#define PXDS_ABI_VERSION 0

/** Bytes of a digest, which is a SHA-256 hash. */
#define PXDS_DIGEST_SIZE 32

/** Bytes of a digest in hexadecimal, with the NUL at its end. */
#define PXDS_DIGEST_HEX_SIZE 65

/** Type of a backup: a virtual machine, "vm". */
#define PXDS_TYPE_VM 0

/** Type of a backup: a container, "ct". */
#define PXDS_TYPE_CT 1

/** Type of a backup: a host, "host". */
#define PXDS_TYPE_HOST 2

/** Most components of a namespace. */
#define PXDS_NAMESPACE_MAX_DEPTH 7

/** Most bytes of a namespace, a/b/c. */
#define PXDS_NAMESPACE_MAX_LEN 256

/** Most bytes of a backup id. */
#define PXDS_ID_MAX_LEN 255

/** Bytes of a time, with its NUL: "2020-06-26T13:56:05Z". */
#define PXDS_TIME_SIZE 21

/** Kind of an archive: a dynamic index, ".didx". */
#define PXDS_ARCHIVE_DYNAMIC 1

/** Kind of an archive: a fixed index, ".fidx". */
#define PXDS_ARCHIVE_FIXED 2

/** Kind of an archive: a blob, ".blob". */
#define PXDS_ARCHIVE_BLOB 3

/** Bytes of a key. */
#define PXDS_KEY_SIZE 32

/** Bytes of a fingerprint. */
#define PXDS_FINGERPRINT_SIZE 32

/** Bytes of the text of a whole fingerprint, with its NUL. */
#define PXDS_FINGERPRINT_TEXT_SIZE 96

/** Bytes of the short text of a fingerprint, with its NUL. */
#define PXDS_FINGERPRINT_SHORT_SIZE 24

/** pxds_fingerprint_format() flag: the first eight bytes only, for messages. */
#define PXDS_FINGERPRINT_SHORT 1

/** Key derivation: scrypt, which takes 64 MiB of memory as well as time. */
#define PXDS_KDF_SCRYPT 0

/** Key derivation: PBKDF2 with HMAC-SHA256. */
#define PXDS_KDF_PBKDF2 1

/** Key derivation: none, the key is in the file as it is. */
#define PXDS_KDF_NONE 2

/** Bytes of the shortest password. */
#define PXDS_PASSWORD_MIN_LEN 5

/** pxds_keyfile_options.flags: `created` is given. */
#define PXDS_KEYFILE_SET_CREATED 1

/** pxds_keyfile_info.flags: the file states a fingerprint. */
#define PXDS_STATES_FINGERPRINT 1

/** pxds_keyfile_save() flag: replace a file that is there. */
#define PXDS_SAVE_REPLACE 1

/** Header bytes of an unencrypted blob. */
#define PXDS_BLOB_HEADER_SIZE 12

/** Header bytes of an encrypted blob. */
#define PXDS_BLOB_ENCRYPTED_HEADER_SIZE 44

/** Most plain bytes of a blob: 128 MiB. */
#define PXDS_BLOB_MAX_SIZE 134217728

/** Most bytes of an encoded blob. */
#define PXDS_BLOB_MAX_ENCODED_SIZE 134217772

/** Crypt mode: encrypted if a key is given, else not. */
#define PXDS_CRYPT_DEFAULT 0

/** Crypt mode: not encrypted. */
#define PXDS_CRYPT_NONE 1

/** Crypt mode: encrypted. */
#define PXDS_CRYPT_ENCRYPT 2

/** Crypt mode: not encrypted, but listed in a signed manifest. */
#define PXDS_CRYPT_SIGN_ONLY 3

/** pxds_blob_info.flags: the payload is a zstd stream, below the encryption if there is any. */
#define PXDS_BLOB_COMPRESSED 1

/** pxds_blob_info.flags: the payload is sealed. */
#define PXDS_BLOB_ENCRYPTED 2

/** Encoding flag: compress, with zstd at level 1, what becomes smaller by it. */
#define PXDS_ENCODE_COMPRESS 1

/** Encoding flag: encrypt with the codec's key. */
#define PXDS_ENCODE_ENCRYPT 2

/**
 * pxds_blob_codec_options.flags, and flag of pxds_key_tolerant(): read encrypted blobs with an iv of 12 bytes too, as
 * the Go package has written them, and accept the digests that it has made of their data.
 */
#define PXDS_CODEC_SHORT_IV 1

/**
 * pxds_blob_codec_options.flags, and flag of pxds_key_tolerant(): read encrypted blobs whose header is four zero bytes
 * too long too, as the Go package has written them.
 */
#define PXDS_CODEC_LONG_HEADER 2

/** Decoding flag: do not compare the CRC. */
#define PXDS_DECODE_SKIP_CRC 1

/** Bytes of the longest name in a file catalogue. */
#define PXDS_CATALOG_MAX_NAME 4095

/** Bytes that the rolling hash looks at. */
#define PXDS_CHUNKER_WINDOW 64

/** Average size of a chunk unless told otherwise: 4 MiB. */
#define PXDS_CHUNKER_DEFAULT_AVG 4194304

/** Layout of a new store: PXDS_LAYOUT_HEX2. */
#define PXDS_LAYOUT_DEFAULT 0

/** Layout: 256 chunk directories of two hexadecimal digits, made when they are needed. */
#define PXDS_LAYOUT_HEX2 1

/** Layout: 65536 chunk directories of four, made with the store: what Proxmox Backup Server uses. */
#define PXDS_LAYOUT_HEX4 2

/** Chunk directories of PXDS_LAYOUT_HEX2. */
#define PXDS_LAYOUT_HEX2_DIRS 256

/** Chunk directories of PXDS_LAYOUT_HEX4. */
#define PXDS_LAYOUT_HEX4_DIRS 65536

/** Sync level: PXDS_SYNC_FILESYSTEM. */
#define PXDS_SYNC_DEFAULT 0

/** Sync level: nothing is brought to the disk. */
#define PXDS_SYNC_NONE 1

/**
 * Sync level: each chunk, and its name, when it is inserted; the names of an ingest's chunks before its index is
 * saved, then the index. Before an index that re-uses chunks, which another program may not have synced, the whole
 * file system.
 */
#define PXDS_SYNC_FILE 2

/**
 * Sync level: the whole file system of the store once before an index is saved, or a snapshot finished; then the
 * index, or the snapshot's name.
 */
#define PXDS_SYNC_FILESYSTEM 3

/** pxds_store_options.flags: give new files to owner_uid and owner_gid. */
#define PXDS_STORE_SET_OWNER 1

/** pxds_store_options.flags: accept a store with both layouts; write four digits, read either. */
#define PXDS_STORE_MIXED 2

/**
 * pxds_store_options.flags, for pxds_store_open(): accept a directory without `.chunks`. Its snapshots can be listed;
 * what needs chunks is PXDS_ERR_NOT_FOUND.
 */
#define PXDS_STORE_BARE 4

/**
 * pxds_store_options.flags: make a store also where the file system may not keep access times. Garbage collection is
 * not safe there.
 */
#define PXDS_STORE_NO_ATIME_PROBE 8

/**
 * pxds_store_options.flags: make the directory of a new store with mode 0755, as Proxmox Backup Server does, and not
 * 0700. Files below it have the server's modes either way: other users may read owners, notes and small files there.
 */
#define PXDS_STORE_SHARED 16

/**
 * pxds_store_options.flags, for pxds_store_open(): open the store for reading only. Whatever would change it, and
 * every lock that only writers need, is PXDS_ERR_STATE.
 */
#define PXDS_STORE_READ_ONLY 32

/**
 * pxds_store_options.flags, for pxds_store_open(): the directory is the local cache of a store in S3. It is opened for
 * reading only, and whatever would change it is PXDS_ERR_UNSUPPORTED.
 */
#define PXDS_STORE_S3_CACHE 64

/**
 * pxds_store_options.flags: the directory is no such cache, whatever it looks like. Without this flag and the other
 * one a store of PXDS_LAYOUT_HEX4 is looked at before its first change: if at least 3 chunks of finished snapshots, of
 * 256 that are looked at, are empty files, or Proxmox Backup Server's mark `.using` stands for one, every change is
 * PXDS_ERR_UNSUPPORTED.
 */
#define PXDS_STORE_NOT_S3_CACHE 128

/** pxds_progress.phase of a store that is made; done, total: directories of chunks. */
#define PXDS_STORE_PHASE_CREATE 0

/** pxds_progress.phase of any call that waits for a lock; done: milliseconds, of `total` at most. */
#define PXDS_STORE_PHASE_LOCK 1

/**
 * Inserting flag: store any bytes, not only a blob. They must be as long as the header of a blob, 12 bytes, or 44 if
 * they begin with the magic of an encrypted one: a shorter file is no chunk for any other call.
 */
#define PXDS_INSERT_RAW 1

/** Loading flag: give any bytes, for salvage; neither structure nor CRC are checked. */
#define PXDS_LOAD_UNCHECKED 1

/** pxds_convert_options.flags: say what there is to do, and change nothing. */
#define PXDS_CONVERT_DRY_RUN 1

/** pxds_progress.phase of pxds_store_convert(): looking at what there is; units are directories. */
#define PXDS_CONVERT_PHASE_LOOK 0

/** pxds_progress.phase of pxds_store_convert(): making directories. */
#define PXDS_CONVERT_PHASE_MAKE 1

/** pxds_progress.phase of pxds_store_convert(): moving files. */
#define PXDS_CONVERT_PHASE_MOVE 2

/** pxds_progress.phase of pxds_store_convert(): removing directories. */
#define PXDS_CONVERT_PHASE_REMOVE 3

/** Kind of an index that is to be opened: either. */
#define PXDS_INDEX_ANY 0

/** Kind of an index: chunks of any size, a `.didx` file. */
#define PXDS_INDEX_DYNAMIC 1

/** Kind of an index: chunks of one size, a `.fidx` file. */
#define PXDS_INDEX_FIXED 2

/** Header bytes of an index file. */
#define PXDS_INDEX_HEADER_SIZE 4096

/** Bytes of an entry of a dynamic index. */
#define PXDS_INDEX_DYNAMIC_ENTRY_SIZE 40

/** Bytes of an entry of a fixed index. */
#define PXDS_INDEX_FIXED_ENTRY_SIZE 32

/** pxds_index_writer_new_fixed() flag: accept chunks without a digest; they stay zeros, which name no chunk. */
#define PXDS_WRITER_ALLOW_INCOMPLETE 1

/**
 * Mode of a lock. Of a store: as a writer, beside other writers, against garbage collection by other programs. Of a
 * snapshot: as a reader, beside other readers.
 */
#define PXDS_LOCK_SHARED 1

/**
 * Mode of a lock. Of a store: against every other program, and every other open handle, on it. Of a snapshot: alone.
 */
#define PXDS_LOCK_EXCLUSIVE 2

/** pxds_ingest_options.flags: store chunks uncompressed. */
#define PXDS_INGEST_NO_COMPRESS 1

/**
 * pxds_ingest_options.flags: a regular file that has changed while pxds_ingest_read_fd() read it is PXDS_ERR_STATE,
 * and not only a notice of the store's.
 */
#define PXDS_INGEST_STRICT 2

/** pxds_ingest_options.flags: `ctime` is given. */
#define PXDS_INGEST_SET_CTIME 4

/** pxds_ingest_options.flags: `uuid` is given. */
#define PXDS_INGEST_SET_UUID 8

/** pxds_image_new() size: not known; the image ends where its data does. */
#define PXDS_SIZE_UNKNOWN UINT64_MAX

/** pxds_image_options.flags: store chunks uncompressed. */
#define PXDS_IMAGE_NO_COMPRESS 1

/**
 * pxds_image_options.flags: a regular file that has changed while pxds_image_read_fd() read it is PXDS_ERR_STATE, and
 * not only a notice of the store's.
 */
#define PXDS_IMAGE_STRICT 2

/** pxds_image_options.flags: `ctime` is given. */
#define PXDS_IMAGE_SET_CTIME 4

/** pxds_image_options.flags: `uuid` is given. */
#define PXDS_IMAGE_SET_UUID 8

/**
 * Bytes of every chunk of an image but the last, unless told otherwise: the only ones that Proxmox Backup Server reads
 * in versions after 4.2.3.
 */
#define PXDS_PBS_IMAGE_CHUNK_SIZE 4194304

/**
 * pxds_source_options.flags: the callback may be called on threads that the library starts, on several at once, as
 * many as the options of a restorer or reader say. All have ended when the function returns that has started them.
 * Where each answer takes long, from another machine for example, the waiting is then shared.
 */
#define PXDS_SOURCE_ANY_THREAD 1

/** pxds_copy_options.flags: do not compare the csum in the header of the index with its entries, as for salvage. */
#define PXDS_COPY_ANY_CSUM 1

/** pxds_restorer_options.flags: do not compare the csum in the header of an index with its entries, as for salvage. */
#define PXDS_RESTORER_ANY_CSUM 1

/** pxds_restorer_options.flags: do not load chunks that are zeros by their digest; in files they become holes. */
#define PXDS_RESTORER_SPARSE 2

/** pxds_restorer_options.flags: put zeros in the place of bad chunks, even if there is no `on_bad` to tell. */
#define PXDS_RESTORER_SKIP_BAD 4

/** pxds_reader_options.flags: do not compare the csum in the header of the index with its entries, as for salvage. */
#define PXDS_READER_ANY_CSUM 1

/** pxds_reader_options.flags: read bad chunks as zeros, even if there is no `on_bad` to tell. */
#define PXDS_READER_SKIP_BAD 2

/** Most bytes of a JSON text, such as a manifest: 4 MiB. */
#define PXDS_JSON_MAX_SIZE 4194304

/** pxds_manifest_info.flags: there is a signature, which has not been checked. */
#define PXDS_MANIFEST_SIGNED 1

/** Signature: not checked, without a key or a manifest. */
#define PXDS_SIGNATURE_UNCHECKED 0

/** Signature: the manifest has none. */
#define PXDS_SIGNATURE_MISSING 1

/** Signature: it is right. */
#define PXDS_SIGNATURE_VALID 2

/** State of verification: none. */
#define PXDS_VERIFIED_NONE 0

/** State of verification: all was well the last time. */
#define PXDS_VERIFIED_OK 1

/** State of verification: something was wrong the last time. */
#define PXDS_VERIFIED_FAILED 2

/** Listing flag: the namespace itself and all below it, not only what is right in it. */
#define PXDS_LIST_RECURSIVE 1

/** Listing flag, of snapshots: with the owner of each group, from a small file. */
#define PXDS_LIST_OWNERS 2

/** Listing flag, of snapshots: with what their manifests say. Each is read for that. */
#define PXDS_LIST_MANIFESTS 4

/** pxds_snapshot_entry.flags: it is protected from being removed. */
#define PXDS_SNAPSHOT_PROTECTED 1

/** pxds_snapshot_entry.flags: it is finished, which is to say that it has a manifest. */
#define PXDS_SNAPSHOT_FINISHED 2

/** pxds_snapshot_entry.flags: it has a manifest that PXDS_LIST_MANIFESTS asked for and that cannot be read. */
#define PXDS_SNAPSHOT_UNREADABLE 4

/** pxds_destroy_options.flags: say what would be removed, and remove nothing. */
#define PXDS_DESTROY_DRY_RUN 1

/** A mark: it is kept. */
#define PXDS_MARK_KEEP 1

/** A mark: it is kept because it is the newest and not finished, so it may still be in the making. */
#define PXDS_MARK_KEEP_PARTIAL 2

/** A mark: it is kept because it is protected. */
#define PXDS_MARK_PROTECTED 3

/** A mark: it is to be removed. */
#define PXDS_MARK_REMOVE 4

/** pxds_prune_entry.kept_by: keep_last keeps it. */
#define PXDS_KEPT_BY_LAST 1

/** pxds_prune_entry.kept_by: keep_hourly. */
#define PXDS_KEPT_BY_HOURLY 2

/** pxds_prune_entry.kept_by: keep_daily. */
#define PXDS_KEPT_BY_DAILY 4

/** pxds_prune_entry.kept_by: keep_weekly. */
#define PXDS_KEPT_BY_WEEKLY 8

/** pxds_prune_entry.kept_by: keep_monthly. */
#define PXDS_KEPT_BY_MONTHLY 16

/** pxds_prune_entry.kept_by: keep_yearly. */
#define PXDS_KEPT_BY_YEARLY 32

/** pxds_prune_entry.kept_by: keep_good. */
#define PXDS_KEPT_BY_GOOD 64

/** pxds_prune_entry.kept_by: keep_within. */
#define PXDS_KEPT_BY_WITHIN 128

/** pxds_prune_entry.kept_by: it is the newest, and no rule keeps another. */
#define PXDS_KEPT_BY_NEWEST 256

/** pxds_prune_options.flags, of pxds_group_prune(): say what would be removed, and remove nothing. */
#define PXDS_PRUNE_DRY_RUN 1

/** pxds_gc_options.flags: say what would be done, and lock, touch and remove nothing. */
#define PXDS_GC_DRY_RUN 1

/**
 * pxds_gc_options.flags: collect even if the file system may not keep access times. If it does not, chunks that are in
 * use are removed. Not with PXDS_GC_DRY_RUN, which probes nothing.
 */
#define PXDS_GC_NO_ATIME_PROBE 2

/**
 * pxds_gc_options.flags: take an index as it is whose entries have neither the csum in its header nor that in the
 * manifest of its snapshot. Chunks that only its lost entries name are removed.
 */
#define PXDS_GC_ANY_CSUM 4

/** pxds_gc_options.flags: remember no digests, so that a chunk is touched for every reference to it. */
#define PXDS_GC_NO_CACHE 8

/** pxds_progress.phase of pxds_store_gc(): chunks are marked. Units are indexes, bytes those that they describe. */
#define PXDS_GC_PHASE_MARK 0

/**
 * pxds_progress.phase of pxds_store_gc(): chunks are removed. Units are directories of chunks, bytes those of the
 * files that were looked at.
 */
#define PXDS_GC_PHASE_SWEEP 1

/** pxds_verify_options.flags: change nothing: neither rename bad chunks nor note the outcome in manifests. */
#define PXDS_VERIFY_READ_ONLY 1

/**
 * pxds_verify_options.flags: read chunks as an index lists them. By default they are read in the order of their inode
 * numbers, which spares a disk that turns.
 */
#define PXDS_VERIFY_INDEX_ORDER 2

/**
 * pxds_verify_options.flags: pass over snapshots that have been found good no more than `skip_days` days ago. One that
 * has failed since is checked again, unlike with PBS.
 */
#define PXDS_VERIFY_SKIP_VERIFIED 4

/** pxds_verify_options.flags, with a key: take a snapshot that is not signed for as good as one that is. */
#define PXDS_VERIFY_ALLOW_UNSIGNED 8

/** pxds_progress.phase: snapshots are listed; `done` says how many. */
#define PXDS_VERIFY_PHASE_LIST 0

/**
 * pxds_progress.phase: snapshots are checked; `done` says how many of `total` have been, `bytes` the plain bytes of
 * the chunks so far.
 */
#define PXDS_VERIFY_PHASE_CHECK 1

/** pxds_verify_damage.flags: it is a place in an index: `offset`, `length` and `digest` are set. */
#define PXDS_DAMAGE_CHUNK 1

/** pxds_verify_damage.flags: the file of the chunk has been renamed. */
#define PXDS_DAMAGE_RENAMED 2

/** pxds_verify_damage.flags: a good chunk has taken its place. This is no failure of the snapshot. */
#define PXDS_DAMAGE_REPAIRED 4

/** How a snapshot came out: all was well, or has been repaired. */
#define PXDS_OUTCOME_OK 1

/** How a snapshot came out: something was not. */
#define PXDS_OUTCOME_FAILED 2

/** How a snapshot came out: not looked at, because it is being made or removed. */
#define PXDS_OUTCOME_BUSY 3

/** How a snapshot came out: not looked at, because it has been removed since it was listed. */
#define PXDS_OUTCOME_GONE 4

/** How a snapshot came out: not looked at, because of PXDS_VERIFY_SKIP_VERIFIED. */
#define PXDS_OUTCOME_RECENT 5

/**
 * How a snapshot came out: all that could be checked was well, or has been repaired, but the key that was given does
 * not vouch for it. It is not signed, or with another key, which alone could tell more; `reason` says which.
 */
#define PXDS_OUTCOME_UNVOUCHED 6

/**
 * How a snapshot came out: not looked at, because it has no manifest and is not being made. It was never finished, or
 * its manifest is lost.
 */
#define PXDS_OUTCOME_UNFINISHED 7

/**
 * How a snapshot came out: some of it, or its manifest, could not be read (no permission, a fault of the device), and
 * what could be was well. That proves nothing: it is neither good nor failed, and no outcome is noted.
 */
#define PXDS_OUTCOME_UNREADABLE 8

/** Bytes that are always enough for the name of a store with its NUL. */
#define PXDS_STORE_NAME_SIZE 256

/** pxds_stats_options.flags: also look at the files of the chunks, one stat each. */
#define PXDS_STATS_EXACT 1

/** pxds_progress.phase of pxds_stats_collect(): looking for indexes. Units are directories. */
#define PXDS_STATS_PHASE_FIND 0

/**
 * pxds_progress.phase of pxds_stats_collect(): with PXDS_STATS_EXACT, looking at chunks. Units are files, bytes
 * theirs.
 */
#define PXDS_STATS_PHASE_CHUNKS 1

/** pxds_progress.phase of pxds_stats_collect(): reading indexes. Units are these, bytes those that they describe. */
#define PXDS_STATS_PHASE_INDEXES 2

/**
 * How many classes of chunk sizes are counted. Number i is that of 2^i to 2^(i+1) - 1 bytes; the first has those of no
 * bytes too.
 */
#define PXDS_STATS_SIZE_CLASSES 28

/**
 * Opening flag, with a key: give also data that no signature covers: of a snapshot that is not signed, or has no
 * manifest, and of files that its manifest does not list. A wrong signature, that of another key, and the signed
 * manifest of another snapshot are refused all the same.
 */
#define PXDS_OPEN_ALLOW_UNSIGNED 1

/**
 * Opening flag: a manifest that cannot be read counts as none, and a file that is not what the manifest lists as one
 * that is not listed: both then bring a notice and no failure, and an index counts by its own header. With a key this
 * needs PXDS_OPEN_ALLOW_UNSIGNED too, since nothing vouches for the data.
 */
#define PXDS_OPEN_SALVAGE 2

/**
 * pxds_backup_options.flags: take fixed indexes with other chunks than of 4 MiB. Versions of Proxmox Backup Server
 * after 4.2.3 cannot read them, and their garbage collection stops at one.
 */
#define PXDS_BACKUP_ANY_CHUNK_SIZE 1

/** pxds_backup_options.flags: `time` is given. */
#define PXDS_BACKUP_SET_TIME 2

/** pxds_backup_add_blob() flag: do not compress. */
#define PXDS_ADD_NO_COMPRESS 1

/** pxds_progress.phase of a backup that waits for its time; done: seconds. */
#define PXDS_BACKUP_PHASE_WAIT 0

/**
 * pxds_progress.phase of a backup that is being finished; done and total: directories of chunks brought to the disk,
 * or 1 where the whole file system is at once, which no cancel interrupts.
 */
#define PXDS_BACKUP_PHASE_FINISH 1

/**
 * A snapshot in the making. Exclusive.
 *
 * Add archives, then call pxds_backup_finish(): the snapshot appears whole, when everything is on the disk by the
 * store's sync level, or not at all. A failure ends it, unless an argument was wrong. A backup that is freed before it
 * is finished, or ended by a crash, leaves only what garbage collection removes. A backup holds the store's process
 * lock, an exclusive lock on its group, and a shared one on the group's last snapshot, which keeps it from being
 * removed.
 */
typedef struct pxds_backup pxds_backup;

/** Encodes and decodes blobs one at a time, with compression contexts that are made once: re-use it. Exclusive. */
typedef struct pxds_blob_codec pxds_blob_codec;

/**
 * Bytes that the library has allocated and the caller owns. Immutable; any thread may read it.
 *
 * Where a function says that it gives a text, a NUL follows that the length does not count.
 */
typedef struct pxds_buffer pxds_buffer;

/** The rolling hash by itself: the hash of the last 64 bytes, as if 64 zero bytes had come first. Exclusive. */
typedef struct pxds_buzhash pxds_buzhash;

/** Decoded chunks, those that were used last, for any number of readers. Shared. */
typedef struct pxds_cache pxds_cache;

/** Goes through the chunks of a store. Exclusive. */
typedef struct pxds_chunk_iter pxds_chunk_iter;

/** Finds where chunks end. Exclusive. */
typedef struct pxds_chunker pxds_chunker;

/**
 * The details of a failure. Immutable; any thread may read it.
 *
 * Every function that can fail, except those on errors, takes `pxds_error **err` as its last argument. It may be NULL.
 * Otherwise `*err` is written and never read: NULL on success, an object that the caller owns on failure.
 */
typedef struct pxds_error pxds_error;

/** Files, by name. Shared. */
typedef struct pxds_file_list pxds_file_list;

/** Groups, by namespace, type (ct, host, vm) and id; ids that are numbers come first, by value. Shared. */
typedef struct pxds_group_list pxds_group_list;

/**
 * An image on its way into a store, in chunks of one size: a disk, say. Exclusive.
 *
 * Each chunk needs its bytes once: as a stream, from pxds_image_write(), pxds_image_read() and a pipe or socket given
 * to pxds_image_read_fd(), in any mixture; by position, from a file or device given to pxds_image_read_fd(), or from
 * pxds_image_write_at(); or from an earlier image, by pxds_image_reuse_bitmap() and pxds_image_reuse_ranges(). A
 * stream or a file gives bytes to the chunks that have none so far: a stream passes over the others, and a file is not
 * read there. Then call pxds_image_finish(). Zeros cost next to nothing.
 *
 * It holds the store's process lock. Memory: one chunk, one encoded chunk, and 33 bytes for each chunk of the image;
 * up to twice as many of these while its size is not known. After a failure it takes no more, unless the function says
 * that nothing has changed; its sums are still there. There is no index of a part of an image; but the chunks are in
 * the store, and garbage collection leaves them there for a day.
 */
typedef struct pxds_image pxds_image;

/** An index, read whole into memory and checked. Shared. */
typedef struct pxds_index pxds_index;

/**
 * An index in the making. Exclusive.
 *
 * One that comes out of an ingest or image holds the store's process lock until it is saved or freed.
 */
typedef struct pxds_index_writer pxds_index_writer;

/**
 * A stream on its way into a store. Exclusive.
 *
 * Give it bytes, in any mixture, with pxds_ingest_write(), pxds_ingest_read_fd() and pxds_ingest_read(), then call
 * pxds_ingest_finish(). It holds the store's process lock; its memory does not grow with the stream. After a failure
 * it takes no more; its sums, and after a cancel pxds_ingest_partial(), are still there. Freed before it is finished
 * it leaves chunks that no index names, which garbage collection takes.
 */
typedef struct pxds_ingest pxds_ingest;

/**
 * An encryption key. Shared.
 *
 * An object that uses a key keeps it, so that the handle can be freed at any time. When its last user is gone, its
 * bytes and everything derived from them have been overwritten wherever the library had them: on the heap, on stacks,
 * in vector registers. Passwords have been when a call returns. The caller overwrites its own copies.
 */
typedef struct pxds_key pxds_key;

/**
 * A key file, read or made. Shared.
 *
 * With PXDS_KDF_NONE it holds the key itself, which is overwritten when it is freed.
 */
typedef struct pxds_keyfile pxds_keyfile;

/** A hold on a store, a group or a snapshot. Shared. */
typedef struct pxds_lock pxds_lock;

/**
 * The files of a snapshot, and the notes about it. Exclusive.
 *
 * Members that this version does not know are kept and written again. A signature covers all but the notes and other
 * members of the unprotected part.
 */
typedef struct pxds_manifest pxds_manifest;

/** Namespaces. Shared. */
typedef struct pxds_namespace_list pxds_namespace_list;

/** The results for the snapshots of a group, the newest first. Shared. */
typedef struct pxds_prune_list pxds_prune_list;

/**
 * Reads a file anywhere, through a cache of decoded chunks. Shared.
 *
 * All that is read has been checked as a restore checks it. A chunk that several threads want at once is loaded once,
 * and a failure of that load is given to all of them. Memory: the cache, the index, and for each thread that is
 * loading one chunk, encoded and decoded.
 */
typedef struct pxds_reader pxds_reader;

/**
 * Turns indexes back into the bytes that they describe. Exclusive.
 *
 * The csum of an index is checked before anything is given out, and every chunk's CRC, digest and length before a byte
 * of it is. Chunks are loaded on several threads, see pxds_restorer_options.threads; callbacks come in order and on
 * the calling thread, and what fails first in the order of the file is what the call fails with.
 */
typedef struct pxds_restorer pxds_restorer;

/**
 * A snapshot that is being read. Shared.
 *
 * It cannot be removed while it is open.
 */
typedef struct pxds_snapshot pxds_snapshot;

/** Snapshots, group by group as in a list of groups, the oldest of each first. Shared. */
typedef struct pxds_snapshot_list pxds_snapshot_list;

/**
 * Where chunks come from: a store, or a callback of the caller's. Shared.
 *
 * Whatever a source gives is checked before it is used: structure, CRC, length, and the digest of the decoded data.
 */
typedef struct pxds_source pxds_source;

/** The numbers of a store, its groups and its snapshots. Shared. */
typedef struct pxds_stats pxds_stats;

/**
 * An open chunk store. Shared.
 *
 * Any number of threads, handles and processes may use one store at once. A chunk is seen whole or not at all.
 */
typedef struct pxds_store pxds_store;

/**
 * The result of a function: zero is success, positive an ordinary outcome, negative a failure.
 *
 * The values are permanent. They are never an errno.
 */
typedef int32_t pxds_status;

/** The parts of a group's path. */
typedef struct {
    /** Bytes of this structure; set by PXDS_GROUP_NAME_INIT. */
    size_t struct_size;
    /** PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST. */
    uint32_t type;
    /** 0. */
    uint32_t reserved;
    /** The namespace, a/b/c; "" for the root. */
    char ns[264];
    /** The id. */
    char id[256];
} pxds_group_name;

/** The parts of a snapshot's path. */
typedef struct {
    /** Bytes of this structure; set by PXDS_SNAPSHOT_NAME_INIT. */
    size_t struct_size;
    /** PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST. */
    uint32_t type;
    /** 0. */
    uint32_t reserved;
    /** In seconds since 1970. */
    int64_t time;
    /** The namespace, a/b/c; "" for the root. */
    char ns[264];
    /** The id. */
    char id[256];
} pxds_snapshot_name;

/** How a key file is made. */
typedef struct {
    /** Bytes of this structure; set by PXDS_KEYFILE_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_KDF_... */
    uint32_t kdf;
    /** 0 or PXDS_KEYFILE_SET_CREATED. */
    uint32_t flags;
    /**
     * With PXDS_KEYFILE_SET_CREATED: when the key was made, in seconds since 1970, which is that of the old file when
     * only the password changes. Otherwise it is now.
     */
    int64_t created;
    /** A hint that reminds of the password, 1 to 64 characters; may be NULL. */
    const char *hint;
} pxds_keyfile_options;

/** The facts about a key file. */
typedef struct {
    /** Bytes of this structure; set by PXDS_KEYFILE_INFO_INIT. */
    size_t struct_size;
    /** PXDS_KDF_... */
    uint32_t kdf;
    /** PXDS_STATES_... */
    uint32_t flags;
    /** When the key was made, in seconds since 1970. */
    int64_t created;
    /** When the file was made. */
    int64_t modified;
    /** The hint that reminds of the password, or NULL. The key file's. */
    const char *hint;
    /** The fingerprint that the file states. Only pxds_keyfile_unlock() verifies it. */
    uint8_t fingerprint[32];
} pxds_keyfile_info;

/** How a codec works. */
typedef struct {
    /** Bytes of this structure; set by PXDS_BLOB_CODEC_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_CODEC_... */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** The key that encrypted blobs are opened with and, with PXDS_ENCODE_ENCRYPT, made with; may be NULL. */
    const pxds_key *key;
} pxds_blob_codec_options;

/** The header of an encoded blob. */
typedef struct {
    /** Bytes of this structure; set by PXDS_BLOB_INFO_INIT. */
    size_t struct_size;
    /** The first 8 bytes. */
    uint8_t magic[8];
    /** The stored CRC-32 of the payload. */
    uint32_t crc;
    /** PXDS_BLOB_COMPRESSED, PXDS_BLOB_ENCRYPTED. */
    uint32_t flags;
    /** PXDS_CRYPT_NONE or PXDS_CRYPT_ENCRYPT. */
    uint32_t crypt_mode;
    /** Bytes of the header. */
    uint32_t header_len;
    /** Bytes behind the header. */
    size_t payload_len;
} pxds_blob_info;

/** The header of an unencrypted blob: 12 bytes. */
typedef struct {
    /** Bytes of this structure; set by PXDS_BLOB_HEADER_INIT. */
    size_t struct_size;
    /** The first 8 bytes. */
    uint8_t magic[8];
    /** CRC-32 of the payload. */
    uint32_t crc;
    /** 0. */
    uint32_t reserved;
} pxds_blob_header;

/** The header of an encrypted blob: 44 bytes. */
typedef struct {
    /** Bytes of this structure; set by PXDS_BLOB_ENCRYPTED_HEADER_INIT. */
    size_t struct_size;
    /** The first 8 bytes. */
    uint8_t magic[8];
    /** CRC-32 of the payload. */
    uint32_t crc;
    /** 0. */
    uint32_t reserved;
    /** The iv of the cipher. */
    uint8_t iv[16];
    /** The tag that authenticates the payload. */
    uint8_t tag[16];
} pxds_blob_encrypted_header;

/** The header of an index of either kind: 4096 bytes. */
typedef struct {
    /** Bytes of this structure; set by PXDS_INDEX_HEADER_INIT. */
    size_t struct_size;
    /** The first 8 bytes: PXDS_MAGIC_DYNAMIC_INDEX or PXDS_MAGIC_FIXED_INDEX. */
    uint8_t magic[8];
    /** For display. */
    uint8_t uuid[16];
    /** When it was made, in seconds since 1970. */
    int64_t ctime;
    /** SHA-256 of the entries. */
    uint8_t csum[32];
    /** Fixed: bytes of the image. Dynamic: 0. */
    uint64_t size;
    /** Fixed: bytes of every chunk but the last. Dynamic: 0. */
    uint64_t chunk_size;
} pxds_index_header;

/**
 * Where a stream is cut. Sizes are in bytes; 0 in a field stands for what pxds_chunker_config_init() would put there.
 *
 * A chunk ends where it has at least `min` bytes and (hash & mask) >= threshold, and at `max` bytes in any case, but
 * never before its 65th byte. min <= avg <= max, mask = 2^k - 1, threshold <= mask. See docs/format.md, 4.
 */
typedef struct {
    /** Bytes of this structure; set by PXDS_CHUNKER_CONFIG_INIT. */
    size_t struct_size;
    /** The average size of chunks of random data. */
    uint64_t avg;
    /** No chunk but the last is smaller. */
    uint64_t min;
    /** No chunk is larger. */
    uint64_t max;
    /** Bits of the hash that are looked at. */
    uint32_t mask;
    /** From which masked hash on a chunk ends. */
    uint32_t threshold;
} pxds_chunker_config;

/**
 * Takes notices, which are no failures. `message` names the path too, escaped as in pxds_error_message(); `path` has
 * its bytes, and may be NULL.
 *
 * A result other than 0 stops the call with PXDS_ERR_CANCELLED.
 */
typedef int32_t (*pxds_notice_fn)(void *user, uint32_t level, const char *message, const char *path);

/** How far a long call is. */
typedef struct {
    /** Bytes of this structure. */
    size_t struct_size;
    /** Which part of the work, from 0; the function says which there are. */
    uint32_t phase;
    /** 0. */
    uint32_t reserved;
    /** Units done. */
    uint64_t done;
    /** Units in all; 0 if that is not known. */
    uint64_t total;
    /** Bytes done. */
    uint64_t bytes;
} pxds_progress;

/**
 * Is told how far a long call is: at once, then at most ten times a second, and besides at the beginning of each phase
 * and at the end of one whose total is known. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
 */
typedef int32_t (*pxds_progress_fn)(void *user, const pxds_progress *progress);

/** How a store is made or opened. */
typedef struct {
    /** Bytes of this structure; set by PXDS_STORE_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_LAYOUT_..., of a new or empty store; an existing one keeps its own. */
    uint32_t layout;
    /** PXDS_SYNC_... */
    uint32_t sync;
    /** PXDS_STORE_... */
    uint32_t flags;
    /** With PXDS_STORE_SET_OWNER. Otherwise files that root makes belong to the owner of `.chunks`. */
    uint32_t owner_uid;
    /** As owner_uid, for the group. */
    uint32_t owner_gid;
    /** 0. */
    uint32_t reserved;
    /**
     * Takes notices, on the thread of the call that they come from; NULL for none. It may be called until the store
     * and everything that was made from it have been freed.
     */
    pxds_notice_fn notice;
    /** Handed to `notice`. */
    void *notice_user;
    /**
     * The name by which a running Proxmox Backup Server knows the store; NULL if none shares it. Versions from 3.3.5
     * on lock groups and snapshots by files in `lock_dir`, older ones by the directories themselves, as NULL does. See
     * docs/format.md, 7.8.
     */
    const char *store_name;
    /** With `store_name`: the directory of the lock files; NULL for /run/proxmox-backup/locks. */
    const char *lock_dir;
    /**
     * Milliseconds that a lock is waited for while another process, handle or thread holds it. Every call that takes
     * one does so, pruning for each snapshot in use. 0: a lock that is held is PXDS_ERR_BUSY at once; only that of a
     * manifest is waited for in any case, for 5 seconds. Callers that hold a lock while they wait for another may wait
     * for each other: two that hold a store shared, and collect garbage in it, do until this ends. The message of
     * PXDS_ERR_BUSY then says how long that was.
     */
    uint64_t lock_wait_ms;
    /**
     * Is told by pxds_store_create() how many of the directories of PXDS_LAYOUT_HEX4 there are: 65536 of them take
     * seconds on some file systems. With `lock_wait_ms` it is told too by every call while that waits for a lock, on
     * its thread, for as long as `notice` may be. See PXDS_STORE_PHASE_... May be NULL.
     */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_store_options;

/** The result of an insert. */
typedef struct {
    /** Bytes of this structure; set by PXDS_INSERT_RESULT_INIT. */
    size_t struct_size;
    /** Length of the chunk's file now. */
    uint64_t stored_size;
    /** 1 if the chunk was there and stays, else 0. */
    uint32_t existed;
    /** 0. */
    uint32_t reserved;
} pxds_insert_result;

/** A file among the chunks. */
typedef struct {
    /** Bytes of this structure; set by PXDS_CHUNK_ENTRY_INIT. */
    size_t struct_size;
    /** Length of the file. */
    uint64_t stored_size;
    /** Time of the last access, in seconds since 1970. */
    int64_t atime;
    /** The chunk's name. */
    uint8_t digest[32];
    /** 1 if it is a bad copy, DIGEST.N.bad; else 0. */
    uint32_t bad;
    /** N of a bad copy. */
    uint32_t bad_number;
} pxds_chunk_entry;

/** How a store is converted. */
typedef struct {
    /** Bytes of this structure; set by PXDS_CONVERT_OPTIONS_INIT. */
    size_t struct_size;
    /** 0 or PXDS_CONVERT_DRY_RUN. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Is told how far it is; see PXDS_CONVERT_PHASE_... May be NULL. */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_convert_options;

/** The counts of what a conversion has done, or would do. */
typedef struct {
    /** Bytes of this structure; set by PXDS_CONVERT_RESULT_INIT. */
    size_t struct_size;
    /** Files that were moved. */
    uint64_t files;
    /** Directories that were made. */
    uint64_t made;
    /** Directories that were removed. */
    uint64_t removed;
    /**
     * Files among those moved that got the name of a bad chunk, because a file of their name was there. 0 in a dry
     * run.
     */
    uint64_t set_aside;
} pxds_convert_result;

/** The header of an index, and its size. */
typedef struct {
    /** Bytes of this structure; set by PXDS_INDEX_INFO_INIT. */
    size_t struct_size;
    /** PXDS_INDEX_DYNAMIC or PXDS_INDEX_FIXED. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
    /** Bytes of the file that it describes. */
    uint64_t size;
    /** How many chunks. */
    uint64_t chunk_count;
    /** Fixed: bytes of every chunk but the last. Dynamic: 0. */
    uint64_t chunk_size;
    /** When it was made, in seconds since 1970. */
    int64_t ctime;
    /** For display. */
    uint8_t uuid[16];
    /** The csum in its header; of a writer, the csum of its entries so far. */
    uint8_t csum[32];
} pxds_index_info;

/** A chunk of an index: bytes `start` to `end` (exclusive) of the file. */
typedef struct {
    /** Bytes of this structure; set by PXDS_INDEX_CHUNK_INFO_INIT. */
    size_t struct_size;
    /** Offset of the first byte. */
    uint64_t start;
    /** Offset behind the last byte. */
    uint64_t end;
    /** The chunk's name. */
    uint8_t digest[32];
} pxds_index_chunk_info;

/** A chunk that has been stored, of a stream or of an image. */
typedef struct {
    /** Bytes of this structure. */
    size_t struct_size;
    /** Where the chunk begins in the stream or image. */
    uint64_t offset;
    /** Its plain bytes. */
    uint64_t size;
    /** Length of its file in the store. */
    uint64_t stored_size;
    /** Its name. */
    uint8_t digest[32];
    /** 1 if the store had it, else 0. */
    uint32_t existed;
    /** 0. */
    uint32_t reserved;
} pxds_ingest_chunk;

/**
 * Is told of each chunk after it has been stored; of those of a stream in order. A result other than 0 stops the
 * ingest with PXDS_ERR_CANCELLED; for a stream the index of what has been stored, this chunk included, is then in
 * pxds_ingest_partial().
 */
typedef int32_t (*pxds_ingest_chunk_fn)(void *user, const pxds_ingest_chunk *chunk);

/** How a stream is ingested. */
typedef struct {
    /** Bytes of this structure; set by PXDS_INGEST_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_INGEST_... */
    uint32_t flags;
    /**
     * Threads that store chunks, the caller's among them: 0 for as many as there are processors, at most 1024. All
     * have ended when the function returns that has started them. Memory: for each thread a batch, which is four to
     * eight times the average chunk size or 2 MiB, and two chunks; 1 MiB besides.
     */
    uint32_t threads;
    /**
     * Where the stream is cut; NULL for the default. Chunks are at most PXDS_BLOB_MAX_SIZE: avg at most 32 MiB. An
     * average that is unusual for Proxmox Backup Server brings a notice of the store's.
     */
    const pxds_chunker_config *chunker;
    /** With PXDS_INGEST_SET_CTIME: creation time of the index, in seconds since 1970. Otherwise it is now. */
    int64_t ctime;
    /** With PXDS_INGEST_SET_UUID: the index's uuid. Otherwise it is random. */
    uint8_t uuid[16];
    /** The key that chunks are encrypted with; it changes their digests too. May be NULL. It can be freed meanwhile. */
    const pxds_key *key;
    /** Is told of each chunk; NULL for none. Valid while the ingest lives. */
    pxds_ingest_chunk_fn on_chunk;
    /** Handed to `on_chunk`. */
    void *on_chunk_user;
    /**
     * Is told how far the ingest is, over all its calls, also while a descriptor gives nothing; NULL for none. There
     * is one phase; units are bytes. The total is known while a regular file or block device is read, from what it has
     * behind where it stands, until it turns out to have more; what it came to is told of when the ingest is finished.
     * A result other than 0 stops the ingest as one of `on_chunk` does. Valid while the ingest lives.
     */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_ingest_options;

/**
 * Gives the next bytes of a stream: at most `capacity` of them to `data`, and how many to `*data_len`.
 *
 * 0 bytes are the end of the stream. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
 */
typedef int32_t (*pxds_read_fn)(void *user, uint8_t *data, size_t capacity, size_t *data_len);

/** Sums over what has been stored. */
typedef struct {
    /** Bytes of this structure; set by PXDS_INGEST_STATS_INIT. */
    size_t struct_size;
    /** Plain bytes. */
    uint64_t size;
    /** Chunks. */
    uint64_t chunks;
    /** Chunks that the store did not have; the others are duplicates. */
    uint64_t new_chunks;
    /** Their plain bytes. */
    uint64_t new_bytes;
    /** Bytes of their files. */
    uint64_t stored_bytes;
    /** Bytes of the files of all chunks, each counted as often as it came. */
    uint64_t compressed_bytes;
} pxds_ingest_stats;

/** How an image is ingested. */
typedef struct {
    /** Bytes of this structure; set by PXDS_IMAGE_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_IMAGE_... */
    uint32_t flags;
    /** Threads that store chunks, as pxds_ingest_options has them; a batch is four chunks. */
    uint32_t threads;
    /**
     * Bytes of every chunk but the last, a power of two up to PXDS_BLOB_MAX_SIZE; 0 for PXDS_PBS_IMAGE_CHUNK_SIZE. Any
     * other brings a notice of the store's.
     */
    uint64_t chunk_size;
    /** With PXDS_IMAGE_SET_CTIME: creation time of the index, in seconds since 1970. Otherwise it is now. */
    int64_t ctime;
    /** With PXDS_IMAGE_SET_UUID: the index's uuid. Otherwise it is random. */
    uint8_t uuid[16];
    /** The key that chunks are encrypted with; it changes their digests too. May be NULL. It can be freed meanwhile. */
    const pxds_key *key;
    /** Is told of each chunk; NULL for none. Valid while the image lives. */
    pxds_ingest_chunk_fn on_chunk;
    /** Handed to `on_chunk`. */
    void *on_chunk_user;
    /**
     * Is told how far the image is, as in pxds_ingest_options, but units are chunks, and bytes their plain bytes; NULL
     * for none. The total is known when the size is. A chunk that is given twice counts once. Valid while the image
     * lives.
     */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_image_options;

/** Bytes of an image, from `offset` on. */
typedef struct {
    /** The first byte. */
    uint64_t offset;
    /** How many. Their end may lie behind that of the image. */
    uint64_t length;
} pxds_image_range;

/**
 * Gives the encoded blob of the chunk named by the 32 bytes at `digest`: its bytes to `data`, its length to
 * `*data_len`.
 *
 * If the blob has more than `capacity` bytes, nothing is to be written but `*data_len`, and the callback is called
 * again with room for as many. Returns 0; PXDS_NONE if it has no such chunk, which becomes PXDS_ERR_NOT_FOUND;
 * PXDS_ERR_IO if it has the chunk and cannot read it. Anything else stops the call with PXDS_ERR_CANCELLED.
 *
 * It is called on the thread that needs the chunk: on several at once, if the handles that use the source are, or with
 * PXDS_SOURCE_ANY_THREAD.
 */
typedef int32_t (*pxds_source_get_fn)(void *user,
                                      const uint8_t *digest,
                                      uint8_t *data,
                                      size_t capacity,
                                      size_t *data_len);

/** A source of the caller's. */
typedef struct {
    /** Bytes of this structure; set by PXDS_SOURCE_OPTIONS_INIT. */
    size_t struct_size;
    /** 0 or PXDS_SOURCE_ANY_THREAD. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Gives chunks; never NULL. Valid while the source or a handle that was made from it lives. */
    pxds_source_get_fn get;
    /** Handed to `get`. */
    void *get_user;
} pxds_source_options;

/** How chunks are copied. */
typedef struct {
    /** Bytes of this structure; set by PXDS_COPY_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_COPY_... */
    uint32_t flags;
    /**
     * Threads that copy, the caller's among them: 0 for as many as there are processors, at most 1024. All have ended
     * when the call returns. A source that is a callback is asked on the calling thread alone. Memory: for each thread
     * one chunk, encoded and decoded.
     */
    uint32_t threads;
    /**
     * The key that encrypted chunks are proved with. NULL: only their structure and CRC are checked, and not their
     * digests.
     */
    const pxds_key *key;
    /** Is told of each chunk, in order, after the store has it; NULL for none. */
    pxds_ingest_chunk_fn on_chunk;
    /** Handed to `on_chunk`. */
    void *on_chunk_user;
    /** Is told how far the copy is; NULL for none. There is one phase; units are chunks, bytes their plain bytes. */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_copy_options;

/** A chunk that cannot be loaded, and that zeros stand for. */
typedef struct {
    /** Bytes of this structure. */
    size_t struct_size;
    /** Its number in the index, from 0. */
    uint64_t number;
    /** Where it begins in the file. */
    uint64_t offset;
    /** Its bytes, by the index. */
    uint64_t length;
    /** Its name. */
    uint8_t digest[32];
    /** Why: PXDS_ERR_NOT_FOUND, CORRUPT, FORMAT, LIMIT, AUTH, or IO if the device has failed. */
    pxds_status status;
    /** 0. */
    uint32_t reserved;
    /** Why, in words, as pxds_error_message() has them. */
    const char *message;
} pxds_bad_chunk;

/**
 * Is told of each bad chunk before zeros take its place. A result other than 0 stops the call with
 * PXDS_ERR_CANCELLED.
 */
typedef int32_t (*pxds_bad_chunk_fn)(void *user, const pxds_bad_chunk *bad);

/** How a restorer works. */
typedef struct {
    /** Bytes of this structure; set by PXDS_RESTORER_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_RESTORER_... */
    uint32_t flags;
    /**
     * Threads that load chunks, the caller's among them: 0 for as many as there are processors, at most 1024. All have
     * ended when the function returns that has started them; for a small range none is started, and none for a source
     * that is a callback, unless it has PXDS_SOURCE_ANY_THREAD. Memory, which is used again from call to call: for
     * each thread four chunks, three of them decoded; seven where the output is not a regular file, so that threads
     * may be ahead of it. Of chunks below 350 KiB it is 1 MiB for each three.
     */
    uint32_t threads;
    /** The key for encrypted chunks; may be NULL. It can be freed meanwhile. */
    const pxds_key *key;
    /**
     * Is told of each bad chunk: one that is missing or damaged, is of another length than the index says, or cannot
     * be read because the device fails. Zeros take its place. NULL: it fails the call, unless PXDS_RESTORER_SKIP_BAD
     * is set. A failure that is not the chunk's own fails the call in any case. Valid while the restorer lives.
     */
    pxds_bad_chunk_fn on_bad;
    /** Handed to `on_bad`. */
    void *on_bad_user;
    /**
     * Is told how far a call is; NULL for none. There is one phase; units are the chunks that the call needs, bytes
     * those that have been written, as `written` counts them. A result other than 0 stops the call; for the bytes
     * written it is as any failure. The callback is not called while an output takes nothing. Valid while the restorer
     * lives.
     */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_restorer_options;

/**
 * Takes the next bytes of a stream, and says in `*taken` how many of them: all, or fewer to be given the rest again.
 *
 * 0 of them is an error. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
 */
typedef int32_t (*pxds_write_fn)(void *user, const uint8_t *data, size_t data_len, size_t *taken);

/** How a reader works. */
typedef struct {
    /** Bytes of this structure; set by PXDS_READER_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_READER_... */
    uint32_t flags;
    /**
     * Threads that one call may load chunks on, the caller's among them: 0 for as many as there are processors, at
     * most 1024. All have ended when the call returns. They are used where a read touches several chunks, or goes on
     * where the reads before it have been: then the next chunks are loaded as well, as far as half of the cache has
     * room. None is started for a small read, nor for a source that is a callback without
     * PXDS_SOURCE_ANY_THREAD.
     */
    uint32_t threads;
    /** Bytes of the reader's own cache of decoded chunks; 0 for 64 MiB. At least one chunk is kept, however large. */
    size_t cache_size;
    /**
     * A cache to be used instead, with others; `cache_size` is then not looked at. NULL for one of the reader's own.
     */
    const pxds_cache *cache;
    /** The key for encrypted chunks; may be NULL. It can be freed meanwhile. */
    const pxds_key *key;
    /**
     * Is told of each bad chunk, as in pxds_restorer_options, each time that it is read as zeros, on the thread that
     * reads: on several at once, if several do. NULL: a bad chunk fails the call, unless PXDS_READER_SKIP_BAD is set.
     * Valid while the reader lives.
     */
    pxds_bad_chunk_fn on_bad;
    /** Handed to `on_bad`. */
    void *on_bad_user;
} pxds_reader_options;

/** The facts about a snapshot in its manifest. */
typedef struct {
    /** Bytes of this structure; set by PXDS_MANIFEST_INFO_INIT. */
    size_t struct_size;
    /** PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST. */
    uint32_t type;
    /** PXDS_MANIFEST_... */
    uint32_t flags;
    /** The time of the snapshot, in seconds since 1970. Any number: no name is checked when a manifest is read. */
    int64_t time;
    /** How many files. */
    size_t file_count;
    /** The id of the group; any text. It is the manifest's and lasts until that is freed. */
    const char *id;
    /** PXDS_VERIFIED_... */
    uint32_t verify_state;
    /** 0. */
    uint32_t reserved;
    /** When the last verification began, in seconds since 1970; 0 with PXDS_VERIFIED_NONE. */
    int64_t verify_time;
} pxds_manifest_info;

/** A file of a snapshot, as its manifest lists it. */
typedef struct {
    /** Bytes of this structure; set by PXDS_MANIFEST_FILE_INIT. */
    size_t struct_size;
    /**
     * Its name; in a manifest that was read, any text. As an output it is the manifest's and lasts until that is
     * freed.
     */
    const char *filename;
    /**
     * PXDS_CRYPT_... With PXDS_CRYPT_ENCRYPT the chunks of an index are encrypted, otherwise they are not. As an input
     * PXDS_CRYPT_DEFAULT is PXDS_CRYPT_NONE.
     */
    uint32_t crypt_mode;
    /** 0. */
    uint32_t reserved;
    /** Of an index the bytes that it describes; of a blob those of its file. */
    uint64_t size;
    /** Of an index its csum; of a blob the SHA-256 of its file. */
    uint8_t csum[32];
} pxds_manifest_file;

/** A group in a list. */
typedef struct {
    /** Bytes of this structure; set by PXDS_GROUP_ENTRY_INIT. */
    size_t struct_size;
    /**
     * Its path below the store, `[ns/NAME/...]TYPE/ID`: what functions on groups take. The list's, as the
     * other strings.
     */
    const char *path;
    /** Its namespace, `a/b`; "" for the root. */
    const char *ns;
    /** Its id. */
    const char *id;
    /** PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST. */
    uint32_t type;
    /** 0. */
    uint32_t reserved;
} pxds_group_entry;

/** A snapshot in a list, or by itself. */
typedef struct {
    /** Bytes of this structure; set by PXDS_SNAPSHOT_ENTRY_INIT. */
    size_t struct_size;
    /**
     * Its path below the store, `[ns/NAME/...]TYPE/ID/TIME`: what functions on snapshots take. The list's, as the
     * other strings; NULL, as these, from pxds_snapshot_get_info().
     */
    const char *path;
    /** Its namespace, `a/b`; "" for the root. */
    const char *ns;
    /** The id of its group. */
    const char *id;
    /** Its time, in seconds since 1970. */
    int64_t time;
    /** PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST. */
    uint32_t type;
    /** PXDS_SNAPSHOT_... */
    uint32_t flags;
    /** In a list with PXDS_LIST_OWNERS: who owns its group; NULL if no file says so. */
    const char *owner;
    /**
     * In a list with PXDS_LIST_MANIFESTS, as what follows: the notes, up to a NUL in them; their first line is shown
     * as the comment. NULL if there are none.
     */
    const char *notes;
    /** Bytes of what its files hold, by the manifest. */
    uint64_t size;
    /** How many files the manifest lists. */
    size_t file_count;
    /** PXDS_VERIFIED_... */
    uint32_t verify_state;
    /** PXDS_CRYPT_..., as all files have it; PXDS_CRYPT_DEFAULT if they differ, or if there are none. */
    uint32_t crypt_mode;
    /** When the last verification began, in seconds since 1970; 0 with PXDS_VERIFIED_NONE. */
    int64_t verify_time;
} pxds_snapshot_entry;

/** A file of a snapshot: an archive, or the manifest. */
typedef struct {
    /** Bytes of this structure; set by PXDS_FILE_ENTRY_INIT. */
    size_t struct_size;
    /** Its name. The list's. */
    const char *name;
    /** Length of the file. */
    uint64_t size;
    /** Of an index the bytes of what it describes, as the manifest says; 0 if that does not list it, and for a blob. */
    uint64_t plain_size;
    /** PXDS_ARCHIVE_...; of the manifest PXDS_ARCHIVE_BLOB. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
} pxds_file_entry;

/** How a group is removed. */
typedef struct {
    /** Bytes of this structure; set by PXDS_DESTROY_OPTIONS_INIT. */
    size_t struct_size;
    /** 0 or PXDS_DESTROY_DRY_RUN. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Is told how many of the snapshots are done. May be NULL. A call that it stops has removed some of them whole. */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_destroy_options;

/** The result of removing a group. */
typedef struct {
    /** Bytes of this structure; set by PXDS_DESTROY_RESULT_INIT. */
    size_t struct_size;
    /** Snapshots that were removed, or would be. */
    uint64_t removed;
    /** Protected ones, which stay. */
    uint64_t protected_count;
} pxds_destroy_result;

/** A snapshot to decide about. */
typedef struct {
    /** Its time, in seconds since 1970. */
    int64_t time;
    /** PXDS_SNAPSHOT_... */
    uint32_t flags;
    /** PXDS_VERIFIED_... */
    uint32_t verify_state;
} pxds_prune_row;

/**
 * The rules by which snapshots are kept. If all are 0, everything is kept.
 *
 * Six counts are PBS's, and applied in this order, from keep_last on. Each keeps the newest snapshots of so many
 * periods, passing over those in which an earlier one keeps a snapshot already. What keep_good and keep_within keep is
 * kept besides. If that is nothing at all, the newest snapshot stays. Snapshots that are protected or not finished use
 * up no count.
 */
typedef struct {
    /** Bytes of this structure; set by PXDS_PRUNE_OPTIONS_INIT. */
    size_t struct_size;
    /** 0 or PXDS_PRUNE_DRY_RUN. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Snapshots. 0, as in the others: none by this count. */
    uint64_t keep_last;
    /** Hours. */
    uint64_t keep_hourly;
    /** Days. */
    uint64_t keep_daily;
    /** Weeks, from Monday to Sunday. */
    uint64_t keep_weekly;
    /** Months. */
    uint64_t keep_monthly;
    /** Years. */
    uint64_t keep_yearly;
    /**
     * The newest snapshots whose last verification went well, whatever keeps them too. pxds_group_prune() reads
     * manifests until it has found so many.
     */
    uint64_t keep_good;
    /** Those that are younger than so many seconds, at `now`. */
    uint64_t keep_within;
    /** In seconds since 1970; 0 is the time of the call. */
    int64_t now;
    /**
     * The time zone in which hours, days and so on begin; NULL is UTC. A name of the IANA database that is built in,
     * `Europe/Vienna`; a rule of POSIX, `CET-1CEST,M3.5.0,M10.5.0/3`; or the absolute path of a TZif file, such as
     * `/etc/localtime`. The environment is not looked at.
     */
    const char *zone;
    /**
     * Of pxds_group_prune(): is told how many of the snapshots that are to go are done; 0 of 0 while manifests are
     * read for keep_good. May be NULL. A call that it stops has removed some of them whole, and gives no list.
     */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_prune_options;

/** The result for a snapshot. */
typedef struct {
    /** Bytes of this structure; set by PXDS_PRUNE_ENTRY_INIT. */
    size_t struct_size;
    /** Its path below the store, `[ns/NAME/...]TYPE/ID/TIME`. The list's. */
    const char *path;
    /** Why removing it failed, or NULL. The list's. */
    const char *message;
    /** Its time, in seconds since 1970. */
    int64_t time;
    /** PXDS_SNAPSHOT_..., when it was listed. */
    uint32_t flags;
    /**
     * PXDS_MARK_KEEP, KEEP_PARTIAL, PROTECTED or REMOVE. One that was to be removed, and was protected or finished
     * before it was reached, is kept, and marked so.
     */
    uint32_t mark;
    /**
     * PXDS_OK: its mark holds. For one that is to be removed also PXDS_NONE, if another process was faster, or the
     * failure, such as PXDS_ERR_BUSY.
     */
    pxds_status status;
    /**
     * With PXDS_MARK_KEEP: the rules that keep it, PXDS_KEPT_BY_...; 0 if everything is kept, or it was finished
     * before it was reached. Otherwise 0.
     */
    uint32_t kept_by;
} pxds_prune_entry;

/** How garbage is collected. */
typedef struct {
    /** Bytes of this structure; set by PXDS_GC_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_GC_... */
    uint32_t flags;
    /**
     * Minutes without a touch after which a chunk may go, 1 to 2880; 0 for 1445, a day and five minutes: file systems
     * may store access times a day late.
     */
    uint32_t cutoff_minutes;
    /**
     * Digests that are remembered so as not to be touched again, up to 8388608; 0 for 1048576. Each takes 64
     * bytes.
     */
    uint64_t remembered;
    /** Is told how far it is; see PXDS_GC_PHASE_... May be NULL. */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_gc_options;

/**
 * The counts of what a garbage collection has found and done, made as Proxmox Backup Server does. For the factor of
 * deduplication see pxds_dedup_factor().
 */
typedef struct {
    /** Bytes of this structure; set by PXDS_GC_STATUS_INIT. */
    size_t struct_size;
    /** Indexes. */
    uint64_t index_file_count;
    /** Bytes that they describe; what several of them share is counted for each. */
    uint64_t index_data_bytes;
    /** Bytes of the files of chunks in use, and of `used_bad_bytes`. */
    uint64_t stored_bytes;
    /** Chunks in use: touched since the collection began, or since the oldest writer that was at work did. */
    uint64_t stored_chunks;
    /** Bytes of the files of chunks that were removed, and of `removed_bad_bytes`. */
    uint64_t removed_bytes;
    /** Chunks that were removed. */
    uint64_t removed_chunks;
    /** Bytes of the files of chunks not in use that were touched too lately to be removed, and of `still_bad_bytes`. */
    uint64_t pending_bytes;
    /** Such chunks. */
    uint64_t pending_chunks;
    /** Bad copies that were removed. */
    uint64_t removed_bad;
    /** Bad copies touched too lately. */
    uint64_t still_bad;
    /** References to chunks that were marked already. */
    uint64_t cache_hits;
    /** References for which a chunk was touched. Of a dry run both are 0. */
    uint64_t cache_misses;
    /** Indexes that lie where no snapshot is. They count like any other. */
    uint64_t strange_indexes;
    /** Chunks that an index needs and that are missing; there is a notice for each. */
    uint64_t missing_chunks;
    /**
     * Temporary files removed, which crashes have left among the chunks, beside owners, notes, files of snapshots and
     * `.gc-status`, and where snapshots are made and removed.
     */
    uint64_t removed_temporaries;
    /** Bytes of these. */
    uint64_t removed_temporary_bytes;
    /** Pending files whose last access lies in the future, because the clock was wrong once, for example. */
    uint64_t future_files;
    /** Bytes of these. */
    uint64_t future_bytes;
    /**
     * The latest of these times, in seconds since 1970: before it has come they are not all removed. 0 if there are
     * none.
     */
    int64_t future_until;
    /** Bad copies in use: touched as chunks in use are, or all that there is of a chunk that an index needs. */
    uint64_t used_bad;
    /** Bytes of these. */
    uint64_t used_bad_bytes;
    /** Bytes of `removed_bad`. */
    uint64_t removed_bad_bytes;
    /** Bytes of `still_bad`. */
    uint64_t still_bad_bytes;
} pxds_gc_status;

/** Damage: a file of a snapshot, or an entry of an index, one for each entry that names a bad chunk. */
typedef struct {
    /** Bytes of this structure. */
    size_t struct_size;
    /** The snapshot, `[ns/NAME/...]TYPE/ID/TIME`. */
    const char *snapshot;
    /** The file: an index, a blob, or `index.json.blob`. */
    const char *archive;
    /** Why, in words, as pxds_error_message() has them. */
    const char *message;
    /** Where the chunk begins in the file that the index describes. */
    uint64_t offset;
    /** Its bytes, by the index. */
    uint64_t length;
    /** Its name. */
    uint8_t digest[32];
    /**
     * Why: PXDS_ERR_NOT_FOUND, CORRUPT, FORMAT, LIMIT or AUTH; PXDS_ERR_CRYPT_MODE if it is encrypted and should not
     * be, or the reverse; PXDS_ERR_IO and others if it could not be read or written, which says nothing of its
     * content.
     */
    pxds_status status;
    /** PXDS_DAMAGE_CHUNK, RENAMED, REPAIRED. */
    uint32_t flags;
} pxds_verify_damage;

/** Is told of damage, before the snapshot is done. A result other than 0 stops the call with PXDS_ERR_CANCELLED. */
typedef int32_t (*pxds_verify_damage_fn)(void *user, const pxds_verify_damage *damage);

/** A snapshot that has been dealt with. */
typedef struct {
    /** Bytes of this structure. */
    size_t struct_size;
    /** The snapshot, `[ns/NAME/...]TYPE/ID/TIME`. */
    const char *snapshot;
    /** Places and files that are damaged, or cannot be read. */
    uint64_t errors;
    /** Places that were damaged and have been repaired. */
    uint64_t repaired;
    /** PXDS_OUTCOME_OK, FAILED, BUSY, GONE, RECENT, UNVOUCHED, UNFINISHED or UNREADABLE. */
    uint32_t outcome;
    /** 0. */
    uint32_t reserved;
    /** Why the key does not vouch for it, of PXDS_OUTCOME_UNVOUCHED; else NULL. */
    const char *reason;
} pxds_verify_done;

/** Is told of each snapshot. A result other than 0 stops the call with PXDS_ERR_CANCELLED. */
typedef int32_t (*pxds_verify_done_fn)(void *user, const pxds_verify_done *done);

/** How a verification works. */
typedef struct {
    /** Bytes of this structure; set by PXDS_VERIFY_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_VERIFY_READ_ONLY, INDEX_ORDER, SKIP_VERIFIED, ALLOW_UNSIGNED. */
    uint32_t flags;
    /** Threads: one reads while the others check. 0: one for each processor; 1: the calling one alone. */
    uint32_t threads;
    /** For PXDS_VERIFY_SKIP_VERIFIED; whole days. */
    uint64_t skip_days;
    /**
     * Checks signatures, and opens encrypted chunks and blobs of snapshots that it has signed, or whose manifest has
     * its fingerprint. May be NULL: then the CRC of what is encrypted has to do. A snapshot that it has not signed
     * comes out as PXDS_OUTCOME_UNVOUCHED, if not worse; a wrong signature, and the signed manifest of another
     * snapshot, is damage.
     */
    const pxds_key *key;
    /** Another store, from which chunks are taken that are missing or bad; may be NULL. They are checked first. */
    const pxds_store *repair_from;
    /** The task in the noted outcome: a UPID as PBS writes it. NULL: one of this process and time. */
    const char *upid;
    /** Is told of damage; may be NULL, as the others. */
    pxds_verify_damage_fn on_damage;
    /** Handed to `on_damage`. */
    void *on_damage_user;
    /** Is told of each snapshot. */
    pxds_verify_done_fn on_done;
    /** Handed to `on_done`. */
    void *on_done_user;
    /** Is told how far the call is; see PXDS_VERIFY_PHASE_... */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_verify_options;

/** Sums of a verification. */
typedef struct {
    /** Bytes of this structure; set by PXDS_VERIFY_RESULT_INIT. */
    size_t struct_size;
    /** Snapshots that came out well. */
    uint64_t ok;
    /** Snapshots that failed. */
    uint64_t failed;
    /** Snapshots that were not looked at, or came out as PXDS_OUTCOME_UNREADABLE. */
    uint64_t skipped;
    /** Chunks that were checked, the damaged ones among them. */
    uint64_t chunks;
    /** Their plain bytes, by the indexes. */
    uint64_t bytes;
    /** Bytes of their files. */
    uint64_t stored_bytes;
    /** Chunks that are rotten. */
    uint64_t bad;
    /** Chunks that are not there. */
    uint64_t missing;
    /** Chunks that could not be read. */
    uint64_t unreadable;
    /** Rotten chunks whose files have been renamed. */
    uint64_t renamed;
    /** Chunks, of the bad, the missing and the unreadable, that have been repaired. */
    uint64_t repaired;
    /** Snapshots that came out as PXDS_OUTCOME_UNVOUCHED; they are not among `ok`. */
    uint64_t unvouched;
    /** Snapshots that came out as PXDS_OUTCOME_UNFINISHED; they are not among `skipped`. */
    uint64_t unfinished;
    /**
     * Snapshots whose outcome could not be noted, for lack of space for example; a notice of the store's says why. The
     * outcome stays the same.
     */
    uint64_t unnoted;
    /** PXDS_RESULT_INCOMPLETE. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} pxds_verify_result;

/** A sum over chunks. */
typedef struct {
    /** Bytes of this structure; set by PXDS_STATS_OPTIONS_INIT. */
    size_t struct_size;
    /** 0 or PXDS_STATS_EXACT. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Is told how far it is; see PXDS_STATS_PHASE_... May be NULL. */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_stats_options;

/** Sums over indexes and blobs, whatever chunks they share. */
typedef struct {
    /** Indexes that were read. */
    uint64_t indexes;
    /** Bytes that they describe: what restoring them all would give. */
    uint64_t logical_bytes;
    /** Their entries: chunks, each counted as often as it is named. */
    uint64_t references;
    /** Blobs of snapshots, less the manifests. */
    uint64_t blobs;
    /** Bytes of their files. */
    uint64_t blob_bytes;
    /** Indexes and directories that could not be read, and are in no other number. */
    uint64_t unreadable;
} pxds_stats_described;

/** A set of chunks, each counted once, however often it is named. */
typedef struct {
    /** How many. */
    uint64_t chunks;
    /** Bytes of their data. */
    uint64_t bytes;
    /**
     * Bytes of their files, those that are missing not among them. 0 without PXDS_STATS_EXACT, as the next two fields
     * are.
     */
    uint64_t stored_bytes;
    /** How many of them the store lacks. */
    uint64_t missing_chunks;
    /** Bytes of the data of these. The data that was compressed to `stored_bytes` has `bytes` less this. */
    uint64_t missing_bytes;
} pxds_stats_sum;

/** The numbers of a whole store. */
typedef struct {
    /** Bytes of this structure; set by PXDS_STATS_TOTAL_INIT. */
    size_t struct_size;
    /** PXDS_RESULT_EXACT if PXDS_STATS_EXACT was asked for, PXDS_RESULT_INCOMPLETE. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** The data that all indexes describe, those in no snapshot too. */
    pxds_stats_described described;
    /** The data that indexes in no snapshot describe. */
    pxds_stats_described others;
    /** All chunks that indexes name. */
    pxds_stats_sum used;
    /** The chunks that more than one snapshot has. All indexes in no snapshot count as one. */
    pxds_stats_sum shared;
    /** The chunks that more than one group has. */
    pxds_stats_sum across_groups;
    /** How many chunks are in each class of sizes. */
    uint64_t sizes[PXDS_STATS_SIZE_CLASSES];
    /** Bytes of the data of these. */
    uint64_t size_bytes[PXDS_STATS_SIZE_CLASSES];
    /**
     * With PXDS_STATS_EXACT: chunks in the store that no index names. Garbage collection would remove them, except
     * those of backups that are under way, and those of indexes that could not be read.
     */
    uint64_t unreferenced_chunks;
    /** Bytes of their files. */
    uint64_t unreferenced_bytes;
    /** With PXDS_STATS_EXACT: files set aside as bad chunks, and files that are too short to be chunks. */
    uint64_t broken_files;
    /** Their bytes. */
    uint64_t broken_bytes;
} pxds_stats_total;

/** The numbers of a group. */
typedef struct {
    /** Bytes of this structure; set by PXDS_STATS_GROUP_INIT. */
    size_t struct_size;
    /** Its path below the store, `[ns/NAME/...]TYPE/ID`. The statistics'. */
    const char *path;
    /** Its snapshots. */
    uint64_t snapshots;
    /** The times of the oldest and of the newest, in seconds since 1970; both 0 if there are none. */
    int64_t oldest;
    /** See `oldest`. */
    int64_t newest;
    /** The data that they describe. */
    pxds_stats_described described;
    /** Their chunks. */
    pxds_stats_sum used;
    /** The chunks that nothing outside of the group has. */
    pxds_stats_sum own;
} pxds_stats_group;

/** The numbers of a snapshot. */
typedef struct {
    /** Bytes of this structure; set by PXDS_STATS_SNAPSHOT_INIT. */
    size_t struct_size;
    /** Its path below the store, `[ns/NAME/...]TYPE/ID/TIME`. The statistics'. */
    const char *path;
    /** The number of its group, from 0. */
    size_t group;
    /** Its time, in seconds since 1970. */
    int64_t time;
    /** PXDS_SNAPSHOT_... */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** The data that it describes. */
    pxds_stats_described described;
    /** Its chunks. */
    pxds_stats_sum used;
    /** The chunks that nothing else has: those that garbage collection could remove without it. */
    pxds_stats_sum own;
    /**
     * The chunks that no older snapshot of the store has. The sum over all snapshots, with the chunks that only
     * indexes in no snapshot have, is all chunks.
     */
    pxds_stats_sum new_data;
    /** How many of its chunks are in each class of sizes. */
    uint64_t sizes[PXDS_STATS_SIZE_CLASSES];
} pxds_stats_snapshot;

/** How a snapshot is made. */
typedef struct {
    /** Bytes of this structure; set by PXDS_BACKUP_OPTIONS_INIT. */
    size_t struct_size;
    /** PXDS_BACKUP_... */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /**
     * With PXDS_BACKUP_SET_TIME: the snapshot's time, in seconds since 1970, from 1. Otherwise it is now: if the last
     * snapshot is not before that, or one of this time is there, pxds_backup_new() waits, for a few seconds at most.
     */
    int64_t time;
    /** The owner, `user@realm` or `user@realm!token`; see pxds_group_create(). May be NULL. */
    const char *owner;
    /** The snapshot's notes; the first line is shown as its comment. May be NULL. */
    const char *notes;
    /** The key that the snapshot is encrypted and signed with; NULL with PXDS_CRYPT_NONE. It can be freed meanwhile. */
    const pxds_key *key;
    /**
     * PXDS_CRYPT_ENCRYPT, archives are encrypted and the manifest is signed, which is the default with a key;
     * PXDS_CRYPT_SIGN_ONLY, the manifest is signed; or PXDS_CRYPT_NONE, the default without one.
     */
    uint32_t crypt_mode;
    /** 0. */
    uint32_t reserved_too;
    /**
     * Is told how far pxds_backup_new() is while it waits for a time, and pxds_backup_finish(); see
     * PXDS_BACKUP_PHASE_... May be NULL. A cancel ends the backup.
     */
    pxds_progress_fn progress;
    /** Handed to `progress`. */
    void *progress_user;
} pxds_backup_options;

/** Success. */
#define PXDS_OK 0

/** A chunk ends here. */
#define PXDS_CUT 1

/** There is nothing, or nothing more, where that is ordinary. */
#define PXDS_NONE 2

/** An argument can never work: NULL, an unknown flag, a value out of range. */
#define PXDS_ERR_ARGUMENT -1

/** The operating system refused; see pxds_error_errno(). */
#define PXDS_ERR_IO -2

/** An allocation failed. */
#define PXDS_ERR_NOMEM -3

/** A file, directory or chunk is not there. */
#define PXDS_ERR_NOT_FOUND -4

/** Something is there already. */
#define PXDS_ERR_EXISTS -5

/** Another process, handle or thread holds it. */
#define PXDS_ERR_BUSY -6

/** The caller's buffer is too small; the length that is enough has been written. */
#define PXDS_ERR_TOO_SMALL -7

/** A size is above a maximum. */
#define PXDS_ERR_LIMIT -8

/** Data is damaged: a digest, a CRC, a length or a compressed frame is wrong. */
#define PXDS_ERR_CORRUPT -9

/** Data is not of the format: its magic or structure is wrong. */
#define PXDS_ERR_FORMAT -10

/** The data is encrypted and no key is given. */
#define PXDS_ERR_KEY -11

/** An authentication tag or a signature does not match. */
#define PXDS_ERR_AUTH -12

/** A call out of order, or on a handle that has failed. */
#define PXDS_ERR_STATE -13

/** A callback asked to stop; see pxds_error_callback_value(). */
#define PXDS_ERR_CANCELLED -14

/** Valid, but not supported. */
#define PXDS_ERR_UNSUPPORTED -15

/** A protected snapshot cannot be removed. */
#define PXDS_ERR_PROTECTED -16

/** A password is wrong or too short. */
#define PXDS_ERR_PASSWORD -17

/** The data was made with another key. */
#define PXDS_ERR_KEY_MISMATCH -18

/** Encrypted where unencrypted was expected, or the reverse. */
#define PXDS_ERR_CRYPT_MODE -19

/** A service refuses who asks: a wrong key, a missing right, a clock that is off. */
#define PXDS_ERR_DENIED -20

/** A defect of this library. */
#define PXDS_ERR_INTERNAL -98

/** A defect of this library, found by a panic; the handle it struck is dead. */
#define PXDS_ERR_PANIC -99

/** First 8 bytes of an uncompressed, unencrypted blob; an initialiser. */
#define PXDS_MAGIC_UNCOMPRESSED_BLOB { 66, 171, 56, 7, 190, 131, 112, 161, }

/** First 8 bytes of a compressed, unencrypted blob; an initialiser. */
#define PXDS_MAGIC_COMPRESSED_BLOB { 49, 185, 88, 66, 111, 182, 163, 127, }

/** First 8 bytes of an encrypted, uncompressed blob; an initialiser. */
#define PXDS_MAGIC_ENCRYPTED_BLOB { 123, 103, 133, 190, 34, 45, 76, 240, }

/** First 8 bytes of an encrypted, compressed blob; an initialiser. */
#define PXDS_MAGIC_ENCR_COMPR_BLOB { 230, 89, 27, 191, 11, 191, 216, 11, }

/** First 8 bytes of a fixed index; an initialiser. */
#define PXDS_MAGIC_FIXED_INDEX { 47, 127, 65, 237, 145, 253, 15, 205, }

/** First 8 bytes of a dynamic index; an initialiser. */
#define PXDS_MAGIC_DYNAMIC_INDEX { 28, 145, 78, 165, 25, 186, 179, 205, }

/** First 8 bytes of a file catalogue, below its index; an initialiser. */
#define PXDS_MAGIC_CATALOG { 145, 253, 96, 249, 196, 103, 88, 213, }

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status, such as "PXDS_ERR_IO"; "PXDS_UNKNOWN" for any other number.
 *
 * Owns: the string is the library's and lasts for ever.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_status_name(pxds_status status);

/**
 * Words for a status, in English and such as "not found", where there is no error object; "unknown status" for any
 * other number. pxds_error_message() says more.
 *
 * Owns: the string is the library's and lasts for ever.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_status_message(pxds_status status);

/**
 * The status that the failed function returned; PXDS_OK for NULL.
 *
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_error_status(const pxds_error *error);

/**
 * The message: what happened, the outermost context first, with path, offset, digest and the system's words where they
 * are known.
 *
 * It may be printed as it is: control characters and bytes that are not UTF-8, in the name of a file for example, are
 * escaped.
 *
 * Never NULL; "" for NULL.
 *
 * Owns: the string is the error's.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_error_message(const pxds_error *error);

/**
 * The errno of the system call that failed; 0 if none did.
 *
 * Threads: any.
 * Since: 0.1
 */
int32_t pxds_error_errno(const pxds_error *error);

/**
 * The file or directory that it is about, as bytes that end in NUL; NULL if it is about none.
 *
 * Owns: the string is the error's.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_error_path(const pxds_error *error);

/**
 * Writes the 32 bytes of the digest of the chunk that it is about.
 *
 * Returns PXDS_NONE, and zeros, if it is about none; PXDS_ERR_ARGUMENT if `digest` is NULL.
 *
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_error_get_digest(const pxds_error *error, uint8_t *digest);

/**
 * Writes the offset in bytes that it is about; the message says in what.
 *
 * Returns PXDS_NONE, and zero, if it is about none; PXDS_ERR_ARGUMENT if `offset` is NULL.
 *
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_error_get_offset(const pxds_error *error, uint64_t *offset);

/**
 * The value of the callback that stopped the call; 0 if none did.
 *
 * Threads: any.
 * Since: 0.1
 */
int32_t pxds_error_callback_value(const pxds_error *error);

/**
 * Frees an error. NULL is fine.
 *
 * Threads: any.
 * Since: 0.1
 */
void pxds_error_free(pxds_error *error);

/**
 * The version of the library that is running, such as "0.1.0".
 *
 * Owns: the string is the library's and lasts for ever.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_version(void);

/**
 * The version of the library that is running, as major * 65536 + minor * 256 + patch.
 *
 * Threads: any.
 * Since: 0.1
 */
uint32_t pxds_version_number(void);

/**
 * The C ABI of the library that is running; equal to the header's PXDS_ABI_VERSION, or the two do not fit.
 *
 * Threads: any.
 * Since: 0.1
 */
uint32_t pxds_abi_version(void);

/**
 * The first byte, which must not be read if the length is 0. NULL only for NULL.
 *
 * Owns: the bytes are the buffer's.
 * Threads: any.
 * Since: 0.1
 */
const uint8_t *pxds_buffer_data(const pxds_buffer *buffer);

/**
 * How many bytes; 0 for NULL.
 *
 * Threads: any.
 * Since: 0.1
 */
size_t pxds_buffer_len(const pxds_buffer *buffer);

/**
 * Frees a buffer. NULL is fine.
 *
 * Threads: any.
 * Since: 0.1
 */
void pxds_buffer_free(pxds_buffer *buffer);

/**
 * Writes a file of these bytes and no others to `path`, as pxds_restorer_write_file() does: it appears whole and is on
 * the disk when this returns, or nothing is changed.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (no such directory, or a link to nothing), PXDS_ERR_EXISTS (a
 * directory; or a file that a store has made for itself), PXDS_ERR_IO.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_file_write(const char *path, const void *data, size_t data_len, pxds_error **err);

/**
 * Writes the digest of `data_len` bytes to the 32 bytes at `digest`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_digest_compute(const void *data, size_t data_len, uint8_t *digest, pxds_error **err);

/**
 * Writes the 32 bytes at `digest` as 64 lower-case hexadecimal digits and a NUL.
 *
 * `hex_capacity` must be at least PXDS_DIGEST_HEX_SIZE.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_digest_format(const uint8_t *digest, char *hex, size_t hex_capacity, pxds_error **err);

/**
 * Reads exactly 64 hexadecimal digits of either case into the 32 bytes at `digest`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_digest_parse(const char *hex, uint8_t *digest, pxds_error **err);

/**
 * The name of a type: "vm", "ct" or "host"; "unknown" for any other number.
 *
 * Owns: the string is the library's and lasts for ever.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_backup_type_name(uint32_t type);

/**
 * Reads the name of a type, exactly "vm", "ct" or "host", and writes PXDS_TYPE_... to `*type`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_backup_type_parse(const char *name, uint32_t *type, pxds_error **err);

/**
 * Checks the id of a group: letters, digits and _ . - of ASCII, no . or - first, at most PXDS_ID_MAX_LEN bytes.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_id_check(const char *id, pxds_error **err);

/**
 * Checks a namespace: names like an id's with a / between them, or "" for the root.
 *
 * It has at most PXDS_NAMESPACE_MAX_DEPTH names and PXDS_NAMESPACE_MAX_LEN bytes.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_namespace_check(const char *ns, pxds_error **err);

/**
 * Checks the name of an archive, an id that ends in .didx, .fidx or .blob, and writes PXDS_ARCHIVE_... to `*kind`,
 * which may be NULL.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_archive_check(const char *name, uint32_t *kind, pxds_error **err);

/**
 * Writes `time`, in seconds since 1970, as the name of a snapshot, such as "2020-06-26T13:56:05Z", and a NUL.
 *
 * `capacity` is at least PXDS_TIME_SIZE.
 *
 * Errors: PXDS_ERR_ARGUMENT (also outside the years 0000 to 9999), PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_time_format(int64_t time, char *text, size_t capacity, pxds_error **err);

/**
 * Reads the name of a snapshot, exactly as pxds_time_format() writes it: no 30th of February, no second 60.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_time_parse(const char *text, int64_t *time, pxds_error **err);

/**
 * Writes the path of a group below its store, such as "ns/a/ns/b/vm/100", with a NUL at its end.
 *
 * `ns`: the namespace, a/b; NULL or "" for the root. `*text_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL,
 * how many are needed.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_group_format(const char *ns,
                              uint32_t type,
                              const char *id,
                              char *text,
                              size_t capacity,
                              size_t *text_len,
                              pxds_error **err);

/**
 * Writes the path of a snapshot below its store, such as "ns/a/vm/100/2020-06-26T13:56:05Z", with a NUL at its end.
 *
 * As pxds_group_format(). `time` is in seconds since 1970.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_snapshot_format(const char *ns,
                                 uint32_t type,
                                 const char *id,
                                 int64_t time,
                                 char *text,
                                 size_t capacity,
                                 size_t *text_len,
                                 pxds_error **err);

/**
 * Takes the path of a group apart, as pxds_group_format() writes it.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_group_parse(const char *path, pxds_group_name *out, pxds_error **err);

/**
 * Takes the path of a snapshot apart, as pxds_snapshot_format() writes it.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_snapshot_parse(const char *path, pxds_snapshot_name *out, pxds_error **err);

/**
 * Makes a key of the 32 bytes at `secret`, which are copied.
 *
 * Owns: the caller owns `*out` and frees it with pxds_key_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_key_new(const uint8_t *secret, pxds_key **out, pxds_error **err);

/**
 * Makes a new key of random bytes. Without a key file, see pxds_keyfile_new(), it is lost with the program.
 *
 * Owns: the caller owns `*out` and frees it with pxds_key_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO (no random bytes).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_key_random(pxds_key **out, pxds_error **err);

/**
 * Makes a key of `key` that reads also what the Go package has encrypted with it. `flags`: PXDS_CODEC_SHORT_IV,
 * PXDS_CODEC_LONG_HEADER, or both.
 *
 * Use it in place of the other wherever something is read: in a restorer, a reader, a verification, a copy, a snapshot
 * or a codec. Its output is that of Proxmox Backup Server. The signatures of that package's manifests cannot be
 * checked: a manifest that names the key as that package does counts as unsigned. See docs/format.md, 2.7.
 *
 * Owns: the caller owns `*out` and frees it with pxds_key_free(); `key` can be freed before.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_key_tolerant(const pxds_key *key, uint32_t flags, pxds_key **out, pxds_error **err);

/**
 * Writes the 32 bytes of the key's fingerprint to `fingerprint`. It tells keys apart and gives nothing away.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_key_get_fingerprint(const pxds_key *key, uint8_t *fingerprint, pxds_error **err);

/**
 * Computes the digest of encrypted data, which names its chunk, into the 32 bytes at `digest`. See docs/format.md,
 * 3.2.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_key_digest(const pxds_key *key, const void *data, size_t data_len, uint8_t *digest, pxds_error **err);

/**
 * Frees a key. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_key_free(pxds_key *key);

/**
 * Writes the 32 bytes at `fingerprint` as pairs of hexadecimal digits with colons between them, and a NUL.
 *
 * `flags`: 0 or PXDS_FINGERPRINT_SHORT. `capacity` is at least PXDS_FINGERPRINT_TEXT_SIZE, or
 * PXDS_FINGERPRINT_SHORT_SIZE.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_fingerprint_format(const uint8_t *fingerprint,
                                    uint32_t flags,
                                    char *text,
                                    size_t capacity,
                                    pxds_error **err);

/**
 * Reads a whole fingerprint, with or without colons and in either case, into the 32 bytes at `fingerprint`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_fingerprint_parse(const char *text, uint8_t *fingerprint, pxds_error **err);

/**
 * Puts `key` under a password. `options` may be NULL.
 *
 * The password is any bytes, at least 5 of them; for PXDS_KDF_NONE it is not looked at. Nothing is written yet: see
 * pxds_keyfile_save().
 *
 * Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_PASSWORD (too short), PXDS_ERR_IO (no random bytes), PXDS_ERR_NOMEM.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_keyfile_new(const pxds_key *key,
                             const void *password,
                             size_t password_len,
                             const pxds_keyfile_options *options,
                             pxds_keyfile **out,
                             pxds_error **err);

/**
 * Reads the key file at `path`.
 *
 * Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_keyfile_load(const char *path, pxds_keyfile **out, pxds_error **err);

/**
 * Reads the JSON text of a key file.
 *
 * Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_keyfile_parse(const void *text, size_t text_len, pxds_keyfile **out, pxds_error **err);

/**
 * Writes the facts about a key file to `*info`.
 *
 * Owns: the hint is the key file's.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_keyfile_get_info(const pxds_keyfile *keyfile, pxds_keyfile_info *info, pxds_error **err);

/**
 * Takes the key out. For PXDS_KDF_NONE the password is not looked at, and may be NULL.
 *
 * Its cost is bounded: scrypt may take 1025 MiB, PBKDF2 some ten seconds.
 *
 * Owns: the caller owns `*out` and frees it with pxds_key_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_PASSWORD (wrong, or under 5 bytes), PXDS_ERR_LIMIT (it would cost too much),
 * PXDS_ERR_KEY_MISMATCH (the key is not that of the fingerprint in the file), PXDS_ERR_FORMAT (no key in it),
 * PXDS_ERR_NOMEM.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_keyfile_unlock(const pxds_keyfile *keyfile,
                                const void *password,
                                size_t password_len,
                                pxds_key **out,
                                pxds_error **err);

/**
 * Gives the JSON text of a key file, which is overwritten when the buffer is freed.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_keyfile_format(const pxds_keyfile *keyfile, pxds_buffer **out, pxds_error **err);

/**
 * Writes a key file to `path`, readable for its owner alone, on the disk when this returns.
 *
 * `flags`: 0 or PXDS_SAVE_REPLACE, which replaces a file that is there, whole or not at all. It keeps its owner, as
 * far as the process may.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_EXISTS, PXDS_ERR_NOT_FOUND (no such directory), PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_keyfile_save(const pxds_keyfile *keyfile, const char *path, uint32_t flags, pxds_error **err);

/**
 * Frees a key file. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_keyfile_free(pxds_keyfile *keyfile);

/**
 * Seals `key` for the holder of a master key, whose public half is the PEM at `public_pem`, "BEGIN PUBLIC KEY".
 *
 * `created`: when the key was made, in seconds since 1970, as its key file says; NULL for now.
 * pxds_backup_add_sealed_key() puts the result into a snapshot. RSA with 2128 bits or more is needed; keys of Proxmox
 * Backup Server have 4096.
 *
 * Master keys are part of a build with the Cargo feature `master-key`; without it this is PXDS_ERR_UNSUPPORTED, and a
 * key can still be sealed by other means: docs/format.md, 3.6.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT (also: the master key is too small), PXDS_ERR_FORMAT (no public key of RSA in a PEM),
 * PXDS_ERR_LIMIT (above 16384 bits), PXDS_ERR_IO (no random bytes), PXDS_ERR_UNSUPPORTED.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_master_seal(const pxds_key *key,
                             const int64_t *created,
                             const void *public_pem,
                             size_t public_pem_len,
                             pxds_buffer **out,
                             pxds_error **err);

/**
 * Opens a sealed key with the private half of the master key, the PEM at `private_pem`: "BEGIN PRIVATE KEY", "BEGIN
 * ENCRYPTED PRIVATE KEY" or "BEGIN RSA PRIVATE KEY".
 *
 * `sealed` is the content of a snapshot's rsa-encrypted.key.blob, or that file as it is. `password` is that of the
 * PEM; NULL if it has none. The key file that comes out is under no password: pxds_keyfile_unlock() takes the key out
 * and verifies its fingerprint, pxds_keyfile_new() puts it under a new one.
 *
 * RSA is not constant time here: do not use it in a service that opens keys from strangers. The cost of a password is
 * bounded as in pxds_keyfile_unlock(). Without the Cargo feature `master-key` this is PXDS_ERR_UNSUPPORTED.
 *
 * Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_KEY_MISMATCH (sealed for another master key, or damaged), PXDS_ERR_PASSWORD
 * (missing or wrong), PXDS_ERR_FORMAT (no private key of RSA in a PEM), PXDS_ERR_LIMIT (above 16384 bits, or the
 * password would cost too much), PXDS_ERR_CORRUPT and PXDS_ERR_KEY (a damaged or encrypted blob), PXDS_ERR_IO (no
 * random bytes), PXDS_ERR_NOMEM, PXDS_ERR_UNSUPPORTED (also: a password of an old kind).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_master_recover(const void *sealed,
                                size_t sealed_len,
                                const void *private_pem,
                                size_t private_pem_len,
                                const void *password,
                                size_t password_len,
                                pxds_keyfile **out,
                                pxds_error **err);

/**
 * Makes a codec. `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_blob_codec_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_codec_new(const pxds_blob_codec_options *options, pxds_blob_codec **out, pxds_error **err);

/**
 * Frees a codec. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_blob_codec_free(pxds_blob_codec *codec);

/**
 * Bytes that are enough for the blob of `data_len` bytes, whatever its form; 0 if `data_len` is too large.
 *
 * Threads: any.
 * Since: 0.1
 */
size_t pxds_blob_encode_bound(size_t data_len);

/**
 * Encodes `data` into the `blob_capacity` bytes at `blob` and writes the length to `*blob_len`.
 *
 * `flags`: 0, or of PXDS_ENCODE_COMPRESS and PXDS_ENCODE_ENCRYPT. With PXDS_ERR_TOO_SMALL `*blob_len` is a
 * capacity that is enough; otherwise a failure leaves 0 there. `data` and `blob` must not overlap. See docs/format.md,
 * 2.3.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL, PXDS_ERR_LIMIT (above PXDS_BLOB_MAX_SIZE), PXDS_ERR_KEY (none to
 * encrypt with), PXDS_ERR_IO (no random bytes), PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_blob_encode(pxds_blob_codec *codec,
                             const void *data,
                             size_t data_len,
                             uint32_t flags,
                             void *blob,
                             size_t blob_capacity,
                             size_t *blob_len,
                             pxds_error **err);

/**
 * As pxds_blob_encode(), into a buffer of the library's.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_KEY, PXDS_ERR_IO, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_blob_encode_buffer(pxds_blob_codec *codec,
                                    const void *data,
                                    size_t data_len,
                                    uint32_t flags,
                                    pxds_buffer **out,
                                    pxds_error **err);

/**
 * Decodes `blob` into the `data_capacity` bytes at `data` and writes the length to `*data_len`.
 *
 * Checks the structure, the CRC unless `flags` has PXDS_DECODE_SKIP_CRC, and, if `digest` is not NULL, that the
 * data has this digest. With PXDS_ERR_TOO_SMALL `*data_len` is a capacity that is enough; otherwise a failure leaves 0
 * there, and nothing useful at `data`. `blob` and `data` must not overlap. See docs/format.md, 2.5.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_KEY, PXDS_ERR_AUTH, PXDS_ERR_TOO_SMALL,
 * PXDS_ERR_LIMIT (above PXDS_BLOB_MAX_SIZE), PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_blob_decode(pxds_blob_codec *codec,
                             const void *blob,
                             size_t blob_len,
                             uint32_t flags,
                             const uint8_t *digest,
                             void *data,
                             size_t data_capacity,
                             size_t *data_len,
                             pxds_error **err);

/**
 * As pxds_blob_decode(), into a buffer of the library's of at most `max_len` bytes.
 *
 * No more than that is ever allocated, whatever the blob claims. PXDS_BLOB_MAX_SIZE admits every blob.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_KEY, PXDS_ERR_AUTH, PXDS_ERR_LIMIT,
 * PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_blob_decode_buffer(pxds_blob_codec *codec,
                                    const void *blob,
                                    size_t blob_len,
                                    uint32_t flags,
                                    const uint8_t *digest,
                                    size_t max_len,
                                    pxds_buffer **out,
                                    pxds_error **err);

/**
 * Points `*data` at the data of an uncompressed, unencrypted blob, without a copy. Checks as pxds_blob_decode().
 *
 * Returns PXDS_NONE for a compressed blob.
 *
 * Owns: `*data` points into `blob`.
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_KEY, PXDS_ERR_AUTH, PXDS_ERR_LIMIT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_decode_borrow(const void *blob,
                                    size_t blob_len,
                                    uint32_t flags,
                                    const uint8_t *digest,
                                    const uint8_t **data,
                                    size_t *data_len,
                                    pxds_error **err);

/**
 * Reads the header of an encoded blob. Checks its structure, not the CRC.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_parse(const void *blob, size_t blob_len, pxds_blob_info *info, pxds_error **err);

/**
 * Compares the stored CRC of an encoded blob with its payload's. It covers neither magic, iv nor tag.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_check_crc(const void *blob, size_t blob_len, pxds_error **err);

/**
 * Stores the CRC of the payload in the header of an encoded blob, in place.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_update_crc(void *blob, size_t blob_len, pxds_error **err);

/**
 * Checks that an unencrypted blob decodes to `size` bytes of the digest at `digest`. The CRC is not compared.
 *
 * An encrypted blob passes unchecked: its digest cannot be computed without the key.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_blob_verify_unencrypted(pxds_blob_codec *codec,
                                         const void *blob,
                                         size_t blob_len,
                                         uint64_t size,
                                         const uint8_t *digest,
                                         pxds_error **err);

/**
 * Writes the header bytes of a blob with this magic, 12 or 44, to `*header_len`.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if it is no magic of a blob.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_get_header_len(const uint8_t *magic, size_t *header_len, pxds_error **err);

/**
 * 1 if a blob with this magic is compressed, 0 if not, if it is no magic of a blob, and for NULL.
 *
 * Threads: any.
 * Since: 0.1
 */
int32_t pxds_blob_magic_is_compressed(const uint8_t *magic);

/**
 * 1 if a blob with this magic is encrypted, 0 if not, if it is no magic of a blob, and for NULL.
 *
 * Threads: any.
 * Since: 0.1
 */
int32_t pxds_blob_magic_is_encrypted(const uint8_t *magic);

/**
 * Reads the header of an unencrypted blob from the first 12 of `data_len` bytes. The magic is not judged.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if there are fewer bytes.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_header_read(const void *data, size_t data_len, pxds_blob_header *header, pxds_error **err);

/**
 * Writes the header of an unencrypted blob to the first 12 of `capacity` bytes. The magic is not judged.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_header_write(const pxds_blob_header *header, void *data, size_t capacity, pxds_error **err);

/**
 * Reads the header of an encrypted blob from the first 44 of `data_len` bytes. The magic is not judged.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if there are fewer bytes.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_encrypted_header_read(const void *data,
                                            size_t data_len,
                                            pxds_blob_encrypted_header *header,
                                            pxds_error **err);

/**
 * Writes the header of an encrypted blob to the first 44 of `capacity` bytes. The magic is not judged.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_blob_encrypted_header_write(const pxds_blob_encrypted_header *header,
                                             void *data,
                                             size_t capacity,
                                             pxds_error **err);

/**
 * Reads the header of an index from the first 4096 of `data_len` bytes. The magic is not judged; reserved bytes are
 * ignored, and so are the sizes unless the magic is a fixed index's.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if there are fewer bytes.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_header_read(const void *data, size_t data_len, pxds_index_header *header, pxds_error **err);

/**
 * Writes the header of an index to the first 4096 of `capacity` bytes, reserved ones as zeros.
 *
 * Errors: PXDS_ERR_ARGUMENT (also for sizes in the header of a dynamic index), PXDS_ERR_TOO_SMALL.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_header_write(const pxds_index_header *header, void *data, size_t capacity, pxds_error **err);

/**
 * Fills `*config` with what PBS uses for the average size `avg`: a power of two from 2 to 2^31, or 0 for the default.
 *
 * `config->struct_size` must be set, as by PXDS_CHUNKER_CONFIG_INIT.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_chunker_config_init(pxds_chunker_config *config, uint64_t avg, pxds_error **err);

/**
 * Makes a chunker that cuts by content. `config` may be NULL for the default.
 *
 * Owns: the caller owns `*out` and frees it with pxds_chunker_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_chunker_new(const pxds_chunker_config *config, pxds_chunker **out, pxds_error **err);

/**
 * Makes a chunker that cuts at every multiple of `chunk_size` bytes, a power of two.
 *
 * Owns: the caller owns `*out` and frees it with pxds_chunker_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_chunker_new_fixed(uint64_t chunk_size, pxds_chunker **out, pxds_error **err);

/**
 * Takes the next bytes of the stream, up to the end of the current chunk.
 *
 * Returns PXDS_CUT if a chunk ends after the first `*used` bytes, at least 1: call again with what follows them.
 * Returns PXDS_OK if no chunk ends here, with `*used` = `data_len`: call again with what comes next. At the end of the
 * stream the bytes behind the last cut, if any, are the last chunk. The cuts do not depend on how the stream is split
 * into calls.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_chunker_scan(pxds_chunker *chunker, const void *data, size_t data_len, size_t *used, pxds_error **err);

/**
 * Starts a new stream.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_chunker_reset(pxds_chunker *chunker, pxds_error **err);

/**
 * Frees a chunker. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_chunker_free(pxds_chunker *chunker);

/**
 * Makes a hash, of 64 zero bytes, which is 0.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buzhash_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_buzhash_new(pxds_buzhash **out, pxds_error **err);

/**
 * Starts anew from the first 64 bytes of `data`, or from all of it if it is shorter, as at the start of a chunk.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_buzhash_init(pxds_buzhash *hash, const void *data, size_t data_len, pxds_error **err);

/**
 * Rolls the hash over `data`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_buzhash_update(pxds_buzhash *hash, const void *data, size_t data_len, pxds_error **err);

/**
 * Writes the hash to `*sum`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_buzhash_get_sum(pxds_buzhash *hash, uint32_t *sum, pxds_error **err);

/**
 * Makes it the hash of 64 zero bytes again.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_buzhash_reset(pxds_buzhash *hash, pxds_error **err);

/**
 * Frees a hash. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_buzhash_free(pxds_buzhash *hash);

/**
 * Makes a store in the directory `path`, which is made if it is missing, and opens it. A directory that is made has
 * mode 0700, or 0755 with PXDS_STORE_SHARED, less the umask; one that is there keeps its own.
 *
 * `options` may be NULL. A failure, or a stop by their `progress`, leaves no store. See docs/format.md, 5.1.
 *
 * Owns: the caller owns `*out` and frees it with pxds_store_free().
 * Errors: PXDS_ERR_ARGUMENT (also with PXDS_STORE_READ_ONLY or PXDS_STORE_S3_CACHE), PXDS_ERR_EXISTS,
 * PXDS_ERR_NOT_FOUND, PXDS_ERR_UNSUPPORTED (the file system does not keep access times), PXDS_ERR_IO,
 * PXDS_ERR_CANCELLED.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_store_create(const char *path, const pxds_store_options *options, pxds_store **out, pxds_error **err);

/**
 * Opens the store in the directory `path`. `options` may be NULL.
 *
 * Its layout is recognised. Opening takes no lock and writes nothing.
 *
 * Owns: the caller owns `*out` and frees it with pxds_store_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (no such directory, or no `.chunks` in it), PXDS_ERR_IO,
 * PXDS_ERR_FORMAT (both layouts, without PXDS_STORE_MIXED; `.chunks` is a link, or no directory).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_store_open(const char *path, const pxds_store_options *options, pxds_store **out, pxds_error **err);

/**
 * As pxds_store_open(), after making what is missing as pxds_store_create() does.
 *
 * Owns: the caller owns `*out` and frees it with pxds_store_free().
 * Errors: as pxds_store_open() and pxds_store_create().
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_store_open_or_create(const char *path,
                                      const pxds_store_options *options,
                                      pxds_store **out,
                                      pxds_error **err);

/**
 * Frees a store. NULL is fine. Objects that were made from it stay valid.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_store_free(pxds_store *store);

/**
 * The store's directory, from the root, as bytes that end in NUL; NULL for NULL.
 *
 * Owns: the string is the store's.
 * Threads: shared.
 * Since: 0.1
 */
const char *pxds_store_path(const pxds_store *store);

/**
 * PXDS_LAYOUT_HEX2 or PXDS_LAYOUT_HEX4; PXDS_LAYOUT_DEFAULT for a store without chunks, and for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
uint32_t pxds_store_layout(const pxds_store *store);

/**
 * Brings the file system of the store to the disk, whatever the sync level.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO; PXDS_ERR_STATE once a sync through this handle has failed: the system tells
 * only once of data that it could not write.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_sync(const pxds_store *store, pxds_error **err);

/**
 * Writes the path at which the chunk `digest` is stored, whether it is there or not, with a NUL at its end.
 *
 * `*path_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL, how many are needed.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL; PXDS_ERR_NOT_FOUND (a store without chunks).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_get_chunk_path(const pxds_store *store,
                                      const uint8_t *digest,
                                      char *path,
                                      size_t path_capacity,
                                      size_t *path_len,
                                      pxds_error **err);

/**
 * Stores the encoded `blob` as chunk `digest`, or touches the chunk that is there.
 *
 * Whether the digest is that of the data is not checked: see pxds_store_insert_verified(). If the chunk is there, the
 * table of docs/format.md, 5.4, says what happens. `flags`: 0 or PXDS_INSERT_RAW. Hold a lock, see pxds_store_lock(),
 * from before the first insert until an index names the chunks. `result` may be NULL.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT (no blob, or too short for one), PXDS_ERR_LIMIT (too long),
 * PXDS_ERR_EXISTS (something that is no file has the name), PXDS_ERR_CRYPT_MODE, PXDS_ERR_CORRUPT (both cannot be
 * valid, or the smaller one that would replace the other has a wrong CRC), PXDS_ERR_NOT_FOUND (the store is gone),
 * PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback, after the chunk was stored); PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_insert(const pxds_store *store,
                              const uint8_t *digest,
                              const void *blob,
                              size_t blob_len,
                              uint32_t flags,
                              pxds_insert_result *result,
                              pxds_error **err);

/**
 * As pxds_store_insert(), after checking that an unencrypted `blob` decodes to `size` bytes of this digest.
 *
 * The stored CRC is made right. A chunk that is there but does not load, by structure and CRC, is replaced.
 *
 * Errors: as pxds_store_insert(); PXDS_ERR_CORRUPT also if the check fails; PXDS_ERR_NOMEM.
 * Threads: shared for the store, exclusive for the codec.
 * Since: 0.1
 */
pxds_status pxds_store_insert_verified(const pxds_store *store,
                                       pxds_blob_codec *codec,
                                       const uint8_t *digest,
                                       uint64_t size,
                                       const void *blob,
                                       size_t blob_len,
                                       pxds_insert_result *result,
                                       pxds_error **err);

/**
 * Loads the encoded blob of chunk `digest`, of at most `max_len` bytes, and checks its structure and CRC.
 *
 * `flags`: 0 or PXDS_LOAD_UNCHECKED. PXDS_BLOB_MAX_ENCODED_SIZE admits every blob. Loading does not touch.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_LIMIT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT,
 * PXDS_ERR_NOMEM.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_load(const pxds_store *store,
                            const uint8_t *digest,
                            uint32_t flags,
                            size_t max_len,
                            pxds_buffer **out,
                            pxds_error **err);

/**
 * Tells whether the store has the chunk `digest`: PXDS_OK, or PXDS_NONE.
 *
 * A file that is too short for a blob, as a crash may leave it, is no chunk. `stored_size`, which may be NULL, gets
 * the length of the file.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_has(const pxds_store *store, const uint8_t *digest, uint64_t *stored_size, pxds_error **err);

/**
 * Sets the access time of chunk `digest` to now, which keeps garbage collection off it. The modification time stays.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_IO, with EPERM if the file is another user's; PXDS_ERR_STATE
 * and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_touch(const pxds_store *store, const uint8_t *digest, pxds_error **err);

/**
 * Renames the file of chunk `digest` to DIGEST.N.bad, so that it counts as missing and is stored anew next time.
 *
 * N is the lowest free of 0 to 9; if none is, 9 is overwritten. `number`, which may be NULL, gets it. Returns
 * PXDS_NONE if there is no such chunk. See docs/format.md, 5.8.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_mark_bad(const pxds_store *store, const uint8_t *digest, uint32_t *number, pxds_error **err);

/**
 * Starts going through all chunks and their bad copies, directory by directory, in no order within one.
 *
 * Temporary and foreign files are passed over. Chunks that come or go meanwhile are seen or not.
 *
 * Owns: the caller owns `*out` and frees it with pxds_chunk_iter_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_chunks(const pxds_store *store, pxds_chunk_iter **out, pxds_error **err);

/**
 * Writes the next chunk to `*entry`. Returns PXDS_NONE at the end, and after a failure.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_chunk_iter_next(pxds_chunk_iter *iter, pxds_chunk_entry *entry, pxds_error **err);

/**
 * Frees an iterator. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_chunk_iter_free(pxds_chunk_iter *iter);

/**
 * Brings the store at `path` into `layout`, PXDS_LAYOUT_HEX2 or PXDS_LAYOUT_HEX4, in place, by renames.
 *
 * No chunk is lost, however it ends. A conversion that was stopped leaves a store of both layouts, which only
 * PXDS_STORE_MIXED opens, and the next call goes on with it. It locks the store exclusively. Handles that are open
 * have the old layout: they find no chunks afterwards, get no lock, and are to be opened again. With PXDS_LAYOUT_HEX4
 * all directories are made that PBS wants, also of a store that has this layout and lacks some. See docs/format.md,
 * 5.10.
 *
 * `opening`, of which the layout is not looked at, `options` and `result` may be NULL. With PXDS_CONVERT_DRY_RUN
 * nothing is changed, and no lock is taken.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY while anybody holds a lock; PXDS_ERR_FORMAT if a link
 * or a file has the name of a chunk directory, or another file system is mounted there; PXDS_ERR_EXISTS, with the
 * path, if two files that are no chunks would get one name; PXDS_ERR_IO; PXDS_ERR_CANCELLED; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read, without PXDS_CONVERT_DRY_RUN.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_store_convert(const char *path,
                               uint32_t layout,
                               const pxds_store_options *opening,
                               const pxds_convert_options *options,
                               pxds_convert_result *result,
                               pxds_error **err);

/**
 * Opens the index file at `path`. `kind`: PXDS_INDEX_ANY, or the kind that it must be.
 *
 * The file is read at once: 40 or 32 bytes of memory a chunk. See docs/format.md, 6.4, for what is checked; the stored
 * csum is not, see pxds_index_check_csum().
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM,
 * PXDS_ERR_CORRUPT (it shrinks meanwhile).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_open(const char *path, uint32_t kind, pxds_index **out, pxds_error **err);

/**
 * As pxds_index_open(), from the bytes of an index file, which are copied.
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_parse(const void *data, size_t data_len, uint32_t kind, pxds_index **out, pxds_error **err);

/**
 * Writes the header and the size of an index to `*info`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_index_get_info(const pxds_index *index, pxds_index_info *info, pxds_error **err);

/**
 * Writes chunk `number`, from 0, to `*chunk`. Returns PXDS_NONE if the index has no such chunk.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_index_get_chunk(const pxds_index *index,
                                 uint64_t number,
                                 pxds_index_chunk_info *chunk,
                                 pxds_error **err);

/**
 * Writes the chunks from number `first` on to the array `chunks`, as many as there are and it has room for, and how
 * many to `*count`. Returns PXDS_NONE if the index has no chunk `first`.
 *
 * `chunks[0].struct_size` is set, to that of PXDS_INDEX_CHUNK_INFO_INIT, and holds for all `capacity` elements. Those
 * behind `*count` are zeros but for their size.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_index_get_chunks(const pxds_index *index,
                                  uint64_t first,
                                  pxds_index_chunk_info *chunks,
                                  size_t capacity,
                                  size_t *count,
                                  pxds_error **err);

/**
 * Finds the chunk that holds the byte at `offset`: writes its number to `*number`, and to `*offset_in_chunk`, which
 * may be NULL, where in the chunk the byte is. Returns PXDS_NONE at and behind the end.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_index_find_chunk(const pxds_index *index,
                                  uint64_t offset,
                                  uint64_t *number,
                                  uint64_t *offset_in_chunk,
                                  pxds_error **err);

/**
 * Computes the csum of the entries, which a manifest lists, into the 32 bytes at `csum`.
 *
 * `size`, which may be NULL, gets the bytes of the file that the index describes.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_index_compute_csum(const pxds_index *index, uint8_t *csum, uint64_t *size, pxds_error **err);

/**
 * Compares the csum in the header with the computed one.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_CORRUPT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_index_check_csum(const pxds_index *index, pxds_error **err);

/**
 * Frees an index. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_index_free(pxds_index *index);

/**
 * Makes an empty dynamic index in memory, 40 bytes a chunk.
 *
 * `ctime`, in seconds since 1970, is stored as it is. `uuid` points to 16 bytes, or is NULL for random ones.
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_writer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO (no random bytes).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_writer_new_dynamic(int64_t ctime,
                                          const uint8_t *uuid,
                                          pxds_index_writer **out,
                                          pxds_error **err);

/**
 * Makes a fixed index of an image of `size` bytes in chunks of `chunk_size`, a power of two up to
 * PXDS_BLOB_MAX_SIZE.
 *
 * It takes 33 bytes of memory a chunk. Its digests come with pxds_index_writer_add() and
 * pxds_index_writer_set(), in any order. `flags`: 0 or PXDS_WRITER_ALLOW_INCOMPLETE, with which up to 2^18
 * chunks may be without one: finishing with more is PXDS_ERR_LIMIT. Proxmox Backup Server reads no other `chunk_size`
 * than 4 MiB in versions after 4.2.3. For `ctime` and `uuid` see pxds_index_writer_new_dynamic().
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_writer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT (too many chunks), PXDS_ERR_NOMEM.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_writer_new_fixed(int64_t ctime,
                                        const uint8_t *uuid,
                                        uint64_t size,
                                        uint64_t chunk_size,
                                        uint32_t flags,
                                        pxds_index_writer **out,
                                        pxds_error **err);

/**
 * Adds the chunk `digest`, which ends at `end`.
 *
 * To a dynamic index it is appended: it begins at the end of the one before, or 0. A refused chunk spoils the index:
 * what follows, and finishing, is PXDS_ERR_STATE. To an index that came out of an ingest add only chunks that are in
 * the store and have been touched since the ingest began.
 *
 * To a fixed index chunks come in any order, each at its place: `end` is a multiple of the chunk size, or the image's.
 *
 * Errors: PXDS_ERR_ARGUMENT (also if no chunk of a fixed index ends at `end`, for an index that came out of a
 * pxds_image, and if `end` is, for a dynamic one, not behind the end before, more than PXDS_BLOB_MAX_SIZE behind it,
 * or above 2^63 - 1), PXDS_ERR_STATE (finished, or spoiled), PXDS_ERR_IO, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_index_writer_add(pxds_index_writer *writer, uint64_t end, const uint8_t *digest, pxds_error **err);

/**
 * Sets the digest of chunk `number`, from 0, of a fixed index. The last one set for a chunk counts.
 *
 * Errors: PXDS_ERR_ARGUMENT (also for a chunk that the index does not have, for a dynamic index, and for one that
 * came out of a pxds_image, which has all its chunks), PXDS_ERR_STATE (finished).
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_index_writer_set(pxds_index_writer *writer, uint64_t number, const uint8_t *digest, pxds_error **err);

/**
 * Takes the digests of `earlier`, a fixed index of the same chunk size, for the chunks that both have.
 *
 * Chunks that have changed since are set after that. If the image has another size now, a short last chunk is not
 * shared.
 *
 * Errors: as pxds_index_writer_set(); PXDS_ERR_ARGUMENT also for another chunk size.
 * Threads: exclusive for the writer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_index_writer_clone_index(pxds_index_writer *writer, const pxds_index *earlier, pxds_error **err);

/**
 * Writes what the index has so far to `*info`, its csum included.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_index_writer_get_info(pxds_index_writer *writer, pxds_index_info *info, pxds_error **err);

/**
 * Completes the index and gives the bytes of its file, at most `max_len` of them; the same at every call.
 *
 * For a writer that came out of an ingest or image the chunks are on the disk first, by the store's sync level, and
 * the hold on the store stays until the writer is freed: store the bytes before that.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_STATE (spoiled, or incomplete), PXDS_ERR_IO, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_index_writer_finish(pxds_index_writer *writer, size_t max_len, pxds_buffer **out, pxds_error **err);

/**
 * Checks that an index can be saved at `path`: nothing is there, or an index, or an empty file, but nothing that
 * belongs to a snapshot. For callers that want to know before the work.
 *
 * Errors: PXDS_ERR_ARGUMENT (no name of a file), PXDS_ERR_NOT_FOUND (no such directory, or a link to nothing),
 * PXDS_ERR_EXISTS (something else has the name), PXDS_ERR_IO.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_index_check_path(const char *path, pxds_error **err);

/**
 * Completes the index and writes it to `path`, whole or not at all, where pxds_index_check_path() finds that it can
 * be.
 *
 * A symbolic link is followed; a file that is replaced keeps its owner and permissions. When this returns the file is
 * on the disk. A writer that came out of an ingest or image follows the store's sync level in this, brings the chunks
 * to the disk before the file gets its name, and lets go of the store when it succeeds; an empty index below the
 * store's directory brings a notice first. A writer of your own knows no store: call pxds_store_sync() first.
 *
 * Errors: PXDS_ERR_ARGUMENT (also for NAME.fidx of a dynamic index or NAME.didx of a fixed one, at which garbage
 * collection would stop, and if a file that was read for the index is there), PXDS_ERR_NOT_FOUND (no such directory),
 * PXDS_ERR_EXISTS (the file there is no index, or belongs to a snapshot), PXDS_ERR_IO, PXDS_ERR_STATE (spoiled or
 * incomplete; saved before and no longer holding the store; or a sync of the store has failed before).
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_index_writer_save(pxds_index_writer *writer, const char *path, pxds_error **err);

/**
 * Frees a writer. NULL is fine. An index that was not saved leaves no trace.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_index_writer_free(pxds_index_writer *writer);

/**
 * Takes the store's process lock. `mode`: PXDS_LOCK_SHARED or PXDS_LOCK_EXCLUSIVE.
 *
 * The lock is on the file `.lock`, and Proxmox Backup Server heeds it too. Through one store handle shared locks may
 * be taken beside an exclusive one, which is against others; two handles exclude each other like two programs. An
 * ingest takes a shared lock by itself. See docs/format.md, 5.9.
 *
 * Owns: the caller owns `*out` and lets go with pxds_lock_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path, while another lock is in the way; PXDS_ERR_IO;
 * PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_lock(const pxds_store *store, uint32_t mode, pxds_lock **out, pxds_error **err);

/**
 * Locks a group, `[ns/NAME/...]TYPE/ID`, alone.
 *
 * A backup does that by itself, and so does removing the group. pxds_store_options.store_name says what is locked, a
 * directory or a file; see docs/format.md, 7.8.
 *
 * Owns: the caller owns `*out` and lets go with pxds_lock_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path; PXDS_ERR_NOT_FOUND, PXDS_ERR_IO; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_lock(const pxds_store *store, const char *group, pxds_lock **out, pxds_error **err);

/**
 * Locks a snapshot, `[ns/NAME/...]TYPE/ID/TIME`. `mode`: PXDS_LOCK_SHARED or PXDS_LOCK_EXCLUSIVE.
 *
 * Owns: the caller owns `*out` and lets go with pxds_lock_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path; PXDS_ERR_NOT_FOUND, PXDS_ERR_IO; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read, with PXDS_LOCK_EXCLUSIVE.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_lock(const pxds_store *store,
                               const char *snapshot,
                               uint32_t mode,
                               pxds_lock **out,
                               pxds_error **err);

/**
 * Lets go of a lock. NULL is fine.
 *
 * Threads: any.
 * Since: 0.1
 */
void pxds_lock_free(pxds_lock *lock);

/**
 * Starts a stream into `store`. `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_ingest_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks); PXDS_ERR_BUSY, with the path, while the
 * store is collected; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_ingest_new(const pxds_store *store,
                            const pxds_ingest_options *options,
                            pxds_ingest **out,
                            pxds_error **err);

/**
 * Takes the next bytes of the stream. Small pieces are gathered until there is work for all threads: what was given is
 * stored at the latest in pxds_ingest_finish(). Pieces of a batch or more are not copied, and go the faster the larger
 * they are: threads end with the call.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_CANCELLED, PXDS_ERR_STATE (finished, or failed before), and what
 * pxds_store_insert() may give.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_ingest_write(pxds_ingest *ingest, const void *data, size_t data_len, pxds_error **err);

/**
 * Takes what can be read from the descriptor `fd`, to its end.
 *
 * The descriptor is the caller's and stays open. A regular file whose size, mtime or ctime are others at the end than
 * at the start brings a notice of the store's.
 *
 * Errors: as pxds_ingest_write(), PXDS_ERR_IO of the reading, and with PXDS_INGEST_STRICT PXDS_ERR_STATE for a file
 * that has changed.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_ingest_read_fd(pxds_ingest *ingest, int32_t fd, pxds_error **err);

/**
 * Takes what `read` gives, to the end of its stream.
 *
 * Errors: as pxds_ingest_write(); PXDS_ERR_ARGUMENT also if `read` claims more bytes than it was offered room for.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_ingest_read(pxds_ingest *ingest, pxds_read_fn read, void *user, pxds_error **err);

/**
 * Writes the sums over what has been stored so far to `*stats`. After pxds_ingest_finish() they are final.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_ingest_get_stats(pxds_ingest *ingest, pxds_ingest_stats *stats, pxds_error **err);

/**
 * Stores the last chunk and gives the index, complete but not yet written: see pxds_index_writer_save().
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_writer_free(). It holds the store's process lock.
 * Errors: as pxds_ingest_write().
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_ingest_finish(pxds_ingest *ingest, pxds_index_writer **out, pxds_error **err);

/**
 * After PXDS_ERR_CANCELLED: gives the index of the chunks that were stored, which is that of the start of the stream.
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_writer_free(). It holds the store's process lock.
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_STATE at any other time, and the second time.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_ingest_partial(pxds_ingest *ingest, pxds_index_writer **out, pxds_error **err);

/**
 * Frees an ingest. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_ingest_free(pxds_ingest *ingest);

/**
 * Starts an image of `size` bytes, or of PXDS_SIZE_UNKNOWN, into `store`. `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_image_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks); PXDS_ERR_LIMIT (too many chunks);
 * PXDS_ERR_BUSY, with the path, while the store is collected; PXDS_ERR_NOMEM, PXDS_ERR_IO; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_image_new(const pxds_store *store,
                           uint64_t size,
                           const pxds_image_options *options,
                           pxds_image **out,
                           pxds_error **err);

/**
 * Takes the next bytes of the image as a stream. Chunks that end in them are stored before it returns.
 *
 * Errors: PXDS_ERR_ARGUMENT, with the offset, if there are more than the image has; PXDS_ERR_CANCELLED, PXDS_ERR_STATE
 * (finished, or failed before), and what pxds_store_insert() may give.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_image_write(pxds_image *image, const void *data, size_t data_len, pxds_error **err);

/**
 * Takes the chunk at `offset`, whole: for a caller that gets only the chunks that have changed.
 *
 * Chunks come in any order, and the last one for a place counts, whatever there was before. Only the one at the end of
 * the image is short; a short one ends an image of unknown size. Where the stream stands does not change.
 *
 * Errors: PXDS_ERR_ARGUMENT, after which nothing has changed, if it is no chunk of the image; as pxds_image_write().
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_image_write_at(pxds_image *image,
                                uint64_t offset,
                                const void *data,
                                size_t data_len,
                                pxds_error **err);

/**
 * Takes what `read` gives as a stream, to its end, which need not be that of the image.
 *
 * Errors: as pxds_image_write(); PXDS_ERR_ARGUMENT also if `read` claims more bytes than it was offered room for.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_image_read(pxds_image *image, pxds_read_fn read, void *user, pxds_error **err);

/**
 * Takes from the descriptor `fd` every chunk that has no bytes yet.
 *
 * A regular file or block device is the image from its first byte on, wherever the descriptor stands. Its holes are
 * zeros and are not read. Its length is the size of the image if that is not known; if it is, a longer file is read
 * only so far. Bytes that are appended meanwhile are not seen. Looking for holes moves the descriptor, which is put
 * back before the call returns: its position must not be used meanwhile. Anything else is a stream, which is read to
 * its end.
 *
 * The descriptor is the caller's and stays open. A regular file whose size, mtime or ctime are others at the end than
 * at the start brings a notice of the store's.
 *
 * Errors: as pxds_image_write(), and PXDS_ERR_IO of the reading; PXDS_ERR_CORRUPT, with the offset, if the file,
 * device or stream ends before the image, because it shrinks, say; PXDS_ERR_STATE, after which nothing has changed,
 * for a file or device when the stream so far has ended within a chunk; with PXDS_IMAGE_STRICT PXDS_ERR_STATE, and the
 * image has failed, for a file that has changed.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_image_read_fd(pxds_image *image, int32_t fd, pxds_error **err);

/**
 * Takes from `earlier`, a fixed index of the same chunk size, the chunks that have not changed since.
 *
 * Bit i of `bitmap`, from the lowest bit of the first byte on, is for the `granularity` bytes at i * granularity, a
 * power of two; a set one says that they may have changed. A chunk is taken over if it is the same range of bytes in
 * both images (so a short last chunk is not, if the size has changed), none of its bits is set, it has no bytes yet
 * and the store has it: it is then touched, and reported to `on_chunk` and in the sums as one that the store had. The
 * others are left to be read or written.
 *
 * Errors: PXDS_ERR_ARGUMENT, also if the bitmap lacks a bit of a chunk that both images have, PXDS_ERR_CORRUPT if the
 * csum of `earlier` is wrong, and PXDS_ERR_STATE if the size of the image is not known, after which nothing has
 * changed; PXDS_ERR_CANCELLED, PXDS_ERR_IO.
 * Threads: exclusive for the image, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_image_reuse_bitmap(pxds_image *image,
                                    const pxds_index *earlier,
                                    const uint8_t *bitmap,
                                    size_t bitmap_len,
                                    uint64_t granularity,
                                    pxds_error **err);

/**
 * As pxds_image_reuse_bitmap(), where what may have changed is `range_count` ranges. They may come in any order and
 * overlap; none of them means that nothing has changed. Takes 16 bytes of memory a range.
 *
 * Errors: as pxds_image_reuse_bitmap(); PXDS_ERR_ARGUMENT also for a range that reaches beyond 2^64 - 1.
 * Threads: exclusive for the image, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_image_reuse_ranges(pxds_image *image,
                                    const pxds_index *earlier,
                                    const pxds_image_range *ranges,
                                    size_t range_count,
                                    pxds_error **err);

/**
 * Writes the sums over what has been stored so far to `*stats`. After pxds_image_finish() they are final.
 *
 * Each chunk of zeros but the first is a duplicate, and so is each that an earlier image has given. A chunk that
 * pxds_image_write_at() has given twice counts twice.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_image_get_stats(pxds_image *image, pxds_ingest_stats *stats, pxds_error **err);

/**
 * Gives the index, complete but not yet written: see pxds_index_writer_save(). If the size was not known, what there
 * is of the last chunk is stored first.
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_writer_free(). It holds the store's process lock.
 * Errors: PXDS_ERR_STATE, with the offset of the first chunk that has no bytes, after which nothing has changed and
 * they can still be given; as pxds_image_write().
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_image_finish(pxds_image *image, pxds_index_writer **out, pxds_error **err);

/**
 * Frees an image. NULL is fine. One that is not finished leaves chunks that no index names, which garbage collection
 * takes.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_image_free(pxds_image *image);

/**
 * Makes a source of `store`.
 *
 * Owns: the caller owns `*out` and frees it with pxds_source_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_source_from_store(const pxds_store *store, pxds_source **out, pxds_error **err);

/**
 * Makes a source of a callback.
 *
 * Owns: the caller owns `*out` and frees it with pxds_source_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_source_new(const pxds_source_options *options, pxds_source **out, pxds_error **err);

/**
 * Gets the encoded blob of chunk `digest`, of at most `max_len` bytes, and checks its structure and CRC.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT (also if the callback claims more than it was given room for, having asked for it),
 * PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_LIMIT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_CANCELLED,
 * PXDS_ERR_NOMEM.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_source_get(const pxds_source *source,
                            const uint8_t *digest,
                            size_t max_len,
                            pxds_buffer **out,
                            pxds_error **err);

/**
 * Frees a source. NULL is fine. Objects that were made from it stay valid.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_source_free(pxds_source *source);

/**
 * Brings every chunk that `index` names into `store`: touches those that it has, and loads the others from `source`.
 *
 * Chunks are copied as they are encoded. Before one is inserted its structure and CRC are checked, its digest and
 * length too unless it is encrypted and there is no key, and, of an index that was opened in a snapshot, whether it is
 * encrypted as the manifest says. `*out` gets the same index, to be saved with pxds_index_writer_save(); as one that
 * comes out of an ingest it holds the store's process lock until then, and is saved behind its chunks. It can be added
 * to a backup if it was opened in a snapshot, and if there is a key where its chunks are encrypted. `options` and
 * `stats` may be NULL. After a failure the chunks that were copied stay, for garbage collection to take.
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_writer_free().
 * Errors: PXDS_ERR_ARGUMENT (also for an index that no writer makes), PXDS_ERR_BUSY (the store is collected),
 * PXDS_ERR_CANCELLED; of the source what pxds_restorer_write_fd() may give, of the store what pxds_store_insert() may;
 * the error has the chunk's digest and its offset.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_copy_chunks(const pxds_store *store,
                                   const pxds_source *source,
                                   const pxds_index *index,
                                   const pxds_copy_options *options,
                                   pxds_ingest_stats *stats,
                                   pxds_index_writer **out,
                                   pxds_error **err);

/**
 * Brings the chunk `digest` into `store`, as pxds_store_copy_chunks() does each: touches it if it is there, and else,
 * or if its file is too short to be one, loads it from `source`.
 *
 * `key` and `result` may be NULL. Hold a lock, see pxds_store_lock(), until an index names the chunk.
 *
 * Errors: as pxds_store_copy_chunks(), without an offset.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_copy_chunk(const pxds_store *store,
                                  const pxds_source *source,
                                  const uint8_t *digest,
                                  const pxds_key *key,
                                  pxds_insert_result *result,
                                  pxds_error **err);

/**
 * Makes a restorer that takes its chunks from `store`. `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_restorer_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_restorer_new(const pxds_store *store,
                              const pxds_restorer_options *options,
                              pxds_restorer **out,
                              pxds_error **err);

/**
 * As pxds_restorer_new(), with chunks from `source`.
 *
 * Owns: the caller owns `*out` and frees it with pxds_restorer_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_restorer_new_from(const pxds_source *source,
                                   const pxds_restorer_options *options,
                                   pxds_restorer **out,
                                   pxds_error **err);

/**
 * Writes the whole file of `index` to the descriptor `fd`, from where it stands.
 *
 * The descriptor is the caller's and stays open. `written`, which may be NULL, gets the bytes of the chunks that were
 * written whole, after a failure too. A pipe or socket without a reader is an error, and raises no SIGPIPE. A regular
 * file that is not opened for appending is written by position, and its descriptor is moved only at the end, behind
 * `written` bytes, after a failure too; some bytes behind those may then have been written. A block device that is too
 * small is refused before anything is written.
 *
 * Errors: PXDS_ERR_ARGUMENT (also if `fd` is the file of the index), PXDS_ERR_NOT_FOUND (a chunk), PXDS_ERR_CORRUPT (a
 * chunk or the csum), PXDS_ERR_FORMAT, PXDS_ERR_KEY (encrypted, and there is none), PXDS_ERR_AUTH (another key, or
 * damage), PXDS_ERR_CRYPT_MODE (encrypted otherwise than the manifest says), PXDS_ERR_LIMIT, PXDS_ERR_IO,
 * PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED; the error has the chunk's digest and its offset in the file.
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_write_fd(pxds_restorer *restorer,
                                   const pxds_index *index,
                                   int32_t fd,
                                   uint64_t *written,
                                   pxds_error **err);

/**
 * Gives the whole file of `index` to `write`, chunk by chunk, in order. `written` is as in pxds_restorer_write_fd().
 *
 * Errors: as pxds_restorer_write_fd(); PXDS_ERR_ARGUMENT also if `write` claims to have taken more bytes than it was
 * offered; PXDS_ERR_IO if it takes none.
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_write(pxds_restorer *restorer,
                                const pxds_index *index,
                                pxds_write_fn write,
                                void *user,
                                uint64_t *written,
                                pxds_error **err);

/**
 * Writes the whole file of `index` to `path`.
 *
 * A new or regular file gets its name when all of it is there, on the disk unless the sync level of the store that it
 * comes from is PXDS_SYNC_NONE; a failure leaves what was there before. One that is replaced keeps its permissions,
 * and its owner as far as the process may. A symbolic link is followed. A device or fifo is written in place; so is a
 * descriptor of this process that `path` stands for, as /dev/stdout or /dev/fd/N does: as with
 * pxds_restorer_write_fd(). It has to be one that the caller has opened: a number that is free may by then be that of
 * a file of the library's. `written`, which may be NULL, gets the bytes of the chunks that were restored, after a
 * failure too.
 *
 * Errors: as pxds_restorer_write_fd(); PXDS_ERR_NOT_FOUND also for the directory; PXDS_ERR_EXISTS if `path` is one, or
 * a file that a store has made for itself.
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_write_file(pxds_restorer *restorer,
                                     const pxds_index *index,
                                     const char *path,
                                     uint64_t *written,
                                     pxds_error **err);

/**
 * Writes `length` bytes of the file of `index`, from `offset`, to the descriptor `fd`, from where it stands.
 *
 * If the file ends before, it is fewer bytes, and no failure: `written`, which may be NULL, gets how many, after a
 * failure too. A `length` of 0 succeeds whatever the offset. Only the chunks that the range touches are loaded.
 *
 * Errors: as pxds_restorer_write_fd(); PXDS_ERR_ARGUMENT also if `offset` is at or beyond the end of the file.
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_write_range_fd(pxds_restorer *restorer,
                                         const pxds_index *index,
                                         uint64_t offset,
                                         uint64_t length,
                                         int32_t fd,
                                         uint64_t *written,
                                         pxds_error **err);

/**
 * As pxds_restorer_write_range_fd(), to `write`, in order.
 *
 * Errors: as pxds_restorer_write_range_fd() and pxds_restorer_write().
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_write_range(pxds_restorer *restorer,
                                      const pxds_index *index,
                                      uint64_t offset,
                                      uint64_t length,
                                      pxds_write_fn write,
                                      void *user,
                                      uint64_t *written,
                                      pxds_error **err);

/**
 * As pxds_restorer_write_range_fd(), to a file at `path` that has these bytes alone and appears as with
 * pxds_restorer_write_file().
 *
 * Errors: as pxds_restorer_write_range_fd() and pxds_restorer_write_file().
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_write_range_file(pxds_restorer *restorer,
                                           const pxds_index *index,
                                           uint64_t offset,
                                           uint64_t length,
                                           const char *path,
                                           uint64_t *written,
                                           pxds_error **err);

/**
 * As pxds_restorer_write_range_fd(), into the `data_len` bytes at `data`, as many as the file has from `offset`.
 * `read`, which may be NULL, gets how many have been written there, also on failure.
 *
 * Errors: as pxds_restorer_write_range_fd().
 * Threads: exclusive for the restorer, shared for the index.
 * Since: 0.1
 */
pxds_status pxds_restorer_read_range(pxds_restorer *restorer,
                                     const pxds_index *index,
                                     uint64_t offset,
                                     void *data,
                                     size_t data_len,
                                     size_t *read,
                                     pxds_error **err);

/**
 * Frees a restorer. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_restorer_free(pxds_restorer *restorer);

/**
 * Makes a cache of at most `max_bytes` of memory, or of one chunk if that alone has more.
 *
 * Readers with different sources may use it: a chunk is kept by its digest, which has been compared with its data.
 *
 * Owns: the caller owns `*out` and frees it with pxds_cache_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_cache_new(size_t max_bytes, pxds_cache **out, pxds_error **err);

/**
 * Frees a cache. NULL is fine. Readers that use it keep it.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_cache_free(pxds_cache *cache);

/**
 * Makes a reader of the file of `index`, with chunks from `store`. `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_reader_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks); PXDS_ERR_CORRUPT (the csum of the index).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_reader_new(const pxds_store *store,
                            const pxds_index *index,
                            const pxds_reader_options *options,
                            pxds_reader **out,
                            pxds_error **err);

/**
 * As pxds_reader_new(), with chunks from `source`.
 *
 * Owns: the caller owns `*out` and frees it with pxds_reader_free().
 * Errors: as pxds_reader_new().
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_reader_new_from(const pxds_source *source,
                                 const pxds_index *index,
                                 const pxds_reader_options *options,
                                 pxds_reader **out,
                                 pxds_error **err);

/**
 * Bytes of the file; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
uint64_t pxds_reader_size(const pxds_reader *reader);

/**
 * Fills the `data_len` bytes at `data` with those of the file from `offset` on, as far as it has them.
 *
 * `*read` gets how many these are: 0 at the end of the file and behind it. After a failure it is 0, and the content of
 * `data` is undefined.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (a chunk), PXDS_ERR_CORRUPT, PXDS_ERR_FORMAT, PXDS_ERR_KEY,
 * PXDS_ERR_AUTH, PXDS_ERR_CRYPT_MODE, PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_CANCELLED, PXDS_ERR_NOMEM; the error has
 * the chunk's digest and its offset in the file.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_reader_read_at(const pxds_reader *reader,
                                uint64_t offset,
                                void *data,
                                size_t data_len,
                                size_t *read,
                                pxds_error **err);

/**
 * Tells how far from `offset` the file goes on as it does there: in chunks of zeros, or in others.
 *
 * `*length` gets the bytes to the end of that stretch, or, if it is longer than `max_length`, to the end of the chunk
 * there; `*is_zero` 1 or 0. Nothing is loaded; zeros that are a part of a chunk are not seen. Returns PXDS_NONE, and
 * zeros, at the end of the file and behind it.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_reader_get_extent(const pxds_reader *reader,
                                   uint64_t offset,
                                   uint64_t max_length,
                                   uint64_t *length,
                                   uint32_t *is_zero,
                                   pxds_error **err);

/**
 * Frees a reader. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_reader_free(pxds_reader *reader);

/**
 * Gives the canonical form, at most `max_len` bytes, of the JSON value that is all of `data`.
 *
 * Signatures are made of it. Members are sorted by the bytes of their names, there is no white space, only necessary
 * characters are escaped; of members of one name the last counts. See docs/format.md, 8.4.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if it is no JSON, is nested deeper than 127 levels, or has a null in it;
 * PXDS_ERR_LIMIT, also if `data` is above PXDS_JSON_MAX_SIZE; PXDS_ERR_NOMEM.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_json_canonical(const void *data, size_t data_len, size_t max_len, pxds_buffer **out, pxds_error **err);

/**
 * Makes the manifest of a new snapshot, without files yet. `type`: PXDS_TYPE_...; `time` in seconds since 1970.
 *
 * Owns: the caller owns `*out` and frees it with pxds_manifest_free().
 * Errors: PXDS_ERR_ARGUMENT (also for a bad id or time).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_manifest_new(uint32_t type, const char *id, int64_t time, pxds_manifest **out, pxds_error **err);

/**
 * Reads the JSON text of a manifest: what pxds_blob_decode() gives for the file index.json.blob.
 *
 * See docs/format.md, 8.2, for what must be there. Id, time and file names are not judged: check them, with
 * pxds_id_check() and pxds_archive_check(), before a path is made of one. No signature is checked.
 *
 * Owns: the caller owns `*out` and frees it with pxds_manifest_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT, which names the member; PXDS_ERR_LIMIT above PXDS_JSON_MAX_SIZE.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_manifest_parse(const void *data, size_t data_len, pxds_manifest **out, pxds_error **err);

/**
 * Gives the JSON text of the manifest, at most PXDS_JSON_MAX_SIZE bytes.
 *
 * A signed manifest that was read is written as it was, except white space, order and the unprotected part.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_format(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);

/**
 * Gives what a signature is made of: the canonical JSON of all but the signature and the unprotected part.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT (there is a null in it), PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_format_canonical(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);

/**
 * Writes what the manifest says of its snapshot to `*info`.
 *
 * Owns: `info->id` is the manifest's and lasts until that is freed.
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if the id has a NUL in it.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_get_info(pxds_manifest *manifest, pxds_manifest_info *info, pxds_error **err);

/**
 * Writes file `i`, from 0, to `*file`. Returns PXDS_NONE if the manifest has no such file.
 *
 * Owns: `file->filename` is the manifest's and lasts until that is freed.
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if the name has a NUL in it.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_get_file(pxds_manifest *manifest, size_t i, pxds_manifest_file *file, pxds_error **err);

/**
 * Writes the first file of this name to `*file`. Returns PXDS_NONE if the manifest does not list it.
 *
 * Owns: `file->filename` is the manifest's and lasts until that is freed.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_find_file(pxds_manifest *manifest,
                                    const char *filename,
                                    pxds_manifest_file *file,
                                    pxds_error **err);

/**
 * Adds a file behind the others.
 *
 * Errors: PXDS_ERR_ARGUMENT (also if pxds_archive_check() refuses the name), PXDS_ERR_EXISTS (there is one of this
 * name), PXDS_ERR_STATE (the manifest is signed, and the signature would no longer hold).
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_add_file(pxds_manifest *manifest, const pxds_manifest_file *file, pxds_error **err);

/**
 * Compares a file with what the manifest says of it: its size, then its csum.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (it is not listed), PXDS_ERR_CORRUPT (one is another; the error has
 * both).
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_verify_file(pxds_manifest *manifest,
                                      const char *filename,
                                      const uint8_t *csum,
                                      uint64_t size,
                                      pxds_error **err);

/**
 * Gives the notes, which are UTF-8 without a NUL at their end; their first line is the title. Returns PXDS_NONE if
 * there are none.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_get_notes(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);

/**
 * Sets the notes; NULL removes them. A signature stays valid.
 *
 * Errors: PXDS_ERR_ARGUMENT (also if they are not UTF-8).
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_set_notes(pxds_manifest *manifest, const char *notes, pxds_error **err);

/**
 * Gives a member of the unprotected part as JSON text: "key-fingerprint", "chunk_upload_stats", "verify_state", or any
 * other. Returns PXDS_NONE if it is not there.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_get_unprotected(pxds_manifest *manifest,
                                          const char *name,
                                          pxds_buffer **out,
                                          pxds_error **err);

/**
 * Sets a member of the unprotected part to the JSON value that is all of `json`; an empty text removes it. A signature
 * stays valid.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT (no JSON), PXDS_ERR_LIMIT (too long, or nested too deeply).
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_set_unprotected(pxds_manifest *manifest,
                                          const char *name,
                                          const void *json,
                                          size_t json_len,
                                          pxds_error **err);

/**
 * Gives the signature of a manifest as it is written, as a text. Returns PXDS_NONE if there is none.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_manifest_get_signature(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);

/**
 * Signs a manifest with `key`: all but the notes and other members of the unprotected part, where the key's
 * fingerprint is noted. See docs/format.md, 8.5.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT (a member that is not known here cannot be signed), PXDS_ERR_LIMIT,
 * PXDS_ERR_NOMEM.
 * Threads: exclusive for the manifest, shared for the key.
 * Since: 0.1
 */
pxds_status pxds_manifest_sign(pxds_manifest *manifest, const pxds_key *key, pxds_error **err);

/**
 * Checks the signature of a manifest with `key`, and writes PXDS_SIGNATURE_MISSING or PXDS_SIGNATURE_VALID to
 * `*signature`.
 *
 * It covers all that was read, whether it is known here or not.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_KEY_MISMATCH (signed with another key), PXDS_ERR_AUTH (the signature is wrong),
 * PXDS_ERR_FORMAT (the noted text is no fingerprint, or a member cannot be signed).
 * Threads: exclusive for the manifest, shared for the key.
 * Since: 0.1
 */
pxds_status pxds_manifest_verify(pxds_manifest *manifest, const pxds_key *key, uint32_t *signature, pxds_error **err);

/**
 * Compares the fingerprint that a manifest notes, if there is one, with that of the key at hand; `key` may be NULL.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_KEY (it needs one, and `key` is NULL), PXDS_ERR_KEY_MISMATCH, PXDS_ERR_FORMAT
 * (the noted text is no fingerprint).
 * Threads: exclusive for the manifest, shared for the key.
 * Since: 0.1
 */
pxds_status pxds_manifest_check_fingerprint(pxds_manifest *manifest, const pxds_key *key, pxds_error **err);

/**
 * Frees a manifest. NULL is fine.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_manifest_free(pxds_manifest *manifest);

/**
 * Lists the namespaces right below `ns`, by name; with PXDS_LIST_RECURSIVE itself and all below it.
 *
 * `ns` is `a/b`; "" or NULL for the root. A directory with an invalid name is skipped, with a notice of the store's.
 * An entry that cannot be seen is passed over with a notice, and the list then says that it is not complete: a
 * directory that cannot be listed or opened, for lack of descriptors too, and something else, a link for example, in
 * the place of a directory.
 *
 * Owns: the caller owns `*out` and frees it with pxds_namespace_list_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT (the namespace is no directory),
 * PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_namespaces(const pxds_store *store,
                                  const char *ns,
                                  uint32_t flags,
                                  pxds_namespace_list **out,
                                  pxds_error **err);

/**
 * Lists the groups of the namespace `ns`; with PXDS_LIST_RECURSIVE also those of all namespaces below it.
 *
 * For `ns`, invalid names and entries that cannot be seen, see pxds_store_namespaces().
 *
 * Owns: the caller owns `*out` and frees it with pxds_group_list_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT (the namespace is no directory),
 * PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_groups(const pxds_store *store,
                              const char *ns,
                              uint32_t flags,
                              pxds_group_list **out,
                              pxds_error **err);

/**
 * Lists the snapshots of all groups of the namespace `ns`; with PXDS_LIST_RECURSIVE also of all namespaces below it.
 *
 * With PXDS_LIST_OWNERS and PXDS_LIST_MANIFESTS the list says more of each. An owner or manifest that cannot be read
 * is a notice, and the list is then not complete.
 *
 * For `ns`, invalid names and entries that cannot be seen, see pxds_store_namespaces().
 *
 * Owns: the caller owns `*out` and frees it with pxds_snapshot_list_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT (the namespace is no directory),
 * PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_snapshots(const pxds_store *store,
                                 const char *ns,
                                 uint32_t flags,
                                 pxds_snapshot_list **out,
                                 pxds_error **err);

/**
 * Lists the snapshots of one group, `[ns/NAME/...]TYPE/ID`; none if the group is not there. `flags`: 0,
 * PXDS_LIST_OWNERS, PXDS_LIST_MANIFESTS, see pxds_store_snapshots(). For what cannot be seen see
 * pxds_store_namespaces().
 *
 * Owns: the caller owns `*out` and frees it with pxds_snapshot_list_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO, PXDS_ERR_FORMAT (the group is no directory), PXDS_ERR_CANCELLED (by the
 * notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_snapshots(const pxds_store *store,
                                 const char *group,
                                 uint32_t flags,
                                 pxds_snapshot_list **out,
                                 pxds_error **err);

/**
 * How many; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_namespace_list_count(const pxds_namespace_list *list);

/**
 * 1 if the list has every namespace there is; 0 if something could not be seen, of which there was a notice, and for
 * NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
int32_t pxds_namespace_list_is_complete(const pxds_namespace_list *list);

/**
 * Namespace `i`, from 0, as `a/b`, "" for the root; NULL if the list has no such one.
 *
 * Owns: the string is the list's.
 * Threads: shared.
 * Since: 0.1
 */
const char *pxds_namespace_list_get(const pxds_namespace_list *list, size_t i);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_namespace_list_free(pxds_namespace_list *list);

/**
 * How many; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_group_list_count(const pxds_group_list *list);

/**
 * 1 if the list has every group there is; 0 if something could not be seen, of which there was a notice, and for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
int32_t pxds_group_list_is_complete(const pxds_group_list *list);

/**
 * Writes group `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
 *
 * Owns: the strings are the list's.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_list_get(const pxds_group_list *list, size_t i, pxds_group_entry *entry, pxds_error **err);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_group_list_free(pxds_group_list *list);

/**
 * How many; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_snapshot_list_count(const pxds_snapshot_list *list);

/**
 * 1 if the list has every snapshot there is, and all that was asked for of each; 0 if something could not be seen, of
 * which there was a notice, and for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
int32_t pxds_snapshot_list_is_complete(const pxds_snapshot_list *list);

/**
 * Writes snapshot `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
 *
 * Owns: the strings are the list's.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_list_get(const pxds_snapshot_list *list,
                                   size_t i,
                                   pxds_snapshot_entry *entry,
                                   pxds_error **err);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_snapshot_list_free(pxds_snapshot_list *list);

/**
 * Lists the archives of a snapshot, and its manifest: its regular files whose names end in .didx, .fidx or .blob. A
 * manifest that cannot be read counts as none.
 *
 * Owns: the caller owns `*out` and frees it with pxds_file_list_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_files(const pxds_store *store, const char *snapshot, pxds_file_list **out, pxds_error **err);

/**
 * How many; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_file_list_count(const pxds_file_list *list);

/**
 * Writes file `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
 *
 * Owns: the name is the list's.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_file_list_get(const pxds_file_list *list, size_t i, pxds_file_entry *entry, pxds_error **err);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_file_list_free(pxds_file_list *list);

/**
 * Makes the namespace `ns`, `a/b`, and those above it, if they are not there. Backups and pxds_group_create() make by
 * themselves those that they need.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_EXISTS (something that is no directory is in the way); PXDS_ERR_BUSY, with the
 * path, if others keep removing it; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be
 * read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_namespace_create(const pxds_store *store, const char *ns, pxds_error **err);

/**
 * Removes the namespace `ns`, which has to be empty: without groups, and without namespaces below it.
 *
 * Errors: PXDS_ERR_ARGUMENT (also for "", the root), PXDS_ERR_NOT_FOUND; PXDS_ERR_EXISTS, with the path, if something
 * is in it; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_namespace_remove(const pxds_store *store, const char *ns, pxds_error **err);

/**
 * Writes the path, from the root, of the directory of `group`, `[ns/NAME/...]TYPE/ID`, with a NUL at its end.
 *
 * `group` may also be a snapshot, `[ns/NAME/...]TYPE/ID/TIME`. It need not be there.
 *
 * `*path_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL, how many are needed.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_get_full_path(const pxds_store *store,
                                     const char *group,
                                     char *path,
                                     size_t path_capacity,
                                     size_t *path_len,
                                     pxds_error **err);

/**
 * Makes a group, and the namespaces above it, if they are not there.
 *
 * A new group belongs to `owner`, `user@realm` or `user@realm!token`; NULL is `root@pam`. One that is there must
 * belong to `owner`, or to a token of that user; NULL takes any.
 *
 * Errors: PXDS_ERR_ARGUMENT (also if it has another owner), PXDS_ERR_BUSY, with the path; PXDS_ERR_EXISTS (something
 * that is no directory is in the way), PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only
 * be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_create(const pxds_store *store, const char *group, const char *owner, pxds_error **err);

/**
 * Gives the path of the newest finished snapshot of a group, `[ns/NAME/...]TYPE/ID/TIME`, as a text, which functions
 * on snapshots take. Returns PXDS_NONE if there is none, or no such group.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_IO, also for a snapshot that may not be looked into; PXDS_ERR_FORMAT (the group,
 * or something in it with the name of a snapshot, is a link or a special file), PXDS_ERR_CANCELLED (by the notice
 * callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_last(const pxds_store *store, const char *group, pxds_buffer **out, pxds_error **err);

/**
 * Gives the owner of a group, as a text. Returns PXDS_NONE if no file names one.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_FORMAT, with the path (the file is no text, or names no
 * owner); PXDS_ERR_LIMIT, PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_get_owner(const pxds_store *store, const char *group, pxds_buffer **out, pxds_error **err);

/**
 * Gives a group to `owner`, `user@realm` or `user@realm!token`. The owner before does not matter.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path, while the group is locked; PXDS_ERR_IO;
 * PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_set_owner(const pxds_store *store, const char *group, const char *owner, pxds_error **err);

/**
 * Gives the notes of a group, as a text; empty if it has none.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_FORMAT (no text), PXDS_ERR_LIMIT, PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_get_notes(const pxds_store *store, const char *group, pxds_buffer **out, pxds_error **err);

/**
 * Replaces the notes of a group, at most 1 MiB. NULL and "" remove them.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_LIMIT; PXDS_ERR_BUSY, with the path, while the group is
 * locked; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_set_notes(const pxds_store *store, const char *group, const char *notes, pxds_error **err);

/**
 * Removes a group with its snapshots. Protected snapshots stay, and the group with them. What else is in its directory
 * goes with the group, with a notice of each but owner and notes. A directory that is no snapshot and marked as
 * protected stays as a protected snapshot does, with a notice too.
 *
 * `options` may be NULL. With PXDS_DESTROY_DRY_RUN nothing is removed, and no lock is taken. `result`, which may be
 * NULL, says what was done, after a failure too. The chunks stay for garbage collection.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_PROTECTED if protected snapshots, and so the group, stay;
 * PXDS_ERR_BUSY, with the path of the group, of a snapshot, or of a mount in it, for which is looked before anything
 * is removed; PXDS_ERR_EXISTS (something that is no directory is in the place of `.pxds-tmp`), PXDS_ERR_IO,
 * PXDS_ERR_CANCELLED (by the notice callback too); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only
 * be read, without PXDS_DESTROY_DRY_RUN.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_destroy(const pxds_store *store,
                               const char *group,
                               const pxds_destroy_options *options,
                               pxds_destroy_result *result,
                               pxds_error **err);

/**
 * Decides which of `count` snapshots are kept, and writes PXDS_MARK_KEEP, KEEP_PARTIAL, PROTECTED or REMOVE for each
 * to `marks`, in the order of `rows`, which may be any. Of rows of one time the earlier one counts as newer.
 *
 * The rows are those of one group: all that it has. `options` may be NULL, which keeps everything. The result depends
 * on the arguments alone, and with keep_within and no `now` on the clock; no file is read, unless the zone is one.
 *
 * Errors: PXDS_ERR_ARGUMENT (also an unknown zone, or a time outside the years 0000 to 9999); of a zone that is a file
 * PXDS_ERR_NOT_FOUND, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT, PXDS_ERR_IO.
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_prune_mark(const pxds_prune_row *rows,
                            size_t count,
                            const pxds_prune_options *options,
                            uint32_t *marks,
                            pxds_error **err);

/**
 * The name of a mark, as PBS writes it: "keep", "keep-partial", "protected" or "remove"; "unknown" for any other
 * number.
 *
 * Owns: the string is the library's and lasts for ever.
 * Threads: any.
 * Since: 0.1
 */
const char *pxds_prune_mark_name(uint32_t mark);

/**
 * Removes the snapshots of `group`, `[ns/NAME/...]TYPE/ID`, that `options` do not keep, the oldest first. `options`
 * may be NULL, which keeps everything. With PXDS_PRUNE_DRY_RUN nothing is removed.
 *
 * The list has every snapshot that was there. A snapshot that could not be removed, because it is in use for example,
 * has its error there and brings a notice; it is no failure of this call. One that may not be looked into stays, with
 * a notice, and so does something else in its place; the list then says that it is not complete. The chunks stay for
 * garbage collection.
 *
 * As in PBS a snapshot counts whether its verification failed or not. There is a notice, a warning, before the last
 * one goes that is not known to be bad: if all that stay have failed their verification, or have no readable manifest.
 * Another one tells that `keep_good` keeps nothing, because no snapshot was verified.
 *
 * The group is not locked: a backup may be running in it. Each snapshot that is to be removed is locked, and looked at
 * again. Directories that crashes of older versions have left in the group are removed too, unless they are locked.
 *
 * Owns: the caller owns `*out` and frees it with pxds_prune_list_free().
 * Errors: PXDS_ERR_ARGUMENT (also an unknown zone); PXDS_ERR_NOT_FOUND (the group, or the zone's file),
 * PXDS_ERR_FORMAT, PXDS_ERR_LIMIT (of that file), PXDS_ERR_IO, PXDS_ERR_CANCELLED (by a callback; some may be removed
 * by then); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read, without PXDS_PRUNE_DRY_RUN.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_group_prune(const pxds_store *store,
                             const char *group,
                             const pxds_prune_options *options,
                             pxds_prune_list **out,
                             pxds_error **err);

/**
 * How many; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_prune_list_count(const pxds_prune_list *list);

/**
 * 1 if the list has every snapshot there is; 0 if something could not be seen, of which there was a notice, and for
 * NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
int32_t pxds_prune_list_is_complete(const pxds_prune_list *list);

/**
 * Writes snapshot `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
 *
 * Owns: the strings are the list's.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_prune_list_get(const pxds_prune_list *list, size_t i, pxds_prune_entry *entry, pxds_error **err);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_prune_list_free(pxds_prune_list *list);

/**
 * Collects garbage: removes the chunks that no index below the store's directory refers to, and that have not been
 * touched lately.
 *
 * It protects only indexes below the directory of the store: all files NAME.didx and NAME.fidx there, in snapshots or
 * not, but not below a name that begins with a dot. Links are not followed. An index kept elsewhere loses its chunks.
 *
 * Chunks that are in use are marked by their access times, then what was not touched for longer than the cut-off is
 * removed, bad copies and temporary files that crashes have left also. A chunk that is missing is a notice. Stopping
 * it, by its progress or otherwise, loses nothing.
 *
 * Nothing is removed, in a dry run as in earnest, unless all indexes are known and whole: if a directory cannot be
 * listed; if something else, a link for example, has the place of a directory of the tree (docs/format.md, 7.4), or
 * something that is no file has the name of an index; if an index cannot be read, or its entries have neither the csum
 * in its header nor that in the manifest of its snapshot (PXDS_GC_ANY_CSUM takes it as it is). A chunk that was
 * missing once, or is known to be needed, is not removed whatever its access time.
 *
 * Writers of other programs, and of other handles, exclude it, and it excludes them: PXDS_ERR_BUSY. A backup that
 * Proxmox Backup Server starts meanwhile fails, and leaves an empty directory in the place of its snapshot. Through
 * the same handle writers may go on. Whether the file system keeps access times is tried out first. At the end
 * `.gc-status` is written, if there is room on the disk; nothing else needs any. See docs/format.md, 11.
 *
 * It takes at most 200 MB of memory for any number of chunks, less for less than a million of them, and about 150
 * bytes for each index; with more digests to remember than by default up to 100 bytes for each. A dry run reads the
 * indexes again for each million chunks in use.
 *
 * `options` and `status` may be NULL.
 *
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path of the lock; PXDS_ERR_UNSUPPORTED (the file system does not
 * keep access times, or its clock is behind; the message says what it did); PXDS_ERR_FORMAT, CORRUPT, LIMIT, with the
 * path of what keeps it from knowing all indexes; PXDS_ERR_LIMIT (more than half a million chunks are missing);
 * PXDS_ERR_NOT_FOUND (no chunks), PXDS_ERR_IO, PXDS_ERR_CANCELLED; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store
 * that can only be read, without PXDS_GC_DRY_RUN.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_gc(const pxds_store *store,
                          const pxds_gc_options *options,
                          pxds_gc_status *status,
                          pxds_error **err);

/**
 * Writes the counts that the last successful garbage collection, of this library or of Proxmox Backup Server, has
 * noted to `*status`. Returns PXDS_NONE if the note is missing or cannot be read.
 *
 * The note is the file `.gc-status`. From strange_indexes on the fields are not in it, and 0.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_get_gc_status(const pxds_store *store, pxds_gc_status *status, pxds_error **err);

/**
 * Checks that everything snapshots need is there, and is what it was. `path` says which: NULL or "" all of the store,
 * `[ns/NAME/...]TYPE/ID` a group, the same with `/TIME` one snapshot, `ns/NAME/...` a namespace and those below it.
 * `options` and `result` may be NULL.
 *
 * Files are compared with the manifest, and each chunk with its digest, once in a call. A rotten chunk is read again,
 * and then renamed, so that the next backup with that data stores it anew. The outcome is noted in the manifest, of
 * many snapshots together, with one sync, at the latest a minute later or when the call ends, however it does. Damage
 * is no failure of this call: `result->failed` counts it, and is written however the call ends; `unvouched` and
 * `unfinished` count other snapshots that were not found good. What cannot be read is no damage: its snapshot comes
 * out as PXDS_OUTCOME_UNREADABLE, and the result is PXDS_RESULT_INCOMPLETE. See docs/format.md, 10.
 *
 * Each snapshot is locked against removal while it is checked; in a whole store or namespace the groups
 * `host/benchmark` are left out. A call that is stopped leaves the store valid, and has not noted the outcome of the
 * snapshot at hand.
 *
 * Memory: the entries of one index; for each thread 120 MB of chunks at most, eight times that with the largest
 * chunks, of 128 MiB; the names of 3.7 million chunks, 180 MB at most, which it takes for 14 TB in chunks of 4 MiB,
 * and the reasons of 131,072 bad ones, 40 MB. Chunks that do not fit are forgotten, and checked again where they are
 * named again.
 *
 * Errors: PXDS_ERR_ARGUMENT (also a bad UPID, or PXDS_VERIFY_READ_ONLY with `repair_from`), PXDS_ERR_NOT_FOUND (the
 * namespace, the group, the snapshot or its manifest, or all chunks), PXDS_ERR_IO (a directory cannot be listed, which
 * of a whole store or namespace is PXDS_RESULT_INCOMPLETE, or there are too many open files), PXDS_ERR_NOMEM,
 * PXDS_ERR_CANCELLED; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read, without
 * PXDS_VERIFY_READ_ONLY.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_store_verify(const pxds_store *store,
                              const char *path,
                              const pxds_verify_options *options,
                              pxds_verify_result *result,
                              pxds_error **err);

/**
 * Reads what Proxmox Backup Server is configured to do with the store in the directory `store`, from its file
 * `config`, which is /etc/proxmox-backup/datastore.cfg there. Returns PXDS_NONE, and changes nothing, if no store in
 * that file has this directory.
 *
 * `name` gets the store's name with a NUL; PXDS_STORE_NAME_SIZE bytes are enough. The options become what is
 * configured, where they are still 0; each may be NULL, and the others stay as they are. To read the file again
 * initialise them anew.
 *
 * - `store_options`: `store_name` becomes `name`, which has to stay while the options are used; one that is given must
 *   be this name. `sync` is the configured one. Maintenance mode "read-only" is PXDS_STORE_READ_ONLY, and a notice to
 *   `notice`; a store in S3 is PXDS_STORE_S3_CACHE, any other PXDS_STORE_NOT_S3_CACHE.
 * - `gc_options`: `cutoff_minutes`, `remembered` or PXDS_GC_NO_CACHE, PXDS_GC_NO_ATIME_PROBE. Pass them only to
 *   collect garbage: while another store lies in this one, or this one in it, that is PXDS_ERR_UNSUPPORTED.
 * - `verify_options`: PXDS_VERIFY_INDEX_ORDER, `threads`.
 *
 * Nothing else in the library reads this file, or any other that it was not given. See docs/format.md, 7.10.
 *
 * Errors: PXDS_ERR_ARGUMENT (`store_options->store_name` is the name of another store, or of none); PXDS_ERR_BUSY (a
 * maintenance mode in which the store is not to be used), PXDS_ERR_UNSUPPORTED (a mode or a backend that is not known;
 * see above); PXDS_ERR_FORMAT (the message names the line), PXDS_ERR_LIMIT (more than 1 MiB), PXDS_ERR_TOO_SMALL,
 * PXDS_ERR_NOT_FOUND, PXDS_ERR_IO; PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: any.
 * Since: 0.1
 */
pxds_status pxds_pbs_config_read(const char *config,
                                 const char *store,
                                 char *name,
                                 size_t name_capacity,
                                 pxds_store_options *store_options,
                                 pxds_gc_options *gc_options,
                                 pxds_verify_options *verify_options,
                                 pxds_error **err);

/**
 * Counts what the snapshots of `store` describe, how much of it they share, and with PXDS_STATS_EXACT what it takes on
 * the disk.
 *
 * As for garbage collection, every index below the store's directory counts, in a snapshot or not, unless a component
 * of its path begins with a dot; only the name of a file right in a snapshot may begin so. Nothing is locked: what
 * comes or goes meanwhile is counted or not. An index that cannot be read brings a notice of the store's and is
 * counted as such, and the total says that it is not complete; it does not fail the call. Entries that cannot be seen
 * are treated the same (pxds_store_namespaces()). Where two indexes give a chunk different lengths, which damage alone
 * can do, one of them counts.
 *
 * Memory: 60 bytes for each chunk that an index names, or that the store has and is looked at, 6 to 11 more to find
 * it; the largest index; and some 600 bytes a snapshot. A million chunks take 70 MB, however many indexes name them.
 *
 * `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_stats_free().
 * Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (PXDS_STATS_EXACT, and there is no .chunks); PXDS_ERR_LIMIT (2^32
 * chunks); PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback too).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_stats_collect(const pxds_store *store,
                               const pxds_stats_options *options,
                               pxds_stats **out,
                               pxds_error **err);

/**
 * Writes the numbers of the whole store to `*total`.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_stats_get_total(const pxds_stats *stats, pxds_stats_total *total, pxds_error **err);

/**
 * How many groups; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_stats_group_count(const pxds_stats *stats);

/**
 * Writes the numbers of group `i`, from 0, to `*group`, in the order of pxds_group_list. Returns PXDS_NONE if there is
 * no such one.
 *
 * Owns: the string is the statistics'.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_stats_get_group(const pxds_stats *stats, size_t i, pxds_stats_group *group, pxds_error **err);

/**
 * How many snapshots; 0 for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
size_t pxds_stats_snapshot_count(const pxds_stats *stats);

/**
 * Writes the numbers of snapshot `i`, from 0, to `*snapshot`, in the order of pxds_snapshot_list. Returns PXDS_NONE if
 * there is no such one.
 *
 * Owns: the string is the statistics'.
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_stats_get_snapshot(const pxds_stats *stats, size_t i, pxds_stats_snapshot *snapshot, pxds_error **err);

/**
 * Writes to `*bytes` how many bytes of data are in chunks that groups `a` and `b` both have; for a group and itself,
 * in all its chunks.
 *
 * Returns PXDS_NONE if there is no such group, or if it was not compared: of more than 64 groups only those are that
 * have the longest indexes.
 *
 * Errors: PXDS_ERR_ARGUMENT.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_stats_get_shared(const pxds_stats *stats, size_t a, size_t b, uint64_t *bytes, pxds_error **err);

/**
 * The factor of deduplication: the bytes that indexes describe, by those of the files of the chunks that they need. It
 * counts both sharing and compression. 1 if nothing is stored.
 *
 * Of statistics take `described.logical_bytes` and, with PXDS_STATS_EXACT, `used.stored_bytes`; of a garbage
 * collection `index_data_bytes` and `stored_bytes` less `used_bad_bytes`.
 *
 * Threads: any.
 * Since: 0.1
 */
double pxds_dedup_factor(uint64_t logical_bytes, uint64_t stored_bytes);

/**
 * Frees statistics. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_stats_free(pxds_stats *stats);

/**
 * Writes what there is to say of a snapshot to `*entry`; its strings are NULL.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_get_info(const pxds_store *store,
                                   const char *snapshot,
                                   pxds_snapshot_entry *entry,
                                   pxds_error **err);

/**
 * Makes the empty directory of a snapshot, and its group if that is missing, and locks the snapshot alone.
 *
 * For callers that put a snapshot together by hand; pxds_backup_new() does all of it. For `owner` see
 * pxds_group_create(). pxds_manifest_save() finishes the snapshot.
 *
 * Owns: the caller owns `*out` and lets go with pxds_lock_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_EXISTS; PXDS_ERR_BUSY, with the path; PXDS_ERR_IO; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_create(const pxds_store *store,
                                 const char *snapshot,
                                 const char *owner,
                                 pxds_lock **out,
                                 pxds_error **err);

/**
 * Protects a snapshot from being removed, by whatever program. To do so twice is fine.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path; PXDS_ERR_IO; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_protect(const pxds_store *store, const char *snapshot, pxds_error **err);

/**
 * Undoes pxds_snapshot_protect(). To do so twice is fine.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path; PXDS_ERR_IO; PXDS_ERR_STATE and
 * PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_unprotect(const pxds_store *store, const char *snapshot, pxds_error **err);

/**
 * Removes a snapshot, whole or not at all. The chunks stay for garbage collection.
 *
 * It is checked first that nothing, a mount below it for example, keeps it from being removed. Files that cannot be
 * removed after it has lost its name bring a notice, and garbage collection removes them.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_PROTECTED; PXDS_ERR_BUSY, with the path, while it is in use,
 * or if something is mounted there; PXDS_ERR_EXISTS (something that is no directory is in the place of `.pxds-tmp`),
 * PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that
 * can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_destroy(const pxds_store *store, const char *snapshot, pxds_error **err);

/**
 * Gives the manifest of a snapshot.
 *
 * Owns: the caller owns `*out` and frees it with pxds_manifest_free(). It is a copy.
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (no snapshot, or an unfinished one), PXDS_ERR_FORMAT,
 * PXDS_ERR_CORRUPT, PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_NOMEM.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_manifest_load(const pxds_store *store, const char *snapshot, pxds_manifest **out, pxds_error **err);

/**
 * Writes the manifest of a snapshot, `index.json.blob`, which finishes it, or replaces the one that it has.
 *
 * The files that it lists must be there, which is not checked; they are brought to the disk first, by the store's sync
 * level. To change notes and the like see pxds_snapshot_set_notes() and pxds_snapshot_set_unprotected(), which read
 * and write under one lock.
 *
 * Errors: PXDS_ERR_ARGUMENT (also for the manifest of another snapshot), PXDS_ERR_NOT_FOUND, PXDS_ERR_LIMIT;
 * PXDS_ERR_BUSY, with the path, after 5 seconds at least; PXDS_ERR_STATE (a sync of the store has failed before),
 * PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared for the store, exclusive for the manifest.
 * Since: 0.1
 */
pxds_status pxds_manifest_save(const pxds_store *store,
                               const char *snapshot,
                               pxds_manifest *manifest,
                               pxds_error **err);

/**
 * Gives the notes of a snapshot, as a text; empty if it has none.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: as pxds_manifest_load().
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_get_notes(const pxds_store *store, const char *snapshot, pxds_buffer **out, pxds_error **err);

/**
 * Replaces the notes of a snapshot. NULL and "" remove them.
 *
 * Errors: as pxds_manifest_load(); PXDS_ERR_BUSY, with the path, after 5 seconds at least; PXDS_ERR_LIMIT;
 * PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_set_notes(const pxds_store *store, const char *snapshot, const char *notes, pxds_error **err);

/**
 * Sets a member of the unprotected part of a snapshot's manifest to the JSON text `value`. NULL removes the member.
 *
 * Nothing else changes, and a signature stays valid.
 *
 * Errors: as pxds_snapshot_set_notes(); PXDS_ERR_FORMAT also if `value` is no JSON.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_set_unprotected(const pxds_store *store,
                                          const char *snapshot,
                                          const char *name,
                                          const char *value,
                                          pxds_error **err);

/**
 * Opens a snapshot, finished or not, to read its archives.
 *
 * `key` may be NULL. With a key encrypted blobs can be read, and only data is given that a holder of the key has
 * signed as this snapshot, unless PXDS_OPEN_ALLOW_UNSIGNED asks for less: anybody who can write to the store could
 * have put other data there. For indexes see the key in pxds_restorer_options and pxds_reader_options, too. Without a
 * key nothing is vouched for; a manifest of another snapshot brings a notice of the store's. See docs/format.md, 7.3
 * and 8.5.
 *
 * Owns: the caller owns `*out` and frees it with pxds_snapshot_free().
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path, while it is made or removed;
 * PXDS_ERR_KEY_MISMATCH (the manifest is signed with another key), PXDS_ERR_AUTH (its signature is wrong or missing,
 * or it is the manifest of another snapshot); PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT (the manifest), PXDS_ERR_LIMIT,
 * PXDS_ERR_IO, PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_open(const pxds_store *store,
                               const char *snapshot,
                               const pxds_key *key,
                               uint32_t flags,
                               pxds_snapshot **out,
                               pxds_error **err);

/**
 * Opens the index `name` of a snapshot, compared with the manifest.
 *
 * A restorer or reader of it expects chunks that are encrypted, or not, as the manifest says. An index that the
 * manifest does not list, or of an unfinished snapshot, is given with a notice of the store's; it is refused if the
 * snapshot was opened with a key and without PXDS_OPEN_ALLOW_UNSIGNED. An index whose header has another csum than the
 * manifest is given with a notice too, key or not; the csum in the manifest counts.
 *
 * Owns: the caller owns `*out` and frees it with pxds_index_free(). It does not hold the snapshot.
 * Errors: PXDS_ERR_ARGUMENT (also if `name` is no index), PXDS_ERR_NOT_FOUND, PXDS_ERR_CORRUPT (it is not what the
 * manifest lists), PXDS_ERR_AUTH (a key was given, and nothing vouches for it), PXDS_ERR_FORMAT, PXDS_ERR_LIMIT,
 * PXDS_ERR_IO, PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_open_index(const pxds_snapshot *snapshot,
                                     const char *name,
                                     pxds_index **out,
                                     pxds_error **err);

/**
 * Makes a reader of the file of the index `name` of a snapshot: pxds_snapshot_open_index() and pxds_reader_new() in
 * one, with the chunks of the snapshot's store.
 *
 * `options` may be NULL; their key is not looked at: that which the snapshot was opened with counts.
 *
 * Owns: the caller owns `*out` and frees it with pxds_reader_free(). It does not hold the snapshot.
 * Errors: as pxds_snapshot_open_index() and pxds_reader_new().
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_open_reader(const pxds_snapshot *snapshot,
                                      const char *name,
                                      const pxds_reader_options *options,
                                      pxds_reader **out,
                                      pxds_error **err);

/**
 * Writes the archive `name` of a snapshot, an index or a blob, to `path`, as pxds_restorer_write_file() does.
 *
 * `options` may be NULL; their key is not looked at: that which the snapshot was opened with counts. For a blob, which
 * has no chunks, the others are not looked at either.
 *
 * Errors: as pxds_snapshot_open_index() or pxds_snapshot_read_blob(), and pxds_restorer_write_file().
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_restore_file(const pxds_snapshot *snapshot,
                                       const char *name,
                                       const char *path,
                                       const pxds_restorer_options *options,
                                       pxds_error **err);

/**
 * Gives the decoded content of the blob `name` of a snapshot, at most `max_len` bytes, compared with the manifest.
 *
 * `index.json.blob` is the manifest itself. A blob that the manifest does not list, such as `client.log.blob`, is
 * given with a notice of the store's; it is refused if the snapshot was opened with a key and without
 * PXDS_OPEN_ALLOW_UNSIGNED.
 *
 * Owns: the caller owns `*out` and frees it with pxds_buffer_free().
 * Errors: PXDS_ERR_ARGUMENT (also if `name` is no blob), PXDS_ERR_NOT_FOUND, PXDS_ERR_CORRUPT (damaged, or not what
 * the manifest lists), PXDS_ERR_FORMAT, PXDS_ERR_KEY, PXDS_ERR_AUTH (also: nothing vouches for it),
 * PXDS_ERR_CRYPT_MODE, PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED (by the notice callback).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_read_blob(const pxds_snapshot *snapshot,
                                    const char *name,
                                    size_t max_len,
                                    pxds_buffer **out,
                                    pxds_error **err);

/**
 * Gives the manifest of an open snapshot, as it was when that was opened.
 *
 * Owns: the caller owns `*out` and frees it with pxds_manifest_free(). It is a copy.
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (it is not finished).
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_snapshot_get_manifest(const pxds_snapshot *snapshot, pxds_manifest **out, pxds_error **err);

/**
 * The result of checking the manifest's signature with the key that the snapshot was opened with: PXDS_SIGNATURE_...;
 * PXDS_SIGNATURE_UNCHECKED for NULL.
 *
 * Threads: shared.
 * Since: 0.1
 */
uint32_t pxds_snapshot_signature(const pxds_snapshot *snapshot);

/**
 * Closes a snapshot. NULL is fine.
 *
 * Threads: any, but no other call may be using the handle.
 * Since: 0.1
 */
void pxds_snapshot_free(pxds_snapshot *snapshot);

/**
 * Starts a snapshot of `group`, `[ns/NAME/...]TYPE/ID`, which is made if it is missing. `options` may be NULL.
 *
 * Owns: the caller owns `*out` and frees it with pxds_backup_free().
 * Errors: PXDS_ERR_ARGUMENT (also if the group has another owner, or a key is given and not used), PXDS_ERR_KEY (none
 * is given and one is needed), PXDS_ERR_STATE (the time is not after that of the last finished snapshot, or no time is
 * given and that one lies in the future), PXDS_ERR_EXISTS (a snapshot has this time); PXDS_ERR_BUSY, with the path,
 * while another backup makes a snapshot of the group, removes the last one, or collects garbage; PXDS_ERR_NOT_FOUND (a
 * store without chunks), PXDS_ERR_IO, PXDS_ERR_CANCELLED (by a callback); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for
 * a store that can only be read.
 * Threads: shared.
 * Since: 0.1
 */
pxds_status pxds_backup_new(const pxds_store *store,
                            const char *group,
                            const pxds_backup_options *options,
                            pxds_backup **out,
                            pxds_error **err);

/**
 * The path of the snapshot that this will be, `[ns/NAME/...]TYPE/ID/TIME`; NULL for NULL.
 *
 * Owns: the string is the backup's.
 * Threads: any, also beside another call on the handle.
 * Since: 0.1
 */
const char *pxds_backup_snapshot(const pxds_backup *backup);

/**
 * The path of the last finished snapshot of the group, which a new one may build on; NULL if there is none, or if its
 * verification has failed or its manifest cannot be read.
 *
 * Its signature has not been checked: open it with the key, by pxds_snapshot_open(), before anything of it is used.
 *
 * Owns: the string is the backup's.
 * Threads: any, also beside another call on the handle.
 * Since: 0.1
 */
const char *pxds_backup_previous(const pxds_backup *backup);

/**
 * Adds the archive `name`, .didx or .fidx, from an index that came out of an ingest or image of the same store handle.
 *
 * `index` stays the caller's, and can be freed after that.
 *
 * Errors: PXDS_ERR_ARGUMENT (a bad name, or one of another kind; an index from elsewhere, an empty one, or one with
 * other chunks than of 4 MiB without PXDS_BACKUP_ANY_CHUNK_SIZE), PXDS_ERR_CRYPT_MODE (its chunks are encrypted
 * otherwise than the snapshot is, or with another key), PXDS_ERR_EXISTS (an archive has the name); PXDS_ERR_STATE (the
 * index is incomplete or saved, or after a failure), PXDS_ERR_IO.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_add_index(pxds_backup *backup, const char *name, pxds_index_writer *index, pxds_error **err);

/**
 * Adds the blob `name`, which ends in .blob, with this content. `flags`: 0 or PXDS_ADD_NO_COMPRESS.
 *
 * Errors: PXDS_ERR_ARGUMENT (also for `rsa-encrypted.key.blob` in an encrypted snapshot: see
 * pxds_backup_add_sealed_key()), PXDS_ERR_EXISTS (an archive has the name), PXDS_ERR_LIMIT (above PXDS_BLOB_MAX_SIZE),
 * PXDS_ERR_STATE (after a failure), PXDS_ERR_IO, PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_add_blob(pxds_backup *backup,
                                 const char *name,
                                 const void *data,
                                 size_t data_len,
                                 uint32_t flags,
                                 pxds_error **err);

/**
 * Adds the snapshot's key, sealed for a master key, as the blob `rsa-encrypted.key.blob`, which is not encrypted.
 *
 * `sealed` is what pxds_master_seal() gives, or any program that does as docs/format.md, 3.6, says. A snapshot that is
 * encrypted or signed may have one.
 *
 * Errors: PXDS_ERR_ARGUMENT (it cannot be a sealed key: its length is wrong, or it is a key file in the clear),
 * PXDS_ERR_KEY (the snapshot has no key), PXDS_ERR_EXISTS, PXDS_ERR_STATE (after a failure), PXDS_ERR_IO,
 * PXDS_ERR_NOMEM.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_add_sealed_key(pxds_backup *backup, const void *sealed, size_t sealed_len, pxds_error **err);

/**
 * Adds what the descriptor `fd` gives to its end, as the kind of archive that `name` says: a stream (.didx), an image
 * (.fidx), or a blob.
 *
 * `stream` is for a stream, `image` for an image; either may be NULL, for the defaults. Their keys are not looked at:
 * that of the backup counts. `stats`, which may be NULL, gets the sums over the chunks, and of a blob the size; the
 * `progress` of `stream` is told of a blob as of a stream, and PXDS_INGEST_STRICT of `stream` holds for a blob too.
 * The descriptor is the caller's and stays open; an image is read by position where the descriptor allows it. A cancel
 * ends the backup, as any failure does.
 *
 * Errors: as pxds_backup_add_index(), pxds_backup_add_blob(), pxds_ingest_read_fd() and pxds_image_read_fd().
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_add_fd(pxds_backup *backup,
                               const char *name,
                               int32_t fd,
                               const pxds_ingest_options *stream,
                               const pxds_image_options *image,
                               pxds_ingest_stats *stats,
                               pxds_error **err);

/**
 * As pxds_backup_add_fd(), of what `read` gives, to the end of its stream.
 *
 * Errors: as pxds_backup_add_fd(); PXDS_ERR_ARGUMENT also if `read` claims more bytes than it was offered room for.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_add_stream(pxds_backup *backup,
                                   const char *name,
                                   pxds_read_fn read,
                                   void *user,
                                   const pxds_ingest_options *stream,
                                   const pxds_image_options *image,
                                   pxds_ingest_stats *stats,
                                   pxds_error **err);

/**
 * As pxds_backup_add_fd(), of the file or device at `path`. One that cannot be opened does not end the backup.
 *
 * Errors: as pxds_backup_add_fd(); PXDS_ERR_NOT_FOUND, with the path; PXDS_ERR_IO also for a directory.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_add_file(pxds_backup *backup,
                                 const char *name,
                                 const char *path,
                                 const pxds_ingest_options *stream,
                                 const pxds_image_options *image,
                                 pxds_ingest_stats *stats,
                                 pxds_error **err);

/**
 * Writes the manifest, brings everything to the disk, and gives the snapshot its name. Nothing is held after that.
 *
 * The `progress` of the options is told, and can stop it until the last step gives the snapshot its name.
 *
 * Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_STATE (no archive, finished, after a failure, or a sync of the store has failed
 * before), PXDS_ERR_EXISTS (a snapshot of this time has been made meanwhile), PXDS_ERR_IO, PXDS_ERR_CANCELLED.
 * Threads: exclusive.
 * Since: 0.1
 */
pxds_status pxds_backup_finish(pxds_backup *backup, pxds_error **err);

/**
 * Frees a backup. NULL is fine. One that is not finished leaves nothing but chunks.
 *
 * Threads: exclusive.
 * Since: 0.1
 */
void pxds_backup_free(pxds_backup *backup);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* Initialisers of the structures: their size, then zeros. */
#define PXDS_GROUP_NAME_INIT { sizeof(pxds_group_name), 0, 0, { 0 }, { 0 } }
#define PXDS_SNAPSHOT_NAME_INIT { sizeof(pxds_snapshot_name), 0, 0, 0, { 0 }, { 0 } }
#define PXDS_KEYFILE_OPTIONS_INIT { sizeof(pxds_keyfile_options), 0, 0, 0, NULL }
#define PXDS_KEYFILE_INFO_INIT { sizeof(pxds_keyfile_info), 0, 0, 0, 0, NULL, { 0 } }
#define PXDS_BLOB_CODEC_OPTIONS_INIT { sizeof(pxds_blob_codec_options), 0, 0, NULL }
#define PXDS_BLOB_INFO_INIT { sizeof(pxds_blob_info), { 0 }, 0, 0, 0, 0, 0 }
#define PXDS_BLOB_HEADER_INIT { sizeof(pxds_blob_header), { 0 }, 0, 0 }
#define PXDS_BLOB_ENCRYPTED_HEADER_INIT { sizeof(pxds_blob_encrypted_header), { 0 }, 0, 0, { 0 }, { 0 } }
#define PXDS_INDEX_HEADER_INIT { sizeof(pxds_index_header), { 0 }, { 0 }, 0, { 0 }, 0, 0 }
#define PXDS_CHUNKER_CONFIG_INIT { sizeof(pxds_chunker_config), 0, 0, 0, 0, 0 }
#define PXDS_STORE_OPTIONS_INIT { sizeof(pxds_store_options), 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL }
#define PXDS_INSERT_RESULT_INIT { sizeof(pxds_insert_result), 0, 0, 0 }
#define PXDS_CHUNK_ENTRY_INIT { sizeof(pxds_chunk_entry), 0, 0, { 0 }, 0, 0 }
#define PXDS_CONVERT_OPTIONS_INIT { sizeof(pxds_convert_options), 0, 0, NULL, NULL }
#define PXDS_CONVERT_RESULT_INIT { sizeof(pxds_convert_result), 0, 0, 0, 0 }
#define PXDS_INDEX_INFO_INIT { sizeof(pxds_index_info), 0, 0, 0, 0, 0, 0, { 0 }, { 0 } }
#define PXDS_INDEX_CHUNK_INFO_INIT { sizeof(pxds_index_chunk_info), 0, 0, { 0 } }
#define PXDS_INGEST_OPTIONS_INIT { sizeof(pxds_ingest_options), 0, 0, NULL, 0, { 0 }, NULL, NULL, NULL, NULL, NULL }
#define PXDS_INGEST_STATS_INIT { sizeof(pxds_ingest_stats), 0, 0, 0, 0, 0, 0 }
#define PXDS_IMAGE_OPTIONS_INIT { sizeof(pxds_image_options), 0, 0, 0, 0, { 0 }, NULL, NULL, NULL, NULL, NULL }
#define PXDS_SOURCE_OPTIONS_INIT { sizeof(pxds_source_options), 0, 0, NULL, NULL }
#define PXDS_COPY_OPTIONS_INIT { sizeof(pxds_copy_options), 0, 0, NULL, NULL, NULL, NULL, NULL }
#define PXDS_RESTORER_OPTIONS_INIT { sizeof(pxds_restorer_options), 0, 0, NULL, NULL, NULL, NULL, NULL }
#define PXDS_READER_OPTIONS_INIT { sizeof(pxds_reader_options), 0, 0, 0, NULL, NULL, NULL, NULL }
#define PXDS_MANIFEST_INFO_INIT { sizeof(pxds_manifest_info), 0, 0, 0, 0, NULL, 0, 0, 0 }
#define PXDS_MANIFEST_FILE_INIT { sizeof(pxds_manifest_file), NULL, 0, 0, 0, { 0 } }
#define PXDS_GROUP_ENTRY_INIT { sizeof(pxds_group_entry), NULL, NULL, NULL, 0, 0 }
#define PXDS_SNAPSHOT_ENTRY_INIT { sizeof(pxds_snapshot_entry), NULL, NULL, NULL, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0 }
#define PXDS_FILE_ENTRY_INIT { sizeof(pxds_file_entry), NULL, 0, 0, 0, 0 }
#define PXDS_DESTROY_OPTIONS_INIT { sizeof(pxds_destroy_options), 0, 0, NULL, NULL }
#define PXDS_DESTROY_RESULT_INIT { sizeof(pxds_destroy_result), 0, 0 }
#define PXDS_PRUNE_OPTIONS_INIT { sizeof(pxds_prune_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL }
#define PXDS_PRUNE_ENTRY_INIT { sizeof(pxds_prune_entry), NULL, NULL, 0, 0, 0, 0, 0 }
#define PXDS_GC_OPTIONS_INIT { sizeof(pxds_gc_options), 0, 0, 0, NULL, NULL }
#define PXDS_GC_STATUS_INIT \
    { sizeof(pxds_gc_status), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define PXDS_VERIFY_OPTIONS_INIT \
    { sizeof(pxds_verify_options), 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }
#define PXDS_VERIFY_RESULT_INIT { sizeof(pxds_verify_result), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define PXDS_STATS_OPTIONS_INIT { sizeof(pxds_stats_options), 0, 0, NULL, NULL }
#define PXDS_STATS_TOTAL_INIT \
    { sizeof(pxds_stats_total), 0, 0, { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, \
      { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, { 0 }, { 0 }, 0, 0, 0, 0 }
#define PXDS_STATS_GROUP_INIT \
    { sizeof(pxds_stats_group), NULL, 0, 0, 0, { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 } }
#define PXDS_STATS_SNAPSHOT_INIT \
    { sizeof(pxds_stats_snapshot), NULL, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, \
      { 0, 0, 0, 0, 0 }, { 0 } }
#define PXDS_BACKUP_OPTIONS_INIT { sizeof(pxds_backup_options), 0, 0, 0, NULL, NULL, NULL, 0, 0, NULL, NULL }

#endif  /* PXDS_H */
