"""A checkout worker pays for what it uses: asking for a promise loads numpy and nothing heavier."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import etapromise

HEAVY = {
    "babel", "duckdb", "holidays", "jinja2", "joblib", "lightgbm", "matplotlib", "numba",
    "pandas", "polars", "pyarrow", "scipy", "sklearn", "tqdm",
}  # fmt: skip

ASK = """
import etapromise
from datetime import datetime, timezone
model = etapromise.load({path!r})
parcel = dict(
    origin="60492", destination="90585", destination_region="CA", destination_country="US",
    carrier="acme", service="ground", ordered_at=datetime(2025, 7, 3, 15, tzinfo=timezone.utc),
)
promise = model.promise(**parcel)
promise.as_dict(), promise.as_json_ld(), promise.percentile(95), promise.messages
model.promise_order([parcel, parcel]).as_dict()
model.compare([parcel], 0.9)[0].as_dict()
"""

QUOTE = """
from etapromise.cli import main
main([
    "quote", "--model", {path!r}, "--origin", "60492", "--destination", "90585",
    "--ordered-at", "2025-07-03T15:00Z",
], standalone_mode=False)
"""


def loaded_by(script):
    report = "\nimport sys, json; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script + report], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("script", ["import etapromise", ASK, QUOTE])
def test_a_promise_loads_nothing_heavy(script, model, tmp_path):
    path = str(model.save(tmp_path / "model"))
    loaded = loaded_by(script.format(path=path))
    assert "numpy" in loaded
    assert loaded & HEAVY == set()


def test_training_is_reached_through_the_package_and_loads_what_it_needs():
    assert "pandas" in loaded_by("import etapromise; etapromise.train")


@pytest.mark.parametrize(
    "module", ["operations.retraining", "operations.events.event_run", "operations.monitoring.run"]
)
def test_a_night_loads_what_grows_trees_only_where_it_grows_one(module):
    assert loaded_by(f"import etapromise.{module}") & {"lightgbm", "sklearn"} == set()


def test_an_import_inside_a_function_says_why():
    sources = Path(etapromise.__file__).parent
    silent = [
        f"{path.relative_to(sources)}: {line.strip()}"
        for path in sorted(sources.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"# noqa: PLC0415\W*$", line)
    ]
    assert silent == []
