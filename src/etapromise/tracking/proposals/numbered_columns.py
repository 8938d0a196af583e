"""Parcels of an order in columns of their own, ``tracking_1``, ``tracking_2``: a row for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from etapromise.tracking.column_names import place_in, score_name
from etapromise.tracking.mapping import NUMBER
from etapromise.tracking.proposals.proposal import CERTAIN, OwnTable
from etapromise.tracking.reshaped_rows import rows_of_each

_COUNTED: Final = re.compile(r"^(.*?[^\d])([1-9])(\D*)$")
# A name so sure is that of a parcel's number.
_SURE: Final = 0.9


def rows_of_parcels(table: OwnTable) -> OwnTable:
    """The table with a row for each parcel where several have columns of their own; else as it is.

    Only where the parcels' numbers are told apart so, and whatever else is counted as they are,
    but for addresses.
    """
    counted: dict[str, set[str]] = {}
    for name in table.table.column_names:
        found = _COUNTED.match(name)
        if found is not None:
            counted.setdefault(f"{found[1]}{NUMBER}{found[3]}", set()).add(found[2])
    numbers = _numbers_of_parcels(table, counted)
    if not numbers:
        return table
    names = [name for name, told in counted.items() if numbers[0] in told and not _is_place(name)]
    return replace(
        table,
        opened=rows_of_each(table.opened, numbers, names),
        settings={**table.settings, "each": numbers},
    )


def _numbers_of_parcels(table: OwnTable, counted: Mapping[str, set[str]]) -> list[str]:
    """The numbers by which columns of parcels' ids are told apart, none where there are not two."""
    for name, told in counted.items():
        sure = score_name(name.replace(NUMBER, ""), "shipments", "shipment_id") >= _SURE
        numbers = sorted(told)
        columns = [table.profiles[name.replace(NUMBER, number)] for number in numbers]
        if sure and len(numbers) > 1 and all(one.unique for one in columns):
            return numbers
    return []


def _is_place(name: str) -> bool:
    bare = name.replace(NUMBER, "")
    return place_in(bare) is not None or score_name(bare, "shipments", "destination") >= CERTAIN
