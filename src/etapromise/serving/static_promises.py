"""A checkout that always has a date: static promises where no model can be asked, or one fails."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from etapromise.errors import ContractError, EtapromiseError
from etapromise.late_imports import IMPORTING
from etapromise.promise.model import PromiseModel
from etapromise.promise.promise import Promise
from etapromise.promise.service_levels import require_level
from etapromise.serving.live_model import LiveModel

if TYPE_CHECKING:
    from etapromise.promise.wording import Wording

_DAYS: Final = 7
_LOOK_EVERY: Final = 1.0

_log = logging.getLogger("etapromise.serving")


@dataclass(frozen=True)
class StaticPromise:
    """A date that no model gave: so many calendar days from the order on. Immutable.

    Attributes:
        date: the order's own date, in the zone of its time, and `days` more.
        ordered_at: the order's time.
        reason: what kept a model from answering, for logs.
        earliest, latest, confidence, confidence_code, expires_at: None, where a `Promise` says
            something that only a model knows.

    Examples:
        >>> when = datetime(2025, 7, 3, 15, tzinfo=UTC)
        >>> late = etapromise.StaticPromise(date=when.date(), ordered_at=when, reason="no model")
        >>> late.confidence is None and late.fallback
        True
    """

    date: dt.date
    ordered_at: dt.datetime
    reason: str
    earliest: ClassVar[None] = None
    latest: ClassVar[None] = None
    confidence: ClassVar[None] = None
    confidence_code: ClassVar[None] = None
    expires_at: ClassVar[None] = None
    fallback: ClassVar[bool] = True

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Why it is static, as a `Promise` has its messages."""
        return ({"code": "fallback", "text": self.reason},)

    def text(self, locale: str = "en", *, words: Wording | str | Path | None = None) -> str:
        """One sentence for the customer, with the date.

        Args:
            locale: a CLDR locale, as for `Promise.text`.
            words: a TOML file whose sentences replace the library's (docs/words.md).

        Raises:
            ContractError: CLDR has no such locale, or the words are not to be read.
        """
        with IMPORTING:
            from etapromise.promise.wording import sentence  # noqa: PLC0415 — Babel is slow to import

        day = self.date
        return sentence(code=10000, day=day, earliest=day, latest=day, locale=locale, words=words)

    def order_within_text(self, *_: Any, **__: Any) -> str:
        """Empty: no cut-off is known."""
        return ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the names of `Promise.as_dict`, ready for JSON."""
        return {
            "estimated_delivery_date": self.date.isoformat(),
            "estimated_delivery_date_min": None,
            "estimated_delivery_date_max": None,
            "confidence": None,
            "confidence_code": None,
            "ordered_at": self.ordered_at.isoformat(),
            "messages": list(self.messages),
            "model_version": None,
            "fallback": True,
        }


class Fallback:
    """Asks the current model of a directory, and promises a static date where none answers.

    What a caller got wrong is refused as ever; whatever else goes wrong, a date comes, flagged by
    `found.fallback`, logged and counted. Any number of threads may share one.

    Attributes:
        counts: promises by who gave them: "model", or "no_model" and "failed" for static ones.

    Examples:
        >>> promises = etapromise.Fallback("no/models/here", days=5)
        >>> found = promises.promise(origin="60492", destination="90585",
        ...                          ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
        >>> found.date, found.fallback, promises.counts["no_model"]
        (datetime.date(2025, 7, 8), True, 1)
    """

    def __init__(
        self,
        models: str | Path | PromiseModel,
        *,
        days: int | Callable[[Mapping[str, Any]], int] = _DAYS,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        """Look for the model; none is no error here.

        Args:
            models: a directory with a link `current`, a model's own directory, or a loaded model.
            days: calendar days from the order to a static promise, or a function that tells them
                from the arguments of `promise`, such as the service.
            look_every: seconds between looks for a model while there is none; see `refresh`.

        Raises:
            ContractError: `days` is neither a whole number of days, at least 1, nor a function;
                `models` is neither a path nor a model.
        """
        told: object = days
        whole = isinstance(told, int) and not isinstance(told, bool) and told >= 1
        if not (whole or callable(told)):
            raise ContractError(
                f"Found days={days!r}; expected a whole number of days, at least 1, or a function."
            )
        self._given = models if isinstance(models, PromiseModel) else None
        self._held = None if isinstance(models, PromiseModel) else LiveModel(models)
        self._days = days
        self._look_every = look_every
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    @property
    def model(self) -> PromiseModel | None:
        """The model in use; None while there is none."""
        return self._given if self._held is None else self._held.model

    def refresh(self) -> bool:
        """Look whether another model is current now, and use it; whether there was one."""
        return self._held is not None and self._held.refresh()

    def promise(self, /, **fields: Any) -> Promise | StaticPromise:
        """The promise of one parcel, by the model or static.

        Args:
            **fields: as for `PromiseModel.promise`; `ordered_at` is now where it is missing.

        Raises:
            ContractError: the arguments are none that any model could answer.
        """
        ordered = fields.get("ordered_at")
        if ordered is None:
            ordered = fields["ordered_at"] = dt.datetime.now(dt.UTC)
        model = self.model or self._looked_for()
        if model is None:
            if "service_level" in fields:
                require_level(fields["service_level"], "service_level")
            told = self._held.error if self._held is not None else None
            return self._static(fields, "no_model", told or "there is no model")
        try:
            found = model.promise(**fields)
        except EtapromiseError:
            raise
        except Exception as error:  # noqa: BLE001
            # A checkout without any date loses the order.
            _log.exception("a model failed to promise")
            return self._static(fields, "failed", repr(error))
        self._count("model")
        return found

    def _looked_for(self) -> PromiseModel | None:
        if time.monotonic() - self._looked >= self._look_every:
            self._looked = time.monotonic()
            try:
                self.refresh()
            except Exception:  # noqa: BLE001
                _log.exception("looking for a model failed")
        return self.model

    def _static(self, fields: Mapping[str, Any], kind: str, reason: str) -> StaticPromise:
        ordered = fields["ordered_at"]
        if not isinstance(ordered, dt.datetime) or ordered.tzinfo is None:
            raise ContractError(
                f"Found ordered_at={ordered!r}; expected a datetime with its zone, since the "
                "date depends on it."
            )
        self._count(kind)
        days = self._days(fields) if callable(self._days) else self._days
        try:
            date = ordered.date() + dt.timedelta(days=days)
        except OverflowError as error:
            raise ContractError(
                f"Found ordered_at={ordered!r}; expected a time within the calendar."
            ) from error
        return StaticPromise(date, ordered, f"A static promise: {reason}")

    def _count(self, kind: str) -> None:
        with self._lock:
            self.counts[kind] += 1
