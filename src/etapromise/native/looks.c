/* The features of looks at parcels under way: in_transit/outlook.py says what they are. */
#include "etapromise.h"

#include <math.h>

enum { LEVELS_MOST = 16, FEATURES = 28, GIVEN = 4, WEEK = 7, UNKNOWN = 255, AHEAD = 4 };

static const int64_t HOUR = INT64_C(3600000000), DAY = INT64_C(86400000000);

/* Times are microseconds since 1970 UTC, INT64_MIN where there is none; days are counted from 1970-01-01. */
typedef struct {
    const uint8_t *stage, *last_status, *attempts, *customs, *handed_off, *troubled; /* (m,) each */
    const int32_t *scans;
    const int64_t *moment, *last_scan, *last_known, *picked_up, *moved, *went_out;
    const int64_t *ordered, *order_day; /* of its parcel: the order's moment and its local date */
    const int32_t *clock;            /* row of `elapsed` */
    const int64_t *shift, *today;    /* microseconds to local time; local date */
    const double *start, *now;       /* operational days before today, before the moment */
    const double *evidence, *total;  /* (m, levels) of the flow */
    const double *given;             /* (m, GIVEN) what the promise at the order says */
    const double *elapsed;           /* (clocks, clock_days) */
    int64_t clock_days, first_day;
    int64_t levels;                  /* of the flow, no more than LEVELS_MOST */
    const int64_t *parent;           /* (levels,) -1 for the whole */
    int64_t region, destination, facility; /* levels */
    double prior, anywhere;          /* belief in the coarser level, in parcels; in the whole's mean */
    double offset, least_share;      /* added before the logarithm; of what is typical, still left */
} etp_looks;

static int64_t floored(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static double before(const etp_looks *l, int64_t i, int64_t day) {
    int64_t column = day - l->first_day;
    if (column < 0)
        column = 0;
    if (column >= l->clock_days)
        column = l->clock_days - 1;
    return l->elapsed[(int64_t)l->clock[i] * l->clock_days + column];
}

/* Operational days before a moment; NaN for one that is not there. */
static double reading(const etp_looks *l, int64_t i, int64_t moment) {
    if (moment == INT64_MIN)
        return NAN;
    const int64_t local = moment + l->shift[i], day = floored(local, DAY);
    const double from = before(l, i, day), part = (double)(local - day * DAY) / (double)DAY;
    return from + (before(l, i, day + 1) - from) * part;
}

/* Of each level of the flow, the mean log remaining days: fine ones lean on coarse ones. */
static void lean(const etp_looks *l, int64_t i, double *mean) {
    for (int64_t level = 0; level < l->levels; level++) {
        const double above = l->parent[level] < 0 ? l->anywhere : mean[l->parent[level]];
        const int64_t at = i * l->levels + level;
        mean[level] = (l->total[at] + l->prior * above) / (l->evidence[at] + l->prior);
    }
}

/* Features (m, FEATURES) in the order of TRANSIT_FEATURES, and the log of the typical remaining time (m,)
 * that the forest is relative to. */
ETP_EXPORT void etp_look_features(const etp_looks *l, int64_t m, float *x, double *typical) {
    for (int64_t i = 0; i < m; i++, x += FEATURES) {
        const int64_t known = l->last_known[i], scan = l->last_scan[i], ordered = l->ordered[i];
        const int64_t heard = known == INT64_MIN ? ordered : known;
        const int64_t latest = scan == INT64_MIN ? ordered : scan;
        const double now = l->now[i], start = l->start[i];
        /* Typical is counted from the start of the day on which the last scan came in. */
        const double passed = start - before(l, i, floored(heard + l->shift[i], DAY));
        const double picked_up = reading(l, i, l->picked_up[i]), *given = l->given + i * GIVEN;
        const int64_t level[] = {l->region, l->destination, l->facility};
        double mean[LEVELS_MOST], usual[3], left[3], day[AHEAD];
        lean(l, i, mean);
        for (int k = 0; k < 3; k++) {
            usual[k] = exp(mean[level[k]]) - l->offset;
            left[k] = usual[k] - passed;
        }
        for (int k = 0; k < AHEAD; k++) day[k] = before(l, i, l->today[i] + k);
        typical[i] = log(fmax(left[0], l->least_share * usual[0]) + l->offset);
        const int64_t local = l->moment[i] + l->shift[i];
        const double value[FEATURES] = {
            l->stage[i],
            l->last_status[i] == UNKNOWN ? -1 : l->last_status[i],
            fmax(now - reading(l, i, latest), 0),
            (double)(l->moment[i] - latest) / (double)HOUR,
            start - before(l, i, l->order_day[i]),
            now - picked_up,
            now - reading(l, i, l->moved[i]),
            now - reading(l, i, l->went_out[i]),
            left[0],
            left[1],
            left[2],
            log1p(l->evidence[i * l->levels + l->region]),
            given[0],
            given[1],
            given[2],
            given[3],
            left[0] - given[2],
            picked_up - reading(l, i, ordered),
            l->attempts[i],
            l->customs[i],
            l->handed_off[i],
            l->troubled[i],
            l->scans[i],
            (double)(local - floored(local, DAY) * DAY) / (double)HOUR,
            (double)(l->today[i] + 3 - floored(l->today[i] + 3, WEEK) * WEEK),
            day[1] - day[0],
            day[2] - day[1],
            day[3] - day[2],
        };
        for (int k = 0; k < FEATURES; k++) x[k] = (float)value[k];
    }
}
