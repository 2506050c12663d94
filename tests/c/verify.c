/* Verification: what is told of damage, the sums, and calls that are stopped. */
#include "tree.h"

static const char UPID[] = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:";

/* What the callbacks were told. */
struct heard {
    char damage[1024]; /* SNAPSHOT ARCHIVE OFFSET LENGTH STATUS FLAGS, separated by commas */
    char done[256];    /* SNAPSHOT OUTCOME ERRORS REPAIRED, separated by commas */
    uint8_t digest[PXDS_DIGEST_SIZE];
    char reason[256]; /* of the last snapshot */
    unsigned progress;
    int32_t stop; /* what on_damage returns */
};

static int32_t on_damage(void *user, const pxds_verify_damage *damage)
{
    struct heard *heard = user;
    size_t len = strlen(heard->damage);

    EQUAL(sizeof *damage, damage->struct_size);
    CHECK(damage->message[0] != '\0');
    memcpy(heard->digest, damage->digest, sizeof heard->digest);
    snprintf(heard->damage + len, sizeof heard->damage - len,
             "%s%.6s %s %" PRIu64 " %" PRIu64 " %s %u", len > 0 ? "," : "", damage->snapshot,
             damage->archive, damage->offset, damage->length, pxds_status_name(damage->status),
             (unsigned)damage->flags);
    return heard->stop;
}

static int32_t on_done(void *user, const pxds_verify_done *done)
{
    struct heard *heard = user;
    size_t len = strlen(heard->done);

    EQUAL(sizeof *done, done->struct_size);
    EQUAL(0, done->reserved);
    snprintf(heard->done + len, sizeof heard->done - len, "%s%.6s %u %" PRIu64 " %" PRIu64,
             len > 0 ? "," : "", done->snapshot, (unsigned)done->outcome, done->errors,
             done->repaired);
    snprintf(heard->reason, sizeof heard->reason, "%s", done->reason != NULL ? done->reason : "");
    return 0;
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    struct heard *heard = user;

    EQUAL(sizeof *progress, progress->struct_size);
    CHECK(progress->phase <= PXDS_VERIFY_PHASE_CHECK && progress->reserved == 0);
    heard->progress++;
    return 0;
}

static pxds_verify_options listening(struct heard *heard)
{
    pxds_verify_options options = PXDS_VERIFY_OPTIONS_INIT;

    memset(heard, 0, sizeof *heard);
    options.upid = UPID;
    options.on_damage = on_damage;
    options.on_done = on_done;
    options.progress = on_progress;
    options.on_damage_user = options.on_done_user = options.progress_user = heard;
    return options;
}

/* As listening(), for what has not been found good yet. */
static pxds_verify_options skipping(struct heard *heard)
{
    pxds_verify_options options = listening(heard);

    options.flags = PXDS_VERIFY_SKIP_VERIFIED;
    options.skip_days = UINT64_MAX;
    return options;
}

static void same(const char *want, const char *have)
{
    if (!CHECK(strcmp(want, have) == 0))
        fprintf(stderr, "want: %s\nhave: %s\n", want, have);
}

/* A store with a snapshot of each group, and the first chunk of both. */
static pxds_store *store_of_two(const char *name, pxds_index_chunk_info *first)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_index *index = NULL;

    options.sync = PXDS_SYNC_NONE;
    need(OK(pxds_store_create(in_dir(name), &options, &store, &err)), "store");
    make_snapshot(store, "host/x", TIME);
    make_snapshot(store, "host/y", TIME);
    OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &snapshot, &err));
    OK(pxds_snapshot_open_index(snapshot, "a.didx", &index, &err));
    need(OK(pxds_index_get_chunk(index, 0, first, &err)), "chunk");
    pxds_index_free(index);
    pxds_snapshot_free(snapshot);
    return store;
}

/* The verify state that is noted in the manifest of host/x, as JSON, or "none". */
static const char *state_of(const pxds_store *store)
{
    static char text[256];
    pxds_manifest *manifest = NULL;
    pxds_buffer *state = NULL;

    OK(pxds_manifest_load(store, "host/x/" TIME_NAME, &manifest, &err));
    if (pxds_manifest_get_unprotected(manifest, "verify_state", &state, &err) == PXDS_OK)
        snprintf(text, sizeof text, "%.*s", (int)pxds_buffer_len(state),
                 (const char *)pxds_buffer_data(state));
    else
        strcpy(text, "none");
    pxds_buffer_free(state);
    pxds_manifest_free(manifest);
    return text;
}

static void remove_chunk(const pxds_store *store, const uint8_t *digest)
{
    char path[4096];
    size_t len = 0;

    need(OK(pxds_store_get_chunk_path(store, digest, path, sizeof path, &len, &err)), "path");
    CHECK(remove(path) == 0);
}

static void test_damage(void)
{
    pxds_index_chunk_info first = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_store *store = store_of_two("store", &first);
    pxds_store *other = store_of_two("other", &first);
    struct heard heard;
    pxds_verify_options options = listening(&heard);
    char want[256];

    OK(pxds_store_verify(store, NULL, &options, &result, &err));
    same("", heard.damage);
    same("host/x 1 0 0,host/y 1 0 0", heard.done);
    CHECK(heard.progress > 0);
    EQUAL(2, result.ok);
    EQUAL(0, result.failed + result.skipped + result.bad + result.missing + result.unreadable);
    EQUAL(DATA_LEN, result.bytes);
    CHECK(result.chunks > 10 && result.stored_bytes > 0);
    snprintf(want, sizeof want, "{\n  \"state\": \"ok\",\n  \"upid\": \"%s\"\n}", UPID);
    same(want, state_of(store));

    options = skipping(&heard);
    OK(pxds_store_verify(store, "host/x", &options, &result, &err));
    same("host/x 5 0 0", heard.done);
    EQUAL(1, result.skipped);

    remove_chunk(store, first.digest);
    options = listening(&heard);
    options.threads = 2;
    OK(pxds_store_verify(store, "", &options, &result, &err));
    snprintf(want, sizeof want,
             "host/x a.didx 0 %" PRIu64 " PXDS_ERR_NOT_FOUND %u,host/y a.didx 0 %" PRIu64
             " PXDS_ERR_NOT_FOUND %u",
             first.end, PXDS_DAMAGE_CHUNK, first.end, PXDS_DAMAGE_CHUNK);
    same(want, heard.damage);
    same("host/x 2 1 0,host/y 2 1 0", heard.done);
    CHECK(memcmp(heard.digest, first.digest, sizeof heard.digest) == 0);
    EQUAL(2, result.failed);
    EQUAL(1, result.missing);

    options = skipping(&heard);
    OK(pxds_store_verify(store, "host/x", &options, &result, &err));
    same("host/x 2 1 0", heard.done);
    EQUAL(1, result.failed);

    options = listening(&heard);
    options.repair_from = other;
    OK(pxds_store_verify(store, "host/y/" TIME_NAME, &options, &result, &err));
    snprintf(want, sizeof want, "host/y a.didx 0 %" PRIu64 " PXDS_ERR_NOT_FOUND %u", first.end,
             PXDS_DAMAGE_CHUNK | PXDS_DAMAGE_REPAIRED);
    same(want, heard.damage);
    same("host/y 1 0 1", heard.done);
    EQUAL(1, result.repaired);
    OK(pxds_store_verify(store, NULL, NULL, NULL, &err));
    OK(pxds_store_verify(store, NULL, NULL, &result, &err));
    EQUAL(2, result.ok);
    pxds_store_free(other);
    pxds_store_free(store);
}

/* What a key says of snapshots that nobody has signed. */
static void test_unvouched(void)
{
    pxds_index_chunk_info first = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_store *store = store_of_two("store", &first);
    pxds_key *key = NULL;
    struct heard heard;
    pxds_verify_options options = listening(&heard);

    OK(pxds_key_random(&key, &err));
    options.key = key;
    OK(pxds_store_verify(store, NULL, &options, &result, &err));
    same("", heard.damage);
    same("host/x 6 0 0,host/y 6 0 0", heard.done);
    same("it is not signed", heard.reason);
    EQUAL(2, result.unvouched);
    EQUAL(0, result.ok + result.failed + result.skipped + result.unfinished);
    options = listening(&heard);
    options.key = key;
    options.flags = PXDS_VERIFY_ALLOW_UNSIGNED;
    OK(pxds_store_verify(store, NULL, &options, &result, &err));
    same("host/x 1 0 0,host/y 1 0 0", heard.done);
    same("", heard.reason);
    EQUAL(2, result.ok);
    EQUAL(0, result.unvouched);
    pxds_key_free(key);
    pxds_store_free(store);
}

static void test_unfinished(void)
{
    pxds_index_chunk_info first = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_store *store = store_of_two("store", &first);
    struct heard heard;
    pxds_verify_options options = listening(&heard);

    CHECK(remove(in_dir("store/host/y/" TIME_NAME "/index.json.blob")) == 0);
    OK(pxds_store_verify(store, NULL, &options, &result, &err));
    same("host/x 1 0 0,host/y 7 0 0", heard.done);
    EQUAL(1, result.ok);
    EQUAL(1, result.unfinished);
    EQUAL(0, result.failed + result.skipped);
    IS(PXDS_ERR_NOT_FOUND, pxds_store_verify(store, "host/y/" TIME_NAME, NULL, &result, &err));
    CHECK(names_path("store/host/y/" TIME_NAME "/index.json.blob"));
    pxds_store_free(store);
}

static void test_mistakes(void)
{
    pxds_index_chunk_info first = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_verify_options options = PXDS_VERIFY_OPTIONS_INIT;
    pxds_store *store = store_of_two("store", &first);

    IS(PXDS_ERR_NOT_FOUND, pxds_store_verify(store, "host/z", NULL, &result, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_verify(store, "host/x/" NEXT_NAME, NULL, &result, &err));
    CHECK(names_path("store/host/x/" NEXT_NAME));
    IS(PXDS_ERR_ARGUMENT, pxds_store_verify(store, "host/x/y", NULL, &result, &err));
    for (int bit = 4; bit < 32; bit++) {
        options.flags = UINT32_C(1) << bit;
        IS(PXDS_ERR_ARGUMENT, pxds_store_verify(store, NULL, &options, &result, &err));
    }
    options.flags = PXDS_VERIFY_READ_ONLY;
    options.repair_from = store;
    IS(PXDS_ERR_ARGUMENT, pxds_store_verify(store, NULL, &options, &result, &err));
    options.repair_from = NULL;
    options.upid = "UPID:x:";
    IS(PXDS_ERR_ARGUMENT, pxds_store_verify(store, NULL, &options, &result, &err));
    options.upid = NULL;
    options.threads = 100000;
    IS(PXDS_ERR_ARGUMENT, pxds_store_verify(store, NULL, &options, &result, &err));
    EQUAL(0, result.chunks);
    options.threads = 1;
    OK(pxds_store_verify(store, NULL, &options, &result, &err));
    EQUAL(2, result.ok);
    pxds_store_free(store);
}

static void test_stopped(void)
{
    pxds_index_chunk_info first = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_store *store = store_of_two("store", &first);
    struct heard heard;
    pxds_verify_options options = listening(&heard);

    remove_chunk(store, first.digest);
    heard.stop = -7;
    IS(PXDS_ERR_CANCELLED, pxds_store_verify(store, NULL, &options, &result, &err));
    EQUAL(-7, pxds_error_callback_value(check_kept));
    same("", heard.done);
    EQUAL(1, result.missing); /* the sums are there all the same */
    same("none", state_of(store));
    options = listening(&heard);
    options.flags = PXDS_VERIFY_READ_ONLY | PXDS_VERIFY_INDEX_ORDER;
    OK(pxds_store_verify(store, NULL, &options, &result, &err));
    EQUAL(2, result.failed);
    same("none", state_of(store));
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    RUN(test_damage);
    RUN(test_unvouched);
    RUN(test_unfinished);
    RUN(test_mistakes);
    RUN(test_stopped);
    free(data);
    return check_done();
}
