"""Random command lines: a result or one line and a code, never a traceback.

    python -m tests.fuzz.command_lines --count 200000

They are run within one process by click's runner, which takes a thousandth of the time that a new
one would.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import click
from click.testing import CliRunner

from etapromise.cli import main as commands
from tests.fuzz import driver
from tests.fuzz.driver import Choices
from tests.fuzz.full_model import saved_model

NAME = "command_lines"
TEXTS = (
    *(
        "",
        "a",
        "0",
        "1",
        "-1",
        "0.9",
        "1e400",
        "nan",
        "2025-07-02",
        "2025-07-02T10:00Z",
        "x" * 300,
    ),
    *(
        "9999-12-31",
        "0001-01-01T00:00+14:00",
        "UTC",
        "Mars/Base",
        "\ud800",
        "é",
        "--",
        "-",
        "=",
        "*",
    ),
    *(
        "US",
        "56292",
        "92479",
        "acme",
        "ground",
        "json",
        "text",
        "en",
        "de",
        "zz",
        "carrier",
        "../x",
    ),
    *("carrier,service", "a=b", "=", "origin=", "week", "month", "local", "dask://", "spark://x"),
    *(
        "gopher://x",
        "file:///etc/passwd",
        "http://[",
        "fast",
        "members=0",
        "delivered",
        "aftership",
    ),
)


@functools.cache
def place() -> Path:
    """A folder with one of everything, small."""
    import pandas as pd  # noqa: PLC0415

    from tests.fuzz.files import SCANS, SHIPMENTS  # noqa: PLC0415

    # Relative names, `../x` among them, lead to nowhere else.
    top = Path(tempfile.mkdtemp(prefix="fuzz"))
    folder = top / "within"
    folder.mkdir()
    shutil.copytree(saved_model(), folder / "models" / "2025-07-01")
    (folder / "models" / "current").symlink_to("2025-07-01")
    SHIPMENTS.to_parquet(folder / "orders.parquet")
    SHIPMENTS.iloc[:0].to_csv(folder / "empty.csv", index=False)
    SCANS.to_csv(folder / "scans.csv", index=False)
    pd.DataFrame({"x": [1]}).to_parquet(folder / "other.parquet")
    (folder / "nothing.csv").touch()
    os.mkfifo(folder / "pipe")  # as a device; a real one must not be at stake
    (folder / "broken.parquet").write_bytes(b"PAR1" + bytes(200))
    (folder / "notes.toml").write_text("[shipments]\n")
    return folder


def arguments(data: bytes) -> list[str]:
    """A command with options of its own, mostly, and values that may fit."""
    choices = Choices(data)
    folder = place()
    paths = [
        *(str(folder / name) for name in ("models", "models/current", "orders.parquet")),
        *(
            str(folder / name)
            for name in ("scans.csv", "empty.csv", "other.parquet", "nothing.csv")
        ),
        *(
            str(folder / name)
            for name in ("broken.parquet", "notes.toml", "nowhere", "out", "o.csv")
        ),
        *(str(folder / name) for name in ("*.parquet", "out.parquet", ".", "state", "o.html")),
        *("/proc/x", str(folder / "pipe"), str(folder / "pipe" / "x"), "a\0b"),
    ]
    names = sorted(commands.commands)
    command = commands.commands[names[choices.number(len(names))]]
    found = [str(command.name)]
    if isinstance(command, click.Group):
        inner = sorted(command.commands)
        command = command.commands[inner[choices.number(len(inner))]]
        found.append(str(command.name))
    for param in command.params:
        wanted = 0.9 if param.required else 0.3
        if param.name == "debug" or not choices.chance(wanted):
            continue
        is_path = isinstance(param.type, click.Path) or type(param.type).__name__ == "Table"
        if isinstance(param, click.Option):
            found.append(choices.pick(param.opts))
            if param.is_flag:
                continue
        if isinstance(param.type, click.Choice) and choices.chance(0.8):
            found.append(choices.pick(list(map(str, param.type.choices))))
        elif (is_path or param.name in {"shipments", "scans", "model"}) and choices.chance(0.9):
            found.append(choices.pick(paths))
        elif param.name in {"as_of", "start", "end", "since", "ordered_at"} and choices.chance(0.8):
            found.append(choices.pick(("2025-07-02T10:00Z", "2025-07-05", "2025-03-20T00:00Z")))
        else:
            found.append(choices.pick(TEXTS))
    if choices.chance(0.1):
        found.insert(choices.number(len(found) + 1), choices.pick((*TEXTS, "--help", "--version")))
    return [one for one in found if one != "--debug"]


def case(data: bytes) -> str:
    """Run one; servers do not begin to serve, and samples stay small."""
    given = arguments(data)
    if given[:1] == ["sample"]:
        given += ["--days", "3", "--shipments-per-day", "2"]
    with mock.patch("uvicorn.run"), contextlib.chdir(place()):
        found = CliRunner().invoke(commands, given)
    error = found.exception
    assert error is None or isinstance(error, SystemExit), (given, error)
    assert "fault of etapromise" not in found.output, (given, found.output[-2000:])
    assert "Traceback" not in found.output, (given, found.output[-2000:])
    assert found.exit_code in range(4), (given, found.exit_code)
    return f"ended with {found.exit_code}"


SEEDS = tuple(random.Random(seed).randbytes(120) for seed in range(20_000))  # noqa: S311


if __name__ == "__main__":
    place()
    code = driver.main(NAME, case, SEEDS)
    shutil.rmtree(place().parent)
    sys.exit(code)
