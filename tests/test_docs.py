"""Every example of the documentation runs, and what the code can tell is told by the code."""

from __future__ import annotations

import inspect
import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner

import etapromise
from etapromise.cli import main
from etapromise.cli.recipe import told_recipe
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS, STATUSES
from etapromise.training.config import TrainingConfig
from tests.small_network import TRAINING, fields_of

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    if path.name not in {"commands.md", "codes.md", "python.md"}
)
# <!-- no-run --> before what needs another program's installation; every other block is run.
# <!-- after-demo --> before what needs the model that `make demo` leaves.
# ```toml title="…": written to that file.
BLOCK = re.compile(
    r'^(?:<!-- (no-run|after-demo) -->\n)?```(python|sh|toml(?= title))(?: title="([^"]+)")?\n'
    r"(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
GOES_ON = re.compile(r"<!-- examples go on from ([a-z-]+\.md) -->")
TRAIN = (
    "etapromise train --shipments data/sample/shipments.parquet "
    "--scans data/sample/scans.parquet --as-of 2026-02-01 --out"
)


def blocks(page: Path) -> list[tuple[str, str]]:
    found = []
    said = page.read_text(encoding="utf-8")
    if before := GOES_ON.search(said):
        # What that page trains, and its first example.
        earlier = blocks(page.with_name(before[1]))
        kinds = [kind for kind, _ in earlier]
        found += earlier[: kinds.index("python") + 1]
    for when, kind, title, text in BLOCK.findall(said):
        if when == "after-demo":
            found.append(("sh", f"{TRAIN} output/models"))
        if when != "no-run":
            found.append((title or kind, text))
    return found


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """The sample with a fourth of its orders: no page but the first hangs on how many there are."""
    data: Path = tmp_path_factory.mktemp("few") / "data"
    shutil.copytree(ROOT / "data", data)
    shipments, scans = (data / "sample" / f"{name}.parquet" for name in ("shipments", "scans"))
    orders, told = pd.read_parquet(shipments).iloc[::4], pd.read_parquet(scans)
    orders.to_parquet(shipments)
    told[told["shipment_id"].isin(orders["shipment_id"])].to_parquet(scans)
    return data


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs a command that trains once, however many pages begin with it."""
    kept: dict[str, Path] = {}

    def run_once(command: str, run) -> None:
        # Where it goes to is the last word, and changes nothing.
        *words, out = command.replace("\\", " ").split()
        said = " ".join(words)
        if said not in kept:
            run(command)
            kept[said] = tmp_path_factory.mktemp("trained") / "models"
            shutil.copytree(out, kept[said], symlinks=True)
        else:
            shutil.copytree(kept[said], out, symlinks=True)

    return run_once


def run(command: list[str | Path]) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = f"{done.stdout[-2000:]}{done.stderr[-3000:]}"
    assert done.returncode == 0, f"{command[-1]}\n{said}"


def shell(text: str) -> None:
    run(["sh", "-eu", "-c", text])


def command_of_ours(text: str) -> None:
    """In this process where nothing else is asked of the shell: starting another takes longest."""
    line = text.replace("\\\n", " ").strip()
    found = re.fullmatch(r"etapromise ([^|&;<>$\n]+?)( \|\| test \$\? -eq 3)?", line)
    if found is None:
        shell(text)
        return
    done = CliRunner().invoke(main, found[1].split())
    assert done.exit_code in ({0, 3} if found[2] else {0}), f"{text}\n{done.output[-3000:]}"


def few_trees(*tables, **options) -> TrainingConfig:
    """What the options say, for pages that teach no figure; the first trains as it comes."""
    grown = {name: getattr(TRAINING, name) for name in ("boosting", "transit")}
    return replace(told_recipe(*tables, **options), members=1, **grown)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda path: path.stem)
def test_the_examples_of_a_page_run_one_after_the_other(page, few, trained, tmp_path, monkeypatch):
    """In an empty directory beside the sample, as the page's reader would type them."""
    if "openssl" in page.read_text(encoding="utf-8") and not shutil.which("openssl"):
        pytest.skip("the page's commands need openssl")
    monkeypatch.chdir(tmp_path)
    first = page.name == "README.md"
    for command in ("train", "backtest"):
        monkeypatch.setattr(f"etapromise.cli.{command}.told_recipe", few_trees)
    Path("data").symlink_to(ROOT / "data" if first else few)
    Path("docs").symlink_to(ROOT / "docs")
    program: list[str] = []
    for typed, group in itertools.groupby(blocks(page), key=lambda block: block[0] == "sh"):
        if typed:
            for _, text in group:
                for each in filter(None, re.split(r"^(?=etapromise )", text, flags=re.MULTILINE)):
                    once = each.startswith("etapromise train") and not first
                    type_it = shell if first else command_of_ours
                    trained(each, type_it) if once else type_it(each)
            continue
        for kind, text in group:
            if kind == "python":
                program.append(text)
            else:
                Path(kind).write_text(text, encoding="utf-8")
        # What was typed in Python before is known only to Python: all of it runs again.
        if program:
            run([sys.executable, "-W", "error", "-c", "\n".join(program)])


LINKING = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    ROOT / "benchmarks" / "README.md",
]


def anchors(page: Path) -> set[str]:
    """The headings of a page as addresses within it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", LINKING, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_links_lead_somewhere(page):
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_fences_are_ones_that_the_site_takes_for_fences(page):
    """Any other word behind the language, and the rest of the page is inside out."""
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert [one for one in fences if not re.fullmatch(r'(\w+( title="[^"]+")?)?', one)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_command_line_of_a_page_is_one(page):
    """Those too that no test runs: of cron, systemd, Airflow and Kubernetes."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ").replace('"\n    "', "")
    fenced = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    for line in re.findall(r"etapromise ([a-z]+ [^|&;`)\n]*)", "\n".join(fenced)):
        name, *words = line.split()
        command = main.commands[name]
        if isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word[:2] == "--"} <= known | {
            "--help"
        }, line


def test_every_page_is_in_the_navigation_and_in_llms_txt():
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav, _, rest = settings.partition("markdown_extensions:")
    sections = rest.partition("sections:")[2]
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}" in nav
        listed = [page.name] if "tutorial" not in page.name else ["tutorial-*.md"]
        assert page.name == "index.md" or listed[0] in sections, page.name


def test_the_readme_fits_a_screen():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 50
    assert text.count("![") == 1
    (example,) = re.findall(r"```python.*?\n(.*?)```", text, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 14


def test_every_public_name_column_status_and_field_has_its_place(model, orders):
    python = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in etapromise.__all__:
        assert f"heading: etapromise.{name}\n" in python
        assert inspect.getdoc(getattr(etapromise, name)), name
    tables = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    for name in (*SHIPMENT_COLUMNS, *SCAN_COLUMNS, *STATUSES):
        assert f"`{name}`" in tables, name
    answer = (ROOT / "docs" / "answer.md").read_text(encoding="utf-8")
    plain = model.promise(**fields_of(orders.iloc[0])).as_dict(distribution=True)
    for name in plain:
        if not re.fullmatch(r"percentile_\d+|estimated_delivery_date_max", name):
            assert f"`{name}`" in answer, name


def test_the_figures_of_the_limits_were_measured():
    """Each figure of the table stands in benchmarks/README.md too, with its command; rounded."""
    measured = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    known = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", measured)}
    table = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 6
    for _, what, figure, *_ in rows:
        for number in re.findall(r"\d+(?:\.\d+)?", figure):
            digits = len(number.partition(".")[2])
            assert any(round(each, digits) == float(number) for each in known), (what, number)


def test_what_the_code_tells_is_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "write_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
