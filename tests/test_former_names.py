"""What was called otherwise before still works, and says what it is called now."""

from __future__ import annotations

import pytest

from etapromise import score
from etapromise.calendars.calendar_view import LearnedCalendars


def test_to_dict_is_as_dict():
    learned = LearnedCalendars(services=(), warehouses=(), holidays={})
    with pytest.warns(DeprecationWarning, match=r"as_dict\(\)") as told:
        assert learned.to_dict() == learned.as_dict()
    assert told[0].filename == __file__


def test_progress_of_two_arguments_is_told_two(model, orders):
    seen = []
    rows, as_of = orders.head(3), orders["ordered_at"].max()
    with pytest.warns(DeprecationWarning, match="the stage too") as told:
        score(model, rows, as_of=as_of, progress=lambda done, most: seen.append((done, most)))
    assert told[0].filename == __file__
    assert seen == [(3, 3)]
