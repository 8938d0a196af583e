"""Families of networks: what is drawn follows the truth that is told, and a seed is a network."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from etapromise import tracking
from etapromise.errors import ContractError
from etapromise_simulator.families import FAMILIES, World
from etapromise_simulator.families.description import Spell, Stage, weekdays

LOOKS = (1, 2, 3, 4, 5, 7, 10, 14, 21)


def small(name, **changes):
    """A family made quick to draw: each lane takes as long as a hundred of its parcels."""
    shape = {"days": 80, "orders_per_day": 30.0, "judged_days": 20, "regions": 4}
    return replace(FAMILIES[name], **(shape | changes))


def days_taken(world, shipments):
    """Local days from order to delivery, infinite where it never came."""
    delivered = world.scans[world.scans["status"] == "delivered"]
    at = shipments["shipment_id"].map(delivered.set_index("shipment_id")["scanned_at"])
    local = [
        moments.dt.tz_convert(world.family.zone).dt.tz_localize(None).dt.normalize()
        for moments in (at, shipments["ordered_at"])
    ]
    return (local[0] - local[1]).dt.days.fillna(np.inf).to_numpy()


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_drawn_follows_the_truth(name):
    world = World(small(name), seed=3)
    taken = days_taken(world, world.shipments)
    truth = world.true_distribution(world.shipments)
    assert ((np.diff(truth, axis=1) >= -1e-12) & (truth[:, 1:] <= 1.0)).all()
    for day in LOOKS:
        chance = truth[:, day]
        spread = np.sqrt((chance * (1 - chance)).sum()) + 1.0
        assert abs(((taken <= day) - chance).sum()) < 4.5 * spread
    # Nothing happens that the truth holds for impossible.
    came = np.isfinite(taken)
    own = truth[np.flatnonzero(came), taken[came].astype(int).clip(0, 59)]
    assert (own > 0).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_its_tables_are_of_the_contract(name):
    world = World(small(name, days=40))
    history = tracking.history(world.shipments, world.scans)
    assert len(history.shipments) == len(world.shipments)
    assert len(history.shipment_rejects) == len(history.scan_rejects) == 0
    delivered = history.milestones["delivered_at"]
    assert delivered.notna().mean() > 0.97
    picked = history.milestones["picked_up_at"]
    assert ((delivered > picked) | delivered.isna()).all()
    assert (picked >= history.shipments["ordered_at"]).all()


def test_pick_ups_follow_their_truth_and_the_hour():
    world = World(small("around the clock"), seed=1)
    shipments = world.shipments
    truth = world.true_pickup(shipments)
    scans = world.scans[world.scans["status"] == "picked_up"].set_index("shipment_id")
    picked = shipments["shipment_id"].map(scans["scanned_at"]).dt.tz_convert(world.family.zone)
    ordered = shipments["ordered_at"].dt.tz_convert(world.family.zone)
    days = (picked.dt.normalize() - ordered.dt.normalize()).dt.round("D").dt.days.to_numpy()
    for day in (0, 1, 2):
        chance = truth[:, day]
        spread = np.sqrt((chance * (1 - chance)).sum()) + 1.0
        assert abs(((days <= day) - chance).sum()) < 4.5 * spread
    # Of two hours, the later one is never the likelier to leave the same day.
    one = shipments.iloc[[0] * 24].reset_index(drop=True)
    midnight = ordered.iloc[0].normalize()
    one["ordered_at"] = (midnight + pd.to_timedelta(np.arange(24), unit="h")).tz_convert("UTC")
    same_day = world.true_pickup(one)[:, 0]
    assert same_day[6] > same_day[12] > same_day[18] > 0


def test_a_seed_is_a_network_and_the_same_one_every_time():
    one, again, other = (World(small("two hubs"), seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one.shipments, again.shipments)
    pd.testing.assert_frame_equal(one.scans, again.scans)
    asked = one.shipments.head(50)
    assert np.array_equal(one.true_distribution(asked), again.true_distribution(asked))
    assert not np.allclose(one.true_distribution(asked), other.true_distribution(asked))


def test_a_slow_spell_slows_what_is_under_way_and_leaves_the_rest():
    calm = small("strike", spells=())
    spell = Spell(start=date(2024, 11, 4), end=date(2024, 11, 18), pace=0.2, carrier="corbeau")
    quiet, struck = World(calm), World(replace(calm, spells=(spell,)))
    shipments = quiet.shipments
    later, now = (world.true_distribution(shipments)[:, 6] for world in (struck, quiet))
    local = shipments["ordered_at"].dt.tz_convert(calm.zone).dt.strftime("%Y-%m-%d")
    hit = (shipments["carrier"] == "corbeau") & (local >= "2024-11-01") & (local < "2024-11-12")
    assert (later <= now)[hit.to_numpy()].all()
    assert (now - later)[hit.to_numpy()].mean() > 0.1
    untouched = (shipments["carrier"] != "corbeau") | (local >= "2024-11-19")
    assert np.allclose(later[untouched.to_numpy()], now[untouched.to_numpy()])


def test_on_closed_dates_no_truck_leaves_and_nothing_is_delivered_but_parcels_go_on():
    world = World(small("marketplace", days=60, closed=(date(2024, 7, 4),)), seed=2)
    local = world.scans["scanned_at"].dt.tz_convert(world.family.zone)
    on_the_fourth = world.scans["status"][local.dt.date == date(2024, 7, 4)]
    assert set(on_the_fourth) == {"arrived"}
    before = world.scans["status"][local.dt.date == date(2024, 6, 27)]
    assert set(before) == {"picked_up", "arrived", "delivered"}


def test_both_halves_are_there_and_what_no_parcel_could_pass_is_refused():
    assert {True, False} == {family.settings for family in FAMILIES.values()}
    carrier = replace(FAMILIES["strike"].carriers[0], services={"x": (Stage(daily=0.5),)})
    with pytest.raises(ContractError, match="minimum of at least one"):
        small("strike", carriers=(carrier,))
    with pytest.raises(ContractError, match="Mittwoch"):
        weekdays("Mon Mittwoch")
