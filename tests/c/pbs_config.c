/* What Proxmox Backup Server is configured to do with a store, as options. */
#include "tree.h"

static unsigned told;

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    (void)user;
    CHECK(level == PXDS_NOTICE_WARNING && path == NULL);
    CHECK(strcmp(message, "the store s1 is in maintenance mode read-only: moving") == 0);
    told++;
    return 0;
}

/* Writes the file with a section of the store s1, in the directory "store", and these lines. */
static const char *configure(const char *lines)
{
    static char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s", in_dir("datastore.cfg"));
    file = fopen(path, "w");
    need(CHECK(file != NULL), path);
    fprintf(file, "datastore: s1\n\tpath %s\n%s", in_dir("store"), lines);
    fclose(file);
    return path;
}

static void test_what_is_configured_becomes_options(void)
{
    const char *config = configure("\tmaintenance-mode read-only,message=moving\n"
                                   "\tbackend type=s3,bucket=b\n"
                                   "\ttuning sync-level=none,gc-atime-cutoff=60,chunk-order=none,"
                                   "gc-cache-capacity=0,gc-atime-safety-check=false,"
                                   "default-verification-workers=3\n");
    pxds_store_options store = PXDS_STORE_OPTIONS_INIT;
    pxds_gc_options gc = PXDS_GC_OPTIONS_INIT;
    pxds_verify_options verify = PXDS_VERIFY_OPTIONS_INIT;
    char name[PXDS_STORE_NAME_SIZE];

    store.notice = on_notice;
    told = 0;
    OK(pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, &store, &gc, &verify, &err));
    CHECK(strcmp(name, "s1") == 0 && store.store_name == name);
    EQUAL(PXDS_SYNC_NONE, store.sync);
    EQUAL(PXDS_STORE_READ_ONLY | PXDS_STORE_S3_CACHE, store.flags);
    EQUAL(1, told);
    EQUAL(60, gc.cutoff_minutes);
    EQUAL(0, gc.remembered);
    EQUAL(PXDS_GC_NO_ATIME_PROBE | PXDS_GC_NO_CACHE, gc.flags);
    EQUAL(PXDS_VERIFY_INDEX_ORDER, verify.flags);
    EQUAL(3, verify.threads);

    /* What the caller has said stays. */
    store.sync = PXDS_SYNC_FILE, store.flags = PXDS_STORE_MIXED;
    gc.cutoff_minutes = 5, gc.remembered = 7, gc.flags = PXDS_GC_DRY_RUN;
    verify.threads = 9, verify.flags = PXDS_VERIFY_READ_ONLY;
    OK(pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, &store, &gc, &verify, &err));
    EQUAL(PXDS_SYNC_FILE, store.sync);
    EQUAL(PXDS_STORE_MIXED | PXDS_STORE_READ_ONLY | PXDS_STORE_S3_CACHE, store.flags);
    EQUAL(5, gc.cutoff_minutes);
    EQUAL(7, gc.remembered);
    EQUAL(PXDS_GC_DRY_RUN, gc.flags);
    EQUAL(9, verify.threads);
    EQUAL(PXDS_VERIFY_READ_ONLY | PXDS_VERIFY_INDEX_ORDER, verify.flags);
}

static void test_what_is_not_configured_stays(void)
{
    const char *config = configure("");
    pxds_store_options store = PXDS_STORE_OPTIONS_INIT;
    pxds_gc_options gc = PXDS_GC_OPTIONS_INIT;
    pxds_verify_options verify = PXDS_VERIFY_OPTIONS_INIT;
    char name[PXDS_STORE_NAME_SIZE];

    OK(pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, &store, &gc, &verify, &err));
    CHECK(store.sync == 0 && store.flags == PXDS_STORE_NOT_S3_CACHE && store.store_name == name);
    CHECK(gc.flags == 0 && gc.cutoff_minutes == 0 && gc.remembered == 0);
    CHECK(verify.flags == 0 && verify.threads == 0);
    OK(pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, NULL, NULL, NULL, &err));
    CHECK(strcmp(name, "s1") == 0);

    /* Another directory is no store of PBS's. */
    store.store_name = NULL;
    IS(PXDS_NONE,
       pxds_pbs_config_read(config, in_dir("else"), name, sizeof name, &store, &gc, &verify, &err));
    CHECK(name[0] == '\0' && store.store_name == NULL);
}

static void test_a_name_that_is_given(void)
{
    const char *config = configure("");
    pxds_store_options store = PXDS_STORE_OPTIONS_INIT;
    char name[PXDS_STORE_NAME_SIZE];

    store.store_name = "s1";
    OK(pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, &store, NULL, NULL, &err));
    CHECK(store.store_name == name);
    store.store_name = "s2";
    IS(PXDS_ERR_ARGUMENT,
       pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, &store, NULL, NULL, &err));
    CHECK(strcmp(store.store_name, "s2") == 0 && name[0] == '\0');
    CHECK(strcmp(pxds_error_path(err), config) == 0);
    store.store_name = "s1";
    IS(PXDS_ERR_ARGUMENT,
       pxds_pbs_config_read(config, in_dir("else"), name, sizeof name, &store, NULL, NULL, &err));
}

static void test_what_keeps_a_store_from_being_used(void)
{
    pxds_gc_options gc = PXDS_GC_OPTIONS_INIT;
    char name[PXDS_STORE_NAME_SIZE], small[2], lines[8192];
    const char *config = configure("\tmaintenance-mode type=offline\n");

    IS(PXDS_ERR_BUSY,
       pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, NULL, NULL, NULL, &err));
    config = configure("\tmaintenance-mode asleep\n");
    IS(PXDS_ERR_UNSUPPORTED,
       pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, NULL, NULL, NULL, &err));
    config = configure("\ttuning sync-level=most\n");
    IS(PXDS_ERR_FORMAT,
       pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, NULL, NULL, NULL, &err));

    /* Of two stores in one another no garbage is collected. */
    snprintf(lines, sizeof lines, "\ndatastore: s2\n\tpath %s\n", in_dir("store/below"));
    config = configure(lines);
    OK(pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, NULL, NULL, NULL, &err));
    IS(PXDS_ERR_UNSUPPORTED,
       pxds_pbs_config_read(config, in_dir("store"), name, sizeof name, NULL, &gc, NULL, &err));
    IS(PXDS_ERR_UNSUPPORTED,
       pxds_pbs_config_read(config, in_dir("store/below"), name, sizeof name, NULL, &gc, NULL,
                            &err));
    IS(PXDS_ERR_TOO_SMALL,
       pxds_pbs_config_read(config, in_dir("store"), small, sizeof small, NULL, NULL, NULL, &err));
    IS(PXDS_ERR_NOT_FOUND,
       pxds_pbs_config_read(in_dir("missing"), in_dir("store"), name, sizeof name, NULL, NULL, NULL,
                            &err));
}

int main(void)
{
    pxds_store_free(new_store());
    RUN(test_what_is_configured_becomes_options);
    RUN(test_what_is_not_configured_stays);
    RUN(test_a_name_that_is_given);
    RUN(test_what_keeps_a_store_from_being_used);
    return check_done();
}
