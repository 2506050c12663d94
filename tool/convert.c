/* The layout of a store. */
#include "tool.h"

static void json_result(const struct args *args, const pxds_convert_result *result)
{
    json_begin();
    json_text("store", args->operand[0]);
    json_text("layout", args->operand[1]);
    json_bool("dry_run", args->option[OPT_DRY_RUN].given);
    json_number("moved_files", result->files);
    json_number("made_directories", result->made);
    json_number("removed_directories", result->removed);
    json_number("set_aside_files", result->set_aside);
    json_end();
}

static void print_result(const pxds_convert_result *result, bool dry_run)
{
    if (is_quiet() && !dry_run)
        return;
    printf("%s%" PRIu64 " file%s moved, %" PRIu64 " director%s made, %" PRIu64 " removed\n",
           dry_run ? "would be: " : "", result->files, plural(result->files, "s"), result->made,
           result->made == 1 ? "y" : "ies", result->removed);
    if (result->set_aside > 0)
        printf("%" PRIu64 " of the files %s there twice, and %s kept as .bad\n", result->set_aside,
               result->set_aside == 1 ? "was" : "were", result->set_aside == 1 ? "is" : "are");
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    static const struct {
        const char *name, *doing;
    } phases[] = {
        [PXDS_CONVERT_PHASE_LOOK] = {"look", "looking at directory"},
        [PXDS_CONVERT_PHASE_MAKE] = {"make", "making directory"},
        [PXDS_CONVERT_PHASE_MOVE] = {"move", "moving file"},
        [PXDS_CONVERT_PHASE_REMOVE] = {"remove", "removing directory"},
    };

    (void)user;
    if (progress->phase >= sizeof phases / sizeof phases[0])
        return stop_signal();
    return show_progress(phases[progress->phase].name, progress, "%s %" PRIu64 " of %" PRIu64,
                         phases[progress->phase].doing, progress->done, progress->total);
}

int cmd_convert(const struct args *args)
{
    pxds_store_options opening = store_options(args);
    pxds_convert_options options = PXDS_CONVERT_OPTIONS_INIT;
    pxds_convert_result result = PXDS_CONVERT_RESULT_INIT;
    bool dry_run = args->option[OPT_DRY_RUN].given;
    const char *name = args->operand[1];
    char pbs_name[PXDS_STORE_NAME_SIZE];
    pxds_error *err = NULL;
    uint32_t layout;

    if (strcmp(name, "hex2") == 0)
        layout = PXDS_LAYOUT_HEX2;
    else if (strcmp(name, "hex4") == 0)
        layout = PXDS_LAYOUT_HEX4;
    else
        return usage_error(args->command, "'%s' is not hex2|hex4", name);
    if (heed_pbs(args, args->operand[0], pbs_name, &opening, NULL, NULL) != 0)
        return 1;
    begin_changes();
    detail("bringing the store %s into the layout %s", args->operand[0], name);
    options.flags = dry_run ? PXDS_CONVERT_DRY_RUN : 0;
    options.progress = on_progress;
    if (pxds_store_convert(args->operand[0], layout, &opening, &options, &result, &err) < 0)
        return fail(err);
    clear_line();
    if (args->option[OPT_JSON].given)
        json_result(args, &result);
    else
        print_result(&result, dry_run);
    return 0;
}
