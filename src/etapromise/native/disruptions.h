/* Declared disruptions: which of them concern a shipment, and how far they hold its clock back. */
#ifndef ETAPROMISE_DISRUPTIONS_H
#define ETAPROMISE_DISRUPTIONS_H

#include "etapromise.h"
#include "keys.h"

/* A double holds a bit for each exactly. */
enum { ETP_MAX_DISRUPTIONS = 52 };

/* One that an operator declares: from the first day to the last nothing arrives at all (`stop`) or
 * everything arrives late. How late is not known exactly, so it is so in each of some scenarios that
 * are equally likely. */
typedef struct {
    int32_t first, last; /* days since 1970-01-01, both within */
    int32_t stop;
    int32_t unused;
    double recovery;     /* operational days from the last to due times that are kept again */
} etp_disruption;

typedef struct {
    int64_t count;     /* disruptions */
    int64_t scenarios;
    const etp_disruption *disruption; /* (count,) */
    const double *late;               /* (count, scenarios) operational days */
    int64_t areas;
    const int32_t *concerns;        /* (areas,) which disruption an area is of */
    const int64_t *condition_start; /* (areas + 1,): all conditions of an area must hold */
    const int32_t *column;          /* (conditions,) of the shipment's texts */
    const int32_t *is_prefix;       /* (conditions,) whether the text only has to begin so */
    const int64_t *value_start;     /* (conditions + 1,) */
    const uint8_t *value;
} etp_disruptions;

/* The disruptions of which a shipment's texts are in an area, one bit each, as a whole number. */
double etp_disruptions_of(const etp_disruptions *disruptions, const etp_text *text);

/* What the clock reads at the end of `day` for a parcel that is on its way since `from`: the least that
 * any of its disruptions leaves in one scenario. row is (days,) operational time before each day from
 * first_day on. Never less for a later day. */
ETP_EXPORT double etp_held_reading(const etp_disruptions *disruptions, double concern, int64_t scenario,
                        const double *row, int64_t days, int64_t first_day, int64_t from, int64_t day);

#endif
