"""How well a column of own tables fits one of the contract, by its name and by its values.

A name alone never makes a column of numbers a date; of columns that fit alike the data must show
that they say the same, or the choice is left open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etapromise.normal_forms.places import countries_with
from etapromise.tracking.column_names import (
    is_about,
    names_of,
    names_thing,
    place_in,
    plain_name,
    score_name,
    without_words,
)
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.column_roles import TIMES, proposed_column
from etapromise.tracking.proposals.proposal import OwnTable, Proposed
from etapromise.tracking.proposals.rival_columns import settled
from etapromise.tracking.status_words import status_of_word
from etapromise.tracking.vocabularies import Fault, vocabularies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NUMBERS: Final = frozenset(
    {"weight_kg", "origin_lat", "origin_lon", "destination_lat", "destination_lon"}
)
_LEAST: Final = 0.55
# What a column's name may say in any words; of a pick-up and a notice other things are said alike.
_PARTIES: Final = {"destination": "recipient", "origin": "sender"}
# So surely a name says whose address it is of and what of it.
_ADDRESSED: Final = 0.93
# What is called by a name, which a state is not.
_SAID_OF: Final = frozenset({"carrier", "service", "origin_region", "destination_region"})
_NUMBERED_ROLES: Final = frozenset({"shipment_id", "order_id", "destination"})
_ENDS: Final = frozenset({"delivered", "attempted", "returned", "cancelled", "lost"})
EVEN: Final = 0.04
"""Columns whose names differ by less fit alike."""
# A name so sure makes a column one of times although many of its values are none.
_NAMED: Final = 0.9
# Of a carrier's number and a system's own the carrier's is known to both.
_NUMBERED: Final = 0.05
# A record may be made at another time than that of the order, and paid for at yet another.
_MADE: Final = 0.08
# Of what is called a service and what is called otherwise.
_BOUGHT: Final = 0.01
# What happened may be written down later.
_RECORDED_LATER: Final = 0.1
# An order may be closed when it is delivered, or when it is sent.
_CLOSED: Final = 0.6
# A name that says in any words what happened says it surer.
_SAID: Final = 0.65
# A column of codes has no more of them.
_MOST_CODES: Final = 2000
# What it counts that the words of a column of codes are known, against its name.
_KNOWN_CODES: Final = 0.8
_CALLED_SO: Final = 0.5
# Texts of events that are called something else count by their words alone.
_UNNAMED: Final = 0.15
_SURELY_KNOWN: Final = 0.8
# What it counts that a column tells where a journey begins and ends, and not only that it goes on.
_BOTH_ENDS: Final = 0.4
# Times that a record of an order or a parcel has.
_RECORDED: Final = (
    ("milestones", "picked_up"),
    ("milestones", "delivered"),
    ("shipments", "ordered_at"),
)
# So many rows an order or a parcel has at least in a history of its states.
_HISTORY: Final = 1.5
_KEYED: Final = 0.75
# How many of them are tried.
_TRIED_CODES: Final = 40
# In so few rows codes need not repeat.
_FEW_ROWS: Final = 50
# So few values of a column called state may be those of a record.
_FEW_STATES: Final = 12


def as_scans(table: OwnTable) -> float:
    """How much a table looks like one of scans; 0 where it is none."""
    status, when = (best_fit(table, "scans", role) for role in ("status", "scanned_at"))
    return status + when if status > 0 and when > 0 and not _of_records(table, when) else 0.0


def _of_records(table: OwnTable, when: float) -> bool:
    """Whether what would be the time of events is one of orders or parcels, as of their records."""
    if table.rows or _is_history(table):
        return False
    return any(
        score_name(one.name, *role) > when
        for one in table.profiles.values()
        if _fit(one, "scans", "scanned_at", table) == when
        for role in _RECORDED
    )


def _is_history(table: OwnTable) -> bool:
    """Whether orders have several rows each, of several steps: no record of an order is such."""
    several = any(
        _HISTORY * one.distinct < one.rows
        and not one.dated
        and any(score_name(one.name, "shipments", role) >= _KEYED for role in _NUMBERED_ROLES)
        for one in table.profiles.values()
    )
    places = any(score_name(name, "shipments", "destination") >= _NAMED for name in table.profiles)
    return several and not places and any(map(_says_steps, table.profiles.values()))


def best_fit(table: OwnTable, part: str, role: str) -> float:
    """How well the best of a table's columns fits, 0 where none does."""
    return max((_fit(one, part, role, table) for one in table.profiles.values()), default=0.0)


def _fit(profile: Profile, part: str, role: str, table: OwnTable) -> float:
    """How well a column fits by its name, 0 where its values cannot be such."""
    asked = profile.name, part, role
    if asked not in table.fits:
        table.fits[asked] = _looked_at(profile, part, role, table)
    return table.fits[asked]


def _looked_at(profile: Profile, part: str, role: str, table: OwnTable) -> float:
    score = score_name(profile.name, part, role)
    if part == "shipments" and _says_otherwise(profile.name, role, score):
        return 0.0
    if part == "scans":
        score = _scan_score(profile, role, table, score)
    elif part == "milestones":
        score = _milestone_score(profile, role, score)
    elif role == "shipment_id":
        # A list of parcels as text names none of them.
        score = 0.0 if profile.json else score
        score += _NUMBERED * (score >= _LEAST and is_about(profile.name, "tracking"))
    elif role == "ordered_at":
        score = _order_score(profile, table, score)
    elif role.partition("_")[0] in _PARTIES:
        score = _address_score(profile, role, score)
    if role == "service":
        score = _service_score(profile, table, score)
    if score < _LEAST or not profile.filled:
        return 0.0
    if part == "milestones" or role in TIMES:
        guess = profile.times(numbers=True, named=score >= _NAMED)
        return score if guess is not None else 0.0
    return score if _suits(profile, role, named=score >= _NAMED) else 0.0


def _says_otherwise(name: str, role: str, score: float) -> bool:
    """Whether words of a name say that it is of something else, however like it looks."""
    if role in _SAID_OF and score < 1.0 and is_about(name, "condition"):
        # The state of a carrier's parcel, or of a delivery, names no carrier and no place.
        return True
    of_a_kind = role.partition("_")[0] in _PARTIES and is_about(name, "kind")
    return of_a_kind or (role in _NUMBERED_ROLES and names_thing(name))


def _service_score(profile: Profile, table: OwnTable, score: float) -> float:
    if _is_goods(profile, table):
        return 0.0
    # A mode, such as air or road, is not all that is bought.
    return score + _BOUGHT * (score >= _LEAST and "service" in plain_name(profile.name).split())


def _scan_score(profile: Profile, role: str, table: OwnTable, score: float) -> float:
    rows, events = table.rows, _of_events(table)
    if role == "status":
        score = _status_score(profile, score, events=events)
    elif role == "scanned_at" and events and score < _LEAST:
        # Events have a time, whatever it is called.
        is_past = not is_about(profile.name, "foreseen")
        dated = profile.times(numbers=profile.compact)
        score = _LEAST if is_past and dated is not None else score
    if rows and role not in {"shipment_id", "carrier"}:
        # What is said once of a record is not said of each of its scans.
        inside = profile.name.startswith(f"{rows}.")
        if not inside and role in {"status", "scanned_at"}:
            return 0.0
        score += 0.05 if inside else -0.3
    return score


def _of_events(table: OwnTable) -> bool:
    """Whether the rows of a table may be events: it says neither where parcels go nor of orders."""
    return bool(table.rows or _is_history(table)) or not any(
        score_name(name, "shipments", role) >= _NAMED
        for name in table.profiles
        # An id of whatever may be a parcel's.
        if plain_name(name) not in names_of()["other"]["labels"]
        for role in ("destination", "ordered_at", "order_id")
    )


def _status_score(profile: Profile, score: float, *, events: bool) -> float:
    """Of several columns of states and texts, that whose words are known."""
    named = score >= _LEAST
    if not named and not events:
        return score
    known = _understood(profile)
    if not named:
        steps = _says_steps(profile) or _codes_of_a_vendor(profile)
        return _KNOWN_CODES * known + _UNNAMED + _both_ends(profile) if steps else score
    if profile.bare_numbers:
        # Many vendors count their states: a number says less than a text beside it.
        known = 0.0
    if not known and profile.distinct < 2 and score < _NAMED:
        return 0.0
    return max(_CALLED_SO * score + _KNOWN_CODES * known, _LEAST) + _both_ends(profile)


def _milestone_score(profile: Profile, role: str, score: float) -> float:
    if is_about(profile.name, "foreseen"):
        return 0.0
    if score < 1.0 and role == "delivered" and is_about(profile.name, "underway"):
        return 0.0
    if is_about(profile.name, "recorded"):
        score -= _RECORDED_LATER
    if is_about(profile.name, "actual"):
        # What was done goes before what may be a plan.
        plain = without_words(profile.name, "actual")
        score = max(score, score_name(plain, "milestones", role))
        score = (1.0 if score >= _CLOSED else score) + EVEN + 0.01
    if (
        score < _LEAST
        and role in _ENDS
        and status_of_word(without_words(profile.name, "moment")) == role
    ):
        # Whatever the column is called, its name says what happened.
        score = _SAID
    return min(score, _CLOSED) if is_about(profile.name, "closed") else score


def _order_score(profile: Profile, table: OwnTable, score: float) -> float:
    inside = is_about(profile.name.rpartition(".")[0], "parcels")
    if inside or (table.of_orders and profile.name not in table.of_orders):
        # A parcel is made, or told to its carrier, later than its order.
        return min(score, _LEAST)
    if score > 0 and not is_about(profile.name, "order"):
        score -= _MADE * (is_about(profile.name, "made") + 2 * is_about(profile.name, "paid"))
    return score


def _address_score(profile: Profile, role: str, score: float) -> float:
    """What an address is made of goes by whose it is and by what of it."""
    party, _, field = role.partition("_")
    ours, other = _PARTIES[party], _PARTIES["origin" if party == "destination" else "destination"]
    whose, what = place_in(profile.name) or ("", "")
    if whose == other or (ours == "recipient" and is_about(profile.name, "sender")):
        return 0.0
    if what and whose == ours and what == (field or "postcode"):
        score = max(score, _ADDRESSED)
    elif what == "place" and whose == ours and not field:
        score = max(score, _NAMED)
    elif {what, field} & {"lat", "lon"} and what != field:
        # Half a point is no place, and no point that is merely passed.
        score = score if score >= _NAMED and what not in {"lat", "lon"} else 0.0
    if ours == "recipient" and is_about(profile.name, "billing"):
        # Where the bill goes is taken only where nothing else is there, and told.
        return _LEAST if what == (field or "postcode") else min(score - 0.2, _LEAST)
    return score


def _is_goods(profile: Profile, table: OwnTable) -> bool:
    """Whether what is called a product is what was sold, as its price beside it shows."""
    return plain_name(profile.name) in names_of()["other"]["product"] and any(
        is_about(name, "goods") for name in table.profiles
    )


def _understood(profile: Profile) -> float:
    """Share of the different codes of a column that mean something, by whichever vocabulary."""
    words = [str(word) for word in profile.words[:_TRIED_CODES]]
    if not words or not _are_codes(profile):
        return 0.0
    readings = [
        sum(not isinstance(one.read(word), Fault) for word in words)
        for one in vocabularies().values()
    ]
    by_words = sum(status_of_word(word) is not None for word in words)
    return max(*readings, by_words) / len(words)


def _both_ends(profile: Profile) -> float:
    """More where words say both that parcels were picked up and that they came."""
    found = {status_of_word(str(word)) for word in profile.words[:_TRIED_CODES]}
    return _BOTH_ENDS if {"picked_up", "delivered"} <= found else 0.0


def _says_steps(profile: Profile) -> bool:
    """Whether the words of a column say several steps of a journey, whatever it is called."""
    words = [str(word) for word in profile.words[:_TRIED_CODES]]
    found = [status_of_word(word) for word in words]
    said = sum(status is not None for status in found)
    return (
        _are_codes(profile) and len(set(found) - {None}) > 1 and said > _SURELY_KNOWN * len(words)
    )


def _codes_of_a_vendor(profile: Profile) -> bool:
    """Whether one vendor has all codes, and by its reading parcels are picked up and come."""
    words = [str(word) for word in profile.words[:_TRIED_CODES]]
    if not _are_codes(profile) or profile.bare_numbers:
        return False
    readings = ({one.read(word) for word in words} for one in vocabularies().values())
    return any(
        {"picked_up", "delivered"} <= read and Fault.UNKNOWN_VENDOR_CODE not in read
        for read in readings
    )


def _says_states(profile: Profile) -> bool:
    """Whether half of a column's words are those of a parcel's journey."""
    words = [str(word) for word in profile.words[:_TRIED_CODES]]
    return 2 * sum(status_of_word(word) is not None for word in words) > len(words)


def _of_no_country(profile: Profile) -> bool:
    """Whether what is called a state has few values, of which none is a region of any country.

    Numbers of states are those of a shop's orders, and of few countries' regions.
    """
    called = plain_name(profile.name.rpartition(".")[2])
    if not called.endswith("state") or profile.distinct > _FEW_STATES:
        return False
    if profile.bare_numbers:
        return True
    return called == "state" and not any(countries_with([str(word)]) for word in profile.words)


def _suits(profile: Profile, role: str, *, named: bool) -> bool:
    checks: dict[str, Callable[[], bool]] = {
        **dict.fromkeys(_NUMBERS, lambda: profile.numeric),
        **dict.fromkeys(("origin_country", "destination_country"), lambda: profile.countries > 0.6),
        "destination_time_zone": lambda: profile.zones > 0.6,
        "zone": lambda: profile.offsets > 0.6,
        # Codes and names of places too, where the column is surely called so.
        "destination": lambda: (
            profile.postcodes > 0.6
            or (
                named
                and not (profile.dated or profile.streets)
                and profile.distinct < 0.5 * profile.rows
            )
        ),
        # A document that an order comes from is no place.
        "origin": lambda: not (profile.dated or profile.points) and _repeats(profile),
        # A "state" is one of a parcel as well as of a country.
        "destination_region": lambda: (
            not (
                profile.dated or profile.unique or _says_states(profile) or _of_no_country(profile)
            )
        ),
        "status": lambda: _are_codes(profile),
        **dict.fromkeys(
            ("carrier", "service"),
            lambda: (
                profile.distinct <= _MOST_CODES and not (profile.dated or _says_states(profile))
            ),
        ),
        # Whose codes they are must be known by that name.
        "vocabulary": lambda: all(str(word) in vocabularies() for word in profile.words),
        **dict.fromkeys(
            ("shipment_id", "order_id"),
            lambda: (
                profile.distinct > 0.05 * profile.rows
                and not (profile.dated or profile.clocks or profile.fractions or profile.links)
            ),
        ),
    }
    return bool(checks.get(role, lambda: not profile.dated)())


def _are_codes(profile: Profile) -> bool:
    return _repeats(profile) and profile.distinct <= _MOST_CODES


def _repeats(profile: Profile) -> bool:
    return profile.rows <= _FEW_ROWS or profile.distinct < 0.5 * profile.rows


def assigned(
    table: OwnTable, parts: Sequence[tuple[str, Sequence[str]]]
) -> dict[tuple[str, str], Proposed]:
    """Each role with its best column, each column in one role, the best fits first."""
    ignored = {name for name in table.profiles if score_name(name, "other", "ignored") == 1.0}
    fits = sorted(
        (
            (-_fit(profile, part, role, table), place, part, role, name)
            for part, roles in parts
            for role in roles
            for place, (name, profile) in enumerate(table.profiles.items())
            if name not in ignored
        ),
    )
    chosen: dict[tuple[str, str], tuple[float, str]] = {}
    taken: set[str] = set()
    for negative, _, part, role, name in fits:
        if negative and name not in taken and (part, role) not in chosen:
            taken.add(name)
            chosen[part, role] = -negative, name
    found: dict[tuple[str, str], Proposed] = {}
    for (part, role), (score, name) in chosen.items():
        rivals = tuple(
            other
            for worse, _, a_part, a_role, other in fits
            if (a_part, a_role) == (part, role) and other not in taken and -worse > score - EVEN
        )
        one = proposed_column(table.profiles[name], role, score, rivals, table)
        found[part, role] = settled(table, one, part, role)
    return found
