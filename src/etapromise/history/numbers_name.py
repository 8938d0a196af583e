"""What the numbers of a store's orders hang on beside their week's tables, as a short name."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.encoding.pickup_days import PICKUP_LEVELS
from etapromise.encoding.requests import NUMBERS, Encoder
from etapromise.history.delivery_hours import HOUR_LEVELS
from etapromise.history.learned_calendars import CALENDAR_LEVELS
from etapromise.lanes.levels import JOURNEY

_FORMAT: Final = 2
ASKED_LEVELS: Final = (JOURNEY, *CALENDAR_LEVELS, *PICKUP_LEVELS)
"""Levels that are asked for beside those of the encoder."""


def numbers_name(encoder: Encoder, event: str) -> str:
    """What numbers hang on beside their week's tables, as a short name."""
    clocks, hand_offs = encoder.clocks, encoder.hand_offs
    words = {
        "format": _FORMAT,
        "numbers": NUMBERS,
        "levels": [level.columns for level in (*encoder.levels, *ASKED_LEVELS, *HOUR_LEVELS)],
        "event": event,
        "numeric": encoder.numeric,
        "categorical": encoder.categorical,
        "zones": encoder.zones.as_dict(),
        "first_day": clocks.first_day,
        "services": clocks.services,
        "calendars": clocks.calendars,
        "dispatch": encoder.dispatch.keys,
        "disruptions": [one.as_dict() for one in encoder.declared],
        "takers": None if hand_offs is None else hand_offs.carriers,
    }
    digest = hashlib.blake2b(json.dumps(words, default=str).encode(), digest_size=8)
    arrays: dict[str, NDArray[Any]] = {"elapsed": clocks.elapsed, "holidays": clocks.holidays}
    arrays |= dict(encoder.dispatch.calendars.to_arrays())
    if hand_offs is not None:
        arrays |= hand_offs.to_arrays()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
