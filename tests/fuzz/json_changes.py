"""JSON with a value somewhere made odd, which gets further than bytes that are changed."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

ODD_PLAIN = (
    *(None, True, -1, 0, 1, 2**70, 10**400, 1e308, -1e-9, "", "x" * 300, "\x1f", "\ud800", [], {}),
    *([[]], [1], ["a", "a"], {"": None}, "2025-13-01", "nan", "../x", 20_000, 4_000_000_000),
)


def changed_plain(values: Any, rng: np.random.Generator) -> str:
    """Change one value somewhere in JSON, in place."""
    place, path = values, []
    while True:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not names:
            return "nothing"
        name = names[rng.integers(len(names))]
        path.append(str(name)[:40])
        inner = place[name]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            place = inner
            continue
        break
    how = str(rng.choice(["odd", "odd", "odd", "remove", "double", "other", "deep"]))
    if how == "remove":
        del place[name]
    elif how == "double" and isinstance(place, list):
        place.append(inner)
    elif how == "other":
        place[name] = place[names[rng.integers(len(names))]]
    elif how == "deep":
        place[name] = json.loads("[" * 900 + "]" * 900)
    else:
        place[name] = copy.deepcopy(ODD_PLAIN[rng.integers(len(ODD_PLAIN))])
        how = f"{how} {str(place[name])[:20]!r}"
    return f"{'.'.join(path)}: {how}"
