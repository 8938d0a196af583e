"""Writing the sample: a small simulated network as the files that a shop would have."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etapromise.files import whole_file, write_text
from etapromise.tracking.contract import CLOSING_STATUSES
from etapromise.tracking.vocabularies import vocabulary_named
from etapromise_simulator.config import NetworkConfig
from etapromise_simulator.network import Network
from etapromise_simulator.simulation import simulate_in_blocks

SAMPLE: Final = NetworkConfig(seed=11, start=date(2025, 3, 3), days=335, shipments_per_day=55.0)
"""The network of `data/sample`: eleven months with a peak season before the last one."""

OPEN_FOR = timedelta(days=30)
"""Orders older than this that are still open are left to the history: most of them are lost."""

NOT_YET_IN_HISTORY = timedelta(hours=3)
ROWS_AT_ONCE = 1_000_000
TABLES: Final = ("shipments.parquet", "scans.parquet", "open_orders.parquet")


def write_sample(out_dir: Path | str, config: NetworkConfig = SAMPLE) -> dict[str, int]:
    """Write `shipments.parquet`, `scans.parquet`, `open_orders.parquet` and `README.md`.

    `open_orders` has the shipments of the last 30 days of which the extract shows no end, and
    the last hours' orders that no carrier has scanned yet; these are not in `shipments`. The
    same configuration gives the same bytes (with the same version of pyarrow).

    Args:
        out_dir: Directory for the files; made if it is not there. Files of the same names are
            replaced.
        config: The network.

    Returns:
        Number of rows by file name.

    Raises:
        CommandError: The directory or a file cannot be written; each file is whole or not there.
    """
    out = Path(out_dir)
    now = config.extract_ends_at
    rows: dict[str, int] = {}
    with contextlib.ExitStack() as files:
        shipments, scans, orders = (
            _Writer(files.enter_context(whole_file(out / name))) for name in TABLES
        )
        for block in simulate_in_blocks(config, Network(config)):
            is_open, is_new = _open(block.shipments, block.scans, now)
            orders.write(block.shipments.filter(pa.array(is_open | is_new)))
            shipments.write(block.shipments.filter(pa.array(~is_new)))
            scans.write(block.scans)
        for name, table in zip(TABLES, (shipments, scans, orders), strict=True):
            rows[name] = table.close()
    write_text(out / "README.md", _readme(config, rows))
    return rows


def _open(shipments: pa.Table, scans: pa.Table, now: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Which shipments are open as far as is known now, and which are too new to be in history."""
    ended = pc.unique(scans.filter(pa.array(_ends(scans)))["shipment_id"])
    has_ended = pc.is_in(shipments["shipment_id"], ended).to_numpy()
    is_scanned = pc.is_in(shipments["shipment_id"], pc.unique(scans["shipment_id"])).to_numpy()
    ordered = shipments["ordered_at"].to_numpy()
    moment = np.datetime64(now.replace(tzinfo=None), "us")
    is_recent = ordered > moment - np.timedelta64(OPEN_FOR)
    is_new = (ordered > moment - np.timedelta64(NOT_YET_IN_HISTORY)) & ~is_scanned
    return ~has_ended & is_recent & ~is_new, is_new


def _ends(scans: pa.Table) -> np.ndarray:
    """Whether a scan tells the end of a journey."""
    ends = np.zeros(len(scans), dtype=np.bool_)
    status, vocabulary = scans["status"], scans["vocabulary"]
    for name in pc.unique(vocabulary).to_pylist():
        told = vocabulary_named(name)
        final = [
            code
            for code in pc.unique(status).to_pylist()
            if told.read(code) in {"delivered", *CLOSING_STATUSES}
        ]
        hit = pc.and_(pc.equal(vocabulary, name), pc.is_in(status, pa.array(final, pa.string())))
        ends |= hit.to_numpy()
    return ends


class _Writer:
    """Gathers small tables into large row groups; there is always one, if only an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= ROWS_AT_ONCE:
            self._flush()

    def close(self) -> int:
        """Write what waits; the number of rows in the file."""
        self._flush()
        if self._file is not None:
            self._file.close()
        return self._rows

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        if self._file is None:
            times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
            self._file = pq.ParquetWriter(
                self._path.absolute(),
                table.schema,
                compression="zstd",
                compression_level=12,
                # Times hardly ever repeat: a dictionary of them would be larger than they are.
                use_dictionary=[name for name in table.column_names if name not in times],
                column_encoding=dict.fromkeys(times, "DELTA_BINARY_PACKED"),
            )
        self._file.write_table(table)
        self._rows += len(table)
        self._waiting = []


def _readme(config: NetworkConfig, rows: dict[str, int]) -> str:
    now = config.extract_ends_at
    made = (
        "Made by `etapromise sample --out data/sample`; the same command gives the same files."
        if config == SAMPLE
        else "Made by `etapromise_simulator.write_sample`."
    )
    return f"""# Sample of a simulated parcel network

{made}
Nothing in it is real: no carrier, no address of a customer, no parcel.

| file | rows | what |
|---|---|---|
| `shipments.parquet` | {rows["shipments.parquet"]:,} | parcels ordered from {config.start} on |
| `scans.parquet` | {rows["scans.parquet"]:,} | their tracking scans, in vendors' codes |
| `open_orders.parquet` | {rows["open_orders.parquet"]:,} | under way, or just ordered |

The extract ends at {now:%Y-%m-%d %H:%M} UTC, while parcels are under way: use that moment as
`--as-of`. Scans were received up to then; some come late, twice or out of order, some are missing.
Orders of the last hours that no carrier has scanned yet are in `open_orders.parquet` alone.

The network (seed {config.seed}) has {len(config.carriers)} carriers ({", ".join(config.carriers)})
with {len(config.services)} services ({", ".join(config.services)}), {config.warehouses} warehouses,
and customers in {", ".join(config.region_codes)}.
Carriers work different weeks; rural parcels are handed to partners; there are holidays, a peak
season, slow drift, regional disruptions, failed attempts, returns and losses. The columns are those
of the data contract.
"""
