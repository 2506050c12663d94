/* The command that restores an archive of a snapshot. */
#include "tool.h"

/* `user` of the callbacks; on_bytes() takes the meter, which comes first, for all of it. */
struct restore {
    struct meter meter;
    uint64_t size; /* bytes that were written */
    uint64_t bad_chunks;
    uint64_t bad_bytes;
};

static int32_t on_bad(void *user, const pxds_bad_chunk *bad)
{
    struct restore *restore = user;
    char units[SIZE_TEXT_MAX];

    restore->bad_chunks++;
    restore->bad_bytes += bad->length;
    /* The message begins with the chunk's number and offset. */
    warn("zeros for %" PRIu64 " bytes%s: %s", bad->length, in_units(bad->length, units), bad->message);
    return 0;
}

/* The part that is wanted; all of it if nothing was said. */
static bool wants_part(const struct args *args, uint64_t *offset, uint64_t *length)
{
    const struct value *given = &args->option[OPT_LENGTH];

    *offset = args->option[OPT_OFFSET].number;
    *length = given->given ? given->number : UINT64_MAX;
    return *offset > 0 || given->given;
}

static pxds_status write_index(const struct args *args, pxds_restorer *restorer,
                               const pxds_index *index, uint64_t *size, pxds_error **err)
{
    const char *out = args->operand[3];
    uint64_t offset, length;

    if (wants_part(args, &offset, &length))
        return is_dash(out) ? pxds_restorer_write_range_fd(restorer, index, offset, length,
                                                           STDOUT_FILENO, size, err)
                            : pxds_restorer_write_range_file(restorer, index, offset, length, out,
                                                             size, err);
    return is_dash(out) ? pxds_restorer_write_fd(restorer, index, STDOUT_FILENO, size, err)
                        : pxds_restorer_write_file(restorer, index, out, size, err);
}

uint32_t open_flags(const struct args *args)
{
    const struct value *option = args->option;

    return (option[OPT_ALLOW_UNSIGNED].given ? PXDS_OPEN_ALLOW_UNSIGNED : 0) |
           (option[OPT_SKIP_BAD].given ? PXDS_OPEN_SALVAGE : 0);
}

bool is_signed(const pxds_store *store, const char *path)
{
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    pxds_manifest *manifest = NULL;
    bool is = pxds_manifest_load(store, path, &manifest, NULL) >= 0 &&
              pxds_manifest_get_info(manifest, &info, NULL) >= 0 &&
              (info.flags & PXDS_MANIFEST_SIGNED) != 0;

    pxds_manifest_free(manifest);
    return is;
}

/* Tells why an archive cannot be had, and which option takes it all the same, if one does. */
static int refuse(const struct args *args, const pxds_store *store, pxds_error *err)
{
    const pxds_status status = pxds_error_status(err);
    const bool unsigned_too = args->option[OPT_ALLOW_UNSIGNED].given;

    fail(err);
    if (status == PXDS_ERR_NOT_FOUND)
        note("'pxds files %s %s' lists what there is", args->operand[0], args->operand[1]);
    else if (status == PXDS_ERR_AUTH && !unsigned_too && !is_signed(store, args->operand[1]))
        note("--allow-unsigned restores what nobody has signed");
    else if ((status == PXDS_ERR_CORRUPT || status == PXDS_ERR_FORMAT ||
              status == PXDS_ERR_LIMIT) &&
             !args->option[OPT_SKIP_BAD].given)
        note("--skip-bad%s restores what can be read, whatever the manifest says",
            args->option[OPT_KEY].given && !unsigned_too ? " with --allow-unsigned" : "");
    return 1;
}

static int restore_index(const struct args *args, const pxds_store *store,
                         const pxds_snapshot *snapshot, const pxds_key *key, struct restore *restore)
{
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    pxds_restorer *restorer = NULL;
    pxds_index *index = NULL;
    pxds_error *err = NULL;
    char units[SIZE_TEXT_MAX];
    int rc = 0;

    options.key = key;
    options.threads = (uint32_t)args->option[OPT_THREADS].number;
    if (args->option[OPT_SPARSE].given)
        options.flags = PXDS_RESTORER_SPARSE;
    options.on_bad_user = options.progress_user = restore;
    if (args->option[OPT_SKIP_BAD].given)
        options.on_bad = on_bad;
    options.progress = on_bytes;
    prepare_restore(args->operand[3]);
    if (pxds_snapshot_open_index(snapshot, args->operand[2], &index, &err) < 0)
        rc = refuse(args, store, err);
    else if (pxds_restorer_new(store, &options, &restorer, &err) < 0 ||
        write_index(args, restorer, index, &restore->size, &err) < 0)
        rc = fail(err);
    else if (restore->bad_chunks > 0) {
        note("%" PRIu64 " bad chunk%s, %" PRIu64 " bytes%s, %s filled with zeros", restore->bad_chunks,
             plural(restore->bad_chunks, "s"), restore->bad_bytes, in_units(restore->bad_bytes, units),
             restore->bad_chunks == 1 ? "was" : "were");
        rc = EXIT_INCOMPLETE;
    }
    clear_line();
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    return rc;
}

static int restore_blob(const struct args *args, const pxds_store *store,
                        const pxds_snapshot *snapshot, struct restore *restore)
{
    pxds_buffer *blob = NULL;
    pxds_error *err = NULL;
    uint64_t offset, length, len;
    int rc;

    if (pxds_snapshot_read_blob(snapshot, args->operand[2], PXDS_BLOB_MAX_SIZE, &blob, &err) < 0)
        return refuse(args, store, err);
    len = pxds_buffer_len(blob);
    if (wants_part(args, &offset, &length) && length > 0 && offset >= len) {
        say("the offset %" PRIu64 " is beyond the end of a file of %" PRIu64 " bytes", offset, len);
        rc = 1;
    } else {
        if (offset > len)
            offset = len;
        if (length > len - offset)
            length = len - offset;
        restore->size = length;
        rc = write_output(args->operand[3], pxds_buffer_data(blob) + offset, (size_t)length);
    }
    pxds_buffer_free(blob);
    return rc;
}

const char *signature_name(uint32_t signature)
{
    static const char *const names[] = {
        [PXDS_SIGNATURE_UNCHECKED] = "unchecked",
        [PXDS_SIGNATURE_MISSING] = "missing",
        [PXDS_SIGNATURE_VALID] = "valid",
    };

    return names[signature];
}

/* What no key has confirmed is at least mentioned. */
static void note_signature(const pxds_store *store, const char *path,
                           const pxds_snapshot *snapshot)
{
    if (pxds_snapshot_signature(snapshot) == PXDS_SIGNATURE_UNCHECKED && is_signed(store, path))
        note("the manifest is signed, and its signature was not checked");
}

static void json_restored(const struct args *args, const pxds_snapshot *snapshot, const struct restore *restore)
{
    json_begin();
    json_snapshot(args->operand[1]);
    json_text("archive", args->operand[2]);
    json_text("output", args->operand[3]);
    json_number("size", restore->size);
    json_number("bad_chunks", restore->bad_chunks);
    json_number("bad_bytes", restore->bad_bytes);
    json_text("signature", signature_name(pxds_snapshot_signature(snapshot)));
    json_end();
    json_is_whole(); /* the bad chunks have been counted */
}

int cmd_restore(const struct args *args)
{
    struct restore restore = {{NULL, now(), 0, 0}, 0, 0, 0};
    const char *name = args->operand[2];
    char *path = NULL;
    pxds_store *store;
    pxds_snapshot *snapshot = NULL;
    pxds_error *err = NULL;
    pxds_key *key = NULL;
    uint32_t kind;
    const uint32_t flags = open_flags(args);
    int rc = check_key_options(args, false);

    if (rc == 0)
        rc = check_json_output(args, args->operand[3]);
    if (rc == 0)
        rc = check_descriptor(args->operand[3]);
    if (rc == 0 && pxds_archive_check(name, &kind, &err) < 0)
        rc = misuse(args->command, err);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    store = open_tree(args, false);
    path = store != NULL ? pick_snapshot(args, store, args->operand[1]) : NULL;
    if (path != NULL)
        args->operand[1] = path;
    if (path != NULL)
        detail("restoring %s of %s", name, path);
    if (path == NULL)
        rc = 1;
    else if (pxds_snapshot_open(store, path, key, flags, &snapshot, &err) < 0)
        rc = refuse(args, store, err);
    else
        rc = kind == PXDS_ARCHIVE_BLOB ? restore_blob(args, store, snapshot, &restore)
                                       : restore_index(args, store, snapshot, key, &restore);
    if ((rc == 0 || rc == EXIT_INCOMPLETE) && args->option[OPT_JSON].given)
        json_restored(args, snapshot, &restore);
    if (rc == 0)
        note_signature(store, path, snapshot);
    pxds_snapshot_free(snapshot);
    free(path);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}
