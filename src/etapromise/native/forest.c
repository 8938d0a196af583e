/* The forest's one-row path, and what it shares with the batch: codes and sorting. */
#include "forest_parts.h"

static uint16_t exit_leaf(const etp_node *node, int32_t nodes, const uint8_t *codes) {
    uint32_t at = nodes ? 0 : ETP_LEAF_ROW;
    while (at < ETP_LEAF_ROW) {
        const etp_node *here = node + at;
        at = codes[here->column] > here->rank ? here->right : here->left;
    }
    return (uint16_t)(at - ETP_LEAF_ROW);
}

static void row_from_codes(const etp_forest *forest, const uint8_t *codes, double *out) {
    float sum[ETP_MAX_LEVELS] = {0};
    const int64_t width = forest->width;
    for (int64_t tree = 0; tree < forest->trees; tree++) {
        const int32_t first = forest->node_start[tree];
        const uint16_t leaf =
            exit_leaf(forest->node + first, forest->node_start[tree + 1] - first, codes);
        const float *value = forest->value + (forest->leaf_start[tree] + leaf) * width;
        for (int64_t k = 0; k < width; k++) sum[k] += value[k];
    }
    etp_finish_row(forest, sum, out);
}

void etp_forest_row(const etp_forest *forest, const float *x, double *out, uint8_t *codes) {
    for (int64_t j = 0; j < forest->columns; j++)
        codes[j] = etp_code_float(forest, j, x[forest->column[j].feature]);
    row_from_codes(forest, codes, out);
}

void etp_forest_row_double(const etp_forest *forest, const double *x, double *out,
                           uint8_t *codes) {
    for (int64_t j = 0; j < forest->columns; j++)
        codes[j] = etp_code_double(forest, j, x[forest->column[j].feature]);
    row_from_codes(forest, codes, out);
}
