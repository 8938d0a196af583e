"""Own tables in seven shapes, from the raw files to a backtest, beside what truly happened.

    python benchmarks/shapes.py [--seed 1 --seed 2 --seed 3] [--cases ../shared/cases]

One made-up network in the shapes that shops hold theirs in, written by a script that is not of this
project, with the true dates of each parcel; without it nothing is measured. Each shape goes through
two commands, `check --write-mapping` and `backtest --mapping`; a "?" of the mapping is answered
between them. "wrong" counts parcels whose order, pick-up or delivery is on another date than it
was, "kept" is that of promises at 0.9 by the backtest, and by the true dates of the same promises.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from quality_truth import told

from etapromise.tracking import history

HOME = "Europe/Berlin"
EVENTS = "plain_dates_events.csv"
SHAPES: dict[str, list[str]] = {
    "a spreadsheet": ["spreadsheet.csv"],
    "plain dates": ["plain_dates_orders.csv", EVENTS],
    "midnights in UTC": ["plain_dates_orders.csv", "midnight_utc_events.parquet"],
    "through a spreadsheet": ["through_excel.csv"],
    "a shop's export": ["shop_export.csv"],
    "nested JSON lines": ["parcels.jsonl"],
    "partitions": ["partitioned", EVENTS],
}
WALK = ["--from", "2025-05-01", "--to", "2025-08-01", "--every", "once"]


@click.command()
@click.option("--seed", "seeds", default=(1, 2, 3), multiple=True, help="Networks.")
@click.option("--cases", type=click.Path(path_type=Path), default=Path("../shared/cases"))
def main(seeds: tuple[int, ...], cases: Path) -> None:
    """Write the shapes, go through the commands, and print a row for each shape and seed."""
    script = cases / "make_shapes.py"
    if not script.exists():
        click.echo(f"{script} is not here: nothing to measure")
        return
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, script, folder, "--seed", str(seed)], check=True)
            for shape in SHAPES:
                found = pd.DataFrame([row(Path(folder), shape, seed)])
                click.echo(told(found, header=(seed, shape) == (seeds[0], next(iter(SHAPES)))))


def etapromise(folder: Path, *arguments: str) -> int:
    """One command as it is typed, in a folder."""
    command = [sys.executable, "-m", "etapromise", *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode


def row(folder: Path, shape: str, seed: int) -> dict[str, Any]:
    """What became of one shape."""
    path = folder / "mapping.toml"
    etapromise(folder, "check", *SHAPES[shape], "--write-mapping", path.name, "--no-quality")
    lines = path.read_text(encoding="utf-8").splitlines()
    edits = [line for line in lines if '"?"' in line.partition("#")[0]]
    path.write_text("\n".join(lines).replace('= "?"', f'= "{HOME}"') + "\n", encoding="utf-8")
    truth = true_dates(folder, shape)
    found = history(mapping=path)
    mine = found.shipments["shipment_id"].isin(truth.index).to_numpy()
    true = truth.loc[found.shipments["shipment_id"][mine]]
    milestones = found.milestones[mine]
    zones = found.shipments["destination_time_zone"][mine]
    # A shop's export does not say when parcels came, which `check` asks for.
    lost = bool(milestones["event_at"].isna().all())
    wrong = (days(found.shipments["ordered_at"][mine], HOME) != true["ordered"].to_numpy()) | (
        days(milestones["picked_up_at"], HOME) != true["picked"].to_numpy()
    )
    if not lost:
        wrong |= days(milestones["delivered_at"], zones) != true["delivered"].to_numpy()
    figures: dict[str, Any] = {
        "shape": shape,
        "seed": seed,
        "edits": len(edits),
        "parcels": len(true),
        "wrong": int(wrong.sum()) + len(truth) - len(true),
        "kept": np.nan,
        "truly kept": np.nan,
    }
    if (
        not lost
        and etapromise(folder, "backtest", "--mapping", path.name, *WALK, "--out", "b") == 0
    ):
        figures["kept"], figures["truly kept"] = kept(folder / "b", truth)
    return figures


def days(times: pd.Series[Any], zones: str | pd.Series[Any]) -> np.ndarray:
    """Local dates as text, "" where there is none."""
    every = [zones] * len(times) if isinstance(zones, str) else zones
    return np.array(
        [
            "" if pd.isna(time) else str(time.tz_convert(zone).date())
            for time, zone in zip(times, every, strict=True)
        ]
    )


def true_dates(folder: Path, shape: str) -> pd.DataFrame:
    """The true dates by the id that a shape has of each parcel."""
    truth = pd.read_csv(folder / "truth.csv", dtype=str).fillna("")
    if shape == "a shop's export":
        truth["id"] = [f"#{number + 1001}" for number in range(len(truth))]
    if shape == "through a spreadsheet":
        truth["id"] = truth["id"].str.lstrip("0")
    return truth.set_index("id")


def kept(report: Path, truth: pd.DataFrame) -> tuple[float, float]:
    """How many promises were kept by the backtest, and by the true dates of their parcels."""
    facts = json.loads((report / "backtest.json").read_text(encoding="utf-8"))
    [ours] = [one["kept_rate"] for one in facts["service_levels"] if one["service_level"] == 0.9]
    made = pd.read_parquet(report / "promises.parquet")
    day = pd.to_datetime(made["origin_date"]) + pd.to_timedelta(made["days_90"], unit="D")
    came = pd.to_datetime(truth.loc[made["shipment_id"], "delivered"].replace("", None))
    return float(ours), float((came.to_numpy() <= day.to_numpy()).mean())


if __name__ == "__main__":
    main()
