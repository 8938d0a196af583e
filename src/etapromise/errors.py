"""Every error that etapromise raises on purpose.

A message says what was found, what was expected and what to do next.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator
from typing import Final

_EXTRA_OF: Final = {
    **dict.fromkeys(
        (
            *("charset_normalizer", "holidays", "jinja2", "joblib", "lightgbm", "matplotlib"),
            *("pandas", "pyarrow", "scipy", "sklearn", "tqdm"),
        ),
        "train",
    ),
    **dict.fromkeys(("orjson", "prometheus_client", "starlette", "uvicorn"), "serve"),
    "cryptography": "signing",
    "python_calamine": "excel",
    "optuna": "tune",
    "fsspec": "remote",
    "distributed": "dask",
    "pyspark": "spark",
}


class EtapromiseError(Exception):
    """Base of every error that etapromise raises on purpose.

    Examples:
        >>> try:
        ...     etapromise.load("no-such-directory")
        ... except etapromise.EtapromiseError as error:
        ...     print(type(error).__name__)
        ModelFileError
    """


class ContractError(EtapromiseError, ValueError):
    """A table or an argument does not fit the data contract.

    Examples:
        >>> model.promise(origin="60492", destination="90585", ordered_at="yesterday")
        Traceback (most recent call last):
            ...
        etapromise.errors.ContractError: Found ordered_at='yesterday'; expected ...
    """


class InsufficientHistoryError(EtapromiseError):
    """There is too little history to train, calibrate or judge on.

    Examples:
        >>> etapromise.train(history, as_of="2025-01-07")
        Traceback (most recent call last):
            ...
        etapromise.errors.InsufficientHistoryError: ...
    """


class ModelFileError(EtapromiseError):
    """A model directory is missing, damaged or of another format.

    Examples:
        >>> etapromise.load("no-such-directory")
        Traceback (most recent call last):
            ...
        etapromise.errors.ModelFileError: Found no ...
    """


class CommandError(EtapromiseError):
    """A command was asked for something that it cannot do.

    Examples:
        >>> etapromise.score(model, "shipments.parquet", as_of="2025-02-01")
        Traceback (most recent call last):
            ...
        etapromise.errors.CommandError: ...
    """


class StoreError(EtapromiseError):
    """A store of past journeys is missing, damaged, of another format, or contradicts itself."""


class MissingExtraError(EtapromiseError, ImportError):
    """What was asked for needs packages that a promise alone does without.

    Examples:
        Caught like any other failed import:

        >>> issubclass(etapromise.MissingExtraError, ImportError)
        True
    """


@contextlib.contextmanager
def extra_needed() -> Iterator[None]:
    """Say which extra to install where a package of one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = _EXTRA_OF.get(package)
        if extra is None:
            raise
        raise MissingExtraError(
            f"Found {package} not installed; this needs the extra {extra!r}. "
            f"Install it: pip install 'etapromise[{extra}]'."
        ) from error


def name_meant(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known name that `name` is probably a typo of; None where it is another word.

    Args:
        likeness: how alike they must be, `difflib`'s ratio.
    """
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=likeness)
    return found[0] if found else None
