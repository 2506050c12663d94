/* Shared handles from many threads; exclusive ones, which answer BUSY instead of breaking. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 4, CHUNKS = 50 };

static pxds_store *store;

struct worker {
    uint32_t number;
    pxds_status status;
    char where[64];
};

/* Runs `body` in THREADS threads and checks what they give back. */
static void run_threads(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    struct worker workers[THREADS];

    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].number = i;
        workers[i].status = PXDS_OK;
        snprintf(workers[i].where, sizeof workers[i].where, "thread %u", (unsigned)i);
        need(pthread_create(&threads[i], NULL, body, &workers[i]) == 0, "pthread_create");
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (!EQUAL(PXDS_OK, workers[i].status))
            fprintf(stderr, "  %s: %s\n", workers[i].where, pxds_status_name(workers[i].status));
    }
}

#define STEP(call)                                                                                 \
    do {                                                                                           \
        worker->status = (call);                                                                   \
        if (worker->status != PXDS_OK) {                                                           \
            snprintf(worker->where, sizeof worker->where, "line %d", __LINE__);                    \
            return NULL;                                                                           \
        }                                                                                          \
    } while (0)

/* Half of the chunks are this thread's own, and half are everybody's. */
static void *insert_and_load(void *user)
{
    struct worker *worker = user;
    pxds_blob_codec *codec = NULL;

    STEP(pxds_blob_codec_new(NULL, &codec, NULL));
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint8_t data[500], digest[PXDS_DIGEST_SIZE], blob[600];
        size_t blob_len = 0;
        pxds_buffer *buffer = NULL;

        fill_random(data, sizeof data, i % 2 == 0 ? i : i + 1000 * (worker->number + 1));
        STEP(pxds_digest_compute(data, sizeof data, digest, NULL));
        STEP(pxds_blob_encode(codec, data, sizeof data, 0, blob, sizeof blob, &blob_len, NULL));
        STEP(pxds_store_insert(store, digest, blob, blob_len, 0, NULL, NULL));
        STEP(pxds_store_has(store, digest, NULL, NULL));
        STEP(pxds_store_touch(store, digest, NULL));
        STEP(pxds_store_load(store, digest, 0, sizeof blob, &buffer, NULL));
        if (pxds_buffer_len(buffer) != blob_len ||
            memcmp(pxds_buffer_data(buffer), blob, blob_len) != 0)
            STEP(PXDS_ERR_CORRUPT);
        pxds_buffer_free(buffer);
    }
    pxds_blob_codec_free(codec);
    return NULL;
}

static void test_one_store_handle(void)
{
    pxds_chunk_iter *iter = NULL;
    pxds_chunk_entry entry = PXDS_CHUNK_ENTRY_INIT;
    unsigned count = 0;

    store = new_store();
    run_threads(insert_and_load);
    OK(pxds_store_chunks(store, &iter, &err));
    while (pxds_chunk_iter_next(iter, &entry, &err) == PXDS_OK)
        count++;
    EQUAL(CHUNKS / 2 * (THREADS + 1), count);
    pxds_chunk_iter_free(iter);
    pxds_store_free(store);
}

/* All the same data at once: every thread gets a whole backup. */
static void *put_and_get(void *user)
{
    struct worker *worker = user;
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest *ingest = NULL;
    pxds_index_writer *writer = NULL;
    pxds_restorer *restorer = NULL;
    pxds_buffer *bytes = NULL;
    pxds_index *index = NULL;
    uint64_t written = 0;
    uint8_t *data = malloc(200000);

    STEP(data != NULL ? PXDS_OK : PXDS_ERR_NOMEM);
    fill_random(data, 200000, 3);
    STEP(pxds_chunker_config_init(&config, 4096, NULL));
    options.chunker = &config;
    STEP(pxds_ingest_new(store, &options, &ingest, NULL));
    STEP(pxds_ingest_write(ingest, data, 200000, NULL));
    STEP(pxds_ingest_finish(ingest, &writer, NULL));
    STEP(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, NULL));
    STEP(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_ANY, &index,
                          NULL));
    STEP(pxds_restorer_new(store, NULL, &restorer, NULL));
    STEP(pxds_restorer_write_file(restorer, index, "/dev/null", &written, NULL));
    if (written != 200000)
        STEP(PXDS_ERR_CORRUPT);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    free(data);
    return NULL;
}

static void test_ingests_side_by_side(void)
{
    store = new_store();
    run_threads(put_and_get);
    pxds_store_free(store);
}

/* One exclusive handle in two threads is a mistake of the caller. It costs no more than BUSY. */
static pxds_ingest *contended;
static uint64_t accepted[THREADS];

static void *contend(void *user)
{
    struct worker *worker = user;
    static const uint8_t data[1000];

    for (int i = 0; i < 300; i++) {
        pxds_status status = pxds_ingest_write(contended, data, sizeof data, NULL);

        if (status == PXDS_OK)
            accepted[worker->number] += sizeof data;
        else if (status != PXDS_ERR_BUSY)
            STEP(status);
    }
    return NULL;
}

static void test_exclusive_handle(void)
{
    pxds_index_writer *writer = NULL;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    uint64_t total = 0;

    store = new_store();
    OK(pxds_ingest_new(store, NULL, &contended, &err));
    run_threads(contend);
    for (int i = 0; i < THREADS; i++)
        total += accepted[i];
    CHECK(total > 0);
    OK(pxds_ingest_finish(contended, &writer, &err));
    OK(pxds_index_writer_get_info(writer, &info, &err));
    EQUAL(total, info.size);
    pxds_index_writer_free(writer);
    pxds_ingest_free(contended);
    pxds_store_free(store);
}

/* From inside its own callback a handle is busy too. */
static pxds_status nested = PXDS_OK;

static int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    (void)chunk;
    nested = pxds_ingest_write(*(pxds_ingest **)user, "x", 1, NULL);
    return 0;
}

static void test_call_from_a_callback(void)
{
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
    pxds_ingest *ingest = NULL;
    pxds_index_writer *writer = NULL;

    store = new_store();
    options.on_chunk = on_chunk;
    options.on_chunk_user = &ingest;
    OK(pxds_ingest_new(store, &options, &ingest, &err));
    OK(pxds_ingest_write(ingest, "hello", 5, &err));
    OK(pxds_ingest_finish(ingest, &writer, &err));
    EQUAL(PXDS_ERR_BUSY, nested);
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
}

/* An error is read by another thread than the one that got it. */
static void *read_error(void *user)
{
    pxds_error *error = user;

    return strstr(pxds_error_message(error), "missing") != NULL ? user : NULL;
}

static void test_error_in_another_thread(void)
{
    pthread_t thread;
    void *seen = NULL;

    IS(PXDS_ERR_NOT_FOUND, pxds_store_open(in_dir("missing"), NULL, &store, &err));
    need(pthread_create(&thread, NULL, read_error, err) == 0, "pthread_create");
    pthread_join(thread, &seen);
    CHECK(seen == err);
}

int main(void)
{
    RUN(test_one_store_handle);
    RUN(test_ingests_side_by_side);
    RUN(test_exclusive_handle);
    RUN(test_call_from_a_callback);
    RUN(test_error_in_another_thread);
    return check_done();
}
