"""Networks of other builds than the simulated one, each with exact truth.

Half of them are there to choose settings on (`Family.settings`), the others to tell results on.
"""

from __future__ import annotations

from typing import Final

from etapromise_simulator.families import (
    around_the_clock,
    changed_week,
    express_next_day,
    long_tail,
    marketplace,
    one_truck_a_day,
    price_campaign,
    small_shop,
    strike,
    twice_a_week,
    two_hubs,
)
from etapromise_simulator.families.description import Family
from etapromise_simulator.families.world import World

__all__ = ["FAMILIES", "Family", "World"]

FAMILIES: Final = {
    module.FAMILY.name: module.FAMILY
    for module in (
        around_the_clock,
        twice_a_week,
        long_tail,
        strike,
        changed_week,
        one_truck_a_day,
        express_next_day,
        two_hubs,
        price_campaign,
        small_shop,
        marketplace,
    )
}
