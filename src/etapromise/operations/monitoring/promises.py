"""The promises that were made, as far as that is recorded, and replayed where it is not.

Whose forecast counts for an order, in this order:

- The version that was current on its day, where a directory of models has kept it: what was said.
- The model with statistics and calibration of its day, for days after its training.
- The same with the forest that was grown without the last weeks before its training, for those
  weeks: the final forest has seen what became of their orders.
- Nothing for days before; a date in ``promised_date`` is judged all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats
from etapromise.errors import EtapromiseError, InsufficientHistoryError
from etapromise.evaluation.judgement import Truth, day_column, judge, stated_column
from etapromise.evaluation.replay import quoting
from etapromise.forecast.distribution import DateDistribution
from etapromise.history.as_of import moment_of
from etapromise.operations.feed_checks import told_until
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.monitoring.thresholds import MonitorConfig
from etapromise.promise.model import PromiseModel
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory

_DAY: Final = pd.Timedelta(days=1)
# Behind UTC by so much, the last place on earth ends its date.
_LAST_ZONE: Final = pd.Timedelta(hours=12)
# With fewer days of orders behind it the hold-out forest's calibration is a guess.
_CALIBRATION_DAYS: Final = 14
DELIVERY_GROUPS: Final = ("carrier", "destination_region")
_WINDOWS: Final = (1, 2, 3, 5, 7)
_USUAL_DAYS: Final = 42
_LEAST_USUAL: Final = 10
_SMALLEST: Final = 10.0
# From so few expected a day's deviation says nothing of how much is usual.
_LEAST_EXPECTED: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class Made:
    """Promises and what became of them.

    Attributes:
        table: A judged table (see `judge`) with ``promised_day`` and ``stated`` (NaN where
            nothing was promised or stated), ``source`` (``shop`` or ``model``), ``month``,
            ``week`` (of the order, UTC) and ``model_version``.
        flow: Deliveries against forecast, day by day.
        counts: Orders by what is known of them: ``orders``, ``shop`` and ``model`` (whose date is
            judged), ``stated`` (with a confidence) and ``forecast`` (with an honest forecast).
    """

    table: pd.DataFrame
    flow: DeliveryFlow
    counts: dict[str, int]


@dataclass(frozen=True)
class _Block:
    start: pd.Timestamp
    end: pd.Timestamp
    forecaster: PromiseModel | None


def promises_made(
    known: TrackedHistory,
    model: PromiseModel,
    registry: ModelRegistry | None,
    *,
    as_of: pd.Timestamp,
    config: MonitorConfig,
) -> Made:
    """Judge the promises to the orders of the last `config.days`; of a dead feed, its last ones.

    They are judged by what scans tell, and so until the last one came.
    """
    dates = model.local_dates(known.shipments, known.milestones["event_at"])
    told = told_until(known, as_of)
    truth = Truth.of(known, dates, extract_end=told, settle_days=config.settle_days)
    blocks = []
    ordered = known.shipments["ordered_at"]
    newest = ordered.max()
    idle = as_of - newest
    until = newest.ceil("D") if idle >= config.days * _DAY else as_of
    for block in _days(known, model, registry, as_of=until, config=config):
        rows = np.flatnonzero((ordered >= block.start) & (ordered < block.end))
        if len(rows):
            orders = known.shipments.iloc[rows].reset_index(drop=True)
            forecaster = block.forecaster or model
            blocks.append((block, rows, forecaster.distribution_many(orders)))
    if not blocks:
        raise InsufficientHistoryError(
            f"Found no order before {as_of.isoformat()}; expected some to look at. Choose another "
            "as_of."
        )
    rows = np.concatenate([rows for _, rows, _ in blocks])
    forecast = DateDistribution.joined([forecast for _, _, forecast in blocks])
    table = judge(truth, rows, forecast, levels=(config.service_level,), seed=config.seed)
    sizes = [len(rows) for _, rows, _ in blocks]
    honest = np.repeat([block.forecaster is not None for block, _, _ in blocks], sizes)
    versions: Any = [
        block.forecaster.version if block.forecaster else None for block, _, _ in blocks
    ]
    table["model_version"] = pd.Series(np.repeat(versions, sizes), index=table.index, dtype=TEXT)
    recorded = known.shipments.get("promised_confidence")
    table["recorded"] = (
        np.nan if recorded is None else pd.to_numeric(recorded.iloc[rows], "coerce").to_numpy()
    )
    # The last date that has ended everywhere.
    ended = (told.tz_convert("UTC") - _LAST_ZONE).tz_localize(None).to_numpy()
    flow = DeliveryFlow(last_date=ended.astype("datetime64[D]") - np.timedelta64(1, "D"))
    flow.add(table[honest], forecast.of(honest))
    # Nothing was forecast that could be judged.
    names = ["shop_confidence", "interval_stated", "crps_days", "pit"]
    level = config.service_level
    table.loc[~honest, [day_column(level), stated_column(level), *names]] = np.nan
    _choose(table, config)
    counts = {"idle_days": idle // _DAY, "quiet_days": (as_of - told) / _DAY}
    return Made(table=table, flow=flow, counts=_counts(table) | counts)


def _days(
    known: TrackedHistory,
    model: PromiseModel,
    registry: ModelRegistry | None,
    *,
    as_of: pd.Timestamp,
    config: MonitorConfig,
) -> Iterator[_Block]:
    """Who forecast each day of the time, days in a row of one model in one block."""
    trained = moment_of(model.manifest["trained_as_of"])
    judged_from = trained - (int(model.manifest["holdout_days"]) - _CALIBRATION_DAYS) * _DAY
    kept = _Kept(registry)
    replayed: PromiseModel | None = None
    refreshed_at: pd.Timestamp | None = None
    plain = quoting(model)
    hidden = PromiseModel(replace(plain.parts, forest=plain.parts.holdout_forest))
    block, moment = None, as_of - config.days * _DAY
    while moment < as_of:
        until = min(moment + _DAY, as_of)
        said = kept.at(moment)
        if said is None and moment >= judged_from:
            base = plain if moment >= trained else hidden
            due = refreshed_at is None or moment - refreshed_at >= config.refresh_every * _DAY
            if due or (refreshed_at is not None and refreshed_at < trained <= moment):
                replayed = base.refresh(known.known_at(moment), as_of=moment)
                refreshed_at = moment
            said = replayed
        if block is not None and block.forecaster is not said:
            yield block
            block = None
        block = _Block(moment if block is None else block.start, until, said)
        moment = until
    if block is not None:
        yield block


class _Kept:
    """The versions that a directory has kept, each loaded once."""

    def __init__(self, registry: ModelRegistry | None) -> None:
        self._registry = registry
        self._last: tuple[str, PromiseModel] | None = None

    def at(self, moment: pd.Timestamp) -> PromiseModel | None:
        if self._registry is None:
            return None
        try:
            version = self._registry.version_at(moment.to_pydatetime())
            if self._last is None or self._last[0] != version:
                self._last = version, self._registry.load(version)
        except EtapromiseError:  # of before the first version, or of one that has been removed
            return None
        return self._last[1]


def _choose(table: pd.DataFrame, config: MonitorConfig) -> None:
    """Whose date is judged, and what was stated of it."""
    level = config.service_level
    shop = table["shop_day"].notna().to_numpy()
    if config.promises == "model":
        shop = np.zeros(len(table), dtype=np.bool_)
    ours = ~shop if config.promises != "shop" else np.zeros(len(table), dtype=np.bool_)
    days = np.where(shop, table["shop_day"], np.where(ours, table[day_column(level)], np.nan))
    # What was recorded when the promise was made goes before what is known of it now.
    recorded = table.pop("recorded").to_numpy(dtype=np.float64)
    replayed = table["shop_confidence"].to_numpy(dtype=np.float64)
    of_shop = np.where(np.isnan(recorded), replayed, recorded)
    stated = np.where(shop, of_shop, np.where(ours, table[stated_column(level)], np.nan))
    table["promised_day"] = days
    table["stated"] = np.where(np.isnan(days), np.nan, stated)
    table["source"] = pd.Series(np.where(shop, "shop", "model"), index=table.index, dtype=TEXT)
    ordered: Any = table["ordered_at"].dt.tz_convert("UTC")
    table["month"] = ordered.dt.strftime("%Y-%m").astype(TEXT)
    table["week"] = ordered.dt.strftime("%G-W%V").astype(TEXT)


def _counts(table: pd.DataFrame) -> dict[str, int]:
    dated = table["promised_day"].notna()
    return {
        "orders": len(table),
        "shop": int((dated & (table["source"] == "shop")).sum()),
        "model": int((dated & (table["source"] == "model")).sum()),
        "stated": int(table["stated"].notna().sum()),
        "forecast": int(table["pit"].notna().sum()),
    }


class DeliveryFlow:
    """Observed and expected deliveries by group and calendar date, gathered from forecasts.

    Who is behind is known within days: a broken promise shows when its date has run out, but that a
    carrier has slowed down shows earlier, in parcels that do not arrive on the days on which they
    were forecast to. For every parcel still under way at the start of a day the forecast gives the
    probability that it arrives on that day; the sum over a carrier's parcels is what should have
    arrived. This is the one-sample log-rank test (Breslow 1975, International Statistical Review
    43:45), in windows of the latest days. Parcels of one carrier are late together, so that its own
    days of the weeks before say how much deviation is usual.
    """

    def __init__(self, last_date: np.datetime64) -> None:
        """Count up to a date, the last that the data wholly cover."""
        self.last_date = last_date
        self._parts: dict[str, list[pd.DataFrame]] = {name: [] for name in DELIVERY_GROUPS}

    def add(self, table: pd.DataFrame, forecast: DateDistribution) -> None:
        """Add orders."""
        probability = forecast.probability
        n, horizon = probability.shape
        counted = (table["outcome"] != "cancelled").to_numpy()
        event = table["event_day"].to_numpy(dtype=np.float64)
        event = np.where(np.isnan(event), np.inf, event)
        last = (self.last_date - forecast.origin_dates).astype(np.float64)
        day = np.arange(horizon)
        before = np.concatenate([np.zeros((n, 1)), probability[:, :-1]], axis=1)
        # Still under way at the start of the day, on a day that is over.
        at_risk = counted[:, None] & (event[:, None] >= day) & (day <= last[:, None])
        hazard = (probability - before) / np.maximum(1.0 - before, 1e-9)
        expected = np.where(at_risk, hazard, 0.0)
        variance = np.where(at_risk, hazard * (1.0 - hazard), 0.0)
        observed = at_risk & (event[:, None] == day)
        date = (forecast.origin_dates.astype(np.int64)[:, None] + day).ravel()
        for name in DELIVERY_GROUPS:
            part = pd.DataFrame(
                {
                    "group": np.repeat(table[name].to_numpy(dtype=object), horizon),
                    "date": date,
                    "observed": observed.ravel().astype(np.float64),
                    "expected": expected.ravel(),
                    "variance": variance.ravel(),
                }
            )[at_risk.ravel()]
            self._parts[name].append(part.groupby(["group", "date"], as_index=False).sum())

    def by_day(self, name: str) -> pd.DataFrame:
        """``group``, ``date`` (datetime64[D]), ``observed``, ``expected``, ``variance``."""
        parts = self._parts[name]
        if not parts:
            return pd.DataFrame(columns=["group", "date", "observed", "expected", "variance"])
        found = pd.concat(parts, ignore_index=True).groupby(["group", "date"], as_index=False).sum()
        return found.sort_values(["group", "date"], ignore_index=True)

    def standing(self, name: str) -> list[dict[str, Any]]:
        """How each group stands in the window of the latest days that deviates most.

        Returns:
            ``group``, ``days`` (of the window), ``from`` and ``to`` (dates), ``observed``,
            ``expected``, ``ratio``, ``deviations`` (of the usual size; negative: behind). Groups of
            which fewer than ten were expected in every window are left out.
        """
        table = self.by_day(name)
        last = int(self.last_date.astype("datetime64[D]").astype(np.int64))
        found = []
        names = ("observed", "expected", "variance")
        for group, rows in table.groupby("group", sort=True):
            date = rows["date"].to_numpy(dtype=np.int64)
            counted = dict(zip(names, rows[[*names]].to_numpy(dtype=np.float64).T, strict=True))
            before = (date <= last - max(_WINDOWS)) & (date > last - _USUAL_DAYS)
            usual = _overdispersion(**{name: counted[name][before] for name in names})
            best: dict[str, Any] | None = None
            for days in _WINDOWS:
                window = (date > last - days) & (date <= last)
                expected = float(counted["expected"][window].sum())
                if expected < _SMALLEST:
                    continue
                observed = float(counted["observed"][window].sum())
                spread = float(np.sqrt(usual * counted["variance"][window].sum()))
                deviations = (observed - expected) / max(spread, 1e-9)
                if best is None or abs(deviations) > abs(best["deviations"]):
                    first, end = np.datetime64(last - days + 1, "D"), np.datetime64(last, "D")
                    best = {"group": str(group), "days": days, "from": str(first), "to": str(end)}
                    best |= {"observed": int(observed), "expected": expected}
                    best |= {"ratio": observed / expected, "deviations": deviations}
            if best is not None:
                found.append(best)
        return sorted(found, key=lambda row: (row["deviations"], row["group"]))


def _overdispersion(observed: Floats, expected: Floats, variance: Floats) -> float:
    """How many times the binomial variance a group's days usually have; at least 1."""
    told = expected >= _LEAST_EXPECTED
    if told.sum() < _LEAST_USUAL:
        return 1.0
    squares = (observed[told] - expected[told]) ** 2 / np.maximum(variance[told], 1e-9)
    # The median is not moved by a single holiday; 0.4549 is that of chi-square with one degree.
    return max(1.0, float(np.median(squares)) / 0.4549)
