/* Helps laying out a forest: forecast/forest_layout.py does the rest. */
#include "forest.h"

/* Count the leaves of every tree from left to right. place (leaves,) is where each leaf goes among all
 * leaves; first_leaf (nodes,) the leftmost leaf below a node, within its tree; leaves_left (nodes,) how
 * many leaves there are on its left. Children follow their parents. */
ETP_EXPORT void etp_forest_order(int64_t trees, const int32_t *node_start, const int32_t *leaf_start,
                                 const int16_t *left, const int16_t *right, int32_t *place,
                                 int32_t *first_leaf, int32_t *leaves_left) {
    for (int64_t tree = 0; tree < trees; tree++) {
        const int64_t base = node_start[tree], nodes = node_start[tree + 1] - base;
        int32_t below[ETP_MAX_LEAVES];
        for (int64_t n = nodes - 1; n >= 0; n--) {
            const int16_t l = left[base + n], r = right[base + n];
            leaves_left[base + n] = l >= 0 ? below[l] : 1;
            below[n] = leaves_left[base + n] + (r >= 0 ? below[r] : 1);
        }
        int32_t *to = place + leaf_start[tree];
        if (nodes)
            first_leaf[base] = 0;
        else
            to[0] = leaf_start[tree];
        for (int64_t n = 0; n < nodes; n++) {
            const int32_t first[2] = {first_leaf[base + n],
                                      first_leaf[base + n] + leaves_left[base + n]};
            const int16_t child[2] = {left[base + n], right[base + n]};
            for (int side = 0; side < 2; side++) {
                if (child[side] >= 0)
                    first_leaf[base + child[side]] = first[side];
                else
                    to[~child[side]] = leaf_start[tree] + first[side];
            }
        }
    }
}
