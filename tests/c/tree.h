/* Snapshots for tests: made, opened and looked at. Needs `data` of flow.h. */
#ifndef TREE_H
#define TREE_H

#include "flow.h"

static const int64_t TIME = 1593179765;
#define TIME_NAME "2020-06-26T13:56:05Z"
#define NEXT_NAME "2020-06-26T13:56:06Z"

CHECK_API pxds_backup *new_backup(const pxds_store *store, const char *group, int64_t time)
{
    pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
    pxds_backup *backup = NULL;

    options.flags = PXDS_BACKUP_SET_TIME;
    options.time = time;
    need(OK(pxds_backup_new(store, group, &options, &backup, &err)), "backup");
    return backup;
}

/* The index of a stream, not yet written. */
CHECK_API pxds_index_writer *stream_of(pxds_store *store, const void *bytes, size_t len)
{
    pxds_ingest *ingest = new_ingest(store, NULL, NULL);
    pxds_index_writer *writer = NULL;

    OK(pxds_ingest_write(ingest, bytes, len, &err));
    need(OK(pxds_ingest_finish(ingest, &writer, &err)), "finish");
    pxds_ingest_free(ingest);
    return writer;
}

/* A finished snapshot with a.didx of `data` and b.blob of "conf". */
CHECK_API void make_snapshot(pxds_store *store, const char *group, int64_t time)
{
    pxds_backup *backup = new_backup(store, group, time);
    pxds_index_writer *writer = stream_of(store, data, DATA_LEN);

    OK(pxds_backup_add_index(backup, "a.didx", writer, &err));
    pxds_index_writer_free(writer);
    OK(pxds_backup_add_blob(backup, "b.blob", "conf", 4, 0, &err));
    need(OK(pxds_backup_finish(backup, &err)), "finish");
    pxds_backup_free(backup);
}

/* Whether the buffer holds just this text; frees it. */
CHECK_API int is_text(pxds_buffer *buffer, const char *want)
{
    size_t len = pxds_buffer_len(buffer);
    int same = len == strlen(want) && memcmp(pxds_buffer_data(buffer), want, len) == 0;

    if (!same)
        fprintf(stderr, "have: %.*s\n", (int)len, (const char *)pxds_buffer_data(buffer));
    pxds_buffer_free(buffer);
    return same;
}

/* Whether the error of the last check is about `path`, in the directory of the test. */
CHECK_API int names_path(const char *path)
{
    const char *have = pxds_error_path(check_kept);
    int same = have != NULL && strcmp(have, in_dir(path)) == 0 &&
               strstr(pxds_error_message(check_kept), have) != NULL;

    if (!same)
        fprintf(stderr, "path %s: %s\n", have != NULL ? have : "none",
                pxds_error_message(check_kept));
    return same;
}

/* The snapshots of the whole store, `PATH FLAGS` separated by commas; valid until the next call. */
CHECK_API const char *listing(const pxds_store *store)
{
    static char text[4096];
    pxds_snapshot_list *list = NULL;
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    size_t len = 0;

    text[0] = '\0';
    OK(pxds_store_snapshots(store, NULL, PXDS_LIST_RECURSIVE, &list, &err));
    for (size_t i = 0; i < pxds_snapshot_list_count(list); i++) {
        OK(pxds_snapshot_list_get(list, i, &entry, &err));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %u", i > 0 ? "," : "",
                                entry.path, (unsigned)entry.flags);
        need(len < sizeof text, "listing");
    }
    pxds_snapshot_list_free(list);
    return text;
}

#endif
