/* From the columns of a shipment to a request: keys to rows, a moment to a local date and hour. */
#ifndef ETAPROMISE_ENCODER_H
#define ETAPROMISE_ENCODER_H

#include "dispatch.h"
#include "disruptions.h"
#include "keys.h"

/* Columns of text, the derived prefix included; levels, handling levels included; numbers. */
enum { ETP_MAX_TEXTS = 256, ETP_MAX_CODES = 512, ETP_MAX_NUMBERS = 512 };

/* Where in a request's numbers what is read by position stands: NUMBERS of history/requests.py. */
enum {
    ETP_HOUR = 0,
    ETP_GIVEN = 1,
    ETP_GIVEN_COUNT = 5,
    ETP_QUOTED_DAYS = 6,
    ETP_DISPATCH_DELAY = 7,
    ETP_DISRUPTED = 8, /* see etp_disruptions_of; 0 where nothing is declared */
    ETP_FETCHED = 9,   /* days from the order's date to its soonest pick-up */
    ETP_NUMBERS = 10
};

/* Where the destination's zone came from: ZONE_SOURCES of history/zones.py. */
enum { ETP_ZONE_GIVEN = 0, ETP_ZONE_REGION = 1, ETP_ZONE_COUNTRY = 2, ETP_ZONE_DEFAULT = 3 };

/* Separates the parts of a level's key, and spells it within one (`spelled` of lanes/levels.py); in a
 * place's it could be part of a name. */
enum { ETP_PART_SEPARATOR = 0x1f, ETP_PART_ESCAPE = 0x1a, ETP_PLACE_SEPARATOR = 0xff };

typedef struct {
    /* Places that have a zone: country and region, country alone, country and warehouse. */
    etp_keys region, country, origin;
    const int32_t *region_zone, *country_zone, *origin_zone; /* by row, from row 1 on */
    int64_t origins; /* warehouses with one of their own */
    int64_t default_zone;
    /* Where postcodes tell the zone: how those of a country look (digits as 9, capitals as A), and how
     * those of an area begin; the longest beginning counts. */
    etp_keys form, area;
    const int32_t *area_zone; /* by row, from row 1 on */
    int64_t areas, longest_area;
    const int64_t *change_start; /* (zones + 1,) */
    const int64_t *change;       /* UTC seconds from which an offset holds; ascending in each zone */
    const int64_t *offset;       /* seconds east of UTC from each change on; the first also before */
} etp_zones;

/* Which carriers usually hand their parcels over, and to whom. */
typedef struct {
    int64_t levels;
    const int64_t *start;   /* (levels,) where each level's rows start in `last_mile` */
    const int32_t *last_mile; /* by row of a key, from row 1 on: who delivers, 0: the carrier itself */
    const uint8_t *name;    /* of the last-mile carriers, from the first on, one after another */
    const int64_t *name_start; /* (carriers + 1,) */
    const int32_t *service; /* (carriers,) rows of the clocks' services */
    const double *leg_days; /* (legs, leg_steps + 1) see etp_leg; row 0 is any */
    int64_t leg_steps;
    int64_t carrier_pairs; /* whether pairs of carriers have clocks of their own */
} etp_hand_offs;

typedef struct {
    int64_t levels;          /* L */
    int64_t handling_levels; /* H */
    const int64_t *handling; /* (H,) levels whose codes are repeated */
    int64_t columns; /* texts of a shipment; the prefix comes after them, then who takes over */
    int64_t prefix_length;   /* characters of the destination that make the prefix */
    /* Keys: of each level; then of the clocks' services, of the holidays at the destination, at the
     * origin; then of the warehouses' calendars, coarse to fine; then of whom parcels are handed to,
     * coarse to fine, of their first ways, and of pairs of carriers among the clocks' services.
     * K = L + 3 + warehouse_levels, and with hand_offs levels + 2 more. */
    const int64_t *part_start; /* (K + 1,) */
    const int64_t *part;       /* columns */
    const etp_keys *keys;      /* (K,) */
    int64_t numeric;           /* numbers after the standard ones */
    int64_t origin, origin_region, origin_country; /* columns */
    int64_t destination, destination_region, destination_country, destination_zone;
    int64_t calendars;           /* rows of the holiday calendars */
    int64_t own_places;          /* whether some destinations have a row of their own */
    int64_t first_day, last_day; /* of the calendars */
    const etp_zones *zones;
    int64_t warehouse_levels;
    const etp_dispatch *dispatch;
    const etp_hand_offs *hand_offs; /* or NULL: every carrier delivers what it fetches */
    const etp_disruptions *disruptions; /* or NULL: none is declared */
    int64_t weekday_level; /* the level that another one, `weekday_of`, is divided by weekday in */
    int64_t weekday_of;
} etp_encoder;

/* The fixed part of what is known of a shipment. */
typedef struct {
    int64_t second;        /* of the order, UTC seconds since 1970-01-01, rounded down */
    int64_t text_length;   /* bytes of the columns' texts together */
    int64_t separator;     /* the byte between two of them */
    double quoted_day;     /* days since 1970-01-01, NaN where missing */
    double given[ETP_GIVEN_COUNT];
} etp_shipment;

/* What is written of it: all that the order's moment is placed by, too. */
typedef struct {
    int32_t order_day, clock, zone_source, zone;
    int32_t origin_zone, warehouse, holidays; /* of the warehouse: its calendar's row, its place's */
    int32_t leg_clock, leg; /* of who has the parcel first; no leg (-1) where that one brings it */
} etp_encoded;

enum { ETP_FINE = 0, ETP_UNCLEAR_TEXT = 1, ETP_OUTSIDE_CALENDARS = 2 };

/* `extra` (numeric,) and `text` (columns texts) belong to `shipment`; code is (L + H,), number
 * (ETP_NUMBERS + numeric,). The zone is the destination's, -1 where it was given. ETP_UNCLEAR_TEXT
 * where a separator, that of texts or that of keys, is also part of a text. */
ETP_EXPORT int etp_encode(const etp_encoder *encoder, const etp_shipment *shipment,
                          const double *extra, const uint8_t *text, etp_encoded *out,
                          int32_t *code, double *number);

/* A column of texts, each different one spelled once. */
typedef struct {
    const int32_t *word;  /* (n,) which of them */
    const int64_t *start; /* (words + 1,) where each begins in `bytes` */
    const uint8_t *bytes;
} etp_words;

/* The shipments `first` to `last` of n: column (columns,), second and quoted_day (n,), out (n,), code
 * (n, L), number (n, ETP_NUMBERS + numeric), into which the given and the further numbers are written
 * before. `last_mile` (n,) says who was seen to take them over, 0 nobody; NULL: who usually does. Of those
 * outside the calendars only the order_day is right. */
ETP_EXPORT void etp_encode_many(const etp_encoder *encoder, int64_t first, int64_t last,
                                const etp_words *column, const int64_t *second,
                                const double *quoted_day, const int32_t *last_mile, etp_encoded *out,
                                int32_t *code, double *number);

/* Writes what hangs on the moment alone: the order_day, of the numbers the hour, the quoted days, the
 * dispatch delay and the soonest pick-up, of the codes that of its weekday. Returns ETP_FINE or
 * ETP_OUTSIDE_CALENDARS. */
int etp_place_moment(const etp_encoder *encoder, int64_t second, double quoted_day, etp_encoded *out,
                     int32_t *code, double *number);

/* The first moment (UTC seconds) at which a zone's wall clock shows a second (since 1970-01-01, local):
 * one that is skipped counts on from before. */
int64_t etp_zone_moment(const etp_zones *zones, int64_t zone, int64_t local);

/* Seconds since 1970-01-01 on a zone's wall clock at a moment (UTC seconds). */
int64_t etp_zone_local(const etp_zones *zones, int64_t zone, int64_t second);

#endif
