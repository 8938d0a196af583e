"""One parcel under way: the new promise, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import MISSING
from etapromise.encoding.requests import DISRUPTED
from etapromise.encoding.shipment_values import EPOCH, missing, utc_second
from etapromise.errors import ContractError, name_meant
from etapromise.in_transit.transit_parts import STAGES
from etapromise.promise.arrival_distribution import date_of, days_to_reach
from etapromise.promise.confidence import assess, detailed_message, messages_of
from etapromise.promise.promise import Promise
from etapromise.promise.typed_inputs import A_TYPO, Scan, refuse_unknown
from etapromise.promise.under_way.one_journey import plain_parcel
from etapromise.promise.under_way.open_journeys import (
    Journey,
    at_risk_threshold,
    checked_scans,
    frame_of,
    journeys_at,
    late_probability,
    microseconds_of,
    standing_dates,
)
from etapromise.promise.why import Fact, Why, rounded_to_sum
from etapromise.tracking.contract import STATUSES
from etapromise.tracking.tables import read_shipments

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

_NO_DATE: Final = np.array([np.datetime64("NaT", "D")])


_ALONE: Final = "shipment"
# Of what is told of a parcel, what is plain already.
_AS_THEY_ARE: Final = (
    *("late_probability", "lost_probability", "return_probability", "at_risk", "likely_lost"),
    *("stalled", "silent_days", "attempts"),
)


@dataclass(frozen=True, eq=False)
class Tracked:
    """What to tell of a parcel at a moment. Immutable.

    Attributes:
        promise: the distribution over destination-local dates from today on, given that the event
            is not known yet; if it is, all of it lies on its date.
        stage: one of `tracking.states.STAGES`.
        status: the latest standard status, or the one that decides a final stage; None: no scan.
        standing: the promise that the customer has; None where there is none.
        late_probability: that the standing promise is broken; without one, that `date` is.
        lost_probability: that the parcel is lost, or destroyed, for good.
        return_probability: that it goes back to the sender.
        at_risk: whether the standing promise is likely enough to be broken to act on.
        likely_lost: whether a loss is likely enough to act on.
        stalled: silent for longer than 98 % of such silences last.
        silent_days: operational days of the carrier since the latest event, or the order.
        attempts: failed attempts so far.
        delivered_at: when the event took place, UTC; None while it has not.
        now: the moment.
        unread: what was wrong with scans that could not be read, and are not looked at.
    """

    promise: Promise
    stage: str
    status: str | None
    standing: dt.date | None
    late_probability: float
    lost_probability: float
    return_probability: float
    at_risk: bool
    likely_lost: bool
    stalled: bool
    silent_days: float
    attempts: int
    delivered_at: dt.datetime | None
    now: dt.datetime
    _expected: bool
    _why: Callable[[], Why | None] = field(repr=False)
    unread: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """It travels with its reason, without its model."""
        return {**self.__dict__, "_why": _KnownReason(self.why())}

    @property
    def date(self) -> dt.date | None:
        """The date that reaches the service level; None where no delivery will follow."""
        return self.promise.date if self._expected else None

    @property
    def earliest(self) -> dt.date | None:
        """First date of the band; None where no delivery will follow."""
        return self.promise.earliest if self._expected else None

    @property
    def latest(self) -> dt.date | None:
        """Last date of the band; None where no delivery will follow."""
        return self.promise.latest if self._expected else None

    def why(self) -> Why | None:
        """Why `date` is that day, counted from today; None where no delivery will follow.

        The days that each cause adds sum to those from today to `date`: `usual` for a parcel of
        that status, `state` for what its own journey adds, `closed_days`, `service_level`,
        `disruption`.
        """
        return self._why()

    @property
    def confidence(self) -> float:
        """Probability that `date` is kept; 1 for a parcel that has come."""
        return self.promise.confidence

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: those of the promise, and what is known of the journey."""
        plain = self.promise.as_dict()
        if not self._expected:
            dates = ("estimated_delivery_date", "percentile_")
            plain |= {name: None for name in plain if name.startswith(dates)}
        return plain | {
            "stage": self.stage,
            "last_status": self.status,
            "promised_date": None if self.standing is None else self.standing.isoformat(),
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "delivered_at": None if self.delivered_at is None else self.delivered_at.isoformat(),
            "now": self.now.isoformat(),
            "unread_scans": list(self.unread),
        }


@dataclass(frozen=True)
class _KnownReason:
    """A reason that was found before."""

    why: Why | None

    def __call__(self) -> Why | None:
        return self.why


def track_one(
    model: ModelCore,
    shipment: Mapping[str, Any],
    scans: Any,
    now: dt.datetime,
    *,
    standing: Any,
    service_level: float,
    band: float,
    at_risk: float | None,
    vocabulary: str | None,
    naive_time_zone: str | None,
) -> Tracked:
    """See `PromiseModel.track`."""
    _refuse_typos(shipment, scans, model.known_fields)
    extra = (*model.parts.encoder.categorical, *model.parts.encoder.numeric)
    unread: tuple[str, ...] = ()
    plain = plain_parcel(shipment, scans, vocabulary=vocabulary, extra=extra)
    journey = None if plain is None else plain.journey(model, microseconds_of(now))
    if plain is None or journey is None:
        frame = _one_row(shipment, naive_time_zone)
        checked = checked_scans(
            scans,
            owner=str(frame["shipment_id"].iloc[0]),
            vocabulary=vocabulary,
            naive_time_zone=naive_time_zone,
        )
        unread = tuple(checked.rejects["detail"].tolist())
        journey = journeys_at(model, frame, checked.accepted, now)
        fields = fields_of(frame)
    else:
        fields = plain.fields
    told = fields.get("promised_date") if standing is None else standing
    if told is None or type(told) is dt.date:
        standing_date = np.array([told], "datetime64[D]")
    else:
        standing_date = standing_dates(pd.DataFrame(index=range(1)), told)
    levels = np.array([service_level])
    _, stated, kept = journey.reach(levels, standing_date)
    late = late_probability(kept, stated[:, 0])
    threshold = at_risk_threshold(model, at_risk)
    states = journey.states
    stage, status = STAGES[states.stage[0]], int(states.last_status[0])
    came = bool(journey.came[0])
    alarm = late[0] >= threshold and not came and stage != "cancelled"
    promised = standing_date[0]
    return Tracked(
        promise=_promise(model, journey, fields, service_level, band, unread),
        stage=stage,
        status=STATUSES[status] if status < len(STATUSES) else None,
        standing=None if np.isnat(promised) else promised.item(),
        late_probability=float(late[0]),
        lost_probability=float(journey.lost[0]),
        return_probability=float(journey.returned[0]),
        at_risk=bool(alarm),
        likely_lost=bool(journey.lost[0] >= journey.likely_lost),
        stalled=bool(journey.stalled[0]),
        silent_days=float(journey.looks.silence[0]),
        attempts=int(states.attempts[0]),
        delivered_at=EPOCH + dt.timedelta(microseconds=int(states.arrived[0])) if came else None,
        now=now,
        _expected=not bool(journey.never[0]),
        _why=lambda: _told_why(model, journey, service_level),
        unread=unread,
    )


def _told_why(model: ModelCore, journey: Journey, service_level: float) -> Why | None:
    """Of the first of some parcels; None where no delivery will follow.

    The days from today to the promised date are what is typical from its latest status on
    (`usual`), what the parcel's own journey adds to it (`state`: silence, attempts, the legs done),
    days without deliveries, the reserve for the service level up to the end of a day, and what was
    declared.
    """
    if journey.never[0]:
        return None
    today = int(journey.today[0])
    states, places = journey.states, journey.looks.positions
    if journey.came[0]:
        day = date_of(int(journey.event_day[0]))
        return Why(0, day, {}, (Fact("arrived", day=day),))
    levels = np.array([service_level])
    days = int(journey.reach(levels, _NO_DATE)[0][0, 0]) - today
    calm = journey.undisturbed()
    usual, middle = calm.left()
    undisturbed = int(calm.reach(levels, _NO_DATE)[0][0, 0]) - today
    encoder = model.parts.encoder
    clocks = encoder.clocks
    elapsed = clocks.elapsed[int(places.clock[0])]
    start, end = (
        elapsed[min(max(day - clocks.first_day, 0), len(elapsed) - 1)]
        for day in (today, today + undisturbed + 1)
    )
    closed = undisturbed + 1 - float(end - start)
    parts = {
        "usual": usual,
        "state": middle - usual,
        "closed_days": closed,
        "service_level": undisturbed - middle - closed,
        "disruption": float(days - undisturbed),
    }
    since = int(states.last_scan[0])
    heard = None if since == MISSING else date_of(int(places.day(states.last_scan)[0]))
    facts = []
    if heard is None or int(states.picked_up[0]) == MISSING:
        facts.append(Fact("not_fetched"))
    elif journey.stalled[0]:
        facts.append(Fact("stands_still", day=heard))
    else:
        facts.append(Fact("under_way", day=date_of(int(places.day(states.picked_up)[0]))))
    counted = rounded_to_sum(
        {
            "left": middle,
            "closed_days": closed,
            "reserve": parts["service_level"],
            "disruption": parts["disruption"],
        }
    )
    if counted["left"] > 0:
        facts.append(Fact("left", counted["left"]))
    if counted["closed_days"] > 0:
        facts.append(Fact("closed_days", counted["closed_days"]))
    if counted["disruption"] > 0 and encoder.disruptions is not None:
        concern = float(journey.requests.numbers[0, DISRUPTED])
        told = encoder.disruptions.reasons(concern, today, today + model.horizon)
        facts.extend(Fact("disruption", counted["disruption"], text=text) for text in told)
    if counted["reserve"] > 0:
        facts.append(Fact("reserve", counted["reserve"], share=service_level))
    return Why(days, date_of(today), parts, tuple(facts))


def _refuse_typos(shipment: object, scans: object, known: frozenset[str]) -> None:
    """Tables may have other columns too; but what is nearly a known name is a typo of it."""
    if isinstance(shipment, Mapping):
        if not missing(shipment.get("available_from")):
            utc_second(shipment["available_from"], "available_from")
        _refuse_typos_of(shipment.keys() - known, known, "a shipment")
    if isinstance(scans, list | tuple):
        strange = [
            scan.keys() - _OF_A_SCAN
            for scan in scans
            if isinstance(scan, Mapping) and not scan.keys() <= _OF_A_SCAN
        ]
        _refuse_typos_of(set().union(*strange), _OF_A_SCAN, "a scan")


def _refuse_typos_of(strange: Iterable[str], known: frozenset[str], what: str) -> None:
    for name in strange:
        if name_meant(str(name), known, likeness=A_TYPO) is not None:
            refuse_unknown([name], known, what)


_OF_A_SCAN: Final = frozenset(Scan.__annotations__)


def _one_row(shipment: Mapping[str, Any], naive_time_zone: str | None) -> pd.DataFrame:
    if not isinstance(shipment, Mapping):
        raise ContractError(
            f"Found a shipment of type {type(shipment).__name__}; expected a mapping of the "
            "contract's columns to values. Take track_many for a table."
        )
    row = {"shipment_id": _ALONE, **shipment}
    checked = read_shipments(frame_of([row]), naive_time_zone=naive_time_zone)
    if not len(checked.accepted):
        detail = checked.rejects["detail"].iloc[0]
        raise ContractError(f"Found a shipment that cannot be used: {detail}.")
    return checked.accepted


def _promise(
    model: ModelCore,
    journey: Journey,
    fields: Mapping[str, Any],
    service_level: float,
    band: float,
    unread: tuple[str, ...],
) -> Promise:
    came, never = bool(journey.came[0]), bool(journey.never[0])
    if came:
        probability, first_day = np.ones(1), int(journey.event_day[0])
    else:
        probability, first_day = journey.dates()[0], int(journey.today[0])
        if never:
            probability = np.zeros(len(probability))
    probability.flags.writeable = False
    wanted = (service_level, (1.0 - band) / 2, (1.0 + band) / 2)
    found, low, high = days_to_reach(probability, wanted)

    told = detailed_message("unread_scans", dict.fromkeys(unread))

    def assessed() -> tuple[int, tuple[dict[str, str], ...]]:
        if came:
            return 10000, told
        days = np.array(days_to_reach(probability, (0.1, 0.5, 0.9)))
        code, reasons = assess(
            model.parts,
            journey.requests,
            reachable=probability[-1:] >= service_level,
            days=days[None],
            today=journey.today,
        )
        return int(code[0]), messages_of(int(reasons[0])) + told

    def at_the_order() -> Promise:
        asked: Any = {name: value for name, value in fields.items() if name in model.known_fields}
        return model.promise(**asked, service_level=service_level)

    return Promise(
        date=date_of(first_day + found),
        earliest=date_of(first_day + low),
        latest=date_of(first_day + high),
        confidence=float(probability[found]),
        service_level=service_level,
        event=model.event,
        ordered_at=fields["ordered_at"],
        model_version=model.version,
        kept_record=None,
        lost_probability=float(1.0 - probability[-1]),
        _first_day=first_day,
        _probability=probability,
        _assess=assessed,
        _time_zone=lambda: at_the_order().destination_time_zone,
        _explain=lambda: at_the_order().explanation,
    )


def fields_of(frame: pd.DataFrame) -> dict[str, Any]:
    """The first row of a table of accepted shipments as plain values, None where it has none."""
    fields: dict[str, Any] = {}
    for name, value in frame.iloc[0].to_dict().items():
        plain = None if pd.isna(value) else value
        if isinstance(plain, pd.Timestamp):
            plain = plain.to_pydatetime() if plain.tzinfo is not None else plain.date()
        fields[str(name)] = plain
    return fields
