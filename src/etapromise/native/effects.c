/* Who is slower than expected, as of each day: decayed, censored, additive effects by level.
 *
 * A parcel's log duration is explained level by level, coarse to fine. A level's effect is the mean
 * of what the levels before it before unexplained, weighted by 2^(-age / half-life), shrunk to zero by
 * the level's prior evidence. What a parcel contributes was fixed when it was ordered, so nothing
 * learnt later changes what was known before. A parcel still open counts with the mean of what its
 * duration may yet be, given that it has lasted so long (Buckley & James 1979); dropping it would
 * make recent days look fast.
 *
 * The pace is the same for the residuals of the whole explanation, with a short half-life: how much
 * slower the network, a region, a carrier is today than it usually is. */
#include "etapromise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 160, FIELDS = 5, NETWORK_ROW = 1 };
#define LOWEST (-4.0)
#define WIDTH 0.05
/* Prior belief in the shape of the residuals: this many parcels of a normal one with this deviation. */
#define PRIOR_PARCELS 30.0
#define PRIOR_DEVIATION 0.35

typedef struct {
    double sum, weight;           /* long memory, known parcels */
    double pace_sum, pace_weight; /* short memory, known parcels */
    double square;                /* long memory, squared residuals of the whole explanation */
    int32_t day;                  /* the day that the sums are decayed to */
    int32_t first_open;           /* head of the list of open parcels, -1 at its end */
    int32_t cached_day;
    float effect, evidence, pace, pace_evidence, deviation;
} key_state;

typedef struct {
    int64_t entries, levels;
    const int32_t *code;       /* (levels, entries) row of the level's table */
    const int32_t *start_day;  /* (entries,) ascending */
    const int32_t *known_day;  /* (entries,) day on which the duration became known */
    const int32_t *closed_day; /* (entries,) day on which it became known that it never will be */
    const double *value;       /* (entries,) log(duration + offset), read only once known */
    const double *start_clock; /* (entries,) operational time at the start */
    const int32_t *clock;      /* (entries,) row of `elapsed` */
    const double *elapsed;     /* (clocks, days + 1) operational time at the start of each day */
    int64_t clock_days;        /* days + 1 */
    int32_t clock_first_day;
    int32_t end_day;           /* the snapshot's day: parcels started on or after it are not seen */
    double offset, half_life, pace_half_life;
    const double *prior;       /* (levels,) parcels' worth of belief in no effect */
    const double *pace_prior;  /* (levels,) the same for the pace */
    const int64_t *table_start; /* (levels + 1,) where each level's rows start in the tables */
    float *at_start;           /* (entries, levels, FIELDS) what was known on each entry's start day */
    float *at_end;             /* (rows, FIELDS) what is known on end_day */
} effects_job;

typedef struct {
    const effects_job *job;
    key_state *state;
    int32_t *next;        /* (levels, entries) lists of open parcels */
    float *before;          /* (levels, entries) the sum of the effects of the levels before */
    float *explained;     /* (entries,) the whole explanation, pace included */
    float *base;          /* (entries,) the whole explanation without pace */
    float *imputed;       /* (entries,) today's expectation of an open parcel's log duration */
    uint8_t *open;        /* (entries,) */
    int32_t *open_list;
    int64_t open_count;
    double histogram[BINS];
    double excess[BINS + 1];
} sweep;

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
    key->pace_sum *= quick;
    key->pace_weight *= quick;
    key->day = day;
}

/* The mean of the residuals beyond each bin's lower edge. */
static void renew_excess(sweep *s) {
    double sum = 0, count = 0;
    s->excess[BINS] = LOWEST + BINS * WIDTH + 0.3;
    for (int b = BINS - 1; b >= 0; b--) {
        double middle = LOWEST + (b + 0.5) * WIDTH;
        sum += middle * s->histogram[b];
        count += s->histogram[b];
        s->excess[b] = count > 0 ? sum / count : middle + 0.3;
    }
}

static double mean_beyond(const sweep *s, double residual) {
    double at = (residual - LOWEST) / WIDTH;
    if (at <= 0)
        return s->excess[0];
    if (at >= BINS - 1)
        return residual + 0.3;
    int b = (int)at;
    double part = at - b;
    double mean = s->excess[b] * (1 - part) + s->excess[b + 1] * part;
    return mean > residual ? mean : residual;
}

static void impute_open(sweep *s, int32_t day) {
    const effects_job *job = s->job;
    int64_t kept = 0;
    renew_excess(s);
    for (int64_t t = 0; t < s->open_count; t++) {
        int32_t i = s->open_list[t];
        if (!s->open[i])
            continue;
        s->open_list[kept++] = i;
        int64_t column = (int64_t)day - job->clock_first_day;
        double now = job->elapsed[(int64_t)job->clock[i] * job->clock_days + column];
        double lasted = now - job->start_clock[i];
        double residual = log((lasted > 0 ? lasted : 0) + job->offset) - s->explained[i];
        s->imputed[i] = (float)(s->explained[i] + mean_beyond(s, residual));
    }
    s->open_count = kept;
}

/* What is known of one key on `day`. `network_pace` is subtracted from the finer levels' pace. */
static key_state *known(sweep *s, int64_t level, int32_t code, int32_t day, double network_pace,
                        double network_deviation) {
    const effects_job *job = s->job;
    key_state *key = &s->state[job->table_start[level] + code];
    if (key->cached_day == day)
        return key;
    age(key, job, day);
    double sum = key->sum, weight = key->weight, pace = key->pace_sum, pace_weight = key->pace_weight;
    int32_t *next = s->next + level * job->entries;
    const float *before = s->before + level * job->entries;
    int32_t *link = &key->first_open;
    while (*link >= 0) {
        int32_t i = *link;
        if (!s->open[i]) {
            *link = next[i];
            continue;
        }
        int32_t days = day - job->start_day[i];
        double slow = decay(job->half_life, days), quick = decay(job->pace_half_life, days);
        sum += slow * (s->imputed[i] - before[i]);
        weight += slow;
        pace += quick * (s->imputed[i] - s->base[i]);
        pace_weight += quick;
        link = &next[i];
    }
    double prior = job->prior[level];
    key->effect = weight + prior > 0 ? (float)(sum / (weight + prior)) : 0;
    key->evidence = (float)weight;
    pace -= pace_weight * network_pace;
    key->pace = pace_weight > 0 ? (float)(pace / (pace_weight + job->pace_prior[level])) : 0;
    key->pace_evidence = (float)pace_weight;
    double spread_prior = 20.0;
    key->deviation = (float)sqrt((key->square + spread_prior * network_deviation * network_deviation) /
                                 (key->weight + spread_prior));
    key->cached_day = day;
    return key;
}

static void learn(sweep *s, int32_t i, int32_t day) {
    const effects_job *job = s->job;
    int32_t days = day - job->start_day[i];
    double slow = decay(job->half_life, days), quick = decay(job->pace_half_life, days);
    double value = job->value[i], residual = value - s->explained[i];
    for (int64_t level = 0; level < job->levels; level++) {
        key_state *key =
            &s->state[job->table_start[level] + job->code[level * job->entries + i]];
        age(key, job, day);
        key->sum += slow * (value - s->before[level * job->entries + i]);
        key->weight += slow;
        key->pace_sum += quick * (value - s->base[i]);
        key->pace_weight += quick;
        key->square += slow * residual * residual;
    }
    int b = (int)((residual - LOWEST) / WIDTH);
    s->histogram[b < 0 ? 0 : b >= BINS ? BINS - 1 : b] += 1;
}

static void write_fields(float *out, const key_state *key) {
    out[0] = key->effect;
    out[1] = key->evidence;
    out[2] = key->pace;
    out[3] = key->pace_evidence;
    out[4] = key->deviation;
}

static void begin(sweep *s, int32_t i, int32_t day) {
    const effects_job *job = s->job;
    double base = 0, network_pace = 0, network_deviation = PRIOR_DEVIATION;
    for (int64_t level = 0; level < job->levels; level++) {
        int32_t code = job->code[level * job->entries + i];
        const key_state *key = known(s, level, code, day, network_pace, network_deviation);
        write_fields(job->at_start + (i * job->levels + level) * FIELDS, key);
        s->before[level * job->entries + i] = (float)base;
        base += key->effect;
        if (level == 0) {
            network_pace = key->pace;
            network_deviation = key->deviation;
        }
    }
    s->base[i] = (float)base;
    s->explained[i] = (float)(base + network_pace);
}

static void open_entry(sweep *s, int32_t i) {
    const effects_job *job = s->job;
    s->open[i] = 1;
    s->open_list[s->open_count++] = i;
    for (int64_t level = 0; level < job->levels; level++) {
        key_state *key = &s->state[job->table_start[level] + job->code[level * job->entries + i]];
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
                if (end - first_day >= days)
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

static void run(sweep *s, const int32_t *ending, const int64_t *ending_start, int32_t first_day) {
    const effects_job *job = s->job;
    int64_t i = 0;
    for (int32_t day = first_day; day < job->end_day; day++) {
        if (day > first_day) {
            int64_t slot = day - 1 - first_day;
            for (int64_t t = ending_start[slot]; t < ending_start[slot + 1]; t++) {
                int32_t ended = ending[t];
                /* Not begun: it starts on or after end_day. */
                if (!s->open[ended])
                    continue;
                s->open[ended] = 0;
                if (job->known_day[ended] <= job->closed_day[ended])
                    learn(s, ended, day);
            }
        }
        int64_t until = i;
        while (until < job->entries && job->start_day[until] == day)
            until++;
        if (until == i)
            continue;
        impute_open(s, day);
        for (int64_t t = i; t < until; t++)
            begin(s, (int32_t)t, day);
        for (int64_t t = i; t < until; t++)
            open_entry(s, (int32_t)t);
        i = until;
    }
    int64_t slot = (int64_t)job->end_day - 1 - first_day;
    for (int64_t t = ending_start[slot]; t < ending_start[slot + 1]; t++) {
        int32_t ended = ending[t];
        if (!s->open[ended])
            continue;
        s->open[ended] = 0;
        if (job->known_day[ended] <= job->closed_day[ended])
            learn(s, ended, job->end_day);
    }
    impute_open(s, job->end_day);
    double network_pace = 0, network_deviation = PRIOR_DEVIATION;
    for (int64_t level = 0; level < job->levels; level++) {
        int64_t rows = job->table_start[level + 1] - job->table_start[level];
        for (int64_t row = 0; row < rows; row++)
            write_fields(
                job->at_end + (job->table_start[level] + row) * FIELDS,
                known(s, level, (int32_t)row, job->end_day, network_pace, network_deviation));
        if (level == 0) {
            const key_state *network = &s->state[job->table_start[0] + NETWORK_ROW];
            network_pace = network->pace;
            network_deviation = network->deviation;
        }
    }
}

/* Sweep over the days. Returns 0, or -1 if there was not enough memory. `job->end_day` must be later
 * than the first entry's start day; entries that start on or after it are before alone. */
ETP_EXPORT int etp_effects(const effects_job *job) {
    int64_t n = job->entries, cells = n * job->levels, rows = job->table_start[job->levels];
    int32_t first_day = n && job->start_day[0] < job->end_day ? job->start_day[0] : job->end_day - 1;
    int32_t days = job->end_day - first_day;
    sweep s = {.job = job};
    int64_t *ending_start = NULL;
    int32_t *ending = by_end(job, first_day, days, &ending_start);
    s.state = calloc((size_t)rows, sizeof *s.state);
    s.next = malloc((size_t)(cells + 1) * sizeof *s.next);
    s.before = malloc((size_t)(cells + 1) * sizeof *s.before);
    s.explained = malloc((size_t)(n + 1) * sizeof(float));
    s.base = malloc((size_t)(n + 1) * sizeof(float));
    s.imputed = malloc((size_t)(n + 1) * sizeof(float));
    s.open = calloc((size_t)n + 1, 1);
    s.open_list = malloc((size_t)(n + 1) * sizeof *s.open_list);
    int failed = !ending || !ending_start || !s.state || !s.next || !s.before || !s.explained ||
                 !s.base || !s.imputed || !s.open || !s.open_list;
    if (!failed) {
        for (int64_t row = 0; row < rows; row++) {
            s.state[row].day = first_day;
            s.state[row].first_open = -1;
            s.state[row].cached_day = first_day - 1;
        }
        for (int b = 0; b < BINS; b++) {
            double z = (LOWEST + (b + 0.5) * WIDTH) / PRIOR_DEVIATION;
            s.histogram[b] = PRIOR_PARCELS * WIDTH / PRIOR_DEVIATION * 0.3989422804014327 *
                             exp(-0.5 * z * z);
        }
        run(&s, ending, ending_start, first_day);
    }
    free(ending);
    free(ending_start);
    free(s.state);
    free(s.next);
    free(s.before);
    free(s.explained);
    free(s.base);
    free(s.imputed);
    free(s.open);
    free(s.open_list);
    return failed ? -1 : 0;
}
