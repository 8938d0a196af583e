/* The feature row of one shipment: what is known of its levels, its calendar, its place. */
#ifndef ETAPROMISE_FEATURES_H
#define ETAPROMISE_FEATURES_H

#include "encoder.h"

#include <math.h>

enum { ETP_MAX_FEATURES = 1024, ETP_FIELDS = 5 };
enum { ETP_SERVICE_LEVEL = 2 };                              /* SERVICE_LEVEL of lanes/levels.py */
enum { ETP_EFFECT = 0, ETP_PACE = 2, ETP_WAY_PACE = 3 }; /* fields of the tables */

/* Where a feature comes from. */
enum { ETP_NUMBER = 0, ETP_TOTAL = 1, ETP_HANDLING = 2, ETP_DERIVED = 3 };
enum {
    ETP_DISTANCE = 0,
    ETP_QUOTED = 1,
    ETP_EXPLAINED = 2,
    ETP_WEEKDAY = 3,
    ETP_NEXT_DAY = 4,
    ETP_SECOND_DAY = 5
};

typedef struct {
    int32_t kind;
    int32_t index; /* of the number, the level or the derived feature */
    int32_t field; /* of the effect table */
    int32_t unused;
} etp_source;

typedef struct {
    int64_t levels, handling_levels, numbers, features, handling_paces, way_paces;
    const float *total;            /* effect tables of the whole duration */
    const int64_t *total_start;    /* (levels,) where each level's rows start */
    const float *handling;         /* effect tables of the handling time */
    const int64_t *handling_start; /* (handling_levels,) */
    const etp_source *source;      /* (features,) */
    const double *elapsed;         /* (clocks, clock_days) operational time at the start of each day */
    const int32_t *handling_pace;  /* (handling_paces,) levels of the handling's tables that have a say */
    const int32_t *way_pace;       /* (way_paces,) levels of the total's tables, in the way's pace */
    int64_t clock_days;
    int64_t clock_first_day;
    double duration_offset;
    double surge; /* added to every log duration: more orders than the network is used to */
    int64_t as_of_day; /* what was received before it is in the tables; INT64_MAX: they are of each order's day */
    double present_half_life; /* operational days after it in which half of what was so then is gone */
} etp_features;

typedef struct {
    const int32_t *code; /* (levels + handling_levels,) rows of the tables */
    const double *number;
    int32_t order_day; /* days since 1970-01-01 */
    int32_t clock;
} etp_request;

/* Writes (features,) values; returns the log duration that the forest's output is relative to. */
double etp_feature_row(const etp_features *features, const etp_request *request, float *out);

/* Operational time at the start of a day, clamped to the table. */
static inline double etp_elapsed(const etp_features *features, int32_t clock, int64_t day) {
    int64_t column = day - features->clock_first_day;
    if (column < 0)
        column = 0;
    if (column >= features->clock_days)
        column = features->clock_days - 1;
    return features->elapsed[clock * features->clock_days + column];
}

/* The reading of the carrier's clock from which the request's duration counts. */
static inline double etp_start(const etp_features *features, const etp_request *r) {
    return etp_elapsed(features, r->clock, r->order_day) + r->number[ETP_DISPATCH_DELAY];
}

/* For so many operational days all that was so on the tables' day counts: until a refresh is due. */
#define ETP_STILL_PRESENT 2.0

/* How much of what was so on the tables' day is still so when the request's duration begins. It hangs on the
 * carrier's clock alone, so that who orders later, and is fetched no later, has the same date. */
static inline double etp_present(const etp_features *features, const etp_request *r) {
    const double known = etp_elapsed(features, r->clock, features->as_of_day);
    const double later = etp_start(features, r) - known - ETP_STILL_PRESENT;
    return later > 0 ? exp2(-later / features->present_half_life) : 1;
}

#endif
