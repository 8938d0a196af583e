/* Who is slower than expected, as of each day: decayed, censored, additive effects by level.
 *
 * A parcel's log duration is explained level by level, coarse to fine. A level's effect is the mean
 * of what the levels above leave unexplained, weighted by 2^(-age / half-life), shrunk to zero by
 * the level's prior evidence. A parcel contributes on the day that its duration becomes known, by
 * what the levels above say on that day, the day's own parcels included; nothing learnt later
 * changes it. So a shift of the whole network stays the network's and is not learnt at every level
 * at once. A parcel still open counts with the mean of what its duration may yet be, given that it
 * has lasted so long (Buckley & James 1979); dropping it would make recent days look fast. That mean
 * leans on what was believed on its order's day, so it weighs as much as its age tells beyond that:
 * else the open parcels of a new carrier would hold it at its first day's belief.
 *
 * The pace is the same with a short half-life: how much slower the network is today than it
 * usually is, and how much slower than the whole explanation a region or a carrier is. At every level
 * open parcels weigh as much as their ages tell, which is a step of Newton's where their mean alone, with
 * full weight, would be one of EM's (Lange 1995): most parcels of the last days are open, and at full
 * weight they hold the pace at yesterday's belief for days. The pace of one level, the services', is
 * explained to the finer levels' effects: a strike of a week is no trait of the lanes whose parcels it
 * held. */
#include "effects.h"
#include "etapromise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Slopes are taken over a few bins to either side, for a single one is ragged. */
#define SLOPE_OVER 0.15
/* A residual beyond this says that something else went wrong; its square would drown all others. */
#define OUTLYING 1.5
/* The network's known parcels from which residuals are worth learning from: as long as nearly all
 * are open, it is believed to be slower than it is. */
#define SETTLED 50.0
/* Parcels' worth of belief that a key's residuals spread like the network's. */
#define DEVIATION_PRIOR 20.0

static double decay(double half_life, int32_t days) {
    return days == 0 ? 1.0 : exp2(-(double)days / half_life);
}

static void age(key_state *key, const effects_job *job, int32_t day) {
    if (key->day == day)
        return;
    double slow = decay(job->half_life, day - key->day);
    double quick = decay(job->pace_half_life, day - key->day);
    key->sum *= slow;
    key->weight *= slow;
    key->square *= slow;
    key->square_weight *= slow;
    key->pace_sum *= quick;
    key->pace_weight *= quick;
    key->day = day;
}

/* The mean of the residuals beyond each bin's lower edge. */
static void renew_beyond(sweep *s) {
    double sum = 0, count = 0;
    s->beyond[BINS] = LOWEST + BINS * WIDTH + 0.3;
    for (int b = BINS - 1; b >= 0; b--) {
        double middle = LOWEST + (b + 0.5) * WIDTH;
        sum += middle * s->histogram[b];
        count += s->histogram[b];
        s->beyond[b] = count > 0 ? sum / count : middle + 0.3;
    }
}

static double mean_beyond(const sweep *s, double residual) {
    double at = (residual - LOWEST) / WIDTH;
    if (at <= 0)
        return s->beyond[0];
    if (at >= BINS - 1)
        return residual + 0.3;
    int b = (int)at;
    double part = at - b;
    double mean = s->beyond[b] * (1 - part) + s->beyond[b + 1] * part;
    return mean > residual ? mean : residual;
}

/* How much an open parcel tells, beside one that has arrived: the information of a censored value is
 * the slope of the mean beyond it (of a normal one, exactly; Cox & Oakes 1984). */
static double information(const sweep *s, double residual) {
    double slope = (mean_beyond(s, residual + SLOPE_OVER) - mean_beyond(s, residual - SLOPE_OVER)) /
                   (2 * SLOPE_OVER);
    return slope < 0 ? 0 : slope > 1 ? 1 : slope;
}

/* What an open parcel tells a level: what its age adds to the belief of its order's day, and of this
 * belief as much as its age confirms. */
static double left_open(const sweep *s, int64_t level, int32_t i) {
    double believed = s->own[i] - s->above[level * s->job->entries + i];
    return s->excess[i] + s->told[i] * believed;
}

static void impute_open(sweep *s, int32_t day) {
    const effects_job *job = s->job;
    int64_t kept = 0;
    renew_beyond(s);
    s->open_weight = s->open_pace_weight = s->open_excess = 0;
    for (int64_t level = 1; level < job->levels; level++)
        s->level[level].open_sum = 0;
    for (int64_t t = 0; t < s->open_count; t++) {
        int32_t i = s->open_list[t];
        if (!s->open[i])
            continue;
        s->open_list[kept++] = i;
        int64_t column = (int64_t)day - job->clock_first_day;
        double now = job->elapsed[(int64_t)job->clock[i] * job->clock_days + column];
        double lasted = now - job->start_clock[i];
        double explained = s->network + s->own[i];
        double residual = log((lasted > 0 ? lasted : 0) + job->offset) - explained;
        double excess = mean_beyond(s, residual), told = information(s, residual);
        s->imputed[i] = (float)(explained + excess);
        /* What all residuals have in common is the network's: an age that tells nothing adds nothing. */
        s->excess[i] = (float)(excess - (1 - told) * s->beyond[0]);
        s->told[i] = (float)told;
        int32_t days = day - job->start_day[i];
        double slow = decay(job->half_life, days), quick = decay(job->pace_half_life, days);
        s->open_weight += slow * told;
        s->open_pace_weight += quick * told;
        s->open_excess += quick * s->excess[i];
        for (int64_t level = 1; level < job->levels; level++)
            s->level[level].open_sum += slow * left_open(s, level, i);
    }
    s->open_count = kept;
}

static key_state *key_of(const sweep *s, int64_t level, int32_t entry) {
    const effects_job *job = s->job;
    return &s->state[job->table_start[level] + job->code[level * job->entries + entry]];
}

/* What is known of one key on `day`; computed once a day, after the day's parcels were learnt. */
static const key_state *known(sweep *s, int64_t level, key_state *key, int32_t day) {
    const effects_job *job = s->job;
    if (key->cached_day == day)
        return key;
    age(key, job, day);
    double sum = key->sum, weight = key->weight, pace = key->pace_sum, pace_weight = key->pace_weight;
    int32_t *next = s->next + level * job->entries;
    int32_t *link = &key->first_open;
    while (*link >= 0) {
        int32_t i = *link;
        if (!s->open[i]) {
            *link = next[i];
            continue;
        }
        int32_t days = day - job->start_day[i];
        double slow = decay(job->half_life, days), quick = decay(job->pace_half_life, days);
        /* The network's long memory rests on so much that it needs no such care. */
        sum += slow * (level ? left_open(s, level, i) : s->imputed[i] - s->own[i]);
        weight += slow * (level ? s->told[i] : 1.0);
        pace += quick * (s->excess[i] + (level ? 0 : s->told[i] * s->network));
        pace_weight += quick * s->told[i];
        link = &next[i];
    }
    sum -= weight * s->level[level].mean;
    pace -= pace_weight * s->level[level].pace_mean;
    double prior = job->prior[level];
    key->effect = weight + prior > 0 ? (float)(sum / (weight + prior)) : 0;
    key->evidence = (float)weight;
    if (level == 0)
        pace -= pace_weight * key->effect;
    key->pace = pace_weight > 0 ? (float)(pace / (pace_weight + job->pace_prior[level])) : 0;
    key->pace_evidence = (float)pace_weight;
    const key_state *network = &s->state[job->table_start[0] + NETWORK_ROW];
    double whole = level ? network->deviation : PRIOR_DEVIATION;
    double deviation = sqrt((key->square + DEVIATION_PRIOR * whole * whole) /
                            (key->square_weight + DEVIATION_PRIOR));
    /* Relative to the network's: what all keys share tells the date, not the key. */
    key->deviation = (float)(level ? deviation / whole : deviation);
    key->cached_day = day;
    return key;
}

static level_state *aged(sweep *s, int64_t level, int32_t day) {
    const effects_job *job = s->job;
    level_state *all = &s->level[level];
    double slow = decay(job->half_life, day - all->day);
    double quick = decay(job->pace_half_life, day - all->day);
    all->sum *= slow;
    all->weight *= slow;
    all->pace_sum *= quick;
    all->pace_weight *= quick;
    all->day = day;
    return all;
}

/* The level's mean today, once its known parcels are in and the network's part is settled. What all
 * keys of a level have in common is the network's, and is on its way into the network's sums. */
static void centre(sweep *s, int64_t level, int32_t day) {
    level_state *all = aged(s, level, day);
    double weight = all->weight + s->open_weight;
    double pace_weight = all->pace_weight + s->open_pace_weight;
    double sum = all->sum + all->open_sum;
    double pace = all->pace_sum + s->open_excess;
    all->mean = weight > 0 ? sum / weight : 0;
    all->pace_mean = pace_weight > 0 ? pace / pace_weight : 0;
}

static void renew_network(sweep *s, int32_t day) {
    key_state *network = &s->state[s->job->table_start[0] + NETWORK_ROW];
    known(s, 0, network, day);
    s->network = (double)network->effect + network->pace;
}

/* The parcels whose durations became known, level by level. */
static void learn(sweep *s, const int32_t *ended, int64_t count, int32_t day) {
    const effects_job *job = s->job;
    for (int64_t level = 0; level < job->levels; level++) {
        level_state *all = aged(s, level, day);
        for (int64_t t = 0; t < count; t++) {
            int32_t i = ended[t], days = day - job->start_day[i];
            double slow = decay(job->half_life, days), quick = decay(job->pace_half_life, days);
            key_state *key = key_of(s, level, i);
            age(key, job, day);
            double left = job->value[i] - s->own[i];
            if (level == 0) {
                double own = 0;
                for (int64_t finer = 1; finer < job->levels; finer++)
                    own += key_of(s, finer, i)->effect;
                key->sum += slow * (job->value[i] - own);
                key->pace_sum += quick * (job->value[i] - own);
                s->partial[i] = 0;
            } else {
                double unexplained = slow * (job->value[i] - s->network - s->partial[i]);
                double pace = quick * (left - s->network);
                key->sum += unexplained;
                key->pace_sum += pace;
                all->sum += unexplained;
                all->pace_sum += pace;
                all->weight += slow;
                all->pace_weight += quick;
            }
            key->weight += slow;
            key->pace_weight += quick;
            if (s->settled[i]) {
                double residual = job->value[i] - s->explained[i];
                residual = residual > OUTLYING ? OUTLYING : residual < -OUTLYING ? -OUTLYING : residual;
                key->square += slow * residual * residual;
                key->square_weight += slow;
            }
        }
        if (level == 0) {
            renew_network(s, day);
            continue;
        }
        centre(s, level, day);
        for (int64_t t = 0; t < count; t++) {
            const key_state *k = known(s, level, key_of(s, level, ended[t]), day);
            s->partial[ended[t]] += k->effect + (level == job->paced_level ? k->pace : 0);
        }
    }
    for (int64_t t = 0; t < count; t++) {
        int32_t i = ended[t];
        if (!s->settled[i])
            continue;
        int b = (int)((job->value[i] - s->explained[i] - LOWEST) / WIDTH);
        s->histogram[b < 0 ? 0 : b >= BINS ? BINS - 1 : b] += 1;
    }
}

void etp_effects_write_fields(float *out, const key_state *key) {
    out[0] = key->effect;
    out[1] = key->evidence;
    out[2] = key->pace;
    out[3] = key->pace_evidence;
    out[4] = key->deviation;
}

static void begin(sweep *s, int32_t i, int32_t day) {
    const effects_job *job = s->job;
    double own = 0;
    for (int64_t level = 0; level < job->levels; level++) {
        const key_state *key = known(s, level, key_of(s, level, i), day);
        if (job->slot[i] >= 0)
            etp_effects_write_fields(job->at_start + (job->slot[i] * job->levels + level) * FIELDS, key);
        s->above[level * job->entries + i] = (float)own;
        if (level == 0)
            s->settled[i] = key->weight >= SETTLED;
        else
            own += key->effect;
    }
    s->own[i] = (float)own;
    s->explained[i] = (float)(s->network + own);
}

void etp_effects_open_entry(sweep *s, int32_t i) {
    const effects_job *job = s->job;
    s->open[i] = 1;
    s->open_list[s->open_count++] = i;
    for (int64_t level = 0; level < job->levels; level++) {
        key_state *key = key_of(s, level, i);
        s->next[level * job->entries + i] = key->first_open;
        key->first_open = i;
    }
}

/* Entries in the order of the day on which they stop being open: a counting sort. */
static int32_t *by_end(const effects_job *job, int32_t first_day, int32_t days, int64_t **starts) {
    int32_t *order = malloc((size_t)(job->entries ? job->entries : 1) * sizeof *order);
    int64_t *start = calloc((size_t)days + 2, sizeof *start);
    if (order && start) {
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < job->entries; i++) {
                int32_t end = job->known_day[i] < job->closed_day[i] ? job->known_day[i]
                                                                     : job->closed_day[i];
                if (end < job->start_day[i])
                    end = job->start_day[i];
                if (end < first_day || end - first_day >= days)
                    continue;
                int64_t slot = end - first_day;
                if (pass == 0)
                    start[slot + 2]++;
                else
                    order[start[slot + 1]++] = (int32_t)i;
            }
            if (pass == 0)
                for (int32_t d = 0; d < days; d++)
                    start[d + 2] += start[d + 1];
        }
    }
    *starts = start;
    return order;
}

/* Everything received before `day`: what became known, and what is still open. */
static void advance(sweep *s, int32_t *ended, int64_t count, int32_t day) {
    const effects_job *job = s->job;
    int64_t learnt = 0;
    for (int64_t t = 0; t < count; t++) {
        int32_t i = ended[t];
        /* Not begun: it starts on or after end_day. */
        if (!s->open[i])
            continue;
        s->open[i] = 0;
        if (job->known_day[i] <= job->closed_day[i])
            ended[learnt++] = i;
    }
    impute_open(s, day);
    if (learnt) {
        learn(s, ended, learnt, day);
        return;
    }
    renew_network(s, day);
    for (int64_t level = 1; level < job->levels; level++)
        centre(s, level, day);
}

/* Returns whether what was to be saved had the size that was said. */
static int run(sweep *s, int32_t *ending, const int64_t *ending_start, int32_t first_day) {
    const effects_job *job = s->job;
    int64_t i = job->resume ? job->resume->open : 0;
    for (int32_t day = first_day + (job->resume != NULL); day <= job->end_day; day++) {
        for (int64_t k = 0; k < job->saves; k++)
            if (day == job->save_day[k] && !etp_effects_save(s, &job->save[k]))
                return 0;
        if (day > first_day) {
            int64_t slot = day - 1 - first_day;
            advance(s, ending + ending_start[slot], ending_start[slot + 1] - ending_start[slot], day);
        }
        if (day == job->end_day)
            break;
        int64_t until = i;
        while (until < job->entries && job->start_day[until] == day)
            until++;
        for (int64_t t = i; t < until; t++)
            begin(s, (int32_t)t, day);
        for (int64_t t = i; t < until; t++)
            etp_effects_open_entry(s, (int32_t)t);
        i = until;
    }
    for (int64_t level = 0; level < job->levels; level++)
        for (int64_t row = job->table_start[level]; row < job->table_start[level + 1]; row++)
            etp_effects_write_fields(job->at_end + row * FIELDS, known(s, level, &s->state[row], job->end_day));
    return 1;
}

/* Sweep over the days. Returns 0, -1 if there was not enough memory, -2 if another number of parcels
 * was open on a `save_day` than `job->save` says. `job->end_day` must be later than the first entry's
 * start day, or not earlier than `resume_day`; entries that start on or after it are left alone. */
ETP_EXPORT int etp_effects(const effects_job *job) {
    int64_t n = job->entries, cells = n * job->levels, rows = job->table_start[job->levels];
    int32_t first_day = n && job->start_day[0] < job->end_day ? job->start_day[0] : job->end_day - 1;
    /* The first step of the day on which it goes on is what ended on the day before. */
    if (job->resume)
        first_day = job->resume_day - 1;
    int32_t days = job->end_day - first_day;
    if (job->levels > MAX_LEVELS)
        return -1;
    sweep s = {.job = job};
    int64_t *ending_start = NULL;
    int32_t *ending = by_end(job, first_day, days, &ending_start);
    s.state = calloc((size_t)rows, sizeof *s.state);
    s.next = malloc((size_t)(cells + 1) * sizeof *s.next);
    s.above = malloc((size_t)(cells + 1) * sizeof *s.above);
    s.own = malloc((size_t)(n + 1) * sizeof(float));
    s.explained = malloc((size_t)(n + 1) * sizeof(float));
    s.imputed = malloc((size_t)(n + 1) * sizeof(float));
    s.excess = malloc((size_t)(n + 1) * sizeof(float));
    s.told = malloc((size_t)(n + 1) * sizeof(float));
    s.partial = malloc((size_t)(n + 1) * sizeof(float));
    s.open = calloc((size_t)n + 1, 1);
    s.settled = calloc((size_t)n + 1, 1);
    s.open_list = malloc((size_t)(n + 1) * sizeof *s.open_list);
    int failed = !ending || !ending_start || !s.state || !s.next || !s.above || !s.own ||
                 !s.explained || !s.imputed || !s.excess || !s.told || !s.partial || !s.open ||
                 !s.settled || !s.open_list;
    int saved = 1;
    if (!failed) {
        if (job->resume)
            etp_effects_resume(&s);
        else
            etp_effects_start(&s, first_day);
        saved = run(&s, ending, ending_start, first_day);
    }
    free(ending);
    free(ending_start);
    free(s.state);
    free(s.next);
    free(s.above);
    free(s.own);
    free(s.explained);
    free(s.imputed);
    free(s.excess);
    free(s.told);
    free(s.partial);
    free(s.open);
    free(s.settled);
    free(s.open_list);
    return failed ? -1 : saved ? 0 : -2;
}
