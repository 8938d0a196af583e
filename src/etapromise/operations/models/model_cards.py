"""A model's card: what it knows, how it was made, how good it was, and what it cannot do.

After Mitchell et al. 2019, Model Cards for Model Reporting: data, quality by group, limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from etapromise.evaluation.metrics import wilson_interval
from etapromise.history.effects import FIELDS
from etapromise.operations.models.model_registry import Model, ModelRegistry, model_of
from etapromise.promise.model import PromiseModel

_SEPARATOR: Final = "\x1f"
_THIN: Final = 10.0
_WATCHED: Final = ("carrier", "service", "destination_region")
_SIDE_BY_SIDE: Final = ("event", "as_of", "trained_as_of", "trained_on", "trees", "horizon_days")


def card_of(
    model: Model, *, registry: ModelRegistry | None = None, version: str | None = None
) -> dict[str, Any]:
    """Everything worth knowing about a model, ready for JSON.

    Args:
        model: it, or the path of one, such as "models/current".
        registry: the directory of models that it came from; by default that of the path.
        version: its name there; by default that of the path.

    Returns:
        ``version``, ``event``, ``as_of``, ``trained_as_of``, ``trained_on`` (window and counts),
        ``trees``, ``horizon_days``, ``features`` (by kind), ``settings``, ``tuning`` (None where it
        was not tuned), ``quality`` (promises of the last 90 days as the calibration would have made
        them; by group: ``level``, ``group``, ``judged``, ``kept_rate`` and its interval), ``thin``
        (keys with little history), ``limits`` (sentences), ``decision`` and ``promotions``.

    Raises:
        ModelFileError: the directory is none of a model.

    Examples:
        >>> etapromise.card_of("models/current")["event"]
        'delivered'
    """
    if registry is None and not isinstance(model, PromiseModel):
        registry, version = _place_of(Path(model))
    model = model_of(model)
    manifest = model.manifest
    quality, thin = list(_quality(model)), list(_thin(model))
    return {
        "version": model.version,
        "name": version,
        "event": model.event,
        "as_of": model.as_of.isoformat(),
        "trained_as_of": manifest["trained_as_of"],
        "trained_on": manifest["trained_on"],
        "library_version": manifest["library_version"],
        "trees": manifest["trees"],
        "horizon_days": model.horizon,
        "features": _features(model),
        "settings": manifest["config"],
        "tuning": manifest.get("tuning"),
        "quality": quality,
        "thin": thin,
        "limits": _limits(model, quality, thin),
        "decision": None if registry is None else decision_about(registry, manifest),
        "promotions": [
            {"at": each.at, "why": each.why, "before": each.before}
            for each in ([] if registry is None else registry.promotions())
            if each.version == version
        ],
    }


def _place_of(path: Path) -> tuple[ModelRegistry | None, str | None]:
    """The directory of models that a model's path lies in and its version, where it is one."""
    place = path.resolve()
    registry = ModelRegistry(place.parent)
    kept = place.name in registry.versions() and bool(registry.promotions())
    return (registry, place.name) if kept else (None, None)


def compare_cards(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two cards side by side: what differs in settings and features, and quality by group.

    Returns:
        ``facts`` and ``settings`` (name → both values, where they differ), ``features`` (those of
        only one), ``quality`` (groups of both, largest change first, with ``change`` in points).

    Examples:
        >>> card = etapromise.card_of("models/current")
        >>> etapromise.compare_cards(card, card)["settings"]
        {}
    """
    cards = first, second
    features = [set().union(*card["features"].values()) for card in cards]
    ours, theirs = ({(row["level"], row["group"]): row for row in c["quality"]} for c in cards)
    quality = [
        {
            "level": level,
            "group": group,
            "kept_rate": [one["kept_rate"], other["kept_rate"]],
            "judged": [one["judged"], other["judged"]],
            "change": 100 * (other["kept_rate"] - one["kept_rate"]),
        }
        for (level, group), one in sorted(ours.items())
        if (other := theirs.get((level, group))) is not None
    ]
    return {
        "versions": [card["name"] or card["version"] for card in cards],
        "facts": _differing(*({name: card[name] for name in _SIDE_BY_SIDE} for card in cards)),
        "settings": _differing(*(_flat(card["settings"]) for card in cards)),
        "features": {
            "only_in_first": sorted(features[0] - features[1]),
            "only_in_second": sorted(features[1] - features[0]),
        },
        "quality": sorted(quality, key=lambda row: (-abs(row["change"]), row["group"])),
    }


def _differing(first: dict[str, Any], second: dict[str, Any]) -> dict[str, list[Any]]:
    pairs = {name: [first.get(name), second.get(name)] for name in (*first, *second)}
    return {name: pair for name, pair in sorted(pairs.items()) if pair[0] != pair[1]}


def decision_about(registry: ModelRegistry, manifest: Any) -> dict[str, Any] | None:
    """The record of the retraining that a model's trees came from, None where there is none."""
    for path in sorted((registry.root / "decisions").glob("*.json"), reverse=True):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            made = record["challenger"]["trained_as_of"]
            kept = record["challenger"].get("version") is not None
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not one of ours
        if kept and made == manifest["trained_as_of"]:
            told = {name: record[name] for name in ("outcome", "reasons", "checks")}
            return {"path": str(path)} | told
    return None


def _quality(model: PromiseModel) -> Iterator[dict[str, Any]]:
    kept = model.parts.kept
    for position, level in enumerate(kept.levels):
        index = model.parts.encoder.indexes[int(kept.columns[position])]
        for row, key in enumerate(index.keys, start=1):
            place = int(kept.starts[position]) + row
            judged, good = int(kept.orders[place]), int(kept.kept[place])
            if judged:
                low, high = map(float, wilson_interval(good, judged))
                group = {"level": level, "group": _spoken(key), "service_level": kept.service_level}
                yield (
                    group
                    | {"judged": judged, "kept_rate": good / judged}
                    | {"kept_low": low, "kept_high": high}
                )


def _thin(model: PromiseModel) -> Iterator[dict[str, Any]]:
    encoder, statistics = model.parts.encoder, model.parts.statistics
    evidence = statistics.total[:, FIELDS.index("evidence")]
    for position, level in enumerate(encoder.levels):
        if level.name in _WATCHED:
            start = int(statistics.total_start[position])
            for row, key in enumerate(encoder.indexes[position].keys, start=1):
                known = float(evidence[start + row])
                if known < _THIN:
                    yield {"level": level.name, "group": _spoken(key), "evidence": known}


def _features(model: PromiseModel) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in model.parts.contract.names:
        kind, _, rest = name.partition(":")
        found.setdefault(kind, []).append(rest)
    return found


def _limits(
    model: PromiseModel, quality: list[dict[str, Any]], thin: list[dict[str, Any]]
) -> list[str]:
    known = model.as_of.isoformat()[:16]
    told = [
        f"Its dates lie at most {model.horizon - 1} days after the order's; longer counts as lost.",
        f"It knows what was received before {known}; refresh daily, after two weeks it is stale.",
        "Carriers, services and places that it has never seen get wider promises and a message.",
    ]
    short = [row for row in quality if row["judged"] >= 50 and row["kept_high"] < 0.9]
    if short:
        worst = min(short, key=lambda row: row["kept_high"])
        told.append(
            f"{len(short)} groups fell short of 90 % recently, worst {worst['group']} "
            f"({100 * worst['kept_rate']:.1f} % of {worst['judged']:,})."
        )
    thin = [row for row in thin if row["group"].strip("\u2013 ")]  # a column that is always empty
    if thin:
        named = ", ".join(row["group"] for row in thin[:5])
        more = f" and {len(thin) - 5} more" if len(thin) > 5 else ""
        told.append(f"There is little history of {named}{more}.")
    if not any(name.startswith("total:carrier") for name in model.parts.contract.names):
        told.append("It does not tell carriers apart: there was only one, or none was named.")
    return told


def _spoken(key: str) -> str:
    return " · ".join(part or "–" for part in key.split(_SEPARATOR)) or "all"  # noqa: RUF001


def _flat(values: Any, before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found
