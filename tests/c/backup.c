/* Snapshots are made whole or not at all, and hold what they need while they are at work. */
#include "tree.h"

static void test_three_archives(void)
{
    pxds_store *store = new_store();
    pxds_backup *backup = new_backup(store, "ns/a/host/x", TIME), *next;
    pxds_index_writer *writer = stream_of(store, data, DATA_LEN);
    pxds_image *image = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_index *index = NULL;
    pxds_restorer *restorer = NULL;
    pxds_buffer *blob = NULL;
    pxds_manifest *manifest = NULL;
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    uint64_t written = 0;

    CHECK(strcmp(pxds_backup_snapshot(backup), "ns/a/host/x/" TIME_NAME) == 0);
    CHECK(pxds_backup_previous(backup) == NULL);
    OK(pxds_backup_add_index(backup, "root.pxar.didx", writer, &err));
    pxds_index_writer_free(writer); /* before the backup is finished */
    OK(pxds_image_new(store, DATA_LEN, NULL, &image, &err));
    OK(pxds_image_write(image, data, DATA_LEN, &err));
    OK(pxds_image_finish(image, &writer, &err));
    OK(pxds_backup_add_index(backup, "disk.img.fidx", writer, &err));
    OK(pxds_backup_add_blob(backup, "conf.blob", data, 1000, 0, &err));
    OK(pxds_backup_add_blob(backup, "raw.blob", "x", 1, PXDS_ADD_NO_COMPRESS, &err));
    OK(pxds_backup_add_blob(backup, "empty.blob", NULL, 0, 0, &err));
    CHECK(strcmp(listing(store), "") == 0);
    OK(pxds_backup_finish(backup, &err));
    CHECK(strcmp(listing(store), "ns/a/host/x/" TIME_NAME " 2") == 0);
    pxds_image_free(image); /* after the index that came of it, and the snapshot */
    pxds_index_writer_free(writer);

    next = new_backup(store, "ns/a/host/x", TIME + 1);
    CHECK(strcmp(pxds_backup_previous(next), "ns/a/host/x/" TIME_NAME) == 0);
    pxds_backup_free(backup); /* has let go of everything when it was finished */
    pxds_backup_free(next);

    OK(pxds_snapshot_open(store, "ns/a/host/x/" TIME_NAME, NULL, 0, &snapshot, &err));
    OK(pxds_snapshot_open_index(snapshot, "root.pxar.didx", &index, &err));
    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    pxds_store_free(store); /* the snapshot and the restorer keep what they need of it */
    OK(pxds_snapshot_get_manifest(snapshot, &manifest, &err));
    OK(pxds_snapshot_read_blob(snapshot, "raw.blob", 1, &blob, &err));
    CHECK(is_text(blob, "x"));
    OK(pxds_snapshot_read_blob(snapshot, "empty.blob", 0, &blob, &err));
    CHECK(is_text(blob, ""));
    IS(PXDS_ERR_LIMIT, pxds_snapshot_read_blob(snapshot, "conf.blob", 999, &blob, &err));
    CHECK(blob == NULL && names_path("store/ns/a/host/x/" TIME_NAME "/conf.blob"));
    pxds_snapshot_free(snapshot); /* before its index and its manifest */
    OK(pxds_manifest_get_info(manifest, &info, &err));
    EQUAL(5, info.file_count);
    EQUAL(TIME, info.time);
    pxds_manifest_free(manifest);
    OK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(DATA_LEN, written);
    pxds_index_free(index);
    pxds_restorer_free(restorer);
}

static void test_wrong_groups_and_options(void)
{
    static const char *const groups[] = {"", "host", "host/", "host/.x", "HOST/x", "host/x/", "/host/x",
                                         "host/../x", "ns/host/x", "host/x/" TIME_NAME, "../host/x"};
    pxds_store *store = new_store();
    pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
    pxds_backup *backup = NULL;

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        backup = (pxds_backup *)&options;
        IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, groups[i], NULL, &backup, &err));
        CHECK(backup == NULL);
    }
    options.flags = 4;
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.flags = 0, options.time = TIME; /* without the flag that says so */
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.time = 0, options.reserved = 1;
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.reserved = 0, options.flags = PXDS_BACKUP_SET_TIME;
    for (options.time = -1; options.time <= 0; options.time++)
        IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.time = INT64_MAX;
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.time = TIME, options.owner = "nobody";
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.owner = NULL, options.notes = "\xff";
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    CHECK(!exists(in_dir("store/host")));

    make_snapshot(store, "host/x", TIME);
    options.notes = NULL;
    IS(PXDS_ERR_STATE, pxds_backup_new(store, "host/x", &options, &backup, &err));
    options.time = TIME + 1, options.owner = "me@pbs";
    IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, "host/x", &options, &backup, &err));
    CHECK(names_path("store/host/x") && says("root@pam"));
    need(mkdir(in_dir("store/host/x/" NEXT_NAME), 0755) == 0, "mkdir");
    options.owner = "root@pam";
    IS(PXDS_ERR_EXISTS, pxds_backup_new(store, "host/x", &options, &backup, &err));
    CHECK(backup == NULL && names_path("store/host/x/" NEXT_NAME));
    write_all(in_dir("store/vm"), "", 0);
    IS(PXDS_ERR_EXISTS, pxds_backup_new(store, "vm/1", NULL, &backup, &err));
    CHECK(names_path("store/vm"));
    pxds_store_free(store);
}

/* None of these ends the backup. */
static void test_wrong_archives(void)
{
    static const char *const names[] = {"", "x", ".didx", "x.txt", "../x.didx", "a/x.didx", "x.DIDX",
                                        "x.didx\n", "x.fidx", "x.blob", "index.json.blob", "-x.didx"};
    pxds_store *store = new_store(), *other = NULL;
    pxds_backup *backup = new_backup(store, "host/x", TIME);
    pxds_index_writer *writer = stream_of(store, data, 5000), *own = NULL, *theirs, *empty;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_backup_add_index(backup, names[i], writer, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_blob(backup, "x.didx", "x", 1, 0, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_blob(backup, "../x.blob", "x", 1, 0, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_blob(backup, "index.json.blob", "{}", 2, 0, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_blob(backup, "x.blob", "x", 1, 2, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_fd(backup, "x.blob", -1, NULL, NULL, NULL, &err));

    OK(pxds_index_writer_new_dynamic(0, NULL, &own, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_index(backup, "x.didx", own, &err));
    pxds_index_writer_free(own);
    OK(pxds_store_open(in_dir("store"), NULL, &other, &err));
    theirs = stream_of(other, data, 5000);
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_index(backup, "x.didx", theirs, &err));
    pxds_index_writer_free(theirs);
    pxds_store_free(other);
    empty = stream_of(store, NULL, 0);
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_index(backup, "x.didx", empty, &err));
    CHECK(says(".blob"));
    pxds_index_writer_free(empty);

    OK(pxds_backup_add_index(backup, "x.didx", writer, &err));
    IS(PXDS_ERR_EXISTS, pxds_backup_add_index(backup, "x.didx", writer, &err));
    OK(pxds_backup_add_index(backup, "y.didx", writer, &err)); /* once more, by another name */
    OK(pxds_index_writer_save(writer, in_dir("saved.didx"), &err));
    IS(PXDS_ERR_STATE, pxds_backup_add_index(backup, "z.didx", writer, &err));
    pxds_index_writer_free(writer);
    OK(pxds_backup_finish(backup, &err));
    pxds_backup_free(backup);
    CHECK(strcmp(listing(store), "host/x/" TIME_NAME " 2") == 0);
    pxds_store_free(store);
}

static int32_t refuse(void *user, const pxds_ingest_chunk *chunk)
{
    (void)user, (void)chunk;
    return 7;
}

static void test_descriptors(void)
{
    pxds_store *store = new_store();
    pxds_backup *backup = new_backup(store, "host/x", TIME);
    pxds_ingest_options stream = PXDS_INGEST_OPTIONS_INIT;
    pxds_image_options image = PXDS_IMAGE_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_snapshot *snapshot = NULL;
    pxds_buffer *blob = NULL;
    int fd;

    write_all(in_dir("in"), data, DATA_LEN);
    need((fd = open(in_dir("in"), O_RDONLY)) >= 0, "open");
    OK(pxds_backup_add_fd(backup, "a.didx", fd, &stream, NULL, &stats, &err));
    EQUAL(DATA_LEN, stats.size);
    EQUAL(DATA_LEN, lseek(fd, 0, SEEK_CUR)); /* it stays the caller's */
    OK(pxds_backup_add_fd(backup, "b.fidx", fd, NULL, &image, &stats, &err));
    EQUAL(DATA_LEN, stats.size);
    EQUAL(1, stats.chunks);
    need(lseek(fd, 0, SEEK_SET) == 0, "lseek");
    OK(pxds_backup_add_fd(backup, "c.blob", fd, NULL, NULL, &stats, &err));
    EQUAL(DATA_LEN, stats.size);
    EQUAL(0, stats.chunks);

    /* what is at its end gives nothing, which an index cannot be of */
    stats.size = 1;
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_fd(backup, "d.didx", fd, NULL, NULL, &stats, &err));
    EQUAL(0, stats.size);
    image.chunk_size = 65536;
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_fd(backup, "d.fidx", fd, NULL, &image, NULL, &err));
    stream.flags = 1u << 31;
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_fd(backup, "d.didx", fd, &stream, NULL, NULL, &err));
    OK(pxds_backup_finish(backup, &err));
    pxds_backup_free(backup);
    OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &snapshot, &err));
    OK(pxds_snapshot_read_blob(snapshot, "c.blob", SIZE_MAX, &blob, &err));
    EQUAL(DATA_LEN, pxds_buffer_len(blob));
    pxds_buffer_free(blob);
    pxds_snapshot_free(snapshot);

    /* a callback that refuses ends it */
    backup = new_backup(store, "host/x", TIME + 1);
    need(lseek(fd, 0, SEEK_SET) == 0, "lseek");
    stream.flags = 0, stream.on_chunk = refuse;
    IS(PXDS_ERR_CANCELLED, pxds_backup_add_fd(backup, "a.didx", fd, &stream, NULL, &stats, &err));
    EQUAL(7, pxds_error_callback_value(err));
    IS(PXDS_ERR_STATE, pxds_backup_add_blob(backup, "b.blob", "x", 1, 0, &err));
    IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err));
    pxds_backup_free(backup);
    CHECK(strcmp(listing(store), "host/x/" TIME_NAME " 2") == 0);
    close(fd);
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_fd(NULL, "a.didx", 0, NULL, NULL, &stats, &err));
    pxds_store_free(store);
}

/* Gives what is left of `data`, in pieces that nobody would choose. */
static int32_t give(void *user, uint8_t *bytes, size_t capacity, size_t *len)
{
    size_t *left = user;

    *len = *left < 77777 ? *left : 77777;
    if (*len > capacity)
        *len = capacity;
    memcpy(bytes, data + DATA_LEN - *left, *len);
    *left -= *len;
    return 0;
}

static int32_t stop_giving(void *user, uint8_t *bytes, size_t capacity, size_t *len)
{
    (void)user, (void)bytes, (void)capacity;
    *len = 0;
    return 5;
}

static int32_t give_too_much(void *user, uint8_t *bytes, size_t capacity, size_t *len)
{
    (void)user, (void)bytes;
    *len = capacity + 1;
    return 0;
}

static const char *const KINDS[] = {"a.didx", "b.fidx", "c.blob"};

/* Whether the archives of all kinds of the snapshot that `backup` has finished are `data`. */
static void check_kinds(const pxds_store *store, const pxds_backup *backup)
{
    pxds_snapshot *snapshot = NULL;

    OK(pxds_snapshot_open(store, pxds_backup_snapshot(backup), NULL, 0, &snapshot, &err));
    for (int i = 0; i < 3; i++) {
        size_t len = 0;
        uint8_t *bytes;

        OK(pxds_snapshot_restore_file(snapshot, KINDS[i], in_dir("out"), NULL, &err));
        bytes = read_all(in_dir("out"), &len);
        CHECK(len == DATA_LEN && memcmp(bytes, data, len) == 0);
        free(bytes);
    }
    pxds_snapshot_free(snapshot);
}

static void test_streams(void)
{
    pxds_store *store = new_store();
    pxds_backup *backup = new_backup(store, "host/x", TIME);
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;

    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_stream(backup, "a.didx", NULL, NULL, NULL, NULL, &stats, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_stream(backup, "a.txt", give, &stats, NULL, NULL, &stats, &err));
    for (int i = 0; i < 3; i++) {
        size_t left = DATA_LEN;

        OK(pxds_backup_add_stream(backup, KINDS[i], give, &left, NULL, NULL, &stats, &err));
        EQUAL(DATA_LEN, stats.size);
        EQUAL(0, left);
    }
    OK(pxds_backup_finish(backup, &err));
    check_kinds(store, backup);
    pxds_backup_free(backup);

    /* one that stops, or lies, ends it */
    for (int i = 0; i < 3; i++) {
        backup = new_backup(store, "host/x", TIME + 1);
        IS(PXDS_ERR_CANCELLED,
           pxds_backup_add_stream(backup, KINDS[i], stop_giving, NULL, NULL, NULL, &stats, &err));
        EQUAL(5, pxds_error_callback_value(err));
        EQUAL(0, stats.size);
        IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err));
        pxds_backup_free(backup);
        backup = new_backup(store, "host/x", TIME + 1);
        IS(PXDS_ERR_ARGUMENT,
           pxds_backup_add_stream(backup, KINDS[i], give_too_much, NULL, NULL, NULL, NULL, &err));
        IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err));
        pxds_backup_free(backup);
    }
    pxds_store_free(store);
}

/* Somebody else, who writes to the file while it is read. */
static int32_t meddle(void *user, const pxds_progress *progress)
{
    (void)progress;
    write_all(user, "other", 5);
    return 0;
}

static void test_files(void)
{
    pxds_store *store = new_store();
    pxds_backup *backup = new_backup(store, "host/x", TIME);
    pxds_ingest_options stream = PXDS_INGEST_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    char path[4200];

    snprintf(path, sizeof path, "%s", in_dir("in"));
    IS(PXDS_ERR_NOT_FOUND, pxds_backup_add_file(backup, "a.didx", path, NULL, NULL, &stats, &err));
    CHECK(names_path("in"));
    IS(PXDS_ERR_IO, pxds_backup_add_file(backup, "a.didx", in_dir("store"), NULL, NULL, &stats, &err));
    CHECK(names_path("store") && pxds_error_errno(err) == EISDIR);
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_file(backup, "a.didx", "", NULL, NULL, &stats, &err));
    write_all(path, data, DATA_LEN);
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_file(backup, "a.txt", path, NULL, NULL, &stats, &err));
    for (int i = 0; i < 3; i++) {
        OK(pxds_backup_add_file(backup, KINDS[i], path, NULL, NULL, &stats, &err)); /* it goes on */
        EQUAL(DATA_LEN, stats.size);
    }
    IS(PXDS_ERR_EXISTS, pxds_backup_add_file(backup, "a.didx", path, NULL, NULL, &stats, &err));
    OK(pxds_backup_finish(backup, &err));
    check_kinds(store, backup);
    pxds_backup_free(backup);

    /* a file that changes meanwhile is told of, or is a failure */
    backup = new_backup(store, "host/x", TIME + 1);
    stream.flags = PXDS_INGEST_STRICT, stream.progress = meddle, stream.progress_user = path;
    IS(PXDS_ERR_STATE, pxds_backup_add_file(backup, "a.blob", path, &stream, NULL, NULL, &err));
    CHECK(says("has changed while it was read"));
    IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err));
    pxds_backup_free(backup);
    pxds_store_free(store);
}

static void test_states(void)
{
    pxds_store *store = new_store();
    pxds_backup *backup = new_backup(store, "ns/a/ns/b/host/x", TIME);

    IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err)); /* no archive; it goes on */
    OK(pxds_backup_add_blob(backup, "a.blob", "x", 1, 0, &err));
    pxds_backup_free(backup);
    CHECK(!exists(in_dir("store/ns")));

    backup = new_backup(store, "host/x", TIME);
    OK(pxds_backup_add_blob(backup, "a.blob", "x", 1, 0, &err));
    OK(pxds_backup_finish(backup, &err));
    IS(PXDS_ERR_STATE, pxds_backup_finish(backup, &err));
    IS(PXDS_ERR_STATE, pxds_backup_add_blob(backup, "b.blob", "x", 1, 0, &err));
    CHECK(strcmp(pxds_backup_snapshot(backup), "host/x/" TIME_NAME) == 0);
    pxds_store_free(store);
    pxds_backup_free(backup);
    pxds_backup_free(NULL);
    CHECK(pxds_backup_snapshot(NULL) == NULL && pxds_backup_previous(NULL) == NULL);
}

static void test_what_is_held(void)
{
    pxds_store *store = new_store(), *other = NULL;
    pxds_backup *backup, *second = NULL;
    pxds_lock *lock = NULL;

    make_snapshot(store, "host/x", TIME);
    OK(pxds_store_open(in_dir("store"), NULL, &other, &err));
    backup = new_backup(store, "host/x", TIME + 1);
    IS(PXDS_ERR_BUSY, pxds_backup_new(other, "host/x", NULL, &second, &err));
    CHECK(second == NULL && names_path("store/host/x"));
    IS(PXDS_ERR_BUSY, pxds_group_lock(other, "host/x", &lock, &err));
    CHECK(lock == NULL && names_path("store/host/x"));
    IS(PXDS_ERR_BUSY, pxds_snapshot_destroy(other, "host/x/" TIME_NAME, &err));
    CHECK(names_path("store/host/x/" TIME_NAME));
    IS(PXDS_ERR_BUSY, pxds_store_lock(other, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    CHECK(names_path("store/.lock"));
    pxds_backup_free(backup);
    OK(pxds_snapshot_destroy(other, "host/x/" TIME_NAME, &err));
    OK(pxds_store_lock(other, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    IS(PXDS_ERR_BUSY, pxds_backup_new(store, "host/y", NULL, &second, &err));
    CHECK(names_path("store/.lock") && !exists(in_dir("store/host/y")));
    pxds_lock_free(lock);
    pxds_store_free(store);
    pxds_store_free(other);
}

/* A child that frees what it inherited takes nothing from its parent, nor can it finish anything. */
static void test_fork(void)
{
    pxds_store *store = new_store(), *other = NULL;
    pxds_backup *backup, *second = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_lock *lock = NULL;
    int status = 1;
    pid_t child;

    make_snapshot(store, "host/x", TIME);
    OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &snapshot, &err));
    OK(pxds_group_create(store, "host/y", NULL, &err));
    OK(pxds_group_lock(store, "host/y", &lock, &err));
    backup = new_backup(store, "ns/n/host/x", TIME);
    OK(pxds_backup_add_blob(backup, "a.blob", "x", 1, 0, &err));
    child = fork();
    if (child == 0) {
        int good = pxds_backup_add_blob(backup, "b.blob", "x", 1, 0, NULL) == PXDS_ERR_STATE &&
                   pxds_backup_finish(backup, NULL) == PXDS_ERR_STATE;

        pxds_backup_free(backup);
        pxds_snapshot_free(snapshot);
        pxds_lock_free(lock);
        pxds_store_free(store);
        _exit(good ? 0 : 1);
    }
    need(child > 0 && waitpid(child, &status, 0) == child, "waitpid");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(pxds_store_open(in_dir("store"), NULL, &other, &err));
    IS(PXDS_ERR_BUSY, pxds_backup_new(other, "ns/n/host/x", NULL, &second, &err));
    IS(PXDS_ERR_BUSY, pxds_backup_new(other, "host/y", NULL, &second, &err));
    IS(PXDS_ERR_BUSY, pxds_snapshot_destroy(other, "host/x/" TIME_NAME, &err));
    OK(pxds_backup_finish(backup, &err));
    CHECK(strcmp(listing(other), "host/x/" TIME_NAME " 2,ns/n/host/x/" TIME_NAME " 2") == 0);
    pxds_backup_free(backup);
    pxds_snapshot_free(snapshot);
    pxds_lock_free(lock);
    pxds_store_free(store);
    pxds_store_free(other);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    RUN(test_three_archives);
    RUN(test_wrong_groups_and_options);
    RUN(test_wrong_archives);
    RUN(test_descriptors);
    RUN(test_streams);
    RUN(test_files);
    RUN(test_states);
    RUN(test_what_is_held);
    RUN(test_fork);
    free(data);
    return check_done();
}
