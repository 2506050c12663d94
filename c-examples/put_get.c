/* Stores a file as deduplicated chunks and restores it. */
#include <pxds.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pxds_error *err;

static void check(pxds_status status)
{
    if (status < 0) {
        fprintf(stderr, "put_get: %s\n", pxds_error_message(err));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_store *store;
    pxds_ingest *ingest;
    pxds_index_writer *writer;
    pxds_index *index;
    pxds_restorer *restorer;
    char index_path[4096];
    int fd;

    if (argc != 4) {
        fprintf(stderr, "usage: put_get STORE FILE OUT\n");
        return 2;
    }
    snprintf(index_path, sizeof index_path, "%s/example.didx", argv[1]);
    fd = open(argv[2], O_RDONLY);
    if (fd < 0) {
        perror(argv[2]);
        return 1;
    }

    check(pxds_store_open_or_create(argv[1], NULL, &store, &err));
    check(pxds_ingest_new(store, NULL, &ingest, &err));
    check(pxds_ingest_read_fd(ingest, fd, &err));
    check(pxds_ingest_finish(ingest, &writer, &err));
    check(pxds_ingest_get_stats(ingest, &stats, &err));
    check(pxds_index_writer_save(writer, index_path, &err));

    check(pxds_index_open(index_path, PXDS_INDEX_DYNAMIC, &index, &err));
    check(pxds_restorer_new(store, NULL, &restorer, &err));
    check(pxds_restorer_write_file(restorer, index, argv[3], NULL, &err));

    printf("stored %" PRIu64 " bytes as %" PRIu64 " chunks, %" PRIu64 " of them new\n", stats.size,
           stats.chunks, stats.new_chunks);

    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
    close(fd);
    return 0;
}
