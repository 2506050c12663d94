/* Indexes: written, read back, asked, and damaged. */
#include "check.h"

/* Where the fields of the header stand. */
enum { UUID_AT = 8, CTIME_AT = 24, CSUM_AT = 32, ENTRIES_AT = PXDS_INDEX_HEADER_SIZE };

static const uint8_t some_uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static pxds_index_writer *new_writer(void)
{
    pxds_index_writer *writer = NULL;

    need(OK(pxds_index_writer_new_dynamic(1700000000, some_uuid, &writer, &err)), "writer");
    return writer;
}

static void add(pxds_index_writer *writer, uint64_t end, const char *data)
{
    uint8_t digest[PXDS_DIGEST_SIZE];

    digest_of(data, strlen(data), digest);
    OK(pxds_index_writer_add(writer, end, digest, &err));
}

/* The index of the chunks "hello" and "world!!", a copy to be freed. */
static uint8_t *hello_world(size_t *len)
{
    pxds_index_writer *writer = new_writer();
    pxds_buffer *bytes = NULL;
    uint8_t *copy;

    add(writer, 5, "hello");
    add(writer, 12, "world!!");
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    *len = pxds_buffer_len(bytes);
    copy = need_memory(*len);
    memcpy(copy, pxds_buffer_data(bytes), *len);
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    return copy;
}

static void test_known_index(void)
{
    static const uint8_t magic[] = {0x1c, 0x91, 0x4e, 0xa5, 0x19, 0xba, 0xb3, 0xcd};
    static const uint8_t ctime[] = {0x00, 0xf1, 0x53, 0x65, 0, 0, 0, 0};
    uint8_t digest[PXDS_DIGEST_SIZE];
    size_t len;
    uint8_t *bytes = hello_world(&len);

    EQUAL(4176, len);
    CHECK(memcmp(bytes, magic, sizeof magic) == 0);
    CHECK(memcmp(bytes + UUID_AT, some_uuid, sizeof some_uuid) == 0);
    CHECK(memcmp(bytes + CTIME_AT, ctime, sizeof ctime) == 0);
    check_hex("bbc3dca27d4d3ebf516639d842a4d3969dbeb99d3b374f0527d8ef6537cbef25", bytes + CSUM_AT);
    for (size_t i = 64; i < ENTRIES_AT; i++)
        EQUAL(0, bytes[i]);
    EQUAL(5, bytes[ENTRIES_AT]);
    digest_of("hello", 5, digest);
    CHECK(memcmp(bytes + ENTRIES_AT + 8, digest, sizeof digest) == 0);
    EQUAL(12, bytes[ENTRIES_AT + PXDS_INDEX_DYNAMIC_ENTRY_SIZE]);
    free(bytes);
}

static void check_hello_world(const pxds_index *index)
{
    static const struct {
        uint64_t offset, i, inside;
    } at[] = {{0, 0, 0}, {4, 0, 4}, {5, 1, 0}, {11, 1, 6}};
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    uint8_t csum[PXDS_DIGEST_SIZE], digest[PXDS_DIGEST_SIZE];
    uint64_t i = 9, inside = 9, size = 0;

    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(PXDS_INDEX_DYNAMIC, info.kind);
    EQUAL(12, info.size);
    EQUAL(2, info.chunk_count);
    EQUAL(0, info.chunk_size);
    EQUAL(1700000000, info.ctime);
    CHECK(memcmp(info.uuid, some_uuid, sizeof some_uuid) == 0);
    OK(pxds_index_compute_csum(index, csum, &size, &err));
    CHECK(memcmp(info.csum, csum, sizeof csum) == 0);
    EQUAL(12, size);
    OK(pxds_index_compute_csum(index, csum, NULL, &err));
    OK(pxds_index_check_csum(index, &err));

    OK(pxds_index_get_chunk(index, 1, &chunk, &err));
    EQUAL(5, chunk.start);
    EQUAL(12, chunk.end);
    digest_of("world!!", 7, digest);
    CHECK(memcmp(chunk.digest, digest, sizeof digest) == 0);
    IS(PXDS_NONE, pxds_index_get_chunk(index, 2, &chunk, &err));
    IS(PXDS_NONE, pxds_index_get_chunk(index, UINT64_MAX, &chunk, &err));
    for (size_t n = 0; n < sizeof at / sizeof at[0]; n++) {
        OK(pxds_index_find_chunk(index, at[n].offset, &i, &inside, &err));
        EQUAL(at[n].i, i);
        EQUAL(at[n].inside, inside);
    }
    OK(pxds_index_find_chunk(index, 11, &i, NULL, &err));
    IS(PXDS_NONE, pxds_index_find_chunk(index, 12, &i, &inside, &err));
    IS(PXDS_NONE, pxds_index_find_chunk(index, UINT64_MAX, &i, &inside, &err));
}

/* Many chunks in one call: as one by one, as many as there are. */
static void test_chunks_in_bulk(void)
{
    enum { COUNT = 100 };
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT, chunks[COUNT];
    pxds_index_writer *writer = NULL;
    pxds_index *index = NULL;
    pxds_buffer *bytes = NULL;
    uint8_t digest[PXDS_DIGEST_SIZE] = {0};
    struct {
        pxds_index_chunk_info known;
        uint64_t later;
    } longer[3];
    size_t count = 7;
    uint64_t at = 0;

    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    for (uint64_t i = 0; i < COUNT; i++) {
        digest[0] = (uint8_t)i;
        OK(pxds_index_writer_add(writer, (i + 1) * 1000, digest, &err));
    }
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    OK(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_ANY, &index, &err));

    while (chunks[0].struct_size = sizeof chunks[0],
           pxds_index_get_chunks(index, at, chunks, 33, &count, &err) == PXDS_OK) {
        EQUAL(at < 99 ? 33 : 1, count);
        for (size_t i = 0; i < count; i++) {
            OK(pxds_index_get_chunk(index, at + i, &chunk, &err));
            CHECK(memcmp(&chunk, &chunks[i], sizeof chunk) == 0);
        }
        at += count;
    }
    EQUAL(COUNT, at);
    CHECK(err == NULL && count == 0);
    EQUAL(0, chunks[0].end);
    IS(PXDS_NONE, pxds_index_get_chunks(index, UINT64_MAX, chunks, COUNT, &count, &err));
    OK(pxds_index_get_chunks(index, 98, chunks, COUNT, &count, &err));
    EQUAL(2, count);
    EQUAL(0, chunks[2].end); /* behind them: zeros */
    EQUAL(sizeof chunk, chunks[COUNT - 1].struct_size);

    memset(longer, 0xa5, sizeof longer); /* of a later release */
    longer[0].known.struct_size = sizeof longer[0];
    OK(pxds_index_get_chunks(index, 1, &longer[0].known, 3, &count, &err));
    CHECK(count == 3 && longer[2].known.struct_size == sizeof longer[0]);
    CHECK(longer[2].known.start == 3000 && longer[2].known.end == 4000 && longer[2].later == 0);

    OK(pxds_index_get_chunks(index, 0, NULL, 0, &count, &err));
    EQUAL(0, count);
    IS(PXDS_ERR_ARGUMENT, pxds_index_get_chunks(index, 0, NULL, 1, &count, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_get_chunks(index, 0, chunks, SIZE_MAX, &count, &err));
    chunks[0].struct_size = 8;
    IS(PXDS_ERR_ARGUMENT, pxds_index_get_chunks(index, 0, chunks, COUNT, &count, &err));
    EQUAL(0, count);
    pxds_index_free(index);
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
}

static void test_read_from_memory(void)
{
    size_t len;
    uint8_t *bytes = hello_world(&len);
    pxds_index *index = NULL;

    OK(pxds_index_parse(bytes, len, PXDS_INDEX_ANY, &index, &err));
    memset(bytes, 0xff, len); /* the index has what it needs */
    free(bytes);
    check_hello_world(index);
    pxds_index_free(index);
    pxds_index_free(NULL);
}

static void test_save_and_open(void)
{
    pxds_index_writer *writer = new_writer();
    pxds_index *index = NULL;
    size_t len, saved_len;
    uint8_t *bytes = hello_world(&len), *saved;
    const char *path = in_dir("a.didx");

    add(writer, 5, "hello");
    add(writer, 12, "world!!");
    CHECK(!exists(path));
    OK(pxds_index_check_path(path, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_index_check_path(in_dir("missing/a.didx"), &err));
    OK(pxds_file_write(in_dir("text"), "no index", 8, &err));
    IS(PXDS_ERR_EXISTS, pxds_index_check_path(in_dir("text"), &err));
    OK(pxds_index_writer_save(writer, path, &err));
    OK(pxds_index_check_path(path, &err));
    saved = read_all(path, &saved_len);
    if (EQUAL(len, saved_len))
        CHECK(memcmp(bytes, saved, len) == 0);
    OK(pxds_index_open(path, PXDS_INDEX_DYNAMIC, &index, &err));
    need(unlink(path) == 0, path); /* the open index stays readable */
    check_hello_world(index);
    pxds_index_free(index);
    pxds_index_writer_free(writer);
    free(saved);
    free(bytes);
}

static void test_save_fails(void)
{
    pxds_index_writer *writer = new_writer();

    add(writer, 5, "hello");
    IS(PXDS_ERR_NOT_FOUND, pxds_index_writer_save(writer, in_dir("missing/a.didx"), &err));
    CHECK(says(in_dir("missing")));
    EQUAL(ENOENT, pxds_error_errno(err));
    need(mkdir(in_dir("directory"), 0700) == 0, "mkdir");
    IS(PXDS_ERR_EXISTS, pxds_index_writer_save(writer, in_dir("directory"), &err));
    IS(PXDS_ERR_EXISTS, pxds_index_writer_save(writer, "/dev/null", &err));
    OK(pxds_index_writer_save(writer, in_dir("a.didx"), &err)); /* nothing is lost by a failure */
    pxds_index_writer_free(writer);
}

static void test_writer_info_and_finish(void)
{
    pxds_index_writer *writer = new_writer();
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_buffer *one = NULL, *two = NULL;

    OK(pxds_index_writer_get_info(writer, &info, &err));
    EQUAL(0, info.size);
    EQUAL(0, info.chunk_count);
    check_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", info.csum);
    add(writer, 5, "hello");
    add(writer, 12, "world!!");
    OK(pxds_index_writer_get_info(writer, &info, &err));
    EQUAL(12, info.size);
    EQUAL(2, info.chunk_count);
    check_hex("bbc3dca27d4d3ebf516639d842a4d3969dbeb99d3b374f0527d8ef6537cbef25", info.csum);
    IS(PXDS_ERR_LIMIT, pxds_index_writer_finish(writer, 4175, &one, &err));
    CHECK(one == NULL);
    OK(pxds_index_writer_finish(writer, 4176, &one, &err));
    OK(pxds_index_writer_finish(writer, 4176, &two, &err));
    EQUAL(pxds_buffer_len(one), pxds_buffer_len(two));
    CHECK(memcmp(pxds_buffer_data(one), pxds_buffer_data(two), 4176) == 0);
    pxds_buffer_free(one);
    pxds_buffer_free(two);
    pxds_index_writer_free(writer);
}

static void test_add_after_finish(void)
{
    static const uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_index_writer *writer = new_writer();
    pxds_buffer *bytes = NULL;

    add(writer, 5, "hello");
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    IS(PXDS_ERR_STATE, pxds_index_writer_add(writer, 12, digest, &err));
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
}

/* Ends only rise. A writer that was told otherwise holds a wrong index, and gives none away. */
static void test_ends_rise(void)
{
    static const uint64_t bad[] = {4, 5, 0, UINT64_C(1) << 63};
    static const uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_buffer *bytes = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pxds_index_writer *writer = new_writer();

        add(writer, 5, "hello");
        IS(PXDS_ERR_ARGUMENT, pxds_index_writer_add(writer, bad[i], digest, &err));
        IS(PXDS_ERR_STATE, pxds_index_writer_add(writer, 100, digest, &err));
        IS(PXDS_ERR_STATE, pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
        CHECK(bytes == NULL);
        IS(PXDS_ERR_STATE, pxds_index_writer_save(writer, in_dir("a.didx"), &err));
        CHECK(!exists(in_dir("a.didx")));
        pxds_index_writer_free(writer);
    }
}

static void test_empty_index(void)
{
    pxds_index_writer *writer = new_writer();
    pxds_buffer *bytes = NULL;
    pxds_index *index = NULL;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    uint64_t i = 0;

    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    EQUAL(PXDS_INDEX_HEADER_SIZE, pxds_buffer_len(bytes));
    OK(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_ANY, &index,
                        &err));
    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(0, info.size);
    EQUAL(0, info.chunk_count);
    OK(pxds_index_check_csum(index, &err));
    IS(PXDS_NONE, pxds_index_find_chunk(index, 0, &i, NULL, &err));
    pxds_index_free(index);
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    pxds_index_writer_free(NULL);
}

static void test_uuids(void)
{
    pxds_index_writer *writer = NULL;
    pxds_index_info one = PXDS_INDEX_INFO_INIT, two = PXDS_INDEX_INFO_INIT;

    OK(pxds_index_writer_new_dynamic(-5, NULL, &writer, &err));
    OK(pxds_index_writer_get_info(writer, &one, &err));
    pxds_index_writer_free(writer);
    OK(pxds_index_writer_new_dynamic(-5, NULL, &writer, &err));
    OK(pxds_index_writer_get_info(writer, &two, &err));
    pxds_index_writer_free(writer);
    CHECK(memcmp(one.uuid, two.uuid, sizeof one.uuid) != 0);
    EQUAL(0x40, one.uuid[6] & 0xf0); /* version 4, variant 1 */
    EQUAL(0x80, one.uuid[8] & 0xc0);
    CHECK(one.ctime == -5);
}

/* A fixed index, by hand: this library reads those, and its writer writes the others. */
static void test_fixed(void)
{
    static const uint8_t magic[] = {0x2f, 0x7f, 0x41, 0xed, 0x91, 0xfd, 0x0f, 0xcd};
    uint8_t bytes[ENTRIES_AT + 3 * PXDS_INDEX_FIXED_ENTRY_SIZE] = {0};
    pxds_index *index = NULL;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    uint64_t i = 0, inside = 0;

    memcpy(bytes, magic, sizeof magic);
    fill_random(bytes + ENTRIES_AT, sizeof bytes - ENTRIES_AT, 4);
    digest_of(bytes + ENTRIES_AT, sizeof bytes - ENTRIES_AT, bytes + CSUM_AT);
    bytes[64 + 1] = 0x28; /* 10240 bytes */
    bytes[72 + 1] = 0x10; /* in chunks of 4096 */
    OK(pxds_index_parse(bytes, sizeof bytes, PXDS_INDEX_FIXED, &index, &err));
    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(PXDS_INDEX_FIXED, info.kind);
    EQUAL(10240, info.size);
    EQUAL(3, info.chunk_count);
    EQUAL(4096, info.chunk_size);
    OK(pxds_index_check_csum(index, &err));
    OK(pxds_index_get_chunk(index, 2, &chunk, &err));
    EQUAL(8192, chunk.start);
    EQUAL(10240, chunk.end);
    OK(pxds_index_find_chunk(index, 5000, &i, &inside, &err));
    EQUAL(1, i);
    EQUAL(904, inside);
    IS(PXDS_NONE, pxds_index_find_chunk(index, 10240, &i, &inside, &err));
    pxds_index_free(index);
    index = NULL;
    IS(PXDS_ERR_FORMAT, pxds_index_parse(bytes, sizeof bytes, PXDS_INDEX_DYNAMIC, &index, &err));

    bytes[72 + 1] = 0x18; /* no power of two */
    CHECK(pxds_index_parse(bytes, sizeof bytes, PXDS_INDEX_ANY, &index, NULL) < 0);
    bytes[72 + 1] = 0;
    CHECK(pxds_index_parse(bytes, sizeof bytes, PXDS_INDEX_ANY, &index, NULL) < 0);
    bytes[72 + 1] = 0x10;
    bytes[64 + 1] = 0x38; /* needs four digests */
    CHECK(pxds_index_parse(bytes, sizeof bytes, PXDS_INDEX_ANY, &index, NULL) < 0);
    memset(bytes + 64, 0xff, 8);
    CHECK(pxds_index_parse(bytes, sizeof bytes, PXDS_INDEX_ANY, &index, NULL) < 0);
    CHECK(index == NULL);
}

static void test_damaged(void)
{
    size_t len;
    uint8_t *bytes = hello_world(&len);
    pxds_index *index = NULL;
    pxds_status status;

    for (size_t cut = 0; cut < len; cut += cut < 64 || cut >= ENTRIES_AT ? 1 : 61) {
        if (cut == ENTRIES_AT || cut == ENTRIES_AT + PXDS_INDEX_DYNAMIC_ENTRY_SIZE)
            continue; /* a good length: the csum would tell */
        status = pxds_index_parse(bytes, cut, PXDS_INDEX_ANY, &index, NULL);
        CHECK(status == PXDS_ERR_FORMAT || status == PXDS_ERR_CORRUPT);
        CHECK(index == NULL);
    }
    for (size_t i = 0; i < 8; i++) {
        bytes[i] ^= 1;
        IS(PXDS_ERR_FORMAT, pxds_index_parse(bytes, len, PXDS_INDEX_ANY, &index, &err));
        bytes[i] ^= 1;
    }
    IS(PXDS_ERR_FORMAT, pxds_index_parse(bytes, len, PXDS_INDEX_FIXED, &index, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_parse(bytes, len, 3, &index, &err));
    CHECK(index == NULL);

    bytes[ENTRIES_AT] = 13; /* falls to 12 */
    status = pxds_index_parse(bytes, len, PXDS_INDEX_ANY, &index, NULL);
    CHECK(status == PXDS_ERR_FORMAT || status == PXDS_ERR_CORRUPT);
    bytes[ENTRIES_AT] = 6; /* rises, but is not what was summed */
    OK(pxds_index_parse(bytes, len, PXDS_INDEX_ANY, &index, &err));
    IS(PXDS_ERR_CORRUPT, pxds_index_check_csum(index, &err));
    pxds_index_free(index);
    free(bytes);
}

static void test_open_refuses(void)
{
    pxds_index *index = NULL;

    IS(PXDS_ERR_NOT_FOUND, pxds_index_open(in_dir("a.didx"), PXDS_INDEX_ANY, &index, &err));
    CHECK(pxds_index_open(in_dir("."), PXDS_INDEX_ANY, &index, NULL) < 0);
    CHECK(pxds_index_open("/dev/zero", PXDS_INDEX_ANY, &index, NULL) < 0);
    need(mkfifo(in_dir("pipe"), 0600) == 0, "mkfifo");
    CHECK(pxds_index_open(in_dir("pipe"), PXDS_INDEX_ANY, &index, NULL) < 0); /* at once */
    write_all(in_dir("a.didx"), "", 0);
    IS(PXDS_ERR_FORMAT, pxds_index_open(in_dir("a.didx"), PXDS_INDEX_ANY, &index, &err));
    CHECK(pxds_error_path(err) != NULL && strcmp(pxds_error_path(err), in_dir("a.didx")) == 0);
    CHECK(index == NULL);
}

/* A fixed index: digests in any order, what is missing is refused, a later one starts from it. */
static void test_fixed_writer(void)
{
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index_writer *writer = NULL, *dynamic = NULL;
    pxds_buffer *buffer = NULL;
    pxds_index *index = NULL;
    static const uint64_t no_ends[] = {0, 1, 4, 11, 13, 16, UINT64_MAX};
    uint8_t hello[32], world[32];

    OK(pxds_digest_compute("hello", 5, hello, &err));
    OK(pxds_digest_compute("world!!", 7, world, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_new_fixed(0, NULL, 12, 12, 0, &writer, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_new_fixed(0, NULL, 12, 8, 2, &writer, &err));
    IS(PXDS_ERR_LIMIT, pxds_index_writer_new_fixed(0, NULL, INT64_MAX, 1, 0, &writer, &err));
    CHECK(writer == NULL);

    OK(pxds_index_writer_new_fixed(0, NULL, 12, 8, 0, &writer, &err));
    OK(pxds_index_writer_add(writer, 12, world, &err));
    IS(PXDS_ERR_STATE, pxds_index_writer_finish(writer, SIZE_MAX, &buffer, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_set(writer, 2, hello, &err));
    for (size_t i = 0; i < sizeof no_ends / sizeof no_ends[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_index_writer_add(writer, no_ends[i], hello, &err));
    OK(pxds_index_writer_set(writer, 0, world, &err));
    OK(pxds_index_writer_add(writer, 8, hello, &err)); /* the last one counts */
    OK(pxds_index_writer_save(writer, in_dir("x.fidx"), &err));
    IS(PXDS_ERR_STATE, pxds_index_writer_set(writer, 0, hello, &err));
    pxds_index_writer_free(writer);

    OK(pxds_index_open(in_dir("x.fidx"), PXDS_INDEX_FIXED, &index, &err));
    OK(pxds_index_check_csum(index, &err));
    OK(pxds_index_writer_new_fixed(0, NULL, 16, 8, PXDS_WRITER_ALLOW_INCOMPLETE, &writer, &err));
    OK(pxds_index_writer_clone_index(writer, index, &err));
    OK(pxds_index_writer_get_info(writer, &info, &err));
    CHECK(info.kind == PXDS_INDEX_FIXED && info.chunk_count == 2 && info.size == 16 &&
          info.chunk_size == 8);
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &buffer, &err));
    CHECK(memcmp(pxds_buffer_data(buffer) + 4096, hello, 32) == 0);
    CHECK(pxds_buffer_data(buffer)[4096 + 32] == 0); /* the short chunk is another one now */
    OK(pxds_index_writer_new_dynamic(0, NULL, &dynamic, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_set(dynamic, 0, hello, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_clone_index(dynamic, index, &err));

    pxds_buffer_free(buffer);
    pxds_index_writer_free(dynamic);
    pxds_index_writer_free(writer);
    pxds_index_free(index);
}

int main(void)
{
    RUN(test_known_index);
    RUN(test_chunks_in_bulk);
    RUN(test_read_from_memory);
    RUN(test_save_and_open);
    RUN(test_save_fails);
    RUN(test_writer_info_and_finish);
    RUN(test_add_after_finish);
    RUN(test_ends_rise);
    RUN(test_empty_index);
    RUN(test_uuids);
    RUN(test_fixed);
    RUN(test_damaged);
    RUN(test_open_refuses);
    RUN(test_fixed_writer);
    return check_done();
}
