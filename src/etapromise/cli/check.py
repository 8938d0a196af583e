"""`etapromise check`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etapromise.cli.arguments import (
    EVENT,
    INPUT_FILE,
    OUTPUT_FILE,
    example,
    reported_errors,
    say,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TABLE

if TYPE_CHECKING:
    from etapromise.operations.checking import CheckReport

__all__ = ["check_command"]

EXIT_OPEN = 3
"""Exit code where something must be answered or mended before the tables can be used."""


@click.command(
    "check",
    cls=GuardedCommand,
    epilog=example(r"""
etapromise check --write-mapping mapping.toml orders.csv scans.csv
etapromise check --mapping mapping.toml --no-quality
"""),
)
@click.argument("files", type=TABLE, nargs=-1)
@click.option("--mapping", type=INPUT_FILE, help="Try this mapping instead of proposing one.")
@click.option("--write-mapping", type=OUTPUT_FILE, help="Write the proposed mapping; TOML.")
@click.option("--event", type=EVENT, default="delivered", show_default=True)
@click.option(
    "--quality/--no-quality",
    default=True,
    help="Try promises on the latest weeks, where there is enough to learn from.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on stdout.")
def check_command(
    files: tuple[Any, ...],
    mapping: Path | None,
    write_mapping: Path | None,
    event: str,
    quality: bool,  # noqa: FBT001 (click passes by name)
    as_json: bool,  # noqa: FBT001
) -> None:
    """Look at your tables: what each column is, what would be rejected, what can be promised.

    Proposes a mapping, with a reason and a degree of certainty for every column; what the data do
    not tell is asked with a "?" in the mapping. Files may be in any common form, and a file may
    hold orders, scans, or both.

    Exit codes: 0 ready to train on, 3 something must be answered or mended first, 1 failed, 2 bad
    usage.
    """
    from etapromise.operations import checking  # noqa: PLC0415 — start-up time

    if not files and mapping is None:
        raise click.UsageError("Name the files to look at, or a --mapping that does.")
    if mapping is not None and (files or write_mapping):
        raise click.UsageError("A --mapping names its files; leave the others out.")
    with reported_errors():
        found = checking.check_tables(
            files, mapping=mapping, write_to=write_mapping, event=event, quality=quality
        )
    if write_mapping is not None and found.text is not None:
        from etapromise.files import write_text  # noqa: PLC0415

        write_text(write_mapping, found.text)
    if as_json:
        facts = {**found.facts, "mapping": found.text, "failure": found.failure}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))
    else:
        for line in _lines(found):
            click.echo(line)
    if write_mapping is not None:
        say(f"the proposed mapping is in {write_mapping}; read it before you use it")
    if found.failure is not None:
        sys.exit(EXIT_OPEN)


def _lines(found: CheckReport) -> list[str]:
    lines: list[str] = []
    for table in found.facts.get("tables", []):
        told = ", ".join(f"{key} {value!r}" for key, value in table["settings"].items())
        rows = "" if table["rows_are"] == "records" else f" of {table['rows_are']!r}"
        lines.append(
            f"{', '.join(table['files'])}: {table['rows']:,} rows{rows}, "
            f"{len(table['columns'])} columns{f'; {told}' if told else ''}"
        )
        lines += [f"  {doubt}" for doubt in table["doubts"]]
    if found.proposal is not None:
        lines += _proposal_lines(found)
    if found.history is not None:
        for one in found.history.accounts:
            lines += ["", *one.lines]
            for reason, n in one.rejects["reason"].value_counts().items():
                bad = one.rejects[one.rejects["reason"] == reason].iloc[0]
                what = f"row {bad['row']}, {bad['detail']}; {bad['remedy']}"
                lines.append(f"  {reason} {n:,}: {what}")
        lines += _sign_lines(found.facts["signs"])
        lines += _quality_lines(found.facts.get("quality"))
    if found.proposal is not None and found.proposal.questions:
        lines += ["", 'To be answered in the mapping, where it says "?":']
        lines += [f"  {question}" for question in found.proposal.questions]
    elif found.failure is not None:
        lines += ["", f"Not ready: {' '.join(found.failure.split())}"]
    return lines


def _proposal_lines(found: CheckReport) -> list[str]:
    proposal = found.proposal
    if proposal is None:
        return []
    lines: list[str] = []
    for title, group in (
        ("shipments", proposal.columns),
        ("milestones", proposal.milestones),
        ("scans", proposal.scan_columns),
    ):
        if not group:
            continue
        lines += ["", f"{title}:"]
        for role, one in group.items():
            came = "?" if one.column is None else one.column
            if "value" in one.details:
                came = f"= {one.details['value']}"
            form = one.details.get("format", "")
            lines.append(
                f"  {role:22} {came:28} {one.degree:9} {one.asked or one.why}"
                + (f"  [{form}]" if form else "")
            )
    for settings in (proposal.settings, proposal.scan_settings):
        lines += [f"  {key} = {value!r}: {why}" for key, (value, why) in settings.items()]
    if proposal.vocabulary:
        lines.append(f"  the codes are those of {proposal.vocabulary}")
    for code, (status, n, why) in proposal.statuses.items():
        lines.append(f"  code {code!r} ({n:,} scans) means {status}: {why}")
    for code, n in proposal.open_codes.items():
        lines.append(f"  code {code!r} ({n:,} scans) has no known meaning")
    if proposal.ids is not None:
        lines.append(f"  {proposal.ids}")
    if proposal.unused:
        lines.append(f"  not used: {', '.join(proposal.unused)}")
    return [*lines, *(f"  {sentence}" for sentence in proposal.told)]


def _sign_lines(signs: dict[str, Any]) -> list[str]:
    span = f"from {signs['first_order'][:10]} to {signs['last_order'][:10]}"
    what = f"{signs['arrived']:,} arrived, {signs['shipments_without_scans']:,} without a scan"
    lines = ["", f"{signs['orders']:,} orders {span}, {what}"]
    if signs["longest_gap_days"] > 3:
        lines.append(
            f"{signs['days_without_orders']:,} days without orders, up to "
            f"{signs['longest_gap_days']} in a row"
        )
    for name in ("carrier", "service", "destination_country"):
        if f"{name}s" in signs:
            some = list(signs[f"{name}s"].items())[:8]
            lines.append(f"{name}: " + ", ".join(f"{word} {n:,}" for word, n in some))
            lines += [
                f"  {one!r} and {other!r} may be one and the same"
                for one, other in signs[f"near_{name}s"]
            ]
    lines.append("statuses: " + ", ".join(f"{word} {n:,}" for word, n in signs["statuses"].items()))
    return lines


def _quality_lines(quality: dict[str, Any] | None) -> list[str]:
    if quality is None:
        return []
    if not quality["tried"]:
        return ["", f"No promises were tried: {quality['why']}"]
    of = "" if quality["of_every_order"] == 1 else f", one of {quality['of_every_order']}"
    lines = ["", f"Promises tried for orders from {quality['from']} to {quality['to']}{of}:"]
    for row in quality["levels"]:
        rate = row["kept_rate"]
        kept = "not judged yet" if rate is None else f"kept {100 * rate:.1f} %"
        lines.append(
            f"  {100 * row['service_level']:g} %: {kept} of {row['judged']:,}, "
            f"stated {100 * row['stated']:.1f} %, {row['mean_days']:.1f} days on average"
        )
    return lines
