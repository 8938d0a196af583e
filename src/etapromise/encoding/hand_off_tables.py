"""Who takes parcels over, as the compiled encoder reads it."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.key_tables import utf8


class _HandOffsStruct(ctypes.Structure):
    """`etp_hand_offs` of native/encoder.h."""

    _fields_ = (
        ("levels", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("start", "last_mile", "name", "name_start")),
        *((name, ctypes.c_void_p) for name in ("service", "leg_days")),
        *((name, ctypes.c_int64) for name in ("leg_steps", "carrier_pairs")),
    )


class HandOffTables:
    """Hand-offs as the compiled code reads them."""

    def __init__(
        self, hand_offs: HandOffs, services: NDArray[np.int32], *, carrier_pairs: bool
    ) -> None:
        """Lay them out.

        Args:
            services: (carriers,) row of each carrier's own service among the clocks' services.
            carrier_pairs: whether pairs of carriers have rows of their own among them.
        """
        names = [utf8(name) for name in hand_offs.carriers]
        joined = b"".join(names)
        arrays: dict[str, NDArray[Any]] = {
            "start": np.cumsum(
                [0, *(len(level) for level in hand_offs.last_mile[:-1])], dtype=np.int64
            ),
            "last_mile": np.concatenate(hand_offs.last_mile).astype(np.int32),
            "name_start": np.cumsum([0, *map(len, names)], dtype=np.int64),
            "service": np.ascontiguousarray(services, np.int32),
            "leg_days": np.ascontiguousarray(hand_offs.leg_days, np.float64),
        }
        self.struct = _HandOffsStruct(
            levels=len(hand_offs.last_mile),
            name=ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p),
            leg_steps=hand_offs.leg_days.shape[1] - 1,
            carrier_pairs=carrier_pairs,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        self._alive = (joined, arrays)
