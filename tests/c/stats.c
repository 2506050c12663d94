/* Statistics: what the numbers are of, on stores small enough to know them. */
#include "tree.h"

#include <sys/stat.h>

struct calls {
    unsigned count, phases;
    int32_t result;
};

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    struct calls *calls = user;

    calls->count++;
    calls->phases |= 1U << progress->phase;
    CHECK(progress->struct_size == sizeof *progress && progress->phase < 3);
    return calls->result;
}

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    if (strstr(message, "not counted: ") != NULL) {
        CHECK(level == PXDS_NOTICE_WARNING && path != NULL && strstr(message, path) != NULL);
        ++*(unsigned *)user;
    }
    return 0;
}

static pxds_stats *collect(const pxds_store *store, uint32_t flags, pxds_stats_total *total)
{
    pxds_stats_options options = PXDS_STATS_OPTIONS_INIT;
    pxds_stats *stats = NULL;

    options.flags = flags;
    need(OK(pxds_stats_collect(store, &options, &stats, &err)), "statistics");
    *total = (pxds_stats_total)PXDS_STATS_TOTAL_INIT;
    OK(pxds_stats_get_total(stats, total, &err));
    return stats;
}

/* A finished snapshot of a stream alone. */
static void make_stream(pxds_store *store, const char *group, int64_t time, const void *bytes,
                        size_t len)
{
    pxds_backup *backup = new_backup(store, group, time);
    pxds_index_writer *writer = stream_of(store, bytes, len);

    OK(pxds_backup_add_index(backup, "a.didx", writer, &err));
    need(OK(pxds_backup_finish(backup, &err)), "finish");
    pxds_index_writer_free(writer);
    pxds_backup_free(backup);
}

static void test_empty_store(void)
{
    pxds_store *store = new_store();
    pxds_stats_total total;
    pxds_stats_snapshot snapshot = PXDS_STATS_SNAPSHOT_INIT;
    pxds_stats_group group = PXDS_STATS_GROUP_INIT;
    pxds_stats *stats = collect(store, PXDS_STATS_EXACT, &total);
    uint64_t size = 7;

    EQUAL(PXDS_RESULT_EXACT, total.flags);
    CHECK(pxds_dedup_factor(0, 0) >= 1 && pxds_dedup_factor(0, 0) <= 1);
    CHECK(pxds_dedup_factor(3, 2) >= 1.5 && pxds_dedup_factor(3, 2) <= 1.5);
    CHECK(total.described.indexes == 0 && total.used.chunks == 0 && total.broken_files == 0);
    EQUAL(0, pxds_stats_group_count(stats));
    EQUAL(0, pxds_stats_snapshot_count(stats));
    IS(PXDS_NONE, pxds_stats_get_group(stats, 0, &group, &err));
    IS(PXDS_NONE, pxds_stats_get_snapshot(stats, 0, &snapshot, &err));
    IS(PXDS_NONE, pxds_stats_get_shared(stats, 0, 0, &size, &err));
    EQUAL(0, size);
    pxds_stats_free(stats);
    pxds_store_free(store);
}

static void test_shared_and_own(void)
{
    pxds_store *store = new_store();
    pxds_stats_snapshot row = PXDS_STATS_SNAPSHOT_INIT;
    pxds_stats_group group = PXDS_STATS_GROUP_INIT;
    pxds_stats_total total;
    pxds_stats *stats;
    uint8_t *other = random_data(DATA_LEN, 8);
    uint64_t sizes = 0, size = 0;

    /* x: the same twice; y: the same, later; z: something else. */
    make_snapshot(store, "host/x", TIME);
    make_snapshot(store, "host/x", TIME + 1);
    make_stream(store, "host/y", TIME + 2, data, DATA_LEN);
    make_stream(store, "ct/5", TIME, other, DATA_LEN);
    stats = collect(store, 0, &total);
    EQUAL(0, total.flags);
    EQUAL(4, total.described.indexes);
    EQUAL(2, total.described.blobs);
    EQUAL(4 * DATA_LEN, total.described.logical_bytes);
    EQUAL(2 * DATA_LEN, total.used.bytes);
    EQUAL(DATA_LEN, total.shared.bytes);
    EQUAL(DATA_LEN, total.across_groups.bytes);
    EQUAL(0, total.used.stored_bytes);
    EQUAL(total.described.references, total.shared.chunks * 2 + total.used.chunks);
    for (int i = 0; i < PXDS_STATS_SIZE_CLASSES; i++)
        sizes += total.sizes[i];
    EQUAL(total.used.chunks, sizes);
    CHECK(total.sizes[12] > 0 && total.sizes[20] == 0);

    /* in the order of listings: ct/5, host/x twice, host/y */
    EQUAL(3, pxds_stats_group_count(stats));
    EQUAL(4, pxds_stats_snapshot_count(stats));
    OK(pxds_stats_get_group(stats, 0, &group, &err));
    CHECK(strcmp(group.path, "ct/5") == 0 && group.snapshots == 1 && group.oldest == TIME);
    EQUAL(DATA_LEN, group.own.bytes);
    OK(pxds_stats_get_group(stats, 1, &group, &err));
    CHECK(group.snapshots == 2 && group.oldest == TIME && group.newest == TIME + 1);
    EQUAL(2 * DATA_LEN, group.described.logical_bytes);
    EQUAL(DATA_LEN, group.used.bytes);
    EQUAL(0, group.own.bytes);
    OK(pxds_stats_get_snapshot(stats, 1, &row, &err));
    CHECK(strcmp(row.path, "host/x/" TIME_NAME) == 0 && row.group == 1 && row.time == TIME);
    EQUAL(PXDS_SNAPSHOT_FINISHED, row.flags);
    EQUAL(DATA_LEN, row.new_data.bytes);
    EQUAL(0, row.own.bytes);
    OK(pxds_stats_get_snapshot(stats, 3, &row, &err));
    EQUAL(DATA_LEN, row.used.bytes);
    EQUAL(0, row.new_data.bytes);
    OK(pxds_stats_get_shared(stats, 1, 2, &size, &err));
    EQUAL(DATA_LEN, size);
    OK(pxds_stats_get_shared(stats, 0, 2, &size, &err));
    EQUAL(0, size);
    OK(pxds_stats_get_shared(stats, 0, 0, &size, &err));
    EQUAL(DATA_LEN, size);
    IS(PXDS_NONE, pxds_stats_get_shared(stats, 0, 3, &size, &err));
    IS(PXDS_NONE, pxds_stats_get_shared(stats, SIZE_MAX, 0, &size, &err));
    pxds_store_free(store); /* statistics last longer */
    OK(pxds_stats_get_snapshot(stats, 0, &row, &err));
    pxds_stats_free(stats);
    free(other);
}

/* The files of the chunks: none of them, of some only the data, and what nobody names. */
static void test_exact(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = new_store();
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_snapshot *snapshot = NULL;
    pxds_index *index = NULL, *extra;
    pxds_stats_total total;
    unsigned notices = 0;
    char path[4096];
    size_t path_len;
    uint64_t before;

    pxds_store_free(store);
    options.notice = on_notice;
    options.notice_user = &notices;
    need(OK(pxds_store_open(in_dir("store"), &options, &store, &err)), "store");
    make_snapshot(store, "host/x", TIME);
    pxds_stats_free(collect(store, PXDS_STATS_EXACT, &total));
    EQUAL(0, total.unreferenced_chunks);
    EQUAL(0, total.used.missing_chunks);
    /* Random bytes do not compress: a header each. */
    EQUAL(DATA_LEN + 12 * total.used.chunks, total.used.stored_bytes);
    before = total.used.stored_bytes;

    OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &snapshot, &err));
    OK(pxds_snapshot_open_index(snapshot, "a.didx", &index, &err));
    OK(pxds_index_get_chunk(index, 0, &chunk, &err));
    OK(pxds_store_get_chunk_path(store, chunk.digest, path, sizeof path, &path_len, &err));
    need(unlink(path) == 0, "unlink");
    OK(pxds_index_get_chunk(index, 1, &chunk, &err));
    OK(pxds_store_mark_bad(store, chunk.digest, NULL, &err));
    extra = put(store, (const uint8_t *)"never named", 11);
    write_all(in_dir("store/host/x/" TIME_NAME "/bad.fidx"), "this is no index", 16);
    pxds_stats_free(collect(store, PXDS_STATS_EXACT, &total));
    EQUAL(1, notices);
    EQUAL(1, total.described.unreadable);
    EQUAL(1, total.described.indexes);
    EQUAL(2, total.used.missing_chunks);
    EQUAL(before - total.used.missing_bytes - 24, total.used.stored_bytes);
    EQUAL(1, total.unreferenced_chunks);
    EQUAL(23, total.unreferenced_bytes);
    EQUAL(1, total.broken_files);
    EQUAL(chunk.end - chunk.start + 12, total.broken_bytes);
    pxds_index_free(index);
    pxds_index_free(extra);
    pxds_snapshot_free(snapshot);
    pxds_store_free(store);
}

static void test_progress(void)
{
    pxds_store *store = new_store();
    pxds_stats_options options = PXDS_STATS_OPTIONS_INIT;
    struct calls calls = {0, 0, 0};
    pxds_stats *stats = NULL;

    make_snapshot(store, "host/x", TIME);
    options.progress = on_progress;
    options.progress_user = &calls;
    OK(pxds_stats_collect(store, &options, &stats, &err));
    EQUAL(1U << PXDS_STATS_PHASE_FIND | 1U << PXDS_STATS_PHASE_INDEXES, calls.phases);
    pxds_stats_free(stats);
    calls.result = 5;
    IS(PXDS_ERR_CANCELLED, pxds_stats_collect(store, &options, &stats, &err));
    CHECK(stats == NULL);
    EQUAL(5, pxds_error_callback_value(check_kept));
    options.flags = 2;
    IS(PXDS_ERR_ARGUMENT, pxds_stats_collect(store, &options, &stats, &err));
    pxds_store_free(store);
}

static void test_without_chunks(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_stats_options exact = PXDS_STATS_OPTIONS_INIT;
    pxds_stats *stats = NULL;
    pxds_stats_total total;
    pxds_store *store = NULL;

    exact.flags = PXDS_STATS_EXACT;
    options.flags = PXDS_STORE_BARE;
    need(mkdir(in_dir("bare"), 0755) == 0, "mkdir");
    OK(pxds_store_open(in_dir("bare"), &options, &store, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_stats_collect(store, &exact, &stats, &err));
    pxds_stats_free(collect(store, 0, &total));
    EQUAL(0, total.described.indexes);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    RUN(test_empty_store);
    RUN(test_shared_and_own);
    RUN(test_exact);
    RUN(test_progress);
    RUN(test_without_chunks);
    free(data);
    return check_done();
}
