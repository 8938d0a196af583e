/* Weighted quantiles of many values. */
#ifndef ETAPROMISE_SELECTION_H
#define ETAPROMISE_SELECTION_H

#include "etapromise.h"

enum { ETP_SELECTION_SLACK = 16 };

typedef struct {
    float *value;
    float *mass; /* at least 0 */
    int64_t count;
} etp_masses;

/* The smallest value such that the mass of all values up to it reaches `target`; the largest value if the
 * mass never does. There is at least one value. `spare` has as much room; both are overwritten, and
 * so may be ETP_SELECTION_SLACK values behind the last of each. */
float etp_select_mass(etp_masses m, etp_masses spare, double target);

#endif
