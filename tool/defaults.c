/* What the environment says where the command line does not: variable_table. */
#include "tool.h"

#include <limits.h>

const char *variable(const char *name)
{
    const char *text = getenv(name);

    return text != NULL && *text != '\0' ? text : NULL;
}

/* How many operands there are at least with a STORE among them: an action may need all that there may be. */
static int least_operands(const struct args *args)
{
    const char *const *actions = args->command->actions;
    const bool lists = args->operands > 0 && strcmp(args->operand[0], "list") == 0;

    return actions == NULL || lists ? args->command->min : args->command->max;
}

/*
 * Whether the operand STORE was left out: if there are too few operands with it. Where the last operand may be left out
 * too, either may have been: then what stands in its place is the store if it is one. Where any number may be,
 * NAME=FILE is in the place of what follows a store that was left out.
 */
static bool is_store_left_out(const struct args *args, int at)
{
    const struct command *command = args->command;

    if (command->max == INT_MAX)
        return args->operands < 2 || strchr(args->operand[1], '=') != NULL;
    if (args->operands == command->max)
        return false;
    return args->operands < least_operands(args) || !is_store(AT_FDCWD, args->operand[at]);
}

/* Puts the store of --store or PXDS_STORE among the operands. There is room for one more. */
static int place_store(struct args *args)
{
    const struct value *option = &args->option[OPT_STORE];
    const int at = store_operand(args->command);
    const char *store = option->given ? option->text : variable("PXDS_STORE");

    if (option->given && *option->text == '\0')
        return usage_error(args->command, "--store: the name of the store is empty");
    if (at < 0 || at > args->operands || store == NULL || (!option->given && !is_store_left_out(args, at)))
        return 0;
    if (*store == '\0')
        return usage_error(args->command, "--store is empty");
    args->assumed_store = option->given ? NULL : store;
    if (args->operands == args->command->max)
        return usage_error(args->command, "with --store there is no operand STORE");
    for (int i = args->operands++; i > at; i--)
        args->operand[i] = args->operand[i - 1];
    args->operand[at] = (char *)store; /* which no command changes */
    return 0;
}

/* What has no use for a key, and refuses --key. */
static bool goes_without_key(const struct args *args)
{
    const struct value *mode = &args->option[OPT_CRYPT_MODE];
    const char *action = args->command->actions != NULL && args->operands > 0 ? args->operand[0] : "";

    return (mode->given && mode->number == PXDS_CRYPT_NONE) || strcmp(action, "info") == 0 ||
           strcmp(action, "show") == 0;
}

int take_defaults(struct args *args)
{
    struct value *key = &args->option[OPT_KEY];
    const int rc = place_store(args);

    if (key->given && *key->text == '\0')
        *key = (struct value){.given = false};
    else if (!key->given && has_option(args->command, OPT_KEY) && !goes_without_key(args))
        *key = (struct value){.given = variable("PXDS_KEY") != NULL, .text = variable("PXDS_KEY")};
    return rc;
}
