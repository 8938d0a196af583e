"""Training: nothing received after its moment counts, the same input gives the same bytes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise import PromiseModel, TrainingConfig, tracking, train
from etapromise.errors import ContractError, EtapromiseError, InsufficientHistoryError
from etapromise_simulator import NetworkConfig, Simulation, simulate
from tests.small_network import AS_OF, TRAINING, fields_of, saved

if TYPE_CHECKING:
    from etapromise.tracking import TrackedHistory

LATER = AS_OF + pd.Timedelta(days=10)
Tables = tuple[pd.DataFrame, pd.DataFrame]


def split(simulation: Simulation, moment: pd.Timestamp) -> tuple[Tables, Tables]:
    """What had been received before a moment, and the rest."""
    old = simulation.shipments["ordered_at"] < moment
    seen = simulation.scans["received_at"] < moment
    return (simulation.shipments[old], simulation.scans[seen]), (
        simulation.shipments[~old],
        simulation.scans[~seen],
    )


def dropped(simulation: Simulation, moment: pd.Timestamp) -> Tables:
    """Nothing is received after the moment."""
    return split(simulation, moment)[0]


def altered(simulation: Simulation, moment: pd.Timestamp) -> Tables:
    """Everything received after the moment says something else, of another time."""
    (orders, scans), (new_orders, new_scans) = split(simulation, moment)
    rng = np.random.default_rng(3)
    wait = pd.to_timedelta(rng.integers(0, 20 * 86_400, len(new_scans)), unit="s")
    received = new_scans["received_at"] + wait
    shuffled = new_scans.assign(
        received_at=received,
        scanned_at=received - pd.to_timedelta(rng.integers(0, 9 * 86_400, len(wait)), unit="s"),
        status=rng.permutation(new_scans["status"].to_numpy()),
    )
    other = new_orders.assign(
        destination=rng.permutation(new_orders["destination"].to_numpy()),
        carrier="newcomer",
        destination_time_zone="Asia/Tokyo",
        weight_kg=1e5,
    )
    return pd.concat([orders, other]), pd.concat([scans, shuffled])


def invented(simulation: Simulation, moment: pd.Timestamp) -> Tables:
    """Late news of old parcels, of old and new times, and a flood of new orders."""
    (orders, scans), (_, new_scans) = split(simulation, moment)
    rng = np.random.default_rng(4)
    late = scans.sample(3000, random_state=5)
    received = moment + pd.to_timedelta(rng.integers(0, 30 * 86_400, len(late)), unit="s")
    before = pd.to_timedelta(rng.integers(0, 40 * 86_400, len(late)), unit="s")
    news = late.assign(
        received_at=received.astype("datetime64[us, UTC]"),
        scanned_at=(received - before).astype("datetime64[us, UTC]"),
        status="delivered",
        vocabulary=None,
    )
    closing = news.iloc[::3].assign(status="returned")
    flood = pd.concat(
        [
            orders.tail(900).assign(
                shipment_id=[f"flood-{number}-{copy}" for number in range(900)],
                ordered_at=moment + pd.Timedelta(hours=1 + copy),
            )
            for copy in range(3)
        ]
    )
    return pd.concat([orders, flood]), pd.concat([scans, new_scans, news, closing])


@pytest.fixture(scope="module")
def files(model: PromiseModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return saved(model, tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def refreshed(model: PromiseModel, parcels: TrackedHistory) -> PromiseModel:
    return model.refresh(parcels, as_of=LATER)


@pytest.mark.parametrize("future", [dropped, altered, invented])
def test_the_future_changes_nothing(
    simulation: Simulation, files: dict[str, str], future: Any, tmp_path: Path
) -> None:
    """Whatever is received after as_of, the model's files stay the same byte for byte."""
    shipments, scans = future(simulation, AS_OF)
    assert not scans.reset_index(drop=True).equals(simulation.scans)
    model = train(shipments, scans, as_of=AS_OF, config=TRAINING)
    assert saved(model, tmp_path / "model") == files


@pytest.mark.parametrize("future", [dropped, altered, invented])
def test_the_future_changes_no_refresh(
    model: PromiseModel,
    refreshed: PromiseModel,
    simulation: Simulation,
    orders: pd.DataFrame,
    future: Any,
    tmp_path: Path,
) -> None:
    again = model.refresh(*future(simulation, LATER), as_of=LATER)
    assert saved(again, tmp_path / "again") == saved(refreshed, tmp_path / "refreshed")
    np.testing.assert_array_equal(
        again.distribution_many(orders).probability,
        refreshed.distribution_many(orders).probability,
    )


def test_the_order_of_rows_changes_nothing(
    simulation: Simulation, files: dict[str, str], tmp_path: Path
) -> None:
    """Nor does a second training in the same process."""
    model = train(
        simulation.shipments.sample(frac=1, random_state=1),
        simulation.scans.sample(frac=1, random_state=2),
        as_of=AS_OF,
        config=TRAINING,
    )
    assert saved(model, tmp_path / "model") == files


def test_a_change_in_the_past_does_change_the_model(
    simulation: Simulation, files: dict[str, str], tmp_path: Path
) -> None:
    """The files are not the same for lack of looking."""
    scans = simulation.scans
    late = (scans["received_at"] > AS_OF - pd.Timedelta(days=2)) & (scans["received_at"] < AS_OF)
    moved = scans.assign(received_at=scans["received_at"].where(~late, LATER))
    model = train(simulation.shipments, moved, as_of=AS_OF, config=TRAINING)
    changed = saved(model, tmp_path / "model")
    assert all(changed[name] != files[name] for name in ("arrays.npz", "manifest.json"))


def test_a_refresh_at_the_training_moment_is_the_model_itself(
    model: PromiseModel, parcels: TrackedHistory, files: dict[str, str], tmp_path: Path
) -> None:
    assert saved(model.refresh(parcels, as_of=AS_OF), tmp_path / "again") == files


def test_a_refresh_leaves_the_model_as_it_was(
    model: PromiseModel, refreshed: PromiseModel, files: dict[str, str], tmp_path: Path
) -> None:
    assert saved(model, tmp_path / "model") == files
    assert refreshed.version != model.version
    assert refreshed.as_of == LATER
    assert refreshed.manifest["trained_as_of"] == model.manifest["trained_as_of"]
    for one, other in zip(
        refreshed.parts.forest.to_arrays().values(),
        model.parts.forest.to_arrays().values(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_refresh_learns_of_new_carriers(
    model: PromiseModel, simulation: Simulation, parcels: TrackedHistory
) -> None:
    first = parcels.shipments["ordered_at"].between(AS_OF - pd.Timedelta(days=60), AS_OF)
    some = simulation.shipments["shipment_id"].isin(parcels.shipments.loc[first, "shipment_id"])
    renamed = simulation.shipments.assign(
        carrier=simulation.shipments["carrier"].mask(
            some & (simulation.shipments["carrier"] == "acme"), "newcomer"
        )
    )
    fresh = model.refresh(renamed, simulation.scans, as_of=LATER)
    fields = fields_of(renamed.iloc[-1]) | {"carrier": "newcomer"}
    codes = [
        {message["code"] for message in one.promise(**fields).messages} for one in (model, fresh)
    ]
    assert "unseen_carrier" in codes[0]
    assert "unseen_carrier" not in codes[1]


def test_the_manifest_tells_what_was_done(model: PromiseModel, simulation: Simulation) -> None:
    manifest = model.manifest
    cancelled = 0  # the simulation cancels nothing
    known = (simulation.shipments["ordered_at"] < AS_OF).sum() - cancelled
    assert manifest["trained_on"]["shipments"] == known
    assert pd.Timestamp(manifest["trained_as_of"]) == AS_OF
    assert model.as_of == AS_OF
    delivered = simulation.outcomes["delivered_at"] < AS_OF
    assert 0.97 * delivered.sum() < manifest["trained_on"]["arrived"] <= delivered.sum()


def test_a_moment_without_a_zone_is_utc(parcels: TrackedHistory, model: PromiseModel) -> None:
    for moment in ("2025-07-11", "2025-07-11T02:00:00+02:00", LATER.to_pydatetime()):
        assert model.refresh(parcels, as_of=moment).as_of == LATER


@pytest.mark.parametrize("moment", ["yesterday-ish", None, pd.NaT, "2025-13-01"])
def test_a_moment_that_is_none(parcels: TrackedHistory, model: PromiseModel, moment: Any) -> None:
    with pytest.raises(ContractError, match=r"as_of.*2018-02-01"):
        train(parcels, as_of=moment)
    with pytest.raises(ContractError, match=r"as_of.*2018-02-01"):
        model.refresh(parcels, as_of=moment)


def test_a_moment_before_the_first_order(parcels: TrackedHistory, model: PromiseModel) -> None:
    for attempt in (train, model.refresh):
        with pytest.raises(InsufficientHistoryError, match=r"no order before.*2024.*later as_of"):
            attempt(parcels, as_of="2024-12-31")


@pytest.mark.parametrize("days", [1, 2, 3])
def test_too_little_history(parcels: TrackedHistory, days: int) -> None:
    first = parcels.shipments["ordered_at"].min()
    with pytest.raises(InsufficientHistoryError, match=r"Found .*expected.*later as_of"):
        train(parcels, as_of=first + pd.Timedelta(days=days), config=TRAINING)


def test_scans_that_belong_to_other_shipments(simulation: Simulation) -> None:
    strangers = simulation.scans.assign(shipment_id="x" + simulation.scans["shipment_id"])
    with pytest.raises(EtapromiseError, match=r"none of the .* scans is of one of the shipments"):
        train(simulation.shipments, strangers, as_of=AS_OF)


def test_empty_tables(simulation: Simulation) -> None:
    with pytest.raises(InsufficientHistoryError, match="Found no shipments; expected"):
        train(simulation.shipments.iloc[:0], simulation.scans.iloc[:0], as_of=AS_OF)
    with pytest.raises(InsufficientHistoryError, match="expected"):
        train(simulation.shipments, simulation.scans.iloc[:0], as_of=AS_OF)


def test_one_table_without_the_other(simulation: Simulation, parcels: TrackedHistory) -> None:
    with pytest.raises(ContractError, match="without scans"):
        train(simulation.shipments, as_of=AS_OF)
    with pytest.raises(ContractError, match="beside a history that was read already"):
        train(parcels, simulation.scans, as_of=AS_OF)


def test_another_event_than_the_history_tracks(
    simulation: Simulation, parcels: TrackedHistory, model: PromiseModel
) -> None:
    with pytest.raises(ContractError, match=r"'delivered'.*'first_attempt'"):
        train(parcels, as_of=AS_OF, event="first_attempt")
    attempts = tracking.history(simulation.shipments, simulation.scans, event="first_attempt")
    with pytest.raises(ContractError, match=r"'first_attempt'.*'delivered'"):
        model.refresh(attempts, as_of=LATER)


def test_the_event_is_recorded_and_said(simulation: Simulation, orders: pd.DataFrame) -> None:
    """First attempts come no later than deliveries, and the model says what it promises."""
    history = tracking.history(simulation.shipments, simulation.scans, event="first_attempt")
    config = dataclasses.replace(TRAINING, members=1, transit=None, stages=False)
    attempts = train(history, as_of=AS_OF, config=config)  # a history brings its event along
    assert attempts.event == attempts.manifest["event"] == "first_attempt"
    assert attempts.promise(**fields_of(orders.iloc[0])).as_dict()["event"] == "first_attempt"


def test_pick_up_points_are_an_event_of_their_own(
    simulation: Simulation, orders: pd.DataFrame
) -> None:
    """A parcel can be had once it lies at a pick-up point, or has come to the door before that."""
    model = train(
        simulation.shipments,
        simulation.scans,
        as_of=AS_OF,
        event="available_for_pickup",
        config=dataclasses.replace(TRAINING, members=1, transit=None, stages=False),
    )
    promise = model.promise(**fields_of(orders.iloc[0]))
    assert promise.event == model.manifest["event"] == "available_for_pickup"
    assert promise.as_dict()["event"] == "available_for_pickup"
    tracked = tracking.history(simulation.shipments, simulation.scans, event="available_for_pickup")
    found = tracked.milestones
    there = found[["available_at", "delivered_at"]].min(axis=1)
    assert (found["event_at"].isna() == there.isna()).mean() > 0.99
    both = found["event_at"].notna() & there.notna()
    assert (found["event_at"][both] <= found["delivered_at"][both].fillna(there[both])).all()
    assert (found["event_at"] == found["available_at"]).sum() > 10


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ContractError, match="both numeric and categorical"):
        TrainingConfig(numeric=("a",), categorical=("a",))
    with pytest.raises(ContractError, match="holdout_days=0; expected at least 1"):
        TrainingConfig(holdout_days=0)


@pytest.mark.parametrize("role", ["numeric", "categorical"])
def test_a_named_column_that_is_not_there(parcels: TrackedHistory, role: str) -> None:
    with pytest.raises(ContractError, match=r"no column price.*columns are"):
        train(parcels, as_of=AS_OF, config=TrainingConfig(**{role: ("price",)}))


def test_a_zone_that_is_none(parcels: TrackedHistory) -> None:
    with pytest.raises(ContractError, match=r"'Mars/Base'.*IANA"):
        train(parcels, as_of=AS_OF, config=TrainingConfig(default_time_zone="Mars/Base"))


def test_progress_is_told(parcels: TrackedHistory) -> None:
    told: list[tuple[str, int, int]] = []
    train(
        parcels,
        as_of=AS_OF - pd.Timedelta(days=90),
        config=TRAINING,
        progress=lambda *step: told.append(step),
    )
    stages = dict.fromkeys(" ".join(stage.split()[:2]) for stage, _, _ in told)
    assert list(stages) == [
        f"{name} forest" for name in ("hold-out", "final", "handling", "transit", "in-transit")
    ]
    assert all(0 < done <= most for _, done, most in told)


def test_the_public_names() -> None:
    assert etapromise.train is train
    assert sorted(etapromise.__all__) == etapromise.__all__


@pytest.mark.slow
def test_stated_probabilities_come_true_on_a_network_with_known_truth() -> None:
    """A month of orders that the model has not seen, judged by the network's own distribution.

    The truth of each order is known as a distribution, so that only the model's errors count and
    not the luck of the draw: what is left is the drift that it cannot foresee.
    """
    network = simulate(NetworkConfig(seed=31, days=270, shipments_per_day=40.0, peak=0.0))
    tracked = tracking.history(network.shipments, network.scans)
    moment = pd.Timestamp("2025-09-15", tz="UTC")
    boosting = dataclasses.replace(TRAINING.boosting, rounds=120, num_leaves=15)
    model = train(tracked, as_of=moment, config=TrainingConfig(boosting=boosting, transit=None))
    ordered = tracked.shipments["ordered_at"]
    month = tracked.shipments[ordered.between(moment, moment + pd.Timedelta(days=28))]
    stated = model.distribution_many(month)
    horizon = stated.horizon
    truth = network.true_distribution(month, horizon=horizon + 2)
    # Days of the truth count from the order's date at the destination.
    zones = month["destination_time_zone"].to_numpy()
    local = [
        at.tz_convert(zone).date() for at, zone in zip(month["ordered_at"], zones, strict=True)
    ]
    shift = (stated.origin_dates - np.array(local, "datetime64[D]")).astype(int)
    column = np.clip(np.arange(horizon) + shift[:, None], 0, horizon + 1)
    truth = np.take_along_axis(truth, column, axis=1)
    for level in (0.5, 0.8, 0.9, 0.95):
        day = stated.at(level)
        there = day < horizon
        assert there.mean() > 0.99
        kept = truth[there, day[there]].mean()
        confidence = stated.confidence(day)[there].mean()
        assert confidence >= level
        # A month without a refresh: of six seeds the drift makes it 1.8 to 7.7 points at 0.8.
        assert abs(kept - confidence) < 0.05, (level, kept, confidence)
    # CRPS in expectation: the truth's own uncertainty, and the square of the distance to it.
    own = (truth * (1 - truth)).sum(axis=1).mean()
    ours = own + ((stated.probability - truth) ** 2).sum(axis=1).mean()
    assert ours < 1.25 * own


def test_a_refresh_takes_a_history_that_reaches_further_back_than_the_model(
    model: PromiseModel, simulation: Simulation
) -> None:
    shipments = simulation.shipments
    older = shipments.head(20).copy()
    older["shipment_id"] = "older-" + older["shipment_id"]
    older["ordered_at"] -= pd.Timedelta(days=400)
    further = model.refresh(pd.concat([older, shipments]), simulation.scans, as_of=AS_OF)
    assert further.version == model.version
