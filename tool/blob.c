/* The command on blobs. */
#include "tool.h"

static void print_info(const pxds_blob_info *info, bool crc_is_good)
{
    static const char *const kinds[] = {"plain", "compressed", "encrypted",
                                        "encrypted compressed"};
    char units[SIZE_TEXT_MAX];

    printf("magic: ");
    for (size_t i = 0; i < sizeof info->magic; i++)
        printf("%02x", info->magic[i]);
    printf("\ncrc: %08" PRIx32 " (%s)\n", info->crc, crc_is_good ? "ok" : "WRONG");
    printf("flags: %s\n", kinds[info->flags & (PXDS_BLOB_COMPRESSED | PXDS_BLOB_ENCRYPTED)]);
    printf("crypt mode: %s\n", info->crypt_mode == PXDS_CRYPT_NONE ? "none" : "encrypt");
    printf("header: %" PRIu32 " bytes\npayload: %" PRIu64 " bytes%s\n", info->header_len, info->payload_len,
           in_units(info->payload_len, units));
}

static void json_info(const char *path, const pxds_blob_info *info, bool crc_is_good)
{
    char magic[2 * sizeof info->magic + 1], crc[16];

    for (size_t i = 0; i < sizeof info->magic; i++)
        snprintf(magic + 2 * i, 3, "%02x", info->magic[i]);
    snprintf(crc, sizeof crc, "%08" PRIx32, info->crc);
    json_begin();
    json_text("blob", path);
    json_text("magic", magic);
    json_text("crc", crc);
    json_bool("matches", crc_is_good);
    json_bool("compressed", (info->flags & PXDS_BLOB_COMPRESSED) != 0);
    json_text("crypt_mode", info->crypt_mode == PXDS_CRYPT_NONE ? "none" : "encrypt");
    json_number("header_size", info->header_len);
    json_number("payload_size", info->payload_len);
    json_end();
}

static int blob_info(const struct args *args, const uint8_t *blob, size_t len)
{
    pxds_blob_info info = PXDS_BLOB_INFO_INIT;
    pxds_error *err = NULL;
    pxds_status crc;

    if (pxds_blob_parse(blob, len, &info, &err) < 0)
        return fail(err);
    crc = pxds_blob_check_crc(blob, len, &err);
    if (crc < 0 && crc != PXDS_ERR_CORRUPT)
        return fail(err);
    pxds_error_free(err);
    if (args->option[OPT_JSON].given)
        json_info(args->operand[1], &info, crc >= 0);
    else
        print_info(&info, crc >= 0);
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
    if (rc == 0 && args->option[OPT_JSON].given) {
        json_begin();
        json_text("output", out);
        json_number("size", pxds_buffer_len(result));
        json_end();
    }
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

    if (info && args->operands > 2)
        return usage_error(args->command, "info takes no OUT");
    if (!encode && args->option[OPT_COMPRESS].given)
        return usage_error(args->command, "--compress goes with encode only");
    if (info && args->option[OPT_KEY].given)
        return usage_error(args->command, "info takes no --key");
    rc = check_key_options(args, is_dash(args->operand[1]));
    if (rc == 0 && !info)
        rc = check_json_output(args, args->operands > 2 ? args->operand[2] : "-");
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
        rc = info ? blob_info(args, data, len) : blob_code(encode, args, key, data, len);
    free(data);
    pxds_key_free(key);
    return rc;
}
