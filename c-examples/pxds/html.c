/* Text for the page of `pxds report`. */
#include "report.h"

/*
 * Reads a character of UTF-8. What is none, or has no place in a page (controls, and those that
 * change the direction of what follows), is given as U+FFFD.
 */
static uint32_t next_char(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    const int more = p[0] < 0x80 ? 0 : p[0] < 0xc2 ? -1 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2
                     : p[0] < 0xf5 ? 3 : -1;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t c = more <= 0 ? p[0] : p[0] & (0x3fU >> more);

    *text += 1;
    if (more < 0)
        return 0xfffd;
    for (int i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (p[i] & 0x3f);
    }
    *text += more;
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c & 0xfffe) == 0xfffe)
        return 0xfffd;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
        (c >= 0x2028 && c < 0x202f) || (c >= 0x2066 && c < 0x206a))
        return 0xfffd;
    return c;
}

static void put_char(FILE *out, uint32_t c)
{
    switch (c) {
    case '&':
        fputs("&amp;", out);
        return;
    case '<':
        fputs("&lt;", out);
        return;
    case '>':
        fputs("&gt;", out);
        return;
    case '"':
        fputs("&quot;", out);
        return;
    case '\'':
        fputs("&#39;", out);
        return;
    default:
        break;
    }
    if (c < 0x80) {
        fputc((int)c, out);
    } else if (c < 0x800) {
        fprintf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        fprintf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)),
                (int)(0x80 | (c & 0x3f)));
    } else {
        fprintf(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3f)),
                (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
    }
}

static size_t count_chars(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; count++)
        next_char(&text);
    return count;
}

/* All characters but those from `from` to `to`, in whose place "..." stands. */
static void put_without(FILE *out, const char *text, size_t from, size_t to)
{
    for (size_t i = 0; *text != '\0'; i++) {
        const uint32_t c = next_char(&text);

        if (i == from && from < to)
            fputs("...", out);
        if (i < from || i >= to)
            put_char(out, c);
    }
}

void put_text(FILE *out, const char *text, size_t max)
{
    const size_t count = count_chars(text);

    put_without(out, text, count > max ? max - 3 : count, count);
}

void put_short(FILE *out, const char *text, size_t max)
{
    const size_t count = count_chars(text), left = (max - 3) / 2;

    if (count <= max)
        put_without(out, text, count, count);
    else
        put_without(out, text, left, count - (max - 3 - left));
}

void put_size(FILE *out, uint64_t bytes)
{
    char text[SIZE_TEXT_MAX];

    fputs(size_text(bytes, text), out);
}

void put_date(FILE *out, int64_t seconds, const char *format)
{
    const time_t time = (time_t)seconds;
    char text[64];
    struct tm tm;

    if (gmtime_r(&time, &tm) != NULL && strftime(text, sizeof text, format, &tm) > 0)
        fputs(text, out);
}
