"""The probability with which a promise is to be kept: as a number, or by its name."""

from __future__ import annotations

from typing import Final

from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import plain_number

SERVICE_LEVELS: Final = {"typical": 0.5, "default": 0.9, "high": 0.97}
"""Names of probabilities: half of such parcels are quicker; the usual; all but sure."""


def require_level(level: object, name: str) -> float:
    """`level` as a probability that can be asked for."""
    if isinstance(level, str):
        found = SERVICE_LEVELS.get(level)
        if found is None:
            raise ContractError(
                f"Found {name}={level!r}; expected a probability such as 0.9, or one of "
                f"{', '.join(f'{each!r} ({at})' for each, at in SERVICE_LEVELS.items())}."
            )
        return found
    number = plain_number(level)
    if not 0.0 < number < 1.0:
        meant = f"Did you mean {number / 100:g}?" if 1.0 < number < 100.0 else ""
        raise ContractError(
            f"Found {name}={level!r}; expected a probability above 0 and below 1, such as 0.9. "
            + (meant or "No date is certain: 1.0 cannot be promised.")
        )
    return number
