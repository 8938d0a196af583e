"""Alarms grouped by what is behind them: a feed that went wrong makes many measures look wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

# Earlier kinds explain later ones, never the other way round: what the feed did not tell cannot
# have been delivered in time, and what is delivered late breaks promises and bends calibrations.
_FEED: Final = ("no_orders", "silent_carrier", "unreadable_codes", "wrong_clock", "rejected_scans")
_NETWORK: Final = ("deliveries_behind",)
_UPKEEP: Final = ("stale_statistics", "old_model")
_ORDER: Final = (*_FEED, *_NETWORK, *_UPKEEP)
_FOLLOWS: Final = {
    **{key: {*_FEED, *_NETWORK, "promises_broken", "calibration", "churn"} for key in _FEED},
    **{key: {*_NETWORK, "promises_broken", "calibration", "churn"} for key in _NETWORK},
    "stale_statistics": {"promises_broken", "calibration", "old_model"},
    "old_model": {"promises_broken", "calibration"},
}


def group_alarms(alarms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Alarms by cause, the cause first.

    A cause explains what can follow from it and concerns the same carrier, or the whole, or any
    group that is no carrier (a region, a week), which mixes all carriers' parcels. What no other
    alarm explains is a cause of its own.

    Args:
        alarms: (n,) each with `name` and `group`, such as ``carrier acme``; as in ``monitor.json``.

    Returns:
        (m,) each an alarm with `follows`, the alarms that it explains, in their order; the kinds
        that explain most first. Every alarm stands in it once.
    """
    rank = {name: place for place, name in enumerate(_ORDER)}
    by_cause = sorted(alarms, key=lambda alarm: rank.get(alarm["name"], len(rank)))
    causes: list[dict[str, Any]] = []
    for alarm in by_cause:
        for cause in causes:
            if alarm["name"] in _FOLLOWS.get(cause["name"], ()) and _concerns(cause, alarm):
                cause["follows"].append(alarm)
                break
        else:
            causes.append({**alarm, "follows": []})
    return causes


def _concerns(cause: Mapping[str, Any], alarm: Mapping[str, Any]) -> bool:
    carrier, other = _carrier(cause["group"]), _carrier(alarm["group"])
    if carrier is None or other is None:
        return True
    # A service's group is the carrier's name and the service behind it.
    return other == carrier or other.startswith(f"{carrier} ")


def _carrier(group: str) -> str | None:
    """The carrier (and service) that a group is about; None for regions, weeks and the whole."""
    for kind in ("carrier ", "service of "):
        if group.startswith(kind):
            return group.removeprefix(kind)
    return None
