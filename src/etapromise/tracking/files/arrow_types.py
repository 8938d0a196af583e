"""The types of Arrow that cannot be looked at from Python."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from etapromise.errors import ContractError

# Intervals in months, and in days and milliseconds, by Arrow's own numbers: pyarrow makes no arrays
# of them, and older ones have no names for them.
_STRANGE: Final = (21, 22)


def refuse_strange_types(table: pa.Table, name: object) -> None:
    """Refuse a table with a column, or a part of one, that pyarrow only fails on later.

    Raises:
        ContractError: There is one; it says which.
    """
    for field in table.schema:
        if _is_strange(field.type):
            raise ContractError(
                f"column {field.name!r} of {name} is of type {field.type}, which cannot be read; "
                "write it as text or as a number"
            )


def _is_strange(kind: Any) -> bool:
    if kind.id in _STRANGE:
        return True
    if isinstance(kind, pa.BaseExtensionType):
        return _is_strange(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _is_strange(kind.value_type)
    return any(_is_strange(kind.field(place).type) for place in range(kind.num_fields))
