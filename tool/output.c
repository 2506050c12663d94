/* What the tool says: messages and the progress line on stderr, and pieces of its output. */
#include "tool.h"

static double line_drawn; /* when the progress line was drawn last; 0: there is none */
static bool line_hidden;

bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

void hide_line_beside(const char *out)
{
    line_hidden = is_dash(out) && isatty(STDOUT_FILENO);
}

void clear_line(void)
{
    if (line_drawn > 0)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    line_drawn = 0;
}

void say(const char *format, ...)
{
    va_list values;

    clear_line();
    fputs("pxds: ", stderr);
    va_start(values, format);
    print_safely(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

int fail(pxds_error *err)
{
    /* Nobody reads any more: a filter ends without a word, unless it is told to go on. */
    if (pxds_error_errno(err) == EPIPE)
        raise(SIGPIPE);
    /* What a signal has stopped ends by the signal, which says enough. */
    if (stop_signal() == 0 || (err != NULL && pxds_error_status(err) != PXDS_ERR_CANCELLED))
        say("%s", err != NULL ? pxds_error_message(err) : "out of memory");
    pxds_error_free(err);
    return 1;
}

int fail_errno(const char *what)
{
    say("%s: %s", what, strerror(errno));
    return 1;
}

int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    (void)user;
    (void)path; /* the message names it */
    if (level >= PXDS_NOTICE_WARNING)
        say("warning: %s", message);
    return stop_signal();
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Whether the progress line may be drawn again: five times a second at most. */
static bool line_due(double t)
{
    if (line_hidden || t - line_drawn < 0.2 || !isatty(STDERR_FILENO))
        return false;
    line_drawn = t;
    return true;
}

void draw_line(const char *format, ...)
{
    va_list values;

    if (!line_due(now()))
        return;
    fputc('\r', stderr);
    va_start(values, format);
    print_safely(stderr, format, values);
    va_end(values);
    fputs("\033[K", stderr);
    fflush(stderr);
}

double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

int32_t on_chunk(void *user, const pxds_ingest_chunk *chunk)
{
    struct meter *meter = user;

    meter->size += chunk->size;
    if (chunk->existed)
        meter->known += chunk->size;
    return stop_signal();
}

int32_t on_bytes(void *user, const pxds_progress *progress)
{
    const struct meter *meter = user;
    const double mib = 1024.0 * 1024.0;
    double t = now(), done = (double)progress->bytes / mib;

    if (!line_due(t))
        return stop_signal();
    fputc('\r', stderr);
    if (meter->name != NULL)
        fprintf(stderr, "%s: ", meter->name);
    fprintf(stderr, "%.1f MiB", done);
    if (progress->total > 0)
        fprintf(stderr, ", %.1f %%", percent(progress->done, progress->total));
    if (t > meter->start)
        fprintf(stderr, ", %.1f MiB/s", done / (t - meter->start));
    if (meter->known > 0)
        fprintf(stderr, ", %.1f %% deduplicated", percent(meter->known, meter->size));
    fputs("\033[K", stderr);
    fflush(stderr);
    return stop_signal();
}

const char *hex(const uint8_t *digest)
{
    static char text[PXDS_DIGEST_HEX_SIZE];

    pxds_digest_format(digest, text, sizeof text, NULL);
    return text;
}

const char *plural(uint64_t count, const char *ending)
{
    return count == 1 ? "" : ending;
}

const char *size_text(uint64_t bytes, char *text)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes / 1024.0;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " B", bytes);
        return text;
    }
    /* What would be rounded to 1024 is 1 of the next. */
    for (; size >= 1023.5 && unit < 5; unit++)
        size /= 1024.0;
    snprintf(text, SIZE_TEXT_MAX, "%.*f %s", size < 9.995 ? 2 : size < 99.95 ? 1 : 0, size,
             units[unit]);
    return text;
}

void print_time(int64_t seconds)
{
    const time_t time = (time_t)seconds;
    char utc[64] = "no date";
    struct tm tm;

    if (gmtime_r(&time, &tm) != NULL)
        strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%" PRId64 " (%s)", seconds, utc);
}

size_t read_char(const char *text, size_t len, uint32_t *c)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    const size_t more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;

    *c = more == 0 ? p[0] : p[0] & (0x3fU >> more);
    for (size_t i = 1; i <= more && *c != NO_CHAR; i++)
        *c = i < len && (p[i] & 0xc0) == 0x80 ? *c << 6 | (p[i] & 0x3f) : NO_CHAR;
    if ((more > 0 && p[0] < 0xc2) || p[0] > 0xf4 || *c < least[more] || *c > 0x10ffff ||
        (*c >= 0xd800 && *c < 0xe000))
        *c = NO_CHAR;
    return *c == NO_CHAR ? 1 : more + 1;
}

bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c < 0x202f) || (c >= 0x2066 && c < 0x206a);
}

/* Quotes, backslashes and what is harmful need an escape, and U+FFFD stands for what is no text. */
static void put_json(const char *text, size_t len, const char *escaped)
{
    for (size_t n; len > 0; text += n, len -= n) {
        uint32_t c;

        n = read_char(text, len, &c);
        if (c == NO_CHAR)
            fputs("\\ufffd", stdout);
        else if (c == '\n' && *escaped != '\0')
            fputs("\\n", stdout);
        else if (c == '\n')
            putchar('\n');
        else if (is_harmful(c))
            printf("\\u%04x", (unsigned)c);
        else
            printf("%s%.*s", c < 0x80 && strchr(escaped, (int)c) != NULL ? "\\" : "", (int)n, text);
    }
}

void print_json(const char *text, size_t len)
{
    putchar('"');
    put_json(text, len, "\"\\");
    putchar('"');
}

void print_json_text(const char *json, size_t len)
{
    put_json(json, len, "");
}

/* A terminal must not be told what to do. */
static void put_safely(FILE *out, const char *text, size_t len, const char *kept)
{
    for (size_t n; len > 0; text += n, len -= n) {
        uint32_t c;

        n = read_char(text, len, &c);
        if (c != NO_CHAR && (!is_harmful(c) || (c != 0 && c < 0x20 && strchr(kept, (int)c) != NULL)))
            fwrite(text, 1, n, out);
        else if (c == NO_CHAR || c < 0x80)
            fprintf(out, "\\x%02x", (unsigned char)*text);
        else
            fprintf(out, "\\u{%x}", (unsigned)c);
    }
}

void print_text(const char *text, size_t len)
{
    put_safely(stdout, text, len, "");
}

void print_lines(const char *text, size_t len)
{
    put_safely(stdout, text, len, "\n\t");
}

void print_safely(FILE *out, const char *format, va_list values)
{
    char some[1024], *text = some;
    va_list again;
    int len;

    va_copy(again, values);
    len = vsnprintf(some, sizeof some, format, values);
    if (len >= (int)sizeof some) {
        text = malloc((size_t)len + 1);
        if (text != NULL)
            vsnprintf(text, (size_t)len + 1, format, again);
        else
            text = some; /* its beginning is better than nothing */
    }
    va_end(again);
    if (len >= 0)
        put_safely(out, text, strlen(text), "");
    if (text != some)
        free(text);
}
