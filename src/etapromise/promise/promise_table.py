"""Promises of many parcels as a table, with the columns of `etapromise score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import Dates, Floats, Ints
from etapromise.encoding.requests import as_released, dates_in_column, require_table
from etapromise.encoding.shipment_values import readable_frame
from etapromise.errors import ContractError
from etapromise.forecast.distribution import NOT_ASKED
from etapromise.promise.arrival_distribution import PERCENTILES
from etapromise.promise.confidence import LEFT_OUT, MISTYPED, assess, messages_of
from etapromise.promise.contributions import CAUSES, contributions
from etapromise.tracking.faults import Note

if TYPE_CHECKING:
    from etapromise.encoding.requests import Requests
    from etapromise.promise.model_core import ModelCore

# A standing date that is more likely missed than kept is at risk.
_AT_RISK: Final = 0.5
# So many of the names never seen are compared with the known ones, the most used first.
_TRIED_NAMES: Final = 50


def promise_frame(
    model: ModelCore, frame: pd.DataFrame, service_level: float, *, explain: bool = False
) -> pd.DataFrame:
    """One row for each parcel of `frame` (n,), in its order; see `PromiseModel.promise_many`."""
    require_table(frame)
    if "shipment_id" not in frame.columns:
        raise ContractError(
            "Found no column shipment_id; expected accepted rows of the contract, as "
            "tracking.read_shipments gives them. Hand tables as they are to etapromise.score."
        )
    frame, left_out = readable_frame(frame)
    requests = model.parts.encoder.encode(as_released(frame))
    levels, position = shown_levels(service_level)
    standing = _standing_days(frame, requests, model.horizon)
    day, probability, kept = model.kernel.reach(requests, levels, standing)
    days = day.astype(np.int64)[:, position]
    confidence = probability[:, position[len(PERCENTILES)]]
    code, reasons = assess(
        model.parts,
        requests,
        reachable=confidence >= service_level,
        days=days[:, -3:],
        region_told=_text_of(frame, "destination_region").ne("").to_numpy(bool),
    )
    asked = standing != NOT_ASKED
    late = np.where(asked, 1.0 - kept, 1.0 - confidence)
    service = requests.codes[:, model.kernel.lost_level]
    order_day = requests.order_day.astype(np.int64)
    why = {}
    if explain:
        added = contributions(model, requests, service_level).T
        why = {f"why_{cause}": days for cause, days in zip(CAUSES, added, strict=True)}
    table = pd.DataFrame(
        {
            **date_columns(frame, as_dates(order_day[:, None] + days), service_level, confidence),
            "delivery_date_confidence": np.where(asked, kept, np.nan),
            "late_probability": late,
            "lost_probability": model.parts.statistics.lost[service],
            "at_risk": late > _AT_RISK,
            "confidence_code": code,
            "messages": message_codes(reasons | np.where(left_out, LEFT_OUT, 0)),
            "model_version": model.version,
            **why,
        }
    )
    table.attrs["told"] = [str(note) for note in near_names(model, frame)]
    return table


def near_names(model: ModelCore, frame: pd.DataFrame) -> list[Note]:
    """Carriers, services and regions of shipments (n,) that were never seen, near to known ones."""
    encoder, told = model.parts.encoder, []
    for level, around, name in dict.fromkeys(MISTYPED.values()):
        if name not in frame:
            continue
        known = set(encoder.index_of[level].keys)
        said = frame[name].dropna().astype(str)
        before = "" if around is None else _text_of(frame, around)[said.index] + "\x1f"
        counted = (before + said)[said != ""].value_counts()
        for key, rows in counted[~counted.index.isin(known)][:_TRIED_NAMES].items():
            prefix, sign, word = str(key).rpartition("\x1f")
            near = model.near_name(level, prefix + sign, word)
            if near is not None:
                what = f"are {word!r}, which was never seen: did they mean {near!r}?"
                told.append(Note(reason="near_name", column=name, rows=int(rows), told=what))
    return told


def _text_of(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    empty = pd.Series("", index=frame.index)
    return frame[name].fillna("").astype(str) if name in frame else empty


def shown_levels(service_level: float) -> tuple[Floats, Ints]:
    """Ascending levels, and where the shown ones are: PERCENTILES, the service level, the band."""
    wanted = [percent / 100.0 for percent in PERCENTILES] + [service_level, 0.1, 0.5, 0.9]
    levels, position = np.unique(np.array(wanted), return_inverse=True)
    return levels, position


def date_columns(
    frame: pd.DataFrame, dates: Dates, service_level: float, confidence: Floats
) -> dict[str, Any]:
    """The first columns of `etapromise score`.

    Args:
        dates: (n, levels) at the shown levels, see `shown_levels`.
        confidence: (n,) of the promised date.
    """
    promised, low, _, high = dates[:, len(PERCENTILES) :].T
    return {
        "shipment_id": frame["shipment_id"].to_numpy(),
        "estimated_delivery_date": promised,
        "estimated_delivery_date_min": low,
        "estimated_delivery_date_max": high,
        "service_level": service_level,
        "confidence": confidence,
        **{f"percentile_{percent}": dates[:, k] for k, percent in enumerate(PERCENTILES)},
    }


def _standing_days(frame: pd.DataFrame, requests: Requests, horizon: int) -> NDArray[np.int32]:
    if "promised_date" not in frame.columns:
        return np.full(len(frame), NOT_ASKED, np.int32)
    promised = dates_in_column(frame, "promised_date")
    days = promised.astype(np.int64) - requests.order_day
    # Beyond the horizon probabilities stay as they are on its last day, as in `Promise`.
    days = np.minimum(days, horizon - 1)
    return np.where(np.isnat(promised), NOT_ASKED, days).astype(np.int32)


def as_dates(days: Ints) -> Dates:
    """Dates from days since 1970-01-01, as pandas holds them."""
    # Whole seconds: pandas has no unit of a day.
    return days.astype("datetime64[D]").astype("datetime64[s]")


def message_codes(reasons: NDArray[np.int32]) -> Any:
    """Space-separated message codes; each distinct set is spelled out once."""
    codes, positions = np.unique(reasons, return_inverse=True)
    texts = np.array(
        [" ".join(message["code"] for message in messages_of(int(code))) for code in codes],
        dtype=object,
    )
    return texts[positions] if len(texts) else texts
