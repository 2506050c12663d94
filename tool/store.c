/* Commands on stores, indexes, chunks and blobs. */
#include "tool.h"

pxds_store_options store_options(const struct args *args)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;

    options.layout = (uint32_t)args->option[OPT_LAYOUT].number;
    options.sync = (uint32_t)args->option[OPT_SYNC].number;
    options.notice = on_notice;
    options.store_name = args->option[OPT_PBS_STORE].text;
    if (args->option[OPT_NOT_S3_CACHE].given)
        options.flags = PXDS_STORE_NOT_S3_CACHE;
    return options;
}

int heed_pbs(const struct args *args, const char *path, char *name, pxds_store_options *store,
             pxds_gc_options *gc, pxds_verify_options *verify)
{
    const struct value *config = &args->option[OPT_PBS_CONFIG];
    pxds_error *err = NULL;
    struct stat locks;
    pxds_status status =
        pxds_pbs_config_read(config->given ? config->text : "/etc/proxmox-backup/datastore.cfg",
                             path, name, PXDS_STORE_NAME_SIZE, store, gc, verify, &err);

    if (status >= 0)
        return 0;
    if (config->given || (status != PXDS_ERR_NOT_FOUND && pxds_error_errno(err) != EACCES))
        return fail(err);
    if (store->store_name != NULL && status != PXDS_ERR_NOT_FOUND)
        say("note: %s; that PBS calls the store %s %s is believed, and none of its maintenance"
            " modes is known",
            pxds_error_message(err), path, store->store_name);
    pxds_error_free(err);
    if (store->store_name == NULL && takes_option(args, OPT_PBS_STORE) &&
        stat("/run/proxmox-backup/locks", &locks) == 0)
        say("note: PBS runs here, and keeps its configuration to itself; if it has the store %s,"
            " name it with --pbs-store",
            path);
    return 0;
}

pxds_store *open_store(const struct args *args, const char *path, uint32_t flags,
                       pxds_gc_options *gc, pxds_verify_options *verify)
{
    pxds_store_options options = store_options(args);
    char name[PXDS_STORE_NAME_SIZE];
    pxds_store *store = NULL;
    pxds_error *err = NULL;

    options.flags |= flags;
    if (path != args->operand[0])
        options.store_name = NULL; /* --pbs-store names the first */
    if (heed_pbs(args, path, name, &options, gc, verify) != 0)
        return NULL;
    if (pxds_store_open(path, &options, &store, &err) < 0)
        fail(err);
    return store;
}

pxds_store *open_tree(const struct args *args)
{
    return open_store(args, args->operand[0], PXDS_STORE_BARE, NULL, NULL);
}

static int32_t on_progress(void *user, const pxds_progress *progress)
{
    (void)user;
    draw_line("%" PRIu64 " of %" PRIu64 " directories", progress->done, progress->total);
    return stop_signal();
}

int cmd_init(const struct args *args)
{
    pxds_store_options options = store_options(args);
    pxds_store *store = NULL;
    pxds_error *err = NULL;

    if (args->option[OPT_SHARED].given || args->option[OPT_PBS_STORE].given)
        options.flags |= PXDS_STORE_SHARED;
    options.progress = on_progress;
    hold_signals();
    if (pxds_store_create(args->operand[0], &options, &store, &err) < 0)
        return fail(err);
    clear_line();
    pxds_store_free(store);
    return 0;
}

static pxds_status print_chunk(uint64_t end, const uint8_t *data, size_t len, pxds_error **err)
{
    uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_status status = pxds_digest_compute(data, len, digest, err);

    if (status >= 0)
        printf("%" PRIu64 " %zu %s\n", end, len, hex(digest));
    return status;
}

static int print_chunks(pxds_chunker *chunker, int fd, const char *path)
{
    size_t capacity = 64 * 1024, start = 0, scanned = 0, fill = 0, used;
    uint8_t *data = malloc(capacity);
    pxds_status status = PXDS_OK;
    pxds_error *err = NULL;
    uint64_t end = 0;
    ssize_t n = 0;

    if (data == NULL)
        return fail(NULL);
    while (status >= 0 && !ferror(stdout)) {
        if (scanned == fill) { /* keep the open chunk and read on behind it */
            memmove(data, data + start, fill - start);
            fill -= start;
            scanned = fill;
            start = 0;
            if (fill == capacity && (data = grow(data, &capacity)) == NULL)
                return fail(NULL);
            n = read_some(fd, data + fill, capacity - fill);
            if (n <= 0)
                break;
            fill += (size_t)n;
        }
        status = pxds_chunker_scan(chunker, data + scanned, fill - scanned, &used, &err);
        scanned += used;
        if (status == PXDS_CUT) {
            end += scanned - start;
            status = print_chunk(end, data + start, scanned - start, &err);
            start = scanned;
        }
    }
    if (status >= 0 && n == 0 && fill > 0)
        status = print_chunk(end + fill, data, fill, &err);
    free(data);
    if (status < 0)
        return fail(err);
    return n < 0 ? fail_errno(input_name(path)) : 0;
}

int cmd_chunk(const struct args *args)
{
    int fd = open_input(args->operand[0]), rc;
    pxds_chunker *chunker = NULL;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_error *err = NULL;

    if (fd < 0)
        return 1;
    if (pxds_chunker_config_init(&config, args->option[OPT_AVG].number, &err) < 0 ||
        pxds_chunker_new(&config, &chunker, &err) < 0)
        rc = fail(err);
    else
        rc = print_chunks(chunker, fd, args->operand[0]);
    pxds_chunker_free(chunker);
    close(fd);
    return rc;
}

static void print_summary(const pxds_ingest_stats *stats, const uint8_t *csum, bool json)
{
    if (json)
        printf("{\"size\":%" PRIu64 ",\"chunks\":%" PRIu64 ",\"new_chunks\":%" PRIu64
               ",\"stored_bytes\":%" PRIu64 ",\"csum\":\"%s\"}\n",
               stats->size, stats->chunks, stats->new_chunks, stats->stored_bytes, hex(csum));
    else
        printf("bytes: %" PRIu64 "\nchunks: %" PRIu64 "\nnew chunks: %" PRIu64
               "\nstored bytes: %" PRIu64 "\ndedup share: %.1f %%\n",
               stats->size, stats->chunks, stats->new_chunks, stats->stored_bytes,
               percent(stats->size - stats->new_bytes, stats->size));
}

int cmd_put(const struct args *args)
{
    const char *index_path = args->operand[2];
    int fd, rc;
    pxds_ingest_options ingest_options = PXDS_INGEST_OPTIONS_INIT;
    pxds_ingest_stats stats = PXDS_INGEST_STATS_INIT;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    struct meter meter = {NULL, now(), 0, 0};
    pxds_index_writer *writer = NULL;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_ingest *ingest = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    pxds_key *key = NULL;

    rc = check_key_options(args, is_dash(args->operand[1]));
    if (rc == 0)
        rc = check_output(args->operand[1], index_path);
    if (rc == 0)
        rc = check_index_path(index_path);
    if (rc == 0 && is_name_of_other(index_path, false))
        rc = usage_error(args->command, "'%s': this makes a dynamic index, NAME.didx", index_path);
    if (rc == 0)
        rc = load_key(args, &key);
    fd = rc == 0 ? open_input(args->operand[1]) : -1;
    if (fd < 0) {
        pxds_key_free(key);
        return rc != 0 ? rc : 1;
    }
    ingest_options.key = key;
    ingest_options.chunker = &config;
    ingest_options.threads = (uint32_t)args->option[OPT_THREADS].number;
    if (args->option[OPT_NO_COMPRESS].given)
        ingest_options.flags = PXDS_INGEST_NO_COMPRESS;
    if (args->option[OPT_STRICT].given)
        ingest_options.flags |= PXDS_INGEST_STRICT;
    ingest_options.on_chunk = on_chunk;
    ingest_options.progress = on_bytes;
    ingest_options.on_chunk_user = ingest_options.progress_user = &meter;
    hold_signals();
    store = open_store(args, args->operand[0], 0, NULL, NULL);
    if (store == NULL) {
        rc = 1;
    } else if (pxds_chunker_config_init(&config, args->option[OPT_AVG].number, &err) < 0 ||
               pxds_ingest_new(store, &ingest_options, &ingest, &err) < 0 ||
               pxds_ingest_read_fd(ingest, fd, &err) < 0 ||
               pxds_ingest_finish(ingest, &writer, &err) < 0 ||
               pxds_ingest_get_stats(ingest, &stats, &err) < 0 ||
               pxds_index_writer_get_info(writer, &info, &err) < 0 || stop_signal() != 0 ||
               pxds_index_writer_save(writer, index_path, &err) < 0) {
        rc = fail(err);
    } else {
        clear_line();
        print_summary(&stats, info.csum, args->option[OPT_JSON].given);
        note_unprotected(index_path, store);
    }
    pxds_index_writer_free(writer);
    pxds_ingest_free(ingest);
    pxds_store_free(store);
    pxds_key_free(key);
    close(fd);
    return rc;
}

int cmd_get(const struct args *args)
{
    const char *out = args->operand[2];
    pxds_restorer_options restorer_options = PXDS_RESTORER_OPTIONS_INIT;
    struct meter meter = {NULL, now(), 0, 0};
    pxds_restorer *restorer = NULL;
    pxds_index *index = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    pxds_key *key = NULL;
    int rc = check_key_options(args, false);

    if (rc == 0)
        rc = check_descriptor(out);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    restorer_options.key = key;
    restorer_options.threads = (uint32_t)args->option[OPT_THREADS].number;
    restorer_options.progress = on_bytes;
    restorer_options.progress_user = &meter;
    prepare_restore(out);
    store = open_store(args, args->operand[0], 0, NULL, NULL);
    if (store == NULL)
        rc = 1;
    else if (pxds_index_open(args->operand[1], PXDS_INDEX_ANY, &index, &err) < 0 ||
             pxds_restorer_new(store, &restorer_options, &restorer, &err) < 0 ||
             (is_dash(out) ? pxds_restorer_write_fd(restorer, index, STDOUT_FILENO, NULL, &err)
                           : pxds_restorer_write_file(restorer, index, out, NULL, &err)) < 0)
        rc = fail(err);
    clear_line();
    pxds_restorer_free(restorer);
    pxds_index_free(index);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}

static void print_index_info(const pxds_index_info *info, const uint8_t *computed)
{
    const bool fixed = info->kind == PXDS_INDEX_FIXED;
    const bool matches = memcmp(info->csum, computed, PXDS_DIGEST_SIZE) == 0;

    printf("kind: %s\nuuid: ", fixed ? "fixed" : "dynamic");
    for (int i = 0; i < 16; i++)
        printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", info->uuid[i]);
    printf("\nctime: ");
    print_time(info->ctime);
    printf("\nsize: %" PRIu64 "\nchunks: %" PRIu64 "\n", info->size, info->chunk_count);
    if (fixed)
        printf("chunk size: %" PRIu64 "\n", info->chunk_size);
    printf("stored csum: %s\n", hex(info->csum));
    printf("computed csum: %s (%s)\n", hex(computed), matches ? "matches" : "DIFFERS");
}

int cmd_index(const struct args *args)
{
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    uint8_t computed[PXDS_DIGEST_SIZE];
    pxds_index *index = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    if (pxds_index_open(args->operand[0], PXDS_INDEX_ANY, &index, &err) < 0 ||
        pxds_index_get_info(index, &info, &err) < 0 ||
        pxds_index_compute_csum(index, computed, NULL, &err) < 0)
        rc = fail(err);
    else
        print_index_info(&info, computed);
    for (uint64_t i = 0; rc == 0 && args->option[OPT_ENTRIES].given && i < info.chunk_count; i++) {
        if (pxds_index_get_chunk(index, i, &chunk, &err) < 0)
            rc = fail(err);
        else
            printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", i, chunk.start, chunk.end,
                   hex(chunk.digest));
    }
    pxds_index_free(index);
    return rc;
}

static int blob_info(const uint8_t *blob, size_t len)
{
    static const char *const kinds[] = {"plain", "compressed", "encrypted",
                                        "encrypted compressed"};
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    pxds_error *err = NULL;
    pxds_status crc;

    if (pxds_blob_parse(blob, len, &info, &err) < 0)
        return fail(err);
    crc = pxds_blob_check_crc(blob, len, &err);
    if (crc < 0 && crc != PXDS_ERR_CORRUPT)
        return fail(err);
    pxds_error_free(err);
    printf("magic: ");
    for (size_t i = 0; i < sizeof info.magic; i++)
        printf("%02x", info.magic[i]);
    printf("\ncrc: %08" PRIx32 " (%s)\n", info.crc, crc < 0 ? "WRONG" : "ok");
    printf("flags: %s\n", kinds[info.flags & (PXDS_BLOB_COMPRESSED | PXDS_BLOB_ENCRYPTED)]);
    printf("crypt mode: %s\n", info.crypt_mode == PXDS_CRYPT_NONE ? "none" : "encrypt");
    printf("header: %" PRIu32 "\npayload: %" PRIu64 "\n", info.header_len, info.payload_len);
    return 0;
}

static int blob_code(bool encode, const struct args *args, const pxds_key *key,
                     const uint8_t *data, size_t len)
{
    const char *out = args->operands > 2 ? args->operand[2] : "-";
    uint32_t flags = args->option[OPT_COMPRESS].given ? PXDS_ENCODE_COMPRESS : 0;
    pxds_blob_codec_options options = PXDS_BLOB_CODEC_OPTIONS_INIT;
    pxds_blob_codec *codec = NULL;
    pxds_buffer *result = NULL;
    pxds_error *err = NULL;
    int rc;

    if (key != NULL)
        flags |= PXDS_ENCODE_ENCRYPT;
    options.key = key;
    if (pxds_blob_codec_new(&options, &codec, &err) < 0 ||
        (encode ? pxds_blob_encode_buffer(codec, data, len, flags, &result, &err)
                : pxds_blob_decode_buffer(codec, data, len, 0, NULL, PXDS_BLOB_MAX_SIZE, &result,
                                          &err)) < 0)
        rc = fail(err);
    else
        rc = write_output(out, pxds_buffer_data(result), pxds_buffer_len(result));
    pxds_buffer_free(result);
    pxds_blob_codec_free(codec);
    return rc;
}

int cmd_blob(const struct args *args)
{
    const char *action = args->operand[0];
    const bool encode = strcmp(action, "encode") == 0, info = strcmp(action, "info") == 0;
    pxds_key *key = NULL;
    uint8_t *data;
    size_t len;
    int rc;

    if (!encode && !info && strcmp(action, "decode") != 0)
        return usage_error(args->command, "'%s' is not encode, decode or info", action);
    if (info && args->operands > 2)
        return usage_error(args->command, "info takes no OUT");
    if (!encode && args->option[OPT_COMPRESS].given)
        return usage_error(args->command, "--compress goes with encode only");
    if (info && args->option[OPT_KEY].given)
        return usage_error(args->command, "info takes no --key");
    rc = check_key_options(args, is_dash(args->operand[1]));
    if (rc == 0 && args->operands > 2)
        rc = check_output(args->operand[1], args->operand[2]);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    data = read_input(args->operand[1], &len);
    if (data == NULL)
        rc = 1;
    else
        rc = info ? blob_info(data, len) : blob_code(encode, args, key, data, len);
    free(data);
    pxds_key_free(key);
    return rc;
}
