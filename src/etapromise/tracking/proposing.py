"""Proposing a mapping: which column of own tables is which of the contract, and why.

Names are compared with those that shops and carriers use in many languages, and must fit what the
values are: a name alone never makes a column of numbers a date. What the data cannot tell is left
open, to be answered before the mapping is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.normal_forms.places import normal_country
from etapromise.normal_forms.postcodes import own_forms, postcode_forms
from etapromise.normal_forms.zones import shape_of, zone_of_country
from etapromise.tracking.column_names import names_of, plain_name, score_name, status_of_word
from etapromise.tracking.column_profiles import Profile, TimeGuess, profile_of, sample_rows
from etapromise.tracking.id_matches import NearMatch, near_match
from etapromise.tracking.mapped import joined_tables, text_of
from etapromise.tracking.vocabularies import STANDARD, Fault, vocabularies
from etapromise.tracking.written_times import WrittenTime, iso_times

__all__ = ["OwnTable", "Proposal", "Proposed", "propose"]

_TIMES: Final = frozenset(
    {"ordered_at", "released_at", "promised_date", "quoted_date", "scanned_at", "received_at"}
)
_NUMBERS: Final = frozenset(
    {"weight_kg", "origin_lat", "origin_lon", "destination_lat", "destination_lon"}
)
_CERTAIN, _LIKELY = 0.95, 0.7
_LEAST: Final = 0.55
_DEFAULT_ORIGIN: Final = "main"
# A column of codes has no more of them.
_MOST_CODES: Final = 2000
_REPEATED: Final = 0.998
# Shares of postcodes that must have a country's forms, and such as no other country has.
_OF_ONE_COUNTRY: Final = 0.98
_OWN_FORMS: Final = 0.2
# Share of parcels whose order must be there.
_JOINED: Final = 0.8
# In so few rows codes need not repeat.
_FEW_ROWS: Final = 50
# A column of so few words is one of states, kinds or yes and no.
_FEW_WORDS: Final = 30
# Kilograms that hardly any shop's parcels weigh: the numbers are grams.
_HEAVY: Final = 70
_UNITS: Final = {
    **dict.fromkeys(("g", "gr", "gram", "grams", "gramm", "gramme", "grammes"), "g"),
    **dict.fromkeys(("kg", "kgs", "kilo", "kilos", "kilogram", "kilograms", "kilogramm"), "kg"),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), "lb"),
    **dict.fromkeys(("oz", "ounce", "ounces"), "oz"),
}


@dataclass(frozen=True, kw_only=True)
class OwnTable:
    """A table of somebody's, before anything is known of it.

    Attributes:
        files: Where it was read, as the mapping shall name them.
        table: Its rows.
        rows: The list inside of each record that its rows are, where it is nested.
        settings: Of `MappedTable`, such as ``encoding``, where they are not the usual.
        doubts: What had to be guessed in reading it.
        join: Of `MappedJoin`, where it is two tables: the other's files and on what.
    """

    files: tuple[str, ...]
    table: pa.Table
    rows: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    join: Mapping[str, Any] | None = None

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """By column."""
        sample = sample_rows(self.table)
        return {
            name: profile_of(name, sample.column(name), self.table.column(name))
            for name in self.table.column_names
        }


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A column of the contract and where it comes from.

    Attributes:
        column: Of the own table; None where it is one value for all rows.
        certainty: From 0 to 1.
        why: A few words.
        details: Further keys of the mapping, such as ``format``.
        asked: What must be answered by hand; empty where nothing.
        others: Other columns that fit as well.
        guess: How its times are written.
    """

    column: str | None
    certainty: float
    why: str
    details: Mapping[str, Any] = field(default_factory=dict)
    asked: str = ""
    others: tuple[str, ...] = ()
    guess: TimeGuess | None = None

    @property
    def degree(self) -> str:
        """``certain``, ``likely`` or ``possible``."""
        if self.certainty >= _CERTAIN:
            return "certain"
        return "likely" if self.certainty >= _LIKELY else "possible"


@dataclass(kw_only=True)
class Proposal:
    """A mapping as it is proposed; `proposal_text` writes it.

    Attributes:
        shipments: Where the shipments come from.
        scans: Where the scans do; None where milestones are all.
        columns: Of the shipments.
        milestones: Likewise, by status.
        scan_columns: Of the scans.
        settings: Of the table of shipments, each with its reason.
        scan_settings: Of the table of scans, likewise.
        statuses: What own codes mean, each with how many scans have it and why.
        open_codes: Codes without a meaning, with how many scans have them.
        vocabulary: Whose codes the scans carry.
        ids: What ids differ by.
        unused: Columns that were taken for nothing.
        told: What is worth knowing, a sentence each.
    """

    shipments: OwnTable
    scans: OwnTable | None = None
    columns: dict[str, Proposed] = field(default_factory=dict)
    milestones: dict[str, Proposed] = field(default_factory=dict)
    scan_columns: dict[str, Proposed] = field(default_factory=dict)
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    scan_settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    statuses: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    open_codes: dict[str, int] = field(default_factory=dict)
    vocabulary: str | None = None
    ids: NearMatch | None = None
    unused: tuple[str, ...] = ()
    told: list[str] = field(default_factory=list)

    @property
    def questions(self) -> list[str]:
        """What must be answered by hand."""
        every = [*self.columns.items(), *self.milestones.items(), *self.scan_columns.items()]
        found = [f"{role}: {one.asked}" for role, one in every if one.asked]
        for settings in (self.settings, self.scan_settings):
            found += [why for value, why in settings.values() if value == "?"]
        return found


def propose(tables: Sequence[OwnTable]) -> Proposal:
    """Propose a mapping of own tables.

    Args:
        tables: All that there is; a nested file once with each of its lists as rows.
    """
    tables = _orders_and_parcels(tables)
    shipments = max(tables, key=_as_shipments)
    others = [table for table in tables if table is not shipments and _as_scans(table) > 0]
    scans = max(others, key=_as_scans) if others else None
    proposal = Proposal(shipments=shipments, scans=scans)
    if shipments.join is not None:
        proposal.told.append(
            f"{', '.join(shipments.files)} is joined with {', '.join(shipments.join['files'])}: "
            f"{shipments.join['on']!r} names its {shipments.join['to']!r}"
        )
    _shipment_columns(proposal)
    if scans is not None:
        _scan_columns(proposal)
    _join(proposal)
    if scans is not None and proposal.open_codes:
        _codes_by_place(proposal, scans)
    _rows_of_one_order(proposal)
    _zones(proposal)
    if not {"delivered"} & set(proposal.milestones) and scans is None:
        proposal.told.append(
            "no table says when parcels were delivered: nothing can be learned or judged until "
            "scans or a column with the deliveries are handed over too"
        )
    left = [table for table in tables if table not in (shipments, scans)]
    for table in left:
        known = {*shipments.files, *(shipments.join or {}).get("files", ())}
        if set(table.files) - known - set(scans.files if scans else ()):
            proposal.told.append(f"{', '.join(table.files)} is not used")
    return proposal


def _orders_and_parcels(tables: Sequence[OwnTable]) -> Sequence[OwnTable]:
    """The tables, one of parcels that name an order joined with the one of the orders.

    Whatever says neither when it was ordered nor where it goes is no table of shipments alone.
    """
    orders = [
        table
        for table in tables
        if _best(table, "shipments", "ordered_at") and _best(table, "shipments", "destination")
    ]
    for parcels in tables:
        own = ("ordered_at", "destination")
        if parcels.rows or all(_best(parcels, "shipments", role) for role in own):
            continue
        told = [_best(parcels, "milestones", role) for role in ("picked_up", "delivered")]
        named = _best(parcels, "shipments", "shipment_id") and not _as_scans(parcels)
        for other in orders:
            found = _names_rows_of(parcels, other) if (any(told) or named) else None
            if other is parcels or found is None:
                continue
            on, to = found
            both, notes = joined_tables(parcels.table, other.table, on, to)
            joined = OwnTable(
                files=parcels.files,
                table=both,
                settings=parcels.settings,
                doubts=(*parcels.doubts, *other.doubts, *map(str, notes)),
                join={"files": list(other.files), "on": on, "to": to, **other.settings},
            )
            left = [table for table in tables if table is not parcels and table is not other]
            return [joined, *left]
    return tables


def _names_rows_of(parcels: OwnTable, orders: OwnTable) -> tuple[str, str] | None:
    """The column of parcels that names orders, and the orders' own, if there are such."""
    best: tuple[float, str, str] | None = None
    for to, theirs in orders.profiles.items():
        if not _may_join(theirs, {}, to) or theirs.distinct < 0.3 * theirs.rows:
            continue
        known = pc.unique(text_of(orders.table.column(to)))
        for on, ours in parcels.profiles.items():
            if not _may_join(ours, {}, on):
                continue
            sample = text_of(sample_rows(parcels.table).column(on)).drop_null()
            share = float(pc.mean(pc.is_in(sample, value_set=known)).as_py() or 0.0)
            name = max(score_name(on, "shipments", "order_id"), float(on == to))
            if share >= _JOINED and (best is None or share + name > best[0]):
                best = share + name, on, to
    return None if best is None else best[1:]


def _as_shipments(table: OwnTable) -> float:
    """How much a table looks like one of shipments."""
    roles = {role: _best(table, "shipments", role) for role in names_of()["shipments"]}
    milestones = [_best(table, "milestones", role) for role in ("picked_up", "delivered")]
    weight = 2 * (roles["destination"] + roles["ordered_at"]) + sum(roles.values()) / 4
    status = _best(table, "scans", "status") if _as_scans(table) else 0
    # Of one file with nested lists, the rows that are not scans.
    return (
        weight + sum(milestones) - 1.5 * status - (0.1 * table.rows.count(".") if table.rows else 0)
    )


def _as_scans(table: OwnTable) -> float:
    status, when = (_best(table, "scans", role) for role in ("status", "scanned_at"))
    return status + when if status > 0 and when > 0 else 0.0


def _best(table: OwnTable, part: str, role: str) -> float:
    return max((_fit(one, part, role, table.rows) for one in table.profiles.values()), default=0.0)


def _fit(profile: Profile, part: str, role: str, rows: str) -> float:
    """How well a column fits by its name, 0 where its values cannot be such."""
    score = score_name(profile.name, part, role)
    if part == "scans" and rows and role not in {"shipment_id", "carrier"}:
        # What is said once of a record is not said of each of its scans.
        score += 0.05 if profile.name.startswith(f"{rows}.") else -0.3
    if score < _LEAST or not profile.filled:
        return 0.0
    if part == "milestones" or role in _TIMES:
        guess = profile.times(numbers=True)
        return score if guess is not None else 0.0
    return score if _suits(profile, role) else 0.0


def _suits(profile: Profile, role: str) -> bool:
    checks: dict[str, Callable[[], bool]] = {
        **dict.fromkeys(_NUMBERS, lambda: profile.numeric),
        **dict.fromkeys(("origin_country", "destination_country"), lambda: profile.countries > 0.6),
        **dict.fromkeys(("destination_time_zone", "zone"), lambda: profile.zones > 0.6),
        "destination": lambda: profile.postcodes > 0.6,
        "status": lambda: _are_codes(profile),
        **dict.fromkeys(
            ("carrier", "service", "vocabulary"),
            lambda: profile.distinct <= _MOST_CODES and profile.times() is None,
        ),
        **dict.fromkeys(
            ("shipment_id", "order_id"),
            lambda: profile.distinct > 0.05 * profile.rows and profile.times() is None,
        ),
    }
    return bool(checks.get(role, lambda: profile.times() is None)())


def _are_codes(profile: Profile) -> bool:
    few = profile.rows <= _FEW_ROWS or profile.distinct < 0.5 * profile.rows
    return few and profile.distinct <= _MOST_CODES


def _assigned(
    table: OwnTable, parts: Sequence[tuple[str, Sequence[str]]]
) -> dict[tuple[str, str], Proposed]:
    """Each role with its best column, each column in one role, the best fits first."""
    ignored = {name for name in table.profiles if score_name(name, "other", "ignored") == 1.0}
    fits = sorted(
        (
            (-_fit(profile, part, role, table.rows), place, part, role, name)
            for part, roles in parts
            for role in roles
            for place, (name, profile) in enumerate(table.profiles.items())
            if name not in ignored
        ),
    )
    found: dict[tuple[str, str], Proposed] = {}
    taken: set[str] = set()
    for negative, _, part, role, name in fits:
        if negative == 0:
            break
        if name in taken or (part, role) in found:
            continue
        taken.add(name)
        rivals = tuple(
            other
            for worse, _, a_part, a_role, other in fits
            if (a_part, a_role) == (part, role)
            and other != name
            and worse - negative < 0.04
            and worse
        )
        found[part, role] = _proposed(table.profiles[name], role, -negative, rivals)
    return found


def _proposed(profile: Profile, role: str, score: float, rivals: tuple[str, ...] = ()) -> Proposed:
    known = "its name" if score >= 1.0 else "a name like its own"
    guess = (
        profile.times(numbers=True) if role in _TIMES or role in names_of()["milestones"] else None
    )
    details: dict[str, Any] = {}
    asked, why = "", known
    if guess is not None:
        why += f"; {guess.why}" if guess.why else "; times"
        if guess.asked is not None:
            details["format"] = "?"
            asked = (
                f"{profile.name} could be {guess.asked[0]!r} or {guess.asked[1]!r}: no value tells "
                f"day and month apart, such as {profile.words.iloc[0]!r}"
            )
        elif guess.formats:
            details["format"] = guess.formats[0] if len(guess.formats) == 1 else list(guess.formats)
        if guess.midnights:
            details["plain_dates"] = True
        if guess.share < 1:
            why += f"; {100 * (1 - guess.share):.1f} % of the values are something else"
    elif role == "weight_kg":
        if profile.decimal:
            details["decimal"] = profile.decimal
        words = (profile.unit or "", *plain_name(profile.name).split())
        unit = next((_UNITS[word] for word in words if word in _UNITS), None)
        if unit is not None:
            details["unit"] = unit
        elif profile.middle > _HEAVY:
            details["unit"] = "?"
            asked = (
                f"half of {profile.name} are {profile.middle:g} or more: are they g, kg, lb or oz?"
            )
        elif profile.decimal:
            details["unit"] = "kg"
    elif role.endswith("_country"):
        why += f"; {', '.join(map(str, profile.words[:3]))} are countries"
    certainty = min(score, 1.0) if not rivals else min(score, 0.69)
    return Proposed(
        column=profile.name,
        certainty=certainty,
        why=why + (f"; {', '.join(map(repr, rivals))} would fit as well" if rivals else ""),
        details=details,
        asked=asked,
        others=rivals,
        guess=guess,
    )


def _shipment_columns(proposal: Proposal) -> None:
    table = proposal.shipments
    found = _assigned(
        table,
        [
            ("shipments", list(names_of()["shipments"])),
            ("milestones", list(names_of()["milestones"])),
        ],
    )
    for (part, role), one in found.items():
        (proposal.columns if part == "shipments" else proposal.milestones)[role] = one
    _settled_orders(proposal)
    columns = proposal.columns
    if "shipment_id" not in columns and "order_id" in columns:
        one = columns.pop("order_id")
        columns["shipment_id"] = Proposed(
            column=one.column,
            certainty=min(one.certainty, 0.9),
            why=f"{one.why}; no tracking number, so an order is a parcel",
        )
    by_values: list[tuple[str, Callable[[Profile], bool]]] = [
        ("destination_country", lambda one: one.countries > 0.9),
        ("destination", lambda one: one.postcodes > 0.9 and not one.unique and one.times() is None),
        ("shipment_id", lambda one: one.unique and one.times() is None and not one.numeric),
        ("carrier", lambda one: one.carriers > 0.5),
    ]
    for role, fits in by_values:
        taken = {one.column for one in (*columns.values(), *proposal.milestones.values())}
        free = [one for name, one in table.profiles.items() if name not in taken and fits(one)]
        if role not in columns and free:
            columns[role] = Proposed(
                column=free[0].name, certainty=0.5, why="its values, not its name"
            )
    _times_by_order(proposal)
    if "origin" not in columns:
        columns["origin"] = Proposed(
            column=None,
            certainty=0.6,
            why="no column tells the warehouse, so there is one; name it as you like",
            details={"value": _DEFAULT_ORIGIN},
        )
    _country_of_postcodes(proposal)
    for role in ("shipment_id", "ordered_at", "destination"):
        if role not in columns:
            columns[role] = Proposed(
                column=None,
                certainty=0.0,
                why="no column looks like it",
                details={"column": "?"},
                asked=f"which column of {', '.join(table.files)} is the {role}? none looks like it"
                + _named_so(table, role),
            )
    if "carrier" not in columns:
        proposal.told.append(
            "no column tells the carrier: all parcels are taken for one carrier's; map one, or "
            'name it: carrier = { value = "…" }'
        )
    taken = {one.column for one in (*columns.values(), *proposal.milestones.values())}
    proposal.unused = tuple(name for name in table.profiles if name not in taken)
    if "cancelled" not in proposal.milestones:
        proposal.told += _cancelled_words(table, proposal.unused)


def _cancelled_words(table: OwnTable, unused: Sequence[str]) -> list[str]:
    """Columns that are not read although they say which orders were cancelled."""
    told = []
    for name in unused:
        profile = table.profiles[name]
        if profile.distinct > _FEW_WORDS or profile.times() is not None:
            continue
        found = [word for word in profile.words if status_of_word(word) == "cancelled"]
        if found:
            told.append(
                f"{name} has values such as {found[0]!r}: cancelled orders that are not told count "
                "as never delivered; docs/own-data.md shows how to map such a column"
            )
    return told


def _named_so(table: OwnTable, role: str) -> str:
    """Of times that cannot be read, although the column is called so: which, and what to do."""
    if role not in _TIMES:
        return ""
    called = [
        one
        for name, one in table.profiles.items()
        if score_name(name, "shipments", role) >= _CERTAIN and len(one.words)
    ]
    if not called:
        return ""
    return (
        f"; {called[0].name} is called so, but values such as {str(called[0].words.iloc[0])!r} are "
        "no times that can be read: an abbreviation such as EST does not say where, so write "
        "offsets, or none and name the time_zone"
    )


def _country_of_postcodes(proposal: Proposal) -> None:
    """Where nothing tells the country: the one that writes postcodes so, else it is told."""
    if "destination_country" in proposal.columns or "destination" not in proposal.columns:
        return
    column = proposal.columns["destination"].column
    words = proposal.shipments.profiles[str(column)].filled_values if column else pd.Series([""])
    shapes = words.map(lambda word: shape_of(str(word).strip().upper()))
    found = [
        country
        for country, forms in own_forms().items()
        if shapes.isin(list(forms)).mean() >= _OWN_FORMS
        and shapes.isin(list(postcode_forms(country))).mean() >= _OF_ONE_COUNTRY
    ]
    if len(found) == 1:
        proposal.columns["destination_country"] = Proposed(
            column=None,
            certainty=0.6,
            why=f"no column tells it, and only there postcodes are written like {words.iloc[0]!r}; "
            "please check",
            details={"value": found[0]},
        )
        return
    proposal.told.append(
        "no column tells the country of the destinations: without it no public holidays are known, "
        "lost zeros of postcodes stay lost, and the zone is the one that is named; if all go to "
        'one, add destination_country = { value = "…" }'
    )


def _times_by_order(proposal: Proposal) -> None:
    """Dates whose names say nothing: the first in time is the order, the last the delivery."""
    table = proposal.shipments
    taken = {one.column for one in (*proposal.columns.values(), *proposal.milestones.values())}
    free = []
    for name, profile in table.profiles.items():
        guess = profile.times() if name not in taken else None
        if guess is not None and guess.asked is None:
            free.append((name, profile))
    if not free:
        return
    if "ordered_at" not in proposal.columns:
        profile = max((one for _, one in free), key=lambda one: one.filled)
        found = _proposed(profile, "ordered_at", 0.5)
        proposal.columns["ordered_at"] = Proposed(
            column=found.column,
            certainty=0.5,
            why=f"its values, not its name; {found.why.partition('; ')[2]}",
            details=found.details,
            asked=found.asked,
            guess=found.guess,
        )


def _settled_orders(proposal: Proposal) -> None:
    """Day or month first, where one column cannot tell it, is what another of the table tells."""
    groups = (proposal.columns, proposal.milestones)
    decided = [one.guess for group in groups for one in group.values() if one.guess is not None]
    first = {
        form.index("%d") < form.index("%m")
        for guess in decided
        if guess.asked is None
        for form in guess.formats
        if "/" in form or "-" in form
        if "%d" in form and "%m" in form and not form.startswith("%Y")
    }
    if len(first) != 1:
        return
    day_first = first.pop()
    for group in groups:
        for role, one in group.items():
            if one.guess is not None and one.guess.asked is not None:
                form = next(
                    form
                    for form in one.guess.asked
                    if (form.index("%d") < form.index("%m")) == day_first
                )
                why = f"{'day' if day_first else 'month'} first, as other columns of the table show"
                group[role] = Proposed(
                    column=one.column,
                    certainty=min(one.certainty, 0.9),
                    why=f"{one.why}; {why}",
                    details={**one.details, "format": form},
                    others=one.others,
                    guess=TimeGuess(
                        formats=(form,),
                        share=one.guess.share,
                        clock=one.guess.clock,
                        zoned=one.guess.zoned,
                        why=why,
                    ),
                )


def _scan_columns(proposal: Proposal) -> None:
    table = proposal.scans
    if table is None:
        return
    found = _assigned(table, [("scans", list(names_of()["scans"])), ("other", ["zone"])])
    for (part, role), one in found.items():
        if part == "scans":
            proposal.scan_columns[role] = one
    if ("other", "zone") in found and "scanned_at" in proposal.scan_columns:
        when = proposal.scan_columns["scanned_at"]
        if when.guess is not None and not when.guess.zoned and when.guess.clock:
            zone = _nearest(found["other", "zone"].column, when.column, table)
            proposal.scan_columns["scanned_at"] = Proposed(
                column=when.column,
                certainty=when.certainty,
                why=f"{when.why}; {zone!r} names the zone of each row",
                details={**when.details, "zone_column": zone},
                asked=when.asked,
                others=when.others,
                guess=when.guess,
            )
    _codes(proposal, table)


def _nearest(zone: str | None, column: str | None, table: OwnTable) -> str | None:
    """Of the columns that name zones, that which stands beside a column of times."""
    parent = (column or "").rpartition(".")[0]
    beside = [
        name
        for name, one in table.profiles.items()
        if name.rpartition(".")[0] == parent and one.zones > 0.6
    ]
    return beside[0] if beside else zone


def _codes(proposal: Proposal, table: OwnTable) -> None:
    """Whose codes the scans carry, and what the others of them mean."""
    column = proposal.scan_columns["status"].column
    if column is None:
        return
    counted = pc.value_counts(table.table.column(column).cast(pa.large_string())).to_pylist()
    codes = {str(one["values"]): int(one["counts"]) for one in counted if one["values"] is not None}
    total = sum(codes.values())

    def understood(name: str) -> int:
        read = vocabularies()[name].read
        return sum(n for code, n in codes.items() if not _unknown(read(code)))

    shares = {name: understood(name) for name in vocabularies()}
    best = max(shares, key=lambda name: (shares[name], name == STANDARD))
    if best != STANDARD and (shares[best] < 0.5 * total or shares[STANDARD] >= shares[best]):
        best = STANDARD
    contested: dict[str, dict[str, str]] = {}
    if best != STANDARD:
        contested = _contested(codes, [name for name, n in shares.items() if n == shares[best]])
        if all(code in contested or not _unknown(_standard(code)) for code in codes):
            best = STANDARD  # no code shows that they are this vendor's
        else:
            proposal.vocabulary = best
    read = vocabularies()[best].read
    for code, n in sorted(codes.items(), key=lambda one: -one[1]):
        rivals = contested.get(code)
        if rivals is None and not _unknown(read(code)):
            continue
        status = status_of_word(code)
        if rivals is not None:
            others = ", ".join(f"{read} in {name}'s" for name, read in rivals.items())
            status = status or next(iter(rivals.values()))
            why = f"codes of several vendors have it: {others}; please check"
            proposal.statuses[code] = (status, n, why)
        elif status is not None:
            proposal.statuses[code] = (status, n, "its words")
        else:
            proposal.open_codes[code] = n


def _standard(code: str) -> str | Fault:
    return vocabularies()[STANDARD].read(code)


def _contested(codes: Mapping[str, int], rivals: Sequence[str]) -> dict[str, dict[str, str]]:
    """Codes that vocabularies which fit equally well read differently, and how each does.

    Where no code is any vendor's own but those that plain words read otherwise, their words are
    a rival too: a few common words are no sign of a vendor.
    """
    readings = {
        code: {
            name: str(found)
            for name in rivals
            if not isinstance(found := vocabularies()[name].read(code), Fault)
        }
        for code in codes
    }
    words = {code: status_of_word(code) for code in codes}
    shown = any(
        found and _unknown(_standard(code)) and words[code] in {None, *found.values()}
        for code, found in readings.items()
    )
    return {
        code: found
        for code, found in readings.items()
        if len({*found.values(), *(() if shown or not found else (words[code],))} - {None}) > 1
    }


def _unknown(found: object) -> bool:
    return found in {Fault.UNKNOWN_STATUS, Fault.UNKNOWN_VENDOR_CODE}


def _codes_by_place(proposal: Proposal, table: OwnTable) -> None:
    """A code that is the last of nearly every parcel, once in each, is its delivery."""
    ids = proposal.scan_columns.get("shipment_id")
    when, status = proposal.scan_columns["scanned_at"], proposal.scan_columns["status"]
    known = {status_of_word(code) for code in proposal.statuses} | {
        vocabularies()[proposal.vocabulary or STANDARD].read(str(code))
        for code in table.profiles[str(status.column)].words
    }
    if ids is None or not proposal.open_codes or "delivered" in known:
        return
    frame = pd.DataFrame(
        {
            "id": table.table.column(str(ids.column)).cast(pa.large_string()).to_pandas(),
            "at": _moments(table.table.column(str(when.column)), when),
            "code": table.table.column(str(status.column)).cast(pa.large_string()).to_pandas(),
        }
    )
    # Many feeds have the newest first.
    frame = frame.sort_values("at", kind="stable", na_position="first")
    last = frame.groupby("id", sort=False)["code"].last()
    code = str(last.mode().iloc[0])
    n = proposal.open_codes.get(code)
    if n is not None and n >= 0.9 * (last == code).sum() >= 0.5 * len(last):
        proposal.statuses[code] = ("delivered", n, "the last of nearly every parcel; please check")
        proposal.open_codes.pop(code)


def _moments(column: pa.ChunkedArray, when: Proposed) -> pd.Series[Any]:
    """Times as moments that can be put in order, on whichever clock; NaT where they are none."""
    formats = when.guess.formats if when.guess is not None else ()
    if when.guess is not None and when.guess.asked is not None:
        formats = when.guess.asked[:1]
    iso = iso_times(column, WrittenTime(formats=formats, zone="UTC"))
    found: pd.Series[Any] = pd.to_datetime(
        iso.to_pandas(), utc=True, errors="coerce", format="ISO8601"
    )
    return found


def _join(proposal: Proposal) -> None:
    """The ids that shipments and scans share, whatever they are called."""
    if proposal.scans is None:
        return
    ours, theirs = proposal.shipments, proposal.scans
    mine = [one for name, one in ours.profiles.items() if _may_join(one, proposal.columns, name)]
    other = [one for name, one in theirs.profiles.items() if _may_join(one, {}, name)]
    best: tuple[float, Profile, Profile] | None = None
    for left in mine:
        known = pc.unique(text_of(ours.table.column(left.name)))
        for right in other:
            sample = text_of(sample_rows(theirs.table).column(right.name)).drop_null()
            share = float(pc.mean(pc.is_in(sample, value_set=known)).as_py() or 0.0)
            share += 0.01 * score_name(left.name, "shipments", "shipment_id")
            if left.distinct > 1 and (best is None or share > best[0]):
                best = share, left, right
    if best is not None and best[0] > 0.3:
        share, left, right = best
        why = f"{100 * min(share, 1):.0f} % of {right.name!r} in the scans are in it"
        _set_id(proposal, left, right, why, 1.0)
        return
    named = proposal.columns.get("shipment_id"), proposal.scan_columns.get("shipment_id")
    candidates = [
        (left, right) for left in mine for right in other if left.distinct > 0.2 * left.rows
    ]
    for left, right in candidates:
        near = near_match(
            text_of(ours.table.column(left.name)), text_of(theirs.table.column(right.name))
        )
        if near is not None:
            proposal.ids = near
            _set_id(proposal, left, right, "it matches the scans' in another writing", 0.8)
            return
    if named[1] is None and other:
        right = max(other, key=lambda one: one.distinct)
        proposal.scan_columns["shipment_id"] = Proposed(
            column=right.name, certainty=0.3, why="it has the most different values"
        )
    proposal.told.append("no column of the scans has the ids of the shipments: nothing joins")


def _may_join(profile: Profile, columns: Mapping[str, Proposed], name: str) -> bool:
    taken = {one.column for role, one in columns.items() if role not in {"shipment_id", "order_id"}}
    return (
        name not in taken
        and not pa.types.is_nested(profile.kind)
        and profile.distinct > 0.02 * profile.rows
        and profile.times() is None
    )


def _set_id(proposal: Proposal, left: Profile, right: Profile, why: str, certainty: float) -> None:
    before = proposal.columns.get("shipment_id")
    for role, one in list(proposal.columns.items()):
        if one.column == left.name and role != "shipment_id":
            proposal.columns.pop(role)
    proposal.columns["shipment_id"] = Proposed(column=left.name, certainty=certainty, why=why)
    if before is not None and before.column not in {None, left.name}:
        proposal.columns.setdefault("order_id", before)
    for role, one in list(proposal.scan_columns.items()):
        if one.column == right.name and role != "shipment_id":
            proposal.scan_columns.pop(role)
    proposal.scan_columns["shipment_id"] = Proposed(
        column=right.name, certainty=certainty, why=f"it matches {left.name!r} of the shipments"
    )


def _rows_of_one_order(proposal: Proposal) -> None:
    """Line items as further rows, several ids in one cell."""
    one = proposal.columns["shipment_id"]
    if one.column is None:
        return
    profile = proposal.shipments.profiles[one.column]
    for sign in (",", ";", "|"):
        if profile.filled_values.str.contains(sign, regex=False).mean() > 0.002:
            proposal.columns["shipment_id"] = Proposed(
                column=one.column,
                certainty=one.certainty,
                why=f"{one.why}; cells hold several between {sign!r}",
                details={**one.details, "split": sign},
            )
            return
    if profile.filled < 0.98 and profile.rows > 3:
        proposal.settings["fill_down"] = (
            [one.column],
            f"empty in {100 * (1 - profile.filled):.0f} % of the rows: further rows of an order",
        )
        proposal.settings["one_row_per"] = (one.column, "its further rows are line items")
    elif profile.distinct < _REPEATED * profile.rows * profile.filled:
        again = int(profile.rows * profile.filled) - profile.distinct
        proposal.settings["one_row_per"] = (
            one.column,
            f"{again:,} rows repeat an id, such as line items: they are folded into the first",
        )


def _zones(proposal: Proposal) -> None:
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
    if any(
        _naive(one) for group in (proposal.columns, proposal.milestones) for one in group.values()
    ):
        proposal.settings["time_zone"] = _home(proposal)
    if any(_naive(one) for one in proposal.scan_columns.values()):
        zone, why = _home(proposal)
        proposal.scan_settings["time_zone"] = zone, why


def _naive(one: Proposed) -> bool:
    return (
        one.guess is not None
        and one.guess.clock
        and not one.guess.zoned
        and "zone_column" not in one.details
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
