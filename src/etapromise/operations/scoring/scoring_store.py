"""Scoring all that is on its way in a store, a partition at a time, on whichever engine.

A parcel's promise needs its own row and scans only, so the partitions may be done anywhere. Each
writes its rows beside the result; these are put together in the order of the partitions.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from etapromise.engines import engine_of
from etapromise.errors import CommandError
from etapromise.files import whole_file
from etapromise.history.as_of import Moment, moment_of
from etapromise.operations.scoring.scoring import score
from etapromise.promise.model import PromiseModel, load_model
from etapromise.store.layout import StoreLayout
from etapromise.store.stored_history import stored_history
from etapromise.text_type import frame_of_arrow
from etapromise.tracking.table_writer import with_dates, write_table

if TYPE_CHECKING:
    from etapromise.tracking.contract import Event

_SCORE: Final = "etapromise.operations.scoring.scoring_store:score_partition"
_DAY: Final = pd.Timedelta(days=1)


def score_store(
    model: str | Path,
    store: str | Path,
    out: str | Path,
    *,
    as_of: Moment,
    service_level: float = 0.9,
    at_risk_threshold: float | None = None,
    engine: str = "local",
) -> int:
    """Promise a date for every parcel on its way, from where it stands; whole or not at all.

    Args:
        model: its directory, which every worker can read; refreshed no later than ``as_of``.
        store: the store's directory, likewise.
        out: a ``.parquet`` or ``.csv`` file. Its rows are by week of order, bucket, order.
        as_of: what was received later is left out.
        service_level: the probability with which the dates shall be kept.
        at_risk_threshold: from which probability of being late on a parcel is at risk; by default
            `alert_threshold` of the model.
        engine: where the work is done: see `engines.ENGINES`.

    Returns:
        How many parcels.

    Raises:
        CommandError: no parcel is on its way, or the model knows more than was known.
        StoreError: there is no store, or it is damaged or newer.

    Examples:
        >>> etapromise.score_store("models/current", "store", "promises.parquet",
        ...                        as_of="2025-07-03") > 0
        True
    """
    store, out, as_of = Path(store), Path(out), moment_of(as_of)
    model = Path(model).resolve()  # what becomes current meanwhile makes no promise of this run
    loaded = load_model(model)
    if at_risk_threshold is None:
        at_risk_threshold = loaded.alert_threshold()
    layout = StoreLayout.open(store)
    commit = layout.commit()
    oldest = (as_of - loaded.horizon * _DAY).timestamp() // 86_400
    parts = out.absolute().with_name(f".{out.name}.{secrets.token_hex(4)}.parts")
    tasks: list[dict[str, Any]] = [
        {
            "model": str(model),
            "version": loaded.version,
            "store": str(store.absolute()),
            "commit": commit.number,
            "partition": place.name,
            "event": loaded.event,
            "as_of": as_of.isoformat(),
            "service_level": service_level,
            "at_risk_threshold": at_risk_threshold,
            "out": str(parts / f"{number:06d}.parquet"),
        }
        for number, place in enumerate(sorted(commit.partitions))
        if place.last_day >= oldest
    ]
    if not tasks:
        raise CommandError(
            f"Found no parcel in {store} ordered in the {loaded.horizon} days before "
            f"{as_of.isoformat()}; expected some on their way. Check --as-of, or ingest first."
        )
    parts.mkdir(parents=True)
    try:
        with engine_of(engine) as workers:
            done = workers.run(_SCORE, tasks)
        _put_together([Path(task["out"]) for task in tasks], out)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    return sum(result["promises"] for result in done)


def score_partition(task: Mapping[str, Any]) -> dict[str, Any]:
    """Score one partition; the task of `score_store`."""
    model = _model(task["model"], task["version"])
    at = pd.Timestamp(task["as_of"])
    event: Event = task["event"]
    kept = stored_history(
        task["store"], event=event, commit=task["commit"], partition=task["partition"]
    )
    orders, scans = kept.under_way(at, most_days=model.horizon)
    found = score(
        model,
        orders,
        scans,
        as_of=at,
        service_level=task["service_level"],
        at_risk_threshold=task["at_risk_threshold"],
    ).promises
    write_table(found, Path(task["out"]))
    return {"promises": len(found)}


@lru_cache(maxsize=1)
def _model(directory: str, version: str) -> PromiseModel:
    """The model of a run, which a worker reads once."""
    model = load_model(directory)
    if model.version != version:
        raise CommandError(
            f"Found model {model.version} in {directory}; expected {version}, as when scoring "
            "began: all parcels are to be promised by one. Score again."
        )
    return model


def _put_together(parts: list[Path], out: Path) -> None:
    if out.suffix == ".csv":
        tables = [pq.read_table(part) for part in parts]
        whole = frame_of_arrow(pa.concat_tables(tables, promote_options="permissive"))
        write_table(whole, out)
        return
    schemas = [pq.read_schema(part) for part in parts]
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    with whole_file(out) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as file:
        for part in parts:
            file.write_table(with_dates(pq.read_table(part)).cast(schema))
