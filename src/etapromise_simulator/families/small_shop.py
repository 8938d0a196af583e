"""A shop with three hundred orders in all, some 150 of them there to learn from at first.

One such shop is luck; ten are told together.
"""

from __future__ import annotations

from etapromise_simulator.families.description import (
    MONDAY_TO_SATURDAY,
    Carrier,
    Family,
    Stage,
    Warehouse,
)

__all__ = ["FAMILY"]

FAMILY = Family(
    name="small shop",
    settings=False,
    zone="Europe/Vienna",
    country="AT",
    warehouses=(Warehouse(name="1010", hours=10.0, trucks=(16.0,)),),
    carriers=(
        Carrier(
            name="gams",
            week=MONDAY_TO_SATURDAY,
            services={
                "paket": (
                    Stage(daily=0.75, minimum=1, distance=True),
                    Stage(daily=0.8, status="delivered"),
                )
            },
        ),
    ),
    regions=9,
    areas=6,
    far=1,
    orders_per_day=1.5,
    days=200,
    judged_days=90,
    seeds=tuple(range(10)),
)
