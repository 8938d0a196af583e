"""The dispatch delay of one order, as the compiled encoder asks native/dispatch.c for it."""

from __future__ import annotations

import ctypes

import numpy as np

from etapromise import native
from etapromise.array_types import Floats
from etapromise.calendars.dispatch import Dispatch

_DELAY = native.function("etp_dispatch_delay", "d", "piiiiipp")


class _Leg(ctypes.Structure):
    """`etp_leg` of native/dispatch.h."""

    _fields_ = native.fields("i clock steps; p days")


def dispatch_delay(
    dispatch: Dispatch,
    row: int,
    calendar: int,
    order_day: int,
    second: int,
    clock: int,
    *,
    leg: tuple[int, Floats] | None = None,
) -> float:
    """Operational days between an order's date and the date that it is as good as ordered on.

    Args:
        calendar: row of the clocks' holidays at the origin.
        order_day: origin-local date of the order, days since 1970-01-01.
        second: origin-local second of the day.
        clock: row of the clocks' elapsed table, of the carrier that delivers.
        leg: where another one fetches it, that one's clock, and (k,) P(0, 1, … of its working
            days from the pick-up to the hand-off).
    """
    way = None
    if leg is not None:
        days = np.ascontiguousarray(leg[1], np.float64)
        way = ctypes.byref(_Leg(leg[0], len(days) - 1, days.ctypes.data))
    asked = (row, calendar, order_day, second, clock, way, ctypes.byref(ctypes.c_double()))
    return float(_DELAY(dispatch.address, *asked))


def fetched_after(dispatch: Dispatch, row: int, calendar: int, order_day: int, second: int) -> int:
    """Days from an order's date to the first by which more than one in ten are picked up."""
    days = ctypes.c_double()
    _DELAY(dispatch.address, row, calendar, order_day, second, 0, None, ctypes.byref(days))
    return int(days.value)
