/* What the files of `pxds report` share: its data, and how HTML and SVG are written. */
#ifndef PXDS_REPORT_H
#define PXDS_REPORT_H

#include "tool.h"

enum verify { VERIFY_OK, VERIFY_FAILED, VERIFY_NONE, VERIFY_UNFINISHED, VERIFY_UNREADABLE, VERIFY_COUNT };

struct report_snapshot {
    pxds_stats_snapshot row;
    enum verify verify;
    char *title; /* the first line of the notes, or why the manifest cannot be read; NULL: none */
};

struct report_group {
    pxds_stats_group row;
    size_t number; /* in the statistics */
    uint64_t verify[VERIFY_COUNT];
};

struct report {
    const char *store;
    const pxds_stats *stats;
    pxds_stats_total total;
    bool exact;
    struct report_snapshot *snapshots; /* the oldest first */
    size_t snapshot_count;
    struct report_group *groups; /* those with the most data first */
    size_t group_count;
    uint64_t verify[VERIFY_COUNT];
};

/* ---- html.c ---- */

/* A page as it grows. Whoever puts something into it need not look: it fails for good if memory runs out. */
struct page {
    char *data;
    size_t len, capacity;
    bool failed;
};

void put(struct page *out, const char *text);
void putf(struct page *out, const char *format, ...) LIKE_PRINTF(2, 3);
void vputf(struct page *out, const char *format, va_list values);

/* Text of unknown origin, for an element or an attribute: at most `max` characters of it. */
void put_text(struct page *out, const char *text, size_t max);

/* As put_text(), with "..." in the middle of what is longer. */
void put_short(struct page *out, const char *text, size_t max);

void put_size(struct page *out, uint64_t bytes);
void put_date(struct page *out, int64_t time, const char *format);

/* ---- chart.c: each is a picture of `report`, a whole <svg> ---- */

void draw_growth(struct page *out, const struct report *report);
void draw_snapshots(struct page *out, const struct report *report);
void draw_sizes(struct page *out, const struct report *report);

/* ---- grid.c: the same, of groups ---- */

void draw_matrix(struct page *out, const struct report *report);
void draw_verify(struct page *out, const struct report *report);

extern const char *const verify_names[VERIFY_COUNT];

/* ---- report_json.c ---- */

/* Prints what the pictures and tables are drawn from. */
void json_report(const struct report *report);

#endif
