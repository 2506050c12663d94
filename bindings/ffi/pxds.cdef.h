/* pxds: the declarations of pxds.h for cffi and LuaJIT, ffi.cdef(). Generated from pxds.h; do not edit.
 *
 * Constants are of an enum, which both read. PXDS_SIZE_UNKNOWN and PXDS_MAGIC_..., which are no numbers of 32 bits, are
 * in pxds.json alone.
 */

enum {
    PXDS_RESULT_INCOMPLETE = 1,
    PXDS_RESULT_EXACT = 2,
    PXDS_NOTICE_INFO = 1,
    PXDS_NOTICE_WARNING = 2,
    PXDS_VERSION_MAJOR = 0,
    PXDS_VERSION_MINOR = 1,
    PXDS_VERSION_PATCH = 0,
    PXDS_ABI_VERSION = 0,
    PXDS_DIGEST_SIZE = 32,
    PXDS_DIGEST_HEX_SIZE = 65,
    PXDS_TYPE_VM = 0,
    PXDS_TYPE_CT = 1,
    PXDS_TYPE_HOST = 2,
    PXDS_NAMESPACE_MAX_DEPTH = 7,
    PXDS_NAMESPACE_MAX_LEN = 256,
    PXDS_ID_MAX_LEN = 255,
    PXDS_TIME_SIZE = 21,
    PXDS_ARCHIVE_DYNAMIC = 1,
    PXDS_ARCHIVE_FIXED = 2,
    PXDS_ARCHIVE_BLOB = 3,
    PXDS_KEY_SIZE = 32,
    PXDS_FINGERPRINT_SIZE = 32,
    PXDS_FINGERPRINT_TEXT_SIZE = 96,
    PXDS_FINGERPRINT_SHORT_SIZE = 24,
    PXDS_FINGERPRINT_SHORT = 1,
    PXDS_KDF_SCRYPT = 0,
    PXDS_KDF_PBKDF2 = 1,
    PXDS_KDF_NONE = 2,
    PXDS_PASSWORD_MIN_LEN = 5,
    PXDS_KEYFILE_SET_CREATED = 1,
    PXDS_STATES_FINGERPRINT = 1,
    PXDS_SAVE_REPLACE = 1,
    PXDS_BLOB_HEADER_SIZE = 12,
    PXDS_BLOB_ENCRYPTED_HEADER_SIZE = 44,
    PXDS_BLOB_MAX_SIZE = 134217728,
    PXDS_BLOB_MAX_ENCODED_SIZE = 134217772,
    PXDS_CRYPT_DEFAULT = 0,
    PXDS_CRYPT_NONE = 1,
    PXDS_CRYPT_ENCRYPT = 2,
    PXDS_CRYPT_SIGN_ONLY = 3,
    PXDS_BLOB_COMPRESSED = 1,
    PXDS_BLOB_ENCRYPTED = 2,
    PXDS_ENCODE_COMPRESS = 1,
    PXDS_ENCODE_ENCRYPT = 2,
    PXDS_CODEC_SHORT_IV = 1,
    PXDS_CODEC_LONG_HEADER = 2,
    PXDS_DECODE_SKIP_CRC = 1,
    PXDS_CATALOG_MAX_NAME = 4095,
    PXDS_CHUNKER_WINDOW = 64,
    PXDS_CHUNKER_DEFAULT_AVG = 4194304,
    PXDS_LAYOUT_DEFAULT = 0,
    PXDS_LAYOUT_HEX2 = 1,
    PXDS_LAYOUT_HEX4 = 2,
    PXDS_LAYOUT_HEX2_DIRS = 256,
    PXDS_LAYOUT_HEX4_DIRS = 65536,
    PXDS_SYNC_DEFAULT = 0,
    PXDS_SYNC_NONE = 1,
    PXDS_SYNC_FILE = 2,
    PXDS_SYNC_FILESYSTEM = 3,
    PXDS_STORE_SET_OWNER = 1,
    PXDS_STORE_MIXED = 2,
    PXDS_STORE_BARE = 4,
    PXDS_STORE_NO_ATIME_PROBE = 8,
    PXDS_STORE_SHARED = 16,
    PXDS_STORE_READ_ONLY = 32,
    PXDS_STORE_S3_CACHE = 64,
    PXDS_STORE_NOT_S3_CACHE = 128,
    PXDS_STORE_PHASE_CREATE = 0,
    PXDS_STORE_PHASE_LOCK = 1,
    PXDS_INSERT_RAW = 1,
    PXDS_LOAD_UNCHECKED = 1,
    PXDS_CONVERT_DRY_RUN = 1,
    PXDS_CONVERT_PHASE_LOOK = 0,
    PXDS_CONVERT_PHASE_MAKE = 1,
    PXDS_CONVERT_PHASE_MOVE = 2,
    PXDS_CONVERT_PHASE_REMOVE = 3,
    PXDS_INDEX_ANY = 0,
    PXDS_INDEX_DYNAMIC = 1,
    PXDS_INDEX_FIXED = 2,
    PXDS_INDEX_HEADER_SIZE = 4096,
    PXDS_INDEX_DYNAMIC_ENTRY_SIZE = 40,
    PXDS_INDEX_FIXED_ENTRY_SIZE = 32,
    PXDS_WRITER_ALLOW_INCOMPLETE = 1,
    PXDS_LOCK_SHARED = 1,
    PXDS_LOCK_EXCLUSIVE = 2,
    PXDS_INGEST_NO_COMPRESS = 1,
    PXDS_INGEST_STRICT = 2,
    PXDS_INGEST_SET_CTIME = 4,
    PXDS_INGEST_SET_UUID = 8,
    PXDS_IMAGE_NO_COMPRESS = 1,
    PXDS_IMAGE_STRICT = 2,
    PXDS_IMAGE_SET_CTIME = 4,
    PXDS_IMAGE_SET_UUID = 8,
    PXDS_PBS_IMAGE_CHUNK_SIZE = 4194304,
    PXDS_SOURCE_ANY_THREAD = 1,
    PXDS_COPY_ANY_CSUM = 1,
    PXDS_RESTORER_ANY_CSUM = 1,
    PXDS_RESTORER_SPARSE = 2,
    PXDS_RESTORER_SKIP_BAD = 4,
    PXDS_READER_ANY_CSUM = 1,
    PXDS_READER_SKIP_BAD = 2,
    PXDS_JSON_MAX_SIZE = 4194304,
    PXDS_MANIFEST_SIGNED = 1,
    PXDS_SIGNATURE_UNCHECKED = 0,
    PXDS_SIGNATURE_MISSING = 1,
    PXDS_SIGNATURE_VALID = 2,
    PXDS_VERIFIED_NONE = 0,
    PXDS_VERIFIED_OK = 1,
    PXDS_VERIFIED_FAILED = 2,
    PXDS_LIST_RECURSIVE = 1,
    PXDS_LIST_OWNERS = 2,
    PXDS_LIST_MANIFESTS = 4,
    PXDS_SNAPSHOT_PROTECTED = 1,
    PXDS_SNAPSHOT_FINISHED = 2,
    PXDS_SNAPSHOT_UNREADABLE = 4,
    PXDS_DESTROY_DRY_RUN = 1,
    PXDS_MARK_KEEP = 1,
    PXDS_MARK_KEEP_PARTIAL = 2,
    PXDS_MARK_PROTECTED = 3,
    PXDS_MARK_REMOVE = 4,
    PXDS_KEPT_BY_LAST = 1,
    PXDS_KEPT_BY_HOURLY = 2,
    PXDS_KEPT_BY_DAILY = 4,
    PXDS_KEPT_BY_WEEKLY = 8,
    PXDS_KEPT_BY_MONTHLY = 16,
    PXDS_KEPT_BY_YEARLY = 32,
    PXDS_KEPT_BY_GOOD = 64,
    PXDS_KEPT_BY_WITHIN = 128,
    PXDS_KEPT_BY_NEWEST = 256,
    PXDS_PRUNE_DRY_RUN = 1,
    PXDS_GC_DRY_RUN = 1,
    PXDS_GC_NO_ATIME_PROBE = 2,
    PXDS_GC_ANY_CSUM = 4,
    PXDS_GC_NO_CACHE = 8,
    PXDS_GC_PHASE_MARK = 0,
    PXDS_GC_PHASE_SWEEP = 1,
    PXDS_VERIFY_READ_ONLY = 1,
    PXDS_VERIFY_INDEX_ORDER = 2,
    PXDS_VERIFY_SKIP_VERIFIED = 4,
    PXDS_VERIFY_ALLOW_UNSIGNED = 8,
    PXDS_VERIFY_PHASE_LIST = 0,
    PXDS_VERIFY_PHASE_CHECK = 1,
    PXDS_DAMAGE_CHUNK = 1,
    PXDS_DAMAGE_RENAMED = 2,
    PXDS_DAMAGE_REPAIRED = 4,
    PXDS_OUTCOME_OK = 1,
    PXDS_OUTCOME_FAILED = 2,
    PXDS_OUTCOME_BUSY = 3,
    PXDS_OUTCOME_GONE = 4,
    PXDS_OUTCOME_RECENT = 5,
    PXDS_OUTCOME_UNVOUCHED = 6,
    PXDS_OUTCOME_UNFINISHED = 7,
    PXDS_OUTCOME_UNREADABLE = 8,
    PXDS_STORE_NAME_SIZE = 256,
    PXDS_STATS_EXACT = 1,
    PXDS_STATS_PHASE_FIND = 0,
    PXDS_STATS_PHASE_CHUNKS = 1,
    PXDS_STATS_PHASE_INDEXES = 2,
    PXDS_STATS_SIZE_CLASSES = 28,
    PXDS_OPEN_ALLOW_UNSIGNED = 1,
    PXDS_OPEN_SALVAGE = 2,
    PXDS_BACKUP_ANY_CHUNK_SIZE = 1,
    PXDS_BACKUP_SET_TIME = 2,
    PXDS_ADD_NO_COMPRESS = 1,
    PXDS_BACKUP_PHASE_WAIT = 0,
    PXDS_BACKUP_PHASE_FINISH = 1,
    PXDS_OK = 0,
    PXDS_CUT = 1,
    PXDS_NONE = 2,
    PXDS_ERR_ARGUMENT = -1,
    PXDS_ERR_IO = -2,
    PXDS_ERR_NOMEM = -3,
    PXDS_ERR_NOT_FOUND = -4,
    PXDS_ERR_EXISTS = -5,
    PXDS_ERR_BUSY = -6,
    PXDS_ERR_TOO_SMALL = -7,
    PXDS_ERR_LIMIT = -8,
    PXDS_ERR_CORRUPT = -9,
    PXDS_ERR_FORMAT = -10,
    PXDS_ERR_KEY = -11,
    PXDS_ERR_AUTH = -12,
    PXDS_ERR_STATE = -13,
    PXDS_ERR_CANCELLED = -14,
    PXDS_ERR_UNSUPPORTED = -15,
    PXDS_ERR_PROTECTED = -16,
    PXDS_ERR_PASSWORD = -17,
    PXDS_ERR_KEY_MISMATCH = -18,
    PXDS_ERR_CRYPT_MODE = -19,
    PXDS_ERR_DENIED = -20,
    PXDS_ERR_INTERNAL = -98,
    PXDS_ERR_PANIC = -99
};

typedef struct pxds_backup pxds_backup;
typedef struct pxds_blob_codec pxds_blob_codec;
typedef struct pxds_buffer pxds_buffer;
typedef struct pxds_buzhash pxds_buzhash;
typedef struct pxds_cache pxds_cache;
typedef struct pxds_chunk_iter pxds_chunk_iter;
typedef struct pxds_chunker pxds_chunker;
typedef struct pxds_error pxds_error;
typedef struct pxds_file_list pxds_file_list;
typedef struct pxds_group_list pxds_group_list;
typedef struct pxds_image pxds_image;
typedef struct pxds_index pxds_index;
typedef struct pxds_index_writer pxds_index_writer;
typedef struct pxds_ingest pxds_ingest;
typedef struct pxds_key pxds_key;
typedef struct pxds_keyfile pxds_keyfile;
typedef struct pxds_lock pxds_lock;
typedef struct pxds_manifest pxds_manifest;
typedef struct pxds_namespace_list pxds_namespace_list;
typedef struct pxds_prune_list pxds_prune_list;
typedef struct pxds_reader pxds_reader;
typedef struct pxds_restorer pxds_restorer;
typedef struct pxds_snapshot pxds_snapshot;
typedef struct pxds_snapshot_list pxds_snapshot_list;
typedef struct pxds_source pxds_source;
typedef struct pxds_stats pxds_stats;
typedef struct pxds_store pxds_store;
typedef int32_t pxds_status;
typedef struct {
    size_t struct_size;
    uint32_t type;
    uint32_t reserved;
    char ns[264];
    char id[256];
} pxds_group_name;
typedef struct {
    size_t struct_size;
    uint32_t type;
    uint32_t reserved;
    int64_t time;
    char ns[264];
    char id[256];
} pxds_snapshot_name;
typedef struct {
    size_t struct_size;
    uint32_t kdf;
    uint32_t flags;
    int64_t created;
    const char *hint;
} pxds_keyfile_options;
typedef struct {
    size_t struct_size;
    uint32_t kdf;
    uint32_t flags;
    int64_t created;
    int64_t modified;
    const char *hint;
    uint8_t fingerprint[32];
} pxds_keyfile_info;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    const pxds_key *key;
} pxds_blob_codec_options;
typedef struct {
    size_t struct_size;
    uint8_t magic[8];
    uint32_t crc;
    uint32_t flags;
    uint32_t crypt_mode;
    uint32_t header_len;
    size_t payload_len;
} pxds_blob_info;
typedef struct {
    size_t struct_size;
    uint8_t magic[8];
    uint32_t crc;
    uint32_t reserved;
} pxds_blob_header;
typedef struct {
    size_t struct_size;
    uint8_t magic[8];
    uint32_t crc;
    uint32_t reserved;
    uint8_t iv[16];
    uint8_t tag[16];
} pxds_blob_encrypted_header;
typedef struct {
    size_t struct_size;
    uint8_t magic[8];
    uint8_t uuid[16];
    int64_t ctime;
    uint8_t csum[32];
    uint64_t size;
    uint64_t chunk_size;
} pxds_index_header;
typedef struct {
    size_t struct_size;
    uint64_t avg;
    uint64_t min;
    uint64_t max;
    uint32_t mask;
    uint32_t threshold;
} pxds_chunker_config;
typedef int32_t (*pxds_notice_fn)(void *user, uint32_t level, const char *message, const char *path);
typedef struct {
    size_t struct_size;
    uint32_t phase;
    uint32_t reserved;
    uint64_t done;
    uint64_t total;
    uint64_t bytes;
} pxds_progress;
typedef int32_t (*pxds_progress_fn)(void *user, const pxds_progress *progress);
typedef struct {
    size_t struct_size;
    uint32_t layout;
    uint32_t sync;
    uint32_t flags;
    uint32_t owner_uid;
    uint32_t owner_gid;
    uint32_t reserved;
    pxds_notice_fn notice;
    void *notice_user;
    const char *store_name;
    const char *lock_dir;
    uint64_t lock_wait_ms;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_store_options;
typedef struct {
    size_t struct_size;
    uint64_t stored_size;
    uint32_t existed;
    uint32_t reserved;
} pxds_insert_result;
typedef struct {
    size_t struct_size;
    uint64_t stored_size;
    int64_t atime;
    uint8_t digest[32];
    uint32_t bad;
    uint32_t bad_number;
} pxds_chunk_entry;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_convert_options;
typedef struct {
    size_t struct_size;
    uint64_t files;
    uint64_t made;
    uint64_t removed;
    uint64_t set_aside;
} pxds_convert_result;
typedef struct {
    size_t struct_size;
    uint32_t kind;
    uint32_t reserved;
    uint64_t size;
    uint64_t chunk_count;
    uint64_t chunk_size;
    int64_t ctime;
    uint8_t uuid[16];
    uint8_t csum[32];
} pxds_index_info;
typedef struct {
    size_t struct_size;
    uint64_t start;
    uint64_t end;
    uint8_t digest[32];
} pxds_index_chunk_info;
typedef struct {
    size_t struct_size;
    uint64_t offset;
    uint64_t size;
    uint64_t stored_size;
    uint8_t digest[32];
    uint32_t existed;
    uint32_t reserved;
} pxds_ingest_chunk;
typedef int32_t (*pxds_ingest_chunk_fn)(void *user, const pxds_ingest_chunk *chunk);
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;
    const pxds_chunker_config *chunker;
    int64_t ctime;
    uint8_t uuid[16];
    const pxds_key *key;
    pxds_ingest_chunk_fn on_chunk;
    void *on_chunk_user;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_ingest_options;
typedef int32_t (*pxds_read_fn)(void *user, uint8_t *data, size_t capacity, size_t *data_len);
typedef struct {
    size_t struct_size;
    uint64_t size;
    uint64_t chunks;
    uint64_t new_chunks;
    uint64_t new_bytes;
    uint64_t stored_bytes;
    uint64_t compressed_bytes;
} pxds_ingest_stats;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;
    uint64_t chunk_size;
    int64_t ctime;
    uint8_t uuid[16];
    const pxds_key *key;
    pxds_ingest_chunk_fn on_chunk;
    void *on_chunk_user;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_image_options;
typedef struct {
    uint64_t offset;
    uint64_t length;
} pxds_image_range;
typedef int32_t (*pxds_source_get_fn)(void *user,
                                      const uint8_t *digest,
                                      uint8_t *data,
                                      size_t capacity,
                                      size_t *data_len);
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    pxds_source_get_fn get;
    void *get_user;
} pxds_source_options;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;
    const pxds_key *key;
    pxds_ingest_chunk_fn on_chunk;
    void *on_chunk_user;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_copy_options;
typedef struct {
    size_t struct_size;
    uint64_t number;
    uint64_t offset;
    uint64_t length;
    uint8_t digest[32];
    pxds_status status;
    uint32_t reserved;
    const char *message;
} pxds_bad_chunk;
typedef int32_t (*pxds_bad_chunk_fn)(void *user, const pxds_bad_chunk *bad);
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;
    const pxds_key *key;
    pxds_bad_chunk_fn on_bad;
    void *on_bad_user;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_restorer_options;
typedef int32_t (*pxds_write_fn)(void *user, const uint8_t *data, size_t data_len, size_t *taken);
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;
    size_t cache_size;
    const pxds_cache *cache;
    const pxds_key *key;
    pxds_bad_chunk_fn on_bad;
    void *on_bad_user;
} pxds_reader_options;
typedef struct {
    size_t struct_size;
    uint32_t type;
    uint32_t flags;
    int64_t time;
    size_t file_count;
    const char *id;
    uint32_t verify_state;
    uint32_t reserved;
    int64_t verify_time;
} pxds_manifest_info;
typedef struct {
    size_t struct_size;
    const char *filename;
    uint32_t crypt_mode;
    uint32_t reserved;
    uint64_t size;
    uint8_t csum[32];
} pxds_manifest_file;
typedef struct {
    size_t struct_size;
    const char *path;
    const char *ns;
    const char *id;
    uint32_t type;
    uint32_t reserved;
} pxds_group_entry;
typedef struct {
    size_t struct_size;
    const char *path;
    const char *ns;
    const char *id;
    int64_t time;
    uint32_t type;
    uint32_t flags;
    const char *owner;
    const char *notes;
    uint64_t size;
    size_t file_count;
    uint32_t verify_state;
    uint32_t crypt_mode;
    int64_t verify_time;
} pxds_snapshot_entry;
typedef struct {
    size_t struct_size;
    const char *name;
    uint64_t size;
    uint64_t plain_size;
    uint32_t kind;
    uint32_t reserved;
} pxds_file_entry;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_destroy_options;
typedef struct {
    size_t struct_size;
    uint64_t removed;
    uint64_t protected_count;
} pxds_destroy_result;
typedef struct {
    int64_t time;
    uint32_t flags;
    uint32_t verify_state;
} pxds_prune_row;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    uint64_t keep_last;
    uint64_t keep_hourly;
    uint64_t keep_daily;
    uint64_t keep_weekly;
    uint64_t keep_monthly;
    uint64_t keep_yearly;
    uint64_t keep_good;
    uint64_t keep_within;
    int64_t now;
    const char *zone;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_prune_options;
typedef struct {
    size_t struct_size;
    const char *path;
    const char *message;
    int64_t time;
    uint32_t flags;
    uint32_t mark;
    pxds_status status;
    uint32_t kept_by;
} pxds_prune_entry;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t cutoff_minutes;
    uint64_t remembered;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_gc_options;
typedef struct {
    size_t struct_size;
    uint64_t index_file_count;
    uint64_t index_data_bytes;
    uint64_t stored_bytes;
    uint64_t stored_chunks;
    uint64_t removed_bytes;
    uint64_t removed_chunks;
    uint64_t pending_bytes;
    uint64_t pending_chunks;
    uint64_t removed_bad;
    uint64_t still_bad;
    uint64_t cache_hits;
    uint64_t cache_misses;
    uint64_t strange_indexes;
    uint64_t missing_chunks;
    uint64_t removed_temporaries;
    uint64_t removed_temporary_bytes;
    uint64_t future_files;
    uint64_t future_bytes;
    int64_t future_until;
    uint64_t used_bad;
    uint64_t used_bad_bytes;
    uint64_t removed_bad_bytes;
    uint64_t still_bad_bytes;
} pxds_gc_status;
typedef struct {
    size_t struct_size;
    const char *snapshot;
    const char *archive;
    const char *message;
    uint64_t offset;
    uint64_t length;
    uint8_t digest[32];
    pxds_status status;
    uint32_t flags;
} pxds_verify_damage;
typedef int32_t (*pxds_verify_damage_fn)(void *user, const pxds_verify_damage *damage);
typedef struct {
    size_t struct_size;
    const char *snapshot;
    uint64_t errors;
    uint64_t repaired;
    uint32_t outcome;
    uint32_t reserved;
    const char *reason;
} pxds_verify_done;
typedef int32_t (*pxds_verify_done_fn)(void *user, const pxds_verify_done *done);
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;
    uint64_t skip_days;
    const pxds_key *key;
    const pxds_store *repair_from;
    const char *upid;
    pxds_verify_damage_fn on_damage;
    void *on_damage_user;
    pxds_verify_done_fn on_done;
    void *on_done_user;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_verify_options;
typedef struct {
    size_t struct_size;
    uint64_t ok;
    uint64_t failed;
    uint64_t skipped;
    uint64_t chunks;
    uint64_t bytes;
    uint64_t stored_bytes;
    uint64_t bad;
    uint64_t missing;
    uint64_t unreadable;
    uint64_t renamed;
    uint64_t repaired;
    uint64_t unvouched;
    uint64_t unfinished;
    uint64_t unnoted;
    uint32_t flags;
    uint32_t reserved;
} pxds_verify_result;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_stats_options;
typedef struct {
    uint64_t indexes;
    uint64_t logical_bytes;
    uint64_t references;
    uint64_t blobs;
    uint64_t blob_bytes;
    uint64_t unreadable;
} pxds_stats_described;
typedef struct {
    uint64_t chunks;
    uint64_t bytes;
    uint64_t stored_bytes;
    uint64_t missing_chunks;
    uint64_t missing_bytes;
} pxds_stats_sum;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    pxds_stats_described described;
    pxds_stats_described others;
    pxds_stats_sum used;
    pxds_stats_sum shared;
    pxds_stats_sum across_groups;
    uint64_t sizes[28];
    uint64_t size_bytes[28];
    uint64_t unreferenced_chunks;
    uint64_t unreferenced_bytes;
    uint64_t broken_files;
    uint64_t broken_bytes;
} pxds_stats_total;
typedef struct {
    size_t struct_size;
    const char *path;
    uint64_t snapshots;
    int64_t oldest;
    int64_t newest;
    pxds_stats_described described;
    pxds_stats_sum used;
    pxds_stats_sum own;
} pxds_stats_group;
typedef struct {
    size_t struct_size;
    const char *path;
    size_t group;
    int64_t time;
    uint32_t flags;
    uint32_t reserved;
    pxds_stats_described described;
    pxds_stats_sum used;
    pxds_stats_sum own;
    pxds_stats_sum new_data;
    uint64_t sizes[28];
} pxds_stats_snapshot;
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t reserved;
    int64_t time;
    const char *owner;
    const char *notes;
    const pxds_key *key;
    uint32_t crypt_mode;
    uint32_t reserved_too;
    pxds_progress_fn progress;
    void *progress_user;
} pxds_backup_options;
const char *pxds_status_name(pxds_status status);
const char *pxds_status_message(pxds_status status);
pxds_status pxds_error_status(const pxds_error *error);
const char *pxds_error_message(const pxds_error *error);
int32_t pxds_error_errno(const pxds_error *error);
const char *pxds_error_path(const pxds_error *error);
pxds_status pxds_error_get_digest(const pxds_error *error, uint8_t *digest);
pxds_status pxds_error_get_offset(const pxds_error *error, uint64_t *offset);
int32_t pxds_error_callback_value(const pxds_error *error);
void pxds_error_free(pxds_error *error);
const char *pxds_version(void);
uint32_t pxds_version_number(void);
uint32_t pxds_abi_version(void);
const uint8_t *pxds_buffer_data(const pxds_buffer *buffer);
size_t pxds_buffer_len(const pxds_buffer *buffer);
void pxds_buffer_free(pxds_buffer *buffer);
pxds_status pxds_file_write(const char *path, const void *data, size_t data_len, pxds_error **err);
pxds_status pxds_digest_compute(const void *data, size_t data_len, uint8_t *digest, pxds_error **err);
pxds_status pxds_digest_format(const uint8_t *digest, char *hex, size_t hex_capacity, pxds_error **err);
pxds_status pxds_digest_parse(const char *hex, uint8_t *digest, pxds_error **err);
const char *pxds_backup_type_name(uint32_t type);
pxds_status pxds_backup_type_parse(const char *name, uint32_t *type, pxds_error **err);
pxds_status pxds_id_check(const char *id, pxds_error **err);
pxds_status pxds_namespace_check(const char *ns, pxds_error **err);
pxds_status pxds_archive_check(const char *name, uint32_t *kind, pxds_error **err);
pxds_status pxds_time_format(int64_t time, char *text, size_t capacity, pxds_error **err);
pxds_status pxds_time_parse(const char *text, int64_t *time, pxds_error **err);
pxds_status pxds_group_format(const char *ns,
                              uint32_t type,
                              const char *id,
                              char *text,
                              size_t capacity,
                              size_t *text_len,
                              pxds_error **err);
pxds_status pxds_snapshot_format(const char *ns,
                                 uint32_t type,
                                 const char *id,
                                 int64_t time,
                                 char *text,
                                 size_t capacity,
                                 size_t *text_len,
                                 pxds_error **err);
pxds_status pxds_group_parse(const char *path, pxds_group_name *out, pxds_error **err);
pxds_status pxds_snapshot_parse(const char *path, pxds_snapshot_name *out, pxds_error **err);
pxds_status pxds_key_new(const uint8_t *secret, pxds_key **out, pxds_error **err);
pxds_status pxds_key_random(pxds_key **out, pxds_error **err);
pxds_status pxds_key_tolerant(const pxds_key *key, uint32_t flags, pxds_key **out, pxds_error **err);
pxds_status pxds_key_get_fingerprint(const pxds_key *key, uint8_t *fingerprint, pxds_error **err);
pxds_status pxds_key_digest(const pxds_key *key, const void *data, size_t data_len, uint8_t *digest, pxds_error **err);
void pxds_key_free(pxds_key *key);
pxds_status pxds_fingerprint_format(const uint8_t *fingerprint,
                                    uint32_t flags,
                                    char *text,
                                    size_t capacity,
                                    pxds_error **err);
pxds_status pxds_fingerprint_parse(const char *text, uint8_t *fingerprint, pxds_error **err);
pxds_status pxds_keyfile_new(const pxds_key *key,
                             const void *password,
                             size_t password_len,
                             const pxds_keyfile_options *options,
                             pxds_keyfile **out,
                             pxds_error **err);
pxds_status pxds_keyfile_load(const char *path, pxds_keyfile **out, pxds_error **err);
pxds_status pxds_keyfile_parse(const void *text, size_t text_len, pxds_keyfile **out, pxds_error **err);
pxds_status pxds_keyfile_get_info(const pxds_keyfile *keyfile, pxds_keyfile_info *info, pxds_error **err);
pxds_status pxds_keyfile_unlock(const pxds_keyfile *keyfile,
                                const void *password,
                                size_t password_len,
                                pxds_key **out,
                                pxds_error **err);
pxds_status pxds_keyfile_format(const pxds_keyfile *keyfile, pxds_buffer **out, pxds_error **err);
pxds_status pxds_keyfile_save(const pxds_keyfile *keyfile, const char *path, uint32_t flags, pxds_error **err);
void pxds_keyfile_free(pxds_keyfile *keyfile);
pxds_status pxds_master_seal(const pxds_key *key,
                             const int64_t *created,
                             const void *public_pem,
                             size_t public_pem_len,
                             pxds_buffer **out,
                             pxds_error **err);
pxds_status pxds_master_recover(const void *sealed,
                                size_t sealed_len,
                                const void *private_pem,
                                size_t private_pem_len,
                                const void *password,
                                size_t password_len,
                                pxds_keyfile **out,
                                pxds_error **err);
pxds_status pxds_blob_codec_new(const pxds_blob_codec_options *options, pxds_blob_codec **out, pxds_error **err);
void pxds_blob_codec_free(pxds_blob_codec *codec);
size_t pxds_blob_encode_bound(size_t data_len);
pxds_status pxds_blob_encode(pxds_blob_codec *codec,
                             const void *data,
                             size_t data_len,
                             uint32_t flags,
                             void *blob,
                             size_t blob_capacity,
                             size_t *blob_len,
                             pxds_error **err);
pxds_status pxds_blob_encode_buffer(pxds_blob_codec *codec,
                                    const void *data,
                                    size_t data_len,
                                    uint32_t flags,
                                    pxds_buffer **out,
                                    pxds_error **err);
pxds_status pxds_blob_decode(pxds_blob_codec *codec,
                             const void *blob,
                             size_t blob_len,
                             uint32_t flags,
                             const uint8_t *digest,
                             void *data,
                             size_t data_capacity,
                             size_t *data_len,
                             pxds_error **err);
pxds_status pxds_blob_decode_buffer(pxds_blob_codec *codec,
                                    const void *blob,
                                    size_t blob_len,
                                    uint32_t flags,
                                    const uint8_t *digest,
                                    size_t max_len,
                                    pxds_buffer **out,
                                    pxds_error **err);
pxds_status pxds_blob_decode_borrow(const void *blob,
                                    size_t blob_len,
                                    uint32_t flags,
                                    const uint8_t *digest,
                                    const uint8_t **data,
                                    size_t *data_len,
                                    pxds_error **err);
pxds_status pxds_blob_parse(const void *blob, size_t blob_len, pxds_blob_info *info, pxds_error **err);
pxds_status pxds_blob_check_crc(const void *blob, size_t blob_len, pxds_error **err);
pxds_status pxds_blob_update_crc(void *blob, size_t blob_len, pxds_error **err);
pxds_status pxds_blob_verify_unencrypted(pxds_blob_codec *codec,
                                         const void *blob,
                                         size_t blob_len,
                                         uint64_t size,
                                         const uint8_t *digest,
                                         pxds_error **err);
pxds_status pxds_blob_get_header_len(const uint8_t *magic, size_t *header_len, pxds_error **err);
int32_t pxds_blob_magic_is_compressed(const uint8_t *magic);
int32_t pxds_blob_magic_is_encrypted(const uint8_t *magic);
pxds_status pxds_blob_header_read(const void *data, size_t data_len, pxds_blob_header *header, pxds_error **err);
pxds_status pxds_blob_header_write(const pxds_blob_header *header, void *data, size_t capacity, pxds_error **err);
pxds_status pxds_blob_encrypted_header_read(const void *data,
                                            size_t data_len,
                                            pxds_blob_encrypted_header *header,
                                            pxds_error **err);
pxds_status pxds_blob_encrypted_header_write(const pxds_blob_encrypted_header *header,
                                             void *data,
                                             size_t capacity,
                                             pxds_error **err);
pxds_status pxds_index_header_read(const void *data, size_t data_len, pxds_index_header *header, pxds_error **err);
pxds_status pxds_index_header_write(const pxds_index_header *header, void *data, size_t capacity, pxds_error **err);
pxds_status pxds_chunker_config_init(pxds_chunker_config *config, uint64_t avg, pxds_error **err);
pxds_status pxds_chunker_new(const pxds_chunker_config *config, pxds_chunker **out, pxds_error **err);
pxds_status pxds_chunker_new_fixed(uint64_t chunk_size, pxds_chunker **out, pxds_error **err);
pxds_status pxds_chunker_scan(pxds_chunker *chunker, const void *data, size_t data_len, size_t *used, pxds_error **err);
pxds_status pxds_chunker_reset(pxds_chunker *chunker, pxds_error **err);
void pxds_chunker_free(pxds_chunker *chunker);
pxds_status pxds_buzhash_new(pxds_buzhash **out, pxds_error **err);
pxds_status pxds_buzhash_init(pxds_buzhash *hash, const void *data, size_t data_len, pxds_error **err);
pxds_status pxds_buzhash_update(pxds_buzhash *hash, const void *data, size_t data_len, pxds_error **err);
pxds_status pxds_buzhash_get_sum(pxds_buzhash *hash, uint32_t *sum, pxds_error **err);
pxds_status pxds_buzhash_reset(pxds_buzhash *hash, pxds_error **err);
void pxds_buzhash_free(pxds_buzhash *hash);
pxds_status pxds_store_create(const char *path, const pxds_store_options *options, pxds_store **out, pxds_error **err);
pxds_status pxds_store_open(const char *path, const pxds_store_options *options, pxds_store **out, pxds_error **err);
pxds_status pxds_store_open_or_create(const char *path,
                                      const pxds_store_options *options,
                                      pxds_store **out,
                                      pxds_error **err);
void pxds_store_free(pxds_store *store);
const char *pxds_store_path(const pxds_store *store);
uint32_t pxds_store_layout(const pxds_store *store);
pxds_status pxds_store_sync(const pxds_store *store, pxds_error **err);
pxds_status pxds_store_get_chunk_path(const pxds_store *store,
                                      const uint8_t *digest,
                                      char *path,
                                      size_t path_capacity,
                                      size_t *path_len,
                                      pxds_error **err);
pxds_status pxds_store_insert(const pxds_store *store,
                              const uint8_t *digest,
                              const void *blob,
                              size_t blob_len,
                              uint32_t flags,
                              pxds_insert_result *result,
                              pxds_error **err);
pxds_status pxds_store_insert_verified(const pxds_store *store,
                                       pxds_blob_codec *codec,
                                       const uint8_t *digest,
                                       uint64_t size,
                                       const void *blob,
                                       size_t blob_len,
                                       pxds_insert_result *result,
                                       pxds_error **err);
pxds_status pxds_store_load(const pxds_store *store,
                            const uint8_t *digest,
                            uint32_t flags,
                            size_t max_len,
                            pxds_buffer **out,
                            pxds_error **err);
pxds_status pxds_store_has(const pxds_store *store, const uint8_t *digest, uint64_t *stored_size, pxds_error **err);
pxds_status pxds_store_touch(const pxds_store *store, const uint8_t *digest, pxds_error **err);
pxds_status pxds_store_mark_bad(const pxds_store *store, const uint8_t *digest, uint32_t *number, pxds_error **err);
pxds_status pxds_store_chunks(const pxds_store *store, pxds_chunk_iter **out, pxds_error **err);
pxds_status pxds_chunk_iter_next(pxds_chunk_iter *iter, pxds_chunk_entry *entry, pxds_error **err);
void pxds_chunk_iter_free(pxds_chunk_iter *iter);
pxds_status pxds_store_convert(const char *path,
                               uint32_t layout,
                               const pxds_store_options *opening,
                               const pxds_convert_options *options,
                               pxds_convert_result *result,
                               pxds_error **err);
pxds_status pxds_index_open(const char *path, uint32_t kind, pxds_index **out, pxds_error **err);
pxds_status pxds_index_parse(const void *data, size_t data_len, uint32_t kind, pxds_index **out, pxds_error **err);
pxds_status pxds_index_get_info(const pxds_index *index, pxds_index_info *info, pxds_error **err);
pxds_status pxds_index_get_chunk(const pxds_index *index,
                                 uint64_t number,
                                 pxds_index_chunk_info *chunk,
                                 pxds_error **err);
pxds_status pxds_index_get_chunks(const pxds_index *index,
                                  uint64_t first,
                                  pxds_index_chunk_info *chunks,
                                  size_t capacity,
                                  size_t *count,
                                  pxds_error **err);
pxds_status pxds_index_find_chunk(const pxds_index *index,
                                  uint64_t offset,
                                  uint64_t *number,
                                  uint64_t *offset_in_chunk,
                                  pxds_error **err);
pxds_status pxds_index_compute_csum(const pxds_index *index, uint8_t *csum, uint64_t *size, pxds_error **err);
pxds_status pxds_index_check_csum(const pxds_index *index, pxds_error **err);
void pxds_index_free(pxds_index *index);
pxds_status pxds_index_writer_new_dynamic(int64_t ctime,
                                          const uint8_t *uuid,
                                          pxds_index_writer **out,
                                          pxds_error **err);
pxds_status pxds_index_writer_new_fixed(int64_t ctime,
                                        const uint8_t *uuid,
                                        uint64_t size,
                                        uint64_t chunk_size,
                                        uint32_t flags,
                                        pxds_index_writer **out,
                                        pxds_error **err);
pxds_status pxds_index_writer_add(pxds_index_writer *writer, uint64_t end, const uint8_t *digest, pxds_error **err);
pxds_status pxds_index_writer_set(pxds_index_writer *writer, uint64_t number, const uint8_t *digest, pxds_error **err);
pxds_status pxds_index_writer_clone_index(pxds_index_writer *writer, const pxds_index *earlier, pxds_error **err);
pxds_status pxds_index_writer_get_info(pxds_index_writer *writer, pxds_index_info *info, pxds_error **err);
pxds_status pxds_index_writer_finish(pxds_index_writer *writer, size_t max_len, pxds_buffer **out, pxds_error **err);
pxds_status pxds_index_check_path(const char *path, pxds_error **err);
pxds_status pxds_index_writer_save(pxds_index_writer *writer, const char *path, pxds_error **err);
void pxds_index_writer_free(pxds_index_writer *writer);
pxds_status pxds_store_lock(const pxds_store *store, uint32_t mode, pxds_lock **out, pxds_error **err);
pxds_status pxds_group_lock(const pxds_store *store, const char *group, pxds_lock **out, pxds_error **err);
pxds_status pxds_snapshot_lock(const pxds_store *store,
                               const char *snapshot,
                               uint32_t mode,
                               pxds_lock **out,
                               pxds_error **err);
void pxds_lock_free(pxds_lock *lock);
pxds_status pxds_ingest_new(const pxds_store *store,
                            const pxds_ingest_options *options,
                            pxds_ingest **out,
                            pxds_error **err);
pxds_status pxds_ingest_write(pxds_ingest *ingest, const void *data, size_t data_len, pxds_error **err);
pxds_status pxds_ingest_read_fd(pxds_ingest *ingest, int32_t fd, pxds_error **err);
pxds_status pxds_ingest_read(pxds_ingest *ingest, pxds_read_fn read, void *user, pxds_error **err);
pxds_status pxds_ingest_get_stats(pxds_ingest *ingest, pxds_ingest_stats *stats, pxds_error **err);
pxds_status pxds_ingest_finish(pxds_ingest *ingest, pxds_index_writer **out, pxds_error **err);
pxds_status pxds_ingest_partial(pxds_ingest *ingest, pxds_index_writer **out, pxds_error **err);
void pxds_ingest_free(pxds_ingest *ingest);
pxds_status pxds_image_new(const pxds_store *store,
                           uint64_t size,
                           const pxds_image_options *options,
                           pxds_image **out,
                           pxds_error **err);
pxds_status pxds_image_write(pxds_image *image, const void *data, size_t data_len, pxds_error **err);
pxds_status pxds_image_write_at(pxds_image *image,
                                uint64_t offset,
                                const void *data,
                                size_t data_len,
                                pxds_error **err);
pxds_status pxds_image_read(pxds_image *image, pxds_read_fn read, void *user, pxds_error **err);
pxds_status pxds_image_read_fd(pxds_image *image, int32_t fd, pxds_error **err);
pxds_status pxds_image_reuse_bitmap(pxds_image *image,
                                    const pxds_index *earlier,
                                    const uint8_t *bitmap,
                                    size_t bitmap_len,
                                    uint64_t granularity,
                                    pxds_error **err);
pxds_status pxds_image_reuse_ranges(pxds_image *image,
                                    const pxds_index *earlier,
                                    const pxds_image_range *ranges,
                                    size_t range_count,
                                    pxds_error **err);
pxds_status pxds_image_get_stats(pxds_image *image, pxds_ingest_stats *stats, pxds_error **err);
pxds_status pxds_image_finish(pxds_image *image, pxds_index_writer **out, pxds_error **err);
void pxds_image_free(pxds_image *image);
pxds_status pxds_source_from_store(const pxds_store *store, pxds_source **out, pxds_error **err);
pxds_status pxds_source_new(const pxds_source_options *options, pxds_source **out, pxds_error **err);
pxds_status pxds_source_get(const pxds_source *source,
                            const uint8_t *digest,
                            size_t max_len,
                            pxds_buffer **out,
                            pxds_error **err);
void pxds_source_free(pxds_source *source);
pxds_status pxds_store_copy_chunks(const pxds_store *store,
                                   const pxds_source *source,
                                   const pxds_index *index,
                                   const pxds_copy_options *options,
                                   pxds_ingest_stats *stats,
                                   pxds_index_writer **out,
                                   pxds_error **err);
pxds_status pxds_store_copy_chunk(const pxds_store *store,
                                  const pxds_source *source,
                                  const uint8_t *digest,
                                  const pxds_key *key,
                                  pxds_insert_result *result,
                                  pxds_error **err);
pxds_status pxds_restorer_new(const pxds_store *store,
                              const pxds_restorer_options *options,
                              pxds_restorer **out,
                              pxds_error **err);
pxds_status pxds_restorer_new_from(const pxds_source *source,
                                   const pxds_restorer_options *options,
                                   pxds_restorer **out,
                                   pxds_error **err);
pxds_status pxds_restorer_write_fd(pxds_restorer *restorer,
                                   const pxds_index *index,
                                   int32_t fd,
                                   uint64_t *written,
                                   pxds_error **err);
pxds_status pxds_restorer_write(pxds_restorer *restorer,
                                const pxds_index *index,
                                pxds_write_fn write,
                                void *user,
                                uint64_t *written,
                                pxds_error **err);
pxds_status pxds_restorer_write_file(pxds_restorer *restorer,
                                     const pxds_index *index,
                                     const char *path,
                                     uint64_t *written,
                                     pxds_error **err);
pxds_status pxds_restorer_write_range_fd(pxds_restorer *restorer,
                                         const pxds_index *index,
                                         uint64_t offset,
                                         uint64_t length,
                                         int32_t fd,
                                         uint64_t *written,
                                         pxds_error **err);
pxds_status pxds_restorer_write_range(pxds_restorer *restorer,
                                      const pxds_index *index,
                                      uint64_t offset,
                                      uint64_t length,
                                      pxds_write_fn write,
                                      void *user,
                                      uint64_t *written,
                                      pxds_error **err);
pxds_status pxds_restorer_write_range_file(pxds_restorer *restorer,
                                           const pxds_index *index,
                                           uint64_t offset,
                                           uint64_t length,
                                           const char *path,
                                           uint64_t *written,
                                           pxds_error **err);
pxds_status pxds_restorer_read_range(pxds_restorer *restorer,
                                     const pxds_index *index,
                                     uint64_t offset,
                                     void *data,
                                     size_t data_len,
                                     size_t *read,
                                     pxds_error **err);
void pxds_restorer_free(pxds_restorer *restorer);
pxds_status pxds_cache_new(size_t max_bytes, pxds_cache **out, pxds_error **err);
void pxds_cache_free(pxds_cache *cache);
pxds_status pxds_reader_new(const pxds_store *store,
                            const pxds_index *index,
                            const pxds_reader_options *options,
                            pxds_reader **out,
                            pxds_error **err);
pxds_status pxds_reader_new_from(const pxds_source *source,
                                 const pxds_index *index,
                                 const pxds_reader_options *options,
                                 pxds_reader **out,
                                 pxds_error **err);
uint64_t pxds_reader_size(const pxds_reader *reader);
pxds_status pxds_reader_read_at(const pxds_reader *reader,
                                uint64_t offset,
                                void *data,
                                size_t data_len,
                                size_t *read,
                                pxds_error **err);
pxds_status pxds_reader_get_extent(const pxds_reader *reader,
                                   uint64_t offset,
                                   uint64_t max_length,
                                   uint64_t *length,
                                   uint32_t *is_zero,
                                   pxds_error **err);
void pxds_reader_free(pxds_reader *reader);
pxds_status pxds_json_canonical(const void *data, size_t data_len, size_t max_len, pxds_buffer **out, pxds_error **err);
pxds_status pxds_manifest_new(uint32_t type, const char *id, int64_t time, pxds_manifest **out, pxds_error **err);
pxds_status pxds_manifest_parse(const void *data, size_t data_len, pxds_manifest **out, pxds_error **err);
pxds_status pxds_manifest_format(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);
pxds_status pxds_manifest_format_canonical(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);
pxds_status pxds_manifest_get_info(pxds_manifest *manifest, pxds_manifest_info *info, pxds_error **err);
pxds_status pxds_manifest_get_file(pxds_manifest *manifest, size_t i, pxds_manifest_file *file, pxds_error **err);
pxds_status pxds_manifest_find_file(pxds_manifest *manifest,
                                    const char *filename,
                                    pxds_manifest_file *file,
                                    pxds_error **err);
pxds_status pxds_manifest_add_file(pxds_manifest *manifest, const pxds_manifest_file *file, pxds_error **err);
pxds_status pxds_manifest_verify_file(pxds_manifest *manifest,
                                      const char *filename,
                                      const uint8_t *csum,
                                      uint64_t size,
                                      pxds_error **err);
pxds_status pxds_manifest_get_notes(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);
pxds_status pxds_manifest_set_notes(pxds_manifest *manifest, const char *notes, pxds_error **err);
pxds_status pxds_manifest_get_unprotected(pxds_manifest *manifest,
                                          const char *name,
                                          pxds_buffer **out,
                                          pxds_error **err);
pxds_status pxds_manifest_set_unprotected(pxds_manifest *manifest,
                                          const char *name,
                                          const void *json,
                                          size_t json_len,
                                          pxds_error **err);
pxds_status pxds_manifest_get_signature(pxds_manifest *manifest, pxds_buffer **out, pxds_error **err);
pxds_status pxds_manifest_sign(pxds_manifest *manifest, const pxds_key *key, pxds_error **err);
pxds_status pxds_manifest_verify(pxds_manifest *manifest, const pxds_key *key, uint32_t *signature, pxds_error **err);
pxds_status pxds_manifest_check_fingerprint(pxds_manifest *manifest, const pxds_key *key, pxds_error **err);
void pxds_manifest_free(pxds_manifest *manifest);
pxds_status pxds_store_namespaces(const pxds_store *store,
                                  const char *ns,
                                  uint32_t flags,
                                  pxds_namespace_list **out,
                                  pxds_error **err);
pxds_status pxds_store_groups(const pxds_store *store,
                              const char *ns,
                              uint32_t flags,
                              pxds_group_list **out,
                              pxds_error **err);
pxds_status pxds_store_snapshots(const pxds_store *store,
                                 const char *ns,
                                 uint32_t flags,
                                 pxds_snapshot_list **out,
                                 pxds_error **err);
pxds_status pxds_group_snapshots(const pxds_store *store,
                                 const char *group,
                                 uint32_t flags,
                                 pxds_snapshot_list **out,
                                 pxds_error **err);
size_t pxds_namespace_list_count(const pxds_namespace_list *list);
int32_t pxds_namespace_list_is_complete(const pxds_namespace_list *list);
const char *pxds_namespace_list_get(const pxds_namespace_list *list, size_t i);
void pxds_namespace_list_free(pxds_namespace_list *list);
size_t pxds_group_list_count(const pxds_group_list *list);
int32_t pxds_group_list_is_complete(const pxds_group_list *list);
pxds_status pxds_group_list_get(const pxds_group_list *list, size_t i, pxds_group_entry *entry, pxds_error **err);
void pxds_group_list_free(pxds_group_list *list);
size_t pxds_snapshot_list_count(const pxds_snapshot_list *list);
int32_t pxds_snapshot_list_is_complete(const pxds_snapshot_list *list);
pxds_status pxds_snapshot_list_get(const pxds_snapshot_list *list,
                                   size_t i,
                                   pxds_snapshot_entry *entry,
                                   pxds_error **err);
void pxds_snapshot_list_free(pxds_snapshot_list *list);
pxds_status pxds_snapshot_files(const pxds_store *store, const char *snapshot, pxds_file_list **out, pxds_error **err);
size_t pxds_file_list_count(const pxds_file_list *list);
pxds_status pxds_file_list_get(const pxds_file_list *list, size_t i, pxds_file_entry *entry, pxds_error **err);
void pxds_file_list_free(pxds_file_list *list);
pxds_status pxds_namespace_create(const pxds_store *store, const char *ns, pxds_error **err);
pxds_status pxds_namespace_remove(const pxds_store *store, const char *ns, pxds_error **err);
pxds_status pxds_store_get_full_path(const pxds_store *store,
                                     const char *group,
                                     char *path,
                                     size_t path_capacity,
                                     size_t *path_len,
                                     pxds_error **err);
pxds_status pxds_group_create(const pxds_store *store, const char *group, const char *owner, pxds_error **err);
pxds_status pxds_group_last(const pxds_store *store, const char *group, pxds_buffer **out, pxds_error **err);
pxds_status pxds_group_get_owner(const pxds_store *store, const char *group, pxds_buffer **out, pxds_error **err);
pxds_status pxds_group_set_owner(const pxds_store *store, const char *group, const char *owner, pxds_error **err);
pxds_status pxds_group_get_notes(const pxds_store *store, const char *group, pxds_buffer **out, pxds_error **err);
pxds_status pxds_group_set_notes(const pxds_store *store, const char *group, const char *notes, pxds_error **err);
pxds_status pxds_group_destroy(const pxds_store *store,
                               const char *group,
                               const pxds_destroy_options *options,
                               pxds_destroy_result *result,
                               pxds_error **err);
pxds_status pxds_prune_mark(const pxds_prune_row *rows,
                            size_t count,
                            const pxds_prune_options *options,
                            uint32_t *marks,
                            pxds_error **err);
const char *pxds_prune_mark_name(uint32_t mark);
pxds_status pxds_group_prune(const pxds_store *store,
                             const char *group,
                             const pxds_prune_options *options,
                             pxds_prune_list **out,
                             pxds_error **err);
size_t pxds_prune_list_count(const pxds_prune_list *list);
int32_t pxds_prune_list_is_complete(const pxds_prune_list *list);
pxds_status pxds_prune_list_get(const pxds_prune_list *list, size_t i, pxds_prune_entry *entry, pxds_error **err);
void pxds_prune_list_free(pxds_prune_list *list);
pxds_status pxds_store_gc(const pxds_store *store,
                          const pxds_gc_options *options,
                          pxds_gc_status *status,
                          pxds_error **err);
pxds_status pxds_store_get_gc_status(const pxds_store *store, pxds_gc_status *status, pxds_error **err);
pxds_status pxds_store_verify(const pxds_store *store,
                              const char *path,
                              const pxds_verify_options *options,
                              pxds_verify_result *result,
                              pxds_error **err);
pxds_status pxds_pbs_config_read(const char *config,
                                 const char *store,
                                 char *name,
                                 size_t name_capacity,
                                 pxds_store_options *store_options,
                                 pxds_gc_options *gc_options,
                                 pxds_verify_options *verify_options,
                                 pxds_error **err);
pxds_status pxds_stats_collect(const pxds_store *store,
                               const pxds_stats_options *options,
                               pxds_stats **out,
                               pxds_error **err);
pxds_status pxds_stats_get_total(const pxds_stats *stats, pxds_stats_total *total, pxds_error **err);
size_t pxds_stats_group_count(const pxds_stats *stats);
pxds_status pxds_stats_get_group(const pxds_stats *stats, size_t i, pxds_stats_group *group, pxds_error **err);
size_t pxds_stats_snapshot_count(const pxds_stats *stats);
pxds_status pxds_stats_get_snapshot(const pxds_stats *stats, size_t i, pxds_stats_snapshot *snapshot, pxds_error **err);
pxds_status pxds_stats_get_shared(const pxds_stats *stats, size_t a, size_t b, uint64_t *bytes, pxds_error **err);
double pxds_dedup_factor(uint64_t logical_bytes, uint64_t stored_bytes);
void pxds_stats_free(pxds_stats *stats);
pxds_status pxds_snapshot_get_info(const pxds_store *store,
                                   const char *snapshot,
                                   pxds_snapshot_entry *entry,
                                   pxds_error **err);
pxds_status pxds_snapshot_create(const pxds_store *store,
                                 const char *snapshot,
                                 const char *owner,
                                 pxds_lock **out,
                                 pxds_error **err);
pxds_status pxds_snapshot_protect(const pxds_store *store, const char *snapshot, pxds_error **err);
pxds_status pxds_snapshot_unprotect(const pxds_store *store, const char *snapshot, pxds_error **err);
pxds_status pxds_snapshot_destroy(const pxds_store *store, const char *snapshot, pxds_error **err);
pxds_status pxds_manifest_load(const pxds_store *store, const char *snapshot, pxds_manifest **out, pxds_error **err);
pxds_status pxds_manifest_save(const pxds_store *store,
                               const char *snapshot,
                               pxds_manifest *manifest,
                               pxds_error **err);
pxds_status pxds_snapshot_get_notes(const pxds_store *store, const char *snapshot, pxds_buffer **out, pxds_error **err);
pxds_status pxds_snapshot_set_notes(const pxds_store *store, const char *snapshot, const char *notes, pxds_error **err);
pxds_status pxds_snapshot_set_unprotected(const pxds_store *store,
                                          const char *snapshot,
                                          const char *name,
                                          const char *value,
                                          pxds_error **err);
pxds_status pxds_snapshot_open(const pxds_store *store,
                               const char *snapshot,
                               const pxds_key *key,
                               uint32_t flags,
                               pxds_snapshot **out,
                               pxds_error **err);
pxds_status pxds_snapshot_open_index(const pxds_snapshot *snapshot,
                                     const char *name,
                                     pxds_index **out,
                                     pxds_error **err);
pxds_status pxds_snapshot_open_reader(const pxds_snapshot *snapshot,
                                      const char *name,
                                      const pxds_reader_options *options,
                                      pxds_reader **out,
                                      pxds_error **err);
pxds_status pxds_snapshot_restore_file(const pxds_snapshot *snapshot,
                                       const char *name,
                                       const char *path,
                                       const pxds_restorer_options *options,
                                       pxds_error **err);
pxds_status pxds_snapshot_read_blob(const pxds_snapshot *snapshot,
                                    const char *name,
                                    size_t max_len,
                                    pxds_buffer **out,
                                    pxds_error **err);
pxds_status pxds_snapshot_get_manifest(const pxds_snapshot *snapshot, pxds_manifest **out, pxds_error **err);
uint32_t pxds_snapshot_signature(const pxds_snapshot *snapshot);
void pxds_snapshot_free(pxds_snapshot *snapshot);
pxds_status pxds_backup_new(const pxds_store *store,
                            const char *group,
                            const pxds_backup_options *options,
                            pxds_backup **out,
                            pxds_error **err);
const char *pxds_backup_snapshot(const pxds_backup *backup);
const char *pxds_backup_previous(const pxds_backup *backup);
pxds_status pxds_backup_add_index(pxds_backup *backup, const char *name, pxds_index_writer *index, pxds_error **err);
pxds_status pxds_backup_add_blob(pxds_backup *backup,
                                 const char *name,
                                 const void *data,
                                 size_t data_len,
                                 uint32_t flags,
                                 pxds_error **err);
pxds_status pxds_backup_add_sealed_key(pxds_backup *backup, const void *sealed, size_t sealed_len, pxds_error **err);
pxds_status pxds_backup_add_fd(pxds_backup *backup,
                               const char *name,
                               int32_t fd,
                               const pxds_ingest_options *stream,
                               const pxds_image_options *image,
                               pxds_ingest_stats *stats,
                               pxds_error **err);
pxds_status pxds_backup_add_stream(pxds_backup *backup,
                                   const char *name,
                                   pxds_read_fn read,
                                   void *user,
                                   const pxds_ingest_options *stream,
                                   const pxds_image_options *image,
                                   pxds_ingest_stats *stats,
                                   pxds_error **err);
pxds_status pxds_backup_add_file(pxds_backup *backup,
                                 const char *name,
                                 const char *path,
                                 const pxds_ingest_options *stream,
                                 const pxds_image_options *image,
                                 pxds_ingest_stats *stats,
                                 pxds_error **err);
pxds_status pxds_backup_finish(pxds_backup *backup, pxds_error **err);
void pxds_backup_free(pxds_backup *backup);
