"""On whose clock the times of own tables are that do not say it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from etapromise.normal_forms.places import normal_country
from etapromise.normal_forms.zones import zone_of_country
from etapromise.tracking.column_names import (
    is_about,
)
from etapromise.tracking.proposal import Proposal, Proposed

__all__ = ["zones_of_times"]


def zones_of_times(proposal: Proposal) -> None:
    """Whose clock the times are on that carry no zone."""
    table = proposal.shipments
    zones = [name for name, one in table.profiles.items() if one.zones > 0.9]
    own = proposal.columns.get("destination_time_zone")
    for group in (proposal.columns, proposal.milestones):
        for role, one in list(group.items()):
            if one.guess is None or not one.guess.clock or one.guess.zoned or one.column is None:
                continue
            parent = one.column.rpartition(".")[0]
            beside = [name for name in zones if name.rpartition(".")[0] == parent and parent]
            if beside:
                group[role] = Proposed(
                    column=one.column,
                    certainty=one.certainty,
                    why=f"{one.why}; {beside[0]!r} names its zone",
                    details={**one.details, "zone_column": beside[0]},
                    asked=one.asked,
                    others=one.others,
                    guess=one.guess,
                )
                if own is not None and own.column == beside[0]:
                    proposal.columns.pop("destination_time_zone", None)
    for group in (proposal.columns, proposal.milestones, proposal.scan_columns):
        for role, one in list(group.items()):
            if _naive(one) and is_about(str(one.column), "utc"):
                why = f"{one.why}; UTC by its name"
                group[role] = replace(one, why=why, details={**one.details, "zone": "UTC"})
    utc = [name for name in table.profiles if is_about(name, "system of utc")]
    if any(
        _naive(one) for group in (proposal.columns, proposal.milestones) for one in group.values()
    ):
        proposal.settings["time_zone"] = (
            ("UTC", f"the system whose tables have {utc[0]!r} writes UTC")
            if utc
            else _home(proposal)
        )
    if any(_naive(one) for one in proposal.scan_columns.values()):
        zone, why = _home(proposal)
        proposal.scan_settings["time_zone"] = zone, why


def _naive(one: Proposed) -> bool:
    return (
        one.guess is not None
        and one.guess.clock
        and not one.guess.zoned
        and not {"zone_column", "zone"} & set(one.details)
    )


def _home(proposal: Proposal) -> tuple[str, str]:
    """The zone of the warehouse as the countries let it be told, or the question."""
    files = ", ".join(proposal.shipments.files)
    ask = (
        f'on whose clock are the times in {files} that carry no zone? such as "Europe/Berlin"; '
        "no country tells it"
    )
    for role in ("origin_country", "destination_country"):
        one = proposal.columns.get(role)
        if one is None:
            continue
        words = pd.Series([one.details.get("value")])
        if one.column is not None:
            words = proposal.shipments.profiles[one.column].filled_values
        codes = words.map(normal_country).dropna()
        if not len(codes):
            continue
        home = str(codes.mode().iloc[0])
        found = zone_of_country(home)
        if found is None:
            continue
        zone, sure = found
        if sure:
            return zone, (
                f"clock times without a zone; most parcels go {'from' if role[0] == 'o' else 'to'} "
                f"{home}. Please check: it should be the zone of the warehouse"
            )
        return "?", (
            f"on whose clock are the times in {files} that carry no zone? {home} has several zones"
        )
    return "?", ask
