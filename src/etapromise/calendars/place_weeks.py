"""Places that a service brings to on other days of the week than the rest of their region.

A village may be served twice a week where its town is each day; no mean of a region tells that.
Which weeks there are is told by the places with many parcels, and how common each is by all of
them: a mixture whose support is what was seen (nonparametric empirical Bayes, Laird 1978; see
`common_laws`). So a few parcels tell the week of a place where such places are common, and none do
where there are no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.special import gammaln

from etapromise.array_types import Floats, Ints
from etapromise.calendars.common_laws import common_laws
from etapromise.calendars.transits import WEEKDAYS, Transits, ordinary_arrivals
from etapromise.calendars.working_clocks import Clocks

# Parcels of a place from which on it is looked at, and cells of the tables of them.
_FEWEST: Final = 4
_MOST_CELLS: Final = 20_000_000
# Rows and days of the clocks' table that places of their own may make.
_MOST_OF_CLOCKS: Final = 2**22
# How much of an ordinary day's arrivals a day has that is closed, and scanned with by mistake; that
# has few, fetched from a shop or brought by a lorry that seldom comes; that is worked in part; that
# is worked. Or what it has elsewhere.
_RATES: Final = np.array([0.02, 0.15, 0.4, 1.0])
_WORKED: Final = np.array([0.0, 0.15, 0.4, 1.0])
_AS_ELSEWHERE: Final = len(_RATES)
# What is believed of a day before any place is seen, in numbers of places; and of a week that is
# another one than elsewhere.
_BELIEVED_OF_DAYS: Final = np.array([0.25, 0.25, 0.25, 0.25, 2.0])
_BELIEVED_OF_WEEKS: Final = 0.5
_ROUNDS: Final = 20
# How often a service of a carrier has a week of its own in a place; and arrivals that all have.
_OF_ITS_OWN: Final = 0.1
_LITTLE: Final = 1e-3
# Parcels' worth of belief that a place is as quick as the others.
_ALIKE: Final = 10.0
# Arrivals due at a place whose week is weighed for others, too, and how many such weeks there are.
_TELLS: Final = 30.0
_MOST_WEEKS: Final = 40
# A place differs where one of its days is so much more, or less, of a working day than its service
# has there, and than the mean of its region.
_DIFFERS: Final = 0.4
# What is nearly closed, or nearly an ordinary day, is it.
_CLOSED_BELOW: Final = 0.1
_ORDINARY_FROM: Final = 0.9
_SEPARATOR: Final = "\x1f"


def with_place_weeks(
    transits: Transits, clocks: Clocks, place: Ints, place_keys: Sequence[str]
) -> Clocks:
    """The clocks, with the weeks of places that differ from their regions'.

    Args:
        transits: n parcels, by the clocks' own keys.
        clocks: as learned for services and regions.
        place: (n,) positions into `place_keys`.
        place_keys: country, region and destination.
    """
    counts = np.bincount(place, minlength=len(place_keys))
    services = len(clocks.services)
    most = max(1, _MOST_CELLS // (services * WEEKDAYS))
    told = np.argsort(-counts, kind="stable")[:most]
    told = np.sort(told[counts[told] >= _FEWEST])
    if not len(told):
        return clocks
    position = np.full(len(place_keys), -1)
    position[told] = np.arange(len(told))
    mine = np.flatnonzero(position[place] >= 0)
    transits, place = transits.take(mine), position[place[mine]]
    region = np.zeros(len(told), np.int64)
    region[place] = transits.calendar
    expected, observed = ordinary_arrivals(
        transits,
        clocks,
        (services, len(told), WEEKDAYS),
        lambda rows, _, weekday: (place[rows], weekday),
    )
    weeks = _usual_weeks(clocks, region)
    # Which of its weeks a place had is not told apart.
    changed = set((clocks.new_weeks[:, 0] - 1).astype(int).tolist())
    carriers = np.array([key.split(_SEPARATOR)[0] for key in clocks.services])
    for carrier in np.unique(carriers):
        rows = np.array([r for r in np.flatnonzero(carriers == carrier) if r not in changed])
        if len(rows):
            weeks[rows] = _weeks_of(weeks[rows], expected[rows], observed[rows])
    apart = np.abs(weeks - _usual_weeks(clocks, region)).max(axis=2)
    alone = np.abs(weeks - _mean_weeks(weeks, expected.sum(axis=2), region)).max(axis=2)
    differs = np.minimum(apart, alone) >= _DIFFERS
    gain = np.where(differs, apart * (expected.sum(axis=2) + 1.0), 0.0)
    return _with_rows(clocks, [place_keys[row] for row in told], region, weeks, gain)


def _usual_weeks(clocks: Clocks, region: Ints) -> Floats:
    """(services, p, 7) weeks of the services in the regions of places."""
    usual = np.repeat(clocks.weeks[1:, None], len(region), axis=1)
    for row in clocks.region_weeks:
        usual[int(row[0]) - 1, region == int(row[1]) - 1] = row[2:]
    return usual


def _mean_weeks(weeks: Floats, due: Floats, region: Ints) -> Floats:
    """(services, p, 7) the mean week of all places in each place's region.

    What a whole region has is no place's own: often a hub on the way to it makes the weekdays, and
    parcels that have passed it do not wait for them.

    Args:
        weeks: (services, p, 7) of places.
        due: (services, p) arrivals to be expected.
        region: (p,) of each place.
    """
    weight = due + _LITTLE
    total = np.zeros((len(weeks), region.max() + 1, WEEKDAYS))
    count = np.zeros(total.shape[:2])
    for service, each in enumerate(weight):
        np.add.at(total[service], region, each[:, None] * weeks[service])
        np.add.at(count[service], region, each)
    return np.asarray((total / np.maximum(count, _LITTLE)[:, :, None])[:, region])


def _weeks_of(usual: Floats, expected: Floats, observed: Floats) -> Floats:
    """(s, p, 7) weeks of the services of one carrier in each place.

    Its services are on the same lorries mostly: what all of them show in a place is what is
    believed of each, before its own parcels are asked.

    Args:
        usual: (s, p, 7) elsewhere.
        expected: (s, p, 7) arrivals on ordinary days.
        observed: (s, p, 7) arrivals.
    """
    due = expected.sum(axis=0)
    mean = (usual * (expected + _LITTLE)).sum(axis=0) / (due + len(usual) * _LITTLE)
    kinds = _weeks_seen(mean, due, observed.sum(axis=0))
    if not len(kinds):
        return usual
    fit = _fits(kinds, mean, due, observed.sum(axis=0))
    believed = np.where((kinds == _AS_ELSEWHERE).all(axis=1), 2.0, _BELIEVED_OF_WEEKS / len(kinds))
    chance, common = common_laws(fit, believed, _ROUNDS)
    found = np.zeros_like(usual)
    for service, week in enumerate(usual):
        own = chance
        if len(usual) > 1:
            fit = _fits(kinds, week, expected[service], observed[service])
            own = np.exp(fit - fit.max(axis=1, keepdims=True))
            own *= (1.0 - _OF_ITS_OWN) * chance + _OF_ITS_OWN * common
            own /= own.sum(axis=1, keepdims=True)
        for kind, share in zip(kinds, own.T, strict=True):
            found[service] += share[:, None] * _of_kinds(kind, _WORKED, week)
    found[found < _CLOSED_BELOW] = 0.0
    found[found > _ORDINARY_FROM] = 1.0
    return found


def _fits(kinds: Ints, usual: Floats, expected: Floats, observed: Floats) -> Floats:
    """(p, k) log likelihood of what was seen in places by each week."""
    rates = (_of_kinds(kind, _RATES, usual) for kind in kinds)
    return np.stack([_log_likelihood(rate, expected, observed) for rate in rates], axis=1)


def _of_kinds(kind: Ints, each: Floats, usual: Floats) -> Floats:
    """(p, 7) what a week of such days has in each place.

    Args:
        kind: (7,) or (p, 7) position in `each`, or as elsewhere.
        each: (r,) of the kinds of days.
        usual: (p, 7) elsewhere.
    """
    own = each[np.minimum(kind, _AS_ELSEWHERE - 1)]
    return np.where(kind == _AS_ELSEWHERE, np.clip(usual, each[0], None), own)


def _log_likelihood(rates: Floats, expected: Floats, observed: Floats) -> Floats:
    """(p,) of arrivals in places that are each as quick as it may be (gamma-Poisson).

    Args:
        rates: (p, 7) of an ordinary day's arrivals.
        expected: (p, 7) arrivals on ordinary days.
    """
    came, due = observed.sum(axis=1), (rates * expected).sum(axis=1)
    shape = _ALIKE + came
    pace = gammaln(shape) - shape * np.log(_ALIKE + due)
    return np.asarray((observed * np.log(rates)).sum(axis=1) + pace)


def _weeks_seen(usual: Floats, expected: Floats, observed: Floats) -> Ints:
    """(k, 7) kinds of days of the weeks that places with many parcels have; none: all alike."""
    kinds = np.full(usual.shape, _AS_ELSEWHERE)
    tells = (usual * expected).sum(axis=1) >= _TELLS
    if not tells.any():
        return kinds[:0]
    usual, expected, observed = usual[tells], expected[tells], observed[tells]
    kinds = kinds[tells]
    for _ in range(4):
        rates = _of_kinds(kinds, _RATES, usual)
        came, due = observed.sum(axis=1), (rates * expected).sum(axis=1)
        at_pace = expected * ((came + _ALIKE) / (due + _ALIKE))[:, None]
        for day in range(WEEKDAYS):
            part = np.clip(usual[:, day], _RATES[0], None)
            rates = np.column_stack([np.broadcast_to(_RATES, (len(part), len(_RATES))), part])
            fit = observed[:, day, None] * np.log(rates) - rates * at_pace[:, day, None]
            chance, _ = common_laws(fit, _BELIEVED_OF_DAYS, _ROUNDS)
            kinds[:, day] = chance.argmax(axis=1)
            # A worked day is one like elsewhere where it is worked there.
            same = np.abs(_of_kinds(kinds, _RATES, usual)[:, day] - part) < _DIFFERS
            kinds[same, day] = _AS_ELSEWHERE
    weeks, count = np.unique(kinds, axis=0, return_counts=True)
    # Nobody is never served.
    served = ((weeks > 0) & (weeks < _AS_ELSEWHERE)).any(axis=1) | (
        (weeks == _AS_ELSEWHERE)[:, None, :] & (usual > 0)[None]
    ).any(axis=(1, 2))
    # A week of one place alone is chance.
    several = served & (count > 1)
    weeks, count = weeks[several], count[several]
    most = weeks[np.argsort(-count, kind="stable")[:_MOST_WEEKS]]
    other: Ints = most[(most != _AS_ELSEWHERE).any(axis=1)]
    if not len(other):
        return other
    return np.concatenate([np.full((1, WEEKDAYS), _AS_ELSEWHERE), other])


def _with_rows(
    clocks: Clocks, keys: Sequence[str], region: Ints, weeks: Floats, gain: Floats
) -> Clocks:
    """The clocks with a row for each place that differs, those with most parcels first."""
    room = _MOST_OF_CLOCKS // (len(clocks.weeks) * clocks.holidays.shape[1])
    best = np.argsort(-gain.sum(axis=0), kind="stable")[: max(0, room - len(clocks.holidays))]
    best = np.sort(best[gain.sum(axis=0)[best] > 0])
    if not len(best):
        return clocks
    first = len(clocks.holidays)
    of_region = {(int(row[0]), int(row[1])): row[2:] for row in clocks.region_weeks}
    rows = []
    for number, place in enumerate(best.tolist()):
        for service in range(len(clocks.services)):
            own = of_region.get((service + 1, int(region[place]) + 1))
            if gain[service, place] > 0:
                own = weeks[service, place]
            if own is not None:
                rows.append([service + 1, first + number, *own])
    return replace(
        clocks,
        calendars=(*clocks.calendars, *(keys[place] for place in best)),
        holidays=np.concatenate([clocks.holidays, clocks.holidays[region[best] + 1]]),
        place_weeks=np.concatenate([clocks.place_weeks, clocks.place_weeks[region[best] + 1]]),
        region_weeks=np.concatenate([clocks.region_weeks, np.array(rows, np.float64)]),
    )
