"""Self-contained HTML pages: of a backtest, a monitoring, scorecards and a look at tables."""
