"""Carriers that deliver twice a week: each region has its two days, which differ."""

from __future__ import annotations

from etapromise_simulator.families.description import Carrier, Family, Stage, Warehouse

__all__ = ["FAMILY"]

FAMILY = Family(
    name="twice a week",
    settings=True,
    zone="America/Santiago",
    country="CL",
    warehouses=(Warehouse(name="8320000", hours=6.0, trucks=(12.0, 18.0)),),
    carriers=(
        Carrier(
            name="zorro",
            services={
                "ground": (
                    Stage(daily=0.8, minimum=1, distance=True),
                    Stage(daily=0.85, week=("Mon Thu", "Tue Fri", "Wed Sat"), status="delivered"),
                )
            },
        ),
        Carrier(
            name="huemul",
            services={
                "ground": (
                    Stage(daily=0.6, minimum=1, distance=True),
                    Stage(daily=0.9, week=("Tue Fri", "Mon Thu"), status="delivered"),
                )
            },
        ),
    ),
    far=4,
)
