/* Handling and transit of one answered shipment: when it is fetched, and its way from each day on.
 *
 * promise/stages.py does the same for many, and says what it is. */
#include "quote.h"

#include <math.h>
#include <string.h>

enum { STAGE_LEVELS = 3 };

typedef struct {
    const etp_forest *handling, *transit;
    const etp_distribution *handling_distribution, *transit_distribution;
    const double *worked; /* (days + 1,) of the warehouse: working days before the start of each day */
    int64_t first_day, days;
    int64_t longest; /* days after the order's within which it is fetched */
    double business_day; /* share of an ordinary day from which on a carrier's day counts */
} etp_stage_question;

/* Two stages, handling first; the quantiles in days of business, then of the calendar. */
typedef struct {
    int32_t day[2][2][STAGE_LEVELS];
} etp_stage_answer;

static double clamped(const double *table, int64_t day, int64_t last) {
    return table[day < 0 ? 0 : day > last ? last : day];
}

/* Masses (n,) to shares of the whole so far; and the days at which these reach the levels. */
static void summed(double *mass, int64_t n, int32_t *day) {
    static const double level[STAGE_LEVELS] = {0.1, 0.5, 0.9};
    double total = 0, so_far = 0;
    for (int64_t k = 0; k < n; k++)
        total += mass[k];
    memset(day, 0, STAGE_LEVELS * sizeof *day);
    for (int64_t k = 0; k < n; k++) {
        so_far += mass[k];
        mass[k] = so_far / total;
        for (int i = 0; i < STAGE_LEVELS; i++)
            day[i] += mass[k] < level[i] - 1e-12;
        mass[k] = mass[k] > 1 ? 1 : mass[k];
    }
}

static int64_t whole_days(double days) {
    return (int64_t)ceil(days - 1e-9);
}

/* The day (since 1970-01-01) on which the warehouse begins with the order at the earliest. */
ETP_EXPORT int64_t etp_answer_begin_day(const etp_model *m, const etp_answer *answer) {
    return etp_begin_day(m->encoder->dispatch, answer->request.warehouse, answer->request.holidays,
                         answer->request.order_day,
                         (int32_t)lround(etp_answer_number(m, answer)[ETP_HOUR] * 3600));
}

/* pickup (longest,) P(fetched on the order's date + k); whole (longest, horizon) P(event by the end of
 * the order's date + k | fetched on each); shares (4, horizon + 1): of both stages in days of business,
 * then of the calendar, P(at most so many), the calendar's of handling (longest + 1). */
ETP_EXPORT void etp_answer_stages(const etp_model *m, const etp_answer *answer,
                                  const etp_stage_question *q, double *pickup, double *whole,
                                  double *shares, etp_stage_answer *out) {
    float x[ETP_MAX_FEATURES + 2];
    double log_days[ETP_MAX_LEVELS];
    uint8_t scratch[ETP_MAX_COLUMNS + 64];
    const int64_t horizon = m->horizon, order_day = answer->request.order_day, width = horizon + 1;
    const etp_features *f = m->features;
    const etp_request r = {etp_answer_code(m, answer), etp_answer_number(m, answer), (int32_t)order_day,
                           answer->request.clock};
    const double offset = etp_feature_row(f, &r, x);
    const int64_t start = etp_answer_begin_day(m, answer);
    const double begun = clamped(q->worked, start - q->first_day, q->days);
    etp_parcel parcel;

    etp_forest_row(q->handling, x, log_days, scratch);
    etp_parcel_begin(&parcel, q->handling_distribution, log_days, 0, 0, 0);
    double most = 0, before = 0;
    for (int64_t k = 0; k < q->longest; k++) {
        double reached = 1;
        if (k < q->longest - 1) {
            double worked = clamped(q->worked, order_day + k + 1 - q->first_day, q->days) - begun;
            worked = worked > 0 ? worked : 0;
            reached = etp_parcel_raw(&parcel, worked) * (worked > 0);
        }
        most = reached > most ? reached : most;
        pickup[k] = most - before;
        before = most;
    }

    double *business[2] = {shares, shares + 2 * width}, *calendar[2] = {shares + width, shares + 3 * width};
    memset(shares, 0, sizeof(double) * (size_t)(4 * width));
    memset(whole, 0, sizeof(double) * (size_t)(q->longest * horizon));
    memcpy(calendar[0], pickup, sizeof(double) * (size_t)q->longest);
    const double first = etp_elapsed(f, r.clock, order_day);
    for (int64_t day = 0; day < q->longest; day++) {
        double worked = clamped(q->worked, order_day + day - q->first_day, q->days) - begun;
        int64_t place = whole_days(worked > 0 ? worked : 0);
        business[0][place < horizon ? place : horizon] += pickup[day];
        if (!(pickup[day] > 1e-6))
            continue;
        const double here = etp_elapsed(f, r.clock, order_day + day);
        x[f->features] = (float)((order_day + day + 3) % 7);
        x[f->features + 1] = (float)(here - first);
        etp_forest_row(q->transit, x, log_days, scratch);
        etp_parcel_begin(&parcel, q->transit_distribution, log_days, offset, 0, 0);
        double come = 0;
        int64_t delivered = 0;
        for (int64_t k = day; k < horizon; k++) {
            const double end = etp_elapsed(f, r.clock, order_day + k + 1);
            const double now = end > here ? etp_parcel_raw(&parcel, end - here) : 0;
            if (k > day)
                delivered += end - etp_elapsed(f, r.clock, order_day + k) > q->business_day;
            const double next = now > come ? now : come;
            whole[day * horizon + k] = next;
            calendar[1][k - day] += (next - come) * pickup[day];
            business[1][delivered] += (next - come) * pickup[day];
            come = next;
        }
    }
    for (int stage = 0; stage < 2; stage++) {
        summed(business[stage], width, out->day[stage][0]);
        summed(calendar[stage], stage ? width : q->longest + 1, out->day[stage][1]);
    }
}
