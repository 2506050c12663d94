/* The command that counts: stat. The numbers of the report are counted here too. */
#include "tool.h"

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    static const struct {
        const char *name, *units;
    } phases[] = {
        [PXDS_STATS_PHASE_FIND] = {"find", "directories"},
        [PXDS_STATS_PHASE_CHUNKS] = {"chunks", "chunk files"},
        [PXDS_STATS_PHASE_INDEXES] = {"indexes", "indexes"},
    };
    char total[SIZE_TEXT_MAX] = "";

    (void)user;
    if (progress->phase >= sizeof phases / sizeof phases[0])
        return stop_signal();
    if (progress->total > 0)
        snprintf(total, sizeof total, " of %" PRIu64, progress->total);
    return show_progress(phases[progress->phase].name, progress, "%" PRIu64 "%s %s", progress->done,
                         total, phases[progress->phase].units);
}

pxds_stats *collect_stats(const pxds_store *store, bool exact)
{
    pxds_stats_options options = PXDS_STATS_OPTIONS_INIT;
    pxds_stats *stats = NULL;
    pxds_error *err = NULL;
    pxds_status status;

    options.flags = exact ? PXDS_STATS_EXACT : 0;
    options.progress = on_progress;
    status = pxds_stats_collect(store, &options, &stats, &err);
    clear_line();
    if (status < 0)
        fail(err);
    return stats;
}

double sharing_factor(const pxds_stats_described *described, const pxds_stats_sum *used)
{
    return used->bytes > 0 ? (double)described->logical_bytes / (double)used->bytes : 1.0;
}

double compression_ratio(const pxds_stats_sum *sum)
{
    const uint64_t present = sum->bytes - sum->missing_bytes;

    return sum->stored_bytes > 0 ? (double)present / (double)sum->stored_bytes : 1.0;
}

/* ---- JSON, of the report too ---- */

static void json_described(const char *name, const pxds_stats_described *described)
{
    json_open(name, '{');
    json_number("indexes", described->indexes);
    json_number("logical_bytes", described->logical_bytes);
    json_number("references", described->references);
    json_number("blobs", described->blobs);
    json_number("blob_bytes", described->blob_bytes);
    json_number("unreadable", described->unreadable);
    json_close('}');
}

static void json_sum(const char *name, const pxds_stats_sum *sum, bool exact)
{
    json_open(name, '{');
    json_number("chunks", sum->chunks);
    json_number("bytes", sum->bytes);
    if (exact) {
        json_number("stored_bytes", sum->stored_bytes);
        json_number("missing_chunks", sum->missing_chunks);
        json_number("missing_bytes", sum->missing_bytes);
    }
    json_close('}');
}

static void json_sizes(const char *name, const uint64_t *sizes)
{
    json_open(name, '[');
    for (int i = 0; i < PXDS_STATS_SIZE_CLASSES; i++)
        json_number(NULL, sizes[i]);
    json_close(']');
}

static void json_factors(const pxds_stats_described *described, const pxds_stats_sum *used, bool exact)
{
    json_factor("sharing_factor", sharing_factor(described, used));
    if (!exact)
        return;
    json_factor("compression_ratio", compression_ratio(used));
    json_factor("dedup_factor", pxds_dedup_factor(described->logical_bytes, used->stored_bytes));
}

void json_stats_total(const pxds_stats *stats, const pxds_stats_total *total, bool exact)
{
    json_bool("exact", exact);
    json_number("groups", pxds_stats_group_count(stats));
    json_number("snapshots", pxds_stats_snapshot_count(stats));
    json_described("described", &total->described);
    json_described("others", &total->others);
    json_sum("used", &total->used, exact);
    json_sum("shared", &total->shared, exact);
    json_sum("across_groups", &total->across_groups, exact);
    json_factors(&total->described, &total->used, exact);
    json_sizes("sizes", total->sizes);
    json_sizes("size_bytes", total->size_bytes);
    if (exact) {
        json_number("unreferenced_chunks", total->unreferenced_chunks);
        json_number("unreferenced_bytes", total->unreferenced_bytes);
        json_number("broken_files", total->broken_files);
        json_number("broken_bytes", total->broken_bytes);
    }
}

void json_stats_group(const pxds_stats_group *group, bool exact)
{
    json_text("group", group->path);
    json_number("snapshots", group->snapshots);
    if (group->snapshots > 0) {
        json_time("oldest_time", group->oldest);
        json_time("newest_time", group->newest);
    } else {
        json_no_time("oldest_time");
        json_no_time("newest_time");
    }
    json_described("described", &group->described);
    json_sum("used", &group->used, exact);
    json_sum("own", &group->own, exact);
    json_factors(&group->described, &group->used, exact);
}

void json_stats_snapshot(const pxds_stats_snapshot *row, bool exact)
{
    json_snapshot(row->path);
    json_bool("finished", (row->flags & PXDS_SNAPSHOT_FINISHED) != 0);
    json_bool("protected", (row->flags & PXDS_SNAPSHOT_PROTECTED) != 0);
    json_described("described", &row->described);
    json_sum("used", &row->used, exact);
    json_sum("own", &row->own, exact);
    json_sum("new", &row->new_data, exact);
    json_factors(&row->described, &row->used, exact);
    json_sizes("sizes", row->sizes);
}

static void json_stats(const pxds_stats *stats, const pxds_stats_total *total, bool exact)
{
    pxds_stats_group group = PXDS_STATS_GROUP_INIT;
    pxds_stats_snapshot row = PXDS_STATS_SNAPSHOT_INIT;

    json_begin();
    json_text("kind", "store");
    json_stats_total(stats, total, exact);
    json_end();
    for (size_t i = 0; pxds_stats_get_group(stats, i, &group, NULL) == PXDS_OK; i++) {
        json_begin();
        json_text("kind", "group");
        json_stats_group(&group, exact);
        json_end();
    }
    for (size_t i = 0; pxds_stats_get_snapshot(stats, i, &row, NULL) == PXDS_OK; i++) {
        json_begin();
        json_text("kind", "snapshot");
        json_stats_snapshot(&row, exact);
        json_end();
    }
}

/* ---- stat ---- */

static void line_of_bytes(const char *name, uint64_t bytes)
{
    char text[SIZE_TEXT_MAX];

    printf("%-20s %s (%" PRIu64 " bytes)", name, size_text(bytes, text), bytes);
}

static void line_of_chunks(const char *name, uint64_t chunks, uint64_t bytes)
{
    line_of_bytes(name, bytes);
    printf(" in %" PRIu64 " chunk%s\n", chunks, plural(chunks, "s"));
}

static void print_sizes(const uint64_t *sizes, const uint64_t *bytes)
{
    char from[SIZE_TEXT_MAX], size[SIZE_TEXT_MAX];
    bool any = false;

    for (int i = 0; i < PXDS_STATS_SIZE_CLASSES; i++) {
        if (sizes[i] == 0)
            continue;
        if (!any)
            printf("\n%12s  %12s  %12s\n", "CHUNKS FROM", "COUNT", "DATA");
        any = true;
        printf("%12s  %12" PRIu64 "  %12s\n", size_text(i > 0 ? UINT64_C(1) << i : 0, from),
               sizes[i], size_text(bytes[i], size));
    }
}

static void print_total(const pxds_stats *stats, const pxds_stats_total *total, bool exact)
{
    const pxds_stats_described *all = &total->described;

    printf("%-20s %zu in %zu group%s\n", "snapshots:", pxds_stats_snapshot_count(stats),
           pxds_stats_group_count(stats), plural(pxds_stats_group_count(stats), "s"));
    line_of_bytes("logical size:", all->logical_bytes);
    printf(" in %" PRIu64 " index%s\n", all->indexes, plural(all->indexes, "es"));
    if (total->others.indexes > 0) {
        line_of_bytes("  in no snapshot:", total->others.logical_bytes);
        printf(" in %" PRIu64 " index%s\n", total->others.indexes,
               plural(total->others.indexes, "es"));
    }
    line_of_bytes("blobs:", all->blob_bytes);
    printf(" in %" PRIu64 " file%s\n", all->blobs, plural(all->blobs, "s"));
    line_of_chunks("deduplicated:", total->used.chunks, total->used.bytes);
    line_of_chunks("  shared:", total->shared.chunks, total->shared.bytes);
    line_of_chunks("  between groups:", total->across_groups.chunks, total->across_groups.bytes);
    printf("%-20s %.2f\n", "sharing factor:", sharing_factor(all, &total->used));
    if (exact) {
        line_of_chunks("stored:", total->used.chunks - total->used.missing_chunks,
                       total->used.stored_bytes);
        printf("%-20s %.2f\n", "compression ratio:", compression_ratio(&total->used));
        printf("%-20s %.2f\n", "dedup factor:",
               pxds_dedup_factor(all->logical_bytes, total->used.stored_bytes));
        line_of_chunks("unreferenced:", total->unreferenced_chunks, total->unreferenced_bytes);
        line_of_chunks("missing:", total->used.missing_chunks, total->used.missing_bytes);
        line_of_bytes("broken:", total->broken_bytes);
        printf(" in %" PRIu64 " file%s\n", total->broken_files, plural(total->broken_files, "s"));
    }
    if (all->unreadable > 0)
        printf("%-20s %" PRIu64 " %s\n", "not readable:", all->unreadable,
               all->unreadable == 1 ? "index or directory" : "indexes or directories");
    if (total->flags & PXDS_RESULT_INCOMPLETE)
        puts("not complete:        something could not be seen or read, and is in no number");
    print_sizes(total->sizes, total->size_bytes);
}

static const char *age_text(int64_t seconds, char *text)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;

    while (i < 3 && seconds < 2 * units[i].seconds)
        i++;
    snprintf(text, SIZE_TEXT_MAX, "%" PRId64 "%c", seconds / units[i].seconds, units[i].letter);
    return text;
}

static void print_snapshots(const pxds_stats *stats, bool exact, int64_t now)
{
    pxds_stats_snapshot row = PXDS_STATS_SNAPSHOT_INIT;
    char text[SIZE_TEXT_MAX];
    int width = (int)strlen("SNAPSHOT");

    for (size_t i = 0; pxds_stats_get_snapshot(stats, i, &row, NULL) == PXDS_OK; i++)
        if ((int)strlen(row.path) > width)
            width = (int)strlen(row.path);
    for (size_t i = 0; pxds_stats_get_snapshot(stats, i, &row, NULL) == PXDS_OK; i++) {
        if (i == 0)
            printf("\n%-*s  %6s  %10s  %10s  %10s  %10s%s\n", width, "SNAPSHOT", "AGE", "LOGICAL",
                   "CHUNKS", "NEW", "OWN", exact ? "      STORED  MISSING" : "");
        printf("%-*s  %6s", width, row.path, age_text(now - row.time, text));
        printf("  %10s", size_text(row.described.logical_bytes, text));
        printf("  %10s", size_text(row.used.bytes, text));
        printf("  %10s", size_text(row.new_data.bytes, text));
        printf("  %10s", size_text(row.own.bytes, text));
        if (exact)
            printf("  %10s  %7" PRIu64, size_text(row.used.stored_bytes, text),
                   row.used.missing_chunks);
        putchar('\n');
    }
}

int cmd_stat(const struct args *args)
{
    const bool exact = args->option[OPT_EXACT].given;
    pxds_stats_total total = PXDS_STATS_TOTAL_INIT;
    pxds_store *store = open_tree(args, false);
    pxds_stats *stats = store != NULL ? collect_stats(store, exact) : NULL;

    pxds_store_free(store);
    if (stats == NULL)
        return 1;
    pxds_stats_get_total(stats, &total, NULL);
    if (args->option[OPT_JSON].given) {
        json_stats(stats, &total, exact);
    } else {
        print_total(stats, &total, exact);
        print_snapshots(stats, exact, (int64_t)time(NULL));
    }
    pxds_stats_free(stats);
    if (total.flags & PXDS_RESULT_INCOMPLETE)
        return EXIT_INCOMPLETE;
    if (total.used.missing_chunks == 0)
        return 0;
    json_is_whole(); /* what is missing has been told too */
    return EXIT_INCOMPLETE;
}
