/* A chunk as a test has it at hand, and what is done with it most. */
#ifndef CHUNK_H
#define CHUNK_H

#include "check.h"

struct chunk {
    uint8_t data[100];
    uint8_t digest[PXDS_DIGEST_SIZE];
    uint8_t blob[200];
    size_t blob_len;
};

CHECK_API struct chunk chunk(uint32_t seed)
{
    struct chunk made;
    pxds_blob_codec *codec = NULL;

    fill_random(made.data, sizeof made.data, seed);
    digest_of(made.data, sizeof made.data, made.digest);
    OK(pxds_blob_codec_new(NULL, &codec, &err));
    OK(pxds_blob_encode(codec, made.data, sizeof made.data, 0, made.blob, sizeof made.blob,
                        &made.blob_len, &err));
    pxds_blob_codec_free(codec);
    return made;
}

/* The store of new_store() once more, by a handle of its own. */
CHECK_API pxds_store *open_store(void)
{
    pxds_store *store = NULL;

    need(OK(pxds_store_open(in_dir("store"), NULL, &store, &err)), "open");
    return store;
}

CHECK_API void insert(pxds_store *store, const struct chunk *chunk, int existed)
{
    pxds_insert_result result = PXDS_INSERT_RESULT_INIT;

    OK(pxds_store_insert(store, chunk->digest, chunk->blob, chunk->blob_len, 0, &result, &err));
    EQUAL(chunk->blob_len, result.stored_size);
    EQUAL(existed, result.existed);
}

/* Where the chunk lies; valid until the next call. */
CHECK_API const char *path_of(pxds_store *store, const struct chunk *chunk)
{
    static char path[4300];
    size_t len = 0;

    OK(pxds_store_get_chunk_path(store, chunk->digest, path, sizeof path, &len, &err));
    EQUAL(strlen(path) + 1, len);
    return path;
}

CHECK_API void check_loads(pxds_store *store, const struct chunk *chunk)
{
    pxds_buffer *blob = NULL;

    if (OK(pxds_store_load(store, chunk->digest, 0, 1 << 20, &blob, &err)) &&
        EQUAL(chunk->blob_len, pxds_buffer_len(blob)))
        CHECK(memcmp(chunk->blob, pxds_buffer_data(blob), chunk->blob_len) == 0);
    pxds_buffer_free(blob);
}

#endif
