/* What the values of options mean: numbers, sizes, durations, times, words. */
#include "tool.h"

#include <limits.h>
#include <strings.h>

/* What the library takes at most: threads, and minutes of a cutoff. */
enum { THREADS_MAX = 1024, CUTOFF_MAX = 2880 };

/* Digits alone: strtoull() itself would take a sign and white space too. */
static bool parse_number(const char *text, uint64_t *number, char **end)
{
    errno = 0;
    *number = strtoull(text, end, 10);
    return *text >= '0' && *text <= '9' && errno == 0;
}

static bool parse_up_to(const char *text, uint64_t max, uint64_t *number)
{
    char *end;

    return parse_number(text, number, &end) && *end == '\0' && *number <= max;
}

/*
 * The digits behind a point, as part of 1 << shift: exactly, or not at all. With trailing zeros gone,
 * `digits` of n figures is a whole number of units only if 5^n divides it; then it is odd, so that
 * 1 << shift has to have the n twos.
 */
static bool parse_fraction(const char *text, unsigned shift, uint64_t *part, char **end)
{
    uint64_t digits;
    size_t n;

    if (!parse_number(text, &digits, end) || *end - text > 18)
        return false;
    for (n = (size_t)(*end - text); n > 0 && digits % 10 == 0; n--)
        digits /= 10;
    if (n > shift)
        return false;
    shift -= (unsigned)n;
    for (; n > 0 && digits % 5 == 0; n--)
        digits /= 5;
    *part = digits << shift;
    return n == 0;
}

/* The power of two that a unit stands for: "", B, K or KiB and so on up to E, in either case. */
static bool parse_unit(const char *text, unsigned *shift)
{
    static const char letters[] = "KMGTPE";
    const char *letter = NULL;

    *shift = 0;
    for (size_t i = 0; letters[i] != '\0'; i++)
        if (strncasecmp(text, &letters[i], 1) == 0) {
            letter = &letters[i];
            *shift = (unsigned)(i + 1) * 10;
        }
    if (letter == NULL)
        return text[0] == '\0' || strcasecmp(text, "B") == 0;
    return text[1] == '\0' || strcasecmp(text + 1, "iB") == 0;
}

/* A number of bytes, such as 1000, 64K, 64KiB or 1.5G. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
    const char *unit = text + strspn(text, "0123456789.");
    uint64_t part = 0;
    unsigned shift;
    char *end;

    if (!parse_number(text, bytes, &end) || !parse_unit(unit, &shift) ||
        *bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    if (*end == '.' && !parse_fraction(end + 1, shift, &part, &end))
        return false;
    *bytes += part; /* which is less than 1 << shift */
    return end == unit;
}

/* Seconds, or numbers with units, such as 90s, 15m, 1h30m, 2d or 4w. */
static bool parse_duration(const char *text, uint64_t *seconds)
{
    static const char letters[] = "smhdw";
    static const uint64_t units[] = {1, 60, 3600, 86400, 7 * 86400};
    const uint64_t max = INT64_MAX / 1000; /* milliseconds can be made of it */
    const char *letter;
    uint64_t number;
    char *end;

    if (parse_up_to(text, max, seconds))
        return true;
    *seconds = 0;
    do {
        if (!parse_number(text, &number, &end) || *end == '\0')
            return false;
        letter = strchr(letters, *end);
        if (letter == NULL || number > (max - *seconds) / units[letter - letters])
            return false;
        *seconds += number * units[letter - letters];
        text = end + 1;
    } while (*text != '\0');
    return true;
}

/* A number of units, or a duration that is one. */
static bool parse_whole(const char *text, uint64_t unit, uint64_t max, uint64_t *number)
{
    if (parse_up_to(text, max, number))
        return true;
    if (!parse_duration(text, number) || *number % unit != 0)
        return false;
    *number /= unit;
    return *number <= max;
}

/* ---- times ---- */

/* Exactly `count` digits, as a number. */
static bool take_digits(const char **text, int count, int *number)
{
    for (*number = 0; count > 0; count--, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *number = *number * 10 + (**text - '0');
    }
    return true;
}

static bool take(const char **text, char c)
{
    const bool there = **text == c;

    *text += there;
    return there;
}

/* A date, with or without the time of day: 2026-11-30, 2026-11-30T12:00, 2026-11-30 12:00:05. */
static bool take_date(const char **text, struct tm *tm)
{
    if (!take_digits(text, 4, &tm->tm_year) || !take(text, '-') ||
        !take_digits(text, 2, &tm->tm_mon) || !take(text, '-') ||
        !take_digits(text, 2, &tm->tm_mday))
        return false;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    if (!take(text, 'T') && !take(text, ' '))
        return **text == '\0';
    return take_digits(text, 2, &tm->tm_hour) && take(text, ':') &&
           take_digits(text, 2, &tm->tm_min) && (!take(text, ':') || take_digits(text, 2, &tm->tm_sec));
}

/* The offset from UTC at the end of a time, in seconds. */
static bool take_offset(const char **text, int *seconds)
{
    const bool west = **text == '-';
    int hours, minutes;

    *seconds = 0;
    if (take(text, 'Z'))
        return **text == '\0';
    if ((!take(text, '+') && !take(text, '-')) || !take_digits(text, 2, &hours))
        return false;
    take(text, ':');
    if (!take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return **text == '\0';
}

static bool same_fields(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
           a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

/* The date in UTC, as a number of seconds since 1970: days of 400 years from a first of March on. */
static int64_t utc_seconds(const struct tm *tm)
{
    const int64_t year = tm->tm_year + 1900 - (tm->tm_mon < 2);
    const int64_t of_year = (153 * ((tm->tm_mon + 10) % 12) + 2) / 5 + tm->tm_mday - 1;
    const int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719468;

    return days * 86400 + tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec;
}

/* Seconds since 1970, or a date; without an offset or Z it is the local one, as all clocks show it. */
static bool parse_time(const char *text, uint64_t *seconds)
{
    struct tm given = {.tm_isdst = -1}, real;
    int offset;
    time_t time;

    if (parse_up_to(text, INT64_MAX, seconds))
        return true;
    if (!take_date(&text, &given))
        return false;
    real = given;
    if (*text == '\0') {
        time = mktime(&real);
    } else if (take_offset(&text, &offset)) {
        time = (time_t)utc_seconds(&given);
        if (gmtime_r(&time, &real) == NULL)
            return false;
        time -= offset;
    } else {
        return false;
    }
    *seconds = (uint64_t)time;
    /* A date that no calendar has, and an hour that a change of clocks leaves out, become another. */
    return time >= 0 && same_fields(&given, &real);
}

/* ---- values of options ---- */

static bool parse_word(const struct word *words, const char *text, uint64_t *value)
{
    while (words->name != NULL && strcmp(words->name, text) != 0)
        words++;
    *value = words->value;
    return words->name != NULL;
}

static bool is_utf8(const char *text)
{
    uint32_t c = 0;

    for (size_t len = strlen(text), n; len > 0 && c != NO_CHAR; text += n, len -= n)
        n = read_char(text, len, &c);
    return c != NO_CHAR;
}

bool is_zone(const char *zone)
{
    pxds_prune_options options = PXDS_PRUNE_OPTIONS_INIT;

    options.zone = zone;
    return pxds_prune_mark(NULL, 0, &options, NULL, NULL) >= 0;
}

const char *parse_value(const struct option *option, const char *text, struct value *value)
{
    uint64_t *number = &value->number;

    value->given = true;
    value->text = text;
    switch (option->kind) {
    case UTF8:
        return is_utf8(text) ? NULL : "in UTF-8";
    case ZONE:
        return is_zone(text) ? NULL : "a time zone, such as Europe/Vienna";
    case NS:
        return *text == '\0' || pxds_namespace_check(text, NULL) >= 0 ? NULL : "a namespace, such as a/b";
    case SIZE:
        return parse_bytes(text, number) && *number > 0 ? NULL : "a number of bytes, such as 64K";
    case OFFSET:
        return parse_bytes(text, number) ? NULL : "a number of bytes, such as 64K";
    case COUNT:
        return parse_up_to(text, UINT64_MAX, number) ? NULL : "a number";
    case THREADS:
        return parse_up_to(text, THREADS_MAX, number) ? NULL : "a number of at most 1024";
    case DURATION:
        return parse_duration(text, number) ? NULL : "a number of seconds, or such as 90s, 15m, 1h, 30d, 2w";
    case MINUTES:
        return parse_whole(text, 60, CUTOFF_MAX, number) && *number > 0 ? NULL
                                                                       : "1 to 2880 minutes, or such as 90m, 2h";
    case DAYS:
        return parse_whole(text, 86400, UINT64_MAX, number) ? NULL : "a number of days, or such as 30d, 2w";
    case TIME:
        return parse_time(text, number) ? NULL : "a time, such as 2026-11-30T12:00, or seconds since 1970";
    case FD:
        return parse_up_to(text, INT_MAX, number) ? NULL : "the number of a descriptor";
    case WORD:
        return parse_word(option->words, text, number) ? NULL : option->value;
    default:
        return NULL;
    }
}
