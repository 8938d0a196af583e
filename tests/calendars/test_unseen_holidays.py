"""Holidays that a history does not have yet: like those that were as wide, not like all."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.calendars.dispatch_learning import learn_dispatch
from etapromise.calendars.working_clocks import (
    HOLIDAY_KINDS,
    NARROW,
    WIDE,
    Clocks,
    holiday_table,
    named_holidays,
)

FIRST, LAST = (int(np.datetime64(day, "D").astype(int)) for day in ("2024-04-01", "2025-01-31"))
HISTORY = int(np.datetime64("2024-10-21", "D").astype(int)) - FIRST
KEPT_BY_TRADE = ("2024-05-27", "2024-07-04", "2024-09-02")
OF_OFFICES = ("2024-06-19", "2024-10-14")
PLACE = "US\x1fNV"


def at(day: str) -> int:
    return int(np.datetime64(day, "D").astype(int)) - FIRST


def clocks() -> Clocks:
    return Clocks(
        first_day=FIRST,
        services=(),
        weeks=np.ones((1, 7)),
        calendars=(PLACE,),
        holidays=holiday_table([PLACE], FIRST, LAST),
        holiday_weights=np.zeros((1, HOLIDAY_KINDS)),
    )


def worked(rests: tuple[str, ...]) -> np.ndarray:
    """The share of each day that is worked, as a warehouse's pick-ups before the last days show."""
    order_day = np.repeat(np.arange(HISTORY), 10)
    closed = np.isin(np.arange(HISTORY + 7), [at(day) for day in rests])
    closed |= (FIRST + np.arange(HISTORY + 7) + 3) % 7 >= 5
    following = np.array([day + np.argmin(closed[day:]) for day in range(HISTORY)])
    zeros = np.zeros(len(order_day), np.int64)
    dispatch = learn_dispatch(
        keys=[(zeros, ["W"])] * 4,
        order_day=FIRST + order_day,
        second=zeros + 36_000,
        pickup_day=FIRST + following[order_day],
        calendar=zeros + 1,
        clocks=(found := clocks()),
    )
    share: np.ndarray = dispatch.calendars.shares(np.array([1]), found.holidays[[1]], FIRST)[0]
    return share


def test_a_warehouse_that_keeps_the_offices_holidays_is_told_from_one_that_does_not() -> None:
    trade, office = worked(KEPT_BY_TRADE), worked(KEPT_BY_TRADE + OF_OFFICES)
    for day in ("2024-10-25", "2024-11-11", "2025-01-20"):  # of Nevada alone, and of offices
        assert trade[at(day)] == 1.0
        assert office[at(day)] == 0.0
    for day in ("2024-11-28", "2024-12-25", "2025-01-01"):
        assert trade[at(day)] == office[at(day)] == 0.0


@pytest.mark.parametrize(
    ("place", "day", "kind"),
    [
        ("US\x1f", "2024-07-04", WIDE),
        ("US\x1f", "2025-01-20", NARROW),
        ("US\x1fNV", "2024-10-25", NARROW),
        ("DE\x1fBY", "2024-10-03", WIDE),
        ("DE\x1fBY", "2024-05-30", NARROW),
    ],
)
def test_how_wide_a_holiday_is(place: str, day: str, kind: int) -> None:
    assert holiday_table([place], FIRST, LAST)[1, at(day)] == kind


def test_what_trade_keeps_is_named_as_the_holidays_are() -> None:
    first = at("2024-01-01") + FIRST
    names = set(named_holidays("US", "", first, LAST).values())
    wide = holiday_table(["US\x1f"], first, LAST)[1] == WIDE
    assert len(names) == 11
    assert wide.sum() == 7  # six of 2024, and New Year's Day of 2025
