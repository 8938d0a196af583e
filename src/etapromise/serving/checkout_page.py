"""What the checkout page needs to know before anything is asked: ways, places, policies."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from etapromise.history.effects import FIELDS
from etapromise.promise.model import PromiseModel
from etapromise.promise.options.policies import load_policies

_MOST_WAYS: Final = 8
_SEPARATOR: Final = "\x1f"


def checkout_facts(model: PromiseModel | None, ways: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Options to compare, the places with the most history as examples, and the policies."""
    policies = [{"name": name, "about": policy.about} for name, policy in load_policies().items()]
    places: dict[str, str | None] = dict.fromkeys(
        ("origin", "origin_country", "destination_region", "destination_country")
    )
    if model is not None:
        lane = _best(model, "service_lane", 1)
        if lane:
            _, _, country, origin, to_country, region = lane[0]
            places |= {
                "origin": origin,
                "origin_country": country,
                "destination_region": region,
                "destination_country": to_country,
            }
        if ways is None:
            ways = [
                {"carrier": carrier, "service": service}
                for carrier, service in _best(model, "service", _MOST_WAYS)
            ]
    return {"ways": ways or [], "places": places, "policies": policies}


def _best(model: PromiseModel, level: str, count: int) -> list[tuple[str, ...]]:
    """The keys of a level with the most evidence."""
    encoder, statistics = model.parts.encoder, model.parts.statistics
    place = [each.name for each in encoder.levels].index(level)
    keys = encoder.indexes[place].keys
    start = int(statistics.total_start[place]) + 1
    evidence = statistics.total[start : start + len(keys), FIELDS.index("evidence")]
    best = np.argsort(-evidence, kind="stable")[:count]
    return [tuple(keys[row].split(_SEPARATOR)) for row in best.tolist()]
