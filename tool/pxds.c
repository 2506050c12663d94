/*
 * pxds: the command line tool, written on the public header alone.
 *
 * Here is the command line: which commands and options there are, and how they are read. What a
 * command does is in a file of its own.
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage, 4 done in part: something could not be seen,
 * 5 (verify) all that could be checked is good, but the key does not vouch for all of it.
 */
#include "tool.h"

#include <limits.h>

#define BIT(option) (UINT64_C(1) << (option))

/* What is kept of a group. */
#define KEEP_BITS                                                                                  \
    (BIT(OPT_KEEP_LAST) | BIT(OPT_KEEP_HOURLY) | BIT(OPT_KEEP_DAILY) | BIT(OPT_KEEP_WEEKLY) |      \
     BIT(OPT_KEEP_MONTHLY) | BIT(OPT_KEEP_YEARLY))

/* How a store is shared with PBS, of a command that takes the locks of its tree. */
#define PBS_BITS (BIT(OPT_PBS_STORE) | BIT(OPT_PBS_CONFIG) | BIT(OPT_NOT_S3_CACHE))

/* The options of a command that works with a key. */
#define KEY_BITS                                                                                   \
    (BIT(OPT_KEY) | BIT(OPT_PASSWORD_FILE) | BIT(OPT_PASSWORD_FD) | BIT(OPT_GO_BLOBS))

struct word {
    const char *name;
    uint32_t value;
};

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

static const struct word kdfs[] = {{"scrypt", PXDS_KDF_SCRYPT},
                                   {"pbkdf2", PXDS_KDF_PBKDF2},
                                   {"none", PXDS_KDF_NONE},
                                   {NULL, 0}};

enum kind {
    FLAG,     /* no value */
    TEXT,     /* anything */
    SIZE,     /* a number of bytes above 0 */
    OFFSET,   /* a number of bytes */
    COUNT,    /* a number */
    INTEGER,  /* a number that an int can hold */
    SECONDS,  /* a number of seconds */
    FD,       /* the number of a descriptor */
    WORD      /* one of some words */
};

static const struct option {
    const char *name;
    enum kind kind;
    const char *value; /* how help shows the value */
    const char *help;
    const struct word *words;
} option_table[OPT_COUNT] = {
    [OPT_ALLOW_UNSIGNED] = {"allow-unsigned", FLAG, NULL,
                            "with --key: also what nobody has signed", NULL},
    [OPT_ANY_CHUNK_SIZE] = {"any-chunk-size", FLAG, NULL,
                            "a .fidx in chunks that stop the gc of PBS after 4.2.3", NULL},
    [OPT_ANY_CSUM] = {"any-csum", FLAG, NULL,
                      "take indexes as they are, whatever their entries have lost", NULL},
    [OPT_AVG] = {"avg", SIZE, "BYTES", "average chunk size, such as 64K; 4M if not given", NULL},
    [OPT_CHUNK_SIZE] = {"chunk-size", SIZE, "BYTES",
                        "average chunk size of a .didx, exact one of a .fidx", NULL},
    [OPT_COMMENT] = {"comment", TEXT, "TEXT", "the snapshot's notes", NULL},
    [OPT_COMPRESS] = {"compress", FLAG, NULL, "compress, if that makes it smaller", NULL},
    [OPT_CRYPT_MODE] = {"crypt-mode", WORD, "encrypt|sign-only|none",
                        "what --key is for; encrypt if not given", crypt_modes},
    [OPT_CUTOFF] = {"cutoff", INTEGER, "MINUTES",
                    "keep what was touched since, 1 to 2880; 1445 if not given", NULL},
    [OPT_DRY_RUN] = {"dry-run", FLAG, NULL, "change nothing, only show what would be done", NULL},
    [OPT_ENTRIES] = {"entries", FLAG, NULL, "also a line 'I START END DIGEST' for each chunk",
                     NULL},
    [OPT_EXACT] = {"exact", FLAG, NULL, "also look at the files of all chunks", NULL},
    [OPT_FAST] = {"fast", FLAG, NULL, "look at the indexes alone, not at the chunks", NULL},
    [OPT_GO_BLOBS] = {"go-blobs", FLAG, NULL,
                      "--key reads what the Go package encrypted with it, too", NULL},
    [OPT_HINT] = {"hint", TEXT, "TEXT", "what reminds of the password; it stands in the file",
                  NULL},
    [OPT_JSON] = {"json", FLAG, NULL, "print JSON, an object on each line", NULL},
    [OPT_KDF] = {"kdf", WORD, "scrypt|pbkdf2|none", "how a password guards it; none: not at all",
                 kdfs},
    [OPT_KEEP_DAILY] = {"keep-daily", COUNT, "N", "keep the newest of each of so many days", NULL},
    [OPT_KEEP_HOURLY] = {"keep-hourly", COUNT, "N",
                         "keep the newest of each of so many hours", NULL},
    [OPT_KEEP_LAST] = {"keep-last", COUNT, "N", "keep so many of the newest", NULL},
    [OPT_KEEP_MONTHLY] = {"keep-monthly", COUNT, "N",
                         "keep the newest of each of so many months", NULL},
    [OPT_KEEP_WEEKLY] = {"keep-weekly", COUNT, "N",
                         "keep the newest of each of so many weeks, from Monday on", NULL},
    [OPT_KEEP_YEARLY] = {"keep-yearly", COUNT, "N",
                         "keep the newest of each of so many years", NULL},
    [OPT_KEY] = {"key", TEXT, "FILE", "the key file, of 'pxds key' or of PBS's client", NULL},
    [OPT_LAYOUT] = {"layout", WORD, "hex2|hex4", "256 or 65536 chunk directories", layouts},
    [OPT_LENGTH] = {"length", OFFSET, "N", "restore at most so many bytes", NULL},
    [OPT_MASTER_KEY] = {"master-key", TEXT, "FILE", "the private master key, in PEM", NULL},
    [OPT_MASTER_PUBKEY] = {"master-pubkey", TEXT, "FILE",
                           "add the key, sealed for this master key, in PEM", NULL},
    [OPT_NEW_PASSWORD_FD] = {"new-password-fd", FD, "N", "read the new password from there", NULL},
    [OPT_NEW_PASSWORD_FILE] = {"new-password-file", TEXT, "FILE", "read the new password from there",
                               NULL},
    [OPT_NO_COMPRESS] = {"no-compress", FLAG, NULL, "store the chunks uncompressed", NULL},
    [OPT_NOT_S3_CACHE] = {"not-s3-cache", FLAG, NULL,
                          "it is no cache of a store in S3, though it looks like one", NULL},
    [OPT_NS] = {"ns", TEXT, "NS", "the namespace, such as a/b", NULL},
    [OPT_OFFSET] = {"offset", OFFSET, "N", "restore from this byte on", NULL},
    [OPT_OUTPUT] = {"output", TEXT, "FILE", "write there ('-': standard output)", NULL},
    [OPT_OWNER] = {"owner", TEXT, "AUTHID", "who owns a new group; root@pam if not given", NULL},
    [OPT_PASSWORD_FD] = {"password-fd", FD, "N", "read the key's password from this descriptor",
                         NULL},
    [OPT_PASSWORD_FILE] = {"password-file", TEXT, "FILE",
                           "read the key's password from there, and do not ask for it", NULL},
    [OPT_PBS_CONFIG] = {"pbs-config", TEXT, "FILE",
                        "PBS's datastore.cfg, if it is not in /etc/proxmox-backup", NULL},
    [OPT_PBS_STORE] = {"pbs-store", TEXT, "NAME",
                       "how a running PBS calls the store: use its lock files", NULL},
    [OPT_READ_ONLY] = {"read-only", FLAG, NULL, "change nothing, only tell", NULL},
    [OPT_REPAIR_FROM] = {"repair-from", TEXT, "STORE2",
                         "take missing and bad chunks from there", NULL},
    [OPT_SET] = {"set", TEXT, "TEXT", "replace the notes; an empty text removes them", NULL},
    [OPT_SHARED] = {"shared", FLAG, NULL, "let other users reach the store, as PBS does", NULL},
    [OPT_SKIP_BAD] = {"skip-bad", FLAG, NULL, "zeros for bad chunks, and do without a good manifest", NULL},
    [OPT_SKIP_VERIFIED] = {"skip-verified", COUNT, "DAYS",
                           "pass over what was verified within so many days", NULL},
    [OPT_SPARSE] = {"sparse", FLAG, NULL, "leave holes where there are chunks of zeros", NULL},
    [OPT_STRICT] = {"strict", FLAG, NULL, "fail if a file changes while it is read", NULL},
    [OPT_SYNC] = {"sync", WORD, "none|file|filesystem",
                  "how chunks are made durable; filesystem if not given", syncs},
    [OPT_THREADS] = {"threads", INTEGER, "N", "use so many threads; one for each processor if not given",
                     NULL},
    [OPT_TIME] = {"time", SECONDS, "EPOCH", "the snapshot's time, since 1970; now if not given",
                  NULL},
    [OPT_TZ] = {"tz", TEXT, "ZONE", "the time zone, such as Europe/Vienna; else TZ's or local", NULL},
};

struct command {
    const char *name;
    const char *operands;
    int min, max;   /* how many of them; INT_MAX: any number */
    uint64_t takes; /* which options, as BIT()s */
    const char *summary;
    const char *help;
    int (*run)(const struct args *args);
};

int usage_error(const struct command *command, const char *format, ...)
{
    const char *name = command != NULL ? command->name : "";
    va_list values;

    fprintf(stderr, "pxds: %s%s", name, command != NULL ? ": " : "");
    va_start(values, format);
    print_safely(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\nTry 'pxds %s%s--help'.\n", name, command != NULL ? " " : "");
    return 2;
}

bool takes_option(const struct args *args, enum option_id option)
{
    return (args->command->takes & BIT(option)) != 0;
}

static void command_help(const struct command *command)
{
    printf("usage: pxds %s %s%s\n\n%s\noptions:\n", command->name, command->operands,
           command->takes != 0 ? " [options]" : "", command->help);
    for (int i = 0; i < OPT_COUNT; i++) {
        char left[40];

        if ((command->takes & BIT(i)) == 0)
            continue;
        snprintf(left, sizeof left, "%s--%s %s", i == OPT_OUTPUT ? "-o, " : "", option_table[i].name,
                 option_table[i].value != NULL ? option_table[i].value : "");
        printf("  %-28s %s\n", left, option_table[i].help);
    }
    printf("  %-28s %s\n", "-h, --help", "show this text");
}

/* Digits alone: strtoull() itself would take a sign and white space too. */
static bool parse_number(const char *text, uint64_t *number, char **end)
{
    errno = 0;
    *number = strtoull(text, end, 10);
    return *text >= '0' && *text <= '9' && errno == 0;
}

/* A number of bytes, as digits with K or M after them if wished. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
    uint64_t unit = 1;
    char *end;

    if (!parse_number(text, bytes, &end))
        return false;
    if (*end == 'K' || *end == 'M')
        unit = *end++ == 'K' ? 1024 : 1024 * 1024;
    if (*end != '\0' || *bytes > UINT64_MAX / unit)
        return false;
    *bytes *= unit;
    return true;
}

static bool parse_seconds(const char *text, uint64_t *seconds)
{
    char *end;

    return parse_number(text, seconds, &end) && *end == '\0' && *seconds <= INT64_MAX;
}

static bool parse_count(const char *text, uint64_t *count)
{
    char *end;

    return parse_number(text, count, &end) && *end == '\0';
}

static bool parse_int(const char *text, uint64_t *number)
{
    char *end;

    return parse_number(text, number, &end) && *end == '\0' && *number <= INT_MAX;
}

static bool parse_word(const struct word *words, const char *text, uint64_t *value)
{
    while (words->name != NULL && strcmp(words->name, text) != 0)
        words++;
    *value = words->value;
    return words->name != NULL;
}

/* Gives what the value should have been; NULL if it is that. */
static const char *parse_value(const struct option *option, const char *text, struct value *value)
{
    value->given = true;
    value->text = text;
    switch (option->kind) {
    case SIZE:
        return parse_bytes(text, &value->number) && value->number > 0 ? NULL : "a number of bytes";
    case OFFSET:
        return parse_bytes(text, &value->number) ? NULL : "a number of bytes";
    case COUNT:
        return parse_count(text, &value->number) ? NULL : "a number";
    case SECONDS:
        return parse_seconds(text, &value->number) ? NULL : "a number of seconds";
    case INTEGER:
        return parse_int(text, &value->number) ? NULL : "a number";
    case FD:
        return parse_int(text, &value->number) ? NULL : "the number of a descriptor";
    case WORD:
        return parse_word(option->words, text, &value->number) ? NULL : option->value;
    default:
        return NULL;
    }
}

/* The option that text names, as far as a '=' if it has one; OPT_COUNT if there is no such. */
static int find_option(const struct command *command, const char *text)
{
    int i;

    if (strcmp(text, "-o") == 0) /* the one that has a short form */
        text = "--output";
    for (i = 0; i < OPT_COUNT; i++) {
        size_t len = strlen(option_table[i].name);

        if ((command->takes & BIT(i)) != 0 && strncmp(text, "--", 2) == 0 &&
            strncmp(text + 2, option_table[i].name, len) == 0 &&
            (text[2 + len] == '\0' || text[2 + len] == '='))
            break;
    }
    return i;
}

/* Parses the option argv[0], whose value may be argv[1]; *used becomes 2 if it is. */
static int parse_option(struct args *args, char **argv, int *used)
{
    int i = find_option(args->command, argv[0]);
    const struct option *option = &option_table[i];
    const char *text = strchr(argv[0], '='), *wanted;

    if (i == OPT_COUNT)
        return usage_error(args->command, "unknown option '%s'", argv[0]);
    if (option->kind == FLAG) {
        args->option[i].given = true;
        return text != NULL ? usage_error(args->command, "--%s takes no value", option->name) : 0;
    }
    if (text != NULL) {
        text++;
    } else {
        text = argv[1];
        *used = 2;
    }
    if (text == NULL)
        return usage_error(args->command, "--%s needs a value", option->name);
    wanted = parse_value(option, text, &args->option[i]);
    if (wanted != NULL)
        return usage_error(args->command, "--%s: '%s' is not %s", option->name, text, wanted);
    return 0;
}

/* argv: what follows the command's name, with a NULL at the end. */
static int run_command(const struct command *command, char **argv)
{
    /* The operands are gathered at the start of argv, over what has been read. */
    struct args args = {.command = command, .operand = argv};
    bool only_operands = false;

    for (int used; argv[0] != NULL; argv += used) {
        char *arg = argv[0];

        used = 1;
        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            if (args.operands == command->max)
                return usage_error(command, "too many operands: '%s'", arg);
            args.operand[args.operands++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            command_help(command);
            return 0;
        } else {
            int rc = parse_option(&args, argv, &used);

            if (rc != 0)
                return rc;
        }
    }
    args.operand[args.operands] = NULL;
    if (args.operands < command->min)
        return usage_error(command, "operands needed: %s", command->operands);
    return command->run(&args);
}

static const struct command commands[] = {
    {"init", "STORE", 1, 1, BIT(OPT_LAYOUT) | BIT(OPT_PBS_STORE) | BIT(OPT_SHARED),
     "create a store",
     "Creates the store STORE. If its directory is made for it, nobody else may look into that\n"
     "(mode 0700), unless --shared or --pbs-store gives it the mode that PBS gives (0755): then\n"
     "every user of the machine may read owners, notes and small files (.blob) of its snapshots.\n"
     "A directory that is there keeps its mode.\n",
     cmd_init},
    {"convert", "STORE hex2|hex4", 2, 2,
     BIT(OPT_NOT_S3_CACHE) | BIT(OPT_DRY_RUN) | BIT(OPT_JSON) | BIT(OPT_SYNC) | BIT(OPT_PBS_CONFIG),
     "change the layout of a store",
     "Brings STORE into the layout hex2 or hex4 by renames; PBS needs hex4. Nobody else may be\n"
     "using the store. What is interrupted is finished by the same command; until then nothing\n"
     "opens the store. With --dry-run nothing is changed.\n",
     cmd_convert},
    {"backup", "STORE TYPE/ID NAME=FILE...", 3, INT_MAX,
     BIT(OPT_NS) | BIT(OPT_TIME) | BIT(OPT_COMMENT) | BIT(OPT_OWNER) | BIT(OPT_CHUNK_SIZE) |
         BIT(OPT_ANY_CHUNK_SIZE) | PBS_BITS | BIT(OPT_CRYPT_MODE) | BIT(OPT_THREADS) |
         BIT(OPT_STRICT) |
         BIT(OPT_MASTER_PUBKEY) | KEY_BITS,
     "make a snapshot of files",
     "Makes a snapshot of the group TYPE/ID, TYPE being vm, ct or host, with FILE ('-', once:\n"
     "standard input) as the archive NAME. It appears when it is complete, or not at all.\n\n"
     "NAME.didx  a stream, such as a tar archive, cut where its content says\n"
     "NAME.fidx  the image of a disk, cut into pieces of one size\n"
     "NAME.blob  a small file, of 128 MiB at most, kept whole\n",
     cmd_backup},
    {"restore", "STORE SNAPSHOT NAME OUT", 4, 4,
     BIT(OPT_OFFSET) | BIT(OPT_LENGTH) | BIT(OPT_SPARSE) | BIT(OPT_SKIP_BAD) |
         PBS_BITS | BIT(OPT_THREADS) | BIT(OPT_ALLOW_UNSIGNED) | KEY_BITS,
     "restore an archive of a snapshot",
     "Restores the archive NAME of a SNAPSHOT, [ns/NAME/...]TYPE/ID/TIME, into OUT ('-':\n"
     "standard output), checked against the manifest. The name OUT appears only when the file\n"
     "is whole. A blob is decoded.\n\n"
     "With --key the manifest must be signed with it, and be that of this snapshot, or nothing\n"
     "is restored: whoever can write to the store could have put anything there. With --skip-bad\n"
     "a manifest that cannot be read counts as none, and one that does not fit is not heeded.\n",
     cmd_restore},
    {"list", "STORE", 1, 1, BIT(OPT_PBS_CONFIG) | BIT(OPT_NS) | BIT(OPT_JSON), "list the snapshots",
     "Lists the snapshots of STORE; with --ns only those in this namespace and below it.\n"
     "BYTES are those of all archives together. Exit status 4 if something could not be seen\n"
     "or read; --json then ends with {\"complete\":false}.\n",
     cmd_list},
    {"files", "STORE SNAPSHOT", 2, 2, BIT(OPT_JSON) | BIT(OPT_PBS_CONFIG),
     "list the archives of a snapshot",
     "Lists the archives of a snapshot, as its manifest does. What the manifest does not list\n"
     "is marked, and its size is that of the file.\n",
     cmd_files},
    {"notes", "STORE SNAPSHOT|GROUP", 2, 2, BIT(OPT_SET) | PBS_BITS,
     "show or set the notes of a snapshot or group",
     "Prints the notes of a SNAPSHOT, [ns/NAME/...]TYPE/ID/TIME, or a GROUP,\n"
     "[ns/NAME/...]TYPE/ID, or replaces them.\n",
     cmd_notes},
    {"protect", "STORE SNAPSHOT", 2, 2, PBS_BITS, "keep a snapshot from being removed",
     "Marks a snapshot as one that nobody removes, neither pxds nor PBS.\n", cmd_protect},
    {"unprotect", "STORE SNAPSHOT", 2, 2, PBS_BITS, "undo that",
     "Takes the mark of 'pxds protect' away.\n", cmd_unprotect},
    {"forget", "STORE SNAPSHOT", 2, 2, PBS_BITS, "remove a snapshot",
     "Removes a snapshot, unless it is protected. Its chunks stay for garbage collection.\n",
     cmd_forget},
    {"namespace", "create|remove STORE NS | list STORE [NS]", 2, 3, PBS_BITS,
     "make, remove or list namespaces",
     "create  makes the namespace NS, a/b for example, and those above it. A backup with --ns\n"
     "        makes its own.\n"
     "remove  removes the namespace NS, which has to be empty\n"
     "list    prints the namespaces of STORE, or those below NS. Exit status 4 if something\n"
     "        could not be seen.\n",
     cmd_namespace},
    {"prune", "STORE GROUP", 2, 2,
     KEEP_BITS | BIT(OPT_TZ) | BIT(OPT_DRY_RUN) | BIT(OPT_JSON) | PBS_BITS,
     "remove old snapshots of a group",
     "Removes the snapshots of a GROUP, [ns/NAME/...]TYPE/ID, that no --keep option keeps, and\n"
     "shows what becomes of each. Protected ones stay, and so does the newest if it is not\n"
     "finished. Without a --keep option, or with counts of 0 alone, everything is kept.\n\n"
     "The options count one after the other: last, hourly, daily, weekly, monthly, yearly.\n"
     "Each passes over what an earlier one has kept. Chunks stay for garbage collection.\n",
     cmd_prune},
    {"stat", "STORE", 1, 1, BIT(OPT_PBS_CONFIG) | BIT(OPT_EXACT) | BIT(OPT_JSON),
     "count what snapshots take and share",
     "Shows how much the snapshots of STORE describe, how much of it they share, how much each\n"
     "brought that no older one has (NEW), and how much it has alone (OWN), by the indexes.\n"
     "With --exact also what the chunks take on the disk, which are missing, and which no index\n"
     "names: a look at each file, which takes its time.\n\n"
     "The dedup factor is the logical size by what is stored, the sharing factor by what is left\n"
     "without duplicates. Exit status 4 if something could not be seen or read.\n",
     cmd_stat},
    {"report", "STORE", 1, 1, BIT(OPT_PBS_CONFIG) | BIT(OPT_OUTPUT) | BIT(OPT_FAST),
     "draw a page about a store",
     "Writes a page in HTML with pictures of STORE: its size over time, what each snapshot\n"
     "brought, sizes of chunks, what groups share, and what has been verified. The page needs\n"
     "nothing else, and has no scripts. --output is needed. Exit status 4 if something could not\n"
     "be seen or read.\n",
     cmd_report},
    {"verify", "STORE [SNAPSHOT|GROUP]", 1, 2,
     BIT(OPT_READ_ONLY) | BIT(OPT_REPAIR_FROM) | BIT(OPT_SKIP_VERIFIED) | BIT(OPT_THREADS) |
         BIT(OPT_JSON) | PBS_BITS | BIT(OPT_ALLOW_UNSIGNED) | KEY_BITS,
     "check snapshots and their chunks",
     "Checks that everything the snapshots of STORE need, or of a GROUP, [ns/NAME/...]TYPE/ID,\n"
     "or one SNAPSHOT, is there and is what it was. Bad chunks are renamed, so that the next\n"
     "backup stores them anew, and the outcome is noted in the manifests. What is in use, or is\n"
     "removed meanwhile, is skipped.\n\n"
     "Of what is encrypted the CRC is checked; with --key it is decrypted, and signatures are\n"
     "checked. Snapshots that this key has not signed are named.\n\n"
     "Exit status 1 if anything failed, 5 if all that could be checked is good, but the key does\n"
     "not vouch for all snapshots, 4 if there are snapshots without a manifest, or something\n"
     "that could not be seen.\n",
     cmd_verify},
    {"gc", "STORE", 1, 1,
     BIT(OPT_DRY_RUN) | BIT(OPT_CUTOFF) | BIT(OPT_ANY_CSUM) | BIT(OPT_JSON) | PBS_BITS,
     "remove the chunks that nothing refers to",
     "Garbage collection: removes the chunks of STORE that no index refers to, and that were not\n"
     "touched lately. It protects only indexes below the directory of the store, NAME.didx and\n"
     "NAME.fidx, and not those below a name that begins with a dot: an index of 'pxds put' that\n"
     "is kept elsewhere loses its chunks. Links are not followed.\n\n"
     "No other program may be writing to the store meanwhile. A backup that Proxmox Backup\n"
     "Server starts meanwhile fails, and leaves an empty snapshot. Stopping it at any time loses\n"
     "nothing.\n\n"
     "Nothing is removed unless all indexes are known: if a directory of the tree cannot be\n"
     "listed, or is a link, or an index cannot be read or has lost entries (but see --any-csum).\n",
     cmd_gc},
    {"manifest", "verify|show STORE SNAPSHOT", 3, 3,
     BIT(OPT_ALLOW_UNSIGNED) | BIT(OPT_PBS_CONFIG) | KEY_BITS,
     "verify or show the manifest of a snapshot",
     "verify  checks the signature with the key of --key, and that it is this snapshot's\n"
     "show    prints the manifest's JSON\n",
     cmd_manifest},
    {"key", "create|show|change-password FILE | recover SEALED FILE", 2, 3,
     BIT(OPT_KDF) | BIT(OPT_HINT) | BIT(OPT_PASSWORD_FILE) | BIT(OPT_PASSWORD_FD) |
         BIT(OPT_NEW_PASSWORD_FILE) | BIT(OPT_NEW_PASSWORD_FD) | BIT(OPT_MASTER_KEY),
     "make, show, change or recover a key file",
     "create           makes a new key and the file FILE, under scrypt if --kdf does not say\n"
     "                 otherwise. What is there is not replaced.\n"
     "show             shows what the file says; with a password, or where it needs none, its\n"
     "                 fingerprint is verified\n"
     "change-password  puts the key under another password. What --kdf and --hint do not\n"
     "                 change stays; an empty hint is none.\n"
     "recover          makes the key file FILE of SEALED, the rsa-encrypted.key.blob of a\n"
     "                 snapshot, with the --master-key, whose password is the old one. Needs a\n"
     "                 libpxds with master keys.\n\n"
     "A password that no option gives is asked for on the terminal, a new one twice. Of a file\n"
     "with a password the first line counts, without its end, which is LF or CR LF.\n",
     cmd_key},
    {"put", "STORE FILE INDEX", 3, 3,
     BIT(OPT_NOT_S3_CACHE) | BIT(OPT_AVG) | BIT(OPT_NO_COMPRESS) | BIT(OPT_SYNC) | BIT(OPT_JSON) | BIT(OPT_THREADS) |
         BIT(OPT_STRICT) | BIT(OPT_PBS_CONFIG) | KEY_BITS,
     "store a file, its index anywhere",
     "Stores what is new of FILE ('-': standard input) in STORE and writes INDEX, from\n"
     "which 'pxds get' restores the file. Garbage collection protects only indexes NAME.didx\n"
     "below the directory of the store, and not those below a name that begins with a dot.\n",
     cmd_put},
    {"get", "STORE INDEX OUT", 3, 3, BIT(OPT_THREADS) | BIT(OPT_PBS_CONFIG) | KEY_BITS,
     "restore such a file",
     "Restores the file of INDEX from STORE into OUT ('-': standard output). The name OUT\n"
     "appears only when the file is whole.\n",
     cmd_get},
    {"copy", "STORE INDEX STORE2 [INDEX2]", 3, 4,
     BIT(OPT_NOT_S3_CACHE) | BIT(OPT_THREADS) | BIT(OPT_SYNC) | BIT(OPT_JSON) | BIT(OPT_PBS_CONFIG) | KEY_BITS,
     "copy such a file to another store",
     "Copies the chunks of INDEX that STORE2 does not have from STORE to it, as they are\n"
     "encoded, and writes the same index to INDEX2, or under its name into STORE2. Each is\n"
     "checked before; the digests of encrypted ones only with --key.\n",
     cmd_copy},
    {"index", "INDEX", 1, 1, BIT(OPT_ENTRIES), "show an index",
     "Shows the header of INDEX and whether its checksum is that of its entries.\n", cmd_index},
    {"chunk", "FILE", 1, 1, BIT(OPT_AVG), "show how a file is cut into chunks",
     "Prints a line 'END SIZE DIGEST' for each chunk of FILE ('-': standard input).\n"
     "END is the offset after its last byte, DIGEST the SHA-256 of its bytes.\n",
     cmd_chunk},
    {"blob", "encode|decode|info IN [OUT]", 2, 3, BIT(OPT_COMPRESS) | KEY_BITS,
     "encode, decode or show a blob",
     "encode  makes a blob of the bytes of IN, an encrypted one with --key\n"
     "decode  gives back the bytes in the blob IN\n"
     "info    shows the header of the blob IN\n\n"
     "IN may be '-' for standard input. OUT, if not given or '-', is standard output.\n",
     cmd_blob},
};

static int tool_help(void)
{
    printf("usage: pxds COMMAND ...\n\n"
           "Stores data as deduplicated chunks, in the formats of Proxmox Backup Server.\n\n"
           "commands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n'pxds COMMAND --help' tells more of a command, 'pxds --version' the version.\n");
    return 0;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name == NULL)
        return usage_error(NULL, "no command given");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return tool_help();
    if (strcmp(name, "--version") == 0) {
        printf("pxds %s\n", pxds_version());
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return run_command(&commands[i], argv + 2);
    return usage_error(NULL, "unknown command '%s'", name);
}

/*
 * stdio gives up where the system says EAGAIN, and loses what it had. A pipe or terminal that does
 * not block is opened once more, in a way that does, so that the program that shares it notices
 * nothing; what cannot be, a socket, is changed itself.
 */
static void make_blocking(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    char path[32];
    int again;

    if (flags == -1 || (flags & O_NONBLOCK) == 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    again = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again >= 0) {
        dup2(again, fd);
        close(again);
    }
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int main(int argc, char **argv)
{
    static char line[4096];
    int rc;

    /* A closed standard stream must not become the number of a store's file. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return 1;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error */
    make_blocking(STDOUT_FILENO);
    make_blocking(STDERR_FILENO);
    setvbuf(stderr, line, _IOLBF, sizeof line); /* a message is one write, among those of others */
    rc = run(argc, argv);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0) {
        say("standard output: %s", errno != 0 ? strerror(errno) : "write error");
        rc = 1;
    }
    release_signals();
    return rc;
}
