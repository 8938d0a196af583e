/* From the quantiles of one parcel's log duration to probabilities of dates. */
#ifndef ETAPROMISE_DISTRIBUTION_H
#define ETAPROMISE_DISTRIBUTION_H

#include "etapromise.h"
#include "forest.h"

/* Groups differ from the whole above this probability only; see forecast/calibration.py. */
#define ETP_GROUPS_FROM 0.7

typedef struct {
    int64_t levels;
    const double *level;    /* (levels,) ascending */
    double duration_offset; /* operational days added before the logarithm */
    int64_t knots;
    const double *knot;     /* (knots,) the model's probability, from 0 to 1 ... */
    const double *kept;     /* (knots,) ... and how often it comes true: linear in between */
    const double *settled;  /* (knots,) ... in the long run */
} etp_distribution;

/* One parcel's distribution over operational days since its order. */
typedef struct {
    const etp_distribution *d;
    double day[ETP_MAX_LEVELS]; /* quantiles in operational days, strictly ascending */
    double tail;                /* mean of the exponential beyond the highest quantile */
    double hazard;              /* factor on the hazard: the parcel's group against the whole */
    double present;             /* how much of what differs from the long run counts; 1 at first */
    double arrives;             /* share of such parcels that ever arrive */
    int64_t quantile, knot;     /* where the last look-up ended; look-ups ascend */
} etp_parcel;

/* `log_days` (levels,) ascending, relative to `offset`. */
void etp_parcel_begin(etp_parcel *p, const etp_distribution *d, const double *log_days, double offset,
                      double log_hazard, double lost);

/* What the forest says: P(duration <= days) before any calibration, of parcels that arrive. */
double etp_parcel_raw(etp_parcel *p, double days);

/* P(arrived within `days`). Successive calls must not go back. */
double etp_parcel_by(etp_parcel *p, double days);

#endif
