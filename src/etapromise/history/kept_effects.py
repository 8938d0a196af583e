"""Where the sweep over the statistics' days goes on: its sums as of a day, kept beside a store.

A day's sums hang on what had been received by then. So they are kept as of one day in every
week, with a digest of all that the sweep up to that day reads. An order that was cancelled since,
a correction, a scan of back then that comes in late give another digest, and the sweep begins
earlier, or with the first day. It is the same arithmetic on the same numbers: the statistics are
those of the whole sweep, bit for bit.

In a store, beside the numbers of its orders::

    numbers/<what they hang on>/effects.npz    states by day, and what order days before them knew
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Ints
from etapromise.encoding.requests import Encoder
from etapromise.errors import CommandError, ModelFileError
from etapromise.files import whole_file
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import (
    FIELDS,
    NEVER_DAY,
    Effects,
    Resumed,
    Sweep,
    SweepState,
    WantedDays,
)
from etapromise.history.kept_orders import KeptOrders
from etapromise.lanes.levels import HANDLING_LEVELS, WAY_LEVELS, KeyIndex
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    StoredArrays,
    StoredPart,
    StoredValues,
    array_of_texts,
    json_of,
)

_FORMAT: Final = 4
# Days that divide by the first are kept, the youngest of those that are as old as the second: what
# comes in late or is cancelled is mostly of younger orders, and their days take little time.
_EVERY: Final = 7
_AGE: Final = 7
_SWEEPS: Final = ("total", "handling", "way")
_MOST_STATES: Final = 5
_BY_KEY: Final = ("sums", "day", "fields")
_ROWS: Final = ArrayLayout(
    rows=Array("int64", "rows", low=0, order="strictly"),
    total=Array("float32", "rows", "levels", len(FIELDS)),
    handling=Array("float32", "rows", "handling_levels", len(FIELDS)),
    way=Array("float32", "rows", "way_levels", len(FIELDS)),
)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """The sweeps as they stood at the start of a day.

    Attributes:
        day: since 1970-01-01.
        digest: of what was read.
        keys: of each level of the encoder, in the order of the rows.
        states: of each sweep.
    """

    day: int
    digest: str
    keys: Sequence[Sequence[str]]
    states: Sequence[SweepState]

    def rows_in(self, indexes: Sequence[KeyIndex]) -> list[Ints] | None:
        """The rows of indexes that each level's rows are now; None where one is none of them."""
        found = [
            np.append(0, index.table.rows(keys)).astype(np.int64)
            for index, keys in zip(indexes, self.keys, strict=True)
        ]
        return None if any((rows[1:] == 0).any() for rows in found) else found


class _Fitting(NamedTuple):
    """What a sweep goes on from, and of each level the rows of today that its rows are."""

    kept: _Kept
    now: Sequence[Ints]

    @property
    def day(self) -> int:
        """Since 1970-01-01."""
        return self.kept.day

    def state(self, number: int, sweep: Sweep) -> SweepState:
        """That of one of the sweeps by today's rows."""
        state, levels = self.kept.states[number], _levels(number, len(self.now))
        today = SweepState.empty(
            self.day, rows=sum(sweep.table_sizes), levels=len(levels), open_parcels=len(state.own)
        )
        place = _places(sweep, [self.now[level] for level in levels])
        for part in _BY_KEY:
            getattr(today, part)[place] = getattr(state, part)
        return replace(state, **{part: getattr(today, part) for part in _BY_KEY})


@dataclass(frozen=True, kw_only=True)
class _File:
    """All that is kept.

    Attributes:
        states: ascending by day.
        rows: (k,) ascending positions of parcels that started before the last of these days.
        known: of each sweep what their own days knew, (k, levels, 5).
    """

    states: Sequence[_Kept] = ()
    rows: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    known: Sequence[NDArray[np.float32]] = ()


class KeptEffects:
    """What is kept of a store's sweeps from one refresh to the next."""

    def __init__(self, path: Path) -> None:
        """Keep it in a file; where that cannot be written, nothing is kept."""
        self.path = path

    @classmethod
    def beside(cls, known: KnownOrders) -> KeptEffects | None:
        """Those of the orders of a store; None where the orders are of none."""
        return cls(known.folder / "effects.npz") if isinstance(known, KeptOrders) else None

    def run(
        self, encoder: Encoder, sweeps: Sequence[Sweep], end_day: int, wanted: WantedDays
    ) -> list[Effects]:
        """The effects of the sweeps as `Sweep.run` has them.

        Args:
            encoder: whose key indexes number the rows.
            sweeps: over all levels, over those of HANDLING_LEVELS and over those of WAY_LEVELS.
            end_day: the snapshot's day.
            wanted: of which parcels' own days it is asked, and of which it is kept for later.
        """
        start_day = sweeps[0].durations.start_day
        kept = self._read(encoder)
        begin = self._fitting(kept, encoder, sweeps, end_day, wanted)
        first = int(start_day[0]) if begin is None else begin.day
        last = (end_day - _AGE) // _EVERY * _EVERY
        save_on = list(range(last, first, -_EVERY))[:_MOST_STATES][::-1]
        newest = max((one.day for one in kept.states), default=EARLIEST_DAY)
        if not save_on or newest > end_day:
            # They are there already, or what is there is for later nights than this.
            return self._run(sweeps, end_day, wanted.rows, kept, begin, ())
        before = int(np.searchsorted(start_day, last))
        later = wanted.later[wanted.later < before]
        if begin is not None:
            started = int(np.searchsorted(start_day, begin.day))
            later = later[(later >= started) | np.isin(later, kept.rows)]
        asked = np.zeros(len(start_day), bool)
        asked[wanted.rows] = asked[later] = True
        rows = np.flatnonzero(asked)
        found = self._run(sweeps, end_day, rows, kept, begin, save_on)
        older = [] if begin is None else [one for one in kept.states if one.day <= begin.day]
        new = [
            _kept(encoder, sweeps, day, [one.states[number] for one in found])
            for number, day in enumerate(save_on)
        ]
        place = np.searchsorted(rows, later)
        self._write(
            _File(
                states=[*older, *new][-_MOST_STATES:],
                rows=later,
                known=[one.at_start[place] for one in found],
            )
        )
        if len(rows) == len(wanted.rows):
            return found
        place = np.searchsorted(rows, wanted.rows)
        return [one._replace(at_start=one.at_start[place]) for one in found]

    def _run(
        self,
        sweeps: Sequence[Sweep],
        end_day: int,
        rows: Ints,
        kept: _File,
        begin: _Fitting | None,
        save_on: Sequence[int],
    ) -> list[Effects]:
        if begin is None:
            return [sweep.run(end_day, wanted=rows, save_on=save_on) for sweep in sweeps]
        started = int(np.searchsorted(sweeps[0].durations.start_day, begin.day))
        place = np.searchsorted(kept.rows, rows[rows < started])
        return [
            sweep.run(
                end_day,
                wanted=rows,
                resume=Resumed(begin.day, begin.state(number, sweep), kept.known[number][place]),
                save_on=save_on,
            )
            for number, sweep in enumerate(sweeps)
        ]

    def _fitting(
        self,
        kept: _File,
        encoder: Encoder,
        sweeps: Sequence[Sweep],
        end_day: int,
        wanted: WantedDays,
    ) -> _Fitting | None:
        """The latest state that today's parcels would have led to.

        Where what is asked of earlier days was not kept, it is none.
        """
        for one in reversed(kept.states):
            now = one.rows_in(encoder.indexes) if one.day <= end_day else None
            if now is None:
                continue
            started = int(np.searchsorted(sweeps[0].durations.start_day, one.day))
            asked = wanted.rows[wanted.rows < started]
            if not np.isin(asked, kept.rows, assume_unique=True).all():
                continue
            then = _numbers_of(now, encoder.indexes)
            if _digest(sweeps, one.day, then) == one.digest and self._right_size(one, sweeps):
                return _Fitting(one, now)
        return None

    def _right_size(self, kept: _Kept, sweeps: Sequence[Sweep]) -> bool:
        fits = all(
            len(state.own) == len(sweep.durations.open_before(kept.day))
            for state, sweep in zip(kept.states, sweeps, strict=True)
        )
        if not fits:
            self._say("other numbers of open parcels than there were")
        return fits

    def _read(self, encoder: Encoder) -> _File:
        """What is kept; nothing where there is no file, or a damaged one."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return _File()
        try:
            stored = StoredArrays(self.path.name, content)
            whole = stored.part("")
            place = f"about in {self.path.name}"
            text = whole.read(ArrayLayout(about=Array("uint8", "bytes")))["about"].tobytes()
            about = StoredValues(place, json_of(place, text))
            if about.plain.get("format") != _FORMAT:
                return _File()
            states = [
                _state(whole.part(str(number)), StoredValues(place, values), len(encoder.indexes))
                for number, values in enumerate(about.plain.get("states") or ())
            ]
            levels = {
                "levels": len(encoder.indexes),
                "handling_levels": len(HANDLING_LEVELS),
                "way_levels": len(WAY_LEVELS),
            }
            arrays = whole.read(_ROWS, **levels)
            stored.require_all_read()
        except ModelFileError as error:
            self._say(str(error))
            return _File()
        return _File(states=states, rows=arrays["rows"], known=[arrays[name] for name in _SWEEPS])

    def _say(self, found: str) -> None:
        warnings.warn(
            f"{self.path} is damaged and is made again, by a longer sweep over the past: {found}",
            RuntimeWarning,
            stacklevel=2,
        )

    def _write(self, file: _File) -> None:
        about: dict[str, Any] = {"format": _FORMAT, "states": []}
        arrays: dict[str, NDArray[Any]] = {"rows": file.rows}
        arrays |= dict(zip(_SWEEPS, file.known, strict=True))
        for number, one in enumerate(file.states):
            about["states"].append({"day": one.day, "digest": one.digest})
            arrays[f"{number}.keys"] = array_of_texts([list(keys) for keys in one.keys])
            for name, state in zip(_SWEEPS, one.states, strict=True):
                for part, array in state.to_arrays().items():
                    arrays[f"{number}.{name}.{part}"] = array
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        try:
            with whole_file(self.path) as draft, draft.open("wb") as written:
                np.savez(written, **arrays)  # type: ignore[arg-type]
        except CommandError:
            pass  # a store that may only be read, or a full disk: the next time begins as this one


def _state(part: StoredPart, values: StoredValues, levels: int) -> _Kept:
    """One state of a file."""
    keys = part.texts("keys")
    texts = all(
        isinstance(level, list) and all(isinstance(key, str) for key in level) for level in keys
    )
    if len(keys) != levels or not texts:
        part.refuse("keys", f"{len(keys)} lists", f"{levels} lists of texts")
    kept = _Kept(
        day=values.whole("day", EARLIEST_DAY, LATEST_DAY),
        digest=values.text("digest"),
        keys=keys,
        states=(),
    )
    states = []
    for number, name in enumerate(_SWEEPS):
        own = _levels(number, levels)
        sizes = {"rows": sum(len(keys[level]) + 1 for level in own), "levels": len(own)}
        states.append(SweepState(**part.part(name).read(SweepState.LAYOUT, **sizes)))
    return replace(kept, states=states)


def _levels(number: int, levels: int) -> Sequence[int]:
    """Which of the encoder's levels a sweep has."""
    return (range(levels), HANDLING_LEVELS, WAY_LEVELS)[number]


def _places(sweep: Sweep, rows: Sequence[Ints]) -> Ints:
    """Where rows of each level of a sweep stand in its tables."""
    starts = np.concatenate([[0], np.cumsum(sweep.table_sizes)[:-1]]).astype(np.int64)
    return np.concatenate([start + each for start, each in zip(starts, rows, strict=True)])


def _kept(
    encoder: Encoder, sweeps: Sequence[Sweep], day: int, states: Sequence[SweepState]
) -> _Kept:
    """The sweeps as they stood at the start of a day.

    Only keys of parcels that had started are in it: one of a young order may be gone with it.
    """
    before = int(np.searchsorted(sweeps[0].durations.start_day, day))
    sizes = encoder.sizes
    used = [
        np.flatnonzero(np.bincount(codes[:before], minlength=size))
        for codes, size in zip(sweeps[0].codes, sizes, strict=True)
    ]
    now = [np.append(0, rows) for rows in used]
    own = []
    for number, (sweep, state) in enumerate(zip(sweeps, states, strict=True)):
        place = _places(sweep, [now[level] for level in _levels(number, len(sizes))])
        own.append(replace(state, **{name: getattr(state, name)[place] for name in _BY_KEY}))
    return _Kept(
        day=day,
        digest=_digest(sweeps, day, _numbers_of(now, encoder.indexes)),
        keys=[
            [index.keys[row - 1] for row in rows]
            for index, rows in zip(encoder.indexes, used, strict=True)
        ],
        states=own,
    )


def _numbers_of(now: Sequence[Ints], indexes: Sequence[KeyIndex]) -> list[NDArray[np.int32]]:
    """Of each level and each row of today's its row in what is kept, 0 where it has none."""
    found = [np.zeros(len(index), np.int32) for index in indexes]
    for rows, place in zip(found, now, strict=True):
        rows[place] = np.arange(len(place))
    return found


def _digest(sweeps: Sequence[Sweep], day: int, then: Sequence[NDArray[np.int32]]) -> str:
    """What the sweeps up to the start of a day hang on.

    Args:
        then: of each level of the encoder and each of its rows, what it is numbered by here.
    """
    digest = hashlib.sha256()  # which processors have an instruction for
    for number, sweep in enumerate(sweeps):
        durations = sweep.durations
        started = int(np.searchsorted(durations.start_day, day))
        part = durations.take(np.arange(started))
        column = min(max(day - sweep.first_clock_day, 0), sweep.elapsed.shape[1] - 1)
        # What ended the day before is learnt on the day itself.
        over = part.end_day < day - 1
        learnt = over & (part.known_day <= part.closed_day)
        digest.update(
            f"{number} {day} {started} {sweep.settings} {sweep.first_clock_day} "
            f"{sweep.elapsed.shape} {len(sweep.codes)} {sweep.paced_level} {sweep.priors}".encode()
        )
        for array in (
            sweep.elapsed,
            part.start_day,
            # What begins later has lasted for nothing on any day before.
            np.minimum(part.start_clock, sweep.elapsed[part.clock, column]),
            part.clock,
            np.where(over, part.end_day, NEVER_DAY),
            learnt,
            np.where(learnt, part.value, 0.0),
        ):
            digest.update(np.ascontiguousarray(array).data)
        if number:
            continue  # its levels are some of those of the first
        for level, codes in enumerate(sweep.codes[:, :started]):
            digest.update(then[level][codes].data)
    return digest.hexdigest()
