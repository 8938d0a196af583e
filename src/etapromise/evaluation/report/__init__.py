"""The report: self-contained HTML pages of a backtest, of a monitoring and of scorecards."""

from etapromise.evaluation.report.monitor_page import render_monitor
from etapromise.evaluation.report.page import backtest_plots, render_backtest
from etapromise.evaluation.report.scorecard_page import render_scorecards, scorecard_section

__all__ = [
    "backtest_plots",
    "render_backtest",
    "render_monitor",
    "render_scorecards",
    "scorecard_section",
]
