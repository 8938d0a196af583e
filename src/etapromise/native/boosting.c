/* What quantile boosting does between two trees: gradients, renewal of the leaves' values, loss.
 *
 * A row's current quantile at level k is start[k] + shift[row][k]. Where a row is censored, its y is only
 * a lower bound. Its value is then spread over what the model expects above that bound (Efron 1967;
 * Portnoy 2003): with u = P(value <= y | x), it lies below the quantile of level t with probability
 * max(0, (t - u) / (1 - u)), and this mass stands at y; the rest stands at infinity. */
#include "etapromise.h"

#include "selection.h"

#include <math.h>

enum { MAX_LEVELS = 64 };

typedef struct {
    int64_t levels;
    double unit;             /* 1 / the mean weight */
    const double *level;     /* (levels,) ascending */
    const double *start;     /* (levels,) */
    const double *y;         /* (rows,) */
    const double *weight;    /* (rows,) or NULL: every row weighs 1 */
    const uint8_t *censored; /* (rows,) or NULL: no row is censored */
    float *shift;            /* (rows, levels) */
} etp_boosting;

static inline double quantile(const etp_boosting *b, int64_t row, int64_t k) {
    return b->start[k] + (double)b->shift[row * b->levels + k];
}

static void sorted_quantiles(const etp_boosting *b, int64_t row, double *out) {
    for (int64_t k = 0; k < b->levels; k++) {
        const double q = quantile(b, row, k);
        int64_t at = k;
        for (; at > 0 && out[at - 1] > q; at--) out[at] = out[at - 1];
        out[at] = q;
    }
}

/* P(value <= y) of the distribution with these quantiles: linear between them. Below the first an
 * exponential tail, as dense at the first quantile as the piece above it; above the last, any
 * number not below the last level serves, for all mass is at infinity then. */
static double probability_by(const etp_boosting *b, const double *q, double y) {
    const int64_t last = b->levels - 1;
    if (y >= q[last]) return b->level[last];
    if (y < q[0]) {
        if (last == 0 || q[1] <= q[0]) return 0.0;
        const double scale = b->level[0] * (q[1] - q[0]) / (b->level[1] - b->level[0]);
        return b->level[0] * exp((y - q[0]) / scale);
    }
    int64_t k = last - 1;
    while (q[k] > y) k--;
    return b->level[k] + (b->level[k + 1] - b->level[k]) * (y - q[k]) / (q[k + 1] - q[k]);
}

static inline double mass_below(double level, double u) {
    return level > u ? (level - u) / (1.0 - u) : 0.0;
}

/* below (rows, levels) of censored rows: the probability that the value lies below the quantile of each
 * level. Other rows are left as they are. */
ETP_EXPORT void etp_boosting_mass(const etp_boosting *b, int64_t first, int64_t last, float *below) {
    double q[MAX_LEVELS];
    for (int64_t i = first; i < last; i++) {
        if (!b->censored[i]) continue;
        sorted_quantiles(b, i, q);
        const double u = probability_by(b, q, b->y[i]);
        for (int64_t k = 0; k < b->levels; k++)
            below[i * b->levels + k] = (float)mass_below(b->level[k], u);
    }
}

/* Gradient of the pinball loss of level k for rows first to last, times the row's weight. */
ETP_EXPORT void etp_boosting_gradient(const etp_boosting *b, int64_t k, int64_t first,
                                      int64_t last, float *gradient) {
    double q[MAX_LEVELS];
    const double level = b->level[k];
    for (int64_t i = first; i < last; i++) {
        double below;
        if (b->censored && b->censored[i]) {
            sorted_quantiles(b, i, q);
            below = mass_below(level, probability_by(b, q, b->y[i]));
        } else {
            below = b->y[i] < quantile(b, i, k);
        }
        gradient[i] = (float)((below - level) * (b->weight ? b->weight[i] * b->unit : 1.0));
    }
}

/* How many rows of first to last are in each leaf: (leaves,), added to what is there. */
ETP_EXPORT void etp_boosting_count(const uint8_t *leaf, int64_t first, int64_t last, int64_t *count) {
    for (int64_t i = first; i < last; i++) count[leaf[i]]++;
}

/* Bring the residuals of rows first to last together by leaf. `next` (leaves,) is where the next row of
 * each leaf goes; it is advanced. residual is (rows, levels). mass is (rows, levels) if rows are censored:
 * weight times the share that is not at infinity; else (rows,): the weight. total (leaves,) gets the
 * weights' sums. */
ETP_EXPORT void etp_boosting_gather(const etp_boosting *b, const uint8_t *leaf, int64_t first,
                                    int64_t last, int64_t *next, float *residual, float *mass,
                                    double *total) {
    const int64_t levels = b->levels;
    double q[MAX_LEVELS];
    for (int64_t i = first; i < last; i++) {
        const int64_t at = next[leaf[i]]++;
        const float *shift = b->shift + i * levels;
        for (int64_t k = 0; k < levels; k++)
            residual[at * levels + k] = (float)(b->y[i] - (b->start[k] + (double)shift[k]));
        const double weight = b->weight ? b->weight[i] : 1.0;
        total[leaf[i]] += weight;
        if (!b->censored) {
            mass[at] = (float)weight;
        } else if (!b->censored[i]) {
            for (int64_t k = 0; k < levels; k++) mass[at * levels + k] = (float)weight;
        } else {
            sorted_quantiles(b, i, q);
            const double u = probability_by(b, q, b->y[i]);
            for (int64_t k = 0; k < levels; k++)
                mass[at * levels + k] = (float)(weight * mass_below(b->level[k], u));
        }
    }
}

/* shift += the values of each row's leaf, (leaves, levels). */
ETP_EXPORT void etp_boosting_add(const etp_boosting *b, const uint8_t *leaf, const float *value,
                                 int64_t first, int64_t last) {
    const int64_t levels = b->levels;
    for (int64_t i = first; i < last; i++) {
        float *shift = b->shift + i * levels;
        const float *add = value + leaf[i] * levels;
        for (int64_t k = 0; k < levels; k++) shift[k] += add[k];
    }
}

/* Renew the values of a leaf, given its gathered residuals and masses (`mass_columns` is levels or 1) and
 * the total of its weights: value[k] = rate times the weighted quantile of the residuals at level k.
 * `scratch` has room for 4 * (count + 16) floats. */
ETP_EXPORT void etp_boosting_renew(const etp_boosting *b, const float *residual, const float *mass,
                                   int64_t mass_columns, int64_t count, double total, double rate,
                                   float *scratch, float *value) {
    const int64_t levels = b->levels;
    for (int64_t k = 0; k < levels; k++) {
        const int64_t room = count + ETP_SELECTION_SLACK;
        etp_masses m = {scratch, scratch + room, count};
        const etp_masses spare = {scratch + 2 * room, scratch + 3 * room, 0};
        const float *column = mass_columns > 1 ? mass + k : mass;
        for (int64_t i = 0; i < count; i++) {
            m.value[i] = residual[i * levels + k];
            m.mass[i] = column[i * mass_columns];
        }
        /* A hair less, so that sums that should reach the target do in spite of rounding. */
        const double target = b->level[k] * total * (1 - 1e-12);
        value[k] = count ? (float)(rate * (double)etp_select_mass(m, spare, target)) : 0.0f;
    }
}

/* Sum over rows first to last of weight times the pinball loss, summed over levels, of the sorted
 * quantiles. `below` (rows, levels) are the masses of censored rows under a fixed reference: what
 * lies above their quantile counts as a far-away value, so only differences of losses under the same
 * masses mean something. */
ETP_EXPORT double etp_boosting_loss(const etp_boosting *b, const float *below, int64_t first,
                                    int64_t last) {
    double q[MAX_LEVELS], sum = 0.0;
    for (int64_t i = first; i < last; i++) {
        sorted_quantiles(b, i, q);
        const int open = b->censored && b->censored[i];
        double loss = 0.0;
        for (int64_t k = 0; k < b->levels; k++) {
            const double level = b->level[k], error = b->y[i] - q[k];
            const double pinball = error >= 0 ? level * error : (level - 1.0) * error;
            if (open) {
                const double mass = (double)below[i * b->levels + k];
                loss += mass * pinball + (1.0 - mass) * level * error;
            } else {
                loss += pinball;
            }
        }
        sum += loss * (b->weight ? b->weight[i] : 1.0);
    }
    return sum;
}
