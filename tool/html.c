/* Text for the page of `pxds report`. */
#include "report.h"

/* Room for `more` characters, and a NUL, at the end of a page. */
static bool has_room(struct page *out, size_t more)
{
    while (!out->failed && out->capacity - out->len <= more) {
        if (out->data == NULL)
            out->data = malloc(out->capacity = 64 * 1024);
        else
            out->data = (char *)grow((uint8_t *)out->data, &out->capacity);
        out->failed = out->data == NULL;
    }
    return !out->failed;
}

void put(struct page *out, const char *text)
{
    const size_t len = strlen(text);

    if (!has_room(out, len))
        return;
    memcpy(out->data + out->len, text, len);
    out->len += len;
}

void vputf(struct page *out, const char *format, va_list values)
{
    va_list again;
    int len;

    va_copy(again, values);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    out->failed |= len < 0;
    if (!has_room(out, (size_t)len))
        return;
    vsnprintf(out->data + out->len, (size_t)len + 1, format, values);
    out->len += (size_t)len;
}

void putf(struct page *out, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vputf(out, format, values);
    va_end(values);
}

/* Reads a character. What is none, or has no place in a page, is given as U+FFFD. */
static uint32_t next_char(const char **text)
{
    uint32_t c;

    *text += read_char(*text, strnlen(*text, 4), &c);
    return c == NO_CHAR || is_harmful(c) || (c & 0xfffe) == 0xfffe ? 0xfffd : c;
}

static void put_char(struct page *out, uint32_t c)
{
    switch (c) {
    case '&':
        put(out, "&amp;");
        return;
    case '<':
        put(out, "&lt;");
        return;
    case '>':
        put(out, "&gt;");
        return;
    case '"':
        put(out, "&quot;");
        return;
    case '\'':
        put(out, "&#39;");
        return;
    default:
        break;
    }
    if (c < 0x80) {
        putf(out, "%c", (int)c);
    } else if (c < 0x800) {
        putf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        putf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)),
             (int)(0x80 | (c & 0x3f)));
    } else {
        putf(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3f)),
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
static void put_without(struct page *out, const char *text, size_t from, size_t to)
{
    for (size_t i = 0; *text != '\0'; i++) {
        const uint32_t c = next_char(&text);

        if (i == from && from < to)
            put(out, "...");
        if (i < from || i >= to)
            put_char(out, c);
    }
}

void put_text(struct page *out, const char *text, size_t max)
{
    const size_t count = count_chars(text);

    put_without(out, text, count > max ? max - 3 : count, count);
}

void put_short(struct page *out, const char *text, size_t max)
{
    const size_t count = count_chars(text), left = (max - 3) / 2;

    if (count <= max)
        put_without(out, text, count, count);
    else
        put_without(out, text, left, count - (max - 3 - left));
}

void put_size(struct page *out, uint64_t bytes)
{
    char text[SIZE_TEXT_MAX];

    put(out, size_text(bytes, text));
}

void put_date(struct page *out, int64_t seconds, const char *format)
{
    const time_t time = (time_t)seconds;
    char text[64];
    struct tm tm;

    if (gmtime_r(&time, &tm) != NULL && strftime(text, sizeof text, format, &tm) > 0)
        put(out, text);
}
