/* The files that the tool reads and writes. */
#include "tool.h"

bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

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
    if (S_ISDIR(st.st_mode)) {
        say("%s: is a directory; pxds reads files (tar makes one of a directory)",
            input_name(path));
        close(fd);
        return -1;
    }
    return fd;
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

uint8_t *read_open_input(int fd, const char *path, size_t *len)
{
    size_t capacity = 64 * 1024, fill = 0;
    uint8_t *data = malloc(capacity);
    ssize_t n = 0;

    while (data != NULL && (n = read(fd, data + fill, capacity - fill)) > 0) {
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

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* What is no regular file, such as a device or a pipe, is written to and not replaced. */
static int write_in_place(const char *path, const uint8_t *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc = fd >= 0 && write_all(fd, data, len) ? 0 : fail_errno(path);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* Brings the names in a directory to the disk. */
static bool sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

/* Writes a temporary file in the directory of path, brings it to the disk, and renames it. */
static int replace_file(const char *path, const char *directory, const uint8_t *data, size_t len)
{
    size_t size = strlen(directory) + 32;
    char *temporary = malloc(size);
    int fd, rc = 0;

    if (temporary == NULL)
        return fail(NULL);
    snprintf(temporary, size, "%s/.pxds-%ld.tmp", directory, (long)getpid());
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = fail_errno(path);
    } else if (!write_all(fd, data, len) || fsync(fd) != 0 || rename(temporary, path) != 0) {
        rc = fail_errno(path);
        unlink(temporary);
    } else if (!sync_directory(directory)) {
        rc = fail_errno(directory);
    }
    if (fd >= 0)
        close(fd);
    free(temporary);
    return rc;
}

int write_output(const char *path, const uint8_t *data, size_t len)
{
    char *resolved, *directory;
    struct stat st;
    int rc;

    if (is_dash(path))
        return fwrite(data, 1, len, stdout) == len ? 0 : fail_errno("standard output");
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return write_in_place(path, data, len);
    resolved = realpath(path, NULL); /* a link stays one; NULL: there is nothing yet */
    if (resolved != NULL)
        path = resolved;
    directory = directory_of(path);
    rc = directory != NULL ? replace_file(path, directory, data, len) : fail_errno(path);
    free(directory);
    free(resolved);
    return rc;
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

bool lies_below(const char *directory, const char *other)
{
    char *real_other = realpath(other, NULL);
    size_t len = real_other != NULL ? strlen(real_other) : 0;
    bool below = real_other != NULL && strncmp(directory, real_other, len) == 0 &&
                 (directory[len] == '/' || directory[len] == '\0');

    free(real_other);
    return below;
}
