/* Blobs: both directions, all buffer idioms, and bytes that nobody should trust. */
#include "check.h"

enum { CRC_AT = 8 };

static pxds_blob_codec *codec;

/* A blob of `len` bytes of data, to be freed. */
static uint8_t *encoded(const void *data, size_t len, uint32_t flags, size_t *blob_len)
{
    size_t capacity = pxds_blob_encode_bound(len);
    uint8_t *blob = need_memory(capacity);

    *blob_len = 0;
    OK(pxds_blob_encode(codec, data, len, flags, blob, capacity, blob_len, &err));
    CHECK(*blob_len >= PXDS_BLOB_HEADER_SIZE && *blob_len <= capacity);
    return blob;
}

static void check_decodes(const uint8_t *blob, size_t blob_len, const uint8_t *data, size_t len)
{
    uint8_t digest[PXDS_DIGEST_SIZE], *out = need_memory(len);
    pxds_buffer *buffer = NULL;
    size_t out_len = SIZE_MAX;

    digest_of(data, len, digest);
    OK(pxds_blob_decode(codec, blob, blob_len, 0, digest, out, len, &out_len, &err));
    if (EQUAL(len, out_len))
        CHECK(memcmp(data, out, len) == 0);
    if (OK(pxds_blob_decode_buffer(codec, blob, blob_len, 0, NULL, len, &buffer, &err)) &&
        EQUAL(len, pxds_buffer_len(buffer)))
        CHECK(memcmp(data, pxds_buffer_data(buffer), len) == 0);
    OK(pxds_blob_verify_unencrypted(codec, blob, blob_len, len, digest, &err));
    OK(pxds_blob_check_crc(blob, blob_len, &err));
    pxds_buffer_free(buffer);
    free(out);
}

static void test_round_trips(void)
{
    static const size_t sizes[] = {0, 1, 11, 12, 31, 32, 33, 1000, 65536, 300001};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int random = 0; random < 2; random++)
            for (uint32_t flags = 0; flags <= PXDS_ENCODE_COMPRESS; flags++) {
                uint8_t *data = need_memory(sizes[i]), *blob;
                size_t blob_len;
                pxds_buffer *buffer = NULL;

                memset(data, 'x', sizes[i]);
                if (random)
                    fill_random(data, sizes[i], 5);
                blob = encoded(data, sizes[i], flags, &blob_len);
                check_decodes(blob, blob_len, data, sizes[i]);
                OK(pxds_blob_encode_buffer(codec, data, sizes[i], flags, &buffer, &err));
                check_decodes(pxds_buffer_data(buffer), pxds_buffer_len(buffer), data, sizes[i]);
                pxds_buffer_free(buffer);
                free(blob);
                free(data);
            }
}

static void test_bytes_of_a_plain_blob(void)
{
    static const uint8_t want[] = {0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1, 0x26, 0x39, 0xf4,
                                   0xcb, '1',  '2',  '3',  '4',  '5',  '6',  '7',  '8',  '9'};
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    size_t blob_len;
    uint8_t *blob = encoded("123456789", 9, 0, &blob_len);

    EQUAL(sizeof want, blob_len);
    CHECK(memcmp(want, blob, sizeof want) == 0);
    OK(pxds_blob_parse(blob, blob_len, &info, &err));
    EQUAL(sizeof info, info.struct_size);
    CHECK(memcmp(want, info.magic, sizeof info.magic) == 0);
    EQUAL(0xcbf43926u, info.crc);
    EQUAL(0, info.flags);
    EQUAL(PXDS_CRYPT_NONE, info.crypt_mode);
    EQUAL(PXDS_BLOB_HEADER_SIZE, info.header_len);
    EQUAL(9, info.payload_len);
    free(blob);
}

static void test_compression_only_where_it_helps(void)
{
    static const uint8_t magic[] = {0x31, 0xb9, 0x58, 0x42, 0x6f, 0xb6, 0xa3, 0x7f};
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    size_t len = 10000, blob_len;
    uint8_t *data = calloc(1, len), *blob;

    need(data != NULL, "calloc");
    blob = encoded(data, len, PXDS_ENCODE_COMPRESS, &blob_len);
    CHECK(blob_len < 100);
    OK(pxds_blob_parse(blob, blob_len, &info, &err));
    CHECK(memcmp(magic, info.magic, sizeof magic) == 0);
    EQUAL(PXDS_BLOB_COMPRESSED, info.flags);
    EQUAL(blob_len - PXDS_BLOB_HEADER_SIZE, info.payload_len);
    free(blob);

    fill_random(data, len, 1);
    blob = encoded(data, len, PXDS_ENCODE_COMPRESS, &blob_len);
    EQUAL(len + PXDS_BLOB_HEADER_SIZE, blob_len);
    free(blob);
    blob = encoded(NULL, 0, PXDS_ENCODE_COMPRESS, &blob_len);
    EQUAL(PXDS_BLOB_HEADER_SIZE, blob_len);
    free(blob);
    free(data);
}

static void test_bound(void)
{
    for (size_t len = 0; len < 4; len++)
        CHECK(pxds_blob_encode_bound(len) >= len + PXDS_BLOB_ENCRYPTED_HEADER_SIZE);
    CHECK(pxds_blob_encode_bound(PXDS_BLOB_MAX_SIZE) >= PXDS_BLOB_MAX_ENCODED_SIZE);
    EQUAL(0, pxds_blob_encode_bound((size_t)PXDS_BLOB_MAX_SIZE + 1));
    EQUAL(0, pxds_blob_encode_bound(SIZE_MAX));
}

/* Too little room: the size that is enough, and not a byte beyond the room is written. */
static void test_too_small_for_a_blob(void)
{
    uint8_t *data = random_data(1000, 9), *blob = need_memory(2000);
    size_t blob_len = 0, enough = 0;

    IS(PXDS_ERR_TOO_SMALL, pxds_blob_encode(codec, data, 1000, 0, NULL, 0, &enough, &err));
    CHECK(enough >= 1012 && enough <= pxds_blob_encode_bound(1000));
    for (size_t capacity = 0; capacity < 1012; capacity += 23) {
        memset(blob, '#', 2000);
        IS(PXDS_ERR_TOO_SMALL,
           pxds_blob_encode(codec, data, 1000, 0, blob, capacity, &blob_len, &err));
        CHECK(blob[capacity] == '#' && blob[1999] == '#');
        EQUAL(enough, blob_len);
    }
    OK(pxds_blob_encode(codec, data, 1000, 0, blob, enough, &blob_len, &err));
    EQUAL(1012, blob_len);
    free(blob);
    free(data);
}

static void check_too_small_for_data(uint32_t flags)
{
    uint8_t data[1000], out[1001], *blob;
    size_t blob_len, enough = 0, len = 0;

    memset(data, 'z', sizeof data);
    blob = encoded(data, sizeof data, flags, &blob_len);
    IS(PXDS_ERR_TOO_SMALL,
       pxds_blob_decode(codec, blob, blob_len, 0, NULL, NULL, 0, &enough, &err));
    CHECK(enough >= sizeof data && enough <= PXDS_BLOB_MAX_SIZE);
    memset(out, '#', sizeof out);
    IS(PXDS_ERR_TOO_SMALL,
       pxds_blob_decode(codec, blob, blob_len, 0, NULL, out, sizeof data - 1, &len, &err));
    CHECK(len >= sizeof data);
    CHECK(out[sizeof data - 1] == '#');
    OK(pxds_blob_decode(codec, blob, blob_len, 0, NULL, out, sizeof data, &len, &err));
    EQUAL(sizeof data, len);
    CHECK(out[sizeof data] == '#' && memcmp(out, data, sizeof data) == 0);
    free(blob);
}

static void test_too_small_for_data(void)
{
    check_too_small_for_data(0);
    check_too_small_for_data(PXDS_ENCODE_COMPRESS);
}

static void test_borrow(void)
{
    uint8_t zeros[500] = {0}, digest[PXDS_DIGEST_SIZE], *blob;
    const uint8_t *data = NULL;
    size_t blob_len, len = 0;

    digest_of(zeros, sizeof zeros, digest);
    blob = encoded(zeros, sizeof zeros, 0, &blob_len);
    OK(pxds_blob_decode_borrow(blob, blob_len, 0, digest, &data, &len, &err));
    CHECK(data == blob + PXDS_BLOB_HEADER_SIZE);
    EQUAL(sizeof zeros, len);
    digest[0] ^= 1;
    IS(PXDS_ERR_CORRUPT, pxds_blob_decode_borrow(blob, blob_len, 0, digest, &data, &len, &err));
    CHECK(data == NULL && len == 0);
    free(blob);
    blob = encoded(zeros, sizeof zeros, PXDS_ENCODE_COMPRESS, &blob_len);
    IS(PXDS_NONE, pxds_blob_decode_borrow(blob, blob_len, 0, NULL, &data, &len, &err));
    CHECK(data == NULL && len == 0);
    free(blob);
}

static void test_crc(void)
{
    uint8_t out[16];
    size_t blob_len, len = 0;
    uint8_t *blob = encoded("0123456789", 10, 0, &blob_len);
    const uint8_t *data = NULL;

    blob[PXDS_BLOB_HEADER_SIZE] ^= 1;
    IS(PXDS_ERR_CORRUPT, pxds_blob_check_crc(blob, blob_len, &err));
    IS(PXDS_ERR_CORRUPT,
       pxds_blob_decode(codec, blob, blob_len, 0, NULL, out, sizeof out, &len, &err));
    IS(PXDS_ERR_CORRUPT, pxds_blob_decode_borrow(blob, blob_len, 0, NULL, &data, &len, &err));
    OK(pxds_blob_decode(codec, blob, blob_len, PXDS_DECODE_SKIP_CRC, NULL, out, sizeof out,
                        &len, &err));
    CHECK(len == 10 && memcmp(out, "1123456789", 10) == 0);
    OK(pxds_blob_update_crc(blob, blob_len, &err));
    OK(pxds_blob_check_crc(blob, blob_len, &err));
    blob[CRC_AT] ^= 0x80;
    IS(PXDS_ERR_CORRUPT, pxds_blob_check_crc(blob, blob_len, &err));
    free(blob);
}

static void test_digest_and_size(void)
{
    uint8_t right[PXDS_DIGEST_SIZE], wrong[PXDS_DIGEST_SIZE], in_error[PXDS_DIGEST_SIZE], out[16];
    pxds_buffer *buffer = NULL;
    size_t blob_len, len = 0;
    uint8_t *blob = encoded("data", 4, 0, &blob_len);

    digest_of("data", 4, right);
    memcpy(wrong, right, sizeof wrong);
    wrong[31] ^= 1;
    IS(PXDS_ERR_CORRUPT,
       pxds_blob_decode(codec, blob, blob_len, 0, wrong, out, sizeof out, &len, &err));
    EQUAL(PXDS_OK, pxds_error_get_digest(err, in_error));
    CHECK(memcmp(wrong, in_error, sizeof wrong) == 0);
    IS(PXDS_ERR_CORRUPT,
       pxds_blob_decode_buffer(codec, blob, blob_len, 0, wrong, 100, &buffer, &err));
    CHECK(buffer == NULL);
    IS(PXDS_ERR_CORRUPT, pxds_blob_verify_unencrypted(codec, blob, blob_len, 4, wrong, &err));
    IS(PXDS_ERR_CORRUPT, pxds_blob_verify_unencrypted(codec, blob, blob_len, 5, right, &err));
    IS(PXDS_ERR_CORRUPT, pxds_blob_verify_unencrypted(codec, blob, blob_len, 3, right, &err));
    OK(pxds_blob_verify_unencrypted(codec, blob, blob_len, 4, right, &err));
    free(blob);
}

/* A few hundred bytes that expand to 8 MiB do so only as far as the caller has allowed. */
static void test_bomb(void)
{
    size_t len = 8 << 20, blob_len, out_len = 0;
    uint8_t *data = calloc(1, len), *blob, small[1000];
    pxds_buffer *buffer = NULL;
    uint8_t digest[PXDS_DIGEST_SIZE];

    need(data != NULL, "calloc");
    digest_of(data, len, digest);
    blob = encoded(data, len, PXDS_ENCODE_COMPRESS, &blob_len);
    CHECK(blob_len < 2000);
    IS(PXDS_ERR_LIMIT, pxds_blob_decode_buffer(codec, blob, blob_len, 0, NULL, 0, &buffer, &err));
    IS(PXDS_ERR_LIMIT,
       pxds_blob_decode_buffer(codec, blob, blob_len, 0, NULL, len - 1, &buffer, &err));
    CHECK(buffer == NULL);
    IS(PXDS_ERR_TOO_SMALL,
       pxds_blob_decode(codec, blob, blob_len, 0, NULL, small, sizeof small, &out_len, &err));
    IS(PXDS_ERR_CORRUPT, pxds_blob_verify_unencrypted(codec, blob, blob_len, 1000, digest, &err));
    OK(pxds_blob_decode_buffer(codec, blob, blob_len, 0, digest, len, &buffer, &err));
    pxds_buffer_free(buffer);
    free(blob);
    free(data);
}

/* Every way to look at a blob; the same answer from each, or at least none of them good. */
static void check_refused(pxds_status want, const void *blob, size_t blob_len)
{
    uint8_t out[256];
    const uint8_t *data = out;
    size_t len = 7;
    pxds_buffer *buffer = NULL;

    IS(want, pxds_blob_decode(codec, blob, blob_len, 0, NULL, out, sizeof out, &len, &err));
    IS(want, pxds_blob_decode_buffer(codec, blob, blob_len, 0, NULL, sizeof out, &buffer, &err));
    CHECK(buffer == NULL);
    IS(want, pxds_blob_decode_borrow(blob, blob_len, 0, NULL, &data, &len, &err));
    CHECK(data == NULL && len == 0);
}

static void test_structure(void)
{
    uint8_t blob[64];
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    size_t blob_len;
    uint8_t *good = encoded("0123456789", 10, 0, &blob_len);

    for (size_t len = 0; len < PXDS_BLOB_HEADER_SIZE; len++) {
        memcpy(blob, good, len);
        IS(PXDS_ERR_FORMAT, pxds_blob_parse(blob, len, &info, &err));
        IS(PXDS_ERR_FORMAT, pxds_blob_check_crc(blob, len, &err));
        IS(PXDS_ERR_FORMAT, pxds_blob_update_crc(blob, len, &err));
        check_refused(PXDS_ERR_FORMAT, blob, len);
    }
    IS(PXDS_ERR_FORMAT, pxds_blob_parse(NULL, 0, &info, &err));
    for (size_t len = PXDS_BLOB_HEADER_SIZE; len < blob_len; len++)
        check_refused(PXDS_ERR_CORRUPT, good, len);
    for (int bit = 0; bit < 64; bit++) {
        memcpy(blob, good, blob_len);
        blob[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        IS(PXDS_ERR_FORMAT, pxds_blob_parse(blob, blob_len, &info, &err));
        check_refused(PXDS_ERR_FORMAT, blob, blob_len);
    }
    free(good);
}

static void test_encrypted_needs_a_key(void)
{
    static const uint8_t magics[2][8] = {{0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0},
                                         {0xe6, 0x59, 0x1b, 0xbf, 0x0b, 0xbf, 0xd8, 0x0b}};
    static const uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;

    for (unsigned i = 0; i < 2; i++) {
        uint8_t blob[PXDS_BLOB_ENCRYPTED_HEADER_SIZE + 20];

        fill_random(blob, sizeof blob, 77);
        memcpy(blob, magics[i], sizeof magics[i]);
        OK(pxds_blob_update_crc(blob, sizeof blob, &err));
        OK(pxds_blob_check_crc(blob, sizeof blob, &err));
        OK(pxds_blob_parse(blob, sizeof blob, &info, &err));
        EQUAL(PXDS_BLOB_ENCRYPTED | (i == 1 ? PXDS_BLOB_COMPRESSED : 0), info.flags);
        EQUAL(PXDS_CRYPT_ENCRYPT, info.crypt_mode);
        EQUAL(PXDS_BLOB_ENCRYPTED_HEADER_SIZE, info.header_len);
        EQUAL(20, info.payload_len);
        check_refused(PXDS_ERR_KEY, blob, sizeof blob);
        /* who has no key cannot verify, and says nothing against it */
        OK(pxds_blob_verify_unencrypted(codec, blob, sizeof blob, 20, digest, &err));
        for (size_t len = 0; len < PXDS_BLOB_ENCRYPTED_HEADER_SIZE; len++)
            IS(PXDS_ERR_FORMAT, pxds_blob_parse(blob, len, &info, &err));
    }
}

/* The payload is all of a zstd stream: frames add up, and anything else is damage. */
static void test_broken_frames(void)
{
    uint8_t zeros[200] = {0}, blob[512];
    size_t blob_len, len = 0;
    uint8_t *good = encoded(zeros, 100, PXDS_ENCODE_COMPRESS, &blob_len), out[200];

    memcpy(blob, good, blob_len);
    memcpy(blob + blob_len, good + PXDS_BLOB_HEADER_SIZE, blob_len - PXDS_BLOB_HEADER_SIZE);
    OK(pxds_blob_update_crc(blob, 2 * blob_len - PXDS_BLOB_HEADER_SIZE, &err));
    check_decodes(blob, 2 * blob_len - PXDS_BLOB_HEADER_SIZE, zeros, 200);

    for (size_t cut = PXDS_BLOB_HEADER_SIZE; cut < blob_len; cut++) {
        memcpy(blob, good, cut);
        OK(pxds_blob_update_crc(blob, cut, &err));
        IS(PXDS_ERR_CORRUPT,
           pxds_blob_decode(codec, blob, cut, 0, NULL, out, sizeof out, &len, &err));
    }
    memcpy(blob, good, blob_len);
    blob[blob_len] = 0;
    OK(pxds_blob_update_crc(blob, blob_len + 1, &err));
    IS(PXDS_ERR_CORRUPT,
       pxds_blob_decode(codec, blob, blob_len + 1, 0, NULL, out, sizeof out, &len, &err));
    /* the codec is as good as before */
    check_decodes(good, blob_len, zeros, 100);
    free(good);
}

static void test_garbage(void)
{
    uint8_t blob[300], out[4096], zeros[300] = {0};
    size_t good_len, len;
    uint8_t *good = encoded(zeros, sizeof zeros, PXDS_ENCODE_COMPRESS, &good_len);
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;

    for (uint32_t seed = 0; seed < 2000; seed++) {
        size_t blob_len = seed % sizeof blob;
        pxds_status status;

        fill_random(blob, sizeof blob, seed);
        if (seed % 2 == 0 && blob_len >= PXDS_BLOB_HEADER_SIZE) {
            memcpy(blob, good, 8);
            if (seed % 4 == 0 && blob_len > good_len) {
                memcpy(blob, good, good_len);
                blob[8 + seed % (good_len - 8)] ^= (uint8_t)(seed >> 4);
                blob_len = good_len;
            }
            OK(pxds_blob_update_crc(blob, blob_len, &err));
        } else {
            IS(PXDS_ERR_FORMAT, pxds_blob_parse(blob, blob_len, &info, &err));
        }
        len = sizeof out + 1;
        status = pxds_blob_decode(codec, blob, blob_len, 0, NULL, out, sizeof out, &len, NULL);
        CHECK(status == PXDS_OK || status == PXDS_ERR_FORMAT || status == PXDS_ERR_CORRUPT ||
              status == PXDS_ERR_TOO_SMALL || status == PXDS_ERR_LIMIT);
        CHECK(status != PXDS_OK || len <= sizeof out);
    }
    free(good);
}

static void test_too_large(void)
{
    /* nothing is read of data that is too long by its length */
    size_t len = (size_t)PXDS_BLOB_MAX_SIZE + 1, blob_len = 0;
    uint8_t small[16] = {0};
    pxds_buffer *buffer = NULL;

    IS(PXDS_ERR_LIMIT,
       pxds_blob_encode(codec, small, len, 0, small, sizeof small, &blob_len, &err));
    IS(PXDS_ERR_LIMIT, pxds_blob_encode_buffer(codec, small, len, 0, &buffer, &err));
    CHECK(buffer == NULL);
}

static void test_arguments(void)
{
    uint8_t blob[64], out[64];
    size_t len = 0;
    pxds_buffer *buffer = NULL;
    pxds_blob_codec *other = NULL;
    pxds_blob_codec_options options = PXDS_BLOB_CODEC_OPTIONS_INIT;

    IS(PXDS_ERR_ARGUMENT, pxds_blob_encode(codec, "a", 1, 4, blob, sizeof blob, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_encode(NULL, "a", 1, 0, blob, sizeof blob, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_encode(codec, NULL, 1, 0, blob, sizeof blob, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_encode(codec, "a", 1, 0, NULL, sizeof blob, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_encode(codec, "a", 1, 0, blob, sizeof blob, NULL, &err));
    OK(pxds_blob_encode(codec, "a", 1, 0, blob, sizeof blob, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_decode(codec, blob, len, 2, NULL, out, sizeof out, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_decode_buffer(codec, blob, 13, 2, NULL, 9, &buffer, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_blob_parse(blob, 13, NULL, &err));
    options.flags = 4;
    IS(PXDS_ERR_ARGUMENT, pxds_blob_codec_new(&options, &other, &err));
    CHECK(other == NULL);
    options.flags = 0;
    OK(pxds_blob_codec_new(&options, &other, &err));
    pxds_blob_codec_free(other);
    pxds_blob_codec_free(NULL);
}

int main(void)
{
    OK(pxds_blob_codec_new(NULL, &codec, &err));
    RUN(test_round_trips);
    RUN(test_bytes_of_a_plain_blob);
    RUN(test_compression_only_where_it_helps);
    RUN(test_bound);
    RUN(test_too_small_for_a_blob);
    RUN(test_too_small_for_data);
    RUN(test_borrow);
    RUN(test_crc);
    RUN(test_digest_and_size);
    RUN(test_bomb);
    RUN(test_structure);
    RUN(test_encrypted_needs_a_key);
    RUN(test_broken_frames);
    RUN(test_garbage);
    RUN(test_too_large);
    RUN(test_arguments);
    pxds_blob_codec_free(codec);
    return check_done();
}
