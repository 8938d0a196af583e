"""Tables as requests by pandas: keys joined as texts, times by its zones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from etapromise.calendars.disruptions import Disruptions
from etapromise.calendars.working_clocks import row_of
from etapromise.encoding.requests import (
    _CALENDAR_LEVELS,
    NUMBERS,
    Encoder,
    Requests,
    dates_in_column,
    local_seconds,
)
from etapromise.lanes.hand_offs import CARRIER_PAIR, FIRST_LEG
from etapromise.lanes.levels import LAST_MILE, Level, level_keys, spelled
from tests.calendars.dispatch_delay import dispatch_delay, fetched_after

GIVEN = NUMBERS[1:6]
PLACE = Level("place", ("destination_country", "destination_region", "destination"))


def reference_requests(encoder: Encoder, frame: pd.DataFrame) -> Requests:
    """What `Encoder.encode` gives."""
    count = len(frame)
    services, calendars = encoder.clocks.indexes()
    last_mile = np.zeros(count, np.int32)
    if encoder.hand_offs is not None:
        last_mile = encoder.hand_offs.last_mile_of(frame)
        frame = encoder.hand_offs.named(frame, last_mile)
    service, there, here, *warehouse = level_keys(frame, _CALENDAR_LEVELS)
    positions, keys = level_keys(frame, (PLACE,))[0]
    alone = np.array([calendars.get(key, 0) for key in keys], np.int64)[positions]
    calendar = np.where(alone > 0, alone, rows_of(calendars, there))
    own = encoder.clocks.row(rows_of(services, service), calendar)
    clock = brought(encoder, frame, own, last_mile)
    places = [column for column in ("origin", "origin_country", "origin_region") if column in frame]
    names, _ = encoder.zones.resolve_many(frame[places], "origin")
    seconds = local_seconds(frame["ordered_at"], names)
    day = np.floor_divide(seconds, 86_400)
    second = seconds - day * 86_400
    numbers = np.full((count, len(NUMBERS) + len(encoder.numeric)), np.nan)
    numbers[:, 0] = second / 3600.0
    for column, name in enumerate((*GIVEN, *encoder.numeric), start=1):
        place = column if name in GIVEN else len(NUMBERS) + encoder.numeric.index(name)
        if name in frame:
            numbers[:, place] = frame[name].to_numpy(np.float64, na_value=np.nan)
    if "quoted_date" in frame:
        quoted = dates_in_column(frame, "quoted_date")
        numbers[:, 6] = np.where(np.isnat(quoted), np.nan, quoted.astype(np.int64) - day)
    asked = encoder.dispatch.rows(warehouse), rows_of(calendars, here), day, second
    numbers[:, NUMBERS.index("dispatch_delay")] = dispatch_delays(
        encoder, frame, last_mile, own, *asked, clock
    )
    fetched = [
        fetched_after(encoder.dispatch, *map(int, order)) for order in zip(*asked, strict=True)
    ]
    numbers[:, NUMBERS.index("fetched")] = fetched
    weekday = (day + np.array(fetched, np.int64) + 3) % 7
    keys = level_keys(frame.assign(pickup_weekday=weekday), encoder.levels)
    codes = np.empty((count, len(encoder.levels)), np.int32)
    for level, (positions, texts) in enumerate(keys):
        codes[:, level] = encoder.indexes[level].rows(positions, texts)
    numbers[:, NUMBERS.index("disrupted")] = concern(encoder.disruptions, frame)
    _, source = encoder.zones.resolve_many(frame, "destination")
    return Requests(codes, numbers, day.astype(np.int32), clock.astype(np.int32), source)


def reference_handed_over(
    encoder: Encoder, requests: Requests, frame: pd.DataFrame, last_mile: np.ndarray
) -> Requests:
    """What `Encoder.handed_over` gives."""
    named = encoder.hand_offs.named(frame, last_mile)
    codes = requests.codes.copy()
    for position, level in enumerate(encoder.levels):
        if LAST_MILE in level.columns:
            rows = encoder.indexes[position].rows(*level_keys(named, (level,))[0])
            codes[:, position] = np.where(last_mile > 0, rows, codes[:, position])
    clock = brought(encoder, named, requests.clock, last_mile)
    return replace(requests, codes=codes, clock=clock.astype(np.int32))


def rows_of(rows, found):
    positions, keys = found
    return np.array([row_of(rows, key) for key in keys], np.int64)[positions]


def brought(encoder, named, clock, last_mile):
    """The clocks of who brings shipments: of their last-mile carriers, or for 0 those given."""
    if not last_mile.any():
        return clock
    service = np.concatenate([[0], encoder.last_mile_services])[last_mile]
    if encoder.has_carrier_pairs:
        positions, keys = level_keys(named, (CARRIER_PAIR,))[0]
        services, _ = encoder.clocks.indexes()
        own = np.array([services.get(key, 0) for key in keys], np.int64)[positions]
        service = np.where(own > 0, own, service)
    calendars = len(encoder.clocks.holidays)
    return np.where(last_mile > 0, service * calendars + clock % calendars, clock)


def dispatch_delays(encoder, frame, last_mile, own, warehouse, calendar, day, second, clock):
    out = np.empty(len(frame))
    legs = np.zeros(len(frame), np.int64)
    if encoder.hand_offs is not None:
        positions, keys = level_keys(frame, (FIRST_LEG,))[0]
        rows = {key: row for row, key in enumerate(encoder.hand_offs.leg_keys, start=1)}
        legs = np.array([rows.get(key, 0) for key in keys], np.int64)[positions]
    for row in range(len(frame)):
        leg = None
        if last_mile[row]:
            leg = int(own[row]), encoder.hand_offs.leg_days[legs[row]]
        order = (warehouse[row], calendar[row], day[row], second[row], clock[row])
        out[row] = dispatch_delay(encoder.dispatch, *map(int, order), leg=leg)
    return out


def concern(disruptions: Disruptions | None, frame: pd.DataFrame) -> np.ndarray:
    """Which disruptions concern shipments, a bit for each."""
    found = np.zeros(len(frame), np.uint64)
    texts: dict[str, list[str]] = {}
    for at, one in enumerate([] if disruptions is None else disruptions.declared):
        for area in one.conditions():
            holds = np.ones(len(frame), bool)
            for column, text, prefix in area:
                values = frame[column] if column in frame else [None] * len(frame)
                texts.setdefault(
                    column, ["" if pd.isna(value) else spelled(value) for value in values]
                )
                holds &= np.array(
                    [here.startswith(text) if prefix else here == text for here in texts[column]],
                    bool,
                )
            found |= holds.astype(np.uint64) << np.uint64(at)
    return found.astype(np.float64)
