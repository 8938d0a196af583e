/* What a model is in compiled code, and what is asked of it and answered. */
#ifndef ETAPROMISE_QUOTE_H
#define ETAPROMISE_QUOTE_H

#include "dates.h"
#include "distribution.h"
#include "encoder.h"
#include "features.h"

typedef struct {
    const etp_features *features;
    const etp_forest *forest;
    const etp_distribution *distribution;
    const float *log_hazard; /* (rows of the total's tables,) a group's correction, added over levels */
    const double *lost;    /* (services,) by row of the level `lost_level` */
    const float *shortest; /* (rows of the total's tables, 7) see history/shortest_ways.py; -1: not told */
    int64_t lost_level;
    const double *between; /* (levels,) variance of effects between keys, 0 where it is not asked */
    double between_prior;  /* parcels after which half of it is known */
    int64_t median;        /* position of the forest's middle level */
    int64_t horizon;       /* dates of one distribution, the order's own included */
    const etp_encoder *encoder;
} etp_model;

/* What is asked; the numeric columns' values (numeric,) follow it. */
typedef struct {
    etp_shipment shipment;
    double level, low, high; /* probabilities */
} etp_question;

/* What is answered; probability (horizon,), number (numbers,) and code (levels + handling_levels,)
 * follow it. */
typedef struct {
    etp_encoded request;
    int32_t position, low, high; /* first days to reach the question's probabilities */
} etp_answer;

/* One parcel's distribution, from what the forest says: `log_days` (levels,), relative to `offset`. */
void etp_quote_begin(const etp_model *m, const etp_request *r, double *log_days, double offset,
                     etp_parcel *parcel);

/* The same over dates, from the order's day on. */
etp_dates etp_quote_dates_of(const etp_model *m, const etp_request *r, etp_parcel *parcel);

/* The last date on which anything arrives stands in for one that no date reaches; where nothing arrives
 * within the horizon, its last date. */
int32_t etp_first_to_reach(const double *probability, int64_t days, double level);

/* Where an answer's arrays are. */
static inline double *etp_answer_number(const etp_model *m, const etp_answer *answer) {
    return (double *)(answer + 1) + m->horizon;
}

static inline int32_t *etp_answer_code(const etp_model *m, const etp_answer *answer) {
    return (int32_t *)(etp_answer_number(m, answer) + m->features->numbers);
}

#endif
