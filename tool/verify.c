/* The command that checks whether all is there, and what it was: verify. */
#include "tool.h"

/* What is on its way to stdout. */
struct report {
    bool json;
    bool begun;          /* the JSON of the snapshot at hand */
    uint64_t unreadable; /* snapshots of which something could not be read */
};

static void begin_json(struct report *report, const char *snapshot)
{
    if (report->begun)
        return;
    report->begun = true;
    json_begin();
    json_snapshot(snapshot);
    json_open("errors", '[');
}

/* "ok" is null where nobody can say so. */
static void end_json(struct report *report, const char *outcome, const char *reason, uint64_t repaired)
{
    json_close(']');
    if (strcmp(outcome, "ok") == 0 || strcmp(outcome, "failed") == 0)
        json_bool("ok", *outcome == 'o');
    else
        json_null("ok");
    json_text("outcome", outcome);
    json_text("reason", reason);
    json_number("repaired", repaired);
    json_end();
    report->begun = false;
}

static void json_damage(const pxds_verify_damage *damage)
{
    json_open(NULL, '{');
    json_text("archive", damage->archive);
    if ((damage->flags & PXDS_DAMAGE_CHUNK) != 0) {
        json_number("offset", damage->offset);
        json_number("length", damage->length);
        json_digest("digest", damage->digest);
    } else {
        json_null("offset");
        json_null("length");
        json_null("digest");
    }
    json_text("reason", damage->message);
    json_close('}');
}

static void print_damage(const pxds_verify_damage *damage)
{
    char text[SIZE_TEXT_MAX];

    printf("%s ", damage->snapshot);
    print_text(damage->archive, strlen(damage->archive));
    if ((damage->flags & PXDS_DAMAGE_CHUNK) != 0)
        printf(", %s at offset %" PRIu64, size_text(damage->length, text), damage->offset);
    fputs(": ", stdout);
    print_text(damage->message, strlen(damage->message));
    puts((damage->flags & PXDS_DAMAGE_REPAIRED) != 0 ? " (repaired)" : "");
}

/* Rows are printed as they come: there may be very many of them. */
static int32_t on_damage(void *user, const pxds_verify_damage *damage)
{
    struct report *report = user;

    clear_line();
    if (!report->json) {
        print_damage(damage);
    } else if ((damage->flags & PXDS_DAMAGE_REPAIRED) == 0) { /* what has been repaired is only counted */
        begin_json(report, damage->snapshot);
        json_damage(damage);
    }
    return stop_for_output() ? 1 : stop_signal();
}

/* In words for a person, and for a program. */
static const struct {
    const char *name, *json;
} outcomes[] = {
    [PXDS_OUTCOME_OK] = {"ok", "ok"},
    [PXDS_OUTCOME_FAILED] = {"failed", "failed"},
    [PXDS_OUTCOME_BUSY] = {"in use", "in_use"},
    [PXDS_OUTCOME_GONE] = {"removed", "removed"},
    [PXDS_OUTCOME_RECENT] = {"verified before", "verified_before"},
    [PXDS_OUTCOME_UNVOUCHED] = {"not vouched for", "unvouched"},
    [PXDS_OUTCOME_UNFINISHED] = {"unfinished", "unfinished"},
    [PXDS_OUTCOME_UNREADABLE] = {"unreadable", "unreadable"},
};

static bool was_skipped(uint32_t outcome)
{
    return outcome == PXDS_OUTCOME_BUSY || outcome == PXDS_OUTCOME_GONE ||
           outcome == PXDS_OUTCOME_RECENT || outcome == PXDS_OUTCOME_UNFINISHED;
}

/* Or is not known to be otherwise. */
static bool is_as_it_should_be(uint32_t outcome)
{
    return outcome == PXDS_OUTCOME_OK || (was_skipped(outcome) && outcome != PXDS_OUTCOME_UNFINISHED);
}

static int32_t on_done(void *user, const pxds_verify_done *done)
{
    struct report *report = user;

    clear_line();
    report->unreadable += done->outcome == PXDS_OUTCOME_UNREADABLE;
    if (report->json) {
        begin_json(report, done->snapshot);
        end_json(report, outcomes[done->outcome].json, done->reason, done->repaired);
    } else if (!is_quiet() || !is_as_it_should_be(done->outcome)) {
        printf("%s %s%s", done->snapshot, was_skipped(done->outcome) ? "skipped: " : "",
               outcomes[done->outcome].name);
        if (done->reason != NULL) {
            fputs(": ", stdout);
            print_text(done->reason, strlen(done->reason));
        }
        putchar('\n');
    }
    return stop_for_output() ? 1 : 0;
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    (void)user;
    if (progress->phase != PXDS_VERIFY_PHASE_CHECK)
        return show_progress("list", progress, "%" PRIu64 " snapshots", progress->done);
    return show_progress("check", progress, "%" PRIu64 " of %" PRIu64 " snapshots, %.1f MiB",
                         progress->done, progress->total,
                         (double)progress->bytes / (1024.0 * 1024.0));
}

/* Says what was not simply good, and gives the exit status. */
static int sum_up(const pxds_verify_result *result, uint64_t unreadable)
{
    const uint64_t verified = result->ok + result->failed + result->unvouched + unreadable;
    const uint64_t skipped = result->skipped + result->unfinished - unreadable;

    if (result->failed > 0)
        say("%" PRIu64 " of %" PRIu64 " snapshot%s failed; of %" PRIu64 " chunk%s %" PRIu64
            " %s bad, %" PRIu64 " missing, %" PRIu64 " unreadable, %" PRIu64 " of these repaired",
            result->failed, verified, plural(verified, "s"), result->chunks,
            plural(result->chunks, "s"), result->bad, result->bad == 1 ? "is" : "are",
            result->missing, result->unreadable, result->repaired);
    if (unreadable > 0)
        say("%" PRIu64 " of %" PRIu64 " snapshot%s could not be read whole, which is not noted as damage",
            unreadable, verified, plural(verified, "s"));
    if (result->unvouched > 0)
        say("%" PRIu64 " of %" PRIu64 " snapshot%s %s good as far as can be seen, but not signed with "
            "the key of --key",
            result->unvouched, verified, plural(verified, "s"), result->unvouched == 1 ? "is" : "are");
    if (result->unfinished > 0)
        say("%" PRIu64 " snapshot%s no manifest, and %s not verified", result->unfinished,
            result->unfinished == 1 ? " has" : "s have", result->unfinished == 1 ? "was" : "were");
    if (verified == 0)
        note("nothing was verified, %" PRIu64 " snapshot%s skipped", skipped,
            skipped == 1 ? " was" : "s were");
    if (result->failed > 0)
        return 1;
    if (result->unvouched > 0)
        return EXIT_UNVOUCHED;
    /* Of outcomes that are not noted there was a notice. */
    return result->unfinished > 0 || result->unnoted > 0 || (result->flags & PXDS_RESULT_INCOMPLETE) != 0
               ? EXIT_INCOMPLETE
               : 0;
}

/* what: nothing for all. Gives the exit status. */
static int verify(const char *what, const pxds_store *store, const pxds_verify_options *options)
{
    pxds_verify_result result = PXDS_VERIFY_RESULT_INIT;
    pxds_error *err = NULL;
    struct report *report = options->on_damage_user;
    pxds_status status;

    begin_changes();
    detail("checking %s", *what != '\0' ? what : "all snapshots");
    status = pxds_store_verify(store, what, options, &result, &err);
    clear_line();
    if (report->begun) /* it was stopped in the middle of a snapshot */
        end_json(report, "stopped", NULL, 0);
    if (status >= 0 && (result.flags & PXDS_RESULT_INCOMPLETE) == 0 && result.unnoted == 0)
        json_is_whole();
    if (status == PXDS_ERR_CANCELLED && stop_for_output()) { /* of which the end tells */
        pxds_error_free(err);
        return 1;
    }
    return status < 0 ? fail(err) : sum_up(&result, report->unreadable);
}

int cmd_verify(const struct args *args)
{
    const struct value *option = args->option;
    const char *from = option[OPT_REPAIR_FROM].text;
    pxds_verify_options options = PXDS_VERIFY_OPTIONS_INIT;
    struct report report = {option[OPT_JSON].given, false, 0};
    const char *wanted = args->operand[1];
    pxds_store *store = NULL, *other = NULL;
    pxds_key *key = NULL;
    char *what = NULL;
    bool is_group;
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
    if (store != NULL)
        what = wanted != NULL ? pick(args, store, wanted, &is_group) : namespace_path(option[OPT_NS].text);
    rc = store == NULL || (from != NULL && other == NULL) || what == NULL
             ? 1
             : verify(what, store, &options);
    free(what);
    pxds_store_free(other);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}
