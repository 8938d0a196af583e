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

from etapromise.errors import EtapromiseError, InsufficientHistoryError
from etapromise.evaluation.judgement import Truth, day_column, judge, stated_column
from etapromise.evaluation.replay import ModelForecaster
from etapromise.forecast.distribution import DateDistribution
from etapromise.history.as_of import moment_of
from etapromise.operations.feed_checks import told_until
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.monitoring.deliveries import DeliveryFlow
from etapromise.operations.monitoring.thresholds import MonitorConfig
from etapromise.promise.model import PromiseModel
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory

_DAY: Final = pd.Timedelta(days=1)
# Behind UTC by so much, the last place on earth ends its date.
_LAST_ZONE: Final = pd.Timedelta(hours=12)
# With fewer days of orders behind it the hold-out forest's calibration is a guess.
_CALIBRATION_DAYS: Final = 14


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
    forecaster: ModelForecaster | None


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
    ours = ModelForecaster(model)
    dates = ours.local_event_date(known)
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
            forecaster = block.forecaster or ours
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
    replayed: ModelForecaster | None = None
    refreshed_at: pd.Timestamp | None = None
    hidden = ModelForecaster(PromiseModel(replace(model.parts, forest=model.parts.holdout_forest)))
    block, moment = None, as_of - config.days * _DAY
    while moment < as_of:
        until = min(moment + _DAY, as_of)
        said = kept.at(moment)
        if said is None and moment >= judged_from:
            base = ModelForecaster(model) if moment >= trained else hidden
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
        self._last: tuple[str, ModelForecaster] | None = None

    def at(self, moment: pd.Timestamp) -> ModelForecaster | None:
        if self._registry is None:
            return None
        try:
            version = self._registry.version_at(moment.to_pydatetime())
            if self._last is None or self._last[0] != version:
                self._last = version, ModelForecaster(self._registry.load(version))
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
