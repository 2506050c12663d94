/* The files that the tool reads and writes. */
#include "tool.h"

#include <poll.h>

const char *input_name(const char *path)
{
    return is_dash(path) ? "standard input" : path;
}

int open_input(const char *path)
{
    int fd = is_dash(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        fail_errno(input_name(path));
        return -1;
    }
    detail("reading %s", input_name(path));
    if (S_ISDIR(st.st_mode)) {
        say("%s: is a directory; pxds reads files (tar makes one of a directory)",
            input_name(path));
        close(fd);
        return -1;
    }
    return fd;
}

/* Waits for a descriptor that does not block. */
static bool wait_for(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};

    return poll(&wait, 1, -1) >= 0;
}

ssize_t read_some(int fd, void *data, size_t size)
{
    ssize_t n;

    do
        n = read(fd, data, size);
    while (n < 0 && ((errno == EINTR && stop_signal() == 0) ||
                     (errno == EAGAIN && wait_for(fd, POLLIN))));
    return n;
}

uint8_t *grow(uint8_t *data, size_t *capacity)
{
    uint8_t *bigger = *capacity <= SIZE_MAX / 2 ? realloc(data, *capacity * 2) : NULL;

    if (bigger == NULL)
        free(data);
    else
        *capacity *= 2;
    return bigger;
}

static uint8_t *read_open_input(int fd, const char *path, size_t *len)
{
    size_t capacity = 64 * 1024, fill = 0;
    uint8_t *data = malloc(capacity);
    ssize_t n = 0;

    while (data != NULL && (n = read_some(fd, data + fill, capacity - fill)) > 0) {
        fill += (size_t)n;
        if (fill > PXDS_BLOB_MAX_ENCODED_SIZE)
            break;
        if (fill == capacity)
            data = grow(data, &capacity);
    }
    if (data == NULL)
        fail(NULL);
    else if (n < 0)
        fail_errno(input_name(path));
    else if (n > 0)
        say("%s: longer than a blob may be (%ld bytes)", input_name(path),
            (long)PXDS_BLOB_MAX_ENCODED_SIZE);
    *len = fill;
    if (n == 0)
        return data;
    free(data);
    return NULL;
}

uint8_t *read_input(const char *path, size_t *len)
{
    int fd = open_input(path);
    uint8_t *data = fd >= 0 ? read_open_input(fd, path, len) : NULL;

    if (fd >= 0)
        close(fd);
    return data;
}

int write_output(const char *path, const uint8_t *data, size_t len)
{
    pxds_error *err = NULL;

    if (is_dash(path))
        return fwrite(data, 1, len, stdout) == len ? 0 : fail_errno("standard output");
    fflush(stdout); /* the path may be a descriptor's */
    return pxds_file_write(path, data, len, &err) < 0 ? fail(err) : 0;
}

void prepare_restore(const char *out)
{
    struct stat st;

    hide_line_beside(out);
    /* What goes into a pipe leaves nothing, and may wait for a reader who has gone to sleep. */
    if (!is_dash(out) && (stat(out, &st) != 0 || S_ISREG(st.st_mode)))
        hold_signals();
}

int check_output(const char *input, const char *output)
{
    struct stat in, out;

    if (is_dash(output) || stat(output, &out) != 0 ||
        (is_dash(input) ? fstat(STDIN_FILENO, &in) : stat(input, &in)) != 0 ||
        S_ISCHR(out.st_mode) || in.st_dev != out.st_dev || in.st_ino != out.st_ino)
        return 0;
    say("%s is the input, and not written over", output);
    return 1;
}

/* By the time that it is written to, a file of the library's would have the number of a descriptor that is closed. */
bool names_descriptor(const char *path, int *fd)
{
    const size_t digits = strncmp(path, "fd:", 3) == 0 ? strspn(path + 3, "0123456789") : 0;
    const bool names = digits > 0 && digits < 10 && path[3 + digits] == '\0';

    if (names)
        *fd = atoi(path + 3);
    return names;
}

int check_descriptor(const char *output)
{
    struct stat st;
    char *directory;
    bool is_closed;
    int fd;

    if (names_descriptor(output, &fd)) {
        say("%s: a descriptor to write to is /dev/fd/%d, and a file of this name ./%s", output, fd, output);
        return 2;
    }
    if (is_dash(output) || stat(output, &st) == 0 || errno != ENOENT)
        return 0;
    if (lstat(output, &st) == 0) { /* a link to nothing, which may be such a descriptor */
        say("cannot follow %s: %s", output, strerror(ENOENT));
        return 1;
    }
    directory = directory_of(output);
    is_closed = directory != NULL && strncmp(directory, "/proc/", 6) == 0;
    free(directory);
    if (is_closed)
        say("%s is not an open descriptor", output);
    return is_closed ? 1 : 0;
}

int check_index_path(const char *path)
{
    pxds_error *err = NULL;

    return pxds_index_check_path(path, &err) < 0 ? fail(err) : 0;
}

char *directory_of(const char *path)
{
    char *copy = strdup(path), *slash, *directory;

    if (copy == NULL)
        return NULL;
    slash = strrchr(copy, '/');
    if (slash != NULL)
        slash[1] = '\0';
    directory = realpath(slash != NULL ? copy : ".", NULL);
    free(copy);
    return directory;
}

static bool ends_in(const char *text, const char *end)
{
    const size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

bool is_name_of_other(const char *index, bool fixed)
{
    return ends_in(index, fixed ? ".didx" : ".fidx");
}

/* By the rules of pxds_store_gc(). */
static bool is_found_by_gc(const char *index, const char *store)
{
    char *below = realpath(store, NULL), *real = realpath(index, NULL);
    const size_t len = below != NULL ? strlen(below) : 0;
    bool is = below != NULL && real != NULL && strncmp(real, below, len) == 0 &&
              real[len] == '/' && strstr(real + len, "/.") == NULL &&
              (ends_in(real, ".didx") || ends_in(real, ".fidx"));

    free(below);
    free(real);
    return is;
}

void note_unprotected(const char *index, const pxds_store *store)
{
    if (!is_found_by_gc(index, pxds_store_path(store)))
        note("garbage collection protects only indexes NAME.didx and NAME.fidx below %s, and not "
             "below a name that begins with a dot: %s is none of them",
             pxds_store_path(store), index);
}
