/* Ends that were none: a delivery or a way back that a later van towards the customer contradicts.
 *
 * Only the set of scans counts, not the order in which they came. tracking/scans.py says the rule. */
#ifndef ETAPROMISE_REOPENING_H
#define ETAPROMISE_REOPENING_H

#include "etapromise.h"

#define ETP_NEVER_REOPENED INT64_MIN

typedef struct {
    int64_t margin;             /* microseconds */
    int64_t first_end, last_end; /* deliveries */
    int64_t way_back;           /* the first way back that begins after a delivery */
    int64_t returned;           /* the last time it was back at the sender's */
    int64_t last, before;       /* vans towards the customer: the last, and the last before `last_end` */
} etp_reopening;

enum { ETP_REOPENING_PASSES = 3 };

static inline etp_reopening etp_reopening_of(int64_t margin) {
    return (etp_reopening){margin, INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN, INT64_MIN, INT64_MIN};
}

/* Shows a scan; every scan is shown in each of the passes. */
static inline void etp_reopening_see(etp_reopening *r, int pass, int64_t at, int delivered, int back,
                                     int returned, int van) {
    if (pass == 0 && delivered) {
        if (at < r->first_end) r->first_end = at;
        if (at > r->last_end) r->last_end = at;
    } else if (pass == 1 && back) {
        if (at > r->first_end && at < r->way_back) r->way_back = at;
        if (returned && at > r->returned) r->returned = at;
    } else if (pass == 2 && van && at < r->way_back) {
        if (at > r->last) r->last = at;
        if (at < r->last_end && at > r->before) r->before = at;
    }
}

static inline int etp_is_reopened(const etp_reopening *r, int64_t at) {
    if (r->last == ETP_NEVER_REOPENED || r->last <= at) return 0;
    return r->last - at >= r->margin || (r->before != ETP_NEVER_REOPENED && r->before > at);
}

/* Whether a delivery at a time was none. */
static inline int etp_void_delivery(const etp_reopening *r, int64_t at) { return etp_is_reopened(r, at); }

/* Whether a way back that began at a time was none: where it ended at the sender's, the van was his. */
static inline int etp_void_return(const etp_reopening *r, int64_t at) {
    return at < r->way_back && r->returned < r->last && etp_is_reopened(r, at);
}

#endif
