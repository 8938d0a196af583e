/* What a page shows beside a promise's date, read off its answer: percentiles, and until when it stands. */
#include "quote.h"

#include <math.h>
#include <string.h>

enum { DAY = 86400, GRID = 7200, NEVER = INT32_MAX };

/* The answer's first days to reach n ascending probabilities. */
ETP_EXPORT void etp_answer_days(const etp_model *m, const etp_answer *answer, int64_t n,
                                const double *level, int32_t *day) {
    const double *probability = (const double *)(answer + 1);
    const double most = probability[m->horizon - 1];
    int64_t k = most > 0 ? 0 : m->horizon - 1;
    for (int64_t i = 0; i < n; i++) {
        const double wanted = level[i] < most ? level[i] : most;
        while (probability[k] < wanted)
            k++;
        day[i] = (int32_t)k;
    }
}

/* What the confidence code asks before it lets a date be promised: promise/confidence.py. */
typedef struct {
    int64_t network, carrier, region, prefix; /* levels */
    double seen, thin;    /* decayed parcels of a key, of the whole */
    double irregular;     /* a band so many times as long as the way to its middle */
} etp_date_rule;

static double evidence(const etp_model *m, const int32_t *code, int64_t level) {
    return m->features->total[(m->features->total_start[level] + code[level]) * ETP_FIELDS + 1];
}

/* Whether the code of an answer says that a date can be promised. */
ETP_EXPORT int etp_answer_has_date(const etp_model *m, const etp_answer *answer, double level,
                                   const etp_date_rule *rule) {
    static const double band[] = {0.1, 0.5, 0.9};
    const int32_t *code = etp_answer_code(m, answer);
    int32_t day[3];
    if (((const double *)(answer + 1))[m->horizon - 1] < level ||
        evidence(m, code, rule->carrier) < rule->seen || evidence(m, code, rule->network) < rule->thin ||
        (evidence(m, code, rule->region) < rule->seen && evidence(m, code, rule->prefix) < rule->seen))
        return 0;
    etp_answer_days(m, answer, 3, band, day);
    const double width = day[2] - day[0];
    return !(width > rule->irregular + 2 && width > rule->irregular * day[1] + 2);
}

/* An order, and what hangs on its moment. */
typedef struct {
    const etp_model *model;
    etp_encoded request;
    int32_t code[ETP_MAX_CODES];
    double quoted_day, level, offset, start;
    double number[ETP_NUMBERS + ETP_MAX_NUMBERS];
    float x[ETP_MAX_FEATURES];
} order;

/* Places the order at another moment; ETP_OUTSIDE_CALENDARS where these end before. */
static int place(order *o, int64_t second) {
    const etp_model *m = o->model;
    const int status = etp_place_moment(m->encoder, second, o->quoted_day, &o->request, o->code, o->number);
    if (status != ETP_FINE)
        return status;
    const etp_request r = {o->code, o->number, o->request.order_day, o->request.clock};
    o->offset = etp_feature_row(m->features, &r, o->x);
    o->start = etp_start(m->features, &r);
    return ETP_FINE;
}

/* The date that is promised to it at another moment, days since 1970-01-01; NEVER outside the calendars. */
static int32_t date_at(order *o, int64_t second) {
    const etp_model *m = o->model;
    double log_days[ETP_MAX_LEVELS], last = 0;
    uint8_t scratch[ETP_MAX_COLUMNS + 64];
    etp_parcel parcel;
    if (place(o, second) != ETP_FINE)
        return NEVER;
    const etp_request r = {o->code, o->number, o->request.order_day, o->request.clock};
    etp_forest_row(m->forest, o->x, log_days, scratch);
    etp_quote_begin(m, &r, log_days, o->offset, &parcel);
    const etp_dates dates = etp_quote_dates_of(m, &r, &parcel);
    int32_t grown = (int32_t)m->horizon - 1; /* where nothing arrives */
    for (int64_t k = 0; k < m->horizon; k++) {
        const double p = etp_dates_by(&dates, k);
        if (p > last)
            grown = (int32_t)k;
        if (p >= o->level)
            break;
        last = p;
    }
    return o->request.order_day + grown;
}

/* Whether the forest is asked the same from one moment to another of a day: then so is all between. */
static int unchanged(order *o, int64_t from, int64_t to) {
    float x[ETP_MAX_FEATURES];
    const size_t row = sizeof(float) * (size_t)o->model->features->features;
    if (place(o, from) != ETP_FINE)
        return 0;
    const double offset = o->offset, start = o->start;
    memcpy(x, o->x, row);
    return place(o, to) == ETP_FINE && offset == o->offset && start == o->start && !memcmp(x, o->x, row);
}

/* The first moment within (low, high] at which the date is another one than `promised`; that of `high`
 * is. */
static int64_t halved(order *o, int32_t promised, int64_t low, int64_t high) {
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (date_at(o, middle) == promised)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The first moment after `second` (UTC seconds) at which the promised date is another one; where the
 * calendars end before that, their end.
 *
 * An answer jumps at a warehouse's cut-offs and midnights. In between it moves only if the forest knows
 * the hour: then it is asked every GRID seconds, and what is taken back sooner is not seen. */
ETP_EXPORT int64_t etp_answer_expiry(const etp_model *m, const etp_answer *answer, int64_t second,
                                     double level) {
    const double *number = etp_answer_number(m, answer);
    order o = {.model = m, .request = answer->request, .level = level};
    memcpy(o.code, etp_answer_code(m, answer),
           sizeof(int32_t) * (size_t)(m->features->levels + m->features->handling_levels));
    memcpy(o.number, number, sizeof(double) * (size_t)m->features->numbers);
    o.quoted_day = number[ETP_QUOTED_DAYS] + (double)answer->request.order_day;
    const int32_t promised = answer->request.order_day + answer->position;
    const etp_zones *zones = m->encoder->zones;
    const int64_t zone = answer->request.origin_zone;
    for (;;) {
        const int64_t local = etp_zone_local(zones, zone, second);
        const int64_t day = local / DAY - (local % DAY < 0);
        const int32_t next = etp_next_cut_off(m->encoder->dispatch, answer->request.warehouse, (int32_t)day,
                                              (int32_t)(local - day * DAY));
        int64_t end = etp_zone_moment(zones, zone, day * DAY + next);
        if (end <= second) /* an hour that the clock goes through twice */
            end = second + 3600;
        if (!unchanged(&o, second, end - 1))
            for (int64_t asked = second; asked < end - 1;) {
                const int64_t before = asked;
                asked = asked + GRID < end - 1 ? asked + GRID : end - 1;
                if (date_at(&o, asked) != promised)
                    return halved(&o, promised, before, asked);
            }
        if (date_at(&o, end) != promised)
            return end;
        second = end;
    }
}
