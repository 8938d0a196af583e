/* By how much a warehouse's calendar delays an order, on the carrier's clock. */
#ifndef ETAPROMISE_DISPATCH_H
#define ETAPROMISE_DISPATCH_H

#include "etapromise.h"

typedef struct etp_dispatch etp_dispatch;

/* The way of a parcel with its own carrier until another one takes it over. */
typedef struct {
    int32_t clock;      /* of its own carrier */
    int32_t steps;      /* working days that are told apart */
    const double *days; /* (steps + 1,) P(so many of that clock's working days) */
} etp_leg;

/* Operational days between an order's date and the date that it is as good as ordered on: of a
 * warehouse's row, under the holidays of the row `calendar`, ordered at the local `second` of the day
 * `order_day` (days since 1970-01-01), on the clock of the carrier that delivers. Where that is another
 * than the one that fetches, `leg` is the way until the hand-off, else NULL. `fetched` gets the days from the order's date to its soonest pick-up. */
ETP_EXPORT double etp_dispatch_delay(const etp_dispatch *dispatch, int32_t row, int32_t calendar,
                                     int32_t order_day, int32_t second, int32_t clock, const etp_leg *leg,
                                     double *fetched);

/* The day (since 1970-01-01) on which a warehouse begins with an order at the earliest; where it is closed
 * on that day, it begins on its next working day. Arguments as of etp_dispatch_delay. */
int64_t etp_begin_day(const etp_dispatch *dispatch, int32_t row, int32_t calendar, int32_t order_day,
                      int32_t second);

/* The first second of the day after `second` from which an order of the day `order_day` may wait longer than
 * before it: a cut-off of the weekday; 86400 where there is none left. */
int32_t etp_next_cut_off(const etp_dispatch *dispatch, int32_t row, int32_t order_day, int32_t second);

#endif
