"""Write the parts of the documentation that the code itself tells; with --check only compare.

    python scripts/write_reference.py [--check]

`docs/commands.md` from the commands' own help, `docs/codes.md` from the confidence codes,
messages and alarms, `docs/python.md` from the public names, and the map of the rooms in
CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

import etapromise
from etapromise.cli import main as command_line
from etapromise.evaluation.report.monitor_page import ALARM_ADVICE
from etapromise.promise.confidence import CODES, MESSAGES

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "etapromise"
LIGHT = {*sys.stdlib_module_names, "numpy"}
MAP_START, MAP_END = "<!-- map of the rooms -->", "<!-- end of the map -->"
BY_SCRIPT = "Written by scripts/write_reference.py from the code; do not edit."


def main() -> None:
    """Write or compare every generated text."""
    contributing = ROOT / "CONTRIBUTING.md"
    texts = {
        ROOT / "docs" / "commands.md": commands(),
        ROOT / "docs" / "codes.md": codes(),
        ROOT / "docs" / "python.md": python_names(),
        contributing: with_map(contributing.read_text(encoding="utf-8")),
    }
    stale = [
        path
        for path, text in texts.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" not in sys.argv:
        for path in stale:
            path.write_text(texts[path], encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    elif stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"{names}: not what the code says; run python scripts/write_reference.py")


def commands() -> str:
    """One section a command: its help, as a terminal of 90 columns shows it."""
    lines = ["# Commands", "", f"<!-- {BY_SCRIPT} -->", "", *exit_codes(), ""]
    for name, command in every_command():
        context = click.Context(command, info_name=f"etapromise {name}", terminal_width=90)
        text = re.sub(r"[ \t]+$", "", command.get_help(context), flags=re.MULTILINE)
        lines += [f"## etapromise {name}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Commands by name, each before those below it."""
    for name, command in sorted(command_line.commands.items()):
        yield name, command
        if isinstance(command, click.Group):
            for below, part in sorted(command.commands.items()):
                yield f"{name} {below}", part


def exit_codes() -> list[str]:
    """What every command ends with."""
    return [
        "| exit code | means |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | failed: one line on stderr says what was found, expected, and what to do |",
        "| 2 | bad usage |",
        "| 3 | done, but look: `retrain` refused, `monitor` has an alarm, `check` has a question |",
        "| 130, 143 | interrupted, terminated; nothing half-written is left |",
        "",
        "`--json` prints what was found as JSON; `quote` and `track` do so anyway.",
    ]


def codes() -> str:
    """Confidence codes, messages and alarms."""
    lines = [
        "# Codes",
        "",
        f"<!-- {BY_SCRIPT} -->",
        "",
        "## Confidence codes",
        "",
        "`promise.confidence_code`; the numbers are those of AfterShip's estimated delivery dates.",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {code} | {text} |" for code, text in CODES.items()),
        "",
        "## Messages",
        "",
        "`promise.messages`, each with `code` and `text`: what the promise rests on.",
        "",
        "| code | text |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in MESSAGES),
        "",
        "## Alarms",
        "",
        "What `monitor` raises, each with its `group`, value, threshold and reason.",
        "",
        "| alarm | what to do |",
        "|---|---|",
        *(f"| `{name}` | {text} |" for name, text in ALARM_ADVICE.items()),
        "",
    ]
    return "\n".join(lines)


# What does in Python what a command does.
IN_PYTHON = {
    "backtest": "`backtest(…).write(directory)`",
    "check": "`check(files)`, `.to_html()`, `.write_mapping(path)`",
    "disruptions": "",
    "disruptions declare": "`declare_disruptions(models, [Disruption(…)])`",
    "disruptions end": "`declare_disruptions(models, [], replace=True)`",
    "disruptions record": "`disruption_record(model, history)`",
    "events": "`events(…, settings=EventSettings(…))`",
    "ingest": "`ingest(store, …)`",
    "inspect": "`card_of(model)`; `load(…).learned_calendars()`",
    "models": "`markets(models)`, `ModelRegistry(models)`, `compare_cards(…)`, `prune(…)`",
    "monitor": "`monitor(…, config=MonitorConfig(…, thresholds=Thresholds(…))).write(directory)`",
    "policies": "`load_policies()`",
    "policies replay": "`replay_policies(model, history, ways)`",
    "quote": "`load(…).promise(…)`; as of a past day `ModelRegistry(models).load_at(…)`",
    "refresh": "`refresh(models, …)`",
    "repromise": "`repromise(model, history, start=…)`",
    "retrain": "`retrain(models, …, gate=GateConfig(…))`",
    "rollback": "`ModelRegistry(models).roll_back()`, its `lock()` held",
    "sample": "",
    "score": "`score(…)`, `score_store(…)`; at risk by `model.alert_threshold(…)`",
    "scorecard": "`write_scorecards(scorecard(…), path, as_of=…)`",
    "serve": "`create_app(models)` for an ASGI server",
    "track": "`track_stored(model, store, shipment, as_of=…)`; without a store `model.track(…)`",
    "train": "`train(…)`, then `ModelRegistry(models).add_trained(…)`; `tune(…)` before it",
}


def python_names() -> str:
    """Every public name in a line, and in full for mkdocstrings to fill."""
    lines = ["# Python", "", f"<!-- {BY_SCRIPT} -->", ""]
    lines += [
        "Whatever a command does, a function does, in the same words: the option `--as-of` is the",
        "argument `as_of`. `shipments` may be a path, a frame or a history: `read(…)` reads tables",
        "once for several functions, and `stored_history(store)` stands for `--store`. `as_of`,",
        "`start`, `end` and `since` are a text, a date, a datetime or a Timestamp, in UTC where",
        "they say no zone. Long functions tell `progress=` or `log=` how far they are, or else the",
        "logger `etapromise`.",
        "",
        "| command | in Python |",
        "|---|---|",
    ]
    told = {name: IN_PYTHON[name] for name, _ in every_command()}  # none without its function
    lines += [f"| `{name}` | {text} |" for name, text in told.items() if text]
    lines += ["", "| name | what it is |", "|---|---|"]
    for name in etapromise.__all__:
        value = getattr(etapromise, name)
        taken = ""
        if inspect.isfunction(value):
            taken = f"({', '.join(arguments(value))})"
        first = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{name}{taken}` | {first.replace('|', '/')} |")
    lines.append("")
    for name in etapromise.__all__:
        value = getattr(etapromise, name)
        home = getattr(value, "__module__", None)
        known = inspect.isclass(value) or inspect.isfunction(value)
        if known and home is not None:
            lines += [f"::: {home}.{value.__name__}", "    options:"]
            lines += [f"      heading: etapromise.{name}", ""]
    lines += ["## What they return", ""]
    for home, name in returned():
        lines += [f"::: {home}.{name}", "    options:", f"      heading: {name}", ""]
    return "\n".join(lines)


def arguments(function: Callable[..., object]) -> Iterator[str]:
    """The arguments as they are given: a star before those that have to be named."""
    starred = False
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield one.name if one.default is one.empty else f"{one.name}="


def returned() -> Iterator[tuple[str, str]]:
    """Module and name of the classes that public functions and a model's methods return."""
    public = [getattr(etapromise, name) for name in etapromise.__all__]
    asked = [*public, *vars(etapromise.PromiseModel).values()]
    told = (
        str(one.__annotations__.get("return"))
        for one in asked
        if inspect.isfunction(one) and not one.__name__.startswith("_")
    )
    wanted = set(re.findall(r"[A-Z]\w+", " ".join(told))) - {*etapromise.__all__}
    for path in sorted(SOURCE.rglob("*.py")):
        home = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            if name in wanted:
                yield home, name


def with_map(text: str) -> str:
    """CONTRIBUTING with the map of the rooms as the files are now."""
    before, _, rest = text.partition(MAP_START)
    _, _, after = rest.partition(MAP_END)
    return f"{before}{MAP_START}\n\n{rooms()}\n\n{MAP_END}{after}"


def rooms() -> str:
    """Rooms in the order of the layering contract, each with its files and their first lines."""
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.search(r"^layers = \[(.*?)^\]", config, re.MULTILINE | re.DOTALL)
    if layers is None:
        sys.exit("pyproject.toml has no layering contract")
    order = re.findall(r"[a-z_]+", layers[1])[::-1]
    light = light_files()
    lines = []
    for room in order:
        folder = SOURCE / room
        if folder.is_dir():
            lines += ["", f"**{room}/** {first_line(folder / '__init__.py')}", ""]
            lines += files_of(folder, folder, light)
            for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
                lines.append(f"- **{inner.name}/** {first_line(inner / '__init__.py')}")
                lines += [f"  {line}" for line in files_of(inner, folder, light)]
            kernels = sorted(folder.glob("*.c"))
            lines += [f"- `{path.name}` {first_comment(path)}" for path in kernels]
        elif (SOURCE / f"{room}.py").is_file():
            path = SOURCE / f"{room}.py"
            lines += ["", f"**{room}.py**{' °' * (path in light)} {first_line(path)}"]
    return "\n".join(lines).strip()


def files_of(folder: Path, room: Path, light: set[Path]) -> list[str]:
    """A line for each file of a folder: its path in the room, and what it is."""
    return [
        f"- `{path.relative_to(room)}`{' °' * (path in light)} {first_line(path)}"
        for path in sorted(folder.glob("*.py"))
        if path.name not in {"__init__.py", "__main__.py"}
    ]


def light_files() -> set[Path]:
    """Files that load nothing but numpy and the standard library, all the way down."""
    loaded = {path: set(imported(path)) for path in SOURCE.rglob("*.py")}
    light = {path for path, found in loaded.items() if all(isinstance(one, Path) for one in found)}
    while heavy := {path for path in light if not loaded[path] <= light}:
        light -= heavy
    return light


def imported(path: Path) -> Iterator[Path | str]:
    """What a file imports at its top: files of ours, and names of packages that are not light."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{one.name}" for one in node.names)]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            if package != "etapromise":
                yield from {package} - LIGHT
                continue
            for depth in range(len(parts) + 1):
                place = SOURCE.joinpath(*parts[:depth])
                yield from (
                    one
                    for one in (place / "__init__.py", place.with_suffix(".py"))
                    if one.is_file()
                )


def first_line(path: Path) -> str:
    """The first sentence or line of a file's docstring."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n\n")[0].replace("\n", " ")


def first_comment(path: Path) -> str:
    """The first sentence of a C file's opening comment."""
    found = re.match(r"\s*/\*(.*?)\*/", path.read_text(encoding="utf-8"), re.DOTALL)
    said = " ".join(line.strip(" *") for line in (found[1] if found else "").splitlines())
    return said.strip().partition(". ")[0].rstrip(".") + "." if said.strip() else ""


if __name__ == "__main__":
    main()
