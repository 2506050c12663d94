/* The commands that change what there is: namespace, notes, protect, unprotect, forget. */
#include "tool.h"

/* Prints what has become of a snapshot. */
static void json_outcome(const char *path, const char *name, bool value)
{
    json_begin();
    json_snapshot(path);
    json_bool(name, value);
    json_end();
}

/* `name` and `value` are what json_outcome() says. */
static int change(const struct args *args,
                  pxds_status (*function)(const pxds_store *, const char *, pxds_error **),
                  const char *name, bool value)
{
    pxds_store *store = open_tree(args, true);
    char *path = store != NULL ? pick_snapshot(args, store, args->operand[1]) : NULL;
    pxds_error *err = NULL;
    int rc = path != NULL ? 0 : 1;

    begin_changes(); /* it is short, or goes on alone */
    if (rc == 0 && function(store, path, &err) < 0)
        rc = fail(err);
    else if (rc == 0 && args->option[OPT_JSON].given)
        json_outcome(path, name, value);
    free(path);
    pxds_store_free(store);
    return rc;
}

int cmd_protect(const struct args *args)
{
    return change(args, pxds_snapshot_protect, "protected", true);
}

int cmd_unprotect(const struct args *args)
{
    return change(args, pxds_snapshot_unprotect, "protected", false);
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    return show_progress("remove", progress, "%s: %" PRIu64 " of %" PRIu64 " snapshots removed",
                         (const char *)user, progress->done, progress->total);
}

/* message: why the group stays, or NULL. */
static void json_group(const char *group, const pxds_destroy_result *result, bool dry_run, const char *message)
{
    json_begin();
    json_text("group", group);
    json_bool("removed", message == NULL && !dry_run);
    json_bool("would_remove", message == NULL && dry_run);
    json_number("removed_snapshots", dry_run ? 0 : result->removed);
    json_number("would_remove_snapshots", dry_run ? result->removed : 0);
    json_number("protected_snapshots", result->protected_count);
    json_bool("dry_run", dry_run);
    json_text("error", message);
    json_end();
}

/* Gives how many snapshots were removed, or would be. That of a group whose protected ones stay has failed. */
static uint64_t forget_group(const struct args *args, const pxds_store *store, char *group, bool *failed)
{
    const bool dry_run = args->option[OPT_DRY_RUN].given;
    pxds_destroy_options options = PXDS_DESTROY_OPTIONS_INIT;
    pxds_destroy_result result = PXDS_DESTROY_RESULT_INIT;
    pxds_error *err = NULL;
    pxds_status status;

    options.flags = dry_run ? PXDS_DESTROY_DRY_RUN : 0;
    options.progress = on_progress;
    options.progress_user = group;
    detail("%s: removing the group", group);
    status = pxds_group_destroy(store, group, &options, &result, &err);
    clear_line();
    if (args->option[OPT_JSON].given)
        json_group(group, &result, dry_run,
                   status >= 0                      ? NULL
                   : status == PXDS_ERR_CANCELLED   ? "stopped by a signal"
                   : err != NULL                    ? pxds_error_message(err)
                                                    : "out of memory");
    else if ((status >= 0 || result.removed > 0) && (dry_run || !is_quiet()))
        printf("%s: %" PRIu64 " snapshot%s %sremoved%s\n", group, result.removed, plural(result.removed, "s"),
               dry_run ? "would be " : "", status >= 0 ? ", and the group" : "");
    if (status < 0) {
        fail(err);
        *failed = true;
    }
    return result.removed;
}

static int forget_groups(const struct args *args, const pxds_store *store)
{
    struct groups groups;
    int rc = pick_groups(args, store, args->operand[1], args->option[OPT_RECURSIVE].given, &groups);
    bool failed = false, done = false;

    for (size_t i = 0; i < groups.count && stop_signal() == 0; i++) {
        bool this_failed = false;

        done |= forget_group(args, store, groups.paths[i], &this_failed) > 0 || !this_failed;
        failed |= this_failed;
    }
    if (rc == 0 && groups.is_complete && stop_signal() == 0)
        json_is_whole(); /* what has failed has been told too */
    rc = outcome_of_groups(rc, &groups, failed, done);
    free_groups(&groups);
    return rc;
}

/* Whether a snapshot would be removed; if not, it was said why. */
static bool could_be_removed(const pxds_store *store, const char *path)
{
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_error *err = NULL;

    if (pxds_snapshot_get_info(store, path, &entry, &err) < 0) {
        fail(err);
        return false;
    }
    if ((entry.flags & PXDS_SNAPSHOT_PROTECTED) != 0)
        say("%s/%s is protected", pxds_store_path(store), path);
    return (entry.flags & PXDS_SNAPSHOT_PROTECTED) == 0;
}

/* Says which one it was, unless the command line does. */
static int forget_snapshot(const struct args *args, const pxds_store *store, const char *path)
{
    const bool dry_run = args->option[OPT_DRY_RUN].given;
    pxds_error *err = NULL;

    if (dry_run ? !could_be_removed(store, path) : pxds_snapshot_destroy(store, path, &err) < 0)
        return dry_run ? 1 : fail(err);
    if (args->option[OPT_JSON].given) {
        json_begin();
        json_snapshot(path);
        json_bool("removed", !dry_run);
        json_bool("would_remove", dry_run);
        json_bool("dry_run", dry_run);
        json_end();
    } else if (dry_run || (strcmp(path, args->operand[1]) != 0 && !is_quiet())) {
        printf("%s %sremoved\n", path, dry_run ? "would be " : "");
    }
    return 0;
}

int cmd_forget(const struct args *args)
{
    const bool many = is_pattern(args->operand[1]) || args->option[OPT_RECURSIVE].given;
    pxds_store *store = open_tree(args, true);
    bool is_group = many;
    char *path = NULL;
    int rc = 1;

    if (store != NULL && !many)
        path = pick(args, store, args->operand[1], &is_group);
    begin_changes(); /* it is short, or goes on alone */
    if (store != NULL && (many || path != NULL))
        rc = is_group ? forget_groups(args, store) : forget_snapshot(args, store, path);
    free(path);
    pxds_store_free(store);
    return rc;
}

static void json_namespace(const char *ns, bool removed)
{
    json_begin();
    json_text("namespace", ns);
    if (removed)
        json_bool("removed", true);
    json_end();
}

/* Prints the namespaces below `ns`. Their names need no escapes. */
static int list_namespaces(const pxds_store *store, const char *ns, bool json)
{
    pxds_namespace_list *list = NULL;
    pxds_error *err = NULL;
    const char *name;
    int rc;

    if (pxds_store_namespaces(store, ns, PXDS_LIST_RECURSIVE, &list, &err) < 0)
        return fail(err);
    for (size_t i = 0; (name = pxds_namespace_list_get(list, i)) != NULL; i++) {
        if (strcmp(name, ns) == 0)
            continue;
        if (json)
            json_namespace(name, false);
        else
            puts(name);
    }
    rc = pxds_namespace_list_is_complete(list) ? 0 : EXIT_INCOMPLETE;
    pxds_namespace_list_free(list);
    return rc;
}

int cmd_namespace(const struct args *args)
{
    const char *action = args->operand[0], *ns = args->operand[2];
    const bool creates = strcmp(action, "create") == 0, lists = strcmp(action, "list") == 0; /* else remove */
    const bool json = args->option[OPT_JSON].given;
    struct args rest = *args; /* the store is the first operand of those behind the action */
    pxds_store *store;
    pxds_error *err = NULL;
    int rc = 0;

    if (!lists && ns == NULL)
        return usage_error(args->command, "%s needs a namespace", action);
    rest.operand++;
    rest.operands--;
    store = open_tree(&rest, !lists);
    if (store == NULL)
        return 1;
    if (lists) {
        rc = list_namespaces(store, ns != NULL ? ns : "", json);
    } else {
        begin_changes(); /* it is short */
        if ((creates ? pxds_namespace_create : pxds_namespace_remove)(store, ns, &err) < 0)
            rc = fail(err);
        else if (json)
            json_namespace(ns, !creates);
        else if (!is_quiet())
            printf(creates ? "the namespace %s is in %s\n" : "removed the namespace %s from %s\n", ns,
                   pxds_store_path(store)); /* where it may have been before */
    }
    pxds_store_free(store);
    return rc;
}

static void print_notes(const pxds_buffer *notes)
{
    size_t len = pxds_buffer_len(notes);

    if (len == 0)
        return;
    print_lines((const char *)pxds_buffer_data(notes), len);
    if (pxds_buffer_data(notes)[len - 1] != '\n')
        putchar('\n');
}

/* What has no notes has none that are empty. */
static void json_notes(const char *path, bool is_group, const char *text, size_t len)
{
    json_begin();
    if (is_group)
        json_text("group", path);
    else
        json_snapshot(path);
    json_text_of("notes", len > 0 ? text : NULL, len);
    json_end();
}

int cmd_notes(const struct args *args)
{
    const char *text = args->option[OPT_SET].text;
    pxds_store *store = open_tree(args, text != NULL);
    bool is_group = false;
    char *path = store != NULL ? pick(args, store, args->operand[1], &is_group) : NULL;
    pxds_buffer *notes = NULL;
    pxds_error *err = NULL;
    pxds_status status = PXDS_OK;
    int rc = path != NULL ? 0 : 1;

    if (text != NULL)
        begin_changes(); /* it is short */
    if (path != NULL && text != NULL)
        status = is_group ? pxds_group_set_notes(store, path, text, &err)
                          : pxds_snapshot_set_notes(store, path, text, &err);
    else if (path != NULL)
        status = is_group ? pxds_group_get_notes(store, path, &notes, &err)
                          : pxds_snapshot_get_notes(store, path, &notes, &err);
    if (status < 0)
        rc = fail(err);
    else if (rc == 0 && args->option[OPT_JSON].given)
        json_notes(path, is_group, text != NULL ? text : (const char *)pxds_buffer_data(notes),
                   text != NULL ? strlen(text) : pxds_buffer_len(notes));
    else if (notes != NULL)
        print_notes(notes);
    pxds_buffer_free(notes);
    free(path);
    pxds_store_free(store);
    return rc;
}
