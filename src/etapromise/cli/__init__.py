"""The command line: reading arguments, telling progress, reporting errors. No work is done here.

Results go to stdout or into files, everything else to stderr. Exit codes: 0 done, 1 failed, 2 bad
usage, and 3 where `retrain` refuses a challenger or `monitor` sounds an alarm. Commands import what
they need when they run, so that a quote does not wait for pandas.
"""

from __future__ import annotations

import click

from etapromise.cli.backtest import backtest_command
from etapromise.cli.check import check_command
from etapromise.cli.disruptions import disruptions
from etapromise.cli.events import events_command, repromise_command
from etapromise.cli.models import inspect, models, rollback
from etapromise.cli.monitor import monitor_command
from etapromise.cli.policies import policies
from etapromise.cli.quote_and_score import quote_command, score_command
from etapromise.cli.sample import sample
from etapromise.cli.scorecard import scorecard_command
from etapromise.cli.serve import serve
from etapromise.cli.store import ingest_command, track_command
from etapromise.cli.train import refresh_command, retrain_command, train_command

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etapromise", prog_name="etapromise")
def main() -> None:
    """Promise delivery dates from carrier scans, and keep them."""


for _command in (
    *(sample, check_command, ingest_command, train_command, quote_command, score_command),
    *(track_command, backtest_command, serve, policies, disruptions, retrain_command),
    *(refresh_command, monitor_command, events_command, repromise_command, scorecard_command),
    *(models, inspect, rollback),
):
    main.add_command(_command)
