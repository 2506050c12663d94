/* Keys, key files, and what they protect. */

#include "check.h"

#define FOX "The quick brown fox jumps over the lazy dog"

static uint8_t secret[PXDS_KEY_SIZE];

static pxds_key *known_key(void)
{
    pxds_key *key = NULL;

    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)i;
    OK(pxds_key_new(secret, &key, &err));
    return key;
}

static void test_known_values(void)
{
    pxds_key *key = known_key();
    uint8_t fingerprint[PXDS_FINGERPRINT_SIZE], again[PXDS_FINGERPRINT_SIZE], digest[32];
    char text[PXDS_FINGERPRINT_TEXT_SIZE], hex[65];

    OK(pxds_key_get_fingerprint(key, fingerprint, &err));
    OK(pxds_fingerprint_format(fingerprint, 0, text, sizeof text, &err));
    CHECK(strcmp(text, "0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:"
                       "90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b") == 0);
    OK(pxds_fingerprint_parse(text, again, &err));
    CHECK(memcmp(fingerprint, again, sizeof again) == 0);
    OK(pxds_fingerprint_format(fingerprint, PXDS_FINGERPRINT_SHORT, text, PXDS_FINGERPRINT_SHORT_SIZE, &err));
    CHECK(strcmp(text, "0e:ab:d4:46:0b:6e:b9:ca") == 0);
    IS(PXDS_ERR_TOO_SMALL, pxds_fingerprint_format(fingerprint, 0, text, sizeof text - 1, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_fingerprint_parse("0e:ab", again, &err));
    OK(pxds_key_digest(key, FOX, strlen(FOX), digest, &err));
    OK(pxds_digest_format(digest, hex, sizeof hex, &err));
    CHECK(strcmp(hex, "681d4b0b5ee021e3d689cfa54656274abd17f354a213e3b3d78c020374d671ab") == 0);
    pxds_key_free(key);
}

/* Two codecs of one key; the key itself can go. */
static void test_blobs(void)
{
    pxds_key *key = known_key(), *other = NULL;
    pxds_blob_codec_options options = PXDS_BLOB_CODEC_OPTIONS_INIT;
    pxds_blob_codec *codec = NULL, *without = NULL, *wrong = NULL;
    pxds_buffer *blob = NULL, *data = NULL;
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    uint8_t digest[32];

    OK(pxds_key_digest(key, FOX, strlen(FOX), digest, &err));
    /* What reads more than PBS writes reads that too. */
    IS(PXDS_ERR_ARGUMENT, pxds_key_tolerant(key, 4, &other, &err));
    OK(pxds_key_tolerant(key, PXDS_CODEC_SHORT_IV | PXDS_CODEC_LONG_HEADER, &other, &err));
    pxds_key_free(key);
    options.key = other;
    OK(pxds_blob_codec_new(&options, &codec, &err));
    pxds_key_free(other);
    OK(pxds_key_random(&other, &err));
    options.key = other;
    OK(pxds_blob_codec_new(&options, &wrong, &err));
    pxds_key_free(other);
    OK(pxds_blob_codec_new(NULL, &without, &err));

    for (uint32_t compress = 0; compress <= PXDS_ENCODE_COMPRESS; compress++) {
        OK(pxds_blob_encode_buffer(codec, FOX, strlen(FOX), PXDS_ENCODE_ENCRYPT | compress, &blob, &err));
        OK(pxds_blob_parse(pxds_buffer_data(blob), pxds_buffer_len(blob), &info, &err));
        EQUAL(PXDS_CRYPT_ENCRYPT, info.crypt_mode);
        EQUAL(PXDS_BLOB_ENCRYPTED_HEADER_SIZE, info.header_len);
        OK(pxds_blob_decode_buffer(codec, pxds_buffer_data(blob), pxds_buffer_len(blob), 0, digest, 100, &data, &err));
        EQUAL(strlen(FOX), pxds_buffer_len(data));
        CHECK(memcmp(pxds_buffer_data(data), FOX, strlen(FOX)) == 0);
        pxds_buffer_free(data);
        IS(PXDS_ERR_KEY, pxds_blob_decode_buffer(without, pxds_buffer_data(blob), pxds_buffer_len(blob), 0, NULL, 100,
                                                 &data, &err));
        IS(PXDS_ERR_AUTH, pxds_blob_decode_buffer(wrong, pxds_buffer_data(blob), pxds_buffer_len(blob), 0, NULL, 100,
                                                  &data, &err));
        CHECK(data == NULL);
        pxds_buffer_free(blob);
    }
    IS(PXDS_ERR_KEY, pxds_blob_encode_buffer(without, FOX, 3, PXDS_ENCODE_ENCRYPT, &blob, &err));
    pxds_blob_codec_free(codec);
    pxds_blob_codec_free(without);
    pxds_blob_codec_free(wrong);
}

static void test_key_files(void)
{
    const int64_t created = 1593179765;
    const uint32_t kdfs[] = {PXDS_KDF_SCRYPT, PXDS_KDF_PBKDF2, PXDS_KDF_NONE};
    pxds_key *key = known_key();
    uint8_t want[32], have[32];

    OK(pxds_key_get_fingerprint(key, want, &err));
    for (size_t i = 0; i < 3; i++) {
        pxds_keyfile_options options = PXDS_KEYFILE_OPTIONS_INIT;
        pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
        pxds_keyfile *file = NULL, *read = NULL;
        pxds_key *unlocked = NULL;
        pxds_buffer *json = NULL;
        struct stat stat_buffer;

        options.kdf = kdfs[i];
        options.flags = PXDS_KEYFILE_SET_CREATED;
        options.created = created;
        options.hint = "the usual";
        OK(pxds_keyfile_new(key, "12345", 5, &options, &file, &err));
        OK(pxds_keyfile_save(file, in_dir("key.json"), i > 0 ? PXDS_SAVE_REPLACE : 0, &err));
        IS(PXDS_ERR_EXISTS, pxds_keyfile_save(file, in_dir("key.json"), 0, &err));
        CHECK(stat(in_dir("key.json"), &stat_buffer) == 0 && (stat_buffer.st_mode & 0777) == 0600);
        OK(pxds_keyfile_format(file, &json, &err));
        OK(pxds_keyfile_parse(pxds_buffer_data(json), pxds_buffer_len(json), &read, &err));
        pxds_keyfile_free(read);
        pxds_keyfile_free(file);
        pxds_buffer_free(json);

        OK(pxds_keyfile_load(in_dir("key.json"), &file, &err));
        OK(pxds_keyfile_get_info(file, &info, &err));
        EQUAL(kdfs[i], info.kdf);
        EQUAL(created, info.created);
        CHECK(info.modified > created);
        CHECK(strcmp(info.hint, "the usual") == 0);
        EQUAL(PXDS_STATES_FINGERPRINT, info.flags);
        CHECK(memcmp(info.fingerprint, want, 32) == 0);
        OK(pxds_keyfile_unlock(file, "12345", 5, &unlocked, &err));
        OK(pxds_key_get_fingerprint(unlocked, have, &err));
        CHECK(memcmp(have, want, 32) == 0);
        pxds_key_free(unlocked);
        if (kdfs[i] != PXDS_KDF_NONE) {
            IS(PXDS_ERR_PASSWORD, pxds_keyfile_unlock(file, "12346", 5, &unlocked, &err));
            CHECK(unlocked == NULL);
            IS(PXDS_ERR_PASSWORD, pxds_keyfile_unlock(file, "1234", 4, &unlocked, &err));
        } else {
            OK(pxds_keyfile_unlock(file, NULL, 0, &unlocked, &err));
            pxds_key_free(unlocked);
        }
        pxds_keyfile_free(file);
    }
    pxds_key_free(key);
}

static void test_snapshots(void)
{
    static const struct {
        uint32_t asked, made;
    } modes[] = {{PXDS_CRYPT_NONE, PXDS_CRYPT_NONE},
                 {PXDS_CRYPT_SIGN_ONLY, PXDS_CRYPT_SIGN_ONLY},
                 {PXDS_CRYPT_ENCRYPT, PXDS_CRYPT_ENCRYPT},
                 {PXDS_CRYPT_DEFAULT, PXDS_CRYPT_ENCRYPT},
                 {PXDS_CRYPT_DEFAULT, PXDS_CRYPT_NONE}};
    pxds_store *store = NULL;
    pxds_key *key = known_key(), *other = NULL;

    OK(pxds_store_create(in_dir("store"), NULL, &store, &err));
    OK(pxds_key_random(&other, &err));
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
        pxds_backup *backup = NULL;
        pxds_snapshot *snapshot = NULL;
        pxds_manifest *manifest = NULL;
        pxds_buffer *data = NULL, *text = NULL;
        uint32_t signature = 9;
        const int plain = modes[i].made == PXDS_CRYPT_NONE;
        pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT;
        char path[64];

        options.flags = PXDS_BACKUP_SET_TIME;
        options.time = 1593179765 + (int64_t)i;
        options.crypt_mode = modes[i].asked;
        if (!plain) {
            if (modes[i].asked != PXDS_CRYPT_DEFAULT)
                IS(PXDS_ERR_KEY, pxds_backup_new(store, "host/x", &options, &backup, &err));
            options.key = key;
        }
        OK(pxds_backup_new(store, "host/x", &options, &backup, &err));
        OK(pxds_backup_add_blob(backup, "a.blob", FOX, strlen(FOX), 0, &err));
        snprintf(path, sizeof path, "%s", pxds_backup_snapshot(backup));
        OK(pxds_backup_finish(backup, &err));
        pxds_backup_free(backup);

        IS(plain ? PXDS_ERR_AUTH : PXDS_OK, pxds_snapshot_open(store, path, key, 0, &snapshot, &err));
        pxds_snapshot_free(snapshot);
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open(store, path, key, 4, &snapshot, &err));
        OK(pxds_snapshot_open(store, path, key, PXDS_OPEN_ALLOW_UNSIGNED, &snapshot, &err));
        EQUAL(plain ? PXDS_SIGNATURE_MISSING : PXDS_SIGNATURE_VALID, pxds_snapshot_signature(snapshot));
        OK(pxds_snapshot_read_blob(snapshot, "a.blob", 100, &data, &err));
        EQUAL(strlen(FOX), pxds_buffer_len(data));
        pxds_buffer_free(data);
        OK(pxds_snapshot_get_manifest(snapshot, &manifest, &err));
        pxds_snapshot_free(snapshot);
        OK(pxds_manifest_get_file(manifest, 0, &file, &err));
        EQUAL(modes[i].made, file.crypt_mode);
        OK(pxds_manifest_verify(manifest, key, &signature, &err));
        EQUAL(plain ? PXDS_SIGNATURE_MISSING : PXDS_SIGNATURE_VALID, signature);
        IS(plain ? PXDS_NONE : PXDS_OK, pxds_manifest_get_signature(manifest, &text, &err));
        EQUAL(plain ? 0 : 64, pxds_buffer_len(text));
        pxds_buffer_free(text);
        IS(plain ? PXDS_OK : PXDS_ERR_KEY_MISMATCH, pxds_manifest_verify(manifest, other, &signature, &err));
        IS(plain ? PXDS_OK : PXDS_ERR_KEY, pxds_manifest_check_fingerprint(manifest, NULL, &err));
        OK(pxds_manifest_check_fingerprint(manifest, key, &err));
        pxds_manifest_free(manifest);

        IS(plain ? PXDS_ERR_AUTH : PXDS_ERR_KEY_MISMATCH,
           pxds_snapshot_open(store, path, other, 0, &snapshot, &err));
        pxds_snapshot_free(snapshot);
        OK(pxds_snapshot_open(store, path, NULL, 0, &snapshot, &err));
        EQUAL(PXDS_SIGNATURE_UNCHECKED, pxds_snapshot_signature(snapshot));
        IS(modes[i].made == PXDS_CRYPT_ENCRYPT ? PXDS_ERR_KEY : PXDS_OK,
           pxds_snapshot_read_blob(snapshot, "a.blob", 100, &data, &err));
        pxds_buffer_free(data);
        pxds_snapshot_free(snapshot);
    }
    pxds_key_free(key);
    pxds_key_free(other);
    pxds_store_free(store);
}

int main(void)
{
    RUN(test_known_values);
    RUN(test_blobs);
    RUN(test_key_files);
    RUN(test_snapshots);
    return check_done();
}
