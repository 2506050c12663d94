/* A tree that somebody else has made, with the worst in mind: no call leaves it, none hangs. */
#include "tree.h"


#define SNAPSHOT "host/x/" TIME_NAME

/* A sum over all that is below `outside`: names, kinds, times, and the bytes of files. */
static uint64_t outside_sum;

static void sum_up(const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        outside_sum = (outside_sum ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
}

static int sum_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)kind, (void)ftw;
    sum_up(path, strlen(path));
    sum_up(&st->st_mode, sizeof st->st_mode);
    sum_up(&st->st_mtim, sizeof st->st_mtim);
    sum_up(&st->st_ctim, sizeof st->st_ctim);
    if (S_ISREG(st->st_mode)) {
        size_t len = 0;
        uint8_t *bytes = read_all(path, &len);

        sum_up(bytes, len);
        free(bytes);
    }
    return 0;
}

static uint64_t sum_of_outside(void)
{
    outside_sum = 14695981039346656037u;
    need(nftw(in_dir("outside"), sum_entry, 16, FTW_PHYS) == 0, "nftw");
    return outside_sum;
}

static void make_dir(const char *path)
{
    need(mkdir(in_dir(path), 0755) == 0, path);
}

static void make_link(const char *target, const char *path)
{
    need(symlink(in_dir(target), in_dir(path)) == 0, path);
}

/* A directory beside the store that looks as if it were a part of one. */
static uint64_t make_outside(void)
{
    make_dir("outside");
    make_dir("outside/x");
    make_dir("outside/x/" TIME_NAME);
    write_all(in_dir("outside/x/owner"), "root@pam\n", 9);
    write_all(in_dir("outside/x/notes"), "secret", 6);
    write_all(in_dir("outside/x/" TIME_NAME "/b.blob"), "secret", 6);
    write_all(in_dir("outside/x/" TIME_NAME "/index.json.blob"), "secret", 6);
    return sum_of_outside();
}

static const char *const climbing_groups[] = {
    "../outside/x", "host/..", "host/../../outside/x", "host/.", "host/./x", "/host/x", "//host/x",
    "ns/../host/x", "ns/a/../host/x", "ns/..", "ns//host/x", "host//x", "host/x/", "host/x/..",
    "host/\\..", "host/x\n", "host/%2e%2e", ".chunks/0000", "ns/.chunks/host/x", "", "..", "/",
};

/* Each export that takes a path refuses it, resets its output, and touches nothing. */
static void test_paths_that_climb(void)
{
    pxds_store *store = new_store();
    uint64_t before = make_outside();
    size_t count = sizeof climbing_groups / sizeof climbing_groups[0];

    make_snapshot(store, "host/x", TIME);
    for (size_t i = 0; i < 2 * count; i++) {
        char path[200], time[300], climb[300];
        const char *ns = climbing_groups[i % count];
        pxds_lock *lock = NULL;
        pxds_backup *backup = NULL;
        pxds_snapshot *snapshot = NULL;
        pxds_manifest *manifest = NULL;
        pxds_buffer *buffer = NULL;
        pxds_snapshot_list *snapshots = NULL;
        pxds_namespace_list *namespaces = NULL;
        pxds_group_list *groups = NULL;
        pxds_file_list *files = NULL;
        pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
        pxds_destroy_result result = PXDS_DESTROY_RESULT_INIT;
        char full[4200];
        size_t len;

        /* as a group, and with a time behind it as a snapshot; then below a good namespace */
        snprintf(path, sizeof path, "%s%s", i < count ? "" : "ns/a/", ns);
        snprintf(time, sizeof time, "%s/%s", path, TIME_NAME);
        IS(PXDS_ERR_ARGUMENT, pxds_group_create(store, path, NULL, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_lock(store, path, &lock, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_get_owner(store, path, &buffer, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_set_owner(store, path, "a@b", &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_get_notes(store, path, &buffer, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_set_notes(store, path, "x", &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_destroy(store, path, NULL, &result, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_group_snapshots(store, path, 0, &snapshots, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_backup_new(store, path, NULL, &backup, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_store_get_full_path(store, path, full, sizeof full, &len, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_store_get_full_path(store, time, full, sizeof full, &len, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_create(store, time, NULL, &lock, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_lock(store, time, PXDS_LOCK_SHARED, &lock, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open(store, time, NULL, 0, &snapshot, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_files(store, time, &files, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_get_info(store, time, &entry, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_protect(store, time, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_unprotect(store, time, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_destroy(store, time, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_manifest_load(store, time, &manifest, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_get_notes(store, time, &buffer, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_set_notes(store, time, "x", &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_set_unprotected(store, time, "x", "1", &err));
        snprintf(climb, sizeof climb, "%s/..", ns); /* some of them would do as a namespace */
        IS(PXDS_ERR_ARGUMENT, pxds_store_namespaces(store, climb, 0, &namespaces, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_store_groups(store, climb, 1, &groups, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_store_snapshots(store, climb, 1, &snapshots, &err));
        CHECK(lock == NULL && backup == NULL && snapshot == NULL && manifest == NULL);
        CHECK(buffer == NULL && snapshots == NULL && namespaces == NULL && groups == NULL);
        CHECK(files == NULL && full[0] == '\0' && len == 0);
    }
    CHECK(strcmp(listing(store), SNAPSHOT " 2") == 0);
    EQUAL(before, sum_of_outside());
    pxds_store_free(store);
}

static void test_times_that_climb(void)
{
    static const char *const times[] = {"..", ".", "", "2020-06-26T13:56:05", "2020-02-30T00:00:00Z",
                                        "2020-06-26T13:56:05Z/..", TIME_NAME "/", TIME_NAME ".tmp_AbC123"};
    pxds_store *store = new_store();

    make_snapshot(store, "host/x", TIME);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char path[100];
        pxds_snapshot *snapshot = NULL;

        snprintf(path, sizeof path, "host/x/%s", times[i]);
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open(store, path, NULL, 0, &snapshot, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_destroy(store, path, &err));
    }
    CHECK(strcmp(listing(store), SNAPSHOT " 2") == 0);
    pxds_store_free(store);
}

static void test_archives_that_climb(void)
{
    static const char *const names[] = {"../b.blob", "../../../../outside/x/" TIME_NAME "/b.blob",
                                        "/etc/x.blob", "a/../b.blob", "./b.blob", "", ".blob\n"};
    pxds_store *store = new_store();
    uint64_t before = make_outside();
    pxds_snapshot *snapshot = NULL;
    pxds_buffer *blob = NULL;
    pxds_index *index = NULL;
    pxds_backup *backup;

    make_snapshot(store, "host/x", TIME);
    backup = new_backup(store, "host/x", TIME + 1);
    OK(pxds_snapshot_open(store, SNAPSHOT, NULL, 0, &snapshot, &err));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_read_blob(snapshot, names[i], SIZE_MAX, &blob, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open_index(snapshot, names[i], &index, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_backup_add_blob(backup, names[i], "x", 1, 0, &err));
        CHECK(blob == NULL && index == NULL);
    }
    pxds_backup_free(backup);
    pxds_snapshot_free(snapshot);
    EQUAL(before, sum_of_outside());
    pxds_store_free(store);
}

/* Links in the place of each directory of a path: it is as if nothing were there. */
static void test_directories_that_are_links(void)
{
    static const struct {
        const char *link, *target;
    } links[] = {
        {"store/host", "outside"},
        {"store/host/x", "outside/x"},
        {"store/host/x/" TIME_NAME, "outside/x/" TIME_NAME},
    };
    pxds_store *store = new_store();
    uint64_t before = make_outside();

    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        pxds_snapshot *snapshot = NULL;
        pxds_buffer *text = NULL;
        pxds_lock *lock = NULL;
        pxds_backup *backup = NULL;
        pxds_manifest *manifest = NULL;
        pxds_destroy_result result = PXDS_DESTROY_RESULT_INIT;

        if (i >= 1)
            make_dir("store/host");
        if (i >= 2)
            make_dir("store/host/x");
        make_link(links[i].target, links[i].link);
        CHECK(strcmp(listing(store), "") == 0);
        IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_open(store, SNAPSHOT, NULL, 0, &snapshot, &err));
        IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_lock(store, SNAPSHOT, PXDS_LOCK_SHARED, &lock, &err));
        IS(PXDS_ERR_NOT_FOUND, pxds_manifest_load(store, SNAPSHOT, &manifest, &err));
        IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_set_notes(store, SNAPSHOT, "x", &err));
        IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_protect(store, SNAPSHOT, &err));
        IS(PXDS_ERR_EXISTS, pxds_snapshot_create(store, SNAPSHOT, NULL, &lock, &err));
        IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_destroy(store, SNAPSHOT, &err));
        if (i < 2) {
            IS(PXDS_ERR_NOT_FOUND, pxds_group_get_notes(store, "host/x", &text, &err));
            IS(PXDS_ERR_NOT_FOUND, pxds_group_set_owner(store, "host/x", "a@b", &err));
            IS(PXDS_ERR_EXISTS, pxds_backup_new(store, "host/x", NULL, &backup, &err));
            IS(PXDS_ERR_EXISTS, pxds_group_create(store, "host/x", NULL, &err));
        }
        IS(i < 2 ? PXDS_ERR_NOT_FOUND : PXDS_OK,
           pxds_group_destroy(store, "host/x", NULL, &result, &err));
        EQUAL(before, sum_of_outside());
        if (exists(in_dir(links[i].link)))
            need(unlink(in_dir(links[i].link)) == 0, "unlink");
        rmdir(in_dir("store/host/x"));
        rmdir(in_dir("store/host"));
    }
    make_dir("store/ns");
    make_link("outside", "store/ns/a");
    CHECK(strcmp(listing(store), "") == 0);
    IS(PXDS_ERR_EXISTS, pxds_group_create(store, "ns/a/host/x", NULL, &err));
    CHECK(names_path("store/ns/a"));
    EQUAL(before, sum_of_outside());
    pxds_store_free(store);
}

/* A snapshot full of what is no file: nothing of it is opened, and removing it removes links. */
static void test_files_that_are_none(void)
{
    static const char *const kinds[] = {"link", "fifo", "socket", "dir", "loop"};
    pxds_store *store = new_store();
    uint64_t before = make_outside();
    pxds_snapshot *snapshot = NULL;
    pxds_file_list *files = NULL;
    pxds_buffer *blob = NULL;
    pxds_index *index = NULL;

    make_snapshot(store, "host/x", TIME);
    for (size_t i = 0; i < 2; i++) {
        const char *const ends[] = {"blob", "didx"};
        char path[200];

        snprintf(path, sizeof path, "store/" SNAPSHOT "/link.%s", ends[i]);
        make_link("outside/x/notes", path);
        snprintf(path, sizeof path, "store/" SNAPSHOT "/fifo.%s", ends[i]);
        need(mkfifo(in_dir(path), 0644) == 0, "mkfifo");
        snprintf(path, sizeof path, "store/" SNAPSHOT "/dir.%s", ends[i]);
        make_dir(path);
        snprintf(path, sizeof path, "store/" SNAPSHOT "/loop.%s", ends[i]);
        make_link(path, path);
        snprintf(path, sizeof path, "store/" SNAPSHOT "/socket.%s", ends[i]);
        need(mknod(in_dir(path), S_IFSOCK | 0644, 0) == 0, "mknod");
    }
    make_link("outside", "store/" SNAPSHOT "/sub");
    OK(pxds_snapshot_files(store, SNAPSHOT, &files, &err));
    EQUAL(3, pxds_file_list_count(files));
    pxds_file_list_free(files);
    OK(pxds_snapshot_open(store, SNAPSHOT, NULL, 0, &snapshot, &err));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char name[100], path[200];

        snprintf(name, sizeof name, "%s.blob", kinds[i]);
        snprintf(path, sizeof path, "store/" SNAPSHOT "/%s", name);
        IS(PXDS_ERR_FORMAT, pxds_snapshot_read_blob(snapshot, name, SIZE_MAX, &blob, &err));
        CHECK(blob == NULL && names_path(path));
        snprintf(name, sizeof name, "%s.didx", kinds[i]);
        IS(PXDS_ERR_FORMAT, pxds_snapshot_open_index(snapshot, name, &index, &err));
        CHECK(index == NULL);
    }
    pxds_snapshot_free(snapshot);
    OK(pxds_snapshot_destroy(store, SNAPSHOT, &err));
    CHECK(!exists(in_dir("store/" SNAPSHOT)));
    EQUAL(before, sum_of_outside());
    pxds_store_free(store);
}

/* What stands for the owner, the notes and the mark: replaced or refused, never followed. */
static void test_marks_that_are_links(void)
{
    pxds_store *store = new_store();
    uint64_t before = make_outside();
    pxds_buffer *text = NULL;
    pxds_backup *backup = NULL;
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;

    make_snapshot(store, "host/x", TIME);
    need(unlink(in_dir("store/host/x/owner")) == 0, "unlink");
    make_link("outside/x/owner", "store/host/x/owner");
    make_link("outside/x/notes", "store/host/x/notes");
    make_link("outside/x/new", "store/" SNAPSHOT "/.protected");
    make_link("outside/x", "store/host/x/2020-06-26T13:56:09Z.tmp_AbC123");
    IS(PXDS_ERR_FORMAT, pxds_group_get_owner(store, "host/x", &text, &err));
    CHECK(names_path("store/host/x/owner"));
    IS(PXDS_ERR_FORMAT, pxds_group_get_notes(store, "host/x", &text, &err));
    CHECK(names_path("store/host/x/notes"));
    IS(PXDS_ERR_FORMAT, pxds_backup_new(store, "host/x", NULL, &backup, &err));
    OK(pxds_group_set_owner(store, "host/x", "a@b", &err));
    OK(pxds_group_set_notes(store, "host/x", "mine", &err));
    OK(pxds_group_get_notes(store, "host/x", &text, &err));
    CHECK(is_text(text, "mine"));
    OK(pxds_snapshot_get_info(store, SNAPSHOT, &entry, &err));
    EQUAL(PXDS_SNAPSHOT_PROTECTED | PXDS_SNAPSHOT_FINISHED, entry.flags);
    OK(pxds_snapshot_protect(store, SNAPSHOT, &err));
    IS(PXDS_ERR_PROTECTED, pxds_snapshot_destroy(store, SNAPSHOT, &err));
    OK(pxds_snapshot_unprotect(store, SNAPSHOT, &err));
    make_snapshot(store, "host/x", TIME + 1);
    CHECK(!exists(in_dir("store/host/x/2020-06-26T13:56:09Z.tmp_AbC123")));
    OK(pxds_group_destroy(store, "host/x", NULL, NULL, &err));
    CHECK(!exists(in_dir("store/host/x")));
    EQUAL(before, sum_of_outside());
    pxds_store_free(store);
}

static void check_manifest_is(pxds_store *store, pxds_status want)
{
    pxds_snapshot *snapshot = NULL;
    pxds_manifest *manifest = NULL;
    pxds_buffer *text = NULL;

    IS(want, pxds_snapshot_open(store, SNAPSHOT, NULL, 0, &snapshot, &err));
    CHECK(snapshot == NULL && names_path("store/" SNAPSHOT "/index.json.blob"));
    IS(want, pxds_manifest_load(store, SNAPSHOT, &manifest, &err));
    CHECK(manifest == NULL);
    IS(want, pxds_snapshot_get_notes(store, SNAPSHOT, &text, &err));
    IS(want, pxds_snapshot_set_notes(store, SNAPSHOT, "x", &err));
    IS(want, pxds_snapshot_set_unprotected(store, SNAPSHOT, "x", "1", &err));
}

static void test_manifests_that_are_no_files(void)
{
    pxds_store *store = new_store();
    const char *path = "store/" SNAPSHOT "/index.json.blob";
    uint64_t before = make_outside();

    for (int kind = 0; kind < 5; kind++) {
        make_snapshot(store, "host/x", TIME);
        need(unlink(in_dir(path)) == 0, "unlink");
        if (kind == 0)
            make_link("outside/x/" TIME_NAME "/index.json.blob", path);
        else if (kind == 1)
            need(mkfifo(in_dir(path), 0644) == 0, "mkfifo");
        else if (kind == 2)
            make_dir(path);
        else if (kind == 3)
            make_link(path, path);
        else
            need(mknod(in_dir(path), S_IFSOCK | 0644, 0) == 0, "mknod");
        CHECK(strcmp(listing(store), SNAPSHOT " 2") == 0); /* whatever it is (docs/format.md, 7.5) */
        check_manifest_is(store, PXDS_ERR_FORMAT);
        OK(pxds_snapshot_destroy(store, SNAPSHOT, &err));
        CHECK(strcmp(listing(store), "") == 0);
    }
    EQUAL(before, sum_of_outside());
    pxds_store_free(store);
}

/* The manifest's file is the blob of this text. */
static void write_manifest(const char *text, size_t len)
{
    pxds_blob_codec *codec = NULL;
    pxds_buffer *blob = NULL;

    OK(pxds_blob_codec_new(NULL, &codec, &err));
    OK(pxds_blob_encode_buffer(codec, text, len, 1, &blob, &err));
    write_all(in_dir("store/" SNAPSHOT "/index.json.blob"), pxds_buffer_data(blob),
              pxds_buffer_len(blob));
    pxds_buffer_free(blob);
    pxds_blob_codec_free(codec);
}

#define REST "\"backup-id\":\"x\",\"backup-time\":1593179765,\"backup-type\":\"host\"}"

static void test_manifests_of_bad_bytes(void)
{
    static const struct {
        const char *text;
        pxds_status want;
    } texts[] = {
        {"", PXDS_ERR_FORMAT},
        {"null", PXDS_ERR_FORMAT},
        {"[]", PXDS_ERR_FORMAT},
        {"{}", PXDS_ERR_FORMAT},
        {"{\"files\":null," REST, PXDS_ERR_FORMAT},
        {"{\"files\":[null]," REST, PXDS_ERR_FORMAT},
        {"{\"files\":[{\"filename\":null,\"csum\":null,\"size\":null}]," REST, PXDS_ERR_FORMAT},
        {"{\"files\":[],\"unprotected\":null," REST, PXDS_ERR_FORMAT},
        {"{\"files\":[],\"signature\":1," REST, PXDS_ERR_FORMAT},
    };
    pxds_store *store = new_store();
    size_t deep = 1000000, big = (16 << 20) + 1;
    char *text = need_memory(big);
    pxds_snapshot *snapshot = NULL;
    int fd;

    make_snapshot(store, "host/x", TIME);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_manifest(texts[i].text, strlen(texts[i].text));
        check_manifest_is(store, texts[i].want);
    }
    memset(text, '[', deep);
    write_manifest(text, deep);
    check_manifest_is(store, PXDS_ERR_FORMAT);
    memset(text, ' ', big); /* small on the disk, and large when it is decoded */
    write_manifest(text, big);
    check_manifest_is(store, PXDS_ERR_LIMIT);
    free(text);

    /* a hole of a tebibyte */
    need((fd = open(in_dir("store/" SNAPSHOT "/index.json.blob"), O_WRONLY)) >= 0, "open");
    need(ftruncate(fd, (off_t)1 << 40) == 0, "ftruncate");
    close(fd);
    check_manifest_is(store, PXDS_ERR_LIMIT);
    need(truncate(in_dir("store/" SNAPSHOT "/index.json.blob"), 0) == 0, "truncate");
    check_manifest_is(store, PXDS_ERR_FORMAT);

    /* files that are listed twice, or by names that climb: listed, and never opened by that name */
    {
        static const char twice[] =
            "{\"files\":[{\"filename\":\"b.blob\",\"csum\":\""
            "0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1},"
            "{\"filename\":\"b.blob\",\"csum\":\""
            "0000000000000000000000000000000000000000000000000000000000000001\",\"size\":2},"
            "{\"filename\":\"../../../../outside\",\"csum\":\""
            "0000000000000000000000000000000000000000000000000000000000000001\",\"size\":2}],"
            "\"files2\":1," REST;
        pxds_buffer *blob = NULL;

        write_manifest(twice, sizeof twice - 1);
        OK(pxds_snapshot_open(store, SNAPSHOT, NULL, 0, &snapshot, &err));
        IS(PXDS_ERR_CORRUPT, pxds_snapshot_read_blob(snapshot, "b.blob", 100, &blob, &err));
        IS(PXDS_ERR_ARGUMENT,
           pxds_snapshot_read_blob(snapshot, "../../../../outside", 100, &blob, &err));
        CHECK(blob == NULL);
        pxds_snapshot_free(snapshot);
    }
    /* whatever its manifest is, a snapshot can be removed, and the next one be made */
    write_manifest("{}", 2);
    make_snapshot(store, "host/x", TIME + 1);
    OK(pxds_snapshot_destroy(store, SNAPSHOT, &err));
    CHECK(strcmp(listing(store), "host/x/" NEXT_NAME " 2") == 0);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    alarm(300); /* what waits for a fifo would wait for ever */
    RUN(test_paths_that_climb);
    RUN(test_times_that_climb);
    RUN(test_archives_that_climb);
    RUN(test_directories_that_are_links);
    RUN(test_files_that_are_none);
    RUN(test_marks_that_are_links);
    RUN(test_manifests_that_are_no_files);
    RUN(test_manifests_of_bad_bytes);
    free(data);
    return check_done();
}
