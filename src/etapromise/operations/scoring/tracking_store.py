"""One parcel of a store: where it stands and when it will be there."""

from __future__ import annotations

from pathlib import Path

from etapromise.argument_kinds import kinds_checked
from etapromise.history.as_of import Moment, moment_of
from etapromise.operations.models.model_registry import Model, model_of
from etapromise.promise.under_way.tracked_promise import Tracked, fields_of
from etapromise.store.stored_history import stored_parcel


@kinds_checked()
def track_stored(
    model: Model, store: str | Path, shipment: str, *, as_of: Moment, service_level: float = 0.9
) -> Tracked:
    """Say where one parcel of a store stands and when it will be there.

    All that are on their way at once: `score_store`. A parcel whose order and scans are at hand
    needs no store: `PromiseModel.track`.

    Args:
        model: it, or its path.
        store: the store's directory.
        shipment: its `shipment_id`.
        as_of: nothing received later is looked at.
        service_level: the probability with which the date shall be kept.

    Raises:
        StoreError: there is no store, or no such parcel in it.
        ContractError: the moment is before the order.

    Examples:
        >>> found = etapromise.track_stored("models/current", "store", under_way,
        ...                                as_of="2025-07-03")
        >>> found.as_dict()["stage"] != "delivered"
        True
    """
    order, scans = stored_parcel(store, shipment)
    return model_of(model).track(
        fields_of(order), scans, moment_of(as_of).to_pydatetime(), service_level=service_level
    )
