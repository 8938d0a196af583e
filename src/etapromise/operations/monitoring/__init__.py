"""Watching a model at work: promises kept, calibration, drift, and the flow of scans."""
