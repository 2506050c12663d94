/* The command that draws a page about a store: report. The pictures are in chart.c and grid.c. */
#include "report.h"

enum {
    TABLE_MAX = 500, /* rows of a table */
    NOTES_MAX = 80,  /* characters */
    ERROR_MAX = 400
};

/* ---- what the page is made of ---- */

static int by_time(const void *a, const void *b)
{
    const pxds_stats_snapshot *left = &((const struct report_snapshot *)a)->row;
    const pxds_stats_snapshot *right = &((const struct report_snapshot *)b)->row;

    if (left->time != right->time)
        return left->time < right->time ? -1 : 1;
    return strcmp(left->path, right->path);
}

static int by_data(const void *a, const void *b)
{
    const struct report_group *left = a, *right = b;

    if (left->row.used.bytes != right->row.used.bytes)
        return left->row.used.bytes > right->row.used.bytes ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static char *first_line(const char *text, size_t len)
{
    const char *end = memchr(text, '\n', len);
    const size_t used = end != NULL ? (size_t)(end - text) : len;
    char *line = malloc(used + 1);

    if (line != NULL) {
        memcpy(line, text, used);
        line[used] = '\0';
    }
    return line;
}

/* What the manifest says. One that cannot be read is no failure, since the page says so; but that
 * there is no memory says nothing about a manifest. */
static int load_manifest(const pxds_store *store, struct report_snapshot *snapshot)
{
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    pxds_manifest *manifest = NULL;
    pxds_buffer *notes = NULL;
    pxds_error *err = NULL;
    bool has_memory = true;

    if ((snapshot->row.flags & PXDS_SNAPSHOT_FINISHED) == 0) {
        snapshot->verify = VERIFY_UNFINISHED;
    } else if (pxds_manifest_load(store, snapshot->row.path, &manifest, &err) < 0 ||
               pxds_manifest_get_info(manifest, &info, &err) < 0 ||
               pxds_manifest_get_notes(manifest, &notes, &err) < 0) {
        const char *why = pxds_error_message(err);

        has_memory = err != NULL && pxds_error_status(err) != PXDS_ERR_NOMEM;
        snapshot->verify = VERIFY_UNREADABLE;
        if (has_memory)
            has_memory = (snapshot->title = first_line(why, strlen(why))) != NULL;
    } else {
        snapshot->verify = info.verify_state == PXDS_VERIFIED_OK       ? VERIFY_OK
                           : info.verify_state == PXDS_VERIFIED_FAILED ? VERIFY_FAILED
                                                                           : VERIFY_NONE;
        if (notes != NULL) {
            snapshot->title = first_line((const char *)pxds_buffer_data(notes),
                                         pxds_buffer_len(notes));
            has_memory = snapshot->title != NULL;
        }
    }
    pxds_buffer_free(notes);
    pxds_manifest_free(manifest);
    pxds_error_free(err);
    return has_memory ? 0 : fail(NULL);
}

/* To be freed with free_report(), whatever it gives. */
static int load_report(const pxds_store *store, struct report *report)
{
    report->store = pxds_store_path(store);
    report->total = (pxds_stats_total)PXDS_STATS_TOTAL_INIT;
    pxds_stats_get_total(report->stats, &report->total, NULL);
    report->snapshot_count = pxds_stats_snapshot_count(report->stats);
    report->group_count = pxds_stats_group_count(report->stats);
    /* One more: of nothing at all NULL might be given. */
    report->snapshots = calloc(report->snapshot_count + 1, sizeof *report->snapshots);
    report->groups = calloc(report->group_count + 1, sizeof *report->groups);
    if (report->snapshots == NULL || report->groups == NULL)
        return fail(NULL);
    for (size_t i = 0; i < report->group_count; i++) {
        struct report_group *group = &report->groups[i];

        group->row = (pxds_stats_group)PXDS_STATS_GROUP_INIT;
        group->number = i;
        pxds_stats_get_group(report->stats, i, &group->row, NULL);
    }
    for (size_t i = 0; i < report->snapshot_count; i++) {
        struct report_snapshot *snapshot = &report->snapshots[i];

        snapshot->row = (pxds_stats_snapshot)PXDS_STATS_SNAPSHOT_INIT;
        pxds_stats_get_snapshot(report->stats, i, &snapshot->row, NULL);
        if (load_manifest(store, snapshot) != 0)
            return 1;
        report->verify[snapshot->verify]++;
        report->groups[snapshot->row.group].verify[snapshot->verify]++;
    }
    qsort(report->snapshots, report->snapshot_count, sizeof *report->snapshots, by_time);
    qsort(report->groups, report->group_count, sizeof *report->groups, by_data);
    return 0;
}

static void free_report(struct report *report)
{
    for (size_t i = 0; report->snapshots != NULL && i < report->snapshot_count; i++)
        free(report->snapshots[i].title);
    free(report->snapshots);
    free(report->groups);
}

/* ---- the page ---- */

/* No script runs and nothing is fetched, whatever a name might manage to smuggle in. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
    "<meta name=\"color-scheme\" content=\"light dark\"/>\n";

static const char style[] =
    "<style>\n"
    ":root { --page: #f6f7f9; --card: #fff; --text: #1c2330; --dim: #5d6778; --grid: #e3e7ed;\n"
    "  --axis: #9aa4b2; --blue: #3b6fd4; --orange: #e08a1e; --green: #2a9d6f; --red: #d23f3f;\n"
    "  --grey: #b4bdc9; --violet: #8b62c9; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #12161d; --card: #1b212b;\n"
    "  --text: #e4e8ee; --dim: #98a3b3; --grid: #2b3340; --axis: #56616f; --blue: #6d9bf0;\n"
    "  --orange: #eda54a; --green: #4cc28f; --red: #f06a6a; --grey: #586374; --violet: #b08ae8; } }\n"
    "body { margin: 0; background: var(--page); color: var(--text);\n"
    "  font: 15px/1.45 system-ui, sans-serif; }\n"
    "main { max-width: 1040px; margin: 0 auto; padding: 24px 20px 48px; }\n"
    "h1 { font-size: 22px; margin: 0; overflow-wrap: anywhere; }\n"
    "h2 { font-size: 16px; margin: 0 0 2px; }\n"
    "section { background: var(--card); border: 1px solid var(--grid); border-radius: 8px;\n"
    "  padding: 16px 18px; margin-top: 16px; }\n"
    ".note { color: var(--dim); margin: 0 0 10px; font-size: 13.5px; }\n"
    ".tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px;\n"
    "  margin: 16px 0 0; }\n"
    ".tiles div { background: var(--card); border: 1px solid var(--grid); border-radius: 8px;\n"
    "  padding: 10px 14px; }\n"
    ".tiles dt { color: var(--dim); font-size: 13px; }\n"
    ".tiles dd { margin: 0; font-size: 20px; font-weight: 600; }\n"
    ".tiles small { display: block; color: var(--dim); font-size: 12px; font-weight: 400; }\n"
    ".alarms { border-left: 4px solid var(--red); }\n"
    ".alarms ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }\n"
    ".wide { overflow-x: auto; }\n"
    "table { border-collapse: collapse; width: 100%; font-size: 13px;\n"
    "  font-variant-numeric: tabular-nums; }\n"
    "th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid var(--grid);\n"
    "  white-space: nowrap; }\n"
    "th { color: var(--dim); font-weight: 500; }\n"
    "th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 160px;\n"
    "  overflow-wrap: anywhere; }\n"
    "th.words, td.words { text-align: left; white-space: normal; overflow-wrap: anywhere;\n"
    "  min-width: 90px; }\n"
    "td.alarm { color: var(--red); }\n"
    "summary { cursor: pointer; font-weight: 600; }\n"
    "svg { display: block; width: 100%; min-width: 680px; height: auto; }\n"
    "svg text { fill: var(--text); font: 12px system-ui, sans-serif; }\n"
    "svg text.title, svg text.dim { fill: var(--dim); }\n"
    "svg text.end { text-anchor: end; } svg text.middle { text-anchor: middle; }\n"
    "svg text.mono { font-family: ui-monospace, monospace; font-size: 11px; }\n"
    "svg text.small { font-size: 11px; } svg text.alarm { fill: var(--red); }\n"
    ".grid { stroke: var(--grid); } .axis { stroke: var(--axis); }\n"
    ".line { fill: none; stroke-width: 2; stroke-linejoin: round; }\n"
    ".logical { fill: var(--blue); stroke: var(--blue); }\n"
    ".deduplicated { fill: var(--orange); stroke: var(--orange); }\n"
    ".stored { fill: var(--green); stroke: var(--green); }\n"
    "path.line { fill: none; }\n"
    ".new { fill: var(--orange); } .reused { fill: var(--blue); fill-opacity: 0.55; }\n"
    ".count { fill: var(--violet); } .data { fill: var(--blue); }\n"
    ".cell { fill: var(--blue); stroke: var(--grid); } .self { fill: var(--grid); }\n"
    ".ok { fill: var(--green); } .failed { fill: var(--red); } .never { fill: var(--grey); }\n"
    ".unfinished { fill: var(--violet); } .unreadable { fill: var(--orange); }\n"
    "@media print { svg { min-width: 0; } section { break-inside: avoid; } }\n"
    "</style>\n";

static void open_tile(struct page *out, const char *name)
{
    putf(out, "<div><dt>%s</dt><dd>", name);
}

static void LIKE_PRINTF(2, 3) close_tile(struct page *out, const char *format, ...)
{
    va_list values;

    put(out, "<small>");
    va_start(values, format);
    vputf(out, format, values);
    va_end(values);
    put(out, "</small></dd></div>\n");
}

static void put_tiles(struct page *out, const struct report *report)
{
    const pxds_stats_total *total = &report->total;
    const pxds_stats_sum *used = &total->used;

    put(out, "<dl class=\"tiles\">\n");
    open_tile(out, "Snapshots");
    putf(out, "%zu", report->snapshot_count);
    close_tile(out, "in %zu group%s", report->group_count, plural(report->group_count, "s"));
    open_tile(out, "Logical size");
    put_size(out, total->described.logical_bytes);
    close_tile(out, "in %" PRIu64 " index%s", total->described.indexes,
               plural(total->described.indexes, "es"));
    open_tile(out, "Deduplicated");
    put_size(out, used->bytes);
    close_tile(out, "%.2f : 1 in %" PRIu64 " chunk%s", sharing_factor(&total->described, used),
               used->chunks, plural(used->chunks, "s"));
    if (report->exact) {
        open_tile(out, "Stored");
        put_size(out, used->stored_bytes);
        close_tile(out, "compressed %.2f : 1; dedup factor %.2f", compression_ratio(used),
                   pxds_dedup_factor(total->described.logical_bytes, used->stored_bytes));
        open_tile(out, "Unreferenced");
        put_size(out, total->unreferenced_bytes);
        close_tile(out, "%" PRIu64 " chunk%s", total->unreferenced_chunks,
                   plural(total->unreferenced_chunks, "s"));
    }
    open_tile(out, "Verified");
    putf(out, "%" PRIu64, report->verify[VERIFY_OK]);
    close_tile(out, "of %zu snapshot%s", report->snapshot_count,
               plural(report->snapshot_count, "s"));
    put(out, "</dl>\n");
}

static void put_alarm(struct page *out, uint64_t count, const char *what)
{
    if (count > 0)
        putf(out, "<li>%" PRIu64 " %s</li>\n", count, what);
}

static bool is_incomplete(const struct report *report)
{
    return (report->total.flags & PXDS_RESULT_INCOMPLETE) != 0;
}

static void put_alarms(struct page *out, const struct report *report)
{
    const pxds_stats_total *total = &report->total;
    const uint64_t failed = report->verify[VERIFY_FAILED], bad = report->verify[VERIFY_UNREADABLE];

    if (total->used.missing_chunks + total->described.unreadable + total->broken_files + failed +
                bad == 0 && !is_incomplete(report))
        return;
    put(out, "<section class=\"alarms\">\n<h2>What is not in order</h2>\n<ul>\n");
    put_alarm(out, total->used.missing_chunks, "missing: chunks that indexes name and the store lacks");
    put_alarm(out, total->broken_files, "broken: files in the place of chunks that are too short, or set aside as bad");
    put_alarm(out, total->described.unreadable,
              "not readable: indexes or directories that no number here counts; what only they name is "
              "among what is unreferenced");
    if (is_incomplete(report))
        put(out, "<li>not complete: something could not be seen or read, and is in no number here</li>\n");
    put_alarm(out, failed, "failed: snapshots, when they were verified last");
    put_alarm(out, bad, "without a manifest that can be read: snapshots that have one");
    put(out, "</ul>\n</section>\n");
}

static void put_cell(struct page *out, uint64_t bytes)
{
    put(out, "<td>");
    put_size(out, bytes);
    put(out, "</td>");
}

static void open_table(struct page *out, const char *name, size_t count, bool exact)
{
    putf(out, "<section><details>\n<summary>%s (%zu)</summary>\n<div class=\"wide\"><table>\n<tr>"
         "<th>%s</th><th>Logical</th><th>Distinct</th>", name, count, name);
    if (exact)
        put(out, "<th>Stored</th><th>Missing</th>");
}

static void put_sums(struct page *out, const pxds_stats_described *described, const pxds_stats_sum *used,
                     bool exact)
{
    put_cell(out, described->logical_bytes);
    put_cell(out, used->bytes);
    if (exact) {
        put_cell(out, used->stored_bytes);
        putf(out, "<td>%" PRIu64 "</td>", used->missing_chunks);
    }
}

static void close_table(struct page *out, size_t shown, size_t count, const char *which)
{
    put(out, "</table></div>\n");
    if (shown < count)
        putf(out, "<p class=\"note\">The %zu %s, of %zu.</p>\n", shown, which, count);
    put(out, "</details></section>\n");
}

static void put_groups(struct page *out, const struct report *report)
{
    const size_t shown = report->group_count < TABLE_MAX ? report->group_count : TABLE_MAX;

    open_table(out, "Groups", report->group_count, report->exact);
    put(out, "<th>Theirs alone</th><th>Snapshots</th><th>Sharing</th><th>Oldest</th><th>Newest</th></tr>\n");
    for (size_t i = 0; i < shown; i++) {
        const pxds_stats_group *row = &report->groups[i].row;

        put(out, "<tr><td>");
        put_text(out, row->path, 1000);
        put(out, "</td>");
        put_sums(out, &row->described, &row->used, report->exact);
        put_cell(out, row->own.bytes);
        putf(out, "<td>%" PRIu64 "</td><td>%.2f</td><td>", row->snapshots,
             sharing_factor(&row->described, &row->used));
        if (row->snapshots > 0)
            put_date(out, row->oldest, "%Y-%m-%d");
        put(out, "</td><td>");
        if (row->snapshots > 0)
            put_date(out, row->newest, "%Y-%m-%d");
        put(out, "</td></tr>\n");
    }
    close_table(out, shown, report->group_count, "with the most data");
}

static bool is_alarming(enum verify verify)
{
    return verify == VERIFY_FAILED || verify == VERIFY_UNREADABLE;
}

static void put_snapshots(struct page *out, const struct report *report)
{
    const size_t count = report->snapshot_count, shown = count < TABLE_MAX ? count : TABLE_MAX;

    open_table(out, "Snapshots", count, report->exact);
    put(out, "<th>New</th><th>Its alone</th><th class=\"words\">Verified</th>"
        "<th class=\"words\">Notes</th></tr>\n");
    for (size_t i = 0; i < shown; i++) {
        const struct report_snapshot *snapshot = &report->snapshots[count - 1 - i];
        const pxds_stats_snapshot *row = &snapshot->row;

        put(out, "<tr><td>");
        put_text(out, row->path, 1000);
        put(out, "</td>");
        put_sums(out, &row->described, &row->used, report->exact);
        put_cell(out, row->new_data.bytes);
        put_cell(out, row->own.bytes);
        putf(out, "<td class=\"words%s\">%s</td><td class=\"words\"><bdi>",
             is_alarming(snapshot->verify) ? " alarm" : "", verify_names[snapshot->verify]);
        if (snapshot->title != NULL)
            put_text(out, snapshot->title,
                     snapshot->verify == VERIFY_UNREADABLE ? ERROR_MAX : NOTES_MAX);
        put(out, "</bdi></td></tr>\n");
    }
    close_table(out, shown, count, "newest");
}

static void put_chart(struct page *out, const struct report *report, const char *title, const char *note,
                      void (*draw)(struct page *out, const struct report *report))
{
    putf(out, "<section>\n<h2>%s</h2>\n<p class=\"note\">%s</p>\n<div class=\"wide\">\n", title, note);
    draw(out, report);
    put(out, "</div>\n</section>\n");
}

static void put_charts(struct page *out, const struct report *report)
{
    put_chart(out, report, "Size over time",
              report->exact
                  ? "What the snapshots that are there now describe, what is left of it without "
                    "duplicates, and what that takes on the disk; summed up to each of them."
                  : "What the snapshots that are there now describe, and what is left of it without "
                    "duplicates, before compression; summed up to each of them.",
              draw_growth);
    put_chart(out, report, "New and reused data",
              "New is what no older snapshot of the store has.", draw_snapshots);
    if (report->total.used.chunks > 0)
        put_chart(out, report, "Sizes of chunks", "Of all chunks that indexes name, each once.",
                  draw_sizes);
    if (report->group_count > 1)
        put_chart(out, report, "Shared between groups",
                  "Data that two groups both have; on the diagonal all that a group has. The "
                  "stronger the colour, the more of the smaller one.",
                  draw_matrix);
    put_chart(out, report, "Verification", "What the last verification of each snapshot said.",
              draw_verify);
}

static void put_page(struct page *out, const struct report *report)
{
    put(out, head);
    put(out, "<title>");
    put_text(out, report->store, 1000);
    put(out, "</title>\n");
    put(out, style);
    put(out, "</head>\n<body>\n<main>\n<h1><bdi>");
    put_text(out, report->store, 1000);
    put(out, "</bdi></h1>\n<p class=\"note\">");
    if (report->snapshot_count > 0) {
        put(out, "As of the newest snapshot, ");
        put_date(out, report->snapshots[report->snapshot_count - 1].row.time,
                 "%Y-%m-%d %H:%M:%S UTC");
        put(out, "; the oldest is of ");
        put_date(out, report->snapshots[0].row.time, "%Y-%m-%d");
        put(out, ".");
    } else {
        put(out, "There are no snapshots.");
    }
    putf(out, " By pxds %s.</p>\n", pxds_version());
    put_tiles(out, report);
    put_alarms(out, report);
    if (report->snapshot_count > 0) {
        put_charts(out, report);
        put_groups(out, report);
        put_snapshots(out, report);
    }
    put(out, "</main>\n</body>\n</html>\n");
}

static int write_page(const struct report *report, const char *path)
{
    struct page page = {0};
    int rc;

    put_page(&page, report);
    rc = page.failed ? fail(NULL) : write_output(path, (const uint8_t *)page.data, page.len);
    free(page.data);
    return rc;
}

int cmd_report(const struct args *args)
{
    struct report report = {.exact = !args->option[OPT_FAST].given};
    const char *output = args->option[OPT_OUTPUT].text;
    const bool json = args->option[OPT_JSON].given;
    pxds_stats *stats = NULL;
    pxds_store *store;
    int rc = 0;

    if (output == NULL && !json)
        return usage_error(args->command, "--output is needed, or --json");
    if (output != NULL && check_json_output(args, output) != 0)
        return 2;
    if (output != NULL)
        rc = check_descriptor(output);
    if (rc != 0)
        return rc;
    rc = 1;
    store = open_tree(args, false);
    if (store != NULL)
        stats = collect_stats(store, report.exact);
    report.stats = stats;
    if (stats != NULL)
        rc = load_report(store, &report);
    if (rc == 0 && output != NULL)
        rc = write_page(&report, output);
    if (rc == 0 && json)
        json_report(&report);
    if (rc == 0 && (is_incomplete(&report) || report.verify[VERIFY_UNREADABLE] > 0)) {
        rc = EXIT_INCOMPLETE;
    } else if (rc == 0 && report.total.used.missing_chunks > 0) {
        json_is_whole(); /* what is missing has been told too */
        rc = EXIT_INCOMPLETE;
    }
    free_report(&report);
    pxds_stats_free(stats);
    pxds_store_free(store);
    return rc;
}
