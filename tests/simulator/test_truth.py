from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise_simulator import (
    CarrierCollapse,
    NetworkConfig,
    RegionalDisruption,
    Simulation,
    simulate,
)
from etapromise_simulator.oracle import Truth
from etapromise_simulator.stages import BY_PARTNER, RURAL_BY_CARRIER, Stages
from tests.simulator import reference_truth

HORIZON = 60
EVENTS = {"delivered": "delivered_at", "first_attempt": "first_attempt_at"}


def days_until(simulation: Simulation, column: str) -> np.ndarray:
    """Local dates between order and event; a large number where it never comes."""
    frame = simulation.shipments
    event = simulation.outcomes[column]
    days = np.full(len(frame), 10_000)
    for zone, rows in frame.groupby("destination_time_zone").indices.items():
        ordered = frame["ordered_at"].iloc[rows].dt.tz_convert(zone).dt.tz_localize(None)
        there = event.iloc[rows].dt.tz_convert(zone).dt.tz_localize(None)
        passed = (there.dt.normalize() - ordered.dt.normalize()).dt.days
        days[rows] = passed.fillna(10_000).to_numpy().astype(np.int64)
    return days


def transforms(truth: np.ndarray, days: np.ndarray, seed: int = 0) -> np.ndarray:
    """Randomised probability-integral transform: uniform if the truth is true.

    What never comes, or after the horizon, has the mass that is missing at the end.
    """
    padded = np.column_stack([np.zeros(len(truth)), truth, np.ones(len(truth))])
    place = np.minimum(days, truth.shape[1])
    rows = np.arange(len(truth))
    low, high = padded[rows, place], padded[rows, place + 1]
    return low + np.random.default_rng(seed).random(len(truth)) * (high - low)


def assert_uniform(values: np.ndarray, what: str) -> None:
    values = np.sort(values)
    n = len(values)
    steps = np.arange(n + 1) / n
    gap = max(np.max(steps[1:] - values), np.max(values - steps[:-1]))
    # The Kolmogorov-Smirnov distance exceeds 1.95 / sqrt(n) once in a thousand.
    assert gap < 1.95 / np.sqrt(n), f"{what}: distance {gap:.4f} over {n} parcels"


def groups_of(simulation: Simulation) -> dict[str, np.ndarray]:
    frame = simulation.shipments
    route, _ = simulation.oracle._route(frame)
    groups = {
        "all": np.ones(len(frame), dtype=bool),
        "by partner": route.path == BY_PARTNER,
        "rural by carrier": route.path == RURAL_BY_CARRIER,
        "abroad": route.abroad,
        "after the cut-off": route.late,
        "bulky": route.bulky,
        "peak": (simulation.network.pace.peak[route.day] > 0.5),
        "disrupted": simulation.network.pace.region[route.region, route.day] > 1,
    }
    for names, part in frame.groupby(["carrier", "service"]):
        groups[" ".join(names)] = frame.index.isin(part.index)
    for name in ("origin", "destination_region"):
        for value in frame[name].unique():
            groups[f"{name} {value}"] = (frame[name] == value).to_numpy()
    first_of_order = ~frame["order_id"].duplicated().to_numpy()  # siblings may travel together
    return {name: rows & first_of_order for name, rows in groups.items()}


@pytest.mark.parametrize("event", EVENTS)
def test_outcomes_are_distributed_as_the_truth_says(year: Simulation, event: str) -> None:
    truth = year.true_distribution(year.shipments, event)
    values = transforms(truth, days_until(year, EVENTS[event]))
    tested = 0
    for name, rows in groups_of(year).items():
        if rows.sum() >= 100:
            assert_uniform(values[rows], f"{event}, {name}")
            tested += 1
    assert tested >= 25


def test_counts_by_day_agree_with_the_truth_by_chi_square(year: Simulation) -> None:
    first = ~year.shipments["order_id"].duplicated().to_numpy()
    truth = year.true_distribution(year.shipments[first])
    days = np.minimum(days_until(year, "delivered_at")[first], HORIZON)
    mass = np.diff(truth, axis=1, prepend=0.0)
    mass = np.column_stack([mass, 1 - truth[:, -1]])
    expected, spread = mass.sum(axis=0), (mass * (1 - mass)).sum(axis=0)
    seen = np.bincount(days, minlength=HORIZON + 1)
    often = expected >= 10
    assert often.sum() > 12
    z = (seen[often] - expected[often]) / np.sqrt(spread[often])
    # About chi-square with as many degrees of freedom as days; four standard deviations of it.
    assert (z**2).sum() < often.sum() + 4 * np.sqrt(2 * often.sum())
    assert seen[expected < 1e-9].sum() == 0


@pytest.mark.parametrize("event", EVENTS)
def test_truth_equals_a_convolution_in_plain_loops(year: Simulation, event: str) -> None:
    rng = np.random.default_rng(5)
    route, _ = year.oracle._route(year.shipments)
    rare = [np.flatnonzero(route.abroad)[:3], np.flatnonzero(route.path == BY_PARTNER)[:3]]
    rows = np.concatenate([*rare, rng.choice(len(route.day), 8, replace=False)])
    route, _ = year.oracle._route(year.shipments.iloc[rows])
    stages = Stages(year.network)
    table = Truth(stages, HORIZON).by_day(route, event)
    for row in range(len(rows)):
        slow = reference_truth.distribution(stages, route, row, event)
        expected = np.zeros(HORIZON)
        for day, weight in slow.items():
            if day - route.day[row] < HORIZON:
                expected[day - route.day[row]] += weight
        np.testing.assert_allclose(table[row], np.cumsum(expected), atol=1e-12)


def test_truth_is_a_distribution_that_starts_after_the_order(year: Simulation) -> None:
    for event in EVENTS:
        truth = year.true_distribution(year.shipments, event)
        assert truth.shape == (len(year.shipments), HORIZON)
        assert truth.min() >= 0
        assert truth.max() <= 1
        assert (np.diff(truth, axis=1) >= 0).all()
        assert (truth[:, 0] == 0).all()  # the linehaul takes a working day at least
        assert truth[:, -1].min() > 0.9


def test_an_attempt_comes_no_later_than_the_delivery(year: Simulation) -> None:
    attempt = year.true_distribution(year.shipments[:2000], "first_attempt")
    delivered = year.true_distribution(year.shipments[:2000])
    assert (attempt >= delivered - 1e-12).all()
    assert (attempt > delivered + 0.01).any()


def test_truth_is_flat_on_days_without_deliveries(year: Simulation) -> None:
    frame = year.shipments.iloc[::31]
    mass = np.diff(year.true_distribution(frame), axis=1, prepend=0.0)
    route, _ = year.oracle._route(frame)
    n_services = len(year.config.services)
    rests = 0
    for row, (_, shipment) in enumerate(frame.iterrows()):
        courier = int(route.courier[row])
        service = None
        if courier < len(year.config.carriers) * n_services:
            service = year.config.services[courier % n_services]
        name = year.network.couriers.names[courier]
        week = year.oracle.working_week(name, service)
        closed = year.oracle.closed_days(name, service, shipment["destination_country"])
        local = shipment["ordered_at"].tz_convert(shipment["destination_time_zone"])
        dates = pd.date_range(local.date(), periods=HORIZON)
        resting = ~np.array(week)[dates.day_of_week] | dates.isin(pd.DatetimeIndex(closed))
        assert (mass[row, resting] == 0).all()
        rests += resting.sum()
    assert rests > 1000  # it is no test of a network that never rests


def test_missing_mass_is_what_is_lost_or_returned() -> None:
    config = NetworkConfig(seed=3, days=40, lost_share=0.0, returned_share=0.0)
    frame = simulate(config).shipments
    everything = simulate(config).true_distribution(frame, horizon=120)
    np.testing.assert_allclose(everything[:, -1], 1.0, atol=1e-9)

    losing = simulate(replace(config, lost_share=0.05))
    lost = losing.network.couriers.carrier_lost[
        [config.carriers.index(name) for name in losing.shipments["carrier"]]
    ]
    kept = losing.true_distribution(losing.shipments, horizon=120)[:, -1]
    np.testing.assert_allclose(kept, 1 - lost, atol=1e-9)
    assert (losing.outcomes["fate"] == "lost").mean() == pytest.approx(lost.mean(), abs=0.015)

    returning = simulate(replace(config, returned_share=0.05))
    comes = returning.true_distribution(returning.shipments, horizon=120)[:, -1]
    fates = returning.outcomes["fate"]
    assert set(fates) == {"delivered", "returned"}
    assert (fates == "returned").mean() == pytest.approx(1 - comes.mean(), abs=0.015)


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one(month: Simulation) -> None:
    frame = month.shipments[:500]
    long = month.true_distribution(frame, horizon=90)
    np.testing.assert_allclose(month.true_distribution(frame, horizon=20), long[:, :20])


def test_truth_depends_on_the_row_and_not_on_its_neighbours(month: Simulation) -> None:
    frame = month.shipments[:600]
    truth = month.true_distribution(frame)
    shuffled = frame.sample(frac=1.0, random_state=1)
    np.testing.assert_array_equal(month.true_distribution(shuffled), truth[shuffled.index])
    ids = frame["shipment_id"][::-1].tolist()
    np.testing.assert_array_equal(month.true_distribution(ids), truth[::-1])
    assert month.true_distribution(frame[:0]).shape == (0, HORIZON)


def test_planted_events_slow_what_they_name() -> None:
    config = NetworkConfig(seed=4, days=60, shipments_per_day=40.0)
    start = pd.Timestamp(config.start)
    collapse = CarrierCollapse(
        carrier="acme",
        start=(start + pd.Timedelta(days=20)).date(),
        end=(start + pd.Timedelta(days=30)).date(),
        slowdown=2.5,
        lost_share=0.2,
    )
    disruption = RegionalDisruption(
        region="TX",
        start=(start + pd.Timedelta(days=20)).date(),
        end=(start + pd.Timedelta(days=30)).date(),
        slowdown=2.0,
    )
    plain = simulate(config)
    planted = simulate(replace(config, planted=(collapse, disruption)))
    pd.testing.assert_frame_equal(plain.shipments, planted.shipments)
    before = plain.true_distribution(plain.shipments)
    after = planted.true_distribution(plain.shipments)
    frame = plain.shipments
    day = (frame["ordered_at"].dt.tz_localize(None) - start).dt.days.to_numpy()
    acme = (frame["carrier"] == "acme").to_numpy()
    texas = ((frame["origin_region"] == "TX") | (frame["destination_region"] == "TX")).to_numpy()
    during = (day >= 20) & (day < 26)
    assert (before[during & acme, 5] - after[during & acme, 5]).mean() > 0.1
    assert (before[during & acme, -1] - after[during & acme, -1]).mean() > 0.1
    assert (before[during & texas, 5] - after[during & texas, 5]).mean() > 0.1
    elsewhere = ~acme & ~texas
    np.testing.assert_array_equal(before[elsewhere], after[elsewhere])
    np.testing.assert_array_equal(before[day > 31], after[day > 31])
    assert_uniform(transforms(after, days_until(planted, "delivered_at")), "planted")


def test_orders_of_several_parcels_arrive_together_as_the_truth_says() -> None:
    simulation = simulate(
        NetworkConfig(seed=6, days=60, shipments_per_day=150.0, several_parcels_share=1.0)
    )
    orders, joint = simulation.oracle.order_distribution(simulation.shipments)
    order = simulation.shipments["order_id"]
    last = pd.Series(days_until(simulation, "delivered_at")).groupby(order.to_numpy()).max()
    assert order.value_counts().min() == 2
    assert_uniform(transforms(joint, last[orders].to_numpy()), "orders")
    single = simulation.true_distribution(simulation.shipments)
    weakest = pd.DataFrame(single).groupby(order.to_numpy()).min().loc[orders].to_numpy()
    product = pd.DataFrame(single).groupby(order.to_numpy()).prod().loc[orders].to_numpy()
    assert (joint <= weakest + 1e-12).all()
    assert (joint >= product - 1e-12).all()
    assert (joint[:, 8] > product[:, 8] + 0.01).mean() > 0.3


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("carrier", "nobody", "carrier 'nobody'"),
        ("service", "teleport", "service 'teleport'"),
        ("origin", "00000", "origin '00000'"),
        ("destination", "00000", "destination '00000'"),
        ("ordered_at", pd.Timestamp("1999-01-01", tz="UTC"), "out of this network's time"),
    ],
)
def test_what_is_not_of_the_network_is_refused(
    month: Simulation, column: str, value: object, expected: str
) -> None:
    frame = month.shipments[:3].assign(**{column: value})
    with pytest.raises(ContractError, match=expected):
        month.true_distribution(frame)


def test_misuse_of_the_truth_is_named(month: Simulation) -> None:
    frame = month.shipments[:3]
    with pytest.raises(ContractError, match="event is 'lost'"):
        month.true_distribution(frame, "lost")  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="horizon is 0"):
        month.true_distribution(frame, horizon=0)
    with pytest.raises(ContractError, match="not in this simulation"):
        month.true_distribution(["X"])
    with pytest.raises(ContractError, match="lack"):
        month.true_distribution(frame.drop(columns="carrier"))
    with pytest.raises(ContractError, match="no time zone"):
        month.true_distribution(frame.assign(ordered_at=frame["ordered_at"].dt.tz_localize(None)))
    with pytest.raises(ContractError, match="lack order_id"):
        month.oracle.order_distribution(frame.drop(columns="order_id"))
    with pytest.raises(ContractError, match="differently by service"):
        month.oracle.working_week("acme")
