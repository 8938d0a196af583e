"""What a model knows of parcels under way, and the outlook of each: when, whether, how late.

Needs pandas; a quote does not load it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import MISSING, Floats, Ints, Mask, with_rows
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zone_tables import local_from_utc
from etapromise.encoding.requests import DISRUPTED, Encoder, Requests
from etapromise.in_transit.flow import ANYWHERE, FLOW_LEVELS, PARENTS, Passages
from etapromise.in_transit.scan_gaps import ScanGapTable
from etapromise.in_transit.states import ParcelScans, States, facility_rows, stage_number
from etapromise.in_transit.transit_parts import (
    FINAL_STAGES,
    GIVEN_LEVELS,
    REMAINING_OFFSET,
    STAGES,
    TRANSIT_FEATURES,
    Exits,
    Remaining,
    TransitParts,
    remaining_given,
)
from etapromise.shrinkage import PRIORS

if TYPE_CHECKING:
    import pandas as pd

_SERVICE_REGION: Final = FLOW_LEVELS.index("service_region")
_DESTINATION: Final = FLOW_LEVELS.index("destination_prefix")
_FACILITY: Final = FLOW_LEVELS.index("facility")
# A parcel that is overdue by what is typical still needs some of it.
_LEAST_SHARE: Final = 0.25
_STATE_BYTES: Final = (*("stage", "last_status", "attempts", "customs", "handed_off", "troubled"),)
_STATE_TIMES: Final = (*("moment", "last_scan", "last_known", "picked_up", "moved", "went_out"),)


class _LooksStruct(ctypes.Structure):
    """`etp_looks` of native/looks.c."""

    _fields_ = native.fields(
        f"p {' '.join(_STATE_BYTES)} scans {' '.join(_STATE_TIMES)} ordered order_day clock shift "
        "today start now evidence total given elapsed; l clock_days first_day levels; p parent; "
        "l region destination facility; d prior anywhere offset least_share"
    )


_DAY: Final = 86_400
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True)
class Positions:
    """Where m states lie in their destinations' local time and on their carriers' clocks.

    Attributes:
        clock: (m,) row of each one's clock.
        shift: (m,) microseconds to add for local time.
        today: (m,) local date of the moment, days since 1970-01-01.
        start: (m,) operational days before today.
        now: (m,) operational days before the moment itself.
    """

    clocks: Clocks
    clock: NDArray[np.int32]
    shift: Ints
    today: Ints
    start: Floats
    now: Floats

    @classmethod
    def of(
        cls, clocks: Clocks, clock: NDArray[np.int32], moment: Ints, zones: NDArray[Any]
    ) -> Positions:
        """Place moments.

        Args:
            clock: (m,) row of each one's clock.
            moment: (m,) microseconds since 1970 UTC.
            zones: (m,) IANA names of the destinations' zones.
        """
        second = moment // _MICROSECONDS
        local = local_from_utc(second, zones, clocks.first_day, clocks.last_day)
        shift = (local - second) * _MICROSECONDS
        today = np.floor_divide(local, _DAY)
        unplaced = cls(clocks, clock, shift, today, np.zeros(0), np.zeros(0))
        return cls(clocks, clock, shift, today, unplaced.before(today), unplaced.position(moment))

    def __len__(self) -> int:
        """How many."""
        return len(self.today)

    def before(self, day: Ints) -> Floats:
        """(m,) or (k, m) operational days before the start of local days of that shape."""
        elapsed = self.clocks.elapsed
        # np.clip takes three times as long where there is one look.
        column = np.minimum(np.maximum(day - self.clocks.first_day, 0), elapsed.shape[1] - 1)
        # One index is twice as fast as two.
        found: Floats = elapsed.ravel()[self.clock * np.int64(elapsed.shape[1]) + column]
        return found

    def day(self, moment: Ints) -> Ints:
        """(m,) local dates of other moments (m,); of `MISSING` ones something far away."""
        days: Ints = np.floor_divide(moment + self.shift, _DAY * _MICROSECONDS)
        return days

    def position(self, moment: Ints) -> Floats:
        """(m,) or (k, m) operational days before moments of that shape, NaN where `MISSING`."""
        there = moment != MISSING
        local = np.where(there, moment, 0) + self.shift
        day = local // (_DAY * _MICROSECONDS)
        part = (local - day * (_DAY * _MICROSECONDS)) / (_DAY * _MICROSECONDS)
        before = self.before(day)
        return np.where(there, before + (self.before(day + 1) - before) * part, np.nan)

    def silence(self, states: States, ordered: Ints) -> Floats:
        """(m,) operational days since the latest event, or, without any, since the order."""
        heard = np.where(states.last_scan == MISSING, ordered, states.last_scan)
        return np.maximum(self.now - self.position(heard), 0.0)


_features = native.function("etp_look_features", "", ctypes.POINTER(_LooksStruct), "lpp")
_PARENTS: Final = np.array(PARENTS, np.int64)
_TYPES: Final[dict[str, type[np.generic]]] = {
    **dict.fromkeys(_STATE_BYTES, np.uint8),
    **dict.fromkeys((*_STATE_TIMES, "ordered", "order_day", "shift", "today", "parent"), np.int64),
    **dict.fromkeys(("scans", "clock"), np.int32),
    **dict.fromkeys(("start", "now", "evidence", "total", "given", "elapsed"), np.float64),
}


def build_features(
    *,
    states: States,
    positions: Positions,
    ordered: Ints,
    order_day: Ints,
    flow: tuple[Floats, Floats],
    given: Floats,
) -> tuple[NDArray[np.float32], Floats]:
    """The features of m looks at parcels, and what the forest's target is relative to.

    Args:
        positions: where `states` are on the clock.
        ordered: (m,) microseconds since 1970 UTC.
        order_day: (m,) origin-local date of the order, days since 1970-01-01.
        flow: (m, levels) evidence and sums of `history.flow`, by latest status.
        given: (m, 1 + len(GIVEN_LEVELS)) what the promise at the order says: the probability that
            it would have come by now, and quantiles of the remaining operational days.

    Returns:
        (m, p) float32 as `TRANSIT_FEATURES`; (m,) log of the remaining days, plus
        `REMAINING_OFFSET`, that are typical.
    """
    clocks = positions.clocks
    evidence, total = flow
    columns = {
        **{name: getattr(states, name) for name in (*_STATE_BYTES, "scans", *_STATE_TIMES)},
        **{name: getattr(positions, name) for name in ("clock", "shift", "today", "start", "now")},
        "ordered": ordered,
        "order_day": order_day,
        "evidence": evidence,
        "total": total,
        "given": given,
        "elapsed": clocks.elapsed,
        "parent": _PARENTS,
    }
    arrays = {name: np.ascontiguousarray(array, _TYPES[name]) for name, array in columns.items()}
    struct = _LooksStruct(
        clock_days=clocks.elapsed.shape[1],
        first_day=clocks.first_day,
        levels=len(FLOW_LEVELS),
        region=_SERVICE_REGION,
        destination=_DESTINATION,
        facility=_FACILITY,
        prior=PRIORS.flow,
        anywhere=ANYWHERE,
        offset=REMAINING_OFFSET,
        least_share=_LEAST_SHARE,
        **{name: native.address(array) for name, array in arrays.items()},
    )
    x = np.empty((len(states), len(TRANSIT_FEATURES)), np.float32)
    typical = np.empty(len(states))
    _features(struct, len(states), native.address(x), native.address(typical))
    return x, typical


GIVEN_UP_STAGES: Final = ("damaged", "lost")
"""Few of these arrive after all."""

OPEN_STAGES: Final = tuple(name for name in STAGES if name not in (*FINAL_STAGES, *GIVEN_UP_STAGES))
"""In these a delivery is what usually follows."""

_OPEN: Final = np.array([name in OPEN_STAGES for name in STAGES])
_GIVEN_UP: Final = np.array([name in GIVEN_UP_STAGES for name in STAGES])
_SENT_BACK: Final = np.array([name in ("returning", "returned") for name in STAGES])
# A silence that at most this share of those that end exceeds is a parcel that stalls.
_STALLED_BELOW: Final = 0.02


@dataclass(frozen=True)
class OrderPromises:
    """What the forest of whole durations says of n parcels.

    Attributes:
        levels: (q,) quantile levels.
        duration_offset: days added before the logarithm.
        log_days: (n, q) relative to `offset`.
        offset: (n,).
    """

    levels: Floats
    duration_offset: float
    log_days: Floats
    offset: Floats


NO_PROMISES: Final = OrderPromises(np.zeros(0), 0.0, np.zeros((0, 0)), np.zeros(0))
"""What is expected at orders where nobody asks for the features of looks at them."""


@dataclass(frozen=True, eq=False)
class HandedOver:
    """n parcels as requests of the carriers that were seen to take them over.

    Attributes:
        requests: n parcels; where nobody is known to have taken one over, as it was asked for.
        known: (n,) whether somebody is.
        first_row: where the rows of `taker_region` start in the flow, after those of
            `service_region`: who once had a parcel says nothing of the way that is left.
    """

    requests: Requests
    known: Mask
    first_row: int

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        requests: Requests,
        shipments: pd.DataFrame,
        carriers: NDArray[np.object_],
    ) -> HandedOver | None:
        """From who took each parcel over, (n,) names or ""; None where parcels never do."""
        if encoder.hand_offs is None:
            return None
        last_mile = encoder.hand_offs.numbered(carriers)
        return cls.seen(encoder, encoder.handed_over(requests, shipments, last_mile), last_mile > 0)

    @classmethod
    def seen(cls, encoder: Encoder, requests: Requests, known: Mask) -> HandedOver | None:
        """The same from the requests of who took them over, and whether that is known."""
        if encoder.hand_offs is None:
            return None
        place = encoder.level_names.index("service_region")
        return cls(requests, known, encoder.sizes[place])

    def take(self, rows: Ints) -> HandedOver:
        """Some of the parcels."""
        return replace(self, requests=self.requests.take(rows), known=self.known[rows])


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """m looks at n parcels, ready for features.

    Attributes:
        level_names: of the encoder.
        zones: (n,) IANA names of the destinations' zones.
        ordered: (n,) microseconds since 1970 UTC.
        promises: what was expected at their orders.
        states: (m,) where they stand; `states.parcel` says whose.
        handed_over: the parcels as those of other carriers', which count from the hand-off on.
    """

    level_names: Sequence[str]
    clocks: Clocks
    requests: Requests
    zones: NDArray[Any]
    ordered: Ints
    promises: OrderPromises
    states: States
    handed_over: HandedOver | None = None

    @cached_property
    def positions(self) -> Positions:
        """(m,) where the states are on the clocks of who usually brings the parcels, or does."""
        states, over = self.states, self.handed_over
        clock = self.requests.clock[states.parcel]
        if over is not None:
            other = over.requests.clock[states.parcel]
            clock = np.where(_is_handed_over(states, over), other, clock)
        return Positions.of(self.clocks, clock, states.moment, self.zones[states.parcel])

    @cached_property
    def silence(self) -> Floats:
        """(m,) operational days since the latest event."""
        return self.positions.silence(self.states, self.ordered[self.states.parcel])

    def take(self, rows: NDArray[Any]) -> Snapshots:
        """Some of them."""
        found = replace(self, states=self.states.take(rows))
        # Known already: to place millions of looks again would take minutes.
        found.__dict__["positions"] = with_rows(self.positions, rows, "clocks")
        found.__dict__["silence"] = self.silence[rows]
        return found

    def codes(self, level: str) -> Ints:
        """(m,) each one's row of a level."""
        column = self.requests.codes[:, self.level_names.index(level)]
        return column[self.states.parcel].astype(np.int64)

    def passages(self, facilities: Sequence[str], known: Sequence[str], day: Ints) -> Passages:
        """Their keys in the flow.

        Args:
            facilities: what `states.place` counts.
            known: facilities of the flow's tables.
            day: (m,) UTC days.
        """
        place = facility_rows(facilities, known)[self.states.place].astype(np.int64)
        columns = [self._flow_codes(level) for level in FLOW_LEVELS[:-1]]
        return Passages(
            status=self.states.last_status, codes=np.stack([*columns, place], axis=1), day=day
        )

    def _flow_codes(self, level: str) -> Ints:
        codes = self.codes(level)
        over = self.handed_over
        if over is None or level != "service_region":
            return codes
        parcel = self.states.parcel
        place = self.level_names.index("taker_region")
        last_mile = over.requests.codes[parcel, place].astype(np.int64)
        last_mile = np.where(last_mile > 0, over.first_row + last_mile, 0)
        return np.where(_is_handed_over(self.states, over), last_mile, codes)

    def features(self, flow: tuple[Floats, Floats]) -> tuple[NDArray[np.float32], Floats]:
        """Features and offsets, see `build_features`."""
        parcel, places = self.states.parcel, self.positions
        order_day = self.requests.order_day[parcel].astype(np.int64)
        promises = self.promises
        given = remaining_given(
            promises.levels,
            promises.duration_offset,
            promises.log_days[parcel],
            promises.offset[parcel],
            np.maximum(places.start - places.before(order_day), 0.0),
            GIVEN_LEVELS,
        )
        return build_features(
            states=self.states,
            positions=places,
            ordered=self.ordered[parcel],
            order_day=order_day,
            flow=flow,
            given=given,
        )


def _is_handed_over(states: States, over: HandedOver) -> Mask:
    """(m,) whether it was known by then who had taken the parcel over."""
    return np.asarray((states.handed_off > 0) & over.known[states.parcel])


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is to be expected of m parcels.

    Attributes:
        remaining: their distributions, for the kernel.
        stalled: (m,) silent for longer than is usual.
        lost: (m,) probability that the parcel is lost, or destroyed, for good.
        returned: (m,) probability that it goes back to the sender.
    """

    remaining: Remaining
    stalled: Mask
    lost: Floats
    returned: Floats


def is_open(states: States) -> Mask:
    """(m,) whether the event is still to come, and likely to."""
    return np.asarray(_OPEN[states.stage] & (states.arrived == MISSING))


def outlook(parts: TransitParts, looks: Snapshots, scans: ParcelScans, flow: Any = None) -> Outlook:
    """Quantiles of the remaining time, and the shares of other ends.

    Args:
        parts: what the model knows.
        scans: whose facilities the states count.
        flow: (m, levels) evidence and sums; by default those of `parts`.
    """
    states = looks.states
    if flow is None:
        day = np.zeros(len(states), np.int64)
        flow = parts.flow.look_up(looks.passages(scans.facilities, parts.facilities, day))
    x, offset = looks.features(flow)
    stage = states.stage.astype(np.int64)
    carrier = looks.codes("carrier")
    still = parts.silence.still(stage, carrier, looks.silence)
    lost, returned = shares(parts.silence, parts.exits, looks, still)
    hazard = parts.log_hazard[stage, looks.codes("service")]
    return Outlook(
        remaining=Remaining(
            group=states.stage,
            log_days=parts.forest.predict(x),
            offset=offset,
            log_hazard=hazard.astype(np.float64),
            arrives=(1.0 - lost) * (1.0 - returned) * (stage != stage_number("cancelled")),
            clock=looks.positions.clock,
            today=looks.positions.today,
            concern=looks.requests.numbers[states.parcel, DISRUPTED],
        ),
        stalled=is_open(states) & (still < _STALLED_BELOW),
        lost=lost,
        returned=returned,
    )


def shares(
    silence: ScanGapTable, exits: Exits, looks: Snapshots, still: Floats | None = None
) -> tuple[Floats, Floats]:
    """(m,) probabilities of being lost for good, and of going back to the sender.

    Args:
        silence: of scans.
        exits: of stages.
        looks: m looks.
        still: (m,) what `silence` says of them, where that is known already.
    """
    states = looks.states
    stage = states.stage.astype(np.int64)
    carrier = looks.codes("carrier")
    if still is None:
        still = silence.still(stage, carrier, looks.silence)
    open_, given_up = _OPEN[stage], _GIVEN_UP[stage]
    quiet = silence.lost_given(stage, carrier, still)
    lost = np.where(open_, quiet, np.where(given_up, 1.0 - exits.found[stage], 0.0))
    back = exits.returned[Exits.cells(states.stage, states.attempts, looks.silence)]
    returned = np.where(open_, back, np.where(_SENT_BACK[stage], 1.0, 0.0))
    return lost, returned
