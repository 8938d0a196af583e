"""How well a column of own tables fits one of the contract, by its name and by its values.

A name alone never makes a column of numbers a date; of columns that fit alike the data must show
that they say the same, or the choice is left open.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from etapromise.normal_forms.places import normal_country
from etapromise.tracking.column_names import (
    is_about,
    names_of,
    plain_name,
    score_name,
    status_of_word,
    without_words,
)
from etapromise.tracking.column_profiles import Profile
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposal import OwnTable, Proposed
from etapromise.tracking.vocabularies import Fault, vocabularies
from etapromise.tracking.written_times import WrittenTime, iso_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

__all__ = ["TIMES", "as_scans", "assigned", "best_fit", "moments_of", "proposed_column"]

TIMES: Final = frozenset(
    {"ordered_at", "released_at", "promised_date", "quoted_date", "scanned_at", "received_at"}
)
_NUMBERS: Final = frozenset(
    {"weight_kg", "origin_lat", "origin_lon", "destination_lat", "destination_lon"}
)
_LEAST: Final = 0.55
# Columns whose names fit alike, of which so many values may differ, and those that must not.
_EVEN: Final = 0.04
_SAME: Final = 0.02
# Of a carrier's number and a system's own the carrier's is known to both.
_NUMBERED: Final = 0.05
# A record may be made at another time than that of the order, and paid for at yet another.
_MADE: Final = 0.08
# An order may be closed when it is delivered, or when it is sent.
_CLOSED: Final = 0.6
# A name so sure makes a column one of times although many of its values are none.
_NAMED: Final = 0.9
_DECISIVE: Final = TIMES | {"destination", "destination_country"}
# A column of codes has no more of them.
_MOST_CODES: Final = 2000
# What it counts that the words of a column of codes are known, and how many are tried.
_KNOWN_CODES: Final = 0.5
_TRIED_CODES: Final = 40
# In so few rows codes need not repeat.
_FEW_ROWS: Final = 50
# Kilograms that hardly any shop's parcels weigh: the numbers are grams.
_HEAVY: Final = 70
_UNITS: Final = {
    **dict.fromkeys(("g", "gr", "gram", "grams", "gramm", "gramme", "grammes"), "g"),
    **dict.fromkeys(("kg", "kgs", "kilo", "kilos", "kilogram", "kilograms", "kilogramm"), "kg"),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), "lb"),
    **dict.fromkeys(("oz", "ounce", "ounces"), "oz"),
}


def as_scans(table: OwnTable) -> float:
    """How much a table looks like one of scans; 0 where it is none."""
    status, when = (best_fit(table, "scans", role) for role in ("status", "scanned_at"))
    return status + when if status > 0 and when > 0 else 0.0


def best_fit(table: OwnTable, part: str, role: str) -> float:
    """How well the best of a table's columns fits, 0 where none does."""
    return max((_fit(one, part, role, table) for one in table.profiles.values()), default=0.0)


def _fit(profile: Profile, part: str, role: str, table: OwnTable) -> float:
    """How well a column fits by its name, 0 where its values cannot be such."""
    score = score_name(profile.name, part, role)
    if part == "scans":
        score = _scan_score(profile, role, table.rows, score)
    elif part == "milestones":
        score = _milestone_score(profile, role, score)
    elif role == "shipment_id":
        score += _NUMBERED * (score >= _LEAST and is_about(profile.name, "tracking"))
    elif role == "ordered_at":
        score = _order_score(profile, table, score)
    elif role.startswith("destination"):
        score = _address_score(profile, score)
    if score < _LEAST or not profile.filled:
        return 0.0
    if part == "milestones" or role in TIMES:
        guess = profile.times(numbers=True, named=score >= _NAMED)
        return score if guess is not None else 0.0
    return score if _suits(profile, role) else 0.0


def _scan_score(profile: Profile, role: str, rows: str, score: float) -> float:
    if role == "status" and score >= _LEAST:
        # Of several columns of states and texts, that whose words are known.
        score += _KNOWN_CODES * _understood(profile)
    if rows and role not in {"shipment_id", "carrier"}:
        # What is said once of a record is not said of each of its scans.
        inside = profile.name.startswith(f"{rows}.")
        if not inside and role in {"status", "scanned_at"}:
            return 0.0
        score += 0.05 if inside else -0.3
    return score


def _milestone_score(profile: Profile, role: str, score: float) -> float:
    if is_about(profile.name, "foreseen"):
        return 0.0
    if is_about(profile.name, "actual"):
        # What was done goes before what may be a plan.
        plain = without_words(profile.name, "actual")
        score = max(score, score_name(plain, "milestones", role)) + _EVEN + 0.01
    return min(score, _CLOSED) if is_about(profile.name, "closed") else score


def _order_score(profile: Profile, table: OwnTable, score: float) -> float:
    if table.of_orders and profile.name not in table.of_orders:
        # A parcel is made, or told to its carrier, later than its order.
        return min(score, _LEAST)
    if score > 0 and not is_about(profile.name, "order"):
        score -= _MADE * (is_about(profile.name, "made") + 2 * is_about(profile.name, "paid"))
    return score


def _address_score(profile: Profile, score: float) -> float:
    if is_about(profile.name, "sender"):
        return 0.0
    # Where the bill goes is taken only where nothing else is there, and told.
    return min(score - 0.2, _LEAST) if is_about(profile.name, "billing") else score


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


def _suits(profile: Profile, role: str) -> bool:
    checks: dict[str, Callable[[], bool]] = {
        **dict.fromkeys(_NUMBERS, lambda: profile.numeric),
        **dict.fromkeys(("origin_country", "destination_country"), lambda: profile.countries > 0.6),
        "destination_time_zone": lambda: profile.zones > 0.6,
        "zone": lambda: profile.offsets > 0.6,
        "destination": lambda: profile.postcodes > 0.6,
        "status": lambda: _are_codes(profile),
        **dict.fromkeys(
            ("carrier", "service", "vocabulary"),
            lambda: profile.distinct <= _MOST_CODES and not profile.dated,
        ),
        **dict.fromkeys(
            ("shipment_id", "order_id"),
            lambda: profile.distinct > 0.05 * profile.rows and not profile.dated,
        ),
    }
    return bool(checks.get(role, lambda: not profile.dated)())


def _are_codes(profile: Profile) -> bool:
    few = profile.rows <= _FEW_ROWS or profile.distinct < 0.5 * profile.rows
    return few and profile.distinct <= _MOST_CODES


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
            if (a_part, a_role) == (part, role) and other not in taken and -worse > score - _EVEN
        )
        one = proposed_column(table.profiles[name], role, score, rivals, table)
        found[part, role] = _settled(table, one, part, role)
    return found


def _settled(table: OwnTable, one: Proposed, part: str, role: str) -> Proposed:
    """A column of several that fit alike: the first where all say the same, else the question."""
    for other in one.others:
        ours, theirs = (
            _comparable(table.profiles[name], part, role) for name in (str(one.column), other)
        )
        both = ours.notna() & theirs.notna()
        differ = both & (ours != theirs)
        if not both.any():
            continue
        if differ.sum() <= _SAME * both.sum():
            one = replace(one, why=f"{one.why} and says the same")
            continue
        row = int(np.argmax(differ.to_numpy()))
        what = (
            f"{one.column!r} and {other!r} could both be it and differ in "
            f"{100 * differ.sum() / both.sum():.0f} % of the rows, such as {ours.iloc[row]} and "
            f"{theirs.iloc[row]}"
        )
        if part == "milestones" or role in _DECISIVE:
            asked = f"{what}: keep one of them"
            return replace(one, column=None, details={"column": "?"}, asked=asked, guess=None)
        one = replace(one, why=f"{one.why}; {what}")
    return one


def _comparable(profile: Profile, part: str, role: str) -> pd.Series[Any]:
    """(n,) the sampled values of a column in a form in which equal ones are equal."""
    if part == "milestones" or role in TIMES:
        moments = moments_of(profile.raw, proposed_column(profile, role, 1.0))
        return pd.Series(moments.dt.strftime("%Y-%m-%d"))
    text = pd.Series(text_of(profile.raw).to_pandas())
    if role.endswith("_country"):
        return pd.Series(text.map(normal_country, na_action="ignore"))
    return pd.Series(text.where(text != "").str.lower())


def proposed_column(
    profile: Profile,
    role: str,
    score: float,
    rivals: tuple[str, ...] = (),
    table: OwnTable | None = None,
) -> Proposed:
    """A column in its role, with how it is written and what must be asked of it."""
    known = "its name" if score >= 1.0 else "a name like its own"
    guess = (
        profile.times(numbers=True, named=score >= _NAMED)
        if role in TIMES or role in names_of()["milestones"]
        else None
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
        if guess.era:
            details["era"] = guess.era
        if guess.share < 1:
            why += f"; {100 * (1 - guess.share):.1f} % of the values are something else"
    elif role == "weight_kg":
        details, asked = _weight(profile, table)
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


def _weight(profile: Profile, table: OwnTable | None) -> tuple[dict[str, Any], str]:
    """The decimal mark and the unit of weights, and what must be asked."""
    details: dict[str, Any] = {}
    asked = []
    if profile.decimal:
        details["decimal"] = profile.decimal
    if profile.decimal == "?":
        several = profile.words[profile.words.str.contains(",", regex=False)].iloc[0]
        asked.append(
            f"is the comma in {profile.name}, such as {several!r}, a decimal mark (decimal = "
            '",") or between thousands (decimal = ".")?'
        )
    words = (profile.unit or "", *plain_name(profile.name).split())
    unit = next((_UNITS[word] for word in words if word in _UNITS), None)
    beside = None if table is None else _unit_column(profile, table)
    if beside is not None:
        details["unit_column"] = beside
    elif unit is not None:
        details["unit"] = unit
    elif table is not None and _in_grams(profile, table):
        details["unit"] = "g"
    elif profile.middle > _HEAVY:
        details["unit"] = "?"
        asked.append(
            f"half of {profile.name} are {profile.middle:g} or more: are they g, kg, lb or oz?"
        )
    elif profile.decimal:
        details["unit"] = "kg"
    return details, " ".join(asked)


def _unit_column(profile: Profile, table: OwnTable) -> str | None:
    """The column that has the unit of each weight: of its name, or the next one."""
    names = list(table.profiles)
    after = names[names.index(profile.name) + 1 :][:1]
    found = []
    for name, one in table.profiles.items():
        units = len(one.words) and all(plain_name(word) in _UNITS for word in one.words[:20])
        about = set(plain_name(name).split()) & set(plain_name(profile.name).split())
        if units and (about or name in after):
            found.append((len(about), name))
    return max(found)[1] if found else None


def _in_grams(profile: Profile, table: OwnTable) -> bool:
    """Whether the system whose tables these are documents grams for a column of this name."""
    if plain_name(profile.name.rpartition(".")[2]) not in names_of()["other"]["grams of a system"]:
        return False
    return any(
        is_about(name, "system of grams")
        or bool(len(one.words) and one.words[:20].str.startswith("gid://shopify/").all())
        for name, one in table.profiles.items()
    )


def moments_of(column: pa.ChunkedArray, when: Proposed) -> pd.Series[Any]:
    """Times as moments that can be put in order, on whichever clock; NaT where they are none."""
    formats = when.guess.formats if when.guess is not None else ()
    if when.guess is not None and when.guess.asked is not None:
        formats = when.guess.asked[:1]
    iso = iso_times(column, WrittenTime(formats=formats, zone="UTC"))
    found: pd.Series[Any] = pd.to_datetime(
        iso.to_pandas(), utc=True, errors="coerce", format="ISO8601"
    )
    return found
