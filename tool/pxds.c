/*
 * pxds: the command line tool, written on the public header alone.
 *
 * Here the command line is read. Which commands and options there are is in tables, commands.c and
 * options.c; what a command does is in a file of its own.
 */
#include "tool.h"

int usage_error(const struct command *command, const char *format, ...)
{
    const char *name = command != NULL ? command->name : "";
    char some[1024], *text;
    va_list values;

    va_start(values, format);
    text = format_text(some, sizeof some, format, values);
    va_end(values);
    say("%s%s%s", name, command != NULL ? ": " : "", text);
    say_more("Try 'pxds %s%s--help'.", name, command != NULL ? " " : "");
    if (text != some)
        free(text);
    return 2;
}

int misuse(const struct command *command, pxds_error *err)
{
    if (err == NULL || pxds_error_status(err) != PXDS_ERR_ARGUMENT)
        return fail(err);
    usage_error(command, "%s", pxds_error_message(err));
    pxds_error_free(err);
    return 2;
}

/* The option --NAME that text begins with, up to a '=' if there is one; OPT_COUNT if there is no such. */
static int find_option(const struct command *command, const char *text)
{
    int i;

    for (i = 0; i < OPT_COUNT; i++) {
        const size_t len = strlen(option_table[i].name);

        if (has_option(command, i) && strncmp(text, "--", 2) == 0 &&
            strncmp(text + 2, option_table[i].name, len) == 0 &&
            (text[2 + len] == '\0' || text[2 + len] == '='))
            break;
    }
    return i;
}

static int find_letter(const struct command *command, char letter)
{
    int i = 0;

    while (i < OPT_COUNT && (short_option(i) != letter || !has_option(command, i)))
        i++;
    return i;
}

/* The text is NULL if the command line ends before it. */
static int take_value(struct args *args, int i, const char *text)
{
    const struct option *option = &option_table[i];
    const char *wanted;

    if (text == NULL)
        return usage_error(args->command, "--%s needs a value", option->name);
    wanted = parse_value(option, text, &args->option[i]);
    if (wanted != NULL)
        return usage_error(args->command, "--%s: '%s' is not %s", option->name, text, wanted);
    return 0;
}

/* Parses the letters of argv[0], -qoFILE for example, as parse_option() does. */
static int parse_letters(struct args *args, char **argv, int *used)
{
    for (const char *letter = argv[0] + 1; *letter != '\0'; letter++) {
        const int i = find_letter(args->command, *letter);

        if (i == OPT_COUNT)
            return unknown_option(args->command, argv[0]);
        if (option_table[i].kind != FLAG)
            return take_value(args, i, letter[1] != '\0' ? letter + 1 : argv[(*used)++]);
        args->option[i].given = true;
    }
    return 0;
}

/* Parses the option argv[0], whose value may be argv[1]; *used becomes 2 if it is. */
static int parse_option(struct args *args, char **argv, int *used)
{
    const char *text = strchr(argv[0], '=');
    const struct option *option;
    int i;

    if (argv[0][1] != '-')
        return parse_letters(args, argv, used);
    i = find_option(args->command, argv[0]);
    option = &option_table[i];
    if (i == OPT_COUNT)
        return unknown_option(args->command, argv[0]);
    if (option->kind == FLAG) {
        args->option[i].given = true;
        return text != NULL ? usage_error(args->command, "--%s takes no value", option->name) : 0;
    }
    return take_value(args, i, text != NULL ? text + 1 : argv[(*used)++]);
}

/* Whether --log-json is given, wherever: what is wrong before it is told so too. */
static bool wants_log_json(const struct command *command, char **argv)
{
    for (; argv[0] != NULL && strcmp(argv[0], "--") != 0; argv++) {
        const int i = command != NULL ? find_option(command, argv[0]) : OPT_COUNT;

        if (strcmp(argv[0], "--log-json") == 0)
            return true;
        if (i != OPT_COUNT && option_table[i].kind != FLAG && strchr(argv[0], '=') == NULL && argv[1] != NULL)
            argv++; /* its value */
    }
    return false;
}

/* It has changed a store, or made a file. */
static bool did_more_than_print(const struct command *command)
{
    return has_begun_changes() || has_option(command, OPT_OUTPUT) || has_option(command, OPT_KDF) ||
           strstr(command->operands, "OUT") != NULL;
}

/* argv: what follows the command's name, with a NULL at the end. */
static int run_command(const struct command *command, char **argv)
{
    /* The operands are gathered from the command's name on, over what has been read. */
    struct args args = {.command = command, .operand = argv - 1};
    bool only_operands = false;
    int rc;

    args.option[OPT_LOG_JSON].given = wants_log_json(command, argv);
    heed_common_options(&args);
    for (int used; argv[0] != NULL; argv += used) {
        char *arg = argv[0];

        used = 1;
        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            if (args.operands == command->max)
                return usage_error(command, "too many operands: '%s'", arg);
            args.operand[args.operands++] = arg;
        } else if (strcmp(arg, "--") == 0 && args.option[OPT_FROM_COMMAND].given) {
            args.child = argv + 1;
            break;
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            return command_help(command);
        } else {
            rc = parse_option(&args, argv, &used);
            if (rc != 0)
                return rc;
            heed_common_options(&args);
        }
    }
    rc = command->actions != NULL && args.operands > 0 ? check_action(command, args.operand[0]) : 0;
    if (rc == 0)
        rc = take_defaults(&args);
    if (rc != 0)
        return rc;
    args.operand[args.operands] = NULL;
    if (args.operands < command->min)
        return usage_error(command, "operands needed: %s", command->operands);
    for (int i = 0; i < args.operands; i++)
        if (*args.operand[i] == '\0')
            return usage_error(command, "an operand is empty; they are: %s", command->operands);
    rc = command->run(&args);
    if (rc == 0 && may_be_no_store())
        rc = EXIT_INCOMPLETE;
    if (args.option[OPT_JSON].given && rc != 2) /* which has printed nothing */
        json_finish(rc);
    return end_output(did_more_than_print(command), rc);
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    const struct command *command;
    struct args none = {.command = NULL};

    if (name == NULL)
        return usage_error(NULL, "no command given");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return tool_help();
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return cmd_version(NULL);
    command = find_command(name);
    if (command != NULL)
        return run_command(command, argv + 2);
    none.option[OPT_LOG_JSON].given = wants_log_json(NULL, argv + 1);
    heed_common_options(&none);
    if (*name == '-')
        return usage_error(NULL, "'%s' is no command: options go behind the command", name);
    return unknown_command(name);
}

/*
 * stdio gives up where the system says EAGAIN, and loses what it had. A pipe or terminal that does
 * not block is opened once more, in a way that does, so that the program that shares it notices
 * nothing; what cannot be, a socket, is changed itself.
 */
static void make_blocking(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    char path[32];
    int again;

    if (flags == -1 || (flags & O_NONBLOCK) == 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    again = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again >= 0) {
        dup2(again, fd);
        close(again);
    }
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int main(int argc, char **argv)
{
    static char line[4096];
    int rc;

    /* A closed standard stream must not become the number of a store's file. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return 1;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error */
    make_blocking(STDOUT_FILENO);
    make_blocking(STDERR_FILENO);
    setvbuf(stderr, line, _IOLBF, sizeof line); /* a message is one write, among those of others */
    rc = end_output(false, run(argc, argv));
    if (rc != 2)
        end_progress((rc == 0 || rc > EXIT_BUSY) && stop_signal() == 0);
    release_signals();
    return rc == 1 ? failed_status() : rc;
}
