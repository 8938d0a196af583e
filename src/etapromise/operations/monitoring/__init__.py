"""Watching a model at work: promises kept, calibration, drift, and the flow of scans.

`monitor` measures, `Thresholds` says how much is too much, `Findings.write` tells people (a
page), programs (JSON) and Prometheus.
"""

from etapromise.operations.monitoring.run import Findings, monitor
from etapromise.operations.monitoring.thresholds import MonitorConfig, Thresholds, read_thresholds

__all__ = ["Findings", "MonitorConfig", "Thresholds", "monitor", "read_thresholds"]
