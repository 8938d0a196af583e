"""What was found in Prometheus' text exposition format, for its node exporter's text collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Samples = Iterable[tuple[Mapping[str, str], float | int | None]]

_ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP: Final = {
    "kept_ratio": "Promises kept among those whose day has run out.",
    "kept_ratio_low": "Lower end of its 95 % interval.",
    "kept_ratio_high": "Upper end of its 95 % interval.",
    "stated_ratio": "Mean confidence stated of them.",
    "promises_judged": "Promises whose day has run out.",
    "buffer_days": "Mean days from delivery to the promised date.",
    "service_level": "What was asked for.",
    "calibration_distance": "Largest distance of the PIT from the uniform distribution.",
    "crps_days": "Mean ranked probability score.",
    "deliveries_ratio": "Deliveries against what was forecast for the same days.",
    "scans_received": "Scans received in the last 48 hours.",
    "scans_rejected_ratio": "Share of the latest scans that was rejected.",
    "scan_lag_shift_hours": "By how much the usual time from scan to receipt moved.",
    "input_stability_index": "Population stability index of the latest orders.",
    "fallback_ratio": "Share of the latest orders that lean on coarser history.",
    "churn_days": "Mean days by which the latest version moved the dates of the latest orders.",
    "refresh_age_days": "Age of the statistics.",
    "training_age_days": "Age of the trees.",
    "alarms": "Thresholds crossed.",
    "alarm": "1 for each threshold crossed.",
    "alarms_new": "Of these, new or clearly worse since they were told.",
}
_OF_PROMISES: Final = {
    "kept_ratio": "kept_rate",
    "kept_ratio_low": "kept_low",
    "kept_ratio_high": "kept_high",
    "stated_ratio": "mean_confidence",
    "promises_judged": "judged",
    "buffer_days": "buffer_days",
}


def prometheus_text(facts: dict[str, Any]) -> str:
    """Gauges, one family after another; what was not measured is left out."""
    whose = {"market": facts["model"]["market"], "model": facts["model"]["name"]}
    lines = []
    for name, samples in _families(facts):
        values = {}
        for labels, value in samples:
            told = (
                f'{key}="{text.translate(_ESCAPED)}"' for key, text in {**whose, **labels}.items()
            )
            if value is not None:
                values[",".join(told)] = value
        if values:
            lines += [f"# HELP etapromise_{name} {_HELP[name]}", f"# TYPE etapromise_{name} gauge"]
            lines += [f"etapromise_{name}{{{own}}} {value:.10g}" for own, value in values.items()]
    return "\n".join(lines) + "\n"


def _families(facts: dict[str, Any]) -> Iterator[tuple[str, Samples]]:
    promises, flow, model = facts["promises"], facts["scan_flow"], facts["model"]
    groups = [({"by": "all", "group": ""}, promises["overall"])]
    groups += [
        ({"by": kind, "group": row["group"]}, row)
        for kind, rows in promises["by"].items()
        if kind not in {"month", "week"}  # a date as a label is a new series for ever
        for row in rows
    ]
    for name, field in _OF_PROMISES.items():
        yield name, [(labels, row[field]) for labels, row in groups]
    yield "service_level", [({}, facts["config"]["service_level"])]
    yield "calibration_distance", [({}, facts["calibration"]["distance"])]
    yield "crps_days", [({}, facts["calibration"]["crps_days"])]
    deliveries = [(kind, row) for kind, rows in facts["deliveries"].items() for row in rows]
    yield (
        "deliveries_ratio",
        [({"by": kind, "group": row["group"]}, row["ratio"]) for kind, row in deliveries],
    )
    for name, rows, label, field in (
        ("scans_received", flow["received"], "carrier", "received"),
        ("scans_rejected_ratio", flow["rejected"], "carrier", "share"),
        ("scan_lag_shift_hours", flow["clocks"], "carrier", "lag_hours"),
        ("input_stability_index", facts["drift"], "input", "index"),
        ("fallback_ratio", facts["fallbacks"], "fallback", "share"),
    ):
        yield name, [({label: row[label]}, row[field]) for row in rows]
    yield "churn_days", [({}, row["mean_days"]) for row in facts["churn"][-1:]]
    yield "refresh_age_days", [({}, model["refresh_age_days"])]
    yield "training_age_days", [({}, model["training_age_days"])]
    alarms = [{"name": row["name"], "group": _undated(row["group"])} for row in facts["alarms"]]
    yield "alarms", [({}, len(alarms))]
    yield "alarms_new", [({}, sum(row["news"] for row in facts["alarms"]))]
    yield "alarm", [(labels, 1) for labels in alarms]


def _undated(group: str) -> str:
    """The kind alone of a group that is a ``version``, which has a date."""
    return "version" if group.startswith("version ") else group
