"""The report: one HTML page that needs no network, for a browser, a phone or paper."""

from etapromise.operations.report.page import render_backtest

__all__ = ["render_backtest"]
