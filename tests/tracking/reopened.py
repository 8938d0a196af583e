"""Ends that were none, in plain Python: the rule that `tracking.milestones` states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def reopened(scans: Sequence[tuple[Any, str]], margin: Any) -> list[bool]:
    """Which of one parcel's (event time, status) are deliveries or ways back that never were."""
    deliveries = [at for at, status in scans if status == "delivered"]
    ways_back = [at for at, status in scans if status in {"returning", "returned"}]
    # What goes back after it was delivered is the customer's return: its vans are the sender's.
    returns = [back for back in ways_back if any(at < back for at in deliveries)]
    vans = [
        at
        for at, status in scans
        if status in {"out_for_delivery", "picked_up"} and all(at < back for back in returns)
    ]
    home = [at for at, status in scans if status == "returned"]

    def again(at: Any) -> bool:
        return any(
            van - at >= margin or (van > at and any(later > van for later in deliveries))
            for van in vans
        )

    void = []
    for at, status in scans:
        if status == "delivered":
            void.append(again(at))
        elif status in {"returning", "returned"}:
            void.append(
                at not in returns
                and again(at)
                and bool(vans)
                and all(back < max(vans) for back in home)
            )
        else:
            void.append(False)
    return void
