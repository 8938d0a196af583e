/* Which features make a row's quantiles what they are: Shapley values against a reference row.
 *
 * The players are the groups of features; a coalition's worth is the forest's value where its features
 * are the row's and all others the reference's. Along one tree's paths that game has few different
 * answers, so the values are exact and cheap: Lundberg et al. (2020), From local explanations to global
 * understanding with explainable AI for trees (interventional TreeSHAP), with a single reference.
 * Players' values sum to the row's quantiles less the reference's. */
#include "forest_parts.h"

#include <stdlib.h>

enum { ETP_MAX_PLAYERS = 32 };

typedef struct {
    const etp_forest *forest;
    const int32_t *player; /* (features,) */
    const uint8_t *codes, *reference;
    const etp_node *node; /* of the tree at hand */
    const float *value;
    double *out; /* (players, levels) */
} explained;

/* A coalition of `own` of `own + other` players that differ adds or takes a leaf's value with the
 * weight own! other! / (own + other + 1)!. */
static double weight(int own, int other) {
    double w = 1.0 / (own + other + 1);
    for (int k = 1; k <= other; k++) w *= (double)k / (own + k);
    return w;
}

static void add_leaf(const explained *e, int64_t leaf, uint32_t row, uint32_t reference) {
    const int64_t levels = e->forest->levels;
    const float *value = e->value + leaf * e->forest->width;
    const int rows = __builtin_popcount(row), references = __builtin_popcount(reference);
    for (uint32_t left = row | reference; left; left &= left - 1) {
        const int player = __builtin_ctz(left);
        const double w = row >> player & 1 ? weight(rows - 1, references)
                                           : -weight(rows, references - 1);
        double *out = e->out + player * levels;
        for (int64_t k = 0; k < levels; k++) out[k] += w * (double)value[k];
    }
}

/* All leaves that some mixture of the two rows reaches. `row` and `reference` are the players whose
 * features a path took from the one and from the other where they part. */
static void walk(const explained *e, uint32_t at, uint32_t row, uint32_t reference) {
    while (at < ETP_LEAF_ROW) {
        const etp_node *here = e->node + at;
        const uint32_t own = e->codes[here->column] > here->rank ? here->right : here->left;
        const uint32_t other = e->reference[here->column] > here->rank ? here->right : here->left;
        const uint32_t bit = 1u << e->player[e->forest->column[here->column].feature];
        if (own == other || row & bit) {
            at = own;
        } else if (reference & bit) {
            at = other;
        } else {
            walk(e, other, row, reference | bit);
            row |= bit;
            at = own;
        }
    }
    if (row | reference) add_leaf(e, at - ETP_LEAF_ROW, row, reference);
}

/* Of rows x (n, features) against `reference` (features,), into out (n, players, levels): how much each
 * player adds to each quantile before these are sorted. player (features,) are numbers below `players`.
 * Returns 0, -1 if there is no memory, -2 if there are too many players. */
ETP_EXPORT int etp_forest_explain(const etp_forest *forest, int64_t n, const float *x,
                                  const float *reference, int64_t players, const int32_t *player,
                                  double *out) {
    const size_t size = (size_t)forest->columns + 64;
    if (players > ETP_MAX_PLAYERS) return -2;
    uint8_t *codes = malloc(2 * size);
    if (!codes) return -1;
    etp_forest_codes(forest, reference, codes + size);
    explained e = {forest, player, codes, codes + size, NULL, NULL, NULL};
    for (int64_t i = 0; i < n; i++) {
        e.out = out + i * players * forest->levels;
        for (int64_t k = 0; k < players * forest->levels; k++) e.out[k] = 0;
        etp_forest_codes(forest, x + i * forest->features, codes);
        for (int64_t tree = 0; tree < forest->trees; tree++) {
            const int64_t first = forest->node_start[tree];
            e.node = forest->node + first;
            e.value = forest->value + forest->leaf_start[tree] * forest->width;
            walk(&e, forest->node_start[tree + 1] > first ? 0 : ETP_LEAF_ROW, 0, 0);
        }
    }
    free(codes);
    return 0;
}
