/* Removes all but the newest snapshots of a group, then the chunks that nothing needs any more. */
#include <pxds.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Says what became of each snapshot. One that is in use cannot be removed; the others are. */
static void print_list(const pxds_prune_list *list)
{
    for (size_t i = 0; i < pxds_prune_list_count(list); i++) {
        pxds_prune_entry entry = PXDS_PRUNE_ENTRY_INIT;

        if (pxds_prune_list_get(list, i, &entry, NULL) != PXDS_OK)
            continue;
        printf("%s: %s", entry.path, pxds_prune_mark_name(entry.mark));
        if (entry.message != NULL)
            printf(", failed: %s", entry.message);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    pxds_prune_options keep = PXDS_PRUNE_OPTIONS_INIT;
    pxds_gc_status gc = PXDS_GC_STATUS_INIT;
    pxds_error *err = NULL;
    pxds_store *store = NULL;
    pxds_prune_list *list = NULL;
    int failed;

    if (argc == 4)
        keep.keep_last = strtoull(argv[3], NULL, 10);
    if (keep.keep_last == 0) { /* which would keep everything, as no other count is given */
        fprintf(stderr, "usage: prune_gc STORE GROUP COUNT\n");
        return 2;
    }
    failed = pxds_store_open(argv[1], NULL, &store, &err) < 0 ||
             pxds_group_prune(store, argv[2], &keep, &list, &err) < 0;
    print_list(list);

    /* What was used within the last day stays for now: a backup that is running may count on it. */
    failed = failed || pxds_store_gc(store, NULL, &gc, &err) < 0;

    if (failed)
        fprintf(stderr, "prune_gc: %s\n", pxds_error_message(err));
    else
        printf("chunks: %" PRIu64 " in use, %" PRIu64 " removed, %" PRIu64 " to be removed later\n",
               gc.stored_chunks, gc.removed_chunks, gc.pending_chunks);

    pxds_error_free(err);
    pxds_prune_list_free(list);
    pxds_store_free(store);
    return failed;
}
