/* The charts of `pxds report` that have groups for rows. Lengths are pixels of a picture 960 wide. */
#include "report.h"

enum {
    WIDTH = 960,
    LABEL = 280, /* where the names of groups end */
    NAME_MAX_CHARS = 38,
    ROW = 26,
    MATRIX_MAX = 16,
    CELL = 42,
    VERIFY_MAX = 24,
    BAR = 430 /* the longest */
};

const char *const verify_names[VERIFY_COUNT] = {"verified", "failed", "never verified", "not finished",
                                                "manifest not readable"};

static const char *const verify_classes[VERIFY_COUNT] = {"ok", "failed", "never", "unfinished",
                                                         "unreadable"};

static void put_name(struct page *out, const char *name, int x, int y)
{
    putf(out, "<text class=\"end mono\" x=\"%d\" y=\"%d\"><title>", x, y);
    put_text(out, name, 1000);
    put(out, "</title>");
    put_short(out, name, NAME_MAX_CHARS);
    put(out, "</text>\n");
}

/* A size in four characters or five, such as 37M. */
static void put_small_size(struct page *out, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    double size = (double)bytes;
    int unit = 0;

    for (; size >= 999.5; unit++)
        size /= 1024;
    putf(out, "%.*f%c", unit > 0 && size < 9.95 ? 1 : 0, size, units[unit]);
}

/* ---- what groups share ---- */

static void put_cell(struct page *out, const struct report_group *row, const struct report_group *column,
                     uint64_t shared, int x, int y)
{
    const uint64_t a = row->row.used.bytes, b = column->row.used.bytes;
    const double part = row == column ? 0 : percent(shared, a < b ? a : b) / 100;

    put(out, "<g><title>");
    put_text(out, row->row.path, 1000);
    if (row != column) {
        put(out, " and ");
        put_text(out, column->row.path, 1000);
        put(out, " share ");
    } else {
        put(out, ": ");
    }
    put_size(out, shared);
    putf(out, "</title><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"",
         row == column ? "self" : "cell", x + 1, y + 1, CELL - 2, ROW - 2);
    if (row != column)
        putf(out, " fill-opacity=\"%.2f\"", part > 0 ? 0.08 + 0.72 * part : 0);
    putf(out, "/><text class=\"middle small\" x=\"%d\" y=\"%d\">", x + CELL / 2, y + 17);
    if (shared > 0)
        put_small_size(out, shared);
    else
        put(out, "-");
    put(out, "</text></g>\n");
}

void draw_matrix(struct page *out, const struct report *report)
{
    const struct report_group *shown[MATRIX_MAX];
    size_t count = 0;
    uint64_t shared;

    for (size_t i = 0; i < report->group_count && count < MATRIX_MAX; i++) {
        const size_t number = report->groups[i].number;

        if (pxds_stats_get_shared(report->stats, number, number, &shared, NULL) == PXDS_OK)
            shown[count++] = &report->groups[i];
    }
    putf(out, "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"Data that groups share\">\n",
         WIDTH, ROW * (count + 1) + 4);
    for (size_t i = 0; i < count; i++) {
        const int y = (int)(ROW * (i + 1));

        put_name(out, shown[i]->row.path, LABEL - 24, y + 17);
        putf(out, "<text class=\"end dim\" x=\"%d\" y=\"%d\">%zu</text>", LABEL - 4, y + 17, i + 1);
        putf(out, "<text class=\"middle dim\" x=\"%zu\" y=\"17\">%zu</text>\n",
             LABEL + CELL * i + CELL / 2, i + 1);
        for (size_t k = 0; k < count; k++) {
            pxds_stats_get_shared(report->stats, shown[i]->number, shown[k]->number, &shared, NULL);
            put_cell(out, shown[i], shown[k], shared, (int)(LABEL + CELL * k), y);
        }
    }
    put(out, "</svg>\n");
    if (count < report->group_count)
        putf(out, "<p class=\"note\">The %zu groups with the most data, of %zu.</p>\n", count,
             report->group_count);
}

/* ---- what has been verified ---- */

static uint64_t count_of(const uint64_t *verify)
{
    uint64_t count = 0;

    for (int i = 0; i < VERIFY_COUNT; i++)
        count += verify[i];
    return count;
}

static void put_verify_bar(struct page *out, const uint64_t *verify, uint64_t most, int y)
{
    double x = LABEL;
    bool any = false;

    put(out, "<g><title>");
    for (int i = 0; i < VERIFY_COUNT; i++) {
        if (verify[i] == 0)
            continue;
        putf(out, "%s%" PRIu64 " %s", any ? ", " : "", verify[i], verify_names[i]);
        any = true;
    }
    put(out, "</title>");
    for (int i = 0; i < VERIFY_COUNT; i++) {
        const double width = BAR * (double)verify[i] / (double)(most > 0 ? most : 1);

        if (verify[i] > 0)
            putf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                 verify_classes[i], x, y + 4, width, ROW - 8);
        x += width;
    }
    putf(out, "</g><text x=\"%.1f\" y=\"%d\">%" PRIu64 "</text>", x + 8, y + 17,
         count_of(verify));
    if (verify[VERIFY_FAILED] > 0)
        putf(out, "<text class=\"alarm\" x=\"%.1f\" y=\"%d\">%" PRIu64 " failed</text>", x + 56,
             y + 17, verify[VERIFY_FAILED]);
    put(out, "\n");
}

void draw_verify(struct page *out, const struct report *report)
{
    const size_t shown = report->group_count <= VERIFY_MAX ? report->group_count : VERIFY_MAX - 1;
    const bool others = shown < report->group_count;
    uint64_t rest[VERIFY_COUNT] = {0}, most = 0;
    double x = LABEL;

    for (size_t i = 0; i < report->group_count; i++) {
        const uint64_t *verify = report->groups[i].verify;

        for (int k = 0; i >= shown && k < VERIFY_COUNT; k++)
            rest[k] += verify[k];
        if (i < shown && count_of(verify) > most)
            most = count_of(verify);
    }
    if (count_of(rest) > most)
        most = count_of(rest);
    putf(out, "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"Verification\">\n", WIDTH,
         ROW * (shown + (others ? 2 : 1)) + 8);
    for (int i = 0; i < VERIFY_COUNT; i++) {
        if (report->verify[i] == 0)
            continue;
        putf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"7\" width=\"11\" height=\"11\" rx=\"2\"/>",
             verify_classes[i], x);
        putf(out, "<text x=\"%.1f\" y=\"17\">%s</text>\n", x + 16, verify_names[i]);
        x += 34 + 7.2 * (double)strlen(verify_names[i]);
    }
    for (size_t i = 0; i < shown; i++) {
        const int y = (int)(ROW * (i + 1));

        put_name(out, report->groups[i].row.path, LABEL - 8, y + 17);
        put_verify_bar(out, report->groups[i].verify, most, y);
    }
    if (others) {
        char name[64];

        snprintf(name, sizeof name, "%zu other groups", report->group_count - shown);
        put_name(out, name, LABEL - 8, (int)(ROW * (shown + 1)) + 17);
        put_verify_bar(out, rest, most, (int)(ROW * (shown + 1)));
    }
    put(out, "</svg>\n");
}
