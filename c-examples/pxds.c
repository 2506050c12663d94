/*
 * pxds: the command line tool, written on the public header alone.
 *
 * Here is the command line: which commands and options there are, and how they are read. What the
 * commands do is in the directory pxds.
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage.
 */
#include "pxds/tool.h"

#define BIT(option) (1u << (option))

struct word {
    const char *name;
    uint32_t value;
};

static const struct word layouts[] = {
    {"hex2", PXDS_LAYOUT_HEX2}, {"hex4", PXDS_LAYOUT_HEX4}, {NULL, 0}};

static const struct word syncs[] = {{"none", PXDS_SYNC_NONE},
                                    {"file", PXDS_SYNC_FILE},
                                    {"filesystem", PXDS_SYNC_FILESYSTEM},
                                    {NULL, 0}};

static const struct option {
    const char *name;
    const char *value;        /* how help shows the value; NULL: it takes none */
    const struct word *words; /* the values it takes; NULL: a number of bytes */
    const char *help;
} option_table[OPT_COUNT] = {
    [OPT_AVG] = {"avg", "BYTES", NULL, "average chunk size, such as 64K; 4M if not given"},
    [OPT_COMPRESS] = {"compress", NULL, NULL, "compress, if that makes it smaller"},
    [OPT_ENTRIES] = {"entries", NULL, NULL, "also a line 'I START END DIGEST' for each chunk"},
    [OPT_JSON] = {"json", NULL, NULL, "print the summary as JSON"},
    [OPT_LAYOUT] = {"layout", "hex2|hex4", layouts, "256 or 65536 chunk directories"},
    [OPT_NO_COMPRESS] = {"no-compress", NULL, NULL, "store the chunks uncompressed"},
    [OPT_SYNC] = {"sync", "none|file|filesystem", syncs,
                  "how chunks are made durable; filesystem if not given"},
};

struct command {
    const char *name;
    const char *operands;
    int min, max;   /* how many of them */
    unsigned takes; /* which options, as BIT()s */
    const char *summary;
    const char *help;
    int (*run)(const struct args *args);
};

int usage_error(const struct command *command, const char *format, ...)
{
    const char *name = command != NULL ? command->name : "";
    va_list values;

    fprintf(stderr, "pxds: %s%s", name, command != NULL ? ": " : "");
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\nTry 'pxds %s%s--help'.\n", name, command != NULL ? " " : "");
    return 2;
}

static void command_help(const struct command *command)
{
    printf("usage: pxds %s %s%s\n\n%s\noptions:\n", command->name, command->operands,
           command->takes != 0 ? " [options]" : "", command->help);
    for (int i = 0; i < OPT_COUNT; i++) {
        char left[40];

        if ((command->takes & BIT(i)) == 0)
            continue;
        snprintf(left, sizeof left, "--%s %s", option_table[i].name,
                 option_table[i].value != NULL ? option_table[i].value : "");
        printf("  %-28s %s\n", left, option_table[i].help);
    }
    printf("  %-28s %s\n", "-h, --help", "show this text");
}

/* A number of bytes above 0, as digits with K or M after them if wished. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
    uint64_t unit = 1;
    char *end;

    errno = 0;
    *bytes = strtoull(text, &end, 10);
    if (*end == 'K' || *end == 'M')
        unit = *end++ == 'K' ? 1024 : 1024 * 1024;
    /* strtoull() itself would take a sign and white space too. */
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || *bytes == 0 ||
        *bytes > UINT64_MAX / unit)
        return false;
    *bytes *= unit;
    return true;
}

static bool parse_value(const struct option *option, const char *text, uint64_t *value)
{
    if (option->words == NULL)
        return parse_bytes(text, value);
    for (const struct word *word = option->words; word->name != NULL; word++)
        if (strcmp(word->name, text) == 0) {
            *value = word->value;
            return true;
        }
    return false;
}

/* The option that text names, as far as a '=' if it has one; OPT_COUNT if there is no such. */
static int find_option(const struct command *command, const char *text)
{
    int i;

    for (i = 0; i < OPT_COUNT; i++) {
        size_t len = strlen(option_table[i].name);

        if ((command->takes & BIT(i)) != 0 && strncmp(text, "--", 2) == 0 &&
            strncmp(text + 2, option_table[i].name, len) == 0 &&
            (text[2 + len] == '\0' || text[2 + len] == '='))
            break;
    }
    return i;
}

/* Parses the option argv[0], whose value may be argv[1]; *used becomes 2 if it is. */
static int parse_option(struct args *args, char **argv, int *used)
{
    int i = find_option(args->command, argv[0]);
    const struct option *option = &option_table[i];
    const char *value = strchr(argv[0], '=');

    if (i == OPT_COUNT)
        return usage_error(args->command, "unknown option '%s'", argv[0]);
    if (option->value == NULL) {
        args->option[i] = 1;
        return value != NULL ? usage_error(args->command, "--%s takes no value", option->name) : 0;
    }
    if (value != NULL) {
        value++;
    } else {
        value = argv[1];
        *used = 2;
    }
    if (value == NULL)
        return usage_error(args->command, "--%s needs a value", option->name);
    if (!parse_value(option, value, &args->option[i]))
        return usage_error(args->command, "--%s: '%s' is not %s%s", option->name, value,
                           option->words != NULL ? "one of " : "a number of ",
                           option->words != NULL ? option->value : "bytes");
    return 0;
}

/* argv: what follows the command's name, with a NULL at the end. */
static int run_command(const struct command *command, char **argv)
{
    struct args args = {.command = command};
    bool only_operands = false;

    for (int used; argv[0] != NULL; argv += used) {
        const char *arg = argv[0];

        used = 1;
        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            if (args.operands == command->max)
                return usage_error(command, "too many operands: '%s'", arg);
            args.operand[args.operands++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            command_help(command);
            return 0;
        } else {
            int rc = parse_option(&args, argv, &used);

            if (rc != 0)
                return rc;
        }
    }
    if (args.operands < command->min)
        return usage_error(command, "operands needed: %s", command->operands);
    return command->run(&args);
}

static const struct command commands[] = {
    {"init", "STORE", 1, 1, BIT(OPT_LAYOUT), "create a store",
     "Creates the store STORE.\n", cmd_init},
    {"put", "STORE FILE INDEX", 3, 3,
     BIT(OPT_AVG) | BIT(OPT_NO_COMPRESS) | BIT(OPT_SYNC) | BIT(OPT_JSON),
     "store a file",
     "Stores what is new of FILE ('-': standard input) in STORE and writes INDEX, from\n"
     "which 'pxds get' restores the file. Garbage collection protects only indexes below\n"
     "the directory of the store.\n",
     cmd_put},
    {"get", "STORE INDEX OUT", 3, 3, 0, "restore a file",
     "Restores the file of INDEX from STORE into OUT ('-': standard output). The name OUT\n"
     "appears only when the file is whole.\n",
     cmd_get},
    {"index", "INDEX", 1, 1, BIT(OPT_ENTRIES), "show an index",
     "Shows the header of INDEX and whether its checksum is that of its entries.\n", cmd_index},
    {"chunk", "FILE", 1, 1, BIT(OPT_AVG), "show how a file is cut into chunks",
     "Prints a line 'END SIZE DIGEST' for each chunk of FILE ('-': standard input).\n"
     "END is the offset after its last byte, DIGEST the SHA-256 of its bytes.\n",
     cmd_chunk},
    {"blob", "encode|decode|info IN [OUT]", 2, 3, BIT(OPT_COMPRESS),
     "encode, decode or show a blob",
     "encode  makes a blob of the bytes of IN\n"
     "decode  gives back the bytes in the blob IN\n"
     "info    shows the header of the blob IN\n\n"
     "IN may be '-' for standard input. OUT, if not given or '-', is standard output.\n",
     cmd_blob},
};

static int tool_help(void)
{
    printf("usage: pxds COMMAND ...\n\n"
           "Stores data as deduplicated chunks, in the formats of Proxmox Backup Server.\n\n"
           "commands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    printf("\n'pxds COMMAND --help' tells more of a command, 'pxds --version' the version.\n");
    return 0;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name == NULL)
        return usage_error(NULL, "no command given");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return tool_help();
    if (strcmp(name, "--version") == 0) {
        printf("pxds %s\n", pxds_version());
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return run_command(&commands[i], argv + 2);
    return usage_error(NULL, "unknown command '%s'", name);
}

int main(int argc, char **argv)
{
    int rc;

    /* A closed standard stream must not become the number of a store's file. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return 1;
    rc = run(argc, argv);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0) {
        say("standard output: %s", errno != 0 ? strerror(errno) : "write error");
        rc = 1;
    }
    return rc;
}
