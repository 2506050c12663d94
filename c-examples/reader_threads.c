/* Counts the lines of an archive without restoring it, by several threads that share one reader. */
#include <pxds.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define THREADS 4u

struct part { /* What one thread is to read, and what it has found. */
    const pxds_reader *reader;
    uint64_t start, end, lines;
    pxds_error *err;
};

static void *count(void *user)
{
    struct part *part = user;
    char piece[64 * 1024];
    size_t len;

    /* After a failure `len` is 0. */
    for (uint64_t at = part->start; at < part->end && part->err == NULL; at += len) {
        len = part->end - at < sizeof piece ? (size_t)(part->end - at) : sizeof piece;
        pxds_reader_read_at(part->reader, at, piece, len, &len, &part->err);
        for (size_t i = 0; i < len; i++)
            part->lines += piece[i] == '\n';
    }
    return NULL;
}

static void count_all(const pxds_reader *reader, uint64_t *lines, pxds_error **err)
{
    const uint64_t size = pxds_reader_size(reader), step = size / THREADS;
    struct part parts[THREADS];
    pthread_t threads[THREADS];
    unsigned started = 0;

    for (unsigned i = 0; i < THREADS; i++)
        parts[i] = (struct part){reader, step * i, i + 1 < THREADS ? step * (i + 1) : size, 0, NULL};
    while (started < THREADS && pthread_create(&threads[started], NULL, count, &parts[started]) == 0)
        started++;
    for (unsigned i = 0; i < THREADS; i++) {
        if (i < started)
            pthread_join(threads[i], NULL);
        else
            count(&parts[i]);
        *lines += parts[i].lines;
        if (*err == NULL)
            *err = parts[i].err;
        else
            pxds_error_free(parts[i].err);
    }
}

int main(int argc, char **argv)
{
    pxds_error *err = NULL;
    pxds_store *store = NULL;
    pxds_index *index = NULL;
    pxds_reader *reader = NULL;
    uint64_t lines = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: reader_threads STORE INDEX\n");
        return 2;
    }
    if (pxds_store_open(argv[1], NULL, &store, &err) == PXDS_OK &&
        pxds_index_open(argv[2], PXDS_INDEX_ANY, &index, &err) == PXDS_OK &&
        pxds_reader_new(store, index, NULL, &reader, &err) == PXDS_OK)
        count_all(reader, &lines, &err);
    pxds_reader_free(reader);
    pxds_index_free(index);
    pxds_store_free(store);
    if (err == NULL)
        return printf("%" PRIu64 " lines\n", lines) < 0;
    fprintf(stderr, "reader_threads: %s\n", pxds_error_message(err));
    pxds_error_free(err);
    return 1;
}
