/* The command on key files, and the key that other commands work with. */
#include "tool.h"

static const char *const kdfs[] = {
    [PXDS_KDF_SCRYPT] = "scrypt", [PXDS_KDF_PBKDF2] = "pbkdf2", [PXDS_KDF_NONE] = "none"};

/* ---- what the options say ---- */

static int check_password_options(const struct args *args)
{
    const struct value *option = args->option;

    if (option[OPT_PASSWORD_FILE].given && option[OPT_PASSWORD_FD].given)
        return usage_error(args->command, "--password-file and --password-fd exclude each other");
    if (option[OPT_NEW_PASSWORD_FILE].given && option[OPT_NEW_PASSWORD_FD].given)
        return usage_error(args->command,
                           "--new-password-file and --new-password-fd exclude each other");
    if (option[OPT_PASSWORD_FD].given && option[OPT_NEW_PASSWORD_FD].given &&
        option[OPT_PASSWORD_FD].number == option[OPT_NEW_PASSWORD_FD].number)
        return usage_error(args->command, "one descriptor cannot give both passwords");
    return 0;
}

int check_key_options(const struct args *args, bool reads_stdin)
{
    const struct value *option = args->option;

    if (!option[OPT_KEY].given &&
        (option[OPT_PASSWORD_FILE].given || option[OPT_PASSWORD_FD].given))
        return usage_error(args->command, "a password goes with --key only");
    if (reads_stdin && option[OPT_PASSWORD_FD].given &&
        option[OPT_PASSWORD_FD].number == STDIN_FILENO)
        return usage_error(args->command, "standard input cannot be data and password");
    return check_password_options(args);
}

static bool has_password(const struct args *args)
{
    return args->option[OPT_PASSWORD_FILE].given || args->option[OPT_PASSWORD_FD].given;
}

/* ---- a key out of its file ---- */

/* Takes the key out of a file, with a password if it needs one. */
static int unlock(const struct args *args, const char *path, const pxds_keyfile *keyfile,
                  const pxds_keyfile_info *info, pxds_key **key)
{
    struct password password = {.len = 0};
    pxds_error *err = NULL;
    int rc = info->kdf != PXDS_KDF_NONE ? get_password(args, &password) : 0;

    if (rc == 0 && pxds_keyfile_unlock(keyfile, password.bytes, password.len, key, &err) < 0) {
        say("%s: %s", path, err != NULL ? pxds_error_message(err) : "out of memory");
        pxds_error_free(err);
        rc = 1;
    }
    wipe_password(&password);
    return rc;
}

/* Reads a key file, to be freed also after a failure. */
static int load_keyfile(const char *path, pxds_keyfile **keyfile, pxds_keyfile_info *info)
{
    pxds_error *err = NULL;

    if (pxds_keyfile_load(path, keyfile, &err) < 0 ||
        pxds_keyfile_get_info(*keyfile, info, &err) < 0)
        return fail(err);
    return 0;
}

int load_key(const struct args *args, pxds_key **key)
{
    const char *path = args->option[OPT_KEY].text;
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile *keyfile = NULL;
    int rc;

    *key = NULL;
    if (path == NULL)
        return 0;
    rc = load_keyfile(path, &keyfile, &info);
    if (rc == 0)
        rc = unlock(args, path, keyfile, &info, key);
    pxds_keyfile_free(keyfile);
    return rc;
}

/* ---- key show ---- */

static int print_fingerprint(const uint8_t *fingerprint, const char *remark)
{
    char text[PXDS_FINGERPRINT_TEXT_SIZE];
    pxds_error *err = NULL;

    if (pxds_fingerprint_format(fingerprint, 0, text, sizeof text, &err) < 0)
        return fail(err);
    printf("fingerprint: %s%s\n", text, remark);
    return 0;
}

static int print_keyfile(const pxds_keyfile_info *info, const pxds_key *key)
{
    uint8_t fingerprint[PXDS_FINGERPRINT_SIZE];
    pxds_error *err = NULL;

    if (key != NULL && pxds_key_fingerprint(key, fingerprint, &err) < 0)
        return fail(err);
    printf("kdf: %s\ncreated: ", kdfs[info->kdf]);
    print_time(info->created);
    printf("\nmodified: ");
    print_time(info->modified);
    if (info->hint != NULL) {
        printf("\nhint: ");
        print_text(info->hint, strlen(info->hint));
    }
    putchar('\n');
    if (key != NULL)
        return print_fingerprint(fingerprint, "");
    if ((info->flags & PXDS_KEYFILE_HAS_FINGERPRINT) != 0)
        return print_fingerprint(info->fingerprint, " (unverified)");
    printf("fingerprint: not in the file\n");
    return 0;
}

static int show(const struct args *args)
{
    const char *path = args->operand[1];
    pxds_keyfile_info info = PXDS_KEYFILE_INFO_INIT;
    pxds_keyfile *keyfile = NULL;
    pxds_key *key = NULL;
    int rc = load_keyfile(path, &keyfile, &info);

    if (rc == 0 && (info.kdf == PXDS_KDF_NONE || has_password(args)))
        rc = unlock(args, path, keyfile, &info, &key);
    if (rc == 0)
        rc = print_keyfile(&info, key);
    pxds_key_free(key);
    pxds_keyfile_free(keyfile);
    return rc;
}

/* ---- key create, key change-password ---- */

/* Puts a key under a password and writes the file. */
static int save(const pxds_key *key, const struct password *password,
                const pxds_keyfile_options *options, const char *path, uint32_t flags)
{
    pxds_keyfile *keyfile = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (pxds_keyfile_new(key, password->bytes, password->len, options, &keyfile, &err) < 0 ||
        pxds_keyfile_save(keyfile, path, flags, &err) < 0)
        rc = fail(err);
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

static int create(const struct args *args)
{
    const char *path = args->operand[1];
    struct password password = {.len = 0};
    pxds_keyfile_options options = PXDS_KEYFILE_OPTIONS_INIT;
    pxds_key *key = NULL;
    pxds_error *err = NULL;
    struct stat st;
    int rc = 0;

    if (lstat(path, &st) == 0) { /* said before a password is typed; pxds_keyfile_save() is sure */
        errno = EEXIST;
        return fail_errno(path);
    }
    take_options(args, &options);
    if (options.kdf != PXDS_KDF_NONE)
        rc = get_new_password(args, OPT_PASSWORD_FILE, OPT_PASSWORD_FD, &password);
    if (rc == 0 && pxds_key_random(&key, &err) < 0)
        rc = fail(err);
    if (rc == 0)
        rc = save(key, &password, &options, path, 0);
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
    options.created = &info.created;
    options.hint = info.hint;
    take_options(args, &options);
    if (rc == 0)
        rc = unlock(args, path, old, &info, &key);
    if (rc == 0 && options.kdf != PXDS_KDF_NONE)
        rc = get_new_password(args, OPT_NEW_PASSWORD_FILE, OPT_NEW_PASSWORD_FD, &password);
    if (rc == 0)
        rc = save(key, &password, &options, path, PXDS_KEYFILE_REPLACE);
    if (rc == 0 && options.kdf == PXDS_KDF_NONE && !args->option[OPT_KDF].given)
        say("note: %s is still without a password; --kdf scrypt puts it under one", path);
    wipe_password(&password);
    pxds_key_free(key);
    pxds_keyfile_free(old);
    return rc;
}

int cmd_key(const struct args *args)
{
    const char *action = args->operand[0];
    const struct value *option = args->option;
    const bool changes = strcmp(action, "change-password") == 0;
    const bool shows = strcmp(action, "show") == 0;
    int rc;

    if (!changes && !shows && strcmp(action, "create") != 0)
        return usage_error(args->command, "'%s' is not create, show or change-password", action);
    if (shows && (option[OPT_KDF].given || option[OPT_HINT].given))
        return usage_error(args->command, "show takes no --kdf and no --hint");
    if (!changes && (option[OPT_NEW_PASSWORD_FILE].given || option[OPT_NEW_PASSWORD_FD].given))
        return usage_error(args->command, "a new password goes with change-password only");
    rc = check_password_options(args);
    if (rc != 0)
        return rc;
    return changes ? change_password(args) : shows ? show(args) : create(args);
}
