"""A shipment as the numbers that statistics, features and clocks are found by.

One shipment or a table of them become the same arrays, so that a promise asked one at a time is the
batch's to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Dates, Floats, Ints, with_rows
from etapromise.calendars.dispatch import DISPATCH_LEVELS
from etapromise.encoding.compiled_encoder import CompiledEncoder, EncoderTables
from etapromise.encoding.shipment_values import GIVEN_NUMBERS
from etapromise.errors import ContractError
from etapromise.lanes.levels import HANDLING_LEVELS, LAST_MILE, Level, distinct_texts

if TYPE_CHECKING:
    import pandas as pd

# The numbers that every request has; further numeric columns follow them.
NUMBERS: Final = (
    "hour",
    "origin_lat",
    "origin_lon",
    "destination_lat",
    "destination_lon",
    "weight_kg",
    "quoted_days",
    "dispatch_delay",
    "disrupted",
    "fetched",
)
_SERVICE: Final = Level("service", ("carrier", "service"))
_CALENDAR: Final = Level("calendar", ("destination_country", "destination_region"))
_ORIGIN_CALENDAR: Final = Level("origin_calendar", ("origin_country", "origin_region"))
_CALENDAR_LEVELS: Final = (_SERVICE, _CALENDAR, _ORIGIN_CALENDAR, *DISPATCH_LEVELS)
_DISPATCH_DELAY: Final = NUMBERS.index("dispatch_delay")
FETCHED: Final = NUMBERS.index("fetched")
"""Where a request says how many days after its date it is fetched at the soonest."""
DISRUPTED: Final = NUMBERS.index("disrupted")
"""Where a request says which declared disruptions concern it, see `Disruptions.concern`."""


@dataclass(frozen=True)
class Requests:
    """n shipments, ready for features.

    Attributes:
        codes: (n, L) int32 row of each level's table, 0 where the key was never seen.
        numbers: (n, m) float64, NaN where missing: `NUMBERS`, then the contract's numeric columns.
            `dispatch_delay` and `fetched` are never missing.
        order_day: (n,) int32 origin-local date of the order, days since 1970-01-01. Day 0 of every
            duration and distribution.
        clock: (n,) int32 row of the clocks' elapsed table.
        zone_source: (n,) int8 how the destination's zone was found, positions in ZONE_SOURCES.
    """

    codes: NDArray[np.int32]
    numbers: Floats
    order_day: NDArray[np.int32]
    clock: NDArray[np.int32]
    zone_source: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.order_day)

    @property
    def dispatch_delay(self) -> Floats:
        """(n,) operational days by which the warehouse's calendar delays them; see `Dispatch`."""
        return np.asarray(self.numbers[:, _DISPATCH_DELAY])

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """As the kernel of quotes takes them: the handling levels' codes once more at the end."""
        codes = np.concatenate([self.codes, self.codes[:, list(HANDLING_LEVELS)]], axis=1)
        return (
            np.ascontiguousarray(codes, np.int32),
            np.ascontiguousarray(self.numbers, np.float64),
            np.ascontiguousarray(self.order_day, np.int32),
            np.ascontiguousarray(self.clock, np.int32),
        )

    def later(self, days: Floats) -> Requests:
        """The same with dispatch delays that are longer by `days` (n,), operational days."""
        numbers = self.numbers.copy()
        numbers[:, _DISPATCH_DELAY] += days
        return replace(self, numbers=numbers)

    def undisturbed(self) -> Requests:
        """The same as if no disruption had been declared."""
        numbers = self.numbers.copy()
        numbers[:, DISRUPTED] = 0.0
        return replace(self, numbers=numbers)

    def take(self, rows: Ints) -> Requests:
        """Some of them, in the order of `rows`."""
        return with_rows(self, rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoder(EncoderTables):
    """Turns shipments into requests: the part of the feature contract that knows columns and keys.

    Immutable; any number of threads may share one.
    """

    def __post_init__(self) -> None:
        """Bind the tables now: what does not fit is told before anything is asked."""
        self.compiled  # noqa: B018 — computes

    @cached_property
    def compiled(self) -> CompiledEncoder:
        """The same as the compiled code reads it."""
        return CompiledEncoder(self, handling=HANDLING_LEVELS, calendars=_CALENDAR_LEVELS)

    def encode(self, frame: pd.DataFrame) -> Requests:
        """Many shipments."""
        require_table(frame)
        self.compiled.require_extra(frame.columns)
        _require_orders(frame)
        numbers = np.full((len(frame), len(NUMBERS) + len(self.numeric)), np.nan)
        for column, name in enumerate(NUMBERS):
            if name in GIVEN_NUMBERS and name in frame.columns:
                numbers[:, column] = _as_numbers(frame, name)
        for column, name in enumerate(self.numeric, start=len(NUMBERS)):
            numbers[:, column] = _as_numbers(frame, name)
        found, codes = self._encode(frame, numbers)
        day, clock, source = found[:, 0].copy(), found[:, 1].copy(), found[:, 2].astype(np.int8)
        return Requests(codes, numbers, day, clock, source)

    def _encode(
        self, frame: pd.DataFrame, numbers: Floats, last_mile: NDArray[np.int32] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        quoted = np.full(len(frame), np.nan)
        if "quoted_date" in frame.columns:
            dates = dates_in_column(frame, "quoted_date")
            quoted = np.where(np.isnat(dates), np.nan, dates.astype(np.int64))
        return self.compiled.encode_many(
            [distinct_texts(frame, column) for column in self.compiled.columns],
            local_seconds(frame["ordered_at"], np.full(len(frame), "UTC", dtype=object)),
            quoted,
            numbers,
            last_mile,
        )

    def encode_placed(self, fields: Mapping[str, Any]) -> tuple[Requests, str]:
        """One shipment, and the IANA name of its destination's zone."""
        found, code, number = self.compiled.encode(fields)
        requests = Requests(
            code[None, : len(self.levels)],
            number[None, :],
            np.array([found.order_day], np.int32),
            np.array([found.clock], np.int32),
            np.array([found.zone_source], np.int8),
        )
        zone = self.compiled.zone_name(found.zone, fields.get("destination_time_zone"))
        return requests, zone

    def handed_over(
        self, requests: Requests, frame: pd.DataFrame, last_mile: NDArray[np.int32]
    ) -> Requests:
        """The requests of shipments that were seen to change hands.

        Args:
            last_mile: (n,) number of who took each over, 0 where nobody is known to have.
        """
        if self.hand_offs is None:
            return requests
        # Who it is handed to is told by some levels and the clock.
        found, codes = self._encode(frame, requests.numbers.copy(), last_mile)
        known = last_mile > 0
        told = known[:, None] & [LAST_MILE in level.columns for level in self.levels]
        return replace(
            requests,
            codes=np.where(told, codes, requests.codes),
            clock=np.where(known, found[:, 1], requests.clock),
        )


def local_seconds(times: pd.Series[Any], zones: NDArray[Any]) -> Ints:
    """Local wall-clock time at each row's zone, in whole seconds since 1970-01-01 00:00.

    Args:
        times: (n,) zone-aware and without gaps.
    """
    import pandas as pd  # noqa: PLC0415 — the quote path must not load pandas

    out = np.empty(len(times), np.int64)
    moments = pd.DatetimeIndex(times)
    positions, names = pd.factorize(zones)
    for number, name in enumerate(names):
        rows = positions == number
        local = moments[rows].tz_convert(name).tz_localize(None)
        out[rows] = local.to_numpy().astype("datetime64[s]").astype(np.int64)
    return out


def local_dates(times: pd.Series[Any], zones: NDArray[Any]) -> Dates:
    """Local date at each row's zone, (n,) datetime64[D], NaT where there is no moment.

    Args:
        times: (n,) zone-aware.
    """
    dates = np.full(len(times), np.datetime64("NaT", "D"))
    told = times.notna().to_numpy()
    dates[told] = (local_seconds(times[told], zones[told]) // 86_400).astype("datetime64[D]")
    return dates


def require_table(frame: pd.DataFrame) -> None:
    """Refuse what is no table, or one with two columns of a name."""
    columns = getattr(frame, "columns", None)
    if columns is None or not hasattr(frame, "assign"):
        raise ContractError(
            f"Found a {type(frame).__name__}; expected a pandas DataFrame of accepted rows, as "
            "tracking.read_shipments gives them. Hand tables as they are to etapromise.score."
        )
    if not columns.is_unique:
        doubled = sorted({str(name) for name in columns[columns.duplicated()]})
        raise ContractError(
            f"Found the columns {', '.join(doubled)} more than once; expected each once. Rename or "
            "drop the others."
        )


def _require_orders(frame: pd.DataFrame) -> None:
    for name in ("ordered_at", "origin", "destination"):
        if name not in frame.columns:
            raise ContractError(
                f"Found no column {name}; expected accepted rows of the contract, as "
                "tracking.read_shipments gives them. Hand tables as they are to etapromise.score."
            )
    kind = frame["ordered_at"].dtype
    if getattr(kind, "tz", None) is None or frame["ordered_at"].isna().any():
        raise ContractError(
            f"Found order times of type {kind}, {int(frame['ordered_at'].isna().sum())} missing; "
            "expected a zone-aware time in every row. Read the table with tracking.read_shipments."
        )


def as_released(frame: pd.DataFrame) -> pd.DataFrame:
    """Shipments that are released later than they were ordered, as if ordered then."""
    if "available_from" not in frame.columns:
        return frame
    released = frame["available_from"]
    if getattr(released.dtype, "tz", None) is None:
        raise ContractError(
            f"Found available_from of type {released.dtype}; expected zone-aware times, missing "
            "where nothing is released later."
        )
    later = released.notna() & (released > frame["ordered_at"])
    return frame.assign(ordered_at=frame["ordered_at"].where(~later, released))


def dates_in_column(frame: pd.DataFrame, name: str) -> Dates:
    """(n,) the calendar dates of a column, NaT where it says none."""
    try:
        return frame[name].to_numpy().astype("datetime64[D]")
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ContractError(
            f"Found values in column {name} that are no dates ({error}); expected dates, missing "
            "where unknown. Read the table with tracking.read_shipments."
        ) from error


def _as_numbers(frame: pd.DataFrame, name: str) -> Floats:
    try:
        return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ContractError(
            f"Found values in column {name} that are not numbers ({error}); expected numbers, "
            "missing where unknown. Name it as categorical, or clean it."
        ) from error
