"""On whose clock the times of own tables are that do not say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pandas as pd

from etapromise.normal_forms.places import normal_country
from etapromise.normal_forms.zones import zone_of_country
from etapromise.tracking.column_names import is_about, names_of, without_words
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed

_ALL: Final = 0.9
# Of a shop's parcels so many go to its own country, as long as nothing tells which that is.
_MOST: Final = 0.5


def zones_of_times(proposal: Proposal) -> None:
    """Whose clock the times are on that carry no zone."""
    table = proposal.shipments
    own = proposal.columns.get("destination_time_zone")
    for group in (proposal.columns, proposal.milestones):
        for role, one in list(group.items()):
            beside = _zone_beside(table, one)
            if beside is None:
                continue
            group[role] = with_zone(one, beside)
            if own is not None and own.column == beside and role != "delivered":
                # It is the clock of another place than the destination.
                proposal.columns.pop("destination_time_zone", None)
    arrived = proposal.milestones.get("delivered")
    named = arrived.details.get("zone_column") if arrived is not None else None
    if named is not None and table.profiles[str(named)].zones > _ALL:
        proposal.columns.setdefault(
            "destination_time_zone",
            Proposed(
                column=str(named), certainty=0.9, why="the deliveries' times are on its clock"
            ),
        )
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
            else _home(proposal, proposal.shipments)
        )
    if any(_naive(one) for one in proposal.scan_columns.values()):
        zone, why = _home(proposal, proposal.scans or proposal.shipments)
        # The scans are on the shipments' clock where nothing else is said.
        if proposal.settings.get("time_zone", ("", ""))[0] != zone:
            proposal.scan_settings["time_zone"] = zone, why


def with_zone(one: Proposed, column: str) -> Proposed:
    """Times on the clocks that another column names."""
    why = f"{one.why}; {column!r} names its zone"
    return replace(one, why=why, details={**one.details, "zone_column": column})


def _zone_beside(table: OwnTable, one: Proposed) -> str | None:
    """The column that names the zone of a time: beside it in a record, or of its name."""
    if not _naive(one) or one.column is None:
        return None
    zones = [name for name, profile in table.profiles.items() if profile.offsets > _ALL]
    parent = one.column.rpartition(".")[0]
    beside = [name for name in zones if name.rpartition(".")[0] == parent and parent]
    about = set(without_words(one.column, "moment").split())
    named = [name for name in zones if about & _what_zone(name)]
    return next(iter([*beside, *named]), None)


def _what_zone(name: str) -> set[str]:
    """The words of a zone's column that say of what it is."""
    other = names_of()["other"]
    words = {word for known in (*other["zone"], *other["labels"]) for word in known.split()}
    return set(without_words(name, "moment").split()) - words


def _naive(one: Proposed) -> bool:
    return (
        one.guess is not None
        and one.guess.clock
        and not one.guess.zoned
        and not {"zone_column", "zone"} & set(one.details)
    )


def _home(proposal: Proposal, table: OwnTable) -> tuple[str, str]:
    """The zone of the warehouse as the countries let it be told, or the question of a table."""
    files = ", ".join(table.files)
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
        if role[0] == "d" and (codes == home).mean() < _MOST:
            return "?", (
                f"on whose clock are the times in {files} that carry no zone? parcels go to "
                f"several countries, such as {', '.join(map(str, codes.unique()[:3]))}"
            )
        if sure:
            return zone, (
                f"clock times without a zone; most parcels go {'from' if role[0] == 'o' else 'to'} "
                f"{home}. Please check: it should be the zone of the warehouse"
            )
        return "?", (
            f"on whose clock are the times in {files} that carry no zone? {home} has several zones"
        )
    return "?", ask
