/* Ingest on several threads, seen from C: callbacks on the calling thread, and nobody left. */
#include "alone.h"
#include "flow.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { LEN = 9000000 };

struct witness {
    pthread_t thread;
    pxds_ingest *ingest; /* to be entered again */
    uint64_t end;
    unsigned chunks, stop_at, wrong, most_threads;
    pxds_status again;
    struct timespec pause;
};

static int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    struct witness *witness = user;
    unsigned threads = count_threads();

    witness->wrong += !pthread_equal(pthread_self(), witness->thread);
    witness->wrong += chunk->offset != witness->end;
    witness->end = chunk->offset + chunk->size;
    if (threads > witness->most_threads)
        witness->most_threads = threads;
    witness->again = pxds_ingest_write(witness->ingest, "x", 1, NULL);
    nanosleep(&witness->pause, NULL);
    return ++witness->chunks == witness->stop_at ? 7 : 0;
}

static pxds_ingest *ingest_on(pxds_store *store, uint32_t threads, struct witness *witness)
{
    pxds_ingest_options options = PXDS_INGEST_OPTIONS_INIT;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;

    OK(pxds_chunker_config_init(&config, 65536, &err));
    options.chunker = &config;
    options.threads = threads;
    options.on_chunk = on_chunk;
    options.on_chunk_user = witness;
    witness->thread = pthread_self();
    need(OK(pxds_ingest_new(store, &options, &witness->ingest, &err)), "ingest");
    return witness->ingest;
}

static FILE *file_of_stream(void)
{
    FILE *file = tmpfile();

    need(file != NULL && fwrite(data, 1, LEN, file) == LEN && fflush(file) == 0, "a file");
    rewind(file);
    return file;
}

static void test_all_have_ended(void)
{
    pxds_store *store = new_store();
    FILE *file = file_of_stream();
    struct witness witness = {.most_threads = 0};
    pxds_ingest *ingest = ingest_on(store, 4, &witness);
    pxds_index *index;

    OK(pxds_ingest_read_fd(ingest, fileno(file), &err));
    check_alone();
    index = finish(ingest);
    check_alone();
    EQUAL(0, witness.wrong);
    EQUAL(LEN, witness.end);
    EQUAL(PXDS_ERR_BUSY, witness.again);
    CHECK(witness.most_threads > 1);
    check_restores(store, index, data, LEN);
    pxds_index_free(index);
    pxds_store_free(store);
    fclose(file);
}

/* The receiver of chunks is slow, and wants no more after so many. */
static void cancel_after(unsigned stop_at)
{
    pxds_store *store = new_store();
    struct witness witness = {.stop_at = stop_at, .pause = {0, 500000}};
    pxds_ingest *ingest = ingest_on(store, 4, &witness);
    pxds_index_writer *writer = NULL;
    pxds_index *index;

    IS(PXDS_ERR_CANCELLED, pxds_ingest_write(ingest, data, LEN, &err));
    EQUAL(7, pxds_error_callback_value(err));
    check_alone();
    EQUAL(stop_at, witness.chunks);
    EQUAL(0, witness.wrong);
    OK(pxds_ingest_partial(ingest, &writer, &err));
    pxds_ingest_free(ingest);
    index = index_of(writer);
    check_restores(store, index, data, (size_t)witness.end);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_cancel_at_once(void)
{
    cancel_after(1);
}

static void test_cancel_later(void)
{
    cancel_after(61);
}

/* The other end of the pipe stays open and sends nothing. */
static void test_blocked_reader(void)
{
    pxds_store *store = new_store();
    struct witness witness = {.stop_at = 1};
    pxds_ingest *ingest = ingest_on(store, 4, &witness);
    int ends[2];
    pid_t child = -1;

    need(pipe(ends) == 0 && (child = fork()) >= 0, "pipe and fork");
    if (child == 0) {
        size_t at = 0;
        ssize_t n = 1;

        close(ends[0]);
        while (at < LEN && (n = write(ends[1], data + at, LEN - at)) > 0)
            at += (size_t)n;
        pause();
        _exit(0);
    }
    IS(PXDS_ERR_CANCELLED, pxds_ingest_read_fd(ingest, ends[0], &err));
    check_alone();
    kill(child, SIGKILL);
    close(ends[0]);
    close(ends[1]);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
}

/* Freed in the middle: what was written and not yet stored is dropped. */
static void test_free_in_the_middle(void)
{
    pxds_store *store = new_store();
    struct witness witness = {.stop_at = 0};
    pxds_ingest *ingest = ingest_on(store, 4, &witness);

    for (size_t at = 0; at < LEN; at += 1000000)
        OK(pxds_ingest_write(ingest, data + at, 1000000, &err));
    pxds_ingest_free(ingest);
    check_alone();
    pxds_store_free(store);
}

static void test_too_many(void)
{
    pxds_store *store = new_store();
    pxds_ingest_options stream_options = PXDS_INGEST_OPTIONS_INIT;
    pxds_image_options image_options = PXDS_IMAGE_OPTIONS_INIT;
    pxds_ingest *ingest = NULL;
    pxds_image *disk = NULL;

    stream_options.threads = image_options.threads = 100000;
    IS(PXDS_ERR_ARGUMENT, pxds_ingest_new(store, &stream_options, &ingest, &err));
    CHECK(ingest == NULL && strstr(pxds_error_message(err), "100000") != NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_image_new(store, 0, &image_options, &disk, &err));
    CHECK(disk == NULL);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(LEN, 17);
    RUN(test_all_have_ended);
    RUN(test_cancel_at_once);
    RUN(test_cancel_later);
    RUN(test_blocked_reader);
    RUN(test_free_in_the_middle);
    RUN(test_too_many);
    free(data);
    return check_done();
}
