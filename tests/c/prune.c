/* Pruning: the decisions alone, and a group. */
#include "tree.h"

#include <sys/stat.h>

enum { ROWS = 4 };

static const char *const names[ROWS] = {"2020-06-26T13:56:05Z", "2020-06-27T13:56:05Z",
                                        "2020-06-28T13:56:05Z", "2020-06-29T13:56:05Z"};

static int64_t time_of(int i)
{
    return TIME + 86400 * (int64_t)i;
}

static const char *path_of(int i)
{
    static char path[64];

    snprintf(path, sizeof path, "host/x/%s", names[i]);
    return path;
}

static void test_marks(void)
{
    pxds_prune_row rows[ROWS] = {{0, 0, 0}};
    pxds_prune_options options = PXDS_PRUNE_OPTIONS_INIT;
    uint32_t marks[ROWS];

    for (int i = 0; i < ROWS; i++) {
        rows[i].time = time_of(i);
        rows[i].flags = PXDS_SNAPSHOT_FINISHED;
    }
    rows[0].flags |= PXDS_SNAPSHOT_PROTECTED;
    rows[3].flags = 0;
    options.keep_last = 1;
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    EQUAL(PXDS_MARK_PROTECTED, marks[0]);
    EQUAL(PXDS_MARK_REMOVE, marks[1]);
    EQUAL(PXDS_MARK_KEEP, marks[2]);
    EQUAL(PXDS_MARK_KEEP_PARTIAL, marks[3]);
    OK(pxds_prune_mark(NULL, 0, &options, NULL, &err));

    /* what has verified, and what is young */
    rows[1].verify_state = PXDS_VERIFIED_OK;
    rows[2].verify_state = PXDS_VERIFIED_FAILED;
    options.keep_last = 0;
    options.keep_good = 1;
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    CHECK(marks[1] == PXDS_MARK_KEEP && marks[2] == PXDS_MARK_REMOVE);
    options.keep_good = 0;
    options.keep_within = 2 * 86400;
    options.now = time_of(4);
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    CHECK(marks[1] == PXDS_MARK_REMOVE && marks[2] == PXDS_MARK_KEEP); /* as the newest */
    options.now--;
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    CHECK(marks[1] == PXDS_MARK_REMOVE && marks[2] == PXDS_MARK_KEEP);
    options.keep_within = 3 * 86400;
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    CHECK(marks[1] == PXDS_MARK_KEEP && marks[2] == PXDS_MARK_KEEP);
    options.now = 0; /* the time of the call, long after them */
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    CHECK(marks[1] == PXDS_MARK_REMOVE && marks[2] == PXDS_MARK_KEEP);
    options.keep_within = UINT64_MAX;
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    CHECK(marks[1] == PXDS_MARK_KEEP && marks[2] == PXDS_MARK_KEEP);
    options.keep_within = 0;

    /* nothing said, nothing removed */
    options.keep_last = 0;
    OK(pxds_prune_mark(rows, ROWS, &options, marks, &err));
    EQUAL(PXDS_MARK_KEEP, marks[1]);
    OK(pxds_prune_mark(rows, ROWS, NULL, marks, &err));
    EQUAL(PXDS_MARK_KEEP, marks[1]);
}

static void test_zones(void)
{
    /* 23:30 and 00:30 in Vienna; one day in UTC */
    const pxds_prune_row rows[2] = {{1704061800, PXDS_SNAPSHOT_FINISHED, 0},
                                    {1704065400, PXDS_SNAPSHOT_FINISHED, 0}};
    const char *const utc[] = {NULL, "UTC", "<+00>0"};
    const char *const vienna[] = {"Europe/Vienna", "CET-1CEST,M3.5.0,M10.5.0/3"};
    const char *const none[] = {"", "Europe/Atlantis", "europe/vienna", "\xff", "../etc/localtime"};
    pxds_prune_options options = PXDS_PRUNE_OPTIONS_INIT;
    uint32_t marks[2];

    options.keep_daily = 2;
    for (size_t i = 0; i < sizeof utc / sizeof utc[0]; i++) {
        options.zone = utc[i];
        OK(pxds_prune_mark(rows, 2, &options, marks, &err));
        CHECK(marks[0] == PXDS_MARK_REMOVE && marks[1] == PXDS_MARK_KEEP);
    }
    for (size_t i = 0; i < sizeof vienna / sizeof vienna[0]; i++) {
        options.zone = vienna[i];
        OK(pxds_prune_mark(rows, 2, &options, marks, &err));
        CHECK(marks[0] == PXDS_MARK_KEEP && marks[1] == PXDS_MARK_KEEP);
    }
    /* the environment has no say */
    need(setenv("TZ", "Europe/Vienna", 1) == 0, "setenv");
    options.zone = NULL;
    OK(pxds_prune_mark(rows, 2, &options, marks, &err));
    EQUAL(PXDS_MARK_REMOVE, marks[0]);
    need(unsetenv("TZ") == 0, "unsetenv");
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        options.zone = none[i];
        marks[0] = 77;
        IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, 2, &options, marks, &err));
        CHECK(says("options.zone"));
        EQUAL(0, marks[0]);
    }
    options.zone = in_dir("no-zone");
    IS(PXDS_ERR_NOT_FOUND, pxds_prune_mark(rows, 2, &options, marks, &err));
    CHECK(names_path("no-zone"));
}

static void test_rows_that_are_none(void)
{
    pxds_prune_row rows[2] = {{1, PXDS_SNAPSHOT_FINISHED, 0}, {2, PXDS_SNAPSHOT_FINISHED, 0}};
    uint32_t marks[2];

    rows[1].flags = 4;
    IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, 2, NULL, marks, &err));
    CHECK(says("rows[1].flags"));
    rows[1].flags = 0;
    rows[1].verify_state = 3;
    IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, 2, NULL, marks, &err));
    CHECK(says("rows[1].verify_state"));
    rows[1].verify_state = 0;
    rows[1].time = INT64_MAX;
    marks[0] = marks[1] = 77;
    IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, 2, NULL, marks, &err));
    CHECK(says("row 1") && marks[0] == 0 && marks[1] == 0);
    IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, SIZE_MAX / 4, NULL, NULL, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, SIZE_MAX / 4, NULL, marks, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_prune_mark(rows, 1, NULL, NULL, &err));
}

static void test_mark_names(void)
{
    CHECK(strcmp(pxds_prune_mark_name(PXDS_MARK_KEEP), "keep") == 0);
    CHECK(strcmp(pxds_prune_mark_name(PXDS_MARK_KEEP_PARTIAL), "keep-partial") == 0);
    CHECK(strcmp(pxds_prune_mark_name(PXDS_MARK_PROTECTED), "protected") == 0);
    CHECK(strcmp(pxds_prune_mark_name(PXDS_MARK_REMOVE), "remove") == 0);
    CHECK(strcmp(pxds_prune_mark_name(0), "unknown") == 0);
    CHECK(strcmp(pxds_prune_mark_name(UINT32_MAX), "unknown") == 0);
}

/* The list, `DAY MARK STATUS` separated by commas; frees it. */
static const char *shown(pxds_prune_list *list)
{
    static char text[1024];
    pxds_prune_entry entry = PXDS_PRUNE_ENTRY_INIT;
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; pxds_prune_list_get(list, i, &entry, &err) == PXDS_OK; i++) {
        CHECK((entry.message != NULL) == (entry.status < 0));
        CHECK(entry.mark == PXDS_MARK_KEEP || entry.kept_by == 0);
        CHECK(entry.time == time_of((int)((entry.time - TIME) / 86400)));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.2s %s %s", i > 0 ? "," : "",
                                strrchr(entry.path, '/') + 9, pxds_prune_mark_name(entry.mark),
                                pxds_status_name(entry.status));
        need(len < sizeof text, "list");
    }
    pxds_prune_list_free(list);
    return text;
}

#define SHOWS(want, list)                                                                          \
    do {                                                                                           \
        const char *have = shown(list);                                                            \
        if (!CHECK(strcmp(want, have) == 0))                                                       \
            fprintf(stderr, "have: %s\n", have);                                                   \
    } while (0)

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    unsigned *calls = user;

    if (strstr(message, "removing host/x/") != NULL) {
        ++*calls;
        CHECK(level == PXDS_NOTICE_WARNING && path != NULL);
    }
    return 0;
}

static int32_t stop(void *user, const pxds_progress *progress)
{
    *(uint64_t *)user = progress->total;
    return 5;
}

static void test_group(void)
{
    pxds_store_options store_options = PXDS_STORE_OPTIONS_INIT;
    pxds_prune_options options = PXDS_PRUNE_OPTIONS_INIT;
    pxds_prune_entry entry = PXDS_PRUNE_ENTRY_INIT;
    pxds_store *store = new_store();
    pxds_prune_list *list = (pxds_prune_list *)&store;
    pxds_snapshot *open = NULL;
    unsigned notices = 0;
    uint64_t total = 0;

    pxds_store_free(store);
    store_options.notice = on_notice;
    store_options.notice_user = &notices;
    need(OK(pxds_store_open(in_dir("store"), &store_options, &store, &err)), "store");
    IS(PXDS_ERR_NOT_FOUND, pxds_group_prune(store, "host/x", &options, &list, &err));
    CHECK(list == NULL && names_path("store/host/x"));
    for (int i = 0; i < ROWS; i++)
        make_snapshot(store, "host/x", time_of(i));
    OK(pxds_snapshot_protect(store, path_of(1), &err));

    options.keep_last = 1;
    options.flags = 2;
    IS(PXDS_ERR_ARGUMENT, pxds_group_prune(store, "host/x", &options, &list, &err));
    options.flags = 0;
    IS(PXDS_ERR_ARGUMENT, pxds_group_prune(store, path_of(0), &options, &list, &err));
    options.zone = "nowhere";
    IS(PXDS_ERR_ARGUMENT, pxds_group_prune(store, "host/x", &options, &list, &err));
    options.zone = NULL;
    OK(pxds_group_prune(store, "host/x", NULL, &list, &err));
    SHOWS("29 keep PXDS_OK,28 keep PXDS_OK,27 protected PXDS_OK,26 keep PXDS_OK", list);
    options.flags = PXDS_PRUNE_DRY_RUN;
    OK(pxds_group_prune(store, "host/x", &options, &list, &err));
    SHOWS("29 keep PXDS_OK,28 remove PXDS_OK,27 protected PXDS_OK,26 remove PXDS_OK", list);
    options.flags = 0;
    options.progress = stop;
    options.progress_user = &total;
    IS(PXDS_ERR_CANCELLED, pxds_group_prune(store, "host/x", &options, &list, &err));
    CHECK(list == NULL && total == 2);
    options.progress = NULL;
    for (int i = 0; i < ROWS; i++)
        OK(pxds_snapshot_get_info(store, path_of(i), &(pxds_snapshot_entry)PXDS_SNAPSHOT_ENTRY_INIT,
                                  &err));

    OK(pxds_snapshot_open(store, path_of(0), NULL, 0, &open, &err));
    OK(pxds_group_prune(store, "host/x", &options, &list, &err));
    EQUAL(1, notices);
    EQUAL(ROWS, pxds_prune_list_count(list));
    OK(pxds_prune_list_get(list, 3, &entry, &err));
    CHECK(strcmp(entry.path, path_of(0)) == 0 && strstr(entry.message, "locked") != NULL);
    EQUAL(PXDS_SNAPSHOT_FINISHED, entry.flags);
    OK(pxds_prune_list_get(list, 0, &entry, &err));
    EQUAL(PXDS_KEPT_BY_LAST, entry.kept_by);
    IS(PXDS_NONE, pxds_prune_list_get(list, ROWS, &entry, &err));
    CHECK(entry.path == NULL && entry.mark == 0);
    SHOWS("29 keep PXDS_OK,28 remove PXDS_OK,27 protected PXDS_OK,26 remove PXDS_ERR_BUSY", list);
    pxds_snapshot_free(open);
    need(symlink("nowhere", in_dir("store/host/x/2020-01-01T00:00:00Z")) == 0, "symlink");
    OK(pxds_group_prune(store, "host/x", NULL, &list, &err));
    CHECK(!pxds_prune_list_is_complete(list) && pxds_prune_list_count(list) == 3);
    pxds_prune_list_free(list);
    need(unlink(in_dir("store/host/x/2020-01-01T00:00:00Z")) == 0, "unlink");
    OK(pxds_group_prune(store, "host/x", &options, &list, &err));
    CHECK(pxds_prune_list_is_complete(list));
    pxds_store_free(store); /* a list lasts longer */
    SHOWS("29 keep PXDS_OK,27 protected PXDS_OK,26 remove PXDS_OK", list);
    CHECK(!exists(in_dir("store/host/x/2020-06-26T13:56:05Z")));
    CHECK(exists(in_dir("store/host/x/2020-06-27T13:56:05Z")));
    EQUAL(0, pxds_prune_list_count(NULL));
    pxds_prune_list_free(NULL);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    RUN(test_marks);
    RUN(test_zones);
    RUN(test_rows_that_are_none);
    RUN(test_mark_names);
    RUN(test_group);
    free(data);
    return check_done();
}
