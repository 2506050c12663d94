/* The command that counts: stat. The numbers of the report are counted here too. */
#include "tool.h"

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    static const char *const units[] = {
        [PXDS_STATS_PHASE_FIND] = "directories",
        [PXDS_STATS_PHASE_CHUNKS] = "chunk files",
        [PXDS_STATS_PHASE_INDEXES] = "indexes",
    };

    (void)user;
    if (progress->phase >= sizeof units / sizeof units[0])
        return stop_signal();
    if (progress->total > 0)
        draw_line("%" PRIu64 " of %" PRIu64 " %s", progress->done, progress->total,
                  units[progress->phase]);
    else
        draw_line("%" PRIu64 " %s", progress->done, units[progress->phase]);
    return stop_signal();
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

/* ---- stat --json ---- */

static void json_described(const char *name, const pxds_stats_described *described)
{
    printf(",\"%s\":{\"indexes\":%" PRIu64 ",\"logical_size\":%" PRIu64 ",\"references\":%" PRIu64
           ",\"blobs\":%" PRIu64 ",\"blob_size\":%" PRIu64 ",\"unreadable\":%" PRIu64 "}",
           name, described->indexes, described->logical_bytes, described->references,
           described->blobs, described->blob_bytes, described->unreadable);
}

static void json_sum(const char *name, const pxds_stats_sum *sum, bool exact)
{
    printf(",\"%s\":{\"chunks\":%" PRIu64 ",\"size\":%" PRIu64, name, sum->chunks, sum->bytes);
    if (exact)
        printf(",\"stored_size\":%" PRIu64 ",\"missing_chunks\":%" PRIu64
               ",\"missing_size\":%" PRIu64,
               sum->stored_bytes, sum->missing_chunks, sum->missing_bytes);
    putchar('}');
}

static void json_sizes(const char *name, const uint64_t *sizes)
{
    printf(",\"%s\":[", name);
    for (int i = 0; i < PXDS_STATS_SIZE_CLASSES; i++)
        printf("%s%" PRIu64, i > 0 ? "," : "", sizes[i]);
    putchar(']');
}

static void json_factors(const pxds_stats_described *described, const pxds_stats_sum *used,
                         bool exact)
{
    printf(",\"sharing_factor\":%.4f", sharing_factor(described, used));
    if (exact)
        printf(",\"compression_ratio\":%.4f,\"dedup_factor\":%.4f", compression_ratio(used),
               pxds_dedup_factor(described->logical_bytes, used->stored_bytes));
}

static void json_total(const pxds_stats *stats, const pxds_stats_total *total, bool exact)
{
    printf("{\"kind\":\"store\",\"exact\":%s,\"complete\":%s,\"groups\":%zu,\"snapshots\":%zu",
           exact ? "true" : "false", total->flags & PXDS_RESULT_INCOMPLETE ? "false" : "true",
           pxds_stats_group_count(stats), pxds_stats_snapshot_count(stats));
    json_described("described", &total->described);
    json_described("others", &total->others);
    json_sum("used", &total->used, exact);
    json_sum("shared", &total->shared, exact);
    json_sum("across_groups", &total->across_groups, exact);
    json_factors(&total->described, &total->used, exact);
    json_sizes("sizes", total->sizes);
    json_sizes("size_bytes", total->size_bytes);
    if (exact)
        printf(",\"unreferenced_chunks\":%" PRIu64 ",\"unreferenced_size\":%" PRIu64
               ",\"broken_files\":%" PRIu64 ",\"broken_size\":%" PRIu64,
               total->unreferenced_chunks, total->unreferenced_bytes, total->broken_files,
               total->broken_bytes);
    fputs("}\n", stdout);
}

/* Paths need no escapes. */
static void json_rows(const pxds_stats *stats, bool exact, int64_t now)
{
    pxds_stats_group group = PXDS_STATS_GROUP_INIT;
    pxds_stats_snapshot row = PXDS_STATS_SNAPSHOT_INIT;

    for (size_t i = 0; pxds_stats_get_group(stats, i, &group, NULL) == PXDS_OK; i++) {
        printf("{\"kind\":\"group\",\"group\":\"%s\",\"snapshots\":%" PRIu64, group.path,
               group.snapshots);
        if (group.snapshots > 0)
            printf(",\"oldest\":%" PRId64 ",\"newest\":%" PRId64, group.oldest, group.newest);
        json_described("described", &group.described);
        json_sum("used", &group.used, exact);
        json_sum("own", &group.own, exact);
        json_factors(&group.described, &group.used, exact);
        fputs("}\n", stdout);
    }
    for (size_t i = 0; pxds_stats_get_snapshot(stats, i, &row, NULL) == PXDS_OK; i++) {
        printf("{\"kind\":\"snapshot\",\"snapshot\":\"%s\",\"time\":%" PRId64 ",\"age\":%" PRId64
               ",\"finished\":%s,\"protected\":%s",
               row.path, row.time, now - row.time,
               row.flags & PXDS_SNAPSHOT_FINISHED ? "true" : "false",
               row.flags & PXDS_SNAPSHOT_PROTECTED ? "true" : "false");
        json_described("described", &row.described);
        json_sum("used", &row.used, exact);
        json_sum("own", &row.own, exact);
        json_sum("new", &row.new_data, exact);
        json_factors(&row.described, &row.used, exact);
        json_sizes("sizes", row.sizes);
        fputs("}\n", stdout);
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
    const int64_t now = (int64_t)time(NULL);
    pxds_stats_total total = PXDS_STATS_TOTAL_INIT;
    pxds_store *store = open_tree(args);
    pxds_stats *stats = store != NULL ? collect_stats(store, exact) : NULL;

    pxds_store_free(store);
    if (stats == NULL)
        return 1;
    pxds_stats_get_total(stats, &total, NULL);
    if (args->option[OPT_JSON].given) {
        json_total(stats, &total, exact);
        json_rows(stats, exact, now);
    } else {
        print_total(stats, &total, exact);
        print_snapshots(stats, exact, now);
    }
    pxds_stats_free(stats);
    return total.flags & PXDS_RESULT_INCOMPLETE ? EXIT_INCOMPLETE : 0;
}
