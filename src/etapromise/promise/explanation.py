"""What stands behind a promise: cut-off, stages and hours; computed when it is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from etapromise.calendars.dispatch import NO_CUT_OFF
from etapromise.encoding.pickup_days import WarehouseDays
from etapromise.encoding.requests import DISRUPTED
from etapromise.encoding.shipment_values import EPOCH
from etapromise.errors import ContractError
from etapromise.history.effects import FIELDS
from etapromise.promise.arrival_distribution import date_of, day_number
from etapromise.promise.compiled_quote import Quote, begin_day, expiry
from etapromise.promise.contributions import CAUSES, contributions
from etapromise.promise.explained_promise import TimeWindow
from etapromise.promise.service_levels import require_level
from etapromise.promise.stages import (
    AnswerStages,
    HandOffTime,
    StageForests,
    answer_stages,
    first_leg_time,
)
from etapromise.promise.why import Why, order_facts

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

_PACE: Final = FIELDS.index("pace")
_LONGEST_CLOSURE: Final = 120
_ONE_DAY: Final = dt.timedelta(days=1)
_DAY: Final = 86_400


class Explanation:
    """Of one order. Everything is computed once, on first demand."""

    def __init__(self, model: ModelCore, quote: Quote) -> None:
        self._model = model
        self._quote = quote
        self._answer = quote.answer

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        """The shipment as it was asked for."""
        return self._model.parts.encoder.compiled.fields_of(self._quote.asked)

    @cached_property
    def origin_zone(self) -> ZoneInfo:
        """The zone that the warehouse's cut-off is meant in."""
        return self._model.parts.encoder.zones.numbered(self._answer.request.origin_zone)

    @cached_property
    def cut_off(self) -> dt.datetime | None:
        """The next moment (UTC) from which orders wait for a later working day.

        None where orders have been seen to count until midnight.
        """
        warehouse = self._warehouse
        zone, after = self.origin_zone, self._quote.moment
        day = after.astimezone(zone).date()
        for _ in range(_LONGEST_CLOSURE):
            number = day_number(day)
            if warehouse.open_on(number):
                for second in warehouse.cut_offs(number):
                    moment = _utc(day, second, zone)
                    if second < NO_CUT_OFF and moment > after:
                        return moment
            day += _ONE_DAY
        return None

    @cached_property
    def expires_at(self) -> dt.datetime:
        """The first moment (UTC) at which another date is promised."""
        quote = self._quote
        second = expiry(self._model.kernel.address, self._answer, quote.second, quote.service_level)
        return EPOCH + dt.timedelta(seconds=second)

    @property
    def has_stages(self) -> bool:
        """Whether the model was trained with them."""
        return self._model.parts.stages is not None

    @cached_property
    def stages(self) -> AnswerStages:
        """Handling and transit, and what they are summed from."""
        parts = self._model.parts
        return answer_stages(
            required_stages(parts.stages),
            self._model.kernel.address,
            self._answer,
            warehouse=self._warehouse,
            duration_offset=parts.statistics.settings.offset,
            horizon=parts.horizon,
        )

    @property
    def works(self) -> bool:
        """Whether the warehouse works on the day of the order."""
        return self._warehouse.open_on(self._answer.request.order_day)

    @property
    def works_on(self) -> tuple[bool, ...]:
        """Whether the warehouse works on Monday … Sunday, holidays aside."""
        return self._warehouse.week

    def window(self, day: dt.date, probability: float) -> TimeWindow:
        """See `Explained.window`."""
        require_level(probability, "probability")
        zones, request = self._model.parts.encoder.zones, self._answer.request
        zone = (
            zones.numbered(request.zone)
            if request.zone >= 0
            else zones.zone(str(self._fields["destination_time_zone"]))
        )
        hours = self._model.parts.hours
        row = hours.row(self._brought, day.weekday())
        start, end = (_local(day, at, zone) for at in hours.shortest(row, probability))
        return TimeWindow(start, end, probability, float(hours.evidence[row]))

    def share_between(self, day: dt.date, start: dt.time, end: dt.time) -> float:
        """Share of the deliveries of a day between local times; an end of 00:00 ends the day."""
        both: tuple[tuple[str, object], ...] = (("start", start), ("end", end))
        for name, given in both:
            if not isinstance(given, dt.time) or given.tzinfo is not None:
                raise ContractError(
                    f"Found {name}={given!r}; expected a datetime.time without a zone: it is meant "
                    "in the destination's local time."
                )
        first, last = _second(start), _second(end) or _DAY
        if last <= first:
            raise ContractError(
                f"Found a window from {start} to {end}; expected an end after its start."
            )
        hours = self._model.parts.hours
        row = hours.row(self._brought, day.weekday())
        return hours.before(row, last) - hours.before(row, first)

    @property
    def hand_off(self) -> HandOffTime | None:
        """Who usually takes the parcel over and when; None where its own carrier brings it."""
        encoder, request = self._model.parts.encoder, self._answer.request
        usual = None if encoder.hand_offs is None else encoder.hand_offs.of(self._fields)
        if usual is None:
            return None
        after = first_leg_time(
            self.stages.times, usual.first_leg, encoder.clocks, request.leg_clock, request.order_day
        )
        return HandOffTime(usual.carrier, usual.share, after)

    @property
    def _brought(self) -> Mapping[str, Any]:
        """The shipment as one of the carrier that brings it to the door."""
        hand_offs = self._model.parts.encoder.hand_offs
        return self._fields if hand_offs is None else hand_offs.delivering(self._fields)

    def why(self, service_level: float) -> Why:
        """See `Explained.why`."""
        encoder = self._model.parts.encoder
        requests = self._answer.requests(len(encoder.levels))
        found = contributions(self._model, requests, service_level)[0]
        parts = dict(zip(CAUSES, found.tolist(), strict=True))
        order_day = self._answer.request.order_day
        begins = begin_day(self._model.kernel.address, self._answer)
        leaves = begins
        if self.has_stages:
            leaves = max(begins, order_day + self.stages.handling.calendar_days[1])
        ordered, begun, left = map(date_of, (order_day, begins, leaves))
        days = round(sum(parts.values()))
        told: tuple[str, ...] = ()
        if encoder.disruptions is not None:
            concern = self._answer.number[DISRUPTED]
            told = encoder.disruptions.reasons(concern, order_day, order_day + days)
        return Why(
            days=days,
            start=ordered,
            contributions=parts,
            facts=order_facts(
                parts,
                ordered=ordered,
                works=self.works,
                begins=begun,
                leaves=left,
                service_level=service_level,
                disruptions=told,
                since=self._since(parts["now"], ordered),
            ),
        )

    def _since(self, now: float, ordered: dt.date) -> dt.date | None:
        """Since when things have been as slow (`now` above 0 days) or as quick as they are."""
        parts = self._model.parts
        names = parts.encoder.level_names
        told, most = None, 0.0
        for name, days in parts.manifest.get("pace_since", {}).items():
            level = names.index(name)
            row = self._answer.code[level]
            pace = float(parts.statistics.total[parts.statistics.total_start[level] + row, _PACE])
            if row > 0 and pace * now > 0.0 and abs(pace) > most:
                told, most = days.get(parts.encoder.index_of[name].keys[row - 1]), abs(pace)
        found = None if told is None else dt.date.fromisoformat(told)
        return found if found is not None and found <= ordered else None

    @property
    def _warehouse(self) -> WarehouseDays:
        request = self._answer.request
        return self._model.warehouse(request.warehouse, request.holidays)


def required_stages(stages: StageForests | None) -> StageForests:
    """The forests of handling and transit."""
    if stages is None:
        raise ContractError(
            "Found a model without forests of handling and transit: it was trained with "
            "stages=False, or on hardly any pick-up scans. Train with stages and with scans such "
            "as picked_up, or read the promise's own dates."
        )
    return stages


def _local(day: dt.date, second: int, zone: ZoneInfo) -> dt.datetime:
    """When a local clock shows a second of the day; 86400 is the next date's midnight."""
    whole, rest = divmod(second, _DAY)
    at = dt.time(rest // 3600, rest % 3600 // 60, rest % 60)
    return dt.datetime.combine(day + dt.timedelta(days=whole), at, zone)


@lru_cache(maxsize=4096)  # many orders have one cut-off
def _utc(day: dt.date, second: int, zone: ZoneInfo) -> dt.datetime:
    return _local(day, second, zone).astimezone(dt.UTC)


def _second(at: dt.time) -> float:
    return at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6
