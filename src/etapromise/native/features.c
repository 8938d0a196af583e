/* The feature row of one shipment. The same code serves training, batch and the single quote. */
#include "features.h"

#include <math.h>

#define EARTH_RADIUS_KM 6371.0088
/* Days that a carrier's next working day is looked for in. */
#define MOST_WAIT 14
#define MOST_LOG 50.0
#define RADIANS 0.017453292519943295

static double distance_km(double lat1, double lon1, double lat2, double lon2) {
    /* Haversine; NaN where a coordinate is missing. */
    double a = sin((lat2 - lat1) * RADIANS / 2), b = sin((lon2 - lon1) * RADIANS / 2);
    double h = a * a + cos(lat1 * RADIANS) * cos(lat2 * RADIANS) * b * b;
    return 2 * EARTH_RADIUS_KM * asin(sqrt(h < 1 ? h : (isnan(h) ? h : 1)));
}

static const float *total_row(const etp_features *f, const etp_request *r, int64_t level) {
    return f->total + (f->total_start[level] + r->code[level]) * ETP_FIELDS;
}

static const float *handling_row(const etp_features *f, const etp_request *r, int64_t level) {
    return f->handling + (f->handling_start[level] + r->code[f->levels + level]) * ETP_FIELDS;
}

static double explained(const etp_features *f, const etp_request *r) {
    double sum = 0;
    for (int64_t level = 0; level < f->levels; level++)
        sum += total_row(f, r, level)[ETP_EFFECT];
    return sum;
}

/* What the levels up to the service's explain; the pace would tell the forest what day it is. */
static double of_service(const etp_features *f, const etp_request *r) {
    double sum = 0;
    for (int64_t level = 0; level <= ETP_SERVICE_LEVEL; level++)
        sum += total_row(f, r, level)[ETP_EFFECT];
    return sum;
}

/* A log duration that a number has, whatever a model's tables add up to. */
static double bounded(double log_days) {
    return fmin(fmax(log_days, -MOST_LOG), MOST_LOG);
}

/* How much longer, as a log duration, than what is explained a parcel takes at the present paces of
 * its handling and of its way: each stretches its own part of the duration. */
static double present_pace(const etp_features *f, const etp_request *r, double usual, double present) {
    double usual_handling = 0, handling_pace = 0, way_pace = 0;
    for (int64_t level = 0; level < f->handling_levels; level++)
        usual_handling += handling_row(f, r, level)[ETP_EFFECT];
    for (int64_t k = 0; k < f->handling_paces; k++)
        handling_pace += present * handling_row(f, r, f->handling_pace[k])[ETP_PACE];
    for (int64_t k = 0; k < f->way_paces; k++)
        way_pace += present * total_row(f, r, f->way_pace[k])[ETP_WAY_PACE];
    /* Both logarithms are of days and the offset. */
    const double least = f->duration_offset, handling = fmax(exp(bounded(usual_handling)), least);
    const double way = fmax(exp(bounded(usual)) - handling, 0) + least;
    const double now = way * exp(bounded(way_pace)) + handling * exp(bounded(handling_pace)) - least;
    return log(fmax(now, 0.1 * least) / (way + handling - least));
}

/* Days from the order's date to the carrier's first (second) working day after it. */
static double days_until(const etp_features *f, const etp_request *r, int working) {
    const int64_t day = (int64_t)r->order_day + 1;
    int64_t k = 0;
    /* Days are counted, whose lengths differ: one after closed days makes up for them. */
    for (int worked = 0; k < MOST_WAIT && worked < working; k++)
        worked += etp_elapsed(f, r->clock, day + k + 1) - etp_elapsed(f, r->clock, day + k) > 0.5;
    return (double)k;
}

static double derived(const etp_features *f, const etp_request *r, int32_t which) {
    const double *number = r->number;
    double start;
    switch (which) {
    case ETP_DISTANCE:
        return distance_km(number[1], number[2], number[3], number[4]);
    case ETP_QUOTED: {
        /* The carrier's own estimate, relative to what history explains. */
        if (isnan(number[ETP_QUOTED_DAYS]))
            return NAN;
        start = etp_start(f, r);
        double end = etp_elapsed(f, r->clock, r->order_day + (int64_t)number[ETP_QUOTED_DAYS]);
        double days = end > start ? end - start : 0;
        return log(days + f->duration_offset) - explained(f, r);
    }
    case ETP_WEEKDAY:
        return ((r->order_day + 3) % 7 + 7) % 7; /* Monday is 0 */
    case ETP_NEXT_DAY:
        return days_until(f, r, 1);
    case ETP_SECOND_DAY:
        return days_until(f, r, 2);
    default:
        return NAN;
    }
}

/* A field of an effect table, paces as far as they last. */
static float of_table(const float *row, int32_t field, double present) {
    return field == ETP_PACE || field == ETP_WAY_PACE ? (float)(present * row[field]) : row[field];
}

double etp_feature_row(const etp_features *f, const etp_request *r, float *out) {
    const double usual = explained(f, r), present = etp_present(f, r);
    for (int64_t k = 0; k < f->features; k++) {
        const etp_source *s = &f->source[k];
        switch (s->kind) {
        case ETP_NUMBER:
            out[k] = (float)r->number[s->index];
            break;
        case ETP_TOTAL:
            out[k] = of_table(total_row(f, r, s->index), s->field, present);
            break;
        case ETP_HANDLING:
            out[k] = of_table(handling_row(f, r, s->index), s->field, present);
            break;
        default:
            out[k] = s->index == ETP_EXPLAINED ? (float)(usual - of_service(f, r))
                                               : (float)derived(f, r, s->index);
        }
    }
    return present * f->surge + usual + present_pace(f, r, usual, present);
}

/* Feature rows of n shipments: x (n, features), offset (n,). */
ETP_EXPORT void etp_feature_rows(const etp_features *f, int64_t n, const int32_t *code,
                                 const double *number, const int32_t *order_day, const int32_t *clock,
                                 float *x, double *offset) {
    int64_t codes = f->levels + f->handling_levels;
    for (int64_t i = 0; i < n; i++) {
        etp_request r = {code + i * codes, number + i * f->numbers, order_day[i], clock[i]};
        offset[i] = etp_feature_row(f, &r, x + i * f->features);
    }
}
