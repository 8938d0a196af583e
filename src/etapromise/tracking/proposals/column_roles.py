"""A column in its role: how its values are written, and what must be asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from etapromise.normal_forms.numbers import UNITS
from etapromise.tracking.column_names import is_about, names_of, plain_name
from etapromise.tracking.mapped_columns import DAY_OF_NONE
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.proposal import OwnTable, Proposed
from etapromise.tracking.written_times import WrittenTime, iso_times

if TYPE_CHECKING:
    import pyarrow as pa

TIMES: Final = frozenset(
    {"ordered_at", "released_at", "promised_date", "quoted_date", "scanned_at", "received_at"}
)
"""The columns of the contract that are times."""
# A name so sure makes a column one of times although many of its values are none.
_NAMED: Final = 0.9
# Kilograms that hardly any shop's parcels weigh: the numbers are grams.
_HEAVY: Final = 70


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
        if guess.doubt:
            details["format"] = "?"
            asked = f"{profile.name} cannot be read for sure: {guess.doubt}"
        elif guess.asked is not None:
            details["format"] = "?"
            asked = (
                f"{profile.name} could be {guess.asked[0]!r} or {guess.asked[1]!r}: no value tells "
                f"day and month apart, such as {profile.words.iloc[0]!r}"
            )
        elif guess.formats:
            details["format"] = guess.formats[0] if len(guess.formats) == 1 else list(guess.formats)
        # A day that is awaited has no hour, whatever clock stands beside it.
        if guess.midnights or (role.endswith("_date") and guess.clock and not guess.zoned):
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
        mark = "," if profile.words.str.contains(",", regex=False).any() else "."
        several = profile.words[profile.words.str.contains(mark, regex=False)].iloc[0]
        asked.append(
            f"is the {'comma' if mark == ',' else 'point'} in {profile.name}, such as {several!r}, "
            f"a decimal mark (decimal = {mark!r}) or between thousands "
            f"(decimal = {'.' if mark == ',' else ','!r})?"
        )
    words = (profile.unit or "", *plain_name(profile.name).split())
    unit = next((UNITS[word] for word in words if word in UNITS), None)
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
        units = len(one.words) and all(plain_name(word) in UNITS for word in one.words[:20])
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
    text = iso.to_pandas()
    # A key of no date, such as -1, is a year to pandas.
    dated = text.astype(str).str.match(rf"(?!{DAY_OF_NONE})\d{{4}}-")
    found: pd.Series[Any] = pd.to_datetime(
        text.where(dated), utc=True, errors="coerce", format="ISO8601"
    )
    return found
