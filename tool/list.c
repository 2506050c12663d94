/* The commands that show what there is: list, files. */
#include "tool.h"

/* What there is to tell of a snapshot. */
struct row {
    pxds_snapshot_entry entry;
    pxds_manifest *manifest; /* NULL: it has none that can be read */
    pxds_buffer *notes;      /* NULL: none */
    pxds_status status;      /* of reading the manifest */
    pxds_error *err;
    uint64_t files, bytes;
};

static void free_row(struct row *row)
{
    pxds_manifest_free(row->manifest);
    pxds_buffer_free(row->notes);
    pxds_error_free(row->err);
}

static const char *problem_of(const struct row *row)
{
    return row->err != NULL ? pxds_error_message(row->err) : "out of memory";
}

/* Reads the manifest, and all that is needed of it: what could fail has then been done. */
static pxds_status load_manifest(const pxds_store *store, struct row *row)
{
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
    pxds_status status;

    if ((row->entry.flags & PXDS_SNAPSHOT_FINISHED) == 0)
        return PXDS_OK;
    status = pxds_manifest_load(store, row->entry.path, &row->manifest, &row->err);
    if (status < 0)
        return status;
    while ((status = pxds_manifest_get_file(row->manifest, row->files, &file, &row->err)) ==
           PXDS_OK) {
        row->files++;
        row->bytes += file.size;
    }
    return status < 0 ? status : pxds_manifest_get_notes(row->manifest, &row->notes, &row->err);
}

/* Fills a row, to be freed with free_row(). Without memory it fails: there would be none for the next. */
static int load_row(const pxds_store *store, const pxds_snapshot_list *list, size_t i,
                    struct row *row)
{
    *row = (struct row){.entry = PXDS_SNAPSHOT_ENTRY_INIT};
    pxds_snapshot_list_get(list, i, &row->entry, NULL);
    row->status = load_manifest(store, row);
    if (row->status < 0)
        row->files = row->bytes = 0;
    if (row->status != PXDS_ERR_NOMEM)
        return 0;
    say("%s", problem_of(row));
    return 1;
}

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

/* ---- list --json ---- */

static void print_json_buffer(const pxds_buffer *buffer)
{
    if (buffer != NULL)
        print_json((const char *)pxds_buffer_data(buffer), pxds_buffer_len(buffer));
    else
        fputs("null", stdout);
}

static void print_json_files(pxds_manifest *manifest, uint64_t count)
{
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;

    putchar('[');
    for (uint64_t i = 0; i < count; i++) {
        pxds_manifest_get_file(manifest, i, &file, NULL);
        printf("%s{\"filename\":", i > 0 ? "," : "");
        print_json(file.filename, strlen(file.filename));
        printf(",\"size\":%" PRIu64 ",\"crypt-mode\":\"%s\",\"csum\":\"%s\"}", file.size,
               crypt_mode(file.crypt_mode), hex(file.csum));
    }
    putchar(']');
}

/* Names and ids need no escapes. */
static void print_json_row(const struct row *row)
{
    const uint32_t flags = row->entry.flags;

    printf("{\"namespace\":\"%s\",\"type\":\"%s\",\"id\":\"%s\",\"time\":\"%s\"", row->entry.ns,
           pxds_backup_type_name(row->entry.type), row->entry.id,
           strrchr(row->entry.path, '/') + 1);
    printf(",\"protected\":%s,\"finished\":%s,\"comment\":",
           flags & PXDS_SNAPSHOT_PROTECTED ? "true" : "false",
           flags & PXDS_SNAPSHOT_FINISHED ? "true" : "false");
    print_json_buffer(row->notes);
    fputs(",\"owner\":", stdout);
    if (row->entry.owner != NULL)
        print_json(row->entry.owner, strlen(row->entry.owner));
    else
        fputs("null", stdout);
    fputs(",\"files\":", stdout);
    if (row->status >= 0) {
        print_json_files(row->manifest, row->files);
    } else {
        fputs("null,\"error\":", stdout);
        print_json(problem_of(row), strlen(problem_of(row)));
    }
    fputs("}\n", stdout);
}

static int list_json(const pxds_store *store, const pxds_snapshot_list *list)
{
    bool complete = pxds_snapshot_list_is_complete(list);
    struct row row;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < pxds_snapshot_list_count(list) && !ferror(stdout); i++) {
        rc = load_row(store, list, i, &row);
        if (rc == 0)
            print_json_row(&row);
        complete = complete && row.status >= 0;
        free_row(&row);
    }
    if (complete)
        return rc;
    puts("{\"complete\":false}");
    return rc != 0 ? rc : EXIT_INCOMPLETE;
}

/* ---- list ---- */

static const char *state_of(const struct row *row)
{
    if (row->status < 0)
        return "unreadable";
    if ((row->entry.flags & PXDS_SNAPSHOT_FINISHED) == 0)
        return "unfinished";
    return row->entry.flags & PXDS_SNAPSHOT_PROTECTED ? "protected" : "-";
}

/* The first line of the notes. */
static void print_comment(const pxds_buffer *notes)
{
    const char *text = (const char *)pxds_buffer_data(notes);
    size_t len = pxds_buffer_len(notes);
    const char *end = memchr(text, '\n', len);

    print_text(text, end != NULL ? (size_t)(end - text) : len);
}

static void print_row(const struct row *row, int width)
{
    printf("%-*s  %5" PRIu64 "  %15" PRIu64 "  %-*s", width, row->entry.path, row->files,
           row->bytes, row->notes != NULL ? 12 : 0, state_of(row));
    if (row->notes != NULL)
        print_comment(row->notes);
    putchar('\n');
    if (row->status < 0)
        say("warning: %s", problem_of(row));
}

static int list_table(const pxds_store *store, const pxds_snapshot_list *list)
{
    const size_t count = pxds_snapshot_list_count(list);
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    bool complete = pxds_snapshot_list_is_complete(list);
    struct row row;
    int width = 0, rc = 0;

    for (size_t i = 0; i < count; i++) {
        pxds_snapshot_list_get(list, i, &entry, NULL);
        if ((int)strlen(entry.path) > width)
            width = (int)strlen(entry.path);
    }
    if (count > 0)
        printf("%-*s  %5s  %15s  %-10s  %s\n", width, "SNAPSHOT", "FILES", "BYTES", "STATE",
               "COMMENT");
    for (size_t i = 0; rc == 0 && i < count && !ferror(stdout); i++) {
        rc = load_row(store, list, i, &row);
        if (rc == 0)
            print_row(&row, width);
        complete = complete && row.status >= 0;
        free_row(&row);
    }
    return rc == 0 && !complete ? EXIT_INCOMPLETE : rc;
}

int cmd_list(const struct args *args)
{
    const bool json = args->option[OPT_JSON].given;
    const uint32_t flags = PXDS_LIST_RECURSIVE | (json ? PXDS_LIST_OWNERS : 0);
    pxds_store *store = open_tree(args);
    pxds_snapshot_list *list = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (store == NULL)
        return 1;
    if (pxds_store_snapshots(store, args->option[OPT_NS].text, flags, &list, &err) < 0)
        rc = fail(err);
    else if (json)
        rc = list_json(store, list);
    else
        rc = list_table(store, list);
    pxds_snapshot_list_free(list);
    pxds_store_free(store);
    return rc;
}

/* ---- files ---- */

/* A file that the directory has, the manifest lists, or both. */
struct file {
    const char *name;
    uint64_t size;
    bool missing;
    bool listed;
    pxds_manifest_file listing; /* if it is listed */
};

static void print_file(const struct file *file, bool json)
{
    const char *mode = crypt_mode(file->listing.crypt_mode);

    if (json) {
        fputs("{\"filename\":", stdout);
        print_json(file->name, strlen(file->name));
        printf(",\"size\":%" PRIu64, file->size);
        if (file->listed)
            printf(",\"crypt-mode\":\"%s\",\"csum\":\"%s\"", mode, hex(file->listing.csum));
        else
            fputs(",\"crypt-mode\":null,\"csum\":null", stdout);
        printf(",\"listed\":%s,\"missing\":%s}\n", file->listed ? "true" : "false",
               file->missing ? "true" : "false");
        return;
    }
    printf("%15" PRIu64 "  %-9s  ", file->size, file->listed ? mode : "-");
    print_text(file->name, strlen(file->name));
    if (strcmp(file->name, "index.json.blob") == 0)
        fputs("  (the manifest)", stdout);
    else if (!file->listed)
        fputs("  (not listed)", stdout);
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

/* What is in the directory, then what should be. manifest: NULL if there is none. */
static int print_files(const pxds_file_list *list, pxds_manifest *manifest, bool json)
{
    pxds_file_entry entry = PXDS_FILE_ENTRY_INIT;
    struct file file = {.listing = PXDS_MANIFEST_FILE_INIT};
    pxds_error *err = NULL;
    pxds_status status = PXDS_OK;

    for (size_t i = 0; pxds_file_list_get(list, i, &entry, NULL) == PXDS_OK; i++) {
        file.listed = manifest != NULL && pxds_manifest_find_file(manifest, entry.name,
                                                                  &file.listing, NULL) == PXDS_OK;
        file.name = entry.name;
        file.size = file.listed ? file.listing.size : entry.size;
        print_file(&file, json);
    }
    file.listed = file.missing = true;
    for (uint64_t i = 0; manifest != NULL; i++) {
        status = pxds_manifest_get_file(manifest, i, &file.listing, &err);
        if (status != PXDS_OK)
            break;
        file.name = file.listing.filename;
        file.size = file.listing.size;
        if (!has_file(list, file.name))
            print_file(&file, json);
    }
    return status < 0 ? fail(err) : 0;
}

int cmd_files(const struct args *args)
{
    const char *snapshot = args->operand[1];
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_store *store = open_tree(args);
    pxds_manifest *manifest = NULL;
    pxds_file_list *list = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (store == NULL)
        return 1;
    if (pxds_snapshot_get_info(store, snapshot, &entry, &err) < 0 ||
        pxds_snapshot_files(store, snapshot, &list, &err) < 0) {
        rc = fail(err);
    } else {
        if ((entry.flags & PXDS_SNAPSHOT_FINISHED) != 0 &&
            pxds_manifest_load(store, snapshot, &manifest, &err) < 0)
            rc = fail(err);
        rc |= print_files(list, manifest, args->option[OPT_JSON].given);
    }
    pxds_manifest_free(manifest);
    pxds_file_list_free(list);
    pxds_store_free(store);
    return rc;
}
