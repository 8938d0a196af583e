"""What is watched, over which time, and how much of it is too much."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from etapromise.argument_kinds import require_at_least, require_shares
from etapromise.errors import CommandError, ContractError
from etapromise.files import settings_text
from etapromise.operations.feed_checks import QUIET_DAYS, FeedLimits

Promises = Literal["auto", "shop", "model"]


@dataclass(frozen=True, kw_only=True)
class Thresholds(FeedLimits):
    """How much is too much; shares from 0 to 1, times as their names say.

    Attributes:
        kept_short: The kept rate may fall short of the stated confidence by this, beyond luck (the
            upper end of its 95 % interval counts). Judged are promises whose date ran out in the
            latest `recent_days` of a `MonitorConfig`, in four times as many, and those to all
            orders looked at; what is not short beyond luck in the latest days is over.
        group_short: The same for carriers, services, regions and lane groups.
        least_judged: Sets of fewer judged promises raise no alarm.
        calibration: The largest distance of the PIT's distribution from the uniform one, beyond
            luck (Kolmogorov's 95 % band), where promises that fell due in the latest four times
            `recent_days` show it too.
        behind_ratio: Deliveries of a carrier against what was forecast for the same days: below
            this share of them …
        behind_deviations: … by so many standard deviations, it is behind.
        steep_ratio: So large a drop needs less to be believed, if it lasts three days or more,
            which no single holiday does: below this share …
        steep_deviations: … so many standard deviations will do; of several groups as many as are
            as unlikely for any of them.
        quiet_days: So many days without a scan of anybody are the end of the feed.
        silent_share: A carrier that sends less than this share of its usual scans in two days is
            silent, where that is not luck.
        unreadable_share: Scans of one carrier in codes nobody can read, as a share of its scans.
        psi: Population stability index of an input, beyond luck.
        fallback_more: How much the share of orders without history of their own may rise.
        mean_shift: Days by which a new version may move the dates of the latest orders on average.
        far_share: Share of them that it may move by more than three days.
        refresh_age_days: Age of the statistics.
        training_age_days: Age of the trees.

    How far the feed may move is said by `FeedLimits`, as for the retraining gate. ``no_orders`` is
    raised where none came in all the `days` of a `MonitorConfig`.

    Examples:
        >>> strict = etapromise.Thresholds(kept_short=0.02)
        >>> etapromise.MonitorConfig(thresholds=strict).thresholds.kept_short
        0.02
    """

    kept_short: float = 0.03
    group_short: float = 0.06
    least_judged: int = 100
    calibration: float = 0.05
    behind_ratio: float = 0.85
    behind_deviations: float = 4.0
    steep_ratio: float = 0.65
    steep_deviations: float = 2.5
    quiet_days: float = QUIET_DAYS
    silent_share: float = 0.1
    unreadable_share: float = 0.02
    psi: float = 0.25
    fallback_more: float = 0.05
    mean_shift: float = 1.5
    far_share: float = 0.25
    refresh_age_days: float = 8.0
    training_age_days: float = 120.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ContractError(f"found {each.name}={value!r}, expected a number, 0 or more")


@dataclass(frozen=True, kw_only=True)
class MonitorConfig:
    """What is watched.

    Attributes:
        service_level: What promises are replayed at where none is recorded, and compared with.
        days: Days of orders that are looked at, back from the moment.
        recent_days: What "lately" means: for drift, the flow of scans, and promises that fell due.
            An alarm that is silent for so long is over.
        promises: Whose promises are judged: ``shop`` those in the column ``promised_date``,
            ``model`` what the model said or would have said, ``auto`` the shop's where there are
            any, else the model's.
        refresh_every: Days between refreshes where the past is replayed; not where the directory
            of models has kept the versions of then.
        settle_days: As in a backtest.
        smallest_group: Lane groups, regions and services with fewer orders are told together.
        seed: Of the randomised probability integral transform.
        thresholds: How much is too much.

    Examples:
        >>> config = etapromise.MonitorConfig(days=28, recent_days=3)
        >>> config.thresholds.kept_short
        0.03
    """

    service_level: float = 0.9
    days: int = 90
    recent_days: int = 7
    promises: Promises = "auto"
    refresh_every: int = 7
    settle_days: int = 1
    smallest_group: int = 50
    seed: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        require_shares(service_level=self.service_level)
        if self.promises not in {"auto", "shop", "model"}:
            raise ContractError(
                f"found promises={self.promises!r}, expected 'auto', 'shop' or 'model'"
            )
        require_at_least(self, 1, "days", "recent_days", "refresh_every", "smallest_group")
        require_at_least(self, 0, "settle_days")


def read_thresholds(path: Path, config: MonitorConfig | None = None) -> MonitorConfig:
    """A configuration with the values of a TOML file in place of its own.

    The table ``[thresholds]`` has the fields of `Thresholds`, the top those of `MonitorConfig`;
    what is not named stays as it is.
    """
    config = config or MonitorConfig()
    try:
        told = tomllib.loads(settings_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(
            f"Found {path} unreadable ({error}); expected TOML with a table [thresholds]."
        ) from error
    limits = told.pop("thresholds", {})
    if not isinstance(limits, dict):
        raise CommandError(f"Found {path} with thresholds = {limits!r}; expected a table.")
    for given, owner in ((told, config), (limits, config.thresholds)):
        known = [each.name for each in fields(owner) if each.name != "thresholds"]
        if unknown := sorted(given.keys() - {*known}):
            raise CommandError(
                f"Found {', '.join(unknown)} in {path}; expected some of {', '.join(known)}."
            )
    return replace(config, **told, thresholds=replace(config.thresholds, **limits))
