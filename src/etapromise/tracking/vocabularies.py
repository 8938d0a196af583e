"""Vendors' tracking codes, read as standard statuses.

The tables are in ``vocabularies.toml`` beside this file. A code may be written as the vendor's
coarse code (``Exception``, ``in_transit``, ``IT``), as its finer code (``Exception_010``,
``departed_facility``, ``HUB_SCAN_OUT``), or as both, coarse first, joined by ``/`` or ``:``
(``in_transit/departed_facility``, ``EX:RETURN_TO_SENDER``). The finer code decides, unless it says
nothing about the parcel (``delivered/status_update`` is a delivery). Case and surrounding blanks do
not matter.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources
from typing import Final

from etapromise.errors import ContractError
from etapromise.tracking.contract import STATUSES

__all__ = ["STANDARD", "Fault", "Vocabulary", "vocabularies", "vocabulary_named"]

STANDARD: Final = "standard"


class Fault(Enum):
    """Why a code gives no status; the value is the reason in the rejects table."""

    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_VENDOR_CODE = "unknown_vendor_code"
    WITHOUT_INFORMATION = "status_without_information"


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """One vendor's codes. All keys are lower case."""

    name: str
    statuses: Mapping[str, str]
    details: Mapping[str, str]
    silent: frozenset[str]

    def read(self, code: str) -> str | Fault:
        """The standard status that ``code`` stands for, or why there is none."""
        coarse, fine = _split(code.strip().lower())
        if fine:
            pair = self.details.get(f"{coarse}/{fine}")
            if pair is not None:
                return pair
            status = self._read_one(fine, self.details, self.statuses)
            if status is not Fault.WITHOUT_INFORMATION:
                return status
        return self._read_one(coarse, self.statuses, self.details)

    def _read_one(
        self, code: str, first: Mapping[str, str], second: Mapping[str, str]
    ) -> str | Fault:
        status = first.get(code) or second.get(code)
        if status is not None:
            return status
        if code in self.silent:
            return Fault.WITHOUT_INFORMATION
        return Fault.UNKNOWN_STATUS if self.name == STANDARD else Fault.UNKNOWN_VENDOR_CODE


def _split(code: str) -> tuple[str, str]:
    for separator in "/:":
        coarse, found, fine = code.partition(separator)
        if found:
            return coarse.strip(), fine.strip()
    return code, ""


@cache
def vocabularies() -> Mapping[str, Vocabulary]:
    """Every known vocabulary by name: the standard one and each vendor's.

    Raises:
        ContractError: A status in ``vocabularies.toml`` is not a standard one.
    """
    known = {
        STANDARD: Vocabulary(
            name=STANDARD,
            statuses={status: status for status in STATUSES},
            details={},
            silent=frozenset(),
        )
    }
    text = resources.files(__package__).joinpath("vocabularies.toml").read_text(encoding="utf-8")
    for name, tables in tomllib.loads(text).items():
        for status in {*tables["statuses"].values(), *tables["details"].values()}:
            if status not in STATUSES:
                raise ContractError(
                    f"vocabularies.toml maps a code of {name} to {status!r}, "
                    f"expected one of the standard statuses {', '.join(STATUSES)}"
                )
        known[name] = Vocabulary(
            name=name,
            statuses={code.lower(): status for code, status in tables["statuses"].items()},
            details={code.lower(): status for code, status in tables["details"].items()},
            silent=frozenset(code.lower() for code in tables["silent"]),
        )
    return known


def vocabulary_named(name: str) -> Vocabulary:
    """The vocabulary called ``name`` (``standard``, ``aftership``, ``17track``, ...).

    Raises:
        ContractError: There is none of that name.
    """
    known = vocabularies()
    found = known.get(name.strip().lower())
    if found is None:
        raise ContractError(
            f"found vocabulary {name!r}, expected one of {', '.join(sorted(known))}; "
            "map the codes to standard statuses yourself for any other vendor"
        )
    return found
