/* Bytes out: to a file, a descriptor, a callback, and from a store with holes. */
#include "flow.h"

struct sink {
    uint8_t *got;
    size_t len, most;
    unsigned calls, stop_at;
    int32_t value;
    size_t claim; /* taken at call stop_at */
    int overflow;
};

static int32_t on_write(void *user, const uint8_t *bytes, size_t len, size_t *taken)
{
    struct sink *sink = user;
    size_t n = len < sink->most ? len : sink->most;

    if (++sink->calls == sink->stop_at) {
        *taken = sink->claim == SIZE_MAX ? len + 1 : sink->claim;
        return sink->value;
    }
    if (n > DATA_LEN - sink->len) {
        sink->overflow = 1;
        n = DATA_LEN - sink->len;
    }
    memcpy(sink->got + sink->len, bytes, n);
    sink->len += n;
    *taken = n;
    return 0;
}

static void test_write_callback(void)
{
    static const size_t most[] = {SIZE_MAX, 4096, 1000};
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_restorer *restorer = NULL;
    uint64_t written = 0;

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        struct sink sink = {NULL, 0, 0, 0, 0, 0, 0, 0};

        sink.got = need_memory(DATA_LEN);
        sink.most = most[i]; /* a short write is carried on */
        OK(pxds_restorer_write(restorer, index, on_write, &sink, &written, &err));
        EQUAL(DATA_LEN, written);
        EQUAL(DATA_LEN, sink.len);
        CHECK(!sink.overflow && memcmp(data, sink.got, DATA_LEN) == 0);
        free(sink.got);
    }
    pxds_restorer_free(restorer);
    pxds_restorer_free(NULL);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_write_callback_misbehaves(void)
{
    static const struct {
        int32_t value;
        size_t claim;
        pxds_status status;
    } cases[] = {{-9, 0, PXDS_ERR_CANCELLED},       /* stops */
                 {0, 0, PXDS_ERR_IO},               /* takes nothing: no progress for ever */
                 {0, SIZE_MAX, PXDS_ERR_ARGUMENT}}; /* took more than there was */
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_restorer *restorer = NULL;
    pxds_index_chunk_info first = PXDS_INDEX_CHUNK_INFO_INIT;
    uint64_t written = 99;

    OK(pxds_index_get_chunk(index, 0, &first, &err)); /* it is 1670 bytes long: two calls */
    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sink sink = {NULL, 0, 1000, 0, 3, 0, 0, 0};

        sink.got = need_memory(DATA_LEN);
        sink.value = cases[i].value;
        sink.claim = cases[i].claim;
        IS(cases[i].status, pxds_restorer_write(restorer, index, on_write, &sink, &written, &err));
        CHECK(pxds_error_callback_value(err) == cases[i].value);
        EQUAL(3, sink.calls);
        EQUAL(first.end, written); /* the bytes of whole chunks */
        CHECK(memcmp(data, sink.got, sink.len) == 0);
        free(sink.got);
    }
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_write_fd(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_restorer *restorer = NULL;
    uint64_t written = 0;
    size_t len = 0;
    uint8_t *have;
    int fd = open(in_dir("out"), O_RDWR | O_CREAT, 0600);

    need(fd >= 0 && write(fd, "head", 4) == 4, "out");
    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    OK(pxds_restorer_write_fd(restorer, index, fd, &written, &err));
    EQUAL(DATA_LEN, written);
    close(fd);
    have = read_all(in_dir("out"), &len);
    if (EQUAL(DATA_LEN + 4, len)) /* from where the descriptor stood */
        CHECK(memcmp(data, have + 4, DATA_LEN) == 0);
    free(have);

    fd = open("/dev/full", O_WRONLY);
    if (fd >= 0) {
        IS(PXDS_ERR_IO, pxds_restorer_write_fd(restorer, index, fd, &written, &err));
        EQUAL(ENOSPC, pxds_error_errno(err));
        EQUAL(0, written);
        close(fd);
    }
    CHECK(pxds_restorer_write_fd(restorer, index, -1, &written, NULL) < 0);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_write_file(void)
{
    struct stat st;
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_restorer *restorer = NULL;
    uint64_t written = 99;

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    write_all(in_dir("out"), "what stood here before", 22);
    check_restores(store, index, data, DATA_LEN);
    IS(PXDS_ERR_NOT_FOUND,
       pxds_restorer_write_file(restorer, index, in_dir("missing/out"), &written, &err));
    EQUAL(0, written);
    CHECK(says(in_dir("missing")));
    need(mkdir(in_dir("directory"), 0700) == 0, "mkdir");
    IS(PXDS_ERR_EXISTS,
       pxds_restorer_write_file(restorer, index, in_dir("directory"), &written, &err));
    need(symlink("target", in_dir("link")) == 0, "symlink");
    IS(PXDS_ERR_NOT_FOUND,
       pxds_restorer_write_file(restorer, index, in_dir("link"), &written, &err));
    write_all(in_dir("target"), "old", 3);
    OK(pxds_restorer_write_file(restorer, index, in_dir("link"), &written, &err));
    CHECK(lstat(in_dir("link"), &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(lstat(in_dir("target"), &st) == 0 && st.st_size == DATA_LEN);
    OK(pxds_restorer_write_file(restorer, index, "/dev/null", &written, &err));
    EQUAL(DATA_LEN, written);
    CHECK(exists("/dev/null"));
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_missing_and_damaged_chunks(void)
{
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_restorer *restorer = NULL;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    char path[4300];
    size_t path_len, len;
    uint8_t *blob, in_error[PXDS_DIGEST_SIZE];
    uint64_t written = 0, offset = 0;

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    OK(pxds_index_get_chunk(index, 3, &chunk, &err));
    OK(pxds_store_get_chunk_path(store, chunk.digest, path, sizeof path, &path_len, &err));
    blob = read_all(path, &len);

    for (int damage = 0; damage < 4; damage++) {
        pxds_status want = PXDS_ERR_CORRUPT;

        if (damage == 0) { /* one bit */
            blob[len / 2] ^= 4;
            write_all(path, blob, len);
            blob[len / 2] ^= 4;
        } else if (damage == 1) { /* cut off */
            write_all(path, blob, len - 1);
        } else if (damage == 2) { /* another chunk's content, good in itself */
            pxds_index_chunk_info other = PXDS_INDEX_CHUNK_INFO_INIT;
            char from[4300];
            size_t from_len, other_len;
            uint8_t *bytes;

            OK(pxds_index_get_chunk(index, 4, &other, &err));
            OK(pxds_store_get_chunk_path(store, other.digest, from, sizeof from, &from_len, &err));
            bytes = read_all(from, &other_len);
            write_all(path, bytes, other_len);
            free(bytes);
        } else {
            need(unlink(path) == 0, path);
            want = PXDS_ERR_NOT_FOUND;
        }
        IS(want, pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
        EQUAL(PXDS_OK, pxds_error_get_digest(err, in_error));
        CHECK(memcmp(chunk.digest, in_error, sizeof in_error) == 0);
        EQUAL(PXDS_OK, pxds_error_get_offset(err, &offset));
        EQUAL(chunk.start, offset);
        CHECK(written <= chunk.start);
        CHECK(!exists(in_dir("out")));
    }
    /* the restorer is as good as before */
    write_all(path, blob, len);
    check_restores(store, index, data, DATA_LEN);
    free(blob);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
}

/* An index that promises another length than the chunk has. */
static void test_wrong_length_in_index(void)
{
    pxds_store *store = new_store();
    pxds_index *good = put(store, data, DATA_LEN), *index;
    pxds_index_writer *writer = NULL;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_restorer *restorer = NULL;
    uint64_t written = 0;

    OK(pxds_index_get_chunk(good, 0, &chunk, &err));
    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    OK(pxds_index_writer_add(writer, chunk.end - 1, chunk.digest, &err));
    index = index_of(writer);
    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    IS(PXDS_ERR_CORRUPT, pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    CHECK(!exists(in_dir("out")));
    pxds_index_free(index);
    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    OK(pxds_index_writer_add(writer, PXDS_BLOB_MAX_SIZE, chunk.digest, &err));
    index = index_of(writer);
    CHECK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, NULL) < 0);
    CHECK(!exists(in_dir("out")));
    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_add(writer, PXDS_BLOB_MAX_SIZE + 1, chunk.digest, &err));
    pxds_index_writer_free(writer);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_index_free(good);
    pxds_store_free(store);
}

/* An index that is not what was summed restores nothing, unless it is asked for as salvage. */
static void test_wrong_csum(void)
{
    pxds_store *store = new_store();
    pxds_index *good = put(store, data, DATA_LEN), *index = NULL;
    pxds_index_writer *writer = NULL;
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    pxds_restorer *restorer = NULL;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    pxds_buffer *bytes = NULL;
    uint8_t *copy;
    uint64_t written = 9;

    OK(pxds_index_get_chunk(good, 0, &chunk, &err));
    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    OK(pxds_index_writer_add(writer, chunk.end, chunk.digest, &err));
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    copy = need_memory(pxds_buffer_len(bytes));
    memcpy(copy, pxds_buffer_data(bytes), pxds_buffer_len(bytes));
    copy[32] ^= 1;
    OK(pxds_index_parse(copy, pxds_buffer_len(bytes), PXDS_INDEX_ANY, &index, &err));
    free(copy);

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    IS(PXDS_ERR_CORRUPT, pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(0, written);
    CHECK(!exists(in_dir("out")));
    pxds_restorer_free(restorer);
    options.flags = PXDS_RESTORER_ANY_CSUM;
    OK(pxds_restorer_new(store, &options, &restorer, &err));
    OK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(chunk.end, written);
    pxds_restorer_free(restorer);
    restorer = NULL;
    options.flags = 0x80000000u;
    IS(PXDS_ERR_ARGUMENT, pxds_restorer_new(store, &options, &restorer, &err));
    CHECK(restorer == NULL);
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    pxds_index_free(index);
    pxds_index_free(good);
    pxds_store_free(store);
}

static void test_ranges(void)
{
    static const struct {
        uint64_t offset, length, want;
    } ranges[] = {{0, DATA_LEN, DATA_LEN},
                  {0, UINT64_MAX, DATA_LEN},
                  {1, UINT64_MAX, DATA_LEN - 1},
                  {5000, 70000, 70000},
                  {DATA_LEN - 1, 1, 1},
                  {DATA_LEN - 10, 1000, 10},
                  {7, 0, 0},
                  {DATA_LEN, 0, 0},
                  {UINT64_MAX, 0, 0}};
    pxds_store *store = new_store();
    pxds_index *index = put(store, data, DATA_LEN);
    pxds_restorer *restorer = NULL;
    uint8_t *room = need_memory(DATA_LEN), *have;
    uint64_t written = 0, offset = 0;
    size_t len, read = 0;
    int fd = open(in_dir("fd"), O_RDWR | O_CREAT, 0600);

    need(fd >= 0, "fd");
    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct sink sink = {NULL, 0, 1000, 0, 0, 0, 0, 0};
        uint64_t from = ranges[i].offset, count = ranges[i].length, want = ranges[i].want;
        const uint8_t *expected = want == 0 ? data : data + from;

        sink.got = need_memory(DATA_LEN);
        OK(pxds_restorer_write_range(restorer, index, from, count, on_write, &sink, &written,
                                     &err));
        EQUAL(want, written);
        EQUAL(want, sink.len);
        CHECK(memcmp(expected, sink.got, want) == 0);
        free(sink.got);

        OK(pxds_restorer_write_range_file(restorer, index, from, count, in_dir("out"), &written,
                                          &err));
        EQUAL(want, written);
        have = read_all(in_dir("out"), &len);
        if (EQUAL(want, len))
            CHECK(memcmp(expected, have, len) == 0);
        free(have);

        need(ftruncate(fd, 0) == 0 && lseek(fd, 3, SEEK_SET) == 3, "fd");
        OK(pxds_restorer_write_range_fd(restorer, index, from, count, fd, &written, &err));
        EQUAL(want, written);
        have = read_all(in_dir("fd"), &len);
        if (EQUAL(want == 0 ? 0 : want + 3, len) && want > 0)
            CHECK(memcmp(expected, have + 3, want) == 0);
        free(have);

        if (count <= DATA_LEN) {
            OK(pxds_restorer_read_range(restorer, index, from, room, (size_t)count, &read, &err));
            EQUAL(want, read);
            CHECK(memcmp(expected, room, want) == 0);
        }
    }
    read = 9;
    IS(PXDS_ERR_ARGUMENT, pxds_restorer_read_range(restorer, index, DATA_LEN, room, 1, &read, &err));
    EQUAL(0, read);
    EQUAL(PXDS_OK, pxds_error_get_offset(err, &offset));
    EQUAL(DATA_LEN, offset);
    CHECK(says("300000"));
    IS(PXDS_ERR_ARGUMENT,
       pxds_restorer_write_range_file(restorer, index, UINT64_MAX, 1, in_dir("new"), NULL, &err));
    CHECK(!exists(in_dir("new")));
    close(fd);
    free(room);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
}

/* Twenty chunks of zeros between two of data. */
static void test_sparse(void)
{
    enum { CHUNK = 65536, LEN = 22 * CHUNK };
    pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
    pxds_store *store = new_store();
    pxds_restorer *restorer = NULL;
    pxds_index *index;
    uint8_t *image = need_memory(LEN), *have, digest[PXDS_DIGEST_SIZE];
    uint64_t written = 0;
    struct stat st;
    size_t len;
    int fd;

    memset(image, 0, LEN);
    fill_random(image, CHUNK, 1);
    fill_random(image + LEN - CHUNK, CHUNK, 2);
    index = put_fixed(store, image, LEN, CHUNK);
    digest_of(image + CHUNK, CHUNK, digest);
    EQUAL(PXDS_OK, pxds_store_mark_bad(store, digest, NULL, &err));

    options.flags = PXDS_RESTORER_SPARSE;
    OK(pxds_restorer_new(store, &options, &restorer, &err));
    OK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(LEN, written);
    CHECK(stat(in_dir("out"), &st) == 0 && st.st_blocks * 512 < 4 * CHUNK);
    have = read_all(in_dir("out"), &len);
    if (EQUAL(LEN, len))
        CHECK(memcmp(image, have, LEN) == 0);
    memset(have, 7, LEN);
    write_all(in_dir("old"), have, LEN);
    free(have);
    fd = open(in_dir("old"), O_WRONLY);
    need(fd >= 0, "old");
    OK(pxds_restorer_write_fd(restorer, index, fd, &written, &err));
    close(fd);
    CHECK(stat(in_dir("old"), &st) == 0 && st.st_blocks * 512 < 4 * CHUNK);
    have = read_all(in_dir("old"), &len);
    if (EQUAL(LEN, len))
        CHECK(memcmp(image, have, LEN) == 0);
    free(have);
    pxds_restorer_free(restorer);

    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    IS(PXDS_ERR_NOT_FOUND,
       pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
    free(image);
}

int main(void)
{
    data = random_data(DATA_LEN, 1);
    RUN(test_write_callback);
    RUN(test_write_callback_misbehaves);
    RUN(test_write_fd);
    RUN(test_write_file);
    RUN(test_missing_and_damaged_chunks);
    RUN(test_wrong_length_in_index);
    RUN(test_wrong_csum);
    RUN(test_ranges);
    RUN(test_sparse);
    free(data);
    return check_done();
}
