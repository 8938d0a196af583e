"""Handling around the clock: nothing is cut off sharply.

Parcels are made ready day and night, slower at night and with a queue before them, and a truck
leaves every hour of every day: the day of the pick-up depends smoothly on the hour of the order.
"""

from __future__ import annotations

from etapromise_simulator.families.description import (
    EVERY_DAY,
    EVERY_HOUR,
    MONDAY_TO_SATURDAY,
    Carrier,
    Family,
    Stage,
    Warehouse,
)

__all__ = ["FAMILY"]

FAMILY = Family(
    name="around the clock",
    settings=True,
    zone="Europe/Warsaw",
    country="PL",
    warehouses=(
        Warehouse(
            name="00-110", hours=11.0, night=1.6, load=0.5, trucks=EVERY_HOUR, week=EVERY_DAY
        ),
        Warehouse(
            name="61-001", hours=18.0, night=1.3, load=0.5, trucks=EVERY_HOUR, week=EVERY_DAY
        ),
    ),
    carriers=(
        Carrier(
            name="jaskolka",
            week=MONDAY_TO_SATURDAY,
            services={
                "standard": (
                    Stage(daily=0.7, minimum=1, distance=True),
                    Stage(daily=0.75, status="delivered"),
                )
            },
        ),
        Carrier(
            name="bocian",
            services={
                "standard": (
                    Stage(daily=0.55, minimum=1, distance=True),
                    Stage(daily=0.7, status="delivered"),
                ),
                "express": (
                    Stage(daily=0.93, minimum=1),
                    Stage(daily=0.9, status="delivered"),
                ),
            },
        ),
    ),
    service_shares={"express": 0.4},
)
