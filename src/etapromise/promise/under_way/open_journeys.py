"""Open orders at a moment: their scans in, where they stand and what is to be expected out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import MISSING, Dates, Floats, Ints, Mask
from etapromise.encoding.requests import Requests, require_table
from etapromise.encoding.shipment_values import utc_second
from etapromise.errors import ContractError
from etapromise.forecast.distribution import NOT_ASKED, DatesKernel
from etapromise.history.learned_hand_offs import known_hand_offs
from etapromise.in_transit.outlook import HandedOver, OrderPromises, Snapshots, outlook
from etapromise.in_transit.states import ParcelScans, States, microseconds_from, stage_number
from etapromise.in_transit.transit_parts import REMAINING_OFFSET, STAGES, Remaining
from etapromise.promise.arrival_distribution import PERCENTILES
from etapromise.promise.confidence import assess
from etapromise.promise.promise_table import as_dates, date_columns, message_codes, shown_levels
from etapromise.promise.service_levels import require_level
from etapromise.shrinkage import believing
from etapromise.text_type import TEXT
from etapromise.tracking.contract import STATUSES
from etapromise.tracking.faults import Checked
from etapromise.tracking.milestones import milestones
from etapromise.tracking.payloads import scans_source
from etapromise.tracking.plain_dates import at_their_places
from etapromise.tracking.tables import read_scans

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

_LIKELY_LOST: Final = 0.5


@dataclass(frozen=True)
class _ForestDates:
    """Distributions over dates from today on, by the forest of remaining times."""

    kernel: DatesKernel
    remaining: Remaining

    def dates(self) -> Floats:
        return self.kernel.dates(self.remaining)

    def undisturbed(self) -> _ForestDates:
        return replace(self, remaining=self.remaining.undisturbed())

    def left(self) -> tuple[float, float]:
        log_days, offset = self.remaining.arrays[1][0], float(self.remaining.arrays[2][0])
        middle = float(log_days[len(log_days) // 2])
        usual, here = np.exp(offset), np.exp(offset + middle)
        return float(usual) - REMAINING_OFFSET, float(here) - REMAINING_OFFSET

    def reach(
        self, levels: Floats, asked: NDArray[np.int32]
    ) -> tuple[NDArray[np.int16], Floats, Floats]:
        return self.kernel.reach(self.remaining, levels, asked)


@dataclass(frozen=True)
class _TableDates:
    """Probabilities in a table: what a promise at the order says, given that nothing came yet."""

    probability: Floats

    def dates(self) -> Floats:
        return self.probability

    def undisturbed(self) -> _TableDates:
        return self

    def left(self) -> tuple[float, float]:
        half = min(0.5, float(self.probability[0, -1]))
        middle = float((self.probability[0] >= half).argmax())
        return middle, middle

    def reach(
        self, levels: Floats, asked: NDArray[np.int32]
    ) -> tuple[NDArray[np.int16], Floats, Floats]:
        last = self.probability.shape[1] - 1
        rows = np.arange(len(self.probability))
        within_reach = np.minimum(levels, self.probability[:, -1:])
        day = np.stack(
            [(self.probability >= wanted[:, None]).argmax(axis=1) for wanted in within_reach.T],
            axis=1,
        )
        day[self.probability[:, -1] <= 0.0] = last
        by = self.probability[rows, np.clip(asked, 0, last)]
        by = np.where(asked < 0, 0.0, by)
        found = np.where(asked == NOT_ASKED, np.nan, by)
        return day.astype(np.int16), self.probability[rows[:, None], day], found


@dataclass(frozen=True, kw_only=True)
class Journey:
    """n parcels at one moment.

    Attributes:
        looks: where they stand, one look each.
        lost: (n,) probability that the parcel is lost for good.
        returned: (n,) probability that it goes back to the sender.
        stalled: (n,) silent for longer than is usual.
        likely_lost: probability of a loss from which on to say so.
        never: (n,) whether the event will not come any more: sent back or cancelled.
        event_day: (n,) destination-local day of the event, days since 1970-01-01; -1: not yet.
        horizon: dates of a distribution, today included.
    """

    requests: Requests
    looks: Snapshots
    lost: Floats
    returned: Floats
    stalled: Mask
    likely_lost: float
    never: Mask
    event_day: Ints
    horizon: int
    _dates: _ForestDates | _TableDates

    @property
    def states(self) -> States:
        """(n,) where they stand."""
        return self.looks.states

    @property
    def today(self) -> Ints:
        """(n,) destination-local date of the moment, days since 1970-01-01."""
        return self.looks.positions.today

    @property
    def came(self) -> Mask:
        """(n,) whether the event is known."""
        return self.event_day >= 0

    def undisturbed(self) -> Journey:
        """The same as if no disruption had been declared."""
        return replace(self, _dates=self._dates.undisturbed())

    def left(self) -> tuple[float, float]:
        """Operational days that the first still takes: such parcels as a rule, and its median."""
        return self._dates.left()

    def dates(self) -> Floats:
        """(n, horizon) P(event by the end of today + k); where it came or never will, no use."""
        return self._dates.dates()

    def reach(self, levels: Floats, standing: Dates) -> tuple[Ints, Floats, Floats]:
        """Dates that reach probabilities, and the probability of standing dates.

        Args:
            levels: (m,) ascending.
            standing: (n,) datetime64[D], NaT where there is none.

        Returns:
            (n, m) days since 1970-01-01, (n, m) their probabilities, (n,) those of the standing
            dates, NaN where there is none. A parcel that has come has its date with certainty; one
            that never will has the horizon's last with none.
        """
        there = ~np.isnat(standing)
        days = np.where(there, standing.astype(np.int64), 0)
        horizon = self.horizon
        ahead = np.clip(days - self.today, -1, horizon - 1)
        asked = np.where(there, ahead, NOT_ASKED).astype(np.int32)
        day, probability, by = self._dates.reach(levels, asked)
        found = self.today[:, None] + day.astype(np.int64)
        came, never = self.came[:, None], self.never[:, None]
        found = np.where(came, self.event_day[:, None], found)
        found = np.where(never, self.today[:, None] + horizon - 1, found)
        probability = np.where(came, 1.0, np.where(never, 0.0, probability))
        kept = np.where(self.event_day <= days, 1.0, 0.0)
        by = np.where(self.came, kept, np.where(self.never, 0.0, by))
        return found, probability, np.where(there, by, np.nan)


def journeys_at(
    model: ModelCore, shipments: pd.DataFrame, scans: pd.DataFrame, now: datetime
) -> Journey:
    """Where parcels stand at `now`, and what is to be expected of them.

    Args:
        model: any model; one trained without scans answers by what it promised at the order.
        scans: accepted scans; those received after `now` are not looked at.
    """
    encoder = model.parts.encoder
    moment = microseconds_of(now)
    scans = at_their_places(scans, shipments, None)
    sent = ParcelScans.of(shipments, scans)
    if (sent.ordered > moment).any():
        late = int(np.argmax(sent.ordered > moment))
        raise ContractError(
            f"Found shipment {shipments['shipment_id'].iloc[late]!r} ordered at "
            f"{shipments['ordered_at'].iloc[late]}, after now={now.isoformat()}; expected orders "
            "placed by then. Leave later ones out."
        )
    requests = encoder.encode(shipments)
    zones, _ = encoder.zones.resolve_many(shipments, "destination")
    taken = HandedOver.of(encoder, requests, shipments, _handed_over(model, shipments, scans, now))
    return expected_journeys(model, sent, requests, zones, taken, moment)


def expected_journeys(
    model: ModelCore,
    sent: ParcelScans,
    requests: Requests,
    zones: NDArray[Any],
    handed_over: HandedOver | None,
    moment: int,
) -> Journey:
    """What is to be expected of parcels whose scans and requests are known."""
    encoder = model.parts.encoder
    count = len(requests)
    states = sent.states(np.arange(count), np.full(count, moment, np.int64), model.event)
    looks = Snapshots(
        states=states,
        level_names=encoder.level_names,
        clocks=encoder.clocks,
        requests=requests,
        zones=zones,
        ordered=sent.ordered,
        promises=_promises(model, requests),
        handed_over=handed_over,
    )
    if count:
        today = looks.positions.today
        encoder.clocks.require_days(int(today.min()), int(today.max()))
    came = states.arrived != MISSING
    back = _WENT_BACK[states.stage]
    event_day = np.where(came, looks.positions.day(np.where(came, states.arrived, moment)), -1)
    transit = model.transit
    if transit is None:
        table, lost = _given_none_came(model, requests, looks.positions.today)
        dates: _ForestDates | _TableDates = _TableDates(table)
        returned = np.zeros(count)
        stalled, likely = np.zeros(count, bool), _LIKELY_LOST
    else:
        with believing(model.parts.priors):
            found = outlook(transit, looks, sent)
        kernel = model.transit_kernel(transit)
        dates = _ForestDates(kernel, found.remaining)
        lost, returned = found.lost, found.returned
        stalled, likely = found.stalled, transit.alerts.likely_lost
    never = back & ~came
    return Journey(
        requests=requests,
        looks=looks,
        lost=np.where(came | never, 0.0, lost),
        returned=np.where(came, 0.0, np.where(never, states.stage != _CANCELLED, returned)),
        stalled=stalled,
        likely_lost=likely,
        never=never,
        event_day=event_day,
        _dates=dates,
        horizon=model.horizon,
    )


def _handed_over(
    model: ModelCore, shipments: pd.DataFrame, scans: pd.DataFrame, now: datetime
) -> NDArray[np.object_]:
    """(n,) who is known to have taken each parcel over, else ""."""
    if model.parts.encoder.hand_offs is None or not len(scans):
        return np.full(len(shipments), "", dtype=object)
    # What is received at that very moment is known.
    after = pd.Timestamp(now) + pd.Timedelta(microseconds=1)
    received = scans["received_at"] if "received_at" in scans else scans["scanned_at"]
    seen = scans[(received.fillna(scans["scanned_at"]) < after).to_numpy()]
    return known_hand_offs(milestones(shipments, seen, event=model.event), after)


_WENT_BACK: Final = np.array([name in ("returning", "returned", "cancelled") for name in STAGES])


_CANCELLED: Final = stage_number("cancelled")


def _promises(model: ModelCore, requests: Requests) -> OrderPromises:
    """What the model's forest says of whole durations, by the statistics of its moment."""
    parts = model.parts
    x, offset = model.features.rows(requests, requests.arrays[0])
    return OrderPromises(
        parts.forest.levels, parts.statistics.settings.offset, parts.forest.predict(x), offset
    )


def _given_none_came(model: ModelCore, requests: Requests, today: Ints) -> tuple[Floats, Floats]:
    """(n, horizon) from today on, given that nothing came before; (n,) that nothing ever will."""
    whole = model.kernel.dates(requests)
    count, horizon = whole.shape
    first = today - requests.order_day
    column = first[:, None] + np.arange(horizon)
    rows = np.arange(count)
    by = whole[rows[:, None], np.clip(column, 0, horizon - 1)]
    by = np.where(column < 0, 0.0, by)
    over = np.where(first > 0, whole[rows, np.clip(first - 1, 0, horizon - 1)], 0.0)
    open_ = np.maximum(1.0 - over, 1e-12)
    table = np.clip((by - over[:, None]) / open_[:, None], 0.0, 1.0)
    return table, (1.0 - whole[:, -1]) / open_


def microseconds_of(now: Any) -> int:
    """A moment in microseconds since 1970 UTC."""
    utc_second(now, "now")
    return microseconds_from(now)


def checked_scans(
    scans: Any,
    *,
    owner: str | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
) -> Checked:
    """Scans from a table of the contract or a list of mappings, and which cannot be used.

    Args:
        scans: as for `tracking.read_scans`, a sequence of mappings, a vendor's payload (see
            `tracking.payloads`), or None for none.
        owner: the shipment of scans that name none.
    """
    given: Any = [] if scans is None else scans
    if not (isinstance(given, list | tuple) and not given):
        given = scans_source(given)
    if isinstance(given, list | tuple):
        given = frame_of([_mapping(scan) for scan in given])
    if isinstance(given, pd.DataFrame) and not len(given):
        return Checked(accepted=_no_scans().copy(), rejects=pd.DataFrame({"detail": []}))
    if owner is not None and isinstance(given, pd.DataFrame) and "shipment_id" not in given:
        given = given.assign(shipment_id=owner)
    return read_scans(given, vocabulary=vocabulary, naive_time_zone=naive_time_zone)


def frame_of(rows: list[Mapping[str, Any]]) -> pd.DataFrame:
    """Mappings as the rows of a table."""
    try:
        return pd.DataFrame(rows)
    except UnicodeEncodeError as error:
        raise ContractError(
            f"Found the text {error.object!r} with half a character; expected valid Unicode. "
            "Export it again."
        ) from error


def _mapping(scan: object) -> dict[str, Any]:
    if not isinstance(scan, Mapping):
        raise ContractError(
            f"Found the scan {scan!r}; expected a mapping of the contract's columns to values, "
            'such as {"scanned_at": "2026-02-01T09:30+01:00", "status": "picked_up"}.'
        )
    return dict(scan)


@functools.cache
def _no_scans() -> pd.DataFrame:
    times = pd.Series([], dtype="datetime64[us, UTC]")
    words = pd.Series([], dtype=TEXT)
    return pd.DataFrame({"shipment_id": words, "scanned_at": times, "status": words})


# Open orders as a table: the columns of `etapromise score`, and what is known of each journey.

_AT_RISK: Final = 0.5


def track_frame(
    model: ModelCore,
    shipments: pd.DataFrame,
    scans: pd.DataFrame,
    now: datetime,
    *,
    service_level: float,
    standing: Any,
    at_risk: float | None,
) -> pd.DataFrame:
    """One row for each parcel of `shipments` (n,), in its order; see `PromiseModel.track_many`."""
    require_table(shipments)
    journey = journeys_at(model, shipments, scans, now)
    states = journey.states
    levels, position = shown_levels(service_level)
    promised = standing_dates(shipments, standing)
    day, probability, kept = journey.reach(levels, promised)
    day = day[:, position]
    confidence = probability[:, position[len(PERCENTILES)]]
    today = journey.today
    code, reasons = assess(
        model.parts,
        journey.requests,
        reachable=confidence >= service_level,
        days=day[:, -3:] - today[:, None],
        today=today,
    )
    came, never = journey.came, journey.never
    late = late_probability(kept, confidence)
    alarm = late >= at_risk_threshold(model, at_risk)
    dates = as_dates(day)
    dates[never] = np.datetime64("NaT", "D")
    return pd.DataFrame(
        {
            **date_columns(shipments, dates, service_level, confidence),
            "delivery_date_confidence": kept,
            "late_probability": late,
            "lost_probability": journey.lost,
            "at_risk": alarm & ~came & (states.stage != stage_number("cancelled")),
            "confidence_code": np.where(came, 10000, code).astype(np.int32),
            "messages": message_codes(np.where(came, 0, reasons)),
            "model_version": model.version,
            "stage": _words(STAGES, states.stage),
            "last_status": _words(STATUSES, states.last_status),
            "last_scan_at": _times(states.last_scan),
            "silent_days": journey.looks.silence,
            "stalled": journey.stalled,
            "likely_lost": journey.lost >= journey.likely_lost,
            "return_probability": journey.returned,
            "attempts": states.attempts.astype(np.int64),
            "delivered_at": _times(states.arrived),
            "delivered_date": as_dates(np.where(came, journey.event_day, _NO_DAY)),
        }
    )


# NaT as a number of days.
_NO_DAY: Final = np.datetime64("NaT", "D").astype(np.int64)


def standing_dates(shipments: pd.DataFrame, standing: Any) -> Dates:
    """(n,) datetime64[D] the promise that each customer has, NaT where there is none.

    Args:
        shipments: (n,) accepted rows; `promised_date` counts where `standing` is None.
        standing: one date for all, or (n,) dates.
    """
    count = len(shipments)
    if standing is None:
        if "promised_date" not in shipments.columns:
            return np.full(count, np.datetime64("NaT", "D"), "datetime64[D]")
        return shipments["promised_date"].to_numpy().astype("datetime64[D]")
    try:
        if isinstance(standing, pd.Series | np.ndarray | list | tuple):
            days = pd.to_datetime(pd.Series(list(standing))).to_numpy().astype("datetime64[D]")
        else:
            days = np.full(count, np.datetime64(pd.Timestamp(standing).date(), "D"))
    except (TypeError, ValueError, NotImplementedError) as error:  # the last of years below 1
        raise ContractError(
            f"Found standing={standing!r}; expected a date such as date(2026, 2, 1), or one for "
            "each parcel."
        ) from error
    if len(days) != count:
        raise ContractError(
            f"Found {len(days)} standing dates for {count} parcels; expected one for each."
        )
    return days


def late_probability(kept: Floats, confidence: Floats) -> Floats:
    """(n,) that the standing date is missed, or, where there is none, the date that is told."""
    return np.where(np.isnan(kept), 1.0 - confidence, 1.0 - kept)


def at_risk_threshold(model: ModelCore, asked: float | None) -> float:
    """From which probability of being late on a parcel is at risk."""
    if asked is not None:
        return require_level(asked, "at_risk_threshold")
    transit = model.transit
    return _AT_RISK if transit is None else transit.alerts.at()


def _words(words: tuple[str, ...], numbers: NDArray[np.uint8]) -> Any:
    table = np.array([*words, None], dtype=object)
    return pd.array(table[np.minimum(numbers, len(words))], dtype=TEXT)


def _times(moments: Ints) -> pd.Series[Any]:
    return pd.Series(moments.view("datetime64[us]")).dt.tz_localize("UTC")
