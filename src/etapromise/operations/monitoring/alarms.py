"""From what was measured to alarms: which threshold was crossed, by whom, how far, and why.

A feed that went wrong makes many measures look wrong: alarms are grouped by what is behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scipy.special import ndtr, ndtri

from etapromise.operations.feed_checks import (
    FEED_CHECKS,
    MANY_AT_NIGHT,
    FeedFault,
    feed_faults,
    marked_as_utc_text,
)
from etapromise.operations.monitoring.thresholds import Thresholds

# So unlikely that a carrier with thousands of quiet hours behind it raises none by luck.
_NO_LUCK: Final = 1e-4
# A holiday that nobody knew of is over by then.
_STEEP_DAYS: Final = 3
# Earlier kinds explain later ones, never the other way round: what the feed did not tell cannot
# have been delivered in time, and what is delivered late breaks promises and bends calibrations.
_FEED: Final = (
    "no_orders",
    "no_scans",
    "silent_carrier",
    "unreadable_codes",
    "wrong_clock",
    "rejected_scans",
)
_NETWORK: Final = ("deliveries_behind",)
_UPKEEP: Final = ("stale_statistics", "old_model")
_ORDER: Final = (*_FEED, *_NETWORK, *_UPKEEP)
_FOLLOWS: Final = {
    **{key: {*_FEED, *_NETWORK, "promises_broken", "calibration", "churn"} for key in _FEED},
    **{key: {*_NETWORK, "promises_broken", "calibration", "churn"} for key in _NETWORK},
    "no_scans": {*_FEED, *_NETWORK, "promises_broken", "calibration", "churn"} - {"no_orders"},
    "stale_statistics": {"promises_broken", "calibration", "old_model"},
    "old_model": {"promises_broken", "calibration"},
}


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One threshold that was crossed.

    Attributes:
        name: Machine-readable.
        group: Of whom, such as ``carrier acme``; empty where it is the whole.
        value: What was found.
        threshold: What was allowed.
        reason: A sentence with both.
    """

    name: str
    group: str
    value: float
    threshold: float
    reason: str


def alarms_of(facts: dict[str, Any], limits: Thresholds) -> list[Alarm]:
    """Every alarm in the facts of a monitoring, the most urgent kinds first."""
    return [
        *_dead(facts),
        *_quiet(facts, limits),
        *_silent(facts, limits),
        *_unreadable(facts, limits),
        *_feed(facts, limits),
        *_local_as_utc(facts),
        *_behind(facts, limits),
        *_kept(facts, limits),
        *_calibration(facts, limits),
        *_churn(facts, limits),
        *_drift(facts, limits),
        *_old(facts, limits),
    ]


def group_alarms(alarms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Alarms by cause, the cause first.

    A cause explains what can follow from it and concerns the same carrier, or the whole, or any
    group that is no carrier (a region, a week), which mixes all carriers' parcels. What no other
    alarm explains is a cause of its own.

    Args:
        alarms: (n,) each with `name` and `group`, such as ``carrier acme``; as in ``monitor.json``.

    Returns:
        (m,) each an alarm with `follows`, the alarms that it explains, in their order; the kinds
        that explain most first. Every alarm stands in it once.
    """
    rank = {name: place for place, name in enumerate(_ORDER)}
    by_cause = sorted(alarms, key=lambda alarm: rank.get(alarm["name"], len(rank)))
    causes: list[dict[str, Any]] = []
    for alarm in by_cause:
        for cause in causes:
            if alarm["name"] in _FOLLOWS.get(cause["name"], ()) and _concerns(cause, alarm):
                cause["follows"].append(alarm)
                break
        else:
            causes.append({**alarm, "follows": []})
    return causes


def _concerns(cause: Mapping[str, Any], alarm: Mapping[str, Any]) -> bool:
    carrier, other = _carrier(cause["group"]), _carrier(alarm["group"])
    if carrier is None or other is None:
        return True
    # A service's group is the carrier's name and the service behind it.
    return other == carrier or other.startswith(f"{carrier} ")


def _carrier(group: str) -> str | None:
    """The carrier (and service) that a group is about; None for regions, weeks and the whole."""
    for kind in ("carrier ", "service of "):
        if group.startswith(kind):
            return group.removeprefix(kind)
    return None


def _dead(facts: dict[str, Any]) -> Iterator[Alarm]:
    idle, days = facts["data"]["idle_days"], facts["config"]["days"]
    if idle >= days:
        yield Alarm(
            name="no_orders",
            group="",
            value=idle,
            threshold=days,
            reason=(
                f"the newest order came {idle:,} days ago, none in the {days} days that are looked "
                f"at; looked at were the {days} days before it"
            ),
        )


def _quiet(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    days = facts["data"]["quiet_days"]
    if days > limits.quiet_days:
        yield Alarm(
            name="no_scans",
            group="",
            value=days,
            threshold=limits.quiet_days,
            reason=(
                f"no carrier has sent a scan for {days:.1f} days; promises and deliveries are "
                "judged until then"
            ),
        )


def _silent(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for row in facts["scan_flow"]["received"]:
        share = row["received"] / row["usual"] if row["usual"] else 1.0
        if share < limits.silent_share and row["luck"] < _NO_LUCK:
            yield Alarm(
                name="silent_carrier",
                group=f"carrier {row['carrier']}",
                value=share,
                threshold=limits.silent_share,
                reason=f"{row['carrier']} sent {row['received']} scans in the last 48 hours where "
                f"{row['usual']:.0f} are usual; the last came "
                f"{row['hours_since_last']:.0f} hours ago",
            )


def _unreadable(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for row in facts["scan_flow"]["unreadable"]:
        if row["share"] > limits.unreadable_share:
            codes = ", ".join(row["codes"][:3])
            seen = "never seen before" if row["new"] else "not in its vocabulary"
            yield Alarm(
                name="unreadable_codes",
                group=f"carrier {row['carrier']}",
                value=row["share"],
                threshold=limits.unreadable_share,
                reason=f"{row['scans']:,} scans of {row['carrier']} ({100 * row['share']:.1f} %) "
                f"carry codes {seen} ({row['vocabulary']}: {codes}), first received "
                f"{row['first_received'][:16]}",
            )


def _feed(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    """Of each carrier, what its clocks say in one alarm, and its rejected scans in another."""
    flow = facts["scan_flow"]
    found: dict[tuple[str, str], list[FeedFault]] = {}
    for fault in feed_faults(flow["clocks"], flow["rejected"], limits):
        name = "rejected_scans" if fault.check == "rejected_scans" else "wrong_clock"
        found.setdefault((name, str(fault.row["carrier"])), []).append(fault)
    # What the clocks say comes first.
    for (name, carrier), faults in sorted(found.items(), reverse=True, key=lambda one: one[0][0]):
        reason = "; ".join(f"{FEED_CHECKS[one.check]}: {one.text}" for one in faults)
        if name == "rejected_scans":
            kinds = list(faults[0].row["reasons"].items())[:3]
            reason += f" ({', '.join(f'{why} {count:,}' for why, count in kinds)})"
        yield Alarm(
            name=name,
            group=f"carrier {carrier}",
            value=faults[0].moved,
            threshold=faults[0].allowed,
            reason=f"{carrier}: {reason}",
        )


def _local_as_utc(facts: dict[str, Any]) -> Iterator[Alarm]:
    """Feeds whose clock was wrong from the first day on: there is no shift to see."""
    for row in facts["scan_flow"]["marked_as_utc"]:
        yield Alarm(
            name="wrong_clock",
            group=f"carrier {row['carrier']}",
            value=row["night_share"],
            threshold=MANY_AT_NIGHT,
            reason=marked_as_utc_text(row),
        )


def _among(deviations: float, groups: int) -> float:
    """What is as unlikely for any of several groups as such deviations for one (Bonferroni)."""
    return float(-ndtri(ndtr(-deviations) / max(groups, 1)))


def _behind(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for kind, rows in facts["deliveries"].items():
        unlikely = _among(limits.steep_deviations, len(rows))
        for row in rows:
            slow = row["ratio"] < limits.behind_ratio
            steep = row["ratio"] < limits.steep_ratio and row["days"] >= _STEEP_DAYS
            if (slow and row["deviations"] < -limits.behind_deviations) or (
                steep and row["deviations"] < -unlikely
            ):
                yield Alarm(
                    name="deliveries_behind",
                    group=f"{_spoken(kind)} {row['group']}",
                    value=row["ratio"],
                    threshold=limits.behind_ratio,
                    reason=f"{row['group']} delivered {row['observed']:,} parcels from "
                    f"{row['from']} to {row['to']} where {row['expected']:.0f} were forecast: "
                    f"it is slower than its history ({row['deviations']:.1f} usual deviations)",
                )


def _kept(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    promises = facts["promises"]
    sets = [("", promises["overall"], limits.kept_short)]
    for kind, rows in promises["by"].items():
        allowed = limits.kept_short if kind in {"month", "week"} else limits.group_short
        sets += [(f"{_spoken(kind)} {row['group']}", row, allowed) for row in rows]
    for group, row, allowed in sets:
        if row["judged"] < limits.least_judged or row["mean_confidence"] is None:
            continue
        if row["kept_high"] < row["mean_confidence"] - allowed:
            yield Alarm(
                name="promises_broken",
                group=group,
                value=row["gap"],
                threshold=-allowed,
                reason=f"{group or 'all'}: promises were kept {100 * row['kept_rate']:.1f} % "
                f"of the time and stated {100 * row['mean_confidence']:.1f} % "
                f"({row['judged']:,} judged)",
            )


def _calibration(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    found = facts["calibration"]
    if found["distance"] is None or found["forecast"] < limits.least_judged:
        return
    if found["distance"] > limits.calibration + found["by_luck"]:
        yield Alarm(
            name="calibration",
            group="",
            value=found["distance"],
            threshold=limits.calibration,
            reason=f"the forecast is off: its probabilities miss what happened by up to "
            f"{100 * found['distance']:.1f} points, by luck {100 * found['by_luck']:.1f}",
        )


def _churn(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for row in facts["churn"][-1:]:
        if abs(row["mean_days"]) > limits.mean_shift or row["far_share"] > limits.far_share:
            yield Alarm(
                name="churn",
                group=f"version {row['version']}",
                value=row["mean_days"],
                threshold=limits.mean_shift,
                reason=f"version {row['version']} moves the dates of the latest {row['orders']:,} "
                f"orders by {row['mean_days']:+.2f} days on average and "
                f"{100 * row['far_share']:.1f} % of them by more than three, against "
                f"{row['before']}",
            )


def _drift(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for row in facts["drift"]:
        if row["index"] > limits.psi + row["by_luck"]:
            moved = row["moved"]
            yield Alarm(
                name="input_drift",
                group=row["input"],
                value=row["index"],
                threshold=limits.psi,
                reason=f"orders are of another kind by {row['input']} (stability index "
                f"{row['index']:.2f}): {moved['value']} is {100 * moved['share']:.1f} % of "
                f"them, before {100 * moved['share_before']:.1f} %",
            )
    for row in facts["fallbacks"]:
        if row["fallback"].startswith(("code", "zone")) or row["share_before"] is None:
            continue
        more = row["share"] - row["share_before"]
        if more > limits.fallback_more:
            yield Alarm(
                name="fallback",
                group=row["fallback"],
                value=row["share"],
                threshold=row["share_before"] + limits.fallback_more,
                reason=f"{100 * row['share']:.1f} % of the latest orders have {row['fallback']}, "
                f"before {100 * row['share_before']:.1f} %: they lean on coarser history",
            )


def _old(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    model = facts["model"]
    for name, days, allowed, told in (
        ("stale_statistics", model["refresh_age_days"], limits.refresh_age_days, "refreshed"),
        ("old_model", model["training_age_days"], limits.training_age_days, "trained"),
    ):
        if days > allowed:
            yield Alarm(
                name=name,
                group="",
                value=days,
                threshold=allowed,
                reason=f"the model was last {told} {days:.1f} days ago, allowed are {allowed:g}",
            )


def _spoken(kind: str) -> str:
    return {
        "lane_group": "lane",
        "destination_region": "region",
        "carrier_service": "service of",
    }.get(kind, kind)
