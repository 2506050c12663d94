/*
 * What the tests of faults and of concurrency run: one call on the snapshots of a store, by itself.
 *
 *     backup_one make STORE SYNC LOCKS GROUP TIME INPUT [REFUSE]
 *     backup_one destroy STORE SYNC LOCKS SNAPSHOT
 *     backup_one group STORE SYNC LOCKS GROUP
 *     backup_one destroy-group STORE SYNC LOCKS GROUP
 *     backup_one list STORE SYNC LOCKS
 *     backup_one restore STORE SYNC LOCKS SNAPSHOT DIRECTORY
 *
 * make takes INPUT/stream, INPUT/image and INPUT/conf. At chunk REFUSE of the stream its callback
 * says no. REFUSE "wait" is for tests of locks: it says "started", and goes on when its input ends.
 * SYNC is a PXDS_SYNC_ number; LOCKS the directory of lock files, "-" for none. list prints a line
 * `PATH FLAGS` for each snapshot. Exit status 1: the message is on stderr; 2: the usage was wrong.
 */
#define _XOPEN_SOURCE 700

#include <pxds.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pxds_error *err;

static void must(pxds_status status)
{
    if (status < 0) {
        fprintf(stderr, "backup_one: %s: %s (path %s)\n", pxds_status_name(status),
                pxds_error_message(err),
                pxds_error_path(err) != NULL ? pxds_error_path(err) : "none");
        exit(1);
    }
}

static int32_t refuse_at(void *user, const pxds_ingest_chunk *chunk)
{
    unsigned *left = user;

    (void)chunk;
    return *left > 0 && --*left == 0 ? 7 : 0;
}

/* A failure frees the backup first, as a program would that goes on. */
static void step(pxds_backup *backup, pxds_status status)
{
    if (status < 0)
        pxds_backup_free(backup);
    must(status);
}

static void add(pxds_backup *backup, const char *name, const char *input, const char *file,
                const pxds_ingest_options *stream)
{
    pxds_image_options image = PXDS_IMAGE_OPTIONS_INIT;
    char path[4096];
    pxds_status status;
    int fd;

    snprintf(path, sizeof path, "%s/%s", input, file);
    image.threads = 1;
    fd = open(path, O_RDONLY);
    if (fd < 0) {
        perror(path);
        exit(2);
    }
    status = pxds_backup_add_fd(backup, name, fd, stream, &image, NULL, &err);
    close(fd);
    step(backup, status);
}

static void make(const pxds_store *store, char **args, const char *refuse)
{
    pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
    pxds_ingest_options stream = PXDS_INGEST_OPTIONS_INIT;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_backup *backup = NULL;
    int64_t time = strtoll(args[1], NULL, 10);
    unsigned left = 0;

    must(pxds_chunker_config_init(&config, 4096, &err));
    stream.chunker = &config;
    stream.threads = 1; /* a fault at the n-th call of a thread must find the same call each time */
    if (refuse != NULL && strcmp(refuse, "wait") != 0) {
        left = (unsigned)strtoul(refuse, NULL, 10);
        stream.on_chunk = refuse_at;
        stream.on_chunk_user = &left;
    }
    options.flags = time > 0 ? PXDS_BACKUP_SET_TIME : 0;
    options.time = time > 0 ? time : 0;
    options.notes = "made by a test";
    must(pxds_backup_new(store, args[0], &options, &backup, &err));
    add(backup, "root.pxar.didx", args[2], "stream", &stream);
    add(backup, "disk.img.fidx", args[2], "image", NULL);
    add(backup, "etc.conf.blob", args[2], "conf", NULL);
    if (refuse != NULL && strcmp(refuse, "wait") == 0) {
        puts("started");
        fflush(stdout);
        while (getchar() != EOF)
            continue;
    }
    step(backup, pxds_backup_finish(backup, &err));
    pxds_backup_free(backup);
}

static void list(const pxds_store *store)
{
    pxds_snapshot_list *found = NULL;
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_status status;

    must(pxds_store_snapshots(store, NULL, PXDS_LIST_RECURSIVE, &found, &err));
    for (size_t i = 0; (status = pxds_snapshot_list_get(found, i, &entry, &err)) == PXDS_OK; i++)
        printf("%s %u\n", entry.path, (unsigned)entry.flags);
    must(status);
    pxds_snapshot_list_free(found);
}

static void restore(const pxds_store *store, char **args)
{
    static const char *const names[] = {"root.pxar.didx", "disk.img.fidx"};
    static const char *const files[] = {"stream", "image"};
    char path[4096];
    pxds_snapshot *snapshot = NULL;
    pxds_restorer *restorer = NULL;
    pxds_buffer *blob = NULL;
    FILE *file;

    must(pxds_snapshot_open(store, args[0], NULL, 0, &snapshot, &err));
    must(pxds_restorer_new(store, NULL, &restorer, &err));
    for (int i = 0; i < 2; i++) {
        pxds_index *index = NULL;
        uint64_t written = 0;

        must(pxds_snapshot_open_index(snapshot, names[i], &index, &err));
        snprintf(path, sizeof path, "%s/%s", args[1], files[i]);
        must(pxds_restorer_write_file(restorer, index, path, &written, &err));
        pxds_index_free(index);
    }
    must(pxds_snapshot_read_blob(snapshot, "etc.conf.blob", SIZE_MAX, &blob, &err));
    snprintf(path, sizeof path, "%s/conf", args[1]);
    file = fopen(path, "wb");
    if (file == NULL ||
        fwrite(pxds_buffer_data(blob), 1, pxds_buffer_len(blob), file) != pxds_buffer_len(blob) ||
        fclose(file) != 0) {
        perror(path);
        exit(2);
    }
    pxds_buffer_free(blob);
    pxds_restorer_free(restorer);
    pxds_snapshot_free(snapshot);
}

int main(int argc, char **argv)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = NULL;
    const char *what = argc > 4 ? argv[1] : "";

    if (argc < 5)
        return 2;
    options.sync = (uint32_t)strtoul(argv[3], NULL, 10);
    if (strcmp(argv[4], "-") != 0) {
        options.store_name = "main";
        options.lock_dir = argv[4];
    }
    must(pxds_store_open(argv[2], &options, &store, &err));
    if (strcmp(what, "make") == 0 && (argc == 8 || argc == 9))
        make(store, argv + 5, argv[8]);
    else if (strcmp(what, "destroy") == 0 && argc == 6)
        must(pxds_snapshot_destroy(store, argv[5], &err));
    else if (strcmp(what, "destroy-group") == 0 && argc == 6)
        must(pxds_group_destroy(store, argv[5], NULL, NULL, &err));
    else if (strcmp(what, "group") == 0 && argc == 6)
        must(pxds_group_create(store, argv[5], NULL, &err));
    else if (strcmp(what, "list") == 0 && argc == 5)
        list(store);
    else if (strcmp(what, "restore") == 0 && argc == 7)
        restore(store, argv + 5);
    else
        return 2;
    pxds_store_free(store);
    return 0;
}
