"""Self-contained HTML pages: of a backtest, a monitoring, scorecards and a look at tables."""

from etapromise.evaluation.report.monitor_page import render_monitor
from etapromise.evaluation.report.page import backtest_plots, render_backtest, render_check
from etapromise.evaluation.report.scorecard_page import render_scorecards, scorecard_section

__all__ = [
    "backtest_plots",
    "render_backtest",
    "render_check",
    "render_monitor",
    "render_scorecards",
    "scorecard_section",
]
