/* The chunker and the hash below it. */
#include "check.h"

enum { INPUT_LEN = 65536, MAX_CUTS = 100 };

/* The ends of INPUT_LEN bytes of the generator with seed 1, at an average of 4096. */
static const uint64_t known_ends[] = {1670,  5716,  7382,  8457,  16517, 22010, 30399, 34509,
                                      36228, 46181, 47416, 52886, 54228, 62724, 65125, 65536};
enum { KNOWN = sizeof known_ends / sizeof known_ends[0] };

struct cuts {
    uint64_t end[MAX_CUTS];
    size_t count;
};

/* Feeds `step` bytes a call at most, and ends the last chunk where the input ends. */
static void cut(pxds_chunker *chunker, const uint8_t *data, size_t len, size_t step,
                struct cuts *cuts)
{
    size_t at = 0, used;
    uint64_t start = 0;

    cuts->count = 0;
    while (at < len) {
        size_t n = len - at < step ? len - at : step;
        pxds_status status = pxds_chunker_scan(chunker, data + at, n, &used, &err);

        if (!CHECK(status == PXDS_OK || status == PXDS_CUT) || !CHECK(used <= n))
            return;
        CHECK(status == PXDS_CUT ? used > 0 : used == n);
        at += used;
        if (status == PXDS_CUT || at == len) {
            if (at > start && CHECK(cuts->count < MAX_CUTS))
                cuts->end[cuts->count++] = at;
            start = at;
        }
    }
}

static void check_known(const struct cuts *cuts)
{
    if (EQUAL(KNOWN, cuts->count))
        CHECK(memcmp(known_ends, cuts->end, sizeof known_ends) == 0);
}

static pxds_chunker *small_chunker(void)
{
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_chunker *chunker = NULL;

    OK(pxds_chunker_config_init(&config, 4096, &err));
    OK(pxds_chunker_new(&config, &chunker, &err));
    return chunker;
}

static void test_config(void)
{
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;

    OK(pxds_chunker_config_init(&config, 4096, &err));
    EQUAL(sizeof config, config.struct_size);
    EQUAL(4096, config.avg);
    EQUAL(1024, config.min);
    EQUAL(16384, config.max);
    EQUAL(8191, config.mask);
    EQUAL(8189, config.threshold);
    OK(pxds_chunker_config_init(&config, 0, &err));
    EQUAL(PXDS_CHUNKER_DEFAULT_AVG, config.avg);
    EQUAL(PXDS_CHUNKER_DEFAULT_AVG / 4, config.min);
    EQUAL((uint64_t)PXDS_CHUNKER_DEFAULT_AVG * 4, config.max);
    OK(pxds_chunker_config_init(&config, 2, &err));
    OK(pxds_chunker_config_init(&config, UINT64_C(1) << 31, &err));
    EQUAL(UINT32_MAX, config.mask);
}

static void test_bad_averages(void)
{
    static const uint64_t bad[] = {
        1, 3, 4095, 4097, UINT64_C(3) << 20, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX};
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_chunker_config_init(&config, bad[i], &err));
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_config_init(NULL, 0, &err));
}

static void test_bad_configs(void)
{
    pxds_chunker_config good = PXDS_CHUNKER_CONFIG_INIT, bad;
    pxds_chunker *chunker = NULL;

    OK(pxds_chunker_config_init(&good, 4096, &err));
    bad = good, bad.min = bad.max + 1;
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new(&bad, &chunker, &err));
    bad = good, bad.mask = 1000;
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new(&bad, &chunker, &err));
    bad = good, bad.threshold = bad.mask + 1;
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new(&bad, &chunker, &err));
    bad = good, bad.struct_size = 0;
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new(&bad, &chunker, &err));
    CHECK(chunker == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new(&good, NULL, &err));
}

static void test_known_cuts(void)
{
    uint8_t *data = random_data(INPUT_LEN, 1);
    pxds_chunker *chunker = small_chunker();
    struct cuts cuts;

    cut(chunker, data, INPUT_LEN, INPUT_LEN, &cuts);
    check_known(&cuts);
    pxds_chunker_free(chunker);
    free(data);
}

/* Where the caller's buffers end has no say in where the chunks end. */
static void test_splits(void)
{
    static const size_t steps[] = {1, 2, 3, 63, 64, 65, 127, 1023, 1024, 1025, 4096, 16384, 40000};
    uint8_t *data = random_data(INPUT_LEN, 1);
    struct cuts cuts;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pxds_chunker *chunker = small_chunker();

        cut(chunker, data, INPUT_LEN, steps[i], &cuts);
        check_known(&cuts);
        pxds_chunker_free(chunker);
    }
    free(data);
}

static void test_reset(void)
{
    uint8_t *data = random_data(INPUT_LEN, 1);
    pxds_chunker *chunker = small_chunker();
    struct cuts cuts;
    size_t used = 0;

    OK(pxds_chunker_scan(chunker, data + 100, 1500, &used, &err));
    OK(pxds_chunker_reset(chunker, &err));
    cut(chunker, data, INPUT_LEN, 777, &cuts);
    check_known(&cuts);
    pxds_chunker_free(chunker);
    free(data);
}

/* Zeros in a config are the values of the average, so the zeros of _INIT are the default. */
static void test_zeros_are_defaults(void)
{
    uint8_t *data = random_data(INPUT_LEN, 1);
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_chunker *chunker = NULL;
    struct cuts cuts;

    config.avg = 4096;
    OK(pxds_chunker_new(&config, &chunker, &err));
    cut(chunker, data, INPUT_LEN, INPUT_LEN, &cuts);
    check_known(&cuts);
    pxds_chunker_free(chunker);
    config.avg = 0;
    OK(pxds_chunker_new(&config, &chunker, &err));
    cut(chunker, data, INPUT_LEN, INPUT_LEN, &cuts);
    EQUAL(1, cuts.count);
    pxds_chunker_free(chunker);
    free(data);
}

/* Equal bytes never cut before the maximum. */
static void test_constant_data(void)
{
    uint8_t *data = calloc(1, INPUT_LEN);
    pxds_chunker *chunker = small_chunker();
    struct cuts cuts;

    need(data != NULL, "calloc");
    cut(chunker, data, 40000, 999, &cuts);
    if (EQUAL(3, cuts.count)) {
        EQUAL(16384, cuts.end[0]);
        EQUAL(32768, cuts.end[1]);
        EQUAL(40000, cuts.end[2]);
    }
    pxds_chunker_free(chunker);
    free(data);
}

static void test_empty_input(void)
{
    pxds_chunker *chunker = small_chunker();
    size_t used = 9;

    OK(pxds_chunker_scan(chunker, NULL, 0, &used, &err));
    EQUAL(0, used);
    pxds_chunker_free(chunker);
    pxds_chunker_free(NULL);
}

static void test_fixed(void)
{
    uint8_t *data = random_data(10000, 3);
    pxds_chunker *chunker = NULL;
    struct cuts cuts;
    size_t used = 0;

    for (size_t step = 1; step < 10000; step = step * 3 + 1) {
        OK(pxds_chunker_new_fixed(4096, &chunker, &err));
        cut(chunker, data, 10000, step, &cuts);
        if (EQUAL(3, cuts.count)) {
            EQUAL(4096, cuts.end[0]);
            EQUAL(8192, cuts.end[1]);
            EQUAL(10000, cuts.end[2]);
        }
        pxds_chunker_free(chunker);
    }
    OK(pxds_chunker_new_fixed(4096, &chunker, &err));
    IS(PXDS_CUT, pxds_chunker_scan(chunker, data, 4096, &used, &err));
    EQUAL(4096, used);
    pxds_chunker_free(chunker);
    chunker = NULL;
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new_fixed(0, &chunker, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_chunker_new_fixed(4095, &chunker, &err));
    CHECK(chunker == NULL);
    free(data);
}

static void test_buzhash(void)
{
    uint8_t *data = random_data(4096, 8), first[64];
    pxds_buzhash *hash = NULL, *other = NULL;
    uint32_t sum = 0, want = 0;

    for (unsigned i = 0; i < sizeof first; i++)
        first[i] = (uint8_t)i;
    OK(pxds_buzhash_new(&hash, &err));
    OK(pxds_buzhash_get_sum(hash, &sum, &err));
    EQUAL(0, sum);
    OK(pxds_buzhash_init(hash, first, sizeof first, &err));
    OK(pxds_buzhash_get_sum(hash, &sum, &err));
    EQUAL(0xdc8b317bu, sum);
    OK(pxds_buzhash_reset(hash, &err));
    OK(pxds_buzhash_init(hash, "abc", 3, &err));
    OK(pxds_buzhash_get_sum(hash, &sum, &err));
    EQUAL(0x055cce91u, sum);

    /* it depends on the last 64 bytes alone, however they came */
    OK(pxds_buzhash_new(&other, &err));
    for (size_t n = 0; n < 4096 - 64; n += 61) {
        OK(pxds_buzhash_init(hash, data, 64, &err));
        OK(pxds_buzhash_update(hash, data + 64, n / 2, &err));
        OK(pxds_buzhash_update(hash, data + 64 + n / 2, n - n / 2, &err));
        OK(pxds_buzhash_get_sum(hash, &sum, &err));
        OK(pxds_buzhash_init(other, data + n, 64, &err));
        OK(pxds_buzhash_get_sum(other, &want, &err));
        EQUAL(want, sum);
    }
    OK(pxds_buzhash_update(hash, NULL, 0, &err));
    OK(pxds_buzhash_reset(hash, &err));
    OK(pxds_buzhash_get_sum(hash, &sum, &err));
    EQUAL(0, sum);
    pxds_buzhash_free(other);
    pxds_buzhash_free(hash);
    pxds_buzhash_free(NULL);
    free(data);
}

int main(void)
{
    RUN(test_config);
    RUN(test_bad_averages);
    RUN(test_bad_configs);
    RUN(test_known_cuts);
    RUN(test_splits);
    RUN(test_reset);
    RUN(test_zeros_are_defaults);
    RUN(test_constant_data);
    RUN(test_empty_input);
    RUN(test_fixed);
    RUN(test_buzhash);
    return check_done();
}
