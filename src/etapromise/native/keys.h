/* Which row of a table belongs to which key: a hash table over texts, made once and then only read. */
#ifndef ETAPROMISE_KEYS_H
#define ETAPROMISE_KEYS_H

#include "etapromise.h"

/* Open addressing; `mask + 1`, a power of two, is at least twice the number of keys. */
typedef struct {
    const uint8_t *bytes;  /* the keys in UTF-8, one after another */
    const int64_t *start;  /* (keys + 1,) where each starts */
    int32_t *slot;         /* (mask + 1,) 1 + position of a key, 0 where there is none */
    int64_t mask;
} etp_keys;

typedef struct {
    const uint8_t *bytes;
    int64_t length;
} etp_text;

/* Number the keys: their slots are zeroed by the caller. Of equal keys the last one counts. */
ETP_EXPORT void etp_keys_build(const etp_keys *keys, int64_t count);

/* 1 + the position of the key that `parts` texts joined by `separator` make; 0 if there is none. */
int32_t etp_keys_find(const etp_keys *keys, const etp_text *part, int64_t parts, uint8_t separator);

#endif
