"""Which columns of own tables are those of the shipments, and what is asked or told of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pandas as pd

from etapromise.normal_forms.places import countries_with
from etapromise.normal_forms.postcodes import own_forms, postcode_forms
from etapromise.normal_forms.zones import shape_of
from etapromise.tracking.column_names import (
    is_about,
    names_of,
    names_thing,
    place_in,
    score_name,
)
from etapromise.tracking.proposals.column_fits import assigned
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.column_roles import TIMES, moments_of, proposed_column
from etapromise.tracking.proposals.doubtful_dates import doubt_dates
from etapromise.tracking.proposals.guessed_times import TimeGuess
from etapromise.tracking.proposals.proposal import CERTAIN, OwnTable, Proposal, Proposed

_OTHER_CALENDAR: Final = "years of the Persian, the Hijri or the Nepali calendar, which is not read"
_DEFAULT_ORIGIN: Final = "main"
# Shares of postcodes that must have a country's forms, and such as no other country has.
_OF_ONE_COUNTRY: Final = 0.98
_OWN_FORMS: Final = 0.2
# Half a postcode has no more letters.
_HALF: Final = 4
# So many rows have a time that can be the order's.
_MOSTLY: Final = 0.9
_MOSTLY_BEFORE: Final = 0.5
# What is longer ago has to do with a customer, or with goods.
_SAME_ORDER: Final = pd.Timedelta("14D")
# What a promise may be of.
_ARRIVALS: Final = frozenset({"delivered", "attempted", "available_for_pickup"})
# So many regions tell their country, if only one has them all; of more these are looked at.
_FEW_REGIONS: Final = 3
_TRIED_REGIONS: Final = 60


def shipment_columns(proposal: Proposal) -> None:
    """Fill in the columns and the milestones of a proposal."""
    table = proposal.shipments
    found = assigned(
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
    _in_two_parts(proposal)
    _left_out(proposal)
    _one_address(columns)
    if "shipment_id" not in columns and "order_id" in columns:
        one = columns.pop("order_id")
        columns["shipment_id"] = Proposed(
            column=one.column,
            certainty=min(one.certainty, 0.9),
            why=f"{one.why}; no tracking number, so an order is a parcel",
        )
    _carriers_as_services(proposal)
    _by_values(proposal)
    _times_by_order(proposal)
    if "origin" not in columns:
        columns["origin"] = Proposed(
            column=None,
            certainty=0.6,
            why="no column tells the warehouse, so there is one; name it as you like",
            details={"value": _DEFAULT_ORIGIN},
        )
    _country_of_postcodes(proposal)
    _asked(proposal)
    billed = columns.get("destination")
    if billed is not None and is_about(billed.column or "", "billing"):
        proposal.told.append(
            f"{billed.column} is where the bill goes, and parcels may go elsewhere; map the column "
            "of the delivery address if there is one"
        )
    if "carrier" not in columns:
        proposal.told.append(
            "no column tells the carrier: all parcels are taken for one carrier's; map one, or "
            'name it: carrier = { value = "…" }'
        )
    used = (*columns.values(), *proposal.left_out.values(), *proposal.milestones.values())
    taken = {one.column for one in used}
    proposal.unused = tuple(name for name in table.profiles if name not in taken)
    strange = [name for name, one in table.profiles.items() if one.other_calendar]
    if strange:
        proposal.told.append(f"{', '.join(strange)} have {_OTHER_CALENDAR}: export Gregorian dates")
    doubt_dates(proposal)


def _one_address(columns: dict[str, Proposed]) -> None:
    """A place has one address: where it is not that of the bill, none of its parts are."""
    goes = columns.get("destination")
    if goes is None or is_about(goes.column or "", "billing"):
        return
    for role in [role for role in columns if role.startswith("destination_")]:
        if is_about(columns[role].column or "", "billing"):
            columns.pop(role)


def _in_two_parts(proposal: Proposal) -> None:
    """A postcode whose halves stand in two columns, such as ``zip1`` and ``zip2``."""
    one = proposal.columns.get("destination")
    if one is None or not (one.column or "").endswith("1"):
        return
    profiles = proposal.shipments.profiles
    rest = profiles.get(f"{str(one.column)[:-1]}2")
    halves = (profiles[str(one.column)], rest)
    if rest is None or any(half.words.str.len().max() > _HALF for half in halves if half):
        return
    proposal.columns["destination"] = replace(
        one,
        why=f"{one.why}; {rest.name!r} has its other half",
        details={**one.details, "rest_column": rest.name},
        others=tuple(name for name in one.others if name != rest.name),
    )


def _carriers_as_services(proposal: Proposal) -> None:
    """What is called a way of shipping and names each carrier once is the carrier."""
    one = proposal.columns.get("service")
    if one is None or one.column is None or "carrier" in proposal.columns:
        return
    if proposal.shipments.profiles[one.column].names_carriers:
        named = proposal.columns.pop("service")
        why = "its values are carriers, one value each"
        proposal.columns["carrier"] = replace(named, certainty=0.7, why=why)


def _by_values(proposal: Proposal) -> None:
    """Columns that their values tell where no name does."""
    columns = proposal.columns
    by_values: list[tuple[str, Callable[[Profile], bool]]] = [
        ("destination_country", _are_countries),
        ("destination", lambda one: _writers(one) != [] and not one.unique),
        ("shipment_id", lambda one: one.unique and not one.dated and not one.numeric),
        ("shipment_id", lambda one: one.unique and not one.dated and one.digits),
        ("carrier", lambda one: one.carriers > 0.5 and one.distinct > 1),
    ]
    for role, fits in by_values:
        free = sorted(_free(proposal, fits), key=lambda one: is_about(one.name, "billing"))
        if role not in columns and free:
            columns[role] = Proposed(
                column=free[0].name, certainty=0.5, why="its values, not its name"
            )
    if "destination" not in columns:
        _outer_place(proposal)


def _free(proposal: Proposal, fits: Callable[[Profile], bool]) -> list[Profile]:
    """Columns that are none yet, and of no sender, whose values fit."""
    taken = {one.column for one in (*proposal.columns.values(), *proposal.milestones.values())}
    return [
        one
        for name, one in proposal.shipments.profiles.items()
        if name not in taken and not (is_about(name, "sender") or names_thing(name)) and fits(one)
    ]


def _are_countries(one: Profile) -> bool:
    """Whether values surely are countries: No and COD may be an answer and a payment as well."""
    names = one.words.str.len()
    several = one.distinct > 2 and names.min() > 1
    return one.countries > 0.9 and not one.numeric and (several or names.min() > 3)


def _writers(one: Profile) -> list[str]:
    """The countries that alone write postcodes as a column's values are written."""
    shapes = one.filled_values.map(lambda word: shape_of(str(word).strip().upper()))
    return [
        country
        for country, forms in own_forms().items()
        if shapes.isin(list(forms)).mean() >= _OWN_FORMS
        and shapes.isin(list(postcode_forms(country))).mean() >= _OF_ONE_COUNTRY
    ]


def _outer_place(proposal: Proposal) -> None:
    """Where no column has the postcode: the city, else the region or the country, told."""
    cities = _free(
        proposal,
        lambda one: (
            (place_in(one.name) or ("billing", ""))[1] == "city"
            and (place_in(one.name) or ("billing", ""))[0] in {"", "recipient"}
            and not (one.dated or one.numeric)
        ),
    )
    outer = [proposal.columns.get(f"destination_{what}") for what in ("region", "country")]
    names = [one.name for one in cities] + [one.column for one in outer if one and one.column]
    if names:
        proposal.columns["destination"] = Proposed(
            column=str(names[0]),
            certainty=0.5,
            why="no column has a postcode, so this is the place",
        )
        proposal.told.append(
            f"no column has the postcode: {names[0]} is taken for the place where parcels go; map "
            "the postcode if there is one, as promises by postcode are surer"
        )


def _asked(proposal: Proposal) -> None:
    """What no table can do without, and no column looks like."""
    table, columns = proposal.shipments, proposal.columns
    for role in ("shipment_id", "ordered_at", "destination"):
        if role not in columns:
            columns[role] = Proposed(
                column=None,
                certainty=0.0,
                why="no column looks like it",
                details={"column": "?"},
                asked=f"which column of {', '.join(table.files)} is the {role}? none looks like it"
                + (_coded_places(proposal) if role == "destination" else _named_so(table, role))
                + (_since_sent(proposal) if role == "ordered_at" else ""),
            )


def _since_sent(proposal: Proposal) -> str:
    """What can stand for the time of the order, where parcels' own times begin when they go."""
    sent = proposal.milestones.get("picked_up")
    if sent is None or sent.column is None:
        return ""
    return (
        f". If no table has it, {sent.column}, when parcels were sent, can stand for it: promises "
        "then count from there"
    )


def _coded_places(proposal: Proposal) -> str:
    """Columns whose values could be postcodes and whose names say nothing of it."""
    found = _free(proposal, lambda one: one.postcodes > 0.9 and not (one.unique or one.dated))
    named = [f"{one.name} with {str(one.words.iloc[0])!r}" for one in found[:3]]
    points = {"destination_lat", "destination_lon"} <= set(proposal.columns)
    return (
        f" by name; postcodes or codes of places could be {', '.join(named)}" if named else ""
    ) + (
        "; coordinates tell no lane: add a column with an area that many parcels share, such as a "
        "postcode or a city"
        if points
        else ""
    )


def _left_out(proposal: Proposal) -> None:
    """Weights of which something must be asked: nothing stops for them, and it is told."""
    one = proposal.columns.get("weight_kg")
    if one is not None and one.asked:
        proposal.left_out["weight_kg"] = proposal.columns.pop("weight_kg")
        proposal.told.append(f"{one.column} is left out, since weights need a unit: {one.asked}")


def ask_for_deliveries(proposal: Proposal) -> None:
    """What no table of parcels can do without where there are no scans: when they came."""
    if _ARRIVALS & set(proposal.milestones):
        return
    table = proposal.shipments
    free = _free(proposal, lambda one: one.times() is not None or one.without_year)
    named = f"; times are also {', '.join(one.name for one in free[:5])}" if free else ""
    lasted = [
        name
        for name, one in table.profiles.items()
        if one.numeric and is_about(name, "lasted") and not is_about(name, "foreseen")
    ]
    if lasted:
        named += (
            f"; {lasted[0]} may be how long it took: add it to the time it began at, and hand over "
            "the sum"
        )
    lists = ""
    for one in table.profiles.values():
        if one.json:
            lists = f"; {one.name} holds JSON as text: export JSON lines, where it is a list"
        elif one.several_times:
            lists = f"; {one.name} holds several times in a cell: write a row for each of them"
    proposal.milestones["delivered"] = Proposed(
        column=None,
        certainty=0.0,
        why="no column looks like it",
        details={"column": "?"},
        asked=f"which column of {', '.join(table.files)} says when parcels were delivered? none "
        f"looks like it{_named_so(table, 'delivered')}{named}"
        f"{lists}. Nothing can be learned without: hand over such a column, or the carrier's "
        "scans; orders to be promised need none",
    )


def _named_so(table: OwnTable, role: str) -> str:
    """Of times that cannot be read, although the column is called so: which, and what to do."""
    if role not in TIMES and role != "delivered":
        return ""
    part = "milestones" if role == "delivered" else "shipments"
    called = [
        one
        for name, one in table.profiles.items()
        if score_name(name, part, role) >= CERTAIN and len(one.words)
    ]
    if called and called[0].without_year:
        called = []
    if called and called[0].numeric and not called[0].other_calendar:
        return (
            f"; {called[0].name} is called so, but holds numbers such as "
            f"{str(called[0].words.iloc[0])!r}: if that is how long something took, add it to the "
            "time it began at, and hand over the sum"
        )
    if not called:
        without = [one for one in table.profiles.values() if one.without_year]
        return (
            f"; {', '.join(one.name for one in without)} hold times without a year, such as "
            f"{str(without[0].words.iloc[0])!r}: write the year in front of them"
            if without
            else ""
        )
    if called[0].other_calendar:
        return (
            f"; {called[0].name} is called so, but has {_OTHER_CALENDAR}, such as "
            f"{str(called[0].words.iloc[0])!r}: export it with Gregorian dates"
        )
    return (
        f"; {called[0].name} is called so, but values such as {str(called[0].words.iloc[0])!r} are "
        "no times that can be read: of a window write when it happened; an abbreviation such as "
        "EST does not say where, so write offsets, or none and name the time_zone"
    )


def _country_of_postcodes(proposal: Proposal) -> None:
    """Where nothing tells the country: the one of such postcodes or regions, else it is told."""
    if "destination_country" in proposal.columns or "destination" not in proposal.columns:
        return
    profiles, columns = proposal.shipments.profiles, proposal.columns
    place = profiles.get(str(columns["destination"].column))
    region = columns.get("destination_region")
    regions = None if region is None else profiles.get(str(region.column))
    found, example = [], ""
    if place is not None and len(place.words):
        found, example = _writers(place), f"postcodes are written like {place.words.iloc[0]!r}"
    if not found and regions is not None and len(regions.words):
        found, example = _having(regions), f"there are {', '.join(map(repr, regions.common[:3]))}"
    if len(found) == 1:
        columns["destination_country"] = Proposed(
            column=None,
            certainty=0.6,
            why=f"no column tells it, and only there {example}; please check",
            details={"value": found[0]},
        )
        return
    proposal.told.append(
        "no column tells the country of the destinations: without it no public holidays are known, "
        "lost zeros of postcodes stay lost, and the zone is the one that is named; if all go to "
        'one, add destination_country = { value = "…" }'
    )


def _having(regions: Profile) -> list[str]:
    """The countries that alone have all regions of these codes or names, if they are several."""
    words = [str(word) for word in regions.common[:_TRIED_REGIONS]]
    enough = len(words) >= _FEW_REGIONS and len("".join(words)) >= 2 * _FEW_REGIONS
    # Every country has an east.
    parts = all(is_about(word, "compass") for word in words)
    return countries_with(words) if enough and not parts else []


def _times_by_order(proposal: Proposal) -> None:
    """Where no name says when it was ordered: the first time of all, if values tell it.

    Where a name hardly says it, and another time is before it, it is asked.
    """
    told = proposal.columns.get("ordered_at")
    if told is not None and (told.asked or told.others or told.degree != "possible"):
        return
    came = [
        moments_of(proposal.shipments.profiles[str(one.column)].raw, one)
        for role, one in (*proposal.milestones.items(), ("", told))
        if role in {"", "picked_up", *_ARRIVALS} and one is not None and one.column is not None
    ]
    place = proposal.columns.get("destination")
    named = None if place is None else proposal.shipments.profiles.get(str(place.column))
    # Further rows of an order have neither a place nor a time.
    orders = 1.0 if named is None else named.filled
    found = []
    for profile in _free(proposal, _may_be_of_order):
        one = proposed_column(profile, "ordered_at", 0.5)
        moments = moments_of(profile.raw, one)
        # What is mostly the same day is another record of the arrival.
        known = [(later, moments.notna() & later.notna()) for later in came]
        first = all((moments < later)[both].mean() > _MOSTLY_BEFORE for later, both in known)
        if not one.asked and moments.notna().mean() > _MOSTLY * orders and first:
            near = told is None or pd.Timedelta((came[-1] - moments).median()) < _SAME_ORDER
            # A day begins before the clocks in it.
            day, dated = moments.dt.floor("D").median(), one.guess is None or not one.guess.clock
            found += [(day, dated, profile.name, one)] if near else []
    if found and told is not None:
        asked = (
            f"{told.column!r} is called a little like it, and {min(found)[2]!r} is before it in "
            "most rows: keep one of them"
        )
        proposal.columns["ordered_at"] = replace(
            told, column=None, details={"column": "?"}, asked=asked, guess=None
        )
    elif found:
        *_, one = min(found)
        why = f"its values, not its name; {one.why.partition('; ')[2]}"
        proposal.columns["ordered_at"] = replace(one, why=why)


def _may_be_of_order(one: Profile) -> bool:
    """Whether a column of times can be that of the order: its name says nothing else."""
    if one.times() is None or is_about(one.name, "foreseen"):
        return False
    return not any(score_name(one.name, "milestones", role) for role in names_of()["milestones"])


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
