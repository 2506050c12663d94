/* Bytes in: however they come, the same chunks and the same index. */
#include "flow.h"

static void test_known_index(void)
{
    pxds_store *store = new_store();
    pxds_ingest *ingest = NULL;
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
    pxds_index *index;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    static const uint8_t uuid[16] = {9, 8, 7};

    options.ctime = 12345;
    IS(PXDS_ERR_ARGUMENT, pxds_ingest_new(store, &options, &ingest, &err));
    CHECK(says("options.ctime"));
    options.flags = PXDS_INGEST_SET_CTIME | PXDS_INGEST_SET_UUID;
    memcpy(options.uuid, uuid, sizeof uuid);
    OK(pxds_ingest_new(store, &options, &ingest, &err));
    OK(pxds_ingest_write(ingest, "hello", 5, &err));
    index = finish(ingest);
    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(5, info.size);
    EQUAL(1, info.chunk_count);
    EQUAL(12345, info.ctime);
    CHECK(memcmp(uuid, info.uuid, sizeof uuid) == 0);
    pxds_index_free(index);
    pxds_store_free(store);
}

/* However the input is split, the index is the same, and so are the chunks. */
static void test_splits(void)
{
    static const size_t steps[] = {DATA_LEN, 1000000, 99991, 4096, 4095, 1001, 64, 7};
    pxds_store *store = new_store();
    pxds_index_info first = PXDS_INDEX_INFO_INIT, info = PXDS_INDEX_INFO_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pxds_ingest *ingest = new_ingest(store, NULL, NULL);
        pxds_index_writer *writer = NULL;
        pxds_index *index;

        for (size_t at = 0; at < DATA_LEN; at += steps[i])
            OK(pxds_ingest_write(ingest, data + at,
                                 DATA_LEN - at < steps[i] ? DATA_LEN - at : steps[i], &err));
        OK(pxds_ingest_finish(ingest, &writer, &err));
        OK(pxds_ingest_get_stats(ingest, &stats, &err));
        EQUAL(DATA_LEN, stats.size);
        EQUAL(i == 0 ? stats.chunks : 0, stats.new_chunks);
        EQUAL(i == 0 ? DATA_LEN : 0, stats.new_bytes);
        CHECK(i == 0 ? stats.stored_bytes > 0 : stats.stored_bytes == 0);
        pxds_ingest_free(ingest);
        index = index_of(writer);
        OK(pxds_index_get_info(index, &info, &err));
        if (i == 0)
            first = info;
        EQUAL(stats.chunks, info.chunk_count);
        EQUAL(first.chunk_count, info.chunk_count);
        CHECK(memcmp(first.csum, info.csum, sizeof info.csum) == 0);
        check_restores(store, index, data, DATA_LEN);
        pxds_index_free(index);
    }
    CHECK(first.chunk_count > 40);
    pxds_store_free(store);
}

static void test_empty_input(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, NULL, 0);
    pxds_index_info info = PXDS_INDEX_INFO_INIT;

    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(0, info.size);
    EQUAL(0, info.chunk_count);
    check_restores(store, index, (const uint8_t *)"", 0);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_fd(void)
{
    pxds_store *store = new_store();
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);
    pxds_index *index;
    int fd, closed[2];

    write_all(in_dir("in"), data, DATA_LEN);
    fd = open(in_dir("in"), O_RDONLY);
    need(fd >= 0, "open");
    OK(pxds_ingest_write(ingest, "before", 6, &err));
    OK(pxds_ingest_read_fd(ingest, fd, &err));
    EQUAL(DATA_LEN, lseek(fd, 0, SEEK_CUR)); /* the descriptor stays the caller's */
    close(fd);
    index = finish(ingest);
    {
        uint8_t *both = need_memory(DATA_LEN + 6);

        memcpy(both, "before", 6);
        memcpy(both + 6, data, DATA_LEN);
        check_restores(store, index, both, DATA_LEN + 6);
        free(both);
    }
    pxds_index_free(index);

    ingest = new_ingest(store, NULL, NULL);
    need(pipe(closed) == 0, "pipe");
    IS(PXDS_ERR_IO, pxds_ingest_read_fd(ingest, closed[1], &err)); /* the end to write to */
    EQUAL(EBADF, pxds_error_errno(err));
    close(closed[0]), close(closed[1]);
    pxds_ingest_free(ingest);
    ingest = new_ingest(store, NULL, NULL);
    CHECK(pxds_ingest_read_fd(ingest, -1, NULL) < 0);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
}

/* What a test's read callback does at its n-th call. */
struct source {
    size_t at, most;
    unsigned calls, stop_at;
    int32_t value;   /* returned at call stop_at */
    size_t too_much; /* claimed beyond the capacity at call stop_at */
};

static int32_t on_read(void *user, uint8_t *out, size_t capacity, size_t *len)
{
    struct source *source = user;
    size_t n = DATA_LEN - source->at;

    if (n > capacity)
        n = capacity;
    if (n > source->most)
        n = source->most;
    memcpy(out, data + source->at, n);
    source->at += n;
    *len = n;
    if (++source->calls == source->stop_at) {
        if (source->too_much > 0)
            *len = capacity + source->too_much;
        return source->value;
    }
    return 0;
}

static void test_read_callback(void)
{
    pxds_store *store = new_store();
    struct source source = {0, 777, 0, 0, 0, 0};
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);
    pxds_index *index;

    OK(pxds_ingest_read(ingest, on_read, &source, &err));
    EQUAL(DATA_LEN, source.at);
    index = finish(ingest);
    check_restores(store, index, data, DATA_LEN);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_read_callback_cancels(void)
{
    pxds_store *store = new_store();
    struct source source = {0, 50000, 0, 4, -77, 0};
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);
    pxds_index_writer *writer = NULL;
    pxds_index *index;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;

    IS(PXDS_ERR_CANCELLED, pxds_ingest_read(ingest, on_read, &source, &err));
    CHECK(pxds_error_callback_value(err) == -77);
    IS(PXDS_ERR_STATE, pxds_ingest_write(ingest, data, 10, &err));
    IS(PXDS_ERR_STATE, pxds_ingest_finish(ingest, &writer, &err));
    CHECK(writer == NULL);
    OK(pxds_ingest_partial(ingest, &writer, &err));
    pxds_ingest_free(ingest);
    index = index_of(writer);
    OK(pxds_index_get_info(index, &info, &err));
    CHECK(info.size > 0 && info.size <= 150000);
    check_restores(store, index, data, (size_t)info.size);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_read_callback_claims_too_much(void)
{
    static const size_t too_much[] = {1, 1000000, SIZE_MAX / 2};
    pxds_store *store = new_store();

    for (size_t i = 0; i < sizeof too_much / sizeof too_much[0]; i++) {
        struct source source = {0, SIZE_MAX, 0, 1, 0, 0};
        pxds_ingest *ingest = new_ingest(store, NULL, NULL);

        source.too_much = too_much[i];
        IS(PXDS_ERR_ARGUMENT, pxds_ingest_read(ingest, on_read, &source, &err));
        pxds_ingest_free(ingest);
    }
    pxds_store_free(store);
}

struct watch {
    uint64_t end, count, fresh, stop_after;
    int wrong;
};

static int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    struct watch *watch = user;
    uint8_t digest[PXDS_DIGEST_SIZE];

    if (chunk->offset != watch->end || chunk->size == 0 || chunk->stored_size == 0 ||
        chunk->existed > 1 || chunk->struct_size != sizeof *chunk)
        watch->wrong = 1;
    if (pxds_digest_compute(data + chunk->offset, chunk->size, digest, NULL) != PXDS_OK ||
        memcmp(digest, chunk->digest, sizeof digest) != 0)
        watch->wrong = 1;
    watch->end += chunk->size;
    watch->fresh += chunk->existed == 0;
    return ++watch->count == watch->stop_after ? 7 : 0;
}

static void test_chunk_callback(void)
{
    pxds_store *store = new_store();
    struct watch first = {0, 0, 0, 0, 0}, again = {0, 0, 0, 0, 0};
    pxds_ingest *ingest = new_ingest(store, on_chunk, &first);

    OK(pxds_ingest_write(ingest, data, DATA_LEN, &err));
    pxds_index_free(finish(ingest));
    CHECK(!first.wrong);
    EQUAL(DATA_LEN, first.end);
    EQUAL(first.count, first.fresh);
    ingest = new_ingest(store, on_chunk, &again);
    OK(pxds_ingest_write(ingest, data, DATA_LEN, &err));
    pxds_index_free(finish(ingest));
    CHECK(!again.wrong);
    EQUAL(first.count, again.count);
    EQUAL(0, again.fresh);
    pxds_store_free(store);
}

static void test_chunk_callback_cancels(void)
{
    pxds_store *store = new_store();
    struct watch watch = {0, 0, 0, 5, 0};
    pxds_ingest *ingest = new_ingest(store, on_chunk, &watch);
    pxds_index_writer *writer = NULL;
    pxds_index *index;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;

    OK(pxds_ingest_write(ingest, data, DATA_LEN, &err));
    IS(PXDS_ERR_CANCELLED, pxds_ingest_finish(ingest, &writer, &err));
    CHECK(writer == NULL);
    EQUAL(7, pxds_error_callback_value(err));
    OK(pxds_ingest_partial(ingest, &writer, &err));
    pxds_ingest_free(ingest);
    index = index_of(writer);
    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(5, info.chunk_count);
    EQUAL(watch.end, info.size);
    check_restores(store, index, data, (size_t)info.size);
    pxds_index_free(index);
    pxds_store_free(store);
}

/* The order of frees never matters: handles keep alive what they need. */
static void test_frees_in_any_order(void)
{
    pxds_store *store = new_store();
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);
    pxds_index_writer *writer = NULL;
    pxds_restorer *restorer = NULL;
    pxds_index *index = NULL;
    uint64_t written = 0;

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    pxds_store_free(store);
    OK(pxds_ingest_write(ingest, data, DATA_LEN, &err));
    OK(pxds_ingest_finish(ingest, &writer, &err));
    pxds_ingest_free(ingest);
    OK(pxds_index_writer_save(writer, in_dir("a.didx"), &err));
    pxds_index_writer_free(writer);
    OK(pxds_index_open(in_dir("a.didx"), PXDS_INDEX_ANY, &index, &err));
    OK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(DATA_LEN, written);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
}

static void test_unfinished(void)
{
    pxds_store *store = new_store();
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);
    pxds_index_writer *writer = NULL;

    OK(pxds_ingest_write(ingest, data, DATA_LEN, &err));
    pxds_ingest_free(ingest);
    ingest = new_ingest(store, NULL, NULL);
    OK(pxds_ingest_finish(ingest, &writer, &err));
    IS(PXDS_ERR_STATE, pxds_ingest_write(ingest, data, 1, &err));
    pxds_index_writer_free(writer);
    writer = NULL;
    IS(PXDS_ERR_STATE, pxds_ingest_finish(ingest, &writer, &err));
    CHECK(writer == NULL);
    pxds_ingest_free(ingest);
    pxds_ingest_free(NULL);
    pxds_store_free(store);
}

static void test_no_compress(void)
{
    uint8_t *zeros = calloc(1, DATA_LEN);

    need(zeros != NULL, "calloc");
    for (uint32_t flags = 0; flags <= PXDS_INGEST_NO_COMPRESS; flags++) {
        pxds_store *store = new_store();
        pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
        pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
        pxds_ingest *ingest = NULL;
        pxds_index_writer *writer = NULL;
        pxds_index *index;

        options.flags = flags;
        OK(pxds_ingest_new(store, &options, &ingest, &err));
        OK(pxds_ingest_write(ingest, zeros, DATA_LEN, &err));
        OK(pxds_ingest_finish(ingest, &writer, &err));
        OK(pxds_ingest_get_stats(ingest, &stats, &err));
        EQUAL(1, stats.new_chunks);
        if (flags == 0)
            CHECK(stats.stored_bytes < 1000);
        else
            EQUAL(DATA_LEN + PXDS_BLOB_HEADER_SIZE, stats.stored_bytes);
        pxds_ingest_free(ingest);
        index = index_of(writer);
        check_restores(store, index, zeros, DATA_LEN);
        pxds_index_free(index);
        pxds_store_free(store);
        remove_dir();
    }
    free(zeros);
}

/* A chunker may make chunks of any size; a blob may not hold them. */
static void test_chunks_that_no_blob_holds(void)
{
    pxds_store *store = new_store();
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
    pxds_ingest *ingest = NULL;

    options.chunker = &config;
    OK(pxds_chunker_config_init(&config, UINT64_C(64) << 20, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_ingest_new(store, &options, &ingest, &err));
    CHECK(ingest == NULL);
    OK(pxds_chunker_config_init(&config, UINT64_C(32) << 20, &err));
    OK(pxds_ingest_new(store, &options, &ingest, &err));
    pxds_ingest_free(ingest);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 1);
    RUN(test_known_index);
    RUN(test_splits);
    RUN(test_empty_input);
    RUN(test_fd);
    RUN(test_read_callback);
    RUN(test_read_callback_cancels);
    RUN(test_read_callback_claims_too_much);
    RUN(test_chunk_callback);
    RUN(test_chunk_callback_cancels);
    RUN(test_frees_in_any_order);
    RUN(test_unfinished);
    RUN(test_no_compress);
    RUN(test_chunks_that_no_blob_holds);
    free(data);
    return check_done();
}
