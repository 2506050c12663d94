/* Chunks from a callback: honest, lying, failing. */
#include "chunk.h"

enum { COUNT = 5 };

/* What a callback has, and how it misbehaves about the chunk `odd`. */
struct keeper {
    struct chunk chunks[COUNT];
    unsigned calls;
    int odd;
    int32_t value;   /* if not 0, returned */
    size_t claim[2]; /* if not 0, the lengths that are claimed, nothing written */
    unsigned claims;
    int wrong; /* the next chunk is given instead */
    int cut;   /* the last byte is not given */
};

static int32_t on_get(void *user, const uint8_t *digest, uint8_t *bytes, size_t capacity,
                      size_t *len)
{
    struct keeper *keeper = user;

    keeper->calls++;
    for (int i = 0; i < COUNT; i++) {
        const struct chunk *chunk = &keeper->chunks[i];

        if (memcmp(digest, chunk->digest, sizeof chunk->digest) != 0)
            continue;
        if (i == keeper->odd) {
            if (keeper->value != 0)
                return keeper->value;
            if (keeper->claim[0] != 0) {
                *len = keeper->claim[keeper->claims++ % 2];
                return 0;
            }
            if (keeper->wrong)
                chunk = &keeper->chunks[i + 1];
        }
        *len = chunk->blob_len - (i == keeper->odd && keeper->cut);
        if (*len <= capacity)
            memcpy(bytes, chunk->blob, *len);
        return 0;
    }
    return PXDS_NONE;
}

static void fill(struct keeper *keeper)
{
    memset(keeper, 0, sizeof *keeper);
    for (uint32_t i = 0; i < COUNT; i++)
        keeper->chunks[i] = chunk(i + 1);
    keeper->odd = -1;
}

static pxds_source *source_of(struct keeper *keeper)
{
    pxds_source_options options = PXDS_SOURCE_OPTIONS_INIT;
    pxds_source *source = NULL;

    options.get = on_get;
    options.get_user = keeper;
    need(OK(pxds_source_new(&options, &source, &err)), "source");
    return source;
}

static pxds_index *index_of_chunks(const struct keeper *keeper)
{
    pxds_index_writer *writer = NULL;
    pxds_buffer *bytes = NULL;
    pxds_index *index = NULL;
    uint64_t end = 0;

    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    for (int i = 0; i < COUNT; i++) {
        end += sizeof keeper->chunks[i].data;
        OK(pxds_index_writer_add(writer, end, keeper->chunks[i].digest, &err));
    }
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    OK(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_ANY, &index,
                        &err));
    pxds_buffer_free(bytes);
    pxds_index_writer_free(writer);
    return index;
}

static void test_get(void)
{
    static struct keeper keeper;
    static const uint8_t nothing[PXDS_DIGEST_SIZE];
    pxds_store *store = new_store();
    pxds_source *sources[2] = {NULL, NULL};
    pxds_buffer *buffer = NULL;
    struct chunk *one = &keeper.chunks[0];

    fill(&keeper);
    insert(store, one, 0);
    OK(pxds_source_from_store(store, &sources[0], &err));
    sources[1] = source_of(&keeper);
    pxds_store_free(store); /* the source keeps it */
    for (int i = 0; i < 2; i++) {
        OK(pxds_source_get(sources[i], one->digest, PXDS_BLOB_MAX_ENCODED_SIZE, &buffer, &err));
        if (EQUAL(one->blob_len, pxds_buffer_len(buffer)))
            CHECK(memcmp(one->blob, pxds_buffer_data(buffer), one->blob_len) == 0);
        pxds_buffer_free(buffer);
        IS(PXDS_ERR_LIMIT,
           pxds_source_get(sources[i], one->digest, one->blob_len - 1, &buffer, &err));
        CHECK(buffer == NULL);
        IS(PXDS_ERR_NOT_FOUND, pxds_source_get(sources[i], nothing, 1000, &buffer, &err));
        pxds_source_free(sources[i]);
    }
}

static void test_options(void)
{
    pxds_source_options options = PXDS_SOURCE_OPTIONS_INIT;
    pxds_source *source = NULL;

    IS(PXDS_ERR_ARGUMENT, pxds_source_new(&options, &source, &err));
    CHECK(source == NULL && says("options.get"));
    options.get = on_get, options.flags = 2;
    IS(PXDS_ERR_ARGUMENT, pxds_source_new(&options, &source, &err));
    options.flags = 0, options.reserved = 1;
    IS(PXDS_ERR_ARGUMENT, pxds_source_new(&options, &source, &err));
    pxds_source_free(NULL);
}

/* The order in which the handles are freed does not matter. */
static void test_restore(void)
{
    static struct keeper keeper;
    pxds_restorer *restorer = NULL;
    pxds_reader *reader = NULL;
    pxds_source *source;
    pxds_index *index;
    uint8_t room[COUNT * 100 + 1];
    size_t read = 0;
    size_t count = 0;

    fill(&keeper);
    source = source_of(&keeper);
    index = index_of_chunks(&keeper);
    OK(pxds_restorer_new_from(source, NULL, &restorer, &err));
    OK(pxds_reader_new_from(source, index, NULL, &reader, &err));
    pxds_source_free(source);
    OK(pxds_restorer_read_range(restorer, index, 0, room, sizeof room, &read, &err));
    EQUAL(COUNT * 100, read);
    for (size_t i = 0; i < COUNT; i++)
        CHECK(memcmp(keeper.chunks[i].data, room + i * 100, 100) == 0);
    EQUAL(COUNT, keeper.calls);
    OK(pxds_restorer_read_range(restorer, index, 150, room, 100, &read, &err));
    EQUAL(100, read);
    CHECK(memcmp(keeper.chunks[1].data + 50, room, 50) == 0);
    CHECK(memcmp(keeper.chunks[2].data, room + 50, 50) == 0);
    EQUAL(COUNT + 2, keeper.calls);
    OK(pxds_reader_read_at(reader, 150, room, 10, &count, &err));
    EQUAL(10, count);
    CHECK(memcmp(keeper.chunks[1].data + 50, room, 10) == 0);
    pxds_reader_free(reader);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
}

struct heard {
    pxds_bad_chunk bad;
    unsigned calls;
    int32_t answer;
    int has_message;
};

static int32_t on_bad(void *user, const pxds_bad_chunk *bad)
{
    struct heard *heard = user;

    heard->bad = *bad;
    heard->bad.message = NULL;
    heard->has_message = strncmp(bad->message, "chunk 2 at offset 200: ", 23) == 0;
    heard->calls++;
    return heard->answer;
}

static void test_misbehaviour(void)
{
    static struct keeper keeper;
    const struct {
        int32_t value;
        size_t claim[2];
        int wrong, cut;
        pxds_status status;
        int bad; /* zeros may stand for the chunk */
    } cases[] = {
        {PXDS_NONE, {0, 0}, 0, 0, PXDS_ERR_NOT_FOUND, 1},
        {PXDS_ERR_IO, {0, 0}, 0, 0, PXDS_ERR_IO, 1},
        {-77, {0, 0}, 0, 0, PXDS_ERR_CANCELLED, 0},
        {1, {0, 0}, 0, 0, PXDS_ERR_CANCELLED, 0},
        {PXDS_ERR_NOT_FOUND, {0, 0}, 0, 0, PXDS_ERR_CANCELLED, 0},
        {0, {PXDS_BLOB_MAX_ENCODED_SIZE + 1, 0}, 0, 0, PXDS_ERR_LIMIT, 1},
        {0, {SIZE_MAX, 0}, 0, 0, PXDS_ERR_LIMIT, 1},
        /* more than a chunk of that length can take */
        {0, {1 << 20, 0}, 0, 0, PXDS_ERR_LIMIT, 1},
        {0, {0, 0}, 1, 0, PXDS_ERR_CORRUPT, 1},
        {0, {0, 0}, 0, 1, PXDS_ERR_CORRUPT, 1},
    };
    pxds_index *index;
    pxds_source *source;
    pxds_buffer *blob = NULL;

    fill(&keeper);
    index = index_of_chunks(&keeper);
    source = source_of(&keeper);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pxds_restorer_options options = PXDS_RESTORER_OPTIONS_INIT;
        struct heard heard;
        pxds_restorer *restorer = NULL;
        uint8_t room[COUNT * 100], digest[PXDS_DIGEST_SIZE];
        static const uint8_t zeros[100];
        size_t read = 9;

        memset(&heard, 0, sizeof heard);
        keeper.odd = 2;
        keeper.value = cases[i].value;
        keeper.claim[0] = cases[i].claim[0];
        keeper.claim[1] = cases[i].claim[1];
        keeper.claims = 0;
        keeper.wrong = cases[i].wrong;
        keeper.cut = cases[i].cut;
        OK(pxds_restorer_new_from(source, NULL, &restorer, &err));
        IS(cases[i].status,
           pxds_restorer_read_range(restorer, index, 0, room, sizeof room, &read, &err));
        EQUAL(200, read);
        EQUAL(PXDS_OK, pxds_error_get_digest(err, digest));
        CHECK(memcmp(keeper.chunks[2].digest, digest, sizeof digest) == 0);
        CHECK(pxds_error_callback_value(err) ==
              (cases[i].status == PXDS_ERR_CANCELLED ? cases[i].value : 0));
        EQUAL(cases[i].status == PXDS_ERR_IO ? EIO : 0, pxds_error_errno(err));
        pxds_restorer_free(restorer);

        keeper.claims = 0;
        options.on_bad = on_bad;
        options.on_bad_user = &heard;
        OK(pxds_restorer_new_from(source, &options, &restorer, &err));
        if (!cases[i].bad) {
            IS(cases[i].status,
               pxds_restorer_read_range(restorer, index, 0, room, sizeof room, &read, &err));
            EQUAL(0, heard.calls);
            pxds_restorer_free(restorer);
            continue;
        }
        OK(pxds_restorer_read_range(restorer, index, 0, room, sizeof room, &read, &err));
        EQUAL(sizeof room, read);
        EQUAL(1, heard.calls);
        CHECK(heard.has_message);
        EQUAL(sizeof(pxds_bad_chunk), heard.bad.struct_size);
        EQUAL(2, heard.bad.number);
        EQUAL(200, heard.bad.offset);
        EQUAL(100, heard.bad.length);
        CHECK(heard.bad.status == cases[i].status);
        CHECK(memcmp(keeper.chunks[2].digest, heard.bad.digest, PXDS_DIGEST_SIZE) == 0);
        CHECK(memcmp(keeper.chunks[1].data, room + 100, 100) == 0);
        CHECK(memcmp(zeros, room + 200, 100) == 0);
        CHECK(memcmp(keeper.chunks[3].data, room + 300, 100) == 0);
        keeper.claims = 0;
        heard.answer = -5;
        IS(PXDS_ERR_CANCELLED,
           pxds_restorer_read_range(restorer, index, 0, room, sizeof room, &read, &err));
        CHECK(pxds_error_callback_value(err) == -5);
        pxds_restorer_free(restorer);

        keeper.claims = 0;
        options.on_bad = NULL;
        options.flags = PXDS_RESTORER_SKIP_BAD;
        OK(pxds_restorer_new_from(source, &options, &restorer, &err));
        OK(pxds_restorer_read_range(restorer, index, 200, room, 200, &read, &err));
        CHECK(memcmp(zeros, room, 100) == 0);
        CHECK(memcmp(keeper.chunks[3].data, room + 100, 100) == 0);
        pxds_restorer_free(restorer);
    }
    /* it wants more room than it asked for */
    keeper.claim[0] = 1 << 20, keeper.claim[1] = PXDS_BLOB_MAX_ENCODED_SIZE;
    keeper.claims = 0, keeper.value = 0;
    IS(PXDS_ERR_ARGUMENT, pxds_source_get(source, keeper.chunks[2].digest,
                                          PXDS_BLOB_MAX_ENCODED_SIZE, &blob, &err));
    CHECK(blob == NULL);
    pxds_source_free(source);
    pxds_index_free(index);
}

int main(void)
{
    RUN(test_get);
    RUN(test_options);
    RUN(test_restore);
    RUN(test_misbehaviour);
    return check_done();
}
