"""Without an extra, what needs it says which; a promise needs none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etapromise.errors import MissingExtraError, extra_needed

# As if the packages of the extras were not installed.
WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "pyarrow", "lightgbm", "starlette", "uvicorn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import etapromise
"""


def run(script):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["train", "backtest", "score"])
def test_what_needs_an_extra_names_it(name):
    done = run(f"etapromise.{name}")
    assert "MissingExtraError: Found " in done.stderr
    assert "pip install 'etapromise[train]'" in done.stderr


def test_a_promise_needs_none_and_a_table_of_them_says_so(model, tmp_path):
    path = str(model.save(tmp_path / "model"))
    done = run(
        f"model = etapromise.load({path!r})\n"
        "from datetime import datetime, UTC\n"
        "asked = dict(origin='60492', destination='90585', carrier='acme', service='ground',\n"
        "             ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))\n"
        "print(model.promise(**asked).text(locale='de'))\n"
        "try:\n"
        "    model.promise_many(None)\n"
        "except etapromise.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "pip install 'etapromise[train]'" in done.stdout


def test_a_command_that_needs_an_extra_ends_with_one_line(tmp_path):
    (tmp_path / "shipments.csv").write_text("shipment_id\n")
    files = str(tmp_path / "shipments.csv")
    done = run(
        "from etapromise.cli import main\n"
        f"main(['train', '--shipments', {files!r}, '--scans', {files!r}, '--as-of', '2026-01-01',"
        f" '--out', {str(tmp_path / 'models')!r}])"
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'etapromise[train]'" in done.stderr


def test_a_package_of_no_extra_is_not_hidden():
    with pytest.raises(ModuleNotFoundError, match="nonsense"), extra_needed():
        import nonsense  # noqa: F401, PLC0415
    assert issubclass(MissingExtraError, ImportError)
