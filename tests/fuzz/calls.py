"""Random calls of `promise`: whatever is handed in, a promise or an `EtapromiseError`.

    python -m tests.fuzz.calls output/fuzz --count 200000

trains the small model of the tests into that directory unless it is there.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
import traceback
import warnings
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import etapromise
from etapromise.errors import EtapromiseError

NAMES = (
    *("origin", "origin_region", "origin_country", "destination", "destination_region"),
    *("destination_country", "destination_time_zone", "carrier", "service", "quoted_date"),
    *("origin_lat", "origin_lon", "destination_lat", "destination_lon", "weight_kg"),
    *("service_level", "band", "ordered_at"),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        "",
        "a",
        "US",
        "CA",
        "acme",
        "ground",
        "60492",
        "90585",
        "\ud800",
        "\0",
        "\x1f",
        "\x1a",
    ),
    *(
        "\x1f",
        "\x1a",
        "é" * 400,
        b"bytes",
        b"\xff",
        0,
        1,
        -1,
        0.5,
        0.9,
        1e308,
        -1e308,
        10**400,
        2**63,
        True,
    ),
    *(float("nan"), float("inf"), Decimal("sNaN"), Decimal("NaN"), Decimal("0.9"), 1j, [], {}, ()),
    *(object(), pd.NA, pd.NaT, np.float32(0.5), np.int64(5), np.str_("US"), np.array([1, 2])),
    *(np.datetime64("2025-07-02"), np.datetime64("NaT", "D"), date(2025, 7, 9), date.max),
    *("2025-07-09", "UTC", "America/New_York", "../etc/passwd", "Mars/Base"),
    *(datetime.max, datetime.min.replace(tzinfo=UTC), pd.Timestamp("2025-07-02", tz="UTC")),  # noqa: DTZ901 — naive on purpose
    *(timedelta(1), type, lambda: None),
)


def main() -> int:
    """Call, count, print what is no promise and no typed error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    model = etapromise.load(saved_model(asked.folder / "model"))
    rng, counts = np.random.default_rng(asked.seed), collections.Counter[str]()
    usual = datetime(2025, 7, 2, 12, tzinfo=UTC)
    begun = time.monotonic()
    for _ in range(asked.count):
        fields: dict[str, Any] = {"origin": "60492", "destination": "90585", "ordered_at": usual}
        for name in rng.choice(NAMES, rng.integers(1, 5)):
            fields[str(name)] = VALUES[rng.integers(len(VALUES))]
        if rng.random() < 0.02:
            fields["further"] = 1
        try:
            found = model.promise(**fields)
            assert 0.0 <= found.confidence <= 1.0
            assert found.earliest <= found.latest
            counts["promised"] += 1
        except EtapromiseError:
            counts["refused"] += 1
        except Exception:
            counts["FINDING"] += 1
            if counts["FINDING"] <= 20:
                print(f"FINDING {fields!r}\n{traceback.format_exc()}", flush=True)
    print(f"{asked.count} calls in {time.monotonic() - begun:.0f} s: {dict(counts)}")
    return int(counts["FINDING"] > 0)


def saved_model(path: Path) -> Path:
    """The small model of the tests, trained where it is not there yet."""
    if not path.exists():
        from etapromise import tracking  # noqa: PLC0415
        from etapromise_simulator import simulate  # noqa: PLC0415
        from tests.small_network import AS_OF, NETWORK, TRAINING  # noqa: PLC0415

        world = simulate(NETWORK)
        history = tracking.history(world.shipments, world.scans)
        etapromise.train(history, as_of=AS_OF, config=TRAINING).save(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
