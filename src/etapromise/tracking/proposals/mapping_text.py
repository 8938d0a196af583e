"""A proposed mapping as the text of a mapping file, each line with its reason."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final

from etapromise.tracking.contract import STATUSES
from etapromise.tracking.mapping import SILENT
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed

_HEAD: Final = """\
# Which column of your tables is which, proposed by `etapromise check`. Read it, mend what is wrong,
# then hand it over: etapromise train --mapping THIS ... Every key is told in docs/mapping.md.
# certain, likely, possible: how sure each line is. "?" must be answered before the mapping is used.
"""
_OPEN_CODES: Final = 30


def proposal_text(proposal: Proposal) -> str:
    """The mapping file of a proposal."""
    lines = [_HEAD.rstrip()]
    lines += [f"# {sentence}" for sentence in proposal.told]
    lines += ["", *_table("shipments", proposal.shipments, proposal.settings)]
    for join in proposal.shipments.joins:
        lines += ["", "# A table whose columns stand beside these.", "[[shipments.join]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in join.items()]
    lines += ["", "[shipments.columns]", *_columns(proposal.columns)]
    if proposal.left_out:
        lines.append(
            "# Left out, since the data do not tell how they are meant; answer and add them."
        )
        lines += [f"# {line}" for line in _columns(proposal.left_out)]
    if proposal.unused:
        names = ", ".join(map(_plain, proposal.unused))
        lines.append(f"# not used: {names}")
    if proposal.milestones:
        told = {role: one for role, one in proposal.milestones.items() if not one.missing}
        lacking = {role: one for role, one in proposal.milestones.items() if one.missing}
        # Orders that are still to be promised have none, and can be mapped all the same.
        lines += ["", "# Times of a shipment that are scans."]
        lines.append("[shipments.milestones]" if told else "# [shipments.milestones]")
        lines += _columns(told)
        lines += [f"# {line}" for line in _columns(lacking)]
    if proposal.scans is not None:
        lines += ["", *_table("scans", proposal.scans, proposal.scan_settings)]
        columns = dict(proposal.scan_columns)
        lines += ["", "[scans.columns]", *_columns(columns)]
        if proposal.vocabulary is not None and "vocabulary" not in columns:
            lines.append(f"vocabulary = {{ value = {_toml(proposal.vocabulary)} }}")
        if proposal.statuses or proposal.open_codes:
            lines += ["", "# What codes mean that no vocabulary has. A code means one of:"]
            lines += textwrap.wrap(
                f"{', '.join(STATUSES)}, or {SILENT}.",
                width=98,
                initial_indent="# ",
                subsequent_indent="# ",
                break_on_hyphens=False,
            )
            lines.append("[scans.statuses]")
            lines += [
                f"{_toml(code)} = {_toml(status)}  # {n:,} scans; {why}"
                for code, (status, n, why) in proposal.statuses.items()
            ]
            lines += [
                f'# {_toml(_plain(code))} = ""  # {n:,} scans; not known, so they are rejected'
                for code, n in list(proposal.open_codes.items())[:_OPEN_CODES]
            ]
    if proposal.ids is not None:
        lines += ["", f"# {_plain(str(proposal.ids))}", "[ids]"]
        lines.append(f"ignore = {_toml(list(proposal.ids.ignore))}")
    return "\n".join(lines) + "\n"


def _table(name: str, table: OwnTable, settings: Mapping[str, tuple[Any, str]]) -> list[str]:
    lines = [f"# {_plain(doubt)}" for doubt in table.doubts]
    lines += [f"[{name}]", f"files = {_toml(list(table.files))}"]
    lines += [f"{key} = {_toml(value)}" for key, value in table.settings.items()]
    if table.rows:
        lines.append(f"rows = {_toml(table.rows)}")
    lines += [f"{key} = {_toml(value)}  # {_plain(why)}" for key, (value, why) in settings.items()]
    return lines


def _columns(columns: Mapping[str, Proposed]) -> list[str]:
    lines = []
    for role, one in columns.items():
        details = dict(one.details)
        if one.column is not None:
            details = {"column": one.column, **details}
        if list(details) == ["column"] and details["column"] != "?":
            value = _toml(details["column"])
        else:
            value = (
                "{ " + ", ".join(f"{key} = {_toml(told)}" for key, told in details.items()) + " }"
            )
        note = one.asked or f"{one.degree}: {one.why}"
        lines.append(f"{role} = {value}  # {_plain(note)}")
    return lines


def _plain(text: str) -> str:
    return " ".join(text.split())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, int):
        return str(value)
    # A basic string of TOML is one of JSON, but that it must not hold a bare DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
