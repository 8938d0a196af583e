"""The latest day to order for a wanted date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etapromise.errors import ContractError
from etapromise.promise.arrival_distribution import calendar_date

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore


def ship_on_date(
    model: ModelCore,
    wanted_date: dt.date,
    fields: Mapping[str, Any],
    *,
    service_level: float,
    at: dt.time,
) -> dt.date | None:
    """See `PromiseModel.ship_on_date`."""
    calendar_date(wanted_date, "wanted_date")
    clock: object = at
    if not isinstance(clock, dt.time) or clock.tzinfo is not None:
        raise ContractError(
            f"Found at={at!r}; expected a datetime.time without a zone: it is meant in the "
            "warehouse's local time."
        )
    encoder = model.parts.encoder
    zone, _ = encoder.zones.resolve(
        None,
        fields.get("origin_country"),
        fields.get("origin_region"),
        origin=fields.get("origin"),
        postcode=fields.get("origin"),
    )
    # One day more than the horizon: the origin may be a date ahead of the destination.
    for day in (wanted_date + dt.timedelta(days=1 - back) for back in range(model.horizon + 1)):
        ordered_at = dt.datetime.combine(day, at, zone)
        promise = model.promise(**fields, ordered_at=ordered_at, service_level=service_level)
        kept = promise.date <= wanted_date and promise.confidence >= service_level
        if kept and promise.warehouse_works:
            return day
    return None
