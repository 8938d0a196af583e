/* From quantiles of a parcel's remaining time to probabilities of dates, counted from today; and what
 * a promise made at the order says of the time that remains. */
#include "dates.h"

#include <math.h>

typedef struct {
    const etp_distribution *stage; /* (stages,) */
    const double *elapsed;         /* (clocks, clock_days) operational days before each day */
    int64_t clock_days, first_day, horizon;
    const etp_disruptions *disruptions; /* or NULL */
} etp_remaining;

/* What is known of n parcels: their stages' distributions, quantiles, clocks and dates. */
typedef struct {
    const uint8_t *stage;
    const double *log_days, *offset, *log_hazard, *arrives;
    const int32_t *clock, *today;
    const double *concern;
} under_way;

static etp_dates begin(const etp_remaining *m, const under_way *u, int64_t i, etp_parcel *p) {
    const etp_distribution *d = &m->stage[u->stage[i]];
    etp_parcel_begin(p, d, u->log_days + i * d->levels, u->offset[i], u->log_hazard[i],
                     1 - u->arrives[i]);
    const double *row = m->elapsed + (int64_t)u->clock[i] * m->clock_days;
    const double start = etp_clock_reading(row, m->clock_days, u->today[i] - m->first_day);
    etp_dates dates = {p, row, m->clock_days, m->first_day, u->today[i], start, -INFINITY,
                       u->concern[i] > 0 ? m->disruptions : NULL, u->concern[i]};
    return dates;
}

/* P(arrived by the end of today + k), k = 0 .. horizon - 1, into out (n, horizon). */
ETP_EXPORT void etp_remaining_dates(const etp_remaining *m, int64_t n, const uint8_t *stage,
                                    const double *log_days, const double *offset,
                                    const double *log_hazard, const double *arrives,
                                    const int32_t *clock, const int32_t *today, const double *concern,
                                    double *out) {
    const under_way u = {stage, log_days, offset, log_hazard, arrives, clock, today, concern};
    for (int64_t i = 0; i < n; i++) {
        etp_parcel p;
        const etp_dates dates = begin(m, &u, i, &p);
        for (int64_t k = 0; k < m->horizon; k++)
            out[i * m->horizon + k] = etp_dates_by(&dates, k);
    }
}

/* As etp_quote_levels: the first day (from today) that reaches each of `levels` ascending
 * probabilities (where none does, the last one on which anything arrives), its probability; and
 * that of an asked day. */
ETP_EXPORT void etp_remaining_levels(const etp_remaining *m, int64_t n, const uint8_t *stage,
                                     const double *log_days, const double *offset,
                                     const double *log_hazard, const double *arrives,
                                     const int32_t *clock, const int32_t *today, const double *concern,
                                     int64_t levels,
                                     const double *level, int16_t *day, double *probability,
                                     const int32_t *asked, double *asked_out) {
    const under_way u = {stage, log_days, offset, log_hazard, arrives, clock, today, concern};
    for (int64_t i = 0; i < n; i++) {
        etp_parcel p;
        const etp_dates dates = begin(m, &u, i, &p);
        etp_dates_reach(&dates, m->horizon, levels, level, day + i * levels, probability + i * levels);
        asked_out[i] = etp_dates_asked(&dates, asked[i]);
    }
}

static double quantile_of(const etp_parcel *p, double probability) {
    const etp_distribution *d = p->d;
    const int64_t q = d->levels;
    if (probability <= d->level[0]) return p->day[0] * cbrt(probability / d->level[0]);
    if (probability >= d->level[q - 1])
        return p->day[q - 1] + p->tail * log((1 - d->level[q - 1]) / (1 - probability));
    int64_t k = 1;
    while (d->level[k] < probability) k++;
    const double part = (probability - d->level[k - 1]) / (d->level[k] - d->level[k - 1]);
    return p->day[k - 1] + (p->day[k] - p->day[k - 1]) * part;
}

/* What a duration's quantiles (n, levels) say once `spent` operational days (n,) have passed: into
 * out (n, 1 + m) the probability that it would be over by now, and the remaining time's quantiles at
 * `level` (m,) given that it is not. */
ETP_EXPORT void etp_remaining_given(const etp_distribution *d, int64_t n, const double *log_days,
                                    const double *offset, const double *spent, int64_t m,
                                    const double *level, double *out) {
    for (int64_t i = 0; i < n; i++) {
        etp_parcel p;
        etp_parcel_begin(&p, d, log_days + i * d->levels, offset[i], 0, 0);
        double over = etp_parcel_raw(&p, spent[i]);
        double *row = out + i * (1 + m);
        row[0] = over;
        if (over > 1 - 1e-9) over = 1 - 1e-9;
        for (int64_t k = 0; k < m; k++) {
            const double left = quantile_of(&p, over + (1 - over) * level[k]) - spent[i];
            row[1 + k] = left > 0 ? left : 0;
        }
    }
}
