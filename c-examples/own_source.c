/* Restores a file with chunks from a place of its own: here files in one plain directory. */
#include <pxds.h>

#include <errno.h>
#include <stdio.h>

/* Gives a chunk as it is stored. The library checks what it gets: digest, length and CRC. */
static int32_t get(void *user, const uint8_t *digest, uint8_t *data, size_t capacity, size_t *data_len)
{
    const char *directory = user;
    char name[PXDS_DIGEST_HEX_SIZE], path[4096];
    FILE *file;
    long size;
    int32_t result = PXDS_ERR_IO;

    pxds_digest_format(digest, name, sizeof name, NULL);
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return PXDS_ERR_IO;
    file = fopen(path, "rb");
    if (file == NULL)
        return errno == ENOENT ? PXDS_NONE : PXDS_ERR_IO;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
        *data_len = (size_t)size;
        rewind(file);
        /* What does not fit is asked for again, with more room. */
        if (*data_len > capacity || fread(data, 1, *data_len, file) == *data_len)
            result = 0;
    }
    fclose(file);
    return result;
}

int main(int argc, char **argv)
{
    pxds_source_options options = PXDS_SOURCE_OPTIONS_INIT;
    pxds_error *err = NULL;
    pxds_index *index = NULL;
    pxds_source *source = NULL;
    pxds_restorer *restorer = NULL;
    int failed;

    if (argc != 4) {
        fprintf(stderr, "usage: own_source DIRECTORY INDEX OUT\n");
        return 2;
    }
    options.get = get;
    options.get_user = argv[1];
    failed = pxds_index_open(argv[2], PXDS_INDEX_ANY, &index, &err) < 0 ||
             pxds_source_new(&options, &source, &err) < 0 ||
             pxds_restorer_new_from(source, NULL, &restorer, &err) < 0 ||
             pxds_restorer_write_file(restorer, index, argv[3], NULL, &err) < 0;
    if (failed)
        fprintf(stderr, "own_source: %s\n", pxds_error_message(err));

    pxds_error_free(err);
    pxds_restorer_free(restorer);
    pxds_source_free(source);
    pxds_index_free(index);
    return failed;
}
