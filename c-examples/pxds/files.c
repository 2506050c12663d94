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

uint8_t *read_input(const char *path, size_t *len)
{
    size_t capacity = 64 * 1024, fill = 0;
    int fd = open_input(path);
    uint8_t *data;
    ssize_t n = 0;

    if (fd < 0)
        return NULL;
    data = malloc(capacity);
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
    close(fd);
    *len = fill;
    if (n == 0)
        return data;
    free(data);
    return NULL;
}

static bool write_file(const char *path, int flags, const uint8_t *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = file != NULL && fwrite(data, 1, len, file) == len;

    if (file != NULL && fclose(file) != 0)
        good = false;
    return good;
}

int write_output(const char *path, const uint8_t *data, size_t len)
{
    size_t temporary_size = strlen(path) + 32;
    char *temporary;
    struct stat st;
    int rc = 0;

    if (is_dash(path))
        return fwrite(data, 1, len, stdout) == len ? 0 : fail_errno("standard output");
    /* A device or pipe must be written to, not replaced. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return write_file(path, 0, data, len) ? 0 : fail_errno(path);
    temporary = malloc(temporary_size);
    if (temporary == NULL)
        return fail_errno(path);
    snprintf(temporary, temporary_size, "%s.%ld.tmp", path, (long)getpid());
    if (!write_file(temporary, O_CREAT | O_EXCL, data, len) || rename(temporary, path) != 0) {
        rc = fail_errno(path);
        unlink(temporary);
    }
    free(temporary);
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
