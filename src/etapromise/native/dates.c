/* From operational days to dates: readings of the carrier's clock, disruptions, levels to reach. */
#include "dates.h"

#include <math.h>

/* The mean over the scenarios of what was declared. */
static double by_date_disrupted(const etp_dates *c, int64_t k) {
    const etp_disruptions *d = c->disruptions;
    double sum = 0;
    for (int64_t s = 0; s < d->scenarios; s++) {
        const double end = etp_held_reading(d, c->concern, s, c->elapsed, c->days, c->first_day, c->from,
                                            c->from + k);
        c->parcel->quantile = c->parcel->knot = 0; /* readings of different scenarios do not ascend */
        if (end > c->closed)
            sum += etp_parcel_by(c->parcel, end - c->start);
    }
    return sum / (double)d->scenarios;
}

double etp_dates_by(const etp_dates *c, int64_t k) {
    if (c->disruptions)
        return by_date_disrupted(c, k);
    const double end = etp_clock_reading(c->elapsed, c->days, c->from + k + 1 - c->first_day);
    return end > c->closed ? etp_parcel_by(c->parcel, end - c->start) : 0;
}

void etp_dates_reach(const etp_dates *c, int64_t horizon, int64_t levels, const double *level,
                     int16_t *day, double *probability) {
    int64_t found = 0, grown = 0; /* no parcel arrives on a date on which nothing grows */
    double before = 0;
    for (int64_t k = 0; k < horizon && found < levels; k++) {
        const double p = etp_dates_by(c, k);
        if (p > before)
            grown = k;
        before = p;
        for (; found < levels && (p >= level[found] || k == horizon - 1); found++) {
            day[found] = (int16_t)(p > 0 ? grown : k);
            probability[found] = p;
        }
    }
}

double etp_dates_asked(const etp_dates *c, int32_t asked) {
    c->parcel->quantile = c->parcel->knot = 0;
    if (asked < 0)
        return asked == INT32_MIN ? NAN : 0;
    return etp_dates_by(c, asked);
}
