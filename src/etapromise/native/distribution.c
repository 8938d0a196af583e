/* From the quantiles of one parcel's log duration to probabilities of dates. */
#include "distribution.h"

#include <math.h>

/* Durations closer than this are one; keeps the quantiles strictly ascending. */
#define SHORTEST 1e-6
/* No duration is longer, in operational days, whatever a forest says: differences stay numbers. */
#define LONGEST 1e7
/* No group's hazard differs by more, as a logarithm. */
#define MOST_LOG_HAZARD 50

void etp_parcel_begin(etp_parcel *p, const etp_distribution *d, const double *log_days, double offset,
                      double log_hazard, double lost) {
    int64_t q = d->levels;
    double last = SHORTEST;
    p->d = d;
    for (int64_t k = 0; k < q; k++) {
        double day = exp(log_days[k] + offset) - d->duration_offset;
        if (day > LONGEST)
            day = LONGEST;
        if (!(day > last))
            day = last + SHORTEST;
        p->day[k] = day;
        last = day;
    }
    /* An exponential tail with the slope of the upper levels; three levels back, for stability. */
    int64_t back = q > 3 ? q - 4 : 0;
    double fall = log((1 - d->level[back]) / (1 - d->level[q - 1]));
    double rise = p->day[q - 1] - p->day[back];
    p->tail = fall > 0 && rise / fall > 0.05 ? rise / fall : 0.05;
    p->hazard = exp(fmax(-MOST_LOG_HAZARD, fmin(log_hazard, MOST_LOG_HAZARD)));
    p->arrives = 1 - lost;
    p->present = 1;
    p->quantile = 0;
    p->knot = 0;
}

double etp_parcel_raw(etp_parcel *p, double days) {
    const etp_distribution *d = p->d;
    int64_t q = d->levels, k = p->quantile;
    if (!(days > 0))
        return 0;
    while (k < q && p->day[k] < days)
        k++;
    p->quantile = k;
    if (k == 0) {
        double part = days / p->day[0];
        return d->level[0] * part * part * part;
    }
    if (k == q)
        return 1 - (1 - d->level[q - 1]) * exp(-(days - p->day[q - 1]) / p->tail);
    double part = (days - p->day[k - 1]) / (p->day[k] - p->day[k - 1]);
    return d->level[k - 1] + (d->level[k] - d->level[k - 1]) * part;
}

double etp_parcel_by(etp_parcel *p, double days) {
    const etp_distribution *d = p->d;
    double u = etp_parcel_raw(p, days);
    int64_t k = p->knot;
    while (k < d->knots - 2 && d->knot[k + 1] < u)
        k++;
    p->knot = k;
    double part = (u - d->knot[k]) / (d->knot[k + 1] - d->knot[k]);
    double kept = d->kept[k] + (d->kept[k + 1] - d->kept[k]) * part;
    if (p->present != 1)
        kept = p->present * kept +
               (1 - p->present) * (d->settled[k] + (d->settled[k + 1] - d->settled[k]) * part);
    /* Proportional hazards in the upper part, where promises are made: there the group's survival
     * is the whole's to the power of its hazard. */
    double late = 1 - kept;
    if (p->hazard != 1 && kept > ETP_GROUPS_FROM)
        late = late > 0 ? (1 - ETP_GROUPS_FROM) *
                              exp(p->hazard * log(late / (1 - ETP_GROUPS_FROM)))
                        : 0;
    return p->arrives * (1 - late);
}
