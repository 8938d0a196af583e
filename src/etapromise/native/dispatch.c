/* By how much a warehouse's calendar delays an order, on the carrier's clock. */
#include "dispatch.h"

#include <math.h>
#include <stddef.h>

/* Days after which a parcel is on its way, whatever the calendar says. */
enum { LONGEST_WAIT = 90 };

/* A pick-up that this share of parcels has at most is left out of account. */
#define HARDLY_EVER 0.1

enum { HOLIDAY_KINDS = 4, HOURS = 24, NO_CUT_OFF = 86400, AS_USUAL = 255 };

struct etp_dispatch {
    const int32_t *cut_off;        /* (rows, 7) local second of Monday … Sunday */
    const double *weeks;           /* (rows, 7) share of a working day, Monday first */
    const double *holiday_weights; /* (rows, HOLIDAY_KINDS) */
    const double *handling;        /* (rows, steps + 1) cumulative, by working days */
    int64_t steps;
    const uint8_t *holidays; /* (calendars, days) 0, or the kind of holiday from 1 on */
    const double *elapsed;   /* (clocks, days + 1) operational time at the start of each day */
    int64_t days;
    int64_t first_day;
    /* (rows, days) per cent of a working day that is worked on the date whatever the week says, or
     * AS_USUAL; NULL: no row has any. */
    const uint8_t *special;
    /* Where some cut-offs of a row lead to later working days than others, or NULL: the cut-offs of
     * each row and weekday, ascending. */
    const int64_t *round_start;  /* (rows * 7 + 1,) */
    const int32_t *round_second; /* local second of the day */
    const int32_t *round_wait;   /* working days more than for the soonest */
    /* Cut-offs of dates, which stand in for those of their weekday; NULL: no row has any. Ascending. */
    const int64_t *dated_start; /* (rows + 1,) */
    const int32_t *dated_day;   /* since 1970-01-01 */
    const int32_t *dated_second;
    const int32_t *dated_wait;
    /* Working days from the start of an order's day to its pick-up, at the start of each hour of Monday
     * … Sunday and the day's end (waits, 7, HOURS + 1), and how many more from the cut-off on; and the
     * number of a row's from 1 on, 0 where a cut-off and `handling` say it. NULL: no row has any. */
    const int32_t *wait_row; /* (rows,) */
    const double *wait;
    const double *missed; /* (waits, 7) */
    /* (waits, 7, HOURS) working days after which one order in ten is picked up, of each hour. */
    const uint8_t *soonest;
};

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* P(handling takes at most `worked` working days): linear between whole days. */
static double within(const double *handling, int64_t steps, double worked) {
    if (worked >= (double)steps)
        return 1;
    int64_t whole = (int64_t)worked;
    double part = worked - (double)whole;
    return handling[whole] + part * (handling[whole + 1] - handling[whole]);
}

/* What the clock of the carrier that delivers reads at the end of a day, less a working day. */
static double by_the_end_of(const etp_dispatch *d, const double *elapsed, int64_t day) {
    return elapsed[clamp(day + 1, 0, d->days)] - 1;
}

/* What the clock of the carrier that delivers reads when it gets a parcel that is picked up on `day`: by the
 * day's end, since hardly any parcel goes on before. So who is fetched on a Saturday, on which the carrier
 * does not work, is as soon as who was fetched on Friday.
 * Where another carrier has it first, that is expected after the working days of that one's clock, and
 * less as many days as they are: what remains is what the two calendars do to each other. */
static double reading_at(const etp_dispatch *d, const double *elapsed, int64_t day,
                         const etp_leg *leg) {
    const int64_t fetched = clamp(day, 0, d->days);
    if (!leg)
        return by_the_end_of(d, elapsed, fetched);
    const double *first = d->elapsed + (int64_t)leg->clock * (d->days + 1);
    double reading = 0;
    int64_t at = fetched;
    const int64_t after = clamp(fetched + 1, 0, d->days);
    for (int64_t step = 0; step <= leg->steps; step++) {
        /* Handed over on the first day by whose end that clock has moved so many days on. */
        while (at < d->days && first[at + 1] < first[after] + (double)step - 1e-9)
            at++;
        reading += leg->days[step] * (by_the_end_of(d, elapsed, at) - (double)step);
    }
    return reading;
}

/* The share of a working day that a row works on a day, as a position in the tables. */
static double share_of(const etp_dispatch *d, int32_t row, int32_t calendar, int64_t day) {
    const int64_t column = clamp(day, 0, d->days - 1);
    const uint8_t kind = d->holidays[(int64_t)calendar * d->days + column];
    const uint8_t special = d->special ? d->special[row * d->days + column] : AS_USUAL;
    if (special != AS_USUAL)
        return special / 100.0;
    double share = d->weeks[(int64_t)row * 7 + ((day + d->first_day + 3) % 7 + 7) % 7];
    if (kind)
        share *= d->holiday_weights[row * HOLIDAY_KINDS + kind - 1];
    return share;
}

/* The working day after `wait` others, from one on. */
static int64_t after_working_days(const etp_dispatch *d, int32_t row, int32_t calendar, int64_t day,
                                  int32_t wait) {
    for (int64_t waited = 0; wait > 0 && waited < LONGEST_WAIT; waited++)
        wait -= share_of(d, row, calendar, ++day) > 0;
    return day;
}

/* The cut-offs of a day: how many, the local seconds of the day, and for how many working days more than
 * for the soonest each one waits. */
typedef struct {
    int64_t count;
    const int32_t *second, *wait;
} cut_offs;

/* Those that are stated for a date, since 1970-01-01. */
static cut_offs dated_on(const etp_dispatch *d, int32_t row, int64_t date) {
    cut_offs found = {0, NULL, NULL};
    if (!d->dated_start)
        return found;
    for (int64_t k = d->dated_start[row]; k < d->dated_start[row + 1]; k++)
        if (d->dated_day[k] == date) {
            if (!found.count)
                found.second = d->dated_second + k, found.wait = d->dated_wait + k;
            found.count++;
        }
    return found;
}

static cut_offs cut_offs_on(const etp_dispatch *d, int32_t row, int64_t date) {
    static const int32_t none = 0;
    cut_offs found = dated_on(d, row, date);
    const int64_t weekday = (int64_t)row * 7 + ((date + 3) % 7 + 7) % 7;
    const int64_t *rounds = d->round_start ? d->round_start + (int64_t)row * 7 : NULL;
    if (found.count)
        return found;
    if (rounds && rounds[0] < rounds[7]) {
        const int64_t first = d->round_start[weekday];
        const cut_offs own = {d->round_start[weekday + 1] - first, d->round_second + first,
                              d->round_wait + first};
        return own;
    }
    const cut_offs one = {d->cut_off[weekday] < NO_CUT_OFF, d->cut_off + weekday, &none};
    return one;
}

/* The day, as a position in the tables, on which a warehouse begins with an order at the earliest. Who
 * orders waits for the next cut-off, or for a later one that leads to an earlier day: so a later order
 * is never begun before an earlier one. */
static int64_t begin_day(const etp_dispatch *d, int32_t row, int32_t calendar, int64_t day,
                         int32_t second) {
    const int64_t *rounds = d->round_start ? d->round_start + (int64_t)row * 7 : NULL;
    const int64_t *dated = d->dated_start ? d->dated_start + row : NULL;
    const int waits = d->wait && d->wait_row[row] > 0;
    if ((!rounds || rounds[0] == rounds[7]) && (!dated || dated[0] == dated[1]))
        return day + (!waits && second >= d->cut_off[row * 7 + ((day + d->first_day + 3) % 7 + 7) % 7]);
    int64_t best = day + LONGEST_WAIT;
    for (int64_t at = day; at < best; at++, second = 0) {
        if (share_of(d, row, calendar, at) <= 0)
            continue;
        /* What a weekday's cut-off costs a row with waits is in them. */
        const cut_offs here = waits ? dated_on(d, row, at + d->first_day)
                                    : cut_offs_on(d, row, at + d->first_day);
        if (!here.count)
            return at; /* a day without a cut-off, and no sooner one */
        for (int64_t k = 0; k < here.count; k++)
            if (second < here.second[k]) {
                int64_t found = after_working_days(d, row, calendar, at, here.wait[k]);
                best = found < best ? found : best;
            }
    }
    return best;
}

/* What the hours of the week tell of an order: the mean wait, and the soonest that is no exception. */
typedef struct {
    double mean, soonest;
} etp_wait;

/* Of an order at a second of a day, a position in the tables, of a row with waits. On a holiday that of its
 * first hour: what is placed on it waits for the next working day alike. */
static etp_wait wait_at(const etp_dispatch *d, int32_t row, int32_t calendar, int64_t day, int32_t second) {
    const int64_t weekday = ((day + d->first_day + 3) % 7 + 7) % 7;
    if (d->weeks[(int64_t)row * 7 + weekday] > 0 && share_of(d, row, calendar, day) <= 0)
        second = 0;
    const int32_t hour = second / 3600;
    const int64_t week = (int64_t)(d->wait_row[row] - 1) * 7 + weekday;
    const double *at = d->wait + week * (HOURS + 1) + hour;
    etp_wait found = {at[0] + (double)(second - hour * 3600) / 3600.0 * (at[1] - at[0]),
                      d->soonest[week * HOURS + hour]};
    /* Who misses the lorry waits longer; a date's own cut-off stands in for the weekday's. */
    if (second >= d->cut_off[(int64_t)row * 7 + weekday] && !dated_on(d, row, day + d->first_day).count)
        found.mean += d->missed[week];
    return found;
}

double etp_dispatch_delay(const etp_dispatch *d, int32_t row, int32_t calendar, int32_t order_day,
                          int32_t second, int32_t clock, const etp_leg *leg, double *fetched) {
    const double *handling = d->handling + (int64_t)row * (d->steps + 1);
    const double *elapsed = d->elapsed + (int64_t)clock * (d->days + 1);
    const int64_t start = (int64_t)order_day - d->first_day;
    const int waits = d->wait && d->wait_row[row] > 0;
    /* Where the hours of the week tell the wait, a date's own cut-off may still be over. */
    const int64_t begun =
        waits && !dated_on(d, row, order_day).count ? start : begin_day(d, row, calendar, start, second);
    int64_t day = begun;
    etp_wait wait = {0, 0};
    if (waits)
        wait = wait_at(d, row, calendar, begun, begun > start ? 0 : second);
    double worked = 0, done = 0, reading = 0;
    *fetched = (double)LONGEST_WAIT;
    for (int64_t waited = 0; waited < LONGEST_WAIT && done < 1; waited++, day++) {
        const double share = share_of(d, row, calendar, day);
        if (share <= 0)
            continue;
        worked += share;
        /* A wait between two working days is the one or the other. */
        double now = waits ? fmin(fmax(worked - wait.mean, done), 1) : within(handling, d->steps, worked);
        const int some = waits ? worked > wait.soonest + HARDLY_EVER : now > HARDLY_EVER;
        if (some && *fetched == (double)LONGEST_WAIT)
            *fetched = (double)(day - start);
        reading += (now - done) * reading_at(d, elapsed, day, leg);
        done = now;
    }
    /* Whatever is left is as late as the last day looked at. */
    if (done < 1)
        reading += (1 - done) * reading_at(d, elapsed, day, leg);
    double undelayed = 0;
    for (int64_t step = 1; step < d->steps; step++)
        undelayed += 1 - handling[step];
    return reading - elapsed[clamp(start, 0, d->days)] - undelayed;
}

int64_t etp_begin_day(const etp_dispatch *d, int32_t row, int32_t calendar, int32_t order_day,
                      int32_t second) {
    return d->first_day + begin_day(d, row, calendar, (int64_t)order_day - d->first_day, second);
}

int32_t etp_next_cut_off(const etp_dispatch *d, int32_t row, int32_t order_day, int32_t second) {
    const cut_offs here = cut_offs_on(d, row, order_day);
    int32_t next = NO_CUT_OFF;
    for (int64_t k = 0; k < here.count; k++)
        if (here.second[k] > second && here.second[k] < next)
            next = here.second[k];
    return next;
}

/* The days (since 1970-01-01) on which the warehouses begin with n orders at the earliest into out (n,). */
ETP_EXPORT void etp_begin_days(const etp_dispatch *d, int64_t n, const int32_t *row,
                               const int32_t *calendar, const int32_t *order_day,
                               const int32_t *second, int64_t *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = etp_begin_day(d, row[i], calendar[i], order_day[i], second[i]);
}
