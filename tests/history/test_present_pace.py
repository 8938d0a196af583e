"""Since when a lane or service is as slow as it is now: read off what each order's day knew."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.history.effects import FIELDS
from etapromise.history.gathered import HistoryAsOf
from etapromise.history.present_pace import PACED, pace_since

PACE = FIELDS.index("pace")
FIRST = (date(2025, 3, 3) - date(1970, 1, 1)).days


def history(series: dict[str, list[float]]) -> Any:
    """One order of each service on each day, which knew the pace of its day; the last is now."""
    keys, days = list(series), len(next(iter(series.values())))
    codes = np.zeros((days * len(keys), len(PACED)), np.int32)
    total = np.zeros((days * len(keys), len(PACED), len(FIELDS)), np.float32)
    service = PACED.index("service")
    for row, key in enumerate(keys):
        codes[row :: len(keys), service] = row + 1
        total[row :: len(keys), service, PACE] = series[key]
    now = np.zeros((2 + len(keys) + 2, len(FIELDS)), np.float32)
    now[3 : 3 + len(keys), PACE] = [each[-1] for each in series.values()]
    nothing = SimpleNamespace(keys=("x",))
    return SimpleNamespace(
        encoder=SimpleNamespace(
            level_names=PACED,
            indexes=[nothing, SimpleNamespace(keys=tuple(keys)), nothing],
        ),
        requests=SimpleNamespace(codes=codes),
        outcomes=SimpleNamespace(
            start_day=np.repeat(np.arange(days) + FIRST, len(keys)), as_of_day=FIRST + days
        ),
        at_order=SimpleNamespace(total=total, rows=np.arange(len(total))),
        statistics=SimpleNamespace(total=now, total_start=np.array([0, 2, 2 + len(keys) + 1])),
    )


@given(
    calm=st.integers(1, 20),
    troubled=st.integers(1, 20),
    pace=st.floats(0.04, 1.0) | st.floats(-1.0, -0.04),
)
def test_trouble_began_where_it_rose(calm: int, troubled: int, pace: float) -> None:
    found = pace_since(
        history({"slow": [0.0] * calm + [pace] * troubled, "calm": [0.01] * (calm + troubled)})
    )
    began = date(1970, 1, 1) + timedelta(days=FIRST + calm)
    assert found == {
        "network": {},
        "service": {"slow": began.isoformat()},
        "destination_region": {},
    }


def test_an_earlier_trouble_that_passed_is_another_one() -> None:
    found = pace_since(history({"slow": [0.2, 0.2, 0.01, 0.0, 0.1, 0.2, 0.2]}))
    assert found["service"] == {"slow": "2025-03-07"}
    # That is how things are by now.
    assert pace_since(history({"slow": [0.0] + [0.2] * 60}))["service"] == {}
    # Nobody knows when it began.
    assert pace_since(history({"slow": [0.2, 0.2, 0.3]}))["service"] == {}


def test_a_model_says_so_of_its_keys(model: PromiseModel, gathered: HistoryAsOf) -> None:
    told = model.manifest["pace_since"]
    assert told == pace_since(gathered)
    names = [level.name for level in model.parts.encoder.levels]
    for name, days in told.items():
        assert set(days) <= set(model.parts.encoder.indexes[names.index(name)].keys)
        assert all(date.fromisoformat(day) <= model.as_of.date() for day in days.values())
