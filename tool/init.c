/* The command that makes a store: init. */
#include "tool.h"

#include <dirent.h>
#include <limits.h>

/* Cuts the last name off a path, and what is behind it. false: there is none, or it is "..", behind which nobody knows
   what directories there will be. */
static bool cut_name(char *path)
{
    size_t len = strlen(path);
    char *slash;

    while (len > 0 && path[len - 1] == '/')
        path[--len] = '\0';
    slash = strrchr(path, '/');
    if (len == 0 || strcmp(slash != NULL ? slash + 1 : path, "..") == 0)
        return false;
    strcpy(slash != NULL ? slash + 1 : path, slash != NULL ? "" : ".");
    return true;
}

/* The directory that `path` is in, or the next above it that is there, with links resolved; to be freed. NULL and errno
   if there is none. */
static char *directory_above(const char *path)
{
    char *real = realpath(path, NULL), *copy;
    int error = errno;

    if (real != NULL) {
        *strrchr(real, '/') = '\0';
        return real;
    }
    copy = strdup(path); /* which may change errno and succeed */
    if (copy == NULL)
        return NULL;
    while (real == NULL && error == ENOENT && cut_name(copy)) {
        real = realpath(copy, NULL);
        error = errno;
    }
    free(copy);
    errno = error;
    return real;
}

/* Cuts the path of a directory, as realpath() gives it, down to that of the store that it is in, or is. */
static bool cut_to_store(char *directory)
{
    for (char *slash = directory; slash != NULL;) {
        if (is_store(AT_FDCWD, *directory != '\0' ? directory : "/"))
            return true;
        slash = strrchr(directory, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    return false;
}

/* Each store would take the other's files for its own: a collection of the outer one finds the indexes of the inner
   one, and misses its chunks. */
static int check_outside_of_stores(const char *path)
{
    char *directory = directory_above(path);
    int rc = 0;

    if (directory == NULL)
        return fail_errno(path);
    if (cut_to_store(directory)) {
        say("%s would be inside the store %s, and a store cannot be", path, directory[0] != '\0' ? directory : "/");
        rc = 1;
    }
    free(directory);
    return rc;
}

/* How far below a new store others are looked for, and how many entries are looked at on each level: it may be made in
   a directory that is full of other things. */
enum { LEVELS_BELOW = 4, ENTRIES_MAX = 10000 };

/* Whether a directory below `parent`, so many levels, is a store; then its name is added to `path`, which has PATH_MAX
   bytes. Links are not followed, as no command on a store follows them. */
static bool holds_store(int parent, int level, char *path, int *left)
{
    const size_t len = strlen(path);
    const struct dirent *entry;
    DIR *entries = fdopendir(parent);
    bool found = false;

    if (entries == NULL) { /* there is no memory */
        close(parent);
        *left = -1;
        return false;
    }
    while (!found && *left > 0 && (entry = readdir(entries)) != NULL) {
        int directory;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        --*left;
        directory = openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (directory < 0)
            continue;
        snprintf(path + len, PATH_MAX - len, "/%s", entry->d_name);
        if (level > 1) {
            found = holds_store(directory, level - 1, path, left);
        } else {
            found = is_store(directory, ".");
            close(directory);
        }
        if (!found)
            path[len] = '\0';
    }
    closedir(entries);
    return found;
}

/* The reverse of check_outside_of_stores(), for a directory that is there. The nearest levels come first. */
static int check_around_no_store(const char *path)
{
    char below[PATH_MAX];

    for (int level = 1; level <= LEVELS_BELOW; level++) {
        const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int left = ENTRIES_MAX;

        if (directory < 0)
            return 0;
        if (realpath(path, below) == NULL) {
            close(directory);
            return 0;
        }
        if (holds_store(directory, level, below, &left)) {
            say("%s would be around the store %s, and a store cannot be", path, below);
            return 1;
        }
        if (left < 0)
            return fail(NULL);
    }
    return 0;
}

static void print_made(const pxds_store *store, const char *path, bool json)
{
    const bool is_pbs = pxds_store_layout(store) == PXDS_LAYOUT_HEX4;
    const int directories = is_pbs ? PXDS_LAYOUT_HEX4_DIRS : PXDS_LAYOUT_HEX2_DIRS;

    if (json) {
        json_begin();
        json_text("store", pxds_store_path(store));
        json_text("layout", layout_name(store));
        json_number("chunk_directories", (uint64_t)directories);
        json_open("opened_by", '[');
        json_text(NULL, "pxds");
        if (is_pbs)
            json_text(NULL, "pbs");
        json_close(']');
        json_end();
        return;
    }
    if (is_quiet())
        return;
    fputs("made the store ", stdout);
    print_text(path, strlen(path));
    puts(is_pbs ? " with layout hex4: pxds opens it, and so does Proxmox Backup Server if its user, backup, owns it"
                : " with layout hex2: pxds opens it; Proxmox Backup Server needs hex4, see 'pxds convert'");
}

int cmd_init(const struct args *args)
{
    const char *path = args->operand[0];
    pxds_store_options options = store_options(args);
    pxds_store *store = NULL;
    pxds_error *err = NULL;

    if (check_outside_of_stores(path) != 0 || check_around_no_store(path) != 0)
        return 1;
    if (args->option[OPT_SHARED].given || args->option[OPT_PBS_STORE].given)
        options.flags |= PXDS_STORE_SHARED;
    if (args->option[OPT_PBS_STORE].given && !args->option[OPT_LAYOUT].given)
        options.layout = PXDS_LAYOUT_HEX4; /* PBS opens no other */
    begin_changes();
    detail("making the store %s", path);
    if (pxds_store_create(path, &options, &store, &err) < 0)
        return fail(err);
    clear_line();
    print_made(store, path, args->option[OPT_JSON].given);
    pxds_store_free(store);
    return 0;
}
