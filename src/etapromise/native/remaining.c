/* From quantiles of a parcel's remaining time to probabilities of dates, counted from today; and what
 * a promise made at the order says of the time that remains. */
#include "disruptions.h"
#include "distribution.h"

#include <math.h>

typedef struct {
    const etp_distribution *stage; /* (stages,) */
    const double *elapsed;         /* (clocks, clock_days) operational days before each day */
    int64_t clock_days, first_day, horizon;
    const etp_disruptions *disruptions; /* or NULL */
} etp_remaining;

static double elapsed_at(const etp_remaining *m, int32_t clock, int64_t day) {
    int64_t column = day - m->first_day;
    column = column < 0 ? 0 : column >= m->clock_days ? m->clock_days - 1 : column;
    return m->elapsed[(int64_t)clock * m->clock_days + column];
}

static void begin(const etp_remaining *m, etp_parcel *p, int64_t i, const uint8_t *stage,
                  const double *log_days, const double *offset, const double *log_hazard,
                  const double *arrives) {
    const etp_distribution *d = &m->stage[stage[i]];
    etp_parcel_begin(p, d, log_days + i * d->levels, offset[i], log_hazard[i], 1 - arrives[i]);
}

/* P(arrived by the end of today + k); k must not go back. `start` is the clock's reading today. */
static double by_date(const etp_remaining *m, etp_parcel *p, int32_t clock, int64_t today, double start,
                      double concern, int64_t k) {
    const etp_disruptions *d = m->disruptions;
    if (!d || !(concern > 0))
        return etp_parcel_by(p, elapsed_at(m, clock, today + k + 1) - start);
    const double *row = m->elapsed + (int64_t)clock * m->clock_days;
    double sum = 0;
    for (int64_t s = 0; s < d->scenarios; s++) {
        p->quantile = p->knot = 0;
        sum += etp_parcel_by(p, etp_held_reading(d, concern, s, row, m->clock_days, m->first_day, today,
                                                 today + k) -
                                    start);
    }
    return sum / (double)d->scenarios;
}

/* P(arrived by the end of today + k), k = 0 .. horizon - 1, into out (n, horizon). */
ETP_EXPORT void etp_remaining_dates(const etp_remaining *m, int64_t n, const uint8_t *stage,
                                    const double *log_days, const double *offset,
                                    const double *log_hazard, const double *arrives,
                                    const int32_t *clock, const int32_t *today, const double *concern,
                                    double *out) {
    etp_parcel p;
    for (int64_t i = 0; i < n; i++) {
        begin(m, &p, i, stage, log_days, offset, log_hazard, arrives);
        const double start = elapsed_at(m, clock[i], today[i]);
        for (int64_t k = 0; k < m->horizon; k++)
            out[i * m->horizon + k] = by_date(m, &p, clock[i], today[i], start, concern[i], k);
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
    etp_parcel p;
    for (int64_t i = 0; i < n; i++) {
        begin(m, &p, i, stage, log_days, offset, log_hazard, arrives);
        const double start = elapsed_at(m, clock[i], today[i]);
        int64_t found = 0, grown = 0; /* no parcel arrives on a date on which nothing grows */
        double before = 0;
        for (int64_t k = 0; k < m->horizon && found < levels; k++) {
            const double by = by_date(m, &p, clock[i], today[i], start, concern[i], k);
            if (by > before) grown = k;
            before = by;
            for (; found < levels && (by >= level[found] || k == m->horizon - 1); found++) {
                day[i * levels + found] = (int16_t)grown;
                probability[i * levels + found] = by;
            }
        }
        p.quantile = 0;
        p.knot = 0;
        asked_out[i] = asked[i] == INT32_MIN ? NAN
                       : asked[i] < 0
                           ? 0
                           : by_date(m, &p, clock[i], today[i], start, concern[i], asked[i]);
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
