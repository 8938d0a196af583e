"""Who takes parcels over and after how long, as the orders known at a moment show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.working_clocks import Clocks, row_of
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_seconds
from etapromise.lanes.hand_offs import ANOTHER, FIRST_LEG, HAND_OFF_LEVELS, LONGEST_LEG, HandOffs
from etapromise.lanes.levels import Level, level_keys, sorted_keys, spelled
from etapromise.shrinkage import PRIORS, shrunk

if TYPE_CHECKING:
    import pandas as pd

# Which share of a carrier's parcels is handed over where, and to whom.
#
# Whether a parcel is handed over hangs on the place and on the carrier: many carriers leave the
# same remote areas to the same partner, some leave none. So its log odds are a sum: of its
# region's, its prefix's, its carrier's and its service's, and of their pairs' as far as these
# differ from that (the model of Rasch 1960, with ridge penalties). A carrier that is new to a
# place is expected to do there what the others do, as far as it does so elsewhere; one seen only
# where nobody hands over has said nothing.

_SEPARATOR: Final = "\x1f"
# From this share on a hand-off is usual.
_USUAL: Final = 0.5
# A service that hands less than this share over does so by mistake.
_HANDS_OVER: Final = 0.02
_CARRIER, _SERVICE, _SERVICE_REGION, _SERVICE_PREFIX, _ = HAND_OFF_LEVELS
_EVERYWHERE: Final = Level("everywhere", ())
_REGION: Final = Level("region", ("destination_country", "destination_region"))
_PREFIX: Final = Level("prefix", ("destination_country", "destination_prefix"))
_PLACE: Final = Level("place", ("destination_country", "destination"))
_CARRIER_REGION: Final = Level("carrier_region", ("carrier", *_REGION.columns))
_CARRIER_PREFIX: Final = Level("carrier_prefix", ("carrier", *_PREFIX.columns))
# The terms of the sum, and the variance that their values are expected to have; carriers differ
# from never to always.
_TERMS: Final = {
    _EVERYWHERE: np.inf,
    _REGION: 4.0,
    _PREFIX: 4.0,
    _CARRIER: 9.0,
    _SERVICE: 4.0,
    _CARRIER_REGION: 1.0,
    _CARRIER_PREFIX: 1.0,
    _SERVICE_REGION: 1.0,
    _SERVICE_PREFIX: 1.0,
}
# Whose word on who takes over goes before whose, the last one first: the place's before what the
# carrier does elsewhere.
_NEARER: Final = (
    _CARRIER,
    _SERVICE,
    _REGION,
    _PREFIX,
    _CARRIER_REGION,
    _SERVICE_REGION,
    _CARRIER_PREFIX,
    _SERVICE_PREFIX,
)
_SWEEPS: Final = 20
# A Newton step no longer than this does not run away where shares are near 0 or 1.
_LONGEST_STEP: Final = 1.0
_NO_BEND: Final = 1e-12


def hand_off_tables(
    parcels: pd.DataFrame, last_mile: NDArray[np.int32], carriers: int, log_odds: Floats
) -> tuple[tuple[tuple[str, ...], ...], tuple[NDArray[np.int32], ...], tuple[Floats, ...]]:
    """Keys, last-mile carriers and shares of each of HAND_OFF_LEVELS, as `HandOffs` has them.

    Args:
        parcels: (n,) shipments.
        last_mile: (n,) number of who took each over, 0: nobody did, as far as is known.
        log_odds: (n,) what is added to the log odds that one not taken over will yet be; -inf where
            it will not.
    """
    counted = _Counted(parcels, last_mile, carriers, log_odds)
    everywhere = counted.shares(_EVERYWHERE, np.full(1, _USUAL))
    carrier = counted.shares(_CARRIER, everywhere.share[counted.mostly(_CARRIER, _EVERYWHERE)])
    service = counted.shares(_SERVICE, carrier.share[counted.mostly(_SERVICE, _CARRIER)])
    region = counted.shares(
        _SERVICE_REGION, service.share[counted.mostly(_SERVICE_REGION, _SERVICE)]
    )
    prefix = _by_prefix(counted, service, region)
    tables = (carrier, service, region, prefix, _by_place(counted, service, prefix))
    return (
        tuple(tuple(table.keys) for table in tables),
        tuple(np.concatenate([[0], table.last_mile]).astype(np.int32) for table in tables),
        tuple(np.concatenate([[0.0], table.share]) for table in tables),
    )


@dataclass(frozen=True)
class _Shares:
    """Of k keys: the share that is handed over, and who usually brings parcels, 0: nobody else."""

    keys: Sequence[str]
    share: Floats
    last_mile: Ints


class _Counted:
    """Parcels by key of every level, and the terms of their log odds.

    Attributes:
        keys: of each level.
        terms: of each level's keys, what they add to the log odds.
    """

    def __init__(
        self, parcels: pd.DataFrame, last_mile: NDArray[np.int32], carriers: int, log_odds: Floats
    ) -> None:
        self._parcels = parcels
        self._last_mile = last_mile
        self._carriers = carriers
        found = [sorted_keys(*keys) for keys in level_keys(parcels, tuple(_TERMS))]
        self._place = {level: place for level, (place, _) in zip(_TERMS, found, strict=True)}
        self.keys = {level: keys for level, (_, keys) in zip(_TERMS, found, strict=True)}
        self._row = {
            level: {key: row for row, key in enumerate(keys)} for level, keys in self.keys.items()
        }
        self.terms = {level: np.zeros(len(keys)) for level, keys in self.keys.items()}
        self._handed = (last_mile > 0).astype(np.float64)
        self._fit(np.where(last_mile > 0, -np.inf, log_odds))

    def _fit(self, log_odds: Floats) -> None:
        # Parcels with the same terms are alike, but for what their ages say. A prefix may lie in
        # two regions.
        regions = len(self.keys[_REGION])
        pair = self._place[_SERVICE_PREFIX] * regions + self._place[_REGION]
        _, one, alike = np.unique(pair, return_index=True, return_inverse=True)
        count = np.bincount(alike).astype(np.float64)
        known = np.bincount(alike, weights=self._handed)
        place = {level: self._place[level][one] for level in _TERMS}
        open_ = np.flatnonzero(log_odds > -np.inf)
        odds = np.zeros(len(count))
        for _ in range(_SWEEPS):
            yet = _share(odds[alike[open_]] + log_odds[open_])
            handed = known + np.bincount(alike[open_], yet, len(count))
            for level, variance in _TERMS.items():
                key, terms, share = place[level], self.terms[level], _share(odds)
                slope = np.bincount(key, handed - count * share) - terms / variance
                bend = np.bincount(key, count * share * (1.0 - share)) + 1.0 / variance
                step = np.clip(slope / (bend + _NO_BEND), -_LONGEST_STEP, _LONGEST_STEP)
                terms += step
                odds += step[key]
        self._handed[open_] = _share(odds[alike[open_]] + log_odds[open_])

    def at_places(
        self, service: _Shares, prefix: _Shares
    ) -> tuple[Sequence[tuple[str, ...]], Floats, Floats, Ints]:
        """Of p destinations (country, name): their own shares, those of their prefixes, and takers.

        All of services that hand over at all.

        Args:
            service: of services.
            prefix: of services in prefixes.
        """
        counts = (service.share >= _HANDS_OVER)[self._place[_SERVICE]].astype(np.float64)
        place, keys = sorted_keys(*level_keys(self._parcels, (_PLACE,))[0])
        row = {key: number for number, key in enumerate(prefix.keys)}
        rows = np.array([row[key] for key in self.keys[_SERVICE_PREFIX]], np.int64)
        wide = prefix.share[rows][self._place[_SERVICE_PREFIX]]
        count = np.bincount(place, counts)
        around = np.bincount(place, counts * wide) / np.maximum(count, 1.0)
        handed = np.bincount(place, counts * self._handed)
        own = shrunk(handed, count, around, PRIORS.hand_offs)
        width = self._carriers + 1
        cells = np.bincount(place * width + self._last_mile, minlength=len(keys) * width)
        each = cells.reshape(-1, width)[:, 1:]
        who = np.where(each.max(axis=1) > 0, each.argmax(axis=1) + 1, 0)
        names = [tuple(key.split(_SEPARATOR)) for key in keys]
        return names, own, around, who

    def parts(self, level: Level, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
        """What a level's keys are made of, from one of the parcels of each."""
        one = np.zeros(len(self.keys[level]), np.int64)
        one[self._place[level]] = np.arange(len(self._last_mile))
        found = level_keys(self._parcels.iloc[one], tuple(Level(name, (name,)) for name in columns))
        return list(
            zip(*([keys[place] for place in places] for places, keys in found), strict=True)
        )

    def rows(self, level: Level, keys: Sequence[str]) -> Ints:
        """Rows of a level's keys; -1 of one that no parcel has."""
        row = self._row[level]
        return np.array([row.get(key, -1) for key in keys], np.int64)

    def mostly(self, level: Level, other: Level) -> Ints:
        """(k,) for each key of a level the row of the other level that most of its parcels have."""
        width = len(self.keys[other])
        pair, count = np.unique(self._place[level] * width + self._place[other], return_counts=True)
        # The last one assigned stays: the most frequent, of several the first.
        order = np.lexsort((-pair, count))
        out = np.zeros(len(self.keys[level]), np.int64)
        out[pair[order] // width] = pair[order] % width
        return out

    def shares(self, level: Level, around: Floats) -> _Shares:
        """Counted shares; `around` (k,) is the share around each key."""
        key = self._place[level]
        count = np.bincount(key)
        handed = np.bincount(key, weights=self._handed)
        share = shrunk(handed, count, around, PRIORS.hand_offs)
        return _Shares(self.keys[level], share, np.where(share >= _USUAL, self.most(level), 0))

    def most(self, level: Level) -> Ints:
        """(k,) who took most of each key's parcels that were handed over, 0 where none was."""
        keys, width = len(self.keys[level]), self._carriers + 1
        cells = np.bincount(self._place[level] * width + self._last_mile, minlength=keys * width)
        each = cells.reshape(keys, width)[:, 1:]
        return np.where(each.max(axis=1) > 0, each.argmax(axis=1) + 1, 0)

    def odds(self, rows: dict[Level, Ints]) -> Floats:
        """Log odds of a hand-off, from the rows of all levels; -1 adds nothing."""
        total = np.zeros(1)
        for level, row in rows.items():
            total = total + np.where(row >= 0, self.terms[level][row], 0.0)
        return total


def _by_place(counted: _Counted, service: _Shares, prefix: _Shares) -> _Shares:
    """Services in single destinations that are handed over otherwise than those around them.

    Of services that hand over at all: a remote place is left to a partner by whoever does so.
    """
    names, own, around, who = counted.at_places(service, prefix)
    other = np.flatnonzero((own >= _USUAL) != (around >= _USUAL))
    keys, shares, who_brings = [], [], []
    parts = counted.parts(_SERVICE, ("carrier", "service", "destination_country"))
    for (carrier, name, where), usual in zip(parts, service.share.tolist(), strict=True):
        if usual < _HANDS_OVER:
            continue
        for place in other.tolist():
            country, destination = names[place]
            if country == where:
                keys.append(_SEPARATOR.join((carrier, name, country, destination)))
                shares.append(own[place])
                who_brings.append(who[place] if own[place] >= _USUAL else 0)
    return _Shares(keys, np.array(shares, np.float64), np.array(who_brings, np.int64))


def _by_prefix(counted: _Counted, service: _Shares, region: _Shares) -> _Shares:
    """Services in prefixes of their country: where they were seen, and where their region errs."""
    prefixes, regions = counted.keys[_PREFIX], counted.keys[_REGION]
    around = counted.mostly(_PREFIX, _REGION)
    within: dict[str, list[int]] = {}
    for place, (country,) in enumerate(counted.parts(_PREFIX, ("destination_country",))):
        within.setdefault(country, []).append(place)
    most = {level: counted.most(level) for level in _NEARER}
    keys: list[str] = []
    shares, who_brings = [], []
    parts = counted.parts(_SERVICE, ("carrier", "service", "destination_country"))
    for row, (carrier, name, where) in enumerate(parts):
        prefix = np.array(within[where], np.int64)
        texts = [prefixes[place] for place in prefix.tolist()]
        regional = [regions[place] for place in around[prefix].tolist()]
        own = _after((carrier, name), texts)
        rows = {
            _EVERYWHERE: np.zeros(1, np.int64),
            _REGION: around[prefix],
            _PREFIX: prefix,
            _CARRIER: counted.rows(_CARRIER, [_SEPARATOR.join((carrier, where))]),
            _SERVICE: np.array([row]),
            _CARRIER_REGION: counted.rows(_CARRIER_REGION, _after((carrier,), regional)),
            _CARRIER_PREFIX: counted.rows(_CARRIER_PREFIX, _after((carrier,), texts)),
            _SERVICE_REGION: counted.rows(_SERVICE_REGION, _after((carrier, name), regional)),
            _SERVICE_PREFIX: counted.rows(_SERVICE_PREFIX, own),
        }
        share = _share(counted.odds(rows))
        who = np.zeros(len(prefix), np.int64)
        for level in _NEARER:
            nearer = np.where(rows[level] >= 0, most[level][rows[level]], 0)
            who = np.where(nearer > 0, nearer, who)
        coarser = np.where(
            rows[_SERVICE_REGION] >= 0,
            region.last_mile[rows[_SERVICE_REGION]],
            service.last_mile[row],
        )
        last_mile = np.where(share >= _USUAL, np.where(who > 0, who, coarser), 0)
        told = (rows[_SERVICE_PREFIX] >= 0) | (last_mile != coarser)
        keys += [own[place] for place in np.flatnonzero(told).tolist()]
        shares.append(share[told])
        who_brings.append(last_mile[told])
    return _Shares(keys, np.concatenate(shares), np.concatenate(who_brings))


def _after(first: tuple[str, ...], keys: Sequence[str]) -> list[str]:
    return [_SEPARATOR.join((*first, key)) for key in keys]


def _share(log_odds: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


_DAY: Final = 86_400
# A carrier that took fewer parcels over than these is no usual one: those are mis-scans.
_FEWEST: Final = 20
# An order's day counts once this share of waits is shorter than its age.
_NEARLY_ALL: Final = 0.98


def known_hand_offs(milestones: pd.DataFrame, moment: pd.Timestamp) -> NDArray[np.object_]:
    """(n,) the carrier that each parcel was known, at a moment, to have been handed to; else "".

    A first sign of another carrier that is also the first sign of the parcel is another spelling of
    its carrier, and one after the event is somebody else's business: neither is a hand-off.
    """
    at = milestones["transferred_at"]
    known = (milestones["transferred_known_at"] < moment) & (
        milestones["picked_up_known_at"] < moment
    )
    known &= at > milestones["picked_up_at"]
    known &= ~((milestones["event_known_at"] < moment) & (milestones["event_at"] < at))
    names = milestones["transferred_to"].astype(object).to_numpy()
    found = np.full(len(names), "", dtype=object)
    found[known.to_numpy(dtype=bool)] = ANOTHER
    told = (known & milestones["transferred_to"].notna()).to_numpy(dtype=bool)
    found[told] = names[told]
    return found


def as_brought(orders: pd.DataFrame, last_mile: NDArray[np.object_]) -> pd.DataFrame:
    """The orders under the carriers that were known to take them over, (n,) names or ""."""
    brought = last_mile != ""
    columns = {}
    for column, other in (
        ("carrier", last_mile),
        ("service", np.full(len(last_mile), None, dtype=object)),
    ):
        own = other.copy()
        if column in orders:
            own[~brought] = orders[column].to_numpy(dtype=object)[~brought]
        else:
            own[~brought] = None
        columns[column] = own
    return orders.assign(**columns)


def learned_hand_offs(
    shipments: pd.DataFrame, milestones: pd.DataFrame, moment: pd.Timestamp
) -> HandOffs | None:
    """Whom parcels are usually handed to; None where their own carriers bring all of them.

    Args:
        shipments: (n,) accepted rows.
    """
    handed = known_hand_offs(milestones, moment)
    names, counts = np.unique(handed[handed != ""].astype(str), return_counts=True)
    carriers = tuple(map(spelled, names[counts >= _FEWEST].tolist()))
    if not carriers:
        return None
    number = {name: place for place, name in enumerate(carriers, start=1)}
    last_mile = np.array([number.get(name, 0) for name in handed], np.int32)
    log_odds = _log_odds_by_age(shipments, milestones, last_mile > 0, moment)
    hand_offs = HandOffs(carriers, *hand_off_tables(shipments, last_mile, len(carriers), log_odds))
    return hand_offs if any(level.any() for level in hand_offs.last_mile) else None


def _log_odds_by_age(
    shipments: pd.DataFrame, milestones: pd.DataFrame, handed: Mask, moment: pd.Timestamp
) -> Floats:
    """(n,) what an open parcel's age adds to its log odds of a hand-off; -inf where it has none.

    That a parcel was handed over is known before another one is known to have arrived; so of young
    parcels those that are told are mostly handed over. An open one counts as what it may yet be:
    by how many of either kind are still untold at its age.
    """
    ordered = shipments["ordered_at"]
    age = _seconds(moment - ordered)
    arrived = (milestones["event_known_at"] < moment).to_numpy(dtype=bool) & ~handed
    given_up = (milestones["closed_known_at"] < moment).to_numpy(dtype=bool)
    waited = _seconds(
        milestones["transferred_known_at"].where(handed, milestones["event_known_at"]) - ordered
    )
    told = handed | arrived
    old = told & _old(age, waited, told)
    # An age beyond all waits says no more than the longest.
    asked = np.minimum(age, waited[old].max() - 1.0)
    both = _untold(waited[old], asked, np.ones(len(age)))
    to_hand_off, to_arrival = (_untold(waited[old & one], asked, both) for one in (handed, arrived))
    return np.where(told | given_up, -np.inf, np.log(to_hand_off / to_arrival))


def _untold(waited: Floats, age: Floats, around: Floats) -> Floats:
    """(n,) the share that waited for longer than each age, leaning on the share `around`, (n,)."""
    longer = len(waited) - np.searchsorted(np.sort(waited), age, side="right")
    return shrunk(longer, len(waited), around, PRIORS.hand_offs_told)


def _old(age: Floats, waited: Floats, told: Mask) -> Mask:
    """(n,) whether a parcel is so old that hardly anything of its day is still to be told.

    Of younger ones the quick are told first: what they waited would be too short.
    """
    old = age > np.quantile(waited[told], _NEARLY_ALL)
    # A history shorter than that has no such days.
    return old if (old & told).any() else np.ones(len(old), np.bool_)


def _seconds(times: pd.Series[Any]) -> Floats:
    return np.asarray(times.dt.total_seconds(), dtype=np.float64)


def with_first_legs(
    hand_offs: HandOffs,
    shipments: pd.DataFrame,
    milestones: pd.DataFrame,
    *,
    moment: pd.Timestamp,
    clocks: Clocks,
    zones: ZoneMap,
) -> HandOffs:
    """Hand-offs, and the working days of the first carrier from the pick-up until them."""
    last_mile = hand_offs.numbered(known_hand_offs(milestones, moment))
    age = _seconds(moment - shipments["ordered_at"])
    waited = _seconds(milestones["transferred_known_at"] - shipments["ordered_at"])
    told = _old(age, waited, last_mile > 0)
    rows = np.flatnonzero((last_mile > 0) & told)
    parcels = shipments.iloc[rows]
    picked, handed = (
        _local_day(milestones[column].iloc[rows], parcels, side, zones)
        for column, side in (("picked_up_at", "origin"), ("transferred_at", "destination"))
    )
    elapsed = clocks.elapsed[_own_clocks(parcels, clocks)]
    last = elapsed.shape[1] - 1
    place = np.arange(len(rows))
    days = (
        elapsed[place, np.clip(handed + 1 - clocks.first_day, 0, last)]
        - elapsed[place, np.clip(picked + 1 - clocks.first_day, 0, last)]
    )
    step = np.clip(np.round(days), 0, LONGEST_LEG).astype(np.int64)
    key, keys = sorted_keys(*level_keys(hand_offs.named(parcels, last_mile[rows]), (FIRST_LEG,))[0])
    width = LONGEST_LEG + 1
    counts = np.bincount(key * width + step, minlength=len(keys) * width).reshape(-1, width)
    any_ = counts.sum(axis=0) / counts.sum()
    own = shrunk(counts, counts.sum(axis=1, keepdims=True), any_, PRIORS.first_leg)
    return hand_offs.with_legs(tuple(keys), np.concatenate([any_[None, :], own]))


def _own_clocks(parcels: pd.DataFrame, clocks: Clocks) -> Ints:
    service_rows, calendar_rows = clocks.indexes()
    (service, services), (calendar, calendars) = level_keys(
        parcels,
        (
            Level("service", ("carrier", "service")),
            Level("calendar", ("destination_country", "destination_region")),
        ),
    )
    rows = np.array([row_of(service_rows, key) for key in services], np.int64)[service]
    places = np.array([row_of(calendar_rows, key) for key in calendars], np.int64)[calendar]
    return rows * len(clocks.holidays) + places


def _local_day(
    times: pd.Series[pd.Timestamp], parcels: pd.DataFrame, side: str, zones: ZoneMap
) -> Ints:
    names, _ = zones.resolve_many(parcels, side)
    return local_seconds(times, names) // _DAY
