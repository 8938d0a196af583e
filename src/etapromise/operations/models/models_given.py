"""A model that is handed over, or loaded from its path."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TypeAlias

from etapromise.errors import ContractError
from etapromise.promise.model import PromiseModel, load_model

Model: TypeAlias = "PromiseModel | str | Path"


def model_of(model: Model) -> PromiseModel:
    """The model, loaded where its path is given."""
    if isinstance(model, PromiseModel):
        return model
    if not isinstance(model, str | PathLike):
        raise ContractError(
            f"Found {type(model).__name__} for the model; expected a PromiseModel or its path."
        )
    return load_model(model)
