from __future__ import annotations

import datetime as dt

import pytest

from etapromise.errors import ContractError
from etapromise_simulator import (
    CarrierCollapse,
    CarrierStart,
    NetworkConfig,
    RegionalDisruption,
    WrongZone,
)

DAY = dt.date(2025, 5, 1)


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("days", 0, "days is 0"),
        ("shipments_per_day", -1.0, "shipments_per_day is -1"),
        ("lost_share", 0.5, "lost_share is 0.5"),
        ("rural_share", float("nan"), "rural_share is nan"),
        ("warehouses", 1, "warehouses is 1"),
        ("services", ("overnight",), "services has .'overnight'"),
        ("services", (), "services is empty"),
        ("carriers", ("a", "a"), "names one twice"),
        ("countries", ("US", "FR"), "countries has .'FR'"),
        ("regions", ("TX",), "without a region"),
        ("regions", ("TX", "XX"), "regions has .'XX'"),
        ("extract_end", dt.datetime(2025, 5, 1), "without a time zone"),  # noqa: DTZ001
        ("planted", (CarrierStart(carrier="x", start=DAY),), "names the carrier 'x'"),
        ("planted", (RegionalDisruption(region="x", start=DAY, end=DAY),), "names the region"),
        ("planted", (WrongZone(carrier="acme", start=DAY, end=DAY),), "ends before it starts"),
        (
            "planted",
            (CarrierCollapse(carrier="acme", start=DAY, end=dt.date.max, slowdown=9.0),),
            "slowdown out of",
        ),
        (
            "planted",
            (CarrierCollapse(carrier="acme", start=DAY, end=dt.date.max, lost_share=0.9),),
            "lost_share out of",
        ),
        (
            "planted",
            tuple(
                CarrierStart(carrier=name, start=DAY)
                for name in ("acme", "birdpost", "corvid", "dromedary")
            ),
            "Every carrier starts after",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(argument: str, value: object, expected: str) -> None:
    with pytest.raises(ContractError, match=expected):
        NetworkConfig(**{argument: value})  # type: ignore[arg-type]


def test_the_extract_ends_after_the_last_date_of_orders_by_default() -> None:
    config = NetworkConfig(start=dt.date(2025, 3, 1), days=31)
    assert config.extract_ends_at == dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
    zone = dt.timezone(dt.timedelta(hours=-5))
    later = NetworkConfig(extract_end=dt.datetime(2025, 4, 1, 12, tzinfo=zone))
    assert later.extract_ends_at == dt.datetime(2025, 4, 1, 17, tzinfo=dt.UTC)
