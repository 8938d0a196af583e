"""A model's parts, bound to the compiled quote, and the promise that is asked in one call of it.

Whatever answers questions about parcels takes a `ModelCore` as an argument; the model that users
hold (`promise.model`) only passes itself on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache, partial
from math import nan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from etapromise.array_types import Dates
from etapromise.encoding.compiled_encoder import FINE
from etapromise.encoding.pickup_days import WarehouseDays
from etapromise.encoding.requests import NUMBERS, Encoder, as_released, local_dates
from etapromise.encoding.shipment_values import as_datetime, quoted_day, utc_second
from etapromise.errors import CommandError, ContractError, name_meant
from etapromise.forecast.distribution import DateDistribution, DatesKernel
from etapromise.history.features import FeatureBuilder
from etapromise.in_transit.transit_parts import TransitParts, transit_kernel
from etapromise.lanes.levels import HANDLING_LEVELS
from etapromise.normal_forms.remembered import NAMES, PLACES
from etapromise.promise.arrival_distribution import calendar_date
from etapromise.promise.compiled_quote import (
    UNUSUAL,
    Answer,
    Quote,
    QuoteKernel,
    answer_type,
    as_number,
    ask,
    pack_levels,
    pack_question,
)
from etapromise.promise.confidence import AssessesOne
from etapromise.promise.explained_promise import PromiseDetails
from etapromise.promise.joint_probability import Dependence
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.promise import Promise
from etapromise.promise.quoted_promise import QuotedPromise
from etapromise.promise.service_levels import require_level
from etapromise.promise.typed_inputs import ASKED, refuse_unknown
from etapromise.shrinkage import believing

if TYPE_CHECKING:
    import pandas as pd

    from etapromise.calendars.calendar_file import CalendarFile


DEFAULT_SERVICE_LEVEL: Final = 0.9
DEFAULT_BAND: Final = 0.8
_MIDNIGHT: Final = dt.time(0, 0)


class ModelCore:
    """A model's parts and its compiled quote. Immutable; any number of threads may share one.

    Attributes:
        version: which model this is: its moment, and a digest of what it was made from.
        event: what is promised: "delivered", "first_attempt" or "available_for_pickup".
        features: builds what the forests are asked with, from the statistics of the model's moment.
        kernel: the compiled quote.
        dependence: how often parcels of an order share their luck, as past orders showed.
        assessor: how sure one promise is.
        known_fields: the names that a parcel may have.
    """

    __slots__ = (
        *("_answer", "_plain", "_transit_kernel", "_warehouses", "_zones", "assessor"),
        *("dependence", "event", "features", "kernel", "known_fields", "near_name", "parts"),
        "version",
    )

    def __init__(self, parts: ModelParts) -> None:
        """Bind the parts; done once, when a model is trained, refreshed or loaded."""
        self.parts = parts
        self.version, self.event = parts.version, parts.event
        self.dependence = Dependence.from_manifest(parts.manifest)
        self._transit_kernel: DatesKernel | None = None
        self._warehouses: dict[tuple[int, int], WarehouseDays] = {}
        statistics, surge = parts.statistics, parts.surge
        self.features = FeatureBuilder(parts.contract, parts.encoder, statistics, surge)
        with believing(parts.priors):
            self.kernel = QuoteKernel(parts, self.features)
        encoder = parts.encoder
        self.assessor = AssessesOne(parts)
        self._answer = answer_type(
            horizon=parts.horizon,
            numbers=len(NUMBERS) + len(encoder.numeric),
            codes=len(encoder.levels) + len(HANDLING_LEVELS),
        )
        self.known_fields = ASKED | {*encoder.categorical, *encoder.numeric}
        # Without extra features, the columns are those that `promise` names.
        self._plain = not (encoder.categorical or encoder.numeric)
        self._zones = frozenset(encoder.zones.names)
        # Of thousands of regions a near one takes milliseconds, and a typo comes again.
        self.near_name = lru_cache(maxsize=1024)(partial(_near_name, encoder))

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Versions, moments, settings and counts, as plain values."""
        return MappingProxyType(dict(self.parts.manifest))

    @property
    def as_of(self) -> datetime:
        """What was received before this moment (UTC) is in the statistics and the calibration."""
        return datetime.fromisoformat(self.parts.manifest["as_of"])

    @property
    def calendars(self) -> CalendarFile | None:
        """What the calendar file said that the model keeps; None where it was given none."""
        from etapromise.calendars.calendar_file import CalendarFile  # noqa: PLC0415 — rarely asked

        stated = self.parts.manifest.get("calendars")
        return None if stated is None else CalendarFile(stated)

    @property
    def transit(self) -> TransitParts | None:
        """What is known of parcels under way; None where the history showed no journeys."""
        return self.parts.transit

    @property
    def horizon(self) -> int:
        """Dates of a distribution, the order's own included."""
        return self.parts.horizon

    def promise(
        self,
        /,
        *,
        origin: str | None,
        destination: str | None,
        ordered_at: datetime,
        carrier: str | None = None,
        service: str | None = None,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        band: float = DEFAULT_BAND,
        origin_region: str | None = None,
        origin_country: str | None = None,
        destination_region: str | None = None,
        destination_country: str | None = None,
        destination_time_zone: str | None = None,
        origin_lat: float | None = None,
        origin_lon: float | None = None,
        destination_lat: float | None = None,
        destination_lon: float | None = None,
        weight_kg: float | None = None,
        quoted_date: dt.date | str | None = None,
        available_from: datetime | None = None,
        **fields: Any,
    ) -> Promise:
        """The promise of one parcel.

        Where a column says nothing, give None or leave it out; NaN, NaT and NA out of a table mean
        the same.

        Args:
            origin: postcode or place code that it is sent from.
            destination: postcode or place code that it goes to.
            ordered_at: zone-aware.
            carrier: as in the training data; an unseen one gets a wider, flagged promise.
            service: likewise.
            service_level: the probability with which the promise shall be kept, or its name:
                "typical", "default" or "high" (`SERVICE_LEVELS`).
            band: the central probability between `earliest` and `latest`.
            origin_region: state or province that it is sent from.
            origin_country: ISO 3166 code.
            destination_region: state or province that it goes to.
            destination_country: ISO 3166 code.
            destination_time_zone: IANA name.
            origin_lat: degrees north.
            origin_lon: degrees east.
            destination_lat: degrees north.
            destination_lon: degrees east.
            weight_kg: kilograms.
            quoted_date: the carrier's own estimate; as text, YYYY-MM-DD.
            available_from: zone-aware; an item that is released later than it is ordered is sent as
                if it had been ordered then.
            **fields: every extra feature that the model was trained with.

        Raises:
            ContractError: a naive order time, a probability outside 0 to 1, a missing extra
                feature, a value of a wrong type, or a time outside the model's calendars.
        """
        if type(service_level) is not float or not 0.0 < service_level < 1.0:
            service_level = require_level(service_level, "service_level")
        if type(band) is not float or not 0.0 < band < 1.0:
            band = require_level(band, "band")
        if fields:
            refuse_unknown(fields, self.known_fields | {"service_level", "band"}, "a promise")
        given: object = ordered_at
        if not isinstance(given, datetime):
            ordered_at = as_datetime(given, "ordered_at")
        moment = ordered_at
        second = utc_second(moment)
        if available_from is not None and available_from == available_from:  # noqa: PLR0124 — NaT
            available_from = as_datetime(available_from, "available_from")
            released = utc_second(available_from, "available_from")
            if released > second:
                moment, second = available_from, released
        low, high = (1.0 - band) / 2, (1.0 + band) / 2
        answer = self._answer()
        status, text = None, b""
        left_out: tuple[str, ...] = ()
        if self._plain:
            try:
                text = "\0".join(
                    (
                        PLACES[origin, origin_region, origin_country],
                        PLACES[destination, destination_region, destination_country],
                        "" if carrier is None else NAMES[carrier],
                        "" if service is None else NAMES[service],
                        "" if destination_time_zone is None else destination_time_zone,
                    )
                ).encode()
                question = pack_question(
                    second,
                    len(text),
                    0,
                    nan if quoted_date is None else quoted_day(quoted_date),
                    nan if origin_lat is None else as_number(origin_lat),
                    nan if origin_lon is None else as_number(origin_lon),
                    nan if destination_lat is None else as_number(destination_lat),
                    nan if destination_lon is None else as_number(destination_lon),
                    nan if weight_kg is None else as_number(weight_kg),
                    service_level,
                    low,
                    high,
                )
                if destination_time_zone is None or destination_time_zone in self._zones:
                    status = ask(self.kernel.address, question, text, answer)
            except (*UNUSUAL, ContractError):
                pass  # looked at with care below
        if status != FINE:
            fields |= {
                "origin": origin,
                "origin_region": origin_region,
                "origin_country": origin_country,
                "destination": destination,
                "destination_region": destination_region,
                "destination_country": destination_country,
                "carrier": carrier,
                "service": service,
                "destination_time_zone": destination_time_zone,
                "quoted_date": quoted_date,
                "origin_lat": origin_lat,
                "origin_lon": origin_lon,
                "destination_lat": destination_lat,
                "destination_lon": destination_lon,
                "weight_kg": weight_kg,
                "ordered_at": moment,
            }
            levels = pack_levels(service_level, low, high)
            text, left_out = self._ask_carefully(fields, levels, answer)
        quote = answer, text, moment, second
        return QuotedPromise(
            self, quote, ordered_at, service_level, destination_time_zone, left_out
        )

    def ship_on_date(
        self,
        wanted_date: dt.date,
        *,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        at: dt.time = _MIDNIGHT,
        **fields: Any,
    ) -> dt.date | None:
        """The latest day to order that keeps a wanted date at the service level.

        What is promised for an order of that day is no later than `wanted_date`; for an order of
        any later working day of the warehouse it is.

        Args:
            wanted_date: destination-local.
            service_level: the probability with which the date shall be kept.
            at: the warehouse's local time at which is ordered on each day; by default as it
                begins, before any cut-off.
            **fields: those of `promise` but for the time: `origin`, `destination`, …

        Returns:
            A working day of the warehouse, origin-local; None where not even one as long before as
            the model's horizon is early enough.

        Raises:
            ContractError: as for `promise`; no date, or a time with a zone.
        """
        level = require_level(service_level, "service_level")
        calendar_date(wanted_date, "wanted_date")
        clock: object = at
        if not isinstance(clock, dt.time) or clock.tzinfo is not None:
            raise ContractError(
                f"Found at={at!r}; expected a datetime.time without a zone: it is meant in the "
                "warehouse's local time."
            )
        zone, _ = self.parts.encoder.zones.resolve(
            None,
            fields.get("origin_country"),
            fields.get("origin_region"),
            origin=fields.get("origin"),
            postcode=fields.get("origin"),
        )
        # One day more than the horizon: the origin may be a date ahead of the destination.
        for back in range(self.horizon + 1):
            day = wanted_date + dt.timedelta(days=1 - back)
            ordered_at = dt.datetime.combine(day, at, zone)
            promise = self.promise(**fields, ordered_at=ordered_at, service_level=level)
            kept = promise.date <= wanted_date and promise.confidence >= level
            if kept and promise.warehouse_works:
                return day
        return None

    def explanation(self, quote: Quote) -> PromiseDetails:
        """What stands behind a promise; a whole model knows."""
        raise NotImplementedError

    def _ask_carefully(
        self, fields: Mapping[str, Any], levels: bytes, answer: Answer
    ) -> tuple[bytes, tuple[str, ...]]:
        """What `promise` does, for models with extra features and for values of unusual types."""
        encoder = self.parts.encoder
        second = utc_second(fields["ordered_at"])
        shipment, extra, text, left_out = encoder.compiled.packed(fields, second)
        status = ask(self.kernel.address, shipment + levels + extra, text, answer)
        encoder.compiled.require_encoded(status, answer.request.order_day)
        return text, left_out

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        """The whole distributions of many parcels."""
        requests = self.parts.encoder.encode(as_released(frame))
        days = requests.order_day.astype("datetime64[D]")
        return DateDistribution(days, self.kernel.dates(requests))

    def local_dates(self, shipments: pd.DataFrame, times: pd.Series[Any]) -> Dates:
        """(n,) dates of moments (n,) at the destinations of shipments, NaT where there is none."""
        zones, _ = self.parts.encoder.zones.resolve_many(shipments, "destination")
        return local_dates(times, zones)

    def require_known_by(self, as_of: pd.Timestamp) -> None:
        """Refuse to answer as of a moment at which the model was not known yet."""
        if as_of.tzinfo is None:
            raise ContractError(f"Found the naive moment {as_of}; expected one with a time zone.")
        if self.as_of > as_of:
            raise CommandError(
                f"Found a model as of {self.as_of.isoformat()}, later than as_of="
                f"{as_of.isoformat()}; expected one that knows no more than its day. Use an "
                "earlier version, or a later as_of."
            )

    def require_event(self, event: str) -> None:
        """Raises: CommandError: a history tracks another event than the model promises."""
        if self.event != event:
            raise CommandError(
                f"Found a history that tracks {event!r}, but the model promises {self.event!r}; "
                "expected the same event. Track the tables again with it, or train another model."
            )

    def warehouse(self, row: int, holidays: int) -> WarehouseDays:
        """The days of a row of the dispatch calendars under a row of the clocks' holidays."""
        found = self._warehouses.get((row, holidays))
        if found is None:
            # Two threads may both do this; they find the same.
            found = WarehouseDays.of(self.parts.encoder, row, holidays)
            self._warehouses[row, holidays] = found
        return found

    def transit_kernel(self, transit: TransitParts) -> DatesKernel:
        """The compiled distributions of what is known of parcels under way."""
        if self._transit_kernel is None:
            # Two threads may both do this; they find the same.
            encoder = self.parts.encoder
            self._transit_kernel = transit_kernel(
                transit, encoder.clocks, self.horizon, encoder.disruptions
            )
        return self._transit_kernel


def _near_name(encoder: Encoder, level: str, before: str, said: str) -> str | None:
    """The key of a level, less what stands before it, that something said is a typo of."""
    keys = encoder.index_of[level].keys
    return name_meant(said, (key.removeprefix(before) for key in keys if key.startswith(before)))
