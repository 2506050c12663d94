/* The command that checks whether all is there, and what it was: verify. */
#include "tool.h"

/* What is on its way to stdout. */
struct report {
    bool json;
    uint64_t rows; /* of the snapshot at hand */
};

static void print_place(const pxds_verify_damage *damage, bool json)
{
    const bool chunk = (damage->flags & PXDS_DAMAGE_CHUNK) != 0;

    if (!json && chunk)
        printf(", %" PRIu64 " bytes at %" PRIu64, damage->length, damage->offset);
    else if (json && chunk)
        printf(",\"offset\":%" PRIu64 ",\"length\":%" PRIu64 ",\"digest\":\"%s\"", damage->offset,
               damage->length, hex(damage->digest));
    else if (json)
        fputs(",\"offset\":null,\"length\":null,\"digest\":null", stdout);
}

/* Rows are printed as they come: there may be very many of them. */
static int32_t on_damage(void *user, const pxds_verify_damage *damage)
{
    struct report *report = user;

    clear_line();
    if (report->json) {
        /* What has been repaired is only counted. */
        if ((damage->flags & PXDS_DAMAGE_REPAIRED) != 0)
            return 0;
        if (report->rows++ == 0)
            printf("{\"snapshot\":\"%s\",\"ok\":false,\"errors\":[", damage->snapshot);
        else
            putchar(',');
        fputs("{\"archive\":", stdout);
        print_json(damage->archive, strlen(damage->archive));
        print_place(damage, true);
        fputs(",\"reason\":", stdout);
        print_json(damage->message, strlen(damage->message));
        putchar('}');
    } else {
        printf("%s ", damage->snapshot);
        print_text(damage->archive, strlen(damage->archive));
        print_place(damage, false);
        fputs(": ", stdout);
        print_text(damage->message, strlen(damage->message));
        puts((damage->flags & PXDS_DAMAGE_REPAIRED) != 0 ? " (repaired)" : "");
    }
    return ferror(stdout) ? 1 : stop_signal();
}

static const char *outcome_name(uint32_t outcome)
{
    switch (outcome) {
    case PXDS_OUTCOME_OK:
        return "ok";
    case PXDS_OUTCOME_FAILED:
        return "failed";
    case PXDS_OUTCOME_BUSY:
        return "in use";
    case PXDS_OUTCOME_GONE:
        return "removed";
    case PXDS_OUTCOME_UNVOUCHED:
        return "not vouched for";
    case PXDS_OUTCOME_UNFINISHED:
        return "unfinished";
    default:
        return "verified before";
    }
}

static bool was_skipped(uint32_t outcome)
{
    return outcome == PXDS_OUTCOME_BUSY || outcome == PXDS_OUTCOME_GONE ||
           outcome == PXDS_OUTCOME_RECENT || outcome == PXDS_OUTCOME_UNFINISHED;
}

/* The end of a snapshot's line: "ok" is null where nobody can say so. */
static void print_done_json(const struct report *report, const pxds_verify_done *done)
{
    if (report->rows == 0)
        printf("{\"snapshot\":\"%s\",\"ok\":%s,\"errors\":[", done->snapshot,
               done->outcome == PXDS_OUTCOME_OK ? "true" : "null");
    putchar(']');
    if (was_skipped(done->outcome))
        printf(",\"skipped\":\"%s\"", outcome_name(done->outcome));
    if (done->reason != NULL) {
        fputs(",\"unvouched\":", stdout);
        print_json(done->reason, strlen(done->reason));
    }
    printf(",\"repaired\":%" PRIu64 "}\n", done->repaired);
}

static int32_t on_done(void *user, const pxds_verify_done *done)
{
    struct report *report = user;

    clear_line();
    if (report->json) {
        print_done_json(report, done);
    } else {
        printf("%s %s%s", done->snapshot, was_skipped(done->outcome) ? "skipped: " : "",
               outcome_name(done->outcome));
        if (done->reason != NULL) {
            fputs(": ", stdout);
            print_text(done->reason, strlen(done->reason));
        }
        putchar('\n');
    }
    report->rows = 0;
    return ferror(stdout) ? 1 : 0;
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    (void)user;
    if (progress->phase == PXDS_VERIFY_PHASE_CHECK)
        draw_line("%" PRIu64 " of %" PRIu64 " snapshots, %.1f MiB", progress->done, progress->total,
                  (double)progress->bytes / (1024.0 * 1024.0));
    return stop_signal();
}

/* Says what was not simply good, and gives the exit status. */
static int sum_up(const pxds_verify_result *result)
{
    const uint64_t verified = result->ok + result->failed + result->unvouched;
    const uint64_t skipped = result->skipped + result->unfinished;

    if (result->failed > 0)
        say("%" PRIu64 " of %" PRIu64 " snapshot%s failed; of %" PRIu64 " chunk%s %" PRIu64
            " %s bad, %" PRIu64 " missing, %" PRIu64 " unreadable, %" PRIu64 " of these repaired",
            result->failed, verified, plural(verified, "s"), result->chunks,
            plural(result->chunks, "s"), result->bad, result->bad == 1 ? "is" : "are",
            result->missing, result->unreadable, result->repaired);
    if (result->unvouched > 0)
        say("%" PRIu64 " of %" PRIu64 " snapshot%s %s good as far as can be seen, but not signed with "
            "the key of --key",
            result->unvouched, verified, plural(verified, "s"), result->unvouched == 1 ? "is" : "are");
    if (result->unfinished > 0)
        say("%" PRIu64 " snapshot%s no manifest, and %s not verified", result->unfinished,
            result->unfinished == 1 ? " has" : "s have", result->unfinished == 1 ? "was" : "were");
    if (verified == 0)
        say("note: nothing was verified, %" PRIu64 " snapshot%s skipped", skipped,
            skipped == 1 ? " was" : "s were");
    if (result->failed > 0)
        return 1;
    if (result->unvouched > 0)
        return EXIT_UNVOUCHED;
    return result->unfinished > 0 || (result->flags & PXDS_RESULT_INCOMPLETE) != 0 ? EXIT_INCOMPLETE
                                                                                  : 0;
}

/* Gives the exit status. */
static int verify(const struct args *args, const pxds_store *store,
                  const pxds_verify_options *options)
{
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_error *err = NULL;
    const struct report *report = options->on_damage_user;
    pxds_status status;

    hold_signals();
    status = pxds_store_verify(store, args->operand[1], options, &result, &err);
    clear_line();
    if (report->json && report->rows > 0)
        puts("]}"); /* it was stopped in the middle of a snapshot */
    if (status >= 0 && report->json && (result.flags & PXDS_RESULT_INCOMPLETE) != 0)
        puts("{\"complete\":false}");
    return status < 0 ? fail(err) : sum_up(&result);
}

int cmd_verify(const struct args *args)
{
    const struct value *option = args->option;
    const char *from = option[OPT_REPAIR_FROM].text;
    pxds_verify_options options = PXDS_VERIFY_OPTIONS_INIT;
    struct report report = {option[OPT_JSON].given, 0};
    pxds_store *store = NULL, *other = NULL;
    pxds_key *key = NULL;
    int rc = check_key_options(args, false);

    if (rc == 0 && option[OPT_READ_ONLY].given && from != NULL)
        rc = usage_error(args->command, "--read-only and --repair-from exclude each other");
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    options.flags = (option[OPT_READ_ONLY].given ? PXDS_VERIFY_READ_ONLY : 0) |
                    (option[OPT_SKIP_VERIFIED].given ? PXDS_VERIFY_SKIP_VERIFIED : 0) |
                    (option[OPT_ALLOW_UNSIGNED].given ? PXDS_VERIFY_ALLOW_UNSIGNED : 0);
    options.skip_days = option[OPT_SKIP_VERIFIED].number;
    options.threads = (uint32_t)option[OPT_THREADS].number;
    options.key = key;
    options.on_damage = on_damage;
    options.on_done = on_done;
    options.progress = on_progress;
    options.on_damage_user = options.on_done_user = &report;
    store = open_store(args, args->operand[0], 0, NULL, &options);
    if (store != NULL && from != NULL)
        options.repair_from = other = open_store(args, from, 0, NULL, NULL);
    rc = store == NULL || (from != NULL && other == NULL) ? 1 : verify(args, store, &options);
    pxds_store_free(other);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}
