"""Why a promise is that many days: what each cause adds, to the last bit the promise itself.

The way from an order to its date is taken apart where it is computed. The forest's word: Shapley
values of groups of features against a parcel of which nothing is known, by the compiled kernel
(native/forest_explain.c). Durations are exponentials of sums, and days are shared out among the
terms of a sum by the logarithmic mean, the one way that leaves no rest and does not hang on an
order of terms. What remains is the calendar's: days on which the carrier does not deliver, and
the wait for the end of a date.

References:
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for
    trees, Nature Machine Intelligence 2: interventional TreeSHAP, here with one reference.
    Ang (2005), The LMDI approach to decomposition analysis: a practical guide, Energy Policy 33(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats
from etapromise.encoding.requests import Requests
from etapromise.forecast.distribution import NOT_ASKED
from etapromise.history.effects import FIELDS
from etapromise.history.shortest_ways import ROUNDING, clock_reading, soonest
from etapromise.lanes.levels import LAST_MILE

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

CAUSES: Final = (
    "usual",
    "handling",
    "closed_days",
    "lane",
    "carrier",
    "now",
    "parcel",
    "service_level",
    "disruption",
    "whole_days",
)
"""What days are put down to.

usual: a parcel of which nothing is known, half of the time. handling: the warehouse, its cut-off
and closed days. closed_days: those of the carrier. lane: distance, places and its shortest way.
carrier: carrier and service. now: the season and how things go at present. parcel: its weight and
whatever else is told of it. service_level: the margin for the probability asked for, with what
recent orders and an unknown carrier add to it. disruption: what was declared. whole_days: until a
delivery day ends.
"""

_FOREST: Final = ("handling", "lane", "carrier", "now", "parcel")
_PLACES: Final = ("origin", "destination")
_CARRIERS: Final = ("carrier", "service", LAST_MILE)
_UPPER: Final = 0.7  # ETP_GROUPS_FROM of native/distribution.h
_PARTS: Final = 4
_STILL_PRESENT: Final = 2.0  # ETP_STILL_PRESENT of native/features.h
# A duration is a number of days, whatever a model's tables add up to, see native/distribution.c.
_SHORTEST, _LONGEST = 1e-6, 1e7
_ROWS_AT_ONCE: Final = 10_000


_explain = native.function("etp_forest_explain", "i", "plpplpp")
_quote_parts = native.function("etp_quote_parts", "", "plppppppp")


def contributions(model: ModelCore, requests: Requests, service_level: float) -> Floats:
    """Days that each of `CAUSES` adds, (n, causes).

    Each row sums to the days from the order's origin-local date to the promised date.
    """
    count = len(requests)
    level = np.array([service_level])
    nothing = np.full(count, NOT_ASKED, np.int32)
    # Days to the promised dates, what was declared included.
    declared = model.kernel.reach(requests, level, nothing)[0][:, 0].astype(np.int64)
    requests = requests.undisturbed()
    dates, probability, _ = model.kernel.reach(requests, level, nothing)
    day = dates[:, 0].astype(np.int64)
    forest, settings = model.parts.forest, model.parts.statistics.settings
    x, offset = model.features.rows(requests, requests.arrays[0])
    plain = _Usual(model)
    log_days = forest.predict(x)
    shares = _shapley(model, x, plain.x)
    parts = _parts(model, requests, offset, log_days.copy())
    wider, log_hazard, arrives, dispatch_delay = parts[:, :_PARTS].T
    days = parts[:, _PARTS:]
    # What the dates' probabilities say of the forest's own: see native/distribution.c, backwards.
    target = np.minimum(service_level, probability[:, 0])
    late = np.clip(1.0 - target / np.maximum(arrives, 1e-12), 1e-12, 1.0)
    hazard = np.exp(log_hazard)
    rest = 1.0 - _UPPER
    late = np.where(late < rest, rest * (late / rest) ** (1.0 / hazard), late)
    u = np.minimum(_uncalibrated(model, requests, 1.0 - late), 1.0 - 1e-12)
    weights = _weights(forest.levels, days, u)
    # (n, q) what each level's days come from: a sum in logarithms, term by term.
    middle = int(np.abs(forest.levels - 0.5).argmin())
    spread = (wider - 1.0)[:, None] * (log_days - log_days[:, middle : middle + 1])
    terms = {name: shares[:, place] for place, name in enumerate(_FOREST)}
    for name, value in _offset_terms(model, requests, offset - plain.offset).items():
        terms[name] = terms[name] + value[:, None]
    usual = _duration(plain.log_days + plain.offset)
    full = _duration(log_days + spread + offset[:, None])
    mean = _logarithmic_mean(full, usual[None, :]) * weights
    found = dict.fromkeys(CAUSES, np.zeros(count))
    for name, term in terms.items():
        found[name] = (mean * term).sum(axis=1)
    found["usual"] = np.full(count, usual[middle] - settings.offset)
    base = (weights * (usual - settings.offset)).sum(axis=1)
    found["service_level"] = base - found["usual"] + (mean * spread).sum(axis=1)
    found["handling"] = found["handling"] + dispatch_delay
    clocks = model.parts.encoder.clocks
    elapsed = clocks.elapsed[requests.clock]
    last, row = elapsed.shape[1] - 1, np.arange(count)
    start, end = (
        np.clip(moved - clocks.first_day, 0, last)
        for moved in (requests.order_day.astype(np.int64), requests.order_day + day + 1)
    )
    # Where the forest would have had it on an earlier date than its lane's shortest way allows.
    opens = soonest(
        model.parts.encoder, model.parts.statistics.shortest, requests, model.parts.horizon
    )
    said = elapsed[row, start] + dispatch_delay + (weights * days).sum(axis=1)
    waits = elapsed[row, np.maximum(end - 1, 0)] < opens - ROUNDING
    found["lane"] = found["lane"] + waits * np.maximum(elapsed[row, end] - 1.0 - said, 0.0)
    found["closed_days"] = (day + 1) - (elapsed[row, end] - elapsed[row, start])
    found["disruption"] = (declared - day).astype(np.float64)
    out = np.stack([found[name] for name in CAUSES], axis=1)
    out[:, -1] = 0.0
    out[:, -1] = declared - out.sum(axis=1)
    return out


def _uncalibrated(model: ModelCore, requests: Requests, kept: Floats) -> Floats:
    """(n,) the forest's probabilities that come to those of whole networks, `kept` (n,)."""
    calibration, statistics = model.parts.calibration, model.parts.statistics
    encoder, knot = model.parts.encoder, calibration.knot
    ordered, known = (
        clock_reading(encoder, requests.clock, day)
        for day in (
            requests.order_day.astype(np.int64),
            np.full(len(kept), statistics.as_of_day, np.int64),
        )
    )
    later = np.maximum(ordered + requests.dispatch_delay - known - _STILL_PRESENT, 0.0)
    present = (0.5 ** (later / statistics.settings.present_half_life))[:, None]
    found = np.empty(len(kept))
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        reached = present[rows] * calibration.kept + (1.0 - present[rows]) * calibration.settled
        place = np.clip((reached <= kept[rows, None]).sum(axis=1), 1, len(knot) - 1)
        low, high = (
            np.take_along_axis(reached, at[:, None], axis=1)[:, 0] for at in (place - 1, place)
        )
        part = (kept[rows] - low) / np.where(high > low, high - low, 1.0)
        found[rows] = knot[place - 1] + np.clip(part, 0.0, 1.0) * (knot[place] - knot[place - 1])
    return found


class _Usual:
    """A parcel of which nothing is known, on a network that is as it is on the average.

    Attributes:
        x: (p,) its features: levels are as spread as usual, effects and pace 0, numbers missing.
        offset: what its log duration is relative to.
        log_days: (q,) what the forest says.
    """

    def __init__(self, model: ModelCore) -> None:
        statistics, names = model.parts.statistics, model.parts.encoder.level_names
        x = np.full(len(model.parts.contract.names), np.nan, np.float32)
        for place, name in enumerate(model.parts.contract.names):
            kind, _, what = name.partition(":")
            level, _, field = what.rpartition(".")
            if kind in {"total", "handling"}:
                x[place] = 0.0
            if kind == "total" and field == "deviation":
                start = int(statistics.total_start[names.index(level)])
                rows = len(model.parts.encoder.index_of[level])
                table = statistics.total[start + 1 : start + rows].astype(np.float64)
                evidence = table[:, FIELDS.index("evidence")]
                if evidence.sum() > 0.0:
                    x[place] = np.average(table[:, FIELDS.index(field)], weights=evidence)
            if name == "derived:explained":
                x[place] = 0.0
        self.x = x
        network = statistics.total[statistics.total_start[0] + 1]
        self.offset = float(network[FIELDS.index("effect")])
        self.log_days = model.parts.forest.predict(x[None, :])[0]


def cause_of(feature: str, columns: dict[str, tuple[str, ...]], numeric: frozenset[str]) -> str:
    """Which of `CAUSES` a feature of the contract counts for.

    Args:
        feature: its name, such as "total:service.effect".
        columns: of each level.
        numeric: numbers that the shop gives beside the standard ones.
    """
    kind, _, what = feature.partition(":")
    level, _, field = what.rpartition(".")
    names = columns.get(level, ())
    if kind == "number" and (what in numeric or what == "weight_kg"):
        found = "parcel"
    elif kind == "number":
        found = "lane" if what.endswith(("_lat", "_lon")) else "now"
    elif kind == "derived":
        found = "carrier" if what == "quoted" else "lane"
    elif field == "pace":
        found = "now"
    elif kind == "handling":
        found = "handling"
    elif any(name.startswith(_PLACES) for name in names):
        found = "lane"
    else:
        found = "carrier" if any(name in _CARRIERS for name in names) else "parcel"
    return found


def _shapley(model: ModelCore, x: NDArray[np.float32], usual: NDArray[np.float32]) -> Floats:
    """(n, groups, q) what each group of features adds to each quantile."""
    parts = model.parts
    columns = {level.name: level.columns for level in parts.encoder.levels}
    numeric = frozenset(parts.encoder.numeric)
    player = np.array(
        [_FOREST.index(cause_of(name, columns, numeric)) for name in parts.contract.names], np.int32
    )
    return shapley(parts.forest.address, x, usual, player, len(_FOREST), len(parts.forest.levels))


def shapley(
    forest: int,
    x: NDArray[np.float32],
    reference: NDArray[np.float32],
    player: NDArray[np.int32],
    players: int,
    levels: int,
) -> Floats:
    """Shapley values of groups of features in a forest, against one reference.

    Args:
        forest: address of the `etp_forest`.
        x: (n, p) rows.
        reference: (p,).
        player: (p,) the group of each feature, from 0 on.
        players: how many groups, at most 32.
        levels: q.

    Returns:
        (n, players, q): what each adds to the quantiles, before these are sorted.
    """
    x = np.ascontiguousarray(x, np.float32)
    reference = np.ascontiguousarray(reference, np.float32)
    out = np.empty((len(x), players, levels))
    arrays = (x.ctypes.data, reference.ctypes.data)
    if _explain(forest, len(x), *arrays, players, player.ctypes.data, out.ctypes.data):
        raise MemoryError("No memory for explaining a forest, or too many groups of features.")
    return out


def _parts(model: ModelCore, requests: Requests, offset: Floats, log_days: Floats) -> Floats:
    """(n, 4 + q) see `etp_quote_parts`; `log_days` is used up."""
    out = np.empty((len(requests), _PARTS + log_days.shape[1]))
    kept = [*requests.arrays, *(np.ascontiguousarray(array) for array in (offset, log_days))]
    _quote_parts(model.kernel.address, len(requests), *map(native.address, kept), out.ctypes.data)
    return out


def _weights(levels: Floats, days: Floats, u: Floats) -> Floats:
    """(n, q) with which the quantiles (n, q) sum to those at `u` (n,), as in the kernel."""
    count, q = days.shape
    row = np.arange(count)
    out = np.zeros((count, q))
    place = np.clip(np.searchsorted(levels, u), 1, q - 1)
    part = (u - levels[place - 1]) / (levels[place] - levels[place - 1])
    out[row, place - 1], out[row, place] = 1.0 - part, part
    below = u < levels[0]
    out[below] = 0.0
    out[below, 0] = np.cbrt(u[below] / levels[0])
    above = u > levels[-1]
    if above.any():
        back = q - 4 if q > 3 else 0
        fall = np.log((1.0 - levels[back]) / (1.0 - levels[-1]))
        beyond = np.log((1.0 - levels[-1]) / (1.0 - u[above])) / fall
        out[above] = 0.0
        out[above, -1] += 1.0 + beyond
        out[above, back] -= beyond
    return out


def _offset_terms(model: ModelCore, requests: Requests, offset: Floats) -> dict[str, Floats]:
    """The offset, less the network's own, by cause: levels' effects, and all that is of now."""
    statistics, encoder = model.parts.statistics, model.parts.encoder
    columns = {level.name: level.columns for level in encoder.levels}
    found = dict.fromkeys(_FOREST, np.zeros(len(requests)))
    for place, level in enumerate(encoder.level_names[1:], start=1):
        rows = statistics.total_start[place] + requests.codes[:, place]
        cause = cause_of(f"total:{level}.effect", columns, frozenset())
        found[cause] = found[cause] + statistics.total[rows, FIELDS.index("effect")]
    return found | {"now": found["now"] + offset - sum(found.values())}


def _duration(log_days: Floats) -> Floats:
    return np.exp(np.clip(log_days, np.log(_SHORTEST), np.log(_LONGEST)))


def _logarithmic_mean(a: Floats, b: Floats) -> Floats:
    """(a - b) / log(a / b), and what that tends to where they are equal."""
    ratio = np.log(a / b)
    near = np.abs(ratio) < 1e-8
    found = (a - b) / np.where(near, 1.0, ratio)
    return np.asarray(np.where(near, b * (1.0 + ratio / 2.0), found))
