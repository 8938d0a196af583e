"""Files of tables with bytes changed: every row accounted for, or the file refused by its name."""

from __future__ import annotations

import gzip
import io
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from etapromise import tracking
from etapromise.errors import EtapromiseError
from tests.fuzz.driver import MEMORY, main

NAME = "files"
FORMS = (
    *("csv", "tsv", "txt", "parquet", "json", "jsonl", "arrow", "feather", "xlsx", "csv.gz"),
    *("xls", "zip", "csv.zst", "dat"),
)
SHIPMENTS = pd.DataFrame(
    {
        "shipment_id": ["1", "2", "3", "é"],
        "ordered_at": ["2025-03-01T10:00Z", "2025-03-02T11:00+02:00", "2025-03-03", "x"],
        "origin": ["10115", "10115", "80331", None],
        "destination": ["20095", "01067", "1010", "SW1A 1AA"],
        "destination_country": ["DE", "DE", "AT", "GB"],
        "carrier": ["acme", "acme", "zoom", ""],
        "weight_kg": [1.5, 2.0, float("nan"), -1.0],
    }
)
SCANS = pd.DataFrame(
    {
        "shipment_id": ["1", "1", "2", "9"],
        "scanned_at": ["2025-03-02T10:00Z", "2025-03-04T09:00Z", "2025-03-03T11:00Z", ""],
        "status": ["picked_up", "delivered", "in_transit", "zzz"],
    }
)
PLACE = Path(tempfile.mkdtemp(prefix="fuzz", dir=MEMORY))


def case(data: bytes) -> str:
    """The first byte is the form, the second the table, the rest the file."""
    head, content = data[:2].ljust(2, b"\0"), data[2:]
    path = PLACE / f"table.{FORMS[head[0] % len(FORMS)]}"
    path.write_bytes(content)
    read = (tracking.read_shipments, tracking.read_scans)[head[1] % 2]
    try:
        found = read(path, naive_time_zone="UTC")
    except EtapromiseError:
        return "refused"
    finally:
        path.unlink()
    assert set(found.rejects["row"]).isdisjoint(found.rows if found.rows is not None else ())
    return "read"


def _written(frame: pd.DataFrame, form: str) -> bytes:
    file = io.BytesIO()
    match form:
        case "csv" | "txt" | "dat":
            return frame.to_csv(index=False, sep=";" if form == "txt" else ",").encode()
        case "tsv":
            return frame.to_csv(index=False, sep="\t").encode("utf-16")
        case "csv.gz":
            return gzip.compress(frame.to_csv(index=False).encode())
        case "parquet":
            pq.write_table(pa.Table.from_pandas(frame), file, compression="snappy")
        case "json":
            return str(frame.to_json(orient="records")).encode()
        case "jsonl":
            return str(frame.to_json(orient="records", lines=True)).encode()
        case "xlsx":
            frame.to_excel(file, index=False)
        case _:
            table = pa.Table.from_pandas(frame)
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
    return file.getvalue()


SEEDS = tuple(
    bytes([number, which]) + _written(frame, form)
    for number, form in enumerate(FORMS[:10])
    for which, frame in enumerate((SHIPMENTS, SCANS))
)
WORDS = (
    *(b",", b"\n", b'"', b";", b"\t", b"\r", b"\0", b"\xff\xfe", b"{", b"}", b"[", b"]", b"null"),
    *(b"PAR1", b"ARROW1", b"PK\x03\x04", b"1e400", b"9" * 40, b"\\ud800", b"shipment_id", b"''"),
)

if __name__ == "__main__":
    sys.exit(main(NAME, case, SEEDS, WORDS))
