/* What --help shows, from the tables. */
#include "tool.h"

/* The options that all commands have, or those that this one has besides. */
static void print_options(const struct command *command, bool common)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        const struct option *option = &option_table[i];
        const char letter = short_option(i);
        char left[48];

        if (!has_option(command, i) || is_common(i) != common)
            continue;
        snprintf(left, sizeof left, "%.*s%.*s%.*s--%s %s", letter != 0, "-", letter != 0, &letter,
                 letter != 0 ? 2 : 0, ", ", option->name, option->value != NULL ? option->value : "");
        if (strlen(left) > 28)
            printf("  %s\n  %-28s %s\n", left, "", option->help);
        else
            printf("  %-28s %s\n", left, option->help);
    }
}

/* How this command may end, or, for NULL, any. */
static void print_exits(const struct command *command)
{
    printf("\nexit status:\n");
    for (const struct exit_status *exit = exit_table; exit->help != NULL; exit++)
        if (command == NULL || has_exit(command, exit->bit))
            printf("  %d  %s\n", exit->status, exit->help);
}

int command_help(const struct command *command)
{
    printf("usage: pxds %s %s%s[options]\n\n%s", command->name, command->operands,
           *command->operands != '\0' ? " " : "", command->help);
    if (command->alias != NULL)
        printf("\n'pxds %s' is short for 'pxds %s'.\n", command->alias, command->name);
    if (strstr(command->operands, "SNAPSHOT") != NULL)
        printf("\n%s", snapshot_help);
    if (strstr(command->operands, "GROUP") != NULL)
        printf("\n%s", group_help);
    if (command->takes[0] != OPT_COUNT || store_operand(command) >= 0)
        printf("\noptions:\n");
    print_options(command, false);
    printf("\noptions of all commands:\n");
    print_options(command, true);
    printf("  %-28s %s\n", "-h, --help", "show this text");
    print_exits(command);
    return 0;
}

int tool_help(void)
{
    printf("usage: pxds COMMAND ...\n\n"
           "Stores data as deduplicated chunks, in the formats of Proxmox Backup Server.\n\n"
           "commands:\n");
    for (const struct command *command = command_table; command->name != NULL; command++)
        printf("  %-10s %s%s%s\n", command->name, command->summary, command->alias != NULL ? "; for short: " : "",
               command->alias != NULL ? command->alias : "");
    printf("\nOptions go behind the command, before, between or behind its operands.\n"
           "'pxds COMMAND --help' tells more of a command, 'pxds --version', or -V, the version.\n\n"
           "environment:\n");
    for (const struct variable *variable = variable_table; variable->name != NULL; variable++)
        printf("  %-22s %s\n", variable->name, variable->help);
    printf("\n%s\n%s", variable_help, telling_help);
    print_exits(NULL);
    return 0;
}

int cmd_help(const struct args *args)
{
    const char *name = args->operand[0];
    const struct command *command = name != NULL ? find_command(name) : NULL;

    if (name == NULL)
        return tool_help();
    return command != NULL ? command_help(command) : unknown_command(name);
}

int cmd_version(const struct args *args)
{
    if (args != NULL && args->option[OPT_JSON].given) {
        json_begin();
        json_text("version", pxds_version());
        json_number("abi_version", pxds_abi_version());
        json_end();
    } else {
        printf("pxds %s\n", pxds_version());
    }
    return 0;
}
