/* GROUP and SNAPSHOT as users write them, and which groups and snapshots of a store these are. */
#include "tool.h"

#include <fnmatch.h>

/* Most snapshots that are named where it is not clear which one is meant. */
#define MAX_NAMED 5

/* What a name stands for, by its form. */
enum form {
    FORM_NONE,
    FORM_SNAPSHOT, /* GROUP/TIME */
    FORM_GROUP,
    FORM_LATEST,          /* latest */
    FORM_LATEST_OF_GROUP, /* GROUP/latest */
    FORM_PREFIX,          /* how a time begins */
    FORM_PREFIX_IN_GROUP  /* GROUP/ and that */
};

/* What the format gives, to be freed. NULL: there was no memory for it, which was said. */
static char *make_text(const char *format, ...) LIKE_PRINTF(1, 2);

static char *make_text(const char *format, ...)
{
    va_list values, again;
    char *text;
    int len;

    va_start(values, format);
    va_copy(again, values);
    len = vsnprintf(NULL, 0, format, values);
    text = len >= 0 ? malloc((size_t)len + 1) : NULL;
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    else
        fail(NULL);
    va_end(again);
    va_end(values);
    return text;
}

bool is_pattern(const char *text)
{
    return strpbrk(text, "*?[") != NULL;
}

static bool is_group_path(const char *text)
{
    pxds_group_name name = PXDS_GROUP_NAME_INIT;

    return pxds_group_parse(text, &name, NULL) >= 0;
}

/* By its characters. */
static bool begins_a_time(const char *text)
{
    return *text >= '0' && *text <= '9' && text[strspn(text, "0123456789-T:Z")] == '\0';
}

/* Cuts the text in two where *time, behind the group, is not a whole one. */
static enum form form_of(char *text, const char **time)
{
    pxds_snapshot_name name = PXDS_SNAPSHOT_NAME_INIT;
    char *slash = strrchr(text, '/');

    if (pxds_snapshot_parse(text, &name, NULL) >= 0)
        return FORM_SNAPSHOT;
    if (is_group_path(text))
        return FORM_GROUP;
    *time = text;
    if (slash == NULL)
        return strcmp(text, "latest") == 0 ? FORM_LATEST : begins_a_time(text) ? FORM_PREFIX : FORM_NONE;
    *slash = '\0';
    *time = slash + 1;
    if (is_group_path(text) && strcmp(*time, "latest") == 0)
        return FORM_LATEST_OF_GROUP;
    if (is_group_path(text) && begins_a_time(*time))
        return FORM_PREFIX_IN_GROUP;
    *slash = '/';
    return FORM_NONE;
}

char *namespace_path(const char *ns)
{
    char path[PXDS_NAMESPACE_MAX_LEN * 3] = "";
    size_t len = 0;

    while (ns != NULL && *ns != '\0') {
        const size_t part = strcspn(ns, "/");

        len += (size_t)snprintf(path + len, sizeof path - len, "%sns/%.*s", len > 0 ? "/" : "", (int)part, ns);
        ns += ns[part] == '/' ? part + 1 : part;
    }
    return make_text("%s", path);
}

/* The path of a name in the namespace of --ns, if there is one. To be freed. */
static char *in_namespace(const struct args *args, const char *name)
{
    const char *ns = args->option[OPT_NS].text;
    char *prefix, *path;

    if (ns == NULL || *ns == '\0' || strcmp(name, "latest") == 0 || begins_a_time(name))
        return make_text("%s", name);
    if (strncmp(name, "ns/", 3) == 0) {
        say("with --ns, '%s' must begin with TYPE/ID", name);
        return NULL;
    }
    prefix = namespace_path(ns);
    path = prefix != NULL ? make_text("%s/%s", prefix, name) : NULL;
    free(prefix);
    return path;
}

/* Without those at its end; to be freed. */
static char *without_slashes(const char *text)
{
    size_t len = strlen(text);

    while (len > 1 && text[len - 1] == '/')
        len--;
    return make_text("%.*s", (int)len, text);
}

/* The rest of a path in the file system that leads below the store, to be freed. NULL: it does not. */
static char *below_store(const pxds_store *store, const char *text)
{
    char *root = realpath(pxds_store_path(store), NULL), *path = without_slashes(text);
    const size_t root_len = root != NULL ? strlen(root) : 0;
    char *directory, *below = NULL;

    directory = path != NULL ? directory_of(path) : NULL;
    if (root != NULL && directory != NULL && strncmp(directory, root, root_len) == 0 &&
        directory[root_len] == '/') {
        const char *slash = strrchr(path, '/');

        below = make_text("%s/%s", directory + root_len + 1, slash != NULL ? slash + 1 : path);
    }
    free(directory);
    free(path);
    free(root);
    return below;
}

static char *latest_of_group(const pxds_store *store, const char *group)
{
    pxds_buffer *last = NULL;
    pxds_error *err = NULL;
    char *path = NULL;
    pxds_status status = pxds_group_last(store, group, &last, &err);

    if (status < 0)
        fail(err);
    else if (status == PXDS_NONE)
        say("there is no finished snapshot of %s", group);
    else
        path = make_text("%.*s", (int)pxds_buffer_len(last), (const char *)pxds_buffer_data(last));
    pxds_buffer_free(last);
    return path;
}

/* The snapshots that a name is looked for in: those of a group, or else of the store, or of the namespace of --ns and
   those below it. NULL: it was said why not. One that could not be seen may be the one that is meant. */
static pxds_snapshot_list *all_snapshots(const struct args *args, const pxds_store *store, const char *group,
                                         const char *name)
{
    pxds_snapshot_list *list = NULL;
    pxds_error *err = NULL;
    const pxds_status status =
        group != NULL ? pxds_group_snapshots(store, group, 0, &list, &err)
                      : pxds_store_snapshots(store, args->option[OPT_NS].text, PXDS_LIST_RECURSIVE, &list, &err);

    if (status < 0) {
        fail(err);
    } else if (!pxds_snapshot_list_is_complete(list)) {
        say("which snapshot '%s' is cannot be told: not all of them could be seen", name);
        pxds_snapshot_list_free(list);
        list = NULL;
    }
    return list;
}

/* The newest finished snapshot of all. */
static char *latest_of_all(const struct args *args, const pxds_store *store)
{
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT, newest = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_snapshot_list *list = all_snapshots(args, store, NULL, "latest");
    char *path = NULL;

    if (list == NULL)
        return NULL;
    for (size_t i = 0; pxds_snapshot_list_get(list, i, &entry, NULL) == PXDS_OK; i++)
        if ((entry.flags & PXDS_SNAPSHOT_FINISHED) != 0 &&
            (newest.path == NULL || entry.time > newest.time))
            newest = entry;
    if (newest.path != NULL)
        path = make_text("%s", newest.path);
    else
        say("there is no finished snapshot");
    pxds_snapshot_list_free(list);
    return path;
}

static bool has_prefix(const pxds_snapshot_entry *entry, const char *prefix)
{
    return strncmp(strrchr(entry->path, '/') + 1, prefix, strlen(prefix)) == 0;
}

/* Names the snapshots among which a prefix does not tell, those of a list that have it. */
static void say_ambiguous(const char *name, const char *prefix, const pxds_snapshot_list *list, size_t count)
{
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    char *names = make_text("%s", "");
    size_t named = 0;

    for (size_t i = 0; names != NULL && named < count && named < MAX_NAMED; i++) {
        char *longer;

        pxds_snapshot_list_get(list, i, &entry, NULL);
        if (!has_prefix(&entry, prefix))
            continue;
        longer = make_text("%s%s%s", names, named++ > 0 ? ", " : "", entry.path);
        free(names);
        names = longer;
    }
    if (names != NULL && count > MAX_NAMED)
        say("'%s' is ambiguous: %s and %zu more", name, names, count - MAX_NAMED);
    else if (names != NULL)
        say("'%s' is ambiguous: %s", name, names);
    free(names);
}

/* The snapshot whose time begins so; group: NULL for any. */
static char *find_by_prefix(const struct args *args, const pxds_store *store, const char *group, const char *prefix)
{
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT, found = PXDS_SNAPSHOT_ENTRY_INIT;
    char *name = group != NULL ? make_text("%s/%s", group, prefix) : make_text("%s", prefix), *path = NULL;
    pxds_snapshot_list *list = name != NULL ? all_snapshots(args, store, group, name) : NULL;
    size_t count = 0;

    for (size_t i = 0; pxds_snapshot_list_get(list, i, &entry, NULL) == PXDS_OK; i++)
        if (has_prefix(&entry, prefix)) {
            found = entry;
            count++;
        }
    if (list != NULL && count == 0 && group != NULL)
        say("there is no snapshot %s/%s...", pxds_store_path(store), name);
    else if (list != NULL && count == 0)
        say("there is no snapshot of a time %s... in %s", name, pxds_store_path(store));
    else if (list != NULL && count > 1)
        say_ambiguous(name, prefix, list, count);
    else if (list != NULL)
        path = make_text("%s", found.path);
    free(name);
    pxds_snapshot_list_free(list);
    return path;
}

/* A name by its form, cut as form_of() does: by --ns, or as a path in the file system. Slashes at its end, of a shell
   that completes paths, mean nothing. To be freed. */
static char *take_apart(const struct args *args, const pxds_store *store, const char *text,
                        enum form *form, const char **time)
{
    char *given = without_slashes(text), *name = given != NULL ? in_namespace(args, given) : NULL, *below;
    const char *below_time = NULL;
    enum form below_form;

    free(given);
    if (name == NULL)
        return NULL;
    *form = form_of(name, time);
    if ((*form != FORM_NONE && *form != FORM_PREFIX) || (below = below_store(store, text)) == NULL)
        return name;
    below_form = form_of(below, &below_time);
    /* In the directory of a group the beginning of a time is a path too, and then is one of this group. */
    if (*form == FORM_PREFIX && below_form != FORM_SNAPSHOT && below_form != FORM_PREFIX_IN_GROUP) {
        free(below);
        return name;
    }
    free(name);
    *form = below_form;
    *time = below_time;
    return below;
}

/* Says what is wrong with what was given, and what else may be: that it was meant for the store. */
static void refuse_name(const struct args *args, const pxds_store *store, const char *text, pxds_error *err)
{
    char *below = *text == '/' ? below_store(store, text) : NULL;

    if (*text == '/' && below == NULL) {
        say("%s leads to no snapshot or group below %s", text, pxds_store_path(store));
        pxds_error_free(err);
    } else {
        fail_with(text, err);
    }
    free(below);
    if (args->assumed_store != NULL)
        say_more("The operand STORE was taken from PXDS_STORE, %s; --store or all operands say it clearly.",
                 args->assumed_store);
}

char *pick(const struct args *args, const pxds_store *store, const char *text, bool *is_group)
{
    pxds_snapshot_name parts = PXDS_SNAPSHOT_NAME_INIT;
    const char *time = NULL;
    enum form form;
    char *name = take_apart(args, store, text, &form, &time), *path = NULL;
    pxds_error *err = NULL;

    if (name == NULL)
        return NULL;
    *is_group = form == FORM_GROUP;
    switch (form) {
    case FORM_SNAPSHOT:
    case FORM_GROUP:
        return name;
    case FORM_LATEST:
        path = latest_of_all(args, store);
        break;
    case FORM_LATEST_OF_GROUP:
        path = latest_of_group(store, name);
        break;
    case FORM_PREFIX:
        path = find_by_prefix(args, store, NULL, time);
        break;
    case FORM_PREFIX_IN_GROUP:
        path = find_by_prefix(args, store, name, time);
        break;
    case FORM_NONE:
        pxds_snapshot_parse(name, &parts, &err); /* says what is wrong with it */
        refuse_name(args, store, text, err);
        break;
    }
    if (path != NULL)
        detail("'%s' is %s", text, path);
    free(name);
    return path;
}

char *pick_snapshot(const struct args *args, const pxds_store *store, const char *text)
{
    bool is_group;
    char *path = pick(args, store, text, &is_group);

    if (path == NULL || !is_group)
        return path;
    say("'%s' is a group, and the time is missing: %s/TIME, or %s/latest", text, path, path);
    free(path);
    return NULL;
}

static bool add_group(struct groups *groups, const char *path)
{
    char **paths = realloc(groups->paths, (groups->count + 1) * sizeof *paths);

    if (paths == NULL) {
        fail(NULL);
        return false;
    }
    groups->paths = paths;
    paths[groups->count] = make_text("%s", path);
    if (paths[groups->count] == NULL)
        return false;
    groups->count++;
    if ((int)strlen(path) > groups->width)
        groups->width = (int)strlen(path);
    return true;
}

static int add_one_group(const struct args *args, const pxds_store *store, const char *text,
                         struct groups *groups)
{
    pxds_group_name parts = PXDS_GROUP_NAME_INIT;
    const char *time = NULL;
    enum form form = FORM_NONE;
    char *name = take_apart(args, store, text, &form, &time);
    pxds_error *err = NULL;
    bool ok = false;

    if (name != NULL && form == FORM_GROUP) {
        ok = add_group(groups, name);
    } else if (name != NULL && form != FORM_NONE) {
        say("'%s' stands for a snapshot, and a group has no time: it is [ns/NAME/...]TYPE/ID", text);
    } else if (name != NULL) {
        pxds_group_parse(name, &parts, &err); /* says what is wrong with it */
        refuse_name(args, store, text, err);
    }
    free(name);
    return ok ? 0 : 1;
}

/* Of a pattern that begins with a namespace all of the path has to match it, else TYPE/ID. */
static bool matches(const char *pattern, const pxds_group_entry *entry)
{
    char name[PXDS_ID_MAX_LEN + 8];

    if (pattern == NULL)
        return true;
    if (strncmp(pattern, "ns/", 3) == 0)
        return fnmatch(pattern, entry->path, FNM_PATHNAME) == 0;
    snprintf(name, sizeof name, "%s/%s", pxds_backup_type_name(entry->type), entry->id);
    return fnmatch(pattern, name, FNM_PATHNAME) == 0;
}

static bool find_groups(const pxds_store *store, const char *ns, const char *pattern, bool recursive,
                        struct groups *groups)
{
    pxds_group_entry entry = PXDS_GROUP_ENTRY_INIT;
    pxds_group_list *list = NULL;
    pxds_error *err = NULL;
    bool ok = true;

    if (pxds_store_groups(store, ns, recursive ? PXDS_LIST_RECURSIVE : 0, &list, &err) < 0) {
        fail(err);
        return false;
    }
    for (size_t i = 0; ok && pxds_group_list_get(list, i, &entry, NULL) == PXDS_OK; i++)
        if (matches(pattern, &entry))
            ok = add_group(groups, entry.path);
    groups->is_complete = pxds_group_list_is_complete(list);
    pxds_group_list_free(list);
    return ok;
}

/* Says that there are no groups; that nothing fits what was asked for is a failure. */
static bool accept_none(const char *ns, const char *text, bool recursive)
{
    const char *root = recursive ? "the store" : "the root namespace";
    const char *place = ns != NULL && *ns != '\0' ? ns : root;
    const char *hint = recursive ? "" : "; --recursive looks below it too";

    if (text != NULL)
        say("no group of %s fits '%s'%s", place, text, hint);
    else
        note("there is no group in %s%s", place, hint);
    return text == NULL;
}

int pick_groups(const struct args *args, const pxds_store *store, const char *text, bool recursive,
                struct groups *groups)
{
    const char *ns = args->option[OPT_NS].text;
    const bool is_path = text != NULL && strncmp(text, "ns/", 3) == 0;

    *groups = (struct groups){.is_complete = true};
    if (text != NULL && !recursive && !is_pattern(text))
        return add_one_group(args, store, text, groups);
    if (is_path && ns != NULL) {
        say("with --ns, '%s' must begin with TYPE/ID", text);
        return 1;
    }
    recursive = recursive || is_path;
    if (!find_groups(store, ns, text, recursive, groups))
        return 1;
    return groups->count > 0 || accept_none(ns, text, recursive) ? 0 : 1;
}

int outcome_of_groups(int rc, const struct groups *groups, bool failed, bool done)
{
    if (rc != 0)
        return rc;
    if (failed && !done)
        return 1;
    return failed || !groups->is_complete ? EXIT_INCOMPLETE : 0;
}

void free_groups(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        free(groups->paths[i]);
    free(groups->paths);
}
