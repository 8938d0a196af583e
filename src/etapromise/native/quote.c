/* The whole promise of one shipment or many: features, forest, calibration, dates. */
#include "quote.h"

#include <math.h>
#include <stdlib.h>

/* Of readings of the clock, which are sums. */
#define ROUNDING 1e-6

/* How much wider than the forest says: it was grown on keys with evidence. A carrier or region that is
 * new may be as far from the whole as such keys are from each other. */
static double widening(const etp_model *m, const etp_request *r) {
    const etp_features *f = m->features;
    const float *network = f->total + (f->total_start[0] + r->code[0]) * ETP_FIELDS;
    double unknown = 0, within = (double)network[4] * network[4];
    for (int64_t level = 1; level < f->levels; level++)
        if (m->between[level] > 0) {
            double seen = f->total[(f->total_start[level] + r->code[level]) * ETP_FIELDS + 1];
            unknown += m->between[level] * m->between_prior / (seen + m->between_prior);
        }
    return within > 0 ? sqrt(1 + unknown / within) : 1;
}

void etp_quote_begin(const etp_model *m, const etp_request *r, double *log_days, double offset,
                     etp_parcel *parcel) {
    const etp_features *f = m->features;
    double wider = widening(m, r), middle = log_days[m->median];
    for (int64_t k = 0; k < m->forest->levels; k++)
        log_days[k] = middle + (log_days[k] - middle) * wider;
    const double present = etp_present(f, r);
    double log_hazard = 0;
    for (int64_t level = 0; level < f->levels; level++)
        log_hazard += m->log_hazard[f->total_start[level] + r->code[level]];
    etp_parcel_begin(parcel, m->distribution, log_days, offset, present * log_hazard,
                     m->lost[r->code[m->lost_level]]);
    parcel->present = present;
}

static etp_request request(const etp_model *m, int64_t i, const int32_t *code, const double *number,
                           const int32_t *order_day, const int32_t *clock) {
    const etp_features *f = m->features;
    etp_request r = {code + i * (f->levels + f->handling_levels), number + i * f->numbers, order_day[i],
                     clock[i]};
    return r;
}

/* The reading of the carrier's clock up to which no date ends on which the parcel arrives: what the soonest
 * pick-up and the shortest way of its lane leave, but the last day within the horizon that is worked: a way
 * learned of six days a week may be longer than a calendar file of one leaves. A dispatch delay may be negative, but
 * nothing arrives before the carrier has worked. */
static double closed_until(const etp_model *m, const etp_request *r) {
    const etp_features *f = m->features;
    const double opens = etp_elapsed(f, r->clock, r->order_day);
    const int64_t fetched = (int64_t)r->order_day + (int64_t)r->number[ETP_FETCHED];
    const int64_t weekday = ((fetched + 3) % 7 + 7) % 7;
    double way = -1;
    for (int64_t level = f->levels; way < 0 && level-- > 0;)
        way = m->shortest[(f->total_start[level] + r->code[level]) * 7 + weekday];
    const double soonest = etp_elapsed(f, r->clock, fetched + 1) + fmax(way, 0);
    return fmax(opens, fmin(soonest, etp_elapsed(f, r->clock, r->order_day + m->horizon)) - ROUNDING);
}

etp_dates etp_quote_dates_of(const etp_model *m, const etp_request *r, etp_parcel *parcel) {
    const etp_features *f = m->features;
    const double concern = r->number[ETP_DISRUPTED];
    etp_dates dates = {parcel, f->elapsed + (int64_t)r->clock * f->clock_days, f->clock_days,
                       f->clock_first_day, r->order_day, etp_start(f, r),
                       closed_until(m, r),
                       concern > 0 ? m->encoder->disruptions : NULL, concern};
    return dates;
}

/* Rows whose features are built before the forest is asked: it is fastest on many at once. */
enum { BLOCK = 512 };

typedef struct {
    double *log_days; /* (BLOCK, levels) */
    double *offset;   /* (BLOCK,) */
    float *x;         /* (BLOCK, features) */
} workplace;

static int open_workplace(const etp_model *m, int64_t n, workplace *w) {
    const size_t rows = (size_t)(n < BLOCK ? n : BLOCK), levels = (size_t)m->forest->levels;
    const size_t row = (levels + 1) * sizeof(double) + (size_t)m->features->features * sizeof(float);
    w->log_days = malloc(rows * row + 1);
    if (!w->log_days)
        return -1;
    w->offset = w->log_days + rows * levels;
    w->x = (float *)(w->offset + rows);
    return 0;
}

/* Requests `first` to `last` of those given through the forest. */
static int ask_forest(const etp_model *m, int64_t first, int64_t last, const int32_t *code,
                      const double *number, const int32_t *order_day, const int32_t *clock,
                      const workplace *w) {
    for (int64_t i = first; i < last; i++) {
        const etp_request r = request(m, i, code, number, order_day, clock);
        w->offset[i - first] =
            etp_feature_row(m->features, &r, w->x + (i - first) * m->features->features);
    }
    return etp_forest_predict(m->forest, w->x, 0, last - first, w->log_days);
}

/* P(arrived by the end of the order's day + k), k = 0 .. horizon - 1, into out (n, horizon).
 * Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_quote_dates(const etp_model *m, int64_t n, const int32_t *code,
                               const double *number, const int32_t *order_day, const int32_t *clock,
                               double *out) {
    workplace w;
    int failed = open_workplace(m, n, &w);
    for (int64_t first = 0; first < n && !failed; first += BLOCK) {
        const int64_t last = first + BLOCK < n ? first + BLOCK : n;
        failed = ask_forest(m, first, last, code, number, order_day, clock, &w);
        for (int64_t i = first; i < last && !failed; i++) {
            const etp_request r = request(m, i, code, number, order_day, clock);
            etp_parcel parcel;
            etp_quote_begin(m, &r, w.log_days + (i - first) * m->forest->levels, w.offset[i - first], &parcel);
            const etp_dates dates = etp_quote_dates_of(m, &r, &parcel);
            for (int64_t k = 0; k < m->horizon; k++)
                out[i * m->horizon + k] = etp_dates_by(&dates, k);
        }
    }
    free(w.log_days);
    return failed;
}

int32_t etp_first_to_reach(const double *probability, int64_t days, double level) {
    if (level > probability[days - 1])
        level = probability[days - 1];
    int64_t k = probability[days - 1] > 0 ? 0 : days - 1;
    while (probability[k] < level)
        k++;
    return (int32_t)k;
}

/* The whole promise of one shipment. Returns what etp_encode does, and leaves the rest of the answer as
 * it is where that is not ETP_FINE. */
ETP_EXPORT int etp_promise(const etp_model *m, const etp_question *question, const uint8_t *text,
                           etp_answer *answer) {
    float x[ETP_MAX_FEATURES];
    double log_days[ETP_MAX_LEVELS];
    etp_parcel parcel;
    uint8_t scratch[ETP_MAX_COLUMNS + 64];
    double *probability = (double *)(answer + 1), *number = probability + m->horizon;
    int32_t *code = (int32_t *)(number + m->features->numbers);
    const int status =
        etp_encode(m->encoder, &question->shipment, (const double *)(question + 1), text,
                   &answer->request, code, number);
    if (status != ETP_FINE)
        return status;
    const etp_request r = {code, number, answer->request.order_day, answer->request.clock};
    const double offset = etp_feature_row(m->features, &r, x);
    etp_forest_row(m->forest, x, log_days, scratch);
    etp_quote_begin(m, &r, log_days, offset, &parcel);
    const etp_dates dates = etp_quote_dates_of(m, &r, &parcel);
    for (int64_t k = 0; k < m->horizon; k++)
        probability[k] = etp_dates_by(&dates, k);
    answer->position = etp_first_to_reach(probability, m->horizon, question->level);
    answer->low = etp_first_to_reach(probability, m->horizon, question->low);
    answer->high = etp_first_to_reach(probability, m->horizon, question->high);
    return ETP_FINE;
}

/* For each parcel and each of `levels` ascending probabilities the first date that reaches it, as
 * days since the order's day (where none does, the last one on which anything arrives), and the probability
 * of that date. For each parcel's asked day (n,), if any are asked, its probability; NaN for
 * INT32_MIN. Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_quote_levels(const etp_model *m, int64_t n, const int32_t *code,
                                const double *number, const int32_t *order_day, const int32_t *clock,
                                int64_t levels, const double *level, int16_t *day,
                                double *probability, const int32_t *asked, double *asked_out) {
    workplace w;
    int failed = open_workplace(m, n, &w);
    for (int64_t first = 0; first < n && !failed; first += BLOCK) {
        const int64_t last = first + BLOCK < n ? first + BLOCK : n;
        failed = ask_forest(m, first, last, code, number, order_day, clock, &w);
        for (int64_t i = first; i < last && !failed; i++) {
            const etp_request r = request(m, i, code, number, order_day, clock);
            etp_parcel parcel;
            etp_quote_begin(m, &r, w.log_days + (i - first) * m->forest->levels, w.offset[i - first], &parcel);
            const etp_dates dates = etp_quote_dates_of(m, &r, &parcel);
            etp_dates_reach(&dates, m->horizon, levels, level, day + i * levels,
                            probability + i * levels);
            if (asked)
                asked_out[i] = etp_dates_asked(&dates, asked[i]);
        }
    }
    free(w.log_days);
    return failed;
}

/* What the forest says of durations before calibration: P(duration <= days[i]) of each parcel,
 * from its quantiles (n, levels) relative to offset (n,). For calibrating on what happened. */
ETP_EXPORT void etp_quote_raw(const etp_distribution *d, int64_t n, const double *log_days,
                              const double *offset, const double *days, double *out) {
    for (int64_t i = 0; i < n; i++) {
        etp_parcel p;
        etp_parcel_begin(&p, d, log_days + i * d->levels, offset[i], 0, 0);
        out[i] = etp_parcel_raw(&p, days[i]);
    }
}

/* What a promise is read off beside the forest: of n parcels into out (n, 4 + levels) by how much more
 * the forest's spread is widened, the log of their group's hazard, the share that ever arrives, the
 * operational days from the start of day 0 to that of the way; then the quantiles in operational days.
 * offset (n,) as of etp_feature_rows, log_days (n, levels) as the forest says them. */
ETP_EXPORT void etp_quote_parts(const etp_model *m, int64_t n, const int32_t *code,
                                const double *number, const int32_t *order_day, const int32_t *clock,
                                const double *offset, double *log_days, double *out) {
    const int64_t levels = m->forest->levels;
    for (int64_t i = 0; i < n; i++) {
        const etp_request r = request(m, i, code, number, order_day, clock);
        double *row = out + i * (4 + levels);
        etp_parcel parcel;
        row[0] = widening(m, &r);
        etp_quote_begin(m, &r, log_days + i * levels, offset[i], &parcel);
        row[1] = log(parcel.hazard);
        row[2] = parcel.arrives;
        row[3] = etp_start(m->features, &r) - etp_elapsed(m->features, r.clock, r.order_day);
        for (int64_t k = 0; k < levels; k++) row[4 + k] = parcel.day[k];
    }
}
