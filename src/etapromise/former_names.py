"""What was called otherwise before, and still works: it says what it is called now."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any


def former_name(former: str, name: str) -> Callable[[Any], dict[str, Any]]:
    """A method under its name of before."""

    def called(self: Any) -> dict[str, Any]:
        _warn(f"{former}() is called {name}() now.", stacklevel=3)
        found: dict[str, Any] = getattr(self, name)()
        return found

    return called


def with_stage(progress: Callable[..., None]) -> Callable[[str, int, int], None]:
    """`progress` as `train` tells it; one of two arguments, as `score` told them, is told two."""
    try:
        inspect.signature(progress).bind("scoring", 0, 1)
    except TypeError:
        _warn("progress= is told the stage too, before the two numbers.", stacklevel=5)
        return lambda _, done, most: progress(done, most)
    except ValueError:  # compiled, and says nothing of what it takes
        pass
    return progress


def present_engine(engine: str) -> str:
    """The name of an engine; processes of this machine were Dask's before."""
    if not engine.startswith("dask://local/"):
        return engine
    present = engine.removeprefix("dask://")
    _warn(f"engine={engine!r} is called {present!r} now.", stacklevel=6)
    return present


def _warn(text: str, *, stacklevel: int) -> None:
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
