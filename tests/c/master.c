/*
 * Master keys, in a library that was built with them or without: what was sealed by openssl(1) is
 * in tests/vectors/master.
 */

#include "check.h"

#define VECTORS "tests/vectors/master/"

static const int64_t created = 1593179765;

struct file {
    uint8_t *data;
    size_t len;
};

static struct file vector(const char *name)
{
    char path[256];
    struct file file;

    snprintf(path, sizeof path, VECTORS "%s", name);
    file.data = read_all(path, &file.len);
    return file;
}

static pxds_key *new_key(void)
{
    pxds_key *key = NULL;

    OK(pxds_key_random(&key, &err));
    return key;
}

static void check_fingerprint(const pxds_key *key, const uint8_t *want)
{
    uint8_t have[PXDS_FINGERPRINT_SIZE];

    OK(pxds_key_get_fingerprint(key, have, &err));
    CHECK(memcmp(want, have, sizeof have) == 0);
}

/* Whether the library can seal; one that cannot says so and nothing else. */
static int has_rsa(void)
{
    struct file pem = vector("public.pem"), small = vector("small-public.pem");
    pxds_key *key = new_key();
    pxds_buffer *sealed = NULL;
    int has = pxds_master_seal(key, NULL, pem.data, pem.len, &sealed, NULL) == PXDS_OK;

    pxds_buffer_free(sealed);
    IS(has ? PXDS_ERR_ARGUMENT : PXDS_ERR_UNSUPPORTED,
       pxds_master_seal(key, &created, small.data, small.len, &sealed, &err));
    CHECK(says(has ? "2048" : "master-key"));
    CHECK(sealed == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_master_seal(NULL, NULL, pem.data, pem.len, &sealed, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_master_seal(key, NULL, NULL, 1, &sealed, &err));
    IS(has ? PXDS_ERR_FORMAT : PXDS_ERR_UNSUPPORTED,
       pxds_master_seal(key, NULL, NULL, 0, &sealed, &err));
    pxds_key_free(key);
    free(small.data);
    free(pem.data);
    return has;
}

static void test_seal_and_recover(void)
{
    struct file public = vector("public.pem"), private = vector("private-pbkdf2.pem");
    pxds_key *key = new_key(), *again = NULL;
    pxds_buffer *sealed = NULL;
    pxds_keyfile *file = NULL;
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    const uint8_t *data;

    if (has_rsa()) {
        OK(pxds_master_seal(key, &created, public.data, public.len, &sealed, &err));
        EQUAL(512, pxds_buffer_len(sealed));
        data = pxds_buffer_data(sealed);
        IS(PXDS_ERR_PASSWORD,
           pxds_master_recover(data, 512, private.data, private.len, NULL, 0, &file, &err));
        IS(PXDS_ERR_PASSWORD,
           pxds_master_recover(data, 512, private.data, private.len, "wrong", 5, &file, &err));
        CHECK(file == NULL);
        IS(PXDS_ERR_KEY_MISMATCH, pxds_master_recover(data, 511, private.data, private.len,
                                                      "correct horse", 13, &file, &err));
        OK(pxds_master_recover(data, 512, private.data, private.len, "correct horse", 13, &file,
                               &err));
        OK(pxds_keyfile_get_info(file, &info, &err));
        EQUAL(created, info.created);
        EQUAL(PXDS_KDF_NONE, info.kdf);
        EQUAL(PXDS_STATES_FINGERPRINT, info.flags);
        OK(pxds_keyfile_unlock(file, NULL, 0, &again, &err));
        check_fingerprint(again, info.fingerprint);
        check_fingerprint(key, info.fingerprint);
        pxds_key_free(again);
        pxds_keyfile_free(file);
        pxds_buffer_free(sealed);
    }
    pxds_key_free(key);
    free(private.data);
    free(public.data);
}

/* The key file of Proxmox Backup Server that openssl(1) has sealed. */
static void test_recover(void)
{
    struct file sealed = vector("sealed"), private = vector("private.pem");
    pxds_keyfile *file = NULL;
    pxds_buffer *json = NULL;
    size_t len;
    uint8_t *want = read_all("tests/vectors/keys/none.json", &len);

    if (has_rsa()) {
        OK(pxds_master_recover(sealed.data, sealed.len, private.data, private.len, NULL, 0, &file,
                               &err));
        OK(pxds_keyfile_format(file, &json, &err));
        EQUAL(len, pxds_buffer_len(json));
        CHECK(memcmp(want, pxds_buffer_data(json), len) == 0);
        pxds_buffer_free(json);
        pxds_keyfile_free(file);
    } else {
        IS(PXDS_ERR_UNSUPPORTED, pxds_master_recover(sealed.data, sealed.len, private.data,
                                                     private.len, NULL, 0, &file, &err));
        CHECK(file == NULL);
    }
    free(want);
    free(private.data);
    free(sealed.data);
}

/* Needs no RSA: a program can seal by itself. */
static void test_snapshot(void)
{
    struct file sealed = vector("sealed");
    pxds_store *store = new_store();
    pxds_key *key = new_key();
    pxds_backup_options options = PXDS_BACKUP_OPTIONS_INIT;
    pxds_backup *backup = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_buffer *data = NULL;
    size_t len;
    uint8_t *clear = read_all("tests/vectors/keys/none.json", &len);
    char path[64];

    IS(PXDS_OK, pxds_backup_new(store, "host/x", &options, &backup, &err));
    IS(PXDS_ERR_KEY, pxds_backup_add_sealed_key(backup, sealed.data, sealed.len, &err));
    pxds_backup_free(backup);

    options.crypt_mode = PXDS_CRYPT_ENCRYPT;
    options.key = key;
    OK(pxds_backup_new(store, "host/x", &options, &backup, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_sealed_key(backup, clear, len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_sealed_key(backup, NULL, 0, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_backup_add_blob(backup, "rsa-encrypted.key.blob", sealed.data,
                                               sealed.len, 0, &err));
    OK(pxds_backup_add_sealed_key(backup, sealed.data, sealed.len, &err));
    IS(PXDS_ERR_EXISTS, pxds_backup_add_sealed_key(backup, sealed.data, sealed.len, &err));
    snprintf(path, sizeof path, "%s", pxds_backup_snapshot(backup));
    OK(pxds_backup_finish(backup, &err));
    IS(PXDS_ERR_STATE, pxds_backup_add_sealed_key(backup, sealed.data, sealed.len, &err));
    pxds_backup_free(backup);

    /* It is read without the key that is in it. */
    OK(pxds_snapshot_open(store, path, NULL, 0, &snapshot, &err));
    OK(pxds_snapshot_read_blob(snapshot, "rsa-encrypted.key.blob", 4096, &data, &err));
    EQUAL(sealed.len, pxds_buffer_len(data));
    CHECK(memcmp(sealed.data, pxds_buffer_data(data), sealed.len) == 0);
    pxds_buffer_free(data);
    pxds_snapshot_free(snapshot);
    pxds_key_free(key);
    pxds_store_free(store);
    free(clear);
    free(sealed.data);
}

int main(void)
{
    RUN(test_seal_and_recover);
    RUN(test_recover);
    RUN(test_snapshot);
    return check_done();
}
