"""The command line: reading arguments, telling progress, reporting errors. No work is done here.

Results go to stdout or into files, everything else to stderr. Exit codes: 0 done, 1 failed, 2 bad
usage, and 3 where `retrain` refuses a challenger or `monitor` sounds an alarm. Commands import what
they need when they run, so that a quote does not wait for pandas.
"""

from __future__ import annotations

import click

from etapromise.cli.backtest import backtest
from etapromise.cli.check import check
from etapromise.cli.disruptions import disruptions
from etapromise.cli.events import events, repromise
from etapromise.cli.models import inspect, models, rollback
from etapromise.cli.monitor import monitor
from etapromise.cli.policies import policies
from etapromise.cli.quote_and_score import quote, score
from etapromise.cli.sample import sample
from etapromise.cli.scorecard import scorecard
from etapromise.cli.serve import serve
from etapromise.cli.store import ingest
from etapromise.cli.train import refresh, retrain, train

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etapromise", prog_name="etapromise")
def main() -> None:
    """Promise delivery dates from carrier scans, and keep them."""


for _command in (
    *(sample, check, ingest, train, quote, score, backtest),
    *(serve, policies, disruptions),
    *(retrain, refresh, monitor, events, repromise, scorecard),
    *(models, inspect, rollback),
):
    main.add_command(_command)
