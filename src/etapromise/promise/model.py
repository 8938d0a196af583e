"""The model that checkout asks: immutable, thread-safe, the same numbers for one and for many."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from etapromise.argument_kinds import kinds_checked
from etapromise.calendars.calendar_view import LearnedCalendars, learned_calendars
from etapromise.errors import extra_needed
from etapromise.in_transit.transit_parts import Alerts
from etapromise.late_imports import IMPORTING
from etapromise.promise.compiled_quote import Quote
from etapromise.promise.decision import CostPolicy
from etapromise.promise.model_core import DEFAULT_BAND, DEFAULT_SERVICE_LEVEL, ModelCore
from etapromise.promise.model_files import load_saved, model_contents, save_model
from etapromise.promise.service_levels import require_level
from etapromise.promise.signatures import VERIFY_KEY
from etapromise.shrinkage import believing

if TYPE_CHECKING:
    import pandas as pd

    from etapromise.calendars.calendar_file import CalendarFile
    from etapromise.calendars.disruptions import Disruption
    from etapromise.history.as_of import Moment
    from etapromise.promise.explanation import Explanation
    from etapromise.promise.options.compared_option import ComparedOption
    from etapromise.promise.options.order import OrderPromise
    from etapromise.promise.options.policies import ShopperPolicy
    from etapromise.promise.options.sourcing import Sourcing
    from etapromise.promise.under_way.tracked_promise import Tracked
    from etapromise.tracking.mapping import MappingSource
    from etapromise.tracking.sources import Source
    from etapromise.tracking.tracked import TrackedHistory


class PromiseModel(ModelCore):
    """Answers what date can be promised. Immutable; any number of threads may share one.

    Examples:
        >>> model = etapromise.load("models/current")
        >>> parcel = dict(origin="60492", destination="90585", carrier="acme", service="ground")
        >>> promise = model.promise(**parcel, ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
        >>> order = model.promise_order([parcel, parcel],
        ...                             ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
        >>> order.date >= promise.date
        True
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Whether both are the same model: of one version, with the same declared disruptions."""
        if not isinstance(other, PromiseModel):
            return NotImplemented
        return self is other or (
            self.version == other.version
            and self.parts.encoder.declared == other.parts.encoder.declared
        )

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"<PromiseModel {self.version} as of {self.as_of}, promising {self.event}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A model travels as the bytes of its files, which are checked as `load` checks them."""
        return restored_model, (model_contents(self),)

    def __copy__(self) -> PromiseModel:
        return self

    def __deepcopy__(self, _memo: object) -> PromiseModel:
        return self

    def promise_order(
        self,
        parcels: Sequence[Mapping[str, Any]],
        *,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        band: float = DEFAULT_BAND,
        **shared: Any,
    ) -> OrderPromise:
        """One date by which all parcels of an order will have arrived, by their joint probability.

        Args:
            parcels: (n,) each a mapping of the arguments of `promise`, at least one.
            service_level: the probability with which all shall have arrived.
            band: the central probability between `earliest` and `latest` of the last arrival.
            **shared: fields that all parcels have in common, such as `ordered_at`; a parcel's own
                come first.

        Raises:
            ContractError: as for `promise`; no parcel, or one without origin, destination or time.
        """
        with IMPORTING:
            from etapromise.promise.options.order import promise_order  # noqa: PLC0415 — start-up time

        level, within = require_level(service_level, "service_level"), require_level(band, "band")
        return promise_order(self, parcels, service_level=level, band=within, shared=shared)

    def compare(
        self,
        options: Sequence[Mapping[str, Any]],
        policy: CostPolicy | ShopperPolicy | str | float | date,
        *,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        wanted_by: date | None = None,
        day_price: float | EllipsisType | None = ...,
        **shared: Any,
    ) -> list[ComparedOption]:
        """Ways to send a parcel, best first: carriers, services, warehouses, prices.

        By a `CostPolicy`, the least of price, waiting and lateness; by a service level, the least
        of price and days to the date that keeps it; by a latest wanted date, the cheapest that
        arrives by then with the probability `service_level`, and after these the likelier ones; by
        a `ShopperPolicy`, wish after wish (docs/options.md). An option that cannot be promised,
        such as one of an unknown carrier, never comes before one that can; and whoever is dominated
        never before whoever dominates it.

        Args:
            options: each a mapping of the arguments of `promise`, with its `price` in any one
                currency, a `cost` in days (whatever else speaks against it), its `co2_kg`, a
                `name`, and what it offers: `windows` such as ["08:00-12:00"] that can be booked,
                and `guaranteed`, `no_appointment` or `groupable`.
            policy: a `CostPolicy`, a service level, the latest wanted date, destination-local, or
                a `ShopperPolicy` or the name of a ready one: "price_sensitive", "parcel_centric",
                "convenience", "time_is_money" or "eco".
            service_level: the probability asked for where `policy` is not one itself.
            wanted_by: a latest wanted date beside another policy: options that reach it with the
                service level come first.
            day_price: the price that one day of waiting is worth, in the prices' currency. Without
                it prices are not added to days: a `CostPolicy` and a service level leave them out
                and say so in `why`. Say None where that is meant: it was 1.0 by default once, and
                prices that are left out without a word are warned of.
            **shared: fields that all options have in common, such as `ordered_at`; an option's own
                come first.

        Warns:
            DeprecationWarning: prices are left out, and nothing is said of `day_price`.

        Raises:
            ContractError: as for `promise`; no option, one without origin, destination or time, a
                price or cost that is no number, or a policy of another kind.
        """
        with IMPORTING:
            from etapromise.promise.options.compare import compare  # noqa: PLC0415 — start-up time

        return compare(
            self,
            options,
            policy,
            service_level=service_level,
            wanted_by=wanted_by,
            day_price=day_price,
            shared=shared,
        )

    def source_order(
        self,
        items: Sequence[str],
        stock: Sequence[Mapping[str, Any]],
        ways: Sequence[Mapping[str, Any]],
        policy: ShopperPolicy | str | float = DEFAULT_SERVICE_LEVEL,
        *,
        most_parcels: int = 2,
        **shared: Any,
    ) -> list[Sourcing]:
        """From which warehouses to send an order, best first: in one parcel, or split.

        Args:
            items: what was ordered, by name.
            stock: for each warehouse a mapping with its `origin`, the `items` that it holds, and
                fields of the shipment such as `origin_region`.
            ways: options as for `compare`; one with an `origin` is of that warehouse alone.
            policy: a `ShopperPolicy`, the name of a ready one, or a service level: fewest days
                until all is there, then the price.
            most_parcels: how many an order may be split into.
            **shared: fields that all parcels have in common, such as `destination`.

        Raises:
            ContractError: as for `compare`; items that no warehouses hold together.
        """
        with IMPORTING:
            from etapromise.promise.options.sourcing import source_order  # noqa: PLC0415 — start-up time

        return source_order(
            self, items, stock, ways, policy, most_parcels=most_parcels, shared=shared
        )

    def promise_many(
        self,
        frame: pd.DataFrame,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        *,
        explain: bool = False,
    ) -> pd.DataFrame:
        """The promises of many parcels: to the last bit those of one at a time.

        Args:
            frame: (n,) accepted rows of the contract (`tracking.read_shipments`); where a column
                `available_from` says so, sent as if ordered then.
            service_level: the probability with which the promises shall be kept.
            explain: add a column `why_…` for each cause of `promise.why()`: days that sum to those
                from the order's origin-local date to the promised date.

        Returns:
            (n,) the columns of `etapromise score`, in the order of the input. ``attrs["told"]``
            has a sentence for each name never seen that is nearly a known one.

        Raises:
            ContractError: as for `promise`.
        """
        with IMPORTING, extra_needed():
            from etapromise.promise.promise_table import promise_frame  # noqa: PLC0415 — needs pandas

        level = require_level(service_level, "service_level")
        return promise_frame(self, frame, level, explain=explain)

    def track(
        self,
        shipment: Mapping[str, Any],
        scans: Source | Sequence[Mapping[str, Any]] | None,
        now: datetime,
        *,
        standing: date | str | None = None,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        band: float = DEFAULT_BAND,
        at_risk_threshold: float | None = None,
        vocabulary: str | None = None,
        naive_time_zone: str | None = None,
    ) -> Tracked:
        """What is to be expected of a parcel under way, by what had been received at a moment.

        The distribution is that of the remaining time, given that the event is not known yet: by
        the last status and facility, the silence since, the legs done and the lane's recent flow.

        Args:
            shipment: the contract's columns; `shipment_id` may be left out.
            scans: a table of the contract or a list of mappings; those of other shipments, and
                those received after `now`, are not looked at. None: no scan yet.
            now: zone-aware.
            standing: the promise that the customer has; by default the shipment's
                `promised_date`.
            service_level: the probability with which the new date shall be kept.
            band: the central probability between `earliest` and `latest`.
            at_risk_threshold: probability of a broken promise from which on it is at risk; by
                default that of `alert_threshold()`.
            vocabulary: whose codes scans carry that do not say.
            naive_time_zone: IANA zone of times that carry none.

        Raises:
            ContractError: `now` is naive or before the order; the shipment or the scans do not fit
                the contract.
        """
        with IMPORTING, extra_needed():
            from etapromise.promise.under_way.tracked_promise import track_one  # noqa: PLC0415 — needs pandas

        return track_one(
            self,
            shipment,
            scans,
            now,
            standing=standing,
            service_level=require_level(service_level, "service_level"),
            band=require_level(band, "band"),
            at_risk=at_risk_threshold,
            vocabulary=vocabulary,
            naive_time_zone=naive_time_zone,
        )

    def track_many(
        self,
        shipments: pd.DataFrame,
        scans: Source | Sequence[Mapping[str, Any]] | None,
        now: datetime,
        *,
        service_level: float | str = DEFAULT_SERVICE_LEVEL,
        standing: Any = None,
        at_risk_threshold: float | None = None,
        vocabulary: str | None = None,
        naive_time_zone: str | None = None,
    ) -> pd.DataFrame:
        """What is to be expected of many parcels: to the last bit that of one at a time.

        Args:
            shipments: (n,) accepted rows of the contract (`tracking.read_shipments`).
            scans: as for `track`; a table that was read with `tracking.read_scans` is fine.
            now: zone-aware.
            service_level: the probability with which the new dates shall be kept.
            standing: one date, or (n,) dates, that the customers were told; by default the column
                `promised_date`.
            at_risk_threshold: as for `track`.
            vocabulary: as for `track`.
            naive_time_zone: as for `track`.

        Returns:
            (n,) in the order of the input: the columns of `etapromise score`, then `stage`,
            `last_status`, `last_scan_at` (UTC), `silent_days` (operational), `stalled`,
            `likely_lost`, `return_probability`, `attempts`, `delivered_at` (UTC) and
            `delivered_date` (destination-local). Where no delivery will follow any more the dates
            are missing.

        Raises:
            ContractError: as for `track`.
        """
        with IMPORTING, extra_needed():
            from etapromise.promise.under_way.open_journeys import (  # noqa: PLC0415 — needs pandas
                checked_scans,
                track_frame,
            )

        return track_frame(
            self,
            shipments,
            checked_scans(scans, vocabulary=vocabulary, naive_time_zone=naive_time_zone).accepted,
            now,
            service_level=require_level(service_level, "service_level"),
            standing=standing,
            at_risk=at_risk_threshold,
        )

    def alert_threshold(
        self, *, precision: float | None = None, budget: float | None = None
    ) -> float:
        """From which probability of a broken promise on to call a parcel at risk.

        Chosen on past parcels: the lowest threshold at which, from there on, alarms are right as
        often as wanted, or at which no more parcels are alarmed than the budget allows. Give it as
        `at_risk_threshold` to `track` and `track_many`.

        Args:
            precision: wanted share of alarms that are right; 0.8 where neither is given.
            budget: the most parcels that may be alarmed on their way, as a share of all.

        Raises:
            ContractError: both are given, or one is not within 0 to 1.
        """
        transit = self.transit
        alerts = Alerts.unmeasured() if transit is None else transit.alerts
        return alerts.at(precision=precision, budget=budget)

    def refresh(
        self,
        shipments: Source | TrackedHistory | None = None,
        scans: Source | None = None,
        *,
        as_of: Moment,
        store: str | Path | None = None,
        naive_time_zone: str | None = None,
        calendars: CalendarFile | str | Path | None = None,
        mapping: MappingSource | None = None,
        vocabulary: str | None = None,
    ) -> PromiseModel:
        """The same trees with statistics and calibration as of a later moment; this one stays.

        Args:
            shipments: a table of the contract or a tracked history; should reach at least half a
                year back.
            scans: a table of the contract.
            as_of: zone-aware moment; without a zone, UTC. Nothing received later is looked at.
            store: instead of tables, the directory of a store, see `etapromise.ingest`.
            naive_time_zone: the zone of times in the tables that carry none.
            calendars: a calendar file from now on; by default that which the model has.
            mapping: which columns of own tables are those of the contract, as for `train`.
            vocabulary: whose codes scans carry that do not say.

        Raises:
            ContractError: tables or arguments do not fit the contract, or the history tracks
                another event than the model's.
            InsufficientHistoryError: too little had happened by `as_of`.
        """
        with IMPORTING, extra_needed():
            from etapromise.calendars.calendar_file import CalendarFile  # noqa: PLC0415 — rarely asked
            from etapromise.promise.assembling import refreshed_parts  # noqa: PLC0415 — needs pandas
            from etapromise.store.stored_history import history_from  # noqa: PLC0415 — needs pandas

        event: Any = self.event
        tracked = history_from(
            shipments,
            scans,
            store,
            event=event,
            naive_time_zone=naive_time_zone,
            mapping=mapping,
            vocabulary=vocabulary,
        )
        stated = None if calendars is None else CalendarFile.of(calendars)
        with believing(self.parts.priors):
            return PromiseModel(refreshed_parts(self, tracked, as_of, stated))

    def with_disruptions(
        self, disruptions: Sequence[Disruption] | CalendarFile | str | Path
    ) -> PromiseModel:
        """The same model under other declared disruptions, instead of those it has; at once.

        Nothing is trained or refreshed. Quotes and parcels under way in the areas concerned shift
        and widen from the first to the last day, and recover; what the disruptions cost is taken
        off the durations that later refreshes learn from.

        Args:
            disruptions: none to end all; or a calendar file with `[[disruptions]]`.

        Raises:
            ContractError: the file says what it cannot say, or there are too many.
        """
        return PromiseModel(self.parts.with_disruptions(disruptions))

    @kinds_checked()
    def save(self, directory: str | Path, *, sign_key: str | Path | None = None) -> Path:
        """Write a model directory; a reader sees all of it or nothing.

        Args:
            directory: must not exist yet.
            sign_key: file of a private Ed25519 key to sign it with; by default that of the
                environment's ETAPROMISE_SIGN_KEY, or nobody's.

        Raises:
            ModelFileError: something else is in the way.
            CommandError: there is no such key.
        """
        return save_model(self, Path(directory), sign_key)

    def explanation(self, quote: Quote) -> Explanation:
        """What stands behind a promise: cut-off, stages, hours."""
        with IMPORTING:
            from etapromise.promise.explanation import Explanation  # noqa: PLC0415 — start-up time

        return Explanation(self, quote)

    def learned_calendars(self) -> LearnedCalendars:
        """Working weeks, holidays by name and pick-ups of services and warehouses, as learned."""
        return learned_calendars(self.parts.encoder.clocks, self.parts.encoder.dispatch)


def restored_model(contents: Mapping[str, bytes]) -> PromiseModel:
    """The model of which `model_contents` gave the files: what a pickled one is read back by."""
    with tempfile.TemporaryDirectory() as place:
        for name, content in contents.items():
            (Path(place) / Path(name).name).write_bytes(content)
        return load_saved(place, PromiseModel)


@kinds_checked()
def load_model(directory: str | Path, *, verify: str | Path | None = None) -> PromiseModel:
    """Read a model directory that `PromiseModel.save` wrote.

    Args:
        directory: which.
        verify: file of the public key of whom it must be signed by; by default that of the
            environment's ETAPROMISE_VERIFY_KEY. Without either, signatures are not looked at.

    Raises:
        ModelFileError: it is missing, incomplete, damaged, of another format, not signed as it must
            be, or gives other predictions on this machine than on the one that wrote it.

    Examples:
        >>> etapromise.load("models/current").event
        'delivered'
    """
    return load_saved(directory, PromiseModel, verify or os.environ.get(VERIFY_KEY) or None)
