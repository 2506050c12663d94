/* Stores: made, opened, locked, and places that are none. */
#include "chunk.h"

#include <time.h>

/* ---- create and open ---- */

static void test_create(void)
{
    pxds_store *store = NULL, *again = NULL;
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    struct stat st;

    options.layout = PXDS_LAYOUT_HEX2;
    OK(pxds_store_create(in_dir("store"), &options, &store, &err));
    EQUAL(PXDS_LAYOUT_HEX2, pxds_store_layout(store));
    CHECK(pxds_store_path(store)[0] == '/');
    CHECK(stat(in_dir("store/.chunks"), &st) == 0 && S_ISDIR(st.st_mode));
    CHECK(stat(in_dir("store/.lock"), &st) == 0 && S_ISREG(st.st_mode));
    CHECK(stat(in_dir("store"), &st) == 0 && (st.st_mode & 0077) == 0);
    options.flags = PXDS_STORE_SHARED;
    OK(pxds_store_create(in_dir("shared"), &options, &again, &err));
    CHECK(stat(in_dir("shared"), &st) == 0 && (st.st_mode & 0700) == 0700);
    pxds_store_free(again);
    again = NULL;
    IS(PXDS_ERR_EXISTS, pxds_store_create(in_dir("store"), &options, &again, &err));
    CHECK(again == NULL);
    pxds_store_free(store);
    pxds_store_free(NULL);
}

static void test_default_layout(void)
{
    pxds_store *store = new_store();

    EQUAL(PXDS_LAYOUT_HEX2, pxds_store_layout(store));
    pxds_store_free(store);
    EQUAL(0, pxds_store_layout(NULL));
    CHECK(pxds_store_path(NULL) == NULL);
}

/* An empty directory, or one that holds other things, becomes a store. */
static void test_create_in_a_directory(void)
{
    pxds_store *store = NULL;

    need(mkdir(in_dir("store"), 0755) == 0, "mkdir");
    need(mkdir(in_dir("store/lost+found"), 0700) == 0, "mkdir");
    OK(pxds_store_create(in_dir("store"), NULL, &store, &err));
    pxds_store_free(store);
    CHECK(exists(in_dir("store/lost+found")));
}

static void test_open_or_create(void)
{
    pxds_store *store = NULL;
    struct chunk one = chunk(1);

    OK(pxds_store_open_or_create(in_dir("store"), NULL, &store, &err));
    insert(store, &one, 0);
    pxds_store_free(store);
    OK(pxds_store_open_or_create(in_dir("store"), NULL, &store, &err));
    check_loads(store, &one);
    pxds_store_free(store);
}

/* A relative path is resolved at once: the store stays where it is when the process moves on. */
static void test_relative_path(void)
{
    pxds_store *store = NULL;
    struct chunk one = chunk(1);
    int here = open(".", O_RDONLY);

    need(here >= 0 && chdir(in_dir(".")) == 0, "chdir");
    OK(pxds_store_create("store", NULL, &store, &err));
    need(fchdir(here) == 0, "fchdir");
    close(here);
    CHECK(pxds_store_path(store)[0] == '/');
    insert(store, &one, 0);
    check_loads(store, &one);
    CHECK(exists(path_of(store, &one)));
    pxds_store_free(store);
}

static void test_what_is_no_store(void)
{
    pxds_store *store = NULL;

    IS(PXDS_ERR_NOT_FOUND, pxds_store_open(in_dir("missing"), NULL, &store, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_open(in_dir("."), NULL, &store, &err));
    CHECK(says(".chunks"));
    write_all(in_dir("file"), "x", 1);
    IS(PXDS_ERR_IO, pxds_store_open(in_dir("file"), NULL, &store, &err));
    EQUAL(ENOTDIR, pxds_error_errno(err));
    CHECK(says(in_dir("file")));
    IS(PXDS_ERR_IO, pxds_store_create(in_dir("file"), NULL, &store, &err));
    IS(PXDS_ERR_IO, pxds_store_open_or_create(in_dir("file/below"), NULL, &store, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_store_open(NULL, NULL, &store, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_store_open("", NULL, &store, &err));
    CHECK(store == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_store_open(in_dir("file"), NULL, NULL, &err));
}

struct creation {
    unsigned calls, cancel_at;
    uint64_t last, total;
};

static int32_t on_create(void *user, const pxds_progress *progress)
{
    static const struct timespec longer_than_from_call_to_call = {0, 101000000};
    struct creation *creation = user;

    creation->last = progress->done;
    creation->total = progress->total;
    if (creation->calls++ == 0)
        nanosleep(&longer_than_from_call_to_call, NULL);
    return creation->calls == creation->cancel_at ? 42 : 0;
}

/* 65536 directories take a while; whoever waits sees how far it is, and may stop it. */
static void test_hex4(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    struct creation creation = {0, 2, 0, 0};
    pxds_store *store = NULL;
    struct chunk one = chunk(1);
    char hex[PXDS_DIGEST_HEX_SIZE], tail[16];

    options.layout = PXDS_LAYOUT_HEX4;
    options.progress = on_create;
    options.progress_user = &creation;
    IS(PXDS_ERR_CANCELLED, pxds_store_create(in_dir("stopped"), &options, &store, &err));
    EQUAL(42, pxds_error_callback_value(err));
    CHECK(store == NULL);
    EQUAL(2, creation.last);
    EQUAL(65536, creation.total);

    creation.calls = 0, creation.cancel_at = 0;
    OK(pxds_store_create(in_dir("store"), &options, &store, &err));
    CHECK(creation.calls > 1);
    EQUAL(65536, creation.last);
    EQUAL(65536, creation.total);
    EQUAL(PXDS_LAYOUT_HEX4, pxds_store_layout(store));
    CHECK(exists(in_dir("store/.chunks/0000")) && exists(in_dir("store/.chunks/ffff")));
    insert(store, &one, 0);
    OK(pxds_digest_format(one.digest, hex, sizeof hex, &err));
    snprintf(tail, sizeof tail, "/%.4s/%.8s", hex, hex);
    CHECK(strstr(path_of(store, &one), tail) != NULL);
    pxds_store_free(store);

    store = open_store(); /* the layout is found, not remembered */
    EQUAL(PXDS_LAYOUT_HEX4, pxds_store_layout(store));
    check_loads(store, &one);
    pxds_store_free(store);
}

static void test_mixed_layouts(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = new_store();
    struct chunk old = chunk(1), new = chunk(2);

    insert(store, &old, 0);
    pxds_store_free(store);
    store = NULL;
    need(mkdir(in_dir("store/.chunks/0000"), 0750) == 0, "mkdir");
    IS(PXDS_ERR_FORMAT, pxds_store_open(in_dir("store"), NULL, &store, &err));
    CHECK(store == NULL);
    options.flags = PXDS_STORE_MIXED;
    OK(pxds_store_open(in_dir("store"), &options, &store, &err));
    EQUAL(PXDS_LAYOUT_HEX4, pxds_store_layout(store));
    check_loads(store, &old);
    insert(store, &new, 0);
    check_loads(store, &new);
    IS(PXDS_OK, pxds_store_has(store, old.digest, NULL, &err));
    pxds_store_free(store);
}

/* ---- locks ---- */

static void test_locks_between_handles(void)
{
    pxds_store *ours = new_store(), *theirs = open_store();
    pxds_lock *lock = NULL, *other = NULL;

    OK(pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    IS(PXDS_ERR_BUSY, pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    CHECK(other == NULL);
    CHECK(says(".lock"));
    CHECK(pxds_error_path(err) != NULL && strstr(pxds_error_path(err), "store/.lock") != NULL);
    IS(PXDS_ERR_BUSY, pxds_store_lock(theirs, PXDS_LOCK_EXCLUSIVE, &other, &err));
    pxds_lock_free(lock);

    OK(pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    OK(pxds_store_lock(ours, PXDS_LOCK_SHARED, &lock, &err));
    pxds_lock_free(lock);
    IS(PXDS_ERR_BUSY, pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    pxds_lock_free(other);
    OK(pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    pxds_lock_free(lock);
    pxds_lock_free(NULL);
    pxds_store_free(theirs);
    pxds_store_free(ours);
}

/* Lets go of the lock that is waited for. */
static int32_t let_go(void *user, const pxds_progress *progress)
{
    pxds_lock **held = user;

    EQUAL(PXDS_STORE_PHASE_LOCK, progress->phase);
    EQUAL(600000, progress->total);
    pxds_lock_free(*held);
    *held = NULL;
    return 0;
}

static int32_t stop_waiting(void *user, const pxds_progress *progress)
{
    (void)user, (void)progress;
    return 7;
}

static void test_locks_that_are_waited_for(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *theirs = new_store(), *ours = NULL;
    pxds_lock *held = NULL, *lock = NULL;

    options.lock_wait_ms = 600000;
    options.progress = let_go;
    options.progress_user = &held;
    OK(pxds_store_open(in_dir("store"), &options, &ours, &err));
    OK(pxds_store_lock(theirs, PXDS_LOCK_EXCLUSIVE, &held, &err));
    OK(pxds_store_lock(ours, PXDS_LOCK_SHARED, &lock, &err));
    CHECK(held == NULL);
    pxds_lock_free(lock);
    pxds_store_free(ours);

    OK(pxds_store_lock(theirs, PXDS_LOCK_SHARED, &held, &err));
    options.progress = stop_waiting;
    OK(pxds_store_open(in_dir("store"), &options, &ours, &err));
    IS(PXDS_ERR_CANCELLED, pxds_store_gc(ours, NULL, NULL, &err));
    EQUAL(7, pxds_error_callback_value(err));
    pxds_store_free(ours);

    options.lock_wait_ms = 1;
    options.progress = NULL;
    OK(pxds_store_open(in_dir("store"), &options, &ours, &err));
    IS(PXDS_ERR_BUSY, pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    CHECK(says(".lock"));
    pxds_lock_free(held);
    pxds_store_free(ours);
    pxds_store_free(theirs);
}

/* Within one handle shared locks may stand beside the exclusive one, which is there once. */
static void test_locks_of_one_handle(void)
{
    pxds_store *ours = new_store(), *theirs = open_store();
    pxds_lock *first = NULL, *second = NULL, *exclusive = NULL, *other = NULL;

    OK(pxds_store_lock(ours, PXDS_LOCK_SHARED, &first, &err));
    OK(pxds_store_lock(ours, PXDS_LOCK_SHARED, &second, &err));
    OK(pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &exclusive, &err));
    IS(PXDS_ERR_BUSY, pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &other, &err));
    pxds_lock_free(first);
    IS(PXDS_ERR_BUSY, pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    pxds_lock_free(exclusive);
    OK(pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    pxds_lock_free(other);
    IS(PXDS_ERR_BUSY, pxds_store_lock(theirs, PXDS_LOCK_EXCLUSIVE, &other, &err));
    pxds_lock_free(second);
    OK(pxds_store_lock(theirs, PXDS_LOCK_EXCLUSIVE, &other, &err));
    pxds_lock_free(other);
    IS(PXDS_ERR_ARGUMENT, pxds_store_lock(ours, 0, &other, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_store_lock(ours, 3, &other, &err));
    pxds_store_free(theirs);
    pxds_store_free(ours);
}

static void test_lock_outlives_the_store_handle(void)
{
    pxds_store *ours = new_store(), *theirs = open_store();
    pxds_lock *lock = NULL, *other = NULL;

    OK(pxds_store_lock(ours, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    pxds_store_free(ours);
    IS(PXDS_ERR_BUSY, pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    pxds_lock_free(lock);
    OK(pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    pxds_lock_free(other);
    pxds_store_free(theirs);
}

/* Reading needs no lock, and so no right to write. */
static void test_read_only(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1), two = chunk(2);
    char directory[4300];

    insert(store, &one, 0);
    pxds_store_free(store);
    if (geteuid() == 0)
        return; /* no mode keeps root out; the tests of the tool mount read-only */
    store = open_store();
    snprintf(directory, sizeof directory, "%s", path_of(store, &one));
    *strrchr(directory, '/') = '\0';
    pxds_store_free(store);
    need(chmod(directory, 0555) == 0, directory);
    need(chmod(in_dir("store/.chunks"), 0555) == 0, "chmod");
    need(chmod(in_dir("store/.lock"), 0444) == 0, "chmod");
    need(chmod(in_dir("store"), 0555) == 0, "chmod");
    store = open_store();
    check_loads(store, &one);
    IS(PXDS_ERR_IO, pxds_store_insert(store, two.digest, two.blob, two.blob_len, 0, NULL, &err));
    EQUAL(EACCES, pxds_error_errno(err));
    pxds_store_free(store);
    chmod(in_dir("store"), 0755);
    chmod(in_dir("store/.chunks"), 0755);
    chmod(directory, 0755);
}

/* One that only the options call so; the file system would let it be written to. */
static void test_opened_for_reading_only(void)
{
    const struct {
        uint32_t flags;
        pxds_status status;
    } ways[] = {{PXDS_STORE_READ_ONLY, PXDS_ERR_STATE},
                {PXDS_STORE_S3_CACHE, PXDS_ERR_UNSUPPORTED},
                {PXDS_STORE_READ_ONLY | PXDS_STORE_S3_CACHE, PXDS_ERR_UNSUPPORTED}};
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = new_store();
    struct chunk one = chunk(1), two = chunk(2);
    pxds_buffer *blob = NULL;
    pxds_lock *lock = NULL;

    insert(store, &one, 0);
    pxds_store_free(store);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        options.flags = ways[i].flags;
        IS(PXDS_ERR_ARGUMENT,
           pxds_store_create(in_dir("new"), &options, &store, &err));
        OK(pxds_store_open(in_dir("store"), &options, &store, &err));
        OK(pxds_store_load(store, one.digest, 0, 1000, &blob, &err));
        pxds_buffer_free(blob);
        IS(ways[i].status,
           pxds_store_insert(store, two.digest, two.blob, two.blob_len, 0, NULL, &err));
        IS(ways[i].status, pxds_store_touch(store, one.digest, &err));
        IS(ways[i].status, pxds_store_lock(store, PXDS_LOCK_SHARED, &lock, &err));
        IS(ways[i].status, pxds_store_gc(store, NULL, NULL, &err));
        CHECK(strcmp(pxds_error_path(err), pxds_store_path(store)) == 0);
        pxds_store_free(store);
    }
}

/* Snapshots alone: what needs a chunk, or the process lock, says that there are none. */
static void test_bare(void)
{
    static const char *const SNAPSHOT = "host/a/2024-01-01T00:00:00Z";
    const struct chunk one = chunk(1);
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_manifest *manifest = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_store *store = NULL;
    pxds_ingest *ingest = NULL;
    pxds_image *image = NULL;
    pxds_source *source = NULL;
    pxds_restorer *restorer = NULL;
    pxds_reader *reader = NULL;
    pxds_backup *backup = NULL;
    pxds_lock *lock = NULL;
    pxds_buffer *text = NULL;

    options.flags = PXDS_STORE_BARE;
    IS(PXDS_ERR_NOT_FOUND, pxds_store_open(in_dir("bare"), &options, &store, &err));
    need(mkdir(in_dir("bare"), 0755) == 0, "mkdir");
    need(OK(pxds_store_open(in_dir("bare"), &options, &store, &err)), "open");
    EQUAL(PXDS_LAYOUT_DEFAULT, pxds_store_layout(store));

    OK(pxds_snapshot_create(store, SNAPSHOT, NULL, &lock, &err));
    pxds_lock_free(lock);
    OK(pxds_manifest_new(PXDS_TYPE_HOST, "a", 1704067200, &manifest, &err));
    OK(pxds_manifest_save(store, SNAPSHOT, manifest, &err));
    OK(pxds_group_last(store, "host/a", &text, &err));
    pxds_buffer_free(text);
    OK(pxds_store_sync(store, &err));
    OK(pxds_snapshot_open(store, SNAPSHOT, NULL, 0, &snapshot, &err));

    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_open_reader(snapshot, "a.didx", NULL, &reader, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_touch(store, one.digest, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_lock(store, PXDS_LOCK_SHARED, &lock, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_gc(store, NULL, NULL, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_verify(store, NULL, NULL, NULL, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_ingest_new(store, NULL, &ingest, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_image_new(store, PXDS_SIZE_UNKNOWN, NULL, &image, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_source_from_store(store, &source, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_restorer_new(store, NULL, &restorer, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_backup_new(store, "host/a", NULL, &backup, &err));
    CHECK(strcmp(pxds_error_path(err), pxds_store_path(store)) == 0);

    pxds_snapshot_free(snapshot);
    OK(pxds_snapshot_destroy(store, SNAPSHOT, &err));
    pxds_manifest_free(manifest);
    pxds_store_free(store);
}

/* ---- options ---- */

static void test_options(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = NULL;
    struct chunk one = chunk(1);

    options.layout = 3;
    IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("a"), &options, &store, &err));
    options.layout = 0, options.sync = 4;
    IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("a"), &options, &store, &err));
    options.sync = 0, options.flags = UINT32_C(1) << 31;
    IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("a"), &options, &store, &err));
    options.flags = 0, options.reserved = 1;
    IS(PXDS_ERR_ARGUMENT, pxds_store_create(in_dir("a"), &options, &store, &err));
    CHECK(store == NULL && !exists(in_dir("a")));

    options.reserved = 0;
    options.flags = PXDS_STORE_SET_OWNER;
    options.owner_uid = (uint32_t)geteuid();
    options.owner_gid = (uint32_t)getegid();
    for (uint32_t sync = PXDS_SYNC_NONE; sync <= PXDS_SYNC_FILESYSTEM; sync++) {
        options.sync = sync;
        OK(pxds_store_open_or_create(in_dir("store"), &options, &store, &err));
        insert(store, &one, sync != PXDS_SYNC_NONE);
        OK(pxds_store_sync(store, &err));
        pxds_store_free(store);
    }
}

int main(void)
{
    RUN(test_create);
    RUN(test_default_layout);
    RUN(test_create_in_a_directory);
    RUN(test_open_or_create);
    RUN(test_relative_path);
    RUN(test_what_is_no_store);
    RUN(test_hex4);
    RUN(test_mixed_layouts);
    RUN(test_locks_between_handles);
    RUN(test_locks_that_are_waited_for);
    RUN(test_locks_of_one_handle);
    RUN(test_lock_outlives_the_store_handle);
    RUN(test_read_only);
    RUN(test_opened_for_reading_only);
    RUN(test_bare);
    RUN(test_options);
    return check_done();
}
