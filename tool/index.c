/* The commands that show how data is cut: chunk, and index. */
#include "tool.h"

static void json_chunk(uint64_t start, uint64_t end, const uint8_t *digest)
{
    json_begin();
    json_number("start", start);
    json_number("end", end);
    json_digest("digest", digest);
    json_end();
}

static pxds_status print_chunk(bool json, uint64_t end, const uint8_t *data, size_t len, pxds_error **err)
{
    uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_status status = pxds_digest_compute(data, len, digest, err);

    if (status >= 0 && json)
        json_chunk(end - len, end, digest);
    else if (status >= 0)
        printf("%" PRIu64 " %zu %s\n", end, len, hex(digest));
    return status;
}

static int print_chunks(const struct args *args, pxds_chunker *chunker, int fd)
{
    const bool json = args->option[OPT_JSON].given;
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
            status = print_chunk(json, end, data + start, scanned - start, &err);
            start = scanned;
        }
    }
    if (status >= 0 && n == 0 && fill > 0)
        status = print_chunk(json, end + fill, data, fill, &err);
    free(data);
    if (status < 0)
        return fail(err);
    return n < 0 ? fail_errno(input_name(args->operand[0])) : 0;
}

int cmd_chunk(const struct args *args)
{
    pxds_chunker *chunker = NULL;
    pxds_chunker_config config = PXDS_CHUNKER_CONFIG_INIT;
    pxds_error *err = NULL;
    int fd, rc;

    if (pxds_chunker_config_init(&config, args->option[OPT_AVG].number, &err) < 0)
        return misuse(args->command, err);
    fd = open_input(args->operand[0]);
    if (fd < 0)
        return 1;
    if (pxds_chunker_new(&config, &chunker, &err) < 0)
        rc = fail(err);
    else
        rc = print_chunks(args, chunker, fd);
    pxds_chunker_free(chunker);
    close(fd);
    return rc;
}

static const char *uuid_text(const uint8_t *uuid, char *text)
{
    char *end = text;

    for (int i = 0; i < 16; i++)
        end += sprintf(end, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    return text;
}

static void print_index(const char *path, const pxds_index_info *info, const uint8_t *computed, bool json)
{
    const bool fixed = info->kind == PXDS_INDEX_FIXED;
    const bool matches = memcmp(info->csum, computed, PXDS_DIGEST_SIZE) == 0;
    char uuid[40], time[TIME_TEXT_MAX], units[SIZE_TEXT_MAX];

    uuid_text(info->uuid, uuid);
    if (json) {
        json_begin();
        json_text("index", path);
        json_text("kind", fixed ? "fixed" : "dynamic");
        json_text("uuid", uuid);
        json_time("create_time", info->ctime);
        json_number("size", info->size);
        json_number("chunks", info->chunk_count);
        if (fixed)
            json_number("chunk_size", info->chunk_size);
        else
            json_null("chunk_size");
        json_digest("csum", info->csum);
        json_digest("computed_csum", computed);
        json_bool("matches", matches);
        json_end();
        return;
    }
    printf("kind: %s\nuuid: %s\nctime: %s\nsize: %" PRIu64 " bytes%s\nchunks: %" PRIu64 "\n",
           fixed ? "fixed" : "dynamic", uuid, time_text(info->ctime, time), info->size, in_units(info->size, units),
           info->chunk_count);
    if (fixed)
        printf("chunk size: %" PRIu64 " bytes%s\n", info->chunk_size, in_units(info->chunk_size, units));
    printf("stored csum: %s\n", hex(info->csum));
    printf("computed csum: %s (%s)\n", hex(computed), matches ? "matches" : "DIFFERS");
}

int cmd_index(const struct args *args)
{
    const bool json = args->option[OPT_JSON].given;
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index_chunk_info chunk = PXDS_INDEX_CHUNK_INFO_INIT;
    uint8_t computed[PXDS_DIGEST_SIZE];
    pxds_index *index = NULL;
    pxds_error *err = NULL;
    int rc = 0;

    detail("reading %s", args->operand[0]);
    if (pxds_index_open(args->operand[0], PXDS_INDEX_ANY, &index, &err) < 0 ||
        pxds_index_get_info(index, &info, &err) < 0 ||
        pxds_index_compute_csum(index, computed, NULL, &err) < 0)
        rc = fail(err);
    else
        print_index(args->operand[0], &info, computed, json);
    for (uint64_t i = 0; rc == 0 && args->option[OPT_ENTRIES].given && i < info.chunk_count; i++) {
        if (pxds_index_get_chunk(index, i, &chunk, &err) < 0)
            rc = fail(err);
        else if (json)
            json_chunk(chunk.start, chunk.end, chunk.digest);
        else
            printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", i, chunk.start, chunk.end,
                   hex(chunk.digest));
    }
    pxds_index_free(index);
    return rc;
}
