/* The charts of `pxds report` that have axes. All lengths are pixels of a picture 960 wide. */
#include "report.h"

enum {
    WIDTH = 960,
    LEFT = 84, /* the plot is between these */
    RIGHT = 944,
    TOP = 44,
    BOTTOM = 264,
    HEIGHT = 316,
    MOST_BARS = 160 /* of snapshots; more are put together */
};

/* ---- axes ---- */

struct axis {
    bool log;
    bool percent; /* of a whole, not bytes */
    double low, high, step; /* step: of ticks; on a logarithmic axis their quotient */
};

/* The binary logarithm of a number above 0: it would take the library of mathematics. */
static double log_2(double x)
{
    double result = 0, bit = 0.5;

    for (; x >= 2; x /= 2)
        result++;
    for (; x < 1; x *= 2)
        result--;
    for (int i = 0; i < 20; i++, bit /= 2) {
        x *= x;
        if (x >= 2) {
            x /= 2;
            result += bit;
        }
    }
    return result;
}

static double y_of(const struct axis *axis, double value)
{
    double part;

    if (axis->log)
        part = value <= axis->low ? 0 : log_2(value / axis->low) / log_2(axis->high / axis->low);
    else
        part = value / axis->high;
    return BOTTOM - part * (BOTTOM - TOP);
}

/* From 0 to `most` or somewhat more, in six steps at most: of bytes powers of two, else 1, 2, 5, 10... */
static struct axis linear_axis(double most, bool percent)
{
    static const double decimal[] = {2, 2.5, 2};
    struct axis axis = {false, percent, 0, 0, 1};

    for (int i = 0; axis.step * 6 < most; i++)
        axis.step *= percent ? decimal[i % 3] : 2;
    do
        axis.high += axis.step;
    while (axis.high < most);
    return axis;
}

/* From a power of two below `least` to one above `most`, in seven steps at most. */
static struct axis log_axis(double least, double most)
{
    struct axis axis = {true, false, 1, 0, 2};

    while (axis.low * 2 <= least)
        axis.low *= 2;
    while (log_2(most / axis.low) > 7 * log_2(axis.step))
        axis.step *= 2;
    for (axis.high = axis.low; axis.high < most;)
        axis.high *= axis.step;
    return axis;
}

/* A round number of bytes, without needless digits. */
static void put_round_size(struct page *out, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;

    for (; bytes >= 1024 && unit < 6; unit++)
        bytes /= 1024;
    putf(out, "%g %s", bytes, units[unit]);
}

static void draw_y_axis(struct page *out, const struct axis *axis, const char *title)
{
    double tick = axis->low;

    putf(out, "<text class=\"title\" x=\"8\" y=\"16\">%s</text>\n", title);
    while (tick <= axis->high * 1.0001) {
        const double y = y_of(axis, tick);

        putf(out, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
             y > BOTTOM - 0.5 ? "axis" : "grid", LEFT, RIGHT, y, y);
        putf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 8, y + 4);
        if (axis->percent)
            putf(out, "%.0f %%", tick);
        else
            put_round_size(out, tick);
        put(out, "</text>\n");
        tick = axis->log ? tick * axis->step : tick + axis->step;
    }
}

/* How much of a date tells apart what lies so far apart. */
static const char *date_format(int64_t span)
{
    return span > 3 * 365 * 86400 ? "%Y-%m" : span > 4 * 86400 ? "%Y-%m-%d"
           : span > 1200 ? "%m-%d %H:%M" : "%H:%M:%S";
}

static void put_x_label(struct page *out, double x, int64_t time, const char *format)
{
    const double inside = x < LEFT + 30 ? LEFT + 30 : x > RIGHT - 34 ? RIGHT - 34 : x;

    putf(out, "<text class=\"middle\" x=\"%.1f\" y=\"%d\">", inside, BOTTOM + 18);
    put_date(out, time, format);
    put(out, "</text>\n");
}

static void put_x_title(struct page *out, const char *title)
{
    putf(out, "<text class=\"middle dim\" x=\"%d\" y=\"%d\">%s</text>\n", (LEFT + RIGHT) / 2,
         HEIGHT - 10, title);
}

static void begin(struct page *out, const char *title)
{
    putf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT,
         title);
}

/* An entry of the legend, which is in the top right corner, from its right end on. */
static double put_legend(struct page *out, double right, const char *class, const char *name)
{
    const double left = right - 7.2 * (double)strlen(name) - 22;

    putf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"7\" width=\"11\" height=\"11\" rx=\"2\"/>", class,
         left);
    putf(out, "<text x=\"%.1f\" y=\"16\">%s</text>\n", left + 16, name);
    return left - 14;
}

/* ---- size over time ---- */

enum series { LOGICAL, DEDUPLICATED, STORED, SERIES };

static const char *const series_names[SERIES] = {"logical", "deduplicated", "stored"};

static void add_snapshot(double *sums, const pxds_stats_snapshot *row)
{
    sums[LOGICAL] += (double)row->described.logical_bytes;
    sums[DEDUPLICATED] += (double)row->new_data.bytes;
    sums[STORED] += (double)row->new_data.stored_bytes;
}

static double x_of_time(const struct report *report, int64_t time)
{
    const int64_t first = report->snapshots[0].row.time;
    const int64_t span = report->snapshots[report->snapshot_count - 1].row.time - first;

    return span > 0 ? LEFT + (double)(time - first) / (double)span * (RIGHT - LEFT)
                    : (LEFT + RIGHT) / 2.0;
}

static void plot_line(struct page *out, const struct report *report, const struct axis *axis,
                      enum series series)
{
    double sums[SERIES] = {0, 0, 0}, x = 0, y = 0;

    putf(out, "<path class=\"line %s\" d=\"", series_names[series]);
    for (size_t i = 0; i < report->snapshot_count; i++) {
        add_snapshot(sums, &report->snapshots[i].row);
        x = x_of_time(report, report->snapshots[i].row.time);
        y = y_of(axis, sums[series]);
        if (i == 0)
            putf(out, "M%.1f %.1f", x, y);
        else
            putf(out, "H%.1fV%.1f", x, y);
    }
    putf(out, "\"/><circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>%s: ",
         series_names[series], x, y, series == LOGICAL ? "3" : "4.5", series_names[series]);
    put_size(out, (uint64_t)sums[series]);
    put(out, "</title></circle>\n");
}

/* Ticks at equal distances: with steps of one size, dates are round enough to read. */
static void draw_time_axis(struct page *out, const struct report *report)
{
    const int64_t first = report->snapshots[0].row.time;
    const int64_t last = report->snapshots[report->snapshot_count - 1].row.time;
    static const int64_t steps[] = {1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600,
                                    86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400,
                                    91 * 86400, 182 * 86400};
    int64_t step = 365 * 86400;

    for (size_t i = sizeof steps / sizeof steps[0]; i-- > 0;)
        if ((last - first) / steps[i] < 8)
            step = steps[i];
    while ((last - first) / step >= 8)
        step *= 2;
    for (int64_t time = first == last ? first : first - first % step; time <= last; time += step) {
        const double x = x_of_time(report, time);

        if (time < first || x < LEFT + 24 || x > RIGHT - 24) {
            if (first != last)
                continue;
        }
        putf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x,
             BOTTOM, BOTTOM + 5);
        put_x_label(out, x, time, first == last ? "%Y-%m-%d" : date_format(last - first));
    }
    put_x_title(out, "time of the snapshot (UTC)");
}

void draw_growth(struct page *out, const struct report *report)
{
    const enum series last = report->exact ? STORED : DEDUPLICATED;
    double sums[SERIES] = {0, 0, 0}, low, right = RIGHT;
    struct axis axis;

    for (size_t i = 0; i < report->snapshot_count; i++)
        add_snapshot(sums, &report->snapshots[i].row);
    low = sums[last];
    /* Lines that would be one with the axis are told apart by their quotient. */
    if (low > 0 && sums[LOGICAL] > 12 * low) {
        double at_first[SERIES] = {0, 0, 0};

        add_snapshot(at_first, &report->snapshots[0].row);
        if (at_first[last] > 0 && at_first[last] < low)
            low = at_first[last];
        axis = log_axis(low > sums[LOGICAL] / 1e6 ? low : sums[LOGICAL] / 1e6, sums[LOGICAL]);
    } else {
        axis = linear_axis(sums[LOGICAL], false);
    }
    begin(out, "Size over time");
    draw_y_axis(out, &axis, axis.log ? "bytes, logarithmic" : "bytes");
    draw_time_axis(out, report);
    for (int i = (int)last; i >= 0; i--) {
        right = put_legend(out, right, series_names[i], series_names[i]);
        plot_line(out, report, &axis, (enum series)i);
    }
    put(out, "</svg>\n");
}

/* ---- what each snapshot brought ---- */

struct bar {
    size_t first, last; /* snapshots */
    double new_data, reused;
};

static struct bar bar_of(const struct report *report, size_t number, size_t together)
{
    struct bar bar = {number * together, number * together, 0, 0};

    for (size_t i = bar.first; i < bar.first + together && i < report->snapshot_count; i++) {
        const pxds_stats_snapshot *row = &report->snapshots[i].row;

        bar.last = i;
        bar.new_data += (double)row->new_data.bytes;
        bar.reused += (double)(row->used.bytes - row->new_data.bytes);
    }
    return bar;
}

static void put_bar(struct page *out, const struct report *report, const struct axis *axis,
                    const struct bar *bar, double x, double width)
{
    const double top = y_of(axis, bar->new_data + bar->reused), middle = y_of(axis, bar->new_data);

    put(out, "<g><title>");
    put_text(out, report->snapshots[bar->first].row.path, 1000);
    if (bar->last > bar->first)
        putf(out, " and %zu more", bar->last - bar->first);
    put(out, ": new ");
    put_size(out, (uint64_t)bar->new_data);
    put(out, ", reused ");
    put_size(out, (uint64_t)bar->reused);
    putf(out, "</title><rect class=\"reused\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"/>",
         x, top, width, middle - top);
    putf(out, "<rect class=\"new\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"/></g>\n", x,
         middle, width, BOTTOM - middle);
}

void draw_snapshots(struct page *out, const struct report *report)
{
    const size_t together = (report->snapshot_count + MOST_BARS - 1) / MOST_BARS;
    const size_t bars = (report->snapshot_count + together - 1) / together;
    const double place = (RIGHT - LEFT) / (double)bars;
    const double width = place * 0.8 < 56 ? place * 0.8 : 56;
    const size_t every = (bars + 6) / 7;
    const int64_t span = report->snapshots[report->snapshot_count - 1].row.time -
                         report->snapshots[0].row.time;
    struct axis axis;
    double most = 0, right;

    for (size_t i = 0; i < bars; i++) {
        const struct bar bar = bar_of(report, i, together);

        if (bar.new_data + bar.reused > most)
            most = bar.new_data + bar.reused;
    }
    axis = linear_axis(most, false);
    begin(out, "New and reused data of each snapshot");
    draw_y_axis(out, &axis, "bytes in distinct chunks");
    right = put_legend(out, RIGHT, "reused", "reused");
    put_legend(out, right, "new", "new");
    for (size_t i = 0; i < bars; i++) {
        const struct bar bar = bar_of(report, i, together);
        const double x = LEFT + place * ((double)i + 0.5);

        put_bar(out, report, &axis, &bar, x - width / 2, width);
        if (i % every == 0)
            put_x_label(out, x, report->snapshots[bar.first].row.time,
                        span > 0 ? date_format(span) : "%Y-%m-%d");
    }
    if (together > 1) {
        char title[64];

        snprintf(title, sizeof title, "snapshots by time, %zu to a bar", together);
        put_x_title(out, title);
    } else {
        put_x_title(out, "snapshots by time (UTC), one to a bar");
    }
    put(out, "</svg>\n");
}

/* ---- sizes of chunks ---- */

void draw_sizes(struct page *out, const struct report *report)
{
    const pxds_stats_total *total = &report->total;
    int first = PXDS_STATS_SIZE_CLASSES, last = 0;
    double most = 0, place, right;
    struct axis axis;

    for (int i = 0; i < PXDS_STATS_SIZE_CLASSES; i++) {
        const double count = 100.0 * (double)total->sizes[i] / (double)total->used.chunks;
        const double data = percent(total->size_bytes[i], total->used.bytes);

        if (total->sizes[i] == 0)
            continue;
        first = i < first ? i : first;
        last = i;
        most = count > most ? count : most;
        most = data > most ? data : most;
    }
    axis = linear_axis(most, true);
    place = (RIGHT - LEFT) / (double)(last - first + 1);
    begin(out, "Sizes of chunks");
    draw_y_axis(out, &axis, "share of all");
    right = put_legend(out, RIGHT, "data", "of the data");
    put_legend(out, right, "count", "of the chunks");
    for (int i = first; i <= last; i++) {
        const double part[2] = {percent(total->sizes[i], total->used.chunks),
                                percent(total->size_bytes[i], total->used.bytes)};
        const double width = place * 0.4 < 40 ? place * 0.4 : 40;
        const double x = LEFT + place * (i - first + 0.5);

        put(out, "<g><title>from ");
        put_size(out, i > 0 ? UINT64_C(1) << i : 0);
        putf(out, ": %" PRIu64 " chunks, ", total->sizes[i]);
        put_size(out, total->size_bytes[i]);
        put(out, "</title>");
        for (int k = 0; k < 2; k++)
            putf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                 k == 0 ? "count" : "data", x + (k - 1) * width, y_of(&axis, part[k]), width,
                 BOTTOM - y_of(&axis, part[k]));
        put(out, "</g>\n");
        if (place < 55 && (i - first) % 2 != 0)
            continue;
        putf(out, "<text class=\"middle\" x=\"%.1f\" y=\"%d\">", x, BOTTOM + 18);
        put_round_size(out, i > 0 ? (double)(UINT64_C(1) << i) : 0);
        put(out, "</text>\n");
    }
    put_x_title(out, "bytes of a chunk: from this to twice as many");
    put(out, "</svg>\n");
}
