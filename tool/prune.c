/* The command that removes what is not to be kept: prune. */
#include "tool.h"

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

/* Paths and names of marks need no escapes. */
static void print_row(const pxds_prune_entry *entry, int width, bool json)
{
    const char *mark = pxds_prune_mark_name(entry->mark);

    if (json) {
        printf("{\"time\":\"%s\",\"mark\":\"%s\"", strrchr(entry->path, '/') + 1, mark);
        if (entry->message != NULL) {
            fputs(",\"error\":", stdout);
            print_json(entry->message, strlen(entry->message));
        }
        fputs("}\n", stdout);
    } else {
        printf("%-*s  %s%s\n", width, entry->path, mark,
               entry->message != NULL ? "  (failed)" : "");
    }
}

/* Gives the exit status: a snapshot that should be gone and is not is a failure. */
static int print_rows(const pxds_prune_list *list, bool json)
{
    pxds_prune_entry entry = PXDS_PRUNE_ENTRY_INIT;
    int width = 0, rc = 0;

    for (size_t i = 0; pxds_prune_list_get(list, i, &entry, NULL) == PXDS_OK; i++) {
        /* All are of one group, and so are as long. */
        if (i == 0 && !json) {
            width = (int)strlen(entry.path);
            printf("%-*s  %s\n", width, "SNAPSHOT", "MARK");
        }
        print_row(&entry, width, json);
        if (entry.status < 0)
            rc = 1;
    }
    return rc;
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    (void)user;
    draw_line("%" PRIu64 " of %" PRIu64 " snapshots removed", progress->done, progress->total);
    return stop_signal();
}

int cmd_prune(const struct args *args)
{
    pxds_prune_options options = PXDS_PRUNE_OPTIONS_INIT;
    pxds_store *store = open_tree(args);
    pxds_prune_list *list = NULL;
    pxds_error *err = NULL;
    pxds_status status;
    int rc;

    if (store == NULL)
        return 1;
    options.flags = args->option[OPT_DRY_RUN].given ? PXDS_PRUNE_DRY_RUN : 0;
    options.keep_last = args->option[OPT_KEEP_LAST].number;
    options.keep_hourly = args->option[OPT_KEEP_HOURLY].number;
    options.keep_daily = args->option[OPT_KEEP_DAILY].number;
    options.keep_weekly = args->option[OPT_KEEP_WEEKLY].number;
    options.keep_monthly = args->option[OPT_KEEP_MONTHLY].number;
    options.keep_yearly = args->option[OPT_KEEP_YEARLY].number;
    options.zone = zone_of(args);
    options.progress = on_progress;
    if (options.keep_last == 0 && options.keep_hourly == 0 && options.keep_daily == 0 &&
        options.keep_weekly == 0 && options.keep_monthly == 0 && options.keep_yearly == 0)
        say("no --keep option says what to keep, so everything is kept");
    hold_signals();
    status = pxds_group_prune(store, args->operand[1], &options, &list, &err);
    clear_line();
    rc = status < 0 ? fail(err) : print_rows(list, args->option[OPT_JSON].given);
    pxds_prune_list_free(list);
    pxds_store_free(store);
    return rc;
}
