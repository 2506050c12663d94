/* Prints where the chunks of a file, or of stdin for "-", end. */
#include <pxds.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static unsigned char piece[64 * 1024];
    uint64_t offset = 0, end = 0, count = 0;
    pxds_error *err = NULL;
    pxds_chunker *chunker = NULL;
    size_t len, pos, used;
    FILE *file;
    int failed;

    if (argc != 2) {
        fprintf(stderr, "usage: chunk_stream FILE|-\n");
        return 2;
    }
    file = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "rb");
    if (file == NULL) {
        perror(argv[1]);
        return 1;
    }

    failed = pxds_chunker_new(NULL, &chunker, &err) < 0;
    while (!failed && (len = fread(piece, 1, sizeof piece, file)) > 0) {
        for (pos = 0; pos < len && !failed; pos += used) {
            pxds_status cut = pxds_chunker_scan(chunker, piece + pos, len - pos, &used, &err);

            failed = cut < 0;
            offset += used;
            if (cut == PXDS_CUT) {
                printf("%" PRIu64 "\n", offset);
                end = offset;
                count++;
            }
        }
    }
    if (offset > end) { /* the rest, which no cut ended */
        printf("%" PRIu64 "\n", offset);
        count++;
    }
    if (failed)
        fprintf(stderr, "chunk_stream: %s\n", pxds_error_message(err));
    else if (ferror(file))
        perror(argv[1]);
    else
        printf("%" PRIu64 " chunks\n", count);

    failed = failed || ferror(file);
    pxds_error_free(err);
    pxds_chunker_free(chunker);
    fclose(file);
    return failed;
}
