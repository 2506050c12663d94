/* Magics and headers, as bytes and as structures. */
#include "check.h"

static const uint8_t magics[6][8] = {PXDS_MAGIC_UNCOMPRESSED_BLOB, PXDS_MAGIC_COMPRESSED_BLOB,
                                     PXDS_MAGIC_ENCRYPTED_BLOB,    PXDS_MAGIC_ENCR_COMPR_BLOB,
                                     PXDS_MAGIC_FIXED_INDEX,       PXDS_MAGIC_DYNAMIC_INDEX};

/* A magic is the start of the hash of its name. */
static void test_magics(void)
{
    static const char *const names[6] = {"Proxmox Backup uncompressed blob v1.0",
                                         "Proxmox Backup zstd compressed blob v1.0",
                                         "Proxmox Backup encrypted blob v1.0",
                                         "Proxmox Backup zstd compressed encrypted blob v1.0",
                                         "Proxmox Backup fixed sized chunk index v1.0",
                                         "Proxmox Backup dynamic sized chunk index v1.0"};
    uint8_t digest[PXDS_DIGEST_SIZE];

    for (int i = 0; i < 6; i++) {
        OK(pxds_digest_compute(names[i], strlen(names[i]), digest, &err));
        CHECK(memcmp(digest, magics[i], 8) == 0);
    }
}

static void test_forms(void)
{
    size_t len = 1;

    for (int i = 0; i < 4; i++) {
        OK(pxds_blob_get_header_len(magics[i], &len, &err));
        CHECK(len == (i < 2 ? 12 : 44));
        CHECK(pxds_blob_magic_is_compressed(magics[i]) == i % 2);
        CHECK(pxds_blob_magic_is_encrypted(magics[i]) == i / 2);
    }
    for (int i = 4; i < 6; i++) {
        IS(PXDS_ERR_FORMAT, pxds_blob_get_header_len(magics[i], &len, &err));
        CHECK(len == 0);
        CHECK(pxds_blob_magic_is_compressed(magics[i]) == 0);
        CHECK(pxds_blob_magic_is_encrypted(magics[i]) == 0);
    }
}

static void test_blob_header(void)
{
    pxds_blob_header header = PXDS_BLOB_HEADER_INIT;
    uint8_t bytes[13], back[13];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = back[i] = (uint8_t)(i + 1);
    OK(pxds_blob_header_read(bytes, sizeof bytes, &header, &err));
    CHECK(memcmp(header.magic, bytes, 8) == 0 && header.crc == 0x0c0b0a09);
    memset(back, 0, 12);
    OK(pxds_blob_header_write(&header, back, sizeof back, &err));
    CHECK(memcmp(back, bytes, sizeof bytes) == 0);
    IS(PXDS_ERR_TOO_SMALL, pxds_blob_header_write(&header, back, 11, &err));
    IS(PXDS_ERR_FORMAT, pxds_blob_header_read(bytes, 11, &header, &err));
    CHECK(header.crc == 0 && header.struct_size == sizeof header);
}

/* The header of an encrypted blob has 44 bytes: a text that says 48 has miscounted. */
static void test_encrypted_header(void)
{
    pxds_blob_encrypted_header header = PXDS_BLOB_ENCRYPTED_HEADER_INIT;
    uint8_t bytes[44], back[44] = {0};

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    OK(pxds_blob_encrypted_header_read(bytes, sizeof bytes, &header, &err));
    CHECK(memcmp(header.magic, bytes, 8) == 0 && header.crc == 0x0c0b0a09);
    CHECK(memcmp(header.iv, bytes + 12, 16) == 0 && memcmp(header.tag, bytes + 28, 16) == 0);
    OK(pxds_blob_encrypted_header_write(&header, back, sizeof back, &err));
    CHECK(memcmp(back, bytes, sizeof bytes) == 0);
    IS(PXDS_ERR_TOO_SMALL, pxds_blob_encrypted_header_write(&header, back, 43, &err));
    IS(PXDS_ERR_FORMAT, pxds_blob_encrypted_header_read(bytes, 43, &header, &err));
}

static void test_index_header(void)
{
    static uint8_t page[4096], zeros[4096];
    pxds_index_header header = PXDS_INDEX_HEADER_INIT, back = PXDS_INDEX_HEADER_INIT;
    pxds_index *index = NULL;

    memcpy(header.magic, magics[4], 8);
    memset(header.uuid, 7, sizeof header.uuid);
    header.ctime = -2;
    header.chunk_size = 4096;
    memset(page, 0xa5, sizeof page);
    OK(pxds_index_header_write(&header, page, sizeof page, &err));
    CHECK(memcmp(page + 80, zeros, sizeof page - 80) == 0);
    OK(pxds_index_header_read(page, sizeof page, &back, &err));
    CHECK(memcmp(&header, &back, sizeof header) == 0);
    OK(pxds_index_parse(page, sizeof page, PXDS_INDEX_FIXED, &index, &err));
    pxds_index_free(index);

    /* A dynamic index has no sizes, whatever the reserved bytes hold. */
    memcpy(page, magics[5], 8);
    OK(pxds_index_header_read(page, sizeof page, &back, &err));
    CHECK(back.size == 0 && back.chunk_size == 0 && back.ctime == -2);
    OK(pxds_index_header_write(&back, page, sizeof page, &err));
    back.size = 1;
    IS(PXDS_ERR_ARGUMENT, pxds_index_header_write(&back, page, sizeof page, &err));
    IS(PXDS_ERR_TOO_SMALL, pxds_index_header_write(&header, page, 4095, &err));
    IS(PXDS_ERR_FORMAT, pxds_index_header_read(page, 4095, &back, &err));
}

int main(void)
{
    RUN(test_magics);
    RUN(test_forms);
    RUN(test_blob_header);
    RUN(test_encrypted_header);
    RUN(test_index_header);
    return check_done();
}
