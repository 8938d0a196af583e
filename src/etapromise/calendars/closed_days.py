"""How far parcels go on while nothing is delivered, as the days on which they arrive show.

A lorry that drives on a Sunday brings on Monday what else had come on Tuesday. So the chance to
arrive after a weekend tells of it: it is that of one working day where parcels stand still, and of
as many more as they have gone on. For each service the share of a working day that explains the
arrivals best is found by the likelihood of a piecewise constant hazard on the clock that it makes
(Cox 1972; Holford 1980 for the Poisson form), weighed over a few shares; which of these are common
is learned from all services.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from etapromise.array_types import Floats
from etapromise.calendars.common_laws import common_laws
from etapromise.calendars.transits import AGES, WEEKDAYS, Transits, days_in_transit
from etapromise.calendars.working_clocks import Clocks

# What is weighed, and what is believed of it before any parcel is seen, as a quarter of a service.
_SHARES: Final = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_BELIEVED: Final = 0.25 * np.array([0.4, 0.15, 0.15, 0.15, 0.15])
# A share so small is that of parcels that stand still.
_HARDLY_ANY: Final = 0.1
# Parcels that are enough to know every service by.
_SAMPLE: Final = 60_000
# Parts of a working day that ages are told apart by, and the longest day, in those.
_PARTS: Final = 4
# Of the lengths of days, which are differences of sums.
_ROUNDING: Final = 1e-6
_LONGEST_DAY: Final = 4 * _PARTS
_ROUNDS: Final = 12


def with_closed_progress(transits: Transits, clocks: Clocks) -> Clocks:
    """The clocks, with how far parcels of each service go on while nothing is delivered."""
    sample = transits.latest(_SAMPLE)
    if not len(sample):
        return clocks
    fit = np.stack(
        [
            _log_likelihood(
                sample, replace(clocks, closed_progress=np.full(len(clocks.weeks), share))
            )
            for share in _SHARES
        ]
    )
    # What is common among the services is believed of one with few parcels, and of any other.
    chance, common = common_laws(fit.T, _BELIEVED, _ROUNDS)
    shares = np.concatenate([common[None], chance]) @ _SHARES
    return replace(clocks, closed_progress=np.where(shares < _HARDLY_ANY, 0.0, shares))


def _log_likelihood(transits: Transits, clocks: Clocks) -> Floats:
    """(services,) of the arrivals on ordinary working days, each service with its own hazard."""
    at_risk, arrived = _cells(transits, clocks)
    begins, lasts = np.divmod(np.arange(at_risk.shape[1]), _LONGEST_DAY)
    starts, ends = begins / _PARTS, (begins + lasts + 1) / _PARTS
    unit = np.arange(AGES)
    within = np.clip(
        np.minimum(ends[:, None], unit + 1) - np.maximum(starts[:, None], unit), 0.0, None
    )
    # Beyond the last unit its hazard goes on.
    within[:, -1] += np.maximum(ends - np.maximum(starts, AGES), 0.0)
    exposed = np.maximum((at_risk - 0.5 * arrived) @ within, 1e-9)
    hazard = np.maximum(
        arrived.sum(axis=1, keepdims=True) / exposed.sum(axis=1, keepdims=True), 1e-6
    )
    hazard = np.repeat(hazard, AGES, axis=1)
    for _ in range(_ROUNDS):
        due = np.maximum(hazard @ within.T, 1e-12)
        hazard = np.maximum(hazard * ((arrived / due) @ within) / exposed, 1e-6)
    due = np.maximum(hazard @ within.T, 1e-12)
    return np.asarray((arrived * np.log(-np.expm1(-due)) - (at_risk - arrived) * due).sum(axis=1))


def _cells(transits: Transits, clocks: Clocks) -> tuple[Floats, Floats]:
    """(services, ages in parts x lengths in parts) parcels at risk on such days, and arrivals."""
    shape = (len(clocks.services), AGES * _PARTS, _LONGEST_DAY)
    at_risk, arrived = np.zeros(np.prod(shape)), np.zeros(np.prod(shape))
    clock = (transits.service + 1) * len(clocks.holidays) + transits.calendar + 1
    whole = np.abs(np.diff(clocks.elapsed, axis=1) - clocks.lengths()) < _ROUNDING
    for day in days_in_transit(transits, clocks):
        # A day that is worked in part would need a length of its own.
        here = whole[clock[day.rows], day.date - clocks.first_day]
        told = np.flatnonzero(here & (day.kind < WEEKDAYS) & (day.since >= 0.0))
        age = np.minimum(np.round(day.since[told] * _PARTS).astype(np.int64), shape[1] - 1)
        length = np.minimum(np.round(day.length[told] * _PARTS).astype(np.int64), _LONGEST_DAY)
        cell = (transits.service[day.rows[told]] * shape[1] + age) * shape[2] + length - 1
        at_risk += np.bincount(cell, minlength=len(at_risk))
        arrived += np.bincount(cell[day.came[told]], minlength=len(arrived))
    return at_risk.reshape(shape[0], -1), arrived.reshape(shape[0], -1)
