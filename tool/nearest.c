/* What somebody may have meant who has mistyped a command, an action or an option. */
#include "tool.h"

enum { LONGEST = 31 };

/* What other programs call commands and actions. */
static const struct {
    const char *word, *meant;
} synonyms[] = {
    {"add", "create"},      {"cat", "restore"},     {"check", "verify"},  {"create", "init"},
    {"create", "backup"},   {"delete", "forget"},   {"delete", "remove"}, {"extract", "restore"},
    {"fsck", "verify"},     {"ls", "list"},         {"make", "create"},   {"new", "create"},
    {"remove", "forget"},   {"rm", "forget"},       {"rm", "remove"},     {"snapshots", "list"},
    {"passwd", "change-password"},
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters are to be put in, left out, changed, or changed with their neighbour. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][LONGEST + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

struct search {
    const char *text;
    size_t len;
    size_t best; /* what is as far away as this, or farther, is not meant */
    const char *name;
    const char *other; /* what is meant as likely; or NULL */
};

static struct search begin(const char *text, size_t len)
{
    return (struct search){text, len, len > 8 ? 4 : len > 4 ? 3 : 2, NULL, NULL};
}

static bool is_synonym(const char *text, const char *name)
{
    for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++)
        if (strcmp(synonyms[i].word, text) == 0 && strcmp(synonyms[i].meant, name) == 0)
            return true;
    return false;
}

static void look_at(struct search *search, const char *name)
{
    const size_t len = strlen(name);
    size_t far;

    if (search->len > LONGEST || len > LONGEST || search->len < 2)
        return;
    /* The beginning of a name is as good as one mistake. */
    if (is_synonym(search->text, name))
        far = 0;
    else if (strncmp(search->text, name, search->len) == 0)
        far = 1;
    else
        far = distance(search->text, search->len, name, len);
    if (far == 0 && search->best == 0) {
        search->other = name;
    } else if (far < search->best) {
        search->best = far;
        search->name = name;
    }
}

int unknown_command(const char *name)
{
    struct search search = begin(name, strlen(name));

    for (const struct command *command = command_table; command->name != NULL; command++)
        look_at(&search, command->name);
    if (search.name == NULL)
        return usage_error(NULL, "unknown command '%s'", name);
    if (search.other != NULL)
        return usage_error(NULL, "unknown command '%s'; did you mean '%s' or '%s'?", name, search.name, search.other);
    return usage_error(NULL, "unknown command '%s'; did you mean '%s'?", name, search.name);
}

int check_action(const struct command *command, const char *text)
{
    struct search search = begin(text, strlen(text));
    char all[96] = "";

    for (const char *const *action = command->actions; *action != NULL; action++) {
        if (strcmp(*action, text) == 0)
            return 0;
        look_at(&search, *action);
        if (action != command->actions)
            strncat(all, action[1] != NULL ? ", " : " or ", sizeof all - strlen(all) - 1);
        strncat(all, *action, sizeof all - strlen(all) - 1);
    }
    if (search.name == NULL)
        return usage_error(command, "'%s' is not %s", text, all);
    return usage_error(command, "'%s' is not %s; did you mean '%s'?", text, all, search.name);
}

int unknown_option(const struct command *command, const char *text)
{
    const char *name = text + strspn(text, "-");
    struct search search = begin(name, strcspn(name, "="));

    for (int i = 0; i < OPT_COUNT; i++)
        if (has_option(command, i))
            look_at(&search, option_table[i].name);
    if (search.name != NULL && strncmp(name, "keep", search.len) == 0)
        return usage_error(command, "unknown option '%s'; there are --keep-last, --keep-daily and others", text);
    if (search.name == NULL)
        return usage_error(command, "unknown option '%s'", text);
    return usage_error(command, "unknown option '%s'; did you mean '--%s'?", text, search.name);
}
