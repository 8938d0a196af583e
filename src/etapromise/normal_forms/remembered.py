"""Normal forms that were asked for before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from etapromise.normal_forms.places import normal_country, normal_region, stated_country
from etapromise.normal_forms.postcodes import normal_postcode
from etapromise.normal_forms.texts import normal_name, normal_text

# How many words are remembered: beyond, all are forgotten and learned again.
_MOST_REMEMBERED: Final = 2**16


class Remembered(dict[Any, str]):
    """Normal forms by what was written, learned as asked for; "" stands for a missing value.

    Only plain texts, None and tuples of these are remembered: 1, 1.0 and True are one key.
    """

    def __init__(self, form: Callable[..., str | None], *, parts: int = 1) -> None:
        """Take the function of one or several parts."""
        super().__init__()
        self._form = form
        self._parts = parts

    def of(self, value: Any, *within: str) -> str:
        """The normal form of any value, with the rest of its parts."""
        if type(value) is str:
            return self[(value, *within) if within else value]
        # What is no text may not even be a key.
        return self._form(value, *within) or ""

    def __missing__(self, written: Any) -> str:
        """Learn another one."""
        parts = (written,) if self._parts == 1 else written
        found = self._form(*parts) or ""
        if all(part is None or type(part) is str for part in parts):
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[written] = found
        return found


TEXTS: Final = Remembered(normal_text)
NAMES: Final = Remembered(normal_name)
# Of one that is asked for, and of a table's, which is told of all that are misspelt at once.
COUNTRIES: Final = Remembered(stated_country)
TABLE_COUNTRIES: Final = Remembered(normal_country)
REGIONS: Final = Remembered(normal_region, parts=2)
POSTCODES: Final = Remembered(normal_postcode, parts=2)


def _place(postcode: Any, region: Any, country: Any) -> str:
    nation = COUNTRIES.of(country)
    return "\0".join((POSTCODES.of(postcode, nation), REGIONS.of(region, nation), nation))


# Postcode, region and country of one end of a way, joined by zero bytes.
PLACES: Final = Remembered(_place, parts=3)
