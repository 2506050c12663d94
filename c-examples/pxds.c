/*
 * pxds: the command line tool, written on the public header alone.
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage.
 */
#define _XOPEN_SOURCE 700 /* POSIX.1-2008, with realpath() in older C libraries too */

#include <pxds.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- messages and the progress line, both on stderr ---- */

static double line_drawn; /* when the progress line was drawn last; 0: there is none */

static void clear_line(void)
{
    if (line_drawn > 0)
        fputs("\r\033[K", stderr);
    line_drawn = 0;
}

static void say(const char *format, ...)
{
    va_list values;

    clear_line();
    fputs("pxds: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

/* Reports an error of the library and frees it. */
static int fail(pxds_error *err)
{
    say("%s", err != NULL ? pxds_error_message(err) : "out of memory");
    pxds_error_free(err);
    return 1;
}

static int fail_errno(const char *what)
{
    say("%s: %s", what, strerror(errno));
    return 1;
}

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    (void)user;
    (void)path; /* the message names it */
    if (level >= PXDS_NOTICE_WARNING)
        say("warning: %s", message);
    return 0;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Whether the progress line may be drawn again: five times a second at most. */
static bool line_due(double t)
{
    if (t - line_drawn < 0.2)
        return false;
    line_drawn = t;
    return true;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static int32_t on_create(void *user, const pxds_progress *progress)
{
    (void)user;
    if (line_due(now()))
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " directories\033[K", progress->done,
                progress->total);
    return 0;
}

struct meter {
    double start;
    uint64_t size;
    uint64_t known; /* the part of size that the store had already */
};

static int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    struct meter *meter = user;
    const double mib = 1024.0 * 1024.0;
    double t = now(), done;

    meter->size += chunk->size;
    if (chunk->existed)
        meter->known += chunk->size;
    done = (double)meter->size / mib;
    if (line_due(t))
        fprintf(stderr, "\r%.1f MiB, %.1f MiB/s, %.1f %% deduplicated\033[K", done,
                done / (t - meter->start), percent(meter->known, meter->size));
    return 0;
}

/* ---- the command line ---- */

enum option_id {
    OPT_AVG,
    OPT_COMPRESS,
    OPT_ENTRIES,
    OPT_JSON,
    OPT_LAYOUT,
    OPT_NO_COMPRESS,
    OPT_SYNC,
    OPT_COUNT
};
#define BIT(option) (1u << (option))

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

static const struct option {
    const char *name;
    const char *value;        /* how help shows the value; NULL: it takes none */
    const struct word *words; /* the values it takes; NULL: a number of bytes */
    const char *help;
} option_table[OPT_COUNT] = {
    [OPT_AVG] = {"avg", "BYTES", NULL, "average chunk size, such as 64K; 4M if not given"},
    [OPT_COMPRESS] = {"compress", NULL, NULL, "compress, if that makes it smaller"},
    [OPT_ENTRIES] = {"entries", NULL, NULL, "also a line 'I START END DIGEST' for each chunk"},
    [OPT_JSON] = {"json", NULL, NULL, "print the summary as JSON"},
    [OPT_LAYOUT] = {"layout", "hex2|hex4", layouts, "256 or 65536 chunk directories"},
    [OPT_NO_COMPRESS] = {"no-compress", NULL, NULL, "store the chunks uncompressed"},
    [OPT_SYNC] = {"sync", "none|file|filesystem", syncs,
                  "how chunks are made durable; filesystem if not given"},
};

struct args {
    const struct command *command;
    const char *operand[3]; /* NULL where there is none */
    int operands;
    uint64_t option[OPT_COUNT]; /* 0, the library's default everywhere, where not given */
};

struct command {
    const char *name;
    const char *operands;
    int min, max;   /* how many of them */
    unsigned takes; /* which options, as BIT()s */
    const char *summary;
    const char *help;
    int (*run)(const struct args *args);
};

/* command: NULL where none was recognised. */
static int usage_error(const struct command *command, const char *format, ...)
{
    const char *name = command != NULL ? command->name : "";
    va_list values;

    fprintf(stderr, "pxds: %s%s", name, command != NULL ? ": " : "");
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\nTry 'pxds %s%s--help'.\n", name, command != NULL ? " " : "");
    return 2;
}

static void command_help(const struct command *command)
{
    printf("usage: pxds %s %s%s\n\n%s\noptions:\n", command->name, command->operands,
           command->takes != 0 ? " [options]" : "", command->help);
    for (int i = 0; i < OPT_COUNT; i++) {
        char left[40];

        if ((command->takes & BIT(i)) == 0)
            continue;
        snprintf(left, sizeof left, "--%s %s", option_table[i].name,
                 option_table[i].value != NULL ? option_table[i].value : "");
        printf("  %-28s %s\n", left, option_table[i].help);
    }
    printf("  %-28s %s\n", "-h, --help", "show this text");
}

/* A number of bytes above 0, as digits with K or M after them if wished. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
    uint64_t unit = 1;
    char *end;

    errno = 0;
    *bytes = strtoull(text, &end, 10);
    if (*end == 'K' || *end == 'M')
        unit = *end++ == 'K' ? 1024 : 1024 * 1024;
    /* strtoull() itself would take a sign and white space too. */
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || *bytes == 0 ||
        *bytes > UINT64_MAX / unit)
        return false;
    *bytes *= unit;
    return true;
}

static bool parse_value(const struct option *option, const char *text, uint64_t *value)
{
    if (option->words == NULL)
        return parse_bytes(text, value);
    for (const struct word *word = option->words; word->name != NULL; word++)
        if (strcmp(word->name, text) == 0) {
            *value = word->value;
            return true;
        }
    return false;
}

/* The option that text names, as far as a '=' if it has one; OPT_COUNT if there is no such. */
static int find_option(const struct command *command, const char *text)
{
    int i;

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
    const char *value = strchr(argv[0], '=');

    if (i == OPT_COUNT)
        return usage_error(args->command, "unknown option '%s'", argv[0]);
    if (option->value == NULL) {
        args->option[i] = 1;
        return value != NULL ? usage_error(args->command, "--%s takes no value", option->name) : 0;
    }
    if (value != NULL) {
        value++;
    } else {
        value = argv[1];
        *used = 2;
    }
    if (value == NULL)
        return usage_error(args->command, "--%s needs a value", option->name);
    if (!parse_value(option, value, &args->option[i]))
        return usage_error(args->command, "--%s: '%s' is not %s%s", option->name, value,
                           option->words != NULL ? "one of " : "a number of ",
                           option->words != NULL ? option->value : "bytes");
    return 0;
}

/* argv: what follows the command's name, with a NULL at the end. */
static int run_command(const struct command *command, char **argv)
{
    struct args args = {.command = command};
    bool only_operands = false;

    for (int used; argv[0] != NULL; argv += used) {
        const char *arg = argv[0];

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
    if (args.operands < command->min)
        return usage_error(command, "operands needed: %s", command->operands);
    return command->run(&args);
}

/* ---- files ---- */

static bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

static const char *input_name(const char *path)
{
    return is_dash(path) ? "standard input" : path;
}

/* Opens a file, or stdin for "-", to read. -1: it was reported why not. */
static int open_input(const char *path)
{
    int fd = is_dash(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        fail_errno(input_name(path));
        return -1;
    }
    if (S_ISDIR(st.st_mode)) {
        say("%s: is a directory; pxds reads files (tar makes one of a directory)",
            input_name(path));
        close(fd);
        return -1;
    }
    return fd;
}

/* Doubles a buffer of *capacity bytes; NULL, with the old one freed, if there is no memory. */
static uint8_t *grow(uint8_t *data, size_t *capacity)
{
    uint8_t *bigger = *capacity <= SIZE_MAX / 2 ? realloc(data, *capacity * 2) : NULL;

    if (bigger == NULL)
        free(data);
    else
        *capacity *= 2;
    return bigger;
}

/* Reads all of a file, if that is no more than a blob may have. NULL: it was reported why not. */
static uint8_t *read_input(const char *path, size_t *len)
{
    size_t capacity = 64 * 1024, fill = 0;
    int fd = open_input(path);
    uint8_t *data;
    ssize_t n = 0;

    if (fd < 0)
        return NULL;
    data = malloc(capacity);
    while (data != NULL && (n = read(fd, data + fill, capacity - fill)) > 0) {
        fill += (size_t)n;
        if (fill > PXDS_BLOB_MAX_ENCODED_SIZE)
            break;
        if (fill == capacity)
            data = grow(data, &capacity);
    }
    if (data == NULL)
        fail(NULL);
    else if (n < 0)
        fail_errno(input_name(path));
    else if (n > 0)
        say("%s: longer than a blob may be (%ld bytes)", input_name(path),
            (long)PXDS_BLOB_MAX_ENCODED_SIZE);
    close(fd);
    *len = fill;
    if (n == 0)
        return data;
    free(data);
    return NULL;
}

static bool write_file(const char *path, int flags, const uint8_t *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = file != NULL && fwrite(data, 1, len, file) == len;

    if (file != NULL && fclose(file) != 0)
        good = false;
    return good;
}

/* Writes to a file, whose name appears only when all is there, or to stdout for "-". */
static int write_output(const char *path, const uint8_t *data, size_t len)
{
    size_t temporary_size = strlen(path) + 32;
    char *temporary;
    struct stat st;
    int rc = 0;

    if (is_dash(path))
        return fwrite(data, 1, len, stdout) == len ? 0 : fail_errno("standard output");
    /* A device or pipe must be written to, not replaced. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return write_file(path, 0, data, len) ? 0 : fail_errno(path);
    temporary = malloc(temporary_size);
    if (temporary == NULL)
        return fail_errno(path);
    snprintf(temporary, temporary_size, "%s.%ld.tmp", path, (long)getpid());
    if (!write_file(temporary, O_CREAT | O_EXCL, data, len) || rename(temporary, path) != 0) {
        rc = fail_errno(path);
        unlink(temporary);
    }
    free(temporary);
    return rc;
}

/* The directory of a file, with links resolved, to be freed; NULL and errno if there is none. */
static char *directory_of(const char *path)
{
    char *copy = strdup(path), *slash, *directory;

    if (copy == NULL)
        return NULL;
    slash = strrchr(copy, '/');
    if (slash != NULL)
        slash[1] = '\0';
    directory = realpath(slash != NULL ? copy : ".", NULL);
    free(copy);
    return directory;
}

/* Whether a directory, with links resolved, is another one or lies in it. */
static bool lies_below(const char *directory, const char *other)
{
    char *real_other = realpath(other, NULL);
    size_t len = real_other != NULL ? strlen(real_other) : 0;
    bool below = real_other != NULL && strncmp(directory, real_other, len) == 0 &&
                 (directory[len] == '/' || directory[len] == '\0');

    free(real_other);
    return below;
}

/* ---- commands ---- */

static const char *hex(const uint8_t *digest)
{
    static char text[PXDS_DIGEST_HEX_SIZE];

    pxds_digest_to_hex(digest, text, sizeof text, NULL);
    return text;
}

static pxds_store_options store_options(const struct args *args)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;

    options.layout = (uint32_t)args->option[OPT_LAYOUT];
    options.sync = (uint32_t)args->option[OPT_SYNC];
    options.notice = on_notice;
    return options;
}

static int cmd_init(const struct args *args)
{
    pxds_store_options options = store_options(args);
    pxds_store *store = NULL;
    pxds_error *err = NULL;

    if (pxds_store_create(args->operand[0], &options, isatty(STDERR_FILENO) ? on_create : NULL,
                          NULL, &store, &err) < 0)
        return fail(err);
    clear_line();
    pxds_store_free(store);
    return 0;
}

static pxds_status print_chunk(uint64_t end, const uint8_t *data, size_t len, pxds_error **err)
{
    uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_status status = pxds_digest_compute(data, len, digest, err);

    if (status >= 0)
        printf("%" PRIu64 " %zu %s\n", end, len, hex(digest));
    return status;
}

static int print_chunks(pxds_chunker *chunker, int fd, const char *path)
{
    size_t capacity = 64 * 1024, start = 0, scanned = 0, fill = 0, used;
    uint8_t *data = malloc(capacity);
    pxds_status status = PXDS_OK;
    pxds_error *err = NULL;
    uint64_t end = 0;
    ssize_t n = 0;

    if (data == NULL)
        return fail(NULL);
    while (status >= 0 && !ferror(stdout)) {
        if (scanned == fill) { /* keep the open chunk and read on behind it */
            memmove(data, data + start, fill - start);
            fill -= start;
            scanned = fill;
            start = 0;
            if (fill == capacity && (data = grow(data, &capacity)) == NULL)
                return fail(NULL);
            n = read(fd, data + fill, capacity - fill);
            if (n <= 0)
                break;
            fill += (size_t)n;
        }
        status = pxds_chunker_scan(chunker, data + scanned, fill - scanned, &used, &err);
        scanned += used;
        if (status == PXDS_CUT) {
            end += scanned - start;
            status = print_chunk(end, data + start, scanned - start, &err);
            start = scanned;
        }
    }
    if (status >= 0 && n == 0 && fill > 0)
        status = print_chunk(end + fill, data, fill, &err);
    free(data);
    if (status < 0)
        return fail(err);
    return n < 0 ? fail_errno(input_name(path)) : 0;
}

static int cmd_chunk(const struct args *args)
{
    int fd = open_input(args->operand[0]), rc;
    pxds_chunker *chunker = NULL;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_error *err = NULL;

    if (fd < 0)
        return 1;
    if (pxds_chunker_config_init(&config, args->option[OPT_AVG], &err) < 0 ||
        pxds_chunker_new(&config, &chunker, &err) < 0)
        rc = fail(err);
    else
        rc = print_chunks(chunker, fd, args->operand[0]);
    pxds_chunker_free(chunker);
    close(fd);
    return rc;
}

static void print_summary(const pxds_ingest_stats *stats, const uint8_t *csum, bool json)
{
    if (json)
        printf("{\"size\":%" PRIu64 ",\"chunks\":%" PRIu64 ",\"new_chunks\":%" PRIu64
               ",\"stored_bytes\":%" PRIu64 ",\"csum\":\"%s\"}\n",
               stats->size, stats->chunks, stats->new_chunks, stats->stored_bytes, hex(csum));
    else
        printf("bytes: %" PRIu64 "\nchunks: %" PRIu64 "\nnew chunks: %" PRIu64
               "\nstored bytes: %" PRIu64 "\ndedup share: %.1f %%\n",
               stats->size, stats->chunks, stats->new_chunks, stats->stored_bytes,
               percent(stats->size - stats->new_size, stats->size));
}

static int cmd_put(const struct args *args)
{
    const char *store_path = args->operand[0], *index_path = args->operand[2];
    char *index_directory = directory_of(index_path);
    int fd, rc = 0;
    pxds_store_options options = store_options(args);
    pxds_ingest_options ingest_options = PXDS_INGEST_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    struct meter meter = {now(), 0, 0};
    pxds_index_writer *writer = NULL;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest *ingest = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;

    if (index_directory == NULL) /* said before the work, not behind it */
        return fail_errno(index_path);
    fd = open_input(args->operand[1]);
    if (fd < 0) {
        free(index_directory);
        return 1;
    }
    ingest_options.chunker = &config;
    if (args->option[OPT_NO_COMPRESS])
        ingest_options.flags = PXDS_INGEST_NO_COMPRESS;
    if (isatty(STDERR_FILENO)) {
        ingest_options.on_chunk = on_chunk;
        ingest_options.user = &meter;
    }
    if (pxds_store_open(store_path, &options, &store, &err) < 0 ||
        pxds_chunker_config_init(&config, args->option[OPT_AVG], &err) < 0 ||
        pxds_ingest_new(store, &ingest_options, &ingest, &err) < 0 ||
        pxds_ingest_read_fd(ingest, fd, &err) < 0 ||
        pxds_ingest_finish(ingest, &writer, &err) < 0 ||
        pxds_ingest_get_stats(ingest, &stats, &err) < 0 ||
        pxds_index_writer_get_info(writer, &info, &err) < 0 ||
        pxds_index_writer_save(writer, index_path, &err) < 0) {
        rc = fail(err);
    } else {
        clear_line();
        print_summary(&stats, info.csum, args->option[OPT_JSON] != 0);
        if (!lies_below(index_directory, pxds_store_path(store)))
            say("note: garbage collection protects only indexes below %s, %s is none of them",
                pxds_store_path(store), index_path);
    }
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
    close(fd);
    free(index_directory);
    return rc;
}

static int cmd_get(const struct args *args)
{
    const char *out = args->operand[2];
    pxds_store_options options = store_options(args);
    pxds_restorer *restorer = NULL;
    pxds_index *index = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (pxds_store_open(args->operand[0], &options, &store, &err) < 0 ||
        pxds_index_open(args->operand[1], PXDS_INDEX_ANY, &index, &err) < 0 ||
        pxds_restorer_new(store, NULL, &restorer, &err) < 0 ||
        (is_dash(out) ? pxds_restorer_write_fd(restorer, index, STDOUT_FILENO, NULL, &err)
                      : pxds_restorer_write_file(restorer, index, out, NULL, &err)) < 0)
        rc = fail(err);
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
    return rc;
}

static void print_index_info(const pxds_index_info *info, const uint8_t *computed)
{
    const bool fixed = info->kind == PXDS_INDEX_FIXED;
    const bool matches = memcmp(info->csum, computed, PXDS_DIGEST_SIZE) == 0;
    const time_t created = (time_t)info->ctime;
    char utc[64] = "no date";
    struct tm tm;

    if (gmtime_r(&created, &tm) != NULL)
        strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("kind: %s\nuuid: ", fixed ? "fixed" : "dynamic");
    for (int i = 0; i < 16; i++)
        printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", info->uuid[i]);
    printf("\nctime: %" PRId64 " (%s)\n", info->ctime, utc);
    printf("size: %" PRIu64 "\nchunks: %" PRIu64 "\n", info->size, info->count);
    if (fixed)
        printf("chunk size: %" PRIu64 "\n", info->chunk_size);
    printf("stored csum: %s\n", hex(info->csum));
    printf("computed csum: %s (%s)\n", hex(computed), matches ? "matches" : "DIFFERS");
}

static int cmd_index(const struct args *args)
{
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    uint8_t computed[PXDS_DIGEST_SIZE];
    pxds_index *index = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (pxds_index_open(args->operand[0], PXDS_INDEX_ANY, &index, &err) < 0 ||
        pxds_index_get_info(index, &info, &err) < 0 ||
        pxds_index_compute_csum(index, computed, NULL, &err) < 0)
        rc = fail(err);
    else
        print_index_info(&info, computed);
    for (uint64_t i = 0; rc == 0 && args->option[OPT_ENTRIES] && i < info.count; i++) {
        if (pxds_index_chunk(index, i, &chunk, &err) < 0)
            rc = fail(err);
        else
            printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", i, chunk.start, chunk.end,
                   hex(chunk.digest));
    }
    pxds_index_free(index);
    return rc;
}

static int blob_info(const uint8_t *blob, size_t len)
{
    static const char *const kinds[] = {"plain", "compressed", "encrypted",
                                        "encrypted compressed"};
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    pxds_error *err = NULL;
    pxds_status crc;

    if (pxds_blob_parse(blob, len, &info, &err) < 0)
        return fail(err);
    crc = pxds_blob_check_crc(blob, len, &err);
    if (crc < 0 && crc != PXDS_ERR_CORRUPT)
        return fail(err);
    pxds_error_free(err);
    printf("magic: ");
    for (size_t i = 0; i < sizeof info.magic; i++)
        printf("%02x", info.magic[i]);
    printf("\ncrc: %08" PRIx32 " (%s)\n", info.crc, crc < 0 ? "WRONG" : "ok");
    printf("flags: %s\n", kinds[info.flags & (PXDS_BLOB_COMPRESSED | PXDS_BLOB_ENCRYPTED)]);
    printf("crypt mode: %s\n", info.crypt_mode == PXDS_CRYPT_NONE ? "none" : "encrypt");
    printf("header: %" PRIu32 "\npayload: %" PRIu64 "\n", info.header_len, info.payload_len);
    return 0;
}

static int blob_code(bool encode, const struct args *args, const uint8_t *data, size_t len)
{
    const char *out = args->operands > 2 ? args->operand[2] : "-";
    uint32_t flags = args->option[OPT_COMPRESS] ? PXDS_BLOB_ENCODE_COMPRESS : 0;
    pxds_blob_codec *codec = NULL;
    pxds_buffer *result = NULL;
    pxds_error *err = NULL;
    int rc;

    if (pxds_blob_codec_new(NULL, &codec, &err) < 0 ||
        (encode ? pxds_blob_encode_buffer(codec, data, len, flags, &result, &err)
                : pxds_blob_decode_buffer(codec, data, len, 0, NULL, PXDS_BLOB_MAX_SIZE, &result,
                                          &err)) < 0)
        rc = fail(err);
    else
        rc = write_output(out, pxds_buffer_data(result), pxds_buffer_len(result));
    pxds_buffer_free(result);
    pxds_blob_codec_free(codec);
    return rc;
}

static int cmd_blob(const struct args *args)
{
    const char *action = args->operand[0];
    const bool encode = strcmp(action, "encode") == 0, info = strcmp(action, "info") == 0;
    uint8_t *data;
    size_t len;
    int rc;

    if (!encode && !info && strcmp(action, "decode") != 0)
        return usage_error(args->command, "'%s' is not encode, decode or info", action);
    if (info && args->operands > 2)
        return usage_error(args->command, "info takes no OUT");
    if (!encode && args->option[OPT_COMPRESS])
        return usage_error(args->command, "--compress goes with encode only");
    data = read_input(args->operand[1], &len);
    if (data == NULL)
        return 1;
    rc = info ? blob_info(data, len) : blob_code(encode, args, data, len);
    free(data);
    return rc;
}

static const struct command commands[] = {
    {"init", "STORE", 1, 1, BIT(OPT_LAYOUT), "create a store",
     "Creates the store STORE.\n", cmd_init},
    {"put", "STORE FILE INDEX", 3, 3,
     BIT(OPT_AVG) | BIT(OPT_NO_COMPRESS) | BIT(OPT_SYNC) | BIT(OPT_JSON),
     "store a file",
     "Stores what is new of FILE ('-': standard input) in STORE and writes INDEX, from\n"
     "which 'pxds get' restores the file. Garbage collection protects only indexes below\n"
     "the directory of the store.\n",
     cmd_put},
    {"get", "STORE INDEX OUT", 3, 3, 0, "restore a file",
     "Restores the file of INDEX from STORE into OUT ('-': standard output). The name OUT\n"
     "appears only when the file is whole.\n",
     cmd_get},
    {"index", "INDEX", 1, 1, BIT(OPT_ENTRIES), "show an index",
     "Shows the header of INDEX and whether its checksum is that of its entries.\n", cmd_index},
    {"chunk", "FILE", 1, 1, BIT(OPT_AVG), "show how a file is cut into chunks",
     "Prints a line 'END SIZE DIGEST' for each chunk of FILE ('-': standard input).\n"
     "END is the offset after its last byte, DIGEST the SHA-256 of its bytes.\n",
     cmd_chunk},
    {"blob", "encode|decode|info IN [OUT]", 2, 3, BIT(OPT_COMPRESS),
     "encode, decode or show a blob",
     "encode  makes a blob of the bytes of IN\n"
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
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
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

int main(int argc, char **argv)
{
    int rc;

    /* A closed standard stream must not become the number of a store's file. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return 1;
    rc = run(argc, argv);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0) {
        say("standard output: %s", errno != 0 ? strerror(errno) : "write error");
        rc = 1;
    }
    return rc;
}
