"""Numbers as people write them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final

import numpy as np

from etapromise.errors import ContractError
from etapromise.normal_forms.texts import ascii_digits, normal_text

RANGES: Final[dict[str, tuple[float, float | None]]] = {
    "origin_lat": (-90.0, 90.0),
    "origin_lon": (-180.0, 180.0),
    "destination_lat": (-90.0, 90.0),
    "destination_lon": (-180.0, 180.0),
    "weight_kg": (0.0, None),
}
"""What the numbers of a shipment can be, ends included."""

_NUMBER: Final = re.compile(
    r"([+-]?)(\d[\d.,  ' \u2019]*|\.\d+|,\d+)(?:[eE]([+-]?\d{1,3}))?\s*([^\W\d_]*)"
)
_GROUPED: Final = re.compile(r"\d{1,3}(?:([.,  ' \u2019])\d{3})(?:\1\d{3})*")
_WORDS_OF_UNITS: Final = {
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes",
    "g": "g gr gram grams gramm gramme grammes",
    "lb": "lb lbs pound pounds",
    "oz": "oz ounce ounces",
}
# In other scripts: Greek, Cyrillic, Arabic, Chinese, Thai.
_SIGNS_OF_UNITS: Final = {"kg": "κιλά κιλα кг كجم كغ 公斤 千克 กก", "g": "γρ г гр جم غ 克"}  # noqa: RUF001
UNITS: Final = {
    word: unit
    for words in (_WORDS_OF_UNITS, _SIGNS_OF_UNITS)
    for unit, said in words.items()
    for word in said.split()
}
"""What units of weight are called, small letters."""
KILOGRAMS: Final = {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "oz": 0.028349523125}
"""How much each unit is."""


def read_number(said: str, *, unit: str = "") -> float | None:
    """A number as people write it; None where it is none, or could be two.

    A decimal comma and groups of thousands are read where only one reading is possible:
    ``1,5`` and ``1.234,5`` are numbers, ``1,500`` may be two.

    Args:
        said: normal form of the text.
        unit: "kg" where weights may carry their unit.
    """
    match = _NUMBER.fullmatch(ascii_digits(said))
    if match is None:
        return None
    sign, body, exponent, suffix = match.groups()
    known = unit if not suffix else UNITS.get(suffix.lower(), "") if unit else ""
    factor = 1.0 if not suffix else KILOGRAMS.get(known)
    digits = _plain_digits(body.strip())
    if factor is None or digits is None:
        return None
    return float(f"{sign}{digits}e{exponent or 0}") * factor


def _plain_digits(body: str) -> str | None:
    """Digits with a point, None where they may be read in two ways."""
    gaps = set(re.findall(r"[^\d.,]", body))
    marks = set(body) & {",", "."}
    if not gaps and (not marks or (marks == {"."} and body.count(".") == 1)):
        return body
    if len(gaps) > 1 or (gaps and len(marks) > 1):
        return None
    if gaps or len(marks) == 2:
        # Groups of thousands, and after the last mark what is less than one.
        group = gaps.pop() if gaps else body[min(body.index(mark) for mark in marks)]
        decimal = (marks - {group}).pop() if marks - {group} else None
        whole, _, part = body.partition(decimal) if decimal else (body, "", "")
        fits = _is_grouped(whole, group) and (part.isdigit() or not decimal)
        return f"{whole.replace(group, '')}.{part or 0}" if fits else None
    mark = marks.pop()
    if body.count(mark) > 1:
        return body.replace(mark, "") if _is_grouped(body, mark) else None
    whole, _, part = body.partition(mark)
    # A comma before three digits may be a decimal mark or stand between thousands.
    return None if len(part) == 3 and whole not in {"", "0"} else f"{whole or 0}.{part or 0}"


def _is_grouped(whole: str, mark: str) -> bool:
    match = _GROUPED.fullmatch(whole)
    return match is not None and match[1] == mark


def normal_number(name: str, value: Any) -> float:
    """A value of a numeric column, NaN where it is missing.

    Args:
        name: of the column; `RANGES` may say what its values can be.
        value: a number, or text that `read_number` reads.
    """
    number = _as_float(name, value)
    if name not in RANGES:
        return number
    low, high = RANGES[name]
    if math.isnan(number):
        return number
    if math.isinf(number) or number < low or (high is not None and number > high):
        raise ContractError(
            f"Found {name}={value!r}; expected a number from {low:g} to "
            f"{math.inf if high is None else high:g}."
        )
    return number


def _as_float(name: str, value: Any) -> float:
    if isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise ContractError(f"Found {name}={value!r}; expected a number or None.") from error
    if isinstance(value, str | bytes):
        said = normal_text(value)
        number = (
            math.nan
            if said is None
            else read_number(said, unit="kg" if name.endswith("_kg") else "")
        )
        if number is not None:
            return number
    elif value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return math.nan
    elif type(value).__name__ == "Decimal":
        return math.nan if value.is_nan() else float(value)
    raise ContractError(f"Found {name}={value!r}; expected a number or None.")


def plain_number(value: object) -> float:
    """The number that a value of any common kind of number is; NaN where it is none or infinite."""
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, float | int | np.floating | np.integer | Decimal
    ):
        return math.nan
    if isinstance(value, Decimal) and not value.is_finite():
        return math.nan
    try:
        number = float(value)
    except OverflowError:  # an integer beyond what a double holds
        return math.nan
    return number if math.isfinite(number) else math.nan
