/* Garbage collection. */
#include "tree.h"

#include <fcntl.h>
#include <sys/stat.h>

static unsigned notices;

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    (void)user;
    if (level == PXDS_NOTICE_WARNING && strstr(message, "is missing, and") != NULL) {
        CHECK(path != NULL);
        notices++;
    }
    return 0;
}

static pxds_store *open_store(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = NULL;

    options.notice = on_notice;
    need(OK(pxds_store_open(in_dir("store"), &options, &store, &err)), "store");
    return store;
}

static pxds_store *make_store(void)
{
    pxds_store_free(new_store());
    return open_store();
}

/* Everything among the chunks was touched in 1970 only; gives how many there are. */
static uint64_t age(const pxds_store *store)
{
    const struct timespec times[2] = {{1000, 0}, {0, UTIME_OMIT}};
    pxds_chunk_iter *iter = NULL;
    pxds_chunk_entry entry = PXDS_CHUNK_ENTRY_INIT;
    char path[4096];
    uint64_t count = 0;
    size_t len;

    OK(pxds_store_chunks(store, &iter, &err));
    while (pxds_chunk_iter_next(iter, &entry, &err) == PXDS_OK) {
        OK(pxds_store_get_chunk_path(store, entry.digest, path, sizeof path, &len, &err));
        CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
        count++;
    }
    pxds_chunk_iter_free(iter);
    return count;
}

struct told {
    unsigned calls;
    uint32_t phase;
    int32_t answer;
};

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    struct told *told = user;

    CHECK(progress->struct_size == sizeof *progress && progress->reserved == 0);
    CHECK(progress->phase <= PXDS_GC_PHASE_SWEEP && progress->phase >= told->phase);
    CHECK(progress->total == 0 || progress->done <= progress->total);
    told->phase = progress->phase;
    told->calls++;
    return told->answer;
}

static void test_what_nothing_needs_goes(void)
{
    pxds_gc_status status = PXDS_GC_STATUS_INIT, noted = PXDS_GC_STATUS_INIT;
    pxds_gc_options options = PXDS_GC_OPTIONS_INIT;
    struct told told = {0, 0, 0};
    pxds_store *store = make_store();
    uint64_t kept, all;

    make_snapshot(store, "host/x", TIME);
    kept = age(store);
    pxds_index_free(put(store, data + 1000, DATA_LEN / 2)); /* an index that lies nowhere */
    all = age(store);
    CHECK(all > kept && kept > 3);
    IS(PXDS_NONE, pxds_store_get_gc_status(store, &noted, &err));

    options.flags = PXDS_GC_DRY_RUN;
    OK(pxds_store_gc(store, &options, &status, &err));
    EQUAL(kept, status.stored_chunks);
    EQUAL(all - kept, status.removed_chunks);
    EQUAL(all, age(store));
    IS(PXDS_NONE, pxds_store_get_gc_status(store, &noted, &err));

    options.flags = 0;
    options.progress = on_progress;
    options.progress_user = &told;
    told.answer = 77;
    IS(PXDS_ERR_CANCELLED, pxds_store_gc(store, &options, &status, &err));
    EQUAL(77, pxds_error_callback_value(check_kept));
    EQUAL(1, told.calls);
    EQUAL(0, status.removed_chunks);
    EQUAL(sizeof status, status.struct_size);
    EQUAL(all, age(store));

    told.answer = 0;
    OK(pxds_store_gc(store, &options, &status, &err));
    CHECK(told.calls > 1);
    EQUAL(1, status.index_file_count);
    EQUAL(DATA_LEN, status.index_data_bytes);
    EQUAL(kept, status.stored_chunks);
    EQUAL(all - kept, status.removed_chunks);
    CHECK(status.removed_bytes > 0 && status.stored_bytes > 0);
    EQUAL(0, status.pending_chunks + status.missing_chunks + status.strange_indexes);
    OK(pxds_store_get_gc_status(store, &noted, &err));
    CHECK(memcmp(&status, &noted, sizeof status) == 0);
    EQUAL(kept, age(store));

    /* without the snapshot the rest goes too, after as long as is asked for */
    OK(pxds_snapshot_destroy(store, "host/x/" TIME_NAME, &err));
    OK(pxds_store_gc(store, NULL, NULL, &err));
    EQUAL(0, age(store));
    pxds_store_free(store);
}

static void test_what_is_missing_is_told(void)
{
    pxds_gc_status status = PXDS_GC_STATUS_INIT;
    pxds_store *store = make_store();
    pxds_chunk_iter *iter = NULL;
    pxds_chunk_entry entry = PXDS_CHUNK_ENTRY_INIT;

    make_snapshot(store, "host/x", TIME);
    OK(pxds_store_chunks(store, &iter, &err));
    OK(pxds_chunk_iter_next(iter, &entry, &err));
    pxds_chunk_iter_free(iter);
    OK(pxds_store_mark_bad(store, entry.digest, NULL, &err));
    notices = 0;
    OK(pxds_store_gc(store, NULL, &status, &err));
    EQUAL(1, notices);
    EQUAL(1, status.missing_chunks);
    EQUAL(0, status.removed_bad);
    pxds_store_free(store);
}

static void test_what_cannot_be_is_refused(void)
{
    pxds_gc_options options = PXDS_GC_OPTIONS_INIT;
    pxds_gc_status status = PXDS_GC_STATUS_INIT;
    pxds_store *store = make_store(), *other = open_store();
    pxds_lock *lock = NULL;

    options.flags = UINT32_C(1) << 31;
    IS(PXDS_ERR_ARGUMENT, pxds_store_gc(store, &options, &status, &err));
    options.flags = PXDS_GC_DRY_RUN | PXDS_GC_NO_ATIME_PROBE;
    IS(PXDS_ERR_ARGUMENT, pxds_store_gc(store, &options, &status, &err));
    options.flags = 0;
    options.cutoff_minutes = 2881;
    IS(PXDS_ERR_ARGUMENT, pxds_store_gc(store, &options, &status, &err));
    CHECK(says("2881"));
    options.cutoff_minutes = 2880;
    OK(pxds_store_gc(store, &options, &status, &err));
    options.remembered = 8388609;
    IS(PXDS_ERR_ARGUMENT, pxds_store_gc(store, &options, &status, &err));
    options.remembered = UINT64_MAX;
    IS(PXDS_ERR_ARGUMENT, pxds_store_gc(store, &options, &status, &err));
    options.remembered = 1;
    OK(pxds_store_gc(store, &options, &status, &err));

    /* a writer through another handle, as through another program */
    OK(pxds_store_lock(other, PXDS_LOCK_SHARED, &lock, &err));
    IS(PXDS_ERR_BUSY, pxds_store_gc(store, NULL, &status, &err));
    CHECK(names_path("store/.lock"));
    OK(pxds_store_gc(other, NULL, &status, &err));
    pxds_lock_free(lock);

    /* an index that is none keeps everything */
    write_all(in_dir("store/garbage.didx"), "garbage", 7);
    IS(PXDS_ERR_FORMAT, pxds_store_gc(store, NULL, &status, &err));
    CHECK(names_path("store/garbage.didx"));
    pxds_store_free(store);
    pxds_store_free(other);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    RUN(test_what_nothing_needs_goes);
    RUN(test_what_is_missing_is_told);
    RUN(test_what_cannot_be_is_refused);
    free(data);
    return check_done();
}
