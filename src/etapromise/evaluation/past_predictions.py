"""Looking back: what a model would have predicted of each parcel on each morning of its way.

The replay behind `repromising.pick_policy`: nothing that was received after a look is shown to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.array_types import Ints, Mask
from etapromise.errors import ContractError
from etapromise.evaluation.replay import extract_end
from etapromise.evaluation.repromise_replay import PastPredictions
from etapromise.promise.under_way.open_journeys import journeys_at

if TYPE_CHECKING:
    from etapromise.promise.model import PromiseModel
    from etapromise.tracking import TrackedHistory


def past_predictions(
    model: PromiseModel,
    history: TrackedHistory,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp | None = None,
    every_hours: float = 24.0,
    service_level: float = 0.9,
) -> PastPredictions:
    """Looks at every parcel from its order until it arrived, came to another end or was given up.

    What stood at first is the shipment's ``promised_date``; where it has none, the model's promise.
    Cancelled orders are left out.

    Args:
        model: Refreshed no later than ``start``.
        history: All of it, with everything that happened afterwards.
        start: Zone-aware; parcels ordered from then on. Looks are taken at its time of day.
        end: Parcels ordered before it; by default, and at the latest, as long before the end of the
            data as the model's distributions reach: what became of every parcel is known.
        every_hours: From one look to the next.
    """
    if model.as_of > start:
        raise ContractError(
            f"Found a model as of {model.as_of.isoformat()}, later than start={start.isoformat()}; "
            "expected one that knows nothing of the parcels it is to be judged by."
        )
    patience = pd.Timedelta(days=model.horizon)
    last = extract_end(history) - patience
    until = last if end is None else min(end, last)
    ordered, closed = history.shipments["ordered_at"], history.milestones["closed_as"]
    chosen = (ordered >= start) & (ordered < until)
    chosen &= (closed != "cancelled").fillna(value=True).astype(bool)
    rows = np.flatnonzero(chosen.to_numpy())
    if not len(rows):
        raise ContractError(
            f"Found no parcel ordered from {start} to {until}, {model.horizon} days before the end "
            "of the data; expected some hundreds. Take an earlier start, or a longer history."
        )
    shipments = history.shipments.iloc[rows].reset_index(drop=True)
    milestones = history.milestones.iloc[rows].reset_index(drop=True)
    scans = history.scans[history.scans["shipment_id"].isin(shipments["shipment_id"])]
    over = milestones["event_known_at"].fillna(milestones["closed_known_at"])
    over = over.fillna(shipments["ordered_at"] + patience)
    parts = []
    moment = start
    while moment < until + patience:
        open_ = np.flatnonzero(((shipments["ordered_at"] <= moment) & (over > moment)).to_numpy())
        if len(open_):
            parts.append(_look(model, shipments.iloc[open_], scans, moment, open_))
        moment += pd.Timedelta(hours=every_hours)
    if not parts:
        raise ContractError("Found no parcel under way at any look; expected looks more often.")
    return PastPredictions(
        original_date=first_promises(model, shipments, service_level),
        event_date=model.local_dates(shipments, milestones["event_at"]),
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
    )


def _look(
    model: PromiseModel,
    parcels: pd.DataFrame,
    scans: pd.DataFrame,
    moment: pd.Timestamp,
    positions: Ints,
) -> dict[str, npt.NDArray[Any]]:
    parcels = parcels.reset_index(drop=True)
    received = (scans["received_at"] <= moment).to_numpy()
    mine = received & scans["shipment_id"].isin(parcels["shipment_id"]).to_numpy()
    journey = journeys_at(
        model, parcels, scans[mine].reset_index(drop=True), moment.to_pydatetime()
    )
    today = journey.today.astype("datetime64[D]")
    utc = moment.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[us]")
    return {
        "moment": np.full(len(parcels), utc),
        "parcel": positions,
        "today": today,
        "first_date": today,
        "probability": journey.dates().astype(np.float32),
    }


def first_promises(
    model: PromiseModel,
    shipments: pd.DataFrame,
    service_level: float,
    asked: Mask | bool = True,  # noqa: FBT001, FBT002
) -> npt.NDArray[np.datetime64]:
    """What customers were told at checkout, (n,) datetime64[D].

    The shipment's ``promised_date``; where it has none and is ``asked`` (n,), the model's promise.
    """
    date = np.full(len(shipments), np.datetime64("NaT", "D"))
    if "promised_date" in shipments.columns:
        date = shipments["promised_date"].to_numpy().astype("datetime64[D]")
    bare = np.isnat(date) & asked
    if bare.any():
        promises = model.promise_many(shipments[bare].reset_index(drop=True), service_level)
        date[bare] = promises["estimated_delivery_date"].to_numpy().astype("datetime64[D]")
    return date
