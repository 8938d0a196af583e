"""One shipment across the border to compiled code: what is asked, and what comes back.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.encoding.compiled_encoder import EncodedStruct
from etapromise.encoding.requests import Requests

__all__ = ["UNUSUAL", "Answer", "answer_type", "ask", "pack_levels", "pack_question"]

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
        *((name, ctypes.c_int32) for name in ("position", "low", "high", "unused")),
    )
    request: EncodedStruct
    position: int
    low: int
    high: int
    probability: Sequence[float]
    number: Sequence[float]
    code: Sequence[int]

    def probabilities(self) -> NDArray[np.float64]:
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
            np.array([request.anchor], np.int32),
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
