"""What calendars learned, as it is shown: the same weights that promises are made with."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from etapromise.calendars.calendar_view import learned_calendars
from etapromise.calendars.dispatch import HOURS_A_DAY, NO_CUT_OFF, Dispatch, DispatchCalendars
from etapromise.calendars.working_clocks import KEPT, WORKED, Clocks, holiday_table

FIRST, LAST = ((date(2026, month, 1) - date(1970, 1, 1)).days for month in (1, 12))
SEEN = {("US", "Independence Day"): KEPT, ("US", "Columbus Day"): WORKED}
PLACES = ("US\x1f", "US\x1fMN")
WEEK = (1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.0)
CLOCKS = Clocks(
    first_day=FIRST,
    services=("acme\x1fground",),
    weeks=np.array([np.ones(7), WEEK]),
    calendars=PLACES,
    holidays=holiday_table(PLACES, FIRST, LAST, SEEN),
    holiday_weights=np.array([[0.5] * 4, [0.2, 1.0, 0.0, 1.0]]),
    region_weeks=np.array([[1.0, 2.0, 1, 0, 1, 0, 1, 0, 0]]),
    new_weeks=np.array([[1.0, FIRST + 31, 1, 1, 1, 1, 1, 1, 0]]),
    closed_progress=np.array([0.0, 0.4]),
)
UNKNOWN = DispatchCalendars.unknown()
WAITS = np.broadcast_to(np.linspace(0, 2.4, HOURS_A_DAY + 1), (1, 7, HOURS_A_DAY + 1))
DISPATCH = Dispatch(
    ("US\x1f55690", "CA\x1fB2B"),
    DispatchCalendars(
        cut_off=np.array([[NO_CUT_OFF] * 7, [NO_CUT_OFF] * 7, [52_200] * 6 + [NO_CUT_OFF]]),
        weeks=np.array([np.ones(7), WEEK, WEEK]),
        holiday_weights=np.array([[0.5] * 4, [0.0, 0.0, 0.0, 1.0], [0.3] * 4]),
        handling=np.repeat(UNKNOWN.handling, 3, axis=0),
        special_days=UNKNOWN.special_days,
        wait_row=np.array([0, 1, 0], np.int32),
        wait=np.array(WAITS),
        soonest=np.zeros((1, 7, HOURS_A_DAY), np.uint8),
    ),
    CLOCKS,
)


def test_services_tell_the_weights_that_their_clocks_run_by() -> None:
    other, ground = learned_calendars(CLOCKS, DISPATCH).services
    assert (other.name, ground.name) == ("any other", "acme · ground")
    assert ground.week == WEEK
    assert ground.closed_progress == 0.4
    assert ground.other_weeks == {"US · MN": (1, 0, 1, 0, 1, 0, 0)}
    assert ground.changed_weeks == (("2026-02-01", (1, 1, 1, 1, 1, 1, 0)),)
    # The clock of the whole country on each holiday that falls on a weekday, but for what parcels
    # have gone on over closed days before it.
    still = replace(CLOCKS, closed_progress=np.zeros(2), region_weeks=np.zeros((0, 9)))
    worked = np.diff(still.elapsed[still.row(1, 1)])
    found = learned_calendars(still, DISPATCH)
    assert len(found.holidays) > 8
    for name, days in found.holidays.items():
        for day in map(date.fromisoformat, days):
            if day.weekday() < 5:
                share = found.services[1].holidays[name]
                on_the_clock = worked[(day - date(1970, 1, 1)).days - FIRST]
                assert on_the_clock == pytest.approx(share), name


def test_holidays_are_told_by_name_as_kept_or_worked() -> None:
    found = learned_calendars(CLOCKS, DISPATCH)
    assert found.holidays["US Columbus Day"] == ("2026-10-12",)
    ground = found.services[1].holidays
    assert (ground["US Independence Day"], ground["US Columbus Day"]) == (0.0, 1.0)
    assert ground["US Labor Day"] == 0.2  # not seen: as the others on the mean
    text = found.to_text()
    assert "holidays closed: US Independence Day\n" in text
    assert "over a closed day parcels go on by 40% of a working day" in text


def test_warehouses_tell_their_countrys_holidays_and_their_pick_ups() -> None:
    other, hours, cut_off = learned_calendars(CLOCKS, DISPATCH).warehouses
    assert (other.name, hours.name, cut_off.name) == ("any other", "US · 55690", "CA · B2B")
    assert hours.holidays["US Independence Day"] == 0.0
    assert cut_off.holidays == {}  # no calendar of Canada is in the model
    assert hours.cut_offs == ()
    assert hours.waits is not None
    assert hours.waits[0][:3] == (0.0, 0.1, 0.2)
    assert cut_off.waits is None
    assert cut_off.cut_offs == (("14:30",),) * 6 + ((),)


def test_all_of_it_is_ready_for_json() -> None:
    found = learned_calendars(CLOCKS, DISPATCH).as_dict()
    assert set(json.loads(json.dumps(found))) == {"services", "warehouses", "holidays"}
