"""How the network's speed changes with the date: drift, peak season, disruptions, collapses.

Everything here is a known function of the date on which a stage starts, so the truth can be
computed. A factor multiplies a median duration: above 1 is slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from etapromise_simulator.config import (
    MAXIMUM_DAYS,
    CarrierCollapse,
    NetworkConfig,
    RegionalDisruption,
)
from etapromise_simulator.places import Places
from etapromise_simulator.workdays import Days, Floats

PEAK_ANCHORS = ((11, 8, 0.0), (11, 28, 0.9), (12, 15, 1.0), (12, 22, 0.8), (12, 31, 0.0))


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Factors by day; the last axis of every array is the day."""

    peak: Floats
    """Height of the peak season, 0 … `config.peak`, shape `(days,)`."""
    carrier: Floats
    """Linehaul of a carrier: drift, peak and collapses, shape `(carriers, days)`."""
    collapse: Floats
    """Collapses of a carrier alone, shape `(carriers, days)`."""
    region: Floats
    """Disruptions in a region, shape `(regions, days)`."""
    warehouse: Floats
    """Handling in a warehouse: drift, peak and the weekly backlog, shape `(warehouses, days)`."""
    lost: Floats
    """Extra probability that a carrier loses a parcel, shape `(carriers, days)`."""


def draw_pace(config: NetworkConfig, places: Places, days: Days) -> Pace:
    """Draw what changes with time, and add what is planted."""
    rng = np.random.default_rng([config.seed, 0, 3])
    peak = config.peak * _peak(days)
    years = (np.arange(days.count) - days.number(config.start)) / 365.25
    n_carriers = len(config.carriers)
    carrier = _drift(n_carriers, years, config.drift, rng)
    carrier *= 1 + rng.uniform(0.10, 0.30, n_carriers)[:, None] * peak
    warehouse = _drift(config.warehouses, years, config.drift, rng)
    warehouse *= 1 + rng.uniform(0.3, 0.8, config.warehouses)[:, None] * peak
    weekday = (np.arange(days.count) + days.first.weekday()) % 7
    backlog = rng.uniform(1.1, 1.4, config.warehouses)
    warehouse *= np.where(weekday == 0, backlog[:, None], 1.0)

    region = np.ones((len(places.regions), days.count))
    for number in range(len(places.regions)):
        for start, end, slowdown in _disruptions(config, rng):
            hit = days.mask(start, end)
            region[number, hit] = np.maximum(region[number, hit], slowdown)
    collapse = np.ones((n_carriers, days.count))
    lost = np.zeros((n_carriers, days.count))
    codes = [place.code for place in places.regions]
    for event in config.planted:
        if isinstance(event, CarrierCollapse):
            row = config.carriers.index(event.carrier)
            hit = days.mask(event.start, event.end)
            collapse[row, hit] *= event.slowdown
            lost[row, hit] = np.maximum(lost[row, hit], event.lost_share)
        elif isinstance(event, RegionalDisruption):
            region[codes.index(event.region), days.mask(event.start, event.end)] *= event.slowdown
    return Pace(
        peak=peak,
        carrier=carrier * collapse,
        collapse=collapse,
        region=region,
        warehouse=warehouse,
        lost=lost,
    )


def _peak(days: Days) -> Floats:
    """The season from early November to New Year, 0 … 1."""
    years = range(days.first.year, days.date(days.count - 1).year + 1)
    anchors = [(date(year, m, d), height) for year in years for m, d, height in PEAK_ANCHORS]
    return np.interp(
        np.arange(days.count),
        [days.number(when) for when, _ in anchors],
        [height for _, height in anchors],
    )


def _drift(count: int, years: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Slow change by 10 to 20 % a year in either direction, with a gentle wave on it."""
    slope = rng.uniform(0.10, 0.20, count) * rng.choice([-1.0, 1.0], count)
    phase = rng.random(count)
    # After three years of the steepest slope a median would be 1.8 times as long: still a network.
    wave = 0.25 * np.sin(2 * np.pi * (years + phase[:, None])) * np.abs(slope[:, None])
    wave -= 0.25 * np.sin(2 * np.pi * phase)[:, None] * np.abs(slope[:, None])
    return np.asarray(np.exp(strength * (slope[:, None] * years + wave)), dtype=np.float64)


def _disruptions(config: NetworkConfig, rng: np.random.Generator) -> list[tuple[date, date, float]]:
    """One to two weeks each; drawn for the longest simulation, so that `days` changes none."""
    number = rng.poisson(config.disruptions * MAXIMUM_DAYS / 365.25)
    starts = rng.integers(0, MAXIMUM_DAYS, number)
    lengths = rng.integers(7, 15, number)
    slowdowns = rng.uniform(1.35, 1.9, number)
    return [
        (
            config.start + timedelta(days=int(start)),
            config.start + timedelta(days=int(start + length)),
            float(slowdown),
        )
        for start, length, slowdown in zip(starts, lengths, slowdowns, strict=True)
    ]
