/* The state of parcels at moments: what the scans received by then say, as a set.
 *
 * A state depends on which scans were received by its moment and on nothing else: not on their order,
 * and not on how often each came. tracking/states.py says what the fields mean. */
#include "etapromise.h"
#include "reopening.h"

#define MISSING INT64_MIN /* NaT */

/* As STAGES in tracking/states.py. */
enum {
    ORDERED,
    HANDED_OVER,
    IN_TRANSIT,
    CUSTOMS,
    OUT_FOR_DELIVERY,
    ATTEMPTED,
    AVAILABLE,
    DELIVERED,
    RETURNING,
    RETURNED,
};

typedef struct {
    int64_t shipments;
    const int64_t *first;      /* (shipments + 1,) where each one's scans start; they stand by receipt */
    const int64_t *scanned, *received; /* (scans,) microseconds */
    const uint8_t *status;     /* (scans,) */
    const uint8_t *other;      /* (scans,) whether another carrier than the shipment's made it */
    const int32_t *facility;   /* (scans,) -1: not said */
    const int64_t *ordered;    /* (shipments,) */
    int64_t tolerance, recycled_after, longest_life, reopened_after;
    const int64_t *asked;      /* (shipments + 1,) where each one's moments start; they ascend */
    const int64_t *moment;     /* (states,) */
    const uint8_t *stage_of;   /* (statuses,) stage by the status of a move or a closing */
    uint32_t move, closing, back, returned, late, proofs, delivered, attempted, trouble;
    uint32_t customs_hold, customs_cleared, transferred, out, van;
    uint8_t *stage, *last_status, *attempts, *customs, *handed_off, *troubled; /* (states,) */
    int32_t *place, *scans;                                                   /* (states,) */
    int64_t *last_scan, *last_known, *picked_up, *moved, *went_out, *arrived; /* (states,) */
} etp_states;

typedef struct {
    int64_t at; /* MISSING: there is none */
    int status;
} latest;

typedef struct {
    latest word, move, closing, customs, located;
    int64_t last_known, picked_up, went_out, trouble, back, proof, delivered, van;
    int32_t place, scans;
    int attempts, handed_off, returned;
} progress;

static inline int in(uint32_t set, int status) { return (int)(set >> status & 1); }

static inline int later(const latest *known, int64_t at, int status) {
    return known->at == MISSING || at > known->at || (at == known->at && status >= known->status);
}

static inline void first_of(int64_t *known, int64_t at) {
    if (*known == MISSING || at < *known) *known = at;
}

static inline void last_of(int64_t *known, int64_t at) {
    if (*known == MISSING || at > *known) *known = at;
}

static int usable(const etp_states *j, int64_t shipment, int64_t i) {
    const int64_t since = j->scanned[i] - j->ordered[shipment];
    if (j->scanned[i] - j->received[i] > j->tolerance) return 0;
    if (since < -j->recycled_after || since > j->longest_life) return 0;
    return !(in(j->late, j->status[i]) && since < -j->tolerance);
}

static void add(const etp_states *j, progress *p, int64_t shipment, int64_t begin, int64_t i) {
    const int64_t at = j->scanned[i];
    const int status = j->status[i];
    int doubled = 0;
    for (int64_t k = begin; k < i && !doubled; k++)
        doubled = j->scanned[k] == at && j->status[k] == status && usable(j, shipment, k);
    /* Of doubles the smallest facility counts, whichever came first. */
    if (j->facility[i] >= 0) {
        const int same = p->located.at == at && p->located.status == status;
        if (same ? j->facility[i] < p->place : later(&p->located, at, status)) {
            p->located = (latest){at, status};
            p->place = j->facility[i];
        }
    }
    if (j->other[i] || in(j->transferred, status)) p->handed_off = 1;
    if (doubled) return;
    p->scans++;
    p->last_known = j->received[i];
    if (later(&p->word, at, status)) p->word = (latest){at, status};
    if (in(j->move, status)) {
        if (later(&p->move, at, status)) p->move = (latest){at, status};
        first_of(&p->picked_up, at);
    }
    if (in(j->closing, status) && later(&p->closing, at, status)) p->closing = (latest){at, status};
    if (in(j->customs_hold | j->customs_cleared, status) && later(&p->customs, at, status))
        p->customs = (latest){at, status};
    if (in(j->back, status)) first_of(&p->back, at);
    if (in(j->returned, status)) p->returned = 1;
    if (in(j->proofs, status)) first_of(&p->proof, at);
    if (in(j->delivered, status)) first_of(&p->delivered, at);
    if (in(j->trouble, status)) last_of(&p->trouble, at);
    if (in(j->out, status)) last_of(&p->went_out, at);
    if (in(j->van, status)) last_of(&p->van, at);
    if (in(j->attempted, status) && p->attempts < 255) p->attempts++;
}

/* What is attempted or delivered from the start of the way back on is the sender's. */
static inline int64_t before_back(const progress *p, int64_t at) {
    return at != MISSING && (p->back == MISSING || at < p->back) ? at : MISSING;
}

/* The same without the ends that were none, where a van came after one. */
static progress reopened(const etp_states *j, const progress *known, int64_t shipment, int64_t begin,
                         int64_t end) {
    progress p = *known;
    const int after_delivery = p.delivered != MISSING && p.van > p.delivered;
    const int after_back = p.back != MISSING && p.van > p.back;
    if (p.van == MISSING || !(after_delivery || after_back)) return p;
    etp_reopening r = etp_reopening_of(j->reopened_after);
    for (int pass = 0; pass < ETP_REOPENING_PASSES; pass++)
        for (int64_t i = begin; i < end; i++)
            if (usable(j, shipment, i))
                etp_reopening_see(&r, pass, j->scanned[i], in(j->delivered, j->status[i]),
                                  in(j->back, j->status[i]), in(j->returned, j->status[i]),
                                  in(j->van, j->status[i]));
    p.back = p.proof = p.delivered = MISSING;
    p.returned = 0;
    for (int64_t i = begin; i < end; i++) {
        const int status = j->status[i];
        const int64_t at = j->scanned[i];
        if (!usable(j, shipment, i)) continue;
        if (in(j->delivered, status) && etp_void_delivery(&r, at)) continue;
        if (in(j->back, status) && etp_void_return(&r, at)) continue;
        if (in(j->back, status)) first_of(&p.back, at);
        if (in(j->returned, status)) p.returned = 1;
        if (in(j->proofs, status)) first_of(&p.proof, at);
        if (in(j->delivered, status)) first_of(&p.delivered, at);
    }
    return p;
}

static void write_state(const etp_states *j, const progress *p, int64_t k) {
    const int64_t delivered = before_back(p, p->delivered);
    int stage = ORDERED, status = p->word.at == MISSING ? 255 : p->word.status;
    if (delivered != MISSING) {
        stage = DELIVERED;
        status = __builtin_ctz(j->delivered);
    } else if (p->back != MISSING) {
        stage = p->returned ? RETURNED : RETURNING;
        status = __builtin_ctz(p->returned ? j->returned : j->back);
    } else if (p->closing.at != MISSING && (p->move.at == MISSING || p->closing.at >= p->move.at)) {
        stage = j->stage_of[p->closing.status];
        status = p->closing.status;
    } else if (p->move.at != MISSING) {
        stage = j->stage_of[p->move.status];
    }
    j->stage[k] = (uint8_t)stage;
    j->last_status[k] = (uint8_t)status;
    j->attempts[k] = (uint8_t)p->attempts;
    j->customs[k] = p->customs.at == MISSING ? 0 : in(j->customs_hold, p->customs.status) ? 1 : 2;
    j->handed_off[k] = (uint8_t)p->handed_off;
    j->troubled[k] = p->trouble != MISSING && (p->move.at == MISSING || p->trouble >= p->move.at);
    j->place[k] = p->place;
    j->scans[k] = p->scans;
    j->last_scan[k] = p->word.at;
    j->last_known[k] = p->last_known;
    j->picked_up[k] = p->picked_up;
    j->moved[k] = p->move.at;
    j->went_out[k] = p->went_out;
    j->arrived[k] = before_back(p, p->proof);
}

/* The states of shipments first to last at their moments. */
ETP_EXPORT void etp_parcel_states(const etp_states *j, int64_t first, int64_t last) {
    const latest never = {MISSING, 0};
    for (int64_t shipment = first; shipment < last; shipment++) {
        progress p = {.word = never, .move = never, .closing = never, .customs = never, .located = never,
                      .last_known = MISSING, .picked_up = MISSING, .went_out = MISSING,
                      .trouble = MISSING, .back = MISSING, .proof = MISSING, .delivered = MISSING,
                      .van = MISSING,
                      .place = -1};
        const int64_t begin = j->first[shipment], end = j->first[shipment + 1];
        int64_t i = begin;
        for (int64_t k = j->asked[shipment]; k < j->asked[shipment + 1]; k++) {
            for (; i < end && j->received[i] <= j->moment[k]; i++)
                if (usable(j, shipment, i)) add(j, &p, shipment, begin, i);
            const progress now = reopened(j, &p, shipment, begin, i);
            write_state(j, &now, k);
        }
    }
}
