/* The command that removes what nothing refers to: gc. */
#include "tool.h"

/* By the chunks alone, as that of 'pxds stat --exact' is. */
static double dedup_factor(const pxds_gc_status *status)
{
    return pxds_dedup_factor(status->index_data_bytes, status->stored_bytes - status->used_bad_bytes);
}

static void print_status_json(const pxds_gc_status *status, bool dry_run)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"indexes", status->index_file_count},
        {"logical_bytes", status->index_data_bytes},
        {"stored_chunks", status->stored_chunks},
        {"stored_bytes", status->stored_bytes - status->used_bad_bytes},
        {"removed_chunks", status->removed_chunks},
        {"removed_bytes", status->removed_bytes - status->removed_bad_bytes},
        {"pending_chunks", status->pending_chunks},
        {"pending_bytes", status->pending_bytes - status->still_bad_bytes},
        {"used_bad", status->used_bad},
        {"used_bad_bytes", status->used_bad_bytes},
        {"removed_bad", status->removed_bad},
        {"removed_bad_bytes", status->removed_bad_bytes},
        {"pending_bad", status->still_bad},
        {"pending_bad_bytes", status->still_bad_bytes},
        {"removed_temporaries", status->removed_temporaries},
        {"removed_temporary_bytes", status->removed_temporary_bytes},
        {"missing_chunks", status->missing_chunks},
        {"strange_indexes", status->strange_indexes},
        {"cache_hits", status->cache_hits},
        {"cache_misses", status->cache_misses},
        {"future_files", status->future_files},
        {"future_bytes", status->future_bytes},
    };

    json_begin();
    json_bool("dry_run", dry_run);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        json_number(members[i].name, members[i].value);
    if (status->future_files > 0)
        json_time("future_time", status->future_until);
    else
        json_no_time("future_time");
    json_factor("dedup_factor", dedup_factor(status));
    json_end();
}

static void print_count(const char *what, uint64_t count, const char *unit, uint64_t bytes)
{
    char units[16], text[SIZE_TEXT_MAX];

    snprintf(units, sizeof units, "%s%s", unit, plural(count, "s"));
    printf("%-10s %12" PRIu64 " %-8s %16" PRIu64 " bytes%s\n", what, count, units, bytes,
           in_units(bytes, text));
}

static void print_bad_copies(const pxds_gc_status *status, const char *removed)
{
    const struct {
        const char *what;
        uint64_t count, bytes;
    } rows[] = {
        {"bad copies", status->used_bad + status->removed_bad + status->still_bad,
         status->used_bad_bytes + status->removed_bad_bytes + status->still_bad_bytes},
        {"  in use", status->used_bad, status->used_bad_bytes},
        {removed, status->removed_bad, status->removed_bad_bytes},
        {"  pending", status->still_bad, status->still_bad_bytes},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].count > 0)
            print_count(rows[i].what, rows[i].count, "file", rows[i].bytes);
}

static void print_status(const pxds_gc_status *status, bool dry_run)
{
    char until[TIME_TEXT_MAX], units[SIZE_TEXT_MAX];

    if (is_quiet() && !dry_run)
        return;
    print_count("indexes", status->index_file_count, "file", status->index_data_bytes);
    print_count("in use", status->stored_chunks, "chunk", status->stored_bytes - status->used_bad_bytes);
    print_count(dry_run ? "to remove" : "removed", status->removed_chunks, "chunk",
                status->removed_bytes - status->removed_bad_bytes);
    print_count("pending", status->pending_chunks, "chunk", status->pending_bytes - status->still_bad_bytes);
    if (status->future_files > 0) {
        printf("%-10s %12" PRIu64 " %-8s %16" PRIu64 " bytes%s, pending until %s\n", "  future",
               status->future_files, status->future_files == 1 ? "file" : "files", status->future_bytes,
               in_units(status->future_bytes, units), time_text(status->future_until, until));
    }
    if (status->removed_temporaries > 0)
        print_count("leftovers", status->removed_temporaries, "file",
                    status->removed_temporary_bytes);
    print_bad_copies(status, dry_run ? "  to remove" : "  removed");
    if (status->missing_chunks > 0)
        printf("%-10s %12" PRIu64 " chunk%s\n", "missing", status->missing_chunks,
               plural(status->missing_chunks, "s"));
    if (status->strange_indexes > 0)
        printf("%-10s %12" PRIu64 " index%s\n", "no snapshot", status->strange_indexes,
               plural(status->strange_indexes, "es"));
    printf("%-12s %10.2f\n", "dedup factor", dedup_factor(status));
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    const bool marks = progress->phase == PXDS_GC_PHASE_MARK;
    uint32_t *phase = user;

    if (*phase != progress->phase)
        detail(marks ? "marking the chunks of %" PRIu64 " indexes" : "sweeping %" PRIu64 " directories of chunks",
               progress->total);
    *phase = progress->phase;
    return show_progress(marks ? "mark" : "sweep", progress, "%s, %" PRIu64 " of %" PRIu64 " %s",
                         marks ? "marking" : "sweeping", progress->done, progress->total,
                         marks ? "indexes" : "directories");
}

int cmd_gc(const struct args *args)
{
    const bool dry_run = args->option[OPT_DRY_RUN].given;
    pxds_gc_options options = PXDS_GC_OPTIONS_INIT;
    pxds_gc_status status = PXDS_GC_STATUS_INIT;
    uint32_t phase = UINT32_MAX; /* none yet */
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
    options.progress_user = &phase;
    /* What is in either layout is to go. */
    store = open_store(args, args->operand[0], PXDS_STORE_MIXED, &options, NULL);
    if (store == NULL)
        return 1;
    begin_changes();
    if (pxds_store_gc(store, &options, &status, &err) < 0) {
        rc = fail(err);
    } else {
        clear_line();
        if (args->option[OPT_JSON].given)
            print_status_json(&status, dry_run);
        else
            print_status(&status, dry_run);
        if (status.missing_chunks > 0) {
            json_is_whole(); /* what is missing has been told too */
            rc = EXIT_INCOMPLETE;
        }
    }
    pxds_store_free(store);
    return rc;
}
