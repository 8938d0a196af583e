"""Why a parcel under way is to come on that date: what it usually takes from here, and the rest."""

from __future__ import annotations

from typing import Final

import numpy as np

from etapromise.array_types import MISSING
from etapromise.calendars.working_clocks import Clocks
from etapromise.promise.arrival_distribution import date_of
from etapromise.promise.reasons.why import Why
from etapromise.promise.reasons.why_facts import Fact, rounded_to_sum
from etapromise.promise.under_way.open_journeys import Journey

_NO_DATE: Final = np.array([np.datetime64("NaT", "D")])


def tracked_why(
    journey: Journey, clocks: Clocks, service_level: float, told: tuple[str, ...]
) -> Why | None:
    """Of the first of some parcels; None where no delivery will follow.

    The days from today to the promised date are what is typical from its latest status on
    (`usual`), what the parcel's own journey adds to it (`state`: silence, attempts, the legs done),
    days without deliveries, the reserve for the service level up to the end of a day, and what was
    declared.
    """
    if journey.never[0]:
        return None
    today = int(journey.today[0])
    states, places = journey.states, journey.looks.positions
    if journey.came[0]:
        day = date_of(int(journey.event_day[0]))
        return Why(0, day, {}, (Fact("arrived", day=day),))
    levels = np.array([service_level])
    days = int(journey.reach(levels, _NO_DATE)[0][0, 0]) - today
    calm = journey.undisturbed()
    usual, middle = calm.left()
    undisturbed = int(calm.reach(levels, _NO_DATE)[0][0, 0]) - today
    worked = _worked(clocks, int(places.clock[0]), today, today + undisturbed + 1)
    closed = undisturbed + 1 - worked
    parts = {
        "usual": usual,
        "state": middle - usual,
        "closed_days": closed,
        "service_level": undisturbed - middle - closed,
        "disruption": float(days - undisturbed),
    }
    since = int(states.last_scan[0])
    heard = None if since == MISSING else date_of(int(places.day(states.last_scan)[0]))
    facts = []
    if heard is None or int(states.picked_up[0]) == MISSING:
        facts.append(Fact("not_fetched"))
    elif journey.stalled[0]:
        facts.append(Fact("stands_still", day=heard))
    else:
        facts.append(Fact("under_way", day=date_of(int(places.day(states.picked_up)[0]))))
    counted = rounded_to_sum(
        {
            "left": middle,
            "closed_days": closed,
            "reserve": parts["service_level"],
            "disruption": parts["disruption"],
        }
    )
    if counted["left"] > 0:
        facts.append(Fact("left", counted["left"]))
    if counted["closed_days"] > 0:
        facts.append(Fact("closed_days", counted["closed_days"]))
    if counted["disruption"] > 0:
        facts.extend(Fact("disruption", counted["disruption"], text=text) for text in told)
    if counted["reserve"] > 0:
        facts.append(Fact("reserve", counted["reserve"], share=service_level))
    return Why(days, date_of(today), parts, tuple(facts))


def _worked(clocks: Clocks, clock: int, first: int, end: int) -> float:
    last = clocks.elapsed.shape[1] - 1
    start, stop = (min(max(day - clocks.first_day, 0), last) for day in (first, end))
    return float(clocks.elapsed[clock, stop] - clocks.elapsed[clock, start])
