"""The compiled quote: requests in, probabilities of dates out."""

from __future__ import annotations

import ctypes
import datetime as dt
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats
from etapromise.encoding.compiled_encoder import EncodedStruct
from etapromise.encoding.requests import Encoder, Requests
from etapromise.errors import ModelFileError
from etapromise.forecast.distribution import DatesKernel, DistributionStruct
from etapromise.history.features import FeatureBuilder
from etapromise.history.statistics import Statistics
from etapromise.promise.model_parts import ModelParts
from etapromise.shrinkage import PRIORS

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
        *native.fields("i position low high"),
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


ask = native.function("etp_promise", "i", "pss", ctypes.POINTER(Answer))
# `etp_question`: a shipment (see history/compiled_encoder.py), the service level, the band's ends.
pack_question = struct.Struct("=3q9d").pack
pack_levels = struct.Struct("=3d").pack


def as_number(value: float) -> float:
    """A number of any kind; of UNUSUAL where it is a truth value, which would be packed as one."""
    if type(value) is not float and isinstance(value, bool | np.bool_):
        raise TypeError
    return value


# All of these take the model's address and an answer first.
_OF_ANSWER: Final = ("p", ctypes.POINTER(Answer))
_days = native.function("etp_answer_days", "", *_OF_ANSWER, "lpp")
expiry = native.function("etp_answer_expiry", "l", *_OF_ANSWER, "ld")
has_date = native.function("etp_answer_has_date", "i", *_OF_ANSWER, "dp")
begin_day = native.function("etp_answer_begin_day", "l", *_OF_ANSWER)


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
    """Probabilities, ascending, whose dates are read off answers. Immutable."""

    __slots__ = ("_address", "_alive", "_days")

    def __init__(self, levels: Sequence[float]) -> None:
        self._alive = np.array(levels, np.float64)
        self._address = self._alive.ctypes.data
        self._days = ctypes.c_int32 * len(levels)

    def days(self, model: int, answer: Answer) -> list[int]:
        """The first days to reach each, from day 0, of what the model at an address answered."""
        found = self._days()
        _days(model, answer, len(found), self._address, ctypes.addressof(found))
        return found[:]


_WIDENED: Final = ("carrier", "service", "destination_region")


class _ModelStruct(ctypes.Structure):
    _fields_ = native.fields(
        "p features forest distribution log_hazard lost shortest; l lost_level; p between; "
        "d between_prior; l median horizon; p encoder"
    )


_dates = native.function("etp_quote_dates", "i", "plppppp")
_levels = native.function("etp_quote_levels", "i", "plpppplppppp")


def between_variances(encoder: Encoder, statistics: Statistics) -> Floats:
    """(L,) how far apart the keys of a level are, where a new one widens the promise; else 0."""
    out = np.zeros(len(encoder.levels))
    for level, name in enumerate(encoder.level_names):
        if name not in _WIDENED:
            continue
        start = statistics.total_start[level]
        table = statistics.total[start + 1 : start + encoder.sizes[level]].astype(np.float64)
        weight = table[:, 1] / (table[:, 1] + PRIORS.new_key)
        if weight.sum() > 1.0:
            mean = np.average(table[:, 0], weights=weight)
            out[level] = np.average((table[:, 0] - mean) ** 2, weights=weight)
    return out


class QuoteKernel(DatesKernel):
    """Everything that a quote reads, in arrays.

    Attributes:
        lost_level: position of the level by which the share of lost parcels is found.
    """

    __slots__ = ("lost_level",)

    def __init__(self, parts: ModelParts, features: FeatureBuilder) -> None:
        """Bind the parts; `features` are built from their statistics."""
        encoder, forest = parts.encoder, parts.forest
        calibration, statistics = parts.calibration, parts.statistics
        if forest.features != len(features.contract.names):
            raise ModelFileError(
                f"Found a forest of {forest.features} features and a contract of "
                f"{len(features.contract.names)}; expected as many. Train again."
            )
        arrays: dict[str, NDArray[Any]] = {
            "log_hazard": np.ascontiguousarray(calibration.log_hazard, np.float32),
            "lost": np.ascontiguousarray(statistics.lost, np.float64),
            "shortest": np.ascontiguousarray(statistics.shortest, np.float32),
            "between": between_variances(encoder, statistics),
        }
        distribution = DistributionStruct.of(
            forest.levels,
            statistics.settings.offset,
            calibration.knot,
            calibration.kept,
            calibration.settled,
        )
        self.lost_level = encoder.level_names.index("service")
        struct = _ModelStruct(
            features=ctypes.addressof(features.struct),
            forest=forest.address,
            distribution=ctypes.addressof(distribution),
            lost_level=self.lost_level,
            between_prior=PRIORS.new_key,
            median=int(np.abs(forest.levels - 0.5).argmin()),
            horizon=parts.horizon,
            encoder=encoder.compiled.address,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        alive = (encoder.compiled, arrays, distribution, features, forest)
        super().__init__(_dates, _levels, struct, parts.horizon, *alive)
