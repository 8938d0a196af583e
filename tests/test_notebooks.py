"""The notebooks run from top to bottom on the sample."""

import json
from pathlib import Path

import matplotlib as mpl
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


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
    table = namespace["pd"].DataFrame(namespace["rows"])
    # What the last cell shows: promises of a month that the model had not seen.
    assert (table[1] >= table[0] - 0.1).all()


def test_there_are_notebooks():
    assert NOTEBOOKS
