/* Stores a file as deduplicated chunks and restores it. */
#include <pxds.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_error *err = NULL;
    pxds_store *store = NULL;
    pxds_ingest *ingest = NULL;
    pxds_index_writer *writer = NULL;
    pxds_index *index = NULL;
    pxds_restorer *restorer = NULL;
    char index_path[4096];
    int fd, failed;

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

    failed = pxds_store_open_or_create(argv[1], NULL, &store, &err) < 0 ||
             pxds_ingest_new(store, NULL, &ingest, &err) < 0 ||
             pxds_ingest_read_fd(ingest, fd, &err) < 0 ||
             pxds_ingest_finish(ingest, &writer, &err) < 0 ||
             pxds_ingest_get_stats(ingest, &stats, &err) < 0 ||
             pxds_index_writer_save(writer, index_path, &err) < 0;

    failed = failed || pxds_index_open(index_path, PXDS_INDEX_DYNAMIC, &index, &err) < 0 ||
             pxds_restorer_new(store, NULL, &restorer, &err) < 0 ||
             pxds_restorer_write_file(restorer, index, argv[3], NULL, &err) < 0;

    if (failed)
        fprintf(stderr, "put_get: %s\n", pxds_error_message(err));
    else
        printf("stored %" PRIu64 " bytes as %" PRIu64 " chunks, %" PRIu64 " of them new\n", stats.size,
               stats.chunks, stats.new_chunks);

    pxds_error_free(err);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
    close(fd);
    return failed;
}
