"""Two hubs in a row, which send on in batches: what misses one waits for the next."""

from __future__ import annotations

from etapromise_simulator.families.description import Carrier, Family, Stage, Warehouse

__all__ = ["FAMILY"]

FAMILY = Family(
    name="two hubs",
    settings=False,
    zone="Africa/Johannesburg",
    country="ZA",
    warehouses=(
        Warehouse(name="2000", hours=5.0, trucks=(16.0,)),
        Warehouse(name="8000", hours=9.0, trucks=(13.0, 19.0)),
    ),
    carriers=(
        Carrier(
            name="kudu",
            services={
                "road": (
                    Stage(daily=0.85, minimum=1),
                    Stage(daily=0.8, week="Tue Fri", distance=True),
                    Stage(daily=0.85, week=("Mon Thu", "Wed Sat")),
                    Stage(daily=0.7, status="delivered"),
                )
            },
        ),
        Carrier(
            name="impala",
            services={
                "road": (
                    Stage(daily=0.9, minimum=1),
                    Stage(daily=0.85, week="Mon Wed Fri"),
                    Stage(daily=0.8, minimum=1, distance=True),
                    Stage(daily=0.75, status="delivered"),
                )
            },
        ),
    ),
    regions=9,
    far=2,
)
