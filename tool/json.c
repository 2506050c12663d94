/*
 * The JSON of --json: an object on each line, made member by member. docs/json.md has its rules, and
 * docs/json a schema for each command.
 */
#include "tool.h"

static bool in_line;
static bool follows; /* something stands before in the same object or array */
static bool whole;   /* the command has told all that there is, however it ends */

/* name: NULL for an element of an array. */
static void begin_value(const char *name)
{
    printf(name != NULL ? "%s\"%s\":" : "%s", follows ? "," : "", name);
    follows = true;
}

void json_begin(void)
{
    putchar('{');
    follows = false;
    in_line = true;
}

void json_end(void)
{
    fputs("}\n", stdout);
    in_line = false;
}

bool is_in_json(void)
{
    return in_line;
}

void json_open(const char *name, char bracket)
{
    begin_value(name);
    putchar(bracket);
    follows = false;
}

void json_close(char bracket)
{
    putchar(bracket);
    follows = true;
}

void json_null(const char *name)
{
    json_text_of(name, NULL, 0);
}

void json_bool(const char *name, bool value)
{
    begin_value(name);
    fputs(value ? "true" : "false", stdout);
}

void json_number(const char *name, uint64_t value)
{
    begin_value(name);
    printf("%" PRIu64, value);
}

void json_factor(const char *name, double value)
{
    begin_value(name);
    printf("%.4f", value);
}

/* What is harmful needs an escape, and U+FFFD stands for what is no text. */
static void put_char(FILE *out, uint32_t c, const char *text, size_t len)
{
    if (c == NO_CHAR)
        fputs("\\ufffd", out);
    else if (is_harmful(c))
        fprintf(out, "\\u%04x", (unsigned)c);
    else
        fwrite(text, 1, len, out);
}

void put_json_string(FILE *out, const char *text, size_t len)
{
    fputc('"', out);
    for (size_t n; len > 0; text += n, len -= n) {
        uint32_t c;

        n = read_char(text, len, &c);
        if (c == '"' || c == '\\')
            fputc('\\', out);
        if (c == '\n')
            fputs("\\n", out);
        else
            put_char(out, c, text, n);
    }
    fputc('"', out);
}

void json_text_of(const char *name, const char *text, size_t len)
{
    begin_value(name);
    if (text != NULL)
        put_json_string(stdout, text, len);
    else
        fputs("null", stdout);
}

void json_text(const char *name, const char *text)
{
    json_text_of(name, text, text != NULL ? strlen(text) : 0);
}

void json_digest(const char *name, const uint8_t *digest)
{
    json_text(name, hex(digest));
}

void json_time(const char *name, int64_t seconds)
{
    const time_t time = (time_t)seconds;
    char text[64];
    struct tm tm;

    /* RFC 3339 knows the years 0000 to 9999. */
    if (seconds < INT64_C(-62167219200) || seconds > INT64_C(253402300799) || gmtime_r(&time, &tm) == NULL) {
        json_null(name);
    } else {
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        json_text(name, text);
    }
    snprintf(text, sizeof text, "%s_epoch", name);
    begin_value(text);
    printf("%" PRId64, seconds);
}

void json_no_time(const char *name)
{
    char epoch[64];

    snprintf(epoch, sizeof epoch, "%s_epoch", name);
    json_null(name);
    json_null(epoch);
}

/* Of the name of a snapshot's directory, which the library has checked. Without asking it again: there might be no
   memory for that. */
static int64_t epoch_of(const char *name)
{
    int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, days;

    sscanf(name, "%4d-%2d-%2dT%2d:%2d:%2dZ", &year, &month, &day, &hour, &minute, &second);
    /* A year begins in March, so that the day that not each has is its last. */
    year += month < 3 ? 399 : 400; /* nothing below rounds a negative number */
    days = year * 365 + year / 4 - year / 100 + year / 400;
    days += (153 * (month < 3 ? month + 9 : month - 3) + 2) / 5 + day - 1;
    days -= 719468 + 146097; /* from March 1st of the year -400 to 1970 */
    return ((days * INT64_C(24) + hour) * 60 + minute) * 60 + second;
}

void json_snapshot(const char *path)
{
    const char *slash = strrchr(path, '/');

    json_text("snapshot", path);
    json_text_of("group", path, slash != NULL ? (size_t)(slash - path) : 0);
    json_time("time", epoch_of(slash != NULL ? slash + 1 : path));
}

void json_ingested(const pxds_ingest_stats *stats, bool in_chunks)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"chunks", stats->chunks},
        {"new_chunks", stats->new_chunks},
        {"new_bytes", stats->new_bytes},
        {"stored_bytes", stats->stored_bytes},
    };

    json_number("size", stats->size);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (in_chunks)
            json_number(members[i].name, members[i].value);
        else
            json_null(members[i].name);
    }
}

void json_value(const char *name, const char *json, size_t len)
{
    bool in_string = false, is_escaped = false;

    begin_value(name);
    for (size_t n; len > 0; json += n, len -= n) {
        uint32_t c;

        n = read_char(json, len, &c);
        if (in_string || c == NO_CHAR || c > ' ')
            put_char(stdout, c, json, n);
        if (c == '"' && !is_escaped)
            in_string = !in_string;
        is_escaped = c == '\\' && !is_escaped;
    }
}

void print_json_text(const char *json, size_t len)
{
    for (size_t n; len > 0; json += n, len -= n) {
        uint32_t c;

        n = read_char(json, len, &c);
        if (c == '\n')
            putchar('\n');
        else
            put_char(stdout, c, json, n);
    }
}

int check_json_output(const struct args *args, const char *output)
{
    if (!args->option[OPT_JSON].given || !is_dash(output))
        return 0;
    return usage_error(args->command, "--json needs standard output for itself");
}

void json_is_whole(void)
{
    whole = true;
}

void json_finish(int status)
{
    if (status != 0 && !whole)
        puts("{\"complete\":false}");
}
