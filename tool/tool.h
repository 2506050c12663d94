/*
 * What the files of the tool share. To be included first: it says which functions of the system
 * are wanted.
 */
#ifndef PXDS_TOOL_H
#define PXDS_TOOL_H

#define _XOPEN_SOURCE 700 /* POSIX.1-2008, with realpath() in older C libraries too */

#include <pxds.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __GNUC__
#define LIKE_PRINTF(text, values) __attribute__((format(printf, text, values)))
#else
#define LIKE_PRINTF(text, values)
#endif

/* ---- the command line: pxds.c ---- */

enum option_id {
    OPT_ALLOW_UNSIGNED,
    OPT_ANY_CHUNK_SIZE,
    OPT_ANY_CSUM,
    OPT_AVG,
    OPT_CHUNK_SIZE,
    OPT_COMMENT,
    OPT_COMPRESS,
    OPT_CRYPT_MODE,
    OPT_CUTOFF,
    OPT_DRY_RUN,
    OPT_ENTRIES,
    OPT_EXACT,
    OPT_FAST,
    OPT_GO_BLOBS,
    OPT_HINT,
    OPT_JSON,
    OPT_KDF,
    OPT_KEEP_DAILY,
    OPT_KEEP_HOURLY,
    OPT_KEEP_LAST,
    OPT_KEEP_MONTHLY,
    OPT_KEEP_WEEKLY,
    OPT_KEEP_YEARLY,
    OPT_KEY,
    OPT_LAYOUT,
    OPT_LENGTH,
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
    OPT_PASSWORD_FD,
    OPT_PASSWORD_FILE,
    OPT_PBS_CONFIG,
    OPT_PBS_STORE,
    OPT_READ_ONLY,
    OPT_REPAIR_FROM,
    OPT_SET,
    OPT_SHARED,
    OPT_SKIP_BAD,
    OPT_SKIP_VERIFIED,
    OPT_SPARSE,
    OPT_STRICT,
    OPT_SYNC,
    OPT_THREADS,
    OPT_TIME,
    OPT_TZ,
    OPT_COUNT
};

/* What an option was given. Zeros, the library's defaults nearly everywhere, if it was not. */
struct value {
    bool given;
    const char *text;
    uint64_t number;
};

struct command;

struct args {
    const struct command *command;
    char **operand; /* NULL behind the last */
    int operands;
    struct value option[OPT_COUNT];
};

/* Whether the command has such an option. */
bool takes_option(const struct args *args, enum option_id option);

/* Tells what is wrong with the command line; command: NULL where none was recognised. Gives 2. */
int usage_error(const struct command *command, const char *format, ...) LIKE_PRINTF(2, 3);

/* ---- messages, on stderr: output.c ---- */

void say(const char *format, ...) LIKE_PRINTF(1, 2);

/* Both say what has failed and give 1. */
int fail(pxds_error *err); /* frees it; NULL: there was no memory for one */
int fail_errno(const char *what);

int32_t on_notice(void *user, uint32_t level, const char *message, const char *path);

/* ---- signals that end the program: stop.c ---- */

/* From here on SIGHUP, SIGINT and SIGTERM are noted, unless they are ignored: before a call of the
   library that leaves something when it is killed. */
void hold_signals(void);

/* Ends the program by the signal that has come meanwhile, if any. */
void release_signals(void);

/* That signal, or 0: what a callback returns. */
int32_t stop_signal(void);

/* ---- the progress line: output.c ---- */

double now(void); /* in seconds */
double percent(uint64_t part, uint64_t whole);

/* Whether a file stands for stdin or stdout: "-". */
bool is_dash(const char *path);

/* There is a progress line on a terminal, unless data goes there too: to `out`. The callbacks that draw
   it are given to the library in any case, since they also stop it. */
void hide_line_beside(const char *out);
void clear_line(void);
void draw_line(const char *format, ...) LIKE_PRINTF(1, 2);

/* What the progress line of data on its way is drawn from; `user` of both callbacks. */
struct meter {
    const char *name; /* of an archive; may be NULL */
    double start;
    uint64_t size;  /* of the chunks that on_chunk() was told of */
    uint64_t known; /* the part of it that the store had already */
};

int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk);
int32_t on_bytes(void *user, const pxds_progress *progress);

/* A digest in hexadecimal, until the next call. */
const char *hex(const uint8_t *digest);

/* The ending of a word of which there are `count`. */
const char *plural(uint64_t count, const char *ending);

/* A number of bytes with a unit; `text` has room for SIZE_TEXT_MAX characters, and is returned. */
#define SIZE_TEXT_MAX 32
const char *size_text(uint64_t bytes, char *text);

/*
 * Reads a character of UTF-8 from `text` and gives its bytes: 1 of what is none, for which *c is
 * NO_CHAR.
 */
#define NO_CHAR UINT32_MAX
size_t read_char(const char *text, size_t len, uint32_t *c);

/* A control character, or another that changes how the text around it looks. */
bool is_harmful(uint32_t c);

/*
 * Print text of unknown origin: as a JSON string; on a line, with escapes for what is harmful or
 * not UTF-8; and as a text of several lines. print_json_text() takes what is JSON already.
 */
void print_json(const char *text, size_t len);
void print_json_text(const char *json, size_t len);
void print_text(const char *text, size_t len);
void print_lines(const char *text, size_t len);

/* Print to `out` what the format gives, as print_text() does. */
void print_safely(FILE *out, const char *format, va_list values);

/* Prints a time as seconds since 1970 and as a date. */
void print_time(int64_t seconds);

/* ---- files: files.c ---- */

const char *input_name(const char *path);

/* Opens a file, or stdin for "-", to read. -1: it was reported why not. */
int open_input(const char *path);

/* As read(), and waits for a descriptor that does not block. */
ssize_t read_some(int fd, void *data, size_t size);

/* Reads all of a file, if that is no more than a blob may have. NULL: it was reported why not. */
uint8_t *read_input(const char *path, size_t *len);

/* Doubles a buffer of *capacity bytes; NULL, with the old one freed, if there is no memory. */
uint8_t *grow(uint8_t *data, size_t *capacity);

/* Writes to a file, whose name appears only when all is there, or to stdout for "-". */
int write_output(const char *path, const uint8_t *data, size_t len);

/* Before the library writes what it restores. */
void prepare_restore(const char *out);

/* They say before the work what would be wrong behind it, and give the exit status: that the two are one file, other
   than a terminal; that it names a descriptor which is not open; that an index cannot be written there. */
int check_output(const char *input, const char *output);
int check_descriptor(const char *output);
int check_index_path(const char *path);

/* The directory of a file, with links resolved, to be freed; NULL and errno if there is none. */
char *directory_of(const char *path);

/* Whether a fixed index would have the name of a dynamic one, or the reverse: garbage collection stops at it. */
bool is_name_of_other(const char *index, bool fixed);

/* Says of an index that was written if garbage collection does not find it. */
void note_unprotected(const char *index, const pxds_store *store);

/* ---- passwords: password.c ---- */

#define PASSWORD_MAX_LEN 65536

struct password {
    size_t len;
    char bytes[PASSWORD_MAX_LEN + 2]; /* one that is too long is seen, also behind a line end */
};

/* Both give the password of the options, or ask on the terminal, a new one twice. Wipe it. */
int get_password(const struct args *args, const char *prompt, struct password *password);
int get_new_password(const struct args *args, enum option_id file_id, enum option_id fd_id,
                     struct password *password);

void wipe_password(struct password *password);

/* ---- commands; each gives the exit status ---- */

/* Done in part: something could not be seen, of which there was a notice. */
#define EXIT_INCOMPLETE 4

/* All that could be verified is good, but the key of --key does not vouch for all of it. */
#define EXIT_UNVOUCHED 5

/* store.c */
int cmd_init(const struct args *args);
int cmd_put(const struct args *args);
int cmd_get(const struct args *args);
int cmd_index(const struct args *args);
int cmd_chunk(const struct args *args);
int cmd_blob(const struct args *args);

/* How the options say that the store is to be opened or made. */
pxds_store_options store_options(const struct args *args);

/* Adds to the options what PBS is configured to do with the store at `path`, its name among it,
   for which `name` has PXDS_STORE_NAME_SIZE bytes. gc and verify may be NULL. Gives the exit
   status. */
int heed_pbs(const struct args *args, const char *path, char *name, pxds_store_options *store,
             pxds_gc_options *gc, pxds_verify_options *verify);

/* Opens the store at `path` with these flags, as the options say, and as PBS is configured, which
   gc and verify, that may be NULL, get to know too. NULL: it was said why not. */
pxds_store *open_store(const struct args *args, const char *path, uint32_t flags,
                       pxds_gc_options *gc, pxds_verify_options *verify);

/* Opens the store for a command on snapshots; it may lack chunks. NULL: it was said why not. */
pxds_store *open_tree(const struct args *args);

/* copy.c */
int cmd_copy(const struct args *args);
/* convert.c */
int cmd_convert(const struct args *args);

/* backup.c */
int cmd_backup(const struct args *args);

/* restore.c */
int cmd_restore(const struct args *args);

/* How the options say that a snapshot is to be opened: PXDS_OPEN_... */
uint32_t open_flags(const struct args *args);

/* Whether the manifest of a snapshot has a signature, right or wrong. */
bool is_signed(const pxds_store *store, const char *path);

/* list.c */
int cmd_list(const struct args *args);
int cmd_files(const struct args *args);

/* keys.c */
int cmd_key(const struct args *args);

/* Checks what the options of a command with --key say together. Gives the exit status. */
int check_key_options(const struct args *args, bool reads_stdin);

/* Gives the key of --key, to be freed; NULL if that is not given. Gives the exit status. */
int load_key(const struct args *args, pxds_key **key);

/* As load_key(), and gives the key sealed for --master-pubkey, to be freed, or NULL. */
int load_and_seal_key(const struct args *args, pxds_key **key, pxds_buffer **sealed);

/* manifest.c */
int cmd_manifest(const struct args *args);

/* manage.c */
int cmd_namespace(const struct args *args);
int cmd_notes(const struct args *args);
int cmd_protect(const struct args *args);
int cmd_unprotect(const struct args *args);
int cmd_forget(const struct args *args);

/* prune.c */
int cmd_prune(const struct args *args);

/* stat.c */
int cmd_stat(const struct args *args);

/* Counts, with a line of progress. NULL: it was said why not. */
pxds_stats *collect_stats(const pxds_store *store, bool exact);

/* How much of what is described is shared, and how far the rest is compressed. Both 1 where there is
   nothing; their product, if nothing is missing, is the factor of deduplication. */
double sharing_factor(const pxds_stats_described *described, const pxds_stats_sum *used);
double compression_ratio(const pxds_stats_sum *sum);

/* report.c */
int cmd_report(const struct args *args);
/* verify.c */
int cmd_verify(const struct args *args);
/* gc.c */
int cmd_gc(const struct args *args);

#endif
