"""A marketplace: eighty sellers, each with hours of its own, and lorries that drive on days off."""

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
    name="marketplace",
    settings=False,
    zone="America/New_York",
    country="US",
    # From two hours to four days, and lorries from ten in the morning to eight in the evening.
    warehouses=tuple(
        Warehouse(
            name=f"{10_000 + 11 * number}",
            hours=2.0 * 1.05**number,
            spread=0.4 + 0.02 * (7 * number % 25),
            trucks=(10.0 + 3 * number % 11,),
            week=MONDAY_TO_SATURDAY if number % 4 == 0 else MONDAY_TO_FRIDAY,
        )
        for number in range(80)
    ),
    carriers=(
        Carrier(
            name="pelican",
            share=2.0,
            week=MONDAY_TO_SATURDAY,
            services={
                "standard": (
                    Stage(daily=0.6, minimum=1, distance=True, week=EVERY_DAY),
                    Stage(daily=0.85, status="delivered"),
                )
            },
        ),
        Carrier(
            name="swift",
            services={
                "express": (
                    Stage(daily=0.85, minimum=1, week=EVERY_DAY),
                    Stage(daily=0.9, status="delivered"),
                )
            },
        ),
    ),
    start=date(2024, 6, 3),
    days=421,
    # Columbus Day, Veterans Day, Juneteenth and others are days like any.
    closed=(
        date(2024, 7, 4),
        date(2024, 9, 2),
        date(2024, 11, 28),
        date(2024, 12, 25),
        date(2025, 1, 1),
        date(2025, 5, 26),
        date(2025, 7, 4),
    ),
)
