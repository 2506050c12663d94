/*
 * The tables that describe the command line: options.c, commands.c. --help prints them, and man pages
 * and completions are made from them, by a program of all files of the tool but pxds.c, which has
 * main(): nothing about a command is written down twice.
 */
#ifndef PXDS_TOOL_TABLE_H
#define PXDS_TOOL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum option_id {
    OPT_ALLOW_UNSIGNED,
    OPT_ANY_CHUNK_SIZE,
    OPT_ANY_CSUM,
    OPT_AVG,
    OPT_CHUNK_SIZE,
    OPT_COLOR,
    OPT_COMMENT,
    OPT_COMPRESS,
    OPT_CRYPT_MODE,
    OPT_CUTOFF,
    OPT_DRY_RUN,
    OPT_ENTRIES,
    OPT_EXACT,
    OPT_FAST,
    OPT_FROM_COMMAND,
    OPT_GO_BLOBS,
    OPT_HINT,
    OPT_JSON,
    OPT_KDF,
    OPT_KEEP_DAILY,
    OPT_KEEP_GOOD,
    OPT_KEEP_HOURLY,
    OPT_KEEP_LAST,
    OPT_KEEP_MONTHLY,
    OPT_KEEP_WEEKLY,
    OPT_KEEP_WITHIN,
    OPT_KEEP_YEARLY,
    OPT_KEY,
    OPT_LAYOUT,
    OPT_LENGTH,
    OPT_LOG_JSON,
    OPT_MASTER_KEY,
    OPT_MASTER_PUBKEY,
    OPT_NEW_PASSWORD_FD,
    OPT_NEW_PASSWORD_FILE,
    OPT_NO_COMPRESS,
    OPT_NOT_S3_CACHE,
    OPT_NS,
    OPT_OFFSET,
    OPT_OUTPUT,
    OPT_OWNER,
    OPT_PASSWORD_COMMAND,
    OPT_PASSWORD_FD,
    OPT_PASSWORD_FILE,
    OPT_PBS_CONFIG,
    OPT_PBS_STORE,
    OPT_PROGRESS,
    OPT_QUIET,
    OPT_READ_ONLY,
    OPT_RECURSIVE,
    OPT_REPAIR_FROM,
    OPT_SET,
    OPT_SHARED,
    OPT_SKIP_BAD,
    OPT_SKIP_VERIFIED,
    OPT_SORT,
    OPT_SPARSE,
    OPT_STORE,
    OPT_STRICT,
    OPT_SYNC,
    OPT_THREADS,
    OPT_TIME,
    OPT_TZ,
    OPT_VERBOSE,
    OPT_WAIT,
    OPT_COUNT
};

enum kind {
    FLAG,     /* no value */
    TEXT,     /* anything */
    UTF8,     /* anything in UTF-8 */
    ZONE,     /* a time zone */
    NS,       /* the path of a namespace, or nothing: that of the root */
    SIZE,     /* a number of bytes above 0 */
    OFFSET,   /* a number of bytes */
    COUNT,    /* a number */
    THREADS,  /* a number of threads */
    MINUTES,  /* a number of minutes, or a duration in whole ones */
    DAYS,     /* a number, or a duration in whole days */
    DURATION, /* a number of seconds */
    TIME,     /* seconds since 1970 */
    FD,       /* the number of a descriptor */
    WORD      /* one of some words */
};

enum { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER, PROGRESS_JSON };
enum { COLOR_NEVER, COLOR_AUTO, COLOR_ALWAYS };

struct word {
    const char *name; /* NULL behind the last */
    uint32_t value;
};

struct option {
    const char *name; /* without its "--" */
    enum kind kind;
    const char *value; /* how help shows the value; NULL for a flag */
    const char *help;
    const struct word *words; /* of a WORD */
};

extern const struct option option_table[OPT_COUNT];

/* Whether every command has it. */
bool is_common(enum option_id option);

/* The letter of an option that has a short form; 0: it has none. */
char short_option(enum option_id option);

/* What is read of the environment, where the command line does not say it. */
struct variable {
    const char *name;
    const char *help;
};

/* Ends with one whose name is NULL. */
extern const struct variable variable_table[];

/* What there is to say of all of them; and of --quiet and --verbose. */
extern const char *const variable_help, *const telling_help;

/* How a command may end, other than by a signal. */
enum {
    DONE = 1,
    FAILED = 2,
    MISUSED = 4,
    BUSY = 8, /* of every command on a store */
    PARTLY = 16,
    UNVOUCHED = 32,
};

struct exit_status {
    int status;
    uint32_t bit; /* of those above */
    const char *help;
};

/* Ends with one whose help is NULL. */
extern const struct exit_status exit_table[];

struct args;

struct command {
    const char *name;
    const char *alias; /* its other name, or NULL */
    const char *operands;
    const char *const *actions; /* of which its first operand is one, ended by NULL; or NULL */
    int min, max;               /* how many operands; INT_MAX: any number */
    const uint8_t *takes;       /* its options, ended by OPT_COUNT */
    uint32_t exits;       /* beside those that has_exit() adds */
    const char *summary;
    const char *help; /* lines, of 90 columns at most */
    int (*run)(const struct args *args);
};

/* Ends with one whose name is NULL. */
extern const struct command command_table[];

/* How a SNAPSHOT and a GROUP may be given: lines. Commands with such operands show it too. */
extern const char snapshot_help[], group_help[];

/* NULL: there is none of this name. */
const struct command *find_command(const char *name);

/* Its own options, those that all have, and those that all on a store have. */
bool has_option(const struct command *command, enum option_id option);

/* The same of one of the bits of exit statuses. */
bool has_exit(const struct command *command, uint32_t bit);

/* Which of its operands is the first that is a STORE, from 0 on; -1: none is. */
int store_operand(const struct command *command);

#endif
