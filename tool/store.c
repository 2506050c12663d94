/* Stores, as the options say that they are opened; and the commands put and get. */
#include "tool.h"

#include <limits.h>

/* Of any call on the store: a lock is waited for. */
static int32_t on_progress(void *user, const pxds_progress *progress)
{
    static bool waits;

    (void)user;
    if (progress->phase == PXDS_STORE_PHASE_LOCK && !waits)
        detail("waiting up to %" PRIu64 " s for a lock that another program holds", progress->total / 1000);
    waits = progress->phase == PXDS_STORE_PHASE_LOCK;
    if (waits)
        return show_progress("lock", progress, "waiting for a lock, %" PRIu64 " s of %" PRIu64 " s",
                             progress->done / 1000, progress->total / 1000);
    return show_progress("create", progress, "%" PRIu64 " of %" PRIu64 " directories",
                         progress->done, progress->total);
}

pxds_store_options store_options(const struct args *args)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;

    options.layout = (uint32_t)args->option[OPT_LAYOUT].number;
    options.sync = (uint32_t)args->option[OPT_SYNC].number;
    options.notice = on_notice;
    options.progress = on_progress;
    options.lock_wait_ms = args->option[OPT_WAIT].number * 1000;
    options.store_name = args->option[OPT_PBS_STORE].text;
    if (args->option[OPT_NOT_S3_CACHE].given)
        options.flags = PXDS_STORE_NOT_S3_CACHE;
    return options;
}

int heed_pbs(const struct args *args, const char *path, char *name, pxds_store_options *store,
             pxds_gc_options *gc, pxds_verify_options *verify)
{
    const struct value *config = &args->option[OPT_PBS_CONFIG];
    pxds_error *err = NULL;
    struct stat st;
    bool runs;
    pxds_status status =
        pxds_pbs_config_read(config->given ? config->text : "/etc/proxmox-backup/datastore.cfg",
                             path, name, PXDS_STORE_NAME_SIZE, store, gc, verify, &err);

    if (status >= 0 && store->store_name != NULL)
        detail("PBS calls the store %s %s", path, store->store_name);
    if (status >= 0)
        return 0;
    if (config->given || (status != PXDS_ERR_NOT_FOUND && pxds_error_errno(err) != EACCES))
        return fail(err);
    if (store->store_name != NULL && status != PXDS_ERR_NOT_FOUND)
        note("%s; that PBS calls the store %s %s is believed, and none of its maintenance"
            " modes is known",
            pxds_error_message(err), path, store->store_name);
    pxds_error_free(err);
    runs = stat("/run/proxmox-backup/proxy.pid", &st) == 0;
    if (store->store_name == NULL && has_option(args->command, OPT_PBS_STORE) && runs)
        note("PBS runs here, and keeps its configuration to itself; if it has the store %s,"
            " name it with --pbs-store",
            path);
    if (store->store_name != NULL && !runs && stat("/etc/proxmox-backup", &st) != 0)
        warn("no Proxmox Backup Server is seen here, whose lock files --pbs-store would share");
    return 0;
}

bool is_store(int directory, const char *path)
{
    char chunks[PATH_MAX + sizeof "/.chunks"];
    struct stat st;

    return snprintf(chunks, sizeof chunks, "%s/.chunks", path) < (int)sizeof chunks &&
           fstatat(directory, chunks, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

const char *layout_name(const pxds_store *store)
{
    switch (pxds_store_layout(store)) {
    case PXDS_LAYOUT_HEX2:
        return "hex2";
    case PXDS_LAYOUT_HEX4:
        return "hex4";
    default:
        return "unknown";
    }
}

pxds_store *open_store(const struct args *args, const char *path, uint32_t flags,
                       pxds_gc_options *gc, pxds_verify_options *verify)
{
    pxds_store_options options = store_options(args);
    char name[PXDS_STORE_NAME_SIZE];
    pxds_store *store = NULL;
    pxds_error *err = NULL;

    options.flags |= flags;
    if (path != args->operand[0])
        options.store_name = NULL; /* --pbs-store names the first */
    if (heed_pbs(args, path, name, &options, gc, verify) != 0)
        return NULL;
    if (pxds_store_open(path, &options, &store, &err) < 0)
        fail(err);
    else
        detail("opened the store %s, of layout %s", pxds_store_path(store), layout_name(store));
    return store;
}

static bool lacks_chunks; /* the store that open_tree() has opened */

pxds_store *open_tree(const struct args *args, bool changes)
{
    pxds_store *store = open_store(args, args->operand[0], changes ? 0 : PXDS_STORE_BARE, NULL, NULL);

    lacks_chunks = store != NULL && pxds_store_layout(store) == PXDS_LAYOUT_DEFAULT;
    if (lacks_chunks)
        warn("%s has no .chunks: it is no store, or its disk is not mounted", pxds_store_path(store));
    return store;
}

bool may_be_no_store(void)
{
    return lacks_chunks;
}

static void print_put(const pxds_ingest_stats *stats, const char *index, const uint8_t *csum, bool json)
{
    char size[SIZE_TEXT_MAX], stored[SIZE_TEXT_MAX];

    if (json) {
        json_begin();
        json_text("index", index);
        json_ingested(stats, true);
        json_digest("csum", csum);
        json_end();
    } else if (!is_quiet()) {
        printf("bytes: %" PRIu64 "%s\nchunks: %" PRIu64 "\nnew chunks: %" PRIu64
               "\nstored bytes: %" PRIu64 "%s\ndedup share: %.1f %%\n",
               stats->size, in_units(stats->size, size), stats->chunks, stats->new_chunks,
               stats->stored_bytes, in_units(stats->stored_bytes, stored),
               percent(stats->size - stats->new_bytes, stats->size));
    }
}

int cmd_put(const struct args *args)
{
    const char *index_path = args->operand[2];
    int fd, rc;
    pxds_ingest_options ingest_options = PXDS_INGEST_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    struct meter meter = {NULL, now(), 0, 0};
    pxds_index_writer *writer = NULL;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest *ingest = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    pxds_key *key = NULL;

    rc = check_key_options(args, is_dash(args->operand[1]));
    if (rc == 0)
        rc = check_output(args->operand[1], index_path);
    if (rc == 0)
        rc = check_index_path(index_path);
    if (rc == 0 && is_name_of_other(index_path, false))
        rc = usage_error(args->command, "'%s': this makes a dynamic index, NAME.didx", index_path);
    if (rc == 0 && pxds_chunker_config_init(&config, args->option[OPT_AVG].number, &err) < 0)
        rc = misuse(args->command, err);
    if (rc == 0)
        rc = load_key(args, &key);
    fd = rc == 0 ? open_input(args->operand[1]) : -1;
    if (fd < 0) {
        pxds_key_free(key);
        return rc != 0 ? rc : 1;
    }
    ingest_options.key = key;
    ingest_options.chunker = &config;
    ingest_options.threads = (uint32_t)args->option[OPT_THREADS].number;
    if (args->option[OPT_NO_COMPRESS].given)
        ingest_options.flags = PXDS_INGEST_NO_COMPRESS;
    if (args->option[OPT_STRICT].given)
        ingest_options.flags |= PXDS_INGEST_STRICT;
    ingest_options.on_chunk = on_chunk;
    ingest_options.progress = on_bytes;
    ingest_options.on_chunk_user = ingest_options.progress_user = &meter;
    begin_changes();
    store = open_store(args, args->operand[0], 0, NULL, NULL);
    if (store == NULL) {
        rc = 1;
    } else if (pxds_ingest_new(store, &ingest_options, &ingest, &err) < 0 ||
               pxds_ingest_read_fd(ingest, fd, &err) < 0 ||
               pxds_ingest_finish(ingest, &writer, &err) < 0 ||
               pxds_ingest_get_stats(ingest, &stats, &err) < 0 ||
               pxds_index_writer_get_info(writer, &info, &err) < 0 || stop_signal() != 0 ||
               pxds_index_writer_save(writer, index_path, &err) < 0) {
        rc = fail(err);
    } else {
        clear_line();
        print_put(&stats, index_path, info.csum, args->option[OPT_JSON].given);
        note_unprotected(index_path, store);
    }
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
    pxds_key_free(key);
    close(fd);
    return rc;
}

int cmd_get(const struct args *args)
{
    const char *out = args->operand[2];
    pxds_restorer_options restorer_options = PXDS_RESTORER_OPTIONS_INIT;
    struct meter meter = {NULL, now(), 0, 0};
    pxds_restorer *restorer = NULL;
    pxds_index *index = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    pxds_key *key = NULL;
    uint64_t written = 0;
    int rc = check_key_options(args, false);

    if (rc == 0)
        rc = check_json_output(args, out);
    if (rc == 0)
        rc = check_descriptor(out);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    restorer_options.key = key;
    restorer_options.threads = (uint32_t)args->option[OPT_THREADS].number;
    restorer_options.progress = on_bytes;
    restorer_options.progress_user = &meter;
    prepare_restore(out);
    store = open_store(args, args->operand[0], 0, NULL, NULL);
    if (store == NULL)
        rc = 1;
    else if (pxds_index_open(args->operand[1], PXDS_INDEX_ANY, &index, &err) < 0 ||
             pxds_restorer_new(store, &restorer_options, &restorer, &err) < 0 ||
             (is_dash(out) ? pxds_restorer_write_fd(restorer, index, STDOUT_FILENO, &written, &err)
                           : pxds_restorer_write_file(restorer, index, out, &written, &err)) < 0)
        rc = fail(err);
    clear_line();
    if (rc == 0 && args->option[OPT_JSON].given) {
        json_begin();
        json_text("index", args->operand[1]);
        json_text("output", out);
        json_number("size", written);
        json_end();
    }
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}
