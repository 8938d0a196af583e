"""One promise, asked in one compiled call; what is asked for seldom is computed later."""

from __future__ import annotations

import ctypes
import datetime as dt
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache, partial
from math import nan
from typing import TYPE_CHECKING, Any, Final

from etapromise.array_types import Floats
from etapromise.encoding.compiled_encoder import FINE
from etapromise.encoding.requests import DISRUPTED, NUMBERS
from etapromise.encoding.shipment_values import as_datetime, quoted_day, utc_second
from etapromise.errors import ContractError, name_meant
from etapromise.lanes.levels import HANDLING_LEVELS
from etapromise.normal_forms.remembered import NAMES, PLACES
from etapromise.promise.arrival_distribution import PERCENTILES, date_of
from etapromise.promise.compiled_quote import (
    UNUSUAL,
    Answer,
    Levels,
    Quote,
    QuoteKernel,
    answer_type,
    as_number,
    ask,
    has_date,
    pack_levels,
    pack_question,
)
from etapromise.promise.confidence import (
    MISTYPED_BITS,
    UNSEEN_REGION,
    AssessesOne,
    declared_message,
    left_out_message,
    messages_of,
    with_near_names,
)
from etapromise.promise.explained_promise import PromiseDetails
from etapromise.promise.kept_record import KeptRecord
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.promise import Promise
from etapromise.promise.service_levels import require_level
from etapromise.promise.typed_inputs import ASKED, refuse_unknown

if TYPE_CHECKING:
    from etapromise.encoding.requests import Encoder

DEFAULT_SERVICE_LEVEL: Final = 0.9
DEFAULT_BAND: Final = 0.8


class SingleQuotes:
    """The part of a model that answers for one parcel at a time."""

    __slots__ = (
        "_address",
        "_answer",
        "_assessor",
        "_date_rule",
        "_encoder",
        "_kept",
        "_known",
        "_lost",
        "_lost_level",
        "_near",
        "_plain",
        "_stated",
        "_zones",
    )

    def __init__(self, parts: ModelParts, kernel: QuoteKernel) -> None:
        """Take what a promise is read off: `kernel` is bound to the same parts."""
        self._encoder = encoder = parts.encoder
        self._assessor = AssessesOne(parts)
        self._date_rule = ctypes.addressof(self._assessor.date_rule)
        self._lost = parts.statistics.lost
        self._kept = parts.kept
        self._address = kernel.address
        self._stated = parts.event, parts.version
        self._lost_level = kernel.lost_level
        self._answer = answer_type(
            horizon=kernel.horizon,
            numbers=len(NUMBERS) + len(encoder.numeric),
            codes=len(encoder.levels) + len(HANDLING_LEVELS),
        )
        self._known = ASKED | {*encoder.categorical, *encoder.numeric}
        # Without extra features, the columns are those that `promise` names.
        self._plain = not (encoder.categorical or encoder.numeric)
        self._zones = frozenset(encoder.zones.names)
        # Of thousands of regions a near one takes milliseconds, and a typo comes again.
        self._near = lru_cache(maxsize=1024)(partial(near_name, encoder))

    def promise(
        self,
        /,
        *,
        origin: str | None,
        destination: str | None,
        ordered_at: datetime,
        carrier: str | None = None,
        service: str | None = None,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        band: float = DEFAULT_BAND,
        origin_region: str | None = None,
        origin_country: str | None = None,
        destination_region: str | None = None,
        destination_country: str | None = None,
        destination_time_zone: str | None = None,
        origin_lat: float | None = None,
        origin_lon: float | None = None,
        destination_lat: float | None = None,
        destination_lon: float | None = None,
        weight_kg: float | None = None,
        quoted_date: dt.date | str | None = None,
        available_from: datetime | None = None,
        **fields: Any,
    ) -> Promise:
        """The promise of one parcel.

        Where a column says nothing, give None or leave it out; NaN, NaT and NA out of a table mean
        the same.

        Args:
            origin: postcode or place code that it is sent from.
            destination: postcode or place code that it goes to.
            ordered_at: zone-aware.
            carrier: as in the training data; an unseen one gets a wider, flagged promise.
            service: likewise.
            service_level: the probability with which the promise shall be kept, or its name:
                "typical", "default" or "high" (`SERVICE_LEVELS`).
            band: the central probability between `earliest` and `latest`.
            origin_region: state or province that it is sent from.
            origin_country: ISO 3166 code.
            destination_region: state or province that it goes to.
            destination_country: ISO 3166 code.
            destination_time_zone: IANA name.
            origin_lat: degrees north.
            origin_lon: degrees east.
            destination_lat: degrees north.
            destination_lon: degrees east.
            weight_kg: kilograms.
            quoted_date: the carrier's own estimate; as text, YYYY-MM-DD.
            available_from: zone-aware; an item that is released later than it is ordered is sent as
                if it had been ordered then.
            **fields: every extra feature that the model was trained with.

        Raises:
            ContractError: a naive order time, a probability outside 0 to 1, a missing extra
                feature, a value of a wrong type, or a time outside the model's calendars.
        """
        if type(service_level) is not float or not 0.0 < service_level < 1.0:
            service_level = require_level(service_level, "service_level")
        if type(band) is not float or not 0.0 < band < 1.0:
            band = require_level(band, "band")
        if fields:
            refuse_unknown(fields, self._known, "a promise")
        given: object = ordered_at
        if not isinstance(given, datetime):
            ordered_at = as_datetime(given, "ordered_at")
        moment = ordered_at
        second = utc_second(moment)
        if available_from is not None and available_from == available_from:  # noqa: PLR0124 — NaT
            available_from = as_datetime(available_from, "available_from")
            released = utc_second(available_from, "available_from")
            if released > second:
                moment, second = available_from, released
        low, high = (1.0 - band) / 2, (1.0 + band) / 2
        answer = self._answer()
        status, text = None, b""
        left_out: tuple[str, ...] = ()
        if self._plain:
            try:
                text = "\0".join(
                    (
                        PLACES[origin, origin_region, origin_country],
                        PLACES[destination, destination_region, destination_country],
                        "" if carrier is None else NAMES[carrier],
                        "" if service is None else NAMES[service],
                        "" if destination_time_zone is None else destination_time_zone,
                    )
                ).encode()
                question = pack_question(
                    second,
                    len(text),
                    0,
                    nan if quoted_date is None else quoted_day(quoted_date),
                    nan if origin_lat is None else as_number(origin_lat),
                    nan if origin_lon is None else as_number(origin_lon),
                    nan if destination_lat is None else as_number(destination_lat),
                    nan if destination_lon is None else as_number(destination_lon),
                    nan if weight_kg is None else as_number(weight_kg),
                    service_level,
                    low,
                    high,
                )
                if destination_time_zone is None or destination_time_zone in self._zones:
                    status = ask(self._address, question, text, answer)
            except (*UNUSUAL, ContractError):
                pass  # looked at with care below
        if status != FINE:
            fields |= {
                "origin": origin,
                "origin_region": origin_region,
                "origin_country": origin_country,
                "destination": destination,
                "destination_region": destination_region,
                "destination_country": destination_country,
                "carrier": carrier,
                "service": service,
                "destination_time_zone": destination_time_zone,
                "quoted_date": quoted_date,
                "origin_lat": origin_lat,
                "origin_lon": origin_lon,
                "destination_lat": destination_lat,
                "destination_lon": destination_lon,
                "weight_kg": weight_kg,
                "ordered_at": moment,
            }
            levels = pack_levels(service_level, low, high)
            text, left_out = self._ask_carefully(fields, levels, answer)
        quote = answer, text, moment, second
        return QuotedPromise(
            self, quote, ordered_at, service_level, destination_time_zone, left_out
        )

    @property
    def known_fields(self) -> frozenset[str]:
        """The names that a parcel may have."""
        return self._known

    def explanation(self, quote: Quote) -> PromiseDetails:
        """What stands behind a promise; a whole model knows."""
        raise NotImplementedError

    def _ask_carefully(
        self, fields: Mapping[str, Any], levels: bytes, answer: Answer
    ) -> tuple[bytes, tuple[str, ...]]:
        """What `promise` does, for models with extra features and for values of unusual types."""
        encoder = self._encoder
        second = utc_second(fields["ordered_at"])
        shipment, extra, text, left_out = encoder.compiled.packed(fields, second)
        status = ask(self._address, shipment + levels + extra, text, answer)
        encoder.compiled.require_encoded(status, answer.request.order_day)
        return text, left_out


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
    _model: SingleQuotes
    _quote: tuple[Answer, bytes, datetime, int]

    def __init__(
        self,
        model: SingleQuotes,
        quote: tuple[Answer, bytes, datetime, int],
        ordered_at: datetime,
        service_level: float,
        given_zone: object,
        left_out: tuple[str, ...],
    ) -> None:
        """Take what a model answered; `PromiseModel.promise` makes such promises."""
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
        model = self._model
        rule, level = model._date_rule, self.service_level  # noqa: SLF001 — one thing in two classes
        return bool(has_date(model._address, self._answer, level, rule))  # noqa: SLF001

    @property
    def event(self) -> str:
        """What is promised."""
        return self._model._stated[0]  # noqa: SLF001

    @property
    def model_version(self) -> str:
        """Which model said so."""
        return self._model._stated[1]  # noqa: SLF001

    @property
    def kept_record(self) -> KeptRecord | None:
        """How promises like this one were kept; None where that was not measured."""
        return self._model._kept.record(self._answer.code)  # noqa: SLF001

    @property
    def lost_probability(self) -> float:
        """Probability that the event never comes."""
        model = self._model
        return model._lost.item(self._answer.code[model._lost_level])  # noqa: SLF001

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
        request, encoder = answer.request, model._encoder  # noqa: SLF001
        days = _BAND.days(model._address, answer)  # noqa: SLF001
        code, reasons = model._assessor.assess(  # noqa: SLF001
            answer.code,
            answer.number,
            zone_source=request.zone_source,
            order_day=request.order_day,
            reachable=answer.probability[-1] >= self.service_level,
            days=days,
        )
        messages, day = messages_of(reasons), request.order_day
        if encoder.disruptions is not None:
            concern = answer.number[DISRUPTED]
            told = encoder.disruptions.reasons(concern, day, day + days[2])
            messages += declared_message(told)
        region = model._assessor.only_region_unseen(answer.code)  # noqa: SLF001
        if reasons & MISTYPED_BITS or region:
            given = encoder.compiled.fields_of(self._quote[1])
            if region and given.get("destination_region"):
                messages += messages_of(UNSEEN_REGION)
            messages = with_near_names(messages, given, model._near)  # noqa: SLF001
        return code, (*messages, *left_out_message(self._left_out))

    def _explain(self) -> PromiseDetails:
        return self._model.explanation(Quote(*self._quote, self.service_level))

    def _percentiles(self) -> list[int]:
        return _SHOWN.days(self._model._address, self._answer)  # noqa: SLF001

    def _time_zone(self) -> str:
        compiled = self._model._encoder.compiled  # noqa: SLF001
        return compiled.zone_name(self._answer.request.zone, self._given_zone)


# The slots' own way in, past the refusal to be changed: quicker than a dictionary by a tenth.
_setters: Final[Any] = {
    name: QuotedPromise.__dict__[name].__set__ for name in QuotedPromise.__slots__
}
_set_model, _set_quote, _set_answer = (_setters[name] for name in ("_model", "_quote", "_answer"))
_set_ordered_at, _set_service_level = _setters["ordered_at"], _setters["service_level"]
_set_given_zone, _set_left_out = _setters["_given_zone"], _setters["_left_out"]


def near_name(encoder: Encoder, level: str, before: str, said: str) -> str | None:
    """The key of a level, less what stands before it, that something said is a typo of."""
    keys = encoder.indexes[encoder.level_names.index(level)].keys
    return name_meant(said, (key.removeprefix(before) for key in keys if key.startswith(before)))
