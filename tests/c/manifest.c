/* Manifests: read, change, write again. */
#include "check.h"

#define MIXED_CSUM "ABababababababababababababababababababababababababababababababab"
#define CSUM "abababababababababababababababababababababababababababababababab"

static pxds_manifest *parse(const char *text)
{
    pxds_manifest *manifest = NULL;

    OK(pxds_manifest_parse(text, strlen(text), &manifest, &err));
    return manifest;
}

/* Whether the buffer holds just this text; frees it. */
static int is_text(pxds_buffer *buffer, const char *want)
{
    size_t len = pxds_buffer_len(buffer);
    int same = len == strlen(want) && memcmp(pxds_buffer_data(buffer), want, len) == 0;

    if (!same)
        fprintf(stderr, "have: %.*s\n", (int)len, (const char *)pxds_buffer_data(buffer));
    pxds_buffer_free(buffer);
    return same;
}

static int json_is(pxds_manifest *manifest, const char *want)
{
    pxds_buffer *buffer = NULL;

    return OK(pxds_manifest_format(manifest, &buffer, &err)) && is_text(buffer, want);
}

static int member_is(pxds_manifest *manifest, const char *name, const char *want)
{
    pxds_buffer *buffer = NULL;

    return OK(pxds_manifest_get_unprotected(manifest, name, &buffer, &err)) &&
           is_text(buffer, want);
}

/* As a backup does it, from the first line to the last. */
static void test_new(void)
{
    pxds_manifest *manifest = NULL;
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
    pxds_buffer *notes = NULL;

    OK(pxds_manifest_new(PXDS_TYPE_HOST, "elsa", 1593179765, &manifest, &err));
    file.filename = "root.pxar.didx";
    file.crypt_mode = PXDS_CRYPT_NONE;
    file.size = UINT64_MAX;
    memset(file.csum, 0xab, sizeof file.csum);
    OK(pxds_manifest_add_file(manifest, &file, &err));
    IS(PXDS_NONE, pxds_manifest_get_notes(manifest, &notes, &err));
    CHECK(notes == NULL);
    OK(pxds_manifest_set_notes(manifest, "first\nsecond", &err));
    OK(pxds_manifest_get_notes(manifest, &notes, &err));
    CHECK(is_text(notes, "first\nsecond"));

    OK(pxds_manifest_get_info(manifest, &info, &err));
    CHECK(info.type == PXDS_TYPE_HOST && info.flags == 0 && info.time == 1593179765);
    CHECK(info.file_count == 1 && strcmp(info.id, "elsa") == 0);
    CHECK(info.verify_state == PXDS_VERIFIED_NONE);
    CHECK(json_is(manifest, "{\n"
                            "  \"backup-id\": \"elsa\",\n"
                            "  \"backup-time\": 1593179765,\n"
                            "  \"backup-type\": \"host\",\n"
                            "  \"files\": [\n"
                            "    {\n"
                            "      \"crypt-mode\": \"none\",\n"
                            "      \"csum\": \"" CSUM "\",\n"
                            "      \"filename\": \"root.pxar.didx\",\n"
                            "      \"size\": 18446744073709551615\n"
                            "    }\n"
                            "  ],\n"
                            "  \"signature\": null,\n"
                            "  \"unprotected\": {\n"
                            "    \"notes\": \"first\\nsecond\"\n"
                            "  }\n"
                            "}"));
    pxds_manifest_free(manifest);
}

static void test_new_is_checked(void)
{
    pxds_manifest *manifest = NULL;

    IS(PXDS_ERR_ARGUMENT, pxds_manifest_new(3, "x", 0, &manifest, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_new(PXDS_TYPE_VM, "../x", 0, &manifest, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_new(PXDS_TYPE_VM, "x", INT64_MIN, &manifest, &err));
    CHECK(manifest == NULL);
}

static const char two_files[] =
    "{\"backup-type\":\"ct\",\"backup-id\":\"7\",\"backup-time\":-1,\"files\":["
    "{\"filename\":\"a.blob\",\"size\":1,\"csum\":\"" CSUM "\",\"crypt-mode\":\"sign-only\"},"
    "{\"filename\":\"a.blob\",\"size\":2,\"csum\":\"" CSUM "\",\"crypt-mode\":\"encrypt\"}]}";

static void test_files(void)
{
    pxds_manifest *manifest = parse(two_files);
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT, first = PXDS_MANIFEST_FILE_INIT;
    uint8_t csum[32], other[32] = {0};

    memset(csum, 0xab, sizeof csum);
    OK(pxds_manifest_get_file(manifest, 0, &first, &err));
    CHECK(strcmp(first.filename, "a.blob") == 0 && first.crypt_mode == PXDS_CRYPT_SIGN_ONLY);
    CHECK(first.size == 1 && memcmp(first.csum, csum, 32) == 0);
    OK(pxds_manifest_get_file(manifest, 1, &file, &err));
    CHECK(file.size == 2 && file.crypt_mode == PXDS_CRYPT_ENCRYPT);
    IS(PXDS_NONE, pxds_manifest_get_file(manifest, 2, &file, &err));
    CHECK(file.filename == NULL && file.size == 0 && file.struct_size == sizeof file);
    IS(PXDS_NONE, pxds_manifest_get_file(manifest, SIZE_MAX, &file, &err));

    OK(pxds_manifest_find_file(manifest, "a.blob", &file, &err));
    CHECK(file.size == 1 && file.filename == first.filename);
    IS(PXDS_NONE, pxds_manifest_find_file(manifest, "a.blo", &file, &err));
    CHECK(file.filename == NULL);

    OK(pxds_manifest_verify_file(manifest, "a.blob", csum, 1, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_manifest_verify_file(manifest, "b.blob", csum, 1, &err));
    IS(PXDS_ERR_CORRUPT, pxds_manifest_verify_file(manifest, "a.blob", other, 2, &err));
    CHECK(says("size 2") && says("says 1"));
    IS(PXDS_ERR_CORRUPT, pxds_manifest_verify_file(manifest, "a.blob", other, 1, &err));
    CHECK(says("csum 00") && says("says " CSUM));

    /* Names that were given out stay where they are, however many come after. */
    for (int i = 0; i < 1000; i++) {
        char name[32];

        snprintf(name, sizeof name, "f%d.didx", i);
        file.filename = name;
        file.crypt_mode = PXDS_CRYPT_NONE;
        OK(pxds_manifest_add_file(manifest, &file, &err));
        OK(pxds_manifest_get_file(manifest, (size_t)i + 2, &file, &err));
        CHECK(strcmp(file.filename, name) == 0);
    }
    CHECK(strcmp(first.filename, "a.blob") == 0);
    pxds_manifest_free(manifest);
}

static void test_add_file_is_checked(void)
{
    pxds_manifest *manifest = parse(two_files);
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;

    IS(PXDS_ERR_ARGUMENT, pxds_manifest_add_file(manifest, &file, &err));
    CHECK(says("file.filename is NULL"));
    file.filename = "a.pxar";
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_add_file(manifest, &file, &err));
    file.filename = "a.blob";
    IS(PXDS_ERR_EXISTS, pxds_manifest_add_file(manifest, &file, &err));
    file.filename = "b.blob";
    file.crypt_mode = 4;
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_add_file(manifest, &file, &err));
    file.crypt_mode = 0;
    file.reserved = 1;
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_add_file(manifest, &file, &err));
    file.reserved = 0;
    OK(pxds_manifest_add_file(manifest, &file, &err));
    pxds_manifest_free(manifest);
}

static void test_parse_is_checked(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no JSON"},
        {"[]", "must be an object"},
        {"{}", "files is missing"},
        {"{\"backup-type\":\"ct\",\"backup-id\":\"7\",\"backup-time\":1.5,\"files\":[]}",
         "backup-time must be an integer"},
        {"{\"backup-type\":\"ct\",\"backup-id\":\"7\",\"backup-time\":1,\"files\":[{\"filename\":"
         "\"a\",\"size\":1,\"csum\":\"ab\"}]}",
         "files[0].csum must be 64 hexadecimal digits"},
    };
    pxds_manifest *manifest = NULL;
    char *large = need_memory(PXDS_JSON_MAX_SIZE + 1);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        IS(PXDS_ERR_FORMAT, pxds_manifest_parse(bad[i].text, strlen(bad[i].text), &manifest, &err));
        CHECK(says(bad[i].says) && manifest == NULL);
    }
    memset(large, ' ', PXDS_JSON_MAX_SIZE + 1);
    IS(PXDS_ERR_LIMIT, pxds_manifest_parse(large, PXDS_JSON_MAX_SIZE + 1, &manifest, &err));
    free(large);
}

/* A signature covers what is there, so that stays as it is, to the last unknown member. */
static void test_signed(void)
{
    static const char text[] =
        "{\"backup-type\":\"ct\",\"backup-id\":\"7\",\"backup-time\":1,\"later\":[1],\"files\":["
        "{\"filename\":\"a.blob\",\"size\":1,\"later\":true,\"csum\":\"" MIXED_CSUM "\"}],"
        "\"signature\":\"s\",\"unprotected\":{\"later\":null}}";
    pxds_manifest *manifest = parse(text), *again = NULL;
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
    pxds_buffer *before = NULL, *json = NULL, *after = NULL;

    OK(pxds_manifest_get_info(manifest, &info, &err));
    EQUAL(PXDS_MANIFEST_SIGNED, info.flags);
    file.filename = "b.blob";
    IS(PXDS_ERR_STATE, pxds_manifest_add_file(manifest, &file, &err));

    OK(pxds_manifest_format_canonical(manifest, &before, &err));
    OK(pxds_manifest_set_notes(manifest, "x", &err));
    OK(pxds_manifest_format(manifest, &json, &err));
    OK(pxds_manifest_parse(pxds_buffer_data(json), pxds_buffer_len(json), &again, &err));
    OK(pxds_manifest_format_canonical(again, &after, &err));
    CHECK(pxds_buffer_len(after) == pxds_buffer_len(before));
    CHECK(memcmp(pxds_buffer_data(after), pxds_buffer_data(before), pxds_buffer_len(before)) == 0);
    CHECK(is_text(after, "{\"backup-id\":\"7\",\"backup-time\":1,\"backup-type\":\"ct\",\"files\":[{"
                         "\"csum\":\"" MIXED_CSUM "\",\"filename\":\"a.blob\",\"later\":true,"
                         "\"size\":1}],\"later\":[1]}"));
    CHECK(member_is(again, "later", "null") && member_is(again, "notes", "\"x\""));
    OK(pxds_manifest_get_info(again, &info, &err));
    EQUAL(PXDS_MANIFEST_SIGNED, info.flags);
    pxds_buffer_free(before);
    pxds_buffer_free(json);
    pxds_manifest_free(manifest);
    pxds_manifest_free(again);
}

static pxds_status set(pxds_manifest *manifest, const char *name, const char *json)
{
    return pxds_manifest_set_unprotected(manifest, name, json, strlen(json), &err);
}

/* What has been signed stays as it is, but for the unprotected part. */
static void test_sign(void)
{
    static const uint8_t secret[PXDS_KEY_SIZE] = {7};
    pxds_manifest *manifest = parse(two_files);
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
    pxds_key *key = NULL;
    uint32_t signature = 7;

    OK(pxds_key_new(secret, &key, &err));
    OK(pxds_manifest_verify(manifest, key, &signature, &err));
    EQUAL(PXDS_SIGNATURE_MISSING, signature);
    OK(pxds_manifest_sign(manifest, key, &err));
    OK(pxds_manifest_set_notes(manifest, "not signed", &err));
    file.filename = "b.blob";
    IS(PXDS_ERR_STATE, pxds_manifest_add_file(manifest, &file, &err));
    OK(pxds_manifest_verify(manifest, key, &signature, &err));
    EQUAL(PXDS_SIGNATURE_VALID, signature);
    pxds_key_free(key);
    pxds_manifest_free(manifest);
}

static void test_unprotected(void)
{
    static const char upid[] = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:";
    pxds_manifest *manifest = parse(two_files);
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    pxds_buffer *buffer = NULL;
    char json[400];

    IS(PXDS_NONE, pxds_manifest_get_unprotected(manifest, "x", &buffer, &err));
    CHECK(buffer == NULL);
    OK(set(manifest, "x", " [1, {\"a\" : null}] "));
    CHECK(member_is(manifest, "x", "[\n  1,\n  {\n    \"a\": null\n  }\n]"));
    OK(set(manifest, "x", ""));
    IS(PXDS_NONE, pxds_manifest_get_unprotected(manifest, "x", &buffer, &err));
    IS(PXDS_ERR_FORMAT, set(manifest, "x", "[1"));

    /* As deep as is read: with the two objects around it that is too deep for a manifest. */
    memset(json, '[', 127);
    memset(json + 127, ']', 127);
    IS(PXDS_ERR_LIMIT, pxds_manifest_set_unprotected(manifest, "x", json, 254, &err));
    OK(pxds_manifest_set_unprotected(manifest, "x", json + 2, 250, &err));
    OK(pxds_manifest_format(manifest, &buffer, &err));
    pxds_manifest_free(manifest);
    manifest = NULL;
    OK(pxds_manifest_parse(pxds_buffer_data(buffer), pxds_buffer_len(buffer), &manifest, &err));
    pxds_buffer_free(buffer);

    for (int failed = 0; failed < 2; failed++) {
        snprintf(json, sizeof json, "{\"state\":\"%s\",\"upid\":\"%s\"}",
                 failed ? "failed" : "ok", upid);
        OK(set(manifest, "verify_state", json));
        OK(pxds_manifest_get_info(manifest, &info, &err));
        EQUAL(failed ? PXDS_VERIFIED_FAILED : PXDS_VERIFIED_OK, info.verify_state);
        EQUAL(0x5CA78B83, info.verify_time);
    }
    OK(set(manifest, "verify_state", "{\"state\":\"failed\",\"upid\":\"x\"}"));
    OK(pxds_manifest_get_info(manifest, &info, &err));
    EQUAL(PXDS_VERIFIED_NONE, info.verify_state);
    EQUAL(0, info.verify_time);

    OK(pxds_manifest_set_notes(manifest, "", &err));
    OK(pxds_manifest_get_notes(manifest, &buffer, &err));
    CHECK(is_text(buffer, ""));
    OK(pxds_manifest_set_notes(manifest, NULL, &err));
    IS(PXDS_NONE, pxds_manifest_get_notes(manifest, &buffer, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_set_notes(manifest, "\xff", &err));
    pxds_manifest_free(manifest);
}

/* JSON can say NUL, a string of C cannot: such a name is refused, not cut short. */
static void test_nul(void)
{
    static const char text[] =
        "{\"backup-type\":\"ct\",\"backup-id\":\"7\\u0000\",\"backup-time\":1,\"files\":["
        "{\"filename\":\"a.blob\",\"size\":1,\"csum\":\"" CSUM "\"},"
        "{\"filename\":\"a.blob\\u0000.didx\",\"size\":2,\"csum\":\"" CSUM "\"}],"
        "\"unprotected\":{\"notes\":\"a\\u0000b\"}}";
    pxds_manifest *manifest = parse(text);
    pxds_manifest_info info = PXDS_MANIFEST_INFO_INIT;
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
    pxds_buffer *notes = NULL;

    IS(PXDS_ERR_FORMAT, pxds_manifest_get_info(manifest, &info, &err));
    CHECK(says("backup-id") && info.id == NULL && info.file_count == 0);
    OK(pxds_manifest_get_file(manifest, 0, &file, &err));
    IS(PXDS_ERR_FORMAT, pxds_manifest_get_file(manifest, 1, &file, &err));
    CHECK(says("files[1].filename") && file.filename == NULL);
    OK(pxds_manifest_find_file(manifest, "a.blob", &file, &err));
    EQUAL(1, file.size);
    OK(pxds_manifest_get_notes(manifest, &notes, &err));
    CHECK(pxds_buffer_len(notes) == 3 && memcmp(pxds_buffer_data(notes), "a\0b", 3) == 0);
    pxds_buffer_free(notes);
    pxds_manifest_free(manifest);
}

static void test_canonical_json(void)
{
    static const char text[] = " {\"b\": [1, -2.50, \"\\u00e4/\\u0007\"], \"a\": {}, \"b\": true} ";
    static const char want[] = "{\"a\":{},\"b\":true}";
    pxds_buffer *buffer = NULL;

    OK(pxds_json_canonical(text, strlen(text), strlen(want), &buffer, &err));
    CHECK(is_text(buffer, want));
    IS(PXDS_ERR_LIMIT, pxds_json_canonical(text, strlen(text), strlen(want) - 1, &buffer, &err));
    CHECK(buffer == NULL);
    OK(pxds_json_canonical("[1, -2.50, \"\\u00e4/\\u0007\"]", 27, 100, &buffer, &err));
    CHECK(is_text(buffer, "[1,-2.5,\"\xc3\xa4/\\u0007\"]"));
    IS(PXDS_ERR_FORMAT, pxds_json_canonical("[null]", 6, 100, &buffer, &err));
    CHECK(says("null"));
    IS(PXDS_ERR_FORMAT, pxds_json_canonical("[1]x", 4, 100, &buffer, &err));
    CHECK(buffer == NULL);
}

int main(void)
{
    RUN(test_new);
    RUN(test_new_is_checked);
    RUN(test_files);
    RUN(test_add_file_is_checked);
    RUN(test_parse_is_checked);
    RUN(test_signed);
    RUN(test_sign);
    RUN(test_unprotected);
    RUN(test_nul);
    RUN(test_canonical_json);
    return check_done();
}
