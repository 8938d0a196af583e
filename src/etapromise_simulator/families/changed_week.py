"""A carrier changes its week: it works on Saturdays and Sundays from May on; another stops to."""

from __future__ import annotations

from datetime import date

from etapromise_simulator.families.description import (
    EVERY_DAY,
    MONDAY_TO_FRIDAY,
    MONDAY_TO_SATURDAY,
    Carrier,
    Family,
    Stage,
    Warehouse,
)

__all__ = ["FAMILY"]

FAMILY = Family(
    name="changed week",
    settings=True,
    zone="Australia/Sydney",
    country="AU",
    warehouses=(
        Warehouse(name="2000", hours=4.0, trucks=(11.0, 16.0), week=EVERY_DAY),
        Warehouse(name="3000", hours=8.0, trucks=(18.0,), week=MONDAY_TO_SATURDAY),
    ),
    carriers=(
        Carrier(
            name="brolga",
            weeks_from=((date(2025, 5, 19), EVERY_DAY),),
            services={
                "parcel": (
                    Stage(daily=0.75, minimum=1, distance=True),
                    Stage(daily=0.8, status="delivered"),
                )
            },
        ),
        Carrier(
            name="galah",
            week=MONDAY_TO_SATURDAY,
            weeks_from=((date(2025, 6, 23), MONDAY_TO_FRIDAY),),
            services={
                "parcel": (
                    Stage(daily=0.65, minimum=1, distance=True),
                    Stage(daily=0.7, status="delivered"),
                ),
                "express": (
                    Stage(daily=0.95, minimum=1),
                    Stage(daily=0.9, status="delivered"),
                ),
            },
        ),
    ),
    service_shares={"express": 0.6},
)
