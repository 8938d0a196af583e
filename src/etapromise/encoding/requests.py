"""A shipment as the numbers that statistics, features and clocks are found by.

One shipment or a table of them become the same arrays, so that a promise asked one at a time is the
batch's to the last bit.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.calendars.dispatch import DISPATCH_LEVELS, Dispatch
from etapromise.calendars.disruptions import Disruption, Disruptions
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.compiled_encoder import CompiledEncoder, text_columns
from etapromise.errors import ContractError
from etapromise.lanes.hand_offs import RELAY, HandOffs
from etapromise.lanes.levels import (
    HANDLING_LEVELS,
    TAKER,
    KeyIndex,
    KeyPlan,
    Level,
    level_keys,
    levels_with,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DISRUPTED", "NUMBERS", "Encoder", "Requests", "days_of", "require_table"]

# The numbers that every request has; further numeric columns follow them.
NUMBERS: Final = (
    "hour",
    "origin_lat",
    "origin_lon",
    "destination_lat",
    "destination_lon",
    "weight_kg",
    "quoted_days",
    "lead",
    "disrupted",
)
_GIVEN_NUMBERS: Final = NUMBERS[1:6]
_SEPARATOR: Final = "\x1f"
_SERVICE: Final = Level("service", ("carrier", "service"))
_CALENDAR: Final = Level("calendar", ("destination_country", "destination_region"))
_ORIGIN_CALENDAR: Final = Level("origin_calendar", ("origin_country", "origin_region"))
_CALENDAR_LEVELS: Final = (_SERVICE, _CALENDAR, _ORIGIN_CALENDAR, *DISPATCH_LEVELS)
_LEAD: Final = NUMBERS.index("lead")
DISRUPTED: Final = NUMBERS.index("disrupted")
"""Where a request says which declared disruptions concern it, see `Disruptions.concern`."""
_SERVICE_PLAN: Final = KeyPlan((_SERVICE,))


@dataclass(frozen=True)
class Requests:
    """n shipments, ready for features.

    Attributes:
        codes: (n, L) int32 row of each level's table, 0 where the key was never seen.
        numbers: (n, m) float64, NaN where missing: `NUMBERS`, then the contract's numeric columns.
            `lead` is never missing.
        order_day: (n,) int32 origin-local date of the order, days since 1970-01-01. Day 0 of every
            duration and distribution.
        clock: (n,) int32 row of the clocks' elapsed table.
        zone_source: (n,) int8 how the destination's zone was found, positions in ZONE_SOURCES.
    """

    codes: NDArray[np.int32]
    numbers: NDArray[np.float64]
    order_day: NDArray[np.int32]
    clock: NDArray[np.int32]
    zone_source: NDArray[np.int8]

    def __len__(self) -> int:
        """How many shipments."""
        return len(self.order_day)

    @property
    def lead(self) -> NDArray[np.float64]:
        """(n,) operational days by which the warehouse's calendar delays them; see `Dispatch`."""
        return np.asarray(self.numbers[:, _LEAD])

    def later(self, days: NDArray[np.float64]) -> Requests:
        """The same with leads that are longer by `days` (n,), operational days."""
        numbers = self.numbers.copy()
        numbers[:, _LEAD] += days
        return replace(self, numbers=numbers)

    def undisturbed(self) -> Requests:
        """The same as if no disruption had been declared."""
        numbers = self.numbers.copy()
        numbers[:, DISRUPTED] = 0.0
        return replace(self, numbers=numbers)

    def take(self, rows: NDArray[np.int64]) -> Requests:
        """Some of them, in the order of `rows`."""
        return Requests(
            self.codes[rows],
            self.numbers[rows],
            self.order_day[rows],
            self.clock[rows],
            self.zone_source[rows],
        )


class Encoder:
    """Turns shipments into requests: the part of the feature contract that knows columns and keys.

    Immutable; any number of threads may share one.
    """

    __slots__ = (
        "_calendar_rows",
        "_service_rows",
        "categorical",
        "clocks",
        "compiled",
        "dispatch",
        "disruptions",
        "hand_offs",
        "has_relays",
        "indexes",
        "levels",
        "numeric",
        "taker_services",
        "zones",
    )

    def __init__(
        self,
        *,
        categorical: Sequence[str],
        numeric: Sequence[str],
        indexes: Sequence[KeyIndex],
        clocks: Clocks,
        zones: ZoneMap,
        dispatch: Dispatch,
        hand_offs: HandOffs | None = None,
        disruptions: Sequence[Disruption] = (),
    ) -> None:
        """Take columns, keys of each level, calendars, zones, hand-offs and what is declared."""
        self.categorical = tuple(categorical)
        self.numeric = tuple(numeric)
        self.levels = levels_with(self.categorical, hand_offs=hand_offs is not None)
        self.indexes = tuple(indexes)
        self.clocks = clocks
        self.zones = zones
        self._service_rows, self._calendar_rows = clocks.indexes()
        self.dispatch = dispatch
        self.hand_offs = hand_offs
        # (takers,) rows of the clocks' services.
        self.taker_services = np.array(
            [
                row_of(self._service_rows, f"{taker}{_SEPARATOR}")
                for taker in (() if hand_offs is None else hand_offs.takers)
            ],
            np.int32,
        )
        parts = len(RELAY.columns)
        self.has_relays = any(key.count(_SEPARATOR) == parts - 1 for key in clocks.services)
        self.disruptions = None
        if disruptions:
            self.disruptions = Disruptions(disruptions, text_columns(self.categorical))
        self.compiled = CompiledEncoder(self, handling=HANDLING_LEVELS, calendars=_CALENDAR_LEVELS)

    @property
    def declared(self) -> tuple[Disruption, ...]:
        """The declared disruptions."""
        return () if self.disruptions is None else self.disruptions.declared

    def declaring(self, disruptions: Sequence[Disruption]) -> Encoder:
        """The same with other declared disruptions, instead of those that it has."""
        return Encoder(
            categorical=self.categorical,
            numeric=self.numeric,
            indexes=self.indexes,
            clocks=self.clocks,
            zones=self.zones,
            dispatch=self.dispatch,
            hand_offs=self.hand_offs,
            disruptions=disruptions,
        )

    def encode(self, frame: pd.DataFrame) -> Requests:
        """Many shipments.

        Args:
            frame: accepted rows of the contract with the extra columns.

        Raises:
            ContractError: the order times or an extra column are missing, naive or not numeric, or
                an order time is outside the calendars.
        """
        require_table(frame)
        self._require_columns(frame.columns)
        _require_orders(frame)
        count = len(frame)
        taker = np.zeros(count, np.int32)
        if self.hand_offs is not None:
            taker = self.hand_offs.takers_of(frame)
            frame = self.hand_offs.named(frame, taker)
        codes = np.empty((count, len(self.levels)), np.int32)
        keys = level_keys(frame, (*self.levels, *_CALENDAR_LEVELS))
        service, calendar, origin_calendar, *dispatch = keys[len(self.levels) :]
        for level, (positions, texts) in enumerate(keys[: len(self.levels)]):
            codes[:, level] = self.indexes[level].rows(positions, texts)
        own = self._clock_rows(*service, *calendar)
        clock = self._brought(frame, own, taker)
        order_day, second = self._local_orders(frame)
        if count:
            self.clocks.require_days(int(order_day.min()), int(order_day.max()))
        numbers = np.full((count, len(NUMBERS) + len(self.numeric)), np.nan)
        numbers[:, 0] = second / 3600.0
        numbers[:, DISRUPTED] = 0.0 if self.disruptions is None else self.disruptions.concern(frame)
        numbers[:, _LEAD] = self._leads(
            frame,
            taker,
            own,
            (
                self.dispatch.rows(dispatch),
                self._calendar_of(*origin_calendar),
                order_day,
                second,
                clock,
            ),
        )
        for column, name in enumerate(_GIVEN_NUMBERS, start=1):
            if name in frame.columns:
                numbers[:, column] = _as_numbers(frame, name)
        if "quoted_date" in frame.columns:
            numbers[:, 6] = _quoted_days(frame, order_day)
        for column, name in enumerate(self.numeric, start=len(NUMBERS)):
            numbers[:, column] = _as_numbers(frame, name)
        _, source = self.zones.resolve_many(frame, "destination")
        return Requests(codes, numbers, order_day, clock, source)

    def encode_one(self, fields: Mapping[str, Any]) -> Requests:
        """One shipment.

        Args:
            fields: columns of the contract; `ordered_at` is a zone-aware datetime.

        Raises:
            ContractError: a naive or missing order time, a missing extra column, a value that is
                not a number, an unknown zone, or an order time outside the calendars.
        """
        return self.encode_placed(fields)[0]

    def encode_placed(self, fields: Mapping[str, Any]) -> tuple[Requests, str]:
        """One shipment, and the IANA name of its destination's zone; see `encode_one`."""
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

    def _brought(
        self, named: pd.DataFrame, clock: NDArray[np.int32], taker: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """(n,) the clocks of who brings shipments: of their takers (n,), or for 0 those given."""
        if not taker.any():
            return clock
        service = np.concatenate([[0], self.taker_services])[taker]
        if self.has_relays:
            positions, keys = level_keys(named, (RELAY,))[0]
            own = np.array([self._service_rows.get(key, 0) for key in keys], np.int64)[positions]
            service = np.where(own > 0, own, service)
        calendars = len(self.clocks.holidays)
        return np.where(taker > 0, service * calendars + clock % calendars, clock).astype(np.int32)

    def own_clock(self, fields: Mapping[str, Any], clock: int) -> int:
        """The clock of a shipment's own carrier, where `clock` is that of who brings it."""
        key = _SERVICE_PLAN.keys(fields)[0]
        calendars = len(self.clocks.holidays)
        return row_of(self._service_rows, key) * calendars + clock % calendars

    def handed_over(
        self, requests: Requests, frame: pd.DataFrame, taker: NDArray[np.int32]
    ) -> Requests:
        """The requests of shipments that were seen to change hands.

        Args:
            requests: (n,) of `frame`.
            frame: (n,) accepted rows.
            taker: (n,) number of who took each over, 0 where nobody is known to have.
        """
        if self.hand_offs is None:
            return requests
        known = taker > 0
        named = self.hand_offs.named(frame, taker)
        codes = requests.codes.copy()
        for position, level in enumerate(self.levels):
            if TAKER in level.columns:
                found = self.indexes[position].rows(*level_keys(named, (level,))[0])
                codes[:, position] = np.where(known, found, codes[:, position])
        return replace(requests, codes=codes, clock=self._brought(named, requests.clock, taker))

    def _leads(
        self,
        frame: pd.DataFrame,
        taker: NDArray[np.int32],
        own: NDArray[np.int32],
        orders: tuple[NDArray[np.int32], ...],
    ) -> NDArray[np.float64]:
        leads = self.dispatch.leads(*orders)
        rows = np.flatnonzero(taker)
        if self.hand_offs is not None and len(rows):
            leads[rows] = self.dispatch.relay_leads(
                *(part[rows] for part in orders),
                leg_clock=own[rows],
                leg=self.hand_offs.legs_of(frame.iloc[rows], taker[rows]),
                leg_days=self.hand_offs.leg_days,
            )
        return leads

    def _require_columns(self, columns: Any) -> None:
        missing = [name for name in (*self.categorical, *self.numeric) if name not in columns]
        if missing:
            raise ContractError(
                f"Found no {', '.join(missing)}; this model was trained with "
                f"{', '.join((*self.categorical, *self.numeric))} as extra features. Give them "
                "(None where unknown), or train without them."
            )

    def _clock_rows(
        self,
        service_positions: NDArray[np.int64],
        services: Sequence[str],
        calendar_positions: NDArray[np.int64],
        calendars: Sequence[str],
    ) -> NDArray[np.int32]:
        service = np.array([row_of(self._service_rows, key) for key in services], np.int64)
        calendar = self._calendar_of(calendar_positions, calendars)
        return (service[service_positions] * len(self.clocks.holidays) + calendar).astype(np.int32)

    def _calendar_of(
        self, positions: NDArray[np.int64], calendars: Sequence[str]
    ) -> NDArray[np.int32]:
        rows = np.array([row_of(self._calendar_rows, key) for key in calendars], np.int32)
        return rows[positions]

    def _local_orders(self, frame: pd.DataFrame) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        # An order's own `origin_time_zone` is no column of the contract; only the place counts.
        columns = ("origin", "origin_country", "origin_region")
        place = [name for name in columns if name in frame.columns]
        names, _ = self.zones.resolve_many(frame[place], "origin")
        seconds = local_seconds(frame["ordered_at"], names)
        days = np.floor_divide(seconds, 86_400)
        return days.astype(np.int32), (seconds - days * 86_400).astype(np.int32)


def row_of(rows: Mapping[str, int], key: str) -> int:
    """The clocks' row of a service or a place; for one never seen, that of its carrier or country.

    0, any other, where that has none either.
    """
    row = rows.get(key)
    if row is None:
        row = rows.get(key.partition(_SEPARATOR)[0] + _SEPARATOR, 0)
    return row


def local_seconds(times: pd.Series[Any], zones: NDArray[Any]) -> NDArray[np.int64]:
    """Local wall-clock time at each row's zone, in whole seconds since 1970-01-01 00:00.

    Args:
        times: (n,) zone-aware and without gaps.
        zones: (n,) IANA names.
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


def require_table(frame: pd.DataFrame) -> None:
    """Refuse what is no table, or one with two columns of a name.

    Raises:
        ContractError: it is one of them.
    """
    columns = getattr(frame, "columns", None)
    if columns is None or not hasattr(frame, "assign"):
        raise ContractError(
            f"Found a {type(frame).__name__}; expected a pandas DataFrame of accepted rows, as "
            "tracking.read_shipments gives them."
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
                "tracking.read_shipments gives them."
            )
    kind = frame["ordered_at"].dtype
    if getattr(kind, "tz", None) is None or frame["ordered_at"].isna().any():
        raise ContractError(
            f"Found order times of type {kind}, {int(frame['ordered_at'].isna().sum())} missing; "
            "expected a zone-aware time in every row. Read the table with tracking.read_shipments."
        )


def _quoted_days(frame: pd.DataFrame, order_day: NDArray[np.int32]) -> NDArray[np.float64]:
    quoted = days_of(frame, "quoted_date")
    days = quoted.astype(np.int64).astype(np.float64) - order_day
    days[np.isnat(quoted)] = np.nan
    return days


def days_of(frame: pd.DataFrame, name: str) -> NDArray[np.datetime64]:
    """(n,) the calendar dates of a column, NaT where it says none.

    Raises:
        ContractError: it holds something else.
    """
    try:
        return frame[name].to_numpy().astype("datetime64[D]")
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(
            f"Found values in column {name} that are no dates ({error}); expected dates, missing "
            "where unknown. Read the table with tracking.read_shipments."
        ) from error


def _as_numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    try:
        return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(
            f"Found values in column {name} that are not numbers ({error}); expected numbers, "
            "missing where unknown. Name it as categorical, or clean it."
        ) from error
