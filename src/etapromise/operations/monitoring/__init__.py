"""Watching a model at work: promises kept, calibration, drift, and the flow of scans.

`run_monitor` measures, `Thresholds` says how much is too much, `Findings.write` tells people (a
page), programs (JSON) and Prometheus.
"""

from etapromise.operations.monitoring.monitor import Findings, run_monitor
from etapromise.operations.monitoring.thresholds import MonitorConfig, Thresholds, read_thresholds

__all__ = ["Findings", "MonitorConfig", "Thresholds", "read_thresholds", "run_monitor"]
