"""The promise of one parcel: a date, its band, and the whole distribution behind it.

And what `as_dict` gives of it, as a JSON Schema.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np

from etapromise.array_types import Floats
from etapromise.errors import ContractError
from etapromise.promise.arrival_distribution import (
    PERCENTILES,
    date_of,
    day_number,
    days_to_reach,
)
from etapromise.promise.confidence import CODES, MESSAGES, NO_DATE
from etapromise.promise.explained_promise import Explained
from etapromise.promise.kept_record import KeptRecord

_PERCENTILE_NAMES: Final = tuple(f"percentile_{percent}" for percent in PERCENTILES)


@dataclass(frozen=True, eq=False)
class Promise(Explained):
    """What to tell the customer. Immutable.

    All dates are calendar dates in the destination's local time. Probabilities are of the `event`
    having happened by the end of a date; parcels that never arrive are part of them.

    Attributes:
        date: the earliest date whose probability is at least `service_level`.
        earliest: first date of the band.
        latest: last date of the band. By default the band is the central 80 %.
        confidence: stated probability that `date` is kept, at least `service_level` unless the
            messages say that no date reaches it.
        service_level: the probability that was asked for.
        event: "delivered", "first_attempt" or "available_for_pickup".
        day_basis: "calendar": days are counted as calendar days.
        ordered_at: the order's time as given.
        model_version: which model said so.
        kept_record: how promises like this one were kept; None where that was not measured.
        lost_probability: probability that the event never comes: lost, returned or given up.

    Examples:
        >>> ordered_at = datetime(2025, 7, 3, 15, tzinfo=UTC)
        >>> promise = model.promise(origin="60492", destination="90585", carrier="acme",
        ...                         service="ground", ordered_at=ordered_at, service_level=0.9)
        >>> promise.earliest <= promise.date <= promise.latest
        True
        >>> promise.confidence >= 0.9
        True
        >>> promise.probability_by(promise.date) == promise.confidence
        True
    """

    kept_record: KeptRecord | None
    lost_probability: float
    _assess: Callable[[], tuple[int, tuple[dict[str, str], ...]]] = field(repr=False)
    day_basis: str = "calendar"
    fallback: ClassVar[bool] = False
    """A model said so: it is no `StaticPromise`."""

    @property
    def confidence_code(self) -> int:
        """10000 one date … 30004 none: see `promise.confidence.CODES`."""
        return self._assess()[0]

    @property
    def has_date(self) -> bool:
        """Whether the code says that a date can be promised."""
        return self._assess()[0] < NO_DATE

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Why the code is what it is: each with a `code` and a `text`."""
        return self._assess()[1]

    def as_dict(self, *, distribution: bool = False) -> dict[str, Any]:
        """Plain values under the field's standard names, ready for JSON; `from_dict` reads them.

        Args:
            distribution: also the probability of every date.
        """
        code, messages = self._assess()
        record, first = self.kept_record, self._first_day
        plain = {
            "estimated_delivery_date": self.date.isoformat(),
            "estimated_delivery_date_min": self.earliest.isoformat(),
            "estimated_delivery_date_max": self.latest.isoformat(),
            "service_level": self.service_level,
            "confidence": self.confidence,
            **{
                name: _written(first + day)
                for name, day in zip(_PERCENTILE_NAMES, self._percentiles(), strict=True)
            },
            "lost_probability": self.lost_probability,
            "event": self.event,
            "day_basis": self.day_basis,
            "destination_time_zone": self.destination_time_zone,
            "ordered_at": self.ordered_at.isoformat(),
            **self._standing(),
            "confidence_code": code,
            "messages": [dict(message) for message in messages],
            "kept_record": None
            if record is None
            else {**vars(record), "as_of": record.as_of.isoformat()},
            "model_version": self.model_version,
        }
        if distribution:
            plain["distribution"] = {
                "first_date": date_of(first).isoformat(),
                "probability": self._probability.tolist(),
            }
        return plain

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Promise:
        """The promise that `as_dict` wrote down: it says the same, without its model.

        What is read off the model (stages, windows, `why`) is no longer there; what needs the
        distribution is, if `values` are of `as_dict(distribution=True)`.

        Raises:
            ContractError: a value is missing or of another kind.
        """
        return StoredPromise(values)

    def __hash__(self) -> int:
        return hash((self.model_version, self.ordered_at, self.date))

    def __reduce__(self) -> tuple[Any, ...]:
        """A promise travels as plain values, without its model."""
        return Promise.from_dict, (self.as_dict(distribution=len(self._probability) > 0),)

    def __copy__(self) -> Promise:
        return self

    def __deepcopy__(self, _memo: object) -> Promise:
        return self

    def _percentiles(self) -> list[int]:
        """Days from `_first_day` to the dates of PERCENTILES."""
        return days_to_reach(self._probability, [percent / 100.0 for percent in PERCENTILES])


@lru_cache(maxsize=4096)
def _written(day: int) -> str:
    return date_of(day).isoformat()


class _StoredExplanation:
    """What is left of an explanation: until when a promise stands."""

    def __init__(self, cut_off: dt.datetime | None, expires_at: dt.datetime) -> None:
        self.cut_off = cut_off
        self.expires_at = expires_at

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise ContractError(
            f"Found a promise without its model, which {name} is read off; expected one of "
            "PromiseModel.promise. Ask the model again."
        )


class StoredPromise(Promise):
    """A promise as it was written down. Immutable."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Read the values of `Promise.as_dict`, with `distribution` or without."""
        try:
            self.__dict__.update(_read(values))
        except KeyError as error:
            raise ContractError(
                f"Found a promise without {error}; expected all values that Promise.as_dict gives."
            ) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ContractError(
                f"Found a promise that cannot be read ({error!r}); expected the values that "
                "Promise.as_dict gives."
            ) from error

    def _by(self, position: int) -> float:
        if not len(self._probability):
            raise ContractError(
                "Found a promise that was written down without its distribution; expected one of "
                "as_dict(distribution=True)."
            )
        return super()._by(position)

    def _percentiles(self) -> list[int]:
        days: list[int] = self.__dict__["_percentile_days"]
        return days

    def percentile(self, percent: float) -> dt.date:
        """See `Promise.percentile`."""
        if not len(self._probability) and percent in PERCENTILES:
            day = self._percentiles()[PERCENTILES.index(int(percent))]
            return self.first_date + dt.timedelta(days=day)
        self._by(0)
        return super().percentile(percent)


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    date = dt.date.fromisoformat
    moment = dt.datetime.fromisoformat
    record = values["kept_record"]
    messages = tuple({"code": one["code"], "text": one["text"]} for one in values["messages"])
    code, zone = int(values["confidence_code"]), str(values["destination_time_zone"])
    cut_off = values["cutoff_datetime_utc"]
    explanation = _StoredExplanation(
        None if cut_off is None else moment(cut_off), moment(values["expires_at"])
    )
    told = values.get("distribution")
    probability: Floats = np.array([] if told is None else told["probability"], np.float64)
    if probability.ndim != 1 or (np.diff(probability, prepend=0.0) < 0.0).any():
        raise ValueError("probabilities that do not ascend")
    probability.flags.writeable = False
    percentiles = [day_number(date(values[f"percentile_{percent}"])) for percent in PERCENTILES]
    first = percentiles[0] if told is None else day_number(date(told["first_date"]))
    return {
        "date": date(values["estimated_delivery_date"]),
        "earliest": date(values["estimated_delivery_date_min"]),
        "latest": date(values["estimated_delivery_date_max"]),
        "confidence": float(values["confidence"]),
        "service_level": float(values["service_level"]),
        "event": str(values["event"]),
        "day_basis": str(values["day_basis"]),
        "ordered_at": moment(values["ordered_at"]),
        "model_version": str(values["model_version"]),
        "kept_record": None
        if record is None
        else KeptRecord(**{**record, "as_of": date(record["as_of"])}),
        "lost_probability": float(values["lost_probability"]),
        "_first_day": first,
        "_probability": probability,
        "_percentile_days": [day - first for day in percentiles],
        "_assess": lambda: (code, messages),
        "_time_zone": lambda: zone,
        "_explain": lambda: explanation,
    }


_DATE: Final = {"type": "string", "format": "date"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_PROBABILITY: Final = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Final = {"type": "string"}


def promise_json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12; docs/answer.md says what each value means.

    Examples:
        >>> etapromise.promise_json_schema()["properties"]["confidence"]
        {'type': 'number', 'minimum': 0, 'maximum': 1}
    """
    properties = {
        "estimated_delivery_date": _DATE,
        "estimated_delivery_date_min": _DATE,
        "estimated_delivery_date_max": _DATE,
        "service_level": _PROBABILITY,
        "confidence": _PROBABILITY,
        **{f"percentile_{percent}": _DATE for percent in PERCENTILES},
        "lost_probability": _PROBABILITY,
        "event": {"enum": ["delivered", "first_attempt", "available_for_pickup"]},
        "day_basis": {"const": "calendar"},
        "destination_time_zone": _TEXT,
        "ordered_at": _MOMENT,
        "cutoff_datetime_utc": {"anyOf": [_MOMENT, {"type": "null"}]},
        "expires_at": _MOMENT,
        "order_within": {"type": "string", "pattern": r"^PT(\d+H)?(\d+M)?(\d+S)?$"},
        "confidence_code": {"enum": sorted(CODES)},
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"code": {"enum": [code for code, _ in MESSAGES]}, "text": _TEXT},
                "required": ["code", "text"],
                "additionalProperties": False,
            },
        },
        "kept_record": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {
                        "group": _TEXT,
                        "kept_rate": _PROBABILITY,
                        "service_level": _PROBABILITY,
                        "count": {"type": "integer", "minimum": 1},
                        "as_of": _DATE,
                    },
                    "required": ["group", "kept_rate", "service_level", "count", "as_of"],
                    "additionalProperties": False,
                },
            ]
        },
        "model_version": _TEXT,
    }
    distribution = {
        "type": "object",
        "properties": {
            "first_date": _DATE,
            "probability": {"type": "array", "items": _PROBABILITY, "minItems": 1},
        },
        "required": ["first_date", "probability"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Promise",
        "type": "object",
        "properties": {**properties, "distribution": distribution},
        "required": list(properties),
        "additionalProperties": False,
    }
