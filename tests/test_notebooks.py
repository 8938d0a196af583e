"""The notebooks run from top to bottom on the sample, and what they show is so."""

import functools
import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import etapromise

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def first_promise(namespace):
    rows = namespace["rows"]
    assert (rows["mean_confidence"] >= rows["service_level"]).all()
    assert (rows["kept_rate"] - rows["mean_confidence"]).abs().max() < 0.06
    # What the last cell explains: the level lies between two evenings.
    half = namespace["half"]
    assert half.probability_by(namespace["the_day_before"]) < 0.5 <= half.confidence


def walking_backtest(namespace):
    for level, kept, stated, judged in namespace["rows"]:
        assert judged > 500
        assert stated >= level
        assert abs(kept - stated) < 0.06
    assert 0.03 < np.mean(namespace["pit"] < 0.1) < 0.2


def service_level_and_costs(namespace):
    by_level, by_cost = namespace["by_level"], namespace["by_cost"]
    assert by_level["days"].is_monotonic_increasing
    assert (by_level["kept"] - by_level["stated"]).abs().max() < 0.06
    # At the same days a cost keeps no fewer than one level for all; by luck a little less.
    level = by_level.set_index("service level").loc[0.9]
    kept = np.interp(level["days"], by_cost["days"], by_cost["kept"])
    assert kept > level["kept"] - 0.01
    assert namespace["found"][0][2] >= 0.9


SHOWN = {each.__name__: each for each in (first_promise, walking_backtest, service_level_and_costs)}


@pytest.fixture(scope="module")
def read():
    """All begin with reading the same tables, and change nothing of them: read once."""
    return functools.cache(etapromise.read)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, read, monkeypatch):
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(etapromise, "read", read)
    mpl.use("Agg", force=True)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    namespace = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}:{number}", "exec"), namespace)  # noqa: S102
    plt.close("all")
    SHOWN[path.stem](namespace)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_what_it_shows(path):
    """Run once from top to bottom, without an error, with pictures; `make notebooks` does it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    shown = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in shown if output["output_type"] == "error"]
    assert not [output for output in shown if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert code[-1]["outputs"]


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)
