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
ROOTS: Final = (*_FEED, *_NETWORK)
"""Kinds that begin something, whatever they may follow from."""
_UPKEEP: Final = ("stale_statistics", "old_model")
_ORDER: Final = (*ROOTS, *_UPKEEP)
_FOLLOWS: Final = {
    **{key: {*_FEED, *_NETWORK, "promises_broken", "calibration", "churn"} for key in _FEED},
    **{key: {*_NETWORK, "promises_broken", "calibration", "churn"} for key in _NETWORK},
    "no_scans": {*_FEED, *_NETWORK, "promises_broken", "calibration", "churn"} - {"no_orders"},
    "stale_statistics": {"promises_broken", "calibration", "old_model"},
    "old_model": {"promises_broken", "calibration"},
    "promises_broken": {"promises_broken", "calibration"},
}


@dataclass(frozen=True)
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
    kinds = (_ended, _scans, _feed, _behind, _kept, _calibration, _churn, _drift, _old)
    return [alarm for kind in kinds for alarm in kind(facts, limits)]


def group_alarms(alarms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Alarms by cause, the cause first.

    A cause explains what can follow from it and concerns the same carrier, or the whole, or any
    group that is no carrier (a region), which mixes all carriers' parcels; a region explains its
    lanes and no other region. What no other alarm explains is a cause of its own.

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
            follows = alarm["name"] in _FOLLOWS.get(cause["name"], ())
            if follows and _concerns(cause["group"], alarm["group"]):
                cause["follows"].append(alarm)
                break
        else:
            causes.append({**alarm, "follows": []})
    return causes


def _concerns(group: str, other: str) -> bool:
    """Whether what holds of a group may be seen in another."""
    carrier, theirs = _carrier(group), _carrier(other)
    if carrier is not None and theirs is not None:
        # A service's group is the carrier's name and the service behind it.
        return f"{theirs} ".startswith(f"{carrier} ")
    places = [
        {*name.partition(" ")[2].split(" → ")}
        for name in (group, other)
        if name.startswith(("region ", "lane "))
    ]
    return len(places) < 2 or places[0] <= places[1]


def _carrier(group: str) -> str | None:
    """The carrier (and service) that a group is about; None for places and the whole."""
    for kind in ("carrier ", "service of "):
        if group.startswith(kind):
            return group.removeprefix(kind)
    return None


def _ended(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    """Orders, or scans of anybody, that come no more."""
    idle, days, quiet = facts["data"]["idle_days"], facts["config"]["days"], limits.quiet_days
    if idle >= days:
        reason = (
            f"the newest order came {idle:,} days ago, none in the {days} days that are looked "
            f"at; looked at were the {days} days before it"
        )
        yield Alarm("no_orders", "", idle, days, reason)
    since = facts["data"]["quiet_days"]
    if since > quiet:
        reason = (
            f"no carrier has sent a scan for {since:.1f} days; promises and deliveries are "
            "judged until then"
        )
        yield Alarm("no_scans", "", since, quiet, reason)


def _scans(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    """Carriers that have gone silent, or whose codes nobody can read."""
    for row in facts["scan_flow"]["received"]:
        share = row["received"] / row["usual"] if row["usual"] else 1.0
        if share < limits.silent_share and row["luck"] < _NO_LUCK:
            hours = row["hours_since_last"]
            ago = f"{hours:.0f} hours" if hours < 96 else f"{hours / 24:.0f} days"
            looked_at = "the last 48 hours"
            if row["hours"] < 48:
                looked_at = f"those {row['hours']} of the last 48 hours that were no holiday"
            reason = (
                f"{row['carrier']} sent {row['received']} scans in {looked_at} where "
                f"{row['usual']:.0f} are usual; the last came {ago} ago"
            )
            group = f"carrier {row['carrier']}"
            yield Alarm("silent_carrier", group, share, limits.silent_share, reason)
    for row in facts["scan_flow"]["unreadable"]:
        if row["share"] > limits.unreadable_share:
            seen = "never seen before" if row["new"] else "not in its vocabulary"
            reason = (
                f"{row['scans']:,} scans of {row['carrier']} ({100 * row['share']:.1f} %) "
                f"carry codes {seen} ({row['vocabulary']}: {', '.join(row['codes'][:3])}), first "
                f"received {row['first_received'][:16]}"
            )
            group = f"carrier {row['carrier']}"
            yield Alarm("unreadable_codes", group, row["share"], limits.unreadable_share, reason)


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
        group, first = f"carrier {carrier}", faults[0]
        yield Alarm(name, group, first.moved, first.allowed, f"{carrier}: {reason}")
    # Feeds whose clock was wrong from the first day on: there is no shift to see.
    for row in flow["marked_as_utc"]:
        group, reason = f"carrier {row['carrier']}", marked_as_utc_text(row)
        yield Alarm("wrong_clock", group, row["night_share"], MANY_AT_NIGHT, reason)


def _behind(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for kind, rows in facts["deliveries"].items():
        # As unlikely for any of several groups as such deviations for one (Bonferroni).
        unlikely = float(-ndtri(ndtr(-limits.steep_deviations) / max(len(rows), 1)))
        for row in rows:
            slow = row["ratio"] < limits.behind_ratio
            steep = row["ratio"] < limits.steep_ratio and row["days"] >= _STEEP_DAYS
            if (slow and row["deviations"] < -limits.behind_deviations) or (
                steep and row["deviations"] < -unlikely
            ):
                reason = (
                    f"{row['group']} delivered {row['observed']:,} parcels from "
                    f"{row['from']} to {row['to']} where {row['expected']:.0f} were forecast: "
                    f"it is slower than its history ({row['deviations']:.1f} usual deviations)"
                )
                group = f"{_spoken(kind)} {row['group']}"
                yield Alarm("deliveries_behind", group, row["ratio"], limits.behind_ratio, reason)


def _kept(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    """Sets that fall short by too much in the latest days or a longer time, and still do.

    What is over again tells nobody what to do today (windows of two lengths: Beyer et
    al. 2018, The Site Reliability Workbook, ch. 5).
    """
    promises, days = facts["promises"], facts["config"]["days"]
    windows = [(f"due in the last {part['days']} days", _sets(part)) for part in promises["due"]]
    windows.append((f"ordered in the last {days} days", _sets(promises)))
    lately = windows[0][1]
    for group in windows[-1][1]:
        allowed = limits.group_short if group else limits.kept_short
        latest = lately.get(group)
        if latest and latest["judged"] and not _short(latest):
            continue
        for when, sets in windows:
            row = sets.get(group)
            if row and row["judged"] >= limits.least_judged and _short(row, allowed):
                reason = (
                    f"{group or 'all'}: promises were kept {100 * row['kept_rate']:.1f} % of the "
                    f"time and stated {100 * row['mean_confidence']:.1f} % ({row['judged']:,} "
                    f"judged, {when})"
                )
                yield Alarm("promises_broken", group, row["gap"], -allowed, reason)
                break


def _sets(part: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Carriers first, then their services and the whole, which mixes them, then places."""
    found: dict[str, dict[str, Any]] = {}
    for kind, rows in part["by"].items():
        if kind in {"month", "week"}:
            continue
        if not kind.startswith("carrier"):
            found.setdefault("", part["overall"])
        found |= {f"{_spoken(kind)} {row['group']}": row for row in rows}
    return found


def _short(row: Mapping[str, Any], allowed: float = 0.0) -> bool:
    stated = row["mean_confidence"]
    return stated is not None and bool(row["kept_high"] < stated - allowed)


def _calibration(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    found, lately = facts["calibration"], facts["calibration"]["due"]
    distance, luck = found["distance"], found["by_luck"]
    if distance is None or found["forecast"] < limits.least_judged:
        return
    if lately["forecast"] and lately["distance"] <= max(limits.calibration, lately["by_luck"]):
        return
    if distance > limits.calibration + luck:
        reason = (
            "the forecast is off: its probabilities miss what happened by up to "
            f"{100 * distance:.1f} points, by luck {100 * luck:.1f}"
        )
        yield Alarm("calibration", "", distance, limits.calibration, reason)


def _churn(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for row in facts["churn"][-1:]:
        if abs(row["mean_days"]) > limits.mean_shift or row["far_share"] > limits.far_share:
            reason = (
                f"version {row['version']} moves the dates of the latest {row['orders']:,} "
                f"orders by {row['mean_days']:+.2f} days on average and "
                f"{100 * row['far_share']:.1f} % of them by more than three, against "
                f"{row['before']}"
            )
            group = f"version {row['version']}"
            yield Alarm("churn", group, row["mean_days"], limits.mean_shift, reason)


def _drift(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    for row in facts["drift"]:
        if row["index"] > limits.psi + row["by_luck"]:
            moved = row["moved"]
            reason = (
                f"orders are of another kind by {row['input']} (stability index "
                f"{row['index']:.2f}): {moved['value']} is {100 * moved['share']:.1f} % of "
                f"them, before {100 * moved['share_before']:.1f} %"
            )
            yield Alarm("input_drift", row["input"], row["index"], limits.psi, reason)
    for row in facts["fallbacks"]:
        before = row["share_before"]
        if row["fallback"].startswith(("code", "zone")) or before is None:
            continue
        if row["share"] - before > limits.fallback_more:
            reason = (
                f"{100 * row['share']:.1f} % of the latest orders have {row['fallback']}, "
                f"before {100 * before:.1f} %: they lean on coarser history"
            )
            allowed = before + limits.fallback_more
            yield Alarm("fallback", row["fallback"], row["share"], allowed, reason)


def _old(facts: dict[str, Any], limits: Thresholds) -> Iterator[Alarm]:
    model = facts["model"]
    for name, days, allowed, told in (
        ("stale_statistics", model["refresh_age_days"], limits.refresh_age_days, "refreshed"),
        ("old_model", model["training_age_days"], limits.training_age_days, "trained"),
    ):
        if days > allowed:
            reason = f"the model was last {told} {days:.1f} days ago, allowed are {allowed:g}"
            yield Alarm(name, "", days, allowed, reason)


def _spoken(kind: str) -> str:
    words = {"lane_group": "lane", "destination_region": "region", "carrier_service": "service of"}
    return words.get(kind, kind)
