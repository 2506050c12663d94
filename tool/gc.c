/* The command that removes what nothing refers to: gc. */
#include "tool.h"

/* As PBS names them in .gc-status, which is what --json prints. */
static void print_status_json(const pxds_gc_status *status)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"index-file-count", status->index_file_count},
        {"index-data-bytes", status->index_data_bytes},
        {"disk-bytes", status->stored_bytes},
        {"disk-chunks", status->stored_chunks},
        {"removed-bytes", status->removed_bytes},
        {"removed-chunks", status->removed_chunks},
        {"pending-bytes", status->pending_bytes},
        {"pending-chunks", status->pending_chunks},
        {"removed-bad", status->removed_bad},
        {"still-bad", status->still_bad},
    };

    fputs("{\"upid\":null", stdout);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        printf(",\"%s\":%" PRIu64, members[i].name, members[i].value);
    printf(",\"cache-stats\":{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 "}}\n", status->cache_hits,
           status->cache_misses);
}

static void print_count(const char *what, uint64_t count, const char *unit, uint64_t bytes)
{
    char units[16];

    snprintf(units, sizeof units, "%s%s", unit, plural(count, "s"));
    printf("%-10s %12" PRIu64 " %-8s %16" PRIu64 " bytes\n", what, count, units, bytes);
}

static void print_status(const pxds_gc_status *status, bool dry_run)
{
    print_count("indexes", status->index_file_count, "file", status->index_data_bytes);
    print_count("in use", status->stored_chunks, "chunk", status->stored_bytes);
    print_count(dry_run ? "to remove" : "removed", status->removed_chunks, "chunk",
                status->removed_bytes);
    print_count("pending", status->pending_chunks, "chunk", status->pending_bytes);
    if (status->future_files > 0) {
        printf("%-10s %12" PRIu64 " %-8s %16" PRIu64 " bytes, pending until ", "  future",
               status->future_files, status->future_files == 1 ? "file" : "files",
               status->future_bytes);
        print_time(status->future_until);
        putchar('\n');
    }
    if (status->removed_temporaries > 0)
        print_count("leftovers", status->removed_temporaries, "file",
                    status->removed_temporary_bytes);
    if (status->removed_bad + status->still_bad > 0)
        printf("%-10s %12" PRIu64 " removed, %" PRIu64 " pending\n", "bad copies",
               status->removed_bad, status->still_bad);
    if (status->missing_chunks > 0)
        printf("%-10s %12" PRIu64 " chunk%s\n", "missing", status->missing_chunks,
               plural(status->missing_chunks, "s"));
    if (status->strange_indexes > 0)
        printf("%-10s %12" PRIu64 " index%s\n", "no snapshot", status->strange_indexes,
               plural(status->strange_indexes, "es"));
    printf("%-12s %10.2f\n", "dedup factor",
           pxds_dedup_factor(status->index_data_bytes, status->stored_bytes));
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    const bool marks = progress->phase == PXDS_GC_PHASE_MARK;

    (void)user;
    draw_line("%s, %" PRIu64 " of %" PRIu64 " %s", marks ? "marking" : "sweeping", progress->done,
              progress->total, marks ? "indexes" : "directories");
    return stop_signal();
}

int cmd_gc(const struct args *args)
{
    const bool dry_run = args->option[OPT_DRY_RUN].given;
    pxds_gc_options options = PXDS_GC_OPTIONS_INIT;
    pxds_gc_status status = PXDS_GC_STATUS_INIT;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (args->option[OPT_CUTOFF].given && args->option[OPT_CUTOFF].number == 0)
        return usage_error(args->command, "--cutoff: '%s' is not a number above 0",
                           args->option[OPT_CUTOFF].text);
    options.flags = (dry_run ? PXDS_GC_DRY_RUN : 0) |
                    (args->option[OPT_ANY_CSUM].given ? PXDS_GC_ANY_CSUM : 0);
    options.cutoff_minutes = (uint32_t)args->option[OPT_CUTOFF].number;
    options.progress = on_progress;
    /* What is in either layout is to go. */
    store = open_store(args, args->operand[0], PXDS_STORE_MIXED, &options, NULL);
    if (store == NULL)
        return 1;
    hold_signals();
    if (pxds_store_gc(store, &options, &status, &err) < 0) {
        rc = fail(err);
    } else {
        clear_line();
        if (args->option[OPT_JSON].given)
            print_status_json(&status);
        else
            print_status(&status, dry_run);
    }
    pxds_store_free(store);
    return rc;
}
