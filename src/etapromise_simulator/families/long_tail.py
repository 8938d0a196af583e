"""A long tail: three hundred lanes that see five orders a week each, or fewer."""

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
    name="long tail",
    settings=True,
    zone="Asia/Jakarta",
    country="ID",
    warehouses=(
        Warehouse(name="10110", hours=8.0, trucks=(14.0, 20.0)),
        Warehouse(name="60111", hours=14.0, trucks=(17.0,), week=MONDAY_TO_SATURDAY),
        Warehouse(name="20111", hours=9.0, trucks=(15.0,)),
    ),
    carriers=(
        Carrier(
            name="elang",
            week=MONDAY_TO_SATURDAY,
            services={
                "regular": (
                    Stage(daily=0.5, minimum=1, distance=True),
                    Stage(daily=0.6, status="delivered"),
                )
            },
        ),
        Carrier(
            name="kancil",
            services={
                "regular": (
                    Stage(daily=0.6, minimum=2, distance=True),
                    Stage(daily=0.7, status="delivered"),
                )
            },
        ),
    ),
    regions=50,
    areas=4,
    far=7,
    uneven=0.45,
)
