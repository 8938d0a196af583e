/* From the columns of a shipment to a request. */
#include "encoder.h"

#include <float.h>
#include <string.h>

enum { DAY = 86400 };

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int64_t etp_zone_local(const etp_zones *zones, int64_t zone, int64_t second) {
    const int64_t *change = zones->change + zones->change_start[zone];
    int64_t low = 0, high = zones->change_start[zone + 1] - zones->change_start[zone];
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (change[middle] <= second)
            low = middle;
        else
            high = middle;
    }
    return second + zones->offset[zones->change_start[zone] + low];
}

int64_t etp_zone_moment(const etp_zones *zones, int64_t zone, int64_t local) {
    int64_t k = zones->change_start[zone + 1] - 1;
    for (; k > zones->change_start[zone]; k--) {
        const int64_t before = zones->offset[k - 1], after = zones->offset[k];
        if (local >= zones->change[k] + (before > after ? before : after))
            break;
    }
    return local - zones->offset[k];
}

/* The row of the area of a postcode, 0 where it is none or none is known. */
static int32_t area_of(const etp_zones *zones, etp_text country, etp_text code) {
    uint8_t shape[16];
    if (!zones->areas || !country.length || code.length > (int64_t)sizeof shape)
        return 0;
    for (int64_t k = 0; k < code.length; k++) {
        const uint8_t sign = code.bytes[k];
        shape[k] = sign >= '0' && sign <= '9' ? '9' : sign >= 'A' && sign <= 'Z' ? 'A' : sign;
    }
    etp_text place[2] = {country, {shape, code.length}};
    if (!etp_keys_find(&zones->form, place, 2, ETP_PLACE_SEPARATOR))
        return 0;
    place[1].bytes = code.bytes;
    int64_t length = code.length < zones->longest_area ? code.length : zones->longest_area;
    int32_t row = 0;
    for (; length >= 0 && !row; length--) {
        place[1].length = length;
        row = etp_keys_find(&zones->area, place, 2, ETP_PLACE_SEPARATOR);
    }
    return row;
}

/* The zone of a place, and where it came from; the area of a postcode is a region. */
static int64_t zone_of(const etp_zones *zones, etp_text country, etp_text region, etp_text code,
                       int32_t *source) {
    const etp_text place[2] = {country, region};
    int32_t row;
    if (region.length && (row = etp_keys_find(&zones->region, place, 2, ETP_PLACE_SEPARATOR))) {
        *source = ETP_ZONE_REGION;
        return zones->region_zone[row - 1];
    }
    if ((row = area_of(zones, country, code))) {
        *source = ETP_ZONE_REGION;
        return zones->area_zone[row - 1];
    }
    if (country.length && (row = etp_keys_find(&zones->country, place, 1, ETP_PLACE_SEPARATOR))) {
        *source = ETP_ZONE_COUNTRY;
        return zones->country_zone[row - 1];
    }
    *source = ETP_ZONE_DEFAULT;
    return zones->default_zone;
}

static int64_t zone_of_origin(const etp_encoder *e, const etp_text *text) {
    const etp_zones *zones = e->zones;
    if (zones->origins && text[e->origin].length) {
        const etp_text place[2] = {text[e->origin_country], text[e->origin]};
        const int32_t row = etp_keys_find(&zones->origin, place, 2, ETP_PLACE_SEPARATOR);
        if (row)
            return zones->origin_zone[row - 1];
    }
    int32_t source;
    return zone_of(zones, text[e->origin_country], text[e->origin_region], text[e->origin], &source);
}

/* The first `characters` of a text: in UTF-8 every byte but 10xxxxxx begins one. */
static etp_text beginning(etp_text text, int64_t characters) {
    int64_t length = 0;
    for (; length < text.length; length++)
        if ((text.bytes[length] & 0xc0) != 0x80 && characters-- == 0)
            break;
    text.length = length;
    return text;
}

static int split(const uint8_t *bytes, int64_t length, int separator, etp_text *text,
                 int64_t columns) {
    const uint8_t *end = bytes + length;
    /* Texts between NUL are as they were given; what separates keys must be spelled otherwise first. */
    if (!separator && (memchr(bytes, ETP_PART_SEPARATOR, (size_t)length) ||
                       memchr(bytes, ETP_PART_ESCAPE, (size_t)length)))
        return ETP_UNCLEAR_TEXT;
    for (int64_t column = 0; column < columns; column++) {
        const uint8_t *stop = memchr(bytes, separator, (size_t)(end - bytes));
        const int is_last = column == columns - 1;
        if (is_last ? stop != NULL : stop == NULL)
            return ETP_UNCLEAR_TEXT;
        text[column].bytes = bytes;
        text[column].length = (is_last ? end : stop) - bytes;
        bytes = is_last ? end : stop + 1;
    }
    return ETP_FINE;
}

static int32_t row_of(const etp_encoder *e, int64_t key, const etp_text *text) {
    etp_text part[ETP_MAX_TEXTS];
    const int64_t first = e->part_start[key], parts = e->part_start[key + 1] - first;
    for (int64_t p = 0; p < parts; p++)
        part[p] = text[e->part[first + p]];
    return etp_keys_find(&e->keys[key], part, parts, ETP_PART_SEPARATOR);
}

/* A carrier's service without a clock of its own keeps the carrier's, where that has one; a region
 * without holidays of its own its country's. */
static int32_t clock_row(const etp_encoder *e, int64_t key, const etp_text *text) {
    const int32_t row = row_of(e, key, text);
    if (row)
        return row;
    etp_text part[2] = {text[e->part[e->part_start[key]]], {NULL, 0}};
    return etp_keys_find(&e->keys[key], part, 2, ETP_PART_SEPARATOR);
}

/* The calendar of a destination: its own, where it has one, else that of its region or country. */
static int32_t place_row(const etp_encoder *e, int64_t key, const etp_text *text) {
    if (e->own_places) {
        const etp_text part[3] = {text[e->destination_country], text[e->destination_region],
                                  text[e->destination]};
        const int32_t row = etp_keys_find(&e->keys[key], part, 3, ETP_PART_SEPARATOR);
        if (row)
            return row;
    }
    return clock_row(e, key, text);
}

/* Who usually takes the parcel over: the finest key that is known says it. 0: nobody. */
static int32_t last_mile_of(const etp_encoder *e, int64_t first_key, const etp_text *text) {
    const etp_hand_offs *h = e->hand_offs;
    for (int64_t k = h->levels; k-- > 0;) {
        const int32_t row = row_of(e, first_key + k, text);
        if (row)
            return h->last_mile[h->start[k] + row];
    }
    return 0;
}

/* Places and weights that cannot be, and (0, 0), which stands for nothing: left to a closer look. */
static int is_unusual(const double *given) {
    for (int side = 0; side < 2; side++) {
        const double latitude = given[2 * side], longitude = given[2 * side + 1];
        if (latitude < -90 || latitude > 90 || longitude < -180 || longitude > 180 ||
            (latitude == 0 && longitude == 0))
            return 1;
    }
    return given[4] < 0 || given[4] > DBL_MAX;
}

/* Rows of a level by weekday follow each other by seven from row 1 on: `weekday_rows` of lanes/levels.py. */
static int32_t weekday_row(int32_t divided, int64_t day) {
    return divided ? 7 * (divided - 1) + (int32_t)(((day + 3) % 7 + 7) % 7) + 1 : 0;
}

int etp_place_moment(const etp_encoder *e, int64_t second, double quoted_day, etp_encoded *out,
                     int32_t *code, double *number) {
    const int64_t local = etp_zone_local(e->zones, out->origin_zone, second);
    const int64_t day = floor_divide(local, DAY);
    out->order_day = (int32_t)day;
    if (day < e->first_day || day > e->last_day)
        return ETP_OUTSIDE_CALENDARS;
    const int32_t of_day = (int32_t)(local - day * DAY);
    number[ETP_HOUR] = (double)of_day / 3600.0;
    number[ETP_QUOTED_DAYS] = quoted_day - (double)day;
    etp_leg leg = {out->leg_clock, 0, NULL};
    if (out->leg >= 0) {
        const etp_hand_offs *h = e->hand_offs;
        leg.steps = (int32_t)h->leg_steps;
        leg.days = h->leg_days + out->leg * (h->leg_steps + 1);
    }
    number[ETP_DISPATCH_DELAY] =
        etp_dispatch_delay(e->dispatch, out->warehouse, out->holidays, out->order_day, of_day, out->clock,
                           out->leg >= 0 ? &leg : NULL, &number[ETP_FETCHED]);
    code[e->weekday_level] = weekday_row(code[e->weekday_of], day + (int64_t)number[ETP_FETCHED]);
    return ETP_FINE;
}

/* All that hangs on texts: zones, rows of levels, clocks, calendars, who brings it. `last_mile` is who was
 * seen to take it over, 0 nobody; negative: who usually does. */
static void encode_texts(const etp_encoder *e, etp_text *text, int32_t last_mile, etp_encoded *out,
                         int32_t *code, double *number) {
    text[e->columns] = beginning(text[e->destination], e->prefix_length);

    out->origin_zone = (int32_t)zone_of_origin(e, text);
    if (text[e->destination_zone].length) {
        out->zone_source = ETP_ZONE_GIVEN;
        out->zone = -1;
    } else
        out->zone = (int32_t)zone_of(e->zones, text[e->destination_country],
                                     text[e->destination_region], text[e->destination], &out->zone_source);

    const int64_t calendar_keys = e->levels;
    const int64_t last_mile_keys = calendar_keys + 3 + e->warehouse_levels;
    if (e->hand_offs) {
        const etp_hand_offs *h = e->hand_offs;
        etp_text *name = &text[e->columns + 1];
        if (last_mile < 0)
            last_mile = last_mile_of(e, last_mile_keys, text);
        name->bytes = h->name + (last_mile ? h->name_start[last_mile - 1] : 0);
        name->length = last_mile ? h->name_start[last_mile] - h->name_start[last_mile - 1] : 0;
    } else
        last_mile = 0;
    for (int64_t level = 0; level < e->levels; level++)
        code[level] = level == e->weekday_level ? 0 : row_of(e, level, text);
    const int32_t there = place_row(e, calendar_keys + 1, text);
    const int32_t own = clock_row(e, calendar_keys, text) * (int32_t)e->calendars + there;
    out->clock = own;
    if (last_mile) {
        const etp_hand_offs *h = e->hand_offs;
        int32_t brings = h->carrier_pairs ? row_of(e, last_mile_keys + h->levels + 1, text) : 0;
        if (!brings)
            brings = h->service[last_mile - 1];
        out->clock = brings * (int32_t)e->calendars + there;
    }
    out->holidays = clock_row(e, calendar_keys + 2, text);
    out->warehouse = 0; /* the finest that is known */
    for (int64_t k = e->warehouse_levels; k > 0 && !out->warehouse; k--)
        out->warehouse = row_of(e, calendar_keys + 2 + k, text);
    out->leg_clock = own;
    out->leg = last_mile ? row_of(e, last_mile_keys + e->hand_offs->levels, text) : -1;
    number[ETP_DISRUPTED] = e->disruptions ? etp_disruptions_of(e->disruptions, text) : 0;
}

int etp_encode(const etp_encoder *e, const etp_shipment *shipment, const double *extra,
               const uint8_t *bytes, etp_encoded *out, int32_t *code, double *number) {
    etp_text text[ETP_MAX_TEXTS];
    const int unclear =
        split(bytes, shipment->text_length, (int)shipment->separator, text, e->columns);
    if (unclear)
        return unclear;
    if (is_unusual(shipment->given))
        return ETP_UNCLEAR_TEXT;
    encode_texts(e, text, -1, out, code, number);
    for (int64_t k = 0; k < e->handling_levels; k++)
        code[e->levels + k] = code[e->handling[k]];
    memcpy(number + ETP_GIVEN, shipment->given, sizeof shipment->given);
    memcpy(number + ETP_NUMBERS, extra, sizeof(double) * (size_t)e->numeric);
    return etp_place_moment(e, shipment->second, shipment->quoted_day, out, code, number);
}

void etp_encode_many(const etp_encoder *e, int64_t first, int64_t last, const etp_words *column,
                     const int64_t *second, const double *quoted_day, const int32_t *last_mile,
                     etp_encoded *out, int32_t *code, double *number) {
    const int64_t numbers = ETP_NUMBERS + e->numeric;
    for (int64_t i = first; i < last; i++) {
        etp_text text[ETP_MAX_TEXTS];
        for (int64_t c = 0; c < e->columns; c++) {
            const int64_t *start = column[c].start + column[c].word[i];
            text[c].bytes = column[c].bytes + start[0];
            text[c].length = start[1] - start[0];
        }
        encode_texts(e, text, last_mile ? last_mile[i] : -1, &out[i], code + i * e->levels,
                     number + i * numbers);
        etp_place_moment(e, second[i], quoted_day[i], &out[i], code + i * e->levels,
                         number + i * numbers);
    }
}
