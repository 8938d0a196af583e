"""What is new since earlier mornings: an alarm that rings every day is one that nobody hears.

A cause is told once, and again where it got clearly worse. It stays listed as long as it lasts, and
its end is told once, after some quiet days: what comes back sooner is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from etapromise.errors import CommandError
from etapromise.operations.monitoring.alarms import ROOTS, group_alarms

_DAY: Final = pd.Timedelta(days=1)
# As for notes on data: half as much again.
_WORSE: Final = 1.5
# Shares of what is usual: the smaller, the worse.
_OF_USUAL: Final = ("deliveries_behind", "silent_carrier")
_FIELDS: Final = ("name", "group", "since", "told", "size", "news", "seen")

Told = Sequence[Mapping[str, Any]]
"""Alarms that were told: ``name``, ``group``, the mornings ``since``, ``told`` and ``seen`` last,
``size`` when told, and whether that was ``news``."""


def compare_with_told(
    alarms: Sequence[Mapping[str, Any]], told: Told, *, as_of: pd.Timestamp, quiet_days: int
) -> dict[str, Any]:
    """What of a morning's alarms is new, and what is over.

    What follows from a cause is no news of its own, but for feeds and deliveries that go wrong
    later than `quiet_days` after it. The same morning again gives the same.

    Returns:
        ``alarms``, with ``since``, ``told`` and ``news``; ``causes`` of these, see `group_alarms`;
        ``told`` for the next morning; and what is ``over``, for `quiet_days` now.

    Raises:
        CommandError: `told` is of a later morning, or nothing that was returned here.
    """
    now = as_of.isoformat()
    memory = _memory(told, as_of)
    for cause in group_alarms(alarms):
        age = as_of - pd.Timestamp(memory.get(_key(cause), {"since": now})["since"])
        for alarm in (cause, *cause["follows"]):
            size, entry = _size(alarm), memory.get(_key(alarm))
            own = alarm is cause or (alarm["name"] in ROOTS and age > quiet_days * _DAY)
            worse = own and entry is not None and size >= _WORSE * entry["size"]
            if entry is None or worse:
                since = now if entry is None else entry["since"]
                entry = {"name": alarm["name"], "group": alarm["group"], "since": since}
                entry |= {"told": now, "size": size, "news": own}
            memory[_key(alarm)] = entry | {"seen": now}
    marked = []
    for alarm in alarms:
        entry = memory[_key(alarm)]
        news = entry["news"] and entry["told"] == now
        marked.append({**alarm, "since": entry["since"], "told": entry["told"], "news": news})
    over = [
        key
        for key, entry in memory.items()
        if as_of - pd.Timestamp(entry["seen"]) >= quiet_days * _DAY
    ]
    return {
        "alarms": marked,
        "causes": group_alarms(marked),
        "over": [memory.pop(key) for key in over],
        "told": list(memory.values()),
    }


def _memory(told: Told, as_of: pd.Timestamp) -> dict[tuple[str, str], dict[str, Any]]:
    try:
        memory = {_key(entry): {name: entry[name] for name in _FIELDS} for entry in told}
        latest = max((pd.Timestamp(entry["seen"]) for entry in memory.values()), default=as_of)
        late = latest > as_of
    except (TypeError, ValueError, KeyError) as error:
        raise CommandError(
            f"Found something else ({error}) where the alarms told on earlier mornings are "
            "expected. Begin anew without it: all is told again."
        ) from error
    if late:
        raise CommandError(
            f"Found alarms told on {latest.isoformat()}, later than {as_of.isoformat()}; expected "
            "those of earlier mornings. Leave them out to look at a day in the past."
        )
    return memory


def _key(alarm: Mapping[str, Any]) -> tuple[str, str]:
    return str(alarm["name"]), str(alarm["group"])


def _size(alarm: Mapping[str, Any]) -> float:
    value = float(alarm["value"])
    return 1.0 - value if alarm["name"] in _OF_USUAL else abs(value)
