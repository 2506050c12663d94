/* The commands that change what there is: namespace, notes, protect, unprotect, forget. */
#include "tool.h"

static int change(const struct args *args,
                  pxds_status (*function)(const pxds_store *, const char *, pxds_error **))
{
    pxds_store *store = open_tree(args);
    pxds_error *err = NULL;
    int rc = 0;

    if (store == NULL)
        return 1;
    hold_signals(); /* it is short, or goes on alone */
    if (function(store, args->operand[1], &err) < 0)
        rc = fail(err);
    pxds_store_free(store);
    return rc;
}

int cmd_protect(const struct args *args)
{
    return change(args, pxds_snapshot_protect);
}

int cmd_unprotect(const struct args *args)
{
    return change(args, pxds_snapshot_unprotect);
}

int cmd_forget(const struct args *args)
{
    return change(args, pxds_snapshot_destroy);
}

/* Prints the namespaces below `ns`. Their names need no escapes. */
static int list_namespaces(const pxds_store *store, const char *ns)
{
    pxds_namespace_list *list = NULL;
    pxds_error *err = NULL;
    const char *name;
    int rc;

    if (pxds_store_namespaces(store, ns, PXDS_LIST_RECURSIVE, &list, &err) < 0)
        return fail(err);
    for (size_t i = 0; (name = pxds_namespace_list_get(list, i)) != NULL; i++)
        if (strcmp(name, ns) != 0)
            puts(name);
    rc = pxds_namespace_list_is_complete(list) ? 0 : EXIT_INCOMPLETE;
    pxds_namespace_list_free(list);
    return rc;
}

int cmd_namespace(const struct args *args)
{
    const char *action = args->operand[0], *ns = args->operand[2];
    const bool creates = strcmp(action, "create") == 0, lists = strcmp(action, "list") == 0;
    struct args rest = *args; /* the store is the first operand of those behind the action */
    pxds_store *store;
    pxds_error *err = NULL;
    int rc = 0;

    if (!creates && !lists && strcmp(action, "remove") != 0)
        return usage_error(args->command, "'%s' is not create, remove or list", action);
    if (!lists && ns == NULL)
        return usage_error(args->command, "%s needs a namespace", action);
    rest.operand++;
    rest.operands--;
    store = open_tree(&rest);
    if (store == NULL)
        return 1;
    if (lists) {
        rc = list_namespaces(store, ns != NULL ? ns : "");
    } else {
        hold_signals(); /* it is short */
        if ((creates ? pxds_namespace_create : pxds_namespace_remove)(store, ns, &err) < 0)
            rc = fail(err);
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

int cmd_notes(const struct args *args)
{
    const char *path = args->operand[1], *text = args->option[OPT_SET].text;
    pxds_snapshot_name name = PXDS_SNAPSHOT_NAME_INIT;
    const bool is_snapshot = pxds_snapshot_parse(path, &name, NULL) >= 0;
    pxds_store *store = open_tree(args);
    pxds_buffer *notes = NULL;
    pxds_error *err = NULL;
    pxds_status status;
    int rc = 0;

    if (store == NULL)
        return 1;
    if (text != NULL)
        status = is_snapshot ? pxds_snapshot_set_notes(store, path, text, &err)
                             : pxds_group_set_notes(store, path, text, &err);
    else
        status = is_snapshot ? pxds_snapshot_get_notes(store, path, &notes, &err)
                             : pxds_group_get_notes(store, path, &notes, &err);
    if (status < 0)
        rc = fail(err);
    else if (text == NULL)
        print_notes(notes);
    pxds_buffer_free(notes);
    pxds_store_free(store);
    return rc;
}
