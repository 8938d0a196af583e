"""What the promise is computed with: a model's parts, bound to the compiled quote.

Whatever answers questions about parcels takes a `ModelCore` as an argument; the model that users
hold (`promise.model`) only passes itself on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etapromise.array_types import Dates
from etapromise.encoding.pickup_days import WarehouseDays
from etapromise.encoding.requests import as_released, local_dates
from etapromise.errors import CommandError, ContractError
from etapromise.forecast.distribution import DateDistribution
from etapromise.history.features import FeatureBuilder, FeatureTables, with_handling_codes
from etapromise.in_transit.remaining_time import RemainingKernel
from etapromise.in_transit.transit_parts import TransitParts, transit_kernel
from etapromise.promise.compiled_quote import QuoteKernel
from etapromise.promise.joint_probability import Dependence
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.single_quote import SingleQuotes
from etapromise.shrinkage import believing

if TYPE_CHECKING:
    import pandas as pd

    from etapromise.calendars.calendar_file import CalendarFile
    from etapromise.tracking.contract import Event


class ModelCore(SingleQuotes):
    """A model's parts and its compiled quote. Immutable; any number of threads may share one.

    Attributes:
        features: builds what the forests are asked with, from the statistics of the model's moment.
        kernel: the compiled quote.
        dependence: how often parcels of an order share their luck, as past orders showed.
    """

    __slots__ = ("_transit_kernel", "_warehouses", "dependence", "features", "kernel", "parts")

    def __init__(self, parts: ModelParts) -> None:
        """Bind the parts; done once, when a model is trained, refreshed or loaded."""
        self.parts = parts
        self.dependence = Dependence.from_manifest(parts.manifest)
        self._transit_kernel: RemainingKernel | None = None
        self._warehouses: dict[tuple[int, int], WarehouseDays] = {}
        tables, settings = FeatureTables.snapshot(parts.statistics), parts.statistics.settings
        self.features = FeatureBuilder(parts.contract, parts.encoder, tables, settings, parts.surge)
        with believing(parts.priors):
            self.kernel = QuoteKernel(parts, self.features)
        super().__init__(parts, self.kernel)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Versions, moments, settings and counts, as plain values."""
        return MappingProxyType(dict(self.parts.manifest))

    @property
    def version(self) -> str:
        """Which model this is: its moment, and a digest of what it was made from."""
        return self.parts.version

    @property
    def event(self) -> Event:
        """What is promised: "delivered", "first_attempt" or "available_for_pickup"."""
        return self.parts.event

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

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        """The whole distributions of many parcels."""
        requests = self.parts.encoder.encode(as_released(frame))
        return DateDistribution(
            requests.order_day.astype("datetime64[D]"),
            self.kernel.dates(requests, with_handling_codes(requests.codes)),
        )

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

    def transit_kernel(self, transit: TransitParts) -> RemainingKernel:
        """The compiled distributions of what is known of parcels under way."""
        if self._transit_kernel is None:
            # Two threads may both do this; they find the same.
            encoder = self.parts.encoder
            self._transit_kernel = transit_kernel(
                transit, encoder.clocks, self.horizon, encoder.disruptions
            )
        return self._transit_kernel
