/* Scans as the kernels keep them, and the store that groups them by shipment while they come in. */
#ifndef ETAPROMISE_SCANS_H
#define ETAPROMISE_SCANS_H

#include "etapromise.h"

/* A block of shipments is what is worked on at once: its scans stay in the processor's cache. */
enum { ETP_BLOCK_BITS = 11, ETP_BLOCK = 1 << ETP_BLOCK_BITS, ETP_STATUS_BITS = 5, ETP_CHUNK = 510 };
#define ETP_STATUS_MASK ((1u << ETP_STATUS_BITS) - 1)
#define ETP_CARRIER_UNSAID 65535

typedef struct {
    int64_t scanned, received; /* microseconds since 1970 UTC */
    uint32_t row;
    uint16_t carrier;
    uint16_t local_status; /* shipment within its block, and status */
} etp_scan;

typedef struct etp_chunk {
    struct etp_chunk *before;
    int64_t count;
    etp_scan scan[ETP_CHUNK];
} etp_chunk;

typedef struct {
    int64_t blocks;
    etp_chunk **last; /* (blocks,) the chunk being filled, NULL where a block has no scans */
} etp_store;

static inline unsigned etp_status(const etp_scan *scan) { return scan->local_status & ETP_STATUS_MASK; }
static inline unsigned etp_local(const etp_scan *scan) { return scan->local_status >> ETP_STATUS_BITS; }

#endif
