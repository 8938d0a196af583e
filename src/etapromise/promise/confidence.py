"""How sure a promise is, as a code with its reasons.

The codes are AfterShip's: 10000 and 10001 show one date, 20001 a range, 30001 and up no date.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Ints, Mask
from etapromise.calendars.zones import ZONE_SOURCES
from etapromise.encoding.requests import DISRUPTED, Requests
from etapromise.history.effects import FIELDS
from etapromise.promise.model_parts import ModelParts

CODES: Final = {
    10000: "one date, as accurate as a range",
    10001: "one date; a range says more",
    20001: "a range of dates",
    30001: "the carrier is too irregular for a date",
    30002: "not enough data for a date",
    30003: "the kind of shipment is too imprecise for a date",
    30004: "the address is too imprecise for a date",
}

# Reasons, by bit: what is said, in the order of importance.
MESSAGES: Final = (
    ("service_level_unreachable", "So many parcels never arrive that no date reaches the level."),
    (
        "unseen_carrier",
        "No history of this carrier: the date is the whole network's, in a wider band.",
    ),
    (
        "unseen_service",
        "Little history of this service: the date is mostly that of its carrier's other services.",
    ),
    ("unseen_destination", "No history of this destination's region or postcode area."),
    ("unseen_region", "No history of this destination's region: the date is its postcode area's."),
    ("unseen_origin", "No history of this origin: the date is that of its region."),
    ("zone_from_region", "Destination time zone taken from its region or postcode."),
    ("zone_from_country", "Destination time zone taken from its country."),
    ("zone_default", "Destination time zone unknown: the default is used, a date may be off."),
    ("stale_statistics", "Ordered long after the statistics were made: refresh the model."),
    ("thin_history", "Little history altogether."),
    (
        "all_parcels_alike",
        "Too few parcels for a forest: dates are by means of lanes, all as uncertain.",
    ),
    ("value_outside", "A number lies far outside what was learned, such as a weight in grams."),
    ("value_left_out", "A value that cannot be read was left out, as if it were not known."),
    ("declared_disruption", "A declared disruption delays deliveries like this one."),
    ("unread_scans", "Scans that cannot be read were left out: the date knows nothing of them."),
)
_BIT: Final = {name: 1 << position for position, (name, _) in enumerate(MESSAGES)}
# By message: the level of history whose keys are known, the column before it in a key, its own.
MISTYPED: Final[Mapping[str, tuple[str, str | None, str]]] = {
    "unseen_carrier": ("carrier", None, "carrier"),
    "unseen_service": ("service", "carrier", "service"),
    "unseen_destination": ("destination_region", "destination_country", "destination_region"),
    "unseen_region": ("destination_region", "destination_country", "destination_region"),
}
MISTYPED_BITS: Final = sum(_BIT[name] for name in MISTYPED)
"""The bits of reasons where a name was never seen."""
UNSEEN_REGION: Final = _BIT["unseen_region"]
"""The bit of the reason that a region was never seen, although its postcode area was."""
LEFT_OUT: Final = _BIT["value_left_out"]
"""The bit of reasons where a value could not be read."""

# Decayed parcels from which a key counts as seen, and from which it counts as well known.
_SEEN: Final = 1.0
_KNOWN: Final = 10.0
_THIN: Final = 100.0
# Days after the snapshot from which its statistics are old.
_STALE_AFTER: Final = 14
# A band this many times as long as the way to its middle is no use to anybody.
_IRREGULAR: Final = 2.5


def assess(
    parts: ModelParts,
    requests: Requests,
    *,
    reachable: Mask,
    days: Ints,
    today: Ints | None = None,
    region_told: Mask | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How sure n promises are: (n,) int32 codes of CODES, (n,) int32 bits in the order of MESSAGES.

    Args:
        reachable: (n,) whether any date reaches the service level.
        days: (n, 3) first day of the band, its middle and its last day, in days from day 0.
        today: (n,) day 0 of the distributions; by default that of the order.
        region_told: (n,) whether a region is given, which may be unseen; by default of none.
    """
    statistics, disruptions = parts.statistics, parts.encoder.disruptions
    known, starts = statistics.total[:, FIELDS.index("evidence")], statistics.total_start
    evidence = {
        name: known[starts[position] + requests.codes[:, position]]
        for position, name in enumerate(parts.encoder.level_names)
        if name in _TELLING
    }
    earliest, middle, latest = days.T
    outside = np.zeros(len(requests), dtype=bool)
    for one in parts.ranges.outside(requests.numbers).values():
        outside |= one
    flags = _flags(
        evidence,
        unreachable=~reachable,
        source=requests.zone_source,
        age=requests.order_day - statistics.as_of_day,
        alike=parts.alike,
        outside=outside,
    )
    flags["unseen_region"] &= False if region_told is None else region_told
    if disruptions is not None:
        from_day = requests.order_day.astype(np.int64) if today is None else today
        flags["declared_disruption"] = disruptions.strike(
            requests.numbers[:, DISRUPTED], from_day, from_day + latest
        )
    reasons = np.zeros(len(requests), np.int32)
    for name, flag in flags.items():
        reasons |= np.where(flag, _BIT[name], 0).astype(np.int32)
    code = np.full(len(requests), _ONE_DATE)
    for number, holds in _codes(flags, latest - earliest, middle):
        code = np.where(holds, number, code)
    return code.astype(np.int32), reasons


class _DateRule(ctypes.Structure):
    """`etp_date_rule` of native/answer.c: whether a code is below NO_DATE, sooner known than it."""

    _fields_ = native.fields("l network carrier region prefix; d seen thin irregular")


class AssessesOne:
    """What `assess` says of one request at a time. Immutable.

    Attributes:
        date_rule: what of it decides whether there is a date, for `has_date`.
    """

    __slots__ = ("_alike", "_as_of_day", "_bounds", "_evidence", "_levels", "date_rule")

    def __init__(self, parts: ModelParts) -> None:
        statistics = parts.statistics
        self._alike = parts.alike
        self._bounds = parts.ranges.bounds()
        self._as_of_day = statistics.as_of_day
        self._evidence = np.ascontiguousarray(statistics.total[:, FIELDS.index("evidence")])
        self._levels = tuple(
            (name, position, int(statistics.total_start[position]))
            for position, name in enumerate(parts.encoder.level_names)
            if name in _TELLING
        )
        numbered = {name: position for name, position, _ in self._levels}
        self.date_rule = _DateRule(
            *(numbered[name] for name in _DECIDING), seen=_SEEN, thin=_THIN, irregular=_IRREGULAR
        )

    def assess(
        self,
        codes: Sequence[int],
        numbers: Sequence[float],
        *,
        zone_source: int,
        order_day: int,
        reachable: bool,
        days: Sequence[int],
    ) -> tuple[int, int]:
        """Code and reasons, as `assess` gives them where the region is told.

        Args:
            days: earliest, middle and latest.
        """
        found = self._evidence.item
        evidence = {name: found(start + codes[place]) for name, place, start in self._levels}
        flags = _flags(
            evidence,
            unreachable=not reachable,
            source=zone_source,
            age=order_day - self._as_of_day,
            alike=self._alike,
            outside=any(numbers[k] < low or numbers[k] > high for k, low, high in self._bounds),
        )
        earliest, middle, latest = days
        code = _ONE_DATE
        for number, holds in _codes(flags, latest - earliest, middle):
            if holds:
                code = number
        return code, sum([_BIT[name] for name, flag in flags.items() if flag])


NO_DATE: Final = 30000
"""Codes from here on say that no date can be promised."""
_ONE_DATE: Final = 10000
# The levels whose evidence decides whether there is a date.
_DECIDING: Final = ("network", "carrier", "destination_region", "destination_prefix")
# The levels whose evidence says something.
_TELLING: Final = frozenset(
    {*("network", "carrier", "service", "destination_region", "destination_prefix"), "origin"}
)


def _flags(
    evidence: Mapping[str, Any],
    *,
    unreachable: Any,
    source: Any,
    age: Any,
    alike: bool,
    outside: Any,
) -> dict[str, Any]:
    """Which reasons hold: of one request, or (n,) of n, by the types of the arguments."""
    region, prefix = evidence["destination_region"], evidence["destination_prefix"]
    carrier = evidence["carrier"]
    return {
        "service_level_unreachable": unreachable,
        "unseen_carrier": carrier < _SEEN,
        "unseen_service": (evidence["service"] < _KNOWN) & (carrier >= _SEEN),
        "unseen_destination": (region < _SEEN) & (prefix < _SEEN),
        # History of the postcode's area and none of the region.
        "unseen_region": (region < _SEEN) & (prefix >= _SEEN),
        "unseen_origin": evidence["origin"] < _SEEN,
        "zone_from_region": source == _FROM_REGION,
        "zone_from_country": source == _FROM_COUNTRY,
        "zone_default": source == _DEFAULT,
        "stale_statistics": age > _STALE_AFTER,
        "thin_history": evidence["network"] < _THIN,
        "all_parcels_alike": alike,
        "value_outside": outside,
    }


_FROM_REGION, _FROM_COUNTRY, _DEFAULT = (
    ZONE_SOURCES.index(name) for name in ("region", "country", "default")
)


def _codes(flags: Mapping[str, Any], width: Any, middle: Any) -> Sequence[tuple[int, Any]]:
    """Codes and whether each holds, for those that another one replaces first."""
    irregular = (width > _IRREGULAR + 2) & (width > _IRREGULAR * middle + 2)
    return (
        (10001, width > 1),
        (20001, (width > 4) | flags["all_parcels_alike"] | flags["value_outside"]),
        (30001, flags["service_level_unreachable"] | irregular),
        (30004, flags["unseen_destination"]),
        (30002, flags["thin_history"] | flags["unseen_carrier"]),
    )


def messages_of(reasons: int) -> tuple[dict[str, str], ...]:
    """The reasons in a bit set, each with its `code` and `text`."""
    return tuple([{"code": name, "text": text} for name, text in _said(reasons)])


@lru_cache(maxsize=4096)
def _said(reasons: int) -> list[tuple[str, str]]:
    return [message for position, message in enumerate(MESSAGES) if reasons >> position & 1]


def with_near_names(
    messages: tuple[dict[str, str], ...],
    given: Mapping[str, str | None],
    near: Callable[[str, str, str], str | None],
) -> tuple[dict[str, str], ...]:
    """Messages of names never seen, with the known name of which each may be a typo.

    Args:
        given: the shipment's texts.
        near: the known name, by a level of history, what a key has before it, and what was said.
    """
    told = []
    for one in messages:
        level, around, name = MISTYPED.get(one["code"], ("", None, ""))
        said, before = given.get(name), "" if around is None else f"{given.get(around) or ''}\x1f"
        found = near(level, before, said) if said else None
        meant = f" Did you mean {found!r}, not {said!r}?" if found else ""
        told.append({**one, "text": one["text"] + meant})
    return tuple(told)


def detailed_message(
    code: str, details: Iterable[str], between: str = "; "
) -> tuple[dict[str, str], ...]:
    """The message of a code, and what it is about; none where it is about nothing."""
    told = between.join(details)
    return ({"code": code, "text": f"{dict(MESSAGES)[code]} {told}."},) if told else ()
