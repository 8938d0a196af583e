"""The names in a calendar file against those in orders: which are respelled, which unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.configured_dispatch import warehouses_of
from etapromise.lanes.levels import Level, level_keys

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR: Final = "\x1f"
_COLUMNS: Final = {
    "carrier": (("carrier",),),
    "service": (("carrier", "service"),),
    "country": (("origin_country",), ("destination_country",)),
    "region": (("origin_country", "origin_region"), ("destination_country", "destination_region")),
    "origin": (("origin",),),
}
_MOST_EXAMPLES: Final = 5


def calendar_notes(rules: CalendarFile, shipments: pd.DataFrame) -> tuple[str, ...]:
    """Sentences for who wrote a calendar file; empty where its names are those of the orders."""
    notes = []
    respelled = rules.respelled()
    if respelled:
        notes.append(
            f"{rules.name}: names and codes were read in the form of shipments ({len(respelled)}): "
            + _listed(respelled)
        )
    for key, names in rules.spelled_as(warehouses_of(shipments)).named().items():
        seen: set[str] = set()
        for columns in _COLUMNS[key]:
            _, keys = level_keys(shipments, [Level(key, columns)])[0]
            seen |= {found.replace(_SEPARATOR, " ").strip() for found in keys}
        unknown = [name for name in names if name not in seen]
        if unknown:
            notes.append(
                f"{rules.name}: {len(unknown)} of {len(names)} under {key} in no order, so that "
                f"what is said of them changes nothing: {_listed(unknown)}"
            )
    return tuple(notes)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = ", …" if len(names) > _MOST_EXAMPLES else ""
    return ", ".join(names[:_MOST_EXAMPLES]) + more
