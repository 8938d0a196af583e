"""The model that is attacked: small, and with something in every array that a model can have.

It is trained into output/fuzz unless it is there.
"""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import etapromise
from etapromise import PromiseModel
from etapromise.calendars.disruptions import Disruption
from etapromise.errors import ModelFileError
from etapromise.in_transit.training import TransitSettings
from tests.small_network import AS_OF, NETWORK, TRAINING

PLACE = Path("output/fuzz/full_model")
NUMERIC, CATEGORICAL = ("parcels", "volume"), ("product", "packaging", "picker")
NETWORK_OF_ALL = replace(
    NETWORK,
    start=date(2025, 3, 10),
    days=137,
    shipments_per_day=14.0,
    areas_per_region=3,
    regions=("CA", "IL", "MN", "TX", "QC"),
    carriers=("acme", "birdpost"),
    warehouses=3,
)
FEW_TREES = replace(TRAINING.boosting, rounds=6)
CALENDARS = """
[[closures]]
days = ["2025-07-10 to 2025-07-11"]

[[carriers]]
carrier = "acme"
service = "ground"
delivers = "Mon-Sat"
pickups = ["12:00", "17:30"]
extra_days = ["2025-07-13"]
half_days = ["2025-07-12"]

[[destinations]]
country = "US"
region = "TX"
delivers = "Mon-Fri"

[[blackouts]]
country = "US"
region = "CA"
days = ["2025-07-08"]

[[warehouses]]
origin = "56292"
works = "Mon-Sat"
cutoffs = ["Mon-Fri 11:00 -> same day", "2025-07-09 9:00"]
half_days = ["2025-07-07"]
"""
DISRUPTIONS = (
    Disruption(first=date(2025, 7, 3), last=date(2025, 7, 5), delay=2.0, carrier="acme"),
    Disruption(first=date(2025, 7, 4), last=date(2025, 7, 4), stop=True, postcodes=("9*",)),
)


def saved_model() -> Path:
    """Its directory, trained where it is not there yet or of another format."""
    try:
        etapromise.load(PLACE)
    except ModelFileError:
        shutil.rmtree(PLACE, ignore_errors=True)
        _trained().save(PLACE)
    return PLACE


@functools.cache
def model() -> PromiseModel:
    """It, loaded once."""
    return etapromise.load(saved_model())


def _trained() -> PromiseModel:
    from etapromise import tracking  # noqa: PLC0415
    from etapromise.calendars.calendar_file import CalendarFile  # noqa: PLC0415
    from etapromise_simulator import simulate  # noqa: PLC0415

    world = simulate(NETWORK_OF_ALL)
    number = world.shipments.index.to_numpy()
    for turn, name in enumerate((*NUMERIC, *CATEGORICAL)):
        drawn = (number * 7919) % (5 + turn)
        world.shipments[name] = drawn if name in NUMERIC else [f"{name} {one}" for one in drawn]
    calendars = PLACE.with_suffix(".toml")
    calendars.parent.mkdir(parents=True, exist_ok=True)
    calendars.write_text(CALENDARS)
    config = replace(
        TRAINING,
        boosting=FEW_TREES,
        transit=TransitSettings(boosting=FEW_TREES, most_looks=4000),
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        calendars=CalendarFile.read(calendars),
        holdout_days=28,
        warm_up_days=20,
        members=1,
    )
    history = tracking.history(world.shipments, world.scans)
    return etapromise.train(history, as_of=AS_OF, config=config).with_disruptions(DISRUPTIONS)
