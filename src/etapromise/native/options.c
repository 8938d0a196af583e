/* Options side by side: which are at least as good as another whatever is asked for. */
#include "etapromise.h"

#include <math.h>

enum { COSTS = 3, PRICE = 0, CARBON = 2 };

/* Of two rows of n numbers: bit 0 where the first has a smaller one, bit 1 where the second has. Without a
 * way out in between, which compilers do several at a time. */
static int smaller(int64_t n, const double *a, const double *b) {
    int first = 0, second = 0;
    for (int64_t i = 0; i < n; i++) {
        first |= a[i] < b[i];
        second |= b[i] < a[i];
    }
    return first | second << 1;
}

/* The pairs of n options of which the first dominates the second.
 *
 * curve: (n, days) probabilities of an arrival. cost: (n, 3) price, own cost, carbon dioxide; an infinite
 * price or weight is unknown, and where it is known of one of two only, nobody can say. offer: (n,) bits of what
 * an option has beyond: who lacks one does not dominate who has it. pair: room for n * n pairs. Returns
 * how many there are. */
ETP_EXPORT int64_t etp_dominance(int64_t n, int64_t days, const double *curve, const double *cost,
                                 const uint8_t *offer, int32_t *pair) {
    int64_t found = 0;
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = a + 1; b < n; b++) {
            const double *one = cost + a * COSTS, *other = cost + b * COSTS;
            if (!isinf(one[PRICE]) != !isinf(other[PRICE]) || !isinf(one[CARBON]) != !isinf(other[CARBON]))
                continue;
            /* Who is worse in something: bit 0 the first, bit 1 the second. */
            int worse = smaller(COSTS, other, one);
            if (worse != 3)
                worse |= smaller(days, curve + a * days, curve + b * days);
            if (worse != 1 && worse != 2)
                continue;
            const int64_t over = worse == 2 ? a : b, under = worse == 2 ? b : a;
            if ((offer[over] & offer[under]) != offer[under])
                continue;
            pair[2 * found] = (int32_t)over;
            pair[2 * found++ + 1] = (int32_t)under;
        }
    return found;
}
