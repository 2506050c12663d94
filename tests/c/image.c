/* Images in: as a stream, by position, sparse, and by what has changed. */
#include "flow.h"

enum { CHUNK = 4096, IMAGE_LEN = 20 * CHUNK + 100, CHUNKS = 21 };

static uint8_t *image_data; /* of all tests: IMAGE_LEN bytes, the second quarter of them zeros */

static pxds_image *new_image(pxds_store *store, uint64_t size, pxds_ingest_chunk_fn on_chunk,
                             void *user)
{
    pxds_image_options options = PXDS_IMAGE_OPTIONS_INIT;
    pxds_image *image = NULL;
    static const uint8_t uuid[16] = {1, 2, 3};

    options.chunk_size = CHUNK;
    options.flags = PXDS_IMAGE_SET_CTIME | PXDS_IMAGE_SET_UUID;
    options.ctime = 777;
    memcpy(options.uuid, uuid, sizeof uuid);
    options.on_chunk = on_chunk;
    options.on_chunk_user = user;
    need(OK(pxds_image_new(store, size, &options, &image, &err)), "image");
    return image;
}

/* The index of an image, which it frees. */
static pxds_index *finish_image(pxds_image *image)
{
    pxds_index_writer *writer = NULL;
    pxds_buffer *bytes = NULL;
    pxds_index *index = NULL;

    need(OK(pxds_image_finish(image, &writer, &err)), "finish");
    pxds_image_free(image);
    OK(pxds_index_writer_finish(writer, SIZE_MAX, &bytes, &err));
    pxds_index_writer_free(writer);
    OK(pxds_index_parse(pxds_buffer_data(bytes), pxds_buffer_len(bytes), PXDS_INDEX_FIXED, &index,
                        &err));
    pxds_buffer_free(bytes);
    return index;
}

/* Every entry, and the header, against the image; then its bytes. */
static void check_image(pxds_store *store, pxds_index *index)
{
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    uint8_t digest[PXDS_DIGEST_SIZE];

    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(PXDS_INDEX_FIXED, info.kind);
    EQUAL(IMAGE_LEN, info.size);
    EQUAL(CHUNK, info.chunk_size);
    EQUAL(CHUNKS, info.chunk_count);
    EQUAL(777, info.ctime);
    EQUAL(3, info.uuid[2]);
    OK(pxds_index_check_csum(index, &err));
    for (uint64_t i = 0; i < info.chunk_count; i++) {
        pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;

        OK(pxds_index_get_chunk(index, i, &chunk, &err));
        EQUAL(i * CHUNK, chunk.start);
        EQUAL(i + 1 < CHUNKS ? (i + 1) * CHUNK : IMAGE_LEN, chunk.end);
        OK(pxds_digest_compute(image_data + chunk.start, (size_t)(chunk.end - chunk.start), digest,
                               &err));
        CHECK(memcmp(digest, chunk.digest, sizeof digest) == 0);
    }
    check_restores(store, index, image_data, IMAGE_LEN);
}

static void check_finished(pxds_store *store, pxds_image *image)
{
    pxds_index *index = finish_image(image);

    check_image(store, index);
    pxds_index_free(index);
}

/* A file of the image, with a hole where its zeros are. */
static int sparse_file(void)
{
    int fd = open(in_dir("sparse"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    const size_t hole = IMAGE_LEN / 4, end = IMAGE_LEN / 2;

    need(fd >= 0 && ftruncate(fd, IMAGE_LEN) == 0, "a sparse file");
    need(pwrite(fd, image_data, hole, 0) == (ssize_t)hole, "pwrite");
    need(pwrite(fd, image_data + end, IMAGE_LEN - end, (off_t)end) == (ssize_t)(IMAGE_LEN - end),
         "pwrite");
    return fd;
}

static void test_stream(void)
{
    static const size_t steps[] = {IMAGE_LEN, CHUNK, CHUNK - 1, 3 * CHUNK + 5, 99};
    static const uint64_t sizes[] = {IMAGE_LEN, PXDS_SIZE_UNKNOWN};
    pxds_store *store = new_store();

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sizeof steps / sizeof steps[0]; j++) {
            pxds_image *image = new_image(store, sizes[i], NULL, NULL);

            for (size_t at = 0; at < IMAGE_LEN; at += steps[j])
                OK(pxds_image_write(image, image_data + at,
                                    IMAGE_LEN - at < steps[j] ? IMAGE_LEN - at : steps[j], &err));
            check_finished(store, image);
        }
    }
    pxds_store_free(store);
}

static int32_t on_read(void *user, uint8_t *out, size_t capacity, size_t *len)
{
    size_t *at = user, n = IMAGE_LEN - *at;

    if (n > capacity)
        n = capacity;
    if (n > 777)
        n = 777;
    memcpy(out, image_data + *at, n);
    *at += n;
    *len = n;
    return 0;
}

static int32_t on_read_stop(void *user, uint8_t *out, size_t capacity, size_t *len)
{
    (void)user, (void)out, (void)capacity, (void)len;
    return -5;
}

static void test_read_callback(void)
{
    pxds_store *store = new_store();
    pxds_image *image = new_image(store, IMAGE_LEN, NULL, NULL);
    size_t at = 0;

    OK(pxds_image_read(image, on_read, &at, &err));
    check_finished(store, image);
    image = new_image(store, IMAGE_LEN, NULL, NULL);
    IS(PXDS_ERR_CANCELLED, pxds_image_read(image, on_read_stop, NULL, &err));
    CHECK(pxds_error_callback_value(err) == -5);
    IS(PXDS_ERR_STATE, pxds_image_write(image, "x", 1, &err));
    pxds_image_free(image);
    pxds_store_free(store);
}

static void test_file_with_a_hole(void)
{
    pxds_store *store = new_store();
    int fd = sparse_file();

    for (int known = 0; known < 2; known++) {
        pxds_image *image =
            new_image(store, known ? IMAGE_LEN : PXDS_SIZE_UNKNOWN, NULL, NULL);

        need(lseek(fd, 33, SEEK_SET) == 33, "lseek");
        OK(pxds_image_read_fd(image, fd, &err));
        EQUAL(33, lseek(fd, 0, SEEK_CUR)); /* it stands where it stood */
        check_finished(store, image);
    }
    close(fd);
    pxds_store_free(store);
}

static void test_pipe(void)
{
    pxds_store *store = new_store();
    pxds_image *image = new_image(store, PXDS_SIZE_UNKNOWN, NULL, NULL);
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index *index;
    int ends[2];

    need(pipe(ends) == 0, "pipe");
    need(write(ends[1], image_data, CHUNK + 1) == CHUNK + 1, "write");
    close(ends[1]);
    OK(pxds_image_read_fd(image, ends[0], &err));
    close(ends[0]);
    index = finish_image(image);
    OK(pxds_index_get_info(index, &info, &err));
    EQUAL(CHUNK + 1, info.size);
    EQUAL(2, info.chunk_count);
    check_restores(store, index, image_data, CHUNK + 1);
    pxds_index_free(index);
    pxds_store_free(store);
}

static void test_sizes_that_do_not_match(void)
{
    pxds_store *store = new_store();
    pxds_image *image = new_image(store, IMAGE_LEN - 1, NULL, NULL);
    pxds_index_writer *writer = NULL;
    uint64_t offset = 0;
    int fd = sparse_file();

    IS(PXDS_ERR_ARGUMENT, pxds_image_write(image, image_data, IMAGE_LEN, &err));
    EQUAL(PXDS_OK, pxds_error_get_offset(err, &offset));
    EQUAL(IMAGE_LEN - 1, offset);
    pxds_image_free(image);

    image = new_image(store, IMAGE_LEN + 1, NULL, NULL);
    IS(PXDS_ERR_CORRUPT, pxds_image_read_fd(image, fd, &err));
    EQUAL(PXDS_OK, pxds_error_get_offset(err, &offset));
    EQUAL(IMAGE_LEN, offset);
    pxds_image_free(image);

    /* What is missing can still be given. */
    image = new_image(store, IMAGE_LEN, NULL, NULL);
    OK(pxds_image_write(image, image_data, 3 * CHUNK, &err));
    IS(PXDS_ERR_STATE, pxds_image_finish(image, &writer, &err));
    CHECK(writer == NULL);
    EQUAL(PXDS_OK, pxds_error_get_offset(err, &offset));
    EQUAL(3 * CHUNK, offset);
    OK(pxds_image_read_fd(image, fd, &err));
    check_finished(store, image);
    close(fd);
    pxds_store_free(store);
}

struct watch {
    uint64_t count, existed, stored, stop_after;
    int wrong;
};

static int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    struct watch *watch = user;
    uint8_t digest[PXDS_DIGEST_SIZE];

    if (chunk->struct_size != sizeof *chunk || chunk->offset % CHUNK != 0 ||
        chunk->offset + chunk->size > IMAGE_LEN || chunk->existed > 1 || chunk->stored_size == 0 ||
        pxds_digest_compute(image_data + chunk->offset, (size_t)chunk->size, digest, NULL) !=
            PXDS_OK ||
        memcmp(digest, chunk->digest, sizeof digest) != 0)
        watch->wrong = 1;
    watch->existed += chunk->existed;
    watch->stored += chunk->stored_size;
    return ++watch->count == watch->stop_after ? 7 : 0;
}

/* Changed chunks come from the caller, the rest from the image of before. */
static void test_changes(void)
{
    static const uint8_t bitmap[] = {0x02, 0x00, 0x10}; /* chunks 1 and 20 */
    static const pxds_image_range ranges[] = {
        {UINT64_C(20) * CHUNK, 1}, {CHUNK + 5, 10}, {CHUNK, 20}, {0, 0}, {IMAGE_LEN, 1000}};
    pxds_store *store = new_store();
    pxds_image *image = new_image(store, IMAGE_LEN, NULL, NULL);
    pxds_index *earlier;
    size_t last = IMAGE_LEN - 20 * CHUNK;

    OK(pxds_image_write(image, image_data, IMAGE_LEN, &err));
    earlier = finish_image(image);
    image_data[CHUNK + 7] ^= 1;
    image_data[20 * CHUNK] ^= 1;
    for (int by_ranges = 0; by_ranges < 2; by_ranges++) {
        struct watch watch = {0, 0, 0, 0, 0};
        pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;

        image = new_image(store, IMAGE_LEN, on_chunk, &watch);
        if (by_ranges)
            OK(pxds_image_reuse_ranges(image, earlier, ranges, sizeof ranges / sizeof ranges[0],
                                       &err));
        else
            OK(pxds_image_reuse_bitmap(image, earlier, bitmap, sizeof bitmap, CHUNK, &err));
        EQUAL(CHUNKS - 2, watch.count);
        EQUAL(CHUNKS - 2, watch.existed);
        OK(pxds_image_write_at(image, UINT64_C(20) * CHUNK, image_data + 20 * CHUNK, last, &err));
        OK(pxds_image_write_at(image, CHUNK, image_data + CHUNK, CHUNK, &err));
        CHECK(!watch.wrong);
        OK(pxds_image_get_stats(image, &stats, &err));
        EQUAL(IMAGE_LEN, stats.size);
        EQUAL(CHUNKS, stats.chunks);
        EQUAL(by_ranges ? 0 : 2, stats.new_chunks);
        EQUAL(watch.stored, stats.compressed_bytes);
        check_finished(store, image);
    }
    pxds_index_free(earlier);
    pxds_store_free(store);
}

static void test_changes_that_cannot_be(void)
{
    static const uint8_t bitmap[3] = {0};
    static const pxds_image_range beyond = {UINT64_MAX, 1};
    pxds_store *store = new_store();
    pxds_image *image = new_image(store, IMAGE_LEN, NULL, NULL);
    pxds_index *earlier, *dynamic = put(store, data, DATA_LEN);

    OK(pxds_image_write(image, image_data, IMAGE_LEN, &err));
    earlier = finish_image(image);
    image = new_image(store, IMAGE_LEN, NULL, NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_image_reuse_bitmap(image, earlier, bitmap, 2, CHUNK, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_reuse_bitmap(image, earlier, bitmap, 3, CHUNK - 1, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_reuse_bitmap(image, earlier, bitmap, 3, 0, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_reuse_bitmap(image, dynamic, bitmap, 3, CHUNK, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_reuse_ranges(image, earlier, &beyond, 1, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_reuse_ranges(image, earlier, &beyond, SIZE_MAX, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_write_at(image, 1, image_data, CHUNK, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_image_write_at(image, 0, image_data, CHUNK - 1, &err));
    /* All that has changed nothing. */
    OK(pxds_image_reuse_ranges(image, earlier, NULL, 0, &err));
    check_finished(store, image);

    image = new_image(store, PXDS_SIZE_UNKNOWN, NULL, NULL);
    IS(PXDS_ERR_STATE, pxds_image_reuse_ranges(image, earlier, NULL, 0, &err));
    pxds_image_free(image);
    pxds_index_free(dynamic);
    pxds_index_free(earlier);
    pxds_store_free(store);
}

static void test_chunk_callback_cancels(void)
{
    pxds_store *store = new_store();
    struct watch watch = {0, 0, 0, 3, 0};
    pxds_image *image = new_image(store, IMAGE_LEN, on_chunk, &watch);
    pxds_index_writer *writer = NULL;

    IS(PXDS_ERR_CANCELLED, pxds_image_write(image, image_data, IMAGE_LEN, &err));
    EQUAL(7, pxds_error_callback_value(err));
    EQUAL(3, watch.count);
    IS(PXDS_ERR_STATE, pxds_image_finish(image, &writer, &err));
    CHECK(writer == NULL);
    pxds_image_free(image);
    pxds_image_free(NULL);
    pxds_store_free(store);
}

static void test_options(void)
{
    pxds_store *store = new_store();
    pxds_image_options options = PXDS_IMAGE_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_image *image = NULL;
    uint8_t *zeros = calloc(1, CHUNK);

    need(zeros != NULL, "calloc");
    options.chunk_size = 3 * CHUNK;
    IS(PXDS_ERR_ARGUMENT, pxds_image_new(store, 1, &options, &image, &err));
    options.chunk_size = CHUNK;
    options.flags = UINT32_C(1) << 31;
    IS(PXDS_ERR_ARGUMENT, pxds_image_new(store, 1, &options, &image, &err));
    CHECK(image == NULL);
    options.flags = PXDS_IMAGE_NO_COMPRESS;
    OK(pxds_image_new(store, CHUNK, &options, &image, &err));
    OK(pxds_image_write(image, zeros, CHUNK, &err));
    OK(pxds_image_get_stats(image, &stats, &err));
    EQUAL(CHUNK + PXDS_BLOB_HEADER_SIZE, stats.stored_bytes);
    pxds_image_free(image);
    image = NULL;
    IS(PXDS_ERR_ARGUMENT, pxds_image_new(store, PXDS_SIZE_UNKNOWN - 1, NULL, &image, &err));
    OK(pxds_image_new(store, PXDS_SIZE_UNKNOWN, NULL, &image, &err));
    pxds_image_free(image);
    free(zeros);
    pxds_store_free(store);
}

/* The index of an image has all its chunks: nothing is set in it, and it is saved like any other. */
static void test_index_writer(void)
{
    pxds_store *store = new_store();
    pxds_image *image = new_image(store, IMAGE_LEN, NULL, NULL);
    pxds_index_writer *writer = NULL;
    pxds_index *index = NULL;
    static const uint8_t digest[PXDS_DIGEST_SIZE] = {0};

    pxds_store_free(store);
    OK(pxds_image_write(image, image_data, IMAGE_LEN, &err));
    OK(pxds_image_finish(image, &writer, &err));
    pxds_image_free(image);
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_set(writer, 0, digest, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_index_writer_add(writer, IMAGE_LEN + 1, digest, &err));
    OK(pxds_index_writer_save(writer, in_dir("a.fidx"), &err));
    IS(PXDS_ERR_STATE, pxds_index_writer_save(writer, in_dir("b.fidx"), &err));
    pxds_index_writer_free(writer);
    OK(pxds_index_open(in_dir("a.fidx"), PXDS_INDEX_FIXED, &index, &err));
    OK(pxds_store_open(in_dir("store"), NULL, &store, &err));
    check_image(store, index);
    pxds_index_free(index);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 1);
    image_data = random_data(IMAGE_LEN, 2);
    memset(image_data + IMAGE_LEN / 4, 0, IMAGE_LEN / 4);
    RUN(test_stream);
    RUN(test_read_callback);
    RUN(test_file_with_a_hole);
    RUN(test_pipe);
    RUN(test_sizes_that_do_not_match);
    RUN(test_changes);
    RUN(test_changes_that_cannot_be);
    RUN(test_chunk_callback_cancels);
    RUN(test_options);
    RUN(test_index_writer);
    free(image_data);
    free(data);
    return check_done();
}
