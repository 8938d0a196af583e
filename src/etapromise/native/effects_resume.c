/* Where the sweep of effects.c begins: with nothing known, or where it was left. */
#include "effects.h"
#include "etapromise.h"

#include <math.h>
#include <string.h>

void etp_effects_start(sweep *s, int32_t first_day) {
    const effects_job *job = s->job;
    for (int64_t level = 0; level < job->levels; level++)
        s->level[level].day = first_day;
    for (int64_t row = 0; row < job->table_start[job->levels]; row++) {
        s->state[row].day = first_day;
        s->state[row].first_open = -1;
        s->state[row].cached_day = first_day - 1;
    }
    for (int b = 0; b < BINS; b++) {
        double z = (LOWEST + (b + 0.5) * WIDTH) / PRIOR_DEVIATION;
        s->histogram[b] =
            PRIOR_PARCELS * WIDTH / PRIOR_DEVIATION * 0.3989422804014327 * exp(-0.5 * z * z);
    }
}

/* Leave what the days before have made of the sums; returns whether there was room for it. */
int etp_effects_save(const sweep *s, sweep_state *kept) {
    const effects_job *job = s->job;
    if (kept->open != s->open_count)
        return 0;
    for (int64_t row = 0; row < job->table_start[job->levels]; row++) {
        const key_state *key = &s->state[row];
        double sums[SUMS] = {key->sum,         key->weight, key->pace_sum,
                             key->pace_weight, key->square, key->square_weight};
        memcpy(kept->sums + row * SUMS, sums, sizeof sums);
        kept->day[row] = key->day;
        etp_effects_write_fields(kept->fields + row * FIELDS, key);
    }
    for (int64_t level = 0; level < job->levels; level++) {
        const level_state *all = &s->level[level];
        double sums[LEVEL_SUMS] = {all->sum, all->weight, all->pace_sum, all->pace_weight};
        memcpy(kept->level_sums + level * LEVEL_SUMS, sums, sizeof sums);
        kept->level_day[level] = all->day;
    }
    kept->network[0] = s->network;
    memcpy(kept->histogram, s->histogram, sizeof s->histogram);
    for (int64_t t = 0; t < s->open_count; t++) {
        int32_t i = s->open_list[t];
        kept->own[t] = s->own[i];
        kept->explained[t] = s->explained[i];
        kept->settled[t] = s->settled[i];
        for (int64_t level = 0; level < job->levels; level++)
            kept->above[level * kept->open + t] = s->above[level * job->entries + i];
    }
    return 1;
}

void etp_effects_resume(sweep *s) {
    const effects_job *job = s->job;
    const sweep_state *kept = job->resume;
    for (int64_t row = 0; row < job->table_start[job->levels]; row++) {
        key_state *key = &s->state[row];
        const double *sums = kept->sums + row * SUMS;
        const float *fields = kept->fields + row * FIELDS;
        *key = (key_state){.sum = sums[0],
                           .weight = sums[1],
                           .pace_sum = sums[2],
                           .pace_weight = sums[3],
                           .square = sums[4],
                           .square_weight = sums[5],
                           .day = kept->day[row],
                           .first_open = -1,
                           .cached_day = job->resume_day - 1,
                           .effect = fields[0],
                           .evidence = fields[1],
                           .pace = fields[2],
                           .pace_evidence = fields[3],
                           .deviation = fields[4]};
    }
    for (int64_t level = 0; level < job->levels; level++) {
        const double *sums = kept->level_sums + level * LEVEL_SUMS;
        s->level[level] = (level_state){.sum = sums[0],
                                        .weight = sums[1],
                                        .pace_sum = sums[2],
                                        .pace_weight = sums[3],
                                        .day = kept->level_day[level]};
    }
    s->network = kept->network[0];
    memcpy(s->histogram, kept->histogram, sizeof s->histogram);
    for (int64_t i = 0; i < kept->open; i++) {
        s->own[i] = kept->own[i];
        s->explained[i] = kept->explained[i];
        s->settled[i] = kept->settled[i] != 0;
        for (int64_t level = 0; level < job->levels; level++)
            s->above[level * job->entries + i] = kept->above[level * kept->open + i];
        etp_effects_open_entry(s, (int32_t)i);
    }
}
