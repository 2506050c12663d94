/* The table of options: what each is called, takes and means. Which commands have it is in commands.c. */
#include "tool.h"

static const struct word layouts[] = {
    {"hex2", PXDS_LAYOUT_HEX2}, {"hex4", PXDS_LAYOUT_HEX4}, {NULL, 0}};

static const struct word syncs[] = {{"none", PXDS_SYNC_NONE},
                                    {"file", PXDS_SYNC_FILE},
                                    {"filesystem", PXDS_SYNC_FILESYSTEM},
                                    {NULL, 0}};

static const struct word crypt_modes[] = {{"encrypt", PXDS_CRYPT_ENCRYPT},
                                          {"sign-only", PXDS_CRYPT_SIGN_ONLY},
                                          {"none", PXDS_CRYPT_NONE},
                                          {NULL, 0}};

static const struct word sorts[] = {{"name", SORT_BY_NAME},
                                    {"newest", SORT_NEWEST_FIRST},
                                    {"oldest", SORT_OLDEST_FIRST},
                                    {NULL, 0}};

static const struct word kdfs[] = {{"scrypt", PXDS_KDF_SCRYPT},
                                   {"pbkdf2", PXDS_KDF_PBKDF2},
                                   {"none", PXDS_KDF_NONE},
                                   {NULL, 0}};

static const struct word progresses[] = {{"auto", PROGRESS_AUTO},
                                         {"always", PROGRESS_ALWAYS},
                                         {"never", PROGRESS_NEVER},
                                         {"json", PROGRESS_JSON},
                                         {NULL, 0}};

static const struct word colors[] = {
    {"auto", COLOR_AUTO}, {"always", COLOR_ALWAYS}, {"never", COLOR_NEVER}, {NULL, 0}};

const struct option option_table[OPT_COUNT] = {
    [OPT_ALLOW_UNSIGNED] = {"allow-unsigned", FLAG, NULL,
                            "with --key: also what nobody has signed", NULL},
    [OPT_ANY_CHUNK_SIZE] = {"any-chunk-size", FLAG, NULL,
                            "a .fidx in chunks that stop the gc of PBS after 4.2.3", NULL},
    [OPT_ANY_CSUM] = {"any-csum", FLAG, NULL,
                      "take indexes as they are, whatever their entries have lost", NULL},
    [OPT_AVG] = {"avg", SIZE, "BYTES", "average chunk size, such as 64K; 4M if not given", NULL},
    [OPT_CHUNK_SIZE] = {"chunk-size", SIZE, "BYTES",
                        "average chunk size of a .didx, exact one of a .fidx", NULL},
    [OPT_COLOR] = {"color", WORD, "auto|always|never",
                   "colours; auto: if on a terminal; never if not given", colors},
    [OPT_COMMENT] = {"comment", UTF8, "TEXT", "the snapshot's notes", NULL},
    [OPT_COMPRESS] = {"compress", FLAG, NULL, "compress, if that makes it smaller", NULL},
    [OPT_CRYPT_MODE] = {"crypt-mode", WORD, "encrypt|sign-only|none",
                        "what --key is for; encrypt if not given", crypt_modes},
    [OPT_CUTOFF] = {"cutoff", MINUTES, "DURATION",
                    "keep what was touched since: 90 (minutes), 2h; else 1445", NULL},
    [OPT_DRY_RUN] = {"dry-run", FLAG, NULL, "change nothing, only show what would be done", NULL},
    [OPT_ENTRIES] = {"entries", FLAG, NULL, "also a line 'I START END DIGEST' for each chunk",
                     NULL},
    [OPT_EXACT] = {"exact", FLAG, NULL, "also look at the files of all chunks", NULL},
    [OPT_FAST] = {"fast", FLAG, NULL, "look at the indexes alone, not at the chunks", NULL},
    [OPT_FROM_COMMAND] = {"from-command", FLAG, NULL,
                          "NAME=- is what the command behind '--' prints", NULL},
    [OPT_GO_BLOBS] = {"go-blobs", FLAG, NULL,
                      "--key reads what the Go package encrypted with it, too", NULL},
    [OPT_HINT] = {"hint", UTF8, "TEXT", "what reminds of the password; it stands in the file",
                  NULL},
    [OPT_JSON] = {"json", FLAG, NULL, "print JSON, an object on each line", NULL},
    [OPT_KDF] = {"kdf", WORD, "scrypt|pbkdf2|none", "how a password guards it; none: not at all",
                 kdfs},
    [OPT_KEEP_DAILY] = {"keep-daily", COUNT, "N", "keep the newest of each of so many days", NULL},
    [OPT_KEEP_GOOD] = {"keep-good", COUNT, "N", "keep also so many of the newest that verified", NULL},
    [OPT_KEEP_HOURLY] = {"keep-hourly", COUNT, "N",
                         "keep the newest of each of so many hours", NULL},
    [OPT_KEEP_LAST] = {"keep-last", COUNT, "N", "keep so many of the newest", NULL},
    [OPT_KEEP_MONTHLY] = {"keep-monthly", COUNT, "N",
                         "keep the newest of each of so many months", NULL},
    [OPT_KEEP_WEEKLY] = {"keep-weekly", COUNT, "N",
                         "keep the newest of each of so many weeks, from Monday on", NULL},
    [OPT_KEEP_WITHIN] = {"keep-within", DURATION, "TIME", "keep also what is younger, such as 30d",
                         NULL},
    [OPT_KEEP_YEARLY] = {"keep-yearly", COUNT, "N",
                         "keep the newest of each of so many years", NULL},
    [OPT_KEY] = {"key", TEXT, "FILE", "the key file, of 'pxds key' or of PBS's client", NULL},
    [OPT_LAYOUT] = {"layout", WORD, "hex2|hex4", "256 or 65536 chunk directories", layouts},
    [OPT_LENGTH] = {"length", OFFSET, "N", "restore at most so many bytes", NULL},
    [OPT_LOG_JSON] = {"log-json", FLAG, NULL, "messages as JSON, an object on each line of stderr", NULL},
    [OPT_MASTER_KEY] = {"master-key", TEXT, "FILE", "the private master key, in PEM", NULL},
    [OPT_MASTER_PUBKEY] = {"master-pubkey", TEXT, "FILE",
                           "add the key, sealed for this master key, in PEM", NULL},
    [OPT_NEW_PASSWORD_FD] = {"new-password-fd", FD, "N", "read the new password from there", NULL},
    [OPT_NEW_PASSWORD_FILE] = {"new-password-file", TEXT, "FILE", "read the new password from there",
                               NULL},
    [OPT_NO_COMPRESS] = {"no-compress", FLAG, NULL, "store the chunks uncompressed", NULL},
    [OPT_NOT_S3_CACHE] = {"not-s3-cache", FLAG, NULL,
                          "it is no cache of a store in S3, though it looks like one", NULL},
    [OPT_NS] = {"ns", NS, "NS", "the namespace, such as a/b", NULL},
    [OPT_OFFSET] = {"offset", OFFSET, "N", "restore from this byte on", NULL},
    [OPT_OUTPUT] = {"output", TEXT, "FILE", "write there ('-': standard output)", NULL},
    [OPT_OWNER] = {"owner", TEXT, "AUTHID", "who owns a new group; root@pam if not given", NULL},
    [OPT_PASSWORD_COMMAND] = {"password-command", TEXT, "CMD",
                              "the key's password is what this shell command prints", NULL},
    [OPT_PASSWORD_FD] = {"password-fd", FD, "N", "read the key's password from this descriptor",
                         NULL},
    [OPT_PASSWORD_FILE] = {"password-file", TEXT, "FILE",
                           "read the key's password from there, and do not ask for it", NULL},
    [OPT_PBS_CONFIG] = {"pbs-config", TEXT, "FILE",
                        "PBS's datastore.cfg, if it is not in /etc/proxmox-backup", NULL},
    [OPT_PBS_STORE] = {"pbs-store", TEXT, "NAME",
                       "how a running PBS calls the store: use its lock files", NULL},
    [OPT_PROGRESS] = {"progress", WORD, "auto|always|never|json",
                      "how far it is, on stderr; auto: on a terminal", progresses},
    [OPT_QUIET] = {"quiet", FLAG, NULL, "only what it is to show, warnings and errors", NULL},
    [OPT_READ_ONLY] = {"read-only", FLAG, NULL, "change nothing, only tell", NULL},
    [OPT_RECURSIVE] = {"recursive", FLAG, NULL, "also groups in the namespaces below", NULL},
    [OPT_REPAIR_FROM] = {"repair-from", TEXT, "STORE2",
                         "take missing and bad chunks from there", NULL},
    [OPT_SET] = {"set", UTF8, "TEXT", "replace the notes; an empty text removes them", NULL},
    [OPT_SHARED] = {"shared", FLAG, NULL, "make its directory with the mode that PBS gives it, 0755", NULL},
    [OPT_SKIP_BAD] = {"skip-bad", FLAG, NULL, "zeros for bad chunks, and do without a good manifest", NULL},
    [OPT_SKIP_VERIFIED] = {"skip-verified", DAYS, "DURATION",
                           "pass over what was found good since: 30 (days), 30d, 2w", NULL},
    [OPT_SORT] = {"sort", WORD, "name|newest|oldest", "in which order: groups by name, or all by age",
                  sorts},
    [OPT_SPARSE] = {"sparse", FLAG, NULL, "leave holes where there are chunks of zeros", NULL},
    [OPT_STORE] = {"store", TEXT, "STORE", "the store, in the place of the operand STORE", NULL},
    [OPT_STRICT] = {"strict", FLAG, NULL, "fail if a file changes while it is read", NULL},
    [OPT_SYNC] = {"sync", WORD, "none|file|filesystem",
                  "how writes are made durable; filesystem if not given", syncs},
    [OPT_THREADS] = {"threads", THREADS, "N", "use so many threads; one for each processor if not given",
                     NULL},
    [OPT_TIME] = {"time", TIME, "TIME", "the snapshot's time, such as 2026-11-30T12:00Z; else now",
                  NULL},
    [OPT_TZ] = {"tz", ZONE, "ZONE", "the time zone, such as Europe/Vienna; else TZ's or local", NULL},
    [OPT_VERBOSE] = {"verbose", FLAG, NULL, "also what it begins, reads or passes over", NULL},
    [OPT_WAIT] = {"wait", DURATION, "DURATION",
                  "wait so long for locks of others: 90 (seconds), 15m, 2h", NULL},
};

const struct variable variable_table[] = {
    {"PXDS_STORE", "the store, where the operand STORE is left out"},
    {"PXDS_KEY", "the key file, as --key; --key '' is none"},
    {"PXDS_PASSWORD_FILE", "the key's password, as --password-file"},
    {"PXDS_PASSWORD_COMMAND", "the key's password, as --password-command"},
    {"NO_COLOR", "if it is not empty, no colours with --color=auto"},
    {NULL, NULL},
};

const char *const variable_help =
    "Options and operands go before them. STORE counts as left out where there are too few\n"
    "operands with it, or where NAME=FILE stands in the place of TYPE/ID. Where the last\n"
    "operand may be left out too, as in 'verify X', X is the STORE if it is a directory with\n"
    ".chunks in it. With --store there is no operand STORE at all.\n";

const char *const telling_help =
    "With --quiet a command prints what it is to show, and what is not as it should be: one\n"
    "that makes, changes, removes or checks something prints nothing if all is well, but for\n"
    "what it would do by --dry-run. With --verbose it also says, on stderr, what it begins,\n"
    "reads or passes over. Neither changes what --json prints.\n";

char short_option(enum option_id option)
{
    switch (option) {
    case OPT_OUTPUT:
        return 'o';
    case OPT_QUIET:
        return 'q';
    case OPT_VERBOSE:
        return 'v';
    default:
        return '\0';
    }
}

bool is_common(enum option_id option)
{
    return option == OPT_COLOR || option == OPT_LOG_JSON || option == OPT_PROGRESS ||
           option == OPT_QUIET || option == OPT_VERBOSE;
}
