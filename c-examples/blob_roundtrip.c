/* Encodes a text as a compressed blob and decodes it again. */
#include <pxds.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pxds_error *err;

static void check(pxds_status status)
{
    if (status < 0) {
        fprintf(stderr, "blob_roundtrip: %s\n", pxds_error_message(err));
        exit(1);
    }
}

int main(void)
{
    static const char line[] = "The quick brown fox jumps over the lazy dog";
    static char text[100 * (sizeof line - 1)], back[sizeof text];
    uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_blob_codec *codec;
    pxds_buffer *blob;
    size_t back_len;
    int equal;

    for (size_t i = 0; i < sizeof text; i += sizeof line - 1)
        memcpy(text + i, line, sizeof line - 1);

    check(pxds_digest_compute(text, sizeof text, digest, &err));
    check(pxds_blob_codec_new(NULL, &codec, &err));
    check(pxds_blob_encode_buffer(codec, text, sizeof text, PXDS_BLOB_ENCODE_COMPRESS, &blob,
                                  &err));
    /* The digest makes decode fail if the bytes are not those that were encoded. */
    check(pxds_blob_decode(codec, pxds_buffer_data(blob), pxds_buffer_len(blob), 0, digest, back,
                           sizeof back, &back_len, &err));

    equal = back_len == sizeof text && memcmp(back, text, sizeof text) == 0;
    printf("%zu bytes -> %zu byte blob -> %zu bytes: %s\n", sizeof text, pxds_buffer_len(blob),
           back_len, equal ? "equal" : "DIFFERENT");

    pxds_buffer_free(blob);
    pxds_blob_codec_free(codec);
    return equal ? 0 : 1;
}
