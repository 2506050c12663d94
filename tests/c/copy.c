/* Chunks of an index into another store. */
#include "flow.h"

static pxds_store *other_store(void)
{
    pxds_store *store = NULL;

    need(OK(pxds_store_create(in_dir("other"), NULL, &store, &err)), "create");
    return store;
}

struct watcher {
    uint64_t chunks, stop_at, end;
};

static int32_t on_copied(void *user, const pxds_ingest_chunk *chunk)
{
    struct watcher *watcher = user;

    EQUAL(watcher->end, chunk->offset);
    watcher->end += chunk->size;
    return ++watcher->chunks == watcher->stop_at ? 9 : 0;
}

static void test_copy(void)
{
    pxds_store *store = new_store(), *other = other_store();
    pxds_index *index = put(store, data, DATA_LEN), *again = NULL;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_copy_options options = PXDS_COPY_OPTIONS_INIT;
    struct watcher watcher = {0, 3, 0};
    pxds_index_writer *writer = NULL;
    pxds_source *source = NULL;

    OK(pxds_source_from_store(store, &source, &err));
    options.threads = 100000;
    IS(PXDS_ERR_ARGUMENT,
       pxds_store_copy_chunks(other, source, index, &options, &stats, &writer, &err));
    options.threads = 3;
    options.flags = 0x80000000u;
    IS(PXDS_ERR_ARGUMENT,
       pxds_store_copy_chunks(other, source, index, &options, &stats, &writer, &err));
    options.flags = 0;
    options.on_chunk = on_copied;
    options.on_chunk_user = &watcher;
    IS(PXDS_ERR_CANCELLED,
       pxds_store_copy_chunks(other, source, index, &options, &stats, &writer, &err));
    EQUAL(9, pxds_error_callback_value(err));
    CHECK(writer == NULL && stats.chunks == 0);
    EQUAL(3, watcher.chunks);

    memset(&watcher, 0, sizeof watcher);
    OK(pxds_store_copy_chunks(other, source, index, &options, &stats, &writer, &err));
    EQUAL(DATA_LEN, stats.size);
    EQUAL(watcher.chunks, stats.chunks);
    EQUAL(DATA_LEN, watcher.end);
    OK(pxds_index_writer_save(writer, in_dir("other/copy.didx"), &err));
    pxds_index_writer_free(writer);
    OK(pxds_index_open(in_dir("other/copy.didx"), PXDS_INDEX_DYNAMIC, &again, &err));
    check_restores(other, again, data, DATA_LEN);

    OK(pxds_store_copy_chunks(other, source, index, NULL, &stats, &writer, &err));
    EQUAL(0, stats.new_chunks);
    pxds_index_writer_free(writer);
    pxds_index_free(again);
    pxds_index_free(index);
    pxds_source_free(source);
    pxds_store_free(other);
    pxds_store_free(store);
}

static void test_one_chunk(void)
{
    pxds_store *store = new_store(), *other = other_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_insert_result result = PXDS_INSERT_RESULT_INIT;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_source *source = NULL;
    char path[4300];
    size_t len = 0;

    OK(pxds_source_from_store(store, &source, &err));
    OK(pxds_index_get_chunk(index, 2, &chunk, &err));
    for (uint32_t existed = 0; existed < 2; existed++) {
        OK(pxds_store_copy_chunk(other, source, chunk.digest, NULL, &result, &err));
        EQUAL(existed, result.existed);
    }
    OK(pxds_store_get_chunk_path(other, chunk.digest, path, sizeof path, &len, &err));
    write_all(path, "", 0); /* what a crash has left */
    OK(pxds_store_copy_chunk(other, source, chunk.digest, NULL, &result, &err));
    EQUAL(0, result.existed);
    EQUAL(PXDS_OK, pxds_store_mark_bad(store, chunk.digest, NULL, &err));
    OK(pxds_store_copy_chunk(other, source, chunk.digest, NULL, NULL, &err));
    EQUAL(PXDS_OK, pxds_store_mark_bad(other, chunk.digest, NULL, &err));
    IS(PXDS_ERR_NOT_FOUND,
       pxds_store_copy_chunk(other, source, chunk.digest, NULL, &result, &err));
    EQUAL(0, result.stored_size);
    pxds_index_free(index);
    pxds_source_free(source);
    pxds_store_free(other);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 1);
    RUN(test_copy);
    RUN(test_one_chunk);
    free(data);
    return check_done();
}
