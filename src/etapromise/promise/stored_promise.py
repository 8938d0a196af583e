"""A promise without its model: read back from the plain values that `Promise.as_dict` gave.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError
from etapromise.promise.promise import PERCENTILES, KeptRecord, Promise, day_number

__all__ = ["StoredPromise"]

_REQUIRED: Final = (
    *("estimated_delivery_date", "estimated_delivery_date_min", "estimated_delivery_date_max"),
    *("service_level", "confidence", "lost_probability", "event", "day_basis"),
    *("destination_time_zone", "ordered_at", "expires_at", "cutoff_datetime_utc"),
    *("confidence_code", "messages", "kept_record", "model_version"),
    *(f"percentile_{percent}" for percent in PERCENTILES),
)


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
        """Read the values of `Promise.as_dict`, with `distribution` or without.

        Raises:
            ContractError: a value is missing or of another kind.
        """
        missing = [name for name in _REQUIRED if name not in values]
        if missing:
            raise ContractError(
                f"Found a promise without {', '.join(missing)}; expected all values that "
                "Promise.as_dict gives."
            )
        try:
            self.__dict__.update(_read(values))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
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
    probability: NDArray[np.float64] = np.array(
        [] if told is None else told["probability"], np.float64
    )
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
