/* The data of the page of `pxds report`, for --json. */
#include "report.h"

static void json_verify_counts(const uint64_t *counts)
{
    static const char *const names[VERIFY_COUNT] = {"ok", "failed", "none", "unfinished", "unreadable"};

    json_open("verify_states", '{');
    for (int i = 0; i < VERIFY_COUNT; i++)
        json_number(names[i], counts[i]);
    json_close('}');
}

static void json_store(const struct report *report)
{
    json_begin();
    json_text("kind", "store");
    json_text("store", report->store);
    json_stats_total(report->stats, &report->total, report->exact);
    json_verify_counts(report->verify);
    json_end();
}

static void json_group(const struct report_group *group, bool exact)
{
    json_begin();
    json_text("kind", "group");
    json_stats_group(&group->row, exact);
    json_verify_counts(group->verify);
    json_end();
}

/* Of a manifest that cannot be read the title says why. */
static void json_snapshot_line(const struct report_snapshot *snapshot, bool exact)
{
    const enum verify verify = snapshot->verify;
    const bool is_unreadable = verify == VERIFY_UNREADABLE;

    json_begin();
    json_text("kind", "snapshot");
    json_stats_snapshot(&snapshot->row, exact);
    json_text("verify_state", verify == VERIFY_OK ? "ok" : verify == VERIFY_FAILED ? "failed" : NULL);
    json_text("comment", is_unreadable ? NULL : snapshot->title);
    json_text("error", is_unreadable ? snapshot->title : NULL);
    json_end();
}

/* A group that has something in common with some of those behind it. */
static void json_shared(const struct report *report, size_t i)
{
    const struct report_group *a = &report->groups[i];
    uint64_t bytes;

    if (pxds_stats_get_shared(report->stats, a->number, a->number, &bytes, NULL) != PXDS_OK)
        return; /* of very many groups it was not compared */
    for (size_t k = i + 1; k < report->group_count; k++) {
        const struct report_group *b = &report->groups[k];

        if (pxds_stats_get_shared(report->stats, a->number, b->number, &bytes, NULL) != PXDS_OK || bytes == 0)
            continue;
        json_begin();
        json_text("kind", "shared");
        json_open("groups", '[');
        json_text(NULL, a->row.path);
        json_text(NULL, b->row.path);
        json_close(']');
        json_number("bytes", bytes);
        json_end();
    }
}

void json_report(const struct report *report)
{
    json_store(report);
    for (size_t i = 0; i < report->group_count; i++)
        json_group(&report->groups[i], report->exact);
    for (size_t i = 0; i < report->snapshot_count; i++)
        json_snapshot_line(&report->snapshots[i], report->exact);
    for (size_t i = 0; i < report->group_count; i++)
        json_shared(report, i);
}
