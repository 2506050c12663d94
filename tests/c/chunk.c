/* Chunks in a store: inserted, loaded, touched, marked bad, listed. */
#include "chunk.h"

static pxds_blob_codec *codec;

static void test_insert_load_has(void)
{
    pxds_store *store = new_store();
    pxds_insert_result result = PXDS_INSERT_RESULT_INIT;
    struct chunk one = chunk(1), two = chunk(2);
    uint64_t size = 1;

    IS(PXDS_NONE, pxds_store_has(store, one.digest, &size, &err));
    insert(store, &one, 0);
    insert(store, &one, 1);
    OK(pxds_store_has(store, one.digest, &size, &err));
    EQUAL(one.blob_len, size);
    OK(pxds_store_has(store, one.digest, NULL, &err));
    IS(PXDS_NONE, pxds_store_has(store, two.digest, NULL, &err));
    check_loads(store, &one);
    /* nobody needs the result */
    OK(pxds_store_insert(store, two.digest, two.blob, two.blob_len, 0, NULL, &err));
    check_loads(store, &two);
    OK(pxds_store_sync(store, &err));
    pxds_store_free(store);
    store = open_store();
    check_loads(store, &one);
    insert(store, &two, 1);
    EQUAL(sizeof result, result.struct_size);
    pxds_store_free(store);
}

static void test_insert_takes_blobs_only(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1);
    uint8_t garbage[50] = {0};
    pxds_buffer *buffer = NULL;

    IS(PXDS_ERR_FORMAT,
       pxds_store_insert(store, one.digest, garbage, sizeof garbage, 0, NULL, &err));
    IS(PXDS_ERR_FORMAT, pxds_store_insert(store, one.digest, one.blob, 11, 0, NULL, &err));
    IS(PXDS_NONE, pxds_store_has(store, one.digest, NULL, &err));
    IS(PXDS_ERR_FORMAT,
       pxds_store_insert(store, one.digest, garbage, 11, PXDS_INSERT_RAW, NULL, &err));
    IS(PXDS_NONE, pxds_store_has(store, one.digest, NULL, &err));
    OK(pxds_store_insert(store, one.digest, garbage, sizeof garbage, PXDS_INSERT_RAW, NULL, &err));
    IS(PXDS_ERR_FORMAT, pxds_store_load(store, one.digest, 0, 1000, &buffer, &err));
    CHECK(buffer == NULL);
    OK(pxds_store_load(store, one.digest, PXDS_LOAD_UNCHECKED, 1000, &buffer, &err));
    EQUAL(sizeof garbage, pxds_buffer_len(buffer));
    pxds_buffer_free(buffer);
    pxds_store_free(store);
}

static void test_insert_verified(void)
{
    pxds_store *store = new_store();
    pxds_insert_result result = PXDS_INSERT_RESULT_INIT;
    struct chunk one = chunk(1), two = chunk(2);

    IS(PXDS_ERR_CORRUPT, pxds_store_insert_verified(store, codec, two.digest, 100, one.blob,
                                                    one.blob_len, &result, &err));
    IS(PXDS_ERR_CORRUPT, pxds_store_insert_verified(store, codec, one.digest, 99, one.blob,
                                                    one.blob_len, &result, &err));
    IS(PXDS_NONE, pxds_store_has(store, one.digest, NULL, &err));
    IS(PXDS_NONE, pxds_store_has(store, two.digest, NULL, &err));
    OK(pxds_store_insert_verified(store, codec, one.digest, 100, one.blob, one.blob_len, &result,
                                  &err));
    EQUAL(0, result.existed);
    check_loads(store, &one);

    /* what stands there and does not load is replaced */
    write_all(path_of(store, &one), one.data, sizeof one.data);
    OK(pxds_store_insert_verified(store, codec, one.digest, 100, one.blob, one.blob_len, &result,
                                  &err));
    EQUAL(0, result.existed);
    check_loads(store, &one);
    pxds_store_free(store);
}

/* Of two blobs with the same data the smaller stays; and nothing is left of a torn write. */
static void test_insert_over_a_file(void)
{
    pxds_store *store = new_store();
    pxds_insert_result result = PXDS_INSERT_RESULT_INIT;
    uint8_t zeros[1000] = {0}, digest[PXDS_DIGEST_SIZE], plain[1100], packed[1100];
    size_t plain_len = 0, packed_len = 0;
    char path[4300];
    size_t path_len;
    uint64_t size = 0;

    digest_of(zeros, sizeof zeros, digest);
    OK(pxds_blob_encode(codec, zeros, sizeof zeros, 0, plain, sizeof plain, &plain_len, &err));
    OK(pxds_blob_encode(codec, zeros, sizeof zeros, PXDS_ENCODE_COMPRESS, packed,
                        sizeof packed, &packed_len, &err));
    OK(pxds_store_insert(store, digest, plain, plain_len, 0, &result, &err));
    OK(pxds_store_insert(store, digest, packed, packed_len, 0, &result, &err));
    EQUAL(0, result.existed);
    EQUAL(packed_len, result.stored_size);
    OK(pxds_store_insert(store, digest, plain, plain_len, 0, &result, &err));
    EQUAL(1, result.existed);
    EQUAL(packed_len, result.stored_size);

    OK(pxds_store_get_chunk_path(store, digest, path, sizeof path, &path_len, &err));
    for (size_t left = 0; left < PXDS_BLOB_HEADER_SIZE; left++) {
        write_all(path, packed, left);
        IS(PXDS_NONE, pxds_store_has(store, digest, NULL, &err));
        OK(pxds_store_insert(store, digest, packed, packed_len, 0, &result, &err));
        EQUAL(0, result.existed);
        OK(pxds_store_has(store, digest, &size, &err));
        EQUAL(packed_len, size);
    }
    pxds_store_free(store);
}

/* A blob with an encrypted magic over `len` bytes that nobody can decrypt. */
static size_t encrypted(uint8_t *blob, size_t len)
{
    static const uint8_t magic[8] = {0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0};
    size_t blob_len = PXDS_BLOB_ENCRYPTED_HEADER_SIZE + len;

    fill_random(blob, blob_len, 6);
    memcpy(blob, magic, sizeof magic);
    OK(pxds_blob_update_crc(blob, blob_len, &err));
    return blob_len;
}

/* Plain and encrypted chunks never stand for one another. */
static void test_insert_crossing_encryption(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1), two = chunk(2);
    uint8_t sealed[400];
    size_t len = encrypted(sealed, 300);

    insert(store, &one, 0);
    IS(PXDS_ERR_CRYPT_MODE, pxds_store_insert(store, one.digest, sealed, len, 0, NULL, &err));
    check_loads(store, &one);
    OK(pxds_store_insert(store, two.digest, sealed, len, 0, NULL, &err));
    IS(PXDS_ERR_CRYPT_MODE,
       pxds_store_insert(store, two.digest, two.blob, two.blob_len, 0, NULL, &err));
    len = encrypted(sealed, 200);
    IS(PXDS_ERR_CORRUPT, pxds_store_insert(store, two.digest, sealed, len, 0, NULL, &err));
    pxds_store_free(store);
}

struct notices {
    unsigned count;
    uint32_t level;
    int names_path;
    int32_t answer;
};

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    struct notices *notices = user;

    notices->count++;
    notices->level = level;
    notices->names_path = path != NULL && strstr(message, path) != NULL;
    return notices->answer;
}

static void test_notices(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    struct notices notices = {0, 0, 0, 0};
    struct chunk one = chunk(1);
    pxds_store *store = NULL;
    const char *path;

    options.notice = on_notice;
    options.notice_user = &notices;
    OK(pxds_store_create(in_dir("store"), &options, &store, &err));
    path = path_of(store, &one);
    insert(store, &one, 0);
    insert(store, &one, 1);
    EQUAL(0, notices.count);
    write_all(path, "", 0); /* what a crash may leave */
    insert(store, &one, 0);
    EQUAL(1, notices.count);
    EQUAL(PXDS_NOTICE_WARNING, notices.level);
    CHECK(notices.names_path);

    write_all(path, "", 0);
    notices.answer = 5;
    IS(PXDS_ERR_CANCELLED,
       pxds_store_insert(store, one.digest, one.blob, one.blob_len, 0, NULL, &err));
    EQUAL(5, pxds_error_callback_value(err));
    pxds_store_free(store);
}

static void test_insert_where_a_directory_is(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1);
    const char *path = path_of(store, &one);

    insert(store, &one, 0);
    need(unlink(path) == 0 && mkdir(path, 0700) == 0, path);
    IS(PXDS_NONE, pxds_store_has(store, one.digest, NULL, &err));
    IS(PXDS_ERR_EXISTS,
       pxds_store_insert(store, one.digest, one.blob, one.blob_len, 0, NULL, &err));
    CHECK(says(path));
    pxds_store_free(store);
}

static void test_load_refuses(void)
{
    pxds_store *store = new_store();
    pxds_buffer *buffer = NULL;
    struct chunk one = chunk(1), two = chunk(2);
    uint8_t digest[PXDS_DIGEST_SIZE];
    const char *path = path_of(store, &one);

    insert(store, &one, 0);
    IS(PXDS_ERR_NOT_FOUND, pxds_store_load(store, two.digest, 0, 1000, &buffer, &err));
    EQUAL(PXDS_OK, pxds_error_get_digest(err, digest));
    CHECK(memcmp(digest, two.digest, sizeof digest) == 0);
    IS(PXDS_ERR_LIMIT, pxds_store_load(store, one.digest, 0, one.blob_len - 1, &buffer, &err));
    OK(pxds_store_load(store, one.digest, 0, one.blob_len, &buffer, &err));
    pxds_buffer_free(buffer);
    buffer = NULL;

    one.blob[50] ^= 1;
    write_all(path, one.blob, one.blob_len);
    IS(PXDS_ERR_CORRUPT, pxds_store_load(store, one.digest, 0, 1000, &buffer, &err));
    EQUAL(PXDS_OK, pxds_error_get_digest(err, digest));
    CHECK(memcmp(digest, one.digest, sizeof digest) == 0);
    CHECK(pxds_error_path(err) != NULL && strcmp(pxds_error_path(err), path) == 0);
    CHECK(buffer == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_store_load(store, one.digest, 2, 1000, &buffer, &err));
    pxds_store_free(store);
}

/* Garbage collection lives by the access time; the time of the data is nobody's to change. */
static void test_touch(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1), two = chunk(2);
    struct timespec old[2] = {{1000000, 0}, {2000000, 0}};
    struct stat st;

    insert(store, &one, 0);
    need(utimensat(AT_FDCWD, path_of(store, &one), old, 0) == 0, "utimensat");
    OK(pxds_store_touch(store, one.digest, &err));
    need(stat(path_of(store, &one), &st) == 0, "stat");
    CHECK(st.st_atime > 1000000);
    EQUAL(2000000, st.st_mtime);
    need(utimensat(AT_FDCWD, path_of(store, &one), old, 0) == 0, "utimensat");
    insert(store, &one, 1);
    need(stat(path_of(store, &one), &st) == 0, "stat");
    CHECK(st.st_atime > 1000000);
    EQUAL(2000000, st.st_mtime);
    IS(PXDS_ERR_NOT_FOUND, pxds_store_touch(store, two.digest, &err));
    pxds_store_free(store);
}

static void test_chunk_path(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1);
    char path[4300];
    size_t needed = 0, len = 0;

    IS(PXDS_ERR_TOO_SMALL, pxds_store_get_chunk_path(store, one.digest, NULL, 0, &needed, &err));
    memset(path, '#', sizeof path);
    IS(PXDS_ERR_TOO_SMALL, pxds_store_get_chunk_path(store, one.digest, path, needed - 1, &len, &err));
    EQUAL(needed, len);
    CHECK(path[needed - 1] == '#');
    OK(pxds_store_get_chunk_path(store, one.digest, path, needed, &len, &err));
    EQUAL(needed, strlen(path) + 1);
    CHECK(strncmp(path, pxds_store_path(store), strlen(pxds_store_path(store))) == 0);
    pxds_store_free(store);
}

static void test_mark_bad(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1);
    char bad[4400];
    uint32_t number = 99;

    IS(PXDS_NONE, pxds_store_mark_bad(store, one.digest, &number, &err));
    for (uint32_t i = 0; i < 12; i++) {
        insert(store, &one, 0);
        OK(pxds_store_mark_bad(store, one.digest, &number, &err));
        EQUAL(i < 10 ? i : 9, number);
        IS(PXDS_NONE, pxds_store_has(store, one.digest, NULL, &err));
        snprintf(bad, sizeof bad, "%s.%u.bad", path_of(store, &one), (unsigned)number);
        CHECK(exists(bad));
    }
    insert(store, &one, 0);
    OK(pxds_store_mark_bad(store, one.digest, NULL, &err));
    pxds_store_free(store);
}

/* ---- iteration ---- */

static void test_iteration(void)
{
    enum { COUNT = 40 };
    pxds_store *store = new_store();
    pxds_chunk_iter *iter = NULL;
    pxds_chunk_entry entry = PXDS_CHUNK_ENTRY_INIT;
    struct chunk all[COUNT];
    unsigned seen[COUNT] = {0}, bad = 0, last = 0;
    char stray[4400];

    OK(pxds_store_chunks(store, &iter, &err));
    IS(PXDS_NONE, pxds_chunk_iter_next(iter, &entry, &err));
    IS(PXDS_NONE, pxds_chunk_iter_next(iter, &entry, &err));
    pxds_chunk_iter_free(iter);

    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = chunk(i);
        insert(store, &all[i], 0);
    }
    OK(pxds_store_mark_bad(store, all[7].digest, NULL, &err));
    /* what is no chunk is passed over: leftovers, notes, names that are not ours */
    snprintf(stray, sizeof stray, "%s.tmp_AbC123", path_of(store, &all[0]));
    write_all(stray, "x", 1);
    snprintf(stray, sizeof stray, "%s.bad", path_of(store, &all[0]));
    write_all(stray, "x", 1);
    write_all(in_dir("store/.chunks/notes"), "x", 1);
    need(mkdir(in_dir("store/.chunks/zz"), 0700) == 0, "mkdir");

    OK(pxds_store_chunks(store, &iter, &err));
    while (pxds_chunk_iter_next(iter, &entry, &err) == PXDS_OK) {
        unsigned i = 0;

        while (i < COUNT && memcmp(all[i].digest, entry.digest, sizeof entry.digest) != 0)
            i++;
        if (!CHECK(i < COUNT))
            break;
        seen[i]++;
        CHECK(entry.digest[0] >= last);
        last = entry.digest[0];
        EQUAL(all[i].blob_len, entry.stored_size);
        CHECK(entry.atime > 1000000);
        bad += entry.bad;
        EQUAL(i == 7, entry.bad);
        EQUAL(0, entry.bad_number);
    }
    CHECK(err == NULL);
    for (unsigned i = 0; i < COUNT; i++)
        EQUAL(1, seen[i]);
    EQUAL(1, bad);
    /* an iteration keeps alive what it needs */
    pxds_store_free(store);
    IS(PXDS_NONE, pxds_chunk_iter_next(iter, &entry, &err));
    pxds_chunk_iter_free(iter);
    pxds_chunk_iter_free(NULL);
}

static void test_iteration_outlives_the_store_handle(void)
{
    pxds_store *store = new_store();
    pxds_chunk_iter *iter = NULL;
    pxds_chunk_entry entry = PXDS_CHUNK_ENTRY_INIT;
    struct chunk one = chunk(1);

    insert(store, &one, 0);
    OK(pxds_store_chunks(store, &iter, &err));
    pxds_store_free(store);
    OK(pxds_chunk_iter_next(iter, &entry, &err));
    CHECK(memcmp(one.digest, entry.digest, sizeof one.digest) == 0);
    pxds_chunk_iter_free(iter);
}

int main(void)
{
    OK(pxds_blob_codec_new(NULL, &codec, &err));
    RUN(test_insert_load_has);
    RUN(test_insert_takes_blobs_only);
    RUN(test_insert_verified);
    RUN(test_insert_over_a_file);
    RUN(test_insert_crossing_encryption);
    RUN(test_notices);
    RUN(test_insert_where_a_directory_is);
    RUN(test_load_refuses);
    RUN(test_touch);
    RUN(test_chunk_path);
    RUN(test_mark_bad);
    RUN(test_iteration);
    RUN(test_iteration_outlives_the_store_handle);
    pxds_blob_codec_free(codec);
    return check_done();
}
