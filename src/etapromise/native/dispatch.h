/* By how much a warehouse's calendar delays an order, on the carrier's clock. */
#ifndef ETAPROMISE_DISPATCH_H
#define ETAPROMISE_DISPATCH_H

#include "etapromise.h"

typedef struct etp_dispatch etp_dispatch;

/* Operational days between an order's date and the date that it is as good as ordered on: of a
 * warehouse's row, under the holidays of the row `calendar`, ordered at the local `second` of the day
 * `anchor` (days since 1970-01-01), on the carrier's clock. */
ETP_EXPORT double etp_lead(const etp_dispatch *dispatch, int32_t row, int32_t calendar, int32_t anchor,
                           int32_t second, int32_t clock);

#endif
