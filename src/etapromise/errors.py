"""Every error that etapromise raises on purpose.

A message says what was found, what was expected and what to do next.
"""

from __future__ import annotations

__all__ = [
    "CommandError",
    "ContractError",
    "EtapromiseError",
    "InsufficientHistoryError",
    "ModelFileError",
    "StoreError",
]


class EtapromiseError(Exception):
    """Base of every error that etapromise raises on purpose."""


class ContractError(EtapromiseError, ValueError):
    """A table or an argument does not fit the data contract."""


class InsufficientHistoryError(EtapromiseError):
    """There is too little history to train, calibrate or judge on."""


class ModelFileError(EtapromiseError):
    """A model directory is missing, damaged or of another format."""


class CommandError(EtapromiseError):
    """A command was asked for something that it cannot do."""


class StoreError(EtapromiseError):
    """A store of past journeys is missing, damaged, of another format, or contradicts itself."""
