"""A table's requests in compiled code are those of pandas, to the last bit."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.calendars.disruptions import Disruption
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError
from etapromise.lanes.hand_offs import FIRST_LEG, HAND_OFF_LEVELS, LONGEST_LEG, HandOffs
from etapromise.lanes.levels import level_indexes, levels_with
from tests.encoding.reference_tables import reference_handed_over, reference_requests
from tests.encoding.test_compiled_encoder import (
    ENCODER,
    FIRST,
    KNOWN,
    LAST,
    TEXTS,
    WORDS,
    ZONES,
    assert_same,
    dispatch,
)

CARRIERS = ("a", "é")
DECLARED = (
    Disruption(first=date(2025, 1, 1), last=date(2025, 2, 1), delay=2.0, carrier="a"),
    Disruption(first=date(2025, 3, 1), last=date(2025, 3, 9), stop=True, postcodes=("b", "x*")),
)


def handing_over() -> Encoder:
    """Carriers that hand parcels over, pairs of them with clocks of their own, disruptions."""
    rng = np.random.default_rng(5)

    def keys_of(columns: int) -> tuple[str, ...]:
        words = (KNOWN[:4] if columns < 4 else KNOWN[:2]) if columns > 1 else KNOWN
        return tuple("\x1f".join(key) for key in itertools.product(words, repeat=columns))

    keys = tuple(keys_of(len(level.columns)) for level in HAND_OFF_LEVELS)
    legs = keys_of(len(FIRST_LEG.columns))[::2]
    leg_days = np.sort(rng.random((len(legs) + 1, LONGEST_LEG + 1)), axis=1)
    hand_offs = HandOffs(
        carriers=CARRIERS,
        keys=keys,
        last_mile=tuple(rng.integers(0, 3, len(one) + 1).astype(np.int32) for one in keys),
        share=tuple(rng.random(len(one) + 1) for one in keys),
        leg_keys=legs,
        leg_days=leg_days / leg_days[:, -1:],
    )
    services = [
        *keys_of(2),
        *(f"{pair}\x1f{last_mile}" for pair in keys_of(2)[:9] for last_mile in CARRIERS),
    ]
    clocks = Clocks(
        first_day=FIRST,
        services=services,
        weeks=rng.random((len(services) + 1, 7)),
        calendars=keys_of(2),
        holidays=rng.integers(0, 2, (len(keys_of(2)) + 1, LAST - FIRST + 1)).astype(np.uint8),
        holiday_weights=rng.random((len(services) + 1, HOLIDAY_KINDS)),
    )
    levels = levels_with(["kind"], hand_offs=True)
    return Encoder(
        categorical=("kind",),
        numeric=("size",),
        indexes=tuple(
            level_indexes(
                levels,
                {
                    level.name: keys_of(len(level.columns)) if level.columns else [""]
                    for level in levels
                },
            )
        ),
        clocks=clocks,
        zones=ENCODER.zones,
        dispatch=dispatch(clocks),
        hand_offs=hand_offs,
        declared=DECLARED,
    )


HANDING_OVER = handing_over()
SECONDS = st.integers(FIRST * 86_400 + 50_000, LAST * 86_400)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    count = draw(st.integers(0, 12))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    word = st.sampled_from([word for word in WORDS if word != "\ud800"] + [None])
    seconds = np.array(column(SECONDS), np.int64)
    frame = {"ordered_at": pd.to_datetime(seconds, unit="s", utc=True)}
    frame |= {name: pd.Series(column(word), dtype=object) for name in ("origin", "destination")}
    for name in TEXTS:
        if name == "kind" or (name not in frame and draw(st.booleans())):
            frame[name] = pd.Series(column(word), dtype=object)
    frame["size"] = np.array(column(st.floats()), float)
    if draw(st.booleans()):
        frame["weight_kg"] = np.array(column(st.floats(0, 9)), float)
    if draw(st.booleans()):
        zone = st.sampled_from((None, *ZONES, "Asia/Tokyo"))
        frame["destination_time_zone"] = pd.Series(column(zone), dtype=object)
    if draw(st.booleans()):
        quoted = st.sampled_from((pd.NaT, *pd.date_range("2025-02-03", periods=3)))
        frame["quoted_date"] = pd.Series(column(quoted), dtype="datetime64[us]")
    return pd.DataFrame(frame)


@settings(max_examples=150, deadline=None)
@given(tables())
@pytest.mark.parametrize("encoder", [ENCODER, HANDING_OVER], ids=["own carrier", "handed over"])
def test_a_table_is_encoded_as_by_pandas(encoder: Encoder, frame: pd.DataFrame) -> None:
    assert_same(encoder.encode(frame), reference_requests(encoder, frame))


@settings(max_examples=100, deadline=None)
@given(tables(), st.data())
def test_parcels_seen_to_change_hands_are_encoded_as_by_pandas(
    frame: pd.DataFrame, data: st.DataObject
) -> None:
    last_mile = np.array(
        [data.draw(st.integers(0, len(CARRIERS))) for _ in range(len(frame))], np.int32
    )
    requests = HANDING_OVER.encode(frame)
    assert_same(
        HANDING_OVER.handed_over(requests, frame, last_mile),
        reference_handed_over(HANDING_OVER, requests, frame, last_mile),
    )


def test_the_orders_of_a_network_are_encoded_as_by_pandas(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    encoder = replace(model.parts.encoder, declared=DECLARED)
    many = pd.concat([orders] * (20_000 // len(orders) + 1), ignore_index=True)
    assert_same(encoder.encode(many), reference_requests(encoder, many))


def test_an_order_outside_the_calendars_and_an_unknown_zone_are_refused() -> None:
    frame = pd.DataFrame(
        {
            "ordered_at": pd.to_datetime(["2025-01-01", "2031-01-01"], utc=True),
            **{name: ["a", "a"] for name in ("origin", "destination", "kind")},
            "size": [1.0, 2.0],
        }
    )
    with pytest.raises(ContractError, match="2030-12-31"):
        ENCODER.encode(frame)
    with pytest.raises(ContractError, match="Mars"):
        ENCODER.encode(frame.iloc[:1].assign(destination_time_zone="Mars/Olympus"))
