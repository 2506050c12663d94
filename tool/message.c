/* What the tool says on stderr: errors, warnings, notes; as lines for people or as JSON for a log. */
#include "tool.h"

enum level { ERROR, WARNING, NOTE };

static bool quiet, verbose, as_json, in_colour;
static bool has_failed_otherwise; /* than by a lock that others hold */
static bool was_busy;
static bool could_wait; /* with --wait, which was not given */
static bool stopped_for_output;

void heed_common_options(const struct args *args)
{
    const struct value *option = args->option;
    const char *no_color = getenv("NO_COLOR");

    quiet = option[OPT_QUIET].given;
    verbose = option[OPT_VERBOSE].given && !quiet;
    as_json = option[OPT_LOG_JSON].given;
    in_colour = option[OPT_COLOR].number == COLOR_ALWAYS ||
                (option[OPT_COLOR].number == COLOR_AUTO && (no_color == NULL || *no_color == '\0') &&
                 isatty(STDERR_FILENO));
    could_wait = args->command != NULL && has_option(args->command, OPT_WAIT) && !option[OPT_WAIT].given;
    /* Nothing but JSON is in a log of JSON. */
    if (option[OPT_PROGRESS].given)
        set_progress(as_json && option[OPT_PROGRESS].number == PROGRESS_ALWAYS ? PROGRESS_JSON
                                                                              : option[OPT_PROGRESS].number);
    else
        set_progress(quiet || as_json ? PROGRESS_NEVER : PROGRESS_AUTO);
}

bool is_quiet(void)
{
    return quiet;
}

const char *flush_output(void)
{
    static int error;

    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && error == 0)
        error = errno != 0 ? errno : -1;
    return error == 0 ? NULL : error > 0 ? strerror(error) : "write error";
}

bool stop_for_output(void)
{
    stopped_for_output = stopped_for_output || ferror(stdout);
    return stopped_for_output;
}

int end_output(bool is_done, int rc)
{
    static bool told;
    const char *error = flush_output();

    if (error == NULL || told)
        return rc;
    told = true;
    if (stopped_for_output)
        say("standard output: %s; the command has stopped there, before all was done", error);
    else if (is_done && (rc == 0 || rc > EXIT_BUSY))
        say("standard output: %s; all was done, but what was printed of it is not whole", error);
    else
        say("standard output: %s", error);
    return rc == 0 || rc > EXIT_BUSY ? 1 : rc;
}

static void put_member(const char *name, const char *text)
{
    fprintf(stderr, ",\"%s\":", name);
    if (text != NULL)
        put_json_string(stderr, text, strlen(text));
    else
        fputs("null", stderr);
}

/* path, status: NULL where it is about none. */
static void tell(enum level level, const char *path, const char *status, const char *format, va_list values)
{
    static const char *const names[] = {"error", "warning", "info"};
    static const char *const colours[] = {"\033[31m", "\033[33m", ""};
    static const char *const words[] = {"", "warning: ", "note: "};
    const char *colour = in_colour ? colours[level] : "";
    char some[1024], *text = format_text(some, sizeof some, format, values);

    /* Where both streams are one file what was printed before stands before; but a line of JSON stays whole. */
    if (!is_in_json())
        flush_output();
    clear_line();
    if (as_json) {
        fprintf(stderr, "{\"level\":\"%s\"", names[level]);
        put_member("message", text);
        put_member("path", path);
        put_member("status", status);
        fputs("}\n", stderr);
    } else {
        fprintf(stderr, "%spxds: %s%s", colour, words[level], *colour != '\0' ? "\033[0m" : "");
        put_safely(stderr, text, strlen(text), "");
        fputc('\n', stderr);
    }
    if (text != some)
        free(text);
}

static void tell_of(enum level level, const char *path, const char *status, const char *format, ...)
    LIKE_PRINTF(4, 5);

static void tell_of(enum level level, const char *path, const char *status, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    tell(level, path, status, format, values);
    va_end(values);
}

void say(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    tell(ERROR, NULL, NULL, format, values);
    has_failed_otherwise = true;
    va_end(values);
}

void say_more(const char *format, ...)
{
    va_list values;

    if (as_json)
        return;
    va_start(values, format);
    print_safely(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

void warn(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    tell(WARNING, NULL, NULL, format, values);
    va_end(values);
}

void note(const char *format, ...)
{
    va_list values;

    if (quiet)
        return;
    va_start(values, format);
    tell(NOTE, NULL, NULL, format, values);
    va_end(values);
}

void detail(const char *format, ...)
{
    va_list values;

    if (!verbose)
        return;
    va_start(values, format);
    tell(NOTE, NULL, NULL, format, values);
    va_end(values);
}

int fail(pxds_error *err)
{
    return fail_with(NULL, err);
}

int fail_with(const char *name, pxds_error *err)
{
    const pxds_status status = err != NULL ? pxds_error_status(err) : PXDS_ERR_NOMEM;

    /* Nobody reads any more: a filter ends without a word, unless it is told to go on. */
    if (pxds_error_errno(err) == EPIPE)
        raise(SIGPIPE);
    /* What a signal has stopped ends by the signal, of which release_signals() tells. */
    if (stop_signal() == 0 || (err != NULL && status != PXDS_ERR_CANCELLED))
        tell_of(ERROR, pxds_error_path(err), pxds_status_name(status), "%s%s%s", name != NULL ? name : "",
                name != NULL ? ": " : "", err != NULL ? pxds_error_message(err) : "out of memory");
    pxds_error_free(err);
    if (status == PXDS_ERR_BUSY && could_wait)
        note("--wait DURATION waits for locks of others");
    could_wait = could_wait && status != PXDS_ERR_BUSY;
    count_failure(status);
    return failed_status();
}

void count_failure(pxds_status status)
{
    if (status == PXDS_ERR_BUSY)
        was_busy = true;
    else
        has_failed_otherwise = true;
}

int fail_errno(const char *what)
{
    has_failed_otherwise = true;
    tell_of(ERROR, what, NULL, "%s: %s", what, strerror(errno));
    return 1;
}

int failed_status(void)
{
    return was_busy && !has_failed_otherwise ? EXIT_BUSY : 1;
}

/* Whether a message was told already. Of very many some are forgotten, and told again. */
static bool was_told(const char *message)
{
    static uint64_t told[4096]; /* hashes, FNV-1a */
    uint64_t hash = UINT64_C(0xcbf29ce484222325), *place;

    for (; *message != '\0'; message++)
        hash = (hash ^ (unsigned char)*message) * UINT64_C(0x100000001b3);
    place = &told[hash % (sizeof told / sizeof told[0])];
    if (*place == hash)
        return true;
    *place = hash;
    return false;
}

/* The part of a message by which it counts as told: the cause in "X is skipped: cannot open X", so that "X is not
   counted: cannot open X" is no news. It is the whole message if that names no cause, or begins with something other
   than X, the path that the cause is about. */
static const char *cause_in(const char *message, const char *path)
{
    const char *colon = strstr(message, ": ");
    const char *named = path != NULL ? strstr(message, path) : NULL;
    const char *slash = strchr(message, '/');

    if (colon == NULL || named == NULL || strstr(colon, path) == NULL)
        return message;
    return slash > colon || slash == named ? colon + 2 : message;
}

int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    const bool is_warning = level >= PXDS_NOTICE_WARNING;

    (void)user;
    /* The library tells of what is in its way whenever it meets it. The message names the path too. */
    if ((is_warning || verbose) && !was_told(cause_in(message, path)))
        tell_of(is_warning ? WARNING : NOTE, path, NULL, "%s", message);
    return stop_signal();
}
