/* How far calls say they are, that they stop when they are told to, and what they leave then. */
#include "alone.h"
#include "flow.h"

#include <pthread.h>

enum { CHUNK = 4096, STOPPED = 42 };
#define NEVER UINT64_MAX

/* What the callbacks were told. */
struct watcher {
    pthread_t thread;
    struct timespec start;
    uint64_t chunks, calls;
    uint64_t stop_at;   /* units to stop at */
    uint64_t stop_call; /* the call to stop at; 0: none */
    int stopped;
    pxds_progress last;
    unsigned wrong;
};

static void watch(struct watcher *watcher, uint64_t stop_at)
{
    memset(watcher, 0, sizeof *watcher);
    watcher->thread = pthread_self();
    watcher->stop_at = stop_at;
    clock_gettime(CLOCK_MONOTONIC, &watcher->start);
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    struct watcher *watcher = user;
    const pxds_progress *last = &watcher->last;

    if (!pthread_equal(watcher->thread, pthread_self()) ||
        progress->struct_size != sizeof *progress || progress->phase != 0 ||
        progress->reserved != 0 || progress->done < last->done || progress->bytes < last->bytes ||
        (last->total > 0 && progress->total != last->total) ||
        watcher->stopped)
        watcher->wrong++;
    watcher->last = *progress;
    watcher->stopped = ++watcher->calls == watcher->stop_call || progress->done >= watcher->stop_at;
    return watcher->stopped ? STOPPED : 0;
}

/* Longer than from one call to the next. */
static void take_long(void)
{
    static const struct timespec while_ = {0, 101000000};

    nanosleep(&while_, NULL);
}

static int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    struct watcher *watcher = user;

    (void)chunk;
    if (watcher->chunks++ < 3)
        take_long();
    return 0;
}

/* What was told can be, of so many units and bytes, and was told at least `least` times. */
static void check_told(const struct watcher *watcher, uint64_t least, uint64_t total, uint64_t most,
                       uint64_t bytes)
{
    struct timespec now;
    uint64_t elapsed;

    clock_gettime(CLOCK_MONOTONIC, &now);
    elapsed = (uint64_t)(now.tv_sec - watcher->start.tv_sec) * 1000 +
              (uint64_t)(now.tv_nsec / 1000000 + 1000 - watcher->start.tv_nsec / 1000000) - 1000;
    EQUAL(0, watcher->wrong);
    /* besides ten times a second the first and the last are told */
    CHECK(watcher->calls >= least && watcher->calls <= (elapsed + 1) / 100 + 2);
    EQUAL(total, watcher->last.total);
    CHECK(watcher->last.done <= most && watcher->last.bytes <= bytes);
    check_alone();
}

/* The last call was stopped by the callback, and this is the error of it. */
static void check_stopped(void)
{
    EQUAL(STOPPED, pxds_error_callback_value(err));
}

static pxds_ingest_options ingest_options(const pxds_chunker_config *config,
                                          struct watcher *watcher)
{
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;

    options.threads = 2;
    options.chunker = config;
    options.on_chunk = on_chunk;
    options.progress = on_progress;
    options.on_chunk_user = options.progress_user = watcher;
    return options;
}

static pxds_image_options image_options(struct watcher *watcher)
{
    pxds_image_options options = PXDS_IMAGE_OPTIONS_INIT;

    options.threads = 2;
    options.chunk_size = CHUNK;
    options.on_chunk = on_chunk;
    options.progress = on_progress;
    options.on_chunk_user = options.progress_user = watcher;
    return options;
}

/* After so many units, of which each takes long, a call is stopped. */
static const uint64_t stops[] = {NEVER, 0, 1, 2};
enum { STOPS = sizeof stops / sizeof stops[0] };

static void test_ingest(void)
{
    pxds_store *store = new_store();
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    struct watcher watcher;
    pxds_ingest_options options = ingest_options(&config, &watcher);
    uint64_t size = 0; /* of what the run before has stored */

    OK(pxds_chunker_config_init(&config, CHUNK, &err));
    for (size_t i = 0; i < STOPS; i++) {
        pxds_ingest *ingest = NULL;
        pxds_index_writer *writer = NULL;
        pxds_index *index;

        /* Units are bytes: it stops with the chunk behind those of the run before. */
        watch(&watcher, stops[i] == NEVER || stops[i] == 0 ? stops[i] : size + 1);
        OK(pxds_ingest_new(store, &options, &ingest, &err));
        EQUAL(0, watcher.calls);
        if (stops[i] == 0) { /* else it is gathered */
            IS(PXDS_ERR_CANCELLED, pxds_ingest_write(ingest, data, DATA_LEN, &err));
        } else {
            OK(pxds_ingest_write(ingest, data, DATA_LEN, &err));
            IS(stops[i] == NEVER ? PXDS_OK : PXDS_ERR_CANCELLED,
               pxds_ingest_finish(ingest, &writer, &err));
        }
        if (stops[i] == NEVER) {
            OK(pxds_ingest_get_stats(ingest, &stats, &err));
            EQUAL(DATA_LEN, stats.size);
            check_told(&watcher, 4, 0, DATA_LEN, DATA_LEN);
        } else {
            check_stopped();
            CHECK(writer == NULL);
            OK(pxds_ingest_get_stats(ingest, &stats, &err));
            check_told(&watcher, stops[i] + 1, 0, stats.size, stats.size);
            EQUAL(stops[i], stats.chunks);
            EQUAL(stats.size, watcher.last.done);
            EQUAL(stats.size, watcher.last.bytes);
            size = stats.size;
            IS(PXDS_ERR_STATE, pxds_ingest_finish(ingest, &writer, &err));
            OK(pxds_ingest_partial(ingest, &writer, &err));
        }
        index = index_of(writer);
        check_restores(store, index, data, stats.size);
        pxds_index_free(index);
        pxds_ingest_free(ingest);
    }
    pxds_store_free(store);
}

static void test_image(void)
{
    const uint64_t chunks = (DATA_LEN + CHUNK - 1) / CHUNK;
    pxds_store *store = new_store();
    struct watcher watcher;
    pxds_image_options options = image_options(&watcher);

    for (size_t i = 0; i < STOPS; i++) {
        const int is_stopped = stops[i] != NEVER;
        pxds_image *image = NULL;
        pxds_index_writer *writer = NULL;

        watch(&watcher, stops[i]);
        OK(pxds_image_new(store, DATA_LEN, &options, &image, &err));
        IS(is_stopped ? PXDS_ERR_CANCELLED : PXDS_OK,
           pxds_image_write(image, data, DATA_LEN, &err));
        if (is_stopped)
            check_stopped();
        check_told(&watcher, is_stopped ? stops[i] + 1 : 4, chunks, is_stopped ? stops[i] : chunks,
                   DATA_LEN);
        IS(is_stopped ? PXDS_ERR_STATE : PXDS_OK, pxds_image_finish(image, &writer, &err));
        pxds_index_writer_free(writer);
        pxds_image_free(image);
    }
    pxds_store_free(store);
}

static void test_copy(void)
{
    pxds_store *store = new_store(), *other = NULL;
    pxds_index *index = put_fixed(store, data, DATA_LEN, CHUNK);
    pxds_copy_options options = PXDS_COPY_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_index_writer *writer = NULL;
    pxds_source *source = NULL;
    struct watcher watcher;
    const uint64_t chunks = (DATA_LEN + CHUNK - 1) / CHUNK;

    OK(pxds_store_create(in_dir("other"), NULL, &other, &err));
    OK(pxds_source_from_store(store, &source, &err));
    options.threads = 2;
    options.on_chunk = on_chunk;
    options.progress = on_progress;
    options.on_chunk_user = options.progress_user = &watcher;
    for (size_t i = 1; i < STOPS; i++) {
        watch(&watcher, stops[i]);
        IS(PXDS_ERR_CANCELLED,
           pxds_store_copy_chunks(other, source, index, &options, &stats, &writer, &err));
        check_stopped();
        CHECK(writer == NULL);
        check_told(&watcher, stops[i] + 1, chunks, stops[i], DATA_LEN);
        EQUAL(watcher.chunks, watcher.last.done);
    }
    watch(&watcher, NEVER);
    OK(pxds_store_copy_chunks(other, source, index, &options, &stats, &writer, &err));
    EQUAL(chunks, stats.chunks);
    check_told(&watcher, 4, chunks, chunks, DATA_LEN);
    check_restores(other, index, data, DATA_LEN);
    pxds_index_writer_free(writer);
    pxds_source_free(source);
    pxds_index_free(index);
    pxds_store_free(other);
    pxds_store_free(store);
}

static int32_t on_write(void *user, const uint8_t *bytes, size_t len, size_t *taken)
{
    uint64_t *written = user;

    CHECK(memcmp(data + *written, bytes, len) == 0);
    if (*written < 2 * CHUNK)
        take_long();
    *written += len;
    *taken = len;
    return 0;
}

static void test_restore(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put_fixed(store, data, DATA_LEN, CHUNK);
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    const uint64_t chunks = (DATA_LEN + CHUNK - 1) / CHUNK;
    pxds_restorer *restorer = NULL;
    struct watcher watcher;

    options.threads = 2;
    options.progress = on_progress;
    options.progress_user = &watcher;
    for (size_t i = 0; i < STOPS; i++) {
        const int is_stopped = stops[i] != NEVER;
        uint64_t written = 7, got = 0;

        watch(&watcher, stops[i]);
        OK(pxds_restorer_new(store, &options, &restorer, &err));
        IS(is_stopped ? PXDS_ERR_CANCELLED : PXDS_OK,
           pxds_restorer_write(restorer, index, on_write, &got, &written, &err));
        if (is_stopped) {
            check_stopped();
            EQUAL(CHUNK * stops[i], written);
            EQUAL(written, watcher.last.bytes);
        }
        EQUAL(got, written);
        check_told(&watcher, is_stopped ? stops[i] + 1 : 3, chunks, chunks, DATA_LEN);
        pxds_restorer_free(restorer);
    }
    pxds_index_free(index);
    pxds_store_free(store);
}

/* What was there stays, and the restorer can be used again. */
static void test_restore_to_a_file(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put_fixed(store, data, DATA_LEN, CHUNK);
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    pxds_restorer *restorer = NULL;
    struct watcher watcher;
    uint64_t written = 7;
    uint8_t *bytes;
    size_t len = 0;

    options.progress = on_progress;
    options.progress_user = &watcher;
    OK(pxds_restorer_new(store, &options, &restorer, &err));
    watch(&watcher, 0);
    write_all(in_dir("out"), "before", 6);
    IS(PXDS_ERR_CANCELLED,
       pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    check_stopped();
    EQUAL(0, written);
    bytes = read_all(in_dir("out"), &len);
    CHECK(len == 6 && memcmp(bytes, "before", 6) == 0);
    free(bytes);
    take_long();
    watch(&watcher, NEVER);
    OK(pxds_restorer_write_range_file(restorer, index, CHUNK, CHUNK + 1, in_dir("out"), &written,
                                      &err));
    EQUAL(CHUNK + 1, written);
    check_told(&watcher, 1, 2, 2, CHUNK + 1);
    pxds_restorer_free(restorer);
    check_restores(store, index, data, DATA_LEN);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_backup(void)
{
    static const char *const names[] = {"a.didx", "a.fidx", "a.blob"};
    pxds_store *store = new_store();
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    struct watcher watcher;
    pxds_ingest_options stream = ingest_options(&config, &watcher);
    pxds_image_options image = image_options(&watcher);

    OK(pxds_chunker_config_init(&config, CHUNK, &err));
    write_all(in_dir("in"), data, DATA_LEN);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
        pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
        pxds_backup *backup = NULL;
        int fd = open(in_dir("in"), O_RDONLY);

        need(fd >= 0, "open");
        options.flags = PXDS_BACKUP_ANY_CHUNK_SIZE;
        OK(pxds_backup_new(store, "host/x", &options, &backup, &err));
        watch(&watcher, i == 2 ? 0 : 2); /* a blob has no chunks */
        IS(PXDS_ERR_CANCELLED,
           pxds_backup_add_fd(backup, names[i], fd, &stream, &image, &stats, &err));
        check_stopped();
        /* of a stream bytes, of which a chunk has more; of an image chunks */
        CHECK(i == 1 ? watcher.last.done == watcher.stop_at : watcher.last.done >= watcher.stop_at);
        EQUAL(0, watcher.wrong);
        check_alone();
        IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err));
        pxds_backup_free(backup);
        CHECK(!exists(in_dir("store/host")));
        close(fd);
    }
    pxds_store_free(store);
}

static int32_t on_finish(void *user, const pxds_progress *progress)
{
    struct watcher *watcher = user;

    watcher->calls++;
    watcher->last = *progress;
    return watcher->stopped ? STOPPED : 0;
}

/* The end of a backup, which is told by what its own options say. */
static void test_backup_finish(void)
{
    pxds_store *store = new_store();

    for (int stop = 1; stop >= 0; stop--) {
        pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
        struct watcher watcher = {0};
        pxds_backup *backup = NULL;

        options.progress = on_finish;
        options.progress_user = &watcher;
        OK(pxds_backup_new(store, "host/x", &options, &backup, &err));
        EQUAL(0, watcher.calls); /* there was no time to wait for */
        OK(pxds_backup_add_blob(backup, "a.blob", "x", 1, 0, &err));
        watcher.stopped = stop;
        if (stop) {
            IS(PXDS_ERR_CANCELLED, pxds_backup_finish(backup, &err));
            check_stopped();
        } else {
            OK(pxds_backup_finish(backup, &err));
        }
        EQUAL(stop ? 1 : 2, watcher.calls); /* the beginning and the end */
        EQUAL(PXDS_BACKUP_PHASE_FINISH, watcher.last.phase);
        EQUAL(sizeof watcher.last, watcher.last.struct_size);
        pxds_backup_free(backup);
        CHECK(exists(in_dir("store/host")) == !stop);
    }
    pxds_store_free(store);
}

/* A pipe that stays open and gives nothing. */
static void test_stalled_input(void)
{
    pxds_store *store = new_store();
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    struct watcher watcher;
    pxds_ingest_options stream = ingest_options(&config, &watcher);
    pxds_image_options of_image = image_options(&watcher);
    pxds_ingest *ingest = NULL;
    pxds_image *image = NULL;
    int ends[2];

    need(pipe(ends) == 0, "pipe");
    need(write(ends[1], data, 10 * CHUNK) == 10 * CHUNK, "write");
    OK(pxds_chunker_config_init(&config, CHUNK, &err));
    watch(&watcher, NEVER);
    watcher.stop_call = 7;
    OK(pxds_ingest_new(store, &stream, &ingest, &err));
    IS(PXDS_ERR_CANCELLED, pxds_ingest_read_fd(ingest, ends[0], &err));
    check_stopped();
    check_told(&watcher, 7, 0, 10 * CHUNK, 10 * CHUNK);
    pxds_ingest_free(ingest);
    watch(&watcher, NEVER);
    watcher.stop_call = 4;
    OK(pxds_image_new(store, DATA_LEN, &of_image, &image, &err));
    IS(PXDS_ERR_CANCELLED, pxds_image_read_fd(image, ends[0], &err));
    check_stopped();
    check_told(&watcher, 4, (DATA_LEN + CHUNK - 1) / CHUNK, 0, 0);
    pxds_image_free(image);
    close(ends[0]), close(ends[1]);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 1);
    RUN(test_ingest);
    RUN(test_image);
    RUN(test_copy);
    RUN(test_restore);
    RUN(test_restore_to_a_file);
    RUN(test_backup);
    RUN(test_backup_finish);
    RUN(test_stalled_input);
    free(data);
    return check_done();
}
