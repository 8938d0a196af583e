"""The promise of one compiled call, read off its answer; what is seldom asked is computed later."""

from __future__ import annotations

import ctypes
import datetime as dt
from datetime import datetime
from typing import Any, Final

from etapromise.array_types import Floats
from etapromise.encoding.compiled_encoder import CompiledEncoder
from etapromise.encoding.requests import DISRUPTED
from etapromise.promise.arrival_distribution import PERCENTILES, date_of
from etapromise.promise.compiled_quote import Answer, Levels, Quote, has_date
from etapromise.promise.confidence import (
    MISTYPED_BITS,
    UNSEEN_REGION,
    detailed_message,
    messages_of,
    with_near_names,
)
from etapromise.promise.explained_promise import PromiseDetails
from etapromise.promise.kept_record import KeptRecord, KeptTable
from etapromise.promise.promise import Promise

_BAND: Final = Levels((0.1, 0.5, 0.9))
_SHOWN: Final = Levels([percent / 100.0 for percent in PERCENTILES])


class QuotedPromise(Promise):
    """A promise that reads itself off the model's answer. Immutable, like any promise."""

    __slots__ = (
        *("_answer", "_given_zone", "_left_out", "_model", "_quote"),
        *("ordered_at", "service_level"),
    )

    _answer: Answer
    _given_zone: object
    _left_out: tuple[str, ...]
    _model: Any  # the `ModelCore` that answered
    _quote: tuple[Answer, bytes, datetime, int]

    def __init__(
        self,
        model: Any,
        quote: tuple[Answer, bytes, datetime, int],
        ordered_at: datetime,
        service_level: float,
        given_zone: object,
        left_out: tuple[str, ...],
    ) -> None:
        _set_model(self, model)
        _set_quote(self, quote)
        _set_answer(self, quote[0])
        _set_ordered_at(self, ordered_at)
        _set_service_level(self, service_level)
        _set_given_zone(self, given_zone)
        _set_left_out(self, left_out)

    @property
    def date(self) -> dt.date:
        """The earliest date whose probability is at least `service_level`."""
        return date_of(self._first_day + self._answer.position)

    @property
    def earliest(self) -> dt.date:
        """First date of the band."""
        return date_of(self._first_day + self._answer.low)

    @property
    def latest(self) -> dt.date:
        """Last date of the band."""
        return date_of(self._first_day + self._answer.high)

    @property
    def confidence(self) -> float:
        """Stated probability that `date` is kept."""
        return self._answer.probability[self._answer.position]

    @property
    def has_date(self) -> bool:
        """Whether the code says that a date can be promised; sooner known than the code."""
        rule = ctypes.addressof(self._model.assessor.date_rule)
        return bool(has_date(self._model.kernel.address, self._answer, self.service_level, rule))

    @property
    def event(self) -> str:
        """What is promised."""
        event: str = self._model.event
        return event

    @property
    def model_version(self) -> str:
        """Which model said so."""
        version: str = self._model.version
        return version

    @property
    def kept_record(self) -> KeptRecord | None:
        """How promises like this one were kept; None where that was not measured."""
        kept: KeptTable = self._model.parts.kept
        return kept.record(self._answer.code)

    @property
    def lost_probability(self) -> float:
        """Probability that the event never comes."""
        service = self._answer.code[self._model.kernel.lost_level]
        return float(self._model.parts.statistics.lost.item(service))

    @property
    def _first_day(self) -> int:
        return self._answer.request.order_day

    @property
    def _probability(self) -> Floats:
        return self._answer.probabilities()

    def _curve(self) -> bytes:
        return bytes(self._answer.probability)  # type: ignore[arg-type]

    def _by(self, position: int) -> float:
        probability = self._answer.probability
        return probability[min(position, len(probability) - 1)]

    def _assess(self) -> tuple[int, tuple[dict[str, str], ...]]:
        model, answer = self._model, self._answer
        request, encoder = answer.request, model.parts.encoder
        days = _BAND.days(model.kernel.address, answer)
        code, reasons = model.assessor.assess(
            answer.code,
            answer.number,
            zone_source=request.zone_source,
            order_day=request.order_day,
            reachable=answer.probability[-1] >= self.service_level,
            days=days,
        )
        given = None
        if reasons & MISTYPED_BITS:
            given = encoder.compiled.fields_of(self._quote[1])
            if not given.get("destination_region"):
                reasons &= ~UNSEEN_REGION
        messages, day = messages_of(reasons), request.order_day
        if encoder.disruptions is not None:
            concern = answer.number[DISRUPTED]
            told = encoder.disruptions.reasons(concern, day, day + days[2])
            messages += detailed_message("declared_disruption", told)
        if given is not None:
            messages = with_near_names(messages, given, model.near_name)
        left_out = detailed_message("value_left_out", self._left_out, ", ")
        return code, (*messages, *left_out)

    def _explain(self) -> PromiseDetails:
        found: PromiseDetails = self._model.explanation(Quote(*self._quote, self.service_level))
        return found

    def _percentiles(self) -> list[int]:
        return _SHOWN.days(self._model.kernel.address, self._answer)

    def _time_zone(self) -> str:
        compiled: CompiledEncoder = self._model.parts.encoder.compiled
        return compiled.zone_name(self._answer.request.zone, self._given_zone)


# The slots' own way in, past the refusal to be changed: quicker than a dictionary by a tenth.
_setters: Final[Any] = {
    name: QuotedPromise.__dict__[name].__set__ for name in QuotedPromise.__slots__
}
_set_model, _set_quote, _set_answer = (_setters[name] for name in ("_model", "_quote", "_answer"))
_set_ordered_at, _set_service_level = _setters["ordered_at"], _setters["service_level"]
_set_given_zone, _set_left_out = _setters["_given_zone"], _setters["_left_out"]
