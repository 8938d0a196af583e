/* One pass over each shipment's scans: put them in order, judge them, find the milestones.
 *
 * The rules are those that clean_scans and milestones document; tests hold this against two slower
 * implementations of them. */
#include "reopening.h"
#include "scans.h"

#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MAX
#define MISSING INT64_MIN /* NaT */

enum { PICKED_UP, ATTEMPTED, DELIVERED, AVAILABLE, EVENT, CLOSED, TRANSFERRED, MILESTONES };

/* Why a scan is rejected: as tracking/scans.py numbers them. */
enum {
    SOUND,
    UNKNOWN_SHIPMENT, /* found before scans come here */
    SCANNED_AFTER_RECEIVED,
    DUPLICATE,
    BEFORE_THE_ORDER,
    LONG_AFTER_THE_ORDER,
    EVENT_BEFORE_THE_ORDER,
    ANOTHER_PARCEL,
    DELIVERED_BEFORE_PICKUP,
    POSSESSION_AFTER_DELIVERY,
};

typedef struct {
    int64_t stores;
    const etp_store *const *store;
    int64_t shipments;
    int64_t clean;                /* 0: the scans are sound but for doubles */
    const int64_t *ordered;       /* (shipments,) or NULL: no rules about orders */
    const uint16_t *own_carrier;  /* (shipments,) ranks, or NULL: not said */
    const uint16_t *carrier_rank; /* (65536,) by carrier number; the unsaid stays the largest */
    int64_t tolerance, recycled_after, longest_life, reopened_after; /* microseconds */
    /* Statuses, a bit each. */
    uint32_t possession, closing, terminal, late, restart, back;
    uint32_t attempted, delivered, available, transferred, returned, van;
    uint32_t proofs; /* of the event: a bit each of ATTEMPTED, DELIVERED, AVAILABLE */
    uint8_t *fault;       /* (rows,), written where a scan is rejected */
    const int64_t *start; /* (blocks + 1,) scans of the blocks before */
    uint32_t *order;      /* (scans,) or NULL: rows of the sound scans of each block, by shipment, event
                           * time, receipt, status */
    int64_t *sound;       /* (blocks,) how many these are */
    int64_t *when[MILESTONES], *known[MILESTONES]; /* (shipments,) */
    uint8_t *closed_status, *last_status;          /* (shipments,) 255: none */
    uint16_t *transferred_to;                      /* (shipments,) rank of the carrier handed to */
    int64_t *last_scan, *last_known;               /* (shipments,) */
    int64_t *scans, *attempts;                     /* (shipments,) */
} etp_journeys;

typedef struct {
    int64_t when, known;
    const etp_scan *scan;
} first_scan;

static inline int is(const etp_scan *scan, uint32_t statuses) { return statuses >> etp_status(scan) & 1; }

static inline int by_receipt(const void *left, const void *right) {
    const etp_scan *a = left, *b = right;
    if (a->received != b->received) return a->received < b->received ? -1 : 1;
    if (a->scanned != b->scanned) return a->scanned < b->scanned ? -1 : 1;
    if (etp_status(a) != etp_status(b)) return etp_status(a) < etp_status(b) ? -1 : 1;
    if (a->carrier != b->carrier) return a->carrier < b->carrier ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static inline int by_event(const void *left, const void *right) {
    const etp_scan *a = left, *b = right;
    if (a->scanned != b->scanned) return a->scanned < b->scanned ? -1 : 1;
    if (etp_status(a) != etp_status(b)) return etp_status(a) < etp_status(b) ? -1 : 1;
    return by_receipt(a, b);
}

static inline int by_event_and_receipt(const void *left, const void *right) {
    const etp_scan *a = left, *b = right;
    if (a->scanned != b->scanned) return a->scanned < b->scanned ? -1 : 1;
    return by_receipt(a, b);
}

/* Inlined, so that the few scans of a parcel are compared without a call. */
static inline __attribute__((always_inline)) void sort(etp_scan *scans, int64_t n,
                                                       int (*order)(const void *, const void *)) {
    if (n > 48) {
        qsort(scans, (size_t)n, sizeof *scans, order);
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        const etp_scan moving = scans[i];
        int64_t at = i;
        for (; at > 0 && order(&scans[at - 1], &moving) > 0; at--) scans[at] = scans[at - 1];
        scans[at] = moving;
    }
}

/* Puts a sound scan behind those kept before, and notes the fault of another. */
static inline void keep(const etp_journeys *j, etp_scan *scans, int64_t *kept, const etp_scan *scan,
                        int fault) {
    if (fault)
        j->fault[scan->row] = (uint8_t)fault;
    else
        scans[(*kept)++] = *scan;
}

static inline first_scan first_of(const etp_scan *scans, int64_t n, uint32_t statuses) {
    for (int64_t i = 0; i < n; i++)
        if (is(&scans[i], statuses)) return (first_scan){scans[i].scanned, scans[i].received, &scans[i]};
    return (first_scan){NEVER, NEVER, NULL};
}

/* Without the scans whose event was received before; scans are and stay by receipt. spare is as long. */
static int64_t without_doubles(const etp_journeys *j, etp_scan *scans, int64_t n, etp_scan *spare) {
    int64_t kept = 0;
    if (n <= 48) {
        for (int64_t i = 0; i < n; i++) {
            int doubled = 0;
            for (int64_t k = 0; k < kept; k++)
                doubled |= scans[k].scanned == scans[i].scanned && etp_status(&scans[k]) == etp_status(&scans[i]);
            keep(j, scans, &kept, &scans[i], doubled ? DUPLICATE : SOUND);
        }
        return kept;
    }
    memcpy(spare, scans, (size_t)n * sizeof *scans);
    sort(spare, n, by_event);
    for (int64_t i = 0; i < n; i++) {
        const int doubled = i && spare[i - 1].scanned == spare[i].scanned &&
                            etp_status(&spare[i - 1]) == etp_status(&spare[i]);
        keep(j, scans, &kept, &spare[i], doubled ? DUPLICATE : SOUND);
    }
    sort(scans, kept, by_receipt);
    return kept;
}

static int64_t judge(const etp_journeys *j, etp_scan *scans, int64_t n, int64_t shipment) {
    int64_t kept = 0;
    if (j->ordered) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t since = scans[i].scanned - j->ordered[shipment];
            const int fault = since < -j->recycled_after                         ? BEFORE_THE_ORDER
                              : since > j->longest_life                          ? LONG_AFTER_THE_ORDER
                              : is(&scans[i], j->late) && since < -j->tolerance ? EVENT_BEFORE_THE_ORDER
                                                                                 : SOUND;
            keep(j, scans, &kept, &scans[i], fault);
        }
        n = kept;
    }
    const first_scan end = first_of(scans, n, j->terminal);
    first_scan restart = {NEVER, NEVER, NULL};
    for (int64_t i = 0; end.scan && i < n && !restart.scan; i++)
        if (is(&scans[i], j->restart) && end.known <= scans[i].received &&
            scans[i].scanned - j->recycled_after > end.when)
            restart = (first_scan){scans[i].scanned, scans[i].received, &scans[i]};
    if (restart.scan) {
        kept = 0;
        for (int64_t i = 0; i < n; i++) {
            const int another = restart.known <= scans[i].received && restart.when <= scans[i].scanned;
            keep(j, scans, &kept, &scans[i], another ? ANOTHER_PARCEL : SOUND);
        }
        n = kept;
    }
    const first_scan possession = first_of(scans, n, j->possession);
    if (!possession.scan) return n;
    kept = 0;
    for (int64_t i = 0; i < n; i++) {
        const int impossible = is(&scans[i], j->delivered) && possession.known <= scans[i].received &&
                               scans[i].scanned + j->tolerance < possession.when;
        keep(j, scans, &kept, &scans[i], impossible ? DELIVERED_BEFORE_PICKUP : SOUND);
    }
    n = kept;
    const first_scan delivered = first_of(scans, n, j->delivered);
    if (!delivered.scan || possession.known <= delivered.known) return n;
    kept = 0;
    for (int64_t i = 0; i < n; i++) {
        /* A van, or another pick-up, says that the delivery was none. */
        const int impossible = is(&scans[i], j->possession & ~j->van) && delivered.known < scans[i].received &&
                               scans[i].scanned - j->tolerance > delivered.when;
        keep(j, scans, &kept, &scans[i], impossible ? POSSESSION_AFTER_DELIVERY : SOUND);
    }
    return kept;
}

static inline void take(first_scan *first, const etp_scan *scan) {
    if (!first->scan) *first = (first_scan){scan->scanned, scan->received, scan};
}

static inline void write_milestone(const etp_journeys *j, int which, int64_t shipment, first_scan first) {
    j->when[which][shipment] = first.scan ? first.when : MISSING;
    j->known[which][shipment] = first.scan ? first.known : MISSING;
}

static etp_reopening reopening_of(const etp_journeys *j, const etp_scan *scans, int64_t n) {
    etp_reopening reopening = etp_reopening_of(j->reopened_after);
    int ends = 0;
    for (int64_t i = 0; i < n && !ends; i++) ends = is(&scans[i], j->delivered | j->back);
    for (int pass = 0; ends && pass < ETP_REOPENING_PASSES; pass++)
        for (int64_t i = 0; i < n; i++)
            etp_reopening_see(&reopening, pass, scans[i].scanned, is(&scans[i], j->delivered),
                              is(&scans[i], j->back), is(&scans[i], j->returned), is(&scans[i], j->van));
    return reopening;
}

static void find_milestones(const etp_journeys *j, const etp_scan *scans, int64_t n, int64_t shipment) {
    const first_scan none = {NEVER, NEVER, NULL};
    first_scan found[MILESTONES] = {none, none, none, none, none, none, none};
    const etp_scan *word = NULL;
    int64_t attempts = 0;
    const etp_reopening reopening = reopening_of(j, scans, n);
    const uint16_t own = j->own_carrier ? j->own_carrier[shipment] : ETP_CARRIER_UNSAID;
    for (int64_t i = 0; i < n; i++) {
        const etp_scan *scan = &scans[i];
        if (!word || scan->scanned >= word->scanned) word = scan;
        if (is(scan, j->possession)) take(&found[PICKED_UP], scan);
        const int no_return = is(scan, j->back) && etp_void_return(&reopening, scan->scanned);
        if (is(scan, j->closing) && !no_return) take(&found[CLOSED], scan);
        const int another = scan->carrier != ETP_CARRIER_UNSAID && own != ETP_CARRIER_UNSAID && scan->carrier != own;
        if (another || is(scan, j->transferred)) take(&found[TRANSFERRED], scan);
    }
    int64_t back = NEVER; /* when the way back began, as far as it is known when a scan is received */
    for (int64_t i = 0, told = 0; i < n; i++) {
        const etp_scan *scan = &scans[i];
        for (; told < n && scans[told].received <= scan->received; told++) {
            const int64_t when = scans[told].scanned;
            if (is(&scans[told], j->back) && when < back && !etp_void_return(&reopening, when)) back = when;
        }
        if (!is(scan, j->attempted | j->delivered | j->available)) continue;
        if (back <= scan->scanned) continue;
        if (is(scan, j->delivered) && etp_void_delivery(&reopening, scan->scanned)) continue;
        if (is(scan, j->attempted)) {
            attempts++;
            take(&found[ATTEMPTED], scan);
        } else {
            take(&found[is(scan, j->delivered) ? DELIVERED : AVAILABLE], scan);
        }
    }
    for (int k = ATTEMPTED; k <= AVAILABLE; k++) {
        if (!(j->proofs >> k & 1) || !found[k].scan) continue;
        const first_scan *event = &found[EVENT];
        if (found[k].known < event->known || (found[k].known == event->known && found[k].when < event->when))
            found[EVENT] = found[k];
    }
    if (found[CLOSED].known >= found[EVENT].known) found[CLOSED] = none;
    for (int k = 0; k < MILESTONES; k++) write_milestone(j, k, shipment, found[k]);
    const etp_scan *handed = found[TRANSFERRED].scan;
    j->transferred_to[shipment] = handed && handed->carrier != own ? handed->carrier : ETP_CARRIER_UNSAID;
    j->closed_status[shipment] = found[CLOSED].scan ? (uint8_t)etp_status(found[CLOSED].scan) : 255;
    j->last_status[shipment] = word ? (uint8_t)etp_status(word) : 255;
    j->last_scan[shipment] = word ? word->scanned : MISSING;
    j->last_known[shipment] = n ? scans[n - 1].received : MISSING;
    j->scans[shipment] = n;
    j->attempts[shipment] = attempts;
}

/* The scans of a block by shipment: those of its i-th stand from start[i] to start[i + 1]. */
static void gather(const etp_journeys *j, int64_t block, etp_scan *scans, int64_t *start) {
    memset(start, 0, (ETP_BLOCK + 1) * sizeof *start);
    for (int64_t s = 0; s < j->stores; s++)
        for (const etp_chunk *chunk = j->store[s]->last[block]; chunk; chunk = chunk->before)
            for (int64_t i = 0; i < chunk->count; i++) start[etp_local(&chunk->scan[i])]++;
    for (int64_t local = 0, total = 0; local <= ETP_BLOCK; local++) {
        total += start[local];
        start[local] = total;
    }
    for (int64_t s = 0; s < j->stores; s++)
        for (const etp_chunk *chunk = j->store[s]->last[block]; chunk; chunk = chunk->before)
            /* Backwards, as the chunks are: what came in order stays in order. */
            for (int64_t i = chunk->count - 1; i >= 0; i--) {
                etp_scan *scan = &scans[--start[etp_local(&chunk->scan[i])]];
                *scan = chunk->scan[i];
                scan->carrier = j->carrier_rank[scan->carrier];
            }
}

/* start (blocks + 1,): how many scans the blocks before hold. */
ETP_EXPORT void etp_journeys_start(const etp_journeys *j, int64_t blocks, int64_t *start) {
    start[0] = 0;
    for (int64_t block = 0; block < blocks; block++) {
        start[block + 1] = start[block];
        for (int64_t s = 0; s < j->stores; s++)
            for (const etp_chunk *chunk = j->store[s]->last[block]; chunk; chunk = chunk->before)
                start[block + 1] += chunk->count;
    }
}

/* All there is to do for the shipments of the blocks first to last. Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_journeys_walk(const etp_journeys *j, int64_t first, int64_t last) {
    int64_t most = 0;
    for (int64_t block = first; block < last; block++) {
        const int64_t scans = j->start[block + 1] - j->start[block];
        most = scans > most ? scans : most;
    }
    etp_scan *all = malloc((size_t)(2 * most + 1) * sizeof *all);
    int64_t *start = malloc((ETP_BLOCK + 1) * sizeof *start);
    if (!all || !start) {
        free(all);
        free(start);
        return -1;
    }
    etp_scan *const spare = all + most;
    for (int64_t block = first; block < last; block++) {
        gather(j, block, all, start);
        const int64_t base = block << ETP_BLOCK_BITS;
        int64_t written = 0;
        for (int64_t local = 0; local < ETP_BLOCK && base + local < j->shipments; local++) {
            etp_scan *scans = all + start[local];
            int64_t n = start[local + 1] - start[local];
            if (j->clean) {
                int64_t kept = 0;
                for (int64_t i = 0; i < n; i++) {
                    const int ahead = scans[i].scanned - scans[i].received > j->tolerance;
                    keep(j, scans, &kept, &scans[i], ahead ? SCANNED_AFTER_RECEIVED : SOUND);
                }
                n = kept;
            }
            sort(scans, n, by_receipt);
            n = without_doubles(j, scans, n, spare);
            if (j->clean) n = judge(j, scans, n, base + local);
            if (j->when[PICKED_UP]) find_milestones(j, scans, n, base + local);
            if (!j->order) continue;
            sort(scans, n, by_event_and_receipt);
            for (int64_t i = 0; i < n; i++) j->order[j->start[block] + written++] = scans[i].row;
        }
        if (j->order) j->sound[block] = written;
    }
    free(all);
    free(start);
    return 0;
}
