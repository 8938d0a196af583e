"""Random calls of a model: whatever is handed in, an answer or an `EtapromiseError`."""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from etapromise.errors import EtapromiseError
from tests.fuzz.driver import Choices, main
from tests.fuzz.full_model import CATEGORICAL, NUMERIC, model

NAME = "calls"

NAMES = (
    *("origin", "origin_region", "origin_country", "destination", "destination_region"),
    *("destination_country", "destination_time_zone", "carrier", "service", "quoted_date"),
    *("origin_lat", "origin_lon", "destination_lat", "destination_lon", "weight_kg"),
    *("service_level", "band", "ordered_at", *NUMERIC, *CATEGORICAL),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        "",
        "a",
        "US",
        "CA",
        "acme",
        "ground",
        "56292",
        "92479",
        "\ud800",
        "\0",
        "\x1f",
        "\x1a",
    ),
    *(
        "\x1f",
        "\x1a",
        "é" * 400,
        b"bytes",
        b"\xff",
        0,
        1,
        -1,
        0.5,
        0.9,
        1e308,
        1.79e308,
        -1e308,
        10**400,
        2**63,
        True,
    ),
    *(float("nan"), float("inf"), Decimal("sNaN"), Decimal("NaN"), Decimal("0.9"), 1j, [], {}, ()),
    *(object(), pd.NA, pd.NaT, np.float32(0.5), np.int64(5), np.str_("US"), np.array([1, 2])),
    *(np.datetime64("2025-07-02"), np.datetime64("NaT", "D"), date(2025, 7, 9), date.max),
    *("2025-07-09", "UTC", "America/New_York", "../etc/passwd", "Mars/Base"),
    *(datetime.max, datetime.min.replace(tzinfo=UTC), pd.Timestamp("2025-07-02", tz="UTC")),  # noqa: DTZ901 — naive on purpose
    *(timedelta(1), type, lambda: None),
)


USUAL = datetime(2025, 7, 2, 12, tzinfo=UTC)
PARCEL: dict[str, Any] = {"origin": "56292", "destination": "92479", "ordered_at": USUAL}
PARCEL |= dict.fromkeys((*NUMERIC, *CATEGORICAL))
SCAN = {"scanned_at": "2025-07-03T09:00Z", "status": "picked_up", "facility": "ORD"}


def case(data: bytes) -> str:
    """One call of a method of a model, with fields and arguments of any kind."""
    choices = Choices(data)
    model()  # which may not be refused
    fields = dict(PARCEL)
    for _ in range(choices.number(5)):
        fields[choices.pick(NAMES)] = choices.pick(VALUES)
    if choices.chance(0.02):
        fields["further"] = 1
    try:
        return CALLS[choices.number(12) % len(CALLS)](fields, choices)
    except EtapromiseError:
        return "refused"


def _promise(fields: dict[str, Any], choices: Choices) -> str:
    found = model().promise(**fields)
    assert 0.0 <= found.confidence <= 1.0
    assert date(2025, 1, 1) < found.earliest <= found.latest
    if choices.chance(0.2):
        json.dumps(found.as_dict(), allow_nan=False)
        found.probability_by(found.date)
        found.percentile(choices.pick(VALUES))
    return "promised"


def _order(fields: dict[str, Any], choices: Choices) -> str:
    level, parcels = _taken(fields, "service_level"), [fields, PARCEL]
    found = model().promise_order(choices.pick(([fields], parcels, [])), **level)
    assert 0.0 <= found.confidence <= 1.0
    return "promised"


def _compare(fields: dict[str, Any], choices: Choices) -> str:
    level = _taken(fields, "service_level")
    options = [fields | {"price": choices.pick((4.5,) * 40 + VALUES)}, PARCEL | {"cost": 1}]
    policy, price = choices.pick(POLICIES), choices.pick((None, 1) * 20 + VALUES)
    found = model().compare(options, policy, day_price=price, **level)
    assert len(found) == 2
    return "compared"


def _track(fields: dict[str, Any], choices: Choices) -> str:
    asked = _taken(fields, "service_level") | _taken(fields, "band")
    odd = choices.pick(("shipment_id", "scanned_at", "status", "facility", "country", "self"))
    scan = SCAN | ({odd: choices.pick(VALUES)} if choices.chance(0.6) else {})
    now = choices.pick((USUAL + timedelta(2),) * 4 + VALUES)
    found = model().track(fields, [SCAN, scan][choices.number(2) :], now, **asked)
    assert 0.0 <= found.lost_probability <= 1.0
    return "tracked"


def _taken(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: fields.pop(name)} if name in fields else {}


POLICIES = (0.9, "eco", date(2025, 7, 9)) * 14 + VALUES
CALLS = (*(_promise,) * 9, _order, _compare, _track)
"""Most are quotes; those that need pandas cost a hundred times as much."""
SEEDS = tuple(random.Random(seed).randbytes(24) for seed in range(20_000))  # noqa: S311


if __name__ == "__main__":
    sys.exit(main(NAME, case, SEEDS))
