/* From one layout to the other. */
#include "chunk.h"

struct told {
    unsigned calls, phases; /* a bit for each phase */
    uint32_t stop_in;
};

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    struct told *told = user;

    CHECK(progress->struct_size == sizeof *progress);
    CHECK(progress->done <= progress->total);
    told->calls++;
    told->phases |= 1u << progress->phase;
    return progress->phase == told->stop_in ? 5 : 0;
}

static void test_there_and_back(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1), two = chunk(2);
    pxds_convert_options options = PXDS_CONVERT_OPTIONS_INIT;
    pxds_convert_result result = PXDS_CONVERT_RESULT_INIT;
    struct told told = {0, 0, UINT32_MAX};

    options.flags = PXDS_CONVERT_DRY_RUN;
    insert(store, &one, 0);
    insert(store, &two, 0);
    pxds_store_free(store);
    OK(pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX4, NULL, &options, &result, &err));
    EQUAL(2, result.files);
    EQUAL(65536, result.made);
    store = open_store();
    EQUAL(PXDS_LAYOUT_HEX2, pxds_store_layout(store));
    pxds_store_free(store);

    options.flags = 0;
    options.progress = on_progress;
    options.progress_user = &told;
    OK(pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX4, NULL, &options, &result, &err));
    EQUAL(2, result.files);
    EQUAL(65536, result.made);
    EQUAL(0, result.set_aside);
    EQUAL(15, told.phases);
    store = open_store();
    EQUAL(PXDS_LAYOUT_HEX4, pxds_store_layout(store));
    check_loads(store, &one);
    check_loads(store, &two);
    pxds_store_free(store);

    OK(pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX2, NULL, NULL, NULL, NULL));
    store = open_store();
    EQUAL(PXDS_LAYOUT_HEX2, pxds_store_layout(store));
    check_loads(store, &one);
    pxds_store_free(store);
}

static void test_refusals(void)
{
    pxds_store *store = new_store();
    struct chunk one = chunk(1);
    pxds_convert_options options = PXDS_CONVERT_OPTIONS_INIT;
    pxds_convert_result result = PXDS_CONVERT_RESULT_INIT;
    struct told told = {0, 0, PXDS_CONVERT_PHASE_MOVE};
    pxds_store_options mixed = PXDS_STORE_OPTIONS_INIT;
    pxds_store *none = NULL;
    pxds_lock *lock = NULL;

    insert(store, &one, 0);
    OK(pxds_store_lock(store, PXDS_LOCK_SHARED, &lock, &err));
    result.files = 77;
    IS(PXDS_ERR_BUSY,
       pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX4, NULL, NULL, &result, &err));
    EQUAL(0, result.files);
    pxds_lock_free(lock);
    IS(PXDS_ERR_ARGUMENT,
       pxds_store_convert(in_dir("store"), PXDS_LAYOUT_DEFAULT, NULL, NULL, NULL, &err));
    options.flags = 2;
    IS(PXDS_ERR_ARGUMENT,
       pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX4, NULL, &options, NULL, &err));
    IS(PXDS_ERR_NOT_FOUND,
       pxds_store_convert(in_dir("none"), PXDS_LAYOUT_HEX4, NULL, NULL, NULL, &err));

    /* Stopped in the middle: a store of both layouts, until it is finished. */
    options.flags = 0;
    options.progress = on_progress;
    options.progress_user = &told;
    IS(PXDS_ERR_CANCELLED,
       pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX4, NULL, &options, NULL, &err));
    EQUAL(5, pxds_error_callback_value(err));
    IS(PXDS_ERR_FORMAT, pxds_store_open(in_dir("store"), NULL, &none, &err));
    mixed.flags = PXDS_STORE_MIXED;
    OK(pxds_store_open(in_dir("store"), &mixed, &none, &err));
    check_loads(none, &one);
    pxds_store_free(none);
    OK(pxds_store_convert(in_dir("store"), PXDS_LAYOUT_HEX4, NULL, NULL, NULL, &err));

    /* What was opened before is to be opened again. */
    IS(PXDS_ERR_STATE, pxds_store_lock(store, PXDS_LOCK_SHARED, &lock, &err));
    pxds_store_free(store);
    store = open_store();
    check_loads(store, &one);
    pxds_store_free(store);
}

int main(void)
{
    RUN(test_there_and_back);
    RUN(test_refusals);
    return check_done();
}
