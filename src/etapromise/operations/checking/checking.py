"""Looking at own tables: what they are, what would be rejected, what can be promised of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from etapromise.errors import ContractError, EtapromiseError
from etapromise.operations.checking.check_report import CheckReport
from etapromise.operations.checking.weight_outliers import outlying_weights
from etapromise.operations.feed_checks import (
    clocks_marked_as_utc,
    doubtful_clocks,
    marked_as_utc_text,
)
from etapromise.tracking import Event, TrackedHistory, history
from etapromise.tracking.accounts import refuse_too_many
from etapromise.tracking.files.found_files import FoundFile, find_files
from etapromise.tracking.files.json_tables import list_paths, table_of
from etapromise.tracking.files.table_files import (
    FileOptions,
    nested_records,
    sheets_of,
    text_dialect,
    with_partition,
)
from etapromise.tracking.mapped import distinct_names
from etapromise.tracking.mapping import read_mapping
from etapromise.tracking.proposals.changed_headers import renamed
from etapromise.tracking.proposals.mapping_text import proposal_text
from etapromise.tracking.proposals.proposal import OwnTable, Proposal
from etapromise.tracking.proposals.proposing import propose
from etapromise.tracking.sources import OpenedTable, arrow_table, one_opened
from etapromise.tracking.vocabularies import Fault, vocabulary_named

if TYPE_CHECKING:
    import pyarrow as pa

# Of the columns that either of two tables has so many are in both, where they are parts of one.
_SHARED: Final = 0.8
_LEAST_ORDERS: Final = 500
# More of them would tell it better and take longer than a first look may.
_TRIED_ORDERS: Final = 8000
_JUDGED_DAYS: Final = 28
# So many of a payload's scans are whole.
_MOST_SCANS: Final = 0.9
_OF_A_SCAN: Final = ("shipment_id", "scanned_at", "status")
_SETTLING_DAYS: Final = 21
_DAY: Final = np.timedelta64(1, "D")
_OF_A_LEVEL: Final = ("service_level", "kept_rate", "promises", "undated", "mean_days", "judged")


def own_tables(
    sources: Sequence[str | PathLike[str]], beside: Path | None = None
) -> list[OwnTable]:
    """The tables of files, a nested one once with each of its lists as rows.

    Args:
        beside: Where the mapping will lie, from which its files are named.

    Raises:
        ContractError: One cannot be read.
    """
    found: list[OwnTable] = []
    for source in sources:
        name = _from_there(source, beside)
        files = find_files(source, "orders or scans")
        first = files[0]
        nested = _nested(files, name)
        if nested:
            # What lies alone has its orders inside.
            found += _scans_of_payloads(source, files, name) if len(sources) > 1 else []
            found += nested
            continue
        sheets = sheets_of(first) or [""]
        for sheet in sheets:
            opened = arrow_table(source, "orders or scans", FileOptions(sheet=sheet or None))
            found.append(
                OwnTable(
                    files=(name,),
                    opened=replace(opened, table=distinct_names(opened.table), notes=()),
                    settings=_settings(first) | ({"sheet": sheet} if len(sheets) > 1 else {}),
                    doubts=tuple(note.told.removeprefix("rows: ") for note in opened.notes),
                )
            )
    return _united(found)


def _nested(files: Sequence[FoundFile], name: str) -> list[OwnTable]:
    """The tables of files with lists inside their records, read once; none of other files."""
    read = [nested_records(file) for file in files]
    known = [one for one in read if one is not None]
    if len(known) < len(read):
        return []
    paths = dict.fromkeys(["", *(path for records, _ in known for path in list_paths(records))])
    return [
        OwnTable(
            files=(name,),
            opened=one_opened(
                [
                    _opened(records, rows, file)
                    for (records, _), file in zip(known, files, strict=True)
                ]
            ),
            rows=rows,
            doubts=tuple(doubt for _, doubts in known for doubt in doubts),
        )
        for rows in paths
    ]


def _scans_of_payloads(
    source: str | PathLike[str], files: Sequence[FoundFile], name: str
) -> list[OwnTable]:
    """The scans of files as vendors send them, as a table; none of other files."""
    if any(file.told_kind != "json" for file in files):
        return []
    try:
        opened = arrow_table(source, "scans", FileOptions(payload=True))
    except ContractError:
        return []
    filled = (len(opened.table) - opened.table.column(part).null_count for part in _OF_A_SCAN)
    if min(*filled, _understood(opened.table)) <= _MOST_SCANS * len(opened.table):
        return []  # names like a vendor's, in a form or with codes of their own
    return [OwnTable(files=(name,), opened=opened, settings={"payload": True})]


def _understood(scans: pa.Table) -> int:
    """How many scans of a payload have a code that is in their vendor's vocabulary."""
    codes = scans.group_by(["vocabulary", "status"]).aggregate([([], "count_all")]).to_pylist()
    return sum(
        one["count_all"]
        for one in codes
        if vocabulary_named(one["vocabulary"]).read(str(one["status"]))
        is not Fault.UNKNOWN_VENDOR_CODE
    )


def _opened(records: list[dict[str, Any]], rows: str, file: FoundFile) -> OpenedTable:
    table, owners = table_of(records, rows)
    return OpenedTable(table=with_partition(table, file.partition), records=owners)


def _settings(file: FoundFile) -> dict[str, Any]:
    """What of a text file's dialect is not the usual."""
    dialect = text_dialect(file)
    if dialect is None or dialect.plain:
        return {}
    usual = {"encoding": "utf-8", "separator": ",", "skip": 0}
    told = {name: getattr(dialect, name) for name in usual}
    return {name: value for name, value in told.items() if value != usual[name]}


def _united(tables: list[OwnTable]) -> list[OwnTable]:
    """Tables of the same columns, such as a file or a sheet for each month, as one."""
    found: list[OwnTable] = []
    for one in tables:
        place = next((n for n, other in enumerate(found) if _alike(other, one)), None)
        if place is None:
            found.append(one)
            continue
        before = found[place]
        files = before.files if one.files == before.files else before.files + one.files
        sheets = [
            sheet
            for table in (before, one)
            if (told := table.settings.get("sheet"))
            for sheet in ([told] if isinstance(told, str) else told)
        ]
        found[place] = OwnTable(
            files=files,
            opened=one_opened([before.opened, one.opened]),
            rows=one.rows,
            settings={**one.settings, **({"sheet": list(dict.fromkeys(sheets))} if sheets else {})},
            doubts=before.doubts + one.doubts,
        )
    return found


def _alike(one: OwnTable, other: OwnTable) -> bool:
    """Whether two tables are parts of one: most columns of either are those of both."""
    ours, theirs = set(one.table.column_names), set(other.table.column_names)
    sheets = "sheet" in one.settings, "sheet" in other.settings
    written = [
        {key: told for key, told in table.settings.items() if key != "sheet"}
        for table in (one, other)
    ]
    return (
        one.rows == other.rows
        and written[0] == written[1]
        # The sheets of one workbook are named in one list, and so are files of one sheet each.
        and (sheets == (False, False) or (all(sheets) and one.files == other.files))
        and (len(ours & theirs) >= _SHARED * len(ours | theirs) or renamed(one, other))
    )


def _from_there(source: str | PathLike[str], beside: Path | None) -> str:
    text = os.fspath(source)
    if "://" in text:
        return text
    base = Path.cwd() if beside is None else beside.absolute()
    return Path(os.path.relpath(Path(text).absolute(), base)).as_posix()


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
        to expect; `to_text`, `as_dict`, `to_html`, `write_mapping`.

    Raises:
        ContractError: neither files nor a mapping, or both; something that is no path; a file
            cannot be read at all.

    Examples:
        >>> tables = ["shipments.parquet", "scans.parquet"]
        >>> etapromise.check(tables, quality=False).proposal.questions
        []
    """
    given: Any = files
    one_path = isinstance(given, str | PathLike | pd.DataFrame) or not isinstance(given, Iterable)
    named = [given] if one_path else list(given)
    for one in named:
        if not isinstance(one, str | PathLike):
            raise ContractError(
                f"Found {type(one).__name__} among files; expected paths, since a mapping names "
                "files. Write the table to one: frame.to_parquet(…)."
            )
    if bool(named) == (mapping is not None):
        raise ContractError(
            "Found neither files nor a mapping to look at, or both; expected files, or a mapping "
            "that names them."
        )
    if mapping is not None and write_mapping is not None:
        raise ContractError(
            "Found write_mapping beside a mapping; expected it with files, where one is proposed."
        )
    found = CheckReport()
    if mapping is None:
        beside = None if write_mapping is None else Path(write_mapping).parent
        tables = own_tables(named, beside)
        found.proposal = propose(tables)
        found.text = proposal_text(found.proposal)
        if write_mapping is not None:
            found.write_mapping(write_mapping)
        found.facts["tables"] = [_table_facts(one) for one in tables]
        found.facts["proposal"] = _proposal_facts(found.proposal)
        if found.proposal.questions:
            found.failure = "the mapping has open questions"
            return found
    _try(found, mapping, event)
    if found.history is not None:
        found.facts["accounts"] = {
            one.table: {
                "accepted": one.accepted,
                "rejected": len(one.rejects),
                "left_aside": one.left_aside,
                "reasons": _counts(one.rejects["reason"]),
                "notes": [str(note) for note in one.notes],
            }
            for one in found.history.accounts
        }
        found.facts["signs"] = _signs(found.history)
        try:
            refuse_too_many(found.history.accounts)
        except ContractError as error:
            found.failure = str(error)
            return found
        if not found.facts["signs"]["arrived"]:
            found.failure = (
                "no parcel arrived by these tables, so that nothing can be learned; hand over "
                "scans or a column with the deliveries too"
            )
            return found
        if quality:
            found.facts["quality"] = _quality(found.history)
    return found


def _try(found: CheckReport, mapping: str | PathLike[str] | None, event: Any) -> None:
    try:
        if mapping is not None:
            found.history = history(mapping=read_mapping(mapping), event=event)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mapping.toml"
            path.write_text(found.text or "", encoding="utf-8")
            told = read_mapping(path)
            # What is handed over is joined already, and has a row for each parcel.
            told = replace(told, shipments=replace(told.shipments, joins=(), each=()))
            if told.scans is not None:
                told = replace(told, scans=replace(told.scans, each=()))
        if found.proposal is None:
            return
        scans = found.proposal.scans
        found.history = history(
            found.proposal.shipments.opened,
            None if scans is None else scans.opened,
            mapping=told,
            event=event,
        )
    except EtapromiseError as error:
        found.failure = str(error)


def _table_facts(table: OwnTable) -> dict[str, Any]:
    return {
        "files": list(table.files),
        "rows_are": table.rows or "records",
        "rows": len(table.table),
        "settings": dict(table.settings),
        "doubts": list(table.doubts),
        "columns": {
            name: {
                "stored_as": str(one.kind),
                "filled": round(one.filled, 4),
                "distinct": one.distinct,
                "examples": [str(word) for word in one.words[:3]],
            }
            for name, one in table.profiles.items()
        },
    }


def _proposal_facts(proposal: Proposal) -> dict[str, Any]:
    groups = {
        "shipments": proposal.columns,
        "milestones": proposal.milestones,
        "scans": proposal.scan_columns,
    }
    return {
        **{
            name: {
                role: {
                    "column": one.column,
                    **one.details,
                    "certainty": round(one.certainty, 2),
                    "degree": one.degree,
                    "why": one.why,
                    "asked": one.asked,
                    "others": list(one.others),
                }
                for role, one in group.items()
            }
            for name, group in groups.items()
        },
        "settings": {key: value for key, (value, _) in proposal.settings.items()},
        "statuses": {code: status for code, (status, _, _) in proposal.statuses.items()},
        "codes_without_meaning": dict(proposal.open_codes),
        "vocabulary": proposal.vocabulary,
        "ids_ignore": list(proposal.ids.ignore) if proposal.ids else [],
        "unused": list(proposal.unused),
        "told": list(proposal.told),
        "questions": proposal.questions,
    }


def _signs(found: TrackedHistory) -> dict[str, Any]:
    """Counts, gaps and near doubles that a person should look at."""
    orders, scans = found.shipments, found.scans
    days = orders["ordered_at"].dt.floor("D").value_counts().sort_index()
    first, last = days.index.min(), days.index.max()
    every = pd.date_range(first, last, freq="D") if len(days) else days.index
    silent = every.difference(days.index)
    marked = clocks_marked_as_utc(found)
    signs: dict[str, Any] = {
        "orders": len(orders),
        "first_order": str(orders["ordered_at"].min()),
        "last_order": str(orders["ordered_at"].max()),
        "days_without_orders": len(silent),
        # Days without any order between two with some.
        "longest_gap_days": int(np.diff(days.index).max() / _DAY) - 1 if len(days) > 1 else 0,
        "statuses": _counts(scans["status"]),
        "shipments_without_scans": int((found.milestones["scan_count"] == 0).sum()),
        "arrived": int(found.milestones["event_at"].notna().sum()),
        "closed": _counts(found.milestones["closed_as"]),
        "marked_as_utc": [marked_as_utc_text(row) for row in marked],
        "at_night": doubtful_clocks(found, marked),
        "odd_weights": outlying_weights(orders),
    }
    for name in ("carrier", "service", "destination_country"):
        if name in orders:
            signs[f"{name}s"] = _counts(orders[name], 20)
    return signs


def _counts(words: pd.Series[Any], most: int | None = None) -> dict[str, int]:
    return {str(word): int(n) for word, n in words.value_counts()[:most].items()}


def _every(found: TrackedHistory, step: int) -> TrackedHistory:
    """One of every `step` shipments with its scans, so that a first look stays quick."""
    if step == 1:
        return found
    keep = np.arange(len(found.shipments)) % step == 0
    shipments = found.shipments[keep].reset_index(drop=True)
    mine = found.scans["shipment_id"].isin(shipments["shipment_id"])
    return replace(
        found,
        shipments=shipments,
        scans=found.scans[mine].reset_index(drop=True),
        milestones=found.milestones[keep].reset_index(drop=True),
    )


def _quality(found: TrackedHistory) -> dict[str, Any]:
    """A short walk through the latest weeks whose parcels have arrived."""
    from etapromise.evaluation.backtest import BacktestConfig, run_backtest  # noqa: PLC0415 — slow
    from etapromise.evaluation.replay import TrainModel  # noqa: PLC0415 — slow, and rarely asked for
    from etapromise.training.config import TrainingConfig  # noqa: PLC0415 — slow, and rarely asked for

    arrived = found.milestones["event_at"]
    if arrived.notna().sum() < _LEAST_ORDERS:
        return {
            "tried": False,
            "why": f"{int(arrived.notna().sum()):,} parcels have arrived, {_LEAST_ORDERS} are "
            "needed before promises can be tried",
        }
    every = -(-len(found.shipments) // _TRIED_ORDERS)
    found = _every(found, every)
    last = found.shipments["ordered_at"].max().floor("D")
    end = last - pd.Timedelta(days=_SETTLING_DAYS)
    config = BacktestConfig(
        start=end - pd.Timedelta(days=_JUDGED_DAYS), end=end, every="once", refresh_every=7, jobs=1
    )
    try:
        result = run_backtest(
            found,
            config,
            # Nothing is explained here, so that the forests of the stages need not grow.
            fit=TrainModel(TrainingConfig(stages=False), threads=1, quotes_only=True),
        )
    except EtapromiseError as error:
        return {"tried": False, "why": str(error)}
    return {
        "tried": True,
        "of_every_order": every,
        "from": str(config.start.date()),
        "to": str(config.end.date()),
        "levels": [
            {"stated": row["mean_confidence"]} | {name: row[name] for name in _OF_A_LEVEL}
            for row in result.facts["service_levels"]
        ],
    }
