"""Files of settings, changed: calendars, mappings, vocabularies, policies, words, thresholds."""

from __future__ import annotations

import sys
import tempfile
from importlib import resources
from pathlib import Path

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import EtapromiseError
from etapromise.promise.options.policies import load_policies, shipped_policies
from etapromise.promise.wording import Wording
from etapromise.tracking.mapping import read_mapping
from etapromise.tracking.vocabularies import vocabulary_named
from tests.fuzz.driver import MEMORY, main

NAME = "toml"
DOCS = Path(__file__).parents[2] / "docs"
PLACE = Path(tempfile.mkdtemp(prefix="fuzz", dir=MEMORY))
READERS = (CalendarFile.read, read_mapping, vocabulary_named, load_policies, Wording.of)


def case(data: bytes) -> str:
    """The first byte is the reader, the rest the file."""
    path = PLACE / "settings.toml"
    path.write_bytes(data[1:])
    try:
        READERS[(data[0] if data else 0) % len(READERS)](path)
    except EtapromiseError:
        return "refused"
    return "read"


MAPPING = b"""
[shipments]
files = ["orders.csv"]
time_zone = "Europe/Berlin"

[shipments.columns]
shipment_id = "Order ID"
ordered_at = { column = "Ordered", format = "%d.%m.%Y %H:%M" }
origin = { value = "10115" }
destination = ["Zip", "City"]
weight_kg = { column = "Weight", unit = "g" }

[shipments.milestones]
picked_up = "Shipped"
delivered = { column = "Delivered", time_zone = "UTC" }

[scans]
files = ["scans.csv"]
statuses = { AR = "arrived", "Zugestellt" = "delivered" }

[scans.columns]
shipment_id = "Order ID"
scanned_at = "When"
status = "Code"

[ids]
ignore = ["-", " "]
"""
VENDORS = resources.files("etapromise.tracking.vendors")
WORDS_FILE = resources.files("etapromise.promise").joinpath("words.toml").read_bytes()
SEEDS = (
    *(b"\0" + (DOCS / "calendars.toml").read_bytes() for _ in range(4)),
    *(b"\x01" + MAPPING for _ in range(4)),
    *(b"\x02" + VENDORS.joinpath(f"{name}.toml").read_bytes() for name in ("aramex", "dpd", "ups")),
    b"\x03" + shipped_policies().encode(),
    b"\x04" + WORDS_FILE[:4000].rpartition(b"\n[")[0],
)
WORDS = (
    *(b"[", b"]", b"[[", b"]]", b"=", b'"', b"'''", b"{", b"}", b"\n", b".", b"#", b"-1", b"1e400"),
    *(b"true", b"nan", b"inf", b"2026-02-30", b"2026-12-24", b'"2026-12-24 to 2020-01-01"', b'""'),
    *(
        b"07:32:00",
        b"1979-05-27T07:32:00Z",
        b'"\\u0000"',
        b"0x7fffffffffffffffffff",
        b"[[]]",
        b"{}",
    ),
    *(
        b'"Mon-Fri"',
        b'"99:99"',
        b"closures",
        b"origin",
        b"days",
        b"a.b.c.d",
        b'"14:00 -> same day"',
    ),
)

if __name__ == "__main__":
    sys.exit(main(NAME, case, SEEDS, WORDS))
