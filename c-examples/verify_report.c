/* Checks a store, a group or a snapshot, and reports each place that is damaged. Changes nothing. */
#include <pxds.h>

#include <inttypes.h>
#include <stdio.h>

/* A result other than 0 of a callback stops the call. */
static int32_t on_damage(void *user, const pxds_verify_damage *damage)
{
    FILE *report = user;

    fprintf(report, "%s/%s: ", damage->snapshot, damage->archive);
    if (damage->flags & PXDS_DAMAGE_CHUNK)
        fprintf(report, "%" PRIu64 " bytes at %" PRIu64 ": ", damage->length, damage->offset);
    fprintf(report, "%s\n", damage->message);
    return ferror(report);
}

static int32_t on_done(void *user, const pxds_verify_done *done)
{
    FILE *report = user;

    fprintf(report, "%s: %s\n", done->snapshot,
            done->outcome == PXDS_OUTCOME_OK       ? "good"
            : done->outcome == PXDS_OUTCOME_FAILED ? "damaged"
                                                  : "not checked");
    return ferror(report);
}

int main(int argc, char **argv)
{
    pxds_store_options reading = PXDS_STORE_OPTIONS_INIT;
    pxds_verify_options options = PXDS_VERIFY_OPTIONS_INIT;
    pxds_verify_result sums = PXDS_VERIFY_RESULT_INIT;
    pxds_error *err = NULL;
    pxds_store *store = NULL;
    int failed;

    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: verify_report STORE [GROUP|SNAPSHOT]\n");
        return 2;
    }
    reading.flags = PXDS_STORE_READ_ONLY;
    /* Else bad chunks are renamed, and the outcome is noted in the manifests. */
    options.flags = PXDS_VERIFY_READ_ONLY;
    options.on_damage = on_damage;
    options.on_done = on_done;
    options.on_damage_user = options.on_done_user = stdout;
    failed = pxds_store_open(argv[1], &reading, &store, &err) < 0 ||
             pxds_store_verify(store, argv[2], &options, &sums, &err) < 0;
    if (failed)
        fprintf(stderr, "verify_report: %s\n", pxds_error_message(err));
    else
        printf("snapshots: %" PRIu64 " good, %" PRIu64 " damaged, %" PRIu64 " not checked\n"
               "chunks: %" PRIu64 " checked, %" PRIu64 " bad, %" PRIu64 " missing\n",
               sums.ok, sums.failed, sums.skipped + sums.unfinished, sums.chunks, sums.bad,
               sums.missing);

    pxds_error_free(err);
    pxds_store_free(store);
    return failed ? 1 : sums.failed > 0 ? 3 : 0;
}
