"""The in-transit parts of a loaded model, opened when the first parcel is tracked.

A checkout worker reads and checks their bytes with the rest of the model, so that the directory may
go away afterwards, but does not pay for taking them apart.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etapromise.encoding.requests import Encoder

if TYPE_CHECKING:
    from etapromise.in_transit.outlook import TransitParts

__all__ = ["StoredTransit"]


class StoredTransit:
    """Bytes that `promise.transit_files` wrote. Any number of threads may open it."""

    __slots__ = ("_opened", "content")

    def __init__(self, content: bytes) -> None:
        """Take the checked bytes."""
        self.content = content
        self._opened: TransitParts | None = None

    def opened(self, encoder: Encoder, horizon: int) -> TransitParts:
        """The parts, once their golden predictions have been replayed.

        Raises:
            ModelFileError: the bytes do not fit together, or predict otherwise than when written.
        """
        # No lock: a child that is forked meanwhile would wait for it for ever. Threads that come at
        # the same time open the same parts, and one is kept.
        found = self._opened
        if found is None:
            from etapromise.in_transit.model_files import (  # noqa: PLC0415 — needs pandas
                transit_from_bytes,
            )

            self._opened = found = transit_from_bytes(self.content, encoder, horizon)
        return found
