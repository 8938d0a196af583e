/* The probability that all parcels of an order have arrived: promise/joint_probability.py says how. */
#include "etapromise.h"

#include <stddef.h>

static void insert_sorted(double *values, int64_t count, double value) {
    int64_t at = count;
    for (; at > 0 && values[at - 1] > value; at--)
        values[at] = values[at - 1];
    values[at] = value;
}

static double product_of(const double *values, int64_t count) {
    double product = values[0];
    for (int64_t k = 1; k < count; k++)
        product *= values[k];
    return product;
}

/* P(all of n parcels have arrived by the end of each of `days` dates) into out (days,), from their own
 * (n, days). group (n,) ascends from 0: parcels of a group share their luck with the probability
 * `follows` squared, and groups theirs with `tied` of it. scratch (n * 3 + (n + 1) * (groups + 1),). */
ETP_EXPORT void etp_joint(int64_t n, int64_t days, int64_t groups, const double *probability,
                          const int32_t *group, double follows, double tied, double *scratch,
                          double *out) {
    double *edge = scratch, *chance = edge + n, *factor = chance + n, *width = factor + n;
    double *part = width + n + 1; /* (groups, n + 1) */
    double most = 0;
    for (int64_t d = 0; d < days; d++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            insert_sorted(edge, i, probability[i * days + d]);
        for (int64_t i = 0; i < n; i++)
            sum += edge[i];
        /* Between two neighbouring probabilities every parcel is in time or none of its luck is. */
        for (int64_t cell = 0; cell <= n; cell++)
            width[cell] = (cell < n ? edge[cell] : 1) - (cell ? edge[cell - 1] : 0);
        for (int64_t g = 0, first = 0; g < groups; g++) {
            int64_t last = first;
            while (last < n && group[last] == g)
                last++;
            double mean = 0;
            for (int64_t cell = 0; cell <= n; cell++) {
                const double end = cell < n ? edge[cell] : 1;
                int64_t count = 0;
                for (int64_t i = first; i < last; i++) {
                    const double own = probability[i * days + d];
                    insert_sorted(chance, count++, follows * (own >= end) + (1 - follows) * own);
                }
                part[g * (n + 1) + cell] = product_of(chance, count);
                mean += width[cell] * part[g * (n + 1) + cell];
            }
            for (int64_t cell = 0; cell <= n; cell++)
                part[g * (n + 1) + cell] = tied * part[g * (n + 1) + cell] + (1 - tied) * mean;
            first = last;
        }
        double joint = 0;
        for (int64_t cell = 0; cell <= n; cell++) {
            for (int64_t g = 0; g < groups; g++)
                insert_sorted(factor, g, part[g * (n + 1) + cell]);
            joint += width[cell] * product_of(factor, groups);
        }
        const double low = sum - (double)(n - 1) > 0 ? sum - (double)(n - 1) : 0;
        joint = joint < low ? low : joint > edge[0] ? edge[0] : joint;
        most = joint > most ? joint : most;
        out[d] = most;
    }
}
