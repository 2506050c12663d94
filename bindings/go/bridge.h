/* What stands between the library's callbacks and Go. */
#ifndef PXDS_GO_BRIDGE_H
#define PXDS_GO_BRIDGE_H

#include <pxds.h>

#include <stdlib.h>

/* Sets the call that this thread is in, a cgo.Handle or 0, and gives the one before. The library calls back on the
   thread of the call alone: so each callback finds its call there, and none of its structures holds a handle. */
uintptr_t pxds_go_enter(uintptr_t call);

int32_t pxds_go_notice(void *user, uint32_t level, const char *message, const char *path);
int32_t pxds_go_progress(void *user, const pxds_progress *progress);
int32_t pxds_go_wait(void *user, const pxds_progress *progress);
int32_t pxds_go_read(void *user, uint8_t *data, size_t capacity, size_t *data_len);
int32_t pxds_go_write(void *user, const uint8_t *data, size_t data_len, size_t *taken);
int32_t pxds_go_get(void *user, const uint8_t *digest, uint8_t *data, size_t capacity, size_t *data_len);
int32_t pxds_go_bad_chunk(void *user, const pxds_bad_chunk *bad);
int32_t pxds_go_damage(void *user, const pxds_verify_damage *damage);
int32_t pxds_go_done(void *user, const pxds_verify_done *done);

#endif
