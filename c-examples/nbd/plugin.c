/*
 * Serves an archive of a snapshot as a block device, read-only: a plugin for nbdkit, the server of
 * network block devices. An image can so be looked into, booted or copied without a restore; only
 * the chunks that somebody reads are loaded.
 *
 * Build, with nbdkit 1.30 or newer (Debian: nbdkit, nbdkit-plugin-dev), here or anywhere:
 *
 *     make nbd     # build/nbdkit-pxds-plugin.so
 *     cc -std=c99 -fPIC -shared plugin.c -o nbdkit-pxds-plugin.so $(pkg-config --cflags --libs pxds nbdkit)
 *
 * Run, say as
 *
 *     nbdkit ./nbdkit-pxds-plugin.so store=/srv/store \
 *         snapshot=ns/lab/vm/100/2026-11-22T20:00:00Z archive=drive-scsi0.img.fidx
 *
 * and use it:
 *
 *     qemu-img convert -O qcow2 nbd://localhost disk.qcow2
 *     nbdcopy nbd://localhost disk.raw
 *     nbdfuse mnt/disk.raw nbd://localhost
 *
 * nbdkit listens to everybody unless told otherwise; -U - --run 'qemu-img map "$uri"' serves one
 * command over a socket of its own. While the plugin runs nobody can remove the snapshot.
 *
 * How it uses the library: one reader, which any number of threads may call at once, serves all
 * connections, so that they share its cache of decoded chunks. What a client gets has been checked
 * against its CRC and digest; a chunk that is damaged or lost is an I/O error where it would be,
 * and no more than that.
 */
#include <pxds.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* ---- parameters; nbdkit keeps the values ---- */

static char *store_path; /* ours, from malloc() */
static const char *store_name;
static const char *snapshot_path;
static const char *archive_name;
static size_t cache_size; /* 0: what the library takes by itself */

static int nbd_config(const char *key, const char *value)
{
    if (strcmp(key, "store") == 0) {
        free(store_path);
        store_path = nbdkit_realpath(value); /* absolute: nbdkit goes to / before it serves */
        return store_path != NULL ? 0 : -1;
    }
    if (strcmp(key, "store-name") == 0) {
        store_name = value;
    } else if (strcmp(key, "snapshot") == 0) {
        snapshot_path = value;
    } else if (strcmp(key, "archive") == 0) {
        archive_name = value;
    } else if (strcmp(key, "cache") == 0) {
        int64_t size = nbdkit_parse_size(value);

        if (size == -1)
            return -1;
        if (size == 0 || (uint64_t)size > SIZE_MAX) {
            nbdkit_error("cache=%s: out of range", value);
            return -1;
        }
        cache_size = (size_t)size;
    } else {
        nbdkit_error("unknown parameter '%s'", key);
        return -1;
    }
    return 0;
}

static int nbd_config_complete(void)
{
    if (store_path != NULL && snapshot_path != NULL && archive_name != NULL)
        return 0;
    nbdkit_error("store=, snapshot= and archive= are needed");
    return -1;
}

#define CONFIG_HELP \
    "store=PATH         (required) The directory of the datastore.\n" \
    "snapshot=SNAPSHOT  (required) [ns/NAME/...]TYPE/ID/TIME.\n" \
    "archive=NAME       (required) The archive, NAME.fidx or NAME.didx.\n" \
    "store-name=NAME    What a running Proxmox Backup Server calls the store.\n" \
    "cache=SIZE         Memory for decoded chunks (default: 64M)."

/* ---- the archive that is served ---- */

static pxds_snapshot *snapshot;
static pxds_reader *reader;
static uint64_t chunk_size; /* 0: chunks of many sizes */

static void report(pxds_error *err)
{
    nbdkit_error("%s", err != NULL ? pxds_error_message(err) : "out of memory");
    pxds_error_free(err);
}

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    (void)user, (void)path;
    if (level >= PXDS_NOTICE_WARNING)
        nbdkit_error("warning: %s", message);
    else
        nbdkit_debug("%s", message);
    return 0;
}

static void close_archive(void)
{
    pxds_reader_free(reader);
    pxds_snapshot_free(snapshot);
    reader = NULL;
    snapshot = NULL;
}

/* The calls in their order up to the first that fails; what is needed on the way is freed at once,
 * as the reader keeps the index and the store. */
static int open_archive(void)
{
    pxds_store_options store_options = PXDS_STORE_OPTIONS_INIT;
    pxds_reader_options reader_options = PXDS_READER_OPTIONS_INIT;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_store *store = NULL;
    pxds_index *index = NULL;
    pxds_error *err = NULL;
    int ok;

    store_options.notice = on_notice;
    store_options.store_name = store_name;
    reader_options.cache_size = cache_size;
    ok = pxds_store_open(store_path, &store_options, &store, &err) >= 0 &&
         pxds_snapshot_open(store, snapshot_path, NULL, 0, &snapshot, &err) >= 0 &&
         pxds_snapshot_open_index(snapshot, archive_name, &index, &err) >= 0 &&
         pxds_index_get_info(index, &info, &err) >= 0 &&
         pxds_reader_new(store, index, &reader_options, &reader, &err) >= 0;
    chunk_size = info.chunk_size;
    pxds_index_free(index);
    pxds_store_free(store);
    if (!ok) {
        report(err);
        close_archive();
        return -1;
    }
    if (pxds_reader_size(reader) > INT64_MAX) {
        nbdkit_error("%s is too large", archive_name);
        close_archive();
        return -1;
    }
    return 0;
}

/* A child must not use the handles of its parent, and nbdkit forks to get into the background. Opening
 * the archive before that as well is for the messages: afterwards there may be nobody to read them. */
static int nbd_get_ready(void)
{
    if (open_archive() == -1)
        return -1;
    close_archive();
    return 0;
}

static int nbd_after_fork(void)
{
    return open_archive();
}

static void nbd_unload(void)
{
    close_archive();
    free(store_path);
}

/* ---- a connection: without pwrite it is read-only; the reader serves them all ---- */

static void *nbd_open(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t nbd_get_size(void *handle)
{
    (void)handle;
    return (int64_t)pxds_reader_size(reader);
}

/* A read of less than a chunk decodes all of it. */
static int nbd_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
    const uint32_t most = 32 << 20; /* of nbdkit, and what clients take for granted */

    (void)handle;
    *minimum = *preferred = *maximum = 0; /* nothing is said */
    if (chunk_size >= 4096 && chunk_size <= most && (chunk_size & (chunk_size - 1)) == 0) {
        *minimum = 1;
        *preferred = (uint32_t)chunk_size;
        *maximum = most;
    }
    return 0;
}

/* Nothing ever changes, so that all connections see the same. */
static int nbd_can_multi_conn(void *handle)
{
    (void)handle;
    return 1;
}

/* nbdkit then reads and throws away, which fills the reader's cache. */
static int nbd_can_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_EMULATE;
}

/* Reports a failure to serve. What NBD has no number for clients would see as EINVAL, hence EIO. */
static int fail(pxds_status status, pxds_error *err)
{
    nbdkit_set_error(status == PXDS_ERR_NOMEM ? ENOMEM : EIO);
    report(err);
    return -1;
}

static int nbd_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    pxds_error *err = NULL;
    pxds_status status;
    size_t len;

    (void)handle, (void)flags;
    status = pxds_reader_read_at(reader, offset, buf, count, &len, &err);
    if (status < 0)
        return fail(status, err);
    if (len != count) { /* nbdkit lets nobody read past the end */
        nbdkit_set_error(EIO);
        nbdkit_error("%s ends before %" PRIu64, archive_name, offset + count);
        return -1;
    }
    return 0;
}

static int nbd_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                        struct nbdkit_extents *extents)
{
    const uint64_t end = offset + count;
    uint64_t length;

    (void)handle;
    for (; offset < end; offset += length) {
        pxds_error *err = NULL;
        uint32_t is_zero;
        pxds_status status = pxds_reader_get_extent(reader, offset, end - offset, &length, &is_zero, &err);

        if (status < 0)
            return fail(status, err);
        if (status == PXDS_NONE)
            break;
        if (nbdkit_add_extent(extents, offset, length,
                              is_zero ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0) == -1)
            return -1;
        if (flags & NBDKIT_FLAG_REQ_ONE)
            break;
    }
    return 0;
}

static void nbd_dump_plugin(void)
{
    printf("pxds_version=%s\n", pxds_version());
}

static struct nbdkit_plugin plugin = {
    .name = "pxds",
    .longname = "pxds snapshots",
    .description = "Serves an archive of a snapshot in a Proxmox Backup Server datastore.",
    .config = nbd_config,
    .config_complete = nbd_config_complete,
    .config_help = CONFIG_HELP,
    .dump_plugin = nbd_dump_plugin,
    .get_ready = nbd_get_ready,
    .after_fork = nbd_after_fork,
    .unload = nbd_unload,
    .open = nbd_open,
    .get_size = nbd_get_size,
    .block_size = nbd_block_size,
    .can_multi_conn = nbd_can_multi_conn,
    .can_cache = nbd_can_cache,
    .pread = nbd_pread,
    .extents = nbd_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
