"""The calendar file: closures, working weeks, cut-offs, pick-ups and holidays, in one TOML.

Training, batch and quote share it; a model keeps its text. What it says goes before what the scans
show; what it leaves out is learned. `docs/calendars.toml` is an example with every key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from etapromise.argument_kinds import require_path
from etapromise.calendars.calendar_values import (
    Blackout,
    CarrierRule,
    Closure,
    DestinationRule,
    HolidayRule,
    WarehouseRule,
    Wrong,
    amount,
    codes,
    country,
    cutoffs,
    date_spans,
    flag,
    line_of,
    name,
    text,
    times,
    week,
    zone,
)
from etapromise.calendars.disruptions import Disruption, area_postcode
from etapromise.errors import ContractError, name_meant
from etapromise.files import settings_text
from etapromise.normal_forms.places import normal_region
from etapromise.normal_forms.postcodes import normal_postcode

_Rule = TypeVar("_Rule")


_RULES: Final[Mapping[str, type]] = {
    "closures": Closure,
    "blackouts": Blackout,
    "carriers": CarrierRule,
    "warehouses": WarehouseRule,
    "destinations": DestinationRule,
    "holidays": HolidayRule,
    "disruptions": Disruption,
}
# The same word is the same thing in every table.
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("days", "extra_days", "half_days", "extra", "dropped"), date_spans),
    **dict.fromkeys(("carrier", "service"), name),
    **dict.fromkeys(("origin", "region", "reason"), text),
    **dict.fromkeys(("delivers", "works", "pickup_days"), week),
    **dict.fromkeys(("delivers_on_holidays", "works_on_holidays", "stop"), flag),
    **dict.fromkeys(("delay", "spread", "recovery"), amount),
    **dict.fromkeys(("time_zone", "default_time_zone"), zone),
    **dict.fromkeys(("country", "default_country"), country),
    "cutoffs": cutoffs,
    "pickups": times,
    "postcodes": codes,
}


def _keys(kind: Any) -> Iterator[tuple[str, bool]]:
    """The keys of a table, and whether it cannot be without them."""
    if kind is Disruption:  # each span of its days is one
        yield "days", True
    for each in fields(kind):
        if each.name not in {"first", "last"}:
            yield each.name, each.default is MISSING


_KEYS: Final = {table: dict(_keys(kind)) for table, kind in _RULES.items()}
# Tables of a mapping, which may stand in the same file; see `tracking.mapping`.
_OF_A_MAPPING: Final = ("shipments", "scans", "ids")
_SETTINGS: Final = ("default_time_zone", "default_country")
# What may stand beside the origin of a carrier's rule.
_OF_A_WAREHOUSE: Final = {"carrier", "service", "pickups", "pickup_days", "origin"}
_MOST_LETTERS: Final = 2**22
_MOST_PARTS: Final = 32
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
# What one rule is about; two rules about the same would contradict each other.
_ABOUT: Final = {
    "carriers": ("carrier", "service", "origin"),
    "warehouses": ("origin",),
    "destinations": ("country", "region"),
    "holidays": ("country", "region"),
}


# Names and codes: what is only spelled otherwise is read as in the shipments.
_SPELLED: Final = {"carrier", "service", "country", "region", "origin", "postcodes"}


def _within_country(values: dict[str, Any]) -> dict[str, Any]:
    """Regions and places in the form that their country gives them, where it is told."""
    country = values.get("country")
    if "region" in values:
        values["region"] = normal_region(values["region"], country)
    if "postcodes" in values:
        values["postcodes"] = tuple(area_postcode(one, country) for one in values["postcodes"])
    if "origin" in values:
        # In which form depends on the orders' countries: see `spelled_as`.
        values["origin"] = normal_postcode(values["origin"], None)
    return values


def _rules_of(kind: Any, values: Mapping[str, Any]) -> Iterator[Any]:
    if kind is not Disruption:
        yield kind(**values)
        return
    told = {key: value for key, value in values.items() if key != "days"}
    for first, last in values["days"]:
        yield Disruption(first=first, last=last, **told)


class _Table(Generic[_Rule]):
    """The rules in the tables of one name, in their order."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: CalendarFile, kind: type) -> tuple[_Rule, ...]:
        found: tuple[_Rule, ...] = owner._tables[self._name]  # noqa: SLF001 — its own class
        return found


@dataclass(frozen=True)
class CalendarFile:
    """What a calendar file says, its names and codes in the normal form of shipments.

    Attributes:
        name: what messages call it.
    """

    text: str
    name: str = "the calendar file"

    closures = _Table[Closure]()
    blackouts = _Table[Blackout]()
    carriers = _Table[CarrierRule]()
    warehouses = _Table[WarehouseRule]()
    destinations = _Table[DestinationRule]()
    holidays = _Table[HolidayRule]()
    disruptions = _Table[Disruption]()

    def __post_init__(self) -> None:
        self._tables  # noqa: B018 — parses

    @classmethod
    def read(cls, path: str | Path) -> CalendarFile:
        """The file at `path`.

        Raises:
            ContractError: it cannot be read, is no TOML, or says what it cannot say; the message
                names the line.
        """
        try:
            written = settings_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ContractError(
                f"Found no readable calendar file at {path} ({error}); expected a TOML file in "
                "UTF-8. Check the path."
            ) from error
        return cls(written, str(path))

    @classmethod
    def of(cls, given: CalendarFile | str | Path) -> CalendarFile:
        """A calendar file, or the one at a path.

        Raises:
            ContractError: as for `read`.
        """
        if isinstance(given, CalendarFile):
            return given
        require_path("calendars", given)
        return cls.read(given)

    @classmethod
    def within(cls, mapping: object) -> CalendarFile | None:
        """The calendar that stands in a mapping file; None where it holds none.

        Args:
            mapping: its path, a mapping that was read, or None.

        Raises:
            ContractError: as for `read`; a table there is of no mapping and of no calendar.
        """
        path = getattr(mapping, "path", mapping)
        if not isinstance(path, str | PathLike):
            return None
        if not Path(path).exists():
            return None  # of a mapping that is not there, whoever reads it says more
        found = cls.read(Path(path))
        return found if found.has_tables else None

    def spelled_as(self, warehouses: Iterable[tuple[str, str]]) -> CalendarFile:
        """This file with its warehouses spelled as in the orders, whose countries it may not tell.

        Args:
            warehouses: country ("" where there is none) and origin, in normal form.
        """
        known = list(warehouses)
        origins = {origin for _, origin in known}

        def spelled(values: dict[str, Any]) -> list[dict[str, Any]]:
            written = values.get("origin")
            # As an order calls a warehouse goes before the form of another country.
            if written is None or written in origins:
                return [values]
            meant = {
                origin
                for country, origin in known
                if normal_postcode(written, country or None) == origin
            }
            return [values | {"origin": origin} for origin in sorted(meant)] or [values]

        found = CalendarFile(self.text, self.name)
        found.__dict__["_values"] = {
            table: [one for values in rules for one in spelled(values)]
            for table, rules in self._values.items()
        }
        del found.__dict__["_tables"]
        found._tables  # noqa: B018 — two spellings may be one warehouse
        return found

    def respelled(self) -> tuple[str, ...]:
        """Names and codes that are written otherwise than they were read: ``DHL = dhl``."""
        found: dict[str, None] = {}
        for table, rules in self._values.items():
            for written, values in zip(self._document.get(table, []), rules, strict=True):
                for key in _SPELLED & values.keys():
                    before = written[key] if isinstance(written[key], list) else [written[key]]
                    read = values[key] if key == "postcodes" else [values[key]]
                    pairs = zip(before, read, strict=True)
                    found |= {f"{key} {was} = {now}": None for was, now in pairs if was != now}
        default = self._document.get("default_country")
        if default != self.default_country:
            found[f"default_country {default} = {self.default_country}"] = None
        return tuple(found)

    @property
    def has_tables(self) -> bool:
        """Whether it says anything of calendars, beside what a mapping in it says."""
        return bool(self._document.keys() - {*_OF_A_MAPPING})

    @property
    def default_time_zone(self) -> str | None:
        """The IANA zone of last resort."""
        return self._settings.get("default_time_zone")

    @property
    def default_country(self) -> str | None:
        """The country whose holidays count at places that name none."""
        return self._settings.get("default_country")

    def named(self) -> dict[str, tuple[str, ...]]:
        """The carriers, services, countries, regions and origins that it names, without doubles.

        A service after its carrier and a region after its country, with a blank between.
        """
        wide = {"service": "carrier", "region": "country"}
        found: dict[str, dict[str, None]] = {
            key: {} for key in ("carrier", "service", "country", "region", "origin")
        }
        for values in (values for rules in self._values.values() for values in rules):
            for key in found.keys() & values.keys():
                before = values.get(wide.get(key, ""))
                found[key][f"{before} {values[key]}" if before else values[key]] = None
        return {key: tuple(names) for key, names in found.items()}

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        self._require_size()
        try:
            return tomllib.loads(self.text)
        # Numbers too long for Python, and tables within tables without end, among them.
        except (ValueError, RecursionError) as error:
            raise ContractError(
                f"Found {self.name} that is no TOML: {error}. Expected tables such as "
                '[[closures]] with lines such as days = ["2026-12-24"]; quote every text.'
            ) from error

    def _require_size(self) -> None:
        """Refuse what would take the parser minutes: no calendar is so long or so deep."""
        if len(self.text) > _MOST_LETTERS:
            raise ContractError(
                f"Found {self.name} longer than {_MOST_LETTERS:,} characters; expected "
                "a calendar file in TOML."
            )
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.count(".") > _MOST_PARTS:
                bare = _QUOTED.sub("", line).partition("#")[0]
                if bare.count(".") > _MOST_PARTS:
                    raise ContractError(
                        f"Found a key of more than {_MOST_PARTS} parts in line {number} of "
                        f"{self.name}; expected tables such as [[closures]] and plain keys."
                    )

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return {
            key: self._parsed(value, "", 0, key)
            for key, value in self._document.items()
            if key in _SETTINGS
        }

    @cached_property
    def _tables(self) -> dict[str, tuple[Any, ...]]:
        known = (*_SETTINGS, *_RULES)
        for key in self._document:
            if key not in known and key not in _OF_A_MAPPING:
                self._refuse("", 0, key, f"the key {key!r}", f"one of {', '.join(known)}", known)
        self._settings  # noqa: B018 — parses
        found = {}
        for table, kind in _RULES.items():
            rules = [rule for values in self._values[table] for rule in _rules_of(kind, values)]
            self._require_distinct(table, rules)
            found[table] = tuple(rules)
        return found

    @cached_property
    def _values(self) -> dict[str, list[dict[str, Any]]]:
        return {table: self._rules(table) for table in _RULES}

    def _rules(self, table: str) -> list[dict[str, Any]]:
        found = self._document.get(table, [])
        if not isinstance(found, list) or not all(isinstance(rule, dict) for rule in found):
            self._refuse("", 0, table, f"{table} = {found!r}", f"tables headed [[{table}]]")
        keys = _KEYS[table]
        rules = []
        for number, rule in enumerate(found):
            for key in rule:
                if key not in keys:
                    self._refuse(
                        *(table, number, key, f"the key {key!r} in [[{table}]]"),
                        f"one of {', '.join(keys)}",
                        tuple(keys),
                    )
            for key, needed in keys.items():
                if needed and key not in rule:
                    self._refuse(table, number, None, f"[[{table}]] without {key}", f"a {key}")
            read = _within_country(
                {key: self._parsed(value, table, number, key) for key, value in rule.items()}
            )
            for key in ("region", "postcodes", "origin"):
                if key in read and (read[key] is None or "" in tuple(read[key])):
                    self._refuse(
                        *(table, number, key, f"{key} = {rule[key]!r}, which stands for nothing"),
                        "a name or code, spelled as in the shipments",
                    )
            for narrow, wide in (("service", "carrier"), ("region", "country")):
                if narrow in read and wide not in read and table != "warehouses":
                    self._refuse(
                        *(table, number, narrow, f"a {narrow} without a {wide}"),
                        f"the {wide} that it belongs to",
                    )
            if table == "carriers" and "origin" in read and read.keys() - _OF_A_WAREHOUSE:
                self._refuse(
                    *(table, number, "origin", "an origin beside a carrier's week"),
                    "the week in a [[carriers]] table of its own, without origin: a carrier "
                    "delivers on the same days wherever a parcel is from",
                )
            rules.append(read)
        return rules

    def _require_distinct(self, table: str, rules: list[Any]) -> None:
        seen: dict[tuple[Any, ...], int] = {}
        for number, rule in enumerate(rules):
            about = tuple(getattr(rule, name) for name in _ABOUT.get(table, ()))
            if table in _ABOUT and about in seen:
                first = line_of(self.text, table, seen[about], None)
                what = ", ".join(str(part) for part in about if part is not None) or "every one"
                self._refuse(
                    *(table, number, None, f"a second [[{table}]] about {what}"),
                    f"one only; the first is in line {first}",
                )
            seen[about] = number

    def _parsed(self, value: Any, table: str, number: int, key: str) -> Any:
        try:
            return _READERS[key](value)
        except Wrong as wrong:
            return self._refuse(table, number, key, f"{key} = {wrong.found}", wrong.expected)

    def _refuse(
        self,
        table: str,
        number: int,
        key: str | None,
        found: str,
        expected: str,
        known: tuple[str, ...] = (),
    ) -> Any:
        line = line_of(self.text, table, number, key)
        meant = name_meant(key, known, likeness=0.5) if key is not None and known else None
        raise ContractError(
            f"Found {found} in line {line} of {self.name}; expected {expected}. "
            + (f"Did you mean {meant!r}?" if meant else "Correct that line.")
        )
