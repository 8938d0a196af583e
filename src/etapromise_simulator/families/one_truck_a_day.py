"""One truck a day: what is ready by half past four goes, everything else waits for tomorrow."""

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
    name="one truck a day",
    settings=False,
    zone="Asia/Kolkata",
    country="IN",
    warehouses=(
        Warehouse(name="110001", hours=2.0, spread=0.5, trucks=(16.5,), week=MONDAY_TO_SATURDAY),
        Warehouse(name="560001", hours=5.0, spread=0.3, trucks=(20.0,)),
    ),
    carriers=(
        Carrier(
            name="mayura",
            week=MONDAY_TO_SATURDAY,
            services={
                "surface": (
                    Stage(daily=0.6, minimum=1, distance=True),
                    Stage(daily=0.65, status="delivered"),
                ),
                "air": (
                    Stage(daily=0.85, minimum=1),
                    Stage(daily=0.75, status="delivered"),
                ),
            },
        ),
        Carrier(
            name="garuda",
            services={
                "surface": (
                    Stage(daily=0.75, minimum=2, distance=True),
                    Stage(daily=0.6, status="delivered"),
                )
            },
        ),
    ),
    regions=15,
    far=4,
)
