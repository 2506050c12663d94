/* How far a command is: a line on a terminal that goes again, or JSON for a program, on stderr. */
#include "tool.h"

static uint64_t mode;
static bool hidden;
static double line_drawn; /* when the line was drawn last; 0: there is none */

/* The latest report for --progress json, and whether it is still to be written: between two that are due reports are
   passed over, but not the last one of a phase. */
static struct {
    const char *phase, *archive; /* NULL: it is none's */
    uint64_t done, total, bytes;
    double written;
    bool is_pending;
} latest;

void set_progress(uint64_t wanted)
{
    mode = wanted;
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void hide_line_beside(const char *out)
{
    hidden = is_dash(out) && isatty(STDOUT_FILENO);
}

void clear_line(void)
{
    if (line_drawn > 0)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    line_drawn = 0;
}

/* Five times a second at most. */
static bool is_due(double t)
{
    if (hidden || mode == PROGRESS_NEVER || mode == PROGRESS_JSON || t - line_drawn < 0.2 ||
        (mode == PROGRESS_AUTO && !isatty(STDERR_FILENO)))
        return false;
    line_drawn = t;
    return true;
}

/* An object on a line of its own. */
static void write_json(void)
{
    fprintf(stderr, "{\"phase\":\"%s\",\"archive\":", latest.phase);
    if (latest.archive != NULL)
        put_json_string(stderr, latest.archive, strlen(latest.archive));
    else
        fputs("null", stderr);
    fprintf(stderr, ",\"done\":%" PRIu64 ",\"total\":", latest.done);
    if (latest.total > 0 || strcmp(latest.phase, "end") == 0)
        fprintf(stderr, "%" PRIu64, latest.total);
    else
        fputs("null", stderr);
    fprintf(stderr, ",\"bytes\":%" PRIu64 "}\n", latest.bytes);
    latest.is_pending = false;
}

/* The first line of a phase, or of an archive, is written at once, and the last one in any case; between them those
   that are due, five times a second. */
static void tell_json(const char *phase, const char *archive, const pxds_progress *progress, double t)
{
    const bool begins = phase != latest.phase || archive != latest.archive;

    if (begins && latest.is_pending)
        write_json();
    latest.phase = phase;
    latest.archive = archive;
    latest.done = progress->done;
    latest.total = progress->total;
    latest.bytes = progress->bytes;
    latest.is_pending = true;
    if (begins || t - latest.written >= 0.2) {
        write_json();
        latest.written = t;
    }
}

void end_progress(bool done)
{
    if (mode != PROGRESS_JSON)
        return;
    if (latest.is_pending)
        write_json();
    latest.phase = done ? "end" : "failed";
    latest.archive = NULL;
    if (done && latest.done < latest.total)
        latest.done = latest.total; /* what was no longer there has not been counted */
    if (done)
        latest.total = latest.done;
    write_json();
}

int32_t show_progress(const char *phase, const pxds_progress *progress, const char *format, ...)
{
    const double t = now();
    va_list values;

    if (mode == PROGRESS_JSON)
        tell_json(phase, NULL, progress, t);
    if (!is_due(t))
        return stop_signal();
    fputc('\r', stderr);
    va_start(values, format);
    print_safely(stderr, format, values);
    va_end(values);
    fputs("\033[K", stderr);
    fflush(stderr);
    return stop_signal();
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

    if (mode == PROGRESS_JSON)
        tell_json("data", meter->name, progress, t);
    if (!is_due(t))
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
