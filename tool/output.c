/* Pieces of what the tool prints. */
#include "tool.h"

bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
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

const char *in_units(uint64_t bytes, char *text)
{
    char size[SIZE_TEXT_MAX];

    snprintf(text, SIZE_TEXT_MAX, bytes < 1024 ? "" : " (%s)", size_text(bytes, size));
    return text;
}

const char *time_text(int64_t seconds, char *text)
{
    const time_t time = (time_t)seconds;
    char date[32], offset[8];
    struct tm tm;

    if (localtime_r(&time, &tm) == NULL || strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) == 0 ||
        strftime(offset, sizeof offset, "%z", &tm) != 5)
        snprintf(text, TIME_TEXT_MAX, "%" PRId64, seconds);
    else if (strcmp(offset, "+0000") == 0)
        snprintf(text, TIME_TEXT_MAX, "%sZ", date);
    else
        snprintf(text, TIME_TEXT_MAX, "%s%.3s:%s", date, offset, offset + 3);
    return text;
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

/* A terminal must not be told what to do. */
void put_safely(FILE *out, const char *text, size_t len, const char *kept)
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

int text_width(const char *text, size_t len)
{
    int width = 0;

    for (size_t at = 0, n; at < len; at += n) {
        uint32_t c;

        n = read_char(text + at, len - at, &c);
        if (c == NO_CHAR || (is_harmful(c) && c < 0x80))
            width += 4; /* \xff */
        else
            width += is_harmful(c) ? snprintf(NULL, 0, "\\u{%x}", (unsigned)c) : 1;
    }
    return width;
}

void print_padded(const char *text, int width)
{
    const size_t len = strlen(text);
    const int own = text_width(text, len);

    print_text(text, len);
    printf("%*s", width > own ? width - own : 0, "");
}

char *format_text(char *some, size_t size, const char *format, va_list values)
{
    char *text = NULL;
    va_list again;
    int len;

    va_copy(again, values);
    len = vsnprintf(some, size, format, values);
    if (len < 0)
        *some = '\0';
    else if ((size_t)len >= size && (text = malloc((size_t)len + 1)) != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text != NULL ? text : some;
}

void print_safely(FILE *out, const char *format, va_list values)
{
    char some[1024], *text = format_text(some, sizeof some, format, values);

    put_safely(out, text, strlen(text), "");
    if (text != some)
        free(text);
}
