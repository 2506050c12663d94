/* Statuses, versions, errors, buffers, digests. */
#include "check.h"

static void test_status_words(void)
{
    static const struct {
        pxds_status status;
        const char *name;
    } all[] = {
#define NAME(status) {status, #status}
        NAME(PXDS_OK),
        NAME(PXDS_CUT),
        NAME(PXDS_NONE),
        NAME(PXDS_ERR_ARGUMENT),
        NAME(PXDS_ERR_IO),
        NAME(PXDS_ERR_NOMEM),
        NAME(PXDS_ERR_NOT_FOUND),
        NAME(PXDS_ERR_EXISTS),
        NAME(PXDS_ERR_BUSY),
        NAME(PXDS_ERR_TOO_SMALL),
        NAME(PXDS_ERR_LIMIT),
        NAME(PXDS_ERR_CORRUPT),
        NAME(PXDS_ERR_FORMAT),
        NAME(PXDS_ERR_KEY),
        NAME(PXDS_ERR_AUTH),
        NAME(PXDS_ERR_STATE),
        NAME(PXDS_ERR_CANCELLED),
        NAME(PXDS_ERR_UNSUPPORTED),
        NAME(PXDS_ERR_PROTECTED),
        NAME(PXDS_ERR_PASSWORD),
        NAME(PXDS_ERR_KEY_MISMATCH),
        NAME(PXDS_ERR_CRYPT_MODE),
        NAME(PXDS_ERR_DENIED),
        NAME(PXDS_ERR_INTERNAL),
        NAME(PXDS_ERR_PANIC),
#undef NAME
    };
    static const pxds_status unknown[] = {3, 4, 100, -21, -97, -100, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!CHECK(strcmp(pxds_status_name(all[i].status), all[i].name) == 0))
            fprintf(stderr, "  %s\n", all[i].name);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        CHECK(strcmp(pxds_status_name(unknown[i]), "PXDS_UNKNOWN") == 0);

    /* words: some for each status, and of each its own */
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *words = pxds_status_message(all[i].status);

        CHECK(words[0] != '\0' && strcmp(words, "unknown status") != 0);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(words, pxds_status_message(all[k].status)) != 0);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        CHECK(strcmp(pxds_status_message(unknown[i]), "unknown status") == 0);
    CHECK(strcmp(pxds_status_message(PXDS_ERR_NOT_FOUND), "not found") == 0);
}

static void test_versions(void)
{
    char text[32];

    snprintf(text, sizeof text, "%d.%d.%d", PXDS_VERSION_MAJOR, PXDS_VERSION_MINOR,
             PXDS_VERSION_PATCH);
    CHECK(strcmp(pxds_version(), text) == 0);
    EQUAL((uint32_t)PXDS_VERSION_MAJOR << 16 | PXDS_VERSION_MINOR << 8 | PXDS_VERSION_PATCH,
          pxds_version_number());
    EQUAL(PXDS_ABI_VERSION, pxds_abi_version());
}

static void test_no_error(void)
{
    uint8_t digest[PXDS_DIGEST_SIZE];
    uint64_t offset;

    EQUAL(PXDS_OK, pxds_error_status(NULL));
    CHECK(strcmp(pxds_error_message(NULL), "") == 0);
    EQUAL(0, pxds_error_errno(NULL));
    CHECK(pxds_error_path(NULL) == NULL);
    EQUAL(PXDS_NONE, pxds_error_get_digest(NULL, digest));
    EQUAL(PXDS_NONE, pxds_error_get_offset(NULL, &offset));
    EQUAL(0, pxds_error_callback_value(NULL));
    pxds_error_free(NULL);
}

static void test_error_of_the_system(void)
{
    pxds_store *store = NULL;
    uint8_t digest[PXDS_DIGEST_SIZE];
    uint64_t offset;
    const char *path = in_dir("missing");

    IS(PXDS_ERR_NOT_FOUND, pxds_store_open(path, NULL, &store, &err));
    CHECK(store == NULL);
    EQUAL(ENOENT, pxds_error_errno(err));
    CHECK(says(path));
    CHECK(says(strerror(ENOENT)));
    CHECK(pxds_error_path(err) != NULL && strncmp(pxds_error_path(err), path, strlen(path)) == 0);
    EQUAL(PXDS_NONE, pxds_error_get_digest(err, digest));
    EQUAL(PXDS_NONE, pxds_error_get_offset(err, &offset));
    EQUAL(0, pxds_error_callback_value(err));
}

/* A path is bytes: it comes back as it was given, whatever the encoding. */
static void test_error_path_is_bytes(void)
{
    pxds_index *index = NULL;
    const char *path = in_dir("no \xff\xfe\xc3 text\n");

    IS(PXDS_ERR_NOT_FOUND, pxds_index_open(path, PXDS_INDEX_ANY, &index, &err));
    CHECK(pxds_error_path(err) != NULL && strcmp(pxds_error_path(err), path) == 0);
}

/* `*err` is always written and never read. */
static void test_err_argument(void)
{
    static const uint8_t none[PXDS_DIGEST_SIZE];
    char hex[PXDS_DIGEST_HEX_SIZE];
    pxds_error *mine;

    memset(&mine, 0xa5, sizeof mine);
    EQUAL(PXDS_OK, pxds_digest_format(none, hex, sizeof hex, &mine));
    CHECK(mine == NULL);
    memset(&mine, 0xa5, sizeof mine);
    EQUAL(PXDS_ERR_TOO_SMALL, pxds_digest_format(none, hex, 3, &mine));
    EQUAL(PXDS_ERR_TOO_SMALL, pxds_error_status(mine));
    pxds_error_free(mine);
    EQUAL(PXDS_ERR_TOO_SMALL, pxds_digest_format(none, hex, 3, NULL));
}

static void test_no_buffer(void)
{
    CHECK(pxds_buffer_data(NULL) == NULL);
    EQUAL(0, pxds_buffer_len(NULL));
    pxds_buffer_free(NULL);
}

static void test_digest(void)
{
    uint8_t digest[PXDS_DIGEST_SIZE];

    OK(pxds_digest_compute(NULL, 0, digest, &err));
    check_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", digest);
    OK(pxds_digest_compute("abc", 3, digest, &err));
    check_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", digest);
    IS(PXDS_ERR_ARGUMENT, pxds_digest_compute(NULL, 3, digest, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_digest_compute("abc", 3, NULL, &err));
}

static void test_digest_hex(void)
{
    static const char *const bad[] = {
        "",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
        " ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015",
    };
    uint8_t digest[PXDS_DIGEST_SIZE], again[PXDS_DIGEST_SIZE];
    char hex[PXDS_DIGEST_HEX_SIZE + 1];

    OK(pxds_digest_compute("abc", 3, digest, &err));
    memset(hex, '#', sizeof hex);
    OK(pxds_digest_format(digest, hex, PXDS_DIGEST_HEX_SIZE, &err));
    EQUAL(64, strlen(hex));
    CHECK(hex[PXDS_DIGEST_HEX_SIZE] == '#');
    OK(pxds_digest_parse(hex, again, &err));
    CHECK(memcmp(digest, again, sizeof digest) == 0);

    memset(hex, '#', sizeof hex);
    IS(PXDS_ERR_TOO_SMALL, pxds_digest_format(digest, hex, PXDS_DIGEST_HEX_SIZE - 1, &err));
    CHECK(hex[PXDS_DIGEST_HEX_SIZE - 1] == '#');
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_digest_parse(bad[i], again, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_digest_parse(NULL, again, &err));
}

int main(void)
{
    RUN(test_status_words);
    RUN(test_versions);
    RUN(test_no_error);
    RUN(test_error_of_the_system);
    RUN(test_error_path_is_bytes);
    RUN(test_err_argument);
    RUN(test_no_buffer);
    RUN(test_digest);
    RUN(test_digest_hex);
    return check_done();
}
