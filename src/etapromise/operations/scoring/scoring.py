"""Scoring a table of open orders: a promise for each, and what could not be scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from etapromise.argument_kinds import kinds_checked
from etapromise.array_types import Ints
from etapromise.calendars.zones import ZONE_SOURCES
from etapromise.errors import ContractError
from etapromise.former_names import with_stage
from etapromise.history.as_of import Moment, moment_of
from etapromise.history.number_ranges import nearest_remedy
from etapromise.normal_forms.zones import zone_of_country
from etapromise.operations.models.model_registry import Model, model_of
from etapromise.promise.model import PromiseModel
from etapromise.promise.promise_table import near_names
from etapromise.promise.service_levels import require_level
from etapromise.tracking import read_shipments
from etapromise.tracking.accounts import refuse_strangers
from etapromise.tracking.faults import Faults, Note, rejects_table
from etapromise.tracking.mapped import mapped_tables
from etapromise.tracking.mapping import read_mapping
from etapromise.tracking.python_objects import table_as_text
from etapromise.tracking.scans_of import read_scans_of

if TYPE_CHECKING:
    from etapromise.tracking import Source
    from etapromise.tracking.mapping import MappingSource

_ROWS_AT_ONCE: Final = 100_000
TOO_LATE: Final = "ordered_after_as_of"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Scored and rejected orders: together as many as came in.

    Attributes:
        promises: One row for each accepted order, in the order of the input.
        rejects: The others, with ``reason``, ``detail`` and ``row``.
        scan_rejects: The scans that could not be used, likewise; None where none were given.
        notes: What was blanked, derived or is strange in the orders, to be told once.
        scan_notes: Likewise of the scans.
        left_aside: Rows of orders that a mapping folded into others.
        scans_used: How many scans the promises used.
        scans_left_aside: How many scans were of other orders, or say nothing about theirs.
    """

    promises: pd.DataFrame
    rejects: pd.DataFrame
    scan_rejects: pd.DataFrame | None = None
    notes: tuple[Note, ...] = ()
    scan_notes: tuple[Note, ...] = ()
    left_aside: int = 0
    scans_used: int = 0
    scans_left_aside: int = 0


@kinds_checked()
def score(
    model: Model,
    shipments: Source | None = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    service_level: float = 0.9,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    explain: bool = False,
    at_risk_threshold: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Scored:
    """Promise a date for every order of a table; with scans, anew from where each parcel stands.

    Arguments without a word here are as for `read`.

    Args:
        model: refreshed no later than `as_of`.
        shipments: the open orders.
        scans: their scans; None promises as at the order.
        as_of: orders placed and scans received later are left out.
        service_level: the probability with which the dates shall be kept.
        explain: without scans, say why each promise is what it is, in columns `why_…`.
        at_risk_threshold: with scans, from which probability of being late on a parcel is at risk;
            by default `alert_threshold` of the model.
        progress: told "scoring", how many orders are done, and how many there are.

    Raises:
        ContractError: a table does not fit the contract; the scans' ids are written otherwise than
            the orders'.
        CommandError: the model knows more than was known at `as_of`.

    Examples:
        >>> scored = etapromise.score("models/current", "shipments.parquet", as_of="2025-07-03")
        >>> bool(scored.promises["confidence"].ge(0.9).mean() > 0.9)
        True
    """
    loaded, moment = model_of(model), moment_of(as_of)
    progress = progress and with_stage(progress)
    if at_risk_threshold is not None:
        at_risk_threshold = require_level(at_risk_threshold, "at_risk_threshold")
    loaded.require_known_by(moment)
    if mapping is not None:
        told = read_mapping(mapping)
        if shipments is not None and scans is None and told.scans is not None:
            # Its scans are those of its own shipments, unless both stand in one file.
            same = told.scans.files == told.shipments.files
            told = told if same else replace(told, scans=None)
        shipments, scans = mapped_tables(told, shipments, scans)
    if shipments is None:
        raise ContractError("found no shipments, expected a table of them or a mapping that has it")
    checked = read_shipments(shipments, naive_time_zone=naive_time_zone)
    too_late = (checked.accepted["ordered_at"] > moment).to_numpy()
    orders = checked.accepted[~too_late].reset_index(drop=True)
    sent = None
    if scans is not None:
        if at_risk_threshold is None:
            at_risk_threshold = loaded.alert_threshold()
        sent = read_scans_of(orders, scans, vocabulary=vocabulary, naive_time_zone=naive_time_zone)
        if not len(sent.scans) and sent.stranger is not None:
            refuse_strangers(orders, sent.stranger, only_near=True)
    parts = []
    for start in range(0, max(len(orders), 1), _ROWS_AT_ONCE):
        end = min(start + _ROWS_AT_ONCE, len(orders))
        chunk = orders.iloc[start:end].reset_index(drop=True)
        if sent is None:
            parts.append(loaded.promise_many(chunk, service_level, explain=explain))
        else:
            parts.append(
                loaded.track_many(
                    chunk,
                    sent.part(start, end),
                    moment.to_pydatetime(),
                    service_level=service_level,
                    at_risk_threshold=at_risk_threshold,
                )
            )
        if progress is not None and len(orders):
            progress("scoring", end, len(orders))
    rejects = checked.rejects
    if too_late.any() and checked.rows is not None:
        later = _rejected(checked.accepted[too_late], moment, checked.rows[too_late])
        rejects = pd.concat([rejects, later], ignore_index=True)
        rejects = rejects.sort_values("row", kind="stable", ignore_index=True)
    return Scored(
        promises=pd.concat(parts, ignore_index=True),
        rejects=rejects,
        scan_rejects=None if sent is None else sent.rejects,
        notes=(*checked.notes, *_strange(loaded, orders, with_scans=sent is not None)),
        scan_notes=() if sent is None else sent.notes,
        left_aside=checked.left_aside,
        scans_used=0 if sent is None else len(sent.scans),
        scans_left_aside=0 if sent is None else sent.others,
    )


def _strange(model: PromiseModel, orders: pd.DataFrame, *, with_scans: bool) -> tuple[Note, ...]:
    """Orders whose promises flatter the model, or may be off, each kind once."""
    told = Faults(0)
    known, ordered = model.as_of, orders["ordered_at"]
    # With scans they are parcels on their way, which are older as a rule.
    before = ordered[:0] if with_scans else ordered[ordered < known]
    told.note(
        len(before),
        "older_than_model",
        "ordered_at",
        f"were placed before the model's as_of {known.isoformat()}, which may know how they went "
        "on: their promises are not those of their day. Judge a model with backtest, and score "
        "orders on their way with their scans",
        [before.min()],
    )
    # Of some destinations nothing tells the zone: their dates may be a day off.
    zones, sources = model.parts.encoder.zones.resolve_many(orders, "destination")
    countries = orders.get("destination_country")
    if countries is not None:
        zoned = {name: zone_of_country(name) for name in countries.dropna().unique()}
        # Its usual zone, and whether it has no other.
        split = [name for name, known in zoned.items() if known is not None and not known[1]]
        several = countries.isin(split).to_numpy()
        guessed = several & (sources == ZONE_SOURCES.index("country"))
        told.note(
            int(guessed.sum()),
            "zone_from_usual",
            "destination_time_zone",
            "were taken from a country with several zones, and dates may be a day off; add a "
            "destination_region, a postcode or a destination_time_zone",
            sorted({f"{c} = {z}" for c, z in zip(countries[guessed], zones[guessed], strict=True)}),
        )
    unknown = sources == ZONE_SOURCES.index("default")
    told.note(
        int(unknown.sum()),
        "zone_unknown",
        "destination_time_zone",
        "are not known, and are taken as the model's usual one; add a destination_country",
        [model.parts.encoder.zones.default],
    )
    for name, spread in model.parts.ranges.spreads.items():
        if name in orders:
            values = orders[name].to_numpy(np.float64, na_value=np.nan)
            values = values[spread.outside(values)]
            middle = float(np.median(values)) if len(values) else spread.middle
            told.note(
                len(values),
                f"outside_{name}",
                name,
                f"lie far outside of what was learned ({spread.least:.4g} to {spread.most:.4g}), "
                f"and their promises may be off; {nearest_remedy(name, middle, spread.middle)}",
                [f"{value:g}" for value in values[:3]],
            )
    return (*told.notes, *near_names(model, orders))


def _rejected(orders: pd.DataFrame, as_of: pd.Timestamp, rows: Ints) -> pd.DataFrame:
    text, end = table_as_text(orders).reset_index(drop=True), as_of.isoformat()
    details = [f"ordered_at is {at}, expected a time up to {end}" for at in orders["ordered_at"]]
    values = text["ordered_at"].tolist()
    return rejects_table(text, [TOO_LATE] * len(text), details, rows, values)
