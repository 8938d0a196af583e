"""What callers hand in is of the kind that a function takes, or refused before it begins."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from operator import index
from typing import Any, Final, ParamSpec, SupportsIndex, TypeVar

from etapromise.errors import ContractError, name_meant

P = ParamSpec("P")
_T = TypeVar("_T")
Check = Callable[[str, object], object]


def require_path(name: str, value: object) -> None:
    """Raises: ContractError: `value` cannot be the path of anything."""
    found = value
    if isinstance(value, os.PathLike):
        found = os.fspath(value)
    if not isinstance(found, str) or not found or "\0" in found:
        raise ContractError(
            f"Found {name}={value!r}; expected a path, such as 'models/current'. Give it as a text "
            "or as a pathlib.Path."
        )


def require_many(name: str, value: object) -> None:
    """Raises: ContractError: `value` is no list of things, but one of them, or nothing."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ContractError(
            f"Found {name}={value!r}; expected a list of {name}, even of one. Put it in brackets."
        )


def require_at_least(owner: object, least: float, *names: str, most: float = math.inf) -> None:
    """Raises: ContractError: a setting of these names is less, more or no number."""
    for name in names:
        value = getattr(owner, name)
        if not least <= value <= most:
            raise ContractError(f"Found {name}={value!r}; expected at least {least:g}.")


def require_shares(**shares: float) -> None:
    """Raises: ContractError: one of them is not strictly between 0 and 1."""
    for name, value in shares.items():
        if not 0 < value < 1:
            raise ContractError(f"Found {name}={value!r}; expected one strictly between 0 and 1.")


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str | os.PathLike):
        raise ContractError(f"Found {name}={value!r}; expected a text. Give its name as one.")


def _require_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or index(value) < 1:
        raise ContractError(f"Found {name}={value!r}; expected a whole number, at least 1.")


def _require_function(name: str, value: object) -> None:
    if not callable(value):
        raise ContractError(
            f"Found {name}={value!r}; expected a function that is called with news."
        )


# The same word is the same thing wherever it is an argument.
_CHECKS: Final[Mapping[str, Check]] = {
    **dict.fromkeys(("models", "state", "out", "store", "directory", "verify"), require_path),
    "sign_key": require_path,
    **dict.fromkeys(("naive_time_zone", "default_time_zone", "engine"), _require_text),
    **dict.fromkeys(("progress", "log"), _require_function),
    **dict.fromkeys(
        ("smallest_group", "jobs", "buckets", "keep_scans_days", "commit"), _require_count
    ),
}


def kinds_checked(**classes: type) -> Callable[[Callable[P, _T]], Callable[P, _T]]:
    """Have a function check the kinds of what it is given, before it does anything.

    Arguments that are left at a default of None may be None.

    Args:
        **classes: of arguments that are objects of one class.
    """

    def checked(function: Callable[P, _T]) -> Callable[P, _T]:
        signature = inspect.signature(function)
        optional = {name for name, one in signature.parameters.items() if one.default is None}
        takes_all = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
        looked_at = signature.parameters.keys() & (_CHECKS.keys() | classes.keys())

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> _T:
            unknown = next((one for one in kwargs if one not in signature.parameters), None)
            if unknown is not None and not takes_all:
                near = name_meant(unknown, signature.parameters)
                meant = f" Did you mean {near!r}?" if near else ""
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument {unknown!r}.{meant}"
                )
            given: Mapping[str, Any] = signature.bind_partial(*args, **kwargs).arguments
            for name in looked_at & given.keys():
                value = given[name]
                if value is None and name in optional:
                    continue
                if name not in classes:
                    _CHECKS[name](name, value)
                elif not isinstance(value, classes[name]):
                    kind = classes[name].__name__
                    raise ContractError(
                        f"Found {name}={value!r}; expected a {kind}. Make one: {kind}(…)."
                    )
            return function(*args, **kwargs)

        return call

    return checked
