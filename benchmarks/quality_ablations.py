"""What each ingredient of a promise pays: the same forecasts with one of them removed.

    python benchmarks/quality_ablations.py [--only olist] [--ingredient pace]

On two months of Olist orders (where they are), walked with a refresh every third day, and on
scenarios of quality_scenarios.py, each on the same few simulated networks. All but the first row
are grown with one forest instead of several, to save time; "one member" is what they are to be
compared with. An ingredient is removed by its setting where it has one, by what a model may see
where it is about data, and else by putting something that does nothing in place of its function.

Columns: pinball loss relative to "one member" (below 1: better without the ingredient; on simulated
networks the expected loss under the truth), and the gap of the 0.9 promise, kept minus stated.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import click
import numpy as np
import pandas as pd
from olist_tables import FOLDER
from quality import joined, note, stage_of
from quality_networks import olist
from quality_scenarios import run
from quality_walk import walk

from etapromise import PromiseModel, TrainingConfig
from etapromise.calendars.dispatch import Dispatch
from etapromise.calendars.working_clocks import Clocks
from etapromise.evaluation.backtest import Fit
from etapromise.evaluation.replay import TrainModel
from etapromise.forecast.distribution import DateDistribution
from etapromise.history.features import all_features
from etapromise.tracking import TrackedHistory

Sees = Callable[[TrackedHistory, pd.Timestamp], TrackedHistory]

NEVER, HUGE = 1e9, 1e12
OLIST_MONTHS = ("2017-11-01", "2018-03-01")
SCENES = ("slow", "new", "known")
SEEDS = (1, 2)
PER_DAY = 60.0
REFRESH = 3
# A parcel open for longer has had its time: no model takes it for one on its way.
GIVEN_UP = pd.Timedelta(days=60)
MATURED = pd.Timedelta(days=21)


@dataclass(frozen=True)
class Ablation:
    """One ingredient less.

    Attributes:
        config: The settings without it.
        instead: What stands in place of functions, by dotted name.
        sees: What a model sees of the history as known at a moment.
    """

    config: Callable[[TrainingConfig], TrainingConfig] = lambda config: config
    instead: Mapping[str, Any] = field(default_factory=dict)
    sees: Sees | None = None

    @contextlib.contextmanager
    def removed(self) -> Iterator[None]:
        """While within, the functions are replaced; an unknown name is an error."""
        with contextlib.ExitStack() as stack:
            for name, nothing in self.instead.items():
                stack.enter_context(patch(name, nothing))
            yield

    def with_one_forest(self) -> Ablation:
        """The same, grown with one forest instead of several."""
        return replace(self, config=lambda config: self.config(replace(config, members=1)))

    def fit(self, config: TrainingConfig) -> Fit:
        """Trains a model without the ingredient."""
        train = TrainModel(self.config(replace(config, stages=False)), 1, quotes_only=True)
        return train if self.sees is None else _Seeing(train, self.sees)


@dataclass(frozen=True)
class _Seeing:
    """Trains on a part of what was known."""

    train: TrainModel
    sees: Sees

    def __call__(self, history: TrackedHistory, as_of: pd.Timestamp) -> _Part:
        return _Part(self.train(self.sees(history, as_of), as_of), self.sees)


@dataclass(frozen=True)
class _Part:
    """A model that is refreshed with a part of what was known."""

    inner: PromiseModel
    sees: Sees

    @property
    def version(self) -> str:
        return self.inner.version

    def refresh(self, history: TrackedHistory, *, as_of: pd.Timestamp) -> _Part:
        return _Part(self.inner.refresh(self.sees(history, as_of), as_of=as_of), self.sees)

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        return self.inner.distribution_many(frame)

    def local_dates(self, shipments: pd.DataFrame, times: pd.Series) -> Any:
        return self.inner.local_dates(shipments, times)


def settled_only(history: TrackedHistory, moment: pd.Timestamp) -> TrackedHistory:
    """Without the parcels that are still on their way, as if only arrivals had been stored."""
    open_ = history.milestones["event_at"].isna() & history.milestones["closed_as"].isna()
    return _some(history, ~(open_ & (history.shipments["ordered_at"] > moment - GIVEN_UP)))


def matured_only(history: TrackedHistory, moment: pd.Timestamp) -> TrackedHistory:
    """Without the orders of the last weeks."""
    return _some(history, history.shipments["ordered_at"] < moment - MATURED)


def unquoted(history: TrackedHistory, moment: pd.Timestamp) -> TrackedHistory:
    """Without what carriers quoted."""
    del moment
    shipments = history.shipments.drop(columns="quoted_date", errors="ignore")
    return replace(history, shipments=shipments)


def _some(history: TrackedHistory, kept: pd.Series[bool]) -> TrackedHistory:
    shipments = history.shipments[kept].reset_index(drop=True)
    return replace(
        history,
        shipments=shipments,
        milestones=history.milestones[kept].reset_index(drop=True),
        scans=history.scans[history.scans["shipment_id"].isin(shipments["shipment_id"])],
    )


def _plain_clocks(*given: Any) -> Clocks:
    """Clocks that never stand still."""
    from etapromise.history.learned_calendars import learned_clocks

    learned = learned_clocks(*given)
    return Clocks(
        first_day=learned.first_day,
        services=learned.services,
        weeks=np.ones_like(learned.weeks),
        calendars=learned.calendars,
        holidays=learned.holidays,
        holiday_weights=np.ones_like(learned.holiday_weights),
    )


def _no_dispatch(shipments: Any, results: Any, clocks: Clocks, zones: Any) -> Dispatch:
    del shipments, results, zones
    return Dispatch.unknown(clocks)


def _no_surge(start_day: Any, end_day: int) -> tuple[int, Any]:
    first = int(start_day[0])
    return first, np.zeros(end_day - first + 1)


def _no_loss(encoder: Any, *given: Any) -> Any:
    del given
    return np.zeros(len(encoder.indexes[2]))


def _no_widening(level_names: Sequence[str], *given: Any) -> Any:
    del given
    return np.zeros(len(level_names))


def _without(unwanted: Callable[[str], bool]) -> Mapping[str, Any]:
    """The features without some of them."""

    def fewer(*given: Any, **named: Any) -> tuple[str, ...]:
        return tuple(name for name in all_features(*given, **named) if not unwanted(name))

    return {"etapromise.training.training.all_features": fewer}


def effects(**changes: Any) -> Callable[[TrainingConfig], TrainingConfig]:
    """Other settings of the effects."""
    return lambda config: replace(config, effects=replace(config.effects, **changes))


def calibration(**changes: Any) -> Callable[[TrainingConfig], TrainingConfig]:
    """Other settings of the calibration."""
    return lambda config: replace(config, calibration=replace(config.calibration, **changes))


ABLATIONS = {
    "pace": Ablation(effects(pace_half_life=NEVER)),
    "effects": Ablation(effects(prior=HUGE)),
    "open orders (arrivals only)": Ablation(sees=settled_only),
    "open orders (matured only)": Ablation(sees=matured_only),
    "calibration": Ablation(
        calibration(slow_evidence=HUGE, shift_power=0.0, quick_evidence=HUGE, group_evidence=HUGE)
    ),
    "quick calibration": Ablation(calibration(shift_power=0.0, quick_evidence=HUGE)),
    "shift of the calibration": Ablation(calibration(shift_power=0.0)),
    "calibration of groups": Ablation(calibration(group_evidence=HUGE)),
    "surge guard": Ablation(instead={"etapromise.history.as_of.surge_by_day": _no_surge}),
    "lost share": Ablation(
        instead={
            "etapromise.history.statistics.lost_shares": _no_loss,
            "etapromise.training.training.lost_shares": _no_loss,
        }
    ),
    "widening for the new": Ablation(
        instead={
            "etapromise.promise.assembling.between_variances": _no_widening,
            "etapromise.promise.compiled_quote.between_variances": _no_widening,
        }
    ),
    "carriers' calendars": Ablation(
        instead={"etapromise.history.as_of.learned_clocks": _plain_clocks}
    ),
    "warehouses' calendars": Ablation(
        instead={"etapromise.history.as_of.learned_dispatch": _no_dispatch}
    ),
    "hand-offs": Ablation(lambda config: replace(config, hand_offs=False)),
    "quoted dates": Ablation(sees=unquoted),
    "features: numbers": Ablation(
        instead=_without(lambda name: name.startswith(("number:", "derived:distance")))
    ),
    "features: effects": Ablation(instead=_without(lambda name: name.endswith(".effect"))),
    "features: pace": Ablation(instead=_without(lambda name: name.endswith(".pace"))),
    "features: deviation": Ablation(instead=_without(lambda name: name.endswith(".deviation"))),
    "features: handling": Ablation(instead=_without(lambda name: name.startswith("handling:"))),
    "features: explained": Ablation(instead=_without(lambda name: name == "derived:explained")),
}


@click.command()
@click.option("--only", type=click.Choice(["olist", "simulated"]), help="One kind of network.")
@click.option(
    "--ingredient",
    "names",
    type=click.Choice(tuple(ABLATIONS)),
    multiple=True,
    default=tuple(ABLATIONS),
    help="Which.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The table as CSV.")
def main(only: str | None, names: Sequence[str], out: Path | None) -> None:
    """Remove one after the other, and print one table."""
    variants = {
        "all of it": Ablation(),
        "one member": Ablation().with_one_forest(),
        **{name: ABLATIONS[name].with_one_forest() for name in names},
    }
    table = beside(
        variants,
        "one member",
        out,
        months=() if only == "simulated" else OLIST_MONTHS,
        scenes=() if only == "olist" else SCENES,
        seeds=SEEDS,
    )
    print(table)


def beside(variants: Mapping[str, Ablation], usual: str, out: Path | None, **networks: Any) -> str:
    """The variants' losses relative to that of the usual one, and their gaps, as a table.

    Args:
        variants: By name.
        usual: One of them.
        out: Where what was measured is written after each, as CSV; None for nowhere.
        networks: See `measured`.
    """
    rows: list[dict[str, Any]] = []
    for name, variant in variants.items():
        begun = time.process_time()
        told = measured(variant, **networks)
        rows.append({"what": name, **told, "cpu s": time.process_time() - begun})
        note(f"{name}: {rows[-1]}")
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(out, index=False)
    table = pd.DataFrame(rows).set_index("what")
    losses = [column for column in table.columns if column.endswith("loss")]
    table[losses] /= table.loc[usual, losses]
    return table.to_string(float_format="{:.3f}".format)


def measured(
    less: Ablation, *, months: Sequence[str], scenes: Sequence[str], seeds: Sequence[int]
) -> dict[str, float]:
    """Loss and gap in months of Olist orders, where they are, and the mean of each scenario."""
    row: dict[str, float] = {}
    with less.removed():
        for start in months if (FOLDER / "shipments.parquet").exists() else ():
            end = pd.Timestamp(start) + pd.DateOffset(months=1)
            network = olist(start, f"{end:%Y-%m-%d}")
            network = replace(network, walked_from=network.start)
            folds = list(walk(network, REFRESH, less.fit(network.config)))
            stage = stage_of(network, folds)
            told = stage.score(joined(folds, stage.horizon))
            row |= {f"{start[:7]} loss": told["pinball"], f"{start[:7]} gap": told["gap 0.9"]}
        for scene in scenes:
            runs = pd.DataFrame([run(scene, seed, PER_DAY, less.fit) for seed in seeds])
            row |= {f"{scene} loss": runs["pinball"].mean(), f"{scene} gap": runs["gap 0.9"].mean()}
    return row


if __name__ == "__main__":
    main()
