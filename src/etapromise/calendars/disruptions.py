"""Declared disruptions: what an operator knows of the days ahead and no history shows yet.

A strike, snow, a sale's week: from a first day to a last, in an area or at a carrier, nothing
arrives or everything arrives late. The carrier's clock is held back for the parcels concerned, in a
few scenarios, because how late is not known exactly: so promises shift and widen at once, land on
the carrier's working days, and recover afterwards. `docs/disruptions.md` has examples.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.working_clocks import Clocks
from etapromise.errors import ContractError
from etapromise.lanes.levels import utf8
from etapromise.normal_forms.places import normal_country, normal_region
from etapromise.normal_forms.postcodes import normal_postcode
from etapromise.normal_forms.texts import normal_name, normal_text

MOST_DISRUPTIONS: Final = 52
"""Spans that a model keeps at a time: a bit of a double for each."""

_SCENARIOS: Final = 8
_EPOCH: Final = date(1970, 1, 1).toordinal()
_PREFIX_MARK: Final = "*"
# Days of delay or recovery, or times the delay as its spread: beyond it, arithmetic ends.
_MOST: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Disruption:
    """What is declared; what is None is not asked about.

    Attributes:
        first: first day, destination-local.
        last: last day, within.
        stop: whether nothing arrives from the first to the last day; else all that would arrive
            then arrives `delay` days later.
        delay: working days of the carrier by which parcels are late on the average; of a stop, by
            how many they are late once it is over.
        spread: standard deviation of the delay, as a share of it: how differently parcels are late,
            and how little is known of the mean.
        recovery: working days from the last day to the first due date that is kept again.
        carrier: at all its services unless one is named.
        service: of the carrier.
        country: of the destination.
        region: of the destination.
        postcodes: of the destination; "88*" are all that begin so.
        origin: the warehouse.
        reason: for people; it is told to customers.

    Examples:
        >>> etapromise.Disruption(first=date(2027, 1, 18), last=date(2027, 1, 22), delay=2,
        ...                       country="US", region="MN", reason="snow").reason
        'snow'
    """

    first: date
    last: date
    stop: bool = False
    delay: float = 0.0
    spread: float = 0.8
    recovery: float = 3.0
    carrier: str | None = None
    service: str | None = None
    country: str | None = None
    region: str | None = None
    postcodes: tuple[str, ...] = ()
    origin: str | None = None
    reason: str = "declared disruption"

    def __post_init__(self) -> None:
        """Refuse what no disruption can be.

        Raises:
            ContractError: days in the wrong order, no delay, or a number below 0.
        """
        texts = (self.carrier, self.service, self.country, self.region, self.origin)
        kinds = {
            "stop": isinstance(self.stop, bool),
            "reason": isinstance(self.reason, str),
            "postcodes": all(isinstance(one, str) for one in self.postcodes),
            "carrier, service, country, region or origin": all(
                one is None or isinstance(one, str) for one in texts
            ),
        }
        wrong = [name for name, right in kinds.items() if not right]
        if wrong:
            raise ContractError(
                f"Found {wrong[0]} of another type in a disruption ({self!r}); expected True or "
                "False as stop, and texts."
            )
        numbers: dict[str, Any] = {
            "delay": self.delay,
            "spread": self.spread,
            "recovery": self.recovery,
        }
        for name, value in numbers.items():
            if not (isinstance(value, (int, float, np.number)) and 0.0 <= value <= _MOST):
                raise ContractError(
                    f"Found {name}={value!r} in a disruption; expected a number from 0 to {_MOST}."
                )
        if self.last < self.first:
            raise ContractError(
                f"Found a disruption from {self.first} to {self.last}; expected the earlier day "
                "first."
            )
        if not self.stop and self.delay == 0.0:
            raise ContractError(
                "Found a disruption without a delay; expected delay = working days by which "
                "parcels are late, or stop = true."
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = asdict(self)
        return plain | {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "postcodes": list(self.postcodes),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Disruption:
        """What `as_dict` made plain.

        Raises:
            ContractError: it is something else.
        """
        try:
            return cls(
                **{
                    **plain,
                    "first": date.fromisoformat(plain["first"]),
                    "last": date.fromisoformat(plain["last"]),
                    "postcodes": tuple(plain.get("postcodes", ())),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError(
                f"Found a disruption {plain!r}; expected first and last as YYYY-MM-DD and "
                f"the fields of Disruption ({error})."
            ) from error

    def conditions(self) -> list[tuple[tuple[str, str, bool], ...]]:
        """Areas, each as conditions that must all hold: column, text, whether it is a beginning.

        In the normal forms of shipments, however they are spelled here.
        """
        country = None if self.country is None else normal_country(self.country)
        plain = {
            "carrier": normal_name(self.carrier),
            "service": normal_name(self.service),
            "destination_country": country,
            "destination_region": normal_region(self.region, country),
            "origin": normal_postcode(self.origin, None),
        }
        always = tuple((column, text, False) for column, text in plain.items() if text is not None)
        if not self.postcodes:
            return [always]
        return [(*always, _postcode(code, country)) for code in self.postcodes]

    def late_days(self) -> list[float]:
        """The delay in each of the scenarios: means of equally likely parts of a lognormal."""
        sigma = math.sqrt(math.log1p(self.spread**2))
        if sigma == 0.0:
            return [self.delay] * _SCENARIOS
        normal = NormalDist()
        edges = [normal.inv_cdf(k / _SCENARIOS) for k in range(1, _SCENARIOS)]
        # How much of the mean lies below each edge.
        below = [0.0, *(normal.cdf(edge - sigma) for edge in edges), 1.0]
        return [self.delay * _SCENARIOS * (high - low) for low, high in itertools.pairwise(below)]


def area_postcode(code: str, country: str | None) -> str:
    """A postcode, or a beginning of some with its mark, in normal form; country in it too."""
    start = code.removesuffix(_PREFIX_MARK)
    if start != code:
        return (normal_text(start) or "").upper() + _PREFIX_MARK
    return normal_postcode(code, country) or ""


def _postcode(code: str, country: str | None) -> tuple[str, str, bool]:
    form = area_postcode(code, country)
    start = form.removesuffix(_PREFIX_MARK)
    return "destination", start, start != form


_held = native.function("etp_held_reading", "d", "pdlpllll")


class _DisruptionStruct(ctypes.Structure):
    _fields_ = native.fields("i first last stop unused; d recovery")


class _DisruptionsStruct(ctypes.Structure):
    """`etp_disruptions` of native/disruptions.h."""

    _fields_ = native.fields(
        "l count scenarios; p disruption late; l areas; p concerns condition_start column "
        "is_prefix value_start value"
    )


class Disruptions:
    """Several, as the kernels read them. Immutable; any number of threads may share one."""

    __slots__ = ("_alive", "_struct", "address", "declared")

    def __init__(self, declared: Sequence[Disruption], columns: Sequence[str]) -> None:
        """Bind them.

        Args:
            declared: at most MOST_DISRUPTIONS.
            columns: of texts, in the order in which the encoder has them.
        """
        if len(declared) > MOST_DISRUPTIONS:
            raise ContractError(
                f"Found {len(declared)} declared disruptions; expected at most {MOST_DISRUPTIONS}. "
                "Leave out those that are over."
            )
        self.declared = tuple(declared)
        structs = (_DisruptionStruct * max(len(declared), 1))(
            *(
                _DisruptionStruct(
                    first=one.first.toordinal() - _EPOCH,
                    last=one.last.toordinal() - _EPOCH,
                    stop=one.stop,
                    recovery=one.recovery,
                )
                for one in declared
            )
        )
        areas = [(at, area) for at, one in enumerate(declared) for area in one.conditions()]
        conditions = [each for _, area in areas for each in area]
        values = [utf8(text) for _, text, _ in conditions]
        arrays: dict[str, NDArray[Any]] = {
            "late": np.array([one.late_days() for one in declared], np.float64),
            "concerns": np.array([at for at, _ in areas], np.int32),
            "condition_start": np.cumsum([0, *(len(area) for _, area in areas)], dtype=np.int64),
            "column": np.array([list(columns).index(name) for name, _, _ in conditions], np.int32),
            "is_prefix": np.array([prefix for _, _, prefix in conditions], np.int32),
            "value_start": np.cumsum([0, *map(len, values)], dtype=np.int64),
        }
        joined = b"".join(values)
        self._struct = _DisruptionsStruct(
            count=len(declared),
            scenarios=_SCENARIOS,
            disruption=ctypes.addressof(structs),
            areas=len(areas),
            value=ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p),
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        self._alive = (structs, arrays, joined)
        self.address = ctypes.addressof(self._struct)

    def strike(self, concern: Floats, first: Ints, last: Ints) -> Mask:
        """(n,) whether one that concerns a parcel holds on any of its days (n,) to (n,)."""
        bits = concern.astype(np.uint64)
        found = np.zeros(len(bits), bool)
        for at, one in enumerate(self.declared):
            begin, end = one.first.toordinal() - _EPOCH, one.last.toordinal() - _EPOCH
            here = (bits >> np.uint64(at)) & np.uint64(1) > 0
            found |= here & (last >= begin) & (first <= end)
        return found

    def reasons(self, concern: float, first: int, last: int) -> tuple[str, ...]:
        """What was written of those that hold on any of a parcel's days, each reason once.

        Args:
            concern: of the parcel, see `concern`.
            first: day since 1970-01-01.
        """
        bits = int(concern)
        told = [
            one.reason
            for at, one in enumerate(self.declared)
            if bits >> at & 1
            and last >= one.first.toordinal() - _EPOCH
            and first <= one.last.toordinal() - _EPOCH
        ]
        return tuple(dict.fromkeys(told))

    def held(
        self, clocks: Clocks, concern: Floats, clock: NDArray[np.int32], start: Ints, day: Ints
    ) -> Floats:
        """(n,) operational days by which clocks were held back by the end of a day, on the average.

        Args:
            clock: (n,) row of each one's clock.
            start: (n,) days since 1970-01-01 on which the ways began.
        """
        out = np.zeros(len(concern))
        last = clocks.elapsed.shape[1] - 1
        for row in np.flatnonzero((concern > 0) & (day >= start)):
            readings = [
                _held(
                    self.address,
                    concern[row],
                    scenario,
                    clocks.elapsed[clock[row]].ctypes.data,
                    last + 1,
                    clocks.first_day,
                    int(start[row]),
                    int(day[row]),
                )
                for scenario in range(_SCENARIOS)
            ]
            column = min(max(int(day[row]) + 1 - clocks.first_day, 0), last)
            out[row] = clocks.elapsed[clock[row], column] - sum(readings) / _SCENARIOS
        return out
