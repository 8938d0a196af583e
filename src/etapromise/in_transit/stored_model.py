"""The in-transit parts of a loaded model, opened when the first parcel is tracked.

A checkout worker reads and checks their bytes with the rest of the model, so that the directory may
go away afterwards, but does not pay for taking them apart.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from etapromise.calendars.working_clocks import Clocks

if TYPE_CHECKING:
    from etapromise.in_transit.outlook import TransitParts

__all__ = ["StoredTransit"]


class StoredTransit:
    """Bytes that `promise.transit_files` wrote. Any number of threads may open it."""

    __slots__ = ("_lock", "_opened", "content")

    def __init__(self, content: bytes) -> None:
        """Take the checked bytes."""
        self.content = content
        self._lock = threading.Lock()
        self._opened: TransitParts | None = None

    def opened(self, clocks: Clocks, horizon: int) -> TransitParts:
        """The parts, once their golden predictions have been replayed.

        Raises:
            ModelFileError: the bytes do not fit together, or predict otherwise than when written.
        """
        with self._lock:
            if self._opened is None:
                from etapromise.in_transit.model_files import (  # noqa: PLC0415 — needs pandas
                    transit_from_bytes,
                )

                self._opened = transit_from_bytes(self.content, clocks, horizon)
            return self._opened
