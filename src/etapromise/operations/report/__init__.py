"""The report: self-contained HTML pages of a backtest and of a monitoring."""

from etapromise.operations.report.monitor_page import render_monitor
from etapromise.operations.report.page import render_backtest

__all__ = ["render_backtest", "render_monitor"]
