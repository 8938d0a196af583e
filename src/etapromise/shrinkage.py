"""What is believed before anything is seen, and how what is seen takes its place.

An estimate from few parcels leans on that of a coarser group: `(n x + k prior) / (n + k)`, the mean
of a conjugate posterior with `k` parcels' worth of belief (Efron & Morris 1975, Data analysis using
Stein's estimator and its generalizations, JASA 70). The beliefs are settings of a training
(`TrainingConfig.priors`); its model keeps them and is refreshed and asked under them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from etapromise.array_types import Floats
from etapromise.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class Priors:
    """How many parcels' worth of belief each estimate begins with, and what is believed at first.

    Attributes:
        lost: that a service loses parcels like the network, in parcels.
        lost_share: of a network's parcels before anything is known.
        exits: that parcels of a stage are returned like those of a coarser one, in parcels.
        found_share: of parcels called lost that arrive after all, before anything is known.
        scan_gap_rate: in how often a gap between scans ends, in ends.
        scan_gap_rate_first: ends per operational day before anything is known.
        scan_gap_lost: that a carrier loses parcels in a stage like all carriers, in gaps.
        scan_gap_lost_share: of gaps that never end, before anything is known.
        late_alarms: that alarms are as precise as their probability says, in alarms.
        flow: that remaining times move like those of the coarser level, in parcels.
        dependence: that parcels of an order go their own ways, in pairs.
        delivery_hours: that a key's parcels come at the coarser level's hours, in parcels.
        hours_measured: that windows hold what they were chosen for, in deliveries.
        hand_offs: that a key hands over as many as the coarser one, in parcels.
        hand_offs_told: that either kind of wait is told as late as both together, in parcels.
        first_leg: that a first way is as long as any, in hand-offs.
        warehouse: in the network's week and handling days, in parcels.
        warehouse_holidays: in what holds around a warehouse on holidays, in expected pick-ups.
        warehouse_hours: in how long orders wait around a warehouse, in parcels of each hour.
        service_week: that a service works like the network, in expected arrivals.
        service_holidays: the same on holidays.
        service_age: that a service's parcels arrive like the network's, in expected arrivals.
        rests: that the network rests on holidays, in expected arrivals.
        shortest_way: that hardly any parcel of a lane comes before those around it, in parcels.
        shortest_way_weekday: the same of a lane's pick-ups of a weekday, and of any day.
        levels_differ: that the keys of a level differ as far as `effects.prior` says, in keys.
        new_key: how far a new key lies from the whole, in parcels.
        few_spread: in the spread of log durations, in parcels.
        few_spread_first: that spread before any parcel.
    """

    lost: float = 300.0
    lost_share: float = 0.005
    exits: float = 50.0
    found_share: float = 0.02
    scan_gap_rate: float = 5.0
    scan_gap_rate_first: float = 0.3
    scan_gap_lost: float = 400.0
    scan_gap_lost_share: float = 0.001
    late_alarms: float = 10.0
    flow: float = 15.0
    dependence: float = 20.0
    delivery_hours: float = 25.0
    hours_measured: float = 300.0
    hand_offs: float = 2.0
    hand_offs_told: float = 1.0
    first_leg: float = 20.0
    warehouse: float = 20.0
    warehouse_holidays: float = 4.0
    warehouse_hours: float = 2.0
    service_week: float = 20.0
    service_holidays: float = 4.0
    service_age: float = 30.0
    rests: float = 8.0
    shortest_way: float = 2.0
    shortest_way_weekday: float = 2.0
    levels_differ: float = 3.0
    new_key: float = 10.0
    few_spread: float = 4.0
    few_spread_first: float = 0.4

    def __post_init__(self) -> None:
        for each in fields(self):
            value: object = getattr(self, each.name)
            most = 1.0 if each.name.endswith("_share") else 1e12
            if type(value) not in {int, float} or not 0.0 < cast("float", value) < most:
                raise ContractError(
                    f"Found the prior {each.name}={value!r}; expected a number above 0"
                    + (" and below 1." if most == 1.0 else ".")
                )

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> Priors:
        """Those that a model was trained with; what it does not tell is as by default."""
        told = manifest["config"].get("priors", {})
        known = {each.name for each in fields(cls)}
        if not isinstance(told, dict) or not told.keys() <= known:
            raise ContractError(f"Found the priors {told!r}; expected numbers by name.")
        return cls(**told)


_USUAL: Final = Priors()
_BELIEVED: Final[ContextVar[Priors]] = ContextVar("priors")


class _Believed:
    """Reads the priors that hold at the moment."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_BELIEVED.get(_USUAL), name)


PRIORS: Final = cast("Priors", _Believed())
"""Those of `believing`, else the default ones."""


@contextmanager
def believing(priors: Priors) -> Iterator[None]:
    """While within, in this thread: `PRIORS` are these."""
    token = _BELIEVED.set(priors)
    try:
        yield
    finally:
        _BELIEVED.reset(token)


def shrunk(found: Any, count: Any, around: Any, evidence: Any) -> Floats:
    """`(n x + k prior) / (n + k)`: what was found of so many, leaning on what holds around.

    Args:
        found: n x, a number or an array, like the next two.
        count: n.
        around: the prior.
        evidence: k.
    """
    result: Floats = (found + evidence * around) / (count + evidence)
    return result
