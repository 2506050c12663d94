/* The command that copies what an index names into another store. */
#include "tool.h"

/* Where the index goes if nobody says: under its name, into the other store. To be freed. */
static char *index_in(const char *store, const char *index)
{
    const char *slash = strrchr(index, '/'), *name = slash != NULL ? slash + 1 : index;
    size_t len = strlen(store) + strlen(name) + 2;
    char *path = malloc(len);

    if (path != NULL)
        snprintf(path, len, "%s/%s", store, name);
    return path;
}

static void print_copied(const pxds_ingest_stats *stats, const char *index, bool json)
{
    char size[SIZE_TEXT_MAX], stored[SIZE_TEXT_MAX];

    if (json) {
        json_begin();
        json_text("index", index);
        json_ingested(stats, true);
        json_end();
    } else if (!is_quiet()) {
        printf("bytes: %" PRIu64 "%s\nchunks: %" PRIu64 "\nnew chunks: %" PRIu64
               "\nstored bytes: %" PRIu64 "%s\n",
               stats->size, in_units(stats->size, size), stats->chunks, stats->new_chunks,
               stats->stored_bytes, in_units(stats->stored_bytes, stored));
    }
}

static int copy(const struct args *args, const pxds_key *key, const char *index_path)
{
    pxds_copy_options options = PXDS_COPY_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    struct meter meter = {NULL, now(), 0, 0};
    pxds_store *from = NULL, *to = NULL;
    pxds_index_writer *writer = NULL;
    pxds_source *source = NULL;
    pxds_index *index = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    options.key = key;
    options.threads = (uint32_t)args->option[OPT_THREADS].number;
    options.on_chunk = on_chunk;
    options.progress = on_bytes;
    options.on_chunk_user = options.progress_user = &meter;
    begin_changes();
    from = open_store(args, args->operand[0], 0, NULL, NULL);
    to = from == NULL ? NULL : open_store(args, args->operand[2], 0, NULL, NULL);
    if (to == NULL) {
        rc = 1;
    } else if (pxds_source_from_store(from, &source, &err) < 0 ||
               pxds_index_open(args->operand[1], PXDS_INDEX_ANY, &index, &err) < 0 ||
               pxds_index_get_info(index, &info, &err) < 0) {
        rc = fail(err);
    } else if (is_name_of_other(index_path, info.kind == PXDS_INDEX_FIXED)) {
        say("%s is the name of an index of the other kind", index_path);
        rc = 1;
    } else if (pxds_store_copy_chunks(to, source, index, &options, &stats, &writer, &err) < 0 ||
               stop_signal() != 0 || pxds_index_writer_save(writer, index_path, &err) < 0) {
        rc = fail(err);
    } else {
        clear_line();
        print_copied(&stats, index_path, args->option[OPT_JSON].given);
        note_unprotected(index_path, to);
    }
    pxds_index_writer_free(writer);
    pxds_index_free(index);
    pxds_source_free(source);
    pxds_store_free(to);
    pxds_store_free(from);
    return rc;
}

int cmd_copy(const struct args *args)
{
    bool said = args->operands > 3;
    char *made = said ? NULL : index_in(args->operand[2], args->operand[1]);
    const char *index_path = said ? args->operand[3] : made;
    pxds_key *key = NULL;
    int rc = check_key_options(args, false);

    if (index_path == NULL)
        return fail(NULL);
    if (rc == 0)
        rc = check_output(args->operand[1], index_path);
    if (rc == 0)
        rc = check_index_path(index_path);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc == 0)
        rc = copy(args, key, index_path);
    pxds_key_free(key);
    free(made);
    return rc;
}
