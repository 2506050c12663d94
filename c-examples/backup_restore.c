/* Makes a snapshot with a file in it, and restores the file from the snapshot. */
#include <pxds.h>

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_error *err = NULL;
    pxds_store *store = NULL;
    pxds_backup *backup = NULL;
    pxds_snapshot *snapshot = NULL;
    int failed;

    if (argc != 4) {
        fprintf(stderr, "usage: backup_restore STORE FILE OUT\n");
        return 2;
    }

    /* The name of an archive says how it is cut: .didx by content, .fidx, for disk images, at equal distances.
       Nothing is seen of the snapshot before it is finished. */
    failed = pxds_store_open_or_create(argv[1], NULL, &store, &err) < 0 ||
             pxds_backup_new(store, "host/example", NULL, &backup, &err) < 0 ||
             pxds_backup_add_file(backup, "data.didx", argv[2], NULL, NULL, &stats, &err) < 0 ||
             pxds_backup_finish(backup, &err) < 0;

    failed = failed ||
             pxds_snapshot_open(store, pxds_backup_snapshot(backup), NULL, 0, &snapshot, &err) < 0 ||
             pxds_snapshot_restore_file(snapshot, "data.didx", argv[3], NULL, &err) < 0;

    if (failed)
        fprintf(stderr, "backup_restore: %s\n", pxds_error_message(err));
    else
        printf("%s: %" PRIu64 " bytes in %" PRIu64 " chunks, %" PRIu64 " of them new\n",
               pxds_backup_snapshot(backup), stats.size, stats.chunks, stats.new_chunks);

    pxds_error_free(err);
    pxds_snapshot_free(snapshot);
    pxds_backup_free(backup);
    pxds_store_free(store);
    return failed;
}
