/* Options side by side: which are at least as good as another whatever is asked for. */
#include "etapromise.h"

#include <math.h>

enum { COSTS = 3, CARBON = 2 };

/* Whether `a` costs no more than `b` and is at no date less likely to have arrived. */
static int never_worse(int64_t days, const double *curve, const double *cost, int64_t a, int64_t b) {
    for (int c = 0; c < COSTS; c++)
        if (!(cost[a * COSTS + c] <= cost[b * COSTS + c]))
            return 0;
    for (int64_t d = 0; d < days; d++)
        if (!(curve[a * days + d] >= curve[b * days + d]))
            return 0;
    return 1;
}

/* The pairs of n options of which the first dominates the second.
 *
 * cost: (n, 3) price, own cost, carbon dioxide; infinite carbon dioxide is unknown, and where it is known
 * of one of two only, nobody can say. offer: (n,) bits of what an option has beyond: who lacks one does
 * not dominate who has it. pair: room for n * n pairs. Returns how many there are. */
ETP_EXPORT int64_t etp_dominance(int64_t n, int64_t days, const double *curve, const double *cost,
                                 const uint8_t *offer, int32_t *pair) {
    int64_t found = 0;
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++) {
            if ((offer[a] & offer[b]) != offer[b] ||
                !isinf(cost[a * COSTS + CARBON]) != !isinf(cost[b * COSTS + CARBON]))
                continue;
            if (never_worse(days, curve, cost, a, b) && !never_worse(days, curve, cost, b, a)) {
                pair[2 * found] = (int32_t)a;
                pair[2 * found++ + 1] = (int32_t)b;
            }
        }
    return found;
}
