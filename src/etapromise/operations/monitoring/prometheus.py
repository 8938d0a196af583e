"""What was found in Prometheus' text exposition format, for its node exporter's text collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Samples = Iterable[tuple[Mapping[str, str], float | int | None]]


def prometheus_text(facts: dict[str, Any]) -> str:
    """Gauges, one family after another; what was not measured is left out."""
    promises, calibration = facts["promises"], facts["calibration"]
    sets: list[tuple[dict[str, str], dict[str, Any]]] = [
        ({"by": "all", "group": ""}, promises["overall"])
    ]
    sets += [
        ({"by": kind, "group": row["group"]}, row)
        for kind, rows in promises["by"].items()
        if kind not in {"month", "week"}  # a date as a label is a new series for ever
        for row in rows
    ]

    def of(name: str) -> Samples:
        return [(labels, row[name]) for labels, row in sets]

    flow = facts["scan_flow"]
    families: list[tuple[str, str, Samples]] = [
        ("kept_ratio", "Promises kept among those whose day has run out.", of("kept_rate")),
        ("kept_ratio_low", "Lower end of its 95 % interval.", of("kept_low")),
        ("kept_ratio_high", "Upper end of its 95 % interval.", of("kept_high")),
        ("stated_ratio", "Mean confidence stated of them.", of("mean_confidence")),
        ("promises_judged", "Promises whose day has run out.", of("judged")),
        ("buffer_days", "Mean days from delivery to the promised date.", of("buffer_days")),
        ("service_level", "What was asked for.", [({}, facts["config"]["service_level"])]),
        (
            "calibration_distance",
            "Largest distance of the PIT from the uniform distribution.",
            [({}, calibration["distance"])],
        ),
        (
            "crps_days",
            "Mean ranked probability score.",
            [({}, calibration["crps_days"])],
        ),
        (
            "deliveries_ratio",
            "Deliveries against what was forecast for the same days.",
            [
                ({"by": kind, "group": row["group"]}, row["ratio"])
                for kind, rows in facts["deliveries"].items()
                for row in rows
            ],
        ),
        (
            "scans_received",
            "Scans received in the last 48 hours.",
            [({"carrier": row["carrier"]}, row["received"]) for row in flow["received"]],
        ),
        (
            "scans_rejected_ratio",
            "Share of the latest scans that was rejected.",
            [({"carrier": row["carrier"]}, row["share"]) for row in flow["rejected"]],
        ),
        (
            "scan_lag_shift_hours",
            "By how much the usual time from scan to receipt moved.",
            [({"carrier": row["carrier"]}, row["lag_hours"]) for row in flow["clocks"]],
        ),
        (
            "input_stability_index",
            "Population stability index of the latest orders.",
            [({"input": row["input"]}, row["index"]) for row in facts["drift"]],
        ),
        (
            "fallback_ratio",
            "Share of the latest orders that lean on coarser history.",
            [({"fallback": row["fallback"]}, row["share"]) for row in facts["fallbacks"]],
        ),
        (
            "churn_days",
            "Mean days by which the latest version moved the dates of the latest orders.",
            [({}, row["mean_days"]) for row in facts["churn"][-1:]],
        ),
        (
            "refresh_age_days",
            "Age of the statistics.",
            [({}, facts["model"]["refresh_age_days"])],
        ),
        (
            "training_age_days",
            "Age of the trees.",
            [({}, facts["model"]["training_age_days"])],
        ),
        ("alarms", "Thresholds crossed.", [({}, len(facts["alarms"]))]),
        (
            "alarm",
            "1 for each threshold crossed.",
            [
                ({"name": row["name"], "group": _undated(row["group"])}, 1)
                for row in facts["alarms"]
            ],
        ),
    ]
    whose = {"market": facts["model"]["market"], "model": facts["model"]["name"]}
    lines = []
    for name, help_text, samples in families:
        told = {
            _labels(whose | dict(labels)): value for labels, value in samples if value is not None
        }
        if told:
            lines += [f"# HELP etapromise_{name} {help_text}", f"# TYPE etapromise_{name} gauge"]
            lines += [f"etapromise_{name}{labels} {value:.10g}" for labels, value in told.items()]
    return "\n".join(lines) + "\n"


def _undated(group: str) -> str:
    """The kind alone of a group that is a time: ``week``, ``month`` or ``version``."""
    kind = group.partition(" ")[0]
    return kind if kind in {"week", "month", "version"} else group


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
