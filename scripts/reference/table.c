/*
 * Prints the tables of the command line as JSON, for the programs that make man pages and completions from them. It is
 * built with all files of the tool, by -Dmain=tool_main, which gives that of the tool another name.
 */
#undef main

#include "../../tool/table.h"

#include <limits.h>
#include <stdio.h>

static void print_text(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    if (text == NULL) {
        printf("null");
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            printf("\\n");
        else
            printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    }
    putchar('"');
}

static const char *kind_name(enum kind kind)
{
    switch (kind) {
    case FLAG:
        return "flag";
    case WORD:
        return "word";
    default:
        return "value";
    }
}

static void print_option(int id)
{
    const struct option *option = &option_table[id];
    const char letter[2] = {short_option((enum option_id)id), '\0'};
    const char *comma = "";

    printf("  {");
    print_text("name", option->name);
    printf(", \"kind\": \"%s\", ", kind_name(option->kind));
    print_text("letter", letter[0] != '\0' ? letter : NULL);
    printf(", ");
    print_text("value", option->value);
    printf(", ");
    print_text("help", option->help);
    printf(", \"words\": [");
    for (const struct word *word = option->words; word != NULL && word->name != NULL; word++) {
        printf("%s\"%s\"", comma, word->name);
        comma = ", ";
    }
    printf("]}");
}

static void print_command(const struct command *command)
{
    const char *comma = "";

    printf("  {");
    print_text("name", command->name);
    printf(", ");
    print_text("alias", command->alias);
    printf(", ");
    print_text("operands", command->operands);
    printf(", ");
    printf("\"actions\": [");
    for (const char *const *action = command->actions; action != NULL && *action != NULL; action++)
        printf("%s\"%s\"", action == command->actions ? "" : ", ", *action);
    printf("]");
    printf(", \"max\": %d, ", command->max == INT_MAX ? -1 : command->max);
    print_text("summary", command->summary);
    printf(",\n   ");
    print_text("help", command->help);
    printf(",\n   \"options\": [");
    for (int id = 0; id < OPT_COUNT; id++)
        if (has_option(command, (enum option_id)id)) {
            printf("%s\"%s\"", comma, option_table[id].name);
            comma = ", ";
        }
    printf("],\n   \"exits\": [");
    comma = "";
    for (const struct exit_status *exit = exit_table; exit->help != NULL; exit++)
        if (has_exit(command, exit->bit)) {
            printf("%s%d", comma, exit->status);
            comma = ", ";
        }
    printf("]}");
}

int main(void)
{
    const char *comma = "";

    printf("{\"options\": [\n");
    for (int id = 0; id < OPT_COUNT; id++) {
        printf("%s", id == 0 ? "" : ",\n");
        print_option(id);
    }
    printf("\n],\n\"commands\": [\n");
    for (const struct command *command = command_table; command->name != NULL; command++) {
        printf("%s", command == command_table ? "" : ",\n");
        print_command(command);
    }
    printf("\n],\n\"variables\": [");
    for (const struct variable *variable = variable_table; variable->name != NULL; variable++) {
        printf("%s\n  {", comma);
        print_text("name", variable->name);
        printf(", ");
        print_text("help", variable->help);
        printf("}");
        comma = ",";
    }
    printf("\n],\n");
    print_text("variable_help", variable_help);
    printf(",\n ");
    print_text("telling_help", telling_help);
    printf(",\n\"exits\": [");
    comma = "";
    for (const struct exit_status *exit = exit_table; exit->help != NULL; exit++) {
        printf("%s\n  {\"status\": %d, ", comma, exit->status);
        print_text("help", exit->help);
        printf("}");
        comma = ",";
    }
    printf("\n],\n");
    print_text("SNAPSHOT", snapshot_help);
    printf(",\n");
    print_text("GROUP", group_help);
    printf("}\n");
    return ferror(stdout) != 0;
}
