/* The command that removes what is not to be kept: prune. */
#include "tool.h"

static const struct {
    uint32_t bit;
    enum option_id option;
    const char *name;
} rules[] = {
    {PXDS_KEPT_BY_LAST, OPT_KEEP_LAST, "keep-last"},
    {PXDS_KEPT_BY_HOURLY, OPT_KEEP_HOURLY, "keep-hourly"},
    {PXDS_KEPT_BY_DAILY, OPT_KEEP_DAILY, "keep-daily"},
    {PXDS_KEPT_BY_WEEKLY, OPT_KEEP_WEEKLY, "keep-weekly"},
    {PXDS_KEPT_BY_MONTHLY, OPT_KEEP_MONTHLY, "keep-monthly"},
    {PXDS_KEPT_BY_YEARLY, OPT_KEEP_YEARLY, "keep-yearly"},
    {PXDS_KEPT_BY_GOOD, OPT_KEEP_GOOD, "keep-good"},
    {PXDS_KEPT_BY_WITHIN, OPT_KEEP_WITHIN, "keep-within"},
    {PXDS_KEPT_BY_NEWEST, OPT_COUNT, "newest"},
};

#define RULES (sizeof rules / sizeof rules[0])

/* A run over groups, and its sums. */
struct run {
    const pxds_store *store;
    pxds_prune_options options;
    bool json;
    bool keeps_all; /* no option says what to keep */
    bool is_complete; /* every snapshot of the groups could be looked into */
    int width;      /* of a path */
    bool has_head;  /* the names of the columns are printed */
    const char *group;
    uint64_t groups, failed_groups;
    uint64_t snapshots, removed /* or would be */, failed;
};

/*
 * The zone of --tz, or else what the system says by POSIX: that of TZ, or of /etc/localtime if TZ
 * is not set. The library itself does not look around.
 */
static const char *zone_of(const struct args *args)
{
    const char *zone = args->option[OPT_TZ].text;

    if (zone != NULL)
        return zone;
    zone = getenv("TZ");
    if (zone == NULL)
        return access("/etc/localtime", F_OK) == 0 ? "/etc/localtime" : NULL;
    if (*zone == ':')
        zone++;
    return *zone != '\0' ? zone : NULL;
}

/* Why a snapshot stays, if not by a rule. NULL: it does not. */
static const char *other_reason(const struct run *run, const pxds_prune_entry *entry)
{
    switch (entry->mark) {
    case PXDS_MARK_PROTECTED:
        return "protected";
    case PXDS_MARK_KEEP_PARTIAL:
        return "unfinished";
    case PXDS_MARK_KEEP:
        return run->keeps_all ? "no-option" : "finished-meanwhile";
    default:
        return NULL;
    }
}

/* The reasons for which a snapshot stays, one after the other. */
static void print_reasons(const struct run *run, const pxds_prune_entry *entry)
{
    const char *other = entry->kept_by == 0 ? other_reason(run, entry) : NULL;
    const char *before = "";

    if (other != NULL && run->json)
        json_text(NULL, other);
    else if (other != NULL)
        fputs(other, stdout);
    for (size_t i = 0; i < RULES; i++) {
        if ((entry->kept_by & rules[i].bit) == 0)
            continue;
        if (run->json)
            json_text(NULL, rules[i].name);
        else
            printf("%s%s", before, rules[i].name);
        before = ", ";
    }
}

static void json_row(const struct run *run, const pxds_prune_entry *entry)
{
    const bool is_removed = entry->mark == PXDS_MARK_REMOVE && entry->status == PXDS_OK;

    json_begin();
    json_text("kind", "snapshot");
    json_snapshot(entry->path);
    json_text("mark", pxds_prune_mark_name(entry->mark));
    json_open("reasons", '[');
    print_reasons(run, entry);
    json_close(']');
    json_bool("removed", is_removed && run->options.flags != PXDS_PRUNE_DRY_RUN);
    json_text("error", entry->message);
    json_end();
}

/* Paths and names of marks need no escapes. */
static void print_row(struct run *run, const pxds_prune_entry *entry)
{
    if (!run->has_head)
        printf("%-*s  %-12s  %s\n", run->width, "SNAPSHOT", "MARK", "WHY");
    run->has_head = true;
    printf("%-*s  %-12s  ", run->width, entry->path, pxds_prune_mark_name(entry->mark));
    print_reasons(run, entry);
    puts(entry->message != NULL            ? "(failed)"
         : entry->status == PXDS_NONE      ? "(gone already)"
         : entry->mark == PXDS_MARK_REMOVE ? "-"
                                           : "");
}

/* Prints and counts. A snapshot that should be gone and is not is a failure of its group. */
static void print_rows(struct run *run, const pxds_prune_list *list)
{
    pxds_prune_entry entry = PXDS_PRUNE_ENTRY_INIT;
    uint64_t failed = 0;

    for (size_t i = 0; pxds_prune_list_get(list, i, &entry, NULL) == PXDS_OK; i++) {
        if (run->json)
            json_row(run, &entry);
        else if (!is_quiet() || run->options.flags == PXDS_PRUNE_DRY_RUN || entry.status < 0)
            print_row(run, &entry);
        run->snapshots++;
        if (entry.status < 0) { /* of which there was a notice */
            count_failure(entry.status);
            failed++;
        }
        run->removed += entry.mark == PXDS_MARK_REMOVE && entry.status == PXDS_OK;
    }
    run->failed += failed;
    run->failed_groups += failed > 0;
}

static void json_sums(const struct run *run, bool dry)
{
    json_begin();
    json_text("kind", "total");
    json_number("groups", run->groups);
    json_number("failed_groups", run->failed_groups);
    json_number("snapshots", run->snapshots);
    json_number("removed", dry ? 0 : run->removed);
    json_number("would_remove", dry ? run->removed : 0);
    json_number("failed", run->failed);
    json_bool("dry_run", dry);
    json_end();
}

static void print_sums(const struct run *run)
{
    const bool dry = run->options.flags == PXDS_PRUNE_DRY_RUN;

    if (run->json)
        json_sums(run, dry);
    else if (!is_quiet() || dry)
        printf("%" PRIu64 " of %" PRIu64 " snapshot%s in %" PRIu64 " group%s %s\n", run->removed,
               run->snapshots, plural(run->snapshots, "s"), run->groups, plural(run->groups, "s"),
               dry ? "would be removed" : "removed");
    if (run->failed_groups > 0 && run->groups > 1)
        warn("%" PRIu64 " of %" PRIu64 " groups failed, whole or in part", run->failed_groups,
             run->groups);
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    const struct run *run = user;

    return show_progress("remove", progress, "%s: %" PRIu64 " of %" PRIu64 " snapshots removed",
                         run->group, progress->done, progress->total);
}

/* Another group may still be pruned if one is not. */
static void prune_group(struct run *run, const char *group)
{
    pxds_prune_list *list = NULL;
    pxds_error *err = NULL;

    run->group = group;
    run->groups++;
    detail("%s: which snapshots are kept", group);
    if (pxds_group_prune(run->store, group, &run->options, &list, &err) < 0) {
        clear_line();
        if (run->json && err != NULL) {
            json_begin();
            json_text("kind", "group");
            json_text("group", group);
            json_text("error", pxds_error_status(err) == PXDS_ERR_CANCELLED ? "stopped by a signal"
                                                                      : pxds_error_message(err));
            json_end();
        }
        fail(err);
        run->failed_groups++;
    } else {
        clear_line();
        print_rows(run, list);
        run->is_complete = run->is_complete && pxds_prune_list_is_complete(list);
    }
    pxds_prune_list_free(list);
}

static pxds_prune_options options_of(const struct args *args)
{
    const struct value *option = args->option;
    pxds_prune_options options = PXDS_PRUNE_OPTIONS_INIT;

    options.flags = option[OPT_DRY_RUN].given ? PXDS_PRUNE_DRY_RUN : 0;
    options.keep_last = option[OPT_KEEP_LAST].number;
    options.keep_hourly = option[OPT_KEEP_HOURLY].number;
    options.keep_daily = option[OPT_KEEP_DAILY].number;
    options.keep_weekly = option[OPT_KEEP_WEEKLY].number;
    options.keep_monthly = option[OPT_KEEP_MONTHLY].number;
    options.keep_yearly = option[OPT_KEEP_YEARLY].number;
    options.keep_good = option[OPT_KEEP_GOOD].number;
    options.keep_within = option[OPT_KEEP_WITHIN].number;
    options.zone = zone_of(args);
    return options;
}

int cmd_prune(const struct args *args)
{
    struct run run = {.options = options_of(args), .json = args->option[OPT_JSON].given, .is_complete = true};
    pxds_store *store = open_tree(args, true);
    struct groups groups;
    int rc;

    if (store == NULL)
        return 1;
    if (!is_zone(run.options.zone)) {
        say("TZ: '%s' is no time zone", run.options.zone);
        pxds_store_free(store);
        return 1;
    }
    run.store = store;
    run.keeps_all = true;
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].option != OPT_COUNT && args->option[rules[i].option].number > 0)
            run.keeps_all = false;
    if (run.keeps_all)
        say("no --keep option says what to keep, so everything is kept");
    begin_changes();
    rc = pick_groups(args, store, args->operand[1], args->option[OPT_RECURSIVE].given, &groups);
    run.width = groups.width + PXDS_TIME_SIZE; /* which has room for a '/' */
    run.options.progress = on_progress;
    run.options.progress_user = &run;
    for (size_t i = 0; i < groups.count && stop_signal() == 0 && !stop_for_output(); i++)
        prune_group(&run, groups.paths[i]);
    if (rc == 0 && (run.snapshots > 0 || run.failed_groups == 0))
        print_sums(&run);
    groups.is_complete = groups.is_complete && run.is_complete;
    if (rc == 0 && groups.is_complete && stop_signal() == 0)
        json_is_whole(); /* what has failed has been told too */
    rc = outcome_of_groups(rc, &groups, run.failed_groups > 0,
                           run.failed_groups < run.groups || run.removed > 0);
    free_groups(&groups);
    pxds_store_free(store);
    return rc;
}
