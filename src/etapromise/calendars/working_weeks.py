"""Which weekdays and holidays a carrier delivers on, as the arrivals of parcels in transit show.

How many parcels arrive on a Monday says little: perhaps few were sent off on Saturday. What counts
is how many of those that might have arrived did: observed arrivals over those expected of parcels
as long on their way on any day (a proportional-hazards model with the kind of day as its only
covariate, Cox 1972, fitted by iterative proportional scaling). The length of a way is itself
counted in working days, so weeks and lengths are found in turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
from scipy.special import gammaln

from etapromise.array_types import Floats, Ints
from etapromise.calendars.changed_weeks import with_changed_weeks
from etapromise.calendars.closed_days import with_closed_progress
from etapromise.calendars.place_weeks import with_place_weeks
from etapromise.calendars.transits import (
    WEEKDAYS,
    Transits,
    arrival_hazard,
    arrivals_on_holidays,
    ordinary_arrivals,
    risk_sets,
)
from etapromise.calendars.working_clocks import (
    HOLIDAY_KINDS,
    KEPT,
    WORKED,
    Clocks,
    holiday_table,
    named_holidays,
)
from etapromise.shrinkage import PRIORS, shrunk

_ROUNDS: Final = 5
# … once it is known which holidays are kept, and how far ways go on over closed days.
_ROUNDS_AGAIN: Final = 2
# Parcels that are enough to know every service's week by.
_SAMPLE: Final = 400_000
# Before anything is seen a weekday is closed, worked in part, or worked like any other with these
# chances; they count like a quarter of a service that is known well, with this many arrivals.
_DAYS_ARE: Final = 0.25 * np.array([0.15, 0.1, 0.75])
_SERVICE_EVIDENCE: Final = 20.0
_MIXTURE_ROUNDS: Final = 20
# Mean and squared coefficient of variation of the work on a day that is worked in part; the latter
# of an ordinary day; and the share of its arrivals that a closed day is scanned with.
_IN_PART: Final = (0.4, 0.4)
_ORDINARY_SPREAD: Final = 0.01
_MIS_SCANNED: Final = 0.01
# A day with less than this share of the arrivals expected is closed: those are mis-scans.
_CLOSED_BELOW: Final = 0.03
# … a holiday, of which there are few, with less than this.
_HOLIDAY_CLOSED_BELOW: Final = 0.15
# Arrivals that were to be expected from which on their absence needs no belief: were the day worked
# at a quarter of an ordinary one's strength, five had come.
_ENOUGH_EXPECTED: Final = 20.0
# A holiday with more than this share of the arrivals expected is kept by few, if there were enough.
_KEPT_BELOW: Final = 0.5
_ENOUGH_OF_A_HOLIDAY: Final = 8.0
# Parcels of a service in a place from which on its own week there needs no belief.
_WEEKEND_EVIDENCE: Final = 300
# A weekday on which a service works less is closed everywhere but for mis-scans.
_CLOSED_SOMEWHERE: Final = 0.1
# From here on a day is an ordinary one: the rest is chance.
_ORDINARY_FROM: Final = 0.7


def learn_clocks(
    transits: Transits,
    *,
    service_keys: Sequence[str],
    calendar_keys: Sequence[str],
    first_day: int,
    last_day: int,
    places: tuple[Ints, Sequence[str]] | None = None,
) -> Clocks:
    """Working weeks and holiday closures, as the parcels on their way show them.

    Args:
        transits: n parcels; none of their days outside the tables.
        places: (n,) positions of their destinations, and the keys of these; None: not looked at.
    """
    clocks = Clocks(
        first_day=first_day,
        services=tuple(service_keys),
        weeks=np.ones((len(service_keys) + 1, WEEKDAYS)),
        calendars=tuple(calendar_keys),
        holidays=holiday_table(calendar_keys, first_day, last_day),
        holiday_weights=np.ones((len(service_keys) + 1, HOLIDAY_KINDS)),
    )
    sample = transits.latest(_SAMPLE)
    for _ in range(_ROUNDS):
        clocks = _renewed(clocks, *risk_sets(sample, clocks))
    of_unseen = clocks.holiday_weights[:, : KEPT - 1]
    clocks = with_closed_progress(sample, _with_seen_holidays(sample, clocks))
    for _ in range(_ROUNDS_AGAIN):
        clocks = _renewed(clocks, *risk_sets(sample, clocks))
        # What is not seen yet is like all that was, not like the few of which too little is known.
        clocks.holiday_weights[:, : KEPT - 1] = of_unseen
    clocks = _with_weekends(sample, _with_regions(sample, with_changed_weeks(sample, clocks)))
    if places is None:
        return clocks
    place, keys = places
    return with_place_weeks(transits, clocks, place, keys)


def _with_seen_holidays(transits: Transits, clocks: Clocks) -> Clocks:
    """The clocks, with the public holidays that most carriers keep told from those they work on.

    Carriers keep some holidays of a country and not others. All holidays of one name and country
    are looked at together; who does otherwise than most on them is a matter of its weights.
    """
    expected, observed = arrivals_on_holidays(transits, clocks)
    last_day = clocks.last_day
    due: Counter[tuple[str, str]] = Counter()
    came: Counter[tuple[str, str]] = Counter()
    for row in np.flatnonzero(expected.any(axis=1)).tolist():
        country, region, *_ = clocks.calendars[row].split("\x1f")
        for day, name in named_holidays(country, region, clocks.first_day, last_day).items():
            due[country, name] += expected[row, day - clocks.first_day]
            came[country, name] += observed[row, day - clocks.first_day]
    seen = {
        one: KEPT if came[one] < _KEPT_BELOW * arrivals else WORKED
        for one, arrivals in due.items()
        if arrivals >= _ENOUGH_OF_A_HOLIDAY
    }
    if not seen:
        return clocks
    table = holiday_table(clocks.calendars, clocks.first_day, last_day, seen)
    return replace(clocks, holidays=table)


def _with_weekends(transits: Transits, clocks: Clocks) -> Clocks:
    """The clocks, with a service's week turned to the weekend of countries that it seldom serves.

    A carrier that rests on Saturday and Sunday rests on Friday and Saturday where that is the
    weekend, until its parcels there have shown something else: a belief before any evidence. A
    service that mostly goes to such countries has learned its week from them.
    """
    turns = np.array([days_before_sunday(key.split("\x1f")[0]) for key in clocks.calendars])
    if not turns.any():
        return clocks
    told = {(int(row[0]), int(row[1])) for row in clocks.region_weeks}
    places = len(clocks.calendars)
    cell = transits.service * places + transits.calendar
    counts = np.bincount(cell, minlength=len(clocks.services) * places).reshape(-1, places)
    found = []
    for service, row in enumerate(counts):
        for place in np.flatnonzero(turns):
            alike = row[turns == turns[place]].sum()
            seldom = 2 * alike < row.sum() and row[place] < _WEEKEND_EVIDENCE
            if seldom and (service + 1, int(place) + 1) not in told:
                week = np.roll(clocks.weeks[service + 1], -int(turns[place]))
                found.append([service + 1, place + 1, *week])
    if not found:
        return clocks
    return replace(
        clocks, region_weeks=np.concatenate([clocks.region_weeks, np.array(found, np.float64)])
    )


@cache
def days_before_sunday(country: str) -> int:
    """By how many days a country's weekend ends before Sunday: 1 in Israel, 2 in Iran, mostly 0.

    Args:
        country: ISO 3166-1 alpha-2; 0 where the CLDR (through babel) does not know it.
    """
    from babel import Locale, localedata  # noqa: PLC0415 — not on the quote path

    ending = f"_{country}"
    known = [name for name in localedata.locale_identifiers() if name.endswith(ending)]
    if not country or not known:
        return 0
    # 6 … 0: Sunday … Monday. A weekend of a Sunday alone ends on it, too.
    return int(6 - Locale.parse(min(known)).weekend_end)


def _with_regions(transits: Transits, clocks: Clocks) -> Clocks:
    """The clocks, and the weeks of the services in regions where they are others for certain.

    A weekday is closed there, or open, where its arrivals say so without any belief: next to none
    of those expected, or as many as on the region's other days.
    """
    regions = len(clocks.calendars)
    if regions < 2:
        return clocks
    expected, observed = ordinary_arrivals(
        transits,
        clocks,
        (len(clocks.services), regions, WEEKDAYS),
        lambda rows, _, weekday: (transits.calendar[rows], weekday),
    )
    found = []
    for service, region in zip(*np.nonzero(expected.sum(axis=2)), strict=True):
        week = clocks.weeks[service + 1]
        worked = week >= _ORDINARY_FROM
        # A region's parcels may be quicker or slower than the service's whatever the day.
        usual = observed[service, region, worked].sum() / max(
            expected[service, region, worked].sum(), 1e-9
        )
        due = expected[service, region] * usual
        told = (due >= _ENOUGH_EXPECTED) & (week >= _CLOSED_SOMEWHERE)
        closed = told & (observed[service, region] < _CLOSED_BELOW * due)
        open_ = told & ~worked & (observed[service, region] >= _ORDINARY_FROM * due)
        if closed.any() or open_.any():
            own = np.where(closed, 0.0, np.where(open_, 1.0, week))
            found.append([service + 1, region + 1, *own])
    if not found:
        return clocks
    return replace(clocks, region_weeks=np.array(found, np.float64))


def _renewed(clocks: Clocks, at_risk: Floats, arrived: Floats) -> Clocks:
    hazard = arrival_hazard(clocks, at_risk, arrived)
    expected = (at_risk * hazard[:, None, :]).sum(axis=2)
    observed = arrived.sum(axis=2)
    weeks = _weeks(observed[:, :WEEKDAYS], expected[:, :WEEKDAYS])
    # A holiday against the ordinary days of the same service.
    usual = expected[:, WEEKDAYS:] * weeks[1:].mean(axis=1, keepdims=True)
    return replace(
        clocks, weeks=weeks, holiday_weights=_holiday_weights(observed[:, WEEKDAYS:], usual)
    )


def _weeks(observed: Floats, expected: Floats) -> Floats:
    """(services + 1, 7) from (services, 7) arrivals; row 0 is the network's."""
    network = (observed.sum(axis=0) + 1.0) / (expected.sum(axis=0) + 1.0)
    own = shrunk(observed, expected, network, PRIORS.service_week)
    ordinary = _ordinary(np.concatenate([network[None, :], own]))
    weeks = np.concatenate(
        [network[None, :] / ordinary[0], _worked(observed, expected * ordinary[1:])]
    )
    weeks[weeks < _CLOSED_BELOW] = 0.0
    weeks[weeks > _ORDINARY_FROM] = 1.0
    weeks[1:][expected.sum(axis=1) == 0] = weeks[0]
    return weeks


def _ordinary(weeks: Floats) -> Floats:
    """(r, 1) the median of the days with at least a third of the busiest one's arrivals."""
    busy = np.where(weeks >= weeks.max(axis=1, keepdims=True) / 3, weeks, np.nan)
    return np.asarray(np.nanmedian(busy, axis=1, keepdims=True))


def _worked(observed: Floats, expected: Floats) -> Floats:
    """(services, 7) share of an ordinary day's work, the mean of what it may be.

    A weekday is closed, worked like any other, or worked in part: a mixture whose shares are those
    of the other services (an empirical Bayes prior, Efron 2010). So an empty Sunday or two tell a
    closed day, and a service with none yet is as likely closed as the others are.

    Args:
        observed: (services, 7) arrivals.
        expected: (services, 7) arrivals on ordinary days.
    """
    part, spread = _IN_PART
    likelihood = np.stack(
        [
            observed * np.log(_MIS_SCANNED) - _MIS_SCANNED * expected,
            _gamma_poisson(observed, expected, part, spread),
            _gamma_poisson(observed, expected, 1.0, _ORDINARY_SPREAD),
        ]
    )
    mean = np.stack(
        [
            np.zeros_like(observed),
            (observed + 1 / spread) / (expected + 1 / (part * spread)),
            (observed + 1 / _ORDINARY_SPREAD) / (expected + 1 / _ORDINARY_SPREAD),
        ]
    )
    shares = np.repeat(_DAYS_ARE[:, None] / _DAYS_ARE.sum(), WEEKDAYS, axis=1)
    chance = _posterior(likelihood, shares)
    for _ in range(_MIXTURE_ROUNDS):
        # A service without arrivals of its own says nothing of what services do.
        told = chance * (expected / (expected + _SERVICE_EVIDENCE))
        shares = told.sum(axis=1) + _DAYS_ARE[:, None]
        chance = _posterior(likelihood, shares / shares.sum(axis=0))
    return np.asarray((chance * mean).sum(axis=0))


def _posterior(likelihood: Floats, shares: Floats) -> Floats:
    """(kinds, services, 7) chance of each kind, from log likelihoods and (kinds, 7) shares."""
    chance = likelihood + np.log(shares)[:, None, :]
    chance = np.exp(chance - chance.max(axis=0))
    return np.asarray(chance / chance.sum(axis=0))


def _gamma_poisson(observed: Floats, expected: Floats, mean: float, spread: float) -> Floats:
    """Log likelihood of arrivals at a rate with this mean and squared coefficient of variation.

    Less what is the same for all means and spreads.
    """
    shape, rate = 1 / spread, 1 / (spread * mean)
    return np.asarray(
        gammaln(observed + shape)
        - gammaln(shape)
        + shape * np.log(rate)
        - (observed + shape) * np.log(expected + rate)
    )


def _holiday_weights(observed: Floats, usual: Floats) -> Floats:
    """(services + 1, kinds) from (services, kinds) arrivals and those of ordinary days."""
    network = observed.sum(axis=0) / (usual.sum(axis=0) + PRIORS.rests)
    own = shrunk(observed, usual, network, PRIORS.service_holidays)
    weights = np.concatenate([network[None, :], own])
    weights[weights < _HOLIDAY_CLOSED_BELOW] = 0.0
    weights[weights > _ORDINARY_FROM] = 1.0
    return weights
