"""A tracker that knows no more than the checkout's promise and that the parcel is not there yet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etapromise import PromiseModel


class ElapsedTracker:
    """The checkout's distribution, given that the parcel has not arrived before today (UTC)."""

    def __init__(self, model: PromiseModel) -> None:
        self._model = model
        self.parts, self.version, self.event = model.parts, model.version, model.event
        self.as_of, self.promise_many = model.as_of, model.promise_many

    def track_many(
        self,
        shipments: pd.DataFrame,
        scans: pd.DataFrame,  # noqa: ARG002 — it looks at none
        now: Any,
        *,
        service_level: float = 0.9,
        standing: Any = None,
    ) -> pd.DataFrame:
        forecast = self._model.distribution_many(shipments)
        origin, curve = forecast.origin_dates, forecast.probability
        horizon = curve.shape[1]
        today = (np.datetime64(now.replace(tzinfo=None), "D") - origin).astype(np.int64)
        before = forecast.confidence(today - 1)[:, None]
        given = np.clip((curve - before) / np.maximum(1.0 - before, 1e-12), 0.0, 1.0)
        reached = given >= service_level
        day = np.where(reached.any(axis=1), reached.argmax(axis=1), horizon - 1)
        stands = (standing.to_numpy().astype("datetime64[D]") - origin).astype(np.int64)
        rows = np.arange(len(origin))
        kept = np.where(stands < 0, 0.0, given[rows, np.clip(stands, 0, horizon - 1)])
        lost = 1.0 - given[:, -1]
        return pd.DataFrame(
            {
                "shipment_id": shipments["shipment_id"].to_numpy(),
                "estimated_delivery_date": (origin + day).astype("datetime64[s]"),
                "confidence": given[rows, day],
                "late_probability": 1.0 - kept,
                "lost_probability": lost,
                "likely_lost": lost >= 0.5,
            }
        )
