"""From a request's plain values to an answer's: no web in here, so that any server can use it.

And what the checkout page needs to know before anything is asked: ways, places, policies.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from etapromise.errors import ContractError
from etapromise.history.effects import FIELDS
from etapromise.promise.decision import CostPolicy
from etapromise.promise.model import PromiseModel
from etapromise.promise.options.policies import load_policies
from etapromise.promise.why import Why
from etapromise.promise.wording import sentence
from etapromise.serving.static_promises import StaticPromise

_MOST_AT_ONCE: Final = 1000
_BESIDE_A_SHIPMENT: Final = frozenset(
    {"standing", "service_level", "band", "at_risk_threshold", "vocabulary", "naive_time_zone"}
)
_MOST_WAYS: Final = 8
_SEPARATOR: Final = "\x1f"
Plain = dict[str, Any]


def quotes(model: PromiseModel, asked: Any) -> Any:
    """One promise for an object, many for a list of them."""
    if isinstance(asked, list):
        _require_few(asked, "quotes")
        return [_quote(model, one) for one in asked]
    return _quote(model, asked)


def order(model: PromiseModel, asked: Any) -> Plain:
    """One date for the `parcels` of an order; what stands beside them holds for all."""
    given = _object(asked)
    locale = given.pop("locale", "en")
    # All of an order are ordered at one moment, which is now where nobody says another.
    ordered = given.pop("ordered_at", None) or dt.datetime.now(dt.UTC)
    parcels = [
        {**parcel, "ordered_at": parcel.get("ordered_at") or ordered}
        if isinstance(parcel, Mapping)
        else parcel
        for parcel in _list(given, "parcels")
    ]
    found = model.promise_order([_times(parcel) for parcel in parcels], **_times(given))
    return found.as_dict() | {"text": found.text(locale), "fallback": False}


def compare_options(model: PromiseModel, asked: Any) -> Plain:
    """`options`, best first by a `policy`."""
    given = _object(asked)
    locale = given.pop("locale", "en")
    options = _list(given, "options")
    if "policy" not in given:
        raise ContractError(
            "Found no policy; expected a service level such as 0.9, the name of a policy such as "
            '"eco", {"lateness_cost_days": 5}, or a wanted date. Add it beside the options.'
        )
    policy = _policy(given.pop("policy"))
    if given.get("wanted_by") is not None:
        given["wanted_by"] = _date("wanted_by", given["wanted_by"])
    if not all(one.get("ordered_at") for one in options if isinstance(one, Mapping)):
        given["ordered_at"] = given.get("ordered_at") or dt.datetime.now(dt.UTC)
    given.setdefault("day_price", None)
    found = model.compare([_times(option) for option in options], policy, **_times(given))
    return {
        "options": [
            one.as_dict() | {"text": one.promise.text(locale), "why": one.why_text(locale)}
            for one in found
        ],
        "fallback": False,
    }


def track(model: PromiseModel, asked: Any) -> Plain:
    """What is to be expected of a `shipment` by its `scans`."""
    given = _object(asked)
    locale, why = given.pop("locale", "en"), given.pop("why", False)
    shipment = given.pop("shipment", None)
    if not isinstance(shipment, Mapping):
        raise ContractError(
            f"Found shipment={shipment!r}; expected an object with the shipment's columns."
        )
    told = given.pop("scans", None)
    scans = [] if told is None else [_times(scan) for scan in _list({"scans": told}, "scans")]
    now = _moment("now", given.pop("now", None))
    unknown = sorted(given.keys() - _BESIDE_A_SHIPMENT)
    if unknown:
        raise ContractError(
            f"Found {', '.join(unknown)} beside a shipment; expected some of "
            f"{', '.join(sorted(_BESIDE_A_SHIPMENT))}. Leave out the rest."
        )
    found = model.track(_times(shipment), scans, now, **given)
    text = None if found.date is None else found.promise.text(locale)
    plain = found.as_dict() | {"text": text, "fallback": False}
    return plain | {"why": _why(found.why(), locale)} if why else plain


ANSWERS: Final[Mapping[str, Callable[[PromiseModel, Any], Any]]] = {
    "/quotes": quotes,
    "/orders": order,
    "/compare": compare_options,
    "/track": track,
}


def fallback(asked: Any, days: int, reason: str) -> Any:
    """A static promise, where no model can give one: so many calendar days from the order on.

    Args:
        reason: what kept a model from answering.
    """
    if isinstance(asked, list):
        _require_few(asked, "quotes")
        return [_fallback(one, days, reason) for one in asked]
    return _fallback(asked, days, reason)


def _fallback(asked: Any, days: int, reason: str) -> Plain:
    given = _object(asked)
    shipment = given.get("shipment")
    if isinstance(shipment, Mapping):
        given = {**shipment}
    times = [_moment("ordered_at", given.get("ordered_at")), *_released(given)]
    for many in ("parcels", "options"):
        told = given.get(many)
        for one in told if isinstance(told, list) else ():
            if isinstance(one, Mapping):
                if one.get("ordered_at") is not None:
                    times.append(_moment("ordered_at", one["ordered_at"]))
                times += _released(one)
    ordered = max(times)
    static = StaticPromise(ordered.date() + dt.timedelta(days=days), ordered, reason)
    told = static.as_dict() | {"text": None}
    options = given.get("options")
    if not isinstance(options, list):
        return told
    # Nothing says which is better: they stay in the order in which they came.
    names = ("name", "carrier", "service", "price")
    return {
        "options": [
            {"rank": rank, **{name: _plain(one.get(name)) for name in names}, "promise": told}
            for rank, one in enumerate(options, start=1)
            if isinstance(one, Mapping)
        ],
        "fallback": True,
    }


def _plain(value: Any) -> str | float | None:
    """What a fall-back says again: no list and no object, as deep as whoever asks likes."""
    return value if isinstance(value, str | int | float) else None


def _released(given: Mapping[str, Any]) -> list[dt.datetime]:
    told = given.get("available_from")
    return [] if told is None else [_moment("available_from", told)]


def problem(error: Exception) -> Plain:
    """What was found, what was expected and what to do, out of one of the library's messages."""
    message = " ".join(str(error).split())
    found, told, rest = message.partition("; expected ")
    # A sentence ends with a stop or with a question.
    expected, remedy = [*re.split(r"(?<=[.?]) ", rest, maxsplit=1), ""][:2]
    return {
        "error": {
            "type": next(one.__name__ for one in type(error).__mro__ if one.__name__[:1] != "_"),
            "message": message,
            "found": found if told else message,
            "expected": expected.rstrip(".") if told else None,
            "remedy": (remedy or (f"Give {expected.rstrip('.')}." if told else None)),
        }
    }


def _quote(model: PromiseModel, asked: Any) -> Plain:
    given = _object(asked)
    locale, why = given.pop("locale", "en"), given.pop("why", False)
    missing = [name for name in ("origin", "destination") if name not in given]
    if missing:
        raise ContractError(
            f"Found a request without {' and '.join(missing)}; expected where the parcel is sent "
            "from and where it goes to. Add them."
        )
    if given.get("ordered_at") is None:
        # Whoever asks at checkout means now; the answer says which moment that was.
        given["ordered_at"] = dt.datetime.now(dt.UTC)
    promise = model.promise(**_times(given))
    plain = promise.as_dict()
    plain["text"] = sentence(
        code=plain["confidence_code"],
        day=promise.date,
        earliest=promise.earliest,
        latest=max(promise.date, promise.latest),
        locale=locale,
    )
    plain["fallback"] = False
    if why:
        plain["why"] = _why(promise.why(), locale)
    return plain


def _why(told: Why | None, locale: str) -> Plain | None:
    return None if told is None else told.as_dict() | {"text": told.text(locale)}


def _object(asked: Any) -> Plain:
    if not isinstance(asked, Mapping):
        raise ContractError(
            f"Found a request of type {type(asked).__name__}; expected a JSON object with the "
            "fields of a shipment, such as origin, destination and carrier."
        )
    return dict(asked)


def _list(given: Plain, name: str) -> list[Any]:
    found = given.pop(name, None)
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ContractError(f"Found {name}={found!r}; expected a list of objects.")
    _require_few(found, name)
    return found


def _require_few(found: Sequence[Any], name: str) -> None:
    if len(found) > _MOST_AT_ONCE:
        raise ContractError(
            f"Found {len(found)} {name}; expected at most {_MOST_AT_ONCE} in one request. Ask "
            "again for the rest."
        )


def _times(given: Mapping[str, Any]) -> Plain:
    """The fields, times as times."""
    fields = dict(given)
    for name in ("ordered_at", "available_from", "scanned_at", "received_at"):
        if isinstance(fields.get(name), str):
            fields[name] = _moment(name, fields[name])
    return fields


def _moment(name: str, value: object) -> dt.datetime:
    if value is None:
        return dt.datetime.now(dt.UTC)
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ContractError(
            f"Found {name}={value!r}; expected a time in ISO 8601 with its offset, such as "
            "2026-02-01T09:30+01:00."
        ) from error
    if found.tzinfo is None:
        raise ContractError(
            f"Found {name}={value!r} without a time zone; expected an offset, such as "
            "2026-02-01T09:30+01:00, since the date depends on it."
        )
    return found


def _date(name: str, value: object) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError as error:
        raise ContractError(f"Found {name}={value!r}; expected YYYY-MM-DD.") from error


def _policy(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) != {"lateness_cost_days"}:
            raise ContractError(
                f"Found the policy {dict(value)!r}; expected "
                '{"lateness_cost_days": days that are as bad as a broken promise}.'
            )
        return CostPolicy(**value)
    if isinstance(value, str) and value[:1].isdigit():
        return _date("policy", value)
    return value


def checkout_facts(model: PromiseModel | None, ways: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Options to compare, the places with the most history as examples, and the policies."""
    policies = [{"name": name, "about": policy.about} for name, policy in load_policies().items()]
    places: dict[str, str | None] = dict.fromkeys(
        ("origin", "origin_country", "destination_region", "destination_country")
    )
    if model is not None:
        lane = _best(model, "service_lane", 1)
        if lane:
            _, _, country, origin, to_country, region = lane[0]
            places |= {
                "origin": origin,
                "origin_country": country,
                "destination_region": region,
                "destination_country": to_country,
            }
        if ways is None:
            ways = [
                {"carrier": carrier, "service": service}
                for carrier, service in _best(model, "service", _MOST_WAYS)
            ]
    return {"ways": ways or [], "places": places, "policies": policies}


def _best(model: PromiseModel, level: str, count: int) -> list[tuple[str, ...]]:
    """The keys of a level with the most evidence."""
    encoder, statistics = model.parts.encoder, model.parts.statistics
    keys = encoder.index_of[level].keys
    start = int(statistics.total_start[encoder.level_names.index(level)]) + 1
    evidence = statistics.total[start : start + len(keys), FIELDS.index("evidence")]
    best = np.argsort(-evidence, kind="stable")[:count]
    return [tuple(keys[row].split(_SEPARATOR)) for row in best.tolist()]
