/*
 * The frame of the C tests. A program is a list of RUN(test), and ends with check_done(), which
 * prints "N passed, N failed". A test has passed when none of its checks has failed.
 *
 * Calls of the library are checked by OK() or IS(). Both expect a call that ends in `&err`, and
 * hold it to the contract of that argument: NULL after success; after a failure an error with the
 * status that was returned and with a message. The error stays readable until the next such check.
 *
 *     OK(pxds_store_open(path, NULL, &store, &err));
 *     IS(PXDS_ERR_NOT_FOUND, pxds_store_open(missing, NULL, &store, &err));
 *
 * All this is for the main thread: another thread gives its status back, and the test checks it.
 */
#ifndef CHECK_H
#define CHECK_H

#define _XOPEN_SOURCE 700

#include <pxds.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__GNUC__)
#define CHECK_API __attribute__((unused)) static
#else
#define CHECK_API static
#endif

#define CHECK(condition) check_true((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define EQUAL(want, have) check_equal((uint64_t)(want), (uint64_t)(have), #have, __FILE__, __LINE__)
#define OK(call) check_status(PXDS_OK, (call), #call, __FILE__, __LINE__)
#define IS(status, call) check_status((status), (call), #call, __FILE__, __LINE__)
#define RUN(test) check_run(test, #test)

static pxds_error *err;        /* written by the call */
static pxds_error *check_kept; /* the error to be freed when the next call has been checked */
static char check_dir_path[4096];
static int checks_failed, tests_passed, tests_failed;

CHECK_API int check_true(int good, const char *text, const char *file, int line)
{
    if (!good) {
        checks_failed++;
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
    }
    return good;
}

CHECK_API int check_equal(uint64_t want, uint64_t have, const char *text, const char *file,
                          int line)
{
    if (want != have) {
        checks_failed++;
        fprintf(stderr, "%s:%d: %s is %" PRIu64 ", not %" PRIu64 "\n", file, line, text, have,
                want);
    }
    return want == have;
}

CHECK_API int check_status(pxds_status want, pxds_status have, const char *call, const char *file,
                           int line)
{
    if (want != have) {
        checks_failed++;
        fprintf(stderr, "%s:%d: %s, not %s: %s\n  %s\n", file, line, pxds_status_name(have),
                pxds_status_name(want), call, pxds_error_message(err));
    }
    if (have < 0) {
        check_true(err != NULL, "a failure gives an error", file, line);
        check_true(pxds_error_status(err) == have, "the error has the status", file, line);
        check_true(pxds_error_message(err)[0] != '\0', "the error has a message", file, line);
    } else {
        check_true(err == NULL, "err is NULL after success", file, line);
    }
    if (err != check_kept)
        pxds_error_free(check_kept);
    check_kept = err;
    return want == have;
}

CHECK_API int check_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

/* Removes the directory of the running test, before the end of the test does it. */
CHECK_API void remove_dir(void)
{
    if (check_dir_path[0] != '\0')
        nftw(check_dir_path, check_remove, 16, FTW_DEPTH | FTW_PHYS);
    check_dir_path[0] = '\0';
}

CHECK_API void check_run(void (*test)(void), const char *name)
{
    int before = checks_failed;

    test();
    remove_dir();
    pxds_error_free(check_kept);
    check_kept = err = NULL;
    if (checks_failed == before) {
        tests_passed++;
    } else {
        tests_failed++;
        fprintf(stderr, "failed: %s\n", name);
    }
}

CHECK_API int check_done(void)
{
    printf("%d passed, %d failed\n", tests_passed, tests_failed);
    return tests_failed > 0;
}

/* What a test cannot go on without. */
CHECK_API void need(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* The path of `name` in a directory of the running test; valid for the next 15 calls. */
CHECK_API const char *in_dir(const char *name)
{
    static char paths[16][4200];
    static unsigned next;
    char *path = paths[next++ % 16];

    if (check_dir_path[0] == '\0') {
        const char *parent = getenv("TMPDIR");

        snprintf(check_dir_path, sizeof check_dir_path, "%s/pxds-test-XXXXXX",
                 parent != NULL ? parent : "/tmp");
        need(mkdtemp(check_dir_path) != NULL, check_dir_path);
    }
    snprintf(path, sizeof paths[0], "%s/%s", check_dir_path, name);
    return path;
}

/* Bytes that look random, the same in every run: x <- x * 1103515245 + 12345, bits 16 to 23. */
CHECK_API void fill_random(uint8_t *data, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        data[i] = (uint8_t)(seed >> 16);
    }
}

CHECK_API void *need_memory(size_t len)
{
    void *data = malloc(len > 0 ? len : 1);

    need(data != NULL, "malloc");
    return data;
}

CHECK_API uint8_t *random_data(size_t len, uint32_t seed)
{
    uint8_t *data = need_memory(len);

    fill_random(data, len, seed);
    return data;
}

CHECK_API int exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

CHECK_API void write_all(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    need(file != NULL, path);
    need(fwrite(data, 1, len, file) == len, path);
    need(fclose(file) == 0, path);
}

/* The whole file, to be freed. */
CHECK_API uint8_t *read_all(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    long size;

    need(file != NULL, path);
    need(fseek(file, 0, SEEK_END) == 0, path);
    size = ftell(file);
    need(size >= 0, path);
    rewind(file);
    data = need_memory((size_t)size);
    need(fread(data, 1, (size_t)size, file) == (size_t)size, path);
    fclose(file);
    *len = (size_t)size;
    return data;
}

/* A new store, "store" in the directory of the test. */
CHECK_API pxds_store *new_store(void)
{
    pxds_store *store = NULL;

    need(OK(pxds_store_create(in_dir("store"), NULL, &store, &err)), "create");
    return store;
}

CHECK_API void digest_of(const void *data, size_t len, uint8_t *digest)
{
    OK(pxds_digest_compute(data, len, digest, &err));
}

CHECK_API void check_hex(const char *want, const uint8_t *digest)
{
    char hex[PXDS_DIGEST_HEX_SIZE];

    OK(pxds_digest_format(digest, hex, sizeof hex, &err));
    if (!CHECK(strcmp(want, hex) == 0))
        fprintf(stderr, "  want %s\n  have %s\n", want, hex);
}

/* Whether the message of the error of the last check has these words. */
CHECK_API int says(const char *words)
{
    int found = strstr(pxds_error_message(err), words) != NULL;

    if (!found)
        fprintf(stderr, "no \"%s\" in: %s\n", words, pxds_error_message(err));
    return found;
}

#endif
