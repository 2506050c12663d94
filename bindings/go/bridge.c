#include "bridge.h"

#include "_cgo_export.h"

static __thread uintptr_t current;

uintptr_t pxds_go_enter(uintptr_t call)
{
    uintptr_t before = current;

    current = call;
    return before;
}

/* cgo knows no const: the casts take it away, and Go only reads. */

int32_t pxds_go_notice(void *user, uint32_t level, const char *message, const char *path)
{
    (void)user;
    return current ? pxdsGoNotice(current, level, (char *)message, (char *)path) : 0;
}

int32_t pxds_go_progress(void *user, const pxds_progress *progress)
{
    (void)user;
    return current ? pxdsGoProgress(current, (pxds_progress *)progress) : 0;
}

int32_t pxds_go_wait(void *user, const pxds_progress *progress)
{
    (void)user;
    (void)progress;
    return current ? pxdsGoWait(current) : 0;
}

int32_t pxds_go_read(void *user, uint8_t *data, size_t capacity, size_t *data_len)
{
    (void)user;
    return pxdsGoRead(current, data, capacity, data_len);
}

int32_t pxds_go_write(void *user, const uint8_t *data, size_t data_len, size_t *taken)
{
    (void)user;
    return pxdsGoWrite(current, (uint8_t *)data, data_len, taken);
}

int32_t pxds_go_get(void *user, const uint8_t *digest, uint8_t *data, size_t capacity, size_t *data_len)
{
    (void)user;
    return current ? pxdsGoGet(current, (uint8_t *)digest, data, capacity, data_len) : PXDS_ERR_IO;
}

int32_t pxds_go_bad_chunk(void *user, const pxds_bad_chunk *bad)
{
    (void)user;
    return current ? pxdsGoBadChunk(current, (pxds_bad_chunk *)bad) : 0;
}

int32_t pxds_go_damage(void *user, const pxds_verify_damage *damage)
{
    (void)user;
    return current ? pxdsGoDamage(current, (pxds_verify_damage *)damage) : 0;
}

int32_t pxds_go_done(void *user, const pxds_verify_done *done)
{
    (void)user;
    return current ? pxdsGoDone(current, (pxds_verify_done *)done) : 0;
}
