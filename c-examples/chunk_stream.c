/* Prints where the chunks of a file, or of stdin for "-", end. */
#include <pxds.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pxds_error *err;

static int check(pxds_status status)
{
    if (status < 0) {
        fprintf(stderr, "chunk_stream: %s\n", pxds_error_message(err));
        exit(1);
    }
    return status;
}

int main(int argc, char **argv)
{
    static unsigned char piece[64 * 1024];
    uint64_t offset = 0, end = 0, count = 0;
    pxds_chunker *chunker;
    size_t len, pos, used;
    FILE *file;

    if (argc != 2) {
        fprintf(stderr, "usage: chunk_stream FILE|-\n");
        return 2;
    }
    file = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "rb");
    if (file == NULL) {
        perror(argv[1]);
        return 1;
    }

    check(pxds_chunker_new(NULL, &chunker, &err));
    while ((len = fread(piece, 1, sizeof piece, file)) > 0) {
        for (pos = 0; pos < len; pos += used) {
            int cut = check(pxds_chunker_scan(chunker, piece + pos, len - pos, &used, &err));

            offset += used;
            if (cut == PXDS_CUT) {
                printf("%" PRIu64 "\n", offset);
                end = offset;
                count++;
            }
        }
    }
    if (ferror(file)) {
        perror(argv[1]);
        return 1;
    }
    if (offset > end) { /* the rest, which no cut ended */
        printf("%" PRIu64 "\n", offset);
        count++;
    }
    printf("%" PRIu64 " chunks\n", count);

    pxds_chunker_free(chunker);
    fclose(file);
    return 0;
}
