"""The gate between a challenger and the shop: what is checked, and how each check is decided.

Pure functions of numbers; `retraining` says where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from etapromise.argument_kinds import require_at_least, require_shares
from etapromise.operations.feed_checks import FEED_CHECKS, FeedFault, FeedLimits, feed_faults

# Standard normal quantile of 95 %.
_ONE_SIDED: Final = 1.645


@dataclass(frozen=True, kw_only=True)
class GateConfig(FeedLimits):
    """How much worse is worse.

    Attributes:
        service_level: The promise that is judged.
        judge_days: Days of orders that are judged, the latest matured ones.
        shift_days: Days of the latest orders, on which both models' dates are laid side by side.
        least_judged: Fewer judged promises than this judge nobody.
        smallest_group: Groups (carrier and service) with fewer judged promises are not judged.
        refresh_every: Days between refreshes while judging.
        settle_days: As in a backtest.
        short_by: How far the kept rate may fall short of the stated confidence, beyond luck.
        group_short_by: The same for a group.
        worse_score: How much higher than the champion's the CRPS may be, as a share; no more than
            luck explains (95 %) in any case.
        must_gain: Promote nothing but what is shown to be better: the CRPS has to be lower, beyond
            luck. For who retrains often: a new forest moves dates, and one of a week's more data
            is as likely a little worse as a little better.
        longer: How much longer promises may be than the champion's, as a share, if they are not
            kept more often.
        kept_worse: How much less often than the champion's promises may be kept.
        mean_shift: How many days the dates of the latest orders may move on average.
        far_share: The share of them that may move by more than three days.
        slower: How many times as long as the champion a quote may take.

    How far the feed may move in a week that is new to the challenger is said by `FeedLimits`.

    Examples:
        >>> strict = etapromise.GateConfig(must_gain=True, least_judged=1_000)
        >>> strict.rejected_more
        0.05
    """

    service_level: float = 0.9
    judge_days: int = 28
    shift_days: int = 7
    least_judged: int = 200
    smallest_group: int = 100
    refresh_every: int = 1
    settle_days: int = 1
    short_by: float = 0.02
    group_short_by: float = 0.05
    worse_score: float = 0.01
    must_gain: bool = False
    longer: float = 0.10
    kept_worse: float = 0.02
    mean_shift: float = 1.5
    far_share: float = 0.25
    slower: float = 5.0

    def __post_init__(self) -> None:
        require_shares(service_level=self.service_level)
        counts = ("judge_days", "shift_days", "least_judged", "smallest_group", "refresh_every")
        require_at_least(self, 1, *counts, "slower")
        margins = ("short_by", "group_short_by", "worse_score", "longer", "kept_worse")
        limits = (each.name for each in fields(FeedLimits))
        require_at_least(self, 0, "settle_days", *margins, "mean_shift", "far_share", *limits)


@dataclass(frozen=True)
class GateCheck:
    """One question and its answer.

    Attributes:
        name: Machine-readable.
        passed: Whether the challenger may go on.
    """

    name: str
    passed: bool
    reason: str


def check_quality(
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
    gate: GateConfig,
    *,
    score_error: float | None = None,
) -> list[GateCheck]:
    """Judge the promises on matured orders.

    Args:
        challenger: ``kept`` (fields of `Kept`), ``groups`` (fields of `Kept` with ``group``) and
            ``crps_days`` of the challenger on these orders.
        champion: The same of the champion, on the same orders; None where it cannot be judged on
            them, so that only the challenger's own word counts.
        score_error: Standard error of the difference between their CRPS, in days (see
            `score_difference`); None where nothing is known of it.

    A promise that falls short of its word is forgiven where the champion's does so no less, give or
    take `kept_worse`: a network in a storm breaks everybody's promises, and an old model would not
    mend that.
    """
    kept = challenger["kept"]
    if kept["judged"] < gate.least_judged:
        reason = (
            f"only {kept['judged']} promises of the judged weeks have run out, expected "
            f"{gate.least_judged} or more; judge more days, or promote by force where so "
            "few orders come that there never are as many"
        )
        return [GateCheck("enough_judged", False, reason)]  # noqa: FBT003
    checks = [_as_good_as_its_word(kept, champion, gate), _groups(challenger, champion, gate)]
    if champion is not None and champion["kept"]["judged"]:
        checks += _not_worse(challenger, champion, gate, score_error)
    return checks


def check_shift(mean: float, far: float, orders: int, gate: GateConfig) -> GateCheck:
    """Whether challenger's dates of the latest orders lie close to the champion's.

    Args:
        mean: Days by which they are later on average.
        far: Share of the orders whose dates lie more than three days apart.
    """
    reason = (
        f"dates of the latest {orders:,} orders move by {mean:+.2f} days on average and "
        f"{100 * far:.1f} % of them by more than three, allowed are {gate.mean_shift:g} days "
        f"and {100 * gate.far_share:g} %"
    )
    near = abs(mean) <= gate.mean_shift and far <= gate.far_share
    return GateCheck("date_shift", near, reason)


def check_speed(ratio: float, gate: GateConfig) -> GateCheck:
    """Whether a quote takes no longer than allowed, as a multiple of the champion's time."""
    reason = f"a quote takes {ratio:.2f} times as long, allowed is {gate.slower:g} times"
    return GateCheck("speed", ratio <= gate.slower, reason)


def check_feed(
    feed: Mapping[str, Sequence[Mapping[str, Any]]], gate: GateConfig
) -> list[GateCheck]:
    """Whether the new weeks of scans can be learned from.

    Args:
        feed: ``clocks`` (see `clock_shifts`) and ``rejected`` (see `rejected_shares`), each with
            ``week_from``.
    """
    found = list(feed_faults(feed["clocks"], feed["rejected"], gate))
    checks = []
    for name, fault in FEED_CHECKS.items():
        # Of each carrier the worst week is told.
        worst: dict[str, FeedFault] = {}
        for one in found:
            carrier = str(one.row["carrier"])
            known = worst.get(carrier)
            if one.check == name and (known is None or abs(one.moved) > abs(known.moved)):
                worst[carrier] = one
        told = "; ".join(
            f"{carrier} {one.text}, week from {one.row['week_from'][:10]}"
            for carrier, one in worst.items()
        )
        good, bad = f"no carrier shows it: {fault}", f"the feed is not as it was: {fault}"
        checks.append(GateCheck(name, not worst, f"{bad}: {told}" if worst else good))
    return checks


def _as_good_as_its_word(
    kept: Mapping[str, Any], champion: Mapping[str, Any] | None, gate: GateConfig
) -> GateCheck:
    short = kept["kept_high"] < kept["mean_confidence"] - gate.short_by
    forgiven = champion is not None and _no_less_short(kept, champion["kept"], gate)
    reason = (
        f"{100 * gate.service_level:g} % promises were kept {100 * kept['kept_rate']:.1f} % "
        f"of the time and stated {100 * kept['mean_confidence']:.1f} %, allowed is "
        f"{100 * gate.short_by:g} points less, beyond luck"
        + (", or as little as the champion keeps" if short and forgiven else "")
    )
    return GateCheck("kept_as_stated", not short or forgiven, reason)


def _groups(
    challenger: Mapping[str, Any], champion: Mapping[str, Any] | None, gate: GateConfig
) -> GateCheck:
    theirs = {} if champion is None else {row["group"]: row for row in champion["groups"]}
    short = [
        row
        for row in challenger["groups"]
        if row["judged"] >= gate.smallest_group
        and row["kept_high"] < row["mean_confidence"] - gate.group_short_by
        and not (row["group"] in theirs and _no_less_short(row, theirs[row["group"]], gate))
    ]
    allowed = f"{100 * gate.group_short_by:g} points, beyond luck"
    told = ", ".join(
        f"{row['group']} (kept {100 * row['kept_rate']:.1f} %, stated "
        f"{100 * row['mean_confidence']:.1f} %)"
        for row in short
    )
    reason = (
        f"these fall short of their word by more than {allowed}: {told}"
        if short
        else f"no carrier's service falls short of its word by more than {allowed}"
    )
    return GateCheck("groups_kept_as_stated", not short, reason)


def _no_less_short(ours: Mapping[str, Any], theirs: Mapping[str, Any], gate: GateConfig) -> bool:
    return theirs["gap"] is not None and ours["gap"] >= theirs["gap"] - gate.kept_worse


def _not_worse(
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any],
    gate: GateConfig,
    score_error: float | None,
) -> list[GateCheck]:
    ours, theirs = challenger["kept"], champion["kept"]
    score, their_score = challenger["crps_days"], champion["crps_days"]
    gain = ours["kept_rate"] - theirs["kept_rate"]
    longer = ours["mean_days"] / theirs["mean_days"] - 1 if theirs["mean_days"] else 0.0
    kept_reason = (
        f"it kept {100 * ours['kept_rate']:.1f} %, the champion {100 * theirs['kept_rate']:.1f} %, "
        f"allowed are {100 * gate.kept_worse:g} points less, or its own word"
    )
    days_reason = (
        f"it promises {ours['mean_days']:.2f} days on average, the champion "
        f"{theirs['mean_days']:.2f}, allowed is {100 * gate.longer:g} % more, or what it takes to "
        "mend broken promises"
    )
    # Keeping less is no fault where the champion kept more than it said, and longer promises are
    # none where they mend promises that were broken.
    kept_well = gain >= -gate.kept_worse or ours["gap"] >= 0
    short_enough = longer <= gate.longer or (gain > 0 and theirs["gap"] < 0)
    return [
        _score(score, their_score, score_error, gate),
        GateCheck("kept_rate", kept_well, kept_reason),
        GateCheck("days_promised", short_enough, days_reason),
    ]


def _score(ours: float, theirs: float, error: float | None, gate: GateConfig) -> GateCheck:
    apart, luck = ours - theirs, None if error is None else _ONE_SIDED * error
    if gate.must_gain:
        passed = luck is not None and apart <= -luck
        allowed = "wanted is one that is lower beyond luck"
    else:
        passed = apart <= 0 or (luck is not None and apart <= min(luck, gate.worse_score * theirs))
        allowed = f"allowed is {100 * gate.worse_score:g} % more, if luck explains that"
    told = "luck unknown" if luck is None else f"luck up to {luck:.3f}"
    reason = (
        f"its CRPS is {ours:.3f} days, the champion's {theirs:.3f}, a difference of "
        f"{apart:+.3f} ({told}); {allowed}"
    )
    return GateCheck("score", passed, reason)
