/* The command on key files, and the key that other commands work with. */
#include "tool.h"

static const char *const kdfs[] = {
    [PXDS_KDF_SCRYPT] = "scrypt", [PXDS_KDF_PBKDF2] = "pbkdf2", [PXDS_KDF_NONE] = "none"};

/* ---- what the options say ---- */

static int check_password_options(const struct args *args)
{
    const struct value *option = args->option;

    if (option[OPT_PASSWORD_FILE].given + option[OPT_PASSWORD_FD].given + option[OPT_PASSWORD_COMMAND].given > 1)
        return usage_error(args->command,
                           "--password-file, --password-fd and --password-command exclude each other");
    if (option[OPT_NEW_PASSWORD_FILE].given && option[OPT_NEW_PASSWORD_FD].given)
        return usage_error(args->command,
                           "--new-password-file and --new-password-fd exclude each other");
    if (option[OPT_PASSWORD_FD].given && option[OPT_NEW_PASSWORD_FD].given &&
        option[OPT_PASSWORD_FD].number == option[OPT_NEW_PASSWORD_FD].number)
        return usage_error(args->command, "one descriptor cannot give both passwords");
    return 0;
}

static bool has_password(const struct args *args)
{
    const struct value *option = args->option;

    return option[OPT_PASSWORD_FILE].given || option[OPT_PASSWORD_FD].given ||
           option[OPT_PASSWORD_COMMAND].given;
}

int check_key_options(const struct args *args, bool reads_stdin)
{
    const struct value *option = args->option;

    if (!option[OPT_KEY].given && has_password(args))
        return usage_error(args->command, "a password goes with --key only");
    if (!option[OPT_KEY].given && option[OPT_GO_BLOBS].given)
        return usage_error(args->command, "--go-blobs goes with --key only");
    if (!option[OPT_KEY].given && option[OPT_ALLOW_UNSIGNED].given)
        return usage_error(args->command, "--allow-unsigned goes with --key only");
    if (reads_stdin && option[OPT_PASSWORD_FD].given &&
        option[OPT_PASSWORD_FD].number == STDIN_FILENO)
        return usage_error(args->command, "standard input cannot be data and password");
    return check_password_options(args);
}

/* ---- a key out of its file ---- */

/* Takes the key out of a file, with a password if it needs one. */
static int unlock(const struct args *args, const char *path, const pxds_keyfile *keyfile,
                  const pxds_keyfile_info *info, pxds_key **key)
{
    struct password password = {.len = 0};
    pxds_error *err = NULL;
    int rc = info->kdf != PXDS_KDF_NONE ? get_password(args, "Password of the key", &password) : 0;

    if (rc == 0 && pxds_keyfile_unlock(keyfile, password.bytes, password.len, key, &err) < 0)
        rc = fail_with(path, err);
    wipe_password(&password);
    return rc;
}

/* Reads a key file, to be freed also after a failure. */
static int load_keyfile(const char *path, pxds_keyfile **keyfile, pxds_keyfile_info *info)
{
    pxds_error *err = NULL;

    detail("reading the key file %s", path);
    if (pxds_keyfile_load(path, keyfile, &err) < 0 ||
        pxds_keyfile_get_info(*keyfile, info, &err) < 0)
        return fail(err);
    return 0;
}

/* Seals a key for the holder of the master key. */
static int seal(const struct args *args, const pxds_key *key, int64_t created, pxds_buffer **sealed)
{
    const char *path = args->option[OPT_MASTER_PUBKEY].text;
    pxds_error *err = NULL;
    size_t len;
    uint8_t *pem = read_input(path, &len);
    int rc = 0;

    if (pem == NULL)
        return 1;
    if (pxds_master_seal(key, &created, pem, len, sealed, &err) < 0)
        rc = fail_with(path, err);
    free(pem);
    return rc;
}

int load_and_seal_key(const struct args *args, pxds_key **key, pxds_buffer **sealed)
{
    const char *path = args->option[OPT_KEY].text;
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile *keyfile = NULL;
    int rc;

    *key = NULL;
    *sealed = NULL;
    if (path == NULL)
        return 0;
    rc = load_keyfile(path, &keyfile, &info);
    if (rc == 0)
        rc = unlock(args, path, keyfile, &info, key);
    if (rc == 0 && args->option[OPT_MASTER_PUBKEY].given)
        rc = seal(args, *key, info.created, sealed);
    pxds_keyfile_free(keyfile);
    return rc;
}

int load_key(const struct args *args, pxds_key **key)
{
    pxds_buffer *sealed;
    pxds_key *strict;
    pxds_error *err = NULL;
    int rc = load_and_seal_key(args, &strict, &sealed);

    pxds_buffer_free(sealed); /* no other command takes --master-pubkey */
    *key = strict;
    if (rc != 0 || !args->option[OPT_GO_BLOBS].given)
        return rc;
    if (pxds_key_tolerant(strict, PXDS_CODEC_SHORT_IV | PXDS_CODEC_LONG_HEADER, key,
                          &err) < 0)
        rc = fail(err);
    pxds_key_free(strict);
    return rc;
}

/* ---- key show ---- */

static void json_keyfile(const char *path, const pxds_keyfile_info *info, const char *fingerprint, bool verified)
{
    json_begin();
    json_text("file", path);
    json_text("kdf", kdfs[info->kdf]);
    json_time("create_time", info->created);
    json_time("modify_time", info->modified);
    json_text("hint", info->hint);
    json_text("fingerprint", fingerprint);
    json_bool("verified", verified);
    json_end();
}

static void show_keyfile(const pxds_keyfile_info *info, const char *fingerprint, bool verified)
{
    char created[TIME_TEXT_MAX], modified[TIME_TEXT_MAX];

    printf("kdf: %s\ncreated: %s\nmodified: %s\n", kdfs[info->kdf], time_text(info->created, created),
           time_text(info->modified, modified));
    if (info->hint != NULL) {
        printf("hint: ");
        print_text(info->hint, strlen(info->hint));
        putchar('\n');
    }
    printf("fingerprint: %s%s\n", fingerprint != NULL ? fingerprint : "not in the file",
           fingerprint != NULL && !verified ? " (unverified)" : "");
}

/* key: NULL if it is not out of its file; then the fingerprint is what that states, if it does. */
static int print_keyfile(const char *path, const pxds_keyfile_info *info, const pxds_key *key, bool json)
{
    uint8_t fingerprint[PXDS_FINGERPRINT_SIZE];
    char text[PXDS_FINGERPRINT_TEXT_SIZE];
    const bool is_known = key != NULL || (info->flags & PXDS_STATES_FINGERPRINT) != 0;
    pxds_error *err = NULL;

    memcpy(fingerprint, info->fingerprint, sizeof fingerprint);
    if ((key != NULL && pxds_key_get_fingerprint(key, fingerprint, &err) < 0) ||
        pxds_fingerprint_format(fingerprint, 0, text, sizeof text, &err) < 0)
        return fail(err);
    if (json)
        json_keyfile(path, info, is_known ? text : NULL, key != NULL);
    else
        show_keyfile(info, is_known ? text : NULL, key != NULL);
    return 0;
}

static int show(const struct args *args)
{
    const char *path = args->operand[1];
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile *keyfile = NULL;
    pxds_key *key = NULL;
    int rc = load_keyfile(path, &keyfile, &info);

    if (rc == 0 && (info.kdf == PXDS_KDF_NONE || has_password(args) || variable("PXDS_PASSWORD_FILE") != NULL ||
                    variable("PXDS_PASSWORD_COMMAND") != NULL))
        rc = unlock(args, path, keyfile, &info, &key);
    if (rc == 0)
        rc = print_keyfile(path, &info, key, args->option[OPT_JSON].given);
    pxds_key_free(key);
    pxds_keyfile_free(keyfile);
    return rc;
}

/* ---- key create, key change-password ---- */

/* Puts a key under a password and writes the file; with --json prints what it is then. */
static int save(const struct args *args, const pxds_key *key, const struct password *password,
                const pxds_keyfile_options *options, const char *path, uint32_t flags)
{
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile *keyfile = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (pxds_keyfile_new(key, password->bytes, password->len, options, &keyfile, &err) < 0 ||
        pxds_keyfile_get_info(keyfile, &info, &err) < 0 ||
        pxds_keyfile_save(keyfile, path, flags, &err) < 0)
        rc = pxds_error_status(err) == PXDS_ERR_PASSWORD ? fail_with(path, err) : fail(err);
    else if (args->option[OPT_JSON].given)
        rc = print_keyfile(path, &info, key, true);
    pxds_keyfile_free(keyfile);
    return rc;
}

/* What --kdf and --hint say in the place of what is in `options`; an empty hint is none. */
static void take_options(const struct args *args, pxds_keyfile_options *options)
{
    const char *hint = args->option[OPT_HINT].text;

    if (args->option[OPT_KDF].given)
        options->kdf = (uint32_t)args->option[OPT_KDF].number;
    if (hint != NULL)
        options->hint = hint[0] != '\0' ? hint : NULL;
}

/* Says no before a password is typed; pxds_keyfile_save() is sure. */
static int check_absent(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return 0;
    errno = EEXIST;
    return fail_errno(path);
}

static int create(const struct args *args)
{
    const char *path = args->operand[1];
    struct password password = {.len = 0};
    pxds_keyfile_options options = PXDS_KEYFILE_OPTIONS_INIT;
    pxds_key *key = NULL;
    pxds_error *err = NULL;
    int rc = check_absent(path);

    if (rc != 0)
        return rc;
    take_options(args, &options);
    if (options.kdf != PXDS_KDF_NONE)
        rc = get_first_password(args, &password);
    if (rc == 0 && pxds_key_random(&key, &err) < 0)
        rc = fail(err);
    if (rc == 0)
        rc = save(args, key, &password, &options, path, 0);
    wipe_password(&password);
    pxds_key_free(key);
    return rc;
}

static int change_password(const struct args *args)
{
    const char *path = args->operand[1];
    struct password password = {.len = 0};
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile_options options = PXDS_KEYFILE_OPTIONS_INIT;
    pxds_keyfile *old = NULL;
    pxds_key *key = NULL;
    int rc = load_keyfile(path, &old, &info);

    options.kdf = info.kdf;
    options.flags = PXDS_KEYFILE_SET_CREATED;
    options.created = info.created;
    options.hint = info.hint;
    take_options(args, &options);
    if (rc == 0)
        rc = unlock(args, path, old, &info, &key);
    if (rc == 0 && options.kdf != PXDS_KDF_NONE)
        rc = get_new_password(args, &password);
    if (rc == 0)
        rc = save(args, key, &password, &options, path, PXDS_SAVE_REPLACE);
    if (rc == 0 && options.kdf == PXDS_KDF_NONE && !args->option[OPT_KDF].given)
        note("%s is still without a password; --kdf scrypt puts it under one", path);
    wipe_password(&password);
    pxds_key_free(key);
    pxds_keyfile_free(old);
    return rc;
}

/* ---- key recover ---- */

/* Overwrites what was read of a private key. */
static void wipe(uint8_t *data, size_t len)
{
    volatile uint8_t *byte = data;

    for (size_t i = 0; i < len; i++)
        byte[i] = 0;
}

/* Opens the sealed key with a private master key, with a password if that needs one. */
static int open_sealed(const struct args *args, const uint8_t *sealed, size_t sealed_len,
                       const uint8_t *pem, size_t pem_len, pxds_keyfile **keyfile)
{
    struct password password = {.len = 0};
    pxds_error *err = NULL;
    pxds_status status;
    bool known = has_password(args);
    int rc = known ? get_password(args, NULL, &password) : 0;

    if (rc != 0)
        return rc;
    status = pxds_master_recover(sealed, sealed_len, pem, pem_len, known ? password.bytes : NULL,
                                 password.len, keyfile, &err);
    if (status == PXDS_ERR_PASSWORD && !known) {
        pxds_error_free(err);
        err = NULL;
        if (get_password(args, "Password of the master key", &password) != 0)
            return 1;
        status = pxds_master_recover(sealed, sealed_len, pem, pem_len, password.bytes, password.len,
                                     keyfile, &err);
    }
    wipe_password(&password);
    return status < 0 ? fail(err) : 0;
}

static int read_and_open_sealed(const struct args *args, pxds_keyfile **keyfile)
{
    size_t sealed_len, pem_len = 0;
    uint8_t *sealed = read_input(args->operand[1], &sealed_len);
    uint8_t *pem = NULL;
    int rc = 1;

    if (sealed != NULL)
        pem = read_input(args->option[OPT_MASTER_KEY].text, &pem_len);
    if (pem != NULL) {
        rc = open_sealed(args, sealed, sealed_len, pem, pem_len, keyfile);
        wipe(pem, pem_len);
    }
    free(pem);
    free(sealed);
    return rc;
}

static int recover(const struct args *args)
{
    const char *path = args->operand[2];
    struct password password = {.len = 0};
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile_options options = PXDS_KEYFILE_OPTIONS_INIT;
    pxds_keyfile *keyfile = NULL;
    pxds_key *key = NULL;
    pxds_error *err = NULL;
    int rc = check_absent(path);

    if (rc == 0)
        rc = read_and_open_sealed(args, &keyfile);
    if (rc == 0 && (pxds_keyfile_get_info(keyfile, &info, &err) < 0 ||
                    pxds_keyfile_unlock(keyfile, NULL, 0, &key, &err) < 0))
        rc = fail(err);
    options.flags = PXDS_KEYFILE_SET_CREATED;
    options.created = info.created;
    take_options(args, &options);
    if (rc == 0 && options.kdf != PXDS_KDF_NONE)
        rc = get_new_password(args, &password);
    if (rc == 0)
        rc = save(args, key, &password, &options, path, 0);
    wipe_password(&password);
    pxds_key_free(key);
    pxds_keyfile_free(keyfile);
    return rc;
}

/* ---- which of them ---- */

static int check_recover_options(const struct args *args, bool recovers)
{
    const struct value *master = &args->option[OPT_MASTER_KEY];

    if (args->operands != (recovers ? 3 : 2))
        return usage_error(args->command, "%s takes %s", args->operand[0],
                           recovers ? "SEALED FILE" : "one FILE");
    if (recovers != master->given)
        return usage_error(args->command, "--master-key goes with recover, which needs it");
    if (recovers && is_dash(master->text) && is_dash(args->operand[1]))
        return usage_error(args->command, "only one of SEALED and --master-key can be '-'");
    return 0;
}

int cmd_key(const struct args *args)
{
    const char *action = args->operand[0];
    const struct value *option = args->option;
    const bool changes = strcmp(action, "change-password") == 0;
    const bool shows = strcmp(action, "show") == 0;
    const bool recovers = strcmp(action, "recover") == 0;
    int rc;

    if (shows && (option[OPT_KDF].given || option[OPT_HINT].given))
        return usage_error(args->command, "show takes no --kdf and no --hint");
    if (!changes && !recovers &&
        (option[OPT_NEW_PASSWORD_FILE].given || option[OPT_NEW_PASSWORD_FD].given))
        return usage_error(args->command, "a new password goes with change-password and recover");
    rc = check_password_options(args);
    if (rc == 0)
        rc = check_recover_options(args, recovers);
    if (rc != 0)
        return rc;
    if (recovers)
        return recover(args);
    return changes ? change_password(args) : shows ? show(args) : create(args);
}
