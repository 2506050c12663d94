/* The command that compares two snapshots, by their manifests and indexes alone: diff. */
#include "tool.h"

/* One of the two. */
struct side {
    char *path;
    pxds_snapshot *snapshot;
    pxds_manifest *manifest;
};

/* The chunks of an archive. */
struct cut {
    pxds_index_chunk_info *chunks; /* as they follow each other */
    size_t count;
    uint8_t (*digests)[PXDS_DIGEST_SIZE]; /* sorted; NULL where only chunks at the same place are the same */
};

/* Both versions of an archive. old or new is NULL if that snapshot has none. */
struct pair {
    const char *name;
    const pxds_manifest_file *old, *new;
    struct cut old_cut, new_cut;    /* if they are indexes that differ */
    uint64_t old_bytes, new_bytes;  /* which the other one has not */
};

struct sums {
    bool json;
    uint64_t added, gone, changed, same, failed;
    uint64_t old_bytes, new_bytes;
};

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, PXDS_DIGEST_SIZE);
}

static void free_cut(struct cut *cut)
{
    free(cut->chunks);
    free(cut->digests);
}

/* false without an error: there was no memory. */
static bool load_cut(const pxds_snapshot *snapshot, const char *name, struct cut *cut, pxds_error **err)
{
    pxds_index_info info = PXDS_INDEX_INFO_INIT;
    pxds_index *index = NULL;
    bool ok = pxds_snapshot_open_index(snapshot, name, &index, err) >= 0 &&
              pxds_index_get_info(index, &info, err) >= 0;
    const size_t room = (size_t)info.chunk_count + 1; /* never none */

    if (ok) {
        cut->chunks = calloc(room, sizeof *cut->chunks);
        if (info.kind == PXDS_INDEX_DYNAMIC)
            cut->digests = calloc(room, sizeof *cut->digests);
        ok = cut->chunks != NULL && (cut->digests != NULL || info.kind == PXDS_INDEX_FIXED);
    }
    if (ok) {
        cut->chunks[0].struct_size = sizeof *cut->chunks;
        ok = pxds_index_get_chunks(index, 0, cut->chunks, room, &cut->count, err) >= 0;
    }
    for (size_t i = 0; ok && cut->digests != NULL && i < cut->count; i++)
        memcpy(cut->digests[i], cut->chunks[i].digest, PXDS_DIGEST_SIZE);
    if (ok && cut->digests != NULL)
        qsort(cut->digests, cut->count, sizeof *cut->digests, compare_digests);
    pxds_index_free(index);
    return ok;
}

/* Whether the other version has chunk number i too: of an image at the same place, of a stream anywhere. */
static bool has_chunk(const struct cut *other, const pxds_index_chunk_info *chunk, size_t i)
{
    if (other->digests != NULL)
        return bsearch(chunk->digest, other->digests, other->count, sizeof *other->digests,
                       compare_digests) != NULL;
    return i < other->count && other->chunks[i].start == chunk->start &&
           other->chunks[i].end == chunk->end &&
           memcmp(other->chunks[i].digest, chunk->digest, PXDS_DIGEST_SIZE) == 0;
}

/* Gives the next range of chunks that the other version has not, from chunk *i on; false: there is none. */
static bool next_range(const struct cut *cut, const struct cut *other, size_t *i, uint64_t *start,
                       uint64_t *end)
{
    while (*i < cut->count && has_chunk(other, &cut->chunks[*i], *i))
        ++*i;
    if (*i == cut->count)
        return false;
    *start = cut->chunks[*i].start;
    while (*i < cut->count && !has_chunk(other, &cut->chunks[*i], *i))
        *end = cut->chunks[(*i)++].end;
    return true;
}

static uint64_t count_bytes(const struct cut *cut, const struct cut *other)
{
    uint64_t start, end, bytes = 0;

    for (size_t i = 0; next_range(cut, other, &i, &start, &end);)
        bytes += end - start;
    return bytes;
}

static void print_ranges(const struct pair *pair, bool json)
{
    char text[SIZE_TEXT_MAX];
    uint64_t start, end;

    for (size_t i = 0; next_range(&pair->new_cut, &pair->old_cut, &i, &start, &end);) {
        if (json) {
            json_open(NULL, '{');
            json_number("offset", start);
            json_number("length", end - start);
            json_close('}');
        } else {
            printf("  %s at offset %" PRIu64 "\n", size_text(end - start, text), start);
        }
    }
}

static void json_file_size(const char *name, const pxds_manifest_file *file)
{
    if (file != NULL)
        json_number(name, file->size);
    else
        json_null(name);
}

/* why: it could not be compared, or NULL. */
static void json_pair(const struct pair *pair, const char *change, const char *why)
{
    json_begin();
    json_text("kind", "archive");
    json_text("archive", pair->name);
    json_text("change", change);
    json_file_size("old_size", pair->old);
    json_file_size("new_size", pair->new);
    if (why == NULL) {
        json_number("gone_bytes", pair->old_bytes);
        json_number("added_bytes", pair->new_bytes);
    } else {
        json_null("gone_bytes");
        json_null("added_bytes");
    }
    if (why == NULL && pair->new_cut.chunks != NULL) {
        json_open("ranges", '[');
        print_ranges(pair, true);
        json_close(']');
    } else {
        json_null("ranges");
    }
    json_text("error", why);
    json_end();
}

static void print_pair(const struct pair *pair, const char *change, bool failed)
{
    char new[SIZE_TEXT_MAX], of_new[SIZE_TEXT_MAX], gone[SIZE_TEXT_MAX], of_old[SIZE_TEXT_MAX];

    printf("%-7s  ", failed ? "failed" : change);
    print_text(pair->name, strlen(pair->name));
    if (failed) {
        putchar('\n');
        return;
    }
    if (pair->old == NULL || pair->new == NULL)
        printf("  %s\n", size_text(pair->old == NULL ? pair->new_bytes : pair->old_bytes, new));
    else
        printf("  %s of %s are new, %s of %s are gone\n", size_text(pair->new_bytes, new),
               size_text(pair->new->size, of_new), size_text(pair->old_bytes, gone),
               size_text(pair->old->size, of_old));
    print_ranges(pair, false);
}

/* Reads the indexes of an archive that has changed. */
static bool load_pair(const struct side *sides, struct pair *pair, pxds_error **err)
{
    uint32_t kind = PXDS_ARCHIVE_BLOB;

    pair->old_bytes = pair->old != NULL ? pair->old->size : 0;
    pair->new_bytes = pair->new != NULL ? pair->new->size : 0;
    pxds_archive_check(pair->name, &kind, NULL); /* a manifest may list anything */
    if (kind == PXDS_ARCHIVE_BLOB || pair->old == NULL || pair->new == NULL)
        return true;
    if (!load_cut(sides[0].snapshot, pair->name, &pair->old_cut, err) ||
        !load_cut(sides[1].snapshot, pair->name, &pair->new_cut, err))
        return false;
    pair->old_bytes = count_bytes(&pair->old_cut, &pair->new_cut);
    pair->new_bytes = count_bytes(&pair->new_cut, &pair->old_cut);
    return true;
}

static void compare(const struct side *sides, const pxds_manifest_file *old,
                    const pxds_manifest_file *new, struct sums *sums)
{
    struct pair pair = {.name = new != NULL ? new->filename : old->filename, .old = old, .new = new};
    const char *change = old == NULL ? "added" : new == NULL ? "gone" : "changed";
    pxds_error *err = NULL;
    bool ok;

    detail("comparing %s", pair.name);
    if (old != NULL && new != NULL && old->size == new->size &&
        memcmp(old->csum, new->csum, PXDS_DIGEST_SIZE) == 0) {
        sums->same++;
        return;
    }
    ok = load_pair(sides, &pair, &err);
    if (ok) {
        *(old == NULL ? &sums->added : new == NULL ? &sums->gone : &sums->changed) += 1;
        sums->old_bytes += pair.old_bytes;
        sums->new_bytes += pair.new_bytes;
    } else {
        sums->failed++;
    }
    if (sums->json)
        json_pair(&pair, change, ok ? NULL : err != NULL ? pxds_error_message(err) : "out of memory");
    else
        print_pair(&pair, change, !ok);
    if (!ok)
        fail(err);
    free_cut(&pair.old_cut);
    free_cut(&pair.new_cut);
}

/* What the new one lists, in its order, then what only the old one does. */
static void compare_all(const struct side *sides, struct sums *sums)
{
    pxds_manifest_file file = PXDS_MANIFEST_FILE_INIT, other = PXDS_MANIFEST_FILE_INIT;
    pxds_manifest *old = sides[0].manifest, *new = sides[1].manifest;

    for (uint64_t i = 0; pxds_manifest_get_file(new, i, &file, NULL) == PXDS_OK; i++) {
        const bool is_in_both = pxds_manifest_find_file(old, file.filename, &other, NULL) == PXDS_OK;

        compare(sides, is_in_both ? &other : NULL, &file, sums);
    }
    for (uint64_t i = 0; pxds_manifest_get_file(old, i, &file, NULL) == PXDS_OK; i++)
        if (pxds_manifest_find_file(new, file.filename, &other, NULL) != PXDS_OK)
            compare(sides, &file, NULL, sums);
}

static void json_sums(const struct side *sides, const struct sums *sums)
{
    json_begin();
    json_text("kind", "total");
    json_text("old_snapshot", sides[0].path);
    json_text("new_snapshot", sides[1].path);
    json_number("added", sums->added);
    json_number("gone", sums->gone);
    json_number("changed", sums->changed);
    json_number("same", sums->same);
    json_number("failed", sums->failed);
    json_number("gone_bytes", sums->old_bytes);
    json_number("added_bytes", sums->new_bytes);
    json_end();
}

static void print_sums(const struct side *sides, const struct sums *sums)
{
    if (sums->json)
        json_sums(sides, sums);
    else if (!is_quiet())
        printf("%" PRIu64 " added, %" PRIu64 " gone, %" PRIu64 " changed, %" PRIu64 " the same%s\n",
               sums->added, sums->gone, sums->changed, sums->same,
               sums->failed > 0 ? "; some could not be compared" : "");
}

static bool open_side(const struct args *args, const pxds_store *store, const char *text,
                      struct side *side)
{
    pxds_error *err = NULL;

    side->path = pick_snapshot(args, store, text);
    if (side->path == NULL)
        return false;
    if (pxds_snapshot_open(store, side->path, NULL, 0, &side->snapshot, &err) >= 0 &&
        pxds_snapshot_get_manifest(side->snapshot, &side->manifest, &err) >= 0)
        return true;
    fail(err);
    return false;
}

int cmd_diff(const struct args *args)
{
    struct sums sums = {.json = args->option[OPT_JSON].given};
    struct side sides[2] = {{NULL, NULL, NULL}, {NULL, NULL, NULL}};
    pxds_store *store = open_tree(args, false);
    int rc = 1;

    if (store != NULL && open_side(args, store, args->operand[1], &sides[0]) &&
        open_side(args, store, args->operand[2], &sides[1])) {
        compare_all(sides, &sums);
        print_sums(sides, &sums);
        rc = sums.failed > 0 ? EXIT_INCOMPLETE : 0;
    }
    for (int i = 0; i < 2; i++) {
        pxds_manifest_free(sides[i].manifest);
        pxds_snapshot_free(sides[i].snapshot);
        free(sides[i].path);
    }
    pxds_store_free(store);
    return rc;
}
