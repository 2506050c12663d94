/*
 * What holds for every call: size-first structs that older and newer callers share, slices of no
 * length, NULL handles.
 */
#include "check.h"

static void test_struct_too_small(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = NULL;

    options.struct_size = 0;
    IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("s"), &options, &store, &err));
    options.struct_size = sizeof(size_t) - 1;
    IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("s"), &options, &store, &err));
    CHECK(store == NULL && !exists(in_dir("s")));
}

/* A caller built for a later version, whose struct has grown. */
static void test_longer_struct(void)
{
    struct {
        pxds_store_options options;
        uint64_t later[4];
    } longer;
    pxds_store *store = NULL;

    memset(&longer, 0, sizeof longer);
    longer.options.struct_size = sizeof longer;
    longer.later[3] = 1; /* wants what this version does not have */
    IS(PXDS_ERR_ARGUMENT,
       pxds_store_create(in_dir("s"), &longer.options, &store, &err));
    CHECK(store == NULL && !exists(in_dir("s")));
    longer.later[3] = 0;
    OK(pxds_store_create(in_dir("s"), &longer.options, &store, &err));
    pxds_store_free(store);
    longer.options.struct_size = SIZE_MAX;
    IS(PXDS_ERR_ARGUMENT, pxds_store_open(in_dir("s"), &longer.options, &store, &err));
}

/* The library fills as much of an output as the caller has, and sets the rest of a longer one to
 * zero or leaves it: but what lies behind it is the caller's. */
static void test_output_structs(void)
{
    struct {
        pxds_blob_info info;
        uint8_t behind[16];
    } out;
    static const uint8_t untouched[16] = {0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5,
                                          0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5};
    pxds_blob_codec *codec = NULL;
    uint8_t blob[64];
    size_t len = 0;

    OK(pxds_blob_codec_new(NULL, &codec, &err));
    OK(pxds_blob_encode(codec, "abc", 3, 0, blob, sizeof blob, &len, &err));
    pxds_blob_codec_free(codec);

    memset(&out, 0xa5, sizeof out);
    out.info.struct_size = sizeof out.info;
    OK(pxds_blob_parse(blob, len, &out.info, &err));
    EQUAL(3, out.info.payload_len);
    CHECK(memcmp(out.behind, untouched, sizeof untouched) == 0);

    memset(&out, 0xa5, sizeof out);
    out.info.struct_size = 0;
    IS(PXDS_ERR_ARGUMENT, pxds_blob_parse(blob, len, &out.info, &err));
    CHECK(memcmp(out.info.magic, untouched, 8) == 0);
}

static void test_unknown_flags(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_ingest_options ingest_options = PXDS_INGEST_OPTIONS_INIT;
    pxds_store *store = NULL;
    pxds_ingest *ingest = NULL;
    static const uint8_t digest[PXDS_DIGEST_SIZE];
    uint8_t blob[PXDS_BLOB_HEADER_SIZE] = {0};

    for (int bit = 31; UINT32_C(1) << bit > PXDS_STORE_NOT_S3_CACHE; bit--) {
        options.flags = UINT32_C(1) << bit;
        IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("s"), &options, &store, &err));
    }
    OK(pxds_store_create(in_dir("s"), NULL, &store, &err));
    ingest_options.flags = UINT32_C(1) << 31;
    IS(PXDS_ERR_ARGUMENT, pxds_ingest_new(store, &ingest_options, &ingest, &err));
    CHECK(ingest == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_store_insert(store, digest, blob, sizeof blob, 2, NULL, &err));
    pxds_store_free(store);
}

/* NULL with length 0 is the empty slice, and NULL with another length a mistake. */
static void test_slices(void)
{
    uint8_t digest[PXDS_DIGEST_SIZE], blob[64];
    pxds_blob_codec *codec = NULL;
    pxds_buffer *buffer = NULL;
    size_t len = 0, used = 0;
    pxds_chunker *chunker = NULL;
    pxds_index *index = NULL;

    OK(pxds_blob_codec_new(NULL, &codec, &err));
    OK(pxds_digest_compute(NULL, 0, digest, &err));
    OK(pxds_blob_encode(codec, NULL, 0, 0, blob, sizeof blob, &len, &err));
    OK(pxds_blob_decode(codec, blob, len, 0, digest, NULL, 0, &len, &err));
    EQUAL(0, len);
    OK(pxds_blob_decode_buffer(codec, blob, PXDS_BLOB_HEADER_SIZE, 0, digest, 0, &buffer, &err));
    EQUAL(0, pxds_buffer_len(buffer));
    CHECK(pxds_buffer_data(buffer) != NULL);
    pxds_buffer_free(buffer);
    OK(pxds_chunker_new(NULL, &chunker, &err));
    OK(pxds_chunker_scan(chunker, NULL, 0, &used, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_scan(chunker, NULL, 1, &used, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_scan(chunker, blob, SIZE_MAX, &used, &err));
    IS(PXDS_ERR_FORMAT, pxds_index_parse(NULL, 0, PXDS_INDEX_ANY, &index, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_parse(NULL, 1, PXDS_INDEX_ANY, &index, &err));
    pxds_chunker_free(chunker);
    pxds_blob_codec_free(codec);
}

/* A NULL handle is a status and not a crash, and outputs are reset. */
static void test_null_handles(void)
{
    void *junk = &junk;
    pxds_index_writer *writer = junk;
    pxds_chunk_iter *iter = junk;
    pxds_lock *lock = junk;
    pxds_buffer *buffer = junk;
    uint8_t digest[PXDS_DIGEST_SIZE] = {0};
    uint64_t number = 5;
    size_t len = 5;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;

    IS(PXDS_ERR_ARGUMENT, pxds_store_chunks(NULL, &iter, &err));
    CHECK(iter == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_store_lock(NULL, PXDS_LOCK_SHARED, &lock, &err));
    CHECK(lock == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_store_load(NULL, digest, 0, 100, &buffer, &err));
    CHECK(buffer == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_store_has(NULL, digest, &number, &err));
    EQUAL(0, number);
    IS(PXDS_ERR_ARGUMENT, pxds_ingest_finish(NULL, &writer, &err));
    CHECK(writer == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_index_get_info(NULL, &info, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_ingest_write(NULL, "a", 1, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_encode(NULL, "a", 1, 0, NULL, 0, &len, &err));
    EQUAL(0, len);
}

int main(void)
{
    RUN(test_struct_too_small);
    RUN(test_longer_struct);
    RUN(test_output_structs);
    RUN(test_unknown_flags);
    RUN(test_slices);
    RUN(test_null_handles);
    return check_done();
}
