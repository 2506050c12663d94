/* Restore on several threads, seen from C: callbacks on the calling thread, and nobody left. */
#include "alone.h"
#include "flow.h"

#include <pthread.h>

enum { LEN = 6000000, CHUNK = 65536, MANY = 8 };

static uint8_t *image;
static pxds_store *store;
static pxds_index *fixed;

static pxds_restorer *restorer_on(uint32_t threads, uint32_t flags, pxds_bad_chunk_fn on_bad,
                                  void *user)
{
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    pxds_restorer *restorer = NULL;

    options.threads = threads;
    options.flags = flags;
    options.on_bad = on_bad;
    options.on_bad_user = user;
    OK(pxds_restorer_new(store, &options, &restorer, &err));
    return restorer;
}

struct sink {
    pthread_t thread;
    pxds_restorer *restorer; /* to be entered again */
    uint64_t offset, stop_at;
    unsigned wrong, most_threads;
    pxds_status again;
    unsigned bad;
};

static struct sink new_sink(void)
{
    struct sink sink;

    memset(&sink, 0, sizeof sink);
    sink.thread = pthread_self();
    sink.stop_at = UINT64_MAX;
    return sink;
}

static int32_t on_write(void *user, const uint8_t *bytes, size_t len, size_t *taken)
{
    struct sink *sink = user;
    unsigned threads = count_threads();

    if (!pthread_equal(sink->thread, pthread_self()) || memcmp(image + sink->offset, bytes, len) != 0)
        sink->wrong++;
    if (threads > sink->most_threads)
        sink->most_threads = threads;
    if (sink->restorer != NULL)
        sink->again =
            pxds_restorer_write(sink->restorer, fixed, on_write, user, NULL, NULL);
    if (sink->offset + len > sink->stop_at)
        return 5;
    sink->offset += len;
    *taken = len;
    return 0;
}

static void test_all_have_ended(void)
{
    for (uint32_t threads = 1; threads <= MANY; threads++) {
        struct sink sink = new_sink();
        pxds_restorer *restorer = restorer_on(threads, 0, NULL, NULL);
        uint64_t written = 0;

        sink.restorer = restorer;
        OK(pxds_restorer_write(restorer, fixed, on_write, &sink, &written, &err));
        check_alone();
        EQUAL(LEN, written);
        EQUAL(0, sink.wrong);
        EQUAL(PXDS_ERR_BUSY, sink.again);
        CHECK(sink.most_threads <= threads);
        OK(pxds_restorer_write_file(restorer, fixed, in_dir("out"), &written, &err));
        check_alone();
        pxds_restorer_free(restorer);
    }
}

/* The sink stops, whole chunks have been counted, and the restorer can be used again. */
static void test_cancel(void)
{
    pxds_restorer *restorer = restorer_on(MANY, 0, NULL, NULL);

    for (uint64_t stop = 0; stop < LEN; stop += LEN / 5) {
        struct sink sink = new_sink();
        uint64_t written = 0;

        sink.stop_at = stop;
        IS(PXDS_ERR_CANCELLED,
           pxds_restorer_write(restorer, fixed, on_write, &sink, &written, &err));
        EQUAL(5, pxds_error_callback_value(err));
        check_alone();
        EQUAL(stop / CHUNK * CHUNK, written);
        EQUAL(written, sink.offset);
        EQUAL(0, sink.wrong);
    }
    pxds_restorer_free(restorer);
}

static int32_t on_bad(void *user, const pxds_bad_chunk *bad)
{
    struct sink *sink = user;

    if (!pthread_equal(sink->thread, pthread_self()) || bad->offset < sink->offset)
        sink->wrong++;
    sink->offset = bad->offset + bad->length;
    return ++sink->bad == 3 && sink->stop_at == 0 ? -8 : 0;
}

static void test_bad_chunks(void)
{
    static const uint64_t bad[] = {1, 40, 41, 90};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;

        OK(pxds_index_get_chunk(fixed, bad[i], &chunk, &err));
        EQUAL(PXDS_OK, pxds_store_mark_bad(store, chunk.digest, NULL, &err));
        memset(image + chunk.start, 0, CHUNK);
    }
    for (uint32_t threads = 1; threads <= MANY; threads *= 2) {
        struct sink sink = new_sink();
        pxds_restorer *restorer = restorer_on(threads, 0, on_bad, &sink);
        uint64_t written = 0;
        size_t len = 0;
        uint8_t *have;

        OK(pxds_restorer_write_file(restorer, fixed, in_dir("out"), &written, &err));
        check_alone();
        EQUAL(4, sink.bad);
        have = read_all(in_dir("out"), &len);
        if (EQUAL(LEN, len))
            CHECK(memcmp(image, have, len) == 0);
        free(have);
        need(unlink(in_dir("out")) == 0, "unlink");

        sink = new_sink();
        sink.stop_at = 0;
        IS(PXDS_ERR_CANCELLED,
           pxds_restorer_write_file(restorer, fixed, in_dir("out"), &written, &err));
        EQUAL(-8, pxds_error_callback_value(err));
        check_alone();
        EQUAL(3, sink.bad);
        EQUAL(0, sink.wrong);
        EQUAL(41 * CHUNK, written);
        CHECK(!exists(in_dir("out")));
        pxds_restorer_free(restorer);

        restorer = restorer_on(threads, 0, NULL, NULL);
        IS(PXDS_ERR_NOT_FOUND,
           pxds_restorer_write_file(restorer, fixed, in_dir("out"), &written, &err));
        check_alone();
        EQUAL(CHUNK, written);
        pxds_restorer_free(restorer);
    }
}

static void test_too_many(void)
{
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    pxds_restorer *restorer = NULL;

    options.threads = 100000;
    IS(PXDS_ERR_ARGUMENT, pxds_restorer_new(store, &options, &restorer, &err));
    CHECK(says("100000") && restorer == NULL);
}

/* A source that is slow: as from another machine. */
struct remote {
    pxds_source *chunks;
    pthread_t caller;
    pthread_mutex_t mutex;
    pthread_cond_t came;
    int wants_two; /* an answer waits until another question has come, for ten seconds at most */
    unsigned inside, most, elsewhere;
};

static int32_t on_get(void *user, const uint8_t *digest, uint8_t *bytes, size_t capacity, size_t *len)
{
    struct remote *remote = user;
    struct timespec end;
    pxds_buffer *blob = NULL;
    pxds_status status;

    pthread_mutex_lock(&remote->mutex);
    remote->elsewhere += !pthread_equal(remote->caller, pthread_self());
    if (++remote->inside > remote->most)
        remote->most = remote->inside;
    pthread_cond_broadcast(&remote->came);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    while (remote->wants_two && remote->most < 2)
        if (pthread_cond_timedwait(&remote->came, &remote->mutex, &end) != 0)
            break;
    pthread_mutex_unlock(&remote->mutex);

    status = pxds_source_get(remote->chunks, digest, PXDS_BLOB_MAX_SIZE, &blob, NULL);
    *len = pxds_buffer_len(blob);
    if (*len <= capacity)
        memcpy(bytes, pxds_buffer_data(blob), *len);
    pxds_buffer_free(blob);

    pthread_mutex_lock(&remote->mutex);
    remote->inside--;
    pthread_mutex_unlock(&remote->mutex);
    return status;
}

/* A callback is asked on the calling thread alone, or, if it says so, on several at once. */
static void test_source_for_any_thread(void)
{
    struct remote remote = {NULL, pthread_self(), PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0};
    uint8_t *room = need_memory(LEN);

    OK(pxds_source_from_store(store, &remote.chunks, &err));
    for (uint32_t flags = 0; flags <= PXDS_SOURCE_ANY_THREAD; flags += PXDS_SOURCE_ANY_THREAD) {
        pxds_source_options options = PXDS_SOURCE_OPTIONS_INIT;
        pxds_restorer_options restoring = PXDS_RESTORER_OPTIONS_INIT;
        pxds_reader_options reading = PXDS_READER_OPTIONS_INIT;
        pxds_source *source = NULL;
        pxds_restorer *restorer = NULL;
        pxds_reader *reader = NULL;
        size_t read = 0;

        options.get = on_get, options.get_user = &remote, options.flags = flags;
        restoring.threads = reading.threads = 4;
        remote.wants_two = flags != 0;
        OK(pxds_source_new(&options, &source, &err));
        OK(pxds_restorer_new_from(source, &restoring, &restorer, &err));
        OK(pxds_reader_new_from(source, fixed, &reading, &reader, &err));
        pxds_source_free(source);

        remote.most = remote.elsewhere = 0;
        memset(room, 0, LEN);
        OK(pxds_restorer_read_range(restorer, fixed, 0, room, LEN, &read, &err));
        check_alone();
        CHECK(read == LEN && memcmp(room, image, LEN) == 0);
        CHECK(flags == 0 ? remote.most == 1 && remote.elsewhere == 0 : remote.most > 1 && remote.most <= 4);

        remote.most = remote.elsewhere = 0;
        memset(room, 0, LEN);
        OK(pxds_reader_read_at(reader, 0, room, LEN, &read, &err));
        check_alone();
        CHECK(read == LEN && memcmp(room, image, LEN) == 0);
        CHECK(flags == 0 ? remote.most == 1 && remote.elsewhere == 0 : remote.most > 1 && remote.most <= 4);
        pxds_reader_free(reader);
        pxds_restorer_free(restorer);
    }
    pxds_source_free(remote.chunks);
    free(room);
}

static void test_all(void)
{
    image = random_data(LEN, 7);
    store = new_store();
    fixed = put_fixed(store, image, LEN, CHUNK);
    data = image;
    test_all_have_ended();
    test_cancel();
    test_source_for_any_thread(); /* before chunks are damaged */
    test_bad_chunks();
    test_too_many();
    pxds_index_free(fixed);
    pxds_store_free(store);
    free(image);
}

int main(void)
{
    RUN(test_all);
    return check_done();
}
