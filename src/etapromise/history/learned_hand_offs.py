"""Who takes parcels over, and after how long, as the orders known at a moment show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.history.clocks import Clocks
from etapromise.history.hand_offs import (
    ANOTHER,
    FIRST_LEG,
    HAND_OFF_LEVELS,
    LONGEST_LEG,
    HandOffs,
)
from etapromise.history.levels import Level, level_keys, sorted_keys
from etapromise.history.requests import local_seconds, row_of
from etapromise.history.zones import ZoneMap

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["known_hand_offs", "learned_hand_offs", "with_first_legs"]

_DAY: Final = 86_400
# A carrier that took fewer parcels over than these is no usual one: those are mis-scans.
_FEWEST: Final = 20
# Parcels' worth of belief that a key hands over as many of its parcels as the coarser one.
_PRIOR: Final = 2.0
# Hand-offs' worth of belief that a first way is as long as any.
_LEG_PRIOR: Final = 20.0
_USUAL: Final = 0.5
# Share of hand-offs known within the time that a day's orders are given before they count.
_HARDLY_ANY: Final = 0.98
# No key is as sure as its few parcels make it look.
_LEAST_SHARE: Final = 0.01
_SEPARATOR: Final = "\x1f"
_LEVELS: Final = (
    *HAND_OFF_LEVELS,
    Level("carrier_region", ("carrier", "destination_country", "destination_region")),
    Level("carrier_prefix", ("carrier", "destination_country", "destination_prefix")),
)
# Whose share a level leans on.
_ABOVE: Final = {
    "hand_off_service": "hand_off_carrier",
    "hand_off_region": "hand_off_service",
    "hand_off_prefix": "hand_off_region",
    "carrier_region": "hand_off_carrier",
    "carrier_prefix": "carrier_region",
}


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


def learned_hand_offs(
    shipments: pd.DataFrame, milestones: pd.DataFrame, moment: pd.Timestamp
) -> HandOffs | None:
    """Whom parcels are usually handed to; None where their own carriers bring all of them.

    Args:
        shipments: (n,) accepted rows.
        milestones: theirs.
        moment: what was received later is not looked at.
    """
    handed = known_hand_offs(milestones, moment)
    names, counts = np.unique(handed[handed != ""].astype(str), return_counts=True)
    takers = tuple(names[counts >= _FEWEST].tolist())
    if not takers:
        return None
    number = {name: place for place, name in enumerate(takers, start=1)}
    taker = np.array([number.get(name, 0) for name in handed], np.int32)
    rows = np.flatnonzero(_told(shipments, milestones, taker > 0, moment))
    found = _Learned(shipments.iloc[rows], taker[rows], len(takers))
    hand_offs = HandOffs(takers, *found.tables())
    return hand_offs if any(level.any() for level in hand_offs.taker) else None


def _told(
    shipments: pd.DataFrame,
    milestones: pd.DataFrame,
    handed: NDArray[np.bool_],
    moment: pd.Timestamp,
) -> NDArray[np.bool_]:
    """(n,) whether a parcel is so old that hardly any hand-off of its day is still to be known.

    A parcel that is handed over is known to be before one that is not is delivered: counted as soon
    as they are told, hand-offs would be too many, and the first ways too short. So an open parcel
    counts as soon as an arrived one does, by its age alone.
    """
    ordered = shipments["ordered_at"]
    age = (moment - ordered).dt.total_seconds().to_numpy()
    waited = (milestones["transferred_known_at"] - ordered).dt.total_seconds().to_numpy()
    told = age > np.quantile(waited[handed], _HARDLY_ANY)
    # A history shorter than that has no such days.
    return told if (told & handed).any() else np.ones(len(told), np.bool_)


class _Learned:
    """Shares by level, each leaning on the coarser one's."""

    def __init__(self, parcels: pd.DataFrame, taker: NDArray[np.int32], takers: int) -> None:
        self._taker = taker
        self._takers = takers
        self._keys = {
            level.name: sorted_keys(*found)
            for level, found in zip(_LEVELS, level_keys(parcels, _LEVELS), strict=True)
        }
        self._everywhere = float((taker > 0).mean())

    def tables(
        self,
    ) -> tuple[
        tuple[tuple[str, ...], ...],
        tuple[NDArray[np.int32], ...],
        tuple[NDArray[np.float64], ...],
    ]:
        """Keys, takers and shares of each of HAND_OFF_LEVELS."""
        found: dict[str, _Shares] = {}
        for level in _LEVELS:
            above = found.get(_ABOVE.get(level.name, ""))
            around = np.full(len(self._taker), self._everywhere)
            found[level.name] = self._shares(level.name, around if above is None else above.own)
        service, carrier = found["hand_off_region"], found["carrier_region"]
        prefix = found["carrier_prefix"]
        # A prefix is to its region with one service what it is with all of the carrier's.
        around = _sigmoid(_logit(service.own) + _logit(prefix.own) - _logit(carrier.own))
        finest = self._shares("hand_off_prefix", around)
        found["hand_off_prefix"] = finest.joined(self._unseen(service, prefix, carrier))
        tables = [found[level.name] for level in HAND_OFF_LEVELS]
        return (
            tuple(tuple(table.keys) for table in tables),
            tuple(np.concatenate([[0], table.taker]).astype(np.int32) for table in tables),
            tuple(np.concatenate([[0.0], table.share]) for table in tables),
        )

    def _shares(self, name: str, around: NDArray[np.float64]) -> _Shares:
        """Of a level's keys; `around` (n,) is the share around each parcel's."""
        key, keys = self._keys[name]
        cells = key * (self._takers + 1) + self._taker
        each = np.bincount(cells, minlength=len(keys) * (self._takers + 1))
        each = each.reshape(len(keys), -1)
        # Any of a key's parcels says what is around it.
        above = np.zeros(len(keys))
        above[key] = around
        share = (each[:, 1:].sum(axis=1) + _PRIOR * above) / (each.sum(axis=1) + _PRIOR)
        most = each[:, 1:].argmax(axis=1) + 1
        usual = np.where((share >= _USUAL) & (each[:, 1:].max(axis=1) > 0), most, 0)
        return _Shares(keys, share, usual, most, share[key])

    def _unseen(self, service: _Shares, prefix: _Shares, carrier: _Shares) -> _Shares:
        """Services that never went to a prefix where their carrier hands parcels over, or not."""
        region_of = np.zeros(len(prefix.keys), np.int64)
        region_of[self._keys["carrier_prefix"][0]] = self._keys["carrier_region"][0]
        services: dict[tuple[str, str, str], list[int]] = {}
        for place, key in enumerate(service.keys):
            name, _, country, region = key.split(_SEPARATOR)
            services.setdefault((name, country, region), []).append(place)
        seen = set(self._keys["hand_off_prefix"][1])
        keys, shares, takers = [], [], []
        for place, key in enumerate(prefix.keys):
            name, country, start = key.split(_SEPARATOR)
            around = int(region_of[place])
            region = carrier.keys[around].split(_SEPARATOR)[2]
            for row in services[name, country, region]:
                words = service.keys[row].split(_SEPARATOR)
                spelled = _SEPARATOR.join((name, words[1], country, start))
                share = float(
                    _sigmoid(
                        _logit(service.share[row])
                        + _logit(prefix.share[place])
                        - _logit(carrier.share[around])
                    )
                )
                taker = int(prefix.most[place]) if share >= _USUAL else 0
                # Where the region says the same, no key is needed.
                if spelled not in seen and taker != service.taker[row]:
                    keys.append(spelled)
                    shares.append(share)
                    takers.append(taker)
        none = np.zeros(0, np.int64)
        return _Shares(keys, np.array(shares), np.array(takers, np.int64), none, np.zeros(0))


@dataclass(frozen=True)
class _Shares:
    """Of k keys; `own` is each of n parcels' share, `most` who takes most of those handed over."""

    keys: list[str]
    share: NDArray[np.float64]
    taker: NDArray[np.int64]
    most: NDArray[np.int64]
    own: NDArray[np.float64]

    def joined(self, more: _Shares) -> _Shares:
        """Keys of both."""
        return _Shares(
            [*self.keys, *more.keys],
            np.concatenate([self.share, more.share]),
            np.concatenate([self.taker, more.taker]),
            self.most,
            self.own,
        )


def _logit(share: Any) -> Any:
    inside = np.clip(share, _LEAST_SHARE, 1.0 - _LEAST_SHARE)
    return np.log(inside / (1.0 - inside))


def _sigmoid(value: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-value))


def with_first_legs(
    hand_offs: HandOffs,
    shipments: pd.DataFrame,
    milestones: pd.DataFrame,
    *,
    moment: pd.Timestamp,
    clocks: Clocks,
    zones: ZoneMap,
) -> HandOffs:
    """Hand-offs, and the working days of the first carrier from the pick-up until them.

    Args:
        hand_offs: as learned.
        shipments: (n,) accepted rows.
        milestones: theirs.
        moment: what was received later is not looked at.
        clocks: the carriers'.
        zones: where places are in time.
    """
    taker = hand_offs.numbered(known_hand_offs(milestones, moment))
    told = _told(shipments, milestones, taker > 0, moment)
    rows = np.flatnonzero((taker > 0) & told)
    parcels = shipments.iloc[rows]
    picked, handed = (
        _local_day(milestones[column].iloc[rows], parcels, side, zones)
        for column, side in (("picked_up_at", "origin"), ("transferred_at", "destination"))
    )
    elapsed = clocks.elapsed[_own_clocks(parcels, clocks)]
    last = elapsed.shape[1] - 1
    place = np.arange(len(rows))
    days = (
        elapsed[place, np.clip(handed - clocks.first_day, 0, last)]
        - elapsed[place, np.clip(picked - clocks.first_day, 0, last)]
    )
    step = np.clip(np.round(days), 0, LONGEST_LEG).astype(np.int64)
    key, keys = sorted_keys(*level_keys(hand_offs.named(parcels, taker[rows]), (FIRST_LEG,))[0])
    width = LONGEST_LEG + 1
    counts = np.bincount(key * width + step, minlength=len(keys) * width).reshape(-1, width)
    any_ = counts.sum(axis=0) / counts.sum()
    own = (counts + _LEG_PRIOR * any_) / (counts.sum(axis=1, keepdims=True) + _LEG_PRIOR)
    return hand_offs.with_legs(tuple(keys), np.concatenate([any_[None, :], own]))


def _own_clocks(parcels: pd.DataFrame, clocks: Clocks) -> NDArray[np.int64]:
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
) -> NDArray[np.int64]:
    names, _ = zones.resolve_many(parcels, side)
    return local_seconds(times, names) // _DAY
