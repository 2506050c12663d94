/*
 * A library to be preloaded: the n-th allocation of a process fails, or all from the n-th on.
 *
 * PXDS_FAIL_AT=N     which one, counted from 1; 0: none
 * PXDS_FAIL_ALL=1    those after it too
 * PXDS_COUNT=PATH    where the number of allocations is written at the end
 *
 * A process that aborts says by which calls it came to that.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static unsigned long count, fail_at;
static int fails_all, is_armed;

static int fails(void)
{
    unsigned long number;

    if (!__atomic_load_n(&is_armed, __ATOMIC_RELAXED))
        return 0;
    number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    if (fail_at == 0 || number < fail_at || (number > fail_at && !fails_all))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    return fails() ? NULL : __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *found = memalign(alignment, size);

    if (found == NULL)
        return ENOMEM;
    *block = found;
    return 0;
}

static void disarm(void)
{
    __atomic_store_n(&is_armed, 0, __ATOMIC_RELAXED);
}

static void tell_of_abort(int number)
{
    void *calls[64];

    disarm();
    backtrace_symbols_fd(calls, backtrace(calls, 64), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

static unsigned long number_of(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : strtoul(text, NULL, 10);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = tell_of_abort};

    sigaction(SIGABRT, &action, NULL);
    fail_at = number_of("PXDS_FAIL_AT");
    fails_all = number_of("PXDS_FAIL_ALL") != 0;
    __atomic_store_n(&is_armed, 1, __ATOMIC_RELAXED);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("PXDS_COUNT");
    char text[32];
    int fd;

    disarm();
    if (path == NULL || (fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0)
        return;
    if (write(fd, text, (size_t)snprintf(text, sizeof text, "%lu", count)) < 0)
        perror(path);
    close(fd);
}
