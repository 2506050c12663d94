/* Random access: by threads, through caches, past holes and losses. */
#include "flow.h"

#include <pthread.h>

static pxds_reader *new_reader(pxds_store *store, const pxds_index *index,
                               const pxds_reader_options *options)
{
    pxds_reader *reader = NULL;

    need(OK(pxds_reader_new(store, index, options, &reader, &err)), "reader");
    return reader;
}

static void test_read_at(void)
{
    static const uint64_t offsets[] = {0, 1, 1669, 1670, 1671, 150000, DATA_LEN - 1};
    static const size_t lens[] = {0, 1, 4096, 100000, DATA_LEN + 5};
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_reader_options options = PXDS_READER_OPTIONS_INIT;
    uint8_t *room = need_memory(DATA_LEN + 5);
    size_t read = 9;

    for (size_t size = 0; size < 2; size++) {
        pxds_reader *reader;

        options.cache_size = size; /* the default, and one chunk */
        reader = new_reader(store, index, &options);
        EQUAL(DATA_LEN, pxds_reader_size(reader));
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
            for (size_t j = 0; j < sizeof lens / sizeof lens[0]; j++) {
                size_t left = DATA_LEN - (size_t)offsets[i];
                size_t want = lens[j] < left ? lens[j] : left;

                OK(pxds_reader_read_at(reader, offsets[i], room, lens[j], &read, &err));
                if (EQUAL(want, read))
                    CHECK(memcmp(data + offsets[i], room, want) == 0);
            }
        }
        OK(pxds_reader_read_at(reader, DATA_LEN, room, 10, &read, &err));
        EQUAL(0, read);
        OK(pxds_reader_read_at(reader, UINT64_MAX, room, 10, &read, &err));
        EQUAL(0, read);
        OK(pxds_reader_read_at(reader, 5, NULL, 0, &read, &err));
        EQUAL(0, read);
        pxds_reader_free(reader);
    }
    pxds_reader_free(NULL);
    free(room);
    pxds_index_free(index);
    pxds_store_free(store);
}

/* A reader keeps what it needs, whatever is freed before it. */
static void test_order_of_frees(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_reader_options options = PXDS_READER_OPTIONS_INIT;
    pxds_cache *cache = NULL;
    pxds_reader *one, *other;
    uint8_t room[100];
    size_t read = 0;

    OK(pxds_cache_new(100000, &cache, &err));
    options.cache = cache;
    one = new_reader(store, index, &options);
    other = new_reader(store, index, &options);
    pxds_store_free(store);
    pxds_index_free(index);
    pxds_cache_free(cache);
    OK(pxds_reader_read_at(one, 1000, room, sizeof room, &read, &err));
    pxds_reader_free(one);
    OK(pxds_reader_read_at(other, 1000, room, sizeof room, &read, &err));
    EQUAL(sizeof room, read);
    CHECK(memcmp(data + 1000, room, sizeof room) == 0);
    pxds_reader_free(other);
    pxds_cache_free(NULL);
}

static void test_extent(void)
{
    enum { CHUNK = 4096, LEN = 5 * CHUNK + 100 };
    static const struct {
        uint64_t offset, length;
        uint32_t is_zero;
    } want[] = {{0, CHUNK, 0},
                {CHUNK - 1, 1, 0},
                {CHUNK, 3 * CHUNK, 1},
                {2 * CHUNK + 5, 2 * CHUNK - 5, 1},
                {4 * CHUNK, CHUNK, 0},
                {5 * CHUNK + 1, 99, 1}};
    static uint8_t image[LEN];
    pxds_store *store = new_store();
    pxds_index *index;
    pxds_reader *reader;
    uint64_t length = 9;
    uint32_t is_zero = 9;

    image[17] = image[4 * CHUNK] = 1;
    index = put_fixed(store, image, LEN, CHUNK);
    reader = new_reader(store, index, NULL);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        OK(pxds_reader_get_extent(reader, want[i].offset, UINT64_MAX, &length, &is_zero, &err));
        EQUAL(want[i].length, length);
        EQUAL(want[i].is_zero, is_zero);
    }
    EQUAL(PXDS_NONE, pxds_reader_get_extent(reader, LEN, UINT64_MAX, &length, &is_zero, &err));
    EQUAL(0, length);
    EQUAL(0, is_zero);
    pxds_reader_free(reader);
    pxds_index_free(index);
    pxds_store_free(store);
}

static int32_t count_bad(void *user, const pxds_bad_chunk *bad)
{
    CHECK(bad->number == 3 && bad->status == PXDS_ERR_NOT_FOUND);
    ++*(unsigned *)user;
    return 0;
}

static void test_bad_chunks(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_reader_options options = PXDS_READER_OPTIONS_INIT;
    pxds_reader *reader;
    uint8_t room[20], want[20], digest[PXDS_DIGEST_SIZE];
    uint64_t offset = 0;
    size_t read = 9;
    unsigned told = 0;

    OK(pxds_index_get_chunk(index, 3, &chunk, &err));
    EQUAL(PXDS_OK, pxds_store_mark_bad(store, chunk.digest, NULL, &err));
    memcpy(want, data + chunk.start - 10, 10);
    memset(want + 10, 0, 10);

    reader = new_reader(store, index, NULL);
    IS(PXDS_ERR_NOT_FOUND,
       pxds_reader_read_at(reader, chunk.start - 10, room, sizeof room, &read, &err));
    EQUAL(0, read);
    EQUAL(PXDS_OK, pxds_error_get_digest(err, digest));
    CHECK(memcmp(chunk.digest, digest, sizeof digest) == 0);
    EQUAL(PXDS_OK, pxds_error_get_offset(err, &offset));
    EQUAL(chunk.start, offset);
    pxds_reader_free(reader);

    options.on_bad = count_bad;
    options.on_bad_user = &told;
    reader = new_reader(store, index, &options);
    for (unsigned i = 1; i <= 2; i++) {
        OK(pxds_reader_read_at(reader, chunk.start - 10, room, sizeof room, &read, &err));
        EQUAL(sizeof room, read);
        CHECK(memcmp(want, room, sizeof room) == 0);
        EQUAL(i, told);
    }
    pxds_reader_free(reader);

    options.on_bad = NULL;
    options.flags = PXDS_READER_SKIP_BAD;
    reader = new_reader(store, index, &options);
    OK(pxds_reader_read_at(reader, chunk.start - 10, room, sizeof room, &read, &err));
    CHECK(memcmp(want, room, sizeof room) == 0);
    pxds_reader_free(reader);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_options(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_reader_options options = PXDS_READER_OPTIONS_INIT;
    pxds_source *source = NULL;
    pxds_reader *reader = NULL;

    OK(pxds_source_from_store(store, &source, &err));
    options.flags = 0x80000000u;
    IS(PXDS_ERR_ARGUMENT, pxds_reader_new(store, index, &options, &reader, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_reader_new_from(source, index, &options, &reader, &err));
    options.flags = 0;
    options.threads = 100000;
    IS(PXDS_ERR_ARGUMENT, pxds_reader_new_from(source, index, &options, &reader, &err));
    CHECK(reader == NULL);
    pxds_source_free(source);
    pxds_index_free(index);
    pxds_store_free(store);
}

/* ---- threads ---- */

enum { THREADS = 8, READS = 300 };

static pxds_reader *shared;

static void *read_anywhere(void *user)
{
    uint32_t seed = *(uint32_t *)user;
    uint8_t room[3000];

    for (int i = 0; i < READS; i++) {
        size_t read = 0, offset;

        seed = seed * 1103515245u + 12345u;
        offset = (seed >> 8) % (DATA_LEN - sizeof room);
        if (pxds_reader_read_at(shared, offset, room, sizeof room, &read, NULL) != PXDS_OK ||
            read != sizeof room || memcmp(data + offset, room, sizeof room) != 0)
            return user;
    }
    return NULL;
}

static void test_threads(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_reader_options options = PXDS_READER_OPTIONS_INIT;
    pthread_t threads[THREADS];
    uint32_t seeds[THREADS];

    for (size_t cache_size = 0; cache_size < 100000; cache_size += 50000) {
        options.cache_size = cache_size;
        shared = new_reader(store, index, &options);
        for (uint32_t i = 0; i < THREADS; i++) {
            seeds[i] = i;
            need(pthread_create(&threads[i], NULL, read_anywhere, &seeds[i]) == 0,
                 "pthread_create");
        }
        for (int i = 0; i < THREADS; i++) {
            void *failed = NULL;

            pthread_join(threads[i], &failed);
            CHECK(failed == NULL);
        }
        pxds_reader_free(shared);
    }
    pxds_index_free(index);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 1);
    RUN(test_read_at);
    RUN(test_order_of_frees);
    RUN(test_extent);
    RUN(test_bad_chunks);
    RUN(test_options);
    RUN(test_threads);
    free(data);
    return check_done();
}
