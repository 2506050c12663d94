/* The commands on groups: groups, owner. */
#include "tool.h"

/* What there is to tell of a group. */
struct row {
    const char *path;
    pxds_snapshot_list *snapshots;
    pxds_snapshot_entry newest; /* the newest finished one; its path is NULL if there is none */
    pxds_buffer *owner, *notes; /* NULL: none, or none that can be read */
    bool is_complete;
};

/* What can be seen of a group is shown, whatever else cannot. */
static void load_row(const pxds_store *store, const char *path, struct row *row)
{
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_error *errors[3] = {NULL};

    *row = (struct row){.path = path, .newest = PXDS_SNAPSHOT_ENTRY_INIT, .is_complete = true};
    if (pxds_group_snapshots(store, path, 0, &row->snapshots, &errors[0]) >= 0)
        row->is_complete = pxds_snapshot_list_is_complete(row->snapshots);
    pxds_group_get_owner(store, path, &row->owner, &errors[1]);
    pxds_group_get_notes(store, path, &row->notes, &errors[2]);
    for (int i = 0; i < 3; i++) {
        if (errors[i] != NULL) {
            on_notice(NULL, PXDS_NOTICE_WARNING, pxds_error_message(errors[i]), pxds_error_path(errors[i]));
            row->is_complete = false;
        }
        pxds_error_free(errors[i]);
    }
    for (size_t i = 0; pxds_snapshot_list_get(row->snapshots, i, &entry, NULL) == PXDS_OK; i++)
        if ((entry.flags & PXDS_SNAPSHOT_FINISHED) != 0)
            row->newest = entry;
}

static void free_row(struct row *row)
{
    pxds_snapshot_list_free(row->snapshots);
    pxds_buffer_free(row->owner);
    pxds_buffer_free(row->notes);
}

/* A text of which nothing is left is none. */
static void json_buffer(const char *name, const pxds_buffer *buffer)
{
    const size_t len = pxds_buffer_len(buffer);

    json_text_of(name, len > 0 ? (const char *)pxds_buffer_data(buffer) : NULL, len);
}

static void json_row(const struct row *row)
{
    pxds_group_name name = PXDS_GROUP_NAME_INIT;

    pxds_group_parse(row->path, &name, NULL);
    json_begin();
    json_text("group", row->path);
    json_text("namespace", name.ns);
    json_text("type", pxds_backup_type_name(name.type));
    json_text("id", name.id);
    json_buffer("owner", row->owner);
    if (row->snapshots != NULL)
        json_number("snapshots", pxds_snapshot_list_count(row->snapshots));
    else
        json_null("snapshots");
    json_text("newest_snapshot", row->newest.path);
    if (row->newest.path != NULL)
        json_time("newest_time", row->newest.time);
    else
        json_no_time("newest_time");
    json_buffer("notes", row->notes);
    json_end();
}

/* The first line of the notes. */
static void print_title(const pxds_buffer *notes)
{
    const char *text = (const char *)pxds_buffer_data(notes);
    const size_t len = pxds_buffer_len(notes);
    const char *end = len > 0 ? memchr(text, '\n', len) : NULL;

    if (len > 0)
        fputs("  ", stdout);
    print_text(text, end != NULL ? (size_t)(end - text) : len);
}

static int owner_width(const struct row *row)
{
    return text_width((const char *)pxds_buffer_data(row->owner), pxds_buffer_len(row->owner));
}

static void print_row(const struct row *row, int width, int owner)
{
    const size_t owner_len = pxds_buffer_len(row->owner);
    char newest[TIME_TEXT_MAX];

    printf("%-*s  ", width, row->path);
    if (row->snapshots != NULL)
        printf("%9zu  ", pxds_snapshot_list_count(row->snapshots));
    else
        printf("%9s  ", "?");
    printf("%-*s  ", TIME_WIDTH, row->newest.path != NULL ? time_text(row->newest.time, newest) : "-");
    if (owner_len > 0)
        print_text((const char *)pxds_buffer_data(row->owner), owner_len);
    else
        putchar('-');
    if (pxds_buffer_len(row->notes) > 0)
        printf("%*s", owner - (owner_len > 0 ? owner_width(row) : 1), "");
    print_title(row->notes);
    putchar('\n');
}

/* All are loaded before the first is shown, since the widths of columns depend on them. */
static int show_groups(const pxds_store *store, struct groups *groups, bool json)
{
    struct row *rows = calloc(groups->count + 1, sizeof *rows);
    int owner = (int)strlen("OWNER");

    if (rows == NULL)
        return fail(NULL);
    for (size_t i = 0; i < groups->count; i++) {
        load_row(store, groups->paths[i], &rows[i]);
        owner = owner_width(&rows[i]) > owner ? owner_width(&rows[i]) : owner;
        groups->is_complete = groups->is_complete && rows[i].is_complete;
    }
    if (groups->count > 0 && !json)
        printf("%-*s  %9s  %-*s  %-*s  %s\n", groups->width, "GROUP", "SNAPSHOTS", TIME_WIDTH, "NEWEST", owner, "OWNER",
               "NOTES");
    for (size_t i = 0; i < groups->count; i++) {
        if (json)
            json_row(&rows[i]);
        else
            print_row(&rows[i], groups->width, owner);
        free_row(&rows[i]);
    }
    free(rows);
    return 0;
}

int cmd_groups(const struct args *args)
{
    pxds_store *store = open_tree(args, false);
    struct groups groups;
    int rc, shown;

    if (store == NULL)
        return 1;
    rc = pick_groups(args, store, args->operand[1], true, &groups);
    shown = show_groups(store, &groups, args->option[OPT_JSON].given);
    rc = outcome_of_groups(rc != 0 ? rc : shown, &groups, false, true);
    free_groups(&groups);
    pxds_store_free(store);
    return rc;
}

static void json_owner(const char *group, const char *owner, size_t len)
{
    json_begin();
    json_text("group", group);
    json_text_of("owner", owner, len);
    json_end();
}

/* Prints the owner, beside the group if that is one of several. */
static pxds_status show_owner(const pxds_store *store, const char *group, bool json, bool one)
{
    pxds_buffer *owner = NULL;
    pxds_error *err = NULL;
    const pxds_status status = pxds_group_get_owner(store, group, &owner, &err);

    if (status < 0) {
        fail(err);
    } else if (json) {
        json_owner(group, (const char *)pxds_buffer_data(owner), pxds_buffer_len(owner));
    } else {
        if (!one)
            printf("%s  ", group);
        if (owner != NULL)
            print_text((const char *)pxds_buffer_data(owner), pxds_buffer_len(owner));
        puts(owner == NULL ? "-" : "");
    }
    pxds_buffer_free(owner);
    return status;
}

static pxds_status set_owner(const pxds_store *store, const char *group, const char *owner, bool json)
{
    pxds_error *err = NULL;
    const pxds_status status = pxds_group_set_owner(store, group, owner, &err);

    if (status < 0)
        fail(err);
    else if (json)
        json_owner(group, owner, strlen(owner));
    return status;
}

int cmd_owner(const struct args *args)
{
    const char *owner = args->operand[2];
    const bool json = args->option[OPT_JSON].given;
    pxds_store *store = open_tree(args, owner != NULL);
    bool failed = false, done = false;
    pxds_status status = PXDS_OK;
    struct groups groups;
    int rc;

    if (store == NULL)
        return 1;
    rc = pick_groups(args, store, args->operand[1], args->option[OPT_RECURSIVE].given, &groups);
    if (owner != NULL)
        begin_changes();
    /* What is no owner is none for the other groups either. */
    for (size_t i = 0; i < groups.count && status != PXDS_ERR_ARGUMENT && stop_signal() == 0; i++) {
        const char *group = groups.paths[i];

        status = owner != NULL ? set_owner(store, group, owner, json)
                               : show_owner(store, group, json, groups.count == 1);
        done = done || status >= 0;
        failed = failed || status < 0;
    }
    rc = outcome_of_groups(rc, &groups, failed, done);
    free_groups(&groups);
    pxds_store_free(store);
    return rc;
}
