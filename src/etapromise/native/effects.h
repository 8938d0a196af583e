/* What the sweep of effects.c works on, and how it is left for another time (effects_resume.c). */
#ifndef ETP_EFFECTS_H
#define ETP_EFFECTS_H

#include <stdint.h>

enum { MAX_LEVELS = 256, BINS = 160, FIELDS = 5, SUMS = 6, LEVEL_SUMS = 4, NETWORK_ROW = 1 };
#define LOWEST (-4.0)
#define WIDTH 0.05
/* Prior belief in the shape of the residuals: this many parcels of a normal one with this deviation. */
#define PRIOR_PARCELS 30.0
#define PRIOR_DEVIATION 0.35

typedef struct {
    double sum, weight;                /* long memory, known parcels */
    double pace_sum, pace_weight;      /* short memory, known parcels */
    double square, square_weight;      /* long memory, squared residuals of the whole explanation */
    int32_t day;                       /* the day that the sums are decayed to */
    int32_t first_open;                /* head of the list of open parcels, -1 at its end */
    int32_t cached_day;
    float effect, evidence, pace, pace_evidence, deviation;
} key_state;

/* A sweep as it stood before the first step of a day: what the days before it have left behind. */
typedef struct {
    int64_t open;       /* parcels that were open then, ascending as the entries are */
    double *sums;       /* (rows, SUMS) of each key */
    int32_t *day;       /* (rows,) the day that they are decayed to */
    float *fields;      /* (rows, FIELDS) what was last said of each key */
    double *level_sums; /* (levels, LEVEL_SUMS) */
    int32_t *level_day; /* (levels,) the day that they are decayed to */
    double *network;    /* (1,) */
    double *histogram;  /* (BINS,) */
    float *own;         /* (open,) */
    float *explained;   /* (open,) */
    uint8_t *settled;   /* (open,) */
    float *above;       /* (levels, open) */
} sweep_state;

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
    int64_t paced_level;       /* whose pace the effects of finer levels leave out, or -1 */
    const int64_t *table_start; /* (levels + 1,) where each level's rows start in the tables */
    const int32_t *slot;       /* (entries,) where in `at_start` it belongs, -1 where nobody asks */
    float *at_start;           /* (slots, levels, FIELDS) what was known on the entry's start day */
    float *at_end;             /* (rows, FIELDS) what is known on end_day */
    const sweep_state *resume; /* where to go on from, NULL: from the first entry's day; the open parcels
                                  are the first entries, and all others start on or after its day */
    sweep_state *save;         /* (saves,) what to leave for another time */
    const int32_t *save_day;   /* (saves,) as of which days */
    int64_t saves;
    int32_t resume_day;
} effects_job;

/* Sums over all parcels of one level: of what its keys' sums hold, and of what is open. */
typedef struct {
    double sum, weight, pace_sum, pace_weight; /* known, decayed to `day` */
    double open_sum;                           /* today's open parcels */
    double mean, pace_mean;                    /* today's, subtracted so that effects centre on zero */
    int32_t day;
} level_state;

typedef struct {
    const effects_job *job;
    key_state *state;
    level_state level[MAX_LEVELS];
    double open_weight, open_pace_weight, open_excess; /* of all open parcels today */
    int32_t *next;     /* (levels, entries) lists of open parcels */
    float *above;      /* (levels, entries) on the order's day: the effects above, network excluded */
    float *own;        /* (entries,) ... and all of them */
    float *explained;  /* (entries,) ... and the network's usual and present pace */
    float *imputed;    /* (entries,) today's expectation of an open parcel's log duration */
    float *excess;     /* (entries,) ... how far it is beyond the explanation of the order's day */
    float *told;       /* (entries,) ... which share of what an arrival tells its age does */
    float *partial;    /* (entries,) scratch of `learn` */
    uint8_t *open;     /* (entries,) */
    uint8_t *settled;  /* (entries,) whether much was known of the network on the order's day */
    int32_t *open_list;
    int64_t open_count;
    double network;    /* today's log duration of a parcel without effects of its own */
    double histogram[BINS];
    double beyond[BINS + 1];
} sweep;

/* effects.c */
void etp_effects_write_fields(float *out, const key_state *key);
void etp_effects_open_entry(sweep *s, int32_t i);
/* effects_resume.c */
void etp_effects_start(sweep *s, int32_t first_day);
void etp_effects_resume(sweep *s);
int etp_effects_save(const sweep *s, sweep_state *kept);

#endif
