/* The store of scans: they come in any order and are put with the others of their block of shipments. */
#include "scans.h"

#include <stdlib.h>

/* A store for the scans of this many shipments, or NULL if there is no memory. */
ETP_EXPORT etp_store *etp_scans_new(int64_t shipments) {
    etp_store *store = malloc(sizeof *store);
    if (!store) return NULL;
    store->blocks = (shipments + ETP_BLOCK - 1) >> ETP_BLOCK_BITS;
    store->last = calloc((size_t)store->blocks + 1, sizeof *store->last);
    if (store->last) return store;
    free(store);
    return NULL;
}

ETP_EXPORT void etp_scans_free(etp_store *store) {
    for (int64_t block = 0; block < store->blocks; block++)
        for (etp_chunk *chunk = store->last[block], *before; chunk; chunk = before) {
            before = chunk->before;
            free(chunk);
        }
    free(store->last);
    free(store);
}

/* Add `count` scans, whose rows count from first_row. Those of a negative shipment or status are left
 * out. received (count,) or NULL, INT64_MAX where it is not said: the time of the scan; carrier (count,) or
 * NULL: nobody says. Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_scans_add(etp_store *store, int64_t count, uint32_t first_row,
                             const int32_t *shipment, const int8_t *status, const int64_t *scanned,
                             const int64_t *received, const uint16_t *carrier) {
    for (int64_t i = 0; i < count; i++) {
        if (shipment[i] < 0 || status[i] < 0) continue;
        etp_chunk **last = &store->last[shipment[i] >> ETP_BLOCK_BITS];
        if (!*last || (*last)->count == ETP_CHUNK) {
            etp_chunk *chunk = malloc(sizeof *chunk);
            if (!chunk) return -1;
            chunk->before = *last;
            chunk->count = 0;
            *last = chunk;
        }
        const unsigned local = (unsigned)shipment[i] & (ETP_BLOCK - 1);
        const int said = received && received[i] != INT64_MAX;
        (*last)->scan[(*last)->count++] = (etp_scan){
            .scanned = scanned[i],
            .received = said ? received[i] : scanned[i],
            .row = first_row + (uint32_t)i,
            .carrier = carrier ? carrier[i] : ETP_CARRIER_UNSAID,
            .local_status = (uint16_t)(local << ETP_STATUS_BITS | (unsigned)status[i]),
        };
    }
    return 0;
}
