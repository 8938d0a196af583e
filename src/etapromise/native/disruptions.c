/* Declared disruptions: which of them concern a shipment, and how far they hold its clock back. */
#include "disruptions.h"

#include <string.h>

static int holds(const etp_disruptions *d, int64_t condition, const etp_text *text) {
    const etp_text *found = &text[d->column[condition]];
    const int64_t first = d->value_start[condition], length = d->value_start[condition + 1] - first;
    if (d->is_prefix[condition] ? found->length < length : found->length != length)
        return 0;
    return memcmp(found->bytes, d->value + first, (size_t)length) == 0;
}

double etp_disruptions_of(const etp_disruptions *d, const etp_text *text) {
    uint64_t found = 0;
    for (int64_t area = 0; area < d->areas; area++) {
        int64_t condition = d->condition_start[area];
        const int64_t end = d->condition_start[area + 1];
        while (condition < end && holds(d, condition, text)) condition++;
        if (condition == end)
            found |= (uint64_t)1 << d->concerns[area];
    }
    return (double)found;
}

static double reading(const double *row, int64_t days, int64_t first_day, int64_t day) {
    const int64_t column = day - first_day;
    return row[column < 0 ? 0 : column >= days ? days - 1 : column];
}

/* The due time, on the undisturbed clock, of what arrives when that clock reads `now`. What is due on
 * the last day comes `late` days after it; what is due later is less and less late, and what is due
 * `recovery` days after it no more. `held` is the reading at which it began, `over` that at its end. */
static double due(const etp_disruption *one, double late, double held, double over, double now) {
    const double since = now - over;
    if (since <= 0)
        return one->stop ? held : now - late;
    if (since < late)
        return one->stop ? held + (over - held) * since / late : now - late;
    const double after = one->recovery > late ? (since - late) / (1 - late / one->recovery) : since;
    return over + (after < since ? after : since);
}

double etp_held_reading(const etp_disruptions *d, double concern, int64_t scenario, const double *row,
                        int64_t days, int64_t first_day, int64_t from, int64_t day) {
    const double now = reading(row, days, first_day, day + 1);
    double least = now;
    for (uint64_t left = (uint64_t)concern; left; left &= left - 1) {
        const int at = __builtin_ctzll(left);
        const etp_disruption *one = &d->disruption[at];
        const int64_t begin = one->first > from ? one->first : from;
        if (day < begin)
            continue;
        const double held = reading(row, days, first_day, begin);
        const double over = reading(row, days, first_day, (int64_t)one->last + 1);
        double read = due(one, d->late[at * d->scenarios + scenario], held, over, now);
        if (read < held)
            read = held;
        if (read < least)
            least = read;
    }
    return least;
}
