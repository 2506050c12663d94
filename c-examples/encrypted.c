/* Makes an encrypted and signed snapshot of what is on stdin, and gives it back on stdout. */
#include <pxds.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The key in the file at `path`, which is made if it is missing. Without it the data is lost. */
static pxds_status get_key(const char *path, const char *password, pxds_key **key, pxds_error **err)
{
    const size_t len = strlen(password);
    pxds_keyfile *file = NULL;
    pxds_status status = pxds_keyfile_load(path, &file, err);

    if (status == PXDS_OK) {
        status = pxds_keyfile_unlock(file, password, len, key, err);
    } else if (status == PXDS_ERR_NOT_FOUND) {
        pxds_error_free(*err);
        if ((status = pxds_key_random(key, err)) == PXDS_OK &&
            (status = pxds_keyfile_new(*key, password, len, NULL, &file, err)) == PXDS_OK)
            status = pxds_keyfile_save(file, path, 0, err);
    }
    pxds_keyfile_free(file);
    return status;
}

int main(int argc, char **argv)
{
    pxds_backup_options sealing = PXDS_BACKUP_OPTIONS_INIT;
    pxds_restorer_options opening = PXDS_RESTORER_OPTIONS_INIT;
    const char *password = getenv("PASSWORD");
    pxds_error *err = NULL;
    pxds_key *key = NULL;
    pxds_store *store = NULL;
    pxds_backup *backup = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_index *index = NULL;
    pxds_restorer *restorer = NULL;
    int failed;

    if (argc != 3 || password == NULL) {
        fprintf(stderr, "usage: PASSWORD=... encrypted STORE KEYFILE <IN >OUT\n");
        return 2;
    }
    failed = get_key(argv[2], password, &key, &err) < 0 ||
             pxds_store_open_or_create(argv[1], NULL, &store, &err) < 0;

    sealing.key = key;
    failed = failed || pxds_backup_new(store, "host/secret", &sealing, &backup, &err) < 0 ||
             pxds_backup_add_fd(backup, "data.didx", STDIN_FILENO, NULL, NULL, NULL, &err) < 0 ||
             pxds_backup_finish(backup, &err) < 0;

    /* Given a key, the library takes only what somebody who has the key has signed. */
    opening.key = key;
    failed = failed ||
             pxds_snapshot_open(store, pxds_backup_snapshot(backup), key, 0, &snapshot, &err) < 0 ||
             pxds_snapshot_open_index(snapshot, "data.didx", &index, &err) < 0 ||
             pxds_restorer_new(store, &opening, &restorer, &err) < 0 ||
             pxds_restorer_write_fd(restorer, index, STDOUT_FILENO, NULL, &err) < 0;

    if (failed)
        fprintf(stderr, "encrypted: %s\n", pxds_error_message(err));

    pxds_error_free(err);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_snapshot_free(snapshot);
    pxds_backup_free(backup);
    pxds_store_free(store);
    pxds_key_free(key);
    return failed;
}
