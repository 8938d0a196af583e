"""Dates under random calendar files: zones, clock changes, year ends."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.configured_clocks import configured_clocks
from etapromise.calendars.configured_dispatch import configured_dispatch
from tests.promise.reference_stages import is_open, pickup_days_of
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Summer time ends and begins, a year ends, a quarter ends, holidays; each with days around it.
TURNS = ("2025-11-02", "2026-03-08", "2025-12-31", "2025-10-01", "2025-07-04")
weeks = st.sets(st.integers(0, 6), min_size=1)


def under(model: PromiseModel, text: str, orders: pd.DataFrame) -> PromiseModel:
    """The same model under a calendar file."""
    rules, encoder = CalendarFile(text), model.parts.encoder
    clocks = configured_clocks(encoder.clocks, rules, encoder.hand_offs)
    dispatch = configured_dispatch(encoder.dispatch, clocks, rules, orders)
    changed = replace(encoder, clocks=clocks, dispatch=dispatch)
    return PromiseModel(replace(model.parts, encoder=changed))


def written(days: set[int]) -> str:
    return ", ".join(NAMES[day] for day in sorted(days))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    delivers=weeks,
    works=weeks,
    place=weeks,
    turn=st.sampled_from(TURNS),
    hours=st.integers(-60, 60),
    black=st.integers(0, 12),
    minute=st.integers(1, 1439),
    number=st.integers(0, 399),
    level=st.sampled_from([0.5, 0.9, 0.97, 0.999999]),
)
# The lane's shortest way, learned of more working days, would end beyond the horizon.
@example(
    delivers={1},
    works={1},
    place={0},
    turn="2025-12-31",
    hours=0,
    black=0,
    minute=1,
    number=1,
    level=0.5,
)
def test_dates_are_possible_ones(
    model: PromiseModel,
    orders: pd.DataFrame,
    delivers: set[int],
    works: set[int],
    place: set[int],
    turn: str,
    hours: int,
    black: int,
    minute: int,
    number: int,
    level: float,
) -> None:
    row: dict[str, Any] = orders.iloc[number].to_dict()
    day = dt.date.fromisoformat(turn)
    until = day + dt.timedelta(days=black)
    told = under(
        model,
        f"""
        [[carriers]]
        carrier = "{row["carrier"]}"
        delivers = "{written(delivers)}"
        [[destinations]]
        country = "{row["destination_country"]}"
        delivers = "{written(place | delivers)}"
        [[blackouts]]
        days = ["{day} to {until}"]
        [[warehouses]]
        works = "{written(works)}"
        cutoffs = ["{minute // 60}:{minute % 60:02} -> same day"]
        """,
        orders,
    )
    ordered_at = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(hours=hours)
    fields = fields_of(row) | {"ordered_at": ordered_at, "quoted_date": None}
    promise = told.promise(**fields, service_level=level)
    dates, probability = promise.distribution()
    possible = dates[np.diff(probability, prepend=0.0) > 0].astype(object).tolist()
    for date in (promise.date, promise.earliest, promise.latest, *possible):
        assert date.weekday() in delivers
        assert not day <= date <= until
    # Nothing is promised before the warehouse can have handed it over.
    encoder = told.parts.encoder
    days = pickup_days_of(encoder, fields, encoder.encode_placed(fields)[0])
    first = int(days.start[0])
    while not is_open(days, first):
        first += 1
    assert promise.date >= dt.date(1970, 1, 1) + dt.timedelta(days=first)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    number=st.integers(0, 399),
    turn=st.sampled_from(TURNS),
    start=st.integers(-100, 60),
    level=st.sampled_from([0.5, 0.8, 0.9, 0.97]),
)
def test_a_later_order_never_gets_an_earlier_date(
    model: PromiseModel, orders: pd.DataFrame, number: int, turn: str, start: int, level: float
) -> None:
    """Hour by hour, over clock changes, holidays and a year's end; nor is any date less likely."""
    row: dict[str, Any] = orders.iloc[number].to_dict()
    begun = dt.datetime.combine(dt.date.fromisoformat(turn), dt.time(), dt.UTC)
    promises = [
        model.promise(
            **fields_of(row)
            | {"ordered_at": begun + dt.timedelta(hours=start + hour), "quoted_date": None},
            service_level=level,
        )
        for hour in range(40)
    ]
    for earlier, later in itertools.pairwise(promises):
        assert later.date >= earlier.date
        assert later.date - earlier.date < dt.timedelta(days=8)
        for days in (1, 3, 5, 9):
            day = earlier.ordered_at.date() + dt.timedelta(days=days)
            assert later.probability_by(day) <= earlier.probability_by(day) + 1e-12
