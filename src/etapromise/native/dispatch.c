/* By how much a warehouse's calendar delays an order, on the carrier's clock. */
#include "dispatch.h"

#include <math.h>
#include <stddef.h>

/* Days after which a parcel is on its way, whatever the calendar says. */
enum { LONGEST_WAIT = 90 };

enum { HOLIDAY_KINDS = 2 };

struct etp_dispatch {
    const int32_t *cut_off;        /* (rows, 7) local second of Monday … Sunday */
    const double *weeks;           /* (rows, 7) share of a working day, Monday first */
    const double *holiday_weights; /* (rows, HOLIDAY_KINDS) */
    const double *handling;        /* (rows, steps + 1) cumulative, by working days */
    int64_t steps;
    const uint8_t *holidays; /* (calendars, days) 0, or the kind of holiday from 1 on */
    const double *elapsed;   /* (clocks, days + 1) operational time at the start of each day */
    int64_t days;
    int64_t first_day;
    const uint8_t *closed; /* (rows, days) on which nobody works there, or NULL */
};

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* P(handling takes at most `worked` working days): linear between whole days. */
static double within(const double *handling, int64_t steps, double worked) {
    if (worked >= (double)steps)
        return 1;
    int64_t whole = (int64_t)worked;
    double part = worked - (double)whole;
    return handling[whole] + part * (handling[whole + 1] - handling[whole]);
}

/* What the clock of the carrier that delivers reads when it gets a parcel that is picked up on `day`.
 * Where another carrier has it first, that is expected after the working days of that one's clock, and
 * less as many days as they are: what remains is what the two calendars do to each other. */
static double reading_at(const etp_dispatch *d, const double *elapsed, int64_t day,
                         const etp_leg *leg) {
    const int64_t fetched = clamp(day, 0, d->days);
    if (!leg)
        return elapsed[fetched];
    const double *first = d->elapsed + (int64_t)leg->clock * (d->days + 1);
    double reading = 0;
    int64_t at = fetched;
    for (int64_t step = 0; step <= leg->steps; step++) {
        /* Handed over on a day on which the first carrier works: the last before its clock moves on. */
        while (at < d->days && first[at + 1] <= first[fetched] + (double)step + 1e-9)
            at++;
        reading += leg->days[step] * (elapsed[at] - (double)step);
    }
    return reading;
}

double etp_lead(const etp_dispatch *d, int32_t row, int32_t calendar, int32_t anchor, int32_t second,
                int32_t clock, const etp_leg *leg) {
    const double *handling = d->handling + (int64_t)row * (d->steps + 1);
    const double *week = d->weeks + (int64_t)row * 7;
    const uint8_t *holiday = d->holidays + (int64_t)calendar * d->days;
    const double *elapsed = d->elapsed + (int64_t)clock * (d->days + 1);
    int64_t start = (int64_t)anchor - d->first_day;
    int64_t day = start + (second >= d->cut_off[row * 7 + ((int64_t)anchor + 3) % 7]);
    double worked = 0, done = 0, reading = 0;
    for (int64_t waited = 0; waited < LONGEST_WAIT && done < 1; waited++, day++) {
        int64_t column = clamp(day, 0, d->days - 1);
        double share = week[((day + d->first_day + 3) % 7 + 7) % 7];
        if (holiday[column])
            share *= d->holiday_weights[row * HOLIDAY_KINDS + holiday[column] - 1];
        if (share <= 0 || (d->closed && d->closed[row * d->days + column]))
            continue;
        worked += share;
        double now = within(handling, d->steps, worked);
        reading += (now - done) * reading_at(d, elapsed, day, leg);
        done = now;
    }
    /* Whatever is left is as late as the last day looked at. */
    if (done < 1)
        reading += (1 - done) * reading_at(d, elapsed, day, leg);
    double undelayed = 0;
    for (int64_t step = 1; step < d->steps; step++)
        undelayed += 1 - handling[step];
    return reading - elapsed[clamp(start, 0, d->days)] - undelayed;
}

/* The lead of n orders into out (n,). */
ETP_EXPORT void etp_leads(const etp_dispatch *d, int64_t n, const int32_t *row,
                          const int32_t *calendar, const int32_t *anchor, const int32_t *second,
                          const int32_t *clock, double *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = etp_lead(d, row[i], calendar[i], anchor[i], second[i], clock[i], NULL);
}

/* The same for orders that another carrier delivers: leg_clock (n,) clocks of the first one, leg (n,)
 * rows of leg_days (rows, steps + 1). */
ETP_EXPORT void etp_relay_leads(const etp_dispatch *d, int64_t n, const int32_t *row,
                                const int32_t *calendar, const int32_t *anchor,
                                const int32_t *second, const int32_t *clock,
                                const int32_t *leg_clock, const int32_t *leg,
                                const double *leg_days, int64_t steps, double *out) {
    for (int64_t i = 0; i < n; i++) {
        const etp_leg way = {leg_clock[i], (int32_t)steps, leg_days + leg[i] * (steps + 1)};
        out[i] = etp_lead(d, row[i], calendar[i], anchor[i], second[i], clock[i], &way);
    }
}
