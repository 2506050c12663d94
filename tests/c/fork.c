/* A child may free what it inherited, and that touches no file and no lock. */
#include "check.h"

struct count {
    unsigned files;
    uint64_t bytes;
};

static struct count counted;

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)path, (void)kind, (void)ftw;
    counted.files++;
    counted.bytes += (uint64_t)st->st_size;
    return 0;
}

static struct count count_files(void)
{
    counted.files = 0, counted.bytes = 0;
    need(nftw(in_dir("."), count_entry, 16, FTW_PHYS) == 0, "nftw");
    return counted;
}

static void wait_for(pid_t child)
{
    int status = 1;

    need(child > 0 && waitpid(child, &status, 0) == child, "waitpid");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_child_frees_everything(void)
{
    pxds_store *store = NULL, *theirs = NULL;
    pxds_lock *lock = NULL, *other = NULL;
    pxds_ingest *ingest = NULL;
    pxds_index_writer *writer = NULL, *saved = NULL;
    pxds_restorer *restorer = NULL;
    pxds_chunk_iter *iter = NULL;
    pxds_index *index = NULL;
    pxds_chunk_entry entry = PXDS_CHUNK_ENTRY_INIT;
    uint8_t *data = random_data(100000, 2);
    struct count before, after;
    uint64_t written = 0;
    pid_t child;

    store = new_store();
    OK(pxds_ingest_new(store, NULL, &ingest, &err));
    OK(pxds_ingest_write(ingest, data, 100000, &err));
    OK(pxds_ingest_finish(ingest, &saved, &err));
    OK(pxds_index_writer_save(saved, in_dir("a.didx"), &err));
    pxds_ingest_free(ingest);
    OK(pxds_index_open(in_dir("a.didx"), PXDS_INDEX_ANY, &index, &err));
    OK(pxds_ingest_new(store, NULL, &ingest, &err));
    OK(pxds_ingest_write(ingest, data + 5, 90000, &err));
    OK(pxds_index_writer_new_dynamic(0, NULL, &writer, &err));
    for (uint64_t i = 1; i <= 10000; i++) /* enough to be put aside in a file, if anything is */
        pxds_index_writer_add(writer, i, data, NULL);
    OK(pxds_restorer_new(store, NULL, &restorer, &err));
    OK(pxds_store_chunks(store, &iter, &err));
    OK(pxds_store_lock(store, PXDS_LOCK_EXCLUSIVE, &lock, &err));
    before = count_files();

    child = fork();
    if (child == 0) {
        pxds_lock_free(lock);
        pxds_chunk_iter_free(iter);
        pxds_restorer_free(restorer);
        pxds_index_writer_free(writer);
        pxds_index_writer_free(saved);
        pxds_ingest_free(ingest);
        pxds_index_free(index);
        pxds_store_free(store);
        _exit(0);
    }
    wait_for(child);

    after = count_files();
    EQUAL(before.files, after.files);
    EQUAL(before.bytes, after.bytes);
    OK(pxds_store_open(in_dir("store"), NULL, &theirs, &err));
    IS(PXDS_ERR_BUSY, pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    pxds_lock_free(lock);
    OK(pxds_store_lock(theirs, PXDS_LOCK_SHARED, &other, &err));
    pxds_lock_free(other);
    pxds_store_free(theirs);

    /* all handles of the parent work as if nothing had been */
    OK(pxds_chunk_iter_next(iter, &entry, &err));
    pxds_chunk_iter_free(iter);
    OK(pxds_restorer_write_file(restorer, index, in_dir("out"), &written, &err));
    EQUAL(100000, written);
    pxds_restorer_free(restorer);
    OK(pxds_index_writer_save(writer, in_dir("b.didx"), &err));
    pxds_index_writer_free(writer);
    pxds_index_writer_free(saved);
    OK(pxds_ingest_finish(ingest, &writer, &err));
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_index_free(index);
    pxds_store_free(store);
    free(data);
}

/* The lock goes with the process that holds it, also when that is killed. */
static void test_lock_of_a_dead_process(void)
{
    pxds_store *store = NULL;
    pxds_lock *lock = NULL;
    int ready[2];
    char byte = 0;
    pid_t child;

    store = new_store();
    pxds_store_free(store);
    need(pipe(ready) == 0, "pipe");
    child = fork();
    if (child == 0) {
        if (pxds_store_open(in_dir("store"), NULL, &store, NULL) != PXDS_OK ||
            pxds_store_lock(store, PXDS_LOCK_EXCLUSIVE, &lock, NULL) != PXDS_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    need(child > 0, "fork");
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    OK(pxds_store_open(in_dir("store"), NULL, &store, &err));
    IS(PXDS_ERR_BUSY, pxds_store_lock(store, PXDS_LOCK_SHARED, &lock, &err));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    OK(pxds_store_lock(store, PXDS_LOCK_SHARED, &lock, &err));
    pxds_lock_free(lock);
    pxds_store_free(store);
}

int main(void)
{
    RUN(test_child_frees_everything);
    RUN(test_lock_of_a_dead_process);
    return check_done();
}
