"""The notebooks run from top to bottom on the sample, and what they show is so."""

import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def first_promise(namespace):
    table = namespace["pd"].DataFrame(namespace["rows"])
    # What the last cell shows: promises of a month that the model had not seen.
    assert (table[1] >= table[0] - 0.1).all()


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


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    mpl.use("Agg", force=True)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    namespace = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}:{number}", "exec"), namespace)  # noqa: S102
    plt.close("all")
    SHOWN[path.stem](namespace)


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)
