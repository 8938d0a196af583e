"""One shipment across the border to compiled code: what is asked, and what comes back."""

from __future__ import annotations

import ctypes
import datetime as dt
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from etapromise import native
from etapromise.array_types import Floats
from etapromise.encoding.compiled_encoder import EncodedStruct
from etapromise.encoding.requests import Requests

# What goes wrong with values that are not of the usual type, or missing in an unusual way.
UNUSUAL: Final = (TypeError, UnicodeEncodeError, OverflowError, struct.error)


class Answer(ctypes.Structure):
    """`etp_answer` of native/quote.c, and the arrays behind it.

    Attributes:
        request: what was found of the shipment.
        position: day of the promise, in days from day 0.
        low: first day of the band.
        high: last day of the band.
        probability: (horizon,) P(event by the end of day k).
        number: (m,) the request's numbers.
        code: (L + H,) the request's codes.
    """

    _fields_ = (
        ("request", EncodedStruct),
        *((name, ctypes.c_int32) for name in ("position", "low", "high")),
    )
    request: EncodedStruct
    position: int
    low: int
    high: int
    probability: Sequence[float]
    number: Sequence[float]
    code: Sequence[int]

    def probabilities(self) -> Floats:
        """`probability` as an array, read-only."""
        array = np.frombuffer(self.probability, np.float64)  # type: ignore[call-overload]
        array.flags.writeable = False
        return np.asarray(array)

    def requests(self, levels: int) -> Requests:
        """The request that was answered, with the codes of `levels` levels."""
        request = self.request
        return Requests(
            np.array([self.code[:levels]], np.int32),
            np.array([self.number], np.float64),
            np.array([request.order_day], np.int32),
            np.array([request.clock], np.int32),
            np.array([request.zone_source], np.int8),
        )


def answer_type(*, horizon: int, numbers: int, codes: int) -> type[Answer]:
    """An answer with room for so many dates, numbers and codes."""
    fields = (
        ("probability", ctypes.c_double * horizon),
        ("number", ctypes.c_double * numbers),
        ("code", ctypes.c_int32 * codes),
    )
    return type("SizedAnswer", (Answer,), {"_fields_": fields})


ask = native.function(
    "etp_promise",
    native.INT,
    *(native.POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Answer)),
)
# `etp_question`: a shipment (see history/compiled_encoder.py), the service level, the band's ends.
pack_question = struct.Struct("=3q9d").pack
pack_levels = struct.Struct("=3d").pack


def as_number(value: float) -> float:
    """A number of any kind; of UNUSUAL where it is a truth value, which would be packed as one."""
    if type(value) is not float and isinstance(value, bool | np.bool_):
        raise TypeError
    return value


# All of these take the model's address and an answer first.
_OF_ANSWER: Final = (native.POINTER, ctypes.POINTER(Answer))
_days = native.function(
    "etp_answer_days", None, *_OF_ANSWER, native.LONG, native.POINTER, native.POINTER
)
expiry = native.function("etp_answer_expiry", native.LONG, *_OF_ANSWER, native.LONG, native.DOUBLE)
has_date = native.function(
    "etp_answer_has_date", native.INT, *_OF_ANSWER, native.DOUBLE, native.POINTER
)
begin_day = native.function("etp_answer_begin_day", native.LONG, *_OF_ANSWER)


class Quote(NamedTuple):
    """What was asked, and what a model answered.

    Attributes:
        asked: the texts of the shipment.
        moment: from when on the order counts.
        second: the same in UTC seconds, rounded down.
        service_level: of its promise.
    """

    answer: Answer
    asked: bytes
    moment: dt.datetime
    second: int
    service_level: float


class Levels:
    """Probabilities whose dates are read off answers. Immutable."""

    __slots__ = ("_address", "_alive", "_days", "_order")

    def __init__(self, levels: Sequence[float]) -> None:
        """Take them in any order."""
        order = np.argsort(levels, kind="stable")
        ascending = np.array(levels, np.float64)[order]
        # Where in the ascending ones each stands.
        self._order = np.argsort(order).tolist()
        self._alive = ascending
        self._address = ascending.ctypes.data
        self._days = ctypes.c_int32 * len(ascending)

    def days(self, model: int, answer: Answer) -> list[int]:
        """The first days to reach each, from day 0, of what the model at an address answered."""
        found = self._days()
        _days(model, answer, len(found), self._address, ctypes.addressof(found))
        day = found[:]
        return [day[place] for place in self._order]
