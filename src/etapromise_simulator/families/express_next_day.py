"""Express: next-day and two-day services that nearly always keep their day, beside a ground one."""

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
    name="express next day",
    settings=False,
    zone="America/Chicago",
    country="US",
    warehouses=(
        Warehouse(name="60601", hours=3.0, spread=0.5, trucks=(11.0, 15.0, 19.0)),
        Warehouse(name="75201", hours=7.0, trucks=(18.0,), week=MONDAY_TO_SATURDAY),
    ),
    carriers=(
        Carrier(
            name="falcon",
            wobble=0.05,
            services={
                "next-day": (Stage(daily=0.95, minimum=1, status="delivered"),),
                "two-day": (Stage(daily=0.93, minimum=2, status="delivered"),),
            },
        ),
        Carrier(
            name="heron",
            week=MONDAY_TO_SATURDAY,
            services={
                "next-day": (Stage(daily=0.88, minimum=1, status="delivered"),),
                "ground": (
                    Stage(daily=0.7, minimum=1, distance=True),
                    Stage(daily=0.8, status="delivered"),
                ),
            },
        ),
    ),
    uneven=0.15,
)
