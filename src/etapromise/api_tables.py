"""The Python API of tables: reading them, and looking at what they are.

A moment is a text, a date, a datetime or a Timestamp; without a zone it is UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from etapromise.argument_kinds import kinds_checked
from etapromise.errors import ContractError
from etapromise.operations import checking
from etapromise.promise.model import PromiseModel, load_model
from etapromise.tracking import TrackedHistory
from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.tracking.tracked import tracked_history

if TYPE_CHECKING:
    import pandas as pd

    from etapromise.operations.check_report import CheckReport
    from etapromise.tracking.contract import Event
    from etapromise.tracking.mapping import MappingSource
    from etapromise.tracking.sources import Source

Moment: TypeAlias = "str | date | datetime | pd.Timestamp"
Model: TypeAlias = "PromiseModel | str | Path"
Tables: TypeAlias = "Source | TrackedHistory | None"


@kinds_checked()
def read(
    shipments: Source | None = None,
    scans: Source | None = None,
    *,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    event: Event = "delivered",
    max_rejects: float = MAX_REJECTS,
) -> TrackedHistory:
    """Read both tables once, to hand them to several of the functions below.

    Args:
        shipments: the orders; with a mapping by default the files that it names.
        scans: their scans; not needed where a mapping has milestones.
        mapping: which columns of own tables are those of the contract: a TOML file or a mapping.
        vocabulary: whose codes scans carry that do not say.
        naive_time_zone: IANA zone of times that carry none.
        event: what is promised: "delivered", "first_attempt" or "available_for_pickup".
        max_rejects: the largest share of a table that may be rejected.

    Returns:
        The accepted rows and the milestones; `accounts` says what became of every row.

    Raises:
        ContractError: a table does not fit the contract, or too many rows were rejected.

    Examples:
        >>> history = etapromise.read("shipments.parquet", "scans.parquet")
        >>> len(history.shipments) == len(history.milestones)
        True
    """
    return tracked_history(
        shipments,
        scans,
        event=event,
        naive_time_zone=naive_time_zone,
        vocabulary=vocabulary,
        mapping=mapping,
        max_rejects=max_rejects,
    )


def check(
    files: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    *,
    mapping: str | PathLike[str] | None = None,
    write_mapping: str | PathLike[str] | None = None,
    event: Event = "delivered",
    quality: bool = True,
) -> CheckReport:
    """Look at own tables: what each column is, what would be rejected, what can be promised.

    Args:
        files: paths, directories, patterns or addresses of orders, scans, or both.
        mapping: a mapping to try instead of proposing one; it names the files.
        write_mapping: where to write the proposed one, beside which its files are named.
        event: what is to be promised.
        quality: whether promises are tried on the latest weeks.

    Returns:
        The proposal with its reasons and open questions, the account of every row, and the quality
        to expect; `to_text`, `to_dict`, `to_html`, `write_mapping`.

    Raises:
        ContractError: neither files nor a mapping, or both; a file cannot be read at all.

    Examples:
        >>> tables = ["shipments.parquet", "scans.parquet"]
        >>> etapromise.check(tables, quality=False).proposal.questions
        []
    """
    named = [files] if isinstance(files, str | PathLike) else list(files)
    if bool(named) == (mapping is not None):
        raise ContractError(
            "Found neither files nor a mapping to look at, or both; expected files, or a mapping "
            "that names them."
        )
    if mapping is not None and write_mapping is not None:
        raise ContractError(
            "Found write_mapping beside a mapping; expected it with files, where one is proposed."
        )
    target = None if write_mapping is None else Path(write_mapping)
    found = checking.check_tables(
        named, mapping=mapping, write_to=target, event=event, quality=quality
    )
    if target is not None:
        found.write_mapping(target)
    return found


def model_of(model: Model) -> PromiseModel:
    """The model, loaded where its path is given.

    Raises:
        ContractError: it is neither a model nor a path.
        ModelFileError: there is none.
    """
    if isinstance(model, PromiseModel):
        return model
    if not isinstance(model, str | PathLike):
        raise ContractError(
            f"Found {type(model).__name__} for the model; expected a PromiseModel or its path."
        )
    return load_model(model)


def tables_read(
    shipments: Tables,
    scans: Source | None,
    mapping: MappingSource | None,
    vocabulary: str | None,
    naive_time_zone: str | None,
    event: Event,
    *,
    max_rejects: float = 1.0,
) -> TrackedHistory:
    """The tables, read where they are not yet.

    Raises:
        ContractError: a table does not fit the contract; scans or a mapping beside a history.
    """
    if isinstance(shipments, TrackedHistory):
        if scans is not None or mapping is not None or vocabulary is not None:
            raise ContractError(
                "Found a history that was read already, and scans, mapping or vocabulary beside "
                "it; expected it alone. Hand these to `read`."
            )
        return shipments
    return read(
        shipments,
        scans,
        mapping=mapping,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        event=event,
        max_rejects=max_rejects,
    )
