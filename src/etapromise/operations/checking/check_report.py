"""What a look at own tables found: as words for a terminal, as plain values, as a page."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etapromise.errors import ContractError
from etapromise.files import write_text
from etapromise.former_names import former_name

if TYPE_CHECKING:
    from etapromise.tracking import TrackedHistory
    from etapromise.tracking.proposals.proposal import Proposal


@dataclass(kw_only=True)
class CheckReport:
    """What `check` found.

    Attributes:
        proposal: The mapping that is proposed; None where one was given.
        text: Its file, or None.
        history: The tables read with the mapping; None where it has open questions or fails.
        failure: Why they could not be read.
    """

    proposal: Proposal | None = None
    text: str | None = None
    history: TrackedHistory | None = None
    failure: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether a model can be trained on the tables as they are."""
        return self.failure is None

    def to_text(self) -> str:
        """All of it for a terminal."""
        return "\n".join(_lines(self))

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON, the proposed mapping too."""
        return {**self.facts, "mapping": self.text, "failure": self.failure}

    to_dict = former_name("to_dict", "as_dict")

    def to_html(self) -> str:
        """The page: one HTML document with its styles inside."""
        from etapromise.evaluation.report.page import render_check  # noqa: PLC0415 — start-up time

        return render_check(self.as_dict(), _lines(self, all_of_it=False))

    def write_mapping(self, path: str | os.PathLike[str]) -> Path:
        """Write the proposed mapping, whole or not at all.

        Its files are named from where `check` was told that it would lie, else from here.

        Raises:
            ContractError: none was proposed.
        """
        if self.text is None:
            raise ContractError(
                "found no proposed mapping: one was handed over to be tried, and stands where it is"
            )
        write_text(Path(path), self.text)
        return Path(path)


def _lines(found: CheckReport, *, all_of_it: bool = True) -> list[str]:
    """In words; or what of it has no place of its own on a page, as columns and questions have."""
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
        lines += _column_lines(found.proposal) if all_of_it else []
        lines += _setting_lines(found.proposal)
    if found.history is not None:
        for one in found.history.accounts:
            lines += ["", *one.lines]
            for reason, n in one.rejects["reason"].value_counts().items():
                bad = one.rejects[one.rejects["reason"] == reason].iloc[0]
                what = f"row {bad['row']}, {bad['detail']}; {bad['remedy']}"
                lines.append(f"  {reason} {n:,}: {what}")
        lines += _sign_lines(found.facts["signs"])
        lines += _quality_lines(found.facts.get("quality"))
    if not all_of_it:
        return lines
    if found.proposal is not None and found.proposal.questions:
        lines += ["", 'To be answered in the mapping, where it says "?":']
        lines += [f"  {question}" for question in found.proposal.questions]
    elif found.failure is not None:
        lines += ["", f"Not ready: {' '.join(found.failure.split())}"]
    return lines


def _column_lines(proposal: Proposal) -> list[str]:
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
    return lines


def _setting_lines(proposal: Proposal) -> list[str]:
    lines = [
        f"  {key} = {value!r}: {why}"
        for settings in (proposal.settings, proposal.scan_settings)
        for key, (value, why) in settings.items()
    ]
    if proposal.vocabulary:
        lines.append(f"  the codes are those of {proposal.vocabulary}")
    lines += [
        f"  code {code!r} ({n:,} scans) means {status}: {why}"
        for code, (status, n, why) in proposal.statuses.items()
        if status != "?"
    ]
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
    lines += [f"scans: {found}" for found in (*signs["marked_as_utc"], *signs["at_night"])]
    lines += [f"weight: {odd}" for odd in signs["odd_weights"]]
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
        level = f"{100 * row['service_level']:g} %"
        if row["undated"]:
            lines.append(
                f"  {level}: no date reaches it for {row['undated']:,} of {row['promises']:,} "
                "orders, since too many never arrive; are cancelled orders told?"
            )
        if row["judged"]:
            lines.append(
                f"  {level}: kept {100 * row['kept_rate']:.1f} % of {row['judged']:,}, "
                f"stated {100 * row['stated']:.1f} %, {row['mean_days']:.1f} days on average"
            )
        elif not row["undated"]:
            lines.append(f"  {level}: none of {row['promises']:,} can be judged yet")
    return lines
