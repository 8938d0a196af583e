"""The truth of one parcel, the slow way: a dictionary of days for every stage, in plain loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields

from etapromise_simulator import stages as law
from etapromise_simulator.journey import Route
from etapromise_simulator.stages import Duration, Stages

Mass = dict[int, float]


def one(route: Route, row: int) -> dict[str, int]:
    return {part.name: int(getattr(route, part.name)[row]) for part in fields(route)}


def working_day(working: list[bool], day: int, further: int = 0) -> int:
    while not working[day]:
        day += 1
    for _ in range(further):
        day += 1
        while not working[day]:
            day += 1
    return day


def chances(
    duration: Duration, median: float, sharpness: float | None = None
) -> Iterator[tuple[int, float]]:
    power = duration.sharpness if sharpness is None else sharpness
    edges = [j + duration.edge for j in range(duration.size)]
    below = [1 / (1 + (median / edge) ** power) for edge in edges]
    for j, value in enumerate(below):
        yield duration.first + j, (value - (below[j - 1] if j else 0.0)) / below[-1]


def stage(
    mass: Mass, working: list[bool], step: Callable[[int], Iterator[tuple[int, float]]]
) -> Mass:
    after: Mass = defaultdict(float)
    for day, weight in mass.items():
        if weight > 1e-15:
            for length, chance in step(day):
                after[working_day(working, day, length)] += weight * chance
    return after


def distribution(stages: Stages, route: Route, row: int, event: str) -> Mass:
    """`P(event on a day)` by number of the day."""
    network = stages.network
    parcel = one(route, row)
    own, warehouse, region = parcel["own"], parcel["warehouse"], parcel["region"]

    def calendar(number: int) -> list[bool]:
        return network.calendars.working[int(number)].tolist()

    home = int(network.places.region_country[network.places.warehouse_region[warehouse]])
    packing = calendar(network.warehouse_calendar(warehouse))
    collecting = calendar(network.courier_calendar(own, home))
    clearing = calendar(network.customs_calendar(parcel["country"]))
    delivering = calendar(network.courier_calendar(parcel["courier"], parcel["country"]))

    start = working_day(packing, parcel["day"] + parcel["late"])
    handling = float(stages.handling(warehouse, parcel["bulky"], start))
    mass = stage({start: 1.0}, packing, lambda _: chances(law.HANDLING, handling))
    missed = float(stages.missed_pick_up(own))
    mass = stage(mass, collecting, lambda _: iter([(0, 1 - missed), (1, missed)]))
    mass = {day: weight * (1 - float(stages.lost(own, day))) for day, weight in mass.items()}
    mass = stage(
        mass,
        collecting,
        lambda day: chances(
            law.LINEHAUL,
            float(stages.linehaul(warehouse, parcel["hub"], own, day)),
            float(stages.linehaul_sharpness(own)),
        ),
    )
    if parcel["abroad"]:
        mass = stage(
            mass, clearing, lambda day: chances(law.CUSTOMS, float(stages.customs(own, day)))
        )
    if parcel["path"] == law.BY_PARTNER:
        mass = stage(mass, delivering, lambda _: iter([(0, 1.0)]))
        mass = stage(
            mass, delivering, lambda day: chances(law.PARTNER, float(stages.partner(region, day)))
        )
    elif parcel["path"] != law.DIRECT:
        mass = stage(
            mass,
            delivering,
            lambda day: chances(law.LOCAL, float(stages.local(parcel["path"], region, day))),
        )
    mass = stage(
        mass,
        delivering,
        lambda day: chances(law.LAST_MILE, float(stages.last_mile(parcel["courier"], region, day))),
    )
    mass = {day: weight * (1 - float(stages.bad_address(own))) for day, weight in mass.items()}
    if event == "first_attempt":
        return mass

    waiting = {day: weight * (1 - float(stages.refused(own))) for day, weight in mass.items()}
    delivered: Mass = defaultdict(float)
    for attempt in range(3):
        if attempt:
            waiting = stage(waiting, delivering, lambda _: chances(law.RETRY, law.RETRY_MEDIAN))
        for day, weight in waiting.items():
            taken = float(stages.success(parcel["courier"], region, attempt, day))
            delivered[day] += weight * taken
            waiting[day] = weight * (1 - taken)
    fetched = stage(waiting, delivering, lambda _: chances(law.COLLECTION, law.COLLECTION_MEDIAN))
    for day, weight in fetched.items():
        delivered[day] += weight * (1 - float(stages.uncollected(own)))
    return delivered
