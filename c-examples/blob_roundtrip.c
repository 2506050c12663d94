/* Encodes a text as a compressed blob and decodes it again. */
#include <pxds.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    static const char line[] = "The quick brown fox jumps over the lazy dog";
    static char text[100 * (sizeof line - 1)], back[sizeof text];
    uint8_t digest[PXDS_DIGEST_SIZE];
    pxds_error *err = NULL;
    pxds_blob_codec *codec = NULL;
    pxds_buffer *blob = NULL;
    size_t back_len = 0;
    int failed;

    for (size_t i = 0; i < sizeof text; i += sizeof line - 1)
        memcpy(text + i, line, sizeof line - 1);

    failed = pxds_digest_compute(text, sizeof text, digest, &err) < 0 ||
             pxds_blob_codec_new(NULL, &codec, &err) < 0 ||
             pxds_blob_encode_buffer(codec, text, sizeof text, PXDS_ENCODE_COMPRESS, &blob,
                                     &err) < 0 ||
             /* The digest makes it fail if the bytes are not those that were encoded. */
             pxds_blob_decode(codec, pxds_buffer_data(blob), pxds_buffer_len(blob), 0, digest, back,
                              sizeof back, &back_len, &err) < 0;
    if (failed)
        fprintf(stderr, "blob_roundtrip: %s\n", pxds_error_message(err));
    else
        printf("%zu bytes -> %zu byte blob -> %zu bytes: %s\n", sizeof text, pxds_buffer_len(blob),
               back_len, memcmp(text, back, sizeof text) == 0 ? "equal" : "DIFFERENT");

    pxds_error_free(err);
    pxds_buffer_free(blob);
    pxds_blob_codec_free(codec);
    return failed;
}
