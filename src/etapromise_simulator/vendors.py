"""The codes in which each tracking vendor would tell a standard status; see ``vendors.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final

from etapromise.tracking.contract import STATUSES

_TOLD: Final = tomllib.loads(resources.files(__package__).joinpath("vendors.toml").read_text())
CODES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    **{
        vendor: {status: tuple(codes) for status, codes in told.items()}
        for vendor, told in _TOLD.items()
    },
    # Nobody cancels in this network.
    "standard": {status: (status,) for status in STATUSES if status != "cancelled"},
}
"""Vendor, standard status, the codes used for it (equally often)."""

VENDORS: Final = tuple(CODES)
CARRIER_VENDORS: Final = ("aftership", "17track", "shipengine", "easypost")
PARTNER_VENDORS: Final = ("standard", "shipengine")
