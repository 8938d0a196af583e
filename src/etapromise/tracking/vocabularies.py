"""Vendors' and carriers' tracking codes, read as standard statuses.

Each vocabulary is a data file in ``vendors``, with its source and date; own ones have the same form
and are given by their path, see `docs/vendors.md`. A code may be written as the vendor's coarse
code (``Exception``, ``in_transit``, ``IT``), as its finer code (``Exception_010``,
``departed_facility``, ``HUB_SCAN_OUT``), or as both, coarse first, joined by ``/`` or ``:``
(``in_transit/departed_facility``, ``EX:RETURN_TO_SENDER``). The finer code decides, unless it says
nothing about the parcel (``delivered/status_update`` is a delivery) or is new: then the coarse one
does. Case, blanks, hyphens and underscores do not matter.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from etapromise.errors import ContractError
from etapromise.files import settings_text
from etapromise.tracking.contract import STATUSES

STANDARD: Final = "standard"
_GAPS: Final = re.compile(r"[\s\-_]+")
_KEYS: Final = frozenset(
    {"doubt", "name", "aliases", "source", "date", "coarse", "silent", "statuses", "details"}
)


class Fault(Enum):
    """Why a code gives no status; the value is the reason in the rejects table."""

    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_VENDOR_CODE = "unknown_vendor_code"
    WITHOUT_INFORMATION = "status_without_information"


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a code says.

    Attributes:
        status: a standard status, or why there is none.
        by_coarse: the finer code is in no vocabulary, and the coarse one decided.
    """

    status: str | Fault
    by_coarse: bool = False


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """One vendor's codes. All keys are in the form of `folded`.

    Attributes:
        name: Lower case.
        statuses: By coarse code.
        details: By finer code, or by "coarse/finer" where it means something else there.
        silent: Codes that say nothing about the parcel.
        aliases: Other names of the vocabulary.
        source: Where the codes are documented.
        date: When they were read there.
        doubt: Why its meanings are less sure than those of a published list; empty where not.
        coarse: Pattern whose group is the coarse code within a finer one.
    """

    name: str
    statuses: Mapping[str, str]
    details: Mapping[str, str]
    silent: frozenset[str]
    aliases: tuple[str, ...] = ()
    source: str = ""
    date: str = ""
    doubt: str = ""
    coarse: re.Pattern[str] | None = field(default=None)

    def read(self, code: str) -> str | Fault:
        """The standard status that ``code`` stands for, or why there is none."""
        return self.meaning(code).status

    def meaning(self, code: str) -> Meaning:
        """What ``code`` says, and whether its coarse half had to decide."""
        whole = _key(code)
        found = self._known(whole)
        if found is not None:
            return Meaning(status=found)
        coarse, fine = _split(code)
        if not fine:
            return self._by_coarse(whole)
        found = self.details.get(f"{coarse}/{fine}") or self._known(fine)
        if found is not None and found is not Fault.WITHOUT_INFORMATION:
            return Meaning(status=found)
        outer = self._known(coarse)
        if outer is None:
            return self._by_coarse(fine) if found is None else Meaning(status=found)
        return Meaning(status=outer, by_coarse=found is None)

    def _known(self, code: str) -> str | Fault | None:
        found = self.statuses.get(code) or self.details.get(code)
        if found is None and code in self.silent:
            return Fault.WITHOUT_INFORMATION
        return found

    def _by_coarse(self, code: str) -> Meaning:
        if self.coarse is not None:
            match = self.coarse.fullmatch(code)
            found = self._known(match[1]) if match else None
            if found is not None:
                return Meaning(status=found, by_coarse=True)
        unknown = Fault.UNKNOWN_STATUS if self.name == STANDARD else Fault.UNKNOWN_VENDOR_CODE
        return Meaning(status=unknown)


def folded(code: str) -> str:
    """A code without regard to case, blanks, hyphens and underscores."""
    return _GAPS.sub("_", code.strip().casefold()).strip("_") or code.strip()


def _split(code: str) -> tuple[str, str]:
    for separator in "/:":
        coarse, found, fine = code.partition(separator)
        if found:
            return folded(coarse), folded(fine)
    return folded(code), ""


@cache
def vocabularies() -> Mapping[str, Vocabulary]:
    """Every known vocabulary by name: the standard one and each vendor's.

    Raises:
        ContractError: A status in one of the files is not a standard one.
    """
    known = {
        STANDARD: Vocabulary(
            name=STANDARD,
            statuses={status: status for status in STATUSES},
            details={},
            silent=frozenset(),
        )
    }
    for file in sorted(resources.files("etapromise.tracking.vendors").iterdir(), key=str):
        if file.name.endswith(".toml"):
            vocabulary = _parsed(file.read_text(encoding="utf-8"), file.name)
            known[vocabulary.name] = vocabulary
    return known


@cache
def _by_alias() -> Mapping[str, Vocabulary]:
    found = {}
    for vocabulary in vocabularies().values():
        for name in (vocabulary.name, *vocabulary.aliases):
            found[folded(name)] = vocabulary
    return found


def vocabulary_named(name: str | os.PathLike[str] | Vocabulary) -> Vocabulary:
    """The vocabulary of a name (``standard``, ``aftership``, ``17track``, …), or an own one.

    Args:
        name: A name, or the path of a TOML file of the form that `docs/vendors.md` describes.

    Raises:
        ContractError: There is none of that name; the file cannot be read, or is not of the form.
    """
    if isinstance(name, Vocabulary):
        return name
    if isinstance(name, os.PathLike) or str(name).lower().endswith(".toml"):
        return _own(Path(name))
    found = _by_alias().get(folded(str(name)))
    if found is None:
        raise ContractError(
            f"found vocabulary {name!r}, expected one of {', '.join(sorted(vocabularies()))}, or "
            "the path of an own vocabulary such as 'my_codes.toml'"
        )
    return found


def _own(path: Path) -> Vocabulary:
    try:
        written = settings_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(
            f"found no readable vocabulary at {path} ({error}), expected a TOML file in UTF-8; "
            "check the path"
        ) from error
    return _parsed(written, str(path), otherwise=path.stem)


def _parsed(written: str, where: str, otherwise: str = "") -> Vocabulary:
    try:
        said = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise ContractError(
            f'{where} is no TOML: {error}; expected lines such as \'"DELIVERED" = "delivered"\' '
            "under [statuses]"
        ) from error
    unknown = sorted(set(said) - _KEYS)
    if unknown:
        raise ContractError(
            f"{where} has the key {unknown[0]!r}, expected one of {', '.join(sorted(_KEYS))}"
        )
    tables: dict[str, dict[str, str]] = {}
    for table in ("statuses", "details"):
        codes = said.get(table, {})
        if not isinstance(codes, dict):
            raise ContractError(f"{where} has {table} = {codes!r}, expected a table [{table}]")
        tables[table] = {_key(code): _status(code, status, where) for code, status in codes.items()}
    silent = said.get("silent", [])
    if not isinstance(silent, list) or not all(isinstance(code, str) for code in silent):
        raise ContractError(f"{where} has silent = {silent!r}, expected a list of codes")
    if not tables["statuses"] and not tables["details"]:
        raise ContractError(f"{where} has no codes; write some under [statuses]")
    try:
        coarse = re.compile(said["coarse"], re.IGNORECASE) if "coarse" in said else None
    except (re.error, TypeError) as error:
        raise ContractError(f"{where} has a coarse that is no pattern: {error}") from error
    return Vocabulary(
        name=str(said.get("name", otherwise)).strip().casefold(),
        aliases=tuple(str(alias) for alias in said.get("aliases", ())),
        source=str(said.get("source", "")),
        date=str(said.get("date", "")),
        doubt=str(said.get("doubt", "")),
        coarse=coarse,
        silent=frozenset(map(folded, silent)),
        **tables,
    )


def _key(code: str) -> str:
    coarse, mark, fine = code.partition("/")
    return f"{folded(coarse)}/{folded(fine)}" if mark and fine else folded(code)


def _status(code: str, status: Any, where: str) -> str:
    if status not in STATUSES:
        raise ContractError(
            f"{where} maps {code!r} to {status!r}, expected one of the standard statuses "
            f"{', '.join(STATUSES)}; codes that say nothing belong in silent = [...]"
        )
    return str(status)
