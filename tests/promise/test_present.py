"""What was so at a model's moment fades for orders that come after it, and never before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from etapromise import PromiseModel
from etapromise.history.effects import FIELDS
from etapromise.promise.contributions import CAUSES, contributions

PACES = [FIELDS.index("pace"), FIELDS.index("pace_evidence")]


def lasting(model: PromiseModel, days: float) -> PromiseModel:
    """The model as if what is so at its moment lasted for so long."""
    statistics = model.parts.statistics
    settings = replace(statistics.settings, present_half_life=days)
    return PromiseModel(replace(model.parts, statistics=replace(statistics, settings=settings)))


def without_present(model: PromiseModel) -> PromiseModel:
    """The model of a network that is as it usually is."""
    parts = model.parts
    total, handling = parts.statistics.total.copy(), parts.statistics.handling.copy()
    total[:, PACES], handling[:, PACES] = 0.0, 0.0
    statistics = replace(parts.statistics, total=total, handling=handling)
    calibration = replace(
        parts.calibration,
        kept=parts.calibration.settled,
        log_hazard=np.zeros_like(parts.calibration.log_hazard),
    )
    return PromiseModel(replace(parts, statistics=statistics, surge=0.0, calibration=calibration))


def at(orders: pd.DataFrame, model: PromiseModel, days: int) -> pd.DataFrame:
    """The orders as if placed so many days after the model's moment, at noon."""
    noon = np.datetime64(model.parts.statistics.as_of_day + days, "D") + np.timedelta64(17, "h")
    return orders.iloc[:200].assign(ordered_at=pd.Timestamp(noon, tz="UTC"))


def probability(model: PromiseModel, orders: pd.DataFrame) -> np.ndarray:
    return model.distribution_many(orders).probability


def test_an_order_that_begins_its_way_by_the_next_day_counts_all_of_it(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    for days in (-30, -2, 0):
        asked = at(orders, model, days)
        delay = model.parts.encoder.encode(asked).dispatch_delay
        asked = asked[delay <= 2.0]
        assert len(asked) > 50
        found = [probability(lasting(model, half_life), asked) for half_life in (0.5, 50.0)]
        np.testing.assert_array_equal(*found)


def test_long_after_it_the_network_is_as_usual(model: PromiseModel, orders: pd.DataFrame) -> None:
    asked = at(orders, model, 40)
    usual = probability(without_present(model), asked)
    assert np.abs(probability(lasting(model, 50.0), asked) - usual).max() > 1e-3
    np.testing.assert_allclose(probability(lasting(model, 0.5), asked), usual, rtol=0, atol=1e-9)


def test_a_correction_is_halved_in_each_half_life(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    """Where nothing but the calibration is of the moment, probabilities are means of both."""
    usual = without_present(model).parts
    knot = usual.calibration.knot
    kept = np.maximum.accumulate(np.where(knot < 0.7, knot**1.5, usual.calibration.settled))
    recent = replace(usual, calibration=replace(usual.calibration, kept=kept))
    asked = at(orders, model, 9)
    found, whole = (
        probability(lasting(PromiseModel(recent), half_life), asked) for half_life in (4.0, 1e6)
    )
    settled = probability(PromiseModel(usual), asked)
    clocks, requests = model.parts.encoder.clocks, model.parts.encoder.encode(asked)
    day = requests.order_day - clocks.first_day
    passed = clocks.elapsed[requests.clock, day] - clocks.elapsed[requests.clock, day - 9]
    later = np.maximum(passed + requests.dispatch_delay - 2.0, 0.0)[:, None]
    left = 0.5 ** (later / 4.0)
    assert left.min() < 0.6
    np.testing.assert_allclose(found, left * whole + (1.0 - left) * settled, rtol=0, atol=1e-5)


def test_the_reasons_of_a_later_order_add_up(model: PromiseModel, orders: pd.DataFrame) -> None:
    """And the margin for the level is read back through the correction that is left."""
    asked = at(orders, model, 12)
    found = contributions(model, model.parts.encoder.encode(asked), 0.9)
    days = model.distribution_many(asked).at(0.9)
    np.testing.assert_allclose(found.sum(axis=1), days, rtol=0, atol=1e-9)
    margin = CAUSES.index("service_level")
    usual = without_present(model)
    settled = contributions(usual, usual.parts.encoder.encode(asked), 0.9)
    faded = lasting(model, 0.25)
    np.testing.assert_allclose(
        contributions(faded, faded.parts.encoder.encode(asked), 0.9)[:, margin],
        settled[:, margin],
        rtol=0,
        atol=1e-6,
    )
