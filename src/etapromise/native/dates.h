/* A parcel's distribution over dates: of a promise at the order, and of what remains under way. */
#ifndef ETAPROMISE_DATES_H
#define ETAPROMISE_DATES_H

#include "disruptions.h"
#include "distribution.h"

typedef struct {
    etp_parcel *parcel;
    const double *elapsed; /* (days,) of its clock: operational days before each day */
    int64_t days, first_day;
    int64_t from;  /* days since 1970-01-01: day 0 of the dates */
    double start;  /* the clock's reading from which its duration counts */
    double closed; /* up to this reading nothing arrives, however early it began; or -INFINITY */
    const etp_disruptions *disruptions; /* or NULL: none concerns it */
    double concern;
} etp_dates;

/* Operational days before a day, clamped to the table. */
static inline double etp_clock_reading(const double *elapsed, int64_t days, int64_t column) {
    return elapsed[column < 0 ? 0 : column >= days ? days - 1 : column];
}

/* P(event by the end of day 0 + k); k must not go back from call to call. */
double etp_dates_by(const etp_dates *dates, int64_t k);

/* The first day that reaches each of `levels` ascending probabilities, as days since day 0 (where none
 * does, the last one on which anything arrives, or that of the horizon), and the probability of that date. */
void etp_dates_reach(const etp_dates *dates, int64_t horizon, int64_t levels, const double *level,
                     int16_t *day, double *probability);

/* The probability of an asked day, NaN for INT32_MIN; whatever was asked before. */
double etp_dates_asked(const etp_dates *dates, int32_t asked);

#endif
