"""A price campaign doubles the orders for a week: queues in the warehouse, a carrier out of breath.

Two smaller ones lie in the past.
"""

from __future__ import annotations

from datetime import date

from etapromise_simulator.families.description import (
    EVERY_DAY,
    Campaign,
    Carrier,
    Family,
    Spell,
    Stage,
    Warehouse,
)

__all__ = ["FAMILY"]

FAMILY = Family(
    name="price campaign",
    settings=False,
    zone="Europe/Istanbul",
    country="TR",
    warehouses=(
        Warehouse(name="34010", hours=8.0, load=0.9, trucks=(12.0, 18.0), week=EVERY_DAY),
        Warehouse(name="06010", hours=12.0, load=0.7, trucks=(17.0,)),
    ),
    carriers=(
        Carrier(
            name="leylek",
            week="Mon Tue Wed Thu Fri Sat",
            services={
                "standart": (
                    Stage(daily=0.7, minimum=1, distance=True),
                    Stage(daily=0.7, status="delivered"),
                )
            },
        ),
        Carrier(
            name="kartal",
            services={
                "standart": (
                    Stage(daily=0.6, minimum=1, distance=True),
                    Stage(daily=0.75, status="delivered"),
                ),
                "express": (
                    Stage(daily=0.92, minimum=1),
                    Stage(daily=0.85, status="delivered"),
                ),
            },
        ),
    ),
    service_shares={"express": 0.5},
    campaigns=(
        Campaign(start=date(2024, 11, 25), end=date(2024, 12, 2), times=1.6),
        Campaign(start=date(2025, 3, 10), end=date(2025, 3, 14), times=1.5),
        Campaign(start=date(2025, 6, 9), end=date(2025, 6, 16), times=2.0),
    ),
    spells=(
        Spell(start=date(2024, 11, 28), end=date(2024, 12, 6), pace=0.85),
        Spell(start=date(2025, 6, 12), end=date(2025, 6, 20), pace=0.75),
    ),
    capacity=1.2,
)
