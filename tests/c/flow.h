/* Data on the whole way: bytes in, chunks and an index, and the bytes again. */
#ifndef FLOW_H
#define FLOW_H

#include "check.h"

enum { DATA_LEN = 300000 };

static uint8_t *data; /* of all tests: DATA_LEN bytes that cut well at an average of 4096 */

/* An ingest with chunks of 4096 bytes on average. */
CHECK_API pxds_ingest *new_ingest(pxds_store *store, pxds_ingest_chunk_fn on_chunk, void *user)
{
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest *ingest = NULL;

    OK(pxds_chunker_config_init(&config, 4096, &err));
    options.chunker = &config;
    options.on_chunk = on_chunk;
    options.on_chunk_user = user;
    need(OK(pxds_ingest_new(store, &options, &ingest, &err)), "ingest");
    return ingest;
}

/* The index of a writer, which it frees. */
CHECK_API pxds_index *index_of(pxds_index_writer *writer)
{
    pxds_buffer *bytes = NULL;
    pxds_index *index = NULL;

    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    OK(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_DYNAMIC, &index,
                        &err));
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    return index;
}

CHECK_API pxds_index *finish(pxds_ingest *ingest)
{
    pxds_index_writer *writer = NULL;

    need(OK(pxds_ingest_finish(ingest, &writer, &err)), "finish");
    pxds_ingest_free(ingest);
    return index_of(writer);
}

CHECK_API pxds_index *put(pxds_store *store, const uint8_t *bytes, size_t len)
{
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);

    OK(pxds_ingest_write(ingest, bytes, len, &err));
    return finish(ingest);
}

/* An image in chunks of one size, uncompressed. */
CHECK_API pxds_index *put_fixed(pxds_store *store, const uint8_t *image, size_t len,
                                size_t chunk_size)
{
    pxds_index_writer *writer = NULL;
    pxds_blob_codec *codec = NULL;
    pxds_buffer *bytes = NULL;
    pxds_index *index = NULL;

    OK(pxds_blob_codec_new(NULL, &codec, &err));
    OK(pxds_index_writer_new_fixed(0, NULL, len, chunk_size, 0, &writer, &err));
    for (size_t at = 0; at < len; at += chunk_size) {
        size_t part = len - at < chunk_size ? len - at : chunk_size;
        uint8_t digest[PXDS_DIGEST_SIZE];

        digest_of(image + at, part, digest);
        OK(pxds_blob_encode_buffer(codec, image + at, part, 0, &bytes, &err));
        OK(pxds_store_insert(store, digest, pxds_buffer_data(bytes), pxds_buffer_len(bytes), 0,
                             NULL, &err));
        pxds_buffer_free(bytes);
        OK(pxds_index_writer_add(writer, at + part, digest, &err));
    }
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    OK(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_FIXED, &index,
                        &err));
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    pxds_blob_codec_free(codec);
    return index;
}

CHECK_API void check_restores(pxds_store *store, const pxds_index *index, const uint8_t *want,
                              size_t want_len)
{
    pxds_restorer *restorer = NULL;
    uint64_t written = 0;
    size_t len = 0;
    uint8_t *have;

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    OK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(want_len, written);
    have = read_all(in_dir("out"), &len);
    if (EQUAL(want_len, len))
        CHECK(memcmp(want, have, len) == 0);
    free(have);
    pxds_restorer_free(restorer);
}

#endif
