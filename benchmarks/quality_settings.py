"""Settings beside their neighbours, on orders before the months that quality.py tells.

    python benchmarks/quality_settings.py [--setting "pace's half-life 3"]

On the Olist orders of June to August 2017 (where they are), walked with a refresh every third day,
and on scenarios of quality_scenarios.py on networks that it does not use; one forest each, to save
time.

Columns: pinball loss relative to "as it is" (below 1: better), and the gap of the 0.9 promise, kept
minus stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from quality_ablations import ABLATIONS, Ablation, beside, calibration, effects

MONTHS = ("2017-06-01", "2017-07-01", "2017-08-01")
SCENES = ("known", "surge")
SEEDS = (21, 22)
USUAL = "as it is"

SETTINGS = {
    USUAL: Ablation(),
    "pace's half-life 3": Ablation(effects(pace_half_life=3.0)),
    "pace's half-life 12": Ablation(effects(pace_half_life=12.0)),
    "effects' half-life 45": Ablation(effects(half_life=45.0)),
    "effects' half-life 180": Ablation(effects(half_life=180.0)),
    "effects' prior 4": Ablation(effects(prior=4.0)),
    "effects' prior 16": Ablation(effects(prior=16.0)),
    "quick calibration's half-life 2": Ablation(calibration(quick_half_life=2.0)),
    "quick calibration's half-life 8": Ablation(calibration(quick_half_life=8.0)),
    "no surge guard": ABLATIONS["surge guard"],
    "half of the surge guard": Ablation(instead={"etapromise.history.gathered._POWER": 0.3}),
}


@click.command()
@click.option(
    "--setting",
    "names",
    type=click.Choice(tuple(SETTINGS)),
    multiple=True,
    default=tuple(SETTINGS),
    help="Which.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The table as CSV.")
def main(names: Sequence[str], out: Path | None) -> None:
    """Measure one after the other, and print one table."""
    variants = {name: SETTINGS[name].with_one_forest() for name in dict.fromkeys((USUAL, *names))}
    print(beside(variants, USUAL, out, months=MONTHS, scenes=SCENES, seeds=SEEDS))


if __name__ == "__main__":
    main()
