/* The commands that show what there is: list, files. */
#include "tool.h"

static const char *crypt_mode(uint32_t mode)
{
    switch (mode) {
    case PXDS_CRYPT_ENCRYPT:
        return "encrypt";
    case PXDS_CRYPT_SIGN_ONLY:
        return "sign-only";
    default:
        return "none";
    }
}

/* The files of a snapshot differ in it if it has any. NULL: there are none. */
static const char *crypt_mode_of_all(const pxds_snapshot_entry *entry)
{
    if (entry->crypt_mode != PXDS_CRYPT_DEFAULT)
        return crypt_mode(entry->crypt_mode);
    return entry->file_count > 0 ? "mixed" : NULL;
}

/* ---- in which order ---- */

static int by_age(const void *a, const void *b)
{
    const pxds_snapshot_entry *left = a, *right = b;

    if (left->time != right->time)
        return left->time < right->time ? 1 : -1;
    return strcmp(left->path, right->path);
}

static int by_age_backwards(const void *a, const void *b)
{
    return by_age(b, a);
}

/* Gives the snapshots of a list in the order of --sort, to be freed. NULL: there is no memory for them. */
static pxds_snapshot_entry *sorted(const struct args *args, const pxds_snapshot_list *list)
{
    const size_t count = pxds_snapshot_list_count(list);
    pxds_snapshot_entry *entries = calloc(count + 1, sizeof *entries); /* of nothing NULL might be given */

    for (size_t i = 0; entries != NULL && i < count; i++) {
        entries[i].struct_size = sizeof entries[i];
        pxds_snapshot_list_get(list, i, &entries[i], NULL);
    }
    if (entries != NULL && args->option[OPT_SORT].number != SORT_BY_NAME)
        qsort(entries, count, sizeof *entries,
              args->option[OPT_SORT].number == SORT_NEWEST_FIRST ? by_age : by_age_backwards);
    return entries;
}

/* ---- list --json ---- */

static void json_files(pxds_manifest *manifest)
{
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;

    json_open("files", '[');
    for (size_t i = 0; manifest != NULL && pxds_manifest_get_file(manifest, i, &file, NULL) == PXDS_OK; i++) {
        json_open(NULL, '{');
        json_text("archive", file.filename);
        json_number("size", file.size);
        json_text("crypt_mode", crypt_mode(file.crypt_mode));
        json_digest("csum", file.csum);
        json_close('}');
    }
    json_close(']');
}

static void json_verified(const pxds_snapshot_entry *entry)
{
    if (entry->verify_state == PXDS_VERIFIED_NONE) {
        json_null("verify_state");
        json_no_time("verify_time");
    } else {
        json_text("verify_state", entry->verify_state == PXDS_VERIFIED_OK ? "ok" : "failed");
        json_time("verify_time", entry->verify_time);
    }
}

/* err: why the manifest cannot be read, or NULL. manifest: NULL if there is none. */
static void json_row(const pxds_snapshot_entry *entry, pxds_manifest *manifest, const pxds_buffer *notes,
                     const pxds_error *err)
{
    json_begin();
    json_snapshot(entry->path);
    json_text("namespace", entry->ns);
    json_text("type", pxds_backup_type_name(entry->type));
    json_text("id", entry->id);
    json_bool("finished", (entry->flags & PXDS_SNAPSHOT_FINISHED) != 0);
    json_bool("protected", (entry->flags & PXDS_SNAPSHOT_PROTECTED) != 0);
    json_text("owner", entry->owner);
    json_text_of("notes", (const char *)pxds_buffer_data(notes), pxds_buffer_len(notes));
    json_verified(entry);
    json_text("crypt_mode", crypt_mode_of_all(entry));
    if (err == NULL) {
        json_number("size", entry->size);
        json_files(manifest);
    } else {
        json_null("size");
        json_null("files");
    }
    json_text("error", err != NULL ? pxds_error_message(err) : NULL);
    json_end();
}

/* Reads what the list does not say, before anything is printed. A manifest that cannot be read is told of in its row;
   without memory it is a failure, since there would be none for the next. */
static int list_json(const pxds_store *store, const pxds_snapshot_entry *entry)
{
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
    pxds_manifest *manifest = NULL;
    pxds_buffer *notes = NULL;
    pxds_error *err = NULL;
    pxds_status status = PXDS_OK;
    int rc;

    if ((entry->flags & PXDS_SNAPSHOT_FINISHED) != 0)
        status = pxds_manifest_load(store, entry->path, &manifest, &err);
    for (size_t i = 0; manifest != NULL && status == PXDS_OK; i++)
        status = pxds_manifest_get_file(manifest, i, &file, &err);
    if (manifest != NULL && status >= 0)
        status = pxds_manifest_get_notes(manifest, &notes, &err);
    if (status < 0 && (err == NULL || status == PXDS_ERR_NOMEM)) {
        rc = fail(err);
    } else {
        json_row(entry, manifest, notes, err);
        rc = err != NULL ? EXIT_INCOMPLETE : 0;
        pxds_error_free(err);
    }
    pxds_manifest_free(manifest);
    pxds_buffer_free(notes);
    return rc;
}

/* ---- list ---- */

static const char *state_of(const pxds_snapshot_entry *entry)
{
    if ((entry->flags & PXDS_SNAPSHOT_UNREADABLE) != 0)
        return "unreadable";
    if ((entry->flags & PXDS_SNAPSHOT_FINISHED) == 0)
        return "unfinished";
    return entry->flags & PXDS_SNAPSHOT_PROTECTED ? "protected" : "-";
}

/* VERIFIED has a word before the time. */
enum { VERIFIED_WIDTH = 6 + 1 + TIME_WIDTH };

/* The widths of the columns that are not the same for every store. */
struct widths {
    int path, owner;
};

static struct widths widths_of(const pxds_snapshot_entry *entries, size_t count)
{
    struct widths widths = {(int)strlen("SNAPSHOT"), (int)strlen("OWNER")};

    for (size_t i = 0; i < count; i++) {
        const int path = (int)strlen(entries[i].path);
        const int owner = entries[i].owner != NULL ? text_width(entries[i].owner, strlen(entries[i].owner)) : 0;

        widths.path = path > widths.path ? path : widths.path;
        widths.owner = owner > widths.owner ? owner : widths.owner;
    }
    return widths;
}

static int list_row(const pxds_snapshot_entry *entry, const struct widths *widths)
{
    const char *mode = crypt_mode_of_all(entry), *owner = entry->owner != NULL ? entry->owner : "-";
    char text[SIZE_TEXT_MAX], time[TIME_TEXT_MAX];

    printf("%-*s  %5zu  %10s  %-10s  ", widths->path, entry->path, entry->file_count, size_text(entry->size, text),
           state_of(entry));
    if (entry->verify_state == PXDS_VERIFIED_NONE)
        printf("%-*s", VERIFIED_WIDTH, "-");
    else
        printf("%-6s %-*s", entry->verify_state == PXDS_VERIFIED_OK ? "ok" : "failed", TIME_WIDTH,
               time_text(entry->verify_time, time));
    printf("  %-9s  ", mode != NULL ? mode : "-");
    print_padded(owner, entry->notes != NULL ? widths->owner : 0);
    if (entry->notes != NULL) {
        fputs("  ", stdout);
        print_text(entry->notes, strcspn(entry->notes, "\n")); /* the first line */
    }
    putchar('\n');
    return 0;
}

static int list(const struct args *args, const pxds_store *store, const pxds_snapshot_list *list)
{
    const size_t count = pxds_snapshot_list_count(list);
    const bool json = args->option[OPT_JSON].given;
    pxds_snapshot_entry *entries = sorted(args, list);
    struct widths widths;
    int rc = pxds_snapshot_list_is_complete(list) ? 0 : EXIT_INCOMPLETE;

    if (entries == NULL)
        return fail(NULL);
    widths = widths_of(entries, count);
    if (count > 0 && !json)
        printf("%-*s  %5s  %10s  %-10s  %-*s  %-9s  %-*s  %s\n", widths.path, "SNAPSHOT", "FILES", "SIZE", "STATE",
               VERIFIED_WIDTH, "VERIFIED", "CRYPT", widths.owner, "OWNER", "COMMENT");
    for (size_t i = 0; i < count && rc != 1 && !ferror(stdout); i++) {
        const int failed = json ? list_json(store, &entries[i]) : list_row(&entries[i], &widths);

        rc = failed != 0 ? failed : rc;
    }
    free(entries);
    return rc;
}

int cmd_list(const struct args *args)
{
    const uint32_t flags = PXDS_LIST_RECURSIVE | PXDS_LIST_OWNERS | PXDS_LIST_MANIFESTS;
    pxds_store *store = open_tree(args, false);
    pxds_snapshot_list *snapshots = NULL;
    pxds_error *err = NULL;
    int rc;

    if (store == NULL)
        return 1;
    if (pxds_store_snapshots(store, args->option[OPT_NS].text, flags, &snapshots, &err) < 0)
        rc = fail(err);
    else
        rc = list(args, store, snapshots);
    pxds_snapshot_list_free(snapshots);
    pxds_store_free(store);
    return rc;
}

/* ---- files ---- */

/* A file that the directory has, the manifest lists, or both. */
struct file {
    const char *snapshot;
    const char *name;
    uint64_t size;
    bool missing;
    bool unknown; /* there is a manifest, and it cannot be read */
    bool listed;
    pxds_manifest_file listing; /* if it is listed */
};

static void json_file(const struct file *file)
{
    json_begin();
    json_snapshot(file->snapshot);
    json_text("archive", file->name);
    json_number("size", file->size);
    if (file->listed) {
        json_text("crypt_mode", crypt_mode(file->listing.crypt_mode));
        json_digest("csum", file->listing.csum);
    } else {
        json_null("crypt_mode");
        json_null("csum");
    }
    if (file->unknown)
        json_null("listed");
    else
        json_bool("listed", file->listed);
    json_bool("missing", file->missing);
    json_end();
}

static void print_file(const struct file *file)
{
    char text[SIZE_TEXT_MAX];

    printf("%10s  %-9s  ", size_text(file->size, text), file->listed ? crypt_mode(file->listing.crypt_mode) : "-");
    print_text(file->name, strlen(file->name));
    if (strcmp(file->name, "index.json.blob") == 0)
        fputs("  (the manifest)", stdout);
    else if (!file->listed)
        fputs(file->unknown ? "  (manifest unreadable)" : "  (not listed)", stdout);
    else if (file->missing)
        fputs("  (missing)", stdout);
    putchar('\n');
}

static bool has_file(const pxds_file_list *list, const char *name)
{
    pxds_file_entry entry = PXDS_FILE_ENTRY_INIT;

    for (size_t i = 0; pxds_file_list_get(list, i, &entry, NULL) == PXDS_OK; i++)
        if (strcmp(entry.name, name) == 0)
            return true;
    return false;
}

/* What is in the directory, then what should be. manifest: NULL if there is none, or none that can be read. */
static int print_files(const char *snapshot, const pxds_file_list *list, pxds_manifest *manifest,
                       bool unknown, bool json)
{
    void (*const print)(const struct file *) = json ? json_file : print_file;
    pxds_file_entry entry = PXDS_FILE_ENTRY_INIT;
    struct file file = {.snapshot = snapshot, .unknown = unknown, .listing = PXDS_MANIFEST_FILE_INIT};
    pxds_error *err = NULL;
    pxds_status status = PXDS_OK;

    for (size_t i = 0; pxds_file_list_get(list, i, &entry, NULL) == PXDS_OK; i++) {
        file.listed = manifest != NULL && pxds_manifest_find_file(manifest, entry.name,
                                                                  &file.listing, NULL) == PXDS_OK;
        file.name = entry.name;
        file.size = file.listed ? file.listing.size : entry.size;
        print(&file);
    }
    file.listed = file.missing = true;
    for (uint64_t i = 0; manifest != NULL; i++) {
        status = pxds_manifest_get_file(manifest, i, &file.listing, &err);
        if (status != PXDS_OK)
            break;
        file.name = file.listing.filename;
        file.size = file.listing.size;
        if (!has_file(list, file.name))
            print(&file);
    }
    return status < 0 ? fail(err) : 0;
}

int cmd_files(const struct args *args)
{
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_store *store = open_tree(args, false);
    char *snapshot = store != NULL ? pick_snapshot(args, store, args->operand[1]) : NULL;
    pxds_manifest *manifest = NULL;
    pxds_file_list *list = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (snapshot == NULL) {
        rc = 1;
    } else if (pxds_snapshot_get_info(store, snapshot, &entry, &err) < 0 ||
        pxds_snapshot_files(store, snapshot, &list, &err) < 0) {
        rc = fail(err);
    } else {
        const bool unknown = (entry.flags & PXDS_SNAPSHOT_FINISHED) != 0 &&
                             pxds_manifest_load(store, snapshot, &manifest, &err) < 0;

        if (unknown)
            fail(err);
        rc = print_files(snapshot, list, manifest, unknown, args->option[OPT_JSON].given);
        if (rc == 0 && unknown)
            rc = EXIT_INCOMPLETE;
    }
    pxds_manifest_free(manifest);
    pxds_file_list_free(list);
    free(snapshot);
    pxds_store_free(store);
    return rc;
}
