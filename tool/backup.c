/* The command that makes a snapshot. */
#include "tool.h"

struct archive {
    const char *name;
    const char *path;
    int fd; /* -1: not open */
    bool is_printed; /* by the command of --from-command */
    uint32_t kind;
    pxds_ingest_stats stats; /* of a blob the size alone */
};

/* Whether a file is what a descriptor gives, and which. */
static bool is_descriptor(const char *path, int *fd)
{
    if (!is_dash(path))
        return names_descriptor(path, fd);
    *fd = STDIN_FILENO;
    return true;
}

/* Two archives cannot have one name, nor be read from one descriptor. */
static int check_pair(const struct args *args, const struct archive *one, const struct archive *other)
{
    int fd, other_fd;

    if (strcmp(one->name, other->name) == 0)
        return usage_error(args->command, "%s: two archives cannot have one name", other->name);
    if (is_descriptor(one->path, &fd) && is_descriptor(other->path, &other_fd) && fd == other_fd)
        return usage_error(args->command, "%s and %s: only one of them can be %s", one->name, other->name,
                           fd == STDIN_FILENO ? "standard input" : one->path);
    return 0;
}

/* Takes NAME=FILE, the last of `count` archives, apart; the '=' becomes the end of the name. */
static int parse_archive(const struct args *args, char *operand, struct archive *archives,
                         int count)
{
    struct archive *archive = &archives[count - 1];
    char *equals = strchr(operand, '=');
    pxds_error *err = NULL;

    if (equals == NULL || equals == operand || equals[1] == '\0')
        return usage_error(args->command, "'%s' is not NAME=FILE", operand);
    *equals = '\0';
    archive->name = operand;
    archive->path = equals + 1;
    if (pxds_archive_check(archive->name, &archive->kind, &err) < 0)
        return misuse(args->command, err);
    if (strcmp(archive->name, "index.json.blob") == 0)
        return usage_error(args->command, "%s: that is the manifest, which is made by itself", archive->name);
    if (strcmp(archive->name, "rsa-encrypted.key.blob") == 0)
        return usage_error(args->command, "%s: that is the sealed key, which --master-pubkey adds", archive->name);
    archive->is_printed = args->option[OPT_FROM_COMMAND].given && is_dash(archive->path);
    for (const struct archive *other = archives; other < archive; other++)
        if (check_pair(args, other, archive) != 0)
            return 2;
    return 0;
}

/* Says no to a command without an archive, and to the reverse. */
static int check_command(const struct args *args, const struct archive *archives, int count)
{
    bool is_wanted = false;

    if (!args->option[OPT_FROM_COMMAND].given)
        return 0;
    for (int i = 0; i < count; i++)
        is_wanted = is_wanted || archives[i].is_printed;
    if (args->child == NULL || args->child[0] == NULL || args->child[0][0] == '\0')
        return usage_error(args->command, "--from-command needs a command behind '--'");
    if (!is_wanted)
        return usage_error(args->command, "--from-command needs an archive NAME=-");
    return 0;
}

/* Whether a file has no byte, as far as that can be told without reading from a stream. */
static bool is_empty(int fd)
{
    struct stat st;
    char byte;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, &byte, 1, 0) == 0;
}

/* Takes a descriptor that the caller of the tool has opened. */
static int take_descriptor(struct archive *archive, int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags == -1 || (flags & O_ACCMODE) == O_WRONLY) {
        say("%s: %s is not open for reading", archive->name, archive->path);
        return 1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC); /* it is not for the command of --from-command */
    archive->fd = fd;
    return 0;
}

static int open_archive(struct archive *archive)
{
    int fd;

    if (archive->is_printed)
        return 0;
    if (!is_dash(archive->path) && is_descriptor(archive->path, &fd)) {
        if (take_descriptor(archive, fd) != 0)
            return 1;
    } else {
        archive->fd = open_input(archive->path);
    }
    if (archive->fd < 0)
        return 1;
    if (archive->kind != PXDS_ARCHIVE_BLOB && is_empty(archive->fd)) {
        say("%s: %s is empty, and an index of nothing stops PBS's garbage collection; store it"
            " as a .blob",
            archive->name, input_name(archive->path));
        return 1;
    }
    return 0;
}

/* Says no to sizes that cannot be, and to what PBS could not live with unless that is asked for. */
static int check_chunk_size(const struct args *args, const struct archive *archives, int count)
{
    const struct value *size = &args->option[OPT_CHUNK_SIZE];
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_error *err = NULL;

    if (!size->given)
        return 0;
    if (pxds_chunker_config_init(&config, size->number, &err) < 0)
        return misuse(args->command, err);
    if (size->number == PXDS_PBS_IMAGE_CHUNK_SIZE || args->option[OPT_ANY_CHUNK_SIZE].given)
        return 0;
    for (int i = 0; i < count; i++)
        if (archives[i].kind == PXDS_ARCHIVE_FIXED)
            return usage_error(args->command,
                               "%s: PBS's garbage collection stops at an image in other chunks than of %d bytes;"
                               " --any-chunk-size makes one all the same",
                               archives[i].name, PXDS_PBS_IMAGE_CHUNK_SIZE);
    return 0;
}

/* Says no to a key that would not be used, and to a mode that lacks one. */
static int check_crypt_mode(const struct args *args, const struct archive *archives, int count)
{
    const struct value *mode = &args->option[OPT_CRYPT_MODE];
    const struct value *master = &args->option[OPT_MASTER_PUBKEY];
    const bool has_key = args->option[OPT_KEY].given;
    bool reads_stdin = false;

    if (mode->given && has_key && mode->number == PXDS_CRYPT_NONE)
        return usage_error(args->command, "--crypt-mode none goes without --key");
    if (mode->number > PXDS_CRYPT_NONE && !has_key)
        return usage_error(args->command, "--crypt-mode %s needs a --key", mode->text);
    if (master->given && (!has_key || is_dash(master->text)))
        return usage_error(args->command, "--master-pubkey names a file and goes with --key");
    for (int i = 0; i < count; i++) {
        int fd;

        if (archives[i].is_printed || !is_descriptor(archives[i].path, &fd))
            continue;
        reads_stdin = reads_stdin || fd == STDIN_FILENO;
        if (fd != STDIN_FILENO && args->option[OPT_PASSWORD_FD].given &&
            args->option[OPT_PASSWORD_FD].number == (uint64_t)fd)
            return usage_error(args->command, "one descriptor cannot be data and password");
    }
    return check_key_options(args, reads_stdin);
}

/* Writes the path of the group, [ns/NAME/...]TYPE/ID. */
static int group_path(const struct args *args, char *path, size_t capacity)
{
    const char *ns = args->option[OPT_NS].text;
    pxds_group_name group = PXDS_GROUP_NAME_INIT;
    pxds_error *err = NULL;
    size_t len;

    if (pxds_group_parse(args->operand[1], &group, &err) < 0)
        return misuse(args->command, err);
    if (ns != NULL && group.ns[0] != '\0')
        return usage_error(args->command, "with --ns, '%s' must be TYPE/ID", args->operand[1]);
    if (pxds_group_format(ns != NULL ? ns : group.ns, group.type, group.id, path, capacity, &len,
                          &err) < 0)
        return misuse(args->command, err);
    return 0;
}

/* What the options say of streams and images alike. */
struct adding {
    pxds_ingest_options stream;
    pxds_image_options image;
};

/* Adds an archive. One that a command prints is whole only if the command says so in the end. */
static int add_archive(const struct args *args, pxds_backup *backup, const struct adding *adding,
                       struct archive *archive)
{
    struct child child;
    pxds_error *err = NULL;
    int fd = archive->fd, rc = 0;
    pxds_status status;
    bool is_read;

    detail("%s: storing %s", archive->name,
           archive->is_printed ? "what the command prints" : input_name(archive->path));
    if (archive->is_printed) {
        if (start_child(args->child, &child) != 0)
            return 1;
        fd = child.out;
    }
    status = pxds_backup_add_fd(backup, archive->name, fd, &adding->stream, &adding->image, &archive->stats, &err);
    /* What is refused has been read to its end; that the command has failed is why. */
    is_read = status >= 0 || status == PXDS_ERR_ARGUMENT;
    if (archive->is_printed && end_child(&child, is_read) != 0)
        rc = 1;
    if (rc != 0 && is_read)
        pxds_error_free(err);
    else if (status < 0)
        rc = fail(err);
    return rc;
}

static int add_archives(const struct args *args, pxds_backup *backup, struct archive *archives,
                        int count)
{
    const uint64_t chunk_size = args->option[OPT_CHUNK_SIZE].number;
    struct meter meter = {NULL, 0, 0, 0};
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    struct adding adding = {PXDS_INGEST_OPTIONS_INIT, PXDS_IMAGE_OPTIONS_INIT};
    pxds_ingest_options *stream = &adding.stream;
    pxds_image_options *image = &adding.image;
    int rc = 0;

    config.avg = chunk_size;
    stream->chunker = &config;
    image->chunk_size = chunk_size;
    if (args->option[OPT_STRICT].given) {
        stream->flags = PXDS_INGEST_STRICT;
        image->flags = PXDS_IMAGE_STRICT;
    }
    stream->threads = image->threads = (uint32_t)args->option[OPT_THREADS].number;
    stream->on_chunk = image->on_chunk = on_chunk;
    stream->progress = image->progress = on_bytes;
    stream->on_chunk_user = stream->progress_user = &meter;
    image->on_chunk_user = image->progress_user = &meter;
    for (int i = 0; rc == 0 && i < count; i++) {
        meter = (struct meter){archives[i].name, now(), 0, 0};
        rc = add_archive(args, backup, &adding, &archives[i]);
    }
    clear_line();
    return rc;
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    (void)user;
    if (progress->phase == PXDS_BACKUP_PHASE_WAIT)
        return show_progress("wait", progress, "waiting for a time after that of the last snapshot");
    if (progress->total <= 1)
        return show_progress("finish", progress, "bringing it to the disk");
    return show_progress("finish", progress, "bringing it to the disk: %" PRIu64 " of %" PRIu64 " directories",
                         progress->done, progress->total);
}

static int finish(pxds_backup *backup)
{
    pxds_error *err = NULL;
    pxds_status status = pxds_backup_finish(backup, &err);

    clear_line();
    return status < 0 ? fail(err) : 0;
}

static void print_snapshot(const char *path, const struct archive *archives, int count)
{
    if (is_quiet())
        return;
    printf("%s\n", path);
    for (int i = 0; i < count; i++) {
        const pxds_ingest_stats *stats = &archives[i].stats;
        char text[SIZE_TEXT_MAX];

        printf("  %s: %" PRIu64 " byte%s%s", archives[i].name, stats->size,
               plural(stats->size, "s"), in_units(stats->size, text));
        if (archives[i].kind != PXDS_ARCHIVE_BLOB)
            printf(", %" PRIu64 " chunk%s: %" PRIu64 " new, %" PRIu64 " duplicate%s", stats->chunks,
                   plural(stats->chunks, "s"), stats->new_chunks,
                   stats->chunks - stats->new_chunks,
                   plural(stats->chunks - stats->new_chunks, "s"));
        putchar('\n');
    }
}

static void json_backup(const char *path, const struct archive *archives, int count)
{
    json_begin();
    json_snapshot(path);
    json_open("archives", '[');
    for (int i = 0; i < count; i++) {
        json_open(NULL, '{');
        json_text("archive", archives[i].name);
        json_ingested(&archives[i].stats, archives[i].kind != PXDS_ARCHIVE_BLOB);
        json_close('}');
    }
    json_close(']');
    json_end();
}

/* `sealed`, the key for the holder of the master key, may be NULL. */
static int make_snapshot(const struct args *args, const pxds_key *key, const pxds_buffer *sealed,
                         struct archive *archives, int count)
{
    const char *comment = args->option[OPT_COMMENT].text;
    pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
    pxds_backup *backup = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    char group[1024];
    int rc = group_path(args, group, sizeof group);

    if (rc != 0)
        return rc;
    options.flags = args->option[OPT_ANY_CHUNK_SIZE].given ? PXDS_BACKUP_ANY_CHUNK_SIZE : 0;
    options.key = key;
    options.crypt_mode = (uint32_t)args->option[OPT_CRYPT_MODE].number;
    if (args->option[OPT_TIME].given) {
        options.flags |= PXDS_BACKUP_SET_TIME;
        options.time = (int64_t)args->option[OPT_TIME].number;
    }
    options.owner = args->option[OPT_OWNER].text;
    options.progress = on_progress;
    options.notes = comment != NULL && comment[0] != '\0' ? comment : NULL;
    begin_changes();
    store = open_store(args, args->operand[0], 0, NULL, NULL);
    if (store == NULL)
        rc = 1;
    if (rc == 0) {
        const pxds_status status = pxds_backup_new(store, group, &options, &backup, &err);

        clear_line();
        rc = status < 0 ? fail(err) : add_archives(args, backup, archives, count);
    }
    if (stop_signal() != 0) /* it came while the last bytes did */
        rc = 1;
    if (rc == 0 && sealed != NULL &&
        pxds_backup_add_sealed_key(backup, pxds_buffer_data(sealed), pxds_buffer_len(sealed),
                                   &err) < 0)
        rc = fail(err);
    if (rc == 0)
        rc = finish(backup);
    if (rc == 0 && args->option[OPT_JSON].given)
        json_backup(pxds_backup_snapshot(backup), archives, count);
    else if (rc == 0)
        print_snapshot(pxds_backup_snapshot(backup), archives, count);
    pxds_backup_free(backup); /* leaves nothing but chunks if it is not finished */
    pxds_store_free(store);
    return rc;
}

int cmd_backup(const struct args *args)
{
    const int count = args->operands - 2;
    struct archive *archives = calloc((size_t)count, sizeof *archives);
    pxds_buffer *sealed = NULL;
    pxds_key *key = NULL;
    int rc = 0;

    if (archives == NULL)
        return fail(NULL);
    for (int i = 0; i < count; i++) {
        archives[i].fd = -1;
        archives[i].stats.struct_size = sizeof archives[i].stats;
    }
    /* What can be refused is refused before anything is written. */
    for (int i = 0; rc == 0 && i < count; i++)
        rc = parse_archive(args, args->operand[2 + i], archives, i + 1);
    if (rc == 0)
        rc = check_command(args, archives, count);
    if (rc == 0)
        rc = check_chunk_size(args, archives, count);
    if (rc == 0)
        rc = check_crypt_mode(args, archives, count);
    for (int i = 0; rc == 0 && i < count; i++)
        rc = open_archive(&archives[i]);
    if (rc == 0)
        rc = load_and_seal_key(args, &key, &sealed);
    if (rc == 0)
        rc = make_snapshot(args, key, sealed, archives, count);
    pxds_buffer_free(sealed);
    pxds_key_free(key);
    for (int i = 0; i < count; i++)
        if (archives[i].fd >= 0)
            close(archives[i].fd);
    free(archives);
    return rc;
}
