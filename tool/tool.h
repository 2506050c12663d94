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

/* ---- the command line: pxds.c, values.c, help.c; and its tables ---- */

#include "table.h"

/* What an option was given. Zeros, the library's defaults nearly everywhere, if it was not. */
struct value {
    bool given;
    const char *text;
    uint64_t number;
};

struct args {
    const struct command *command;
    char **operand; /* NULL behind the last */
    int operands;
    char *const *child; /* the command line behind "--", with --from-command; else NULL */
    const char *assumed_store; /* that of PXDS_STORE, if the operand STORE was left out; else NULL */
    struct value option[OPT_COUNT];
};

/* Tells what is wrong with the command line; command: NULL where none was recognised. Gives 2. */
int usage_error(const struct command *command, const char *format, ...) LIKE_PRINTF(2, 3);

/* The same of what the library refuses before anything is opened; frees it. Another failure is told as by fail(). */
int misuse(const struct command *command, pxds_error *err);

/* Takes the value of an option from `text`. Gives what it should have been; NULL if it is that. */
const char *parse_value(const struct option *option, const char *text, struct value *value);

/* Whether a text is a time zone; NULL is UTC. */
bool is_zone(const char *zone);

/* The value of a variable of the environment; NULL if it has none, or an empty one. */
const char *variable(const char *name);

/* Adds what the environment says where the command line does not. Gives the exit status. */
int take_defaults(struct args *args);

/* Gives 0 if the text is an action of the command, which has some; else as those that follow. */
int check_action(const struct command *command, const char *text);

/* As usage_error(), with the name that may have been meant. */
int unknown_command(const char *name);
int unknown_option(const struct command *command, const char *text);

/* Both print to stdout and give 0. */
int tool_help(void);
int command_help(const struct command *command);

/* ---- messages, on stderr: message.c ---- */

/* Which messages there are, and how they and the progress look, as the options say that all commands have. */
void heed_common_options(const struct args *args);

/* Whether nothing is wanted but what a command is to show, and what is not as it should be. */
bool is_quiet(void);

/* An error; something that is off, though the work goes on; something that is good to know. */
void say(const char *format, ...) LIKE_PRINTF(1, 2);
void warn(const char *format, ...) LIKE_PRINTF(1, 2);
void note(const char *format, ...) LIKE_PRINTF(1, 2);

/* With --verbose, what is begun, read or passed over. */
void detail(const char *format, ...) LIKE_PRINTF(1, 2);

/* A line for people, after say(). */
void say_more(const char *format, ...) LIKE_PRINTF(1, 2);

/* Both say what has failed and give the exit status: EXIT_BUSY for a lock that others hold, else 1. */
int fail(pxds_error *err); /* frees it; NULL: there was no memory for one */
int fail_errno(const char *what);

/* Says so as fail() does, with a name before. */
int fail_with(const char *name, pxds_error *err);

/* Heeds a failure that was told otherwise. */
void count_failure(pxds_status status);

/* The exit status of a command that has failed: EXIT_BUSY if nothing but locks was in its way, else 1. */
int failed_status(void);

/* Each message once. */
int32_t on_notice(void *user, uint32_t level, const char *message, const char *path);

/* Writes what was printed. Gives why it could not all be written, now or before; NULL: it could. */
const char *flush_output(void);

/* Whether nothing can be printed any more: a command that looks at many things goes on with no other, of which nobody
   would be told. */
bool stop_for_output(void);

/* Writes what was printed by a command that ends so, and says what is lost of it. is_done: what the command is for is
   not only to print. Gives the exit status. */
int end_output(bool is_done, int rc);

/* ---- signals that end the program: stop.c ---- */

/* From here on SIGHUP, SIGINT and SIGTERM are noted, unless they are ignored: before a call of the
   library that leaves something when it is killed. */
void hold_signals(void);

/* Ends the program by the signal that has come meanwhile, if any. */
void release_signals(void);

/* Holds signals, before what is more than to show something. From here on an output that nobody reads any more is an
   error like that of a full disk, and does not end the program by SIGPIPE in the middle. A program that it starts has
   that signal as before. */
void begin_changes(void);
bool has_begun_changes(void);

/* That signal, or 0: what a callback returns. */
int32_t stop_signal(void);

/* ---- how far it is, on stderr: progress.c ---- */

double now(void); /* in seconds */

/* PROGRESS_... */
void set_progress(uint64_t mode);

/* There is no progress line on a terminal that data goes to: to `out`. */
void hide_line_beside(const char *out);
void clear_line(void);

/* Writes the last line of --progress json. */
void end_progress(bool done);

/* Shows how far the phase is: as a line that the format gives, or in JSON. Gives what a callback returns,
   which is given to the library in any case, since it also stops the work. */
int32_t show_progress(const char *phase, const pxds_progress *progress, const char *format, ...) LIKE_PRINTF(3, 4);

/* What the progress line of data on its way is drawn from; `user` of both callbacks. */
struct meter {
    const char *name; /* of an archive; may be NULL */
    double start;
    uint64_t size;  /* of the chunks that on_chunk() was told of */
    uint64_t known; /* the part of it that the store had already */
};

int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk);
int32_t on_bytes(void *user, const pxds_progress *progress);

/* ---- pieces of output: output.c ---- */

/* Whether a file stands for stdin or stdout: "-". */
bool is_dash(const char *path);

double percent(uint64_t part, uint64_t whole);

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

/* Print text of unknown origin: on a line, with escapes for what is harmful or not UTF-8, and as a text of several
   lines. */
void print_text(const char *text, size_t len);
void print_lines(const char *text, size_t len);

/* As print_text(), with spaces behind it up to a width in columns; and how many it takes by itself. */
void print_padded(const char *text, int width);
int text_width(const char *text, size_t len);

/* The same to `out`, and without escapes for the control characters that are kept. */
void put_safely(FILE *out, const char *text, size_t len, const char *kept);

/* What the format gives: in `some`, or in memory to be freed if that is too small; cut off if there is none. */
char *format_text(char *some, size_t size, const char *format, va_list values);

/* Print to `out` what the format gives, as print_text() does. */
void print_safely(FILE *out, const char *format, va_list values);

/* The same in brackets, behind a number of bytes; nothing where that number says enough. */
const char *in_units(uint64_t bytes, char *text);

/* A time, of seconds since 1970, in the local zone: 2026-11-30T13:00:00+01:00, in UTC with a Z; these seconds where no
   calendar has it. `text` has room for TIME_TEXT_MAX characters, and is returned; most need TIME_WIDTH. */
#define TIME_TEXT_MAX 48
#define TIME_WIDTH 25
const char *time_text(int64_t seconds, char *text);

/* ---- JSON, on stdout if nothing else is said: json.c ---- */

/* Begin and end a line, which is an object; and whether one has been begun. */
void json_begin(void);
void json_end(void);
bool is_in_json(void);

/* Print a member of the object that was begun or opened last; with NULL in the place of its name, which needs no
   escapes, an element of the array. An object or array is opened with its bracket, and closed with the other. */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_null(const char *name);
void json_bool(const char *name, bool value);
void json_number(const char *name, uint64_t value);
void json_factor(const char *name, double value);
void json_text(const char *name, const char *text);                /* NULL: null */
void json_text_of(const char *name, const char *text, size_t len); /* as json_text() */
void json_digest(const char *name, const uint8_t *digest);
void json_value(const char *name, const char *json, size_t len);   /* what is JSON already, but for its white space */

/* Print two members, NAME and NAME_epoch; of a time that is not known both are null. */
void json_time(const char *name, int64_t seconds);
void json_no_time(const char *name);

/* Prints what a snapshot is called: the members snapshot, group, time, time_epoch. */
void json_snapshot(const char *path);

/* Says that all there is to tell has been told, although the command may not end with 0. */
void json_is_whole(void);

/* Prints what was stored of a stream: the members size, chunks, new_chunks, new_bytes, stored_bytes. Of what is not in
   chunks all but the size is null. */
void json_ingested(const pxds_ingest_stats *stats, bool in_chunks);

/* Says no to --json where the data of the command goes to stdout. Gives the exit status. */
int check_json_output(const struct args *args, const char *output);

/* Ends the output of a command with this exit status. */
void json_finish(int status);

/* Prints a string of JSON: what is harmful has escapes. */
void put_json_string(FILE *out, const char *text, size_t len);

/* Prints JSON as it is, on lines of its own. */
void print_json_text(const char *json, size_t len);

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

/* Takes N out of fd:N. false: it is the name of a file. */
bool names_descriptor(const char *path, int *fd);

/* They say before the work what would be wrong behind it, and give the exit status: that the two are one file, other
   than a terminal; that it is fd:N, or names a descriptor which is not open; that an index cannot be written there. */
int check_output(const char *input, const char *output);
int check_descriptor(const char *output);
int check_index_path(const char *path);

/* The directory of a file, with links resolved, to be freed; NULL and errno if there is none. */
char *directory_of(const char *path);

/* Whether a fixed index would have the name of a dynamic one, or the reverse: garbage collection stops at it. */
bool is_name_of_other(const char *index, bool fixed);

/* Says of an index that was written if garbage collection does not find it. */
void note_unprotected(const char *index, const pxds_store *store);

/* ---- programs whose output is read: child.c ---- */

struct child {
    const char *name;
    pid_t pid;
    int out; /* the end of the pipe that it is read from */
    bool own_group;
};

/* Starts a command, whose standard input is /dev/null. Gives the exit status. */
int start_child(char *const *command, struct child *child);

/* Waits until it has ended, or ends it if its output is not wanted any more, or a signal has come.
   Gives the exit status: 1, and says why, unless it ended well. */
int end_child(const struct child *child, bool is_wanted);

/* ---- passwords: password.c ---- */

#define PASSWORD_MAX_LEN 65536

struct password {
    size_t len;
    char bytes[PASSWORD_MAX_LEN + 2]; /* one that is too long is seen, also behind a line end */
};

/* They give the password of a key, that of a new key, and the new one of an old key: of the options, or
   of the environment but for the last, or ask on the terminal, a new one twice. Wipe it. */
int get_password(const struct args *args, const char *prompt, struct password *password);
int get_first_password(const struct args *args, struct password *password);
int get_new_password(const struct args *args, struct password *password);

void wipe_password(struct password *password);

/* ---- commands; each gives the exit status ---- */

/* A lock that another holds was in the way, and what was asked for was not done. */
#define EXIT_BUSY 3

/* Done in part: something could not be done or seen, of which there was a notice. */
#define EXIT_INCOMPLETE 4

/* All that could be verified is good, but the key of --key does not vouch for all of it. */
#define EXIT_UNVOUCHED 5

/* help.c */
int cmd_help(const struct args *args);
int cmd_version(const struct args *args);

/* store.c */
int cmd_put(const struct args *args);
int cmd_get(const struct args *args);

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

/* Whether a directory, by its path from an open one, has chunks as a store does; a link in their place is none. */
bool is_store(int directory, const char *path);

/* A layout as --layout has it. */
const char *layout_name(const pxds_store *store);

/* Opens the store for a command on snapshots. One that changes nothing makes do without chunks, with a warning.
   NULL: it was said why not. */
pxds_store *open_tree(const struct args *args, bool changes);

/* Whether open_tree() has warned: what can be seen of the store may not be all. */
bool may_be_no_store(void);

/* init.c */
int cmd_init(const struct args *args);
/* index.c */
int cmd_index(const struct args *args);
int cmd_chunk(const struct args *args);
/* blob.c */
int cmd_blob(const struct args *args);
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

/* A signature as --json names it. */
const char *signature_name(uint32_t signature);

/* list.c */
enum { SORT_BY_NAME, SORT_NEWEST_FIRST, SORT_OLDEST_FIRST }; /* values of --sort */

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

/* pick.c: which snapshots and groups an operand stands for. */

/* Gives the path below the store of a SNAPSHOT, or of a SNAPSHOT or GROUP, to be freed. NULL: it was said why not. */
char *pick_snapshot(const struct args *args, const pxds_store *store, const char *text);
char *pick(const struct args *args, const pxds_store *store, const char *text, bool *is_group);

/* The path below the store of a namespace as --ns has it, which was checked; NULL is the root, whose path is empty. To
   be freed. NULL: it was said that there is no memory. */
char *namespace_path(const char *ns);

/* Whether it stands for all groups that fit. */
bool is_pattern(const char *text);

/* Groups by their paths; the longest of these has `width` characters. */
struct groups {
    char **paths;
    size_t count;
    int width;
    bool is_complete; /* all could be seen */
};

/* Gives the groups that fit, all if text is NULL: those of the namespace of --ns, and with `recursive` of those below
   it. That none fits is a failure, that there is none is not. Gives the exit status. To be freed in any case. */
int pick_groups(const struct args *args, const pxds_store *store, const char *text, bool recursive,
                struct groups *groups);
void free_groups(struct groups *groups);

/* The exit status of a command on groups that goes on where one has failed. rc: that of pick_groups(). */
int outcome_of_groups(int rc, const struct groups *groups, bool failed, bool done);

/* groups.c */
int cmd_groups(const struct args *args);
int cmd_owner(const struct args *args);

/* diff.c */
int cmd_diff(const struct args *args);

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

/* Print the members of what was counted, into the object that was begun. */
void json_stats_total(const pxds_stats *stats, const pxds_stats_total *total, bool exact);
void json_stats_group(const pxds_stats_group *group, bool exact);
void json_stats_snapshot(const pxds_stats_snapshot *snapshot, bool exact);

/* report.c */
int cmd_report(const struct args *args);
/* verify.c */
int cmd_verify(const struct args *args);
/* gc.c */
int cmd_gc(const struct args *args);

#endif
