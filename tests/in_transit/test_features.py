"""The kernel's features of looks at parcels under way, against numpy's column by column."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.array_types import MISSING
from etapromise.in_transit.flow import FLOW_LEVELS
from etapromise.in_transit.outlook import Positions, build_features
from etapromise.in_transit.states import States
from etapromise.in_transit.transit_parts import STAGES, TRANSIT_FEATURES
from etapromise.tracking.contract import STATUSES
from tests.in_transit.reference_features import reference_features

DAY = 86_400_000_000
FIRST = 20_000
CLOCKS: Any = SimpleNamespace(
    first_day=FIRST,
    elapsed=np.cumsum(
        np.random.default_rng(4).choice([0.0, 0.4, 1.0], size=(3, 400), p=[0.2, 0.1, 0.7]), axis=1
    ),
)


@st.composite
def looks(draw: st.DrawFn) -> SimpleNamespace:
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 9))
    random = np.random.default_rng(seed)
    # Some of them before and after the clocks' days, and long after the order.
    ordered = (FIRST + random.uniform(-20, 390, count)) * DAY
    moment = ordered + random.uniform(0, 60, count) * DAY

    def times() -> np.ndarray:
        found = (ordered + (moment - ordered) * random.random(count)).astype(np.int64)
        return np.where(random.random(count) < 0.3, MISSING, found)

    states = States(
        parcel=np.arange(count),
        moment=moment.astype(np.int64),
        stage=random.integers(0, len(STAGES), count).astype(np.uint8),
        last_status=random.choice([*range(len(STATUSES)), 255], count).astype(np.uint8),
        attempts=random.integers(0, 5, count).astype(np.uint8),
        customs=random.integers(0, 3, count).astype(np.uint8),
        handed_off=random.integers(0, 2, count).astype(np.uint8),
        troubled=random.integers(0, 2, count).astype(np.uint8),
        place=np.full(count, -1, np.int32),
        scans=random.integers(0, 40, count).astype(np.int32),
        **{
            name: times()
            for name in ("last_scan", "last_known", "picked_up", "moved", "went_out", "arrived")
        },
    )
    shift = random.integers(-14 * 60, 14 * 60, count) * 60_000_000
    today = np.floor_divide(states.moment + shift, DAY)
    clock = random.integers(0, 3, count).astype(np.int32)
    unplaced = Positions(CLOCKS, clock, shift, today, np.zeros(0), np.zeros(0))
    evidence = (
        random.exponential(20.0, (count, len(FLOW_LEVELS))) * random.integers(0, 2, count)[:, None]
    )
    return SimpleNamespace(
        states=states,
        positions=Positions(
            CLOCKS, clock, shift, today, unplaced.before(today), unplaced.position(states.moment)
        ),
        ordered=ordered.astype(np.int64),
        order_day=np.floor_divide(ordered.astype(np.int64), DAY),
        flow=(evidence, evidence * random.normal(1.0, 1.0, evidence.shape)),
        given=random.random((count, 4)) * 5.0,
    )


@given(inputs=looks())
def test_features_are_those_of_the_reference(inputs: Any) -> None:
    found, typical = build_features(**vars(inputs))
    expected, offset = reference_features(inputs)
    assert found.shape == (len(inputs.states), len(TRANSIT_FEATURES))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7, equal_nan=True)
    np.testing.assert_allclose(typical, offset, rtol=0, atol=1e-12)


@given(inputs=looks())
def test_a_look_has_the_same_features_alone(inputs: Any) -> None:
    found, typical = build_features(**vars(inputs))
    places = inputs.positions
    for row in range(len(inputs.states)):
        one = np.array([row])
        alone, offset = build_features(
            states=inputs.states.take(one),
            positions=Positions(
                CLOCKS,
                *(getattr(places, name)[one] for name in ("clock", "shift", "today")),
                *(getattr(places, name)[one] for name in ("start", "now")),
            ),
            ordered=inputs.ordered[one],
            order_day=inputs.order_day[one],
            flow=(inputs.flow[0][one], inputs.flow[1][one]),
            given=inputs.given[one],
        )
        assert np.array_equal(alone[0], found[row], equal_nan=True)
        assert offset[0] == pytest.approx(typical[row], abs=0.0)
