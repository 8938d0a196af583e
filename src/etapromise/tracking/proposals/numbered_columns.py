"""Parcels or events of a row in columns of their own, ``tracking_1``, ``tracking_2``: rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from etapromise.tracking.column_names import place_in, score_name
from etapromise.tracking.mapping import NUMBER
from etapromise.tracking.proposals.proposal import CERTAIN, OwnTable
from etapromise.tracking.reshaped_rows import rows_of_each

_COUNTED: Final = re.compile(r"^(.*?[^\d])([1-9]\d?)(\D*)$")
# A name so sure is that of a parcel's number.
_SURE: Final = 0.9
# One that may be that of a state or of its time, and how many events a row has at least.
_NAMED: Final = 0.55
_SEVERAL: Final = 2


def rows_of_parcels(table: OwnTable) -> OwnTable:
    """The table with a row for each parcel where several have columns of their own; else as it is.

    Only where the parcels' numbers are told apart so, and whatever else is counted as they are,
    but for addresses.
    """
    counted = _counted(table)
    numbers = _numbers_of_parcels(table, counted)
    if not numbers:
        return table
    names = [name for name, told in counted.items() if numbers[0] in told and not _is_place(name)]
    return replace(
        table,
        opened=rows_of_each(table.opened, numbers, names, always=True),
        settings={**table.settings, "each": numbers},
    )


def rows_of_events(table: OwnTable) -> list[OwnTable]:
    """The events whose states and times have columns of their own, beside ids; none of others."""
    if table.rows or "each" in table.settings:
        return []
    counted = _counted(table)
    named = [(name, _score(name, "status"), _score(name, "scanned_at")) for name in counted]
    states = [name for name, state, time in named if state >= max(_NAMED, time)]
    times = [name for name, state, time in named if time >= _NAMED and time > state]
    if len(states) != 1 or len(times) != 1:
        return []
    names = [*states, *times]
    numbers = sorted(set.intersection(*(counted[name] for name in names)), key=int)
    ids = [name for name, one in table.profiles.items() if one.unique and not one.dated]
    if len(numbers) < _SEVERAL or not ids:
        return []
    every = rows_of_each(table.opened, numbers, names, always=False)
    opened = replace(every, table=every.table.select([*ids, *names]))
    return [replace(table, opened=opened, settings={**table.settings, "each": numbers})]


def _score(name: str, role: str) -> float:
    return score_name(name.replace(NUMBER, ""), "scans", role)


def _counted(table: OwnTable) -> dict[str, set[str]]:
    """The numbers in names of columns, by the name with `NUMBER` in their place."""
    counted: dict[str, set[str]] = {}
    for name in table.table.column_names:
        found = _COUNTED.match(name)
        if found is not None:
            counted.setdefault(f"{found[1]}{NUMBER}{found[3]}", set()).add(found[2])
    return counted


def _numbers_of_parcels(table: OwnTable, counted: Mapping[str, set[str]]) -> list[str]:
    """The numbers by which columns of parcels' ids are told apart, none where there are not two."""
    for name, told in counted.items():
        sure = score_name(name.replace(NUMBER, ""), "shipments", "shipment_id") >= _SURE
        numbers = sorted(told, key=int)
        columns = [table.profiles[name.replace(NUMBER, number)] for number in numbers]
        if sure and len(numbers) > 1 and all(one.unique for one in columns):
            return numbers
    return []


def _is_place(name: str) -> bool:
    bare = name.replace(NUMBER, "")
    return place_in(bare) is not None or score_name(bare, "shipments", "destination") >= CERTAIN
