/* Text for the page of `pxds report`. */
#include "report.h"

/* Reads a character. What is none, or has no place in a page, is given as U+FFFD. */
static uint32_t next_char(const char **text)
{
    uint32_t c;

    *text += read_char(*text, strnlen(*text, 4), &c);
    return c == NO_CHAR || is_harmful(c) || (c & 0xfffe) == 0xfffe ? 0xfffd : c;
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
