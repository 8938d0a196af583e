"""What shoppers' policies would have chosen for past orders, and what that would have meant.

Every policy ranks the same ways for the same orders. What a way that was not taken would have led
to nobody knows: so the table says what the model states of it, and, of the orders whose chosen way
is the one that was taken, whether the promise was kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.errors import ContractError
from etapromise.promise.model import PromiseModel
from etapromise.promise.options.policies import ShopperPolicy, load_policies
from etapromise.tracking.tracked import TrackedHistory

_LEFT_OUT: Final = frozenset(
    ("shipment_id", "order_id", "promised_date", "quoted_date", "carrier", "service")
)


def replay_policies(
    model: PromiseModel,
    history: TrackedHistory,
    ways: Sequence[Mapping[str, Any]],
    policies: Mapping[str, ShopperPolicy] | None = None,
    *,
    most_orders: int = 1000,
) -> pd.DataFrame:
    """One row for each policy, over orders placed after the model's moment.

    Args:
        model: who promises; it must not know what became of the orders.
        history: orders and what became of them, as `read` returns it.
        ways: options as for `PromiseModel.compare`.
        policies: by name; the ready ones of `load_policies` by default.
        most_orders: evenly taken from all.

    Returns:
        By policy: `orders`; means over them of `price`, `co2_kg`, `promised_days`, `usual_days` (to
        the date that half of such parcels make), `stated_kept`, `window_days` and the shares
        `window`, `guaranteed`, `no_appointment` and `groupable`; `taken`, the orders whose chosen
        way is the one that was taken, and `taken_kept`, the share of these that came in time.

    Raises:
        ContractError: no order was placed after the model's moment.

    Examples:
        >>> ways = [{"carrier": "acme", "service": "ground", "price": 4.9},
        ...         {"carrier": "acme", "service": "express", "price": 9.9}]
        >>> table = etapromise.replay_policies(model, history, ways, most_orders=20)
        >>> int(table.loc["price_sensitive", "orders"])
        20
    """
    policies = load_policies() if policies is None else policies
    shipments, happened = history.shipments, history.milestones
    later = np.flatnonzero((shipments["ordered_at"] >= pd.Timestamp(model.as_of)).to_numpy())
    if not len(later):
        raise ContractError(
            f"Found no order placed after the model's moment {model.as_of.isoformat()}; expected "
            "some that it knows nothing of. Use an earlier version of the model, or later orders."
        )
    rows = later[np.unique(np.linspace(0, len(later) - 1, most_orders).astype(np.int64))]
    orders = shipments.iloc[rows].reset_index(drop=True)
    arrived = model.local_dates(orders, happened["event_at"].iloc[rows].reset_index(drop=True))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in policies}
    for row, event in zip(orders.to_dict("records"), arrived.tolist(), strict=True):
        fields = {
            str(name): None if pd.isna(value) else value
            for name, value in row.items()
            if name not in _LEFT_OUT
        }
        for name, policy in policies.items():
            found[name].append(_outcome(model, ways, policy, fields, row, event))
    tables = {name: pd.DataFrame(outcomes) for name, outcomes in found.items()}
    means = pd.DataFrame({name: table.mean() for name, table in tables.items()}).T
    means.insert(0, "orders", float(len(orders)))
    means["taken"] = [table["taken"].sum() for table in tables.values()]
    return means.rename_axis("policy")


def _outcome(
    model: PromiseModel,
    ways: Sequence[Mapping[str, Any]],
    policy: ShopperPolicy,
    fields: Mapping[str, Any],
    row: Mapping[Any, Any],
    event: dt.date | None,
) -> dict[str, float]:
    best = model.compare(ways, policy, day_price=None, **fields)[0]
    first = best.promise.first_date
    taken = all(row.get(name) == best.option.get(name) for name in ("carrier", "service"))
    kept = event is not None and event <= best.date
    return {
        "price": np.nan if best.price is None else best.price,
        "co2_kg": np.nan if best.co2_kg is None else best.co2_kg,
        "promised_days": (best.date - first).days,
        "usual_days": (best.promise.percentile(50) - first).days,
        "stated_kept": best.confidence,
        "window_days": (best.windows[0].date - first).days if best.windows else np.nan,
        "window": float(bool(best.windows)),
        **{
            name: float(bool(best.option.get(name)))
            for name in ("guaranteed", "no_appointment", "groupable")
        },
        "taken": float(taken),
        "taken_kept": float(kept) if taken else np.nan,
    }
