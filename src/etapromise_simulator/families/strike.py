"""A strike and a sudden recovery: one carrier nearly stands still, then works off what waits.

A smaller strike in the second month is all that history knows of it.
"""

from __future__ import annotations

from datetime import date

from etapromise_simulator.families.description import Carrier, Family, Spell, Stage, Warehouse

__all__ = ["FAMILY"]

FAMILY = Family(
    name="strike",
    settings=True,
    zone="Europe/Paris",
    country="FR",
    warehouses=(
        Warehouse(name="75001", hours=6.0, trucks=(12.0, 18.0)),
        Warehouse(name="69001", hours=10.0, trucks=(17.0,)),
    ),
    carriers=(
        Carrier(
            name="corbeau",
            share=2.0,
            services={
                "ground": (
                    Stage(daily=0.65, minimum=1, distance=True),
                    Stage(daily=0.7, status="delivered"),
                )
            },
        ),
        Carrier(
            name="mouette",
            services={
                "ground": (
                    Stage(daily=0.55, minimum=1, distance=True),
                    Stage(daily=0.75, status="delivered"),
                )
            },
        ),
    ),
    spells=(
        Spell(start=date(2024, 10, 21), end=date(2024, 10, 28), pace=0.4, carrier="corbeau"),
        Spell(start=date(2025, 6, 2), end=date(2025, 6, 16), pace=0.2, carrier="corbeau"),
        Spell(start=date(2025, 6, 16), end=date(2025, 6, 23), pace=1.4, carrier="corbeau"),
    ),
)
